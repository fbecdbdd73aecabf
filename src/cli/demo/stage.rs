//! What the demo plays on: sandbox, folder, settings, credentials, an empty database, the service; and the day itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::Failure;
use super::super::demo_settings::{DemoSettings, ShopEndpoint};
use super::super::output::tell;
use super::{CONNECTION, DemoArgs, Faults};
use crate::app::credentials;
use crate::app::{self, Service, chain};
use crate::clock::Clock;
use crate::config::{Settings, Sources};
use crate::domain::document::State;
use crate::sandbox::faults::FaultPreset;
use crate::sandbox::shopify::{Play, PlaySettings};
use crate::sandbox::{Sandbox, SandboxSettings};
use crate::store::{DocumentFilter, Store};
use crate::telemetry::install_metrics;
use crate::vault::generate_key_line;

/// How often progress is told at least, when nothing moves.
const STILL_TOLD: Duration = Duration::from_secs(5);

/// Sandbox, folder, settings and an empty database.
pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
    pub(super) folder: PathBuf,
    settings: Settings,
    pub(super) store: Store,
}

impl Stage {
    pub(super) async fn set(args: &DemoArgs) -> Result<Self, Failure> {
        let usual = args.faults == Faults::Usual;
        let sandbox = Sandbox::start(SandboxSettings {
            seed: args.seed,
            faults: preset(args.faults),
            late_commit: Duration::from_millis(2_600),
            slow_answer: Duration::from_millis(800),
            ..SandboxSettings::default()
        })
        .map_err(|error| Failure::Usage(format!("the sandbox cannot start: {error}")))?;
        let folder = fresh_folder()?;
        let database_url =
            args.database_url.clone().unwrap_or_else(|| format!("sqlite:{}", folder.join("demo.db").display()));
        let shop = ShopEndpoint {
            connection: CONNECTION.to_owned(),
            domain: crate::sandbox::world::SHOP_DOMAIN.to_owned(),
            base_url: sandbox.shop_base_url(0).unwrap_or_default().to_owned(),
            company: "10".to_owned(),
            site: "S10".to_owned(),
        };
        let mut demo = DemoSettings::new(database_url, sandbox.ifs_base_url(), vec![shop]);
        if usual {
            // Shorter than a late commit takes, so that answers are given up and looked up.
            demo.request_timeout = Duration::from_secs(2);
            demo.wait = Duration::from_secs(3);
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
        for (owner, kind, secret) in secrets_of(&self.sandbox, &[CONNECTION]) {
            credentials::put(&self.store, &keys, &owner, kind, &secret, "demo".to_owned(), Timestamp::now()).await?;
        }
        Ok(())
    }

    pub(super) async fn start_service(&self) -> Result<Service, Failure> {
        let metrics = install_metrics().map_err(|error| Failure::Usage(format!("the metrics recorder: {error}")))?;
        Ok(Service::start(self.settings.clone(), Clock::system(), metrics).await?)
    }

    /// Plays the day and waits until the service has nothing left to do.
    pub(super) async fn play_day(&self, args: &DemoArgs, webhook_url: &str) -> Result<(), Failure> {
        let shop = self.sandbox.shop(0).ok_or_else(|| Failure::Usage("the sandbox has no shop".to_owned()))?;
        let orders = usize::try_from(args.orders).unwrap_or(usize::MAX);
        let mut settings = PlaySettings::new(webhook_url, orders);
        settings.faults = preset(args.faults);
        let play = shop.play(settings);
        let deadline = Instant::now() + Duration::from_secs(240 + u64::from(args.orders) / 4);
        let (mut told, mut told_at) = (String::new(), Instant::now());
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let waiting = self.waiting().await?;
            let progress = self.progress(&play, waiting);
            if progress != told || told_at.elapsed() > STILL_TOLD {
                tell(&progress);
                (told, told_at) = (progress, Instant::now());
            }
            if play.progress().finished && waiting == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                tell(&format!("gave up waiting: {waiting} deliveries and documents are unfinished"));
                return Ok(());
            }
        }
    }

    fn progress(&self, play: &Play, waiting: i64) -> String {
        let progress = play.progress();
        format!(
            "{:>5}/{} orders placed  {:>5} told  {:>6} deliveries acknowledged  {:>5} orders in IFS  {:>4} waiting",
            progress.placed,
            progress.orders,
            progress.told,
            progress.acknowledged,
            self.sandbox.ifs().order_count(),
            waiting
        )
    }

    /// Deliveries and documents that are not at rest.
    async fn waiting(&self) -> Result<i64, Failure> {
        let inbox: i64 =
            self.store.count_inbox().await?.iter().filter(|row| row.state == "received").map(|row| row.count).sum();
        let moving =
            |state: &str| State::parse(state).is_some_and(|state| state.is_claimable() || state == State::Writing);
        let documents = self.store.count_open_documents().await?;
        let moving: i64 = documents.iter().filter(|row| moving(&row.state)).map(|row| row.count).sum();
        Ok(inbox + moving)
    }
}

fn preset(faults: Faults) -> FaultPreset {
    match faults {
        Faults::None => FaultPreset::None,
        Faults::Usual => FaultPreset::Usual,
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
pub(in crate::cli) fn write_settings(demo: &DemoSettings, folder: &Path) -> Result<Settings, Failure> {
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
