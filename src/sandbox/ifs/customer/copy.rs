//! `CopyExistingCustomer`: a new customer with the order data, company data and credit data of another.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::error::OdataError;
use super::super::rules::{mandatory, refused};
use super::super::tables::{Row, Tables};
use super::records::{Customer, text};
use super::rules::new_id;

/// What the action is told.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    customer_id: String,
    new_id: String,
    new_name: String,
    new_category: String,
    association_no: String,
}

impl Wanted {
    /// Reads the action's parameters: known ones, texts, not too long.
    pub(super) fn read(object: &Map<String, Value>) -> Result<Self, OdataError> {
        let mut wanted = Self::default();
        for (name, value) in object {
            let (field, chars_max) = match name.as_str() {
                "CustomerId" => (&mut wanted.customer_id, 20),
                "NewId" => (&mut wanted.new_id, 20),
                "NewName" => (&mut wanted.new_name, 100),
                "NewCategory" => (&mut wanted.new_category, 20),
                "AssociationNo" => (&mut wanted.association_no, 50),
                _ => return Err(OdataError::deserialization(format!("The action has no parameter '{name}'"))),
            };
            match value {
                Value::Null => {}
                Value::String(text) if text.chars().count() <= chars_max => field.clone_from(text),
                _ => return Err(OdataError::deserialization(format!("Invalid value for parameter '{name}'"))),
            }
        }
        Ok(wanted)
    }
}

/// Copies a customer; gives the number of the new one. Addresses and means of communication are not copied.
pub(super) fn copy(tables: &mut Tables, wanted: &Wanted, now: Timestamp) -> Result<String, OdataError> {
    if wanted.new_name.trim().is_empty() {
        return Err(mandatory("CustomerInfo", "NewName"));
    }
    if !["", "Customer", "Prospect", "EndCustomer"].contains(&wanted.new_category.as_str()) {
        return Err(OdataError::no_such("CustomerCategory", &wanted.new_category));
    }
    let source = tables.customers.get(&wanted.customer_id).cloned();
    let source = source.ok_or_else(|| OdataError::no_such("CustomerInfo", &wanted.customer_id))?;
    if source.order_data.is_none() {
        return Err(refused("CustomerInfo.COPY: The customer to be copied has no order data."));
    }
    let id = new_id(tables, &wanted.new_id)?;
    let mut cells = source.info.cells().clone();
    let category = if wanted.new_category.is_empty() { "Customer" } else { &wanted.new_category };
    cells.insert("CustomerId", text(&id));
    cells.insert("Name", text(&wanted.new_name));
    cells.insert("CustomerCategory", text(category));
    cells.insert("CreationDate", text(&now.strftime("%Y-%m-%d").to_string()));
    cells.remove("AssociationNo");
    if !wanted.association_no.is_empty() {
        cells.insert("AssociationNo", text(&wanted.association_no));
    }
    let mut copy = Customer::new(tables.new_row(cells));
    let mut own = |row: &Row, owner: &'static str| {
        let mut cells = row.cells().clone();
        cells.insert(owner, text(&id));
        tables.new_row(cells)
    };
    copy.order_data = source.order_data.as_ref().map(|row| own(row, "CustomerNo"));
    if let Some(row) = &mut copy.order_data {
        row.put("TemplateId", text(&wanted.customer_id));
    }
    copy.companies = source.companies.iter().map(|row| own(row, "Identity")).collect();
    copy.credits = source.credits.iter().map(|row| own(row, "Identity")).collect();
    tables.customers.insert(id.clone(), copy);
    Ok(id)
}
