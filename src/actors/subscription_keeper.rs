//! SubscriptionKeeper: looks on a schedule whether the shop's webhook subscriptions stand, and restores those that do not.

use std::sync::Arc;

use crate::flow::Connection;
use crate::flow::subscriptions::{SubscriptionWatch, watch};
use crate::shopify::Lane;
use crate::supervision::{Pace, Step};

/// The step of one connection's keeper.
pub struct SubscriptionKeeper {
    /// The connection.
    pub link: Arc<Connection>,
    /// What should stand, and what is done about it.
    pub watched: SubscriptionWatch,
}

impl Step for SubscriptionKeeper {
    async fn run(&self) -> Pace {
        let shop = self.link.shopify.in_lane(Lane::Rest);
        match watch(&shop, &self.watched.wanted, self.watched.task).await {
            Ok(_outcome) => Pace::Due(self.watched.every),
            Err(error) => {
                tracing::warn!(connection = %self.link.name, %error, "nobody knows whether the webhook subscriptions stand");
                Pace::Failed
            }
        }
    }
}
