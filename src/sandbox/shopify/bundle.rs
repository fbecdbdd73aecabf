//! Bundles: lines that were sold as one thing, and the shop's ways to sell and to change them.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::world;
use super::feature::one_currency;
use super::generate::tax;
use super::model::{Line, OrderVersion, TaxLine};
use super::money::{Both, Taxes};
use super::rest::gid;
use super::{Shop, Story, play};

/// A bundle that was sold. Its components are lines, which alone bear money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sandbox) struct Bundle {
    pub(in crate::sandbox) id: u64,
    pub(in crate::sandbox) title: String,
    pub(in crate::sandbox) sku: Option<String>,
    /// Bundles as placed.
    pub(in crate::sandbox) quantity: u32,
    /// The package part that IFS is meant to sell for it; `None` where it is meant to sell the components.
    pub(in crate::sandbox) part: Option<String>,
}

impl Bundle {
    /// One bundle that has no part of its own.
    pub(super) fn of_components(id: u64) -> Self {
        Self { id, title: "Bundle".to_owned(), sku: None, quantity: 1, part: None }
    }
}

/// A line's bundle in the object graph.
pub(super) fn group(bundle: &Bundle) -> Value {
    json!({
        "id": gid("LineItemGroup", bundle.id), "quantity": bundle.quantity, "title": bundle.title, "variantSku": bundle.sku,
        "variantId": gid("ProductVariant", 45_990_000_000 + bundle.id % 1000), "productId": gid("Product", 7_990_000_000), "customAttributes": [],
    })
}

impl Shop {
    /// A buyer buys so many bundles of a package part of IFS, in whole euros and 19 % tax on top; gives the order's id. The first line
    /// beside them is an ordinary one. Nothing is delivered. `None` where IFS has no such package.
    pub fn place_bundle(&self, package: &str, units: u32) -> Option<u64> {
        let components = world::package(package)?;
        let id = self.place(Story::Plain);
        let mut state = self.lock();
        let group = state.ids.next();
        let bundle = Bundle {
            id: group,
            title: format!("Set {package}"),
            sku: Some(package.to_owned()),
            quantity: units,
            part: Some(package.to_owned()),
        };
        let ids: Vec<u64> = components.iter().map(|_| state.ids.next()).collect();
        let order = state.orders.get_mut(&id)?.versions.last_mut()?;
        plain_euros(order);
        for (((sku, each), id), euros) in components.iter().zip(ids).zip(1..) {
            let model = order.lines.first()?;
            let line = Line {
                id,
                sku: Some((*sku).to_owned()),
                part: (*sku).to_owned(),
                title: format!("Set part {sku}"),
                bundle: Some(bundle.clone()),
                price: order.currencies.price(Decimal::from(7 * euros)),
                quantity: units * each,
                current_quantity: units * each,
                ..model.clone()
            };
            order.lines.push(line);
        }
        tax(order);
        state.follow_stock(id, self.core.clock.now());
        Some(id)
    }

    /// The staff leaves so many units of each component of an order's bundles, in their order. Nothing is delivered.
    pub fn leave_of_bundle(&self, order_id: u64, left: &[u32]) {
        let now = self.core.clock.now();
        let mut state = self.lock();
        let Some(sold) = state.orders.get_mut(&order_id) else { return };
        let Some(mut next) = sold.versions.last().cloned() else { return };
        next.updated_at = play::next_at(next.updated_at, now);
        let components = next.lines.iter_mut().filter(|line| line.bundle.is_some());
        components.zip(left).for_each(|(line, left)| line.current_quantity = *left);
        sold.versions.push(next);
        state.follow_stock(order_id, now);
    }
}

/// One ordinary line, no discounts, one currency, German tax on top.
pub(super) fn plain_euros(order: &mut OrderVersion) {
    one_currency(order);
    order.taxes = Taxes::OnTop;
    order.lines.truncate(1);
    let taxes = || vec![TaxLine::unrated("MwSt", Decimal::from(19))];
    for line in &mut order.lines {
        (line.taxes, line.price, line.duty) = (taxes(), order.currencies.price(Decimal::from(12)), Both::default());
    }
    order.shipping.iter_mut().for_each(|line| line.taxes = taxes());
    for address in [&mut order.shipping_address, &mut order.billing_address].into_iter().flatten() {
        (address.country, address.province) = (Some(("Germany", "DE")), None);
    }
}
