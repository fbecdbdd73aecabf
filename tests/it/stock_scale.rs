//! A large shop: a full set in few calls, in flat memory, and a second run that sets nothing. As many SKUs as `ML_CONNECTOR_STOCK_SKUS` says;
//! `.ci/long stock` takes 100,000.

use std::io::Write as _;
use std::time::{Duration, Instant};

use ml_connector::sandbox::StockUp;
use ml_connector::sandbox::shopify::WAREHOUSE;
use ml_connector::sandbox::world::{bulk_sku, skus};

use crate::on_both;
use crate::support::stocked::stock;
use crate::support::world::{Setup, World};

fn swept() -> Setup {
    let daily = stock(86_400, &["bulk_variants_min = 500\n"]);
    Setup { sweep_every: Some(Duration::from_secs(1)), stock: daily, ..Setup::default() }
}

fn wanted() -> usize {
    std::env::var("ML_CONNECTOR_STOCK_SKUS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

on_both!(a_large_shop_is_set_in_few_calls_and_the_second_run_sets_nothing, swept(), async |world: &World| {
    let bulk = wanted() - skus().len();
    world.sandbox.stock_up(StockUp { bulk, units: 10, available: 0 });
    let shop = world.shop();
    let began = Instant::now();
    let served = world.serve(None);
    let deadline = began + Duration::from_secs(3_000);
    let last = bulk_sku(bulk - 1);
    let open = "SELECT COUNT(*) FROM stock_levels WHERE state IN ('planned', 'writing', 'stale')";
    let is_set = || {
        let is_last_set = shop.available_at(WAREHOUSE).get(&last) == Some(&10);
        is_last_set && world.database.number(open) == 0
    };
    while !is_set() {
        assert!(Instant::now() < deadline, "it takes too long: {}", served.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let seconds = began.elapsed().as_secs();
    let calls = world.database.number("SELECT COUNT(*) FROM stock_calls");
    let most = i64::try_from(wanted() / 250 + 10).expect("few");
    assert!(calls <= most, "{calls} calls for {} SKUs, {most} at most", wanted());
    let writes = shop.level_writes().len();
    let (code, told, _) = world.command(&["stock", "sync", "acme", "--json"], "");
    assert_eq!(code, 0, "{told}");
    assert_eq!(shop.level_writes().len(), writes, "nothing had changed");
    assert_eq!(world.database.number("SELECT COUNT(*) FROM stock_calls"), calls);
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.process_id())).expect("a process");
    let peak = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak").to_owned();
    writeln!(std::io::stderr(), "{} SKUs: {calls} calls, {seconds} s, {peak}", wanted()).expect("stderr");
    assert_eq!(served.terminate(), 0);
});
