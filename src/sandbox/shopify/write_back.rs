//! What an app writes to an order: metafields and tags. Refusals are `userErrors` inside a 200, as Shopify gives them.

use serde_json::{Map, Value, json};

use super::model::{Metafield, OrderVersion};
use super::rest::gid;
use super::{Shop, State, graph, play};

/// Metafields of one call.
const METAFIELDS_MAX: usize = 25;
/// Characters of a tag.
const TAG_CHARS_MAX: usize = 40;

impl Shop {
    /// `metafieldsSet`: all of them or none.
    pub(super) fn set_metafields(&self, arguments: &Map<String, Value>) -> Value {
        let items = arguments.get("metafields").and_then(Value::as_array).cloned().unwrap_or_default();
        let now = self.core.clock.now();
        let mut state = self.lock();
        let mut errors = Vec::new();
        if items.len() > METAFIELDS_MAX {
            errors.push(json!({
                "code": "LESS_THAN_OR_EQUAL_TO", "elementIndex": null, "field": ["metafields"],
                "message": format!("Exceeded the maximum metafields input limit of {METAFIELDS_MAX}."),
            }));
        }
        for (index, item) in items.iter().enumerate() {
            let text = |name: &str| item[name].as_str().unwrap_or("");
            let wrong = if owner(&state, text("ownerId")).is_none() {
                Some(("INVALID", "ownerId", "Owner does not exist."))
            } else if text("key").chars().count() < 2 {
                Some(("TOO_SHORT", "key", "Key is too short (minimum is 2 characters)"))
            } else if text("value").is_empty() {
                Some(("BLANK", "value", "Value can't be blank."))
            } else if text("type").is_empty() {
                Some(("INVALID_TYPE", "type", "Type must be one of the known types."))
            } else {
                None
            };
            if let Some((code, field, message)) = wrong {
                let field = json!(["metafields", index.to_string(), field]);
                errors.push(json!({"code": code, "elementIndex": index, "field": field, "message": message}));
            }
        }
        if !errors.is_empty() {
            return json!({"metafields": null, "userErrors": errors});
        }
        let mut set = Vec::new();
        for item in &items {
            let text = |name: &str| item[name].as_str().unwrap_or("").to_owned();
            let id = state.ids.next();
            let (namespace, key) = (text("namespace"), text("key"));
            let Some(order) = owner_mut(&mut state, &text("ownerId")) else { continue };
            let old = order.metafields.iter().position(|field| field.namespace == namespace && field.key == key);
            let id = old.map_or(id, |at| order.metafields.remove(at).id);
            let field = Metafield { id, namespace, key, kind: text("type"), value: text("value"), at: now };
            set.push(graph::metafield(&field));
            order.metafields.push(field);
        }
        json!({"metafields": set, "userErrors": []})
    }

    /// `tagsAdd`: tags that are there already are no change; new ones make a new version of the order.
    pub(super) fn add_tags(&self, arguments: &Map<String, Value>) -> Value {
        let now = self.core.clock.now();
        let mut state = self.lock();
        let id = arguments.get("id").and_then(Value::as_str).unwrap_or("");
        let given = arguments.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
        let tags: Vec<String> = given.iter().filter_map(Value::as_str).map(|tag| tag.trim().to_owned()).collect();
        let refused = |message: &str| json!({"node": null, "userErrors": [{"field": ["id"], "message": message}]});
        let Some(order) = owner_mut(&mut state, id) else { return refused("Order does not exist") };
        if tags.iter().any(|tag| tag.is_empty() || tag.chars().count() > TAG_CHARS_MAX) {
            return refused("Tags must have 1 to 40 characters");
        }
        let before = order.tags.len();
        for tag in tags {
            if !order.tags.iter().any(|own| own.eq_ignore_ascii_case(&tag)) {
                order.tags.push(tag);
            }
        }
        let order_id = order.id;
        if order.tags.len() > before {
            order.updated_at = play::next_at(order.updated_at, now);
        }
        json!({"node": {"__typename": "Order", "id": gid("Order", order_id)}, "userErrors": []})
    }
}

fn owner<'a>(state: &'a State, id: &str) -> Option<&'a OrderVersion> {
    state.orders.get(&number(id)?)?.versions.last()
}

fn owner_mut<'a>(state: &'a mut State, id: &str) -> Option<&'a mut OrderVersion> {
    state.orders.get_mut(&number(id)?)?.versions.last_mut()
}

fn number(id: &str) -> Option<u64> {
    id.strip_prefix("gid://shopify/Order/")?.parse().ok()
}
