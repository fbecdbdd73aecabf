//! `orders sync`: orders read on demand, by number, by name and by range, page by page and in bulk.

use std::cell::RefCell;

use jiff::Timestamp;
use ml_connector::app;
use ml_connector::clock::Clock;
use ml_connector::domain::ids::ConnectionName;
use ml_connector::flow::sync::{Asked, BULK_FROM, Desk, Manner, Statuses, SyncError, Synced, Which, sync};
use ml_connector::sandbox::shopify::Story;
use ml_connector::shopify::ShopifyClient;

use crate::on_both;
use crate::support::world::{CONNECTIONS, Setup, Steps, World};

/// Everything since long ago.
fn everything() -> Asked {
    let since = "2020-01-01T00:00:00Z".parse().expect("a literal timestamp");
    Asked {
        which: Which::Range { since, until: None },
        statuses: Statuses::Every,
        manner: Manner::Enter,
        bulk_from: BULK_FROM,
    }
}

fn in_bulk() -> Asked {
    Asked { bulk_from: 1, ..everything() }
}

async fn shop_client(world: &World) -> ShopifyClient {
    let settings = world.settings();
    let keys = app::key_ring(&settings).expect("the key reads");
    let name = ConnectionName::parse(CONNECTIONS[0]).expect("legal");
    app::shop_client(&settings, &world.store, &keys, &Clock::system(), &name).await.expect("a client")
}

async fn synced(world: &World, asked: &Asked) -> Result<Synced, SyncError> {
    let (shopify, clock) = (shop_client(world).await, Clock::system());
    let name = ConnectionName::parse(CONNECTIONS[0]).expect("legal");
    let desk = Desk { connection: &name, shopify: &shopify, store: &world.store, clock: &clock };
    let told = RefCell::new(Vec::new());
    let ended = sync(&desk, asked, &|line| told.borrow_mut().push(line)).await;
    if ended.is_ok() && matches!(asked.which, Which::Range { .. }) {
        assert!(!told.borrow().is_empty(), "it tells how far it is");
    }
    ended
}

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

fn inbox(world: &World) -> i64 {
    world.database.number("SELECT COUNT(*) FROM inbox WHERE origin = 'sync'")
}

fn cursors(world: &World) -> i64 {
    world.database.number("SELECT COUNT(*) FROM cursors")
}

async fn assert_each_is_once_in_ifs(world: &World, orders: &[u64]) {
    let steps = begin(world).await;
    steps.run(steps.link()).await;
    for order in orders {
        assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1, "order {order}");
    }
    assert!(world.sandbox.books(&[]).is_clean(), "{:#}", world.sandbox.books(&[]).to_json());
}

on_both!(a_range_enters_what_is_missing_archived_orders_too, Setup::default(), async |world: &World| {
    let shop = world.shop();
    let orders: Vec<u64> = (0..4).map(|_| shop.place(Story::Plain)).collect();
    shop.archive(orders[0]);
    let dry = Asked { manner: Manner::DryRun, ..everything() };
    let counted = synced(world, &dry).await.expect("reads");
    assert_eq!((counted.entered, inbox(world), cursors(world)), (4, 0, 0));
    let read = synced(world, &everything()).await.expect("reads");
    assert_eq!(read, Synced { orders: 4, known: 0, entered: 4, unknown: 4, standing: 0 });
    assert_eq!(cursors(world), 0, "a request that ended is forgotten");
    assert_each_is_once_in_ifs(world, &orders).await;
    let again = synced(world, &everything()).await.expect("reads");
    assert_eq!((again.known, again.entered), (4, 0));
});

on_both!(
    archived_orders_come_where_the_search_hides_them_unless_they_are_named,
    Setup::default(),
    async |world: &World| {
        let shop = world.shop();
        let (archived, _open) = (shop.place(Story::Plain), shop.place(Story::Plain));
        shop.archive(archived);
        shop.leave_archived_orders_out();
        let alone = Asked { statuses: Statuses::Archived, ..everything() };
        assert_eq!(synced(world, &alone).await.expect("reads").orders, 1);
        assert_eq!(synced(world, &everything()).await.expect("reads").orders, 2);
    }
);

on_both!(a_request_that_cannot_go_on_begins_anew, Setup::default(), async |world: &World| {
    let shop = world.shop();
    let orders: Vec<u64> = (0..300).map(|_| shop.place(Story::Plain)).collect();
    let all = i64::try_from(orders.len()).expect("few");
    // Its page cursor is refused.
    shop.break_listing_after(1);
    assert!(synced(world, &everything()).await.is_err());
    shop.mend_listing();
    world.database.execute("UPDATE cursors SET value = replace(value, '\"after\":\"', '\"after\":\"x')");
    assert_eq!(synced(world, &everything()).await.expect("begins anew").orders, 300);
    assert_eq!((inbox(world), cursors(world)), (all, 0));
    // It broke off long ago: its bulk file would lack what came since.
    shop.break_bulk_files(3);
    assert!(synced(world, &in_bulk()).await.is_err());
    let late = shop.place(Story::Plain);
    world.database.execute("UPDATE cursors SET value = replace(value, '\"began\":1', '\"began\":')");
    assert_eq!(synced(world, &in_bulk()).await.expect("begins anew").orders, 301);
    assert_eq!(shop.bulk_operations(), 2);
    assert_eq!(world.database.number(&format!("SELECT COUNT(*) FROM inbox WHERE webhook_id LIKE '{late}@%'")), 1);
});

on_both!(a_range_that_breaks_off_goes_on_where_it_was, Setup::default(), async |world: &World| {
    let shop = world.shop();
    let orders: Vec<u64> = (0..600).map(|_| shop.place(Story::Plain)).collect();
    shop.break_listing_after(2);
    assert!(matches!(synced(world, &everything()).await, Err(SyncError::Shopify(_))));
    assert_eq!((inbox(world), cursors(world)), (500, 1));
    shop.mend_listing();
    let before = world.sandbox.ledger().counters().shopify_requests;
    synced(world, &everything()).await.expect("goes on");
    assert_eq!(world.sandbox.ledger().counters().shopify_requests, before + 1, "only the last page");
    assert_eq!((inbox(world), cursors(world)), (i64::try_from(orders.len()).expect("few"), 0));
});

on_both!(an_order_that_was_named_is_read_whatever_is_known_of_it, Setup::default(), async |world: &World| {
    let shop = world.shop();
    let order = shop.place(Story::Plain);
    let by = |which| Asked { which, ..everything() };
    for (round, which) in [Which::Id(order), Which::Name("#1001".into()), Which::Id(order)].into_iter().enumerate() {
        let read = synced(world, &by(which)).await.expect("reads");
        assert_eq!((read.orders, read.entered), (1, 1));
        assert_eq!(inbox(world), i64::try_from(round).expect("few") + 1);
    }
    assert_each_is_once_in_ifs(world, &[order]).await;
    assert!(matches!(synced(world, &by(Which::Id(4_711))).await, Err(SyncError::NotFound)));
    assert!(matches!(synced(world, &by(Which::Name("' OR status:open".into()))).await, Err(SyncError::NoName)));
});

on_both!(a_long_range_is_read_from_the_file_of_a_bulk_operation, Setup::default(), async |world: &World| {
    let shop = world.shop();
    let orders: Vec<u64> = (0..5).map(|_| shop.place(Story::Plain)).collect();
    let read = synced(world, &in_bulk()).await.expect("reads");
    assert_eq!((read.orders, read.entered, shop.bulk_operations()), (5, 5, 1));
    assert_eq!(cursors(world), 0);
    assert_each_is_once_in_ifs(world, &orders).await;
});

on_both!(a_bulk_file_that_breaks_off_is_opened_again_and_then_later, Setup::default(), async |world: &World| {
    let shop = world.shop();
    let _orders: Vec<u64> = (0..5).map(|_| shop.place(Story::Plain)).collect();
    shop.break_bulk_files(2);
    assert_eq!(synced(world, &in_bulk()).await.expect("in the end").entered, 5);
    shop.place(Story::Plain);
    shop.break_bulk_files(3);
    assert!(matches!(synced(world, &in_bulk()).await, Err(SyncError::Shopify(_))));
    assert_eq!(cursors(world), 1, "the operation is remembered");
    assert_eq!(synced(world, &in_bulk()).await.expect("goes on").orders, 6);
    assert_eq!(shop.bulk_operations(), 2, "no further one was started");
});

on_both!(a_bulk_operation_that_comes_to_nothing_is_never_success, Setup::default(), async |world: &World| {
    let shop = world.shop();
    let _orders: Vec<u64> = (0..3).map(|_| shop.place(Story::Plain)).collect();
    shop.fail_next_bulk("TIMEOUT");
    let failed = synced(world, &in_bulk()).await.expect_err("it failed");
    assert!(failed.to_string().contains("TIMEOUT"), "{failed}");
    assert_eq!((inbox(world), cursors(world)), (0, 0));
    shop.shorten_next_bulk_file();
    let short = synced(world, &in_bulk()).await.expect_err("a line is missing");
    assert!(short.to_string().contains("2 lines instead of 3"), "{short}");
    // An operation whose file is gone by now is no answer either; the next request starts another one.
    shop.break_bulk_files(3);
    assert!(synced(world, &in_bulk()).await.is_err());
    shop.expire_bulk_files();
    let expired = synced(world, &in_bulk()).await.expect_err("its file is gone");
    assert!(expired.to_string().contains("EXPIRED"), "{expired}");
    assert_eq!(synced(world, &in_bulk()).await.expect("reads").orders, 3);
});

on_both!(the_command_reads_a_range_and_says_what_it_did, Setup::default(), async |world: &World| {
    let shop = world.shop();
    let orders = [shop.place(Story::Plain), shop.place(Story::Plain)];
    let (code, out, err) = world.command(&["orders", "sync", "acme", "--since", "2020-01-01", "--json"], "");
    assert_eq!(code, 0, "{err}");
    let told: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((told["orders"].as_u64(), told["entered"].as_u64()), (Some(2), Some(2)), "{told}");
    assert!(err.contains("acme: 2 orders"), "progress on standard error: {err}");
    assert_each_is_once_in_ifs(world, &orders).await;
    for wrong in [
        "orders sync acme",
        "orders sync nobody --id 1",
        "orders sync acme --id x",
        "orders sync acme --id 4711",
        "orders sync acme --since yesterday",
        "orders sync acme --since 2026-11-02 --until 2026-11-01",
        "orders sync acme --id 1 --name 1",
    ] {
        let arguments: Vec<&str> = wrong.split(' ').collect();
        assert_eq!(world.command(&arguments, "").0, 2, "{wrong}");
    }
});
