//! One person who buys in two shops of one tenant at once: one customer in IFS, whoever numbers it.

use std::time::Duration;

use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::Story;
use serde_json::{Value, json};

use crate::customers::{begin, creates, matched, of_kind, personal, series};
use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

fn in_two_shops(setup: Setup) -> Setup {
    Setup { two_shops: true, ..setup }
}

/// A guest's order in one of the shops: Shopify gives no number, the e-mail address is the key.
async fn guest_orders(world: &World, steps: &Steps, index: usize) {
    let shop = world.sandbox.shop(index).expect("a shop");
    let body = shop.webhook_body(shop.place(Story::Plain)).expect("a body");
    let mut order: Value = serde_json::from_slice(&body).expect("an order");
    personal(&mut order, "Umea");
    order["customer"] = Value::Null;
    order["billing_address"]["address1"] = json!("Storgatan 1");
    steps.deliver(&steps.links[index], "orders/create", order.to_string().as_bytes()).await;
    steps.map(&steps.links[index]).await;
}

async fn both_write(world: &World, steps: &Steps) {
    for _ in 0..12 {
        tokio::join!(steps.run(&steps.links[0]), steps.run(&steps.links[1]));
        tokio::time::sleep(Duration::from_millis(100)).await;
        steps.advance(world, 61);
    }
}

async fn assert_one_customer_of_both(world: &World) {
    let counts = world.sandbox.ifs().customer_counts();
    assert_eq!((counts.created, counts.double_associations.len()), (1, 0), "{counts:?}");
    let customers = of_kind(world, DocumentKind::Customer).await;
    assert_eq!(customers.len(), 2, "each connection keeps its own document");
    assert_eq!(customers[0].order_no, customers[1].order_no);
    for document in world.documents().await {
        assert_state(&document, State::Written);
    }
    let customer_no = customers[0].order_no.clone().expect("linked");
    let view = world.sandbox.ifs().customer(&customer_no).expect("there");
    assert_eq!((view.addresses.len(), view.address_types.len()), (1, 3));
    assert_eq!(view.methods.iter().filter(|row| row["MethodId"] == "EMail").count(), 1, "{:?}", view.methods);
}

async fn at_once(world: &World) {
    let steps = begin(world).await;
    world.sandbox.faults().times(Class::CustomerCreate, Fault::Slow(Duration::from_millis(300)), 1);
    guest_orders(world, &steps, 0).await;
    guest_orders(world, &steps, 1).await;
    both_write(world, &steps).await;
    assert_one_customer_of_both(world).await;
}

on_both!(two_shops_that_meet_a_guest_at_once_make_one_customer, in_two_shops(matched()), async |world: &World| {
    at_once(world).await;
});

on_both!(
    under_a_series_two_shops_that_meet_a_guest_make_one_customer,
    in_two_shops(series()),
    async |world: &World| {
        at_once(world).await;
    }
);

on_both!(
    under_a_series_a_create_in_doubt_of_one_shop_keeps_the_other_from_making_it,
    Setup { request_timeout: Some(Duration::from_secs(1)), wait_unhonoured: true, ..in_two_shops(series()) },
    async |world: &World| {
        let steps = begin(world).await;
        world.sandbox.faults().once(Class::CustomerCreate, Fault::Hold);
        guest_orders(world, &steps, 0).await;
        guest_orders(world, &steps, 1).await;
        for _ in 0..3 {
            tokio::join!(steps.run(&steps.links[0]), steps.run(&steps.links[1]));
            steps.advance(world, 61);
        }
        assert_eq!((creates(world), world.sandbox.ifs().held()), (1, 1), "the other one waits");
        let waits = of_kind(world, DocumentKind::Customer).await.into_iter().find(|row| row.state == State::Planned);
        assert_eq!(waits.expect("one waits").reason.expect("a reason").code, "made_elsewhere");
        assert_eq!(world.sandbox.ifs().release_held(), 1);
        both_write(world, &steps).await;
        assert_one_customer_of_both(world).await;
        assert_eq!(creates(world), 1);
    }
);
