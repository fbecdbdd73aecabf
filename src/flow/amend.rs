//! A change of an order that IFS holds: read with ETags, merge three ways, take the steps of the plan one by one, prove it.
//! Nothing is written when nothing differs, nothing when a part of the change is a person's, and no person's change is lost.

use std::time::Duration;

use super::Connection;
use super::lost::{Learned, Lost, read_by_key};
use super::read_back::{base_text, gated, read_order, vanished};
use super::settling::{Outcome, failed, failed_itself, later, settle};
use super::wish::park_reason;
use crate::domain::document::{ParkKind, State};
use crate::domain::ids::IntentId;
use crate::failpoint;
use crate::ifs::error::IfsError;
use crate::ifs::wire::{Objstate, names};
use crate::mapping::columns::Columns;
use crate::mapping::desired::DesiredOrder;
use crate::mapping::guarded::{GuardedChange, GuardedWrite};
use crate::mapping::merge::{MergePlan, PlanRules, Verdict, patch_parts, plan};
use crate::mapping::read::ReadOrder;
use crate::mapping::rules::updates::Action;
use crate::mapping::written::WrittenOrder;
use crate::store::{Attempt, Claimed, FollowUp, IntentKind, Progress, Reason, Settled, StoreError};

/// Passes in a row that IFS answers with 412.
const ROUNDS_MAX: usize = 5;
/// Passes of read, plan and one kind of step within one claim.
const PASSES_MAX: usize = 20;

/// The pause before a document is looked at again whose base this version cannot read.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(900);

/// How a step ended.
pub(super) enum Step {
    /// Taken: plan anew, from this reading where it is fresh.
    On(Option<Box<ReadOrder>>),
    /// Somebody changed the record meanwhile: read again.
    Stale,
    /// The whole work is over.
    Over(Box<Outcome>),
}

impl Step {
    /// The work is over.
    pub(super) fn over(outcome: Outcome) -> Self {
        Self::Over(Box::new(outcome))
    }
}

/// A linked order in the hands of one step after another. Each commits what it reached, so that a restart goes on there.
pub(super) struct Work<'a> {
    pub(super) link: &'a Connection,
    pub(super) claimed: &'a Claimed,
    pub(super) order_no: &'a str,
    /// What was sent and answered, as far as it is known by now.
    pub(super) base: WrittenOrder,
    /// Whether the base is more than the order's number: only then it is kept.
    pub(super) base_is_known: bool,
    /// The base as it was last committed: what commits another one has got on.
    committed: String,
    /// An intent that is not closed yet.
    pub(super) open: Option<IntentId>,
    /// A guarded write of before whose fate is not known: IFS may still make it.
    pub(super) lost: Option<Lost>,
    /// The kind of write that was announced last.
    pub(super) announced: IntentKind,
    /// What goes to the second order with the end of this step.
    pub(super) second: Option<FollowUp>,
    /// The step that is told in the attempts.
    pub(super) step: &'static str,
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
    let Some(base) = base_of(claimed) else {
        return settle(link, claimed, unreadable_base("amend", link, claimed)).await;
    };
    let mut work = Work::begin(link, claimed, order_no, base, true, "amend").await?;
    let outcome = work.converge(order).await?;
    work.settle(outcome).await
}

/// What was written, where it reads.
pub(super) fn base_of(claimed: &Claimed) -> Option<WrittenOrder> {
    claimed.written.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

/// The end of a step on a document whose base does not read. What an open intent of it came to cannot be told without the
/// base: it stays open for the version that can.
pub(super) fn unreadable_base(step: &'static str, link: &Connection, claimed: &Claimed) -> Outcome {
    let text = "what was written does not decode: run the version that wrote it".to_owned();
    if claimed.intent.is_some() {
        let reason = Reason { kind: None, code: "unreadable_base".to_owned(), text };
        let due_at = later(link, UNREADABLE_PAUSE);
        let again = Settled::Again { own_fault: false, due_at, reason: Some(reason) };
        return Outcome::new(step, claimed.desired_version, again);
    }
    Outcome::park(step, claimed, ParkKind::Mapping, "unreadable_base", text)
}

impl<'a> Work<'a> {
    /// Takes a linked order up, with what its open intent leaves in doubt.
    pub(super) async fn begin(
        link: &'a Connection,
        claimed: &'a Claimed,
        order_no: &'a str,
        base: WrittenOrder,
        base_is_known: bool,
        step: &'static str,
    ) -> Result<Self, StoreError> {
        let lost = Lost::of(link, claimed).await?;
        let open = claimed.intent.as_ref().map(|intent| intent.id);
        let committed = claimed.written.clone().unwrap_or_default();
        let announced = claimed.intent.as_ref().map_or(IntentKind::Amend, |intent| intent.kind);
        Ok(Self { link, claimed, order_no, base, base_is_known, committed, open, lost, announced, second: None, step })
    }

    /// Passes until nothing is left to do.
    async fn converge(&mut self, order: &DesiredOrder) -> Result<Outcome, StoreError> {
        let (mut fresh, mut stale): (Option<Box<ReadOrder>>, usize) = (None, 0);
        for pass in 0..PASSES_MAX {
            if pass > 0 && self.link.is_stopping() {
                return Ok(self.go_on_later());
            }
            let mut current = match fresh.take() {
                Some(read) => *read,
                None => match read_order(self.link, self.order_no, order).await {
                    Ok(read) => read,
                    Err(error) => return Ok(self.read_failed(&error)),
                },
            };
            // What a lost write of ours did is ours, before anything is planned.
            match self.learn(&mut current).await? {
                Ok(Learned::Nothing) => {}
                Ok(Learned::Fate) => continue,
                Err(error) => return Ok(self.read_failed(&error)),
            }
            if let Some(parked) = self.lost_too_often() {
                return Ok(parked);
            }
            let part = match self.own_part(order) {
                Ok(part) => part,
                Err(parked) => return Ok(*parked),
            };
            match self.pass(&part, current).await? {
                Step::On(read) => (fresh, stale) = (read, 0),
                Step::Stale => stale += 1,
                Step::Over(outcome) => return Ok(*outcome),
            }
            if stale == ROUNDS_MAX {
                return Ok(self.overtaken());
            }
        }
        Ok(failed_itself(self.link, self.claimed, self.step, None, "its steps did not come to an end"))
    }

    /// One pass: plan, and the next kind of step that the plan wants.
    ///
    /// 1. Nothing left: the gate, then the release. A person's: the whole change parks, before anything of it is written.
    /// 2. Patches, in one change set.
    /// 3. New rows, each with an intent of its own. 4. Rows to take away, each under its ETag.
    async fn pass(&mut self, order: &DesiredOrder, mut current: ReadOrder) -> Result<Step, StoreError> {
        let planned = match self.plan_with_etags(order, &mut current).await {
            Ok(planned) => planned,
            Err(error) => return Ok(Step::over(self.read_failed(&error))),
        };
        // 1.
        match planned.verdict() {
            Verdict::Nothing => return self.finish(&planned, current).await,
            Verdict::Park(_) if planned.is_late() && self.closes_for_additions(order) => {
                return Ok(Step::On(Some(Box::new(current))));
            }
            Verdict::Park(park) => {
                let parked = Settled::Parked(park_reason(park.kind.as_str(), park.code, &park.text));
                let outcome = Outcome::new(self.step, self.claimed.desired_version, parked);
                let outcome = outcome.with_base(base_text(&self.base)).detail(planned.told());
                return Ok(Step::over(outcome.differing(planned.conflicts.iter().map(Columns::from).collect())));
            }
            Verdict::Steps => {}
        }
        // 2.
        if !planned.patches.is_empty() {
            return self.patch(order, planned).await;
        }
        // 3.
        for row in &planned.creates {
            match self.create_row(&planned.wanted, row, &mut current).await? {
                Step::On(_) if self.link.is_stopping() => return Ok(Step::over(self.go_on_later())),
                Step::On(_) => {}
                other @ (Step::Stale | Step::Over(_)) => return Ok(other),
            }
        }
        // 4.
        let reason = self.link.rules.cancel_reason(None);
        for removal in &planned.removals {
            match self.remove_row(removal, reason).await? {
                Step::On(_) => {}
                other @ (Step::Stale | Step::Over(_)) => return Ok(other),
            }
        }
        Ok(Step::On(None))
    }

    /// Announces and sends patches in one change set, then reads what became of them. What does not fit one change set
    /// follows in the next pass.
    async fn patch(&mut self, order: &DesiredOrder, mut planned: MergePlan) -> Result<Step, StoreError> {
        let most = self.link.tenant.limits.batch_parts_max.min(planned.patches.len());
        let rest = planned.patches.split_off(most);
        let more_follows = !rest.is_empty() || !planned.creates.is_empty() || !planned.removals.is_empty();
        let parts = match patch_parts(&planned) {
            Ok(parts) => parts,
            Err(error) => {
                return Ok(Step::over(failed_itself(self.link, self.claimed, self.step, None, &error.to_string())));
            }
        };
        let ready = match self.link.tenant.ifs.ready().await {
            Ok(ready) => ready,
            Err(error) => return Ok(Step::over(failed(self.link, self.claimed, self.step, &error))),
        };
        let write = GuardedWrite::new(GuardedChange::Fields(planned.patches.clone()));
        if let Some(waits) = self.announce_guarded(IntentKind::Amend, &write, parts.len()).await? {
            return Ok(waits);
        }
        failpoint::hit(failpoint::AMEND_INTENT_COMMITTED);
        if let Err(error) = self.link.tenant.ifs.batch_write(ready, &parts).await {
            return self.refused_guarded(&error, ParkKind::Refusal, "refused_by_ifs").await;
        }
        self.lost = None;
        failpoint::hit(failpoint::AMEND_ANSWERED);
        match read_order(self.link, self.order_no, order).await {
            Ok(read) => {
                self.base = self.base.after(&planned, &read);
                if more_follows {
                    self.commit("amended", Some(planned.told())).await?;
                }
                Ok(Step::On(Some(Box::new(read))))
            }
            // Written, but not proved: as unknown as a lost answer, and read again.
            Err(error) => Ok(Step::over(self.unproved(&error))),
        }
    }

    /// The gate, once nothing is left to write, and the release after it.
    async fn finish(&mut self, planned: &MergePlan, read: ReadOrder) -> Result<Step, StoreError> {
        self.base = self.base.after(planned, &read);
        let version = self.claimed.desired_version;
        // A person ended the order in IFS, and the table says that this change leaves it so.
        if planned.state.is_cancelled() && !planned.passed.is_empty() {
            let written = Outcome::new(self.step, version, Settled::Written).with_base(base_text(&self.base));
            let detail = format!("{}: {}", left_cancelled(self.order_no), planned.told());
            return Ok(Step::over(written.standing(self.order_no, planned.state.as_str()).detail(detail)));
        }
        let outcome = gated(self.link, version, self.step, &planned.wanted, &read, &self.base);
        // Invariant: no release before the gate found nothing.
        if outcome.is_written() && planned.release == Some(Action::Release) {
            return self.release(&read).await;
        }
        Ok(Step::over(match self.shown(planned, &read) {
            Some(detail) => outcome.detail(detail),
            None => outcome,
        }))
    }

    /// What the attempt tells of an end: a block, as IFS says it, and what was left as it is.
    fn shown(&self, planned: &MergePlan, read: &ReadOrder) -> Option<String> {
        let mut told = planned.told();
        if planned.state == Objstate::Blocked {
            let reason = read.header.text(names::BLOCKED_REASON).unwrap_or("no reason given");
            told = format!("IFS order {} is Blocked ({reason}) {told}", self.order_no);
        }
        Some(told).filter(|told| !told.is_empty())
    }

    /// The plan, with the ETags of by-key reads in every record that it changes or takes away.
    async fn plan_with_etags(&self, order: &DesiredOrder, current: &mut ReadOrder) -> Result<MergePlan, IfsError> {
        let rules = PlanRules::of(&self.link.rules);
        let first = plan(&self.base, order, current, rules);
        let reads = first.key_reads();
        if reads.is_empty() || first.verdict() != Verdict::Steps {
            return Ok(first);
        }
        read_by_key(&self.link.tenant.ifs, reads, current).await?;
        Ok(plan(&self.base, order, current, rules))
    }

    /// Commits what was reached: the base where it is another one, the end of the open intent, and an attempt where there is
    /// something to tell.
    pub(super) async fn commit(&mut self, word: &'static str, told: Option<String>) -> Result<(), StoreError> {
        let attempt = told.map(|detail| Attempt {
            step: self.step.to_owned(),
            outcome: word.to_owned(),
            detail: Some(detail),
            ..Attempt::default()
        });
        let base = base_text(&self.base);
        let written = (self.base_is_known && base != self.committed).then(|| base.clone());
        self.committed = base;
        // What of a lost write may still come keeps its intent.
        let open = if self.lost.is_some() { None } else { self.open.take() };
        let close = open.map(|intent| (intent, word));
        let progress = Progress { close, link: None, written, attempt };
        if let Some((intent, _)) = progress.close {
            self.link.watches.end(intent);
        }
        let (store, lease) = (&self.link.store, &self.link.tenant.lease);
        store.progress(lease, self.claimed, progress, self.link.clock.now()).await
    }

    /// The outcome, with what is known by now of what was sent and answered.
    pub(super) fn keeping_base(&self, outcome: Outcome) -> Outcome {
        if self.base_is_known { outcome.with_base(base_text(&self.base)) } else { outcome }
    }

    /// The end of a reading that failed.
    pub(super) fn read_failed(&mut self, error: &IfsError) -> Outcome {
        match error {
            IfsError::NotFound { .. } => {
                // Nothing can come to an order that is gone.
                self.lost = None;
                vanished(self.claimed, self.order_no)
            }
            other => failed(self.link, self.claimed, self.step, other),
        }
    }

    /// The end after too many stale ETags in a row.
    pub(super) fn overtaken(&mut self) -> Outcome {
        let text = format!("IFS order {} was changed by somebody else in each of {ROUNDS_MAX} rounds", self.order_no);
        let outcome = failed_itself(self.link, self.claimed, self.step, None, &text);
        // The last answer said that nothing was written; a lost write of before may still come.
        if self.lost.is_some() { outcome } else { outcome.closing(self.open.take(), "overtaken") }
    }

    /// The process stops: the next owner goes on from what is committed.
    fn go_on_later(&self) -> Outcome {
        let again = Settled::Again { own_fault: false, due_at: self.link.clock.now(), reason: None };
        Outcome::new(self.step, self.claimed.desired_version, again).with_base(base_text(&self.base))
    }

    /// Settles, closing what is still open: a fate that stays unknown keeps its intent, and nothing rests meanwhile.
    pub(super) async fn settle(mut self, outcome: Outcome) -> Result<State, StoreError> {
        let outcome = match (&self.lost, self.open) {
            (_, None) => outcome,
            _ if outcome.keeps_intent() => outcome,
            (Some(lost), Some(_)) => self.waits_for_fate(lost, outcome.ends_as()),
            (None, open) => outcome.closing(open, "settled"),
        };
        let outcome = self.with_second(outcome);
        settle(self.link, self.claimed, outcome).await
    }
}

/// What the attempt says of an order that a person cancelled in IFS, and that the table of changes leaves so.
pub(super) fn left_cancelled(order_no: &str) -> String {
    format!("IFS order {order_no} is Cancelled")
}
