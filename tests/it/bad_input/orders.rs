//! Orders that can be read but not written: 200 for the sender, and a document that says what is wrong.

use ml_connector::domain::document::State;
use ml_connector::sandbox::shopify::{Feature, Planted, Story};
use serde_json::{Value, json};

use super::{assert_others_go_on, command_json, document_of, running, without_secrets};
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::World;

fn plain(world: &World) -> Webhook {
    Webhook::of_new_order(world, Story::Plain)
}

fn planted(world: &World, planted: Planted) -> Webhook {
    Webhook::of_new_order(world, Story::Parked(planted))
}

/// The order ends parked for this reason, each of `says` in its text; nothing of it is in IFS, its bytes are kept, and
/// the operator finds all of it by the order's name.
async fn assert_parked(world: &World, served: &Served, webhook: &Webhook, code: &str, says: &[&str]) {
    webhook.is_taken(served).await;
    world.quiet().await;
    assert_eq!(world.database.delivery(&webhook.id).0, "mapped");
    assert_eq!(world.database.stored_body(&webhook.id), without_secrets(webhook));
    let document = document_of(world, webhook).await.expect("a document");
    let shown = command_json(world, &["documents", "show", &document.id.to_string()]);
    assert_eq!((&shown["state"], &shown["reason"]["code"]), (&json!("parked"), &json!(code)), "{shown:#}");
    let text = shown["reason"]["text"].as_str().expect("a text");
    for part in says {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
    let name = document.order_name.expect("a name");
    assert_eq!(command_json(world, &["orders", "show", &name])["id"], shown["id"]);
    let listed = command_json(world, &["documents", "list", "--state", "parked"]);
    assert!(listed["items"].as_array().expect("a list").iter().any(|item| item["id"] == shown["id"]));
    assert_eq!(world.sandbox.ifs().orders_by_po(&webhook.key()).len(), 0);
}

#[actix_rt::test]
async fn an_unknown_sku_is_parked_with_the_words_of_ifs() {
    let (world, served) = running().await;
    let webhook = planted(&world, Planted::UnknownSku);
    let order = webhook.json();
    let sku = order["line_items"][0]["sku"].as_str().expect("a SKU");
    let says = ["ORA-20110: SalesPart.FND_RECORD_NOT_EXIST", sku, "`documents retry`"];
    assert_parked(&world, &served, &webhook, "refused_by_ifs", &says).await;
    // It was asked once: a refusal is not repeated.
    assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), 1);
    let document = document_of(&world, &webhook).await.expect("a document");
    let steps = &command_json(&world, &["documents", "show", &document.id.to_string()])["steps"];
    assert!(steps.to_string().contains("SalesPart.FND_RECORD_NOT_EXIST"), "{steps:#}");
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn a_currency_that_ifs_does_not_know_is_parked_with_the_words_of_ifs() {
    let (world, served) = running().await;
    let webhook = plain(&world).replacing("\"EUR\"", "\"ZAR\"");
    assert_parked(&world, &served, &webhook, "refused_by_ifs", &["ORA-20110: IsoCurrency", "ZAR"]).await;
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn an_order_without_an_address_or_a_country_is_parked_by_what_is_missing() {
    let (world, served) = running().await;
    let nowhere = plain(&world).edited(|order| {
        order["shipping_address"] = Value::Null;
        order["billing_address"] = Value::Null;
    });
    let says = ["neither a shipping nor a billing address"];
    assert_parked(&world, &served, &nowhere, "no_address", &says).await;
    let stateless = planted(&world, Planted::MissingCountry);
    assert_parked(&world, &served, &stateless, "no_country", &["country_code of the delivery address"]).await;
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn a_text_that_is_too_long_for_ifs_is_parked_with_its_bound_but_not_repeated() {
    let (world, served) = running().await;
    let street = "Donaudampfschifffahrtsgesellschaftskapitaensallee".repeat(3);
    let webhook = plain(&world).edited(|order| {
        for address in ["shipping_address", "billing_address"] {
            if order[address].is_object() {
                order[address]["address1"] = json!(street);
            }
        }
    });
    let says = ["a word of the street of the delivery address", "at most 35 characters fit", "found 147"];
    assert_parked(&world, &served, &webhook, "address_too_long", &says).await;
    let document = document_of(&world, &webhook).await.expect("a document");
    assert!(!document.reason.expect("a reason").text.contains("Donau"));
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn totals_that_contradict_each_other_are_parked_by_the_identity_that_breaks() {
    let (world, served) = running().await;
    let webhook = planted(&world, Planted::ContradictingTotals);
    let total = webhook.json()["current_total_price"].as_str().expect("an amount").to_owned();
    let says = ["current_total_price says", total.as_str(), "and its parts", "(shop currency)"];
    assert_parked(&world, &served, &webhook, "money_contradicts_itself", &says).await;
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn money_that_does_not_close_in_the_buyers_currency_alone_is_parked() {
    let (world, served) = running().await;
    let webhook =
        plain(&world).edited(|order| order["current_total_price_set"]["presentment_money"]["amount"] = json!("1.00"));
    let says = ["current_total_price says 1 and its parts", "(presentment currency)"];
    assert_parked(&world, &served, &webhook, "money_contradicts_itself", &says).await;
    let document = document_of(&world, &webhook).await.expect("a document");
    assert!(!document.reason.expect("a reason").text.contains("(shop currency)"));
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn what_a_marketplace_owes_is_parked_by_its_name() {
    let (world, served) = running().await;
    let webhook = planted(&world, Planted::ChannelLiable);
    assert_parked(&world, &served, &webhook, "channel_liable_tax", &["marketplace"]).await;
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn an_order_that_is_not_confirmed_waits_with_a_due_time() {
    let (world, served) = running().await;
    let webhook = Webhook::of_new_order(&world, Story::Sold(Feature::ConfirmedLater));
    webhook.is_taken(&served).await;
    world.quiet().await;
    let document = document_of(&world, &webhook).await.expect("a document");
    assert_eq!(document.state, State::Held);
    let reason = document.reason.expect("a reason");
    assert_eq!(reason.code, "unconfirmed");
    assert!(reason.text.contains("not confirmed"), "{}", reason.text);
    assert!(document.due_at > document.created_at && document.held_since.is_some());
    assert_eq!(world.sandbox.ifs().orders_by_po(&webhook.key()).len(), 0);
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn a_tip_never_becomes_a_short_order() {
    let (world, served) = running().await;
    for feature in [Feature::Tip, Feature::TipAsLine] {
        let webhook = Webhook::of_new_order(&world, Story::Sold(feature));
        webhook.is_taken(&served).await;
        world.quiet().await;
        let document = document_of(&world, &webhook).await.expect("a document");
        assert_eq!(document.state, State::Written, "{:?}", document.reason);
        let order = world.sandbox.ifs().orders_by_po(&webhook.key()).remove(0);
        let tips = order.charges.iter().filter(|charge| charge["ChargeType"] == "TIP").count();
        assert_eq!(tips, 1, "a tip is money once");
    }
    assert_eq!(world.sandbox.books(&[]).differences, []);
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn a_tax_without_a_code_is_parked_with_the_row_to_write() {
    let (world, served) = running().await;
    let webhook = planted(&world, Planted::UnknownTaxRate);
    let says = ["tax_codes has no row", "country = ", "rate = \"0.0865\"", "on = \"goods\""];
    assert_parked(&world, &served, &webhook, "tax_code_missing", &says).await;
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn test_orders_and_orders_before_the_go_live_are_skipped_by_their_rule() {
    let (world, served) = running().await;
    let test = Webhook::of_new_order(&world, Story::Test);
    let early = plain(&world).edited(|order| order["created_at"] = json!("2019-12-31T23:59:59Z"));
    for (webhook, rule) in [(&test, "test_order"), (&early, "before_orders_from")] {
        webhook.is_taken(&served).await;
        world.quiet().await;
        let document = document_of(&world, webhook).await.expect("a document");
        assert_eq!(document.state, State::Skipped);
        assert_eq!(document.reason.expect("a rule").code, rule);
        assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), 0);
    }
    assert_others_go_on(&world, &served).await;
}
