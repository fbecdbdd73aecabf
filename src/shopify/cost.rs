//! The points of Shopify's cost bucket as far as its answers tell us, and how long to wait for enough of them. Pure but for the time given to it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;

use super::limits::{QUERY_COST_MAX, RESTORE_RATE_MIN};
use crate::clock::Tick;

/// `extensions.cost` of an answer. Points are no money: floats do.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// What the query may cost at most.
    pub requested_query_cost: f64,
    /// The bucket after it.
    pub throttle_status: ThrottleStatus,
}

/// The state of the bucket.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThrottleStatus {
    /// Points in it.
    pub currently_available: f64,
    /// Points that come back in a second.
    pub restore_rate: f64,
}

impl Cost {
    /// How long until the bucket holds enough for this query: (requested - available) / restore rate.
    pub fn wait(&self) -> Duration {
        let ThrottleStatus { currently_available, restore_rate } = self.throttle_status;
        seconds((self.requested_query_cost - currently_available) / restore_rate.max(1.0))
    }
}

/// What is known of one shop's bucket.
#[derive(Debug, Default)]
pub struct Bucket(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    latest: Option<(Tick, ThrottleStatus)>,
    /// What each operation asked for when it last ran.
    requested: HashMap<&'static str, f64>,
}

impl Bucket {
    /// How long to wait before `operation`, by what was learnt so far; nothing when it was never run.
    pub fn wait_for(&self, operation: &'static str, now: Tick) -> Duration {
        let known = self.lock();
        let (Some((at, status)), Some(requested)) = (known.latest, known.requested.get(operation)) else {
            return Duration::ZERO;
        };
        let restored = (now - at).as_secs_f64() * status.restore_rate;
        let missing = requested - status.currently_available - restored;
        seconds(missing / status.restore_rate.max(1.0))
    }

    /// Learns from an answer.
    pub fn learn(&self, operation: &'static str, cost: &Cost, now: Tick) {
        let mut known = self.lock();
        known.latest = Some((now, cost.throttle_status));
        known.requested.insert(operation, cost.requested_query_cost);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Plain values: a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// No bucket needs longer than for the dearest query on the slowest plan; nonsense such as NaN or a negative time is no wait.
fn seconds(wait: f64) -> Duration {
    Duration::try_from_secs_f64(wait.min(QUERY_COST_MAX / RESTORE_RATE_MIN)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn cost(requested: f64, available: f64) -> Cost {
        let throttle_status = ThrottleStatus { currently_available: available, restore_rate: 100.0 };
        Cost { requested_query_cost: requested, throttle_status }
    }

    #[test]
    fn the_wait_is_what_is_missing_by_what_comes_back() {
        assert_eq!(cost(800.0, 300.0).wait(), Duration::from_secs(5));
        assert_eq!(cost(10.0, 300.0).wait(), Duration::ZERO);
        assert_eq!(cost(f64::INFINITY, 0.0).wait(), Duration::from_secs(10));
        assert_eq!(cost(f64::NAN, 0.0).wait(), Duration::from_secs(10));
    }

    #[test]
    fn an_empty_bucket_holds_back_the_operation_until_it_is_full_enough() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let bucket = Bucket::default();
        assert_eq!(bucket.wait_for("order", clock.monotonic()), Duration::ZERO);
        bucket.learn("order", &cost(500.0, 100.0), clock.monotonic());
        assert_eq!(bucket.wait_for("order", clock.monotonic()), Duration::from_secs(4));
        assert_eq!(bucket.wait_for("never_run", clock.monotonic()), Duration::ZERO);
        clock.advance(Duration::from_secs(3));
        assert_eq!(bucket.wait_for("order", clock.monotonic()), Duration::from_secs(1));
        clock.advance(Duration::from_secs(60));
        assert_eq!(bucket.wait_for("order", clock.monotonic()), Duration::ZERO);
    }
}
