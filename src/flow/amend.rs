//! A change of an order that IFS holds: read with ETags, merge three ways, write only what Shopify changed, prove it.
//! Nothing is written when nothing differs, and no person's change is lost.

use std::time::Duration;

use super::Connection;
use super::converge::announced;
use super::read_back::{base_text, gated, read_order, vanished};
use super::settling::{Outcome, failed, failed_itself, later, refusal_text, settle};
use super::wish::{Wish, park_reason};
use crate::domain::document::{ParkKind, State};
use crate::domain::ids::IntentId;
use crate::domain::verdict::Verdict as CallVerdict;
use crate::ifs::error::IfsError;
use crate::mapping::desired::DesiredOrder;
use crate::mapping::merge::{MergePlan, Verdict, patch_parts, plan};
use crate::mapping::read::ReadOrder;
use crate::mapping::written::WrittenOrder;
use crate::store::{Claimed, IntentKind, NewIntent, Settled, StoreError};

/// Rounds of read, plan, write within one step when IFS answers 412 each time.
const ROUNDS_MAX: usize = 5;
/// The bytes leave within this time of the intent's commit.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// How one round ended.
enum Round {
    /// The step is over.
    Over(Box<Outcome>),
    /// Somebody changed the record meanwhile: read again.
    Again,
}

fn over(outcome: Outcome) -> Round {
    Round::Over(Box::new(outcome))
}

/// Moves a written order towards what is desired now.
///
/// # Errors
/// The store's.
pub async fn amend(
    link: &Connection,
    claimed: &Claimed,
    order_no: &str,
    order: &DesiredOrder,
) -> Result<State, StoreError> {
    let base = claimed.written.as_deref().and_then(|text| serde_json::from_str::<WrittenOrder>(text).ok());
    let Some(mut base) = base else {
        let text = "what was written does not decode: run the version that wrote it".to_owned();
        let open = claimed.intent.as_ref().map(|intent| intent.id);
        let parked = Outcome::park("amend", claimed, ParkKind::Mapping, "unreadable_base", text);
        return settle(link, claimed, parked.closing(open, "settled")).await;
    };
    // A change whose answer was lost is not in doubt for long: it is read again, and closed with this step.
    let mut open = claimed.intent.as_ref().map(|intent| intent.id);
    let sent = claimed.intent.as_ref().and_then(|intent| announced(&intent.content));
    for _ in 0..ROUNDS_MAX {
        match round(link, claimed, order_no, order, &mut base, sent.as_ref(), &mut open).await? {
            Round::Over(outcome) => {
                let outcome = *outcome;
                let outcome = if outcome.keeps_intent() { outcome } else { outcome.closing(open, "settled") };
                return settle(link, claimed, outcome).await;
            }
            Round::Again => {}
        }
    }
    let text = format!("IFS order {order_no} was changed by somebody else in each of {ROUNDS_MAX} rounds");
    let outcome = failed_itself(link, claimed, "amend", None, &text);
    settle(link, claimed, outcome.closing(open, "overtaken")).await
}

/// One round.
///
/// 1. Read, and count what a lost change of ours did write as ours.
/// 2. Plan; records to be patched are read by their keys for their ETags.
/// 3. Announce and write in one change set.
/// 4. Read back, gate, keep the new base.
async fn round(
    link: &Connection,
    claimed: &Claimed,
    order_no: &str,
    order: &DesiredOrder,
    base: &mut WrittenOrder,
    sent: Option<&DesiredOrder>,
    open: &mut Option<IntentId>,
) -> Result<Round, StoreError> {
    // 1.
    let mut current = match read_order(link, order_no, order).await {
        Ok(current) => current,
        Err(error) => return Ok(over(read_failed(link, claimed, order_no, &error))),
    };
    if let Some(sent) = sent {
        *base = absorb_sent(link, base, sent, &current);
    }
    // 2.
    let planned = match plan_with_etags(link, base, order, &mut current).await {
        Ok(planned) => planned,
        Err(error) => return Ok(over(read_failed(link, claimed, order_no, &error))),
    };
    match planned.verdict() {
        Verdict::Nothing => {
            let after = base.after(&planned, order, &current);
            return Ok(over(gated(link, claimed.desired_version, "amend", order, &current, &after)));
        }
        Verdict::Park(park) => {
            let parked = Settled::Parked(park_reason(park.kind.as_str(), park.code, &park.text));
            let outcome = Outcome::new("amend", claimed.desired_version, parked);
            return Ok(over(outcome.with_base(base_text(base)).detail(told(&planned))));
        }
        Verdict::Patch => {}
    }
    // 3.
    if let Some(earlier) = open.take() {
        link.store.close_unsent_intent(&link.tenant.lease, claimed, earlier, link.clock.now()).await?;
    }
    let Some(outcome) = write(link, claimed, order, &planned, open).await? else { return Ok(Round::Again) };
    if let Some(failure) = outcome {
        return Ok(over(failure.with_base(base_text(base))));
    }
    // 4.
    match read_order(link, order_no, order).await {
        Ok(read) => {
            let after = base.after(&planned, order, &read);
            let outcome = gated(link, claimed.desired_version, "amend", order, &read, &after);
            Ok(over(outcome.detail(told(&planned))))
        }
        // Written, but not proved: as unknown as a lost answer, and read again.
        Err(error) => Ok(over(lost(link, claimed, &error))),
    }
}

/// Announces and sends the change set. `None`: stale ETags, go round again. `Some(None)`: written.
async fn write(
    link: &Connection,
    claimed: &Claimed,
    order: &DesiredOrder,
    planned: &MergePlan,
    open: &mut Option<IntentId>,
) -> Result<Option<Option<Outcome>>, StoreError> {
    let parts = match patch_parts(planned) {
        Ok(parts) => parts,
        Err(error) => {
            let outcome = failed_itself(link, claimed, "amend", None, &error.to_string());
            return Ok(Some(Some(outcome)));
        }
    };
    let ready = match link.tenant.ifs.ready().await {
        Ok(ready) => ready,
        Err(error) => return Ok(Some(Some(failed(link, claimed, "amend", &error)))),
    };
    let new = NewIntent {
        kind: IntentKind::Amend,
        content: Wish::Write { order: Box::new(order.clone()) }.to_text(),
        desired_version: claimed.desired_version,
        parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
        send_by: later(link, SEND_WITHIN),
        needed: Duration::ZERO,
    };
    *open = Some(link.store.open_intent(&link.tenant.lease, claimed, new, link.clock.now()).await?);
    let error = match link.tenant.ifs.batch_write(ready, &parts).await {
        Ok(_) => return Ok(Some(None)),
        Err(error) => error,
    };
    Ok(match error.verdict() {
        _ if matches!(error, IfsError::Changed { .. }) => None,
        CallVerdict::Ambiguous | CallVerdict::Done => Some(Some(lost(link, claimed, &error))),
        CallVerdict::Reject => {
            let text = refusal_text(&error.to_string());
            Some(Some(Outcome::park("amend", claimed, ParkKind::Refusal, "refused_by_ifs", text)))
        }
        CallVerdict::Retry { .. } | CallVerdict::NotSent => Some(Some(failed(link, claimed, "amend", &error))),
    })
}

/// The plan, with the ETags of by-key reads in every record that it patches.
async fn plan_with_etags(
    link: &Connection,
    base: &WrittenOrder,
    order: &DesiredOrder,
    current: &mut ReadOrder,
) -> Result<MergePlan, IfsError> {
    let policy = link.rules.conflict_policy();
    let first = plan(base, None, order, current, policy);
    let (targets, parts): (Vec<_>, Vec<_>) = first.key_reads().into_iter().unzip();
    if parts.is_empty() || first.verdict() != Verdict::Patch {
        return Ok(first);
    }
    let answers = link.tenant.ifs.batch_read(&parts).await?;
    for (target, answer) in targets.iter().zip(answers) {
        current.absorb(target, answer?.row()?);
    }
    Ok(plan(base, None, order, current, policy))
}

/// A field that now holds what a lost change of ours sent is ours, not a person's.
fn absorb_sent(link: &Connection, base: &WrittenOrder, sent: &DesiredOrder, current: &ReadOrder) -> WrittenOrder {
    let mut ours = plan(base, None, sent, current, link.rules.conflict_policy());
    ours.patches.clear();
    ours.yielded.clear();
    base.after(&ours, sent, current)
}

fn read_failed(link: &Connection, claimed: &Claimed, order_no: &str, error: &IfsError) -> Outcome {
    match error {
        IfsError::NotFound { .. } => vanished(claimed, order_no),
        other => failed(link, claimed, "amend", other),
    }
}

fn lost(link: &Connection, claimed: &Claimed, error: &IfsError) -> Outcome {
    let due_at = later(link, link.tenant.limits.look_up_first.min(Duration::from_secs(10)));
    Outcome::new("amend", claimed.desired_version, Settled::Unknown { due_at }).detail(error.to_string())
}

/// What a plan changes, by field names: no values, since they may be a person's.
fn told(planned: &MergePlan) -> String {
    let fields = planned.patches.iter().flat_map(|patch| patch.fields.keys().chain(&patch.cleared));
    let mut told: Vec<&str> = fields.map(String::as_str).collect();
    told.extend(planned.conflicts.iter().map(|conflict| conflict.field.as_str()));
    told.extend(planned.structural.iter().map(String::as_str));
    told.join(", ")
}
