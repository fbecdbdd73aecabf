//! An order that was cancelled in Shopify must not be live in IFS. While IFS says Planned or Released we cancel it there;
//! in any other state a person does.

use std::time::Duration;

use super::Connection;
use super::look_up::{self, Found};
use super::read_back::vanished;
use super::settling::{Outcome, failed, failed_itself, later, refusal_text, settle};
use super::wish::Wish;
use crate::domain::document::{ParkKind, State};
use crate::domain::ids::IntentId;
use crate::domain::verdict::Verdict;
use crate::ifs::error::IfsError;
use crate::ifs::wire::{Objstate, key, names};
use crate::mapping::create::cancel_part;
use crate::store::{Claimed, IntentKind, NewIntent, Settled, StoreError};

/// Rounds of read and cancel within one step when IFS answers 412 each time.
const ROUNDS_MAX: usize = 5;
/// The bytes leave within this time of the intent's commit.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// Cancels a linked order in IFS.
///
/// # Errors
/// The store's.
pub async fn cancel(
    link: &Connection,
    claimed: &Claimed,
    order_no: &str,
    cancel_reason: &str,
) -> Result<State, StoreError> {
    // A lost cancellation or change is read again: its intent closes with this step.
    let mut open = claimed.intent.as_ref().map(|intent| intent.id);
    for _ in 0..ROUNDS_MAX {
        if let Some(outcome) = round(link, claimed, order_no, cancel_reason, &mut open).await? {
            let outcome = if outcome.keeps_intent() { outcome } else { outcome.closing(open, "settled") };
            return settle(link, claimed, outcome).await;
        }
    }
    let text = format!("IFS order {order_no} was changed by somebody else in each of {ROUNDS_MAX} rounds");
    let outcome = failed_itself(link, claimed, "cancel", None, &text);
    settle(link, claimed, outcome.closing(open, "overtaken")).await
}

/// One round: read by key, cancel under that ETag. `None`: the ETag was stale.
async fn round(
    link: &Connection,
    claimed: &Claimed,
    order_no: &str,
    cancel_reason: &str,
    open: &mut Option<IntentId>,
) -> Result<Option<Outcome>, StoreError> {
    let header = match link.tenant.ifs.query(&key::order(order_no)).await.and_then(|answer| answer.row()) {
        Ok(header) => header,
        Err(IfsError::NotFound { .. }) => return Ok(Some(vanished(claimed, order_no))),
        Err(error) => return Ok(Some(failed(link, claimed, "cancel", &error))),
    };
    let state = Objstate::parse(header.text(names::OBJSTATE).unwrap_or_default());
    if state.is_cancelled() {
        return Ok(Some(Outcome::new("cancel", claimed.desired_version, Settled::Written)));
    }
    let Some(etag) = header.etag.as_deref().filter(|_| state.lets_us_cancel()) else {
        let text = format!(
            "Shopify cancelled the order, but IFS order {order_no} is {}: cancel or credit it in IFS, then run `documents resolve`",
            state.as_str()
        );
        return Ok(Some(Outcome::park("cancel", claimed, ParkKind::Conflict, "state_forbids_cancel", text)));
    };
    send(link, claimed, order_no, etag, cancel_reason, open).await
}

async fn send(
    link: &Connection,
    claimed: &Claimed,
    order_no: &str,
    etag: &str,
    cancel_reason: &str,
    open: &mut Option<IntentId>,
) -> Result<Option<Outcome>, StoreError> {
    let ready = match link.tenant.ifs.ready().await {
        Ok(ready) => ready,
        Err(error) => return Ok(Some(failed(link, claimed, "cancel", &error))),
    };
    if let Some(earlier) = open.take() {
        link.store.close_unsent_intent(&link.tenant.lease, claimed, earlier, link.clock.now()).await?;
    }
    let new = NewIntent {
        kind: IntentKind::Cancel,
        content: Wish::Cancel { cancel_reason: cancel_reason.to_owned() }.to_text(),
        desired_version: claimed.desired_version,
        parts: 1,
        send_by: later(link, SEND_WITHIN),
        needed: Duration::ZERO,
    };
    *open = Some(link.store.open_intent(&link.tenant.lease, claimed, new, link.clock.now()).await?);
    let part = cancel_part(order_no, etag, &link.tenant.limits.cancel_action, cancel_reason);
    // A cancellation that IFS confirms is believed when it is read: the next round sees it.
    let error = match link.tenant.ifs.write(ready, &part).await {
        Ok(_) => return Ok(None),
        Err(error) => error,
    };
    Ok(match error.verdict() {
        _ if matches!(error, IfsError::Changed { .. }) => None,
        Verdict::Ambiguous | Verdict::Done => {
            let due_at = later(link, link.tenant.limits.look_up_first);
            let unknown = Outcome::new("cancel", claimed.desired_version, Settled::Unknown { due_at });
            Some(unknown.detail(error.to_string()))
        }
        Verdict::Reject => {
            let text = refusal_text(&error.to_string());
            Some(Outcome::park("cancel", claimed, ParkKind::Conflict, "cancel_refused_by_ifs", text))
        }
        Verdict::Retry { .. } | Verdict::NotSent => Some(failed(link, claimed, "cancel", &error)),
    })
}

/// A cancelled order that we never wrote: look whether it stands in IFS all the same.
///
/// # Errors
/// The store's.
pub async fn cancel_unlinked(link: &Connection, claimed: &Claimed) -> Result<State, StoreError> {
    if !claimed.look_up_first {
        return settle(link, claimed, superseded(claimed)).await;
    }
    match look_up::find_key(link, &claimed.business_key).await {
        Ok(Found::Nothing) => settle(link, claimed, superseded(claimed)).await,
        Ok(found) => look_up::link_found(link, claimed, None, found).await,
        Err(error) => settle(link, claimed, failed(link, claimed, "look_up", &error)).await,
    }
}

fn superseded(claimed: &Claimed) -> Outcome {
    Outcome::new("plan", claimed.desired_version, Settled::Superseded).detail("cancelled before it was written")
}
