//! `stock explain`: every figure of how the levels of a SKU came about, and what keeps them from what is wanted.

use serde_json::{Map, Value, json};

use super::Failure;
use super::output::{Format, exact_number, say, say_json};
use crate::domain::ids::ConnectionName;
use crate::mapping::stock::StockRules;
use crate::mapping::stock::counted::counted;
use crate::mapping::stock::terms::Terms;
use crate::store::{LevelRow, StockVariant, Store};

pub(super) async fn explain(
    store: &Store,
    name: &ConnectionName,
    (rules, sku): (&StockRules, &str),
    format: Format,
) -> Result<(), Failure> {
    let variants = store.variants_named(name, sku.to_owned()).await?;
    if variants.is_empty() {
        return Err(Failure::Usage(format!(
            "no variant {sku:?} in the last reading: expected a SKU, a CatalogNo, or Shopify's number of a variant or an inventory item"
        )));
    }
    match format {
        Format::Json => {
            let items: Vec<Value> = variants.iter().map(|variant| variant_json(variant, rules)).collect();
            say_json(&json!({"items": items, "next": null}));
        }
        Format::Text => variants.iter().flat_map(|variant| variant_lines(variant, rules)).for_each(|line| say(&line)),
    }
    Ok(())
}

fn variant_json(variant: &StockVariant, rules: &StockRules) -> Value {
    let groups = groups_of(variant, rules).into_iter().map(|(group, keys)| json!({"name": group, "gives": keys}));
    json!({
        "variant_id": variant.variant_id.to_string(), "product_id": variant.product_id.to_string(),
        "item_id": variant.item_id.to_string(), "sku": variant.sku, "catalog_no": variant.catalog_no,
        "is_tracked": variant.is_tracked, "is_bundle": variant.is_bundle, "groups": groups.collect::<Vec<_>>(),
        "levels": variant.levels.iter().map(level_json).collect::<Vec<_>>(),
        "locations_without_level": without_level(variant, rules).iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// A level with every figure of its plan.
pub(super) fn level_json(level: &LevelRow) -> Value {
    let planned_from = level.planned_from.as_ref();
    let terms = terms_of(level).map_or(Value::Null, |terms| {
        let steps = terms.steps().into_iter().map(|(name, figure)| (name.to_owned(), exact_number(figure)));
        json!({
            "steps": steps.collect::<Map<_, _>>(), "short": exact_number(terms.short), "shares": terms.shares,
            "units": exact_number(terms.units), "whole": terms.whole, "cap": terms.cap, "committed": terms.committed,
            "most": terms.most, "held": terms.held.map(|held| held.as_str()),
        })
    });
    json!({
        "item_id": level.item_id.to_string(), "location_id": level.location_id.to_string(), "state": level.state.as_str(),
        "available": level.available, "committed": level.committed, "reserved": level.reserved, "pending": level.pending,
        "quantity": level.quantity, "wanted": level.wanted,
        "site": planned_from.map(|from| &from.0), "part_no": planned_from.map(|from| &from.1),
        "catalog_no": planned_from.map(|from| &from.2), "terms": terms,
        "reason": level.reason.as_ref().map(|(code, _)| code), "text": level.reason.as_ref().map(|(_, text)| text),
        "read_from": level.read_from.map(|at| at.to_string()), "written": level.written.map(|(units, _)| units),
        "written_at": level.written.map(|(_, at)| at.to_string()),
    })
}

/// The figures of a level; none where another version wrote them.
fn terms_of(level: &LevelRow) -> Option<Terms> {
    level.terms.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

/// Which groups of the settings count for a variant, and for which figures.
fn groups_of<'r>(variant: &StockVariant, rules: &'r StockRules) -> Vec<(&'r str, Vec<&'static str>)> {
    let sku = variant.sku.as_deref().map_or("", str::trim);
    let number = variant.catalog_no.as_deref().unwrap_or_default();
    counted(rules.settings(), if sku.is_empty() { number } else { sku })
}

fn variant_lines(variant: &StockVariant, rules: &StockRules) -> Vec<String> {
    let sku = variant.sku.as_deref().unwrap_or("-");
    let catalog_no = variant.catalog_no.as_deref().unwrap_or("no sales part by the rules");
    let standing = match (variant.is_bundle, variant.is_tracked) {
        (true, _) => "; a bundle of Shopify's",
        (false, true) => "",
        (false, false) => "; Shopify does not count it",
    };
    let mut lines = vec![format!("variant {} (SKU {sku}): {catalog_no}{standing}", variant.variant_id)];
    for (group, keys) in groups_of(variant, rules) {
        lines.push(format!("  group {group} gives {}", keys.join(", ")));
    }
    lines.extend(variant.levels.iter().flat_map(level_lines));
    lines.extend(without_level(variant, rules).iter().map(|location| {
        format!(
            "  location {location}: Shopify told no level of it; stock the product there (Products, Inventory, Edit locations), \
             and see that the location is active"
        )
    }));
    lines
}

/// Locations of the settings at which the shop does not stock a variant, or which are switched off there.
fn without_level(variant: &StockVariant, rules: &StockRules) -> Vec<u64> {
    let mut locations: Vec<u64> = rules.places().iter().map(|place| place.location).collect();
    locations.sort_unstable();
    locations.dedup();
    locations.retain(|location| variant.levels.iter().all(|level| level.location_id != *location));
    locations
}

fn level_lines(level: &LevelRow) -> Vec<String> {
    let from = level.planned_from.as_ref().map_or_else(String::new, |(site, part_no, catalog_no)| {
        format!("; site {site}, part {}, sales part {}", or_dash(part_no), or_dash(catalog_no))
    });
    let (location, state) = (level.location_id, level.state.as_str());
    let shows = format!("shows {}, committed {}, reserved {}", level.available, level.committed, level.reserved);
    let mut lines = vec![format!("  location {location}: {state}, {shows}{from}")];
    if let Some((code, text)) = &level.reason {
        lines.push(format!("    {code}: {text}"));
    }
    let Some(terms) = terms_of(level) else { return lines };
    let line = |name: &str, figure: &str| format!("    {name:<13} {figure:>12}");
    lines.extend(terms.steps().iter().map(|(term, figure)| line(term, &figure.normalize().to_string())));
    lines.push(line("short", &terms.short.normalize().to_string()) + "  of what was promised the site lacks");
    lines.push(line("shares", &terms.shares.to_string()) + "  SKUs that are sold from it here");
    lines.push(line("units", &terms.units.normalize().to_string()) + "  of the stock for one that is sold");
    lines.push(line("whole", &terms.whole.to_string()) + "  that are sold, before the cap");
    lines.push(line("cap", &terms.cap.map_or_else(|| "-".to_owned(), |cap| cap.to_string())));
    lines.push(line("committed", &terms.committed.to_string()) + "  to orders here, when it was planned");
    lines.push(line("wanted", &cell(level.wanted)));
    if let Some(most) = terms.most {
        lines.push(line("most", &most.to_string()) + "  if some counts twice: only by this a product runs out");
    }
    let held = terms.held.map_or_else(String::new, |held| format!("  {}", held.text()));
    lines.push(line("set to", &cell(level.quantity)) + &held);
    if let Some(pending) = level.pending {
        lines.push(line("pending", &pending.to_string()) + "  the most that a call may set it to yet");
    }
    lines
}

/// A figure, or that there is none.
pub(super) fn cell(figure: Option<i64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string())
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::*;
    use crate::mapping::stock::held::Held;
    use crate::store::LevelState;

    #[test]
    fn every_term_is_told_and_why_a_level_is_not_set_to_what_is_wanted() {
        let figure = Decimal::from;
        let terms = Terms {
            on_hand: figure(20),
            reserved: figure(3),
            short: figure(7),
            shares: 2,
            units: figure(6),
            whole: 9,
            cap: Some(8),
            committed: 4,
            most: Some(10),
            held: Some(Held::Books),
            ..Terms::default()
        };
        let level = LevelRow {
            item_id: 1,
            location_id: 655,
            revision: 1,
            state: LevelState::Planned,
            available: 2,
            committed: 5,
            reserved: 3,
            pending: Some(6),
            read_from: None,
            read_until: None,
            planned_from: Some(("S10".into(), "CUP".into(), "CUP-6".into())),
            quantity: Some(2),
            wanted: Some(8),
            terms: Some(serde_json::to_string(&terms).expect("plain data")),
            reason: None,
            written: None,
        };
        let told = level_lines(&level).join("\n");
        for word in
            ["site S10, part CUP, sales part CUP-6", "shows 2, committed 5, reserved 3", "until then no level rises"]
        {
            assert!(told.contains(word), "{word}: {told}");
        }
        let steps = Terms::default().steps().map(|(name, _)| name);
        let others = ["short", "shares", "units", "whole", "cap", "committed", "most", "pending"];
        for term in steps.into_iter().chain(others) {
            assert!(told.lines().any(|line| line.trim_start().starts_with(term)), "{term}: {told}");
        }
        assert_eq!(level_json(&level)["terms"]["held"], "books");
    }
}
