//! Rows as they are written, and the conversions between them and the domain's types.

use diesel::prelude::*;
use jiff::Timestamp;

use super::{StoreError, schema};

/// UTC microseconds of an instant.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The instant of UTC microseconds; the ends of time for what no calendar holds.
pub(super) fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// A Shopify id as the column holds it. Ids are below 2^63 (Shopify's own are signed 64-bit).
pub(super) fn signed(id: u64) -> Result<i64, StoreError> {
    i64::try_from(id).map_err(|_| StoreError::Corrupt { table: "orders", column: "order_id" })
}

/// A Shopify id out of the column.
pub(super) fn unsigned(id: i64) -> u64 {
    id.unsigned_abs()
}

/// A row of `inbox` as it is inserted.
#[derive(Debug, Clone, Insertable)]
// With one text for every row, so that its statement is made ready once.
#[diesel(table_name = schema::inbox, treat_none_as_default_value = false)]
pub(super) struct NewInbox {
    pub(super) connection: String,
    pub(super) topic: String,
    pub(super) webhook_id: String,
    pub(super) body_sha256: String,
    pub(super) event_id: Option<String>,
    pub(super) shop_domain: Option<String>,
    pub(super) api_version: Option<String>,
    pub(super) triggered_at: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) received_at: i64,
    pub(super) trace_id: String,
    pub(super) state: String,
    pub(super) due_at: i64,
    pub(super) origin: &'static str,
}
