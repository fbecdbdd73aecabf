//! What must hold once nothing moves and nothing goes wrong any more: both sides are equal, products stand as they should, and another
//! run writes nothing.

use std::time::Duration;

use ml_connector::flow::writer;

use super::play::{Role, Run};
use crate::simulation::play::map;

/// Rounds until all must rest, each up to what is due next.
const ROUNDS_MAX: usize = 120;
/// How often the shop's list of orders is swept to its end meanwhile.
const SWEEPS: usize = 2;
/// Seconds until the next run is due.
const RUN_SECS: u64 = 121;

impl Run {
    /// Lets all come to rest: first the orders, then, with two runs over all behind the one that may be under way, the stock.
    pub async fn settle(&mut self) {
        self.calm().await;
        if self.sides.pool.len().is_multiple_of(2) {
            self.trace.say("no webhook comes any more");
            self.sides.pool.clear();
        }
        while self.deliver().await.is_some() {}
        self.orders_rest().await;
        self.stock_rests(3).await;
    }

    /// All of a product is bought, a merchant brings it back although nothing is left, and there it stays.
    ///
    /// # Panics
    /// Where it does not go out of the store, or goes once more.
    pub async fn sell_out(&mut self) {
        let Some((product, skus)) = self.merchants.one_of(&self.stage.world, &self.sides.skus) else { return };
        for sku in skus {
            let said = self.sides.buy_all(&self.stage.world, &sku);
            self.say(said);
        }
        self.orders_rest().await;
        self.stock_rests(2).await;
        let row = format!("SELECT COUNT(*) FROM stock_outs WHERE state = 'disabled' AND product_id = {product}");
        assert_eq!(self.count(&row), 1, "product {product} has run out");
        self.judge();
        self.merchants.bring_back(&self.stage.world, product);
        self.trace.say(format!("a merchant brings product {product} back"));
        self.stock_rests(2).await;
        self.judge();
    }

    async fn orders_rest(&mut self) {
        let mut sweeps = 0;
        for _ in 0..ROUNDS_MAX {
            self.stage.set_remotes_clock();
            if sweeps < SWEEPS && self.step(Role::Sweeper).await.starts_with("Done") {
                sweeps += 1;
            }
            self.map_all().await;
            let wait = writer::drain(&self.stage.owner.link).await.expect("nobody keeps this door");
            let busy = self.count("SELECT COUNT(*) FROM inbox WHERE state = 'received'")
                + self.count(
                    "SELECT COUNT(*) FROM documents WHERE state IN ('planned', 'writing', 'retry', 'unknown', 'held')",
                );
            if busy == 0 && sweeps == SWEEPS {
                return;
            }
            self.stage.clock.advance(wait.unwrap_or(Duration::from_secs(60)).max(Duration::from_secs(1)));
        }
        let waits = "SELECT kind || ' ' || business_key || ' ' || state AS value FROM documents";
        panic!("the orders never came to rest: {:?}", self.stage.world.database.texts(waits));
    }

    async fn map_all(&self) {
        let link = &self.stage.owner.link;
        let due = link.store.due_deliveries(&link.name, link.clock.now(), 1_000).await.expect("nobody keeps this door");
        for received in due {
            map(link.clone(), received).await;
        }
    }

    /// Polls, sets and looks until so many runs over all were planned and nothing is due. Gives what the last one came to.
    async fn stock_rests(&mut self, runs: usize) -> String {
        let (mut planned, mut last) = (0, String::new());
        for _ in 0..ROUNDS_MAX {
            self.stage.set_remotes_clock();
            let polled = self.step(Role::Poller).await;
            if polled.starts_with("Sweep") {
                self.step(Role::Sweeper).await;
                self.map_all().await;
            }
            if polled.starts_with("Planned") {
                planned += 1;
                last.clone_from(&polled);
            }
            self.step(Role::Levels).await;
            let looked = self.step(Role::Outs).await;
            self.judge_moment();
            let busy = self.count("SELECT COUNT(*) FROM stock_calls WHERE ended_at IS NULL")
                + self.count("SELECT COUNT(*) FROM stock_levels WHERE state IN ('planned', 'writing', 'stale')");
            if planned >= runs && busy == 0 && looked == "Done" {
                return last;
            }
            let secs = if polled.starts_with("Waits") { RUN_SECS } else { 1 };
            self.stage.clock.advance(Duration::from_secs(secs));
        }
        let levels = "SELECT catalog_no || ' ' || state AS value FROM stock_levels WHERE state IN ('planned', 'writing', 'stale')";
        panic!("the stock never came to rest, {planned} runs: {:?}", self.stage.world.database.texts(levels));
    }

    /// One step to its end; how it ended.
    async fn step(&mut self, role: Role) -> String {
        self.ended.clear();
        self.start(role).await;
        std::mem::take(&mut self.ended)
    }

    fn count(&self, sql: &str) -> i64 {
        self.stage.world.database.number(sql)
    }

    /// The laws.
    ///
    /// # Panics
    /// Where one is broken.
    pub fn judge(&self) {
        let world = &self.stage.world;
        let books = world.sandbox.stock_books();
        assert!(books.differences.is_empty(), "both sides differ: {:?}", books.differences);
        assert!(self.sides.behind || books.oversold.is_empty(), "sold and not there: {:?}", books.oversold);
        self.merchants.judge(world, &books.products);
        let counts = world.shop().stock_counts();
        assert_eq!((counts.mismatched, counts.without_key), (0, 0), "{counts:?}");
        for (what, sql) in [
            ("calls are open", "SELECT COUNT(*) FROM stock_calls WHERE ended_at IS NULL"),
            ("levels are parked", "SELECT COUNT(*) FROM stock_levels WHERE state = 'parked'"),
            (
                "products are in between",
                "SELECT COUNT(*) FROM stock_outs WHERE ended_at IS NULL AND state IN ('disabling', 'enabling')",
            ),
        ] {
            assert_eq!(self.count(sql), 0, "{what}");
        }
    }

    /// Another run, an hour later: nothing is written any more.
    ///
    /// # Panics
    /// Where something is.
    pub async fn repeat(&mut self) {
        let shop = self.stage.world.shop();
        let writes = || (shop.level_writes().len(), shop.standing_writes().len(), shop.stock_counts().set_calls);
        let before = writes();
        self.stage.clock.advance(Duration::from_secs(3_600));
        let planned = self.stock_rests(1).await;
        assert!(planned.contains("to_set: 0") && planned.contains("waiting: 0"), "{planned}");
        assert_eq!(writes(), before, "a second run wrote again");
    }
}
