//! A customer as IFS holds it, merged three ways with what it should hold: what is missing is made, what Shopify changed
//! is changed, and what a person changed or took away stays as the person left it. The base is `written`'s.

mod written;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::customer::{DesiredCustomer, DesiredRecord, Record};
use super::desired::Fields;
use super::field::held;
use super::scalar::Scalar;
use super::written::{WrittenField, WrittenFields};
use crate::ifs::wire::{PartRequest, Row, customer as wire, names};
pub use written::WrittenCustomer;

/// How the customer became ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// We made it: what a template said in our fields gives way to Shopify's word.
    Made,
    /// It stood there: what it says stays, and only what is missing is added.
    Found,
}

/// One address as IFS holds it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadAddress {
    /// The record.
    pub row: Row,
    /// Its types.
    pub types: Vec<Row>,
}

/// A customer as IFS holds it now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadCustomer {
    /// The customer, with its ETag.
    pub customer: Row,
    /// Its addresses by `AddressId`; those that we write were read by key, with their ETags.
    pub addresses: BTreeMap<String, ReadAddress>,
    /// Its means of communication.
    pub methods: Vec<Row>,
    /// Its order data, with its ETag.
    pub order_data: Option<Row>,
    /// Its data in our company, with its ETag.
    pub company_data: Option<Row>,
}

impl ReadCustomer {
    /// The record, where it stands there.
    pub fn row(&self, record: &Record) -> Option<&Row> {
        match record {
            Record::Customer => Some(&self.customer),
            Record::Address(id) => self.addresses.get(id).map(|address| &address.row),
            Record::AddressType(id, code) => {
                let types = &self.addresses.get(id)?.types;
                types.iter().find(|row| row.text(wire::ADDRESS_TYPE_CODE) == Some(code))
            }
            Record::Method(method, value) => self.methods.iter().find(|row| {
                row.text(wire::METHOD_ID) == Some(method)
                    && row.text(wire::VALUE).is_some_and(|held| is_same_method(value, held))
            }),
            Record::OrderData => self.order_data.as_ref(),
            Record::CompanyData(_) => self.company_data.as_ref(),
        }
    }

    /// The customer's default address of a type; else the only one of that type.
    fn address_for(&self, code: &str) -> Option<&str> {
        let of_type = |row: &&Row| row.text(wire::ADDRESS_TYPE_CODE) == Some(code);
        let typed: Vec<(&String, &Row)> =
            self.addresses.iter().filter_map(|(id, address)| Some((id, address.types.iter().find(of_type)?))).collect();
        let default = typed.iter().find(|(_, row)| is_true(row, wire::DEF_ADDRESS));
        let chosen = default.or(if typed.len() == 1 { typed.first() } else { None });
        chosen.map(|(id, _)| id.as_str())
    }
}

/// Whether two writings name one e-mail address, or one telephone number: IFS may write a number in groups, or without them.
fn is_same_method(ours: &str, held: &str) -> bool {
    if ours.contains('@') {
        return ours.trim().to_lowercase() == held.trim().to_lowercase();
    }
    Scalar::text(ours).is_alike(&Scalar::text(held))
}

fn is_true(row: &Row, field: &str) -> bool {
    row.get(field).is_some_and(|value| value.as_bool() == Some(true) || matches!(value.as_str(), Some("TRUE" | "true")))
}

/// The fields of one record that change: to a value, or to nothing.
pub type Patch = BTreeMap<String, Option<Scalar>>;

/// What is to be done about a customer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomerPlan {
    /// Records to make, in order.
    pub made: Vec<DesiredRecord>,
    /// Changes of records that stand there.
    pub patched: Vec<(Record, Patch)>,
    /// Fields that both changed, where the person's word stays.
    pub yielded: BTreeSet<(String, String)>,
    /// Records that stand there and are taken over as they are.
    pub taken: BTreeSet<String>,
}

impl CustomerPlan {
    /// Whether IFS holds everything.
    pub fn nothing_to_do(&self) -> bool {
        self.made.is_empty() && self.patched.is_empty()
    }

    /// The records that its change set carries, part by part (see [`plan_parts`]).
    pub fn carried(&self) -> impl Iterator<Item = &Record> {
        let patched = self.patched.iter().map(|(record, _)| record).filter(|record| **record != Record::Customer);
        std::iter::once(&Record::Customer).chain(patched).chain(self.made.iter().map(|made| &made.record))
    }

    /// What it sends: the fields of each record that it changes or makes.
    pub fn sent(&self) -> impl Iterator<Item = (&Record, Patch)> {
        let patched = self.patched.iter().map(|(record, fields)| (record, fields.clone()));
        let whole =
            |fields: &Fields| fields.iter().map(|(field, value)| (field.clone(), Some(value.clone()))).collect();
        patched.chain(self.made.iter().map(move |made| (&made.record, whole(&made.fields))))
    }

    /// What it does, by names: no values, since they are a person's.
    pub fn told(&self) -> String {
        let made = self.made.iter().map(|record| format!("made {}", record.record.name()));
        let patched = self
            .patched
            .iter()
            .flat_map(|(record, fields)| fields.keys().map(move |field| format!("{} {field}", record.name())));
        made.chain(patched).collect::<Vec<_>>().join(", ")
    }
}

/// Plans the way from what IFS holds to what it should hold.
pub fn plan(base: &WrittenCustomer, desired: &DesiredCustomer, current: &ReadCustomer) -> CustomerPlan {
    let mut plan = CustomerPlan::default();
    for wanted in &desired.records {
        let name = wanted.record.name();
        let settled = base.records.get(&name);
        let Some(row) = current.row(&wanted.record) else {
            // A person took it away: it stays away.
            if settled.is_none() && is_needed(base, wanted, current) {
                plan.made.push(wanted.clone());
            }
            continue;
        };
        if settled.is_none() && base.origin == Origin::Found {
            plan.taken.insert(name);
            continue;
        }
        let unsent = WrittenField { sent: None, answered: None };
        let mut patch = Patch::new();
        for (field, value) in &wanted.fields {
            let written = settled.and_then(|fields| fields.get(field)).unwrap_or(&unsent);
            // 1. Shopify did not change it.
            if written.sent.as_ref() == Some(value) {
                continue;
            }
            // 2. IFS holds it already.
            let now = held(row, field, Some(value), written);
            if now.as_ref() == Some(value) {
                continue;
            }
            // 3. A person changed it too: the person's word stays.
            let was_answered = written.sent.is_some() || written.answered.is_some();
            if settled.is_some() && was_answered && now != written.answered {
                plan.yielded.insert((name.clone(), field.clone()));
                continue;
            }
            patch.insert(field.clone(), Some(value.clone()));
        }
        // The same for what Shopify dropped: the rest of an address would stand beside another street or country.
        for (field, written) in dropped(settled, &wanted.record, &wanted.fields) {
            match held(row, field, None, written) {
                None => {}
                now if now == written.answered => drop(patch.insert(field.clone(), None)),
                Some(_) => drop(plan.yielded.insert((name.clone(), field.clone()))),
            }
        }
        if !patch.is_empty() {
            plan.patched.push((wanted.record.clone(), patch));
        }
    }
    plan
}

/// The fields of an address that we sent and that Shopify says no more. Of other records what is not said is left to IFS.
fn dropped<'a>(
    settled: Option<&'a WrittenFields>,
    record: &Record,
    wanted: &'a Fields,
) -> impl Iterator<Item = (&'a String, &'a WrittenField)> + use<'a> {
    let settled = settled.filter(|_| matches!(record, Record::Address(_)));
    let sent = settled.into_iter().flatten().filter(|(_, written)| written.sent.is_some());
    sent.filter(|(field, _)| !wanted.contains_key(*field))
}

/// A customer that stood there and has its own addresses for invoices and deliveries needs none of ours, unless an order
/// names it.
fn is_needed(base: &WrittenCustomer, wanted: &DesiredRecord, current: &ReadCustomer) -> bool {
    let has_own = || current.address_for(wire::DOCUMENT).is_some() && current.address_for(wire::DELIVERY).is_some();
    match &wanted.record {
        Record::Address(id) | Record::AddressType(id, _) => {
            base.origin == Origin::Made || super::customer::is_of_content(id) || !has_own()
        }
        Record::Customer | Record::Method(..) | Record::OrderData | Record::CompanyData(_) => true,
    }
}

/// The parts of the one change set that carries a plan out.
///
/// It always changes the customer's own record under its ETag, so that a set which IFS carries out late, after it was
/// sent anew, is refused as a whole: nothing is made twice.
///
/// # Errors
/// The record that was read without an ETag.
pub fn plan_parts(plan: &CustomerPlan, current: &ReadCustomer, customer_no: &str) -> Result<Vec<PartRequest>, NoEtag> {
    let etag_of = |record: &Record| {
        let etag = current.row(record).and_then(|row| row.etag.clone());
        etag.ok_or_else(|| NoEtag(record.name()))
    };
    let own = plan.patched.iter().find(|(record, _)| *record == Record::Customer).map(|(_, patch)| body(patch));
    let guard = match own {
        Some(own) => own,
        None => {
            let name = current.customer.get(names::NAME).cloned().unwrap_or(Value::Null);
            Value::Object(Map::from_iter([(names::NAME.to_owned(), name)]))
        }
    };
    let mut parts = vec![PartRequest::patch(wire::customer(customer_no), etag_of(&Record::Customer)?, guard)];
    for (record, patch) in plan.patched.iter().filter(|(record, _)| *record != Record::Customer) {
        parts.push(PartRequest::patch(url_of(record, customer_no), etag_of(record)?, body(patch)));
    }
    for wanted in &plan.made {
        let url = list_of(&wanted.record, customer_no);
        parts.push(PartRequest::post(url, Value::Object(birth(wanted, plan, current, customer_no))));
    }
    Ok((1_u32..).zip(parts).map(|(content_id, part)| part.with_content_id(content_id)).collect())
}

/// A record that is to be changed was read without an ETag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} was read without its ETag: a change without one would overwrite what a person wrote")]
pub struct NoEtag(String);

fn body(patch: &Patch) -> Value {
    let told = |value: &Option<Scalar>| value.as_ref().map_or(Value::Null, Scalar::to_json);
    Value::Object(patch.iter().map(|(field, value)| (field.clone(), told(value))).collect())
}

fn json(fields: &Fields) -> Map<String, Value> {
    fields.iter().map(|(field, value)| (field.clone(), value.to_json())).collect()
}

/// The whole body of a record that is made.
fn birth(wanted: &DesiredRecord, plan: &CustomerPlan, current: &ReadCustomer, customer_no: &str) -> Map<String, Value> {
    let mut body = json(&wanted.at_birth);
    body.extend(json(&wanted.fields));
    let mut put = |field: &str, value: Value| drop(body.insert(field.to_owned(), value));
    match &wanted.record {
        Record::Customer => {}
        Record::Address(_) => put(wire::CUSTOMER_ID, customer_no.into()),
        Record::AddressType(_, code) => {
            put(wire::CUSTOMER_ID, customer_no.into());
            put(wire::DEF_ADDRESS, Value::Bool(current.address_for(code).is_none() && is_first(wanted, plan)));
        }
        Record::Method(method, _) => {
            let has_one = current.methods.iter().any(|row| row.text(wire::METHOD_ID) == Some(method));
            put(wire::METHOD_DEFAULT, Value::Bool(!has_one && is_first(wanted, plan)));
        }
        Record::OrderData => put(names::CUSTOMER_NO, customer_no.into()),
        Record::CompanyData(_) => put(wire::IDENTITY, customer_no.into()),
    }
    body
}

/// Whether it is the first of its kind that the plan makes: one default is enough.
fn is_first(wanted: &DesiredRecord, plan: &CustomerPlan) -> bool {
    let kind = |record: &Record| match record {
        Record::AddressType(_, code) => Some(code.clone()),
        Record::Method(method, _) => Some(method.clone()),
        Record::Customer | Record::Address(_) | Record::OrderData | Record::CompanyData(_) => None,
    };
    let first = plan.made.iter().find(|made| kind(&made.record) == kind(&wanted.record));
    first.is_some_and(|first| first.record == wanted.record)
}

fn url_of(record: &Record, customer_no: &str) -> String {
    match record {
        Record::Customer => wire::customer(customer_no),
        Record::Address(id) => wire::address(customer_no, id),
        Record::OrderData => wire::order_data(customer_no),
        Record::CompanyData(company) => wire::company_data(customer_no, company),
        // They hold no field that is kept up to date, so that no plan patches them: IFS refuses a PATCH of the whole list.
        Record::AddressType(..) | Record::Method(..) => list_of(record, customer_no),
    }
}

fn list_of(record: &Record, customer_no: &str) -> String {
    match record {
        Record::Customer => wire::CUSTOMER_SET.to_owned(),
        Record::Address(_) => wire::under(customer_no, wire::ADDRESSES),
        Record::AddressType(id, _) => wire::address_types(customer_no, id),
        Record::Method(..) => wire::under(customer_no, wire::METHODS),
        Record::OrderData => wire::under(customer_no, wire::ORDER_DATA),
        Record::CompanyData(_) => wire::under(customer_no, wire::COMPANY_DATA),
    }
}

/// The part that makes the customer: the copy of its template, or the POST of its own record.
pub fn birth_part(desired: &DesiredCustomer, copy_action: &str) -> PartRequest {
    let text = |text: &str| Value::String(text.to_owned());
    let Some(template) = &desired.template else {
        let mut body = Map::new();
        if let Some(own) = desired.record(&Record::Customer) {
            body.extend(json(&own.at_birth));
            body.extend(json(&own.fields));
        }
        if let Some(own_id) = &desired.own_id {
            body.insert(wire::CUSTOMER_ID.to_owned(), text(own_id));
        }
        return PartRequest::post(wire::CUSTOMER_SET, Value::Object(body));
    };
    let mut body = Map::from_iter([
        (wire::CUSTOMER_ID.to_owned(), text(template)),
        (wire::NEW_NAME.to_owned(), text(&desired.name)),
        (wire::NEW_CATEGORY.to_owned(), text(&desired.category)),
        (wire::ASSOCIATION_NO.to_owned(), text(&desired.association_no)),
    ]);
    if let Some(own_id) = &desired.own_id {
        body.insert(wire::NEW_ID.to_owned(), text(own_id));
    }
    PartRequest::post(copy_action, Value::Object(body))
}

#[cfg(test)]
mod tests;
