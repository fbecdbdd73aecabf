//! What is measured: the service as users run it (the release binary, a child process, its default log written to a
//! file) beside simulated remotes, on an empty database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ml_connector::app::{self, credentials};
use ml_connector::cli::demo::secrets_of;
use ml_connector::cli::demo_settings::{DemoSettings, Manner, ShopEndpoint};
use ml_connector::config::{Settings, Sources};
use ml_connector::sandbox::shopify::{Shop, signature};
use ml_connector::sandbox::{Sandbox, SandboxSettings, ShopSettings};
use ml_connector::store::Store;

use super::database::Database;
use super::load::Make;

/// The only connection.
pub const CONNECTION: &str = "bench";
/// How long the service may take to start.
const START_MAX: Duration = Duration::from_secs(30);

/// Remotes, database, settings.
pub struct Scene {
    pub sandbox: Sandbox,
    pub store: Store,
    pub database: Database,
    config: PathBuf,
    folder: tempfile::TempDir,
}

impl Scene {
    /// Everything but the service itself; `edits` replaces text in its file of settings.
    pub async fn set(database: Database, edits: &[(&str, &str)]) -> Self {
        let shop = ShopSettings::first();
        let settings = SandboxSettings { shops: vec![shop.clone()], ..SandboxSettings::default() };
        let sandbox = Sandbox::start(settings).expect("the sandbox starts");
        let endpoint = ShopEndpoint {
            connection: CONNECTION.to_owned(),
            domain: shop.domain,
            base_url: sandbox.shop_base_url(0).expect("the shop listens").to_owned(),
            company: shop.company,
            site: shop.contract,
            manner: Manner::Plain,
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let key = ml_connector::vault::generate_key_line("bench").expect("a key");
        std::fs::write(folder.path().join("master-key"), secrecy::ExposeSecret::expose_secret(&key)).expect("writes");
        std::fs::write(folder.path().join("operator-token"), "operator-token-of-the-bench").expect("writes");
        let mut toml =
            DemoSettings::new(database.url.clone(), sandbox.ifs_base_url(), vec![endpoint]).to_toml(folder.path());
        for (from, to) in edits {
            assert!(toml.contains(from), "the settings hold {from:?}");
            toml = toml.replace(from, to);
        }
        let config = folder.path().join("ml-connector.toml");
        std::fs::write(&config, toml).expect("writes");
        let store = Store::open(&database.url, 4).expect("opens");
        store.migrate().await.expect("migrates");
        let scene = Self { sandbox, store, database, config, folder };
        scene.store_credentials().await;
        scene
    }

    async fn store_credentials(&self) {
        let sources = Sources { file: Some(self.config.clone()), environment: BTreeMap::new() };
        let settings = Settings::load(&sources).expect("the settings load");
        let keys = app::key_ring(&settings).expect("the key reads");
        for (owner, kind, secret) in secrets_of(&self.sandbox, &[CONNECTION]) {
            let who = "bench".to_owned();
            let stored = credentials::put(&self.store, &keys, &owner, kind, &secret, who, Timestamp::now()).await;
            stored.expect("stores");
        }
    }

    /// The shop.
    pub fn shop(&self) -> Shop {
        self.sandbox.shop(0).expect("a shop")
    }

    /// Starts the service and waits until it serves.
    pub async fn serve(&self) -> Served {
        Served::start(&self.config, &self.folder.path().join("log")).await
    }

    /// A command of the binary with these settings.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ml-connector"));
        command.arg("--config").arg(&self.config).env_remove("ML_CONNECTOR_MASTER_KEY");
        command
    }

    /// Deliveries of `topic` with this body, each with a webhook id of its own.
    pub fn deliveries(&self, address: &str, topic: &str, body: Vec<u8>) -> Make {
        deliveries(address, &format!("/webhooks/{CONNECTION}"), topic, &self.shop(), body)
    }
}

/// Requests as Shopify sends them, each with a webhook id of its own.
pub fn deliveries(address: &str, path: &str, topic: &str, shop: &Shop, body: Vec<u8>) -> Make {
    let run = uuid::Uuid::new_v4().simple().to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         X-Shopify-Topic: {topic}\r\nX-Shopify-Shop-Domain: {}\r\nX-Shopify-Api-Version: 2026-10\r\n\
         X-Shopify-Triggered-At: 2026-11-27T12:00:00.000000000Z\r\nX-Shopify-Hmac-Sha256: {}\r\n\
         X-Shopify-Event-Id: {run}\r\nX-Shopify-Webhook-Id: {run}-",
        body.len(),
        shop.domain(),
        signature(&shop.webhook_secret(), &body),
    );
    std::sync::Arc::new(move |number| {
        let mut request = Vec::with_capacity(head.len() + body.len() + 16);
        request.extend_from_slice(head.as_bytes());
        request.extend_from_slice(format!("{number:08}\r\n\r\n").as_bytes());
        request.extend_from_slice(&body);
        request
    })
}

/// The service as a child process.
pub struct Served {
    child: Child,
    /// Host and port of the webhook door.
    pub address: String,
}

impl Served {
    async fn start(config: &Path, log: &Path) -> Self {
        let file = std::fs::File::create(log).expect("a file for the log");
        let child = Command::new(env!("CARGO_BIN_EXE_ml-connector"))
            .arg("--config")
            .arg(config)
            .arg("serve")
            .env("ML_CONNECTOR__TELEMETRY__FORMAT", "json")
            .env_remove("ML_CONNECTOR_MASTER_KEY")
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the binary starts");
        let mut served = Self { child, address: String::new() };
        let deadline = Instant::now() + START_MAX;
        loop {
            let text = std::fs::read_to_string(log).expect("the log reads");
            let told = text.lines().find(|line| line.contains("ml-connector serves"));
            if let Some(told) = told.and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
                served.address = told["webhooks"].as_str().expect("an address").to_owned();
                return served;
            }
            assert!(Instant::now() < deadline, "the service does not start: {text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Resident memory, MiB.
    pub fn memory_mib(&self) -> f64 {
        memory_mib(self.child.id())
    }
}

/// Resident memory of a process, MiB; no number once it has ended.
pub fn memory_mib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    kib.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(f64::NAN) / 1_024.0
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}
