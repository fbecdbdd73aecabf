//! The books of orders that are under way or move on while they are read, and of one that was mapped otherwise than it was sold.

use std::time::Duration;

use ml_connector::domain::document::State;
use ml_connector::flow::account::{Account, Standing};
use ml_connector::mapping::components::Component;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Story};

use crate::on_both;
use crate::reconcile::{account, assert_unexplained, begin, only, sold};
use crate::support::world::{Setup, Steps, World, assert_state};

/// Delivers what Shopify has of an order, and maps it; nothing is written.
async fn mapped(world: &World, steps: &Steps, order: u64, topic: &str) {
    steps.deliver(steps.link(), topic, &world.shop().webhook_body(order).expect("a body")).await;
    steps.map(steps.link()).await;
}

fn assert_under_way(account: &Account, order: u64) {
    let one = only(account);
    assert_eq!((one.standing, one.code.as_str(), one.order_id), (Standing::Open, "under_way", Some(order)), "{one:#?}");
    assert!(account.is_clean());
}

on_both!(an_order_that_is_being_written_is_under_way, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    mapped(world, &steps, order, "orders/create").await;
    assert_state(&world.document().await, State::Planned);
    assert_under_way(&account(&steps).await, order);
    world.sandbox.faults().once(Class::Create, Fault::Reset);
    steps.write(steps.link()).await;
    assert_state(&world.document().await, State::Unknown);
    assert_under_way(&account(&steps).await, order);
});

on_both!(an_order_that_moves_on_while_the_books_are_read_is_under_way, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::QuantityUp).await;
    world.shop().change(order, Change::QuantityUp);
    assert_unexplained(&account(&steps).await, "newer_in_shopify", order);
    // The webhook that was missing comes while IFS is read, after the other two books.
    let reads = || world.sandbox.ledger().count_of(Class::Read);
    let before = reads();
    world.sandbox.faults().once(Class::Read, Fault::Slow(Duration::from_secs(1)));
    let webhook = async {
        while reads() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        mapped(world, &steps, order, "orders/updated").await;
    };
    let (account, ()) = futures::join!(account(&steps), webhook);
    assert_under_way(&account, order);
});

on_both!(an_order_that_was_mapped_otherwise_than_shopify_sold_it_is_found, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::QuantityUp).await;
    let first = world.document().await.desired.replace('\'', "''");
    world.shop().change(order, Change::QuantityUp);
    mapped(world, &steps, order, "orders/updated").await;
    // As a mapping leaves it that passes the edit over: the version is known, and nothing else is wanted than before.
    world.database.execute(&format!("UPDATE documents SET desired = '{first}', state = 'written'"));
    let account = account(&steps).await;
    assert_unexplained(&account, "mapped_otherwise", order);
    let one = only(&account);
    let goods = one.gaps.iter().find(|gap| gap.component == Component::Goods).expect("goods");
    assert!(goods.shopify != goods.ours && goods.ours == goods.ifs, "{goods:?}");
    assert!(one.text.contains("goods"), "{}", one.text);
});
