//! `stock_outs`: what was done to products that ran out, so that no more than that is undone. A row is written before the call that it
//! announces, and ends by a reading, never by an answer.

use diesel::prelude::*;
use jiff::Timestamp;

use super::leases::{self, Lease};
use super::rows::{instant, micros, signed, unsigned};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;
use crate::domain::stock::OutState;

/// A product that ran out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockOut {
    /// The row.
    pub id: i64,
    /// Shopify's number of the product.
    pub product_id: u64,
    /// How far it has come, in the domain's word.
    pub state: String,
    /// What was done, or is about to be, in the domain's words.
    pub acts: Vec<String>,
    /// What Shopify said of the last call, where it did not take all of it.
    pub reason: Option<String>,
    /// Counts its changes.
    pub revision: i64,
    /// When it ran out.
    pub opened_at: Timestamp,
    /// When the row last changed.
    pub changed_at: Timestamp,
    /// The plan in whose look the last call was written down.
    pub called_in: i64,
    /// When that was.
    pub called_at: Timestamp,
    /// Calls that disable it whose answer never came: each may be carried out late.
    pub unanswered: i64,
    /// When it ended, and how, in one word.
    pub ended: Option<(Timestamp, String)>,
}

/// Which rows are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockOutFilter {
    /// Those that have not ended.
    Open,
    /// All.
    All,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::stock_outs)]
struct Raw {
    id: i64,
    product_id: i64,
    state: String,
    acts: String,
    reason: Option<String>,
    revision: i64,
    opened_at: i64,
    changed_at: i64,
    called_in: i64,
    called_at: i64,
    unanswered: i64,
    ended_at: Option<i64>,
    ended: Option<String>,
}

/// What becomes of a row.
struct Further {
    state: String,
    acts: String,
    reason: Option<String>,
    /// The plan of the last call, and when it was written down.
    called: (i64, i64),
    unanswered: i64,
    now: i64,
}

impl From<Raw> for StockOut {
    fn from(raw: Raw) -> Self {
        Self {
            id: raw.id,
            product_id: unsigned(raw.product_id),
            state: raw.state,
            acts: raw.acts.split_whitespace().map(str::to_owned).collect(),
            reason: raw.reason,
            revision: raw.revision,
            opened_at: instant(raw.opened_at),
            changed_at: instant(raw.changed_at),
            called_in: raw.called_in,
            called_at: instant(raw.called_at),
            unanswered: raw.unanswered,
            ended: raw.ended_at.map(|at| (instant(at), raw.ended.unwrap_or_default())),
        }
    }
}

impl Store {
    /// Writes down what is about to be done to a product that has run out, in the look at a plan.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours, [`StoreError::Stale`] when the product has an open row: do nothing.
    pub async fn open_stock_out(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        (product, state, plan): (u64, &'static str, i64),
        acts: &[String],
        now: Timestamp,
    ) -> Result<StockOut, StoreError> {
        use schema::stock_outs::dsl;
        let (lease, name, product, now) = (lease.clone(), name.as_str().to_owned(), signed(product)?, micros(now));
        let acts = acts.join(" ");
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let open = dsl::stock_outs.filter(dsl::connection.eq(&name)).filter(dsl::product_id.eq(product));
            let open: Option<i64> = open.filter(dsl::ended_at.is_null()).select(dsl::id).first(db).optional()?;
            if open.is_some() {
                return Err(StoreError::Stale);
            }
            let id: i64 = diesel::insert_into(dsl::stock_outs)
                .values((
                    dsl::connection.eq(&name),
                    dsl::product_id.eq(product),
                    dsl::state.eq(state),
                    dsl::acts.eq(acts),
                    dsl::revision.eq(1),
                    dsl::opened_at.eq(now),
                    dsl::changed_at.eq(now),
                    dsl::called_in.eq(plan),
                    dsl::called_at.eq(now),
                    dsl::unanswered.eq(1),
                ))
                .returning(dsl::id)
                .get_result(db)?;
            let row: Raw = dsl::stock_outs.filter(dsl::id.eq(id)).select(Raw::as_select()).first(db)?;
            Ok(row.into())
        })
        .await
    }

    /// Writes down how far a row has come by a reading.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours, [`StoreError::Stale`] when the row changed since it was read: do nothing.
    pub async fn move_stock_out(
        &self,
        lease: &Lease,
        out: &StockOut,
        state: &'static str,
        acts: &[String],
        now: Timestamp,
    ) -> Result<StockOut, StoreError> {
        let called = (out.called_in, micros(out.called_at));
        let further = Further {
            state: state.to_owned(),
            acts: acts.join(" "),
            reason: None,
            called,
            unanswered: out.unanswered,
            now: micros(now),
        };
        self.take_stock_out_further(lease, out, further).await
    }

    /// Writes down what is about to be done to a product that has a row, in the look at a plan.
    ///
    /// # Errors
    /// As [`move_stock_out`](Self::move_stock_out).
    pub async fn call_stock_out(
        &self,
        lease: &Lease,
        out: &StockOut,
        (state, plan): (&'static str, i64),
        acts: &[String],
        now: Timestamp,
    ) -> Result<StockOut, StoreError> {
        let now = micros(now);
        let further = Further {
            state: state.to_owned(),
            acts: acts.join(" "),
            reason: None,
            called: (plan, now),
            unanswered: out.unanswered + i64::from(state == OutState::Disabling.as_str()),
            now,
        };
        self.take_stock_out_further(lease, out, further).await
    }

    /// Writes down what Shopify did not take of the last call, what is left of the acts, and whether it was one that disables and has its
    /// answer.
    ///
    /// # Errors
    /// As [`move_stock_out`](Self::move_stock_out).
    pub async fn tell_stock_out(
        &self,
        lease: &Lease,
        out: &StockOut,
        acts: &[String],
        (reason, is_answered): (Option<String>, bool),
        now: Timestamp,
    ) -> Result<StockOut, StoreError> {
        let called = (out.called_in, micros(out.called_at));
        let further = Further {
            state: out.state.clone(),
            acts: acts.join(" "),
            reason,
            called,
            unanswered: out.unanswered - i64::from(is_answered),
            now: micros(now),
        };
        self.take_stock_out_further(lease, out, further).await
    }

    async fn take_stock_out_further(
        &self,
        lease: &Lease,
        out: &StockOut,
        further: Further,
    ) -> Result<StockOut, StoreError> {
        use schema::stock_outs::dsl;
        let (lease, id, revision) = (lease.clone(), out.id, out.revision);
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let row = dsl::stock_outs.filter(dsl::id.eq(id));
            let still = row.filter(dsl::revision.eq(revision)).filter(dsl::ended_at.is_null());
            let (called_in, called_at) = further.called;
            let further = (
                dsl::state.eq(further.state),
                dsl::acts.eq(further.acts),
                dsl::reason.eq(further.reason),
                dsl::called_in.eq(called_in),
                dsl::called_at.eq(called_at),
                dsl::unanswered.eq(further.unanswered),
                dsl::revision.eq(revision + 1),
                dsl::changed_at.eq(further.now),
            );
            if diesel::update(still).set(further).execute(db)? == 0 {
                return Err(StoreError::Stale);
            }
            let row: Raw = row.select(Raw::as_select()).first(db)?;
            Ok(row.into())
        })
        .await
    }

    /// Ends a row: `enabled`, `restocked`, `overtaken`, `void`, or `gone` where the shop has the product no more.
    ///
    /// # Errors
    /// As [`move_stock_out`](Self::move_stock_out).
    pub async fn end_stock_out(
        &self,
        lease: &Lease,
        out: &StockOut,
        ended: &'static str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use schema::stock_outs::dsl;
        let (lease, id, revision, now) = (lease.clone(), out.id, out.revision, micros(now));
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let row = dsl::stock_outs.filter(dsl::id.eq(id)).filter(dsl::revision.eq(revision));
            let over = (dsl::ended.eq(ended), dsl::ended_at.eq(now), dsl::changed_at.eq(now));
            let over = diesel::update(row.filter(dsl::ended_at.is_null())).set((over, dsl::revision.eq(revision + 1)));
            if over.execute(db)? == 1 { Ok(()) } else { Err(StoreError::Stale) }
        })
        .await
    }

    /// The latest row of each of these products, whether or not it has ended: when its last call went says how long the product has
    /// rested.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn stock_outs_of(&self, name: &ConnectionName, products: Vec<u64>) -> Result<Vec<StockOut>, StoreError> {
        use diesel::dsl::max;
        use schema::stock_outs::dsl;
        let name = name.as_str().to_owned();
        let products: Vec<i64> = products.into_iter().map(signed).collect::<Result<_, _>>()?;
        self.run(move |db| {
            let of_products = dsl::stock_outs.filter(dsl::connection.eq(name)).filter(dsl::product_id.eq_any(products));
            let latest: Vec<Option<i64>> = of_products.group_by(dsl::product_id).select(max(dsl::id)).load(db)?;
            let latest: Vec<i64> = latest.into_iter().flatten().collect();
            let rows = dsl::stock_outs.filter(dsl::id.eq_any(latest)).order(dsl::product_id);
            let rows: Vec<Raw> = rows.select(Raw::as_select()).load(db)?;
            Ok(rows.into_iter().map(StockOut::from).collect())
        })
        .await
    }

    /// Rows of a connection behind one, oldest first, `limit` at most.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn list_stock_outs(
        &self,
        name: &ConnectionName,
        filter: StockOutFilter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<StockOut>, StoreError> {
        use schema::stock_outs::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let rows = dsl::stock_outs.filter(dsl::connection.eq(name)).filter(dsl::id.gt(after));
            let rows: Vec<Raw> = match filter {
                StockOutFilter::Open => {
                    let open = rows.filter(dsl::ended_at.is_null());
                    open.order(dsl::id).limit(limit).select(Raw::as_select()).load(db)?
                }
                StockOutFilter::All => rows.order(dsl::id).limit(limit).select(Raw::as_select()).load(db)?,
            };
            Ok(rows.into_iter().map(StockOut::from).collect())
        })
        .await
    }
}
