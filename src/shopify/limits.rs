//! The numbers of Shopify's Admin API: what its documentation says, and what we choose where it is silent.

use std::time::Duration;

use crate::remote::RetryPolicy;

/// Longest answer that we hold: a page of lines with long texts.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long one query may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Most points that one query may ask for; above it Shopify answers `MAX_COST_EXCEEDED`, however full the bucket is.
pub const QUERY_COST_MAX: f64 = 1_000.0;

/// Points a second that the smallest plan restores; used until an answer says better.
pub const RESTORE_RATE_MIN: f64 = 100.0;

/// Requests in a second: Shopify limits points, not requests; this only spaces them.
pub const REQUESTS_PER_SECOND: u32 = 20;

/// Requests at one time.
pub const CONCURRENCY_MAX: u32 = 4;

/// Pages of lines of one order or refund: 35 and 100 lines each, and Shopify's own bound is far below.
pub const LINE_PAGES_MAX: usize = 60;

/// How often an order is read anew because it changed between two of its pages.
pub const READINGS_MAX: usize = 3;

/// Longest part of a message of Shopify that is kept, in characters.
pub const MESSAGE_CHARS_MAX: usize = 300;

/// How queries are repeated in place.
pub const READ_RETRIES: RetryPolicy = RetryPolicy {
    base: Duration::from_millis(500),
    delay_max: Duration::from_secs(5),
    tries_max: 4,
    wait_max: Duration::from_secs(12),
};
