//! Each row of `docs/bad-input.md`: what the sender sees, what the operator sees, where it is found again, and that
//! other orders go on.

mod bodies;
mod door;
mod ifs;
mod mutant;
mod mutants;
mod operator;
mod orders;
mod persons;
mod signatures;
mod sizes;

use ml_connector::domain::document::State;
use ml_connector::sandbox::shopify::Story;
use ml_connector::store::DocumentRow;
use serde_json::Value;

use crate::support::database::Database;
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World};

/// A world with the service running in it.
async fn running() -> (World, Served) {
    let world = World::new(Database::sqlite(), Setup::default()).await;
    let served = world.serve(None);
    (world, served)
}

/// An order that nothing is wrong with is written, whatever came before it.
async fn assert_others_go_on(world: &World, served: &Served) {
    let other = Webhook::of_new_order(world, Story::Plain);
    other.is_taken(served).await;
    world.quiet().await;
    assert_eq!(document_of(world, &other).await.expect("a document").state, State::Written);
    assert_eq!(world.sandbox.ifs().orders_by_po(&other.key()).len(), 1);
}

/// The document of the order that a webhook tells of.
async fn document_of(world: &World, webhook: &Webhook) -> Option<DocumentRow> {
    let id = webhook.json()["id"].as_u64().expect("an id");
    world.documents().await.into_iter().find(|document| document.order_id.to_string() == id.to_string())
}

/// What a command prints with `--json`.
fn command_json(world: &World, arguments: &[&str]) -> Value {
    let (code, output, error) = world.command(&[arguments, &["--json"]].concat(), "");
    assert_eq!(code, 0, "{arguments:?}: {error}");
    serde_json::from_str(&output).expect("JSON")
}

/// The body as it must be stored: byte for byte, but for what opens a customer's order without a password.
fn without_secrets(webhook: &Webhook) -> Vec<u8> {
    let order = webhook.json();
    let mut text = String::from_utf8(webhook.body.to_vec()).expect("UTF-8");
    for key in ["order_status_url", "token", "cart_token", "checkout_token"] {
        let secret = order[key].as_str().expect("a text");
        text = text.replace(&format!("\"{secret}\""), "\"cut\"");
    }
    let token = order["token"].as_str().expect("a text");
    assert!(!text.contains(token), "a secret is found elsewhere in the body");
    text.into_bytes()
}

#[test]
fn the_table_in_docs_names_every_test_here_and_no_other() {
    let table = include_str!("../../../docs/bad-input.md");
    let sources = [
        ("bodies", include_str!("bodies.rs")),
        ("door", include_str!("door.rs")),
        ("ifs", include_str!("ifs.rs")),
        ("mutants", include_str!("mutants.rs")),
        ("operator", include_str!("operator.rs")),
        ("orders", include_str!("orders.rs")),
        ("persons", include_str!("persons.rs")),
        ("signatures", include_str!("signatures.rs")),
        ("sizes", include_str!("sizes.rs")),
    ];
    let mut tests: Vec<String> = Vec::new();
    for (module, source) in sources {
        for after in source.split("#[actix_rt::test]\nasync fn ").skip(1).chain(source.split("on_both!(").skip(1)) {
            let name = after.trim_start().split(['(', ',']).next().expect("a name");
            tests.push(format!("{module}::{name}"));
        }
    }
    for test in &tests {
        assert!(table.contains(&format!("`{test}`")), "docs/bad-input.md does not name {test}");
    }
    let is_ours = |word: &&str| sources.iter().any(|(module, _)| word.starts_with(&format!("{module}::")));
    for named in table.split('`').filter(is_ours) {
        assert!(tests.iter().any(|test| test == named), "docs/bad-input.md names {named}, which does not exist");
    }
}
