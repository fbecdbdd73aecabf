//! A hint: a row of the inbox that names an order which was found in Shopify's list, and the time of its last change. It is no
//! version of the order: the mapper reads that by its id.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::shopify::orders::OrderHead;
use crate::store::Hint;
use crate::telemetry::TraceId;

/// What stands in the place of a topic. Shopify has none of this name, and a webhook that claims it is no hint.
pub(super) const TOPIC: &str = "orders/found";

/// What a hint tells.
pub(super) struct Found {
    /// Shopify's number.
    pub(super) order_id: u64,
    /// Shopify's `updated_at` when it was found; without one the order is read whatever we know of it.
    pub(super) updated_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Body {
    id: u64,
    updated_at: Option<String>,
}

/// The hint of an order's version: the same one, whoever finds it and however often, is one row.
pub(super) fn of_version(order: &OrderHead) -> Hint {
    hint(order.id, Some(order.updated_at), format!("{}@{}", order.id, order.updated_at.as_second()))
}

/// The hint of an order that a person named: it is read whatever we know of it, each time.
pub(super) fn of_order(order_id: u64, now: Timestamp) -> Hint {
    hint(order_id, None, format!("{order_id}@asked-{}", now.as_microsecond()))
}

fn hint(order_id: u64, updated_at: Option<Timestamp>, key: String) -> Hint {
    let body = Body { id: order_id, updated_at: updated_at.map(|at| at.to_string()) };
    let body = serde_json::to_vec(&body).expect("a number and a text are JSON");
    let body_sha256 = hex::encode(Sha256::digest(&body));
    Hint { order_id, updated_at, key, body, body_sha256, trace_id: TraceId::fresh().as_str().to_owned() }
}

/// Reads the body of a hint.
pub(super) fn read(body: &[u8]) -> Result<Found, String> {
    let bad = || "a hint that this version did not write".to_owned();
    let body: Body = serde_json::from_slice(body).map_err(|_| bad())?;
    let updated_at = body.updated_at.map(|text| text.parse()).transpose().map_err(|_| bad())?;
    Ok(Found { order_id: body.id, updated_at })
}
