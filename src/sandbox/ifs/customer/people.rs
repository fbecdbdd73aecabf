//! What persons do to customers beside the integration.

use super::super::body::{Fields, one_field};
use super::super::error::OdataError;
use super::super::schema::Cell;
use super::super::tables::Tables;
use super::path::{Key, List, Target};
use super::records::{Seed, put};
use super::rules::{new_id, update_customer, update_record};
use super::schema::CUSTOMER;

/// Which record of a customer a person edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomerRowOf<'a> {
    /// The customer itself.
    Customer,
    /// The address with this `AddressId`.
    Address(&'a str),
    /// Order data.
    OrderData,
    /// Data in this company.
    Company(&'a str),
}

/// Edits one updatable field; the record gets a new ETag.
pub(in super::super) fn edit(
    tables: &mut Tables,
    id: &str,
    row: CustomerRowOf<'_>,
    field: &str,
    value: &str,
) -> Result<(), OdataError> {
    let (list, key) = match row {
        CustomerRowOf::Customer => return update_customer(tables, id, &one_field(&CUSTOMER, field, value)?),
        CustomerRowOf::Address(address) => (List::Addresses, Key::texts(&[id, address])),
        CustomerRowOf::OrderData => (List::OrderData, Key::texts(&[id])),
        CustomerRowOf::Company(company) => (List::Companies, Key::texts(&[company, id, "Customer"])),
    };
    let fields: Fields = one_field(list.entity(), field, value)?;
    update_record(tables, id, &list, &key, &fields)
}

/// Keys a whole customer by hand, with address `1` of each type, order data and company data. Without a number IFS
/// gives the next of the series.
pub(in super::super) fn key_customer(
    tables: &mut Tables,
    id: Option<&str>,
    name: &str,
    country: &str,
    association_no: Option<&str>,
) -> Result<String, OdataError> {
    let id = new_id(tables, id.unwrap_or(""))?;
    put(
        tables,
        &Seed { id: &id, name, category: "Customer", country, currency: "EUR", association_no, addressed: true },
    );
    Ok(id)
}

/// Edits some field that the integration does not own, so that the record's ETag is stale.
pub(in super::super) fn disturb(tables: &mut Tables, target: &Target) {
    let version = tables.next_version();
    let Some(customer) = target.customer_id().and_then(|id| tables.customers.get_mut(id)) else { return };
    match target {
        Target::Customer(_) => {
            customer.info.put("CorporateForm", Cell::Text(format!("P{}", version % 1000)));
            customer.info.touch(version);
        }
        Target::Record(_, list, key) => {
            let entity = list.entity();
            if let Some(row) = customer.rows_mut(list).into_iter().find(|row| key.fits(entity, row)) {
                row.touch(version);
            }
        }
        Target::Customers | Target::List(..) | Target::AllOrderData | Target::Copy => {}
    }
}
