//! A webhook at the door: is the signature right, and what row does it become. Nothing is decoded here beyond cutting
//! bearer secrets out of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::domain::ids::ConnectionName;
use crate::shopify::wire::cut::cut_secrets;
use crate::store::Delivery;
use crate::telemetry::TraceId;

/// An order was edited; its body names the order and holds none.
pub const ORDER_EDITED: &str = "orders/edited";
/// Money was given back; its body names the order and holds none.
pub const REFUND_CREATED: &str = "refunds/create";

/// An order was deleted; its body holds its id and nothing else.
pub const ORDER_DELETED: &str = "orders/delete";

/// The topics that a flow takes; all others are stored `unclaimed`.
pub const CLAIMED_TOPICS: [&str; 9] = [
    "orders/create",
    "orders/updated",
    "orders/paid",
    "orders/cancelled",
    "orders/partially_fulfilled",
    "orders/fulfilled",
    ORDER_EDITED,
    REFUND_CREATED,
    ORDER_DELETED,
];

/// What Shopify says about a delivery in its headers, none of it signed.
#[derive(Debug, Clone, Default)]
pub struct DeliveryHeaders {
    /// `X-Shopify-Topic`.
    pub topic: String,
    /// `X-Shopify-Webhook-Id`; empty when missing.
    pub webhook_id: String,
    /// `X-Shopify-Event-Id`.
    pub event_id: Option<String>,
    /// `X-Shopify-Shop-Domain`.
    pub shop_domain: Option<String>,
    /// `X-Shopify-API-Version`.
    pub api_version: Option<String>,
    /// `X-Shopify-Triggered-At`.
    pub triggered_at: Option<String>,
}

/// Whether `signature` (base64, `X-Shopify-Hmac-Sha256`) is the HMAC-SHA256 of the raw body under one of the secrets.
/// Compared in constant time; every secret is tried, so that the time tells nothing about which one matched.
pub fn signature_is_right(secrets: &[SecretString], body: &[u8], signature: &str) -> bool {
    let claimed = STANDARD.decode(signature.trim()).unwrap_or_default();
    let mut right = false;
    for secret in secrets {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes a key of any length");
        mac.update(body);
        right |= mac.verify_slice(&claimed).is_ok();
    }
    right
}

/// The row of a delivery whose signature was right.
pub fn delivery(
    connection: &ConnectionName,
    headers: DeliveryHeaders,
    body: &[u8],
    received_at: Timestamp,
) -> Delivery {
    let claimed_topic = CLAIMED_TOPICS.contains(&headers.topic.as_str());
    Delivery {
        connection: connection.clone(),
        topic: headers.topic,
        webhook_id: headers.webhook_id,
        event_id: headers.event_id,
        shop_domain: headers.shop_domain,
        api_version: headers.api_version,
        triggered_at: headers.triggered_at,
        body_sha256: hex::encode(Sha256::digest(body)),
        body: cut_secrets(body),
        received_at,
        trace_id: TraceId::fresh().as_str().to_owned(),
        claimed_topic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(secret: &str, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length");
        mac.update(body);
        STANDARD.encode(mac.finalize().into_bytes())
    }

    #[test]
    fn only_the_right_signature_of_the_raw_body_passes() {
        let secrets = [SecretString::from("new"), SecretString::from("old")];
        let body = br#"{"id":1}"#;
        for secret in ["new", "old"] {
            assert!(signature_is_right(&secrets, body, &sign(secret, body)));
        }
        let right = sign("new", body);
        assert!(!signature_is_right(&secrets, br#"{"id":2}"#, &right));
        assert!(!signature_is_right(&[], body, &right));
        for wrong in ["", "AAAA", &right[..20], &format!("{right}AA"), &sign("other", body)] {
            assert!(!signature_is_right(&secrets, body, wrong), "{wrong:?}");
        }
    }

    #[test]
    fn bearer_secrets_are_cut_and_the_raw_bodys_digest_kept() {
        let name = ConnectionName::parse("acme").expect("legal");
        let body = br#"{"id":820982911946154508,"token":"deadbeef","total":1e0}"#;
        let headers = DeliveryHeaders { topic: "orders/create".into(), ..DeliveryHeaders::default() };
        let row = delivery(&name, headers, body, Timestamp::UNIX_EPOCH);
        let stored = String::from_utf8(row.body).expect("UTF-8");
        assert!(!stored.contains("deadbeef"));
        assert!(stored.contains("820982911946154508") && stored.contains("1e0"));
        assert_eq!(row.body_sha256, hex::encode(Sha256::digest(body)));
        assert!(row.claimed_topic);
    }
}
