//! Freeing what a dead owner left: its claims end, and its open intents are watched on.

use std::time::Duration;

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use jiff::Timestamp;

use super::dialect::{self, Db};
use super::documents;
use super::intents::span;
use super::leases::{self, Lease};
use super::rows::micros;
use super::{Store, StoreError, due, schema};
use crate::domain::document::{Event, State, next_state};
use crate::domain::ids::ConnectionName;
use crate::planted;

impl Store {
    /// Frees what a dead owner of these connections left: claims end, open intents become `unknown`, and
    /// an intent whose call's end nobody saw must be watched longer by `call_limit`. Returns how many.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is lost.
    pub async fn take_over(
        &self,
        lease: &Lease,
        connections: Vec<ConnectionName>,
        call_limit: Duration,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        let lease = lease.clone();
        self.write(move |db| {
            leases::hold(db, &lease)?;
            let mut freed = 0;
            for name in connections {
                freed += free_claims(db, name.as_str(), call_limit, micros(now))?;
            }
            Ok(freed)
        })
        .await
    }
}

fn free_claims(db: &mut Db, name: &str, call_limit: Duration, now: i64) -> Result<usize, StoreError> {
    use schema::documents::dsl;
    // In the order in which everybody locks documents.
    let of_connection = || dsl::documents.filter(dsl::connection.eq(name)).select((dsl::kind, dsl::id));
    let mut left: Vec<(String, i64)> = of_connection().filter(sql::<Bool>("documents.claim IS NOT NULL")).load(db)?;
    let in_doubt = of_connection().filter(due::claimable()).filter(dsl::state.eq(State::Unknown.as_str()));
    left.extend(in_doubt.load::<(String, i64)>(db)?);
    left.sort();
    let left: Vec<i64> = left.into_iter().map(|(_, id)| id).collect();
    for id in &left {
        dialect::lock_document(db, *id)?;
    }
    let mut freed = 0;
    for id in &left {
        let raw = documents::by_id(db, *id)?.ok_or(StoreError::Stale)?;
        if raw.claim.is_none() || planted::is(planted::CLAIMS_LEFT) {
            continue;
        }
        freed += 1;
        let standing = documents::standing(db, &raw)?;
        let after = next_state(standing, Event::TakeOver)?;
        diesel::update(dsl::documents.filter(dsl::id.eq(id)))
            .set((
                dsl::state.eq(after.as_str()),
                dsl::claim.eq(None::<String>),
                dsl::claim_generation.eq(None::<i64>),
                dsl::revision.eq(dsl::revision + 1),
                dsl::due_at.eq(now),
                dsl::updated_at.eq(now),
            ))
            .execute(db)?;
    }
    lengthen_unseen(db, name, call_limit)?;
    // A lost create is looked up at once, and its wait is watched from now on.
    diesel::update(dsl::documents)
        .filter(dsl::connection.eq(name))
        .filter(due::claimable())
        .filter(dsl::state.eq(State::Unknown.as_str()))
        .set(dsl::due_at.eq(now))
        .execute(db)?;
    Ok(freed)
}

/// An intent whose call's end nobody saw may have been sent just before the take-over.
fn lengthen_unseen(db: &mut Db, name: &str, call_limit: Duration) -> Result<(), StoreError> {
    use schema::intents::dsl;
    let unseen: Vec<i64> = schema::documents::table
        .inner_join(dsl::intents.on(dsl::document_id.eq(schema::documents::id)))
        .filter(schema::documents::connection.eq(name))
        .filter(due::claimable())
        .filter(schema::documents::state.eq("unknown"))
        .filter(dsl::closed_at.is_null())
        .filter(dsl::call_ended.eq(0))
        .select(dsl::id)
        .load(db)?;
    for id in unseen {
        diesel::update(dsl::intents.filter(dsl::id.eq(id)))
            .set((dsl::needed_us.eq(dsl::needed_us + span(call_limit)), dsl::call_ended.eq(1), dsl::look_ups.eq(0)))
            .execute(db)?;
    }
    Ok(())
}
