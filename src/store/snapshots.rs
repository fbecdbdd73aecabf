//! The newest version of an order that we know, for one order and for many at once. Reads only; `mapped.rs` writes it.

use std::collections::BTreeMap;

use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect::Db;
use super::rows::{instant, signed, unsigned};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;
use crate::domain::order::Sale;

/// The newest version of an order that we know: its payload's bytes and the road they came by.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Counts the changes of the row.
    pub revision: i64,
    /// Shopify's `updated_at`.
    pub updated_at: Timestamp,
    /// Canonical digest of the decoded order.
    pub digest: String,
    /// `rest` (webhook) or `graphql` (re-read).
    pub road: String,
    /// The payload's bytes, secrets cut out.
    pub payload: Vec<u8>,
    /// Whether its own orders/create came within 60 s of its birth.
    pub born_here: bool,
    /// Digests for which the order was re-read at this `updated_at`.
    pub reread_digests: Vec<String>,
    /// What this version or an earlier one told of the sale itself; not every payload does.
    pub sale: Sale,
}

type SnapshotRow = (i64, i64, i64, String, String, Vec<u8>, i64, String, Option<i64>, Option<i64>);

impl Store {
    /// The snapshot of an order, if we know it.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn snapshot(&self, name: &ConnectionName, order_id: u64) -> Result<Option<Snapshot>, StoreError> {
        let (name, id) = (name.as_str().to_owned(), signed(order_id)?);
        self.run(move |db| Ok(snapshots_of(db, &name, &[id])?.remove(&order_id))).await
    }
}

/// The snapshots of these orders, as far as we know them.
pub(super) fn snapshots_of(db: &mut Db, connection: &str, ids: &[i64]) -> Result<BTreeMap<u64, Snapshot>, StoreError> {
    use schema::orders::dsl;
    let rows: Vec<SnapshotRow> = dsl::orders
        .filter(dsl::connection.eq(connection))
        .filter(dsl::order_id.eq_any(ids))
        .select((
            dsl::order_id,
            dsl::revision,
            dsl::updated_at,
            dsl::digest,
            dsl::road,
            dsl::payload,
            dsl::born_here,
            dsl::reread_digests,
            dsl::location_id,
            dsl::staff_id,
        ))
        .load(db)?;
    Ok(rows.into_iter().map(snapshot_of).collect())
}

fn snapshot_of(row: SnapshotRow) -> (u64, Snapshot) {
    let (id, revision, updated_at, digest, road, payload, born_here, reread, location, staff) = row;
    let snapshot = Snapshot {
        revision,
        updated_at: instant(updated_at),
        digest,
        road,
        payload,
        born_here: born_here != 0,
        reread_digests: reread.split(' ').filter(|digest| !digest.is_empty()).map(str::to_owned).collect(),
        sale: Sale { location_id: location.map(unsigned), staff_id: staff.map(unsigned) },
    };
    (unsigned(id), snapshot)
}
