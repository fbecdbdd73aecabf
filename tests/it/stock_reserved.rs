//! What the shop has reserved for draft orders is nobody else's: step by step on a hand-moved clock.

use ml_connector::flow::stock::{Polled, Seen, poll, write};
use ml_connector::flow::sweep::{Swept, sweep};
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::store::{LevelRow, LevelState};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::on_both;
use crate::stock::{an_hour_later, available, begin, counts, levels, planned, polled, rows, synced};
use crate::support::stocked::hourly;
use crate::support::world::{Setup, Steps, World};

/// IFS knows of what is reserved.
fn ignored() -> Setup {
    hourly(&["reserved = \"ignore\"\n"])
}

/// The shop is read from the file of a bulk operation.
fn by_file() -> Setup {
    hourly(&["bulk_variants_min = 1\n"])
}

/// Levels that show what they should, and of which something is reserved.
async fn reserved(steps: &Steps) -> Vec<LevelRow> {
    let mut found = rows(steps, LevelState::Quiet).await;
    found.extend(rows(steps, LevelState::Written).await);
    found.retain(|row| row.reserved != 0);
    found
}

/// What became an order reaches IFS.
async fn orders_reach_ifs(steps: &Steps) {
    assert!(matches!(sweep(steps.link()).await.expect("the store works"), Swept::Done(_)));
    steps.run(steps.link()).await;
}

async fn set_all(steps: &Steps) {
    assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
}

/// A run whose file is there when it was looked for.
async fn planned_by_file(world: &World, steps: &Steps) -> Seen {
    for _ in 0..30 {
        match poll(steps.link()).await.expect("the store works") {
            Polled::Planned(seen) => return seen,
            Polled::Waits(_) => steps.advance(world, 3),
            Polled::Sweep(_) => orders_reach_ifs(steps).await,
            other => panic!("no plan: {other:?}"),
        }
    }
    panic!("the file never comes");
}

on_both!(what_is_reserved_for_a_draft_is_sold_to_nobody_else, levels(), async |world: &World| {
    let (steps, shop, sku) = (begin(world).await, world.shop(), bulk_sku(0));
    synced(&steps).await;
    // 1. Three of ten are reserved: nothing is committed, and seven stay seven.
    let draft = shop.reserve_for_draft(&sku, 3).expect("there are ten");
    an_hour_later(world, &steps);
    let seen = synced(&steps).await;
    assert_eq!((seen.to_set, seen.waiting, available(world, &sku)), (0, 0, 7), "{seen:?}");
    let found = reserved(&steps).await;
    assert_eq!(
        found.iter().map(|row| (row.reserved, row.committed, row.wanted)).collect::<Vec<_>>(),
        [(3, 0, Some(7))]
    );
    let terms: Value = serde_json::from_str(found[0].terms.as_deref().expect("planned")).expect("JSON");
    let term = |name: &str| terms[name].as_str().and_then(|text| Decimal::from_str_exact(text).ok());
    assert_eq!([term("shop_reserved"), term("unwritten")], [Some(3.into()), Some(0.into())]);
    // 2. The draft is completed, and nobody has told us of the order.
    let order = shop.complete_draft(draft).expect("it is there");
    assert_eq!(available(world, &sku), 7);
    an_hour_later(world, &steps);
    let seen = synced(&steps).await;
    assert_eq!((seen.to_set, available(world, &sku)), (0, 7), "{seen:?}");
    assert!(reserved(&steps).await.is_empty());
    // 3. IFS has it; then it is sent.
    orders_reach_ifs(&steps).await;
    an_hour_later(world, &steps);
    synced(&steps).await;
    assert_eq!(available(world, &sku), 7, "counted once");
    shop.fulfil(order);
    orders_reach_ifs(&steps).await;
    an_hour_later(world, &steps);
    synced(&steps).await;
    assert_eq!(available(world, &sku), 7);
    let books = world.sandbox.stock_books();
    assert!(books.oversold.is_empty() && books.differences.iter().all(|one| one.sku != sku), "{:#}", books.to_json());
});

on_both!(a_draft_that_ends_between_reading_and_call_sells_nothing_twice, levels(), async |world: &World| {
    let (steps, shop, sku) = (begin(world).await, world.shop(), bulk_sku(0));
    synced(&steps).await;
    // 1. It is given up: the level is another one, and is read again.
    let draft = shop.reserve_for_draft(&sku, 3).expect("there are ten");
    counts(world, &sku, 12);
    an_hour_later(world, &steps);
    assert_eq!(planned(&steps).await.to_set, 1, "nine instead of seven");
    shop.give_up_draft(draft);
    set_all(&steps).await;
    assert_eq!(available(world, &sku), 10, "the call was stale");
    assert_eq!(polled(&steps).await, Polled::Mended(1));
    set_all(&steps).await;
    assert!(available(world, &sku) <= 12);
    an_hour_later(world, &steps);
    synced(&steps).await;
    assert_eq!(available(world, &sku), 12);
    // 2. It is completed: the level is the same, and so is what is promised.
    let draft = shop.reserve_for_draft(&sku, 3).expect("there are twelve");
    counts(world, &sku, 14);
    an_hour_later(world, &steps);
    assert_eq!(planned(&steps).await.to_set, 1, "eleven instead of nine");
    shop.complete_draft(draft).expect("it is there");
    set_all(&steps).await;
    assert_eq!(available(world, &sku), 11);
    orders_reach_ifs(&steps).await;
    an_hour_later(world, &steps);
    let seen = synced(&steps).await;
    assert_eq!((seen.to_set, available(world, &sku)), (0, 11), "{seen:?}");
    assert!(world.sandbox.stock_books().oversold.is_empty());
});

on_both!(what_ifs_knows_of_too_is_not_subtracted_where_the_settings_say_so, ignored(), async |world: &World| {
    let (steps, shop, sku) = (begin(world).await, world.shop(), bulk_sku(0));
    synced(&steps).await;
    // An app reserves in Shopify what it has told IFS: two are left in both.
    shop.reserve_for_draft(&sku, 8).expect("there are ten");
    counts(world, &sku, 2);
    an_hour_later(world, &steps);
    let seen = synced(&steps).await;
    assert_eq!((seen.to_set, available(world, &sku)), (0, 2), "{seen:?}");
    assert_eq!(
        reserved(&steps).await.iter().map(|row| row.reserved).collect::<Vec<_>>(),
        [8],
        "it is shown all the same"
    );
});

on_both!(the_file_of_a_bulk_operation_tells_what_is_reserved, by_file(), async |world: &World| {
    let (steps, shop, sku) = (begin(world).await, world.shop(), bulk_sku(0));
    planned_by_file(world, &steps).await;
    set_all(&steps).await;
    assert_eq!((available(world, &sku), shop.bulk_operations()), (10, 1));
    shop.reserve_for_draft(&sku, 3).expect("there are ten");
    an_hour_later(world, &steps);
    let seen = planned_by_file(world, &steps).await;
    set_all(&steps).await;
    assert_eq!((seen.to_set, available(world, &sku), shop.bulk_operations()), (0, 7, 2), "{seen:?}");
    assert_eq!(reserved(&steps).await.len(), 1);
});
