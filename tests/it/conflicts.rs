//! A change that both sides made: the operator is shown it field by field, what was sent last, what Shopify asks for and what
//! IFS holds, and a person's data only where that is asked for.

use ml_connector::domain::document::State;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ifs::RowOf;
use ml_connector::sandbox::ledger::Class;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::changes::*;
use crate::on_both;
use crate::support::composed::Composed;
use crate::support::held::the_order;
use crate::support::world::{Setup, World, assert_state};

fn shown(world: &World, arguments: &[&str]) -> String {
    let (ended, out, errors) = world.command(arguments, "");
    assert_eq!(ended, 0, "{errors}");
    out
}

/// The differences of the last step.
fn differences(world: &World, arguments: &[&str]) -> Value {
    let told: Value = serde_json::from_str(&shown(world, arguments)).expect("JSON");
    told["steps"].as_array().and_then(|steps| steps.last()).expect("a step")["differences"].clone()
}

async fn parked_conflict(world: &World) -> (Composed, String) {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 650, 2).await;
    let (ifs, order_no) = (world.sandbox.ifs(), the_order(world, &order).order_no);
    ifs.person_edits(&order_no, RowOf::Line("1"), "BuyQtyDue", "4").expect("a person may");
    ifs.person_edits(&order_no, RowOf::Address, "Address1", "Seitenweg 9").expect("a person may");
    order.lines[0].quantity = 5;
    order.street = "Nebenweg 3".into();
    update(&steps, &mut order).await;
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "both_sides_changed"));
    (order, parked.id.to_string())
}

on_both!(a_conflict_is_told_field_by_field_in_three_columns, Setup::default(), async |world: &World| {
    let (order, id) = parked_conflict(world).await;
    let line = format!("line:{} BuyQtyDue", order.lines[0].id);
    let quantity = json!({"field": line, "base": "3", "shopify": "5", "ifs": "4"});
    let street = "address Address1";
    let hidden = json!([{"field": street, "hidden": true}, quantity]);
    assert_eq!(differences(world, &["documents", "show", &id, "--json"]), hidden);
    assert_eq!(differences(world, &["orders", "show", "650", "--json"]), hidden);
    let all = json!([
        {"field": street, "base": "Musterweg 7", "shopify": "Nebenweg 3", "ifs": "Seitenweg 9"}, quantity
    ]);
    assert_eq!(differences(world, &["documents", "show", &id, "--json", "--content"]), all);

    let text = shown(world, &["orders", "show", "650"]);
    let row = |text: &str, field: &str| -> Vec<String> {
        let row = text.lines().rev().find(|row| row.starts_with(field)).unwrap_or_else(|| panic!("{field} in {text}"));
        row[field.len()..].split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(row(&text, "field"), ["sent last", "Shopify", "IFS"]);
    assert_eq!(row(&text, &line), ["3", "5", "4"]);
    assert_eq!(row(&text, street), ["(hidden)", "(hidden)", "(hidden)"]);
    assert!(!text.contains("Nebenweg"), "{text}");
    let text = shown(world, &["documents", "show", &id, "--content"]);
    assert_eq!(row(&text, street), ["Musterweg 7", "Nebenweg 3", "Seitenweg 9"]);
});

on_both!(what_the_gate_found_is_told_in_columns_too, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.ifs().set_default_charge(Some(Decimal::new(490, 2)));
    let order = Composed::new(651, 2, steps.clock.now());
    arrive(&steps, "orders/create", &order.body()).await;
    assert_state(&document(world, &order).await, State::Parked);
    let told = differences(world, &["orders", "show", "651", "--json"]);
    let told = told.as_array().expect("a list");
    assert!(told.iter().any(|found| found["field"] == "foreign row" && found["shopify"] == "none"), "{told:?}");
    assert!(told.iter().any(|found| found["field"] == "order total" && found["base"].is_null()), "{told:?}");
});

on_both!(
    what_a_person_wrote_before_a_lost_create_was_found_stays_a_persons,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        world.sandbox.faults().once(Class::Create, Fault::DropAnswer);
        let mut order = Composed::new(651, 2, steps.clock.now());
        arrive(&steps, "orders/create", &order.body()).await;
        assert_state(&document(world, &order).await, State::Unknown);
        let (ifs, order_no) = (world.sandbox.ifs(), the_order(world, &order).order_no);
        ifs.person_edits(&order_no, RowOf::Header, "NoteText", "call first").expect("a person may");
        steps.advance(world, 30);
        steps.run(steps.link()).await;
        assert_state(&document(world, &order).await, State::Written);
        assert_eq!(the_order(world, &order).field("NoteText"), "call first");
        // Shopify's next note meets it, and nobody writes over the other.
        order.note = "ring twice".into();
        update(&steps, &mut order).await;
        let parked = document(world, &order).await;
        assert_eq!((parked.state, code(&parked)), (State::Parked, "both_sides_changed"));
        assert_eq!(the_order(world, &order).field("NoteText"), "call first");
    }
);

on_both!(
    what_a_person_wrote_on_a_lost_row_before_it_was_found_stays_a_persons,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let mut order = written(world, &steps, 652, 2).await;
        world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
        order.add_line();
        // The line's note tells its discount.
        order.lines[2].off_cents = 100;
        update(&steps, &mut order).await;
        assert_state(&document(world, &order).await, State::Unknown);
        let (ifs, order_no) = (world.sandbox.ifs(), the_order(world, &order).order_no);
        let key = order.clone();
        let note = || the_order(world, &key).lines[2].get("NoteText").cloned();
        assert!(note().is_some_and(|note| note.contains("-1.00")), "{:?}", note());
        ifs.person_edits(&order_no, RowOf::Line("3"), "NoteText", "call first").expect("a person may");
        steps.advance(world, 30);
        steps.run(steps.link()).await;
        assert_state(&document(world, &order).await, State::Written);
        assert_eq!(note().as_deref(), Some("call first"));
        // Shopify's next note of that line meets it, and nobody writes over the other.
        order.lines[2].off_cents = 200;
        update(&steps, &mut order).await;
        let parked = document(world, &order).await;
        assert_eq!((parked.state, code(&parked)), (State::Parked, "both_sides_changed"));
        assert_eq!(note().as_deref(), Some("call first"));
    }
);
