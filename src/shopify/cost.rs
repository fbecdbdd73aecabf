//! What Shopify's answers say of its cost bucket: what a query may cost, and what the bucket holds after it. Who may spend it is `budget.rs`.

use std::time::Duration;

use serde::Deserialize;

use super::limits::{BUCKET_UNSAID, QUERY_COST_MAX, RESTORE_RATE_MIN};

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
    /// Points that it holds when it is full.
    #[serde(default = "bucket_unsaid")]
    pub maximum_available: f64,
    /// Points in it.
    pub currently_available: f64,
    /// Points that come back in a second.
    pub restore_rate: f64,
}

impl Cost {
    /// How long until the bucket holds enough for this query: (requested - available) / restore rate.
    pub fn wait(&self) -> Duration {
        self.throttle_status.time_for(self.requested_query_cost - self.throttle_status.currently_available)
    }
}

impl ThrottleStatus {
    /// How long until so many more points are there.
    pub fn time_for(&self, missing: f64) -> Duration {
        seconds(missing / self.restore_rate.max(1.0))
    }
}

fn bucket_unsaid() -> f64 {
    BUCKET_UNSAID
}

/// No bucket needs longer than for the dearest query on the slowest plan; nonsense such as NaN or a negative time is no wait.
fn seconds(wait: f64) -> Duration {
    Duration::try_from_secs_f64(wait.min(QUERY_COST_MAX / RESTORE_RATE_MIN)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(requested: f64, available: f64) -> Cost {
        let throttle_status =
            ThrottleStatus { maximum_available: 2_000.0, currently_available: available, restore_rate: 100.0 };
        Cost { requested_query_cost: requested, throttle_status }
    }

    #[test]
    fn the_wait_is_what_is_missing_by_what_comes_back() {
        assert_eq!(cost(800.0, 300.0).wait(), Duration::from_secs(5));
        assert_eq!(cost(10.0, 300.0).wait(), Duration::ZERO);
        assert_eq!(cost(f64::INFINITY, 0.0).wait(), Duration::from_secs(10));
        assert_eq!(cost(f64::NAN, 0.0).wait(), Duration::from_secs(10));
    }
}
