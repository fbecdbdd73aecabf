//! `strays`: records in IFS with a key of ours that no link explains, as the standing query found them. Told until they are gone,
//! explained, or dismissed by a person.

use std::collections::BTreeSet;

use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect::Db;
use super::operate::audit;
use super::rows::{instant, micros};
use super::{Lease, Store, StoreError, leases, schema};
use crate::domain::ids::{ConnectionName, DocumentId};

/// How a stray ends: it is gone, or something explains it now.
const EXPLAINED: &str = "explained";
/// How a stray ends: a person says that it is right as it stands.
pub(super) const DISMISSED: &str = "dismissed";

/// A live record of IFS that carries what may be a key of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// The key that it carries.
    pub key: String,
    /// Its number in IFS.
    pub order_no: String,
}

/// A stray to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// What was seen.
    pub sighting: Sighting,
    /// A stable word.
    pub code: &'static str,
    /// What was found and what to do, without persons.
    pub text: String,
    /// The document concerned, where there is one.
    pub document: Option<DocumentId>,
}

/// A stray as it is shown.
#[derive(Debug, Clone)]
pub struct StrayRow {
    /// The row.
    pub id: i64,
    /// The connection.
    pub connection: String,
    /// Its number in IFS.
    pub order_no: String,
    /// The key that it carries.
    pub business_key: String,
    /// A stable word.
    pub code: String,
    /// What was found and what to do.
    pub text: String,
    /// The document concerned, where there is one.
    pub document: Option<DocumentId>,
    /// When it was first found.
    pub found_at: Timestamp,
    /// When it was last seen.
    pub seen_at: Timestamp,
    /// When it ended, and how: `explained` or `dismissed`.
    pub ended: Option<(Timestamp, String)>,
}

/// Open strays by connection and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayCount {
    /// The connection.
    pub connection: String,
    /// The stable word.
    pub code: String,
    /// How many.
    pub count: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::strays)]
pub(super) struct RawStray {
    id: i64,
    connection: String,
    pub(super) order_no: String,
    business_key: String,
    code: String,
    text: String,
    document_id: Option<i64>,
    pub(super) found_at: i64,
    seen_at: i64,
    ended_at: Option<i64>,
    pub(super) ended: Option<String>,
}

impl From<RawStray> for StrayRow {
    fn from(raw: RawStray) -> Self {
        Self {
            id: raw.id,
            connection: raw.connection,
            order_no: raw.order_no,
            business_key: raw.business_key,
            code: raw.code,
            text: raw.text,
            document: raw.document_id.map(DocumentId::new),
            found_at: instant(raw.found_at),
            seen_at: instant(raw.seen_at),
            ended: raw.ended_at.map(|at| (instant(at), raw.ended.unwrap_or_default())),
        }
    }
}

impl Store {
    /// Tells strays that park nothing; gives those that were not told before.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is lost.
    pub async fn tell_strays(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        strays: Vec<Stray>,
        now: Timestamp,
    ) -> Result<Vec<Stray>, StoreError> {
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let mut new = Vec::new();
            for stray in strays {
                if put(db, &name, &stray, now)? {
                    new.push(stray);
                }
            }
            Ok(new)
        })
        .await
    }

    /// Ends the open strays of these keys but for those that still stand: they were seen, so that others are looked at first next time.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is lost.
    pub async fn end_strays(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        keys: Vec<String>,
        standing: BTreeSet<Sighting>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        self.write(move |db| {
            use schema::strays::dsl;
            leases::hold(db, &lease)?;
            let open: Vec<(i64, String, String)> = dsl::strays
                .filter(dsl::connection.eq(&name))
                .filter(dsl::ended_at.is_null())
                .filter(dsl::business_key.eq_any(keys))
                .select((dsl::id, dsl::business_key, dsl::order_no))
                .load(db)?;
            let (seen, gone): (Vec<_>, Vec<_>) = open.into_iter().partition(|(_, key, order_no)| {
                standing.contains(&Sighting { key: key.clone(), order_no: order_no.clone() })
            });
            let ids = |rows: Vec<(i64, String, String)>| -> Vec<i64> { rows.into_iter().map(|(id, ..)| id).collect() };
            let (seen, gone) = (ids(seen), ids(gone));
            diesel::update(dsl::strays.filter(dsl::id.eq_any(seen))).set(dsl::seen_at.eq(now)).execute(db)?;
            let ended = (dsl::ended_at.eq(now), dsl::ended.eq(EXPLAINED));
            Ok(diesel::update(dsl::strays.filter(dsl::id.eq_any(gone))).set(ended).execute(db)?)
        })
        .await
    }

    /// The keys of open strays of a connection, those first that were not seen for longest.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn stray_keys(&self, name: &ConnectionName, limit: i64) -> Result<Vec<String>, StoreError> {
        let name = name.as_str().to_owned();
        self.run(move |db| {
            use schema::strays::dsl;
            let open = dsl::strays.filter(dsl::connection.eq(name)).filter(dsl::ended_at.is_null());
            Ok(open.order(dsl::seen_at).limit(limit).select(dsl::business_key).load(db)?)
        })
        .await
    }

    /// Strays, newest first: open ones, or all.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn list_strays(&self, connection: Option<String>, ended_too: Ended) -> Result<Vec<StrayRow>, StoreError> {
        self.run(move |db| {
            use schema::strays::dsl;
            let mut query = dsl::strays.select(RawStray::as_select()).order(dsl::id.desc()).limit(1_000).into_boxed();
            if let Some(name) = connection {
                query = query.filter(dsl::connection.eq(name));
            }
            if ended_too == Ended::LeftOut {
                query = query.filter(dsl::ended_at.is_null());
            }
            let rows: Vec<RawStray> = query.load(db)?;
            Ok(rows.into_iter().map(StrayRow::from).collect())
        })
        .await
    }

    /// Counts open strays by connection and code.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn count_strays(&self) -> Result<Vec<StrayCount>, StoreError> {
        self.run(|db| {
            use diesel::dsl::count_star;
            use schema::strays::dsl;
            let rows: Vec<(String, String, i64)> = dsl::strays
                .filter(dsl::ended_at.is_null())
                .group_by((dsl::connection, dsl::code))
                .select((dsl::connection, dsl::code, count_star()))
                .load(db)?;
            Ok(rows.into_iter().map(|(connection, code, count)| StrayCount { connection, code, count }).collect())
        })
        .await
    }

    /// A person says that a stray is right as it stands: it is told no more.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when no open stray has that number.
    pub async fn dismiss_stray(
        &self,
        id: i64,
        who: String,
        note: String,
        now: Timestamp,
    ) -> Result<StrayRow, StoreError> {
        self.write(move |db| {
            use schema::strays::dsl;
            let now = micros(now);
            let row = dsl::strays.filter(dsl::id.eq(id));
            let ended = (dsl::ended_at.eq(now), dsl::ended.eq(DISMISSED));
            if diesel::update(row.filter(dsl::ended_at.is_null())).set(ended).execute(db)? == 0 {
                return Err(StoreError::Refused("no open stray has that number: see `strays list`"));
            }
            audit(db, now, &who, "dismiss", &format!("stray {id}"), Some(&note))?;
            Ok(row.select(RawStray::as_select()).first::<RawStray>(db)?.into())
        })
        .await
    }
}

/// Whether ended strays are listed too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Only open ones.
    LeftOut,
    /// All.
    Listed,
}

/// Tells a stray; true when it was not told before. One that a person dismissed stays dismissed.
pub(super) fn put(db: &mut Db, connection: &str, stray: &Stray, now: i64) -> Result<bool, StoreError> {
    use schema::strays::dsl;
    let Stray { sighting, code, text, document } = stray;
    let row = dsl::strays.filter(dsl::connection.eq(connection)).filter(dsl::order_no.eq(&sighting.order_no));
    let known: Option<RawStray> = row.select(RawStray::as_select()).first(db).optional()?;
    let content = (
        dsl::business_key.eq(&sighting.key),
        dsl::code.eq(code),
        dsl::text.eq(text),
        dsl::document_id.eq(document.map(DocumentId::get)),
        dsl::seen_at.eq(now),
    );
    match known {
        Some(known) if known.ended.as_deref() == Some(DISMISSED) && known.business_key == sighting.key => Ok(false),
        Some(known) if known.ended_at.is_none() => {
            diesel::update(row).set(content).execute(db)?;
            Ok(false)
        }
        Some(_) => {
            let again = (dsl::found_at.eq(now), dsl::ended_at.eq(None::<i64>), dsl::ended.eq(None::<String>));
            diesel::update(row).set((content, again)).execute(db)?;
            Ok(true)
        }
        None => {
            let first = (dsl::connection.eq(connection), dsl::order_no.eq(&sighting.order_no), dsl::found_at.eq(now));
            diesel::insert_into(dsl::strays).values((content, first)).execute(db)?;
            Ok(true)
        }
    }
}
