//! How long this process may surely speak for a tenant, by its own clocks. Each call asks before it waits for anything, and again when its
//! bytes are about to leave: a process that was stopped, or cut off from its database, sends nothing once another one may have taken over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Clock, Tick};
use crate::planted;

/// A call that was not made, because this process may not speak for the tenant any more, as far as it knows. No byte left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not called: another replica may own this tenant by now")]
pub struct NotOurs;

/// The tenure of one lease. Clones share it.
#[derive(Clone, Debug)]
pub struct Tenure(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// It does not end: a command that only reads, or a test that calls steps by hand.
    Endless,
    /// It lasts for `time` from these two instants on, unless it is extended.
    Since {
        began: Tick,
        wall: Timestamp,
        time: Duration,
    },
    Ended,
}

impl Tenure {
    /// A tenure without an end, for who needs no lease.
    pub fn endless(clock: Clock) -> Self {
        Self(Arc::new(Shared { clock, state: Mutex::new(State::Endless) }))
    }

    /// A tenure of `time` from `began` on, which was read before the lease was asked for.
    pub fn since(clock: Clock, began: Tick, time: Duration) -> Self {
        let tenure = Self(Arc::new(Shared { clock, state: Mutex::new(State::Ended) }));
        tenure.set(tenure.counted(began, time));
        tenure
    }

    /// It lasts for `time` from `began` on, which was read before the lease was renewed. One that was ended stays so.
    pub fn extend(&self, began: Tick, time: Duration) {
        let counted = self.counted(began, time);
        let mut state = self.lock();
        if matches!(*state, State::Since { .. }) {
            *state = counted;
        }
    }

    /// Ends it at once.
    pub fn end(&self) {
        self.set(State::Ended);
    }

    /// Whether a call may be made now.
    ///
    /// Two clocks are asked. The monotonic one runs on while the process is stopped, but stands still while the machine is suspended
    /// (Linux's `CLOCK_MONOTONIC`); the wall's one usually does not, and when it jumps for another reason the next renewal mends it.
    pub fn holds(&self) -> bool {
        let state = *self.lock();
        match state {
            State::Endless => true,
            State::Ended => false,
            State::Since { began, wall, time } => {
                let by_wall = Duration::try_from(self.0.clock.now().duration_since(wall)).unwrap_or(Duration::ZERO);
                self.0.clock.monotonic().since(began) < time && by_wall < time
            }
        }
    }

    /// The same as a result.
    ///
    /// # Errors
    /// [`NotOurs`].
    pub fn check(&self) -> Result<(), NotOurs> {
        if self.holds() || planted::is(planted::NO_FENCING) { Ok(()) } else { Err(NotOurs) }
    }

    /// The time that is left by the monotonic clock; none for one without an end.
    pub fn left(&self) -> Option<Duration> {
        let state = *self.lock();
        match state {
            State::Endless => None,
            State::Ended => Some(Duration::ZERO),
            State::Since { began, time, .. } => Some(time.saturating_sub(self.0.clock.monotonic().since(began))),
        }
    }

    fn counted(&self, began: Tick, time: Duration) -> State {
        // What passed since `began` passed on the wall too.
        let passed = self.0.clock.monotonic().since(began);
        let wall = self.0.clock.now().checked_sub(passed).unwrap_or(Timestamp::MIN);
        State::Since { began, wall, time }
    }

    fn set(&self, state: State) {
        *self.lock() = state;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain values: nothing half-written can be left behind.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTS: Duration = Duration::from_secs(12);

    fn held() -> (Clock, Tenure) {
        let clock = Clock::manual("2026-11-27T12:00:00Z".parse().expect("a literal timestamp"));
        let tenure = Tenure::since(clock.clone(), clock.monotonic(), LASTS);
        (clock, tenure)
    }

    #[test]
    fn it_lapses_by_itself_and_a_renewal_counts_from_before_it_was_asked_for() {
        let (clock, tenure) = held();
        clock.advance(Duration::from_secs(11));
        assert!(tenure.holds());
        let asked = clock.monotonic();
        clock.advance(Duration::from_secs(1));
        assert_eq!(tenure.check(), Err(NotOurs));
        tenure.extend(asked, LASTS);
        assert_eq!((tenure.holds(), tenure.left()), (true, Some(Duration::from_secs(11))));
        clock.advance(Duration::from_secs(11));
        assert!(!tenure.holds(), "one of the twelve seconds passed while it was asked for");
    }

    #[test]
    fn a_wall_that_ran_on_while_the_machine_slept_ends_it_too() {
        let (clock, tenure) = held();
        clock.set_wall("2026-11-27T12:00:12Z".parse().expect("a literal timestamp"));
        assert!(!tenure.holds());
        tenure.extend(clock.monotonic(), LASTS);
        assert!(tenure.holds(), "the next renewal mends it");
        clock.set_wall("2026-11-27T11:00:00Z".parse().expect("a literal timestamp"));
        assert!(tenure.holds(), "a clock that is set back ends nothing");
    }

    #[test]
    fn one_that_was_ended_is_never_extended_and_one_without_an_end_needs_not_be() {
        let (clock, tenure) = held();
        tenure.clone().end();
        tenure.extend(clock.monotonic(), LASTS);
        assert_eq!((tenure.holds(), tenure.left()), (false, Some(Duration::ZERO)));
        let endless = Tenure::endless(clock.clone());
        clock.advance(Duration::from_secs(86_400));
        assert_eq!((endless.holds(), endless.left()), (true, None));
    }
}
