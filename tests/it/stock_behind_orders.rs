//! Levels and prices make way for orders where a shop has few points: what is written down to be set waits, orders keep their pace, and all
//! of it is set once the bucket fills.

use std::time::Duration;

use futures::future::join_all;
use ml_connector::flow::prices::{self, Polled};
use ml_connector::flow::stock::write;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::Story;
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::shopify::ShopifyError;
use rust_decimal::Decimal;

use crate::on_both;
use crate::stock::{begin, planned};
use crate::support::stocked::priced;
use crate::support::world::{Steps, World};

/// Orders that are read while levels wait.
const ORDERS: usize = 4;

/// Reads an order as the flow does; a long wait for points is the caller's to schedule.
async fn read(steps: &Steps, order_id: u64) {
    loop {
        match steps.link().shopify.order_by_id(order_id).await {
            Ok(order) => break drop(order.expect("the order")),
            Err(ShopifyError::NotNow(_) | ShopifyError::Throttled { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

on_both!(levels_and_prices_wait_while_orders_are_read_and_are_set_behind_them, priced(), async |world: &World| {
    let shop = world.shop();
    let order_id = shop.place(Story::Plain);
    let steps = begin(world).await;
    assert!(planned(&steps).await.to_set > 50);
    assert!(matches!(prices::poll(steps.link()).await.expect("the store works"), Polled::Planned(_)));
    let writes = || (shop.level_writes().len(), shop.standing_writes().len());
    let before = writes();
    // So slow that the levels would have to wait for seconds even if nobody else asked.
    shop.set_cost_bucket(1_000, 100);
    shop.drain_cost_bucket();
    // Sent in vain once, and answered when there are points: from here on the bucket is known.
    read(&steps, order_id).await;

    let behind = async {
        while write::drain(steps.link(), usize::MAX).await.expect("the store works").is_some() {}
        while prices::write::drain(steps.link(), usize::MAX).await.expect("the store works").is_some() {}
    };
    let orders = async {
        // The call is written down, and has asked for its points: orders come later, and go first.
        world.until("SELECT COUNT(*) FROM stock_calls WHERE ended_at IS NULL", 1).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let asked_before = world.sandbox.ledger().count_of(Class::GraphQl);
        join_all((0..ORDERS).map(|_| read(&steps, order_id))).await;
        assert_eq!(writes(), before, "nothing went before them");
        let asked = world.sandbox.ledger().count_of(Class::GraphQl) - asked_before;
        assert!(asked <= ORDERS + 2, "hardly any was sent in vain: {asked}");
        shop.set_cost_bucket(1_000, 1_000);
    };
    tokio::join!(behind, orders);
    // With what the order takes, which IFS does not hold.
    let differences = world.sandbox.stock_books().differences;
    assert!(differences.is_empty(), "{differences:?}");
    let variants = shop.products().into_iter().flat_map(|product| product.variants);
    let price = variants.filter(|(_, sku, ..)| sku.as_ref() == Some(&bulk_sku(0))).map(|(.., price)| price);
    assert_eq!(price.collect::<Vec<_>>(), [Decimal::new(626, 2)], "5.01 without tax");
    assert_eq!(
        world.database.number("SELECT COUNT(*) FROM stock_calls"),
        1,
        "the call that waited is the one that went"
    );
});
