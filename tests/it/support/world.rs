//! A world of a test's own: simulated remotes, an empty migrated database, settings and credentials as a user would have
//! them. The service runs in it as a child process, in this process, or step by step on a hand-moved clock.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ml_connector::actors::lease_keeper::lease_name;
use ml_connector::app::{self, Service, credentials};
use ml_connector::cli::demo::secrets_of;
use ml_connector::cli::demo_settings::{DemoSettings, Manner, ShopEndpoint};
use ml_connector::clock::Clock;
use ml_connector::config::{Settings, Sources};
use ml_connector::domain::document::State;
use ml_connector::flow::{Connection, Term, map_delivery, writer};
use ml_connector::sandbox::ledger::{Class, Outcome};
use ml_connector::sandbox::shopify::Shop;
use ml_connector::sandbox::{
    BookedCustomers, BookedMoney, BookedRelease, BookedTelling, Sandbox, SandboxSettings, ShopSettings,
};
use ml_connector::store::{DocumentFilter, DocumentRow, LeaseState, Store, Takeover};
use ml_connector::telemetry::install_metrics;

use super::database::Database;
use super::served::{Served, binary};

/// The names of the connections, in the order of the sandbox's shops.
pub const CONNECTIONS: [&str; 2] = ["acme", "bolt"];

/// What a test changes before its world begins.
#[derive(Default)]
pub struct Setup {
    /// How long a call to IFS may take; 5 s when not said.
    pub request_timeout: Option<Duration>,
    /// `Prefer: wait`; 2 s when not said.
    pub wait: Option<Duration>,
    /// IFS does not keep to `Prefer: wait`, and the settings say so.
    pub wait_unhonoured: bool,
    /// Two shops instead of one.
    pub two_shops: bool,
    /// Time between two sweeps; without one there are none.
    pub sweep_every: Option<Duration>,
    /// How the first shop's connection is set up; the books expect what follows from it.
    pub manner: Manner,
    /// Decides what the sandbox draws; 1 when not said.
    pub seed: Option<u64>,
    /// Days of a census; 0 for none.
    pub census_days: u64,
    /// Settings of the first connection's stock and prices; empty for none.
    pub stock: String,
    /// Replaces text in the file of settings.
    pub edits: Vec<(&'static str, &'static str)>,
}

/// The world.
pub struct World {
    pub sandbox: Arc<Sandbox>,
    pub database: Database,
    pub store: Store,
    pub config: PathBuf,
    folder: tempfile::TempDir,
}

impl World {
    /// Sets everything up; nothing runs yet but the sandbox.
    pub async fn new(database: Database, setup: Setup) -> Self {
        let first = booked(setup.manner);
        let shops = if setup.two_shops { vec![first, ShopSettings::second()] } else { vec![first] };
        let settings = SandboxSettings {
            seed: setup.seed.unwrap_or(1),
            shops: shops.clone(),
            wait_honoured: !setup.wait_unhonoured,
            ..SandboxSettings::default()
        };
        let sandbox = Arc::new(Sandbox::start(settings).expect("the sandbox starts"));
        Self::around(sandbox, shops, database, setup).await
    }

    /// Another world round the same remotes, as after a restored backup.
    pub async fn beside(&self, database: Database, setup: Setup) -> Self {
        Self::around(Arc::clone(&self.sandbox), vec![ShopSettings::first()], database, setup).await
    }

    async fn around(sandbox: Arc<Sandbox>, shops: Vec<ShopSettings>, database: Database, setup: Setup) -> Self {
        let names = &CONNECTIONS[..shops.len()];
        let endpoints = shops.iter().zip(names).enumerate().map(|(index, (shop, name))| ShopEndpoint {
            connection: (*name).to_owned(),
            domain: shop.domain.clone(),
            base_url: sandbox.shop_base_url(index).expect("the shop listens").to_owned(),
            company: shop.company.clone(),
            site: shop.contract.clone(),
            manner: if index == 0 { setup.manner } else { Manner::Plain },
        });
        let mut demo = DemoSettings::new(database.url.clone(), sandbox.ifs_base_url(), endpoints.collect());
        demo.request_timeout = setup.request_timeout.unwrap_or(Duration::from_secs(5));
        demo.wait = setup.wait.unwrap_or(Duration::from_secs(2));
        demo.lease = Duration::from_secs(2);
        demo.sweep_every = setup.sweep_every;
        demo.census_days = setup.census_days;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = ml_connector::vault::generate_key_line("test").expect("a key");
        std::fs::write(folder.path().join("master-key"), secrecy::ExposeSecret::expose_secret(&key)).expect("writes");
        std::fs::write(folder.path().join("operator-token"), "operator-token-of-the-test").expect("writes");
        let config = folder.path().join("ml-connector.toml");
        let mut toml = demo.to_toml(folder.path());
        if setup.wait_unhonoured {
            toml = toml.replace("wait_honoured = true", "wait_honoured = false");
        }
        if !setup.stock.is_empty() {
            let behind = "[connections.acme.census]";
            assert!(toml.contains(behind), "the settings hold {behind:?}");
            toml = toml.replace(behind, &format!("{}\n{behind}", setup.stock));
        }
        for (from, to) in &setup.edits {
            assert!(toml.contains(from), "the settings hold {from:?}");
            toml = toml.replace(from, to);
        }
        std::fs::write(&config, toml).expect("writes");
        let store = Store::open(&database.url, 8).expect("opens");
        store.migrate().await.expect("migrates");
        let world = Self { sandbox, database, store, config, folder };
        world.store_credentials(names).await;
        world
    }

    async fn store_credentials(&self, names: &[&str]) {
        let keys = app::key_ring(&self.settings()).expect("the key reads");
        for (owner, kind, secret) in secrets_of(&self.sandbox, names) {
            credentials::put(&self.store, &keys, &owner, kind, &secret, "test".to_owned(), Timestamp::now())
                .await
                .expect("stores");
        }
    }

    /// The folder of the settings.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The settings, read from their file.
    pub fn settings(&self) -> Settings {
        Settings::load(&Sources { file: Some(self.config.clone()), environment: BTreeMap::new() })
            .expect("the settings load")
    }

    /// The first shop.
    pub fn shop(&self) -> Shop {
        self.sandbox.shop(0).expect("a shop")
    }

    /// Runs one command of the binary; exit code, standard output, standard error.
    pub fn command(&self, arguments: &[&str], stdin: &str) -> (i32, String, String) {
        use std::io::Write as _;
        let mut child = binary(&self.config)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("takes its input");
        let output = child.wait_with_output().expect("ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("a code"), text(output.stdout), text(output.stderr))
    }

    /// Starts `serve` as a child process and waits until it serves; with a failpoint armed, if one is named.
    pub fn serve(&self, failpoint: Option<&str>) -> Served {
        Served::start(&self.config, failpoint)
    }

    /// Who owns the tenant, by the database's clock; nobody while the lease is free.
    pub async fn owner(&self) -> Option<String> {
        let leases = self.store.leases().await.expect("the leases read");
        leases.into_iter().find(|lease| lease.expires_in.is_some()).map(|lease| lease.owner)
    }

    /// Waits until this replica owns the tenant.
    pub async fn is_owned_by(&self, served: &Served) {
        let deadline = Instant::now() + Duration::from_secs(40);
        while self.owner().await.as_ref() != Some(&served.owner) {
            assert!(Instant::now() < deadline, "{} never owned the tenant: {}", served.owner, served.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The service in this process.
    pub async fn service(&self) -> Service {
        let metrics = install_metrics().expect("the recorder");
        Service::start(self.settings(), Clock::system(), metrics).await.expect("the service starts")
    }

    /// Connections for calling steps directly, on a clock that the test moves. Takes the leases away from whoever holds them.
    pub async fn steps(&self, clock: &Clock) -> Steps {
        let settings = self.settings();
        let keys = app::key_ring(&settings).expect("the key reads");
        let mut terms = BTreeMap::new();
        for tenant in settings.tenants.keys() {
            let (name, owner) = (lease_name(tenant), uuid::Uuid::new_v4().to_string());
            // As long as that of a served child: one that follows these steps need not wait for long.
            let lasts = Duration::from_secs(2);
            let lease = self.store.acquire_lease(name, owner, lasts, Takeover::Proven).await.expect("takes the lease");
            let LeaseState::Ours(lease) = lease else { panic!("somebody else holds it: {lease:?}") };
            terms.insert(tenant.clone(), Term::endless(lease, clock));
        }
        let links = app::build_links(&settings, &self.store, &keys, clock, &terms).await.expect("builds");
        Steps { links: links.connections, clock: clock.clone(), store: self.store.clone() }
    }

    /// All documents.
    pub async fn documents(&self) -> Vec<DocumentRow> {
        self.store.list_documents(DocumentFilter { limit: 10_000, ..DocumentFilter::default() }).await.expect("lists")
    }

    /// The only document.
    pub async fn document(&self) -> DocumentRow {
        let mut documents = self.documents().await;
        assert_eq!(documents.len(), 1, "one document: {documents:?}");
        documents.remove(0)
    }

    /// Waits until a query counts so many.
    pub async fn until(&self, sql: &str, count: i64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.database.number(sql) != count {
            assert!(Instant::now() < deadline, "after 60 s: {} instead of {count}: {sql}", self.database.number(sql));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the remotes have done with what a killed service had sent.
    pub async fn ifs_is_done(&self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        let at_work = || {
            self.sandbox.ledger().entries_where(|entry| {
                entry.class != Class::Webhook && entry.committed.is_none() && entry.outcome == Outcome::Pending
            })
        };
        while !at_work().is_empty() {
            assert!(Instant::now() < deadline, "IFS is still at work");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until no delivery and no document is under way any more.
    pub async fn quiet(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let received = self.database.number("SELECT COUNT(*) FROM inbox WHERE state = 'received'");
            let moving = self
                .database
                .number("SELECT COUNT(*) FROM documents WHERE state IN ('planned', 'writing', 'retry', 'unknown')");
            if received == 0 && moving == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "still busy after 60 s: {received} deliveries, {moving} documents");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The first shop, as its books go under this manner.
fn booked(manner: Manner) -> ShopSettings {
    let shop = ShopSettings::first();
    match manner {
        Manner::Plain => shop,
        Manner::Telling => ShopSettings { told: BookedTelling::Metafields, ..shop },
        Manner::Ruled => ShopSettings {
            money: BookedMoney::Presentment,
            customers: BookedCustomers::Own,
            told: BookedTelling::MetafieldsAndTags,
            released: BookedRelease::AtOnce,
            ..shop
        },
    }
}

/// Connections whose steps a test calls itself.
pub struct Steps {
    pub links: Vec<Arc<Connection>>,
    pub clock: Clock,
    pub store: Store,
}

impl Steps {
    /// The first connection.
    pub fn link(&self) -> &Connection {
        &self.links[0]
    }

    /// Stores a delivery as the ingress would, received now.
    pub async fn deliver(&self, link: &Connection, topic: &str, body: &[u8]) {
        self.deliver_as(link, topic, body, &format!("webhook-{}", uuid::Uuid::new_v4())).await;
    }

    /// The same under a given webhook id.
    pub async fn deliver_as(&self, link: &Connection, topic: &str, body: &[u8], webhook_id: &str) {
        use ml_connector::flow::ingest::{DeliveryHeaders, delivery};
        let headers = DeliveryHeaders {
            topic: topic.to_owned(),
            webhook_id: webhook_id.to_owned(),
            event_id: Some("event-1".to_owned()),
            ..DeliveryHeaders::default()
        };
        let row = delivery(&link.name, headers, body, self.clock.now());
        for stored in self.store.insert_deliveries(vec![row]).await {
            stored.expect("stores");
        }
    }

    /// Maps every due delivery of a connection.
    pub async fn map(&self, link: &Connection) {
        for received in self.store.due_deliveries(&link.name, self.clock.now(), 1_000).await.expect("takes") {
            map_delivery::map_delivery(link, &received).await.expect("maps");
        }
    }

    /// Converges every due document of a connection.
    pub async fn write(&self, link: &Connection) {
        writer::drain(link).await.expect("drains");
    }

    /// Maps and converges what is due.
    pub async fn run(&self, link: &Connection) {
        self.map(link).await;
        self.write(link).await;
    }

    /// Moves the clock of the service on, and that of the remotes.
    pub fn advance(&self, world: &World, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
        world.sandbox.clock().advance(Duration::from_secs(secs));
    }
}

/// Asserts the state of a document, showing why when it is another.
pub fn assert_state(document: &DocumentRow, state: State) {
    assert_eq!(document.state, state, "{:?}", document.reason);
}
