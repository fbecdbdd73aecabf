//! The way does not matter, only where it ends: random edits, events in any order, persons who work beside us.

use std::collections::BTreeMap;
use std::time::Duration;

use ml_connector::domain::document::State;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ifs::RowOf;
use ml_connector::sandbox::ledger::Class;
use ml_connector::store::DocumentRow;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::changes::*;
use crate::on_both;
use crate::support::composed::Composed;
use crate::support::database::Database;
use crate::support::held::{assert_holds, held, the_order};
use crate::support::world::{Setup, World, assert_state};

/// One random edit, of those that Shopify allows on an open order.
fn edit(order: &mut Composed, random: &mut StdRng) {
    let index = random.random_range(0..order.lines.len());
    let live = order.lines.iter().filter(|line| line.quantity > 0).count();
    match random.random_range(0..8) {
        0 => order.lines[index].quantity += 1,
        1 if order.lines[index].quantity > 1 => order.lines[index].quantity -= 1,
        2 if live > 1 => (order.lines[index].quantity, order.lines[index].off_cents) = (0, 0),
        3 if order.lines[index].quantity > 0 => order.lines[index].off_cents = random.random_range(0..500),
        4 => order.shipping[0].1 = random.random_range(0..2_000),
        5 => order.street = format!("Nebenweg {}", random.random_range(1..99)),
        6 if order.lines.len() < 6 => order.add_line(),
        _ => order.note = format!("note {}", random.random_range(1..99)),
    }
}

on_both!(any_sequence_of_edits_ends_where_the_last_version_maps_to, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    for seed in 0..12_u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut order = written(world, &steps, 6_000 + seed, 3).await;
        let order_no = the_order(world, &order).order_no;
        if seed % 3 == 1 {
            world.sandbox.ifs().set_state(&order_no, "Released").expect("releases");
        }
        for _ in 0..6 {
            if random.random_bool(0.3) {
                let faults = [Fault::DropAnswer, Fault::Storm(1), Fault::Reset, Fault::TooMany("1".into())];
                let fault = faults[random.random_range(0..faults.len())].clone();
                let class = if random.random_bool(0.7) { Class::Amend } else { Class::Action };
                world.sandbox.faults().once(class, fault);
            }
            edit(&mut order, &mut random);
            // Some versions never arrive.
            let body = order.next_body();
            if random.random_bool(0.8) {
                arrive(&steps, "orders/updated", &body).await;
            }
            steps.advance(world, 3);
        }
        update(&steps, &mut order).await;
        world.sandbox.faults().clear();
        for _ in 0..10 {
            steps.advance(world, 30);
            steps.run(steps.link()).await;
        }
        assert_state(&document(world, &order).await, State::Written);
        assert_holds(world, &order);
        let view = the_order(world, &order);
        assert_eq!(view.field("NoteText"), order.note);
        assert_eq!(view.address.expect("one")["Address1"], order.street);
    }
    assert_eq!(open_intents(world), 0);
});

on_both!(any_permutation_and_repetition_of_an_orders_events_ends_the_same, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    for seed in 0..10_u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let cancelled = seed % 2 == 1;
        let mut order = Composed::new(5_000 + seed, 2, steps.clock.now());
        let mut events = vec![("orders/create", order.body())];
        order.note = "changed".into();
        events.push(("orders/updated", order.next_body()));
        order.paid = true;
        events.push(("orders/paid", order.next_body()));
        order.lines[0].quantity = 5;
        order.add_line();
        events.push(("orders/updated", order.next_body()));
        order.lines[1].quantity = 0;
        events.push(("orders/updated", order.next_body()));
        if cancelled {
            order.cancelled = true;
            events.push(("orders/cancelled", order.next_body()));
        }
        events.extend(events.clone());
        events.shuffle(&mut random);
        for (topic, body) in events {
            steps.deliver(steps.link(), topic, &body).await;
            if random.random_bool(0.6) {
                steps.run(steps.link()).await;
            }
        }
        steps.run(steps.link()).await;
        let document = document(world, &order).await;
        let standing = world.sandbox.ifs().orders_by_po(&order.id.to_string());
        if cancelled {
            assert!(matches!(document.state, State::Written | State::Superseded), "{document:?}");
            assert!(standing.len() <= 1 && standing.iter().all(|view| !view.is_live()));
        } else {
            assert_state(&document, State::Written);
            assert_holds(world, &order);
        }
    }
});

/// What a person does to order `index` in IFS, and what its field must hold in the end.
fn persons_edit(index: u64) -> (RowOf<'static>, &'static str, String) {
    match index % 4 {
        0 => (RowOf::Header, "CustRef", format!("call {index} before delivery")),
        1 => (RowOf::Line("1"), "NoteText", format!("engraved {index}")),
        2 => (RowOf::Header, "LabelNote", format!("ramp {index}")),
        _ => (RowOf::Header, "NoteText", format!("a person's note {index}")),
    }
}

#[actix_rt::test]
async fn a_thousand_orders_that_a_person_edits_while_shopify_edits_them_lose_no_field_of_either() {
    const ORDERS: u64 = 1_000;
    let world = World::new(Database::sqlite(), Setup::default()).await;
    let steps = begin(&world).await;
    let link = steps.link();
    let mut orders: Vec<Composed> =
        (0..ORDERS).map(|index| Composed::new(20_000 + index, 2, steps.clock.now())).collect();
    for order in &orders {
        steps.deliver(link, "orders/create", &order.body()).await;
    }
    steps.run(link).await;
    // Shopify's edits; every twentieth order gets another note where a person wrote one too.
    for (index, order) in (0..).zip(&mut orders) {
        match index % 5 {
            0 => order.street = format!("Nebenweg {index}"),
            1 => order.lines[0].quantity = 4,
            2 => order.lines[1].off_cents = 200,
            3 => order.po_number = format!("PO-{index}"),
            _ => order.add_line(),
        }
        if index % 20 == 19 {
            order.note = format!("Shopify's note {index}");
        }
        let body = order.next_body();
        steps.deliver(link, "orders/updated", &body).await;
    }
    steps.map(link).await;
    // Both at once: the person goes through the orders from the end, the writer from the beginning.
    let numbers: Vec<String> = orders.iter().map(|order| the_order(&world, order).order_no).collect();
    let ifs = world.sandbox.ifs();
    let persons = async {
        for (index, number) in (0..ORDERS).rev().zip(numbers.iter().rev()) {
            let (row, field, value) = persons_edit(index);
            ifs.person_edits(number, row, field, &value).expect("a person may");
            if index % 3 == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    };
    tokio::join!(persons, steps.write(link));
    for _ in 0..6 {
        steps.advance(&world, 30);
        steps.run(link).await;
    }
    let (mut parked, mut lost) = (0, Vec::new());
    let documents: BTreeMap<u64, DocumentRow> =
        world.documents().await.into_iter().map(|document| (document.order_id, document)).collect();
    for (index, order) in (0..).zip(&orders) {
        let (document, view) = (&documents[&order.id], the_order(&world, order));
        let (row, field, value) = persons_edit(index);
        let stands = match row {
            RowOf::Line(_) => view.lines[0].get(field) == Some(&value),
            _ => view.field(field) == value,
        };
        // Where both changed the note, either the person came first and it parked, or the writer did and the person wrote over it.
        let conflict = document.state == State::Parked;
        if conflict {
            assert_eq!((index % 20, code(document)), (19, "both_sides_changed"), "{:?}", document.reason);
            parked += 1;
        }
        let arrived = conflict || {
            let address = view.address.as_ref().expect("one");
            held(&view) == order.expected()
                && address["Address1"] == order.street
                && view.field("ExternalRef") == order.po_number
        };
        if !stands || !arrived {
            lost.push(format!("{index}: {field} stands: {stands}, arrived: {arrived}, {:?}", document.reason));
        }
    }
    assert!(lost.is_empty(), "{} lost: {lost:#?}", lost.len());
    assert!(parked <= 50, "{parked} parked");
    let counters = world.sandbox.ledger().counters();
    assert_eq!((counters.if_match_any, counters.upserts, counters.creates), (0, 0, ORDERS));
}
