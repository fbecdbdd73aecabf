//! A linked customer brought up to date: read, merged three ways, changed in one change set, read back and compared. Each step
//! commits with its intent what is known of what was sent, so that no later one takes our own value for a person's.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Connection;
use super::customer::{Content, base_text};
use super::read_back::vanished_customer;
use super::settling::{Outcome, failed, failed_itself, later, refusal_text, settle};
use crate::domain::document::{ParkKind, State};
use crate::domain::ids::IntentId;
use crate::domain::verdict::Verdict;
use crate::failpoint;
use crate::ifs::Answer;
use crate::ifs::error::{IfsError, Undecodable};
use crate::ifs::wire::{PartRequest, Row, customer as wire};
use crate::mapping::customer::{DesiredCustomer, Record};
use crate::mapping::customer_merge::{CustomerPlan, ReadAddress, ReadCustomer, WrittenCustomer, plan, plan_parts};
use crate::store::{Claimed, IntentKind, NewIntent, Progress, Settled, StoreError};

/// Rounds of read, plan, write within one step when somebody else changes the customer each time.
const ROUNDS_MAX: usize = 5;
/// The bytes leave within this time of the intent's commit.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Most addresses of one customer that are looked through.
const ADDRESSES_MAX: usize = 1_000;

/// Brings a linked customer up to date, and settles. `lost` is a change whose answer never came.
///
/// # Errors
/// The store's.
pub(super) async fn keep(
    link: &Connection,
    claimed: &Claimed,
    desired: DesiredCustomer,
    base: WrittenCustomer,
    lost: Option<(IntentId, DesiredCustomer)>,
) -> Result<State, StoreError> {
    let stored = base.clone();
    let (open, base) = match lost {
        Some((intent, sent)) => (Some(Open { intent, fate: Fate::InDoubt }), base.doubting(sent)),
        None => (None, base),
    };
    let mut work = Work { link, claimed, desired, base, stored, open };
    let outcome = work.converge().await?;
    work.settle(outcome).await
}

/// What is known of the change set of an open intent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// No answer came.
    InDoubt,
    /// IFS carried it out.
    Done,
    /// IFS refused it as a whole, since the customer was changed meanwhile.
    Overtaken,
    /// It was turned away, or no byte of it left.
    TurnedAway,
}

#[derive(Clone, Copy)]
struct Open {
    intent: IntentId,
    fate: Fate,
}

impl Open {
    /// What came of it, in one word.
    const fn word(self) -> &'static str {
        match self.fate {
            Fate::InDoubt => "settled",
            Fate::Done => "changed",
            Fate::Overtaken => "overtaken",
            Fate::TurnedAway => "turned_away",
        }
    }
}

/// A change set that IFS carried out.
struct Done {
    plan: CustomerPlan,
    /// What the answer told of each record, by its name.
    told: BTreeMap<String, Row>,
}

struct Work<'a> {
    link: &'a Connection,
    claimed: &'a Claimed,
    desired: DesiredCustomer,
    base: WrittenCustomer,
    /// The base as it is committed.
    stored: WrittenCustomer,
    open: Option<Open>,
}

impl Work<'_> {
    /// 1. Read.
    /// 2. What a change set of before left there is ours; what IFS made something else of is a person's matter.
    /// 3. Plan three ways. Nothing to do, and nothing of ours that may still come: the customer is written.
    /// 4. Else one change set under the customer's ETag, and round again: what was written is proved by reading it.
    async fn converge(&mut self) -> Result<Outcome, StoreError> {
        let customer_no = self.base.customer_no.clone();
        let (mut done, mut told): (Option<Done>, Option<String>) = (None, None);
        for _ in 0..ROUNDS_MAX {
            // 1.
            let current = match read(self.link, &customer_no, &self.desired).await {
                Ok(current) => current,
                Err(IfsError::NotFound { .. }) => return Ok(vanished_customer(self.claimed, &customer_no)),
                Err(error) => return Ok(failed(self.link, self.claimed, "customer", &error)),
            };
            // 2.
            if let Some(done) = done.take() {
                self.base = self.base.clone().answered(&done.plan, &untold(&done, &current));
                let gaps = self.base.gaps(&done.plan, &current);
                if !gaps.is_empty() {
                    return Ok(self.differs(&gaps, &current));
                }
                told = Some(done.plan.told());
            }
            self.base = self.base.clone().absorbing(&current);
            // 3.
            let planned = plan(&self.base, &self.desired, &current);
            if planned.nothing_to_do() && self.base.doubtful.is_empty() {
                self.base = self.base.after(&planned, &self.desired, &current);
                return Ok(self.ended(told));
            }
            // 4. A plan that is empty still changes the customer's ETag: what is in doubt can come no more then.
            let parts = match plan_parts(&planned, &current, &customer_no) {
                Ok(parts) => parts,
                Err(error) => {
                    return Ok(failed_itself(self.link, self.claimed, "customer", None, &error.to_string()));
                }
            };
            match self.write(&parts).await? {
                Sent::Written(answers) => {
                    let told = told_of(&planned, &answers);
                    self.base = self.base.clone().answered(&planned, &told);
                    done = Some(Done { plan: planned, told });
                }
                Sent::Stale => {}
                Sent::Over(outcome) => return Ok(*outcome),
            }
        }
        let text = format!("IFS customer {customer_no} was changed by somebody else in each of {ROUNDS_MAX} rounds");
        Ok(failed_itself(self.link, self.claimed, "customer", None, &text))
    }

    fn ended(&self, told: Option<String>) -> Outcome {
        if self.base.bill_addr_no.is_none() || self.base.ship_addr_no.is_none() {
            let text = format!(
                "IFS customer {} has no default address for documents, or none for deliveries: add one in IFS, then run `documents retry`",
                self.base.customer_no
            );
            return Outcome::park("customer", self.claimed, ParkKind::Mapping, "customer_without_address", text);
        }
        let told = match told.as_deref() {
            None => "IFS holds it",
            Some("") => "IFS holds it; a change whose answer was lost can come no more",
            Some(told) => told,
        };
        Outcome::new("customer", self.claimed.desired_version, Settled::Written).detail(told)
    }

    fn differs(&mut self, gaps: &[String], current: &ReadCustomer) -> Outcome {
        let planned = plan(&self.base, &self.desired, current);
        self.base = self.base.after(&planned, &self.desired, current);
        let text = format!(
            "IFS customer {} was written, but when read back {}; correct it in IFS or in [customers], then run `documents retry`",
            self.base.customer_no,
            gaps.join(", ")
        );
        Outcome::park("customer", self.claimed, ParkKind::Mapping, "customer_differs", text)
    }

    /// Announces a change set and sends it, once. The intent of one of before closes first, with what is known of it.
    async fn write(&mut self, parts: &[PartRequest]) -> Result<Sent, StoreError> {
        let (link, claimed) = (self.link, self.claimed);
        let over = |outcome| Ok(Sent::Over(Box::new(outcome)));
        let customers = link.tenant.ifs.customers();
        let ready = match customers.ready().await {
            Ok(ready) => ready,
            Err(error) => return over(failed(link, claimed, "customer", &error)),
        };
        self.close_earlier().await?;
        let new = NewIntent {
            kind: IntentKind::Amend,
            content: Content::Write { customer: Box::new(self.desired.clone()) }.to_text(),
            desired_version: claimed.desired_version,
            parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
            send_by: later(link, SEND_WITHIN),
            needed: Duration::ZERO,
        };
        let intent = link.store.open_intent(&link.tenant.lease, claimed, new, link.clock.now()).await?;
        let mut fated = |fate| self.open = Some(Open { intent, fate });
        fated(Fate::InDoubt);
        failpoint::hit(failpoint::CUSTOMER_CHANGE_COMMITTED);
        let error = match customers.batch_write(ready, parts).await {
            Ok(answers) => {
                failpoint::hit(failpoint::CUSTOMER_CHANGE_ANSWERED);
                fated(Fate::Done);
                return Ok(Sent::Written(answers));
            }
            Err(error) => error,
        };
        match error.verdict() {
            _ if matches!(error, IfsError::Changed { .. }) => {
                fated(Fate::Overtaken);
                Ok(Sent::Stale)
            }
            // The set changes the customer under its ETag: whether it was carried out is seen when it is read again.
            Verdict::Ambiguous | Verdict::Done => {
                let due_at = later(link, link.tenant.limits.look_up_first);
                let unknown =
                    Outcome::new("customer", claimed.desired_version, Settled::Unknown { due_at, own_fault: false });
                over(unknown.detail(error.to_string()))
            }
            Verdict::Reject => {
                let text = refusal_text(&error.to_string());
                over(Outcome::park("customer", claimed, ParkKind::Refusal, "refused_by_ifs", text))
            }
            Verdict::Retry { .. } | Verdict::NotSent => {
                fated(Fate::TurnedAway);
                over(failed(link, claimed, "customer", &error))
            }
        }
    }

    /// Closes what is open, and commits the base where it came to know more: a crash forgets neither.
    async fn close_earlier(&mut self) -> Result<(), StoreError> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let knows_more = self.base != self.stored;
        let progress = Progress {
            close: Some((open.intent, open.word())),
            written: knows_more.then(|| base_text(&self.base)),
            ..Progress::default()
        };
        let (store, lease) = (&self.link.store, &self.link.tenant.lease);
        store.progress(lease, self.claimed, progress, self.link.clock.now()).await?;
        self.stored = self.base.clone();
        Ok(())
    }

    /// Settles with what is known of what was sent and answered. Only a fate in doubt keeps its intent, until it is read.
    async fn settle(self, outcome: Outcome) -> Result<State, StoreError> {
        let outcome = match self.open {
            Some(Open { fate: Fate::InDoubt, .. }) if outcome.keeps_intent() => outcome,
            Some(open) => outcome.closing(Some(open.intent), open.word()),
            None => outcome,
        };
        settle(self.link, self.claimed, outcome.with_base(base_text(&self.base))).await
    }
}

/// How the sending of a change set went.
enum Sent {
    /// IFS carried it out, and answered each part.
    Written(Vec<Answer>),
    /// Somebody changed the customer meanwhile: read again.
    Stale,
    /// The step is over.
    Over(Box<Outcome>),
}

/// The records as IFS answered them, part by part, as far as an answer tells every field that was sent: it may come without a body.
fn told_of(plan: &CustomerPlan, answers: &[Answer]) -> BTreeMap<String, Row> {
    let rows = plan.carried().zip(answers).filter_map(|(record, answer)| Some((record.name(), answer.row().ok()?)));
    let mut told: BTreeMap<String, Row> = rows.collect();
    for (record, fields) in plan.sent() {
        let name = record.name();
        if told.get(&name).is_some_and(|row| fields.keys().any(|field| row.get(field).is_none())) {
            told.remove(&name);
        }
    }
    told
}

/// The records of a change set of which its answer told too little, as they were read after it.
fn untold(done: &Done, current: &ReadCustomer) -> BTreeMap<String, Row> {
    let names = done.plan.sent().map(|(record, _)| (record.name(), record));
    let untold = names.filter(|(name, _)| !done.told.contains_key(name));
    untold.filter_map(|(name, record)| Some((name, current.row(record)?.clone()))).collect()
}

/// Reads a customer: itself and the records that we write by their keys, for their ETags; the rest by lists.
///
/// # Errors
/// The remote's; [`IfsError::NotFound`] when the customer is gone.
async fn read(link: &Connection, customer_no: &str, desired: &DesiredCustomer) -> Result<ReadCustomer, IfsError> {
    let customers = link.tenant.ifs.customers();
    let ours: Vec<&str> = desired
        .records
        .iter()
        .filter_map(|record| match &record.record {
            Record::Address(id) => Some(id.as_str()),
            Record::Customer
            | Record::AddressType(..)
            | Record::Method(..)
            | Record::OrderData
            | Record::CompanyData(_) => None,
        })
        .collect();
    let mut parts = vec![
        PartRequest::get(wire::customer(customer_no)),
        PartRequest::get(wire::under(customer_no, wire::ADDRESSES)),
        PartRequest::get(wire::under(customer_no, wire::METHODS)),
        PartRequest::get(wire::order_data(customer_no)),
        PartRequest::get(wire::company_data(customer_no, &link.rules.settings().company)),
    ];
    parts.extend(ours.iter().map(|id| PartRequest::get(wire::address(customer_no, id))));
    let mut answers = Vec::with_capacity(parts.len());
    for some in parts.chunks(link.tenant.limits.batch_parts_max.max(1)) {
        answers.extend(customers.batch_read(some).await?);
    }
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(Err(IfsError::NotReached));
    let customer = next()?.row()?;
    let (listed, methods) = (next()?.rows()?, next()?.rows()?);
    let (order_data, company_data) = (present(next())?, present(next())?);
    let mut read = ReadCustomer { customer, methods, order_data, company_data, ..ReadCustomer::default() };
    for row in listed {
        let Some(id) = row.text(wire::ADDRESS_ID).map(str::to_owned) else { continue };
        // An ETag out of a list is not to be trusted.
        read.addresses.insert(id, ReadAddress { row: Row { etag: None, ..row }, types: Vec::new() });
    }
    for id in ours {
        if let Some(row) = present(next())? {
            read.addresses.insert(id.to_owned(), ReadAddress { row, types: Vec::new() });
        }
    }
    if read.addresses.len() > ADDRESSES_MAX {
        return Err(Undecodable::new("the customer has more addresses than are looked through").into());
    }
    read_types(link, customer_no, &mut read).await?;
    Ok(read)
}

async fn read_types(link: &Connection, customer_no: &str, read: &mut ReadCustomer) -> Result<(), IfsError> {
    let customers = link.tenant.ifs.customers();
    let ids: Vec<String> = read.addresses.keys().cloned().collect();
    for some in ids.chunks(link.tenant.limits.batch_parts_max.max(1)) {
        let parts: Vec<_> = some.iter().map(|id| PartRequest::get(wire::address_types(customer_no, id))).collect();
        for (id, answer) in some.iter().zip(customers.batch_read(&parts).await?) {
            let types = answer?.rows()?;
            if let Some(address) = read.addresses.get_mut(id) {
                address.types = types;
            }
        }
    }
    Ok(())
}

/// A record that may not be there.
fn present(answer: Result<crate::ifs::Answer, IfsError>) -> Result<Option<Row>, IfsError> {
    match answer {
        Ok(answer) => answer.row().map(Some),
        Err(IfsError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
