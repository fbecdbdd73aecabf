//! A held order whose time has come: is its condition met by now? Time is asked of the clock, everything else of Shopify, by
//! one reading of the order; a newer version that it brings counts like one from a webhook. Whoever waits too long parks.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::map_delivery::{Version, decode_re_read};
use super::rejudge::version_of;
use super::settling::{Outcome, later, settle};
use super::wish::{self, Footing, Wish, hold_until};
use super::{Connection, customer_order};
use crate::domain::document::{ParkKind, State, Trace};
use crate::domain::order::{Order, Told};
use crate::failpoint;
use crate::mapping::holds;
use crate::store::{Attempt, Claimed, HELD_TOO_LONG, JudgedAnew, Reason, Settled, Snapshot, StoreError};

/// The step's name among the attempts.
const STEP: &str = "hold";
/// The pause after Shopify could not be asked.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// What a look goes by.
struct Look<'a> {
    link: &'a Connection,
    claimed: &'a Claimed,
    footing: Footing,
    snapshot: Snapshot,
    known: Order,
}

/// Looks at a claimed document whose wish is to wait.
///
/// 1. Judge the version that we know, at this moment.
/// 2. Where it still waits for what only Shopify can tell, read the order by its id and judge that.
/// 3. Settle: go on as it is judged, wait on, or park when it has waited too long.
///
/// # Errors
/// The store's; the claim ends with this process's lease then.
pub async fn look(link: &Connection, claimed: &Claimed) -> Result<State, StoreError> {
    // 1.
    let Some(snapshot) = link.store.snapshot(&link.name, claimed.order_id).await? else {
        return unreadable(link, claimed).await;
    };
    let Some(known) = version_of(&snapshot) else { return unreadable(link, claimed).await };
    let footing = wish::footing(&link.store, &link.name, &claimed.business_key).await?;
    let look = Look { link, claimed, footing, snapshot, known: known.order };
    let now = link.clock.now();
    let wish = wish::judge(&look.known, &link.rules, &look.footing, now);
    if !matches!(wish, Wish::Hold { .. }) {
        return look.go_on(wish, None).await;
    }
    if !look.asks_shopify(now) {
        return look.wait_on(wish, None).await;
    }
    // 2.
    let answer = link.shopify.order_by_id(claimed.order_id).await;
    failpoint::hit(failpoint::HOLD_ANSWERED);
    let fresh = match answer {
        Ok(Some(bytes)) => decode_re_read(&bytes).map(|mut fresh| {
            fresh.order.remember(look.known.sale());
            fresh
        }),
        Ok(None) => Err("Shopify does not know the order".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    let fresh = match fresh {
        Ok(fresh) if fresh.order.id != look.known.id => Err("Shopify answered another order".to_owned()),
        Ok(fresh) if fresh.order.updated_at < look.snapshot.updated_at => {
            Err("Shopify answered an older version".to_owned())
        }
        other => other,
    };
    let fresh = match fresh {
        Ok(fresh) => fresh,
        Err(trouble) => return look.ask_again(wish, &trouble).await,
    };
    // 3.
    let wish = wish::judge(&fresh.order, &link.rules, &look.footing, link.clock.now());
    if !matches!(wish, Wish::Hold { .. }) {
        return look.go_on(wish, Some(fresh)).await;
    }
    let tells_more = fresh.digest != look.snapshot.digest
        || fresh.order.updated_at != look.snapshot.updated_at
        || knows_more(fresh.order.told, look.known.told)
        || fresh.order.risk != look.known.risk;
    look.wait_on(wish, tells_more.then_some(fresh)).await
}

/// The park of a document that waits for `reason` longer than its rules allow; `None` while it may wait on.
pub fn too_long(link: &Connection, claimed: &Claimed, reason: &Reason) -> Option<Outcome> {
    let since = claimed.held_since?;
    let hours = link.rules.settings().holds.held_max_hours;
    let end = since.checked_add(SignedDuration::from_hours(i64::try_from(hours).ok()?)).ok()?;
    if link.clock.now() < end {
        return None;
    }
    let text = format!(
        "it was held for {hours} hours ({}): {}; at most holds.held_max_hours = {hours} was expected: settle it in Shopify, or run \
         `documents release` to write it all the same, `documents resolve` if nothing is to be written",
        reason.code, reason.text
    );
    Some(Outcome::park(STEP, claimed, ParkKind::Mapping, HELD_TOO_LONG, text))
}

impl Look<'_> {
    /// Whether a condition is left that only Shopify can tell of, and time alone does not hold it longer anyway.
    fn asks_shopify(&self, now: Timestamp) -> bool {
        let Footing::NotInIfs { released } = &self.footing else { return false };
        holds::hold(&self.known, &self.link.rules, released, now)
            .is_some_and(|hold| hold.ask_shopify && !hold.codes.contains(&holds::LAG))
    }

    /// The condition is met, or the order asks for something else by now.
    async fn go_on(&self, wish: Wish, fresh: Option<Version>) -> Result<State, StoreError> {
        let detail = match (&wish, &fresh) {
            (Wish::Write { .. }, None) => "what it waited for has come",
            (Wish::Write { .. }, Some(_)) => "what it waited for has come, as Shopify says",
            _ => "the order asks for something else by now",
        };
        let outcome = match &wish {
            Wish::Write { .. } | Wish::Cancel { .. } => "planned",
            Wish::Skip { .. } => "skipped",
            Wish::Hold { .. } => "held",
            Wish::Park { .. } => "parked",
        };
        let attempt =
            Attempt { step: STEP.into(), outcome: outcome.into(), detail: Some(detail.into()), ..Attempt::default() };
        self.settle_anew(wish, fresh, Some(attempt)).await
    }

    /// It still waits: in the words of today, with what Shopify told of it since.
    async fn wait_on(&self, wish: Wish, fresh: Option<Version>) -> Result<State, StoreError> {
        let Wish::Hold { code, text, due_at } = &wish else { return self.go_on(wish, fresh).await };
        let reason = Reason { kind: None, code: code.clone(), text: text.clone() };
        if let Some(parked) = too_long(self.link, self.claimed, &reason) {
            return settle(self.link, self.claimed, parked).await;
        }
        if fresh.is_some() {
            return self.settle_anew(wish, fresh, None).await;
        }
        let held = Settled::Held { reason, due_at: hold_until(*due_at) };
        settle(self.link, self.claimed, Outcome::new(STEP, self.claimed.desired_version, held).untried()).await
    }

    /// Shopify could not be asked. Its trouble is not the order's.
    async fn ask_again(&self, wish: Wish, trouble: &str) -> Result<State, StoreError> {
        let Wish::Hold { code, text, .. } = wish else { return self.go_on(wish, None).await };
        let (claimed, order_id) = (self.claimed, self.claimed.order_id);
        tracing::warn!(trace_id = %claimed.trace_id, order_id, trouble, "a held order could not be read again");
        let text = format!("{text}; Shopify could not be asked last ({trouble})");
        let reason = Reason { kind: None, code, text };
        if let Some(parked) = too_long(self.link, claimed, &reason) {
            return settle(self.link, claimed, parked).await;
        }
        let look_every = Duration::from_secs(self.link.rules.settings().holds.look_every_secs);
        let held = Settled::Held { reason, due_at: later(self.link, ASK_AGAIN.min(look_every)) };
        settle(self.link, claimed, Outcome::new(STEP, claimed.desired_version, held).untried()).await
    }

    async fn settle_anew(
        &self,
        wish: Wish,
        fresh: Option<Version>,
        attempt: Option<Attempt>,
    ) -> Result<State, StoreError> {
        let (link, claimed) = (self.link, self.claimed);
        let order = fresh.as_ref().map_or(&self.known, |fresh| &fresh.order);
        let customer = customer_order::wished(link, order, &wish).await?;
        let judged = JudgedAnew {
            connection: link.name.clone(),
            snapshot: fresh.map(|fresh| fresh.replacing(&self.snapshot, link.clock.now())),
            wish: wish.for_store(trace(claimed)),
            customer,
            rules_revision: link.rules.revision().to_owned(),
            attempt,
        };
        match link.store.settle_judged_anew(&link.tenant.lease, claimed, judged, link.clock.now()).await {
            // A newer version came by webhook meanwhile: it decides.
            Err(StoreError::Stale) => {
                let again = Settled::Again { own_fault: false, due_at: link.clock.now(), reason: None };
                settle(link, claimed, Outcome::new(STEP, claimed.desired_version, again).untried()).await
            }
            Ok(state) => {
                failpoint::hit(failpoint::HOLD_JUDGED);
                Ok(state)
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether anything of a document whose birth we saw, and that we only held, can stand in IFS.
fn trace(claimed: &Claimed) -> Trace {
    if claimed.look_up_first { Trace::Possible } else { Trace::Impossible }
}

fn knows_more(fresh: Told, known: Told) -> bool {
    !known.covers(fresh)
}

async fn unreadable(link: &Connection, claimed: &Claimed) -> Result<State, StoreError> {
    settle(link, claimed, unreadable_snapshot(STEP, claimed)).await
}

/// The park of a document whose order cannot be judged anew, since its snapshot does not decode.
pub(super) fn unreadable_snapshot(step: &'static str, claimed: &Claimed) -> Outcome {
    let text = "the order's snapshot cannot be read by this version: run the one that wrote it, then `documents retry`";
    Outcome::park(step, claimed, ParkKind::Mapping, "unreadable_content", text.to_owned())
}
