//! Orders whose deletion was believed by mistake, and which Shopify shows again: whatever their documents were at meanwhile, they come
//! back by themselves. While the deletion stands nothing does.

use std::time::Duration;

use ml_connector::domain::document::{State, Wanted};
use ml_connector::flow::rejudge::rejudge;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Moved, Story};

use crate::changes::code;
use crate::deletions::{
    DELETED, arrive, arrived, ask, assert_both_are_parked, assert_it_came_back, begin, gone, known, second,
    some_minutes, written_and_believed_gone,
};
use crate::on_both;
use crate::support::world::{Setup, World, assert_state};

on_both!(
    a_deletion_that_is_taken_back_under_an_open_intent_does_not_park_when_the_intent_ends,
    Setup::default(),
    async |world: &World| {
        let (steps, shop) = (begin(world).await, world.shop());
        let order = shop.place(Story::Plain);
        world.sandbox.faults().once(Class::Create, Fault::DropAnswer);
        arrive(&steps, "orders/create", &shop.webhook_body(order).expect("a body")).await;
        assert_state(&world.document().await, State::Unknown);
        shop.hide_order(order);
        steps.deliver(steps.link(), DELETED, &gone(order)).await;
        steps.map(steps.link()).await;
        assert_state(&world.document().await, State::Unknown);
        shop.show_order(order);
        // The process died after it had taken the deletion back: nothing but what the document asks for tells of it.
        steps.store.revoke_deletion(&steps.link().name, order).await.expect("takes it back");
        ask(&steps, order).await;
        steps.map(steps.link()).await;
        some_minutes(world, &steps).await;
        assert_it_came_back(world, order).await;
    }
);

on_both!(
    an_order_that_could_not_be_read_while_its_deletion_was_believed_comes_back,
    Setup::default(),
    async |world: &World| {
        let (steps, shop) = (begin(world).await, world.shop());
        let order = written_and_believed_gone(world, &steps).await;
        // Shopify refuses to answer: that is no deletion.
        world.sandbox.faults().times(Class::GraphQl, Fault::Plain(400, String::new()), 4);
        arrive(&steps, "orders/updated", &shop.webhook_body(order).expect("a body")).await;
        world.sandbox.faults().clear();
        let document = world.document().await;
        assert_eq!((document.state, code(&document)), (State::Parked, "not_confirmed_by_shopify"));
        assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox WHERE state = 'superseded'"), 0);
        // Its newest version is known by now.
        ask(&steps, order).await;
        steps.run(steps.link()).await;
        assert_it_came_back(world, order).await;
    }
);

on_both!(
    an_old_order_stays_parked_while_its_deletion_stands_and_opens_when_shopify_has_it,
    Setup::default(),
    async |world: &World| {
        let (steps, shop) = (begin(world).await, world.shop());
        let order = known(world, &steps, Story::Plain).await;
        shop.hide_order(order);
        world.sandbox.clock().advance(Duration::from_secs(61 * 86_400));
        arrive(&steps, DELETED, &gone(order)).await;
        assert_state(&world.document().await, State::Parked);
        // A person's retry meets the same end: it is not skipped quietly.
        let link = steps.link();
        let wish = rejudge(&steps.store, &link.rules, &link.name, order, steps.clock.now()).await.expect("judges");
        assert_eq!(wish.expect("it is known").wanted, Wanted::Park);
        shop.show_order(order);
        ask(&steps, order).await;
        steps.map(link).await;
        assert_state(&world.document().await, State::Planned);
    }
);

on_both!(a_second_order_comes_back_with_its_first, second(), async |world: &World| {
    let (steps, shop, ifs) = (begin(world).await, world.shop(), world.sandbox.ifs());
    // Its lines can be split to the cent.
    let order = arrived(world, &steps, Story::Moved(Moved::PickedLineAdded)).await;
    assert_state(&world.document().await, State::Written);
    ifs.set_state(&ifs.orders_by_po(&order.to_string())[0].order_no, "Delivered").expect("delivers");
    steps.advance(world, 5);
    shop.change(order, Change::LineAdded);
    arrive(&steps, "orders/updated", &shop.webhook_body(order).expect("a body")).await;
    let second_key = format!("{order}-2");
    assert_eq!(ifs.orders_by_po(&second_key).len(), 1, "what came late stands on a second order");
    shop.hide_order(order);
    arrive(&steps, DELETED, &gone(order)).await;
    some_minutes(world, &steps).await;
    assert_both_are_parked(world).await;
    shop.show_order(order);
    ask(&steps, order).await;
    some_minutes(world, &steps).await;
    let documents = world.documents().await;
    assert_eq!(documents.len(), 2, "{documents:?}");
    for document in &documents {
        assert_state(document, State::Written);
    }
    assert_eq!(world.sandbox.ledger().creates_of(&second_key), 1);
});
