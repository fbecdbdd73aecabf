//! What both remotes need round a call: who may be called, how often, how many at once, when again. Knows neither Shopify nor IFS.

mod body;
mod breaker;
mod egress;
mod limiter;
mod outgoing;
mod retry;
#[cfg(test)]
pub(crate) mod scripted;
mod shared_token;
mod tenure;
mod token_endpoint;

pub use body::{BodyError, read_body};
pub use breaker::{Breaker, BreakerPass, BreakerSettings};
pub use egress::{Egress, EgressError};
pub use limiter::{Limiter, LimiterSettings, Permit};
pub use outgoing::{Fate, OutgoingBody};
pub use retry::{RETRY_AFTER_MAX, Retried, RetryPolicy, parse_retry_after, retry_after_max, retry_after_of};
pub use shared_token::{Flight, HeldToken, SharedToken, TokenLife, Turn};
pub use tenure::{NotOurs, Tenure};
pub use token_endpoint::{TokenRefusal, ask_for_token, is_sendable};

use std::time::Duration;

/// A call that was not made, because the remote is to be left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the remote is left alone for another {} s", .after.as_secs())]
pub struct NotNow {
    /// When to ask again.
    pub after: Duration,
}
