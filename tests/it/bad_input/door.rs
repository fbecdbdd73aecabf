//! Deliveries that are turned away: signatures, connections, and a store that cannot take them.

use ml_connector::sandbox::shopify::{Story, signature};

use super::{assert_others_go_on, running};
use crate::support::database::{Database, execute_postgres};
use crate::support::http::{get, post};
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World};

const TOPIC: (&str, &str) = ("X-Shopify-Topic", "orders/create");
const HMAC: &str = "X-Shopify-Hmac-Sha256";

#[actix_rt::test]
async fn a_delivery_that_is_not_signed_rightly_is_answered_401_and_leaves_no_row() {
    let (world, served) = running().await;
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    let url = served.webhook_url("acme");
    let right = signature(&world.shop().webhook_secret(), &webhook.body);
    let other = signature("another secret", &webhook.body);
    let (cut, doubled) = (&right[..20], format!("{right}AA"));
    let of_other_bytes = signature(&world.shop().webhook_secret(), b"other bytes");
    for wrong in [other.as_str(), &of_other_bytes, cut, &doubled, "", "?? not base64 ??"] {
        let answer = post(&url, &[TOPIC, (HMAC, wrong)], &webhook.body).await;
        assert_eq!((answer.status, answer.body.as_str()), (401, ""), "{wrong:?}");
    }
    let missing = post(&url, &[TOPIC], &webhook.body).await;
    let twice = post(&url, &[TOPIC, (HMAC, &right), (HMAC, &right)], &webhook.body).await;
    assert_eq!((missing.status, twice.status), (401, 401));
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 0);
    // Signed rightly once, the same bytes are taken: it was the signature.
    assert_eq!(post(&url, &[TOPIC, (HMAC, &right)], &webhook.body).await.status, 200);
    let metrics = get(&format!("{}/metrics", served.operations), None).await.body;
    assert!(
        metrics.contains(r#"ml_connector_webhook_deliveries_total{connection="acme",status="401"} 8"#),
        "{metrics}"
    );
    world.quiet().await;
    let (_, log) = served.terminate_and_read();
    assert_eq!(log.matches(r#""reason":"the signature is wrong""#).count(), 6, "{log}");
    assert_eq!(log.matches(r#""reason":"the signature is missing""#).count(), 1, "{log}");
    assert_eq!(log.matches(r#""reason":"there are several signatures""#).count(), 1, "{log}");
}

#[actix_rt::test]
async fn an_unknown_connection_is_answered_as_a_wrong_signature_is() {
    let (world, served) = running().await;
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    let right = signature(&world.shop().webhook_secret(), &webhook.body);
    let wrong = post(&served.webhook_url("acme"), &[TOPIC, (HMAC, "AAAA")], &webhook.body).await;
    for name in ["nobody", "ACME", "acme%2f..", "a%00b"] {
        let unknown = post(&served.webhook_url(name), &[TOPIC, (HMAC, &right)], &webhook.body).await;
        assert_eq!((unknown.status, &unknown.body), (wrong.status, &wrong.body), "{name}");
    }
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 0);
    let metrics = get(&format!("{}/metrics", served.operations), None).await.body;
    assert!(metrics.contains(r#"{connection="unknown",status="401"} 4"#), "{metrics}");
    let (_, log) = served.terminate_and_read();
    assert_eq!(log.matches(r#""reason":"no such connection""#).count(), 4, "{log}");
}

#[actix_rt::test]
async fn a_delivery_of_one_shop_at_another_shops_path_is_answered_401() {
    let world = World::new(Database::sqlite(), Setup { two_shops: true, ..Setup::default() }).await;
    let served = world.serve(None);
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    assert_eq!(webhook.send_to(served.webhook_url("bolt")).await.status, 401);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 0);
    webhook.is_taken(&served).await;
    world.quiet().await;
    assert_eq!(world.document().await.connection, "acme");
}

#[actix_rt::test]
async fn the_same_delivery_again_is_answered_200_and_stored_once() {
    let (world, served) = running().await;
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    for _ in 0..3 {
        webhook.is_taken(&served).await;
    }
    world.quiet().await;
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 1);
    assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), 1);
    let (_, log) = served.terminate_and_read();
    assert_eq!(log.matches("an equal delivery is stored already").count(), 2, "{log}");
}

#[actix_rt::test]
async fn a_topic_that_no_flow_takes_is_stored_unclaimed() {
    let (world, served) = running().await;
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    assert_eq!(webhook.send_as(served.webhook_url("acme"), "carts/create").await.status, 200);
    assert_eq!(world.database.delivery(&webhook.id), ("unclaimed".to_owned(), None));
    assert_others_go_on(&world, &served).await;
    assert_eq!(world.documents().await.len(), 1, "nothing came of the cart");
    assert_eq!(world.database.delivery(&webhook.id), ("unclaimed".to_owned(), None));
}

#[actix_rt::test]
async fn a_locked_database_is_answered_503_until_it_takes_the_row() {
    let (world, served) = running().await;
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    let lock = world.database.lock_for_writing();
    let answer = webhook.send(&served).await;
    assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("5")));
    assert!(served.log().contains(r#""reason":"the store"#), "{}", served.log());
    drop(lock);
    webhook.is_taken(&served).await;
    world.quiet().await;
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 1);
    assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), 1);
}

#[actix_rt::test]
async fn a_database_that_is_away_is_answered_503_and_comes_back_without_a_restart() {
    let Some(database) = Database::postgres() else { return };
    let world = World::new(database, Setup::default()).await;
    let served = world.serve(None);
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    let probe = |name: &str| format!("{}/{name}", served.operations);
    let (server, name) = world.database.url.rsplit_once('/').expect("a database's name");
    let admin = format!("{server}/postgres");
    execute_postgres(&admin, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
    let sessions = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    execute_postgres(&admin, &sessions);
    let answer = webhook.send(&served).await;
    assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("5")));
    assert_eq!(get(&probe("readyz"), None).await.status, 503);
    assert_eq!(get(&probe("livez"), None).await.status, 200);
    execute_postgres(&admin, &format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    let back = std::time::Instant::now();
    while get(&probe("readyz"), None).await.status != 200 {
        assert!(back.elapsed().as_secs() < 30, "not ready again: {}", served.log());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    webhook.is_taken(&served).await;
    world.quiet().await;
    assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), 1);
    assert_eq!(served.terminate(), 0);
}
