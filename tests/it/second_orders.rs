//! Additions that come too late for the order in IFS, where a second one is wanted for them: exactly one second order, the
//! money of both together the order's, whatever changes afterwards and whatever gets lost.

use std::time::Duration;

use jiff::Timestamp;
use ml_connector::domain::document::State;
use ml_connector::failpoint;
use ml_connector::flow::remap::{Remapped, remapped};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ifs::{OrderView, RowOf};
use ml_connector::sandbox::ledger::Class;
use ml_connector::store::DocumentRow;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::changes::{arrive, begin, code, open_intents, update, writes, written};
use crate::on_both;
use crate::support::composed::Composed;
use crate::support::held::{held, the_order};
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, Steps, World, assert_state};

const SECOND: (&str, &str) = ("order_type = \"NO\"", "order_type = \"NO\"\nlate_additions = \"second_order\"");

fn second() -> Setup {
    Setup { edits: vec![SECOND], ..Setup::default() }
}

fn late() -> Setup {
    Setup { request_timeout: Some(Duration::from_secs(1)), wait: Some(Duration::from_secs(30)), ..second() }
}

fn hasty() -> Setup {
    Setup { request_timeout: Some(Duration::from_secs(2)), wait: Some(Duration::from_secs(1)), ..second() }
}

fn writing_back() -> Setup {
    let wanted = "order_type = \"NO\"\nlate_additions = \"second_order\"\nwrite_back = { order_no = \"metafield\", state = \"metafield\" }";
    Setup { edits: vec![("order_type = \"NO\"", wanted)], ..Setup::default() }
}

/// The order's documents, the first one first.
async fn documents(world: &World, order: &Composed) -> Vec<DocumentRow> {
    let mut found = world.documents().await;
    found.retain(|document| document.order_id == order.id && document.kind == "customer_order");
    found
}

fn second_of(world: &World, order: &Composed) -> Option<OrderView> {
    let mut found = world.sandbox.ifs().orders_by_po(&format!("{}-2", order.id));
    assert!(found.len() <= 1, "one second order at most: {found:#?}");
    found.pop()
}

/// What both orders hold together: units by Shopify's line, and the gross total.
fn together(world: &World, order: &Composed) -> (Vec<(u64, Decimal)>, Decimal) {
    let (first, first_total) = held(&the_order(world, order));
    let second = second_of(world, order).filter(OrderView::is_live);
    let (second, second_total) = second.as_ref().map(held).unwrap_or_default();
    let mut lines = std::collections::BTreeMap::new();
    for (line, units) in first.into_iter().chain(second) {
        *lines.entry(line).or_insert(Decimal::ZERO) += units;
    }
    (lines.into_iter().collect(), first_total + second_total)
}

async fn assert_both_written(world: &World, order: &Composed) {
    for document in documents(world, order).await {
        assert_state(&document, State::Written);
    }
    assert_eq!(together(world, order), order.expected());
    assert_eq!(open_intents(world), 0);
}

/// An order that IFS has delivered.
async fn delivered(world: &World, steps: &Steps, id: u64, lines: usize) -> Composed {
    let order = written(world, steps, id, lines).await;
    let order_no = the_order(world, &order).order_no;
    world.sandbox.ifs().set_state(&order_no, "Delivered").expect("delivers");
    order
}

/// Two units more of the first line, a line more, and its shipping.
fn add(order: &mut Composed) {
    order.lines[0].quantity += 2;
    order.add_line();
    order.shipping.push((order.id * 1_000 + 900, 250));
}

on_both!(what_comes_after_the_delivery_goes_to_one_second_order, second(), async |world: &World| {
    let steps = begin(world).await;
    for (id, stage) in [(701, "Delivered"), (702, "Invoiced")] {
        let mut order = written(world, &steps, id, 2).await;
        let before = the_order(world, &order);
        world.sandbox.ifs().set_state(&before.order_no, stage).expect("delivers");
        let before = held(&the_order(world, &order));
        add(&mut order);
        let body = order.next_body();
        arrive(&steps, "orders/updated", &body).await;
        assert_both_written(world, &order).await;
        assert_eq!(held(&the_order(world, &order)), before, "the first keeps what it holds");
        let second = second_of(world, &order).expect("a second order");
        assert_eq!(held(&second).0, [(order.lines[0].id, Decimal::TWO), (order.lines[2].id, Decimal::TWO)]);
        // The same again, twice and late, changes nothing.
        let sent = writes(world);
        arrive(&steps, "orders/updated", &body).await;
        arrive(&steps, "orders/create", &Composed::new(id, 2, order.placed_at).body()).await;
        assert_eq!(writes(world), sent);
        assert_both_written(world, &order).await;
        assert_eq!(world.sandbox.ledger().creates_of(&format!("{id}-2")), 1);
    }
});

on_both!(later_changes_go_to_the_order_that_holds_the_units, second(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = delivered(world, &steps, 703, 2).await;
    add(&mut order);
    update(&steps, &mut order).await;
    assert_both_written(world, &order).await;
    let first = held(&the_order(world, &order)).0;
    // More, and another line more: to the same second order.
    order.lines[0].quantity += 3;
    order.add_line();
    update(&steps, &mut order).await;
    assert_both_written(world, &order).await;
    // Fewer: from the second one first.
    order.lines[0].quantity -= 4;
    update(&steps, &mut order).await;
    assert_both_written(world, &order).await;
    assert_eq!(held(&the_order(world, &order)).0, first);
    assert_eq!(documents(world, &order).await.len(), 2);
    // A price of both.
    order.lines[0].off_cents = 80;
    update(&steps, &mut order).await;
    assert_both_written(world, &order).await;
    // None left but what was delivered: the second one is cancelled.
    order.lines[0].quantity = 3;
    order.lines[0].off_cents = 0;
    order.lines[2].quantity = 0;
    order.lines[3].quantity = 0;
    order.shipping.pop();
    update(&steps, &mut order).await;
    assert_both_written(world, &order).await;
    assert!(!second_of(world, &order).expect("it was there").is_live());
    // What comes still later is a person's: there is no third order.
    order.add_line();
    update(&steps, &mut order).await;
    let both = documents(world, &order).await;
    assert_eq!((both[1].state, code(&both[1])), (State::Parked, "state_forbids_change"));
});

on_both!(fewer_units_than_were_delivered_are_a_credit_of_the_first, second(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = delivered(world, &steps, 704, 2).await;
    add(&mut order);
    update(&steps, &mut order).await;
    order.lines[0].quantity = 2;
    update(&steps, &mut order).await;
    let both = documents(world, &order).await;
    assert_eq!((both[0].state, code(&both[0])), (State::Parked, "credit_needed"));
    assert_state(&both[1], State::Written);
});

on_both!(what_is_exchanged_after_the_delivery_is_a_credit_and_a_second_order, second(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = delivered(world, &steps, 714, 2).await;
    let before = held(&the_order(world, &order));
    order.lines[0].quantity = 0;
    order.add_line();
    update(&steps, &mut order).await;
    let both = documents(world, &order).await;
    assert_eq!((both[0].state, code(&both[0])), (State::Parked, "credit_needed"));
    let text = &both[0].reason.as_ref().expect("a reason").text;
    assert!(text.contains("line:714003 (2)") && text.contains("714-2"), "{text}");
    assert_eq!(held(&the_order(world, &order)), before);
    assert_state(&both[1], State::Written);
    let second = |order: &Composed| held(&second_of(world, order).expect("a second order")).0;
    assert_eq!(second(&order), [(order.lines[2].id, Decimal::TWO)]);
    // While the first waits for the credit, and after it, what is added goes on.
    order.add_line();
    update(&steps, &mut order).await;
    assert_eq!(second(&order), [(order.lines[2].id, Decimal::TWO), (order.lines[3].id, Decimal::TWO)]);
    let id = both[0].id.to_string();
    assert_eq!(world.command(&["documents", "resolve", &id, "--note", "credited"], "").0, 0);
    order.lines[3].quantity = 5;
    update(&steps, &mut order).await;
    assert_eq!(second(&order), [(order.lines[2].id, Decimal::TWO), (order.lines[3].id, Decimal::from(5))]);
    // Twice and late changes nothing.
    let sent = writes(world);
    update(&steps, &mut order).await;
    assert_eq!(writes(world), sent);
    // And a cancellation comes through.
    order.cancelled = true;
    update(&steps, &mut order).await;
    let both = documents(world, &order).await;
    assert_state(&both[0], State::Resolved);
    assert_state(&both[1], State::Written);
    assert!(!second_of(world, &order).expect("a second order").is_live());
    assert_eq!(held(&the_order(world, &order)), before);
    assert_eq!((open_intents(world), both.len()), (0, 2));
});

on_both!(units_that_are_refunded_leave_the_second_order_though_the_first_parks, second(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = delivered(world, &steps, 715, 2).await;
    order.lines[0].quantity = 5;
    update(&steps, &mut order).await;
    assert_both_written(world, &order).await;
    order.lines[0].quantity = 2;
    update(&steps, &mut order).await;
    let both = documents(world, &order).await;
    assert_eq!((both[0].state, code(&both[0])), (State::Parked, "credit_needed"));
    assert_state(&both[1], State::Written);
    assert!(!second_of(world, &order).expect("it was there").is_live());
});

on_both!(a_change_that_cannot_be_split_stops_the_second_order_of_a_resolved_first, second(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = delivered(world, &steps, 717, 2).await;
    order.lines[0].quantity = 5;
    update(&steps, &mut order).await;
    order.lines[1].quantity = 2;
    update(&steps, &mut order).await;
    let both = documents(world, &order).await;
    assert_eq!(code(&both[0]), "credit_needed");
    assert_eq!(world.command(&["documents", "resolve", &both[0].id.to_string(), "--note", "credited"], "").0, 0);
    let sent = writes(world);
    // 59.99 over six units: two rows of three are worth an even number of cents.
    order.lines[0].off_cents = 1;
    order.lines[0].quantity = 6;
    update(&steps, &mut order).await;
    let both = documents(world, &order).await;
    assert_state(&both[0], State::Resolved);
    assert_eq!((both[1].state, code(&both[1])), (State::Parked, "no_exact_split"));
    assert_eq!(writes(world), sent);
    order.lines[0].off_cents = 0;
    update(&steps, &mut order).await;
    assert_state(&documents(world, &order).await[1], State::Written);
    let second = second_of(world, &order).expect("a second order");
    assert_eq!(held(&second).0, [(order.lines[0].id, Decimal::from(3))]);
});

on_both!(a_retry_under_rules_that_cut_rows_otherwise_is_refused, second(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = Composed::new(716, 2, steps.clock.now());
    // 29.99 over three units: one row at a long price.
    order.lines[0].off_cents = 1;
    arrive(&steps, "orders/create", &order.body()).await;
    world.sandbox.ifs().set_state(&the_order(world, &order).order_no, "Delivered").expect("delivers");
    order.add_line();
    update(&steps, &mut order).await;
    assert_both_written(world, &order).await;
    let view = second_of(world, &order).expect("a second order");
    let person = |units: &str| {
        world.sandbox.ifs().person_edits(&view.order_no, RowOf::Line("1"), "BuyQtyDue", units).expect("a person may");
    };
    person("7");
    order.lines[2].quantity += 1;
    update(&steps, &mut order).await;
    let both = documents(world, &order).await;
    assert_eq!((both[1].state, code(&both[1])), (State::Parked, "both_sides_changed"));
    person("2");
    // The same worth on two rows, of which the first order knows but one.
    let text = std::fs::read_to_string(&world.config).expect("reads");
    let split = text.replace("late_additions", "uneven_line = \"split\"\nlate_additions");
    std::fs::write(&world.config, split).expect("writes");
    let id = both[1].id.to_string();
    let (ended, _, errors) = world.command(&["documents", "retry", &id], "");
    assert_eq!(ended, 2, "{errors}");
    assert!(errors.contains("cannot be told"), "{errors}");
    // With the rules put back it goes on, with its part alone.
    std::fs::write(&world.config, text).expect("writes");
    assert_eq!(world.command(&["documents", "retry", &id], "").0, 0);
    steps.advance(world, 120);
    steps.run(steps.link()).await;
    assert_both_written(world, &order).await;
    let second = second_of(world, &order).expect("a second order");
    assert_eq!(held(&second).0, [(order.lines[2].id, Decimal::from(3))]);
});

on_both!(a_cancellation_reaches_both, second(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = delivered(world, &steps, 705, 2).await;
    add(&mut order);
    update(&steps, &mut order).await;
    order.cancelled = true;
    update(&steps, &mut order).await;
    let both = documents(world, &order).await;
    assert_eq!((both[0].state, code(&both[0])), (State::Parked, "credit_needed"));
    assert_state(&both[1], State::Written);
    assert!(!second_of(world, &order).expect("a second order").is_live());
});

on_both!(a_second_order_is_created_once_however_its_answer_gets_lost, late(), async |world: &World| {
    let steps = begin(world).await;
    for (id, fault) in [
        (706, Fault::DropAnswer),
        (707, Fault::CutBody),
        (708, Fault::Hold),
        (709, Fault::Reset),
        (710, Fault::GatewayTimeoutDone),
    ] {
        let mut order = delivered(world, &steps, id, 2).await;
        world.sandbox.faults().once(Class::Create, fault.clone());
        add(&mut order);
        update(&steps, &mut order).await;
        assert_state(&documents(world, &order).await[1], State::Unknown);
        if fault == Fault::Hold {
            // It changes once more before it commits.
            order.lines[0].quantity += 1;
            update(&steps, &mut order).await;
            steps.advance(world, 1);
            assert_eq!(world.sandbox.ifs().release_held(), 1);
        }
        for _ in 0..16 {
            steps.advance(world, 20);
            steps.run(steps.link()).await;
        }
        assert_both_written(world, &order).await;
        assert!(second_of(world, &order).is_some());
    }
});

on_both!(a_persons_retry_gives_a_second_order_its_part_only, second(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = delivered(world, &steps, 711, 2).await;
    add(&mut order);
    update(&steps, &mut order).await;
    // A person changes what Shopify changes too, and takes it back.
    let view = second_of(world, &order).expect("a second order");
    let person = |units: &str| {
        world.sandbox.ifs().person_edits(&view.order_no, RowOf::Line("1"), "BuyQtyDue", units).expect("a person may");
    };
    person("7");
    order.lines[0].quantity += 1;
    update(&steps, &mut order).await;
    let both = documents(world, &order).await;
    assert_state(&both[0], State::Written);
    assert_eq!((both[1].state, code(&both[1])), (State::Parked, "both_sides_changed"));
    person("2");
    let id = both[1].id.to_string();
    assert_eq!(world.command(&["documents", "retry", &id], "").0, 0);
    // The command went by the time of day, which is ahead of the test's.
    steps.advance(world, 120);
    steps.run(steps.link()).await;
    assert_both_written(world, &order).await;
    // Nor does a change of rules reach it but through the first.
    let (link, row) = (steps.link(), documents(world, &order).await.remove(1));
    let mapped = remapped(&world.store, &link.rules, &link.name, &row, steps.clock.now()).await.expect("reads");
    assert!(matches!(mapped, Remapped::Stays { .. }), "{mapped:?}");
    assert_eq!(world.command(&["documents", "release", &id, "--note", "no"], "").0, 2, "there is nothing to release");

    let (ended, out, errors) = world.command(&["orders", "show", "711", "--json"], "");
    assert_eq!(ended, 0, "{errors}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["business_key"], "711");
    assert_eq!(told["other_parts"][0]["business_key"], "711-2");
    // Named by the second one's number it is the same order.
    let (ended, out, _) = world.command(&["orders", "show", &view.order_no], "");
    assert_eq!(ended, 0);
    assert!(out.contains("another order in IFS holds a part of it"), "{out}");
});

on_both!(the_shop_is_told_both_numbers, writing_back(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = delivered(world, &steps, 712, 2).await;
    add(&mut order);
    update(&steps, &mut order).await;
    assert_both_written(world, &order).await;
    let numbers = |order: &Composed| {
        let [first, second] =
            [Some(the_order(world, order)), second_of(world, order)].map(|view| view.expect("an order").order_no);
        format!("{first} + {second}")
    };
    let told = || world.database.texts("SELECT desired AS value FROM documents WHERE kind = 'write_back'").remove(0);
    assert!(told().contains(&numbers(&order)), "{} and not {}", numbers(&order), told());
    order.note = "ring twice".into();
    update(&steps, &mut order).await;
    assert!(told().contains(&numbers(&order)), "{} and not {}", numbers(&order), told());
});

async fn send(world: &World, served: &Served, order: &Composed, topic: &str) {
    let webhook = Webhook::composed(world, order.id, order.body());
    assert_eq!(webhook.send_as(served.webhook_url("acme"), topic).await.status, 200);
}

/// Killed at a point of the second order's way and started again: one second order, and both whole.
async fn killed(world: &World, point: &'static str) {
    let mut order = Composed::new(713, 2, Timestamp::now());
    let served = world.serve(None);
    send(world, &served, &order, "orders/create").await;
    world.quiet().await;
    assert_eq!(served.terminate(), 0);
    let order_no = the_order(world, &order).order_no;
    world.sandbox.ifs().set_state(&order_no, "Delivered").expect("delivers");
    add(&mut order);
    order.next_body();
    let served = world.serve(Some(point));
    send(world, &served, &order, "orders/updated").await;
    served.reached(point).await.kill();
    world.ifs_is_done().await;
    let served = world.serve(None);
    world.quiet().await;
    assert_eq!(served.terminate(), 0);
    assert_both_written(world, &order).await;
    assert!(second_of(world, &order).is_some());
}

on_both!(a_kill_between_the_first_orders_settle_and_the_second_ones_create, hasty(), async |world: &World| {
    killed(world, "claimed:2").await;
});

on_both!(a_kill_before_the_bytes_of_a_second_order, hasty(), async |world: &World| {
    killed(world, failpoint::INTENT_COMMITTED).await;
});

on_both!(a_kill_after_the_bytes_of_a_second_order, hasty(), async |world: &World| {
    killed(world, failpoint::BYTES_SENT).await;
});

on_both!(a_kill_after_the_answer_to_a_second_order, hasty(), async |world: &World| {
    killed(world, failpoint::CREATED_RECEIVED).await;
});
