//! `inbox`: what was delivered, from the commit before the 200 to the mapper's verdict on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect::{self, Db};
use super::rows::{NewInbox, instant, micros, signed};
use super::wakes::{self, WakeUp};
use super::{Store, StoreError, due, schema};
use crate::domain::ids::{ConnectionName, InboxId};
use crate::planted;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxState {
    /// Committed, not yet looked at.
    Received,
    /// Its content decided what is desired.
    Mapped,
    /// A newer or equal version was known already.
    Superseded,
    /// It can't be read; a person should look.
    Quarantined,
    /// A topic that no flow takes yet.
    Unclaimed,
}

impl InboxState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Received, Self::Mapped, Self::Superseded, Self::Quarantined, Self::Unclaimed];

    /// The state of that word, if it is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// The word stored in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Mapped => "mapped",
            Self::Superseded => "superseded",
            Self::Quarantined => "quarantined",
            Self::Unclaimed => "unclaimed",
        }
    }
}

/// How a row of the inbox came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Shopify posted it.
    Webhook,
    /// The sweep found its order.
    Sweep,
    /// The census found its order.
    Census,
    /// A person had orders read.
    Sync,
}

impl Origin {
    /// The word stored in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Sweep => "sweep",
            Self::Census => "census",
            Self::Sync => "sync",
        }
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        [Self::Webhook, Self::Sweep, Self::Census, Self::Sync]
            .into_iter()
            .find(|origin| origin.as_str() == word)
            .ok_or(StoreError::Corrupt { table: "inbox", column: "origin" })
    }
}

/// A delivery whose signature was right, with the secrets already cut out of its body.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The connection whose path and secret it came by.
    pub connection: ConnectionName,
    /// `X-Shopify-Topic`, e.g. `orders/create`.
    pub topic: String,
    /// `X-Shopify-Webhook-Id`; empty when it was missing.
    pub webhook_id: String,
    /// `X-Shopify-Event-Id`: for tracing, never for dropping.
    pub event_id: Option<String>,
    /// `X-Shopify-Shop-Domain`; unsigned.
    pub shop_domain: Option<String>,
    /// `X-Shopify-API-Version`.
    pub api_version: Option<String>,
    /// `X-Shopify-Triggered-At`.
    pub triggered_at: Option<String>,
    /// SHA-256 (hex) of the raw body as it was received.
    pub body_sha256: String,
    /// The body with secrets cut out.
    pub body: Vec<u8>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The id that follows it to the write in IFS.
    pub trace_id: String,
    /// Whether some flow takes the topic.
    pub claimed_topic: bool,
}

/// What became of a delivery at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// A new row.
    New(InboxId),
    /// An equal row stands already: connection, topic, webhook id and body are the same.
    Duplicate,
}

/// A delivery for the mapper.
#[derive(Debug, Clone)]
pub struct Received {
    /// The row.
    pub id: InboxId,
    /// `X-Shopify-Topic`.
    pub topic: String,
    /// The body with secrets cut out.
    pub body: Vec<u8>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The id that follows it.
    pub trace_id: String,
    /// How it came.
    pub origin: Origin,
    /// `X-Shopify-Triggered-At`; of a hint the instant, by Shopify's clock, at which its order was seen.
    pub triggered_at: Option<String>,
    /// How often it was begun and came to no end.
    pub attempts: i64,
    /// Whether its last attempt ended by putting it back: whatever ended the process since, it was not in hand then.
    pub put_back: bool,
}

/// Whose trouble postponed a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Its own: the attempt counts.
    Delivery,
    /// A remote's or the store's: the attempt is given back.
    Remote,
}

impl Store {
    /// Commits a group of deliveries in one transaction. If the group fails, its rows go one by one, so
    /// that one bad row does not take the others with it.
    pub async fn insert_deliveries(&self, group: Vec<Delivery>) -> Vec<Result<Stored, StoreError>> {
        self.insert_deliveries_telling(group, BTreeSet::new()).await
    }

    /// The same, and tells the other replicas of what is new to these connections, once for each, when the group commits: they are
    /// mapped there. PostgreSQL commits transactions that tell one after the other, so nobody is told without need.
    pub async fn insert_deliveries_telling(
        &self,
        group: Vec<Delivery>,
        mapped_elsewhere: BTreeSet<ConnectionName>,
    ) -> Vec<Result<Stored, StoreError>> {
        // Shared, not copied: the bodies are what is large in them.
        let rows: Arc<[NewInbox]> = group.into_iter().map(new_row).collect();
        let together = Arc::clone(&rows);
        let grouped = if dialect::is_one_statement(self.backend()) && mapped_elsewhere.is_empty() {
            self.write_in_one(move |db| insert_all(db, &together)).await
        } else {
            self.write(move |db| {
                let stored = insert_all(db, &together)?;
                let fresh = |row: &NewInbox, stored: &Stored| {
                    row.state == InboxState::Received.as_str() && matches!(stored, Stored::New(_))
                };
                for name in mapped_elsewhere {
                    let news = together
                        .iter()
                        .zip(&stored)
                        .any(|(row, stored)| row.connection == name.as_str() && fresh(row, stored));
                    if news {
                        wakes::tell(db, &WakeUp::Deliveries(name.as_str().to_owned()))?;
                    }
                }
                Ok(stored)
            })
            .await
        };
        if let Ok(stored) = grouped {
            return stored.into_iter().map(Ok).collect();
        }
        let mut answers = Vec::with_capacity(rows.len());
        for index in 0..rows.len() {
            let alone = Arc::clone(&rows);
            answers.push(self.write(move |db| insert(db, &alone[index])).await);
        }
        answers
    }

    /// The oldest due deliveries of a connection. Its mapper is the only one that asks.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn due_deliveries(
        &self,
        name: &ConnectionName,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Received>, StoreError> {
        let (name, now) = (name.as_str().to_owned(), micros(now));
        self.run(move |db| due_of(db, &name, now, limit)).await
    }

    /// Counts an attempt before anything is run on the delivery, so that a payload that ends the process is seen to have
    /// been tried. Returns the attempts, this one included.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn begin_delivery(&self, id: InboxId) -> Result<i64, StoreError> {
        self.write_ahead(move |db| begin(db, id)).await
    }

    /// Takes the attempt back while a remote is waited for: a process that dies there does not die of the payload. Whoever goes
    /// on begins the delivery again.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn spare_attempt(&self, id: InboxId) -> Result<(), StoreError> {
        use schema::inbox::dsl;
        self.write_ahead(move |db| {
            let row = dsl::inbox.filter(dsl::id.eq(id.get()));
            diesel::update(row).set(dsl::attempts.eq(dsl::attempts - 1)).execute(db)?;
            Ok(())
        })
        .await
    }

    /// Gives a delivery its end without touching an order: quarantine, or superseded. `order` is the one that it names, as far as
    /// that can be read.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn finish_delivery(
        &self,
        id: InboxId,
        state: InboxState,
        reason: Option<String>,
        order: Option<u64>,
    ) -> Result<(), StoreError> {
        let order = order.map(signed).transpose()?;
        self.write(move |db| finish(db, id, state, reason.as_deref(), order)).await
    }

    /// Puts a delivery of this order back until `due_at`. The attempt counts unless a remote was to blame.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn postpone_delivery(
        &self,
        (id, order): (InboxId, Option<u64>),
        due_at: Timestamp,
        blame: Blame,
        reason: String,
    ) -> Result<(), StoreError> {
        use schema::inbox::dsl;
        let order = order.map(signed).transpose()?;
        let forgiven = match blame {
            Blame::Delivery => 0,
            Blame::Remote => 1,
        };
        self.write(move |db| {
            diesel::update(
                dsl::inbox.filter(dsl::id.eq(id.get())).filter(dsl::state.eq(InboxState::Received.as_str())),
            )
            .set((dsl::due_at.eq(micros(due_at)), dsl::attempts.eq(dsl::attempts - forgiven), dsl::reason.eq(reason)))
            .execute(db)?;
            if let Some(order) = order {
                diesel::update(dsl::inbox.filter(dsl::id.eq(id.get()))).set(dsl::order_id.eq(order)).execute(db)?;
            }
            Ok(())
        })
        .await
    }
}

/// Counts an attempt; returns how many that makes. Why it was put back before is no longer said: if nothing is said at the next
/// beginning, this attempt came to no end.
pub(super) fn begin(db: &mut Db, id: InboxId) -> Result<i64, StoreError> {
    use schema::inbox::dsl;
    let row = diesel::update(dsl::inbox.filter(dsl::id.eq(id.get())));
    let begun = (dsl::attempts.eq(dsl::attempts + 1), dsl::reason.eq(None::<String>));
    Ok(row.set(begun).returning(dsl::attempts).get_result(db)?)
}

/// Ends a delivery. The first end stands: the mapper of an owner that slept may come after another's.
pub(super) fn finish(
    db: &mut Db,
    id: InboxId,
    state: InboxState,
    reason: Option<&str>,
    order: Option<i64>,
) -> Result<(), StoreError> {
    use schema::inbox::dsl;
    let row = dsl::inbox.filter(dsl::id.eq(id.get()));
    let open = row.filter(dsl::state.eq(InboxState::Received.as_str()));
    let end = (dsl::state.eq(state.as_str()), dsl::reason.eq(reason));
    let Some(order) = order else {
        diesel::update(open).set(end).execute(db)?;
        return Ok(());
    };
    let named = dsl::order_id.eq(order);
    if diesel::update(open).set((end, named)).execute(db)? == 0 {
        diesel::update(row).set(named).execute(db)?;
    }
    Ok(())
}

fn insert(db: &mut Db, row: &NewInbox) -> Result<Stored, StoreError> {
    if planted::is(planted::DEDUPED_BY_EVENT_ID) && is_event_known(db, row)? {
        return Ok(Stored::Duplicate);
    }
    Ok(match dialect::insert_delivery(db, row)? {
        Some(id) => Stored::New(InboxId::new(id)),
        None => Stored::Duplicate,
    })
}

fn insert_all(db: &mut Db, rows: &[NewInbox]) -> Result<Vec<Stored>, StoreError> {
    if planted::is(planted::DEDUPED_BY_EVENT_ID) {
        return rows.iter().map(|row| insert(db, row)).collect();
    }
    let stored = dialect::insert_deliveries(db, rows)?;
    Ok(stored.into_iter().map(|id| id.map_or(Stored::Duplicate, |id| Stored::New(InboxId::new(id)))).collect())
}

/// What a planted bug asks; nothing else may.
fn is_event_known(db: &mut Db, row: &NewInbox) -> Result<bool, StoreError> {
    use schema::inbox::dsl;
    let same = dsl::inbox.filter(dsl::connection.eq(&row.connection)).filter(dsl::event_id.eq(&row.event_id));
    Ok(same.select(dsl::id).first::<i64>(db).optional()?.is_some())
}

fn due_of(db: &mut Db, name: &str, now: i64, limit: i64) -> Result<Vec<Received>, StoreError> {
    use schema::inbox::dsl;
    let rows: Vec<DueRow> = dsl::inbox
        .filter(dsl::connection.eq(name))
        .filter(due::received())
        .filter(due::due_delivery(now))
        .order((dsl::due_at, dsl::id))
        .limit(limit)
        .select((
            dsl::id,
            dsl::topic,
            dsl::body,
            dsl::received_at,
            dsl::trace_id,
            dsl::origin,
            dsl::triggered_at,
            dsl::attempts,
            dsl::reason.is_not_null(),
        ))
        .load(db)?;
    let received = |(id, topic, body, at, trace_id, origin, triggered_at, attempts, put_back): DueRow| {
        let (id, received_at, origin) = (InboxId::new(id), instant(at), Origin::parse(&origin)?);
        Ok(Received { id, topic, body, received_at, trace_id, origin, triggered_at, attempts, put_back })
    };
    rows.into_iter().map(received).collect()
}

type DueRow = (i64, String, Vec<u8>, i64, String, String, Option<String>, i64, bool);

fn new_row(delivery: Delivery) -> NewInbox {
    let state = if delivery.claimed_topic { InboxState::Received } else { InboxState::Unclaimed };
    let received_at = micros(delivery.received_at);
    NewInbox {
        connection: delivery.connection.as_str().to_owned(),
        topic: delivery.topic,
        webhook_id: delivery.webhook_id,
        body_sha256: delivery.body_sha256,
        event_id: delivery.event_id,
        shop_domain: delivery.shop_domain,
        api_version: delivery.api_version,
        triggered_at: delivery.triggered_at,
        body: delivery.body,
        received_at,
        trace_id: delivery.trace_id,
        state: state.as_str().to_owned(),
        // Due at once, whatever the clock says.
        due_at: 0,
        origin: Origin::Webhook.as_str(),
    }
}
