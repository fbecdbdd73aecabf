//! When prices are compared: at an hour, by a stock that is read once a day, over midnight and behind what broke off; on a hand-moved clock.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use ml_connector::flow::prices::{PRICES, Polled, Seen, poll};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::store::Cursor;

use crate::commands::run;
use crate::on_both;
use crate::stock::{begin, synced};
use crate::support::world::{Setup, Steps, World};

/// The stock is read at four, and prices are compared at five.
const DAILY: &str = r#"[connections.acme.stock]
cron = "0 4 * * *"
locations = [{ location = "655441490", warehouses = ["W1"] }]

[connections.acme.prices]
source = "sales_part"
currency = "EUR"
at_hour = 5
"#;

fn daily() -> Setup {
    Setup { sweep_every: Some(Duration::from_secs(900)), stock: DAILY.to_owned(), ..Setup::default() }
}

/// And a market's list has the prices of a customer.
fn listed() -> Setup {
    let list = r#"
[connections.acme.prices.price_lists]
"70000001" = { customer_no = "WEB-DEFAULT", currency = "SEK", tax = "included" }
"#;
    let Setup { stock, .. } = daily();
    Setup { stock: stock + list, ..daily() }
}

/// Moves all clocks to just behind the next time that the shop's has so many hours and minutes.
fn until(world: &World, steps: &Steps, (hour, minute): (i8, i8)) {
    let zone = TimeZone::get("Europe/Stockholm").expect("it is known");
    let now = steps.clock.now().to_zoned(zone.clone());
    let at = |day: Date| day.at(hour, minute, 0, 0).to_zoned(zone.clone()).expect("a time").timestamp();
    let today = at(now.date());
    let next = if today > now.timestamp() { today } else { at(now.date().tomorrow().expect("there is one")) };
    let secs = next.duration_since(now.timestamp()).as_secs();
    steps.advance(world, u64::try_from(secs).expect("it is later") + 1);
}

/// At noon, when the first reading is done.
async fn noon(world: &World) -> Steps {
    let steps = begin(world).await;
    until(world, &steps, (12, 0));
    synced(&steps).await;
    steps
}

async fn planned(steps: &Steps) -> Seen {
    match poll(steps.link()).await.expect("the store works") {
        Polled::Planned(seen) => seen,
        other => panic!("no plan: {other:?}"),
    }
}

async fn rests(steps: &Steps) {
    assert_eq!(poll(steps.link()).await.expect("the store works"), Polled::Waits(Duration::from_secs(5)));
}

/// A run stops behind its first piece.
async fn stopped(steps: &Steps) {
    steps.link().stopping.store(true, Ordering::Release);
    assert_eq!(poll(steps.link()).await.expect("the store works"), Polled::Stopped);
    steps.link().stopping.store(false, Ordering::Release);
}

fn outcomes(world: &World) -> Vec<String> {
    world.database.texts("SELECT COALESCE(outcome, '-') AS value FROM schedule_runs WHERE what = 'prices' ORDER BY id")
}

on_both!(a_stock_that_is_read_once_a_day_before_the_hour_is_compared_at_the_hour, daily(), async |world: &World| {
    // 1. The first run waits for no hour.
    let steps = noon(world).await;
    planned(&steps).await;
    rests(&steps).await;
    // 2. The reading of four, and the hour.
    until(world, &steps, (4, 0));
    synced(&steps).await;
    until(world, &steps, (4, 10));
    rests(&steps).await;
    until(world, &steps, (5, 0));
    planned(&steps).await;
    rests(&steps).await;
    until(world, &steps, (0, 10));
    rests(&steps).await;
    // 3. The service stops behind the reading, and starts past midnight: yesterday's run is as due as before, once.
    until(world, &steps, (4, 0));
    synced(&steps).await;
    until(world, &steps, (0, 10));
    planned(&steps).await;
    rests(&steps).await;
    assert_eq!(outcomes(world), ["done", "done", "done"]);
});

on_both!(a_run_that_goes_on_past_the_hour_does_not_stand_for_todays, daily(), async |world: &World| {
    let steps = noon(world).await;
    stopped(&steps).await;
    // As if it had failed: it goes on under another row.
    let name = &steps.link().name;
    let text = steps.store.cursor(name, PRICES).await.expect("reads").expect("a run was there");
    let mut place: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    place["number"] = 0.into();
    let cursor = Cursor { name: PRICES.to_owned(), value: place.to_string() };
    steps.store.keep_cursor(name, cursor, steps.clock.now()).await.expect("keeps");
    until(world, &steps, (4, 0));
    synced(&steps).await;
    until(world, &steps, (5, 30));
    let first = planned(&steps).await;
    let todays = planned(&steps).await;
    assert_eq!(first.compared, todays.compared);
    rests(&steps).await;
    assert_eq!(outcomes(world), ["broke_off", "done", "done"]);
});

on_both!(a_run_that_takes_long_goes_on_behind_a_reading_that_is_a_day_old_at_most, daily(), async |world: &World| {
    let steps = noon(world).await;
    stopped(&steps).await;
    until(world, &steps, (11, 0));
    until(world, &steps, (12, 30));
    rests(&steps).await;
    synced(&steps).await;
    planned(&steps).await;
    assert_eq!(outcomes(world), ["done"], "under the same row");
});

on_both!(a_person_is_told_where_no_reading_comes, daily(), async |world: &World| {
    let steps = noon(world).await;
    planned(&steps).await;
    // 1. The stock cannot be read at four.
    until(world, &steps, (5, 0));
    rests(&steps).await;
    until(world, &steps, (9, 50));
    rests(&steps).await;
    assert_eq!(outcomes(world), ["done"], "not yet");
    // 2. Once.
    until(world, &steps, (10, 10));
    rests(&steps).await;
    rests(&steps).await;
    assert_eq!(outcomes(world), ["done", "failed"]);
    let told = run(world, &["prices", "explain", "acme", &bulk_sku(0)]);
    assert!(told.contains("the latest run failed: no price is compared: since "), "{told}");
    // 3. And then it comes.
    synced(&steps).await;
    planned(&steps).await;
    assert_eq!(outcomes(world), ["done", "failed", "done"]);
    let told = run(world, &["prices", "explain", "acme", &bulk_sku(0)]);
    assert!(!told.contains("failed"), "{told}");
});

on_both!(prices_of_lists_that_left_the_settings_are_forgotten, daily(), async |world: &World| {
    let steps = noon(world).await;
    planned(&steps).await;
    let own = world.database.number("SELECT COUNT(*) FROM prices WHERE price_list = 0");
    assert!(own >= 40, "{own}");
    // 1. As of another list, which is no longer there.
    world.database.execute("UPDATE prices SET price_list = 7, state = 'parked'");
    until(world, &steps, (4, 0));
    synced(&steps).await;
    until(world, &steps, (5, 0));
    planned(&steps).await;
    assert_eq!(world.database.number("SELECT COUNT(*) FROM prices WHERE price_list = 7"), 0);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM prices WHERE price_list = 0"), own);
    // 2. No price follows IFS any more.
    let text = std::fs::read_to_string(&world.config).expect("reads");
    std::fs::write(&world.config, text.replace("source = \"sales_part\"", "source = \"off\"")).expect("writes");
    let off = world.steps(&steps.clock).await;
    assert_eq!(poll(off.link()).await.expect("the store works"), Polled::Waits(Duration::from_secs(3_600)));
    assert_eq!(world.database.number("SELECT COUNT(*) FROM prices"), 0);
});

on_both!(
    a_list_that_always_fails_keeps_no_price_before_it_from_being_compared_again,
    listed(),
    async |world: &World| {
        let steps = noon(world).await;
        let newest = || world.database.number("SELECT MAX(run) FROM prices WHERE price_list = 0");
        let refuses = || world.sandbox.faults().chance(Class::Stock, Fault::Forbidden, 1_000);
        let fails = async || assert_eq!(poll(steps.link()).await.expect("the store works"), Polled::Failed);
        // 1. IFS does not answer what a customer pays: the shop's own prices are planned, the list's are not, however often it is tried.
        refuses();
        fails().await;
        let first = newest();
        fails().await;
        assert_eq!((newest(), outcomes(world)), (first, vec!["failed".to_owned(), "failed".to_owned()]));
        // 2. The next day's run begins with the shop's own again.
        until(world, &steps, (4, 0));
        world.sandbox.faults().clear();
        synced(&steps).await;
        refuses();
        until(world, &steps, (5, 0));
        fails().await;
        fails().await;
        assert!(newest() > first, "they were compared anew");
        // 3. And it goes on to its end as soon as IFS answers.
        world.sandbox.faults().clear();
        planned(&steps).await;
        rests(&steps).await;
    }
);
