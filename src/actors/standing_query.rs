//! StandingQuery: asks IFS, on a schedule, for records with a key of ours that no link explains. It parks and tells, and never cancels.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Tick;
use crate::flow::Connection;
use crate::flow::standing::{self, Asked};
use crate::store::StoreError;
use crate::supervision::{Pace, Step};

/// Pause after the start, so that what a restart left is looked up first.
const START_PAUSE: Duration = Duration::from_secs(60);

/// The step of one connection's standing query.
pub struct StandingQuery {
    link: Arc<Connection>,
    began: Tick,
}

impl StandingQuery {
    /// One that has not run yet.
    pub fn new(link: Arc<Connection>) -> Self {
        Self { began: link.clock.monotonic(), link }
    }
}

impl Step for StandingQuery {
    async fn run(&self) -> Pace {
        let since = self.link.clock.monotonic().since(self.began);
        if let Some(wait) = START_PAUSE.checked_sub(since).filter(|wait| !wait.is_zero()) {
            return Pace::Due(wait);
        }
        match standing::ask(&self.link).await {
            Ok(Asked::Done(ran)) => {
                tracing::debug!(connection = %self.link.name, ?ran, "the standing query ran");
                Pace::Due(self.link.standing.every)
            }
            Ok(Asked::NotDue(wait)) => Pace::Due(wait),
            Ok(Asked::Failed) => Pace::Failed,
            Err(StoreError::Fenced) => {
                tracing::error!(connection = %self.link.name, "the lease is lost: nothing is parked until it is ours again");
                Pace::Failed
            }
            Err(error) => {
                tracing::error!(connection = %self.link.name, %error, "the standing query's store failed");
                Pace::Failed
            }
        }
    }
}
