//! What an app writes to an order: metafields and tags. Refusals are `userErrors` inside a 200, as Shopify gives them. A new
//! tag is a change of the order, and whoever has subscribed is told of it, the app itself too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};

use super::deliver::{Delivery, Destination};
use super::model::{Metafield, OrderVersion};
use super::rest::gid;
use super::{Shop, State, graph, play};

/// Metafields of one call.
const METAFIELDS_MAX: usize = 25;
/// Characters of a tag.
const TAG_CHARS_MAX: usize = 40;

/// Who is told of changes that an app makes.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    to: Destination,
    under_way: Arc<AtomicUsize>,
}

/// What apps wrote to the orders of a shop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteBackCounts {
    /// `metafieldsSet` that were carried out.
    pub metafield_calls: usize,
    /// Metafields in them.
    pub metafields: usize,
    /// Most metafields of one call.
    pub metafields_max: usize,
    /// `tagsAdd` that were carried out.
    pub tag_calls: usize,
    /// Webhooks that followed from new tags.
    pub echoes: usize,
}

impl WriteBackCounts {
    /// The counts of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            metafield_calls: self.metafield_calls + other.metafield_calls,
            metafields: self.metafields + other.metafields,
            metafields_max: self.metafields_max.max(other.metafields_max),
            tag_calls: self.tag_calls + other.tag_calls,
            echoes: self.echoes + other.echoes,
        }
    }
}

impl Shop {
    /// From now on `orders/updated` goes there when an app changes an order.
    pub(super) fn subscribe(&self, to: Destination) {
        let mut state = self.lock();
        let under_way = state.subscriber.take().map(|subscriber| subscriber.under_way).unwrap_or_default();
        state.subscriber = Some(Subscriber { to, under_way });
    }

    /// Whether no webhook about an app's change is under way.
    pub fn is_silent(&self) -> bool {
        let subscriber = self.lock().subscriber.clone();
        subscriber.is_none_or(|subscriber| subscriber.under_way.load(Ordering::Acquire) == 0)
    }

    /// What apps wrote so far.
    pub fn write_back_counts(&self) -> WriteBackCounts {
        self.lock().write_back
    }

    /// As an app's `metafieldsSet` and `tagsAdd` would leave an order.
    #[cfg(test)]
    pub(in crate::sandbox) fn is_told(&self, order_id: u64, fields: &[(&str, &str)], tags: &[&str]) {
        let owner = gid("Order", order_id);
        let field = |(key, value): &(&str, &str)| json!({"ownerId": owner, "namespace": "ifs", "key": key, "type": "single_line_text_field", "value": value});
        let (fields, tags) =
            (json!({"metafields": fields.iter().map(field).collect::<Vec<_>>()}), json!({"id": owner, "tags": tags}));
        for (answer, arguments) in
            [(Self::set_metafields as fn(&Self, &Map<String, Value>) -> Value, fields), (Self::add_tags, tags)]
        {
            let answer = answer(self, arguments.as_object().expect("an object"));
            assert_eq!(answer["userErrors"], json!([]));
        }
    }

    /// Tells of an order's change by an app.
    fn echo(&self, order_id: u64) {
        let Some(body) = self.webhook_body(order_id) else { return };
        let mut state = self.lock();
        let Some(Subscriber { to, under_way }) = state.subscriber.clone() else { return };
        state.write_back.echoes += 1;
        drop(state);
        under_way.fetch_add(1, Ordering::AcqRel);
        let shop = self.clone();
        self.core.runtime.spawn(async move {
            shop.deliver(&to, &Delivery::new(order_id, "orders/updated", body)).await;
            under_way.fetch_sub(1, Ordering::AcqRel);
        });
    }

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
        let counts = &mut state.write_back;
        counts.metafield_calls += 1;
        counts.metafields += items.len();
        counts.metafields_max = counts.metafields_max.max(items.len());
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
        let is_new = order.tags.len() > before;
        if is_new {
            order.updated_at = play::next_at(order.updated_at, now);
        }
        state.write_back.tag_calls += 1;
        drop(state);
        if is_new {
            self.echo(order_id);
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
