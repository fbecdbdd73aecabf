//! Changes after the write: every kind of change in every state of the order in IFS, as the table says; answers that are
//! lost; persons who work beside us; and that the way does not matter, only where it ends.

use std::time::Duration;

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use ml_connector::mapping::rules::updates::{Action, Change, Stage, UpdateTable};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::store::DocumentRow;
use rust_decimal::Decimal;

use crate::on_both;
use crate::support::composed::Composed;
use crate::support::held::{assert_holds, held, live_lines, the_order};
use crate::support::world::{Setup, Steps, World, assert_state};

pub async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

pub async fn arrive(steps: &Steps, topic: &str, body: &[u8]) {
    steps.deliver(steps.link(), topic, body).await;
    steps.run(steps.link()).await;
}

/// A new order that stands in IFS.
pub async fn written(world: &World, steps: &Steps, id: u64, lines: usize) -> Composed {
    let order = Composed::new(id, lines, steps.clock.now());
    arrive(steps, "orders/create", &order.body()).await;
    assert_state(&document(world, &order).await, State::Written);
    order
}

pub async fn update(steps: &Steps, order: &mut Composed) {
    let body = order.next_body();
    arrive(steps, "orders/updated", &body).await;
}

pub async fn document(world: &World, order: &Composed) -> DocumentRow {
    let mut found = world.documents().await;
    found.retain(|document| document.order_id == order.id && document.kind == "customer_order");
    assert_eq!(found.len(), 1, "one document of {}", order.id);
    found.remove(0)
}

pub fn code(document: &DocumentRow) -> &str {
    document.reason.as_ref().map_or("", |reason| reason.code.as_str())
}

pub fn writes(world: &World) -> usize {
    let ledger = world.sandbox.ledger();
    [Class::Create, Class::Amend, Class::Action].into_iter().map(|class| ledger.count_of(class)).sum()
}

pub fn open_intents(world: &World) -> i64 {
    world.database.number("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL")
}

/// All changes but the payment, which wants a connection that releases.
const UNPAID: [Change; 11] = [
    Change::QuantityUp,
    Change::NewLine,
    Change::QuantityDown,
    Change::LineRemoved,
    Change::Price,
    Change::Charge,
    Change::Goodwill,
    Change::DeliveryAddress,
    Change::Customer,
    Change::Note,
    Change::CancelOrder,
];

pub fn make(order: &mut Composed, change: Change) {
    match change {
        Change::QuantityUp => order.lines[1].quantity += 2,
        Change::NewLine => order.add_line(),
        Change::QuantityDown => order.lines[1].quantity -= 1,
        Change::LineRemoved => order.lines[1].quantity = 0,
        Change::Price => order.lines[1].off_cents = 300,
        Change::Charge => order.shipping[0].1 = 990,
        Change::DeliveryAddress => order.street = "Nebenweg 3".into(),
        Change::Note => order.note = "ring twice".into(),
        Change::CancelOrder => order.cancelled = true,
        Change::Goodwill => order.given_back_cents = 250,
        Change::Customer => order.region = Some("BY"),
        Change::Paid => order.paid = true,
    }
}

/// How a cell must end: the state of the document, the code of its park, and whether IFS was written to.
fn ending(change: Change, action: Action) -> (State, &'static str, bool) {
    match action {
        Action::Amend | Action::NewRow | Action::CancelRow | Action::CancelOrder | Action::Release => {
            (State::Written, "", true)
        }
        Action::Nothing | Action::Show => (State::Written, "", false),
        Action::Credit => (State::Parked, "credit_needed", false),
        Action::SecondOrder => (State::Parked, "late_addition", false),
        Action::Park if change == Change::CancelOrder => (State::Parked, "state_forbids_cancel", false),
        Action::Park => (State::Parked, "state_forbids_change", false),
        Action::CancelRest => (State::Parked, "state_forbids_cancel", true),
    }
}

pub fn objstate(stage: Stage) -> &'static str {
    match stage {
        Stage::Planned => "Planned",
        Stage::Released => "Released",
        Stage::Reserved => "Reserved",
        Stage::Picked => "Picked",
        Stage::PartiallyDelivered => "PartiallyDelivered",
        Stage::Delivered => "Delivered",
        Stage::Invoiced => "Invoiced",
        Stage::Cancelled => "Cancelled",
        Stage::Blocked => "Blocked",
    }
}

/// Orders to Bavaria belong to a customer of their own.
fn two_customers() -> Setup {
    let defaults = "customers = { defaults = [{ country = \"DE\", region = \"BY\", customer_no = \"WEB-BY\", bill_addr_no = \"1\", \
                    ship_addr_no = \"1\" }] }\norder_type = \"NO\"";
    Setup { edits: vec![("order_type = \"NO\"", defaults)], ..Setup::default() }
}

fn releasing() -> Setup {
    Setup {
        edits: vec![("order_type = \"NO\"", "order_type = \"NO\"\nrelease_when = \"paid_or_terms\"")],
        ..Setup::default()
    }
}

on_both!(every_change_in_every_state_ends_as_the_table_says, two_customers(), async |world: &World| {
    walk(world, &UNPAID).await;
});

on_both!(a_payment_in_every_state_ends_as_the_table_says, releasing(), async |world: &World| {
    walk(world, &[Change::Paid]).await;
});

#[test]
fn every_row_of_the_table_is_walked() {
    let mut walked = UNPAID.to_vec();
    walked.push(Change::Paid);
    assert_eq!(walked, Change::ALL);
}

/// Walks the rows of the table, cell by cell: what IFS holds afterwards, and how the document ended.
async fn walk(world: &World, changes: &[Change]) {
    let steps = begin(world).await;
    let table = UpdateTable::default();
    let mut wrong = Vec::new();
    for (index, (change, stage)) in
        changes.iter().flat_map(|change| Stage::ALL.map(|stage| (*change, stage))).enumerate()
    {
        let mut order = written(world, &steps, 7_000 + index as u64, 3).await;
        let order_no = the_order(world, &order).order_no;
        world.sandbox.ifs().set_state(&order_no, objstate(stage)).expect("the course of things");
        let (state_before, before) = (held(&the_order(world, &order)), writes(world));
        make(&mut order, change);
        update(&steps, &mut order).await;
        let document = document(world, &order).await;
        let found = (document.state, code(&document), writes(world) > before);
        let expected = ending(change, table.cell(change, stage));
        let view = the_order(world, &order);
        let held_now = held(&view);
        let stands = match expected {
            (State::Written, _, true) if change == Change::CancelOrder => "Cancelled",
            (State::Written, _, true) if change == Change::Paid => "Released",
            _ => objstate(stage),
        };
        let right = view.field("Objstate") == stands
            && match (expected.0, expected.2) {
                (State::Written, true) if change == Change::CancelOrder => !view.is_live(),
                (State::Written, true) => held_now == order.expected(),
                // Two of three lines go; the one of which a unit is delivered stays.
                (_, true) => live_lines(&view).len() == 1,
                (_, false) => held_now == state_before,
            };
        if found != expected || !right {
            wrong.push(format!(
                "{change:?} in {stage:?}: {found:?} and not {expected:?}, right: {right}; {:?}",
                document.reason
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(open_intents(world), 0);
    let counters = world.sandbox.ledger().counters();
    assert_eq!((counters.if_match_any, counters.upserts), (0, 0));
}

on_both!(
    a_line_that_grew_after_its_reservation_stands_on_two_rows_for_life,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let mut order = written(world, &steps, 71, 2).await;
        let ifs = world.sandbox.ifs();
        ifs.set_state(&the_order(world, &order).order_no, "Reserved").expect("reserves");
        for quantity in [5, 6, 4, 3, 7] {
            order.lines[0].quantity = quantity;
            update(&steps, &mut order).await;
            assert_state(&document(world, &order).await, State::Written);
            assert_holds(world, &order);
        }
        order.lines[0].off_cents = 350;
        update(&steps, &mut order).await;
        assert_state(&document(world, &order).await, State::Written);
        assert_holds(world, &order);
        assert_eq!(live_lines(&the_order(world, &order)).len(), 3, "two rows of the first line, one of the second");
    }
);

on_both!(a_new_row_whose_answer_is_lost_is_found_and_not_made_twice, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    for (id, fault) in [(81, Fault::DropAnswer), (82, Fault::CutBody), (83, Fault::GatewayTimeoutDone)] {
        let mut order = written(world, &steps, id, 2).await;
        world.sandbox.faults().once(Class::Amend, fault);
        order.add_line();
        order.shipping.push((id * 1_000 + 900, 250));
        update(&steps, &mut order).await;
        assert_state(&document(world, &order).await, State::Unknown);
        for _ in 0..3 {
            steps.advance(world, 20);
            steps.run(steps.link()).await;
        }
        assert_state(&document(world, &order).await, State::Written);
        assert_holds(world, &order);
        let view = the_order(world, &order);
        assert_eq!((view.lines.len(), view.charges.len()), (3, 2));
    }
});

on_both!(a_lost_charge_is_found_by_what_it_holds, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 84, 2).await;
    // A person's charge of the same type that was there before is not taken for ours.
    world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
    order.shipping.push((84_900, 490));
    update(&steps, &mut order).await;
    assert_state(&document(world, &order).await, State::Unknown);
    for _ in 0..3 {
        steps.advance(world, 20);
        steps.run(steps.link()).await;
    }
    assert_state(&document(world, &order).await, State::Written);
    assert_holds(world, &order);
    assert_eq!(the_order(world, &order).charges.len(), 2);
});

on_both!(a_new_row_that_ifs_never_got_goes_again_after_not_before, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 85, 2).await;
    world.sandbox.faults().once(Class::Amend, Fault::Reset);
    order.add_line();
    let before = writes(world);
    update(&steps, &mut order).await;
    assert_state(&document(world, &order).await, State::Unknown);
    // wait 2 s for one part, and the margin of 1 s.
    steps.run(steps.link()).await;
    steps.advance(world, 2);
    steps.run(steps.link()).await;
    assert_eq!(writes(world), before + 1, "nothing goes before its time");
    for _ in 0..6 {
        steps.advance(world, 2);
        steps.run(steps.link()).await;
    }
    assert_state(&document(world, &order).await, State::Written);
    assert_holds(world, &order);
});

on_both!(a_new_row_that_commits_late_is_waited_for, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 86, 2).await;
    world.sandbox.faults().once(Class::Amend, Fault::Hold);
    order.add_line();
    let body = order.next_body();
    steps.deliver(steps.link(), "orders/updated", &body).await;
    steps.map(steps.link()).await;
    steps.write(steps.link()).await;
    assert_state(&document(world, &order).await, State::Unknown);
    // A cancellation comes meanwhile: the row is resolved first.
    steps.advance(world, 1);
    assert_eq!(world.sandbox.ifs().release_held(), 1);
    for _ in 0..3 {
        steps.advance(world, 20);
        steps.run(steps.link()).await;
    }
    assert_state(&document(world, &order).await, State::Written);
    assert_holds(world, &order);
    assert_eq!(the_order(world, &order).lines.len(), 3);
});

on_both!(a_cancellation_waits_for_the_fate_of_a_row, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 87, 2).await;
    world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
    order.add_line();
    update(&steps, &mut order).await;
    order.cancelled = true;
    update(&steps, &mut order).await;
    for _ in 0..3 {
        steps.advance(world, 20);
        steps.run(steps.link()).await;
    }
    assert_state(&document(world, &order).await, State::Written);
    assert!(!the_order(world, &order).is_live());
    assert_eq!(open_intents(world), 0);
});

on_both!(a_removal_whose_answer_is_lost_is_read_again, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 88, 3).await;
    for fault in [Fault::DropAnswer, Fault::Reset] {
        world.sandbox.faults().once(Class::Action, fault);
        let last = order.lines.iter().rposition(|line| line.quantity > 0).expect("a line");
        order.lines[last].quantity = 0;
        update(&steps, &mut order).await;
        assert_state(&document(world, &order).await, State::Unknown);
        for _ in 0..3 {
            steps.advance(world, 20);
            steps.run(steps.link()).await;
        }
        assert_state(&document(world, &order).await, State::Written);
        assert_holds(world, &order);
    }
});

on_both!(one_change_that_is_a_persons_stops_all_of_them, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 89, 3).await;
    let order_no = the_order(world, &order).order_no;
    world.sandbox.ifs().set_state(&order_no, "Picked").expect("picks");
    let before = (writes(world), held(&the_order(world, &order)));
    // A note could go in; the street could not.
    order.note = "ring twice".into();
    order.street = "Nebenweg 3".into();
    update(&steps, &mut order).await;
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "state_forbids_change"));
    assert!(parked.reason.expect("a reason").text.contains("address Address1"));
    assert_eq!((writes(world), held(&the_order(world, &order))), before);
});

fn sequential() -> Setup {
    Setup { edits: vec![("order_type = \"NO\"", "order_type = \"NO\"\ncreate = \"sequential\"")], ..Setup::default() }
}

on_both!(an_order_too_long_for_one_change_set_is_made_row_by_row, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    // One line more and Shopify's page is full: the webhook would not be trusted.
    let mut order = written(world, &steps, 90, 249).await;
    assert_holds(world, &order);
    assert_eq!(world.sandbox.ledger().creates_of("90"), 1);
    assert_eq!(the_order(world, &order).lines.len(), 249);
    order.lines[137].quantity = 1;
    order.lines[200].quantity = 0;
    order.lines[201].quantity = 7;
    update(&steps, &mut order).await;
    assert_state(&document(world, &order).await, State::Written);
    assert_holds(world, &order);
});

on_both!(a_sequential_create_goes_on_after_any_lost_answer, sequential(), async |world: &World| {
    let steps = begin(world).await;
    // The header's answer, then those of some rows.
    for (index, lost) in [None, Some(0), Some(1), Some(2), Some(3)].into_iter().enumerate() {
        let order = Composed::new(9_100 + index as u64, 3, steps.clock.now());
        match lost {
            None => world.sandbox.faults().once(Class::Create, Fault::DropAnswer),
            Some(rows) => {
                world.sandbox.faults().times(Class::Amend, Fault::Slow(Duration::from_millis(1)), rows);
                world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
            }
        }
        arrive(&steps, "orders/create", &order.body()).await;
        for _ in 0..4 {
            steps.advance(world, 20);
            steps.run(steps.link()).await;
        }
        assert_state(&document(world, &order).await, State::Written);
        assert_holds(world, &order);
        assert_eq!(world.sandbox.ledger().creates_of(&order.id.to_string()), 1);
        let view = the_order(world, &order);
        assert_eq!((view.lines.len(), view.charges.len()), (3, 1));
    }
});

on_both!(
    rows_that_a_person_added_may_be_left_alone,
    Setup {
        edits: vec![("order_type = \"NO\"", "order_type = \"NO\"\nforeign_rows = \"ignore\"")],
        ..Setup::default()
    },
    async |world: &World| {
        let steps = begin(world).await;
        let mut order = written(world, &steps, 91, 2).await;
        let ifs = world.sandbox.ifs();
        let order_no = the_order(world, &order).order_no;
        ifs.person_adds_line(&order_no, "DESK-SERVICE", Decimal::ONE, Decimal::TEN).expect("a person may");
        order.lines[0].quantity = 4;
        update(&steps, &mut order).await;
        assert_state(&document(world, &order).await, State::Written);
        assert_eq!(live_lines(&the_order(world, &order)).len(), 3, "the person's line stands");
    }
);

fn small_change_sets() -> Setup {
    Setup { edits: vec![("test_tenant = true", "test_tenant = true\nbatch_parts_max = 4")], ..Setup::default() }
}

on_both!(a_change_of_more_rows_than_a_change_set_takes_goes_in_several, small_change_sets(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 310, 9).await;
    let before = writes(world);
    for line in &mut order.lines {
        line.off_cents = 150;
    }
    update(&steps, &mut order).await;
    assert_state(&document(world, &order).await, State::Written);
    assert_holds(world, &order);
    assert_eq!(writes(world) - before, 3, "nine rows, four at a time");
    let most = world
        .sandbox
        .ledger()
        .entries_where(|entry| entry.class != Class::Create && entry.class != Class::Webhook && entry.parts > 4);
    assert!(most.is_empty(), "reads of the rows by their keys go in several batches too: {most:#?}");
});
