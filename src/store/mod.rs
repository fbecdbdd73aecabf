//! The durable store: the only place that knows diesel. `Store` hides SQLite and PostgreSQL behind verbs
//! of the domain; each verb is one transaction, and none is open while a remote is called.

mod awaited;
mod books;
mod census;
mod checkpoint;
mod convergence;
mod credentials;
mod customers;
mod deletions;
mod deliveries;
mod dialect;
mod documents;
mod due;
mod find;
mod follow_ups;
mod group;
mod heard;
mod hints;
mod inbox_view;
mod intents;
#[cfg(any(debug_assertions, feature = "failpoints"))]
mod keeper;
mod key_standing;
mod known;
mod leases;
mod mapped;
mod operate;
mod remap;
mod rows;
mod schedule;
pub mod schema;
mod shown;
mod snapshots;
mod steps;
mod stock_calls;
mod stock_counts;
mod stock_levels;
mod stock_orders;
mod stock_outs;
mod stock_parts;
mod stock_pools;
mod stock_price_acts;
mod stock_prices;
mod stock_products;
mod stock_readings;
mod stock_unplanned;
mod stock_waits;
mod stock_weighing;
mod strays;
mod take_over;
mod wakes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::{ConnectionManager, Pool};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::domain::document::IllegalMove;

pub use books::KnownOrder;
pub use census::{CensusDay, PlacedOrder};
pub use credentials::{Credential, CredentialRow};
pub use customers::{CustomerLink, CustomerStanding, CustomerWish};
pub use deliveries::{Blame, Delivery, InboxState, Origin, Received, Stored};
pub use dialect::Backend;
pub use documents::{Attempt, DocumentFilter, DocumentRow, Reason, StateCount};
pub use follow_ups::Beside;
pub use hints::{Cursor, Hint, HintPage, Taken};
pub use inbox_view::{DeliveryFilter, DeliveryView, InboxCounts};
pub use intents::{Intent, IntentKind, NewIntent, Watch};
#[cfg(any(debug_assertions, feature = "failpoints"))]
pub use keeper::{Keeper, Passage};
pub use key_standing::{KeyDocument, KeyStanding};
pub use known::Known;
pub use leases::{Lease, LeaseState, LeaseView, Takeover};
pub use mapped::{Mapped, SnapshotChange, Wish};
pub use operate::{Anew, HELD_TOO_LONG};
pub use remap::UnderOtherRules;
pub use schedule::{Run, RunEnd, RunOutcome};
pub use snapshots::Snapshot;
pub use steps::{Awaited, Claimed, FollowUp, JudgedAnew, Link, NOTED, Progress, Settle, Settled};
pub use stock_calls::{CallEnd, CallLevel, LevelFate, StockCall};
pub use stock_counts::StockCount;
pub use stock_levels::{LevelFilter, LevelOutcome, LevelPlan, LevelRow, LevelState, StaleLevel};
pub use stock_orders::{OpenOrder, OrderDocument, OrderUnits, UnweighedOrder, WeighedOrder, WrittenUnits};
pub use stock_outs::{StockOut, StockOutFilter};
pub use stock_parts::{PartFigures, PartReading, SalesPart, StockPart};
pub use stock_pools::{PartCoverage, StockPool, StockVariant};
pub use stock_price_acts::{RefusedPrice, SettledPrices};
pub use stock_prices::{KnownPrice, PriceFilter, PriceOutcome, PricePlan, PriceRow};
pub use stock_readings::{GoneStock, LevelsTold, ReadLevel, ReadVariant, StockReading};
pub use stock_weighing::WritesEnded;
pub use strays::{Ended, Sighting, Stray, StrayCount, StrayRow};
pub use wakes::{Listening, WakeUp};

use checkpoint::Checkpoints;
use dialect::{Db, Durable};

/// The longest wait for one answer, the wait at the door included. The server itself gives up a statement after 30 s.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(45);
/// The longest wait of a probe.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(4);

/// What went wrong in the store, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The configured URL names no database that we know.
    #[error("database.url is neither `sqlite:FILE` nor `postgres://…`")]
    BadUrl,
    /// No connection could be had in time; try again later.
    #[error("the database cannot be reached")]
    Pool(#[source] diesel::r2d2::PoolError),
    /// The database refused or lost a statement.
    #[error("the database failed: {}", brief(.0))]
    Query(#[from] diesel::result::Error),
    /// Migrations could not be read or applied.
    #[error("the migrations failed")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database lacks migrations that this binary needs.
    #[error("the database lacks {count} migration(s): run `ml-connector migrate`")]
    NotMigrated {
        /// How many are missing.
        count: usize,
    },
    /// Another owner holds the lease: nothing was changed.
    #[error("the lease is held by a newer owner: nothing was changed")]
    Fenced,
    /// The row changed since it was read: nothing was changed; read again.
    #[error("the row changed since it was read: nothing was changed")]
    Stale,
    /// Another document is linked to that record already.
    #[error("another document is linked to that IFS order already")]
    Taken,
    /// The domain forbids the move.
    #[error(transparent)]
    Illegal(#[from] IllegalMove),
    /// A person asked for something that the row's standing forbids.
    #[error("{0}")]
    Refused(&'static str),
    /// A stored value does not decode: another binary wrote it, or the row was changed by hand.
    #[error("{table}.{column} holds a value that this version does not know")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The blocking task ended without an answer.
    #[error("the database task was cut off")]
    CutOff,
}

/// diesel's message may quote a row's values; its kind may not.
fn brief(error: &diesel::result::Error) -> String {
    use diesel::result::Error;
    match error {
        Error::DatabaseError(kind, info) => match info.constraint_name() {
            Some(constraint) => format!("{kind:?} on {constraint}"),
            None => format!("{kind:?}"),
        },
        Error::NotFound => "no such row".to_owned(),
        other => other.to_string().chars().take(120).collect(),
    }
}

impl StoreError {
    /// Whether the same call may succeed later without anybody's help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Pool(_) | Self::CutOff)
    }
}

struct Inner {
    pool: Pool<ConnectionManager<Db>>,
    backend: Backend,
    /// What diesel opens: it may hold a password.
    target: String,
    connections: Semaphore,
    writers: Semaphore,
    checkpoints: Checkpoints,
    #[cfg(any(debug_assertions, feature = "failpoints"))]
    keeper: std::sync::OnceLock<Keeper>,
}

/// The door to the database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("backend", &self.inner.backend).finish_non_exhaustive()
    }
}

impl Store {
    /// Prepares the pool for `url` with at most `pool_size` connections; connects when first used.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] for another scheme, [`StoreError::Pool`] when the pool can't be made.
    pub fn open(url: &str, pool_size: u32) -> Result<Self, StoreError> {
        let (backend, target) = dialect::parse_url(url)?;
        let pool_size = pool_size.max(2);
        let pool = dialect::open_pool(&target, pool_size, Duration::from_secs(3))?;
        let size = usize::try_from(pool_size).unwrap_or(2);
        // SQLite has one writer: queueing here is cheaper and fairer than its busy handler.
        let writers = match backend {
            Backend::Sqlite => 1,
            Backend::Postgres => size,
        };
        let inner = Inner {
            pool,
            backend,
            target,
            connections: Semaphore::new(size),
            writers: Semaphore::new(writers),
            checkpoints: Checkpoints::default(),
            #[cfg(any(debug_assertions, feature = "failpoints"))]
            keeper: std::sync::OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Which database it is.
    pub fn backend(&self) -> Backend {
        self.inner.backend
    }

    /// Applies the migrations that are missing; returns their names.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn migrate(&self) -> Result<Vec<String>, StoreError> {
        // No time-out: it may take as long as it takes, and whoever waits is a person or an init container.
        let pool = self.inner.pool.clone();
        let work = move || {
            let mut db = pool.get().map_err(StoreError::Pool)?;
            dialect::migrate(&mut db)
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::CutOff)?
    }

    /// The names of the migrations that are missing.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        self.run(dialect::pending).await
    }

    /// Fails unless every migration is applied.
    ///
    /// # Errors
    /// [`StoreError::NotMigrated`] when some are missing.
    pub async fn require_migrated(&self) -> Result<(), StoreError> {
        match self.pending_migrations().await?.len() {
            0 => Ok(()),
            count => Err(StoreError::NotMigrated { count }),
        }
    }

    /// Whether the database answers now.
    pub async fn is_reachable(&self) -> bool {
        matches!(timeout(PROBE_WAIT_MAX, self.run(dialect::clock_micros)).await, Ok(Ok(_)))
    }

    /// How large the database is, bytes.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn size_bytes(&self) -> Result<u64, StoreError> {
        let bytes = self.run(dialect::size_bytes).await?;
        Ok(u64::try_from(bytes).unwrap_or_default())
    }

    /// Runs blocking work that only reads.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.through(Door::Readers, work).await
    }

    /// Runs blocking work in one write transaction: all of it or nothing.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.through(Door::Writers, move |db| dialect::write(db, Durable::Now, work)).await
    }

    /// Runs blocking work that is one statement, and by that a transaction: all of it or nothing, on the disk before it is answered.
    async fn write_in_one<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.through(Door::Writers, work).await
    }

    /// The same as [`write`](Self::write), but on the disk only with the next transaction that must be: for what nobody outside has heard of before one. Should the
    /// database's machine die first, it is as if the work had not been done yet, and it is done again.
    async fn write_ahead<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.through(Door::Writers, move |db| dialect::write(db, Durable::WithTheNext, work)).await
    }

    /// The same, if `anything` is there to do: that is looked at before a transaction begins.
    async fn write_ahead_if<T: Send + 'static>(
        &self,
        anything: impl FnOnce(&mut Db) -> Result<bool, StoreError> + Send + 'static,
        work: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        self.through(Door::Writers, move |db| {
            if anything(db)? { dialect::write(db, Durable::WithTheNext, work).map(Some) } else { Ok(None) }
        })
        .await
    }

    /// Waits at the door in a task of its own: a caller that is not polled for a while must not keep a place that it was
    /// given, and one that is dropped must not leave half of its work. Nor is a server waited for that never answers: what it was asked
    /// may have been done or not, as after a crash.
    async fn through<T: Send + 'static>(
        &self,
        door: Door,
        work: impl FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        #[cfg(any(debug_assertions, feature = "failpoints"))]
        self.meets_keeper(Passage::Enters(door)).await?;
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let _writer = match door {
                Door::Readers => None,
                Door::Writers => Some(inner.writers.acquire().await.map_err(|_| StoreError::CutOff)?),
            };
            let _connection = inner.connections.acquire().await.map_err(|_| StoreError::CutOff)?;
            let pool = inner.pool.clone();
            let blocking = tokio::task::spawn_blocking(move || {
                let mut db = pool.get().map_err(StoreError::Pool)?;
                work(&mut db)
            });
            let done = blocking.await.map_err(|_| StoreError::CutOff)?;
            if inner.backend == Backend::Sqlite {
                checkpoint::after(&inner, door);
            }
            done
        });
        let done =
            timeout(ANSWER_WAIT_MAX, task).await.map_err(|_| StoreError::CutOff)?.map_err(|_| StoreError::CutOff)?;
        #[cfg(any(debug_assertions, feature = "failpoints"))]
        if done.is_ok() {
            self.meets_keeper(Passage::Leaves(door)).await?;
        }
        done
    }
}

/// Which way blocking work goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// It only reads.
    Readers,
    /// It writes.
    Writers,
}
