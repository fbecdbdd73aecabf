//! PricePoller: compares prices of shop and IFS on a schedule, and plans what the shop's become. Writes nothing to either.

use std::sync::Arc;

use crate::flow::Connection;
use crate::flow::prices::{Polled, poll};
use crate::store::StoreError;
use crate::supervision::{Doorbell, Pace, Step};

/// The step of one connection's poller of prices.
pub struct PricePoller {
    /// The connection.
    pub link: Arc<Connection>,
    /// Wakes the writer to the shop.
    pub writer: Doorbell,
}

impl Step for PricePoller {
    async fn run(&self) -> Pace {
        match poll(&self.link).await {
            Ok(Polled::Planned(_)) => {
                self.writer.ring();
                Pace::More
            }
            Ok(Polled::Waits(wait)) => Pace::Due(wait),
            Ok(Polled::Stopped) => Pace::Idle,
            Ok(Polled::Failed) => Pace::Failed,
            Err(StoreError::Fenced) => {
                tracing::warn!(connection = %self.link.name, "the lease is another replica's: no price is compared here");
                Pace::Failed
            }
            Err(error) => {
                tracing::error!(connection = %self.link.name, %error, "the poller of prices: its store failed");
                Pace::Failed
            }
        }
    }
}
