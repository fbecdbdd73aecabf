//! When to try again. The only file that knows the `backoff` crate (unmaintained, RUSTSEC-2025-0012), so that another can take its place.

use std::time::Duration;

use backoff::backoff::Backoff as _;
use backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::clock::Clock;

/// The longest wait that a remote can ask of us.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// [`RETRY_AFTER_MAX`] in a shipped build.
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[inline(always)]
pub fn retry_after_max() -> Duration {
    RETRY_AFTER_MAX
}

/// The same, unless a test has no time for it: `ML_CONNECTOR_RETRY_AFTER_MAX_SECS=5`.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub fn retry_after_max() -> Duration {
    static SHORTER: std::sync::OnceLock<Option<u64>> = std::sync::OnceLock::new();
    let asked = || std::env::var("ML_CONNECTOR_RETRY_AFTER_MAX_SECS").ok()?.parse().ok();
    SHORTER.get_or_init(asked).map_or(RETRY_AFTER_MAX, |secs| Duration::from_secs(secs).min(RETRY_AFTER_MAX))
}

/// Exponential delays with full jitter: the n-th is drawn evenly from zero to `base * 2^n`, capped.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Upper end of the first delay.
    pub base: Duration,
    /// Upper end of every delay.
    pub delay_max: Duration,
    /// Tries in all, the first one included.
    pub tries_max: u32,
    /// Longest delay that is waited out in place; a longer one is the caller's to schedule.
    pub wait_max: Duration,
}

/// What a try that failed may do next.
#[derive(Debug)]
pub enum Retried<E> {
    /// Try again, after the time that the remote asked for, if it did.
    Again(E, Option<Duration>),
    /// Give it to the caller.
    Never(E),
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(500),
            delay_max: Duration::from_secs(20),
            tries_max: 4,
            wait_max: Duration::from_secs(20),
        }
    }
}

impl RetryPolicy {
    /// The delay before try `attempt` + 1, where the first try is 1. What the remote asked for goes before what we would choose, clamped to
    /// [`RETRY_AFTER_MAX`], with a little jitter on top so that not everybody comes back at the same instant.
    pub fn next_delay(&self, attempt: u32, retry_after: Option<Duration>, clock: &Clock) -> Duration {
        if let Some(asked) = retry_after {
            return asked.min(retry_after_max()) + draw(self.base, clock);
        }
        let doublings = attempt.saturating_sub(1);
        let top = self.base.saturating_mul(2_u32.saturating_pow(doublings));
        draw(top.min(self.delay_max), clock)
    }

    /// Tries until it works, until it must not be tried again, or `tries_max` times. Only for calls that may safely go twice.
    ///
    /// # Errors
    /// The error of the last try.
    pub async fn run<T, E>(&self, clock: &Clock, mut call: impl AsyncFnMut() -> Result<T, Retried<E>>) -> Result<T, E> {
        let mut attempt = 1;
        loop {
            let (error, asked) = match call().await {
                Ok(value) => return Ok(value),
                Err(Retried::Never(error)) => return Err(error),
                Err(Retried::Again(error, asked)) => (error, asked),
            };
            let delay = self.next_delay(attempt, asked, clock);
            if attempt >= self.tries_max || delay > self.wait_max {
                return Err(error);
            }
            clock.wait(delay).await;
            attempt += 1;
        }
    }
}

/// The wait that an answer asks for: seconds or an HTTP date (RFC 9110, 10.2.3), clamped to [`RETRY_AFTER_MAX`]; nonsense asks for nothing.
pub fn parse_retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    retry_after_of(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

/// The same for the bare value of the header.
pub fn retry_after_of(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than fit is more than the clamp.
        text.parse().map_or(retry_after_max(), Duration::from_secs)
    } else {
        let date = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(retry_after_max()))
}

/// An even draw from zero to `top`: `backoff` draws from `interval * (1 ± factor)`, which with factor 1 and half the top is just that.
fn draw(top: Duration, clock: &Clock) -> Duration {
    if clock.is_simulated() {
        return top.mul_f64(clock.luck());
    }
    let mut delays: ExponentialBackoff = ExponentialBackoffBuilder::new()
        .with_initial_interval(top / 2)
        .with_max_interval(top)
        .with_randomization_factor(1.0)
        .with_max_elapsed_time(None)
        .build();
    delays.next_backoff().unwrap_or(top).min(top)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        base: Duration::from_millis(100),
        delay_max: Duration::from_secs(2),
        tries_max: 3,
        wait_max: Duration::from_secs(1),
    };

    #[test]
    fn delays_grow_have_full_jitter_and_stay_below_the_cap() {
        for (attempt, top_millis) in [(1, 100), (2, 200), (4, 800), (9, 2_000), (4_000_000, 2_000)] {
            let delays: Vec<_> = (0..400).map(|_| POLICY.next_delay(attempt, None, &Clock::system())).collect();
            let top = Duration::from_millis(top_millis);
            assert!(delays.iter().all(|delay| *delay <= top), "{attempt}");
            assert!(delays.iter().any(|delay| *delay < top / 4), "{attempt}: no small one");
            assert!(delays.iter().any(|delay| *delay > top / 4 * 3), "{attempt}: no large one");
        }
    }

    #[test]
    fn retry_after_is_honoured_and_clamped() {
        let delay = POLICY.next_delay(1, Some(Duration::from_secs(7)), &Clock::system());
        assert!(delay >= Duration::from_secs(7) && delay <= Duration::from_millis(7_100));
        let year = POLICY.next_delay(1, Some(Duration::from_secs(365 * 86_400)), &Clock::system());
        assert!(year <= RETRY_AFTER_MAX + POLICY.base);
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date_and_nonsense_is_none() {
        let now: Timestamp = "1994-11-06T08:49:07Z".parse().expect("a literal timestamp");
        let seconds = |n| Some(Duration::from_secs(n));
        for (text, expected) in [
            ("12", seconds(12)),
            (" 0 ", seconds(0)),
            ("31536000", seconds(900)),
            ("99999999999999999999999999", seconds(900)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", seconds(0)),
            ("Fri, 06 Nov 2026 08:00:00 GMT", seconds(900)),
            ("soon", None),
            ("-5", None),
            ("1.5", None),
            ("", None),
        ] {
            assert_eq!(retry_after_of(text, now), expected, "{text:?}");
        }
    }

    #[tokio::test]
    async fn a_call_is_tried_no_more_often_than_allowed() {
        let mut tries = 0;
        let failed: Result<(), &str> = POLICY
            .run(&Clock::system(), async || {
                tries += 1;
                Err(Retried::Again("busy", Some(Duration::ZERO)))
            })
            .await;
        assert_eq!((failed, tries), (Err("busy"), 3));
    }

    #[tokio::test]
    async fn a_long_wait_and_a_final_error_go_to_the_caller_at_once() {
        for outcome in [0, 1] {
            let mut tries = 0;
            let failed: Result<(), &str> = POLICY
                .run(&Clock::system(), async || {
                    tries += 1;
                    Err(match outcome {
                        0 => Retried::Again("later", Some(Duration::from_secs(600))),
                        _ => Retried::Never("no"),
                    })
                })
                .await;
            assert!(failed.is_err());
            assert_eq!(tries, 1);
        }
    }
}
