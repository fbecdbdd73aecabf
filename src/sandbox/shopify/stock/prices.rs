//! The mutations that price variants: `productVariantsBulkUpdate`, which also says what becomes of a variant that has run out, and
//! `priceListFixedPricesAdd`.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::super::Shop;
use super::super::listing::Refused;
use super::listing::number;
use super::show::price;
use super::{Stock, WhenOut};

type Arguments = Map<String, Value>;

/// What an entry does to a variant.
struct Edit {
    variant: u64,
    price: Option<Decimal>,
    /// `Some(None)` takes it away.
    compare_at: Option<Option<Decimal>>,
    when_out: Option<WhenOut>,
}

/// What is wrong with an entry: the code, the field of it, the message.
type Wrong = (&'static str, &'static str, &'static str);

impl Shop {
    /// `productVariantsBulkUpdate`: prices and what becomes of a variant that has run out; other fields are not answered here.
    pub(in super::super) fn update_variants(&self, arguments: &Arguments) -> Result<Value, Refused> {
        let now = self.core.clock.now();
        let in_part = arguments.get("allowPartialUpdates") == Some(&Value::Bool(true));
        let given = arguments.get("variants").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut fields = given.iter().filter_map(Value::as_object).flat_map(Map::keys);
        let known = ["id", "price", "compareAtPrice", "inventoryPolicy"];
        if let Some(other) = fields.find(|name| !known.contains(&name.as_str())) {
            return Err(Refused::BadRequest(format!("productVariantsBulkUpdate of {other} is not answered here")));
        }
        let mut state = self.lock();
        let stock = &mut state.stock;
        let id = arguments.get("productId").and_then(Value::as_str).and_then(|id| number("Product", id));
        let Some(product) = id.filter(|id| stock.products.contains_key(id)) else {
            let error =
                json!({"code": "PRODUCT_DOES_NOT_EXIST", "field": ["productId"], "message": "Product does not exist"});
            return Ok(json!({"product": null, "productVariants": null, "userErrors": [error]}));
        };
        let (mut edits, mut errors) = (Vec::new(), Vec::new());
        for (index, entry) in given.iter().enumerate() {
            match stock.edit_of(product, entry) {
                Ok(edit) => edits.push(edit),
                Err((code, field, message)) => errors
                    .push(json!({"code": code, "field": ["variants", index.to_string(), field], "message": message})),
            }
        }
        if !errors.is_empty() && !in_part {
            let shown = stock.show_product(product);
            return Ok(json!({"product": shown, "productVariants": null, "userErrors": errors}));
        }
        let shown: Vec<Value> = edits
            .iter()
            .map(|edit| {
                stock.edit(edit, now);
                stock.show_variant(edit.variant)
            })
            .collect();
        Ok(json!({"product": stock.show_product(product), "productVariants": shown, "userErrors": errors}))
    }

    /// `priceListFixedPricesAdd`: all prices or none.
    pub(in super::super) fn add_fixed_prices(&self, arguments: &Arguments) -> Value {
        let now = self.core.clock.now();
        let mut state = self.lock();
        let stock = &mut state.stock;
        let refused = |errors: Vec<Value>| json!({"prices": null, "userErrors": errors});
        let id = arguments.get("priceListId").and_then(Value::as_str).and_then(|id| number("PriceList", id));
        let currency = id.and_then(|id| stock.price_lists.get(&id)).map(|list| list.currency);
        let (Some(id), Some(currency)) = (id, currency) else {
            let message = "Price list does not exist.";
            return refused(vec![
                json!({"code": "PRICE_LIST_NOT_FOUND", "field": ["priceListId"], "message": message}),
            ]);
        };
        let (mut fixed, mut errors) = (Vec::new(), Vec::new());
        let given = arguments.get("prices").and_then(Value::as_array).into_iter().flatten();
        for (index, entry) in given.enumerate() {
            match stock.fixed_of(currency, entry) {
                Ok(one) => fixed.push(one),
                Err((code, field, message)) => errors
                    .push(json!({"code": code, "field": ["prices", index.to_string(), field], "message": message})),
            }
        }
        if !errors.is_empty() {
            return refused(errors);
        }
        let mut shown = Vec::new();
        for (variant, amount, compare_at) in fixed {
            let list = stock.price_lists.get_mut(&id);
            let before = list.and_then(|list| list.fixed.insert(variant, (amount, compare_at)));
            if before != Some((amount, compare_at)) {
                stock.note(now, variant, format!("fixed {} {currency}", price(amount)));
            }
            let money = |amount: Decimal| json!({"amount": price(amount), "currencyCode": currency});
            shown.push(json!({
                "price": money(amount), "compareAtPrice": compare_at.map(money), "originType": "FIXED",
                "variant": stock.show_variant(variant),
            }));
        }
        json!({"prices": shown, "userErrors": []})
    }
}

impl Stock {
    fn edit_of(&self, product: u64, entry: &Value) -> Result<Edit, Wrong> {
        let Some(id) = entry["id"].as_str() else {
            return Err(("PRODUCT_VARIANT_ID_MISSING", "id", "Product variant is missing ID attribute"));
        };
        let found = number("ProductVariant", id).and_then(|id| self.variants.get_key_value(&id));
        let Some((id, variant)) = found else {
            return Err(("PRODUCT_VARIANT_DOES_NOT_EXIST", "id", "Product variant does not exist"));
        };
        if variant.product != product {
            return Err(("MUST_BE_FOR_THIS_PRODUCT", "id", "Product variant is of another product"));
        }
        let amount = |name: &'static str| match &entry[name] {
            Value::Null => Ok(None),
            value => amount_of(value, name).map(Some),
        };
        let has_compare_at = entry.get("compareAtPrice").is_some();
        let compare_at = amount("compareAtPrice")?;
        let when_out = match entry["inventoryPolicy"].as_str() {
            Some("DENY") => Some(WhenOut::Deny),
            Some("CONTINUE") => Some(WhenOut::Continue),
            _ => None,
        };
        let compare_at = has_compare_at.then_some(compare_at);
        Ok(Edit { variant: *id, price: amount("price")?, compare_at, when_out })
    }

    fn edit(&mut self, edit: &Edit, now: Timestamp) {
        let Some(variant) = self.variants.get_mut(&edit.variant) else { return };
        let mut done = Vec::new();
        if let Some(amount) = edit.price.filter(|amount| *amount != variant.price) {
            variant.price = amount;
            done.push(format!("price {}", price(amount)));
        }
        if let Some(compare_at) = edit.compare_at {
            variant.compare_at = compare_at;
        }
        if let Some(when_out) = edit.when_out.filter(|when_out| *when_out != variant.when_out) {
            variant.when_out = when_out;
            done.push(when_out.word().to_owned());
        }
        done.into_iter().for_each(|what| self.note(now, edit.variant, what));
    }

    fn fixed_of(&self, currency: &str, entry: &Value) -> Result<(u64, Decimal, Option<Decimal>), Wrong> {
        let variant = entry["variantId"].as_str().and_then(|id| number("ProductVariant", id));
        let Some(variant) = variant.filter(|id| self.variants.contains_key(id)) else {
            return Err(("VARIANT_NOT_FOUND", "variantId", "Variant does not exist."));
        };
        let money = |name: &'static str| {
            if entry[name]["currencyCode"] != currency {
                let message = "The specified currency does not match the price list's currency.";
                return Err(("PRICE_LIST_CURRENCY_MISMATCH", name, message));
            }
            amount_of(&entry[name]["amount"], name)
        };
        let compare_at = if entry["compareAtPrice"].is_null() { None } else { Some(money("compareAtPrice")?) };
        Ok((variant, money("price")?, compare_at))
    }
}

fn amount_of(value: &Value, field: &'static str) -> Result<Decimal, Wrong> {
    match value.as_str().and_then(|text| Decimal::from_str_exact(text).ok()) {
        Some(amount) if amount.is_sign_negative() && !amount.is_zero() => {
            Err(("NEGATIVE_PRICE_VALUE", field, "Price cannot take a negative value"))
        }
        Some(amount) => Ok(amount.round_dp(2)),
        None => Err(("INVALID_INPUT", field, "Price is not a number")),
    }
}
