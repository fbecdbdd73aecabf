//! Many at once, and persons in IFS beside us: one create for each order, and no field of either side lost.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ifs::RowOf;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Story, WebhookOverrides};
use ml_connector::store::{Claimed, IntentKind, NewIntent, Progress, Settle, Settled, StoreError, Takeover};

use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

/// An order that stands in IFS; gives Shopify's id and IFS's number.
async fn written(world: &World, steps: &Steps, story: Story) -> (u64, String) {
    let shop = world.shop();
    let order = shop.place(story);
    steps.deliver(steps.link(), "orders/create", &shop.webhook_body(order).expect("a body")).await;
    steps.run(steps.link()).await;
    let document = world.document().await;
    assert_state(&document, State::Written);
    (order, document.order_no.expect("a number"))
}

async fn change(world: &World, steps: &Steps, order: u64, change: Change) {
    let shop = world.shop();
    shop.change(order, change);
    steps.deliver(steps.link(), "orders/updated", &shop.webhook_body(order).expect("a body")).await;
    steps.run(steps.link()).await;
}

fn writes(world: &World) -> usize {
    let ledger = world.sandbox.ledger();
    [Class::Create, Class::Amend, Class::Action].into_iter().map(|class| ledger.count_of(class)).sum()
}

on_both!(fifty_events_of_one_order_at_once_make_one_order_with_one_create, Setup::default(), async |world: &World| {
    let service = world.service().await;
    let url = format!("http://{}/webhooks/acme", service.webhooks());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = actix_rt::spawn(service.run(async move {
        stopped.await.unwrap_or_default();
        "the end of the test".to_owned()
    }));
    let shop = world.shop();
    let order = shop.place(Story::SeveralChanges);
    for change in [Change::Paid, Change::Note, Change::Address] {
        shop.change(order, change);
    }
    let sends = (0..50).map(|index| {
        let body = shop.webhook_body_of_version(order, index % 4).expect("a body");
        let topic = ["orders/create", "orders/paid", "orders/updated"][index % 3];
        let (shop, url) = (shop.clone(), url.clone());
        async move { shop.send_webhook(&url, topic, body, WebhookOverrides::default()).await.status }
    });
    let statuses = futures::future::join_all(sends).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    world.quiet().await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
    assert!(world.sandbox.books(&[]).is_clean());
    stop.send(()).expect("the service runs");
    running.await.expect("ends").expect("ends well");
});

on_both!(two_tasks_that_claim_one_document_write_once, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let shop = world.shop();
    let order = shop.place(Story::Plain);
    steps.deliver(steps.link(), "orders/create", &shop.webhook_body(order).expect("a body")).await;
    steps.map(steps.link()).await;
    let claims = (0..8).map(|_| {
        let (store, link, now) = (steps.store.clone(), steps.link(), steps.clock.now());
        async move {
            store
                .claim_due(&link.tenant.lease, &link.name, &[DocumentKind::CustomerOrder], now, 10)
                .await
                .expect("claims")
                .len()
        }
    });
    let claimed: Vec<usize> = futures::future::join_all(claims).await;
    assert_eq!(claimed.iter().sum::<usize>(), 1, "{claimed:?}");
    // The claim ends with its owner; then two writers at once.
    let link = steps.link();
    let freed =
        steps.store.take_over(&link.tenant.lease, vec![link.name.clone()], Duration::ZERO, steps.clock.now()).await;
    assert_eq!(freed.expect("frees"), 1);
    tokio::join!(steps.write(link), steps.write(link), steps.write(link));
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
});

/// A document that waits to be written, claimed by a step.
async fn claimed(steps: &Steps) -> Claimed {
    let link = steps.link();
    let kinds = &[DocumentKind::CustomerOrder];
    let claimed = steps.store.claim_due(&link.tenant.lease, &link.name, kinds, steps.clock.now(), 10).await;
    let mut claimed = claimed.expect("claims");
    assert_eq!(claimed.len(), 1);
    claimed.remove(0)
}

/// What a settle or a progress would change of the only document.
fn standing(world: &World) -> String {
    let columns = "state || COALESCE(claim, '') || COALESCE(written, '') || CAST(attempts AS TEXT)";
    world.database.texts(&format!("SELECT {columns} AS value FROM documents")).concat()
}

/// Ends a step of this claim: the document would come again.
async fn settle(steps: &Steps, claimed: &Claimed) -> Result<State, StoreError> {
    let now = steps.clock.now();
    let settle = Settle {
        settled: Settled::Again { own_fault: true, due_at: now, reason: None },
        version: claimed.desired_version,
        close: None,
        link: None,
        written: None,
        awaited: None,
        follow_ups: Vec::new(),
        attempt: None,
        now,
    };
    steps.store.settle(&steps.link().tenant.lease, claimed, settle).await
}

/// Neither the end of a step nor what it reached on its way is taken from this claim any more.
async fn assert_fenced(world: &World, steps: &Steps, claimed: &Claimed) {
    let before = standing(world);
    let ended = settle(steps, claimed).await;
    assert!(matches!(ended, Err(StoreError::Fenced)), "{ended:?}");
    let reached = Progress { written: Some("{}".to_owned()), ..Progress::default() };
    let reached = steps.store.progress(&steps.link().tenant.lease, claimed, reached, steps.clock.now()).await;
    assert!(matches!(reached, Err(StoreError::Fenced)), "{reached:?}");
    assert_eq!(standing(world), before);
}

on_both!(a_step_whose_lease_was_taken_over_settles_nothing, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    steps.deliver(steps.link(), "orders/create", &world.shop().webhook_body(order).expect("a body")).await;
    steps.map(steps.link()).await;
    let claimed = claimed(&steps).await;
    // The claim still stands: the next owner has not freed it yet.
    let (name, lasts) = (steps.link().tenant.lease.name.clone(), Duration::from_secs(60));
    steps.store.acquire_lease(name, "another".to_owned(), lasts, Takeover::Proven).await.expect("takes over");
    assert_fenced(world, &steps, &claimed).await;
});

on_both!(a_step_whose_claim_is_anothers_by_now_settles_nothing, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    steps.deliver(steps.link(), "orders/create", &world.shop().webhook_body(order).expect("a body")).await;
    steps.map(steps.link()).await;
    let (link, first) = (steps.link(), claimed(&steps).await);
    let freed =
        steps.store.take_over(&link.tenant.lease, vec![link.name.clone()], Duration::ZERO, steps.clock.now()).await;
    assert_eq!(freed.expect("frees"), 1);
    assert_fenced(world, &steps, &first).await;
    let second = claimed(&steps).await;
    assert_fenced(world, &steps, &first).await;
    assert_eq!(settle(&steps, &second).await.expect("it holds the claim"), State::Retry);
});

on_both!(an_intent_whose_calls_end_nobody_saw_is_watched_longer_once, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    steps.deliver(steps.link(), "orders/create", &world.shop().webhook_body(order).expect("a body")).await;
    steps.map(steps.link()).await;
    let (link, store, now) = (steps.link(), &steps.store, steps.clock.now());
    let first = claimed(&steps).await;
    let intent = NewIntent {
        kind: IntentKind::Create,
        content: first.desired.clone(),
        desired_version: first.desired_version,
        parts: 1,
        send_by: now,
        needed: Duration::from_secs(60),
    };
    store.open_intent(&link.tenant.lease, &first, intent, now).await.expect("opens");
    // Its owner dies; so does the next one, before it has looked.
    for owner in ["the next", "the one after"] {
        let call_limit = Duration::from_secs(7);
        let freed = store.take_over(&link.tenant.lease, vec![link.name.clone()], call_limit, now).await;
        assert_eq!(freed.expect("frees"), 1);
        let intent = claimed(&steps).await.intent.expect("it is open");
        assert_eq!(intent.needed, Duration::from_secs(60 + 7), "{owner}");
    }
});

on_both!(a_persons_field_survives_a_storm_of_412_and_ours_arrives, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let (order, order_no) = written(world, &steps, Story::NoteChanged).await;
    let ifs = world.sandbox.ifs();
    ifs.person_edits(&order_no, RowOf::Header, "CustRef", "call before delivery").expect("a person may");
    world.sandbox.faults().once(Class::Amend, Fault::Storm(3));
    change(world, &steps, order, Change::Note).await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(ifs.order(&order_no).expect("there").field("CustRef"), "call before delivery");
    let refused = world.sandbox.ledger().entries_where(|entry| entry.class == Class::Amend);
    assert!(refused.len() >= 2, "the storm was met: {} amendments", refused.len());
    assert!(world.sandbox.books(&[]).is_clean(), "{:?}", world.sandbox.books(&[]).differences);
    assert_eq!(world.sandbox.ledger().counters().if_match_any, 0);
});

on_both!(a_storm_that_does_not_end_comes_again_later, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let (order, _) = written(world, &steps, Story::NoteChanged).await;
    world.sandbox.faults().times(Class::Amend, Fault::Storm(1), 7);
    change(world, &steps, order, Change::Note).await;
    let document = world.document().await;
    assert!(matches!(document.state, State::Retry | State::Unknown), "{:?}", document.state);
    for _ in 0..4 {
        steps.advance(world, 600);
        steps.run(steps.link()).await;
    }
    assert_state(&world.document().await, State::Written);
    assert!(world.sandbox.books(&[]).is_clean());
});

on_both!(a_replay_writes_nothing, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let (order, _) = written(world, &steps, Story::SeveralChanges).await;
    for kind in [Change::Paid, Change::Note, Change::Address] {
        change(world, &steps, order, kind).await;
    }
    assert!(world.sandbox.books(&[]).is_clean());
    let (before, requests) = (writes(world), world.sandbox.ledger().counters().ifs_requests);
    for version in 0..4 {
        let body = world.shop().webhook_body_of_version(order, version).expect("a body");
        steps.deliver(steps.link(), "orders/updated", &body).await;
        steps.run(steps.link()).await;
    }
    assert_eq!(writes(world), before);
    assert_eq!(world.sandbox.ledger().counters().ifs_requests, requests, "not even a read");
});

on_both!(a_field_that_both_changed_parks_and_nothing_is_written, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let (order, order_no) = written(world, &steps, Story::NoteChanged).await;
    let ifs = world.sandbox.ifs();
    ifs.person_edits(&order_no, RowOf::Header, "NoteText", "a person's own note").expect("a person may");
    let before = writes(world);
    change(world, &steps, order, Change::Note).await;
    let document = world.document().await;
    assert_state(&document, State::Parked);
    assert_eq!(document.reason.expect("a reason").code, "both_sides_changed");
    assert_eq!(writes(world), before);
    assert_eq!(ifs.order(&order_no).expect("there").field("NoteText"), "a person's own note");
});

on_both!(amendments_of_existing_rows_arrive_to_the_cent, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let shop = world.shop();
    let mut orders = BTreeMap::new();
    for (story, kind) in [
        (Story::QuantityDown, Change::QuantityDown),
        (Story::QuantityUp, Change::QuantityUp),
        (Story::PriceChanged, Change::LineDiscount),
        (Story::AddressChanged, Change::Address),
        (Story::PaidLater, Change::Paid),
    ] {
        let order = shop.place(story);
        steps.deliver(steps.link(), "orders/create", &shop.webhook_body(order).expect("a body")).await;
        orders.insert(order, kind);
    }
    steps.run(steps.link()).await;
    for (order, kind) in orders {
        change(world, &steps, order, kind).await;
    }
    for document in world.documents().await {
        assert_state(&document, State::Written);
    }
    assert!(world.sandbox.books(&[]).is_clean(), "{:?}", world.sandbox.books(&[]).differences);
});

on_both!(a_change_beyond_the_pick_list_waits_for_a_person, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let (order, order_no) = written(world, &steps, Story::AddressChanged).await;
    world.sandbox.ifs().set_state(&order_no, "Picked").expect("picking may");
    let before = writes(world);
    change(world, &steps, order, Change::Address).await;
    assert_eq!(world.document().await.reason.expect("a reason").code, "state_forbids_change");
    change(world, &steps, order, Change::Cancelled).await;
    let document = world.document().await;
    assert_state(&document, State::Parked);
    assert_eq!(document.reason.expect("a reason").code, "state_forbids_cancel");
    assert_eq!(writes(world), before);
});

on_both!(
    an_amendment_whose_answer_is_lost_is_read_again_and_not_taken_for_a_persons,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let (order, _) = written(world, &steps, Story::SeveralChanges).await;
        world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
        change(world, &steps, order, Change::Note).await;
        assert_state(&world.document().await, State::Unknown);
        // A newer version comes before the lost one is settled.
        change(world, &steps, order, Change::Note).await;
        steps.advance(world, 30);
        steps.run(steps.link()).await;
        assert_state(&world.document().await, State::Written);
        assert!(world.sandbox.books(&[]).is_clean(), "{:?}", world.sandbox.books(&[]).differences);
    }
);

on_both!(a_record_that_vanished_is_never_created_again, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let (order, order_no) = written(world, &steps, Story::NoteChanged).await;
    assert!(world.sandbox.ifs().person_erases(&order_no));
    change(world, &steps, order, Change::Note).await;
    let document = world.document().await;
    assert_state(&document, State::Parked);
    assert_eq!(document.reason.expect("a reason").code, "vanished");
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
});

on_both!(two_records_with_our_key_are_a_persons, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let shop = world.shop();
    let order = shop.place(Story::PlacedEarlier);
    let ifs = world.sandbox.ifs();
    for _ in 0..2 {
        ifs.add_foreign_order(&order.to_string(), "S10", None).expect("a person keys it");
    }
    steps.deliver(steps.link(), "orders/create", &shop.webhook_body(order).expect("a body")).await;
    steps.run(steps.link()).await;
    let document = world.document().await;
    assert_state(&document, State::Parked);
    assert_eq!(document.reason.expect("a reason").code, "several_records_with_our_key");
    assert_eq!(world.sandbox.ledger().count_of(Class::Create), 0);
});
