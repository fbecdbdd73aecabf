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

/// Size of the bucket where an answer does not say it: the smallest that Shopify ever had.
pub const BUCKET_UNSAID: f64 = 1_000.0;

/// How long a query of the rest makes way for orders; then it takes its turn among them.
pub const REST_PATIENCE: Duration = Duration::from_secs(30);

/// Queries of the rest under way at one time, so that [`CONCURRENCY_MAX`] always leaves places for orders.
pub const REST_AT_ONCE: usize = 2;

/// Longest wait for points; a longer one is the caller's to schedule.
pub const ADMISSION_WAIT_MAX: Duration = Duration::from_secs(90);

/// Requests in a second: Shopify limits points, not requests; this only spaces them.
pub const REQUESTS_PER_SECOND: u32 = 20;

/// Requests at one time.
pub const CONCURRENCY_MAX: u32 = 4;

/// Pages of lines of one order or refund: 35 and 100 lines each, and Shopify's own bound is far below.
pub const LINE_PAGES_MAX: usize = 60;

/// Pages of 100 webhook subscriptions: an app has a few for each topic.
pub const SUBSCRIPTION_PAGES_MAX: usize = 25;

/// Pages of 250 locations of a shop, or levels of an item: Shopify allows 1,000 locations.
pub const LOCATION_PAGES_MAX: usize = 8;

/// Pages of 250 variants of a product: Shopify allows 2,048.
pub const VARIANT_PAGES_MAX: usize = 12;

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

/// Life of a token whose answer does not say it: that of an expiring offline token.
pub const TOKEN_LIFETIME_UNSAID: Duration = Duration::from_secs(3_600);

/// Longest life that is believed.
pub const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(7 * 86_400);

/// How long the endpoint is not asked again after it refused, or after the shop refused a token of that age: a person must act.
pub const TOKEN_REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// Pause after other trouble with a token; doubled up to the longest.
pub const TOKEN_FAILURE_PAUSE_MIN: Duration = Duration::from_secs(2);

/// Longest such pause that we choose.
pub const TOKEN_FAILURE_PAUSE_MAX: Duration = Duration::from_secs(60);

/// How long the right to ask for a token lasts if its holder dies: two calls, and the storing of their answer.
pub const RENEWAL_LASTS: Duration = Duration::from_secs(60);

/// How long another process's answer is waited for.
pub const RENEWAL_WAIT_MAX: Duration = Duration::from_secs(30);

/// Pause between two looks whether it is there.
pub const RENEWAL_WAIT_STEP: Duration = Duration::from_millis(200);
