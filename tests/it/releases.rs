//! The release of a paid order in IFS: after the gate, once, and the gate again.

use ml_connector::domain::document::State;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ifs::{Additions, CreditCheck};
use ml_connector::sandbox::ledger::Class;
use rust_decimal::Decimal;

use crate::changes::*;
use crate::on_both;
use crate::support::composed::Composed;
use crate::support::held::the_order;
use crate::support::world::{Setup, Steps, World, assert_state};

fn releasing() -> Setup {
    Setup {
        edits: vec![("order_type = \"NO\"", "order_type = \"NO\"\nrelease_when = \"paid_or_terms\"")],
        ..Setup::default()
    }
}

async fn paid(steps: &Steps, id: u64) -> Composed {
    let mut order = Composed::new(id, 2, steps.clock.now());
    order.paid = true;
    arrive(steps, "orders/create", &order.body()).await;
    order
}

fn releases(world: &World) -> usize {
    world.sandbox.ledger().count_of(Class::Action)
}

on_both!(a_paid_order_is_released_after_the_gate_and_one_that_is_not_waits, releasing(), async |world: &World| {
    let steps = begin(world).await;
    let mut unpaid = written(world, &steps, 301, 2).await;
    assert_eq!(the_order(world, &unpaid).field("Objstate"), "Planned");
    let order = paid(&steps, 302).await;
    assert_state(&document(world, &order).await, State::Written);
    assert_eq!((the_order(world, &order).field("Objstate"), releases(world)), ("Released", 1));
    unpaid.paid = true;
    update(&steps, &mut unpaid).await;
    assert_state(&document(world, &unpaid).await, State::Written);
    assert_eq!((the_order(world, &unpaid).field("Objstate"), releases(world)), ("Released", 2));
    unpaid.note = "once more".into();
    update(&steps, &mut unpaid).await;
    assert_eq!(releases(world), 2, "an order is released once");
});

on_both!(an_order_whose_gate_found_something_is_not_released, releasing(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.ifs().set_default_charge(Some(Decimal::new(490, 2)));
    let order = paid(&steps, 303).await;
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "ifs_differs"));
    assert_eq!((the_order(world, &order).field("Objstate"), releases(world)), ("Planned", 0));
});

on_both!(what_ifs_adds_at_the_release_is_found_by_the_gate_after_it, releasing(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.ifs().set_additions(Additions { freight: Some(Decimal::TEN), ..Additions::default() });
    let order = paid(&steps, 304).await;
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "ifs_differs"));
    assert_eq!(the_order(world, &order).field("Objstate"), "Released");
    assert_eq!(open_intents(world), 0);
});

on_both!(an_order_that_ifs_blocks_at_its_release_is_written_and_shown, releasing(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.ifs().set_credit_check(CreditCheck::Fails);
    let mut order = paid(&steps, 305).await;
    assert_state(&document(world, &order).await, State::Written);
    let view = the_order(world, &order);
    assert_eq!((view.field("Objstate"), releases(world)), ("Blocked", 1));
    let told = format!("IFS order {} is Blocked (CREDIT)", view.order_no);
    let details = world.database.texts("SELECT COALESCE(detail, '') AS value FROM attempts ORDER BY id");
    assert!(details.iter().any(|detail| detail.contains(&told)), "{details:?}");
    // It may still be changed, and is not released by us again.
    order.note = "once more".into();
    update(&steps, &mut order).await;
    assert_state(&document(world, &order).await, State::Written);
    assert_eq!((the_order(world, &order).field("Objstate"), releases(world)), ("Blocked", 1));
});

on_both!(a_release_whose_answer_is_lost_is_read_again, releasing(), async |world: &World| {
    let steps = begin(world).await;
    for (id, fault, sent) in [(306, Fault::DropAnswer, 1), (307, Fault::Reset, 3), (308, Fault::GatewayTimeoutDone, 4)]
    {
        world.sandbox.faults().once(Class::Action, fault);
        let order = paid(&steps, id).await;
        assert_state(&document(world, &order).await, State::Unknown);
        steps.advance(world, 20);
        steps.run(steps.link()).await;
        assert_state(&document(world, &order).await, State::Written);
        assert_eq!((the_order(world, &order).field("Objstate"), releases(world)), ("Released", sent));
    }
});
