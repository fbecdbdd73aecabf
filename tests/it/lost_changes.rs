//! Changes whose answer was lost: whatever is asked for next, what became of them is known first. No change of ours is taken
//! for a person's, no person's is lost, nothing rests while IFS may still make one, and none goes again for ever.

use std::time::Duration;

use ml_connector::domain::document::State;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ifs::RowOf;
use ml_connector::sandbox::ledger::Class;

use crate::changes::*;
use crate::on_both;
use crate::support::composed::Composed;
use crate::support::held::{assert_holds, held, the_order};
use crate::support::world::{Setup, Steps, World, assert_state};

/// IFS works on what we stopped waiting for, for up to 30 s.
fn late() -> Setup {
    Setup { request_timeout: Some(Duration::from_secs(1)), wait: Some(Duration::from_secs(30)), ..Setup::default() }
}

/// Lets the time of a lost change of one part pass (30 s and the margin of 1 s), looking now and then.
async fn pass_its_time(world: &World, steps: &Steps) {
    for _ in 0..4 {
        steps.advance(world, 20);
        steps.run(steps.link()).await;
    }
}

/// A look while the change may still come.
async fn look(world: &World, steps: &Steps) {
    steps.advance(world, 1);
    steps.run(steps.link()).await;
}

/// Changes the first line's units, and the answer is lost in this way.
async fn lose(world: &World, steps: &Steps, order: &mut Composed, quantity: u32, fault: Fault) {
    world.sandbox.faults().once(Class::Amend, fault);
    order.lines[0].quantity = quantity;
    update(steps, order).await;
    assert_state(&document(world, order).await, State::Unknown);
}

async fn ends_as_wanted(world: &World, order: &Composed) {
    assert_state(&document(world, order).await, State::Written);
    assert_holds(world, order);
    assert_eq!(open_intents(world), 0);
}

on_both!(a_lost_change_is_known_before_the_next_version_parks, late(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 601, 2).await;
    lose(world, &steps, &mut order, 5, Fault::DropAnswer).await;
    let sku = std::mem::take(&mut order.lines[1].sku);
    update(&steps, &mut order).await;
    pass_its_time(world, &steps).await;
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "line_without_sku"));
    assert_eq!(open_intents(world), 0);
    // What was lost was made, and is ours: the next change of the same field meets nobody.
    order.lines[1].sku = sku;
    order.lines[0].quantity = 7;
    update(&steps, &mut order).await;
    ends_as_wanted(world, &order).await;
});

on_both!(a_version_that_parks_waits_for_a_change_that_may_still_come, late(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 602, 2).await;
    lose(world, &steps, &mut order, 5, Fault::Hold).await;
    let sku = std::mem::take(&mut order.lines[1].sku);
    update(&steps, &mut order).await;
    look(world, &steps).await;
    assert_state(&document(world, &order).await, State::Unknown);
    assert_eq!(world.sandbox.ifs().release_held(), 1);
    pass_its_time(world, &steps).await;
    assert_state(&document(world, &order).await, State::Parked);
    order.lines[1].sku = sku;
    order.lines[0].quantity = 7;
    update(&steps, &mut order).await;
    ends_as_wanted(world, &order).await;
});

on_both!(an_order_that_went_back_is_not_written_while_its_change_may_come, late(), async |world: &World| {
    let steps = begin(world).await;
    for (id, commits) in [(603, true), (604, false)] {
        let mut order = written(world, &steps, id, 2).await;
        lose(world, &steps, &mut order, 5, Fault::Hold).await;
        order.lines[0].quantity = 3;
        update(&steps, &mut order).await;
        look(world, &steps).await;
        assert_state(&document(world, &order).await, State::Unknown);
        assert_holds(world, &order);
        if commits {
            assert_eq!(world.sandbox.ifs().release_held(), 1);
            assert_ne!(held(&the_order(world, &order)), order.expected());
        }
        pass_its_time(world, &steps).await;
        ends_as_wanted(world, &order).await;
    }
});

on_both!(another_change_waits_for_a_lost_one_and_meets_nobody, late(), async |world: &World| {
    let steps = begin(world).await;
    for (id, commits) in [(605, true), (606, false)] {
        let mut order = written(world, &steps, id, 2).await;
        lose(world, &steps, &mut order, 5, Fault::Hold).await;
        let sent = writes(world);
        order.lines[0].quantity = 7;
        order.street = "Nebenweg 3".into();
        update(&steps, &mut order).await;
        look(world, &steps).await;
        assert_state(&document(world, &order).await, State::Unknown);
        assert_eq!(writes(world), sent, "only the same change may go before its fate is known");
        if commits {
            assert_eq!(world.sandbox.ifs().release_held(), 1);
        }
        pass_its_time(world, &steps).await;
        ends_as_wanted(world, &order).await;
    }
});

on_both!(the_same_change_goes_again_at_once_and_one_of_the_two_gets_through, late(), async |world: &World| {
    let steps = begin(world).await;
    for (id, fault) in [(607, Fault::Reset), (608, Fault::Hold)] {
        let mut order = written(world, &steps, id, 2).await;
        lose(world, &steps, &mut order, 5, fault).await;
        steps.advance(world, 2);
        steps.run(steps.link()).await;
        ends_as_wanted(world, &order).await;
        let etags = the_order(world, &order).lines[0].clone();
        world.sandbox.ifs().release_held();
        assert_eq!(the_order(world, &order).lines[0], etags, "its ETag keeps the late one out");
    }
});

on_both!(a_person_who_came_between_keeps_what_is_theirs, late(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 609, 2).await;
    let order_no = the_order(world, &order).order_no;
    // Never made: the person's note makes its ETag stale.
    lose(world, &steps, &mut order, 5, Fault::Reset).await;
    world.sandbox.ifs().person_edits(&order_no, RowOf::Line("1"), "NoteText", "by hand").expect("a person may");
    order.lines[0].quantity = 6;
    update(&steps, &mut order).await;
    pass_its_time(world, &steps).await;
    ends_as_wanted(world, &order).await;
    assert_eq!(the_order(world, &order).lines[0]["NoteText"], "by hand");
    // Made, and then changed by a person: theirs is a conflict once Shopify changes it again.
    lose(world, &steps, &mut order, 8, Fault::DropAnswer).await;
    world.sandbox.ifs().person_edits(&order_no, RowOf::Line("1"), "BuyQtyDue", "9").expect("a person may");
    order.lines[0].quantity = 10;
    update(&steps, &mut order).await;
    pass_its_time(world, &steps).await;
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "both_sides_changed"));
    assert_eq!(the_order(world, &order).lines[0]["BuyQtyDue"], "9");
});

on_both!(a_row_whose_removal_was_lost_comes_back_when_shopify_brings_it_back, late(), async |world: &World| {
    let steps = begin(world).await;
    for (id, fault) in [(610, Fault::DropAnswer), (611, Fault::Hold), (612, Fault::Reset)] {
        let mut order = written(world, &steps, id, 3).await;
        let quantity = std::mem::replace(&mut order.lines[1].quantity, 0);
        world.sandbox.faults().once(Class::Action, fault.clone());
        update(&steps, &mut order).await;
        assert_state(&document(world, &order).await, State::Unknown);
        order.lines[1].quantity = quantity;
        update(&steps, &mut order).await;
        look(world, &steps).await;
        if fault == Fault::Hold {
            assert_state(&document(world, &order).await, State::Unknown);
            assert_eq!(world.sandbox.ifs().release_held(), 1);
        }
        pass_its_time(world, &steps).await;
        ends_as_wanted(world, &order).await;
    }
});

on_both!(content_that_cannot_be_read_waits_for_a_change_that_may_still_come, late(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 613, 2).await;
    lose(world, &steps, &mut order, 5, Fault::Hold).await;
    let unreadable = "UPDATE documents SET desired = '{}' RETURNING 'done' AS value";
    assert_eq!(world.database.texts(unreadable).len(), 1);
    look(world, &steps).await;
    assert_state(&document(world, &order).await, State::Unknown);
    assert_eq!(world.sandbox.ifs().release_held(), 1);
    pass_its_time(world, &steps).await;
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "unreadable_content"));
    assert!(parked.written.expect("a base").contains("\"5\""), "the base knows what became of it");
});

on_both!(a_cancellation_goes_before_the_fate_of_a_change_is_known, late(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 614, 2).await;
    lose(world, &steps, &mut order, 5, Fault::Hold).await;
    order.cancelled = true;
    update(&steps, &mut order).await;
    look(world, &steps).await;
    assert_state(&document(world, &order).await, State::Written);
    assert!(!the_order(world, &order).is_live());
    world.sandbox.ifs().release_held();
    assert_eq!(open_intents(world), 0);
});

on_both!(a_change_that_is_lost_every_time_parks_in_the_end, late(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 615, 2).await;
    let before = writes(world);
    world.sandbox.faults().times(Class::Amend, Fault::Reset, 100);
    order.lines[0].quantity = 5;
    update(&steps, &mut order).await;
    for _ in 0..30 {
        steps.advance(world, 600);
        steps.run(steps.link()).await;
    }
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "answers_lost_too_often"));
    assert_eq!((writes(world) - before, open_intents(world)), (8, 0));
    // A person finds what stopped it.
    world.sandbox.faults().clear();
    let id = parked.id.to_string();
    assert_eq!(world.command(&["documents", "retry", &id], "").0, 0);
    steps.run(steps.link()).await;
    ends_as_wanted(world, &order).await;
});

on_both!(a_new_row_that_is_lost_every_time_parks_in_the_end, late(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = written(world, &steps, 616, 2).await;
    let before = writes(world);
    world.sandbox.faults().times(Class::Amend, Fault::Reset, 100);
    order.add_line();
    update(&steps, &mut order).await;
    for _ in 0..40 {
        steps.advance(world, 600);
        steps.run(steps.link()).await;
    }
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "answers_lost_too_often"));
    assert_eq!((writes(world) - before, open_intents(world)), (8, 0));
});

on_both!(changes_that_all_get_lost_are_the_remotes_trouble, late(), async |world: &World| {
    let steps = begin(world).await;
    let mut orders = Vec::new();
    for id in 617..620 {
        orders.push(written(world, &steps, id, 2).await);
    }
    world.sandbox.faults().times(Class::Amend, Fault::Reset, 1_000);
    for order in &mut orders {
        order.lines[0].quantity = 5;
        update(&steps, order).await;
    }
    for _ in 0..30 {
        steps.advance(world, 600);
        steps.run(steps.link()).await;
    }
    for order in &orders {
        let waiting = document(world, order).await;
        assert_state(&waiting, State::Unknown);
        assert!(waiting.attempts <= 1, "only the first may have looked like its own: {}", waiting.attempts);
    }
    // It heals by itself.
    world.sandbox.faults().clear();
    pass_its_time(world, &steps).await;
    steps.advance(world, 600);
    steps.run(steps.link()).await;
    for order in &orders {
        assert_state(&document(world, order).await, State::Written);
        assert_holds(world, order);
    }
});

on_both!(a_refusal_after_a_lost_change_waits_for_that_one_and_then_parks, late(), async |world: &World| {
    let steps = begin(world).await;
    let refused =
        || Fault::Plain(400, r#"{"error":{"code":"ODP_VALIDATION","message":"the period is closed"}}"#.into());
    let mut order = written(world, &steps, 640, 2).await;
    lose(world, &steps, &mut order, 5, Fault::Reset).await;
    // The same goes again, and IFS refuses it: only the first is in doubt now, and nothing is sent until its time is over.
    world.sandbox.faults().once(Class::Amend, refused());
    look(world, &steps).await;
    steps.advance(world, 10);
    steps.run(steps.link()).await;
    assert_state(&document(world, &order).await, State::Unknown);
    let sent = writes(world);
    look(world, &steps).await;
    look(world, &steps).await;
    assert_eq!(writes(world), sent, "what IFS refused does not go again while the lost one may come");
    // Then it is tried once more, and what IFS says stands.
    world.sandbox.faults().once(Class::Amend, refused());
    for _ in 0..6 {
        pass_its_time(world, &steps).await;
    }
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "refused_by_ifs"));
    assert!(parked.reason.expect("a reason").text.contains("the period is closed"));
    assert_eq!(open_intents(world), 0);
});

on_both!(a_cancellation_that_ifs_refuses_beside_a_lost_change_parks_in_the_end, late(), async |world: &World| {
    let steps = begin(world).await;
    let refused =
        || Fault::Plain(400, r#"{"error":{"code":"ODP_VALIDATION","message":"the period is closed"}}"#.into());
    let mut order = written(world, &steps, 641, 2).await;
    lose(world, &steps, &mut order, 5, Fault::Reset).await;
    world.sandbox.faults().times(Class::Action, refused(), 10);
    order.cancelled = true;
    let body = order.next_body();
    arrive(&steps, "orders/cancelled", &body).await;
    for _ in 0..6 {
        pass_its_time(world, &steps).await;
    }
    let parked = document(world, &order).await;
    assert_eq!((parked.state, code(&parked)), (State::Parked, "cancel_refused_by_ifs"));
    assert_eq!(open_intents(world), 0);
    let tried = world.sandbox.ledger().count_of(Class::Action);
    assert!(tried <= 3, "it is not sent again and again: {tried}");
});
