//! Orders as a whole: release, cancellation, and the state that follows from the lines.

use rust_decimal::Decimal;

use super::super::error::OdataError;
use super::super::schema::Cell;
use super::super::stock;
use super::super::tables::{Order, Row, Tables};
use super::border::{self, Act};
use super::line::{free_of_charges, strike};
use super::package::{follow, is_component};
use super::{existing, known_reason, refused};

/// What the credit check at release says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreditCheck {
    /// The order is released.
    #[default]
    Passes,
    /// The order ends in `Blocked`.
    Fails,
}

/// Releases an order, or blocks it for this reason.
pub(in super::super) fn release(tables: &mut Tables, order_no: &str, block: Option<&str>) -> Result<(), OdataError> {
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    border::check(order, Act::Release)?;
    if live(order).next().is_none() {
        return Err(refused("CustomerOrder.NO_LINES: An order without lines can not be released."));
    }
    match block {
        None => {
            order.header.put("Objstate", Cell::Text("Released".into()));
            order.header.remove("BlockedReason");
        }
        Some(reason) => {
            order.header.put("Objstate", Cell::Text("Blocked".into()));
            order.header.put("BlockedReason", Cell::Text(reason.to_owned()));
        }
    }
    order.header.touch(version);
    Ok(())
}

/// Cancels an order with its lines, for a reason that IFS knows. A connected charge refuses it as it refuses the
/// cancellation of its line.
pub(in super::super) fn cancel(tables: &mut Tables, order_no: &str, reason: &str) -> Result<(), OdataError> {
    known_reason(reason)?;
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    border::check(order, Act::Cancel)?;
    for line in live(order) {
        free_of_charges(order, line)?;
    }
    order.header.put("Objstate", Cell::Text("Cancelled".into()));
    order.header.put("CancelReason", Cell::Text(reason.to_owned()));
    order.header.touch(version);
    for line in order.lines.iter_mut().filter(|line| line.text("OrderState") != "Cancelled") {
        strike(line, reason, version);
    }
    follow(order, version)?;
    stock::follow(tables, order_no)
}

/// The lines that are not cancelled; a package counts as its own line, without its components.
pub(in super::super) fn live(order: &Order) -> impl Iterator<Item = &Row> {
    order.lines.iter().filter(|line| line.text("OrderState") != "Cancelled" && !is_component(line))
}

/// The state that a line has by its quantities. A cancelled line stays cancelled.
pub(in super::super) fn derive_line_state(line: &mut Row) {
    let qty = |name: &str| line.decimal(name).unwrap_or_default();
    let (due, assigned, picked) = (qty("BuyQtyDue"), qty("QtyAssigned"), qty("QtyPicked"));
    let (shipped, invoiced) = (qty("QtyShipped"), qty("QtyInvoiced"));
    let state = match line.text("OrderState") {
        "Cancelled" => return,
        _ if invoiced >= due => "Invoiced",
        _ if shipped >= due => "Delivered",
        _ if picked > Decimal::ZERO => "Picked",
        _ if shipped > Decimal::ZERO => "PartiallyDelivered",
        _ if assigned > Decimal::ZERO => "Reserved",
        _ => "Released",
    };
    line.put("OrderState", Cell::Text(state.into()));
}

/// The state that a released order has by its lines. Planned, blocked and ended orders stay what they are.
pub(in super::super) fn derive_state(order: &mut Order, version: u64) {
    if matches!(order.state(), "Planned" | "Blocked" | "Closed" | "Cancelled") {
        return;
    }
    let states: Vec<&str> = live(order).map(|line| line.text("OrderState")).collect();
    let all = |wanted: &[&str]| states.iter().all(|state| wanted.contains(state));
    let any = |wanted: &[&str]| states.iter().any(|state| wanted.contains(state));
    let shipped = live(order).any(|line| line.decimal("QtyShipped").is_some_and(|qty| qty > Decimal::ZERO));
    let state = if states.is_empty() {
        "Released"
    } else if all(&["Invoiced"]) {
        "Invoiced"
    } else if all(&["Delivered", "Invoiced"]) {
        "Delivered"
    } else if shipped {
        "PartiallyDelivered"
    } else if any(&["Picked"]) {
        "Picked"
    } else if any(&["Reserved"]) {
        "Reserved"
    } else {
        "Released"
    };
    if state != order.state() {
        order.header.put("Objstate", Cell::Text(state.to_owned()));
        order.header.touch(version);
    }
}
