//! Lists of orders against a local server that answers as scripted: pages, costs, searches that were passed over, Shopify's clock.

use serde_json::{Value, json};

use super::{client_of, ok};
use crate::remote::scripted::{Asked, Reply, Scripted};
use crate::shopify::ShopifyError;
use crate::shopify::orders::{OrderPage, OrderSearch, PageSize, SortKey};

fn node(id: u64) -> Value {
    json!({
        "id": format!("gid://shopify/Order/{id}"), "legacyResourceId": id.to_string(), "name": format!("#{id}"),
        "createdAt": "2026-11-27T10:00:00Z", "updatedAt": "2026-11-27T11:00:00Z", "cancelledAt": null, "closedAt": "2026-11-27T11:00:00Z",
    })
}

fn list(nodes: &[Value], next: Option<&str>) -> Value {
    json!({ "data": { "orders": { "nodes": nodes, "pageInfo": { "hasNextPage": next.is_some(), "endCursor": next } } } })
}

async fn listed(
    script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
) -> (Result<OrderPage, ShopifyError>, Vec<Value>) {
    let server = Scripted::start(script).await;
    let (search, mut size) = (OrderSearch::all(), PageSize::of(250));
    let page = client_of(&server.url).order_page(&search, SortKey::UpdatedAt, Some("c0"), &mut size).await;
    let asked = server.asked().iter().map(|asked| serde_json::from_str(&asked.body).expect("JSON")).collect();
    (page, asked)
}

#[tokio::test]
async fn a_page_tells_its_orders_where_it_goes_on_and_shopifys_clock() {
    let body = list(&[node(820_982_911_946_154_508)], Some("c1")).to_string();
    let head = "X-Shopify-API-Version: 2026-10\r\nDate: Fri, 27 Nov 2026 11:00:05 GMT\r\n";
    let (page, asked) = listed(move |_, _| Reply::with_headers(200, head, &body)).await;
    let page = page.expect("a page");
    assert_eq!((page.orders[0].id, page.orders[0].is_archived), (820_982_911_946_154_508, true));
    assert_eq!(page.next.as_deref(), Some("c1"));
    assert_eq!(page.shop_time.expect("told").to_string(), "2026-11-27T11:00:05Z");
    let variables = &asked[0]["variables"];
    assert_eq!((&variables["after"], &variables["sortKey"]), (&json!("c0"), &json!("UPDATED_AT")));
}

#[tokio::test]
async fn a_page_that_is_too_costly_is_asked_for_in_half_until_it_is_not() {
    let costly = json!({ "errors": [{ "message": "no", "extensions": { "code": "MAX_COST_EXCEEDED" } }] });
    let (page, asked) = listed(move |_, n| ok(&if n < 3 { costly.clone() } else { list(&[node(1)], None) })).await;
    assert_eq!(page.expect("in the end").orders.len(), 1);
    let sizes: Vec<u64> = asked.iter().filter_map(|asked| asked["variables"]["first"].as_u64()).collect();
    assert_eq!(sizes, [250, 125, 62, 31]);
    let costly = json!({ "errors": [{ "message": "no", "extensions": { "code": "MAX_COST_EXCEEDED" } }] });
    let (page, asked) = listed(move |_, _| ok(&costly)).await;
    assert!(matches!(page, Err(ShopifyError::TooCostly { .. })));
    assert_eq!(asked.len(), 6, "down to the floor, and no further");
}

#[tokio::test]
async fn a_page_that_is_not_whole_is_no_page() {
    let mut passed_over = list(&[node(1)], None);
    passed_over["extensions"] = json!({ "search": [{
        "path": ["orders"], "query": "updated:1", "warnings": [{ "field": "updated", "code": "invalid_field" }]
    }] });
    let mut beside_errors = list(&[node(1)], None);
    beside_errors["errors"] = json!([{ "message": "Internal error" }]);
    let mut other_id = node(1);
    other_id["legacyResourceId"] = json!("2");
    let mut no_time = node(1);
    no_time["updatedAt"] = json!("yesterday");
    let endless =
        json!({ "data": { "orders": { "nodes": [node(1)], "pageInfo": { "hasNextPage": true, "endCursor": null } } } });
    for (body, kind) in [
        (passed_over, "undecodable"),
        (beside_errors, "refused"),
        (list(&[other_id], None), "undecodable"),
        (list(&[no_time], None), "undecodable"),
        (list(&[], Some("c1")), "undecodable"),
        (endless, "undecodable"),
        (json!({ "data": { "orders": null } }), "undecodable"),
    ] {
        let told = body.to_string();
        let (page, _) = listed(move |_, _| ok(&body)).await;
        assert_eq!(page.expect_err(&told).kind(), kind, "{told}");
    }
}

#[tokio::test]
async fn a_count_that_is_only_a_lower_bound_is_none() {
    for (precision, expected) in [("EXACT", Some(7)), ("AT_LEAST", None)] {
        let body = json!({ "data": { "ordersCount": { "count": 7, "precision": precision } } });
        let server = Scripted::start(move |_, _| ok(&body)).await;
        let count = client_of(&server.url).orders_count(&OrderSearch::all()).await;
        assert_eq!(count.expect("a count"), expected);
    }
}
