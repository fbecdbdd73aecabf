//! Hints: rows of the inbox that name an order which a sweep, a census or a person found. A page of them and the cursor behind
//! it are one transaction, so that the cursor never runs ahead of what it stands for.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;

use super::deletions::DELETED;
use super::deliveries::{InboxState, Origin};
use super::dialect::{self, Db};
use super::leases::{self, Lease};
use super::rows::{NewInbox, instant, micros, signed, unsigned};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// Ids that one statement names at most.
const IDS_AT_ONCE: usize = 250;

/// One order that was found.
#[derive(Debug, Clone)]
pub struct Hint {
    /// Shopify's number.
    pub order_id: u64,
    /// Shopify's `updated_at` when it was found. Without one the order is to be read whatever we know of it.
    pub updated_at: Option<Timestamp>,
    /// What tells this hint from others of its order: with the topic and the body's digest it makes the row unique.
    pub key: String,
    /// The body of the row.
    pub body: Vec<u8>,
    /// SHA-256 (hex) of the body.
    pub body_sha256: String,
    /// The id that follows it.
    pub trace_id: String,
}

/// A page of them.
#[derive(Debug, Clone)]
pub struct HintPage {
    /// The connection.
    pub connection: ConnectionName,
    /// Who found them.
    pub origin: Origin,
    /// The topic that their rows carry.
    pub topic: &'static str,
    /// What was found.
    pub hints: Vec<Hint>,
    /// Shopify's clock when it was seen, as text.
    pub seen_at: Option<String>,
    /// Where to go on; it moves with the page.
    pub cursor: Option<Cursor>,
    /// The service's clock.
    pub now: Timestamp,
}

/// How far a reading has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Which reading.
    pub name: String,
    /// How far, in the reading's own words.
    pub value: String,
}

/// What became of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Orders of which we knew this version or a newer one.
    pub known: u64,
    /// New rows of the inbox.
    pub entered: u64,
    /// Of those, orders of which we knew no version.
    pub unknown: u64,
    /// Hints that stood in the inbox already.
    pub standing: u64,
}

impl Store {
    /// Commits a page of hints and the cursor behind it, under the tenant's lease.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn take_hints(&self, lease: &Lease, page: HintPage) -> Result<Taken, StoreError> {
        let lease = lease.clone();
        self.write(move |db| {
            leases::hold(db, &lease)?;
            take(db, &page)
        })
        .await
    }

    /// The same for a person's command, which needs no lease: a hint changes nothing by itself.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn take_asked_hints(&self, page: HintPage) -> Result<Taken, StoreError> {
        self.write(move |db| take(db, &page)).await
    }

    /// What [`take_asked_hints`](Self::take_asked_hints) would do, without doing it.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn weigh_hints(&self, page: HintPage) -> Result<Taken, StoreError> {
        self.run(move |db| {
            let known = known_versions(db, &page)?;
            let mut taken = Taken::default();
            for hint in &page.hints {
                match weigh(hint, &known) {
                    Weight::Known => taken.known += 1,
                    Weight::Newer => taken.entered += 1,
                    Weight::Unknown => (taken.entered, taken.unknown) = (taken.entered + 1, taken.unknown + 1),
                }
            }
            Ok(taken)
        })
        .await
    }

    /// Where a reading left off.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn cursor(&self, connection: &ConnectionName, name: &str) -> Result<Option<String>, StoreError> {
        use schema::cursors::dsl;
        let (connection, name) = (connection.as_str().to_owned(), name.to_owned());
        self.run(move |db| {
            let row = dsl::cursors.filter(dsl::connection.eq(connection)).filter(dsl::name.eq(name));
            Ok(row.select(dsl::value).first(db).optional()?)
        })
        .await
    }

    /// Keeps where a reading stands that enters nothing.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn keep_cursor(
        &self,
        connection: &ConnectionName,
        cursor: Cursor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let connection = connection.as_str().to_owned();
        self.write(move |db| put_cursor(db, &connection, &cursor, micros(now))).await
    }

    /// The same under the tenant's lease: what a later owner has kept is not overwritten.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn keep_own_cursor(
        &self,
        lease: &Lease,
        connection: &ConnectionName,
        cursor: Cursor,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (lease, connection) = (lease.clone(), connection.as_str().to_owned());
        self.write(move |db| {
            leases::hold(db, &lease)?;
            put_cursor(db, &connection, &cursor, micros(now))
        })
        .await
    }

    /// Forgets a reading that is over.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn forget_cursor(&self, connection: &ConnectionName, name: &str) -> Result<(), StoreError> {
        use schema::cursors::dsl;
        let (connection, name) = (connection.as_str().to_owned(), name.to_owned());
        self.write(move |db| {
            let row = dsl::cursors.filter(dsl::connection.eq(connection)).filter(dsl::name.eq(name));
            diesel::delete(row).execute(db)?;
            Ok(())
        })
        .await
    }
}

/// 1. Leave out what we know as well.
/// 2. Enter the rest, each once, in the sequence of their orders: two readers that list the same orders in different ones would wait
///    for each other in a ring. What stands there quarantined is taken up again, and a deletion that was not confirmed.
/// 3. Move the cursor.
fn take(db: &mut Db, page: &HintPage) -> Result<Taken, StoreError> {
    // 1.
    let known = known_versions(db, page)?;
    let mut taken = Taken::default();
    let mut hints: Vec<&Hint> = page.hints.iter().collect();
    hints.sort_by(|one, other| (one.order_id, &one.key).cmp(&(other.order_id, &other.key)));
    for hint in hints {
        let weight = weigh(hint, &known);
        if weight == Weight::Known {
            taken.known += 1;
            continue;
        }
        // 2.
        if dialect::insert_delivery(db, &row_of(page, hint))?.is_some() {
            taken.entered += 1;
            taken.unknown += u64::from(weight == Weight::Unknown);
        } else {
            taken.standing += 1;
            take_up_again(db, page, hint)?;
        }
    }
    // 3.
    if let Some(cursor) = &page.cursor {
        put_cursor(db, page.connection.as_str(), cursor, micros(page.now))?;
    }
    Ok(taken)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Known,
    Newer,
    Unknown,
}

fn weigh(hint: &Hint, known: &HashMap<u64, Timestamp>) -> Weight {
    match (known.get(&hint.order_id), hint.updated_at) {
        (None, _) => Weight::Unknown,
        (Some(known), Some(told)) if *known >= told => Weight::Known,
        (Some(_), _) => Weight::Newer,
    }
}

fn known_versions(db: &mut Db, page: &HintPage) -> Result<HashMap<u64, Timestamp>, StoreError> {
    use schema::orders::dsl;
    let mut known = HashMap::new();
    for hints in page.hints.chunks(IDS_AT_ONCE) {
        let ids: Vec<i64> = hints.iter().map(|hint| signed(hint.order_id)).collect::<Result<_, _>>()?;
        let rows: Vec<(i64, i64)> = dsl::orders
            .filter(dsl::connection.eq(page.connection.as_str()))
            .filter(dsl::order_id.eq_any(ids))
            .select((dsl::order_id, dsl::updated_at))
            .load(db)?;
        known.extend(rows.into_iter().map(|(id, at)| (unsigned(id), instant(at))));
    }
    Ok(known)
}

fn row_of(page: &HintPage, hint: &Hint) -> NewInbox {
    NewInbox {
        connection: page.connection.as_str().to_owned(),
        topic: page.topic.to_owned(),
        webhook_id: hint.key.clone(),
        body_sha256: hint.body_sha256.clone(),
        event_id: None,
        shop_domain: None,
        api_version: None,
        triggered_at: page.seen_at.clone(),
        body: hint.body.clone(),
        received_at: micros(page.now),
        trace_id: hint.trace_id.clone(),
        state: InboxState::Received.as_str().to_owned(),
        due_at: 0,
        origin: page.origin.as_str(),
    }
}

/// A hint that was given up is tried once more: what Shopify could not answer then, it may answer now. So is a deletion of which
/// Shopify had the order still.
fn take_up_again(db: &mut Db, page: &HintPage, hint: &Hint) -> Result<(), StoreError> {
    use schema::inbox::dsl;
    let mut given_up = vec![InboxState::Quarantined.as_str()];
    if page.topic == DELETED {
        given_up.push(InboxState::Superseded.as_str());
    }
    diesel::update(dsl::inbox)
        .filter(dsl::connection.eq(page.connection.as_str()))
        .filter(dsl::topic.eq(page.topic))
        .filter(dsl::webhook_id.eq(&hint.key))
        .filter(dsl::body_sha256.eq(&hint.body_sha256))
        .filter(dsl::state.eq_any(given_up))
        .set((
            dsl::state.eq(InboxState::Received.as_str()),
            dsl::attempts.eq(0),
            dsl::due_at.eq(0),
            dsl::reason.eq(None::<String>),
        ))
        .execute(db)?;
    Ok(())
}

/// Keeps where a reading stands.
pub(super) fn put_cursor(db: &mut Db, connection: &str, cursor: &Cursor, now: i64) -> Result<(), StoreError> {
    diesel::sql_query(
        "INSERT INTO cursors (connection, name, value, updated_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (connection, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
    )
    .bind::<Text, _>(connection)
    .bind::<Text, _>(&cursor.name)
    .bind::<Text, _>(&cursor.value)
    .bind::<BigInt, _>(now)
    .execute(db)?;
    Ok(())
}
