//! The stock of the sandbox's world: how both sides are stocked up, and how they stand to each other.

mod day;

use std::collections::BTreeSet;

use rust_decimal::Decimal;

pub use day::{StockDay, StockEvent};

use super::ShopSettings;
use super::ifs::{Ifs, StockPlace};
use super::shopify::{Shop, WAREHOUSE};
use super::world;

/// The warehouse in IFS whose goods the shops sell online.
pub const STOCK_WAREHOUSE: &str = "W1";
/// The place in it where everything lies at first.
pub const STOCK_LOCATION: &str = "A-01";

/// How both sides are stocked up. A day that is played (`PlaySettings`) wants enough of each SKU: its buyers are not asked whether there
/// is enough, and persons in IFS can not pick what is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockUp {
    /// SKUs beyond the catalogue (`world::bulk_sku`).
    pub bulk: usize,
    /// Units of each SKU in IFS, at each shop's site.
    pub units: u32,
    /// What the shops show at first.
    pub available: i64,
}

/// A SKU of a shop and its part in IFS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockLine {
    /// The SKU, which is the number of the sales part.
    pub sku: String,
    /// The part in the stock; `None` where IFS keeps none.
    pub part_no: Option<String>,
    /// What the shop shows at the location that online orders are sent from; `None` where it is not stocked there.
    pub available: Option<i64>,
    /// Whole units that IFS can still sell; below zero where more was sold than is there. `None` where IFS keeps none.
    pub sellable: Option<i64>,
}

/// Stocks up IFS and the shops.
pub(super) fn stock_up(ifs: &Ifs, shops: &[(ShopSettings, Shop)], wanted: StockUp) {
    let place = |units: Decimal| vec![StockPlace::new(STOCK_LOCATION, STOCK_WAREHOUSE, units)];
    let (_, boxed, units_each) = world::BOXED_PART;
    let units = Decimal::from(wanted.units);
    ifs.sell_bulk(wanted.bulk);
    for contract in shops.iter().map(|(settings, _)| settings.contract.as_str()).collect::<BTreeSet<_>>() {
        let single = world::skus().into_iter().chain((0..wanted.bulk).map(world::bulk_sku));
        ifs.keep_stock(contract, single.map(|part| (part, place(units))));
        ifs.keep_stock(contract, [(boxed.to_owned(), place(units * Decimal::from(units_each)))]);
    }
    shops.iter().for_each(|(_, shop)| shop.stock_up(wanted.bulk, wanted.available));
}

/// How each SKU of a shop stands to its part in IFS.
pub(super) fn lines(ifs: &Ifs, settings: &ShopSettings, shop: &Shop) -> Vec<StockLine> {
    let figures = ifs.stock_figures(&settings.contract);
    let shown = shop.available_at(WAREHOUSE);
    let skus: BTreeSet<String> = shop.levels().into_iter().filter_map(|level| level.sku).collect();
    let line = |sku: String| {
        let stocked = world::inventory_part(&sku).map(|(part, units)| (part.to_owned(), units));
        let kept = stocked.as_ref().and_then(|(part, units)| Some((figures.get(part)?, *units)));
        let sellable = kept.and_then(|(figures, units)| i64::try_from((figures.free() / units).floor()).ok());
        let available = shown.get(&sku).copied();
        StockLine { sku, part_no: stocked.map(|(part, _)| part), available, sellable }
    };
    skus.into_iter().map(line).collect()
}
