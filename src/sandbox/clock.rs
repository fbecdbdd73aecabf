//! The sandbox's own clock: the machine's time plus an offset that a test may move by hand.
//! Nothing here waits; delays of faults run on the runtime's timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Wall time of the simulated remotes, shared by all of them.
#[derive(Clone, Debug, Default)]
pub struct SandboxClock {
    offset_micros: Arc<AtomicI64>,
}

impl SandboxClock {
    /// The remotes' idea of now.
    pub fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_micros(self.offset_micros.load(Ordering::Relaxed));
        Timestamp::now().saturating_add(offset).unwrap_or(Timestamp::MAX)
    }

    /// Moves the remotes' clock forward: tokens age, `Prefer: wait` runs out.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.offset_micros.fetch_add(micros, Ordering::Relaxed);
    }
}
