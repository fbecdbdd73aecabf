//! A guarded write whose answer was lost: what became of it is read before anything else is decided about its order. While
//! IFS may still make it, only the very same write goes again (its ETag lets one of the two through), and nothing comes to
//! rest: what IFS holds in the end would not be known, and our own change would later be taken for a person's.

use std::time::Duration;

use jiff::Timestamp;

use super::amend::{Work, base_of};
use super::look_up;
use super::read_back::read_rows;
use super::settling::{Outcome, later, lost_too_often, settle};
use super::{Connection, OWN_FAILURES_MAX};
use crate::domain::document::State;
use crate::ifs::client::IfsClient;
use crate::ifs::error::IfsError;
use crate::ifs::wire::PartRequest;
use crate::mapping::guarded::{Fate, GuardedWrite};
use crate::mapping::read::{ReadOrder, Target};
use crate::mapping::written::WrittenOrder;
use crate::store::{Claimed, Intent, IntentKind, NewIntent, Settled, StoreError};

/// A guarded write that was sent and of which IFS may still make something.
#[derive(Debug)]
pub(super) struct Lost {
    /// Its intent as it was claimed.
    intent: Intent,
    /// What it writes; none when another version announced it.
    write: Option<GuardedWrite>,
    /// How long it may still come.
    left: Duration,
}

impl Lost {
    /// What the open intent of a claimed document leaves in doubt.
    pub(super) async fn of(link: &Connection, claimed: &Claimed) -> Result<Option<Self>, StoreError> {
        let Some(intent) = &claimed.intent else { return Ok(None) };
        let watched = look_up::watch(link, claimed, intent).await?;
        let left = intent.needed.saturating_sub(watched);
        Ok(Some(Self { intent: intent.clone(), write: GuardedWrite::parse(&intent.content), left }))
    }

    /// Whether a write may be announced although this one may still come: the very same again, or the cancellation of the
    /// order, after which no field matters. Neither, once IFS has refused it meanwhile.
    pub(super) fn lets_pass(&self, kind: IntentKind, content: &str) -> bool {
        let refused = self.write.as_ref().and_then(|write| write.refused.as_deref());
        match (kind, refused) {
            (IntentKind::Cancel, Some(refused)) => refused != IntentKind::Cancel.as_str(),
            (IntentKind::Cancel, None) => true,
            _ => self.intent.kind == kind && self.intent.content == content,
        }
    }

    /// The announcement that stays after IFS refused a write of this kind: only the lost one is in doubt, for the rest of its
    /// own time, and nothing is sent for it.
    pub(super) fn after_refusal(&self, refused: IntentKind, now: Timestamp) -> NewIntent {
        let write =
            self.write.clone().map(|write| GuardedWrite { refused: Some(refused.as_str().to_owned()), ..write });
        NewIntent {
            kind: self.intent.kind,
            content: write.map_or_else(|| self.intent.content.clone(), |write| write.to_text()),
            desired_version: self.intent.desired_version,
            // Nothing is sent for it.
            parts: 1,
            send_by: now,
            needed: self.left,
        }
    }
}

/// What a reading told of a lost write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Learned {
    /// Nothing that changes the plan.
    Nothing,
    /// Its fate: what was read for it may be of different moments, so the order is read again.
    Fate,
}

impl Work<'_> {
    /// Learns from a reading what became of a lost write. One that was made is in the base afterwards, committed.
    pub(super) async fn learn(&mut self, current: &mut ReadOrder) -> Result<Result<Learned, IfsError>, StoreError> {
        let Some(lost) = &self.lost else { return Ok(Ok(Learned::Nothing)) };
        let fate = match &lost.write {
            Some(write) => {
                let reads = write.key_reads(current);
                if let Err(error) = read_by_key(&self.link.tenant.ifs, reads, current).await {
                    return Ok(Err(error));
                }
                write.fate(&self.base, current)
            }
            None => Fate::MayCome,
        };
        match (fate, &lost.write) {
            (Fate::MayCome, _) if !lost.left.is_zero() => return Ok(Ok(Learned::Nothing)),
            (Fate::Made, Some(write)) => {
                look_up::count("change_found");
                self.base = write.absorbed(&self.base, current);
                self.lost = None;
                self.commit("found", None).await?;
            }
            (Fate::MayCome | Fate::Never, _) | (Fate::Made, None) => {
                look_up::count("change_never_made");
                self.lost = None;
            }
        }
        Ok(Ok(Learned::Fate))
    }

    /// The end of a step that has to wait for the fate of a lost write; `for_what` says what waits.
    pub(super) fn waits_for_fate(&self, lost: &Lost, for_what: &str) -> Outcome {
        let pause = look_up::pause(self.link, &lost.intent, lost.left.max(Duration::from_millis(50)));
        let unknown = Settled::Unknown { due_at: later(self.link, pause), own_fault: false };
        let outcome = Outcome::new(self.step, self.claimed.desired_version, unknown);
        self.keeping_base(outcome)
            .detail(format!("IFS may still make a change whose answer was lost; after it: {for_what}"))
    }

    /// The end of a document whose writes were lost too often; none while it may go on.
    pub(super) fn lost_too_often(&self) -> Option<Outcome> {
        (self.claimed.failures() >= OWN_FAILURES_MAX).then(|| lost_too_often(self.step, self.claimed))
    }
}

/// Resolves a guarded write whose answer never came, for a document that asks for something else than a write by now: it
/// rests as it is asked to only when nothing can come any more.
///
/// # Errors
/// The store's.
pub async fn resolve(link: &Connection, claimed: &Claimed, order_no: &str) -> Result<State, StoreError> {
    let base = base_of(claimed);
    let base_is_known = base.is_some();
    let base = base.unwrap_or_else(|| WrittenOrder::linked(order_no));
    let mut work = Work::begin(link, claimed, order_no, base, base_is_known, "look_up").await?;
    let mut read = match read_rows(link, order_no).await {
        Ok(read) => read,
        Err(error) => {
            let outcome = work.read_failed(&error);
            return work.settle(outcome).await;
        }
    };
    if let Err(error) = work.learn(&mut read).await? {
        let outcome = work.read_failed(&error);
        return work.settle(outcome).await;
    }
    let outcome = match &work.lost {
        Some(lost) => work.waits_for_fate(lost, "what the order asks for now"),
        None => {
            let again = Settled::Again { own_fault: false, due_at: link.clock.now(), reason: None };
            let known = Outcome::new("look_up", claimed.desired_version, again).closing(work.open.take(), "settled");
            work.keeping_base(known).detail("the fate of the change whose answer was lost is known")
        }
    };
    settle(link, claimed, outcome).await
}

/// Reads records by their keys and puts them, ETags and all, into what was read before; one that is gone is taken out.
///
/// # Errors
/// The remote's.
pub(super) async fn read_by_key(
    ifs: &IfsClient,
    reads: Vec<(Target, PartRequest)>,
    current: &mut ReadOrder,
) -> Result<(), IfsError> {
    let (targets, parts): (Vec<_>, Vec<_>) = reads.into_iter().unzip();
    if parts.is_empty() {
        return Ok(());
    }
    for (target, answer) in targets.iter().zip(ifs.batch_read(&parts).await?) {
        match answer {
            Ok(answer) => current.absorb(target, answer.row()?),
            // Taken away since the lists were read: the order itself stands.
            Err(IfsError::NotFound { .. }) => current.forget(target),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
