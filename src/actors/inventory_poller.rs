//! InventoryPoller: reads the stock of shop and IFS on a schedule, and plans what the shop's levels show. Writes nothing to either.

use std::sync::Arc;

use crate::flow::Connection;
use crate::flow::stock::{Polled, poll};
use crate::store::StoreError;
use crate::supervision::{Doorbell, Pace, Step};

/// The step of one connection's poller of the stock.
pub struct InventoryPoller {
    /// The connection.
    pub link: Arc<Connection>,
    /// Wakes the reconciler: its sweep finds every order.
    pub reconciler: Doorbell,
    /// Wakes the writer to the shop.
    pub writer: Doorbell,
}

impl Step for InventoryPoller {
    async fn run(&self) -> Pace {
        match poll(&self.link).await {
            Ok(Polled::Planned(_) | Polled::Mended(_)) => {
                self.writer.ring();
                Pace::More
            }
            Ok(Polled::Sweep(look)) => {
                self.reconciler.ring();
                Pace::Due(look)
            }
            Ok(Polled::Waits(wait)) => Pace::Due(wait),
            Ok(Polled::Stopped) => Pace::Idle,
            Ok(Polled::Failed) => Pace::Failed,
            Err(StoreError::Fenced) => {
                tracing::warn!(connection = %self.link.name, "the lease is another replica's: no stock is read here");
                Pace::Failed
            }
            Err(error) => {
                tracing::error!(connection = %self.link.name, %error, "the poller of the stock: its store failed");
                Pace::Failed
            }
        }
    }
}
