//! The two orders of IFS that one order of Shopify may stand on. What came too late for the first is the second's: a document
//! of its own, which each settle of the first brings up to date, and the mapper where the first stands still.

use std::borrow::Cow;

use jiff::Timestamp;

use super::amend::Work;
use super::rejudge::wish_today;
use super::settling::Outcome;
use super::wish::Wish;
use super::{Connection, deletion};
use crate::domain::document::{DocumentKind, ParkKind, Trace, Wanted};
use crate::domain::ids::ConnectionName;
use crate::ifs::wire::names;
use crate::mapping::desired::{DesiredOrder, DesiredRow};
use crate::mapping::late::{self, Kept};
use crate::mapping::rules::{LateAdditions, Rules};
use crate::mapping::written::WrittenOrder;
use crate::store::{self, Beside, Claimed, FollowUp, Store, StoreError};

impl Work<'_> {
    /// What this order of IFS holds of the whole. What is left goes to the second one with the end of this step.
    ///
    /// # Errors
    /// The park of an order whose parts cannot be told apart.
    pub(super) fn own_part<'o>(&mut self, order: &'o DesiredOrder) -> Result<Cow<'o, DesiredOrder>, Box<Outcome>> {
        let Some(kept) = &self.base.kept else { return Ok(Cow::Borrowed(order)) };
        match late::split(order, kept) {
            Ok(parts) => {
                self.second = Some(of_second(self.claimed.order_id, parts.second, &self.link.rules));
                Ok(Cow::Owned(parts.first))
            }
            Err(text) => {
                self.second = None;
                let text = format!(
                    "the order stands on two orders of IFS, of which {} is the first, and its change cannot be split over them: {text}; \
                     change both in IFS, then run `documents resolve`",
                    self.order_no
                );
                let park = Outcome::park(self.step, self.claimed, ParkKind::Conflict, "no_exact_split", text);
                Err(Box::new(self.keeping_base(park)))
            }
        }
    }

    /// Decides that this order takes no additions any more, where the settings want a second order for them. It is stored with
    /// the base, before or together with the second order's document, and never decided again.
    pub(super) fn closes_for_additions(&mut self, order: &DesiredOrder) -> bool {
        let wanted = self.link.rules.settings().late_additions == LateAdditions::SecondOrder;
        if !wanted || self.base.kept.is_some() || late::is_second(&self.claimed.business_key) {
            return false;
        }
        let kept = Kept::of(&self.base);
        let is_late = |kept: &Kept| late::split(order, kept).is_ok_and(|parts| parts.second.is_some());
        self.base.kept = kept.filter(is_late);
        self.base.kept.is_some()
    }

    /// The cancellation of the second order, where there may be one.
    pub(super) fn cancel_second(&mut self) {
        if self.base.kept.is_some() {
            self.second = Some(of_second(self.claimed.order_id, None, &self.link.rules));
        }
    }

    /// The outcome, with the second order brought up to date, however far this one came: their parts have no unit in common.
    ///
    /// Invariant: the second order's part is told with, or after, the base that says what the first one keeps.
    pub(super) fn with_second(&mut self, outcome: Outcome) -> Outcome {
        let Some(second) = self.second.take().filter(|_| !outcome.keeps_intent()) else { return outcome };
        if !outcome.is_parked() {
            return outcome.followed_by(second);
        }
        let outcome = if outcome.has_base() { outcome } else { self.keeping_base(outcome) };
        let outcome = match Wish::parse(&second.content) {
            Ok(Wish::Write { order }) => {
                let more = format!(
                    "; {} stands on the second order, {}, which goes on by itself: enter nothing of it",
                    rows_of(&order),
                    second.key
                );
                outcome.saying(&more)
            }
            _ => outcome,
        };
        outcome.followed_by(second)
    }
}

/// The rows of an order, for a sentence: our names, and the units of lines.
fn rows_of(order: &DesiredOrder) -> String {
    let told = |row: &DesiredRow| match row.fields.get(names::BUY_QTY_DUE) {
        Some(units) => format!("{} ({units})", row.key),
        None => row.key.clone(),
    };
    order.lines.iter().chain(&order.charges).map(told).collect::<Vec<_>>().join(", ")
}

/// What the second order shall hold; nothing of it is wanted any more where there is no content.
fn of_second(order_id: u64, content: Option<DesiredOrder>, rules: &Rules) -> FollowUp {
    told(order_id, &wish_of(content, rules))
}

fn told(order_id: u64, wish: &Wish) -> FollowUp {
    let wish = wish.for_store(Trace::Possible);
    // The writer parks what parks.
    let wanted = if wish.wanted == Wanted::Park { Wanted::Write } else { wish.wanted };
    FollowUp {
        kind: DocumentKind::CustomerOrder,
        key: late::second_key(order_id),
        content: wish.content,
        digest: wish.digest,
        wanted,
    }
}

fn wish_of(content: Option<DesiredOrder>, rules: &Rules) -> Wish {
    match content {
        Some(order) => Wish::Write { order: Box::new(order) },
        None => Wish::Cancel { cancel_reason: rules.cancel_reason(None).to_owned() },
    }
}

/// What the first order keeps, where it is closed for additions.
fn kept_of(written: &str) -> Option<Kept> {
    serde_json::from_str::<WrittenOrder>(written).ok()?.kept
}

/// What an order's new content asks of its second order, for where the first one does not move by it: it is parked or
/// resolved, and no settle of it would tell the second. A second order is never opened so: a person may have keyed it.
///
/// # Errors
/// The store's.
pub(super) async fn beside(link: &Connection, order_id: u64, wish: &Wish) -> Result<Option<Beside>, StoreError> {
    let document = async |key: &str| link.store.document_of(DocumentKind::CustomerOrder, &link.name, key).await;
    let Some(first) = document(&order_id.to_string()).await? else { return Ok(None) };
    let beside = |second| Ok(Some(Beside { seen_written: first.written.clone(), second }));
    let Some(kept) = first.written.as_deref().and_then(kept_of) else { return beside(None) };
    if document(&late::second_key(order_id)).await?.is_none() {
        return beside(None);
    }
    beside(match wish {
        Wish::Cancel { .. } => Some(of_second(order_id, None, &link.rules)),
        Wish::Write { order } => Some(match late::split(order, &kept) {
            Ok(parts) => of_second(order_id, parts.second, &link.rules),
            Err(text) => told(order_id, &unsplit(&text)),
        }),
        deleted if deletion::is_wish_of_deleted(deleted) => Some(told(order_id, &deletion::parked())),
        Wish::Skip { .. } | Wish::Hold { .. } | Wish::Park { .. } => None,
    })
}

/// What goes to the second order of one that the writer parks because Shopify deleted it: it parks too, where there is one.
///
/// # Errors
/// The store's.
pub(super) async fn of_deleted(
    link: &Connection,
    claimed: &Claimed,
    wish: &Wish,
) -> Result<Option<FollowUp>, StoreError> {
    if !deletion::is_wish_of_deleted(wish) || claimed.written.as_deref().and_then(kept_of).is_none() {
        return Ok(None);
    }
    let key = late::second_key(claimed.order_id);
    let second = link.store.document_of(DocumentKind::CustomerOrder, &link.name, &key).await?;
    Ok(second.map(|_| told(claimed.order_id, &deletion::parked())))
}

fn unsplit(text: &str) -> Wish {
    Wish::Park {
        kind: ParkKind::Mapping.as_str().to_owned(),
        code: "no_exact_split".to_owned(),
        text: format!(
            "the order stands on two orders of IFS, of which this is the second, and its change cannot be split over them: \
             {text}; change both in IFS, then run `documents resolve`"
        ),
        cancel_reason: None,
    }
}

/// What the second order of an order asks for under today's rules.
#[derive(Debug)]
pub enum Today {
    /// This, never more than its part.
    Asks(Box<store::Wish>),
    /// What stands in its row: today's rules say nothing else.
    Stands,
    /// That cannot be told, for this reason.
    Unclear(String),
}

/// Judges the second order of an order anew.
///
/// Under changed rules the parts are told apart only where the first one's stays what it is: it is written under the old ones.
///
/// # Errors
/// The store's.
pub async fn second_today(
    store: &Store,
    rules: &Rules,
    connection: &ConnectionName,
    order_id: u64,
    now: Timestamp,
) -> Result<Today, StoreError> {
    let content = match wish_today(store, rules, connection, order_id, now).await? {
        Some(Wish::Write { order }) => {
            let first = store.document_of(DocumentKind::CustomerOrder, connection, &order_id.to_string()).await?;
            let kept = first.as_ref().and_then(|first| kept_of(first.written.as_deref()?));
            let (Some(first), Some(kept)) = (first, kept) else {
                return Ok(Today::Stands);
            };
            let parts = match late::split(&order, &kept) {
                Ok(parts) => parts,
                Err(text) => return Ok(Today::Unclear(text)),
            };
            let known = match Wish::parse(&first.desired) {
                Ok(Wish::Write { order }) => late::split(&order, &kept).ok(),
                _ => None,
            };
            if known.is_none_or(|known| !late::is_same_part(&known.first, &parts.first)) {
                return Ok(Today::Unclear("today's rules make other rows of the first order than it has".to_owned()));
            }
            parts.second
        }
        Some(Wish::Cancel { .. }) => None,
        Some(Wish::Skip { .. } | Wish::Hold { .. } | Wish::Park { .. }) | None => return Ok(Today::Stands),
    };
    Ok(Today::Asks(Box::new(wish_of(content, rules).for_store(Trace::Possible))))
}
