//! `prices`: what variants should cost, in the shop itself and in price lists of markets, where that differs from what they cost or waits
//! for a person. What calls, time and persons do to them: [`super::stock_price_acts`].

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;
use serde_json::json;

use super::dialect;
use super::leases::{self, Lease};
use super::rows::{instant, micros, signed, unsigned};
use super::stock_readings::in_pieces;
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// What is planned for a price. Amounts are exact text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PricePlan {
    /// Shopify's number of the variant.
    pub variant_id: u64,
    /// Shopify's number of its product.
    pub product_id: u64,
    /// The sales part that it is.
    pub catalog_no: String,
    /// What it costs; none where a price list fixes nothing.
    pub shown: Option<String>,
    /// The currency of both.
    pub currency: String,
    /// What is planned.
    pub outcome: PriceOutcome,
}

/// What becomes of a price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PriceOutcome {
    /// It is right: nothing is kept of it, nor of what a person had accepted.
    Keep,
    /// It is set to this.
    Change(String),
    /// A person decides.
    Park {
        /// What it would be, where it is known.
        wanted: Option<String>,
        /// A stable word.
        code: String,
        /// A sentence for a person.
        text: String,
    },
}

/// A price that differs, or waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRow {
    /// Shopify's number of the price list; 0 for the shop's own price.
    pub price_list: u64,
    /// Shopify's number of the variant.
    pub variant_id: u64,
    /// Shopify's number of its product.
    pub product_id: u64,
    /// The sales part that it is.
    pub catalog_no: String,
    /// Digest of the rules under which it was planned.
    pub rules: String,
    /// `planned`, `written`, `parked`, `aged`.
    pub state: String,
    /// Most prices that go in one call with it, where Shopify refused a call without naming a price.
    pub together: Option<usize>,
    /// What it costs.
    pub shown: Option<String>,
    /// What it should cost.
    pub wanted: Option<String>,
    /// The currency of both.
    pub currency: String,
    /// What a person let through.
    pub accepted: Option<String>,
    /// Why it waits for a person: a stable word and a sentence.
    pub reason: Option<(String, String)>,
    /// When the row last changed: of one that is planned, when it was planned or accepted.
    pub updated_at: Timestamp,
}

/// What is known of a price beside what the shop's reading told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownPrice {
    /// What a person let through.
    pub accepted: Option<String>,
    /// What it was set to, and when, where that is what became of it last.
    pub written: Option<(String, Timestamp)>,
}

/// Which prices are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PriceFilter {
    /// Those that are to be set, by product, so that those of one go in one call.
    Planned,
    /// Those that wait for a person.
    Parked,
    /// All that differ, wait, or were set last.
    All,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::prices)]
struct Raw {
    price_list: i64,
    variant_id: i64,
    product_id: i64,
    catalog_no: String,
    rules: String,
    state: String,
    together: Option<i64>,
    shown: Option<String>,
    wanted: Option<String>,
    currency: String,
    accepted: Option<String>,
    reason_code: Option<String>,
    reason_text: Option<String>,
    updated_at: i64,
}

impl From<Raw> for PriceRow {
    fn from(raw: Raw) -> Self {
        Self {
            price_list: unsigned(raw.price_list),
            variant_id: unsigned(raw.variant_id),
            product_id: unsigned(raw.product_id),
            catalog_no: raw.catalog_no,
            rules: raw.rules,
            state: raw.state,
            together: raw.together.and_then(|together| usize::try_from(together).ok()),
            shown: raw.shown,
            wanted: raw.wanted,
            currency: raw.currency,
            accepted: raw.accepted,
            reason: raw.reason_code.map(|code| (code, raw.reason_text.unwrap_or_default())),
            updated_at: instant(raw.updated_at),
        }
    }
}

impl Store {
    /// Keeps what is planned under `rules` for prices of a list; 0 for the shop's own. What a person accepted stays while it is what is
    /// wanted, and until the price is right; it is set also where this was compared just before it was accepted.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn put_price_plans(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        (price_list, run, rules): (u64, i64, String),
        plans: Vec<PricePlan>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use schema::prices::dsl;
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        let list = signed(price_list)?;
        let (mut rows, mut right) = (BTreeMap::new(), Vec::new());
        for plan in plans {
            let variant = signed(plan.variant_id)?;
            let mut row = json!({
                "v": variant, "p": signed(plan.product_id)?, "cat": plan.catalog_no, "shown": plan.shown,
                "cur": plan.currency,
            });
            match plan.outcome {
                PriceOutcome::Keep => {
                    right.push(variant);
                    continue;
                }
                PriceOutcome::Change(wanted) => {
                    row["state"] = json!("planned");
                    row["wanted"] = json!(wanted);
                }
                PriceOutcome::Park { wanted, code, text } => {
                    row["state"] = json!("parked");
                    row["wanted"] = json!(wanted);
                    row["code"] = json!(code);
                    row["text"] = json!(text);
                }
            }
            rows.insert(variant, row);
        }
        self.write_ahead(move |db| {
            leases::hold(db, &lease)?;
            let of_list = dsl::prices.filter(dsl::connection.eq(&name)).filter(dsl::price_list.eq(list));
            diesel::delete(of_list.filter(dsl::variant_id.eq_any(right))).execute(db)?;
            let told = dialect::told(db);
            for piece in in_pieces(rows.into_values()) {
                sql_query(format!(
                    "{told} INSERT INTO prices (connection, price_list, variant_id, product_id, catalog_no, run, rules, state, \
                     shown, wanted, currency, reason_code, reason_text, updated_at) \
                     SELECT connection, $3, CAST(value->>'v' AS BIGINT), CAST(value->>'p' AS BIGINT), value->>'cat', $4, $5, \
                     value->>'state', value->>'shown', value->>'wanted', value->>'cur', value->>'code', \
                     value->>'text', $6 FROM told WHERE true \
                     ON CONFLICT (connection, price_list, variant_id) DO UPDATE SET product_id = excluded.product_id, \
                     catalog_no = excluded.catalog_no, run = excluded.run, rules = excluded.rules, together = NULL, \
                     shown = excluded.shown, wanted = excluded.wanted, currency = excluded.currency, \
                     state = CASE WHEN prices.accepted = excluded.wanted THEN 'planned' ELSE excluded.state END, \
                     reason_code = CASE WHEN prices.accepted = excluded.wanted THEN NULL ELSE excluded.reason_code END, \
                     reason_text = CASE WHEN prices.accepted = excluded.wanted THEN NULL ELSE excluded.reason_text END, \
                     accepted = CASE WHEN prices.accepted = excluded.wanted THEN prices.accepted END, \
                     updated_at = excluded.updated_at"
                ))
                .bind::<Text, _>(&name)
                .bind::<Text, _>(piece)
                .bind::<BigInt, _>(list)
                .bind::<BigInt, _>(run)
                .bind::<Text, _>(&rules)
                .bind::<BigInt, _>(now)
                .execute(db)?;
            }
            Ok(())
        })
        .await
    }

    /// A comparison of a list's prices came to its end: what it planned nothing for is forgotten.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn end_price_plans(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        (price_list, run): (u64, i64),
    ) -> Result<usize, StoreError> {
        use schema::prices::dsl;
        let (lease, name, list) = (lease.clone(), name.as_str().to_owned(), signed(price_list)?);
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let of_list = dsl::prices.filter(dsl::connection.eq(name)).filter(dsl::price_list.eq(list));
            Ok(diesel::delete(of_list.filter(dsl::run.lt(run))).execute(db)?)
        })
        .await
    }

    /// Prices of a list behind a product and variant, `limit` at most.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn prices(
        &self,
        name: &ConnectionName,
        price_list: u64,
        filter: PriceFilter,
        after: (u64, u64),
        limit: i64,
    ) -> Result<Vec<PriceRow>, StoreError> {
        use schema::prices::dsl;
        let (name, list) = (name.as_str().to_owned(), signed(price_list)?);
        let (product, variant) = (signed(after.0)?, signed(after.1)?);
        self.run(move |db| {
            let behind = dsl::product_id.gt(product).or(dsl::product_id.eq(product).and(dsl::variant_id.gt(variant)));
            let of_list = dsl::prices.filter(dsl::connection.eq(name)).filter(dsl::price_list.eq(list)).filter(behind);
            let ordered = of_list.order((dsl::product_id, dsl::variant_id)).limit(limit);
            let mut query = ordered.select(Raw::as_select()).into_boxed();
            match filter {
                PriceFilter::Planned => query = query.filter(dsl::state.eq("planned")),
                PriceFilter::Parked => query = query.filter(dsl::state.eq("parked")),
                PriceFilter::All => {}
            }
            let rows: Vec<Raw> = query.load(db)?;
            Ok(rows.into_iter().map(PriceRow::from).collect())
        })
        .await
    }

    /// What is known of a list's prices of some variants beside what the shop's reading told.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn known_prices(
        &self,
        name: &ConnectionName,
        price_list: u64,
        variants: Vec<u64>,
    ) -> Result<BTreeMap<u64, KnownPrice>, StoreError> {
        use schema::prices::dsl;
        let (name, list) = (name.as_str().to_owned(), signed(price_list)?);
        let variants: Vec<i64> = variants.into_iter().map(signed).collect::<Result<_, _>>()?;
        self.run(move |db| {
            let of_list = dsl::prices.filter(dsl::connection.eq(name)).filter(dsl::price_list.eq(list));
            let rows: Vec<Raw> = of_list.filter(dsl::variant_id.eq_any(variants)).select(Raw::as_select()).load(db)?;
            let known = |raw: Raw| {
                let written = raw.wanted.filter(|_| raw.state == "written").map(|set| (set, instant(raw.updated_at)));
                (unsigned(raw.variant_id), KnownPrice { accepted: raw.accepted, written })
            };
            Ok(rows.into_iter().map(known).collect())
        })
        .await
    }
}
