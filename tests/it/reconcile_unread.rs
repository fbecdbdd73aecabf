//! The books of orders of which a remote answers what cannot be read: that order is told, and the others are compared.

use std::time::Duration;

use jiff::SignedDuration;
use ml_connector::flow::account::{Account, Standing};
use ml_connector::flow::reconcile::{Asked, Depth, reconcile};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::Story;

use crate::on_both;
use crate::reconcile::{account, assert_unexplained, begin, books, everything, only, sold};
use crate::support::world::{Setup, Steps, World};

/// The number under which an order stands in IFS.
async fn number_of(world: &World, order: u64) -> String {
    let documents = world.documents().await;
    let document = documents.iter().find(|document| document.order_id == order).expect("its document");
    document.order_no.clone().expect("linked")
}

/// The account for which each order is read whole.
async fn whole(steps: &Steps) -> Account {
    let until = steps.clock.now() + SignedDuration::from_hours(1);
    let asked = Asked { depth: Depth::Whole, ..everything(until) };
    reconcile(books(steps, until), &asked, &|_| {}).await.expect("an account").account
}

on_both!(an_order_whose_lines_ifs_does_not_answer_is_told_and_no_other, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let broken = sold(world, &steps, Story::Plain).await;
    sold(world, &steps, Story::Plain).await;
    let number = number_of(world, broken).await;
    // A refusal of the database, and a failure that may pass.
    for ora_number in [20_105, 4_068] {
        world.sandbox.ifs().break_lines_of(&number, ora_number);
        let account = account(&steps).await;
        assert_unexplained(&account, "unreadable", broken);
        let text = &only(&account).text;
        assert!(text.contains(&number) && text.contains(&format!("ORA-{ora_number}")), "{text}");
        assert_eq!((account.count(Standing::Unexplained), account.counts.ifs), (1, 1));
    }
    world.sandbox.ifs().mend_lines();
    let account = account(&steps).await;
    assert!(account.is_clean() && account.differences.is_empty(), "{:#?}", account.differences);
});

on_both!(what_is_of_ifs_as_a_whole_ends_the_run, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    sold(world, &steps, Story::Plain).await;
    let until = steps.clock.now() + SignedDuration::from_hours(1);
    let ended = async || reconcile(books(&steps, until), &everything(until), &|_| {}).await;
    // Pages instead of answers say nothing of one order.
    world.sandbox.faults().times(Class::Read, Fault::Plain(500, "<html>".into()), 100);
    let failed = ended().await;
    assert!(failed.is_err(), "{:#?}", failed.map(|ended| ended.account));
    world.sandbox.faults().clear();
    // Nor does a grant that is missing.
    world.sandbox.ifs().withdraw_grants();
    let failed = ended().await;
    assert!(failed.is_err(), "{:#?}", failed.map(|ended| ended.account));
    world.sandbox.ifs().restore_grants();
});

on_both!(an_order_of_which_shopify_answers_nonsense_is_told_and_no_other, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let orders = [sold(world, &steps, Story::Plain).await, sold(world, &steps, Story::Plain).await];
    for answer in [Fault::Plain(200, "<html>".into()), Fault::Plain(400, String::new())] {
        // The count and the list read well; one of the orders, which are read beside each other, does not.
        world.sandbox.faults().times(Class::GraphQl, Fault::Slow(Duration::ZERO), 2);
        world.sandbox.faults().once(Class::GraphQl, answer);
        let account = whole(&steps).await;
        assert_eq!(world.sandbox.faults().scripted_left(), 0);
        let one = only(&account);
        assert_eq!((one.standing, one.code.as_str()), (Standing::Unexplained, "unreadable"), "{one:#?}");
        assert!(one.order_id.is_some_and(|order| orders.contains(&order)), "{one:#?}");
        assert_eq!(account.counts.ifs, 1);
    }
    let account = whole(&steps).await;
    assert!(account.is_clean() && account.differences.is_empty(), "{:#?}", account.differences);
});
