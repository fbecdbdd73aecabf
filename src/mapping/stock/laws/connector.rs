//! The connector of the model: readings that take their time, plans by the real rules, calls that are kept before they leave. What it
//! feeds the rules with is what the flow has to.

use rand::Rng as _;
use rand::rngs::StdRng;
use rust_decimal::Decimal;

use super::world::World;
use crate::domain::stock::{LevelKey, LevelReading};
use crate::mapping::stock::rows::{LocationStock, PartStock, PartSums};
use crate::mapping::stock::rules::StockRules;
use crate::mapping::stock::settings::StockSettings;
use crate::mapping::stock::target::{Books, Demand, Goods, Pool, plan};
use crate::mapping::stock::unwritten::{KnownUnits, OrderUnits, SkuOrders};

/// A bug, to see that the law would notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    /// None.
    Nothing,
    /// What is committed beyond known orders counts as nothing, and readings go on with books that lack some.
    TrustsKnownOrders,
    /// Open lines are read once, after the stock.
    ReadsLinesOnce,
    /// Calls that were open at the first reading, or made since, are forgotten.
    ForgetsCalls,
    /// A call that Shopify would refuse as stale is obeyed.
    SkipsTheComparison,
    /// What was written to IFS after its reading began counts as if the reading told it.
    CountsLateWrites,
    /// What Shopify has reserved for drafts counts as nothing.
    IgnoresDrafts,
}

impl Planted {
    /// All but none.
    pub(super) const BUGS: [Self; 6] = [
        Self::TrustsKnownOrders,
        Self::ReadsLinesOnce,
        Self::ForgetsCalls,
        Self::SkipsTheComparison,
        Self::CountsLateWrites,
        Self::IgnoresDrafts,
    ];
}

/// A reading under way; a crash forgets it.
#[derive(Debug, Default)]
struct Reading {
    begun_at: u64,
    taken_away: i64,
    /// Available, committed and reserved, a location at a time.
    levels: Vec<(i64, i64, i64)>,
    /// What calls may set each location to that were open when it began.
    pending: [Option<i64>; 2],
    lines_at: Option<u64>,
    unreserved_before: i64,
    stock: Option<PartSums>,
    after: Option<(i64, i64)>,
}

/// A call, stored before it leaves.
#[derive(Debug)]
struct Call {
    place: usize,
    from: i64,
    to: i64,
    /// What was taken away behind the shop's back when its reading began.
    taken_away: i64,
    /// What Shopify answers to its key from the first time on.
    obeyed: Option<bool>,
}

/// The connector.
pub(super) struct Connector {
    rules: StockRules,
    planted: Planted,
    reading: Option<Reading>,
    calls: Vec<Call>,
    saw_release: bool,
    /// Calls that Shopify obeyed.
    pub(super) obeyed: u64,
}

impl Connector {
    pub(super) fn new(planted: Planted) -> Self {
        let text = r#"locations = [{ location = "1", warehouses = ["A"] }, { location = "2", warehouses = ["B"] }]"#;
        let settings: StockSettings = toml::from_str(text).expect("the shape is right");
        let rules = StockRules::new(settings, "S10").expect("legal");
        Self { rules, planted, reading: None, calls: Vec::new(), saw_release: false, obeyed: 0 }
    }

    pub(super) fn open_calls(&self) -> usize {
        self.calls.len()
    }

    /// A crash: readings are gone, calls are not.
    pub(super) fn forget_reading(&mut self) {
        self.reading = None;
        self.saw_release = false;
    }

    pub(super) fn sees_release(&mut self) {
        self.saw_release = self.reading.as_ref().is_some_and(|reading| reading.lines_at.is_some());
    }

    pub(super) fn saw_release(&self) -> bool {
        self.saw_release
    }

    fn pending(&self) -> [Option<i64>; 2] {
        [0, 1].map(|place| self.calls.iter().filter(|call| call.place == place).map(|call| call.to).max())
    }

    /// One step of a reading: Shopify's levels, IFS's open lines, its stock, its open lines again, and the plan. `whole`: whether
    /// every order that Shopify changed is learned of before the plan.
    pub(super) fn read(&mut self, world: &mut World, whole: bool) {
        let Some(mut reading) = self.reading.take() else {
            let pending = self.pending();
            let (begun_at, taken_away) = (world.now, world.taken_away);
            self.saw_release = false;
            self.reading = Some(Reading { begun_at, taken_away, pending, ..Reading::default() });
            return;
        };
        let unreserved = |world: &World| world.orders.iter().map(|order| order.unreserved()).sum::<i64>();
        if reading.levels.len() < 2 {
            let place = reading.levels.len();
            reading.levels.push((world.available[place], world.committed(place), world.drafted(place)));
        } else if reading.lines_at.is_none() {
            reading.lines_at = Some(world.now);
            reading.unreserved_before = unreserved(world);
        } else if reading.stock.is_none() {
            let of = |location: u64, place: usize| LocationStock {
                location,
                on_hand: world.on_hand[place].into(),
                reserved: world.reserved(place).into(),
            };
            let locations = vec![of(1, 0), of(2, 1)];
            let reserved = locations.iter().map(|sum| sum.reserved).sum();
            reading.stock = Some(PartSums { locations, reserved });
        } else if reading.after.is_none() {
            let open = world.orders.iter().map(|order| order.open_in_ifs()).sum();
            reading.after = Some((unreserved(world), open));
        } else {
            self.plan(reading, world, whole);
            self.saw_release = false;
            return;
        }
        self.reading = Some(reading);
    }

    /// A whole reading while nothing else happens.
    pub(super) fn read_to_the_end(&mut self, world: &mut World) {
        loop {
            world.now += 1;
            self.read(world, true);
            if self.reading.is_none() {
                return;
            }
        }
    }

    fn plan(&mut self, reading: Reading, world: &mut World, whole: bool) {
        if whole {
            for index in 0..world.orders.len() {
                if world.orders[index].place.is_some() {
                    world.hear_of(index);
                }
            }
        }
        let trusts = self.planted == Planted::TrustsKnownOrders;
        let known = self.known(&reading, world);
        let committed: i64 = reading.levels.iter().map(|(_, committed, _)| committed).sum();
        let drafts = self.planted != Planted::IgnoresDrafts;
        let orders = SkuOrders {
            unwritten_here: known.unwritten,
            known_committed: if trusts { committed } else { known.committed },
            committed,
            reserved: if drafts { reading.levels.iter().map(|(_, _, reserved)| reserved).sum() } else { 0 },
        };
        let now_pending = self.pending();
        let (Some(sums), Some((unreserved_after, open_after))) = (reading.stock, reading.after) else { return };
        let once = self.planted == Planted::ReadsLinesOnce;
        let demand = Demand {
            unreserved_before: Decimal::from(if once { 0 } else { reading.unreserved_before }),
            unreserved_after: unreserved_after.into(),
            open_after: Decimal::from(if once { 0 } else { open_after }),
        };
        let levels = (1..).zip(&reading.levels).zip(reading.pending.iter().zip(now_pending));
        let levels = levels.map(|((location, &(available, committed, reserved)), (at_first, since))| {
            let pending = if self.planted == Planted::ForgetsCalls { since } else { (*at_first).max(since) };
            LevelReading { key: LevelKey { item: 7, location }, available, committed, reserved, pending }
        });
        let goods = Goods {
            catalog_no: "CUP".into(),
            conversion: Decimal::ONE,
            rule: self.rules.of_sku("CUP"),
            orders,
            levels: levels.collect(),
        };
        let books = if whole || trusts { Books::Current } else { Books::Behind };
        let pool = Pool { stock: PartStock::Read(sums), demand, goods: vec![goods], books };
        for target in plan(&pool, &self.rules).expect("everything was read") {
            if target.differs() {
                let place = if target.key.location == 1 { 0 } else { 1 };
                let (from, to) = (target.available, target.quantity);
                self.calls.push(Call { place, from, to, taken_away: reading.taken_away, obeyed: None });
            }
        }
    }

    /// What the orders that the connector knows take.
    fn known(&self, reading: &Reading, world: &World) -> KnownUnits {
        let units = |units: i64| u32::try_from(units).expect("few units");
        let known = world.orders.iter().filter_map(|order| {
            let (current, fulfilled, changed_at) = order.known?;
            let in_time = self.planted == Planted::CountsLateWrites
                || reading.lines_at.is_some_and(|lines_at| order.written_at < lines_at);
            let written = order.written.filter(|_| in_time).map(units);
            let is_newer = changed_at >= reading.begun_at;
            Some(OrderUnits { current: units(current), open: units(current - fulfilled), written, is_newer })
        });
        known.map(OrderUnits::known).sum()
    }

    /// A call goes to Shopify, for the first time or once more with its key: it may be lost on the way there or back.
    ///
    /// # Errors
    /// When it raised a level beyond what can be sold, but for what was taken away since its reading began.
    pub(super) fn call(&mut self, world: &mut World, random: &mut StdRng) -> Result<(), String> {
        if self.calls.is_empty() {
            return Ok(());
        }
        let index = random.random_range(0..self.calls.len());
        let call = &mut self.calls[index];
        let mut raised = false;
        if call.obeyed.is_none() {
            if random.random_bool(0.2) {
                return Ok(());
            }
            let shows = world.available[call.place];
            let fits = shows == call.from || self.planted == Planted::SkipsTheComparison;
            call.obeyed = Some(fits);
            if fits {
                raised = call.to > shows.max(0);
                world.available[call.place] = call.to;
                self.obeyed += 1;
            }
        }
        let since = world.taken_away - call.taken_away;
        if raised && world.slack() + since < 0 {
            return Err(format!("raised to {} units, {} more than there are", call.to, -world.slack() - since));
        }
        if !random.random_bool(0.3) {
            self.calls.remove(index);
        }
        Ok(())
    }

    /// Every call gets its answer.
    pub(super) fn answer_all(&mut self, world: &mut World, random: &mut StdRng) -> Result<(), String> {
        while !self.calls.is_empty() {
            self.call(world, random)?;
        }
        Ok(())
    }
}
