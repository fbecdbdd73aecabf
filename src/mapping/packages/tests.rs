//! Bundles as one line: what they are worth, how many are left, and what parks.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::desired::{DesiredOrder, DesiredRow};
use super::super::explain::explain;
use super::super::fixtures::{desired_of, order, re_read, rules, rules_of};
use super::super::gate::gate;
use super::super::judge::{Judgement, judge};
use super::super::merge::{PlanRules, Verdict, plan, removals_of_rest};
use super::super::read::{ReadOrder, Target, target_of};
use super::super::row_create::RowAnnounced;
use super::super::rules::{ConflictPolicy, Rules};
use super::super::scalar::Scalar;
use super::super::summed::{figure, summed};
use super::super::tests::{answered, set};
use super::super::written::link_rows;
use crate::domain::order::{LineKind, Order};
use crate::ifs::wire::key::LineKey;
use crate::ifs::wire::{Row, names};

const BUNDLE: &str = "bundle:718360047952892901";

/// The fixture's rules; units that were taken away may leave a cent of tax that rounds otherwise.
fn packing() -> Rules {
    let mut settings = rules_of("bundle-package-part").settings().clone();
    (settings.tax_gap_line, settings.tax_gap_order) = ("0.02".into(), "0.02".into());
    Rules::new(settings).expect("legal")
}

/// The fixture's order: two sets of one cup, one saucer and two spoons each, and a mug.
fn sold() -> Order {
    re_read("bundle-package-part")
}

/// With so many units of cup, saucer and spoon left.
fn left(units: [u32; 3]) -> Order {
    let mut order = sold();
    for (line, units) in order.lines.iter_mut().zip(units) {
        line.current_quantity = units;
    }
    summed(order)
}

fn with_count(mut order: Order, count: u32) -> Order {
    order.lines.iter_mut().filter_map(|line| line.group.as_mut()).for_each(|group| group.quantity = count);
    order
}

fn row(desired: &DesiredOrder) -> Option<&DesiredRow> {
    desired.lines.iter().find(|row| row.key == BUNDLE)
}

fn units_of(order: &Order) -> Option<String> {
    let desired = desired_of(order, &packing());
    row(&desired).and_then(|row| row.fields.get(names::BUY_QTY_DUE)).map(ToString::to_string)
}

fn parked(order: &Order) -> (&'static str, String) {
    match judge(order, &packing(), jiff::Timestamp::UNIX_EPOCH) {
        Judgement::Park(reason) => (reason.code, reason.text),
        other => panic!("it should park, but: {other:?}"),
    }
}

#[test]
fn a_bundle_is_one_line_that_is_worth_its_components_to_the_cent() {
    let desired = desired_of(&sold(), &packing());
    assert_eq!(desired.lines.len(), 2, "the set and the mug");
    let row = row(&desired).expect("the set");
    let field = |name: &str| row.fields.get(name).map(ToString::to_string).unwrap_or_default();
    assert_eq!((field(names::CATALOG_NO), field(names::BUY_QTY_DUE)), ("TEA-SET".into(), "2".into()));
    assert_eq!((field(names::SALE_UNIT_PRICE), field(names::TAX_CODE)), ("17.98".into(), "V19".into()));
    assert_eq!(field(names::CUSTOMER_PO_LINE_NO), "718360047952892901");
    assert_eq!(field(names::NOTE_TEXT), "List price 19.98 EUR; TEA4 -4.00 EUR");
    assert_eq!((row.expect.amount, row.expect.tax), (figure("35.96"), figure("6.83")));
    // As components it is the same money.
    let apart = desired_of(&sold(), &rules());
    assert_eq!(apart.lines.len(), 4);
    assert_eq!((apart.expected.total, apart.expected.tax), (desired.expected.total, desired.expected.tax));
}

#[test]
fn a_bundle_of_which_some_are_gone_is_fewer_bundles() {
    assert_eq!(units_of(&left([1, 1, 2])).as_deref(), Some("1"));
    // Shopify may count what is left instead of what was placed.
    assert_eq!(units_of(&with_count(left([1, 1, 2]), 1)).as_deref(), Some("1"));
    assert_eq!(units_of(&left([0, 0, 0])), None, "the whole of it is gone");
}

#[test]
fn a_bundle_that_is_not_whole_parks_and_names_what_is_left() {
    for units in [[2, 2, 3], [2, 0, 4], [1, 2, 4]] {
        let (code, text) = parked(&left(units));
        assert_eq!(code, "bundle_not_whole", "{units:?}");
        assert!(text.contains("line 718360047952892202") && text.contains("Tea set"), "{text}");
    }
    assert_eq!(parked(&with_count(sold(), 3)).0, "bundle_not_whole");
    assert_eq!(parked(&with_count(sold(), 0)).0, "bundle_not_whole");
}

#[test]
fn a_count_that_can_mean_two_things_parks() {
    // Four of each: two sets of two of which one is left, or two of four sets of one.
    let mut order = left([2, 2, 2]);
    order.lines.iter_mut().take(3).for_each(|line| line.quantity = 4);
    let (code, text) = parked(&summed(order));
    assert_eq!(code, "bundle_count_unclear");
    assert!(text.contains("1 or 2 are left"), "{text}");
}

#[test]
fn components_that_are_taxed_apart_park_but_one_that_is_free_does_not() {
    let mut order = sold();
    order.lines[1].taxes[0].rate = Some(figure("0.07"));
    assert_eq!(parked(&order).0, "bundle_taxed_apart");
    let mut free = sold();
    free.lines[1].price = free.lines[1].allocations[0].amount;
    free.lines[1].quantity = 2;
    free.lines[1].allocations[0].amount = super::plus(free.lines[1].price, free.lines[1].price);
    free.lines[1].taxes.clear();
    let desired = desired_of(&summed(free), &packing());
    assert_eq!(row(&desired).expect("the set").expect.amount, figure("28.76"));
}

#[test]
fn a_bundle_without_a_part_of_its_own_parks_and_never_becomes_the_part_for_many_things() {
    let without_sku = |mut order: Order| {
        order.lines.iter_mut().filter_map(|line| line.group.as_mut()).for_each(|group| group.sku = None);
        order
    };
    let (code, text) = parked(&without_sku(sold()));
    assert_eq!(code, "bundle_without_sku");
    assert!(text.contains("variant_map.\"718360047952890890\""), "{text}");
    let mut settings = packing().settings().clone();
    settings.default_part = Some("DEFAULT-PART".into());
    let many = Rules::new(settings.clone()).expect("legal");
    assert!(matches!(judge(&without_sku(sold()), &many, jiff::Timestamp::UNIX_EPOCH), Judgement::Park(_)));
    settings.variant_map.insert("718360047952890890".into(), "SET-9".into());
    let mapped = Rules::new(settings).expect("legal");
    let desired = desired_of(&without_sku(sold()), &mapped);
    assert_eq!(row(&desired).expect("the set").fields.get(names::CATALOG_NO), Some(&Scalar::text("SET-9")));
}

#[test]
fn a_gift_card_in_a_bundle_parks() {
    let mut order = sold();
    order.lines[2].kind = LineKind::GiftCard;
    assert_eq!(parked(&order).0, "bundle_with_gift_card");
}

#[test]
fn the_webhook_tells_that_there_is_a_bundle_and_the_re_read_which() {
    let told = order("bundle-package-part");
    assert!(told.lacks_facts(packing().needs()), "so it is read again");
    assert!(!told.lacks_facts(rules().needs()), "not where components are wanted");
    assert_eq!(parked(&told).0, "bundle_not_told");
    assert!(!sold().lacks_facts(packing().needs()));
    // No line of any bundle: the webhook says so, and nothing is asked.
    let plain = order("fixed-discount");
    assert!(!plain.lacks_facts(packing().needs()));
    assert_eq!(desired_of(&plain, &packing()).lines.len(), 1);
    // A webhook of an older version says nothing.
    assert!(order("plain-eur").lacks_facts(packing().needs()));
    // As does a snapshot of an older query.
    let body = super::super::fixtures::graphql("bundle-components");
    assert!(!body.contains("lineItemGroup") && re_read("bundle-components").lacks_facts(packing().needs()));
}

#[test]
fn the_choice_of_a_bundles_part_is_explained() {
    let items = explain(&sold(), &packing());
    let part = items.iter().find(|item| item.what == format!("{BUNDLE} CatalogNo")).expect("the bundle");
    assert_eq!((part.value.as_deref(), part.because.as_str()), (Some("TEA-SET"), "the bundle's SKU"));
    assert!(!items.iter().any(|item| item.what.starts_with("line:718360047952892202")));
}

/// What IFS answers: the package's own line with number -1, and its components behind it.
fn exploded(desired: &DesiredOrder, of_component: Value) -> ReadOrder {
    let mut read = answered(desired);
    let lines: Vec<Value> =
        read.lines.iter().map(|row| Value::Object(row.fields.clone().into_iter().collect())).collect();
    let mut told = Vec::new();
    for mut line in lines {
        if line["CatalogNo"] == "TEA-SET" {
            line["LineItemNo"] = json!(-1);
            for (item, (part, each)) in [("CUP-01", 1), ("SPOON-01", 2)].into_iter().enumerate() {
                let mut component = line.clone();
                component["LineItemNo"] = json!(item + 1);
                component["CatalogNo"] = json!(part);
                component["BuyQtyDue"] = json!(2 * each);
                for (field, value) in of_component.as_object().into_iter().flatten() {
                    component[field] = value.clone();
                }
                told.push(component);
            }
        }
        told.push(line);
    }
    let header = Value::Object(read.header.fields.clone().into_iter().collect());
    let charges: Vec<Value> =
        read.charges.iter().map(|row| Value::Object(row.fields.clone().into_iter().collect())).collect();
    let address = read.address.take().map(|row| Value::Object(row.fields.into_iter().collect()));
    ReadOrder::parse(&header, &json!({ "value": told }), &json!({ "value": charges }), address.as_ref())
        .expect("parses")
}

fn package() -> Target {
    Target::Line(LineKey { line_no: "1".into(), rel_no: "1".into(), line_item_no: -1 })
}

#[test]
fn the_components_that_ifs_adds_are_neither_foreign_nor_money() {
    let desired = desired_of(&sold(), &packing());
    // They carry our key and amounts of their own, as they may.
    let read = exploded(&desired, json!({}));
    assert_eq!(read.components.len(), 2);
    assert_eq!(gate(&desired, &read, &packing()), vec![]);
    let base = link_rows(&desired, &read).expect("every row is there");
    assert!(base.rows.iter().any(|row| row.key == BUNDLE && row.target == package()));
    let plan = plan(&base, &desired, &read, PlanRules::with_policy(ConflictPolicy::Park));
    assert!(plan.nothing_to_do(), "{plan:?}");
    // A new row of ours is never taken for a component of its own package.
    let wanted = row(&desired).expect("the set");
    let mut before = read.clone();
    (before.lines, before.components) = (Vec::new(), Vec::new());
    let announced = RowAnnounced::new("1001", wanted, Some(names::CUSTOMER_PO_LINE_NO), &before);
    let nothing = super::super::written::WrittenOrder::linked("1001");
    let made: Vec<Target> = announced.made(&nothing, &read).into_iter().map(|(target, _)| target).collect();
    assert_eq!(made, [package()]);
}

#[test]
fn a_component_without_its_package_is_a_foreign_row() {
    let desired = desired_of(&sold(), &packing());
    let mut read = exploded(&desired, json!({}));
    let stray = read.components.remove(0);
    let told = |fields: &[(&str, Value)]| {
        let mut row = stray.clone();
        fields.iter().for_each(|(field, value)| drop(row.fields.insert((*field).into(), value.clone())));
        Value::Object(row.fields.into_iter().collect())
    };
    let whole = |line: Value| {
        let header = Value::Object(read.header.fields.clone().into_iter().collect());
        ReadOrder::parse(&header, &json!({ "value": [line] }), &json!({ "value": [] }), None).expect("parses")
    };
    let alone = whole(told(&[(names::LINE_NO, json!("9"))]));
    assert_eq!((alone.lines.len(), alone.components.len()), (1, 0));
}

#[test]
fn units_that_are_taken_of_components_alone_count_for_their_package() {
    let desired = desired_of(&sold(), &packing());
    let fewer = desired_of(&left([1, 1, 2]), &packing());
    let without = desired_of(&left([0, 0, 0]), &packing());
    let code = |wanted: &DesiredOrder, of_component: Value, state: &str| {
        let base = link_rows(&desired, &exploded(&desired, json!({}))).expect("every row is there");
        let mut read = exploded(&desired, of_component);
        set(&mut read, &Target::Header, names::OBJSTATE, json!(state));
        let plan = plan(&base, wanted, &read, PlanRules::with_policy(ConflictPolicy::Park));
        let rest = removals_of_rest(&base, &read).iter().any(|removal| removal.target == package());
        let code = match plan.verdict() {
            Verdict::Park(reason) => reason.code,
            Verdict::Nothing => "nothing",
            Verdict::Steps => "steps",
        };
        (code, rest)
    };
    assert_eq!(code(&fewer, json!({}), "Released"), ("steps", true));
    // One cup of two: one set. Three spoons of four: two sets.
    assert_eq!(code(&fewer, json!({ "QtyAssigned": 1 }), "Reserved"), ("steps", false));
    assert_eq!(code(&fewer, json!({ "QtyAssigned": 3 }), "Reserved").0, "units_under_way");
    assert_eq!(code(&without, json!({ "QtyShipped": 1 }), "Released").0, "units_under_way");
    assert_eq!(code(&without, json!({}), "Released").0, "steps");
}

#[test]
fn the_row_that_a_package_became_is_found_by_its_key() {
    let desired = desired_of(&sold(), &packing());
    let read = exploded(&desired, json!({}));
    let found: Vec<Option<Target>> = read.lines.iter().map(target_of).collect();
    assert!(found.contains(&Some(package())));
    assert_eq!(read.lines.iter().map(Row::clone).filter(|row| row.int(names::LINE_ITEM_NO) == Some(1)).count(), 0);
    assert_eq!(read.components.iter().filter_map(|row| row.decimal(names::BUY_QTY_DUE)).sum::<Decimal>(), figure("6"));
}
