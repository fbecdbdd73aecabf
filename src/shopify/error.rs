//! What went wrong in a call to Shopify, named by what the caller can do about it, and the verdict on it. Waiting is elsewhere.
//!
//! Reads, and writes that are the same however often they are made: a call that broke off may go again, so no verdict here
//! is `Ambiguous`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::cost::Cost;
use super::grant::TokenError;
use super::limits::MESSAGE_CHARS_MAX;
use crate::domain::verdict::{Scope, Verdict};
use crate::remote::{BodyError, BreakerPass, NotNow, NotOurs};

/// The pause when the app lacks a scope: a person has to act.
const SCOPE_PAUSE: Duration = Duration::from_secs(300);

/// A call to Shopify that did not end in an answer to use.
#[derive(Debug, thiserror::Error)]
pub enum ShopifyError {
    /// Not called: the rate, the bucket of points, a pause that Shopify asked for, or the open breaker.
    #[error("Shopify is not called now")]
    NotNow(#[from] NotNow),
    /// Not called: there is no access token to call with.
    #[error("there is no access token for the shop: {0}")]
    NoToken(#[from] TokenError),
    /// Not called: the tenant's lease is lost or in doubt.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    /// No connection came about.
    #[error("no connection to Shopify")]
    NotConnected(#[source] reqwest::Error),
    /// The connection broke or the time was over.
    #[error("the call to Shopify broke off")]
    Lost(#[source] reqwest::Error),
    /// The body of the answer is cut off, too long or too slow.
    #[error("the answer of Shopify could not be read")]
    LostBody(#[source] BodyError),
    /// `THROTTLED` inside a 200: the bucket of points is empty.
    #[error("Shopify's bucket of points is empty")]
    Throttled {
        /// Until it holds enough.
        after: Option<Duration>,
    },
    /// 429.
    #[error("Shopify had too many requests")]
    TooManyRequests {
        /// What it asked us to wait.
        after: Option<Duration>,
    },
    /// 401: the access token is not valid. Store a new one.
    #[error("Shopify refused the access token: store a new one with `credentials set`")]
    TokenRefused,
    /// 402: the shop is frozen for want of payment.
    #[error("the shop is frozen (402)")]
    ShopFrozen,
    /// 423: the shop is locked.
    #[error("the shop is locked (423)")]
    ShopLocked,
    /// 404: no such shop, or no such API version.
    #[error("Shopify knows no such shop or API version (404)")]
    NoSuchShop,
    /// 403, or `ACCESS_DENIED` inside a 200: the app lacks a scope.
    #[error("the app may not do this, as a scope is missing: {message}")]
    Forbidden {
        /// What Shopify said.
        message: String,
    },
    /// 5xx, or trouble of Shopify's own inside a 200.
    #[error("Shopify is not available (status {status})")]
    Unavailable {
        /// HTTP status.
        status: u16,
        /// What it asked us to wait.
        after: Option<Duration>,
    },
    /// `MAX_COST_EXCEEDED`: the query may cost more than Shopify allows one, however full the bucket is. To ask again is useless; whoever
    /// asked for a page asks for a smaller one.
    #[error("the query costs {requested:?} points, more than the {most:?} that Shopify allows one")]
    TooCostly {
        /// What it may cost, where Shopify says.
        requested: Option<u64>,
        /// What one may cost, where Shopify says.
        most: Option<u64>,
    },
    /// Any other error beside, or instead of, the data. Partial data is never used.
    #[error("Shopify refused the query: {code} {message}")]
    Refused {
        /// Its code, or the HTTP status.
        code: String,
        /// What it said; 300 characters at most.
        message: String,
    },
    /// Answered by another API version than asked for; its fields may mean something else.
    #[error(
        "Shopify answered with API version {answered:?} instead of {asked}: set shopify_api_version to one that it serves"
    )]
    OtherVersion {
        /// What we asked for.
        asked: String,
        /// What came.
        answered: Option<String>,
    },
    /// A good status, but not JSON, or not of the shape asked for.
    #[error("the answer of Shopify is not what was asked for")]
    Undecodable(#[from] serde_json::Error),
    /// A list of the answer that lacks what it must have, or never ends.
    #[error("the answer of Shopify is not whole: {what}")]
    NotWhole {
        /// What is missing.
        what: &'static str,
    },
    /// The order changed each time between two of its pages.
    #[error("the order changes faster than it can be read")]
    Restless,
}

impl ShopifyError {
    /// What to do about it.
    pub fn verdict(&self) -> Verdict {
        let retry = |scope| Verdict::Retry { after: self.after(), scope };
        match self {
            Self::NotNow(_)
            | Self::NoToken(_)
            | Self::NotOurs(_)
            | Self::NotConnected(_)
            | Self::Lost(_)
            | Self::LostBody(_)
            | Self::Throttled { .. }
            | Self::TooManyRequests { .. }
            | Self::TokenRefused
            | Self::ShopFrozen
            | Self::ShopLocked
            | Self::NoSuchShop
            | Self::Unavailable { .. }
            // It lacks for every order alike, until a person grants it.
            | Self::Forbidden { .. }
            | Self::OtherVersion { .. } => retry(Scope::Remote),
            Self::Undecodable(_) | Self::NotWhole { .. } | Self::Restless => retry(Scope::Record),
            Self::TooCostly { .. } | Self::Refused { .. } => Verdict::Reject,
        }
    }

    /// What Shopify asked us to wait, where it did.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::NotNow(NotNow { after }) => Some(*after),
            Self::NoToken(error) => error.after(),
            Self::Forbidden { .. } => Some(SCOPE_PAUSE),
            Self::Throttled { after } | Self::TooManyRequests { after } | Self::Unavailable { after, .. } => *after,
            Self::NotOurs(_)
            | Self::NotConnected(_)
            | Self::Lost(_)
            | Self::LostBody(_)
            | Self::TokenRefused
            | Self::ShopFrozen
            | Self::ShopLocked
            | Self::NoSuchShop
            | Self::TooCostly { .. }
            | Self::Refused { .. }
            | Self::OtherVersion { .. }
            | Self::Undecodable(_)
            | Self::NotWhole { .. }
            | Self::Restless => None,
        }
    }

    /// A short name for metrics and attempts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotNow(_) => "not_now",
            Self::NoToken(_) => "no_token",
            Self::NotOurs(_) => "not_ours",
            Self::NotConnected(_) => "not_connected",
            Self::Lost(_) | Self::LostBody(_) => "lost",
            Self::Throttled { .. } => "throttled",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::TokenRefused => "unauthorized",
            Self::ShopFrozen => "shop_frozen",
            Self::ShopLocked => "shop_locked",
            Self::NoSuchShop => "not_found",
            Self::Forbidden { .. } => "forbidden",
            Self::Unavailable { .. } => "unavailable",
            Self::TooCostly { .. } => "too_costly",
            Self::Refused { .. } => "refused",
            Self::OtherVersion { .. } => "other_version",
            Self::Undecodable(_) | Self::NotWhole { .. } => "undecodable",
            Self::Restless => "restless",
        }
    }

    /// Whether it may be tried again in place: trouble that passes by itself within seconds.
    pub fn passes_by_itself(&self) -> bool {
        matches!(
            self,
            Self::NotNow(_)
                | Self::NotConnected(_)
                | Self::Lost(_)
                | Self::LostBody(_)
                | Self::Throttled { .. }
                | Self::TooManyRequests { .. }
                | Self::Unavailable { .. }
        )
    }

    /// Whether Shopify as a whole is in trouble, as far as the circuit breaker is concerned.
    fn is_remote_wide(&self) -> bool {
        matches!(self, Self::NotConnected(_) | Self::Lost(_) | Self::LostBody(_) | Self::Unavailable { .. })
    }

    /// Tells the circuit breaker how a call went.
    pub(super) fn tell(error: Option<&Self>, pass: BreakerPass) {
        match error {
            Some(error) if error.is_remote_wide() => pass.failed(),
            // Nobody was asked.
            Some(Self::NotOurs(_)) => drop(pass),
            Some(_) | None => pass.well(),
        }
    }

    pub(super) fn from_transport(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_connect() { Self::NotConnected(error) } else { Self::Lost(error) }
    }

    /// Judges a status that is no 200.
    pub(super) fn from_status(status: u16, after: Option<Duration>) -> Self {
        match status {
            401 => Self::TokenRefused,
            402 => Self::ShopFrozen,
            403 => Self::Forbidden { message: "403".to_owned() },
            404 => Self::NoSuchShop,
            423 => Self::ShopLocked,
            429 => Self::TooManyRequests { after },
            408 | 430 | 500.. => Self::Unavailable { status, after },
            _ => Self::Refused { code: status.to_string(), message: String::new() },
        }
    }

    /// Judges the `errors` of a 200; `None` when there are none.
    pub(super) fn from_errors(errors: &Value, cost: Option<&Cost>) -> Option<Self> {
        let first = match errors {
            Value::Null => return None,
            Value::Array(list) if list.is_empty() => return None,
            Value::Array(list) => &list[0],
            other => other,
        };
        // Whatever it looks like, it is an error: a shape of its own is a refusal without a code.
        let error = GraphqlError::deserialize(first).unwrap_or_default();
        let message: String = error.message.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect();
        Some(match error.extensions.code.as_str() {
            "THROTTLED" => Self::Throttled { after: cost.map(Cost::wait) },
            "MAX_COST_EXCEEDED" => {
                Self::TooCostly { requested: points(&error.extensions.cost), most: points(&error.extensions.max_cost) }
            }
            "ACCESS_DENIED" => Self::Forbidden { message },
            "SHOP_INACTIVE" => Self::ShopFrozen,
            "INTERNAL_SERVER_ERROR" | "TIMEOUT" => Self::Unavailable { status: 200, after: None },
            code => Self::Refused { code: code.chars().take(60).collect(), message },
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct GraphqlError {
    message: String,
    extensions: Extensions,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Extensions {
    code: String,
    cost: Value,
    max_cost: Value,
}

/// Whole points, where the value is some.
fn points(value: &Value) -> Option<u64> {
    value.as_u64()
}
