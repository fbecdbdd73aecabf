//! An owner that is stopped (SIGSTOP) for longer than its lease, at each point between a write's intent and its settle, and then goes on:
//! it sends no byte, changes no row, and stands by. On PostgreSQL.

use std::time::{Duration, Instant};

use ml_connector::domain::document::State;
use ml_connector::failpoint;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::Story;

use crate::support::composed::Composed;
use crate::support::database::Database;
use crate::support::held::{assert_holds, the_order};
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World, assert_state};

async fn world() -> Option<World> {
    let setup =
        Setup { request_timeout: Some(Duration::from_secs(2)), wait: Some(Duration::from_secs(1)), ..Setup::default() };
    Some(World::new(Database::postgres()?, setup).await)
}

/// An owner that was stopped at a point for longer than its lease and goes on now, and the replica that took over meanwhile.
struct Outlived {
    first: Served,
    second: Served,
    webhook: Webhook,
}

async fn outlived(world: &World, point: &str) -> Outlived {
    let first = world.serve(Some(&format!("{point}:1:stop")));
    world.is_owned_by(&first).await;
    let second = world.serve(None);
    let webhook = Webhook::of_new_order(world, Story::Plain);
    webhook.is_taken(&second).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !first.is_paused() {
        assert!(Instant::now() < deadline, "{point} was never reached: {}", first.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.is_owned_by(&second).await;
    first.go_on();
    Outlived { first, second, webhook }
}

/// It noticed that it is not the owner, without harm; exactly one order came of it all; and it is of use again.
async fn ends_well(world: &World, outlived: Outlived, creates: usize) {
    let Outlived { first, second, webhook } = outlived;
    let first = says(first, "another replica took the lease").await;
    world.quiet().await;
    let books = world.sandbox.books(&[]);
    assert!(books.is_clean(), "{:#}", books.to_json());
    assert_eq!((books.orders, books.ifs_orders), (1, 1));
    assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), creates, "{}", first.log());
    let document = world.document().await;
    assert_state(&document, State::Written);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL"), 0);
    // The stale owner's word stands nowhere, and nothing of it counts against the document.
    assert_eq!(world.database.number("SELECT COUNT(*) FROM attempts WHERE detail LIKE '%another replica%'"), 0);
    assert_eq!(world.database.number("SELECT attempts FROM documents"), 0);
    assert!(!first.log().contains("panic"), "{}", first.log());
    // It stands by, and takes over in its turn without a restart.
    second.kill();
    world.is_owned_by(&first).await;
    let another = Webhook::of_new_order(world, Story::Plain);
    another.is_taken(&first).await;
    world.quiet().await;
    assert_eq!(world.sandbox.books(&[]).ifs_orders, 2);
    assert_eq!(first.terminate(), 0);
}

async fn says(served: Served, text: &'static str) -> Served {
    let waiting = actix_rt::task::spawn_blocking(move || {
        served.says(text);
        served
    });
    waiting.await.expect("it says so")
}

#[actix_rt::test]
async fn an_owner_stopped_between_its_intent_and_the_bytes_sends_none_when_it_goes_on() {
    let Some(world) = world().await else { return };
    let outlived = outlived(&world, failpoint::INTENT_COMMITTED).await;
    assert_eq!(world.sandbox.ledger().creates_of(&outlived.webhook.key()), 0);
    let key = outlived.webhook.key();
    ends_well(&world, outlived, 1).await;
    // The next owner made it, after not-before: had the stopped one sent its bytes, it would have been found and adopted.
    let made = world.documents().await.into_iter().find(|document| document.business_key == key).expect("its document");
    assert_eq!(made.origin.as_deref(), Some("created"));
}

#[actix_rt::test]
async fn an_owner_stopped_between_the_bytes_and_the_answer_settles_nothing_and_the_order_is_adopted() {
    let Some(world) = world().await else { return };
    let outlived = outlived(&world, failpoint::BYTES_SENT).await;
    ends_well(&world, outlived, 1).await;
    assert!(world.documents().await.iter().any(|document| document.origin.as_deref() == Some("adopted")));
}

#[actix_rt::test]
async fn an_owner_stopped_between_the_answer_and_the_reading_back_settles_nothing() {
    let Some(world) = world().await else { return };
    let outlived = outlived(&world, failpoint::CREATED_RECEIVED).await;
    ends_well(&world, outlived, 1).await;
}

#[actix_rt::test]
async fn an_owner_stopped_before_its_settle_settles_nothing() {
    let Some(world) = world().await else { return };
    let outlived = outlived(&world, failpoint::READ_BACK_DONE).await;
    ends_well(&world, outlived, 1).await;
}

#[actix_rt::test]
async fn an_owner_stopped_with_a_document_claimed_sends_nothing_when_it_goes_on() {
    let Some(world) = world().await else { return };
    let outlived = outlived(&world, failpoint::CLAIMED).await;
    ends_well(&world, outlived, 1).await;
}

#[actix_rt::test]
async fn an_owner_stopped_between_the_intent_of_a_deletion_and_its_bytes_sends_none_when_it_goes_on() {
    let Some(world) = world().await else { return };
    let mut order = Composed::new(4_711, 3, jiff::Timestamp::now());
    order.shipping.push((4_711_900, 250));
    let send = async |served: &Served, order: &Composed, topic: &str| {
        let webhook = Webhook::composed(&world, order.id, order.body());
        assert_eq!(webhook.send_as(served.webhook_url("acme"), topic).await.status, 200);
    };
    let plain = world.serve(None);
    send(&plain, &order, "orders/create").await;
    world.quiet().await;
    assert_eq!(plain.terminate(), 0);
    assert_eq!(the_order(&world, &order).charges.len(), 2);
    order.shipping.pop();
    order.next_body();
    let first = world.serve(Some(&format!("{}:1:stop", failpoint::REMOVE_INTENT_COMMITTED)));
    world.is_owned_by(&first).await;
    let second = world.serve(None);
    send(&second, &order, "orders/updated").await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !first.is_paused() {
        assert!(Instant::now() < deadline, "never reached: {}", first.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The next owner has done it all before the stopped one goes on.
    world.is_owned_by(&second).await;
    world.quiet().await;
    assert_holds(&world, &order);
    let writes = || world.sandbox.ledger().count_of(Class::Amend) + world.sandbox.ledger().count_of(Class::Action);
    let before = writes();
    first.go_on();
    let first = says(first, "another replica took the lease").await;
    assert_eq!(writes(), before, "the stopped one sent nothing: {}", first.log());
    assert_eq!(world.database.number("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL"), 0);
    assert_eq!((first.terminate(), second.terminate()), (0, 0));
}

#[actix_rt::test]
async fn a_lone_owner_that_slept_beyond_its_lease_goes_on_under_the_same_one() {
    let Some(world) = world().await else { return };
    let served = world.serve(None);
    world.is_owned_by(&served).await;
    let generation = || world.database.number("SELECT generation FROM leases");
    let before = generation();
    served.pause();
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.owner().await.is_some() {
        assert!(Instant::now() < deadline, "the lease never ran out");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    served.go_on();
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    webhook.is_taken(&served).await;
    world.quiet().await;
    assert_eq!(world.sandbox.books(&[]).ifs_orders, 1);
    assert_eq!(generation(), before, "nobody else had it meanwhile");
    assert_eq!(served.terminate(), 0);
}
