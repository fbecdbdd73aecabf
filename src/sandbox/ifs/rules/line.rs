//! Order lines: new ones, changes, cancellations.

use rust_decimal::Decimal;

use super::super::super::world::{self, PartKind, SalesPart};
use super::super::body::Fields;
use super::super::compute::{compute_line, default_tax, total};
use super::super::error::OdataError;
use super::super::schema::Cell;
use super::super::stock;
use super::super::tables::{Order, Row, Tables};
use super::border::{self, Act};
use super::order::{derive_line_state, derive_state};
use super::package;
use super::{Presence, apply, check_site, existing, known_reason, one_price, one_tax, present, refused};

/// Fields that decide when and how much is delivered.
const QUANTITY_FIELDS: [&str; 4] = ["BuyQtyDue", "WantedDeliveryDate", "PlannedDeliveryDate", "TargetDate"];

/// Saves a line; gives its position.
pub(in super::super) fn insert_line(tables: &mut Tables, order_no: &str, fields: &Fields) -> Result<usize, OdataError> {
    let mut line = tables.new_row(present(fields));
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    border::check(order, Act::AddLine)?;
    let numbers = order.lines.iter().filter_map(|line| line.text("LineNo").parse::<usize>().ok());
    let line_no = numbers.max().unwrap_or_default() + 1;
    for (name, value) in [("OrderNo", order_no.to_owned()), ("LineNo", line_no.to_string()), ("RelNo", "1".to_owned())]
    {
        line.put(name, Cell::Text(value));
    }
    line.put("OrderState", Cell::Text("Released".into()));
    for name in ["QtyAssigned", "QtyPicked", "QtyShipped", "QtyInvoiced"] {
        line.put(name, Cell::Decimal(Decimal::ZERO));
    }
    check_site(order, &line)?;
    describe(&mut line)?;
    one_price(order, fields, "SaleUnitPrice", "UnitPriceInclTax", Presence::Demanded)?;
    default_tax(&mut line);
    compute_line(&order.header, &mut line)?;
    let index = order.lines.len();
    order.lines.push(line.clone());
    package::add_components(tables, order_no, &line)?;
    let order = existing(tables, order_no)?;
    package::follow(order, version)?;
    total(order);
    derive_state(order, version);
    Ok(index)
}

/// The line's part must exist and be of the type given; its description is the part's unless the line has its own.
fn describe(line: &mut Row) -> Result<(), OdataError> {
    let catalog_no = line.text("CatalogNo").to_owned();
    let SalesPart { kind, .. } =
        world::sales_part(&catalog_no).ok_or_else(|| OdataError::no_such("SalesPart", &catalog_no))?;
    let catalog_type = match kind {
        PartKind::Inventory => "InventoryPart",
        PartKind::NonInventory => "NonInventoryPart",
        PartKind::Package => "PackagePart",
    };
    if line.cell("CatalogType").is_some() && line.text("CatalogType") != catalog_type {
        return Err(refused(format!(
            "CustomerOrderLine.CATALOG_TYPE: Sales part {catalog_no} is of type {catalog_type}."
        )));
    }
    line.put("CatalogType", Cell::Text(catalog_type.into()));
    line.put("LineItemNo", Cell::Int(if kind == PartKind::Package { package::PACKAGE } else { 0 }));
    if line.cell("CatalogDesc").is_none() {
        line.put("CatalogDesc", Cell::Text(format!("Part {catalog_no}")));
    }
    Ok(())
}

/// Changes a line.
pub(in super::super) fn update_line(
    tables: &mut Tables,
    order_no: &str,
    index: usize,
    fields: &Fields,
) -> Result<(), OdataError> {
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    border::check(order, Act::EditLine)?;
    one_price(order, fields, "SaleUnitPrice", "UnitPriceInclTax", Presence::Optional)?;
    let header = order.header.clone();
    let line = order.lines.get_mut(index).ok_or_else(|| OdataError::not_found("The line does not exist"))?;
    if line.text("OrderState") == "Cancelled" {
        return Err(refused("CustomerOrderLine.CANCELLED: A cancelled line can not be changed."));
    }
    package::check_is_no_component(line)?;
    border::check_uninvoiced("CustomerOrderLine", line, "QtyInvoiced")?;
    if changes(line, fields, &QUANTITY_FIELDS) {
        border::check_quantity(line)?;
    }
    if let Some(Some(Cell::Decimal(wanted))) = fields.get("BuyQtyDue") {
        border::check_floor(line, *wanted)?;
    }
    apply(line, fields, version);
    one_tax(line, fields);
    compute_line(&header, line)?;
    derive_line_state(line);
    package::follow(order, version)?;
    total(order);
    derive_state(order, version);
    Ok(())
}

/// Whether one of these fields would get another value.
fn changes(row: &Row, fields: &Fields, names: &[&str]) -> bool {
    names.iter().any(|name| fields.get(name).is_some_and(|cell| cell.as_ref() != row.cell(name)))
}

/// Cancels one line, for a reason that IFS knows; its reservations are given up.
pub(in super::super) fn cancel_line(
    tables: &mut Tables,
    order_no: &str,
    index: usize,
    reason: &str,
) -> Result<(), OdataError> {
    known_reason(reason)?;
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    border::check(order, Act::CancelLine)?;
    let line = order.lines.get(index).ok_or_else(|| OdataError::not_found("The line does not exist"))?;
    package::check_is_no_component(line)?;
    border::check_line_cancel(line)?;
    free_of_charges(order, line)?;
    strike(&mut order.lines[index], reason, version);
    package::follow(order, version)?;
    total(order);
    derive_state(order, version);
    stock::follow(tables, order_no)
}

/// A line that a charge is connected to can not be cancelled before the charge is deleted (IFS's documentation).
pub(super) fn free_of_charges(order: &Order, line: &Row) -> Result<(), OdataError> {
    let tied = order.charges.iter().find(|charge| charge.cell("LineNo").is_some() && package::belongs_to(charge, line));
    match tied {
        Some(charge) => Err(refused(format!(
            "CustomerOrderLine.CHARGE_CONNECTED: Charge {} is connected to line {}. Delete the charge before the line is cancelled.",
            charge.int("SequenceNo"),
            line.text("LineNo")
        ))),
        None => Ok(()),
    }
}

/// Marks a line as cancelled.
pub(super) fn strike(line: &mut Row, reason: &str, version: u64) {
    line.put("OrderState", Cell::Text("Cancelled".into()));
    line.put("CancelReason", Cell::Text(reason.to_owned()));
    line.put("QtyAssigned", Cell::Decimal(Decimal::ZERO));
    line.touch(version);
}
