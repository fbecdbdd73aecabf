//! What no webhook told: the sweep finds it in Shopify's list of orders, page by page, and it enters the same inbox as a hint.

use std::time::Duration;

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use ml_connector::failpoint;
use ml_connector::flow::Connection;
use ml_connector::flow::sweep::{Figures, Swept, sweep};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Story};
use ml_connector::store::{Cursor, Hint, HintPage, Origin, StoreError, Takeover};

use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

/// Two orders a page.
fn small_pages() -> Setup {
    Setup { edits: vec![("every_secs = 0", "every_secs = 0\npage_orders = 2")], ..Setup::default() }
}

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

async fn swept(link: &Connection) -> Figures {
    match sweep(link).await.expect("the store works") {
        Swept::Done(figures) => figures,
        other => panic!("the sweep did not end well: {other:?}"),
    }
}

fn inbox(world: &World, condition: &str) -> i64 {
    world.database.number(&format!("SELECT COUNT(*) FROM inbox WHERE {condition}"))
}

fn position(world: &World) -> String {
    world.database.texts("SELECT value AS value FROM cursors").concat()
}

fn assert_each_is_once_in_ifs(world: &World, orders: &[u64]) {
    for order in orders {
        assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1, "order {order}");
    }
    let books = world.sandbox.books(&[]);
    assert!(books.is_clean(), "{:#}", books.to_json());
    assert_eq!((books.orders, books.ifs_orders), (orders.len(), orders.len()));
}

on_both!(an_order_that_no_webhook_told_is_found_and_stands_in_ifs_once, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Plain);
    let figures = swept(steps.link()).await;
    assert_eq!(figures, Figures { pages: 1, orders: 1, entered: 1, unknown: 1, silent_secs: 0 });
    assert_eq!(inbox(world, "origin = 'sweep' AND state = 'received'"), 1);
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Written);
    // Found is not born: IFS was asked before anything was created.
    assert_eq!(world.database.number("SELECT look_up_first FROM documents"), 1);
    assert_eq!(world.database.number("SELECT born_here FROM orders"), 0);
    assert_each_is_once_in_ifs(world, &[order]);
});

on_both!(an_order_that_is_swept_and_told_at_once_has_one_effect, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let (first, second) = (shop.place(Story::Plain), shop.place(Story::NoteChanged));
    let told = |order| shop.webhook_body(order).expect("a body").to_vec();
    // The webhook waits in the inbox while the sweep finds its order; and the other way round.
    steps.deliver(steps.link(), "orders/create", &told(first)).await;
    assert_eq!(swept(steps.link()).await.entered, 2);
    steps.deliver(steps.link(), "orders/create", &told(second)).await;
    let before = world.sandbox.ledger().counters().shopify_requests;
    steps.run(steps.link()).await;
    assert_eq!(world.sandbox.ledger().counters().shopify_requests, before + 1, "one of both is read by its id");
    assert_eq!((inbox(world, "state = 'mapped'"), inbox(world, "state = 'superseded'")), (2, 2));
    assert_each_is_once_in_ifs(world, &[first, second]);
    // A change that only the sweep sees arrives as well.
    steps.advance(world, 5);
    shop.change(second, Change::Note);
    assert_eq!(swept(steps.link()).await.entered, 1);
    steps.run(steps.link()).await;
    assert!(world.sandbox.books(&[]).is_clean(), "{:#}", world.sandbox.books(&[]).to_json());
});

on_both!(an_overlap_makes_no_second_row_and_no_second_effect, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let orders = [shop.place(Story::Plain), shop.place(Story::Plain)];
    assert_eq!(swept(steps.link()).await.entered, 2);
    // Not mapped yet: the same hints stand there already.
    assert_eq!(swept(steps.link()).await.entered, 0);
    steps.run(steps.link()).await;
    let figures = swept(steps.link()).await;
    assert_eq!((figures.orders, figures.entered), (2, 0), "read again, known by now");
    assert_eq!(inbox(world, "1 = 1"), 2);
    assert_each_is_once_in_ifs(world, &orders);
});

on_both!(an_order_that_enters_the_list_late_is_found_within_the_overlap, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let late = shop.place(Story::Plain);
    shop.hide_order(late);
    steps.advance(world, 300);
    let seen = shop.place(Story::Plain);
    assert_eq!(swept(steps.link()).await.entered, 1);
    // Shopify's index has caught up: behind the mark stands an order that the list did not show.
    shop.show_order(late);
    assert_eq!(swept(steps.link()).await.entered, 1);
    steps.run(steps.link()).await;
    assert_each_is_once_in_ifs(world, &[late, seen]);
});

on_both!(what_changes_while_the_list_is_read_does_not_carry_the_mark_along, small_pages(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let orders: Vec<u64> = (0..3).map(|_| shop.place(Story::Plain)).collect();
    // The first question is for the newest order, the second for the first page.
    shop.break_listing_after(2);
    assert_eq!(sweep(steps.link()).await.expect("the store works"), Swept::Failed);
    shop.mend_listing();
    // An order of the first page changes and is not shown again; long after it, one of the last page.
    steps.advance(world, 10);
    shop.change(orders[0], Change::Note);
    shop.hide_order(orders[0]);
    steps.advance(world, 3_600);
    shop.change(orders[2], Change::Note);
    assert_eq!(swept(steps.link()).await.entered, 1, "the last page");
    shop.show_order(orders[0]);
    assert_eq!(swept(steps.link()).await.entered, 1, "what changed since the reading began is read again");
    steps.run(steps.link()).await;
    assert_each_is_once_in_ifs(world, &orders);
});

on_both!(equal_times_over_a_page_border_lose_no_order, small_pages(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let orders: Vec<u64> = (0..7).map(|_| shop.place(Story::Plain)).collect();
    let figures = swept(steps.link()).await;
    assert_eq!((figures.pages, figures.entered), (4, 7));
    steps.run(steps.link()).await;
    assert_each_is_once_in_ifs(world, &orders);
});

on_both!(a_page_that_fails_midway_keeps_the_pages_before_it, small_pages(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let mut orders: Vec<u64> = (0..5).map(|_| shop.place(Story::Plain)).collect();
    // The first question is for the newest order, the second for the first page.
    shop.break_listing_after(2);
    assert_eq!(sweep(steps.link()).await.expect("the store works"), Swept::Failed);
    assert_eq!(inbox(world, "origin = 'sweep'"), 2, "the first page is stored");
    assert_eq!(world.database.number("SELECT COUNT(*) FROM schedule_runs WHERE outcome = 'failed'"), 1);
    let stopped_at = position(world);
    assert!(stopped_at.contains("\"mark\":null") && stopped_at.contains("\"after\":\""), "{stopped_at}");
    // Meanwhile a change moves an order of the first page to the end of the list.
    steps.advance(world, 60);
    shop.change(orders[0], Change::Note);
    orders.push(shop.place(Story::Plain));
    shop.mend_listing();
    let figures = swept(steps.link()).await;
    assert_eq!((figures.pages, figures.orders), (3, 5), "it goes on behind the stored page");
    steps.run(steps.link()).await;
    assert_each_is_once_in_ifs(world, &orders);
    assert!(position(world).contains("\"reading\":null"), "{}", position(world));
});

on_both!(a_page_cursor_that_shopify_refuses_costs_no_order, small_pages(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let orders: Vec<u64> = (0..4).map(|_| shop.place(Story::Plain)).collect();
    shop.break_listing_after(2);
    assert_eq!(sweep(steps.link()).await.expect("the store works"), Swept::Failed);
    shop.mend_listing();
    let spoilt = "UPDATE cursors SET value = replace(value, '\"after\":\"', '\"after\":\"x')";
    world.database.execute(spoilt);
    assert_eq!(swept(steps.link()).await.orders, 4, "it reads anew from its mark");
    steps.run(steps.link()).await;
    assert_each_is_once_in_ifs(world, &orders);
});

/// So many changes within one overlap that they do not fit into one reading.
fn short_readings() -> Setup {
    Setup { edits: vec![("every_secs = 0", "every_secs = 0\npage_orders = 2\nreading_orders = 4")], ..Setup::default() }
}

on_both!(more_orders_within_one_overlap_than_a_reading_holds_are_all_found, short_readings(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let mut orders = Vec::new();
    for _ in 0..7 {
        orders.push(shop.place(Story::Plain));
        steps.advance(world, 2);
    }
    assert_eq!(swept(steps.link()).await.entered, 7);
    // All of one second: no reading can begin between them, so one goes on as far as Shopify pages.
    steps.advance(world, 7_200);
    orders.extend((0..9).map(|_| shop.place(Story::Plain)));
    assert_eq!(swept(steps.link()).await.entered, 9);
    assert_eq!(swept(steps.link()).await.entered, 0);
    steps.run(steps.link()).await;
    assert_each_is_once_in_ifs(world, &orders);
});

on_both!(a_cursor_that_is_refused_each_time_ends_the_run, small_pages(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let _orders: Vec<u64> = (0..5).map(|_| shop.place(Story::Plain)).collect();
    shop.end_paging_at(2);
    assert_eq!(sweep(steps.link()).await.expect("the store works"), Swept::Failed);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM schedule_runs WHERE outcome = 'failed'"), 1);
});

on_both!(an_edit_that_was_swept_and_could_not_be_read_is_not_lost, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::NoteChanged);
    steps.deliver(steps.link(), "orders/create", &shop.webhook_body(order).expect("a body")).await;
    steps.run(steps.link()).await;
    steps.advance(world, 5);
    shop.change(order, Change::Note);
    assert_eq!(swept(steps.link()).await.entered, 1);
    // What Shopify answers cannot be read, each time.
    for _ in 0..6 {
        world.sandbox.faults().times(Class::GraphQl, Fault::Plain(400, String::new()), 4);
        steps.map(steps.link()).await;
        world.sandbox.faults().clear();
        steps.advance(world, 10);
    }
    assert_state(&world.document().await, State::Parked);
    assert_eq!(inbox(world, "state = 'quarantined' AND origin = 'sweep'"), 1, "what it tells of was not read");
    // The next sweep takes it up, and the order opens by itself.
    swept(steps.link()).await;
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Written);
    assert!(world.sandbox.books(&[]).is_clean(), "{:#}", world.sandbox.books(&[]).to_json());
});

on_both!(a_scope_that_is_missing_for_orders_costs_no_order, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Plain);
    swept(steps.link()).await;
    world.sandbox.faults().once(Class::GraphQl, Fault::Forbidden);
    steps.map(steps.link()).await;
    assert_eq!(inbox(world, "state = 'received'"), 1, "it waits until the scope is granted");
    steps.advance(world, 301);
    steps.run(steps.link()).await;
    assert_each_is_once_in_ifs(world, &[order]);
});

on_both!(archived_and_cancelled_orders_are_found_as_well, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    shop.leave_archived_orders_out();
    let (archived, cancelled) = (shop.place(Story::Plain), shop.place(Story::CancelledAtOnce));
    shop.archive(archived);
    shop.change(cancelled, Change::Cancelled);
    assert_eq!(swept(steps.link()).await.entered, 2);
    steps.run(steps.link()).await;
    let states: Vec<State> = world.documents().await.iter().map(|document| document.state).collect();
    assert!(states.contains(&State::Written) && states.contains(&State::Superseded), "{states:?}");
    assert_eq!(world.sandbox.ledger().creates_of(&archived.to_string()), 1);
});

on_both!(a_clock_of_ours_that_is_wrong_moves_no_window, Setup::default(), async |world: &World| {
    let shop = world.shop();
    let mut orders = Vec::new();
    // The very first window meets the clock that is most wrong.
    for hours in [10 * 365 * 24, 0, 1, -1] {
        let ours = Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        let steps = world.steps(&Clock::manual(ours)).await;
        world.sandbox.clock().advance(Duration::from_secs(5));
        orders.push(shop.place(Story::Plain));
        assert_eq!(swept(steps.link()).await.entered, 1, "{hours} h");
        steps.map(steps.link()).await;
    }
    assert_eq!(world.documents().await.len(), orders.len());
});

on_both!(
    a_scope_that_is_missing_ends_the_run_with_its_name_and_moves_nothing,
    Setup::default(),
    async |world: &World| {
        let (steps, shop) = (begin(world).await, world.shop());
        let first = shop.place(Story::Plain);
        swept(steps.link()).await;
        let (order, before) = (shop.place(Story::Plain), position(world));
        world.sandbox.faults().once(Class::GraphQl, Fault::Forbidden);
        assert_eq!(sweep(steps.link()).await.expect("the store works"), Swept::Failed);
        let told = world.database.texts("SELECT message AS value FROM schedule_runs WHERE outcome = 'failed'").concat();
        assert!(told.contains("scope"), "{told}");
        assert_eq!(position(world), before);
        assert_eq!(swept(steps.link()).await.entered, 1);
        steps.run(steps.link()).await;
        assert_each_is_once_in_ifs(world, &[first, order]);
    }
);

on_both!(orders_from_before_the_go_live_are_not_looked_for, before_the_go_live(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    shop.place(Story::Plain);
    assert_eq!(swept(steps.link()).await.entered, 0);
    assert_eq!(world.documents().await.len(), 0);
});

fn before_the_go_live() -> Setup {
    let edit = ("orders_from = 2020-01-01T00:00:00Z", "orders_from = 2099-01-01T00:00:00Z");
    Setup { edits: vec![edit], ..Setup::default() }
}

on_both!(an_owner_that_was_asleep_moves_no_cursor_and_enters_nothing, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    swept(steps.link()).await;
    shop.place(Story::Plain);
    let (name, lasts) = (steps.link().tenant.lease.name.clone(), Duration::from_secs(60));
    let before = position(world);
    steps.store.acquire_lease(name, "another".to_owned(), lasts, Takeover::Proven).await.expect("takes over");
    assert!(matches!(sweep(steps.link()).await, Err(StoreError::Fenced)));
    assert_eq!((inbox(world, "1 = 1"), position(world)), (0, before));
});

fn found(steps: &Steps, order_id: u64) -> Hint {
    Hint {
        order_id,
        updated_at: Some(steps.clock.now()),
        key: format!("{order_id}@1"),
        body: b"{}".to_vec(),
        body_sha256: "00".to_owned(),
        trace_id: "0123456789abcdef".to_owned(),
    }
}

on_both!(two_readers_enter_the_same_orders_in_one_sequence, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let page = |origin: Origin, orders: [u64; 3]| HintPage {
        connection: steps.link().name.clone(),
        origin,
        topic: "orders/found",
        hints: orders.map(|order| found(&steps, order)).to_vec(),
        seen_at: None,
        cursor: None,
        now: steps.clock.now(),
    };
    // By their last change, and by their birth: on PostgreSQL each would wait for a row of the other one.
    steps.store.take_hints(&steps.link().tenant.lease, page(Origin::Sweep, [3, 1, 2])).await.expect("enters");
    let entered = || world.database.texts("SELECT webhook_id AS value FROM inbox ORDER BY id");
    assert_eq!(entered(), ["1@1", "2@1", "3@1"]);
    steps.store.take_asked_hints(page(Origin::Sync, [4, 3, 1])).await.expect("enters");
    assert_eq!(entered().len(), 4);
});

on_both!(a_page_of_an_owner_that_fell_asleep_over_it_is_not_stored, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let (lease, lasts) = (steps.link().tenant.lease.clone(), Duration::from_secs(60));
    let page = HintPage {
        connection: steps.link().name.clone(),
        origin: Origin::Sweep,
        topic: "orders/found",
        hints: vec![found(&steps, 1)],
        seen_at: None,
        cursor: Some(Cursor { name: "sweep".to_owned(), value: "{}".to_owned() }),
        now: steps.clock.now(),
    };
    steps
        .store
        .acquire_lease(lease.name.clone(), "another".to_owned(), lasts, Takeover::Proven)
        .await
        .expect("takes over");
    assert!(matches!(steps.store.take_hints(&lease, page).await, Err(StoreError::Fenced)));
    assert_eq!((inbox(world, "1 = 1"), position(world)), (0, String::new()));
});

on_both!(an_order_that_shopify_lost_again_ends_in_quarantine, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Plain);
    swept(steps.link()).await;
    shop.delete(order);
    for _ in 0..6 {
        steps.advance(world, 6);
        steps.map(steps.link()).await;
    }
    assert_eq!(inbox(world, "state = 'quarantined'"), 1);
    assert_eq!(world.documents().await.len(), 0);
});

on_both!(the_service_finds_what_no_webhook_told, every_second(), async |world: &World| {
    let orders = [world.shop().place(Story::Plain), world.shop().place(Story::Plain)];
    let served = world.serve(None);
    world.until("SELECT COUNT(*) FROM documents WHERE state = 'written'", 2).await;
    world.quiet().await;
    assert_eq!(served.terminate(), 0);
    assert_each_is_once_in_ifs(world, &orders);
});

fn every_second() -> Setup {
    let edits = vec![("every_secs = 1\n", "every_secs = 1\npage_orders = 2\n")];
    Setup { sweep_every: Some(Duration::from_secs(1)), edits, ..Setup::default() }
}

on_both!(a_kill_with_a_page_read_and_not_stored_misses_no_order, every_second(), async |world: &World| {
    let orders = orders_beyond_the_overlap(world);
    killed_and_started_again(world, failpoint::SWEEP_PAGE_READ).await;
    assert_eq!(inbox(world, "origin = 'sweep'"), 0, "nothing of it was stored");
    ends_whole(world, &orders).await;
});

on_both!(a_kill_between_a_stored_page_and_the_next_misses_no_order, every_second(), async |world: &World| {
    let orders = orders_beyond_the_overlap(world);
    killed_and_started_again(world, failpoint::SWEEP_PAGE_STORED).await;
    assert_eq!(inbox(world, "origin = 'sweep'"), 2, "one page was stored");
    ends_whole(world, &orders).await;
    assert_eq!(world.database.number("SELECT COUNT(*) FROM schedule_runs WHERE outcome = 'broke_off'"), 1);
});

/// Four orders, and one so much later that no overlap behind it reaches them.
fn orders_beyond_the_overlap(world: &World) -> Vec<u64> {
    let mut orders: Vec<u64> = (0..4).map(|_| world.shop().place(Story::Plain)).collect();
    world.sandbox.clock().advance(Duration::from_secs(3_600));
    orders.push(world.shop().place(Story::Plain));
    orders
}

async fn killed_and_started_again(world: &World, point: &'static str) {
    world.serve(Some(point)).reached(point).await.kill();
}

async fn ends_whole(world: &World, orders: &[u64]) {
    let served = world.serve(None);
    let all = i64::try_from(orders.len()).expect("few");
    world.until("SELECT COUNT(*) FROM documents WHERE state = 'written'", all).await;
    world.quiet().await;
    assert_eq!(served.terminate(), 0);
    assert_eq!(inbox(world, "origin = 'sweep'"), all, "each entered once");
    assert_each_is_once_in_ifs(world, orders);
}
