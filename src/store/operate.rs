//! What a person may do to a document: try it again, let it go on, or close it with a note. Each act is audited.

use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect::{self, Db};
use super::documents::{Attempt, Raw, by_id, record, standing, words};
use super::mapped::{self, Wish};
use super::rows::micros;
use super::{Store, StoreError, schema};
use crate::domain::document::{Event, State, next_state};
use crate::domain::ids::DocumentId;

/// The code of a document that waited longer than its rules allow.
pub const HELD_TOO_LONG: &str = "held_too_long";

/// What the order of a document asks for under today's rules, as judged for a person.
#[derive(Debug, Clone)]
pub struct Anew {
    /// What it asks for.
    pub wish: Wish,
    /// The digest of the rules that judged it.
    pub rules_revision: String,
    /// The desired version that stood in the row before it was judged: newer content is never overwritten.
    pub seen_version: i64,
    /// The content that stood there: of a customer it may become that of a newer order under the same version.
    pub seen_content: String,
}

impl Anew {
    /// Whether the row still holds what stood there before it was judged.
    pub(super) fn follows(&self, raw: &Raw) -> bool {
        self.seen_version == raw.desired_version && self.seen_content == raw.desired
    }
}

/// What a person does.
struct Act {
    event: Event,
    word: &'static str,
    who: String,
    note: Option<String>,
    anew: Option<Anew>,
    released: Vec<String>,
}

impl Act {
    fn new(event: Event, word: &'static str, who: String) -> Self {
        Self { event, word, who, note: None, anew: None, released: Vec::new() }
    }

    /// From what it was released, and why.
    fn told(&self) -> Option<String> {
        let released = (!self.released.is_empty()).then(|| format!("not waiting for {}", self.released.join(", ")));
        let told: Vec<String> = released.into_iter().chain(self.note.clone()).collect();
        (!told.is_empty()).then(|| told.join(": "))
    }
}

impl Store {
    /// A person asks for another try of a parked, resolved, held or skipped document; `anew` is what its order asks for
    /// under today's rules.
    ///
    /// # Errors
    /// [`StoreError::Refused`] under an open intent or in another state; [`StoreError::Stale`] when its order changed since it
    /// was judged: judge again.
    pub async fn retry_document(
        &self,
        id: DocumentId,
        anew: Option<Anew>,
        who: String,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.operate(id, Act { anew, ..Act::new(Event::OperatorRetry, "retry", who) }, now).await
    }

    /// A person lets a held document go on, or one that parked because it waited too long. `codes` are the conditions that
    /// it is released from, for all later versions too; `anew` is what its order asks for without them.
    ///
    /// # Errors
    /// [`StoreError::Refused`] under an open intent or in another state; [`StoreError::Stale`] when its order changed since it
    /// was judged: judge again.
    pub async fn release_document(
        &self,
        id: DocumentId,
        codes: Vec<String>,
        anew: Anew,
        (who, note): (String, String),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let act = Act {
            note: Some(note),
            anew: Some(anew),
            released: codes,
            ..Act::new(Event::OperatorRelease, "release", who)
        };
        self.operate(id, act, now).await
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
        self.operate(id, Act { note, ..Act::new(Event::OperatorResolve, "resolve", who) }, now).await
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
            if act.anew.as_ref().is_some_and(|anew| !anew.follows(&raw)) {
                return Err(StoreError::Stale);
            }
            let releases = act.event == Event::OperatorRelease;
            if releases && standing.state == State::Parked && raw.reason_code.as_deref() != Some(HELD_TOO_LONG) {
                return Err(StoreError::Refused("it is parked for another reason: see `documents show`"));
            }
            // What a person reopens may have been keyed by a person: look before any create. One that only waited was not.
            let look_up_first = if releases && standing.state == State::Held { raw.look_up_first } else { 1 };
            let now = micros(now);
            diesel::update(dsl::documents.filter(dsl::id.eq(id.get())))
                .set((
                    dsl::state.eq(next.as_str()),
                    dsl::revision.eq(dsl::revision + 1),
                    dsl::attempts.eq(0),
                    dsl::look_up_first.eq(look_up_first),
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
            if let Some(anew) = &act.anew {
                mapped::put_content(db, raw.id, &anew.wish, &anew.rules_revision, now)?;
            }
            if releases {
                let mut released = words(&raw.released);
                released.extend(act.released.iter().cloned());
                released.sort();
                released.dedup();
                diesel::update(dsl::documents.filter(dsl::id.eq(id.get())))
                    .set((dsl::released.eq(released.join(" ")), dsl::held_since.eq(None::<i64>)))
                    .execute(db)?;
            }
            let outcome = next.as_str().to_owned();
            let told = act.told();
            let detail = told.as_ref().map_or(format!("by {}", act.who), |told| format!("by {}, {told}", act.who));
            let done = Attempt { step: act.word.to_owned(), outcome, detail: Some(detail), ..Attempt::default() };
            record(db, raw.id, now, &done, &raw.trace_id)?;
            audit(db, now, &act.who, act.word, &format!("document {id}"), told.as_deref())
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
