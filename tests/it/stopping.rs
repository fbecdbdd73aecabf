//! SIGTERM: nothing that was acknowledged is lost, the process ends in time, and the next start finishes everything.

use std::time::{Duration, Instant};

use ml_connector::domain::document::State;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::Story;

use crate::on_both;
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World};

/// `server.shutdown_grace_secs` of these tests.
const GRACE: Duration = Duration::from_secs(3);
/// What the listeners may take beside the calls under way.
const LISTENERS: Duration = Duration::from_secs(7);

/// Calls to IFS may take longer than the grace.
fn short_grace() -> Setup {
    let listen = "operations_listen = \"127.0.0.1:0\"";
    let with_grace = "operations_listen = \"127.0.0.1:0\"\nshutdown_grace_secs = 3";
    Setup { request_timeout: Some(Duration::from_secs(30)), edits: vec![(listen, with_grace)], ..Setup::default() }
}

on_both!(sigterm_while_ifs_hangs_ends_within_the_grace_and_leaves_an_intent, short_grace(), async |world: &World| {
    world.sandbox.faults().once(Class::Create, Fault::Hold);
    let served = world.serve(None);
    let webhook = Webhook::of_new_order(world, Story::Plain);
    webhook.is_taken(&served).await;
    until(|| world.sandbox.ifs().held() == 1, "IFS holds the create").await;
    let (code, took) = stopped(served);
    assert_eq!(code, 0);
    assert!(took < GRACE + LISTENERS, "it took {took:?}");
    assert_eq!(world.database.number("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL"), 1);
    // IFS carries it out after all; the next start finds that.
    assert_eq!(world.sandbox.ifs().release_held(), 1);
    finished_by_the_next_start(world).await;
    assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), 1);
    assert_eq!(world.document().await.origin.as_deref(), Some("adopted"));
});

on_both!(sigterm_under_load_loses_nothing_that_was_acknowledged, short_grace(), async |world: &World| {
    for _ in 0..10 {
        world.sandbox.faults().once(Class::Create, Fault::Slow(Duration::from_millis(300)));
    }
    let served = world.serve(None);
    let url = served.webhook_url("acme");
    let senders: Vec<_> = (0..40)
        .map(|_| {
            let (webhook, url) = (Webhook::of_new_order(world, Story::Plain), url.clone());
            actix_rt::spawn(async move { (webhook.send_to(url).await, webhook) })
        })
        .collect();
    until(|| world.sandbox.ledger().count_of(Class::Create) >= 3, "creates are under way").await;
    let (code, took) = actix_rt::task::spawn_blocking(move || stopped(served)).await.expect("stops");
    assert_eq!(code, 0);
    assert!(took < GRACE + LISTENERS, "it took {took:?}");
    let mut acknowledged = Vec::new();
    let mut turned_away = Vec::new();
    for sender in senders {
        let (answer, webhook) = sender.await.expect("sends");
        if answer.is_success() { acknowledged.push(webhook) } else { turned_away.push(webhook) }
    }
    assert!(acknowledged.len() >= 3, "{} were acknowledged", acknowledged.len());
    for webhook in &acknowledged {
        assert!(!world.database.delivery(&webhook.id).0.is_empty());
    }
    let served = world.serve(None);
    for webhook in &turned_away {
        webhook.is_taken(&served).await;
    }
    world.quiet().await;
    let books = world.sandbox.books(&[]);
    assert!(books.is_clean(), "{:#}", books.to_json());
    assert_eq!((books.orders, books.ifs_orders, books.create_requests), (40, 40, 40));
    assert_eq!(served.terminate(), 0);
});

#[actix_rt::test]
async fn sigterm_turns_readiness_off_before_the_process_ends() {
    let world = World::new(crate::support::database::Database::sqlite(), short_grace()).await;
    world.sandbox.faults().once(Class::Create, Fault::Hold);
    let served = world.serve(None);
    Webhook::of_new_order(&world, Story::Plain).is_taken(&served).await;
    until(|| world.sandbox.ifs().held() == 1, "IFS holds the create").await;
    served.signal_to_stop();
    served.says("told to stop");
    // Whoever asks now is told that it stops, or finds the door closed; never that it is ready.
    let probe = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
    if let Ok(answer) = probe.get(format!("{}/readyz", served.operations)).send().await {
        assert_eq!(answer.status().as_u16(), 503);
    }
    assert_eq!(served.terminate(), 0);
}

fn stopped(served: Served) -> (i32, Duration) {
    let begun = Instant::now();
    (served.terminate(), begun.elapsed())
}

async fn finished_by_the_next_start(world: &World) {
    let served = world.serve(None);
    world.quiet().await;
    assert_eq!(served.terminate(), 0);
    assert!(world.documents().await.iter().all(|document| document.state == State::Written));
    let books = world.sandbox.books(&[]);
    assert!(books.is_clean(), "{:#}", books.to_json());
}

async fn until(holds: impl Fn() -> bool, what: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
