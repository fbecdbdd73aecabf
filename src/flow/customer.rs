//! A claimed customer document towards what is desired: which step it needs now. A step may be cut off anywhere: what it left in
//! the rows says how the next one goes on.

use serde::{Deserialize, Serialize};

use super::Connection;
use super::customer_create::{self, Become};
use super::customer_keep::keep;
use super::settling::{Outcome, failed_itself, settle};
use super::wish::park_reason;
use crate::domain::document::{ParkKind, State, Wanted};
use crate::mapping::customer::DesiredCustomer;
use crate::mapping::customer_merge::WrittenCustomer;
use crate::mapping::park::ParkReason;
use crate::store::{self, Claimed, IntentKind, Reason, Settled, StoreError};

/// What a customer's document asks for, as it is stored in `documents.desired`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "wanted")]
pub enum Content {
    /// IFS shall hold this customer.
    Write {
        /// The customer as IFS shall hold it.
        customer: Box<DesiredCustomer>,
    },
    /// A person must decide.
    Park {
        /// A stable word.
        code: String,
        /// One sentence for a person.
        text: String,
    },
}

impl Content {
    /// What the mapping made of the customer.
    pub fn of(desired: Result<DesiredCustomer, ParkReason>) -> Self {
        match desired {
            Ok(customer) => Self::Write { customer: Box::new(customer) },
            Err(reason) => Self::Park { code: reason.code.to_owned(), text: reason.text },
        }
    }

    /// Reads a stored content; `None` for another version's.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The stored text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a customer holds nothing that JSON cannot")
    }

    /// Digest of what is kept up to date: an equal one changes nothing.
    pub fn digest(&self) -> String {
        match self {
            Self::Write { customer } => customer.digest(),
            Self::Park { code, text } => format!("park {code} {text}"),
        }
    }

    /// What the store needs to know of it.
    pub fn for_store(&self) -> store::Wish {
        let (wanted, reason) = match self {
            Self::Write { .. } => (Wanted::Write, None),
            Self::Park { code, text } => (Wanted::Park, Some(park_reason(ParkKind::Mapping.as_str(), code, text))),
        };
        store::Wish { wanted, content: self.to_text(), digest: self.digest(), reason, due_at: None }
    }
}

/// Takes the next step of a claimed customer and settles it.
///
/// 1. A create whose answer was lost is looked up; nothing else may happen before.
/// 2. A change whose answer was lost is in doubt until the customer is read.
/// 3. A customer that is linked is brought up to date; else it is looked for by its exact keys, then made.
///
/// # Errors
/// The store's; the claim ends with this process's lease then.
pub async fn converge(link: &Connection, claimed: &Claimed) -> Result<State, StoreError> {
    let sent = match &claimed.intent {
        None => None,
        Some(intent) => match Content::parse(&intent.content) {
            Some(Content::Write { customer }) => Some((intent, *customer)),
            Some(Content::Park { .. }) | None => {
                let text = "the open intent does not decode: run the version that wrote it";
                return settle(link, claimed, failed_itself(link, claimed, "look_up", None, text)).await;
            }
        },
    };
    let (open, lost) = match sent {
        // 1.
        Some((intent, sent)) if intent.kind == IntentKind::Create => {
            return match customer_create::resolve(link, claimed, intent, &sent).await? {
                Become::Linked(base) => keep(link, claimed, newest(claimed, sent), base, None).await,
                Become::Settled(outcome) => settle(link, claimed, *outcome).await,
            };
        }
        // 2.
        Some((intent, sent)) => (Some(intent.id), Some((intent.id, sent))),
        None => (None, None),
    };
    // 3.
    let customer = match Content::parse(&claimed.desired) {
        Some(Content::Write { customer }) => *customer,
        Some(Content::Park { code, text }) => {
            let parked = Settled::Parked(park_reason(ParkKind::Mapping.as_str(), &code, &text));
            let parked = Outcome::new("plan", claimed.desired_version, parked);
            return settle(link, claimed, parked.closing(open, "settled")).await;
        }
        None => {
            let text = "documents.desired holds content that this version does not know; run the version that wrote it"
                .to_owned();
            let parked = Outcome::park("plan", claimed, ParkKind::Mapping, "unreadable_content", text);
            return settle(link, claimed, parked.closing(open, "settled")).await;
        }
    };
    if claimed.order_no.is_some() {
        // What is linked has a base: both are committed at once.
        let Some(base) = claimed.written.as_deref().and_then(|text| serde_json::from_str(text).ok()) else {
            let parked = super::amend::unreadable_base("customer", link, claimed);
            return settle(link, claimed, parked.closing(open, "settled")).await;
        };
        return keep(link, claimed, customer, base, lost).await;
    }
    match customer_create::find_or_make(link, claimed, &customer).await? {
        Become::Linked(base) => keep(link, claimed, customer, base, None).await,
        Become::Settled(outcome) => settle(link, claimed, *outcome).await,
    }
}

/// What is desired by now, where it decodes, rather than what an old intent sent.
fn newest(claimed: &Claimed, sent: DesiredCustomer) -> DesiredCustomer {
    match Content::parse(&claimed.desired) {
        Some(Content::Write { customer }) => *customer,
        Some(Content::Park { .. }) | None => sent,
    }
}

/// The stored form of a base.
pub(super) fn base_text(base: &WrittenCustomer) -> String {
    serde_json::to_string(base).expect("a base holds nothing that JSON cannot")
}

/// A reason with its stable word.
pub(super) fn reason(code: &str, text: String) -> Reason {
    Reason { kind: None, code: code.to_owned(), text }
}
