//! What the warehouse and the invoicing department do to an order: reserve, pick, deliver, invoice, block. They
//! move quantities; the states of lines and order follow from them.

use rust_decimal::Decimal;

use super::error::OdataError;
use super::rules::{self, derive_line_state, derive_state, existing, follow, is_component, live, refused};
use super::schema::{Cell, OBJSTATES};
use super::stock;
use super::tables::{Order, Row, Tables};

/// Moves an order to a state as the ordinary course of things would: quantities of its lines fit the state.
///
/// `Reserved` reserves one unit of each line, `Picked` picks everything, `PartiallyDelivered` delivers one unit of
/// the first line, `Delivered` and `Closed` deliver everything, `Invoiced` invoices it too.
pub(super) fn set_state(tables: &mut Tables, order_no: &str, state: &str) -> Result<(), OdataError> {
    if !OBJSTATES.contains(&state) {
        return Err(OdataError::bad_request(format!("'{state}' is no state of an order")));
    }
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    let one_unit = live(order).count() == 1 && live(order).all(|line| qty(line, "BuyQtyDue") <= Decimal::ONE);
    if state == "PartiallyDelivered" && (one_unit || live(order).next().is_none()) {
        return Err(refused("CustomerOrder.STATE: An order of one unit can not be delivered in part."));
    }
    for charge in &mut order.charges {
        let invoiced = if state == "Invoiced" { charge.decimal("ChargedQty") } else { None };
        charge.put("InvoicedQty", Cell::Decimal(invoiced.unwrap_or_default()));
        charge.touch(version);
    }
    let mut first = true;
    for line in order.lines.iter_mut().filter(|line| line.text("OrderState") != "Cancelled" && !is_component(line)) {
        let due = qty(line, "BuyQtyDue");
        let one = due.min(Decimal::ONE);
        let none = Decimal::ZERO;
        let (assigned, picked, shipped, invoiced) = match state {
            "Reserved" => (one, none, none, none),
            "Picked" => (due, due, none, none),
            "PartiallyDelivered" if first => (none, none, one, none),
            "Delivered" | "Closed" => (none, none, due, none),
            "Invoiced" => (none, none, due, due),
            _ => (none, none, none, none),
        };
        first = false;
        for (name, value) in
            [("QtyAssigned", assigned), ("QtyPicked", picked), ("QtyShipped", shipped), ("QtyInvoiced", invoiced)]
        {
            line.put(name, Cell::Decimal(value));
        }
        if state == "Cancelled" {
            line.put("OrderState", Cell::Text("Cancelled".into()));
        }
        derive_line_state(line);
        line.touch(version);
    }
    follow(order, version)?;
    order.header.put("Objstate", Cell::Text(state.to_owned()));
    match state {
        "Blocked" => order.header.put("BlockedReason", Cell::Text("MANUAL".into())),
        _ => order.header.remove("BlockedReason"),
    }
    order.header.touch(version);
    stock::follow(tables, order_no)
}

/// Reserves some of a line.
pub(super) fn reserve(tables: &mut Tables, order_no: &str, line_no: &str, units: Decimal) -> Result<(), OdataError> {
    work(tables, order_no, line_no, |line| {
        let free = qty(line, "BuyQtyDue") - rules::taken(line);
        if units <= Decimal::ZERO || units > free {
            return Err(refused(format!("CustomerOrderLine.RESERVE: {units} can not be reserved, {free} is left.")));
        }
        line.put("QtyAssigned", Cell::Decimal(qty(line, "QtyAssigned") + units));
        Ok(())
    })
}

/// Prints the pick list of everything that is reserved for a line.
pub(super) fn pick(tables: &mut Tables, order_no: &str, line_no: &str) -> Result<(), OdataError> {
    work(tables, order_no, line_no, |line| {
        let assigned = qty(line, "QtyAssigned");
        if assigned.is_zero() {
            return Err(refused("CustomerOrderLine.PICK: Nothing is reserved for the line."));
        }
        line.put("QtyPicked", Cell::Decimal(assigned));
        Ok(())
    })
}

/// Delivers some of a line, reserved or not.
pub(super) fn deliver(tables: &mut Tables, order_no: &str, line_no: &str, units: Decimal) -> Result<(), OdataError> {
    work(tables, order_no, line_no, |line| {
        let left = qty(line, "BuyQtyDue") - qty(line, "QtyShipped");
        if units <= Decimal::ZERO || units > left {
            return Err(refused(format!("CustomerOrderLine.DELIVER: {units} can not be delivered, {left} is left.")));
        }
        for name in ["QtyAssigned", "QtyPicked"] {
            line.put(name, Cell::Decimal((qty(line, name) - units).max(Decimal::ZERO)));
        }
        line.put("QtyShipped", Cell::Decimal(qty(line, "QtyShipped") + units));
        Ok(())
    })
}

/// Invoices what is delivered and not invoiced, with the charges.
pub(super) fn invoice(tables: &mut Tables, order_no: &str) -> Result<(), OdataError> {
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    if !live(order).any(|line| qty(line, "QtyShipped") > qty(line, "QtyInvoiced")) {
        return Err(refused("CustomerOrder.INVOICE: Nothing is delivered that is not invoiced."));
    }
    for line in order.lines.iter_mut().filter(|line| line.text("OrderState") != "Cancelled" && !is_component(line)) {
        if qty(line, "QtyShipped") > qty(line, "QtyInvoiced") {
            line.put("QtyInvoiced", Cell::Decimal(qty(line, "QtyShipped")));
            derive_line_state(line);
            line.touch(version);
        }
    }
    follow(order, version)?;
    rules::invoice_charges(order, version);
    derive_state(order, version);
    Ok(())
}

/// Blocks an order, for a reason in words.
pub(super) fn block(tables: &mut Tables, order_no: &str, reason: &str) -> Result<(), OdataError> {
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    if !matches!(order.state(), "Planned" | "Released" | "Reserved") {
        return Err(refused(format!("CustomerOrder.STATE: An order in state {} can not be blocked.", order.state())));
    }
    order.header.put("Objstate", Cell::Text("Blocked".into()));
    order.header.put("BlockedReason", Cell::Text(reason.to_owned()));
    order.header.touch(version);
    Ok(())
}

/// Does one thing to a line of an order that is released and not ended.
fn work(
    tables: &mut Tables,
    order_no: &str,
    line_no: &str,
    act: impl FnOnce(&mut Row) -> Result<(), OdataError>,
) -> Result<(), OdataError> {
    let version = tables.next_version();
    let order: &mut Order = existing(tables, order_no)?;
    if !matches!(order.state(), "Released" | "Reserved" | "Picked" | "PartiallyDelivered") {
        return Err(refused(format!("CustomerOrder.STATE: An order in state {} is not worked on.", order.state())));
    }
    let line = order.lines.iter_mut().find(|line| line.text("LineNo") == line_no);
    let line = line.ok_or_else(|| OdataError::not_found("The line does not exist"))?;
    if line.text("OrderState") == "Cancelled" {
        return Err(refused("CustomerOrderLine.CANCELLED: A cancelled line is not worked on."));
    }
    act(line)?;
    derive_line_state(line);
    line.touch(version);
    follow(order, version)?;
    derive_state(order, version);
    stock::follow(tables, order_no)
}

fn qty(row: &Row, name: &str) -> Decimal {
    row.decimal(name).unwrap_or_default()
}
