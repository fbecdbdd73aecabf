//! What a customer pays for a part: the price query of IFS, a record that lives until the queries are cleaned up.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::super::super::world;
use super::super::body::Fields;
use super::super::error::OdataError;
use super::super::rules::{known, present, text_of};
use super::super::schema::Cell;
use super::super::tables::{Row, Tables};
use super::rows::with_tax;
use super::{SalesTerms, Stock};

impl Stock {
    /// What a site sells a part for.
    pub(super) fn terms_of(&self, contract: &str, catalog_no: &str) -> SalesTerms {
        let kept = self.terms.get(&(contract.to_owned(), catalog_no.to_owned())).copied();
        kept.unwrap_or_else(|| {
            let list_price = world::sales_part(catalog_no).map(|part| part.list_price).unwrap_or_default();
            SalesTerms { list_price, is_active: true }
        })
    }
}

/// Answers a price query, as of today: it takes no other day, and tells of no price that holds later.
pub(super) fn price(tables: &mut Tables, today: Date, fields: &Fields) -> Result<Row, OdataError> {
    let mut cells: BTreeMap<&'static str, Cell> = present(fields);
    let named = |name: &str| text_of(&cells, name).to_owned();
    let (catalog_no, contract, customer_no) = (named("CatalogNo"), named("Contract"), named("CustomerNo"));
    if world::company_of_site(&contract).is_none() {
        return Err(OdataError::no_such("Site", &contract));
    }
    if tables.stock.catalog.binary_search(&catalog_no).is_err() {
        return Err(OdataError::no_such("SalesPart", &catalog_no));
    }
    if tables.customers.get(&customer_no).is_none() {
        return Err(OdataError::no_such("CustomerInfo", &customer_no));
    }
    known("IsoCurrency", &world::CURRENCIES.map(|(code, _)| code), &cells, "CurrencyCode")?;
    let list_price = tables.stock.terms_of(&contract, &catalog_no).list_price;
    let agreed = tables.stock.agreed.get(&(customer_no, catalog_no));
    let agreed = agreed.and_then(|prices| prices.range(..=today).next_back()).map(|(_, price)| *price);
    let price = agreed.unwrap_or(list_price);
    tables.stock.queries += 1;
    let id = i64::try_from(tables.stock.queries).unwrap_or(i64::MAX);
    let source = if agreed.is_some() { "PriceList" } else { "SalesPart" };
    cells.extend([
        ("PriceQueryId", Cell::Int(id)),
        ("BaseSaleUnitPrice", Cell::Decimal(price)),
        ("SaleUnitPrice", Cell::Decimal(price)),
        ("BaseUnitPriceInclTax", Cell::Decimal(with_tax(price))),
        ("UnitPriceInclTax", Cell::Decimal(with_tax(price))),
        ("Discount", Cell::Decimal(Decimal::ZERO)),
        ("PriceSource", Cell::Text(source.into())),
        ("TaxCode", Cell::Text(world::DEFAULT_TAX_CODE.into())),
    ]);
    Ok(tables.new_row(cells))
}
