//! Products, variants, inventory items, locations, publications and price lists as the Admin API's object graph. Each shows what hangs
//! on it, but not what it hangs on beyond the next step: a graph without end is no answer.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::super::rest::gid;
use super::{
    ITEMS_FROM, Level, Location, ONLINE_STORE, POINT_OF_SALE, PriceList, Product, SWEDISH_PRICES, Stock, Variant,
};

/// Publications and what their catalogs are called.
pub(super) const PUBLICATIONS: [(u64, &str); 2] = [(ONLINE_STORE, "Online Store"), (POINT_OF_SALE, "Point of Sale")];

/// Names of quantities; the sandbox counts only the first four, the others are always zero.
const QUANTITIES: [&str; 8] =
    ["available", "committed", "on_hand", "reserved", "incoming", "damaged", "quality_control", "safety_stock"];

impl Stock {
    /// A product with its variants.
    pub(super) fn show_product(&self, id: u64) -> Value {
        let Some(product) = self.products.get(&id) else { return Value::Null };
        let mut shown = self.product_alone(id, product);
        let variants = product.variants.iter().filter_map(|id| self.variants.get_key_value(id));
        let variants = variants.map(|(id, variant)| {
            let mut shown = self.variant_alone(*id, variant);
            shown.insert("product".into(), Value::Object(self.product_alone(variant.product, product)));
            shown.insert("inventoryItem".into(), Value::Object(self.item_alone(*id, variant)));
            Value::Object(shown)
        });
        shown.insert("variants".into(), variants.collect());
        Value::Object(shown)
    }

    /// A variant with its product and its item.
    pub(super) fn show_variant(&self, id: u64) -> Value {
        let Some(variant) = self.variants.get(&id) else { return Value::Null };
        let mut shown = self.variant_alone(id, variant);
        if let Some(product) = self.products.get(&variant.product) {
            shown.insert("product".into(), Value::Object(self.product_alone(variant.product, product)));
        }
        shown.insert("inventoryItem".into(), Value::Object(self.item_alone(id, variant)));
        Value::Object(shown)
    }

    /// The inventory item of a variant, with the variant.
    pub(super) fn show_item(&self, variant_id: u64) -> Value {
        let Some(variant) = self.variants.get(&variant_id) else { return Value::Null };
        let mut item = self.item_alone(variant_id, variant);
        item.insert("variants".into(), json!([self.show_variant(variant_id)]));
        Value::Object(item)
    }

    /// A location. What is stocked there hangs on the items.
    pub(super) fn show_place(&self, id: u64) -> Value {
        self.locations.get(&id).map_or(Value::Null, |location| Value::Object(self.location_alone(id, location)))
    }

    /// One level with its item.
    pub(super) fn show_level(&self, variant_id: u64, location: u64) -> Value {
        let variant = self.variants.get(&variant_id);
        let Some((variant, level)) = variant.and_then(|variant| Some((variant, variant.level(location)?))) else {
            return Value::Null;
        };
        let mut shown = self.level_alone(variant_id, variant, location, level);
        shown.insert("item".into(), self.show_item(variant_id));
        Value::Object(shown)
    }

    /// A price list with its fixed prices; the others follow from the shop's own.
    pub(super) fn show_price_list(&self, id: u64) -> Value {
        let Some(list) = self.price_lists.get(&id) else { return Value::Null };
        let prices = list.fixed.iter().map(|(variant_id, (price, compare_at))| {
            json!({
                "price": money(list, *price), "compareAtPrice": compare_at.map(|price| money(list, price)),
                "originType": "FIXED", "variant": self.show_variant(*variant_id),
            })
        });
        json!({
            "__typename": "PriceList", "id": gid("PriceList", id), "name": list.name, "currency": list.currency,
            "fixedPricesCount": list.fixed.len(), "prices": prices.collect::<Vec<_>>(),
            "parent": {"adjustment": {"type": "PERCENTAGE_INCREASE", "value": 0}},
            "catalog": {"__typename": "AppCatalog", "id": gid("AppCatalog", id), "status": "ACTIVE", "title": list.name},
        })
    }

    fn product_alone(&self, id: u64, product: &Product) -> Map<String, Value> {
        let variants = || product.variants.iter().filter_map(|id| self.variants.get(id));
        let tracked = || variants().filter(|variant| variant.is_tracked);
        let published: Vec<Value> = PUBLICATIONS
            .iter()
            .filter(|(publication, _)| product.published.contains(publication))
            .map(|(publication, title)| {
                json!({
                    "isPublished": true, "publishDate": time(product.at),
                    "publication": show_publication(*publication, title),
                })
            })
            .collect();
        object(json!({
            "__typename": "Product", "id": gid("Product", id), "legacyResourceId": id.to_string(), "title": product.title,
            "handle": format!("product-{id}"), "productType": "Goods", "vendor": "Sandbox", "tags": [],
            "status": product.standing.word(), "createdAt": time(product.at), "updatedAt": time(product.at),
            "publishedAt": product.published.contains(&ONLINE_STORE).then(|| time(product.at)),
            "totalInventory": tracked().map(|variant| self.total(variant)).sum::<i64>(),
            "tracksInventory": tracked().next().is_some(), "isGiftCard": false,
            "hasOnlyDefaultVariant": product.variants.len() == 1,
            "hasVariantsThatRequiresComponents": variants().any(|variant| variant.is_bundle),
            "requiresSellingPlan": false, "sellingPlanGroupsCount": {"count": 0, "precision": "EXACT"},
            "variantsCount": {"count": product.variants.len(), "precision": "EXACT"},
            "availablePublicationsCount": {"count": PUBLICATIONS.len(), "precision": "EXACT"},
            "resourcePublicationsCount": {"count": published.len(), "precision": "EXACT"},
            "resourcePublications": published, "resourcePublicationsV2": published,
        }))
    }

    fn variant_alone(&self, id: u64, variant: &Variant) -> Map<String, Value> {
        let of = self.products.get(&variant.product);
        let position =
            of.and_then(|product| product.variants.iter().position(|own| *own == id)).unwrap_or_default() + 1;
        let total = self.total(variant);
        let is_for_sale =
            !variant.is_tracked || variant.when_out == super::WhenOut::Continue || self.sellable(variant) > 0;
        let at = of.map(|product| time(product.at));
        object(json!({
            "__typename": "ProductVariant", "id": gid("ProductVariant", id), "legacyResourceId": id.to_string(),
            "sku": variant.sku, "title": variant.title, "displayName": variant.title, "barcode": null,
            "price": price(variant.price), "compareAtPrice": variant.compare_at.map(price),
            "inventoryPolicy": variant.when_out.word(), "inventoryQuantity": total,
            "sellableOnlineQuantity": self.sellable(variant), "availableForSale": is_for_sale, "position": position,
            "requiresComponents": variant.is_bundle, "taxable": true, "createdAt": at, "updatedAt": at,
            "sellingPlanGroupsCount": {"count": 0, "precision": "EXACT"},
        }))
    }

    fn item_alone(&self, variant_id: u64, variant: &Variant) -> Map<String, Value> {
        let levels: Vec<Value> = variant
            .levels
            .iter()
            .map(|(location, level)| Value::Object(self.level_alone(variant_id, variant, *location, level)))
            .collect();
        let id = variant_id + ITEMS_FROM;
        let at = variant.levels.iter().map(|(_, level)| level.at).max().unwrap_or_default();
        object(json!({
            "__typename": "InventoryItem", "id": gid("InventoryItem", id), "legacyResourceId": id.to_string(), "sku": variant.sku,
            "tracked": variant.is_tracked, "requiresShipping": true, "duplicateSkuCount": 0, "createdAt": time(at),
            "updatedAt": time(at), "locationsCount": {"count": levels.len(), "precision": "EXACT"}, "inventoryLevels": levels,
        }))
    }

    fn level_alone(&self, variant_id: u64, variant: &Variant, location: u64, level: &Level) -> Map<String, Value> {
        let item = variant_id + ITEMS_FROM;
        let place = self.show_place(location);
        let quantity = |name: &str| match name {
            "available" => level.available,
            "committed" => level.committed,
            "reserved" => level.reserved,
            "on_hand" => level.on_hand(),
            _ => 0,
        };
        let quantities = QUANTITIES.map(|name| {
            let id = format!("gid://shopify/InventoryQuantity/{location}?inventory_item_id={item}&name={name}");
            json!({"id": id, "name": name, "quantity": quantity(name), "updatedAt": time(level.at)})
        });
        object(json!({
            "__typename": "InventoryLevel", "id": level_id(item, location), "isActive": place["isActive"],
            "canDeactivate": level.committed == 0 && level.reserved == 0, "createdAt": time(level.at), "updatedAt": time(level.at),
            "item": {"__typename": "InventoryItem", "id": gid("InventoryItem", item), "legacyResourceId": item.to_string(), "sku": variant.sku,
                "tracked": variant.is_tracked},
            "location": place, "quantities": quantities,
        }))
    }

    fn location_alone(&self, id: u64, location: &Location) -> Map<String, Value> {
        object(json!({
            "__typename": "Location", "id": gid("Location", id), "legacyResourceId": id.to_string(), "name": location.name,
            "isActive": location.is_active, "activatable": !location.is_active, "deactivatable": location.is_active,
            "deactivatedAt": null, "fulfillsOnlineOrders": location.sells_online, "shipsInventory": location.sells_online,
            "hasActiveInventory": location.is_active,
        }))
    }
}

/// A publication.
pub(super) fn show_publication(id: u64, title: &str) -> Value {
    json!({
        "__typename": "Publication", "id": gid("Publication", id), "autoPublish": false, "supportsFuturePublishing": id == ONLINE_STORE,
        "catalog": {"__typename": "AppCatalog", "id": gid("AppCatalog", id), "status": "ACTIVE", "title": title},
    })
}

/// The id of a level, as Shopify writes it.
pub(super) fn level_id(item: u64, location: u64) -> String {
    format!("gid://shopify/InventoryLevel/{location}?inventory_item_id={item}")
}

/// A price as Shopify prints it in the shop's own currency.
pub(super) fn price(amount: Decimal) -> String {
    let mut amount = amount;
    amount.rescale(2);
    amount.to_string()
}

fn money(list: &PriceList, amount: Decimal) -> Value {
    json!({"amount": price(amount), "currencyCode": list.currency})
}

/// An instant as Shopify prints it.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The price lists that there are, with their ids.
pub(super) const PRICE_LISTS: [u64; 1] = [SWEDISH_PRICES];
