//! `inventorySetQuantities`: told from its repetitions by a key, each entry against what it expects to find, all of them or none.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::graphql::IDEMPOTENCY_KEY;
use super::super::listing::Refused;
use super::super::rest::gid;
use super::super::{Shop, State};
use super::listing::number;
use super::repeated::{Carried, Changed, Known};
use super::show::time;
use super::{ITEMS_FROM, LevelWrite, Stock};

/// No quantity goes beyond this, up or down.
const QUANTITY_MAX: i64 = 1_000_000_000;
/// Reasons that Shopify knows.
const REASONS: [&str; 17] = [
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_canceled",
    "movement_created",
    "movement_received",
    "movement_updated",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
];

/// One entry of a call that may be carried out.
struct Entry {
    variant: u64,
    location: u64,
    quantity: i64,
}

/// What is wrong with an entry: the code, the field of it, the message.
type Wrong = (Option<&'static str>, &'static str, String);

impl Shop {
    /// `inventorySetQuantities`
    pub(in super::super) fn set_quantities(&self, arguments: &Map<String, Value>) -> Result<Value, Refused> {
        let between = self.lock().stock.bent.buys_before_set.take();
        if let Some((sku, units)) = between {
            self.buy(&sku, units);
        }
        let now = self.core.clock.now();
        let input = arguments.get("input").unwrap_or(&Value::Null);
        let mut state = self.lock();
        // 1. What is refused as a whole.
        let key = arguments.get(IDEMPOTENCY_KEY).and_then(Value::as_str).filter(|key| !key.trim().is_empty());
        let Some(key) = key else {
            state.stock.counts.without_key += 1;
            let text = "The @idempotent directive is required for this mutation but was not provided.";
            return Err(Refused::BadRequest(text.to_owned()));
        };
        let given = input["quantities"].as_array().cloned().unwrap_or_default();
        if given.iter().any(|entry| entry.get("changeFromQuantity").is_none()) {
            let text = "changeFromQuantity must be given for each quantity; null opts out of the comparison.";
            return Err(Refused::BadRequest(text.to_owned()));
        }
        // 2. What came before under this key.
        match state.stock.once.known(key, input) {
            Known::New => {}
            Known::Same(carried) => {
                state.stock.counts.repeated += 1;
                return Ok(state.stock.show_carried(&carried));
            }
            Known::Other => {
                state.stock.counts.mismatched += 1;
                let message = "The same idempotency key cannot be used with different operation parameters.";
                let error = user_error("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", &["input"], message);
                return Ok(json!({"inventoryAdjustmentGroup": null, "userErrors": [error]}));
            }
        }
        // 3. The call itself. One that Shopify fails on is not tried again under its key.
        let carried = if state.stock.fails_at(&given) {
            let message = "The previous attempt with this idempotency key failed.";
            let errors = vec![user_error("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", &["input"], message)];
            Carried { at: time(now), errors, ..Carried::default() }
        } else {
            carry_out(&mut state, input, &given, now)
        };
        let counts = &mut state.stock.counts;
        counts.set_calls += 1;
        counts.entries_max = counts.entries_max.max(given.len() as u64);
        state.stock.once.keep(key, input, carried.clone());
        Ok(state.stock.show_carried(&carried))
    }
}

fn carry_out(state: &mut State, input: &Value, given: &[Value], now: Timestamp) -> Carried {
    let text = |name: &str| input[name].as_str().map(str::to_owned);
    let mut carried = Carried {
        at: time(now),
        reason: text("reason").unwrap_or_default(),
        reference: text("referenceDocumentUri"),
        name: text("name").unwrap_or_default(),
        ..Carried::default()
    };
    if !matches!(carried.name.as_str(), "available" | "on_hand") {
        let message = "The quantity name must be either 'available' or 'on_hand'.";
        carried.errors.push(user_error("INVALID_NAME", &["input", "name"], message));
    }
    if !REASONS.contains(&carried.reason.as_str()) {
        carried.errors.push(user_error("INVALID_REASON", &["input", "reason"], "The specified reason is invalid."));
    }
    if carried.reference.as_ref().is_some_and(|uri| !uri.contains("://")) {
        let field = ["input", "referenceDocumentUri"];
        let message = "The specified reference document is invalid.";
        carried.errors.push(user_error("INVALID_REFERENCE_DOCUMENT", &field, message));
    }
    if !carried.errors.is_empty() {
        return carried;
    }
    let (mut entries, mut pairs) = (Vec::new(), BTreeSet::new());
    for (index, entry) in given.iter().enumerate() {
        match state.stock.judge(entry, &carried.name, &mut pairs) {
            Ok(good) => entries.push(good),
            Err((code, field, message)) => {
                let stale = code == Some("CHANGE_FROM_QUANTITY_STALE");
                let count = if stale { &mut state.stock.counts.stale } else { &mut state.stock.counts.refused };
                *count += 1;
                let named = match state.stock.bent.hides_culprit {
                    true => json!(["input"]),
                    false => json!(["input", "quantities", index.to_string(), field]),
                };
                carried.errors.push(json!({"code": code, "field": named, "message": message}));
            }
        }
    }
    if carried.errors.is_empty() || (state.stock.bent.sets_in_part && !entries.is_empty()) {
        carried.group = Some(state.ids.next());
        carried.changes = entries.iter().filter_map(|entry| state.stock.set(entry, &carried.name, now)).collect();
    }
    carried
}

impl Stock {
    /// Whether Shopify itself fails on a call with these entries.
    fn fails_at(&self, given: &[Value]) -> bool {
        let Some(sku) = &self.bent.fails_at else { return false };
        given.iter().any(|entry| {
            let item = entry["inventoryItemId"].as_str().and_then(|id| number("InventoryItem", id));
            let variant = item.and_then(|item| self.variant_of_item(item));
            variant.is_some_and(|(_, variant)| variant.sku.as_ref() == Some(sku))
        })
    }

    /// Whether an entry may be carried out.
    fn judge(&self, entry: &Value, name: &str, pairs: &mut BTreeSet<(u64, u64)>) -> Result<Entry, Wrong> {
        let id = |field: &str, kind: &str| entry[field].as_str().and_then(|id| number(kind, id));
        let wrong = |code: &'static str, field: &'static str, message: &str| (Some(code), field, message.to_owned());
        let item = id("inventoryItemId", "InventoryItem").and_then(|item| self.variant_of_item(item));
        let Some((variant_id, variant)) = item else {
            let message = "The specified inventory item could not be found.";
            return Err(wrong("INVALID_INVENTORY_ITEM", "inventoryItemId", message));
        };
        if variant.is_bundle {
            let message = "The specified inventory item is not allowed to be adjusted via API.";
            return Err(wrong("NON_MUTABLE_INVENTORY_ITEM", "inventoryItemId", message));
        }
        let Some(location) = id("locationId", "Location").filter(|location| self.is_active(*location)) else {
            return Err(wrong("INVALID_LOCATION", "locationId", "The specified location could not be found."));
        };
        if !pairs.insert((variant_id, location)) {
            let message = "The combination of inventoryItemId and locationId must be unique.";
            return Err(wrong("NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", "inventoryItemId", message));
        }
        // Shopify has no code for this one.
        let Some(level) = variant.level(location) else {
            let message = "The specified inventory item is not stocked at the location.";
            return Err((None, "locationId", message.to_owned()));
        };
        let quantity = entry["quantity"].as_i64().unwrap_or(i64::MAX);
        if quantity < 0 {
            return Err(wrong("INVALID_QUANTITY_NEGATIVE", "quantity", "The quantity can't be negative."));
        }
        if quantity > QUANTITY_MAX {
            let message = "The total quantity can't be higher than 1,000,000,000.";
            return Err(wrong("INVALID_QUANTITY_TOO_HIGH", "quantity", message));
        }
        let standing = if name == "available" { level.available } else { level.on_hand() };
        match &entry["changeFromQuantity"] {
            Value::Null => {}
            expected if expected.as_i64() == Some(standing) => {}
            _ => {
                let message = "The changeFromQuantity value does not match persisted value.";
                return Err(wrong("CHANGE_FROM_QUANTITY_STALE", "changeFromQuantity", message));
            }
        }
        Ok(Entry { variant: variant_id, location, quantity })
    }

    /// Sets one level.
    fn set(&mut self, entry: &Entry, name: &str, now: Timestamp) -> Option<Changed> {
        let level = self.variants.get_mut(&entry.variant)?.level_mut(entry.location)?;
        let from = level.available;
        let promised = level.committed + level.reserved;
        level.available = if name == "available" { entry.quantity } else { entry.quantity - promised };
        let to = level.available;
        self.counts.levels_set += 1;
        if from == to {
            self.counts.levels_unchanged += 1;
        } else {
            level.at = now;
        }
        let (item, location) = (entry.variant + ITEMS_FROM, entry.location);
        self.level_writes.push(LevelWrite { at: now, item, location, from, to });
        Some(Changed { item, location, delta: to - from, after: entry.quantity })
    }

    fn show_carried(&self, carried: &Carried) -> Value {
        let change = |change: &Changed| {
            let variant = self.variant_of_item(change.item).map(|(_, variant)| variant);
            json!({
                "name": carried.name, "delta": change.delta, "quantityAfterChange": change.after,
                "item": {
                    "__typename": "InventoryItem", "id": gid("InventoryItem", change.item),
                    "legacyResourceId": change.item.to_string(), "sku": variant.and_then(|variant| variant.sku.as_ref()),
                },
                "location": self.show_place(change.location),
            })
        };
        let group = carried.group.map(|id| {
            json!({
                "__typename": "InventoryAdjustmentGroup", "id": gid("InventoryAdjustmentGroup", id), "createdAt": carried.at,
                "reason": carried.reason, "referenceDocumentUri": carried.reference,
                "changes": carried.changes.iter().map(change).collect::<Vec<_>>(),
            })
        });
        json!({"inventoryAdjustmentGroup": group, "userErrors": carried.errors})
    }
}

fn user_error(code: &str, field: &[&str], message: &str) -> Value {
    json!({"code": code, "field": field, "message": message})
}
