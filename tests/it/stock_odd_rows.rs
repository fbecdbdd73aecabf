//! What IFS does while levels are read again.

use ml_connector::flow::stock::{Polled, write};
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::store::LevelState;

use crate::on_both;
use crate::stock::{an_hour_later, available, begin, counts, levels, planned, polled, rows, synced};
use crate::support::world::World;

on_both!(a_run_that_is_due_goes_before_levels_that_cannot_be_read_again, levels(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    let sku = bulk_sku(0);
    counts(world, &sku, 5);
    an_hour_later(world, &steps);
    planned(&steps).await;
    world.shop().buy_before_next_set(&sku, 2);
    write::drain(steps.link(), usize::MAX).await.expect("the store works");
    assert_eq!(rows(&steps, LevelState::Stale).await.len(), 1);
    let runs = || world.database.number("SELECT COUNT(*) FROM schedule_runs WHERE what = 'stock'");
    // 1. It is read again, and IFS fails.
    world.sandbox.ifs().break_stock_after(0);
    assert_eq!(polled(&steps).await, Polled::Failed);
    assert_eq!(runs(), 2, "that is no run");
    // 2. IFS fails still when the next run is due: the run begins all the same.
    an_hour_later(world, &steps);
    assert_eq!(polled(&steps).await, Polled::Failed);
    assert_eq!(runs(), 3);
    // 3. It goes on, and reads that level too.
    world.sandbox.ifs().mend_stock();
    steps.advance(world, 60);
    synced(&steps).await;
    assert_eq!(available(world, &sku), 3);
});
