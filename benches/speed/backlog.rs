//! A backlog: IFS is away while orders come, then it answers again. How near the service comes to the rate that IFS
//! allows while it catches up, and whether its memory grows meanwhile.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::{Class, Outcome, Remote};
use ml_connector::sandbox::shopify::{Story, WebhookOverrides};

use super::database::Database;
use super::report::{Report, median, progress};
use super::scene::{CONNECTION, Scene, Served};

/// The ceiling that the settings name, requests in a second.
const CEILING_PER_SEC: f64 = 200.0;
/// Of the drain, left out at its beginning and its end: the burst, and the last orders.
const EDGE: Duration = Duration::from_secs(3);
/// Longest wait for anything here.
const WAIT_MAX: Duration = Duration::from_secs(1_200);

/// Measures it on both databases.
pub async fn measure(report: &mut Report, orders: usize) {
    let postgres = Database::postgres().expect("PostgreSQL is installed");
    for (name, database) in [("SQLite", Database::sqlite()), ("PostgreSQL", postgres)] {
        let edits = [("rate_per_minute = 60000", "rate_per_minute = 12000"), ("burst_max = 200", "burst_max = 20")];
        let scene = Scene::set(database, &edits).await;
        let served = scene.serve().await;
        progress(&format!("backlog, {name}: {orders} orders while IFS is away"));
        let classes = [Class::Token, Class::Create, Class::Lookup, Class::Read, Class::Other];
        for class in classes {
            scene.sandbox.faults().chance(class, Fault::Reset, 1_000);
        }
        deliver(&scene, &served, orders).await;
        wait_for(&scene, "SELECT COUNT(*) FROM inbox WHERE state = 'received'", 0).await;
        scene.sandbox.faults().clear();
        let back = scene.sandbox.clock().now();
        progress(&format!("backlog, {name}: IFS is back"));
        let memory = drained(&scene, &served, orders).await;
        let share = rate(&scene, back) / CEILING_PER_SEC;
        report.at_least(format!("backlog of {orders}, {name}, of the rate ceiling"), share * 100.0, "%", 97.0);
        let quarter = (memory.len() / 4).max(1);
        let (first, last) = (median(memory[..quarter].to_vec()), median(memory[memory.len() - quarter..].to_vec()));
        report.note(format!("backlog of {orders}, {name}, memory in the first quarter"), first, "MiB");
        report.at_most(format!("backlog of {orders}, {name}, memory, last quarter / first"), last / first, "x", 1.15);
    }
}

/// Sells so many orders and delivers their webhooks.
pub(super) async fn deliver(scene: &Scene, served: &Served, orders: usize) {
    let url = format!("http://{}/webhooks/{CONNECTION}", served.address);
    let (shop, url) = (scene.shop(), url.as_str());
    let one = |_| {
        let shop = shop.clone();
        async move {
            let order_id = shop.place(Story::Plain);
            let body = shop.webhook_body(order_id).expect("the order was placed");
            shop.send_webhook(url, "orders/create", body, WebhookOverrides::default()).await.status
        }
    };
    let statuses: Vec<u16> = futures::stream::iter(0..orders).map(one).buffer_unordered(32).collect().await;
    assert!(statuses.iter().all(|status| *status == 200), "every delivery is taken");
}

/// Waits until every order is written; memory of the service meanwhile, MiB, each half second.
async fn drained(scene: &Scene, served: &Served, orders: usize) -> Vec<f64> {
    let deadline = Instant::now() + WAIT_MAX;
    let mut memory = Vec::new();
    let mut told = Instant::now();
    loop {
        memory.push(served.memory_mib());
        let made = scene.sandbox.ifs().order_count();
        if made >= orders {
            break;
        }
        if told.elapsed() > Duration::from_secs(10) {
            progress(&format!("{made} of {orders} orders in IFS"));
            told = Instant::now();
        }
        assert!(Instant::now() < deadline, "the backlog does not drain: {made} of {orders}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    wait_for(scene, "SELECT COUNT(*) FROM documents WHERE state <> 'written'", 0).await;
    memory
}

/// Requests in a second that IFS answered, between the edges.
fn rate(scene: &Scene, back: Timestamp) -> f64 {
    let well = |outcome| matches!(outcome, Outcome::Answered(status) if status < 300);
    let entries = scene
        .sandbox
        .ledger()
        .entries_where(|entry| entry.remote == Remote::Ifs && entry.at > back && well(entry.outcome));
    // The breaker looks first with one call alone: the drain begins with the creates.
    let creates = || entries.iter().filter(|entry| entry.class == Class::Create);
    let first = creates().map(|entry| entry.at).nth(10).expect("orders were created") + EDGE;
    let last = creates().map(|entry| entry.at).next_back().expect("orders were created") - EDGE;
    let between = entries.iter().filter(|entry| entry.at >= first && entry.at < last).count();
    between as f64 / (last.as_microsecond() - first.as_microsecond()) as f64 * 1_000_000.0
}

/// Waits until a query counts so many.
pub(super) async fn wait_for(scene: &Scene, sql: &str, number: i64) {
    let deadline = Instant::now() + WAIT_MAX;
    while scene.database.number(sql) != number {
        assert!(Instant::now() < deadline, "{sql} does not become {number}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
