//! What staff do with products and stock, what bends the shop's answers about them, and how it all stands.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::super::{Shop, State};
use super::{ITEMS_FROM, Level, LevelWrite, Product, Standing, StandingWrite, Stock, StockCounts, Variant, WhenOut};

/// A level as staff see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelView {
    /// The variant's SKU, if it has one.
    pub sku: Option<String>,
    /// The variant.
    pub variant: u64,
    /// The inventory item.
    pub item: u64,
    /// The location.
    pub location: u64,
    /// What customers may buy.
    pub available: i64,
    /// What orders have of it that was not sent yet.
    pub committed: i64,
    /// What is reserved of it for drafts.
    pub reserved: i64,
}

/// A product as staff see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductView {
    /// Its number.
    pub id: u64,
    /// Whether it is shown.
    pub standing: Standing,
    /// The publications that it is in.
    pub published: Vec<u64>,
    /// Its variants: number, SKU, what becomes of it when it has run out, price.
    pub variants: Vec<(u64, Option<String>, WhenOut, Decimal)>,
}

impl Shop {
    /// The shop begins to sell: the catalogue and the part that is sold by the box at both locations, and so many more SKUs
    /// (`world::bulk_sku`) at [`super::WAREHOUSE`], each with so many available. What was sold before does not count.
    pub fn stock_up(&self, bulk: usize, available: i64) {
        let now = self.core.clock.now();
        self.lock().stock.fill(bulk, available, now);
    }

    /// All levels, by variant and location.
    pub fn levels(&self) -> Vec<LevelView> {
        let state = self.lock();
        let of = |(id, variant): (&u64, &Variant)| {
            let (id, sku) = (*id, variant.sku.clone());
            let view = move |(location, level): &(u64, Level)| LevelView {
                sku: sku.clone(),
                variant: id,
                item: id + ITEMS_FROM,
                location: *location,
                available: level.available,
                committed: level.committed,
                reserved: level.reserved,
            };
            variant.levels.iter().map(view).collect::<Vec<_>>()
        };
        state.stock.variants.iter().flat_map(of).collect()
    }

    /// What is available of each SKU at a location; of a SKU that stands on two variants, of the later one.
    pub fn available_at(&self, location: u64) -> BTreeMap<String, i64> {
        let state = self.lock();
        let of = |variant: &Variant| Some((variant.sku.clone()?, variant.level(location)?.available));
        state.stock.variants.values().filter_map(of).collect()
    }

    /// The products, by number.
    pub fn products(&self) -> Vec<ProductView> {
        let state = self.lock();
        let stock = &state.stock;
        let variant = |id: &u64| {
            let variant = stock.variants.get(id)?;
            Some((*id, variant.sku.clone(), variant.when_out, variant.price))
        };
        let view = |(id, product): (&u64, &Product)| ProductView {
            id: *id,
            standing: product.standing,
            published: product.published.iter().copied().collect(),
            variants: product.variants.iter().filter_map(variant).collect(),
        };
        stock.products.iter().map(view).collect()
    }

    /// The product that a SKU belongs to.
    pub fn product_of(&self, sku: &str) -> Option<u64> {
        let state = self.lock();
        let id = state.stock.by_sku(sku)?;
        state.stock.variants.get(&id).map(|variant| variant.product)
    }

    /// The fixed price of a variant in a price list.
    pub fn fixed_price(&self, price_list: u64, variant: u64) -> Option<Decimal> {
        let state = self.lock();
        state.stock.price_lists.get(&price_list)?.fixed.get(&variant).map(|(price, _)| *price)
    }

    /// What the API was asked to do with the stock so far.
    pub fn stock_counts(&self) -> StockCounts {
        self.lock().stock.counts
    }

    /// The levels that the API set, in its order.
    pub fn level_writes(&self) -> Vec<LevelWrite> {
        self.lock().stock.level_writes.clone()
    }

    /// What the API did to products and prices, in its order.
    pub fn standing_writes(&self) -> Vec<StandingWrite> {
        self.lock().stock.standing_writes.clone()
    }

    /// Staff show a product or hide it. Unknown ids are ignored, here and below.
    pub fn staff_set_standing(&self, product: u64, standing: Standing) {
        self.edit_product(product, |product| product.standing = standing);
    }

    /// Staff put a product into a publication.
    pub fn staff_publish(&self, product: u64, publication: u64) {
        self.edit_product(product, |product| {
            product.published.insert(publication);
        });
    }

    /// Staff take a product out of a publication.
    pub fn staff_unpublish(&self, product: u64, publication: u64) {
        self.edit_product(product, |product| {
            product.published.remove(&publication);
        });
    }

    /// Staff take a sales channel away: its publication is gone, with all products in it.
    pub fn staff_delete_publication(&self, publication: u64) {
        let mut state = self.lock();
        state.stock.bent.gone_publications.insert(publication);
        for product in state.stock.products.values_mut() {
            product.published.remove(&publication);
        }
    }

    /// Staff decide what becomes of a SKU that has run out.
    pub fn staff_set_when_out(&self, sku: &str, when_out: WhenOut) {
        self.edit_sku(sku, |variant| variant.when_out = when_out);
    }

    /// Staff stop counting a SKU, or begin to.
    pub fn staff_track(&self, sku: &str, is_tracked: bool) {
        self.edit_sku(sku, |variant| variant.is_tracked = is_tracked);
    }

    /// Staff make a SKU a bundle, of which nothing is counted by itself.
    pub fn staff_bundle(&self, sku: &str) {
        self.edit_sku(sku, |variant| variant.is_bundle = true);
    }

    /// Staff price a SKU.
    pub fn staff_set_price(&self, sku: &str, price: Decimal) {
        self.edit_sku(sku, |variant| variant.price = price);
    }

    /// Staff count a SKU at a location: so many are available.
    pub fn staff_count(&self, sku: &str, location: u64, available: i64) {
        self.edit_sku(sku, |variant| {
            if let Some(level) = variant.level_mut(location) {
                level.available = available;
            }
        });
    }

    /// Staff stock a SKU at a location where it is not.
    pub fn staff_stock(&self, sku: &str, location: u64, available: i64) {
        self.edit_sku(sku, |variant| {
            if variant.level_mut(location).is_none() {
                variant.levels.push((location, Level { available, committed: 0, reserved: 0, at: Timestamp::now() }));
            }
        });
    }

    /// A SKU is not stocked at a location any more.
    pub fn staff_unstock(&self, sku: &str, location: u64) {
        self.edit_sku(sku, |variant| variant.levels.retain(|(id, _)| *id != location));
    }

    /// Staff close a location or open it again.
    pub fn staff_set_location(&self, location: u64, is_active: bool) {
        if let Some(location) = self.lock().stock.locations.get_mut(&location) {
            location.is_active = is_active;
        }
    }

    /// Staff delete a variant.
    pub fn staff_delete(&self, sku: &str) {
        let mut state = self.lock();
        let stock = &mut state.stock;
        if let Some(id) = stock.by_sku(sku) {
            stock.delete(id);
        }
    }

    /// Staff move a SKU to another product: the variant there is a new one, with what there was of the old one. Gives its number.
    pub fn staff_move(&self, sku: &str, product: u64) -> Option<u64> {
        let state = &mut *self.lock();
        let old = state.stock.by_sku(sku)?;
        let new = state.twin(old, product)?;
        state.stock.delete(old);
        Some(new)
    }

    /// Staff give a SKU to a second variant, of the same product. Gives the number of that.
    pub fn staff_double(&self, sku: &str) -> Option<u64> {
        let state = &mut *self.lock();
        let old = state.stock.by_sku(sku)?;
        let product = state.stock.variants.get(&old)?.product;
        state.twin(old, product)
    }

    /// From now on what is wrong with some entries of a call does not keep the others from being set.
    pub fn set_levels_in_part(&self, in_part: bool) {
        self.lock().stock.bent.sets_in_part = in_part;
    }

    /// From now on the wrong entry of a call is not named.
    pub fn hide_culprits(&self, hidden: bool) {
        self.lock().stock.bent.hides_culprit = hidden;
    }

    /// Shopify itself fails on calls that set this SKU, whatever else they set.
    pub fn fail_sets_of(&self, sku: Option<&str>) {
        self.lock().stock.bent.fails_at = sku.map(str::to_owned);
    }

    /// From now on nothing of a cancelled order goes back into the stock.
    pub fn lose_returns(&self) {
        self.lock().stock.bent.loses_returns = true;
    }

    /// Right before the next call of `inventorySetQuantities` is looked at, a buyer buys so many units of this SKU.
    pub fn buy_before_next_set(&self, sku: &str, units: u32) {
        self.lock().stock.bent.buys_before_set = Some((sku.to_owned(), units));
    }

    fn edit_product(&self, id: u64, edit: impl FnOnce(&mut Product)) {
        let now = self.core.clock.now();
        if let Some(product) = self.lock().stock.products.get_mut(&id) {
            edit(product);
            product.at = now;
        }
    }

    fn edit_sku(&self, sku: &str, edit: impl FnOnce(&mut Variant)) {
        let mut state = self.lock();
        let stock = &mut state.stock;
        if let Some(variant) = stock.by_sku(sku).and_then(|id| stock.variants.get_mut(&id)) {
            edit(variant);
        }
    }
}

impl State {
    /// A variant like another one, under a product. Gives its number.
    fn twin(&mut self, of: u64, product: u64) -> Option<u64> {
        let id = self.ids.next();
        let mut variant = self.stock.variants.get(&of)?.clone();
        variant.product = product;
        // What orders and drafts hold stays with the variant that was sold.
        variant.levels.iter_mut().for_each(|(_, level)| (level.committed, level.reserved) = (0, 0));
        self.stock.products.get_mut(&product)?.variants.push(id);
        self.stock.variants.insert(id, variant);
        Some(id)
    }
}

impl Stock {
    /// Takes a variant away, with what price lists fix for it; its product with the last one.
    fn delete(&mut self, id: u64) {
        let Some(variant) = self.variants.remove(&id) else { return };
        self.price_lists.values_mut().for_each(|list| {
            list.fixed.remove(&id);
        });
        if let Some(product) = self.products.get_mut(&variant.product) {
            product.variants.retain(|own| *own != id);
            if product.variants.is_empty() {
                self.products.remove(&variant.product);
            }
        }
    }
}
