//! `demo`: a day of orders through the real service against simulated remotes, then three books side by side: what
//! Shopify sold, what the service says, what IFS holds. The first and the last are the sandbox's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use rust_decimal::Decimal;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::Failure;
use super::demo_settings::{DemoSettings, ShopEndpoint};
use super::output::{Format, say, say_json, say_json_line, table, tell};
use crate::app::credentials;
use crate::app::{self, Service, chain};
use crate::clock::Clock;
use crate::config::{Settings, Sources};
use crate::domain::document::State;
use crate::domain::ids::ConnectionName;
use crate::flow::wish::Wish;
use crate::sandbox::faults::FaultPreset;
use crate::sandbox::shopify::{Play, PlaySettings};
use crate::sandbox::{Books, Parked, Sandbox, SandboxSettings};
use crate::store::{DocumentFilter, Store};
use crate::telemetry::{init_logs, install_metrics, install_panic_hook};
use crate::vault::generate_key_line;

/// The connection of the demo.
const CONNECTION: &str = "demo";
/// Documents read at once.
const PAGE: i64 = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Faults {
    /// Nothing goes wrong.
    None,
    /// Duplicates, disorder, dropped answers, late commits, 429, 503, 401, slow answers.
    Usual,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Orders of the day.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    orders: u32,
    /// Decides every order and every fault.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What goes wrong on the way.
    #[arg(long, value_enum, default_value_t = Faults::None)]
    faults: Faults,
    /// An empty database to use, as `sqlite:FILE` or `postgres://…`; else a new SQLite file.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Leaves service and sandbox running afterwards, until Ctrl-C.
    #[arg(long)]
    serve: bool,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// What the service logs meanwhile, e.g. `info`.
    #[arg(long, default_value = "error", value_name = "LEVEL")]
    log: String,
}

/// Runs the demo; [`Failure::Found`] when the books differ.
pub(super) async fn demo(args: DemoArgs) -> Result<(), Failure> {
    let format = if args.json { Format::Json } else { Format::Text };
    init_logs(crate::telemetry::LogFormat::Text, &args.log)
        .map_err(|error| Failure::Usage(format!("--log: {error}")))?;
    install_panic_hook();
    let begun = Instant::now();
    let stage = Stage::set(&args).await?;
    let service = stage.start_service().await?;
    let webhook_url = format!("http://{}/webhooks/{CONNECTION}", service.webhooks());
    let operations_url = format!("http://{}", service.operations());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = actix_rt::spawn(service.run(async move {
        stopped.await.unwrap_or_default();
        "the end of the demo".to_owned()
    }));
    // 1. The day.
    tell(
        &format!("a day of {} orders begins; faults: {:?}; webhooks go to {webhook_url}", args.orders, args.faults)
            .to_lowercase(),
    );
    stage.play_day(&args, &webhook_url).await?;
    // 2. The books.
    let account = Account::read(&stage.store).await?;
    let books = stage.sandbox.books(&account.parked);
    let result = DayResult { books, account, seconds: begun.elapsed().as_secs_f64() };
    let mut told = result.to_json(&stage.sandbox);
    if args.serve {
        told["webhook_url"] = json!(webhook_url);
        told["operations_url"] = json!(operations_url);
    }
    match (format, args.serve) {
        (Format::Json, true) => say_json_line(&told),
        (Format::Json, false) => say_json(&told),
        (Format::Text, _) => result.tell_people(&stage, args.serve.then_some((&webhook_url, &operations_url))),
    }
    // 3. The end, now or when told to.
    if args.serve {
        wait_for_signal().await?;
    }
    stop.send(()).unwrap_or_default();
    running.await.map_err(|error| Failure::Usage(format!("the service broke off: {error}")))??;
    if !args.serve && format == Format::Json && args.database_url.is_none() {
        std::fs::remove_dir_all(&stage.folder)
            .map_err(|error| Failure::Usage(format!("{} could not be removed: {error}", stage.folder.display())))?;
    }
    if result.is_clean() { Ok(()) } else { Err(Failure::Found) }
}

async fn wait_for_signal() -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::Usage(format!("signals: {error}")));
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

/// Sandbox, folder, settings and an empty database.
struct Stage {
    sandbox: Sandbox,
    folder: PathBuf,
    settings: Settings,
    store: Store,
}

impl Stage {
    async fn set(args: &DemoArgs) -> Result<Self, Failure> {
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

    async fn start_service(&self) -> Result<Service, Failure> {
        let metrics = install_metrics().map_err(|error| Failure::Usage(format!("the metrics recorder: {error}")))?;
        Ok(Service::start(self.settings.clone(), Clock::system(), metrics).await?)
    }

    /// Plays the day and waits until the service has nothing left to do.
    async fn play_day(&self, args: &DemoArgs, webhook_url: &str) -> Result<(), Failure> {
        let shop = self.sandbox.shop(0).ok_or_else(|| Failure::Usage("the sandbox has no shop".to_owned()))?;
        let orders = usize::try_from(args.orders).unwrap_or(usize::MAX);
        let mut settings = PlaySettings::new(webhook_url, orders);
        settings.faults = preset(args.faults);
        let play = shop.play(settings);
        let deadline = Instant::now() + Duration::from_secs(240 + u64::from(args.orders) / 4);
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let waiting = self.waiting().await?;
            self.tell_progress(&play, waiting);
            if play.progress().finished && waiting == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                tell(&format!("gave up waiting: {waiting} deliveries and documents are unfinished"));
                return Ok(());
            }
        }
    }

    fn tell_progress(&self, play: &Play, waiting: i64) {
        let progress = play.progress();
        tell(&format!(
            "{:>5}/{} orders placed  {:>5} told  {:>6} deliveries acknowledged  {:>5} orders in IFS  {:>4} waiting",
            progress.placed,
            progress.orders,
            progress.told,
            progress.acknowledged,
            self.sandbox.ifs().orders().len(),
            waiting
        ));
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
pub(super) fn write_settings(demo: &DemoSettings, folder: &Path) -> Result<Settings, Failure> {
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

/// The service's own account of the day.
struct Account {
    parked: Vec<Parked>,
    written: usize,
    totals: BTreeMap<String, Decimal>,
    states: BTreeMap<&'static str, usize>,
    quarantined: usize,
}

impl Account {
    async fn read(store: &Store) -> Result<Self, Failure> {
        let mut account =
            Self { parked: Vec::new(), written: 0, totals: BTreeMap::new(), states: BTreeMap::new(), quarantined: 0 };
        let connection = ConnectionName::parse(CONNECTION).map_err(|error| Failure::Usage(error.to_string()))?;
        let mut after = None;
        loop {
            let filter = DocumentFilter { connection: Some(connection.to_string()), state: None, after, limit: PAGE };
            let page = store.list_documents(filter).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.get());
            for document in &page {
                *account.states.entry(document.state.as_str()).or_default() += 1;
                if document.state == State::Parked {
                    let reason = document.reason.as_ref().map(|reason| format!("{}: {}", reason.code, reason.text));
                    account.parked.push(Parked { order_id: document.order_id, reason: reason.unwrap_or_default() });
                }
                if let (State::Written, Ok(Wish::Write { order })) = (document.state, Wish::parse(&document.desired)) {
                    account.written += 1;
                    *account.totals.entry(order.expected.currency.clone()).or_default() += order.expected.total;
                }
            }
        }
        account.quarantined = store.quarantined(PAGE).await?.len();
        Ok(account)
    }
}

/// A decimal as a JSON number with its own digits.
fn exact_number(number: Decimal) -> Value {
    serde_json::from_str(&number.to_string()).unwrap_or(Value::Null)
}

struct DayResult {
    books: Books,
    account: Account,
    seconds: f64,
}

impl DayResult {
    fn is_clean(&self) -> bool {
        self.books.is_clean() && self.account.quarantined == 0
    }

    fn to_json(&self, sandbox: &Sandbox) -> Value {
        let books = &self.books;
        let counters = sandbox.ledger().counters();
        let shop = sandbox.shop(0);
        let progress = shop.map(|shop| shop.deliveries()).unwrap_or_default();
        let acknowledged = progress.iter().filter(|delivery| delivery.acknowledged).count();
        json!({
            "orders": books.orders,
            "deliveries": progress.len(),
            "acknowledged": acknowledged,
            "ifs_orders": books.ifs_orders,
            "missing": books.missing.len(),
            "double": books.double.len(),
            "differences": books.differences.len(),
            "parked": self.account.parked.len(),
            "unexpected_parked": books.unexpected_parked.len(),
            "expected_parked_missing": books.expected_parked.iter().filter(|one| one.reason.is_none()).count(),
            "quarantined": self.account.quarantined,
            "cancelled": books.cancelled,
            "skipped": books.skipped,
            "ifs_requests": counters.ifs_requests,
            "shopify_requests": counters.shopify_requests,
            "ifs_create_requests_per_order": books.create_requests_per_order().map(exact_number),
            "faults": sandbox.faults().injected(),
            "states": self.account.states,
            "seconds": (self.seconds * 10.0).round() / 10.0,
            "details": self.details(),
        })
    }

    /// What is wrong, at most twenty of each kind.
    fn details(&self) -> Value {
        let books = &self.books;
        let differences: Vec<Value> = books
            .differences
            .iter()
            .take(20)
            .map(|one| json!({"order_id": one.order_id.to_string(), "component": one.component, "sold": one.sold, "ifs": one.ifs}))
            .collect();
        let unexpected: Vec<Value> = books
            .unexpected_parked
            .iter()
            .take(20)
            .map(|one| json!({"order_id": one.order_id.to_string(), "reason": one.reason}))
            .collect();
        let ids = |ids: &[u64]| ids.iter().take(20).map(u64::to_string).collect::<Vec<_>>();
        json!({"differences": differences, "unexpected_parked": unexpected, "missing": ids(&books.missing),
            "double": ids(&books.double), "foreign": books.foreign})
    }

    fn tell_people(&self, stage: &Stage, urls: Option<(&String, &String)>) {
        let books = &self.books;
        say("");
        let mut rows = vec![vec![
            "orders".to_owned(),
            books.sold.orders.to_string(),
            self.account.written.to_string(),
            books.held.orders.to_string(),
        ]];
        let mut currencies: Vec<&String> = books.sold.totals.keys().chain(books.held.totals.keys()).collect();
        currencies.extend(self.account.totals.keys());
        currencies.sort();
        currencies.dedup();
        for currency in currencies {
            let amount =
                |totals: &BTreeMap<String, Decimal>| totals.get(currency).copied().unwrap_or_default().to_string();
            rows.push(vec![
                format!("total {currency}"),
                amount(&books.sold.totals),
                amount(&self.account.totals),
                amount(&books.held.totals),
            ]);
        }
        say(&table(&["book", "Shopify sold", "the service says", "IFS holds"], &rows));
        say("");
        self.tell_parked();
        say(&format!(
            "{} orders in all: {} live in IFS, {} cancelled, {} skipped, {} parked as planted",
            books.orders,
            books.ifs_orders,
            books.cancelled,
            books.skipped,
            books.expected_parked.len()
        ));
        say(&format!(
            "missing {}  double {}  differences {}  unexpected parked {}  quarantined {}  creates per order {}  {:.1} s",
            books.missing.len(),
            books.double.len(),
            books.differences.len(),
            books.unexpected_parked.len(),
            self.account.quarantined,
            books.create_requests_per_order().unwrap_or_default(),
            self.seconds
        ));
        if !self.is_clean() {
            say(&format!("{:#}", self.details()));
        }
        say(if self.is_clean() { "the books agree" } else { "THE BOOKS DIFFER" });
        tell_where_to_look(stage, urls);
    }

    fn tell_parked(&self) {
        let mut kinds: BTreeMap<&str, (usize, String)> = BTreeMap::new();
        for one in &self.books.expected_parked {
            let entry = kinds.entry(one.planted).or_default();
            entry.0 += 1;
            if let Some(reason) = &one.reason {
                entry.1 = reason.split(':').next().unwrap_or_default().to_owned();
            }
        }
        let rows: Vec<Vec<String>> =
            kinds.into_iter().map(|(kind, (count, code))| vec![kind.to_owned(), count.to_string(), code]).collect();
        if !rows.is_empty() {
            say(&table(&["planted for a person", "orders", "parked as"], &rows));
            say("");
        }
    }
}

fn tell_where_to_look(stage: &Stage, urls: Option<(&String, &String)>) {
    let config = stage.folder.join("ml-connector.toml");
    say("");
    say("look next:");
    say(&format!("  ml-connector --config {} documents list --state parked", config.display()));
    say(&format!("  ml-connector --config {} orders show '#1001'", config.display()));
    if let Some((webhook_url, operations_url)) = urls {
        say(&format!("  webhook_url    {webhook_url}"));
        say(&format!(
            "  operations_url {operations_url}  (/livez /readyz /metrics; /status with the token in operator-token)"
        ));
        say("running until Ctrl-C");
    } else {
        say("  ml-connector demo --faults usual");
        say("  ml-connector demo --serve");
    }
}
