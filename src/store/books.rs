//! What we know of many orders at once, for comparing the books: documents, snapshots and what still waits in the inbox. Reads only.

use std::collections::BTreeMap;

use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect::Db;
use super::documents::{DocumentRow, Raw};
use super::rows::{instant, micros, signed, unsigned};
use super::shown::shown_all;
use super::snapshots::{Snapshot, snapshots_of};
use super::{Store, StoreError, schema};
use crate::domain::document::DocumentKind;
use crate::domain::ids::{ConnectionName, DocumentId};

/// What we know of one order.
#[derive(Debug, Clone, Default)]
pub struct KnownOrder {
    /// The newest version that we know.
    pub snapshot: Option<Snapshot>,
    /// Its documents of kind `customer_order`: the first order's, and a second one's where there is one.
    pub documents: Vec<DocumentRow>,
    /// When it was placed, as far as we know.
    pub placed_at: Option<Timestamp>,
    /// Whether a delivery of it waits to be mapped.
    pub waits: bool,
    /// Whether a delivery of it could not be read, and nothing else came of it.
    pub quarantined: bool,
}

impl KnownOrder {
    /// What tells whether it moved on: the versions of its snapshot and of each of its documents.
    pub fn versions(&self) -> (Option<i64>, Vec<(DocumentId, Timestamp)>) {
        let documents = self.documents.iter().map(|document| (document.id, document.updated_at));
        (self.snapshot.as_ref().map(|snapshot| snapshot.revision), documents.collect())
    }
}

impl Store {
    /// What we know of these orders; each has an entry.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn known_orders(
        &self,
        name: &ConnectionName,
        orders: Vec<u64>,
    ) -> Result<BTreeMap<u64, KnownOrder>, StoreError> {
        let connection = name.as_str().to_owned();
        self.run(move |db| {
            let mut known: BTreeMap<u64, KnownOrder> = orders.iter().map(|id| (*id, KnownOrder::default())).collect();
            let ids: Vec<i64> = orders.iter().map(|id| signed(*id)).collect::<Result<_, _>>()?;
            // 1. Documents.
            let documents = documents_of(db, &connection, &ids)?;
            for document in shown_all(db, documents)? {
                if let Some(order) = known.get_mut(&document.order_id) {
                    order.documents.push(document);
                }
            }
            // 2. When they were placed.
            let placed: Vec<(i64, i64)> = schema::orders::table
                .filter(schema::orders::connection.eq(&connection))
                .filter(schema::orders::order_id.eq_any(&ids))
                .select((schema::orders::order_id, schema::orders::created_at))
                .load(db)?;
            for (id, at) in placed {
                if let Some(order) = known.get_mut(&unsigned(id)) {
                    order.placed_at = Some(instant(at));
                }
            }
            // 3. Deliveries.
            use schema::inbox::dsl;
            let deliveries: Vec<(Option<i64>, String)> = dsl::inbox
                .filter(dsl::connection.eq(&connection))
                .filter(dsl::order_id.eq_any(&ids))
                .filter(dsl::state.eq_any(vec!["received", "quarantined"]))
                .select((dsl::order_id, dsl::state))
                .load(db)?;
            for (id, state) in deliveries {
                if let Some(order) = id.and_then(|id| known.get_mut(&unsigned(id))) {
                    order.waits |= state == "received";
                    order.quarantined |= state == "quarantined";
                }
            }
            // 4. Snapshots.
            let mut snapshots = snapshots_of(db, &connection, &ids)?;
            for (id, order) in &mut known {
                order.snapshot = snapshots.remove(id);
                order.quarantined &= order.documents.is_empty();
            }
            Ok(known)
        })
        .await
    }

    /// The first orders that we know of a span of time, by the time at which they were placed, then by their ids.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn first_orders_placed(
        &self,
        name: &ConnectionName,
        (from, until): (Timestamp, Timestamp),
        limit: i64,
    ) -> Result<Vec<(Timestamp, u64)>, StoreError> {
        let name = name.as_str().to_owned();
        self.run(move |db| {
            use schema::orders::dsl;
            let orders: Vec<(i64, i64)> = dsl::orders
                .filter(dsl::connection.eq(name))
                .filter(dsl::created_at.ge(micros(from)))
                .filter(dsl::created_at.lt(micros(until)))
                .order((dsl::created_at, dsl::order_id))
                .limit(limit)
                .select((dsl::created_at, dsl::order_id))
                .load(db)?;
            Ok(orders.into_iter().map(|(at, id)| (instant(at), unsigned(id))).collect())
        })
        .await
    }
}

fn documents_of(db: &mut Db, name: &str, ids: &[i64]) -> Result<Vec<Raw>, StoreError> {
    use schema::documents::dsl;
    let rows = dsl::documents
        .filter(dsl::connection.eq(name))
        .filter(dsl::order_id.eq_any(ids))
        .filter(dsl::kind.eq(DocumentKind::CustomerOrder.as_str()))
        .order(dsl::id)
        .select(Raw::as_select())
        .load(db)?;
    Ok(rows)
}
