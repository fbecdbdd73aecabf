//! A claimed customer document towards what is desired: found by an exact key or made, then each record brought up to date,
//! read back and compared. A step may be cut off anywhere: what it left in the rows says how the next one goes on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Connection;
use super::customer_create::{self, Become};
use super::read_back::vanished_customer;
use super::settling::{Outcome, failed, failed_itself, later, refusal_text, settle};
use super::wish::park_reason;
use crate::domain::document::{ParkKind, State, Wanted};
use crate::domain::ids::IntentId;
use crate::domain::verdict::Verdict;
use crate::failpoint;
use crate::ifs::error::{IfsError, Undecodable};
use crate::ifs::wire::{PartRequest, Row, customer as wire};
use crate::mapping::customer::{DesiredCustomer, Record};
use crate::mapping::customer_merge::{
    CustomerPlan, Origin, ReadAddress, ReadCustomer, WrittenCustomer, gaps, plan, plan_parts,
};
use crate::mapping::park::ParkReason;
use crate::store::{self, Claimed, IntentKind, NewIntent, Reason, Settled, StoreError};

/// Rounds of read, plan, write within one step when somebody else changes the customer each time.
const ROUNDS_MAX: usize = 5;
/// The bytes leave within this time of the intent's commit.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// Most addresses of one customer that are looked through.
const ADDRESSES_MAX: usize = 1_000;

/// What a customer's document asks for, as it is stored in `documents.desired`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "wanted")]
pub enum Content {
    /// IFS shall hold this customer.
    Write {
        /// The customer as IFS shall hold it.
        customer: Box<DesiredCustomer>,
    },
    /// A person must decide.
    Park {
        /// A stable word.
        code: String,
        /// One sentence for a person.
        text: String,
    },
}

impl Content {
    /// What the mapping made of the customer.
    pub fn of(desired: Result<DesiredCustomer, ParkReason>) -> Self {
        match desired {
            Ok(customer) => Self::Write { customer: Box::new(customer) },
            Err(reason) => Self::Park { code: reason.code.to_owned(), text: reason.text },
        }
    }

    /// Reads a stored content; `None` for another version's.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The stored text.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a customer holds nothing that JSON cannot")
    }

    /// Digest of what is kept up to date: an equal one changes nothing.
    pub fn digest(&self) -> String {
        match self {
            Self::Write { customer } => customer.digest(),
            Self::Park { code, text } => format!("park {code} {text}"),
        }
    }

    /// What the store needs to know of it.
    pub fn for_store(&self) -> store::Wish {
        let (wanted, reason) = match self {
            Self::Write { .. } => (Wanted::Write, None),
            Self::Park { code, text } => (Wanted::Park, Some(park_reason(ParkKind::Mapping.as_str(), code, text))),
        };
        store::Wish { wanted, content: self.to_text(), digest: self.digest(), reason, due_at: None }
    }
}

/// Takes the next step of a claimed customer and settles it.
///
/// 1. A create whose answer was lost is looked up; nothing else may happen before.
/// 2. A customer that is linked is brought up to date; else it is looked for by its exact keys, then made.
///
/// # Errors
/// The store's; the claim ends with this process's lease then.
pub async fn converge(link: &Connection, claimed: &Claimed) -> Result<State, StoreError> {
    let open = claimed.intent.as_ref().map(|intent| intent.id);
    // 1.
    if let Some(intent) = &claimed.intent
        && intent.kind == IntentKind::Create
    {
        let Some(Content::Write { customer }) = Content::parse(&intent.content) else {
            let again = failed_itself(
                link,
                claimed,
                "look_up",
                None,
                "the open intent does not decode: run the version that wrote it",
            );
            return settle(link, claimed, again).await;
        };
        return match customer_create::resolve(link, claimed, intent, &customer).await? {
            Become::Linked(base) => keep(link, claimed, newest(claimed, *customer), base, None).await,
            Become::Settled(outcome) => settle(link, claimed, *outcome).await,
        };
    }
    // 2.
    let customer = match Content::parse(&claimed.desired) {
        Some(Content::Write { customer }) => *customer,
        Some(Content::Park { code, text }) => {
            let parked = Settled::Parked(park_reason(ParkKind::Mapping.as_str(), &code, &text));
            let parked = Outcome::new("plan", claimed.desired_version, parked);
            return settle(link, claimed, parked.closing(open, "settled")).await;
        }
        None => {
            let text = "documents.desired holds content that this version does not know; run the version that wrote it"
                .to_owned();
            let parked = Outcome::park("plan", claimed, ParkKind::Mapping, "unreadable_content", text);
            return settle(link, claimed, parked.closing(open, "settled")).await;
        }
    };
    if let Some(customer_no) = &claimed.order_no {
        let base = claimed.written.as_deref().and_then(|text| serde_json::from_str::<WrittenCustomer>(text).ok());
        let base = base.unwrap_or_else(|| WrittenCustomer::new(customer_no, Origin::Found));
        return keep(link, claimed, customer, base, open).await;
    }
    match customer_create::find_or_make(link, claimed, &customer).await? {
        Become::Linked(base) => keep(link, claimed, customer, base, None).await,
        Become::Settled(outcome) => settle(link, claimed, *outcome).await,
    }
}

/// What is desired by now, where it decodes, rather than what an old intent sent.
fn newest(claimed: &Claimed, sent: DesiredCustomer) -> DesiredCustomer {
    match Content::parse(&claimed.desired) {
        Some(Content::Write { customer }) => *customer,
        Some(Content::Park { .. }) | None => sent,
    }
}

/// Brings a linked customer up to date.
///
/// 1. Read, and plan three ways.
/// 2. Nothing to do: the base is kept, the customer is written.
/// 3. Else one change set under the customer's ETag, and round again: what was written is proved by reading it.
async fn keep(
    link: &Connection,
    claimed: &Claimed,
    desired: DesiredCustomer,
    base: WrittenCustomer,
    mut open: Option<IntentId>,
) -> Result<State, StoreError> {
    let customer_no = base.customer_no.clone();
    let mut done: Option<CustomerPlan> = None;
    for _ in 0..ROUNDS_MAX {
        // 1.
        let current = match read(link, &customer_no, &desired).await {
            Ok(current) => current,
            Err(IfsError::NotFound { .. }) => {
                let outcome = vanished_customer(claimed, &customer_no);
                return settle(link, claimed, outcome.closing(open, "settled")).await;
            }
            Err(error) => return settle(link, claimed, settled_read(link, claimed, &error, open)).await,
        };
        let planned = plan(&base, &desired, &current);
        // 2.
        if planned.nothing_to_do() {
            let after = base.after(&planned, &desired, &current);
            let outcome = ended(claimed, &after, done.as_ref());
            return settle(link, claimed, outcome.closing(open, "settled")).await;
        }
        if done.as_ref() == Some(&planned) {
            let text = format!(
                "IFS customer {customer_no} was written, but when read back {}; correct it in IFS or in [customers], then run `documents retry`",
                gaps(&planned).join(", ")
            );
            let parked = Outcome::park("customer", claimed, ParkKind::Mapping, "customer_differs", text);
            let after = base.after(&planned, &desired, &current);
            return settle(link, claimed, parked.with_base(base_text(&after)).closing(open, "settled")).await;
        }
        // 3.
        if let Some(earlier) = open.take() {
            link.store.close_unsent_intent(&link.tenant.lease, claimed, earlier, link.clock.now()).await?;
        }
        let parts = match plan_parts(&planned, &current, &customer_no) {
            Ok(parts) => parts,
            Err(error) => {
                return settle(link, claimed, failed_itself(link, claimed, "customer", None, &error.to_string())).await;
            }
        };
        match write(link, claimed, &desired, &parts, &mut open).await? {
            Sent::Written => done = Some(planned),
            Sent::Stale => {}
            Sent::Over(outcome) => {
                let outcome = if outcome.keeps_intent() { *outcome } else { outcome.closing(open, "settled") };
                return settle(link, claimed, outcome).await;
            }
        }
    }
    let text = format!("IFS customer {customer_no} was changed by somebody else in each of {ROUNDS_MAX} rounds");
    let outcome = failed_itself(link, claimed, "customer", None, &text);
    settle(link, claimed, outcome.closing(open, "overtaken")).await
}

fn ended(claimed: &Claimed, after: &WrittenCustomer, done: Option<&CustomerPlan>) -> Outcome {
    if after.bill_addr_no.is_none() || after.ship_addr_no.is_none() {
        let text = format!(
            "IFS customer {} has no default address for documents, or none for deliveries: add one in IFS, then run `documents retry`",
            after.customer_no
        );
        let parked = Outcome::park("customer", claimed, ParkKind::Mapping, "customer_without_address", text);
        return parked.with_base(base_text(after));
    }
    let outcome = Outcome::new("customer", claimed.desired_version, Settled::Written).with_base(base_text(after));
    outcome.detail(done.map_or_else(|| "IFS holds it".to_owned(), CustomerPlan::told))
}

/// How the sending of a change set went.
enum Sent {
    /// IFS carried it out.
    Written,
    /// Somebody changed the customer meanwhile: read again.
    Stale,
    /// The step is over.
    Over(Box<Outcome>),
}

async fn write(
    link: &Connection,
    claimed: &Claimed,
    desired: &DesiredCustomer,
    parts: &[PartRequest],
    open: &mut Option<IntentId>,
) -> Result<Sent, StoreError> {
    let over = |outcome| Ok(Sent::Over(Box::new(outcome)));
    let customers = link.tenant.ifs.customers();
    let ready = match customers.ready().await {
        Ok(ready) => ready,
        Err(error) => return over(failed(link, claimed, "customer", &error)),
    };
    let new = NewIntent {
        kind: IntentKind::Amend,
        content: Content::Write { customer: Box::new(desired.clone()) }.to_text(),
        desired_version: claimed.desired_version,
        parts: u32::try_from(parts.len()).unwrap_or(u32::MAX),
        send_by: later(link, SEND_WITHIN),
        needed: Duration::ZERO,
    };
    *open = Some(link.store.open_intent(&link.tenant.lease, claimed, new, link.clock.now()).await?);
    failpoint::hit(failpoint::CUSTOMER_CHANGE_COMMITTED);
    let error = match customers.batch_write(ready, parts).await {
        Ok(_) => {
            failpoint::hit(failpoint::CUSTOMER_CHANGE_ANSWERED);
            return Ok(Sent::Written);
        }
        Err(error) => error,
    };
    match error.verdict() {
        _ if matches!(error, IfsError::Changed { .. }) => Ok(Sent::Stale),
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
        Verdict::Retry { .. } | Verdict::NotSent => over(failed(link, claimed, "customer", &error)),
    }
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
    let mut answers = customers.batch_read(&parts).await?.into_iter();
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

/// A reading that failed leaves an open intent open: what it sent is seen by the next one.
fn settled_read(link: &Connection, claimed: &Claimed, error: &IfsError, open: Option<IntentId>) -> Outcome {
    let outcome = failed(link, claimed, "customer", error);
    if outcome.keeps_intent() { outcome } else { outcome.closing(open, "settled") }
}

/// The stored form of a base.
pub(super) fn base_text(base: &WrittenCustomer) -> String {
    serde_json::to_string(base).expect("a base holds nothing that JSON cannot")
}

/// A reason with its stable word.
pub(super) fn reason(code: &str, text: String) -> Reason {
    Reason { kind: None, code: code.to_owned(), text }
}
