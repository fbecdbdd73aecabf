//! Claim and settle: the two transactions round a writer's step. A settle is fenced by the lease's
//! generation and the claim, closes the intent, links the record and moves the document, all or nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use diesel::prelude::*;
use jiff::Timestamp;
use uuid::Uuid;

use super::dialect::{self, Db};
use super::documents::{self, Raw};
use super::intents;
use super::leases::{self, Lease};
use super::mapped;
use super::rows::{micros, signed, unsigned};
use super::steps::{Claimed, JudgedAnew, Link, NOTED, Progress, Settle, Settled};
use super::{Store, StoreError, awaited, customers, due, schema};
use crate::domain::document::{DocumentKind, Event, ParkKind, Standing, State, next_state};
use crate::domain::ids::{ConnectionName, DocumentId};
use crate::planted;

impl Store {
    /// Claims the due documents of a connection and of these kinds, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is lost.
    pub async fn claim_due(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        kinds: &'static [DocumentKind],
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Claimed>, StoreError> {
        let (lease, name, now) = (lease.clone(), name.as_str().to_owned(), micros(now));
        let peek = name.clone();
        let anything = move |db: &mut Db| any_due(db, &peek, kinds, now);
        let claimed = self.write_ahead_if(anything, move |db| {
            leases::hold(db, &lease)?;
            let due = dialect::lock_due(db, &name, kinds, now, limit)?;
            due.into_iter().map(|raw| claim(db, &lease, raw, now)).collect()
        });
        Ok(claimed.await?.unwrap_or_default())
    }

    /// When the next document of a connection is due, if one waits.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn next_due(
        &self,
        name: &ConnectionName,
        kinds: &'static [DocumentKind],
    ) -> Result<Option<Timestamp>, StoreError> {
        let name = name.as_str().to_owned();
        self.run(move |db| {
            use diesel::dsl::min;
            use schema::documents::dsl;
            let due: Option<i64> = dsl::documents
                .filter(dsl::connection.eq(name))
                .filter(due::of_kinds(kinds))
                .filter(due::claimable())
                .select(min(dsl::due_at))
                .first(db)?;
            Ok(due.map(super::rows::instant))
        })
        .await
    }

    /// Ends a writer's step. Returns the state that the document is left in.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when claim or lease are lost: nothing was changed.
    pub async fn settle(&self, lease: &Lease, claimed: &Claimed, settle: Settle) -> Result<State, StoreError> {
        match self.settle_once(lease, claimed, settle.clone()).await {
            // Somebody else made the customer's document meanwhile: it is there now, and left as it is.
            Err(StoreError::Stale) if settle.awaited.is_some() => self.settle_once(lease, claimed, settle).await,
            other => other,
        }
    }

    async fn settle_once(&self, lease: &Lease, claimed: &Claimed, settle: Settle) -> Result<State, StoreError> {
        let (lease, claimed) = (lease.clone(), claimed.clone());
        self.write(move |db| {
            let now = micros(settle.now);
            // 1. The customer that an order waits for, before the order itself. Locked, it cannot be written unseen meanwhile.
            leases::hold(db, &lease)?;
            let offered = match &settle.awaited {
                Some(wanted) => Some(awaited::offer(db, &claimed, wanted, now)?),
                None => None,
            };
            // 2. Nobody else may have taken over meanwhile.
            let mut raw = still_claimed(db, claimed.id.get(), &claimed.claim)?;
            // 3. The intent closes together with what it led to.
            if let Some((intent, outcome)) = settle.close {
                intents::close(db, intent.get(), outcome, now)?;
            }
            if let Some(link) = &settle.link {
                put_link(db, &raw, link, now)?;
            }
            // 4. The document moves as the domain allows.
            if let Some(offered) = &offered {
                awaited::wait_for(db, &mut raw, offered.id)?;
            }
            let state = move_document(db, &raw, &settle, now)?;
            if state == State::Held && offered.is_some_and(|offered| !offered.taken) {
                awaited::make_due(db, &[raw.id], now)?;
            }
            // 5. What waits for it, and what follows from it.
            if state == State::Written {
                awaited::wake_dependants(db, raw.id, now)?;
            }
            for follow_up in &settle.follow_ups {
                super::follow_ups::open(db, &raw, follow_up, now)?;
            }
            // 6. The step is remembered.
            if let Some(attempt) = &settle.attempt {
                documents::record(db, raw.id, now, attempt, &raw.trace_id)?;
            }
            Ok(state)
        })
        .await
    }

    /// Commits what a step reached on its way; the document stays claimed. After it a restart knows as much.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when claim or lease are lost: nothing was changed.
    pub async fn progress(
        &self,
        lease: &Lease,
        claimed: &Claimed,
        progress: Progress,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (lease, id, claim, now) = (lease.clone(), claimed.id, claimed.claim.clone(), micros(now));
        let got_on = progress.written.is_some();
        self.write(move |db| {
            use schema::documents::dsl;
            let raw = fence(db, &lease, id.get(), &claim)?;
            if let Some((intent, outcome)) = progress.close {
                intents::close(db, intent.get(), outcome, now)?;
            }
            if let Some(link) = &progress.link {
                put_link(db, &raw, link, now)?;
            }
            if let Some(written) = &progress.written {
                diesel::update(dsl::documents.filter(dsl::id.eq(raw.id)))
                    .set((dsl::written.eq(written), dsl::attempts.eq(0)))
                    .execute(db)?;
            }
            if let Some(attempt) = &progress.attempt {
                documents::record(db, raw.id, now, attempt, &raw.trace_id)?;
            }
            Ok(())
        })
        .await?;
        if got_on {
            claimed.got_on.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Ends a step that judged the order anew: snapshot, customer and content change together, and the document stands where
    /// its content puts it.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when claim or lease are lost; [`StoreError::Stale`] when a newer version came meanwhile: nothing
    /// was changed, and the document is still claimed.
    pub async fn settle_judged_anew(
        &self,
        lease: &Lease,
        claimed: &Claimed,
        judged: JudgedAnew,
        now: Timestamp,
    ) -> Result<State, StoreError> {
        let (lease, id, claim, now) = (lease.clone(), claimed.id, claimed.claim.clone(), micros(now));
        let (version, trace_id) = (claimed.desired_version, claimed.trace_id.clone());
        let order_id = signed(claimed.order_id)?;
        self.write(move |db| {
            use schema::documents::dsl;
            // 1. Lease, snapshot, customer, then order: see `dialect::lock_document`.
            leases::hold(db, &lease)?;
            if let Some(snapshot) = &judged.snapshot {
                mapped::put_snapshot(db, &judged.connection, snapshot)?;
            }
            let waits_for = match &judged.customer {
                Some(customer) => {
                    let cause = mapped::Cause {
                        connection: judged.connection.as_str(),
                        order_id,
                        rules_revision: &judged.rules_revision,
                        trace_id: &trace_id,
                        now,
                    };
                    Some(customers::put(db, &cause, customer)?)
                }
                None => None,
            };
            // 2. Neither the claim nor the content may have moved.
            let raw = still_claimed(db, id.get(), &claim)?;
            if raw.desired_version != version {
                return Err(StoreError::Stale);
            }
            let standing = documents::standing(db, &raw)?;
            let freed = next_state(standing, Event::Failed { own_fault: false })?;
            let wanted = mapped::believed(&raw, judged.wish.wanted);
            let after = next_state(Standing { state: freed, ..standing }, Event::Content(wanted))?;
            mapped::put_content(db, raw.id, &judged.wish, &judged.rules_revision, now)?;
            mapped::put_state(db, &raw, after, &judged.wish, now)?;
            diesel::update(dsl::documents.filter(dsl::id.eq(raw.id)))
                .set((
                    dsl::claim.eq(None::<String>),
                    dsl::claim_generation.eq(None::<i64>),
                    dsl::waits_for.eq(waits_for),
                ))
                .execute(db)?;
            // 3. The step is remembered.
            if let Some(attempt) = &judged.attempt {
                documents::record(db, raw.id, now, attempt, &raw.trace_id)?;
            }
            Ok(after)
        })
        .await
    }
}

/// Fails unless lease and claim are still ours.
pub(super) fn fence(db: &mut Db, lease: &Lease, document: i64, claim: &str) -> Result<Raw, StoreError> {
    leases::hold(db, lease)?;
    still_claimed(db, document, claim)
}

/// Fails unless the claim is still ours; the lease is held already.
fn still_claimed(db: &mut Db, document: i64, claim: &str) -> Result<Raw, StoreError> {
    let raw = dialect::locked_document(db, document)?.ok_or(StoreError::Fenced)?;
    if raw.claim.as_deref() == Some(claim) || planted::is(planted::NO_FENCING) {
        Ok(raw)
    } else {
        Err(StoreError::Fenced)
    }
}

fn any_due(db: &mut Db, name: &str, kinds: &[DocumentKind], now: i64) -> Result<bool, StoreError> {
    use schema::documents::dsl;
    let first: Option<i64> = dsl::documents
        .filter(dsl::connection.eq(name))
        .filter(due::of_kinds(kinds))
        .filter(due::claimable())
        .filter(due::due_document(now))
        .select(dsl::id)
        .first(db)
        .optional()?;
    Ok(first.is_some())
}

fn claim(db: &mut Db, lease: &Lease, raw: Raw, now: i64) -> Result<Claimed, StoreError> {
    use schema::documents::dsl;
    let id = raw.id;
    let (open, link) = documents::ties(db, &raw)?;
    let intent = if open { intents::open_of(db, id)? } else { None };
    let standing = Standing {
        state: documents::state_of(&raw)?,
        open_intent: intent.is_some(),
        linked: documents::is_ours(link.as_ref()),
        parked: None,
    };
    let state = next_state(standing, Event::Claim)?;
    let token = Uuid::new_v4().simple().to_string();
    diesel::update(dsl::documents.filter(dsl::id.eq(id)))
        .set((
            dsl::state.eq(state.as_str()),
            dsl::claim.eq(&token),
            dsl::claim_generation.eq(lease.generation.get()),
            dsl::revision.eq(dsl::revision + 1),
            dsl::updated_at.eq(now),
        ))
        .execute(db)?;
    let kind = DocumentKind::parse(&raw.kind).ok_or(StoreError::Corrupt { table: "documents", column: "kind" })?;
    Ok(Claimed {
        id: DocumentId::new(id),
        kind,
        business_key: raw.business_key,
        order_id: unsigned(raw.order_id),
        desired: raw.desired,
        desired_version: raw.desired_version,
        written: raw.written,
        noted: link.as_ref().is_some_and(|(_, origin)| origin == NOTED),
        order_no: link.map(|(order_no, _)| order_no),
        intent,
        look_up_first: raw.look_up_first != 0,
        rules_revision: raw.rules_revision,
        held_since: raw.held_since.map(super::rows::instant),
        waits_for: raw.waits_for.map(DocumentId::new),
        attempts: raw.attempts,
        got_on: Arc::default(),
        claim: token,
        trace_id: raw.trace_id,
    })
}

fn put_link(db: &mut Db, raw: &Raw, link: &Link, now: i64) -> Result<(), StoreError> {
    if raw.kind == DocumentKind::Customer.as_str() {
        return super::customers::put_link(db, raw, link, now);
    }
    use schema::order_links::dsl;
    if let Some((order_no, origin)) = documents::link_of(db, raw)? {
        if order_no != link.order_no {
            return Err(StoreError::Stale);
        }
        // What was only noted becomes ours with the order that is wanted by now.
        if origin == NOTED && link.origin != NOTED {
            let row = dsl::order_links.filter(dsl::document_id.eq(raw.id));
            diesel::update(row).set((dsl::origin.eq(link.origin), dsl::linked_at.eq(now))).execute(db)?;
        }
        return Ok(());
    }
    let taken: Option<i64> = dsl::order_links
        .filter(dsl::connection.eq(&raw.connection))
        .filter(dsl::order_no.eq(&link.order_no))
        .select(dsl::document_id)
        .first(db)
        .optional()?;
    if taken.is_some() {
        return Err(StoreError::Taken);
    }
    diesel::insert_into(dsl::order_links)
        .values((
            dsl::document_id.eq(raw.id),
            dsl::connection.eq(&raw.connection),
            dsl::order_no.eq(&link.order_no),
            dsl::origin.eq(link.origin),
            dsl::linked_at.eq(now),
        ))
        .execute(db)?;
    Ok(())
}

fn move_document(db: &mut Db, raw: &Raw, settle: &Settle, now: i64) -> Result<State, StoreError> {
    use schema::documents::dsl;
    let standing = documents::standing(db, raw)?;
    let newer_desired = raw.desired_version > settle.version && !planted::is(planted::NEWER_CONTENT_FORGOTTEN);
    let mut after = next_state(standing, event_of(&settle.settled, newer_desired))?;
    // Newer content has not been judged yet: it is, unless two records with one key wait for a person.
    let opens = match &settle.settled {
        Settled::Parked(reason) => reason.kind != Some(ParkKind::Ambiguity),
        Settled::Superseded | Settled::Skipped(_) => true,
        Settled::Held { .. } => true,
        Settled::Written | Settled::Again { .. } | Settled::Unknown { .. } => false,
    };
    if newer_desired && opens && !standing.open_intent {
        after = State::Planned;
    }
    let (reason, due_at, attempts) = match &settle.settled {
        Settled::Written | Settled::Superseded => (None, now, 0),
        Settled::Again { own_fault, due_at, reason } => {
            (reason.as_ref(), micros(*due_at), raw.attempts + i64::from(*own_fault))
        }
        Settled::Unknown { due_at, own_fault } => (None, micros(*due_at), raw.attempts + i64::from(*own_fault)),
        // What it waits for may have come while it was looked at. And newer content is planned, not held: nothing would wake it, and
        // what it asks for was not judged to wait.
        Settled::Held { reason, due_at } => {
            let at_once = after != State::Held || awaited::came(db, raw)?;
            (Some(reason), if at_once { now } else { micros(*due_at) }, 0)
        }
        Settled::Parked(reason) | Settled::Skipped(reason) => (Some(reason), now, raw.attempts),
    };
    let reason = if after == State::Planned && newer_desired { None } else { reason };
    let held_since = match after {
        State::Held => Some(raw.held_since.unwrap_or(now)),
        // Not met yet, as far as anybody knows: it waits on.
        State::Planned | State::Retry | State::Unknown | State::Writing if !newer_desired => raw.held_since,
        _ => None,
    };
    let row = dsl::documents.filter(dsl::id.eq(raw.id));
    let written_version = (settle.settled == Settled::Written).then_some(settle.version);
    diesel::update(row)
        .set((
            (
                settle.written.as_ref().map(|written| dsl::written.eq(written)),
                written_version.map(|version| dsl::written_version.eq(version)),
            ),
            (
                dsl::state.eq(after.as_str()),
                dsl::claim.eq(None::<String>),
                dsl::claim_generation.eq(None::<i64>),
                dsl::revision.eq(dsl::revision + 1),
                dsl::updated_at.eq(now),
            ),
            (
                dsl::reason_kind.eq(reason.and_then(|reason| reason.kind).map(|kind| kind.as_str())),
                dsl::reason_code.eq(reason.map(|reason| reason.code.as_str())),
                dsl::reason_text.eq(reason.map(|reason| reason.text.as_str())),
                dsl::attempts.eq(attempts),
                dsl::due_at.eq(due_at),
                dsl::held_since.eq(held_since),
            ),
        ))
        .execute(db)?;
    // A person may remove one of two records with our key: nothing of ours is created then without looking.
    if matches!(&settle.settled, Settled::Parked(reason) if reason.kind == Some(ParkKind::Ambiguity)) {
        diesel::update(row).set(dsl::look_up_first.eq(1)).execute(db)?;
    }
    if matches!(settle.settled, Settled::Unknown { .. })
        && let Some(open) = intents::open_of(db, raw.id)?
    {
        intents::call_ended(db, open.id.get())?;
    }
    Ok(after)
}

fn event_of(settled: &Settled, newer_desired: bool) -> Event {
    match settled {
        Settled::Written => Event::Wrote { newer_desired },
        Settled::Again { own_fault, .. } => Event::Failed { own_fault: *own_fault },
        Settled::Unknown { .. } => Event::LostAnswer,
        Settled::Held { .. } => Event::Hold,
        Settled::Parked(_) => Event::Park,
        Settled::Superseded => Event::Supersede,
        Settled::Skipped(_) => Event::Skip,
    }
}
