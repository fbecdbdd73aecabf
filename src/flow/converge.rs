//! One claimed document towards what is desired: which step it needs now. An open intent is resolved before anything
//! else, so that no create follows a lost one.

use super::customer_order::{Filled, filled};
use super::rejudge::rejudge;
use super::settling::{Outcome, settle};
use super::wish::{Wish, park_reason, skip_text};
use super::{Connection, amend, cancel, create, customer, hold, look_up, lost, note, parts, read_back, rows};
use crate::domain::document::{DocumentKind, ParkKind, State, Wanted};
use crate::failpoint;
use crate::mapping::desired::DesiredOrder;
use crate::mapping::late;
use crate::store::{Claimed, IntentKind, Reason, Settled, StoreError};

/// Takes the next step of a claimed document and settles it.
///
/// 1. A create whose answer was lost is looked up; nothing else may happen before.
/// 2. A change whose answer was lost is read, before a wish that would not read the order.
/// 3. Else the wish and the link decide.
///
/// # Errors
/// The store's; the claim ends with this process's lease then.
pub async fn converge(link: &Connection, claimed: &Claimed) -> Result<State, StoreError> {
    failpoint::hit(failpoint::CLAIMED);
    match claimed.kind {
        DocumentKind::CustomerOrder => {}
        DocumentKind::Customer => return customer::converge(link, claimed).await,
        DocumentKind::WriteBack => return Err(StoreError::Corrupt { table: "documents", column: "kind" }),
    }
    // 1. The open intent of a create, of an order or of a row.
    let wish = Wish::parse(&claimed.desired);
    if let Some(intent) = &claimed.intent
        && intent.kind == IntentKind::Create
    {
        return look_up::resolve(link, claimed, intent, wish.as_ref().ok()).await;
    }
    if let Some(intent) = &claimed.intent
        && intent.kind == IntentKind::Row
    {
        return rows::resolve(link, claimed, intent).await;
    }
    // 2. The open intent of a change. What writes or cancels reads the order itself first.
    let lost = claimed.intent.is_some().then_some(claimed.order_no.as_deref()).flatten();
    let wish = match (wish, lost) {
        (Ok(wish), _) => wish,
        (Err(_), Some(order_no)) => return lost::resolve(link, claimed, order_no).await,
        (Err(error), None) => {
            let text = format!("{error}; run the version that wrote it, or have the order mapped anew");
            let parked = Outcome::park("plan", claimed, ParkKind::Mapping, "unreadable_content", text);
            return settle(link, claimed, parked).await;
        }
    };
    // An order of a customer of its own is whole only with that customer's number.
    let wish = match wish {
        Wish::Write { order } => match (filled(link, claimed, order).await?, lost) {
            (Filled::Ready(order), _) => Wish::Write { order },
            (Filled::Wait(_), Some(order_no)) => return lost::resolve(link, claimed, order_no).await,
            (Filled::Wait(outcome), None) => return settle(link, claimed, *outcome).await,
        },
        other => other,
    };
    if let (Some(order_no), Wish::Skip { .. } | Wish::Hold { .. } | Wish::Park { cancel_reason: None, .. }) =
        (lost, &wish)
    {
        return lost::resolve(link, claimed, order_no).await;
    }
    // What is linked and was not read back yet has no base to tell the fate by.
    if let (Some(order_no), Wish::Write { .. }, None) = (lost, &wish, &claimed.written) {
        return lost::resolve(link, claimed, order_no).await;
    }
    // 3. The wish and the link.
    let second = parts::of_deleted(link, claimed, &wish).await?;
    match (&claimed.order_no, wish) {
        (Some(order_no), Wish::Write { order }) if claimed.written.is_none() => {
            read_back::adopt(link, claimed, None, &order, order_no).await
        }
        (Some(order_no), Wish::Write { order }) => amend::amend(link, claimed, order_no, &order).await,
        (Some(order_no), Wish::Cancel { .. }) if claimed.noted => {
            let text = format!(
                "Shopify cancelled the order, but IFS order {order_no} was only found by its key and is not ours to cancel: cancel it \
                 in IFS if it is the same one, then run `documents resolve`"
            );
            let code = "foreign_record_with_our_key";
            settle(link, claimed, Outcome::park("plan", claimed, ParkKind::Ambiguity, code, text)).await
        }
        (Some(order_no), Wish::Cancel { cancel_reason }) => {
            cancel::cancel(link, claimed, order_no, &cancel_reason).await
        }
        (Some(order_no), Wish::Park { cancel_reason: Some(cancel_reason), .. }) if !claimed.noted => {
            cancel::cancel(link, claimed, order_no, &cancel_reason).await
        }
        (Some(_), Wish::Skip { rule, .. }) if !claimed.noted => {
            let text =
                format!("{}, but it stands in IFS already: cancel it there or change the rule", skip_text(&rule));
            let parked = Outcome::park("plan", claimed, ParkKind::Mapping, &rule, text);
            settle(link, claimed, parked).await
        }
        (None, Wish::Write { order }) => match held_back(link, claimed).await? {
            HeldBack::Stop(stop) => settle(link, claimed, *stop).await,
            HeldBack::Waits => hold::look(link, claimed).await,
            HeldBack::Noted(rule) => note::note(link, claimed, &rule).await,
            HeldBack::No => create::create(link, claimed, &order).await,
        },
        (_, Wish::Hold { .. }) => hold::look(link, claimed).await,
        (None, Wish::Cancel { .. }) => cancel::cancel_unlinked(link, claimed).await,
        (None, Wish::Skip { rule, look_up: true }) => note::note(link, claimed, &rule).await,
        (_, Wish::Skip { rule, .. }) => {
            let reason = Reason { kind: None, text: skip_text(&rule), code: rule };
            let skipped = Outcome::new("plan", claimed.desired_version, Settled::Skipped(reason));
            settle(link, claimed, skipped).await
        }
        (_, Wish::Park { kind, code, text, .. }) => {
            let parked = Settled::Parked(park_reason(&kind, &code, &text));
            let parked = Outcome::new("plan", claimed.desired_version, parked);
            settle(link, claimed, second.into_iter().fold(parked, Outcome::followed_by)).await
        }
    }
}

/// What today's rules say against creating an order that was planned under other ones, as after `mode = "observe"`, or
/// under another `orders_from`.
enum HeldBack {
    /// Nothing.
    No,
    /// It has to wait.
    Waits,
    /// This rule keeps it out, and it is looked up all the same.
    Noted(String),
    /// It is not to be written.
    Stop(Box<Outcome>),
}

async fn held_back(link: &Connection, claimed: &Claimed) -> Result<HeldBack, StoreError> {
    // Of a second order the first one stands in IFS: it follows as a change would.
    if claimed.rules_revision == link.rules.revision() || late::is_second(&claimed.business_key) {
        return Ok(HeldBack::No);
    }
    let wish = rejudge(&link.store, &link.rules, &link.name, claimed.order_id, link.clock.now()).await?;
    let Some(wish) = wish else { return Ok(HeldBack::No) };
    let settled = match (wish.wanted, wish.reason) {
        (Wanted::Note, Some(reason)) => return Ok(HeldBack::Noted(reason.code)),
        (Wanted::Skip, Some(reason)) => Settled::Skipped(reason),
        (Wanted::Park, Some(reason)) => Settled::Parked(reason),
        (Wanted::Hold, _) => return Ok(HeldBack::Waits),
        (Wanted::Write | Wanted::Cancel(_) | Wanted::Skip | Wanted::Note | Wanted::Park, _) => return Ok(HeldBack::No),
    };
    let stop = Outcome::new("plan", claimed.desired_version, settled);
    Ok(HeldBack::Stop(Box::new(stop.detail("the rules have changed since it was planned"))))
}

/// The content that an intent announced.
pub(super) fn announced(content: &str) -> Option<DesiredOrder> {
    match Wish::parse(content) {
        Ok(Wish::Write { order }) => Some(*order),
        Ok(Wish::Cancel { .. } | Wish::Skip { .. } | Wish::Hold { .. } | Wish::Park { .. }) | Err(_) => None,
    }
}
