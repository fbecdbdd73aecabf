//! What a customer would pay for one unit of a sales part: a question that IFS takes as a POST and answers with its own prices.
//! Nothing of an order comes of it.

use rust_decimal::Decimal;
use serde_json::json;

use super::client::IfsClient;
use super::error::{IfsError, Undecodable};
use super::projection::Projection;
use super::wire::{PartRequest, names, stock};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceQuestion<'a> {
    /// The site.
    pub contract: &'a str,
    /// Who would buy.
    pub customer_no: &'a str,
    /// The sales part.
    pub catalog_no: &'a str,
    /// In which currency.
    pub currency: &'a str,
    /// Whether the price is wanted with its tax.
    pub with_tax: bool,
}

/// What IFS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceAnswer {
    /// Without tax.
    pub net: Option<Decimal>,
    /// With tax.
    pub gross: Option<Decimal>,
    /// In which currency.
    pub currency: Option<String>,
    /// Percent that come off it, where IFS names some.
    pub discount_percent: Option<Decimal>,
}

impl IfsClient {
    /// Asks what one unit would cost.
    ///
    /// # Errors
    /// It could not be asked, or IFS refuses the question, as for a part that it does not sell. It was repeated where that is of use.
    pub async fn price(&self, question: &PriceQuestion<'_>) -> Result<PriceAnswer, IfsError> {
        let body = json!({
            names::CATALOG_NO: question.catalog_no,
            stock::SALES_QTY: "1",
            stock::PRICE_QTY: "1",
            names::CUSTOMER_NO: question.customer_no,
            names::CONTRACT: question.contract,
            names::CURRENCY_CODE: question.currency,
            names::USE_PRICE_INCL_TAX: question.with_tax,
        });
        let part = PartRequest::post(stock::PRICE_QUERY_SET, body);
        let row = self.at(Projection::PriceQueries).ask("price_query", &part).await?.row()?;
        let figure = |field| stock::figure(&row, field).map_err(Undecodable::from);
        Ok(PriceAnswer {
            net: figure(names::SALE_UNIT_PRICE)?,
            gross: figure(names::UNIT_PRICE_INCL_TAX)?,
            currency: stock::word(&row, names::CURRENCY_CODE).map_err(Undecodable::from)?,
            discount_percent: figure(names::DISCOUNT)?,
        })
    }

    /// Has IFS forget the questions that were asked. Asked for once after many of them.
    ///
    /// # Errors
    /// It could not be asked; the questions stay, which harms nothing but IFS's disk.
    pub async fn clean_prices(&self) -> Result<(), IfsError> {
        let part = PartRequest::post(stock::CLEAN_PRICE_QUERY, json!({}));
        self.at(Projection::PriceQueries).ask("price_query_clean", &part).await.map(drop)
    }
}
