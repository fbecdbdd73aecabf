//! How fast the service is, told as ratios of figures that were taken in one run on one machine. Each measurement is a
//! file of its own; what is compared with what, and how, stands in `benches/README.md`.
//!
//! `cargo bench --bench speed -- ingest`, `order`, `backlog`, `reconcile`, `tables`, or `all`.

mod backlog;
#[path = "../../tests/it/support/database.rs"]
#[expect(dead_code, reason = "the benches ask the databases for less than the tests do")]
mod database;
mod ingest;
mod load;
mod order;
mod peer;
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod reconcile;
mod report;
mod scene;
mod tables;

use std::time::Duration;

use clap::{Parser, ValueEnum};

use report::Report;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// Durable ingest against `pgbench` and a Node service.
    Ingest,
    /// The service's own time from a webhook to the order in IFS.
    Order,
    /// How near to the rate ceiling a backlog drains, and in how much memory.
    Backlog,
    /// How fast the books of written orders are compared, and in how much memory.
    Reconcile,
    /// Claim, page and insert while the tables grow.
    Tables,
    /// All of them, one after the other.
    All,
}

#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure.
    #[arg(value_enum)]
    measurement: Measurement,
    /// How long each round of load lasts, seconds.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Rounds of each contestant; the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Orders of the measurements `order`, `backlog` and `reconcile`, instead of 300, 10,000 and 10,000.
    #[arg(long)]
    orders: Option<usize>,
    /// Most rows of the measurement `tables`.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Prints one JSON object instead of text.
    #[arg(long)]
    json: bool,
    /// Given by `cargo bench`; means nothing here.
    #[arg(long, hide = true)]
    bench: bool,
}

#[actix_rt::main]
async fn main() {
    let arguments = Arguments::parse();
    let wanted = |one| arguments.measurement == one || arguments.measurement == Measurement::All;
    let mut report = Report::default();
    if wanted(Measurement::Ingest) {
        ingest::measure(&mut report, Duration::from_secs(arguments.seconds), arguments.rounds).await;
    }
    if wanted(Measurement::Order) {
        order::measure(&mut report, arguments.orders.unwrap_or(300)).await;
    }
    if wanted(Measurement::Backlog) {
        backlog::measure(&mut report, arguments.orders.unwrap_or(10_000)).await;
    }
    if wanted(Measurement::Reconcile) {
        reconcile::measure(&mut report, arguments.orders.unwrap_or(10_000)).await;
    }
    if wanted(Measurement::Tables) {
        tables::measure(&mut report, arguments.rows).await;
    }
    report.print(arguments.json);
    if !report.is_reached() {
        std::process::exit(1);
    }
}
