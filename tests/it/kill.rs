//! The real binary, killed with SIGKILL at every point of an order's way and started again. What counts is in the books
//! of the simulated IFS: one order, no row double, and no second create without a look-up before it.

use std::time::{Duration, Instant};

use actix_rt::task::JoinHandle;
use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use ml_connector::failpoint;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::{Class, Entry};
use ml_connector::sandbox::shopify::{Story, WebhookAnswer};

use crate::on_both;
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::{CONNECTIONS, Setup, World, assert_state};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const WAIT: Duration = Duration::from_secs(1);
const NOT_BEFORE_MARGIN: Duration = Duration::from_secs(1);

on_both!(a_kill_with_the_body_read_loses_nothing_that_was_acknowledged, patient(), async |world: &World| {
    let webhook = killed_before_the_answer(world, failpoint::BODY_READ).await;
    assert_eq!(deliveries(world), 0, "nothing was stored, so nothing may have been acknowledged");
    restarted(world, Some(&webhook)).await;
    assert_written_once(world, &webhook, 1).await;
});

on_both!(a_kill_between_the_commit_and_the_200_leads_to_one_order, patient(), async |world: &World| {
    let webhook = killed_before_the_answer(world, failpoint::INBOX_COMMITTED).await;
    assert_eq!(deliveries(world), 1, "the row was committed");
    restarted(world, Some(&webhook)).await;
    assert_written_once(world, &webhook, 1).await;
});

on_both!(a_kill_with_the_document_claimed_leads_to_one_order, patient(), async |world: &World| {
    let webhook = killed_after_the_answer(world, failpoint::CLAIMED).await;
    assert_eq!(creates(world, &webhook).len(), 0);
    restarted(world, None).await;
    assert_written_once(world, &webhook, 1).await;
});

on_both!(a_kill_between_the_intent_and_the_bytes_waits_for_not_before, hasty(), async |world: &World| {
    let webhook = killed_after_the_answer(world, failpoint::INTENT_COMMITTED).await;
    assert_eq!(creates(world, &webhook).len(), 0, "no byte left");
    restarted(world, None).await;
    assert_written_once(world, &webhook, 1).await;
    assert_not_before_was_kept(world, &webhook);
});

on_both!(a_kill_after_the_bytes_were_sent_adopts_what_ifs_made, patient(), async |world: &World| {
    let webhook = killed_after_the_answer(world, failpoint::BYTES_SENT).await;
    ifs_has_committed(world, &webhook).await;
    restarted(world, None).await;
    assert_written_once(world, &webhook, 1).await;
    assert_eq!(world.document().await.origin.as_deref(), Some("adopted"));
});

on_both!(a_kill_after_the_bytes_of_a_create_that_ifs_lost_creates_once_more, hasty(), async |world: &World| {
    world.sandbox.faults().once(Class::Create, Fault::Reset);
    let webhook = killed_after_the_answer(world, failpoint::BYTES_SENT).await;
    restarted(world, None).await;
    assert_written_once(world, &webhook, 2).await;
    assert_not_before_was_kept(world, &webhook);
});

on_both!(a_kill_before_ifs_commits_late_leads_to_one_order, patient(), async |world: &World| {
    // Later than the restart and its first look-up, earlier than the end of the time that IFS has for it.
    world.sandbox.faults().once(Class::Create, Fault::Late(Duration::from_secs(5)));
    let webhook = killed_after_the_answer(world, failpoint::BYTES_SENT).await;
    restarted(world, None).await;
    assert_written_once(world, &webhook, 1).await;
    let in_vain = look_ups(world, &webhook).len();
    assert!(in_vain > 1, "the order was looked up before it was there: {in_vain} look-ups");
});

on_both!(a_kill_with_the_201_received_adopts_what_ifs_made, patient(), async |world: &World| {
    let webhook = killed_after_the_answer(world, failpoint::CREATED_RECEIVED).await;
    restarted(world, None).await;
    assert_written_once(world, &webhook, 1).await;
    assert_eq!(world.document().await.origin.as_deref(), Some("adopted"));
});

on_both!(a_kill_between_the_reading_back_and_the_settle_adopts_what_ifs_made, patient(), async |world: &World| {
    let webhook = killed_after_the_answer(world, failpoint::READ_BACK_DONE).await;
    restarted(world, None).await;
    assert_written_once(world, &webhook, 1).await;
    assert_eq!(world.document().await.origin.as_deref(), Some("adopted"));
});

on_both!(
    a_delivery_that_was_in_hand_when_the_process_died_of_others_is_not_given_up,
    patient(),
    async |world: &World| {
        // 1. Two deliveries, the first of them in hand at four deaths.
        two_deliveries(world).await;
        let first = "id = (SELECT MIN(id) FROM inbox)";
        world.database.execute(&format!("UPDATE inbox SET attempts = 4 WHERE {first}"));
        // 2. It is begun after the other one, so that the next death is not laid at its door.
        world.serve(Some(failpoint::MAPPING_BEGUN)).reached(failpoint::MAPPING_BEGUN).await.kill();
        assert_eq!(world.database.number(&format!("SELECT attempts FROM inbox WHERE {first}")), 4);
        // 3. Both become orders.
        assert_both_become_orders(world).await;
    }
);

on_both!(what_was_put_back_waits_for_nobody_until_a_process_dies_with_it, patient(), async |world: &World| {
    // 1. Two deliveries, the first of them put back twice, as while Shopify answers too old a version.
    two_deliveries(world).await;
    let first = "id = (SELECT MIN(id) FROM inbox)";
    let put_back = "attempts = 2, reason = 'Shopify answered an older version'";
    world.database.execute(&format!("UPDATE inbox SET {put_back} WHERE {first}"));
    // 2. It goes in its turn; from then on this death may be its own.
    world.serve(Some(failpoint::MAPPING_BEGUN)).reached(failpoint::MAPPING_BEGUN).await.kill();
    let begun = format!("SELECT attempts FROM inbox WHERE {first} AND reason IS NULL");
    assert_eq!(world.database.number(&begun), 3);
    // 3. Both become orders.
    assert_both_become_orders(world).await;
});

/// Two new orders, told while nobody maps them.
async fn two_deliveries(world: &World) {
    let steps = world.steps(&Clock::system()).await;
    for _ in 0..2 {
        let webhook = Webhook::of_new_order(world, Story::Plain);
        let body = webhook.json().to_string();
        steps.deliver(steps.link(), "orders/create", body.as_bytes()).await;
    }
}

async fn assert_both_become_orders(world: &World) {
    restarted(world, None).await;
    let books = world.sandbox.books(&[]);
    assert!(books.is_clean(), "{:#}", books.to_json());
    assert_eq!((books.orders, books.ifs_orders), (2, 2));
}

/// For points at which the order stands in IFS when the service comes back.
fn patient() -> Setup {
    Setup::default()
}

/// For points after which not-before must pass.
fn hasty() -> Setup {
    Setup { request_timeout: Some(REQUEST_TIMEOUT), wait: Some(WAIT), ..Setup::default() }
}

async fn killed_before_the_answer(world: &World, point: &'static str) -> Webhook {
    let webhook = Webhook::of_new_order(world, Story::Plain);
    let served = world.serve(Some(point));
    let sending = in_background(&webhook, &served);
    let served = served.reached(point).await;
    assert!(!sending.is_finished(), "nothing is answered before {point}");
    served.kill();
    let answer = sending.await.expect("sends");
    assert_eq!(answer.status, 0, "the answer never came: {answer:?}");
    webhook
}

async fn killed_after_the_answer(world: &World, point: &'static str) -> Webhook {
    let webhook = Webhook::of_new_order(world, Story::Plain);
    let served = world.serve(Some(point));
    let sending = in_background(&webhook, &served);
    let served = served.reached(point).await;
    let answer = sending.await.expect("sends");
    assert_eq!(answer.status, 200, "acknowledged before {point}: {answer:?}");
    served.kill();
    webhook
}

fn in_background(webhook: &Webhook, served: &Served) -> JoinHandle<WebhookAnswer> {
    let (webhook, url) = (webhook.clone(), served.webhook_url(CONNECTIONS[0]));
    actix_rt::spawn(async move { webhook.send_to(url).await })
}

/// Starts the service again, delivers again what was not acknowledged, and waits until nothing is under way.
async fn restarted(world: &World, unacknowledged: Option<&Webhook>) {
    let served = world.serve(None);
    if let Some(webhook) = unacknowledged {
        webhook.is_taken(&served).await;
    }
    world.quiet().await;
    assert_eq!(served.terminate(), 0);
}

async fn ifs_has_committed(world: &World, webhook: &Webhook) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !creates(world, webhook).iter().any(|entry| entry.committed == Some(true)) {
        assert!(Instant::now() < deadline, "IFS carried nothing out: {:?}", creates(world, webhook));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn assert_written_once(world: &World, webhook: &Webhook, creates_allowed: usize) {
    // 1. IFS's books: one order, each component as sold, no row double.
    let books = world.sandbox.books(&[]);
    assert!(books.is_clean(), "{:#}", books.to_json());
    assert_eq!((books.orders, books.ifs_orders), (1, 1));
    assert_eq!(books.sold, books.held);
    let held = world.sandbox.ifs().orders_by_po(&webhook.key());
    assert_eq!(held.len(), 1);
    // 2. IFS's ledger: no create too many, and none after a lost one without a look-up between.
    let creates = creates(world, webhook);
    assert_eq!(creates.len(), creates_allowed, "{creates:#?}");
    for pair in creates.windows(2) {
        let looked_up =
            look_ups(world, webhook).iter().any(|look_up| (pair[0].seq..pair[1].seq).contains(&look_up.seq));
        assert!(looked_up, "no look-up between two creates: {pair:#?}");
    }
    // 3. The service's own account agrees.
    assert_eq!(deliveries(world), 1, "the same delivery is stored once");
    let document = world.document().await;
    assert_state(&document, State::Written);
    assert_eq!(document.order_no.as_deref(), Some(held[0].order_no.as_str()));
    assert_eq!(world.database.number("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL"), 0);
}

/// The last create came no earlier after the restart than IFS could still have carried out the first.
fn assert_not_before_was_kept(world: &World, webhook: &Webhook) {
    let (creates, look_ups) = (creates(world, webhook), look_ups(world, webhook));
    let create = creates.last().expect("a create");
    let before: Vec<&Entry> = look_ups.iter().filter(|look_up| look_up.seq < create.seq).collect();
    assert!(before.len() > 1, "looked up at take-over and again at the end: {look_ups:#?}");
    let needed = REQUEST_TIMEOUT + WAIT * create.parts + NOT_BEFORE_MARGIN;
    let waited = Duration::try_from(create.at.duration_since(before[0].at)).expect("in order");
    // The watch begins when the first look-up is sent, the ledger when it arrives.
    assert!(waited + Duration::from_millis(500) > needed, "waited {waited:?} of {needed:?}");
}

fn creates(world: &World, webhook: &Webhook) -> Vec<Entry> {
    entries(world, webhook, Class::Create)
}

fn look_ups(world: &World, webhook: &Webhook) -> Vec<Entry> {
    entries(world, webhook, Class::Lookup)
}

fn entries(world: &World, webhook: &Webhook, class: Class) -> Vec<Entry> {
    let key = webhook.key();
    world.sandbox.ledger().entries_where(|entry| entry.class == class && entry.keys.contains(&key))
}

fn deliveries(world: &World) -> i64 {
    world.database.number("SELECT COUNT(*) FROM inbox")
}
