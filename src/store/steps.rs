//! What passes between a writer's step and its row: what was claimed, and how the step ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use super::customers::CustomerWish;
use super::documents::{Attempt, Reason};
use super::intents::Intent;
use super::mapped::{SnapshotChange, Wish};
use crate::domain::document::{DocumentKind, Wanted};
use crate::domain::ids::{ConnectionName, DocumentId, IntentId};

/// A document in the hands of one writer.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The row.
    pub id: DocumentId,
    /// What it is.
    pub kind: DocumentKind,
    /// The key that travels inside the IFS record.
    pub business_key: String,
    /// Shopify's order id.
    pub order_id: u64,
    /// The desired content, JSON text.
    pub desired: String,
    /// Its version.
    pub desired_version: i64,
    /// What was sent and answered, JSON text.
    pub written: Option<String>,
    /// IFS's `OrderNo`, when linked.
    pub order_no: Option<String>,
    /// Whether that link is only [`NOTED`].
    pub noted: bool,
    /// An intent that is still open.
    pub intent: Option<Intent>,
    /// Whether a look-up must come before a create.
    pub look_up_first: bool,
    /// The revision of the rules that judged the desired content.
    pub rules_revision: String,
    /// Since when it has been waiting for a condition, when it has.
    pub held_since: Option<Timestamp>,
    /// The document that it waits for.
    pub waits_for: Option<DocumentId>,
    /// Own failures so far.
    pub attempts: i64,
    /// Whether a step has reached something since the claim ([`super::Store::progress`]): what failed before counts no more.
    pub got_on: Arc<AtomicBool>,
    /// Proves the claim at the settle.
    pub claim: String,
    /// The id of the delivery that last changed it.
    pub trace_id: String,
}

impl Claimed {
    /// Own failures since the document last got on.
    pub fn failures(&self) -> i64 {
        if self.got_on.load(Ordering::Acquire) { 0 } else { self.attempts }
    }
}

/// The origin of a link to a record that is known and never changed: an order from before the go-live. It gives way to any other.
pub const NOTED: &str = "noted";

/// A record in IFS that now belongs to a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// IFS's `OrderNo`; of a customer's document its `CustomerNo`.
    pub order_no: String,
    /// `created` by us, `adopted` after a look-up, [`NOTED`], or (customers) `found` as it stood.
    pub origin: &'static str,
    /// Why this one: kept with a customer's link, "" with an order's.
    pub reason: String,
}

/// The customer's document that an order waits for.
#[derive(Debug, Clone)]
pub enum Awaited {
    /// It is there, with what the order wants.
    There(DocumentId),
    /// The order's settle makes it, or renews it. Where somebody wrote another content after that which this one follows, it
    /// stays as it is, and the order looks again at once.
    Anew {
        /// The document.
        customer: CustomerWish,
        /// The digest of the rules that made its content.
        rules_revision: String,
    },
}

/// Another document that a settle opens, or brings up to date, in its own transaction.
#[derive(Debug, Clone)]
pub struct FollowUp {
    /// What it is.
    pub kind: DocumentKind,
    /// Its business key.
    pub key: String,
    /// Its content as JSON text.
    pub content: String,
    /// Digest of the content: an equal one changes nothing.
    pub digest: String,
    /// What it asks for. What asks for no record opens no document.
    pub wanted: Wanted,
}

/// What a step reached on its way, committed while the document stays claimed.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The intent to close, with its outcome in one word.
    pub close: Option<(IntentId, &'static str)>,
    /// The record found or made.
    pub link: Option<Link>,
    /// What was sent and answered, JSON text.
    pub written: Option<String>,
    /// What to remember of the step.
    pub attempt: Option<Attempt>,
}

/// An order that was judged anew while its document was claimed.
#[derive(Debug, Clone)]
pub struct JudgedAnew {
    /// The connection.
    pub connection: ConnectionName,
    /// The newer version of the order, or more facts of the known one, when Shopify was asked.
    pub snapshot: Option<SnapshotChange>,
    /// What it asks for.
    pub wish: Wish,
    /// The customer document that it waits for.
    pub customer: Option<CustomerWish>,
    /// The digest of the rules that judged it.
    pub rules_revision: String,
    /// What to remember of the step.
    pub attempt: Option<Attempt>,
}

/// How a writer's step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// IFS holds the version that was sent.
    Written,
    /// Again at that time; `own_fault` counts against the document.
    Again {
        /// Whether the record itself failed, not the remote as a whole.
        own_fault: bool,
        /// When.
        due_at: Timestamp,
        /// What happened.
        reason: Option<Reason>,
    },
    /// The call's fate is unknown; look it up at that time.
    Unknown {
        /// When.
        due_at: Timestamp,
        /// Whether that is the record's own trouble, not the remote's as a whole: it counts against the document.
        own_fault: bool,
    },
    /// A condition is not met yet; looked at again at that time.
    Held {
        /// What is waited for.
        reason: Reason,
        /// When.
        due_at: Timestamp,
    },
    /// A person must decide.
    Parked(Reason),
    /// Nothing has to be there.
    Superseded,
    /// A named rule keeps it out.
    Skipped(Reason),
}

/// One settle.
#[derive(Debug, Clone)]
pub struct Settle {
    /// How the step ended.
    pub settled: Settled,
    /// The desired version that the step worked on.
    pub version: i64,
    /// The intent to close, with its outcome in one word.
    pub close: Option<(IntentId, &'static str)>,
    /// The record found or made.
    pub link: Option<Link>,
    /// What was sent and answered, JSON text.
    pub written: Option<String>,
    /// The customer that the order waits for from now on.
    pub awaited: Option<Awaited>,
    /// Other documents that follow from it.
    pub follow_ups: Vec<FollowUp>,
    /// What to remember of the step; `None` when nothing was tried.
    pub attempt: Option<Attempt>,
    /// The service's clock.
    pub now: Timestamp,
}
