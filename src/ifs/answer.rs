//! A good answer of IFS, and how records are read out of it. What is no good answer is `error`'s.

use bytes::Bytes;
use serde_json::Value;

use super::error::{IfsError, Undecodable};
use super::wire::Row;

/// Where a list says that it goes on.
pub(super) const NEXT_LINK: &str = "@odata.nextLink";

/// A good answer: of a call, or of one part of a batch.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status, 2xx.
    pub status: u16,
    /// `ETag` header.
    pub etag: Option<String>,
    /// The body; null where there was none.
    pub body: Value,
}

impl Answer {
    /// The answer as one record, with its ETag from the body, or else from the header.
    ///
    /// # Errors
    /// [`IfsError::Undecodable`].
    pub fn row(&self) -> Result<Row, IfsError> {
        let mut row = Row::from_json(&self.body).map_err(Undecodable::from)?;
        if row.etag.is_none() {
            row.etag.clone_from(&self.etag);
        }
        Ok(row)
    }

    /// The answer as a whole list of records.
    ///
    /// # Errors
    /// [`IfsError::Undecodable`], also for one page of several.
    pub fn rows(&self) -> Result<Vec<Row>, IfsError> {
        Ok(Row::list_from_json(&self.body).map_err(Undecodable::from)?)
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A whole answer that is not decoded yet.
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) etag: Option<String>,
    pub(super) body: Bytes,
}

impl Received {
    /// Reads the body as JSON; an empty one is null.
    pub(super) fn decode(self) -> Result<Answer, IfsError> {
        let body = match self.body.trim_ascii() {
            [] => Value::Null,
            json => serde_json::from_slice(json).map_err(Undecodable::from)?,
        };
        Ok(Answer { status: self.status, etag: self.etag, body })
    }
}

/// Where the next page of a list is, relative to the projection of this service; none where this is the last one.
pub(super) fn next_page(body: &Value, service: &str) -> Result<Option<String>, Undecodable> {
    let Some(link) = body.get(NEXT_LINK) else { return Ok(None) };
    let foreign = || Undecodable::new("the link to the next page leads elsewhere");
    let link = link.as_str().ok_or_else(foreign)?;
    match link.split_once("://") {
        None => Ok(Some(link.to_owned())),
        Some((_, absolute)) => {
            let root = format!("/{service}/");
            absolute.split_once(&root).map(|(_, path)| Some(path.to_owned())).ok_or_else(foreign)
        }
    }
}
