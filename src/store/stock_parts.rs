//! What IFS tells of a connection's parts, kept while a run is under way and until the next one: sales parts, and what readings of stock and
//! open lines told of the parts that the shop sells. The figures are the mapping's, and are kept as it writes them.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;
use serde_json::json;

use super::dialect;
use super::hints::{Cursor, put_cursor};
use super::leases::{self, Lease};
use super::rows::micros;
use super::stock_readings::in_pieces;
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// A sales part of a site. Figures are exact decimals as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesPart {
    /// `CatalogNo`.
    pub catalog_no: String,
    /// `PartNo`; none for what is not kept in stock.
    pub part_no: Option<String>,
    /// How many units of the stock one unit that is sold takes, where IFS says it.
    pub conversion: Option<String>,
    /// How many units of the price one unit that is sold has, where IFS says it.
    pub price_conversion: Option<String>,
    /// Whether it may be sold.
    pub is_active: bool,
    /// Its price without tax.
    pub list_price: Option<String>,
    /// Its price with tax.
    pub list_price_incl_tax: Option<String>,
    /// The currency of its price.
    pub currency: Option<String>,
}

/// Which reading told the figures of a part. Lines are read before the stock and once more after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartReading {
    /// What open lines take, before.
    DemandBefore,
    /// What is in stock.
    Stock,
    /// What open lines take, after.
    DemandAfter,
}

impl PartReading {
    const fn column(self) -> &'static str {
        match self {
            Self::DemandBefore => "demand_before",
            Self::Stock => "stock",
            Self::DemandAfter => "demand_after",
        }
    }
}

/// What a reading told of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFigures {
    /// `PartNo`.
    pub part_no: String,
    /// The figures, as JSON text; of a part that could not be read too.
    pub figures: String,
}

/// What one run told of a part. A reading that came to its end and did not name the part says that there is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StockPart {
    /// Of its open lines, before; none where they were not named.
    pub demand_before: Option<String>,
    /// Of its stock.
    pub stock: Option<String>,
    /// Of its open lines, after.
    pub demand_after: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::stock_sales_parts)]
pub(super) struct RawSalesPart {
    pub(super) catalog_no: String,
    pub(super) part_no: Option<String>,
    conversion: Option<String>,
    price_conversion: Option<String>,
    is_active: i64,
    list_price: Option<String>,
    list_price_incl_tax: Option<String>,
    currency: Option<String>,
}

impl From<RawSalesPart> for SalesPart {
    fn from(raw: RawSalesPart) -> Self {
        Self {
            catalog_no: raw.catalog_no,
            part_no: raw.part_no,
            conversion: raw.conversion,
            price_conversion: raw.price_conversion,
            is_active: raw.is_active != 0,
            list_price: raw.list_price,
            list_price_incl_tax: raw.list_price_incl_tax,
            currency: raw.currency,
        }
    }
}

impl Store {
    /// Keeps a page of a site's sales parts, and the cursor behind it.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn put_sales_parts(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        (site, run): (String, i64),
        parts: Vec<SalesPart>,
        cursor: Option<Cursor>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        let row = |part: SalesPart| {
            let row = json!({
                "cat": part.catalog_no, "part": part.part_no, "conv": part.conversion, "pconv": part.price_conversion,
                "active": i64::from(part.is_active), "net": part.list_price, "gross": part.list_price_incl_tax,
                "cur": part.currency,
            });
            (part.catalog_no, row)
        };
        let rows: BTreeMap<String, _> = parts.into_iter().map(row).collect();
        self.write_ahead(move |db| {
            leases::hold(db, &lease)?;
            let told = dialect::told(db);
            for piece in in_pieces(rows.into_values()) {
                sql_query(format!(
                    "{told} INSERT INTO stock_sales_parts (connection, site, catalog_no, run, part_no, conversion, \
                     price_conversion, is_active, list_price, list_price_incl_tax, currency) \
                     SELECT connection, $3, value->>'cat', $4, value->>'part', value->>'conv', value->>'pconv', \
                     CAST(value->>'active' AS BIGINT), value->>'net', value->>'gross', value->>'cur' \
                     FROM told WHERE true \
                     ON CONFLICT (connection, site, catalog_no) DO UPDATE SET run = excluded.run, \
                     part_no = excluded.part_no, conversion = excluded.conversion, \
                     price_conversion = excluded.price_conversion, is_active = excluded.is_active, \
                     list_price = excluded.list_price, list_price_incl_tax = excluded.list_price_incl_tax, \
                     currency = excluded.currency"
                ))
                .bind::<Text, _>(&name)
                .bind::<Text, _>(piece)
                .bind::<Text, _>(&site)
                .bind::<BigInt, _>(run)
                .execute(db)?;
            }
            cursor.map_or(Ok(()), |cursor| put_cursor(db, &name, &cursor, micros(now)))
        })
        .await
    }

    /// A reading of a site's sales parts came to its end: those that it did not tell of are there no more. Gives how many went.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn end_sales_parts(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        site: String,
        run: i64,
    ) -> Result<usize, StoreError> {
        use schema::stock_sales_parts::dsl;
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let of_site = dsl::stock_sales_parts.filter(dsl::connection.eq(name)).filter(dsl::site.eq(site));
            Ok(diesel::delete(of_site.filter(dsl::run.lt(run))).execute(db)?)
        })
        .await
    }

    /// Keeps what a page told of parts that the shop sells, and the cursor behind it. What it told of others is not kept.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn put_part_figures(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        (site, run, reading): (String, i64, PartReading),
        parts: Vec<PartFigures>,
        cursor: Option<Cursor>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        let row = |part: PartFigures| {
            let row = json!({ "part": part.part_no, "figures": part.figures });
            (part.part_no, row)
        };
        let rows: BTreeMap<String, _> = parts.into_iter().map(row).collect();
        self.write_ahead(move |db| {
            leases::hold(db, &lease)?;
            let (told, column) = (dialect::told(db), reading.column());
            for piece in in_pieces(rows.into_values()) {
                // Told in this odd way PostgreSQL without statistics goes along the index of the parts too, and not, for each row, through
                // a site's whole key.
                sql_query(format!(
                    "{told} INSERT INTO stock_parts (connection, site, part_no, {column}, {column}_run) \
                     SELECT connection, $3, value->>'part', value->>'figures', $4 FROM told \
                     WHERE (SELECT 1 FROM stock_sales_parts p WHERE p.connection = told.connection AND p.site = $3 \
                     AND p.part_no >= told.value->>'part' AND p.part_no <= told.value->>'part' \
                     AND (SELECT 1 FROM stock_variants v WHERE v.connection = p.connection \
                     AND v.catalog_no = p.catalog_no LIMIT 1) IS NOT NULL \
                     ORDER BY p.connection, p.site, p.part_no LIMIT 1) IS NOT NULL \
                     ON CONFLICT (connection, site, part_no) DO UPDATE SET {column} = excluded.{column}, \
                     {column}_run = excluded.{column}_run"
                ))
                .bind::<Text, _>(&name)
                .bind::<Text, _>(piece)
                .bind::<Text, _>(&site)
                .bind::<BigInt, _>(run)
                .execute(db)?;
            }
            cursor.map_or(Ok(()), |cursor| put_cursor(db, &name, &cursor, micros(now)))
        })
        .await
    }

    /// Forgets parts of which no run since `run` told anything.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn forget_stock_parts(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        run: i64,
    ) -> Result<usize, StoreError> {
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let old = sql_query(
                "DELETE FROM stock_parts WHERE connection = $1 AND COALESCE(stock_run, 0) < $2 \
                 AND COALESCE(demand_before_run, 0) < $2 AND COALESCE(demand_after_run, 0) < $2",
            );
            Ok(old.bind::<Text, _>(name).bind::<BigInt, _>(run).execute(db)?)
        })
        .await
    }
}
