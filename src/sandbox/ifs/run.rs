//! Carries out one OData operation on the tables: preconditions, bodies, rules, representation. Knows no
//! multipart and no connection.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::ledger::Ledger;
use super::additions::Additions;
use super::answer::{check_content_type, done, entity_answer, nothing_there, page};
use super::body::{DecimalForm, for_insert, for_update, parse_object};
use super::customer::Writings;
use super::error::OdataError;
use super::filter::{Filter, StateFilters};
use super::path::{LineKey, Query, Target, parse, quote};
use super::rules::{self, CreditCheck};
use super::schema::{ADDRESS, CHARGE, Entity, HEADER, LINE};
use super::stock::RowSet;
use super::tables::{Order, Row, Tables};

const ORDER_ACTIONS: &str = "IfsApp.CustomerOrderHandling.CustomerOrder_";
const LINE_ACTIONS: &str = "IfsApp.CustomerOrderHandling.CustomerOrderLine_";

/// A service of the simulated IFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Projection {
    /// `CustomerOrderHandling`.
    Orders,
    /// `CustomerHandling`.
    Customers,
    /// `InventoryPartInStockHandling`.
    InStock,
    /// `InventoryPartHandling`.
    Parts,
    /// `SalesPartHandling`.
    SalesParts,
    /// `CustomerOrderLinesHandling`.
    OrderLines,
    /// `PriceQueryHandling`.
    PriceQueries,
}

impl Projection {
    pub(super) const ALL: [Self; 7] = [
        Self::Orders,
        Self::Customers,
        Self::InStock,
        Self::Parts,
        Self::SalesParts,
        Self::OrderLines,
        Self::PriceQueries,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Orders => "CustomerOrderHandling",
            Self::Customers => "CustomerHandling",
            Self::InStock => "InventoryPartInStockHandling",
            Self::Parts => "InventoryPartHandling",
            Self::SalesParts => "SalesPartHandling",
            Self::OrderLines => "CustomerOrderLinesHandling",
            Self::PriceQueries => "PriceQueryHandling",
        }
    }
}

/// One operation: a request, or a part of a batch.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) projection: Projection,
    pub(super) method: String,
    /// Relative to the service root.
    pub(super) url: String,
    pub(super) accept: String,
    pub(super) content_type: String,
    pub(super) if_match: Option<String>,
    /// Whether the URL began with `$<Content-ID>`.
    pub(super) referred: bool,
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
    /// What IFS adds by itself.
    pub(super) additions: Additions,
    pub(super) new_rows: NewRows,
    pub(super) state_filters: StateFilters,
    /// How fields of customers are written.
    pub(super) writings: Writings,
    /// The projections that the service user lacks the grant for: 403.
    pub(super) grants_missing: Vec<Projection>,
    /// Orders whose lines cannot be read, and the number of the database's error.
    pub(super) broken_lines: BTreeMap<String, u32>,
}

impl Setup {
    /// Why a release ends in `Blocked`, if it does.
    fn block(&self) -> Option<&'static str> {
        match self.credit_check {
            CreditCheck::Fails => Some("CREDIT"),
            CreditCheck::Passes if self.additions.prepayment_required => Some("PREPAYMENT"),
            CreditCheck::Passes => None,
        }
    }
}

/// Until when an order takes new rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewRows {
    /// Lines until all is delivered, charges until the invoice.
    #[default]
    AfterPicking,
    /// None any more once a pick list is made.
    UntilPicking,
}

/// The tables with what an operation needs around them.
pub(super) struct Engine<'a> {
    pub(super) tables: &'a mut Tables,
    pub(super) ledger: &'a Ledger,
    pub(super) setup: &'a Setup,
    pub(super) now: Timestamp,
    /// Absolute URL of the folder of all projections, with a closing slash.
    pub(super) services: &'a str,
}

impl Engine<'_> {
    /// Carries out one operation.
    pub(super) fn run(&mut self, operation: &Operation) -> Result<Done, OdataError> {
        if !operation.accept.is_empty()
            && !operation.accept.contains("application/json")
            && !operation.accept.contains("*/*")
        {
            return Err(OdataError::unsupported_media("Only application/json is answered"));
        }
        match operation.projection {
            Projection::Orders => self.run_on_orders(operation),
            Projection::Customers => self.run_on_customers(operation),
            Projection::InStock
            | Projection::Parts
            | Projection::SalesParts
            | Projection::OrderLines
            | Projection::PriceQueries => self.run_on_stock(operation),
        }
    }

    /// Absolute URL of a projection, with a closing slash.
    pub(super) fn root(&self, projection: Projection) -> String {
        format!("{}{}.svc/", self.services, projection.name())
    }

    fn run_on_orders(&mut self, operation: &Operation) -> Result<Done, OdataError> {
        let (target, query) = parse(&operation.url)?;
        match operation.method.as_str() {
            "GET" if target == Target::AllLines => self.all_of(RowSet::OrderLines, &query, operation),
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
                page(self, &HEADER, rows, query, operation)
            }
            Target::Lines(no) => {
                self.check_readable(no)?;
                page(self, &LINE, self.order(no)?.lines.iter().collect(), query, operation)
            }
            Target::Charges(no) => page(self, &CHARGE, self.order(no)?.charges.iter().collect(), query, operation),
            Target::Addresses(no) => page(self, &ADDRESS, self.order(no)?.address.iter().collect(), query, operation),
            Target::Action(..) | Target::LineAction(..) => Err(OdataError::method_not_allowed()),
            _ => {
                let (entity, row) = self.row(target)?;
                entity_answer(StatusCode::OK, entity, row, query, operation, None)
            }
        }
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
                let mut fields = for_insert(&HEADER, &object, form)?;
                self.setup.additions.fill_header(&mut fields);
                let no = rules::insert_header(self.tables, &fields, self.now)?;
                self.setup.additions.after_header(self.tables, &no)?;
                self.created(&Target::Order(no), operation)
            }
            Target::Addresses(no) => {
                rules::insert_address(self.tables, no, &for_insert(&ADDRESS, &object, form)?)?;
                self.created(&Target::Address(no.clone()), operation)
            }
            Target::Lines(no) => {
                self.check_new_rows(no)?;
                let mut fields = for_insert(&LINE, &object, form)?;
                self.setup.additions.fill_line(&mut fields);
                let index = rules::insert_line(self.tables, no, &fields)?;
                self.setup.additions.after_line(self.tables, no, index)?;
                let line = self.order(no)?.lines.get(index).ok_or_else(nothing_there)?;
                let (line_no, rel_no) = (line.text("LineNo").to_owned(), line.text("RelNo").to_owned());
                let key = LineKey { line_no, rel_no, line_item_no: line.int("LineItemNo") };
                self.created(&Target::Line(no.clone(), key), operation)
            }
            Target::Charges(no) => {
                self.check_new_rows(no)?;
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
            "SetReleased" if object.is_empty() => {
                self.setup.additions.at_release(self.tables, no)?;
                rules::release(self.tables, no, self.setup.block())?;
            }
            "SetReleased" => return Err(OdataError::deserialization("The action has no such parameter")),
            "SetCancelled" => rules::cancel(self.tables, no, cancel_reason(object)?)?,
            _ => return Err(no_such_action(name)),
        }
        Ok(done())
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
        let index = self.order(no)?.line_index(key).ok_or_else(nothing_there)?;
        rules::cancel_line(self.tables, no, index, cancel_reason(object)?)?;
        Ok(done())
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
                let index = self.order(no)?.line_index(key).ok_or_else(nothing_there)?;
                rules::update_line(self.tables, no, index, &fields)?;
            }
            Target::Charge(no, sequence_no) => {
                let index = self.order(no)?.charge_index(*sequence_no).ok_or_else(nothing_there)?;
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
        let index = self.order(no)?.charge_index(*sequence_no).ok_or_else(nothing_there)?;
        rules::delete_charge(self.tables, no, index)?;
        Ok(done())
    }

    /// `If-Match` against the row: missing 428, stale 412, no row 404. `*` switches the check off, as in
    /// IFS; the ledger has it.
    fn precondition(&self, target: &Target, operation: &Operation) -> Result<(), OdataError> {
        let found = self.row(target).map(|(_, row)| row.etag());
        self.matches(found.as_deref().ok(), operation)?;
        found.map(drop)
    }

    /// As `precondition`, for a record of any kind that has this ETag, or is not there.
    pub(super) fn matches(&self, etag: Option<&str>, operation: &Operation) -> Result<(), OdataError> {
        let Some(sent) = operation.if_match.as_deref() else {
            if etag.is_none() && operation.method == "PATCH" {
                self.ledger.note_upsert();
            }
            return Err(OdataError::precondition_missing());
        };
        match etag {
            Some(etag) if sent != "*" && sent != etag => Err(OdataError::stale()),
            Some(_) => Ok(()),
            None => Err(nothing_there()),
        }
    }

    fn created(&self, target: &Target, operation: &Operation) -> Result<Done, OdataError> {
        let (entity, row) = self.row(target)?;
        entity_answer(StatusCode::CREATED, entity, row, &Query::default(), operation, Some(location(target)))
    }

    /// Under `NewRows::UntilPicking` the pick list ends it.
    fn check_new_rows(&self, no: &str) -> Result<(), OdataError> {
        let order = self.order(no)?;
        let picked = matches!(order.state(), "Picked" | "PartiallyDelivered" | "Delivered");
        match self.setup.new_rows {
            NewRows::UntilPicking if picked => Err(rules::refused(format!(
                "CustomerOrder.STATE: An order in state {} can not be given new rows.",
                order.state()
            ))),
            NewRows::UntilPicking | NewRows::AfterPicking => Ok(()),
        }
    }

    fn check_readable(&self, no: &str) -> Result<(), OdataError> {
        match self.setup.broken_lines.get(no) {
            Some(number) => Err(OdataError::database(*number, format!("the lines of order {no} cannot be read"))),
            None => Ok(()),
        }
    }

    fn order(&self, no: &str) -> Result<&Order, OdataError> {
        self.tables.order(no).ok_or_else(nothing_there)
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
        Ok((entity, row.ok_or_else(nothing_there)?))
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

/// The canonical path of an entity.
fn location(target: &Target) -> String {
    match target {
        Target::Order(no) => format!("CustomerOrderSet(OrderNo={})", quote(no)),
        Target::Address(no) => {
            format!("CustomerOrderSet(OrderNo={0})/CustomerOrderAddresses(OrderNo={0})", quote(no))
        }
        Target::Line(no, key) => format!(
            "CustomerOrderSet(OrderNo={0})/OrderLinesArray(OrderNo={0},LineNo={1},RelNo={2},LineItemNo={3})",
            quote(no),
            quote(&key.line_no),
            quote(&key.rel_no),
            key.line_item_no
        ),
        Target::Charge(no, sequence_no) => {
            format!(
                "CustomerOrderSet(OrderNo={0})/CustomerOrderChargeArray(OrderNo={0},SequenceNo={sequence_no})",
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

fn no_such_action(name: &str) -> OdataError {
    OdataError::not_found(format!("Action '{name}' does not exist"))
}
