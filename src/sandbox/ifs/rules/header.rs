//! Headers: what may stand in one, and what IFS fills in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::super::super::world;
use super::super::body::Fields;
use super::super::compute::recompute;
use super::super::customer;
use super::super::error::OdataError;
use super::super::schema::Cell;
use super::super::tables::{Order, Tables};
use super::border::{self, Act};
use super::{apply, existing, known, mandatory, percent, present, refused, text_of};

/// Saves a new header; gives its number.
pub(in super::super) fn insert_header(
    tables: &mut Tables,
    fields: &Fields,
    now: Timestamp,
) -> Result<String, OdataError> {
    let mut cells = present(fields);
    check_header(&cells)?;
    let customer_no = text_of(&cells, "CustomerNo");
    customer::check_order_customer(tables, customer_no, text_of(&cells, "Company"))?;
    check_addresses(tables, customer_no, &cells)?;
    let contract = text_of(&cells, "Contract").to_owned();
    let company = world::company_of_site(&contract).ok_or_else(|| OdataError::no_such("Site", &contract))?;
    if text_of(&cells, "Company") != company {
        return Err(refused(format!(
            "CustomerOrder.SITE_COMPANY: Site {contract} belongs to company {company}, not to the company given."
        )));
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
    for (name, cell) in customer::order_defaults(tables, text_of(&cells, "CustomerNo"), company) {
        cells.entry(name).or_insert(cell);
    }
    cells.entry("UsePriceInclTax").or_insert(Cell::Bool(false));
    cells.entry("AdditionalDiscount").or_insert(Cell::Decimal(Decimal::ZERO));
    cells.entry("PayTermId").or_insert_with(|| Cell::Text("30".into()));
    cells.entry("ShipViaCode").or_insert_with(|| Cell::Text("STD".into()));
    cells.entry("DeliveryTerms").or_insert_with(|| Cell::Text("DAP".into()));
    let header = tables.new_row(cells);
    tables.insert(
        order_no.clone(),
        Order {
            header,
            address: None,
            lines: Vec::new(),
            charges: Vec::new(),
            charges_ever: 0,
            taken: BTreeMap::new(),
        },
    );
    Ok(order_no)
}

/// Changes a header's own fields.
pub(in super::super) fn update_header(tables: &mut Tables, order_no: &str, fields: &Fields) -> Result<(), OdataError> {
    check_codes(&present(fields))?;
    let customer_no = existing(tables, order_no)?.header.text("CustomerNo").to_owned();
    check_addresses(tables, &customer_no, &present(fields))?;
    for name in ["BillAddrNo", "ShipAddrNo"] {
        if fields.get(name) == Some(&None) {
            return Err(mandatory("CustomerOrder", name));
        }
    }
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    border::check(order, Act::EditHeader)?;
    let ship_to = fields.get("ShipAddrNo").and_then(Option::as_ref);
    if ship_to.is_some_and(|ship_to| order.header.cell("ShipAddrNo") != Some(ship_to)) {
        border::check(order, Act::EditAddress)?;
    }
    let flag = fields.get("AddrFlagDb").and_then(Option::as_ref);
    if flag.is_some_and(|flag| order.header.cell("AddrFlagDb") != Some(flag)) {
        border::check(order, Act::EditAddress)?;
    }
    let discount = fields.get("AdditionalDiscount").and_then(Option::as_ref);
    if discount.is_some_and(|discount| order.header.cell("AdditionalDiscount") != Some(discount)) {
        order.lines.iter().try_for_each(|line| border::check_uninvoiced("CustomerOrderLine", line, "QtyInvoiced"))?;
    }
    if flag == Some(&Cell::Text("N".into())) {
        order.address = None;
    }
    apply(&mut order.header, fields, version);
    recompute(order)?;
    if let Some(Some(Cell::Text(customer_po_no))) = fields.get("CustomerPoNo") {
        tables.index_po(customer_po_no, order_no);
    }
    Ok(())
}

fn check_header(cells: &BTreeMap<&'static str, Cell>) -> Result<(), OdataError> {
    if cells.get("IsNewCustomer") != Some(&Cell::Bool(false)) {
        return Err(refused("CustomerOrder.NEW_CUSTOMER: A new customer can not be created from here."));
    }
    known("Company", &world::COMPANIES, cells, "Company")?;
    known("IsoCurrency", &world::CURRENCIES.map(|(code, _)| code), cells, "CurrencyCode")?;
    known("CustOrderType", &world::ORDER_TYPES, cells, "OrderId")?;
    check_codes(cells)
}

/// The addresses that a header names must be the customer's and fit their use.
fn check_addresses(tables: &Tables, customer_no: &str, cells: &BTreeMap<&'static str, Cell>) -> Result<(), OdataError> {
    for (name, code) in [("BillAddrNo", "Document"), ("ShipAddrNo", "Delivery")] {
        if let Some(Cell::Text(address_id)) = cells.get(name) {
            customer::check_order_address(tables, customer_no, address_id, code)?;
        }
    }
    Ok(())
}

/// Codes that a change may carry too.
fn check_codes(cells: &BTreeMap<&'static str, Cell>) -> Result<(), OdataError> {
    known("PaymentTerm", &world::PAY_TERMS, cells, "PayTermId")?;
    known("MpccomShipVia", &world::SHIP_VIAS, cells, "ShipViaCode")?;
    known("OrderDeliveryTerm", &world::DELIVERY_TERMS, cells, "DeliveryTerms")?;
    known("SalesMarket", &world::MARKET_CODES, cells, "MarketCode")?;
    for (name, entity) in [("SalesmanCode", "SalesPartSalesman"), ("CodeB", "CodeB"), ("CodeC", "CodeC")] {
        match cells.get(name) {
            Some(Cell::Text(code)) if !world::is_hundred(code) => return Err(OdataError::no_such(entity, code)),
            _ => {}
        }
    }
    percent(cells, "AdditionalDiscount")
}
