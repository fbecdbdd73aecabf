//! The two sides of a run: buyers and staff who move the shop's stock, persons who move IFS's, and what can be sold at any moment, from
//! the sandbox's own books.

use bytes::Bytes;
use ml_connector::sandbox::STOCK_LOCATION;
use ml_connector::sandbox::ifs::{OrderView, PersonRefused, RowView, StockFigures, StockMove};
use ml_connector::sandbox::shopify::{Change, Shop, WAREHOUSE};
use ml_connector::sandbox::world::{bulk_sku, skus};
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::support::world::World;

/// The site of the shop.
const SITE: &str = "S10";
/// Orders of one run at most.
const ORDERS_MAX: usize = 9;
/// Units of an order, and of whatever else moves at once, at most.
const UNITS_MAX: u32 = 3;
/// Of what lies beyond the catalogue, what stands before the product that is played with.
const BEFORE: usize = 5;

/// One webhook on its way.
#[derive(Clone)]
pub struct Webhook {
    pub topic: &'static str,
    pub body: Bytes,
    pub id: String,
}

/// One order of the shop, of one line.
struct Sold {
    id: u64,
    sku: String,
    /// Units that remain after edits and cancels.
    current: i64,
    fulfilled: bool,
    /// Once units went, none are added any more: the simulated shop's shares stay exact.
    shrunk: bool,
    tellings: usize,
}

/// Units that went behind the shop's back.
struct Taken {
    /// In microseconds since 1970.
    at: i64,
    sku: String,
    units: i64,
}

/// What persons in IFS did.
pub struct Done {
    pub said: String,
    /// They gave up what was reserved for a line.
    pub released: bool,
}

/// Both sides.
pub struct Sides {
    /// The SKUs that move.
    pub skus: Vec<String>,
    /// Webhooks on their way.
    pub pool: Vec<Webhook>,
    /// Whether units go behind the shop's back.
    pub behind: bool,
    sold: Vec<Sold>,
    taken: Vec<Taken>,
    /// Orders of another channel: their keys in IFS, and what they are for.
    desks: Vec<(String, String)>,
    /// Draft orders of the shop: their numbers, what is reserved for them, and how much.
    drafts: Vec<(u64, String, i64)>,
}

impl Sides {
    /// The last product beyond the catalogue, with one variant or two, and a SKU whose product never runs out.
    pub fn new(bulk: usize, behind: bool) -> Self {
        let skus = (BEFORE..bulk).map(bulk_sku).chain(skus().into_iter().take(1)).collect();
        Self {
            skus,
            pool: Vec::new(),
            behind,
            sold: Vec::new(),
            taken: Vec::new(),
            desks: Vec::new(),
            drafts: Vec::new(),
        }
    }

    fn some_sku(&self, random: &mut StdRng) -> String {
        self.skus.choose(random).expect("there are some").clone()
    }

    // ------------------------------------------------------------------------------------------------ the shop

    /// A buyer buys, if there is enough.
    pub fn buy(&mut self, shop: &Shop, random: &mut StdRng) -> String {
        let (sku, units) = (self.some_sku(random), random.random_range(1..=UNITS_MAX));
        if self.sold.len() >= ORDERS_MAX {
            return "nobody buys any more".to_owned();
        }
        match shop.buy(&sku, units) {
            Some(id) => format!("order {}: {units} of {sku}", self.adopt(shop, id)),
            None => format!("{units} of {sku} are not sold"),
        }
    }

    /// Somebody buys all that is shown of a SKU.
    pub fn buy_all(&mut self, world: &World, sku: &str) -> Option<String> {
        let units = u32::try_from(Self::shown(world, sku)).ok().filter(|units| *units > 0)?;
        let id = world.shop().buy(sku, units).expect("it is for sale");
        Some(format!("order {}: all {units} of {sku}", self.adopt(&world.shop(), id)))
    }

    /// The next call that sets levels finds that somebody bought something in this very moment.
    pub fn buy_before_next_set(&self, shop: &Shop, random: &mut StdRng) -> String {
        let (sku, units) = (self.some_sku(random), random.random_range(1..=UNITS_MAX));
        if self.sold.len() < ORDERS_MAX {
            shop.buy_before_next_set(&sku, units);
        }
        format!("a buyer of {units} of {sku} waits for the next call")
    }

    /// Staff reserve units for a draft order, complete one, or give one up.
    pub fn draft(&mut self, shop: &Shop, random: &mut StdRng) -> Option<String> {
        if self.drafts.is_empty() || random.random_bool(0.4) {
            let (sku, units) = (self.some_sku(random), random.random_range(1..=UNITS_MAX));
            let id = shop.reserve_for_draft(&sku, units)?;
            let said = format!("{units} of {sku} are reserved for draft {id}");
            self.drafts.push((id, sku, units.into()));
            return Some(said);
        }
        let (id, sku, units) = self.drafts.swap_remove(random.random_range(0..self.drafts.len()));
        if random.random_bool(0.6) && self.sold.len() < ORDERS_MAX {
            let order = shop.complete_draft(id).expect("it is there");
            return Some(format!("draft {id} becomes order {}", self.adopt(shop, order)));
        }
        shop.give_up_draft(id);
        Some(format!("draft {id} comes to nothing: {units} of {sku}"))
    }

    /// Orders that were placed unseen.
    pub fn adopt_new(&mut self, shop: &Shop) -> Vec<String> {
        let known = |sides: &Self, id: &u64| sides.sold.iter().any(|sold| sold.id == *id);
        let new: Vec<u64> = shop.order_ids().into_iter().filter(|id| !known(self, id)).collect();
        new.into_iter().map(|id| format!("order {} came in between", self.adopt(shop, id))).collect()
    }

    fn adopt(&mut self, shop: &Shop, id: u64) -> usize {
        let sku = body_of(shop, id)["line_items"][0]["sku"].as_str().expect("a SKU").to_owned();
        self.sold.push(Sold { id, sku, current: 0, fulfilled: false, shrunk: false, tellings: 0 });
        let index = self.sold.len() - 1;
        self.follow(shop, index, "orders/create");
        index
    }

    /// Takes over what an order has now, and puts a webhook on its way.
    fn follow(&mut self, shop: &Shop, index: usize, topic: &'static str) {
        let sold = &mut self.sold[index];
        let lines = body_of(shop, sold.id)["line_items"].as_array().cloned().unwrap_or_default();
        sold.current = lines.iter().filter_map(|line| line["current_quantity"].as_i64()).sum();
        sold.tellings += 1;
        let id = format!("webhook-{index}-{}", sold.tellings);
        self.pool.push(Webhook { topic, body: shop.webhook_body(sold.id).expect("it was placed"), id });
    }

    /// One order is paid, edited or cancelled. Nothing of one that persons in IFS work on already.
    pub fn change(&mut self, world: &World, random: &mut StdRng) -> Option<String> {
        let shop = world.shop();
        let index = self.some_open(random)?;
        let sold = &mut self.sold[index];
        let is_worked_on = |view: &OrderView| view.lines.iter().any(|line| taken(line) > 0);
        if held(world, &sold.id.to_string()).iter().any(is_worked_on) {
            return None;
        }
        let is_there = shop.available_at(WAREHOUSE).get(&sold.sku).is_some_and(|units| *units > 0);
        let change = match random.random_range(0..10) {
            0..4 => Change::Cancelled,
            4..6 if is_there && !sold.shrunk => Change::QuantityUp,
            6..8 => Change::QuantityDown,
            8 if body_of(&shop, sold.id)["financial_status"] == "pending" => Change::Paid,
            _ => Change::Address,
        };
        sold.shrunk |= change == Change::QuantityDown;
        shop.change(sold.id, change);
        let topic = if change == Change::Cancelled { "orders/cancelled" } else { "orders/updated" };
        self.follow(&shop, index, topic);
        Some(format!("order {index}: {change:?}, {} units", self.sold[index].current))
    }

    /// Staff of the shop send an order.
    pub fn fulfil(&mut self, shop: &Shop, random: &mut StdRng) -> Option<String> {
        let index = self.some_open(random)?;
        shop.fulfil(self.sold[index].id);
        self.sold[index].fulfilled = true;
        self.follow(shop, index, "orders/updated");
        Some(format!("order {index} is fulfilled"))
    }

    fn some_open(&self, random: &mut StdRng) -> Option<usize> {
        let is_open = |index: &usize| self.sold[*index].current > 0 && !self.sold[*index].fulfilled;
        let open: Vec<usize> = (0..self.sold.len()).filter(is_open).collect();
        open.choose(random).copied()
    }

    /// A merchant counts a level: fewer units, or more behind the back of IFS.
    pub fn count_level(&mut self, shop: &Shop, random: &mut StdRng, at: i64) -> String {
        let sku = self.some_sku(random);
        let shown = shop.available_at(WAREHOUSE).get(&sku).copied().unwrap_or_default();
        let to = if self.behind && random.random_bool(0.5) {
            shown.max(0) + i64::from(random.random_range(1..=UNITS_MAX))
        } else {
            random.random_range(0..=shown.max(0))
        };
        shop.staff_count(&sku, WAREHOUSE, to);
        self.take(at, &sku, to - shown.max(0));
        format!("a merchant sets {sku} from {shown} to {to}")
    }

    /// Takes a webhook off its way: it may be a late one, and it may come again.
    pub fn next_webhook(&mut self, random: &mut StdRng) -> Option<Webhook> {
        if self.pool.is_empty() {
            return None;
        }
        let index = random.random_range(0..self.pool.len());
        let webhook = self.pool[index].clone();
        if random.random_bool(0.9) {
            drop(self.pool.remove(index));
        }
        Some(webhook)
    }

    // ------------------------------------------------------------------------------------------------ IFS

    /// Persons in IFS do something with orders or stock. `may_ship`: no line was released while the stock is read; that one was
    /// reserved again and is gone before the reading's end is what ADR 39 does not see.
    pub fn person(&mut self, world: &World, random: &mut StdRng, (at, may_ship): (i64, bool)) -> Option<Done> {
        match random.random_range(0..10) {
            0..6 => self.work(world, random, may_ship),
            6..8 => self.receive(world, random),
            8 if self.behind => self.sell_elsewhere(world, random, at),
            9 if self.behind => self.scrap(world, random, at),
            _ => None,
        }
    }

    /// They release, reserve for, or ship an order, and nothing of one that the shop wants otherwise.
    fn work(&mut self, world: &World, random: &mut StdRng, may_ship: bool) -> Option<Done> {
        let ours = self.sold.iter().filter(|sold| sold.current > 0);
        let ours = ours.map(|sold| (sold.id.to_string(), sold.sku.clone(), Some(sold.current)));
        let desks = self.desks.iter().map(|(key, sku)| (key.clone(), sku.clone(), None));
        let all: Vec<(String, String, Option<i64>)> = ours.chain(desks).collect();
        let (key, sku, wanted) = all.choose(random)?;
        let views = held(world, key);
        let view = views.iter().find(|view| view.is_live())?;
        let line = view.lines.iter().find(|line| is_of(line, sku))?;
        let (due, assigned, shipped) =
            (units(line, "BuyQtyDue"), units(line, "QtyAssigned"), units(line, "QtyShipped"));
        if wanted.is_some_and(|wanted| wanted != due) {
            return None;
        }
        let (ifs, no, line_no) = (world.sandbox.ifs(), view.order_no.as_str(), line.get("LineNo")?.as_str());
        let free = due - assigned - shipped;
        let mut released = false;
        let (what, done) = match random.random_range(0..6) {
            _ if view.field("Objstate") == "Planned" => ("goes to the warehouse", ifs.set_state(no, "Released")),
            0..3 if free > 0 => ("is reserved", ifs.reserve(no, line_no, random.random_range(1..=free).into())),
            3 if shipped == 0 && assigned > 0 => {
                released = true;
                ("is given up", ifs.set_state(no, "Released"))
            }
            4..6 if may_ship && due > shipped => {
                ("is shipped", ifs.deliver(no, line_no, random.random_range(1..=due - shipped).into()))
            }
            _ => return None,
        };
        Some(Done { said: told(format!("{key} in IFS, of {sku}, {what}"), done), released })
    }

    fn receive(&self, world: &World, random: &mut StdRng) -> Option<Done> {
        let (sku, more) = (self.some_sku(random), random.random_range(1..=UNITS_MAX));
        let done = count(world, &sku, figures(world, &sku).on_hand + Decimal::from(more));
        Some(Done { said: told(format!("{more} of {sku} come in"), done), released: false })
    }

    fn scrap(&mut self, world: &World, random: &mut StdRng, at: i64) -> Option<Done> {
        let sku = self.some_sku(random);
        let left = figures(world, &sku).on_hand - Decimal::ONE;
        if left < Decimal::ZERO {
            return None;
        }
        let done = count(world, &sku, left);
        if done.is_ok() {
            self.take(at, &sku, 1);
        }
        Some(Done { said: told(format!("one of {sku} breaks"), done), released: false })
    }

    fn sell_elsewhere(&mut self, world: &World, random: &mut StdRng, at: i64) -> Option<Done> {
        let (sku, sold) = (self.some_sku(random), random.random_range(1..=UNITS_MAX));
        let key = format!("DESK-{}", self.desks.len());
        let line = Some((sku.as_str(), Decimal::from(sold), Decimal::TEN));
        world.sandbox.ifs().add_foreign_order(&key, SITE, line).expect("a person keys it");
        self.take(at, &sku, sold.into());
        self.desks.push((key, sku.clone()));
        Some(Done { said: format!("another channel sells {sold} of {sku}"), released: false })
    }

    // ------------------------------------------------------------------------------------------------ the truth

    fn take(&mut self, at: i64, sku: &str, units: i64) {
        if units > 0 {
            self.taken.push(Taken { at, sku: sku.to_owned(), units });
        }
    }

    /// Units of a SKU that went behind the shop's back from a moment on.
    pub fn taken_since(&self, sku: &str, since: i64) -> i64 {
        self.taken.iter().filter(|taken| taken.sku == sku && taken.at >= since).map(|taken| taken.units).sum()
    }

    /// What can be sold of a SKU: what is there, less everything that was promised to anybody and has not left. Below nothing where
    /// more was promised than is there.
    pub fn sellable(&self, world: &World, sku: &str) -> i64 {
        let shipped = |key: &str| {
            let views = held(world, key);
            let lines = views
                .iter()
                .flat_map(|view| &view.lines)
                .filter(|line| line.get("CatalogNo").is_some_and(|no| no == sku));
            lines.map(|line| units(line, "QtyShipped")).sum::<i64>()
        };
        let ours = self.sold.iter().filter(|sold| sold.sku == sku && sold.current > 0);
        let ours: i64 = ours.map(|sold| (sold.current - shipped(&sold.id.to_string())).max(0)).sum();
        let open = |key: &str| {
            let views = held(world, key);
            let lines = views.iter().filter(|view| view.is_live()).flat_map(|view| &view.lines);
            let of_it = lines.filter(|line| is_of(line, sku));
            of_it.map(|line| (units(line, "BuyQtyDue") - units(line, "QtyShipped")).max(0)).sum::<i64>()
        };
        let desks = self.desks.iter().filter(|(_, own)| own == sku);
        let desks: i64 = desks.map(|(key, _)| open(key)).sum();
        let drafts: i64 = self.drafts.iter().filter(|(_, own, _)| own == sku).map(|(.., units)| units).sum();
        whole(figures(world, sku).on_hand) - ours - desks - drafts
    }

    /// What the shop shows of a SKU.
    pub fn shown(world: &World, sku: &str) -> i64 {
        world.shop().available_at(WAREHOUSE).get(sku).copied().unwrap_or_default().max(0)
    }
}

fn body_of(shop: &Shop, id: u64) -> Value {
    serde_json::from_slice(&shop.webhook_body(id).expect("it was placed")).expect("JSON")
}

/// The orders in IFS of a key, that of what came too late for the first one too.
fn held(world: &World, key: &str) -> Vec<OrderView> {
    let ifs = world.sandbox.ifs();
    let mut views = ifs.orders_by_po(key);
    views.extend(ifs.orders_by_po(&format!("{key}-2")));
    views
}

fn is_of(line: &RowView, sku: &str) -> bool {
    let is = |name: &str, text: &str| line.get(name).is_some_and(|own| own == text);
    is("CatalogNo", sku) && !is("OrderState", "Cancelled")
}

fn units(line: &RowView, name: &str) -> i64 {
    line.get(name).and_then(|text| Decimal::from_str_exact(text).ok()).map_or(0, whole)
}

/// What of a line is on its way, or gone.
fn taken(line: &RowView) -> i64 {
    units(line, "QtyAssigned") + units(line, "QtyShipped")
}

fn whole(figure: Decimal) -> i64 {
    i64::try_from(figure).expect("whole units")
}

fn figures(world: &World, sku: &str) -> StockFigures {
    world.sandbox.ifs().stock_figures(SITE).get(sku).copied().expect("it is kept")
}

fn count(world: &World, sku: &str, on_hand: Decimal) -> Result<(), PersonRefused> {
    let (contract, part_no, location_no) = (SITE.to_owned(), sku.to_owned(), STOCK_LOCATION.to_owned());
    world.sandbox.ifs().move_stock(&[StockMove::Count { contract, part_no, location_no, on_hand }])
}

fn told(said: String, done: Result<(), PersonRefused>) -> String {
    match done {
        Ok(()) => said,
        Err(refused) => format!("{said}: {refused}"),
    }
}
