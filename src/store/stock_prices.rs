//! `prices`: what variants should cost, in the shop itself and in price lists of markets, where that differs from what they cost or waits
//! for a person. To set a price again changes nothing, so no call is announced.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;
use serde_json::json;

use super::dialect;
use super::leases::{self, Lease};
use super::operate::audit;
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
    /// It stays until this day.
    Later(String),
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
    /// `planned`, `written`, `parked`, `later`.
    pub state: String,
    /// What it costs.
    pub shown: Option<String>,
    /// What it should cost.
    pub wanted: Option<String>,
    /// The currency of both.
    pub currency: String,
    /// The day from which that holds.
    pub valid_from: Option<String>,
    /// What a person let through.
    pub accepted: Option<String>,
    /// Why it waits for a person: a stable word and a sentence.
    pub reason: Option<(String, String)>,
    /// When the row last changed.
    pub updated_at: Timestamp,
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
    state: String,
    shown: Option<String>,
    wanted: Option<String>,
    currency: String,
    valid_from: Option<String>,
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
            state: raw.state,
            shown: raw.shown,
            wanted: raw.wanted,
            currency: raw.currency,
            valid_from: raw.valid_from,
            accepted: raw.accepted,
            reason: raw.reason_code.map(|code| (code, raw.reason_text.unwrap_or_default())),
            updated_at: instant(raw.updated_at),
        }
    }
}

/// What a call did to the prices that it carried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SettledPrices {
    /// The variants whose price is set, each with what it was set to.
    pub written: Vec<(u64, String)>,
    /// The variants whose price Shopify did not take, each with its word and its sentence.
    pub refused: Vec<(u64, String, String)>,
}

impl Store {
    /// Keeps what is planned for prices of a list; 0 for the shop's own. What a person accepted stays, until the price is right.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn put_price_plans(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        (price_list, run): (u64, i64),
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
                PriceOutcome::Later(day) => {
                    row["state"] = json!("later");
                    row["from"] = json!(day);
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
                    "{told} INSERT INTO prices (connection, price_list, variant_id, product_id, catalog_no, run, state, \
                     shown, wanted, currency, valid_from, reason_code, reason_text, updated_at) \
                     SELECT connection, $3, CAST(value->>'v' AS BIGINT), CAST(value->>'p' AS BIGINT), value->>'cat', $4, \
                     value->>'state', value->>'shown', value->>'wanted', value->>'cur', value->>'from', value->>'code', \
                     value->>'text', $5 FROM told WHERE true \
                     ON CONFLICT (connection, price_list, variant_id) DO UPDATE SET product_id = excluded.product_id, \
                     catalog_no = excluded.catalog_no, run = excluded.run, state = excluded.state, \
                     shown = excluded.shown, wanted = excluded.wanted, currency = excluded.currency, \
                     valid_from = excluded.valid_from, reason_code = excluded.reason_code, \
                     reason_text = excluded.reason_text, updated_at = excluded.updated_at"
                ))
                .bind::<Text, _>(&name)
                .bind::<Text, _>(piece)
                .bind::<BigInt, _>(list)
                .bind::<BigInt, _>(run)
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

    /// What a person let through of a list's prices, by variant.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn accepted_prices(
        &self,
        name: &ConnectionName,
        price_list: u64,
        variants: Vec<u64>,
    ) -> Result<BTreeMap<u64, String>, StoreError> {
        use schema::prices::dsl;
        let (name, list) = (name.as_str().to_owned(), signed(price_list)?);
        let variants: Vec<i64> = variants.into_iter().map(signed).collect::<Result<_, _>>()?;
        self.run(move |db| {
            let of_list = dsl::prices.filter(dsl::connection.eq(name)).filter(dsl::price_list.eq(list));
            let rows: Vec<(i64, Option<String>)> =
                of_list.filter(dsl::variant_id.eq_any(variants)).select((dsl::variant_id, dsl::accepted)).load(db)?;
            Ok(rows.into_iter().filter_map(|(variant, accepted)| Some((unsigned(variant), accepted?))).collect())
        })
        .await
    }

    /// Keeps what a call did: prices that are set, with what they were set to, and prices that Shopify did not take, with its word and
    /// sentence. One that was planned anew meanwhile stays planned.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn settle_prices(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        price_list: u64,
        SettledPrices { written, refused }: SettledPrices,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use schema::prices::dsl;
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        let list = signed(price_list)?;
        let written = written.into_iter().map(|(id, amount)| Ok((signed(id)?, amount)));
        let written = written.collect::<Result<Vec<_>, StoreError>>()?;
        let refused = refused.into_iter().map(|(id, code, text)| Ok((signed(id)?, code, text)));
        let refused = refused.collect::<Result<Vec<_>, StoreError>>()?;
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let of_list = || dsl::prices.filter(dsl::connection.eq(&name)).filter(dsl::price_list.eq(list));
            let none = None::<String>;
            for (variant, amount) in &written {
                let sent = of_list().filter(dsl::variant_id.eq(variant)).filter(dsl::wanted.eq(amount));
                diesel::update(sent.filter(dsl::state.eq("planned")))
                    .set((
                        dsl::state.eq("written"),
                        dsl::shown.eq(dsl::wanted),
                        dsl::accepted.eq(&none),
                        dsl::reason_code.eq(&none),
                        dsl::reason_text.eq(&none),
                        dsl::updated_at.eq(now),
                    ))
                    .execute(db)?;
            }
            for (variant, code, text) in &refused {
                diesel::update(of_list().filter(dsl::variant_id.eq(variant)))
                    .set((
                        dsl::state.eq("parked"),
                        dsl::accepted.eq(&none),
                        dsl::reason_code.eq(code),
                        dsl::reason_text.eq(text),
                        dsl::updated_at.eq(now),
                    ))
                    .execute(db)?;
            }
            Ok(())
        })
        .await
    }

    /// A person lets a parked price through: it, and no other one, is set.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when no parked price with an amount is there.
    pub async fn accept_price(
        &self,
        name: &ConnectionName,
        (price_list, variant): (u64, u64),
        (who, note): (String, String),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use schema::prices::dsl;
        let (name, now) = (name.as_str().to_owned(), micros(now));
        let (list, id) = (signed(price_list)?, signed(variant)?);
        self.write(move |db| {
            let row = dsl::prices.filter(dsl::connection.eq(&name)).filter(dsl::price_list.eq(list));
            let row = row.filter(dsl::variant_id.eq(id)).filter(dsl::state.eq("parked"));
            let known = row.filter(dsl::wanted.is_not_null());
            let let_through = (dsl::accepted.eq(dsl::wanted), dsl::state.eq("planned"), dsl::updated_at.eq(now));
            if diesel::update(known).set(let_through).execute(db)? == 0 {
                return Err(StoreError::Refused("no price of it waits for a person: see the list of prices"));
            }
            audit(db, now, &who, "accept", &format!("price of variant {variant} in {name}"), Some(&note))
        })
        .await
    }
}
