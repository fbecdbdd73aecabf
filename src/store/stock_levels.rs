//! `stock_levels`: what each level should show, with every figure that led there, and how far that has come. A plan counts only for the
//! reading that it was made from.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::dialect;
use super::leases::{self, Lease};
use super::operate::audit;
use super::rows::{instant, micros, signed, unsigned};
use super::stock_readings::{in_pieces, next_mark};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// Levels of one call, unless a bad one is looked for (Shopify's limit).
pub(super) const BATCH_MAX: i64 = 250;

/// Where a level stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelState {
    /// It was read, and not planned yet.
    Read,
    /// It is left as it is, and the reason is told.
    Left,
    /// It shows what it should.
    Quiet,
    /// It is to be set.
    Planned,
    /// A call that sets it is under way.
    Writing,
    /// A call has set it.
    Written,
    /// It has to be read again: somebody changed it since it was read, or the plan is too old.
    Stale,
    /// Shopify does not take it: a person is told.
    Parked,
}

impl LevelState {
    /// All states.
    pub const ALL: [Self; 8] =
        [Self::Read, Self::Left, Self::Quiet, Self::Planned, Self::Writing, Self::Written, Self::Stale, Self::Parked];

    /// The word stored in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Left => "left",
            Self::Quiet => "quiet",
            Self::Planned => "planned",
            Self::Writing => "writing",
            Self::Written => "written",
            Self::Stale => "stale",
            Self::Parked => "parked",
        }
    }

    fn parse(word: &str) -> Result<Self, StoreError> {
        let corrupt = StoreError::Corrupt { table: "stock_levels", column: "state" };
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or(corrupt)
    }
}

/// A level as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelRow {
    /// Shopify's number of the inventory item.
    pub item_id: u64,
    /// Shopify's number of the location.
    pub location_id: u64,
    /// Counts its changes: a plan names the one that it was made from.
    pub revision: i64,
    /// Where it stands.
    pub state: LevelState,
    /// What it showed when it was read, or was set to since.
    pub available: i64,
    /// What orders had of it when it was read.
    pub committed: i64,
    /// What Shopify had reserved of it then that no order had.
    pub reserved: i64,
    /// The most that a call may have set it to which the reading does not tell for sure.
    pub pending: Option<i64>,
    /// Not before this time of Shopify's it was read.
    pub read_from: Option<Timestamp>,
    /// Not after this time of Shopify's it was read.
    pub read_until: Option<Timestamp>,
    /// The site and the part that it was planned from, and the sales part that it is.
    pub planned_from: Option<(String, String, String)>,
    /// What it is set to.
    pub quantity: Option<i64>,
    /// What it comes to in the end.
    pub wanted: Option<i64>,
    /// How that came about, as JSON text.
    pub terms: Option<String>,
    /// Why it is left or parked: a stable word and a sentence.
    pub reason: Option<(String, String)>,
    /// What a call of ours set it to last, and when.
    pub written: Option<(i64, Timestamp)>,
}

/// What is planned for a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelPlan {
    /// Shopify's number of the inventory item.
    pub item_id: u64,
    /// Shopify's number of the location.
    pub location_id: u64,
    /// The revision that it was made from: another one is planned anew.
    pub revision: i64,
    /// The site.
    pub site: String,
    /// The part.
    pub part_no: String,
    /// The sales part.
    pub catalog_no: String,
    /// What is planned.
    pub outcome: LevelOutcome,
}

/// What is planned for a level, or why nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LevelOutcome {
    /// It is set to this.
    Target {
        /// Now.
        quantity: i64,
        /// In the end.
        wanted: i64,
        /// Every figure of it, as JSON text.
        terms: String,
    },
    /// It is left as it is.
    Left {
        /// A stable word.
        code: &'static str,
        /// A sentence for a person.
        text: String,
    },
}

/// A level that has to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleLevel {
    /// Shopify's number of the inventory item.
    pub item_id: u64,
    /// Shopify's number of the location.
    pub location_id: u64,
    /// Shopify's number of its variant.
    pub variant_id: u64,
}

/// Which levels are listed.
#[derive(Debug, Clone, Default)]
pub struct LevelFilter {
    /// Those in this state.
    pub state: Option<LevelState>,
    /// Those of these inventory items.
    pub items: Option<Vec<u64>>,
    /// Behind this level, by item and location.
    pub after: Option<(u64, u64)>,
    /// At most so many.
    pub limit: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::stock_levels)]
pub(super) struct RawLevel {
    pub(super) item_id: i64,
    location_id: i64,
    revision: i64,
    available: i64,
    committed: i64,
    reserved: i64,
    read_from: Option<i64>,
    read_until: Option<i64>,
    pending: Option<i64>,
    state: String,
    site: Option<String>,
    part_no: Option<String>,
    catalog_no: Option<String>,
    quantity: Option<i64>,
    wanted: Option<i64>,
    terms: Option<String>,
    reason_code: Option<String>,
    reason_text: Option<String>,
    written: Option<i64>,
    written_at: Option<i64>,
}

impl RawLevel {
    pub(super) fn told(self) -> Result<LevelRow, StoreError> {
        let planned_from = match (self.site, self.part_no, self.catalog_no) {
            (Some(site), Some(part_no), Some(catalog_no)) => Some((site, part_no, catalog_no)),
            _ => None,
        };
        Ok(LevelRow {
            item_id: unsigned(self.item_id),
            location_id: unsigned(self.location_id),
            revision: self.revision,
            state: LevelState::parse(&self.state)?,
            available: self.available,
            committed: self.committed,
            reserved: self.reserved,
            pending: self.pending,
            read_from: self.read_from.map(instant),
            read_until: self.read_until.map(instant),
            planned_from,
            quantity: self.quantity,
            wanted: self.wanted,
            terms: self.terms,
            reason: self.reason_code.map(|code| (code, self.reason_text.unwrap_or_default())),
            written: self.written.zip(self.written_at.map(instant)),
        })
    }
}

impl Store {
    /// Keeps what is planned; gives how many levels took it. Not one that changed since its reading or is to be read again, nor one with a
    /// call under way.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn put_stock_plans(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        plans: Vec<LevelPlan>,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        let mut rows = BTreeMap::new();
        for plan in plans {
            rows.insert((plan.item_id, plan.location_id), row_of(&plan)?);
        }
        self.write_ahead(move |db| {
            leases::hold(db, &lease)?;
            next_mark(db, &name)?;
            let told = dialect::told(db);
            let mut taken = 0;
            for piece in in_pieces(rows.into_values()) {
                taken += sql_query(format!(
                    "{told} UPDATE stock_levels SET site = told.value->>'site', part_no = told.value->>'part', \
                     catalog_no = told.value->>'cat', quantity = CAST(told.value->>'q' AS BIGINT), \
                     wanted = CAST(told.value->>'w' AS BIGINT), terms = told.value->>'terms', \
                     reason_code = CASE WHEN state = 'parked' AND told.value->>'q' IS NOT NULL \
                     AND CAST(told.value->>'q' AS BIGINT) >= available AND CAST(told.value->>'w' AS BIGINT) > available THEN reason_code ELSE told.value->>'code' END, \
                     reason_text = CASE WHEN state = 'parked' AND told.value->>'q' IS NOT NULL \
                     AND CAST(told.value->>'q' AS BIGINT) >= available AND CAST(told.value->>'w' AS BIGINT) > available THEN reason_text ELSE told.value->>'text' END, \
                     batch_max = CASE WHEN state = 'parked' THEN 1 ELSE batch_max END, \
                     state = CASE WHEN told.value->>'q' IS NULL THEN 'left' \
                     WHEN state = 'parked' AND CAST(told.value->>'q' AS BIGINT) >= available AND CAST(told.value->>'w' AS BIGINT) > available THEN 'parked' \
                     WHEN CAST(told.value->>'q' AS BIGINT) = available THEN 'quiet' ELSE 'planned' END, \
                     planned_at = $3, due_at = $3, updated_at = $3 \
                     FROM told WHERE stock_levels.connection = told.connection \
                     AND stock_levels.item_id = CAST(told.value->>'i' AS BIGINT) \
                     AND stock_levels.location_id = CAST(told.value->>'l' AS BIGINT) \
                     AND stock_levels.revision = CAST(told.value->>'r' AS BIGINT) AND stock_levels.state NOT IN ('writing', 'stale')"
                ))
                .bind::<Text, _>(&name)
                .bind::<Text, _>(piece)
                .bind::<BigInt, _>(now)
                .execute(db)?;
            }
            Ok(taken)
        })
        .await
    }

    /// Plans that are older than `before` do not go out any more: what IFS has may be another by now. Their levels are read again.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours.
    pub async fn age_stock_plans(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        self.write(move |db| {
            leases::hold(db, &lease)?;
            next_mark(db, &name)?;
            // A call that is under way goes on; what goes again of it is too old then.
            let under_way = sql_query(
                "UPDATE stock_levels SET planned_at = 0 \
                 WHERE connection = $1 AND call_id IS NOT NULL AND planned_at > 0 AND planned_at < $2",
            );
            under_way.bind::<Text, _>(&name).bind::<BigInt, _>(micros(before)).execute(db)?;
            let aged = sql_query(
                "UPDATE stock_levels SET state = 'stale', updated_at = $1 \
                 WHERE connection = $2 AND state = 'planned' AND planned_at < $3",
            );
            let aged = aged.bind::<BigInt, _>(micros(now)).bind::<Text, _>(&name);
            Ok(aged.bind::<BigInt, _>(micros(before)).execute(db)?)
        })
        .await
    }

    /// Levels that have to be read again, with their variants; those whose call may still be carried out later. One without a variant that we know is the next run's, which forgets it.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn stale_levels(
        &self,
        name: &ConnectionName,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<StaleLevel>, StoreError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = BigInt)]
            item_id: i64,
            #[diesel(sql_type = BigInt)]
            location_id: i64,
            #[diesel(sql_type = BigInt)]
            variant_id: i64,
        }
        let (name, now) = (name.as_str().to_owned(), micros(now));
        self.run(move |db| {
            let rows: Vec<Row> = sql_query(
                "SELECT l.item_id, l.location_id, v.variant_id FROM stock_levels l \
                 JOIN stock_variants v ON v.connection = l.connection AND v.item_id = l.item_id \
                 WHERE l.connection = $1 AND l.state = 'stale' AND COALESCE(l.held_until, 0) <= $2 ORDER BY l.item_id LIMIT $3",
            )
            .bind::<Text, _>(name)
            .bind::<BigInt, _>(now)
            .bind::<BigInt, _>(limit)
            .load(db)?;
            let stale = |row: Row| StaleLevel {
                item_id: unsigned(row.item_id),
                location_id: unsigned(row.location_id),
                variant_id: unsigned(row.variant_id),
            };
            Ok(rows.into_iter().map(stale).collect())
        })
        .await
    }

    /// Levels by item and location.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn stock_levels(&self, name: &ConnectionName, filter: LevelFilter) -> Result<Vec<LevelRow>, StoreError> {
        use schema::stock_levels::dsl;
        let name = name.as_str().to_owned();
        let items =
            filter.items.map(|items| items.into_iter().map(signed).collect::<Result<Vec<_>, _>>()).transpose()?;
        let after = filter.after.map(|(item, location)| Ok::<_, StoreError>((signed(item)?, signed(location)?)));
        let after = after.transpose()?;
        self.run(move |db| {
            let levels = dsl::stock_levels.filter(dsl::connection.eq(name)).order((dsl::item_id, dsl::location_id));
            let mut query = levels.select(RawLevel::as_select()).limit(filter.limit).into_boxed();
            if let Some(state) = filter.state {
                query = query.filter(dsl::state.eq(state.as_str()));
            }
            if let Some(items) = items {
                query = query.filter(dsl::item_id.eq_any(items));
            }
            if let Some((item, location)) = after {
                let behind = dsl::item_id.gt(item).or(dsl::item_id.eq(item).and(dsl::location_id.gt(location)));
                query = query.filter(behind);
            }
            let rows: Vec<RawLevel> = query.load(db)?;
            rows.into_iter().map(RawLevel::told).collect()
        })
        .await
    }

    /// How many levels of a connection are in each state.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn count_stock_levels(&self, name: &ConnectionName) -> Result<Vec<(LevelState, i64)>, StoreError> {
        use diesel::dsl::count_star;
        use schema::stock_levels::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let rows: Vec<(String, i64)> = dsl::stock_levels
                .filter(dsl::connection.eq(name))
                .group_by(dsl::state)
                .select((dsl::state, count_star()))
                .load(db)?;
            rows.into_iter().map(|(state, count)| Ok((LevelState::parse(&state)?, count))).collect()
        })
        .await
    }

    /// A person asks for another try of parked levels: of these items, or of all. They are read and planned anew first.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn retry_levels(
        &self,
        name: &ConnectionName,
        items: Option<Vec<u64>>,
        who: String,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        use schema::stock_levels::dsl;
        let (name, now) = (name.as_str().to_owned(), micros(now));
        let items = items.map(|items| items.into_iter().map(signed).collect::<Result<Vec<_>, _>>()).transpose()?;
        self.write(move |db| {
            next_mark(db, &name)?;
            let parked = dsl::connection.eq(&name).and(dsl::state.eq(LevelState::Parked.as_str()));
            let again = (dsl::state.eq(LevelState::Stale.as_str()), dsl::updated_at.eq(now));
            let retried = match items {
                Some(items) => diesel::update(dsl::stock_levels.filter(parked).filter(dsl::item_id.eq_any(items)))
                    .set(again)
                    .execute(db)?,
                None => diesel::update(dsl::stock_levels.filter(parked)).set(again).execute(db)?,
            };
            audit(db, now, &who, "retry", &format!("stock of {name}"), Some(&format!("{retried} levels")))?;
            Ok(retried)
        })
        .await
    }
}

fn row_of(plan: &LevelPlan) -> Result<Value, StoreError> {
    let mut row = json!({
        "i": signed(plan.item_id)?, "l": signed(plan.location_id)?, "r": plan.revision,
        "site": plan.site, "part": plan.part_no, "cat": plan.catalog_no,
    });
    match &plan.outcome {
        LevelOutcome::Target { quantity, wanted, terms } => {
            row["q"] = json!(quantity);
            row["w"] = json!(wanted);
            row["terms"] = json!(terms);
        }
        LevelOutcome::Left { code, text } => {
            row["code"] = json!(code);
            row["text"] = json!(text);
        }
    }
    Ok(row)
}
