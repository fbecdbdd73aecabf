//! The single-occurrence address of an order.

use std::collections::BTreeMap;

use super::super::body::Fields;
use super::super::error::OdataError;
use super::super::schema::Cell;
use super::super::tables::Tables;
use super::border::{self, Act};
use super::{apply, existing, present, refused, text_of};

/// Saves the single-occurrence address of an order.
pub(in super::super) fn insert_address(tables: &mut Tables, order_no: &str, fields: &Fields) -> Result<(), OdataError> {
    let mut cells = present(fields);
    check_country(&cells)?;
    cells.insert("OrderNo", Cell::Text(order_no.to_owned()));
    cells.entry("AddrFlag").or_insert_with(|| Cell::Text("Y".into()));
    let row = tables.new_row(cells);
    let order = existing(tables, order_no)?;
    if order.header.text("AddrFlagDb") != "Y" {
        return Err(refused("CustomerOrderAddress.NOT_SINGLE: The order does not use a single occurrence address."));
    }
    if order.address.is_some() {
        let text = "CustomerOrderAddress.FND_RECORD_EXIST: The Customer Order Address already exists.";
        return Err(OdataError::database(20112, text));
    }
    border::check(order, Act::EditAddress)?;
    order.address = Some(row);
    Ok(())
}

/// Changes the single-occurrence address.
pub(in super::super) fn update_address(tables: &mut Tables, order_no: &str, fields: &Fields) -> Result<(), OdataError> {
    check_country(&present(fields))?;
    let version = tables.next_version();
    let order = existing(tables, order_no)?;
    border::check(order, Act::EditAddress)?;
    let row = order.address.as_mut().ok_or_else(|| OdataError::not_found("The address does not exist"))?;
    apply(row, fields, version);
    Ok(())
}

/// Two capital letters that ISO gives to a country.
pub(in super::super) fn check_country(cells: &BTreeMap<&'static str, Cell>) -> Result<(), OdataError> {
    let country = text_of(cells, "Country");
    let known = country.is_empty()
        || (country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase()) && !matches!(country, "XX" | "ZZ"));
    if known { Ok(()) } else { Err(OdataError::no_such("IsoCountry", country)) }
}
