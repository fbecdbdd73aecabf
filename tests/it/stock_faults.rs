//! What staff do to products and locations while levels are on their way, calls that fail or whose answers are lost, and runs that break off.

use std::time::Duration;

use ml_connector::flow::stock::{ASKED, Asked, Polled, write};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::WAREHOUSE;
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::store::{Cursor, LevelState};

use crate::on_both;
use crate::stock::{
    an_hour_later, assert_equal, available, begin, counts, kept, levels, planned, polled, rows, synced,
};
use crate::support::world::{Steps, World};

on_both!(a_variant_that_is_deleted_before_its_call_keeps_no_other_from_it, levels(), async |world: &World| {
    let steps = begin(world).await;
    planned(&steps).await;
    let (gone, other) = (bulk_sku(1), bulk_sku(2));
    world.shop().staff_delete(&gone);
    write::drain(steps.link(), usize::MAX).await.expect("the store works");
    assert_eq!(available(world, &other), 10);
    assert_eq!(rows(&steps, LevelState::Planned).await.len(), 0);
    // The next reading forgets it.
    an_hour_later(world, &steps);
    let seen = synced(&steps).await;
    assert_eq!(seen.to_set, 0, "{seen:?}");
    assert_eq!(rows(&steps, LevelState::Parked).await.len(), 0);
    assert_equal(world);
});

on_both!(a_location_that_is_switched_off_is_left_alone_until_it_is_on_again, levels(), async |world: &World| {
    let steps = begin(world).await;
    planned(&steps).await;
    world.shop().staff_set_location(WAREHOUSE, false);
    write::drain(steps.link(), usize::MAX).await.expect("the store works");
    assert_eq!(world.shop().level_writes().len(), 0);
    an_hour_later(world, &steps);
    let seen = synced(&steps).await;
    assert_eq!(seen.to_set, 0, "its levels are not told: {seen:?}");
    world.shop().staff_set_location(WAREHOUSE, true);
    an_hour_later(world, &steps);
    synced(&steps).await;
    assert_equal(world);
});

on_both!(a_sku_that_moves_to_another_product_is_followed_there, levels(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    let (sku, other) = (bulk_sku(0), bulk_sku(39));
    let to = world.shop().product_of(&other).expect("it is sold");
    world.shop().staff_move(&sku, to).expect("it moves");
    counts(world, &sku, 6);
    an_hour_later(world, &steps);
    synced(&steps).await;
    assert_eq!(available(world, &sku), 6);
    assert_equal(world);
});

on_both!(a_sku_on_two_variants_is_left_alone_and_both_are_named, levels(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    let sku = bulk_sku(5);
    let twin = world.shop().staff_double(&sku).expect("it doubles");
    counts(world, &sku, 1);
    an_hour_later(world, &steps);
    synced(&steps).await;
    let left = rows(&steps, LevelState::Left).await;
    let told: Vec<String> = left.into_iter().filter_map(|level| level.reason).map(|(_, text)| text).collect();
    assert!(told.iter().any(|text| text.contains(&twin.to_string())), "{told:?}");
});

on_both!(
    a_call_whose_answer_is_lost_goes_again_with_its_key_and_sets_nothing_twice,
    levels(),
    async |world: &World| {
        let steps = begin(world).await;
        planned(&steps).await;
        world.sandbox.faults().once(Class::ShopStock, Fault::DropAnswer);
        let wait = write::drain(steps.link(), usize::MAX).await.expect("the store works");
        assert!(wait.is_some_and(|wait| wait > Duration::ZERO), "{wait:?}");
        assert_eq!(world.database.number("SELECT COUNT(*) FROM stock_calls WHERE ended_at IS NULL"), 1);
        let writes = world.shop().level_writes().len();
        assert!(writes > 50, "it was done all the same");
        assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
        assert_eq!(world.shop().level_writes().len(), writes, "once");
        assert_eq!(world.database.number("SELECT failures FROM stock_calls"), 0, "the network is no fault of the call");
        assert!(kept(world).len() > 50);
        assert_equal(world);
    }
);

on_both!(a_shop_without_points_gets_the_same_call_later, levels(), async |world: &World| {
    let steps = begin(world).await;
    planned(&steps).await;
    world.sandbox.faults().once(Class::ShopStock, Fault::Throttled);
    let wait = write::drain(steps.link(), usize::MAX).await.expect("the store works");
    assert!(wait.is_some_and(|wait| wait > Duration::ZERO), "{wait:?}");
    assert_eq!(world.shop().level_writes().len(), 0);
    assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM stock_calls"), 1, "the same one");
    assert_equal(world);
});

on_both!(open_lines_that_are_all_gone_are_not_believed, levels(), async |world: &World| {
    let steps = begin(world).await;
    for index in 0..25 {
        let part = Some((bulk_sku(index), 4.into(), 5.into()));
        let part = part.as_ref().map(|(sku, units, price)| (sku.as_str(), *units, *price));
        world.sandbox.ifs().add_foreign_order(&format!("DESK-{index}"), "S10", part).expect("an order");
    }
    synced(&steps).await;
    assert_eq!(available(world, &bulk_sku(0)), 6);
    let writes = world.shop().level_writes().len();
    world.sandbox.ifs().hide_order_lines();
    an_hour_later(world, &steps);
    assert_eq!(polled(&steps).await, Polled::Failed);
    write::drain(steps.link(), usize::MAX).await.expect("the store works");
    assert_eq!(world.shop().level_writes().len(), writes, "nothing was sent");
    // They are told again, and the next reading is used.
    world.sandbox.ifs().mend_stock();
    an_hour_later(world, &steps);
    assert_eq!(synced(&steps).await.to_set, 0);
});

on_both!(a_level_that_shopify_fails_at_keeps_no_other_from_it, levels(), async |world: &World| {
    let steps = begin(world).await;
    planned(&steps).await;
    let bad = bulk_sku(5);
    world.shop().fail_sets_of(Some(&bad));
    for _ in 0..20 {
        write::drain(steps.link(), usize::MAX).await.expect("the store works");
    }
    assert_eq!(available(world, &bad), 0);
    assert!(kept(world).iter().all(|line| line.sku == bad || line.available == Some(10)), "all others went");
    let calls = world.database.number("SELECT COUNT(*) FROM stock_calls");
    assert!(calls < 20, "it was looked for by halves: {calls} calls");
    // Alone it is tried again later, and goes as soon as Shopify takes it.
    world.shop().fail_sets_of(None);
    steps.advance(world, 601);
    write::drain(steps.link(), usize::MAX).await.expect("the store works");
    assert_equal(world);
});

on_both!(what_was_planned_under_other_settings_does_not_go_out, levels(), async |world: &World| {
    let steps = begin(world).await;
    assert!(planned(&steps).await.to_set > 50);
    let settings = std::fs::read_to_string(&world.config).expect("reads");
    let (from, to) = ("[connections.acme.stock]", "[connections.acme.stock]\nsafety = 2");
    std::fs::write(&world.config, settings.replace(from, to)).expect("writes");
    let other = world.steps(&steps.clock).await;
    write::drain(other.link(), usize::MAX).await.expect("the store works");
    assert_eq!(world.shop().level_writes().len(), 0, "the plan was made with other settings");
    // They are not waited with either.
    synced(&other).await;
    assert_eq!(available(world, &bulk_sku(0)), 8);
});

/// Sends what is due until every fault has come.
async fn drained(world: &World, steps: &Steps) {
    for _ in 0..20 {
        write::drain(steps.link(), usize::MAX).await.expect("the store works");
        if world.sandbox.faults().scripted_left() == 0 {
            return;
        }
        steps.advance(world, 31);
    }
    panic!("it does not try again");
}

on_both!(a_call_that_limits_hold_up_is_not_given_up_at_its_first_failure, levels(), async |world: &World| {
    let steps = begin(world).await;
    planned(&steps).await;
    world.sandbox.faults().times(Class::ShopStock, Fault::Throttled, 6);
    drained(world, &steps).await;
    world.sandbox.faults().times(Class::ShopStock, Fault::BusyHtml, 1);
    drained(world, &steps).await;
    steps.advance(world, 31);
    assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
    assert_eq!(world.database.texts("SELECT outcome AS value FROM stock_calls"), ["done"]);
    assert_equal(world);
});

on_both!(a_call_that_shopify_fails_on_again_and_again_is_given_up, levels(), async |world: &World| {
    let steps = begin(world).await;
    planned(&steps).await;
    world.sandbox.faults().times(Class::ShopStock, Fault::BusyHtml, 5);
    drained(world, &steps).await;
    assert_eq!(world.database.texts("SELECT outcome AS value FROM stock_calls"), ["given_up"]);
    assert_eq!(world.shop().level_writes().len(), 0);
    // Its levels are read again, as soon as what was given up cannot come any more.
    steps.advance(world, 121);
    for _ in 0..10 {
        polled(&steps).await;
        write::drain(steps.link(), usize::MAX).await.expect("the store works");
        steps.advance(world, 61);
    }
    assert_equal(world);
});

on_both!(
    what_a_person_accepted_holds_for_the_run_that_takes_the_place_of_a_lost_one,
    levels(),
    async |world: &World| {
        let steps = begin(world).await;
        synced(&steps).await;
        world.sandbox.ifs().empty_stock();
        steps.advance(world, 10);
        let asked = Asked { at: steps.clock.now().as_microsecond(), accepts_fewer: true };
        let cursor = Cursor { name: ASKED.to_owned(), value: serde_json::to_string(&asked).expect("JSON") };
        steps.store.keep_cursor(&steps.link().name, cursor, steps.clock.now()).await.expect("keeps");
        steps.advance(world, 1);
        world.sandbox.ifs().break_stock_after(0);
        assert_eq!(polled(&steps).await, Polled::Failed, "in mid-run");
        world.sandbox.ifs().mend_stock();
        world.sandbox.ifs().empty_stock();
        // Longer than what was read may be used.
        steps.advance(world, 7_201);
        synced(&steps).await;
        assert!(kept(world).iter().all(|line| line.available == Some(0)), "it was accepted");
        // And no longer than for that.
        world.sandbox.ifs().mend_stock();
        an_hour_later(world, &steps);
        synced(&steps).await;
        world.sandbox.ifs().empty_stock();
        an_hour_later(world, &steps);
        assert_eq!(polled(&steps).await, Polled::Failed, "a later one is held against the one before");
    }
);

on_both!(a_plan_that_does_not_get_on_holds_up_no_level, levels(), async |world: &World| {
    let steps = begin(world).await;
    planned(&steps).await;
    // As where the process died in the midst of the plan.
    let in_the_midst = r#"UPDATE cursors SET value = REPLACE(value, '"step":"rest"', '"step":{"plan":{"site":0,"after":null}}') WHERE name = 'stock'"#;
    world.database.execute(in_the_midst);
    let wait = write::drain(steps.link(), usize::MAX).await.expect("the store works");
    assert!(wait.is_some_and(|wait| wait > Duration::ZERO), "what comes next may fill the call: {wait:?}");
    assert_eq!(world.shop().level_writes().len(), 0);
    steps.advance(world, 121);
    assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
    assert_equal(world);
});

on_both!(a_parked_level_falls_all_the_same, levels(), async |world: &World| {
    let (steps, bad) = (begin(world).await, bulk_sku(3));
    synced(&steps).await;
    let refused = async |units: i64| {
        counts(world, &bad, units);
        an_hour_later(world, &steps);
        planned(&steps).await;
        world.shop().staff_unstock(&bad, WAREHOUSE);
        write::drain(steps.link(), usize::MAX).await.expect("the store works");
        assert_eq!(rows(&steps, LevelState::Parked).await.len(), 1);
        world.shop().staff_stock(&bad, WAREHOUSE, 10);
    };
    // It would rise: a person is waited for.
    refused(12).await;
    let calls = world.database.number("SELECT COUNT(*) FROM stock_calls");
    an_hour_later(world, &steps);
    synced(&steps).await;
    assert_eq!(world.database.number("SELECT COUNT(*) FROM stock_calls"), calls, "nobody is asked again");
    assert_eq!(rows(&steps, LevelState::Parked).await.len(), 1);
    // IFS has less than it shows: each run tries it, and as soon as Shopify takes it, it falls.
    refused(4).await;
    an_hour_later(world, &steps);
    synced(&steps).await;
    assert_eq!(available(world, &bad), 4);
    assert_equal(world);
});

on_both!(a_shop_that_takes_no_call_at_all_parks_hardly_any_level, levels(), async |world: &World| {
    let steps = begin(world).await;
    planned(&steps).await;
    world.sandbox.faults().chance(Class::ShopStock, Fault::Plain(400, "no".to_owned()), 1_000);
    for _ in 0..5 {
        write::drain(steps.link(), usize::MAX).await.expect("the store works");
        steps.advance(world, 60);
    }
    let parked = rows(&steps, LevelState::Parked).await.len();
    assert!(parked <= 5, "{parked} parked");
    let calls = world.database.number("SELECT COUNT(*) FROM stock_calls");
    assert!(calls < 40, "{calls} calls within ten minutes");
    world.sandbox.faults().clear();
    steps.advance(world, 601);
    write::drain(steps.link(), usize::MAX).await.expect("the store works");
    assert!(rows(&steps, LevelState::Planned).await.is_empty());
    assert!(kept(world).iter().filter(|line| line.available != Some(10)).count() <= parked);
});
