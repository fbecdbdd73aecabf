//! What work on a schedule does alike: it keeps where it stands under a name, and tells how a run of it ended.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Connection;
use crate::store::{Cursor, RunEnd, StoreError};
use crate::telemetry::metric;

/// What is kept under a name; none before the first time.
///
/// # Errors
/// The database's refusal, or a text that this version does not know.
pub(super) async fn kept<T: DeserializeOwned>(link: &Connection, name: &str) -> Result<Option<T>, StoreError> {
    let Some(text) = link.store.cursor(&link.name, name).await? else { return Ok(None) };
    let corrupt = StoreError::Corrupt { table: "cursors", column: "value" };
    serde_json::from_str(&text).map(Some).map_err(|_| corrupt)
}

/// What is to be kept under a name, as it is stored beside other rows.
pub(super) fn cursor<T: Serialize>(name: &str, value: &T) -> Cursor {
    Cursor { name: name.to_owned(), value: serde_json::to_string(value).expect("texts and numbers are JSON") }
}

/// Keeps it by itself.
///
/// # Errors
/// The database's refusal; [`StoreError::Fenced`] when another process owns the tenant.
pub(super) async fn keep<T: Serialize>(link: &Connection, name: &str, value: &T) -> Result<(), StoreError> {
    link.store.keep_own_cursor(&link.tenant.lease, &link.name, cursor(name, value), link.clock.now()).await
}

/// Ends a run by its number, and counts it.
///
/// # Errors
/// The database's refusal.
pub(super) async fn end(link: &Connection, (what, number): (&'static str, i64), end: RunEnd) -> Result<(), StoreError> {
    let (name, outcome) = (link.name.as_str().to_owned(), end.outcome.as_str());
    metrics::counter!(metric::SCHEDULE_RUNS_TOTAL, "connection" => name, "what" => what, "outcome" => outcome)
        .increment(1);
    link.store.end_run(number, end, link.clock.now()).await
}
