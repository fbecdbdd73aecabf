//! The HTTP face of one simulated shop's Admin API: access token, cost bucket, injected faults.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::faults::Fault;
use super::super::ledger::{Arrival, Class, OpenEntry, Outcome, Remote};
use super::super::listen::{Answer, Reply, build, bytes_of, endless, json as json_answer, read_body, text};
use super::bulk::BulkReply;
use super::graphql::{self, COST_MAX};
use super::listing::Refused;
use super::rest::gid;
use super::stock::Publishing;
use super::{API_VERSION, Shop, graph};

const BODY_BYTES_MAX: usize = 1024 * 1024;
const TOKEN_PATH: &str = "/admin/oauth/access_token";
/// The mutations of stock, of a product's standing and of prices.
const STOCK_MUTATIONS: [&str; 6] = [
    "inventorySetQuantities",
    "productUpdate",
    "publishablePublish",
    "publishableUnpublish",
    "productVariantsBulkUpdate",
    "priceListFixedPricesAdd",
];

/// The leaky bucket of query costs, in points.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) maximum: u64,
    pub(super) restore_per_sec: u64,
    available: f64,
    at: Option<Timestamp>,
}

impl Bucket {
    pub(super) fn new(maximum: u64, restore_per_sec: u64) -> Self {
        Self { maximum, restore_per_sec, available: maximum as f64, at: None }
    }

    fn refill(&mut self, now: Timestamp) {
        let since = self.at.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
        self.at = Some(now);
        self.available = (self.available + since * self.restore_per_sec as f64).min(self.maximum as f64);
    }

    fn take(&mut self, cost: u64, now: Timestamp) -> bool {
        self.refill(now);
        let enough = self.available >= cost as f64;
        if enough {
            self.available -= cost as f64;
        }
        enough
    }

    pub(super) fn drain(&mut self, now: Timestamp) {
        self.refill(now);
        self.available = 0.0;
    }

    fn give_back(&mut self, points: u64) {
        self.available = (self.available + points as f64).min(self.maximum as f64);
    }

    fn status(&self) -> Value {
        json!({
            "maximumAvailable": self.maximum as f64, "currentlyAvailable": self.available.floor() as u64,
            "restoreRate": self.restore_per_sec as f64,
        })
    }
}

/// Answers one HTTP request.
pub(super) async fn handle(shop: Shop, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    let (parts, body) = match read_body(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(why) => return why.into(),
    };
    let asked: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let class = match path.as_str() {
        TOKEN_PATH => Class::ShopToken,
        path if path.ends_with("/graphql.json") => class_of(asked["query"].as_str().unwrap_or("")),
        _ => Class::Other,
    };
    let open = shop.core.ledger.open(Arrival {
        remote: Remote::Shopify,
        method: parts.method.as_str().to_owned(),
        path: path.clone(),
        class,
        keys: ["id", "key"].iter().filter_map(|name| asked["variables"][name].as_str().map(str::to_owned)).collect(),
        if_match: Vec::new(),
        parts: 1,
    });
    if let Some(file) = path.strip_prefix("/_bulk/") {
        return match shop.bulk_file(file) {
            BulkReply::Whole(lines) => send(&open, text(StatusCode::OK, "application/jsonl", &lines)),
            BulkReply::Gone => send(&open, text(StatusCode::FORBIDDEN, "application/xml", "<Error/>")),
            BulkReply::Broken => close(&open),
        };
    }
    if let Some(host) = parts.headers.get("host").and_then(|value| value.to_str().ok()) {
        shop.remember_host(host);
    }
    if path == TOKEN_PATH {
        return tokens(&shop, &parts, &body, &open).await;
    }
    let version = path.strip_prefix("/admin/api/").and_then(|rest| rest.strip_suffix("/graphql.json"));
    let Some(version) = version else {
        return send(&open, text(StatusCode::NOT_FOUND, "application/json", r#"{"errors":"Not Found"}"#));
    };
    if let Some(refused) = refused_at_the_door(&shop, &parts, &open) {
        return refused;
    }
    match shop.core.faults.draw(class) {
        None => send(&open, shop.query(version, &asked)),
        Some(fault) => faulty(&shop, version, &asked, &open, fault).await,
    }
}

/// What a document is about, by the mutation that stands in it.
fn class_of(query: &str) -> Class {
    let is_of_stock = STOCK_MUTATIONS.iter().any(|mutation| query.contains(mutation));
    if is_of_stock { Class::ShopStock } else { Class::GraphQl }
}

/// The token endpoint. What was granted counts, also when its answer is lost.
async fn tokens(shop: &Shop, parts: &Parts, body: &[u8], open: &OpenEntry) -> Reply {
    let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
    let grant = || shop.lock().tokens.grant(content_type, body, shop.core.clock.now());
    let Some(fault) = shop.core.faults.draw(Class::ShopToken) else { return send(open, grant()) };
    open.fault(fault.name());
    match fault {
        Fault::Busy(_) | Fault::BusyHtml => send(open, text(StatusCode::SERVICE_UNAVAILABLE, "text/html", "<html>")),
        Fault::Plain(status, body) => {
            send(open, text(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), "text/html", &body))
        }
        Fault::Slow(delay) => {
            tokio::time::sleep(delay).await;
            send(open, grant())
        }
        Fault::CutBody => {
            let (head, body) = bytes_of(grant()).await;
            send(open, build(head.status, &[("content-type", "application/json".to_owned())], body.slice(..20)))
        }
        Fault::DropAnswer => {
            drop(grant());
            close(open)
        }
        _ => close(open),
    }
}

fn refused_at_the_door(shop: &Shop, parts: &Parts, open: &OpenEntry) -> Option<Reply> {
    let sent = parts.headers.get("x-shopify-access-token").and_then(|value| value.to_str().ok());
    if !shop.lock().tokens.accepts(sent, shop.core.clock.now()) {
        return Some(send(open, denied()));
    }
    let content_type = parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
    if parts.method != "POST" || !content_type.starts_with("application/json") {
        return Some(send(
            open,
            text(StatusCode::NOT_ACCEPTABLE, "application/json", r#"{"errors":"POST application/json"}"#),
        ));
    }
    None
}

fn denied() -> Answer {
    let body = json!({"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"});
    json_answer(StatusCode::UNAUTHORIZED, &body)
}

async fn faulty(shop: &Shop, version: &str, asked: &Value, open: &OpenEntry, fault: Fault) -> Reply {
    open.fault(fault.name());
    let plain = |status: u16, body: &str| {
        send(open, text(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY), "text/html", body))
    };
    match fault {
        Fault::Throttled => send(open, shop.throttled(COST_MAX)),
        Fault::TooMany(retry_after) => {
            let headers = [("retry-after", retry_after), ("content-type", "application/json".to_owned())];
            send(open, build(StatusCode::TOO_MANY_REQUESTS, &headers, Bytes::from_static(br#"{"errors":"Throttled"}"#)))
        }
        Fault::Slow(delay) => {
            tokio::time::sleep(delay).await;
            send(open, shop.query(version, asked))
        }
        Fault::CutBody => {
            let (head, body) = bytes_of(shop.query(version, asked)).await;
            send(
                open,
                build(head.status, &[("content-type", "application/json".to_owned())], body.slice(..body.len() / 2)),
            )
        }
        Fault::Unauthorized => send(open, denied()),
        Fault::Forbidden => send(
            open,
            json_answer(
                StatusCode::FORBIDDEN,
                &json!({"errors": "[API] This action requires merchant approval for read_orders scope."}),
            ),
        ),
        Fault::Busy(_) | Fault::BusyHtml => plain(503, "<html>503</html>"),
        Fault::GatewayTimeout => plain(504, "<html>504</html>"),
        Fault::GatewayTimeoutDone => {
            drop(shop.query(version, asked));
            plain(504, "<html>504</html>")
        }
        Fault::Plain(status, body) => plain(status, &body),
        Fault::Hold => {
            std::future::pending::<()>().await;
            close(open)
        }
        Fault::Late(delay) => {
            // What is done late must not depend on the caller's patience, so it runs as its own task.
            let (late, version, asked) = (shop.clone(), version.to_owned(), asked.clone());
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                drop(late.query(&version, &asked));
            });
            tokio::time::sleep(delay).await;
            close(open)
        }
        Fault::Torn(within) => {
            let answer = shop.query(version, asked);
            open.end(Outcome::Dropped);
            Reply::Torn(answer, shop.core.faults.up_to(within))
        }
        Fault::Endless => {
            shop.query(version, asked);
            open.end(Outcome::Dropped);
            Reply::Send(endless("application/json"))
        }
        Fault::DropAnswer => {
            drop(shop.query(version, asked));
            close(open)
        }
        Fault::Shelved => {
            shop.lock().held.push((version.to_owned(), asked.clone()));
            close(open)
        }
        Fault::Reset | Fault::Storm(_) | Fault::CutRequest(_) => close(open),
    }
}

impl Shop {
    /// Carries out every call that `Fault::Shelved` held, in their order; gives how many.
    pub fn release_held(&self) -> usize {
        let held = std::mem::take(&mut self.lock().held);
        held.iter().for_each(|(version, asked)| drop(self.query(version, asked)));
        held.len()
    }

    /// The calls that are held never come; gives how many.
    pub fn lose_held(&self) -> usize {
        std::mem::take(&mut self.lock().held).len()
    }

    /// Calls that are held now.
    pub fn held(&self) -> usize {
        self.lock().held.len()
    }

    /// Answers a query, costs and all.
    fn query(&self, version: &str, asked: &Value) -> Answer {
        let query = asked["query"].as_str().unwrap_or("");
        let variables = asked["variables"].as_object().cloned().unwrap_or_default();
        let prepared = match graphql::prepare(query, variables, asked["operationName"].as_str()) {
            Ok(prepared) => prepared,
            Err(errors) => return self.body(version, &json!({"errors": errors})),
        };
        let cost = prepared.requested_cost;
        if cost > COST_MAX {
            let mut error = graphql::problem(
                &format!("Query cost is {cost}, which exceeds the single query max cost limit ({COST_MAX})."),
                "MAX_COST_EXCEEDED",
            );
            error["extensions"]["cost"] = json!(cost);
            error["extensions"]["maxCost"] = json!(COST_MAX);
            return self.body(version, &json!({"errors": [error]}));
        }
        if !self.lock().bucket.take(cost, self.core.clock.now()) {
            return self.throttled(cost);
        }
        let (warned, refused) = (RefCell::new(Vec::new()), RefCell::new(None));
        let resolve = |field: &str, arguments: &Map<String, Value>| match self.resolve(field, arguments) {
            Ok((value, warnings)) => {
                if !warnings.is_empty() {
                    let query = arguments.get("query");
                    warned.borrow_mut().push(json!({"path": [field], "query": query, "warnings": warnings}));
                }
                value
            }
            Err(problem) => {
                refused.replace(Some(match problem {
                    Refused::BadRequest(text) => graphql::problem(&text, "BAD_REQUEST"),
                    Refused::Internal => graphql::problem("Internal error", "INTERNAL_SERVER_ERROR"),
                }));
                Value::Null
            }
        };
        let answered = graphql::answer(&prepared, &resolve);
        let mut body = match (refused.into_inner(), answered) {
            (Some(problem), _) => json!({"data": null, "errors": [problem]}),
            (None, Ok(data)) => json!({"data": data}),
            (None, Err(error)) => json!({"data": null, "errors": [graphql::problem(&error, "INTERNAL_SERVER_ERROR")]}),
        };
        let actual = (graphql::actual_cost(&body["data"]) + prepared.base_cost).clamp(1, cost);
        let mut state = self.lock();
        state.bucket.give_back(cost - actual);
        body["extensions"] = json!({"cost": {
            "requestedQueryCost": cost, "actualQueryCost": actual, "throttleStatus": state.bucket.status(),
        }});
        drop(state);
        let warned = warned.into_inner();
        if !warned.is_empty() {
            body["extensions"]["search"] = json!(warned);
        }
        self.body(version, &body)
    }

    /// A root field's value, and what a search in it warns of.
    fn resolve(&self, field: &str, arguments: &Map<String, Value>) -> Result<(Value, Vec<Value>), Refused> {
        match field {
            "orders" => return self.orders(arguments),
            "bulkOperation" => return Ok((self.bulk_operation(arguments), Vec::new())),
            "bulkOperationRunQuery" => return Ok((self.run_in_bulk(arguments), Vec::new())),
            "ordersCount" => return self.orders_count(arguments),
            _ => {}
        }
        let value = match field {
            "shop" => self.show_shop(),
            "order" => {
                let id =
                    arguments.get("id").and_then(Value::as_str).and_then(|id| id.strip_prefix("gid://shopify/Order/"));
                let state = self.lock();
                let order = id.and_then(|id| id.parse().ok()).and_then(|id: u64| self.seen(&state, id));
                order.map_or(Value::Null, graph::order)
            }
            "refund" => {
                let id = arguments.get("id").unwrap_or(&Value::Null);
                let state = self.lock();
                let orders = state.orders.values().filter_map(|sold| sold.versions.last());
                let refunds = orders
                    .filter(|order| !order.refunds.is_empty())
                    .flat_map(|order| graph::order(order)["refunds"].as_array().cloned().unwrap_or_default());
                refunds.into_iter().find(|refund| refund["id"] == *id).unwrap_or(Value::Null)
            }
            "metafieldsSet" => self.set_metafields(arguments),
            "tagsAdd" => self.add_tags(arguments),
            "webhookSubscription" | "webhookSubscriptions" => self.read_subscriptions(field, arguments),
            "webhookSubscriptionCreate" => self.create_subscription(arguments),
            "webhookSubscriptionUpdate" => self.update_subscription(arguments),
            "webhookSubscriptionDelete" => self.delete_subscription(arguments),
            "inventorySetQuantities" => self.set_quantities(arguments)?,
            "productUpdate" => self.update_product(arguments)?,
            "publishablePublish" => self.publish(arguments, Publishing::On),
            "publishableUnpublish" => self.publish(arguments, Publishing::Off),
            "productVariantsBulkUpdate" => self.update_variants(arguments)?,
            "priceListFixedPricesAdd" => self.add_fixed_prices(arguments),
            _ => self.read_stock(field, arguments)?,
        };
        Ok((value, Vec::new()))
    }

    /// The shop itself.
    pub(super) fn show_shop(&self) -> Value {
        json!({
            "id": gid("Shop", 548_380_009), "name": "Sandbox", "myshopifyDomain": self.core.domain, "currencyCode": "EUR",
            "ianaTimezone": "Europe/Berlin", "taxesIncluded": true, "taxShipping": true,
            "enabledPresentmentCurrencies": ["EUR", "SEK", "USD", "GBP", "NOK", "JPY"],
        })
    }

    /// THROTTLED inside a 200, as Shopify answers when the bucket is empty.
    fn throttled(&self, cost: u64) -> Answer {
        let mut state = self.lock();
        state.bucket.refill(self.core.clock.now());
        let status = state.bucket.status();
        drop(state);
        let body = json!({
            "errors": [graphql::problem("Throttled", "THROTTLED")],
            "extensions": {"cost": {"requestedQueryCost": cost, "actualQueryCost": null, "throttleStatus": status}},
        });
        self.body(API_VERSION, &body)
    }

    /// A 200 that names the version it was answered with: the current one unless a test says otherwise.
    fn body(&self, asked_version: &str, body: &Value) -> Answer {
        let answered = self.lock().answered_version.clone();
        let answered = answered.unwrap_or_else(|| {
            if asked_version == API_VERSION { asked_version.to_owned() } else { API_VERSION.to_owned() }
        });
        let headers = [
            ("content-type", "application/json; charset=utf-8".to_owned()),
            ("x-shopify-api-version", answered),
            ("date", self.core.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ];
        build(StatusCode::OK, &headers, Bytes::from(body.to_string()))
    }
}

fn send(open: &OpenEntry, answer: Answer) -> Reply {
    open.end(Outcome::Answered(answer.status().as_u16()));
    Reply::Send(answer)
}

fn close(open: &OpenEntry) -> Reply {
    open.end(Outcome::Dropped);
    Reply::Close
}

/// How long a webhook's receiver may take.
pub(super) const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);
