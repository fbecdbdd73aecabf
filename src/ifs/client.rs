//! One tenant of IFS Cloud, one call at a time: reads are repeated here, writes are sent exactly once and never repeated by anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, IF_MATCH};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use url::Url;

use super::answer::{Answer, NEXT_LINK, Received, next_page};
use super::auth::{AccessToken, TokenKeeper};
use super::batch::{self, ChangeSetAnswer, Encoded, PartAnswer};
use super::error::{IfsError, Undecodable};
use super::limits::{ANSWER_BYTES_MAX, READ_RETRIES};
use super::projection::{Projection, Services};
use super::sending::{Mark, send};
pub use super::settings::{IfsSettings, IfsSetupError};
use super::wire::PartRequest;
use crate::clock::Clock;
use crate::domain::verdict::{Scope, Verdict};
use crate::failpoint;
use crate::remote::{
    Breaker, BreakerPass, Egress, Limiter, Permit, Retried, Tenure, parse_retry_after, read_body, retry_after_of,
};
use crate::telemetry::metric;

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// How long reads keep an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most pages of one list.
const PAGES_MAX: usize = 50;
/// Pause after a 429 that does not say how long.
const PAUSE_UNSAID: Duration = Duration::from_secs(1);

/// The way to one tenant. Clones share its token, its rate and its connections.
#[derive(Clone)]
pub struct IfsClient(Arc<Inner>, Projection);

struct Inner {
    name: String,
    services: Services,
    /// Opens a connection for each call, so that a write never meets a connection that died while idle.
    fresh: Client,
    pooled: Client,
    keeper: TokenKeeper,
    limiter: Limiter,
    breaker: Breaker,
    tenure: Tenure,
    clock: Clock,
    wait_secs: Option<u64>,
    batch_parts_max: usize,
    writes_answered: AtomicU64,
}

/// Everything that a call may have to wait for, waited for: slot, rate, token. Taken before an intent is committed.
#[must_use = "it holds a slot"]
pub struct Ready {
    token: AccessToken,
    pass: BreakerPass,
    _permit: Permit,
}

impl IfsClient {
    /// A client that has not called anybody yet.
    ///
    /// # Errors
    /// The settings do not allow one.
    pub fn new(settings: IfsSettings, egress: &Egress, clock: Clock) -> Result<Self, IfsSetupError> {
        let base = settings.base_url.as_str().trim_end_matches('/');
        let services = Services::new(&settings)?;
        let token: Url = format!("{base}/auth/realms/{}/protocol/openid-connect/token", settings.realm).parse()?;
        let client = || Ok::<_, IfsSetupError>(egress.client(services.folder())?.timeout(settings.request_timeout));
        let fresh = client()?.pool_max_idle_per_host(0).http1_only().build()?;
        let pooled = client()?.pool_idle_timeout(IDLE_TIMEOUT).build()?;
        let keeper = TokenKeeper::new(token, settings.credentials, pooled.clone(), clock.clone(), &settings.name);
        let inner = Inner {
            limiter: Limiter::new(&settings.name, settings.limiter, clock.clone()),
            breaker: Breaker::new(&settings.name, settings.breaker, clock.clone()),
            tenure: settings.tenure,
            name: settings.name,
            services,
            fresh,
            pooled,
            keeper,
            clock,
            wait_secs: settings.wait.map(|wait| wait.as_secs()),
            batch_parts_max: settings.batch_parts_max.max(1),
            writes_answered: AtomicU64::new(0),
        };
        Ok(Self(Arc::new(inner), Projection::Orders))
    }

    /// The same tenant's projection of customers: same token, rate and connections, other paths.
    #[must_use]
    pub fn customers(&self) -> Self {
        self.at(Projection::Customers)
    }

    /// The same tenant's other projection.
    pub(super) fn at(&self, projection: Projection) -> Self {
        Self(Arc::clone(&self.0), projection)
    }

    /// Makes sure of a token that is not due for refresh; says when to come again.
    ///
    /// # Errors
    /// [`IfsError::NoToken`].
    pub async fn keep_token(&self) -> Result<Duration, IfsError> {
        self.0.tenure.check()?;
        Ok(self.0.keeper.keep().await?)
    }

    /// Whether the circuit breaker holds calls back.
    pub fn is_left_alone(&self) -> bool {
        self.0.breaker.is_open()
    }

    /// How many writes IFS has done or refused as a matter of the record, since this client was made. It tells a remote that
    /// loses every write from one that loses somebody's.
    pub fn writes_answered(&self) -> u64 {
        self.0.writes_answered.load(Ordering::Relaxed)
    }

    /// Waits for all that a write needs, so that nothing waits between its intent and its bytes.
    ///
    /// # Errors
    /// [`IfsError::NotOurs`], [`IfsError::NotNow`], [`IfsError::NoToken`].
    pub async fn ready(&self) -> Result<Ready, IfsError> {
        self.0.tenure.check()?;
        let pass = self.0.breaker.pass()?;
        let permit = self.0.limiter.permit().await?;
        // The wait may have been long.
        self.0.tenure.check()?;
        match self.0.keeper.token().await {
            Ok(token) => Ok(Ready { token, pass, _permit: permit }),
            Err(error) => {
                pass.failed();
                Err(error.into())
            }
        }
    }

    /// Sends the change set of a create, once, on a connection of its own; gives the answer to each part, in order.
    ///
    /// # Errors
    /// Read [`IfsError::verdict`]: only `Ambiguous` leaves open what became of it.
    pub async fn send_create(&self, ready: Ready, parts: &[PartRequest]) -> Result<Vec<Answer>, IfsError> {
        self.write_changes(ready, "create", parts, Mark::At(failpoint::BYTES_SENT)).await
    }

    /// Sends a change set of changes guarded by ETags, once; gives the answer to each part, in order.
    ///
    /// # Errors
    /// As [`send_create`](Self::send_create).
    pub async fn batch_write(&self, ready: Ready, parts: &[PartRequest]) -> Result<Vec<Answer>, IfsError> {
        self.write_changes(ready, "change", parts, Mark::At(failpoint::AMEND_BYTES_SENT)).await
    }

    /// Sends one write alone, once: a PATCH, a DELETE or the call of a bound action.
    ///
    /// # Errors
    /// As [`send_create`](Self::send_create).
    pub async fn write(&self, ready: Ready, part: &PartRequest) -> Result<Answer, IfsError> {
        let (token, mark) = (ready.token.clone(), Mark::At(failpoint::ACTION_BYTES_SENT));
        if part.body.is_some() {
            return self.observe_write(ready, "action", self.write_one(&token, part, mark)).await;
        }
        // In a change set of one part: nobody asks for an empty body, so nobody would ask the tenure when it leaves.
        let answers = self.write_changes(ready, "action", std::slice::from_ref(part), mark).await?;
        answers.into_iter().next().ok_or_else(|| Undecodable::new("no answer to the only part").into())
    }

    /// Sends the POST of a row to an order that stands, once, on a connection of its own.
    ///
    /// # Errors
    /// As [`send_create`](Self::send_create).
    pub async fn send_row(&self, ready: Ready, part: &PartRequest) -> Result<Answer, IfsError> {
        let token = ready.token.clone();
        self.observe_write(ready, "create_row", self.write_one(&token, part, Mark::At(failpoint::ROW_BYTES_SENT))).await
    }

    /// The rest of a list that came in pages, the first page included. A link to anywhere but this projection is not
    /// followed.
    ///
    /// # Errors
    /// A page could not be read, or there were more than any order has.
    pub async fn whole_list(&self, mut first: Answer) -> Result<Answer, IfsError> {
        let mut next = next_page(&first.body, Projection::Orders.service())?;
        for _ in 0..PAGES_MAX {
            let Some(path) = next.take() else { return Ok(first) };
            let mut page = self.query(&path).await?;
            next = next_page(&page.body, Projection::Orders.service())?;
            let more = page.body.get_mut("value").and_then(Value::as_array_mut).map(std::mem::take);
            let (Some(more), Some(rows)) = (more, first.body.get_mut("value").and_then(Value::as_array_mut)) else {
                return Err(Undecodable::new("a page of a list holds no rows").into());
            };
            rows.extend(more);
            if let Some(body) = first.body.as_object_mut() {
                body.remove(NEXT_LINK);
            }
        }
        Err(Undecodable::new("a list has more pages than any order").into())
    }

    /// Sends the one write that makes a customer, once, on a connection of its own.
    ///
    /// # Errors
    /// As [`send_create`](Self::send_create).
    pub async fn create_customer(&self, ready: Ready, part: &PartRequest) -> Result<Answer, IfsError> {
        let token = ready.token.clone();
        self.observe_write(ready, "create", self.write_one(&token, part, Mark::At(failpoint::CUSTOMER_BYTES_SENT)))
            .await
    }

    /// Calls a bound action on the record that still has this ETag.
    ///
    /// # Errors
    /// As [`send_create`](Self::send_create).
    pub async fn action(&self, ready: Ready, path: &str, if_match: &str, body: Value) -> Result<Answer, IfsError> {
        self.write(ready, &PartRequest::post(path, body).with_if_match(if_match)).await
    }

    /// Several reads in as few calls as `batch_parts_max` lets be; one outcome for each, in order.
    ///
    /// # Errors
    /// A call as a whole failed. It was repeated where that is of use.
    pub async fn batch_read(&self, parts: &[PartRequest]) -> Result<Vec<Result<Answer, IfsError>>, IfsError> {
        let mut outcomes = Vec::with_capacity(parts.len());
        for some in parts.chunks(self.0.batch_parts_max) {
            let encoded = batch::encode_reads(some, self.0.wait_secs).map_err(IfsError::Unsendable)?;
            outcomes.extend(
                self.read("batch_read", async |token| self.read_batch(token, &encoded, some.len()).await).await?,
            );
        }
        Ok(outcomes)
    }

    /// One read; `path_and_query` is relative to the projection and percent-encoded.
    ///
    /// # Errors
    /// It failed. It was repeated where that is of use.
    pub async fn query(&self, path_and_query: &str) -> Result<Answer, IfsError> {
        self.read("read", async |token| self.read_one(token, path_and_query).await).await
    }

    /// A question that IFS takes as a POST: nothing stays of it, so it is repeated as a read is.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub(super) async fn ask(&self, operation: &'static str, part: &PartRequest) -> Result<Answer, IfsError> {
        self.read(operation, async |token| self.write_one(token, part, Mark::Nothing).await).await
    }

    async fn write_changes(
        &self,
        ready: Ready,
        operation: &'static str,
        parts: &[PartRequest],
        mark: Mark,
    ) -> Result<Vec<Answer>, IfsError> {
        let encoded = batch::encode_change_set(parts, self.0.wait_secs).map_err(IfsError::Unsendable)?;
        let token = ready.token.clone();
        self.observe_write(ready, operation, self.write_batch(&token, &encoded, mark)).await
    }

    async fn write_batch(&self, token: &AccessToken, encoded: &Encoded, mark: Mark) -> Result<Vec<Answer>, IfsError> {
        let request = self.post_batch(&self.0.fresh, token, encoded, "");
        let answer = self.receive(send(request, encoded.body.clone(), mark, &self.0.tenure).await?).await?;
        let decoded = batch::decode_change_set(&answer.content_type, &answer.body, &encoded.content_ids);
        match decoded.map_err(Undecodable::from)? {
            ChangeSetAnswer::Done(parts) => parts.iter().map(|part| self.judge_part(part)).collect(),
            ChangeSetAnswer::Refused(part) => Err(self.refusal_of(&part)),
        }
    }

    async fn write_one(&self, token: &AccessToken, part: &PartRequest, mark: Mark) -> Result<Answer, IfsError> {
        let method = reqwest::Method::from_bytes(part.method.as_str().as_bytes()).expect("a method of ours");
        let mut request = self.request(&self.0.fresh, method, token, &part.url).header(CONTENT_TYPE, batch::JSON_TYPE);
        if let Some(etag) = &part.if_match {
            request = request.header(IF_MATCH, etag);
        }
        if let Some(secs) = self.0.wait_secs {
            request = request.header(PREFER, format!("wait={secs}"));
        }
        let body = part.body.as_ref().map(ToString::to_string).unwrap_or_default();
        self.receive(send(request, body.into(), mark, &self.0.tenure).await?).await?.decode()
    }

    async fn read_batch(
        &self,
        token: &AccessToken,
        encoded: &Encoded,
        asked: usize,
    ) -> Result<Vec<Result<Answer, IfsError>>, IfsError> {
        let request = self.post_batch(&self.0.pooled, token, encoded, "odata.continue-on-error");
        let answer = self.receive(send(request, encoded.body.clone(), Mark::Nothing, &self.0.tenure).await?).await?;
        let parts = batch::decode_reads(&answer.content_type, &answer.body, asked).map_err(Undecodable::from)?;
        let answered = parts.iter().map(|part| self.judge_part(part));
        let not_reached = std::iter::repeat_with(|| Err(IfsError::NotReached));
        Ok(answered.chain(not_reached).take(asked).collect())
    }

    async fn read_one(&self, token: &AccessToken, path_and_query: &str) -> Result<Answer, IfsError> {
        let request = self.request(&self.0.pooled, reqwest::Method::GET, token, path_and_query);
        let response = request.send().await.map_err(IfsError::from_transport)?;
        self.receive(response).await?.decode()
    }

    fn post_batch(&self, client: &Client, token: &AccessToken, encoded: &Encoded, preference: &str) -> RequestBuilder {
        let wait = self.0.wait_secs.map(|secs| format!("wait={secs}"));
        let preferences: Vec<&str> =
            wait.as_deref().into_iter().chain([preference]).filter(|text| !text.is_empty()).collect();
        let request = self
            .request(client, reqwest::Method::POST, token, "$batch")
            .header(ACCEPT, "multipart/mixed")
            .header(CONTENT_TYPE, &encoded.content_type);
        if preferences.is_empty() { request } else { request.header(PREFER, preferences.join(", ")) }
    }

    fn request(&self, client: &Client, method: reqwest::Method, token: &AccessToken, path: &str) -> RequestBuilder {
        let request = client.request(method, self.0.services.address(self.1, path)).bearer_auth(token.reveal());
        if path == "$batch" { request } else { request.header(ACCEPT, batch::ACCEPT) }
    }

    /// Reads a whole answer with a good status, or says what the status means.
    async fn receive(&self, response: Response) -> Result<Received, IfsError> {
        let status = response.status();
        let text =
            |headers: &HeaderMap, name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let content_type = text(response.headers(), CONTENT_TYPE).unwrap_or_default();
        let etag = text(response.headers(), ETAG);
        let after = parse_retry_after(response.headers(), self.0.clock.now());
        let body = read_body(response, ANSWER_BYTES_MAX).await;
        if status.is_success() {
            let body = body.map_err(IfsError::LostBody)?;
            return Ok(Received { status: status.as_u16(), content_type, etag, body });
        }
        // A refusal whose body did not come is judged by its status alone.
        Err(IfsError::from_status(status.as_u16(), after, &body.unwrap_or_default()))
    }

    fn judge_part(&self, part: &PartAnswer) -> Result<Answer, IfsError> {
        if !(200..300).contains(&part.status) {
            return Err(self.refusal_of(part));
        }
        let received = Received {
            status: part.status,
            content_type: String::new(),
            etag: part.etag.clone(),
            body: part.body.clone(),
        };
        received.decode()
    }

    fn refusal_of(&self, part: &PartAnswer) -> IfsError {
        let after = part.retry_after.as_deref().and_then(|text| retry_after_of(text, self.0.clock.now()));
        IfsError::from_status(part.status, after, &part.body)
    }

    /// Repeats a read where its verdict allows it; a refused token is renewed once.
    async fn read<T>(
        &self,
        operation: &'static str,
        call: impl AsyncFn(&AccessToken) -> Result<T, IfsError>,
    ) -> Result<T, IfsError> {
        let mut renewed = false;
        let attempt = async || {
            let ready = self.ready().await.map_err(IfsError::judged_as_read)?;
            let token = ready.token.clone();
            match self.observe(ready, operation, call(&token)).await {
                Err(error @ IfsError::Unauthorized) if std::mem::replace(&mut renewed, true) => {
                    Err(Retried::Never(error))
                }
                outcome => outcome.map_err(IfsError::judged_as_read),
            }
        };
        READ_RETRIES.run(&self.0.clock, attempt).await
    }

    /// The same for a write, counting those that were answered.
    async fn observe_write<T>(
        &self,
        ready: Ready,
        operation: &'static str,
        call: impl Future<Output = Result<T, IfsError>>,
    ) -> Result<T, IfsError> {
        let outcome = self.observe(ready, operation, call).await;
        let answered = match outcome.as_ref().map_err(IfsError::verdict) {
            Ok(_) | Err(Verdict::Done | Verdict::Reject | Verdict::Retry { scope: Scope::Record, .. }) => true,
            Err(Verdict::Ambiguous | Verdict::NotSent | Verdict::Retry { scope: Scope::Remote, .. }) => false,
        };
        if answered {
            self.0.writes_answered.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }

    /// Makes the call and lets everybody learn from how it went: breaker, limiter, token keeper, metrics.
    async fn observe<T>(
        &self,
        ready: Ready,
        operation: &'static str,
        call: impl Future<Output = Result<T, IfsError>>,
    ) -> Result<T, IfsError> {
        let began = Instant::now();
        let outcome = call.await;
        let inner = &self.0;
        let label = outcome.as_ref().err().map_or("done", IfsError::kind);
        metrics::histogram!(metric::REMOTE_CALL_DURATION_SECONDS, "remote" => inner.name.clone(), "operation" => operation)
            .record(began.elapsed().as_secs_f64());
        metrics::counter!(metric::REMOTE_CALLS_TOTAL, "remote" => inner.name.clone(), "operation" => operation, "outcome" => label)
            .increment(1);
        match &outcome {
            Err(error) if error.is_remote_wide() => ready.pass.failed(),
            // Nobody was asked.
            Err(IfsError::NotOurs(_)) => drop(ready.pass),
            Ok(_) | Err(_) => ready.pass.well(),
        }
        match &outcome {
            Err(IfsError::Unauthorized) => inner.keeper.invalidate(&ready.token),
            Err(IfsError::TooManyRequests { after }) => inner.limiter.pause(after.unwrap_or(PAUSE_UNSAID)),
            Err(IfsError::Unavailable { after: Some(after), .. } | IfsError::Unclear { after: Some(after), .. }) => {
                inner.limiter.pause(*after);
            }
            Ok(_) | Err(_) => {}
        }
        outcome
    }
}

impl std::fmt::Debug for IfsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IfsClient").field("name", &self.0.name).finish_non_exhaustive()
    }
}
