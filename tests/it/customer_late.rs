//! A customer that IFS makes after its create was given up: it is ours, and finished as one that we made.

use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::flow::converge::converge;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use serde_json::json;

use crate::customers::{begin, creates, customer, deliver, in_ifs, matched, order, order_of_kari};
use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

const CUSTOMERS: [DocumentKind; 1] = [DocumentKind::Customer];

/// IFS commits whenever it likes.
fn unhurried() -> Setup {
    Setup { wait_unhonoured: true, ..matched() }
}

/// One step of the customer's document and no more, as when another owner or another document comes between.
async fn one_step(steps: &Steps) -> State {
    let link = steps.link();
    let claimed = link.store.claim_due(&link.tenant.lease, &link.name, &CUSTOMERS, link.clock.now(), 1).await;
    let claimed = claimed.expect("claims").pop().expect("it is due");
    converge(link, &claimed).await.expect("converges")
}

on_both!(
    a_customer_whose_lost_create_comes_between_two_steps_is_finished_as_ours,
    unhurried(),
    async |world: &World| {
        let steps = begin(world).await;
        world.sandbox.faults().once(Class::CustomerCreate, Fault::Shelved);
        // Norway has no template of its own: the copied country is another one.
        let webhook =
            order_of_kari(world, "Bergen").edited(|order| order["billing_address"]["country_code"] = json!("NO"));
        deliver(&steps, &webhook).await;
        steps.map(steps.link()).await;
        assert_eq!(one_step(&steps).await, State::Unknown);
        steps.advance(world, 30);
        assert_eq!(one_step(&steps).await, State::Planned, "not there, and a second create is safe");
        assert_eq!(world.sandbox.ifs().release_held(), 1, "IFS makes it only now");
        for _ in 0..6 {
            steps.advance(world, 30);
            steps.run(steps.link()).await;
        }
        assert_state(&customer(world).await, State::Written);
        assert_state(&order(world).await, State::Written);
        assert_eq!((in_ifs(world).field("Country"), creates(world)), ("NO", 1));
    }
);
