//! A new customer order in IFS, exactly once: announce, send once, believe only answers that close the question.

use std::time::Duration;

use super::look_up::{self, Found};
use super::settling::{Outcome, failed, later, lost_answer, refusal_text, settle};
use super::wish::Wish;
use super::{Connection, read_back};
use crate::domain::document::{ParkKind, State};
use crate::domain::ids::IntentId;
use crate::domain::verdict::Verdict;
use crate::failpoint;
use crate::ifs::batch::BatchError;
use crate::ifs::error::{IfsError, Undecodable};
use crate::ifs::wire::{PartRequest, names};
use crate::ifs::{Answer, Ready};
use crate::mapping::create::{create_parts, header_only};
use crate::mapping::desired::DesiredOrder;
use crate::mapping::rules::CreateMode;
use crate::planted;
use crate::store::{Claimed, IntentKind, NewIntent, Settled, StoreError};

/// The bytes leave within this time of the intent's commit, or a new intent is committed.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Intents committed in a row without one being sent in time.
const INTENTS_MAX: usize = 3;
/// How often a create goes again in one step after an answer that closed the call without deciding it (401).
const SENDS_MAX: usize = 2;

/// Creates the order, unless a look-up that must come first finds it.
///
/// # Errors
/// The store's.
pub async fn create(link: &Connection, claimed: &Claimed, order: &DesiredOrder) -> Result<State, StoreError> {
    let most = link.tenant.limits.batch_parts_max;
    // What does not fit one change set, or shall not go in one, begins with its header; the rows follow one by one.
    let rows_follow = link.rules.settings().create == CreateMode::Sequential || order.create_parts() > most;
    let header = rows_follow.then(|| header_only(order));
    let sent = header.as_ref().unwrap_or(order);
    let parts = create_parts(sent);
    // An order that we did not see being born may stand in IFS already.
    if claimed.look_up_first {
        match look_up::find(link, order).await {
            Ok(Found::Nothing) => {}
            Ok(found) => return look_up::settle_found(link, claimed, None, order, found).await,
            Err(error) => return settle(link, claimed, failed(link, claimed, "look_up", &error)).await,
        }
    }
    for _ in 0..SENDS_MAX {
        if let Some(state) = announce_and_send(link, claimed, sent, &parts).await? {
            return Ok(state);
        }
    }
    // A fresh token was refused too: the tenant's trouble, not this order's.
    settle(link, claimed, failed(link, claimed, "create", &IfsError::Unauthorized)).await
}

/// Announces and sends once; `None` when the answer closed the call and asks for the same one again at once.
///
/// 1. Permit, slot and token first, so that nothing waits after the intent.
/// 2. Commit the intent.
/// 3. Send within its time, once.
/// 4. Settle with what the answer closes; everything else stays unknown.
async fn announce_and_send(
    link: &Connection,
    claimed: &Claimed,
    order: &DesiredOrder,
    parts: &[PartRequest],
) -> Result<Option<State>, StoreError> {
    // 1.
    let ready = match link.tenant.ifs.ready().await {
        Ok(ready) => ready,
        Err(error) => return settle(link, claimed, failed(link, claimed, "create", &error)).await.map(Some),
    };
    // 2.
    let Some(intent) = announce(link, claimed, order, parts.len()).await? else {
        let again = Settled::Again { own_fault: false, due_at: later(link, Duration::from_secs(1)), reason: None };
        let outcome =
            Outcome::new("create", claimed.desired_version, again).detail("the database was too slow to send in time");
        return settle(link, claimed, outcome).await.map(Some);
    };
    failpoint::hit(failpoint::INTENT_COMMITTED);
    // 3. and 4.
    send(link, claimed, order, parts, ready, intent).await
}

async fn announce(
    link: &Connection,
    claimed: &Claimed,
    order: &DesiredOrder,
    parts: usize,
) -> Result<Option<IntentId>, StoreError> {
    let content = Wish::Write { order: Box::new(order.clone()) }.to_text();
    for _ in 0..INTENTS_MAX {
        let begun = link.clock.monotonic();
        let new = NewIntent {
            kind: IntentKind::Create,
            content: content.clone(),
            desired_version: claimed.desired_version,
            parts: u32::try_from(parts).unwrap_or(u32::MAX),
            send_by: later(link, SEND_WITHIN),
            needed: link.tenant.limits.not_before(parts),
        };
        let intent = link.store.open_intent(&link.tenant.lease, claimed, new, link.clock.now()).await?;
        if link.clock.monotonic() - begun < SEND_WITHIN {
            return Ok(Some(intent));
        }
        link.store.close_unsent_intent(&link.tenant.lease, claimed, intent, link.clock.now()).await?;
    }
    Ok(None)
}

async fn send(
    link: &Connection,
    claimed: &Claimed,
    order: &DesiredOrder,
    parts: &[PartRequest],
    ready: Ready,
    intent: IntentId,
) -> Result<Option<State>, StoreError> {
    let error = match link.tenant.ifs.send_create(ready, parts).await {
        Ok(answers) => match order_no_of(&answers) {
            Ok(order_no) => {
                failpoint::hit(failpoint::CREATED_RECEIVED);
                return read_back::after_create(link, claimed, intent, order, &order_no).await.map(Some);
            }
            Err(error) => error,
        },
        Err(error) => error,
    };
    let text = error.to_string();
    let outcome = match error.verdict() {
        Verdict::Ambiguous if planted::is(planted::NO_LOOK_UP) => {
            failed(link, claimed, "create", &error).closing(Some(intent), "never_sent")
        }
        Verdict::Ambiguous | Verdict::Done => {
            link.watches.begin(intent, link.clock.monotonic());
            lost_answer(link, claimed, "create", &error)
        }
        Verdict::NotSent => failed(link, claimed, "create", &error).closing(Some(intent), "never_sent"),
        Verdict::Retry { .. } if matches!(error, IfsError::Unauthorized) => {
            link.store.close_unsent_intent(&link.tenant.lease, claimed, intent, link.clock.now()).await?;
            return Ok(None);
        }
        Verdict::Retry { .. } => failed(link, claimed, "create", &error).closing(Some(intent), "turned_away"),
        Verdict::Reject => {
            let parked = Outcome::park("create", claimed, ParkKind::Refusal, "refused_by_ifs", refusal_text(&text));
            parked.closing(Some(intent), "refused")
        }
    };
    settle(link, claimed, outcome).await.map(Some)
}

/// IFS's number of the order that was made: it stands in the answer to the header.
fn order_no_of(answers: &[Answer]) -> Result<String, IfsError> {
    // Made, but we can't say which, when it is missing: undecodable, so that the look-up finds it.
    let missing = || IfsError::from(Undecodable::from(BatchError::Misfit));
    let header = answers.first().ok_or_else(missing)?.row()?;
    let order_no = header.text(names::ORDER_NO).filter(|order_no| !order_no.is_empty());
    order_no.map(str::to_owned).ok_or_else(missing)
}
