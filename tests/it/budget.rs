//! The points of a shop over real HTTP: who may spend them when there are few.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use ml_connector::clock::Clock;
use ml_connector::remote::{Egress, Tenure};
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::Story;
use ml_connector::sandbox::{Sandbox, SandboxSettings};
use ml_connector::shopify::auth::TokenSource;
use ml_connector::shopify::{Lane, ShopifyClient, ShopifyError, ShopifySettings};

fn client_of(sandbox: &Sandbox) -> ShopifyClient {
    let settings = ShopifySettings {
        name: "connections.acme".to_owned(),
        base_url: sandbox.shop_base_url(0).expect("a shop").parse().expect("a url"),
        api_version: "2026-10".to_owned(),
        token: TokenSource::Offline(sandbox.shop(0).expect("a shop").access_token().to_owned().into()),
        tenure: Tenure::endless(Clock::system()),
    };
    let egress = Egress::allowing(["127.0.0.1"]).expect("a legal list");
    ShopifyClient::new(settings, &egress, Clock::system()).expect("a client")
}

#[tokio::test]
async fn with_an_empty_bucket_orders_go_before_a_sweep_that_asked_earlier_and_the_sweep_ends_too() {
    const OF_EACH: usize = 6;
    let sandbox = Sandbox::start(SandboxSettings::default()).expect("the sandbox starts");
    let shop = sandbox.shop(0).expect("a shop");
    let order_id = shop.place(Story::Plain);
    let orders = client_of(&sandbox);
    let rest = orders.in_lane(Lane::Rest);
    // So slow that a machine which stops for a second does not fill it for the sweep.
    shop.set_cost_bucket(1_000, 100);
    shop.drain_cost_bucket();
    // Sent in vain once, and answered when there are points: from here on the bucket is known.
    orders.order_by_id(order_id).await.expect("an answer").expect("the order");
    let asked_before = sandbox.ledger().count_of(Class::GraphQl);
    assert_eq!(asked_before, 2);

    let ended = Arc::new(Mutex::new(Vec::new()));
    let read = |client: ShopifyClient, lane: Lane| {
        let ended = Arc::clone(&ended);
        async move {
            loop {
                match client.order_by_id(order_id).await {
                    Ok(order) => break drop(order.expect("the order")),
                    // A long wait is the caller's to schedule.
                    Err(ShopifyError::NotNow(_) | ShopifyError::Throttled { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            ended.lock().expect("whole").push(lane);
        }
    };
    let began = Instant::now();
    let swept = join_all((0..OF_EACH).map(|_| read(rest.clone(), Lane::Rest)));
    // Polled after the sweep: each of its calls has asked by then.
    let ordered = join_all((0..OF_EACH).map(|_| read(orders.clone(), Lane::Orders)));
    tokio::join!(biased; swept, ordered);

    let ended = ended.lock().expect("whole").clone();
    let before_the_last_order = ended.iter().rposition(|lane| *lane == Lane::Orders).expect("orders");
    assert_eq!(before_the_last_order, OF_EACH - 1, "all orders first: {ended:?}");
    assert_eq!(ended.len(), 2 * OF_EACH, "nobody is starved");
    assert!(began.elapsed() < Duration::from_secs(60));
    let asked = sandbox.ledger().count_of(Class::GraphQl) - asked_before;
    assert!(asked <= 2 * OF_EACH + 2, "hardly any was sent in vain: {asked}");
}
