//! The books of a month compared: `reconcile` as a command of its own over orders that the service wrote before. How many orders a
//! second, how many requests for each, and whether its memory grows with them.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::backlog::{deliver, wait_for};
use super::database::Database;
use super::report::{Report, median, progress};
use super::scene::{CONNECTION, Scene, memory_mib};

/// Time between two looks at its memory.
const LOOK: Duration = Duration::from_millis(100);
/// Longest run.
const RUN_MAX: Duration = Duration::from_secs(7_200);
/// Orders between two waits for the service, so that no webhook waits for hours.
const SOLD_AT_ONCE: usize = 5_000;

/// Measures it on both databases.
pub async fn measure(report: &mut Report, orders: usize) {
    let postgres = Database::postgres().expect("PostgreSQL is installed");
    for (name, database) in [("SQLite", Database::sqlite()), ("PostgreSQL", postgres)] {
        let scene = Scene::set(database, &[]).await;
        sell(&scene, name, orders).await;
        progress(&format!("reconcile, {name}: {orders} orders"));
        let before = scene.sandbox.ledger().counters();
        let run = Run::of(&scene).await;
        let after = scene.sandbox.ledger().counters();
        run.assert_whole(orders);
        let each = |before: u64, after: u64| (after - before) as f64 / orders as f64;
        let (ifs, shopify) =
            (each(before.ifs_requests, after.ifs_requests), each(before.shopify_requests, after.shopify_requests));
        let label = |of: &str| format!("reconcile of {orders}, {name}, {of}");
        report.note(label("orders compared"), orders as f64 / run.took.as_secs_f64(), "/s");
        report.at_most(label("requests to IFS"), ifs, "an order", 0.06);
        report.at_most(label("requests to Shopify"), shopify, "an order", 0.02);
        let (quarter, end) = run.memory();
        report.note(label("memory after a quarter"), quarter, "MiB");
        report.at_most(label("memory, end / quarter"), end / quarter, "x", 1.3);
    }
}

/// Sells orders through the service until all are written, then stops it.
async fn sell(scene: &Scene, name: &str, orders: usize) {
    let served = scene.serve().await;
    let mut sold = 0;
    while sold < orders {
        let some = SOLD_AT_ONCE.min(orders - sold);
        deliver(scene, &served, some).await;
        sold += some;
        let written = i64::try_from(sold).expect("few");
        wait_for(scene, "SELECT COUNT(*) FROM documents WHERE state = 'written'", written).await;
        progress(&format!("reconcile, {name}: {sold} of {orders} orders written"));
    }
}

/// One run of the command.
struct Run {
    took: Duration,
    /// MiB, each [`LOOK`].
    memory: Vec<f64>,
    /// What it told.
    told: Value,
}

impl Run {
    async fn of(scene: &Scene) -> Self {
        let day = |days: i64| {
            let at = Timestamp::now() + SignedDuration::from_hours(24 * days);
            at.strftime("%Y-%m-%d").to_string()
        };
        let told = tempfile::NamedTempFile::new().expect("a temporary file");
        let began = Instant::now();
        let child = scene
            .command()
            .args(["reconcile", CONNECTION, "--from", &day(-1), "--to", &day(1), "--json"])
            .stdin(Stdio::null())
            .stdout(told.reopen().expect("a second handle"))
            .spawn()
            .expect("the binary starts");
        let memory = watched(child).await;
        let took = began.elapsed();
        let told = std::fs::read_to_string(told.path()).expect("the answer reads");
        Self { took, memory, told: serde_json::from_str(&told).expect("JSON") }
    }

    /// Every order was compared, in all three books.
    fn assert_whole(&self, orders: usize) {
        for book in ["shopify", "ours", "ifs"] {
            assert_eq!(self.told["orders"][book].as_u64(), Some(orders as u64), "{:#}", self.told);
        }
        assert_eq!(self.told["clean"], true, "{:#}", self.told);
    }

    /// A quarter of the way, and at the end: each the median of a twentieth of the looks.
    fn memory(&self) -> (f64, f64) {
        let looks = self.memory.len();
        let some = (looks / 20).max(1);
        let at = |from: usize| median(self.memory[from..(from + some).min(looks)].to_vec());
        (at(looks / 4), at(looks.saturating_sub(some)))
    }
}

/// Waits for the end of a command that ends well; its memory meanwhile.
async fn watched(mut child: Child) -> Vec<f64> {
    let deadline = Instant::now() + RUN_MAX;
    let mut memory = Vec::new();
    loop {
        if let Some(status) = child.try_wait().expect("it is a child of ours") {
            assert!(status.success(), "reconcile ended with {status}");
            return memory;
        }
        let now = memory_mib(child.id());
        if now.is_finite() {
            memory.push(now);
        }
        assert!(Instant::now() < deadline, "reconcile does not end");
        tokio::time::sleep(LOOK).await;
    }
}
