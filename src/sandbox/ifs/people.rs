//! What persons do in IFS beside the integration: they edit fields, add rows, key orders. Takes no
//! ETag, as a person's client takes care of its own.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::world;
use super::body::{Fields, one_field};
use super::error::OdataError;
use super::path::Target;
use super::rules;
use super::schema::{ADDRESS, CHARGE, Cell, HEADER, LINE};
use super::tables::{Row, Tables};

/// Which row of an order a person edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOf<'a> {
    /// The header.
    Header,
    /// The single-occurrence address.
    Address,
    /// The line with this `LineNo`.
    Line(&'a str),
    /// The charge with this `SequenceNo`.
    Charge(i64),
}

/// Edits one updatable field; the row gets a new ETag.
pub(super) fn edit(
    tables: &mut Tables,
    order_no: &str,
    row: RowOf<'_>,
    field: &str,
    value: &str,
) -> Result<(), OdataError> {
    let index_of = |tables: &Tables, keep: &dyn Fn(&Row) -> bool, rows: fn(&super::tables::Order) -> &Vec<Row>| {
        let order = tables.order(order_no).ok_or_else(|| OdataError::not_found("no such order"))?;
        rows(order).iter().position(keep).ok_or_else(|| OdataError::not_found("no such row"))
    };
    match row {
        RowOf::Header => rules::update_header(tables, order_no, &one_field(&HEADER, field, value)?),
        RowOf::Address => rules::update_address(tables, order_no, &one_field(&ADDRESS, field, value)?),
        RowOf::Line(line_no) => {
            let index = index_of(tables, &|line| line.text("LineNo") == line_no, |order| &order.lines)?;
            rules::update_line(tables, order_no, index, &one_field(&LINE, field, value)?)
        }
        RowOf::Charge(sequence_no) => {
            let index = index_of(tables, &|charge| charge.int("SequenceNo") == sequence_no, |order| &order.charges)?;
            rules::update_charge(tables, order_no, index, &one_field(&CHARGE, field, value)?)
        }
    }
}

/// Keys an order by hand, with one line when `part` is given.
pub(super) fn key_order(
    tables: &mut Tables,
    customer_po_no: &str,
    contract: &str,
    coordinator: &str,
    part: Option<(&str, rust_decimal::Decimal, rust_decimal::Decimal)>,
    now: Timestamp,
) -> Result<String, OdataError> {
    let text = |value: &str| Some(Cell::Text(value.to_owned()));
    let wanted = now.strftime("%Y-%m-%dT00:00:00Z").to_string();
    let fields: Fields = BTreeMap::from([
        ("CustomerNo", text(world::CUSTOMER_NO)),
        ("Contract", text(contract)),
        ("Company", text(world::company_of_site(contract).unwrap_or(""))),
        ("CurrencyCode", text("EUR")),
        ("AuthorizeCode", text(coordinator)),
        ("OrderId", text("NO")),
        ("BillAddrNo", text("1")),
        ("ShipAddrNo", text("1")),
        ("WantedDeliveryDate", text(&wanted)),
        ("IsNewCustomer", Some(Cell::Bool(false))),
        ("CustomerPoNo", text(customer_po_no)),
        ("CustRef", text("keyed by a person")),
    ]);
    let order_no = rules::insert_header(tables, &fields, now)?;
    if let Some((catalog_no, qty, price)) = part {
        add_line(tables, &order_no, catalog_no, qty, price, &wanted)?;
    }
    Ok(order_no)
}

/// Adds a line by hand, taxed at 19 %, with the price on the order's basis.
pub(super) fn add_line(
    tables: &mut Tables,
    order_no: &str,
    catalog_no: &str,
    qty: rust_decimal::Decimal,
    price: rust_decimal::Decimal,
    wanted: &str,
) -> Result<(), OdataError> {
    let order = tables.order(order_no).ok_or_else(|| OdataError::not_found("no such order"))?;
    let price_field = if order.header.flag("UsePriceInclTax") { "UnitPriceInclTax" } else { "SaleUnitPrice" };
    let text = |value: &str| Some(Cell::Text(value.to_owned()));
    let fields: Fields = BTreeMap::from([
        ("Contract", text(order.header.text("Contract"))),
        ("CatalogNo", text(catalog_no)),
        ("BuyQtyDue", Some(Cell::Decimal(qty))),
        ("WantedDeliveryDate", text(wanted)),
        ("PriceFreeze", text("Frozen")),
        ("TaxCode", text("V19")),
        (price_field, Some(Cell::Decimal(price))),
    ]);
    rules::insert_line(tables, order_no, &fields).map(drop)
}

/// Edits some field that the integration does not own, so that the record's ETag is stale.
pub(super) fn disturb(tables: &mut Tables, target: &Target) {
    let version = tables.next_version();
    let (Target::Order(no)
    | Target::Action(no, _)
    | Target::Address(no)
    | Target::Line(no, _)
    | Target::LineAction(no, ..)
    | Target::Charge(no, _)) = target
    else {
        return;
    };
    let Some(order) = tables.order_mut(no) else { return };
    let (row, field) = match target {
        Target::Line(_, key) | Target::LineAction(_, key, _) => match order.line_index(key) {
            Some(index) => (&mut order.lines[index], Some("CatalogDesc")),
            None => return,
        },
        Target::Charge(_, sequence_no) => match order.charge_index(*sequence_no) {
            Some(index) => (&mut order.charges[index], None),
            None => return,
        },
        Target::Address(_) => match &mut order.address {
            Some(row) => (row, None),
            None => return,
        },
        _ => (&mut order.header, Some("LabelNote")),
    };
    if let Some(field) = field {
        row.put(field, Cell::Text(format!("person {version}")));
    }
    row.touch(version);
}
