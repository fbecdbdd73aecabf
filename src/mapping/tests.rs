//! After the write: base, gate and merge against a small stand-in for IFS that computes as IFS documents it.

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::desired::{DesiredOrder, DesiredRow, Fields};
use super::fixtures::{desired, desired_of, order, rules, settings};
use super::gate::gate;
use super::merge::{MergePlan, PlanRules, Verdict, patch_parts, plan};
use super::price::net_price;
use super::read::{ReadOrder, Target};
use super::rules::{ConflictPolicy, Rules};
use super::scalar::Scalar;
use super::written::{WrittenOrder, link_rows};
use crate::domain::money::{Currency, Money, MoneyPair};
use crate::domain::order::Order;
use crate::ifs::wire::{Row, names};

fn json_of(fields: &Fields) -> Map<String, Value> {
    fields.iter().map(|(field, value)| (field.clone(), value.to_json())).collect()
}

fn figure(row: &Map<String, Value>, fields: [&str; 2]) -> Decimal {
    let found = fields.iter().find_map(|field| row.get(*field));
    found.and_then(crate::ifs::wire::decimal_of).expect("one of the price fields")
}

/// The rates behind a row's code, V and the percent, or behind its structure.
fn rates_of(row: &Map<String, Value>) -> Vec<Decimal> {
    match row.get(names::TAX_CODE) {
        Some(code) => vec![Decimal::new(code.as_str().expect("a code")[1..].parse().expect("V and the percent"), 2)],
        // The one structure of the fixtures; a row without either leaves its taxes to an engine, which is not asked here.
        None if row.contains_key(names::TAX_CALC_STRUCTURE_ID) => vec![Decimal::new(5, 2), Decimal::new(9975, 5)],
        None => Vec::new(),
    }
}

/// Net, tax and gross as IFS computes them for one row.
fn computed(row: &Map<String, Value>, desired: &DesiredOrder, price: Decimal, quantity: Decimal) -> [Value; 3] {
    let currency = Currency::from_code(&desired.expected.currency).expect("a real one");
    let rates = rates_of(row);
    let percent = row.get(names::DISCOUNT).and_then(crate::ifs::wire::decimal_of).unwrap_or_default();
    let amount = currency.round(price * quantity);
    let amount = amount - currency.round(amount * percent / Decimal::ONE_HUNDRED);
    let tax = super::tax::predicted(amount, &rates, desired.expected.tax_included, currency);
    let (net, gross) = if desired.expected.tax_included { (amount - tax, amount) } else { (amount, amount + tax) };
    [net, tax, gross].map(|figure| json!(figure.to_string()))
}

fn line_json(desired: &DesiredOrder, row: &DesiredRow, number: usize) -> Value {
    let mut line = json_of(&row.fields);
    let price = figure(&line, [names::SALE_UNIT_PRICE, names::UNIT_PRICE_INCL_TAX]);
    let quantity = figure(&line, [names::BUY_QTY_DUE, ""]);
    let [net, tax, gross] = computed(&line, desired, price, quantity);
    for (field, value) in [
        (names::LINE_NO, json!(number.to_string())),
        (names::REL_NO, json!("1")),
        (names::LINE_ITEM_NO, json!(0)),
        (names::ORDER_STATE, json!("Released")),
        (names::NET_AMOUNT_CURR, net),
        (names::TAX_AMOUNT_CURR, tax),
        (names::GROSS_AMOUNT_CURR, gross),
    ] {
        line.insert(field.into(), value);
    }
    Value::Object(line)
}

fn charge_json(desired: &DesiredOrder, row: &DesiredRow, number: usize) -> Value {
    let mut charge = json_of(&row.fields);
    let price = figure(&charge, [names::CHARGE_AMOUNT, names::CHARGE_AMOUNT_INCL_TAX]);
    let [net, tax, gross] = computed(&charge, desired, price, Decimal::ONE);
    for (field, value) in [
        (names::SEQUENCE_NO, json!(number)),
        (names::NET_AMT_CURR, net),
        (names::TAX_AMOUNT_CURRENCY, tax),
        (names::GROSS_AMT_CURR, gross),
    ] {
        charge.insert(field.into(), value);
    }
    Value::Object(charge)
}

/// The order as IFS answers it once it was made as desired. Rows come in another sequence than they were sent.
pub(super) fn answered(desired: &DesiredOrder) -> ReadOrder {
    let mut header = json_of(&desired.header);
    header.insert("OrderNo".into(), json!("1001"));
    header.insert("Objstate".into(), json!("Planned"));
    header.insert("PayTermId".into(), json!("30"));
    header.insert("@odata.etag".into(), json!("W/\"h1\""));
    let lines: Vec<Value> =
        desired.lines.iter().enumerate().map(|(index, row)| line_json(desired, row, index + 1)).rev().collect();
    let charges: Vec<Value> =
        desired.charges.iter().enumerate().map(|(index, row)| charge_json(desired, row, index + 1)).collect();
    let address = desired.address.as_ref().map(|address| Value::Object(json_of(address)));
    let (lines, charges) = (json!({ "value": lines }), json!({ "value": charges }));
    ReadOrder::parse(&Value::Object(header), &lines, &charges, address.as_ref()).expect("the shapes are right")
}

pub(super) fn base(desired: &DesiredOrder) -> WrittenOrder {
    link_rows(desired, &answered(desired)).expect("every row is there")
}

pub(super) fn set(read: &mut ReadOrder, target: &Target, field: &str, value: Value) {
    let mut row = read.row(target).expect("it is there").clone();
    row.fields.insert(field.into(), value);
    read.absorb(target, row);
}

fn first_line() -> Target {
    Target::Line(crate::ifs::wire::key::LineKey { line_no: "1".into(), rel_no: "1".into(), line_item_no: 0 })
}

/// The plain order with one cup less, as Shopify would tell it.
fn one_cup_less() -> DesiredOrder {
    let mut order = order("plain-eur");
    let pair = |amount: &str| {
        let money = Money::new(Decimal::from_str_exact(amount).expect("a figure"), order.currency);
        MoneyPair { shop: money, presentment: money }
    };
    let (subtotal, tax, total) = (pair("1409.97"), pair("268.82"), pair("1683.69"));
    order.lines[1].current_quantity = 1;
    (order.totals.current_subtotal, order.totals.current_tax, order.totals.current_total) = (subtotal, tax, total);
    desired_of(&order, &rules())
}

#[test]
fn the_gate_passes_what_ifs_made_as_it_was_sent() {
    for name in ["plain-eur", "sek-included", "edited-down", "jpy-included"] {
        let desired = desired_of(&order(name), &rules());
        assert_eq!(gate(&desired, &answered(&desired), &rules()), [], "{name}");
    }
}

#[test]
fn the_gate_names_whatever_ifs_did_otherwise() {
    let desired = desired();
    type Case<'a> = (&'a str, &'a dyn Fn(&mut ReadOrder));
    let cases: [Case<'_>; 6] = [
        ("CurrencyCode", &|read| set(read, &Target::Header, "CurrencyCode", json!("SEK"))),
        ("line:487817672276298001 BuyQtyDue", &|read| set(read, &first_line(), "BuyQtyDue", json!("4"))),
        ("line:487817672276298001 amount", &|read| set(read, &first_line(), "NetAmountCurr", json!("1399.98"))),
        ("line:487817672276298001 tax", &|read| set(read, &first_line(), "TaxAmountCurr", json!("0"))),
        ("order total", &|read| set(read, &first_line(), "GrossAmountCurr", json!("1.00"))),
        ("foreign row", &|read| {
            let mut foreign = read.charges[0].clone();
            foreign.fields.insert("SequenceNo".into(), json!(9));
            read.charges.push(foreign);
        }),
    ];
    for (component, change) in cases {
        let mut read = answered(&desired);
        change(&mut read);
        let gaps = gate(&desired, &read, &rules());
        assert!(gaps.iter().any(|gap| gap.component == component), "{component} is not among {gaps:?}");
    }
    let mut short = answered(&desired);
    short.lines.pop();
    let gaps = gate(&desired, &short, &rules());
    assert!(gaps.iter().any(|gap| gap.component.ends_with(" row")), "{gaps:?}");
    assert_eq!(link_rows(&desired, &short).expect_err("a row is missing").missing.len(), 1);
}

#[test]
fn a_found_order_is_adopted_only_where_it_fits() {
    let desired = desired();
    let mut read = answered(&desired);
    assert_eq!(super::written::fits(&desired, &read.header), []);
    set(&mut read, &Target::Header, "CustomerNo", json!("OTHER"));
    set(&mut read, &Target::Header, "Objstate", json!("Cancelled"));
    let gaps = super::written::fits(&desired, &read.header);
    let components: Vec<&str> = gaps.iter().map(|gap| gap.component.as_str()).collect();
    assert_eq!(components, ["CustomerNo", "Objstate"]);
}

#[test]
fn rows_without_a_key_field_are_linked_by_content() {
    let mut without = settings();
    without.line_key_field = String::new();
    let rules = Rules::new(without).expect("legal");
    let desired = desired_of(&order("plain-eur"), &rules);
    assert_eq!(desired.line_key_field, None);
    let written = link_rows(&desired, &answered(&desired)).expect("content is enough");
    let first = written.rows.iter().find(|row| row.key == "line:487817672276298001").expect("linked");
    assert_eq!(first.target, first_line());
}

fn merged(desired: &DesiredOrder, read: &ReadOrder, policy: ConflictPolicy) -> MergePlan {
    plan(&base(&super::fixtures::desired()), desired, read, PlanRules::with_policy(policy))
}

#[test]
fn only_what_shopify_changed_is_patched_and_only_with_an_etag_of_its_own() {
    let wanted = one_cup_less();
    let mut read = answered(&desired());
    let first = merged(&wanted, &read, ConflictPolicy::Park);
    assert_eq!(first.verdict(), Verdict::Steps);
    assert!(patch_parts(&first).is_err(), "a list's ETag is not trusted");
    let reads = first.key_reads();
    assert_eq!(reads.len(), 1);
    let (target, part) = &reads[0];
    assert!(part.url.ends_with("/OrderLinesArray(OrderNo='1001',LineNo='2',RelNo='1',LineItemNo=0)"));

    let mut fresh = read.row(target).expect("there").clone();
    fresh.etag = Some("W/\"l2\"".into());
    read.absorb(target, fresh);
    let second = merged(&wanted, &read, ConflictPolicy::Park);
    let parts = patch_parts(&second).expect("the ETag is known now");
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0].if_match.as_deref(), Some("W/\"l2\""));
    assert_eq!(parts[0].body, Some(json!({ "BuyQtyDue": "1" })));

    // Written: the base moves, and nothing is left to do.
    let now = answered(&wanted);
    let after = base(&desired()).after(&second, &now);
    assert!(plan(&after, &wanted, &now, PlanRules::with_policy(ConflictPolicy::Park)).nothing_to_do());
}

#[test]
fn a_persons_field_survives_and_is_no_reason_to_write() {
    let mut read = answered(&desired());
    set(&mut read, &Target::Header, "NoteText", json!("call first"));
    assert_eq!(merged(&desired(), &read, ConflictPolicy::ShopifyWins).verdict(), Verdict::Nothing);
    // Shopify's own change beside it does not touch it.
    let beside = merged(&one_cup_less(), &read, ConflictPolicy::Park);
    assert_eq!(beside.patches.len(), 1);
    let after = base(&desired()).after(&beside, &read);
    assert_eq!(after.header["NoteText"], base(&desired()).header["NoteText"]);
}

#[test]
fn two_who_changed_one_field_meet_the_policy() {
    let wanted = one_cup_less();
    let line =
        Target::Line(crate::ifs::wire::key::LineKey { line_no: "2".into(), rel_no: "1".into(), line_item_no: 0 });
    let mut read = answered(&desired());
    set(&mut read, &line, "BuyQtyDue", json!("5"));
    let parked = merged(&wanted, &read, ConflictPolicy::Park);
    assert_eq!(parked.conflicts.len(), 1);
    assert!(matches!(parked.verdict(), Verdict::Park(reason) if reason.code == "both_sides_changed"));

    let yielded = merged(&wanted, &read, ConflictPolicy::IfsWins);
    assert_eq!(yielded.verdict(), Verdict::Nothing);
    let after = base(&desired()).after(&yielded, &read);
    assert!(plan(&after, &wanted, &read, PlanRules::with_policy(ConflictPolicy::Park)).nothing_to_do());

    assert_eq!(merged(&wanted, &read, ConflictPolicy::ShopifyWins).verdict(), Verdict::Steps);
    // The same wish of both is no conflict.
    set(&mut read, &line, "BuyQtyDue", json!(1));
    assert_eq!(merged(&wanted, &read, ConflictPolicy::Park).verdict(), Verdict::Nothing);
}

#[test]
fn what_is_gone_and_what_is_not_written_again_park_the_whole_change() {
    let code = |verdict: Verdict| match verdict {
        Verdict::Park(reason) => reason.code,
        other => panic!("it should park, but: {other:?}"),
    };
    let read = answered(&desired());
    let mut other = one_cup_less();
    other.header.insert("OrderId".into(), Scalar::text("ELSE"));
    assert_eq!(code(merged(&other, &read, ConflictPolicy::Park).verdict()), "not_amendable");
    let mut other = one_cup_less();
    other.header.insert("CustomerNo".into(), Scalar::text("ELSE"));
    assert_eq!(code(merged(&other, &read, ConflictPolicy::Park).verdict()), "state_forbids_change");
    let mut gone = answered(&desired());
    gone.lines.pop();
    assert_eq!(code(merged(&one_cup_less(), &gone, ConflictPolicy::IfsWins).verdict()), "row_gone_in_ifs");
    let mut picked = answered(&desired());
    set(&mut picked, &Target::Header, "Objstate", json!("Picked"));
    assert_eq!(code(merged(&one_cup_less(), &picked, ConflictPolicy::Park).verdict()), "state_forbids_change");
    assert_eq!(merged(&desired(), &picked, ConflictPolicy::Park).verdict(), Verdict::Nothing);
}

#[test]
fn under_new_rules_only_what_shopify_changed_travels() {
    let mut changed = settings();
    changed.note_template = "{name}: {note}".into();
    changed.delivery_terms = "DAP".into();
    let rules = Rules::new(changed).expect("legal");
    let before = desired_of(&order("plain-eur"), &rules);
    let read = answered(&desired());
    let base = base(&desired());
    let carried = super::carry::carry(&desired(), &before, &before);
    assert!(plan(&base, &carried, &read, PlanRules::with_policy(ConflictPolicy::Park)).nothing_to_do());
    assert!(!plan(&base, &before, &read, PlanRules::with_policy(ConflictPolicy::Park)).nothing_to_do());
}

#[test]
fn a_default_that_ifs_filled_in_is_nobodys_change() {
    // IFS answered PayTermId 30 where nothing was sent; later the order is paid and we ask for 0.
    let mut prepaid = settings();
    prepaid.pay_term_prepaid = "0".into();
    let wanted = desired_of(&order("plain-eur"), &Rules::new(prepaid).expect("legal"));
    let planned = merged(&wanted, &answered(&desired()), ConflictPolicy::Park);
    assert_eq!(planned.conflicts, []);
    assert_eq!(planned.patches[0].fields.get("PayTermId"), Some(&Scalar::text("0")));
}

#[test]
fn what_is_stored_reads_back_the_same() {
    let desired = desired();
    let stored = serde_json::to_string(&desired).expect("plain data");
    let back: DesiredOrder = serde_json::from_str(&stored).expect("what we wrote");
    assert_eq!((back.digest(), &back), (desired.digest(), &desired));
    let base = base(&desired);
    let stored = serde_json::to_string(&base).expect("plain data");
    assert_eq!(serde_json::from_str::<WrittenOrder>(&stored).expect("what we wrote"), base);
}

/// An order of random lines, shipping and an order-wide discount, its sums as Shopify makes them.
fn random_order(lines: &[(u32, u32, u32)], shipping: u32, percent: u32, included: bool) -> Order {
    let mut order = order("plain-eur");
    let currency = order.currency;
    let pair = |cents: Decimal| {
        let money = Money::new(cents, currency);
        MoneyPair { shop: money, presentment: money }
    };
    let rate = Decimal::new(19, 2);
    let tax_of = |amount: Decimal| super::tax::predicted(amount, &[rate], included, currency);
    let template = order.lines[0].clone();
    let (mut goods, mut off, mut tax) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    order.lines = lines
        .iter()
        .zip(1..)
        .map(|(&(quantity, cents, _), id)| {
            let price = Decimal::new(cents.into(), 2);
            let gross = price * Decimal::from(quantity);
            let share = currency.round(gross * Decimal::new(percent.into(), 2));
            let mut line = template.clone();
            (line.id, line.quantity, line.current_quantity, line.price) = (id, quantity, quantity, pair(price));
            line.allocations[0].amount = pair(share);
            line.taxes[0].price = pair(tax_of(gross - share));
            goods += gross;
            off += share;
            tax += tax_of(gross - share);
            line
        })
        .collect();
    let ship = Decimal::new(shipping.into(), 2);
    let line = &mut order.shipping_lines[0];
    (line.price, line.discounted, line.taxes[0].price) = (pair(ship), pair(ship), pair(tax_of(ship)));
    tax += tax_of(ship);
    let total = goods - off + ship + if included { Decimal::ZERO } else { tax };
    order.taxes_included = included;
    let totals = &mut order.totals;
    totals.line_items = Some(pair(goods));
    (totals.discounts, totals.subtotal, totals.shipping) = (pair(off), pair(goods - off), pair(ship));
    (totals.tax, totals.total) = (pair(tax), pair(total));
    (totals.current_subtotal, totals.current_tax, totals.current_total) = (pair(goods - off), pair(tax), pair(total));
    order
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn money_is_conserved_and_a_converged_order_is_left_alone(
        lines in prop::collection::vec((1_u32..500, 0_u32..1_000_000, 0_u32..1), 1..12),
        shipping in 0_u32..10_000,
        percent in 0_u32..=100,
        included in any::<bool>(),
    ) {
        let order = random_order(&lines, shipping, percent, included);
        let desired = desired_of(&order, &rules());
        // 1. What IFS computes from what is written is Shopify's own total, component by component.
        let read = answered(&desired);
        prop_assert_eq!(gate(&desired, &read, &rules()), vec![]);
        for (row, line) in desired.lines.iter().zip(&order.lines) {
            let worth = row.expect.amount;
            prop_assert!(net_price(worth, line.quantity, 2, 8).is_ok());
        }
        // 2. The plan of a converged pair is empty, whatever the policy.
        let base = link_rows(&desired, &read).expect("every row is there");
        for policy in [ConflictPolicy::Park, ConflictPolicy::IfsWins, ConflictPolicy::ShopifyWins] {
            prop_assert!(plan(&base, &desired, &read, PlanRules::with_policy(policy)).nothing_to_do());
        }
    }
}

#[test]
fn an_answer_without_an_order_number_is_no_order() {
    let nothing = json!({ "value": [] });
    assert!(ReadOrder::parse(&json!({}), &nothing, &nothing, None).is_err());
    assert!(Row::list_from_json(&json!([])).is_err());
}
