//! How a product stands, as the rules take it: what is left of its variants, from their levels' last plan, and how it is shown.

use std::collections::BTreeMap;

use crate::domain::stock::{InventoryPolicy, ProductStatus};
use crate::flow::Connection;
use crate::mapping::stock::out::{ProductReading, UnitsLeft, VariantReading};
use crate::mapping::stock::settings::{BundleStock, OutPolicy};
use crate::mapping::stock::terms::Terms;
use crate::shopify::stock_out::ShownProduct;
use crate::store::{LevelRow, LevelState, StockVariant};

/// Reasons why a level is left that pass, or that a person is asked to mend: it follows IFS all the same.
const PASSING: [&str; 2] = ["not_read", "unclear"];

/// What is left of each variant.
pub(super) type Left = BTreeMap<u64, UnitsLeft>;

/// What one level tells of what is left.
enum LevelUnits {
    /// It follows IFS, and comes to so many; or to so many, did nothing count twice.
    Wanted(i64, i64),
    /// Somebody else keeps it: what it shows counts.
    Shown,
    /// Nobody knows.
    Unknown,
}

/// What happens to a product: as its first variant's SKU has it.
pub(super) fn policy_of(link: &Connection, variants: &[StockVariant]) -> OutPolicy {
    variants.first().map_or(OutPolicy::Off, |variant| link.stock.of_sku(sku_of(variant)).out)
}

fn sku_of(variant: &StockVariant) -> &str {
    variant.sku.as_deref().or(variant.catalog_no.as_deref()).unwrap_or_default().trim()
}

/// What is left of each variant: of its levels that follow IFS what they come to, of others what they show. Nobody knows where a level
/// that follows was never planned.
pub(super) fn left_of(link: &Connection, variants: &[StockVariant]) -> Left {
    let places: Vec<u64> = link.stock.places().iter().map(|place| place.location).collect();
    let of = |variant: &StockVariant| {
        let rule = link.stock.of_sku(sku_of(variant));
        let (mut least, mut most, mut follows) = (0_i64, 0_i64, false);
        for level in &variant.levels {
            let is_kept = places.contains(&level.location_id) && rule.follows_at(level.location_id);
            let units = if is_kept { units_of(variant, level) } else { LevelUnits::Shown };
            let (of_least, of_most) = match units {
                LevelUnits::Wanted(wanted, most) => {
                    follows = true;
                    (wanted, most)
                }
                LevelUnits::Shown => (level.available.max(0), level.available.max(0)),
                LevelUnits::Unknown => return UnitsLeft::Unknown,
            };
            (least, most) = (least.saturating_add(of_least), most.saturating_add(of_most));
        }
        match (follows, least == most) {
            (false, _) => UnitsLeft::Unfollowed(least),
            (true, true) => UnitsLeft::Known(least),
            (true, false) => UnitsLeft::Doubtful { least, most },
        }
    };
    variants.iter().map(|variant| (variant.variant_id, of(variant))).collect()
}

/// What a level of a variant comes to by its last plan. That still counts while the next reading is under way, or the look would pass the
/// product over; unless the variant is another part by now.
fn units_of(variant: &StockVariant, level: &LevelRow) -> LevelUnits {
    let planned_as = level.planned_from.as_ref().map(|(_, _, catalog_no)| catalog_no.as_str());
    let is_same = planned_as == Some(variant.catalog_no.as_deref().unwrap_or_default());
    if level.state == LevelState::Read && !is_same {
        return LevelUnits::Unknown;
    }
    match (level.wanted, &level.reason) {
        (Some(wanted), _) => LevelUnits::Wanted(wanted, most_of(level).unwrap_or(wanted)),
        (None, Some((code, _))) if !PASSING.contains(&code.as_str()) => LevelUnits::Shown,
        (None, _) => LevelUnits::Unknown,
    }
}

/// What a level would come to, did nothing count twice; none where that is what is wanted.
fn most_of(level: &LevelRow) -> Option<i64> {
    level.terms.as_deref().and_then(|text| serde_json::from_str::<Terms>(text).ok())?.most
}

/// What is left of a variant; of a bundle what Shopify says can be made.
fn left(link: &Connection, known: &Left, variant: u64, (is_bundle, sellable): (bool, Option<i64>)) -> UnitsLeft {
    if !is_bundle {
        return known.get(&variant).copied().unwrap_or(UnitsLeft::Unknown);
    }
    match link.stock.out().bundle {
        BundleStock::ByShopify => sellable.map_or(UnitsLeft::Unknown, UnitsLeft::Known),
        BundleStock::Leave => sellable.map_or(UnitsLeft::Unknown, UnitsLeft::Unfollowed),
    }
}

/// A product as it was read for the plan. Where it is published was not: it passes for being on every channel.
pub(super) fn known_product(link: &Connection, variants: &[StockVariant], known: &Left) -> ProductReading {
    let status = variants.first().map_or("", |variant| variant.status.as_str());
    let reading = |variant: &StockVariant| VariantReading {
        variant_id: variant.variant_id,
        is_tracked: variant.is_tracked,
        is_bundle: variant.is_bundle,
        policy: InventoryPolicy::from_word(&variant.policy),
        left: left(link, known, variant.variant_id, (variant.is_bundle, variant.sellable)),
    };
    ProductReading {
        status: ProductStatus::from_word(status),
        published: link.stock.channels().to_vec(),
        variants: variants.iter().map(reading).collect(),
    }
}

/// A product as it was read just now. Of a variant that is new since the plan nothing is known.
pub(super) fn read_product(link: &Connection, shown: &ShownProduct, known: &Left) -> ProductReading {
    let variants = shown.variants.iter().map(|variant| VariantReading {
        variant_id: variant.variant_id,
        is_tracked: variant.is_tracked,
        is_bundle: variant.is_bundle,
        policy: InventoryPolicy::from_word(&variant.policy),
        left: left(link, known, variant.variant_id, (variant.is_bundle, variant.sellable)),
    });
    ProductReading {
        status: ProductStatus::from_word(&shown.status),
        published: shown.published.clone(),
        variants: variants.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(state: LevelState, wanted: Option<i64>, code: Option<&str>) -> LevelRow {
        LevelRow {
            item_id: 1,
            location_id: 1,
            revision: 1,
            state,
            available: 3,
            committed: 0,
            reserved: 0,
            pending: None,
            read_from: None,
            read_until: None,
            planned_from: Some(("S10".into(), "CUP".into(), "CUP".into())),
            quantity: wanted,
            wanted,
            terms: None,
            reason: code.map(|code| (code.to_owned(), String::new())),
            written: None,
        }
    }

    fn told(catalog_no: &str, level: &LevelRow) -> Option<i64> {
        let variant = StockVariant {
            variant_id: 1,
            product_id: 1,
            item_id: 1,
            sku: None,
            barcode: None,
            catalog_no: Some(catalog_no.into()),
            price: "1".into(),
            policy: "DENY".into(),
            status: "ACTIVE".into(),
            is_tracked: true,
            is_bundle: false,
            sellable: None,
            levels: Vec::new(),
        };
        match units_of(&variant, level) {
            LevelUnits::Wanted(wanted, _) => Some(wanted),
            LevelUnits::Shown => Some(level.available),
            LevelUnits::Unknown => None,
        }
    }

    #[test]
    fn the_last_plan_counts_until_there_is_another_one() {
        for state in [LevelState::Read, LevelState::Stale, LevelState::Quiet, LevelState::Parked] {
            assert_eq!(told("CUP", &level(state, Some(0), None)), Some(0), "{state:?}");
        }
        assert_eq!(told("TEA", &level(LevelState::Read, Some(0), None)), None, "another part by now");
        let mut new = level(LevelState::Read, None, None);
        new.planned_from = None;
        assert_eq!(told("CUP", &new), None, "never planned");
    }

    #[test]
    fn what_may_count_twice_is_told_beside_what_is_wanted() {
        let terms = |most| Terms { most, ..Terms::default() };
        for (most, kept) in [(None, None), (Some(2), Some(2))] {
            let mut level = level(LevelState::Planned, Some(0), None);
            level.terms = Some(serde_json::to_string(&terms(most)).expect("plain data"));
            assert_eq!(most_of(&level), kept);
        }
        assert_eq!(most_of(&level(LevelState::Planned, Some(0), None)), None, "another version wrote it");
    }

    #[test]
    fn what_somebody_else_keeps_counts_as_it_is_shown() {
        for code in ["twice", "without_part", "not_kept", "shared_part"] {
            assert_eq!(told("CUP", &level(LevelState::Left, None, Some(code))), Some(3), "{code}");
        }
        for code in PASSING {
            assert_eq!(told("CUP", &level(LevelState::Left, None, Some(code))), None, "{code}");
        }
    }
}
