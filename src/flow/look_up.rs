//! What became of an order: look it up by the key that travels inside it. Also the wait before a second create, since a
//! statement that we stopped waiting for can still commit.

use std::time::Duration;

use super::converge::announced;
use super::settling::{Outcome, later, lost_too_often, settle};
use super::wish::Wish;
use super::{Connection, OWN_FAILURES_MAX, read_back};
use crate::domain::document::{ParkKind, State};
use crate::failpoint;
use crate::ifs::error::IfsError;
use crate::ifs::wire::{Objstate, Row, names};
use crate::mapping::create::look_up_part;
use crate::mapping::desired::DesiredOrder;
use crate::mapping::written;
use crate::planted;
use crate::store::{Claimed, Intent, Link, Settled, StoreError, Watch};
use crate::telemetry::metric;

/// The first look at what became of a write waits no longer than this: most of them were made.
const FIRST_PAUSE_MAX: Duration = Duration::from_secs(10);

/// What a look-up by key found.
#[derive(Debug)]
pub enum Found {
    /// No record carries the key.
    Nothing,
    /// One record carries it and fits.
    Fitting {
        /// IFS's `OrderNo`.
        order_no: String,
    },
    /// One carries it, but it is not what we would have made.
    Foreign {
        /// IFS's `OrderNo`.
        order_no: String,
        /// What does not fit.
        why: String,
    },
    /// Several carry it.
    Several(Vec<String>),
}

/// Looks an order up by its key at its own site and at each other one of the connection: under other rules it may have been made
/// there. Site and customer are compared afterwards, not filtered by: a person may have changed the customer.
///
/// # Errors
/// The remote's.
pub async fn find(link: &Connection, order: &DesiredOrder) -> Result<Found, IfsError> {
    let own = order.contract.as_str();
    let mut rows = rows_with_key(link, &order.key, own).await?;
    for site in link.rules.sites().into_iter().filter(|site| *site != own) {
        rows.extend(rows_with_key(link, &order.key, site).await?);
    }
    Ok(judge(rows, Some(order)))
}

/// Looks an order up by its key alone, at each site of the connection, for one that shall be cancelled, or is only noted:
/// whatever fits the key is the order.
///
/// # Errors
/// The remote's.
pub async fn find_key(link: &Connection, key: &str) -> Result<Found, IfsError> {
    let mut rows = Vec::new();
    for site in link.rules.sites() {
        rows.extend(rows_with_key(link, key, site).await?);
    }
    Ok(judge(rows, None))
}

async fn rows_with_key(link: &Connection, key: &str, site: &str) -> Result<Vec<Row>, IfsError> {
    let part = look_up_part(&link.rules.settings().order_key_field, key, site);
    let rows = link.tenant.ifs.query(&part.url).await?.rows()?;
    failpoint::hit(failpoint::LOOKED_UP);
    Ok(rows)
}

fn judge(mut rows: Vec<Row>, order: Option<&DesiredOrder>) -> Found {
    let number = |row: &Row| row.text(names::ORDER_NO).unwrap_or_default().to_owned();
    let is_cancelled = |row: &Row| row.text(names::OBJSTATE).is_some_and(|state| Objstate::parse(state).is_cancelled());
    // What a person cancelled beside a live one does not count; alone it does, so that it is seen.
    if !rows.iter().all(is_cancelled) {
        rows.retain(|row| !is_cancelled(row));
    }
    match rows.as_slice() {
        [] => Found::Nothing,
        [row] => {
            let order_no = number(row);
            let gaps = order.map(|order| written::fits(order, row)).unwrap_or_default();
            if gaps.is_empty() {
                Found::Fitting { order_no }
            } else {
                let why: Vec<String> = gaps.iter().map(ToString::to_string).collect();
                Found::Foreign { order_no, why: why.join("; ") }
            }
        }
        several => Found::Several(several.iter().map(number).collect()),
    }
}

/// Resolves a create whose answer never came.
///
/// 1. Note the time watched so far, then look up.
/// 2. One that fits is adopted; several, or one that does not fit, are a person's once nothing more can come.
/// 3. Nothing found: only after not-before does the intent close, and a cancelled order ends there.
///
/// # Errors
/// The store's.
pub async fn resolve(
    link: &Connection,
    claimed: &Claimed,
    intent: &Intent,
    wish: Option<&Wish>,
) -> Result<State, StoreError> {
    // 1.
    let watched = watch(link, claimed, intent).await?;
    // What is to be cancelled, or cannot be compared, is found by its key alone.
    let order = announced(&intent.content).filter(|_| !cancels(wish));
    let found = match &order {
        Some(order) => find(link, order).await,
        None => find_key(link, &claimed.business_key).await,
    };
    let needed = if planted::is(planted::NO_NOT_BEFORE) { Duration::ZERO } else { intent.needed };
    let left = needed.saturating_sub(watched);
    let (found, detail) = match found {
        Ok(found @ Found::Fitting { .. }) => (found, None),
        Ok(found) if left.is_zero() => (found, None),
        Ok(found) => (found, Some("not there yet".to_owned())),
        Err(error) => (Found::Nothing, Some(error.to_string())),
    };
    // Something of this create may still come: look again before anything is decided.
    if let Some(detail) = detail {
        let detail = found.trouble().map_or(detail, |(_, text)| text);
        let pause = pause(link, intent, if left.is_zero() { Duration::MAX } else { left });
        let unknown = Settled::Unknown { due_at: later(link, pause), own_fault: false };
        return settle(link, claimed, Outcome::new("look_up", intent.desired_version, unknown).detail(detail)).await;
    }
    match (found, order) {
        // 2.
        (Found::Nothing, _) => never_committed(link, claimed, intent, wish).await,
        (found, Some(order)) => settle_found(link, claimed, Some(intent), &order, found).await,
        (found, None) => link_found(link, claimed, Some(intent), found).await,
    }
}

/// Adds the time since the last look to the intent's row; it counts up to the beginning of this look-up, never beyond it.
///
/// # Errors
/// The store's.
pub(super) async fn watch(link: &Connection, claimed: &Claimed, intent: &Intent) -> Result<Duration, StoreError> {
    let watched = link.watches.look(intent.id, link.clock.monotonic());
    link.store.watch_intent(&link.tenant.lease, claimed, intent.id, Watch { watched }).await?;
    Ok(intent.watched + watched)
}

/// 3. Nothing came, and nothing can come any more.
async fn never_committed(
    link: &Connection,
    claimed: &Claimed,
    intent: &Intent,
    wish: Option<&Wish>,
) -> Result<State, StoreError> {
    count("never_committed");
    let outcome = if cancels(wish) {
        Outcome::new("look_up", claimed.desired_version, Settled::Superseded)
    } else if claimed.failures() >= OWN_FAILURES_MAX {
        lost_too_often("look_up", claimed)
    } else {
        let again = Settled::Again { own_fault: false, due_at: link.clock.now(), reason: None };
        Outcome::new("look_up", claimed.desired_version, again)
    };
    let outcome = outcome.closing(Some(intent.id), "never_committed").detail("not there, and its time is over");
    settle(link, claimed, outcome).await
}

/// Whether no live order is wanted in IFS.
fn cancels(wish: Option<&Wish>) -> bool {
    wish.is_some_and(Wish::cancels)
}

/// Adopts what was found, or leaves it to a person.
///
/// # Errors
/// The store's.
pub async fn settle_found(
    link: &Connection,
    claimed: &Claimed,
    intent: Option<&Intent>,
    sent: &DesiredOrder,
    found: Found,
) -> Result<State, StoreError> {
    match found {
        Found::Fitting { order_no } => {
            count("adopted");
            read_back::adopt(link, claimed, intent, sent, &order_no).await
        }
        other => link_found(link, claimed, intent, other).await,
    }
}

/// Links what was found without comparing it, or leaves it to a person; the next step goes on from there.
///
/// # Errors
/// The store's.
pub async fn link_found(
    link: &Connection,
    claimed: &Claimed,
    intent: Option<&Intent>,
    found: Found,
) -> Result<State, StoreError> {
    let open = intent.map(|intent| intent.id);
    let outcome = match (found.trouble(), found) {
        (Some((code, text)), _) => {
            count(code);
            let parked = Outcome::park("look_up", claimed, ParkKind::Ambiguity, code, text);
            parked.closing(open, "left_to_a_person")
        }
        (None, Found::Fitting { order_no }) => {
            let again = Settled::Again { own_fault: false, due_at: link.clock.now(), reason: None };
            let outcome = Outcome::new("look_up", claimed.desired_version, again).closing(open, "found");
            outcome.detail(format!("found as {order_no}")).linking(Link {
                order_no,
                origin: "adopted",
                reason: String::new(),
            })
        }
        (None, _) => {
            let again = Settled::Again { own_fault: false, due_at: link.clock.now(), reason: None };
            Outcome::new("look_up", claimed.desired_version, again).closing(open, "never_committed")
        }
    };
    settle(link, claimed, outcome).await
}

impl Found {
    /// What only a person can decide: a stable word and a sentence.
    fn trouble(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Nothing | Self::Fitting { .. } => None,
            Self::Foreign { order_no, why } => Some((
                "foreign_record_with_our_key",
                format!(
                    "IFS order {order_no} carries our key but does not fit: {why}; decide which one stands, then run \
                     `documents resolve`"
                ),
            )),
            Self::Several(order_nos) => Some((
                "several_records_with_our_key",
                format!(
                    "IFS orders {} carry our key: cancel all but one, then run `documents retry`",
                    order_nos.join(", ")
                ),
            )),
        }
    }
}

/// The pause before the first look at what became of a write.
pub(super) fn first_pause(link: &Connection) -> Duration {
    link.tenant.limits.look_up_first.min(FIRST_PAUSE_MAX)
}

/// The pause before the next look-up: doubling up to a limit, and never much beyond the end of the wait.
pub(super) fn pause(link: &Connection, intent: &Intent, left: Duration) -> Duration {
    let limits = &link.tenant.limits;
    let doubled =
        u32::try_from(intent.look_ups).map_or(u32::MAX, |tries| 2_u32.saturating_pow(tries.saturating_add(1)));
    limits.look_up_first.saturating_mul(doubled).min(limits.look_up_max).min(left).max(Duration::from_millis(50))
}

pub(super) fn count(outcome: &'static str) {
    metrics::counter!(metric::UNKNOWN_INTENTS_TOTAL, "remote" => "ifs", "outcome" => outcome).increment(1);
}
