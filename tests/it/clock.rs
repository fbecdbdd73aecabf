//! What must hold over minutes and hours, on a hand-moved clock, step by step: late commits, cancellations and new
//! versions while a create is under way, restored backups.

use std::time::Duration;

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use ml_connector::flow::ingest::{DeliveryHeaders, delivery};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Story};
use ml_connector::store::Stored;

use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

/// IFS commits whenever it likes: nothing but the statement limit holds.
fn unhurried() -> Setup {
    Setup { request_timeout: Some(Duration::from_secs(1)), wait_unhonoured: true, ..Setup::default() }
}

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

/// Places an order and delivers its orders/create; nothing is mapped yet.
async fn placed(world: &World, steps: &Steps, story: Story) -> u64 {
    let shop = world.shop();
    let order = shop.place(story);
    steps.deliver(steps.link(), "orders/create", &shop.webhook_body(order).expect("a body")).await;
    order
}

/// Changes an order and delivers that.
async fn changed(world: &World, steps: &Steps, order: u64, change: Change, topic: &str) {
    let shop = world.shop();
    shop.change(order, change);
    steps.deliver(steps.link(), topic, &shop.webhook_body(order).expect("a body")).await;
}

fn creates(world: &World, order: u64) -> usize {
    world.sandbox.ledger().creates_of(&order.to_string())
}

on_both!(an_order_that_ifs_commits_three_minutes_after_our_time_out_is_adopted, unhurried(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::Create, Fault::Hold);
    let order = placed(world, &steps, Story::Plain).await;
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Unknown);
    for _ in 0..3 {
        steps.advance(world, 60);
        steps.run(steps.link()).await;
        assert_state(&world.document().await, State::Unknown);
    }
    assert_eq!(world.sandbox.ifs().release_held(), 1, "IFS commits only now");
    steps.advance(world, 300);
    steps.run(steps.link()).await;
    let document = world.document().await;
    assert_state(&document, State::Written);
    assert_eq!(document.origin.as_deref(), Some("adopted"));
    assert_eq!(world.sandbox.ifs().orders_by_po(&order.to_string()).len(), 1);
    assert_eq!(creates(world, order), 1);
    assert!(world.sandbox.books(&[]).is_clean());
});

on_both!(a_second_create_waits_until_nothing_of_the_first_can_come_any_more, unhurried(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::Create, Fault::Reset);
    let order = placed(world, &steps, Story::Plain).await;
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Unknown);
    let parts = world.database.number("SELECT parts FROM intents").unsigned_abs();
    let not_before = parts * 900 + 1;
    let mut waited = 0;
    while waited + 290 < not_before {
        steps.advance(world, 290);
        waited += 290;
        steps.run(steps.link()).await;
        assert_eq!(creates(world, order), 1, "after {waited} of {not_before} s");
    }
    steps.advance(world, 600);
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(creates(world, order), 2);
    assert!(world.sandbox.books(&[]).is_clean());
    // The look-up came between the two.
    let classes: Vec<Class> = world
        .sandbox
        .ledger()
        .entries_where(|entry| matches!(entry.class, Class::Create | Class::Lookup))
        .iter()
        .map(|entry| entry.class)
        .collect();
    let last = classes.len() - 1;
    assert_eq!((classes[0], classes[last - 1], classes[last]), (Class::Create, Class::Lookup, Class::Create));
});

on_both!(a_lost_create_is_looked_up_at_once_by_the_next_owner, unhurried(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::Create, Fault::Reset);
    let order = placed(world, &steps, Story::Plain).await;
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Unknown);
    let look_ups = || world.sandbox.ledger().count_of(Class::Lookup);
    let before = look_ups();
    steps.run(steps.link()).await;
    assert_eq!(look_ups(), before, "it is not due yet");
    // Nothing is claimed, so nothing is freed by the take-over.
    let (link, name) = (steps.link(), steps.link().name.clone());
    let freed = steps.store.take_over(&link.tenant.lease, vec![name], Duration::ZERO, steps.clock.now()).await;
    assert_eq!(freed.expect("takes over"), 0);
    steps.run(link).await;
    assert!(look_ups() > before, "the next owner asks what became of it");
    assert_state(&world.document().await, State::Unknown);
    assert_eq!(creates(world, order), 1);
});

on_both!(a_wall_clock_that_jumps_does_not_shorten_the_wait, unhurried(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::Create, Fault::Reset);
    let order = placed(world, &steps, Story::Plain).await;
    steps.run(steps.link()).await;
    let years = Timestamp::now().checked_add(jiff::SignedDuration::from_hours(24 * 3_650)).expect("in range");
    steps.clock.set_wall(years);
    for _ in 0..5 {
        steps.run(steps.link()).await;
        steps.clock.set_wall(steps.clock.now().checked_add(jiff::SignedDuration::from_hours(1)).expect("in range"));
    }
    assert_eq!(creates(world, order), 1, "only watched time counts");
    assert_state(&world.document().await, State::Unknown);
});

on_both!(
    an_order_cancelled_while_unknown_never_stays_live_when_ifs_commits_late,
    unhurried(),
    async |world: &World| {
        let steps = begin(world).await;
        world.sandbox.faults().once(Class::Create, Fault::Hold);
        let order = placed(world, &steps, Story::CancelledAfterWritten).await;
        steps.run(steps.link()).await;
        changed(world, &steps, order, Change::Cancelled, "orders/cancelled").await;
        steps.advance(world, 30);
        steps.run(steps.link()).await;
        assert_state(&world.document().await, State::Unknown);
        world.sandbox.ifs().release_held();
        steps.advance(world, 300);
        steps.run(steps.link()).await;
        assert_state(&world.document().await, State::Written);
        let held = world.sandbox.ifs().orders_by_po(&order.to_string());
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].field("Objstate"), "Cancelled");
        assert_eq!(creates(world, order), 1);
    }
);

on_both!(an_order_cancelled_while_unknown_ends_superseded_when_ifs_never_got_it, unhurried(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::Create, Fault::Reset);
    let order = placed(world, &steps, Story::CancelledAfterWritten).await;
    steps.run(steps.link()).await;
    changed(world, &steps, order, Change::Cancelled, "orders/cancelled").await;
    steps.map(steps.link()).await;
    for _ in 0..120 {
        steps.advance(world, 290);
        steps.run(steps.link()).await;
    }
    assert_state(&world.document().await, State::Superseded);
    assert!(world.sandbox.ifs().orders_by_po(&order.to_string()).is_empty());
    assert_eq!(creates(world, order), 1);
});

on_both!(a_new_version_that_comes_while_writing_follows_the_first, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::Create, Fault::Slow(Duration::from_millis(700)));
    let order = placed(world, &steps, Story::NoteChanged).await;
    steps.map(steps.link()).await;
    let meanwhile = async {
        while world.document().await.state != State::Writing {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        changed(world, &steps, order, Change::Note, "orders/updated").await;
        steps.map(steps.link()).await;
        assert_state(&world.document().await, State::Writing);
    };
    tokio::join!(steps.write(steps.link()), meanwhile);
    steps.run(steps.link()).await;
    let document = world.document().await;
    assert_state(&document, State::Written);
    assert_eq!((document.desired_version, document.written_version), (2, 2));
    let outcomes = world.database.texts("SELECT step || ' ' || outcome AS value FROM attempts ORDER BY id");
    assert_eq!(outcomes, ["create written", "amend written"]);
    assert!(world.sandbox.books(&[]).is_clean());
});

on_both!(three_topics_under_one_event_id_are_all_taken, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = placed(world, &steps, Story::SeveralChanges).await;
    changed(world, &steps, order, Change::Paid, "orders/paid").await;
    changed(world, &steps, order, Change::Note, "orders/updated").await;
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox WHERE event_id = 'event-1'"), 3);
    steps.run(steps.link()).await;
    let document = world.document().await;
    assert_state(&document, State::Written);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox WHERE state = 'mapped'"), 3);
    assert!(world.sandbox.books(&[]).is_clean());
});

on_both!(one_body_under_one_webhook_id_and_two_topics_is_two_deliveries, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let body = world.shop().webhook_body(world.shop().place(Story::Plain)).expect("a body");
    let topics = ["orders/create", "orders/paid", "orders/create"];
    // One by one, then in one group.
    for topic in topics {
        steps.deliver_as(steps.link(), topic, &body, "webhook-1").await;
    }
    let row = |topic: &str| {
        let (topic, webhook_id) = (topic.to_owned(), "webhook-2".to_owned());
        let headers = DeliveryHeaders { topic, webhook_id, ..DeliveryHeaders::default() };
        delivery(&steps.link().name, headers, &body, steps.clock.now())
    };
    let stored = steps.store.insert_deliveries(topics.map(row).into()).await;
    let new: Vec<bool> = stored.into_iter().map(|one| matches!(one.expect("stores"), Stored::New(_))).collect();
    assert_eq!(new, [true, true, false], "the same under the same topic is known");
    for webhook_id in ["webhook-1", "webhook-2"] {
        let of_it = format!("SELECT topic AS value FROM inbox WHERE webhook_id = '{webhook_id}' ORDER BY topic");
        assert_eq!(world.database.texts(&of_it), ["orders/create", "orders/paid"], "{webhook_id}");
    }
});

on_both!(the_last_version_wins_whatever_the_order_of_arrival, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let shop = world.shop();
    let order = shop.place(Story::SeveralChanges);
    for change in [Change::Paid, Change::Note, Change::Address] {
        shop.change(order, change);
    }
    for version in [2, 0, 3, 1, 3, 0] {
        let body = shop.webhook_body_of_version(order, version).expect("a body");
        steps.deliver(steps.link(), if version == 0 { "orders/create" } else { "orders/updated" }, &body).await;
        steps.run(steps.link()).await;
    }
    assert_state(&world.document().await, State::Written);
    assert_eq!(creates(world, order), 1);
    assert!(world.sandbox.books(&[]).is_clean());
});

on_both!(a_database_restored_from_before_a_hundred_orders_doubles_none, Setup::default(), async |world: &World| {
    let shop = world.shop();
    let mut bodies = Vec::new();
    {
        let steps = begin(world).await;
        for _ in 0..100 {
            let order = placed(world, &steps, Story::Plain).await;
            bodies.push(shop.webhook_body(order).expect("a body"));
        }
        steps.run(steps.link()).await;
    }
    assert_eq!(world.sandbox.ifs().order_count(), 100);
    // The restored database knows none of them, and says so before it serves.
    let restored = if world.database.url.starts_with("sqlite") {
        crate::support::database::Database::sqlite()
    } else {
        crate::support::database::Database::postgres().expect("the server runs")
    };
    let after = world.beside(restored, Setup::default()).await;
    let (code, said, _) = after.command(&["migrate", "mark-restored"], "");
    assert_eq!(code, 0, "{said}");
    let steps = begin(&after).await;
    for body in &bodies {
        steps.deliver(steps.link(), "orders/create", body).await;
    }
    steps.run(steps.link()).await;
    let documents = after.documents().await;
    assert_eq!(documents.len(), 100);
    for document in &documents {
        assert_state(document, State::Written);
        assert_eq!(document.origin.as_deref(), Some("adopted"));
    }
    assert_eq!(world.sandbox.ifs().order_count(), 100);
    assert_eq!(world.sandbox.ledger().count_of(Class::Create), 100);
    assert!(world.sandbox.books(&[]).is_clean());
});

on_both!(an_order_that_comes_late_is_looked_up_before_it_is_created, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = placed(world, &steps, Story::PlacedEarlier).await;
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Written);
    let classes = world.sandbox.ledger().entries_where(|entry| matches!(entry.class, Class::Create | Class::Lookup));
    assert_eq!(classes.iter().map(|entry| entry.class).collect::<Vec<_>>(), [Class::Lookup, Class::Create]);
    assert_eq!(creates(world, order), 1);
});

on_both!(equal_times_with_other_content_are_settled_by_one_re_read, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let shop = world.shop();
    let order = placed(world, &steps, Story::NoteChanged).await;
    let first = shop.webhook_body(order).expect("a body");
    steps.run(steps.link()).await;
    shop.change_in_the_same_second(order, Change::Note);
    let second = shop.webhook_body(order).expect("a body");
    for body in [&second, &first, &second, &first] {
        steps.deliver(steps.link(), "orders/updated", body).await;
        steps.run(steps.link()).await;
    }
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().count_of(Class::GraphQl), 1, "one re-read for this order, time and content");
    assert!(world.sandbox.books(&[]).is_clean());
});

on_both!(a_throttled_re_read_comes_again, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let shop = world.shop();
    let order = placed(world, &steps, Story::NoteChanged).await;
    steps.run(steps.link()).await;
    shop.change_in_the_same_second(order, Change::Note);
    world.sandbox.faults().once(Class::GraphQl, Fault::Throttled);
    world.sandbox.faults().once(Class::GraphQl, Fault::TooMany("1".to_owned()));
    steps.deliver(steps.link(), "orders/updated", &shop.webhook_body(order).expect("a body")).await;
    for _ in 0..6 {
        steps.run(steps.link()).await;
        steps.advance(world, 10);
    }
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.faults().scripted_left(), 0);
    assert!(world.sandbox.books(&[]).is_clean());
});
