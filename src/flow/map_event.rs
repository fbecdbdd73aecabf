//! One delivery that tells of an order without being one: an edit, a refund, a hint of the sweep. The order is read again by its
//! id, and what Shopify answers is mapped like any version.

use jiff::Timestamp;

use super::map_delivery::{Ended, Given, PAUSE, commit, postpone};
use super::re_read::{Brought, Case, ReRead, re_read};
use super::rejudge::version_of;
use super::{Connection, deletion, sweep};
use crate::store::{Blame, Received, StoreError};

/// What such a delivery names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Event {
    /// The order.
    pub(super) order_id: u64,
    /// The refund that was made.
    pub(super) refund_id: Option<u64>,
    /// The order's `updated_at` when it was found in a list.
    pub(super) told_at: Option<Timestamp>,
}

/// Maps the order that an event names.
///
/// 1. A refund that the newest known version holds already tells nothing new: Shopify sends `orders/updated` beside it. Nor does
///    a hint of a version that a webhook brought meanwhile.
/// 2. Read the order by its id. An answer that is known already tells nothing new either, unless the order's deletion was known or
///    its document asks for what a deleted one does: it was read, so that it was not deleted.
/// 3. Judge it and commit; if the snapshot moved meanwhile, begin again.
///
/// # Errors
/// The store's; the delivery stays `received` then.
pub(super) async fn map_event(
    link: &Connection,
    received: &Received,
    attempts: i64,
    event: Event,
) -> Result<Ended, StoreError> {
    // Taken back once, and known no more when it is judged again.
    let mut is_back = false;
    for _ in 0..3 {
        let snapshot = link.store.snapshot(&link.name, event.order_id).await?;
        // 1.
        let known = snapshot.as_ref().and_then(version_of);
        let known = known.map(|mut known| {
            known.settled = snapshot.iter().flat_map(|known| known.reread_digests.clone()).collect();
            known
        });
        let refunds = known.iter().flat_map(|known| &known.order.refunds);
        if event.refund_id.is_some_and(|id| refunds.clone().any(|refund| refund.id == id)) {
            return supersede(link, received, event, "the refund is known").await;
        }
        if event.told_at.is_some_and(|told| snapshot.as_ref().is_some_and(|known| known.updated_at >= told)) {
            return supersede(link, received, event, "a webhook told it meanwhile").await;
        }
        // 2.
        let (order_id, snapshot) = (event.order_id, snapshot.as_ref());
        let told_at = event.told_at.max(known.as_ref().map(|known| known.order.updated_at));
        let (brought, trigger) = (Brought::News, known.as_ref());
        let case = Case { link, received, attempts, order_id, told_at, brought, trigger, snapshot };
        let fresh = match re_read(&case, "the delivery names an order without telling it").await? {
            ReRead::Newest { fresh, came_back } => {
                is_back |= came_back;
                fresh
            }
            ReRead::Ended(ended) => return Ok(ended),
        };
        let has_facts = known.as_ref().is_some_and(|known| !known.order.lacks_facts(link.rules.needs()));
        let is_same =
            snapshot.is_some_and(|known| known.updated_at == fresh.order.updated_at && known.digest == fresh.digest);
        if is_same && has_facts && !is_back && !deletion::is_marked(link, event.order_id).await? {
            return supersede(link, received, event, "this version is known").await;
        }
        // 3.
        match commit(link, received, &fresh, snapshot, Given::Nothing).await {
            Ok(state) => {
                sweep::count_found(link, received, event.told_at);
                return Ok(Ended::Mapped(state));
            }
            Err(StoreError::Stale) => {}
            Err(error) => return Err(error),
        }
    }
    postpone(link, received, Blame::Remote, PAUSE, "the order changed while it was mapped").await
}

async fn supersede(
    link: &Connection,
    received: &Received,
    event: Event,
    reason: &'static str,
) -> Result<Ended, StoreError> {
    link.store.supersede_delivery(received.id, event.order_id, reason).await?;
    Ok(Ended::Superseded)
}
