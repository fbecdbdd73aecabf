//! Probes, metrics and the status page. Readiness tells of this process and its database, never of Shopify or IFS.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use crate::store::{InboxCounts, LeaseView, Run, StateCount, Store, StoreError, StrayCount};
use crate::supervision::{Health, NodeState};
use crate::telemetry::Metrics;

/// What the routes need.
pub struct OperationsDesk {
    /// The store.
    pub store: Store,
    /// The state of the actors.
    pub health: Health,
    /// The recorder.
    pub metrics: Metrics,
    /// Whether the start is over.
    pub started: AtomicBool,
    /// Whether we stop: not ready any more.
    pub stopping: AtomicBool,
    /// What this replica is called in the leases.
    pub owner: String,
    /// The operator's bearer token; without one `/status` is closed.
    pub token: Option<SecretString>,
}

/// The process runs and answers.
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

/// The start is over: the database was reached, actors started, webhooks are taken. Whose the tenants are does not matter.
pub async fn startupz(desk: web::Data<OperationsDesk>) -> HttpResponse {
    if desk.started.load(Ordering::Acquire) {
        HttpResponse::Ok().body("ok\n")
    } else {
        HttpResponse::ServiceUnavailable().body("starting\n")
    }
}

/// Webhooks can be taken: the database answers and no subtree has failed. A replica that stands by for every tenant is ready.
pub async fn readyz(desk: web::Data<OperationsDesk>) -> HttpResponse {
    let reason = if !desk.started.load(Ordering::Acquire) {
        Some("starting".to_owned())
    } else if desk.stopping.load(Ordering::Acquire) {
        Some("stopping".to_owned())
    } else if !desk.store.is_reachable().await {
        Some("the database does not answer".to_owned())
    } else {
        let failed = desk.health.failed();
        (!failed.is_empty()).then(|| format!("failed: {}", failed.join(", ")))
    };
    match reason {
        None => HttpResponse::Ok().body("ok\n"),
        Some(reason) => HttpResponse::ServiceUnavailable().body(format!("{reason}\n")),
    }
}

/// All metrics in Prometheus's text format.
pub async fn metrics(desk: web::Data<OperationsDesk>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(desk.metrics.render())
}

/// Actors, leases, inbox, unfinished documents and strays as JSON, for whoever holds the operator's token.
pub async fn status(desk: web::Data<OperationsDesk>, request: HttpRequest) -> HttpResponse {
    if !is_operator(&desk, &request) {
        return HttpResponse::Unauthorized().insert_header(("WWW-Authenticate", "Bearer")).finish();
    }
    let Counts { leases, inbox, documents, strays, runs } = match read_status(&desk.store).await {
        Ok(read) => read,
        Err(error) => {
            tracing::error!(%error, "the status could not be read");
            return HttpResponse::ServiceUnavailable().finish();
        }
    };
    let actors: Vec<_> = desk
        .health
        .nodes()
        .into_iter()
        .map(|(path, node)| serde_json::json!({"path": path, "state": word(node.state), "failures": node.failures}))
        .collect();
    let leases: Vec<_> = leases
        .into_iter()
        .map(|lease| {
            let expires_in_secs = lease.expires_in.map(|left| left.as_secs());
            let ours = expires_in_secs.is_some() && lease.owner == desk.owner;
            let owner = expires_in_secs.is_some().then_some(lease.owner);
            serde_json::json!({
                "name": lease.name, "owner": owner, "ours": ours, "generation": lease.generation.get(),
                "expires_in_secs": expires_in_secs,
            })
        })
        .collect();
    let inbox: Vec<_> =
        inbox.into_iter().map(|row| serde_json::json!({"state": row.state, "count": row.count})).collect();
    let documents: Vec<_> = documents
        .into_iter()
        .map(|row| serde_json::json!({"connection": row.connection, "state": row.state, "count": row.count}))
        .collect();
    let strays: Vec<_> = strays
        .into_iter()
        .map(|row| serde_json::json!({"connection": row.connection, "code": row.code, "count": row.count}))
        .collect();
    let runs: Vec<_> = runs.iter().map(run).collect();
    HttpResponse::Ok().json(serde_json::json!({
        "replica": desk.owner, "leases": leases, "actors": actors, "inbox": inbox, "documents": documents,
        "strays": strays, "runs": runs,
    }))
}

/// A run on a schedule: what it saw, and why it failed where it did.
fn run(run: &Run) -> serde_json::Value {
    let figures: serde_json::Value = serde_json::from_str(&run.figures).unwrap_or_default();
    serde_json::json!({
        "connection": run.connection, "what": run.what, "started_at": run.started_at.to_string(),
        "ended_at": run.ended_at.map(|at| at.to_string()), "outcome": run.outcome, "message": run.message, "figures": figures,
    })
}

/// What `/status` is made of.
struct Counts {
    leases: Vec<LeaseView>,
    inbox: Vec<InboxCounts>,
    documents: Vec<StateCount>,
    strays: Vec<StrayCount>,
    runs: Vec<Run>,
}

async fn read_status(store: &Store) -> Result<Counts, StoreError> {
    Ok(Counts {
        leases: store.leases().await?,
        inbox: store.count_inbox().await?,
        documents: store.count_open_documents().await?,
        strays: store.count_strays().await?,
        runs: store.last_runs().await?,
    })
}

fn is_operator(desk: &OperationsDesk, request: &HttpRequest) -> bool {
    let Some(token) = &desk.token else { return false };
    let given = request
        .headers()
        .get("Authorization")
        .and_then(|header| header.to_str().ok())
        .and_then(|header| header.strip_prefix("Bearer "))
        .unwrap_or_default();
    given.as_bytes().ct_eq(token.expose_secret().as_bytes()).into()
}

fn word(state: NodeState) -> &'static str {
    match state {
        NodeState::Waiting => "waiting",
        NodeState::Running => "running",
        NodeState::Restarting => "restarting",
        NodeState::Failed => "failed",
        NodeState::Stopped => "stopped",
        NodeState::StandingBy => "standing_by",
    }
}
