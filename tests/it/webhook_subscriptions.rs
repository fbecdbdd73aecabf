//! A shop's webhook subscriptions: made and repaired by command, watched by the service, and never touched where they are others'.

use ml_connector::flow::subscriptions::{Watch, name_of, topics, watch};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Shop, Story};
use serde_json::{Value, json};

use crate::support::database::Database;
use crate::support::world::{Setup, World};

const OUTER: &str = "https://hooks.example.com";
const ADDRESS: &str = "https://hooks.example.com/webhooks/acme";
const ELSEWHERE: &str = "https://old.example.com/webhooks/acme";
const OTHERS: &str = "https://reports.example.com/shopify";

fn public() -> Setup {
    Setup { edits: vec![("[server]", "[server]\npublic_url = \"https://hooks.example.com\"")], ..Setup::default() }
}

async fn world() -> World {
    World::new(Database::sqlite(), public()).await
}

/// Runs a command of `webhooks` and gives its code and what it says.
fn webhooks(world: &World, arguments: &[&str]) -> (i32, Value) {
    let (code, said, error) = world.command(&[&["webhooks"][..], arguments, &["--json"]].concat(), "");
    (code, serde_json::from_str(&said).unwrap_or_else(|_| panic!("JSON, not {said:?} {error}")))
}

fn led(shop: &Shop) -> Vec<(String, String)> {
    let mut led: Vec<_> = shop.subscriptions().into_iter().map(|row| (row.topic, row.uri)).collect();
    led.sort();
    led
}

fn all_here() -> Vec<(String, String)> {
    let mut here: Vec<_> = topics().map(|topic| (topic, ADDRESS.to_owned())).collect();
    here.sort();
    here
}

#[actix_rt::test]
async fn what_is_missing_is_registered_once_and_shown_before() {
    let world = world().await;
    let (shop, count) = (world.shop(), topics().count());
    let (code, listed) = webhooks(&world, &["list", "acme"]);
    assert_eq!((code, listed["missing"].as_array().expect("a list").len()), (1, count));
    let (code, dry) = webhooks(&world, &["register", "acme", "--dry-run"]);
    assert_eq!((code, dry["would_do"].as_array().expect("a list").len()), (1, count));
    assert!(shop.subscriptions().is_empty());
    let (code, made) = webhooks(&world, &["register", "acme"]);
    assert_eq!((code, made["done"].as_array().expect("a list").len()), (0, count));
    assert_eq!(led(&shop), all_here());
    assert!(shop.subscriptions().iter().all(|row| row.format == "JSON" && row.name.is_some()));
    // Again, and nothing is said to Shopify but the question.
    let calls = shop.subscription_calls();
    for command in ["register", "repair"] {
        let (code, again) = webhooks(&world, &[command, "acme"]);
        assert_eq!((code, &again["done"]), (0, &json!([])));
    }
    let (code, listed) = webhooks(&world, &["list", "acme"]);
    assert!(code == 0 && listed["items"].as_array().expect("a list").iter().all(|row| row["standing"] == "right"));
    assert_eq!(shop.subscription_calls(), calls);
    let (code, text, _) = world.command(&["webhooks", "list", "acme"], "");
    assert!(code == 0 && text.contains("ORDERS_CREATE") && text.contains("ml-connector-acme-orders-create"), "{text}");
}

#[actix_rt::test]
async fn ours_that_lead_elsewhere_are_repaired_and_those_of_others_are_never_touched() {
    let world = world().await;
    let (shop, acme) = (world.shop(), world.settings().connections.keys().next().expect("acme").clone());
    let named = name_of(&acme, "ORDERS_CREATE");
    let renamed = shop.subscribe_to("ORDERS_CREATE", "https://moved.example.com/x", Some(&named));
    shop.subscribe_to("ORDERS_PAID", ELSEWHERE, None);
    shop.subscribe_to("ORDERS_PAID", ADDRESS, None);
    let filtered = shop.subscribe_to("ORDERS_EDITED", ADDRESS, None);
    shop.change_subscription(filtered, |row| row.filter = Some("id:1".to_owned()));
    let foreign = [
        shop.subscribe_to("ORDERS_CREATE", OTHERS, None),
        shop.subscribe_to("ORDERS_UPDATED", "https://hooks.example.com/webhooks/bolt", Some("theirs")),
        shop.subscribe_to("PRODUCTS_UPDATE", "arn:aws:events:eu-west-1::event-source/x", None),
    ];
    let others = |shop: &Shop| {
        let rows = shop.subscriptions().into_iter().filter(|row| foreign.contains(&row.id));
        rows.collect::<Vec<_>>()
    };
    let before = others(&shop);
    // `register` makes what is missing, tells what is wrong, and changes nothing that stands.
    let (code, registered) = webhooks(&world, &["register", "acme"]);
    assert_eq!(code, 1);
    assert!(registered["done"].as_array().expect("a list").iter().all(|act| act["act"] == "create"));
    let standing = |told: &Value, topic: &str| {
        let rows = told["items"].as_array().expect("a list").iter().filter(|row| row["topic"] == topic);
        let mut words: Vec<_> = rows.map(|row| row["standing"].as_str().expect("a word").to_owned()).collect();
        words.sort();
        words
    };
    assert_eq!(standing(&registered, "ORDERS_CREATE"), ["foreign", "wrong"]);
    assert_eq!(standing(&registered, "ORDERS_PAID"), ["double", "right"]);
    assert_eq!(standing(&registered, "ORDERS_EDITED"), ["wrong"]);
    let (code, repaired) = webhooks(&world, &["repair", "acme"]);
    assert_eq!(code, 0, "{repaired}");
    let here = shop.subscriptions().into_iter().filter(|row| !foreign.contains(&row.id));
    let mut here: Vec<_> = here.map(|row| (row.topic, row.uri, row.filter)).collect();
    here.sort();
    assert_eq!(here, all_here().into_iter().map(|(topic, uri)| (topic, uri, None)).collect::<Vec<_>>());
    assert!(shop.subscriptions().iter().any(|row| row.id == renamed && row.uri == ADDRESS), "put right, not made anew");
    assert_eq!(others(&shop), before);
}

#[actix_rt::test]
async fn an_answer_that_is_lost_is_found_in_the_next_list() {
    let world = world().await;
    let shop = world.shop();
    // Plays in this process, so that the fault meets the first create and not the first list.
    let steps = world.steps(&ml_connector::clock::Clock::system()).await;
    let watched = steps.link().subscriptions.clone().expect("a public address is set");
    world.sandbox.faults().times(Class::GraphQl, Fault::Slow(std::time::Duration::ZERO), 1);
    world.sandbox.faults().times(Class::GraphQl, Fault::DropAnswer, 2);
    let outcome = watch(&steps.link().shopify, &watched.wanted, Watch::Repair).await.expect("restored");
    assert_eq!(led(&shop), all_here(), "each once");
    assert_eq!(outcome.done.len(), topics().count() - 2, "two were done, and not told");
    assert_eq!(shop.subscription_calls(), topics().count());
}

#[actix_rt::test]
async fn a_subscription_that_shopify_refuses_is_asked_for_once_and_told() {
    let world = world().await;
    let (shop, acme) = (world.shop(), world.settings().connections.keys().next().expect("acme").clone());
    // Somebody else's bears the name that ours would get: names are unique in a shop.
    shop.subscribe_to("PRODUCTS_UPDATE", OTHERS, Some(&name_of(&acme, "ORDERS_CREATE")));
    let (code, made) = webhooks(&world, &["register", "acme"]);
    assert_eq!((code, made["done"].as_array().expect("a list").len()), (1, topics().count() - 1));
    assert_eq!(made["missing"], json!(["ORDERS_CREATE"]));
    let refused = made["refused"].as_array().expect("a list");
    assert_eq!((refused.len(), &refused[0]["topic"]), (1, &json!("ORDERS_CREATE")));
    assert!(refused[0]["why"].as_str().is_some_and(|why| why.contains("already been taken")), "{made}");
    assert_eq!(shop.subscription_calls(), topics().count(), "each once, the refused one too");
}

#[actix_rt::test]
async fn answers_that_are_lost_each_time_are_told_while_something_is_missing() {
    let world = world().await;
    let shop = world.shop();
    let steps = world.steps(&ml_connector::clock::Clock::system()).await;
    let watched = steps.link().subscriptions.clone().expect("a public address is set");
    watch(&steps.link().shopify, &watched.wanted, Watch::Repair).await.expect("registered");
    shop.unsubscribe("ORDERS_CREATE");
    let calls = || world.sandbox.ledger().count_of(Class::GraphQl);
    let before = calls();
    // In each round the list is answered, and the one create gets lost before Shopify does anything.
    for _ in 0..3 {
        world.sandbox.faults().once(Class::GraphQl, Fault::Slow(std::time::Duration::ZERO));
        world.sandbox.faults().once(Class::GraphQl, Fault::Reset);
    }
    let failed = watch(&steps.link().shopify, &watched.wanted, Watch::Repair).await.expect_err("nothing was restored");
    assert!(failed.error.passes_by_itself() && failed.done.is_empty(), "{failed:?}");
    assert_eq!(calls(), before + 3 * 2 + 1, "three rounds, and a last look");
    assert_eq!(led(&shop).len(), topics().count() - 1);
    // The next look restores it.
    let outcome = watch(&steps.link().shopify, &watched.wanted, Watch::Repair).await.expect("restored");
    assert_eq!((outcome.done.len(), led(&shop)), (1, all_here()));
}

#[actix_rt::test]
async fn the_watcher_restores_what_shopify_deleted_and_orders_arrive_again() {
    let world = world().await;
    let shop = world.shop();
    shop.delete_failing_subscriptions();
    let (code, _) = webhooks(&world, &["register", "acme"]);
    assert_eq!(code, 0);
    // Eight failures in a row while nobody serves: Shopify deletes the subscription.
    shop.route(OUTER, "http://127.0.0.1:9");
    let lost = shop.place(Story::Plain);
    for _ in 0..8 {
        assert_eq!(shop.tell_subscribers("orders/create", lost).await.len(), 1);
    }
    assert!(shop.tell_subscribers("orders/create", lost).await.is_empty(), "deleted");
    // The service looks when it starts.
    let served = world.serve(None);
    let webhooks_of_acme = served.webhook_url("acme");
    shop.route(OUTER, webhooks_of_acme.strip_suffix("/webhooks/acme").expect("our path"));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while led(&shop) != all_here() {
        assert!(std::time::Instant::now() < deadline, "not restored");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let order_id = shop.place(Story::Plain);
    let answers = shop.tell_subscribers("orders/create", order_id).await;
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200]);
    world.quiet().await;
    assert_eq!(world.sandbox.ifs().orders_by_po(&order_id.to_string()).len(), 1);
    drop(served);
}

#[actix_rt::test]
async fn the_watcher_only_tells_under_report_and_in_observe_and_is_not_there_without_a_public_address() {
    let public = ("[server]", "[server]\npublic_url = \"https://hooks.example.com\"");
    let report = ("mode = \"live\"", "mode = \"live\"\nwebhook_watch = \"report\"");
    let observe = ("mode = \"live\"", "mode = \"observe\"");
    let off = ("mode = \"live\"", "mode = \"live\"\nwebhook_watch = \"off\"");
    for (edits, looks) in
        [(vec![public, report], true), (vec![public, observe], true), (vec![public, off], false), (vec![], false)]
    {
        let world = World::new(Database::sqlite(), Setup { edits, ..Setup::default() }).await;
        let steps = world.steps(&ml_connector::clock::Clock::system()).await;
        let link = steps.link();
        assert_eq!(link.subscriptions.is_some(), looks);
        let Some(watched) = &link.subscriptions else { continue };
        let outcome = watch(&link.shopify, &watched.wanted, watched.task).await.expect("looked");
        assert_eq!((outcome.survey.lacking(), outcome.done.len()), (topics().count(), 0));
        assert!(world.shop().subscriptions().is_empty());
    }
}

#[actix_rt::test]
async fn commands_end_with_the_code_of_what_is_in_the_way() {
    let world = world().await;
    let (code, _, error) = world.command(&["webhooks", "list", "nobody"], "");
    assert!(code == 2 && error.contains("connection list"), "{error}");
    world.sandbox.faults().times(Class::GraphQl, Fault::Forbidden, 1);
    let (code, _, error) = world.command(&["webhooks", "register", "acme"], "");
    assert!(code == 3 && error.contains("connections.acme") && error.contains("scope"), "{error}");
    let bare = World::new(Database::sqlite(), Setup::default()).await;
    let (code, _, error) = bare.command(&["webhooks", "register", "acme"], "");
    assert!(code == 2 && error.contains("server.public_url"), "{error}");
}
