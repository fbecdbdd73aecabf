//! Whose turn it is where Shopify has few points: orders come between every few calls, and each product has its turn though no look
//! comes to its end.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ml_connector::actors::shopify_writer::ShopifyWriter;
use ml_connector::cli::demo_settings::Manner;
use ml_connector::clock::Clock;
use ml_connector::flow::stock::outs::{self, Looked};
use ml_connector::sandbox::StockUp;
use ml_connector::sandbox::shopify::{ONLINE_STORE, POINT_OF_SALE, Story};
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::shopify::ShopifyError;
use ml_connector::supervision::{Pace, Step as _};

use crate::on_both;
use crate::stock::{an_hour_later, begin, counts, look_at_all, synced};
use crate::support::stocked::{DRAFTS, UNPUBLISHED, hourly};
use crate::support::world::{Setup, Steps, World};

/// Products that run out at once, of five SKUs each.
const PRODUCTS: usize = 100;
/// Calls to Shopify between an order's number in IFS and the one that tells it: what was begun, the call itself, and some sent in vain.
const CALLS_BEFORE: u64 = 12;

fn telling() -> Setup {
    Setup { manner: Manner::Telling, ..hourly(&[DRAFTS]) }
}

fn requests(world: &World) -> u64 {
    world.sandbox.ledger().counters().shopify_requests
}

/// Reads an order, until there are points for it: from here on the bucket is known.
async fn read(steps: &Steps, order_id: u64) {
    loop {
        match steps.link().shopify.order_by_id(order_id).await {
            Ok(order) => break drop(order.expect("the order")),
            Err(ShopifyError::NotNow(_) | ShopifyError::Throttled { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

on_both!(an_order_is_told_behind_a_few_calls_while_a_hundred_products_run_out, telling(), async |world: &World| {
    let shop = world.shop();
    // 1. All is planned, and the order is not in IFS yet.
    world.sandbox.stock_up(StockUp { bulk: 5 * PRODUCTS, units: 10, available: 10 });
    let steps = world.steps(&Clock::manual(Timestamp::now())).await;
    (0..5 * PRODUCTS).map(bulk_sku).for_each(|sku| counts(world, &sku, 0));
    let order_id = shop.place(Story::Plain);
    synced(&steps).await;
    shop.set_cost_bucket(1_000, 300);
    shop.drain_cost_bucket();
    read(&steps, order_id).await;

    // 2. It gets its number while the actor is at the products.
    let writer = ShopifyWriter { link: Arc::clone(&steps.links[0]) };
    let is_told = Cell::new(false);
    let turns = async {
        while !is_told.get() {
            match writer.run().await {
                Pace::More => {}
                // A call that came in vain.
                Pace::Due(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Pace::Idle | Pace::Failed => panic!("there are products left"),
            }
        }
    };
    let order = async {
        while shop.standing_writes().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        steps.write(steps.link()).await;
        let before = requests(world);
        world.until("SELECT COUNT(*) FROM documents WHERE kind = 'write_back' AND state = 'written'", 1).await;
        let asked = requests(world) - before;
        is_told.set(true);
        assert!(asked <= CALLS_BEFORE, "{asked} calls came before it");
        let disabled = shop.standing_writes().len();
        assert!(disabled < PRODUCTS / 2, "{disabled} products came before it");
    };
    tokio::join!(turns, order);
});

on_both!(each_product_has_its_turn_though_each_look_is_cut_short, hourly(&[UNPUBLISHED]), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let mut products: Vec<u64> = (0..8).map(|nth| shop.product_of(&bulk_sku(nth * 5)).expect("it is sold")).collect();
    products.sort_unstable();
    let (last, others) = products.split_last().expect("eight");
    let published = || shop.products().into_iter().find(|one| one.id == *last).expect("it is there").published;
    (0..40).map(bulk_sku).for_each(|sku| counts(world, &sku, 0));
    // 1. All are out; all but the last are on no channel, which only the shop tells, each time.
    for product in others {
        shop.staff_unpublish(*product, ONLINE_STORE);
        shop.staff_unpublish(*product, POINT_OF_SALE);
    }
    for _ in 0..2 {
        an_hour_later(world, &steps);
        synced(&steps).await;
        let before = requests(world);
        assert_eq!(outs::look(steps.link()).await.expect("the store works"), Looked::More);
        let asked = requests(world) - before;
        assert!(asked <= 7, "{asked} calls in one look");
    }
    assert!(published().is_empty(), "the second look went on behind the first");
    look_at_all(&steps).await;
    assert_eq!(world.database.texts("SELECT state AS value FROM stock_outs"), ["disabled"]);
    // 2. What is there again waits for none of those.
    let sku = shop
        .products()
        .into_iter()
        .filter(|one| one.id == *last)
        .find_map(|one| one.variants.into_iter().find_map(|(_, sku, ..)| sku))
        .expect("it has one");
    counts(world, &sku, 3);
    an_hour_later(world, &steps);
    synced(&steps).await;
    outs::look(steps.link()).await.expect("the store works");
    assert_eq!(published(), [ONLINE_STORE, POINT_OF_SALE]);
    look_at_all(&steps).await;
    assert_eq!(world.database.texts("SELECT ended AS value FROM stock_outs"), ["enabled"]);
    assert_eq!(outs::look(steps.link()).await.expect("the store works"), Looked::Done);
});

on_both!(what_is_stored_already_is_not_asked_for, hourly(&[UNPUBLISHED]), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let product = shop.product_of(&bulk_sku(0)).expect("it is sold");
    (0..5).map(bulk_sku).for_each(|sku| counts(world, &sku, 0));
    synced(&steps).await;
    look_at_all(&steps).await;
    // The merchant brings it back, and one look finds that.
    for channel in [ONLINE_STORE, POINT_OF_SALE] {
        shop.staff_publish(product, channel);
    }
    let state = || world.database.texts("SELECT state AS value FROM stock_outs");
    assert_eq!(state(), ["disabled"]);
    an_hour_later(world, &steps);
    synced(&steps).await;
    look_at_all(&steps).await;
    assert_eq!(state(), ["respected"]);
    // From now on nothing comes of asking before it is there again.
    an_hour_later(world, &steps);
    synced(&steps).await;
    let before = requests(world);
    look_at_all(&steps).await;
    assert_eq!(requests(world), before);
});
