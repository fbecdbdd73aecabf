//! What IFS refuses of customers and their records, and what it fills in.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::super::world;
use super::super::body::Fields;
use super::super::error::OdataError;
use super::super::rules::{apply, check_country, known, mandatory, present, refused, text_of};
use super::super::schema::Cell;
use super::super::tables::{Row, Tables};
use super::path::{Key, List};
use super::records::{Customer, text};

const LANGUAGES: [&str; 14] = ["en", "sv", "de", "fr", "nl", "no", "nb", "da", "fi", "ja", "es", "it", "pl", "pt"];
const CUSTOMER_GROUPS: [&str; 3] = ["0", "WEB", "B2B"];
const PRICE_GROUPS: [&str; 2] = ["WEB", "B2B"];
const TAX_LIABILITIES: [&str; 2] = ["TAX", "EXEMPT"];

type Cells = BTreeMap<&'static str, Cell>;

/// Saves a customer; gives its number: the caller's own, else the next of the series.
pub(super) fn insert_customer(tables: &mut Tables, fields: &Fields) -> Result<String, OdataError> {
    let mut cells = present(fields);
    check_customer(&cells)?;
    let id = new_id(tables, text_of(&cells, "CustomerId"))?;
    cells.insert("CustomerId", text(&id));
    cells.entry("CustomerCategory").or_insert_with(|| text("Customer"));
    let info = tables.new_row(cells);
    tables.customers.insert(id.clone(), Customer::new(info));
    Ok(id)
}

/// The number of a new customer.
pub(super) fn new_id(tables: &mut Tables, wanted: &str) -> Result<String, OdataError> {
    if wanted.is_empty() {
        loop {
            let id = tables.next_number("C");
            if tables.customers.get(&id).is_none() {
                return Ok(id);
            }
        }
    }
    if wanted.chars().any(|c| c.is_lowercase() || c.is_whitespace() || c == '%') {
        return Err(refused("CustomerInfo.ID: CustomerId must be in upper case, without spaces and wildcards."));
    }
    if tables.customers.get(wanted).is_some() {
        return Err(exists("CustomerInfo"));
    }
    Ok(wanted.to_owned())
}

/// Changes a customer's own record.
pub(super) fn update_customer(tables: &mut Tables, id: &str, fields: &Fields) -> Result<(), OdataError> {
    let version = tables.next_version();
    let customer = existing(tables, id)?;
    let mut changed = customer.info.clone();
    apply(&mut changed, fields, version);
    check_customer(&changed.cells().clone())?;
    customer.info = changed;
    Ok(())
}

fn check_customer(cells: &Cells) -> Result<(), OdataError> {
    for name in ["Name", "Country", "CountryCode", "DefaultLanguage"] {
        if text_of(cells, name).trim().is_empty() {
            return Err(mandatory("CustomerInfo", name));
        }
    }
    check_domain("CustomerInfo", cells)?;
    check_countries("CustomerInfo", cells)?;
    known("IsoLanguage", &LANGUAGES, cells, "DefaultLanguage")
}

fn check_domain(entity: &str, cells: &Cells) -> Result<(), OdataError> {
    match cells.get("DefaultDomain") {
        Some(Cell::Bool(false)) => Err(refused(format!("{entity}.DOMAIN: DefaultDomain must be true."))),
        _ => Ok(()),
    }
}

fn check_countries(entity: &str, cells: &Cells) -> Result<(), OdataError> {
    check_country(cells)?;
    let (country, code) = (text_of(cells, "Country"), text_of(cells, "CountryCode"));
    if code.is_empty() || code == country {
        Ok(())
    } else {
        Err(refused(format!("{entity}.COUNTRY: Country and CountryCode must name the same country.")))
    }
}

/// Saves a record of a customer; gives its position among all of its kind.
pub(super) fn insert_record(
    tables: &mut Tables,
    id: &str,
    list: &List,
    fields: &Fields,
    now: Timestamp,
) -> Result<Key, OdataError> {
    let mut row = tables.new_row(present(fields));
    let version = tables.next_version();
    let customer = existing(tables, id)?;
    check_owner(id, list, &row)?;
    let entity = list.entity();
    match list {
        List::Addresses => {
            if row.cell("ValidFrom").is_none() {
                row.put("ValidFrom", text(&now.strftime("%Y-%m-%d").to_string()));
            }
        }
        List::Types(address) | List::AddressMethods(address) => {
            if !customer.has_address(address) {
                return Err(OdataError::not_found("The address does not exist"));
            }
            row.put("AddressId", text(address));
        }
        List::Methods => {
            let address = row.text("AddressId");
            if !address.is_empty() && !customer.has_address(address) {
                return Err(OdataError::no_such("CustomerInfoAddress", address));
            }
        }
        List::OrderData | List::Companies | List::Credits => {}
    }
    if entity.field("CustomerId").is_some() {
        row.put("CustomerId", text(id));
    }
    if matches!(list, List::Methods | List::AddressMethods(_)) {
        let last = customer.methods.iter().map(|row| row.int("CommId")).max().unwrap_or(0);
        row.put("CommId", Cell::Int(last + 1));
    }
    check_record(list, row.cells())?;
    let key = Key::of(entity, &row);
    if customer.rows_mut(list).into_iter().any(|other| key.fits(entity, other)) {
        return Err(exists(entity.name));
    }
    one_default(customer, list, &row, version);
    customer.push(list, row);
    Ok(key)
}

/// Changes a record of a customer.
pub(super) fn update_record(
    tables: &mut Tables,
    id: &str,
    list: &List,
    key: &Key,
    fields: &Fields,
) -> Result<(), OdataError> {
    let version = tables.next_version();
    let customer = existing(tables, id)?;
    let entity = list.entity();
    let row = customer.rows_mut(list).into_iter().find(|row| key.fits(entity, row));
    let row = row.ok_or_else(|| OdataError::not_found("The record does not exist"))?;
    let mut changed = row.clone();
    apply(&mut changed, fields, version);
    check_record(list, changed.cells())?;
    *row = changed.clone();
    one_default(customer, list, &changed, version);
    Ok(())
}

/// The keys that a body repeats must be those of its path.
fn check_owner(id: &str, list: &List, row: &Row) -> Result<(), OdataError> {
    let differs = |name: &str, wanted: &str| row.cell(name).is_some() && row.text(name) != wanted;
    let address_differs = match list {
        List::Types(address) | List::AddressMethods(address) => differs("AddressId", address),
        List::Addresses | List::Methods | List::OrderData | List::Companies | List::Credits => false,
    };
    if address_differs || ["CustomerId", "CustomerNo", "Identity"].iter().any(|name| differs(name, id)) {
        return Err(OdataError::bad_request("The keys of the body are not those of its path"));
    }
    Ok(())
}

fn check_record(list: &List, cells: &Cells) -> Result<(), OdataError> {
    let entity = list.entity().name;
    match list {
        List::Addresses => {
            if text_of(cells, "AddressId").trim().is_empty() {
                return Err(mandatory(entity, "AddressId"));
            }
            if text_of(cells, "Country").is_empty() {
                return Err(mandatory(entity, "Country"));
            }
            check_domain(entity, cells)?;
            check_countries(entity, cells)
        }
        List::Types(_) => Ok(()),
        List::Methods | List::AddressMethods(_) => {
            let value = text_of(cells, "Value");
            if value.trim().is_empty() {
                return Err(mandatory(entity, "Value"));
            }
            if text_of(cells, "MethodId") == "EMail" && !value.contains('@') {
                return Err(refused("CommMethod.EMAIL: The value is no e-mail address."));
            }
            Ok(())
        }
        List::OrderData => {
            known("IsoCurrency", &world::CURRENCIES.map(|(code, _)| code), cells, "CurrencyCode")?;
            known("CustomerGroup", &CUSTOMER_GROUPS, cells, "CustGrp")?;
            known("CustPriceGroup", &PRICE_GROUPS, cells, "CustPriceGroupId")?;
            known("SalesMarket", &world::MARKET_CODES, cells, "MarketCode")?;
            known("CustOrderType", &world::ORDER_TYPES, cells, "OrderId")?;
            match cells.get("SalesmanCode") {
                Some(Cell::Text(code)) if !world::is_hundred(code) => {
                    Err(OdataError::no_such("SalesPartSalesman", code))
                }
                _ => Ok(()),
            }
        }
        List::Companies => {
            known("Company", &world::COMPANIES, cells, "Company")?;
            known("IsoCurrency", &world::CURRENCIES.map(|(code, _)| code), cells, "DefCurrency")?;
            known("PaymentTerm", &world::PAY_TERMS, cells, "PayTermId")?;
            known("StatutoryFee", &world::TAX_CODES.map(|(code, _)| code), cells, "DefVatCode")?;
            known("TaxLiability", &TAX_LIABILITIES, cells, "TaxLiability")
        }
        List::Credits => known("Company", &world::COMPANIES, cells, "Company"),
    }
}

/// One default address a type, one default a means of communication: a new one takes the place of the old.
fn one_default(customer: &mut Customer, list: &List, row: &Row, version: u64) {
    let (flag, kind) = match list {
        List::Types(_) => ("DefAddress", "AddressTypeCode"),
        List::Methods | List::AddressMethods(_) => ("MethodDefault", "MethodId"),
        List::Addresses | List::OrderData | List::Companies | List::Credits => return,
    };
    if !row.flag(flag) {
        return;
    }
    let entity = list.entity();
    let own = Key::of(entity, row);
    for other in customer.rows_mut(list) {
        if other.flag(flag) && other.text(kind) == row.text(kind) && !own.fits(entity, other) {
            other.put(flag, Cell::Bool(false));
            other.touch(version);
        }
    }
}

/// Whether an order may name this customer for a company.
pub(in super::super) fn check_order_customer(tables: &Tables, id: &str, company: &str) -> Result<(), OdataError> {
    let customer = tables.customers.get(id).filter(|customer| customer.order_data.is_some());
    let customer = customer.ok_or_else(|| OdataError::no_such("CustOrdCustomer", id))?;
    if customer.info.text("CustomerCategory") != "Customer" {
        return Err(refused(format!(
            "CustomerOrder.CATEGORY: Orders are taken for customers of category Customer only, not {}.",
            customer.info.text("CustomerCategory")
        )));
    }
    if !customer.companies.iter().any(|row| row.text("Company") == company) {
        return Err(refused(format!("CustomerOrder.CUSTOMER_COMPANY: The customer has no data in company {company}.")));
    }
    if customer.order_data.as_ref().is_some_and(|row| row.flag("CrStop")) {
        return Err(refused("CustomerOrder.CREDIT_STOP: The customer is stopped for new orders."));
    }
    Ok(())
}

/// What a customer's data say for an order's header that does not say it itself.
pub(in super::super) fn order_defaults(tables: &Tables, id: &str, company: &str) -> Vec<(&'static str, Cell)> {
    let Some(customer) = tables.customers.get(id) else { return Vec::new() };
    let mut defaults = Vec::new();
    let mut take = |row: &Row, from: &str, to: &'static str| {
        defaults.extend(row.cell(from).cloned().map(|cell| (to, cell)));
    };
    if let Some(row) = customer.companies.iter().find(|row| row.text("Company") == company) {
        take(row, "PayTermId", "PayTermId");
    }
    if let Some(row) = &customer.order_data {
        take(row, "MarketCode", "MarketCode");
        take(row, "SalesmanCode", "SalesmanCode");
        take(row, "PrintAmountsInclTax", "UsePriceInclTax");
    }
    defaults
}

/// Whether an order may name this address of its customer: for bills a `Document` one, for goods a `Delivery` one.
pub(in super::super) fn check_order_address(
    tables: &Tables,
    id: &str,
    address_id: &str,
    code: &str,
) -> Result<(), OdataError> {
    let customer = tables.customers.get(id).ok_or_else(|| OdataError::no_such("CustOrdCustomer", id))?;
    if !customer.has_address(address_id) {
        return Err(OdataError::no_such("CustomerInfoAddress", address_id));
    }
    if !customer.has_address_of(address_id, code) {
        return Err(refused(format!(
            "CustomerOrder.ADDRESS_TYPE: Address {address_id} of the customer is no {code} address."
        )));
    }
    Ok(())
}

pub(super) fn existing<'a>(tables: &'a mut Tables, id: &str) -> Result<&'a mut Customer, OdataError> {
    tables.customers.get_mut(id).ok_or_else(|| OdataError::not_found(format!("The customer '{id}' does not exist")))
}

fn exists(entity: &str) -> OdataError {
    OdataError::database(20112, format!("{entity}.FND_RECORD_EXIST: The {entity} object already exists."))
}
