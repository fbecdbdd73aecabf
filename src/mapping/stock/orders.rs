//! What an order of Shopify's takes of the stock, by sales part and site: the part that each of its lines would be in IFS, and what
//! of them stands there by what was written. Wherever this errs, less is sold for a while.

use std::collections::BTreeMap;

use rust_decimal::prelude::ToPrimitive as _;

use crate::domain::order::{LineKind, Order};
use crate::ifs::wire::names;
use crate::mapping::read::Target;
use crate::mapping::rules::Rules;
use crate::mapping::scalar::Scalar;
use crate::mapping::sku;
use crate::mapping::written::{WrittenField, WrittenOrder, WrittenRow};
use crate::shopify::wire::open::OpenUnits;

/// A sales part and the site whose stock it is taken from.
pub type PartAtSite = (String, String);

/// Units of one sales part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Taken {
    /// Those that remain after edits, refunds and cancels.
    pub units: i64,
    /// Of those, the ones that are not fulfilled.
    pub open: i64,
}

/// What an order takes. `open`: what its payload tells of units that are not fulfilled; of a line that does not tell it none is taken
/// for open, so that what Shopify has committed is not put down to an order that may not have it.
///
/// Of an order from before the go-live only what is open counts: what was fulfilled IFS was told by others.
pub fn taken(order: &Order, open: &OpenUnits, rules: &Rules) -> BTreeMap<PartAtSite, Taken> {
    let mut taken: BTreeMap<PartAtSite, Taken> = BTreeMap::new();
    if order.is_cancelled() {
        return taken;
    }
    let site = rules.site(order).value;
    let is_ours = order.created_at >= rules.orders_from();
    for line in order.lines.iter().filter(|line| line.kind != LineKind::Tip && line.current_quantity > 0) {
        // A line that no rule has a part for: what Shopify has committed for it belongs to no order that we know.
        let Ok(part) = sku::part_for(line, order, rules) else { continue };
        let open = open.get(&line.id).copied().unwrap_or(0).min(line.current_quantity);
        let units = if is_ours { line.current_quantity } else { open };
        let sum = taken.entry((part.catalog_no, site.to_owned())).or_default();
        sum.units += i64::from(units);
        sum.open += i64::from(open);
    }
    taken.retain(|_, sum| sum.units > 0);
    taken
}

/// Units that an order in IFS holds, by what was written and answered.
pub fn held(written: &WrittenOrder) -> BTreeMap<PartAtSite, i64> {
    let mut held: BTreeMap<PartAtSite, i64> = BTreeMap::new();
    for row in written.rows.iter().filter(|row| matches!(row.target, Target::Line(_))) {
        let (Some(part), Some(site)) = (text(row, names::CATALOG_NO), text(row, names::CONTRACT)) else { continue };
        *held.entry((part, site)).or_default() += units(row);
    }
    held
}

fn value<'r>(row: &'r WrittenRow, field: &str) -> Option<&'r Scalar> {
    row.fields.get(field).and_then(|WrittenField { sent, answered }| answered.as_ref().or(sent.as_ref()))
}

fn text(row: &WrittenRow, field: &str) -> Option<String> {
    match value(row, field)? {
        Scalar::Text(text) => Some(text.clone()),
        Scalar::Decimal(_) | Scalar::Int(_) | Scalar::Bool(_) => None,
    }
}

/// Whole units: what is no count holds nothing.
fn units(row: &WrittenRow) -> i64 {
    match value(row, names::BUY_QTY_DUE) {
        Some(Scalar::Decimal(units)) => units.floor().to_i64().unwrap_or(0).max(0),
        Some(Scalar::Int(units)) => (*units).max(0),
        Some(Scalar::Text(_) | Scalar::Bool(_)) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures;

    fn rules() -> Rules {
        Rules::new(fixtures::settings()).expect("legal")
    }

    #[test]
    fn an_order_takes_what_remains_and_has_open_what_its_payload_says() {
        let rules = rules();
        let mut order = fixtures::order("plain-eur");
        let site = rules.site(&order).value.to_owned();
        let line = order.lines[0].id;
        order.lines.truncate(1);
        (order.lines[0].sku, order.lines[0].current_quantity) = (Some("CUP".into()), 3);
        let of = |order: &Order, open: &[(u64, u32)]| taken(order, &open.iter().copied().collect(), &rules);
        let key = || ("CUP".to_owned(), site.clone());
        assert_eq!(of(&order, &[(line, 2)]), BTreeMap::from([(key(), Taken { units: 3, open: 2 })]));
        assert_eq!(of(&order, &[]), BTreeMap::from([(key(), Taken { units: 3, open: 0 })]), "not told");
        assert_eq!(of(&order, &[(line, 9)]), BTreeMap::from([(key(), Taken { units: 3, open: 3 })]));
        order.created_at = jiff::Timestamp::UNIX_EPOCH;
        assert_eq!(of(&order, &[(line, 2)]), BTreeMap::from([(key(), Taken { units: 2, open: 2 })]), "not ours");
        order.cancelled_at = Some(order.updated_at);
        assert_eq!(of(&order, &[(line, 2)]), BTreeMap::new());
    }
}
