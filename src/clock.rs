//! The two times that a step may read, wall clock and monotonic, behind one handle that a test moves by hand; no sleeping here.

use std::ops::{Add, Sub};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Where time comes from. Clones share one time, so a test that holds one clone moves all of them.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Mutex<ManualTime>>),
}

#[derive(Debug)]
struct ManualTime {
    wall: Timestamp,
    tick: Tick,
}

impl Clock {
    /// The machine's clocks.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until [`advance`](Self::advance) or [`set_wall`](Self::set_wall) moves it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Mutex::new(ManualTime { wall: start, tick: Tick(Duration::ZERO) }))))
    }

    /// Wall time, UTC. It may jump either way, so it is for what people and other systems read, never for waiting.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => Timestamp::now(),
            Source::Manual(time) => lock(time).wall,
        }
    }

    /// Monotonic time: what waits and deadlines are measured with. Only good within this process.
    pub fn monotonic(&self) -> Tick {
        match &self.0 {
            Source::System => Tick(process_start().elapsed()),
            Source::Manual(time) => lock(time).tick,
        }
    }

    /// Moves a manual clock on, wall and monotonic alike.
    ///
    /// # Panics
    /// On a system clock, and past the end of [`Timestamp`]'s range: only tests move clocks.
    pub fn advance(&self, by: Duration) {
        let mut time = lock(self.manual_time());
        time.wall = time.wall.checked_add(by).expect("a test's clock stays within the range of a timestamp");
        time.tick = time.tick + by;
    }

    /// Sets the wall time of a manual clock as an administrator would; the monotonic time does not notice.
    ///
    /// # Panics
    /// On a system clock: only tests move clocks.
    pub fn set_wall(&self, to: Timestamp) {
        lock(self.manual_time()).wall = to;
    }

    fn manual_time(&self) -> &Mutex<ManualTime> {
        match &self.0 {
            Source::Manual(time) => time,
            Source::System => panic!("only a manual clock can be moved"),
        }
    }
}

/// A point of monotonic time, counted from the start of the process (or of the manual clock).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(Duration);

impl Tick {
    /// The time since `earlier`, or zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Tick {
    type Output = Self;

    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }
}

impl Sub for Tick {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// One origin for every system clock of the process, so that ticks of two handles compare.
fn process_start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

fn lock(time: &Mutex<ManualTime>) -> MutexGuard<'_, ManualTime> {
    // A panicking test cannot leave half a time behind: both fields are plain values.
    time.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().expect("a literal timestamp")
    }

    #[test]
    fn a_manual_clock_moves_both_times_and_all_clones() {
        let clock = Clock::manual(noon());
        let other = clock.clone();
        let before = other.monotonic();
        clock.advance(Duration::from_secs(90));
        assert_eq!(other.monotonic() - before, Duration::from_secs(90));
        assert_eq!(other.now().to_string(), "2026-03-01T12:01:30Z");
    }

    #[test]
    fn a_wall_jump_does_not_move_monotonic_time() {
        let clock = Clock::manual(noon());
        let before = clock.monotonic();
        clock.set_wall("2036-03-01T12:00:00Z".parse().expect("a literal timestamp"));
        assert_eq!(clock.monotonic(), before);
    }

    #[test]
    fn two_system_clocks_share_one_origin() {
        let before = Clock::system().monotonic();
        let after = Clock::system().monotonic();
        assert!(after >= before && after - before < Duration::from_secs(60));
    }
}
