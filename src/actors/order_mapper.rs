//! OrderMapper: inbox -> domain order -> desired document. Deliveries of one order go one after the other, those of
//! different orders beside each other, so that one order's re-read does not hold up the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;

use crate::flow::Connection;
use crate::flow::map_delivery::{Ended, map_delivery, order_id_of};
use crate::store::{Blame, Received};
use crate::supervision::{Doorbell, Pace, Step};

/// Deliveries taken at once.
const TAKEN_MAX: i64 = 64;
/// Orders mapped beside each other.
const ORDERS_AT_ONCE: usize = 8;
/// A delivery that was begun so often without an end may be what ended the process.
const SUSPECT_FROM: i64 = 2;

/// The step of one connection's mapper.
pub struct OrderMapper {
    /// The connection.
    pub link: Arc<Connection>,
    /// Wakes its writer.
    pub writer: Doorbell,
}

impl Step for OrderMapper {
    async fn run(&self) -> Pace {
        if self.link.is_stopping() {
            return Pace::Idle;
        }
        let taken = match self.link.store.due_deliveries(&self.link.name, self.link.clock.now(), TAKEN_MAX).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::error!(connection = %self.link.name, %error, "deliveries could not be taken from the inbox");
                return Pace::Failed;
            }
        };
        let full = i64::try_from(taken.len()).is_ok_and(|count| count == TAKEN_MAX);
        let (suspects, others): (Vec<_>, Vec<_>) = by_order(taken).into_iter().partition(|order| is_suspect(order));
        let mut failed = stream::iter(others)
            .map(|deliveries| self.map_all(deliveries))
            .buffer_unordered(ORDERS_AT_ONCE)
            .fold(false, |failed, this| async move { failed || this })
            .await;
        // Each alone, so that the next death tells them from what was merely in hand beside them.
        for deliveries in suspects {
            failed |= self.map_all(deliveries).await;
        }
        match (failed, full) {
            (true, _) => Pace::Failed,
            (false, true) => Pace::More,
            (false, false) => Pace::Idle,
        }
    }
}

impl OrderMapper {
    /// Maps the deliveries of one order in the order in which they came; true when the store failed. A replica that stops leaves
    /// the rest to the next owner, also of a batch that it has taken.
    async fn map_all(&self, deliveries: Vec<Received>) -> bool {
        for received in deliveries {
            if self.link.is_stopping() {
                return false;
            }
            let mapped = map_delivery(&self.link, &received).await;
            match mapped {
                Ok(Ended::Mapped(state)) => {
                    tracing::info!(
                        trace_id = %received.trace_id, connection = %self.link.name, topic = %received.topic, %state,
                        "a delivery is mapped"
                    );
                    self.link.work.notify_one();
                    self.writer.ring();
                }
                Ok(Ended::Superseded | Ended::Quarantined | Ended::Postponed) => {}
                Err(error) => {
                    tracing::error!(
                        trace_id = %received.trace_id, connection = %self.link.name, %error,
                        "a delivery could not be mapped: it stays received and is tried again"
                    );
                    give_back(&self.link, &received).await;
                    return true;
                }
            }
        }
        false
    }
}

/// The store's failure is no fault of the delivery: its attempt is given back, if the store takes even that.
async fn give_back(link: &Connection, received: &Received) {
    let now = link.clock.now();
    let reason = "the store failed while it was mapped".to_owned();
    if let Err(error) =
        link.store.postpone_delivery((received.id, order_id_of(received)), now, Blame::Remote, reason).await
    {
        tracing::warn!(inbox_id = %received.id, %error, "its attempt could not be given back");
    }
}

/// Whether the process may have died of one of them. What was put back came to an end each time: those that wait for an answer of
/// Shopify go beside each other.
fn is_suspect(deliveries: &[Received]) -> bool {
    deliveries.iter().any(|received| received.attempts >= SUSPECT_FROM && !received.put_back)
}

/// Groups deliveries by order, keeping their sequence; what names no order stands alone.
fn by_order(taken: Vec<Received>) -> Vec<Vec<Received>> {
    let mut groups: BTreeMap<(Option<u64>, i64), Vec<Received>> = BTreeMap::new();
    for received in taken {
        let key = match order_id_of(&received) {
            Some(order) => (Some(order), 0),
            None => (None, received.id.get()),
        };
        groups.entry(key).or_default().push(received);
    }
    groups.into_values().collect()
}
