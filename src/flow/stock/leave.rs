//! Levels that no plan came by: their variant has no part, or one that IFS keeps no stock of, or a group leaves it alone. They are left as
//! they are, and why is told; none stays behind as read.

use std::collections::{BTreeMap, BTreeSet};

use super::place::{Place, Step};
use super::plan::{sold, variant_of};
use super::{Stepped, StockError, keep};
use crate::flow::Connection;
use crate::mapping::stock::part::{Variant, coverage, why_left};
use crate::store::{LevelOutcome, LevelPlan, LevelState, PartCoverage, StockVariant};

/// Variants that are looked at at once.
const VARIANTS_AT_ONCE: i64 = 500;

/// Looks at the next variants whose levels were read and not planned.
pub(super) async fn piece(link: &Connection, place: &mut Place, after: u64) -> Result<Stepped, StockError> {
    let (store, rules) = (&link.store, &link.stock);
    let locations: Vec<u64> = rules.places().iter().map(|place| place.location).collect();
    let variants = store.unplanned_variants(&link.name, locations, after, VARIANTS_AT_ONCE).await?;
    let Some(last) = variants.last().map(|variant| variant.variant_id) else { return Ok(Stepped::Done) };
    let numbers: BTreeSet<String> = variants.iter().filter_map(|variant| variant.catalog_no.clone()).collect();
    let numbers: Vec<String> = numbers.into_iter().collect();
    let mut plans = Vec::new();
    for site in rules.sites() {
        let found = store.stock_coverage_of(&link.name, site.to_owned(), numbers.clone()).await?;
        let halves = found.into_iter().map(|number| (number.catalog_no.clone(), number));
        let halves: BTreeMap<String, PartCoverage> = halves.collect();
        let here: Vec<u64> = rules.places_of(site).map(|place| place.location).collect();
        for variant in &variants {
            let number = variant.catalog_no.as_ref().and_then(|number| halves.get(number));
            for level in &variant.levels {
                let is_open = matches!(level.state, LevelState::Read | LevelState::Parked);
                if !is_open || !here.contains(&level.location_id) {
                    continue;
                }
                let Some((code, text)) = why(link, variant, number, level.location_id) else { continue };
                plans.push(LevelPlan {
                    item_id: level.item_id,
                    location_id: level.location_id,
                    revision: level.revision,
                    site: site.to_owned(),
                    part_no: String::new(),
                    catalog_no: variant.catalog_no.clone().unwrap_or_default(),
                    outcome: LevelOutcome::Left { code, text },
                });
            }
        }
    }
    if !plans.is_empty() {
        place.seen.left += plans.len() as u64;
        store.put_stock_plans(&link.tenant.lease, &link.name, plans, link.clock.now()).await?;
    }
    place.go_to(Step::Leave { after: last });
    keep(link, place).await?;
    Ok(Stepped::Further)
}

/// Why a level is left: a stable word and a sentence; none where it follows IFS, and the next run plans it.
fn why(
    link: &Connection,
    variant: &StockVariant,
    number: Option<&PartCoverage>,
    location: u64,
) -> Option<(&'static str, String)> {
    let Some(catalog_no) = &variant.catalog_no else {
        return Some(("without_sku", "no SKU, and no row of variant_map or barcode_map names the variant".to_owned()));
    };
    let variants: Vec<Variant> = match number {
        Some(number) => number.variants.iter().map(variant_of).collect(),
        None => vec![variant_of(variant)],
    };
    let part = number.and_then(|number| number.part.as_ref()).map(sold);
    let standing = coverage(&variants, part.as_ref());
    if let Some(text) = why_left(catalog_no, &standing) {
        return Some((standing.code(), text));
    }
    let sku = variant.sku.as_deref().map_or("", str::trim);
    let rule = link.stock.of_sku(if sku.is_empty() { catalog_no } else { sku });
    let is_left = !rule.follows_at(location);
    is_left.then(|| ("left_by_group", "a group of stock.groups leaves it alone here".to_owned()))
}
