//! Simulation: one seed decides an afternoon of orders, everything that goes wrong on it, and which step goes on when. Steps, store and
//! remotes are the real ones; only the clock is not the machine's. Whatever the seed, the laws hold in the end.
//!
//! `ML_CONNECTOR_SEEDS=500 cargo test --test it simulation::` runs more seeds, `ML_CONNECTOR_SEED=17 …` one, with all it did.

pub mod faults;
mod laws;
pub mod play;
pub mod seeds;
mod shop;
pub mod stage;
pub mod steps;
pub mod tasks;
pub mod trace;
mod trouble;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures::FutureExt as _;

use crate::support::database::Database;
use play::Run;

/// The stack of a thread that runs seeds: unoptimised, the steps' futures are large.
pub const STACK_BYTES: usize = 32 * 1024 * 1024;

/// Seeds of a plain `cargo test`; `.ci/run` and `.ci/long` ask for more.
const SEEDS: u64 = 40;

/// What one run came to.
struct Outcome {
    digest: String,
    lines: Vec<String>,
    passed: BTreeMap<String, u32>,
    died: BTreeMap<String, u32>,
    failure: Option<String>,
}

async fn run(seed: u64, database: Database) -> Outcome {
    let mut run = Run::begin(seed, database).await;
    let (trace, points) = (run.trace.clone(), std::rc::Rc::clone(&run.points));
    let whole = async {
        run.play().await;
        run.heal().await;
        run.judge().await;
        run.repeat().await;
        run.judge().await;
    };
    let failure = AssertUnwindSafe(whole).catch_unwind().await.err().map(seeds::told);
    let points = points.borrow();
    let (passed, died) = (points.passed.clone(), points.died.clone());
    Outcome { digest: trace.digest(), lines: trace.lines(), passed, died, failure }
}

fn explain(seed: u64, outcome: &Outcome) -> String {
    let failure = outcome.failure.as_deref().unwrap_or_default();
    seeds::explain("simulation::every_seed", seed, (&outcome.digest, &outcome.lines), failure)
}

/// Runs one seed on a runtime of this thread's own.
fn run_here(seed: u64) -> Outcome {
    actix_rt::System::new().block_on(run(seed, stage::in_memory()))
}

/// Runs one seed on a thread of its own.
fn run_alone(seed: u64) -> Outcome {
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run_here(seed));
    thread.expect("a thread").join().expect("a run catches its panics")
}

#[test]
#[expect(clippy::print_stdout, reason = "whoever runs seeds wants to see how many and how long")]
fn every_seed_ends_with_the_shops_books_in_ifs_once() {
    let begun = Instant::now();
    let (first, count) = seeds::asked(SEEDS);
    let next = AtomicU64::new(first);
    let failed: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let (passed, died) = (Mutex::<BTreeMap<String, u32>>::default(), Mutex::<BTreeMap<String, u32>>::default());
    let actions = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |count| count.get().min(8)) {
            let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
            let spawned = thread.spawn_scoped(scope, || {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.lock().expect("plain").len() >= 5 {
                        return;
                    }
                    let outcome = run_here(seed);
                    actions.fetch_add(outcome.lines.len() as u64, Ordering::Relaxed);
                    for (sums, of_run) in [(&passed, &outcome.passed), (&died, &outcome.died)] {
                        let mut sums = sums.lock().expect("plain");
                        of_run.iter().for_each(|(name, count)| *sums.entry(name.clone()).or_default() += count);
                    }
                    if outcome.failure.is_some() {
                        failed.lock().expect("plain").insert(seed, explain(seed, &outcome));
                    }
                }
            });
            spawned.expect("a thread");
        }
    });
    let failed = failed.into_inner().expect("plain");
    println!(
        "{count} seeds from {first}, {} lines, {:.1} s; points passed {:?}; deaths {:?}",
        actions.load(Ordering::Relaxed),
        begun.elapsed().as_secs_f64(),
        passed.into_inner().expect("plain"),
        died.into_inner().expect("plain"),
    );
    let seeds: Vec<&u64> = failed.keys().collect();
    assert!(failed.is_empty(), "seeds {seeds:?} fail\n{}", failed.values().cloned().collect::<Vec<_>>().join("\n\n"));
}

/// The same on PostgreSQL, for a few seeds: a step there is no faster, but its locks are other ones.
#[test]
fn some_seeds_end_so_on_postgresql_too() {
    for seed in [1, 2, 3, 4, 5, 6] {
        let Some(database) = Database::postgres() else { return };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let outcome = thread.spawn(move || actix_rt::System::new().block_on(run(seed, database))).expect("a thread");
        let outcome = outcome.join().expect("a run catches its panics");
        assert!(outcome.failure.is_none(), "on PostgreSQL: {}", explain(seed, &outcome));
    }
}

#[test]
fn a_seed_that_is_run_twice_does_the_same_twice() {
    for seed in [3, 11, 24] {
        let (first, second) = (run_alone(seed), run_alone(seed));
        let differs = first.lines.iter().zip(&second.lines).position(|(one, other)| one != other);
        let at = differs.unwrap_or(first.lines.len().min(second.lines.len()));
        let near = |lines: &[String]| lines[at.saturating_sub(3)..(at + 2).min(lines.len())].join("\n");
        assert_eq!(
            first.digest,
            second.digest,
            "seed {seed} differs at line {at}:\n{}\n--\n{}",
            near(&first.lines),
            near(&second.lines)
        );
    }
}
