//! What a person may do to a document: try it again, or close it with a note. Each act is audited.

use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect::{self, Db};
use super::documents::{Attempt, by_id, record, standing};
use super::mapped::Wish;
use super::rows::micros;
use super::{Store, StoreError, schema};
use crate::domain::document::{Event, State, next_state};
use crate::domain::ids::DocumentId;

/// What a person does.
struct Act {
    event: Event,
    word: &'static str,
    who: String,
    note: Option<String>,
    anew: Option<(Wish, String)>,
}

impl Store {
    /// A person asks for another try of a parked, resolved, held or skipped document; `anew` is what its order asks for
    /// under today's rules.
    ///
    /// # Errors
    /// [`StoreError::Refused`] under an open intent or in another state.
    pub async fn retry_document(
        &self,
        id: DocumentId,
        anew: Option<(Wish, String)>,
        who: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.operate(id, Act { event: Event::OperatorRetry, word: "retry", who, note: None, anew }, now).await
    }

    /// A person closes a parked, held or failing document with a note.
    ///
    /// # Errors
    /// [`StoreError::Refused`] under an open intent or in another state.
    pub async fn resolve_document(
        &self,
        id: DocumentId,
        who: String,
        note: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let note = Some(note);
        self.operate(id, Act { event: Event::OperatorResolve, word: "resolve", who, note, anew: None }, now).await
    }

    async fn operate(&self, id: DocumentId, act: Act, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |db| {
            use schema::documents::dsl;
            dialect::lock_document(db, id.get())?;
            let raw = by_id(db, id.get())?.ok_or(StoreError::Refused("no document has that number"))?;
            let standing = standing(db, &raw)?;
            if standing.open_intent {
                return Err(StoreError::Refused(
                    "a create of it may still be under way in IFS: its answer is looked up first; try again later",
                ));
            }
            let next = next_state(standing, act.event)
                .map_err(|_| StoreError::Refused("its state does not allow that: see `documents show`"))?;
            let now = micros(now);
            diesel::update(dsl::documents.filter(dsl::id.eq(id.get())))
                .set((
                    dsl::state.eq(next.as_str()),
                    dsl::revision.eq(dsl::revision + 1),
                    dsl::attempts.eq(0),
                    // What a person reopens may have been keyed by a person: look before any create.
                    dsl::look_up_first.eq(1),
                    dsl::due_at.eq(now),
                    dsl::updated_at.eq(now),
                ))
                .execute(db)?;
            if next == State::Planned {
                // Why it stood still is told by its steps; now it goes on.
                let gone = None::<String>;
                diesel::update(dsl::documents.filter(dsl::id.eq(id.get())))
                    .set((dsl::reason_kind.eq(&gone), dsl::reason_code.eq(&gone), dsl::reason_text.eq(&gone)))
                    .execute(db)?;
            }
            if let Some((wish, rules_revision)) = &act.anew {
                diesel::update(dsl::documents.filter(dsl::id.eq(id.get())))
                    .set((
                        dsl::desired.eq(&wish.content),
                        dsl::desired_digest.eq(&wish.digest),
                        dsl::desired_version.eq(dsl::desired_version + 1),
                        dsl::rules_revision.eq(rules_revision),
                    ))
                    .execute(db)?;
            }
            let outcome = next.as_str().to_owned();
            let done = Attempt { step: act.word.to_owned(), outcome, detail: act.note.clone() };
            record(db, raw.id, now, &done, &raw.trace_id)?;
            audit(db, now, &act.who, act.word, &format!("document {id}"), act.note.as_deref())
        })
        .await
    }
}

pub(super) fn audit(
    db: &mut Db,
    now: i64,
    who: &str,
    act: &str,
    subject: &str,
    note: Option<&str>,
) -> Result<(), StoreError> {
    use schema::audit::dsl;
    diesel::insert_into(dsl::audit)
        .values((dsl::at.eq(now), dsl::who.eq(who), dsl::act.eq(act), dsl::subject.eq(subject), dsl::note.eq(note)))
        .execute(db)?;
    Ok(())
}
