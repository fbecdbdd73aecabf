//! How often and how many at once: the rate, the concurrency and the pause that a remote asked for. Waiting here is always bounded.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::NotNow;
use super::retry::retry_after_max;
use crate::clock::{Clock, Tick};
use crate::telemetry::metric;

/// The ceilings of one remote.
#[derive(Clone, Copy, Debug)]
pub struct LimiterSettings {
    /// Calls a minute, in the long run.
    pub per_minute: NonZeroU32,
    /// Calls that may go at once after a quiet time.
    pub burst: NonZeroU32,
    /// Calls under way at one time.
    pub concurrency_max: NonZeroU32,
    /// Longest wait for a permit; a longer one is the caller's to schedule.
    pub wait_max: Duration,
}

/// Longest wait for a permit, unless a caller chooses another.
const WAIT_MAX: Duration = Duration::from_secs(10);

impl LimiterSettings {
    /// At most `per_second` calls in a second, evenly spaced, and `concurrency_max` at one time; zero counts as one.
    pub fn new(per_second: u32, concurrency_max: u32) -> Self {
        let at_least_one = |n: u32| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            per_minute: at_least_one(per_second).saturating_mul(NonZeroU32::new(60).unwrap_or(NonZeroU32::MIN)),
            burst: NonZeroU32::MIN,
            concurrency_max: at_least_one(concurrency_max),
            wait_max: WAIT_MAX,
        }
    }
}

/// The limiter of one remote. Clones share one count. It runs on [`Clock::patience`], never on a hand-moved clock: a wait must end.
#[derive(Clone)]
pub struct Limiter(Arc<Shared>);

struct Shared {
    remote: String,
    rate: DefaultDirectRateLimiter,
    slots: Arc<Semaphore>,
    wait_max: Duration,
    not_before: Mutex<Option<Tick>>,
    clock: Clock,
}

/// The right to make one call; holds its slot until dropped.
#[must_use = "the call is made while this is held"]
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop, which frees the slot")] OwnedSemaphorePermit);

impl Limiter {
    /// A limiter whose burst is used up: whoever called this remote before, another replica or this process before a restart, may
    /// have used it a moment ago, and what both send together must keep to the rate.
    pub fn new(remote: &str, settings: LimiterSettings, clock: Clock) -> Self {
        let rate = RateLimiter::direct(Quota::per_minute(settings.per_minute).allow_burst(settings.burst));
        let emptied = rate.check_n(settings.burst).is_ok_and(|taken| taken.is_ok());
        debug_assert!(emptied, "a fresh bucket gives its burst");
        Self(Arc::new(Shared {
            remote: remote.to_owned(),
            rate,
            slots: Arc::new(Semaphore::new(settings.concurrency_max.get() as usize)),
            wait_max: settings.wait_max,
            not_before: Mutex::new(None),
            clock,
        }))
    }

    /// Waits for a slot, for the end of a pause and for the rate, in this order, at most `wait_max` in all.
    ///
    /// # Errors
    /// It would take longer: says when to come back.
    pub async fn permit(&self) -> Result<Permit, NotNow> {
        let shared = &self.0;
        let began = Instant::now();
        let pause = self.pause_left();
        if pause > shared.wait_max {
            return Err(NotNow { after: pause });
        }
        let permit = timeout(shared.wait_max, self.wait()).await;
        metrics::histogram!(metric::REMOTE_WAIT_SECONDS, "remote" => shared.remote.clone())
            .record(began.elapsed().as_secs_f64());
        permit.map_err(|_elapsed| NotNow { after: self.pause_left().max(shared.wait_max) })
    }

    /// Nobody gets a permit for this long (15 minutes at most), because the remote said so.
    pub fn pause(&self, time: Duration) {
        let until = self.0.clock.patience() + time.min(retry_after_max());
        let mut not_before = self.0.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        if not_before.is_none_or(|known| known < until) {
            *not_before = Some(until);
        }
    }

    async fn wait(&self) -> Permit {
        let slots = Arc::clone(&self.0.slots);
        let slot = slots.acquire_owned().await.expect("the slots are never closed");
        loop {
            let pause = self.pause_left();
            if pause.is_zero() {
                break;
            }
            self.0.clock.wait(pause).await;
        }
        self.0.rate.until_ready().await;
        Permit(slot)
    }

    fn pause_left(&self) -> Duration {
        let not_before = *self.0.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.map_or(Duration::ZERO, |until| until - self.0.clock.patience())
    }
}

#[cfg(test)]
mod tests {
    use super::super::retry::RETRY_AFTER_MAX;
    use super::*;

    fn limiter(per_minute: u32, burst: u32, slots: u32, wait_max: Duration) -> Limiter {
        let settings = LimiterSettings {
            per_minute: NonZeroU32::new(per_minute).expect("not zero"),
            burst: NonZeroU32::new(burst).expect("not zero"),
            wait_max,
            ..LimiterSettings::new(1, slots)
        };
        Limiter::new("test", settings, Clock::system())
    }

    #[tokio::test]
    async fn a_fresh_limiter_gives_no_burst_at_once_but_the_rate() {
        let limiter = limiter(1_200, 20, 40, Duration::from_secs(5));
        let began = Instant::now();
        for _ in 0..4 {
            drop(limiter.permit().await.expect("within the rate"));
        }
        assert!(began.elapsed() >= Duration::from_millis(190), "four permits at 20 a second: {:?}", began.elapsed());
    }

    #[tokio::test]
    async fn the_rate_and_the_slots_hold() {
        let quick = limiter(60_000, 1_000, 1, Duration::from_millis(50));
        let first = quick.permit().await.expect("a free slot");
        assert!(quick.permit().await.is_err(), "the slot is taken");
        drop(first);
        drop(quick.permit().await.expect("the slot is free again"));
        let slow = limiter(60, 2, 1, Duration::from_millis(20));
        assert!(slow.permit().await.is_err(), "one a second, and nothing at once");
    }

    #[tokio::test]
    async fn a_long_pause_is_the_callers_and_a_short_one_is_waited_out() {
        let limiter = limiter(60_000, 1_000, 4, Duration::from_secs(5));
        limiter.pause(Duration::from_millis(30));
        limiter.pause(Duration::from_millis(1));
        let began = Instant::now();
        drop(limiter.permit().await.expect("a short pause"));
        assert!(began.elapsed() >= Duration::from_millis(30));
        limiter.pause(Duration::from_secs(365 * 86_400));
        let refused = limiter.permit().await.expect_err("a long pause");
        assert!(refused.after > Duration::from_secs(890) && refused.after <= RETRY_AFTER_MAX);
    }
}
