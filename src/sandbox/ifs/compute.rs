//! What IFS computes on an order's rows: the tax codes it takes, amounts, taxes, the other price, the total.

use rust_decimal::Decimal;

use super::super::world;
use super::error::OdataError;
use super::price::{Basis, amounts, other_price, round};
use super::rules::is_component;
use super::schema::Cell;
use super::tables::{Order, Row};

/// Computes lines, charges and the total anew.
pub(super) fn recompute(order: &mut Order) -> Result<(), OdataError> {
    let header = order.header.clone();
    for line in &mut order.lines {
        compute_line(&header, line)?;
    }
    for charge in &mut order.charges {
        compute_charge(&header, charge)?;
    }
    total(order);
    Ok(())
}

/// The tax code that IFS takes by itself: when it is asked to, or when the row names none.
pub(super) fn default_tax(row: &mut Row) {
    let fetched = row.text("FetchTaxFromDefaults") == "TRUE";
    if fetched {
        row.remove("TaxCalcStructureId");
    }
    if fetched || (row.cell("TaxCode").is_none() && row.cell("TaxCalcStructureId").is_none()) {
        row.put("TaxCode", Cell::Text(world::DEFAULT_TAX_CODE.into()));
    }
}

struct Basics {
    basis: Basis,
    decimals: u32,
    tax_percents: Vec<Decimal>,
}

fn basics(header: &Row, row: &Row) -> Result<Basics, OdataError> {
    let tax_percents = tax_percents(row)?;
    if row.text("TaxLiability") == "EXEMPT" && tax_percents.iter().any(|percent| !percent.is_zero()) {
        return Err(OdataError::database(
            20105,
            "CustomerOrderLine.EXEMPT: An exempt line needs a tax code of 0 percent.",
        ));
    }
    let basis = if header.flag("UsePriceInclTax") { Basis::InclTax } else { Basis::Net };
    let decimals = world::currency_decimals(header.text("CurrencyCode")).unwrap_or(2);
    Ok(Basics { basis, decimals, tax_percents })
}

/// Percentages of the row's tax code, or of the codes of its tax calculation structure.
fn tax_percents(row: &Row) -> Result<Vec<Decimal>, OdataError> {
    let (code, structure) = (row.text("TaxCode"), row.text("TaxCalcStructureId"));
    match (code, structure) {
        (_, "") => world::tax_percent(code)
            .map(|percent| vec![percent])
            .ok_or_else(|| OdataError::no_such("StatutoryFee", code)),
        ("", _) => world::tax_structure(structure).ok_or_else(|| OdataError::no_such("TaxCalcStructure", structure)),
        _ => Err(OdataError::database(
            20105,
            "TaxHandling.CODE_AND_STRUCTURE: A tax code and a tax calculation structure can not be used together.",
        )),
    }
}

pub(super) fn compute_line(header: &Row, line: &mut Row) -> Result<(), OdataError> {
    let Basics { basis, decimals, tax_percents } = basics(header, line)?;
    let qty = line.decimal("BuyQtyDue").unwrap_or_default();
    if qty <= Decimal::ZERO {
        return Err(OdataError::database(20105, "CustomerOrderLine.QTY: The quantity must be greater than zero."));
    }
    let (price_field, other_field) = match basis {
        Basis::Net => ("SaleUnitPrice", "UnitPriceInclTax"),
        Basis::InclTax => ("UnitPriceInclTax", "SaleUnitPrice"),
    };
    if line.text("PriceFreeze") == "Free" {
        let own = world::sales_part(line.text("CatalogNo")).map(|part| part.list_price).unwrap_or_default();
        line.put(price_field, Cell::Decimal(own));
    }
    let price = line.decimal(price_field).unwrap_or_default();
    let discount: Decimal = ["Discount", "OrderDiscount"].iter().filter_map(|name| line.decimal(name)).sum::<Decimal>()
        + header.decimal("AdditionalDiscount").unwrap_or_default();
    if price.is_sign_negative() || discount.is_sign_negative() || discount > Decimal::ONE_HUNDRED {
        return Err(OdataError::database(20105, "CustomerOrderLine.PRICE: Price and discount must not be negative."));
    }
    let computed = amounts(basis, price, qty, discount, &tax_percents, decimals);
    line.put(other_field, Cell::Decimal(other_price(basis, price, &tax_percents)));
    line.put("NetAmountCurr", Cell::Decimal(computed.net));
    line.put("TaxAmountCurr", Cell::Decimal(computed.tax));
    line.put("GrossAmountCurr", Cell::Decimal(computed.gross));
    Ok(())
}

pub(super) fn compute_charge(header: &Row, charge: &mut Row) -> Result<(), OdataError> {
    let Basics { basis, decimals, tax_percents } = basics(header, charge)?;
    let (price_field, other_field) = match basis {
        Basis::Net => ("ChargeAmount", "ChargeAmountInclTax"),
        Basis::InclTax => ("ChargeAmountInclTax", "ChargeAmount"),
    };
    let qty = charge.decimal("ChargedQty").unwrap_or_default();
    if qty <= Decimal::ZERO {
        return Err(OdataError::database(20105, "CustomerOrderCharge.QTY: The quantity must be greater than zero."));
    }
    let price = charge.decimal(price_field).unwrap_or_default();
    let computed = amounts(basis, price, qty, Decimal::ZERO, &tax_percents, decimals);
    charge.put(other_field, Cell::Decimal(other_price(basis, price, &tax_percents)));
    charge.put("NetAmtCurr", Cell::Decimal(computed.net));
    charge.put("TaxAmountCurrency", Cell::Decimal(computed.tax));
    charge.put("GrossAmtCurr", Cell::Decimal(computed.gross));
    Ok(())
}

/// `TotalAmount`: gross of the live lines, without the components of packages, and of the charges.
pub(super) fn total(order: &mut Order) {
    let lines = order
        .lines
        .iter()
        .filter(|line| line.text("OrderState") != "Cancelled" && !is_component(line))
        .filter_map(|line| line.decimal("GrossAmountCurr"));
    let charges = order.charges.iter().filter_map(|charge| charge.decimal("GrossAmtCurr"));
    let sum: Decimal = lines.chain(charges).sum();
    order.header.put("TotalAmount", Cell::Decimal(round(sum, 8)));
}
