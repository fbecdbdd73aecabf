//! Simulated remotes: an IFS Cloud and Shopify shops over real HTTP on loopback, with ledgers of their own
//! and faults on demand. Runs on its own thread and runtime and imports nothing of the service, so that a
//! wrong shape there can not agree with a wrong shape here.

mod books;
mod clock;
mod control;
pub mod faults;
mod harsh;
pub mod ifs;
pub mod ledger;
mod listen;
pub mod shopify;
mod stock;
mod torn;
pub mod world;

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

pub use books::{
    Book, BookedCustomers, BookedMoney, BookedRelease, BookedTelling, Books, Difference, ExpectedParked, Oversold,
    Parked, ProductDifference, ShopStock, StockBooks, StockDifference,
};
pub use clock::SandboxClock;
pub use stock::{STOCK_LOCATION, STOCK_WAREHOUSE, StockDay, StockEvent, StockLine, StockUp};

use control::Control;
use faults::{FaultPlan, FaultPreset};
use ifs::{Additions, Ifs, IfsSetup};
use ledger::Ledger;
use shopify::{Around, Shop, ShopSetup};

/// One simulated shop and where its orders belong in IFS.
#[derive(Clone, Debug)]
pub struct ShopSettings {
    /// `*.myshopify.com` name.
    pub domain: String,
    /// Site in IFS.
    pub contract: String,
    /// Company in IFS.
    pub company: String,
    /// Which currency IFS is meant to hold.
    pub money: BookedMoney,
    /// Under which customers IFS is meant to hold its orders.
    pub customers: BookedCustomers,
    /// What the shop is meant to be told of its orders in IFS.
    pub told: BookedTelling,
    /// Who releases its orders in IFS.
    pub released: BookedRelease,
    /// Loopback port of its Admin API; 0 lets the system choose.
    pub port: u16,
}

impl ShopSettings {
    /// The first shop: site `S10`, company `10`.
    pub fn first() -> Self {
        Self::of(world::SHOP_DOMAIN, "S10", "10")
    }

    /// The second shop: site `S20`, company `20`.
    pub fn second() -> Self {
        Self::of(world::SECOND_SHOP_DOMAIN, "S20", "20")
    }

    fn of(domain: &str, contract: &str, company: &str) -> Self {
        let (domain, contract, company) = (domain.to_owned(), contract.to_owned(), company.to_owned());
        Self {
            domain,
            contract,
            company,
            money: BookedMoney::Shop,
            customers: BookedCustomers::One,
            told: BookedTelling::Nothing,
            released: BookedRelease::ByPersons,
            port: 0,
        }
    }
}

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct SandboxSettings {
    /// Decides every order and every fault.
    pub seed: u64,
    /// Loopback port of IFS; 0 lets the system choose.
    pub ifs_port: u16,
    /// Loopback port of the control surface; `None` leaves it out.
    pub control_port: Option<u16>,
    /// Life of an IFS token.
    pub token_lifetime_secs: u64,
    /// Faults that are armed from the start.
    pub faults: FaultPreset,
    /// Whether IFS keeps to `Prefer: wait`.
    pub wait_honoured: bool,
    /// Over so many OData requests per second IFS answers 429.
    pub ifs_requests_per_sec_max: Option<u32>,
    /// What IFS adds to orders by itself.
    pub additions: Additions,
    /// All presets but `None`: how late IFS commits. Must be longer than the client's time-out.
    pub late_commit: Duration,
    /// All presets but `None`: how slow a slow answer is. Must be shorter than the client's time-out.
    pub slow_answer: Duration,
    /// The shops.
    pub shops: Vec<ShopSettings>,
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            seed: 1,
            ifs_port: 0,
            control_port: None,
            token_lifetime_secs: 3600,
            faults: FaultPreset::None,
            wait_honoured: true,
            ifs_requests_per_sec_max: None,
            additions: Additions::default(),
            late_commit: Duration::from_millis(3000),
            slow_answer: Duration::from_millis(800),
            shops: vec![ShopSettings::first()],
        }
    }
}

/// A running sandbox. Dropping it stops it.
#[derive(Debug)]
pub struct Sandbox {
    ifs: Ifs,
    shops: OpenShops,
    ledger: Ledger,
    faults: FaultPlan,
    clock: SandboxClock,
    ifs_base_url: String,
    control_url: Option<String>,
    client_secret: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread serves, each on its listener.
struct Served {
    ifs: (TcpListener, Ifs),
    shops: Vec<(TcpListener, Shop)>,
    control: Option<(TcpListener, Control)>,
    faults: FaultPlan,
}

/// Settings, handle and base URL of each shop.
type OpenShops = Vec<(ShopSettings, Shop, String)>;

const CLIENT_ID: &str = "ml-connector";

impl Sandbox {
    /// Binds all ports and starts serving on a thread of its own.
    ///
    /// # Errors
    /// A port can not be bound, or the thread or its runtime can not be started.
    pub fn start(settings: SandboxSettings) -> io::Result<Self> {
        // 1. Everything that can fail, before there is a runtime: one must not be dropped inside another.
        let http = shopify::webhook_client().map_err(io::Error::other)?;
        let (ifs_listener, ifs_at) = listen::bind(settings.ifs_port)?;
        let bound = settings.shops.iter().map(|shop| listen::bind(shop.port)).collect::<io::Result<Vec<_>>>()?;
        let control = settings.control_port.map(listen::bind).transpose()?;

        // 2. The remotes.
        let clock = SandboxClock::default();
        let ledger = Ledger::new(clock.clone());
        let faults = FaultPlan::new(settings.seed);
        match settings.faults {
            FaultPreset::None => {}
            FaultPreset::Usual => faults.arm_usual(settings.late_commit, settings.slow_answer),
            FaultPreset::Harsh => faults.arm_harsh(settings.late_commit, settings.slow_answer),
        }
        let client_secret = secret("ifs");
        let setup = IfsSetup {
            base_url: format!("http://{ifs_at}"),
            client_id: CLIENT_ID.to_owned(),
            client_secret: client_secret.clone(),
            token_lifetime_secs: settings.token_lifetime_secs,
            wait_honoured: settings.wait_honoured,
            requests_per_sec_max: settings.ifs_requests_per_sec_max,
            additions: settings.additions.clone(),
        };
        let ifs = Ifs::new(setup, ledger.clone(), faults.clone(), clock.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let around = Around {
            ledger: ledger.clone(),
            faults: faults.clone(),
            clock: clock.clone(),
            ifs: ifs.clone(),
            runtime: runtime.handle().clone(),
            http,
        };
        let (shop_listeners, shop_urls): (Vec<_>, Vec<_>) =
            bound.into_iter().map(|(listener, at)| (listener, format!("http://{at}"))).unzip();
        let shops = open_shops(&settings, &around, shop_urls);

        // 3. The thread.
        let control_url = control.as_ref().map(|(_, at)| format!("http://{at}"));
        let control = control.map(|(listener, _)| {
            let controlled = shops.iter().map(|(settings, shop, _)| (settings.clone(), shop.clone())).collect();
            (listener, Control::new(ifs.clone(), controlled, ledger.clone(), faults.clone()))
        });
        let handles = shops.iter().map(|(_, shop, _)| shop.clone());
        let served = Served {
            ifs: (ifs_listener, ifs.clone()),
            shops: shop_listeners.into_iter().zip(handles).collect(),
            control,
            faults: faults.clone(),
        };
        let (stop, thread) = spawn(runtime, served)?;
        let ifs_base_url = format!("http://{ifs_at}");
        let (stop, thread) = (Some(stop), Some(thread));
        Ok(Self { ifs, shops, ledger, faults, clock, ifs_base_url, control_url, client_secret, stop, thread })
    }

    /// Base URL of IFS, without a path.
    pub fn ifs_base_url(&self) -> &str {
        &self.ifs_base_url
    }

    /// Base URL of a shop's Admin API, without a path; `index` as in the settings.
    pub fn shop_base_url(&self, index: usize) -> Option<&str> {
        self.shops.get(index).map(|(_, _, url)| url.as_str())
    }

    /// Base URL of the control surface, if there is one.
    pub fn control_url(&self) -> Option<&str> {
        self.control_url.as_deref()
    }

    /// Client id for IFS's token endpoint.
    pub fn client_id(&self) -> &'static str {
        CLIENT_ID
    }

    /// Client secret for IFS's token endpoint, random per start.
    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }

    /// The simulated IFS.
    pub fn ifs(&self) -> Ifs {
        self.ifs.clone()
    }

    /// A simulated shop; `index` as in the settings.
    pub fn shop(&self, index: usize) -> Option<Shop> {
        self.shops.get(index).map(|(_, shop, _)| shop.clone())
    }

    /// The ledger of every request.
    pub fn ledger(&self) -> Ledger {
        self.ledger.clone()
    }

    /// The faults, to be armed and cleared.
    pub fn faults(&self) -> FaultPlan {
        self.faults.clone()
    }

    /// The remotes' clock, which a test may move forward.
    pub fn clock(&self) -> SandboxClock {
        self.clock.clone()
    }

    /// Compares what the shops sold with what IFS holds. `parked`: what the service says it parked.
    pub fn books(&self, parked: &[Parked]) -> Books {
        books::compare(&self.ifs, &self.settled_shops(), &self.ledger, parked)
    }

    /// Stocks up IFS and all shops: from now on orders move what both of them have.
    pub fn stock_up(&self, wanted: StockUp) {
        stock::stock_up(&self.ifs, &self.settled_shops(), wanted);
    }

    /// Compares what the shops show with what IFS can sell. Both must be at rest.
    pub fn stock_books(&self) -> StockBooks {
        books::compare_stock(&self.ifs, &self.settled_shops())
    }

    /// How each SKU of a shop stands to its part in IFS; `index` as in the settings.
    pub fn stock_lines(&self, index: usize) -> Vec<StockLine> {
        let shop = self.shops.get(index);
        shop.map(|(settings, shop, _)| stock::lines(&self.ifs, settings, shop)).unwrap_or_default()
    }

    fn settled_shops(&self) -> Vec<(ShopSettings, Shop)> {
        self.shops.iter().map(|(settings, shop, _)| (settings.clone(), shop.clone())).collect()
    }

    /// Stops serving and waits for the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sandbox's thread had panicked");
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end();
    }
}

fn open_shops(settings: &SandboxSettings, around: &Around, urls: Vec<String>) -> OpenShops {
    let open = |(index, (shop, url)): (usize, (&ShopSettings, String))| {
        let setup = ShopSetup {
            index,
            domain: shop.domain.clone(),
            access_token: secret("shpat"),
            webhook_secret: secret("whsec"),
            seed: settings.seed,
        };
        (shop.clone(), Shop::new(setup, around.clone()), url)
    };
    settings.shops.iter().zip(urls).enumerate().map(open).collect()
}

/// Starts the thread; it is serving when this returns.
fn spawn(runtime: Runtime, served: Served) -> io::Result<(oneshot::Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = oneshot::channel();
    let (ready, is_ready) = mpsc::channel();
    let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
        runtime.block_on(async move {
            serve(served);
            // Nobody waits any more when this fails; the sandbox is then dropped at once.
            let _unheard = ready.send(());
            let _dropped_counts_as_stopped = stopped.await;
        });
        runtime.shutdown_background();
    })?;
    is_ready.recv().map_err(io::Error::other)?;
    Ok((stop, thread))
}

fn serve(served: Served) {
    let (listener, ifs) = served.ifs;
    spawn_server(
        "ifs",
        listen::serve(listener, Some(served.faults.clone()), move |request| ifs.clone().handle(request)),
    );
    for (listener, shop) in served.shops {
        spawn_server(
            "shopify",
            listen::serve(listener, Some(served.faults.clone()), move |request| shop.clone().handle(request)),
        );
    }
    if let Some((listener, control)) = served.control {
        spawn_server("control", listen::serve(listener, None, move |request| control.clone().handle(request)));
    }
}

fn spawn_server(name: &'static str, serving: impl Future<Output = io::Result<()>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, server = name, "a server of the sandbox ended");
        }
    });
}

fn secret(prefix: &str) -> String {
    format!("{prefix}_{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests;
