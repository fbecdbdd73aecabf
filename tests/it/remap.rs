//! Changed rules and orders that were written under others: they stay as they are until somebody carries the rules over; and the plan of an
//! order, shown before it is carried out.

use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use serde_json::{Value, json};

use crate::changes::{arrive, begin, code, document, update, writes, written};
use crate::on_both;
use crate::support::composed::Composed;
use crate::support::held::{assert_holds, the_order};
use crate::support::world::{Setup, Steps, World, assert_state};

/// Other rules from here on: the same connection, restarted with edited settings.
async fn restart(world: &World, steps: Steps, from: &str, to: &str) -> Steps {
    let clock: Clock = steps.clock.clone();
    drop(steps);
    let text = std::fs::read_to_string(&world.config).expect("reads");
    assert!(text.contains(from), "the settings hold {from:?}");
    std::fs::write(&world.config, text.replace(from, to)).expect("writes");
    world.steps(&clock).await
}

fn told(world: &World, arguments: &[&str], expected_code: i32) -> Value {
    let (code, output, error) = world.command(&[arguments, &["--json"]].concat(), "");
    assert_eq!(code, expected_code, "{arguments:?}: {error}{output}");
    serde_json::from_str(&output).expect("one JSON object")
}

const RULES: &str = "order_type = \"NO\"";
const OTHER_DATE_AND_NOTE: &str = "order_type = \"NO\"\nlead_days = 3\nnote_template = \"Web: {note}\"";

on_both!(changed_rules_reach_a_written_order_by_remap_alone, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 501, 2).await;
    let first = the_order(world, &order);
    let steps = restart(world, steps, RULES, OTHER_DATE_AND_NOTE).await;
    // 1. A change of Shopify's travels alone, and the document remembers whose rules made the rest.
    order.lines[0].quantity += 1;
    update(&steps, &mut order).await;
    assert_state(&document(world, &order).await, State::Written);
    assert_holds(world, &order);
    let second = the_order(world, &order);
    for field in ["WantedDeliveryDate", "NoteText"] {
        assert_eq!(second.field(field), first.field(field), "{field}");
    }
    // 2. A field that Shopify changed is mapped as today's rules say.
    order.note = "ring twice".into();
    update(&steps, &mut order).await;
    assert_state(&document(world, &order).await, State::Written);
    assert_eq!(the_order(world, &order).field("NoteText"), "Web: ring twice");
    assert_eq!(the_order(world, &order).field("WantedDeliveryDate"), first.field("WantedDeliveryDate"));
    // 3. Shown first: the date, and nothing is done.
    let before = writes(world);
    let dry = told(world, &["documents", "remap", "--dry-run"], 0);
    assert_eq!(dry["counts"]["would_change"], 1, "{dry:#}");
    let differences = dry["items"][0]["differences"].as_array().expect("a list");
    let dates: Vec<&Value> = differences.iter().filter(|one| one["field"] == "WantedDeliveryDate").collect();
    assert_eq!(dates.len(), 3, "the header's and each line's: {dry:#}");
    assert!(differences.iter().all(|one| one["field"] == "WantedDeliveryDate"), "{dry:#}");
    steps.run(steps.link()).await;
    assert_eq!(writes(world), before);
    // 4. Done, and once: the rules of today made it now.
    let applied = told(world, &["documents", "remap", "--apply", "--note", "three days from now on"], 0);
    assert_eq!(applied["counts"]["planned"], 1, "{applied:#}");
    // The command went by the time of day, which is ahead of the test's.
    steps.advance(world, 120);
    steps.run(steps.link()).await;
    assert_state(&document(world, &order).await, State::Written);
    assert_holds(world, &order);
    let third = the_order(world, &order);
    assert_ne!(third.field("WantedDeliveryDate"), first.field("WantedDeliveryDate"));
    assert_eq!(third.field("NoteText"), "Web: ring twice");
    assert_eq!(told(world, &["documents", "remap", "--dry-run"], 0)["items"], json!([]));
    let audit = world.database.texts("SELECT COALESCE(note, '') AS value FROM audit WHERE act = 'remap'");
    assert_eq!(audit, ["three days from now on"]);
});

on_both!(a_rule_that_is_not_written_again_leaves_written_orders_alone, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 502, 2).await;
    let steps = restart(world, steps, RULES, "order_type = \"WEBX\"").await;
    let stays = told(world, &["documents", "remap", "--apply", "--note", "another order type"], 1);
    assert_eq!(stays["items"][0]["outcome"], "stays");
    let why = stays["items"][0]["why"].as_str().expect("a sentence");
    assert!(why.contains("header OrderId"), "{why}");
    // Its changes go on as before: nothing parks because a rule was changed.
    order.lines[1].off_cents = 200;
    order.add_line();
    update(&steps, &mut order).await;
    assert_state(&document(world, &order).await, State::Written);
    assert_holds(world, &order);
    assert_eq!(the_order(world, &order).field("OrderId"), "NO");
    // A new order is made as today's rules say.
    let new = written(world, &steps, 503, 1).await;
    assert_eq!(the_order(world, &new).field("OrderId"), "WEBX");
});

on_both!(a_remap_under_an_open_intent_waits_for_it, Setup::default(), async |world: &World| {
    use ml_connector::sandbox::faults::Fault;
    use ml_connector::sandbox::ledger::Class;
    let steps = begin(world).await;
    let mut order = written(world, &steps, 504, 2).await;
    world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
    order.lines[0].quantity += 1;
    update(&steps, &mut order).await;
    assert_state(&document(world, &order).await, State::Unknown);
    let steps = restart(world, steps, RULES, OTHER_DATE_AND_NOTE).await;
    told(world, &["documents", "remap", "--apply", "--note", "now"], 0);
    assert_state(&document(world, &order).await, State::Unknown);
    for _ in 0..3 {
        steps.advance(world, 20);
        steps.run(steps.link()).await;
    }
    assert_state(&document(world, &order).await, State::Written);
    assert_holds(world, &order);
    assert_eq!(told(world, &["documents", "remap", "--dry-run"], 0)["items"], json!([]));
});

on_both!(a_plan_is_shown_with_its_three_sides_and_nothing_is_done, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 505, 2).await;
    let ifs = world.sandbox.ifs();
    let order_no = the_order(world, &order).order_no;
    let key = order.id.to_string();
    let plan = |expected: i32| told(world, &["orders", "show", &key, "--plan"], expected);
    assert_eq!(plan(0)["verdict"], "IFS holds what Shopify asks for");
    // Shopify changes units and the street, adds a line; a person changes the delivery terms.
    ifs.edit(&order_no, "DeliveryTerms", "EXW").expect("a person may");
    order.lines[0].quantity += 1;
    order.street = "Nebenweg 3".into();
    order.add_line();
    let body = order.next_body();
    steps.deliver(steps.link(), "orders/updated", &body).await;
    steps.map(steps.link()).await;
    let (writes_before, held_before) = (writes(world), the_order(world, &order));
    let shown = plan(0);
    let side = |shown: &Value, record: &str, field: &str| {
        let sides = shown["differences"].as_array().expect("a list");
        let found = sides.iter().find(|one| one["record"] == record && one["field"] == field);
        found.unwrap_or_else(|| panic!("{record} {field}: {shown:#}")).clone()
    };
    let units = side(&shown, &format!("line:{}", order.lines[0].id), "BuyQtyDue");
    assert_eq!((&units["change"], &units["then"]), (&json!("quantity_up"), &json!("written to IFS")), "{shown:#}");
    assert_eq!((&units["written"], &units["ifs"]), (&units["ifs"], &units["written"]));
    let terms = side(&shown, "header", "DeliveryTerms");
    assert_eq!(
        (&terms["change"], &terms["ifs"], &terms["then"]),
        (&json!(null), &json!("EXW"), &json!("changed in IFS, stays"))
    );
    // An address is a person's: its length only, unless it is asked for.
    let street = side(&shown, "address", "Address1");
    assert_eq!(street["shopify"], "(10 characters, see --content)");
    let told_all = told(world, &["orders", "show", &key, "--plan", "--content"], 0);
    assert_eq!(side(&told_all, "address", "Address1")["shopify"], "Nebenweg 3");
    let steps_told: Vec<&str> = shown["steps"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(steps_told.len(), 3, "{steps_told:?}");
    assert!(steps_told[2].starts_with(&format!("POST line:{}", order.lines[2].id)), "{steps_told:?}");
    // Nothing was done, here or there.
    assert_eq!((writes(world), the_order(world, &order)), (writes_before, held_before));
    assert_state(&document(world, &order).await, State::Planned);
    // What was shown is what is done.
    steps.write(steps.link()).await;
    assert_state(&document(world, &order).await, State::Written);
    assert_holds(world, &order);
    // Both change one field: a person decides, and the rest waits for that.
    ifs.edit(&order_no, "NoteText", "call the customer").expect("a person may");
    order.note = "ring twice".into();
    order.lines[1].off_cents = 100;
    update(&steps, &mut order).await;
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "both_sides_changed"));
    let shown = plan(0);
    assert_eq!(shown["park"]["code"], "both_sides_changed");
    assert_eq!(side(&shown, "header", "NoteText")["then"], "changed on both sides, a person decides");
    assert_eq!(shown["steps"], json!([]));
    let (code, text, _) = world.command(&["orders", "show", &key, "--plan"], "");
    assert_eq!(code, 0);
    assert!(text.contains("waits for what a person decides") && !text.contains("ring twice"), "{text}");
});

on_both!(a_plan_tells_a_create_a_cancellation_and_that_ifs_cannot_be_read, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = Composed::new(506, 2, steps.clock.now());
    steps.deliver(steps.link(), "orders/create", &order.body()).await;
    steps.map(steps.link()).await;
    let plan = |expected: i32| told(world, &["orders", "show", "506", "--plan"], expected);
    let shown = plan(0);
    assert_eq!(shown["ifs_state"], json!(null));
    assert!(shown["verdict"].as_str().is_some_and(|text| text.contains("it is created with 6 parts")), "{shown:#}");
    assert_eq!(shown["steps"].as_array().map(Vec::len), Some(3));
    steps.write(steps.link()).await;
    order.cancelled = true;
    let body = order.next_body();
    steps.deliver(steps.link(), "orders/cancelled", &body).await;
    steps.map(steps.link()).await;
    let shown = plan(0);
    assert!(shown["verdict"].as_str().is_some_and(|text| text.ends_with("the table says: cancel_order")), "{shown:#}");
    arrive(&steps, "orders/updated", &order.next_body()).await;
    // A remote's failure has its own exit code.
    world.sandbox.ifs().change_client_secret("another");
    world.sandbox.ifs().revoke_tokens();
    let (code, _, error) = world.command(&["orders", "show", "506", "--plan"], "");
    assert_eq!(code, 3, "{error}");
    assert!(error.contains("[ifs.sandbox] IFS cannot be read"), "{error}");
});
