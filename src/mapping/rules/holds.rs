//! `[connections.NAME.holds]`: what an order waits for before it is created. How an order stands against it is judged by
//! [`crate::mapping::holds`].

use serde::{Deserialize, Serialize};

use super::Checks;

/// Seconds of 30 days: no order waits longer for time alone.
const LAG_SECS_MAX: u64 = 30 * 24 * 3600;

/// What an order waits for before it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HoldSettings {
    /// Seconds to wait after `lag_from`, so that edits and fraud checks settle.
    pub lag_secs: u64,
    /// Which moment of the order `lag_secs` counts from.
    pub lag_from: LagFrom,
    /// How far an order must be paid.
    pub payment: PaymentHold,
    /// Shopify's recommendations that hold an order: `investigate`, `cancel`, `none`.
    pub risk: Vec<RiskHold>,
    /// Seconds between two looks at an order whose condition only Shopify can tell.
    pub look_every_secs: u64,
    /// Hours after which an order that still waits parks.
    pub held_max_hours: u64,
}

impl Default for HoldSettings {
    fn default() -> Self {
        Self {
            lag_secs: 0,
            lag_from: LagFrom::Created,
            payment: PaymentHold::None,
            risk: Vec::new(),
            look_every_secs: 900,
            held_max_hours: 168,
        }
    }
}

/// `holds.lag_from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LagFrom {
    /// When the order was placed.
    Created,
    /// When it was last changed: each change makes it wait anew.
    Updated,
}

/// `holds.payment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentHold {
    /// Nothing is waited for.
    None,
    /// Paid in full, whatever was paid back since.
    Paid,
    /// Paid in full, or sold on payment terms.
    PaidOrTerms,
    /// Authorised or paid.
    Authorized,
}

/// A word of `holds.risk`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskHold {
    /// Shopify says that a person should look.
    Investigate,
    /// Shopify says that it should be cancelled.
    Cancel,
    /// Shopify has made no assessment.
    None,
}

impl HoldSettings {
    /// Whether the rules ask how risky Shopify thinks an order is.
    pub fn asks_risk(&self) -> bool {
        !self.risk.is_empty()
    }
}

/// Notes what cannot be meant.
pub(super) fn checks(checks: &mut Checks, holds: &HoldSettings) {
    if holds.lag_secs > LAG_SECS_MAX {
        checks.refuse("holds.lag_secs", &holds.lag_secs.to_string(), "0 to 2592000 (30 days)");
    }
    if !(30..=86_400).contains(&holds.look_every_secs) {
        checks.refuse("holds.look_every_secs", &holds.look_every_secs.to_string(), "30 to 86400");
    }
    if !(1..=8_760).contains(&holds.held_max_hours) {
        checks.refuse("holds.held_max_hours", &holds.held_max_hours.to_string(), "1 to 8760 (a year)");
    } else if holds.lag_secs >= holds.held_max_hours * 3600 {
        let text = "less than holds.held_max_hours, else every order parks";
        checks.refuse("holds.lag_secs", &holds.lag_secs.to_string(), text);
    }
}
