//! The census of a night: what a sweep missed, what is gone in Shopify, and gaps in the orders' names; and the alarm of a shop that
//! sells while no webhook comes.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use ml_connector::flow::Connection;
use ml_connector::flow::census::{CENSUS, Counted, census, is_due};
use ml_connector::flow::sweep::{Swept, sweep};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Story};
use serde_json::Value;

use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

fn nightly() -> Setup {
    Setup { census_days: 30, ..Setup::default() }
}

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

async fn counted(link: &Connection) -> Counted {
    match census(link).await.expect("the store works") {
        Swept::Done(counted) => counted,
        other => panic!("the census did not end well: {other:?}"),
    }
}

async fn swept(link: &Connection) -> u64 {
    match sweep(link).await.expect("the store works") {
        Swept::Done(figures) => figures.entered,
        other => panic!("the sweep did not end well: {other:?}"),
    }
}

on_both!(an_order_that_no_search_by_its_change_finds_is_found_by_the_census, nightly(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let (told, lost) = (shop.place(Story::Plain), shop.place(Story::Plain));
    shop.lose_update_of(lost);
    assert_eq!(swept(steps.link()).await, 1);
    steps.run(steps.link()).await;
    let found = counted(steps.link()).await;
    assert_eq!((found.listed, found.counted, found.ours, found.missing), (2, Some(2), 1, 1));
    steps.run(steps.link()).await;
    for order in [told, lost] {
        assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
    }
    assert!(world.sandbox.books(&[]).is_clean(), "{:#}", world.sandbox.books(&[]).to_json());
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox WHERE origin = 'census'"), 1);
    assert_eq!(world.database.number("SELECT SUM(shopify) FROM census_days"), 2);
    assert_eq!(world.database.number("SELECT SUM(missing) FROM census_days"), 1);
    // Nothing is left to find, and the days are told anew.
    let again = counted(steps.link()).await;
    assert_eq!((again.entered, again.ours), (0, 2));
    assert_eq!(world.database.number("SELECT SUM(missing) FROM census_days"), 0);
});

on_both!(an_order_that_is_gone_in_shopify_parks_after_the_census, nightly(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let (kept, gone) = (shop.place(Story::Plain), shop.place(Story::Plain));
    swept(steps.link()).await;
    steps.run(steps.link()).await;
    shop.delete(gone);
    assert_eq!(counted(steps.link()).await.gone, 1);
    steps.run(steps.link()).await;
    for document in world.documents().await {
        let expected = if document.order_id == gone { State::Parked } else { State::Written };
        assert_state(&document, expected);
    }
    assert_eq!(world.database.number("SELECT SUM(gone) FROM census_days"), 1);
    assert_eq!(counted(steps.link()).await.gone, 0, "what is known to be gone is not told again");
    assert_eq!(world.sandbox.ledger().creates_of(&kept.to_string()), 1);
});

on_both!(an_order_that_was_taken_for_gone_and_is_listed_comes_back, nightly(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Plain);
    steps.deliver(steps.link(), "orders/create", &shop.webhook_body(order).expect("a body")).await;
    steps.map(steps.link()).await;
    shop.hide_order(order);
    steps.deliver(steps.link(), "orders/delete", format!("{{\"id\":{order}}}").as_bytes()).await;
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Skipped);
    shop.show_order(order);
    assert_eq!(swept(steps.link()).await, 0, "its version is known");
    assert_eq!(counted(steps.link()).await.entered, 1);
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
    assert_eq!(counted(steps.link()).await.entered, 0);
});

on_both!(an_old_order_that_the_token_may_not_see_is_not_taken_for_gone, every_year(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let old = shop.place(Story::Plain);
    swept(steps.link()).await;
    steps.run(steps.link()).await;
    shop.hide_old_orders();
    steps.advance(world, 61 * 86_400);
    shop.place(Story::Plain);
    assert_eq!(counted(steps.link()).await.gone, 0);
    steps.map(steps.link()).await;
    let documents = world.documents().await;
    let old = documents.iter().find(|document| document.order_id == old).expect("its document");
    assert_state(old, State::Written);
});

fn every_year() -> Setup {
    Setup { census_days: 365, ..Setup::default() }
}

on_both!(a_gap_in_the_names_is_asked_for_and_told, nightly(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let orders: Vec<u64> = (0..4).map(|_| shop.place(Story::Plain)).collect();
    // #1002 was never heard of and is gone.
    shop.delete(orders[1]);
    let found = counted(steps.link()).await;
    assert_eq!((found.listed, found.missing), (3, 3));
    assert_eq!(found.gaps, ["#1002"]);
    assert_eq!(world.database.texts("SELECT gaps AS value FROM census_days").concat(), "#1002");
});

on_both!(
    one_order_whose_answer_does_not_read_keeps_no_other_from_being_found_gone,
    nightly(),
    async |world: &World| {
        let (steps, shop) = (begin(world).await, world.shop());
        let orders: Vec<u64> = (0..4).map(|_| shop.place(Story::Plain)).collect();
        swept(steps.link()).await;
        steps.run(steps.link()).await;
        for order in &orders[..3] {
            shop.delete(*order);
        }
        // Nobody can read the one answer, and the other one is a refusal of this question.
        for (answer, gone) in [(Fault::Plain(200, "<html>".into()), 2), (Fault::Plain(400, String::new()), 0)] {
            // The newest order, both lists and the count read well; the first order that is asked for by its id does not.
            world.sandbox.faults().times(Class::GraphQl, Fault::Slow(Duration::ZERO), 4);
            world.sandbox.faults().once(Class::GraphQl, answer);
            assert_eq!(counted(steps.link()).await.gone, gone);
            assert_eq!(world.sandbox.faults().scripted_left(), 0);
            steps.run(steps.link()).await;
        }
        assert_eq!(counted(steps.link()).await.gone, 1, "it is found by the next census");
    }
);

on_both!(names_beyond_those_that_one_census_asks_for_are_asked_for_by_the_next, nightly(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    shop.set_cost_bucket(1_000_000, 100_000);
    let orders: Vec<u64> = (0..121).map(|_| shop.place(Story::Plain)).collect();
    for order in orders.iter().skip(1).step_by(2) {
        shop.delete(*order);
    }
    let mut told: BTreeSet<String> = counted(steps.link()).await.gaps.into_iter().collect();
    assert_eq!(told.len(), 50);
    steps.advance(world, 86_400);
    told.extend(counted(steps.link()).await.gaps);
    assert_eq!(told.len(), 60);
});

on_both!(a_census_is_due_once_a_day_from_its_hour_on, nightly(), async |world: &World| {
    // 02:30 in Stockholm, an hour before the census.
    let clock = Clock::manual("2026-11-27T01:30:00Z".parse().expect("a literal timestamp"));
    let steps = world.steps(&clock).await;
    let link = steps.link();
    assert!(!is_due(link).await.expect("the store works"));
    clock.advance(Duration::from_secs(3_600));
    assert!(is_due(link).await.expect("the store works"));
    world.shop().break_listing_after(0);
    assert_eq!(census(link).await.expect("the store works"), Swept::Failed);
    assert!(!is_due(link).await.expect("the store works"), "it lists weeks of orders");
    clock.advance(Duration::from_secs(3_600));
    assert!(is_due(link).await.expect("the store works"), "one that failed is taken again");
    world.shop().mend_listing();
    counted(link).await;
    assert!(!is_due(link).await.expect("the store works"));
    clock.advance(Duration::from_secs(22 * 3_600));
    assert!(!is_due(link).await.expect("the store works"), "before its hour");
    clock.advance(Duration::from_secs(2 * 3_600));
    assert!(is_due(link).await.expect("the store works"));
    let (latest, done) = steps.store.latest_runs(&link.name, CENSUS).await.expect("reads");
    assert_eq!(latest, done);
});

fn of_small_pages() -> Setup {
    Setup { edits: vec![("every_secs = 0", "every_secs = 0\npage_orders = 2")], ..nightly() }
}

/// Takes a census that is told to stop while it waits for this answer of Shopify; gives how many it asked for.
async fn stopped_at(world: &World, link: &Connection, answer: u64) -> u64 {
    let asked = || world.sandbox.ledger().counters().shopify_requests;
    let before = asked();
    let stop = async {
        let deadline = Instant::now() + Duration::from_secs(30);
        while asked() < before + answer {
            assert!(Instant::now() < deadline, "{answer} answers were never asked for");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        link.stopping.store(true, Ordering::Release);
    };
    let (ended, ()) = futures::join!(census(link), stop);
    assert_eq!(ended.expect("the store works"), Swept::Stopped);
    link.stopping.store(false, Ordering::Release);
    asked() - before
}

on_both!(a_census_ends_at_once_when_the_service_stops, of_small_pages(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let gone: Vec<u64> = (0..3).map(|_| shop.place(Story::Plain)).collect();
    swept(steps.link()).await;
    steps.run(steps.link()).await;
    // Beside three orders that are gone, three names that no order has, each between two others.
    let others: Vec<u64> = (0..6).map(|_| shop.place(Story::Plain)).collect();
    for order in gone.iter().chain(others.iter().step_by(2)) {
        shop.delete(*order);
    }
    world.sandbox.faults().times(Class::GraphQl, Fault::Slow(Duration::from_millis(100)), 1_000);
    // The newest order, two pages by birth, two by change, the count, three orders, three names.
    for answer in [2, 4, 7, 10] {
        let asked = stopped_at(world, steps.link(), answer).await;
        assert!(asked <= answer + 1, "{asked} answers were asked for, of which {answer} before the stop");
    }
    assert_eq!(world.database.number("SELECT COUNT(*) FROM schedule_runs WHERE outcome = 'broke_off'"), 4);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM census_days"), 0);
    world.sandbox.faults().clear();
    let found = counted(steps.link()).await;
    assert_eq!((found.listed, found.gone, found.gaps.len()), (3, 3, 3));
});

on_both!(a_shop_that_sells_while_no_webhook_comes_is_told, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let silent = async || match sweep(steps.link()).await.expect("the store works") {
        Swept::Done(figures) => figures.silent_secs,
        other => panic!("the sweep did not end well: {other:?}"),
    };
    let hears = async || {
        let heard = vec![("acme".to_owned(), "orders/create".to_owned(), steps.clock.now())];
        steps.store.note_heard(heard).await.expect("notes");
    };
    let order = shop.place(Story::NoteChanged);
    hears().await;
    assert_eq!(silent().await, 0);
    // Hours without an order are no silence.
    steps.advance(world, 7_200);
    assert_eq!(silent().await, 0);
    // A change that nobody told: at first its webhook may still come.
    shop.change(order, Change::Note);
    steps.advance(world, 60);
    assert_eq!(silent().await, 0);
    steps.advance(world, 900);
    assert!(silent().await >= 7_200, "since the last webhook");
    hears().await;
    assert_eq!(silent().await, 0);
});

/// A day that was counted long ago.
fn add_day(world: &World, connection: &str, day: &str) {
    world.database.execute(&format!(
        "INSERT INTO census_days (connection, day, taken_at, shopify, ours, missing, newer, gone, gaps) \
         VALUES ('{connection}', '{day}', 0, 1, 1, 0, 0, 0, '')"
    ));
}

on_both!(what_a_census_counted_is_shown_by_day, nightly(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let shown = |arguments: &[&str]| {
        let (code, output, error) = world.command(&[&["orders", "census", "acme"], arguments].concat(), "");
        assert_eq!(code, 0, "{error}");
        output
    };
    assert!(shown(&[]).contains("no day was counted yet"));
    let orders: Vec<u64> = (0..4).map(|_| shop.place(Story::Plain)).collect();
    swept(steps.link()).await;
    steps.run(steps.link()).await;
    shop.delete(orders[1]);
    shop.lose_update_of(shop.place(Story::Plain));
    counted(steps.link()).await;
    let told: Value = serde_json::from_str(&shown(&["--json"])).expect("JSON");
    let items = told["items"].as_array().expect("a list");
    // Two days where midnight passed meanwhile.
    let sum = |key: &str| items.iter().filter_map(|day| day[key].as_i64()).sum::<i64>();
    assert_eq!((sum("shopify"), sum("known"), sum("missing"), sum("gone")), (4, 4, 1, 1), "{told:#}");
    let text = shown(&["--days", "400"]);
    assert!(text.starts_with("day ") && text.contains(items[0]["day"].as_str().expect("a day")), "{text}");
    world.database.execute("UPDATE census_days SET gaps = '#1002 #1003'");
    add_day(world, "acme", "2026-01-01");
    let (all, newest) = (shown(&[]), shown(&["--days", "1"]));
    assert!(all.contains("2026-01-01") && !newest.contains("2026-01-01"), "{all}\n{newest}");
    assert!(newest.contains("#1002 #1003"), "{newest}");
    let (code, _, error) = world.command(&["orders", "census", "nobody"], "");
    assert!(code == 2 && error.contains("[connections.nobody]"), "{error}");
});

on_both!(what_a_census_counted_is_kept_for_its_days, nightly(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let now = Timestamp::now();
    let day = |ago: i64| (now - SignedDuration::from_hours(24 * ago)).strftime("%Y-%m-%d").to_string();
    for (connection, ago) in [("acme", 402), ("acme", 398), ("bolt", 402)] {
        add_day(world, connection, &day(ago));
    }
    shop.place(Story::Plain);
    counted(steps.link()).await;
    let sql = "SELECT connection || ' ' || day AS value FROM census_days WHERE taken_at = 0 ORDER BY 1";
    let kept = world.database.texts(sql);
    assert_eq!(kept, [format!("acme {}", day(398)), format!("bolt {}", day(402))], "each connection forgets its own");
});
