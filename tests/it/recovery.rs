//! What must be found again after something broke: claims, lost readings, parks under mended settings, and records that
//! nobody knows the making of.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::failpoint;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Feature, Story};

use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

async fn deliver(world: &World, steps: &Steps, order: u64, topic: &str) {
    steps.deliver(steps.link(), topic, &world.shop().webhook_body(order).expect("a body")).await;
}

on_both!(a_claim_that_a_broken_step_left_is_freed_without_a_restart, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    deliver(world, &steps, order, "orders/create").await;
    steps.map(steps.link()).await;
    let link = steps.link();
    let claimed = steps
        .store
        .claim_due(&link.tenant.lease, &link.name, &[DocumentKind::CustomerOrder], steps.clock.now(), 1)
        .await
        .expect("claims");
    assert_eq!(claimed.len(), 1);
    steps.write(link).await;
    assert_state(&world.document().await, State::Writing);
    link.broke_off.store(true, Ordering::Release);
    steps.write(link).await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
});

on_both!(a_keeper_that_dies_with_the_lease_taken_is_no_obstacle, Setup::default(), async |world: &World| {
    let died = Rc::new(Cell::new(false));
    let dies = Rc::clone(&died);
    let _watching = failpoint::watch(move |point| point == failpoint::LEASE_TAKEN && !dies.replace(true));
    let service = world.service().await;
    let url = format!("http://{}/webhooks/acme", service.webhooks());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = actix_rt::spawn(service.run(async move {
        stopped.await.unwrap_or_default();
        "the end of the test".to_owned()
    }));
    let order = world.shop().place(Story::Plain);
    assert_eq!(world.shop().send_order(&url, "orders/create", order).await.status, 200);
    world.quiet().await;
    assert!(died.get(), "the first keeper died between the lease and the start");
    assert_state(&world.document().await, State::Written);
    // The next one went on under the same lease.
    assert_eq!(world.database.number("SELECT generation FROM leases"), 1);
    stop.send(()).expect("the service runs");
    running.await.expect("ends").expect("ends well");
});

on_both!(a_version_that_comes_before_the_first_was_read_back_still_arrives, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let shop = world.shop();
    let order = shop.place(Story::AddressChanged);
    deliver(world, &steps, order, "orders/create").await;
    world.sandbox.faults().times(Class::Read, Fault::BusyHtml, 20);
    steps.run(steps.link()).await;
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
    assert_state(&world.document().await, State::Unknown);
    shop.change(order, Change::Address);
    deliver(world, &steps, order, "orders/updated").await;
    steps.map(steps.link()).await;
    world.sandbox.faults().clear();
    for _ in 0..3 {
        steps.advance(world, 60);
        steps.run(steps.link()).await;
    }
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
    assert!(world.sandbox.books(&[]).is_clean(), "{:?}", world.sandbox.books(&[]).differences);
});

on_both!(
    two_records_seen_once_are_never_created_beside_whatever_comes_after,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let shop = world.shop();
        let order = shop.place(Story::SeveralChanges);
        let ifs = world.sandbox.ifs();
        for _ in 0..2 {
            ifs.add_foreign_order(&order.to_string(), "S10", None).expect("a person keys it");
        }
        world.sandbox.faults().once(Class::Create, Fault::Reset);
        deliver(world, &steps, order, "orders/create").await;
        for _ in 0..40 {
            steps.run(steps.link()).await;
            steps.advance(world, 30);
        }
        let parked = |document: ml_connector::store::DocumentRow| {
            assert_state(&document, State::Parked);
            document.reason.expect("a reason").code
        };
        assert_eq!(parked(world.document().await), "several_records_with_our_key");
        // A version that parks for another reason, then one that would be written.
        let contradicting = String::from_utf8(shop.webhook_body(order).expect("a body").to_vec()).expect("UTF-8");
        let contradicting = contradicting
            .replace("\"confirmed\":true", "\"confirmed\":false")
            .replace("updated_at\":\"2026", "updated_at\":\"2027");
        steps.deliver(steps.link(), "orders/updated", contradicting.as_bytes()).await;
        steps.run(steps.link()).await;
        assert_eq!(parked(world.document().await), "several_records_with_our_key");
        let plain = contradicting
            .replace("\"confirmed\":false", "\"confirmed\":true")
            .replace("updated_at\":\"2027", "updated_at\":\"2028");
        steps.deliver(steps.link(), "orders/updated", plain.as_bytes()).await;
        steps.run(steps.link()).await;
        assert_eq!(parked(world.document().await), "several_records_with_our_key");
        assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1, "only the one that was reset");
    }
);

fn without_freight() -> Setup {
    Setup {
        edits: vec![("shipping = { default = \"FREIGHT\" }", "shipping = { NONE = \"FREIGHT\" }")],
        ..Setup::default()
    }
}

on_both!(a_park_under_mended_settings_is_judged_anew_by_a_retry, without_freight(), async |world: &World| {
    {
        let steps = begin(world).await;
        for _ in 0..6 {
            let order = world.shop().place(Story::Plain);
            deliver(world, &steps, order, "orders/create").await;
        }
        steps.run(steps.link()).await;
    }
    let parked: Vec<_> =
        world.documents().await.into_iter().filter(|document| document.state == State::Parked).collect();
    assert!(!parked.is_empty(), "at least one of six orders has shipping");
    let settings = std::fs::read_to_string(&world.config).expect("reads");
    std::fs::write(&world.config, settings.replace("NONE = \"FREIGHT\"", "default = \"FREIGHT\"")).expect("writes");
    for document in &parked {
        let (code, _, said) = world.command(&["documents", "retry", &document.id.to_string()], "");
        assert_eq!(code, 0, "{said}");
    }
    let steps = begin(world).await;
    steps.run(steps.link()).await;
    for document in world.documents().await {
        assert_state(&document, State::Written);
    }
    assert!(world.sandbox.books(&[]).is_clean());
});

on_both!(an_order_that_a_person_keyed_otherwise_is_not_adopted, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::PlacedEarlier);
    let keyed = world.sandbox.ifs().add_foreign_order(&order.to_string(), "S10", None).expect("a person keys it");
    deliver(world, &steps, order, "orders/create").await;
    steps.run(steps.link()).await;
    let document = world.document().await;
    assert_state(&document, State::Parked);
    assert!(document.reason.expect("a reason").text.contains(&keyed));
    assert_eq!(world.sandbox.ledger().count_of(Class::Create), 0);
});

fn shared() -> Setup {
    Setup { edits: vec![("mode = \"live\"", "mode = \"live\"\nshared_app_secret = true")], ..Setup::default() }
}

on_both!(under_a_shared_secret_an_order_that_the_shop_does_not_know_gets_no_rows, shared(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    let body = String::from_utf8(world.shop().webhook_body(order).expect("a body").to_vec()).expect("UTF-8");
    // Another shop's order: this shop's API does not know its id.
    let other = body.replace(&order.to_string(), "4200000000000000042");
    steps.deliver(steps.link(), "orders/create", other.as_bytes()).await;
    deliver(world, &steps, order, "orders/create").await;
    for _ in 0..8 {
        steps.run(steps.link()).await;
        steps.advance(world, 20);
    }
    assert_eq!(world.document().await.order_id, order, "only the shop's own order has a document");
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox WHERE state = 'quarantined'"), 1);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM orders"), 1);
});

fn another_site() -> Setup {
    let edits = vec![("mode = \"live\"", "mode = \"live\"\nsites = { 655441491 = { site = \"S11\" } }")];
    Setup { edits, ..Setup::default() }
}

on_both!(a_lost_create_is_looked_up_at_the_site_where_it_was_made, another_site(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Sold(Feature::PointOfSale));
    world.sandbox.faults().once(Class::Create, Fault::DropAnswer);
    deliver(world, &steps, order, "orders/create").await;
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Unknown);
    steps.advance(world, 20);
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Written);
    let made = world.sandbox.ifs().orders_by_po(&order.to_string());
    assert_eq!((made.len(), made[0].field("Contract")), (1, "S11"));
});
