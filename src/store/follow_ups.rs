//! Documents that follow from the settle of another one, in the same transaction: what a shop is told of its order. An order's
//! customer is `customers`'.

use diesel::prelude::*;

use super::dialect::{self, Db};
use super::documents::{self, Raw};
use super::steps::FollowUp;
use super::{StoreError, schema};
use crate::domain::document::{Event, Standing, State, Wanted, next_state};

/// Opens the document, or gives it new content. The cause's row is locked: what its settles ask for comes in their order.
pub(super) fn open(db: &mut Db, cause: &Raw, follow_up: &FollowUp, now: i64) -> Result<(), StoreError> {
    use schema::documents::dsl;
    let Some(present) = documents::by_key(db, follow_up.kind, &cause.connection, &follow_up.key)? else {
        diesel::insert_into(dsl::documents)
            .values((
                dsl::connection.eq(&cause.connection),
                dsl::kind.eq(follow_up.kind.as_str()),
                dsl::business_key.eq(&follow_up.key),
                dsl::order_id.eq(cause.order_id),
                dsl::state.eq(State::Planned.as_str()),
                dsl::revision.eq(1),
                dsl::desired.eq(&follow_up.content),
                dsl::desired_digest.eq(&follow_up.digest),
                dsl::desired_version.eq(1),
                dsl::rules_revision.eq(&cause.rules_revision),
                dsl::look_up_first.eq(0),
                dsl::due_at.eq(now),
                dsl::trace_id.eq(&cause.trace_id),
                dsl::created_at.eq(now),
                dsl::updated_at.eq(now),
            ))
            .execute(db)?;
        return Ok(());
    };
    dialect::lock_document(db, present.id)?;
    let present = documents::by_id(db, present.id)?.ok_or(StoreError::Stale)?;
    if present.desired_digest == follow_up.digest {
        return Ok(());
    }
    let standing: Standing = documents::standing(db, &present)?;
    let after = next_state(standing, Event::Content(Wanted::Write))?;
    diesel::update(dsl::documents.filter(dsl::id.eq(present.id)))
        .set((
            dsl::desired.eq(&follow_up.content),
            dsl::desired_digest.eq(&follow_up.digest),
            dsl::desired_version.eq(dsl::desired_version + 1),
            dsl::state.eq(after.as_str()),
            dsl::revision.eq(dsl::revision + 1),
            dsl::trace_id.eq(&cause.trace_id),
            dsl::updated_at.eq(now),
        ))
        .execute(db)?;
    if after == State::Planned && standing.state != State::Planned {
        diesel::update(dsl::documents.filter(dsl::id.eq(present.id)))
            .set((dsl::due_at.eq(now), dsl::attempts.eq(0)))
            .execute(db)?;
    }
    Ok(())
}
