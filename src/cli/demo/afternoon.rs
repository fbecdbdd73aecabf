//! The demo's afternoon: parts run out in IFS while orders come, products leave the shops and come back, persons move stock about.
//! After each part of it both sides are brought to rest and compared by the sandbox's own books.

use std::collections::BTreeSet;
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::Failure;
use super::super::output::{say, table};
use super::stage::{Scene, Stage, shops};
use super::{DemoArgs, Faults};
use crate::sandbox::ifs::{Ifs, PersonRefused, StockMove, StockPlace};
use crate::sandbox::shopify::{BULK_VARIANTS_EACH, ONLINE_STORE, Shop, Standing};
use crate::sandbox::world::bulk_sku;
use crate::sandbox::{STOCK_LOCATION, STOCK_WAREHOUSE, Sandbox, StockBooks, StockUp};

/// Buyers buy all of it; then more comes in.
const SOLD_OUT_AND_BACK: usize = 0;
/// Buyers buy all of it.
const SOLD_OUT: usize = 1;
/// Buyers buy all of one of its variants.
const IN_PART: usize = 2;
/// Staff of the shop have made it a draft before it runs out.
const DRAFT_OF_STAFF: usize = 3;
/// Staff of the shop bring it back though nothing is left of it.
const BROUGHT_BACK: usize = 4;
/// It is carried about, and sold at a desk in IFS.
const MOVED_ABOUT: usize = 5;
/// Persons give up all its places in IFS; then more comes in.
const CLEARED_OUT: usize = 6;
/// So many products beyond the catalogue each shop has.
const PRODUCTS: usize = 7;

/// Units of each variant that is to run out.
const FEW: i64 = 1;
/// Units of each that does not, and that come in of one that had.
const ENOUGH: i64 = 40;
/// Where stock is carried to.
const OTHER_LOCATION: &str = "B-02";
/// What a desk in IFS calls the order that it keys.
const DESK_ORDER: &str = "DESK-1";
/// Rows of one answer of IFS about its stock: a reading takes many, so that persons come between two of them.
const PAGE_ROWS: usize = 40;
/// When things go wrong a call may be lost: what it should have done is seen and done after a further reading, of so many at most.
const READINGS_MAX: usize = 3;
/// How often a webhook is tried.
const TRIES_MAX: usize = 40;
/// The pause between two tries.
const TRY_EVERY: Duration = Duration::from_millis(250);

/// A product by its shop, as in the sandbox's settings, and its place among those beyond the catalogue.
type Place = (usize, usize);
const USUAL: usize = 0;
const RULED: usize = 1;

/// How the afternoon went.
#[derive(Default)]
pub(super) struct Afternoon {
    /// Orders that buyers placed.
    pub(super) orders: usize,
    /// Units that the shops did not sell for lack of stock.
    pub(super) denied: u64,
    /// Levels and products that stood otherwise than they should, at whichever comparison; in words.
    pub(super) wrong: Vec<String>,
    /// Units that were sold and are not there.
    pub(super) oversold: i64,
    /// The last comparison.
    pub(super) books: StockBooks,
}

impl Afternoon {
    /// Nothing differed at any time, and nothing was sold that is not there.
    pub(super) fn is_clean(&self) -> bool {
        self.wrong.is_empty() && self.oversold == 0 && self.books.is_clean()
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"orders": self.orders, "denied": self.denied, "books": self.books.to_json()})
    }

    /// Both sides as they stand at the end.
    pub(super) fn tell_people(&self) {
        let row =
            |what: &str, shop: &str, shown: String, sellable: String| vec![format!("{what} {shop}"), shown, sellable];
        let rows = self.books.shops.iter().flat_map(|shop| {
            let (units, unheld) = (shop.sellable.to_string(), shop.unheld);
            let sellable = if unheld == 0 { units } else { format!("{units} (and {unheld} for orders not in IFS)") };
            [
                row("units of", &shop.shop, shop.shown.to_string(), sellable),
                row("SKUs out at", &shop.shop, shop.shown_out.to_string(), shop.run_out.to_string()),
            ]
        });
        say(&table(&["stock", "Shopify shows", "IFS can sell"], &rows.collect::<Vec<_>>()));
        say("");
        say(&format!(
            "stock differences {}  oversold {}  disabled {}  enabled again {}; {} orders in the afternoon, {} units denied",
            self.wrong.len(),
            self.oversold,
            self.books.disabled,
            self.books.enabled_again,
            self.orders,
            self.denied
        ));
    }
}

/// Stocks up both sides, before anybody looks: enough for any day of so many orders, and what the afternoon needs. The shops show
/// nothing yet.
pub(super) fn stock_up(sandbox: &Sandbox, orders: u32) -> Result<(), Failure> {
    let units = 10_000 + orders.saturating_mul(100);
    sandbox.stock_up(StockUp { bulk: PRODUCTS * BULK_VARIANTS_EACH, units, available: 0 });
    let mut counts = Vec::new();
    for (shop, settings) in shops().into_iter().enumerate() {
        for (product, sku) in (0..PRODUCTS).flat_map(|product| skus(product).map(move |sku| (product, sku))) {
            let runs_out = matches!(product, SOLD_OUT_AND_BACK | SOLD_OUT | DRAFT_OF_STAFF | BROUGHT_BACK);
            let is_part = product == IN_PART && sku == first_sku(product);
            let units = if shop == USUAL && (runs_out || is_part) { FEW } else { ENOUGH };
            counts.push(count(&settings.contract, &sku, units));
        }
    }
    let ifs = sandbox.ifs();
    ifs.set_stock_page_rows(PAGE_ROWS);
    ifs.move_stock(&counts).map_err(refused)
}

/// Plays it, when the day is over.
pub(super) async fn play(stage: &Stage, args: &DemoArgs, scenes: &[Scene]) -> Result<Afternoon, Failure> {
    let [usual, ruled] = scenes else { return Ok(Afternoon::default()) };
    let (shop, site, other_site) = (&usual.shop, usual.site.as_str(), ruled.site.as_str());
    let told = scenes.iter().flat_map(|scene| scene.shop.order_ids()).collect();
    let mut hours = Hours { stage, args, scenes, ifs: stage.sandbox.ifs(), told, afternoon: Afternoon::default() };
    // 1. The shops show what is there, less what the day has sold.
    hours.pass(&[]).await?;
    // 2. Things run out: buyers take them, or persons in IFS. Something is carried about in the middle of the reading.
    shop.staff_set_standing(product_of(shop, DRAFT_OF_STAFF)?, Standing::Draft);
    for product in [SOLD_OUT_AND_BACK, SOLD_OUT, BROUGHT_BACK] {
        skus(product).for_each(|sku| buy_out(shop, &sku));
    }
    buy_out(shop, &first_sku(IN_PART));
    hours.persons(skus(DRAFT_OF_STAFF).map(|sku| count(site, &sku, 0)))?;
    hours.persons(skus(CLEARED_OUT).map(|sku| clear_out(site, &sku)))?;
    hours.persons(skus(SOLD_OUT_AND_BACK).chain(skus(SOLD_OUT)).map(|sku| count(other_site, &sku, 0)))?;
    hours.ifs.move_stock_after(2, vec![carry(site, &first_sku(MOVED_ABOUT), ENOUGH / 2)]);
    hours
        .pass(&[
            (USUAL, SOLD_OUT_AND_BACK),
            (USUAL, SOLD_OUT),
            (USUAL, DRAFT_OF_STAFF),
            (USUAL, BROUGHT_BACK),
            (USUAL, CLEARED_OUT),
            (RULED, SOLD_OUT_AND_BACK),
            (RULED, SOLD_OUT),
        ])
        .await?;
    // 3. More comes in of some. Staff bring one back of which nothing is there. A desk in IFS sells, and a buyer is faster than the
    //    call that says so.
    for product in [SOLD_OUT_AND_BACK, DRAFT_OF_STAFF, CLEARED_OUT] {
        hours.persons(skus(product).map(|sku| receive(site, &sku, ENOUGH)))?;
    }
    hours.persons(skus(SOLD_OUT_AND_BACK).map(|sku| receive(other_site, &sku, ENOUGH)))?;
    shop.staff_set_standing(product_of(shop, BROUGHT_BACK)?, Standing::Active);
    let wanted = first_sku(MOVED_ABOUT);
    let line = Some((wanted.as_str(), Decimal::from(3), Decimal::TEN));
    let desk = hours.ifs.add_foreign_order(DESK_ORDER, site, line).map_err(refused)?;
    shop.buy_before_next_set(&wanted, 1);
    let out = [(USUAL, SOLD_OUT), (USUAL, DRAFT_OF_STAFF), (RULED, SOLD_OUT)];
    hours.pass(&out).await?;
    // 4. What is there again is sold again, and more comes in of what staff had brought back. The desk's order is cancelled.
    for sku in skus(SOLD_OUT_AND_BACK) {
        // Whether the shop sells it is seen by what it shows.
        let _sold = shop.buy(&sku, 1);
    }
    hours.persons(skus(BROUGHT_BACK).map(|sku| receive(site, &sku, FEW)))?;
    hours.ifs.person_cancels(&desk).map_err(refused)?;
    hours.pass(&out).await?;
    // 5. That one runs out once more: now it leaves the shop again.
    skus(BROUGHT_BACK).for_each(|sku| buy_out(shop, &sku));
    hours.pass(&[(USUAL, SOLD_OUT), (USUAL, DRAFT_OF_STAFF), (USUAL, BROUGHT_BACK), (RULED, SOLD_OUT)]).await?;
    hours.afternoon.denied = scenes.iter().map(|scene| scene.shop.stock_counts().units_denied).sum();
    Ok(hours.afternoon)
}

/// The afternoon as it goes.
struct Hours<'a> {
    stage: &'a Stage,
    args: &'a DemoArgs,
    scenes: &'a [Scene],
    ifs: Ifs,
    /// Orders whose webhooks were sent.
    told: BTreeSet<u64>,
    afternoon: Afternoon,
}

impl Hours<'_> {
    /// Lets both sides come to rest and compares them. `out`: the products that may not be in the online store then; all others
    /// beyond the catalogue must be.
    async fn pass(&mut self, out: &[Place]) -> Result<(), Failure> {
        let readings_max = if self.args.faults == Faults::None { 1 } else { READINGS_MAX };
        let mut wrong = Vec::new();
        for _ in 0..readings_max {
            // 1. Whatever was bought is in IFS, the stock is read, and what follows from that is done.
            self.settle_orders().await?;
            self.stage.read_stock(self.args).await?;
            // 2. So is what was bought meanwhile: while an order is written it would be seen on both sides, or on none.
            self.settle_orders().await?;
            // 3. Both sides.
            wrong = self.look(out)?;
            if wrong.is_empty() {
                break;
            }
        }
        self.afternoon.wrong.extend(wrong);
        Ok(())
    }

    /// What stands otherwise than it should, in words.
    fn look(&mut self, out: &[Place]) -> Result<Vec<String>, Failure> {
        let books = self.stage.sandbox.stock_books();
        let mut wrong = Vec::new();
        for one in &books.differences {
            let (shop, sku, shown, sellable) = (&one.shop, &one.sku, one.shown, one.sellable);
            wrong.push(format!("{sku} of {shop} shows {shown}, and {sellable} can be sold"));
        }
        for one in &books.products {
            wrong.push(format!("product {} of {} {}", one.product, one.shop, one.wrong));
        }
        for (index, scene) in self.scenes.iter().enumerate() {
            for product in 0..PRODUCTS {
                let (is_in, is_out) = (is_in_store(&scene.shop, product)?, out.contains(&(index, product)));
                if is_in == is_out {
                    let (sku, domain) = (first_sku(product), scene.shop.domain());
                    let stands = if is_in { "is in the store" } else { "is not in the store" };
                    wrong.push(format!("the product of {sku} of {domain} {stands}"));
                }
            }
        }
        // Nothing makes that good again, whatever the next look shows.
        let oversold = books.oversold.iter().map(|one| one.units).sum();
        self.afternoon.oversold = self.afternoon.oversold.max(oversold);
        self.afternoon.books = books;
        Ok(wrong)
    }

    async fn settle_orders(&mut self) -> Result<(), Failure> {
        self.send_webhooks().await?;
        self.stage.rest(self.args, self.scenes).await
    }

    /// Tells the service of each order that came meanwhile, as often as it takes.
    async fn send_webhooks(&mut self) -> Result<(), Failure> {
        for scene in self.scenes {
            for order in scene.shop.order_ids() {
                if !self.told.insert(order) {
                    continue;
                }
                self.afternoon.orders += 1;
                let mut tries = 1;
                while !scene.shop.send_order(&scene.webhook_url, "orders/create", order).await.is_success() {
                    if tries == TRIES_MAX {
                        return Err(Failure::Usage(format!("the webhook of order {order} was not taken")));
                    }
                    tries += 1;
                    tokio::time::sleep(TRY_EVERY).await;
                }
            }
        }
        Ok(())
    }

    fn persons(&self, moves: impl Iterator<Item = StockMove>) -> Result<(), Failure> {
        self.ifs.move_stock(&moves.collect::<Vec<_>>()).map_err(refused)
    }
}

/// The SKUs of a product beyond the catalogue.
fn skus(product: usize) -> impl Iterator<Item = String> {
    (product * BULK_VARIANTS_EACH..(product + 1) * BULK_VARIANTS_EACH).map(bulk_sku)
}

fn first_sku(product: usize) -> String {
    bulk_sku(product * BULK_VARIANTS_EACH)
}

fn product_of(shop: &Shop, product: usize) -> Result<u64, Failure> {
    let sku = first_sku(product);
    shop.product_of(&sku).ok_or_else(|| Failure::Usage(format!("the sandbox lacks {sku}")))
}

fn is_in_store(shop: &Shop, product: usize) -> Result<bool, Failure> {
    let id = product_of(shop, product)?;
    let is_in = shop
        .products()
        .iter()
        .any(|one| one.id == id && one.standing == Standing::Active && one.published.contains(&ONLINE_STORE));
    Ok(is_in)
}

/// Buyers buy one of it each, until the shop has no more.
fn buy_out(shop: &Shop, sku: &str) {
    for _ in 0..ENOUGH {
        if shop.buy(sku, 1).is_none() {
            break;
        }
    }
}

fn count(site: &str, part: &str, units: i64) -> StockMove {
    let (contract, part_no, location_no) = (site.to_owned(), part.to_owned(), STOCK_LOCATION.to_owned());
    StockMove::Count { contract, part_no, location_no, on_hand: units.into() }
}

fn receive(site: &str, part: &str, units: i64) -> StockMove {
    let place = Box::new(StockPlace::new(STOCK_LOCATION, STOCK_WAREHOUSE, units.into()));
    StockMove::Receive { contract: site.to_owned(), part_no: part.to_owned(), place }
}

fn carry(site: &str, part: &str, units: i64) -> StockMove {
    let (contract, part_no, from) = (site.to_owned(), part.to_owned(), STOCK_LOCATION.to_owned());
    StockMove::Carry { contract, part_no, from, to: OTHER_LOCATION.to_owned(), units: units.into() }
}

fn clear_out(site: &str, part: &str) -> StockMove {
    StockMove::ClearOut { contract: site.to_owned(), part_no: part.to_owned() }
}

fn refused(error: PersonRefused) -> Failure {
    Failure::Usage(format!("a person of the sandbox could not do its part: {error}"))
}
