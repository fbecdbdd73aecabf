//! How a writer's step ends: the one place where the verdict on a remote's answer becomes a document's next state.

use std::time::Duration;

use jiff::Timestamp;

use super::{Connection, OWN_FAILURES_MAX, look_up, write_back};
use crate::domain::document::{ParkKind, State};
use crate::domain::ids::IntentId;
use crate::domain::verdict::{Scope, Verdict};
use crate::failpoint;
use crate::ifs::error::IfsError;
use crate::mapping::columns::{self, Columns};
use crate::store::{Attempt, Awaited, Claimed, FollowUp, Link, Reason, Settle, Settled, StoreError};
use crate::telemetry::metric;

/// The pause after trouble of the remote as a whole, when it did not name one.
const REMOTE_PAUSE: Duration = Duration::from_secs(5);

/// The end of one step on a claimed document.
#[derive(Debug)]
pub struct Outcome {
    step: &'static str,
    settled: Settled,
    version: i64,
    close: Option<(IntentId, &'static str)>,
    link: Option<Link>,
    written: Option<String>,
    awaited: Option<Awaited>,
    follow_ups: Vec<FollowUp>,
    /// The order as it stands in IFS, number and state, for the shop to be told.
    standing: Option<(String, String)>,
    detail: Option<String>,
    /// What was found to differ, field by field.
    differences: Vec<Columns>,
    /// Whether anything was tried, so that the step deserves a row.
    tried: bool,
}

impl Outcome {
    /// `step` ended so, having worked on `version` of the desired content.
    pub fn new(step: &'static str, version: i64, settled: Settled) -> Self {
        Self {
            step,
            settled,
            version,
            close: None,
            link: None,
            written: None,
            awaited: None,
            follow_ups: Vec::new(),
            standing: None,
            detail: None,
            differences: Vec::new(),
            tried: true,
        }
    }

    /// A person must decide.
    pub fn park(step: &'static str, claimed: &Claimed, kind: ParkKind, code: &str, text: String) -> Self {
        let reason = Reason { kind: Some(kind), code: code.to_owned(), text };
        Self::new(step, claimed.desired_version, Settled::Parked(reason))
    }

    /// The same, closing an intent with one word on what came of it.
    #[must_use]
    pub fn closing(mut self, intent: Option<IntentId>, word: &'static str) -> Self {
        self.close = intent.map(|intent| (intent, word));
        self
    }

    /// The same, linking a record.
    #[must_use]
    pub fn linking(mut self, link: Link) -> Self {
        self.link = Some(link);
        self
    }

    /// The same, with a new base: what was sent and answered.
    #[must_use]
    pub fn with_base(mut self, written: String) -> Self {
        self.written = Some(written);
        self
    }

    /// The same, making or renewing the customer's document that the order waits for, in the same transaction.
    #[must_use]
    pub fn waiting_for(mut self, awaited: Awaited) -> Self {
        self.awaited = Some(awaited);
        self
    }

    /// The same, opening another document in the same transaction.
    #[must_use]
    pub fn followed_by(mut self, follow_up: FollowUp) -> Self {
        self.follow_ups.push(follow_up);
        self
    }

    /// Whether IFS was found to hold the version that was sent.
    pub fn is_written(&self) -> bool {
        matches!(self.settled, Settled::Written)
    }

    /// Whether it leaves the document to a person.
    pub fn is_parked(&self) -> bool {
        matches!(self.settled, Settled::Parked(_))
    }

    /// Whether it stores what was sent and answered.
    pub fn has_base(&self) -> bool {
        self.written.is_some()
    }

    /// The same, with more to say to the person whom it is left to.
    #[must_use]
    pub fn saying(mut self, more: &str) -> Self {
        if let Settled::Parked(reason) = &mut self.settled {
            reason.text.push_str(more);
        }
        self
    }

    /// The same, knowing how the order stands in IFS: the shop is told, where the settings want it.
    #[must_use]
    pub fn standing(mut self, order_no: &str, objstate: &str) -> Self {
        self.standing = Some((order_no.to_owned(), objstate.to_owned()));
        self
    }

    /// The word for how the step ends.
    pub(super) fn ends_as(&self) -> &'static str {
        word(&self.settled)
    }

    /// Whether an intent of a guarded write stays open: the next step reads what became of it.
    pub fn keeps_intent(&self) -> bool {
        matches!(self.settled, Settled::Unknown { .. } | Settled::Again { .. })
    }

    /// The same, for a step that did not come to call the remote.
    #[must_use]
    pub fn untried(mut self) -> Self {
        self.tried = false;
        self
    }

    /// The same, showing what differs.
    #[must_use]
    pub fn differing(mut self, differences: Vec<Columns>) -> Self {
        self.differences = differences;
        self
    }

    /// The same, with a detail for the attempt's row.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// Commits the end of a step.
///
/// # Errors
/// The store's; `Fenced` when somebody else took over, and then nothing was changed.
pub async fn settle(link: &Connection, claimed: &Claimed, outcome: Outcome) -> Result<State, StoreError> {
    let word = word(&outcome.settled);
    let reason_code = reason(&outcome.settled).map(|reason| reason.code.clone());
    let reason_text = reason(&outcome.settled).map(|reason| reason.text.clone());
    if let Some((intent, _)) = outcome.close {
        link.watches.end(intent);
    }
    let told = match &outcome.standing {
        Some((order_no, state)) => write_back::told(link, claimed, order_no, state).await?,
        None => None,
    };
    let detail = outcome.detail.or(reason_text);
    let differences = columns::to_text(&outcome.differences);
    let attempt = Attempt { step: outcome.step.to_owned(), outcome: word.to_owned(), detail, differences };
    let settle = Settle {
        settled: outcome.settled,
        version: outcome.version,
        close: outcome.close,
        link: outcome.link,
        written: outcome.written,
        awaited: outcome.awaited,
        follow_ups: outcome.follow_ups.into_iter().chain(told).collect(),
        attempt: outcome.tried.then_some(attempt),
        now: link.clock.now(),
    };
    let state = match link.store.settle(&link.tenant.lease, claimed, settle).await {
        // Another record of ours has this number already, or the rows contradict the step: a person sees it in the end.
        Err(error @ (StoreError::Illegal(_) | StoreError::Stale | StoreError::Taken)) => {
            tracing::error!(trace_id = %claimed.trace_id, document_id = %claimed.id, %error, "a step cannot be settled");
            settle_contradiction(link, claimed, outcome.step, &error).await?
        }
        other => other?,
    };
    failpoint::hit(failpoint::SETTLED);
    metrics::counter!(metric::SETTLES_TOTAL, "connection" => link.name.as_str().to_owned(), "outcome" => word)
        .increment(1);
    // The reason's code only: its text may quote what IFS says of a person, and stands in the row.
    tracing::info!(
        trace_id = %claimed.trace_id, connection = %link.name, document_id = %claimed.id, order_id = claimed.order_id,
        step = outcome.step, outcome = word, %state, reason = reason_code, "a step on a document is settled"
    );
    Ok(state)
}

async fn settle_contradiction(
    link: &Connection,
    claimed: &Claimed,
    step: &'static str,
    error: &StoreError,
) -> Result<State, StoreError> {
    let text = format!("the step could not be settled: {error}");
    let outcome = failed_itself(link, claimed, step, None, &text);
    let attempt = Attempt {
        step: step.to_owned(),
        outcome: "contradiction".to_owned(),
        detail: Some(text),
        ..Attempt::default()
    };
    // An open intent forbids a park: then it is tried again at the pace of the last failure.
    let settled = match (outcome.settled, &claimed.intent) {
        (Settled::Parked(_), Some(_)) => {
            Settled::Again { own_fault: true, due_at: later(link, Duration::from_secs(900)), reason: None }
        }
        (settled, _) => settled,
    };
    let settle = Settle {
        settled,
        version: claimed.desired_version,
        close: None,
        link: None,
        written: None,
        awaited: None,
        follow_ups: Vec::new(),
        attempt: Some(attempt),
        now: link.clock.now(),
    };
    link.store.settle(&link.tenant.lease, claimed, settle).await
}

/// The end of a step whose read or guarded write failed: nothing is in doubt, so it is tried again or parked.
pub fn failed(link: &Connection, claimed: &Claimed, step: &'static str, error: &IfsError) -> Outcome {
    let text = error.to_string();
    // An answer that does not decode will not decode next time either: it is the record's own trouble.
    if matches!(error, IfsError::Undecodable(_)) {
        return failed_itself(link, claimed, step, None, &text);
    }
    let settled = match error.verdict() {
        Verdict::Retry { after, scope: Scope::Remote } => {
            again(link, false, spread(link, after.unwrap_or(REMOTE_PAUSE)), &text)
        }
        Verdict::Ambiguous | Verdict::NotSent | Verdict::Done => again(link, false, spread(link, REMOTE_PAUSE), &text),
        Verdict::Retry { after, scope: Scope::Record } => return failed_itself(link, claimed, step, after, &text),
        Verdict::Reject => {
            return Outcome::park(step, claimed, ParkKind::Refusal, "refused_by_ifs", refusal_text(&text));
        }
    };
    let outcome = Outcome::new(step, claimed.desired_version, settled);
    if matches!(error, IfsError::NotNow(_)) { outcome.untried() } else { outcome }
}

/// Up to half as long again, so that what failed together does not come back together.
fn spread(link: &Connection, pause: Duration) -> Duration {
    pause.saturating_add(pause.mul_f64(link.clock.luck() / 2.0))
}

/// The end of a write whose answer was lost: looked at again soon, and later each time. It counts against the document when
/// nobody else loses writes: then it is not the remote as a whole. What is found to be made sets the count back.
pub fn lost_answer(link: &Connection, claimed: &Claimed, step: &'static str, error: &IfsError) -> Outcome {
    let own_fault = link.tenant.losses.is_own(claimed.id, &link.tenant.ifs);
    let doublings = u32::try_from(claimed.failures()).unwrap_or(u32::MAX);
    let limits = &link.tenant.limits;
    let pause = look_up::first_pause(link).saturating_mul(2_u32.saturating_pow(doublings)).min(limits.look_up_max);
    let unknown = Settled::Unknown { due_at: later(link, pause), own_fault };
    Outcome::new(step, claimed.desired_version, unknown).detail(error.to_string())
}

/// The end of a document whose writes IFS never answered and never made, while others' were.
pub fn lost_too_often(step: &'static str, claimed: &Claimed) -> Outcome {
    let text = format!(
        "its write to IFS was lost {OWN_FAILURES_MAX} times: no answer came, and IFS had not made it, while writes of others went \
         through or nobody else wrote; find out in IFS what stops this order, then run `documents retry`"
    );
    Outcome::park(step, claimed, ParkKind::Attempts, "answers_lost_too_often", text)
}

/// The sentence for a refusal by IFS.
pub fn refusal_text(message: &str) -> String {
    format!("IFS refused it: {message}; mend it in IFS or in the mapping settings, then run `documents retry`")
}

/// The end of a step that failed by the document's own fault: again with growing pauses, then parked.
pub fn failed_itself(
    link: &Connection,
    claimed: &Claimed,
    step: &'static str,
    after: Option<Duration>,
    text: &str,
) -> Outcome {
    if claimed.failures() + 1 >= OWN_FAILURES_MAX {
        let text =
            format!("it failed {OWN_FAILURES_MAX} times, at last with: {text}; run `documents retry` when mended");
        return Outcome::park(step, claimed, ParkKind::Attempts, "failed_too_often", text);
    }
    let attempt = u32::try_from(claimed.failures() + 1).unwrap_or(u32::MAX);
    let pause = link.retry.next_delay(attempt, after, &link.clock);
    Outcome::new(step, claimed.desired_version, again(link, true, pause, text))
}

fn again(link: &Connection, own_fault: bool, pause: Duration, text: &str) -> Settled {
    let reason = Reason { kind: None, code: "failed".to_owned(), text: text.to_owned() };
    Settled::Again { own_fault, due_at: later(link, pause), reason: Some(reason) }
}

/// The service's clock, `pause` from now.
pub fn later(link: &Connection, pause: Duration) -> Timestamp {
    link.clock.now().checked_add(pause).unwrap_or(Timestamp::MAX)
}

fn word(settled: &Settled) -> &'static str {
    match settled {
        Settled::Written => "written",
        Settled::Again { .. } => "again",
        Settled::Unknown { .. } => "unknown",
        Settled::Held { .. } => "held",
        Settled::Parked(_) => "parked",
        Settled::Superseded => "superseded",
        Settled::Skipped(_) => "skipped",
    }
}

fn reason(settled: &Settled) -> Option<&Reason> {
    match settled {
        Settled::Parked(reason) | Settled::Skipped(reason) | Settled::Held { reason, .. } => Some(reason),
        Settled::Again { reason, .. } => reason.as_ref(),
        Settled::Written | Settled::Unknown { .. } | Settled::Superseded => None,
    }
}
