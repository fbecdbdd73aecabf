//! Documents that follow from the settle of another one, in the same transaction: what a shop is told of its order, and
//! an order's second part. An order's customer is `customers`'.

use diesel::prelude::*;

use super::dialect::{self, Db};
use super::documents::{self, DocumentRow, Raw};
use super::mapped::Cause;
use super::shown::shown;
use super::steps::FollowUp;
use super::{Store, StoreError, schema};
use crate::domain::document::{DocumentKind, Event, Standing, State, Wanted, next_state};
use crate::domain::ids::ConnectionName;

impl Store {
    /// The document of this kind with this business key, if there is one.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn document_of(
        &self,
        kind: DocumentKind,
        name: &ConnectionName,
        key: &str,
    ) -> Result<Option<DocumentRow>, StoreError> {
        let (name, key) = (name.as_str().to_owned(), key.to_owned());
        self.run(move |db| documents::by_key(db, kind, &name, &key)?.map(|raw| shown(db, raw)).transpose()).await
    }
}

/// What an order's new content asks of its second order, for where the first one does not move by it.
#[derive(Debug, Clone)]
pub struct Beside {
    /// What was written of the first one, as it was read: it says which part is the second's.
    pub seen_written: Option<String>,
    /// The second one's part; none where it is not told so.
    pub second: Option<FollowUp>,
}

/// Brings the second order up to date where the first stands still, parked or resolved: else a settle of the first does.
/// The first's row is locked.
///
/// # Errors
/// [`StoreError::Stale`] when the first was written to since it was read: judge again.
pub(super) fn renew(db: &mut Db, cause: &Cause<'_>, key: &str, beside: &Beside) -> Result<(), StoreError> {
    let first = documents::by_key(db, DocumentKind::CustomerOrder, cause.connection, key)?.ok_or(StoreError::Stale)?;
    if !matches!(documents::state_of(&first)?, State::Parked | State::Resolved) {
        return Ok(());
    }
    if first.written != beside.seen_written {
        return Err(StoreError::Stale);
    }
    beside.second.as_ref().map_or(Ok(()), |second| open(db, &first, second, cause.now))
}

/// Opens the document, or gives it new content. The cause's row is locked: what its settles ask for comes in their order.
pub(super) fn open(db: &mut Db, cause: &Raw, follow_up: &FollowUp, now: i64) -> Result<(), StoreError> {
    use schema::documents::dsl;
    let Some(present) = documents::by_key(db, follow_up.kind, &cause.connection, &follow_up.key)? else {
        if follow_up.wanted != Wanted::Write {
            return Ok(());
        }
        // A second order may stand in IFS though we do not know it, as after a restored backup.
        let look_up_first = i64::from(follow_up.kind == DocumentKind::CustomerOrder);
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
                dsl::look_up_first.eq(look_up_first),
                dsl::due_at.eq(now),
                dsl::trace_id.eq(&cause.trace_id),
                dsl::created_at.eq(now),
                dsl::updated_at.eq(now),
            ))
            .execute(db)?;
        return Ok(());
    };
    let present = dialect::locked_document(db, present.id)?.ok_or(StoreError::Stale)?;
    if present.desired_digest == follow_up.digest {
        diesel::update(dsl::documents.filter(dsl::id.eq(present.id)))
            .set(dsl::rules_revision.eq(&cause.rules_revision))
            .execute(db)?;
        return Ok(());
    }
    let standing: Standing = documents::standing(db, &present)?;
    let after = next_state(standing, Event::Content(follow_up.wanted))?;
    diesel::update(dsl::documents.filter(dsl::id.eq(present.id)))
        .set((
            dsl::desired.eq(&follow_up.content),
            dsl::desired_digest.eq(&follow_up.digest),
            dsl::desired_version.eq(dsl::desired_version + 1),
            dsl::state.eq(after.as_str()),
            dsl::revision.eq(dsl::revision + 1),
            dsl::rules_revision.eq(&cause.rules_revision),
            dsl::trace_id.eq(&cause.trace_id),
            dsl::updated_at.eq(now),
        ))
        .execute(db)?;
    if after == State::Planned && standing.state != State::Planned {
        diesel::update(dsl::documents.filter(dsl::id.eq(present.id)))
            .set((dsl::due_at.eq(now), dsl::attempts.eq(0)))
            .execute(db)?;
        // Why it stood still is told by its steps; now it goes on.
        let gone = None::<String>;
        diesel::update(dsl::documents.filter(dsl::id.eq(present.id)))
            .set((dsl::reason_kind.eq(&gone), dsl::reason_code.eq(&gone), dsl::reason_text.eq(&gone)))
            .execute(db)?;
    }
    Ok(())
}
