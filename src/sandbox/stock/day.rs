//! A day on which buyers and persons move the stock of both sides: one seed decides every step, and a step is one event.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rust_decimal::Decimal;

use super::super::Sandbox;
use super::super::ifs::{Ifs, StockFigures, StockMove};
use super::super::shopify::{Change, Shop, WAREHOUSE};
use super::super::world;
use super::STOCK_LOCATION;

/// Units that a buyer wants at most.
const UNITS_MAX: u32 = 4;
/// Units that are laid in at most, of what is sold.
const LAID_IN_MAX: u32 = 12;

/// What one step of the day was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StockEvent {
    /// A buyer bought something; nothing of it is delivered yet.
    Bought {
        /// The order.
        order_id: u64,
        /// What.
        sku: String,
        /// How much.
        units: u32,
    },
    /// A buyer did not get it: it is not shown, or there is not enough.
    NotSold {
        /// What.
        sku: String,
        /// How much.
        units: u32,
    },
    /// A buyer cancelled an order; nothing of it is delivered yet.
    Cancelled {
        /// The order.
        order_id: u64,
    },
    /// Persons counted so much less that nothing is left to be sold.
    RanOut {
        /// What.
        sku: String,
    },
    /// Persons laid something in.
    CameIn {
        /// What.
        sku: String,
        /// How much, in units that are sold.
        units: u32,
    },
}

/// A day of one shop and its site in IFS.
#[derive(Debug)]
pub struct StockDay {
    random: StdRng,
    ifs: Ifs,
    shop: Shop,
    contract: String,
    skus: Vec<String>,
    open: Vec<u64>,
}

impl StockDay {
    /// A day with the first so many SKUs of the catalogue; few of them run out more often. `None` where there is no such shop.
    pub fn new(sandbox: &Sandbox, index: usize, seed: u64, skus: usize) -> Option<Self> {
        let (settings, shop, _) = sandbox.shops.get(index)?;
        Some(Self {
            random: StdRng::seed_from_u64(seed),
            ifs: sandbox.ifs.clone(),
            shop: shop.clone(),
            contract: settings.contract.clone(),
            skus: world::skus().into_iter().take(skus.max(1)).collect(),
            open: Vec::new(),
        })
    }

    /// The next event. Persons never take what is sold already: what is oversold at the end was sold too much.
    pub fn step(&mut self) -> StockEvent {
        let sku = self.skus[self.random.random_range(0..self.skus.len())].clone();
        let lot = self.random.random_range(0..20_u32);
        let units = self.random.random_range(1..=UNITS_MAX);
        let which = self.random.random::<u32>();
        match lot {
            0..=1 if !self.open.is_empty() => {
                let order_id = self.open.remove(which as usize % self.open.len());
                self.shop.change(order_id, Change::Cancelled);
                StockEvent::Cancelled { order_id }
            }
            2 if self.runs_out(&sku) => StockEvent::RanOut { sku },
            3..=4 if self.comes_in(&sku, 1 + which % LAID_IN_MAX) => {
                StockEvent::CameIn { sku, units: 1 + which % LAID_IN_MAX }
            }
            _ => match self.shop.buy(&sku, units) {
                Some(order_id) => {
                    self.open.push(order_id);
                    StockEvent::Bought { order_id, sku, units }
                }
                None => StockEvent::NotSold { sku, units },
            },
        }
    }

    /// The part of a SKU, how much of it one unit takes, what IFS has of it, and how much of it is sold in either system.
    fn standing_of(&self, sku: &str) -> Option<(String, Decimal, StockFigures, Decimal)> {
        let (part, units) = world::inventory_part(sku)?;
        let figures = self.ifs.stock_figures(&self.contract).get(part).copied()?;
        let levels = self.shop.levels().into_iter();
        let committed: i64 = levels
            .filter(|level| level.location == WAREHOUSE && level.sku.as_deref() == Some(sku))
            .map(|level| level.committed + level.reserved)
            .sum();
        // An order that IFS has may be committed in the shop still: the larger figure covers both, the sum more than both.
        let sold = figures.reserved + figures.demand + Decimal::from(committed) * units;
        Some((part.to_owned(), units, figures, sold))
    }

    fn runs_out(&self, sku: &str) -> bool {
        let Some((part_no, _, figures, sold)) = self.standing_of(sku) else { return false };
        let (contract, location_no) = (self.contract.clone(), STOCK_LOCATION.to_owned());
        let on_hand = sold.min(figures.on_hand);
        self.ifs.move_stock(&[StockMove::Count { contract, part_no, location_no, on_hand }]).is_ok()
    }

    fn comes_in(&self, sku: &str, units: u32) -> bool {
        let Some((part_no, each, figures, _)) = self.standing_of(sku) else { return false };
        let (contract, location_no) = (self.contract.clone(), STOCK_LOCATION.to_owned());
        let on_hand = figures.on_hand + Decimal::from(units) * each;
        self.ifs.move_stock(&[StockMove::Count { contract, part_no, location_no, on_hand }]).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::SandboxSettings;
    use super::super::StockUp;
    use super::*;

    /// On hand in IFS and committed in the shop, of one SKU.
    fn figures(sandbox: &Sandbox, sku: &str) -> (Decimal, Decimal) {
        let levels = sandbox.shop(0).expect("a shop").levels();
        let of_it = levels.iter().filter(|level| level.location == WAREHOUSE && level.sku.as_deref() == Some(sku));
        let committed = of_it.map(|level| level.committed).sum::<i64>();
        (sandbox.ifs().stock_figures("S10")[sku].on_hand, Decimal::from(committed))
    }

    fn day() -> Vec<StockEvent> {
        let sandbox = Sandbox::start(SandboxSettings::default()).expect("the sandbox starts");
        sandbox.stock_up(StockUp { bulk: 0, units: 10, available: 10 });
        let mut day = StockDay::new(&sandbox, 0, 7, 3).expect("a shop");
        let skus: Vec<String> = world::skus().into_iter().take(3).collect();
        let mut events = Vec::new();
        for _ in 0..120 {
            let before: Vec<_> = skus.iter().map(|sku| figures(&sandbox, sku)).collect();
            let event = day.step();
            if let StockEvent::RanOut { sku } = &event {
                let at = skus.iter().position(|own| own == sku).expect("one of them");
                let ((on_hand, committed), (was, _)) = (figures(&sandbox, sku), before[at]);
                assert_eq!(on_hand, committed.min(was), "{sku}");
            }
            events.push(event);
        }
        events
    }

    #[test]
    fn one_seed_gives_one_day_and_persons_take_nothing_that_is_sold() {
        let events = day();
        assert_eq!(events, day());
        let has = |kind: fn(&StockEvent) -> bool| events.iter().any(kind);
        assert!(has(|event| matches!(event, StockEvent::Bought { .. })));
        assert!(has(|event| matches!(event, StockEvent::NotSold { .. })));
        assert!(has(|event| matches!(event, StockEvent::Cancelled { .. })));
        assert!(has(|event| matches!(event, StockEvent::RanOut { .. })));
        assert!(has(|event| matches!(event, StockEvent::CameIn { .. })));
    }
}
