//! The numbers of IFS Cloud: what its documentation says, and what we choose where it is silent.

use std::time::Duration;

use crate::remote::RetryPolicy;

/// Longest answer that we hold: a page of orders, or a batch of reads of a large order.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest part of a message of IFS that is kept, in characters.
pub const MESSAGE_CHARS_MAX: usize = 500;

/// Lifetime of a token whose answer does not name one. IFS's own sample says 180 s, others 60 min: the answer decides, this is caution.
pub const TOKEN_LIFETIME_UNSAID: Duration = Duration::from_secs(60);

/// Longest lifetime that is believed.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How reads are repeated in place. Writes never are.
pub const READ_RETRIES: RetryPolicy = RetryPolicy {
    base: Duration::from_millis(250),
    delay_max: Duration::from_secs(4),
    tries_max: 4,
    wait_max: Duration::from_secs(5),
};
