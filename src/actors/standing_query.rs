//! StandingQuery: asks IFS, on a schedule, for records with a key of ours that no link explains. It parks and tells, and never cancels.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Tick;
use crate::flow::Connection;
use crate::flow::standing::{self, Reach, StandingError};
use crate::store::StoreError;
use crate::supervision::{Pace, Step};
use crate::telemetry::metric;

/// Pause after the start, so that what a restart left is looked up first.
const START_PAUSE: Duration = Duration::from_secs(60);
/// Time between two runs that look back far.
const NIGHTLY: Duration = Duration::from_secs(24 * 3_600);

/// The step of one connection's standing query.
pub struct StandingQuery {
    link: Arc<Connection>,
    began: Tick,
    /// When it last looked back far, if it did.
    nightly: Mutex<Option<Tick>>,
}

impl StandingQuery {
    /// One that has not run yet.
    pub fn new(link: Arc<Connection>) -> Self {
        Self { began: link.clock.monotonic(), link, nightly: Mutex::default() }
    }

    fn reach(&self, now: Tick) -> Reach {
        let last = *self.nightly.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| now.since(last) >= NIGHTLY) { Reach::Nightly } else { Reach::Recent }
    }
}

impl Step for StandingQuery {
    async fn run(&self) -> Pace {
        let now = self.link.clock.monotonic();
        if let Some(wait) = START_PAUSE.checked_sub(now.since(self.began)).filter(|wait| !wait.is_zero()) {
            return Pace::Due(wait);
        }
        let reach = self.reach(now);
        match standing::run(&self.link, reach).await {
            Ok(ran) => {
                if reach == Reach::Nightly {
                    *self.nightly.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
                }
                tracing::debug!(connection = %self.link.name, ?reach, ?ran, "the standing query ran");
                Pace::Idle
            }
            Err(error) => {
                let outcome = if matches!(error, StandingError::Ifs(_)) { "ifs_failed" } else { "store_failed" };
                let name = self.link.name.as_str().to_owned();
                metrics::counter!(metric::STANDING_QUERIES_TOTAL, "connection" => name, "outcome" => outcome)
                    .increment(1);
                if matches!(error, StandingError::Store(StoreError::Fenced)) {
                    tracing::error!(connection = %self.link.name, "the lease is lost: nothing is parked until it is ours again");
                } else {
                    tracing::warn!(connection = %self.link.name, %error, "the standing query did not come to its end: it is asked again");
                }
                Pace::Failed
            }
        }
    }
}
