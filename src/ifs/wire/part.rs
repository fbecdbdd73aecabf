//! One request to IFS as plain data, ready to stand alone or inside a `$batch`.
//! Nothing is encoded or sent here, and nothing here knows what an order is.

use serde_json::Value;

/// The HTTP method of a part. IFS creates with POST, changes with PATCH, acts with POST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads; stands outside change sets.
    Get,
    /// Creates a resource or runs a bound action.
    Post,
    /// Changes some fields of a resource; wants an ETag.
    Patch,
    /// Takes a resource away; wants an ETag.
    Delete,
}

impl Method {
    /// The word in the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// One request, its URL relative to the projection's root (`CustomerOrderSet(OrderNo='1001')`, `$1/OrderLinesArray`).
///
/// `Debug` prints no body: names and addresses travel there.
#[derive(Clone, PartialEq, Eq)]
pub struct PartRequest {
    /// The HTTP method.
    pub method: Method,
    /// Relative to the service root, already percent-encoded; may begin with `$<content id>`.
    pub url: String,
    /// The number by which later parts of the same change set call the resource made here.
    pub content_id: Option<u32>,
    /// The ETag that the resource must still have, or `$<content id>` for one made in the same change set. Never `*`.
    pub if_match: Option<String>,
    /// The JSON body; decimals are JSON strings (`IEEE754Compatible=true`).
    pub body: Option<Value>,
}

impl PartRequest {
    /// A read.
    pub fn get(url: impl Into<String>) -> Self {
        Self { method: Method::Get, url: url.into(), content_id: None, if_match: None, body: None }
    }

    /// A create, or the call of a bound action.
    pub fn post(url: impl Into<String>, body: Value) -> Self {
        Self { method: Method::Post, url: url.into(), content_id: None, if_match: None, body: Some(body) }
    }

    /// A change of the record that still has this ETag.
    pub fn patch(url: impl Into<String>, etag: impl Into<String>, body: Value) -> Self {
        Self { method: Method::Patch, url: url.into(), content_id: None, if_match: Some(etag.into()), body: Some(body) }
    }

    /// The deletion of the record that still has this ETag.
    pub fn delete(url: impl Into<String>, etag: impl Into<String>) -> Self {
        Self { method: Method::Delete, url: url.into(), content_id: None, if_match: Some(etag.into()), body: None }
    }

    /// The same part with a Content-ID.
    #[must_use]
    pub fn with_content_id(mut self, content_id: u32) -> Self {
        self.content_id = Some(content_id);
        self
    }

    /// The same part guarded by an ETag, for bound actions.
    #[must_use]
    pub fn with_if_match(mut self, etag: impl Into<String>) -> Self {
        self.if_match = Some(etag.into());
        self
    }

    /// Method and URL: fit for a log line, since neither holds a person's data.
    pub fn summary(&self) -> String {
        format!("{} {}", self.method.as_str(), self.url)
    }
}

impl std::fmt::Debug for PartRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartRequest")
            .field("request", &self.summary())
            .field("content_id", &self.content_id)
            .field("if_match", &self.if_match.is_some())
            .field("body", &self.body.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_print_shows_no_body() {
        let part = PartRequest::post("CustomerOrderSet", serde_json::json!({"Name": "Ada"}));
        assert!(!format!("{part:?}").contains("Ada"));
    }
}
