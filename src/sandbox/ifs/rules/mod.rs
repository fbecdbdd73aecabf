//! IFS's business rules for orders: what the database refuses (500 with an ORA text), what it fills in.
//! Types were judged before, in `body`; amounts are computed in `compute`.

mod address;
mod border;
mod charge;
mod header;
mod line;
mod order;
mod package;

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::super::world;
use super::body::Fields;
use super::error::OdataError;
use super::schema::Cell;
use super::tables::{Order, Row, Tables};

pub(super) use address::{check_country, insert_address, update_address};
pub(super) use border::taken;
pub(super) use charge::{delete_charge, insert_charge, invoice_charges, update_charge};
pub(super) use header::{insert_header, update_header};
pub(super) use line::{cancel_line, insert_line, update_line};
pub use order::CreditCheck;
pub(super) use order::{cancel, derive_line_state, derive_state, live, release};
pub(super) use package::{follow, is_component};

pub(super) fn existing<'a>(tables: &'a mut Tables, order_no: &str) -> Result<&'a mut Order, OdataError> {
    tables.order_mut(order_no).ok_or_else(|| OdataError::not_found(format!("The order '{order_no}' does not exist")))
}

/// A refusal raised in the database by the rules of orders.
pub(super) fn refused(text: impl AsRef<str>) -> OdataError {
    OdataError::database(20105, text)
}

pub(super) fn mandatory(entity: &str, field: &str) -> OdataError {
    OdataError::database(20124, format!("{entity}.NULLVALUE: Field [{field}] is mandatory."))
}

pub(super) fn present(fields: &Fields) -> BTreeMap<&'static str, Cell> {
    fields.iter().filter_map(|(name, cell)| cell.clone().map(|cell| (*name, cell))).collect()
}

pub(super) fn apply(row: &mut Row, fields: &Fields, version: u64) {
    for (name, cell) in fields {
        match cell {
            Some(cell) => row.put(name, cell.clone()),
            None => row.remove(name),
        }
    }
    row.touch(version);
}

pub(super) fn text_of<'a>(cells: &'a BTreeMap<&'static str, Cell>, name: &str) -> &'a str {
    match cells.get(name) {
        Some(Cell::Text(text)) => text,
        _ => "",
    }
}

pub(super) fn known(
    entity: &str,
    list: &[&str],
    cells: &BTreeMap<&'static str, Cell>,
    name: &'static str,
) -> Result<(), OdataError> {
    match cells.get(name) {
        Some(Cell::Text(value)) if !list.contains(&value.as_str()) => Err(OdataError::no_such(entity, value)),
        _ => Ok(()),
    }
}

/// A reason code that IFS knows, for a cancellation.
fn known_reason(reason: &str) -> Result<(), OdataError> {
    if world::CANCEL_REASONS.contains(&reason) { Ok(()) } else { Err(OdataError::no_such("OrderCancelReason", reason)) }
}

fn percent(cells: &BTreeMap<&'static str, Cell>, name: &'static str) -> Result<(), OdataError> {
    match cells.get(name) {
        Some(Cell::Decimal(value)) if value.is_sign_negative() || *value > Decimal::ONE_HUNDRED => {
            Err(refused(format!("CustomerOrder.DISCOUNT: {name} must be between 0 and 100.")))
        }
        _ => Ok(()),
    }
}

fn check_site(order: &Order, row: &Row) -> Result<(), OdataError> {
    let contract = row.text("Contract");
    if world::company_of_site(contract).is_none() {
        return Err(OdataError::no_such("Site", contract));
    }
    if contract != order.header.text("Contract") {
        return Err(refused(format!("CustomerOrderLine.SITE: Site {contract} is not the order's site.")));
    }
    Ok(())
}

/// A code and a structure exclude each other, so the one that a change gives takes the other's place.
fn one_tax(row: &mut Row, fields: &Fields) {
    let given = |name: &str| matches!(fields.get(name), Some(Some(_)));
    match (given("TaxCode"), given("TaxCalcStructureId")) {
        (true, false) => row.remove("TaxCalcStructureId"),
        (false, true) => row.remove("TaxCode"),
        // Both are refused when the amounts are computed; neither changes nothing.
        (true, true) | (false, false) => {}
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Demanded,
    Optional,
}

/// Only the price field that `UsePriceInclTax` names may be given.
fn one_price(order: &Order, fields: &Fields, net: &str, incl: &str, presence: Presence) -> Result<(), OdataError> {
    let (right, wrong) = if order.header.flag("UsePriceInclTax") { (incl, net) } else { (net, incl) };
    if fields.contains_key(wrong) {
        return Err(refused(format!(
            "CustomerOrderLine.PRICE_BASIS: {wrong} can not be given when the order's price basis asks for {right}."
        )));
    }
    match fields.get(right) {
        Some(None) => Err(mandatory("CustomerOrderLine", right)),
        None if presence == Presence::Demanded => Err(mandatory("CustomerOrderLine", right)),
        _ => Ok(()),
    }
}
