//! The commands as an operator types them, against the database of a running service.

use ml_connector::sandbox::shopify::{Planted, Story};
use serde_json::{Value, json};

use crate::on_both;
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World};

on_both!(a_credential_is_set_from_standard_input_or_a_file_and_never_shown, Setup::default(), async |world: &World| {
    let (first, second) = ("first-secret-of-bolt", "second-secret-of-bolt");
    let set = ["credentials", "set", "connections.acme", "webhook_secret_old"];
    let told = json_of(world, &set, &format!("{first}\n"));
    assert_eq!((&told["owner"], &told["kind"]), (&json!("connections.acme"), &json!("webhook_secret_old")));
    let before = row_of(world, "webhook_secret_old");
    assert_eq!((&before["version"], &before["fingerprint"]), (&json!(1), &told["fingerprint"]));
    let file = world.folder().join("secret");
    std::fs::write(&file, second).expect("writes");
    let with_file = [&set[..], &["--file", file.to_str().expect("UTF-8")]].concat();
    let changed = json_of(world, &with_file, "");
    let after = row_of(world, "webhook_secret_old");
    assert_eq!((&after["version"], &after["fingerprint"]), (&json!(2), &changed["fingerprint"]));
    assert_ne!(before["fingerprint"], after["fingerprint"]);
    // The line break at its end is no part of a secret.
    assert_eq!(json_of(world, &set, second)["fingerprint"], changed["fingerprint"]);
    // Neither list, text or JSON, nor the table holds it.
    let told = [told.to_string(), run(world, &["credentials", "list"]), run(world, &["credentials", "list", "--json"])];
    let audit = world.database.texts("SELECT COALESCE(note, '') AS value FROM audit");
    let sealed = world.database.texts("SELECT CAST(sealed AS TEXT) AS value FROM credentials");
    for text in told.iter().chain(&audit).chain(&sealed) {
        assert!(!text.contains(first) && !text.contains(second), "{text}");
    }
});

#[actix_rt::test]
async fn a_credential_that_nobody_needs_or_that_is_empty_is_refused() {
    let world = lite().await;
    for (arguments, says) in [
        (["connections.nobody", "webhook_secret"], "[connections.nobody]"),
        (["connections.acme", "client_secret"], "webhook_secret, webhook_secret_old, access_token"),
        (["connections.acme", "refresh_token"], "under its shopify_auth"),
        (["ifs.sandbox", "access_token"], "client_id, client_secret"),
        (["acme", "access_token"], "ifs.NAME or connections.NAME"),
    ] {
        let (code, _, error) = world.command(&[&["credentials", "set"], &arguments[..]].concat(), "secret");
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(says), "{error}");
    }
    let (code, _, error) = world.command(&["credentials", "set", "connections.acme", "webhook_secret"], "\n");
    assert!(code == 2 && error.contains("empty"), "{error}");
    let (code, _, error) = world.command(&["credentials", "set", "connections.acme", "webhook_secret", "x"], "");
    assert!(code == 2 && error.contains("unexpected argument"), "never as an argument: {error}");
}

on_both!(connections_are_listed_and_shown_with_what_waits_in_them, Setup::default(), async |world: &World| {
    let served = world.serve(None);
    let parked = Webhook::of_new_order(world, Story::Parked(Planted::UnknownSku));
    parked.is_taken(&served).await;
    world.quiet().await;
    let listed = json_of(world, &["connection", "list"], "");
    let shown = json_of(world, &["connection", "show", "acme"], "");
    assert_eq!(listed, json!({"items": [shown], "next": null}));
    assert_eq!(shown["shop"], "sandbox-shop.myshopify.com");
    assert_eq!((&shown["company"], &shown["site"], &shown["mode"]), (&json!("10"), &json!("S10"), &json!("live")));
    assert_eq!(shown["open_documents"], json!({"parked": 1}));
    assert!(run(world, &["connection", "list"]).contains("sandbox-shop.myshopify.com"));
    let (code, _, error) = world.command(&["connection", "show", "nobody"], "");
    assert!(code == 2 && error.contains("nobody"), "{error}");
    drop(served);
});

on_both!(a_parked_document_is_found_retried_and_resolved, Setup::default(), async |world: &World| {
    let served = world.serve(None);
    let (written, id) = one_written_and_one_refused(world, &served).await;
    // 1. Found, by state and by every name that the order has.
    let all = json_of(world, &["documents", "list"], "");
    assert_eq!(all["items"].as_array().expect("a list").len(), 2);
    let parked = json_of(world, &["documents", "list", "--state", "parked", "--connection", "acme"], "");
    assert_eq!(parked["items"][0]["id"], id);
    let order_no = world.sandbox.ifs().orders_by_po(&written.key())[0].order_no.clone();
    let name = written.json()["name"].as_str().expect("a name").to_owned();
    let gid = format!("gid://shopify/Order/{}", written.order_id);
    for argument in [name.as_str(), written.key().as_str(), &gid, &order_no] {
        let shown = json_of(world, &["orders", "show", argument], "");
        assert_eq!(shown["order_no"], json!(order_no), "{argument}");
        assert_eq!(shown["deliveries"][0]["state"], "mapped");
        assert!(shown["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
        assert_eq!(shown.get("desired"), None, "names and addresses only when asked for");
    }
    let number = id.to_string();
    let content = json_of(world, &["documents", "show", &number, "--content"], "");
    assert!(content["desired"].is_object() && content["written"].is_null());
    // 2. Retried: the service takes it up, and IFS refuses it once more.
    assert_eq!(json_of(world, &["documents", "retry", &number], "")["state"], "planned");
    world.quiet().await;
    let again = json_of(world, &["documents", "show", &number], "");
    assert_eq!((&again["state"], again["steps"].as_array().map(Vec::len)), (&json!("parked"), Some(3)), "{again:#}");
    // 3. Resolved: it stays so, and a written one cannot be.
    let resolve = ["documents", "resolve", &number, "--note", "keyed by hand as 4711"];
    assert_eq!(json_of(world, &resolve, "")["state"], "resolved");
    let written_number = all["items"][0]["id"].to_string();
    let (code, _, error) = world.command(&["documents", "resolve", &written_number, "--note", "x"], "");
    assert!(code == 2 && error.contains("its state does not allow that"), "{code} {error}");
    let audit = world.database.texts("SELECT COALESCE(note, '') AS value FROM audit");
    assert!(audit.iter().any(|line| line.contains("keyed by hand as 4711")), "{audit:?}");
    assert_eq!(json_of(world, &["documents", "list", "--state", "parked"], "")["items"], json!([]));
    drop(served);
});

#[actix_rt::test]
async fn an_order_name_that_two_shops_use_is_listed_and_refused() {
    let setup = Setup { two_shops: true, ..Setup::default() };
    let world = World::new(crate::support::database::Database::sqlite(), setup).await;
    let served = world.serve(None);
    for (index, name) in crate::support::world::CONNECTIONS.iter().enumerate() {
        let shop = world.sandbox.shop(index).expect("a shop");
        let order_id = shop.place(Story::Plain);
        assert_eq!(shop.send_order(&served.webhook_url(name), "orders/create", order_id).await.status, 200);
    }
    world.quiet().await;
    let (code, output, error) = world.command(&["orders", "show", "#1001"], "");
    assert_eq!(code, 2);
    assert!(output.contains("acme") && output.contains("bolt"), "the candidates: {output}");
    assert!(error.contains("\"#1001\" means 2 orders: use --connection"), "{error}");
    let shown = json_of(&world, &["orders", "show", "#1001", "--connection", "bolt"], "");
    assert_eq!(shown["connection"], "bolt");
}

#[actix_rt::test]
async fn what_does_not_exist_ends_with_2_and_says_what_was_expected() {
    let world = lite().await;
    for (arguments, says) in [
        (&["orders", "show", "#9999"][..], "a Shopify id, gid or name"),
        (&["documents", "show", "99"], "no document 99"),
        (&["documents", "retry", "99"], "no document"),
        (&["documents", "resolve", "99", "--note", "x"], "no document"),
        (&["documents", "list", "--state", "lost"], "planned, writing, written"),
        (&["documents", "resolve", "99"], "--note"),
        (&["documents", "show", "many"], "many"),
    ] {
        let (code, _, error) = world.command(arguments, "");
        assert_eq!(code, 2, "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
}

on_both!(migrating_twice_changes_nothing_the_second_time, Setup::default(), async |world: &World| {
    // The world is migrated already; both runs say so and end well.
    for _ in 0..2 {
        assert_eq!(json_of(world, &["migrate"], ""), json!({"applied": []}));
    }
    assert!(run(world, &["migrate"]).contains("up to date"));
    assert_eq!(json_of(world, &["migrate", "mark-restored"], "")["connections"], json!(["acme"]));
});

#[actix_rt::test]
async fn an_empty_database_is_migrated_by_the_command_alone() {
    let world = lite().await;
    let text = std::fs::read_to_string(&world.config).expect("reads");
    let fresh = format!("sqlite:{}", world.folder().join("fresh.db").display());
    std::fs::write(&world.config, text.replace(&world.database.url, &fresh)).expect("writes");
    assert_eq!(world.command(&["documents", "list"], "").0, 4);
    let first = json_of(&world, &["migrate"], "");
    assert!(!first["applied"].as_array().expect("a list").is_empty());
    assert_eq!(json_of(&world, &["migrate"], "")["applied"], json!([]));
    assert_eq!(json_of(&world, &["documents", "list"], "")["items"], json!([]));
}

on_both!(an_order_is_explained_rule_by_rule, with_rules(), async |world: &World| {
    let served = world.serve(None);
    let written = Webhook::of_new_order(world, Story::Plain);
    written.is_taken(&served).await;
    world.quiet().await;
    let told = json_of(world, &["orders", "explain", &written.key()], "");
    let items = told["items"].as_array().expect("a list");
    let because = |what: &str| items.iter().find(|item| item["what"] == what).map(|item| item["because"].clone());
    assert_eq!(because("header OrderId"), Some(json!("gl rule \"euro\"")), "{told:#}");
    assert_eq!(because("header AuthorizeCode"), Some(json!("setting coordinator")));
    assert!(run(world, &["orders", "explain", &written.key()]).contains("gl rule \"euro\""));
    drop(served);
});

/// A rule that holds for each order of the simulated shop.
fn with_rules() -> Setup {
    let rules =
        "order_type = \"NO\"\ngl = { rules = [{ name = \"euro\", when = { b2b = false }, order_type = \"NO\" }] }";
    Setup { edits: vec![("order_type = \"NO\"", rules)], ..Setup::default() }
}

async fn one_written_and_one_refused(world: &World, served: &Served) -> (Webhook, Value) {
    let written = Webhook::of_new_order(world, Story::Plain);
    written.is_taken(served).await;
    world.quiet().await;
    let refused = Webhook::of_new_order(world, Story::Parked(Planted::UnknownSku));
    refused.is_taken(served).await;
    world.quiet().await;
    let shown = json_of(world, &["orders", "show", &refused.key()], "");
    assert_eq!(shown["state"], "parked");
    (written, shown["id"].clone())
}

#[actix_rt::test]
async fn every_setting_is_printed_as_it_was_compiled_in_whatever_the_file_of_settings_says() {
    let world = lite().await;
    std::fs::write(&world.config, "this is no TOML").expect("writes");
    let printed = run(&world, &["config", "defaults"]);
    assert_eq!(printed.trim_end(), include_str!("../../src/config/default.toml").trim_end());
    let told = json_of(&world, &["config", "defaults"], "");
    let items = told["items"].as_array().expect("a list");
    let bundle = items.iter().find(|item| item["key"] == "connections.NAME.bundle").expect("the setting");
    assert_eq!(bundle["default"], "components");
    assert!(bundle["text"].as_str().is_some_and(|text| text.contains("package_part")), "{bundle}");
}

async fn lite() -> World {
    World::new(crate::support::database::Database::sqlite(), Setup::default()).await
}

/// Ends with 0; what it told.
pub fn run(world: &World, arguments: &[&str]) -> String {
    let (code, output, error) = world.command(arguments, "");
    assert_eq!(code, 0, "{arguments:?}: {error}");
    output
}

/// Ends with 0; the one JSON object that it told.
pub fn json_of(world: &World, arguments: &[&str], stdin: &str) -> Value {
    let (code, output, error) = world.command(&[arguments, &["--json"]].concat(), stdin);
    assert_eq!(code, 0, "{arguments:?}: {error}");
    serde_json::from_str(&output).expect("one JSON object")
}

fn row_of(world: &World, kind: &str) -> Value {
    let listed = json_of(world, &["credentials", "list"], "");
    let mut rows = listed["items"].as_array().expect("a list").iter();
    rows.find(|row| row["kind"] == kind).expect("the kind").clone()
}
