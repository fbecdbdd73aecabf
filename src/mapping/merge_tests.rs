//! Plans of changes after the write: what each kind of change comes to in each state, and what stops a plan. Test code only.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::desired::{DesiredOrder, DesiredRow, Expect};
use super::fixtures::desired;
use super::merge::{MergePlan, PlanRules, Verdict, conflicts, plan, removals_of_rest};
use super::read::{ReadOrder, Target};
use super::row_create::{RowAnnounced, is_charge, unlinked};
use super::rules::ConflictPolicy;
use super::rules::conflicts::{ConflictPolicies, ConflictSettings, FieldGroup};
use super::rules::updates::{Action, Change, Stage, UpdateTable};
use super::scalar::Scalar;
use super::tests::{answered, base, set};
use crate::ifs::wire::key::LineKey;
use crate::ifs::wire::names;

fn line(number: &str) -> Target {
    Target::Line(LineKey { line_no: number.into(), rel_no: "1".into(), line_item_no: 0 })
}

fn in_state(desired: &DesiredOrder, objstate: &str) -> ReadOrder {
    let mut read = answered(desired);
    set(&mut read, &Target::Header, names::OBJSTATE, json!(objstate));
    read
}

fn planned(wanted: &DesiredOrder, read: &ReadOrder) -> MergePlan {
    plan(&base(&desired()), wanted, read, PlanRules::with_policy(ConflictPolicy::Park))
}

fn code(plan: &MergePlan) -> &'static str {
    match plan.verdict() {
        Verdict::Park(reason) => reason.code,
        Verdict::Nothing => "nothing",
        Verdict::Steps => "steps",
    }
}

fn put(fields: &mut super::desired::Fields, field: &str, figure: &str) {
    let figure = Decimal::from_str_exact(figure).expect("a figure");
    fields.insert(field.to_owned(), Scalar::decimal(figure));
}

fn goodwill() -> DesiredRow {
    let mut row = desired().charges[0].clone();
    row.key = "goodwill:9".into();
    row.fields.insert(names::CHARGE_TYPE.into(), Scalar::text("GOODWILL"));
    put(&mut row.fields, names::CHARGE_AMOUNT, "-2");
    row.expect = Expect { amount: Decimal::new(-2, 0), tax: Decimal::ZERO };
    row
}

/// The plain order after one change of each kind but the cancellation, which is no plan.
fn changed(change: Change) -> Option<DesiredOrder> {
    let mut wanted = desired();
    match change {
        Change::QuantityUp => {
            put(&mut wanted.lines[1].fields, names::BUY_QTY_DUE, "3");
            wanted.lines[1].expect = Expect { amount: Decimal::new(30, 0), tax: Decimal::new(570, 2) };
        }
        Change::QuantityDown => put(&mut wanted.lines[1].fields, names::BUY_QTY_DUE, "1"),
        Change::NewLine => {
            let mut row = wanted.lines[0].clone();
            row.key = "line:9".into();
            row.fields.insert(names::CUSTOMER_PO_LINE_NO.into(), Scalar::text("9"));
            wanted.lines.push(row);
        }
        Change::LineRemoved => drop(wanted.lines.pop()),
        Change::Price => put(&mut wanted.lines[1].fields, names::SALE_UNIT_PRICE, "9"),
        Change::Charge => put(&mut wanted.charges[0].fields, names::CHARGE_AMOUNT, "9"),
        Change::Goodwill => wanted.charges.push(goodwill()),
        Change::DeliveryAddress => {
            drop(wanted.address.as_mut()?.insert(names::ADDRESS1.into(), Scalar::text("Nebenweg 3")));
        }
        Change::Customer => drop(wanted.header.insert(names::CUSTOMER_NO.into(), Scalar::text("OTHER"))),
        Change::Note => drop(wanted.header.insert(names::NOTE_TEXT.into(), Scalar::text("ring twice"))),
        Change::Paid => wanted.release = true,
        Change::CancelOrder => return None,
    }
    Some(wanted)
}

const STATES: [(Stage, &str); 9] = [
    (Stage::Planned, "Planned"),
    (Stage::Released, "Released"),
    (Stage::Reserved, "Reserved"),
    (Stage::Picked, "Picked"),
    (Stage::PartiallyDelivered, "PartiallyDelivered"),
    (Stage::Delivered, "Delivered"),
    (Stage::Invoiced, "Closed"),
    (Stage::Cancelled, "Cancelled"),
    (Stage::Blocked, "Blocked"),
];

#[test]
fn every_cell_of_the_table_is_what_a_plan_comes_to() {
    let table = UpdateTable::default();
    for change in Change::ALL {
        let Some(wanted) = changed(change) else { continue };
        for (stage, objstate) in STATES {
            let plan = planned(&wanted, &in_state(&desired(), objstate));
            let shape = (plan.patches.len(), plan.creates.len(), plan.removals.len(), plan.release);
            let expected = match (table.cell(change, stage), change) {
                (Action::Amend, _) => ("steps", (1, 0, 0, None)),
                (Action::NewRow, _) => ("steps", (0, 1, 0, None)),
                (Action::CancelRow, _) => ("steps", (0, 0, 1, None)),
                (Action::Credit, _) => ("credit_needed", (0, 0, 0, None)),
                (Action::SecondOrder, _) => ("late_addition", (0, 0, 0, None)),
                (Action::Park, _) => ("state_forbids_change", (0, 0, 0, None)),
                (action, Change::Paid) => ("nothing", (0, 0, 0, Some(action))),
                (Action::Nothing, _) => {
                    assert_eq!(plan.passed.len(), 1, "{change:?} {stage:?}: {:?}", plan.passed);
                    ("nothing", (0, 0, 0, None))
                }
                (other, _) => panic!("{other:?} stands in no cell of {change:?}"),
            };
            assert_eq!((code(&plan), shape), expected, "{change:?} in {stage:?}: {:?}", plan.verdict());
        }
    }
}

#[test]
fn goodwill_that_a_later_refund_took_back_shrinks_or_goes_until_it_is_invoiced() {
    let mut given = desired();
    given.charges.push(goodwill());
    let plan_of = |wanted: &DesiredOrder, objstate: &str| {
        let read = in_state(&given, objstate);
        plan(&base(&given), wanted, &read, PlanRules::with_policy(ConflictPolicy::Park))
    };
    let mut less = given.clone();
    let row = less.charges.last_mut().expect("the goodwill");
    put(&mut row.fields, names::CHARGE_AMOUNT, "-1");
    for (state, expected) in [("Planned", "steps"), ("Reserved", "steps"), ("Closed", "credit_needed")] {
        let (shrunk, gone) = (plan_of(&less, state), plan_of(&desired(), state));
        assert_eq!((code(&shrunk), code(&gone)), (expected, expected), "{state}");
        let taken = usize::from(expected == "steps");
        assert_eq!((shrunk.patches.len(), gone.removals.len()), (taken, taken), "{state}");
    }
}

#[test]
fn a_state_that_nobody_heard_of_is_a_persons() {
    for change in Change::ALL {
        let Some(wanted) = changed(change) else { continue };
        let plan = planned(&wanted, &in_state(&desired(), "Quarantined"));
        assert_eq!(code(&plan), "state_forbids_change", "{change:?}");
    }
}

#[test]
fn units_that_are_reserved_delivered_or_invoiced_hold_a_line() {
    let with = |state: &str, fields: &[(&str, &str)]| {
        let mut read = in_state(&desired(), state);
        for (field, figure) in fields {
            set(&mut read, &line("2"), field, json!(figure));
        }
        read
    };
    let fewer = changed(Change::QuantityDown).expect("a change");
    let without = changed(Change::LineRemoved).expect("a change");
    let cheaper = changed(Change::Price).expect("a change");
    let read = with("Reserved", &[(names::QTY_ASSIGNED, "1")]);
    assert_eq!(code(&planned(&fewer, &read)), "steps");
    // Before a part delivery IFS gives a reservation up with the line.
    assert_eq!(code(&planned(&without, &read)), "steps");
    let read = with("Reserved", &[(names::QTY_ASSIGNED, "2")]);
    assert_eq!(code(&planned(&fewer, &read)), "units_under_way");
    let read = with("PartiallyDelivered", &[(names::QTY_ASSIGNED, "1")]);
    assert_eq!(code(&planned(&fewer, &read)), "steps");
    assert_eq!(code(&planned(&without, &read)), "units_under_way");
    let read = with("PartiallyDelivered", &[(names::QTY_SHIPPED, "1"), (names::QTY_PICKED, "1")]);
    assert_eq!(code(&planned(&fewer, &read)), "units_under_way");
    let read = with("PartiallyDelivered", &[(names::QTY_INVOICED, "1")]);
    assert_eq!(code(&planned(&cheaper, &read)), "credit_needed");
    let mut read = in_state(&desired(), "Delivered");
    set(&mut read, &Target::Charge(1), names::INVOICED_QTY, json!("1"));
    assert_eq!(code(&planned(&changed(Change::Charge).expect("a change"), &read)), "credit_needed");
}

#[test]
fn a_line_goes_after_its_own_charges_and_not_with_a_persons() {
    let tie = |read: &mut ReadOrder, sequence: i64| {
        for (field, value) in
            [(names::LINE_NO, json!("2")), (names::REL_NO, json!("1")), (names::LINE_ITEM_NO, json!(0))]
        {
            set(read, &Target::Charge(sequence), field, value);
        }
    };
    let mut wanted = changed(Change::LineRemoved).expect("a change");
    let mut read = answered(&desired());
    tie(&mut read, 1);
    assert_eq!(code(&planned(&wanted, &read)), "charge_tied_to_line");
    wanted.charges.clear();
    let plan = planned(&wanted, &read);
    let targets: Vec<&Target> = plan.removals.iter().map(|removal| &removal.target).collect();
    assert_eq!(targets, [&Target::Charge(1), &line("2")]);
    assert_eq!(plan.verdict(), Verdict::Steps);
}

#[test]
fn new_rows_come_before_the_rows_that_go_so_that_no_order_stands_empty() {
    let mut wanted = changed(Change::NewLine).expect("a change");
    wanted.lines.drain(..2);
    let plan = planned(&wanted, &answered(&desired()));
    assert_eq!((plan.creates.len(), plan.removals.len()), (1, 2));
}

#[test]
fn a_charge_of_another_type_is_another_charge() {
    let mut wanted = desired();
    wanted.charges[0].fields.insert(names::CHARGE_TYPE.into(), Scalar::text("EXPRESS"));
    let read = answered(&desired());
    let first = planned(&wanted, &read);
    assert_eq!((first.patches.len(), first.creates.len(), first.removals.len()), (0, 0, 1));
    let mut gone = read.clone();
    gone.forget(&Target::Charge(1));
    let mut after = base(&desired());
    after.rows.retain(|row| row.target != Target::Charge(1));
    let second = plan(&after, &wanted, &gone, PlanRules::with_policy(ConflictPolicy::Park));
    assert_eq!((second.creates.len(), second.removals.len()), (1, 0));
}

#[test]
fn conflicts_have_three_columns_and_a_policy_for_each_group() {
    let mut wanted = changed(Change::DeliveryAddress).expect("a change");
    wanted.header.insert(names::NOTE_TEXT.into(), Scalar::text("Shopify's"));
    let mut read = answered(&desired());
    set(&mut read, &Target::Address, names::ADDRESS1, json!("Personenweg 1"));
    set(&mut read, &Target::Header, names::NOTE_TEXT, json!("a person's"));
    let base = base(&desired());
    let shown = conflicts(&base, &wanted, &read);
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0].field, "header NoteText");
    assert_eq!(shown[0].shopify, Some(Scalar::text("Shopify's")));
    assert_eq!(shown[0].ifs, Some(Scalar::text("a person's")));
    assert_eq!(shown[0].base, desired().header.get(names::NOTE_TEXT).cloned());
    let settings = ConflictSettings(
        [(FieldGroup::Address, ConflictPolicy::IfsWins), (FieldGroup::Note, ConflictPolicy::ShopifyWins)].into(),
    );
    let rules = PlanRules {
        conflicts: ConflictPolicies::new(ConflictPolicy::Park, &settings),
        updates: UpdateTable::default(),
    };
    let plan = plan(&base, &wanted, &read, rules);
    assert_eq!((plan.conflicts.len(), plan.yielded.len(), plan.patches.len()), (0, 1, 1));
    assert_eq!(plan.patches[0].target, Target::Header);
}

#[test]
fn a_line_that_a_person_resized_is_not_taken_away_behind_their_back() {
    let mut read = answered(&desired());
    set(&mut read, &line("2"), names::BUY_QTY_DUE, json!("7"));
    let wanted = changed(Change::LineRemoved).expect("a change");
    assert_eq!(code(&planned(&wanted, &read)), "both_sides_changed");
    let mut noted = answered(&desired());
    set(&mut noted, &line("2"), names::NOTE_TEXT, json!("fragile"));
    assert_eq!(code(&planned(&wanted, &noted)), "steps");
}

#[test]
fn units_that_come_after_the_reservation_get_a_row_of_their_own_and_go_first() {
    let reserved = in_state(&desired(), "Reserved");
    let wanted = changed(Change::QuantityUp).expect("a change");
    fn plan_of(base: &super::written::WrittenOrder, wanted: &DesiredOrder, read: &ReadOrder) -> MergePlan {
        plan(base, wanted, read, PlanRules::with_policy(ConflictPolicy::Park))
    }
    let mut base = base(&desired());
    let first = plan_of(&base, &wanted, &reserved);
    assert_eq!((first.patches.len(), first.creates.len()), (0, 1));
    let row = &first.creates[0];
    assert_eq!(row.key, format!("{}+2", desired().lines[1].key));
    assert_eq!(row.expect, Expect { amount: Decimal::new(10, 0), tax: Decimal::new(190, 2) });
    let carried = |row: &DesiredRow| row.fields.get(names::CUSTOMER_PO_LINE_NO).cloned();
    assert_ne!(carried(row), carried(&desired().lines[1]));
    // It stands there now; two units less, and it goes again while the other row shrinks.
    let mut read = reserved.clone();
    let mut made = read.row(&line("2")).expect("there").clone();
    made.fields.insert(names::LINE_NO.into(), json!("3"));
    for (field, value) in &row.fields {
        made.fields.insert(field.clone(), value.to_json());
    }
    read.add(made.clone());
    base.rows.push(super::written::WrittenRow::new(row, line("3"), &made));
    assert_eq!(plan_of(&base, &wanted, &read).verdict(), Verdict::Nothing);
    let fewer = changed(Change::QuantityDown).expect("a change");
    let down = plan_of(&base, &fewer, &read);
    assert_eq!((down.patches.len(), down.removals.len()), (1, 1));
    assert_eq!(down.removals[0].target, line("3"));
    // What was sent in two rows is not spread once more.
    assert_eq!(plan_of(&base, &first.wanted, &read).verdict(), Verdict::Nothing);
}

#[test]
fn a_lost_row_is_found_among_the_rows_that_are_new_since() {
    let (wanted, read) = (changed(Change::NewLine).expect("a change"), answered(&desired()));
    let (base, row) = (base(&desired()), &wanted.lines[2]);
    let announced = RowAnnounced::new("1001", row, wanted.line_key_field.as_deref(), &read);
    let announced = RowAnnounced::parse(&announced.to_text()).expect("what was stored");
    assert_eq!(announced.made(&base, &read).len(), 0);
    let like = |number: &str, state: &str| {
        let mut made = read.row(&line("1")).expect("there").clone();
        for (field, value) in &row.fields {
            made.fields.insert(field.clone(), value.to_json());
        }
        made.fields.insert(names::LINE_NO.into(), json!(number));
        made.fields.insert(names::ORDER_STATE.into(), json!(state));
        made
    };
    let mut once = read.clone();
    once.add(like("3", "Released"));
    assert_eq!(announced.made(&base, &once).len(), 1);
    assert_eq!(unlinked(row, names::CUSTOMER_PO_LINE_NO, &base, &once).len(), 1);
    // Two are a person's; one that a person cancelled at once is still the one that was made.
    let mut twice = once.clone();
    twice.add(like("4", "Released"));
    assert_eq!(announced.made(&base, &twice).len(), 2);
    let mut struck = read.clone();
    struck.cancelled_lines.push(like("3", "Cancelled"));
    assert_eq!(announced.made(&base, &struck).len(), 1);
    assert_eq!(unlinked(row, names::CUSTOMER_PO_LINE_NO, &base, &struck).len(), 0);
    // A charge has no key: an equal one that stood there before is another's.
    let charge = &desired().charges[0];
    assert!(is_charge(charge));
    let mut foreign = read.clone();
    let mut equal = read.charges[0].clone();
    equal.fields.insert(names::SEQUENCE_NO.into(), json!(2));
    foreign.add(equal.clone());
    let announced = RowAnnounced::new("1001", charge, None, &foreign);
    assert_eq!(announced.made(&base, &foreign).len(), 0);
    equal.fields.insert(names::SEQUENCE_NO.into(), Value::from(3));
    foreign.add(equal);
    assert_eq!(announced.made(&base, &foreign)[0].0, Target::Charge(3));
}

#[test]
fn of_a_cancelled_order_the_lines_go_of_which_nothing_is_on_its_way() {
    let mut read = in_state(&desired(), "PartiallyDelivered");
    set(&mut read, &line("1"), names::QTY_SHIPPED, json!("1"));
    let rest = removals_of_rest(&base(&desired()), &read);
    let targets: Vec<&Target> = rest.iter().map(|removal| &removal.target).collect();
    assert_eq!(targets, [&line("2")]);
}

#[test]
fn an_order_is_released_once() {
    let mut wanted = desired();
    wanted.release = true;
    let first = planned(&wanted, &answered(&desired()));
    assert_eq!((first.verdict(), first.release), (Verdict::Nothing, Some(Action::Release)));
    let released = in_state(&desired(), "Released");
    let after = base(&desired()).after(&planned(&wanted, &released), &released);
    assert!(after.released);
    // A person who sets it back to Planned means it.
    let again = plan(&after, &wanted, &answered(&desired()), PlanRules::with_policy(ConflictPolicy::Park));
    assert_eq!(again.release, None);
}
