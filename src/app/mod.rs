//! The composition root: settings become clients, connections, actors and listeners. Reads as the architecture does.

pub mod credentials;
mod links;
mod owner;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use secrecy::ExposeSecret as _;
use tokio::sync::{Semaphore, watch};

use crate::actors::{self, Parts};
use crate::clock::Clock;
use crate::config::{MasterKeySource, Settings};
use crate::flow::{Connection, Tenant};
use crate::http::operations::OperationsDesk;
use crate::http::webhooks::{ROOM_UNITS, WebhookDoor};
use crate::http::{operations_routes, webhook_routes};
use crate::store::{Store, StoreError};
use crate::supervision::{self, End, Health, Running};
use crate::telemetry::Metrics;
use crate::vault::{KeyRing, KeyRingError, VaultError};

pub use links::{Links, build as build_links, reading_client};
pub use owner::Ownership;

/// The environment variable that holds the master keys where no file is named.
const MASTER_KEY_VARIABLE: &str = "ML_CONNECTOR_MASTER_KEY";

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No master key is configured.
    #[error("no master key: set vault.master_key_file, or {MASTER_KEY_VARIABLE} in the environment")]
    NoMasterKey,
    /// The master keys can't be read.
    #[error("the master keys cannot be read")]
    KeyRing(#[source] KeyRingError),
    /// Credentials are missing, or don't open; every one is named.
    #[error("credentials: {}", .0.join("; "))]
    Credentials(Vec<String>),
    /// Two connections have one webhook secret.
    #[error(
        "connections {0} and {1} have the same webhook secret: give each shop's app its own, or set shared_app_secret = true \
         in both if one app serves both shops"
    )]
    SharedSecret(String, String),
    /// A connection's settings point at another system than its first contact did.
    #[error(
        "connection {0} was first used with another IFS tenant, company or shop (fingerprint {1}, now {2}): its records would \
         be mixed up; use a new connection name"
    )]
    Fingerprint(String, String, String),
    /// A mapping rule is wrong.
    #[error("mapping: {}", .0.join("; "))]
    Rules(Vec<String>),
    /// A remote's address is not allowed, or its client can't be made.
    #[error("{0}")]
    Remote(String),
    /// Another process runs on this database.
    #[error("another `serve` runs on this database ({0}): stop it first; only one may write")]
    AlreadyServed(String),
    /// A listener can't be opened.
    #[error("{0} cannot be listened on")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service ended by itself.
    #[error("the service ended by itself: see the log")]
    Ended,
}

/// The store of the settings; nothing is called yet.
///
/// # Errors
/// The store's.
pub fn open_store(settings: &Settings) -> Result<Store, StoreError> {
    Store::open(settings.database.url.expose_secret(), settings.database.pool_size)
}

/// The master keys of the settings.
///
/// # Errors
/// [`StartError::NoMasterKey`], [`StartError::KeyRing`].
pub fn key_ring(settings: &Settings) -> Result<KeyRing, StartError> {
    match &settings.vault {
        MasterKeySource::File(path) => KeyRing::from_file(path).map_err(StartError::KeyRing),
        MasterKeySource::Environment => KeyRing::from_env(MASTER_KEY_VARIABLE).map_err(StartError::KeyRing),
        MasterKeySource::Missing => Err(StartError::NoMasterKey),
    }
}

/// What an operator can do about a credential that does not open.
fn advice(error: &VaultError) -> String {
    format!("{error}; give the master key that sealed it, or store the credential anew with `credentials set`")
}

/// The running service.
pub struct Service {
    webhooks: SocketAddr,
    operations: SocketAddr,
    desk: web::Data<OperationsDesk>,
    servers: Vec<actix_web::dev::ServerHandle>,
    tree: Running,
    ownership: Ownership,
    stopping: Arc<AtomicBool>,
    lost: watch::Receiver<bool>,
    grace: Duration,
}

impl Service {
    /// Starts everything.
    ///
    /// 1. Keys, store, probes; a database that is down is waited for.
    /// 2. The leases: only one process writes for a tenant.
    /// 3. Clients and rules; what a dead owner left is freed.
    /// 4. The actors, then the webhook door.
    ///
    /// # Errors
    /// Whatever an operator has to mend first; no remote is called.
    pub async fn start(settings: Settings, clock: Clock, metrics: Metrics) -> Result<Self, StartError> {
        // 1.
        let keys = key_ring(&settings)?;
        let store = open_store(&settings)?;
        let health = Health::new();
        let desk = web::Data::new(OperationsDesk {
            store: store.clone(),
            health: health.clone(),
            metrics: metrics.clone(),
            started: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            token: settings.server.operator_token.clone(),
        });
        let mut servers = Vec::new();
        let operations = listen_operations(&settings, &desk, &mut servers)?;
        wait_for_database(&store).await?;
        // 2.
        let ownership = Ownership::take(&settings, &store).await?;
        // 3.
        let stopping = Arc::new(AtomicBool::new(false));
        let links = links::build(&settings, &store, &keys, &clock, &ownership, &stopping).await?;
        take_over(&store, &links, &clock).await?;
        // 4.
        let (lost_sender, lost) = watch::channel(false);
        let (tree, ingress) = actors::tree(Parts {
            store: store.clone(),
            clock: clock.clone(),
            metrics,
            tenants: links.tenants.clone(),
            connections: links.connections.clone(),
            queue_max: settings.server.queue_max,
            lease: ownership.lasts(),
            lost: lost_sender,
        });
        let tree = supervision::start(tree, health, clock.clone());
        let door = web::Data::new(WebhookDoor {
            secrets: links.webhook_secrets,
            body_bytes_max: settings.server.body_bytes_max,
            room: Arc::new(Semaphore::new(ROOM_UNITS)),
            ingress,
            clock,
        });
        let webhooks = listen_webhooks(&settings, &door, &mut servers)?;
        desk.started.store(true, Ordering::Release);
        tracing::info!(%webhooks, %operations, connections = links.connections.len(), "ml-connector serves");
        let grace = Duration::from_secs(settings.server.shutdown_grace_secs);
        Ok(Self { webhooks, operations, desk, servers, tree, ownership, stopping, lost, grace })
    }

    /// Where webhooks are taken.
    pub fn webhooks(&self) -> SocketAddr {
        self.webhooks
    }

    /// Where probes and metrics are.
    pub fn operations(&self) -> SocketAddr {
        self.operations
    }

    /// Serves until `stop` names a reason, then stops in order.
    ///
    /// # Errors
    /// [`StartError::Ended`] when the service had to end by itself.
    pub async fn run(mut self, stop: impl Future<Output = String>) -> Result<(), StartError> {
        let mut lost = self.lost.clone();
        let ended_by_itself = tokio::select! {
            reason = stop => {
                tracing::info!(%reason, "told to stop: no delivery is taken any more, calls under way are finished");
                false
            }
            end = self.tree.ended() => {
                tracing::error!(?end, "the actors failed too often");
                true
            }
            _ = lost.wait_for(|lost| *lost) => true,
        };
        self.stop().await;
        if ended_by_itself { Err(StartError::Ended) } else { Ok(()) }
    }

    /// Stops taking deliveries, lets calls under way end within the grace, gives the leases back.
    pub async fn stop(self) {
        self.desk.stopping.store(true, Ordering::Release);
        self.stopping.store(true, Ordering::Release);
        for server in self.servers.iter().rev() {
            server.stop(true).await;
        }
        match self.tree.stop(self.grace).await {
            End::Stopped => tracing::info!("stopped; nothing is under way"),
            End::LeftBehind => {
                tracing::warn!("stopped with calls under way: their intents are looked up at the next start");
            }
            End::BudgetSpent => {}
        }
        self.ownership.give_back().await;
    }
}

/// A database that is down at the start is waited for: the process lives, and readiness says what it waits for.
async fn wait_for_database(store: &Store) -> Result<(), StoreError> {
    loop {
        match store.require_migrated().await {
            Err(error) if error.is_transient() => {
                tracing::warn!(
                    error = chain(&error),
                    "the database cannot be reached: check database.url; trying again"
                );
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            other => return other,
        }
    }
}

async fn take_over(store: &Store, links: &Links, clock: &Clock) -> Result<(), StoreError> {
    for tenant in &links.tenants {
        let of_tenant = |link: &&Arc<Connection>| link.tenant.name == tenant.name;
        let names = links.connections.iter().filter(of_tenant).map(|link| link.name.clone()).collect();
        let freed = store.take_over(&tenant.lease, names, tenant.limits.request_timeout, clock.now()).await?;
        if freed > 0 {
            tracing::info!(tenant = %tenant.name, freed, "documents that a dead owner held are free again");
        }
    }
    Ok(())
}

fn listen_operations(
    settings: &Settings,
    desk: &web::Data<OperationsDesk>,
    servers: &mut Vec<actix_web::dev::ServerHandle>,
) -> Result<SocketAddr, StartError> {
    let desk = desk.clone();
    let at = settings.server.operations_listen;
    let server = HttpServer::new(move || App::new().app_data(desk.clone()).configure(operations_routes))
        .workers(1)
        .disable_signals()
        .shutdown_timeout(2)
        .bind(at)
        .map_err(|error| StartError::Listen(at, error))?;
    let bound = server.addrs().first().copied().unwrap_or(at);
    let server = server.run();
    servers.push(server.handle());
    actix_rt::spawn(server);
    Ok(bound)
}

fn listen_webhooks(
    settings: &Settings,
    door: &web::Data<WebhookDoor>,
    servers: &mut Vec<actix_web::dev::ServerHandle>,
) -> Result<SocketAddr, StartError> {
    let door = door.clone();
    let at = settings.server.webhook_listen;
    let server = HttpServer::new(move || App::new().app_data(door.clone()).configure(webhook_routes))
        .workers(2)
        .backlog(1_024)
        .max_connections(5_000)
        .client_request_timeout(Duration::from_secs(5))
        .disable_signals()
        .shutdown_timeout(5)
        .bind(at)
        .map_err(|error| StartError::Listen(at, error))?;
    let bound = server.addrs().first().copied().unwrap_or(at);
    let server = server.run();
    servers.push(server.handle());
    actix_rt::spawn(server);
    Ok(bound)
}

/// The webhook secrets of each connection by its name.
pub(crate) type WebhookSecrets = HashMap<String, Vec<secrecy::SecretString>>;

/// The tenants by their names.
pub(crate) type Tenants = HashMap<String, Arc<Tenant>>;

/// An error's message with those of its sources.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    text
}
