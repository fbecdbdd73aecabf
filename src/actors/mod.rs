//! The supervision tree. Each actor is thin: a mailbox, a timer, one function of `flow`, a report.
//!
//! ```text
//! root
//!  ├─ Janitor               metrics of the tables
//!  ├─ ifs NAME              one for each tenant
//!  │   ├─ LeaseKeeper       who may write for it
//!  │   └─ TokenKeeper       its access token
//!  ├─ connection NAME       one for each connection
//!  │   ├─ OrderMapper       inbox -> desired documents
//!  │   ├─ IfsWriter         documents -> IFS
//!  │   ├─ ShopifyWriter     what the shop is told; only where the settings want it
//!  │   └─ StandingQuery     records in IFS with our key that no link explains
//!  └─ WebhookIngress        started last, stopped first
//! ```

pub mod ifs_writer;
pub mod janitor;
pub mod lease_keeper;
pub mod order_mapper;
pub mod shopify_writer;
pub mod standing_query;
pub mod token_keeper;
pub mod webhook_ingress;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::flow::{Connection, Mode, Tenant};
use crate::store::Store;
use crate::supervision::{Child, ChildSpec, Doorbell, Rhythm, Slot, TreeSpec};
use crate::telemetry::Metrics;

use ifs_writer::IfsWriter;
use janitor::Janitor;
use lease_keeper::LeaseKeeper;
use order_mapper::OrderMapper;
use shopify_writer::ShopifyWriter;
use standing_query::StandingQuery;
use token_keeper::TokenKeeper;
use webhook_ingress::WebhookIngress;

/// What the tree is made of.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// The recorder of metrics.
    pub metrics: Metrics,
    /// The tenants.
    pub tenants: Vec<Arc<Tenant>>,
    /// The connections.
    pub connections: Vec<Arc<Connection>>,
    /// Deliveries that may wait for their commit.
    pub queue_max: usize,
    /// How long a lease lasts.
    pub lease: Duration,
    /// Told when a lease is lost.
    pub lost: watch::Sender<bool>,
}

/// The tree as data, and the slot in which the ingress is found.
pub fn tree(parts: Parts) -> (TreeSpec, Slot<WebhookIngress>) {
    let Parts { store, clock, metrics, tenants, connections, queue_max, lease, lost } = parts;
    let mut children: Vec<Child> = vec![janitor_child(&store, &clock, &metrics)];
    for tenant in &tenants {
        children.push(tenant_child(tenant, &store, lease, &lost));
    }
    let mut mappers = HashMap::new();
    for link in &connections {
        let mapper = Doorbell::new();
        mappers.insert(link.name.as_str().to_owned(), mapper.clone());
        children.push(connection_child(link, mapper));
    }
    let slot = Slot::new();
    let mappers = Arc::new(mappers);
    let ingress = ChildSpec::actor("WebhookIngress", slot.clone(), move |guard| {
        WebhookIngress::new(store.clone(), Arc::clone(&mappers), queue_max, guard)
    });
    children.push(ingress.into());
    (TreeSpec::root(children), slot)
}

fn janitor_child(store: &Store, clock: &Clock, metrics: &Metrics) -> Child {
    let (store, clock, metrics) = (store.clone(), clock.clone(), metrics.clone());
    ChildSpec::worker("Janitor", Doorbell::new(), Rhythm::every(Duration::from_secs(15)), move || Janitor {
        store: store.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        seen: Mutex::default(),
        seen_strays: Mutex::default(),
    })
    .into()
}

fn tenant_child(tenant: &Arc<Tenant>, store: &Store, lasts: Duration, lost: &watch::Sender<bool>) -> Child {
    let lease = {
        let (tenant, store, lost) = (Arc::clone(tenant), store.clone(), lost.clone());
        let rhythm = Rhythm { pause_max: lasts / 3, ..Rhythm::every(lasts / 3) };
        ChildSpec::worker("LeaseKeeper", Doorbell::new(), rhythm, move || LeaseKeeper {
            tenant: Arc::clone(&tenant),
            store: store.clone(),
            lasts,
            lost: lost.clone(),
        })
    };
    let token = {
        let tenant = Arc::clone(tenant);
        ChildSpec::worker("TokenKeeper", Doorbell::new(), Rhythm::every(Duration::from_secs(3_600)), move || {
            TokenKeeper { tenant: Arc::clone(&tenant) }
        })
    };
    TreeSpec::subtree(format!("ifs {}", tenant.name), vec![lease.into(), token.into()]).into()
}

fn connection_child(link: &Arc<Connection>, mapper_bell: Doorbell) -> Child {
    let writer_bell = Doorbell::new();
    let mapper = {
        let (link, writer) = (Arc::clone(link), writer_bell.clone());
        ChildSpec::worker("OrderMapper", mapper_bell, Rhythm::every(Duration::from_secs(1)), move || OrderMapper {
            link: Arc::clone(&link),
            writer: writer.clone(),
        })
    };
    let mut children: Vec<Child> = vec![mapper.into()];
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
    if link.mode == Mode::Live && link.rules.writes_back() {
        let link = Arc::clone(link);
        let teller =
            ChildSpec::worker("ShopifyWriter", Doorbell::new(), Rhythm::every(Duration::from_secs(1)), move || {
                link.broke_off.store(true, Ordering::Release);
                ShopifyWriter { link: Arc::clone(&link) }
            });
        children.push(teller.into());
    }
    children.extend(standing_child(link));
    TreeSpec::subtree(format!("connection {}", link.name), children).into()
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
