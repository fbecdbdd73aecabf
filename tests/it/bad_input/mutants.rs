//! Bodies by the thousand, each with a right signature and something wrong: every one comes to a named end, and what would be written
//! to IFS is worth what the body says.

use std::collections::BTreeMap;

use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use ml_connector::sandbox::shopify::Story;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rust_decimal::Decimal;
use serde_json::Value;

use super::mutant::mutant;
use crate::fuzz_corpus::bodies::{End, graphql_ends, webhook_ends};
use crate::fuzz_corpus::fixtures;
use crate::support::database::Database;
use crate::support::held::held;
use crate::support::world::{Setup, World};

/// What a body of one road comes to.
type Road = fn(&[u8]) -> End;

/// Mutants of each fixture and road.
const EACH: u64 = 30;
/// Mutants that go the whole way to IFS.
const WHOLE_WAY: u64 = 250;

#[actix_rt::test]
async fn thousands_of_mutants_of_the_fixtures_come_to_a_named_end_with_their_money_kept() {
    let mut ends: BTreeMap<End, u32> = BTreeMap::new();
    let roads: [(&str, Road); 2] = [("webhook.json", webhook_ends), ("graphql.json", graphql_ends)];
    for (number, (name, body)) in fixtures(&roads.map(|(file, _)| file)).into_iter().enumerate() {
        let body: Value = serde_json::from_slice(&body).expect("a fixture is JSON");
        let (_, ends_of) = roads.iter().find(|(file, _)| name.ends_with(file)).expect("a road");
        for seed in 0..EACH {
            let mut random = StdRng::seed_from_u64(seed + (number as u64) * 1_000);
            let bytes = mutant(&body, &mut random);
            let end = std::panic::catch_unwind(|| ends_of(&bytes));
            let end = end.unwrap_or_else(|_| panic!("{name}, seed {seed}: {}", String::from_utf8_lossy(&bytes)));
            *ends.entry(end).or_default() += 1;
        }
    }
    // The mutants are no nonsense through and through: each end is met often.
    assert!([End::Undecoded, End::Parked, End::Written].iter().all(|end| ends[end] > 300), "{ends:?}");
}

#[actix_rt::test]
async fn a_mutant_that_reaches_ifs_stands_there_with_the_total_of_its_body() {
    let world = World::new(Database::sqlite(), Setup::default()).await;
    let steps = world.steps(&Clock::manual(jiff::Timestamp::now())).await;
    let shop = world.shop();
    let mut bodies: BTreeMap<u64, Value> = BTreeMap::new();
    for seed in 0..WHOLE_WAY {
        let order = shop.place(Story::Plain);
        let body: Value = serde_json::from_slice(&shop.webhook_body(order).expect("a body")).expect("JSON");
        let bytes = mutant(&body, &mut StdRng::seed_from_u64(seed));
        steps.deliver(steps.link(), "orders/create", &bytes).await;
        if let Ok(mutated) = serde_json::from_slice::<Value>(&bytes)
            && let Some(id) = mutated["id"].as_u64()
        {
            bodies.insert(id, mutated);
        }
    }
    // Who waits for an answer of the shop is asked again until it has one.
    for _ in 0..12 {
        steps.run(steps.link()).await;
        steps.advance(&world, 60);
    }
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox WHERE state = 'received'"), 0);
    let unknown = "SELECT COUNT(*) FROM inbox WHERE state = 'quarantined' AND (reason IS NULL OR reason = '')";
    assert_eq!(world.database.number(unknown), 0, "each is quarantined for a reason");
    let (mut written, mut parked) = (0, 0);
    for document in world.documents().await {
        match document.state {
            State::Written => {
                // An order of the shop's that was asked for again stands as the shop has it, not as the mutant says.
                let views = world.sandbox.ifs().orders_by_po(&document.order_id.to_string());
                assert_eq!(views.len(), 1, "one order of {}", document.order_id);
                let in_set =
                    |body: &Value| body["current_total_price_set"]["shop_money"]["amount"].as_str().map(str::to_owned);
                let bare = |body: &Value| body["current_total_price"].as_str().map(str::to_owned);
                let said = |body: &Value| in_set(body).or_else(|| bare(body))?.trim().parse::<Decimal>().ok();
                let total = bodies.get(&document.order_id).and_then(said);
                let shops = shop.webhook_body(document.order_id);
                let shops = shops.and_then(|body| said(&serde_json::from_slice(&body).expect("JSON")));
                let total_held = held(&views[0]).1;
                assert!(
                    Some(total_held) == total || Some(total_held) == shops,
                    "{}: IFS holds {total_held}, the body says {total:?}, the shop {shops:?}",
                    document.order_id
                );
                written += 1;
            }
            State::Parked | State::Held => {
                assert!(document.reason.is_some_and(|reason| !reason.code.is_empty() && !reason.text.is_empty()));
                parked += 1;
            }
            State::Skipped | State::Superseded => {}
            other => panic!("{} rests as {other}", document.order_id),
        }
    }
    assert!(written > 40 && parked > 8, "{written} written, {parked} parked");
}
