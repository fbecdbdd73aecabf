//! Durable ingest: signed deliveries of 6 KB over 64 connections, each committed before it is answered. The same load in
//! turn against the service on both databases, against a Node service with Shopify's own library, and the same insert by
//! `pgbench`. The topic is one that no flow takes, so that what is measured is the door and nothing behind it; a second
//! figure tells what is left when every delivery is an order that is mapped meanwhile.

use std::time::Duration;

use super::database::Database;
use super::load::{self, Figures};
use super::peer::{Peer, pgbench_per_sec};
use super::report::{Report, median, progress};
use super::scene::{Scene, deliveries};

const CONNECTIONS: usize = 64;
const BODY_BYTES: usize = 6_000;
/// A topic that no flow takes.
const TOPIC: &str = "products/update";
const STEADY_PER_SEC: u32 = 500;

/// Measures it.
pub async fn measure(report: &mut Report, lasts: Duration, rounds: usize) {
    let sqlite = Scene::set(Database::sqlite(), &[]).await;
    let postgres = Scene::set(Database::postgres().expect("PostgreSQL is installed"), &[]).await;
    let (on_sqlite, on_postgres) = (sqlite.serve().await, postgres.serve().await);
    let peer_database = Database::postgres().expect("PostgreSQL is installed");
    let peer = Peer::start(&peer_database.url, &sqlite.shop().webhook_secret());
    // Before any storm: what a database does for a minute after one is no part of a steady day.
    for (name, scene, served) in [("SQLite", &sqlite, &on_sqlite), ("PostgreSQL", &postgres, &on_postgres)] {
        let make = scene.deliveries(&served.address, TOPIC, body());
        let Figures { p50_ms, p99_ms, .. } =
            load::open(&served.address, STEADY_PER_SEC, CONNECTIONS, lasts * 2, make).await;
        report.note(format!("ingest at {STEADY_PER_SEC}/s, {name}, p50"), p50_ms, "ms");
        report.at_most(format!("ingest at {STEADY_PER_SEC}/s, {name}, p99"), p99_ms, "ms", 15.0);
    }
    // One connection at a time is warm-up enough for pools and just-in-time compilers.
    let mut taken: [Vec<f64>; 4] = Default::default();
    let mut slowest = [0.0_f64; 2];
    for round in 0..=rounds {
        let warm_up = round == 0;
        let lasts = if warm_up { Duration::from_secs(2) } else { lasts };
        progress(&format!("ingest, round {round} of {rounds}"));
        let of_service =
            load::closed(&on_sqlite.address, CONNECTIONS, lasts, sqlite.deliveries(&on_sqlite.address, TOPIC, body()))
                .await;
        let of_postgres = load::closed(
            &on_postgres.address,
            CONNECTIONS,
            lasts,
            postgres.deliveries(&on_postgres.address, TOPIC, body()),
        )
        .await;
        let make = deliveries(&peer.address, "/webhooks", TOPIC, &sqlite.shop(), body());
        let of_peer = load::closed(&peer.address, CONNECTIONS, lasts, make).await;
        let by_hand = pgbench_per_sec(&postgres.database.url, CONNECTIONS, lasts, BODY_BYTES);
        for figures in [&of_service, &of_postgres, &of_peer] {
            assert_eq!(figures.failed, 0, "every delivery is answered 200");
        }
        if !warm_up {
            let found = [of_service.per_sec, of_postgres.per_sec, of_peer.per_sec, by_hand];
            taken.iter_mut().zip(found).for_each(|(all, one)| all.push(one));
            slowest[0] = slowest[0].max(of_service.p99_ms);
            slowest[1] = slowest[1].max(of_postgres.p99_ms);
        }
    }
    let [sqlite_per_sec, postgres_per_sec, peer_per_sec, pgbench] = taken.map(median);
    report.note("ingest, SQLite, 64 connections", sqlite_per_sec, "req/s");
    report.note("ingest, PostgreSQL, 64 connections", postgres_per_sec, "req/s");
    report.note("the same insert by pgbench, 64 clients", pgbench, "tx/s");
    report.note("Node, express, Shopify's library, pg, 64 connections", peer_per_sec, "req/s");
    report.note("ingest at full load, SQLite, slowest p99 of a round", slowest[0], "ms");
    report.note("ingest at full load, PostgreSQL, slowest p99 of a round", slowest[1], "ms");
    report.at_least("ingest on PostgreSQL / pgbench", postgres_per_sec / pgbench, "x", 1.2);
    report.at_least("ingest on SQLite / Node", sqlite_per_sec / peer_per_sec, "x", 6.0);
    report.at_least("ingest on PostgreSQL / Node", postgres_per_sec / peer_per_sec, "x", 6.0);
}

/// JSON of 6 KB, as a product is: names, texts, numbers, and nothing that has to be cut out.
fn body() -> Vec<u8> {
    let variant = r#"{"id":44999000001,"title":"Large","price":"199.00","sku":"MUG-001","inventory_quantity":17},"#;
    let mut text = String::from(r#"{"id":8123456789012345678,"title":"A mug","variants":["#);
    while text.len() + variant.len() < BODY_BYTES - 40 {
        text.push_str(variant);
    }
    text.push_str(r#"{"id":1}],"body_html":""#);
    let rest = BODY_BYTES.saturating_sub(text.len() + 2);
    text.push_str(&"x".repeat(rest));
    text.push_str("\"}");
    text.into_bytes()
}
