//! Charges of an order, tied to a line or to none. They may be negative, as IFS's own promotions are.

use rust_decimal::Decimal;

use super::super::super::world;
use super::super::body::Fields;
use super::super::compute::{compute_charge, default_tax, total};
use super::super::error::OdataError;
use super::super::path::LineKey;
use super::super::schema::Cell;
use super::super::tables::{Order, Row, Tables};
use super::border::{self, Act};
use super::{Presence, apply, check_site, existing, mandatory, one_price, one_tax, present, refused};

/// Saves a charge; gives its position.
pub(in super::super) fn insert_charge(
    tables: &mut Tables,
    order_no: &str,
    fields: &Fields,
) -> Result<usize, OdataError> {
    let mut charge = tables.new_row(present(fields));
    let order = existing(tables, order_no)?;
    border::check(order, Act::EditCharges)?;
    let sequence_no = next_sequence_no(order);
    charge.put("OrderNo", Cell::Text(order_no.to_owned()));
    charge.put("SequenceNo", Cell::Int(sequence_no));
    charge.put("InvoicedQty", Cell::Decimal(Decimal::ZERO));
    check_site(order, &charge)?;
    if charge.text("Company") != order.header.text("Company") {
        return Err(refused("CustomerOrderCharge.COMPANY: The company is not the order's company."));
    }
    let charge_type = charge.text("ChargeType");
    if !world::CHARGE_TYPES.contains(&charge_type) {
        return Err(OdataError::no_such("SalesChargeType", charge_type));
    }
    tie(order, &mut charge)?;
    one_price(order, fields, "ChargeAmount", "ChargeAmountInclTax", Presence::Demanded)?;
    default_tax(&mut charge);
    compute_charge(&order.header, &mut charge)?;
    order.charges_ever = sequence_no;
    order.charges.push(charge);
    total(order);
    Ok(order.charges.len() - 1)
}

/// The next number; the number of a deleted charge does not come again.
fn next_sequence_no(order: &Order) -> i64 {
    order.charges_ever + 1
}

/// The line that a charge is tied to must be there and alive.
fn tie(order: &Order, charge: &mut Row) -> Result<(), OdataError> {
    if ["LineNo", "RelNo", "LineItemNo"].iter().all(|name| charge.cell(name).is_none()) {
        return Ok(());
    }
    for name in ["LineNo", "RelNo", "LineItemNo"] {
        if charge.cell(name).is_none() {
            return Err(mandatory("CustomerOrderCharge", name));
        }
    }
    let key = LineKey {
        line_no: charge.text("LineNo").to_owned(),
        rel_no: charge.text("RelNo").to_owned(),
        line_item_no: charge.int("LineItemNo"),
    };
    match order.line_index(&key).map(|index| &order.lines[index]) {
        None => Err(OdataError::no_such("CustomerOrderLine", &key.line_no)),
        Some(line) if line.text("OrderState") == "Cancelled" => {
            Err(refused("CustomerOrderCharge.LINE_CANCELLED: A charge can not be connected to a cancelled line."))
        }
        Some(_) => Ok(()),
    }
}

/// Changes a charge.
pub(in super::super) fn update_charge(
    tables: &mut Tables,
    order_no: &str,
    index: usize,
    fields: &Fields,
) -> Result<(), OdataError> {
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    border::check(order, Act::EditCharges)?;
    one_price(order, fields, "ChargeAmount", "ChargeAmountInclTax", Presence::Optional)?;
    let header = order.header.clone();
    let charge = order.charges.get_mut(index).ok_or_else(|| OdataError::not_found("The charge does not exist"))?;
    border::check_uninvoiced("CustomerOrderCharge", charge, "InvoicedQty")?;
    apply(charge, fields, version);
    one_tax(charge, fields);
    compute_charge(&header, charge)?;
    total(order);
    Ok(())
}

/// Deletes a charge.
pub(in super::super) fn delete_charge(tables: &mut Tables, order_no: &str, index: usize) -> Result<(), OdataError> {
    let order = existing(tables, order_no)?;
    border::check(order, Act::EditCharges)?;
    let charge = order.charges.get(index).ok_or_else(|| OdataError::not_found("The charge does not exist"))?;
    border::check_uninvoiced("CustomerOrderCharge", charge, "InvoicedQty")?;
    order.charges.remove(index);
    total(order);
    Ok(())
}

/// Marks every charge of an order as invoiced.
pub(in super::super) fn invoice_charges(order: &mut Order, version: u64) {
    for charge in &mut order.charges {
        let qty = charge.decimal("ChargedQty").unwrap_or(Decimal::ONE);
        charge.put("InvoicedQty", Cell::Decimal(qty));
        charge.touch(version);
    }
}
