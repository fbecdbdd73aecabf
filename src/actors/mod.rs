//! The supervision tree. Each actor is thin: a mailbox, a timer, one function of `flow`, a report.
//!
//! ```text
//! root
//!  ├─ Janitor               metrics of the tables
//!  ├─ ifs NAME              one for each tenant
//!  │   ├─ LeaseKeeper       whose the tenant is; takes the lease, renews it
//!  │   └─ owned             only while the lease is ours: a branch, planted and removed at run time
//!  │       ├─ TokenKeeper           its access token
//!  │       └─ connection NAME       one for each connection to the tenant
//!  │           ├─ ShopTokenKeeper   its shop's access token; only where that ends
//!  │           ├─ OrderMapper       inbox -> desired documents
//!  │           ├─ IfsWriter         documents -> IFS
//!  │           ├─ Reconciler        what no webhook told -> inbox; only where the sweep is switched on
//!  │           ├─ InventoryPoller   IFS's stock and the shop's levels -> what they should show; only where it is switched on
//!  │           ├─ PricePoller       IFS's prices and the shop's -> what those become; where none follow IFS it only forgets
//!  │           ├─ ShopifyWriter     what the shop is told of orders, its levels, products and prices; only where the settings want it
//!  │           ├─ StandingQuery     records in IFS with our key that no link explains
//!  │           └─ SubscriptionKeeper  its webhook subscriptions; only where a public address is set
//!  └─ WebhookIngress        started last, stopped first; on every replica
//! ```

pub mod ifs_writer;
pub mod inventory_poller;
pub mod janitor;
pub mod lease_keeper;
pub mod order_mapper;
pub mod price_poller;
pub mod reconciler;
pub mod shopify_writer;
pub mod standing_query;
pub mod subscription_keeper;
pub mod token_keeper;
pub mod wakes;
pub mod webhook_ingress;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::ids::{ConnectionName, TenantName};
use crate::failpoint;
use crate::flow::prices::targets;
use crate::flow::{Connection, Heard, Mode, Tenant, Term, Terms};
use crate::store::Store;
use crate::supervision::{Branch, BranchSpec, Child, ChildSpec, Doorbell, Rhythm, Slot, TreeSpec};
use crate::telemetry::Metrics;

use ifs_writer::IfsWriter;
use inventory_poller::InventoryPoller;
use janitor::Janitor;
use lease_keeper::{CannotServe, LeaseKeeper, LeaseRules, Memory, Serve};
use order_mapper::OrderMapper;
use price_poller::PricePoller;
use reconciler::Reconciler;
use shopify_writer::ShopifyWriter;
use standing_query::StandingQuery;
use subscription_keeper::SubscriptionKeeper;
use token_keeper::{ShopTokenKeeper, TokenKeeper};
use wakes::{Mappers, Wakes};
use webhook_ingress::WebhookIngress;

/// Time between two looks whether a census is due, where there are no sweeps.
const CENSUS_LOOK: Duration = Duration::from_secs(900);
/// Pause after a sweep that failed; doubled with each one that follows.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Longest pause after sweeps that failed.
const AFTER_FAILURES: Duration = Duration::from_secs(300);

/// What works for a tenant in one term.
pub struct Served {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// Its connections.
    pub connections: Vec<Arc<Connection>>,
}

/// Builds clients and rules of a tenant for one term.
pub type Build = Rc<dyn Fn(TenantName, Term) -> Pin<Box<dyn Future<Output = Result<Served, CannotServe>>>>>;

/// What the tree is made of.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// The recorder of metrics.
    pub metrics: Metrics,
    /// The tenants that this process may own.
    pub tenants: Vec<TenantName>,
    /// All connections, each with its tenant.
    pub connections: Vec<(ConnectionName, TenantName)>,
    /// Builds what works for a tenant.
    pub build: Build,
    /// How leases are taken.
    pub leases: LeaseRules,
    /// The terms of this process.
    pub terms: Terms,
    /// Deliveries that may wait for their commit.
    pub queue_max: usize,
}

/// The tree as data, and how to reach into it from outside.
pub struct Tree {
    /// What to start.
    pub spec: TreeSpec,
    /// Where the ingress is found.
    pub ingress: Slot<WebhookIngress>,
    /// Who is woken by what other replicas tell.
    pub wakes: Wakes,
}

/// The tree.
pub fn tree(parts: Parts) -> Tree {
    let mappers = Arc::new(Mappers::new(&parts.connections, parts.terms.clone()));
    let wakes = Wakes::new(Arc::clone(&mappers), &parts.tenants);
    let heard = Heard::default();
    let mut children: Vec<Child> = vec![janitor_child(&parts.store, &parts.clock, &parts.metrics, &heard)];
    for tenant in &parts.tenants {
        children.push(tenant_child(&parts, tenant, wakes.keeper(tenant), &mappers));
    }
    let Parts { store, queue_max, .. } = parts;
    let slot = Slot::new();
    let ingress = ChildSpec::actor("WebhookIngress", slot.clone(), move |guard| {
        WebhookIngress::new(store.clone(), Arc::clone(&mappers), heard.clone(), queue_max, guard)
    });
    children.push(ingress.into());
    Tree { spec: TreeSpec::root(children), ingress: slot, wakes }
}

fn janitor_child(store: &Store, clock: &Clock, metrics: &Metrics, heard: &Heard) -> Child {
    let (store, clock, metrics, heard) = (store.clone(), clock.clone(), metrics.clone(), heard.clone());
    ChildSpec::worker("Janitor", Doorbell::new(), Rhythm::every(Duration::from_secs(15)), move || Janitor {
        store: store.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        heard: heard.clone(),
        seen: Mutex::default(),
        seen_strays: Mutex::default(),
        seen_stock: Mutex::default(),
    })
    .into()
}

fn tenant_child(parts: &Parts, tenant: &TenantName, bell: Doorbell, mappers: &Arc<Mappers>) -> Child {
    let branch = Branch::new();
    let keeper = {
        let (store, clock, terms, rules) =
            (parts.store.clone(), parts.clock.clone(), parts.terms.clone(), parts.leases.clone());
        let (tenant, branch, serve) = (tenant.clone(), branch.clone(), serve(parts, tenant, mappers));
        let rhythm = Rhythm { pause_max: rules.lasts / 3, ..Rhythm::every(rules.lasts / 3) };
        ChildSpec::worker("LeaseKeeper", bell, rhythm, move || LeaseKeeper {
            tenant: tenant.clone(),
            store: store.clone(),
            clock: clock.clone(),
            rules: rules.clone(),
            terms: terms.clone(),
            branch: branch.clone(),
            serve: Rc::clone(&serve),
            memory: Memory::default(),
        })
    };
    let owned = BranchSpec::new("owned", branch);
    TreeSpec::subtree(format!("ifs {tenant}"), vec![keeper.into(), owned.into()]).into()
}

/// How a tenant is served in one term: its clients are built, then what a dead owner left is freed.
fn serve(parts: &Parts, tenant: &TenantName, mappers: &Arc<Mappers>) -> Serve {
    let (store, clock, build) = (parts.store.clone(), parts.clock.clone(), Rc::clone(&parts.build));
    let (tenant, mappers) = (tenant.clone(), Arc::clone(mappers));
    Rc::new(move |term| {
        let (store, clock, mappers) = (store.clone(), clock.clone(), Arc::clone(&mappers));
        let built = build(tenant.clone(), term);
        Box::pin(async move {
            let served = built.await?;
            let (lease, limits) = (&served.tenant.lease, &served.tenant.limits);
            let names = served.tenant.connections.clone();
            let freed = store.take_over(lease, names, limits.request_timeout, clock.now()).await;
            let freed = freed.map_err(|error| error.to_string())?;
            failpoint::hit(failpoint::TAKEN_OVER);
            if freed > 0 {
                tracing::info!(tenant = %served.tenant.name, freed, "documents that a dead owner held are free again");
            }
            Ok(owned_tree(&served, &mappers))
        })
    })
}

/// What works for a tenant while its lease is ours.
fn owned_tree(served: &Served, mappers: &Mappers) -> TreeSpec {
    let tenant = Arc::clone(&served.tenant);
    let token =
        ChildSpec::worker("TokenKeeper", Doorbell::new(), Rhythm::every(Duration::from_secs(3_600)), move || {
            TokenKeeper { tenant: Arc::clone(&tenant) }
        });
    let mut children: Vec<Child> = vec![token.into()];
    for link in &served.connections {
        children.push(connection_child(link, mappers.bell(&link.name)));
    }
    TreeSpec::subtree("owned", children)
}

fn connection_child(link: &Arc<Connection>, mapper_bell: Doorbell) -> Child {
    let writer_bell = Doorbell::new();
    let mapper = {
        let (link, writer) = (Arc::clone(link), writer_bell.clone());
        ChildSpec::worker("OrderMapper", mapper_bell.clone(), Rhythm::every(Duration::from_secs(1)), move || {
            OrderMapper { link: Arc::clone(&link), writer: writer.clone() }
        })
    };
    let mut children: Vec<Child> = vec![mapper.into()];
    if link.shopify.renews_its_token() {
        children.insert(0, shop_token_child(link));
    }
    if link.mode == Mode::Live {
        let link = Arc::clone(link);
        let rhythm = Rhythm::every(Duration::from_secs(1));
        let writer = ChildSpec::worker("IfsWriter", writer_bell, rhythm, move || {
            // A fresh one may follow one that panicked with documents in its hands.
            link.broke_off.store(true, Ordering::Release);
            IfsWriter { link: Arc::clone(&link) }
        });
        children.push(writer.into());
    }
    let teller_bell = Doorbell::new();
    if link.mode == Mode::Live && (link.rules.writes_back() || keeps_stock(link)) {
        let link = Arc::clone(link);
        let rhythm = Rhythm::every(Duration::from_secs(1));
        let teller = ChildSpec::worker("ShopifyWriter", teller_bell.clone(), rhythm, move || {
            link.broke_off.store(true, Ordering::Release);
            ShopifyWriter { link: Arc::clone(&link) }
        });
        children.push(teller.into());
    }
    children.extend(standing_child(link));
    let reconciler_bell = Doorbell::new();
    children.extend(poller_child(link, reconciler_bell.clone(), teller_bell.clone()));
    children.push(price_child(link, teller_bell));
    children.extend(reconciler_child(link, mapper_bell, reconciler_bell));
    children.extend(subscription_child(link));
    TreeSpec::subtree(format!("connection {}", link.name), children).into()
}

fn shop_token_child(link: &Arc<Connection>) -> Child {
    let link = Arc::clone(link);
    ChildSpec::worker("ShopTokenKeeper", Doorbell::new(), Rhythm::every(Duration::from_secs(3_600)), move || {
        ShopTokenKeeper { link: Arc::clone(&link) }
    })
    .into()
}

fn subscription_child(link: &Arc<Connection>) -> Option<Child> {
    let (link, watched) = (Arc::clone(link), link.subscriptions.clone()?);
    // A shop that cannot be asked is no hurry: the sweep finds what its webhooks do not tell.
    let (pause_first, pause_max) = (Duration::from_secs(5), Duration::from_secs(300));
    let rhythm = Rhythm { interval: watched.every, pause_first, pause_max };
    let keeper = ChildSpec::worker("SubscriptionKeeper", Doorbell::new(), rhythm, move || SubscriptionKeeper {
        link: Arc::clone(&link),
        watched: watched.clone(),
    });
    Some(keeper.into())
}

/// The standing query of a connection that writes: what it finds parks.
fn standing_child(link: &Arc<Connection>) -> Option<Child> {
    if link.mode != Mode::Live {
        return None;
    }
    let link = Arc::clone(link);
    let (pause_first, pause_max) = (Duration::from_secs(30), Duration::from_secs(900));
    let rhythm = Rhythm { interval: link.standing.every, pause_first, pause_max };
    let query =
        ChildSpec::worker("StandingQuery", Doorbell::new(), rhythm, move || StandingQuery::new(Arc::clone(&link)));
    Some(query.into())
}

/// Whether the shop's levels follow IFS.
fn keeps_stock(link: &Connection) -> bool {
    link.stock.settings().is_on()
}

/// The poller of the stock; under `mode = "observe"` too: what it plans can be looked at, and nothing is set.
fn poller_child(link: &Arc<Connection>, reconciler: Doorbell, writer: Doorbell) -> Option<Child> {
    if !keeps_stock(link) {
        return None;
    }
    let link = Arc::clone(link);
    // A remote that is down is no hurry: the shop keeps what it shows.
    let (interval, pause_first) = (Duration::from_secs(60), AFTER_FAILURE);
    let rhythm = Rhythm { interval, pause_first, pause_max: AFTER_FAILURES };
    let poller = ChildSpec::worker("InventoryPoller", Doorbell::new(), rhythm, move || InventoryPoller {
        link: Arc::clone(&link),
        reconciler: reconciler.clone(),
        writer: writer.clone(),
    });
    Some(poller.into())
}

/// The poller of prices, under `mode = "observe"` too. Where none follow IFS, it forgets what was planned while some did, and rests.
fn price_child(link: &Arc<Connection>, writer: Doorbell) -> Child {
    let link = Arc::clone(link);
    let is_off = targets(&link.prices).is_empty();
    let (interval, pause_first) = (Duration::from_secs(if is_off { 3_600 } else { 60 }), AFTER_FAILURE);
    let rhythm = Rhythm { interval, pause_first, pause_max: AFTER_FAILURES };
    let poller = ChildSpec::worker("PricePoller", Doorbell::new(), rhythm, move || PricePoller {
        link: Arc::clone(&link),
        writer: writer.clone(),
    });
    poller.into()
}

fn reconciler_child(link: &Arc<Connection>, mapper: Doorbell, bell: Doorbell) -> Option<Child> {
    let every = match (link.sweep.every(), link.census.days) {
        (None, 0) => return None,
        (every, _) => every.unwrap_or(CENSUS_LOOK),
    };
    let link = Arc::clone(link);
    // A shop that is down or refuses is not asked every second.
    let rhythm =
        Rhythm { pause_first: every.min(AFTER_FAILURE), pause_max: every.min(AFTER_FAILURES), ..Rhythm::every(every) };
    let reconciler = ChildSpec::worker("Reconciler", bell, rhythm, move || Reconciler {
        link: Arc::clone(&link),
        mapper: mapper.clone(),
        every,
    });
    Some(reconciler.into())
}
