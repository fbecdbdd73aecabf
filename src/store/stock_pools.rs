//! What is planned together: a part of a site with everything that the shop sells of it, in pieces by the parts' numbers, so that no
//! more is held at once than a piece. Beside it what of shop and IFS does not find its other half. Reads only.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::dialect::Db;
use super::rows::{signed, unsigned};
use super::stock_levels::{LevelRow, RawLevel};
use super::stock_parts::{RawSalesPart, SalesPart, StockPart};
use super::stock_readings::ROWS_AT_ONCE;
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// A variant with its levels, at every location of the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockVariant {
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
    /// The sales part that it is.
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
    /// Its levels.
    pub levels: Vec<LevelRow>,
}

/// A part of a site with everything that is sold of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockPool {
    /// `PartNo`.
    pub part_no: String,
    /// What the run told of it.
    pub part: StockPart,
    /// Whether the run itself read its sales parts and variants: only then what the run's readings did not name is not there.
    pub is_of_run: bool,
    /// Its sales parts by their numbers, each with the variants that it is: usually one.
    pub goods: Vec<(SalesPart, Vec<StockVariant>)>,
}

/// One number with both of its halves, as far as there are some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartCoverage {
    /// `CatalogNo`.
    pub catalog_no: String,
    /// The sales part.
    pub part: Option<SalesPart>,
    /// The variants.
    pub variants: Vec<StockVariant>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::stock_variants)]
pub(super) struct RawVariant {
    variant_id: i64,
    product_id: i64,
    item_id: i64,
    sku: Option<String>,
    barcode: Option<String>,
    catalog_no: Option<String>,
    price: String,
    policy: String,
    status: String,
    is_tracked: i64,
    is_bundle: i64,
    sellable: Option<i64>,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

impl Store {
    /// The pools of a site behind a part, by the parts' numbers, `limit` at most: parts of which the shop sells something.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn stock_pools(
        &self,
        name: &ConnectionName,
        (site, run): (String, i64),
        after: Option<String>,
        limit: i64,
    ) -> Result<Vec<StockPool>, StoreError> {
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let parts: Vec<Word> = sql_query(
                // A value, not a join, so that PostgreSQL without statistics goes along the index of the parts too; IS NOT NULL, as it
                // takes one row of 200 for equal to 1, and compiles the statement for the work that it expects.
                "SELECT DISTINCT p.part_no AS word FROM stock_sales_parts p \
                 WHERE p.connection = $1 AND p.site = $2 AND p.part_no > $3 \
                 AND (SELECT 1 FROM stock_variants v WHERE v.connection = p.connection AND v.catalog_no = p.catalog_no LIMIT 1) IS NOT NULL \
                 ORDER BY p.part_no LIMIT $4",
            )
            .bind::<Text, _>(&name)
            .bind::<Text, _>(&site)
            .bind::<Text, _>(after.unwrap_or_default())
            .bind::<BigInt, _>(limit)
            .load(db)?;
            pools(db, &name, &site, run, parts.into_iter().map(|part| part.word).collect())
        })
        .await
    }

    /// The pools of these parts of a site.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn stock_pools_of(
        &self,
        name: &ConnectionName,
        (site, run): (String, i64),
        parts: Vec<String>,
    ) -> Result<Vec<StockPool>, StoreError> {
        let name = name.as_str().to_owned();
        self.run(move |db| pools(db, &name, &site, run, parts)).await
    }

    /// The parts of these sales parts of a site, each once.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn parts_of_numbers(
        &self,
        name: &ConnectionName,
        site: String,
        numbers: Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        use schema::stock_sales_parts::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let sold = dsl::stock_sales_parts.filter(dsl::connection.eq(name)).filter(dsl::site.eq(site));
            // Sorted here: for the sake of an order SQLite would walk the whole site.
            let sold = sold.filter(dsl::catalog_no.eq_any(numbers)).select(dsl::part_no);
            let parts: BTreeSet<String> = sold.load::<Option<String>>(db)?.into_iter().flatten().collect();
            Ok(parts.into_iter().collect())
        })
        .await
    }

    /// The sales parts that these variants are, by what was read of them last.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn numbers_of_variants(
        &self,
        name: &ConnectionName,
        variants: &[u64],
    ) -> Result<Vec<String>, StoreError> {
        use schema::stock_variants::dsl;
        let name = name.as_str().to_owned();
        let variants: Vec<i64> = variants.iter().map(|id| signed(*id)).collect::<Result<_, _>>()?;
        self.run(move |db| {
            let mut numbers = BTreeSet::new();
            for some in variants.chunks(ROWS_AT_ONCE) {
                let ours = dsl::stock_variants.filter(dsl::connection.eq(&name));
                let ours = ours.filter(dsl::variant_id.eq_any(some)).select(dsl::catalog_no);
                numbers.extend(ours.load::<Option<String>>(db)?.into_iter().flatten());
            }
            Ok(numbers.into_iter().collect())
        })
        .await
    }

    /// Numbers of variants and sales parts of a site behind one, with both halves, `limit` at most.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn stock_coverage(
        &self,
        name: &ConnectionName,
        site: String,
        after: Option<String>,
        limit: i64,
    ) -> Result<Vec<PartCoverage>, StoreError> {
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let numbers: Vec<Word> = sql_query(
                "SELECT word FROM (SELECT word FROM (SELECT DISTINCT catalog_no AS word FROM stock_variants \
                 WHERE connection = $1 AND catalog_no > $2 ORDER BY catalog_no LIMIT $3) shown \
                 UNION SELECT word FROM (SELECT catalog_no AS word FROM stock_sales_parts \
                 WHERE connection = $1 AND site = $4 AND catalog_no > $2 ORDER BY catalog_no LIMIT $3) sold) both_halves \
                 ORDER BY word LIMIT $3",
            )
            .bind::<Text, _>(&name)
            .bind::<Text, _>(after.unwrap_or_default())
            .bind::<BigInt, _>(limit)
            .bind::<Text, _>(&site)
            .load(db)?;
            both_halves(db, &name, &site, numbers.into_iter().map(|number| number.word).collect())
        })
        .await
    }

    /// These numbers with both halves at a site.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn stock_coverage_of(
        &self,
        name: &ConnectionName,
        site: String,
        numbers: Vec<String>,
    ) -> Result<Vec<PartCoverage>, StoreError> {
        let name = name.as_str().to_owned();
        self.run(move |db| both_halves(db, &name, &site, numbers)).await
    }

    /// Variants that are no sales part by the connection's rules, `limit` at most.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn variants_without_part(
        &self,
        name: &ConnectionName,
        after: u64,
        limit: i64,
    ) -> Result<Vec<StockVariant>, StoreError> {
        use schema::stock_variants::dsl;
        let (name, after) = (name.as_str().to_owned(), signed(after)?);
        self.run(move |db| {
            let without = dsl::stock_variants.filter(dsl::connection.eq(&name)).filter(dsl::catalog_no.is_null());
            let without = without.filter(dsl::variant_id.gt(after)).order(dsl::variant_id).limit(limit);
            let rows: Vec<RawVariant> = without.select(RawVariant::as_select()).load(db)?;
            with_levels(db, &name, rows)
        })
        .await
    }

    /// Variants that a person means by a SKU, a sales part's number, or one of Shopify's numbers.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn variants_named(&self, name: &ConnectionName, text: String) -> Result<Vec<StockVariant>, StoreError> {
        use schema::stock_variants::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            // Zero is nobody's number.
            let number: i64 = text.parse().unwrap_or(0);
            let ours = || dsl::stock_variants.filter(dsl::connection.eq(&name)).order(dsl::variant_id).limit(50);
            let by_word = dsl::sku.eq(&text).or(dsl::catalog_no.eq(&text));
            let mut rows: Vec<RawVariant> = ours().filter(by_word).select(RawVariant::as_select()).load(db)?;
            if rows.is_empty() {
                let by_number = dsl::variant_id.eq(number).or(dsl::item_id.eq(number));
                rows = ours().filter(by_number).select(RawVariant::as_select()).load(db)?;
            }
            with_levels(db, &name, rows)
        })
        .await
    }
}

fn pools(db: &mut Db, name: &str, site: &str, run: i64, parts: Vec<String>) -> Result<Vec<StockPool>, StoreError> {
    use schema::stock_sales_parts::dsl;
    let sold = dsl::stock_sales_parts.filter(dsl::connection.eq(name)).filter(dsl::site.eq(site));
    let sold: Vec<(RawSalesPart, i64)> = sold
        .filter(dsl::part_no.eq_any(&parts))
        // By the part first, though nobody needs it: SQLite would walk the whole site in an order that its key already has.
        .order((dsl::part_no, dsl::catalog_no))
        .select((RawSalesPart::as_select(), dsl::run))
        .load(db)?;
    let numbers: Vec<String> = sold.iter().map(|(part, _)| part.catalog_no.clone()).collect();
    let others = read_by_other_runs(db, name, run, &numbers)?;
    let mut variants = variants_by_number(db, name, &numbers)?;
    let mut figures = figures(db, name, site, run, &parts)?;
    let mut goods: BTreeMap<String, Vec<(SalesPart, Vec<StockVariant>)>> = BTreeMap::new();
    let mut of_others = BTreeSet::new();
    for (part, told) in sold {
        let (Some(part_no), Some(own)) = (part.part_no.clone(), variants.remove(&part.catalog_no)) else { continue };
        if told != run || others.contains(&part.catalog_no) {
            of_others.insert(part_no.clone());
        }
        goods.entry(part_no).or_default().push((part.into(), own));
    }
    // In the sequence of the parts as they were asked for: the last one is where the next piece begins.
    let pool = |part_no: String| StockPool {
        part: figures.remove(&part_no).unwrap_or_default(),
        goods: goods.remove(&part_no).unwrap_or_default(),
        is_of_run: !of_others.contains(&part_no),
        part_no,
    };
    Ok(parts.into_iter().map(pool).collect())
}

/// Those of some numbers whose variants another run read last.
fn read_by_other_runs(db: &mut Db, name: &str, run: i64, numbers: &[String]) -> Result<BTreeSet<String>, StoreError> {
    use schema::stock_variants::dsl;
    let others = dsl::stock_variants.filter(dsl::connection.eq(name)).filter(dsl::run.ne(run));
    let others = others.filter(dsl::catalog_no.eq_any(numbers)).select(dsl::catalog_no);
    let others: Vec<Option<String>> = others.load(db)?;
    Ok(others.into_iter().flatten().collect())
}

type RawFigures = (String, Option<String>, Option<i64>, Option<String>, Option<i64>, Option<String>, Option<i64>);

/// What this run told of the parts.
fn figures(
    db: &mut Db,
    name: &str,
    site: &str,
    run: i64,
    parts: &[String],
) -> Result<BTreeMap<String, StockPart>, StoreError> {
    use schema::stock_parts::dsl;
    let rows: Vec<RawFigures> = dsl::stock_parts
        .filter(dsl::connection.eq(name))
        .filter(dsl::site.eq(site))
        .filter(dsl::part_no.eq_any(parts))
        .select((
            dsl::part_no,
            dsl::demand_before,
            dsl::demand_before_run,
            dsl::stock,
            dsl::stock_run,
            dsl::demand_after,
            dsl::demand_after_run,
        ))
        .load(db)?;
    let of_run = |figures: Option<String>, told: Option<i64>| figures.filter(|_| told == Some(run));
    let part = |(part_no, before, before_run, stock, stock_run, after, after_run): RawFigures| {
        let part = StockPart {
            demand_before: of_run(before, before_run),
            stock: of_run(stock, stock_run),
            demand_after: of_run(after, after_run),
        };
        (part_no, part)
    };
    Ok(rows.into_iter().map(part).collect())
}

fn both_halves(db: &mut Db, name: &str, site: &str, numbers: Vec<String>) -> Result<Vec<PartCoverage>, StoreError> {
    let parts = sales_parts(db, name, site, &numbers)?.into_iter();
    let mut parts: BTreeMap<String, SalesPart> = parts.map(|part| (part.catalog_no.clone(), part)).collect();
    let mut variants = variants_by_number(db, name, &numbers)?;
    let halves = |catalog_no: String| PartCoverage {
        part: parts.remove(&catalog_no),
        variants: variants.remove(&catalog_no).unwrap_or_default(),
        catalog_no,
    };
    Ok(numbers.into_iter().map(halves).collect())
}

fn sales_parts(db: &mut Db, name: &str, site: &str, numbers: &[String]) -> Result<Vec<SalesPart>, StoreError> {
    use schema::stock_sales_parts::dsl;
    let of_site = dsl::stock_sales_parts.filter(dsl::connection.eq(name)).filter(dsl::site.eq(site));
    let rows: Vec<RawSalesPart> =
        of_site.filter(dsl::catalog_no.eq_any(numbers)).select(RawSalesPart::as_select()).load(db)?;
    Ok(rows.into_iter().map(SalesPart::from).collect())
}

fn variants_by_number(
    db: &mut Db,
    name: &str,
    numbers: &[String],
) -> Result<BTreeMap<String, Vec<StockVariant>>, StoreError> {
    use schema::stock_variants::dsl;
    let named = dsl::stock_variants.filter(dsl::connection.eq(name)).filter(dsl::catalog_no.eq_any(numbers));
    // By the number first, for the same reason as the sales parts of pools.
    let rows: Vec<RawVariant> =
        named.order((dsl::catalog_no, dsl::variant_id)).select(RawVariant::as_select()).load(db)?;
    let mut by_number: BTreeMap<String, Vec<StockVariant>> = BTreeMap::new();
    for variant in with_levels(db, name, rows)? {
        if let Some(number) = variant.catalog_no.clone() {
            by_number.entry(number).or_default().push(variant);
        }
    }
    Ok(by_number)
}

/// Variants with their levels.
pub(super) fn with_levels(db: &mut Db, name: &str, rows: Vec<RawVariant>) -> Result<Vec<StockVariant>, StoreError> {
    use schema::stock_levels::dsl;
    // Each once: an item that stood in two pieces would have its levels twice.
    let items: Vec<i64> = rows.iter().map(|row| row.item_id).collect::<BTreeSet<_>>().into_iter().collect();
    let mut by_item: BTreeMap<i64, Vec<LevelRow>> = BTreeMap::new();
    for some in items.chunks(ROWS_AT_ONCE) {
        let levels = dsl::stock_levels.filter(dsl::connection.eq(name)).filter(dsl::item_id.eq_any(some));
        let levels: Vec<RawLevel> = levels.order(dsl::location_id).select(RawLevel::as_select()).load(db)?;
        for level in levels {
            by_item.entry(level.item_id).or_default().push(level.told()?);
        }
    }
    let variant = |raw: RawVariant| StockVariant {
        // Two variants may share an item: each shows it.
        levels: by_item.get(&raw.item_id).cloned().unwrap_or_default(),
        variant_id: unsigned(raw.variant_id),
        product_id: unsigned(raw.product_id),
        item_id: unsigned(raw.item_id),
        sku: raw.sku,
        barcode: raw.barcode,
        catalog_no: raw.catalog_no,
        price: raw.price,
        policy: raw.policy,
        status: raw.status,
        is_tracked: raw.is_tracked != 0,
        is_bundle: raw.is_bundle != 0,
        sellable: raw.sellable,
    };
    Ok(rows.into_iter().map(variant).collect())
}
