//! The client against a local server that answers as scripted: statuses, throttling, versions, partial data, pages.

mod lists;
mod stock;
mod tokens;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::auth::TokenSource;
use super::client::{ShopifyClient, ShopifySettings};
use super::error::ShopifyError;
use crate::clock::Clock;
use crate::domain::verdict::{Scope, Verdict};
use crate::remote::scripted::{Asked, Reply, Scripted};
use crate::remote::{Breaker, BreakerSettings, Egress, NotOurs, Tenure};

fn clock() -> Clock {
    Clock::manual(Timestamp::UNIX_EPOCH)
}

fn client_of(url: &str) -> ShopifyClient {
    client_within(url, Tenure::endless(clock()))
}

fn client_within(url: &str, tenure: Tenure) -> ShopifyClient {
    client_with(url, TokenSource::Offline("shpat_hush".to_owned().into()), tenure, clock())
}

fn client_with(url: &str, token: TokenSource, tenure: Tenure, clock: Clock) -> ShopifyClient {
    let settings = ShopifySettings {
        name: "connections.test".to_owned(),
        base_url: url.parse().expect("a url"),
        api_version: "2026-10".to_owned(),
        token,
        tenure,
    };
    let egress = Egress::allowing(["127.0.0.1"]).expect("a legal list");
    ShopifyClient::new(settings, &egress, clock).expect("a client")
}

fn ok(body: &Value) -> Reply {
    Reply::with_headers(200, "Content-Type: application/json\r\nX-Shopify-API-Version: 2026-10\r\n", &body.to_string())
}

fn page(updated_at: &str, lines: &[u32], next: Option<&str>) -> Value {
    let nodes: Vec<_> = lines.iter().map(|line| json!({ "id": line })).collect();
    let info = json!({ "hasNextPage": next.is_some(), "endCursor": next });
    json!({ "data": { "order": { "updatedAt": updated_at, "lineItems": { "nodes": nodes, "pageInfo": info } } } })
}

fn throttled(available: u32) -> Value {
    json!({
        "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
        "extensions": { "cost": {
            "requestedQueryCost": 110, "actualQueryCost": null,
            "throttleStatus": { "maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": 100.0 }
        } }
    })
}

async fn read(
    script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
) -> (Result<Option<Value>, ShopifyError>, Vec<Asked>) {
    let server = Scripted::start(script).await;
    let outcome = client_of(&server.url).order_by_id(820_982_911_946_154_508).await;
    let outcome = outcome.map(|order| order.map(|order| serde_json::from_slice(&order).expect("JSON")));
    (outcome, server.asked())
}

#[tokio::test]
async fn an_order_of_one_page_is_given_as_it_came() {
    let (outcome, asked) = read(|_, _| {
        Reply::with_headers(
            200,
            "X-Shopify-API-Version: 2026-10\r\n",
            r#"{"data":{"order":{"x":0.10,"updatedAt":"a","lineItems":{"nodes":[],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}}"#,
        )
    })
    .await;
    assert_eq!(outcome.expect("an answer").expect("an order")["x"].to_string(), "0.10");
    assert!(asked[0].head.starts_with("POST /admin/api/2026-10/graphql.json HTTP/1.1"));
    assert!(asked[0].head.to_ascii_lowercase().contains("x-shopify-access-token: shpat_hush"));
    let body: Value = serde_json::from_str(&asked[0].body).expect("JSON");
    assert_eq!(body["variables"]["id"], "gid://shopify/Order/820982911946154508");
    assert_eq!(body["operationName"], "OrderById");
}

#[tokio::test]
async fn further_pages_of_lines_are_joined_in_order() {
    let (outcome, asked) = read(|_, n| match n {
        0 => ok(&page("a", &[1, 2], Some("c1"))),
        1 => ok(&page("a", &[3], Some("c2"))),
        _ => ok(&page("a", &[4], None)),
    })
    .await;
    let order = outcome.expect("an answer").expect("an order");
    assert_eq!(order["lineItems"]["nodes"], json!([{ "id": 1 }, { "id": 2 }, { "id": 3 }, { "id": 4 }]));
    assert_eq!(order["lineItems"]["pageInfo"]["hasNextPage"], false);
    assert!(asked[2].body.contains("\"after\":\"c2\""));
}

#[tokio::test]
async fn an_order_of_260_lines_and_a_refund_of_all_of_them_are_read_to_the_end() {
    fn rows(lines: std::ops::Range<u32>, whole: u32) -> Value {
        let nodes: Vec<_> = lines.clone().map(|line| json!({ "id": line })).collect();
        let next = (lines.end < whole).then(|| lines.end.to_string());
        json!({ "nodes": nodes, "pageInfo": { "hasNextPage": next.is_some(), "endCursor": next } })
    }
    let (outcome, asked) = read(|asked, _| {
        let body: Value = serde_json::from_str(&asked.body).expect("JSON");
        let from = body["variables"]["after"].as_str().map_or(0, |after| after.parse().expect("our cursor"));
        let until = |size: u32| (from + size).min(260);
        ok(&match body["operationName"].as_str().expect("named") {
            "OrderById" => json!({ "data": { "order": {
                "updatedAt": "a", "lineItems": rows(0..20, 260),
                "refunds": [
                    { "id": "gid://shopify/Refund/1", "refundLineItems": rows(0..3, 3) },
                    { "id": "gid://shopify/Refund/2", "refundLineItems": rows(0..10, 260) },
                ],
            } } }),
            "OrderLines" => {
                json!({ "data": { "order": { "updatedAt": "a", "lineItems": rows(from..until(35), 260) } } })
            }
            _ => {
                assert_eq!(body["variables"]["id"], "gid://shopify/Refund/2");
                json!({ "data": { "refund": { "refundLineItems": rows(from..until(100), 260) } } })
            }
        })
    })
    .await;
    let order = outcome.expect("an answer").expect("an order");
    let counted = |nodes: &Value| {
        let nodes = nodes.as_array().expect("rows");
        assert!(nodes.iter().zip(0..).all(|(node, line)| node["id"] == line), "in their sequence");
        nodes.len()
    };
    assert_eq!(counted(&order["lineItems"]["nodes"]), 260);
    assert_eq!(counted(&order["refunds"][0]["refundLineItems"]["nodes"]), 3);
    assert_eq!(counted(&order["refunds"][1]["refundLineItems"]["nodes"]), 260);
    assert_eq!(order["refunds"][1]["refundLineItems"]["pageInfo"]["hasNextPage"], false);
    assert_eq!(asked.len(), 1 + 7 + 3);
}

#[tokio::test]
async fn an_order_that_changes_between_pages_is_read_anew_and_given_up_in_the_end() {
    let (outcome, asked) = read(|_, n| match n {
        0 => ok(&page("a", &[1], Some("c"))),
        1 => ok(&page("b", &[9], None)),
        2 => ok(&page("b", &[1], Some("c"))),
        _ => ok(&page("b", &[2], None)),
    })
    .await;
    let order = outcome.expect("an answer").expect("an order");
    assert_eq!((&order["updatedAt"], &order["lineItems"]["nodes"]), (&json!("b"), &json!([{ "id": 1 }, { "id": 2 }])));
    assert_eq!(asked.len(), 4);
    let (outcome, _) = read(|_, n| ok(&page(&n.to_string(), &[1], Some("c")))).await;
    assert!(matches!(outcome, Err(ShopifyError::Restless)));
}

#[tokio::test]
async fn an_unknown_order_is_none() {
    let (outcome, _) = read(|_, _| ok(&json!({ "data": { "order": null } }))).await;
    assert_eq!(outcome.expect("an answer"), None);
}

#[tokio::test]
async fn each_status_is_named_and_has_its_verdict() {
    for (status, kind, remote_wide, tries) in [
        (401, "unauthorized", true, 1),
        (402, "shop_frozen", true, 1),
        (404, "not_found", true, 1),
        (423, "shop_locked", true, 1),
        (302, "refused", false, 1),
        (400, "refused", false, 1),
        (403, "forbidden", false, 1),
    ] {
        let (outcome, asked) = read(move |_, _| Reply::json(status, "{}")).await;
        let error = outcome.expect_err("no 200");
        assert_eq!((error.kind(), asked.len()), (kind, tries), "{status}");
        let scope = Verdict::Retry { after: Some(Duration::from_secs(300)), scope: Scope::Remote };
        let expected = if status == 403 {
            scope
        } else if remote_wide {
            Verdict::Retry { after: None, scope: Scope::Remote }
        } else {
            Verdict::Reject
        };
        assert_eq!(error.verdict(), expected, "{status}");
        assert!(!format!("{error:?}").contains("hush"));
    }
}

#[tokio::test]
async fn trouble_that_passes_is_waited_out() {
    let (outcome, asked) = read(|_, n| match n {
        0 => Reply::Drop,
        1 => Reply::with_headers(503, "Retry-After: 0\r\n", "<html>"),
        2 => Reply::with_headers(429, "Retry-After: 0\r\n", ""),
        _ => ok(&page("a", &[1], None)),
    })
    .await;
    assert!(outcome.expect("in the end").is_some());
    assert_eq!(asked.len(), 4);
}

#[tokio::test]
async fn a_long_retry_after_is_the_callers() {
    let (outcome, asked) = read(|_, _| Reply::with_headers(429, "Retry-After: 300\r\n", "")).await;
    let verdict = outcome.expect_err("too many").verdict();
    assert_eq!(verdict, Verdict::Retry { after: Some(Duration::from_secs(300)), scope: Scope::Remote });
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn throttled_inside_a_200_waits_for_the_missing_points() {
    let began = Instant::now();
    let (outcome, asked) = read(|_, n| ok(&if n == 0 { throttled(90) } else { page("a", &[1], None) })).await;
    assert!(outcome.expect("in the end").is_some());
    assert_eq!(asked.len(), 2);
    assert!(began.elapsed() >= Duration::from_millis(200), "(110 - 90) / 100 seconds");
}

#[tokio::test]
async fn errors_are_never_success_whatever_data_stands_beside_them() {
    let whole = page("a", &[1], None);
    for (errors, kind) in [
        (json!([{ "message": "no", "extensions": { "code": "ACCESS_DENIED" } }]), "forbidden"),
        (json!([{ "message": "no", "extensions": { "code": "MAX_COST_EXCEEDED" } }]), "too_costly"),
        (json!([{ "message": "Field 'x' doesn't exist" }]), "refused"),
        (json!("[API] Invalid API key"), "refused"),
        (json!([7]), "refused"),
    ] {
        let mut body = whole.clone();
        body["errors"] = errors;
        let (outcome, asked) = read(move |_, _| ok(&body)).await;
        assert_eq!((outcome.expect_err("errors").kind(), asked.len()), (kind, 1));
    }
}

#[tokio::test]
async fn a_query_that_costs_too_much_says_how_much_so_that_its_page_can_shrink() {
    let extensions = json!({ "code": "MAX_COST_EXCEEDED", "cost": 1_203, "maxCost": 1_000 });
    let body = json!({ "errors": [{ "message": "Query cost is 1203", "extensions": extensions }] });
    let (outcome, asked) = read(move |_, _| ok(&body)).await;
    let error = outcome.expect_err("too costly");
    assert!(matches!(error, ShopifyError::TooCostly { requested: Some(1_203), most: Some(1_000) }), "{error:?}");
    assert_eq!((error.verdict(), asked.len()), (Verdict::Reject, 1), "to ask again is useless");
}

#[tokio::test]
async fn another_version_and_another_shape_are_no_answers() {
    let body = page("a", &[1], None).to_string();
    let other = Reply::with_headers(200, "X-Shopify-API-Version: 2027-01\r\n", &body);
    let (outcome, _) = read(move |_, _| other.clone()).await;
    assert!(matches!(outcome, Err(ShopifyError::OtherVersion { answered: Some(version), .. }) if version == "2027-01"));
    let unsaid = Reply::json(200, &body);
    let (outcome, _) = read(move |_, _| unsaid.clone()).await;
    assert!(matches!(outcome, Err(ShopifyError::OtherVersion { answered: None, .. })));
    for body in ["<html>", "{}", "{\"data\":null}", "{\"data\":{\"order\":{}}}", "{\"data\":{\"order\":7}}"] {
        let reply = Reply::with_headers(200, "X-Shopify-API-Version: 2026-10\r\n", body);
        let (outcome, _) = read(move |_, _| reply.clone()).await;
        assert_eq!(outcome.expect_err(body).kind(), "undecodable", "{body}");
    }
}

#[tokio::test]
async fn nothing_is_asked_once_another_replica_may_own_the_tenant() {
    let server = Scripted::start(|_, _| ok(&page("2026-03-01T12:00:00Z", &[1], None))).await;
    let tenure = Tenure::endless(clock());
    let client = client_within(&server.url, tenure.clone());
    client.order_by_id(1).await.expect("still ours");
    tenure.end();
    let error = client.order_by_id(1).await.expect_err("not ours any more");
    assert!(matches!(error, ShopifyError::NotOurs(NotOurs)));
    assert_eq!(error.verdict(), Verdict::Retry { after: None, scope: Scope::Remote });
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_call_that_was_kept_back_tells_nothing_of_shopify() {
    let settings = BreakerSettings { failures_max: 2, open_for: Duration::from_secs(10) };
    let breaker = Breaker::new("test", settings, clock());
    let tell = |error: &ShopifyError| ShopifyError::tell(Some(error), breaker.pass().expect("closed"));
    let down = ShopifyError::Unavailable { status: 503, after: None };
    tell(&down);
    tell(&ShopifyError::NotOurs(NotOurs));
    tell(&down);
    assert!(breaker.is_open(), "two failures in a row, and nobody was asked between them");
}
