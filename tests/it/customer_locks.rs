//! Transactions that change a customer's and an order's document at once: none waits for another in a ring, and none overwrites
//! what it did not see.

use std::time::Duration;

use jiff::Timestamp;
use ml_connector::domain::document::{DocumentKind, State, Wanted};
use ml_connector::flow::map_delivery::map_delivery;
use ml_connector::sandbox::shopify::Story;
use ml_connector::store::{
    Awaited, Claimed, CustomerStanding, CustomerWish, Reason, Settle, Settled, StoreError, Wish,
};
use serde_json::json;

use crate::customers::{KEY, begin, deliver, no_template, order, order_of_kari};
use crate::on_both;
use crate::support::database::Database;
use crate::support::webhook::Webhook;
use crate::support::world::{Steps, World, assert_state};

async fn standing(steps: &Steps) -> CustomerStanding {
    steps.store.customer_standing(&steps.link().name, KEY).await.expect("reads").expect("there")
}

async fn claimed(steps: &Steps) -> Claimed {
    let link = steps.link();
    let kinds = &[DocumentKind::CustomerOrder];
    let mut claimed =
        steps.store.claim_due(&link.tenant.lease, &link.name, kinds, link.clock.now(), 1).await.expect("claims");
    claimed.pop().expect("it is due")
}

/// The end of a step on an order that waits for its customer and makes its document anew.
fn wait(claimed: &Claimed, customer: Option<CustomerWish>, now: Timestamp) -> Settle {
    let reason = Reason { kind: None, code: "waits_for_customer".into(), text: "a test".into() };
    let due_at = if customer.is_some() { now } else { now.checked_add(Duration::from_secs(60)).expect("in range") };
    Settle {
        settled: Settled::Held { reason, due_at },
        version: claimed.desired_version,
        close: None,
        link: None,
        written: None,
        awaited: customer.map(|customer| Awaited::Anew { customer, rules_revision: "rules".into() }),
        follow_ups: Vec::new(),
        attempt: None,
        now,
    }
}

fn content(digest: &str, desired: &str, follows: Option<&str>) -> CustomerWish {
    let wish = Wish {
        wanted: Wanted::Write,
        content: desired.to_owned(),
        digest: digest.to_owned(),
        reason: None,
        due_at: None,
    };
    CustomerWish { key: KEY.to_owned(), wish, expected: follows.map(str::to_owned) }
}

on_both!(an_order_that_waits_never_overwrites_a_newer_content_of_its_customer, no_template(), async |world: &World| {
    let steps = begin(world).await;
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    steps.run(steps.link()).await;
    steps.advance(world, 61);
    let (lease, before) = (&steps.link().tenant.lease, standing(&steps).await);
    // It was made to follow a content that is there no more, or no content at all.
    for follows in [Some("an older one"), None] {
        let claimed = claimed(&steps).await;
        let mut settle = wait(&claimed, Some(content("mine", "{}", follows)), steps.clock.now());
        let Settled::Held { due_at, .. } = &mut settle.settled else { unreachable!("it is held") };
        *due_at = steps.clock.now().checked_add(Duration::from_secs(3_000)).expect("in range");
        assert_eq!(steps.store.settle(lease, &claimed, settle).await.expect("settles"), State::Held);
        let after = standing(&steps).await;
        assert_eq!((after.desired_digest, after.desired), (before.desired_digest.clone(), before.desired.clone()));
        let order = order(world).await;
        let due_in_us = order.due_at.as_microsecond() - steps.clock.now().as_microsecond();
        assert_eq!((order.waits_for, due_in_us), (Some(before.document), 0), "it looks again at once");
    }
    // What follows the content that is there is taken.
    let claimed = claimed(&steps).await;
    let settle = wait(&claimed, Some(content("mine", &before.desired, Some(&before.desired))), steps.clock.now());
    steps.store.settle(lease, &claimed, settle).await.expect("settles");
    assert_eq!(standing(&steps).await.desired_digest, "mine");
});

on_both!(an_order_that_waits_for_a_customer_nobody_made_makes_its_document, no_template(), async |world: &World| {
    let steps = begin(world).await;
    deliver(&steps, &Webhook::of_new_order(world, Story::Plain)).await;
    steps.map(steps.link()).await;
    let claimed = claimed(&steps).await;
    let settle = wait(&claimed, Some(content("mine", "{}", None)), steps.clock.now());
    steps.store.settle(&steps.link().tenant.lease, &claimed, settle).await.expect("settles");
    let made = standing(&steps).await;
    assert_eq!((made.desired_digest.as_str(), made.state), ("mine", State::Planned));
    let order = world.store.document(claimed.id).await.expect("reads").expect("there");
    assert_state(&order, State::Held);
    assert_eq!(order.waits_for, Some(made.document));
});

on_both!(
    an_order_whose_newer_version_comes_while_it_begins_to_wait_looks_again_at_once,
    no_template(),
    async |world: &World| {
        let steps = begin(world).await;
        let webhook = order_of_kari(world, "Umea");
        deliver(&steps, &webhook).await;
        steps.map(steps.link()).await;
        let claimed = claimed(&steps).await;
        let newer = Timestamp::now().checked_add(Duration::from_secs(60)).expect("in range");
        let version = webhook.edited(|order| {
            order["updated_at"] = json!(newer.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            order["note"] = json!("a note that came a moment later");
        });
        steps.deliver(steps.link(), "orders/updated", &version.body).await;
        steps.map(steps.link()).await;
        let settle = wait(&claimed, None, steps.clock.now());
        steps.store.settle(&steps.link().tenant.lease, &claimed, settle).await.expect("settles");
        let order = order(world).await;
        assert_state(&order, State::Planned);
        assert_eq!(
            order.due_at.as_microsecond(),
            steps.clock.now().as_microsecond(),
            "nothing else would wake it for a minute"
        );
    }
);

/// Deadlocks that PostgreSQL has broken in this database.
fn deadlocks(world: &World) -> i64 {
    world.database.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
}

#[actix_rt::test]
async fn a_waiting_order_and_a_newer_version_of_it_never_wait_for_each_other_in_a_ring() {
    let Some(database) = Database::postgres() else { return };
    let world = World::new(database, no_template()).await;
    let steps = begin(&world).await;
    let link = steps.link();
    let webhook = order_of_kari(&world, "Umea");
    deliver(&steps, &webhook).await;
    steps.run(link).await;
    steps.advance(&world, 61);
    let (mut settled, mut mapped) = (0, 0);
    for round in 0..60_i64 {
        // A newer version of the order, in the hands of the mapper; the order itself in those of the writer.
        let at = Timestamp::now().checked_add(Duration::from_secs(60)).expect("in range");
        let at = at.checked_add(jiff::SignedDuration::from_secs(round)).expect("in range");
        let version = webhook.clone().edited(|order| {
            order["updated_at"] = json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            order["billing_address"]["city"] = json!(format!("Town {round}"));
            order["billing_address"]["name"] = json!(format!("Kari {round}"));
        });
        steps.deliver(link, "orders/updated", &version.body).await;
        let received = steps.store.due_deliveries(&link.name, steps.clock.now(), 10).await.expect("takes");
        let [received] = received.as_slice() else { panic!("one delivery waits: {}", received.len()) };
        let claimed = claimed(&steps).await;
        let before = standing(&steps).await;
        let wish = content(&format!("round {round}"), &before.desired, Some(&before.desired));
        let settle = wait(&claimed, Some(wish), steps.clock.now());
        let (written, told) =
            tokio::join!(steps.store.settle(&link.tenant.lease, &claimed, settle), map_delivery(link, received));
        match written {
            Ok(_) => settled += 1,
            Err(error @ StoreError::Query(_)) => panic!("round {round}: {error:?}"),
            Err(error) => panic!("round {round}: {error}"),
        }
        told.expect("no deadlock is the mapper's");
        mapped += 1;
    }
    assert_eq!((settled, mapped), (60, 60));
    // The server counts with a delay of up to a second.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(deadlocks(&world), 0);
}
