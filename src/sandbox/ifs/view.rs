//! Records as a person sees them on a screen: field names and plain texts.

use std::collections::BTreeMap;

use super::body::{DecimalForm, render};
use super::customer::Customer;
use super::customer::schema as customers;
use super::schema::{ADDRESS, CHARGE, Entity, HEADER, LINE};
use super::tables::{Order, Row};

/// A row as a person sees it: field names and plain texts; empty fields are absent.
pub type RowView = BTreeMap<String, String>;

/// An order as it stands in IFS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// `OrderNo`.
    pub order_no: String,
    /// Header fields.
    pub header: RowView,
    /// The single-occurrence address, if there is one.
    pub address: Option<RowView>,
    /// Lines, cancelled ones included.
    pub lines: Vec<RowView>,
    /// Charges.
    pub charges: Vec<RowView>,
}

impl OrderView {
    /// A header field, empty when it is not set.
    pub fn field(&self, name: &str) -> &str {
        self.header.get(name).map_or("", String::as_str)
    }

    /// Whether the order is not cancelled.
    pub fn is_live(&self) -> bool {
        self.field("Objstate") != "Cancelled"
    }
}

/// A customer as it stands in IFS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerView {
    /// `CustomerId`.
    pub customer_id: String,
    /// The customer's own fields.
    pub info: RowView,
    /// Addresses.
    pub addresses: Vec<RowView>,
    /// Types of all addresses.
    pub address_types: Vec<RowView>,
    /// Means of communication, those of addresses too.
    pub methods: Vec<RowView>,
    /// Order data, if there are any.
    pub order_data: Option<RowView>,
    /// Data by company.
    pub companies: Vec<RowView>,
    /// Credit data by company.
    pub credits: Vec<RowView>,
}

impl CustomerView {
    /// A field of the customer itself, empty when it is not set.
    pub fn field(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }
}

/// An order as a person sees it.
pub(super) fn view(order_no: &str, order: &Order) -> OrderView {
    OrderView {
        order_no: order_no.to_owned(),
        header: row_view(&HEADER, &order.header),
        address: order.address.as_ref().map(|row| row_view(&ADDRESS, row)),
        lines: order.lines.iter().map(|row| row_view(&LINE, row)).collect(),
        charges: order.charges.iter().map(|row| row_view(&CHARGE, row)).collect(),
    }
}

fn row_view(entity: &Entity, row: &Row) -> RowView {
    let cells = entity.fields.iter().filter_map(|field| row.cell(field.name).map(|cell| (field.name, cell)));
    cells
        .map(|(name, cell)| {
            let text = match render(cell, DecimalForm::Text) {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            (name.to_owned(), text)
        })
        .collect()
}

/// A customer as a person sees it.
pub(super) fn customer_view(customer_id: &str, customer: &Customer) -> CustomerView {
    let views = |entity: &Entity, rows: &[Row]| rows.iter().map(|row| row_view(entity, row)).collect();
    CustomerView {
        customer_id: customer_id.to_owned(),
        info: row_view(&customers::CUSTOMER, &customer.info),
        addresses: views(&customers::ADDRESS, &customer.addresses),
        address_types: views(&customers::ADDRESS_TYPE, &customer.types),
        methods: views(&customers::METHOD, &customer.methods),
        order_data: customer.order_data.as_ref().map(|row| row_view(&customers::ORDER_DATA, row)),
        companies: views(&customers::COMPANY, &customer.companies),
        credits: views(&customers::CREDIT, &customer.credits),
    }
}
