//! The proof's own machinery: `chaos` finds nothing in a short run of a sound service, and what an operator or the checker
//! reads of deliveries and documents is all there.

use ml_connector::domain::document::State;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Feature, Story};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::on_both;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World, assert_state};

fn chaos(arguments: &[&str]) -> (i32, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(arguments)
        .arg("--json")
        .stdin(Stdio::null())
        .output()
        .expect("chaos starts");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let heard = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}\n{heard}"));
    (output.status.code().expect("a code"), value)
}

#[test]
fn a_short_run_with_kills_and_faults_breaks_nothing() {
    let (code, told) = chaos(&["--orders", "20", "--kills", "3", "--seed", "7"]);
    assert_eq!((code, &told["clean"]), (0, &Value::Bool(true)), "{told:#}");
    assert_eq!((&told["kills"], &told["orders"]), (&Value::from(3), &Value::from(20)));
    for name in ["missing", "double", "differences", "stuck"] {
        assert_eq!(told[name], 0, "{name}");
    }
    assert!(told["acknowledged"].as_u64() > Some(20) && told["lost"].is_u64(), "{told:#}");
    assert!(told["peaks"]["rss_kib"].as_u64() > Some(10_000), "the children were measured: {told:#}");
}

#[test]
fn a_usage_that_makes_no_sense_proves_nothing_and_says_so() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_chaos")).args(arguments).stdin(Stdio::null()).output();
        let output = output.expect("chaos starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = run(&["--replicas", "2"]);
    assert!(code == Some(2) && error.contains("SQLite takes one process"), "{error}");
    let (code, error) = run(&["--plant", "no_such_bug"]);
    assert!(code == Some(2) && error.contains("no_look_up"), "{error}");
}

on_both!(deliveries_are_listed_with_what_became_of_them, Setup::default(), async |world: &World| {
    let served = world.serve(None);
    let webhook = Webhook::of_new_order(world, Story::Plain);
    webhook.is_taken(&served).await;
    world.quiet().await;
    let list = |arguments: &[&str]| -> Value {
        let (code, told, error) = world.command(&[&["deliveries", "list", "--json"], arguments].concat(), "");
        assert_eq!(code, 0, "{error}");
        serde_json::from_str(&told).expect("JSON")
    };
    let told = list(&[]);
    assert_eq!((told["items"].as_array().map(Vec::len), &told["next"]), (Some(1), &Value::Null));
    let item = &told["items"][0];
    assert_eq!(item["webhook_id"], Value::from(webhook.id.clone()));
    assert_eq!(item["order_id"], Value::from(webhook.key()));
    assert_eq!((&item["state"], &item["topic"]), (&Value::from("mapped"), &Value::from("orders/create")));
    for nothing in [["--state", "received"], ["--connection", "bolt"], ["--after", &item["inbox_id"].to_string()]] {
        assert_eq!(list(&nothing)["items"].as_array().map(Vec::len), Some(0), "{nothing:?}");
    }
    let (code, _, error) = world.command(&["deliveries", "list", "--state", "written"], "");
    assert!(code == 2 && error.contains("quarantined"), "{error}");
    let (_, shown, _) = world.command(&["deliveries", "list"], "");
    assert!(shown.contains("orders/create") && shown.contains(&webhook.key()), "{shown}");
    // The documents say what is open, and with their steps how they came about.
    let (_, told, _) = world.command(&["documents", "list", "--json", "--steps"], "");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    let item = &told["items"][0];
    assert_eq!((&item["claimed"], &item["open_intent"]), (&Value::Bool(false), &Value::Null));
    assert!(item["steps"].to_string().contains("create"), "{item:#}");
});

on_both!(
    a_process_that_dies_waiting_for_shopify_does_not_count_against_the_delivery,
    Setup::default(),
    async |world: &World| {
        let webhook = Webhook::of_new_order(world, Story::Sold(Feature::OldPayload));
        let served = world.serve(None);
        world.sandbox.faults().times(Class::GraphQl, Fault::Hold, 7);
        webhook.is_taken(&served).await;
        asked(world, 1).await;
        served.kill();
        // More often than a payload that ends the mapper may be tried.
        for asked_before in 1..=6 {
            let served = world.serve(None);
            asked(world, asked_before + 1).await;
            served.kill();
        }
        world.sandbox.faults().clear();
        let served = world.serve(None);
        world.quiet().await;
        assert_eq!(served.terminate(), 0);
        assert_state(&world.document().await, State::Written);
    }
);

/// Waits until Shopify was asked so often.
async fn asked(world: &World, times: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while world.sandbox.ledger().count_of(Class::GraphQl) < times {
        assert!(Instant::now() < deadline, "Shopify was not asked {times} times");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
