//! What an order becomes when the rules were changed after it was written: only what Shopify changed travels, everything else stays
//! as the old rules made it. Changed rules reach written orders by `documents remap` alone.

use std::collections::BTreeSet;

use super::change::is_money;
use super::desired::{DesiredOrder, DesiredRow, Expect, Fields};
use super::difference::some_line;
use super::judge::conserved;
use super::read::Target;
use super::scalar::Scalar;

/// The desired order after a new version of it came in under changed rules.
///
/// `known` is what is desired so far, as the old rules made it; `before` and `after` are what today's rules make of the version
/// behind `known` and of the new one. What is equal in those two did not change in Shopify and stays as it is known: header fields one by
/// one, the address as a whole, what rows are worth together with those that stand for the same thing of Shopify's (a line, its parts and its
/// discounts), all other fields of a row one by one.
///
/// Money goes first: where the rows of two sets of rules do not sum up together, all rows are today's.
pub fn carry(known: &DesiredOrder, before: &DesiredOrder, after: &DesiredOrder) -> DesiredOrder {
    let mut carried = DesiredOrder {
        key: known.key.clone(),
        key_field: known.key_field.clone(),
        line_key_field: known.line_key_field.clone(),
        contract: chosen(&known.contract, &before.contract, &after.contract),
        header: fields(&known.header, &before.header, &after.header),
        customer: chosen(&known.customer, &before.customer, &after.customer),
        release: chosen(&known.release, &before.release, &after.release),
        address: chosen(&known.address, &before.address, &after.address),
        ..after.clone()
    };
    if (&before.lines, &before.charges, &before.expected) == (&after.lines, &after.charges, &after.expected) {
        carried.lines = known.lines.clone();
        carried.charges = known.charges.clone();
        carried.expected = known.expected.clone();
        return carried;
    }
    // Prices of another basis or currency stand beside no others.
    let basis = |order: &DesiredOrder| (order.expected.tax_included, order.expected.currency.clone());
    if basis(known) != basis(after) {
        return after.clone();
    }
    // A bundle and its components are the same goods: those of two ways to map it stand beside no others.
    if bundles(known) != bundles(before) {
        return carried;
    }
    let mut mixed = carried.clone();
    mixed.lines = rows(known, before, after, &List { of: |order| &order.lines, target: some_line() });
    mixed.charges = rows(known, before, after, &List { of: |order| &order.charges, target: Target::Charge(0) });
    if conserved(&mixed).is_ok() { mixed } else { carried }
}

/// The bundles that stand as one line.
fn bundles(order: &DesiredOrder) -> BTreeSet<String> {
    order.lines.iter().map(|line| source(&line.key)).filter(|source| source.starts_with("bundle:")).collect()
}

/// The new one where Shopify changed it, else the one that is known.
fn chosen<T: Clone + PartialEq>(known: &T, before: &T, after: &T) -> T {
    if before == after { known.clone() } else { after.clone() }
}

fn fields(known: &Fields, before: &Fields, after: &Fields) -> Fields {
    let names: BTreeSet<&String> = known.keys().chain(before.keys()).chain(after.keys()).collect();
    let value = |name: &String| {
        let of = if before.get(name) == after.get(name) { known } else { after };
        of.get(name).map(|value| (name.clone(), value.clone()))
    };
    names.into_iter().filter_map(value).collect()
}

/// The lines, or the charges, in the new version's order; what only the old rules made follows.
fn rows(known: &DesiredOrder, before: &DesiredOrder, after: &DesiredOrder, list: &List) -> Vec<DesiredRow> {
    let mut done = BTreeSet::new();
    let mut rows = Vec::new();
    for row in (list.of)(after).iter().chain((list.of)(known)) {
        let source = source(&row.key);
        if !done.insert(source.clone()) {
            continue;
        }
        let order = if money(before, &source) == money(after, &source) { known } else { after };
        let chosen = (list.of)(order).iter().filter(|row| self::source(&row.key) == source);
        rows.extend(chosen.map(|row| with_own_fields(row, known, before, after, list)));
    }
    rows
}

/// The lines, or the charges.
struct List {
    of: fn(&DesiredOrder) -> &Vec<DesiredRow>,
    /// Which kind of record they are in IFS.
    target: Target,
}

/// The row, each field that does not decide its worth taken by itself.
fn with_own_fields(
    row: &DesiredRow,
    known: &DesiredOrder,
    before: &DesiredOrder,
    after: &DesiredOrder,
    list: &List,
) -> DesiredRow {
    let find = |order| (list.of)(order).iter().find(|one| one.key == row.key);
    let (Some(known), Some(before), Some(after)) = (find(known), find(before), find(after)) else { return row.clone() };
    let is_money = |field: &String| is_money(&list.target, &row.key, field);
    let own = fields(&known.fields, &before.fields, &after.fields).into_iter().filter(|(field, _)| !is_money(field));
    let worth =
        row.fields.iter().filter(|(field, _)| is_money(field)).map(|(field, value)| (field.clone(), value.clone()));
    DesiredRow { fields: own.chain(worth).collect(), ..row.clone() }
}

/// A row's key, what it is worth, and the figures and codes that decide it.
type Worth<'a> = (&'a str, &'a Expect, Vec<(&'a String, &'a Scalar)>);

/// What the rows that stand for one thing of Shopify's are worth, and by which figures and codes.
fn money<'a>(order: &'a DesiredOrder, source: &str) -> Vec<Worth<'a>> {
    let lists = [(&order.lines, some_line()), (&order.charges, Target::Charge(0))];
    let rows = lists.iter().flat_map(|(rows, target)| rows.iter().map(move |row| (row, target)));
    rows.filter(|(row, _)| self::source(&row.key) == source)
        .map(|(row, target)| {
            let worth = row.fields.iter().filter(|(field, _)| is_money(target, &row.key, field));
            (row.key.as_str(), &row.expect, worth.collect())
        })
        .collect()
}

/// What of Shopify's a row stands for, by its key: a line or a bundle and its discounts are one; taxes as charges and rounding are the whole order's.
pub(super) fn source(key: &str) -> String {
    let (kind, rest) = key.split_once(':').unwrap_or((key, ""));
    let first = |text: &str| text.split([':', '/', '+']).next().unwrap_or(text).to_owned();
    let bundle = if kind == "bundle" { Some(rest) } else { rest.strip_prefix("bundle:") };
    if let Some(bundle) = bundle {
        return format!("bundle:{}", first(bundle));
    }
    match (kind, rest.strip_prefix("shipping:")) {
        ("line", _) | ("discount", None) => format!("line:{}", first(rest)),
        ("discount", Some(shipping)) => format!("shipping:{}", first(shipping)),
        ("duty", _) => format!("duty:{}", first(rest)),
        ("tax" | "marketplace_tax" | "rounding", _) => "order".to_owned(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Order;
    use crate::domain::personal::Personal;
    use crate::ifs::wire::names;
    use crate::mapping::fixtures::{desired_of, order, rules, settings};
    use crate::mapping::rules::settings::DiscountMode;
    use crate::mapping::rules::{MappingSettings, Rules};
    use crate::mapping::scalar::Scalar;

    /// Settings that allow for the cents that a discount of its own makes in the tax.
    fn wide() -> MappingSettings {
        MappingSettings { tax_gap_line: "0.05".into(), tax_gap_order: "0.20".into(), ..settings() }
    }

    /// The order `name` under old rules, and what becomes of it when Shopify and the rules change.
    fn carried(name: &str, rules: fn(&mut MappingSettings), shopify: fn(&mut Order)) -> (DesiredOrder, DesiredOrder) {
        let old = Rules::new(wide()).expect("legal");
        let mut changed = wide();
        rules(&mut changed);
        let new = Rules::new(changed).expect("legal");
        let version = order(name);
        let mut next = version.clone();
        shopify(&mut next);
        let known = desired_of(&version, &old);
        let carried = carry(&known, &desired_of(&version, &new), &desired_of(&next, &new));
        (known, carried)
    }

    #[test]
    fn changed_rules_alone_change_nothing() {
        let rules = |settings: &mut MappingSettings| {
            settings.discount_mode = DiscountMode::Charge;
            settings.order_type = "OTHER".into();
            settings.lead_days = 3;
            settings.charge.shipping.insert("default".into(), "OTHER".into());
        };
        for name in ["fixed-discount", "several-discounts-a-line", "shipping-several-discounted", "taxes-gst-qst"] {
            let (known, carried) = carried(name, rules, |_| ());
            assert_eq!(carried, known, "{name}");
        }
    }

    #[test]
    fn a_field_travels_when_shopify_changed_what_it_comes_from() {
        let rules = |settings: &mut MappingSettings| {
            settings.order_type = "OTHER".into();
            settings.note_template = "New: {note}".into();
        };
        let (known, carried) = carried("plain-eur", rules, |order| order.note = Personal::new("Ring once"));
        assert_eq!(carried.header.get(names::ORDER_ID), known.header.get(names::ORDER_ID));
        assert_eq!(carried.header.get(names::NOTE_TEXT), Some(&Scalar::text("New: Ring once")));
        assert_eq!((&carried.lines, &carried.charges), (&known.lines, &known.charges));
    }

    #[test]
    fn a_line_travels_with_its_discounts_and_the_others_stay() {
        use crate::mapping::summed::{figure, pair, summed};
        let rules = |settings: &mut MappingSettings| settings.discount_mode = DiscountMode::Charge;
        let (known, carried) = carried("several-discounts-a-line", rules, |order| {
            let price = order.lines[0].price.shop.amount();
            order.lines[0].price = pair(order, price + figure("1.00"));
            let nothing = pair(order, figure("0"));
            for tax in &mut order.lines[0].taxes {
                (tax.rate, tax.price) = (Some(figure("0")), nothing);
            }
            *order = summed(order.clone());
        });
        conserved(&carried).expect("its rows sum up");
        let of = |order: &DesiredOrder, source: &str| {
            let rows = order.lines.iter().chain(&order.charges).filter(|row| self::source(&row.key) == source);
            rows.cloned().collect::<Vec<_>>()
        };
        let (first, others) = known.lines.split_first().expect("it has lines");
        let source_of_first = source(&first.key);
        let discounts = of(&carried, &source_of_first).iter().filter(|row| row.key.starts_with("discount:")).count();
        assert!(discounts > 0, "the line that changed is written as today's rules say");
        for row in others {
            assert_eq!(of(&carried, &source(&row.key)), of(&known, &source(&row.key)), "{}", row.key);
        }
    }

    #[test]
    fn a_line_whose_units_change_keeps_its_part_and_its_date() {
        let rules = |settings: &mut MappingSettings| {
            settings.lead_days = 3;
            settings.sku_case = crate::mapping::rules::settings::SkuCase::Upper;
            settings.sku_map.insert("CUP-02".into(), "OTHER".into());
        };
        let (known, carried) = carried("plain-eur", rules, |order| {
            order.lines[1].current_quantity -= 1;
            *order = crate::mapping::summed::summed(order.clone());
        });
        let (was, now) = (&known.lines[1], &carried.lines[1]);
        assert_ne!(was.fields.get(names::BUY_QTY_DUE), now.fields.get(names::BUY_QTY_DUE));
        for field in [names::CATALOG_NO, names::WANTED_DELIVERY_DATE] {
            assert_eq!(was.fields.get(field), now.fields.get(field), "{field}");
        }
        assert_eq!(carried.lines[0], known.lines[0]);
        conserved(&carried).expect("its rows sum up");
    }

    #[test]
    fn rows_that_do_not_sum_up_together_are_all_todays() {
        use crate::mapping::rules::settings::TaxMode;
        let rules = |settings: &mut MappingSettings| {
            settings.tax_mode = TaxMode::AsCharge;
            settings.charge.tax = Some("TAX".into());
        };
        let shopify = |order: &mut Order| order.lines[0].current_quantity -= 1;
        let old = Rules::new(settings()).expect("legal");
        let mut changed = settings();
        rules(&mut changed);
        let new = Rules::new(changed).expect("legal");
        let version = order("plain-eur");
        let mut next = version.clone();
        shopify(&mut next);
        let next = crate::mapping::summed::summed(next);
        let after = desired_of(&next, &new);
        let carried = carry(&desired_of(&version, &old), &desired_of(&version, &new), &after);
        assert_eq!(
            (&carried.lines, &carried.charges, &carried.expected),
            (&after.lines, &after.charges, &after.expected)
        );
        conserved(&carried).expect("its rows sum up");
    }

    #[test]
    fn a_bundle_never_stands_beside_its_components() {
        use crate::mapping::fixtures::{re_read, rules_of};
        let version = re_read("bundle-package-part");
        let known = desired_of(&version, &rules());
        let before = desired_of(&version, &rules_of("bundle-package-part"));
        assert_ne!(bundles(&known), bundles(&before), "two ways to map it");
        let mut after = before.clone();
        let row = after.lines.first_mut().expect("it has lines");
        row.fields.insert(names::NOTE_TEXT.into(), Scalar::text("changed"));
        let carried = carry(&known, &before, &after);
        assert_eq!((carried.lines, carried.charges), (after.lines, after.charges));
    }

    #[test]
    fn rows_of_one_source_are_told_by_their_keys() {
        let told = |key: &str| source(key);
        assert_eq!(told("line:7"), "line:7");
        assert_eq!((told("line:7/2"), told("line:7+2")), ("line:7".to_owned(), "line:7".to_owned()));
        assert_eq!(told("discount:7:1:V19"), "line:7");
        assert_eq!(
            (told("shipping:5"), told("discount:shipping:5:1:V19")),
            ("shipping:5".to_owned(), "shipping:5".to_owned())
        );
        assert_eq!(
            (told("bundle:ab-7+2"), told("discount:bundle:ab-7:1:V19")),
            ("bundle:ab-7".into(), "bundle:ab-7".into())
        );
        assert_eq!((told("tax:MwSt:0.19"), told("rounding")), ("order".to_owned(), "order".to_owned()));
        assert_eq!(
            (told("duty:7"), told("fee:9"), told("goodwill:3")),
            ("duty:7".into(), "fee:9".into(), "goodwill:3".into())
        );
    }
}
