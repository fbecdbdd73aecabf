//! When Shopify last told something of each topic, and whether a shop that sells has fallen silent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Connection;
use crate::store::StoreError;
use crate::telemetry::metric;

/// The newest delivery of each connection and topic since the last look. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Heard(Arc<Mutex<HashMap<(String, String), Timestamp>>>);

impl Heard {
    /// Something of this topic came.
    pub fn record(&self, connection: &str, topic: &str, at: Timestamp) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = heard.entry((connection.to_owned(), topic.to_owned())).or_insert(at);
        *latest = (*latest).max(at);
    }

    /// What came since the last look.
    pub fn take(&self) -> Vec<(String, String, Timestamp)> {
        let taken = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        taken.into_iter().map(|((connection, topic), at)| (connection, topic, at)).collect()
    }
}

/// How long the shop has been silent although it sells, by Shopify's clock: a change that is older than the grace of a webhook is
/// newer than the last one that came. Zero while all is well.
///
/// # Errors
/// The store's.
pub(super) async fn silence(
    link: &Connection,
    newest: Timestamp,
    shop_time: Timestamp,
) -> Result<SignedDuration, StoreError> {
    let ahead = shop_time.duration_since(link.clock.now());
    let heard = link.store.last_heard(&link.name).await?.and_then(|at| at.checked_add(ahead).ok());
    let grace = SignedDuration::from_secs(i64::try_from(link.sweep.webhook_grace_secs).unwrap_or(i64::MAX));
    let is_overdue = shop_time.duration_since(newest) > grace;
    let is_untold = heard.is_none_or(|heard| newest.duration_since(heard) > grace);
    let silent =
        if is_overdue && is_untold { shop_time.duration_since(heard.unwrap_or(newest)) } else { SignedDuration::ZERO };
    let name = link.name.as_str().to_owned();
    metrics::gauge!(metric::WEBHOOK_SILENCE_SECONDS, "connection" => name).set(silent.as_secs_f64());
    if !silent.is_zero() {
        tracing::warn!(
            connection = %link.name, silent_secs = silent.as_secs(),
            "the shop sells and no webhook comes: look at its subscriptions and at what stands in front of server.webhook_listen; \
             the sweep finds its orders meanwhile, later than webhooks would"
        );
    }
    Ok(silent)
}
