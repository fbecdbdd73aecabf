//! The checker: compares what the shops sold with what IFS holds, order by order and component by
//! component, in exact decimals. Reads the sandbox's own books only; of the service it takes the list of
//! what it parked, to tell planted reasons from others.

mod compare;
mod customers;
mod parts;
mod stock;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::ShopSettings;
use super::ifs::{Ifs, OrderView};
use super::ledger::{Class, Ledger};
use super::shopify::{Expected, OrderVersion, Shop, Sold};
use customers::Customers;

pub(super) use stock::compare as compare_stock;
pub use stock::{Oversold, ProductDifference, ShopStock, StockBooks, StockDifference};

/// Which of an order's two currencies IFS is meant to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BookedMoney {
    /// The shop's currency.
    #[default]
    Shop,
    /// The buyer's currency.
    Presentment,
}

/// Under which customers IFS is meant to hold a shop's orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BookedCustomers {
    /// The web customer carries all.
    #[default]
    One,
    /// Each buyer has a customer of its own.
    Own,
}

/// What a shop is meant to be told of its orders in IFS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BookedTelling {
    /// Nothing.
    #[default]
    Nothing,
    /// Number and state, as metafields.
    Metafields,
    /// The same, and the number in a tag.
    MetafieldsAndTags,
}

/// Who releases a shop's orders in IFS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BookedRelease {
    /// Persons in IFS.
    #[default]
    ByPersons,
    /// The integration, as soon as it may.
    AtOnce,
}

/// An order that the service says it parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Shopify's order id.
    pub order_id: u64,
    /// The service's reason.
    pub reason: String,
}

/// One component in which an order differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Shopify's order id.
    pub order_id: u64,
    /// What differs, such as `line MUG-001 amount`.
    pub component: String,
    /// What Shopify sold.
    pub sold: String,
    /// What IFS holds.
    pub ifs: String,
}

/// An order that was planted to be parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedParked {
    /// Shopify's order id.
    pub order_id: u64,
    /// What was planted.
    pub planted: &'static str,
    /// The service's reason, `None` when it did not park the order.
    pub reason: Option<String>,
}

/// Orders and their totals by currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Number of orders.
    pub orders: usize,
    /// Sum of the orders' totals, by currency.
    pub totals: BTreeMap<String, Decimal>,
}

impl Book {
    fn add(&mut self, currency: &str, total: Decimal) {
        self.orders += 1;
        *self.totals.entry(currency.to_owned()).or_default() += total;
    }

    fn to_json(&self) -> Value {
        let totals: BTreeMap<&String, String> =
            self.totals.iter().map(|(currency, total)| (currency, total.to_string())).collect();
        json!({"orders": self.orders, "totals": totals})
    }
}

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Orders in all shops.
    pub orders: usize,
    /// Live orders in IFS.
    pub ifs_orders: usize,
    /// Orders that must be in IFS, are not, and were not parked either.
    pub missing: Vec<u64>,
    /// Orders that IFS holds more than once, cancelled ones counted.
    pub double: Vec<u64>,
    /// Every component that differs.
    pub differences: Vec<Difference>,
    /// Orders planted to be parked, with the service's own reason.
    pub expected_parked: Vec<ExpectedParked>,
    /// Orders that the service parked though nothing was planted.
    pub unexpected_parked: Vec<Parked>,
    /// Orders that ended cancelled, or never came to life, as they should.
    pub cancelled: usize,
    /// Orders skipped, as they should be.
    pub skipped: usize,
    /// Live orders in IFS that carry no shop's order id.
    pub foreign: Vec<String>,
    /// Wanted orders as sold.
    pub sold: Book,
    /// Live orders in IFS that a shop knows.
    pub held: Book,
    /// Live orders in IFS that wait for a person as they stood before a change; in neither book.
    pub left: usize,
    /// Buyers that have a customer of their own in IFS.
    pub customers: usize,
    /// Customers in IFS that stand there twice, or that no order needs.
    pub customers_double: Vec<String>,
    /// Create requests that IFS received.
    pub create_requests: usize,
    /// Orders for which IFS received a create request.
    pub requested_orders: usize,
}

impl Books {
    /// Nothing missing, double, different, and parked exactly what was planted.
    pub fn is_clean(&self) -> bool {
        let all_parked = self.expected_parked.iter().all(|planted| planted.reason.is_some());
        self.missing.is_empty()
            && self.double.is_empty()
            && self.customers_double.is_empty()
            && self.differences.is_empty()
            && self.unexpected_parked.is_empty()
            && self.foreign.is_empty()
            && all_parked
    }

    /// Create requests for each order that IFS was asked to create; refused and dropped ones count.
    pub fn create_requests_per_order(&self) -> Option<Decimal> {
        let orders = Decimal::from(self.requested_orders);
        Decimal::from(self.create_requests).checked_div(orders).map(|ratio| ratio.round_dp(4))
    }

    /// The books as one JSON object.
    pub fn to_json(&self) -> Value {
        let differences: Vec<Value> = self
            .differences
            .iter()
            .map(|one| json!({"order_id": one.order_id, "component": one.component, "sold": one.sold, "ifs": one.ifs}))
            .collect();
        let expected: Vec<Value> = self
            .expected_parked
            .iter()
            .map(|one| json!({"order_id": one.order_id, "planted": one.planted, "reason": one.reason}))
            .collect();
        let unexpected: Vec<Value> =
            self.unexpected_parked.iter().map(|one| json!({"order_id": one.order_id, "reason": one.reason})).collect();
        json!({
            "orders": self.orders, "ifs_orders": self.ifs_orders, "missing": self.missing, "double": self.double,
            "differences": differences, "expected_parked": expected, "unexpected_parked": unexpected, "cancelled": self.cancelled,
            "skipped": self.skipped, "left": self.left, "customers": self.customers, "customers_double": self.customers_double, "foreign": self.foreign, "sold": self.sold.to_json(), "held": self.held.to_json(),
            "create_requests": self.create_requests,
            "create_requests_per_order": self.create_requests_per_order().map(|ratio| ratio.to_string()), "clean": self.is_clean(),
        })
    }
}

/// Compares all shops with IFS.
pub(super) fn compare(ifs: &Ifs, shops: &[(ShopSettings, Shop)], ledger: &Ledger, parked: &[Parked]) -> Books {
    let mut by_key: BTreeMap<String, Vec<OrderView>> = BTreeMap::new();
    for order in ifs.orders() {
        by_key.entry(order.field("CustomerPoNo").to_owned()).or_default().push(order);
    }
    let creates = ledger.entries_where(|entry| entry.class == Class::Create);
    let mut books = Books {
        ifs_orders: by_key.values().flatten().filter(|order| order.is_live()).count(),
        create_requests: creates.len(),
        requested_orders: creates.iter().flat_map(|entry| &entry.keys).collect::<BTreeSet<_>>().len(),
        ..Books::default()
    };
    let committed: BTreeSet<&str> = creates
        .iter()
        .filter(|entry| entry.committed == Some(true))
        .flat_map(|entry| entry.keys.iter().map(String::as_str))
        .collect();
    let parked: BTreeMap<u64, &str> = parked.iter().map(|parked| (parked.order_id, parked.reason.as_str())).collect();
    for (settings, shop) in shops {
        shop.with_sold(|orders| {
            let held = |order_id: &u64| {
                let mut held = by_key.remove(&order_id.to_string()).unwrap_or_default();
                // What came too late for it stands on a second order, and counts to it.
                let second = by_key.remove(&format!("{order_id}-2")).unwrap_or_default();
                parts::put_together(&mut held, second);
                held
            };
            let held: Vec<Vec<OrderView>> = orders.keys().map(held).collect();
            let mut customers = Customers::default();
            for ((order_id, sold), held) in orders.iter().zip(&held) {
                let is_committed = committed.contains(order_id.to_string().as_str());
                let reason = parked.get(order_id).copied();
                let checked = Checked { order_id: *order_id, sold, held, reason, is_committed, settings };
                checked.enter(&mut books, &mut customers);
            }
            if settings.customers == BookedCustomers::Own {
                customers.enter(&mut books, ifs, settings);
            }
        });
    }
    books.foreign =
        by_key.values().flatten().filter(|order| order.is_live()).map(|order| order.order_no.clone()).collect();
    books
}

struct Checked<'a> {
    order_id: u64,
    sold: &'a Sold,
    held: &'a [OrderView],
    reason: Option<&'a str>,
    is_committed: bool,
    settings: &'a ShopSettings,
}

impl<'a> Checked<'a> {
    fn enter(&self, books: &mut Books, customers: &mut Customers<'a>) {
        let Some(last) = self.sold.versions.last() else { return };
        books.orders += 1;
        if self.held.len() > 1 {
            books.double.push(self.order_id);
        }
        let live: Vec<&'a OrderView> = self.held.iter().filter(|order| order.is_live()).collect();
        let expected = self.sold.story.expected();
        let planted = match expected {
            Expected::Parked(planted) | Expected::Left(planted) | Expected::LeftInPart(planted) => Some(planted),
            Expected::Live | Expected::Cancelled | Expected::NotLive | Expected::Skipped => None,
        };
        match (planted, self.reason) {
            (Some(planted), reason) => {
                let reason = reason.map(str::to_owned);
                books.expected_parked.push(ExpectedParked { order_id: self.order_id, planted, reason });
            }
            (None, Some(reason)) => {
                books.unexpected_parked.push(Parked { order_id: self.order_id, reason: reason.to_owned() });
            }
            (None, None) => {}
        }
        if !matches!(expected, Expected::Left(_) | Expected::LeftInPart(_)) {
            for order in &live {
                books.held.add(order.field("CurrencyCode"), compare::total_held(order));
            }
        }
        match expected {
            Expected::Live => {
                let (currency, total) = compare::total_sold(last, self.settings.money);
                books.sold.add(currency, total);
                customers.expect(self.sold, live.first().copied());
                match live.as_slice() {
                    [] if self.reason.is_none() => books.missing.push(self.order_id),
                    [] => {}
                    [order, ..] => {
                        self.compare(last, order, books);
                        let shown = self.sold.story.shows_state();
                        self.told(order, if shown { told::Depth::NumberAndState } else { told::Depth::Number }, books);
                    }
                }
            }
            Expected::Cancelled | Expected::NotLive => {
                match live.first() {
                    Some(order) => books.differences.push(self.state("cancelled", order)),
                    None if self.held.is_empty() && self.is_committed => books.missing.push(self.order_id),
                    None => books.cancelled += 1,
                }
                if let Some(order) = self.held.first() {
                    self.told(order, told::Depth::NumberAndState, books);
                }
            }
            Expected::Skipped => match self.held.first() {
                Some(order) => books.differences.push(self.state("skipped", order)),
                None => books.skipped += 1,
            },
            Expected::Parked(_) => {
                if let Some(order) = live.first() {
                    books.differences.push(self.state("parked", order));
                }
            }
            Expected::Left(_) | Expected::LeftInPart(_) => match (live.first(), self.sold.versions.as_slice()) {
                (None, _) => books.missing.push(self.order_id),
                (Some(order), [.., before, _]) => {
                    books.left += 1;
                    self.told(order, told::Depth::Number, books);
                    if matches!(expected, Expected::Left(_)) {
                        self.compare(before, order, books);
                    }
                }
                // Nothing has happened to it yet that could be left.
                (Some(order), _) => books.differences.push(self.state("changed", order)),
            },
        }
    }

    fn compare(&self, sold: &OrderVersion, held: &OrderView, books: &mut Books) {
        compare::order(self.sold, sold, held, self.settings, &mut |component, sold, ifs| {
            books.differences.push(Difference { order_id: self.order_id, component, sold, ifs });
        });
    }

    fn told(&self, held: &OrderView, depth: told::Depth, books: &mut Books) {
        let Some(last) = self.sold.versions.last() else { return };
        told::compare(last, held, self.settings.told, depth, &mut |component, sold, ifs| {
            books.differences.push(Difference { order_id: self.order_id, component, sold, ifs });
        });
    }

    fn state(&self, sold: &str, order: &OrderView) -> Difference {
        Difference {
            order_id: self.order_id,
            component: "state".to_owned(),
            sold: sold.to_owned(),
            ifs: format!("{} {}", order.order_no, order.field("Objstate")),
        }
    }
}
