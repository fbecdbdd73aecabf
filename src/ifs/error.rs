//! What went wrong in a call to IFS, named by what the caller can do about it, and the verdict on it. Waiting is elsewhere.
//!
//! *Closing answers* tell for sure what became of a write: a 2xx that decodes; a 4xx except 408; 500 and 503 with IFS's own error body;
//! 501. Everything else but a connection that was never made leaves a write unknown.

use std::time::Duration;

use serde_json::Value;

use super::auth::TokenError;
use super::batch::BatchError;
use super::limits::MESSAGE_CHARS_MAX;
use super::wire::RowError;
use crate::domain::verdict::{Scope, Verdict};
use crate::remote::{BodyError, NotNow, NotOurs, Retried};

/// A call to IFS that did not end in an answer to use.
#[derive(Debug, thiserror::Error)]
pub enum IfsError {
    /// Not called: the rate, a pause that IFS asked for, or the open breaker.
    #[error("IFS is not called now")]
    NotNow(#[from] NotNow),
    /// Not called: the tenant's lease is lost or in doubt.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
    /// Not called: there is no access token.
    #[error("there is no access token for IFS")]
    NoToken(#[from] TokenError),
    /// Not called: the request cannot be put into bytes.
    #[error("the request cannot be sent as it is")]
    Unsendable(#[source] BatchError),
    /// No connection came about, so no byte left.
    #[error("no connection to IFS")]
    NotConnected(#[source] reqwest::Error),
    /// The connection broke or the time was over after bytes may have left.
    #[error("the call to IFS broke off")]
    Lost(#[source] reqwest::Error),
    /// The body of the answer is cut off, too long or too slow.
    #[error("the answer of IFS could not be read")]
    LostBody(#[source] BodyError),
    /// A good status, but not the answer to what was asked.
    #[error("the answer of IFS is not what was asked for")]
    Undecodable(#[from] Undecodable),
    /// A status that does not say what became of the request: 408, 502, 504, any other 5xx without IFS's own error body, a redirect.
    #[error("IFS answered with status {status}, which does not say what became of the request")]
    Unclear {
        /// HTTP status.
        status: u16,
        /// What it asked us to wait.
        after: Option<Duration>,
    },
    /// 401: the token is not valid any more; the client has dropped it.
    #[error("IFS refused the access token")]
    Unauthorized,
    /// 429.
    #[error("IFS had too many requests")]
    TooManyRequests {
        /// What it asked us to wait.
        after: Option<Duration>,
    },
    /// 503 with IFS's own error body.
    #[error("IFS is not available: {refusal}")]
    Unavailable {
        /// What it asked us to wait.
        after: Option<Duration>,
        /// What it said.
        refusal: Refusal,
    },
    /// 423, or `MI_MODIFIED_ERROR` with any status: somebody works on the record; repeat the same call.
    #[error("the record is busy: {refusal}")]
    Busy {
        /// What it asked us to wait.
        after: Option<Duration>,
        /// What it said.
        refusal: Refusal,
    },
    /// 412: the ETag is stale. Read again and plan anew.
    #[error("the record has changed in IFS: {refusal}")]
    Changed {
        /// What it said.
        refusal: Refusal,
    },
    /// 404.
    #[error("IFS does not know the record: {refusal}")]
    NotFound {
        /// What it said.
        refusal: Refusal,
    },
    /// 403: the service user lacks a grant.
    #[error("IFS does not allow it: {refusal}")]
    Forbidden {
        /// What it said.
        refusal: Refusal,
    },
    /// Any other 4xx, 501, or a 500 that carries a refusal of the database (`ORA-20xxx`): IFS does not want the data.
    #[error("IFS refused: {refusal}")]
    Refused {
        /// What it said.
        refusal: Refusal,
    },
    /// 500 with IFS's own error body that is no refusal of the database.
    #[error("IFS failed: {refusal}")]
    Failed {
        /// What it said.
        refusal: Refusal,
    },
    /// A read that IFS did not get to, because an earlier one of the same batch failed.
    #[error("IFS did not get to this read")]
    NotReached,
}

/// Why a good status holds no answer. Never quotes the answer.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// Not the answer to the batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Not JSON.
    #[error("the body is not JSON")]
    Json(#[from] serde_json::Error),
    /// JSON of another shape.
    #[error(transparent)]
    Row(#[from] RowError),
    /// Something that must be there is not.
    #[error("{0}")]
    Lacking(&'static str),
}

impl Undecodable {
    /// An answer that lacks what it must have; `what` says so without quoting it.
    pub fn new(what: &'static str) -> Self {
        Self::Lacking(what)
    }
}

/// What IFS said in an error, cut to what a person needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// IFS's error code, or empty.
    pub code: String,
    /// The first detail (there the database's text stands), else the message; 500 characters at most.
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.status, self.code, self.message)
    }
}

impl IfsError {
    /// What became of a write, and what to do about it.
    pub fn verdict(&self) -> Verdict {
        let retry = |after, scope| Verdict::Retry { after, scope };
        match self {
            Self::NotNow(NotNow { after }) => retry(Some(*after), Scope::Remote),
            Self::NoToken(error) => retry(error.after(), Scope::Remote),
            Self::NotOurs(_) | Self::NotConnected(_) => Verdict::NotSent,
            Self::Lost(_) | Self::LostBody(_) | Self::Undecodable(_) | Self::Unclear { .. } => Verdict::Ambiguous,
            Self::Unauthorized => retry(None, Scope::Remote),
            Self::TooManyRequests { after } | Self::Unavailable { after, .. } => retry(*after, Scope::Remote),
            Self::Busy { after, .. } => retry(*after, Scope::Record),
            Self::Changed { .. } | Self::Failed { .. } | Self::NotReached => retry(None, Scope::Record),
            Self::Unsendable(_) | Self::NotFound { .. } | Self::Forbidden { .. } | Self::Refused { .. } => {
                Verdict::Reject
            }
        }
    }

    /// What to do about a read: as [`verdict`](Self::verdict), but a read that broke off has done nothing and may go again.
    pub fn verdict_of_read(&self) -> Verdict {
        match self.verdict() {
            Verdict::Ambiguous | Verdict::NotSent => Verdict::Retry { after: self.after(), scope: Scope::Remote },
            other @ (Verdict::Done | Verdict::Retry { .. } | Verdict::Reject) => other,
        }
    }

    /// Whether a read is asked again in place.
    pub(super) fn judged_as_read(self) -> Retried<Self> {
        match self.verdict_of_read() {
            // Asking again in vain is no use while the tenant is not ours.
            Verdict::Retry { after, .. } if !matches!(self, Self::NotOurs(_)) => Retried::Again(self, after),
            _ => Retried::Never(self),
        }
    }

    /// What IFS asked us to wait, where it did.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests { after }
            | Self::Unclear { after, .. }
            | Self::Unavailable { after, .. }
            | Self::Busy { after, .. } => *after,
            Self::NotNow(NotNow { after }) => Some(*after),
            Self::NoToken(error) => error.after(),
            Self::NotOurs(_)
            | Self::Unsendable(_)
            | Self::NotConnected(_)
            | Self::Lost(_)
            | Self::LostBody(_)
            | Self::Undecodable(_)
            | Self::Unauthorized
            | Self::Changed { .. }
            | Self::NotFound { .. }
            | Self::Forbidden { .. }
            | Self::Refused { .. }
            | Self::Failed { .. }
            | Self::NotReached => None,
        }
    }

    /// What IFS said, where it said something.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Unavailable { refusal, .. }
            | Self::Busy { refusal, .. }
            | Self::Changed { refusal }
            | Self::NotFound { refusal }
            | Self::Forbidden { refusal }
            | Self::Refused { refusal }
            | Self::Failed { refusal } => Some(refusal),
            Self::NotNow(_)
            | Self::NotOurs(_)
            | Self::NoToken(_)
            | Self::Unsendable(_)
            | Self::NotConnected(_)
            | Self::Lost(_)
            | Self::LostBody(_)
            | Self::Undecodable(_)
            | Self::Unclear { .. }
            | Self::Unauthorized
            | Self::TooManyRequests { .. }
            | Self::NotReached => None,
        }
    }

    /// A short name for metrics and attempts.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::NotNow(_) => "not_now",
            Self::NotOurs(_) => "not_ours",
            Self::NoToken(_) => "no_token",
            Self::Unsendable(_) => "unsendable",
            Self::NotConnected(_) => "not_connected",
            Self::Lost(_) | Self::LostBody(_) => "lost",
            Self::Undecodable(_) => "undecodable",
            Self::Unclear { .. } => "unclear",
            Self::Unauthorized => "unauthorized",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::Unavailable { .. } => "unavailable",
            Self::Busy { .. } => "busy",
            Self::Changed { .. } => "changed",
            Self::NotFound { .. } => "not_found",
            Self::Forbidden { .. } => "forbidden",
            Self::Refused { .. } => "refused",
            Self::Failed { .. } => "failed",
            Self::NotReached => "not_reached",
        }
    }

    /// Whether IFS as a whole is in trouble, as far as the circuit breaker is concerned.
    pub(super) fn is_remote_wide(&self) -> bool {
        matches!(
            self,
            Self::NotConnected(_)
                | Self::NoToken(_)
                | Self::Lost(_)
                | Self::LostBody(_)
                | Self::Unclear { .. }
                | Self::Unavailable { .. }
        )
    }

    pub(super) fn from_transport(error: reqwest::Error) -> Self {
        let error = error.without_url();
        // A failure to resolve, connect or agree on TLS comes before the first byte of the request; so does one to build it.
        if error.is_connect() || error.is_builder() { Self::NotConnected(error) } else { Self::Lost(error) }
    }

    /// Judges an answer that is no 2xx: of the request itself, or of a part of a batch.
    pub(super) fn from_status(status: u16, after: Option<Duration>, body: &[u8]) -> Self {
        let own = Refusal::read(status, body);
        let is_own = own.is_some();
        let refusal = own.unwrap_or_else(|| Refusal { status, code: String::new(), message: String::new() });
        let says = |word: &str| is_own && body.windows(word.len()).any(|window| window == word.as_bytes());
        if says("MI_MODIFIED_ERROR") {
            return Self::Busy { after, refusal };
        }
        match status {
            408 => Self::Unclear { status, after },
            _ if refusal.code == "ODP_OPERATION_TIMEOUT" => Self::Unclear { status, after },
            401 => Self::Unauthorized,
            403 => Self::Forbidden { refusal },
            404 if is_own => Self::NotFound { refusal },
            // A gateway's page while IFS is being deployed, say: it tells nothing of the record.
            404 => Self::Unclear { status, after },
            412 => Self::Changed { refusal },
            423 => Self::Busy { after, refusal },
            429 => Self::TooManyRequests { after },
            400..=499 | 501 => Self::Refused { refusal },
            // The database session broke: perhaps after its commit.
            500 if ["ORA-03113", "ORA-03114", "ORA-03135", "ORA-01012", "ORA-12"].into_iter().any(says) => {
                Self::Unclear { status, after }
            }
            // The numbers of business refusals; others (a deadlock, a recompiled package) pass.
            500 if says("ORA-20") => Self::Refused { refusal },
            500 if is_own => Self::Failed { refusal },
            503 if is_own => Self::Unavailable { after, refusal },
            _ => Self::Unclear { status, after },
        }
    }
}

impl Refusal {
    /// Reads IFS's own error body, `{"error":{"code","message","details":[{"message"}]}}`; `None` when it is something else.
    fn read(status: u16, body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let error = body.get("error")?.as_object()?;
        let detail = error.get("details").and_then(|details| details.get(0));
        let detail = text_of(detail.and_then(|detail| detail.get("message")));
        let (code, message) = (text_of(error.get("code")), text_of(error.get("message")));
        if code.is_none() && message.is_none() && detail.is_none() {
            return None;
        }
        Some(Self {
            status,
            code: shown(code.unwrap_or_default()),
            message: shown(detail.or(message).unwrap_or_default()),
        })
    }
}

fn text_of(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Cut, and without control characters: it goes to logs and pages.
fn shown(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(MESSAGE_CHARS_MAX).collect()
}
