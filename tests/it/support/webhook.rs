//! One webhook of the first shop, repeated as Shopify repeats it: the same id and the same bytes.

use bytes::Bytes;
use ml_connector::sandbox::shopify::{Shop, Story, WebhookAnswer, WebhookOverrides};

use super::served::Served;
use super::world::{CONNECTIONS, World};

/// A delivery, however often it is sent.
#[derive(Clone)]
pub struct Webhook {
    /// The order that it tells of.
    pub order_id: u64,
    shop: Shop,
    id: String,
    body: Bytes,
}

impl Webhook {
    /// The orders/create of an order that is placed now.
    pub fn of_new_order(world: &World, story: Story) -> Self {
        let shop = world.shop();
        let order_id = shop.place(story);
        let body = shop.webhook_body(order_id).expect("the order was placed");
        Self { order_id, shop, id: uuid::Uuid::new_v4().to_string(), body }
    }

    /// Sends it once; a status of 0 is no answer.
    pub async fn send(&self, served: &Served) -> WebhookAnswer {
        self.send_to(served.webhook_url(CONNECTIONS[0])).await
    }

    /// Sends it once to a given address.
    pub async fn send_to(&self, url: String) -> WebhookAnswer {
        let overrides = WebhookOverrides { webhook_id: Some(self.id.clone()), ..WebhookOverrides::default() };
        self.shop.send_webhook(&url, "orders/create", self.body.clone(), overrides).await
    }

    /// Sends it and expects a 200.
    pub async fn is_taken(&self, served: &Served) {
        let answer = self.send(served).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The key that travels inside the order in IFS.
    pub fn key(&self) -> String {
        self.order_id.to_string()
    }
}
