//! The mapper's transaction: delivery, order snapshot and desired document change together, under
//! compare-and-set on the snapshot's revision.

use diesel::prelude::*;
use jiff::Timestamp;

use super::customers::CustomerWish;
use super::deliveries::{self, InboxState};
use super::dialect::{self, Db};
use super::documents::{self, Raw, Reason};
use super::follow_ups::{self, Beside};
use super::rows::{micros, signed};
use super::{Store, StoreError, customers, schema};
use crate::domain::document::{DocumentKind, Event, ParkKind, Standing, State, Trace, Wanted, next_state};
use crate::domain::ids::{ConnectionName, InboxId};
use crate::domain::order::Sale;

/// The snapshot as it shall be.
#[derive(Debug, Clone)]
pub struct SnapshotChange {
    /// Shopify's id.
    pub order_id: u64,
    /// Shopify's name, e.g. `#1001`.
    pub name: String,
    /// Shopify's `created_at`.
    pub created_at: Timestamp,
    /// Shopify's `updated_at`.
    pub updated_at: Timestamp,
    /// Canonical digest of the decoded order.
    pub digest: String,
    /// `rest` or `graphql`.
    pub road: &'static str,
    /// The payload's bytes, secrets cut out.
    pub payload: Vec<u8>,
    /// Whether its own orders/create came within 60 s of its birth (kept from the first delivery).
    pub born_here: bool,
    /// Digests for which the order was re-read at this `updated_at`.
    pub reread_digests: Vec<String>,
    /// What this version or an earlier one told of the sale itself.
    pub sale: Sale,
    /// When we first heard of it.
    pub received_at: Timestamp,
    /// The revision that the change was judged against; `None` when there was no row.
    pub expected_revision: Option<i64>,
}

/// What the order asks of its document.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Its kind.
    pub wanted: Wanted,
    /// The content as JSON text; the mapping's, opaque here.
    pub content: String,
    /// Digest of the content: an equal one changes nothing.
    pub digest: String,
    /// Why it is parked, skipped or held.
    pub reason: Option<Reason>,
    /// When it is looked at again, for one that is held.
    pub due_at: Option<Timestamp>,
}

/// One transaction of the mapper.
#[derive(Debug, Clone)]
pub struct Mapped {
    /// The connection.
    pub connection: ConnectionName,
    /// The delivery that brought it.
    pub delivery: InboxId,
    /// Why what the delivery tells of could not be read: its row ends quarantined then.
    pub unread: Option<String>,
    /// The new snapshot.
    pub snapshot: SnapshotChange,
    /// The document's key inside IFS.
    pub business_key: String,
    /// What is desired now.
    pub wish: Wish,
    /// The customer document that it waits for; it is made or brought up to date in the same transaction.
    pub customer: Option<CustomerWish>,
    /// What the order's second one is to hold, should the first one not move.
    pub beside: Option<Beside>,
    /// The digest of the rules that judged it.
    pub rules_revision: String,
    /// The desired version that the content was made to follow, where it was: newer content is never overwritten.
    pub seen_version: Option<i64>,
    /// Whether a look-up must come before a create.
    pub look_up_first: bool,
    /// The id that follows the delivery.
    pub trace_id: String,
    /// The service's clock.
    pub now: Timestamp,
}

impl Store {
    /// Commits what the mapper decided: the delivery's end, the snapshot and the document's new content.
    /// Returns the document's state afterwards.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when the snapshot changed since it was read: judge again.
    pub async fn commit_mapped(&self, mapped: Mapped) -> Result<State, StoreError> {
        self.write_ahead(move |db| {
            // 1. The snapshot, by compare-and-set.
            put_snapshot(db, &mapped.connection, &mapped.snapshot)?;
            // 2. The customer's document, then the order's content and state.
            let cause = mapped.cause()?;
            let waits_for = match &mapped.customer {
                Some(customer) => Some(customers::put(db, &cause, customer)?),
                None => None,
            };
            let state = put_wish(db, &cause, &mapped.order_content(), waits_for)?;
            if let Some(beside) = &mapped.beside {
                follow_ups::renew(db, &cause, &mapped.business_key, beside)?;
            }
            // 3. The delivery's end.
            let order = signed(mapped.snapshot.order_id)?;
            let unread = mapped.unread.as_deref();
            let end = if unread.is_some() { InboxState::Quarantined } else { InboxState::Mapped };
            deliveries::finish(db, mapped.delivery, end, unread, Some(order))?;
            Ok(state)
        })
        .await
    }

    /// Ends a delivery that tells nothing new of a known order.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn supersede_delivery(&self, id: InboxId, order_id: u64, reason: &'static str) -> Result<(), StoreError> {
        let order = signed(order_id)?;
        self.write_ahead(move |db| deliveries::finish(db, id, InboxState::Superseded, Some(reason), Some(order))).await
    }
}

/// Writes a newer version of an order, unless the row changed since it was read.
pub(super) fn put_snapshot(
    db: &mut Db,
    connection: &ConnectionName,
    change: &SnapshotChange,
) -> Result<(), StoreError> {
    use schema::orders::dsl;
    let order_id = signed(change.order_id)?;
    let (location_id, staff_id) =
        (change.sale.location_id.map(signed).transpose()?, change.sale.staff_id.map(signed).transpose()?);
    let content = (
        dsl::name.eq(&change.name),
        dsl::updated_at.eq(micros(change.updated_at)),
        dsl::digest.eq(&change.digest),
        dsl::road.eq(change.road),
        dsl::payload.eq(&change.payload),
        dsl::reread_digests.eq(change.reread_digests.join(" ")),
        dsl::location_id.eq(location_id),
        dsl::staff_id.eq(staff_id),
    );
    let changed = match change.expected_revision {
        Some(revision) => diesel::update(dsl::orders)
            .filter(dsl::connection.eq(connection.as_str()))
            .filter(dsl::order_id.eq(order_id))
            .filter(dsl::revision.eq(revision))
            .set((content, dsl::revision.eq(revision + 1)))
            .execute(db)?,
        None => {
            let birth = (
                dsl::connection.eq(connection.as_str()),
                dsl::order_id.eq(order_id),
                dsl::revision.eq(1),
                dsl::created_at.eq(micros(change.created_at)),
                dsl::born_here.eq(i64::from(change.born_here)),
                dsl::first_received_at.eq(micros(change.received_at)),
            );
            let inserted = diesel::insert_into(dsl::orders).values((content, birth)).execute(db);
            match inserted {
                Err(diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _)) => 0,
                other => other?,
            }
        }
    };
    if changed == 1 { Ok(()) } else { Err(StoreError::Stale) }
}

/// What brought new content.
pub(super) struct Cause<'a> {
    pub(super) connection: &'a str,
    pub(super) order_id: i64,
    pub(super) rules_revision: &'a str,
    pub(super) trace_id: &'a str,
    pub(super) now: i64,
}

/// A document's new content.
pub(super) struct Content<'a> {
    pub(super) kind: DocumentKind,
    pub(super) key: &'a str,
    pub(super) wish: &'a Wish,
    pub(super) look_up_first: bool,
    pub(super) seen_version: Option<i64>,
}

impl Mapped {
    fn cause(&self) -> Result<Cause<'_>, StoreError> {
        Ok(Cause {
            connection: self.connection.as_str(),
            order_id: signed(self.snapshot.order_id)?,
            rules_revision: &self.rules_revision,
            trace_id: &self.trace_id,
            now: micros(self.now),
        })
    }

    fn order_content(&self) -> Content<'_> {
        let (key, wish) = (self.business_key.as_str(), &self.wish);
        let (look_up_first, seen_version) = (self.look_up_first, self.seen_version);
        Content { kind: DocumentKind::CustomerOrder, key, wish, look_up_first, seen_version }
    }
}

/// Gives a document its new content, or makes it.
pub(super) fn put_wish(
    db: &mut Db,
    cause: &Cause<'_>,
    content: &Content<'_>,
    waits_for: Option<i64>,
) -> Result<State, StoreError> {
    let present = documents::by_key(db, content.kind, cause.connection, content.key)?;
    match present {
        None => insert_document(db, cause, content, waits_for),
        Some(present) => {
            // Locked, then read again: a writer may have moved it meanwhile.
            let present = dialect::locked_document(db, present.id)?.ok_or(StoreError::Stale)?;
            let state = documents::state_of(&present)?;
            if content.seen_version.is_some_and(|seen| seen != present.desired_version) {
                return Err(StoreError::Stale);
            }
            if present.desired_digest == content.wish.digest {
                return Ok(state);
            }
            let standing = documents::standing(db, &present)?;
            let next = next_state(standing, Event::Content(believed(&present, content.wish.wanted)))?;
            update_document(db, cause, content, &present, (standing, next), waits_for)?;
            Ok(next)
        }
    }
}

/// What is wanted, given what a person did: a retry, or two records seen once, forbid to believe that nothing can be there.
pub(super) fn believed(present: &Raw, wanted: Wanted) -> Wanted {
    match wanted {
        Wanted::Cancel(Trace::Impossible) if present.look_up_first != 0 => Wanted::Cancel(Trace::Possible),
        wanted => wanted,
    }
}

fn insert_document(
    db: &mut Db,
    cause: &Cause<'_>,
    content: &Content<'_>,
    waits_for: Option<i64>,
) -> Result<State, StoreError> {
    use schema::documents::dsl;
    let fresh = Standing { state: State::Planned, open_intent: false, linked: false, parked: None };
    let state = next_state(fresh, Event::Content(content.wish.wanted))?;
    let reason = content.wish.reason.as_ref();
    let now = cause.now;
    diesel::insert_into(dsl::documents)
        .values((
            (
                dsl::connection.eq(cause.connection),
                dsl::kind.eq(content.kind.as_str()),
                dsl::business_key.eq(content.key),
                dsl::order_id.eq(cause.order_id),
                dsl::state.eq(state.as_str()),
                dsl::revision.eq(1),
                dsl::desired.eq(&content.wish.content),
                dsl::desired_digest.eq(&content.wish.digest),
                dsl::desired_version.eq(1),
                dsl::rules_revision.eq(cause.rules_revision),
                dsl::waits_for.eq(waits_for),
                dsl::held_since.eq((state == State::Held).then_some(now)),
            ),
            (
                dsl::reason_kind.eq(reason.and_then(|reason| reason.kind).map(|kind| kind.as_str())),
                dsl::reason_code.eq(reason.map(|reason| reason.code.as_str())),
                dsl::reason_text.eq(reason.map(|reason| reason.text.as_str())),
                dsl::look_up_first.eq(i64::from(content.look_up_first)),
                dsl::due_at.eq(content.wish.due_at.map_or(now, micros)),
                dsl::trace_id.eq(cause.trace_id),
                dsl::created_at.eq(now),
                dsl::updated_at.eq(now),
            ),
        ))
        .execute(db)
        .map_err(twice)?;
    Ok(state)
}

fn update_document(
    db: &mut Db,
    cause: &Cause<'_>,
    content: &Content<'_>,
    present: &Raw,
    (standing, after): (Standing, State),
    waits_for: Option<i64>,
) -> Result<(), StoreError> {
    use schema::documents::dsl;
    let now = cause.now;
    let row = dsl::documents.filter(dsl::id.eq(present.id));
    put_content(db, present.id, content.wish, cause.rules_revision, now)?;
    diesel::update(row).set((dsl::trace_id.eq(cause.trace_id), dsl::waits_for.eq(waits_for))).execute(db)?;
    put_judged(db, present, (standing, after), content.wish, now)
}

/// Moves a document to where its new content puts it, where the content decides that.
pub(super) fn put_judged(
    db: &mut Db,
    present: &Raw,
    (standing, after): (Standing, State),
    wish: &Wish,
    now: i64,
) -> Result<(), StoreError> {
    if judged_anew(standing, after) { put_state(db, present, after, wish, now) } else { Ok(()) }
}

/// Writes new content into a document's row.
pub(super) fn put_content(db: &mut Db, id: i64, wish: &Wish, rules_revision: &str, now: i64) -> Result<(), StoreError> {
    use schema::documents::dsl;
    diesel::update(dsl::documents.filter(dsl::id.eq(id)))
        .set((
            dsl::desired.eq(&wish.content),
            dsl::desired_digest.eq(&wish.digest),
            dsl::desired_version.eq(dsl::desired_version + 1),
            dsl::rules_revision.eq(rules_revision),
            dsl::revision.eq(dsl::revision + 1),
            dsl::updated_at.eq(now),
        ))
        .execute(db)?;
    Ok(())
}

/// Moves a document to where its new content puts it.
pub(super) fn put_state(db: &mut Db, present: &Raw, after: State, wish: &Wish, now: i64) -> Result<(), StoreError> {
    use schema::documents::dsl;
    let reason = wish.reason.as_ref();
    let held_since = (after == State::Held).then(|| present.held_since.unwrap_or(now));
    diesel::update(dsl::documents.filter(dsl::id.eq(present.id)))
        .set((
            dsl::state.eq(after.as_str()),
            dsl::reason_kind.eq(reason.and_then(|reason| reason.kind).map(|kind| kind.as_str())),
            dsl::reason_code.eq(reason.map(|reason| reason.code.as_str())),
            dsl::reason_text.eq(reason.map(|reason| reason.text.as_str())),
            dsl::attempts.eq(0),
            dsl::due_at.eq(wish.due_at.map_or(now, micros)),
            dsl::held_since.eq(held_since),
        ))
        .execute(db)?;
    Ok(())
}

/// Somebody else made the row meanwhile: judge again.
fn twice(error: diesel::result::Error) -> StoreError {
    match error {
        diesel::result::Error::DatabaseError(diesel::result::DatabaseErrorKind::UniqueViolation, _) => {
            StoreError::Stale
        }
        other => other.into(),
    }
}

/// Whether the new content decided where the document stands now, so that its reason is the content's. A park that only
/// a person may open keeps its own.
fn judged_anew(standing: Standing, after: State) -> bool {
    if standing.open_intent {
        return false;
    }
    match standing.state {
        State::Writing | State::Unknown | State::Resolved => false,
        State::Parked if after == State::Parked => standing.parked.is_none_or(ParkKind::opens_with_new_content),
        State::Planned
        | State::Written
        | State::Retry
        | State::Held
        | State::Parked
        | State::Superseded
        | State::Skipped => true,
    }
}
