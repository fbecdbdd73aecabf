//! `stock` and `prices` as an operator types them: what they tell, as text and as JSON, what they change, and how they end.

use std::collections::BTreeSet;
use std::time::Duration;

use ml_connector::flow::prices::{self, Polled};
use ml_connector::flow::stock::write;
use ml_connector::sandbox::StockUp;
use ml_connector::sandbox::ifs::SalesTerms;
use ml_connector::sandbox::shopify::WAREHOUSE;
use ml_connector::sandbox::world::bulk_sku;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::commands::{json_of, run};
use crate::on_both;
use crate::stock::{begin, levels, planned, synced};
use crate::support::database::Database;
use crate::support::stocked::{OTHER_CURRENCY, PART_PRICES, hourly, priced};
use crate::support::world::{Setup, Steps, World};

/// The site of the first shop.
const SITE: &str = "S10";

/// These prices for a service that sweeps by itself.
fn served(prices: &str) -> Setup {
    Setup { sweep_every: Some(Duration::from_secs(1)), ..hourly(&[prices]) }
}

fn items(told: &Value) -> &[Value] {
    told["items"].as_array().expect("a list")
}

async fn drained(steps: &Steps) {
    assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
}

/// Ends with a code; what it told on standard output and on standard error.
fn ends_with(world: &World, code: i32, arguments: &[&str]) -> (String, String) {
    let (found, output, error) = world.command(arguments, "");
    assert_eq!(found, code, "{arguments:?}: {output}{error}");
    (output, error)
}

/// Every page of a list, and how many they were.
fn pages(world: &World, command: &[&str]) -> (Vec<Value>, usize) {
    let (mut all, mut count, mut after) = (Vec::new(), 0, None::<String>);
    loop {
        let behind: Vec<&str> = after.iter().flat_map(|place| ["--after", place.as_str()]).collect();
        let page = json_of(world, &[command, &behind[..]].concat(), "");
        all.extend_from_slice(items(&page));
        count += 1;
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return (all, count),
        }
    }
}

on_both!(levels_are_listed_page_by_page_and_by_state, levels(), async |world: &World| {
    let steps = begin(world).await;
    let seen = planned(&steps).await;
    // 1. Each level once, and the counts are theirs.
    let (all, count) = pages(world, &["stock", "list", "acme"]);
    assert!(count > 1, "more than a page: {}", all.len());
    let places: BTreeSet<(String, String)> =
        all.iter().map(|level| (level["item_id"].to_string(), level["location_id"].to_string())).collect();
    let stored = world.database.number("SELECT COUNT(*) FROM stock_levels");
    assert_eq!((places.len() as i64, all.len() as i64), (stored, stored));
    let counts = &json_of(world, &["stock", "list", "acme"], "")["counts"];
    let counted: i64 = counts.as_object().expect("an object").values().filter_map(Value::as_i64).sum();
    assert_eq!((counted, &counts["planned"]), (stored, &json!(seen.to_set)), "{counts}");
    let text = run(world, &["stock", "list", "acme"]);
    for words in [format!("planned: {}", seen.to_set), "more: --after ".to_owned(), "CatalogNo".to_owned()] {
        assert!(text.contains(&words), "{words}: {text}");
    }
    // 2. By state.
    let (to_set, _) = pages(world, &["stock", "list", "acme", "--state", "planned"]);
    assert_eq!(to_set.len() as u64, seen.to_set);
    assert!(to_set.iter().all(|level| level["state"] == "planned" && level["quantity"] == level["wanted"]));
    drained(&steps).await;
    let (written, _) = pages(world, &["stock", "list", "acme", "--state", "written"]);
    assert_eq!(written.len(), to_set.len());
    let none = json_of(world, &["stock", "list", "acme", "--state", "planned"], "");
    assert_eq!((&none["items"], &none["next"]), (&json!([]), &Value::Null));
    // 3. Nothing has run out.
    let outs = json_of(world, &["stock", "list", "acme", "--outs", "--all"], "");
    assert_eq!(outs, json!({"items": [], "next": null}));
    assert_eq!(run(world, &["stock", "list", "acme", "--outs"]), "no product has run out\n");
});

on_both!(a_level_is_explained_under_each_of_its_names, levels(), async |world: &World| {
    let steps = begin(world).await;
    let sku = bulk_sku(0);
    let line = Some((sku.as_str(), Decimal::from(4), Decimal::from(5)));
    world.sandbox.ifs().add_foreign_order("DESK", SITE, line).expect("an order");
    synced(&steps).await;
    let told = json_of(world, &["stock", "explain", "acme", &sku], "");
    let shown = world.shop().levels().into_iter().find(|level| level.sku.as_ref() == Some(&sku)).expect("it is kept");
    for number in [shown.variant, shown.item] {
        assert_eq!(json_of(world, &["stock", "explain", "acme", &number.to_string()], ""), told, "{number}");
    }
    let [variant] = items(&told) else { panic!("one variant: {told:#}") };
    assert_eq!((&variant["sku"], &variant["catalog_no"]), (&json!(sku), &json!(sku)));
    assert_eq!(variant["variant_id"], json!(shown.variant.to_string()));
    let mut levels = variant["levels"].as_array().expect("a list").iter();
    let warehouse = WAREHOUSE.to_string();
    let level = levels.find(|level| level["location_id"] == warehouse).expect("it is kept there");
    assert_eq!((&level["state"], &level["site"], &level["part_no"]), (&json!("written"), &json!(SITE), &json!(sku)));
    assert_eq!((&level["wanted"], &level["written"]), (&json!(6), &json!(6)));
    let steps = &level["terms"]["steps"];
    assert_eq!((&steps["on_hand"], &steps["demand"], &steps["unwritten"]), (&json!(10), &json!(-4), &json!(0)));
    let text = run(world, &["stock", "explain", "acme", &sku]);
    let term = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name)).expect("the term");
        line.split_whitespace().nth(1).expect("a figure").to_owned()
    };
    assert_eq!(["on_hand", "demand", "wanted"].map(term), ["10", "-4", "6"], "{text}");
});

on_both!(what_lacks_its_other_half_is_told_with_both_numbers, levels(), async |world: &World| {
    let steps = begin(world).await;
    let [double, idle, loose] = [1, 2, 3].map(bulk_sku);
    world.shop().staff_double(&double).expect("it doubles");
    world.shop().staff_track(&loose, false);
    let terms = world.sandbox.ifs().sales_terms(SITE, &idle);
    world.sandbox.ifs().set_sales_terms(SITE, &idle, SalesTerms { is_active: false, ..terms });
    synced(&steps).await;
    let told = json_of(world, &["stock", "coverage", "acme"], "");
    let of = |number: &str| items(&told).iter().find(|one| one["catalog_no"] == number).expect("it is told");
    for (number, code) in [(&double, "twice"), (&idle, "without_part"), (&loose, "not_tracked")] {
        assert_eq!((&of(number)["code"], &of(number)["site"]), (&json!(code), &json!(SITE)), "{:#}", of(number));
    }
    assert_eq!(of("DESK-SPARE")["code"], "without_variant");
    let twins: Vec<&str> = of(&double)["variants"].as_array().expect("two").iter().filter_map(Value::as_str).collect();
    let sentence = of(&double)["text"].as_str().expect("a sentence");
    assert!(twins.len() == 2 && twins.iter().all(|twin| sentence.contains(twin)), "{twins:?}: {sentence}");
    assert_eq!(told["uncovered"], json!(items(&told).len()));
    let text = run(world, &["stock", "coverage", "acme"]);
    let sum = format!("{} covered, {} not kept in stock", told["covered"], told["not_kept"]);
    assert!(text.contains(sentence) && text.lines().last().is_some_and(|last| last.starts_with(&sum)), "{text}");
});

on_both!(a_parked_level_is_found_and_read_again_when_a_person_says_so, levels(), async |world: &World| {
    let steps = begin(world).await;
    planned(&steps).await;
    world.shop().staff_unstock(&bulk_sku(3), WAREHOUSE);
    for _ in 0..12 {
        write::drain(steps.link(), usize::MAX).await.expect("the store works");
    }
    let parked = json_of(world, &["stock", "list", "acme", "--state", "parked"], "");
    let [level] = items(&parked) else { panic!("one: {parked:#}") };
    let (item, sentence) = (level["item_id"].as_str().expect("a number"), level["text"].as_str().expect("a sentence"));
    assert!(level["reason"].is_string() && !sentence.is_empty(), "{level:#}");
    let text = run(world, &["stock", "list", "acme", "--state", "parked"]);
    assert!(text.contains("parked: 1\n") && text.contains(item) && text.contains(sentence), "{text}");
    // Of another item none is parked.
    let retried = |told: &Value| (told["connection"].clone(), told["levels"].clone());
    let other = json_of(world, &["stock", "retry", "acme", "7"], "");
    assert_eq!(retried(&other), (json!("acme"), json!(0)));
    let told = json_of(world, &["stock", "retry", "acme", item], "");
    assert_eq!(retried(&told), (json!("acme"), json!(1)));
    let stale = json_of(world, &["stock", "list", "acme", "--state", "stale"], "");
    assert!(items(&stale).iter().any(|level| level["item_id"] == item), "{stale:#}");
    assert_eq!(
        run(world, &["stock", "retry", "acme"]),
        "0 level(s) are read and planned again by the running service\n"
    );
    let kept = world.database.texts("SELECT note AS value FROM audit WHERE act = 'retry' ORDER BY id");
    assert_eq!(kept, ["0 levels", "1 levels", "0 levels"]);
});

on_both!(a_reading_is_asked_for_and_followed_to_its_end, served_levels(), async |world: &World| {
    world.sandbox.stock_up(StockUp { bulk: 40, units: 10, available: 0 });
    let child = world.serve(None);
    world.is_owned_by(&child).await;
    let told = json_of(world, &["stock", "sync", "acme"], "");
    assert_eq!((&told["connection"], &told["outcome"]), (&json!("acme"), &json!("done")));
    assert!(told["figures"]["levels"].as_u64().is_some_and(|levels| levels > 100), "{told:#}");
    assert!(run(world, &["stock", "sync", "acme"]).starts_with("done: "));
    // IFS tells nothing at all: it is not believed until a person says so.
    world.sandbox.ifs().empty_stock();
    let (output, _) = ends_with(world, 1, &["stock", "sync", "acme", "--json"]);
    let told: Value = serde_json::from_str(&output).expect("one JSON object");
    let message = told["message"].as_str().expect("a sentence");
    assert!(told["outcome"] == "failed" && message.contains("--accept-fewer"), "{told:#}");
    let (output, _) = ends_with(world, 1, &["stock", "sync", "acme"]);
    assert!(output.starts_with("failed: ") && output.contains("--accept-fewer"), "{output}");
    assert!(run(world, &["stock", "sync", "acme", "--accept-fewer"]).starts_with("done: "));
    assert_eq!(child.terminate(), 0);
});

fn served_levels() -> Setup {
    Setup { sweep_every: Some(Duration::from_secs(1)), ..levels() }
}

on_both!(prices_are_listed_explained_and_let_through, priced(), async |world: &World| {
    let steps = begin(world).await;
    let (dear, right) = (bulk_sku(1), bulk_sku(2));
    let terms = SalesTerms { list_price: Decimal::new(10_000, 2), is_active: true };
    world.sandbox.ifs().set_sales_terms(SITE, &dear, terms);
    synced(&steps).await;
    assert!(matches!(prices::poll(steps.link()).await.expect("the store works"), Polled::Planned(_)));
    // 1. Listed: each once, and those that wait for a person.
    let (all, _) = pages(world, &["prices", "list", "acme"]);
    let stored = world.database.number("SELECT COUNT(*) FROM prices WHERE price_list = 0");
    assert!(stored >= 40, "{stored}");
    assert_eq!(all.len() as i64, stored);
    let (parked, _) = pages(world, &["prices", "list", "acme", "--parked"]);
    assert!(parked.iter().all(|row| row["state"] == "parked" && row["text"].is_string()));
    let row = parked.iter().find(|row| row["catalog_no"] == dear.as_str()).expect("it moved too far");
    assert_eq!(
        (&row["code"], &row["wanted"], &row["currency"]),
        (&json!("price_change"), &json!("125.00"), &json!("EUR"))
    );
    assert_eq!(json_of(world, &["prices", "list", "acme", "--price-list", "31168"], "")["items"], json!([]));
    assert_eq!(run(world, &["prices", "list", "acme", "--price-list", "31168"]), "no price differs\n");
    // 2. Explained, by SKU and by number.
    let variant = row["variant_id"].as_str().expect("a number");
    let told = json_of(world, &["prices", "explain", "acme", &dear], "");
    assert_eq!(told["items"][0]["prices"], json!([row]));
    assert_eq!(json_of(world, &["prices", "explain", "acme", variant], ""), told);
    let text = run(world, &["prices", "explain", "acme", &dear]);
    assert!(text.contains(variant) && text.contains("125.00") && text.contains("parked"), "{text}");
    // 3. Let through: that amount, and no other.
    let accept = |price: &'static str| ["prices", "accept", "acme", variant, "--price", price, "--note", "a new list"];
    let (_, error) = ends_with(world, 2, &accept("124.00"));
    assert!(error.contains("another price than this one: see `prices explain`"), "{error}");
    let accepted = json_of(world, &accept("125"), "");
    let is =
        json!({"connection": "acme", "variant_id": variant, "price": "125.00", "currency": "EUR", "is_live": true});
    assert_eq!(accepted, is);
    let (_, error) = ends_with(world, 2, &accept("125"));
    assert!(error.contains("no price of it waits for a person"), "once is enough: {error}");
    let note = world.database.texts("SELECT note AS value FROM audit WHERE act = 'accept'");
    assert_eq!(note, ["a new list"]);
    assert_eq!(prices::write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
    let told = json_of(world, &["prices", "explain", "acme", &dear], "");
    let set = &told["items"][0]["prices"][0];
    assert_eq!((&set["state"], &set["shown"]), (&json!("written"), &json!("125.00")), "{told:#}");
    let told = json_of(world, &["prices", "explain", "acme", &right], "");
    assert_eq!(told["items"][0]["prices"][0]["state"], "written", "{told:#}");
});

on_both!(prices_are_compared_when_a_person_asks, served(PART_PRICES), async |world: &World| {
    world.sandbox.stock_up(StockUp { bulk: 40, units: 10, available: 0 });
    let child = world.serve(None);
    world.is_owned_by(&child).await;
    let told = json_of(world, &["prices", "sync", "acme"], "");
    assert_eq!((&told["what"], &told["outcome"]), (&json!("prices"), &json!("done")), "{told:#}");
    assert!(told["figures"]["compared"].as_u64().is_some_and(|prices| prices >= 40), "{told:#}");
    let text = run(world, &["prices", "sync", "acme"]);
    assert!(text.starts_with("done: ") && text.contains(" prices compared; "), "{text}");
    assert_eq!(child.terminate(), 0);
});

on_both!(prices_that_cannot_be_compared_are_told_with_the_setting, served(OTHER_CURRENCY), async |world: &World| {
    world.sandbox.stock_up(StockUp { bulk: 40, units: 10, available: 0 });
    let child = world.serve(None);
    world.is_owned_by(&child).await;
    let (output, _) = ends_with(world, 1, &["prices", "sync", "acme", "--json"]);
    let told: Value = serde_json::from_str(&output).expect("one JSON object");
    assert_eq!((&told["what"], &told["outcome"]), (&json!("prices"), &json!("failed")));
    assert!(told["message"].as_str().is_some_and(|text| text.contains("prices.currency is \"SEK\"")), "{told:#}");
    assert_eq!(child.terminate(), 0);
});

/// Ends with 2 and names what is wrong.
fn refused(world: &World, cases: &[(&str, &str)]) {
    for (line, says) in cases {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let (output, error) = ends_with(world, 2, &arguments);
        assert!(error.contains(says) && output.is_empty(), "{line}: {output}{error}");
    }
}

#[actix_rt::test]
async fn what_is_asked_wrongly_of_stock_and_prices_ends_with_2_and_names_the_word() {
    let world = World::new(Database::sqlite(), priced()).await;
    let no_connection = "no [connections.nobody] in the settings";
    refused(
        &world,
        &[
            ("stock list nobody", no_connection),
            ("stock coverage nobody", no_connection),
            ("stock explain nobody X", no_connection),
            ("stock retry nobody", no_connection),
            ("stock sync nobody", no_connection),
            ("stock list acme --state gone", "--state: found \"gone\", expected one of read, left, quiet, planned"),
            ("stock list acme --after 7", "--after: found \"7\""),
            ("stock list acme --outs --after x", "--after: \"x\" is no number"),
            ("stock list acme --outs --state parked", "--state"),
            ("stock list acme --all", "--outs"),
            ("stock explain acme NO-SUCH", "no variant \"NO-SUCH\" in the last reading"),
            ("stock retry acme x", "ITEMS"),
            ("stock sync acme", "no process serves [ifs.sandbox]: start `serve` first"),
            ("prices list nobody", no_connection),
            ("prices explain nobody X", no_connection),
            ("prices sync nobody", no_connection),
            ("prices accept nobody 1 --price 1 --note n", no_connection),
            ("prices list acme --after 7", "--after: found \"7\""),
            ("prices list acme --price-list x", "--price-list"),
            ("prices explain acme NO-SUCH", "no reading of the shop has told of NO-SUCH"),
            ("prices sync acme", "no process serves [ifs.sandbox]: start `serve` first"),
            ("prices accept acme 1 --price x --note n", "--price"),
            ("prices accept acme x --price 1 --note n", "VARIANT"),
            ("prices accept acme 1 --price 1", "--note"),
            ("prices accept acme 1 --note n", "--price"),
            ("prices accept acme 1 --price 1 --note n", "no price of it waits for a person"),
            ("prices accept acme 1 --price 1 --price-list 5 --note n", "connections.acme.prices.price_lists has no 5"),
        ],
    );
    // Where neither follows IFS, nobody is asked for it.
    let world = World::new(Database::sqlite(), Setup::default()).await;
    refused(
        &world,
        &[
            ("stock sync acme", "connections.acme.stock has neither every_secs nor cron: stock is switched off"),
            ("prices sync acme", "connections.acme.prices names no source"),
            ("prices accept acme 1 --price 1 --note n", "connections.acme.prices.source is \"off\""),
        ],
    );
}
