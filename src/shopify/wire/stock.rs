//! The shapes of stock and prices, in GraphQL's names: what the `stock_*.graphql` and `price_list.graphql` select, and the lines that a
//! bulk operation over variants lays down.

use serde::Deserialize;

use super::scalar::{Amount, Gid, Id, Text};

/// One page of a list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Page<T> {
    pub nodes: Vec<T>,
    pub page_info: PageInfo,
}

/// Whether a list goes on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct PageInfo {
    pub has_next_page: bool,
    pub end_cursor: Option<String>,
}

/// The answer of `stock_shop.graphql`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct ShopData {
    pub shop: Shop,
    pub product_variants_count: Option<Count>,
    pub locations: Page<Location>,
}

/// A shop.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Shop {
    pub currency_code: Text,
    pub taxes_included: bool,
}

/// A number of things.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Count {
    pub count: u64,
    pub precision: String,
}

/// A location.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Location {
    pub legacy_resource_id: Id,
    pub name: Text,
    pub is_active: bool,
}

/// A variant with its levels.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Variant {
    pub legacy_resource_id: Id,
    pub sku: Option<Text>,
    pub barcode: Option<Text>,
    pub price: Amount,
    pub inventory_policy: Text,
    pub inventory_quantity: Option<i64>,
    pub requires_components: bool,
    pub product: Product,
    pub inventory_item: Item,
}

/// A product, as a variant shows it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Product {
    pub legacy_resource_id: Id,
    pub status: Text,
}

/// An inventory item. In the file of a bulk operation its levels are lines of their own.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Item {
    pub legacy_resource_id: Id,
    pub tracked: bool,
    pub inventory_levels: Option<Page<Level>>,
}

/// What is at a location.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Level {
    pub location: Numbered,
    pub quantities: Vec<NamedQuantity>,
}

/// Something of which only the number matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Numbered {
    pub legacy_resource_id: Id,
}

/// One of a level's quantities.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct NamedQuantity {
    pub name: String,
    pub quantity: i64,
}

/// What stands at the beginning of each line of a bulk operation's file.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct LineHead {
    pub id: Gid,
}

/// A level as a line of its own.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct LevelLine {
    pub item: Numbered,
    pub location: Numbered,
    pub quantities: Vec<NamedQuantity>,
}

/// The product of `stock_product.graphql`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct ShownProduct {
    pub status: Text,
    pub resource_publications_v2: Page<ResourcePublication>,
    pub variants: Page<ShownVariant>,
}

/// Where a product is published.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct ResourcePublication {
    pub is_published: bool,
    pub publication: Publication,
}

/// A channel, as products see it.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Publication {
    pub id: Gid,
}

/// A variant of such a product.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct ShownVariant {
    pub legacy_resource_id: Id,
    pub inventory_policy: Text,
    pub inventory_quantity: Option<i64>,
    pub requires_components: bool,
    pub inventory_item: ShownItem,
}

/// Its inventory item.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct ShownItem {
    pub legacy_resource_id: Id,
    pub tracked: bool,
}

/// The price list of `price_list.graphql`.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct PriceList {
    pub currency: Text,
    pub prices: Page<PriceListPrice>,
}

/// One of its prices.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct PriceListPrice {
    pub variant: Numbered,
    pub price: Money,
}

/// An amount with its currency.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Money {
    pub amount: Amount,
    pub currency_code: Text,
}
