//! Orders that staff deleted in Shopify: told by a webhook or found by a census. What stands in IFS parks, what was never written is
//! skipped by name. Only an order that Shopify has again comes back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::flow::converge::converge;
use ml_connector::flow::map_delivery::map_delivery;
use ml_connector::flow::sync::ask_again;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Story};

use crate::changes::{code, update, written};
use crate::on_both;
use crate::support::composed::Composed;
use crate::support::held::the_order;
use crate::support::world::{Setup, Steps, World, assert_state};

pub const DELETED: &str = "orders/delete";
const ORDERS: [DocumentKind; 1] = [DocumentKind::CustomerOrder];

/// What Shopify tells of an order that is gone.
pub fn gone(order: u64) -> Vec<u8> {
    format!("{{\"id\":{order}}}").into_bytes()
}

pub async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

pub async fn arrive(steps: &Steps, topic: &str, body: &[u8]) {
    steps.deliver(steps.link(), topic, body).await;
    steps.run(steps.link()).await;
}

/// An order of which a delivery told, and which was not written yet.
pub async fn known(world: &World, steps: &Steps, story: Story) -> u64 {
    let order = world.shop().place(story);
    steps.deliver(steps.link(), "orders/create", &world.shop().webhook_body(order).expect("a body")).await;
    steps.map(steps.link()).await;
    order
}

/// The same, and it was written if IFS took it.
pub async fn arrived(world: &World, steps: &Steps, story: Story) -> u64 {
    let order = known(world, steps, story).await;
    steps.write(steps.link()).await;
    order
}

/// Somebody has an order read again, though no version of it is new.
pub async fn ask(steps: &Steps, order: u64) {
    ask_again(&steps.store, &steps.link().name, order, steps.clock.now()).await.expect("asks");
}

pub async fn some_minutes(world: &World, steps: &Steps) {
    for _ in 0..4 {
        steps.advance(world, 60);
        steps.run(steps.link()).await;
    }
}

/// As long as Shopify is asked for an order that it does not know.
async fn in_a_while(world: &World, steps: &Steps) {
    for _ in 0..5 {
        steps.advance(world, 6);
        steps.run(steps.link()).await;
    }
}

fn deliveries(world: &World, state: &str) -> i64 {
    world.database.number(&format!("SELECT COUNT(*) FROM inbox WHERE state = '{state}'"))
}

on_both!(an_order_that_stands_in_ifs_parks_when_it_is_deleted_in_shopify, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::NoteChanged);
    let created = shop.webhook_body(order).expect("a body");
    arrive(&steps, "orders/create", &created).await;
    shop.change(order, Change::Note);
    let late = shop.webhook_body(order).expect("a body");
    arrive(&steps, DELETED, &shop.delete(order)).await;
    let document = world.document().await;
    assert_state(&document, State::Parked);
    let reason = document.reason.as_ref().expect("a reason");
    assert_eq!(reason.code, "deleted_in_shopify");
    // Nothing of it was touched in IFS, and an update that comes late opens nothing.
    arrive(&steps, "orders/updated", &late).await;
    assert_state(&world.document().await, State::Parked);
    assert!(world.sandbox.ifs().orders_by_po(&order.to_string())[0].is_live());
    assert_eq!(world.sandbox.ledger().count_of(Class::Amend), 0);
});

on_both!(an_order_that_was_never_written_is_skipped_when_it_is_deleted, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = known(world, &steps, Story::NoteChanged).await;
    shop.change(order, Change::Note);
    let late = shop.webhook_body(order).expect("a body");
    arrive(&steps, DELETED, &shop.delete(order)).await;
    assert_state(&world.document().await, State::Skipped);
    arrive(&steps, "orders/updated", &late).await;
    in_a_while(world, &steps).await;
    assert_state(&world.document().await, State::Skipped);
    assert_eq!(deliveries(world, "superseded"), 1, "Shopify was asked, and has no such order");
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 0);
});

on_both!(a_create_that_comes_after_its_orders_deletion_makes_nothing, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Plain);
    let created = shop.webhook_body(order).expect("a body");
    arrive(&steps, DELETED, &shop.delete(order)).await;
    assert_eq!((deliveries(world, "mapped"), world.documents().await.len()), (1, 0));
    arrive(&steps, "orders/create", &created).await;
    in_a_while(world, &steps).await;
    assert_eq!((deliveries(world, "superseded"), world.documents().await.len()), (1, 0));
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 0);
});

on_both!(a_deletion_that_shopify_does_not_confirm_deletes_nothing, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Plain);
    let created = shop.webhook_body(order).expect("a body");
    // A signed body under another topic, as whoever saw it could send it: the order lives.
    arrive(&steps, DELETED, &created).await;
    assert_eq!(deliveries(world, "superseded"), 1);
    arrive(&steps, "orders/create", &created).await;
    assert_state(&world.document().await, State::Written);
    // Shopify does not answer: it is asked again.
    world.sandbox.faults().times(Class::GraphQl, Fault::Plain(500, String::new()), 4);
    arrive(&steps, DELETED, &shop.delete(order)).await;
    assert_eq!(deliveries(world, "received"), 1);
    assert_state(&world.document().await, State::Written);
    steps.advance(world, 60);
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Parked);
});

on_both!(a_deletion_whose_answer_never_reads_ends_in_quarantine, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = arrived(world, &steps, Story::Plain).await;
    world.sandbox.faults().times(Class::GraphQl, Fault::Plain(200, "<html>".into()), 20);
    arrive(&steps, DELETED, &shop.delete(order)).await;
    assert_eq!(deliveries(world, "received"), 1, "it is asked again");
    in_a_while(world, &steps).await;
    assert_eq!(deliveries(world, "quarantined"), 1);
    assert_state(&world.document().await, State::Written);
    let asked = world.sandbox.ledger().counters().shopify_requests;
    in_a_while(world, &steps).await;
    assert_eq!((asked, world.sandbox.ledger().counters().shopify_requests), (5, 5));
});

on_both!(kills_while_shopify_is_asked_for_a_deletion_cost_it_nothing, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = arrived(world, &steps, Story::Plain).await;
    world.sandbox.faults().times(Class::GraphQl, Fault::Hold, 6);
    steps.deliver(steps.link(), DELETED, &shop.delete(order)).await;
    for kill in 1..=6 {
        let link = Arc::clone(&steps.links[0]);
        let received = steps.store.due_deliveries(&link.name, steps.clock.now(), 1).await.expect("takes").remove(0);
        let mapping = actix_rt::spawn(async move { map_delivery(&link, &received).await });
        let deadline = Instant::now() + Duration::from_secs(10);
        while world.sandbox.ledger().counters().shopify_requests < kill {
            assert!(Instant::now() < deadline, "Shopify was not asked a {kill}. time");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        mapping.abort();
        assert!(mapping.await.is_err(), "it ended before Shopify answered");
    }
    world.sandbox.faults().clear();
    assert_eq!(world.database.number("SELECT attempts FROM inbox WHERE topic = 'orders/delete'"), 0);
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Parked);
});

on_both!(a_deletion_under_an_open_intent_waits_for_it_and_parks_then, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Plain);
    world.sandbox.faults().once(Class::Create, Fault::DropAnswer);
    arrive(&steps, "orders/create", &shop.webhook_body(order).expect("a body")).await;
    assert_state(&world.document().await, State::Unknown);
    arrive(&steps, DELETED, &shop.delete(order)).await;
    for _ in 0..4 {
        steps.advance(world, 30);
        steps.run(steps.link()).await;
    }
    assert_state(&world.document().await, State::Parked);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL"), 0);
});

on_both!(an_order_that_can_be_read_after_its_deletion_was_not_deleted, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = known(world, &steps, Story::Plain).await;
    // Shopify's answer lags behind its own orders once: the deletion is believed.
    shop.hide_order(order);
    arrive(&steps, DELETED, &gone(order)).await;
    assert_state(&world.document().await, State::Skipped);
    shop.show_order(order);
    steps.advance(world, 5);
    shop.change(order, Change::Note);
    let edited = format!("{{\"order_edit\":{{\"id\":1,\"order_id\":{order}}}}}");
    arrive(&steps, "orders/edited", edited.as_bytes()).await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
});

on_both!(
    an_old_order_that_is_not_to_be_seen_parks_rather_than_to_be_skipped,
    Setup::default(),
    async |world: &World| {
        let (steps, shop) = (begin(world).await, world.shop());
        let order = known(world, &steps, Story::Plain).await;
        shop.hide_old_orders();
        world.sandbox.clock().advance(Duration::from_secs(61 * 86_400));
        arrive(&steps, DELETED, &gone(order)).await;
        assert_state(&world.document().await, State::Parked);
    }
);

on_both!(an_event_that_comes_after_the_deletion_parks_nothing, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = known(world, &steps, Story::Plain).await;
    arrive(&steps, DELETED, &shop.delete(order)).await;
    let edited = format!("{{\"order_edit\":{{\"id\":1,\"order_id\":{order}}}}}");
    arrive(&steps, "orders/edited", edited.as_bytes()).await;
    in_a_while(world, &steps).await;
    assert_state(&world.document().await, State::Skipped);
    assert_eq!(deliveries(world, "superseded"), 1);
});

/// Additions that come after the delivery go to a second order.
pub fn second() -> Setup {
    let wanted = "order_type = \"NO\"\nlate_additions = \"second_order\"";
    Setup { edits: vec![("order_type = \"NO\"", wanted)], ..Setup::default() }
}

/// An order that IFS has delivered. Shopify's side of it is the test's own: asked by its id, Shopify has no such order.
async fn delivered(world: &World, steps: &Steps, id: u64) -> Composed {
    let order = written(world, steps, id, 2).await;
    world.sandbox.ifs().set_state(&the_order(world, &order).order_no, "Delivered").expect("delivers");
    order
}

pub async fn assert_both_are_parked(world: &World) {
    let documents = world.documents().await;
    assert_eq!(documents.len(), 2, "{documents:?}");
    for document in documents {
        assert_eq!(
            (document.state, code(&document)),
            (State::Parked, "deleted_in_shopify"),
            "{}",
            document.business_key
        );
    }
}

on_both!(a_second_order_is_not_made_any_more_when_its_order_is_deleted, second(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = delivered(world, &steps, 751).await;
    order.add_line();
    world.sandbox.faults().once(Class::Create, Fault::Busy("30".into()));
    update(&steps, &mut order).await;
    assert!(world.sandbox.ifs().orders_by_po("751-2").is_empty(), "IFS is busy");
    arrive(&steps, DELETED, b"{\"id\":751}").await;
    some_minutes(world, &steps).await;
    assert_both_are_parked(world).await;
    assert!(world.sandbox.ifs().orders_by_po("751-2").is_empty());
});

on_both!(
    a_second_order_parks_too_when_the_deletion_comes_while_the_first_is_at_work,
    second(),
    async |world: &World| {
        let steps = begin(world).await;
        let mut order = delivered(world, &steps, 752).await;
        order.add_line();
        update(&steps, &mut order).await;
        order.lines[2].quantity += 1;
        let body = order.next_body();
        let link = steps.link();
        steps.deliver(link, "orders/updated", &body).await;
        steps.map(link).await;
        let claimed = steps.store.claim_due(&link.tenant.lease, &link.name, &ORDERS, steps.clock.now(), 1).await;
        let claimed = claimed.expect("claims").pop().expect("it is due");
        assert_eq!(claimed.business_key, "752");
        steps.deliver(link, DELETED, b"{\"id\":752}").await;
        steps.map(link).await;
        converge(link, &claimed).await.expect("converges");
        some_minutes(world, &steps).await;
        assert_both_are_parked(world).await;
        assert!(world.sandbox.ifs().orders_by_po("752-2")[0].is_live(), "it is never cancelled by itself");
    }
);

/// An order that is known and not written, and whose deletion was believed: Shopify's answer lagged behind its own orders once.
async fn believed_gone(world: &World, steps: &Steps) -> u64 {
    let shop = world.shop();
    let order = known(world, steps, Story::NoteChanged).await;
    shop.hide_order(order);
    arrive(steps, DELETED, &gone(order)).await;
    assert_state(&world.document().await, State::Skipped);
    shop.show_order(order);
    steps.advance(world, 5);
    order
}

/// The same of an order that stands in IFS; its note was changed since.
pub async fn written_and_believed_gone(world: &World, steps: &Steps) -> u64 {
    let shop = world.shop();
    let order = arrived(world, steps, Story::NoteChanged).await;
    shop.hide_order(order);
    arrive(steps, DELETED, &gone(order)).await;
    assert_state(&world.document().await, State::Parked);
    shop.show_order(order);
    steps.advance(world, 5);
    shop.change(order, Change::Note);
    order
}

pub async fn assert_it_came_back(world: &World, order: u64) {
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
    assert_eq!(
        world.database.number("SELECT COUNT(*) FROM inbox WHERE topic = 'orders/delete' AND state = 'mapped'"),
        0
    );
    assert!(world.sandbox.books(&[]).is_clean(), "{:?}", world.sandbox.books(&[]).differences);
}

on_both!(an_order_that_was_never_gone_comes_back_with_a_change_of_its_note, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = believed_gone(world, &steps).await;
    world.shop().change(order, Change::Note);
    // Whole and newer: nothing but the deletion makes anybody ask.
    arrive(&steps, "orders/updated", &world.shop().webhook_body(order).expect("a body")).await;
    assert_it_came_back(world, order).await;
});

on_both!(
    a_written_order_that_was_never_gone_comes_back_with_a_change_of_its_note,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let order = written_and_believed_gone(world, &steps).await;
        arrive(&steps, "orders/updated", &world.shop().webhook_body(order).expect("a body")).await;
        // Its note stands in IFS by now.
        assert_it_came_back(world, order).await;
    }
);

on_both!(what_shopify_answers_and_nobody_can_read_is_no_deletion, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = believed_gone(world, &steps).await;
    world.shop().change(order, Change::Note);
    steps.deliver(steps.link(), "orders/updated", &world.shop().webhook_body(order).expect("a body")).await;
    for _ in 0..6 {
        world.sandbox.faults().once(Class::GraphQl, Fault::Plain(200, "<html>busy</html>".into()));
        steps.advance(world, 6);
        steps.run(steps.link()).await;
    }
    // A person is told that it could not be asked, and not that it is gone.
    let document = world.document().await;
    assert_eq!((document.state, code(&document)), (State::Parked, "not_confirmed_by_shopify"));
    // It is well once Shopify's answers are.
    world.sandbox.faults().clear();
    world.shop().change(order, Change::Note);
    steps.advance(world, 5);
    arrive(&steps, "orders/updated", &world.shop().webhook_body(order).expect("a body")).await;
    assert_it_came_back(world, order).await;
});

on_both!(an_order_that_was_never_gone_comes_back_when_a_person_asks, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = believed_gone(world, &steps).await;
    ask(&steps, order).await;
    steps.run(steps.link()).await;
    assert_it_came_back(world, order).await;
});

on_both!(an_order_whose_deletion_was_taken_back_before_a_kill_comes_back, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = believed_gone(world, &steps).await;
    steps.store.revoke_deletion(&steps.link().name, order).await.expect("takes it back");
    ask(&steps, order).await;
    steps.run(steps.link()).await;
    assert_it_came_back(world, order).await;
});
