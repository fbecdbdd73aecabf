//! The sandbox's own clock: the machine's time plus an offset that a test may move by hand, or a time that stands still until it is
//! set again. Nothing here waits; delays of faults run on the runtime's timer.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Wall time of the simulated remotes, shared by all of them.
#[derive(Clone, Debug, Default)]
pub struct SandboxClock {
    offset_micros: Arc<AtomicI64>,
    stands_at: Arc<OnceLock<AtomicI64>>,
}

impl SandboxClock {
    /// The remotes' idea of now.
    pub fn now(&self) -> Timestamp {
        if let Some(micros) = self.stands_at.get() {
            return Timestamp::from_microsecond(micros.load(Ordering::Relaxed)).unwrap_or(Timestamp::MAX);
        }
        let offset = SignedDuration::from_micros(self.offset_micros.load(Ordering::Relaxed));
        Timestamp::now().saturating_add(offset).unwrap_or(Timestamp::MAX)
    }

    /// From now on the remotes' clock stands still at `at`; the next call sets it again. A simulation drives it so.
    pub fn stand_still(&self, at: Timestamp) {
        let micros = at.as_microsecond();
        self.stands_at.get_or_init(|| AtomicI64::new(micros)).store(micros, Ordering::Relaxed);
    }

    /// Moves the remotes' clock forward: tokens age, `Prefer: wait` runs out.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.offset_micros.fetch_add(micros, Ordering::Relaxed);
    }
}
