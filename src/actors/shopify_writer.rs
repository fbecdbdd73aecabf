//! ShopifyWriter: the only writer to the shop of its connection. Tells what is due of orders, in batches; then sets levels, deals with
//! products that have run out, and sets prices, a few calls each, with orders between them.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::stock::outs::{self, Looked};
use crate::flow::stock::write;
use crate::flow::{Connection, prices, write_back};
use crate::store::StoreError;
use crate::supervision::{Pace, Step};

/// Calls that set levels, and calls that set prices, between two looks at orders.
const CALLS_AT_ONCE: usize = 4;
/// Time between two looks while the shop cannot be asked about products.
const OUTS_PAUSE: Duration = Duration::from_secs(10);

/// The step of one connection's writer to its shop.
pub struct ShopifyWriter {
    /// The connection.
    pub link: Arc<Connection>,
}

impl Step for ShopifyWriter {
    async fn run(&self) -> Pace {
        match self.write().await {
            Ok(Some(wait)) if wait.is_zero() => Pace::More,
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

impl ShopifyWriter {
    /// Orders first, and again between everything else: what they tell is never behind more than a few calls, each of which may wait
    /// long for Shopify's points.
    async fn write(&self) -> Result<Option<Duration>, StoreError> {
        let link = &self.link;
        let told = self.tell().await?;
        if !link.stock.settings().is_on() {
            return Ok(told);
        }
        let set = write::drain(link, CALLS_AT_ONCE).await?;
        if set.is_some_and(|wait| wait.is_zero()) {
            return Ok(set);
        }
        self.tell().await?;
        let out = match outs::look(link).await? {
            Looked::Done => None,
            Looked::More => Some(Duration::ZERO),
            Looked::Held => Some(OUTS_PAUSE),
        };
        let told = self.tell().await?;
        let priced = prices::write::drain(link, CALLS_AT_ONCE).await?;
        Ok([told, set, out, priced].into_iter().flatten().min())
    }

    /// What is due of orders; gives how long until more is.
    async fn tell(&self) -> Result<Option<Duration>, StoreError> {
        if self.link.rules.writes_back() { write_back::drain(&self.link).await } else { Ok(None) }
    }
}
