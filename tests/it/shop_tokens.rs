//! Tokens of a shop that end: renewed in time, stored before they are used, by one of all processes, and never lost with an answer.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use ml_connector::app;
use ml_connector::clock::Clock;
use ml_connector::domain::ids::ConnectionName;
use ml_connector::domain::verdict::{Scope, Verdict};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::{Class, Outcome};
use ml_connector::sandbox::shopify::{AppAuth, Story};
use ml_connector::shopify::grant::TokenError;
use ml_connector::shopify::{ShopifyClient, ShopifyError};
use serde_json::Value;

use crate::on_both;
use crate::support::database::Database;
use crate::support::world::{CONNECTIONS, Setup, World};

const HOUR: Duration = Duration::from_secs(3_600);

fn expiring() -> Setup {
    Setup { edits: vec![("mode = \"live\"", "mode = \"live\"\nshopify_auth = \"expiring_token\"")], ..Setup::default() }
}

fn client_credentials() -> Setup {
    let edit = ("mode = \"live\"", "mode = \"live\"\nshopify_auth = \"client_credentials\"");
    Setup { edits: vec![edit], ..Setup::default() }
}

/// The shop wants tokens of this kind, and a person has stored what is needed.
fn authorise(world: &World, auth: AppAuth) {
    let shop = world.shop();
    shop.authenticate_by(auth, HOUR);
    let (id, secret) = shop.app();
    set(world, "client_id", &id);
    set(world, "client_secret", &secret);
    if auth == AppAuth::ExpiringToken {
        set(world, "refresh_token", &shop.refresh_token());
    }
}

fn set(world: &World, kind: &str, secret: &str) {
    let (code, _, error) = world.command(&["credentials", "set", "connections.acme", kind], secret);
    assert_eq!(code, 0, "{error}");
}

/// A client as a process of its own has it.
async fn client(world: &World, clock: &Clock) -> ShopifyClient {
    let (settings, name) = (world.settings(), ConnectionName::parse(CONNECTIONS[0]).expect("a name"));
    let keys = app::key_ring(&settings).expect("the key reads");
    app::shop_client(&settings, &world.store, &keys, clock, &name).await.expect("a client")
}

async fn read(client: &ShopifyClient, order_id: u64) -> Result<(), ShopifyError> {
    client.order_by_id(order_id).await.map(|order| drop(order.expect("the order")))
}

fn advance(world: &World, clock: &Clock, secs: u64) {
    clock.advance(Duration::from_secs(secs));
    world.sandbox.clock().advance(Duration::from_secs(secs));
}

fn refused_at_the_door(world: &World) -> usize {
    let refused = |entry: &ml_connector::sandbox::ledger::Entry| {
        entry.class == Class::GraphQl && entry.outcome == Outcome::Answered(401)
    };
    world.sandbox.ledger().entries_where(refused).len()
}

on_both!(a_token_is_renewed_at_eleven_twelfths_of_its_life_and_once_on_a_401, expiring(), async |world: &World| {
    authorise(world, AppAuth::ExpiringToken);
    let (shop, clock) = (world.shop(), Clock::manual(Timestamp::now()));
    let order_id = shop.place(Story::Plain);
    let client = client(world, &clock).await;
    read(&client, order_id).await.expect("with the first token");
    advance(world, &clock, 54 * 60);
    read(&client, order_id).await.expect("with the same");
    assert_eq!(shop.tokens_given(), 1);
    advance(world, &clock, 60);
    assert!(client.keep_token().await.expect("renewed").expect("it ends") > Duration::from_secs(54 * 60));
    assert_eq!(shop.tokens_given(), 2);
    read(&client, order_id).await.expect("with the second");
    assert_eq!(refused_at_the_door(world), 0, "no call met an old token");
    // A person revokes it in the middle of its life.
    advance(world, &clock, 120);
    shop.revoke_access_token();
    read(&client, order_id).await.expect("with the third, asked for in place");
    assert_eq!((shop.tokens_given(), refused_at_the_door(world)), (3, 1));
    // A shop that refuses what its endpoint has just given is not asked for one token after the other.
    shop.revoke_access_token();
    let error = read(&client, order_id).await.expect_err("refused");
    assert!(matches!(error, ShopifyError::TokenRefused), "{error:?}");
    assert_eq!(shop.tokens_given(), 3);
    // The table tells when they end, and holds none of them in the open.
    let (code, listed, error) = world.command(&["credentials", "list", "--json"], "");
    assert_eq!(code, 0, "{error}");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let row = |kind: &str| {
        let rows = listed["items"].as_array().expect("a list").iter();
        let mut rows = rows.filter(|row| row["owner"] == "connections.acme" && row["kind"] == kind);
        rows.next().unwrap_or_else(|| panic!("{kind} is listed")).clone()
    };
    assert!(row("access_token")["expires_at"].is_string() && row("refresh_token")["expires_at"].is_string());
    assert_eq!(row("refresh_token_old")["expires_at"], Value::Null);
    let stored = world.database.texts("SELECT CAST(sealed AS TEXT) AS value FROM credentials");
    assert!(stored.iter().all(|sealed| !sealed.contains("shprt_") && !sealed.contains("shpat_")));
});

on_both!(an_answer_that_is_lost_or_cannot_be_read_locks_nobody_out, expiring(), async |world: &World| {
    authorise(world, AppAuth::ExpiringToken);
    let (shop, clock) = (world.shop(), Clock::manual(Timestamp::now()));
    let order_id = shop.place(Story::Plain);
    let client = client(world, &clock).await;
    let faults = world.sandbox.faults();
    // Each uses the refresh token up; what was granted never arrives.
    for fault in [Fault::DropAnswer, Fault::CutBody, Fault::DropAnswer] {
        faults.once(Class::ShopToken, fault);
        let error = read(&client, order_id).await.expect_err("no token");
        assert!(matches!(error, ShopifyError::NoToken(_)), "{error:?}");
        assert!(matches!(error.verdict(), Verdict::Retry { scope: Scope::Remote, .. }), "no document is to blame");
        advance(world, &clock, 60);
    }
    assert_eq!(shop.tokens_given(), 3);
    read(&client, order_id).await.expect("the same refresh token is taken again");
    assert_eq!(shop.tokens_given(), 4);
    advance(world, &clock, 56 * 60);
    read(&client, order_id).await.expect("and its successor at the next renewal");
    assert_eq!(shop.tokens_given(), 5);
});

on_both!(an_endpoint_that_is_away_is_asked_once_by_all_and_found_again, expiring(), async |world: &World| {
    authorise(world, AppAuth::ExpiringToken);
    let (shop, clock) = (world.shop(), Clock::manual(Timestamp::now()));
    let order_id = shop.place(Story::Plain);
    let client = client(world, &clock).await;
    let faults = world.sandbox.faults();
    for (fault, unreadable) in [
        (Fault::BusyHtml, false),
        (Fault::Reset, false),
        (Fault::Plain(200, "<html>Be right back</html>".to_owned()), true),
        (Fault::Plain(502, "<html>".to_owned()), false),
    ] {
        let before = world.sandbox.ledger().count_of(Class::ShopToken);
        faults.once(Class::ShopToken, fault);
        for outcome in join_all((0..8).map(|_| read(&client, order_id))).await {
            let error = outcome.expect_err("no token");
            let ShopifyError::NoToken(why) = error else { panic!("{error:?}") };
            assert_eq!(why == TokenError::Unreadable, unreadable, "{why:?}");
        }
        assert_eq!(world.sandbox.ledger().count_of(Class::ShopToken), before + 1, "asked once for all eight");
        advance(world, &clock, 61);
    }
    assert_eq!(world.sandbox.ledger().count_of(Class::GraphQl), 0, "nothing was sent without a token");
    for outcome in join_all((0..8).map(|_| read(&client, order_id))).await {
        outcome.expect("it is there again");
    }
    assert_eq!(shop.tokens_given(), 1);
});

on_both!(several_processes_use_one_token_and_one_of_them_renews_it, expiring(), async |world: &World| {
    authorise(world, AppAuth::ExpiringToken);
    let (shop, clock) = (world.shop(), Clock::manual(Timestamp::now()));
    let order_id = shop.place(Story::Plain);
    let mut processes = Vec::new();
    for _ in 0..4 {
        processes.push(client(world, &clock).await);
    }
    let faults = world.sandbox.faults();
    for round in 1..=3 {
        // Slow, so that all of them want a token before the first one has its answer.
        faults.once(Class::ShopToken, Fault::Slow(Duration::from_millis(700)));
        for outcome in join_all(processes.iter().map(|process| read(process, order_id))).await {
            outcome.expect("with the one token");
        }
        assert_eq!(shop.tokens_given(), round, "one for all");
        advance(world, &clock, 3_600);
    }
    // One that holds an older token, as one that slept, takes what another one stored.
    read(&processes[0], order_id).await.expect("renewed");
    read(&processes[1], order_id).await.expect("with the same");
    advance(world, &clock, 30 * 60);
    shop.revoke_access_token();
    read(&processes[0], order_id).await.expect("renewed on a 401");
    let given = shop.tokens_given();
    read(&processes[1], order_id).await.expect("with the stored one");
    assert_eq!(shop.tokens_given(), given);
});

on_both!(a_pair_that_is_worth_nothing_gives_way_to_the_one_before_it, expiring(), async |world: &World| {
    authorise(world, AppAuth::ExpiringToken);
    let (shop, clock) = (world.shop(), Clock::manual(Timestamp::now()));
    let (order_id, first) = (shop.place(Story::Plain), shop.refresh_token());
    let client = client(world, &clock).await;
    read(&client, order_id).await.expect("with the first pair");
    // Somebody's late request with the same refresh token overtook ours at Shopify: what we stored is void.
    let (id, secret) = shop.app();
    let url = format!("{}/admin/oauth/access_token", world.sandbox.shop_base_url(0).expect("a shop"));
    let form =
        [("client_id", &*id), ("client_secret", &*secret), ("grant_type", "refresh_token"), ("refresh_token", &*first)];
    let answer = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .expect("a client")
        .post(url)
        .form(&form)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    advance(world, &clock, 61);
    read(&client, order_id).await.expect("by the refresh token before");
    assert_eq!(shop.tokens_given(), 3);
});

on_both!(a_refresh_token_that_is_refused_waits_for_a_person, expiring(), async |world: &World| {
    authorise(world, AppAuth::ExpiringToken);
    let (shop, clock) = (world.shop(), Clock::manual(Timestamp::now()));
    let order_id = shop.place(Story::Plain);
    let client = client(world, &clock).await;
    read(&client, order_id).await.expect("with the first pair");
    let next = shop.authorise_anew();
    advance(world, &clock, 61);
    for _ in 0..3 {
        let error = read(&client, order_id).await.expect_err("void");
        let ShopifyError::NoToken(TokenError::Refused { status: 400, code }) = error else { panic!("{error:?}") };
        assert_eq!(code, "invalid_grant");
    }
    let asked = world.sandbox.ledger().count_of(Class::ShopToken);
    assert_eq!(asked, 1 + 2, "the stored one and the one before it, once each");
    set(world, "refresh_token", &next);
    advance(world, &clock, 61);
    read(&client, order_id).await.expect("with what a person stored");
});

on_both!(client_credentials_give_a_token_that_all_processes_share, client_credentials(), async |world: &World| {
    authorise(world, AppAuth::ClientCredentials);
    let (shop, clock) = (world.shop(), Clock::manual(Timestamp::now()));
    shop.authenticate_by(AppAuth::ClientCredentials, Duration::from_secs(86_399));
    let order_id = shop.place(Story::Plain);
    let (first, second) = (client(world, &clock).await, client(world, &clock).await);
    read(&first, order_id).await.expect("with a token");
    read(&second, order_id).await.expect("with the same");
    assert_eq!(shop.tokens_given(), 1);
    advance(world, &clock, 22 * 3_600 + 60);
    read(&second, order_id).await.expect("renewed after 22 of 24 hours");
    assert_eq!(shop.tokens_given(), 2);
    // Another secret than the app's.
    set(world, "client_secret", "mistyped");
    let third = client(world, &clock).await;
    let error = read(&third, order_id).await.expect_err("refused");
    assert!(matches!(error, ShopifyError::NoToken(TokenError::Refused { .. })), "{error:?}");
    set(world, "client_secret", &shop.app().1);
    advance(world, &clock, 61);
    read(&third, order_id).await.expect("mended");
});

#[actix_rt::test]
async fn a_running_service_renews_by_itself_and_the_start_names_what_is_missing() {
    let world = World::new(Database::sqlite(), expiring()).await;
    let (code, _, error) = world.command(&["serve"], "");
    assert!(code == 2 && error.contains("credentials set connections.acme refresh_token"), "{error}");
    authorise(&world, AppAuth::ExpiringToken);
    world.shop().authenticate_by(AppAuth::ExpiringToken, Duration::from_secs(4));
    let served = world.serve(None);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while world.shop().tokens_given() < 3 {
        assert!(std::time::Instant::now() < deadline, "not renewed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(served);
}
