//! What the newest version of an order asks of its document, as it is stored in `documents.desired`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::document::{ParkKind, Trace, Wanted};
use crate::domain::ids::ConnectionName;
use crate::domain::order::Order;
use crate::mapping::desired::DesiredOrder;
use crate::mapping::judge::{self, Judgement};
use crate::mapping::rules::Rules;
use crate::store::{self, Known, Reason, Store, StoreError};

/// The stored form of a judgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "wanted")]
pub enum Wish {
    /// IFS shall hold this order.
    Write {
        /// The order as IFS shall hold it.
        order: Box<DesiredOrder>,
    },
    /// IFS shall hold no live order.
    Cancel {
        /// IFS's code for the reason.
        cancel_reason: String,
    },
    /// A named rule keeps it out.
    Skip {
        /// The rule.
        rule: String,
        /// Whether it is looked up once all the same.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        look_up: bool,
    },
    /// A condition is not met yet.
    Hold {
        /// A stable word.
        code: String,
        /// One sentence for a person.
        text: String,
        /// When it is looked at again, UTC microseconds.
        due_at: i64,
    },
    /// A person must decide.
    Park {
        /// What may open it again.
        kind: String,
        /// A stable word.
        code: String,
        /// One sentence for a person.
        text: String,
        /// The code to cancel with, when the order is cancelled and a record of it should turn up.
        cancel_reason: Option<String>,
    },
}

/// A stored wish that this version cannot read.
#[derive(Debug, thiserror::Error)]
#[error("documents.desired holds content that this version does not know")]
pub struct UnreadableWish(#[source] serde_json::Error);

impl Wish {
    /// Reads a stored wish.
    ///
    /// # Errors
    /// [`UnreadableWish`] for another version's content.
    pub fn parse(text: &str) -> Result<Self, UnreadableWish> {
        serde_json::from_str(text).map_err(UnreadableWish)
    }

    /// Whether no live order is wanted in IFS.
    pub fn cancels(&self) -> bool {
        matches!(self, Self::Cancel { .. } | Self::Park { cancel_reason: Some(_), .. })
    }

    /// The stored text; equal wishes give equal texts.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a wish holds nothing that JSON cannot")
    }

    /// What the store needs to know of it.
    pub fn for_store(&self, trace: Trace) -> store::Wish {
        let content = self.to_text();
        let digest = hex::encode(Sha256::digest(content.as_bytes()));
        let (wanted, reason) = match self {
            Self::Write { .. } => (Wanted::Write, None),
            Self::Cancel { .. } => (Wanted::Cancel(trace), None),
            Self::Skip { rule, look_up } => {
                let wanted = if *look_up { Wanted::Note } else { Wanted::Skip };
                (wanted, Some(Reason { kind: None, code: rule.clone(), text: skip_text(rule) }))
            }
            Self::Hold { code, text, .. } => {
                (Wanted::Hold, Some(Reason { kind: None, code: code.clone(), text: text.clone() }))
            }
            Self::Park { kind, code, text, .. } => (Wanted::Park, Some(park_reason(kind, code, text))),
        };
        let due_at = match self {
            Self::Hold { due_at, .. } => Some(hold_until(*due_at)),
            Self::Write { .. } | Self::Cancel { .. } | Self::Skip { .. } | Self::Park { .. } => None,
        };
        store::Wish { wanted, content, digest, reason, due_at }
    }
}

/// The instant of a stored hold.
pub fn hold_until(due_at: i64) -> Timestamp {
    Timestamp::from_microsecond(due_at).unwrap_or(Timestamp::MAX)
}

/// The reason of a stored park.
pub fn park_reason(kind: &str, code: &str, text: &str) -> Reason {
    let kind = ParkKind::parse(kind).unwrap_or(ParkKind::Mapping);
    Reason { kind: Some(kind), code: code.to_owned(), text: text.to_owned() }
}

/// The sentence that goes with a rule that keeps an order out.
pub fn skip_text(rule: &str) -> String {
    format!("the rule {rule} keeps this order out of IFS")
}

/// Judges an order.
///
/// A cancelled one acts before the gate and before anything that we cannot map, where a record of it stands or may
/// stand in IFS; else identities and filters come first.
///
/// A hold keeps back what is new to IFS only.
pub fn judge(order: &Order, rules: &Rules, footing: &Footing, now: Timestamp) -> Wish {
    // Tags that we put there ourselves decide nothing.
    let without = rules.without_own_tags(order);
    let order = without.as_ref().unwrap_or(order);
    if !order.is_cancelled() {
        let judgement = match footing {
            Footing::InIfs => judge::judge_unheld(order, rules),
            Footing::NotInIfs { released } => judge::judge_held(order, rules, released, now),
        };
        return wish_of(judgement, None, rules);
    }
    let cancel_reason = judge::cancel_wish(order, rules).reason_code;
    match footing {
        Footing::InIfs => Wish::Cancel { cancel_reason },
        Footing::NotInIfs { .. } => match judge::screen(order, rules) {
            Some(judgement) => wish_of(judgement, Some(cancel_reason), rules),
            None => Wish::Cancel { cancel_reason },
        },
    }
}

/// Whether a record of the order stands, or may stand, in IFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Footing {
    /// It is linked as ours, or an intent of it is open.
    InIfs,
    /// Neither.
    NotInIfs {
        /// The conditions that a person has released it from.
        released: Vec<String>,
    },
}

impl Footing {
    /// Of an order as our rows have it.
    pub fn of(known: &Known) -> Self {
        match known.standing {
            Some(standing) if standing.linked || standing.open_intent => Self::InIfs,
            Some(_) | None => Self::NotInIfs { released: known.released.clone() },
        }
    }
}

/// How the document with this business key stands, as a judgement needs to know.
///
/// # Errors
/// The store's.
pub async fn footing(store: &Store, connection: &ConnectionName, key: &str) -> Result<Footing, StoreError> {
    let standing = store.standing(connection, key).await?;
    Ok(match standing {
        Some(standing) if standing.linked || standing.open_intent => Footing::InIfs,
        Some(_) => Footing::NotInIfs { released: store.released(connection, key).await? },
        None => Footing::NotInIfs { released: Vec::new() },
    })
}

fn wish_of(judgement: Judgement, cancel_reason: Option<String>, rules: &Rules) -> Wish {
    match judgement {
        Judgement::Write(order) => Wish::Write { order },
        Judgement::Skip(rule) => Wish::Skip { rule: rule.code().to_owned(), look_up: rules.looks_up(rule) },
        Judgement::Hold(hold) => {
            Wish::Hold { code: hold.code.to_owned(), text: hold.text, due_at: hold.due_at.as_microsecond() }
        }
        Judgement::Park(reason) => Wish::Park {
            kind: reason.kind.as_str().to_owned(),
            code: reason.code.to_owned(),
            text: reason.text.clone(),
            cancel_reason,
        },
    }
}
