//! One delivery: decode it, find out whether it is the newest version, judge it, and commit delivery, snapshot and
//! document together.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::carry::carried;
use super::deletion;
use super::hint;
use super::ingest::{ORDER_DELETED, ORDER_EDITED, REFUND_CREATED};
use super::map_event::{Event, map_event};
use super::re_read::{Brought, Case, ReRead, re_read};
use super::version::{Choice, choose};
use super::wish::{self, Footing, Wish};
use super::{Connection, SecretUse, customer_order, parts};
use crate::domain::document::{State, Trace};
use crate::domain::order::{Order, Told as Facts};
use crate::failpoint;
use crate::mapping::inbound;
use crate::shopify::wire::cut::cut_secrets;
use crate::shopify::wire::{
    decode_graphql_order, decode_order_deleted, decode_order_edited, decode_refund_created, decode_rest_order,
};
use crate::store::{Blame, InboxState, Known, Mapped, Origin, Received, Snapshot, SnapshotChange, StoreError};

/// How often a delivery may be tried before it is given up: a payload that ends the mapper is quarantined then.
pub const ATTEMPTS_MAX: i64 = 5;

/// An order's own orders/create within this time of its birth proves that nothing of it can stand in IFS yet.
const BIRTH_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// The pause before a delivery is looked at again.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its order's document stands so now.
    Mapped(State),
    /// It told nothing new.
    Superseded,
    /// It can't be read; a person should look.
    Quarantined,
    /// It is tried again later.
    Postponed,
}

/// A version of an order together with its bytes and the road they came by.
pub(super) struct Version {
    pub(super) order: Order,
    pub(super) digest: String,
    road: &'static str,
    payload: Vec<u8>,
    /// Digests settled by a re-read at this `updated_at`.
    pub(super) settled: Vec<String>,
}

impl Version {
    /// The change that puts this version in the place of a known one.
    pub(super) fn replacing(self, known: &Snapshot, received_at: Timestamp) -> SnapshotChange {
        SnapshotChange {
            order_id: self.order.id.get(),
            name: self.order.name.clone(),
            created_at: self.order.created_at,
            updated_at: self.order.updated_at,
            digest: self.digest,
            road: self.road,
            payload: self.payload,
            born_here: known.born_here,
            reread_digests: if known.updated_at == self.order.updated_at { settled(known) } else { Vec::new() },
            sale: self.order.sale(),
            received_at,
            expected_revision: Some(known.revision),
        }
    }
}

/// The digests that a reading by id settles: an equal delivery that comes later tells nothing new.
fn settled(known: &Snapshot) -> Vec<String> {
    let mut settled = known.reread_digests.clone();
    settled.push(known.digest.clone());
    settled.sort();
    settled.dedup();
    settled
}

/// What a delivery tells.
enum Told {
    /// A version of an order.
    Version(Box<Version>),
    /// That something happened to an order.
    Event(Event),
    /// That the order with this id was deleted.
    Deletion(u64),
}

/// Maps one delivery.
///
/// 1. Decode: what does not decode is quarantined. What only names its order goes its own way.
/// 2. Choose the version: drop what is known, ask Shopify once where the payload can't tell.
/// 3. Judge it and commit; if the snapshot moved meanwhile, choose again.
///
/// # Errors
/// The store's; the delivery stays `received` then.
pub async fn map_delivery(link: &Connection, received: &Received) -> Result<Ended, StoreError> {
    let (attempts, mut known) = begun(link, received).await?;
    failpoint::hit(failpoint::MAPPING_BEGUN);
    if attempts > ATTEMPTS_MAX {
        let tries = attempts - 1;
        let reason =
            format!("the mapper gave up after {tries} tries: it ended early each time, or never got an answer");
        return quarantine(link, received, reason).await;
    }
    // 1. Decode.
    let mut version = match told(received) {
        Ok(Told::Version(version)) => version,
        Ok(Told::Event(event)) => return map_event(link, received, attempts, event).await,
        Ok(Told::Deletion(order_id)) => return deletion::map_deletion(link, received, attempts, order_id).await,
        Err(reason) => return quarantine(link, received, reason).await,
    };
    // 2. and 3.
    for _ in 0..3 {
        let known = match known.take() {
            Some(known) => known,
            None => link.store.known(&link.name, version.order.id.get()).await?,
        };
        if let Some(known) = &known.snapshot {
            version.order.remember(known.sale);
        }
        let chosen = match choice(link, &version, &known) {
            Choice::Drop(reason) => {
                link.store.supersede_delivery(received.id, version.order.id.get(), reason).await?;
                return Ok(Ended::Superseded);
            }
            Choice::Take => None,
            Choice::ReRead(why) => {
                let order_id = version.order.id.get();
                let (trigger, snapshot) = (Some(version.as_ref()), known.snapshot.as_ref());
                let told_at = trigger.map(|trigger| trigger.order.updated_at);
                match re_read(
                    &Case { link, received, attempts, order_id, told_at, brought: Brought::Version, trigger, snapshot },
                    why,
                )
                .await?
                {
                    ReRead::Newest { fresh, .. } => Some(fresh),
                    ReRead::Ended(ended) => return Ok(ended),
                }
            }
        };
        let committed = match &chosen {
            None => commit_known(link, received, &version, (known.snapshot.as_ref(), &known), Given::Nothing).await,
            // What stood before Shopify was asked may stand otherwise now.
            Some(fresh) => commit(link, received, fresh, known.snapshot.as_ref(), Given::Nothing).await,
        };
        match committed {
            Ok(state) => return Ok(Ended::Mapped(state)),
            Err(StoreError::Stale) => {}
            Err(error) => return Err(error),
        }
    }
    postpone(link, received, Blame::Remote, PAUSE, "the order changed while it was mapped").await
}

/// Begins the delivery; what we know of its order comes with it, where it names one that a row can hold.
async fn begun(link: &Connection, received: &Received) -> Result<(i64, Option<Known>), StoreError> {
    match order_id_of(received) {
        Some(order_id) => {
            let (attempts, known) = link.store.begin_delivery_of(received.id, &link.name, order_id).await?;
            Ok((attempts, Some(known)))
        }
        None => Ok((link.store.begin_delivery(received.id).await?, None)),
    }
}

/// The facts that judging the order needs. What stands in IFS is held for no risk, so that nobody asks for it any more.
fn needs(link: &Connection, order: &Order, known: &Known) -> Facts {
    let needs = link.rules.needs_of(order);
    Facts { risk: needs.risk && Footing::of(known) != Footing::InIfs, ..needs }
}

fn choice(link: &Connection, version: &Version, known: &Known) -> Choice {
    let choice = choose(&version.order, &version.digest, needs(link, &version.order, known), known.snapshot.as_ref());
    if choice != Choice::Take {
        return choice;
    }
    if link.secret_use == SecretUse::SharedApp && known.snapshot.is_none() {
        return Choice::ReRead("the webhook secret is shared: the shop itself must confirm a new order");
    }
    // A delivery that comes late, or an order that was never gone: the shop says which.
    if known.deleted {
        return Choice::ReRead("its deletion is known");
    }
    choice
}

/// What is decided of a version before it is judged.
pub(super) enum Given {
    /// Nothing: it is judged.
    Nothing,
    /// What it asks for.
    Wish(Wish),
    /// What it asks for, while what the delivery tells of could not be read: its row stays to be taken up.
    Unread(Wish, String),
}

pub(super) async fn commit(
    link: &Connection,
    received: &Received,
    version: &Version,
    snapshot: Option<&Snapshot>,
    given: Given,
) -> Result<State, StoreError> {
    let known = link.store.known(&link.name, version.order.id.get()).await?;
    commit_known(link, received, version, (snapshot, &known), given).await
}

/// The same, knowing already how the order stands; `snapshot` is the version that the new one is to follow.
async fn commit_known(
    link: &Connection,
    received: &Received,
    version: &Version,
    (snapshot, known): (Option<&Snapshot>, &Known),
    given: Given,
) -> Result<State, StoreError> {
    let order = &version.order;
    let born_here = match snapshot {
        Some(known) => known.born_here,
        None => is_birth(received, order.created_at),
    };
    let look_up_first = !born_here || known.look_up_before.is_some_and(|mark| order.created_at <= mark);
    let key = order.id.to_string();
    let footing = Footing::of(known);
    let (wish, unread) = match given {
        // A version that comes after its order was deleted brings nothing back.
        Given::Nothing if known.deleted => {
            (deletion::wish_again(&link.store, &link.name, order.id.get(), &footing).await?, None)
        }
        Given::Nothing => (wish::judge(order, &link.rules, &footing, link.clock.now()), None),
        Given::Wish(wish) => (wish, None),
        Given::Unread(wish, why) => (wish, Some(why)),
    };
    // Changed rules do not travel with a change of an order that was written under others.
    let carried = carried(link, &key, snapshot, &footing, &wish).await?;
    let (wish, rules_revision, seen_version) = match carried {
        Some(carried) => (carried.wish, carried.rules_revision, Some(carried.seen_version)),
        None => (wish, link.rules.revision().to_owned(), None),
    };
    let customer = customer_order::wished(link, order, &wish).await?;
    let beside = match snapshot {
        Some(_) => parts::beside(link, order.id.get(), &wish).await?,
        None => None,
    };
    let trace = if look_up_first { Trace::Possible } else { Trace::Impossible };
    let state = link
        .store
        .commit_mapped(Mapped {
            connection: link.name.clone(),
            delivery: received.id,
            unread,
            snapshot: SnapshotChange {
                order_id: order.id.get(),
                name: order.name.clone(),
                created_at: order.created_at,
                updated_at: order.updated_at,
                digest: version.digest.clone(),
                road: version.road,
                payload: version.payload.clone(),
                born_here,
                reread_digests: version.settled.clone(),
                sale: order.sale(),
                received_at: received.received_at,
                expected_revision: snapshot.map(|known| known.revision),
            },
            business_key: key,
            wish: wish.for_store(trace),
            customer,
            beside,
            rules_revision,
            seen_version,
            look_up_first,
            trace_id: received.trace_id.clone(),
            now: link.clock.now(),
        })
        .await?;
    failpoint::hit(failpoint::MAPPED);
    Ok(state)
}

/// Invariant: what a sweep, a census or a person found is never born here, so that a look-up comes before its create.
fn is_birth(received: &Received, created_at: Timestamp) -> bool {
    received.origin == Origin::Webhook
        && received.topic == "orders/create"
        && received.received_at.duration_since(created_at).abs() <= BIRTH_WINDOW
}

/// The order that a delivery tells of, as far as that can be read without decoding it; none where it is no id that Shopify gives.
pub fn order_id_of(received: &Received) -> Option<u64> {
    #[derive(serde::Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow)]
        id: &'a serde_json::value::RawValue,
    }
    match received.topic.as_str() {
        hint::TOPIC | ORDER_EDITED | REFUND_CREATED => match told(received).ok()? {
            Told::Event(event) => Some(event.order_id),
            Told::Deletion(order_id) => Some(order_id),
            Told::Version(version) => Some(version.order.id.get()),
        },
        _ => {
            let only: OnlyId<'_> = serde_json::from_slice(&received.body).ok()?;
            // A number that no row can hold must not keep its delivery from its end.
            only.id.get().trim_matches('"').parse().ok().filter(|id| i64::try_from(*id).is_ok())
        }
    }
}

fn told(received: &Received) -> Result<Told, String> {
    let body = &received.body;
    if received.topic == ORDER_DELETED {
        let deleted = decode_order_deleted(body).map_err(|error| error.to_string())?;
        return Ok(Told::Deletion(deleted.id.0));
    }
    // Which of both it is is ours to say: the topic of a webhook is in no signature.
    if received.origin != Origin::Webhook {
        let found = hint::read(body)?;
        return Ok(Told::Event(Event { order_id: found.order_id, refund_id: None, told_at: found.updated_at }));
    }
    match received.topic.as_str() {
        ORDER_EDITED => {
            let edit = decode_order_edited(body).map_err(|error| error.to_string())?.order_edit;
            Ok(Told::Event(Event { order_id: edit.order_id.0, refund_id: None, told_at: None }))
        }
        REFUND_CREATED => {
            let refund = decode_refund_created(body).map_err(|error| error.to_string())?;
            Ok(Told::Event(Event { order_id: refund.order_id.0, refund_id: Some(refund.id.0), told_at: None }))
        }
        _ => decode(body).map(|version| Told::Version(Box::new(version))),
    }
}

pub(super) fn decode(body: &[u8]) -> Result<Version, String> {
    let wire = decode_rest_order(body).map_err(|error| error.to_string())?;
    let order = inbound::order_from_rest(wire).map_err(|error| error.to_string())?;
    let digest = order.digest();
    Ok(Version { order, digest, road: "rest", payload: body.to_vec(), settled: Vec::new() })
}

pub(super) fn decode_re_read(body: &[u8]) -> Result<Version, String> {
    let wire = decode_graphql_order(body).map_err(|error| error.to_string())?;
    let order = inbound::order_from_graphql(wire).map_err(|error| error.to_string())?;
    let digest = order.digest();
    Ok(Version { order, digest, road: "graphql", payload: cut_secrets(body), settled: Vec::new() })
}

pub(super) async fn quarantine(link: &Connection, received: &Received, reason: String) -> Result<Ended, StoreError> {
    tracing::warn!(
        trace_id = %received.trace_id, connection = %link.name, inbox_id = %received.id, %reason,
        "a delivery is quarantined: it stays in `inbox` as it came; see `documents list --quarantined`"
    );
    link.store.finish_delivery(received.id, InboxState::Quarantined, Some(reason), order_id_of(received)).await?;
    Ok(Ended::Quarantined)
}

pub(super) async fn postpone(
    link: &Connection,
    received: &Received,
    blame: Blame,
    pause: Duration,
    reason: &str,
) -> Result<Ended, StoreError> {
    let due_at = link.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX);
    link.store.postpone_delivery((received.id, order_id_of(received)), due_at, blame, reason.to_owned()).await?;
    Ok(Ended::Postponed)
}
