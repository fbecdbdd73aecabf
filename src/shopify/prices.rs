//! Prices of variants: the shop's own, and those that a market's price list fixes. To set one again changes nothing; each call goes
//! once, and who called decides whether it goes again.

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;

use super::client::{Document, ShopifyClient};
use super::error::ShopifyError;
use super::stock::next_of;
use super::stock_out::{told, variant_gid};
use super::stock_write::FieldError;
use super::wire::stock as wire;

const PRICE_LIST_PRICES: Document =
    Document { operation: "PriceListPrices", text: include_str!("graphql/price_list.graphql") };
const PRICE_LIST_FIXED_PRICES_ADD: Document = Document {
    operation: "PriceListFixedPricesAdd",
    text: include_str!("graphql/price_list_fixed_prices_add.graphql"),
};

/// Most prices of one call (Shopify's limit for lists).
pub const PRICES_MAX: usize = 250;

/// The price of one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VariantPrice {
    /// Shopify's number of the variant.
    pub variant_id: u64,
    /// The price, with as many decimals as its currency has.
    pub amount: Decimal,
}

/// One page of the prices that a market's price list fixes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceListPage {
    /// The price list's currency.
    pub currency_code: String,
    /// The prices.
    pub prices: Vec<VariantPrice>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

impl ShopifyClient {
    /// Sets the shop's own prices of variants of one product, [`PRICES_MAX`] at most. What Shopify does not take is told, by its
    /// place; the others are set.
    ///
    /// # Errors
    /// The call failed; whether Shopify did it may be open. To say it again does no harm.
    pub async fn set_prices(&self, product: u64, prices: &[VariantPrice]) -> Result<Vec<FieldError>, ShopifyError> {
        let of =
            |price: &VariantPrice| json!({ "id": variant_gid(price.variant_id), "price": price.amount.to_string() });
        self.update_variants(product, prices.iter().map(of).collect()).await
    }

    /// One page of the prices that a market's price list fixes, behind `after`; `None` when the shop has no such list.
    ///
    /// # Errors
    /// It could not be read whole. It was tried again where that is of use.
    pub async fn price_list_page(&self, list: u64, after: Option<&str>) -> Result<Option<PriceListPage>, ShopifyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            price_list: Option<wire::PriceList>,
        }
        let data = self.query(&PRICE_LIST_PRICES, json!({ "id": list_gid(list), "after": after })).await?;
        let Data { price_list } = serde_json::from_str(data.get())?;
        let Some(found) = price_list else { return Ok(None) };
        let next = next_of(&found.prices)?;
        let currency_code = found.currency.0;
        let mut prices = Vec::with_capacity(found.prices.nodes.len());
        for price in found.prices.nodes {
            if price.price.currency_code.0 != currency_code {
                return Err(ShopifyError::NotWhole { what: "a price list with prices of two currencies" });
            }
            let variant_id = price.variant.legacy_resource_id.0;
            prices.push(VariantPrice { variant_id, amount: price.price.amount.0 });
        }
        Ok(Some(PriceListPage { currency_code, prices, next }))
    }

    /// Fixes prices of a market's price list, [`PRICES_MAX`] at most. What Shopify does not take is told, by its place; then none may be
    /// fixed.
    ///
    /// # Errors
    /// As [`set_prices`](Self::set_prices).
    pub async fn fix_prices(
        &self,
        list: u64,
        currency_code: &str,
        prices: &[VariantPrice],
    ) -> Result<Vec<FieldError>, ShopifyError> {
        let of = |price: &VariantPrice| {
            json!({
                "variantId": variant_gid(price.variant_id),
                "price": { "amount": price.amount.to_string(), "currencyCode": currency_code },
            })
        };
        let prices: Vec<_> = prices.iter().map(of).collect();
        let variables = json!({ "priceListId": list_gid(list), "prices": prices });
        told(&self.once(&PRICE_LIST_FIXED_PRICES_ADD, variables).await?, "priceListFixedPricesAdd")
    }
}

fn list_gid(id: u64) -> String {
    format!("gid://shopify/PriceList/{id}")
}
