//! What the demo plays on: sandbox, folder, settings, credentials, an empty database, the service; and the day itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::Failure;
use super::super::demo_settings::{DemoSettings, Manner, ShopEndpoint};
use super::super::output::tell;
use super::found::{sweep_every, untold};
use super::stock_rest::StockRest;
use super::{DemoArgs, Faults, afternoon, cost};
use crate::app::credentials;
use crate::app::{self, Service, chain};
use crate::clock::Clock;
use crate::config::{Settings, Sources};
use crate::domain::document::State;
use crate::domain::ids::ConnectionName;
use crate::sandbox::faults::FaultPreset;
use crate::sandbox::shopify::{Deck, Play, PlaySettings, Shop, Story};
use crate::sandbox::{
    BookedCustomers, BookedMoney, BookedRelease, BookedTelling, Sandbox, SandboxSettings, ShopSettings,
};
use crate::store::{DocumentFilter, Store};
use crate::telemetry::install_metrics;
use crate::vault::generate_key_line;

/// How often progress is told at most.
const MOVING_TOLD: Duration = Duration::from_millis(500);
/// How often progress is told at least, when nothing moves.
const STILL_TOLD: Duration = Duration::from_secs(5);

/// The names of the connections, in the order of the sandbox's shops.
pub(crate) const CONNECTIONS: [&str; 2] = ["demo", "demo-ruled"];
/// How often it is looked whether anything is left to do.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long what comes after the day may take.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// The service reads the stock when it starts; from then on only when it is asked to.
const STOCK_EVERY: Duration = Duration::from_secs(86_400);

/// One connection in the play.
pub(super) struct Scene {
    pub(super) shop: Shop,
    /// Its site in IFS.
    pub(super) site: String,
    pub(super) webhook_url: String,
    deck: Deck,
    orders: usize,
}

/// Sandbox, folder, settings and an empty database.
pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
    pub(super) folder: PathBuf,
    settings: Settings,
    pub(super) store: Store,
}

impl Stage {
    pub(super) async fn set(args: &DemoArgs) -> Result<Self, Failure> {
        let faulty = args.faults != Faults::None;
        let sandbox = Sandbox::start(SandboxSettings {
            seed: args.seed,
            faults: preset(args.faults),
            late_commit: Duration::from_millis(2_600),
            slow_answer: Duration::from_millis(800),
            shops: shops(),
            ..SandboxSettings::default()
        })
        .map_err(|error| Failure::Usage(format!("the sandbox cannot start: {error}")))?;
        afternoon::stock_up(&sandbox, args.orders)?;
        let folder = fresh_folder()?;
        let database_url =
            args.database_url.clone().unwrap_or_else(|| format!("sqlite:{}", folder.join("demo.db").display()));
        let endpoint = |(index, (shop, manner)): (usize, (ShopSettings, Manner))| ShopEndpoint {
            connection: CONNECTIONS[index].to_owned(),
            domain: shop.domain,
            base_url: sandbox.shop_base_url(index).unwrap_or_default().to_owned(),
            company: shop.company,
            site: shop.contract,
            manner,
        };
        let endpoints = shops().into_iter().zip([Manner::Telling, Manner::Ruled]).enumerate().map(endpoint).collect();
        let mut demo = DemoSettings::new(database_url, sandbox.ifs_base_url(), endpoints);
        demo.stock_every = Some(STOCK_EVERY);
        if faulty {
            // Shorter than a late commit takes, so that answers are given up and looked up.
            demo.request_timeout = Duration::from_secs(2);
            demo.wait = Duration::from_secs(3);
            demo.sweep_every = Some(sweep_every(args.orders));
        }
        let settings = write_settings(&demo, &folder)?;
        let store = app::open_store(&settings)?;
        store.migrate().await?;
        let used = store.list_documents(DocumentFilter { limit: 1, ..DocumentFilter::default() }).await?;
        if !used.is_empty() {
            return Err(Failure::Usage(
                "--database-url: the demo wants an empty database, this one holds documents".to_owned(),
            ));
        }
        let stage = Self { sandbox, folder, settings, store };
        stage.store_credentials().await?;
        Ok(stage)
    }

    async fn store_credentials(&self) -> Result<(), Failure> {
        let keys = app::key_ring(&self.settings)?;
        for (owner, kind, secret) in secrets_of(&self.sandbox, &CONNECTIONS) {
            credentials::put(&self.store, &keys, &owner, kind, &secret, "demo".to_owned(), Timestamp::now()).await?;
        }
        Ok(())
    }

    pub(super) async fn start_service(&self) -> Result<Service, Failure> {
        let metrics = install_metrics().map_err(|error| Failure::Usage(format!("the metrics recorder: {error}")))?;
        Ok(Service::start(self.settings.clone(), Clock::system(), metrics).await?)
    }

    /// The connections with what each plays; `host` takes the webhooks.
    pub(super) fn scenes(&self, args: &DemoArgs, host: &str) -> Result<Vec<Scene>, Failure> {
        let orders = usize::try_from(args.orders).unwrap_or(usize::MAX);
        // Three of ten go by the second shop's rules; a few of each are kept for counting what one costs.
        let (ruled, kept) = (orders * 3 / 10, cost::orders_kept(args));
        let decks = [(Deck::Usual, orders - ruled - kept), (Deck::Ruled, ruled - kept)];
        let scene = |(index, (deck, orders)): (usize, (Deck, usize))| -> Result<Scene, Failure> {
            let shop = self.sandbox.shop(index).ok_or_else(|| Failure::Usage("the sandbox lacks a shop".to_owned()))?;
            let (site, webhook_url) =
                (shops()[index].contract.clone(), format!("http://{host}/webhooks/{}", CONNECTIONS[index]));
            Ok(Scene { shop, site, webhook_url, deck, orders })
        };
        decks.into_iter().enumerate().map(scene).collect()
    }

    /// Plays the day and waits until the service has nothing left to do, and nothing left to find.
    pub(super) async fn play_day(&self, args: &DemoArgs, scenes: &[Scene]) -> Result<(), Failure> {
        let at_most = day_max(args);
        let play = |scene: &Scene| {
            let mut settings = PlaySettings::new(&scene.webhook_url, scene.orders);
            (settings.faults, settings.deck) = (preset(args.faults), scene.deck);
            // Whoever gives up waiting for IFS plays another story than the books expect.
            settings.written_wait = at_most;
            scene.shop.play(settings)
        };
        let plays: Vec<Play> = scenes.iter().map(play).collect();
        let deadline = Instant::now() + at_most;
        let (mut told, mut told_at) = (String::new(), Instant::now());
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let finished = plays.iter().all(|play| play.progress().finished);
            let waiting = self.waiting(scenes).await?;
            let progress = self.progress(&plays, waiting);
            let since = told_at.elapsed();
            if (progress != told && since > MOVING_TOLD) || since > STILL_TOLD {
                tell(&progress);
                (told, told_at) = (progress, Instant::now());
            }
            // What was found meanwhile is in the tables when they are asked again.
            if finished
                && waiting == 0
                && untold(&self.store, &self.sandbox).await? == 0
                && self.waiting(scenes).await? == 0
            {
                return Ok(());
            }
            if Instant::now() > deadline {
                let untold = untold(&self.store, &self.sandbox).await?;
                tell(&format!(
                    "gave up waiting: {waiting} deliveries and documents are unfinished, {untold} orders stand otherwise in their shop"
                ));
                return Ok(());
            }
        }
    }

    /// Waits until the service has nothing left to do, and nothing left to find.
    pub(super) async fn rest(&self, args: &DemoArgs, scenes: &[Scene]) -> Result<(), Failure> {
        let deadline = Instant::now() + day_max(args);
        while self.waiting(scenes).await? > 0 || untold(&self.store, &self.sandbox).await? > 0 {
            if Instant::now() > deadline {
                tell("gave up waiting: some orders of the afternoon are unfinished");
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Has the service read the stock of all connections, and waits until it has set and done what follows.
    pub(super) async fn read_stock(&self, args: &DemoArgs) -> Result<(), Failure> {
        let deadline = Instant::now() + day_max(args);
        let mut readings = Vec::new();
        for name in CONNECTIONS {
            let connection = ConnectionName::parse(name).map_err(|error| Failure::Usage(error.to_string()))?;
            readings.push(StockRest::ask(&self.store, connection).await?);
        }
        for reading in &mut readings {
            while !reading.is_over(&self.store).await? {
                if Instant::now() > deadline {
                    tell("gave up waiting: the stock is not read, or what follows from it is not done");
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }

    /// Waits until the service has nothing left to do about what it was told.
    pub(super) async fn settle(&self, scenes: &[Scene]) -> Result<(), Failure> {
        let deadline = Instant::now() + SETTLE_MAX;
        while self.waiting(scenes).await? > 0 && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    fn progress(&self, plays: &[Play], waiting: i64) -> String {
        let sum = |count: fn(&Play) -> usize| plays.iter().map(count).sum::<usize>();
        format!(
            "{:>5}/{} orders placed  {:>5} told  {:>6} deliveries acknowledged  {:>5} orders in IFS  {:>4} waiting",
            sum(|play| play.progress().placed),
            sum(|play| play.progress().orders),
            sum(|play| play.progress().told),
            sum(|play| play.progress().acknowledged),
            self.sandbox.ifs().order_count(),
            waiting
        )
    }

    /// Deliveries and documents that are not at rest, and webhooks that follow from what was told back.
    async fn waiting(&self, scenes: &[Scene]) -> Result<i64, Failure> {
        // Asked first: what it brings is in the tables when they are counted.
        let silent = scenes.iter().all(|scene| scene.shop.is_silent());
        let inbox: i64 =
            self.store.count_inbox().await?.iter().filter(|row| row.state == "received").map(|row| row.count).sum();
        let documents = self.store.count_open_documents().await?;
        let count = |wanted: fn(State) -> bool| -> i64 {
            let rows = documents.iter().filter(|row| State::parse(&row.state).is_some_and(wanted));
            rows.map(|row| row.count).sum()
        };
        let moving = count(|state| state == State::Writing || (state.is_claimable() && state != State::Held));
        // Some orders are meant to wait to the end; whoever waits beyond them will go on.
        let waits = |(_, story): &(u64, Story)| story.is_held();
        let meant: usize =
            scenes.iter().map(|scene| scene.shop.stories().iter().filter(|one| waits(one)).count()).sum();
        let held = count(|state| state == State::Held) - i64::try_from(meant).unwrap_or(i64::MAX);
        Ok(inbox + moving + held.max(0) + i64::from(!silent))
    }
}

/// How long the day may take, and each part of the afternoon.
fn day_max(args: &DemoArgs) -> Duration {
    Duration::from_secs(240 + u64::from(args.orders) / 2)
}

/// The shops of the demo: what the first is told, and all that the second has rules for.
pub(crate) fn shops() -> Vec<ShopSettings> {
    vec![
        ShopSettings { told: BookedTelling::Metafields, ..ShopSettings::first() },
        ShopSettings {
            money: BookedMoney::Presentment,
            customers: BookedCustomers::Own,
            told: BookedTelling::MetafieldsAndTags,
            released: BookedRelease::AtOnce,
            ..ShopSettings::second()
        },
    ]
}

/// What goes wrong, as the sandbox names it.
pub(crate) fn preset(faults: Faults) -> FaultPreset {
    match faults {
        Faults::None => FaultPreset::None,
        Faults::Usual => FaultPreset::Usual,
        Faults::Harsh => FaultPreset::Harsh,
    }
}

fn fresh_folder() -> Result<PathBuf, Failure> {
    tempfile::Builder::new()
        .prefix("ml-connector-demo-")
        .tempdir()
        .map(tempfile::TempDir::keep)
        .map_err(|error| Failure::Usage(format!("no temporary folder: {error}")))
}

/// Writes settings, a fresh master key and a fresh operator's token into `folder`, and reads the settings as any user's.
pub(crate) fn write_settings(demo: &DemoSettings, folder: &Path) -> Result<Settings, Failure> {
    let failed = |error: std::io::Error| Failure::Usage(format!("{} cannot be written: {error}", folder.display()));
    let key = generate_key_line("demo").map_err(|error| Failure::Usage(chain(&error)))?;
    std::fs::write(folder.join("master-key"), format!("{}\n", key.expose_secret())).map_err(failed)?;
    std::fs::write(folder.join("operator-token"), format!("{}\n", uuid::Uuid::new_v4().simple())).map_err(failed)?;
    let file = folder.join("ml-connector.toml");
    std::fs::write(&file, demo.to_toml(folder)).map_err(failed)?;
    Settings::load(&Sources { file: Some(file), environment: BTreeMap::new() })
        .map_err(|errors| Failure::Usage(errors.to_string()))
}

/// The secrets that the sandbox knows, with their owners and kinds; `connections` in the order of its shops.
pub fn secrets_of(sandbox: &Sandbox, connections: &[&str]) -> Vec<(String, &'static str, SecretString)> {
    let mut secrets = vec![
        ("ifs.sandbox".to_owned(), "client_id", SecretString::from(sandbox.client_id())),
        ("ifs.sandbox".to_owned(), "client_secret", SecretString::from(sandbox.client_secret())),
    ];
    for (index, name) in connections.iter().enumerate() {
        if let Some(shop) = sandbox.shop(index) {
            let owner = format!("connections.{name}");
            secrets.push((owner.clone(), "webhook_secret", SecretString::from(shop.webhook_secret())));
            secrets.push((owner, "access_token", SecretString::from(shop.access_token())));
        }
    }
    secrets
}
