//! How many units each level of a part shows: what IFS has, less everything that is promised, shared out over the shop's locations,
//! with every figure on the way.
//!
//! 1. Each location has what is on hand there, less what is reserved.
//! 2. What is promised and not reserved is taken away: first where Shopify has committed units, or reserved them for what is no order
//!    yet, then in the order of the settings. So all locations together never show more than the site has.
//! 3. What is kept back is taken away.
//! 4. The rest is turned into whole units that are sold.
//! 5. A level rises only as far as the others leave room: what another one still shows of the same stock may be bought until it is
//!    lowered.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::held::Held;
use super::rows::{LocationStock, PartStock, PartSums, is_sound};
use super::rules::{SkuRule, StockRules, is_conversion};
use super::settings::{Levels, SharedPart, ShopReserved};
use super::terms::Terms;
use super::unwritten::SkuOrders;
use crate::domain::stock::{LevelKey, LevelReading};

/// Counts of Shopify beyond this are none.
const COUNT_MAX: i64 = 1_000_000_000;

/// One part of one site, with everything that is sold from its stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// What IFS's rows of the part come to.
    pub stock: PartStock,
    /// What open lines of customer orders in IFS still take beyond what is reserved for them.
    pub demand: Demand,
    /// The SKUs that are sold from it, in the order of their `CatalogNo`.
    pub goods: Vec<Goods>,
    /// Whether every change of an order until the first reading is known.
    pub books: Books,
}

/// What open lines of customer orders in IFS take of a part at a site, of all channels. They are read before the stock and once more
/// after it: a unit that is reserved or released between two readings would stand in none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// Beyond what is reserved, at the reading before that of the stock.
    pub unreserved_before: Decimal,
    /// Beyond what is reserved, at the reading after it.
    pub unreserved_after: Decimal,
    /// Reserved or not, at the reading after it.
    pub open_after: Decimal,
}

impl Demand {
    /// What counts: the most of what either reading told and of what the stock's own rows leave open, since a line that was released
    /// for a moment looks reserved before and after. `reserved` is that of the whole site. Where nothing moves the three are one.
    fn units(self, reserved: Decimal) -> Decimal {
        self.unreserved_before.max(self.unreserved_after).max(self.open_after - reserved)
    }

    /// What one reading told at least: a line that moved between both counts once.
    fn least(self) -> Decimal {
        self.unreserved_before.min(self.unreserved_after)
    }
}

/// Whether our books of Shopify's orders are complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Books {
    /// Every order that was placed or changed before the first reading is known in that version.
    Current,
    /// They may lack some: then no level rises.
    Behind,
}

/// One SKU that is sold from the part's stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goods {
    /// `CatalogNo`.
    pub catalog_no: String,
    /// Units of the stock for one that is sold, as IFS's sales part says.
    pub conversion: Decimal,
    /// What holds for it.
    pub rule: SkuRule,
    /// What its orders take.
    pub orders: SkuOrders,
    /// Its levels at the shop's locations, the first reading.
    pub levels: Vec<LevelReading>,
}

impl Goods {
    /// Units of the stock for one that is sold.
    fn units(&self) -> Decimal {
        self.rule.units.unwrap_or(self.conversion)
    }
}

/// Why a part's levels are left as they are. Nothing becomes zero because something is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// IFS's rows of it were not read to the end.
    NotRead,
    /// Something that no rule knows, or a figure that cannot be meant.
    Unclear(String),
    /// Several SKUs are sold from its stock, and no rule says how it is shared out.
    SharedPart(Vec<String>),
}

impl Left {
    /// The stable word for it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotRead => "not_read",
            Self::Unclear(_) => "unclear",
            Self::SharedPart(_) => "shared_part",
        }
    }

    /// One sentence for a person.
    pub fn text(&self, part_no: &str) -> String {
        match self {
            Self::NotRead => format!("IFS's stock of {part_no} was not read to the end; the next reading does it"),
            Self::Unclear(what) => format!("stock of {part_no}: {what}; its levels stay as they are"),
            Self::SharedPart(goods) => {
                let goods = goods.join(" and ");
                let advice = "set stock.shared_part = \"divide\", or leave all but one alone by stock.groups";
                format!("{goods} are sold from the stock of {part_no}: {advice}")
            }
        }
    }
}

/// What one level should show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Which level.
    pub key: LevelKey,
    /// What it showed at the first reading: the call says so, and Shopify refuses it where that is not true any more.
    pub available: i64,
    /// What it is set to now.
    pub quantity: i64,
    /// What it comes to in the end.
    pub wanted: i64,
    /// How that came about.
    pub terms: Terms,
}

impl Target {
    /// Whether a call is needed.
    pub fn differs(&self) -> bool {
        self.quantity != self.available
    }

    /// Whether it is to be looked at again soon: it could not be set to what is wanted at once.
    pub fn waits(&self) -> bool {
        self.quantity != self.wanted
    }
}

/// One location's stock on its way to the levels.
struct Shelf {
    stock: LocationStock,
    /// What is left.
    free: Decimal,
    /// What Shopify has committed here and was not taken away yet.
    promised: Decimal,
    /// What Shopify has reserved here and was not taken away yet.
    set_aside: Decimal,
    pre_order: Decimal,
    owed: Decimal,
    shop_reserved: Decimal,
    demand: Decimal,
    unwritten: Decimal,
    safety: Decimal,
    levels: usize,
}

/// What each level of a part should show, and what it is set to now.
///
/// # Errors
/// Why the part's levels are left as they are.
pub fn plan(pool: &Pool, rules: &StockRules) -> Result<Vec<Target>, Left> {
    let sums = match &pool.stock {
        PartStock::Read(sums) => sums,
        PartStock::NotRead => return Err(Left::NotRead),
        PartStock::Unclear(what) => return Err(Left::Unclear(what.clone())),
    };
    sound(pool)?;
    let sold = pool.goods.iter().filter(|goods| goods.rule.levels == Levels::Follow);
    let sold: Vec<String> = sold.map(|goods| goods.catalog_no.clone()).collect();
    if sold.len() > 1 && rules.shared_part() == SharedPart::Park {
        return Err(Left::SharedPart(sold));
    }
    // 1. to 3. What each location has left; and what it would have, did nothing count twice.
    let (shelves, short) = laid_out((pool, sums), rules, pool.demand.units(sums.reserved), SkuOrders::unwritten);
    let (roomy, _) = laid_out((pool, sums), rules, pool.demand.least(), |orders| orders.unwritten_here);
    // 4. Whole units.
    let free: Decimal = shelves.iter().map(|shelf| shelf.free).sum();
    let mut targets = Vec::new();
    for (goods, level, shelf) in kept(pool, &shelves) {
        let shares = u32::try_from(shelf.levels).unwrap_or(u32::MAX);
        let units = Decimal::from(shares) * goods.units();
        let whole = whole_units(shelf.free, units)?;
        let capped = |whole: i64| goods.rule.cap.map_or(whole, |cap| whole.min(cap.into()));
        let wanted = capped(whole);
        let most = match roomy.iter().find(|roomy| roomy.stock.location == shelf.stock.location) {
            Some(roomy) => capped(whole_units(roomy.free, units)?),
            None => wanted,
        };
        let terms = Terms {
            on_hand: shelf.stock.on_hand,
            reserved: shelf.stock.reserved,
            pre_order: shelf.pre_order,
            owed: shelf.owed,
            shop_reserved: shelf.shop_reserved,
            demand: shelf.demand,
            unwritten: shelf.unwritten,
            short,
            safety: shelf.safety,
            shares,
            units: goods.units(),
            whole,
            cap: goods.rule.cap,
            committed: level.committed,
            most: Some(most).filter(|most| *most > wanted),
            held: None,
        };
        let target = Target { key: level.key, available: level.available, quantity: wanted, wanted, terms };
        targets.push((target, level.pending));
    }
    // 5. How far each level may go at once.
    Ok(in_room(targets, free - shown(pool, &shelves), pool.books))
}

/// Each location with what is left there when all that was promised is taken away and some is kept back; and what the site lacks for that.
fn laid_out(
    (pool, sums): (&Pool, &PartSums),
    rules: &StockRules,
    demand: Decimal,
    unwritten: fn(&SkuOrders) -> i64,
) -> (Vec<Shelf>, Decimal) {
    // 1. What each location has.
    let mut shelves: Vec<Shelf> = sums.locations.iter().map(|stock| shelf(*stock, pool)).collect();
    pre_order(&mut shelves, pool);
    let mut owed = Decimal::ZERO;
    for shelf in shelves.iter_mut().filter(|shelf| shelf.free < Decimal::ZERO) {
        owed -= shelf.free;
        shelf.free = Decimal::ZERO;
    }
    // 2. What is promised.
    let unwritten_of = |goods: &Goods| Decimal::from(unwritten(&goods.orders)) * goods.units();
    let unwritten: Decimal = pool.goods.iter().map(unwritten_of).sum();
    let reserved_of = |goods: &Goods| Decimal::from(goods.orders.reserved.max(0)) * goods.units();
    let shop_reserved: Decimal = match rules.reserved() {
        ShopReserved::Subtract => pool.goods.iter().map(reserved_of).sum(),
        ShopReserved::Ignore => Decimal::ZERO,
    };
    let mut short = take(&mut shelves, owed, |shelf| &mut shelf.promised, |shelf| &mut shelf.owed);
    short += take(&mut shelves, shop_reserved, |shelf| &mut shelf.set_aside, |shelf| &mut shelf.shop_reserved);
    short += take(&mut shelves, demand, |shelf| &mut shelf.promised, |shelf| &mut shelf.demand);
    short += take(&mut shelves, unwritten, |shelf| &mut shelf.promised, |shelf| &mut shelf.unwritten);
    // 3. What is kept back.
    for shelf in &mut shelves {
        let safety = shelf.safety.min(shelf.free);
        (shelf.safety, shelf.free) = (safety, shelf.free - safety);
    }
    (shelves, short)
}

/// The levels that are kept up to date, with their locations' stock.
fn kept<'p>(pool: &'p Pool, shelves: &'p [Shelf]) -> impl Iterator<Item = (&'p Goods, &'p LevelReading, &'p Shelf)> {
    pool.goods.iter().flat_map(move |goods| {
        let followed = goods.levels.iter().filter(move |level| goods.rule.follows_at(level.key.location));
        followed.filter_map(move |level| {
            let shelf = shelves.iter().find(|shelf| shelf.stock.location == level.key.location)?;
            Some((goods, level, shelf))
        })
    })
}

fn shelf(stock: LocationStock, pool: &Pool) -> Shelf {
    let zero = Decimal::ZERO;
    let (mut promised, mut set_aside, mut safety, mut levels) = (zero, zero, zero, 0);
    for goods in &pool.goods {
        for level in goods.levels.iter().filter(|level| level.key.location == stock.location) {
            promised += Decimal::from(level.committed.max(0)) * goods.units();
            set_aside += Decimal::from(level.reserved.max(0)) * goods.units();
            if goods.rule.follows_at(stock.location) {
                safety = safety.max(Decimal::from(goods.rule.safety) * goods.units());
                levels += 1;
            }
        }
    }
    let free = stock.on_hand - stock.reserved;
    let (pre_order, owed, shop_reserved, demand, unwritten) = (zero, zero, zero, zero, zero);
    Shelf { stock, free, promised, set_aside, pre_order, owed, shop_reserved, demand, unwritten, safety, levels }
}

/// Adds what may be sold before it is there: at the first location that keeps the SKU, since it exists once.
fn pre_order(shelves: &mut [Shelf], pool: &Pool) {
    for goods in &pool.goods {
        let keeps = |shelf: &&mut Shelf| {
            let location = shelf.stock.location;
            goods.rule.follows_at(location) && goods.levels.iter().any(|level| level.key.location == location)
        };
        if let Some(shelf) = shelves.iter_mut().find(keeps) {
            let added = Decimal::from(goods.rule.pre_order) * goods.units();
            shelf.pre_order += added;
            shelf.free += added;
        }
    }
}

/// One figure of a shelf.
type Figure = fn(&mut Shelf) -> &mut Decimal;

/// Takes a figure from the shelves, first where Shopify says that it is promised, and writes down where; gives what they did not have.
fn take(shelves: &mut [Shelf], figure: Decimal, promised: Figure, term: Figure) -> Decimal {
    let mut left = figure;
    for promised_only in [true, false] {
        for shelf in shelves.iter_mut() {
            let here = *promised(shelf);
            let most = if promised_only { shelf.free.min(here) } else { shelf.free };
            let taken = most.min(left).max(Decimal::ZERO);
            left -= taken;
            shelf.free -= taken;
            *promised(shelf) = (here - taken).max(Decimal::ZERO);
            *term(shelf) += taken;
        }
    }
    left
}

/// What customers may buy of the part's stock as the shop stands, in units of the stock: what a call that is under way may set counts
/// too. Levels that nobody keeps up to date are no promise of this part's stock.
fn shown(pool: &Pool, shelves: &[Shelf]) -> Decimal {
    kept(pool, shelves).map(|(goods, level, _)| most_shown(level.available, level.pending) * goods.units()).sum()
}

fn most_shown(available: i64, pending: Option<i64>) -> Decimal {
    Decimal::from(available.max(pending.unwrap_or(available)).max(0))
}

/// Sets each level now to what is wanted, or as far towards it as is safe. A level with a call under way waits for its answer.
fn in_room(targets: Vec<(Target, Option<i64>)>, room: Decimal, books: Books) -> Vec<Target> {
    let mut room = room.max(Decimal::ZERO);
    let mut planned = Vec::with_capacity(targets.len());
    for (mut target, pending) in targets {
        // Below nothing a level can be bought from no more than at nothing.
        let floor = target.available.max(0);
        let held = if pending.is_some() {
            target.quantity = target.available;
            Held::UnderWay
        } else if books == Books::Behind {
            target.quantity = target.wanted.min(target.available);
            Held::Books
        } else {
            if target.wanted > floor {
                let most = whole_units(room, target.terms.units).unwrap_or(0);
                target.quantity = target.wanted.min(floor.saturating_add(most));
                room -= Decimal::from(target.quantity - floor) * target.terms.units;
            }
            Held::Room
        };
        target.terms.held = target.waits().then_some(held);
        planned.push(target);
    }
    planned
}

/// How many whole times `units` goes into `figure`, never too often. None of a figure below nothing.
fn whole_units(figure: Decimal, units: Decimal) -> Result<i64, Left> {
    let beyond = || Left::Unclear(format!("{figure} in units of {units} is no count"));
    if figure <= Decimal::ZERO {
        return Ok(0);
    }
    let mut whole = figure.checked_div(units).ok_or_else(beyond)?.floor();
    // The quotient may have been rounded up to the next whole number.
    if whole.checked_mul(units).ok_or_else(beyond)? > figure {
        whole -= Decimal::ONE;
    }
    whole.to_i64().filter(|whole| *whole <= COUNT_MAX).ok_or_else(beyond)
}

/// Refuses figures with which sums would not be exact.
fn sound(pool: &Pool) -> Result<(), Left> {
    let Demand { unreserved_before, unreserved_after, open_after } = pool.demand;
    let is_demand = |figure: &Decimal| is_sound(*figure) && *figure >= Decimal::ZERO;
    if let Some(odd) = [unreserved_before, unreserved_after, open_after].iter().find(|figure| !is_demand(figure)) {
        return Err(Left::Unclear(format!("open lines of {odd} units cannot be meant")));
    }
    let is_count = |count: i64| (-COUNT_MAX..=COUNT_MAX).contains(&count);
    for goods in &pool.goods {
        if !is_conversion(goods.units()) {
            let (units, catalog_no) = (goods.units(), &goods.catalog_no);
            return Err(Left::Unclear(format!("{units} units of the stock for one of {catalog_no} are no conversion")));
        }
        let counts = goods.levels.iter().flat_map(|level| [level.available, level.committed, level.reserved]);
        if !counts.chain([goods.orders.unwritten(), goods.orders.reserved]).all(is_count) {
            return Err(Left::Unclear(format!("Shopify's counts of {} cannot be meant", goods.catalog_no)));
        }
    }
    Ok(())
}
