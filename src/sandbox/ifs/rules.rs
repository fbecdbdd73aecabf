//! IFS's business rules for orders: what the database refuses (500 with an ORA text), what it fills in,
//! what it computes. Types were judged before, in `body`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::super::world;
use super::body::Fields;
use super::compute::{compute_charge, compute_line, default_tax, recompute, total};
use super::error::OdataError;
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
    if let Some(Some(Cell::Text(customer_po_no))) = fields.get("CustomerPoNo") {
        tables.index_po(customer_po_no, order_no);
    }
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

/// What the credit check at release says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CreditCheck {
    /// The order is released.
    #[default]
    Passes,
    /// The order ends in `Blocked`.
    Fails,
}

/// Releases an order; the credit check may block it instead.
pub(super) fn release(tables: &mut Tables, order_no: &str, check: CreditCheck) -> Result<(), OdataError> {
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    if !matches!(order.state(), "Planned" | "Blocked") {
        return Err(wrong_state(order, "released"));
    }
    if order.lines.is_empty() {
        return Err(OdataError::database(20105, "CustomerOrder.NO_LINES: An order without lines can not be released."));
    }
    match check {
        CreditCheck::Passes => {
            order.header.put("Objstate", Cell::Text("Released".into()));
            order.header.remove("BlockedReason");
        }
        CreditCheck::Fails => {
            order.header.put("Objstate", Cell::Text("Blocked".into()));
            order.header.put("BlockedReason", Cell::Text("CREDIT".into()));
        }
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
