//! The books of many orders: few requests for each, and a run that was stopped goes on to the same account.

use std::cell::RefCell;

use jiff::{SignedDuration, Timestamp};
use ml_connector::flow::account::Standing;
use ml_connector::flow::reconcile::{Asked, Depth, Manner, Progress, Reconciled, reconcile};
use ml_connector::sandbox::ledger::Counters;
use ml_connector::sandbox::shopify::Story;
use tokio::sync::Notify;

use crate::on_both;
use crate::reconcile::{assert_unexplained, begin, books, everything, sold};
use crate::support::world::{Setup, Steps, World};

const ORDERS: u64 = 120;

/// Orders sold a second apart and written.
async fn month(world: &World, steps: &Steps) -> Vec<u64> {
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        let order = world.shop().place(Story::Plain);
        steps.deliver(steps.link(), "orders/create", &world.shop().webhook_body(order).expect("a body")).await;
        steps.advance(world, 1);
        orders.push(order);
    }
    steps.run(steps.link()).await;
    let written = world.database.number("SELECT COUNT(*) FROM documents WHERE state = 'written'");
    assert_eq!(u64::try_from(written).expect("few"), ORDERS);
    orders
}

/// The same with a difference early and one late.
async fn month_with_differences(world: &World, steps: &Steps) {
    let orders = month(world, steps).await;
    for order in [orders[3], orders[110]] {
        let key = order.to_string();
        let documents = world.documents().await;
        let document = documents.iter().find(|document| document.business_key == key).expect("its document");
        let number = document.order_no.clone().expect("linked");
        world.sandbox.ifs().add_foreign_row(&number).expect("it is planned");
    }
    world.shop().place(Story::Plain);
}

fn an_hour_later(steps: &Steps) -> Timestamp {
    steps.clock.now() + SignedDuration::from_hours(1)
}

/// A run, and what it told.
async fn run(steps: &Steps, asked: &Asked) -> (Reconciled, Vec<Progress>) {
    let told = RefCell::new(Vec::new());
    let ended = reconcile(books(steps, asked.span.1), asked, &|progress| told.borrow_mut().push(progress)).await;
    (ended.expect("an account"), told.into_inner())
}

/// A run that dies when so many orders are compared.
async fn die_after(steps: &Steps, asked: &Asked, compared: u64) {
    die_when(steps, asked, |progress| matches!(progress, Progress::Compared { orders, .. } if *orders >= compared))
        .await;
}

/// A run that dies when it tells this.
async fn die_when(steps: &Steps, asked: &Asked, is_told: impl Fn(&Progress) -> bool) {
    let stop = Notify::new();
    let tell = |progress| {
        if is_told(&progress) {
            stop.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = stop.notified() => {}
        ended = reconcile(books(steps, asked.span.1), asked, &tell) => panic!("it ended before: {:?}", ended.err()),
    }
}

fn notes(told: &[Progress]) -> String {
    let note = |progress: &Progress| match progress {
        Progress::Note(text) => Some(text.clone()),
        Progress::Compared { .. } | Progress::Strays => None,
    };
    told.iter().filter_map(note).collect::<Vec<_>>().join("; ")
}

fn requests(before: &Counters, after: &Counters) -> (u64, u64) {
    (after.ifs_requests - before.ifs_requests, after.shopify_requests - before.shopify_requests)
}

fn places(world: &World) -> i64 {
    world.database.number("SELECT COUNT(*) FROM cursors WHERE name = 'reconcile'")
}

on_both!(many_orders_take_few_requests, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    month(world, &steps).await;
    let asked = everything(an_hour_later(&steps));
    let counters = || world.sandbox.ledger().counters();
    let before = counters();
    let (quick, told) = run(&steps, &asked).await;
    let after = counters();
    let (ifs, shopify) = requests(&before, &after);
    assert!(ifs <= ORDERS / 20 + 4, "{ifs} requests to IFS");
    assert!(shopify <= ORDERS / 20 + 4, "{shopify} requests to Shopify");
    assert!(quick.account.is_clean() && quick.account.differences.is_empty(), "{:#?}", quick.account.differences);
    assert_eq!((quick.account.counts.shopify, quick.account.counts.ifs), (ORDERS, ORDERS));
    assert!(told.contains(&Progress::Compared { orders: ORDERS, about: Some(ORDERS) }), "{told:?}");
    // Each order read by its id comes to the same.
    let (whole, _) = run(&steps, &Asked { depth: Depth::Whole, ..asked }).await;
    let (ifs, shopify) = requests(&after, &counters());
    assert_eq!(whole.account, quick.account);
    assert!(ifs <= ORDERS / 20 + 4 && shopify >= ORDERS, "{ifs} and {shopify} requests");
    assert_eq!(places(world), 0);
});

on_both!(a_run_that_died_goes_on_to_the_same_account, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    month_with_differences(world, &steps).await;
    let asked = Asked { kept_after: 1, ..everything(an_hour_later(&steps)) };
    let counters = || world.sandbox.ledger().counters();
    let before = counters();
    let (whole, _) = run(&steps, &asked).await;
    let (all, _) = requests(&before, &counters());
    assert_eq!((whole.account.count(Standing::Unexplained), whole.account.counts.shopify), (3, ORDERS + 1));
    // 1. It dies half way, and goes on.
    die_after(&steps, &asked, 60).await;
    assert_eq!(places(world), 1);
    let before = counters();
    let (resumed, told) = run(&steps, &asked).await;
    let (rest, _) = requests(&before, &counters());
    assert!(notes(&told).contains("going on behind"), "{told:?}");
    assert_eq!(resumed.account, whole.account);
    assert!(rest < all, "{rest} requests of {all}");
    assert_eq!(places(world), 0, "a request that ended is forgotten");
    // 2. Another request, and one that is to begin anew, take nothing over.
    for other in [Asked { differences_max: 2, ..asked }, Asked { manner: Manner::Anew, ..asked }] {
        die_after(&steps, &asked, 60).await;
        let (anew, told) = run(&steps, &other).await;
        assert!(!notes(&told).contains("going on"), "{told:?}");
        assert_eq!(anew.account.counts, whole.account.counts);
        assert_eq!(anew.account.sums, whole.account.sums);
    }
    // 3. Nor does one that comes too late.
    die_after(&steps, &asked, 60).await;
    steps.advance(world, 3_700);
    let (late, told) = run(&steps, &asked).await;
    assert!(notes(&told).contains("too old"), "{told:?}");
    assert_eq!(late.account, whole.account);
});

on_both!(a_long_time_is_read_from_the_file_of_a_bulk_operation, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    month_with_differences(world, &steps).await;
    let asked = Asked { kept_after: 1, ..everything(an_hour_later(&steps)) };
    let (by_pages, _) = run(&steps, &asked).await;
    let shop = world.shop();
    let in_bulk = Asked { bulk_from: 1, ..asked };
    // 1. The file breaks off twice and is opened again.
    shop.break_bulk_files(2);
    let (read, _) = run(&steps, &in_bulk).await;
    assert_eq!((&read.account, shop.bulk_operations()), (&by_pages.account, 1));
    // 2. The run dies; the next one takes the same file.
    die_after(&steps, &in_bulk, 60).await;
    let (resumed, told) = run(&steps, &in_bulk).await;
    assert!(notes(&told).contains("going on behind"), "{told:?}");
    assert_eq!((&resumed.account, shop.bulk_operations()), (&by_pages.account, 2));
    // 3. A file that is not whole, and an operation that fails: by pages instead.
    shop.shorten_next_bulk_file();
    let (short, told) = run(&steps, &in_bulk).await;
    assert!(notes(&told).contains("begins anew by pages"), "{told:?}");
    assert_eq!(short.account, by_pages.account);
    shop.fail_next_bulk("TIMEOUT");
    let (failed, told) = run(&steps, &in_bulk).await;
    assert!(notes(&told).contains("ended as TIMEOUT"), "{told:?}");
    assert_eq!(failed.account, by_pages.account);
    assert_eq!(places(world), 0);
});

/// Orders a second apart, of which the last one never came to us, and the request for their books by a bulk operation.
async fn last_one_lost(world: &World, steps: &Steps, told: usize) -> (u64, Asked) {
    for _ in 0..told {
        sold(world, steps, Story::Plain).await;
        steps.advance(world, 1);
    }
    let lost = world.shop().place(Story::Plain);
    (lost, Asked { bulk_from: 1, ..everything(an_hour_later(steps)) })
}

/// A run that dies as soon as Shopify has started its bulk operation.
async fn die_at_the_bulk_operation(steps: &Steps, asked: &Asked) {
    die_when(steps, asked, |progress| matches!(progress, Progress::Note(text) if text.contains("collects them"))).await;
}

on_both!(a_bulk_operation_of_a_run_that_died_is_held_against_the_count, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let (lost, in_bulk) = last_one_lost(world, &steps, 2).await;
    // The place says the count, and does not, as an earlier version kept it.
    for (operations, counted) in [(1, "counted"), (2, "not_counted")] {
        die_at_the_bulk_operation(&steps, &in_bulk).await;
        world.database.execute(&format!(
            "UPDATE cursors SET value = REPLACE(value, '\"counted\":3', '\"{counted}\":3') WHERE name = 'reconcile'"
        ));
        let kept = world.database.texts("SELECT value AS value FROM cursors WHERE name = 'reconcile'").concat();
        assert!(kept.contains(&format!("\"{counted}\":3")), "{kept}");
        world.shop().shorten_bulk_operations();
        let (resumed, told) = run(&steps, &in_bulk).await;
        assert!(notes(&told).contains("has 2 orders of 3: by pages instead"), "{told:?}");
        assert_unexplained(&resumed.account, "never_came", lost);
        assert_eq!((world.shop().bulk_operations(), resumed.account.counts.shopify), (operations, 3));
    }
});

on_both!(a_bulk_operation_that_found_none_of_the_counted_is_not_believed, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let (lost, in_bulk) = last_one_lost(world, &steps, 0).await;
    die_at_the_bulk_operation(&steps, &in_bulk).await;
    world.shop().shorten_bulk_operations();
    let (resumed, told) = run(&steps, &in_bulk).await;
    assert!(notes(&told).contains("has 0 orders of 1: by pages instead"), "{told:?}");
    assert_unexplained(&resumed.account, "never_came", lost);
});

on_both!(a_bulk_file_that_ends_inside_a_line_gives_way_to_pages, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let (lost, in_bulk) = last_one_lost(world, &steps, 2).await;
    world.shop().cut_next_bulk_file();
    let (cut, told) = run(&steps, &in_bulk).await;
    assert!(notes(&told).contains("has a line that cannot be read: it begins anew by pages"), "{told:?}");
    assert_unexplained(&cut.account, "never_came", lost);
    assert_eq!((world.shop().bulk_operations(), cut.account.counts.shopify), (1, 3));
    assert_eq!(places(world), 0);
});
