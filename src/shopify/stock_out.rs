//! Products that run out: how one stands, and what can be done to it. Every write here is the same however often it is made; each
//! call goes once, and who called decides whether it goes again.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::client::{Document, ShopifyClient};
use super::error::ShopifyError;
use super::limits::VARIANT_PAGES_MAX;
use super::stock::next_of;
use super::stock_write::{FieldError, Payload};
use super::wire::stock as wire;

const STOCK_PRODUCT: Document =
    Document { operation: "StockProduct", text: include_str!("graphql/stock_product.graphql") };
const PRODUCT_STATUS_SET: Document =
    Document { operation: "ProductStatusSet", text: include_str!("graphql/product_status_set.graphql") };
const PUBLISHABLE_PUBLISH: Document =
    Document { operation: "PublishablePublish", text: include_str!("graphql/publishable_publish.graphql") };
const PUBLISHABLE_UNPUBLISH: Document =
    Document { operation: "PublishableUnpublish", text: include_str!("graphql/publishable_unpublish.graphql") };
const VARIANTS_UPDATE: Document =
    Document { operation: "VariantsUpdate", text: include_str!("graphql/variants_update.graphql") };

/// Most variants of one change of policies or prices (Shopify's limit for lists).
pub const VARIANTS_MAX: usize = 250;

/// A product as far as it can run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownProduct {
    /// `ACTIVE`, `DRAFT`, `ARCHIVED`, `UNLISTED`.
    pub status: String,
    /// Shopify's numbers of the publications that it is on.
    pub published: Vec<u64>,
    /// Its variants, all of them.
    pub variants: Vec<ShownVariant>,
}

/// A variant of such a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownVariant {
    /// Shopify's number.
    pub variant_id: u64,
    /// Shopify's number of its inventory item.
    pub item_id: u64,
    /// `DENY`, `CONTINUE`.
    pub policy: String,
    /// Whether Shopify counts it.
    pub is_tracked: bool,
    /// Whether it is a bundle of Shopify's.
    pub is_bundle: bool,
    /// What Shopify says can be sold of it.
    pub sellable: Option<i64>,
}

/// Whether a product is on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publishing {
    /// It comes on it.
    On,
    /// It goes off it.
    Off,
}

impl ShopifyClient {
    /// How a product stands; `None` when the shop has none of this number.
    ///
    /// # Errors
    /// It could not be read whole. It was tried again where that is of use.
    pub async fn shown_product(&self, product: u64) -> Result<Option<ShownProduct>, ShopifyError> {
        #[derive(Deserialize)]
        struct Data {
            product: Option<wire::ShownProduct>,
        }
        let (mut shown, mut after): (Option<ShownProduct>, Option<String>) = (None, None);
        for _ in 0..VARIANT_PAGES_MAX {
            let data = self.query(&STOCK_PRODUCT, json!({ "id": product_gid(product), "after": after })).await?;
            let Data { product: found } = serde_json::from_str(data.get())?;
            // Gone between two pages: gone.
            let Some(found) = found else { return Ok(None) };
            if found.resource_publications_v2.page_info.has_next_page {
                return Err(ShopifyError::NotWhole { what: "a product is on more channels than are asked for" });
            }
            let next = next_of(&found.variants)?;
            let on = found.resource_publications_v2.nodes.iter().filter(|one| one.is_published);
            let published = on.map(|one| one.publication.id.id).collect();
            let status = found.status.0;
            let shown = shown.get_or_insert_with(|| ShownProduct { status, published, variants: Vec::new() });
            shown.variants.extend(found.variants.nodes.into_iter().map(|variant| ShownVariant {
                variant_id: variant.legacy_resource_id.0,
                item_id: variant.inventory_item.legacy_resource_id.0,
                policy: variant.inventory_policy.0,
                is_tracked: variant.inventory_item.tracked,
                is_bundle: variant.requires_components,
                sellable: variant.inventory_quantity,
            }));
            match next {
                Some(cursor) => after = Some(cursor),
                None => return Ok(Some(shown.clone())),
            }
        }
        Err(ShopifyError::NotWhole { what: "the variants of a product do not end" })
    }

    /// Sets a product's status: `ACTIVE` or `DRAFT`. What Shopify does not take is told.
    ///
    /// # Errors
    /// The call failed; whether Shopify did it may be open. To say it again does no harm.
    pub async fn set_product_status(
        &self,
        product: u64,
        status: &'static str,
    ) -> Result<Vec<FieldError>, ShopifyError> {
        let variables = json!({ "product": { "id": product_gid(product), "status": status } });
        told(&self.once(&PRODUCT_STATUS_SET, variables).await?, "productUpdate")
    }

    /// Puts a product on channels or takes it off, by Shopify's numbers of their publications. What Shopify does not take is told.
    ///
    /// # Errors
    /// As [`set_product_status`](Self::set_product_status).
    pub async fn set_published(
        &self,
        product: u64,
        publications: &[u64],
        publishing: Publishing,
    ) -> Result<Vec<FieldError>, ShopifyError> {
        let channel = |id: &u64| json!({ "publicationId": format!("gid://shopify/Publication/{id}") });
        let input: Vec<_> = publications.iter().map(channel).collect();
        let (document, mutation) = match publishing {
            Publishing::On => (&PUBLISHABLE_PUBLISH, "publishablePublish"),
            Publishing::Off => (&PUBLISHABLE_UNPUBLISH, "publishableUnpublish"),
        };
        told(&self.once(document, json!({ "id": product_gid(product), "input": input })).await?, mutation)
    }

    /// Sets the policy of variants of one product, [`VARIANTS_MAX`] at most: `DENY` or `CONTINUE`. What Shopify does not take is told, by
    /// its place in `variants`; the others are set.
    ///
    /// # Errors
    /// As [`set_product_status`](Self::set_product_status).
    pub async fn set_policies(
        &self,
        product: u64,
        variants: &[u64],
        policy: &'static str,
    ) -> Result<Vec<FieldError>, ShopifyError> {
        let of = |id: &u64| json!({ "id": variant_gid(*id), "inventoryPolicy": policy });
        let variants: Vec<_> = variants.iter().map(of).collect();
        self.update_variants(product, variants).await
    }

    /// Changes variants of one product.
    pub(super) async fn update_variants(
        &self,
        product: u64,
        variants: Vec<serde_json::Value>,
    ) -> Result<Vec<FieldError>, ShopifyError> {
        let variables = json!({ "productId": product_gid(product), "variants": variants });
        told(&self.once(&VARIANTS_UPDATE, variables).await?, "productVariantsBulkUpdate")
    }
}

fn product_gid(id: u64) -> String {
    format!("gid://shopify/Product/{id}")
}

/// A variant's global id.
pub(super) fn variant_gid(id: u64) -> String {
    format!("gid://shopify/ProductVariant/{id}")
}

/// The `userErrors` of a mutation's payload.
pub(super) fn told(data: &RawValue, mutation: &str) -> Result<Vec<FieldError>, ShopifyError> {
    let mut data: std::collections::HashMap<String, Option<Payload>> = serde_json::from_str(data.get())?;
    let payload = data.remove(mutation).flatten();
    payload.map(|payload| payload.user_errors).ok_or(ShopifyError::NotWhole { what: "the mutation's payload" })
}
