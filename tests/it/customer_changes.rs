//! Changes of customers in IFS whose answer is lost, comes late, or tells another writing than was sent: none of it is taken for
//! a person's.

use std::time::Duration;

use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::failpoint;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ifs::{CustomerRowOf, Writing};
use ml_connector::sandbox::ledger::Class;
use serde_json::json;

use crate::customers::{
    OWN_ID, assert_one_customer, begin, creates, customer, deliver, in_ifs, matched, of_kind, order_of_kari, posts,
    settle_down,
};
use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

/// A customer that stands in IFS, billed in Umea.
async fn made(world: &World) -> Steps {
    let steps = begin(world).await;
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    settle_down(world, &steps).await;
    steps
}

/// The next order of the same person, billed elsewhere.
async fn next_order(world: &World, steps: &Steps, city: &str) {
    steps.advance(world, 3);
    deliver(steps, &order_of_kari(world, city)).await;
    steps.run(steps.link()).await;
}

fn city(world: &World) -> String {
    in_ifs(world).addresses[0]["City"].clone()
}

fn changes(world: &World) -> usize {
    world.sandbox.ledger().count_of(Class::Amend)
}

fn wrong_group() -> Setup {
    let edit =
        ("customers = { ", "customers = { ship_address = \"customer_address\", person = { cust_group = \"WRONG\" }, ");
    Setup { edits: matched().edits.into_iter().chain([edit]).collect(), ..Setup::default() }
}

fn impatient() -> Setup {
    Setup { request_timeout: Some(Duration::from_secs(1)), wait_unhonoured: true, ..matched() }
}

on_both!(a_lost_change_of_ours_is_no_persons_when_a_newer_one_comes, matched(), async |world: &World| {
    let steps = made(world).await;
    world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
    next_order(world, &steps, "Lulea").await;
    assert_state(&customer(world).await, State::Unknown);
    assert_eq!(city(world), "Lulea", "IFS carried it out");
    next_order(world, &steps, "Pitea").await;
    settle_down(world, &steps).await;
    assert_eq!(city(world), "Pitea");
    next_order(world, &steps, "Kiruna").await;
    settle_down(world, &steps).await;
    assert_eq!(city(world), "Kiruna", "nor is it frozen later");
    assert_one_customer(world, OWN_ID).await;
});

on_both!(
    a_customer_that_moves_to_a_country_without_states_keeps_nothing_of_its_old_address,
    matched(),
    async |world: &World| {
        let steps = begin(world).await;
        let american = order_of_kari(world, "Fresno").edited(|order| {
            let address = &mut order["billing_address"];
            address["address2"] = json!("Apt 5");
            (address["province_code"], address["country_code"]) = (json!("CA"), json!("US"));
        });
        deliver(&steps, &american).await;
        settle_down(world, &steps).await;
        let told = |field: &str| in_ifs(world).addresses[0].get(field).cloned().unwrap_or_default();
        assert_eq!(
            (told("Address2").as_str(), told("State").as_str(), told("Country").as_str()),
            ("Apt 5", "CA", "US")
        );
        // The answer to the change is lost: what we emptied is ours all the same.
        world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
        next_order(world, &steps, "Umea").await;
        settle_down(world, &steps).await;
        assert_eq!((told("Address2").as_str(), told("State").as_str(), told("Country").as_str()), ("", "", "SE"));
        assert_one_customer(world, OWN_ID).await;
        steps.advance(world, 3);
        deliver(
            &steps,
            &order_of_kari(world, "Umea").edited(|order| order["billing_address"]["address2"] = json!("Apt 6")),
        )
        .await;
        settle_down(world, &steps).await;
        assert_eq!((told("Address2").as_str(), told("State").as_str()), ("Apt 6", ""));
        assert_one_customer(world, OWN_ID).await;
    }
);

on_both!(a_late_edit_of_an_order_changes_nothing_that_a_newer_one_said_again, matched(), async |world: &World| {
    let steps = begin(world).await;
    let older = order_of_kari(world, "Umea");
    deliver(&steps, &older).await;
    settle_down(world, &steps).await;
    let (before, told) = (customer(world).await, changes(world));
    // The newer order says the same: nothing is to be done, but from now on it is the one that counts.
    next_order(world, &steps, "Umea").await;
    settle_down(world, &steps).await;
    let after = customer(world).await;
    assert_eq!((after.desired_version, after.state.as_str()), (before.desired_version, "written"));
    assert_ne!(after.desired, before.desired);
    steps.advance(world, 3);
    let at = steps.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let late = older.edited(|order| {
        order["updated_at"] = json!(at);
        order["billing_address"]["city"] = json!("Lulea");
    });
    steps.deliver(steps.link(), "orders/updated", &late.body).await;
    settle_down(world, &steps).await;
    assert_eq!((city(world).as_str(), changes(world)), ("Umea", told));
    assert_one_customer(world, OWN_ID).await;
});

on_both!(a_persons_change_beside_a_lost_one_of_ours_stays, matched(), async |world: &World| {
    let steps = made(world).await;
    world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
    next_order(world, &steps, "Lulea").await;
    let ifs = world.sandbox.ifs();
    ifs.person_edits_customer(OWN_ID, CustomerRowOf::Address("1"), "City", "Haparanda").expect("a person may");
    next_order(world, &steps, "Pitea").await;
    settle_down(world, &steps).await;
    assert_eq!(city(world), "Haparanda");
    assert_one_customer(world, OWN_ID).await;
});

on_both!(a_lost_answer_to_a_posted_customer_is_adopted_by_its_number, posts(), async |world: &World| {
    world.sandbox.faults().once(Class::CustomerCreate, Fault::DropAnswer);
    made(world).await;
    assert_one_customer(world, OWN_ID).await;
    assert_eq!(creates(world), 1);
});

on_both!(several_lost_changes_in_a_row_are_all_ours, matched(), async |world: &World| {
    let steps = made(world).await;
    for lost in ["Lulea", "Pitea", "Boden"] {
        world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
        deliver(&steps, &order_of_kari(world, lost)).await;
        steps.map(steps.link()).await;
        steps.advance(world, 61);
        steps.write(steps.link()).await;
        assert_state(&customer(world).await, State::Unknown);
        assert_eq!(city(world), lost, "carried out, and its answer lost");
    }
    next_order(world, &steps, "Kiruna").await;
    settle_down(world, &steps).await;
    assert_eq!(city(world), "Kiruna");
    assert_one_customer(world, OWN_ID).await;
});

on_both!(a_change_that_ifs_holds_back_comes_never_once_it_is_wanted_no_more, impatient(), async |world: &World| {
    let steps = made(world).await;
    world.sandbox.faults().once(Class::Amend, Fault::Hold);
    next_order(world, &steps, "Lulea").await;
    assert_state(&customer(world).await, State::Unknown);
    assert_eq!((city(world).as_str(), world.sandbox.ifs().held()), ("Umea", 1));
    // The newest order wants what IFS holds: there is nothing to write, but the lost change may still come.
    next_order(world, &steps, "Umea").await;
    settle_down(world, &steps).await;
    assert_state(&customer(world).await, State::Written);
    assert_eq!(world.sandbox.ifs().release_held(), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(city(world), "Umea", "IFS refused it, since the customer has another ETag");
    assert_one_customer(world, OWN_ID).await;
});

on_both!(a_change_that_ifs_carries_out_late_is_ours_after_a_newer_one_met_it, impatient(), async |world: &World| {
    let steps = made(world).await;
    world.sandbox.faults().once(Class::Amend, Fault::Hold);
    next_order(world, &steps, "Lulea").await;
    // The newer change is lost without a trace; then the older one comes late.
    world.sandbox.faults().once(Class::Amend, Fault::Reset);
    next_order(world, &steps, "Pitea").await;
    steps.advance(world, 30);
    steps.run(steps.link()).await;
    world.sandbox.ifs().release_held();
    tokio::time::sleep(Duration::from_millis(200)).await;
    next_order(world, &steps, "Kiruna").await;
    settle_down(world, &steps).await;
    assert_eq!(city(world), "Kiruna");
    assert_one_customer(world, OWN_ID).await;
});

on_both!(a_value_that_ifs_writes_its_own_way_is_neither_a_gap_nor_a_persons, matched(), async |world: &World| {
    world.sandbox.ifs().set_writing("City", Some(Writing::Capitals));
    let steps = made(world).await;
    assert_one_customer(world, OWN_ID).await;
    assert_eq!((city(world).as_str(), changes(world)), ("UMEA", 1));
    next_order(world, &steps, "Lulea").await;
    settle_down(world, &steps).await;
    assert_one_customer(world, OWN_ID).await;
    assert_eq!((city(world).as_str(), changes(world)), ("LULEA", 2));
    // A person's word still stands.
    let ifs = world.sandbox.ifs();
    ifs.person_edits_customer(OWN_ID, CustomerRowOf::Address("1"), "City", "Haparanda").expect("a person may");
    next_order(world, &steps, "Pitea").await;
    settle_down(world, &steps).await;
    assert_one_customer(world, OWN_ID).await;
    assert_eq!((city(world).as_str(), changes(world)), ("Haparanda", 2));
});

on_both!(a_lost_change_that_ifs_wrote_its_own_way_is_ours, matched(), async |world: &World| {
    world.sandbox.ifs().set_writing("City", Some(Writing::Capitals));
    let steps = made(world).await;
    world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
    next_order(world, &steps, "Lulea").await;
    assert_eq!(city(world), "LULEA");
    next_order(world, &steps, "Pitea").await;
    settle_down(world, &steps).await;
    assert_eq!(city(world), "PITEA");
    assert_one_customer(world, OWN_ID).await;
});

on_both!(
    a_value_that_ifs_makes_something_else_of_is_shown_and_written_when_mended,
    matched(),
    async |world: &World| {
        let steps = made(world).await;
        let ifs = world.sandbox.ifs();
        ifs.set_writing("City", Some(Writing::Cut(3)));
        next_order(world, &steps, "Lulea").await;
        let parked = customer(world).await;
        assert_state(&parked, State::Parked);
        let reason = parked.reason.as_ref().expect("a reason");
        assert_eq!(reason.code, "customer_differs");
        assert!(reason.text.contains("address 1 City") && !reason.text.contains("Lul"), "{}", reason.text);
        let retry = || {
            let (code, _, said) = world.command(&["documents", "retry", &parked.id.to_string()], "");
            assert_eq!(code, 0, "{said}");
        };
        // Tried again as long as IFS does so, it parks again.
        for writing in [Writing::Cut(3), Writing::Kept] {
            ifs.set_writing("City", Some(writing));
            retry();
            steps.run(steps.link()).await;
            assert_state(&customer(world).await, State::Parked);
            assert_eq!(city(world), "Lul");
        }
        ifs.set_writing("City", None);
        retry();
        settle_down(world, &steps).await;
        assert_eq!(city(world), "Lulea", "what IFS cut short was not taken for a person's");
        assert_one_customer(world, OWN_ID).await;
    }
);

on_both!(
    after_a_kill_with_a_change_answered_a_newer_order_still_changes_the_customer,
    matched(),
    async |world: &World| {
        let webhook = order_of_kari(world, "Umea");
        let served = world.serve(Some(failpoint::CUSTOMER_CHANGE_ANSWERED));
        let (sent, url) = (webhook.clone(), served.webhook_url("acme"));
        let sending = actix_rt::spawn(async move { sent.send_to(url).await });
        served.reached(failpoint::CUSTOMER_CHANGE_ANSWERED).await.kill();
        assert_eq!(sending.await.expect("sends").status, 200);
        assert_eq!(city(world), "Umea");
        mapped_meanwhile(world, "Lulea").await;
        served_to_the_end(world, 3).await;
        assert_eq!(city(world), "Lulea");
        assert_one_customer(world, OWN_ID).await;
    }
);

on_both!(
    after_a_kill_with_a_newer_change_announced_the_lost_one_before_it_is_still_ours,
    matched(),
    async |world: &World| {
        {
            // The clock of these steps stays near the real one, by which the processes below go.
            let steps = begin(world).await;
            deliver(&steps, &order_of_kari(world, "Umea")).await;
            steps.run(steps.link()).await;
            world.sandbox.faults().once(Class::Amend, Fault::DropAnswer);
            next_order(world, &steps, "Lulea").await;
            assert_state(&customer(world).await, State::Unknown);
            deliver(&steps, &order_of_kari(world, "Pitea")).await;
            steps.map(steps.link()).await;
        }
        // The next owner sees that Lulea is ours, announces Pitea, and dies before a byte of it leaves.
        let point = failpoint::CUSTOMER_CHANGE_COMMITTED;
        world.serve(Some(point)).reached(point).await.kill();
        assert_eq!(city(world), "Lulea");
        mapped_meanwhile(world, "Kiruna").await;
        served_to_the_end(world, 5).await;
        assert_eq!(city(world), "Kiruna");
        assert_one_customer(world, OWN_ID).await;
    }
);

/// A newer order is mapped before anybody looks at what a dead process left.
async fn mapped_meanwhile(world: &World, city: &str) {
    let steps = begin(world).await;
    deliver(&steps, &order_of_kari(world, city)).await;
    steps.map(steps.link()).await;
}

/// Serves until so many documents are written and none is under way.
async fn served_to_the_end(world: &World, documents: i64) {
    let served = world.serve(None);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while world.database.number("SELECT COUNT(*) FROM documents WHERE state = 'written'") < documents {
        assert!(std::time::Instant::now() < deadline, "{:?}", world.documents().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(served.terminate(), 0);
}

on_both!(
    a_retry_judges_the_order_that_told_of_the_customer_last_under_the_mended_settings,
    wrong_group(),
    async |world: &World| {
        let older = order_of_kari(world, "Umea");
        {
            let steps = begin(world).await;
            deliver(&steps, &older).await;
            next_order(world, &steps, "Lulea").await;
            // The older order goes elsewhere: of its customer it tells an address more, and nothing else.
            steps.advance(world, 3);
            let at = steps.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let moved = older.edited(|order| {
                order["updated_at"] = json!(at);
                order["shipping_address"]["city"] = json!("Boden");
            });
            steps.deliver(steps.link(), "orders/updated", &moved.body).await;
            settle_down(world, &steps).await;
        }
        let parked = customer(world).await;
        assert_state(&parked, State::Parked);
        assert_eq!(parked.reason.as_ref().expect("a reason").code, "refused_by_ifs");
        let settings = std::fs::read_to_string(&world.config).expect("reads");
        std::fs::write(&world.config, settings.replace("WRONG", "B2B")).expect("writes");
        let (code, _, said) = world.command(&["documents", "retry", &parked.id.to_string()], "");
        assert_eq!(code, 0, "{said}");
        let steps = begin(world).await;
        settle_down(world, &steps).await;
        assert_state(&customer(world).await, State::Written);
        assert_eq!(in_ifs(world).order_data.expect("there")["CustGrp"], "B2B");
        for order in of_kind(world, DocumentKind::CustomerOrder).await {
            assert_state(&order, State::Written);
        }
    }
);

on_both!(an_order_of_a_customer_that_vanished_from_ifs_waits_for_a_person, matched(), async |world: &World| {
    let steps = made(world).await;
    assert!(world.sandbox.ifs().person_erases_customer(OWN_ID));
    next_order(world, &steps, "Lulea").await;
    settle_down(world, &steps).await;
    let parked = customer(world).await;
    assert_state(&parked, State::Parked);
    assert_eq!(parked.reason.expect("a reason").code, "vanished");
    let latest = order_of_kari(world, "Lulea");
    deliver(&steps, &latest).await;
    steps.run(steps.link()).await;
    let waiting = of_kind(world, DocumentKind::CustomerOrder).await.pop().expect("the last one");
    assert_eq!(waiting.order_id, latest.order_id);
    assert_state(&waiting, State::Held);
    assert_eq!(waiting.reason.expect("a reason").code, "customer_parked");
    assert_eq!(creates(world), 1, "it is never made again");
});
