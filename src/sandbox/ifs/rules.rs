//! IFS's business rules for orders: what the database refuses (500 with an ORA text), what it fills in,
//! what it computes. Types were judged before, in `body`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::super::world;
use super::body::Fields;
use super::error::OdataError;
use super::price::{Basis, amounts, other_price, round};
use super::schema::Cell;
use super::tables::{Order, Row, Tables};

/// States in which rows may still be added or change.
const OPEN_STATES: [&str; 4] = ["Planned", "Released", "Reserved", "Blocked"];

/// Saves a new header; gives its number.
pub(super) fn insert_header(tables: &mut Tables, fields: &Fields, now: Timestamp) -> Result<String, OdataError> {
    let mut cells = present(fields);
    check_header(&cells)?;
    let contract = text_of(&cells, "Contract").to_owned();
    let company = world::company_of_site(&contract).ok_or_else(|| OdataError::no_such("Site", &contract))?;
    if text_of(&cells, "Company") != company {
        let text = format!(
            "CustomerOrder.SITE_COMPANY: Site {contract} belongs to company {company}, not to the company given."
        );
        return Err(OdataError::database(20105, text));
    }
    let coordinator = text_of(&cells, "AuthorizeCode");
    let prefix = world::COORDINATORS.iter().find(|(code, _)| *code == coordinator).map(|(_, prefix)| *prefix);
    let prefix = prefix.ok_or_else(|| OdataError::no_such("OrderCoordinator", coordinator))?;
    let order_no = tables.next_number(prefix);
    cells.insert("OrderNo", Cell::Text(order_no.clone()));
    cells.insert("Objstate", Cell::Text("Planned".into()));
    cells.insert("AddrFlagDb", Cell::Text("N".into()));
    cells.insert("DateEntered", Cell::Text(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
    cells.insert("TotalAmount", Cell::Decimal(Decimal::ZERO));
    cells.entry("UsePriceInclTax").or_insert(Cell::Bool(false));
    cells.entry("AdditionalDiscount").or_insert(Cell::Decimal(Decimal::ZERO));
    cells.entry("PayTermId").or_insert_with(|| Cell::Text("30".into()));
    cells.entry("ShipViaCode").or_insert_with(|| Cell::Text("STD".into()));
    cells.entry("DeliveryTerms").or_insert_with(|| Cell::Text("DAP".into()));
    let header = tables.new_row(cells);
    tables.insert(order_no.clone(), Order { header, address: None, lines: Vec::new(), charges: Vec::new() });
    Ok(order_no)
}

fn check_header(cells: &BTreeMap<&'static str, Cell>) -> Result<(), OdataError> {
    if cells.get("IsNewCustomer") != Some(&Cell::Bool(false)) {
        return Err(OdataError::database(
            20105,
            "CustomerOrder.NEW_CUSTOMER: A new customer can not be created from here.",
        ));
    }
    known("CustOrdCustomer", &[world::CUSTOMER_NO], cells, "CustomerNo")?;
    known("CustomerInfoAddress", &world::ADDRESS_IDS, cells, "BillAddrNo")?;
    known("CustomerInfoAddress", &world::ADDRESS_IDS, cells, "ShipAddrNo")?;
    let companies = world::SITES.map(|(_, company)| company);
    known("Company", &companies, cells, "Company")?;
    known("IsoCurrency", &world::CURRENCIES.map(|(code, _)| code), cells, "CurrencyCode")?;
    known("CustOrderType", &world::ORDER_TYPES, cells, "OrderId")?;
    check_terms(cells)
}

fn check_terms(cells: &BTreeMap<&'static str, Cell>) -> Result<(), OdataError> {
    known("PaymentTerm", &world::PAY_TERMS, cells, "PayTermId")?;
    known("MpccomShipVia", &world::SHIP_VIAS, cells, "ShipViaCode")?;
    known("OrderDeliveryTerm", &world::DELIVERY_TERMS, cells, "DeliveryTerms")?;
    percent(cells, "AdditionalDiscount")
}

/// Changes a header's own fields.
pub(super) fn update_header(tables: &mut Tables, order_no: &str, fields: &Fields) -> Result<(), OdataError> {
    check_terms(&present(fields))?;
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    if matches!(order.state(), "Cancelled" | "Closed" | "Invoiced") {
        return Err(wrong_state(order, "changed"));
    }
    if fields.get("AddrFlagDb") == Some(&Some(Cell::Text("N".into()))) {
        order.address = None;
    }
    apply(&mut order.header, fields, version);
    recompute(order)
}

/// Saves the single-occurrence address of an order.
pub(super) fn insert_address(tables: &mut Tables, order_no: &str, fields: &Fields) -> Result<(), OdataError> {
    let mut cells = present(fields);
    check_country(&cells)?;
    cells.insert("OrderNo", Cell::Text(order_no.to_owned()));
    cells.entry("AddrFlag").or_insert_with(|| Cell::Text("Y".into()));
    let row = tables.new_row(cells);
    let order = existing(tables, order_no)?;
    if order.header.text("AddrFlagDb") != "Y" {
        let text = "CustomerOrderAddress.NOT_SINGLE: The order does not use a single occurrence address.";
        return Err(OdataError::database(20105, text));
    }
    if order.address.is_some() {
        let text = "CustomerOrderAddress.FND_RECORD_EXIST: The Customer Order Address already exists.";
        return Err(OdataError::database(20112, text));
    }
    open(order, "given an address")?;
    order.address = Some(row);
    Ok(())
}

/// Changes the single-occurrence address.
pub(super) fn update_address(tables: &mut Tables, order_no: &str, fields: &Fields) -> Result<(), OdataError> {
    check_country(&present(fields))?;
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    open(order, "changed")?;
    let row = order.address.as_mut().ok_or_else(|| OdataError::not_found("The address does not exist"))?;
    apply(row, fields, version);
    Ok(())
}

fn check_country(cells: &BTreeMap<&'static str, Cell>) -> Result<(), OdataError> {
    let country = text_of(cells, "Country");
    let known = country.is_empty()
        || (country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase()) && !matches!(country, "XX" | "ZZ"));
    if known { Ok(()) } else { Err(OdataError::no_such("IsoCountry", country)) }
}

/// Saves a line; gives its position.
pub(super) fn insert_line(tables: &mut Tables, order_no: &str, fields: &Fields) -> Result<usize, OdataError> {
    let row = tables.new_row(present(fields));
    let order = existing(tables, order_no)?;
    open(order, "extended")?;
    let line_no = order.lines.len() + 1;
    let mut line = row;
    for (name, value) in [("OrderNo", order_no.to_owned()), ("LineNo", line_no.to_string()), ("RelNo", "1".to_owned())]
    {
        line.put(name, Cell::Text(value));
    }
    line.put("LineItemNo", Cell::Int(0));
    line.put("OrderState", Cell::Text("Released".into()));
    for name in ["QtyAssigned", "QtyPicked", "QtyShipped", "QtyInvoiced"] {
        line.put(name, Cell::Decimal(Decimal::ZERO));
    }
    check_site(order, &line)?;
    let catalog_no = line.text("CatalogNo");
    world::list_price(catalog_no).ok_or_else(|| OdataError::no_such("SalesPart", catalog_no))?;
    if line.cell("CatalogDesc").is_none() {
        line.put("CatalogDesc", Cell::Text(format!("Part {catalog_no}")));
    }
    one_price(order, fields, "SaleUnitPrice", "UnitPriceInclTax", Presence::Demanded)?;
    default_tax(&mut line);
    compute_line(&order.header, &mut line)?;
    order.lines.push(line);
    total(order);
    Ok(line_no - 1)
}

/// Changes a line.
pub(super) fn update_line(
    tables: &mut Tables,
    order_no: &str,
    index: usize,
    fields: &Fields,
) -> Result<(), OdataError> {
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    open(order, "changed")?;
    one_price(order, fields, "SaleUnitPrice", "UnitPriceInclTax", Presence::Optional)?;
    let header = order.header.clone();
    let line = order.lines.get_mut(index).ok_or_else(|| OdataError::not_found("The line does not exist"))?;
    if line.text("OrderState") == "Cancelled" {
        return Err(OdataError::database(20105, "CustomerOrderLine.CANCELLED: A cancelled line can not be changed."));
    }
    apply(line, fields, version);
    compute_line(&header, line)?;
    total(order);
    Ok(())
}

/// Saves a charge; gives its position.
pub(super) fn insert_charge(tables: &mut Tables, order_no: &str, fields: &Fields) -> Result<usize, OdataError> {
    let mut charge = tables.new_row(present(fields));
    let order = existing(tables, order_no)?;
    open(order, "extended")?;
    let sequence_no = order.charges.iter().map(|charge| charge.int("SequenceNo")).max().unwrap_or(0) + 1;
    charge.put("OrderNo", Cell::Text(order_no.to_owned()));
    charge.put("SequenceNo", Cell::Int(sequence_no));
    charge.put("InvoicedQty", Cell::Decimal(Decimal::ZERO));
    check_site(order, &charge)?;
    if charge.text("Company") != order.header.text("Company") {
        return Err(OdataError::database(
            20105,
            "CustomerOrderCharge.COMPANY: The company is not the order's company.",
        ));
    }
    let charge_type = charge.text("ChargeType");
    if !world::CHARGE_TYPES.contains(&charge_type) {
        return Err(OdataError::no_such("SalesChargeType", charge_type));
    }
    one_price(order, fields, "ChargeAmount", "ChargeAmountInclTax", Presence::Demanded)?;
    default_tax(&mut charge);
    compute_charge(&order.header, &mut charge)?;
    order.charges.push(charge);
    total(order);
    Ok(order.charges.len() - 1)
}

/// Changes a charge.
pub(super) fn update_charge(
    tables: &mut Tables,
    order_no: &str,
    index: usize,
    fields: &Fields,
) -> Result<(), OdataError> {
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    open(order, "changed")?;
    one_price(order, fields, "ChargeAmount", "ChargeAmountInclTax", Presence::Optional)?;
    let header = order.header.clone();
    let charge = order.charges.get_mut(index).ok_or_else(|| OdataError::not_found("The charge does not exist"))?;
    apply(charge, fields, version);
    compute_charge(&header, charge)?;
    total(order);
    Ok(())
}

/// Deletes a charge.
pub(super) fn delete_charge(tables: &mut Tables, order_no: &str, index: usize) -> Result<(), OdataError> {
    let order = existing(tables, order_no)?;
    open(order, "changed")?;
    order.charges.remove(index);
    total(order);
    Ok(())
}

/// Releases an order; the credit check may block it instead.
pub(super) fn release(tables: &mut Tables, order_no: &str, blocked: bool) -> Result<(), OdataError> {
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    if !matches!(order.state(), "Planned" | "Blocked") {
        return Err(wrong_state(order, "released"));
    }
    if order.lines.is_empty() {
        return Err(OdataError::database(20105, "CustomerOrder.NO_LINES: An order without lines can not be released."));
    }
    let state = if blocked { "Blocked" } else { "Released" };
    order.header.put("Objstate", Cell::Text(state.into()));
    if blocked {
        order.header.put("BlockedReason", Cell::Text("CREDIT".into()));
    } else {
        order.header.remove("BlockedReason");
    }
    order.header.touch(version);
    Ok(())
}

/// Cancels an order with its lines, for a reason that IFS knows.
pub(super) fn cancel(tables: &mut Tables, order_no: &str, reason: &str) -> Result<(), OdataError> {
    if !world::CANCEL_REASONS.contains(&reason) {
        return Err(OdataError::no_such("OrderCancelReason", reason));
    }
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    open(order, "cancelled")?;
    order.header.put("Objstate", Cell::Text("Cancelled".into()));
    order.header.put("CancelReason", Cell::Text(reason.to_owned()));
    order.header.touch(version);
    for line in &mut order.lines {
        line.put("OrderState", Cell::Text("Cancelled".into()));
        line.touch(version);
    }
    Ok(())
}

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

fn existing<'a>(tables: &'a mut Tables, order_no: &str) -> Result<&'a mut Order, OdataError> {
    tables.order_mut(order_no).ok_or_else(|| OdataError::not_found(format!("The order '{order_no}' does not exist")))
}

fn open(order: &Order, verb: &str) -> Result<(), OdataError> {
    if OPEN_STATES.contains(&order.state()) { Ok(()) } else { Err(wrong_state(order, verb)) }
}

fn wrong_state(order: &Order, verb: &str) -> OdataError {
    OdataError::database(20105, format!("CustomerOrder.STATE: An order in state {} can not be {verb}.", order.state()))
}

fn present(fields: &Fields) -> BTreeMap<&'static str, Cell> {
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

fn text_of<'a>(cells: &'a BTreeMap<&'static str, Cell>, name: &str) -> &'a str {
    match cells.get(name) {
        Some(Cell::Text(text)) => text,
        _ => "",
    }
}

fn known(
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

fn percent(cells: &BTreeMap<&'static str, Cell>, name: &'static str) -> Result<(), OdataError> {
    match cells.get(name) {
        Some(Cell::Decimal(value)) if value.is_sign_negative() || *value > Decimal::ONE_HUNDRED => {
            Err(OdataError::database(20105, format!("CustomerOrder.DISCOUNT: {name} must be between 0 and 100.")))
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
        return Err(OdataError::database(
            20105,
            format!("CustomerOrderLine.SITE: Site {contract} is not the order's site."),
        ));
    }
    Ok(())
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
        let text = format!(
            "CustomerOrderLine.PRICE_BASIS: {wrong} can not be given when the order's price basis asks for {right}."
        );
        return Err(OdataError::database(20105, text));
    }
    match fields.get(right) {
        Some(None) => {
            Err(OdataError::database(20124, format!("CustomerOrderLine.NULLVALUE: Field [{right}] is mandatory.")))
        }
        None if presence == Presence::Demanded => {
            Err(OdataError::database(20124, format!("CustomerOrderLine.NULLVALUE: Field [{right}] is mandatory.")))
        }
        _ => Ok(()),
    }
}

fn default_tax(row: &mut Row) {
    let fetched = row.text("FetchTaxFromDefaults") == "TRUE";
    if fetched || row.cell("TaxCode").is_none() {
        row.put("TaxCode", Cell::Text(world::DEFAULT_TAX_CODE.into()));
    }
}

struct Basics {
    basis: Basis,
    decimals: u32,
    tax_percent: Decimal,
}

fn basics(header: &Row, row: &Row) -> Result<Basics, OdataError> {
    let tax_code = row.text("TaxCode");
    let tax_percent = world::tax_percent(tax_code).ok_or_else(|| OdataError::no_such("StatutoryFee", tax_code))?;
    if row.text("TaxLiability") == "EXEMPT" && !tax_percent.is_zero() {
        return Err(OdataError::database(
            20105,
            "CustomerOrderLine.EXEMPT: An exempt line needs a tax code of 0 percent.",
        ));
    }
    let basis = if header.flag("UsePriceInclTax") { Basis::InclTax } else { Basis::Net };
    let decimals = world::currency_decimals(header.text("CurrencyCode")).unwrap_or(2);
    Ok(Basics { basis, decimals, tax_percent })
}

fn compute_line(header: &Row, line: &mut Row) -> Result<(), OdataError> {
    let Basics { basis, decimals, tax_percent } = basics(header, line)?;
    let qty = line.decimal("BuyQtyDue").unwrap_or_default();
    if qty <= Decimal::ZERO {
        return Err(OdataError::database(20105, "CustomerOrderLine.QTY: The quantity must be greater than zero."));
    }
    let (price_field, other_field) = match basis {
        Basis::Net => ("SaleUnitPrice", "UnitPriceInclTax"),
        Basis::InclTax => ("UnitPriceInclTax", "SaleUnitPrice"),
    };
    if line.text("PriceFreeze") == "Free" {
        let own = world::list_price(line.text("CatalogNo")).unwrap_or_default();
        line.put(price_field, Cell::Decimal(own));
    }
    let price = line.decimal(price_field).unwrap_or_default();
    let discount: Decimal = ["Discount", "OrderDiscount"].iter().filter_map(|name| line.decimal(name)).sum::<Decimal>()
        + header.decimal("AdditionalDiscount").unwrap_or_default();
    if price.is_sign_negative() || discount.is_sign_negative() || discount > Decimal::ONE_HUNDRED {
        return Err(OdataError::database(20105, "CustomerOrderLine.PRICE: Price and discount must not be negative."));
    }
    let computed = amounts(basis, price, qty, discount, tax_percent, decimals);
    line.put(other_field, Cell::Decimal(other_price(basis, price, tax_percent)));
    line.put("NetAmountCurr", Cell::Decimal(computed.net));
    line.put("TaxAmountCurr", Cell::Decimal(computed.tax));
    line.put("GrossAmountCurr", Cell::Decimal(computed.gross));
    Ok(())
}

fn compute_charge(header: &Row, charge: &mut Row) -> Result<(), OdataError> {
    let Basics { basis, decimals, tax_percent } = basics(header, charge)?;
    let (price_field, other_field) = match basis {
        Basis::Net => ("ChargeAmount", "ChargeAmountInclTax"),
        Basis::InclTax => ("ChargeAmountInclTax", "ChargeAmount"),
    };
    let qty = charge.decimal("ChargedQty").unwrap_or_default();
    let price = charge.decimal(price_field).unwrap_or_default();
    let computed = amounts(basis, price, qty, Decimal::ZERO, tax_percent, decimals);
    charge.put(other_field, Cell::Decimal(other_price(basis, price, tax_percent)));
    charge.put("NetAmtCurr", Cell::Decimal(computed.net));
    charge.put("TaxAmountCurrency", Cell::Decimal(computed.tax));
    charge.put("GrossAmtCurr", Cell::Decimal(computed.gross));
    Ok(())
}

/// `TotalAmount`: gross of the live lines and of the charges.
fn total(order: &mut Order) {
    let lines = order
        .lines
        .iter()
        .filter(|line| line.text("OrderState") != "Cancelled")
        .filter_map(|line| line.decimal("GrossAmountCurr"));
    let charges = order.charges.iter().filter_map(|charge| charge.decimal("GrossAmtCurr"));
    let sum: Decimal = lines.chain(charges).sum();
    order.header.put("TotalAmount", Cell::Decimal(round(sum, 8)));
}
