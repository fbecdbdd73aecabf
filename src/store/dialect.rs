//! Where SQLite and PostgreSQL differ, and nowhere else: opening, locking, clocks, ignoring a conflict.

use std::collections::HashMap;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::{PgConnection, SqliteConnection, sql_query, sql_types};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::rows::NewInbox;
use super::{StoreError, schema};

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
                 PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 2000;"
            ),
            Db::Pg(_) => "SET synchronous_commit = on; SET TIME ZONE 'UTC'; SET lock_timeout = '10s'; \
                          SET idle_in_transaction_session_timeout = '60s'; SET statement_timeout = '30s';"
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

/// Runs `work` in a transaction that holds the write lock from its first statement on SQLite, so that it
/// never fails half-way for want of it.
pub(super) fn write<T>(
    db: &mut Db,
    durable: Durable,
    work: impl FnOnce(&mut Db) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    if matches!(db, Db::Lite(_)) {
        // Told before each transaction, as it cannot be told within one: the level of the last one must not stay.
        db.batch_execute(match durable {
            Durable::Now => "PRAGMA synchronous = FULL",
            Durable::WithTheNext => "PRAGMA synchronous = NORMAL",
        })?;
    }
    db.transaction(|db| {
        match (&mut *db, durable) {
            (Db::Lite(_), _) => sql_query("UPDATE leases SET owner = owner WHERE 0").execute(db).map(drop)?,
            (Db::Pg(pg), Durable::WithTheNext) => pg.batch_execute("SET LOCAL synchronous_commit = off")?,
            (Db::Pg(_), Durable::Now) => {}
        }
        work(db)
    })
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

/// Inserts deliveries unless equal ones stand, in their sequence; `None` for a duplicate. On PostgreSQL in one statement: what it costs
/// to make one ready is paid for once, and so is the way there and back.
pub(super) fn insert_deliveries(db: &mut Db, rows: &[NewInbox]) -> Result<Vec<Option<i64>>, StoreError> {
    if rows.len() == 1 || matches!(db, Db::Lite(_)) {
        return rows.iter().map(|row| insert_delivery(db, row)).collect();
    }
    let Db::Pg(pg) = db else { return Ok(Vec::new()) };
    let texts = |of: fn(&NewInbox) -> &str| rows.iter().map(of).collect::<Vec<_>>();
    let maybe = |of: fn(&NewInbox) -> &Option<String>| rows.iter().map(|row| of(row).as_deref()).collect::<Vec<_>>();
    let numbers = |of: fn(&NewInbox) -> i64| rows.iter().map(of).collect::<Vec<_>>();
    let stored: Vec<StoredRow> = sql_query(
        "INSERT INTO inbox (connection, topic, webhook_id, body_sha256, event_id, shop_domain, api_version, triggered_at, body, \
         received_at, trace_id, state, due_at, origin) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (connection, topic, webhook_id, body_sha256) DO NOTHING \
         RETURNING id, connection, topic, webhook_id, body_sha256",
    )
    .bind::<sql_types::Array<sql_types::Text>, _>(texts(|row| &row.connection))
    .bind::<sql_types::Array<sql_types::Text>, _>(texts(|row| &row.topic))
    .bind::<sql_types::Array<sql_types::Text>, _>(texts(|row| &row.webhook_id))
    .bind::<sql_types::Array<sql_types::Text>, _>(texts(|row| &row.body_sha256))
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Text>>, _>(maybe(|row| &row.event_id))
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Text>>, _>(maybe(|row| &row.shop_domain))
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Text>>, _>(maybe(|row| &row.api_version))
    .bind::<sql_types::Array<sql_types::Nullable<sql_types::Text>>, _>(maybe(|row| &row.triggered_at))
    .bind::<sql_types::Array<sql_types::Binary>, _>(rows.iter().map(|row| row.body.as_slice()).collect::<Vec<_>>())
    .bind::<sql_types::Array<sql_types::BigInt>, _>(numbers(|row| row.received_at))
    .bind::<sql_types::Array<sql_types::Text>, _>(texts(|row| &row.trace_id))
    .bind::<sql_types::Array<sql_types::Text>, _>(texts(|row| &row.state))
    .bind::<sql_types::Array<sql_types::BigInt>, _>(numbers(|row| row.due_at))
    .bind::<sql_types::Array<sql_types::Text>, _>(texts(|row| row.origin))
    .load(pg)?;
    // An equal one within the group is a duplicate as well: the first of them takes the row.
    let mut stored: HashMap<[String; 4], i64> =
        stored.into_iter().map(|row| ([row.connection, row.topic, row.webhook_id, row.body_sha256], row.id)).collect();
    let key = |row: &NewInbox| [&row.connection, &row.topic, &row.webhook_id, &row.body_sha256].map(Clone::clone);
    Ok(rows.iter().map(|row| stored.remove(&key(row))).collect())
}

/// What a row that was inserted beside others is known by.
#[derive(QueryableByName)]
struct StoredRow {
    #[diesel(sql_type = sql_types::BigInt)]
    id: i64,
    #[diesel(sql_type = sql_types::Text)]
    connection: String,
    #[diesel(sql_type = sql_types::Text)]
    topic: String,
    #[diesel(sql_type = sql_types::Text)]
    webhook_id: String,
    #[diesel(sql_type = sql_types::Text)]
    body_sha256: String,
}

/// What a writer may claim, in the very words of the partial index `documents_due`: SQLite uses one only where the
/// query repeats its condition, and a bound value repeats nothing.
pub(super) fn claimable() -> SqlLiteral<sql_types::Bool> {
    sql("documents.state IN ('planned', 'retry', 'unknown', 'held') AND documents.claim IS NULL")
}

/// Due now. A due time further away than any legal pause was set under a wall clock that has been corrected since.
pub(super) fn due(column: &'static str, now: i64) -> SqlLiteral<sql_types::Bool> {
    const HOUR_US: i64 = 3_600_000_000;
    sql(&format!("({column} <= {now} OR {column} > {})", now.saturating_add(HOUR_US)))
}

/// As [`due`], for documents: a hold may lie far ahead, and waits, unless its row was written by a clock that ran ahead of this
/// one.
pub(super) fn due_document(now: i64) -> SqlLiteral<sql_types::Bool> {
    const HOUR_US: i64 = 3_600_000_000;
    let far = now.saturating_add(HOUR_US);
    sql(&format!(
        "(documents.due_at <= {now} OR (documents.due_at > {far} AND (documents.state <> 'held' OR documents.updated_at > {now})))"
    ))
}

/// The ids of claimable documents, locked so that another claimer passes them by (`SKIP LOCKED`).
pub(super) fn lock_due(
    db: &mut Db,
    name: &str,
    kinds: &[&'static str],
    now: i64,
    limit: i64,
) -> Result<Vec<i64>, StoreError> {
    use schema::documents::dsl::{connection, documents, due_at, id, kind};
    let due = documents
        .select(id)
        .filter(connection.eq(name))
        .filter(kind.eq_any(kinds))
        .filter(claimable())
        .filter(due_document(now))
        .order((due_at, id))
        .limit(limit);
    let ids = match db {
        Db::Lite(lite) => due.load(lite)?,
        Db::Pg(pg) => due.for_update().skip_locked().load(pg)?,
    };
    Ok(ids)
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
