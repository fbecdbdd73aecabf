//! What waits of stock and prices stands in the metrics: levels and prices that are parked, products that were disabled here.

use std::time::{Duration, Instant};

use ml_connector::flow::prices::{self, Polled};
use ml_connector::flow::stock::write;
use ml_connector::sandbox::ifs::SalesTerms;
use ml_connector::sandbox::shopify::WAREHOUSE;
use ml_connector::sandbox::world::bulk_sku;
use rust_decimal::Decimal;

use crate::on_both;
use crate::stock::{begin, counts, look_at_all, planned};
use crate::support::http::get;
use crate::support::stocked::{DRAFTS, PART_PRICES, hourly};
use crate::support::world::World;

on_both!(what_is_parked_or_disabled_stands_in_the_metrics, hourly(&[DRAFTS, PART_PRICES]), async |world: &World| {
    let steps = begin(world).await;
    // 1. A product has run out, a level is refused, a price moves too far.
    (0..5).map(bulk_sku).for_each(|sku| counts(world, &sku, 0));
    let terms = SalesTerms { list_price: Decimal::new(10_000, 2), is_active: true };
    world.sandbox.ifs().set_sales_terms("S10", &bulk_sku(8), terms);
    planned(&steps).await;
    world.shop().staff_unstock(&bulk_sku(9), WAREHOUSE);
    for _ in 0..12 {
        write::drain(steps.link(), usize::MAX).await.expect("the store works");
    }
    look_at_all(&steps).await;
    assert!(matches!(prices::poll(steps.link()).await.expect("the store works"), Polled::Planned(_)));
    let prices = world.database.number("SELECT COUNT(*) FROM prices WHERE state = 'parked'");
    assert!(prices > 0);
    // 2. Counted.
    let counted = steps.store.count_waiting_stock().await.expect("counts");
    let waiting = [("level", "parked", 1), ("product", "disabled", 1), ("price", "parked", prices)];
    for (what, state, count) in waiting {
        let found = counted.iter().find(|row| row.what == what && row.state == state);
        let found = found.map(|row| (row.connection.as_str(), row.count));
        assert_eq!(found, Some(("acme", count)), "{what} {state}: {counted:?}");
    }
    // 3. Told, soon after the start.
    let served = world.serve(None);
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let told = get(&format!("{}/metrics", served.operations), None).await.body;
        let is_told = |(what, state, count): &(&str, &str, i64)| {
            let labels = format!(r#"{{connection="acme",what="{what}",state="{state}"}}"#);
            told.contains(&format!("ml_connector_stock_waiting{labels} {count}\n"))
        };
        if waiting.iter().all(is_told) {
            break;
        }
        assert!(Instant::now() < deadline, "{told}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(served.terminate(), 0);
});
