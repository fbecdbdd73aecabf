//! Documents that wait for another one: an order for its customer's.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::customers::{self, Offered};
use super::dialect::{self, Db};
use super::documents::{self, Raw};
use super::mapped;
use super::steps::{Awaited, Claimed};
use super::{StoreError, schema};
use crate::domain::document::State;

/// Whether the document that this one waits for is written by now.
pub(super) fn came(db: &mut Db, raw: &Raw) -> Result<bool, StoreError> {
    let Some(id) = raw.waits_for else { return Ok(false) };
    match documents::by_id(db, id)? {
        Some(awaited) => Ok(documents::state_of(&awaited)? == State::Written),
        None => Ok(false),
    }
}

/// What waited for a document looks again at once.
pub(super) fn wake_dependants(db: &mut Db, document: i64, now: i64) -> Result<(), StoreError> {
    use schema::documents::dsl;
    let waiting: Vec<i64> = dsl::documents
        .filter(dsl::waits_for.eq(document))
        .filter(sql::<Bool>("documents.state = 'held'"))
        .filter(sql::<Bool>("documents.claim IS NULL"))
        .select(dsl::id)
        .order(dsl::id)
        .load(db)?;
    for id in &waiting {
        dialect::lock_document(db, *id)?;
    }
    make_due(db, &waiting, now)
}

/// Held documents that nobody works on are due now.
pub(super) fn make_due(db: &mut Db, ids: &[i64], now: i64) -> Result<(), StoreError> {
    use schema::documents::dsl;
    if ids.is_empty() {
        return Ok(());
    }
    diesel::update(dsl::documents)
        .filter(dsl::id.eq_any(ids))
        .filter(sql::<Bool>("documents.state = 'held'"))
        .filter(sql::<Bool>("documents.claim IS NULL"))
        .set(dsl::due_at.eq(now))
        .execute(db)?;
    Ok(())
}

/// The customer's document that an order waits for, locked; made or renewed where the settle says so.
pub(super) fn offer(db: &mut Db, claimed: &Claimed, awaited: &Awaited, now: i64) -> Result<Offered, StoreError> {
    let (customer, rules_revision) = match awaited {
        Awaited::There(id) => {
            dialect::lock_document(db, id.get())?;
            return Ok(Offered { id: id.get(), taken: true });
        }
        Awaited::Anew { customer, rules_revision } => (customer, rules_revision),
    };
    let order = documents::by_id(db, claimed.id.get())?.ok_or(StoreError::Fenced)?;
    let cause = mapped::Cause {
        connection: &order.connection,
        order_id: order.order_id,
        rules_revision,
        trace_id: &order.trace_id,
        now,
    };
    customers::offer(db, &cause, customer)
}

/// From now on the document waits for this one.
pub(super) fn wait_for(db: &mut Db, raw: &mut Raw, customer: i64) -> Result<(), StoreError> {
    use schema::documents::dsl;
    raw.waits_for = Some(customer);
    diesel::update(dsl::documents.filter(dsl::id.eq(raw.id))).set(dsl::waits_for.eq(customer)).execute(db)?;
    Ok(())
}
