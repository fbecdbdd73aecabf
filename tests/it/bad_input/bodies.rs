//! Rightly signed bodies that cannot be read: 200, since sending them again changes nothing, and quarantined with the
//! place in them, the bytes kept as they came.

use bytes::Bytes;
use ml_connector::sandbox::shopify::Story;
use serde_json::{Value, json};

use super::{assert_others_go_on, command_json, document_of, running, without_secrets};
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::World;

fn fresh(world: &World) -> Webhook {
    Webhook::of_new_order(world, Story::Plain)
}

/// The webhook is answered 200 and quarantined for a reason that begins so; its bytes stand in the row, and the
/// operator finds it in the list.
async fn assert_quarantined(world: &World, served: &Served, webhook: &Webhook, kept: &[u8], reason: &str) {
    webhook.is_taken(served).await;
    world.quiet().await;
    let (state, told) = world.database.delivery(&webhook.id);
    let told = told.expect("a reason");
    assert_eq!(state, "quarantined", "{told}");
    assert!(told.starts_with(reason), "{told:?} does not begin with {reason:?}");
    assert_eq!(world.database.stored_body(&webhook.id), kept, "the bytes stand as they came");
    let listed = command_json(world, &["documents", "list", "--quarantined"]);
    let mut reasons = listed["items"].as_array().expect("a list").iter().map(|item| &item["reason"]);
    assert!(reasons.any(|listed| *listed == told), "{listed:#}");
    assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), 0);
}

#[actix_rt::test]
async fn what_is_not_json_is_quarantined_with_the_place_where_it_breaks() {
    let (world, served) = running().await;
    let whole = fresh(&world).body;
    let half = whole.slice(..whole.len() / 2);
    let mut with_nul = whole.to_vec();
    with_nul.insert(10, 0);
    let cases: [(Bytes, &str); 5] = [
        (Bytes::new(), "document: expected one JSON object, found JSON that ends early, at line 1 column 0"),
        ("hello".into(), "document: expected one JSON object, found something else at line 1 column 1"),
        (half, "document: expected one JSON object, found JSON that ends early, at line 1 column"),
        (with_nul.into(), "document: expected one JSON object, found something else at line 1 column 11"),
        ("[]".into(), "document: expected"),
    ];
    for (body, reason) in cases {
        let webhook = fresh(&world).with_body(body);
        let kept = without_secrets_by_text(&webhook);
        assert_quarantined(&world, &served, &webhook, &kept, reason).await;
    }
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn a_body_without_secrets_is_kept_byte_for_byte() {
    let (world, served) = running().await;
    let odd = b"\xef\xbb\xbf{\"id\": 1e1,\r\n\t\"name\":\"\xff\xfe\x00\" ,, }".to_vec();
    let webhook = fresh(&world).with_body(odd.clone());
    assert_quarantined(&world, &served, &webhook, &odd, "document: expected one JSON object").await;
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn a_number_that_no_decimal_holds_is_quarantined_with_its_field() {
    let (world, served) = running().await;
    let number: Value = serde_json::from_str("1e400").expect("legal JSON");
    let cases = [
        ("/line_items/0/price", number.clone(), "line_items[0].price: expected an exact amount"),
        ("/current_total_price", json!("1e400"), "current_total_price: expected an exact amount"),
        ("/current_total_price", json!("99999999999999999999999999999999"), "current_total_price: expected an exact"),
        ("/line_items/0/quantity", json!(-1), "line_items[0].quantity: expected a whole number of units"),
        ("/line_items/0/quantity", number, "line_items[0].quantity: expected a whole number of units"),
    ];
    for (place, value, reason) in cases {
        let webhook = fresh(&world).edited(|order| *order.pointer_mut(place).expect("a field") = value);
        let kept = without_secrets(&webhook);
        assert_quarantined(&world, &served, &webhook, &kept, reason).await;
    }
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn a_nul_in_a_text_that_is_read_is_quarantined_with_its_field() {
    let (world, served) = running().await;
    let webhook = fresh(&world).edited(|order| order["note"] = json!("before\0after"));
    let kept = without_secrets(&webhook);
    assert_quarantined(&world, &served, &webhook, &kept, "note: expected a text without NUL, found a text of 12").await;
    let (_, told) = world.database.delivery(&webhook.id);
    assert!(!told.expect("a reason").contains("before"), "the text itself is not repeated");
    // Where nothing is read it does no harm.
    let unread = fresh(&world).edited(|order| order["landing_site"] = json!("a\0b"));
    unread.is_taken(&served).await;
    world.quiet().await;
    assert_eq!(world.sandbox.ifs().orders_by_po(&unread.key()).len(), 1);
}

#[actix_rt::test]
async fn invalid_utf_8_in_a_text_that_is_read_is_quarantined() {
    let (world, served) = running().await;
    let webhook = fresh(&world).edited(|order| order["note"] = json!("NOTE-HERE"));
    let mut body = webhook.body.to_vec();
    let at = body.windows(9).position(|part| part == b"NOTE-HERE").expect("the note");
    body[at] = 0xff;
    let mut kept = without_secrets(&webhook);
    let at = kept.windows(9).position(|part| part == b"NOTE-HERE").expect("the note");
    kept[at] = 0xff;
    let webhook = webhook.with_body(body);
    assert_quarantined(&world, &served, &webhook, &kept, "document: expected one JSON object, found").await;
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn nesting_of_any_depth_ends_neither_the_mapper_nor_the_process() {
    let (world, served) = running().await;
    let nested = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let process_id = served.process_id();
    // 1. Where a value is read.
    let read = fresh(&world).edited(|order| order["note_attributes"] = json!([{"name": "x", "value": "HERE"}]));
    let read = read.replacing("\"HERE\"", &nested);
    assert_quarantined(
        &world,
        &served,
        &read,
        &without_secrets_by_text(&read),
        "document: expected one JSON object, found",
    )
    .await;
    // 2. Where nothing is read: the order is whole, so it is written.
    let unread = fresh(&world).replacing("\"landing_site\":\"/\"", &format!("\"landing_site\":{nested}"));
    unread.is_taken(&served).await;
    world.quiet().await;
    assert_eq!(world.sandbox.ifs().orders_by_po(&unread.key()).len(), 1);
    assert_others_go_on(&world, &served).await;
    assert_eq!(served.process_id(), process_id);
    let (code, log) = served.terminate_and_read();
    assert_eq!(code, 0);
    assert!(!log.contains("panicked"), "{log}");
}

/// As `without_secrets`, for a body that cannot be decoded here.
fn without_secrets_by_text(webhook: &Webhook) -> Vec<u8> {
    let mut text = String::from_utf8(webhook.body.to_vec()).expect("UTF-8");
    for key in ["order_status_url", "token", "cart_token", "checkout_token"] {
        let mark = format!("\"{key}\":");
        let Some(begin) = text.find(&mark).map(|at| at + mark.len()) else { continue };
        let end = begin + 2 + text[begin + 1..].find('"').expect("an end");
        text.replace_range(begin..end, "\"cut\"");
    }
    text.into_bytes()
}

#[actix_rt::test]
async fn a_field_that_is_there_twice_is_quarantined() {
    let (world, served) = running().await;
    let webhook = fresh(&world);
    let kept = String::from_utf8(without_secrets(&webhook)).expect("UTF-8").replacen('{', "{\"id\":1,", 1);
    let text = String::from_utf8(webhook.body.to_vec()).expect("UTF-8").replacen('{', "{\"id\":1,", 1);
    let webhook = webhook.with_body(text);
    let reason = "document: expected each field once, found one of them twice";
    assert_quarantined(&world, &served, &webhook, kept.as_bytes(), reason).await;
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn an_id_of_20_digits_is_quarantined_and_one_of_18_keeps_every_digit() {
    let (world, served) = running().await;
    let with_id = |digits: &str| {
        let id: Value = serde_json::from_str(digits).expect("legal JSON");
        fresh(&world).edited(|order| order["id"] = id)
    };
    let long = with_id("12345678901234567890");
    let kept = without_secrets(&long);
    assert_quarantined(&world, &served, &long, &kept, "id: expected an id of at most 19 digits, found a number").await;
    let exact = with_id("820982911946154509");
    exact.is_taken(&served).await;
    world.quiet().await;
    assert_eq!(world.sandbox.ifs().orders_by_po("820982911946154509").len(), 1);
    let document = document_of(&world, &exact).await.expect("a document");
    assert_eq!(document.order_id.to_string(), "820982911946154509");
}

#[actix_rt::test]
async fn a_currency_that_does_not_exist_is_quarantined_by_its_code() {
    let (world, served) = running().await;
    let webhook = fresh(&world).replacing("\"EUR\"", "\"XXY\"");
    let kept = without_secrets(&webhook);
    let reason = "currency: a currency of ISO 4217 was expected, found XXY";
    assert_quarantined(&world, &served, &webhook, &kept, reason).await;
    assert_others_go_on(&world, &served).await;
}
