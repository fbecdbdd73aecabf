//! What a step may read of the machine, behind one handle that a test moves by hand: wall clock and monotonic time, and in a
//! simulation also the waiting and the luck.

use std::ops::{Add, Sub};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Where time comes from. Clones share one time, so a test that holds one clone moves all of them.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<Mutex<ManualTime>>),
    Simulated(Arc<Mutex<ManualTime>>, Arc<Mutex<StdRng>>),
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

    /// A clock that stands still at `start` as a manual one does, but whoever waits moves it on at once, and luck is drawn from
    /// the seed: what a run does then depends on nothing of the machine.
    pub fn simulated(start: Timestamp, seed: u64) -> Self {
        let time = ManualTime { wall: start, tick: Tick(Duration::ZERO) };
        Self(Source::Simulated(Arc::new(Mutex::new(time)), Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    /// Wall time, UTC. It may jump either way, so it is for what people and other systems read, never for waiting.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => shifted(Timestamp::now()),
            Source::Manual(time) | Source::Simulated(time, _) => lock(time).wall,
        }
    }

    /// Monotonic time: what waits and deadlines are measured with. Only good within this process.
    pub fn monotonic(&self) -> Tick {
        match &self.0 {
            Source::System => Tick(process_start().elapsed()),
            Source::Manual(time) | Source::Simulated(time, _) => lock(time).tick,
        }
    }

    /// What a wait in place is measured with: the machine's time also where a test moves the clock by hand, since a wait must
    /// end; a simulation's own.
    pub fn patience(&self) -> Tick {
        match &self.0 {
            Source::System | Source::Manual(_) => Tick(process_start().elapsed()),
            Source::Simulated(time, _) => lock(time).tick,
        }
    }

    /// Waits in place, by [`patience`](Self::patience).
    pub async fn wait(&self, time: Duration) {
        match &self.0 {
            Source::System | Source::Manual(_) => tokio::time::sleep(time).await,
            Source::Simulated(..) => {
                self.advance(time);
                tokio::task::yield_now().await;
            }
        }
    }

    /// An even draw from 0 up to 1, which the seed decides in a simulation.
    pub fn luck(&self) -> f64 {
        match &self.0 {
            Source::System | Source::Manual(_) => rand::random(),
            Source::Simulated(_, random) => random.lock().unwrap_or_else(PoisonError::into_inner).random(),
        }
    }

    /// Whether this is a simulation's clock.
    pub fn is_simulated(&self) -> bool {
        matches!(self.0, Source::Simulated(..))
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
            Source::Manual(time) | Source::Simulated(time, _) => time,
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

/// The machine's time in a shipped build.
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[inline(always)]
fn shifted(now: Timestamp) -> Timestamp {
    now
}

/// The machine's time, off by what a test asks for: `ML_CONNECTOR_CLOCK_JUMPS=0:7200,3:-60` lets the wall clock of this process run
/// two hours ahead at first and a minute behind from its third second on. Monotonic time does not notice.
#[cfg(any(debug_assertions, feature = "failpoints"))]
fn shifted(now: Timestamp) -> Timestamp {
    static JUMPS: OnceLock<Vec<(u64, i64)>> = OnceLock::new();
    let jumps = JUMPS.get_or_init(|| parse_jumps(&std::env::var("ML_CONNECTOR_CLOCK_JUMPS").unwrap_or_default()));
    if jumps.is_empty() {
        return now;
    }
    let offset = offset_at(jumps, process_start().elapsed());
    now.saturating_add(jiff::SignedDuration::from_secs(offset)).unwrap_or(now)
}

#[cfg(any(debug_assertions, feature = "failpoints"))]
fn parse_jumps(text: &str) -> Vec<(u64, i64)> {
    let jump =
        |one: &str| one.split_once(':').and_then(|(from, offset)| Some((from.parse().ok()?, offset.parse().ok()?)));
    text.split(',').filter_map(jump).collect()
}

/// The last jump that has come.
#[cfg(any(debug_assertions, feature = "failpoints"))]
fn offset_at(jumps: &[(u64, i64)], elapsed: Duration) -> i64 {
    jumps.iter().rev().find(|(from, _)| elapsed >= Duration::from_secs(*from)).map_or(0, |(_, offset)| *offset)
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

    #[tokio::test]
    async fn who_waits_in_a_simulation_moves_its_clock_and_the_seed_decides_its_luck() {
        let began = Instant::now();
        let (clock, other) = (Clock::simulated(noon(), 7), Clock::simulated(noon(), 7));
        clock.wait(Duration::from_secs(3_600)).await;
        assert_eq!(clock.now().to_string(), "2026-03-01T13:00:00Z");
        assert_eq!(clock.patience(), clock.monotonic());
        assert!(began.elapsed() < Duration::from_secs(60), "nobody waited for an hour");
        let lots = |clock: &Clock| [clock.luck(), clock.luck(), clock.luck()];
        assert_eq!(lots(&clock), lots(&other));
    }

    #[test]
    fn a_jump_lasts_until_the_next_one() {
        let jumps = parse_jumps("1:7200,3:-60,nonsense,4:x");
        assert_eq!(jumps, [(1, 7_200), (3, -60)]);
        let at = |secs| offset_at(&jumps, Duration::from_secs(secs));
        assert_eq!([at(0), at(1), at(2), at(3), at(99)], [0, 7_200, 7_200, -60, -60]);
    }

    #[test]
    fn two_system_clocks_share_one_origin() {
        let before = Clock::system().monotonic();
        let after = Clock::system().monotonic();
        assert!(after >= before && after - before < Duration::from_secs(60));
    }
}
