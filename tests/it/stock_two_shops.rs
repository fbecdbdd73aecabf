//! Two shops that sell from one site: what the orders of one take, and IFS does not hold, the other does not show.

use ml_connector::flow::Connection;
use ml_connector::flow::stock::{Polled, poll, write};
use ml_connector::flow::sweep::{Swept, sweep};
use ml_connector::sandbox::world::bulk_sku;

use crate::on_both;
use crate::stock::{an_hour_later, available, begin};
use crate::support::stocked::hourly;
use crate::support::world::{Setup, Steps, World};

const SECOND: &str = r#"[connections.bolt.stock]
every_secs = 3600
locations = [{ location = "655441490", warehouses = ["W1"] }]

[connections.bolt.census]"#;

fn of_one_site() -> Setup {
    Setup {
        two_shops: true,
        edits: vec![
            ("[connections.bolt.census]", SECOND),
            ("site = \"S20\"", "site = \"S10\""),
            ("company = \"20\"", "company = \"10\""),
        ],
        ..hourly(&[])
    }
}

async fn synced(steps: &Steps, link: &Connection) {
    for _ in 0..20 {
        match poll(link).await.expect("the store works") {
            Polled::Sweep(_) => {
                assert!(matches!(sweep(link).await.expect("the store works"), Swept::Done(_)));
                steps.map(link).await;
            }
            Polled::Planned(_) => {
                write::drain(link, usize::MAX).await.expect("the store works");
                return;
            }
            other => panic!("no plan: {other:?}"),
        }
    }
    panic!("it waits for a sweep for ever");
}

on_both!(what_another_shop_has_sold_and_ifs_does_not_hold_is_not_shown, of_one_site(), async |world: &World| {
    let steps = begin(world).await;
    let (first, second) = (&steps.links[0], &steps.links[1]);
    let sku = bulk_sku(0);
    synced(&steps, first).await;
    synced(&steps, second).await;
    assert_eq!(available(world, &sku), 10);
    // The other shop sells six. Its order is known here, and is not written yet.
    world.sandbox.shop(1).expect("a shop").buy(&sku, 6).expect("the shop sells it");
    an_hour_later(world, &steps);
    synced(&steps, second).await;
    synced(&steps, first).await;
    assert_eq!(available(world, &sku), 4);
    // IFS holds it: its open line takes them now, and they are counted once.
    steps.run(second).await;
    an_hour_later(world, &steps);
    synced(&steps, second).await;
    synced(&steps, first).await;
    assert_eq!(available(world, &sku), 4);
});
