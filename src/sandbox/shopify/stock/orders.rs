//! How orders move the levels: what is wanted and not sent yet is committed, what was sent is gone, what goes back is available again.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::State;
use super::super::model::OrderVersion;
use super::Stock;

/// What an order holds of a variant at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    variant: u64,
    location: u64,
    committed: i64,
    sent: i64,
}

impl State {
    /// Brings the levels to what an order wants now; an order that is gone wants nothing.
    pub(in super::super) fn follow_stock(&mut self, order_id: u64, now: Timestamp) {
        if self.stock.variants.is_empty() {
            return;
        }
        let order = self.orders.get(&order_id).and_then(|sold| sold.versions.last());
        self.stock.hold(order_id, order, now);
    }
}

impl Stock {
    fn hold(&mut self, order_id: u64, order: Option<&OrderVersion>, now: Timestamp) {
        let mut wanted: BTreeMap<u64, i64> = BTreeMap::new();
        let live = order.filter(|order| order.cancelled.is_none());
        for line in live.into_iter().flat_map(|order| &order.lines) {
            let tracked = line.variant_id.filter(|id| self.variants.get(id).is_some_and(|one| one.is_tracked));
            if let Some(id) = tracked {
                *wanted.entry(id).or_default() += i64::from(line.current_quantity);
            }
        }
        let is_sent = live.is_some_and(|order| order.fulfilled);
        let mut held = self.held.remove(&order_id).unwrap_or_default();
        for variant in wanted.keys() {
            if !held.iter().any(|one| one.variant == *variant)
                && let Some(location) = self.source_of(*variant, wanted[variant], order)
            {
                held.push(Held { variant: *variant, location, committed: 0, sent: 0 });
            }
        }
        for one in &mut held {
            let units = wanted.get(&one.variant).copied().unwrap_or_default();
            // What was sent does not come back by itself.
            let sent = if is_sent { units.max(one.sent) } else { one.sent };
            let committed = (units - sent).max(0);
            self.shift(one, committed, sent, now);
        }
        held.retain(|one| one.committed != 0 || one.sent != 0);
        if !held.is_empty() {
            self.held.insert(order_id, held);
        }
    }

    fn shift(&mut self, one: &mut Held, committed: i64, sent: i64, now: Timestamp) {
        let taken = (committed + sent) - (one.committed + one.sent);
        let is_lost = taken < 0 && self.bent.loses_returns;
        let level = self.variants.get_mut(&one.variant).and_then(|variant| variant.level_mut(one.location));
        if let Some(level) = level
            && (committed, sent) != (one.committed, one.sent)
        {
            level.committed += committed - one.committed;
            if !is_lost {
                level.available -= taken;
            }
            level.at = now;
        }
        (one.committed, one.sent) = (committed, sent);
    }

    /// Where so many units come from: the order's own till, else the first location that has them all, else the first of all.
    fn source_of(&self, variant: u64, units: i64, order: Option<&OrderVersion>) -> Option<u64> {
        let levels = || self.variants.get(&variant).into_iter().flat_map(|variant| &variant.levels);
        let till = order.and_then(|order| order.location_id);
        if let Some(till) = till.filter(|till| levels().any(|(id, _)| id == till)) {
            return Some(till);
        }
        let online = |id: u64| self.locations.get(&id).is_some_and(|place| place.is_active && place.sells_online);
        let first = |enough: i64| {
            levels().find(|(id, level)| online(*id) && level.available >= enough).map(|(location, _)| *location)
        };
        first(units).or_else(|| first(i64::MIN)).or_else(|| levels().next().map(|(location, _)| *location))
    }
}
