//! What may count twice for a reading: the level shows less, and the product stays where it is.

use ml_connector::flow::stock::{poll, write};
use ml_connector::flow::sweep::{Swept, sweep};
use ml_connector::sandbox::shopify::{Change, Standing};
use ml_connector::sandbox::world::bulk_sku;

use crate::on_both;
use crate::stock::{an_hour_later, assert_equal, available, begin, counts, look_at_all, synced};
use crate::support::stocked::{DRAFTS, hourly};
use crate::support::world::World;

on_both!(an_order_that_is_touched_during_a_run_disables_no_product, hourly(&[DRAFTS]), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    // 1. Three units of one SKU are all that a product has; two of them are sold, and IFS holds the order.
    let skus: Vec<String> = (0..5).map(bulk_sku).collect();
    let product = shop.product_of(&skus[0]).expect("it is sold");
    let standing = || shop.products().into_iter().find(|one| one.id == product).expect("it is there").standing;
    skus.iter().for_each(|sku| counts(world, sku, 0));
    counts(world, &skus[0], 3);
    synced(&steps).await;
    look_at_all(&steps).await;
    let order = shop.buy(&skus[0], 2).expect("the shop sells it");
    assert!(matches!(sweep(steps.link()).await.expect("the store works"), Swept::Done(_)));
    steps.run(steps.link()).await;
    an_hour_later(world, &steps);
    synced(&steps).await;
    look_at_all(&steps).await;
    assert_eq!((available(world, &skus[0]), standing()), (1, Standing::Active));
    // 2. Somebody touches the order while IFS is read: its units pass for those of an order that nobody knows.
    an_hour_later(world, &steps);
    poll(steps.link()).await.expect("the store works");
    steps.advance(world, 2);
    shop.change(order, Change::Note);
    synced(&steps).await;
    look_at_all(&steps).await;
    assert_eq!(available(world, &skus[0]), 0, "the safe side");
    assert_eq!(standing(), Standing::Active, "IFS has one more");
    assert_eq!(world.database.number("SELECT COUNT(*) FROM stock_outs"), 0);
    let (code, told, _) = world.command(&["stock", "explain", "acme", skus[0].as_str()], "");
    assert!(code == 0 && told.lines().any(|line| line.split_whitespace().take(2).eq(["most", "1"])), "{told}");
    // 3. The next run finds it as it is.
    steps.run(steps.link()).await;
    an_hour_later(world, &steps);
    synced(&steps).await;
    look_at_all(&steps).await;
    assert_eq!((available(world, &skus[0]), standing()), (1, Standing::Active));
    assert_equal(world);
    assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
    // 4. What is gone for good is disabled as ever.
    counts(world, &skus[0], 2);
    an_hour_later(world, &steps);
    synced(&steps).await;
    look_at_all(&steps).await;
    assert_eq!((available(world, &skus[0]), standing()), (0, Standing::Draft));
});
