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

/// What the process may take at most, whatever the size of the shop; a tenth of that is what it takes with nothing to do.
const MEGABYTES_MAX: u64 = 400;

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
    // Asked of the database: to look at a whole shop each time would take what the shop needs to answer.
    let done = "SELECT COUNT(*) FROM schedule_runs WHERE what = 'stock' AND outcome = 'done'";
    let open = "SELECT COUNT(*) FROM stock_levels WHERE state IN ('planned', 'writing', 'stale')";
    while world.database.number(done) == 0 || world.database.number(open) > 0 {
        assert!(Instant::now() < deadline, "it takes too long: {}", served.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let seconds = began.elapsed().as_secs();
    let shown = shop.available_at(WAREHOUSE);
    assert!((0..bulk).all(|index| shown.get(&bulk_sku(index)) == Some(&10)), "the shop shows all of it");
    let calls = world.database.number("SELECT COUNT(*) FROM stock_calls");
    let most = i64::try_from(wanted() / 250 + 10).expect("few");
    assert!(calls <= most, "{calls} calls for {} SKUs, {most} at most", wanted());
    let writes = shop.level_writes().len();
    let (code, told, _) = world.command(&["stock", "sync", "acme", "--json"], "");
    assert_eq!(code, 0, "{told}");
    assert_eq!(shop.level_writes().len(), writes, "nothing had changed");
    assert_eq!(world.database.number("SELECT COUNT(*) FROM stock_calls"), calls);
    let status = std::fs::read_to_string(format!("/proc/{}/status", served.process_id())).expect("a process");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak").trim();
    let megabytes = peak.strip_suffix("kB").and_then(|text| text.trim().parse::<u64>().ok()).expect("kB") / 1024;
    assert!(megabytes <= MEGABYTES_MAX, "{megabytes} MB, {MEGABYTES_MAX} at most, however many SKUs there are");
    writeln!(std::io::stderr(), "{} SKUs: {calls} calls, {seconds} s, {megabytes} MB at most", wanted())
        .expect("stderr");
    assert_eq!(served.terminate(), 0);
});
