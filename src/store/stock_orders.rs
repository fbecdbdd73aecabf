//! What Shopify's orders take of the stock, as far as they are open: each order's units by sales part, taken from its newest version, and how
//! many of them IFS holds. An order is weighed when its version changed, and looked at until it is fulfilled and IFS holds all of it.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;
use serde_json::json;

use super::deletions::deleted_of;
use super::dialect::{self, Db};
use super::leases::{self, Lease};
use super::rows::{instant, micros, signed, unsigned};
use super::snapshots::{Snapshot, snapshots_of};
use super::steps::NOTED;
use super::stock_readings::{ROWS_AT_ONCE, in_pieces};
use super::stock_weighing::WritesEnded;
use super::{Store, StoreError, schema};
use crate::domain::document::DocumentKind;
use crate::domain::ids::ConnectionName;

/// An order whose newest version was not weighed yet.
#[derive(Debug, Clone)]
pub struct UnweighedOrder {
    /// Shopify's number.
    pub order_id: u64,
    /// Its newest version.
    pub snapshot: Snapshot,
    /// Whether its deletion in Shopify was confirmed.
    pub is_deleted: bool,
}

/// What an order takes of one sales part, in units that are sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderUnits {
    /// Shopify's number of the order.
    pub order_id: u64,
    /// When Shopify last changed it.
    pub changed_at: Timestamp,
    /// `CatalogNo`.
    pub catalog_no: String,
    /// The site whose stock it takes.
    pub site: String,
    /// Units that remain after edits, refunds and cancels.
    pub units: i64,
    /// Of those, units that are not fulfilled.
    pub open: i64,
    /// Units that IFS held when that was last looked at; none where it held no such order, or that was not looked at yet.
    pub written: Option<i64>,
}

/// An order that was weighed.
#[derive(Debug, Clone)]
pub struct WeighedOrder {
    /// Shopify's number.
    pub order_id: u64,
    /// The version that was weighed, as its snapshot counts it.
    pub revision: i64,
    /// When Shopify last changed it.
    pub changed_at: Timestamp,
    /// Units by sales part and site: remaining, and of those not fulfilled. None for an order that takes nothing.
    pub units: BTreeMap<(String, String), (i64, i64)>,
}

/// An order that takes something still, with its documents.
#[derive(Debug, Clone)]
pub struct OpenOrder {
    /// Shopify's number.
    pub order_id: u64,
    /// Its documents for IFS: one, or more where late additions became a second order.
    pub documents: Vec<OrderDocument>,
    /// What it takes.
    pub units: Vec<OrderUnits>,
    /// Whether its deletion in Shopify was confirmed.
    pub is_deleted: bool,
}

/// A document of such an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderDocument {
    /// Its state, in one word.
    pub state: String,
    /// What was sent and answered, JSON text.
    pub written: Option<String>,
    /// Whether it has a record in IFS that is ours.
    pub is_linked: bool,
    /// Whether a write of it may be under way, or ended later than at the moment that is asked about.
    pub has_open_intent: bool,
}

/// How much of an order's part IFS holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenUnits {
    /// Shopify's number of the order.
    pub order_id: u64,
    /// `CatalogNo`.
    pub catalog_no: String,
    /// The site.
    pub site: String,
    /// Units; none where IFS holds no such order for sure.
    pub written: Option<i64>,
}

impl Store {
    /// Orders of a connection whose newest version was not weighed, by their numbers, `limit` at most.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn unweighed_orders(
        &self,
        name: &ConnectionName,
        after: u64,
        limit: i64,
    ) -> Result<Vec<UnweighedOrder>, StoreError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            order_id: i64,
        }
        let (name, after) = (name.as_str().to_owned(), signed(after)?);
        self.run(move |db| {
            // The words of the partial index `orders_unweighed`.
            let rows: Vec<Row> = sql_query(
                "SELECT order_id FROM orders WHERE connection = $1 AND weighed <> revision AND order_id > $2 \
                 ORDER BY order_id LIMIT $3",
            )
            .bind::<Text, _>(&name)
            .bind::<BigInt, _>(after)
            .bind::<BigInt, _>(limit)
            .load(db)?;
            let ids: Vec<i64> = rows.into_iter().map(|row| row.order_id).collect();
            let deleted: BTreeSet<u64> = deleted_of(db, &name, &ids)?.into_iter().collect();
            let found = snapshots_of(db, &name, &ids)?.into_iter();
            let order = |(order_id, snapshot): (u64, Snapshot)| {
                let is_deleted = deleted.contains(&order_id);
                UnweighedOrder { order_id, snapshot, is_deleted }
            };
            Ok(found.map(order).collect())
        })
        .await
    }

    /// Keeps what orders take; gives how many were kept. One of which a newer version came meanwhile is weighed again.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn put_weighed(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        orders: Vec<WeighedOrder>,
    ) -> Result<usize, StoreError> {
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        self.write_ahead(move |db| {
            leases::hold(db, &lease)?;
            let kept = mark_weighed(db, &name, &orders)?;
            forget_units(db, &name, &kept)?;
            let mut rows = Vec::new();
            for order in &orders {
                let id = signed(order.order_id)?;
                if !kept.contains(&id) {
                    continue;
                }
                let at = micros(order.changed_at);
                rows.extend(order.units.iter().map(|((catalog_no, site), (units, open))| {
                    json!({ "o": id, "cat": catalog_no, "site": site, "units": units, "open": open, "at": at })
                }));
            }
            insert_units(db, &name, rows)?;
            Ok(kept.len())
        })
        .await
    }

    /// Orders that take something still, behind one, by their numbers, `limit` at most.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn open_stock_orders(
        &self,
        name: &ConnectionName,
        after: u64,
        limit: i64,
    ) -> Result<Vec<OpenOrder>, StoreError> {
        use schema::stock_orders::dsl;
        let (name, after) = (name.as_str().to_owned(), signed(after)?);
        self.run(move |db| {
            let open = dsl::stock_orders.filter(dsl::connection.eq(&name)).filter(dsl::order_id.gt(after));
            let ids: Vec<i64> = open.order(dsl::order_id).limit(limit).select(dsl::order_id).load(db)?;
            open_orders(db, &name, ids, None)
        })
        .await
    }

    /// Keeps how much of orders IFS holds. An order that is fulfilled, and of which IFS holds all, takes nothing any more.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn put_written_units(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        written: Vec<WrittenUnits>,
    ) -> Result<(), StoreError> {
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        let mut rows = BTreeMap::new();
        let mut orders = BTreeSet::new();
        for one in written {
            let id = signed(one.order_id)?;
            let row = json!({ "o": id, "cat": one.catalog_no, "site": one.site, "w": one.written });
            rows.insert((id, one.catalog_no, one.site), row);
            orders.insert(id);
        }
        self.write_ahead(move |db| {
            leases::hold(db, &lease)?;
            let told = dialect::told(db);
            for piece in in_pieces(rows.into_values()) {
                sql_query(format!(
                    "{told} UPDATE stock_order_units SET written = CAST(told.value->>'w' AS BIGINT) FROM told \
                     WHERE stock_order_units.connection = told.connection \
                     AND stock_order_units.order_id = CAST(told.value->>'o' AS BIGINT) \
                     AND stock_order_units.catalog_no = told.value->>'cat' \
                     AND stock_order_units.site = told.value->>'site'"
                ))
                .bind::<Text, _>(&name)
                .bind::<Text, _>(piece)
                .execute(db)?;
            }
            let settled = settled_orders(db, &name, &orders)?;
            forget_units(db, &name, &settled)
        })
        .await
    }

    /// What open orders take of these sales parts.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn order_units(
        &self,
        name: &ConnectionName,
        catalog_nos: Vec<String>,
    ) -> Result<Vec<OrderUnits>, StoreError> {
        let name = name.as_str().to_owned();
        self.run(move |db| units_where(db, &name, Which::Parts(&catalog_nos))).await
    }

    /// Has open orders weighed again, as when the rules changed by which a line is a sales part; those too that took nothing under the
    /// former ones and may be written yet.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn weigh_again(&self, lease: &Lease, name: &ConnectionName) -> Result<usize, StoreError> {
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let again = sql_query(
                "UPDATE orders SET weighed = 0 WHERE connection = $1 \
                 AND order_id IN (SELECT order_id FROM stock_orders WHERE connection = $1 \
                 UNION ALL SELECT order_id FROM documents WHERE connection = $1 AND kind = 'customer_order' \
                 AND state NOT IN ('written', 'superseded', 'skipped', 'resolved'))",
            );
            Ok(again.bind::<Text, _>(name).execute(db)?)
        })
        .await
    }
}

/// Marks the versions that were weighed, and tells of which orders they still are the newest.
fn mark_weighed(db: &mut Db, name: &str, orders: &[WeighedOrder]) -> Result<BTreeSet<i64>, StoreError> {
    use schema::orders::dsl;
    let mut versions = BTreeMap::new();
    for order in orders {
        versions.insert(signed(order.order_id)?, order.revision);
    }
    let told = dialect::told(db);
    let rows = versions.iter().map(|(id, revision)| json!({ "o": id, "r": revision }));
    for piece in in_pieces(rows) {
        sql_query(format!(
            "{told} UPDATE orders SET weighed = revision FROM told WHERE orders.connection = told.connection \
             AND orders.order_id = CAST(told.value->>'o' AS BIGINT) \
             AND orders.revision = CAST(told.value->>'r' AS BIGINT)"
        ))
        .bind::<Text, _>(name)
        .bind::<Text, _>(piece)
        .execute(db)?;
    }
    let ids: Vec<i64> = versions.keys().copied().collect();
    let found = dsl::orders.filter(dsl::connection.eq(name)).filter(dsl::order_id.eq_any(ids));
    let found: Vec<(i64, i64)> = found.select((dsl::order_id, dsl::revision)).load(db)?;
    Ok(found.into_iter().filter(|(id, revision)| versions.get(id) == Some(revision)).map(|(id, _)| id).collect())
}

fn forget_units(db: &mut Db, name: &str, orders: &BTreeSet<i64>) -> Result<(), StoreError> {
    use schema::{stock_order_units, stock_orders};
    let ids: Vec<i64> = orders.iter().copied().collect();
    let units = stock_order_units::table.filter(stock_order_units::connection.eq(name));
    diesel::delete(units.filter(stock_order_units::order_id.eq_any(&ids))).execute(db)?;
    let orders = stock_orders::table.filter(stock_orders::connection.eq(name));
    diesel::delete(orders.filter(stock_orders::order_id.eq_any(&ids))).execute(db)?;
    Ok(())
}

fn insert_units(db: &mut Db, name: &str, rows: Vec<serde_json::Value>) -> Result<(), StoreError> {
    let told = dialect::told(db);
    for piece in in_pieces(rows.into_iter()) {
        sql_query(format!(
            "{told} INSERT INTO stock_order_units (connection, order_id, catalog_no, site, units, open) \
             SELECT connection, CAST(value->>'o' AS BIGINT), value->>'cat', value->>'site', CAST(value->>'units' AS BIGINT), \
             CAST(value->>'open' AS BIGINT) FROM told"
        ))
        .bind::<Text, _>(name)
        .bind::<Text, _>(&piece)
        .execute(db)?;
        sql_query(format!(
            "{told} INSERT INTO stock_orders (connection, order_id, changed_at) \
             SELECT DISTINCT connection, CAST(value->>'o' AS BIGINT), CAST(value->>'at' AS BIGINT) FROM told WHERE true \
             ON CONFLICT (connection, order_id) DO NOTHING"
        ))
        .bind::<Text, _>(name)
        .bind::<Text, _>(&piece)
        .execute(db)?;
    }
    Ok(())
}

/// Those of some orders of which nothing is open, and IFS holds all.
fn settled_orders(db: &mut Db, name: &str, orders: &BTreeSet<i64>) -> Result<BTreeSet<i64>, StoreError> {
    use schema::stock_order_units::dsl;
    let ids: Vec<i64> = orders.iter().copied().collect();
    let units = dsl::stock_order_units.filter(dsl::connection.eq(name)).filter(dsl::order_id.eq_any(ids));
    let rows: Vec<(i64, i64, i64, Option<i64>)> =
        units.select((dsl::order_id, dsl::units, dsl::open, dsl::written)).load(db)?;
    let mut settled = orders.clone();
    for (order, units, open, written) in rows {
        if open > 0 || written != Some(units) {
            settled.remove(&order);
        }
    }
    Ok(settled)
}

/// Open orders of these numbers, in their order. With a moment, what was written of them later counts as under way.
pub(super) fn open_orders(
    db: &mut Db,
    name: &str,
    ids: Vec<i64>,
    ended: Option<&WritesEnded>,
) -> Result<Vec<OpenOrder>, StoreError> {
    let mut documents = documents_of(db, name, &ids, ended)?;
    let deleted: BTreeSet<u64> = deleted_of(db, name, &ids)?.into_iter().collect();
    let mut units: BTreeMap<u64, Vec<OrderUnits>> = BTreeMap::new();
    for one in units_where(db, name, Which::Orders(&ids))? {
        units.entry(one.order_id).or_default().push(one);
    }
    let order = |id: i64| OpenOrder {
        order_id: unsigned(id),
        documents: documents.remove(&id).unwrap_or_default(),
        units: units.remove(&unsigned(id)).unwrap_or_default(),
        is_deleted: deleted.contains(&unsigned(id)),
    };
    Ok(ids.into_iter().map(order).collect())
}

fn documents_of(
    db: &mut Db,
    name: &str,
    orders: &[i64],
    ended: Option<&WritesEnded>,
) -> Result<BTreeMap<i64, Vec<OrderDocument>>, StoreError> {
    use schema::{documents, intents, order_links};
    let rows: Vec<(i64, i64, String, Option<String>)> = documents::table
        .filter(documents::connection.eq(name))
        .filter(documents::order_id.eq_any(orders))
        .filter(documents::kind.eq(DocumentKind::CustomerOrder.as_str()))
        .order(documents::id)
        .select((documents::id, documents::order_id, documents::state, documents::written))
        .load(db)?;
    let ids: Vec<i64> = rows.iter().map(|(id, ..)| *id).collect();
    let linked = order_links::table.filter(order_links::document_id.eq_any(&ids));
    let linked: Vec<i64> = linked.filter(order_links::origin.ne(NOTED)).select(order_links::document_id).load(db)?;
    let newest = ended.map_or(i64::MAX, |ended| ended.newest);
    let open = intents::table.filter(intents::document_id.eq_any(&ids));
    let open = open.filter(intents::closed_at.is_null().or(intents::id.gt(newest)));
    let mut open: Vec<i64> = open.select(intents::document_id).load(db)?;
    if let Some(ended) = ended {
        open.extend(&ended.under_way);
    }
    let (linked, open): (BTreeSet<i64>, BTreeSet<i64>) = (linked.into_iter().collect(), open.into_iter().collect());
    let mut of_order: BTreeMap<i64, Vec<OrderDocument>> = BTreeMap::new();
    for (id, order, state, written) in rows {
        let (is_linked, has_open_intent) = (linked.contains(&id), open.contains(&id));
        of_order.entry(order).or_default().push(OrderDocument { state, written, is_linked, has_open_intent });
    }
    Ok(of_order)
}

/// Whose units are asked for.
enum Which<'a> {
    Orders(&'a [i64]),
    Parts(&'a [String]),
}

type RawUnits = (i64, String, String, i64, i64, Option<i64>);

fn units_where(db: &mut Db, name: &str, which: Which<'_>) -> Result<Vec<OrderUnits>, StoreError> {
    use schema::{stock_order_units, stock_orders};
    let (order_id, catalog_no) = (stock_order_units::order_id, stock_order_units::catalog_no);
    let ours = stock_order_units::table.filter(stock_order_units::connection.eq(name));
    let ours = ours.select((
        order_id,
        catalog_no,
        stock_order_units::site,
        stock_order_units::units,
        stock_order_units::open,
        stock_order_units::written,
    ));
    let rows: Vec<RawUnits> = match which {
        Which::Orders(ids) => ours.filter(order_id.eq_any(ids)).order((order_id, catalog_no)).load(db)?,
        Which::Parts(parts) => ours.filter(catalog_no.eq_any(parts)).order((catalog_no, order_id)).load(db)?,
    };
    // In pieces: of a part that sells well there are more open orders than one statement takes values.
    let ids: Vec<i64> = rows.iter().map(|row| row.0).collect::<BTreeSet<_>>().into_iter().collect();
    let mut changed: BTreeMap<i64, i64> = BTreeMap::new();
    for some in ids.chunks(ROWS_AT_ONCE) {
        let orders = stock_orders::table.filter(stock_orders::connection.eq(name));
        let orders = orders.filter(stock_orders::order_id.eq_any(some));
        let orders = orders.select((stock_orders::order_id, stock_orders::changed_at));
        changed.extend(orders.load::<(i64, i64)>(db)?);
    }
    let units = |(order, catalog_no, site, units, open, written): RawUnits| OrderUnits {
        order_id: unsigned(order),
        changed_at: changed.get(&order).copied().map_or(Timestamp::MAX, instant),
        catalog_no,
        site,
        units,
        open,
        written,
    };
    Ok(rows.into_iter().map(units).collect())
}
