//! What a shop shows of its stock, as the latest reading told it: variants, and their levels at every location. A page and the cursor
//! behind it are one transaction. Written by the owner of the tenant alone.
//!
//! A reading may be older than a call of ours, or meet one under way. So each connection has a mark that grows with every call and
//! every settle; a reading is asked for after looking at it. A level that moved since keeps, as `pending`, the most that it may have been
//! set to, until a later reading that nothing crossed.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::dialect::{self, Db};
use super::hints::{Cursor, put_cursor};
use super::leases::{self, Lease};
use super::rows::{micros, signed, unsigned};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// Rows of one statement.
pub(super) const ROWS_AT_ONCE: usize = 500;

/// A variant as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadVariant {
    /// Shopify's number of the variant.
    pub variant_id: u64,
    /// Shopify's number of its product.
    pub product_id: u64,
    /// Shopify's number of its inventory item.
    pub item_id: u64,
    /// The merchant's article number.
    pub sku: Option<String>,
    /// Its bar code.
    pub barcode: Option<String>,
    /// The sales part that it is, by the connection's rules.
    pub catalog_no: Option<String>,
    /// Its price, as exact text.
    pub price: String,
    /// Shopify's word for what happens when nothing is left.
    pub policy: String,
    /// Shopify's word for whether its product is shown.
    pub status: String,
    /// Whether Shopify counts it.
    pub is_tracked: bool,
    /// Whether it is a bundle of Shopify's.
    pub is_bundle: bool,
    /// What Shopify says can be sold of it.
    pub sellable: Option<i64>,
}

/// A level as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLevel {
    /// Shopify's number of the inventory item.
    pub item_id: u64,
    /// Shopify's number of the location.
    pub location_id: u64,
    /// What customers may buy.
    pub available: i64,
    /// What orders have of it that are not fulfilled.
    pub committed: i64,
    /// What Shopify has reserved of it that no order has.
    pub reserved: i64,
}

/// Whether a reading tells all levels of its variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelsTold {
    /// It does: one that it does not tell is gone, as where a location was switched off.
    All,
    /// Variants and levels come apart, as in a file: only the end of the reading tells what is gone.
    Apart,
}

/// A part of a reading.
#[derive(Debug, Clone)]
pub struct StockReading {
    /// The run that it belongs to.
    pub run: i64,
    /// The connection's mark before it was asked for ([`Store::stock_mark`]).
    pub mark: i64,
    /// When it was asked for, by our clock: a call that was given up so shortly before may still be carried out after it.
    pub asked_at: Timestamp,
    /// Not before this time of Shopify's it was read.
    pub read_from: Option<Timestamp>,
    /// Not after this time of Shopify's it was read.
    pub read_until: Option<Timestamp>,
    /// The variants.
    pub variants: Vec<ReadVariant>,
    /// The levels, of whichever variants.
    pub levels: Vec<ReadLevel>,
    /// Whether that is all of them.
    pub told: LevelsTold,
    /// How far the reading has come.
    pub cursor: Option<Cursor>,
}

/// What a whole reading did not tell of any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GoneStock {
    /// Variants that the shop has no more.
    pub variants: usize,
    /// Levels that it has no more, or whose location was switched off.
    pub levels: usize,
}

impl Store {
    /// A connection's mark. Looked at before Shopify is asked for levels.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn stock_mark(&self, name: &ConnectionName) -> Result<i64, StoreError> {
        use schema::stock_marks::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let row = dsl::stock_marks.filter(dsl::connection.eq(name));
            Ok(row.select(dsl::mark).first(db).optional()?.unwrap_or(0))
        })
        .await
    }

    /// Keeps a part of a reading, and the cursor behind it. What was planned for a level before is planned anew.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn put_stock_reading(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        reading: StockReading,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        self.write_ahead(move |db| {
            leases::hold(db, &lease)?;
            next_mark(db, &name)?;
            put_variants(db, &name, &reading)?;
            put_levels(db, &name, &reading, now)?;
            if reading.told == LevelsTold::All {
                forget_untold(db, &name, &reading)?;
            }
            match &reading.cursor {
                Some(cursor) => put_cursor(db, &name, cursor, now),
                None => Ok(()),
            }
        })
        .await
    }

    /// A reading came to its end: what it did not tell of is not there any more. A level with a call under way stays until that has
    /// ended.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn end_stock_reading(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        run: i64,
    ) -> Result<GoneStock, StoreError> {
        use schema::{stock_levels, stock_variants};
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        self.write(move |db| {
            leases::hold(db, &lease)?;
            next_mark(db, &name)?;
            let variants = stock_variants::table.filter(stock_variants::connection.eq(&name));
            let variants = diesel::delete(variants.filter(stock_variants::run.lt(run))).execute(db)?;
            let levels = stock_levels::table.filter(stock_levels::connection.eq(&name));
            let levels = levels.filter(stock_levels::run.lt(run)).filter(stock_levels::call_id.is_null());
            let levels = diesel::delete(levels).execute(db)?;
            Ok(GoneStock { variants, levels })
        })
        .await
    }

    /// Variants of which Shopify says, when asked for them by their numbers, that it has none: they and their levels go.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn forget_variants(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        variants: &[u64],
    ) -> Result<(), StoreError> {
        use schema::{stock_levels, stock_variants};
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        let ids: Vec<i64> = variants.iter().map(|id| signed(*id)).collect::<Result<_, _>>()?;
        self.write(move |db| {
            leases::hold(db, &lease)?;
            next_mark(db, &name)?;
            let gone = stock_variants::table.filter(stock_variants::connection.eq(&name));
            let gone = gone.filter(stock_variants::variant_id.eq_any(ids));
            let items: Vec<i64> = gone.clone().select(stock_variants::item_id).load(db)?;
            let levels = stock_levels::table.filter(stock_levels::connection.eq(&name));
            let levels = levels.filter(stock_levels::item_id.eq_any(items)).filter(stock_levels::call_id.is_null());
            diesel::delete(levels).execute(db)?;
            diesel::delete(gone).execute(db)?;
            Ok(())
        })
        .await
    }
}

/// Moves the mark and gives it. It is the first row that a change of stock locks, so that no two of a connection wait for each other.
pub(super) fn next_mark(db: &mut Db, name: &str) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Marked {
        #[diesel(sql_type = BigInt)]
        mark: i64,
    }
    let marked: Marked = sql_query(
        "INSERT INTO stock_marks (connection, mark) VALUES ($1, 1) \
         ON CONFLICT (connection) DO UPDATE SET mark = stock_marks.mark + 1 RETURNING mark",
    )
    .bind::<Text, _>(name)
    .get_result(db)?;
    Ok(marked.mark)
}

/// Rows in pieces that one statement takes, as the text of a JSON list.
pub(super) fn in_pieces(rows: impl Iterator<Item = Value>) -> Vec<String> {
    let rows: Vec<Value> = rows.collect();
    rows.chunks(ROWS_AT_ONCE).map(|some| Value::Array(some.to_vec()).to_string()).collect()
}

fn put_variants(db: &mut Db, name: &str, reading: &StockReading) -> Result<(), StoreError> {
    // One that stands in a reading twice is told by the last row: a statement takes each key once.
    let mut rows = BTreeMap::new();
    for variant in &reading.variants {
        let row = json!({
            "v": signed(variant.variant_id)?, "p": signed(variant.product_id)?, "i": signed(variant.item_id)?,
            "sku": variant.sku, "bar": variant.barcode, "cat": variant.catalog_no, "price": variant.price,
            "policy": variant.policy, "status": variant.status, "tracked": i64::from(variant.is_tracked),
            "bundle": i64::from(variant.is_bundle), "sellable": variant.sellable,
        });
        rows.insert(variant.variant_id, row);
    }
    let told = dialect::told(db);
    for piece in in_pieces(rows.into_values()) {
        sql_query(format!(
            "{told} INSERT INTO stock_variants (connection, variant_id, run, product_id, item_id, sku, barcode, catalog_no, \
             price, policy, status, is_tracked, is_bundle, sellable) \
             SELECT connection, CAST(value->>'v' AS BIGINT), $3, CAST(value->>'p' AS BIGINT), CAST(value->>'i' AS BIGINT), \
             value->>'sku', value->>'bar', value->>'cat', value->>'price', value->>'policy', value->>'status', \
             CAST(value->>'tracked' AS BIGINT), CAST(value->>'bundle' AS BIGINT), CAST(value->>'sellable' AS BIGINT) \
             FROM told WHERE true \
             ON CONFLICT (connection, variant_id) DO UPDATE SET run = excluded.run, product_id = excluded.product_id, \
             item_id = excluded.item_id, sku = excluded.sku, barcode = excluded.barcode, \
             catalog_no = excluded.catalog_no, price = excluded.price, policy = excluded.policy, \
             status = excluded.status, is_tracked = excluded.is_tracked, is_bundle = excluded.is_bundle, \
             sellable = excluded.sellable"
        ))
        .bind::<Text, _>(name)
        .bind::<Text, _>(piece)
        .bind::<BigInt, _>(reading.run)
        .execute(db)?;
    }
    Ok(())
}

fn put_levels(db: &mut Db, name: &str, reading: &StockReading, now: i64) -> Result<(), StoreError> {
    let mut rows = BTreeMap::new();
    for level in &reading.levels {
        let (item, location) = (signed(level.item_id)?, signed(level.location_id)?);
        let row = json!({
            "i": item, "l": location, "a": level.available, "c": level.committed, "r": level.reserved,
        });
        rows.insert((item, location), row);
    }
    let told = dialect::told(db);
    for piece in in_pieces(rows.into_values()) {
        sql_query(format!(
            "{told} INSERT INTO stock_levels (connection, item_id, location_id, run, revision, available, committed, reserved, \
             read_from, read_until, state, batch_max, updated_at) \
             SELECT connection, CAST(value->>'i' AS BIGINT), CAST(value->>'l' AS BIGINT), $3, 1, CAST(value->>'a' AS BIGINT), \
             CAST(value->>'c' AS BIGINT), CAST(value->>'r' AS BIGINT), $4, $5, 'read', {batch}, $6 \
             FROM told WHERE true \
             ON CONFLICT (connection, item_id, location_id) DO UPDATE SET run = excluded.run, \
             revision = stock_levels.revision + 1, available = excluded.available, committed = excluded.committed, \
             reserved = excluded.reserved, read_from = excluded.read_from, read_until = excluded.read_until, updated_at = excluded.updated_at, \
             pending = CASE WHEN stock_levels.call_id IS NULL AND stock_levels.moved <= $7 \
             AND COALESCE(stock_levels.held_until, 0) <= $8 THEN NULL ELSE stock_levels.pending END, \
             state = CASE WHEN stock_levels.state IN ('writing', 'parked') \
             OR (stock_levels.state = 'stale' AND COALESCE(stock_levels.held_until, 0) > $8) \
             THEN stock_levels.state ELSE 'read' END",
            batch = super::stock_levels::BATCH_MAX,
        ))
        .bind::<Text, _>(name)
        .bind::<Text, _>(piece)
        .bind::<BigInt, _>(reading.run)
        .bind::<Nullable<BigInt>, _>(reading.read_from.map(micros))
        .bind::<Nullable<BigInt>, _>(reading.read_until.map(micros))
        .bind::<BigInt, _>(now)
        .bind::<BigInt, _>(reading.mark)
        .bind::<BigInt, _>(micros(reading.asked_at))
        .execute(db)?;
    }
    Ok(())
}

/// Levels of the variants that the reading does not tell.
fn forget_untold(db: &mut Db, name: &str, reading: &StockReading) -> Result<(), StoreError> {
    use schema::stock_levels::dsl;
    let items: Vec<i64> = reading.variants.iter().map(|variant| signed(variant.item_id)).collect::<Result<_, _>>()?;
    let told: BTreeSet<(u64, u64)> = reading.levels.iter().map(|level| (level.item_id, level.location_id)).collect();
    let known = dsl::stock_levels.filter(dsl::connection.eq(name)).filter(dsl::item_id.eq_any(items));
    let known: Vec<(i64, i64)> =
        known.filter(dsl::call_id.is_null()).select((dsl::item_id, dsl::location_id)).load(db)?;
    for (item, location) in known {
        if !told.contains(&(unsigned(item), unsigned(location))) {
            let level = dsl::stock_levels.filter(dsl::connection.eq(name)).filter(dsl::item_id.eq(item));
            diesel::delete(level.filter(dsl::location_id.eq(location))).execute(db)?;
        }
    }
    Ok(())
}
