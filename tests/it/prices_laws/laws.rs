//! What must hold once nothing goes wrong any more: a run that a person asked for brings both sides together but for what waits for a
//! person, which says why, and another run sets nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use ml_connector::sandbox::ledger::Class;
use ml_connector::store::{PriceFilter, PriceRow};
use rust_decimal::Decimal;

use super::plans::{figure, is_near};
use super::play::{Role, Run};

/// Rounds until all must rest.
const ROUNDS_MAX: usize = 120;
/// Seconds between two of them.
const ROUND_SECS: u64 = 10;

impl Run {
    /// Lets all come to rest. Whoever asked for a run last gets one, whatever went wrong since.
    pub async fn settle(&mut self) {
        self.calm().await;
        if let Some(asked) = self.asked {
            self.prices_rest(asked).await;
        }
        self.ask_and_rest().await;
    }

    /// A person asks for a run. Gives what it came to.
    async fn ask_and_rest(&mut self) -> String {
        // A reading under way goes on from where it is: it would not be one since then.
        self.read_all().await;
        self.stage.clock.advance(Duration::from_secs(ROUND_SECS));
        let asked = self.ask().await;
        self.prices_rest(asked).await
    }

    /// Reads, compares and sets until a run is done that began since this moment, and nothing is to be set. Gives what the last run
    /// came to.
    async fn prices_rest(&mut self, asked: i64) -> String {
        let mut planned = String::new();
        for _ in 0..ROUNDS_MAX {
            self.read_all().await;
            let polled = self.step(Role::Poller).await;
            if polled.starts_with("Planned") {
                planned = polled;
            }
            self.step(Role::Writer).await;
            self.sides.judge(&self.stage.world);
            let done = "SELECT COUNT(*) FROM schedule_runs WHERE what = 'prices' AND outcome = 'done'";
            let is_done = self.count(&format!("{done} AND started_at >= {asked}")) > 0;
            let busy = self.count("SELECT COUNT(*) FROM prices WHERE state IN ('planned', 'aged')");
            if is_done && busy == 0 {
                return planned;
            }
            self.stage.clock.advance(Duration::from_secs(ROUND_SECS));
        }
        panic!("the prices never came to rest");
    }

    /// Reads shop and IFS until no reading is due.
    async fn read_all(&mut self) {
        for _ in 0..ROUNDS_MAX {
            self.stage.set_remotes_clock();
            let read = self.step(Role::Reader).await;
            if read.starts_with("Waits") {
                return;
            }
            if read.starts_with("Sweep") {
                self.step(Role::Sweeper).await;
            }
            self.stage.clock.advance(Duration::from_secs(1));
        }
        panic!("shop and IFS are read for ever");
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
    pub async fn judge(&self) {
        let (world, sides) = (&self.stage.world, &self.sides);
        for list in &sides.lists {
            let parked = self.rows(*list, PriceFilter::Parked).await;
            let mut parked: BTreeMap<u64, PriceRow> = parked.into_iter().map(|row| (row.variant_id, row)).collect();
            for (variant, sku) in sides.on_sale(world) {
                let (asked, shown) = (sides.asks(world, *list, &sku), sides.shown((*list, variant)));
                let row = parked.remove(&variant);
                if !sides.is_sold(world, &sku) {
                    assert!(row.is_none(), "IFS does not sell it: {row:?}");
                    continue;
                }
                let Some(code) = waits(shown, asked) else {
                    assert_eq!((shown, row), (Some(asked), None), "{sku} in list {list}");
                    continue;
                };
                let Some(row) = row else {
                    panic!("{sku} in list {list} shows {shown:?}, IFS asks {asked}, and nobody is told")
                };
                let told = row.reason.as_ref().map(|(code, _)| code.as_str());
                assert_eq!((figure(row.wanted.as_deref()), told), (Some(asked), Some(code)), "{sku}: {row:?}");
            }
            assert!(parked.is_empty(), "the shop does not have these: {parked:?}");
        }
    }

    /// Another run, an hour later: nothing is set any more.
    ///
    /// # Panics
    /// Where something is.
    pub async fn repeat(&mut self) {
        let (shop, ledger) = (self.stage.world.shop(), self.stage.world.sandbox.ledger());
        let calls = || ledger.entries_where(|entry| entry.class == Class::ShopStock).len();
        let before = (shop.standing_writes().len(), calls());
        self.stage.clock.advance(Duration::from_secs(3_600));
        let planned = self.ask_and_rest().await;
        assert!(planned.contains("to_set: 0,"), "{planned}");
        assert_eq!((shop.standing_writes().len(), calls()), before, "a second run set something again");
    }
}

/// Why a price waits for a person; none where it shows what IFS asks, or may go by itself.
fn waits(shown: Option<Decimal>, asked: Decimal) -> Option<&'static str> {
    if shown == Some(asked) {
        return None;
    }
    if asked <= Decimal::ZERO {
        return Some("price_zero");
    }
    shown.filter(|shown| !is_near(*shown, asked)).map(|_| "price_change")
}
