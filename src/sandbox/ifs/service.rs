//! The HTTP face of the simulated IFS: routes, tokens, the rate ceiling, injected faults, late commits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::super::clock::SandboxClock;
use super::super::faults::{Fault, FaultPlan};
use super::super::ledger::{Arrival, Class, Ledger, OpenEntry, Outcome, Remote};
use super::super::listen::{Answer, Reply, Unread, build, bytes_of, endless, read_body, text};
use super::super::world;
use super::batch::{self, wait_secs};
use super::error::OdataError;
use super::run::{Engine, Operation, Projection, Setup};
use super::tables::Tables;
use super::token::Tokens;
use super::work::{Carried, Work, plain_error};

const BODY_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Path of the folder of all projections.
pub(super) const SERVICES: &str = "/main/ifsapplications/projection/v1/";

/// Everything that the simulated IFS is made of.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) tables: Mutex<Tables>,
    pub(super) tokens: Mutex<Tokens>,
    pub(super) setup: Mutex<Setup>,
    pub(super) ceiling: Mutex<Ceiling>,
    pub(super) held: Mutex<Vec<Job>>,
    pub(super) released: Notify,
    pub(super) ledger: Ledger,
    pub(super) faults: FaultPlan,
    pub(super) clock: SandboxClock,
    /// Whether nothing commits later than `Prefer: wait` allows.
    pub(super) wait_honoured: bool,
    /// Absolute URL of the folder of all projections.
    pub(super) services: String,
}

/// A token bucket that holds one second's worth of requests.
#[derive(Debug, Default)]
pub(super) struct Ceiling {
    pub(super) per_sec_max: Option<u32>,
    level: f64,
    at: Option<Timestamp>,
}

impl Ceiling {
    pub(super) fn new(per_sec_max: Option<u32>) -> Self {
        Self { per_sec_max, level: 0.0, at: None }
    }

    fn admits(&mut self, now: Timestamp) -> bool {
        let Some(per_sec) = self.per_sec_max.map(f64::from) else { return true };
        let since = self.at.map_or(1.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
        self.at = Some(now);
        self.level = (self.level + since * per_sec).min(per_sec.max(1.0));
        let admitted = self.level >= 1.0;
        if admitted {
            self.level -= 1.0;
        }
        admitted
    }
}

/// Work that was received and may be carried out later than the answer is given up.
#[derive(Clone, Debug)]
pub(super) struct Job {
    work: Work,
    received: Timestamp,
    limit: Duration,
    seq: u64,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one HTTP request.
pub(super) async fn handle(core: Arc<Core>, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    let token_path = format!("/auth/realms/{}/protocol/openid-connect/token", world::REALM);
    let (parts, body) = match read_body(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(why) => {
            let open = core.ledger.open(arrival("POST", &path, Class::Other));
            return match why {
                Unread::TooLarge => send(&open, plain_error(&OdataError::too_large()).answer),
                Unread::Broken => {
                    open.end(Outcome::CallerGone);
                    why.into()
                }
            };
        }
    };
    if path == token_path {
        return token(&core, &parts, &body).await;
    }
    odata(core, &parts, body).await
}

fn arrival(method: &str, path: &str, class: Class) -> Arrival {
    let (method, path) = (method.to_owned(), path.to_owned());
    Arrival { remote: Remote::Ifs, method, path, class, keys: Vec::new(), if_match: Vec::new(), parts: 1 }
}

async fn token(core: &Core, parts: &Parts, body: &[u8]) -> Reply {
    let open = core.ledger.open(arrival(parts.method.as_str(), parts.uri.path(), Class::Token));
    let mut drop_answer = false;
    if let Some(fault) = core.faults.draw(Class::Token) {
        open.fault(fault.name());
        match fault {
            Fault::Slow(delay) | Fault::Late(delay) => tokio::time::sleep(delay).await,
            Fault::DropAnswer | Fault::CutBody | Fault::Torn(_) => drop_answer = true,
            Fault::Endless => return send(&open, endless("application/json")),
            other => return refuse(&open, &other),
        }
    }
    let answer = if parts.method == "POST" {
        lock(&core.tokens).grant(header(parts, "content-type"), header(parts, "authorization"), body, core.clock.now())
    } else {
        text(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "POST only")
    };
    if drop_answer { close(&open) } else { send(&open, answer) }
}

async fn odata(core: Arc<Core>, parts: &Parts, body: Bytes) -> Reply {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let Some((projection, relative)) = projection_of(target) else {
        let open = core.ledger.open(arrival(parts.method.as_str(), target, Class::Other));
        return send(&open, plain_error(&OdataError::not_found("No such service")).answer);
    };
    let work = read_work(projection, parts, relative, body);
    let class = work.class();
    let open = core.ledger.open(Arrival {
        keys: work.keys(&lock(&core.tables)),
        if_match: work.if_match(),
        parts: work.parts(),
        ..arrival(parts.method.as_str(), target, class)
    });
    if let Some(refused) = refused_at_the_door(&core, projection, parts, &open) {
        return refused;
    }
    let outer_wait = wait_secs(header(parts, "prefer"));
    let limit = Duration::from_secs(work.limit_secs(outer_wait));
    let job = Job { work, received: core.clock.now(), limit, seq: open.seq() };
    match core.faults.draw(class) {
        None => send(&open, core.carry_out(&job)),
        Some(fault) => faulty(core, job, open, fault).await,
    }
}

/// The projection that a path belongs to, and the rest of the path.
fn projection_of(path: &str) -> Option<(Projection, &str)> {
    let (service, relative) = path.strip_prefix(SERVICES)?.split_once(".svc/")?;
    Projection::ALL.into_iter().find(|projection| projection.name() == service).map(|projection| (projection, relative))
}

/// Rate ceiling, token and grant.
fn refused_at_the_door(core: &Core, projection: Projection, parts: &Parts, open: &OpenEntry) -> Option<Reply> {
    let now = core.clock.now();
    if !lock(&core.ceiling).admits(now) {
        core.ledger.note_over_rate();
        open.remark("over the rate ceiling");
        return Some(refuse(open, &Fault::TooMany("1".into())));
    }
    if !lock(&core.tokens).accepts(header(parts, "authorization"), now) {
        return Some(send(open, plain_error(&OdataError::unauthorized()).answer));
    }
    let missing = lock(&core.setup).grants_missing.contains(&projection);
    missing.then(|| send(open, plain_error(&OdataError::forbidden(projection.name())).answer))
}

fn read_work(projection: Projection, parts: &Parts, relative: &str, body: Bytes) -> Work {
    if relative.split('?').next() == Some("$batch") {
        if parts.method != "POST" {
            return Work::Unreadable(OdataError::method_not_allowed());
        }
        return match batch::parse(projection, header(parts, "content-type"), &body) {
            Ok(sections) => {
                Work::Batch { sections, continue_on_error: header(parts, "prefer").contains("continue-on-error") }
            }
            Err(error) => Work::Unreadable(error),
        };
    }
    Work::One(Operation {
        projection,
        referred: false,
        method: parts.method.as_str().to_owned(),
        url: relative.to_owned(),
        accept: header(parts, "accept").to_owned(),
        content_type: header(parts, "content-type").to_owned(),
        if_match: parts.headers.get("if-match").and_then(|value| value.to_str().ok()).map(str::to_owned),
        wait_secs: wait_secs(header(parts, "prefer")),
        body,
    })
}

/// Carries a drawn fault out.
async fn faulty(core: Arc<Core>, job: Job, open: OpenEntry, fault: Fault) -> Reply {
    open.fault(fault.name());
    match fault {
        Fault::DropAnswer => {
            core.carry_out(&job);
            close(&open)
        }
        Fault::GatewayTimeoutDone => {
            core.carry_out(&job);
            send(&open, plain_error(&OdataError::timed_out()).answer)
        }
        Fault::CutBody => {
            let (head, body) = bytes_of(core.carry_out(&job)).await;
            let half = body.slice(..body.len() / 2);
            let content_type =
                head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
            send(&open, build(head.status, &[("content-type", content_type)], half))
        }
        Fault::Torn(within) => {
            let answer = core.carry_out(&job);
            open.end(Outcome::Dropped);
            Reply::Torn(answer, core.faults.up_to(within))
        }
        Fault::Endless => {
            core.carry_out(&job);
            open.end(Outcome::Dropped);
            Reply::Send(endless("application/json"))
        }
        Fault::Slow(delay) => {
            tokio::time::sleep(delay).await;
            send(&open, core.carry_out(&job))
        }
        Fault::Late(delay) => {
            // The commit must not depend on the caller's patience, so it runs as its own task.
            let late = Arc::clone(&core);
            let done = tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                late.carry_out(&job);
            });
            if let Err(error) = done.await {
                tracing::warn!(%error, "a late commit of the sandbox was stopped");
            }
            close(&open)
        }
        Fault::Hold => {
            let released = core.released.notified();
            lock(&core.held).push(job);
            released.await;
            close(&open)
        }
        Fault::Shelved => {
            lock(&core.held).push(job);
            close(&open)
        }
        Fault::Storm(times) => {
            job.work.storm(&mut lock(&core.tables), times);
            send(&open, core.carry_out(&job))
        }
        Fault::Unauthorized => {
            lock(&core.tokens).revoke_all();
            refuse(&open, &fault)
        }
        other => refuse(&open, &other),
    }
}

/// Answers without doing anything.
fn refuse(open: &OpenEntry, fault: &Fault) -> Reply {
    let with_retry = |error: OdataError, retry_after: &str| {
        let mut answer = plain_error(&error).answer;
        if let Ok(value) = retry_after.parse() {
            answer.headers_mut().insert("retry-after", value);
        }
        send(open, answer)
    };
    match fault {
        Fault::TooMany(retry_after) => with_retry(OdataError::too_many(), retry_after),
        Fault::Busy(retry_after) => with_retry(OdataError::busy(), retry_after),
        Fault::Unauthorized => send(open, plain_error(&OdataError::unauthorized()).answer),
        Fault::Forbidden => send(open, plain_error(&OdataError::forbidden(Projection::Orders.name())).answer),
        Fault::GatewayTimeout | Fault::GatewayTimeoutDone => send(open, plain_error(&OdataError::timed_out()).answer),
        Fault::BusyHtml => {
            let page = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>";
            send(open, text(StatusCode::SERVICE_UNAVAILABLE, "text/html", page))
        }
        Fault::Plain(status, body) => {
            send(open, text(StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY), "text/html", body))
        }
        Fault::Reset
        | Fault::DropAnswer
        | Fault::Hold
        | Fault::Shelved
        | Fault::Late(_)
        | Fault::Slow(_)
        | Fault::CutBody
        | Fault::Storm(_)
        | Fault::Torn(_)
        | Fault::Endless
        | Fault::CutRequest(_)
        | Fault::Throttled => close(open),
    }
}

fn send(open: &OpenEntry, answer: Answer) -> Reply {
    open.end(Outcome::Answered(answer.status().as_u16()));
    Reply::Send(answer)
}

fn close(open: &OpenEntry) -> Reply {
    open.end(Outcome::Dropped);
    Reply::Close
}

fn header<'a>(parts: &'a Parts, name: &str) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

impl Core {
    /// Does the work now, unless its time is over: then nothing of it happens.
    pub(super) fn carry_out(&self, job: &Job) -> Answer {
        let now = self.clock.now();
        let spent = now.duration_since(job.received).unsigned_abs();
        if self.wait_honoured && job.work.writes() && spent > job.limit {
            self.ledger.note_committed(job.seq, false);
            return plain_error(&OdataError::timed_out()).answer;
        }
        let setup = lock(&self.setup).clone();
        let mut tables = lock(&self.tables);
        let mut engine =
            Engine { tables: &mut tables, ledger: &self.ledger, setup: &setup, now, services: &self.services };
        let Carried { answer, committed, remark } = job.work.carry_out(&mut engine);
        drop(tables);
        if let Some(committed) = committed {
            self.ledger.note_committed(job.seq, committed);
        }
        if let Some(remark) = remark {
            self.ledger.note_remark(job.seq, remark);
        }
        answer
    }

    /// Carries out everything that was held; gives how many.
    pub(super) fn release_held(&self) -> usize {
        let jobs = std::mem::take(&mut *lock(&self.held));
        for job in &jobs {
            self.carry_out(job);
        }
        self.released.notify_waiters();
        jobs.len()
    }
}
