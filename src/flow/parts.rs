//! The two orders of IFS that one order of Shopify may stand on. What came too late for the first is the second's: a document
//! of its own, which each settle of the first brings up to date. The mapper knows the first one only.

use std::borrow::Cow;

use jiff::Timestamp;

use super::amend::Work;
use super::rejudge::wish_today;
use super::settling::Outcome;
use super::wish::Wish;
use crate::domain::document::{DocumentKind, ParkKind, Trace};
use crate::domain::ids::ConnectionName;
use crate::mapping::desired::DesiredOrder;
use crate::mapping::late::{self, Kept};
use crate::mapping::rules::{LateAdditions, Rules};
use crate::mapping::written::WrittenOrder;
use crate::store::{self, FollowUp, Store, StoreError};

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

    /// The outcome, with the second order brought up to date: by what is written, and by a cancellation however far it comes.
    pub(super) fn with_second(&mut self, outcome: Outcome) -> Outcome {
        let tells = outcome.is_written() || (self.step == "cancel" && !outcome.keeps_intent());
        match self.second.take().filter(|_| tells) {
            Some(second) => outcome.followed_by(second),
            None => outcome,
        }
    }
}

/// What the second order shall hold; nothing of it is wanted any more where there is no content.
fn of_second(order_id: u64, content: Option<DesiredOrder>, rules: &Rules) -> FollowUp {
    let wish = wish_of(content, rules).for_store(Trace::Possible);
    FollowUp {
        kind: DocumentKind::CustomerOrder,
        key: late::second_key(order_id),
        content: wish.content,
        digest: wish.digest,
        wanted: wish.wanted,
    }
}

fn wish_of(content: Option<DesiredOrder>, rules: &Rules) -> Wish {
    match content {
        Some(order) => Wish::Write { order: Box::new(order) },
        None => Wish::Cancel { cancel_reason: rules.cancel_reason(None).to_owned() },
    }
}

/// What the second order of an order asks for under today's rules, never more than its part; `None` where that cannot be told,
/// and what stands in its row still holds.
///
/// # Errors
/// The store's.
pub async fn second_today(
    store: &Store,
    rules: &Rules,
    connection: &ConnectionName,
    order_id: u64,
    now: Timestamp,
) -> Result<Option<store::Wish>, StoreError> {
    let content = match wish_today(store, rules, connection, order_id, now).await? {
        Some(Wish::Write { order }) => {
            let first = store.document_of(DocumentKind::CustomerOrder, connection, &order_id.to_string()).await?;
            let base = first.and_then(|first| first.written);
            let base = base.and_then(|text| serde_json::from_str::<WrittenOrder>(&text).ok());
            let parts = base.and_then(|base| base.kept).map(|kept| late::split(&order, &kept));
            let Some(Ok(parts)) = parts else { return Ok(None) };
            parts.second
        }
        Some(Wish::Cancel { .. }) => None,
        Some(Wish::Skip { .. } | Wish::Hold { .. } | Wish::Park { .. }) | None => return Ok(None),
    };
    Ok(Some(wish_of(content, rules).for_store(Trace::Possible)))
}
