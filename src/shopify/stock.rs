//! What a shop shows of its stock: its locations, and its variants with their levels, by the page, by their numbers, or from the file of
//! a bulk operation. Reads only.
//!
//! Each reading tells between which two times of Shopify's clock it was made: an order that Shopify changed after the first of them may
//! not be in it, and one that it changed before it is.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::json;

use super::bulk::{BulkFile, without_comments};
use super::client::{Document, ShopifyClient};
use super::error::ShopifyError;
use super::limits::LOCATION_PAGES_MAX;
use super::orders::PageSize;
use super::wire::stock as wire;

const STOCK_SHOP: Document = Document { operation: "StockShop", text: include_str!("graphql/stock_shop.graphql") };
const STOCK_VARIANTS: Document =
    Document { operation: "StockVariants", text: include_str!("graphql/stock_variants.graphql") };
const STOCK_VARIANTS_BY_ID: Document =
    Document { operation: "StockVariantsById", text: include_str!("graphql/stock_variants_by_id.graphql") };
const STOCK_LEVELS: Document =
    Document { operation: "StockLevels", text: include_str!("graphql/stock_levels.graphql") };

/// Most variants of a page: each costs 35 points with ten of its levels, and a query may cost 1,000.
pub const VARIANTS_PAGE_MAX: u32 = 28;

/// Most variants that are named in one query, for the same reason.
pub const VARIANTS_BY_ID_MAX: usize = 25;

/// What a bulk operation lays down of each variant; the same as [`STOCK_VARIANTS`], and a level names its item.
const BULK_OF_VARIANTS: &str = include_str!("graphql/bulk_of_variants.graphql");

/// Between which two times of Shopify's clock something was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadBetween {
    /// Not before this; none where Shopify had told no time before.
    pub from: Option<Timestamp>,
    /// Not after this.
    pub until: Option<Timestamp>,
}

/// A shop as far as its stock and prices are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockShop {
    /// The currency of its own prices.
    pub currency_code: String,
    /// Whether its prices have their tax in them.
    pub taxes_included: bool,
    /// How many variants it has; so many at least where Shopify stops counting.
    pub variants_at_least: u64,
    /// Its locations, those that were switched off too.
    pub locations: Vec<ShopLocation>,
}

/// A location of a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopLocation {
    /// Shopify's number.
    pub id: u64,
    /// What the merchant calls it.
    pub name: String,
    /// Whether stock can be kept there.
    pub is_active: bool,
}

/// A variant with what the shop shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVariant {
    /// Shopify's number of the variant.
    pub variant_id: u64,
    /// Shopify's number of its product.
    pub product_id: u64,
    /// Shopify's number of its inventory item.
    pub item_id: u64,
    /// The merchant's article number.
    pub sku: Option<String>,
    /// Its bar code.
    pub barcode: Option<String>,
    /// Its price, in the shop's currency.
    pub price: Decimal,
    /// `DENY`, `CONTINUE`.
    pub policy: String,
    /// The product's `ACTIVE`, `DRAFT`, `ARCHIVED`, `UNLISTED`.
    pub status: String,
    /// Whether Shopify counts it.
    pub is_tracked: bool,
    /// Whether it is a bundle of Shopify's, counted by its components.
    pub is_bundle: bool,
    /// What Shopify says can be sold of it at all locations: of a bundle, how many can be made.
    pub sellable: Option<i64>,
    /// Its levels at all active locations. In the file of a bulk operation they are lines of their own.
    pub levels: Vec<ListedLevel>,
}

/// What the shop shows at one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedLevel {
    /// Shopify's number of the location.
    pub location_id: u64,
    /// What customers may buy.
    pub available: i64,
    /// What orders have of it that are not fulfilled.
    pub committed: i64,
    /// What Shopify has reserved that no order has: for draft orders, for transfers, by apps.
    pub reserved: i64,
}

/// One page of variants.
#[derive(Debug, Clone)]
pub struct VariantPage {
    /// The variants, by their numbers.
    pub variants: Vec<ListedVariant>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
    /// When it was read.
    pub read: ReadBetween,
}

/// Variants that were asked for by their numbers.
#[derive(Debug, Clone)]
pub struct NamedVariants {
    /// Those that the shop has.
    pub variants: Vec<ListedVariant>,
    /// Those that it has not, or has no more.
    pub gone: Vec<u64>,
    /// When they were read.
    pub read: ReadBetween,
}

/// A line of the file of a bulk operation over variants. Which comes first is not said anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StockLine {
    /// A variant, without its levels.
    Variant(Box<ListedVariant>),
    /// A level.
    Level {
        /// Shopify's number of its inventory item.
        item_id: u64,
        /// What is there.
        level: ListedLevel,
    },
}

impl ShopifyClient {
    /// What the shop counts in, and where.
    ///
    /// # Errors
    /// It could not be read whole. It was tried again where that is of use.
    pub async fn stock_shop(&self) -> Result<StockShop, ShopifyError> {
        let mut shop: Option<StockShop> = None;
        let mut after = None;
        for _ in 0..LOCATION_PAGES_MAX {
            let data = self.query(&STOCK_SHOP, json!({ "after": after })).await?;
            let data: wire::ShopData = serde_json::from_str(data.get())?;
            let next = next_of(&data.locations)?;
            let shop = shop.get_or_insert_with(|| StockShop {
                currency_code: data.shop.currency_code.0,
                taxes_included: data.shop.taxes_included,
                variants_at_least: data.product_variants_count.map_or(0, |count| count.count),
                locations: Vec::new(),
            });
            shop.locations.extend(data.locations.nodes.into_iter().map(|location| ShopLocation {
                id: location.legacy_resource_id.0,
                name: location.name.0,
                is_active: location.is_active,
            }));
            match next {
                Some(cursor) => after = Some(cursor),
                None => return Ok(shop.clone()),
            }
        }
        Err(ShopifyError::NotWhole { what: "the pages of locations do not end" })
    }

    /// One page of variants with their levels, behind `after`. A page that is too costly is asked for in half, and `size` remembers that.
    ///
    /// # Errors
    /// It could not be read whole. It was tried again where that is of use.
    pub async fn variants_page(&self, after: Option<&str>, size: &mut PageSize) -> Result<VariantPage, ShopifyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            product_variants: wire::Page<wire::Variant>,
        }
        let from = self.shop_time();
        let data = loop {
            match self.query(&STOCK_VARIANTS, json!({ "first": size.get(), "after": after })).await {
                Ok(data) => break data,
                Err(ShopifyError::TooCostly { .. }) if size.halve() => {}
                Err(error) => return Err(error),
            }
        };
        let Data { product_variants: page } = serde_json::from_str(data.get())?;
        let next = next_of(&page)?;
        if next.is_some() && page.nodes.is_empty() {
            return Err(ShopifyError::NotWhole { what: "an empty page of variants goes on" });
        }
        let mut variants = Vec::with_capacity(page.nodes.len());
        for variant in page.nodes {
            variants.push(self.with_all_levels(variant).await?);
        }
        Ok(VariantPage { variants, next, read: self.between(from) })
    }

    /// Variants by their numbers, [`VARIANTS_BY_ID_MAX`] a query.
    ///
    /// # Errors
    /// They could not be read whole. It was tried again where that is of use.
    pub async fn variants_by_id(&self, ids: &[u64]) -> Result<NamedVariants, ShopifyError> {
        #[derive(Deserialize)]
        struct Data {
            nodes: Vec<Option<wire::Variant>>,
        }
        let from = self.shop_time();
        let (mut variants, mut gone) = (Vec::with_capacity(ids.len()), Vec::new());
        for some in ids.chunks(VARIANTS_BY_ID_MAX) {
            let gids: Vec<String> = some.iter().map(|id| format!("gid://shopify/ProductVariant/{id}")).collect();
            let data = self.query(&STOCK_VARIANTS_BY_ID, json!({ "ids": gids })).await?;
            let Data { nodes } = serde_json::from_str(data.get())?;
            if nodes.len() != some.len() {
                return Err(ShopifyError::NotWhole { what: "there are not as many variants as were asked for" });
            }
            for (id, node) in some.iter().zip(nodes) {
                match node {
                    Some(variant) if variant.legacy_resource_id.0 == *id => {
                        variants.push(self.with_all_levels(variant).await?);
                    }
                    Some(_) => return Err(ShopifyError::NotWhole { what: "another variant than was asked for" }),
                    None => gone.push(*id),
                }
            }
        }
        Ok(NamedVariants { variants, gone, read: self.between(from) })
    }

    /// Starts a bulk operation over all variants and their levels; gives its id. [`bulk_state`](Self::bulk_state) tells where it stands.
    ///
    /// # Errors
    /// As [`start_bulk_orders`](Self::start_bulk_orders).
    pub async fn start_bulk_variants(&self) -> Result<String, ShopifyError> {
        self.start_bulk(without_comments(BULK_OF_VARIANTS)).await
    }

    /// The variant with its levels: read to the end where it is kept at more locations than a list shows.
    async fn with_all_levels(&self, mut variant: wire::Variant) -> Result<ListedVariant, ShopifyError> {
        let shown = variant.inventory_item.inventory_levels.take();
        let shown = shown.ok_or(ShopifyError::NotWhole { what: "a variant without its levels" })?;
        let mut variant = listed(variant);
        variant.levels = if shown.page_info.has_next_page {
            self.all_levels(variant.item_id).await?
        } else {
            shown.nodes.into_iter().map(level_of).collect::<Result<_, _>>()?
        };
        Ok(variant)
    }

    /// All levels of an item; a location that is on two pages counts once.
    async fn all_levels(&self, item: u64) -> Result<Vec<ListedLevel>, ShopifyError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            inventory_item: Option<Item>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Item {
            inventory_levels: wire::Page<wire::Level>,
        }
        let (mut levels, mut after) = (HashMap::new(), None);
        for _ in 0..LOCATION_PAGES_MAX {
            let variables = json!({ "id": format!("gid://shopify/InventoryItem/{item}"), "after": after });
            let data: Data = serde_json::from_str(self.query(&STOCK_LEVELS, variables).await?.get())?;
            let item = data.inventory_item.ok_or(ShopifyError::NotWhole { what: "an inventory item is gone" })?;
            let next = next_of(&item.inventory_levels)?;
            for level in item.inventory_levels.nodes {
                let level = level_of(level)?;
                levels.insert(level.location_id, level);
            }
            match next {
                Some(cursor) => after = Some(cursor),
                None => return Ok(levels.into_values().collect()),
            }
        }
        Err(ShopifyError::NotWhole { what: "the levels of an item do not end" })
    }

    /// When something was read that was asked for after `from`. Shopify tells its time to the second, cut off.
    fn between(&self, from: Option<Timestamp>) -> ReadBetween {
        let until = self.shop_time().and_then(|at| at.checked_add(SignedDuration::from_secs(1)).ok());
        ReadBetween { from, until }
    }
}

impl BulkFile {
    /// The next lines of a file over variants.
    ///
    /// # Errors
    /// The file broke off, or holds something else.
    pub async fn next_stock(&mut self, most: usize) -> Result<Vec<StockLine>, ShopifyError> {
        self.next_of(most, line_of).await
    }
}

fn line_of(line: &[u8]) -> Result<StockLine, ShopifyError> {
    let head: wire::LineHead = serde_json::from_slice(line)?;
    match head.id.kind.as_str() {
        "ProductVariant" => Ok(StockLine::Variant(Box::new(listed(serde_json::from_slice(line)?)))),
        "InventoryLevel" => {
            let line: wire::LevelLine = serde_json::from_slice(line)?;
            let item_id = line.item.legacy_resource_id.0;
            let level = level_of(wire::Level { location: line.location, quantities: line.quantities })?;
            Ok(StockLine::Level { item_id, level })
        }
        _ => Err(ShopifyError::NotWhole { what: "a line of the file is neither a variant nor a level" }),
    }
}

/// The variant without its levels.
fn listed(variant: wire::Variant) -> ListedVariant {
    ListedVariant {
        variant_id: variant.legacy_resource_id.0,
        product_id: variant.product.legacy_resource_id.0,
        item_id: variant.inventory_item.legacy_resource_id.0,
        sku: variant.sku.map(|sku| sku.0),
        barcode: variant.barcode.map(|barcode| barcode.0),
        price: variant.price.0,
        policy: variant.inventory_policy.0,
        status: variant.product.status.0,
        is_tracked: variant.inventory_item.tracked,
        is_bundle: variant.requires_components,
        sellable: variant.inventory_quantity,
        levels: Vec::new(),
    }
}

fn level_of(level: wire::Level) -> Result<ListedLevel, ShopifyError> {
    let of = |name: &str| {
        let named = level.quantities.iter().find(|quantity| quantity.name == name);
        named.map(|quantity| quantity.quantity).ok_or(ShopifyError::NotWhole { what: "a level lacks a quantity" })
    };
    let location_id = level.location.legacy_resource_id.0;
    let (available, committed, reserved) = (of("available")?, of("committed")?, of("reserved")?);
    Ok(ListedLevel { location_id, available, committed, reserved })
}

/// Where the next page begins; none after the last one.
pub(super) fn next_of<T>(page: &wire::Page<T>) -> Result<Option<String>, ShopifyError> {
    match (page.page_info.has_next_page, &page.page_info.end_cursor) {
        (false, _) => Ok(None),
        (true, Some(cursor)) => Ok(Some(cursor.clone())),
        (true, None) => Err(ShopifyError::NotWhole { what: "a page that goes on has no cursor" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_bulk_file_is_a_variant_or_a_level() {
        let variant = br#"{"id":"gid://shopify/ProductVariant/5","legacyResourceId":"5","sku":"CUP","barcode":null,"price":"9.50","inventoryPolicy":"DENY","inventoryQuantity":-2,"requiresComponents":false,"product":{"legacyResourceId":"4","status":"ACTIVE"},"inventoryItem":{"legacyResourceId":"6","tracked":true}}"#;
        let StockLine::Variant(variant) = line_of(variant).expect("reads") else { panic!("a variant") };
        assert_eq!((variant.variant_id, variant.product_id, variant.item_id), (5, 4, 6));
        assert_eq!((variant.sku.as_deref(), variant.sellable), (Some("CUP"), Some(-2)));
        let level = br#"{"id":"gid://shopify/InventoryLevel/77?inventory_item_id=6","item":{"legacyResourceId":"6"},"location":{"legacyResourceId":"9"},"quantities":[{"name":"committed","quantity":3},{"name":"reserved","quantity":4},{"name":"available","quantity":-1}],"__parentId":"gid://shopify/ProductVariant/5"}"#;
        let level = line_of(level).expect("reads");
        let listed = ListedLevel { location_id: 9, available: -1, committed: 3, reserved: 4 };
        assert_eq!(level, StockLine::Level { item_id: 6, level: listed });
        assert!(line_of(br#"{"id":"gid://shopify/Order/1"}"#).is_err());
    }

    #[test]
    fn a_level_that_lacks_a_quantity_is_none() {
        let level = br#"{"id":"gid://shopify/InventoryLevel/77?inventory_item_id=6","item":{"legacyResourceId":"6"},"location":{"legacyResourceId":"9"},"quantities":[{"name":"available","quantity":1},{"name":"committed","quantity":0}]}"#;
        assert!(line_of(level).is_err());
    }

    #[test]
    fn a_page_and_a_query_by_number_select_the_same() {
        let of = |text: &str, head: &str| {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let from = text.find(head).expect("it selects something") + head.len();
            let until = text[from..].find("quantities(").expect("it selects levels");
            text[from..from + until].to_owned()
        };
        assert_eq!(
            of(STOCK_VARIANTS.text, "productVariants(first: $first, after: $after, sortKey: ID) { nodes {"),
            of(STOCK_VARIANTS_BY_ID.text, "nodes(ids: $ids) { ... on ProductVariant {")
        );
        let quantities = "quantities(names: [\"available\", \"committed\", \"reserved\"]) { name quantity }";
        for text in [STOCK_VARIANTS.text, STOCK_VARIANTS_BY_ID.text, STOCK_LEVELS.text, BULK_OF_VARIANTS] {
            assert!(text.contains(quantities), "{text}");
        }
    }
}
