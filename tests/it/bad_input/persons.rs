//! What the service writes about itself holds no secret and no person.

use ml_connector::cli::demo::secrets_of;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Planted, Story};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::database::Database;
use crate::support::http::{get, post};
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World};

#[actix_rt::test]
async fn log_and_metrics_hold_no_secret_and_no_person_whatever_comes_in() {
    let whole = "lease_secs = 2\n";
    let with_debug = "lease_secs = 2\n\n[telemetry]\nlevel = \"debug\"\n";
    let world = World::new(Database::sqlite(), Setup { edits: vec![(whole, with_debug)], ..Setup::default() }).await;
    let served = world.serve(None);
    let mut forbidden = secrets_in(&world);
    let mut told = Vec::new();
    // 1. Orders that go well, are parked, refused, quarantined; each of persons of its own.
    for story in [Story::Plain, Story::Parked(Planted::UnknownSku), Story::Parked(Planted::ContradictingTotals)] {
        told.push(Webhook::of_new_order(&world, story));
    }
    for broken in [json!("a\0b"), json!({"name": "x"}), json!(7)] {
        told.push(Webhook::of_new_order(&world, Story::Plain).edited(|order| order["shipping_address"] = broken));
    }
    for webhook in &told {
        forbidden.extend(persons_in(webhook));
        webhook.is_taken(&served).await;
        world.quiet().await;
    }
    // 2. IFS answers what a person is called, as a page and as a refusal.
    for status in [500, 400, 200] {
        let webhook = Webhook::of_new_order(&world, Story::Plain);
        let said = r#"{"error":{"code":"X","message":"Name: Ada Byron-Lovelace is too long","details":[]}}"#;
        world.sandbox.faults().once(Class::Create, Fault::Plain(status, said.to_owned()));
        webhook.is_taken(&served).await;
        world.quiet().await;
    }
    forbidden.push("Byron-Lovelace".to_owned());
    // 3. Somebody who knows no secret sends an order.
    let unsigned = Webhook::of_new_order(&world, Story::Plain);
    forbidden.extend(persons_in(&unsigned));
    let headers = [("X-Shopify-Topic", "orders/create"), ("X-Shopify-Hmac-Sha256", "AAAA")];
    assert_eq!(post(&served.webhook_url("acme"), &headers, &unsigned.body).await.status, 401);
    let metrics = get(&format!("{}/metrics", served.operations), None).await.body;
    let (_, log) = served.terminate_and_read();
    assert!(log.lines().count() > 30 && log.contains("DEBUG"), "the log was read");
    assert!(metrics.contains("ml_connector_settles_total"), "{metrics}");
    assert!(forbidden.len() > 30, "{forbidden:?}");
    for text in forbidden {
        let in_log: Vec<&str> = log.lines().filter(|line| line.contains(&text)).collect();
        assert!(in_log.is_empty(), "the log holds {text:?}: {in_log:#?}");
        assert!(!metrics.contains(&text), "the metrics hold {text:?}");
    }
}

fn secrets_in(world: &World) -> Vec<String> {
    let mut secrets: Vec<String> = secrets_of(&world.sandbox, &["acme"])
        .iter()
        // The client's name is an account, told in the open.
        .filter(|(_, kind, _)| *kind != "client_id")
        .map(|(_, _, secret)| secret.expose_secret().to_owned())
        .collect();
    assert!(secrets.len() >= 3, "webhook secret, access token, client secret");
    secrets.push("operator-token-of-the-test".to_owned());
    let key = std::fs::read_to_string(world.folder().join("master-key")).expect("reads");
    secrets.push(key.trim().split(':').nth(1).expect("id:key").to_owned());
    secrets
}

/// What an order says of persons, and what opens it without a password.
fn persons_in(webhook: &Webhook) -> Vec<String> {
    let order = webhook.json();
    let mut found = Vec::new();
    for key in ["order_status_url", "token", "cart_token", "checkout_token", "email", "contact_email", "note", "phone"]
    {
        found.push(&order[key]);
    }
    for address in [&order["shipping_address"], &order["billing_address"], &order["customer"]["default_address"]] {
        for key in ["name", "address1", "address2", "zip", "phone"] {
            found.push(&address[key]);
        }
    }
    // Shorter ones may stand anywhere by chance.
    found.into_iter().filter_map(|value| value.as_str()).filter(|text| text.len() > 4).map(str::to_owned).collect()
}
