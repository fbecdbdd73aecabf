//! A received OData request as a piece of work: what class it is, which keys it names, how long IFS may
//! take for it, and how it is carried out (change sets all or nothing) and answered.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::Value;

use super::super::ledger::Class;
use super::super::listen::{Answer, build};
use super::batch::{self, Answered, Change, Embedded, Section};
use super::customer;
use super::customer::schema::CUSTOMER;
use super::error::OdataError;
use super::filter::Filter;
use super::path::{Target, parse};
use super::people;
use super::run::{Done, Engine, Operation, Projection};
use super::schema::HEADER;
use super::tables::Tables;

/// IFS's own limit for one statement when the caller asks for none.
const STATEMENT_LIMIT_SECS: u64 = 900;

/// What a request asks for.
#[derive(Clone, Debug)]
pub(super) enum Work {
    One(Operation),
    Batch {
        sections: Vec<Section>,
        continue_on_error: bool,
    },
    /// Could not be read; the answer stands already.
    Unreadable(OdataError),
}

/// What carrying out gave.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) answer: Answer,
    /// `None` for reads.
    pub(super) committed: Option<bool>,
    pub(super) remark: Option<String>,
}

impl Work {
    fn operations(&self) -> Vec<&Operation> {
        match self {
            Self::One(operation) => vec![operation],
            Self::Unreadable(_) => Vec::new(),
            Self::Batch { sections, .. } => sections
                .iter()
                .flat_map(|section| match section {
                    Section::Read(operation) => vec![operation],
                    Section::Changes(changes) => changes.iter().map(|change| &change.operation).collect(),
                })
                .collect(),
        }
    }

    /// What the request is about: the heaviest of its parts.
    pub(super) fn class(&self) -> Class {
        let operations = self.operations();
        let writes: Vec<&&Operation> = operations.iter().filter(|operation| !operation.is_read()).collect();
        if operations.is_empty() {
            return Class::Other;
        }
        if operations.iter().all(|operation| is_of_stock(operation)) {
            return Class::Stock;
        }
        let posts_to = |set: &str| writes.iter().any(|operation| operation.method == "POST" && operation.url == set);
        if posts_to(HEADER.set) {
            return Class::Create;
        }
        if posts_to(CUSTOMER.set) || posts_to("CopyExistingCustomer") {
            return Class::CustomerCreate;
        }
        if !writes.is_empty() {
            let all_actions = writes.iter().all(|operation| operation.url.contains("/IfsApp."));
            return if all_actions { Class::Action } else { Class::Amend };
        }
        // A list by date looks nothing up: it is read as a whole.
        let looks_up =
            |operation: &&Operation| operation.url.contains("$filter=") && !operation.url.contains("DateEntered");
        let lookup = operations.iter().any(looks_up);
        if lookup { Class::Lookup } else { Class::Read }
    }

    /// Business keys named: in new headers, in filters, and of the orders addressed.
    pub(super) fn keys(&self, tables: &Tables) -> Vec<String> {
        let mut keys = Vec::new();
        for operation in self.operations() {
            let body = serde_json::from_slice::<Value>(&operation.body).unwrap_or(Value::Null);
            for field in ["CustomerPoNo", "AssociationNo"] {
                keys.extend(body[field].as_str().map(str::to_owned));
            }
            match operation.projection {
                Projection::Orders => order_keys(operation, tables, &mut keys),
                Projection::Customers => customer_keys(operation, tables, &mut keys),
                Projection::InStock
                | Projection::Parts
                | Projection::SalesParts
                | Projection::OrderLines
                | Projection::PriceQueries => {}
            }
        }
        keys.sort();
        keys.dedup();
        keys
    }

    pub(super) fn if_match(&self) -> Vec<String> {
        self.operations().iter().filter_map(|operation| operation.if_match.clone()).collect()
    }

    pub(super) fn parts(&self) -> u32 {
        u32::try_from(self.operations().len()).unwrap_or(u32::MAX)
    }

    pub(super) fn writes(&self) -> bool {
        self.operations().iter().any(|operation| !operation.is_read())
    }

    /// The longest that IFS may work on this: each part has its own limit.
    pub(super) fn limit_secs(&self, outer_wait: Option<u64>) -> u64 {
        self.operations()
            .iter()
            .map(|operation| operation.wait_secs.or(outer_wait).unwrap_or(STATEMENT_LIMIT_SECS))
            .sum()
    }

    /// Before each PATCH part or action a person changes the same record, at most `times` times.
    pub(super) fn storm(&self, tables: &mut Tables, times: u32) {
        let writes = self.operations().into_iter().filter(|operation| !operation.is_read());
        let mut left = times;
        for operation in writes {
            if left == 0 {
                return;
            }
            let disturbed = match operation.projection {
                Projection::Orders => parse(&operation.url).map(|(target, _)| people::disturb(tables, &target)),
                Projection::Customers => {
                    customer::parse(&operation.url).map(|(target, _)| customer::disturb(tables, &target))
                }
                // Nothing there has a version that a person could move on.
                Projection::InStock
                | Projection::Parts
                | Projection::SalesParts
                | Projection::OrderLines
                | Projection::PriceQueries => continue,
            };
            left -= u32::from(disturbed.is_ok());
        }
    }

    /// Carries everything out and makes the answer.
    pub(super) fn carry_out(&self, engine: &mut Engine<'_>) -> Carried {
        match self {
            Self::Unreadable(error) => plain_error(error),
            Self::One(operation) => one(operation, engine),
            Self::Batch { sections, continue_on_error } => many(sections, *continue_on_error, engine),
        }
    }
}

/// Whether an operation is about stock, parts, prices, or the lines of all orders.
fn is_of_stock(operation: &Operation) -> bool {
    match operation.projection {
        Projection::Orders => operation.url.starts_with("CustomerOrderLineSet"),
        Projection::Customers => false,
        Projection::InStock
        | Projection::Parts
        | Projection::SalesParts
        | Projection::OrderLines
        | Projection::PriceQueries => true,
    }
}

fn order_keys(operation: &Operation, tables: &Tables, keys: &mut Vec<String>) {
    let Ok((target, query)) = parse(&operation.url) else { return };
    if let Some(Ok(filter)) = query.filter.map(|text| Filter::parse(&text, &HEADER)) {
        for field in ["CustomerPoNo", "InternalRef", "ExternalRef"] {
            keys.extend(filter.wanted(field));
        }
    }
    if let Some(order) = order_no(&target).and_then(|no| tables.order(no)) {
        keys.push(order.header.text("CustomerPoNo").to_owned());
    }
}

fn customer_keys(operation: &Operation, tables: &Tables, keys: &mut Vec<String>) {
    let Ok((target, query)) = customer::parse(&operation.url) else { return };
    if let Some(Ok(filter)) = query.filter.map(|text| Filter::parse(&text, &CUSTOMER)) {
        keys.extend(filter.wanted("AssociationNo"));
    }
    if let Some(customer) = target.customer_id().and_then(|id| tables.customers.get(id)) {
        keys.push(customer.info.text("AssociationNo").to_owned());
    }
}

fn order_no(target: &Target) -> Option<&str> {
    match target {
        Target::Orders | Target::AllLines => None,
        Target::Order(no)
        | Target::Lines(no)
        | Target::Line(no, _)
        | Target::LineAction(no, ..)
        | Target::Charges(no)
        | Target::Charge(no, _)
        | Target::Addresses(no)
        | Target::Address(no)
        | Target::Action(no, _) => Some(no),
    }
}

/// An error that answers the whole request.
pub(super) fn plain_error(error: &OdataError) -> Carried {
    let headers = [("content-type", "application/json".to_owned()), ("odata-version", "4.0".to_owned())];
    let answer = build(error.status, &headers, Bytes::from(error.body().to_string()));
    Carried { answer, committed: None, remark: Some(error_remark(error)) }
}

fn error_remark(error: &OdataError) -> String {
    match &error.detail {
        Some(detail) => format!("{}: {detail}", error.code),
        None => format!("{}: {}", error.code, error.message),
    }
}

fn one(operation: &Operation, engine: &mut Engine<'_>) -> Carried {
    engine.tables.begin();
    match engine.run(operation) {
        Ok(done) => {
            engine.tables.commit();
            let embedded = success(&done, None, operation, &engine.root(operation.projection));
            let answer = build(embedded.status, &embedded.headers, embedded.body);
            Carried { answer, committed: (!operation.is_read()).then_some(true), remark: None }
        }
        Err(error) => {
            engine.tables.roll_back();
            let mut result = plain_error(&error);
            result.committed = (!operation.is_read()).then_some(false);
            result
        }
    }
}

fn many(sections: &[Section], continue_on_error: bool, engine: &mut Engine<'_>) -> Carried {
    let mut answered = Vec::new();
    let mut committed = None;
    let mut remark = None;
    for section in sections {
        let outcome = match section {
            Section::Read(operation) => engine
                .run(operation)
                .map(|done| Answered::One(success(&done, None, operation, &engine.root(operation.projection)))),
            Section::Changes(changes) => {
                let outcome = change_set(changes, engine);
                committed = Some(outcome.is_ok() && committed != Some(false));
                outcome.map(Answered::Changes)
            }
        };
        match outcome {
            Ok(part) => answered.push(part),
            Err(error) => {
                remark = Some(error_remark(&error));
                answered.push(Answered::One(failure(&error)));
                if !continue_on_error {
                    break;
                }
            }
        }
    }
    let (content_type, body) = batch::write(&answered);
    let headers = [("content-type", content_type), ("odata-version", "4.0".to_owned())];
    Carried { answer: build(StatusCode::OK, &headers, body), committed, remark }
}

/// A change set: every write or none.
fn change_set(changes: &[Change], engine: &mut Engine<'_>) -> Result<Vec<Embedded>, OdataError> {
    engine.tables.begin();
    let mut made: Vec<(String, Done)> = Vec::new();
    let mut embedded = Vec::new();
    for change in changes {
        let outcome = resolve(&change.operation, &made)
            .and_then(|operation| engine.run(&operation).map(|done| (operation, done)));
        match outcome {
            Ok((operation, done)) => {
                embedded.push(success(
                    &done,
                    Some(change.content_id.clone()),
                    &operation,
                    &engine.root(operation.projection),
                ));
                made.push((change.content_id.clone(), done));
            }
            Err(error) => {
                engine.tables.roll_back();
                return Err(error);
            }
        }
    }
    engine.tables.commit();
    Ok(embedded)
}

/// Puts what `$<Content-ID>` stands for into URL and `If-Match`.
fn resolve(operation: &Operation, made: &[(String, Done)]) -> Result<Operation, OdataError> {
    let mut resolved = operation.clone();
    if let Some(reference) = operation.url.strip_prefix('$') {
        let (id, rest) = match reference.find('/') {
            Some(at) => reference.split_at(at),
            None => (reference, ""),
        };
        let location = referred(made, id)?.location.clone().ok_or_else(|| unknown_reference(id))?;
        resolved.url = format!("{location}{rest}");
        resolved.referred = true;
    }
    if let Some(id) = operation.if_match.as_deref().and_then(|value| value.strip_prefix('$')) {
        resolved.if_match = Some(referred(made, id)?.etag.clone().ok_or_else(|| unknown_reference(id))?);
    }
    Ok(resolved)
}

fn referred<'a>(made: &'a [(String, Done)], id: &str) -> Result<&'a Done, OdataError> {
    made.iter().find(|(content_id, _)| content_id == id).map(|(_, done)| done).ok_or_else(|| unknown_reference(id))
}

fn unknown_reference(id: &str) -> OdataError {
    OdataError::bad_request(format!("The reference ${id} names no earlier part of its change set"))
}

fn success(done: &Done, content_id: Option<String>, operation: &Operation, root: &str) -> Embedded {
    let mut headers = vec![("OData-Version", "4.0".to_owned())];
    if let Some(etag) = &done.etag {
        headers.push(("ETag", etag.clone()));
    }
    if let Some(location) = done.location.as_ref().filter(|_| done.status == StatusCode::CREATED) {
        headers.push(("Location", format!("{root}{location}")));
    }
    let body = match &done.body {
        Some(body) => {
            let ieee = if operation.accept.contains("IEEE754Compatible=true") { ";IEEE754Compatible=true" } else { "" };
            let level = if operation.accept.contains("odata.metadata=full") { "full" } else { "minimal" };
            headers.push(("Content-Type", format!("application/json;odata.metadata={level}{ieee}")));
            Bytes::from(body.to_string())
        }
        None => Bytes::new(),
    };
    Embedded { content_id, status: done.status, headers, body }
}

fn failure(error: &OdataError) -> Embedded {
    let headers = vec![("OData-Version", "4.0".to_owned()), ("Content-Type", "application/json".to_owned())];
    Embedded { content_id: None, status: error.status, headers, body: Bytes::from(error.body().to_string()) }
}
