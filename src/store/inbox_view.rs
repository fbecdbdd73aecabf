//! The inbox as people and metrics see it: how many wait, how old, what was told of an order, what can't be read.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use jiff::Timestamp;

use super::deliveries::InboxState;
use super::rows::{instant, signed, unsigned};
use super::{Store, StoreError, due, schema};
use crate::domain::ids::{ConnectionName, InboxId};

/// Rows of the inbox by state, for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxCounts {
    /// The state's word.
    pub state: String,
    /// How many.
    pub count: i64,
}

/// Which deliveries to list.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only of this connection.
    pub connection: Option<String>,
    /// Only in this state.
    pub state: Option<InboxState>,
    /// Only after this id (paging).
    pub after: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

/// A delivery as it is shown.
#[derive(Debug, Clone)]
pub struct DeliveryView {
    /// The row.
    pub id: InboxId,
    /// The connection it came by.
    pub connection: String,
    /// Its topic.
    pub topic: String,
    /// `X-Shopify-Webhook-Id`; empty when it was missing.
    pub webhook_id: String,
    /// Where it stands.
    pub state: String,
    /// What is wrong with it, or why it told nothing new.
    pub reason: Option<String>,
    /// When it was received.
    pub received_at: Timestamp,
    /// The order it tells of, as far as that could be read.
    pub order_id: Option<u64>,
    /// The word for how it came: `webhook`, `sweep`, `census` or `sync`.
    pub origin: String,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::inbox)]
struct Raw {
    id: i64,
    connection: String,
    topic: String,
    webhook_id: String,
    state: String,
    reason: Option<String>,
    received_at: i64,
    order_id: Option<i64>,
    origin: String,
}

impl From<Raw> for DeliveryView {
    fn from(raw: Raw) -> Self {
        Self {
            id: InboxId::new(raw.id),
            connection: raw.connection,
            topic: raw.topic,
            webhook_id: raw.webhook_id,
            state: raw.state,
            reason: raw.reason,
            received_at: instant(raw.received_at),
            order_id: raw.order_id.map(unsigned),
            origin: raw.origin,
        }
    }
}

impl Store {
    /// Counts the inbox by state (unfinished and quarantined rows are few and indexed).
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn count_inbox(&self) -> Result<Vec<InboxCounts>, StoreError> {
        use diesel::dsl::count_star;
        use schema::inbox::dsl;
        self.run(|db| {
            let mut counts = Vec::new();
            for (state, condition) in [
                (InboxState::Received, "inbox.state = 'received'"),
                (InboxState::Quarantined, "inbox.state = 'quarantined'"),
            ] {
                let count = dsl::inbox.filter(sql::<Bool>(condition)).select(count_star()).first(db)?;
                counts.push(InboxCounts { state: state.as_str().to_owned(), count });
            }
            Ok(counts)
        })
        .await
    }

    /// Lists deliveries by id.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn list_deliveries(&self, filter: DeliveryFilter) -> Result<Vec<DeliveryView>, StoreError> {
        use schema::inbox::dsl;
        self.run(move |db| {
            let mut query = dsl::inbox.select(Raw::as_select()).order(dsl::id).limit(filter.limit).into_boxed();
            if let Some(name) = filter.connection {
                query = query.filter(dsl::connection.eq(name));
            }
            if let Some(state) = filter.state {
                query = query.filter(dsl::state.eq(state.as_str()));
            }
            if let Some(after) = filter.after {
                query = query.filter(dsl::id.gt(after));
            }
            let rows: Vec<Raw> = query.load(db)?;
            Ok(rows.into_iter().map(DeliveryView::from).collect())
        })
        .await
    }

    /// The number of the newest delivery; 0 where there is none.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn newest_delivery(&self) -> Result<i64, StoreError> {
        use diesel::dsl::max;
        use schema::inbox::dsl;
        self.run(|db| Ok(dsl::inbox.select(max(dsl::id)).first::<Option<i64>>(db)?.unwrap_or(0))).await
    }

    /// Whether a delivery of a connection that is no newer than this one is not mapped yet, put back ones too.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn has_unmapped(&self, name: &ConnectionName, newest: i64) -> Result<bool, StoreError> {
        use schema::inbox::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let waiting = dsl::inbox.filter(dsl::connection.eq(name)).filter(due::received());
            let waiting = waiting.filter(dsl::id.le(newest)).select(dsl::id).limit(1);
            Ok(waiting.first::<i64>(db).optional()?.is_some())
        })
        .await
    }

    /// When the oldest delivery that still waits was received.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn oldest_received(&self) -> Result<Option<Timestamp>, StoreError> {
        use diesel::dsl::min;
        use schema::inbox::dsl;
        self.run(|db| {
            let oldest: Option<i64> =
                dsl::inbox.filter(sql::<Bool>("inbox.state = 'received'")).select(min(dsl::received_at)).first(db)?;
            Ok(oldest.map(instant))
        })
        .await
    }

    /// The deliveries that told of an order, oldest first, at most 200.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn deliveries_of(&self, name: &ConnectionName, order_id: u64) -> Result<Vec<DeliveryView>, StoreError> {
        use schema::inbox::dsl;
        let name = name.as_str().to_owned();
        let order_id = signed(order_id)?;
        self.run(move |db| {
            let rows: Vec<Raw> = dsl::inbox
                .filter(dsl::connection.eq(name))
                .filter(dsl::order_id.eq(order_id))
                .order(dsl::id)
                .limit(200)
                .select(Raw::as_select())
                .load(db)?;
            Ok(rows.into_iter().map(DeliveryView::from).collect())
        })
        .await
    }

    /// The newest deliveries that can't be read.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn quarantined(&self, limit: i64) -> Result<Vec<DeliveryView>, StoreError> {
        use schema::inbox::dsl;
        self.run(move |db| {
            let rows: Vec<Raw> = dsl::inbox
                .filter(sql::<Bool>("inbox.state = 'quarantined'"))
                .order(dsl::id.desc())
                .limit(limit)
                .select(Raw::as_select())
                .load(db)?;
            Ok(rows.into_iter().map(DeliveryView::from).collect())
        })
        .await
    }

    /// Deletes deliveries of topics that no flow takes once they are older than `before`, at most `limit`.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn forget_unclaimed(&self, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
        use schema::inbox::dsl;
        let before = super::rows::micros(before);
        self.write(move |db| {
            let old: Vec<i64> = dsl::inbox
                .filter(sql::<Bool>("inbox.state = 'unclaimed'"))
                .filter(dsl::received_at.lt(before))
                .order(dsl::id)
                .limit(limit)
                .select(dsl::id)
                .load(db)?;
            Ok(diesel::delete(dsl::inbox.filter(dsl::id.eq_any(old))).execute(db)?)
        })
        .await
    }
}
