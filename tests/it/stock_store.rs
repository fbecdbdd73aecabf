//! The store of stock on both databases: what a reading and a plan leave, which levels a call takes, and how each of them is settled.

use std::time::Duration;

use jiff::Timestamp;
use ml_connector::domain::ids::ConnectionName;
use ml_connector::store::{
    CallEnd, Cursor, GoneStock, Lease, LeaseState, LevelFate, LevelFilter, LevelOutcome, LevelPlan, LevelRow,
    LevelState, LevelsTold, ReadLevel, ReadVariant, StockCall, StockReading, Store, StoreError, Takeover,
};

use crate::support::database::Database;

/// A store with a lease, for one connection.
pub struct Stage {
    pub store: Store,
    pub database: Database,
    pub lease: Lease,
    pub name: ConnectionName,
}

impl Stage {
    async fn new(database: Database) -> Self {
        let store = Store::open(&database.url, 4).expect("opens");
        store.migrate().await.expect("migrates");
        let lasts = Duration::from_secs(60);
        let taken = store.acquire_lease("ifs.main".into(), "us".into(), lasts, Takeover::Proven).await;
        let Ok(LeaseState::Ours(lease)) = taken else { panic!("a lease: {taken:?}") };
        Self { store, database, lease, name: ConnectionName::parse("acme").expect("a name") }
    }

    /// Reads one level of each of these items at location 9, with so many units.
    pub async fn read(&self, run: i64, mark: i64, items: &[(u64, i64)]) {
        self.read_at((run, mark), items, (at(1), at(1))).await;
    }

    async fn read_at(&self, (run, mark): (i64, i64), items: &[(u64, i64)], (asked_at, now): (Timestamp, Timestamp)) {
        let variants = items.iter().map(|(item, _)| variant(*item)).collect();
        let levels = items.iter().map(|(item, available)| level(*item, *available)).collect();
        let (read_until, told) = (Some(at(7)), LevelsTold::All);
        let (read_from, cursor) = (None, None);
        let reading = StockReading { run, mark, asked_at, read_from, read_until, variants, levels, told, cursor };
        self.store.put_stock_reading(&self.lease, &self.name, reading, now).await.expect("keeps");
    }

    /// Reads them now, with nothing under way.
    pub async fn read_now(&self, run: i64, items: &[(u64, i64)]) {
        let mark = self.mark().await;
        self.read(run, mark, items).await;
    }

    async fn mark(&self) -> i64 {
        self.store.stock_mark(&self.name).await.expect("a mark")
    }

    pub async fn level(&self, item: u64) -> LevelRow {
        let filter = LevelFilter { items: Some(vec![item]), limit: 10, ..LevelFilter::default() };
        let mut found = self.store.stock_levels(&self.name, filter).await.expect("reads");
        assert_eq!(found.len(), 1, "one level of {item}");
        found.remove(0)
    }

    pub async fn state(&self, item: u64) -> LevelState {
        self.level(item).await.state
    }

    /// Plans these quantities for levels as they stand.
    pub async fn plan(&self, items: &[(u64, i64)]) -> usize {
        let mut plans = Vec::new();
        for (item, quantity) in items {
            let (quantity, terms) = (*quantity, r#"{"on_hand":"5"}"#.to_owned());
            plans.push(plan(&self.level(*item).await, LevelOutcome::Target { quantity, wanted: quantity, terms }));
        }
        self.store.put_stock_plans(&self.lease, &self.name, plans, at(2)).await.expect("keeps")
    }

    pub async fn call(&self) -> Option<StockCall> {
        self.store.open_stock_call(&self.lease, &self.name, 250, at(4)).await.expect("announces")
    }

    pub async fn end(&self, call: &StockCall, end: CallEnd) -> Result<(), StoreError> {
        self.store.end_stock_call(&self.lease, &self.name, call.id, end, at(4)).await
    }

    async fn take_over(&self) {
        let lasts = Duration::from_secs(60);
        let taken = self.store.acquire_lease("ifs.main".into(), "another".into(), lasts, Takeover::Proven).await;
        assert!(matches!(taken, Ok(LeaseState::Ours(_))));
    }
}

/// Runs a test on each database that is there.
pub async fn on_each(test: impl AsyncFn(&Stage)) {
    for database in [Some(Database::sqlite()), Database::postgres()].into_iter().flatten() {
        test(&Stage::new(database).await).await;
    }
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_796_000_000 + second).expect("a time")
}

/// The variant of an item, `P<item>` to IFS.
pub fn variant(item: u64) -> ReadVariant {
    ReadVariant {
        variant_id: item + 1_000,
        product_id: item / 10 + 1,
        item_id: item,
        sku: Some(format!("sku '{item}\"")),
        barcode: None,
        catalog_no: Some(format!("P{item}")),
        price: "9.50".to_owned(),
        policy: "DENY".to_owned(),
        status: "ACTIVE".to_owned(),
        is_tracked: true,
        is_bundle: false,
        sellable: Some(-1),
    }
}

fn level(item_id: u64, available: i64) -> ReadLevel {
    ReadLevel { item_id, location_id: 9, available, committed: 2, reserved: 1 }
}

pub fn plan(row: &LevelRow, outcome: LevelOutcome) -> LevelPlan {
    LevelPlan {
        item_id: row.item_id,
        location_id: row.location_id,
        revision: row.revision,
        site: "S10".to_owned(),
        part_no: "CUP".to_owned(),
        catalog_no: format!("P{}", row.item_id),
        outcome,
    }
}

#[actix_rt::test]
async fn a_call_is_announced_with_what_was_read_and_settles_its_levels() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4), (2, -3), (3, 8)]).await;
        assert_eq!(stage.plan(&[(1, 6), (2, 0), (3, 8)]).await, 3);
        assert_eq!(stage.state(3).await, LevelState::Quiet, "it shows that already");
        let call = stage.call().await.expect("two differ");
        let content: Vec<_> = call.levels.iter().map(|level| (level.item_id, level.quantity, level.from)).collect();
        assert_eq!(content, [(1, 6, 4), (2, 0, -3)]);
        assert_eq!((stage.call().await, stage.state(1).await), (None, LevelState::Writing));
        assert_eq!(stage.store.open_stock_calls(&stage.name).await.expect("reads"), std::slice::from_ref(&call));
        stage.store.resend_stock_call(&stage.lease, call.id).await.expect("it is open");
        let again = stage.store.open_stock_calls(&stage.name).await.expect("reads");
        assert_eq!((&again[0].key, &again[0].levels, again[0].failures), (&call.key, &call.levels, 0));
        assert_eq!(stage.store.stock_call_failed(&stage.lease, call.id).await.expect("it is open"), 1);
        assert_eq!(stage.store.stock_call_failed(&stage.lease, call.id).await.expect("it is open"), 2);

        stage.end(&call, CallEnd::Done).await.expect("settles");
        let row = stage.level(1).await;
        assert_eq!((row.state, row.available, row.written), (LevelState::Written, 6, Some((6, at(4)))));
        assert_eq!((row.terms.as_deref(), row.read_until), (Some(r#"{"on_hand":"5"}"#), Some(at(7))));
        assert_eq!((row.committed, row.reserved), (2, 1));
        assert!(matches!(stage.end(&call, CallEnd::Done).await, Err(StoreError::Stale)), "it ended");
        assert!(matches!(stage.store.resend_stock_call(&stage.lease, call.id).await, Err(StoreError::Stale)));
        assert!(stage.store.open_stock_calls(&stage.name).await.expect("reads").is_empty());
        let counts = stage.store.count_stock_levels(&stage.name).await.expect("counts");
        assert!(counts.contains(&(LevelState::Written, 2)) && counts.contains(&(LevelState::Quiet, 1)), "{counts:?}");
        assert_eq!(stage.store.forget_stock_calls(at(4), 10).await.expect("forgets"), 0);
        assert_eq!(stage.store.forget_stock_calls(at(5), 10).await.expect("forgets"), 1);
    })
    .await;
}

#[actix_rt::test]
async fn a_reading_that_a_call_crossed_keeps_what_that_may_have_set() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4)]).await;
        stage.plan(&[(1, 6)]).await;
        let before = stage.mark().await;
        let call = stage.call().await.expect("it differs");
        let during = stage.mark().await;
        stage.read(2, during, &[(1, 4)]).await;
        assert_eq!((stage.state(1).await, stage.level(1).await.pending), (LevelState::Writing, Some(6)), "under way");
        assert_eq!(stage.plan(&[(1, 1)]).await, 0, "the call keeps its content");
        stage.end(&call, CallEnd::Done).await.expect("settles");
        for mark in [before, during] {
            stage.read(2, mark, &[(1, 4)]).await;
            assert_eq!(stage.level(1).await.pending, Some(6), "asked for before it was settled");
        }
        stage.read_now(2, &[(1, 5)]).await;
        let row = stage.level(1).await;
        assert_eq!((row.state, row.available, row.pending), (LevelState::Read, 5, None));
    })
    .await;
}

#[actix_rt::test]
async fn a_bad_level_is_parked_alone_and_the_others_go_in_another_call() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 1), (2, 1), (3, 1), (4, 1)]).await;
        stage.plan(&[(1, 5), (2, 5), (3, 5), (4, 5)]).await;
        let call = stage.call().await.expect("they differ");
        let parked = LevelFate::Parked { code: "invalid_location".to_owned(), text: "it is \"off\"".to_owned() };
        let later = LevelFate::Alone(at(60));
        let named = vec![(1, LevelFate::Stale), (2, parked), (3, later)];
        stage.end(&call, CallEnd::Refused(named)).await.expect("settles");
        assert_eq!((stage.state(2).await, stage.state(3).await), (LevelState::Stale, LevelState::Parked));
        let reason = stage.level(3).await.reason.expect("told");
        assert_eq!((reason.0.as_str(), reason.1.as_str()), ("invalid_location", "it is \"off\""));
        let stale = stage.store.stale_levels(&stage.name, at(600), 10).await.expect("reads");
        assert_eq!(stale.iter().map(|level| (level.item_id, level.variant_id)).collect::<Vec<_>>(), [(2, 1_002)]);
        assert_eq!(stage.plan(&[(2, 7)]).await, 0, "it is read again first");

        let other = stage.call().await.expect("the first goes again at once");
        assert_eq!(other.levels.iter().map(|level| level.item_id).collect::<Vec<_>>(), [1]);
        assert_ne!(other.key, call.key);
        // Read again, a parked level stays a person's while it differs, with the same reason.
        stage.read_now(2, &[(3, 1)]).await;
        stage.plan(&[(3, 6)]).await;
        assert_eq!((stage.state(3).await, stage.level(3).await.reason), (LevelState::Parked, Some(reason)));
        let retried = stage.store.retry_levels(&stage.name, Some(vec![3, 4]), "eva".to_owned(), at(5)).await;
        assert_eq!((retried.expect("asks"), stage.state(3).await), (1, LevelState::Stale));
        stage.read_now(2, &[(3, 6)]).await;
        stage.plan(&[(3, 6)]).await;
        assert_eq!((stage.state(3).await, stage.level(3).await.reason), (LevelState::Quiet, None));
    })
    .await;
}

#[actix_rt::test]
async fn a_bad_level_that_nobody_names_is_found_by_halves() {
    on_each(async |stage| {
        let items: Vec<(u64, i64)> = (1..=8).map(|item| (item, 1)).collect();
        stage.read_now(1, &items).await;
        let wanted: Vec<(u64, i64)> = items.iter().map(|(item, _)| (*item, 5)).collect();
        stage.plan(&wanted).await;
        let (mut calls, mut alone) = (0, Vec::new());
        while let Some(call) = stage.call().await {
            calls += 1;
            assert!(calls < 20, "it comes to its end");
            let bad = call.levels.iter().any(|level| level.item_id == 6);
            if bad && call.levels.len() == 1 {
                alone.push(call.levels[0].item_id);
                let fate = LevelFate::Parked { code: "refused".to_owned(), text: String::new() };
                stage.end(&call, CallEnd::Refused(vec![(0, fate)])).await.expect("settles");
            } else {
                stage.end(&call, if bad { CallEnd::Split } else { CallEnd::Done }).await.expect("settles");
            }
        }
        assert_eq!((alone, stage.state(6).await), (vec![6], LevelState::Parked));
        for item in [1, 2, 3, 4, 5, 7, 8] {
            assert_eq!(stage.state(item).await, LevelState::Written, "{item}");
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_plan_counts_for_its_reading_and_for_a_while() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4), (2, 4)]).await;
        let older = plan(&stage.level(1).await, LevelOutcome::Left { code: "unclear", text: "odd".to_owned() });
        stage.read_now(1, &[(1, 3)]).await;
        let taken = stage.store.put_stock_plans(&stage.lease, &stage.name, vec![older], at(2)).await;
        assert_eq!((taken.expect("keeps"), stage.state(1).await), (0, LevelState::Read), "it was read again since");
        let left = plan(&stage.level(1).await, LevelOutcome::Left { code: "unclear", text: "odd".to_owned() });
        stage.store.put_stock_plans(&stage.lease, &stage.name, vec![left], at(2)).await.expect("keeps");
        let row = stage.level(1).await;
        assert_eq!((row.state, row.quantity), (LevelState::Left, None));
        assert_eq!(row.reason, Some(("unclear".to_owned(), "odd".to_owned())));
        assert_eq!(row.planned_from, Some(("S10".to_owned(), "CUP".to_owned(), "P1".to_owned())));

        stage.plan(&[(1, 9), (2, 9)]).await;
        let aged = |before| stage.store.age_stock_plans(&stage.lease, &stage.name, before, at(3));
        assert_eq!(aged(at(2)).await.expect("looks"), 0);
        assert_eq!(aged(at(3)).await.expect("looks"), 2);
        assert_eq!((stage.call().await, stage.state(2).await), (None, LevelState::Stale));
    })
    .await;
}

#[actix_rt::test]
async fn a_call_that_is_given_up_leaves_its_levels_to_another_reading() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4)]).await;
        stage.plan(&[(1, 6)]).await;
        let call = stage.call().await.expect("it differs");
        stage.end(&call, CallEnd::GivenUp).await.expect("settles");
        let row = stage.level(1).await;
        assert_eq!((row.state, row.available, row.pending), (LevelState::Stale, 4, Some(6)), "nobody knows");
        stage.read_now(1, &[(1, 6)]).await;
        let row = stage.level(1).await;
        assert_eq!((row.state, row.pending), (LevelState::Stale, Some(6)), "it may come yet");
        assert_eq!(stage.store.stale_levels(&stage.name, at(5), 10).await.expect("reads"), [], "it is waited for");
        let mark = stage.mark().await;
        stage.read_at((1, mark), &[(1, 6)], (at(5), at(600))).await;
        assert_eq!(stage.level(1).await.pending, Some(6), "it was asked for before it could have come");
        stage.read_at((1, mark), &[(1, 6)], (at(500), at(600))).await;
        assert_eq!(stage.level(1).await.pending, None);
    })
    .await;
}

#[actix_rt::test]
async fn what_a_whole_reading_lacks_is_gone_but_for_what_is_under_way() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4), (2, 4), (3, 4)]).await;
        stage.plan(&[(2, 6)]).await;
        let call = stage.call().await.expect("it differs");
        stage.read_now(2, &[(1, 4)]).await;
        let gone = stage.store.end_stock_reading(&stage.lease, &stage.name, 2).await.expect("ends");
        assert_eq!(gone, GoneStock { variants: 2, levels: 1 });
        assert_eq!(stage.state(2).await, LevelState::Writing);
        stage.end(&call, CallEnd::Done).await.expect("settles");
        let gone = stage.store.end_stock_reading(&stage.lease, &stage.name, 2).await.expect("ends");
        assert_eq!(gone, GoneStock { variants: 0, levels: 1 });
        // Of a variant that is told whole, a level that is not told is gone: its location was switched off.
        stage.database.execute("UPDATE stock_levels SET location_id = 8");
        stage.read_now(2, &[(1, 4)]).await;
        assert_eq!(stage.level(1).await.location_id, 9);
        stage.store.forget_variants(&stage.lease, &stage.name, &[1_001]).await.expect("forgets");
        assert_eq!(stage.database.number("SELECT COUNT(*) FROM stock_levels"), 0);
        assert_eq!(stage.database.number("SELECT COUNT(*) FROM stock_variants"), 0);
    })
    .await;
}

#[actix_rt::test]
async fn a_long_reading_is_kept_in_pieces_with_the_cursor_behind_it() {
    on_each(async |stage| {
        let items: Vec<u64> = (1..=1_203).collect();
        let cursor = Cursor { name: "stock".to_owned(), value: "page 1".to_owned() };
        let mut levels: Vec<ReadLevel> = items.iter().map(|item| level(*item, 1)).collect();
        levels.push(level(7, 5));
        let variants = items.iter().map(|item| variant(*item)).collect();
        let (told, cursor) = (LevelsTold::Apart, Some(cursor));
        let reading = StockReading {
            run: 1,
            mark: 0,
            asked_at: at(1),
            read_from: None,
            read_until: None,
            variants,
            levels,
            told,
            cursor,
        };
        stage.store.put_stock_reading(&stage.lease, &stage.name, reading.clone(), at(1)).await.expect("keeps");
        assert_eq!(stage.database.number("SELECT COUNT(*) FROM stock_levels"), 1_203);
        assert_eq!(stage.level(7).await.available, 5, "told twice: the last one counts");
        assert_eq!(stage.store.cursor(&stage.name, "stock").await.expect("reads").as_deref(), Some("page 1"));
        let filter = LevelFilter { after: Some((1_200, 9)), limit: 2, ..LevelFilter::default() };
        let behind = stage.store.stock_levels(&stage.name, filter).await.expect("reads");
        assert_eq!(behind.iter().map(|level| level.item_id).collect::<Vec<_>>(), [1_201, 1_202]);
        let products = stage.store.stock_products(&stage.name, 2, 3).await.expect("reads");
        assert_eq!(products, [3, 4, 5]);

        stage.take_over().await;
        let fenced = stage.store.put_stock_reading(&stage.lease, &stage.name, reading, at(1)).await;
        assert!(matches!(fenced, Err(StoreError::Fenced)));
        let fenced = stage.store.end_stock_reading(&stage.lease, &stage.name, 2).await;
        assert!(matches!(fenced, Err(StoreError::Fenced)));
        assert_eq!(stage.database.number("SELECT COUNT(*) FROM stock_levels"), 1_203);
    })
    .await;
}

#[actix_rt::test]
async fn a_call_of_an_owner_that_fell_asleep_is_neither_announced_nor_settled() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4), (2, 4)]).await;
        stage.plan(&[(1, 6)]).await;
        let call = stage.call().await.expect("it differs");
        stage.plan(&[(2, 6)]).await;
        stage.take_over().await;
        let announced = stage.store.open_stock_call(&stage.lease, &stage.name, 250, at(3)).await;
        assert!(matches!(announced, Err(StoreError::Fenced)));
        assert!(matches!(stage.end(&call, CallEnd::Done).await, Err(StoreError::Fenced)));
        assert!(matches!(stage.store.resend_stock_call(&stage.lease, call.id).await, Err(StoreError::Fenced)));
        assert_eq!((stage.state(1).await, stage.state(2).await), (LevelState::Writing, LevelState::Planned));
    })
    .await;
}

#[actix_rt::test]
async fn a_level_that_waits_is_read_again_but_not_for_a_parked_one() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4), (2, 4), (3, 1)]).await;
        for (item, part_no) in [(1, "CUP"), (2, "MUG")] {
            let target = LevelOutcome::Target { quantity: 4, wanted: 6, terms: "{}".to_owned() };
            let waits = LevelPlan { part_no: part_no.to_owned(), ..plan(&stage.level(item).await, target) };
            let taken = stage.store.put_stock_plans(&stage.lease, &stage.name, vec![waits], at(2)).await;
            assert_eq!(taken.expect("keeps"), 1);
        }
        // The part of the first one has a level that Shopify does not take.
        stage.plan(&[(3, 5)]).await;
        let call = stage.call().await.expect("it differs");
        let parked = LevelFate::Parked { code: "refused".to_owned(), text: String::new() };
        stage.end(&call, CallEnd::Refused(vec![(0, parked)])).await.expect("settles");

        let again =
            |before, most| stage.store.read_waiting_levels_again(&stage.lease, &stage.name, (before, most), at(9));
        assert_eq!(again(at(2), 5).await.expect("looks"), 0, "not yet");
        assert_eq!(again(at(3), 0).await.expect("looks"), 1, "too many");
        assert_eq!(stage.state(2).await, LevelState::Quiet);
        assert_eq!(again(at(3), 5).await.expect("looks"), 1);
        assert_eq!((stage.state(1).await, stage.state(2).await), (LevelState::Quiet, LevelState::Stale));
        // A person has seen to the parked one.
        stage.store.retry_levels(&stage.name, None, "eva".to_owned(), at(9)).await.expect("asks");
        assert_eq!(again(at(3), 5).await.expect("looks"), 1);
        assert_eq!(stage.state(1).await, LevelState::Stale);
    })
    .await;
}

#[actix_rt::test]
async fn levels_without_a_variant_do_not_stand_before_those_that_are_read_again() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4), (2, 4)]).await;
        stage.database.execute("UPDATE stock_levels SET state = 'stale'");
        stage.database.execute("DELETE FROM stock_variants WHERE item_id = 1");
        let stale = stage.store.stale_levels(&stage.name, at(600), 1).await.expect("reads");
        assert_eq!(stale.iter().map(|level| (level.item_id, level.variant_id)).collect::<Vec<_>>(), [(2, 1_002)]);
    })
    .await;
}

#[actix_rt::test]
async fn a_variant_is_its_sales_part_also_where_another_ones_sku_is_its_number() {
    on_each(async |stage| {
        stage.read_now(1, &[(1, 4), (2, 4), (3, 4)]).await;
        stage.database.execute("UPDATE stock_variants SET sku = '1001' WHERE variant_id = 1002");
        let numbers = stage.store.numbers_of_variants(&stage.name, &[1_003, 1_001, 7]).await.expect("reads");
        assert_eq!(numbers, ["P1", "P3"]);
    })
    .await;
}
