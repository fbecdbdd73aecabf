//! The laws of each moment. What is set was written down before, and is set once; what the shop shows never exceeds what can be sold,
//! but for what went behind the shop's back.

use std::collections::BTreeMap;

use ml_connector::sandbox::shopify::{LevelWrite, WAREHOUSE};

use super::play::Run;
use super::sides::Sides;
use crate::support::database::Database;

/// One level of a call, as it was written down.
struct Entry {
    item: i64,
    from: i64,
    to: i64,
    /// When the reading of it began that it was planned from, by Shopify's clock in microseconds since 1970.
    read_from: i64,
    is_spent: bool,
}

/// The calls that were written down, and what the shop's levels were set to.
#[derive(Default)]
pub struct Calls {
    last_call: i64,
    entries: Vec<Entry>,
    writes: usize,
}

impl Calls {
    /// Takes over the calls that are new: nothing of them was sent yet.
    fn enter(&mut self, database: &Database) {
        let sql = format!(
            "SELECT '' || id || ' ' || content AS value FROM stock_calls WHERE id > {} ORDER BY id",
            self.last_call
        );
        for row in database.texts(&sql) {
            let (id, content) = row.split_once(' ').expect("two columns");
            self.last_call = id.parse().expect("a number");
            let sql = format!(
                "SELECT '' || item_id || ' ' || COALESCE(read_from, 0) AS value FROM stock_levels WHERE call_id = {id}"
            );
            let read: BTreeMap<i64, i64> = database.texts(&sql).iter().map(|row| numbers(row)).collect();
            let content: Vec<(i64, i64, i64, i64)> = serde_json::from_str(content).expect("a call's content");
            let entry = |(item, _, to, from): (i64, i64, i64, i64)| {
                let read_from = *read.get(&item).expect("a call's level points to it");
                Entry { item, from, to, read_from, is_spent: false }
            };
            self.entries.extend(content.into_iter().map(entry));
        }
    }

    /// Finds the call that set a level; gives since when its reading may not know what went behind the shop's back. Of several the one
    /// that read first.
    fn spend(&mut self, write: &LevelWrite) -> Option<i64> {
        let item = i64::try_from(write.item).expect("a number of Shopify's");
        let fits =
            |entry: &&mut Entry| !entry.is_spent && (entry.item, entry.from, entry.to) == (item, write.from, write.to);
        let entry = self.entries.iter_mut().filter(fits).min_by_key(|entry| entry.read_from)?;
        entry.is_spent = true;
        Some(entry.read_from)
    }
}

fn numbers(row: &str) -> (i64, i64) {
    let (first, second) = row.split_once(' ').expect("two columns");
    (first.parse().expect("a number"), second.parse().expect("a number"))
}

impl Run {
    /// What calls have done since this was looked at last.
    ///
    /// # Panics
    /// Where a level was set that no call had written down, or one of a call was set twice, or a level rose beyond what can be sold but
    /// for what was taken away behind the shop's back since its reading began.
    pub(super) fn judge_calls(&mut self) {
        let (shop, world) = (self.stage.world.shop(), &self.stage.world);
        self.calls.enter(&world.database);
        for said in self.sides.adopt_new(&shop) {
            self.trace.say(said);
        }
        let writes = shop.level_writes();
        if writes.len() == self.calls.writes {
            return;
        }
        let levels = shop.levels().into_iter().filter(|level| level.location == WAREHOUSE);
        let skus: BTreeMap<u64, String> = levels.filter_map(|level| Some((level.item, level.sku?))).collect();
        for write in &writes[self.calls.writes..] {
            let read_from = self.calls.spend(write);
            let Some(read_from) = read_from else {
                panic!("no call had written it down, or it is set twice: {write:?}")
            };
            let Some(sku) = skus.get(&write.item).filter(|sku| self.sides.skus.contains(sku)) else { continue };
            let sellable = self.sides.sellable(world, sku);
            let slack = sellable - Sides::shown(world, sku);
            let excused = self.sides.taken_since(sku, read_from);
            self.trace.say(format!("{sku} is set from {} to {}; {sellable} can be sold", write.from, write.to));
            let rose = write.to > write.from.max(0);
            assert!(
                !rose || slack + excused >= 0,
                "{sku} rose to {}: {} more than there are, {excused} went away",
                write.to,
                -slack
            );
        }
        self.calls.writes = writes.len();
    }

    /// How both sides stand now.
    ///
    /// # Panics
    /// Where more is shown than can be sold, and nobody took anything away behind the shop's back in this run.
    pub(super) fn judge_moment(&mut self) {
        let world = &self.stage.world;
        let units: BTreeMap<&str, i64> =
            self.sides.skus.iter().map(|sku| (sku.as_str(), self.sides.sellable(world, sku))).collect();
        for (sku, sellable) in &units {
            let shown = Sides::shown(world, sku);
            assert!(
                self.sides.behind || shown <= (*sellable).max(0),
                "{shown} of {sku} are shown, and {sellable} can be sold"
            );
        }
        self.merchants.sees(world, &units);
    }
}
