//! One shop's Admin API over GraphQL, one query at a time. Reads are repeated here where that is of use; a write goes once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::Client;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use url::Url;

use super::auth::{AccessToken, TokenSource, Tokens};
use super::budget::{Admitted, Budget, Lane};
use super::cost::Cost;
use super::error::ShopifyError;
use super::grant::TokenError;
use super::limits::{
    ANSWER_BYTES_MAX, CONCURRENCY_MAX, LINE_PAGES_MAX, READ_RETRIES, READINGS_MAX, REQUEST_TIMEOUT, REQUESTS_PER_SECOND,
};
use crate::clock::Clock;
use crate::remote::{
    Breaker, BreakerPass, BreakerSettings, Egress, EgressError, Limiter, LimiterSettings, NotOurs, OutgoingBody,
    Retried, Tenure, parse_retry_after, read_body,
};
use crate::telemetry::metric;

const ORDER_BY_ID: Document = Document { operation: "OrderById", text: include_str!("graphql/order_by_id.graphql") };
const ORDER_LINES: Document = Document { operation: "OrderLines", text: include_str!("graphql/order_lines.graphql") };
const REFUND_LINES: Document =
    Document { operation: "RefundLines", text: include_str!("graphql/refund_lines.graphql") };
/// The version that made an answer.
const VERSION_HEADER: &str = "X-Shopify-API-Version";
/// Pause after a 429 that does not say how long.
const PAUSE_UNSAID: Duration = Duration::from_secs(1);

/// What a client is built from.
pub struct ShopifySettings {
    /// How logs and metrics call this shop.
    pub name: String,
    /// Its address, without a path.
    pub base_url: Url,
    /// Version of the Admin API, such as `2026-10`.
    pub api_version: String,
    /// Where its access token comes from.
    pub token: TokenSource,
    /// Until when it may be called at all.
    pub tenure: Tenure,
}

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ShopifySetupError {
    /// The address may not be called.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// Address and version do not make a URL.
    #[error("the shop's address and shopify_api_version do not make a url")]
    BadUrl(#[from] url::ParseError),
    /// The HTTP client cannot be built, as on a machine without root certificates.
    #[error(
        "the http client cannot be built: are there root certificates on this machine (ca-certificates, SSL_CERT_FILE)?"
    )]
    Client(#[from] reqwest::Error),
}

/// The way to one shop, in one lane of its budget. Clones share its token, its rate and its connections.
#[derive(Clone)]
pub struct ShopifyClient(Arc<Inner>, Lane);

struct Inner {
    name: String,
    endpoint: Url,
    api_version: String,
    http: Client,
    tokens: Tokens,
    limiter: Limiter,
    breaker: Breaker,
    budget: Budget,
    egress: Egress,
    tenure: Tenure,
    clock: Clock,
    /// What the `Date` of the latest answer said.
    shop_time: Mutex<Option<Timestamp>>,
}

/// A query or mutation as it is sent.
pub(super) struct Document {
    pub(super) operation: &'static str,
    pub(super) text: &'static str,
}

impl ShopifyClient {
    /// A client that has not called anybody yet.
    ///
    /// # Errors
    /// The settings do not allow one.
    pub fn new(settings: ShopifySettings, egress: &Egress, clock: Clock) -> Result<Self, ShopifySetupError> {
        let base = settings.base_url.as_str().trim_end_matches('/');
        let endpoint: Url = format!("{base}/admin/api/{}/graphql.json", settings.api_version).parse()?;
        let token_endpoint: Url = format!("{base}/admin/oauth/access_token").parse()?;
        let http = egress.client(&endpoint)?.timeout(REQUEST_TIMEOUT).build()?;
        Ok(Self(
            Arc::new(Inner {
                limiter: Limiter::new(
                    &settings.name,
                    LimiterSettings::new(REQUESTS_PER_SECOND, CONCURRENCY_MAX),
                    clock.clone(),
                ),
                breaker: Breaker::new(&settings.name, BreakerSettings::default(), clock.clone()),
                budget: Budget::default(),
                tenure: settings.tenure,
                tokens: Tokens::new(settings.token, token_endpoint, http.clone(), clock.clone(), &settings.name),
                name: settings.name,
                api_version: settings.api_version,
                endpoint,
                http,
                egress: egress.clone(),
                clock,
                shop_time: Mutex::default(),
            }),
            Lane::Orders,
        ))
    }

    /// The same way in another lane; a new client is in that of orders.
    #[must_use]
    pub fn in_lane(&self, lane: Lane) -> Self {
        Self(Arc::clone(&self.0), lane)
    }

    /// The order with this id as the JSON of `data.order`, all its lines and those of its refunds included; `None` when the shop has no such order (or the token
    /// may not see it: orders older than 60 days need `read_all_orders`).
    ///
    /// 1. The order with its first lines. Nearly always that is all.
    /// 2. The other pages of lines, joined to the first; when the order changed meanwhile, all again.
    /// 3. The other pages of refunds, which never change.
    ///
    /// # Errors
    /// It could not be read whole. It was tried again where that is of use.
    pub async fn order_by_id(&self, id: u64) -> Result<Option<Bytes>, ShopifyError> {
        let id = format!("gid://shopify/Order/{id}");
        for _ in 0..READINGS_MAX {
            // 1.
            let data = self.query(&ORDER_BY_ID, json!({ "id": id })).await?;
            let Some(order) = order_of(&data)? else { return Ok(None) };
            let first: LinePage = serde_json::from_str(order.get())?;
            let one_page = |page: &Lines| !page.page_info.has_next_page;
            if one_page(&first.line_items) && first.refunds.iter().all(|refund| one_page(&refund.refund_line_items)) {
                return Ok(Some(Bytes::copy_from_slice(order.get().as_bytes())));
            }
            // 2.
            let LinePage { updated_at, line_items, refunds } = first;
            let Some(lines) = self.further_lines(&id, &updated_at, line_items).await? else { continue };
            // 3.
            let mut of_refunds = Vec::with_capacity(refunds.len());
            for refund in refunds {
                of_refunds.push(self.further_refund_lines(&refund.id, refund.refund_line_items).await?);
            }
            return Ok(Some(joined(&order, lines, of_refunds)?));
        }
        Err(ShopifyError::Restless)
    }

    /// Makes sure that an access token is held that is not due for renewal, and says when to come again; `None` for one that stays.
    ///
    /// # Errors
    /// It was time, and none could be had.
    pub async fn keep_token(&self) -> Result<Option<Duration>, TokenError> {
        self.0.tokens.keep().await
    }

    /// Whether its access token ends and is renewed.
    pub fn renews_its_token(&self) -> bool {
        matches!(self.0.tokens, Tokens::Renewed(_))
    }

    /// Whether the circuit breaker holds calls back.
    pub fn is_left_alone(&self) -> bool {
        self.0.breaker.is_open()
    }

    /// Shopify's clock, as the latest answer told it.
    pub fn shop_time(&self) -> Option<Timestamp> {
        *self.0.shop_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who may be called, for files that lie elsewhere.
    pub(super) fn egress(&self) -> &Egress {
        &self.0.egress
    }

    /// All lines of an order from its first page on; `None` when it changed meanwhile.
    async fn further_lines(
        &self,
        id: &str,
        updated_at: &str,
        mut page: Lines,
    ) -> Result<Option<Vec<Value>>, ShopifyError> {
        let mut lines = std::mem::take(&mut page.nodes);
        for _ in 0..LINE_PAGES_MAX {
            let Some(after) = page.after()? else { return Ok(Some(lines)) };
            let data = self.query(&ORDER_LINES, json!({ "id": id, "after": after })).await?;
            let Some(order) = order_of(&data)? else { return Ok(None) };
            let next: LinePage = serde_json::from_str(order.get())?;
            if next.updated_at != updated_at {
                return Ok(None);
            }
            page = next.line_items;
            lines.append(&mut page.nodes);
        }
        Err(ShopifyError::NotWhole { what: "the pages of lines do not end" })
    }

    /// All rows of a refund from its first page on.
    async fn further_refund_lines(&self, id: &str, mut page: Lines) -> Result<Vec<Value>, ShopifyError> {
        let mut lines = std::mem::take(&mut page.nodes);
        for _ in 0..LINE_PAGES_MAX {
            let Some(after) = page.after()? else { return Ok(lines) };
            let data = self.query(&REFUND_LINES, json!({ "id": id, "after": after })).await?;
            let data: RefundData = serde_json::from_str(data.get())?;
            let refund = data.refund.ok_or(ShopifyError::NotWhole { what: "a refund is gone" })?;
            page = refund.refund_line_items;
            lines.append(&mut page.nodes);
        }
        Err(ShopifyError::NotWhole { what: "the pages of a refund do not end" })
    }

    /// Sends a mutation once.
    pub(super) async fn once(&self, document: &Document, variables: Value) -> Result<Box<RawValue>, ShopifyError> {
        self.attempt(document.operation, body_of(document, &variables)).await
    }

    /// Asks, and asks again where that is of use.
    pub(super) async fn query(&self, document: &Document, variables: Value) -> Result<Box<RawValue>, ShopifyError> {
        let body = body_of(document, &variables);
        let attempt = async || match self.attempt(document.operation, body.clone()).await {
            Err(error) if error.passes_by_itself() => {
                let after = error.after();
                Err(Retried::Again(error, after))
            }
            outcome => outcome.map_err(Retried::Never),
        };
        READ_RETRIES.run(&self.0.clock, attempt).await
    }

    async fn attempt(&self, operation: &'static str, body: Bytes) -> Result<Box<RawValue>, ShopifyError> {
        let inner = &self.0;
        inner.tenure.check()?;
        let token = inner.tokens.token().await?;
        let asked = Instant::now();
        // Before the limiter's slot: who waits for points must not keep an order from one.
        let admitted = inner.budget.admit(self.1, operation).await?;
        metrics::histogram!(metric::SHOPIFY_POINTS_WAIT_SECONDS, "remote" => inner.name.clone(), "lane" => self.1.as_str())
            .record(asked.elapsed().as_secs_f64());
        let pass = inner.breaker.pass()?;
        let permit = inner.limiter.permit().await?;
        // The waits may have been long.
        inner.tenure.check()?;
        let began = Instant::now();
        let mut outcome = self.exchange(body.clone(), &token, &admitted).await;
        // Refused at the door: nothing was done, so also a write may go again, once.
        if matches!(outcome, Err(ShopifyError::TokenRefused))
            && let Some(other) = inner.tokens.instead_of(&token).await?
        {
            inner.tenure.check()?;
            outcome = self.exchange(body, &other, &admitted).await;
        }
        drop((permit, admitted));
        self.learn(operation, pass, began, outcome.as_ref().err());
        outcome
    }

    async fn exchange(
        &self,
        body: Bytes,
        token: &AccessToken,
        admitted: &Admitted,
    ) -> Result<Box<RawValue>, ShopifyError> {
        let inner = &self.0;
        let request = inner
            .http
            .post(inner.endpoint.clone())
            .header("Content-Type", "application/json")
            .header("Accept", "application/json");
        let (body, fate) = OutgoingBody::new(body, inner.tenure.clone());
        let sent = token.sign(request).body(reqwest::Body::wrap(body)).send().await;
        let kept_back = |error| if fate.was_kept_back() { NotOurs.into() } else { ShopifyError::from_transport(error) };
        let response = sent.map_err(kept_back)?;
        let status = response.status().as_u16();
        if status != 200 {
            let after = parse_retry_after(response.headers(), inner.clock.now());
            return Err(ShopifyError::from_status(status, after));
        }
        let date =
            response.headers().get("Date").and_then(|value| jiff::fmt::rfc2822::parse(value.to_str().ok()?).ok());
        if let Some(date) = date {
            *inner.shop_time.lock().unwrap_or_else(PoisonError::into_inner) = Some(date.timestamp());
        }
        let version = response.headers().get(VERSION_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = read_body(response, ANSWER_BYTES_MAX).await.map_err(ShopifyError::LostBody)?;
        let envelope: Envelope = serde_json::from_slice(&body)?;
        let (cost, search) = envelope.extensions.map_or((None, Vec::new()), |told| (told.cost, told.search));
        if let Some(cost) = &cost {
            admitted.learn(cost);
        }
        // Errors first: whatever stands beside them in `data` is only a part.
        if let Some(error) = ShopifyError::from_errors(&envelope.errors, cost.as_ref()) {
            return Err(error);
        }
        if version.as_deref() != Some(inner.api_version.as_str()) {
            return Err(ShopifyError::OtherVersion { asked: inner.api_version.clone(), answered: version });
        }
        // A filter that Shopify passed over finds other orders than were asked for.
        if search.iter().any(|search| !search.warnings.is_empty()) {
            return Err(ShopifyError::NotWhole { what: "a part of the search was passed over" });
        }
        envelope.data.ok_or(ShopifyError::NotWhole { what: "there is no data" })
    }

    /// Lets everybody learn from how a call went: breaker, limiter, metrics.
    fn learn(&self, operation: &'static str, pass: BreakerPass, began: Instant, error: Option<&ShopifyError>) {
        let inner = &self.0;
        let label = error.map_or("done", ShopifyError::kind);
        metrics::histogram!(metric::REMOTE_CALL_DURATION_SECONDS, "remote" => inner.name.clone(), "operation" => operation)
            .record(began.elapsed().as_secs_f64());
        metrics::counter!(metric::REMOTE_CALLS_TOTAL, "remote" => inner.name.clone(), "operation" => operation, "outcome" => label)
            .increment(1);
        ShopifyError::tell(error, pass);
        match error {
            Some(ShopifyError::TooManyRequests { after }) => inner.limiter.pause(after.unwrap_or(PAUSE_UNSAID)),
            Some(ShopifyError::Unavailable { after: Some(after), .. }) => inner.limiter.pause(*after),
            Some(_) | None => {}
        }
    }
}

impl std::fmt::Debug for ShopifyClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShopifyClient").field("name", &self.0.name).finish_non_exhaustive()
    }
}

fn body_of(document: &Document, variables: &Value) -> Bytes {
    let body = json!({ "query": document.text, "operationName": document.operation, "variables": variables });
    Bytes::from(body.to_string())
}

#[derive(Deserialize)]
struct Envelope {
    data: Option<Box<RawValue>>,
    #[serde(default)]
    errors: Value,
    extensions: Option<Extensions>,
}

#[derive(Deserialize)]
struct Extensions {
    cost: Option<Cost>,
    /// What became of the searches of the query.
    #[serde(default)]
    search: Vec<Searched>,
}

#[derive(Deserialize)]
struct Searched {
    #[serde(default)]
    warnings: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LinePage {
    updated_at: String,
    line_items: Lines,
    /// In the first page only.
    #[serde(default)]
    refunds: Vec<RefundPage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundPage {
    id: String,
    refund_line_items: Lines,
}

#[derive(Deserialize)]
struct RefundData {
    refund: Option<RefundRows>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefundRows {
    refund_line_items: Lines,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lines {
    nodes: Vec<Value>,
    page_info: PageInfo,
}

impl Lines {
    /// Where the next page begins; none after the last one.
    fn after(&self) -> Result<Option<&str>, ShopifyError> {
        if !self.page_info.has_next_page {
            return Ok(None);
        }
        let cursor = self.page_info.end_cursor.as_deref();
        cursor.map(Some).ok_or(ShopifyError::NotWhole { what: "a page of lines has no cursor" })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

fn order_of(data: &RawValue) -> Result<Option<Box<RawValue>>, ShopifyError> {
    #[derive(Deserialize)]
    struct Data {
        order: Option<Box<RawValue>>,
    }
    let data: Data = serde_json::from_str(data.get())?;
    Ok(data.order)
}

/// Puts all lines into the order and its refunds. Numbers keep their own text: serde_json is built with arbitrary precision.
fn joined(order: &RawValue, lines: Vec<Value>, of_refunds: Vec<Vec<Value>>) -> Result<Bytes, ShopifyError> {
    let whole = |nodes: Vec<Value>| json!({ "nodes": nodes, "pageInfo": { "hasNextPage": false, "endCursor": null } });
    let mut order: Value = serde_json::from_str(order.get())?;
    order["lineItems"] = whole(lines);
    for (index, lines) in of_refunds.into_iter().enumerate() {
        order["refunds"][index]["refundLineItems"] = whole(lines);
    }
    Ok(Bytes::from(order.to_string()))
}
