//! The points of a shop over real HTTP: who may spend them when there are few.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::future::join_all;
use ml_connector::clock::Clock;
use ml_connector::remote::{Egress, Tenure};
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Story, WAREHOUSE};
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::sandbox::{Sandbox, SandboxSettings, StockUp};
use ml_connector::shopify::auth::TokenSource;
use ml_connector::shopify::stock_write::{SetLevel, SetOutcome};
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

const OF_EACH: usize = 6;

/// Calls until the shop has points for it: a long wait is the caller's to schedule.
async fn until_it_ends<T>(call: impl AsyncFn() -> Result<T, ShopifyError>) -> T {
    loop {
        match call().await {
            Ok(answer) => break answer,
            Err(ShopifyError::NotNow(_) | ShopifyError::Throttled { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// With an empty bucket, calls behind the orders have asked already when orders are asked for: those end first, and nobody is starved.
async fn orders_go_first(sandbox: &Sandbox, behind: impl AsyncFn(&ShopifyClient, usize)) {
    let shop = sandbox.shop(0).expect("a shop");
    let order_id = shop.place(Story::Plain);
    let orders = client_of(sandbox);
    let rest = orders.in_lane(Lane::Rest);
    // So slow that a machine which stops for a second does not fill it for the others.
    shop.set_cost_bucket(1_000, 100);
    shop.drain_cost_bucket();
    // Sent in vain once, and answered when there are points: from here on the bucket is known.
    orders.order_by_id(order_id).await.expect("an answer").expect("the order");
    let asked_before = sandbox.ledger().count_of(Class::GraphQl);
    assert_eq!(asked_before, 2);

    let ended = Mutex::new(Vec::new());
    let ends = |lane: Lane| ended.lock().expect("whole").push(lane);
    let began = Instant::now();
    let waiting = join_all((0..OF_EACH).map(async |index| {
        behind(&rest, index).await;
        ends(Lane::Rest);
    }));
    // Polled after the others: each of their calls has asked by then.
    let ordered = join_all((0..OF_EACH).map(async |_| {
        let order = until_it_ends(async || orders.order_by_id(order_id).await).await;
        drop(order.expect("the order"));
        ends(Lane::Orders);
    }));
    tokio::join!(biased; waiting, ordered);

    let ended = ended.into_inner().expect("whole");
    let before_the_last_order = ended.iter().rposition(|lane| *lane == Lane::Orders).expect("orders");
    assert_eq!(before_the_last_order, OF_EACH - 1, "all orders first: {ended:?}");
    assert_eq!(ended.len(), 2 * OF_EACH, "nobody is starved");
    assert!(began.elapsed() < Duration::from_secs(60));
    let asked = sandbox.ledger().count_of(Class::GraphQl) - asked_before;
    assert!(asked <= 2 * OF_EACH + 2, "hardly any was sent in vain: {asked}");
}

#[tokio::test]
async fn with_an_empty_bucket_orders_go_before_a_sweep_that_asked_earlier_and_the_sweep_ends_too() {
    let sandbox = Sandbox::start(SandboxSettings::default()).expect("the sandbox starts");
    let swept = sandbox.shop(0).expect("a shop").place(Story::Plain);
    orders_go_first(&sandbox, async |client, _| {
        drop(until_it_ends(async || client.order_by_id(swept).await).await.expect("the order"));
    })
    .await;
}

#[tokio::test]
async fn with_an_empty_bucket_orders_go_before_levels_that_were_to_be_set_earlier_and_those_are_set_too() {
    let sandbox = Sandbox::start(SandboxSettings::default()).expect("the sandbox starts");
    sandbox.stock_up(StockUp { bulk: OF_EACH, units: 10, available: 0 });
    let shop = sandbox.shop(0).expect("a shop");
    let items: Vec<u64> = (0..OF_EACH)
        .map(|index| {
            let sku = Some(bulk_sku(index));
            let level = shop.levels().into_iter().find(|level| level.sku == sku && level.location == WAREHOUSE);
            level.expect("it is kept there").item
        })
        .collect();
    orders_go_first(&sandbox, async |client, index| {
        let level = SetLevel { item_id: items[index], location_id: WAREHOUSE, quantity: 7, from: 0 };
        let key = format!("key-{index}");
        let set = until_it_ends(async || client.set_available(&[level], &key, "test://levels").await).await;
        assert_eq!(set, SetOutcome::Done);
    })
    .await;
    assert_eq!(shop.level_writes().len(), OF_EACH);
    assert!((0..OF_EACH).all(|index| shop.available_at(WAREHOUSE)[&bulk_sku(index)] == 7));
}
