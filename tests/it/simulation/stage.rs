//! What a run plays on: a world whose clocks the run drives, and the generations of owners of its one tenant.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ml_connector::cli::demo_settings::Manner;
use ml_connector::clock::{Clock, Tick};
use ml_connector::flow::{Births, Connection, Losses, Tenant, Watches};
use ml_connector::store::{LeaseState, StoreError, Takeover};
use tokio::sync::Notify;

use crate::support::database::Database;
use crate::support::world::{Setup, World};

/// How long IFS may work on one statement; it keeps to it.
pub const WAIT: Duration = Duration::from_secs(30);

/// One owner: what a process would hold in memory.
pub struct Owner {
    pub number: u64,
    pub link: Arc<Connection>,
}

/// World, clocks and owners.
pub struct Stage {
    pub world: World,
    pub clock: Clock,
    /// What the clock showed at the start.
    start: Timestamp,
    begun: Tick,
    /// Whether an order takes more than one change set.
    pub small: bool,
    /// The owner that took over last.
    pub owner: Arc<Owner>,
}

impl Stage {
    pub async fn set(seed: u64, manner: Manner, database: Database) -> Self {
        // Small change sets in every fourth run: an order's header goes first then, and its rows follow one by one.
        let small = ("test_tenant = true", "test_tenant = true\nbatch_parts_max = 4");
        let is_small = seed % 4 == 1;
        let edits = if is_small { vec![small] } else { Vec::new() };
        let setup = Setup { wait: Some(WAIT), manner, seed: Some(seed), edits, ..Setup::default() };
        Self { small: is_small, ..Self::of(seed, setup, database).await }
    }

    /// A stage of another setup.
    pub async fn of(seed: u64, setup: Setup, database: Database) -> Self {
        // The start is the seed's too; any noon does.
        let start: Timestamp = "2026-11-02T12:00:00Z".parse().expect("a literal timestamp");
        let start =
            start.checked_add(SignedDuration::from_hours(i64::try_from(seed % 1_000).expect("small"))).expect("near");
        let world = World::new(database, setup).await;
        let clock = Clock::simulated(start, seed);
        world.sandbox.clock().stand_still(start);
        // Points never run out: what waits for them waits by the machine's time. THROTTLED is a fault of its own.
        world.shop().set_cost_bucket(10_000_000, 1_000_000);
        let steps = world.steps(&clock).await;
        let begun = clock.monotonic();
        let owner = Arc::new(Owner { number: 0, link: Arc::clone(&steps.links[0]) });
        Self { world, clock, start, begun, small: false, owner }
    }

    /// The true time: a wall clock that jumps is the service's alone.
    pub fn true_time(&self) -> Timestamp {
        self.start.checked_add(self.elapsed()).expect("near")
    }

    fn elapsed(&self) -> Duration {
        self.clock.monotonic() - self.begun
    }

    /// The remotes' clock is never wrong.
    pub fn set_remotes_clock(&self) {
        self.world.sandbox.clock().stand_still(self.true_time());
    }

    /// A new owner takes over, as a start of the service does. The one before does not notice.
    pub async fn take_over(&mut self) {
        let old = &self.owner.link;
        let number = self.owner.number + 1;
        let store = &old.store;
        let name = old.tenant.lease.name.clone();
        let lasts = Duration::from_secs(15);
        let taken = store.acquire_lease(name, format!("owner-{number}"), lasts, Takeover::Proven).await;
        let Ok(LeaseState::Ours(lease)) = taken else { panic!("the lease is taken: {taken:?}") };
        let tenant = Arc::new(Tenant {
            name: old.tenant.name.clone(),
            ifs: old.tenant.ifs.clone(),
            limits: old.tenant.limits.clone(),
            lease,
            tenure: old.tenant.tenure.clone(),
            connections: old.tenant.connections.clone(),
            sites_read: old.tenant.sites_read.clone(),
            births: Births::default(),
            losses: Losses::default(),
        });
        let link = Connection {
            name: old.name.clone(),
            tenant,
            shopify: old.shopify.clone(),
            subscriptions: None,
            rules: old.rules.clone(),
            mode: old.mode,
            sweep: old.sweep.clone(),
            census: old.census.clone(),
            stock: old.stock.clone(),
            prices: old.prices.clone(),
            secret_use: old.secret_use,
            store: store.clone(),
            clock: old.clock.clone(),
            retry: old.retry,
            standing: old.standing,
            watches: Watches::default(),
            work: Notify::new(),
            broke_off: AtomicBool::new(false),
            stopping: Arc::clone(&old.stopping),
        };
        free(&link).await.expect("takes over");
        self.owner = Arc::new(Owner { number, link: Arc::new(link) });
    }
}

/// Frees what nobody works on any more, as a start does and as a writer does after a step that broke off.
pub async fn free(link: &Connection) -> Result<usize, StoreError> {
    let tenant = &link.tenant;
    let (names, limit) = (vec![link.name.clone()], tenant.limits.request_timeout);
    link.store.take_over(&tenant.lease, names, limit, link.clock.now()).await
}

/// The same before a writer's step, where a step before it broke off.
pub async fn recover(link: &Connection) -> Result<(), StoreError> {
    if link.broke_off.swap(false, Ordering::AcqRel) {
        free(link).await.inspect_err(|_| link.broke_off.store(true, Ordering::Release))?;
    }
    Ok(())
}

/// An SQLite file in memory, where the machine has such a folder: the same code and pragmas, and a sync that costs nothing.
pub fn in_memory() -> Database {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { Database::sqlite_in(memory) } else { Database::sqlite() }
}
