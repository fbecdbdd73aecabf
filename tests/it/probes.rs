//! The operations listener: what is open to everybody, and what needs the operator's token.

use ml_connector::sandbox::shopify::{Planted, Story};
use serde_json::Value;

use crate::on_both;
use crate::support::http::get;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World};

on_both!(probes_and_metrics_are_open_and_the_status_is_not, Setup::default(), async |world: &World| {
    let served = world.serve(None);
    let at = |path: &str| format!("{}{path}", served.operations);
    for probe in ["/livez", "/readyz", "/startupz"] {
        let answer = get(&at(probe), None).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{probe}");
    }
    for token in [None, Some(""), Some("operator-token-of-the-tes"), Some("operator-token-of-the-test2")] {
        let answer = get(&at("/status"), token).await;
        assert_eq!((answer.status, answer.body.as_str()), (401, ""), "{token:?}");
    }
    let parked = Webhook::of_new_order(world, Story::Parked(Planted::UnknownSku));
    parked.is_taken(&served).await;
    Webhook::of_new_order(world, Story::Plain).is_taken(&served).await;
    world.quiet().await;
    let answer = get(&at("/status"), Some("operator-token-of-the-test")).await;
    assert_eq!(answer.status, 200);
    let status: Value = serde_json::from_str(&answer.body).expect("JSON");
    let running = |name: &str| {
        let actors = status["actors"].as_array().expect("a list");
        actors
            .iter()
            .any(|actor| actor["path"].as_str().is_some_and(|path| path.contains(name)) && actor["state"] == "running")
    };
    for name in ["WebhookIngress", "OrderMapper", "IfsWriter", "LeaseKeeper", "TokenKeeper", "Janitor"] {
        assert!(running(name), "{name}: {status:#}");
    }
    assert_eq!(status["documents"], serde_json::json!([{"connection": "acme", "state": "parked", "count": 1}]));
    let inbox = serde_json::json!([{"state": "received", "count": 0}, {"state": "quarantined", "count": 0}]);
    assert_eq!(status["inbox"], inbox);
});

#[actix_rt::test]
async fn neither_listener_answers_what_belongs_to_the_other() {
    let world = World::new(crate::support::database::Database::sqlite(), Setup::default()).await;
    let served = world.serve(None);
    for path in ["/livez", "/metrics", "/status", "/"] {
        assert_eq!(get(&format!("{}{path}", served.webhooks), None).await.status, 404, "{path}");
    }
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    assert_eq!(webhook.send_to(format!("{}/webhooks/acme", served.operations)).await.status, 404);
    assert_eq!(get(&served.webhook_url("acme"), None).await.status, 404, "only POST");
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 0);
}

#[actix_rt::test]
async fn metrics_count_what_happened_and_name_no_order_and_no_person() {
    let world = World::new(crate::support::database::Database::sqlite(), Setup::default()).await;
    let served = world.serve(None);
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    webhook.is_taken(&served).await;
    world.quiet().await;
    let text = get(&format!("{}/metrics", served.operations), None).await.body;
    for line in [
        r#"ml_connector_webhook_deliveries_total{connection="acme",status="200"} 1"#,
        r#"ml_connector_settles_total{connection="acme",outcome="written"} 1"#,
        "ml_connector_remote_calls_total{",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let order = webhook.json();
    let key = webhook.key();
    for said in [&order["email"], &order["name"], &order["billing_address"]["name"], &order["billing_address"]["zip"]] {
        let said = said.as_str().expect("a text");
        assert!(!text.contains(said), "{said:?} in {text}");
    }
    assert!(!text.contains(&key), "{text}");
}
