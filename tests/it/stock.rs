//! Stock reaches the shop, and nothing is sold twice: step by step on a hand-moved clock.

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::flow::stock::outs::{self, Looked};
use ml_connector::flow::stock::{ASKED, Asked, Polled, Seen, poll, write};
use ml_connector::flow::sweep::{Swept, sweep};
use ml_connector::sandbox::ifs::StockMove;
use ml_connector::sandbox::shopify::{Change, Standing, WAREHOUSE};
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::sandbox::{STOCK_LOCATION, StockLine, StockUp};
use ml_connector::store::{Cursor, LevelFilter, LevelRow, LevelState};
use rust_decimal::Decimal;

use crate::on_both;
use crate::support::stocked::{DRAFTS, hourly};
use crate::support::world::{Setup, Steps, World};

/// A second SKU is sold from the stock of the candles.
const SECOND_SKU: (&str, &str) =
    ("[connections.acme]", "[connections.acme]\nsku_map = { \"BULK-000040\" = \"CANDLE-001\" }");
/// The site of the first shop.
const SITE: &str = "S10";
/// Two SKUs that are sold from one part.
const SHARED: [&str; 2] = ["BULK-000040", "CANDLE-BOX"];

/// Levels alone.
pub fn levels() -> Setup {
    hourly(&[])
}

fn shared() -> Setup {
    let mut setup = levels();
    setup.edits.push(SECOND_SKU);
    setup
}

fn drafts() -> Setup {
    hourly(&[DRAFTS])
}

/// IFS has ten of each part, and the shop shows nothing.
pub async fn begin(world: &World) -> Steps {
    world.sandbox.stock_up(StockUp { bulk: 40, units: 10, available: 0 });
    world.steps(&Clock::manual(Timestamp::now())).await
}

/// Polls until the run or the mending ends; each time that every order is asked for, a sweep finds them and they are mapped.
pub async fn polled(steps: &Steps) -> Polled {
    for _ in 0..20 {
        match poll(steps.link()).await.expect("the store works") {
            Polled::Sweep(_) => {
                assert!(matches!(sweep(steps.link()).await.expect("the store works"), Swept::Done(_)));
                steps.map(steps.link()).await;
            }
            other => return other,
        }
    }
    panic!("it waits for a sweep for ever");
}

pub async fn planned(steps: &Steps) -> Seen {
    match polled(steps).await {
        Polled::Planned(seen) => seen,
        other => panic!("no plan: {other:?}"),
    }
}

/// A whole run, and all of its calls.
pub async fn synced(steps: &Steps) -> Seen {
    let seen = planned(steps).await;
    assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
    seen
}

/// Looks at every product of the latest plan.
pub async fn look_at_all(steps: &Steps) {
    while outs::look(steps.link()).await.expect("the store works") == Looked::More {}
}

pub fn an_hour_later(world: &World, steps: &Steps) {
    steps.advance(world, 3_601);
}

/// SKUs that the shop and IFS keep, but for those that share a part.
pub fn kept(world: &World) -> Vec<StockLine> {
    let lines = world.sandbox.stock_lines(0).into_iter();
    let kept = lines.filter(|line| line.available.is_some() && line.sellable.is_some());
    kept.filter(|line| !SHARED.contains(&line.sku.as_str())).collect()
}

pub fn assert_equal(world: &World) {
    let differ: Vec<StockLine> =
        kept(world).into_iter().filter(|line| line.available != line.sellable.map(|units| units.max(0))).collect();
    assert!(differ.is_empty(), "{differ:?}");
}

pub fn available(world: &World, sku: &str) -> i64 {
    world.shop().available_at(WAREHOUSE)[sku]
}

/// A person counts a part: so many are there.
pub fn counts(world: &World, sku: &str, units: i64) {
    let (contract, part_no, location_no) = (SITE.to_owned(), sku.to_owned(), STOCK_LOCATION.to_owned());
    let counted = StockMove::Count { contract, part_no, location_no, on_hand: Decimal::from(units) };
    world.sandbox.ifs().move_stock(&[counted]).expect("it is there");
}

pub async fn rows(steps: &Steps, state: LevelState) -> Vec<LevelRow> {
    let filter = LevelFilter { state: Some(state), limit: 1_000, ..LevelFilter::default() };
    steps.store.stock_levels(&steps.link().name, filter).await.expect("reads")
}

on_both!(levels_follow_ifs_and_a_second_run_sets_nothing, levels(), async |world: &World| {
    let steps = begin(world).await;
    let seen = synced(&steps).await;
    assert!(seen.to_set > 50 && kept(world).len() > 50, "{seen:?}");
    assert_equal(world);
    let writes = world.shop().level_writes().len();
    an_hour_later(world, &steps);
    let seen = synced(&steps).await;
    assert_eq!((seen.to_set, seen.waiting), (0, 0), "{seen:?}");
    assert_eq!(world.shop().level_writes().len(), writes, "nothing travelled");
});

on_both!(two_skus_of_one_part_are_left_alone_and_told, shared(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    let left = rows(&steps, LevelState::Left).await;
    let is_shared = |level: &&LevelRow| level.reason.as_ref().is_some_and(|(code, _)| code == "shared_part");
    assert_eq!(left.iter().filter(is_shared).count(), 2, "{left:?}");
    for sku in SHARED {
        assert_eq!(available(world, sku), 0);
    }
});

on_both!(an_order_between_the_reading_and_the_call_is_never_sold_twice, levels(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    let sku = bulk_sku(0);
    counts(world, &sku, 5);
    an_hour_later(world, &steps);
    assert_eq!(planned(&steps).await.to_set, 1);
    world.shop().buy_before_next_set(&sku, 2);
    assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
    assert_eq!(available(world, &sku), 8, "the call was stale");
    assert_eq!(rows(&steps, LevelState::Stale).await.len(), 1);
    // The level is read and planned again, with the order that nobody had told.
    assert_eq!(polled(&steps).await, Polled::Mended(1));
    assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
    assert_eq!(available(world, &sku), 3);
    assert!(matches!(sweep(steps.link()).await.expect("the store works"), Swept::Done(_)));
    steps.run(steps.link()).await;
    an_hour_later(world, &steps);
    synced(&steps).await;
    assert_eq!(available(world, &sku), 3, "in IFS by now, and counted once");
    assert_equal(world);
});

on_both!(an_old_order_that_somebody_touches_during_a_run_takes_nothing_again, levels(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    synced(&steps).await;
    // Bought, told to IFS and sent: nothing of it is open any more.
    let sku = bulk_sku(0);
    let order = shop.buy(&sku, 2).expect("the shop sells it");
    assert!(matches!(sweep(steps.link()).await.expect("the store works"), Swept::Done(_)));
    steps.run(steps.link()).await;
    shop.fulfil(order);
    for _ in 0..2 {
        an_hour_later(world, &steps);
        synced(&steps).await;
    }
    assert_eq!(world.database.number("SELECT COUNT(*) FROM stock_orders"), 0);
    // Another note comes after orders were looked at, and before the plan.
    an_hour_later(world, &steps);
    assert!(matches!(poll(steps.link()).await.expect("the store works"), Polled::Sweep(_)));
    shop.change(order, Change::Note);
    let seen = synced(&steps).await;
    assert_eq!((seen.to_set, available(world, &sku)), (0, 8), "{seen:?}");
    assert_equal(world);
});

on_both!(no_level_rises_before_every_order_is_known, levels(), async |world: &World| {
    let steps = begin(world).await;
    assert!(matches!(poll(steps.link()).await.expect("the store works"), Polled::Sweep(_)));
    // Nobody sweeps: after a while it is planned without.
    steps.advance(world, 301);
    let Polled::Planned(seen) = poll(steps.link()).await.expect("the store works") else { panic!("a plan") };
    assert_eq!(seen.to_set, 0, "{seen:?}");
    assert!(seen.waiting > 50, "{seen:?}");
    // The levels that wait are looked at again by themselves.
    steps.advance(world, 61);
    assert!(matches!(polled(&steps).await, Polled::Mended(_)));
    write::drain(steps.link(), usize::MAX).await.expect("the store works");
    assert!(kept(world).iter().any(|line| line.available == Some(10)));
});

on_both!(an_empty_answer_where_there_was_stock_is_not_believed, levels(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    let writes = world.shop().level_writes().len();
    world.sandbox.ifs().empty_stock();
    an_hour_later(world, &steps);
    assert_eq!(polled(&steps).await, Polled::Failed);
    assert_eq!(
        world.database.number("SELECT COUNT(*) FROM schedule_runs WHERE what = 'stock' AND outcome = 'failed'"),
        1
    );
    write::drain(steps.link(), usize::MAX).await.expect("the store works");
    assert_eq!(world.shop().level_writes().len(), writes, "nothing was sent");
    assert!(matches!(polled(&steps).await, Polled::Waits(_)), "not again at once");
    // A person says that it is right.
    steps.advance(world, 1);
    let asked = Asked { at: steps.clock.now().as_microsecond(), accepts_fewer: true };
    let cursor = Cursor { name: ASKED.to_owned(), value: serde_json::to_string(&asked).expect("JSON") };
    steps.store.keep_cursor(&steps.link().name, cursor, steps.clock.now()).await.expect("keeps");
    steps.advance(world, 1);
    synced(&steps).await;
    assert!(kept(world).iter().all(|line| line.available == Some(0)));
});

on_both!(ifs_that_fails_in_mid_poll_makes_nothing_zero_and_the_run_goes_on, levels(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.ifs().set_stock_page_rows(20);
    world.sandbox.ifs().break_stock_after(2);
    assert_eq!(polled(&steps).await, Polled::Failed);
    assert_eq!(rows(&steps, LevelState::Planned).await.len(), 0);
    world.sandbox.ifs().mend_stock();
    steps.advance(world, 60);
    let before = world.sandbox.ledger().counters().shopify_requests;
    let seen = synced(&steps).await;
    assert!(seen.to_set > 50, "{seen:?}");
    let asked = world.sandbox.ledger().counters().shopify_requests - before;
    assert!(asked < 10, "the shop was not read again: {asked} requests");
    assert_equal(world);
});

on_both!(a_level_that_the_shop_does_not_take_parks_alone, levels(), async |world: &World| {
    let steps = begin(world).await;
    for (hidden, sku) in [(false, bulk_sku(3)), (true, bulk_sku(4))] {
        planned(&steps).await;
        world.shop().hide_culprits(hidden);
        world.shop().staff_unstock(&sku, WAREHOUSE);
        for _ in 0..12 {
            write::drain(steps.link(), usize::MAX).await.expect("the store works");
        }
        let parked = rows(&steps, LevelState::Parked).await;
        assert_eq!(parked.len(), 1, "hidden: {hidden}: {parked:?}");
        assert_eq!(rows(&steps, LevelState::Planned).await.len(), 0, "the others went");
        assert_equal(world);
        // Whoever mends it has it read again; all others are to be set once more.
        for line in kept(world) {
            counts(world, line.sku.as_str(), if hidden { 10 } else { 9 });
        }
        an_hour_later(world, &steps);
    }
});

on_both!(products_that_run_out_become_drafts_and_come_back, drafts(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let product = shop.product_of(&bulk_sku(0)).expect("it is sold");
    let standing = |id: u64| shop.products().into_iter().find(|one| one.id == id).expect("it is there").standing;
    let skus: Vec<String> = shop
        .products()
        .into_iter()
        .filter(|one| one.id == product)
        .flat_map(|one| one.variants.into_iter().filter_map(|(_, sku, ..)| sku))
        .collect();
    synced(&steps).await;
    look_at_all(&steps).await;
    assert_eq!(standing(product), Standing::Active);
    // 1. It runs out.
    skus.iter().for_each(|sku| counts(world, sku, 0));
    an_hour_later(world, &steps);
    synced(&steps).await;
    look_at_all(&steps).await;
    assert_eq!(standing(product), Standing::Draft);
    assert_eq!(world.database.texts("SELECT state AS value FROM stock_outs"), ["disabled"]);
    // 2. It is there again.
    counts(world, &skus[0], 4);
    an_hour_later(world, &steps);
    synced(&steps).await;
    look_at_all(&steps).await;
    assert_eq!(standing(product), Standing::Active);
    assert_eq!(world.database.texts("SELECT ended AS value FROM stock_outs"), ["enabled"]);
    // 3. A merchant brings it back although nothing is left: that stays.
    counts(world, &skus[0], 0);
    an_hour_later(world, &steps);
    synced(&steps).await;
    look_at_all(&steps).await;
    shop.staff_set_standing(product, Standing::Active);
    for _ in 0..2 {
        an_hour_later(world, &steps);
        synced(&steps).await;
        look_at_all(&steps).await;
    }
    assert_eq!(standing(product), Standing::Active);
});

on_both!(a_run_that_is_too_old_begins_anew, levels(), async |world: &World| {
    let steps = begin(world).await;
    assert!(matches!(poll(steps.link()).await.expect("the store works"), Polled::Sweep(_)));
    steps.advance(world, 3 * 3_600);
    synced(&steps).await;
    assert_equal(world);
    let runs = world.database.number("SELECT COUNT(*) FROM schedule_runs WHERE what = 'stock'");
    assert_eq!(runs, 2);
});
