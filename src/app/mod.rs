//! The composition root: settings become clients, connections, actors and listeners. Reads as the architecture does.

pub mod credentials;
mod links;
mod owner;
mod shops;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use secrecy::ExposeSecret as _;
use tokio::sync::Semaphore;

use crate::actors::lease_keeper::give_back;
use crate::actors::wakes::Wakes;
use crate::actors::{self, Build, Parts, Served};
use crate::clock::Clock;
use crate::config::{MasterKeySource, Settings};
use crate::flow::{Tenant, Terms};
use crate::http::operations::OperationsDesk;
use crate::http::webhooks::{ROOM_UNITS, WebhookDoor};
use crate::http::{operations_routes, webhook_routes};
use crate::store::{Listening, Store, StoreError, WakeUp};
use crate::supervision::{self, End, Health, Running};
use crate::telemetry::Metrics;
use crate::vault::{KeyRing, KeyRingError, VaultError};

use owner::Ownership;

pub use links::{Links, build as build_links, reading_client, shop_client};

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
    /// Another process runs on this SQLite database.
    #[error("another `serve` runs on this database ({0}): stop it first; on SQLite only one may run")]
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
    store: Store,
    terms: Terms,
    _ownership: Ownership,
    /// What other replicas tell, on PostgreSQL.
    _listening: Option<Listening>,
    wakes: Arc<Wakes>,
    grace: Duration,
}

impl Service {
    /// Starts everything.
    ///
    /// 1. Keys, store, probes; a database that is down is waited for.
    /// 2. Whether this process may serve; what would keep a tenant from being served.
    /// 3. The actors: each tenant's keeper takes its lease when that is free, and then starts what works for the tenant.
    /// 4. The webhook door, on every replica.
    ///
    /// # Errors
    /// Whatever an operator has to mend first; no remote is called.
    pub async fn start(settings: Settings, clock: Clock, metrics: Metrics) -> Result<Self, StartError> {
        // 1.
        let keys = key_ring(&settings)?;
        let store = open_store(&settings)?;
        let health = Health::new();
        let owner = owner::own_name();
        let desk = web::Data::new(OperationsDesk {
            store: store.clone(),
            health: health.clone(),
            metrics: metrics.clone(),
            started: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            owner: owner.clone(),
            token: settings.server.operator_token.clone(),
        });
        let mut servers = Vec::new();
        let operations = listen_operations(&settings, &desk, &mut servers)?;
        wait_for_database(&store).await?;
        // 2.
        let ownership = Ownership::claim(&settings, &store, owner)?;
        let secrets = links::rehearse(&settings, &store, &keys, &clock).await?;
        // 3.
        let terms = Terms::default();
        let (server, grace) = (settings.server.clone(), Duration::from_secs(settings.server.shutdown_grace_secs));
        let with_tenant =
            settings.connections.iter().map(|(name, connection)| (name.clone(), connection.link.ifs.clone()));
        let connections: Vec<_> = with_tenant.collect();
        let served = connections.len();
        let tree = actors::tree(Parts {
            store: store.clone(),
            clock: clock.clone(),
            metrics,
            tenants: settings.tenants.keys().cloned().collect(),
            connections,
            leases: ownership.leases.clone(),
            terms: terms.clone(),
            queue_max: server.queue_max,
            build: builder(settings, store.clone(), keys, clock.clone()),
        });
        let (wakes, ingress) = (Arc::new(tree.wakes), tree.ingress);
        let told = Arc::clone(&wakes);
        let tree = supervision::start(tree.spec, health, clock.clone());
        let listening = store.listen(move |wake| told.hear(&wake));
        // 4.
        let door = web::Data::new(WebhookDoor {
            secrets,
            body_bytes_max: server.body_bytes_max,
            room: Arc::new(Semaphore::new(ROOM_UNITS)),
            ingress,
            clock,
        });
        let webhooks = listen_webhooks(server.webhook_listen, &door, &mut servers)?;
        desk.started.store(true, Ordering::Release);
        tracing::info!(%webhooks, %operations, connections = served, owner = ownership.leases.owner, "ml-connector serves");
        Ok(Self {
            webhooks,
            operations,
            desk,
            servers,
            tree,
            store,
            terms,
            _ownership: ownership,
            _listening: listening,
            wakes,
            grace,
        })
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
        let ended_by_itself = tokio::select! {
            reason = stop => {
                tracing::info!(%reason, "told to stop: no delivery is taken any more, calls under way are finished");
                false
            }
            end = self.tree.ended() => {
                tracing::error!(?end, "the actors failed too often");
                true
            }
        };
        self.stop().await;
        if ended_by_itself { Err(StartError::Ended) } else { Ok(()) }
    }

    /// Stops taking deliveries, lets calls under way end within the grace, gives the leases back.
    pub async fn stop(self) {
        self.desk.stopping.store(true, Ordering::Release);
        // The tenants go at once, whatever the listeners still wait for.
        self.terms.close();
        self.wakes.hear(&WakeUp::Anything);
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
        for (tenant, term) in self.terms.take_all() {
            term.break_off();
            give_back(&self.store, &tenant, &term.lease).await;
        }
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

/// Builds what works for a tenant in one term, with the credentials as they are stored then.
fn builder(settings: Settings, store: Store, keys: KeyRing, clock: Clock) -> Build {
    let (settings, keys) = (Rc::new(settings), Rc::new(keys));
    Rc::new(move |tenant, term| {
        let (settings, store, keys, clock) = (Rc::clone(&settings), store.clone(), Rc::clone(&keys), clock.clone());
        Box::pin(async move {
            let terms = [(tenant, term)].into();
            let links = links::build(&settings, &store, &keys, &clock, &terms).await.map_err(|error| chain(&error))?;
            let tenant = links.tenants.into_iter().next().ok_or("the settings do not name it")?;
            Ok(Served { tenant, connections: links.connections })
        })
    })
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
    at: SocketAddr,
    door: &web::Data<WebhookDoor>,
    servers: &mut Vec<actix_web::dev::ServerHandle>,
) -> Result<SocketAddr, StartError> {
    let door = door.clone();
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
