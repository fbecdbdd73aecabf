//! New rows of an order that stands in IFS: each is announced with the rows that IFS held before, sent once, and after an
//! answer that never came found again among the rows that are new since then.

use super::amend::{Step, Work, base_of, unreadable_base};
use super::announce::{Announced, SEND_WITHIN};
use super::look_up;
use super::read_back::{base_text, read_rows, vanished};
use super::settling::{Outcome, failed, later, lost_answer, lost_too_often, refusal_text, settle};
use super::wish::Wish;
use super::{Connection, OWN_FAILURES_MAX};
use crate::domain::document::{ParkKind, State};
use crate::domain::ids::IntentId;
use crate::domain::verdict::Verdict;
use crate::failpoint;
use crate::ifs::Answer;
use crate::ifs::error::{IfsError, Undecodable};
use crate::ifs::wire::Row;
use crate::mapping::desired::{DesiredOrder, DesiredRow};
use crate::mapping::read::{ReadOrder, Target, target_of};
use crate::mapping::row_create::{RowAnnounced, is_charge, row_part, unlinked};
use crate::mapping::written::{WrittenOrder, WrittenRow};
use crate::store::{Attempt, Claimed, Intent, IntentKind, Progress, Settled, StoreError};

/// How often a row goes again in one step after an answer that closed the call without deciding it (401).
const SENDS_MAX: usize = 2;
/// Intents committed in a row without one being sent in time.
const INTENTS_MAX: usize = 3;

impl Work<'_> {
    /// Adds one row to the order, once.
    ///
    /// 1. A line that carries our key already is ours: it is linked, not made again.
    /// 2. Announce with the rows that IFS holds now, and send.
    /// 3. Link what IFS answers; everything that does not close the question stays unknown.
    pub(super) async fn create_row(
        &mut self,
        wanted: &DesiredOrder,
        row: &DesiredRow,
        current: &mut ReadOrder,
    ) -> Result<Step, StoreError> {
        let line_key_field = wanted.line_key_field.as_deref();
        // 1.
        if let Some(field) = line_key_field.filter(|_| !is_charge(row)) {
            let found = unlinked(row, field, &self.base, current);
            match found.as_slice() {
                [] => {}
                [(target, read)] => {
                    let made = WrittenRow::found(row, target.clone(), read);
                    self.base.rows.push(made);
                    self.commit("found", Some(row.key.clone())).await?;
                    return Ok(Step::On(None));
                }
                _ => return Ok(Step::over(self.several(row))),
            }
        }
        // 2.
        let announced = RowAnnounced::new(self.order_no, row, line_key_field, current);
        let part = row_part(self.order_no, row);
        for _ in 0..SENDS_MAX {
            let ready = match self.link.tenant.ifs.ready().await {
                Ok(ready) => ready,
                Err(error) => return Ok(Step::over(self.not_made(&error))),
            };
            let intent = match self.announce_row(&announced).await? {
                Some(Announced::Now(intent)) => intent,
                Some(Announced::Waits(step)) => return Ok(step),
                None => return Ok(Step::over(self.too_slow())),
            };
            failpoint::hit(failpoint::ROW_INTENT_COMMITTED);
            // 3.
            let made = self.link.tenant.ifs.send_row(ready, &part).await.and_then(|answer| made_by(&answer));
            let error = match made {
                Ok((target, answered)) => {
                    failpoint::hit(failpoint::ROW_ANSWERED);
                    return self.link_row(row, target, answered, current).await;
                }
                Err(error) => error,
            };
            match self.row_failed(&error, intent).await? {
                Some(step) => return Ok(step),
                None => continue,
            }
        }
        Ok(Step::over(self.not_made(&IfsError::Unauthorized)))
    }

    /// Commits the intent; none when the database was too slow to send in time.
    async fn announce_row(&mut self, announced: &RowAnnounced) -> Result<Option<Announced>, StoreError> {
        for _ in 0..INTENTS_MAX {
            let begun = self.link.clock.monotonic();
            let intent = match self.announce(IntentKind::Row, announced.to_text(), 1).await? {
                Announced::Now(intent) => intent,
                waits @ Announced::Waits(_) => return Ok(Some(waits)),
            };
            if self.link.clock.monotonic() - begun < SEND_WITHIN {
                return Ok(Some(Announced::Now(intent)));
            }
            self.close_unsent(intent).await?;
        }
        Ok(None)
    }

    async fn close_unsent(&mut self, intent: IntentId) -> Result<(), StoreError> {
        self.open = None;
        let (store, lease) = (&self.link.store, &self.link.tenant.lease);
        store.close_unsent_intent(lease, self.claimed, intent, self.link.clock.now()).await
    }

    /// Commits that the row is ours; the reading learns it too, so that the next row knows of it.
    async fn link_row(
        &mut self,
        row: &DesiredRow,
        target: Target,
        answered: Row,
        current: &mut ReadOrder,
    ) -> Result<Step, StoreError> {
        self.base.rows.push(WrittenRow::new(row, target, &answered));
        current.add(answered);
        self.commit("created", Some(row.key.clone())).await?;
        failpoint::hit(failpoint::ROW_LINKED);
        Ok(Step::On(None))
    }

    /// What an error means for the row; none when the same row may go again at once.
    async fn row_failed(&mut self, error: &IfsError, intent: IntentId) -> Result<Option<Step>, StoreError> {
        let text = error.to_string();
        let outcome = match error.verdict() {
            Verdict::Ambiguous | Verdict::Done => {
                self.link.watches.begin(intent, self.link.clock.monotonic());
                lost_answer(self.link, self.claimed, self.step, error)
            }
            Verdict::NotSent => self.closed(self.not_made(error), "never_sent"),
            Verdict::Retry { .. } if matches!(error, IfsError::Unauthorized) => {
                self.close_unsent(intent).await?;
                return Ok(None);
            }
            Verdict::Retry { .. } => self.closed(self.not_made(error), "turned_away"),
            Verdict::Reject => {
                let code = "row_refused_by_ifs";
                let parked = Outcome::park(self.step, self.claimed, ParkKind::Conflict, code, refusal_text(&text));
                self.closed(parked, "refused")
            }
        };
        Ok(Some(Step::over(outcome.with_base(base_text(&self.base)))))
    }

    /// The outcome, with the row's intent closed by one word: the answer decided it.
    fn closed(&mut self, outcome: Outcome, word: &'static str) -> Outcome {
        outcome.closing(self.open.take(), word)
    }

    fn not_made(&self, error: &IfsError) -> Outcome {
        failed(self.link, self.claimed, self.step, error).with_base(base_text(&self.base))
    }

    fn too_slow(&self) -> Outcome {
        let due_at = later(self.link, std::time::Duration::from_secs(1));
        let again = Settled::Again { own_fault: false, due_at, reason: None };
        let outcome = Outcome::new(self.step, self.claimed.desired_version, again);
        outcome.with_base(base_text(&self.base)).detail("the database was too slow to send in time")
    }

    fn several(&self, row: &DesiredRow) -> Outcome {
        several(self.step, self.claimed, self.order_no, row).with_base(base_text(&self.base))
    }
}

/// The row that an answer shows, with its key.
fn made_by(answer: &Answer) -> Result<(Target, Row), IfsError> {
    let row = answer.row()?;
    // Made, but we can't say which, when the key is missing: undecodable, so that it is found by what it holds.
    let target = target_of(&row).ok_or_else(|| Undecodable::new("the answer to a new row lacks its key"))?;
    Ok((target, row))
}

fn several(step: &'static str, claimed: &Claimed, order_no: &str, row: &DesiredRow) -> Outcome {
    let text = format!(
        "IFS order {order_no} holds rows that are equal to {}, or alike, beside those that are ours; one was expected: compare them with Shopify, take away in IFS what is too much, then run `documents retry`",
        row.key
    );
    Outcome::park(step, claimed, ParkKind::Ambiguity, "several_rows_of_ours", text)
}

/// Resolves a row whose answer never came, before anything else happens to its order.
///
/// 1. Note the time watched so far, then read the order.
/// 2. One new row that is equal to it is ours. Several are a person's once nothing more can come.
/// 3. None: only after not-before does the intent close, and the order is planned anew.
///
/// # Errors
/// The store's.
pub async fn resolve(link: &Connection, claimed: &Claimed, intent: &Intent) -> Result<State, StoreError> {
    let left_to_a_person = |outcome: Outcome| outcome.closing(Some(intent.id), "left_to_a_person");
    let Some(base) = base_of(claimed) else {
        return settle(link, claimed, unreadable_base("look_up", link, claimed)).await;
    };
    let Some(announced) = RowAnnounced::parse(&intent.content) else {
        let text = "what was announced of a new row does not decode: run the version that wrote it".to_owned();
        let parked = Outcome::park("look_up", claimed, ParkKind::Mapping, "unreadable_content", text);
        return settle(link, claimed, left_to_a_person(parked)).await;
    };
    // 1.
    let watched = look_up::watch(link, claimed, intent).await?;
    let left = intent.needed.saturating_sub(watched);
    let read = match read_rows(link, &announced.order_no).await {
        Ok(read) => read,
        Err(IfsError::NotFound { .. }) => {
            return settle(link, claimed, left_to_a_person(vanished(claimed, &announced.order_no))).await;
        }
        Err(error) => return wait(link, claimed, intent, left, error.to_string()).await,
    };
    let now = Settled::Again { own_fault: false, due_at: link.clock.now(), reason: None };
    let outcome = Outcome::new("look_up", claimed.desired_version, now);
    let made = announced.made(&base, &read);
    match (made.as_slice(), left.is_zero()) {
        // 2.
        ([(target, found)], _) => {
            look_up::count("row_adopted");
            let base = with_row(base, WrittenRow::found(&announced.row, target.clone(), found));
            let attempt = Attempt {
                step: "look_up".to_owned(),
                outcome: "found".to_owned(),
                detail: Some(format!("{} was made", announced.row.key)),
                ..Attempt::default()
            };
            let close = Some((intent.id, "found"));
            link.watches.end(intent.id);
            let got_on = Progress { close, link: None, written: Some(base_text(&base)), attempt: Some(attempt) };
            link.store.progress(&link.tenant.lease, claimed, got_on, link.clock.now()).await?;
            settle(link, claimed, outcome.untried()).await
        }
        // Rounded by IFS, or changed by a person before we saw it: made again it would stand there twice.
        ([], true) if announced.may_be_altered(&base, &read) => {
            let parked = several("look_up", claimed, &announced.order_no, &announced.row);
            settle(link, claimed, left_to_a_person(parked)).await
        }
        ([], true) => {
            look_up::count("row_never_committed");
            // A cancelled order wants the row no more: its cancellation goes on.
            let wanted = !matches!(Wish::parse(&claimed.desired), Ok(wish) if wish.cancels());
            let too_often = wanted && claimed.failures() >= OWN_FAILURES_MAX;
            let outcome = if too_often { lost_too_often("look_up", claimed) } else { outcome };
            let never = outcome.closing(Some(intent.id), "never_committed");
            settle(link, claimed, never.detail("not there, and its time is over")).await
        }
        (_, true) => {
            let parked = several("look_up", claimed, &announced.order_no, &announced.row);
            settle(link, claimed, left_to_a_person(parked)).await
        }
        // 3.
        ([], false) => wait(link, claimed, intent, left, "not there yet".to_owned()).await,
        (_, false) => wait(link, claimed, intent, left, "there more than once".to_owned()).await,
    }
}

async fn wait(
    link: &Connection,
    claimed: &Claimed,
    intent: &Intent,
    left: std::time::Duration,
    detail: String,
) -> Result<State, StoreError> {
    // Its time may be over while IFS cannot be read: the usual pauses then.
    let left = if left.is_zero() { std::time::Duration::MAX } else { left };
    let due_at = later(link, look_up::pause(link, intent, left));
    let unknown = Outcome::new("look_up", intent.desired_version, Settled::Unknown { due_at, own_fault: false });
    settle(link, claimed, unknown.detail(detail)).await
}

fn with_row(mut base: WrittenOrder, row: WrittenRow) -> WrittenOrder {
    base.rows.push(row);
    base
}
