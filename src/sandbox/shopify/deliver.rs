//! Signed webhook deliveries: one try, the retries of Shopify (in fast motion), and what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::super::ledger::{Arrival, Class, Outcome, Remote};
use super::receipts::{Receipt, Receipts};
use super::{API_VERSION, Shop};

/// Shopify gives a delivery up after so many tries.
pub(super) const TRIES_MAX: u32 = 8;
/// So much of an answer is kept; Shopify looks at the status only.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Headers that a test sends instead of the right ones. `None` keeps the right one.
#[derive(Clone, Debug, Default)]
pub struct WebhookOverrides {
    /// Another signature; an empty text leaves the header out.
    pub signature: Option<String>,
    /// Another shop's name in the header.
    pub shop_domain: Option<String>,
    /// A given delivery id; an empty text leaves the header out.
    pub webhook_id: Option<String>,
    /// A given event id; an empty text leaves the header out.
    pub event_id: Option<String>,
    /// Another version of the API; an empty text leaves the header out.
    pub api_version: Option<String>,
}

/// What the receiver answered to one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookAnswer {
    /// HTTP status; 0 when no answer came (refused, reset, over 5 s).
    pub status: u16,
    /// `Retry-After`, as sent.
    pub retry_after: Option<String>,
    /// The body as text.
    pub body: String,
}

impl WebhookAnswer {
    /// Any 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Where deliveries go, how often each is tried, and where it is kept that they arrived.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    /// One for each replica of the receiver.
    urls: Arc<[String]>,
    /// The replicas take turns, try by try.
    turn: Arc<AtomicUsize>,
    tries_max: u32,
    receipts: Option<Receipts>,
}

impl Destination {
    pub(super) fn new(urls: &[String], tries_max: u32, receipts: Option<Receipts>) -> Self {
        Self { urls: urls.into(), turn: Arc::default(), tries_max, receipts }
    }

    fn next_url(&self) -> &str {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let index = turn.checked_rem(self.urls.len()).unwrap_or_default();
        self.urls.get(index).map_or("", String::as_str)
    }
}

/// One delivery: the same payload under one webhook id, however many tries.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) order_id: u64,
    pub(super) topic: &'static str,
    pub(super) webhook_id: String,
    pub(super) event_id: String,
    pub(super) body: Bytes,
}

impl Delivery {
    /// A delivery of an event of its own.
    pub(super) fn new(order_id: u64, topic: &'static str, body: Bytes) -> Self {
        let random = || uuid::Uuid::new_v4().to_string();
        Self { order_id, topic, webhook_id: random(), event_id: random(), body }
    }
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// The order it tells of.
    pub order_id: u64,
    /// Topic, such as `orders/create`.
    pub topic: String,
    /// `X-Shopify-Webhook-Id`.
    pub webhook_id: String,
    /// Tries made.
    pub tries: u32,
    /// Whether a 2xx came.
    pub acknowledged: bool,
}

/// `base64(HMAC-SHA256(secret, body))`.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

impl Shop {
    /// Delivers until a 2xx or until the tries are used up; gives whether it was acknowledged.
    pub(super) async fn deliver(&self, to: &Destination, delivery: &Delivery) -> bool {
        let overrides = WebhookOverrides {
            webhook_id: Some(delivery.webhook_id.clone()),
            event_id: Some(delivery.event_id.clone()),
            ..WebhookOverrides::default()
        };
        let mut pause = FIRST_BACKOFF;
        let mut record = DeliveryRecord {
            order_id: delivery.order_id,
            topic: delivery.topic.to_owned(),
            webhook_id: delivery.webhook_id.clone(),
            tries: 0,
            acknowledged: false,
        };
        while record.tries < to.tries_max && !record.acknowledged {
            if record.tries > 0 {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF_MAX);
            }
            record.tries += 1;
            let slot = self.core.delivery_slots.acquire().await;
            let answer = self
                .try_webhook(to.next_url(), delivery.topic, delivery.body.clone(), &overrides, Some(delivery.order_id))
                .await;
            drop(slot);
            record.acknowledged = answer.is_success();
            if let (true, Some(receipts)) = (record.acknowledged, &to.receipts) {
                self.keep(receipts, delivery).await;
            }
        }
        let acknowledged = record.acknowledged;
        self.lock().deliveries.push(record);
        acknowledged
    }

    async fn keep(&self, receipts: &Receipts, delivery: &Delivery) {
        let receipt = Receipt {
            shop: self.core.domain.clone(),
            topic: delivery.topic.to_owned(),
            webhook_id: delivery.webhook_id.clone(),
            order_id: delivery.order_id,
        };
        if let Err(error) = receipts.enter(&receipt).await {
            tracing::error!(%error, "a receipt could not be kept: whoever compares with the list proves less");
        }
    }

    /// One try, signed unless overridden.
    pub(super) async fn try_webhook(
        &self,
        url: &str,
        topic: &str,
        body: Bytes,
        overrides: &WebhookOverrides,
        order_id: Option<u64>,
    ) -> WebhookAnswer {
        let random = || uuid::Uuid::new_v4().to_string();
        let signed = signature(&self.webhook_secret(), &body);
        let headers = [
            ("x-shopify-hmac-sha256", overrides.signature.clone().unwrap_or(signed)),
            ("x-shopify-topic", topic.to_owned()),
            ("x-shopify-shop-domain", overrides.shop_domain.clone().unwrap_or_else(|| self.core.domain.clone())),
            ("x-shopify-api-version", overrides.api_version.clone().unwrap_or_else(|| API_VERSION.to_owned())),
            ("x-shopify-webhook-id", overrides.webhook_id.clone().unwrap_or_else(random)),
            ("x-shopify-event-id", overrides.event_id.clone().unwrap_or_else(random)),
            ("x-shopify-triggered-at", self.core.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()),
            ("x-shopify-name", "ml-connector".to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        let open = self.core.ledger.open(Arrival {
            remote: Remote::Webhook,
            method: "POST".to_owned(),
            path: topic.to_owned(),
            class: Class::Webhook,
            keys: order_id.map(|id| id.to_string()).into_iter().chain([headers[4].1.clone()]).collect(),
            if_match: Vec::new(),
            parts: 1,
        });
        let mut request = self.core.http.post(url).timeout(super::service::WEBHOOK_TIMEOUT).body(body);
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, value);
        }
        match answered(request).await {
            Ok(answer) => {
                open.end(Outcome::Answered(answer.status));
                answer
            }
            Err(error) => {
                open.remark(&error.to_string());
                open.end(Outcome::Dropped);
                WebhookAnswer { status: 0, retry_after: None, body: error.to_string() }
            }
        }
    }
}

async fn answered(request: reqwest::RequestBuilder) -> reqwest::Result<WebhookAnswer> {
    let mut response = request.send().await?;
    let status = response.status().as_u16();
    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await?
        && body.len() < ANSWER_BYTES_MAX
    {
        body.extend_from_slice(&chunk);
    }
    Ok(WebhookAnswer { status, retry_after, body: String::from_utf8_lossy(&body).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_base64_of_the_hmac_over_the_raw_body() {
        // RFC 4231, test case 2.
        let expected = STANDARD
            .encode(hex::decode("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843").expect("hex"));
        assert_eq!(signature("Jefe", b"what do ya want for nothing?"), expected);
    }
}
