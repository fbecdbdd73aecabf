//! What the shops show against what IFS can sell: each SKU in whole units, and each product in the online store or out of it.
//! What an order of the shop takes and IFS does not hold is taken from IFS's figure, whyever IFS does not hold it, and so is what the shop
//! has reserved for drafts.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::ShopSettings;
use super::super::ifs::{Ifs, OrderView, RowView, StockFigures};
use super::super::shopify::{ONLINE_STORE, ProductView, Shop, Standing, StandingWrite, WAREHOUSE, WhenOut};
use super::super::world;

/// A SKU that shows other than what can be sold of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockDifference {
    /// The shop's domain.
    pub shop: String,
    /// The SKU.
    pub sku: String,
    /// What the shop shows.
    pub shown: i64,
    /// Whole units that can be sold.
    pub sellable: i64,
}

/// A SKU of which more was sold than is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oversold {
    /// The shop's domain.
    pub shop: String,
    /// The SKU.
    pub sku: String,
    /// Units that are lacking.
    pub units: i64,
}

/// A product that is in the online store and should not be, or the other way round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductDifference {
    /// The shop's domain.
    pub shop: String,
    /// Its number.
    pub product: u64,
    /// What is wrong, in words.
    pub wrong: &'static str,
}

/// Both sides of one shop, summed up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShopStock {
    /// The shop's domain.
    pub shop: String,
    /// SKUs that were compared: those whose part IFS keeps in stock.
    pub skus: usize,
    /// Units that the shop shows.
    pub shown: i64,
    /// Units that can be sold.
    pub sellable: i64,
    /// Units that were taken from IFS's figure for orders that it does not hold.
    pub unheld: i64,
    /// Units that were taken from it for drafts.
    pub reserved: i64,
    /// SKUs that show nothing.
    pub shown_out: usize,
    /// SKUs of which nothing is left.
    pub run_out: usize,
}

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StockBooks {
    /// The shops, as far as they sell anything that IFS keeps in stock.
    pub shops: Vec<ShopStock>,
    /// Every SKU that differs.
    pub differences: Vec<StockDifference>,
    /// Every SKU of which more was sold than is there.
    pub oversold: Vec<Oversold>,
    /// Every product that differs.
    pub products: Vec<ProductDifference>,
    /// How often the API took a product out of the online store.
    pub disabled: usize,
    /// How often it brought back one that it had taken out.
    pub enabled_again: usize,
}

impl ShopStock {
    fn to_json(&self) -> Value {
        json!({
            "shop": self.shop, "skus": self.skus, "shown": self.shown, "sellable": self.sellable, "unheld": self.unheld,
            "reserved": self.reserved, "shown_out": self.shown_out, "run_out": self.run_out,
        })
    }
}

impl StockBooks {
    /// Nothing differs, and nothing was sold that is not there.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.oversold.is_empty() && self.products.is_empty()
    }

    /// The books as one JSON object.
    pub fn to_json(&self) -> Value {
        let differences: Vec<Value> = self
            .differences
            .iter()
            .map(|one| json!({"shop": one.shop, "sku": one.sku, "shown": one.shown, "sellable": one.sellable}))
            .collect();
        let oversold: Vec<Value> =
            self.oversold.iter().map(|one| json!({"shop": one.shop, "sku": one.sku, "units": one.units})).collect();
        let products: Vec<Value> = self
            .products
            .iter()
            .map(|one| json!({"shop": one.shop, "product": one.product.to_string(), "wrong": one.wrong}))
            .collect();
        json!({
            "shops": self.shops.iter().map(ShopStock::to_json).collect::<Vec<_>>(), "differences": differences,
            "oversold": oversold, "products": products, "disabled": self.disabled, "enabled_again": self.enabled_again,
            "clean": self.is_clean(),
        })
    }
}

/// Compares all shops with IFS.
pub(in super::super) fn compare(ifs: &Ifs, shops: &[(ShopSettings, Shop)]) -> StockBooks {
    let mut books = StockBooks::default();
    let orders = ifs.orders();
    for (settings, shop) in shops {
        let taken = Taken::of(shop);
        let (figures, unheld) = (ifs.stock_figures(&settings.contract), taken.unheld(&orders));
        let left: BTreeMap<&str, i64> =
            taken.skus.values().filter_map(|sku| units_left(sku, &figures, taken.promised(sku, &unheld))).collect();
        let shown = shop.available_at(WAREHOUSE);
        let mut sums = ShopStock { shop: settings.domain.clone(), ..ShopStock::default() };
        for (sku, left) in &left {
            // What the online store does not send from there is not promised there.
            let Some(shown) = shown.get(*sku).copied() else { continue };
            sums.unheld += unheld.get(*sku).copied().unwrap_or_default();
            sums.reserved += taken.reserved.get(*sku).copied().unwrap_or_default();
            books.enter_sku(&mut sums, sku, shown, *left);
        }
        if sums.skus > 0 {
            books.shops.push(sums);
        }
        let writes = shop.standing_writes();
        for product in shop.products() {
            books.enter_product(settings, &product, &writes, &left);
        }
    }
    books
}

/// Whole units of a SKU that are left to be sold, where the shop has promised so many beyond IFS's figures; below zero where more was
/// sold than is there. `None` where IFS keeps none of it.
fn units_left<'a>(sku: &'a str, figures: &BTreeMap<String, StockFigures>, promised: i64) -> Option<(&'a str, i64)> {
    let (part_no, units) = world::inventory_part(sku)?;
    let free = figures.get(part_no)?.free() - Decimal::from(promised) * units;
    Some((sku, i64::try_from((free / units).floor()).ok()?))
}

/// What each order of a shop takes, and what its drafts do.
struct Taken {
    /// SKUs by variant.
    skus: BTreeMap<u64, String>,
    /// Units by the order's key in IFS and SKU.
    units: BTreeMap<(String, String), i64>,
    /// Units by SKU that are reserved for drafts, at all locations.
    reserved: BTreeMap<String, i64>,
}

impl Taken {
    fn of(shop: &Shop) -> Self {
        let mut skus: BTreeMap<u64, String> = BTreeMap::new();
        let mut reserved: BTreeMap<String, i64> = BTreeMap::new();
        for level in shop.levels() {
            if let Some(sku) = level.sku {
                *reserved.entry(sku.clone()).or_default() += level.reserved;
                skus.insert(level.variant, sku);
            }
        }
        let mut units: BTreeMap<(String, String), i64> = BTreeMap::new();
        shop.with_sold(|orders| {
            for (order_id, last) in orders.iter().filter_map(|(id, sold)| Some((id, sold.versions.last()?))) {
                for line in last.lines.iter().filter(|line| line.current_quantity > 0) {
                    // The shop counts by variant, whatever the line's words say; a line without one takes of its part.
                    let sku = line.variant_id.and_then(|id| skus.get(&id)).unwrap_or(&line.part);
                    *units.entry((order_id.to_string(), sku.clone())).or_default() += i64::from(line.current_quantity);
                }
            }
        });
        Self { skus, units, reserved }
    }

    /// Units of a SKU that IFS's figures do not tell.
    fn promised(&self, sku: &str, unheld: &BTreeMap<&str, i64>) -> i64 {
        let reserved = self.reserved.get(sku).copied().unwrap_or_default();
        unheld.get(sku).copied().unwrap_or_default() + reserved
    }

    /// Units by SKU of which IFS does not hold anything yet for the order that takes them. An order that a person cancelled in IFS is
    /// held: IFS has decided that its units are there for others.
    fn unheld(&self, orders: &[OrderView]) -> BTreeMap<&str, i64> {
        let mut held: BTreeMap<(&str, &str), Decimal> = BTreeMap::new();
        for order in orders {
            let key = order.field("CustomerPoNo");
            // What came too late for an order stands on a second one, and counts to it.
            let key = key.strip_suffix("-2").unwrap_or(key);
            let is_cancelled = |line: &RowView| field(line, "OrderState") == "Cancelled";
            for line in order.lines.iter().filter(|line| !order.is_live() || !is_cancelled(line)) {
                let due = Decimal::from_str_exact(field(line, "BuyQtyDue")).unwrap_or_default();
                *held.entry((key, field(line, "CatalogNo"))).or_default() += due;
            }
        }
        let mut unheld: BTreeMap<&str, i64> = BTreeMap::new();
        for ((key, sku), units) in &self.units {
            let held = held.get(&(key.as_str(), sku.as_str())).copied().unwrap_or_default();
            let held = i64::try_from(held.floor()).unwrap_or_default();
            *unheld.entry(sku).or_default() += (units - held).max(0);
        }
        unheld
    }
}

fn field<'a>(row: &'a RowView, name: &str) -> &'a str {
    row.get(name).map_or("", String::as_str)
}

impl StockBooks {
    fn enter_sku(&mut self, sums: &mut ShopStock, sku: &str, shown: i64, left: i64) {
        let (shop, sku, sellable) = (sums.shop.clone(), sku.to_owned(), left.max(0));
        sums.skus += 1;
        sums.shown += shown;
        sums.sellable += sellable;
        sums.shown_out += usize::from(shown <= 0);
        sums.run_out += usize::from(sellable == 0);
        if left < 0 {
            self.oversold.push(Oversold { shop: shop.clone(), sku: sku.clone(), units: -left });
        }
        if shown != sellable {
            self.differences.push(StockDifference { shop, sku, shown, sellable });
        }
    }

    fn enter_product(
        &mut self,
        settings: &ShopSettings,
        product: &ProductView,
        writes: &[StandingWrite],
        left: &BTreeMap<&str, i64>,
    ) {
        let mut last: Option<Act> = None;
        for act in writes.iter().filter(|write| write.id == product.id).filter_map(|write| Act::of(&write.what)) {
            self.disabled += usize::from(act.takes_out());
            self.enabled_again += usize::from(!act.takes_out() && last.is_some_and(Act::takes_out));
            last = Some(act);
        }
        let is_out = product.variants.iter().all(|(_, sku, when_out, _)| {
            // What is sold on, and what IFS does not count, can always be bought.
            let left = sku.as_deref().and_then(|sku| left.get(sku).copied());
            *when_out == WhenOut::Deny && left.is_some_and(|left| left <= 0)
        });
        let is_in = matches!(product.standing, Standing::Active | Standing::Unlisted)
            && product.published.contains(&ONLINE_STORE);
        let was_taken_out = last.filter(|act| act.takes_out());
        let wrong = match (is_out, is_in, was_taken_out) {
            // One that staff brought back in spite of it is theirs.
            (true, true, None) => "has run out, and is in the store",
            (false, false, Some(act)) if act.still_stands(product) => "is there again, and was left out of the store",
            _ => return,
        };
        self.products.push(ProductDifference { shop: settings.domain.clone(), product: product.id, wrong });
    }
}

/// What the API does to a product that takes it out of the online store or brings it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Draft,
    Active,
    Unpublish,
    Publish,
}

impl Act {
    fn of(what: &str) -> Option<Self> {
        match what.split_once(' ') {
            None if what == Standing::Draft.word() => Some(Self::Draft),
            None if what == Standing::Active.word() => Some(Self::Active),
            Some((verb, publication)) if publication == ONLINE_STORE.to_string() => match verb {
                "unpublish" => Some(Self::Unpublish),
                "publish" => Some(Self::Publish),
                _ => None,
            },
            _ => None,
        }
    }

    fn takes_out(self) -> bool {
        matches!(self, Self::Draft | Self::Unpublish)
    }

    /// Whether the product stands as this act left it: nobody decided otherwise since.
    fn still_stands(self, product: &ProductView) -> bool {
        match self {
            Self::Draft => product.standing == Standing::Draft,
            Self::Active => product.standing == Standing::Active,
            Self::Unpublish => !product.published.contains(&ONLINE_STORE),
            Self::Publish => product.published.contains(&ONLINE_STORE),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::super::ifs::StockMove;
    use super::super::super::shopify::{Change, TILL};
    use super::super::super::{STOCK_LOCATION, Sandbox, SandboxSettings, StockUp};
    use super::*;

    fn stocked() -> (Sandbox, Shop) {
        let sandbox = Sandbox::start(SandboxSettings::default()).expect("starts");
        sandbox.stock_up(StockUp { bulk: 1, units: 20, available: 20 });
        let shop = sandbox.shop(0).expect("a shop");
        (sandbox, shop)
    }

    fn unheld(sandbox: &Sandbox) -> i64 {
        sandbox.stock_books().shops.iter().map(|shop| shop.unheld).sum()
    }

    fn differences(sandbox: &Sandbox) -> Vec<(String, i64, i64)> {
        let differences = sandbox.stock_books().differences.into_iter();
        differences.map(|one| (one.sku, one.shown, one.sellable)).collect()
    }

    #[test]
    fn an_order_takes_of_the_stock_once_whether_ifs_holds_it_or_not() {
        let (sandbox, shop) = stocked();
        let ifs = sandbox.ifs();
        let books = sandbox.stock_books();
        assert!(books.is_clean(), "{:#}", books.to_json());
        let shop_stock = &books.shops[0];
        // The box and one part beyond the catalogue are among them.
        assert_eq!((shop_stock.skus, shop_stock.shown, shop_stock.sellable), (62, 20 * 62, 20 * 62));
        assert_eq!((shop_stock.unheld, shop_stock.run_out), (0, 0));
        let id = shop.buy("CANDLE-BOX", 3).expect("there are twenty");
        assert_eq!((differences(&sandbox), unheld(&sandbox)), (Vec::new(), 3));
        let line = Some(("CANDLE-BOX", 3.into(), 5.into()));
        let no = ifs.add_foreign_order(&id.to_string(), "S10", line).expect("an order");
        assert_eq!((differences(&sandbox), unheld(&sandbox)), (Vec::new(), 0));
        ifs.person_cancels(&no).expect("it is planned");
        // IFS has decided that they are for sale again.
        assert_eq!((differences(&sandbox), unheld(&sandbox)), (vec![("CANDLE-BOX".to_owned(), 17, 20)], 0));
        shop.change(id, Change::Cancelled);
        assert_eq!((differences(&sandbox), unheld(&sandbox)), (Vec::new(), 0));
    }

    #[test]
    fn what_is_reserved_for_a_draft_is_not_there_for_others() {
        let (sandbox, shop) = stocked();
        let draft = shop.reserve_for_draft("CANDLE-BOX", 3).expect("there are twenty");
        let books = sandbox.stock_books();
        assert!(books.is_clean(), "{:#}", books.to_json());
        assert_eq!((books.shops[0].reserved, books.shops[0].unheld), (3, 0));
        shop.staff_count("CANDLE-BOX", WAREHOUSE, 20);
        assert_eq!(differences(&sandbox), [("CANDLE-BOX".to_owned(), 20, 17)], "three would be sold twice");
        shop.staff_count("CANDLE-BOX", WAREHOUSE, 17);
        shop.complete_draft(draft).expect("it is there");
        assert_eq!((differences(&sandbox), unheld(&sandbox)), (Vec::new(), 3));
    }

    #[test]
    fn what_another_channel_sells_and_what_is_not_there_is_seen() {
        let (sandbox, shop) = stocked();
        let line = Some(("MUG-001", 15.into(), 5.into()));
        sandbox.ifs().add_foreign_order("DESK", "S10", line).expect("an order");
        assert_eq!(differences(&sandbox), [("MUG-001".to_owned(), 20, 5)]);
        shop.staff_count("MUG-001", TILL, 3);
        assert_eq!(differences(&sandbox), [("MUG-001".to_owned(), 20, 5)], "another location is none of it");
        shop.staff_count("MUG-001", WAREHOUSE, 5);
        assert!(sandbox.stock_books().is_clean());
        shop.buy("MUG-001", 4).expect("there are five");
        let (contract, part_no, location_no) = ("S10".to_owned(), "MUG-001".to_owned(), STOCK_LOCATION.to_owned());
        let count = StockMove::Count { contract, part_no, location_no, on_hand: 17.into() };
        sandbox.ifs().move_stock(&[count]).expect("nothing is reserved");
        let books = sandbox.stock_books();
        let lacking: Vec<(&str, i64)> = books.oversold.iter().map(|one| (one.sku.as_str(), one.units)).collect();
        assert_eq!((lacking, books.shops[0].run_out, books.shops[0].shown_out), (vec![("MUG-001", 2)], 1, 0));
        assert_eq!(differences(&sandbox), [("MUG-001".to_owned(), 1, 0)]);
    }

    #[test]
    fn a_product_is_in_the_store_while_there_is_something_of_it_and_staff_leave_it_there() {
        let product = |standing, published: &[u64]| ProductView {
            id: 7,
            standing,
            published: published.to_vec(),
            variants: vec![(8, Some("MUG-001".to_owned()), WhenOut::Deny, Decimal::TEN)],
        };
        let judged = |product: ProductView, acts: &[&str], left: i64| {
            let write = |what: &&str| StandingWrite { at: Timestamp::UNIX_EPOCH, id: 7, what: (*what).to_owned() };
            let writes: Vec<StandingWrite> = acts.iter().map(write).collect();
            let mut books = StockBooks::default();
            let left = BTreeMap::from([("MUG-001", left)]);
            books.enter_product(&ShopSettings::first(), &product, &writes, &left);
            (books.products.len(), books.disabled, books.enabled_again)
        };
        let out = format!("unpublish {ONLINE_STORE}");
        let back = format!("publish {ONLINE_STORE}");
        assert_eq!(judged(product(Standing::Active, &[ONLINE_STORE]), &[], 0), (1, 0, 0), "it has run out");
        assert_eq!(judged(product(Standing::Active, &[ONLINE_STORE]), &["DRAFT"], 0), (0, 1, 0), "staff's will");
        assert_eq!(judged(product(Standing::Draft, &[ONLINE_STORE]), &["DRAFT"], 0), (0, 1, 0));
        assert_eq!(judged(product(Standing::Draft, &[ONLINE_STORE]), &["DRAFT"], 1), (1, 1, 0), "it was left out");
        assert_eq!(judged(product(Standing::Archived, &[ONLINE_STORE]), &["DRAFT"], 1), (0, 1, 0), "staff put it away");
        assert_eq!(judged(product(Standing::Draft, &[ONLINE_STORE]), &[], 1), (0, 0, 0), "it was never ours");
        assert_eq!(
            judged(product(Standing::Active, &[ONLINE_STORE]), &["DRAFT", "ACTIVE", "price 12.00"], 1),
            (0, 1, 1)
        );
        assert_eq!(judged(product(Standing::Active, &[]), &[out.as_str()], 0), (0, 1, 0));
        assert_eq!(judged(product(Standing::Active, &[]), &[out.as_str()], 1), (1, 1, 0), "it was left out");
        assert_eq!(judged(product(Standing::Active, &[ONLINE_STORE]), &[out.as_str(), back.as_str()], 1), (0, 1, 1));
    }
}
