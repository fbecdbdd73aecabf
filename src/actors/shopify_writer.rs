//! ShopifyWriter: the only writer to the shop of its connection. Tells what is due, in batches.

use std::sync::Arc;

use crate::flow::{Connection, write_back};
use crate::store::StoreError;
use crate::supervision::{Pace, Step};

/// The step of one connection's writer to its shop.
pub struct ShopifyWriter {
    /// The connection.
    pub link: Arc<Connection>,
}

impl Step for ShopifyWriter {
    async fn run(&self) -> Pace {
        match write_back::drain(&self.link).await {
            Ok(Some(wait)) => Pace::Due(wait),
            Ok(None) => Pace::Idle,
            Err(StoreError::Fenced) => {
                tracing::warn!(connection = %self.link.name, "the lease is another replica's: what was under way here changes no row");
                Pace::Failed
            }
            Err(error) => {
                tracing::error!(connection = %self.link.name, %error, "the writer to the shop: its store failed");
                Pace::Failed
            }
        }
    }
}
