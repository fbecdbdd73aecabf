//! Webhooks of the simulated shops, repeated as Shopify repeats them: the same id and the same bytes.

use bytes::Bytes;
use ml_connector::sandbox::shopify::{Shop, Story, WebhookAnswer, WebhookOverrides};
use serde_json::Value;

use super::served::Served;
use super::world::{CONNECTIONS, World};

/// A delivery, however often it is sent.
#[derive(Clone)]
pub struct Webhook {
    /// The order that it tells of.
    pub order_id: u64,
    /// `X-Shopify-Webhook-Id`.
    pub id: String,
    /// What is signed and sent.
    pub body: Bytes,
    shop: Shop,
}

impl Webhook {
    /// The orders/create of an order that is placed now in the first shop.
    pub fn of_new_order(world: &World, story: Story) -> Self {
        let shop = world.shop();
        let order_id = shop.place(story);
        let body = shop.webhook_body(order_id).expect("the order was placed");
        Self { order_id, id: uuid::Uuid::new_v4().to_string(), body, shop }
    }

    /// A delivery of an order that a test composed.
    pub fn composed(world: &World, order_id: u64, body: Vec<u8>) -> Self {
        Self { order_id, id: uuid::Uuid::new_v4().to_string(), body: body.into(), shop: world.shop() }
    }

    /// The same with other bytes.
    pub fn with_body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The same with something else in its JSON.
    pub fn edited(self, edit: impl FnOnce(&mut Value)) -> Self {
        let mut order = self.json();
        edit(&mut order);
        self.with_body(order.to_string())
    }

    /// The same with other text in it.
    pub fn replacing(self, from: &str, to: &str) -> Self {
        let text = String::from_utf8(self.body.to_vec()).expect("UTF-8");
        assert!(text.contains(from), "the body holds {from:?}");
        self.with_body(text.replace(from, to))
    }

    /// The order as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("an order")
    }

    /// Sends it once, signed, to the first connection; a status of 0 is no answer.
    pub async fn send(&self, served: &Served) -> WebhookAnswer {
        self.send_to(served.webhook_url(CONNECTIONS[0])).await
    }

    /// Sends it once to a given address.
    pub async fn send_to(&self, url: String) -> WebhookAnswer {
        self.send_as(url, "orders/create").await
    }

    /// Sends it once under a given topic.
    pub async fn send_as(&self, url: String, topic: &str) -> WebhookAnswer {
        let overrides = WebhookOverrides { webhook_id: Some(self.id.clone()), ..WebhookOverrides::default() };
        self.shop.send_webhook(&url, topic, self.body.clone(), overrides).await
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
