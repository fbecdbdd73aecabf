//! Package parts: the components that IFS adds to a package's line by itself, and how they follow it. A package's own line has
//! `LineItemNo` -1, its components have 1 and up, every other line has 0 (public code of IFS's database layer).

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::super::super::world;
use super::super::compute::compute_line;
use super::super::error::OdataError;
use super::super::schema::Cell;
use super::super::tables::{Order, Row, Tables};
use super::order::derive_line_state;
use super::{existing, refused};

/// `LineItemNo` of a package's own line.
pub(super) const PACKAGE: i64 = -1;

/// What a component takes over from its package's line.
const TAKEN_OVER: [&str; 8] = [
    "OrderNo",
    "LineNo",
    "RelNo",
    "Contract",
    "CustomerPoLineNo",
    "WantedDeliveryDate",
    "TaxCode",
    "TaxCalcStructureId",
];
/// What is counted on a component in units of its own.
const QUANTITIES: [&str; 5] = ["BuyQtyDue", "QtyAssigned", "QtyPicked", "QtyShipped", "QtyInvoiced"];

/// Whether a line is a component that IFS added to a package.
pub(in super::super) fn is_component(line: &Row) -> bool {
    line.int("LineItemNo") > 0
}

/// Whether a row belongs to this line: it is the line, or a component of it.
pub(super) fn belongs_to(row: &Row, line: &Row) -> bool {
    let is_its_number = row.text("LineNo") == line.text("LineNo") && row.text("RelNo") == line.text("RelNo");
    is_its_number && (row.int("LineItemNo") == line.int("LineItemNo") || line.int("LineItemNo") == PACKAGE)
}

/// Adds the components of a package's line that was just saved.
pub(super) fn add_components(tables: &mut Tables, order_no: &str, package: &Row) -> Result<(), OdataError> {
    let Some(components) = world::package(package.text("CatalogNo")) else { return Ok(()) };
    for ((catalog_no, each), item_no) in components.iter().zip(1..) {
        let mut line = tables.new_row(BTreeMap::new());
        for (name, cell) in [
            ("LineItemNo", Cell::Int(item_no)),
            ("CatalogNo", Cell::Text((*catalog_no).to_owned())),
            ("CatalogType", Cell::Text("ComponentPart".into())),
            ("CatalogDesc", Cell::Text(format!("Part {catalog_no}"))),
            ("PriceFreeze", Cell::Text("Free".into())),
            ("QtyPerAssembly", Cell::Decimal(Decimal::from(*each))),
            ("OrderState", Cell::Text("Released".into())),
        ] {
            line.put(name, cell);
        }
        take_over(&mut line, package);
        existing(tables, order_no)?.lines.push(line);
    }
    Ok(())
}

/// Brings the components of each package to what its line says: dates, quantities, states. Their prices are their parts' own and
/// are in no sum: a package costs what its line costs.
pub(in super::super) fn follow(order: &mut Order, version: u64) -> Result<(), OdataError> {
    let header = order.header.clone();
    let packages: Vec<Row> = order.lines.iter().filter(|line| line.int("LineItemNo") == PACKAGE).cloned().collect();
    for package in packages {
        let of_it = |line: &&mut Row| is_component(line) && belongs_to(line, &package);
        for line in order.lines.iter_mut().filter(of_it) {
            follow_package(&header, line, &package)?;
            line.touch(version);
        }
    }
    Ok(())
}

fn follow_package(header: &Row, line: &mut Row, package: &Row) -> Result<(), OdataError> {
    take_over(line, package);
    let each = line.decimal("QtyPerAssembly").unwrap_or(Decimal::ONE);
    for name in QUANTITIES {
        line.put(name, Cell::Decimal(package.decimal(name).unwrap_or_default() * each));
    }
    compute_line(header, line)?;
    derive_line_state(line);
    if package.text("OrderState") == "Cancelled" {
        for name in ["OrderState", "CancelReason"] {
            line.put(name, Cell::Text(package.text(name).to_owned()));
        }
    }
    Ok(())
}

fn take_over(line: &mut Row, package: &Row) {
    for name in TAKEN_OVER {
        match package.cell(name) {
            Some(cell) => line.put(name, cell.clone()),
            None => line.remove(name),
        }
    }
}

/// A component is changed and cancelled with its package.
pub(super) fn check_is_no_component(line: &Row) -> Result<(), OdataError> {
    if is_component(line) {
        return Err(refused(format!(
            "CustomerOrderLine.PACKAGE_COMPONENT: Component {} of package line {} can not be changed by itself.",
            line.int("LineItemNo"),
            line.text("LineNo")
        )));
    }
    Ok(())
}
