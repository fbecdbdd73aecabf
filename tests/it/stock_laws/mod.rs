//! The laws of stock, on the real flow: the steps, the store and the HTTP clients are the real ones, the remotes are simulated, and one
//! seed decides an afternoon of buyers, persons, merchants, polls, calls, lost answers and deaths, and which step goes on when.
//!
//! `ML_CONNECTOR_SEEDS=500 cargo test --test it stock_laws::` runs more seeds, `ML_CONNECTOR_SEED=17 …` one, with all it did.

mod calls;
mod laws;
mod merchants;
mod play;
mod sides;
mod trouble;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures::FutureExt as _;
use ml_connector::failpoint;

use crate::simulation::stage::in_memory;
use crate::simulation::{STACK_BYTES, seeds};
use crate::support::database::Database;
use play::Run;

/// Seeds of a plain `cargo test`.
const SEEDS: u64 = 16;
/// Seeds that are played on PostgreSQL too.
const ON_POSTGRES: u64 = 3;

/// What one run came to.
struct Outcome {
    digest: String,
    lines: Vec<String>,
    passed: BTreeMap<String, u32>,
    failure: Option<String>,
}

async fn run(seed: u64, database: Database) -> Outcome {
    let mut run = Run::begin(seed, database).await;
    let (trace, points) = (run.trace.clone(), std::rc::Rc::clone(&run.points));
    let whole = async {
        run.play().await;
        run.settle().await;
        run.judge();
        run.repeat().await;
        run.judge();
    };
    let failure = AssertUnwindSafe(whole).catch_unwind().await.err().map(seeds::told);
    let passed = points.borrow().passed.clone();
    Outcome { digest: trace.digest(), lines: trace.lines(), passed, failure }
}

/// Runs one seed on a thread and a runtime of its own.
fn run_alone(seed: u64, database: Database) -> Outcome {
    let play = move || actix_rt::System::new().block_on(run(seed, database));
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(play);
    thread.expect("a thread").join().expect("a run catches its panics")
}

fn explain(seed: u64, outcome: &Outcome) -> String {
    let failure = outcome.failure.as_deref().unwrap_or_default();
    seeds::explain("stock_laws::every_seed", seed, (&outcome.digest, &outcome.lines), failure)
}

#[test]
#[expect(clippy::print_stdout, reason = "whoever runs seeds wants to see how many and how long")]
fn every_seed_shows_no_more_than_can_be_sold_and_ends_with_both_sides_equal() {
    let begun = Instant::now();
    let (first, count) = seeds::asked(SEEDS);
    let next = AtomicU64::new(first);
    let failed: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let passed: Mutex<BTreeMap<String, u32>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |count| count.get().min(8)) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.lock().expect("plain").len() >= 5 {
                        return;
                    }
                    let outcome = run_alone(seed, in_memory());
                    let mut sums = passed.lock().expect("plain");
                    outcome.passed.iter().for_each(|(name, count)| *sums.entry(name.clone()).or_default() += count);
                    drop(sums);
                    if outcome.failure.is_some() {
                        failed.lock().expect("plain").insert(seed, explain(seed, &outcome));
                    }
                }
            });
        }
    });
    let (failed, passed) = (failed.into_inner().expect("plain"), passed.into_inner().expect("plain"));
    println!("{count} seeds from {first}, {:.1} s; points passed {passed:?}", begun.elapsed().as_secs_f64());
    let seeds: Vec<&u64> = failed.keys().collect();
    assert!(failed.is_empty(), "seeds {seeds:?} fail\n{}", failed.values().cloned().collect::<Vec<_>>().join("\n\n"));
    if count >= SEEDS {
        let missed: Vec<&str> = failpoint::STOCK.into_iter().filter(|point| !passed.contains_key(*point)).collect();
        assert!(missed.is_empty(), "no seed came to {missed:?}");
    }
}

/// The same on PostgreSQL, for a few seeds: its locks and its SQL are other ones.
#[test]
fn some_seeds_do_so_on_postgresql_too() {
    for seed in 1..=ON_POSTGRES {
        let Some(database) = Database::postgres() else { return };
        let outcome = run_alone(seed, database);
        assert!(outcome.failure.is_none(), "on PostgreSQL: {}", explain(seed, &outcome));
    }
}

#[test]
fn a_seed_that_is_played_twice_does_the_same_twice() {
    let (first, second) = (run_alone(5, in_memory()), run_alone(5, in_memory()));
    let differs = first.lines.iter().zip(&second.lines).position(|(one, other)| one != other);
    let at = differs.unwrap_or(first.lines.len().min(second.lines.len()));
    let near = |lines: &[String]| lines[at.saturating_sub(3)..(at + 2).min(lines.len())].join("\n");
    assert_eq!(first.digest, second.digest, "line {at}:\n{}\n--\n{}", near(&first.lines), near(&second.lines));
}
