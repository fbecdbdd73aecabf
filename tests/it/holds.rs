//! What an order waits for before it stands in IFS, on a hand-moved clock: time, payment, Shopify's own word, a person's release.

use std::time::Duration;

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Feature, Story};

use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

/// `[connections.acme.holds]` before the table of charges.
fn holding(holds: &'static str) -> Setup {
    Setup { edits: vec![("[connections.acme.charge]", holds)], ..Setup::default() }
}

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

async fn delivered(world: &World, steps: &Steps, order: u64, topic: &str) {
    steps.deliver(steps.link(), topic, &world.shop().webhook_body(order).expect("a body")).await;
    steps.run(steps.link()).await;
}

async fn held_for(world: &World) -> String {
    let document = world.document().await;
    assert_state(&document, State::Held);
    document.reason.expect("a reason").code
}

fn lagging() -> Setup {
    holding("[connections.acme.holds]\nlag_secs = 600\n[connections.acme.charge]")
}

fn prepaid() -> Setup {
    holding("[connections.acme.holds]\npayment = \"paid\"\nheld_max_hours = 1\n[connections.acme.charge]")
}

on_both!(an_order_rests_as_long_as_the_lag_says, lagging(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    delivered(world, &steps, order, "orders/create").await;
    assert_eq!(held_for(world).await, "lag");
    steps.advance(world, 300);
    steps.run(steps.link()).await;
    assert_eq!(held_for(world).await, "lag");
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 0);
    steps.advance(world, 301);
    steps.run(steps.link()).await;
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().count_of(Class::GraphQl), 0, "time is nothing that Shopify is asked about");
    assert!(world.sandbox.books(&[]).is_clean());
});

fn lagging_for_hours() -> Setup {
    holding("[connections.acme.holds]\nlag_secs = 7200\n[connections.acme.charge]")
}

on_both!(an_order_that_rests_for_hours_is_left_alone_until_then, lagging_for_hours(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    steps.deliver(steps.link(), "orders/create", &world.shop().webhook_body(order).expect("a body")).await;
    steps.map(steps.link()).await;
    assert_eq!(held_for(world).await, "lag");
    let (link, store) = (steps.link(), &steps.store);
    let claimed = async || {
        let kinds = &[DocumentKind::CustomerOrder];
        store.claim_due(&link.tenant.lease, &link.name, kinds, steps.clock.now(), 10).await.expect("claims").len()
    };
    assert_eq!(claimed().await, 0, "it is due in two hours");
    // Nor does the next owner look at it before.
    let freed = store.take_over(&link.tenant.lease, vec![link.name.clone()], Duration::ZERO, steps.clock.now()).await;
    assert_eq!((freed.expect("takes over"), claimed().await), (0, 0));
    steps.advance(world, 7_260);
    assert_eq!(claimed().await, 1);
});

on_both!(a_payment_that_comes_by_webhook_ends_the_wait, prepaid(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::PaidLater);
    delivered(world, &steps, order, "orders/create").await;
    assert_eq!(held_for(world).await, "payment");
    world.shop().change(order, Change::Paid);
    delivered(world, &steps, order, "orders/paid").await;
    assert_state(&world.document().await, State::Written);
    assert!(world.sandbox.books(&[]).is_clean());
});

on_both!(a_payment_whose_webhook_is_lost_is_seen_by_asking, prepaid(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::PaidLater);
    delivered(world, &steps, order, "orders/create").await;
    world.shop().change(order, Change::Paid);
    steps.advance(world, 901);
    steps.run(steps.link()).await;
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
});

on_both!(
    an_order_that_was_held_by_a_clock_that_ran_ahead_does_not_wait_for_that_clock,
    prepaid(),
    async |world: &World| {
        let steps = begin(world).await;
        let right = steps.clock.now();
        steps.clock.set_wall(right.checked_add(jiff::SignedDuration::from_hours(48)).expect("a time"));
        let order = world.shop().place(Story::PaidLater);
        delivered(world, &steps, order, "orders/create").await;
        assert_eq!(held_for(world).await, "payment");
        world.shop().change(order, Change::Paid);
        // The clock is set right: nobody waits two days to look at the order again.
        steps.clock.set_wall(right.checked_add(jiff::SignedDuration::from_secs(5)).expect("a time"));
        steps.run(steps.link()).await;
        steps.run(steps.link()).await;
        assert_state(&world.document().await, State::Written);
    }
);

on_both!(an_order_that_waits_too_long_parks_and_a_person_may_release_it, prepaid(), async |world: &World| {
    {
        let steps = begin(world).await;
        let order = world.shop().place(Story::PaidLater);
        delivered(world, &steps, order, "orders/create").await;
        for _ in 0..5 {
            steps.advance(world, 901);
            steps.run(steps.link()).await;
        }
        let document = world.document().await;
        assert_state(&document, State::Parked);
        let reason = document.reason.expect("a reason");
        assert_eq!(reason.code, "held_too_long");
        assert!(reason.text.contains("payment"), "{}", reason.text);
    }
    let id = world.document().await.id.to_string();
    let (code, _, error) = world.command(&["documents", "release", &id, "--note", "seen on the account"], "");
    assert_eq!(code, 0, "{error}");
    let steps = begin(world).await;
    steps.advance(world, 10);
    steps.run(steps.link()).await;
    let document = world.document().await;
    assert_state(&document, State::Written);
    assert_eq!(document.released, ["payment"]);
    let audit =
        world.database.texts("SELECT act || ' ' || COALESCE(note, '') AS value FROM audit WHERE act = 'release'");
    assert_eq!(audit, ["release not waiting for payment: seen on the account"]);
});

on_both!(an_order_that_is_cancelled_while_it_is_held_is_never_written, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Sold(Feature::ConfirmedLater));
    delivered(world, &steps, order, "orders/create").await;
    assert_eq!(held_for(world).await, "unconfirmed");
    world.shop().change(order, Change::Cancelled);
    delivered(world, &steps, order, "orders/cancelled").await;
    assert_state(&world.document().await, State::Superseded);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 0);
});

fn careful() -> Setup {
    holding("[connections.acme.holds]\nrisk = [\"investigate\", \"cancel\"]\n[connections.acme.charge]")
}

on_both!(the_risk_is_asked_for_until_the_order_stands_in_ifs_and_never_after, careful(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    delivered(world, &steps, order, "orders/create").await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().count_of(Class::GraphQl), 1);
    world.shop().change(order, Change::Note);
    delivered(world, &steps, order, "orders/updated").await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().count_of(Class::GraphQl), 1, "nothing holds a change");
    assert!(world.sandbox.books(&[]).is_clean());
});
