//! The standing query: a second record with our key parks its order, one that nobody knows is told, what is under way and what
//! persons keyed under other numbers is left in peace, and nothing is ever cancelled.

use std::time::Duration;

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use ml_connector::flow::standing::{self, Asked, Ran, Reach, StandingError};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Story};
use ml_connector::store::{DocumentRow, StoreError, Takeover};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

async fn arrive(world: &World, steps: &Steps, order: u64, topic: &str) {
    steps.deliver(steps.link(), topic, &world.shop().webhook_body(order).expect("a body")).await;
    steps.run(steps.link()).await;
}

async fn ask(steps: &Steps) -> Ran {
    standing::run(steps.link(), Reach::Recent).await.expect("it comes to its end")
}

fn keyed(world: &World, key: &str) -> String {
    let one = Some(("DESK-SERVICE", Decimal::ONE, Decimal::TEN));
    world.sandbox.ifs().add_foreign_order(key, "S10", one).expect("a person keyed it")
}

fn code(document: &DocumentRow) -> &str {
    document.reason.as_ref().map_or("", |reason| reason.code.as_str())
}

fn text(document: &DocumentRow) -> &str {
    document.reason.as_ref().map_or("", |reason| reason.text.as_str())
}

/// The open strays, as the command lists them.
fn listed(world: &World, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["strays", "list", "--json"], arguments].concat();
    let (code, out, said) = world.command(&arguments, "");
    assert_eq!(code, 0, "{said}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    told["items"].as_array().expect("a list").clone()
}

/// What was written to IFS: creates, and everything else.
fn written(world: &World) -> (usize, usize) {
    let count = |class| world.sandbox.ledger().count_of(class);
    (count(Class::Create), count(Class::Amend) + count(Class::Action))
}

on_both!(
    a_second_record_with_the_key_of_a_written_order_parks_it_and_cancels_nothing,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let order = world.shop().place(Story::Plain);
        arrive(world, &steps, order, "orders/create").await;
        assert_eq!(ask(&steps).await, Ran { seen: 1, ..Ran::default() });
        assert_state(&world.document().await, State::Written);

        let ours = world.document().await.order_no.expect("linked");
        let second = keyed(world, &order.to_string());
        let ran = ask(&steps).await;
        assert_eq!((ran.parked, ran.told, ran.looked_up), (1, 0, 1));
        let document = world.document().await;
        assert_state(&document, State::Parked);
        assert_eq!(code(&document), "second_record_with_our_key");
        assert!(text(&document).contains(&ours) && text(&document).contains(&second), "{}", text(&document));
        assert_eq!(document.order_no.as_ref(), Some(&ours), "the link stays");
        let told = listed(world, &[]);
        assert_eq!((told.len(), told[0]["order_no"].as_str()), (1, Some(second.as_str())), "{told:?}");

        // It is told once, and stays a person's whatever Shopify says.
        assert_eq!(ask(&steps).await.parked, 0);
        world.shop().change(order, Change::Cancelled);
        arrive(world, &steps, order, "orders/cancelled").await;
        assert_state(&world.document().await, State::Parked);
        assert_eq!(written(world), (1, 0));
        let ifs = world.sandbox.ifs();
        assert!([&ours, &second].iter().all(|number| ifs.order(number).expect("there").is_live()));
    }
);

on_both!(what_is_told_already_is_seen_again_so_that_others_have_their_turn, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    arrive(world, &steps, order, "orders/create").await;
    keyed(world, &order.to_string());
    assert_eq!(ask(&steps).await.parked, 1);
    let seen_at = || world.database.number("SELECT seen_at FROM strays");
    assert_eq!(seen_at(), steps.clock.now().as_microsecond());
    steps.advance(world, 3_600);
    assert_eq!(ask(&steps).await.parked, 0);
    assert_eq!(seen_at(), steps.clock.now().as_microsecond(), "its park names it, and it stands there");
});

on_both!(what_a_person_put_right_is_told_no_more, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    arrive(world, &steps, order, "orders/create").await;
    let second = keyed(world, &order.to_string());
    assert_eq!(ask(&steps).await.parked, 1);
    world.sandbox.ifs().person_cancels(&second).expect("it is planned");
    let id = world.document().await.id.to_string();
    assert_eq!(world.command(&["documents", "retry", &id], "").0, 0);
    steps.advance(world, 120);
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(ask(&steps).await.parked, 0);
    assert!(listed(world, &[]).is_empty());
    let all = listed(world, &["--all"]);
    assert_eq!(all[0]["state"], "explained", "{all:?}");
    assert!(world.sandbox.books(&[]).differences.is_empty());
});

on_both!(
    a_record_that_no_order_explains_is_told_once_until_a_person_dismisses_it,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let stray = keyed(world, "5580473532552");
        let ran = ask(&steps).await;
        assert_eq!((ran.told, ran.parked), (1, 0));
        assert_eq!(ask(&steps).await.told, 0);
        let told = listed(world, &[]);
        assert_eq!(
            (told[0]["order_no"].as_str(), told[0]["code"].as_str()),
            (Some(stray.as_str()), Some("unlinked_record_with_our_key"))
        );
        assert!(told[0]["document"].is_null());
        let id = told[0]["id"].to_string();
        let (code, _, said) = world.command(&["strays", "dismiss", &id, "--note", "keyed by sales"], "");
        assert_eq!(code, 0, "{said}");
        assert_eq!(ask(&steps).await.told, 0);
        assert!(listed(world, &[]).is_empty());
        assert_eq!(listed(world, &["--all"])[0]["state"], "dismissed");
        assert_eq!(world.command(&["strays", "dismiss", &id, "--note", "again"], "").0, 2);
        assert_eq!(written(world), (0, 0));
    }
);

on_both!(what_persons_key_under_their_own_numbers_is_no_stray, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    for key in ["PO-77", "4500012345", "", "5580473532552-3", "0580473532552"] {
        keyed(world, key);
    }
    let cancelled = keyed(world, "5580473532553");
    world.sandbox.ifs().person_cancels(&cancelled).expect("it is planned");
    let ran = ask(&steps).await;
    assert_eq!((ran.told, ran.parked, ran.looked_up), (0, 0, 0));
    assert!(listed(world, &[]).is_empty());
});

on_both!(while_a_create_is_under_way_its_record_is_no_stray, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    world.sandbox.faults().once(Class::Create, Fault::DropAnswer);
    arrive(world, &steps, order, "orders/create").await;
    assert_state(&world.document().await, State::Unknown);
    assert_eq!(world.sandbox.ifs().orders_by_po(&order.to_string()).len(), 1, "it was made all the same");
    let ran = ask(&steps).await;
    assert_eq!((ran.seen, ran.looked_up, ran.parked, ran.told), (1, 1, 0, 0));
    assert_state(&world.document().await, State::Unknown);
    steps.advance(world, 20);
    steps.run(steps.link()).await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(ask(&steps).await, Ran { seen: 1, ..Ran::default() });
    assert!(listed(world, &["--all"]).is_empty());
});

on_both!(
    an_order_that_is_still_to_be_created_looks_first_where_its_key_stands_already,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let order = world.shop().place(Story::Plain);
        steps.deliver(steps.link(), "orders/create", &world.shop().webhook_body(order).expect("a body")).await;
        steps.map(steps.link()).await;
        let found = keyed(world, &order.to_string());
        assert_eq!(ask(&steps).await.look_first, 1);
        steps.write(steps.link()).await;
        let document = world.document().await;
        assert_state(&document, State::Parked);
        assert!(text(&document).contains(&found), "{}", text(&document));
        assert_eq!(written(world), (0, 0), "without the query it would have been made beside it");
        // The park names it, so that it is not told once more.
        assert_eq!(ask(&steps).await.parked, 0);
    }
);

on_both!(
    a_record_of_an_order_that_was_cancelled_before_it_was_written_parks_it,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let order = world.shop().place(Story::Plain);
        world.shop().change(order, Change::Cancelled);
        arrive(world, &steps, order, "orders/create").await;
        assert_state(&world.document().await, State::Superseded);
        let late = keyed(world, &order.to_string());
        assert_eq!(ask(&steps).await.parked, 1);
        let document = world.document().await;
        assert_eq!((document.state, code(&document)), (State::Parked, "unlinked_record_with_our_key"));
        assert!(text(&document).contains(&late));
        assert!(world.sandbox.ifs().order(&late).expect("there").is_live(), "it is not cancelled by itself");
        // A person who resolves it has seen it.
        let id = document.id.to_string();
        assert_eq!(world.command(&["documents", "resolve", &id, "--note", "right as it stands"], "").0, 0);
        steps.advance(world, 60);
        assert_eq!(ask(&steps).await.parked, 0);
        assert!(listed(world, &[]).is_empty());
        keyed(world, &order.to_string());
        assert_eq!(ask(&steps).await.told, 2, "another one was not seen, and both stand there");
        assert_state(&world.document().await, State::Resolved);
    }
);

on_both!(an_owner_that_was_replaced_parks_nothing, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    arrive(world, &steps, order, "orders/create").await;
    keyed(world, &order.to_string());
    let lease = &steps.link().tenant.lease;
    let taken =
        steps.store.acquire_lease(lease.name.clone(), "another".into(), Duration::from_secs(60), Takeover::Proven);
    taken.await.expect("takes it");
    let ran = standing::run(steps.link(), Reach::Recent).await;
    assert!(matches!(ran, Err(StandingError::Store(StoreError::Fenced))), "{ran:?}");
    assert_state(&world.document().await, State::Written);
    assert!(listed(world, &["--all"]).is_empty());
});

on_both!(a_stray_behind_many_pages_is_found, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    for number in 0..620 {
        world.sandbox.ifs().add_foreign_order(&format!("PO-{number}"), "S10", None).expect("a person keyed it");
    }
    let stray = keyed(world, "5580473532552");
    let ran = ask(&steps).await;
    assert_eq!((ran.seen, ran.told), (1, 1));
    assert_eq!(listed(world, &[])[0]["order_no"].as_str(), Some(stray.as_str()));
});

on_both!(what_ifs_does_not_answer_decides_nothing, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    arrive(world, &steps, order, "orders/create").await;
    keyed(world, &order.to_string());
    for class in [Class::Read, Class::Lookup] {
        world.sandbox.faults().times(class, Fault::Plain(500, "{}".into()), 20);
        assert!(matches!(standing::run(steps.link(), Reach::Recent).await, Err(StandingError::Ifs(_))), "{class:?}");
        assert_state(&world.document().await, State::Written);
        world.sandbox.faults().clear();
        steps.advance(world, 60);
    }
    assert_eq!(standing::run(steps.link(), Reach::Nightly).await.expect("runs").parked, 1);
});

/// The runs that are recorded, oldest first.
fn runs(world: &World) -> Vec<String> {
    world.database.texts("SELECT what || ' ' || COALESCE(outcome, 'open') AS value FROM schedule_runs ORDER BY id")
}

on_both!(when_it_ran_is_remembered_over_restarts_and_owners, Setup::default(), async |world: &World| {
    let clock = Clock::manual("2026-11-27T12:00:00Z".parse().expect("a literal timestamp"));
    let hour = Duration::from_secs(3_600);
    {
        let steps = world.steps(&clock).await;
        assert_eq!(standing::ask(steps.link()).await.expect("asks"), Asked::Done(Ran::default()));
        assert_eq!(standing::ask(steps.link()).await.expect("asks"), Asked::NotDue(hour));
    }
    let steps = world.steps(&clock).await;
    steps.advance(world, 1_800);
    assert_eq!(standing::ask(steps.link()).await.expect("asks"), Asked::NotDue(hour / 2));
    steps.advance(world, 1_800);
    world.sandbox.faults().times(Class::Read, Fault::Plain(500, "{}".into()), 20);
    assert_eq!(standing::ask(steps.link()).await.expect("asks"), Asked::Failed);
    world.sandbox.faults().clear();
    steps.advance(world, 60);
    assert_eq!(standing::ask(steps.link()).await.expect("asks"), Asked::Done(Ran::default()));
    steps.advance(world, 24 * 3_600);
    assert_eq!(standing::ask(steps.link()).await.expect("asks"), Asked::Done(Ran::default()));
    let (recent, nightly) = ("standing_query", "standing_query_nightly");
    assert_eq!(
        runs(world),
        [format!("{nightly} done"), format!("{recent} failed"), format!("{recent} done"), format!("{nightly} done")]
    );
});

on_both!(a_long_look_that_fails_keeps_the_usual_one_from_nothing, Setup::default(), async |world: &World| {
    let clock = Clock::manual("2026-11-27T12:00:00Z".parse().expect("a literal timestamp"));
    let steps = world.steps(&clock).await;
    let ask = async || standing::ask(steps.link()).await.expect("asks");
    world.sandbox.faults().times(Class::Read, Fault::Plain(500, "{}".into()), 20);
    assert_eq!(ask().await, Asked::Failed);
    world.sandbox.faults().clear();
    steps.advance(world, 60);
    assert_eq!(ask().await, Asked::Done(Ran::default()), "the usual one");
    assert_eq!(ask().await, Asked::NotDue(Duration::from_secs(59 * 60)), "the long one again, before the usual one");
    steps.advance(world, 59 * 60);
    assert_eq!(ask().await, Asked::Done(Ran::default()));
    let (recent, nightly) = ("standing_query", "standing_query_nightly");
    assert_eq!(runs(world), [format!("{nightly} failed"), format!("{recent} done"), format!("{nightly} done")]);
});

fn two_shops() -> Setup {
    Setup { two_shops: true, ..Setup::default() }
}

fn two_sites() -> Setup {
    let edits = vec![("mode = \"live\"", "mode = \"live\"\nsites = { 655441491 = { site = \"S11\" } }")];
    Setup { edits, ..Setup::default() }
}

on_both!(an_order_whose_key_stands_at_another_site_is_not_made_beside_it, two_sites(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    steps.deliver(steps.link(), "orders/create", &world.shop().webhook_body(order).expect("a body")).await;
    steps.map(steps.link()).await;
    let found = world.sandbox.ifs().add_foreign_order(&order.to_string(), "S11", None).expect("a person keyed it");
    assert_eq!(ask(&steps).await.look_first, 1);
    steps.write(steps.link()).await;
    let document = world.document().await;
    assert_state(&document, State::Parked);
    assert!(text(&document).contains(&found), "{}", text(&document));
    assert_eq!(written(world), (0, 0));
});

on_both!(
    a_record_at_a_site_that_its_orders_connection_does_not_read_is_told_by_who_reads_it,
    two_shops(),
    async |world: &World| {
        let steps = begin(world).await;
        let (acme, bolt) = (&steps.links[0], &steps.links[1]);
        let shop = world.sandbox.shop(1).expect("a second shop");
        let order = shop.place(Story::Plain);
        steps.deliver(bolt, "orders/create", &shop.webhook_body(order).expect("a body")).await;
        steps.run(bolt).await;
        assert_state(&world.document().await, State::Written);
        let stray = keyed(world, &order.to_string());
        let found = standing::run(bolt, Reach::Recent).await.expect("it comes to its end");
        assert_eq!((found.parked, found.told), (0, 0), "it does not read that site");
        let found = standing::run(acme, Reach::Recent).await.expect("it comes to its end");
        assert_eq!((found.parked, found.told), (0, 1));
        let told = listed(world, &[]);
        assert_eq!((told.len(), told[0]["order_no"].as_str()), (1, Some(stray.as_str())), "{told:?}");
        assert_state(&world.document().await, State::Written);
        world.sandbox.ifs().person_cancels(&stray).expect("it is planned");
        standing::run(acme, Reach::Recent).await.expect("it comes to its end");
        assert!(listed(world, &[]).is_empty());
    }
);

on_both!(what_was_cancelled_under_a_key_hides_no_live_record, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    arrive(world, &steps, order, "orders/create").await;
    for _ in 0..4 {
        let cancelled = keyed(world, &order.to_string());
        world.sandbox.ifs().person_cancels(&cancelled).expect("it is planned");
    }
    let live = keyed(world, &order.to_string());
    assert_eq!(ask(&steps).await.parked, 1);
    assert!(text(&world.document().await).contains(&live));
    assert_eq!(ask(&steps).await.parked, 0);
    assert_eq!(listed(world, &[]).len(), 1, "it stays told");
});
