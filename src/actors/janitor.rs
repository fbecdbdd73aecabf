//! Janitor: the tables' metrics, and the retention of what no flow takes.

use std::collections::BTreeSet;
use std::sync::Mutex;

use crate::clock::Clock;
use crate::flow::Heard;
use crate::store::{Store, StoreError};
use crate::supervision::{Pace, Step};
use crate::telemetry::{Metrics, metric};

/// How long deliveries of topics that no flow takes are kept.
const UNCLAIMED_KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(30 * 24);
/// How long runs on a schedule are kept.
const RUNS_KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(90 * 24);
/// How long calls that set levels are kept.
const STOCK_CALLS_KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(7 * 24);
/// Rows deleted in one round.
const FORGOTTEN_AT_ONCE: i64 = 500;

/// The step of the whole service's janitor.
pub struct Janitor {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// The recorder to keep small.
    pub metrics: Metrics,
    /// What came since the last look.
    pub heard: Heard,
    /// Which gauges were set before, so that an emptied one is set to zero.
    pub seen: Mutex<BTreeSet<(String, String)>>,
    /// The same of strays.
    pub seen_strays: Mutex<BTreeSet<(String, String)>>,
    /// The same of stock.
    pub seen_stock: Mutex<BTreeSet<(String, String, String)>>,
}

impl Step for Janitor {
    async fn run(&self) -> Pace {
        self.metrics.run_upkeep();
        match self.tidy().await {
            Ok(()) => Pace::Idle,
            Err(error) => {
                tracing::warn!(%error, "the tables could not be tidied and measured");
                Pace::Failed
            }
        }
    }
}

impl Janitor {
    async fn tidy(&self) -> Result<(), StoreError> {
        let before = |kept| self.clock.now().saturating_sub(kept).unwrap_or(jiff::Timestamp::MIN);
        self.store.forget_unclaimed(before(UNCLAIMED_KEPT), FORGOTTEN_AT_ONCE).await?;
        self.store.forget_runs(before(RUNS_KEPT), FORGOTTEN_AT_ONCE).await?;
        self.store.forget_stock_calls(before(STOCK_CALLS_KEPT), FORGOTTEN_AT_ONCE).await?;
        self.measure().await
    }

    async fn measure(&self) -> Result<(), StoreError> {
        for row in self.store.count_inbox().await? {
            metrics::gauge!(metric::INBOX_ROWS, "state" => row.state).set(gauge(row.count));
        }
        self.measure_schedule().await?;
        let oldest = self.store.oldest_received().await?;
        let age = oldest.map_or(0, |at| self.clock.now().duration_since(at).as_secs().max(0));
        metrics::gauge!(metric::INBOX_OLDEST_SECONDS).set(gauge(age));
        self.measure_strays().await?;
        self.measure_stock().await?;
        let counts = self.store.count_open_documents().await?;
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (connection, state) in seen.iter() {
            let gone = !counts.iter().any(|row| row.connection == *connection && row.state == *state);
            if gone {
                metrics::gauge!(metric::DOCUMENTS, "connection" => connection.clone(), "state" => state.clone())
                    .set(0.0);
            }
        }
        for row in counts {
            metrics::gauge!(metric::DOCUMENTS, "connection" => row.connection.clone(), "state" => row.state.clone())
                .set(gauge(row.count));
            seen.insert((row.connection, row.state));
        }
        Ok(())
    }
}

impl Janitor {
    async fn measure_strays(&self) -> Result<(), StoreError> {
        let counts = self.store.count_strays().await?;
        let mut seen = self.seen_strays.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let label = |connection: &str, code: &str| metrics::gauge!(metric::STRAYS, "connection" => connection.to_owned(), "code" => code.to_owned());
        for (connection, code) in seen.iter() {
            if !counts.iter().any(|row| row.connection == *connection && row.code == *code) {
                label(connection, code).set(0.0);
            }
        }
        for row in counts {
            label(&row.connection, &row.code).set(gauge(row.count));
            seen.insert((row.connection, row.code));
        }
        Ok(())
    }

    async fn measure_stock(&self) -> Result<(), StoreError> {
        let counts = self.store.count_waiting_stock().await?;
        let mut seen = self.seen_stock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut now: BTreeSet<(String, String, String)> = BTreeSet::new();
        let label = |(connection, what, state): &(String, String, String)| metrics::gauge!(metric::STOCK_WAITING, "connection" => connection.clone(), "what" => what.clone(), "state" => state.clone());
        for row in counts {
            let key = (row.connection, row.what, row.state);
            label(&key).set(gauge(row.count));
            now.insert(key);
        }
        for gone in seen.difference(&now) {
            label(gone).set(0.0);
        }
        seen.append(&mut now);
        Ok(())
    }

    /// How old the newest delivery of each topic is, and the latest good run of each kind.
    async fn measure_schedule(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let age = |at: jiff::Timestamp| gauge(now.duration_since(at).as_secs().max(0));
        self.store.note_heard(self.heard.take()).await?;
        for (connection, topic, at) in self.store.heard().await? {
            metrics::gauge!(metric::WEBHOOK_LAST_SECONDS, "connection" => connection, "topic" => topic).set(age(at));
        }
        for run in self.store.last_good_runs().await? {
            let ended = run.ended_at.unwrap_or(run.started_at);
            metrics::gauge!(metric::SCHEDULE_DONE_SECONDS, "connection" => run.connection, "what" => run.what)
                .set(age(ended));
        }
        Ok(())
    }
}

/// A gauge is a float by its nature; counts of rows stay far below where that would matter.
#[expect(clippy::cast_precision_loss, reason = "a metric's value, never money or an id")]
fn gauge(count: i64) -> f64 {
    count as f64
}
