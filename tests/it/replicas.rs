//! Several replicas on one PostgreSQL database: one owner for the tenant at a time, and nothing lost or double whoever it is. Where there
//! is no PostgreSQL these tests are passed by, as it says once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use ml_connector::cli::demo::secrets_of;
use ml_connector::domain::ids::ConnectionName;
use ml_connector::flow::ingest::{DeliveryHeaders, delivery};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::{Class, Entry, Remote};
use ml_connector::sandbox::shopify::Story;
use ml_connector::store::{LeaseState, Takeover, WakeUp};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::support::database::{Database, execute_postgres};
use crate::support::http::get;
use crate::support::served::Served;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World};

/// A world on PostgreSQL.
async fn world(setup: Setup) -> Option<World> {
    Some(World::new(Database::postgres()?, setup).await)
}

/// The owner, and a replica that stands by.
async fn owner_and_second(world: &World) -> (Served, Served) {
    let owner = world.serve(None);
    world.is_owned_by(&owner).await;
    (owner, world.serve(None))
}

/// Sends a delivery to one replica after the other until one takes it, as a load balancer would.
async fn taken_by_any(webhook: &Webhook, urls: &[String]) {
    let deadline = Instant::now() + Duration::from_secs(30);
    for url in urls.iter().cycle() {
        if webhook.send_to(url.clone()).await.status == 200 {
            return;
        }
        assert!(Instant::now() < deadline, "no replica took it");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn assert_all_written(world: &World, orders: usize) {
    world.quiet().await;
    let books = world.sandbox.books(&[]);
    assert!(books.is_clean(), "{:#}", books.to_json());
    assert_eq!((books.orders, books.ifs_orders), (orders, orders));
    assert_eq!(world.database.number("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL"), 0);
}

/// Sends so many orders over all replicas, several at once.
async fn place(world: &World, replicas: &[&Served], orders: usize) {
    let urls: Vec<String> = replicas.iter().map(|served| served.webhook_url("acme")).collect();
    let senders: Vec<_> = (0..orders)
        .map(|n| {
            let webhook = Webhook::of_new_order(world, Story::Plain);
            let mut urls = urls.clone();
            urls.rotate_left(n % replicas.len());
            actix_rt::spawn(async move { taken_by_any(&webhook, &urls).await })
        })
        .collect();
    for sender in senders {
        sender.await.expect("is taken");
    }
}

#[actix_rt::test]
async fn a_killed_owners_tenant_moves_and_nothing_is_lost_or_double() {
    let setup =
        Setup { request_timeout: Some(Duration::from_secs(2)), wait: Some(Duration::from_secs(1)), ..Setup::default() };
    let Some(world) = world(setup).await else { return };
    let (owner, second) = owner_and_second(&world).await;
    for _ in 0..6 {
        world.sandbox.faults().once(Class::Create, Fault::Slow(Duration::from_millis(400)));
    }
    place(&world, &[&owner, &second], 20).await;
    let sent = || world.sandbox.ledger().count_of(Class::Create);
    while sent() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    owner.kill();
    let killed = Instant::now();
    place(&world, &[&second], 10).await;
    world.is_owned_by(&second).await;
    assert!(killed.elapsed() < Duration::from_secs(15), "it took {:?} with a lease of 2 s", killed.elapsed());
    assert_all_written(&world, 30).await;
    assert_eq!(second.terminate(), 0);
}

#[actix_rt::test]
async fn an_owner_that_is_told_to_stop_hands_over_at_once() {
    let setup = Setup { edits: vec![("lease_secs = 2", "lease_secs = 120")], ..Setup::default() };
    let Some(world) = world(setup).await else { return };
    let (owner, second) = owner_and_second(&world).await;
    place(&world, &[&owner, &second], 4).await;
    let told = Instant::now();
    let (code, log) = actix_rt::task::spawn_blocking(move || owner.terminate_and_read()).await.expect("stops");
    assert_eq!(code, 0, "{log}");
    world.is_owned_by(&second).await;
    assert!(told.elapsed() < Duration::from_secs(15), "it took {:?} with a lease of 120 s", told.elapsed());
    place(&world, &[&second], 2).await;
    assert_all_written(&world, 6).await;
    assert_eq!(world.sandbox.books(&[]).create_requests, 6);
    assert_eq!(second.terminate(), 0);
}

#[actix_rt::test]
async fn an_owner_that_is_told_to_stop_ends_its_calls_before_it_hands_over() {
    let long = Some(Duration::from_secs(30));
    let Some(world) = world(Setup { request_timeout: long, wait: long, ..Setup::default() }).await else { return };
    let (owner, second) = owner_and_second(&world).await;
    // Several times as long as the lease and each of its renewals.
    world.sandbox.faults().once(Class::Create, Fault::Slow(Duration::from_secs(8)));
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    webhook.is_taken(&owner).await;
    while world.sandbox.ledger().count_of(Class::Create) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (code, log) = actix_rt::task::spawn_blocking(move || owner.terminate_and_read()).await.expect("stops");
    assert_eq!(code, 0);
    assert!(log.contains("the tenant is handed over") && log.contains("nothing is under way"), "{log}");
    world.is_owned_by(&second).await;
    assert_all_written(&world, 1).await;
    assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), 1);
    assert_eq!(
        world.document().await.origin.as_deref(),
        Some("created"),
        "its maker saw the answer: nobody had to look it up"
    );
    assert_eq!(second.terminate(), 0);
}

#[actix_rt::test]
async fn the_same_event_on_two_replicas_at_the_same_moment_has_one_effect() {
    let Some(world) = world(Setup::default()).await else { return };
    let (owner, second) = owner_and_second(&world).await;
    for again_under_another_id in [false, true] {
        for _ in 0..5 {
            let webhook = Webhook::of_new_order(&world, Story::Plain);
            let mut twin = webhook.clone();
            if again_under_another_id {
                twin.id = uuid::Uuid::new_v4().to_string();
            }
            let (one, other) = futures::join!(webhook.send(&owner), twin.send(&second));
            assert_eq!((one.status, other.status), (200, 200), "{one:?} {other:?}");
        }
    }
    assert_all_written(&world, 10).await;
    assert_eq!(world.sandbox.books(&[]).create_requests, 10);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox"), 15, "five twins were one delivery, five were two");
}

#[actix_rt::test]
async fn sessions_that_the_database_ends_cost_no_replica_its_life() {
    let Some(world) = world(Setup::default()).await else { return };
    let (owner, second) = owner_and_second(&world).await;
    for _ in 0..3 {
        place(&world, &[&owner, &second], 4).await;
        execute_postgres(
            &world.database.url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    }
    place(&world, &[&owner, &second], 4).await;
    assert_all_written(&world, 16).await;
    for served in [&owner, &second] {
        assert_eq!(get(&format!("{}/readyz", served.operations), None).await.status, 200);
    }
    assert_eq!((owner.terminate(), second.terminate()), (0, 0));
}

#[actix_rt::test]
async fn a_database_that_is_away_longer_than_the_lease_stops_the_work_but_no_process() {
    let Some(world) = world(Setup::default()).await else { return };
    let (owner, second) = owner_and_second(&world).await;
    place(&world, &[&owner, &second], 4).await;
    let (server, name) = world.database.url.rsplit_once('/').expect("a database's name");
    let admin = format!("{server}/postgres");
    let accept = |word: &str| execute_postgres(&admin, &format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS {word}"));
    accept("false");
    execute_postgres(
        &admin,
        &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    );
    let waiting = actix_rt::task::spawn_blocking(move || {
        owner.says("the lease could not be renewed in time");
        owner
    });
    let owner = waiting.await.expect("it gives the tenant up");
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    assert_eq!(webhook.send(&owner).await.status, 503, "what is not committed is not acknowledged");
    for served in [&owner, &second] {
        let probe = async |path: &str| get(&format!("{}{path}", served.operations), None).await.status;
        assert_eq!((probe("/livez").await, probe("/readyz").await), (200, 503));
    }
    accept("true");
    taken_by_any(&webhook, &[owner.webhook_url("acme")]).await;
    place(&world, &[&owner, &second], 3).await;
    assert_all_written(&world, 8).await;
    assert_eq!((owner.terminate(), second.terminate()), (0, 0));
}

#[actix_rt::test]
async fn a_replica_that_stands_by_is_ready_and_says_who_owns_what() {
    let Some(world) = world(Setup::default()).await else { return };
    let (owner, second) = owner_and_second(&world).await;
    assert_ne!(owner.owner, second.owner);
    for (served, ours, path_state) in [(&owner, true, "running"), (&second, false, "standing_by")] {
        assert_eq!(get(&format!("{}/readyz", served.operations), None).await.body, "ok\n");
        let status = get(&format!("{}/status", served.operations), Some("operator-token-of-the-test")).await;
        let status: Value = serde_json::from_str(&status.body).expect("JSON");
        assert_eq!(status["replica"], served.owner.as_str());
        let lease = &status["leases"][0];
        assert_eq!(
            (&lease["name"], &lease["owner"], &lease["ours"]),
            (&"ifs.sandbox".into(), &owner.owner.as_str().into(), &ours.into())
        );
        let actors = status["actors"].as_array().expect("a list");
        let branch = actors.iter().find(|actor| actor["path"] == "root/ifs sandbox/owned").expect("the branch");
        assert_eq!(branch["state"], path_state);
        let writes = actors.iter().any(|actor| actor["path"].as_str().is_some_and(|path| path.contains("IfsWriter")));
        assert_eq!(writes, ours, "only the owner has a writer: {status:#}");
        let metrics = get(&format!("{}/metrics", served.operations), None).await.body;
        let gauge = format!("ml_connector_tenant_owned{{tenant=\"sandbox\"}} {}", u8::from(ours));
        assert!(metrics.contains(&gauge), "{gauge}: {metrics}");
    }
    let (code, told, _) = world.command(&["connection", "show", "acme", "--json"], "");
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((code, told["owner"].as_str()), (0, Some(owner.owner.as_str())));
}

#[actix_rt::test]
async fn two_owners_one_after_the_other_keep_to_the_rate_in_sum() {
    const BURST: usize = 20;
    const PER_SECOND: f64 = 10.0;
    /// The ledger sees a call when it arrives, not when it was permitted.
    const SLACK: f64 = 4.0;
    let edits = vec![("rate_per_minute = 60000", "rate_per_minute = 600"), ("burst_max = 200", "burst_max = 20")];
    let Some(world) = world(Setup { edits, ..Setup::default() }).await else { return };
    let (owner, second) = owner_and_second(&world).await;
    place(&world, &[&owner, &second], 45).await;
    while world.sandbox.ledger().count_of(Class::Create) < 15 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let code = actix_rt::task::spawn_blocking(move || owner.terminate()).await.expect("stops");
    assert_eq!(code, 0);
    assert_all_written(&world, 45).await;
    let calls: Vec<Entry> =
        world.sandbox.ledger().entries_where(|entry| entry.remote == Remote::Ifs && entry.class != Class::Token);
    assert!(calls.len() >= 90, "a create and a reading back each: {}", calls.len());
    for (first, begin) in calls.iter().enumerate() {
        for (last, end) in calls.iter().enumerate().skip(first) {
            let window = end.at.duration_since(begin.at).as_secs_f64();
            let (made, allowed) = ((last - first + 1) as f64, BURST as f64 + PER_SECOND * window + SLACK);
            assert!(made <= allowed, "{made} calls in {window:.2} s, {allowed:.1} are allowed");
        }
    }
    assert_eq!(second.terminate(), 0);
}

#[actix_rt::test]
async fn what_a_replica_commits_for_another_is_told_once_on_commit_and_a_broken_ear_hears_that_anything_may_have_happened()
 {
    let Some(world) = world(Setup::default()).await else { return };
    let (sender, told) = std::sync::mpsc::channel();
    let _listening = world.store.listen(move |wake| sender.send(wake).unwrap_or_default()).expect("PostgreSQL");
    let hears = |expected: &WakeUp| {
        assert_eq!(&told.recv_timeout(Duration::from_secs(40)).expect("somebody tells"), expected);
    };
    let lease = async |name: &str| {
        let taken =
            world.store.acquire_lease(name.into(), "a test".into(), Duration::from_secs(9), Takeover::Proven).await;
        let Ok(LeaseState::Ours(lease)) = taken else { panic!("not taken: {taken:?}") };
        world.store.release_lease(&lease).await.expect("given back");
        WakeUp::Lease(name.into())
    };
    let row = |connection: &str, id: &str| {
        let name = ConnectionName::parse(connection).expect("a name");
        let headers =
            DeliveryHeaders { topic: "orders/create".into(), webhook_id: id.into(), ..DeliveryHeaders::default() };
        delivery(&name, headers, b"{}", jiff::Timestamp::now())
    };
    let acme: BTreeSet<_> = [ConnectionName::parse("acme").expect("a name")].into();
    hears(&WakeUp::Anything);
    // One of two connections is mapped elsewhere, and has two rows.
    let group = vec![row("acme", "1"), row("acme", "2"), row("bolt", "3")];
    for stored in world.store.insert_deliveries_telling(group.clone(), acme.clone()).await {
        stored.expect("stores");
    }
    hears(&WakeUp::Deliveries("acme".into()));
    // What was there already is not told, nor is what nobody maps elsewhere.
    world.store.insert_deliveries_telling(group, acme).await;
    world.store.insert_deliveries(vec![row("acme", "4")]).await;
    let free = lease("ifs.one").await;
    hears(&free);
    execute_postgres(
        &world.database.url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    hears(&WakeUp::Anything);
    // The pool's own connections were ended too: the first use of each finds that out.
    for _ in 0..20 {
        if world.store.is_reachable().await {
            break;
        }
    }
    let free = lease("ifs.two").await;
    hears(&free);
}

/// The second connection's tenant becomes one of its own: the same IFS under another name.
fn split_tenants(world: &World) {
    let toml = std::fs::read_to_string(&world.config).expect("reads");
    let (head, rest) = toml.split_once("[ifs.sandbox]").expect("a tenant");
    let (tenant, connections) = rest.split_once("\n[").expect("connections follow");
    let (first, second) = connections.split_once("[connections.bolt]").expect("a second connection");
    let second = second.replacen("ifs = \"sandbox\"", "ifs = \"second\"", 1);
    let toml = format!("{head}[ifs.sandbox]{tenant}\n[ifs.second]{tenant}\n[{first}[connections.bolt]{second}");
    std::fs::write(&world.config, toml).expect("writes");
    for (owner, kind, secret) in secrets_of(&world.sandbox, &["acme"]) {
        if owner == "ifs.sandbox" {
            let (code, _, said) = world.command(&["credentials", "set", "ifs.second", kind], secret.expose_secret());
            assert_eq!(code, 0, "{said}");
        }
    }
}

#[actix_rt::test]
async fn tenants_that_come_free_together_spread_over_the_replicas_that_stand_by() {
    let Some(world) = world(Setup { two_shops: true, ..Setup::default() }).await else { return };
    split_tenants(&world);
    let owners = async || {
        let leases = world.store.leases().await.expect("reads");
        leases.into_iter().filter(|lease| lease.expires_in.is_some()).map(|lease| lease.owner).collect::<Vec<_>>()
    };
    let holds = async |expected: &dyn Fn(&[String]) -> bool| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !expected(&owners().await) {
            assert!(Instant::now() < deadline, "{:?}", owners().await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let first = world.serve(None);
    holds(&|owners| owners == [first.owner.as_str(), first.owner.as_str()]).await;
    let (second, third) = (world.serve(None), world.serve(None));
    first.kill();
    let both = [second.owner.clone(), third.owner.clone()];
    holds(&|owners| owners.len() == 2 && owners.iter().all(|owner| both.contains(owner))).await;
    let owners = owners().await;
    assert_ne!(owners[0], owners[1], "one each");
    assert_eq!((second.terminate(), third.terminate()), (0, 0));
}
