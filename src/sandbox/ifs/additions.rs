//! What IFS adds to orders by itself: charges, promotions, discounts, other parts. Everything is off until somebody
//! switches it on, as a company does in IFS's basic data.

use rust_decimal::Decimal;

use super::super::world;
use super::body::Fields;
use super::error::OdataError;
use super::price::round;
use super::rules::{self, live};
use super::schema::Cell;
use super::tables::{Order, Row, Tables};

/// A charge that IFS adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedCharge {
    /// `ChargeType`.
    pub charge_type: String,
    /// Amount for the quantity of one, on the order's price basis.
    pub amount: Decimal,
}

/// What IFS adds by itself; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// Default charge of every customer: added when an order is created.
    pub customer_charge: Option<AddedCharge>,
    /// Default charge of a part, by `CatalogNo`: added to each line of it and connected to the line.
    pub part_charge: Option<(String, AddedCharge)>,
    /// Freight, added when a planned order is released.
    pub freight: Option<Decimal>,
    /// Promotion in percent of each line whose price is not frozen: a negative charge, added at release.
    pub promotion_percent: Option<Decimal>,
    /// Default discount of every customer in percent: taken for each discount field that a row or header leaves out.
    pub customer_discount: Option<Decimal>,
    /// A part, by `CatalogNo`, and the one that has superseded it.
    pub superseded: Option<(String, String)>,
    /// A line that says nothing about it fetches its tax code from IFS's defaults, as with `FetchTaxFromDefaults` `TRUE`.
    pub taxes_fetched: bool,
    /// A required prepayment blocks each order at its release.
    pub prepayment_required: bool,
}

impl Additions {
    /// What a new header gets that did not say otherwise.
    pub(super) fn fill_header(&self, fields: &mut Fields) {
        if let Some(percent) = self.customer_discount {
            fields.entry("AdditionalDiscount").or_insert(Some(Cell::Decimal(percent)));
        }
    }

    /// What a new line gets that did not say otherwise, and the part that stands for a superseded one.
    pub(super) fn fill_line(&self, fields: &mut Fields) {
        if let Some(percent) = self.customer_discount {
            for name in ["Discount", "OrderDiscount"] {
                fields.entry(name).or_insert(Some(Cell::Decimal(percent)));
            }
        }
        if self.taxes_fetched {
            fields.entry("FetchTaxFromDefaults").or_insert_with(|| Some(Cell::Text("TRUE".into())));
        }
        if let Some((old, new)) = &self.superseded
            && fields.get("CatalogNo") == Some(&Some(Cell::Text(old.clone())))
        {
            fields.insert("CatalogNo", Some(Cell::Text(new.clone())));
        }
    }

    /// What follows a new header.
    pub(super) fn after_header(&self, tables: &mut Tables, order_no: &str) -> Result<(), OdataError> {
        match &self.customer_charge {
            Some(charge) => add(tables, order_no, charge, None),
            None => Ok(()),
        }
    }

    /// What follows a new line.
    pub(super) fn after_line(&self, tables: &mut Tables, order_no: &str, index: usize) -> Result<(), OdataError> {
        let Some((catalog_no, charge)) = &self.part_charge else { return Ok(()) };
        let line = tables.order(order_no).and_then(|order| order.lines.get(index)).cloned();
        match line.filter(|line| line.text("CatalogNo") == catalog_no) {
            Some(line) => add(tables, order_no, charge, Some(&line)),
            None => Ok(()),
        }
    }

    /// What comes with the release of an order; nothing twice, as a blocked order had its share already.
    pub(super) fn at_release(&self, tables: &mut Tables, order_no: &str) -> Result<(), OdataError> {
        let Some(order) = tables.order(order_no).filter(|order| order.state() == "Planned") else { return Ok(()) };
        let mut added = Vec::new();
        if let Some(amount) = self.freight {
            added.push((AddedCharge { charge_type: "FREIGHT".into(), amount }, None));
        }
        if let Some(percent) = self.promotion_percent {
            for line in live(order).filter(|line| line.text("PriceFreeze") != "Frozen") {
                let amount = -promoted(order, line, percent);
                added.push((AddedCharge { charge_type: "PROMOTION".into(), amount }, Some(line.clone())));
            }
        }
        added.iter().try_for_each(|(charge, line)| add(tables, order_no, charge, line.as_ref()))
    }
}

fn promoted(order: &Order, line: &Row, percent: Decimal) -> Decimal {
    let field = if order.header.flag("UsePriceInclTax") { "GrossAmountCurr" } else { "NetAmountCurr" };
    let decimals = world::currency_decimals(order.header.text("CurrencyCode")).unwrap_or(2);
    round(line.decimal(field).unwrap_or_default() * percent / Decimal::ONE_HUNDRED, decimals)
}

/// Adds a charge, connected to a line or to none, taxed as the line.
fn add(tables: &mut Tables, order_no: &str, charge: &AddedCharge, line: Option<&Row>) -> Result<(), OdataError> {
    let Some(order) = tables.order(order_no) else { return Ok(()) };
    let price = if order.header.flag("UsePriceInclTax") { "ChargeAmountInclTax" } else { "ChargeAmount" };
    let header = |name: &'static str| (name, Some(Cell::Text(order.header.text(name).to_owned())));
    let mut fields: Fields = [
        header("Contract"),
        header("Company"),
        ("ChargeType", Some(Cell::Text(charge.charge_type.clone()))),
        ("ChargedQty", Some(Cell::Decimal(Decimal::ONE))),
        (price, Some(Cell::Decimal(charge.amount))),
    ]
    .into_iter()
    .collect();
    if let Some(line) = line {
        for name in ["LineNo", "RelNo", "LineItemNo", "TaxCode", "TaxCalcStructureId"] {
            if let Some(cell) = line.cell(name) {
                fields.insert(name, Some(cell.clone()));
            }
        }
    }
    rules::insert_charge(tables, order_no, &fields).map(drop)
}
