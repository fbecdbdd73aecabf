//! The announcement of a write on an order that stands, and what its answer comes to: whether it may leave, and what an error
//! leaves in doubt.

use std::time::Duration;

use super::amend::{Step, Work};
use super::look_up;
use super::settling::{Outcome, failed, later, lost_answer, refusal_text};
use crate::domain::document::ParkKind;
use crate::domain::ids::IntentId;
use crate::domain::verdict::{Scope, Verdict};
use crate::ifs::error::IfsError;
use crate::mapping::guarded::GuardedWrite;
use crate::store::{IntentKind, NewIntent, Settled, StoreError};

/// The bytes leave within this time of the intent's commit.
pub(super) const SEND_WITHIN: Duration = Duration::from_secs(5);

/// Whether a write may leave.
pub(super) enum Announced {
    /// Its intent is committed.
    Now(IntentId),
    /// Another write may still come first.
    Waits(Step),
}

impl Work<'_> {
    /// Announces a write under ETags; a step instead when it has to wait.
    pub(super) async fn announce_guarded(
        &mut self,
        kind: IntentKind,
        write: &GuardedWrite,
        parts: usize,
    ) -> Result<Option<Step>, StoreError> {
        match self.announce(kind, write.to_text(), parts).await? {
            Announced::Now(_) => Ok(None),
            Announced::Waits(step) => Ok(Some(step)),
        }
    }

    /// Commits an intent, unless a lost write may still come and this is not the same again. The cancellation of the order
    /// goes all the same: after it no field matters.
    pub(super) async fn announce(
        &mut self,
        kind: IntentKind,
        content: String,
        parts: usize,
    ) -> Result<Announced, StoreError> {
        if let Some(lost) = &self.lost
            && !lost.lets_pass(kind, &content)
        {
            return Ok(Announced::Waits(Step::over(self.waits_for_fate(lost, "the next change"))));
        }
        // Whatever it came to is known, and so it closes with the base; a lost one gives way to its like.
        if self.lost.is_none() && self.open.is_some() {
            self.commit("settled", None).await?;
        }
        let new = NewIntent {
            kind,
            content,
            desired_version: self.claimed.desired_version,
            parts: u32::try_from(parts).unwrap_or(u32::MAX),
            send_by: later(self.link, SEND_WITHIN),
            needed: self.link.tenant.limits.not_before(parts),
        };
        let (store, lease, now) = (&self.link.store, &self.link.tenant.lease, self.link.clock.now());
        let intent = match self.open.take() {
            Some(lost) => {
                self.link.watches.end(lost);
                store.replace_intent(lease, self.claimed, (lost, "sent_again"), new, now).await?
            }
            None => store.open_intent(lease, self.claimed, new, now).await?,
        };
        (self.open, self.announced) = (Some(intent), kind);
        Ok(Announced::Now(intent))
    }

    /// What an error of a write under an ETag comes to. An answer that says that nothing was done closes its intent, but what
    /// of a lost write of before may still come stays in doubt for the rest of its time.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn refused_guarded(
        &mut self,
        error: &IfsError,
        kind: ParkKind,
        code: &str,
    ) -> Result<Step, StoreError> {
        let text = error.to_string();
        Ok(match error.verdict() {
            _ if matches!(error, IfsError::Changed { .. }) => Step::Stale,
            Verdict::Ambiguous | Verdict::Done => {
                if let Some(intent) = self.open {
                    self.link.watches.begin(intent, self.link.clock.monotonic());
                }
                Step::over(self.keeping_base(lost_answer(self.link, self.claimed, self.step, error)))
            }
            Verdict::Reject | Verdict::Retry { scope: Scope::Record, .. } if self.lost.is_some() => {
                Step::over(self.waits_after_refusal(&text).await?)
            }
            Verdict::Reject => {
                let parked = Outcome::park(self.step, self.claimed, kind, code, refusal_text(&text));
                Step::over(self.decided("refused", parked))
            }
            Verdict::Retry { .. } | Verdict::NotSent => {
                Step::over(self.decided("turned_away", failed(self.link, self.claimed, self.step, error)))
            }
        })
    }

    /// IFS refused what was sent while a lost write may still come: it is not sent again before the fate of that one is known,
    /// and then the refusal, if it is still one, stands by itself.
    async fn waits_after_refusal(&mut self, text: &str) -> Result<Outcome, StoreError> {
        let Some(lost) = &self.lost else { return Err(StoreError::Stale) };
        let (store, lease, now) = (&self.link.store, &self.link.tenant.lease, self.link.clock.now());
        let outcome = self.waits_for_fate(lost, "what IFS refused meanwhile");
        if let Some(refused) = self.open {
            let new = lost.after_refusal(self.announced, now);
            let intent = store.replace_intent(lease, self.claimed, (refused, "refused"), new, now).await?;
            self.link.watches.end(refused);
            self.link.watches.begin(intent, self.link.clock.monotonic());
            self.open = Some(intent);
        }
        Ok(outcome.detail(format!("IFS refused it, but may still make the one whose answer was lost: {text}")))
    }

    /// The outcome after an answer that decided the open intent, unless a lost write of before is the same.
    fn decided(&mut self, word: &'static str, outcome: Outcome) -> Outcome {
        let outcome = self.keeping_base(outcome);
        if self.lost.is_some() { outcome } else { outcome.closing(self.open.take(), word) }
    }

    /// The end of a write that IFS confirmed and that could not be read: read again soon.
    pub(super) fn unproved(&self, error: &IfsError) -> Outcome {
        if let Some(intent) = self.open {
            self.link.watches.begin(intent, self.link.clock.monotonic());
        }
        let due_at = later(self.link, look_up::first_pause(self.link));
        let unknown = Settled::Unknown { due_at, own_fault: false };
        let outcome = Outcome::new(self.step, self.claimed.desired_version, unknown);
        self.keeping_base(outcome).detail(error.to_string())
    }
}
