//! Buyers who buy one thing, as far as the shop sells it to them.

use rust_decimal::Decimal;

use super::super::bundle::plain_euros;
use super::super::generate::tax;
use super::super::model::OrderVersion;
use super::super::{Shop, State, Story};
use super::{ONLINE_STORE, Standing, Stock, WhenOut};

/// A variant that can be sold, as an order's line needs it.
pub(super) struct Offer {
    product: u64,
    variant: u64,
    sku: String,
    title: String,
    price: Decimal,
}

impl Shop {
    /// A buyer buys so many units of a SKU in the online store; gives the order's id. The order is a plain one of one line, in whole
    /// euros and 19 % tax on top; nothing is delivered. `None` where the shop does not sell it: there is no such SKU, its product is not
    /// shown, or so many are not available and it is not sold on.
    pub fn buy(&self, sku: &str, units: u32) -> Option<u64> {
        let mut state = self.lock();
        let Some(offer) = offer(&state, sku, units) else {
            state.stock.counts.units_denied += u64::from(units);
            return None;
        };
        Some(self.sell(&mut state, &offer, units, |_| ()))
    }

    /// Places an order of so many units of what is offered; gives its id.
    pub(super) fn sell(
        &self,
        state: &mut State,
        offer: &Offer,
        units: u32,
        last_word: impl FnOnce(&mut OrderVersion),
    ) -> u64 {
        self.place_in(state, Story::Plain, |order| {
            plain_euros(order);
            if let Some(line) = order.lines.first_mut() {
                (line.product_id, line.variant_id) = (Some(offer.product), Some(offer.variant));
                (line.sku, line.part, line.title) = (Some(offer.sku.clone()), offer.sku.clone(), offer.title.clone());
                line.price = order.currencies.price(offer.price);
                (line.quantity, line.current_quantity) = (units, units);
            }
            tax(order);
            last_word(order);
        })
    }

    /// Staff send all that is left of an order. Unknown ids are ignored. Nothing is delivered.
    pub fn fulfil(&self, order_id: u64) {
        let now = self.core.clock.now();
        let mut state = self.lock();
        let Some(sold) = state.orders.get_mut(&order_id) else { return };
        let Some(mut next) = sold.versions.last().cloned() else { return };
        next.updated_at = super::super::play::next_at(next.updated_at, now);
        next.fulfilled = true;
        sold.versions.push(next);
        state.follow_stock(order_id, now);
    }
}

/// What the online store offers under a SKU, if it sells so many.
fn offer(state: &State, sku: &str, units: u32) -> Option<Offer> {
    let stock = &state.stock;
    let id = stock.by_sku(sku)?;
    let variant = stock.variants.get(&id)?;
    let product = stock.products.get(&variant.product)?;
    let is_shown = matches!(product.standing, Standing::Active | Standing::Unlisted);
    let is_sold_on = !variant.is_tracked || variant.when_out == WhenOut::Continue;
    let is_enough = stock.sellable(variant) >= i64::from(units);
    if !is_shown || !product.published.contains(&ONLINE_STORE) || !(is_sold_on || is_enough) {
        return None;
    }
    offered(stock, id)
}

/// A variant as staff can sell it, whether or not it is shown or there.
pub(super) fn offered(stock: &Stock, id: u64) -> Option<Offer> {
    let variant = stock.variants.get(&id)?;
    let product = stock.products.get(&variant.product)?;
    let price = variant.price.ceil().max(Decimal::ONE);
    let (sku, title) = (variant.sku.clone()?, product.title.clone());
    Some(Offer { product: variant.product, variant: id, sku, title, price })
}
