//! What the state of an order or of a line still allows. The pick list is the border for quantities,
//! addresses and cancellations; the invoice is the border for prices and charges.

use rust_decimal::Decimal;

use super::super::error::OdataError;
use super::super::tables::{Order, Row};
use super::refused;

/// What somebody wants to do to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Notes, references, terms.
    EditHeader,
    /// The address that it is delivered to.
    EditAddress,
    AddLine,
    /// Any change of a line; the line has a word in it too.
    EditLine,
    CancelLine,
    /// Adding, changing or deleting a charge.
    EditCharges,
    Release,
    Cancel,
}

impl Act {
    fn verb(self) -> &'static str {
        match self {
            Self::EditHeader => "changed",
            Self::EditAddress => "given another address",
            Self::AddLine => "given another line",
            Self::EditLine => "changed in its lines",
            Self::CancelLine => "cancelled in part",
            Self::EditCharges => "changed in its charges",
            Self::Release => "released",
            Self::Cancel => "cancelled",
        }
    }

    fn is_allowed_in(self, state: &str) -> bool {
        let before_picking = matches!(state, "Planned" | "Released" | "Reserved" | "Blocked");
        let before_delivery = before_picking || matches!(state, "Picked" | "PartiallyDelivered");
        match self {
            Self::EditAddress | Self::Cancel => before_picking,
            Self::AddLine | Self::CancelLine => before_delivery,
            Self::EditHeader | Self::EditLine | Self::EditCharges => before_delivery || state == "Delivered",
            Self::Release => matches!(state, "Planned" | "Blocked"),
        }
    }
}

/// Whether the order's state allows this.
pub(super) fn check(order: &Order, act: Act) -> Result<(), OdataError> {
    if act.is_allowed_in(order.state()) {
        return Ok(());
    }
    Err(refused(format!("CustomerOrder.STATE: An order in state {} can not be {}.", order.state(), act.verb())))
}

/// Whether a line may still be given another quantity or date: not once it stands on a pick list or has left.
pub(super) fn check_quantity(line: &Row) -> Result<(), OdataError> {
    match line.text("OrderState") {
        "Picked" | "Delivered" | "Invoiced" => Err(refused(format!(
            "CustomerOrderLine.PICKED: Quantity and dates of a line in state {} can not be changed.",
            line.text("OrderState")
        ))),
        _ => Ok(()),
    }
}

/// Whether a line's quantity covers what is reserved and delivered.
pub(super) fn check_floor(line: &Row, wanted: Decimal) -> Result<(), OdataError> {
    let floor = taken(line);
    if wanted < floor {
        return Err(refused(format!(
            "CustomerOrderLine.QTY_BELOW: The quantity {wanted} is less than the quantity reserved or delivered, {floor}."
        )));
    }
    Ok(())
}

/// Whether a line may be cancelled: neither picked nor delivered.
pub(super) fn check_line_cancel(line: &Row) -> Result<(), OdataError> {
    match line.text("OrderState") {
        "Released" | "Reserved" => Ok(()),
        state => Err(refused(format!("CustomerOrderLine.STATE: A line in state {state} can not be cancelled."))),
    }
}

/// Whether prices of a row may still change.
pub(super) fn check_uninvoiced(entity: &str, row: &Row, invoiced: &str) -> Result<(), OdataError> {
    if row.decimal(invoiced).is_some_and(|qty| qty > Decimal::ZERO) {
        return Err(refused(format!("{entity}.INVOICED: An invoiced row can not be changed.")));
    }
    Ok(())
}

/// What is reserved for a line and not delivered yet, and what is delivered.
pub(in super::super) fn taken(line: &Row) -> Decimal {
    line.decimal("QtyAssigned").unwrap_or_default() + line.decimal("QtyShipped").unwrap_or_default()
}
