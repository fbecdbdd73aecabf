//! The steps of work, each a plain async function over its dependencies: take a delivery, map it, converge a
//! document. A step may be cut off at any line; what it left in the rows decides how the next one goes on.
//! No actor, no route and no command is known here.

pub mod account;
mod account_kept;
pub mod amend;
mod announce;
pub mod cancel;
mod carry;
pub mod census;
pub mod converge;
pub mod create;
pub mod customer;
mod customer_create;
mod customer_keep;
pub mod customer_order;
mod deletion;
pub mod explain;
pub mod heard;
mod hint;
pub mod hold;
pub mod ingest;
pub mod look_up;
mod losses;
mod lost;
pub mod map_delivery;
mod map_event;
mod name_gaps;
mod note;
pub mod parts;
pub mod preview;
pub mod prices;
pub mod re_read;
pub mod read_back;
pub mod reconcile;
mod reconcile_compare;
mod reconcile_listing;
mod reconcile_order;
mod reconcile_place;
pub mod rejudge;
mod release;
pub mod remap;
mod remove;
pub mod rows;
mod runs;
pub mod settling;
pub mod standing;
pub mod stock;
mod stray;
pub mod subscriptions;
#[cfg(test)]
mod subscriptions_tests;
pub mod sweep;
pub mod sync;
mod term;
pub mod version;
pub mod wish;
pub mod write_back;
pub mod writer;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use census::CensusSettings;
pub use heard::Heard;
pub use losses::Losses;
pub use standing::StandingTimes;
pub use sweep::SweepSettings;
pub use term::{Term, Terms};
use tokio::sync::Notify;

use crate::clock::{Clock, Tick};
use crate::domain::ids::{ConnectionName, IntentId, TenantName};
use crate::ifs::client::IfsClient;
use crate::mapping::rules::Rules;
use crate::mapping::stock::StockRules;
use crate::mapping::stock::prices::PriceRules;
use crate::remote::{RetryPolicy, Tenure};
use crate::shopify::client::ShopifyClient;
use crate::store::{Lease, Store};

/// How one IFS tenant behaves, as far as the steps need to know; each a setting of `[ifs.NAME]`.
#[derive(Debug, Clone)]
pub struct TenantLimits {
    /// How long IFS may work on one statement that we stopped waiting for.
    pub statement_limit: Duration,
    /// Added to every wait before a second create.
    pub not_before_margin: Duration,
    /// How long a call may take; after a take-over it counts as not ended before that.
    pub request_timeout: Duration,
    /// `Prefer: wait` of the requests.
    pub wait: Option<Duration>,
    /// Whether the tenant was shown to honour `Prefer: wait`.
    pub wait_honoured: bool,
    /// First look-up after a lost answer; doubled up to `look_up_max`.
    pub look_up_first: Duration,
    /// Longest pause between two look-ups.
    pub look_up_max: Duration,
    /// Parts in one `$batch` at most.
    pub batch_parts_max: usize,
    /// Name of the bound action that cancels an order (unproven: a setting).
    pub cancel_action: String,
    /// Name of the bound action that cancels a line.
    pub cancel_line_action: String,
    /// Name of the bound action that releases an order.
    pub release_action: String,
    /// Name of the action that copies a template customer (unproven: a setting).
    pub copy_customer_action: String,
    /// Documents converged at once.
    pub concurrency_max: usize,
}

impl TenantLimits {
    /// How long must be watched after the end of a call of `parts` parts before a second create:
    /// a statement that we stopped waiting for can still commit.
    pub fn not_before(&self, parts: usize) -> Duration {
        let each = match self.wait {
            Some(wait) if self.wait_honoured => wait,
            _ => self.statement_limit,
        };
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        each.saturating_mul(parts).saturating_add(self.not_before_margin)
    }
}

/// One IFS tenant in one term: shared by all its connections, owned by one process at a time.
#[derive(Debug)]
pub struct Tenant {
    /// Its name in the configuration.
    pub name: TenantName,
    /// The way to speak to it.
    pub ifs: IfsClient,
    /// How it behaves.
    pub limits: TenantLimits,
    /// The lease under which we write.
    pub lease: Lease,
    /// How long that lease is surely ours.
    pub tenure: Tenure,
    /// All connections to it.
    pub connections: Vec<ConnectionName>,
    /// The sites whose records each connection's standing query reads; none of one that only observes.
    pub sites_read: BTreeMap<ConnectionName, BTreeSet<String>>,
    /// The customers that are looked for or made at this moment.
    pub births: Births,
    /// Who has lost writes lately.
    pub losses: Losses,
}

impl Tenant {
    /// Whether the standing query of this connection reads this site.
    pub fn is_read(&self, connection: &str, site: &str) -> bool {
        self.sites_read.iter().any(|(name, sites)| name.as_str() == connection && sites.contains(site))
    }
}

/// The keys of customers that IFS numbers and that are looked for or made at this moment. One person may buy in two shops of a
/// tenant: without a number of our own nothing in IFS refuses the second customer of one key.
#[derive(Debug, Default)]
pub struct Births(Mutex<BTreeSet<String>>);

/// One of them, as long as it lives.
#[derive(Debug)]
pub struct Birth<'a> {
    births: &'a Births,
    key: String,
}

impl Births {
    /// Begins to look for a customer, or to make it; `None` while somebody else does.
    pub fn begin(&self, key: &str) -> Option<Birth<'_>> {
        let began = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
        began.then(|| Birth { births: self, key: key.to_owned() })
    }
}

impl Drop for Birth<'_> {
    fn drop(&mut self) {
        self.births.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Whether a connection writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It writes.
    Live,
    /// It reads, maps and plans, and writes nothing to either side.
    Observe,
}

/// Whether the signature alone says which shop sent a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretUse {
    /// The webhook secret belongs to this connection alone.
    Own,
    /// Several shops of one app share it: an order new to us is confirmed with this shop's token.
    SharedApp,
}

/// One connection and all that its steps need.
#[derive(Debug)]
pub struct Connection {
    /// Its name in the configuration.
    pub name: ConnectionName,
    /// Its tenant.
    pub tenant: Arc<Tenant>,
    /// The way to speak to its shop.
    pub shopify: ShopifyClient,
    /// Who looks after its webhook subscriptions, where a public address is set.
    pub subscriptions: Option<subscriptions::SubscriptionWatch>,
    /// Its mapping rules.
    pub rules: Rules,
    /// Whether it writes.
    pub mode: Mode,
    /// How it looks for what no webhook told.
    pub sweep: SweepSettings,
    /// How it counts them once a night.
    pub census: CensusSettings,
    /// What its shop shows of IFS's stock.
    pub stock: StockRules,
    /// Which of its prices follow IFS.
    pub prices: PriceRules,
    /// Whose the webhook secret is.
    pub secret_use: SecretUse,
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// How failures of a document's own are spaced.
    pub retry: RetryPolicy,
    /// When the standing query runs, and how far it looks back.
    pub standing: StandingTimes,
    /// Monotonic time since the last look at each open intent of this process.
    pub watches: Watches,
    /// Rung when a document of this connection may be due.
    pub work: Notify,
    /// Set while claims of steps that broke off may stand: at the start, after a store failure, under a fresh actor.
    pub broke_off: AtomicBool,
    /// Set when nothing new shall be taken.
    pub stopping: Arc<AtomicBool>,
}

impl Connection {
    /// Whether nothing new shall be taken.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// Own failures of a document before it parks.
pub const OWN_FAILURES_MAX: i64 = 8;

/// The last look of this process at each open intent.
#[derive(Debug, Clone, Default)]
pub struct Watches(Arc<Mutex<HashMap<IntentId, Tick>>>);

impl Watches {
    /// Begins to watch at the end of a call.
    pub fn begin(&self, intent: IntentId, at: Tick) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(intent, at);
    }

    /// The time since the last look; zero for an intent that this process has not watched before.
    pub fn look(&self, intent: IntentId, at: Tick) -> Duration {
        let mut ticks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ticks.insert(intent, at).map_or(Duration::ZERO, |last| at.since(last))
    }

    /// Forgets an intent that closed.
    pub fn end(&self, intent: IntentId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&intent);
    }
}
