//! The base of a customer: what we sent, field by field, and what IFS made of it. A value that IFS writes otherwise than it was
//! sent is IFS's answer, not a person's change; nor is one whose answer was lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CustomerPlan, Origin, ReadCustomer, dropped, plan};
use crate::ifs::wire::{Row, customer as wire};
use crate::mapping::customer::{DesiredCustomer, Record};
use crate::mapping::desired::Fields;
use crate::mapping::field::held;
use crate::mapping::scalar::Scalar;
use crate::mapping::written::{WrittenField, WrittenFields};

/// Changes in doubt that are remembered at most; older ones were followed by so many that they are over.
const DOUBTFUL_MAX: usize = 5;

/// The base of a customer: for each record of ours what was sent and what IFS answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenCustomer {
    /// Version of this shape.
    pub version: u32,
    /// `CustomerId`.
    pub customer_no: String,
    /// How it became ours.
    pub origin: Origin,
    /// The records that were made or taken over. A record that is not here was never settled.
    pub records: BTreeMap<String, WrittenFields>,
    /// The address for invoices; none before the first whole reading.
    pub bill_addr_no: Option<String>,
    /// The address for deliveries that name none of their own.
    pub ship_addr_no: Option<String>,
    /// What was sent without an answer, oldest first, and has not been seen in IFS: it may still be carried out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubtful: Vec<DesiredCustomer>,
}

impl WrittenCustomer {
    /// The shape that this code writes.
    pub const VERSION: u32 = 1;

    /// The base of a customer of which nothing was read yet.
    pub fn new(customer_no: impl Into<String>, origin: Origin) -> Self {
        Self {
            version: Self::VERSION,
            customer_no: customer_no.into(),
            origin,
            records: BTreeMap::new(),
            bill_addr_no: None,
            ship_addr_no: None,
            doubtful: Vec::new(),
        }
    }

    /// The base, knowing that this was sent and that its answer was lost.
    #[must_use]
    pub fn doubting(mut self, sent: DesiredCustomer) -> Self {
        if self.doubtful.last() != Some(&sent) {
            self.doubtful.push(sent);
        }
        let over = self.doubtful.len().saturating_sub(DOUBTFUL_MAX);
        self.doubtful.drain(..over);
        self
    }

    /// The base after a reading: what of the changes in doubt IFS holds is ours, and a change that is there whole is in doubt no
    /// more.
    #[must_use]
    pub fn absorbing(mut self, current: &ReadCustomer) -> Self {
        for sent in std::mem::take(&mut self.doubtful) {
            for wanted in &sent.records {
                self.absorb(&wanted.record, &wanted.fields, current.row(&wanted.record));
            }
            if !plan(&self, &sent, current).nothing_to_do() {
                self.doubtful.push(sent);
            }
        }
        self
    }

    fn absorb(&mut self, record: &Record, fields: &Fields, row: Option<&Row>) {
        let Some(row) = row else { return };
        let name = record.name();
        let settled = self.records.get(&name);
        let mut ours = Vec::new();
        for (field, value) in fields {
            let unsent = WrittenField { sent: None, answered: None };
            let written = settled.and_then(|known| known.get(field)).unwrap_or(&unsent);
            if written.sent.as_ref() == Some(value) {
                continue;
            }
            let now = held(row, field, Some(value), written);
            // Unchanged since the last answer, it tells nothing of the change in doubt.
            let is_ours = now.as_ref() == Some(value) || (now != written.answered && is_alike(value, now.as_ref()));
            if is_ours {
                ours.push((field.clone(), WrittenField { sent: Some(value.clone()), answered: now }));
            } else if settled.is_none() && self.origin == Origin::Found {
                // It stood there, and says something else: it is taken over as it is.
                return;
            }
        }
        // A field that was to be emptied and is empty, where it was not.
        let emptied = dropped(settled, record, fields)
            .filter(|(field, written)| written.answered.is_some() && held(row, field, None, written).is_none());
        ours.extend(emptied.map(|(field, _)| (field.clone(), WrittenField { sent: None, answered: None })));
        self.records.entry(name).or_default().extend(ours);
    }

    /// The base after IFS answered a change set: for each record that it carried, as far as `rows` tells of it, what was sent and
    /// what IFS made of it. Where that is something else altogether, it is not counted as written ([`gaps`](Self::gaps)).
    ///
    /// Nothing is in doubt any more: an older set that IFS carried out now would meet another ETag.
    #[must_use]
    pub fn answered(mut self, plan: &CustomerPlan, rows: &BTreeMap<String, Row>) -> Self {
        self.doubtful.clear();
        for (record, fields) in plan.sent() {
            let name = record.name();
            let Some(row) = rows.get(&name) else { continue };
            let known = self.records.entry(name).or_default();
            for (field, value) in fields {
                let written = known.entry(field.clone()).or_insert(WrittenField { sent: None, answered: None });
                let answered = held(row, &field, value.as_ref(), written);
                let is_written = match &value {
                    Some(value) => is_alike(value, answered.as_ref()),
                    None => answered.is_none(),
                };
                if is_written {
                    written.sent = value;
                }
                written.answered = answered;
            }
        }
        self
    }

    /// What IFS lacks of a change set after it was answered and read back: nothing in the list means that it holds what it should,
    /// perhaps in another writing.
    pub fn gaps(&self, plan: &CustomerPlan, current: &ReadCustomer) -> Vec<String> {
        let mut gaps = Vec::new();
        for (record, fields) in plan.sent() {
            let name = record.name();
            if current.row(record).is_none() {
                gaps.push(format!("{name} is not there"));
                continue;
            }
            let known = self.records.get(&name);
            let sent =
                |field: &String| known.and_then(|known| known.get(field)).and_then(|written| written.sent.as_ref());
            let other = fields.iter().filter(|(field, value)| sent(field) != value.as_ref());
            gaps.extend(other.map(|(field, _)| format!("{name} {field} holds something else")));
        }
        gaps
    }

    /// The base after a reading in which a plan found nothing to write.
    #[must_use]
    pub fn after(&self, plan: &CustomerPlan, desired: &DesiredCustomer, read: &ReadCustomer) -> Self {
        let mut after = self.clone();
        for wanted in &desired.records {
            let name = wanted.record.name();
            let Some(row) = read.row(&wanted.record) else { continue };
            let taken = plan.taken.contains(&name);
            let known = after.records.entry(name.clone()).or_default();
            for (field, value) in &wanted.fields {
                let written = known.entry(field.clone()).or_insert(WrittenField { sent: None, answered: None });
                let now = held(row, field, Some(value), written);
                let yielded = plan.yielded.contains(&(name.clone(), field.clone()));
                if taken || (written.sent.as_ref() != Some(value) && now.as_ref() == Some(value)) {
                    *written = WrittenField { sent: Some(value.clone()), answered: now };
                } else if yielded {
                    written.sent = Some(value.clone());
                }
            }
            let settled = self.records.get(&name);
            for (field, written) in dropped(settled, &wanted.record, &wanted.fields) {
                let now = held(row, field, None, written);
                if now.is_none() || plan.yielded.contains(&(name.clone(), field.clone())) {
                    let answered = now.and(written.answered.clone());
                    known.insert(field.clone(), WrittenField { sent: None, answered });
                }
            }
        }
        after.bill_addr_no = self.address(desired, read, wire::DOCUMENT);
        after.ship_addr_no = self.address(desired, read, wire::DELIVERY);
        after
    }

    /// The default address of a type, else the one that we made for it.
    fn address(&self, desired: &DesiredCustomer, read: &ReadCustomer, code: &str) -> Option<String> {
        let ours = || {
            desired.records.iter().find_map(|wanted| match &wanted.record {
                Record::AddressType(id, of) if of == code && read.row(&wanted.record).is_some() => Some(id.as_str()),
                _ => None,
            })
        };
        read.address_for(code).or_else(ours).map(str::to_owned)
    }

    /// Whether an order may name this customer, and the addresses that it names.
    pub fn serves(&self, bill: Option<&str>, ship: Option<&str>) -> Option<(String, String)> {
        let stands = |id: &str| self.records.contains_key(&Record::Address(id.to_owned()).name());
        let named = |wanted: Option<&str>, own: &Option<String>| match wanted {
            Some(id) => stands(id).then(|| id.to_owned()),
            None => own.clone(),
        };
        Some((named(bill, &self.bill_addr_no)?, named(ship, &self.ship_addr_no)?))
    }
}

/// Whether IFS holds the value, perhaps in another writing.
fn is_alike(value: &Scalar, held: Option<&Scalar>) -> bool {
    held.is_some_and(|held| value.is_alike(held))
}
