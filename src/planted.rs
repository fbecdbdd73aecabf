//! Bugs that a test plants to see the checker catch them, by `ML_CONNECTOR_PLANTED_BUG=name`; in a shipped build `is` is false and the variable unknown.

/// A webhook is answered before its row is committed.
pub const ACKNOWLEDGED_BEFORE_COMMIT: &str = "acknowledged_before_commit";
/// A delivery counts as known when its event was told before, under whichever topic.
pub const DEDUPED_BY_EVENT_ID: &str = "deduped_by_event_id";
/// A create whose answer never came is sent again without a look.
pub const NO_LOOK_UP: &str = "no_look_up";
/// A create that a look-up does not find is sent again at once.
pub const NO_NOT_BEFORE: &str = "no_not_before";
/// Changes go out under `If-Match: *`.
pub const IF_MATCH_ANY: &str = "if_match_any";
/// The lease fences nothing: neither what is settled, nor the calls whose bytes leave after it was lost.
pub const NO_FENCING: &str = "no_fencing";
/// A settle forgets that newer content came while it wrote.
pub const NEWER_CONTENT_FORGOTTEN: &str = "newer_content_forgotten";
/// What a dead owner had claimed stays claimed.
pub const CLAIMS_LEFT: &str = "claims_left";
/// An older version of an order overwrites a newer one.
pub const OLDER_VERSION_WINS: &str = "older_version_wins";

/// The sweep saves its cursor before the page in front of it is stored.
pub const CURSOR_BEFORE_PAGE: &str = "cursor_before_page";

/// Every bug that can be planted.
pub const ALL: [&str; 10] = [
    ACKNOWLEDGED_BEFORE_COMMIT,
    DEDUPED_BY_EVENT_ID,
    NO_LOOK_UP,
    NO_NOT_BEFORE,
    IF_MATCH_ANY,
    NO_FENCING,
    NEWER_CONTENT_FORGOTTEN,
    CLAIMS_LEFT,
    OLDER_VERSION_WINS,
    CURSOR_BEFORE_PAGE,
];

/// Whether the process was started with this bug.
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub fn is(bug: &str) -> bool {
    static PLANTED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    PLANTED.get_or_init(|| std::env::var("ML_CONNECTOR_PLANTED_BUG").ok()).as_deref() == Some(bug)
}

/// Never, in this build.
#[cfg(not(any(debug_assertions, feature = "failpoints")))]
#[inline(always)]
pub fn is(_bug: &str) -> bool {
    false
}
