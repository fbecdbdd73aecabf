//! Orders from before the go-live: looked up once where that is asked for, linked where one record carries their key, and never
//! created, amended or cancelled.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Feature, Story};
use ml_connector::store::DocumentRow;
use serde_json::Value;

use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

const GO_LIVE: &str = "orders_from = 2020-01-01T00:00:00Z";
const LINKING: &str = "orders_from = 2020-01-01T00:00:00Z\nlink_old_orders = true";

fn linking() -> Setup {
    Setup { edits: vec![(GO_LIVE, LINKING)], ..Setup::default() }
}

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

fn old_order(world: &World) -> u64 {
    world.shop().place(Story::Sold(Feature::BeforeGoLive))
}

fn keyed(world: &World, order: u64) -> String {
    world.sandbox.ifs().add_foreign_order(&order.to_string(), "S10", None).expect("a person keyed it")
}

async fn arrive(world: &World, steps: &Steps, order: u64, topic: &str) {
    steps.deliver(steps.link(), topic, &world.shop().webhook_body(order).expect("a body")).await;
    steps.run(steps.link()).await;
}

fn count(world: &World, classes: &[Class]) -> usize {
    classes.iter().map(|class| world.sandbox.ledger().count_of(*class)).sum()
}

fn look_ups(world: &World) -> usize {
    count(world, &[Class::Lookup])
}

fn nothing_was_written(world: &World) {
    assert_eq!(count(world, &[Class::Create, Class::Amend, Class::Action, Class::CustomerCreate]), 0);
}

async fn skipped(world: &World) -> (Option<String>, String) {
    let document = world.document().await;
    assert_state(&document, State::Skipped);
    let reason = document.reason.expect("a reason");
    assert_eq!(reason.code, "before_orders_from");
    (document.order_no, reason.text)
}

on_both!(an_old_order_is_looked_up_once_and_linked_and_left_alone, linking(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = old_order(world);
    let order_no = keyed(world, order);
    arrive(world, &steps, order, "orders/updated").await;
    let (linked, text) = skipped(world).await;
    assert_eq!(linked.as_ref(), Some(&order_no));
    assert!(text.contains(&order_no), "{text}");
    assert_eq!(world.document().await.origin.as_deref(), Some("noted"));
    let steps_told = world.database.texts("SELECT step || ' ' || outcome AS value FROM attempts ORDER BY id");
    assert_eq!(steps_told, ["note skipped"]);
    // Whatever becomes of it in Shopify, nobody asks or writes again.
    shop.change(order, Change::Note);
    arrive(world, &steps, order, "orders/updated").await;
    shop.change(order, Change::Cancelled);
    arrive(world, &steps, order, "orders/cancelled").await;
    assert_eq!(skipped(world).await.0.as_ref(), Some(&order_no));
    assert_eq!(look_ups(world), 1);
    nothing_was_written(world);
    assert!(world.sandbox.ifs().order(&order_no).expect("it stands").is_live());
    // A person finds it by IFS's number.
    let (code, out, said) = world.command(&["orders", "show", &order_no, "--json"], "");
    assert_eq!(code, 0, "{said}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["order_id"].as_str(), Some(order.to_string().as_str()), "{told}");
});

on_both!(an_old_order_that_ifs_does_not_hold_is_not_looked_up_again, linking(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = old_order(world);
    arrive(world, &steps, order, "orders/updated").await;
    assert_eq!(skipped(world).await.0, None);
    shop.change(order, Change::Note);
    arrive(world, &steps, order, "orders/updated").await;
    assert_eq!((skipped(world).await.0, look_ups(world)), (None, 1));
    nothing_was_written(world);
    // A person may ask for another look.
    let order_no = keyed(world, order);
    let id = world.document().await.id.to_string();
    assert_eq!(world.command(&["documents", "retry", &id], "").0, 0);
    // The command's clock is the wall's.
    steps.advance(world, 60);
    steps.run(steps.link()).await;
    assert_eq!(skipped(world).await.0, Some(order_no));
    nothing_was_written(world);
});

on_both!(two_records_with_the_key_of_an_old_order_are_told_and_not_linked, linking(), async |world: &World| {
    let steps = begin(world).await;
    let order = old_order(world);
    let numbers = [keyed(world, order), keyed(world, order)];
    arrive(world, &steps, order, "orders/updated").await;
    let (linked, text) = skipped(world).await;
    assert_eq!(linked, None);
    assert!(numbers.iter().all(|number| text.contains(number)), "{text}");
    nothing_was_written(world);
});

on_both!(a_look_up_of_an_old_order_whose_answer_is_lost_comes_again, linking(), async |world: &World| {
    let steps = begin(world).await;
    let order = old_order(world);
    let order_no = keyed(world, order);
    for fault in [Fault::DropAnswer, Fault::Reset, Fault::BusyHtml, Fault::CutBody] {
        world.sandbox.faults().once(Class::Lookup, fault);
    }
    arrive(world, &steps, order, "orders/updated").await;
    for _ in 0..8 {
        steps.advance(world, 30);
        steps.run(steps.link()).await;
    }
    assert_eq!(skipped(world).await.0, Some(order_no));
    nothing_was_written(world);
});

on_both!(a_look_up_of_an_old_order_outlives_a_restart, linking(), async |world: &World| {
    let order = old_order(world);
    let order_no = keyed(world, order);
    {
        // Mapped, and claimed by a process that ends before it asks.
        let steps = begin(world).await;
        let link = steps.link();
        steps.deliver(link, "orders/updated", &world.shop().webhook_body(order).expect("a body")).await;
        steps.map(link).await;
        assert_state(&world.document().await, State::Planned);
        let kinds = &[DocumentKind::CustomerOrder];
        let claimed = steps.store.claim_due(&link.tenant.lease, &link.name, kinds, steps.clock.now(), 1).await;
        assert_eq!(claimed.expect("claims").len(), 1);
    }
    let steps = begin(world).await;
    steps.link().broke_off.store(true, Ordering::Release);
    steps.run(steps.link()).await;
    assert_eq!((skipped(world).await.0, look_ups(world)), (Some(order_no), 1));
    nothing_was_written(world);
});

on_both!(a_look_up_that_ifs_refuses_is_told_and_parks_nothing, linking(), async |world: &World| {
    let steps = begin(world).await;
    let order = old_order(world);
    world.sandbox.faults().once(Class::Lookup, Fault::Forbidden);
    arrive(world, &steps, order, "orders/updated").await;
    let (linked, text) = skipped(world).await;
    assert!(linked.is_none() && text.contains("could not be looked up"), "{text}");
});

async fn restarted_with(world: &World, from: &str, to: &str) -> Steps {
    let settings = std::fs::read_to_string(&world.config).expect("reads");
    assert!(settings.contains(from));
    std::fs::write(&world.config, settings.replace(from, to)).expect("writes");
    begin(world).await
}

on_both!(without_the_setting_ifs_is_not_asked_and_with_it_later_it_is, Setup::default(), async |world: &World| {
    let order = old_order(world);
    let order_no = keyed(world, order);
    {
        let steps = begin(world).await;
        arrive(world, &steps, order, "orders/updated").await;
        assert_eq!((skipped(world).await.0, look_ups(world)), (None, 0));
    }
    let steps = restarted_with(world, GO_LIVE, LINKING).await;
    world.shop().change(order, Change::Note);
    arrive(world, &steps, order, "orders/updated").await;
    assert_eq!((skipped(world).await.0, look_ups(world)), (Some(order_no), 1));
    nothing_was_written(world);
});

fn code(document: &DocumentRow) -> &str {
    document.reason.as_ref().map_or("", |reason| reason.code.as_str())
}

on_both!(a_noted_order_that_is_wanted_later_is_compared_and_never_made_twice, linking(), async |world: &World| {
    let order = old_order(world);
    let order_no = keyed(world, order);
    {
        let steps = begin(world).await;
        arrive(world, &steps, order, "orders/updated").await;
    }
    let steps = restarted_with(world, LINKING, "orders_from = 2019-01-01T00:00:00Z").await;
    let id = world.document().await.id.to_string();
    assert_eq!(world.command(&["documents", "retry", &id], "").0, 0);
    steps.advance(world, 60);
    steps.run(steps.link()).await;
    let document = world.document().await;
    assert_state(&document, State::Parked);
    assert!(["found_order_differs", "ifs_differs", "rows_missing_in_ifs"].contains(&code(&document)));
    assert_eq!(document.order_no, Some(order_no));
    nothing_was_written(world);
});

on_both!(an_order_that_was_planned_before_the_go_live_moved_is_noted_too, Setup::default(), async |world: &World| {
    let order = world.shop().place(Story::PlacedEarlier);
    let order_no = keyed(world, order);
    {
        let steps = begin(world).await;
        steps.deliver(steps.link(), "orders/create", &world.shop().webhook_body(order).expect("a body")).await;
        steps.map(steps.link()).await;
        assert_state(&world.document().await, State::Planned);
    }
    // People entered it by hand until the go-live, which is set only now.
    let later = "orders_from = 2099-01-01T00:00:00Z\nlink_old_orders = true";
    let steps = restarted_with(world, GO_LIVE, later).await;
    steps.run(steps.link()).await;
    assert_eq!((skipped(world).await.0, look_ups(world)), (Some(order_no), 1));
    nothing_was_written(world);
});
