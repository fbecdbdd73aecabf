//! A change of an order that IFS holds: read with ETags, merge three ways, take the steps of the plan one by one, prove it.
//! Nothing is written when nothing differs, nothing when a part of the change is a person's, and no person's change is lost.

use std::time::Duration;

use super::Connection;
use super::converge::announced;
use super::read_back::{base_text, gated, read_order, vanished};
use super::settling::{Outcome, failed, failed_itself, later, refusal_text, settle};
use super::wish::{Wish, park_reason};
use crate::domain::document::{ParkKind, State};
use crate::domain::ids::IntentId;
use crate::domain::verdict::Verdict as CallVerdict;
use crate::failpoint;
use crate::ifs::error::IfsError;
use crate::ifs::wire::{Objstate, names};
use crate::mapping::desired::DesiredOrder;
use crate::mapping::merge::{MergePlan, PlanRules, Verdict, patch_parts, plan};
use crate::mapping::read::ReadOrder;
use crate::mapping::rules::updates::Action;
use crate::mapping::written::WrittenOrder;
use crate::store::{Attempt, Claimed, IntentKind, NewIntent, Progress, Settled, StoreError};

/// Passes in a row that IFS answers with 412.
const ROUNDS_MAX: usize = 5;
/// Passes of read, plan and one kind of step within one claim.
const PASSES_MAX: usize = 20;
/// The bytes leave within this time of the intent's commit.
pub(super) const SEND_WITHIN: Duration = Duration::from_secs(5);

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
    /// An intent of a guarded write that is not closed yet: whatever comes next has read the record.
    pub(super) open: Option<IntentId>,
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
    let open = claimed.intent.as_ref().map(|intent| intent.id);
    let Some(base) = base_of(claimed) else {
        return settle(link, claimed, unreadable_base("amend", claimed).closing(open, "settled")).await;
    };
    // A change whose answer was lost is not in doubt for long: it is read again, and closed with this step.
    let mut work = Work { link, claimed, order_no, base, base_is_known: true, open, step: "amend" };
    let outcome = work.converge(order).await?;
    work.settle(outcome).await
}

/// What was written, where it reads.
pub(super) fn base_of(claimed: &Claimed) -> Option<WrittenOrder> {
    claimed.written.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

/// The end of a step on a document whose base does not read.
pub(super) fn unreadable_base(step: &'static str, claimed: &Claimed) -> Outcome {
    let text = "what was written does not decode: run the version that wrote it".to_owned();
    Outcome::park(step, claimed, ParkKind::Mapping, "unreadable_base", text)
}

impl Work<'_> {
    /// Passes until nothing is left to do.
    async fn converge(&mut self, order: &DesiredOrder) -> Result<Outcome, StoreError> {
        let lost = self.claimed.intent.as_ref();
        let sent = lost.filter(|intent| intent.kind == IntentKind::Amend).and_then(|lost| announced(&lost.content));
        let released = lost.is_some_and(|intent| intent.kind == IntentKind::Release);
        let (mut fresh, mut stale): (Option<Box<ReadOrder>>, usize) = (None, 0);
        for pass in 0..PASSES_MAX {
            if pass > 0 && self.link.is_stopping() {
                return Ok(self.go_on_later());
            }
            let current = match fresh.take() {
                Some(read) => *read,
                None => match read_order(self.link, self.order_no, order).await {
                    Ok(read) => read,
                    Err(error) => return Ok(self.read_failed(&error)),
                },
            };
            // What a lost change of ours did write is ours; a lost release that is seen was done.
            if let Some(sent) = &sent {
                self.base = absorb_sent(self.link, &self.base, sent, &current);
            }
            self.base.released |= released && current.state() != Objstate::Planned;
            match self.pass(order, current).await? {
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
            Verdict::Park(park) => {
                let parked = Settled::Parked(park_reason(park.kind.as_str(), park.code, &park.text));
                let outcome = Outcome::new(self.step, self.claimed.desired_version, parked);
                return Ok(Step::over(outcome.with_base(base_text(&self.base)).detail(planned.told())));
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
        let content = Wish::Write { order: Box::new(planned.wanted.clone()) }.to_text();
        self.announce(IntentKind::Amend, content, parts.len()).await?;
        failpoint::hit(failpoint::AMEND_INTENT_COMMITTED);
        if let Err(error) = self.link.tenant.ifs.batch_write(ready, &parts).await {
            return Ok(self.refused_guarded(&error, ParkKind::Refusal, "refused_by_ifs"));
        }
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
            Err(error) => Ok(Step::over(self.lost(&error))),
        }
    }

    /// The gate, once nothing is left to write, and the release after it.
    async fn finish(&mut self, planned: &MergePlan, read: ReadOrder) -> Result<Step, StoreError> {
        self.base = self.base.after(planned, &read);
        let version = self.claimed.desired_version;
        // A person ended the order in IFS, and the table says that this change leaves it so.
        if planned.state.is_cancelled() && !planned.passed.is_empty() {
            let written = Outcome::new(self.step, version, Settled::Written).with_base(base_text(&self.base));
            let detail = format!("IFS order {} is Cancelled: {}", self.order_no, planned.told());
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
        let (targets, parts): (Vec<_>, Vec<_>) = first.key_reads().into_iter().unzip();
        if parts.is_empty() || first.verdict() != Verdict::Steps {
            return Ok(first);
        }
        let answers = self.link.tenant.ifs.batch_read(&parts).await?;
        for (target, answer) in targets.iter().zip(answers) {
            match answer {
                Ok(answer) => current.absorb(target, answer.row()?),
                // Taken away since the lists were read: the order itself stands.
                Err(IfsError::NotFound { .. }) => current.forget(target),
                Err(error) => return Err(error),
            }
        }
        Ok(plan(&self.base, order, current, rules))
    }

    /// Commits an intent; one of before closes first, since the record was read after it.
    pub(super) async fn announce(
        &mut self,
        kind: IntentKind,
        content: String,
        parts: usize,
    ) -> Result<IntentId, StoreError> {
        if self.open.is_some() {
            self.commit("settled", None).await?;
        }
        let needed = match kind {
            IntentKind::Create | IntentKind::Row => self.link.tenant.limits.not_before(parts),
            IntentKind::Amend
            | IntentKind::Cancel
            | IntentKind::Remove
            | IntentKind::Release
            | IntentKind::WriteBack => Duration::ZERO,
        };
        let new = NewIntent {
            kind,
            content,
            desired_version: self.claimed.desired_version,
            parts: u32::try_from(parts).unwrap_or(u32::MAX),
            send_by: later(self.link, SEND_WITHIN),
            needed,
        };
        let (store, lease) = (&self.link.store, &self.link.tenant.lease);
        let intent = store.open_intent(lease, self.claimed, new, self.link.clock.now()).await?;
        self.open = Some(intent);
        Ok(intent)
    }

    /// Commits what was reached: the base, the end of the open intent, and an attempt where there is something to tell.
    pub(super) async fn commit(&mut self, word: &'static str, told: Option<String>) -> Result<(), StoreError> {
        let attempt =
            told.map(|detail| Attempt { step: self.step.to_owned(), outcome: word.to_owned(), detail: Some(detail) });
        let progress = Progress {
            close: self.open.take().map(|intent| (intent, word)),
            link: None,
            written: self.base_is_known.then(|| base_text(&self.base)),
            attempt,
        };
        if let Some((intent, _)) = progress.close {
            self.link.watches.end(intent);
        }
        let (store, lease) = (&self.link.store, &self.link.tenant.lease);
        store.progress(lease, self.claimed, progress, self.link.clock.now()).await
    }

    /// What an error of a write under an ETag comes to.
    pub(super) fn refused_guarded(&self, error: &IfsError, kind: ParkKind, code: &str) -> Step {
        let text = error.to_string();
        match error.verdict() {
            _ if matches!(error, IfsError::Changed { .. }) => Step::Stale,
            CallVerdict::Ambiguous | CallVerdict::Done => Step::over(self.lost(error)),
            CallVerdict::Reject => {
                let parked = Outcome::park(self.step, self.claimed, kind, code, refusal_text(&text));
                Step::over(self.keeping_base(parked))
            }
            CallVerdict::Retry { .. } | CallVerdict::NotSent => {
                Step::over(self.keeping_base(failed(self.link, self.claimed, self.step, error)))
            }
        }
    }

    /// The end of a call whose fate is unknown: read again soon.
    pub(super) fn lost(&self, error: &IfsError) -> Outcome {
        let due_at = later(self.link, self.link.tenant.limits.look_up_first.min(Duration::from_secs(10)));
        let unknown = Outcome::new(self.step, self.claimed.desired_version, Settled::Unknown { due_at });
        self.keeping_base(unknown).detail(error.to_string())
    }

    /// The outcome, with what is known by now of what was sent and answered.
    pub(super) fn keeping_base(&self, outcome: Outcome) -> Outcome {
        if self.base_is_known { outcome.with_base(base_text(&self.base)) } else { outcome }
    }

    /// The end of a reading that failed.
    pub(super) fn read_failed(&self, error: &IfsError) -> Outcome {
        match error {
            IfsError::NotFound { .. } => vanished(self.claimed, self.order_no),
            other => failed(self.link, self.claimed, self.step, other),
        }
    }

    /// The end after too many stale ETags in a row.
    pub(super) fn overtaken(&mut self) -> Outcome {
        let text = format!("IFS order {} was changed by somebody else in each of {ROUNDS_MAX} rounds", self.order_no);
        // The last answer said that nothing was written.
        failed_itself(self.link, self.claimed, self.step, None, &text).closing(self.open.take(), "overtaken")
    }

    /// The process stops: the next owner goes on from what is committed.
    fn go_on_later(&self) -> Outcome {
        let again = Settled::Again { own_fault: false, due_at: self.link.clock.now(), reason: None };
        Outcome::new(self.step, self.claimed.desired_version, again).with_base(base_text(&self.base))
    }

    /// Settles, closing what is still open: a fate that stays unknown keeps its intent.
    pub(super) async fn settle(self, outcome: Outcome) -> Result<State, StoreError> {
        let outcome = match self.open {
            Some(_) if outcome.keeps_intent() => outcome,
            None => outcome,
            open => outcome.closing(open, "settled"),
        };
        settle(self.link, self.claimed, outcome).await
    }
}

/// A field that now holds what a lost change of ours sent is ours, not a person's.
fn absorb_sent(link: &Connection, base: &WrittenOrder, sent: &DesiredOrder, current: &ReadOrder) -> WrittenOrder {
    let mut ours = plan(base, sent, current, PlanRules::of(&link.rules));
    ours.patches.clear();
    ours.yielded.clear();
    base.after(&ours, current)
}
