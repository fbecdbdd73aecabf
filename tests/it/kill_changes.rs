//! The real binary, killed with SIGKILL at every point of a change's way and started again: new rows, rows that go, the
//! order's cancellation, its release, and a create that goes row by row. What counts is what the simulated IFS holds: each
//! row once, the total to the cent.

use std::time::Duration;

use jiff::Timestamp;
use ml_connector::domain::document::State;
use ml_connector::failpoint;

use crate::on_both;
use crate::support::composed::Composed;
use crate::support::held::{assert_holds, the_order};
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World, assert_state};

/// A wait for not-before that a test can afford.
fn hasty() -> Setup {
    Setup { request_timeout: Some(Duration::from_secs(2)), wait: Some(Duration::from_secs(1)), ..Setup::default() }
}

fn sequential() -> Setup {
    Setup { edits: vec![("order_type = \"NO\"", "order_type = \"NO\"\ncreate = \"sequential\"")], ..hasty() }
}

fn releasing() -> Setup {
    Setup { edits: vec![("order_type = \"NO\"", "order_type = \"NO\"\nrelease_when = \"paid_or_terms\"")], ..hasty() }
}

async fn send(world: &World, served: &Served, order: &Composed, topic: &str) {
    let webhook = Webhook::composed(world, order.id, order.body());
    let url = served.webhook_url("acme");
    let answer = webhook.send_as(url, topic).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// An order that stands in IFS, the service stopped.
async fn written(world: &World) -> Composed {
    let order = Composed::new(4_711, 3, Timestamp::now());
    let served = world.serve(None);
    send(world, &served, &order, "orders/create").await;
    world.quiet().await;
    assert_eq!(served.terminate(), 0);
    assert_state(&world.document().await, State::Written);
    order
}

/// Sends a version, kills the service at a point of its way, and lets another one end it.
async fn killed_and_ended(world: &World, order: &Composed, topic: &str, point: &'static str) {
    let served = world.serve(Some(point));
    send(world, &served, order, topic).await;
    served.reached(point).await.kill();
    world.ifs_is_done().await;
    let served = world.serve(None);
    world.quiet().await;
    assert_eq!(served.terminate(), 0);
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL"), 0);
    assert_eq!(world.sandbox.ledger().creates_of(&order.id.to_string()), 1);
}

/// Two new lines, another shipping line, one line less, one with another quantity: every kind of step at once.
async fn changed(world: &World, point: &'static str) {
    let mut order = written(world).await;
    order.add_line();
    order.add_line();
    order.lines[0].quantity = 5;
    order.lines[1].quantity = 0;
    order.shipping.push((4_711_900, 250));
    order.next_body();
    killed_and_ended(world, &order, "orders/updated", point).await;
    assert_holds(world, &order);
    let view = the_order(world, &order);
    assert_eq!((view.lines.len(), view.charges.len()), (5, 2), "each row was made once");
}

on_both!(a_kill_before_the_bytes_of_a_change, hasty(), async |world: &World| {
    changed(world, failpoint::AMEND_INTENT_COMMITTED).await;
});

on_both!(a_kill_after_the_answer_to_a_change, hasty(), async |world: &World| {
    changed(world, failpoint::AMEND_ANSWERED).await;
});

on_both!(a_kill_before_the_bytes_of_a_new_row, hasty(), async |world: &World| {
    changed(world, failpoint::ROW_INTENT_COMMITTED).await;
});

on_both!(a_kill_after_the_bytes_of_a_new_row, hasty(), async |world: &World| {
    changed(world, failpoint::ROW_BYTES_SENT).await;
});

on_both!(a_kill_after_the_answer_to_a_new_row, hasty(), async |world: &World| {
    changed(world, failpoint::ROW_ANSWERED).await;
});

on_both!(a_kill_with_one_new_row_linked_and_others_to_come, hasty(), async |world: &World| {
    changed(world, failpoint::ROW_LINKED).await;
});

on_both!(a_kill_after_the_bytes_of_a_new_charge, hasty(), async |world: &World| {
    changed(world, "row_bytes_sent:3").await;
});

on_both!(a_kill_before_the_bytes_of_a_removal, hasty(), async |world: &World| {
    changed(world, failpoint::REMOVE_INTENT_COMMITTED).await;
});

on_both!(a_kill_after_the_answer_to_a_removal, hasty(), async |world: &World| {
    changed(world, failpoint::REMOVE_ANSWERED).await;
});

async fn cancelled(world: &World, point: &'static str) {
    let mut order = written(world).await;
    order.cancelled = true;
    order.next_body();
    killed_and_ended(world, &order, "orders/cancelled", point).await;
    assert!(!the_order(world, &order).is_live());
}

on_both!(a_kill_before_the_bytes_of_a_cancellation, hasty(), async |world: &World| {
    cancelled(world, failpoint::CANCEL_INTENT_COMMITTED).await;
});

on_both!(a_kill_after_the_answer_to_a_cancellation, hasty(), async |world: &World| {
    cancelled(world, failpoint::CANCEL_ANSWERED).await;
});

async fn row_by_row(world: &World, point: &'static str) {
    let order = Composed::new(4_712, 4, Timestamp::now());
    killed_and_ended(world, &order, "orders/create", point).await;
    assert_holds(world, &order);
    let view = the_order(world, &order);
    assert_eq!((view.lines.len(), view.charges.len()), (4, 1), "each row was made once");
}

on_both!(a_sequential_create_killed_with_its_header_answered, sequential(), async |world: &World| {
    row_by_row(world, failpoint::CREATED_RECEIVED).await;
});

on_both!(a_sequential_create_killed_with_its_header_read_back, sequential(), async |world: &World| {
    row_by_row(world, failpoint::READ_BACK_DONE).await;
});

on_both!(a_sequential_create_killed_before_its_second_row, sequential(), async |world: &World| {
    row_by_row(world, "row_intent_committed:2").await;
});

on_both!(a_sequential_create_killed_with_its_third_row_on_the_way, sequential(), async |world: &World| {
    row_by_row(world, "row_bytes_sent:3").await;
});

on_both!(a_sequential_create_killed_with_its_last_row_linked, sequential(), async |world: &World| {
    row_by_row(world, "row_linked:5").await;
});

async fn released(world: &World, point: &'static str) {
    let mut order = Composed::new(4_713, 2, Timestamp::now());
    order.paid = true;
    killed_and_ended(world, &order, "orders/create", point).await;
    assert_holds(world, &order);
    assert_eq!(the_order(world, &order).field("Objstate"), "Released");
}

on_both!(a_kill_before_the_bytes_of_a_release, releasing(), async |world: &World| {
    released(world, failpoint::RELEASE_INTENT_COMMITTED).await;
});

on_both!(a_kill_after_the_answer_to_a_release, releasing(), async |world: &World| {
    released(world, failpoint::RELEASE_ANSWERED).await;
});
