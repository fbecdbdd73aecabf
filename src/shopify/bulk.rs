//! Orders by a bulk operation: Shopify runs the search by itself and lays one line for each order down in a file, which is read
//! line by line through the egress guard. For lists longer than may be paged. What other lists need of it is here too.

use std::time::Duration;

use bytes::BytesMut;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::client::{Document, ShopifyClient};
use super::error::ShopifyError;
use super::figures::{ListedOrder, listed_of};
use super::orders::{OrderHead, OrderSearch, head_of};
use super::write::UserError;

const BULK_RUN: Document = Document { operation: "BulkRun", text: include_str!("graphql/bulk_run.graphql") };
const BULK_STATE: Document = Document { operation: "BulkState", text: include_str!("graphql/bulk_state.graphql") };

/// What a bulk operation lays down of each order.
const BULK_OF_ORDERS: &str = include_str!("graphql/bulk_of_orders.graphql");
/// The same with the figures that Shopify states of it.
const BULK_OF_FIGURES: &str = include_str!("graphql/bulk_of_figures.graphql");
/// What stands in them where the search belongs: a bulk operation's query has no variables.
const SEARCH: &str = "\"SEARCH\"";

/// Longest line of a file; an order's head and figures have two thousand bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// How long the next piece of a file may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);

/// Where a bulk operation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkState {
    /// Shopify works on it; so many objects so far.
    Running {
        /// Objects so far.
        objects: u64,
    },
    /// It is done.
    Done {
        /// Where its file lies; none when nothing was found.
        url: Option<String>,
        /// Lines of the file.
        objects: u64,
    },
    /// It ended without its file, or the file is gone: what it found in part is not used.
    Ended {
        /// What Shopify calls it.
        why: String,
    },
}

/// The file of a bulk operation, as it is read.
#[derive(Debug)]
pub struct BulkFile {
    response: reqwest::Response,
    rest: BytesMut,
    ended: bool,
}

impl ShopifyClient {
    /// Starts a bulk operation over the orders that a search finds; gives its id.
    ///
    /// # Errors
    /// Shopify does not start one, as when five of this app run already.
    pub async fn start_bulk_orders(&self, search: &OrderSearch) -> Result<String, ShopifyError> {
        self.start_bulk(bulk_query(BULK_OF_ORDERS, search)).await
    }

    /// The same with the figures that Shopify states of each order.
    ///
    /// # Errors
    /// As [`start_bulk_orders`](Self::start_bulk_orders).
    pub async fn start_bulk_figures(&self, search: &OrderSearch) -> Result<String, ShopifyError> {
        self.start_bulk(bulk_query(BULK_OF_FIGURES, search)).await
    }

    /// Starts one over any query without variables.
    pub(super) async fn start_bulk(&self, query: String) -> Result<String, ShopifyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            bulk_operation_run_query: Option<Payload>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload {
            bulk_operation: Option<Started>,
            user_errors: Vec<UserError>,
        }
        #[derive(Deserialize)]
        struct Started {
            id: String,
        }
        let data = self.once(&BULK_RUN, json!({ "query": query })).await?;
        let data: Data = serde_json::from_str(data.get())?;
        let payload = data.bulk_operation_run_query.ok_or(ShopifyError::NotWhole { what: "the mutation's payload" })?;
        if let Some(error) = payload.user_errors.first() {
            return Err(ShopifyError::Refused { code: "bulk operation".to_owned(), message: error.to_string() });
        }
        payload.bulk_operation.map(|started| started.id).ok_or(ShopifyError::NotWhole { what: "a bulk operation" })
    }

    /// Where a bulk operation stands.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn bulk_state(&self, id: &str) -> Result<BulkState, ShopifyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            bulk_operation: Option<Operation>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Operation {
            status: String,
            error_code: Option<String>,
            object_count: String,
            url: Option<String>,
        }
        let data = self.query(&BULK_STATE, json!({ "id": id })).await?;
        let data: Data = serde_json::from_str(data.get())?;
        let Some(operation) = data.bulk_operation else {
            return Ok(BulkState::Ended { why: "unknown to Shopify".to_owned() });
        };
        let objects = operation.object_count.parse();
        let objects = objects.map_err(|_| ShopifyError::NotWhole { what: "the count of a bulk operation" })?;
        Ok(match operation.status.as_str() {
            "CREATED" | "RUNNING" => BulkState::Running { objects },
            "COMPLETED" if operation.url.is_none() && objects > 0 => {
                BulkState::Ended { why: "its file is gone".to_owned() }
            }
            "COMPLETED" => BulkState::Done { url: operation.url, objects },
            status => BulkState::Ended { why: operation.error_code.unwrap_or_else(|| status.to_owned()) },
        })
    }

    /// Opens the file of a bulk operation. Its host is judged as any that is called, and gets no token.
    ///
    /// # Errors
    /// It may not be called, or does not answer.
    pub async fn open_bulk_file(&self, url: &str) -> Result<BulkFile, ShopifyError> {
        let refused = |message: String| ShopifyError::Refused { code: "bulk file".to_owned(), message };
        let url: Url = url.parse().map_err(|_| refused("its address is none".to_owned()))?;
        let builder = self.egress().client(&url).map_err(|error| refused(error.to_string()))?;
        let http = builder.read_timeout(PIECE_TIMEOUT).build().map_err(ShopifyError::from_transport)?;
        let response = http.get(url).send().await.map_err(ShopifyError::from_transport)?;
        match response.status().as_u16() {
            200 => Ok(BulkFile { response, rest: BytesMut::new(), ended: false }),
            status => Err(ShopifyError::from_status(status, None)),
        }
    }
}

/// The query over what a search finds.
fn bulk_query(text: &str, search: &OrderSearch) -> String {
    // Invariant: a search holds neither quotes of this kind nor backslashes.
    without_comments(text).replace(SEARCH, &format!("\"{}\"", search.as_str()))
}

/// The query of a file, as Shopify is given it: it keeps it with the operation.
pub(super) fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

impl BulkFile {
    /// The next orders, `most` at most; none at the end of the file.
    ///
    /// # Errors
    /// The file broke off, or holds something else.
    pub async fn next_orders(&mut self, most: usize) -> Result<Vec<OrderHead>, ShopifyError> {
        self.next_of(most, head_of).await
    }

    /// The next orders with their figures.
    ///
    /// # Errors
    /// As [`next_orders`](Self::next_orders).
    pub async fn next_listed(&mut self, most: usize) -> Result<Vec<ListedOrder>, ShopifyError> {
        self.next_of(most, listed_of).await
    }

    /// The next lines, each read so.
    pub(super) async fn next_of<T>(
        &mut self,
        most: usize,
        read: impl Fn(&[u8]) -> Result<T, ShopifyError>,
    ) -> Result<Vec<T>, ShopifyError> {
        let mut orders = Vec::new();
        while orders.len() < most {
            match self.next_line().await? {
                Some(line) => orders.push(read(&line)?),
                None => break,
            }
        }
        Ok(orders)
    }

    async fn next_line(&mut self) -> Result<Option<BytesMut>, ShopifyError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let mut line = self.rest.split_to(end + 1);
                line.truncate(end);
                if !line.is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            if self.ended {
                let last = self.rest.split();
                return Ok((!last.is_empty()).then_some(last));
            }
            if self.rest.len() > LINE_BYTES_MAX {
                return Err(ShopifyError::NotWhole { what: "a line of the file does not end" });
            }
            match self.response.chunk().await.map_err(ShopifyError::from_transport)? {
                Some(piece) => self.rest.extend_from_slice(&piece),
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_takes_its_place_in_the_query() {
        let search = OrderSearch::default();
        for text in [BULK_OF_ORDERS, BULK_OF_FIGURES] {
            assert_eq!(text.matches(SEARCH).count(), 1);
            let query = bulk_query(text, &search);
            assert!(query.starts_with("{\n  orders(query: \"") && !query.contains("SEARCH"), "{query}");
        }
    }
}
