//! Where SQLite and PostgreSQL differ, and nowhere else: opening, locking, clocks, ignoring a conflict.

use std::collections::HashMap;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::{PgConnection, SqliteConnection, sql_query, sql_types};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::documents::Raw;
use super::due::{claimable, due_document, of_kinds};
use super::group::Group;
use super::rows::NewInbox;
use super::{StoreError, schema};
use crate::domain::document::DocumentKind;

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// How long a writer waits for another process's write on SQLite, in milliseconds.
const BUSY_TIMEOUT_MS: u32 = 5_000;

/// One connection to either database; diesel chooses the SQL by its variant.
#[derive(diesel::MultiConnection)]
pub(super) enum Db {
    /// PostgreSQL 14 or later.
    Pg(PgConnection),
    /// The embedded SQLite.
    Lite(SqliteConnection),
}

/// Which database a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// `sqlite:FILE`
    Sqlite,
    /// `postgres://…`
    Postgres,
}

/// Splits a database URL into the backend and what diesel opens.
pub(super) fn parse_url(url: &str) -> Result<(Backend, String), StoreError> {
    if let Some(file) = url.strip_prefix("sqlite:") {
        let file = file.strip_prefix("//").unwrap_or(file);
        if !file.is_empty() && file != ":memory:" {
            return Ok((Backend::Sqlite, file.to_owned()));
        }
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok((Backend::Postgres, with_timeouts(url)));
    }
    Err(StoreError::BadUrl)
}

/// A server that is silently gone must not hold a connection for minutes; what the URL itself says stays. `tcp_user_timeout` ends what
/// waits to be acknowledged, keepalives what waits for an answer after that.
fn with_timeouts(url: &str) -> String {
    let mut url = url.to_owned();
    for (name, value) in [
        ("connect_timeout", "5"),
        ("tcp_user_timeout", "15000"),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "5"),
        ("keepalives_count", "2"),
    ] {
        if !url.contains(name) {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&format!("{name}={value}"));
        }
    }
    url
}

#[derive(Debug)]
struct Pragmas;

impl CustomizeConnection<Db, diesel::r2d2::Error> for Pragmas {
    fn on_acquire(&self, db: &mut Db) -> Result<(), diesel::r2d2::Error> {
        let settings = match db {
            Db::Lite(_) => format!(
                "PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 8000;"
            ),
            Db::Pg(_) => "SET synchronous_commit = on; SET TIME ZONE 'UTC'; SET lock_timeout = '10s'; \
                          SET idle_in_transaction_session_timeout = '60s'; SET statement_timeout = '30s'; SET jit = off; \
                          SELECT set_config('default_toast_compression', 'lz4', false) FROM pg_settings \
                          WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals);"
                .to_owned(),
        };
        db.batch_execute(&settings).map_err(diesel::r2d2::Error::QueryError)
    }
}

/// Opens the pool. The database must be reachable within `timeout`, else the caller tries again later.
pub(super) fn open_pool(target: &str, size: u32, timeout: Duration) -> Result<Pool<ConnectionManager<Db>>, StoreError> {
    Pool::builder()
        .max_size(size)
        .min_idle(Some(0))
        .connection_timeout(timeout)
        .test_on_check_out(false)
        .connection_customizer(Box::new(Pragmas))
        .build(ConnectionManager::<Db>::new(target))
        .map_err(StoreError::Pool)
}

/// When a transaction must be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    /// Before its commit is answered.
    Now,
    /// With the next one that is durable now: both databases keep one log, and what stands earlier in it is never lost alone.
    WithTheNext,
}

/// Runs `work` in a transaction that holds the write lock from its beginning on SQLite, so that it never fails half-way for want of it.
pub(super) fn write<T>(
    db: &mut Db,
    durable: Durable,
    work: impl FnOnce(&mut Db) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    begin(db, durable)?;
    match work(db) {
        Ok(done) => {
            Transactions::commit_transaction(db)?;
            Ok(done)
        }
        Err(error) => match Transactions::rollback_transaction(db) {
            Ok(()) | Err(diesel::result::Error::BrokenTransactionManager) => Err(error),
            Err(unsound) => Err(unsound.into()),
        },
    }
}

type Transactions = <Db as Connection>::TransactionManager;

/// Begins a transaction and says when it must be on the disk, in one way to the database and back.
fn begin(db: &mut Db, durable: Durable) -> QueryResult<()> {
    match (db, durable) {
        // Told before each transaction, as it cannot be told within one: the level of the last one must not stay.
        (Db::Lite(lite), Durable::Now) => {
            AnsiTransactionManager::begin_transaction_sql(lite, "PRAGMA synchronous = FULL; BEGIN IMMEDIATE")
        }
        (Db::Lite(lite), Durable::WithTheNext) => {
            AnsiTransactionManager::begin_transaction_sql(lite, "PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE")
        }
        (Db::Pg(pg), Durable::Now) => AnsiTransactionManager::begin_transaction_sql(pg, "BEGIN"),
        (Db::Pg(pg), Durable::WithTheNext) => {
            AnsiTransactionManager::begin_transaction_sql(pg, "BEGIN; SET LOCAL synchronous_commit = off")
        }
    }
}

/// Applies what is missing, in order; returns the names applied. Several replicas that start at once go one after the other.
pub(super) fn migrate(db: &mut Db) -> Result<Vec<String>, StoreError> {
    /// Any number that nobody else locks in this database.
    const MIGRATING: i64 = 0x6d6c_636f_6e6e;
    if let Db::Pg(pg) = db {
        sql_query("SELECT pg_advisory_lock($1)").bind::<sql_types::BigInt, _>(MIGRATING).execute(pg)?;
    }
    let applied = apply_missing(db);
    if let Db::Pg(pg) = db {
        // One that failed may have broken the session, and the lock with it.
        let unlocked = sql_query("SELECT pg_advisory_unlock($1)").bind::<sql_types::BigInt, _>(MIGRATING).execute(pg);
        if applied.is_ok() {
            unlocked?;
        }
    }
    applied
}

fn apply_missing(db: &mut Db) -> Result<Vec<String>, StoreError> {
    let applied = match db {
        Db::Lite(lite) => lite.run_pending_migrations(SQLITE_MIGRATIONS).map(names),
        Db::Pg(pg) => pg.run_pending_migrations(POSTGRES_MIGRATIONS).map(names),
    };
    applied.map_err(StoreError::Migration)
}

/// The names of migrations that this binary knows and the database lacks.
pub(super) fn pending(db: &mut Db) -> Result<Vec<String>, StoreError> {
    let pending = match db {
        Db::Lite(lite) => {
            lite.pending_migrations(SQLITE_MIGRATIONS).map(|all| all.iter().map(|one| one.name().to_string()).collect())
        }
        Db::Pg(pg) => {
            pg.pending_migrations(POSTGRES_MIGRATIONS).map(|all| all.iter().map(|one| one.name().to_string()).collect())
        }
    };
    pending.map_err(StoreError::Migration)
}

fn names(versions: Vec<diesel::migration::MigrationVersion<'_>>) -> Vec<String> {
    versions.iter().map(ToString::to_string).collect()
}

/// Inserts a delivery unless an equal one stands; `None` for a duplicate.
pub(super) fn insert_delivery(db: &mut Db, row: &NewInbox) -> Result<Option<i64>, StoreError> {
    use schema::inbox::dsl::{body_sha256, connection, id, inbox, topic, webhook_id};
    let conflict = (connection, topic, webhook_id, body_sha256);
    let stored = match db {
        Db::Lite(lite) => diesel::insert_into(inbox)
            .values(row)
            .on_conflict(conflict)
            .do_nothing()
            .returning(id)
            .get_result::<i64>(lite)
            .optional()?,
        Db::Pg(pg) => diesel::insert_into(inbox)
            .values(row)
            .on_conflict(conflict)
            .do_nothing()
            .returning(id)
            .get_result::<i64>(pg)
            .optional()?,
    };
    Ok(stored)
}

/// Whether [`insert_deliveries`] is one statement there, which is a transaction by itself.
pub(super) fn is_one_statement(backend: Backend) -> bool {
    backend == Backend::Postgres
}

/// Inserts deliveries unless equal ones stand, in their sequence; `None` for a duplicate. On PostgreSQL in one statement: what it costs
/// to make one ready is paid for once, and so is the way there and back.
pub(super) fn insert_deliveries(db: &mut Db, rows: &[NewInbox]) -> Result<Vec<Option<i64>>, StoreError> {
    if rows.len() == 1 || matches!(db, Db::Lite(_)) {
        return rows.iter().map(|row| insert_delivery(db, row)).collect();
    }
    let Db::Pg(pg) = db else { return Ok(Vec::new()) };
    let stored: Vec<(i64, String, String, String, String)> = Group::of(rows).load(pg)?;
    // An equal one within the group is a duplicate as well: the first of them takes the row.
    let mut stored: HashMap<[String; 4], i64> =
        stored.into_iter().map(|(id, connection, topic, hook, body)| ([connection, topic, hook, body], id)).collect();
    let key = |row: &NewInbox| [&row.connection, &row.topic, &row.webhook_id, &row.body_sha256].map(Clone::clone);
    Ok(rows.iter().map(|row| stored.remove(&key(row))).collect())
}

/// Claimable documents, oldest first, locked so that another claimer passes them by (`SKIP LOCKED`).
pub(super) fn lock_due(
    db: &mut Db,
    name: &str,
    kinds: &[DocumentKind],
    now: i64,
    limit: i64,
) -> Result<Vec<Raw>, StoreError> {
    use schema::documents::dsl::{connection, documents, due_at, id};
    let due = documents
        .filter(connection.eq(name))
        .filter(of_kinds(kinds))
        .filter(claimable())
        .filter(due_document(now))
        .order((due_at, id))
        .limit(limit);
    Ok(match db {
        Db::Lite(lite) => due.select(Raw::as_select()).load(lite)?,
        Db::Pg(pg) => due.select(Raw::as_select()).for_update().skip_locked().load(pg)?,
    })
}

/// Locks a document's row until the transaction ends, so that what is read of it still holds when it is changed.
///
/// Invariant: a transaction that locks several rows takes the lease first, then the order's snapshot, then documents: customers,
/// orders, write-backs (the order of their words), and those of one kind by their ids. So no two wait for each other. `lock_due`
/// alone takes them as they come: it waits for none.
pub(super) fn lock_document(db: &mut Db, document: i64) -> Result<(), StoreError> {
    use schema::documents::dsl::{documents, id};
    if let Db::Pg(pg) = db {
        documents.filter(id.eq(document)).select(id).for_update().first::<i64>(pg).optional()?;
    }
    Ok(())
}

/// The same, read once it is locked.
pub(super) fn locked_document(db: &mut Db, document: i64) -> Result<Option<Raw>, StoreError> {
    use schema::documents::dsl::{documents, id};
    let row = documents.filter(id.eq(document));
    Ok(match db {
        Db::Lite(lite) => row.select(Raw::as_select()).first(lite).optional()?,
        Db::Pg(pg) => row.select(Raw::as_select()).for_update().first(pg).optional()?,
    })
}

/// Takes a row lock on the lease until the transaction ends (SQLite's write lock does as much).
pub(super) fn lock_lease(db: &mut Db, name: &str) -> Result<(), StoreError> {
    if matches!(db, Db::Pg(_)) {
        sql_query("SELECT 1 FROM leases WHERE name = $1 FOR UPDATE").bind::<sql_types::Text, _>(name).execute(db)?;
    }
    Ok(())
}

/// Owner and generation of a lease, under a shared lock, so that it can't change hands before the settle commits: who waited for the
/// lock reads what its holder left. A renewal passes it by: its update of the row is no change of its key, and a stream of settles must
/// not starve it.
pub(super) fn share_lease(db: &mut Db, lease: &str) -> Result<Option<(String, i64)>, StoreError> {
    use schema::leases::dsl::{generation, leases, name, owner};
    let held = leases.filter(name.eq(lease)).select((owner, generation));
    Ok(match db {
        Db::Lite(lite) => held.first(lite).optional()?,
        Db::Pg(pg) => held.for_key_share().first(pg).optional()?,
    })
}

/// The beginning of a statement over many rows at once: its first bind is a connection, its second a JSON list of objects, and `told` has
/// each of them as `value` beside the `connection`. One statement for hundreds of rows is one way to the database and back.
///
/// Laid down first, and with the connection in it: else SQLite walks through all rows of the connection, and through the list for each.
pub(super) fn told(db: &Db) -> &'static str {
    match db {
        Db::Lite(_) => "WITH told AS MATERIALIZED (SELECT $1 AS connection, value FROM json_each($2)) ",
        Db::Pg(_) => {
            "WITH told AS MATERIALIZED (SELECT CAST($1 AS text) AS connection, value \
             FROM jsonb_array_elements(CAST($2 AS jsonb))) "
        }
    }
}

/// Where replicas tell each other that there is work.
const CHANNEL: &str = "ml_connector_wake";

/// Tells every listener on commit; nothing on SQLite, which has none.
pub(super) fn notify(db: &mut Db, payload: &str) -> Result<(), StoreError> {
    if let Db::Pg(pg) = db {
        sql_query("SELECT pg_notify($1, $2)")
            .bind::<sql_types::Text, _>(CHANNEL)
            .bind::<sql_types::Text, _>(payload)
            .execute(pg)?;
    }
    Ok(())
}

/// A connection that listens.
pub(super) struct Ear(PgConnection);

impl Ear {
    /// Connects and listens; none while that cannot be.
    pub(super) fn open(url: &str) -> Option<Self> {
        let mut pg = PgConnection::establish(url).ok()?;
        pg.batch_execute(&format!("SET statement_timeout = '5s'; LISTEN {CHANNEL}")).ok()?;
        Some(Self(pg))
    }

    /// What was told since the last time.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) fn take(&mut self) -> Result<Vec<String>, StoreError> {
        self.0.notifications_iter().map(|told| Ok(told?.payload)).collect()
    }

    /// Whether the server still answers.
    pub(super) fn stands(&mut self) -> bool {
        sql_query("SELECT 1").execute(&mut self.0).is_ok()
    }
}

#[derive(QueryableByName)]
struct ClockRow {
    #[diesel(sql_type = sql_types::BigInt)]
    micros: i64,
}

/// The database's clock, UTC microseconds: leases live by it alone.
pub(super) fn clock_micros(db: &mut Db) -> Result<i64, StoreError> {
    let sql = match db {
        Db::Lite(_) => "SELECT CAST((julianday('now') - 2440587.5) * 86400000.0 AS BIGINT) * 1000 AS micros",
        Db::Pg(_) => "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS micros",
    };
    Ok(sql_query(sql).get_result::<ClockRow>(db)?.micros)
}

#[derive(QueryableByName)]
struct SizeRow {
    #[diesel(sql_type = sql_types::BigInt)]
    bytes: i64,
}

/// How large the database is, bytes; of SQLite without its log.
pub(super) fn size_bytes(db: &mut Db) -> Result<i64, StoreError> {
    let sql = match db {
        Db::Lite(_) => "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
        Db::Pg(_) => "SELECT pg_database_size(current_database()) AS bytes",
    };
    Ok(sql_query(sql).get_result::<SizeRow>(db)?.bytes)
}
