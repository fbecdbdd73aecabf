//! Settings, keys and databases with which nothing is started, and what the operator is told.

use ml_connector::vault::generate_key_line;
use secrecy::ExposeSecret as _;

use crate::support::database::Database;
use crate::support::served::binary;
use crate::support::world::{Setup, World};

async fn world() -> World {
    World::new(Database::sqlite(), Setup::default()).await
}

async fn two_shops() -> World {
    World::new(Database::sqlite(), Setup { two_shops: true, ..Setup::default() }).await
}

/// Changes the file of settings.
fn edit(world: &World, from: &str, to: &str) {
    let text = std::fs::read_to_string(&world.config).expect("reads");
    assert!(text.contains(from), "the settings hold {from:?}");
    std::fs::write(&world.config, text.replacen(from, to, 1)).expect("writes");
}

/// The command ends with this code and says each of `says`.
fn assert_refused(world: &World, arguments: &[&str], code: i32, says: &[&str]) {
    let (ended, output, error) = world.command(arguments, "");
    assert_eq!(ended, code, "{arguments:?}: {output}{error}");
    for part in says {
        assert!(error.contains(part), "{arguments:?} does not say {part:?}: {error}");
    }
}

/// `serve` refuses these settings too, and leaves no trace of a start.
fn assert_not_served(world: &World, code: i32, says: &[&str]) {
    assert_refused(world, &["serve"], code, says);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM leases WHERE expires_at > 0"), 0);
}

#[actix_rt::test]
async fn every_error_of_the_settings_is_told_at_once_with_its_place() {
    let world = world().await;
    edit(&world, "realm = ", "relm = ");
    edit(&world, "company = \"10\"\n", "");
    edit(&world, "orders_from = 2020-01-01T00:00:00Z\n", "");
    edit(&world, "lease_secs = 2", "lease_secs = 0");
    let says = [
        "[ifs.sandbox] relm: is not a setting; was `realm` meant?",
        "[ifs.sandbox] realm: is missing",
        "[connections.acme] company: is missing; write company = ",
        "[connections.acme] orders_from: is missing; write orders_from = ",
        "[database] lease_secs: ",
        "ml-connector.toml: ",
    ];
    assert_refused(&world, &["config", "check"], 2, &says);
    assert_not_served(&world, 2, &says);
}

#[actix_rt::test]
async fn an_unknown_key_in_the_environment_is_told_with_the_variables_name() {
    let world = world().await;
    let mut command = binary(&world.config);
    let output = command.args(["config", "check"]).env("ML_CONNECTOR__SERVER__QUEUE", "7").output().expect("runs");
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2));
    let told = "ML_CONNECTOR__SERVER__QUEUE: [server] queue: is not a setting; was `queue_max` meant?";
    assert!(error.contains(told), "{error}");
}

#[actix_rt::test]
async fn an_address_inside_is_refused_unless_it_is_allowed() {
    let world = world().await;
    assert_eq!(world.command(&["config", "check"], "").0, 0);
    edit(&world, "allow = [\"127.0.0.1\"]", "allow = []");
    let says = ["[ifs.sandbox] base_url: ", "[connections.acme] shopify_base_url: ", "egress.allow"];
    assert_refused(&world, &["config", "check"], 2, &says);
    assert_not_served(&world, 2, &says);
}

#[actix_rt::test]
async fn one_shop_in_two_connections_is_refused_by_both_names() {
    let world = two_shops().await;
    edit(&world, "second-shop.myshopify.com", "sandbox-shop.myshopify.com");
    let says = ["connections.bolt", "acme", "shop"];
    assert_refused(&world, &["config", "check"], 2, &says);
    assert_not_served(&world, 2, &says);
}

#[actix_rt::test]
async fn one_webhook_secret_in_two_connections_is_refused_unless_both_share_an_app() {
    let world = two_shops().await;
    let (code, _, error) =
        world.command(&["credentials", "set", "connections.bolt", "webhook_secret"], &world.shop().webhook_secret());
    assert_eq!(code, 0, "{error}");
    let says = ["connections acme and bolt have the same webhook secret", "shared_app_secret = true"];
    assert_not_served_after_leases(&world, &says);
    // One of the two is not enough.
    edit(&world, "[connections.acme]\n", "[connections.acme]\nshared_app_secret = true\n");
    assert_not_served_after_leases(&world, &says);
    edit(&world, "[connections.bolt]\n", "[connections.bolt]\nshared_app_secret = true\n");
    assert_eq!(world.serve(None).terminate(), 0);
}

fn assert_not_served_after_leases(world: &World, says: &[&str]) {
    let (code, _, error) = world.command(&["serve"], "");
    assert_eq!(code, 2, "{error}");
    for part in says {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains(&world.shop().webhook_secret()), "{error}");
}

#[actix_rt::test]
async fn a_wrong_master_key_is_refused_with_the_credentials_and_the_key_they_need() {
    let world = world().await;
    let file = world.folder().join("master-key");
    let right = std::fs::read_to_string(&file).expect("reads");
    let renamed = "was sealed with the master key \"test\", which the key ring lacks";
    let replaced = "was sealed with another master key than the one that is now called \"test\"";
    for (id, needs) in [("test", replaced), ("another", renamed)] {
        let wrong = generate_key_line(id).expect("a key");
        std::fs::write(&file, wrong.expose_secret()).expect("writes");
        let says = ["ifs.sandbox", "connections.acme", "webhook_secret", "client_secret", needs];
        assert_refused(&world, &["serve"], 2, &says);
        let (_, _, error) = world.command(&["serve"], "");
        assert!(!error.contains(wrong.expose_secret().split(':').nth(1).expect("id:key")), "{error}");
    }
    std::fs::write(&file, right).expect("writes");
    assert_eq!(world.serve(None).terminate(), 0);
}

#[actix_rt::test]
async fn no_master_key_is_refused_with_both_ways_to_give_one() {
    let world = world().await;
    let given = format!("master_key_file = {:?}\n", world.folder().join("master-key"));
    edit(&world, &given, "");
    assert_not_served(&world, 2, &["vault.master_key_file", "ML_CONNECTOR_MASTER_KEY"]);
    let set = ["credentials", "set", "connections.acme", "access_token"];
    assert_refused(&world, &set, 2, &["vault.master_key_file", "ML_CONNECTOR_MASTER_KEY"]);
}

#[actix_rt::test]
async fn missing_credentials_are_told_all_at_once_with_the_command_that_sets_them() {
    let world = two_shops().await;
    let text = std::fs::read_to_string(&world.config).expect("reads");
    std::fs::write(&world.config, text.replace("[connections.bolt", "[connections.cold")).expect("writes");
    let says = [
        "ml-connector credentials set connections.cold webhook_secret",
        "ml-connector credentials set connections.cold access_token",
    ];
    assert_refused(&world, &["serve"], 2, &says);
}

#[actix_rt::test]
async fn a_database_that_is_not_migrated_or_cannot_be_opened_ends_with_4() {
    let world = world().await;
    let nowhere = world.folder().join("fresh.db");
    edit(&world, &world.database.url, &format!("sqlite:{}", nowhere.display()));
    for arguments in [&["serve"][..], &["documents", "list"], &["credentials", "list"]] {
        assert_refused(&world, arguments, 4, &["migrate"]);
    }
    edit(&world, &format!("sqlite:{}", nowhere.display()), "sqlite:/no/such/folder/x.db");
    assert_refused(&world, &["documents", "list"], 4, &["database"]);
}

#[actix_rt::test]
async fn a_second_serve_on_one_sqlite_database_is_refused() {
    let world = world().await;
    let served = world.serve(None);
    assert_refused(&world, &["serve"], 4, &["another `serve` runs on this database", "stop it first"]);
    assert_eq!(served.terminate(), 0);
    // The first let go of its lock, so the next one need not wait.
    assert_eq!(world.serve(None).terminate(), 0);
}
