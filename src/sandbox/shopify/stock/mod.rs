//! What the simulated shop sells and how much of it it has: products, variants, locations, levels, publications, price lists. Orders
//! move the levels as they are placed, changed, fulfilled and cancelled. A shop that was not stocked up has nothing of this.

mod buy;
mod drafts;
mod listing;
mod orders;
mod people;
mod prices;
mod repeated;
mod set;
mod show;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::super::world;
use drafts::Draft;
use orders::Held;
use repeated::Once;

pub(super) use listing::Listed;
pub use people::{LevelView, ProductView};
pub(super) use standing::Publishing;

/// The location that online orders are sent from.
pub const WAREHOUSE: u64 = 655_441_490;
/// The location of the till.
pub const TILL: u64 = 655_441_491;
/// The publication of the online store.
pub const ONLINE_STORE: u64 = 90_000_001;
/// The publication of the till.
pub const POINT_OF_SALE: u64 = 90_000_002;
/// The price list of another market, in Swedish crowns.
pub const SWEDISH_PRICES: u64 = 70_000_001;

/// An inventory item's number is its variant's and this much.
const ITEMS_FROM: u64 = 3_000_000_000;
const CATALOGUE_PRODUCTS_FROM: u64 = 7_880_321_196;
const CATALOGUE_VARIANTS_FROM: u64 = 44_990_000_000;
const CATALOGUE_PRODUCTS: usize = 12;
const BOXED_PRODUCT: u64 = 8_090_000_000;
const BOXED_VARIANT: u64 = 49_990_000_000;
const BULK_PRODUCTS_FROM: u64 = 8_100_000_000;
const BULK_VARIANTS_FROM: u64 = 50_000_000_000;
/// So many variants of what lies beyond the catalogue are one product.
pub const BULK_VARIANTS_EACH: usize = 5;

/// Whether a product is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Customers see it.
    Active,
    /// They do not, yet or any more.
    Draft,
    /// It was put away.
    Archived,
    /// Only who knows its address sees it.
    Unlisted,
}

impl Standing {
    const ALL: [Self; 4] = [Self::Active, Self::Draft, Self::Archived, Self::Unlisted];

    /// Shopify's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Draft => "DRAFT",
            Self::Archived => "ARCHIVED",
            Self::Unlisted => "UNLISTED",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|standing| standing.word() == word)
    }
}

/// What becomes of a variant that has run out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenOut {
    /// It can not be bought.
    Deny,
    /// It is sold on.
    Continue,
}

impl WhenOut {
    /// Shopify's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "DENY",
            Self::Continue => "CONTINUE",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Product {
    title: String,
    standing: Standing,
    variants: Vec<u64>,
    published: BTreeSet<u64>,
    at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Variant {
    product: u64,
    sku: Option<String>,
    title: &'static str,
    price: Decimal,
    compare_at: Option<Decimal>,
    when_out: WhenOut,
    is_tracked: bool,
    /// It is a bundle: what there is of it follows from its components.
    is_bundle: bool,
    /// By location.
    levels: Vec<(u64, Level)>,
}

impl Variant {
    fn level(&self, location: u64) -> Option<&Level> {
        self.levels.iter().find(|(own, _)| *own == location).map(|(_, level)| level)
    }

    fn level_mut(&mut self, location: u64) -> Option<&mut Level> {
        self.levels.iter_mut().find(|(own, _)| *own == location).map(|(_, level)| level)
    }
}

/// What there is of an item at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    available: i64,
    committed: i64,
    /// For drafts, which are no orders yet.
    reserved: i64,
    at: Timestamp,
}

impl Level {
    fn on_hand(&self) -> i64 {
        self.available + self.committed + self.reserved
    }

    /// Reserves so many more units, or fewer.
    fn set_aside(&mut self, units: i64, now: Timestamp) {
        self.reserved += units;
        self.available -= units;
        self.at = now;
    }
}

#[derive(Clone, Debug)]
pub(super) struct Location {
    name: &'static str,
    is_active: bool,
    sells_online: bool,
}

#[derive(Clone, Debug)]
pub(super) struct PriceList {
    name: &'static str,
    currency: &'static str,
    /// Fixed prices by variant, and what they are compared with.
    fixed: BTreeMap<u64, (Decimal, Option<Decimal>)>,
}

/// What is done to products and prices by the API, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingWrite {
    /// When.
    pub at: Timestamp,
    /// The product, or the variant whose way of running out or whose price was set.
    pub id: u64,
    /// What: `ACTIVE`, `DRAFT`, `publish 90000001`, `unpublish 90000001`, `DENY`, `CONTINUE`, `price 12.00`, `fixed 120.00 SEK`.
    pub what: String,
}

/// One level that was set by the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelWrite {
    /// When.
    pub at: Timestamp,
    /// The inventory item.
    pub item: u64,
    /// The location.
    pub location: u64,
    /// `available` before.
    pub from: i64,
    /// `available` after.
    pub to: i64,
}

/// What the API was asked to do with the stock so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockCounts {
    /// Calls of `inventorySetQuantities` that were carried out or refused; repetitions of the same key are not among them.
    pub set_calls: u64,
    /// Calls that came again under the key of an earlier one, and got its answer.
    pub repeated: u64,
    /// Calls under an earlier key with something else in them: always somebody's fault.
    pub mismatched: u64,
    /// Calls without a key, refused as a whole.
    pub without_key: u64,
    /// Levels that were set.
    pub levels_set: u64,
    /// Of these, levels that already were what they were set to.
    pub levels_unchanged: u64,
    /// Entries that expected another quantity than there was.
    pub stale: u64,
    /// Entries that were refused for another reason.
    pub refused: u64,
    /// Most entries in one call.
    pub entries_max: u64,
    /// Mutations of products, publications and prices that changed something.
    pub standing_writes: u64,
    /// Units that buyers wanted and the shop did not sell for lack of stock.
    pub units_denied: u64,
}

/// All that a shop sells.
#[derive(Debug, Default)]
pub(super) struct Stock {
    products: BTreeMap<u64, Product>,
    variants: BTreeMap<u64, Variant>,
    locations: BTreeMap<u64, Location>,
    price_lists: BTreeMap<u64, PriceList>,
    /// What orders hold, by order.
    held: BTreeMap<u64, Vec<Held>>,
    /// What is reserved for drafts, by draft.
    drafts: BTreeMap<u64, Draft>,
    once: Once,
    counts: StockCounts,
    level_writes: Vec<LevelWrite>,
    standing_writes: Vec<StandingWrite>,
    bent: Bent,
}

/// What bends the shop's answers about its stock.
#[derive(Debug, Default)]
struct Bent {
    /// What is wrong with some entries of a call does not keep the others from being set.
    sets_in_part: bool,
    /// The wrong entry of a call is not named.
    hides_culprit: bool,
    /// Shopify itself fails on calls that set this SKU: it does nothing of them.
    fails_at: Option<String>,
    /// What goes back of a cancelled order is not put back into the stock.
    loses_returns: bool,
    /// Publications that are there no more.
    gone_publications: BTreeSet<u64>,
    /// Right before the next set somebody buys so many units of this SKU.
    buys_before_set: Option<(String, u32)>,
}

impl Stock {
    fn variant_of_item(&self, item: u64) -> Option<(u64, &Variant)> {
        let id = item.checked_sub(ITEMS_FROM)?;
        self.variants.get(&id).map(|variant| (id, variant))
    }

    fn by_sku(&self, sku: &str) -> Option<u64> {
        self.variants.iter().find(|(_, variant)| variant.sku.as_deref() == Some(sku)).map(|(id, _)| *id)
    }

    fn is_active(&self, location: u64) -> bool {
        self.locations.get(&location).is_some_and(|location| location.is_active)
    }

    /// What can be sold of a variant online.
    fn sellable(&self, variant: &Variant) -> i64 {
        let online = |id: &u64| self.locations.get(id).is_some_and(|place| place.is_active && place.sells_online);
        variant.levels.iter().filter(|(id, _)| online(id)).map(|(_, level)| level.available).sum()
    }

    /// What a variant has at all active locations together.
    fn total(&self, variant: &Variant) -> i64 {
        variant.levels.iter().filter(|(id, _)| self.is_active(*id)).map(|(_, level)| level.available).sum()
    }

    fn note(&mut self, at: Timestamp, id: u64, what: String) {
        self.counts.standing_writes += 1;
        self.standing_writes.push(StandingWrite { at, id, what });
    }

    /// The first products of a shop: the catalogue, the part that is sold by the box, and so many more.
    fn fill(&mut self, bulk: usize, available: i64, now: Timestamp) {
        self.locations.insert(WAREHOUSE, Location { name: "Lager", is_active: true, sells_online: true });
        self.locations.insert(TILL, Location { name: "Köln", is_active: true, sells_online: false });
        self.price_lists.insert(SWEDISH_PRICES, PriceList { name: "Sverige", currency: "SEK", fixed: BTreeMap::new() });
        let level = Level { available, committed: 0, reserved: 0, at: now };
        let both = || vec![(WAREHOUSE, level), (TILL, level)];
        for index in 0..world::CATALOGUE_LEN {
            let world::Variant { sku, title, price, .. } = world::variant(index);
            let product = CATALOGUE_PRODUCTS_FROM + (index % CATALOGUE_PRODUCTS) as u64;
            self.add(product, CATALOGUE_VARIANTS_FROM + index as u64, (title, sku, price), both(), now);
        }
        let (boxed, _, _) = world::BOXED_PART;
        let price = Decimal::new(1_990, 2);
        self.add(BOXED_PRODUCT, BOXED_VARIANT, ("Kerzen, 6 Stück", boxed.to_owned(), price), both(), now);
        for index in 0..bulk {
            let product = BULK_PRODUCTS_FROM + (index / BULK_VARIANTS_EACH) as u64;
            let price = Decimal::new(599 + index as i64 % 4_000, 2);
            let named = ("Ersatzteil", world::bulk_sku(index), price);
            self.add(product, BULK_VARIANTS_FROM + index as u64, named, vec![(WAREHOUSE, level)], now);
        }
    }

    fn add(
        &mut self,
        product: u64,
        id: u64,
        (title, sku, price): (&'static str, String, Decimal),
        levels: Vec<(u64, Level)>,
        now: Timestamp,
    ) {
        let of = self.products.entry(product).or_insert_with(|| Product {
            title: title.to_owned(),
            standing: Standing::Active,
            variants: Vec::new(),
            published: BTreeSet::from([ONLINE_STORE, POINT_OF_SALE]),
            at: now,
        });
        of.variants.push(id);
        let variant = Variant {
            product,
            sku: Some(sku),
            title,
            price,
            compare_at: None,
            when_out: WhenOut::Deny,
            is_tracked: true,
            is_bundle: false,
            levels,
        };
        self.variants.insert(id, variant);
    }
}
