//! `schedule_runs`: what ran on a schedule, when, how it ended and what it saw. Written by the owner of the tenant alone.

use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect::Db;
use super::leases::{self, Lease};
use super::rows::{instant, micros};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// It did what it was there for.
    Done,
    /// It could not; the message says why.
    Failed,
    /// The process ended, or lost the tenant, before it did.
    BrokeOff,
}

impl RunOutcome {
    /// The word stored in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::BrokeOff => "broke_off",
        }
    }
}

/// The end of a run.
#[derive(Debug, Clone)]
pub struct RunEnd {
    /// How it ended.
    pub outcome: RunOutcome,
    /// Why it failed.
    pub message: Option<String>,
    /// What it saw, as JSON text.
    pub figures: String,
}

/// A run as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its number: runs that began later have greater ones, whatever the clock says.
    pub id: i64,
    /// The connection.
    pub connection: String,
    /// What ran, such as `sweep`.
    pub what: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<Timestamp>,
    /// The word for how it ended.
    pub outcome: Option<String>,
    /// Why it failed.
    pub message: Option<String>,
    /// What it saw, as JSON text.
    pub figures: String,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::schedule_runs)]
struct Raw {
    id: i64,
    connection: String,
    what: String,
    started_at: i64,
    ended_at: Option<i64>,
    outcome: Option<String>,
    message: Option<String>,
    figures: String,
}

impl From<Raw> for Run {
    fn from(raw: Raw) -> Self {
        Self {
            id: raw.id,
            connection: raw.connection,
            what: raw.what,
            started_at: instant(raw.started_at),
            ended_at: raw.ended_at.map(instant),
            outcome: raw.outcome,
            message: raw.message,
            figures: raw.figures,
        }
    }
}

impl Store {
    /// Begins a run and gives its number. One that never ended is told as broken off.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn begin_run(
        &self,
        lease: &Lease,
        connection: &ConnectionName,
        what: &'static str,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        self.resume_run(lease, connection, what, (now, now)).await
    }

    /// Begins a run, or goes on with one that has failed, under a number of its own either way; told with when it began, which may be long
    /// ago: it is none of those that were asked for since.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn resume_run(
        &self,
        lease: &Lease,
        connection: &ConnectionName,
        what: &'static str,
        (began, now): (Timestamp, Timestamp),
    ) -> Result<i64, StoreError> {
        use schema::schedule_runs::dsl;
        let (lease, connection) = (lease.clone(), connection.as_str().to_owned());
        let (began, now) = (micros(began), micros(now));
        self.write(move |db| {
            leases::hold(db, &lease)?;
            diesel::update(dsl::schedule_runs)
                .filter(dsl::connection.eq(&connection))
                .filter(dsl::what.eq(what))
                .filter(dsl::outcome.is_null())
                .set((dsl::outcome.eq(RunOutcome::BrokeOff.as_str()), dsl::ended_at.eq(now)))
                .execute(db)?;
            let run =
                (dsl::connection.eq(&connection), dsl::what.eq(what), dsl::started_at.eq(began), dsl::figures.eq("{}"));
            Ok(diesel::insert_into(dsl::schedule_runs).values(run).returning(dsl::id).get_result(db)?)
        })
        .await
    }

    /// Ends a run, unless a later owner has told it as broken off.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn end_run(&self, run: i64, end: RunEnd, now: Timestamp) -> Result<(), StoreError> {
        use schema::schedule_runs::dsl;
        self.write(move |db| {
            diesel::update(dsl::schedule_runs.filter(dsl::id.eq(run)))
                .filter(dsl::outcome.is_null())
                .set((
                    dsl::ended_at.eq(micros(now)),
                    dsl::outcome.eq(end.outcome.as_str()),
                    dsl::message.eq(end.message),
                    dsl::figures.eq(end.figures),
                ))
                .execute(db)?;
            Ok(())
        })
        .await
    }

    /// The latest run of a kind, and the latest that was done.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn latest_runs(
        &self,
        connection: &ConnectionName,
        what: &'static str,
    ) -> Result<(Option<Run>, Option<Run>), StoreError> {
        use schema::schedule_runs::dsl;
        let connection = connection.as_str().to_owned();
        self.run(move |db| {
            let of_kind = || {
                dsl::schedule_runs
                    .filter(dsl::connection.eq(connection.clone()))
                    .filter(dsl::what.eq(what))
                    .order(dsl::id.desc())
                    .select(Raw::as_select())
            };
            let latest: Option<Raw> = of_kind().first(db).optional()?;
            let done: Option<Raw> =
                of_kind().filter(dsl::outcome.eq(RunOutcome::Done.as_str())).first(db).optional()?;
            Ok((latest.map(Run::from), done.map(Run::from)))
        })
        .await
    }

    /// The latest run of each connection and kind.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn last_runs(&self) -> Result<Vec<Run>, StoreError> {
        use diesel::dsl::max;
        use schema::schedule_runs::dsl;
        self.run(|db| {
            let latest: Vec<Option<i64>> =
                dsl::schedule_runs.group_by((dsl::connection, dsl::what)).select(max(dsl::id)).load(db)?;
            runs(db, latest)
        })
        .await
    }

    /// The latest run of each connection and kind that was done.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn last_good_runs(&self) -> Result<Vec<Run>, StoreError> {
        use diesel::dsl::max;
        use schema::schedule_runs::dsl;
        self.run(|db| {
            let latest: Vec<Option<i64>> = dsl::schedule_runs
                .filter(dsl::outcome.eq(RunOutcome::Done.as_str()))
                .group_by((dsl::connection, dsl::what))
                .select(max(dsl::id))
                .load(db)?;
            runs(db, latest)
        })
        .await
    }

    /// Deletes runs that began before `before`, at most `limit`.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn forget_runs(&self, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
        use schema::schedule_runs::dsl;
        self.write(move |db| {
            let old: Vec<i64> = dsl::schedule_runs
                .filter(dsl::started_at.lt(micros(before)))
                .order(dsl::started_at)
                .limit(limit)
                .select(dsl::id)
                .load(db)?;
            Ok(diesel::delete(dsl::schedule_runs.filter(dsl::id.eq_any(old))).execute(db)?)
        })
        .await
    }
}

fn runs(db: &mut Db, ids: Vec<Option<i64>>) -> Result<Vec<Run>, StoreError> {
    use schema::schedule_runs::dsl;
    let ids: Vec<i64> = ids.into_iter().flatten().collect();
    let rows: Vec<Raw> = dsl::schedule_runs
        .filter(dsl::id.eq_any(ids))
        .order((dsl::connection, dsl::what))
        .select(Raw::as_select())
        .load(db)?;
    Ok(rows.into_iter().map(Run::from).collect())
}
