//! The two sides of a run: persons who price, close and take away sales parts in IFS, merchants who price in the shop; and what either
//! has asked for each price so far.

use std::collections::BTreeMap;

use ml_connector::sandbox::ifs::SalesTerms;
use ml_connector::sandbox::shopify::{ProductView, SWEDISH_PRICES};
use ml_connector::sandbox::world::{CUSTOMER_NO, bulk_sku, skus};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::support::world::World;

/// SKUs beyond the catalogue: two products, one of a single variant.
pub const BULK: usize = 6;
/// The shop's own prices, among the price lists.
pub const OWN: u64 = 0;
/// The site of the shop.
const SITE: &str = "S10";
/// Of the catalogue so many SKUs move too. What the shop asks of these at first is far from what IFS asks.
const OF_CATALOGUE: usize = 2;
/// What IFS lists is without its tax of a quarter, and what is shown with it.
const WITH_TAX: Decimal = Decimal::from_parts(125, 0, 0, false, 2);

/// A price: its price list, and its variant.
pub type Key = (u64, u64);

/// What a price was from when on, in microseconds since 1970.
#[derive(Default)]
struct History(Vec<(i64, Decimal)>);

impl History {
    fn last(&self) -> Option<Decimal> {
        self.0.last().map(|(_, amount)| *amount)
    }

    /// Whether it was this at a moment, or at any time since.
    fn was(&self, amount: Decimal, since: i64) -> bool {
        let first = self.0.iter().rposition(|(at, _)| *at < since).unwrap_or(0);
        self.0[first..].iter().any(|(_, own)| *own == amount)
    }
}

/// Both sides.
pub struct Sides {
    /// The price lists that follow IFS.
    pub lists: Vec<u64>,
    /// The SKUs that move.
    skus: Vec<String>,
    /// The shop's products at first.
    products: BTreeMap<u64, ProductView>,
    /// Their variants' SKUs.
    variants: BTreeMap<u64, String>,
    /// What IFS asked, with its tax, by price list and SKU.
    asked: BTreeMap<(u64, String), History>,
    /// What was shown.
    shown: BTreeMap<Key, History>,
    /// What the market's customer pays, without tax, where that was agreed on.
    agreed: BTreeMap<String, Decimal>,
    /// The last SKU's part is no sales part of IFS's.
    is_away: bool,
    /// A merchant has deleted a variant.
    has_deleted: bool,
}

impl Sides {
    /// Both sides as they begin.
    pub fn new(world: &World, at: i64, has_market: bool) -> Self {
        let lists = if has_market { vec![OWN, SWEDISH_PRICES] } else { vec![OWN] };
        let products: BTreeMap<u64, ProductView> =
            world.shop().products().into_iter().map(|product| (product.id, product)).collect();
        let mut sides = Self {
            lists,
            skus: (0..BULK).map(bulk_sku).chain(skus().into_iter().take(OF_CATALOGUE)).collect(),
            products: BTreeMap::new(),
            variants: BTreeMap::new(),
            asked: BTreeMap::new(),
            shown: BTreeMap::new(),
            agreed: BTreeMap::new(),
            is_away: false,
            has_deleted: false,
        };
        for (id, sku, _, price) in products.values().flat_map(|product| &product.variants) {
            let sku = sku.clone().expect("each variant has a SKU at first");
            sides.shows((OWN, *id), at, *price);
            sides.follow(world, &sku, at);
            sides.variants.insert(*id, sku);
        }
        Self { products, ..sides }
    }

    fn some_sku(&self, random: &mut StdRng) -> String {
        self.skus.choose(random).expect("there are some").clone()
    }

    // ------------------------------------------------------------------------------------------------ IFS

    /// What IFS asks in a price list, with its tax.
    pub fn asks(&self, world: &World, list: u64, sku: &str) -> Decimal {
        let agreed = self.agreed.get(sku).filter(|_| list != OWN).copied();
        let net = agreed.unwrap_or_else(|| world.sandbox.ifs().sales_terms(SITE, sku).list_price);
        (net * WITH_TAX).round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
    }

    /// Whether IFS sells it, so that its prices follow.
    pub fn is_sold(&self, world: &World, sku: &str) -> bool {
        let is_away = self.is_away && sku == bulk_sku(BULK - 1);
        !is_away && world.sandbox.ifs().sales_terms(SITE, sku).is_active
    }

    /// Whether IFS asked this at a moment, or at any time since.
    pub fn was_asked(&self, (list, variant): Key, amount: Decimal, since: i64) -> bool {
        let asked = self.variants.get(&variant).and_then(|sku| self.asked.get(&(list, sku.clone())));
        asked.is_some_and(|history| history.was(amount, since))
    }

    /// A person prices a part: for everybody, or for the market's customer.
    pub fn price_in_ifs(&mut self, world: &World, random: &mut StdRng, at: i64) -> String {
        let (ifs, sku) = (world.sandbox.ifs(), self.some_sku(random));
        let terms = ifs.sales_terms(SITE, &sku);
        let of_market = self.lists.len() > 1 && random.random_bool(0.4);
        let before = self.agreed.get(&sku).filter(|_| of_market).copied().unwrap_or(terms.list_price);
        let price = moved(before, random);
        if of_market {
            ifs.agree_price(CUSTOMER_NO, &sku, price);
            self.agreed.insert(sku.clone(), price);
        } else {
            ifs.set_sales_terms(SITE, &sku, SalesTerms { list_price: price, ..terms });
        }
        self.follow(world, &sku, at);
        format!("IFS asks {price} of {} for {sku}", if of_market { "the market" } else { "all" })
    }

    /// A person closes a part or opens it again; the last one is a sales part or none at all.
    pub fn close_or_open(&mut self, world: &World, random: &mut StdRng) -> String {
        let ifs = world.sandbox.ifs();
        if random.random_bool(0.3) {
            self.is_away = !self.is_away;
            ifs.sell_bulk(if self.is_away { BULK - 1 } else { BULK });
            return format!("the last part is away: {}", self.is_away);
        }
        let sku = self.some_sku(random);
        let terms = ifs.sales_terms(SITE, &sku);
        let is_active = !terms.is_active;
        ifs.set_sales_terms(SITE, &sku, SalesTerms { is_active, ..terms });
        format!("{sku} is active: {is_active}")
    }

    fn follow(&mut self, world: &World, sku: &str, at: i64) {
        for list in self.lists.clone() {
            let amount = self.asks(world, list, sku);
            let history = self.asked.entry((list, sku.to_owned())).or_default();
            if history.last() != Some(amount) {
                history.0.push((at, amount));
            }
        }
    }

    // ------------------------------------------------------------------------------------------------ the shop

    /// A merchant prices a SKU, sometimes as IFS does.
    pub fn price_in_shop(&mut self, world: &World, random: &mut StdRng, at: i64) -> Option<String> {
        let sku = self.some_sku(random);
        let (id, ..) = self.on_sale(world).into_iter().find(|(_, own)| *own == sku)?;
        let before = self.shown((OWN, id))?;
        let price = if random.random_bool(0.25) { self.asks(world, OWN, &sku) } else { moved(before, random) };
        world.shop().staff_set_price(&sku, price);
        self.shows((OWN, id), at, price);
        Some(format!("a merchant asks {price} for {sku}"))
    }

    /// A merchant deletes a variant, once.
    pub fn delete(&mut self, world: &World, random: &mut StdRng) -> Option<String> {
        if self.has_deleted {
            return None;
        }
        self.has_deleted = true;
        let sku = self.some_sku(random);
        world.shop().staff_delete(&sku);
        Some(format!("a merchant deletes {sku}"))
    }

    /// The variants that the shop has, with their SKUs.
    pub fn on_sale(&self, world: &World) -> Vec<(u64, String)> {
        let variants = world.shop().products().into_iter().flat_map(|product| product.variants);
        variants.filter_map(|(id, sku, ..)| Some((id, sku?))).collect()
    }

    /// What a price shows; none where a price list fixes nothing.
    pub fn shown(&self, key: Key) -> Option<Decimal> {
        self.shown.get(&key).and_then(History::last)
    }

    /// Whether a price showed this at a moment, or at any time since.
    pub fn was_shown(&self, key: Key, amount: Decimal, since: i64) -> bool {
        self.shown.get(&key).is_some_and(|history| history.was(amount, since))
    }

    /// From now on a price shows this.
    pub fn shows(&mut self, key: Key, at: i64, amount: Decimal) {
        self.shown.entry(key).or_default().0.push((at, amount));
    }

    /// How the shop stands.
    ///
    /// # Panics
    /// Where it shows a price that neither a merchant nor a planned call set, or anything but a price was touched.
    pub fn judge(&self, world: &World) {
        let shop = world.shop();
        for product in shop.products() {
            let before = &self.products[&product.id];
            let (is, was) = ((product.standing, &product.published), (before.standing, &before.published));
            assert_eq!(is, was, "product {}", product.id);
            for (id, sku, when_out, price) in &product.variants {
                let of_variant = before.variants.iter().find(|(own, ..)| own == id);
                let (_, sku_before, when_out_before, _) = of_variant.expect("no variant moves, and none is new");
                assert_eq!((sku, when_out), (sku_before, when_out_before), "variant {id}");
                assert_eq!(self.shown((OWN, *id)), Some(*price), "{sku:?} is asked by nobody");
                let fixed = shop.fixed_price(SWEDISH_PRICES, *id);
                assert_eq!(self.shown((SWEDISH_PRICES, *id)), fixed, "{sku:?} is fixed by nobody");
            }
        }
        assert!(shop.level_writes().is_empty(), "a level was set");
    }
}

/// A price after somebody changed it: mostly by little, sometimes by much, now and then to nothing.
fn moved(price: Decimal, random: &mut StdRng) -> Decimal {
    if price.is_zero() {
        return Decimal::new(random.random_range(300..1_500), 2);
    }
    let percent = match random.random_range(0..10) {
        0..6 => random.random_range(88..113),
        6..9 => *[20, 55, 180, 400].choose(random).expect("there are some"),
        _ => 0,
    };
    (price * Decimal::new(percent, 2)).round_dp(2)
}
