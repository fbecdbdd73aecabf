//! What a run plays on: the sandbox in this process, an empty database, settings and credentials as a user would have them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::{Database, Trouble, postgres, stock};
use crate::app::{self, chain, credentials};
use crate::cli::demo::{CONNECTIONS, Faults, preset, secrets_of, shops, write_settings};
use crate::cli::demo_settings::{DemoSettings, Manner, ShopEndpoint};
use crate::sandbox::{Sandbox, SandboxSettings};
use crate::store::{DocumentFilter, Store};

/// How late IFS commits what it commits late.
const LATE_COMMIT: Duration = Duration::from_millis(2_600);
/// How slow a slow answer is.
const SLOW_ANSWER: Duration = Duration::from_millis(800);
/// Shorter than a late commit takes, so that answers are given up and looked up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two sweeps where no webhook is lost: those at the starts are enough.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(900);
/// Between two readings of the stock that nobody asks for.
const STOCK_EVERY: Duration = Duration::from_secs(3_600);
/// Days of a census, where there is one.
pub(super) const CENSUS_DAYS: u64 = 30;
/// `Prefer: wait`, which the sandbox keeps to.
pub(super) const WAIT: Duration = Duration::from_secs(3);

/// How a run is set up.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub(super) seed: u64,
    pub(super) faults: Faults,
    pub(super) database: Database,
    pub(super) database_url: Option<String>,
    pub(super) replicas: u32,
    pub(super) lease_secs: u64,
    /// How long an order of the second shop rests.
    pub(super) lag: Duration,
    /// Time between two sweeps, the first of them at each start; none switches them off.
    pub(super) sweep_every: Option<Duration>,
    /// Days of a census; 0 switches it off.
    pub(super) census_days: u64,
    /// `Prefer: wait`: how long IFS may work on each part of a request.
    pub(super) wait: Duration,
    /// Whether both sides count what they have; the service follows that from [`Stage::follow_stock`] on.
    pub(super) is_stocked: bool,
}

/// Everything but the service.
pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
    /// For asking what is due; the account itself is read by commands.
    pub(super) store: Store,
    pub(super) config: PathBuf,
    settings: DemoSettings,
    folder: tempfile::TempDir,
    _server: Option<postgres::Server>,
}

impl Stage {
    /// Sets everything up; nothing of the service runs yet.
    pub(super) async fn set(setup: &Setup) -> Result<Self, Trouble> {
        let sandbox = Sandbox::start(SandboxSettings {
            seed: setup.seed,
            faults: preset(setup.faults),
            late_commit: LATE_COMMIT,
            slow_answer: SLOW_ANSWER,
            shops: shops(),
            ..SandboxSettings::default()
        })
        .map_err(|error| format!("the sandbox cannot start: {error}"))?;
        if setup.is_stocked {
            stock::stock_up(&sandbox);
        }
        let folder = tempfile::Builder::new()
            .prefix("ml-connector-chaos-")
            .tempdir()
            .map_err(|error| format!("no temporary folder: {error}"))?;
        let (server, url) = database(setup, folder.path())?;
        let settings = settings(&sandbox, url, setup);
        let loaded =
            write_settings(&settings, folder.path()).map_err(|failure| format!("the settings: {failure:?}"))?;
        let store = app::open_store(&loaded).map_err(|error| chain(&error))?;
        store.migrate().await.map_err(|error| chain(&error))?;
        let filter = DocumentFilter { limit: 1, ..DocumentFilter::default() };
        if !store.list_documents(filter).await.map_err(|error| chain(&error))?.is_empty() {
            return Err("--database-url: an empty database is wanted, this one holds documents".to_owned());
        }
        let keys = app::key_ring(&loaded).map_err(|error| chain(&error))?;
        for (owner, kind, secret) in secrets_of(&sandbox, &CONNECTIONS) {
            credentials::put(&store, &keys, &owner, kind, &secret, "chaos".to_owned(), Timestamp::now())
                .await
                .map_err(|error| format!("a credential: {error:?}"))?;
        }
        let config = folder.path().join("ml-connector.toml");
        Ok(Self { sandbox, store, config, settings, folder, _server: server })
    }

    /// Whatever is started from now on keeps the shops' stock, and the own prices of the first shop.
    pub(super) fn follow_stock(&mut self) -> Result<(), Trouble> {
        self.settings.stock_every = Some(STOCK_EVERY);
        self.settings.prices = true;
        // The master key stays: only this file is written anew.
        std::fs::write(&self.config, self.settings.to_toml(self.folder.path()))
            .map_err(|error| format!("{}: {error}", self.config.display()))
    }

    /// Where receipts, logs and settings are.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder where it is and says where.
    pub(super) fn keep_folder(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }
}

fn database(setup: &Setup, folder: &Path) -> Result<(Option<postgres::Server>, String), Trouble> {
    match (setup.database, &setup.database_url) {
        (Database::Sqlite, None) if setup.replicas > 1 => Err("--replicas: SQLite takes one process".to_owned()),
        (Database::Sqlite, None) => Ok((None, format!("sqlite:{}", folder.join("chaos.db").display()))),
        (Database::Sqlite, Some(_)) => Err("--database-url: only with --database postgres".to_owned()),
        (Database::Postgres, Some(url)) => Ok((None, url.clone())),
        (Database::Postgres, None) => {
            let server = postgres::start()?;
            let server =
                server.ok_or("PostgreSQL (initdb, pg_ctl) is not installed, and no --database-url is given")?;
            let url = server.url("postgres");
            Ok((Some(server), url))
        }
    }
}

fn settings(sandbox: &Sandbox, database_url: String, setup: &Setup) -> DemoSettings {
    let manners = [Manner::Telling, Manner::Ruled];
    let endpoints = shops().into_iter().zip(manners).zip(CONNECTIONS).enumerate();
    let endpoints = endpoints.map(|(index, ((shop, manner), connection))| ShopEndpoint {
        connection: connection.to_owned(),
        domain: shop.domain,
        base_url: sandbox.shop_base_url(index).unwrap_or_default().to_owned(),
        company: shop.company,
        site: shop.contract,
        manner,
    });
    let mut settings = DemoSettings::new(database_url, sandbox.ifs_base_url(), endpoints.collect());
    settings.request_timeout = REQUEST_TIMEOUT;
    settings.wait = setup.wait;
    settings.lease = Duration::from_secs(setup.lease_secs);
    settings.lag = setup.lag;
    settings.sweep_every = setup.sweep_every;
    settings.census_days = setup.census_days;
    settings
}
