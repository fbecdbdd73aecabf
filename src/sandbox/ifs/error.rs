//! IFS's error answers: `{"error":{"code","message","details":[{"message"}]}}`. Names after IFS's
//! documentation; the texts are the sandbox's own.

use hyper::StatusCode;
use serde_json::{Value, json};

/// A refusal as IFS words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OdataError {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) detail: Option<String>,
}

impl OdataError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None }
    }

    /// A refusal raised in the database: HTTP 500 with an ORA text.
    pub(super) fn database(number: u32, text: impl AsRef<str>) -> Self {
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "DATABASE_ERROR", "Database error occurred");
        error.detail = Some(format!("ORA-{number}: {}", text.as_ref()));
        error
    }

    /// A record named in the body does not exist.
    pub(super) fn no_such(entity: &str, value: &str) -> Self {
        Self::database(20110, format!("{entity}.FND_RECORD_NOT_EXIST: The {entity} object \"{value}\" does not exist."))
    }

    /// The body does not fit the entity's declaration.
    pub(super) fn deserialization(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ODP_DESERIALIZATION_ERROR", text)
    }

    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ODP_BAD_REQUEST", text)
    }

    pub(super) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ODP_RESOURCE_NOTFOUND", text)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "ODP_METHOD_NOT_ALLOWED", "Method is not allowed on this resource")
    }

    pub(super) fn not_implemented(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "ODP_NOT_IMPLEMENTED", text)
    }

    pub(super) fn stale() -> Self {
        let text = "The record has been modified by another user";
        Self::new(StatusCode::PRECONDITION_FAILED, "ODP_PRECONDITION_FAILED", text)
    }

    pub(super) fn precondition_missing() -> Self {
        let text = "The request requires an If-Match header";
        Self::new(StatusCode::PRECONDITION_REQUIRED, "ODP_MISSING_PRECONDITION", text)
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "ODP_UNAUTHORIZED", "Unauthorized")
    }

    pub(super) fn forbidden(projection: &str) -> Self {
        let text = format!("The user has no grant for projection {projection}");
        Self::new(StatusCode::FORBIDDEN, "ODP_FORBIDDEN", text)
    }

    pub(super) fn too_many() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "ODP_TOO_MANY_REQUESTS", "Too many requests")
    }

    pub(super) fn busy() -> Self {
        let text = "The metadata was modified while the request ran, repeat the call";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "MI_MODIFIED_ERROR", text)
    }

    pub(super) fn timed_out() -> Self {
        let text = "The operation exceeded the time that was allowed for it";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "ODP_OPERATION_TIMEOUT", text)
    }

    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "ODP_PAYLOAD_TOO_LARGE", "The request body is too large")
    }

    pub(super) fn unsupported_media(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "ODP_UNSUPPORTED_MEDIA_TYPE", text)
    }

    /// The error as a body.
    pub(super) fn body(&self) -> Value {
        let details: Vec<Value> = self.detail.iter().map(|text| json!({ "message": text })).collect();
        json!({ "error": { "code": self.code, "message": self.message, "details": details } })
    }
}
