//! The sales parts of a site, page by page: what is sold of which part of the stock, in which units, and at which list price. Reads
//! only.

use rust_decimal::Decimal;

use super::client::IfsClient;
use super::error::{IfsError, Undecodable};
use super::projection::Projection;
use super::stock_listing::PAGE_ROWS;
use super::wire::{PartRequest, Row, RowError, key, names, stock};

/// A sales part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesPartRow {
    /// `CatalogNo`.
    pub catalog_no: String,
    /// `PartNo`; none for what is not kept in stock.
    pub part_no: Option<String>,
    /// How many units of the stock one unit that is sold takes; none where IFS does not say it, or not as an exact figure.
    pub conversion: Option<Decimal>,
    /// How many units of the price one unit that is sold has; none as above.
    pub price_conversion: Option<Decimal>,
    /// `Activeind`.
    pub is_active: bool,
    /// `ListPrice`, without tax.
    pub list_price: Option<Decimal>,
    /// `ListPriceInclTax`.
    pub list_price_incl_tax: Option<Decimal>,
    /// `CurrencyCode`.
    pub currency: Option<String>,
}

/// One page of a site's sales parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesPartPage {
    /// The parts, by their numbers.
    pub parts: Vec<SalesPartRow>,
    /// Behind which part the next page begins; none after the last one.
    pub next: Option<String>,
}

const FIELDS: [&str; 9] = [
    names::CATALOG_NO,
    stock::PART_NO,
    stock::CONV_FACTOR,
    stock::INVERTED_CONV_FACTOR,
    stock::PRICE_CONV_FACTOR,
    stock::LIST_PRICE,
    stock::LIST_PRICE_INCL_TAX,
    names::CURRENCY_CODE,
    stock::ACTIVEIND,
];

impl IfsClient {
    /// The page of a site's sales parts behind one.
    ///
    /// # Errors
    /// It could not be read, or IFS does not keep to the order of the numbers: then going on could miss some.
    pub async fn sales_parts_page(&self, contract: &str, after: Option<&str>) -> Result<SalesPartPage, IfsError> {
        let mut answer = self.at(Projection::SalesParts).query(&request(contract, after).url).await?;
        let goes_on = answer.body.as_object_mut().and_then(|body| body.remove(super::answer::NEXT_LINK)).is_some();
        let rows = answer.rows()?;
        let full = goes_on || rows.len() >= PAGE_ROWS;
        let parts: Vec<SalesPartRow> = rows.iter().map(part_of).collect::<Result<_, _>>().map_err(Undecodable::from)?;
        let mut before = after;
        for part in &parts {
            if before.is_some_and(|before| part.catalog_no.as_str() <= before) {
                return Err(Undecodable::new("a page is not in the order of the parts' numbers").into());
            }
            before = Some(&part.catalog_no);
        }
        let next = parts.last().filter(|_| full).map(|part| part.catalog_no.clone());
        if full && next.is_none() {
            return Err(Undecodable::new("an empty page goes on").into());
        }
        Ok(SalesPartPage { parts, next })
    }
}

fn request(contract: &str, after: Option<&str>) -> PartRequest {
    let mut filter = format!("{}%20eq%20{}", names::CONTRACT, key::quoted(contract));
    if let Some(after) = after {
        filter.push_str(&format!("%20and%20{}%20gt%20{}", names::CATALOG_NO, key::quoted(after)));
    }
    let (set, select, order) = (stock::SALES_PART_SET, FIELDS.join(","), names::CATALOG_NO);
    PartRequest::get(format!("{set}?$filter={filter}&$select={select}&$orderby={order}&$top={PAGE_ROWS}"))
}

fn part_of(row: &Row) -> Result<SalesPartRow, RowError> {
    let factor = stock::figure(row, stock::CONV_FACTOR)?;
    let inverted = stock::figure(row, stock::INVERTED_CONV_FACTOR)?;
    Ok(SalesPartRow {
        catalog_no: stock::key_word(row, names::CATALOG_NO)?,
        part_no: stock::word(row, stock::PART_NO)?,
        conversion: factor.and_then(|factor| exact_share(factor, inverted.unwrap_or(Decimal::ONE))),
        price_conversion: stock::figure(row, stock::PRICE_CONV_FACTOR)?,
        is_active: stock::flag(row, stock::ACTIVEIND)?,
        list_price: stock::figure(row, stock::LIST_PRICE)?,
        list_price_incl_tax: stock::figure(row, stock::LIST_PRICE_INCL_TAX)?,
        currency: stock::word(row, names::CURRENCY_CODE)?,
    })
}

/// A factor through another one, where that is an exact figure.
fn exact_share(factor: Decimal, inverted: Decimal) -> Option<Decimal> {
    let share = factor.checked_div(inverted)?;
    (share.checked_mul(inverted) == Some(factor)).then(|| share.normalize())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sales_part_says_what_one_unit_of_it_takes() {
        let row = |value| part_of(&Row::from_json(&value).expect("an object")).expect("reads");
        let boxed = row(
            json!({"CatalogNo": "BOX", "PartNo": "CUP", "ConvFactor": "12", "Activeind": true, "ListPrice": "1.50"}),
        );
        assert_eq!((boxed.conversion, boxed.is_active), (Some(Decimal::from(12)), true));
        assert_eq!((boxed.list_price, boxed.price_conversion), (Some(Decimal::new(15, 1)), None));
        let half = row(
            json!({"CatalogNo": "HALF", "ConvFactor": "1", "InvertedConvFactor": "2", "Activeind": "InactivePart"}),
        );
        assert_eq!((half.conversion, half.is_active, half.part_no), (Some(Decimal::new(5, 1)), false, None));
        let third = row(json!({"CatalogNo": "THIRD", "ConvFactor": "1", "InvertedConvFactor": "3"}));
        assert_eq!(third.conversion, None, "a third is no exact figure");
        let none = row(json!({"CatalogNo": "NONE", "ConvFactor": "1", "InvertedConvFactor": "0"}));
        assert_eq!(none.conversion, None);
    }

    #[test]
    fn a_page_asks_by_site_behind_a_number() {
        assert_eq!(
            request("S10", Some("A'1")).url,
            "SalesPartSet?$filter=Contract%20eq%20'S10'%20and%20CatalogNo%20gt%20'A%27%271'\
             &$select=CatalogNo,PartNo,ConvFactor,InvertedConvFactor,PriceConvFactor,ListPrice,ListPriceInclTax,CurrencyCode,Activeind\
             &$orderby=CatalogNo&$top=4000"
        );
    }
}
