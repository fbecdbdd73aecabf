//! The webhook subscriptions of one shop's app: kept, refused and deleted as Shopify does it, and who is told through them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::deliver::WebhookOverrides;
use super::rest::gid;
use super::{API_VERSION, Shop, State, WebhookAnswer};

/// So many failures in a row, and Shopify deletes a subscription that was made by its API.
const FAILURES_MAX: u32 = 8;
/// Characters of a subscription's name.
const NAME_CHARS_MAX: usize = 50;

/// All subscriptions of one app.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    rows: Vec<Subscribed>,
    /// Where an address of the outer world leads in here.
    routes: BTreeMap<String, String>,
    deletes_failing: bool,
    calls: usize,
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Its number.
    pub id: u64,
    /// As `ORDERS_CREATE`.
    pub topic: String,
    /// Where it leads.
    pub uri: String,
    /// `JSON` or `XML`.
    pub format: String,
    /// Its filter.
    pub filter: Option<String>,
    /// Fields that are sent; none for all.
    pub include_fields: Vec<String>,
    /// Its name.
    pub name: Option<String>,
    failures: u32,
}

impl Subscribed {
    fn json(&self, at: jiff::Timestamp) -> Value {
        let at = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        json!({
            "__typename": "WebhookSubscription", "id": gid("WebhookSubscription", self.id), "legacyResourceId": self.id.to_string(),
            "topic": self.topic, "uri": self.uri, "format": self.format, "filter": self.filter, "includeFields": self.include_fields,
            "metafieldNamespaces": [], "name": self.name, "createdAt": at, "updatedAt": at,
            "apiVersion": {"displayName": API_VERSION, "handle": API_VERSION, "supported": true},
        })
    }
}

impl Shop {
    /// Its subscriptions, oldest first.
    pub fn subscriptions(&self) -> Vec<Subscribed> {
        self.lock().subscriptions.rows.clone()
    }

    /// Mutations of subscriptions that were carried out or refused.
    pub fn subscription_calls(&self) -> usize {
        self.lock().subscriptions.calls
    }

    /// Somebody else makes a subscription, as the app's other system or a person with its token does. Gives its number.
    pub fn subscribe_to(&self, topic: &str, uri: &str, name: Option<&str>) -> u64 {
        let (topic, uri, name) = (topic.to_owned(), uri.to_owned(), name.map(str::to_owned));
        let mut state = self.lock();
        let id = state.ids.next();
        let (format, include_fields) = ("JSON".to_owned(), Vec::new());
        let row = Subscribed { id, topic, uri, format, filter: None, include_fields, name, failures: 0 };
        state.subscriptions.rows.push(row);
        id
    }

    /// Somebody changes a subscription behind everybody's back.
    pub fn change_subscription(&self, id: u64, change: impl FnOnce(&mut Subscribed)) {
        if let Some(row) = self.lock().subscriptions.rows.iter_mut().find(|row| row.id == id) {
            change(row);
        }
    }

    /// Somebody deletes the subscriptions of a topic.
    pub fn unsubscribe(&self, topic: &str) {
        self.lock().subscriptions.rows.retain(|row| row.topic != topic);
    }

    /// Addresses that begin with `outer` lead to `inner`, as through a proxy that ends TLS.
    pub fn route(&self, outer: &str, inner: &str) {
        self.lock().subscriptions.routes.insert(outer.to_owned(), inner.to_owned());
    }

    /// From now on a subscription is deleted after eight failures in a row.
    pub fn delete_failing_subscriptions(&self) {
        self.lock().subscriptions.deletes_failing = true;
    }

    /// Tells every subscriber of a topic (as `orders/create`) of an order's last version, one try each. Works on any runtime.
    pub async fn tell_subscribers(&self, topic: &'static str, order_id: u64) -> Vec<WebhookAnswer> {
        let name = topic.replace('/', "_").to_uppercase();
        let to_tell: Vec<(u64, String)> = {
            let state = self.lock();
            let subscribed = state.subscriptions.rows.iter().filter(|row| row.topic == name);
            subscribed.map(|row| (row.id, routed(&state, &row.uri))).collect()
        };
        let mut answers = Vec::new();
        for (id, url) in to_tell {
            let (shop, body) = (self.clone(), self.webhook_body(order_id).unwrap_or_default());
            let (give, take) = oneshot::channel();
            self.core.runtime.spawn(async move {
                let answer = shop.try_webhook(&url, topic, body, &WebhookOverrides::default(), Some(order_id)).await;
                // The caller may have given up; then nobody wants the answer.
                let _unwanted = give.send(answer);
            });
            let Ok(answer) = take.await else { continue };
            self.count(id, answer.is_success());
            answers.push(answer);
        }
        answers
    }

    fn count(&self, id: u64, success: bool) {
        let mut state = self.lock();
        let deletes = state.subscriptions.deletes_failing;
        state.subscriptions.rows.retain_mut(|row| {
            if row.id == id {
                row.failures = if success { 0 } else { row.failures + 1 };
            }
            !(deletes && row.failures >= FAILURES_MAX)
        });
    }

    /// `webhookSubscriptions` and `webhookSubscription`; the engine makes pages of a list.
    pub(super) fn read_subscriptions(&self, field: &str, arguments: &Map<String, Value>) -> Value {
        let at = self.core.clock.now();
        let state = self.lock();
        let rows = state.subscriptions.rows.iter();
        if field == "webhookSubscription" {
            let wanted = arguments.get("id").and_then(Value::as_str).unwrap_or("");
            let mut found = rows.filter(|row| gid("WebhookSubscription", row.id) == wanted);
            return found.next().map_or(Value::Null, |row| row.json(at));
        }
        let topics = arguments.get("topics").and_then(Value::as_array);
        let of_topic =
            |row: &&Subscribed| topics.is_none_or(|topics| topics.iter().any(|topic| *topic == json!(row.topic)));
        let uri = arguments.get("uri").and_then(Value::as_str);
        let rows = rows.filter(of_topic).filter(|row| uri.is_none_or(|uri| row.uri == uri));
        rows.map(|row| row.json(at)).collect()
    }

    /// `webhookSubscriptionCreate`
    pub(super) fn create_subscription(&self, arguments: &Map<String, Value>) -> Value {
        let topic = arguments.get("topic").and_then(Value::as_str).unwrap_or("").to_owned();
        let at = self.core.clock.now();
        let mut state = self.lock();
        state.subscriptions.calls += 1;
        let new = Subscribed {
            id: state.ids.next(),
            topic,
            uri: String::new(),
            format: "JSON".to_owned(),
            filter: None,
            include_fields: Vec::new(),
            name: None,
            failures: 0,
        };
        match changed(&state, new, arguments.get("webhookSubscription").unwrap_or(&Value::Null)) {
            Ok(row) => {
                let answer = json!({"webhookSubscription": row.json(at), "userErrors": []});
                state.subscriptions.rows.push(row);
                answer
            }
            Err((field, message)) => refused("webhookSubscription", &field, &message),
        }
    }

    /// `webhookSubscriptionUpdate`: what the input does not name stays.
    pub(super) fn update_subscription(&self, arguments: &Map<String, Value>) -> Value {
        let wanted = arguments.get("id").and_then(Value::as_str).unwrap_or("");
        let at = self.core.clock.now();
        let mut state = self.lock();
        state.subscriptions.calls += 1;
        let place = state.subscriptions.rows.iter().position(|row| gid("WebhookSubscription", row.id) == wanted);
        let Some(place) = place else {
            return refused("webhookSubscription", "id", "Webhook subscription does not exist");
        };
        let row = state.subscriptions.rows[place].clone();
        match changed(&state, row, arguments.get("webhookSubscription").unwrap_or(&Value::Null)) {
            Ok(row) => {
                let answer = json!({"webhookSubscription": row.json(at), "userErrors": []});
                state.subscriptions.rows[place] = row;
                answer
            }
            Err((field, message)) => refused("webhookSubscription", &field, &message),
        }
    }

    /// `webhookSubscriptionDelete`
    pub(super) fn delete_subscription(&self, arguments: &Map<String, Value>) -> Value {
        let wanted = arguments.get("id").and_then(Value::as_str).unwrap_or("");
        let mut state = self.lock();
        state.subscriptions.calls += 1;
        let before = state.subscriptions.rows.len();
        state.subscriptions.rows.retain(|row| gid("WebhookSubscription", row.id) != wanted);
        if state.subscriptions.rows.len() == before {
            return refused("deletedWebhookSubscriptionId", "id", "Webhook subscription does not exist");
        }
        json!({"deletedWebhookSubscriptionId": wanted, "userErrors": []})
    }
}

fn routed(state: &State, uri: &str) -> String {
    let mut routes = state.subscriptions.routes.iter();
    let inside =
        routes.find_map(|(outer, inner)| uri.strip_prefix(outer.as_str()).map(|rest| format!("{inner}{rest}")));
    inside.unwrap_or_else(|| uri.to_owned())
}

/// A subscription after an input, or what is wrong with it: field and message.
fn changed(state: &State, mut row: Subscribed, input: &Value) -> Result<Subscribed, (String, String)> {
    let refused = |field: &str, message: &str| Err((field.to_owned(), message.to_owned()));
    let given = |name: &str| input.get(name);
    if given("callbackUrl").is_some_and(|value| !value.is_null()) {
        return refused("callbackUrl", "callbackUrl is deprecated, use uri");
    }
    if let Some(uri) = given("uri").and_then(Value::as_str) {
        row.uri = uri.to_owned();
    }
    if let Some(format) = given("format").and_then(Value::as_str) {
        row.format = format.to_owned();
    }
    if let Some(filter) = given("filter") {
        row.filter = filter.as_str().filter(|filter| !filter.is_empty()).map(str::to_owned);
    }
    if let Some(fields) = given("includeFields") {
        let fields = fields.as_array().cloned().unwrap_or_default();
        row.include_fields = fields.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    if let Some(name) = given("name") {
        row.name = name.as_str().map(str::to_owned);
    }
    if row.uri.is_empty() {
        return refused("uri", "Address can't be blank");
    }
    if !row.uri.starts_with("https://") {
        return refused("uri", "Address protocol http:// is not supported");
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if row.name.as_ref().is_some_and(|name| name.len() > NAME_CHARS_MAX || !name.chars().all(legal)) {
        return refused("name", "Name is invalid");
    }
    for other in state.subscriptions.rows.iter().filter(|other| other.id != row.id) {
        if other.topic == row.topic && other.uri == row.uri && other.filter == row.filter {
            return refused("uri", "Address for this topic has already been taken");
        }
        if row.name.is_some() && other.name == row.name {
            return refused("name", "Name has already been taken");
        }
    }
    Ok(row)
}

fn refused(payload: &str, field: &str, message: &str) -> Value {
    let field = if field == "id" { json!(["id"]) } else { json!(["webhookSubscription", field]) };
    json!({payload: null, "userErrors": [{"field": field, "message": message}]})
}

#[cfg(test)]
mod tests {
    use crate::sandbox::{Sandbox, SandboxSettings};
    use serde_json::{Value, json};

    #[test]
    fn wrong_input_and_doubles_are_refused() {
        let sandbox = Sandbox::start(SandboxSettings::default()).expect("starts");
        let shop = sandbox.shop(0).expect("a shop");
        let create = |topic: &str, input: Value| {
            let arguments = json!({"topic": topic, "webhookSubscription": input});
            let answer = shop.create_subscription(arguments.as_object().expect("an object"));
            answer["userErrors"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|error| error["message"].clone())
                .collect::<Vec<_>>()
        };
        let uri = "https://hooks.example.com/webhooks/acme";
        assert!(create("ORDERS_CREATE", json!({"uri": uri, "format": "JSON", "name": "one"})).is_empty());
        for (topic, input, says) in [
            ("ORDERS_CREATE", json!({"uri": uri}), "Address for this topic has already been taken"),
            ("ORDERS_PAID", json!({"uri": uri, "name": "one"}), "Name has already been taken"),
            ("ORDERS_PAID", json!({"uri": "http://hooks.example.com"}), "Address protocol http:// is not supported"),
            ("ORDERS_PAID", json!({}), "Address can't be blank"),
            ("ORDERS_PAID", json!({"uri": uri, "name": "a b"}), "Name is invalid"),
            ("ORDERS_PAID", json!({"uri": uri, "name": "a".repeat(51)}), "Name is invalid"),
        ] {
            assert_eq!(create(topic, input), [json!(says)]);
        }
        assert_eq!(shop.subscriptions().len(), 1);
    }
}
