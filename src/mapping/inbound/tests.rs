//! Both roads tell the same order.

use super::*;
use crate::domain::order::Order;
use crate::mapping::fixtures;
use crate::shopify::wire::{decode_graphql_order, decode_rest_order};

fn by_graphql(body: &str) -> Order {
    let order = decode_graphql_order(body.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    order_from_graphql(order).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn both_roads_give_one_digest() {
    for name in ["plain-eur", "sek-included", "edited-down", "jpy-included"] {
        let rest = fixtures::order(name);
        let graphql = by_graphql(&fixtures::graphql(name));
        assert_eq!(rest.not_whole(), None, "{name}");
        assert_eq!(graphql.not_whole(), None, "{name}");
        assert_eq!(rest.digest(), graphql.digest(), "{name}");
    }
}

#[test]
fn what_matters_changes_the_digest_and_what_does_not_leaves_it() {
    let body = fixtures::webhook("plain-eur");
    let digest = fixtures::order_of(&body).digest();
    for (from, to) in [
        ("\"paid\"", "\"pending\""),
        ("E. B.", "E. C."),
        ("Hamburg", "Altona"),
        ("\"current_quantity\": 2", "\"current_quantity\": 1"),
        ("\"SOMMER100\"", "\"WINTER100\""),
        ("2026-03-02T10:15:03+01:00", "2026-03-02T10:15:04+01:00"),
        ("\"po_number\": \"PO-77\"", "\"po_number\": null"),
    ] {
        assert!(body.contains(from), "{from}");
        assert_ne!(fixtures::order_of(&body.replace(from, to)).digest(), digest, "{from}");
    }
    for (from, to) in [
        ("\"100.00\"", "\"100.0\""),
        ("web, vip", "vip,web"),
        ("2026-03-02T10:15:03+01:00", "2026-03-02T09:15:03Z"),
        ("\"t-0001-secret\"", "\"cut\""),
        ("\"channel_liable\": false", "\"channel_liable\": null"),
    ] {
        assert!(body.contains(from), "{from}");
        assert_eq!(fixtures::order_of(&body.replace(from, to)).digest(), digest, "{from}");
    }
}

#[test]
fn what_an_old_payload_lacks_is_named() {
    let body = fixtures::webhook("plain-eur");
    for (from, lacks) in [
        ("\"current_total_price_set\"", "current_total_price_set"),
        ("\"current_quantity\"", "line_items.current_quantity"),
        ("\"amount_set\"", "discount_allocations.amount_set"),
        ("\"confirmed\"", "confirmed"),
    ] {
        let order = fixtures::order_of(&body.replace(from, "\"x\""));
        assert_eq!(order.not_whole(), Some(lacks));
    }
    let further = fixtures::graphql("plain-eur").replace("\"hasNextPage\": false", "\"hasNextPage\": true");
    assert_eq!(by_graphql(&further).not_whole(), Some("lineItems beyond the first page"));
}

#[test]
fn a_page_full_of_lines_is_not_whole() {
    let mut body: serde_json::Value = serde_json::from_str(&fixtures::webhook("plain-eur")).expect("JSON");
    let line = body["line_items"][1].clone();
    body["line_items"] = serde_json::Value::Array(vec![line; 250]);
    assert!(fixtures::order_of(&body.to_string()).not_whole().is_some());
}

#[test]
fn currencies_must_exist_and_agree() {
    let body = fixtures::webhook("plain-eur");
    let refusal = |body: String| {
        let order = decode_rest_order(body.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        order_from_rest(order).expect_err("another currency")
    };
    assert!(matches!(refusal(body.replace("EUR", "XYZ")), InboundError::UnknownCurrency { field: "currency", .. }));
    let mixed = refusal(body.replace("\"currency\": \"EUR\"", "\"currency\": \"SEK\""));
    assert!(matches!(mixed, InboundError::OtherCurrency { .. }));
    let unknown = refusal(body.replace("\"discount_application_index\": 0", "\"discount_application_index\": 7"));
    assert!(matches!(unknown, InboundError::NoSuchDiscount { found: 7, known: 1, .. }));
}

#[test]
fn unknown_words_are_kept() {
    let body =
        fixtures::webhook("plain-eur").replace("\"financial_status\": \"paid\"", "\"financial_status\": \"Moon\"");
    let status = fixtures::order_of(&body).financial_status;
    assert_eq!(status, Some(crate::domain::order::FinancialStatus::Unknown("moon".into())));
}
