//! The states of a customer order in IFS Cloud (documented), and which of them let us act.

/// The header's `Objstate`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Objstate {
    /// Entered, nothing promised yet.
    Planned,
    /// Open for reservation.
    Released,
    /// All or part of it reserved.
    Reserved,
    /// On a pick list.
    Picked,
    /// Some of it has left.
    PartiallyDelivered,
    /// All of it has left.
    Delivered,
    /// Invoiced; IFS also says `Closed`.
    Invoiced,
    /// Ended, with or without an invoice.
    Closed,
    /// Ended without delivery.
    Cancelled,
    /// Stopped by a credit check, a missing prepayment or by hand.
    Blocked,
    /// A state that we have never heard of; never guessed.
    Unknown(String),
}

impl Objstate {
    /// The state of IFS's identifier.
    pub fn parse(text: &str) -> Self {
        match text {
            "Planned" => Self::Planned,
            "Released" => Self::Released,
            "Reserved" => Self::Reserved,
            "Picked" => Self::Picked,
            "PartiallyDelivered" => Self::PartiallyDelivered,
            "Delivered" => Self::Delivered,
            "Invoiced" => Self::Invoiced,
            "Closed" => Self::Closed,
            "Cancelled" => Self::Cancelled,
            "Blocked" => Self::Blocked,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// IFS's identifier.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Planned => "Planned",
            Self::Released => "Released",
            Self::Reserved => "Reserved",
            Self::Picked => "Picked",
            Self::PartiallyDelivered => "PartiallyDelivered",
            Self::Delivered => "Delivered",
            Self::Invoiced => "Invoiced",
            Self::Closed => "Closed",
            Self::Cancelled => "Cancelled",
            Self::Blocked => "Blocked",
            Self::Unknown(other) => other,
        }
    }

    /// Whether our amendments may go in: only before anything is reserved. Every other state parks the change.
    pub fn lets_us_amend(&self) -> bool {
        self.lets_us_act()
    }

    /// Whether our cancellation may go in: only before anything is reserved. Every other state parks it.
    pub fn lets_us_cancel(&self) -> bool {
        self.lets_us_act()
    }

    /// Whether the order has ended without delivery.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }

    fn lets_us_act(&self) -> bool {
        match self {
            Self::Planned | Self::Released => true,
            Self::Reserved
            | Self::Picked
            | Self::PartiallyDelivered
            | Self::Delivered
            | Self::Invoiced
            | Self::Closed
            | Self::Cancelled
            | Self::Blocked
            | Self::Unknown(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unheard_of_state_is_kept_and_lets_nobody_act() {
        let state = Objstate::parse("Quarantined");
        assert_eq!(state, Objstate::Unknown("Quarantined".into()));
        assert_eq!(state.as_str(), "Quarantined");
        assert!(!state.lets_us_amend() && !state.lets_us_cancel());
        assert!(Objstate::parse("Released").lets_us_cancel());
    }
}
