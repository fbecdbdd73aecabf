//! `stock_calls`: which levels are set by which call, under which key. The row is committed before the call, and its content never
//! changes: a call whose answer was lost goes again with the same key and the same content.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::dialect::{self, Db};
use super::leases::{self, Lease};
use super::rows::{instant, micros, unsigned};
use super::stock_levels::BATCH_MAX;
use super::stock_readings::{in_pieces, next_mark};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

/// One level of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLevel {
    /// Shopify's number of the inventory item.
    pub item_id: u64,
    /// Shopify's number of the location.
    pub location_id: u64,
    /// What it is set to.
    pub quantity: i64,
    /// What it must still be: what its reading told.
    pub from: i64,
}

/// A call that is announced and has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockCall {
    /// The row.
    pub id: i64,
    /// Shopify's key for it, kept over its retries.
    pub key: String,
    /// What it sets, in its sequence.
    pub levels: Vec<CallLevel>,
    /// How often Shopify failed on it, or gave an answer that cannot be read. Tries that a limit or the network ended are not counted.
    pub failures: i64,
    /// When it was announced.
    pub opened_at: Timestamp,
}

/// What becomes of a level whose call set nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LevelFate {
    /// It is read and planned anew: it is not any more what it was.
    Stale,
    /// A person is told.
    Parked {
        /// A stable word.
        code: String,
        /// What Shopify said, or a sentence of ours.
        text: String,
    },
    /// It goes in a call of its own, at that time.
    Alone(Timestamp),
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd {
    /// All its levels are set.
    Done,
    /// None is. Those that are not named go again in another call, at once.
    Refused(Vec<(usize, LevelFate)>),
    /// None is, and none was named: they go again in calls of half as many.
    Split,
    /// None is, and as none of many calls before it was, it is hardly for its levels: they go again at that time, the first one alone.
    Later(Timestamp),
    /// It is not sent again, and nobody knows whether it was done: its levels are read again, and go in calls of half as many.
    GivenUp,
}

impl CallEnd {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused(_) => "refused",
            Self::Split => "split",
            Self::Later(_) => "later",
            Self::GivenUp => "given_up",
        }
    }
}

/// How long after it was given up a call may still be carried out: longer than Shopify works on any.
const LATE_MAX_MICROS: i64 = 120 * 1_000_000;

/// One row of a call's content: item, location, quantity, from.
type Entry = (i64, i64, i64, i64);

#[derive(Queryable, Selectable)]
#[diesel(table_name = schema::stock_calls)]
struct RawCall {
    id: i64,
    idempotency_key: String,
    content: String,
    failures: i64,
    opened_at: i64,
}

impl RawCall {
    fn told(self) -> Result<StockCall, StoreError> {
        let level = |(item, location, quantity, from): Entry| CallLevel {
            item_id: unsigned(item),
            location_id: unsigned(location),
            quantity,
            from,
        };
        let levels = content_of(&self.content)?.into_iter().map(level).collect();
        let (id, key, failures) = (self.id, self.idempotency_key, self.failures);
        Ok(StockCall { id, key, levels, failures, opened_at: instant(self.opened_at) })
    }
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = BigInt)]
    item_id: i64,
    #[diesel(sql_type = BigInt)]
    location_id: i64,
    #[diesel(sql_type = BigInt)]
    available: i64,
    #[diesel(sql_type = BigInt)]
    quantity: i64,
    #[diesel(sql_type = BigInt)]
    batch_max: i64,
}

impl Store {
    /// Announces a call over the levels that are due, `limit` at most; none where nothing is. From here on it may be sent.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: send nothing.
    pub async fn open_stock_call(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        limit: i64,
        now: Timestamp,
    ) -> Result<Option<StockCall>, StoreError> {
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        let peek = name.clone();
        if self.run(move |db| due(db, &peek, now, 1)).await?.is_empty() {
            return Ok(None);
        }
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let mark = next_mark(db, &name)?;
            // Levels among which a bad one is looked for go with their like.
            let mut levels = due(db, &name, now, limit.clamp(1, BATCH_MAX))?;
            let Some(most) = levels.first().map(|level| level.batch_max) else { return Ok(None) };
            levels.retain(|level| level.batch_max == most);
            levels.truncate(usize::try_from(most).unwrap_or(1));
            let content: Vec<Entry> = levels
                .iter()
                .map(|level| (level.item_id, level.location_id, level.quantity, level.available))
                .collect();
            let call = announce(db, &lease, &name, &content, now)?;
            claim(db, &name, call.id, &content, (mark, now))?;
            call.told().map(Some)
        })
        .await
    }

    /// How many levels are due to be set, as far as `limit`.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn due_levels(&self, name: &ConnectionName, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        let (name, now) = (name.as_str().to_owned(), micros(now));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.run(move |db| Ok(due(db, &name, now, limit)?.len())).await
    }

    /// The calls of a connection that have not ended, oldest first: each goes again, or is given up.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn open_stock_calls(&self, name: &ConnectionName) -> Result<Vec<StockCall>, StoreError> {
        use schema::stock_calls::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let open = dsl::stock_calls.filter(dsl::connection.eq(name)).filter(dsl::ended_at.is_null());
            let rows: Vec<RawCall> = open.order(dsl::id).select(RawCall::as_select()).load(db)?;
            rows.into_iter().map(RawCall::told).collect()
        })
        .await
    }

    /// A call is about to be sent once more.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours, [`StoreError::Stale`] when the call has ended: send nothing.
    pub async fn resend_stock_call(&self, lease: &Lease, call: i64) -> Result<(), StoreError> {
        use schema::stock_calls::dsl;
        let lease = lease.clone();
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let open = dsl::stock_calls.filter(dsl::id.eq(call)).filter(dsl::ended_at.is_null());
            let again = dsl::generation.eq(lease.generation.get());
            if diesel::update(open).set(again).execute(db)? == 1 { Ok(()) } else { Err(StoreError::Stale) }
        })
        .await
    }

    /// Shopify failed on a call, or gave an answer that cannot be read; returns how often by now.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours, [`StoreError::Stale`] when the call has ended.
    pub async fn stock_call_failed(&self, lease: &Lease, call: i64) -> Result<i64, StoreError> {
        use schema::stock_calls::dsl;
        let lease = lease.clone();
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let open = dsl::stock_calls.filter(dsl::id.eq(call)).filter(dsl::ended_at.is_null());
            let counted = diesel::update(open).set(dsl::failures.eq(dsl::failures + 1));
            counted.returning(dsl::failures).get_result(db).optional()?.ok_or(StoreError::Stale)
        })
        .await
    }

    /// Ends a call and settles its levels.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours, [`StoreError::Stale`] when the call has ended: nothing was changed.
    pub async fn end_stock_call(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        call: i64,
        end: CallEnd,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use schema::stock_calls::dsl;
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let mark = next_mark(db, &name)?;
            let row = dsl::stock_calls.filter(dsl::id.eq(call)).filter(dsl::connection.eq(&name));
            let open: Option<(String, i64)> =
                row.filter(dsl::ended_at.is_null()).select((dsl::content, dsl::opened_at)).first(db).optional()?;
            let (content, opened_at) = open.ok_or(StoreError::Stale)?;
            let content = content_of(&content)?;
            let ended = (dsl::ended_at.eq(now), dsl::outcome.eq(end.as_str()));
            diesel::update(row).set(ended).execute(db)?;
            settle(db, &name, call, &settled(&content, &end, (opened_at, now)), (mark, now))
        })
        .await
    }

    /// How many of a connection's last calls set nothing, up to the last one that did, as far as `limit`; of those that ended since.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn fruitless_stock_calls(
        &self,
        name: &ConnectionName,
        since: Timestamp,
        limit: i64,
    ) -> Result<usize, StoreError> {
        use schema::stock_calls::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let ended = dsl::stock_calls.filter(dsl::connection.eq(name)).filter(dsl::ended_at.ge(micros(since)));
            let outcomes: Vec<Option<String>> =
                ended.order(dsl::id.desc()).limit(limit).select(dsl::outcome).load(db)?;
            let is_done = |outcome: &Option<String>| outcome.as_deref() == Some(CallEnd::Done.as_str());
            Ok(outcomes.iter().take_while(|outcome| !is_done(outcome)).count())
        })
        .await
    }

    /// Deletes calls that ended before `before`, at most `limit`.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn forget_stock_calls(&self, before: Timestamp, limit: i64) -> Result<usize, StoreError> {
        use schema::stock_calls::dsl;
        self.write(move |db| {
            let old = dsl::stock_calls.filter(dsl::ended_at.lt(micros(before)));
            let old: Vec<i64> = old.order(dsl::ended_at).limit(limit).select(dsl::id).load(db)?;
            Ok(diesel::delete(dsl::stock_calls.filter(dsl::id.eq_any(old))).execute(db)?)
        })
        .await
    }
}

/// Levels that are due, oldest first; the words of the partial index `stock_levels_due`.
fn due(db: &mut Db, name: &str, now: i64, limit: i64) -> Result<Vec<Due>, StoreError> {
    let due = sql_query(
        "SELECT item_id, location_id, available, quantity, batch_max FROM stock_levels \
         WHERE connection = $1 AND state = 'planned' AND due_at <= $2 AND call_id IS NULL AND quantity IS NOT NULL \
         ORDER BY due_at, item_id, location_id LIMIT $3",
    );
    Ok(due.bind::<Text, _>(name).bind::<BigInt, _>(now).bind::<BigInt, _>(limit).load(db)?)
}

fn announce(db: &mut Db, lease: &Lease, name: &str, content: &[Entry], now: i64) -> Result<RawCall, StoreError> {
    use schema::stock_calls::dsl;
    // Not the row's number: after a restored backup that would be given a second time, and Shopify answer the first one's result.
    let idempotency_key = Uuid::new_v4().to_string();
    let text = json!(content).to_string();
    let id: i64 = diesel::insert_into(dsl::stock_calls)
        .values((
            dsl::connection.eq(name),
            dsl::idempotency_key.eq(&idempotency_key),
            dsl::content.eq(&text),
            dsl::levels.eq(i64::try_from(content.len()).unwrap_or(i64::MAX)),
            dsl::generation.eq(lease.generation.get()),
            dsl::failures.eq(0),
            dsl::opened_at.eq(now),
        ))
        .returning(dsl::id)
        .get_result(db)?;
    Ok(RawCall { id, idempotency_key, content: text, failures: 0, opened_at: now })
}

fn claim(db: &mut Db, name: &str, call: i64, content: &[Entry], (mark, now): (i64, i64)) -> Result<(), StoreError> {
    let told = dialect::told(db);
    let rows = content.iter().map(|(item, location, quantity, _)| json!({ "i": item, "l": location, "q": quantity }));
    for piece in in_pieces(rows) {
        sql_query(format!(
            "{told} UPDATE stock_levels SET state = 'writing', call_id = $3, moved = $4, revision = revision + 1, \
             pending = CASE WHEN pending > CAST(told.value->>'q' AS BIGINT) THEN pending \
             ELSE CAST(told.value->>'q' AS BIGINT) END, updated_at = $5 \
             FROM told WHERE stock_levels.connection = told.connection \
             AND stock_levels.item_id = CAST(told.value->>'i' AS BIGINT) \
             AND stock_levels.location_id = CAST(told.value->>'l' AS BIGINT)"
        ))
        .bind::<Text, _>(name)
        .bind::<Text, _>(piece)
        .bind::<BigInt, _>(call)
        .bind::<BigInt, _>(mark)
        .bind::<BigInt, _>(now)
        .execute(db)?;
    }
    Ok(())
}

/// Where each level of a call goes.
fn settled(content: &[Entry], end: &CallEnd, (opened_at, now): (i64, i64)) -> Vec<serde_json::Value> {
    let half = i64::try_from(content.len() / 2).unwrap_or(1).max(1);
    let levels = content.iter().enumerate();
    let rows = levels.map(|(index, (item, location, quantity, from))| {
        let mut row = json!({ "i": item, "l": location, "f": from, "o": opened_at, "due": now, "batch": BATCH_MAX });
        row["state"] = json!("stale");
        match end {
            CallEnd::Done => {
                row["state"] = json!("written");
                row["q"] = json!(quantity);
            }
            CallEnd::GivenUp => {
                row["batch"] = json!(half);
                row["held"] = json!(now.saturating_add(LATE_MAX_MICROS));
            }
            CallEnd::Split => {
                row["state"] = json!("planned");
                row["batch"] = json!(half);
            }
            CallEnd::Later(at) => {
                row["state"] = json!("planned");
                row["due"] = json!(micros(*at));
                // The first one goes alone, so that a call comes through where the shop takes calls again.
                row["batch"] = json!(if index == 0 { 1 } else { content.len() });
            }
            CallEnd::Refused(fates) => match fates.iter().find(|(at, _)| *at == index).map(|(_, fate)| fate) {
                Some(LevelFate::Stale) => {}
                Some(LevelFate::Parked { code, text }) => {
                    row["state"] = json!("parked");
                    row["code"] = json!(code);
                    row["text"] = json!(text);
                }
                Some(LevelFate::Alone(at)) => {
                    row["state"] = json!("planned");
                    row["due"] = json!(micros(*at));
                    row["batch"] = json!(1);
                }
                None => row["state"] = json!("planned"),
            },
        }
        row
    });
    rows.collect()
}

/// Settles the levels of a call. One that goes again was planned from what was read before its call: where it was read once more since,
/// the plan is none any more. Until the call ends only a reading touches the time that the claim wrote.
fn settle(
    db: &mut Db,
    name: &str,
    call: i64,
    rows: &[serde_json::Value],
    (mark, now): (i64, i64),
) -> Result<(), StoreError> {
    let told = dialect::told(db);
    for piece in in_pieces(rows.iter().cloned()) {
        sql_query(format!(
            "{told} UPDATE stock_levels SET call_id = NULL, moved = $3, \
             state = CASE WHEN told.value->>'state' = 'planned' \
             AND (stock_levels.available <> CAST(told.value->>'f' AS BIGINT) \
             OR stock_levels.updated_at <> CAST(told.value->>'o' AS BIGINT)) THEN 'stale' ELSE told.value->>'state' END, \
             held_until = CAST(told.value->>'held' AS BIGINT), revision = revision + 1, due_at = CAST(told.value->>'due' AS BIGINT), \
             batch_max = CAST(told.value->>'batch' AS BIGINT), \
             reason_code = told.value->>'code', reason_text = told.value->>'text', \
             available = COALESCE(CAST(told.value->>'q' AS BIGINT), available), \
             written = COALESCE(CAST(told.value->>'q' AS BIGINT), written), \
             written_at = CASE WHEN told.value->>'q' IS NULL THEN written_at ELSE $4 END, updated_at = $4 \
             FROM told WHERE stock_levels.connection = told.connection \
             AND stock_levels.item_id = CAST(told.value->>'i' AS BIGINT) \
             AND stock_levels.location_id = CAST(told.value->>'l' AS BIGINT) AND stock_levels.call_id = $5"
        ))
        .bind::<Text, _>(name)
        .bind::<Text, _>(piece)
        .bind::<BigInt, _>(mark)
        .bind::<BigInt, _>(now)
        .bind::<BigInt, _>(call)
        .execute(db)?;
    }
    Ok(())
}

fn content_of(text: &str) -> Result<Vec<Entry>, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Corrupt { table: "stock_calls", column: "content" })
}
