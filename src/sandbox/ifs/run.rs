//! Carries out one OData operation on the tables: preconditions, bodies, rules, representation. Knows no
//! multipart and no connection.

use bytes::Bytes;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::ledger::Ledger;
use super::body::{DecimalForm, for_insert, for_update, parse_object, render};
use super::error::OdataError;
use super::filter::Filter;
use super::path::{Direction, LineKey, Query, Target, parse};
use super::rules::{self, CreditCheck};
use super::schema::{ADDRESS, CHARGE, Cell, Entity, HEADER, LINE};
use super::tables::{Order, Row, Tables};

const PAGE_ROWS: usize = 100;
const ORDER_ACTIONS: &str = "IfsApp.CustomerOrderHandling.CustomerOrder_";
const LINE_ACTIONS: &str = "IfsApp.CustomerOrderHandling.CustomerOrderLine_";

/// One operation: a request, or a part of a batch.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) method: String,
    /// Relative to the service root.
    pub(super) url: String,
    pub(super) accept: String,
    pub(super) content_type: String,
    pub(super) if_match: Option<String>,
    /// `Prefer: wait`, if given.
    pub(super) wait_secs: Option<u64>,
    pub(super) body: Bytes,
}

impl Operation {
    pub(super) fn is_read(&self) -> bool {
        self.method == "GET"
    }
}

/// What an operation gave.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) status: StatusCode,
    pub(super) etag: Option<String>,
    /// The entity's path, relative to the service root, when one was created or changed.
    pub(super) location: Option<String>,
    pub(super) body: Option<Value>,
}

/// What persons and set-up decide in this IFS.
#[derive(Clone, Debug, Default)]
pub(super) struct Setup {
    pub(super) credit_check: CreditCheck,
    /// A charge that IFS adds by itself to each new order.
    pub(super) default_charge: Option<rust_decimal::Decimal>,
    /// The service user lacks the grant for the projection: 403.
    pub(super) grants_missing: bool,
}

/// The tables with what an operation needs around them.
pub(super) struct Engine<'a> {
    pub(super) tables: &'a mut Tables,
    pub(super) ledger: &'a Ledger,
    pub(super) setup: &'a Setup,
    pub(super) now: Timestamp,
    /// Absolute URL of the service root, with a closing slash.
    pub(super) root: &'a str,
}

impl Engine<'_> {
    /// Carries out one operation.
    pub(super) fn run(&mut self, operation: &Operation) -> Result<Done, OdataError> {
        let (target, query) = parse(&operation.url)?;
        if !operation.accept.is_empty()
            && !operation.accept.contains("application/json")
            && !operation.accept.contains("*/*")
        {
            return Err(OdataError::unsupported_media("Only application/json is answered"));
        }
        match operation.method.as_str() {
            "GET" => self.get(&target, &query, operation),
            "POST" => self.post(&target, operation),
            "PATCH" => self.patch(&target, operation),
            "DELETE" => self.delete(&target, operation),
            _ => Err(OdataError::method_not_allowed()),
        }
    }

    fn get(&self, target: &Target, query: &Query, operation: &Operation) -> Result<Done, OdataError> {
        match target {
            Target::Orders => {
                let rows = self.candidates(query);
                self.page(&HEADER, rows, query, operation)
            }
            Target::Lines(no) => self.page(&LINE, self.order(no)?.lines.iter().collect(), query, operation),
            Target::Charges(no) => self.page(&CHARGE, self.order(no)?.charges.iter().collect(), query, operation),
            Target::Addresses(no) => self.page(&ADDRESS, self.order(no)?.address.iter().collect(), query, operation),
            Target::Action(..) | Target::LineAction(..) => Err(OdataError::method_not_allowed()),
            _ => {
                let (entity, row) = self.row(target)?;
                entity_answer(StatusCode::OK, entity, row, query, operation, None)
            }
        }
    }

    fn page(
        &self,
        entity: &'static Entity,
        mut rows: Vec<&Row>,
        query: &Query,
        operation: &Operation,
    ) -> Result<Done, OdataError> {
        check_select(entity, query)?;
        if query.skip > 0 && query.order_by.is_none() && !operation.url.contains("skiptoken") {
            return Err(OdataError::bad_request("'$skip' needs '$orderby'"));
        }
        if let Some(text) = &query.filter {
            let filter = Filter::parse(text, entity)?;
            rows.retain(|row| filter.matches(&|name| row.cell(name)));
        }
        if let Some((name, direction)) = &query.order_by {
            if entity.field(name).is_none() {
                return Err(OdataError::bad_request(format!("The property '{name}' in '$orderby' is not defined")));
            }
            rows.sort_by(|a, b| order_of(a.cell(name), b.cell(name)));
            if *direction == Direction::Down {
                rows.reverse();
            }
        }
        let total = rows.len();
        let wanted = query.top.unwrap_or(usize::MAX);
        let here = wanted.min(PAGE_ROWS);
        let more = wanted > PAGE_ROWS && total > query.skip + PAGE_ROWS;
        let full = operation.accept.contains("odata.metadata=full");
        let form = DecimalForm::of(&operation.accept);
        let value: Vec<Value> =
            rows.iter().skip(query.skip).take(here).map(|row| represent(entity, row, query, form, full)).collect();
        let mut body = Map::new();
        body.insert("@odata.context".into(), Value::String(format!("{}$metadata#{}", self.root, entity.set)));
        if query.count {
            body.insert("@odata.count".into(), json!(total));
        }
        body.insert("value".into(), Value::Array(value));
        if more {
            body.insert(
                "@odata.nextLink".into(),
                Value::String(format!("{}{}", self.root, next_page(&operation.url, query))),
            );
        }
        Ok(Done { status: StatusCode::OK, etag: None, location: None, body: Some(Value::Object(body)) })
    }

    /// The headers that a filter can match: those with its `CustomerPoNo` when it demands one, else all.
    fn candidates(&self, query: &Query) -> Vec<&Row> {
        let filter = query.filter.as_ref().and_then(|text| Filter::parse(text, &HEADER).ok());
        match filter.as_ref().and_then(|filter| filter.demanded("CustomerPoNo")) {
            Some(key) => self.tables.orders_by_po(key).map(|(_, order)| &order.header).collect(),
            None => self.tables.orders().map(|(_, order)| &order.header).collect(),
        }
    }

    fn post(&mut self, target: &Target, operation: &Operation) -> Result<Done, OdataError> {
        check_content_type(operation)?;
        let object = parse_object(&operation.body)?;
        let form = DecimalForm::of(&operation.content_type);
        match target {
            Target::Orders => {
                let no = rules::insert_header(self.tables, &for_insert(&HEADER, &object, form)?, self.now)?;
                self.add_default_charge(&no)?;
                self.created(&Target::Order(no), operation)
            }
            Target::Addresses(no) => {
                rules::insert_address(self.tables, no, &for_insert(&ADDRESS, &object, form)?)?;
                self.created(&Target::Address(no.clone()), operation)
            }
            Target::Lines(no) => {
                let index = rules::insert_line(self.tables, no, &for_insert(&LINE, &object, form)?)?;
                let key = LineKey { line_no: (index + 1).to_string(), rel_no: "1".into(), line_item_no: 0 };
                self.created(&Target::Line(no.clone(), key), operation)
            }
            Target::Charges(no) => {
                let index = rules::insert_charge(self.tables, no, &for_insert(&CHARGE, &object, form)?)?;
                let sequence_no = self.order(no)?.charges[index].int("SequenceNo");
                self.created(&Target::Charge(no.clone(), sequence_no), operation)
            }
            Target::Action(no, name) => self.act(no, name, &object, operation),
            Target::LineAction(no, key, name) => self.act_on_line(no, key, name, &object, operation),
            _ => Err(OdataError::method_not_allowed()),
        }
    }

    fn act(
        &mut self,
        no: &str,
        name: &str,
        object: &Map<String, Value>,
        operation: &Operation,
    ) -> Result<Done, OdataError> {
        let action = name.strip_prefix(ORDER_ACTIONS).ok_or_else(|| no_such_action(name))?;
        self.precondition(&Target::Order(no.to_owned()), operation)?;
        match action {
            "SetReleased" if object.is_empty() => rules::release(self.tables, no, self.setup.credit_check)?,
            "SetReleased" => return Err(OdataError::deserialization("The action has no such parameter")),
            "SetCancelled" => rules::cancel(self.tables, no, cancel_reason(object)?)?,
            _ => return Err(no_such_action(name)),
        }
        Ok(nothing())
    }

    fn act_on_line(
        &mut self,
        no: &str,
        key: &LineKey,
        name: &str,
        object: &Map<String, Value>,
        operation: &Operation,
    ) -> Result<Done, OdataError> {
        if name.strip_prefix(LINE_ACTIONS) != Some("SetCancelled") {
            return Err(no_such_action(name));
        }
        self.precondition(&Target::Line(no.to_owned(), key.clone()), operation)?;
        let index = self.order(no)?.line_index(key).ok_or_else(vanished)?;
        rules::cancel_line(self.tables, no, index, cancel_reason(object)?)?;
        Ok(nothing())
    }

    fn patch(&mut self, target: &Target, operation: &Operation) -> Result<Done, OdataError> {
        check_content_type(operation)?;
        let entity = entity_of(target)?;
        self.precondition(target, operation)?;
        let object = parse_object(&operation.body)?;
        let fields = for_update(entity, &object, DecimalForm::of(&operation.content_type))?;
        match target {
            Target::Order(no) => rules::update_header(self.tables, no, &fields)?,
            Target::Address(no) => rules::update_address(self.tables, no, &fields)?,
            Target::Line(no, key) => {
                let index = self.order(no)?.line_index(key).ok_or_else(vanished)?;
                rules::update_line(self.tables, no, index, &fields)?;
            }
            Target::Charge(no, sequence_no) => {
                let index = self.order(no)?.charge_index(*sequence_no).ok_or_else(vanished)?;
                rules::update_charge(self.tables, no, index, &fields)?;
            }
            _ => return Err(OdataError::method_not_allowed()),
        }
        let (entity, row) = self.row(target)?;
        entity_answer(StatusCode::OK, entity, row, &Query::default(), operation, Some(location(target)))
    }

    fn delete(&mut self, target: &Target, operation: &Operation) -> Result<Done, OdataError> {
        let Target::Charge(no, sequence_no) = target else { return Err(OdataError::method_not_allowed()) };
        self.precondition(target, operation)?;
        let index = self.order(no)?.charge_index(*sequence_no).ok_or_else(vanished)?;
        rules::delete_charge(self.tables, no, index)?;
        Ok(nothing())
    }

    /// `If-Match` against the row: missing 428, stale 412, no row 404. `*` switches the check off, as in
    /// IFS; the ledger has it.
    fn precondition(&self, target: &Target, operation: &Operation) -> Result<(), OdataError> {
        let row = self.row(target);
        let Some(sent) = operation.if_match.as_deref() else {
            if row.is_err() && operation.method == "PATCH" {
                self.ledger.note_upsert();
            }
            return Err(OdataError::precondition_missing());
        };
        let (_, row) = row?;
        if sent == "*" || sent == row.etag() { Ok(()) } else { Err(OdataError::stale()) }
    }

    fn created(&self, target: &Target, operation: &Operation) -> Result<Done, OdataError> {
        let (entity, row) = self.row(target)?;
        entity_answer(StatusCode::CREATED, entity, row, &Query::default(), operation, Some(location(target)))
    }

    fn add_default_charge(&mut self, no: &str) -> Result<(), OdataError> {
        let Some(amount) = self.setup.default_charge else { return Ok(()) };
        let header = &self.order(no)?.header;
        let price = if header.flag("UsePriceInclTax") { "ChargeAmountInclTax" } else { "ChargeAmount" };
        let text = |name: &'static str| (name, Some(Cell::Text(header.text(name).to_owned())));
        let fields = [
            text("Contract"),
            text("Company"),
            ("ChargeType", Some(Cell::Text("FREIGHT".into()))),
            ("ChargedQty", Some(Cell::Decimal(1.into()))),
            (price, Some(Cell::Decimal(amount))),
        ];
        rules::insert_charge(self.tables, no, &fields.into_iter().collect())?;
        Ok(())
    }

    fn order(&self, no: &str) -> Result<&Order, OdataError> {
        self.tables.order(no).ok_or_else(vanished)
    }

    fn row(&self, target: &Target) -> Result<(&'static Entity, &Row), OdataError> {
        let entity = entity_of(target)?;
        let row = match target {
            Target::Order(no) => Some(&self.order(no)?.header),
            Target::Address(no) => self.order(no)?.address.as_ref(),
            Target::Line(no, key) => {
                let order = self.order(no)?;
                order.line_index(key).map(|index| &order.lines[index])
            }
            Target::Charge(no, sequence_no) => {
                let order = self.order(no)?;
                order.charge_index(*sequence_no).map(|index| &order.charges[index])
            }
            _ => None,
        };
        Ok((entity, row.ok_or_else(vanished)?))
    }
}

fn entity_of(target: &Target) -> Result<&'static Entity, OdataError> {
    match target {
        Target::Order(_) => Ok(&HEADER),
        Target::Line(..) => Ok(&LINE),
        Target::Charge(..) => Ok(&CHARGE),
        Target::Address(_) => Ok(&ADDRESS),
        _ => Err(OdataError::method_not_allowed()),
    }
}

fn entity_answer(
    status: StatusCode,
    entity: &'static Entity,
    row: &Row,
    query: &Query,
    operation: &Operation,
    location: Option<String>,
) -> Result<Done, OdataError> {
    check_select(entity, query)?;
    let body = represent(entity, row, query, DecimalForm::of(&operation.accept), true);
    Ok(Done { status, etag: Some(row.etag()), location, body: Some(body) })
}

fn represent(entity: &Entity, row: &Row, query: &Query, form: DecimalForm, with_etag: bool) -> Value {
    let mut object = Map::new();
    if with_etag {
        object.insert("@odata.etag".into(), Value::String(row.etag()));
    }
    for field in entity.fields {
        let selected = query.select.as_ref().is_none_or(|names| names.iter().any(|name| name == field.name));
        if selected {
            object.insert(field.name.into(), row.cell(field.name).map_or(Value::Null, |cell| render(cell, form)));
        }
    }
    Value::Object(object)
}

fn check_select(entity: &Entity, query: &Query) -> Result<(), OdataError> {
    match query.select.iter().flatten().find(|name| entity.field(name).is_none()) {
        Some(name) => Err(OdataError::bad_request(format!(
            "The property '{name}' in '$select' is not defined in type '{}'",
            entity.name
        ))),
        None => Ok(()),
    }
}

fn check_content_type(operation: &Operation) -> Result<(), OdataError> {
    let media_type = operation.content_type.split(';').next().unwrap_or("").trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(OdataError::deserialization(format!("Content type '{media_type}' can not be read")))
    }
}

fn order_of(a: Option<&Cell>, b: Option<&Cell>) -> std::cmp::Ordering {
    match (a, b) {
        (Some(Cell::Text(a)), Some(Cell::Text(b))) => a.cmp(b),
        (Some(Cell::Decimal(a)), Some(Cell::Decimal(b))) => a.cmp(b),
        (Some(Cell::Int(a)), Some(Cell::Int(b))) => a.cmp(b),
        (Some(Cell::Bool(a)), Some(Cell::Bool(b))) => a.cmp(b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn next_page(url: &str, query: &Query) -> String {
    let kept: Vec<&str> = url.split_once('?').map_or("", |(_, options)| options).split('&').collect();
    let kept: Vec<&str> = kept
        .into_iter()
        .filter(|option| {
            !option.is_empty() && !["$skip=", "$skiptoken=", "$top="].iter().any(|name| option.starts_with(name))
        })
        .collect();
    let path = url.split('?').next().unwrap_or(url);
    let mut options: Vec<String> = kept.into_iter().map(str::to_owned).collect();
    if let Some(top) = query.top {
        options.push(format!("$top={}", top - PAGE_ROWS));
    }
    options.push(format!("$skiptoken={}", query.skip + PAGE_ROWS));
    format!("{path}?{}", options.join("&"))
}

/// The canonical path of an entity.
fn location(target: &Target) -> String {
    let quote = |text: &str| text.replace('\'', "''").replace('%', "%25").replace('/', "%2F").replace(' ', "%20");
    match target {
        Target::Order(no) => format!("CustomerOrderSet(OrderNo='{}')", quote(no)),
        Target::Address(no) => {
            format!("CustomerOrderSet(OrderNo='{0}')/CustomerOrderAddresses(OrderNo='{0}')", quote(no))
        }
        Target::Line(no, key) => format!(
            "CustomerOrderSet(OrderNo='{0}')/OrderLinesArray(OrderNo='{0}',LineNo='{1}',RelNo='{2}',LineItemNo={3})",
            quote(no),
            quote(&key.line_no),
            quote(&key.rel_no),
            key.line_item_no
        ),
        Target::Charge(no, sequence_no) => {
            format!(
                "CustomerOrderSet(OrderNo='{0}')/CustomerOrderChargeArray(OrderNo='{0}',SequenceNo={sequence_no})",
                quote(no)
            )
        }
        _ => String::new(),
    }
}

/// The one parameter of both cancel actions; IFS demands it.
fn cancel_reason(object: &Map<String, Value>) -> Result<&str, OdataError> {
    match (object.len(), object.get("CancelReason")) {
        (0, _) => Err(OdataError::database(20124, "CustomerOrder.NULLVALUE: Field [CancelReason] is mandatory.")),
        (1, Some(Value::String(reason))) => Ok(reason),
        (1, Some(_)) => Err(OdataError::deserialization("Invalid value for parameter 'CancelReason'")),
        _ => Err(OdataError::deserialization("The action has no such parameter")),
    }
}

/// The answer of an action or a deletion.
fn nothing() -> Done {
    Done { status: StatusCode::NO_CONTENT, etag: None, location: None, body: None }
}

fn no_such_action(name: &str) -> OdataError {
    OdataError::not_found(format!("Action '{name}' does not exist"))
}

fn vanished() -> OdataError {
    OdataError::not_found("The record does not exist")
}
