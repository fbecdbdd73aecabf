//! A circuit breaker: after several failures in a row of a remote as a whole it is left alone, then tried with one call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::NotNow;
use crate::clock::{Clock, Tick};
use crate::telemetry::metric;

/// When to leave a remote alone.
#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures_max: u32,
    /// How long it stays open before one call may try.
    pub open_for: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures_max: 5, open_for: Duration::from_secs(15) }
    }
}

/// The breaker of one remote. Clones share one state.
#[derive(Clone, Debug)]
pub struct Breaker {
    remote: Arc<str>,
    settings: BreakerSettings,
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    Open {
        until: Tick,
    },
    /// One call is out; without news of it another may go at `until`.
    Trying {
        until: Tick,
    },
}

/// The right to make one call. Dropped without news it changes nothing.
#[must_use = "say how the call went"]
#[derive(Debug)]
pub struct BreakerPass(Breaker);

impl Breaker {
    /// A closed breaker.
    pub fn new(remote: &str, settings: BreakerSettings, clock: Clock) -> Self {
        Self { remote: remote.into(), settings, clock, state: Arc::new(Mutex::new(State::Closed { failures: 0 })) }
    }

    /// Asks to make a call.
    ///
    /// # Errors
    /// It is open, or one call is trying already: come back later.
    pub fn pass(&self) -> Result<BreakerPass, NotNow> {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        match *state {
            State::Closed { .. } => {}
            State::Open { until } | State::Trying { until } if now < until => {
                return Err(NotNow { after: until - now });
            }
            State::Open { .. } | State::Trying { .. } => {
                *state = State::Trying { until: now + self.settings.open_for };
            }
        }
        Ok(BreakerPass(self.clone()))
    }

    /// Whether calls are held back now. Once its time is over it says no, so that somebody comes and tries.
    pub fn is_open(&self) -> bool {
        let now = self.clock.monotonic();
        match *self.lock() {
            State::Closed { .. } => false,
            State::Open { until } | State::Trying { until } => now < until,
        }
    }

    fn close(&self) {
        let before = std::mem::replace(&mut *self.lock(), State::Closed { failures: 0 });
        if !matches!(before, State::Closed { .. }) {
            tracing::info!(remote = &*self.remote, "the remote answers again");
        }
        self.gauge(0.0);
    }

    fn count(&self) {
        let until = self.clock.monotonic() + self.settings.open_for;
        let mut state = self.lock();
        *state = match *state {
            State::Closed { failures } if failures + 1 < self.settings.failures_max => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } => {
                tracing::warn!(remote = &*self.remote, "the remote fails; it is left alone for a while");
                State::Open { until }
            }
            State::Trying { .. } => State::Open { until },
            // A call from before it opened: no news.
            open @ State::Open { .. } => open,
        };
        let open = !matches!(*state, State::Closed { .. });
        drop(state);
        if open {
            self.gauge(1.0);
        }
    }

    fn gauge(&self, open: f64) {
        metrics::gauge!(metric::REMOTE_BREAKER_OPEN, "remote" => self.remote.to_string()).set(open);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is one plain value: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BreakerPass {
    /// The remote as a whole is well, whatever it thought of this call.
    pub fn well(self) {
        self.0.close();
    }

    /// The remote as a whole failed.
    pub fn failed(self) {
        self.0.count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker(clock: &Clock) -> Breaker {
        let settings = BreakerSettings { failures_max: 2, open_for: Duration::from_secs(10) };
        Breaker::new("test", settings, clock.clone())
    }

    fn fail(breaker: &Breaker) {
        breaker.pass().expect("closed").failed();
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let breaker = breaker(&Clock::manual(jiff::Timestamp::UNIX_EPOCH));
        fail(&breaker);
        breaker.pass().expect("closed").well();
        fail(&breaker);
        assert!(!breaker.is_open());
        fail(&breaker);
        let refused = breaker.pass().expect_err("open");
        assert_eq!(refused.after, Duration::from_secs(10));
    }

    #[test]
    fn one_call_tries_and_decides() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let breaker = breaker(&clock);
        fail(&breaker);
        fail(&breaker);
        clock.advance(Duration::from_secs(10));
        let trying = breaker.pass().expect("half open");
        assert!(breaker.pass().is_err(), "one call only");
        trying.failed();
        assert!(breaker.pass().is_err(), "open again");
        clock.advance(Duration::from_secs(10));
        breaker.pass().expect("half open again").well();
        assert!(!breaker.is_open() && breaker.pass().is_ok());
    }

    #[test]
    fn a_trying_call_that_never_reports_does_not_block_for_ever() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let breaker = breaker(&clock);
        fail(&breaker);
        fail(&breaker);
        clock.advance(Duration::from_secs(10));
        drop(breaker.pass().expect("half open"));
        assert!(breaker.pass().is_err());
        clock.advance(Duration::from_secs(10));
        assert!(breaker.pass().is_ok());
    }

    #[test]
    fn whoever_waits_until_it_is_not_open_comes_and_tries() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let breaker = breaker(&clock);
        fail(&breaker);
        fail(&breaker);
        assert!(breaker.is_open());
        // Nobody called meanwhile: its time alone must end the wait, or a writer that only asks would wait for ever.
        clock.advance(Duration::from_secs(10));
        assert!(!breaker.is_open());
        drop(breaker.pass().expect("half open"));
        assert!(breaker.is_open(), "one call is trying");
    }
}
