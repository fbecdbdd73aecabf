//! Levels that have to be read again, since somebody changed them after they were read, or their plan grew too old, or they could not be
//! set to what is wanted at once: they and everything that shares their parts are read and planned anew, between two runs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::figures::{DemandFigures, StockFigures};
use super::place::Place;
use super::read_ifs::{PARTS_AT_ONCE, demand_figures, stock_figures};
use super::read_shop::{behind_orders, split};
use super::{Stepped, StockError, keep, orders};
use crate::flow::Connection;
use crate::ifs::{LineFilter, PartInStock, PartWithDemand};
use crate::store::{LevelsTold, PartFigures, PartReading, StockPart, StockReading};

/// Levels that are read again at once.
const LEVELS_AT_ONCE: i64 = 100;
/// Waiting levels beyond this are left to the next run over all.
const WAITING_MAX: i64 = 1_000;
/// How long a level waits before it is looked at again.
const WAITING_PAUSE: SignedDuration = SignedDuration::from_secs(60);

/// Looks whether levels have to be read again, those that wait for others to fall too; then the place says which.
pub(super) async fn begin(link: &Connection, place: &mut Place) -> Result<bool, StockError> {
    let (store, lease, now) = (&link.store, &link.tenant.lease, link.clock.now());
    if place.seen.waiting > 0 {
        let before = now.checked_sub(WAITING_PAUSE).unwrap_or(now);
        store.read_waiting_levels_again(lease, &link.name, (before, WAITING_MAX), now).await?;
    }
    let stale = store.stale_levels(&link.name, now, LEVELS_AT_ONCE).await?;
    let variants: BTreeSet<u64> = stale.iter().map(|level| level.variant_id).collect();
    if variants.is_empty() {
        return Ok(false);
    }
    place.mends(variants.into_iter().collect(), link.clock.now());
    keep(link, place).await?;
    Ok(true)
}

/// Reads levels again, and everything that they are planned from.
///
/// 1. Their variants, from the shop. One that is gone goes.
/// 2. The parts that they are, with all that is sold of them.
/// 3. What orders take; then IFS: open lines, stock, open lines.
pub(super) async fn read(link: &Connection, place: &mut Place, variants: &[u64]) -> Result<Stepped, StockError> {
    let store = &link.store;
    // 1.
    let mut numbers: BTreeSet<String> = store.numbers_of_variants(&link.name, variants).await?.into_iter().collect();
    numbers.extend(read_variants(link, place, variants).await?);
    // 2.
    let parts = parts_of(link, &numbers).await?;
    let mut others = BTreeSet::new();
    for (contract, parts) in &parts {
        let pools = store.stock_pools_of(&link.name, (contract.clone(), place.run), parts.clone()).await?;
        let sold = pools.into_iter().flat_map(|pool| pool.goods).flat_map(|(_, variants)| variants);
        others.extend(sold.map(|variant| variant.variant_id).filter(|id| !variants.contains(id)));
    }
    if !others.is_empty() {
        read_variants(link, place, &others.into_iter().collect::<Vec<_>>()).await?;
    }
    place.was_read(link).await?;
    // 3.
    orders::weigh_and_look(link, place).await?;
    for (contract, parts) in &parts {
        for some in parts.chunks(PARTS_AT_ONCE) {
            read_again(link, place, contract, some).await?;
        }
    }
    place.parts = Some(parts.into_iter().collect());
    place.waits_for_books(link.clock.now());
    keep(link, place).await?;
    Ok(Stepped::Further)
}

/// Reads variants of the shop and keeps them; gives the sales parts that they are.
async fn read_variants(link: &Connection, place: &Place, variants: &[u64]) -> Result<Vec<String>, StockError> {
    let (store, lease) = (&link.store, &link.tenant.lease);
    let (mark, asked_at) = (store.stock_mark(&link.name).await?, link.clock.now());
    let named = behind_orders(link).variants_by_id(variants).await?;
    if !named.gone.is_empty() {
        store.forget_variants(lease, &link.name, &named.gone).await?;
    }
    let (read, levels) = split(link, named.variants);
    let numbers = read.iter().filter_map(|variant| variant.catalog_no.clone()).collect();
    let reading = StockReading {
        run: place.run,
        mark,
        asked_at,
        read_from: named.read.from,
        read_until: named.read.until,
        told: LevelsTold::All,
        variants: read,
        levels,
        cursor: None,
    };
    store.put_stock_reading(lease, &link.name, reading, link.clock.now()).await?;
    Ok(numbers)
}

/// The parts of some sales parts, by site.
async fn parts_of(link: &Connection, numbers: &BTreeSet<String>) -> Result<BTreeMap<String, Vec<String>>, StockError> {
    let mut parts = BTreeMap::new();
    for site in link.stock.sites() {
        let found = link.store.parts_of_numbers(&link.name, site.to_owned(), numbers.iter().cloned().collect()).await?;
        if !found.is_empty() {
            parts.insert(site.to_owned(), found);
        }
    }
    Ok(parts)
}

/// Open lines, stock and open lines once more of some parts, each of them, also one that has nothing. A part that has lost all of its
/// lines, or its whole stock, since it was read last is left to the next run over all, which can tell whether IFS leaves things out.
async fn read_again(link: &Connection, place: &Place, contract: &str, parts: &[String]) -> Result<(), StockError> {
    let (store, lease, ifs) = (&link.store, &link.tenant.lease, &link.tenant.ifs);
    let pools = store.stock_pools_of(&link.name, (contract.to_owned(), place.run), parts.to_vec()).await?;
    let before: BTreeMap<String, StockPart> = pools.into_iter().map(|pool| (pool.part_no, pool.part)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let filter = if place.filters_lines { LineFilter::ByState } else { LineFilter::ByUs };
    let which = |reading| (contract.to_owned(), place.run, reading);
    let lines = ifs.demand_of_parts(contract, filter, &parts).await?;
    let figures = lines.into_iter().map(|part| demand_since(&before, part)).collect();
    store
        .put_part_figures(lease, &link.name, which(PartReading::DemandBefore), figures, None, link.clock.now())
        .await?;
    let stock = ifs.stock_of_parts(contract, &parts).await?;
    let figures = stock.into_iter().map(|part| stock_since(link, contract, &before, part)).collect();
    store.put_part_figures(lease, &link.name, which(PartReading::Stock), figures, None, link.clock.now()).await?;
    let lines = ifs.demand_of_parts(contract, filter, &parts).await?;
    let figures = lines.into_iter().map(|part| demand_since(&before, part)).collect();
    store.put_part_figures(lease, &link.name, which(PartReading::DemandAfter), figures, None, link.clock.now()).await?;
    Ok(())
}

fn demand_since(before: &BTreeMap<String, StockPart>, mut part: PartWithDemand) -> PartFigures {
    let had = before.get(&part.part_no).is_some_and(|before| {
        [&before.demand_before, &before.demand_after].into_iter().flatten().any(|text| DemandFigures::had_lines(text))
    });
    if had && part.lines.as_ref().is_some_and(Vec::is_empty) {
        part.lines = None;
    }
    demand_figures(part)
}

fn stock_since(
    link: &Connection,
    contract: &str,
    before: &BTreeMap<String, StockPart>,
    mut part: PartInStock,
) -> PartFigures {
    let had = before.get(&part.part_no).and_then(|before| before.stock.as_deref()).is_some_and(StockFigures::had_stock);
    if had && part.rows.as_ref().is_some_and(Vec::is_empty) {
        part.rows = None;
    }
    stock_figures(link, contract, part)
}
