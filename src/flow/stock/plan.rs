//! The plan: what each level of a part should show, from everything that was read, in pieces by the parts' numbers. The rules decide;
//! here is what they are fed with.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::figures::{DemandFigures, StockFigures, read};
use super::place::{Place, Seen, Step};
use super::read_ifs::site_of;
use super::{Stepped, StockError, keep};
use crate::domain::stock::{LevelKey, LevelReading, SalesPart as SoldPart};
use crate::failpoint;
use crate::flow::Connection;
use crate::mapping::stock::part::{Coverage, Variant, coverage, why_left};
use crate::mapping::stock::rows::{PartStock, sum};
use crate::mapping::stock::settings::Levels;
use crate::mapping::stock::target::{Books, Demand, Goods, Left, Pool, Target, plan};
use crate::mapping::stock::unwritten::{KnownUnits, OrderUnits as Units, SkuOrders};
use crate::store::{LevelOutcome, LevelPlan, LevelRow, OrderUnits, SalesPart, StockPart, StockPool, StockVariant};

/// Parts that are planned at once.
const PARTS_AT_ONCE: i64 = 200;

/// Plans a piece.
pub(super) async fn piece(
    link: &Connection,
    place: &mut Place,
    site: usize,
    after: Option<String>,
) -> Result<Stepped, StockError> {
    let store = &link.store;
    // 1. The next parts: a few that are named, or the next ones of the site.
    let (contract, pools, next) = match &place.parts {
        Some(parts) => {
            let Some((contract, parts)) = parts.get(site).cloned() else { return Ok(Stepped::Done) };
            let pools = store.stock_pools_of(&link.name, (contract.clone(), place.run), parts).await?;
            (contract, pools, Step::Plan { site: site + 1, after: None })
        }
        None => {
            let Some(contract) = site_of(link, site) else {
                place.go_to(Step::Leave { after: 0 });
                keep(link, place).await?;
                return Ok(Stepped::Further);
            };
            let pools = store.stock_pools(&link.name, (contract.clone(), place.run), after, PARTS_AT_ONCE).await?;
            let next = match pools.last() {
                Some(last) => Step::Plan { site, after: Some(last.part_no.clone()) },
                None => Step::Plan { site: site + 1, after: None },
            };
            (contract, pools, next)
        }
    };
    // 2. What orders take of them.
    let numbers = pools.iter().flat_map(|pool| &pool.goods).map(|(part, _)| part.catalog_no.clone()).collect();
    let mut orders: BTreeMap<String, Vec<OrderUnits>> = BTreeMap::new();
    for units in store.order_units(&link.name, numbers).await? {
        orders.entry(units.catalog_no.clone()).or_default().push(units);
    }
    // 3. The plan of each.
    let books = if place.is_current { Books::Current } else { Books::Behind };
    let planner = Planner { link, site: &contract, books, orders };
    let mut plans = Vec::new();
    for pool in &pools {
        planner.plan(pool, &mut plans, &mut place.seen)?;
    }
    // 4. The plan is kept before the place behind it: a piece that is planned twice comes to the same.
    if !plans.is_empty() {
        store.put_stock_plans(&link.tenant.lease, &link.name, plans, link.clock.now()).await?;
    }
    failpoint::hit(failpoint::STOCK_PLANNED);
    place.go_to(next);
    keep(link, place).await?;
    Ok(Stepped::Further)
}

struct Planner<'a> {
    link: &'a Connection,
    site: &'a str,
    books: Books,
    /// What open orders take, by sales part.
    orders: BTreeMap<String, Vec<OrderUnits>>,
}

impl Planner<'_> {
    fn plan(&self, pool: &StockPool, plans: &mut Vec<LevelPlan>, seen: &mut Seen) -> Result<(), StockError> {
        let (part_no, rules) = (&pool.part_no, &self.link.stock);
        // 1. What is sold of the part, and whether its levels follow IFS.
        let mut goods = Vec::new();
        for (part, variants) in &pool.goods {
            let standing = coverage(&variants.iter().map(variant_of).collect::<Vec<_>>(), Some(&sold(part)));
            if let Some(text) = why_left(&part.catalog_no, &standing) {
                let left = || LevelOutcome::Left { code: standing.code(), text: text.clone() };
                self.leave(pool, &part.catalog_no, variants, left, (&mut *plans, &mut *seen));
            }
            goods.push(self.goods(part, variants, &standing));
        }
        let places = rules.places_of(self.site).map(|place| place.location).collect();
        let levels = followed(pool, &goods, places);
        if levels.is_empty() {
            return Ok(());
        }
        // 2. What IFS told of it, and the rules' word.
        let (stock, demand) = self.told(pool)?;
        let planned = match (stock, demand) {
            (stock, Some(demand)) => plan(&Pool { stock, demand, goods, books: self.books }, rules),
            (_, None) => Err(Left::NotRead),
        };
        // 3. As it is kept.
        let mut keep = |key: LevelKey, outcome: LevelOutcome| {
            let Some((catalog_no, row)) = levels.get(&key) else { return };
            plans.push(LevelPlan {
                item_id: key.item,
                location_id: key.location,
                revision: row.revision,
                site: self.site.to_owned(),
                part_no: part_no.clone(),
                catalog_no: (*catalog_no).to_owned(),
                outcome,
            });
        };
        match planned {
            Ok(targets) => {
                for target in targets {
                    seen.count(&target);
                    let terms = serde_json::to_string(&target.terms).expect("figures are JSON");
                    let Target { key, quantity, wanted, .. } = target;
                    keep(key, LevelOutcome::Target { quantity, wanted, terms });
                }
            }
            Err(left) => {
                for key in levels.keys() {
                    seen.left += 1;
                    keep(*key, LevelOutcome::Left { code: left.code(), text: left.text(part_no) });
                }
            }
        }
        Ok(())
    }

    /// One SKU. One whose levels do not follow IFS takes of the stock by its orders all the same.
    fn goods(&self, part: &SalesPart, variants: &[StockVariant], standing: &Coverage) -> Goods {
        let sku = variants.first().and_then(|variant| variant.sku.as_deref()).map_or("", str::trim);
        let mut rule = self.link.stock.of_sku(if sku.is_empty() { &part.catalog_no } else { sku });
        if !standing.is_covered() {
            rule.levels = Levels::Leave;
        }
        let rows: Vec<&LevelRow> = variants.iter().flat_map(|variant| &variant.levels).collect();
        Goods {
            catalog_no: part.catalog_no.clone(),
            conversion: figure(part.conversion.as_deref()),
            rule,
            orders: self.orders(&part.catalog_no, &rows),
            levels: rows.into_iter().map(reading_of).collect(),
        }
    }

    /// What a SKU's orders take.
    fn orders(&self, catalog_no: &str, levels: &[&LevelRow]) -> SkuOrders {
        let first = first_read(levels);
        let known = |units: &OrderUnits| {
            let count = |units: i64| u32::try_from(units.max(0)).unwrap_or(u32::MAX);
            // Changed in the second in which it was read, it may be in the reading or not.
            let is_newer = first.is_none_or(|first| units.changed_at >= first);
            let written = units.written.map(count);
            Units { current: count(units.units), open: count(units.open), written, is_newer }.known()
        };
        let orders = self.orders.get(catalog_no).map_or(&[][..], Vec::as_slice);
        let here: KnownUnits = orders.iter().filter(|units| units.site == self.site).map(known).sum();
        let everywhere: KnownUnits = orders.iter().map(known).sum();
        SkuOrders {
            unwritten_here: here.unwritten,
            known_committed: everywhere.committed,
            committed: levels.iter().map(|level| level.committed).sum(),
            reserved: levels.iter().map(|level| level.reserved.max(0)).sum(),
        }
    }

    /// What IFS told of a part; the demand is none where a reading of it was not whole. What the run's own readings did not name is not
    /// there: they came to their ends. Of what another run has put beside them nothing is known.
    fn told(&self, pool: &StockPool) -> Result<(PartStock, Option<Demand>), StockError> {
        let StockPart { demand_before, stock, demand_after } = &pool.part;
        let all_named = demand_before.is_some() && stock.is_some() && demand_after.is_some();
        if !pool.is_of_run && !all_named {
            return Ok((PartStock::NotRead, None));
        }
        let part_no = &pool.part_no;
        let stock = match stock {
            Some(text) => PartStock::from(read::<StockFigures>(part_no, text)?),
            None => {
                let today = self.link.rules.local(self.link.clock.now()).date();
                sum(&[], self.site, &self.link.stock, today)
            }
        };
        let of = |text: &Option<String>| match text {
            Some(text) => read(part_no, text),
            None => Ok(DemandFigures::NONE),
        };
        let (before, after) = (of(demand_before)?, of(demand_after)?);
        let demand = match (before, after) {
            (
                DemandFigures::Sums { unreserved: unreserved_before, .. },
                DemandFigures::Sums { unreserved: unreserved_after, open: open_after },
            ) => Some(Demand { unreserved_before, unreserved_after, open_after }),
            (DemandFigures::NotRead, _) | (_, DemandFigures::NotRead) => None,
        };
        Ok((stock, demand))
    }

    /// Levels of a SKU that are left as they are.
    fn leave(
        &self,
        pool: &StockPool,
        catalog_no: &str,
        variants: &[StockVariant],
        outcome: impl Fn() -> LevelOutcome,
        (plans, seen): (&mut Vec<LevelPlan>, &mut Seen),
    ) {
        let places: Vec<u64> = self.link.stock.places_of(self.site).map(|place| place.location).collect();
        for row in variants.iter().flat_map(|variant| &variant.levels) {
            if places.contains(&row.location_id) {
                seen.left += 1;
                plans.push(LevelPlan {
                    item_id: row.item_id,
                    location_id: row.location_id,
                    revision: row.revision,
                    site: self.site.to_owned(),
                    part_no: pool.part_no.clone(),
                    catalog_no: catalog_no.to_owned(),
                    outcome: outcome(),
                });
            }
        }
    }
}

impl Seen {
    fn count(&mut self, target: &Target) {
        if target.differs() {
            self.to_set += 1;
        } else {
            self.quiet += 1;
        }
        self.waiting += u64::from(target.waits());
    }
}

/// The levels of a part that follow IFS, at the site's locations, each with its sales part.
fn followed<'p>(pool: &'p StockPool, goods: &[Goods], places: Vec<u64>) -> BTreeMap<LevelKey, (&'p str, &'p LevelRow)> {
    let mut levels = BTreeMap::new();
    for ((part, variants), goods) in pool.goods.iter().zip(goods) {
        for row in variants.iter().flat_map(|variant| &variant.levels) {
            if places.contains(&row.location_id) && goods.rule.follows_at(row.location_id) {
                levels.insert(key_of(row), (part.catalog_no.as_str(), row));
            }
        }
    }
    levels
}

/// When the first of some levels was read, by Shopify's clock; none where that is not known of one.
fn first_read(levels: &[&LevelRow]) -> Option<Timestamp> {
    let times: Option<Vec<Timestamp>> = levels.iter().map(|level| level.read_from).collect();
    times?.into_iter().min()
}

fn key_of(row: &LevelRow) -> LevelKey {
    LevelKey { item: row.item_id, location: row.location_id }
}

fn reading_of(row: &LevelRow) -> LevelReading {
    let LevelRow { available, committed, reserved, pending, .. } = *row;
    LevelReading { key: key_of(row), available, committed, reserved, pending }
}

/// A variant as the rules take it.
pub(super) fn variant_of(variant: &StockVariant) -> Variant {
    Variant {
        product_id: variant.product_id,
        variant_id: variant.variant_id,
        item: variant.item_id,
        sku: variant.sku.clone(),
        barcode: variant.barcode.clone(),
        is_tracked: variant.is_tracked,
        is_bundle: variant.is_bundle,
    }
}

/// A sales part as the rules take it; a figure that IFS does not tell is none that can be meant.
pub(in crate::flow) fn sold(part: &SalesPart) -> SoldPart {
    let price = |text: &Option<String>| text.as_deref().and_then(|text| Decimal::from_str_exact(text).ok());
    SoldPart {
        catalog_no: part.catalog_no.clone(),
        part_no: part.part_no.clone(),
        conversion: figure(part.conversion.as_deref()),
        price_conversion: figure(part.price_conversion.as_deref()),
        is_active: part.is_active,
        list_price: price(&part.list_price),
        list_price_incl_tax: price(&part.list_price_incl_tax),
        currency: part.currency.clone(),
    }
}

fn figure(text: Option<&str>) -> Decimal {
    text.and_then(|text| Decimal::from_str_exact(text).ok()).unwrap_or(Decimal::ZERO)
}
