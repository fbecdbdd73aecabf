//! An order that was cancelled in Shopify must not be live in IFS. We cancel it there while its state lets us; of an order
//! that is delivered in part we cancel the lines that are not, and what is left is a person's.

use super::Connection;
use super::amend::{Step, Work, base_of};
use super::look_up::{self, Found};
use super::lost::{Learned, read_by_key};
use super::read_back::read_rows;
use super::settling::{Outcome, failed, failed_itself, settle};
use crate::domain::document::{ParkKind, State};
use crate::failpoint;
use crate::ifs::wire::PartRequest;
use crate::mapping::create::cancel_part;
use crate::mapping::guarded::{GuardedChange, GuardedWrite};
use crate::mapping::merge::removals_of_rest;
use crate::mapping::read::ReadOrder;
use crate::mapping::rules::updates::{Action, Change};
use crate::mapping::written::WrittenOrder;
use crate::store::{Claimed, IntentKind, Settled, StoreError};

/// Rounds of read and cancel within one step when IFS answers 412 each time.
const ROUNDS_MAX: usize = 5;
/// Cancels a linked order in IFS, as far as its state there lets us.
///
/// # Errors
/// The store's.
pub async fn cancel(
    link: &Connection,
    claimed: &Claimed,
    order_no: &str,
    cancel_reason: &str,
) -> Result<State, StoreError> {
    let base = base_of(claimed);
    let base_is_known = base.is_some();
    let base = base.unwrap_or_else(|| WrittenOrder::linked(order_no));
    let mut work = Work::begin(link, claimed, order_no, base, base_is_known, "cancel").await?;
    work.cancel_second();
    for _ in 0..ROUNDS_MAX {
        match work.cancel_round(cancel_reason).await? {
            Step::Over(outcome) => return work.settle(*outcome).await,
            Step::On(_) | Step::Stale => {}
        }
    }
    let outcome = work.overtaken();
    work.settle(outcome).await
}

impl Work<'_> {
    /// One round: read, and do what the table says for this state. A cancellation that IFS confirms is believed when it is
    /// read: the next round sees it.
    async fn cancel_round(&mut self, reason: &str) -> Result<Step, StoreError> {
        let mut read = match read_rows(self.link, self.order_no).await {
            Ok(read) => read,
            Err(error) => return Ok(Step::over(self.read_failed(&error))),
        };
        match self.learn(&mut read).await? {
            Ok(Learned::Nothing) => {}
            Ok(Learned::Fate) => return Ok(Step::On(None)),
            Err(error) => return Ok(Step::over(self.read_failed(&error))),
        }
        // Losses of other writes do not keep the cancellation from being tried.
        let cancels = self.claimed.intent.as_ref().is_none_or(|intent| intent.kind == IntentKind::Cancel);
        if let Some(parked) = self.lost_too_often().filter(|_| cancels && !read.state().is_cancelled()) {
            return Ok(Step::over(parked));
        }
        let state = read.state();
        if state.is_cancelled() {
            let written = Outcome::new(self.step, self.claimed.desired_version, Settled::Written);
            return Ok(Step::over(written.standing(self.order_no, state.as_str())));
        }
        match self.link.rules.updates().action(Change::CancelOrder, &state) {
            Action::CancelOrder => self.cancel_order(&read, reason).await,
            Action::CancelRest => self.cancel_rest(read, reason).await,
            Action::Credit => Ok(Step::over(self.park_cancel(
                "credit_needed",
                format!("IFS order {} is {}: credit what was delivered", self.order_no, state.as_str()),
            ))),
            Action::Amend
            | Action::NewRow
            | Action::CancelRow
            | Action::SecondOrder
            | Action::Park
            | Action::Release
            | Action::Show
            | Action::Nothing => Ok(Step::over(self.park_cancel(
                "state_forbids_cancel",
                format!("IFS order {} is {}: cancel or credit it in IFS", self.order_no, state.as_str()),
            ))),
        }
    }

    fn park_cancel(&self, code: &str, what: String) -> Outcome {
        let text = format!("Shopify cancelled the order, but {what}, then run `documents resolve`");
        Outcome::park(self.step, self.claimed, ParkKind::Conflict, code, text)
    }

    async fn cancel_order(&mut self, read: &ReadOrder, reason: &str) -> Result<Step, StoreError> {
        let Some(etag) = read.header.etag.as_deref() else {
            let text = "the header was read without an ETag: a cancellation without one might meet another order";
            return Ok(Step::over(failed_itself(self.link, self.claimed, self.step, None, text)));
        };
        let ready = match self.link.tenant.ifs.ready().await {
            Ok(ready) => ready,
            Err(error) => return Ok(Step::over(failed(self.link, self.claimed, self.step, &error))),
        };
        let write = GuardedWrite::new(GuardedChange::Cancellation(etag.to_owned()));
        if let Some(waits) = self.announce_guarded(IntentKind::Cancel, &write, 1).await? {
            return Ok(waits);
        }
        failpoint::hit(failpoint::CANCEL_INTENT_COMMITTED);
        let part = cancel_part(self.order_no, etag, &self.link.tenant.limits.cancel_action, reason);
        if let Err(error) = self.link.tenant.ifs.write(ready, &part).await {
            return self.refused_guarded(&error, ParkKind::Conflict, "cancel_refused_by_ifs").await;
        }
        self.lost = None;
        failpoint::hit(failpoint::CANCEL_ANSWERED);
        Ok(Step::On(None))
    }

    /// Cancels the lines of which nothing is reserved or delivered; what is left is a person's.
    async fn cancel_rest(&mut self, mut read: ReadOrder, reason: &str) -> Result<Step, StoreError> {
        let reads: Vec<_> = removals_of_rest(&self.base, &read)
            .iter()
            .map(|removal| (removal.target.clone(), PartRequest::get(&removal.url)))
            .collect();
        if reads.is_empty() {
            return Ok(Step::over(self.park_cancel(
                "state_forbids_cancel",
                format!(
                    "IFS order {} is {}: its other lines are cancelled, take back and credit what was delivered",
                    self.order_no,
                    read.state().as_str()
                ),
            )));
        }
        if let Err(error) = read_by_key(&self.link.tenant.ifs, reads, &mut read).await {
            return Ok(Step::over(self.read_failed(&error)));
        }
        for removal in removals_of_rest(&self.base, &read) {
            match self.remove_row(&removal, reason).await? {
                Step::On(_) => {}
                other @ (Step::Stale | Step::Over(_)) => return Ok(other),
            }
        }
        Ok(Step::On(None))
    }
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
