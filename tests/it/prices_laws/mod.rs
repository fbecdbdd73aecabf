//! The laws of prices, on the real flow: the steps, the store and the HTTP clients are the real ones, the remotes are simulated, and one
//! seed decides what IFS asks, what merchants and persons do, which answers are lost, who dies where, and which step goes on when.
//!
//! `ML_CONNECTOR_SEEDS=500 cargo test --test it prices_laws::` runs more seeds, `ML_CONNECTOR_SEED=17 …` one, with all it did.

mod laws;
mod plans;
mod play;
mod sides;
mod trouble;

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use ml_connector::failpoint;

use crate::simulation::seeds::{self, Outcome};
use crate::simulation::stage::in_memory;
use crate::support::database::Database;
use play::Run;

/// Seeds of a plain `cargo test`.
const SEEDS: u64 = 12;
/// Seeds that are played on PostgreSQL too: one with the shop's own prices alone, one with those of a market.
const ON_POSTGRES: [u64; 2] = [2, 3];

/// How a seed is run again.
const TEST: &str = "prices_laws::every_seed";

async fn run(seed: u64, database: Database) -> Outcome {
    let mut run = Run::begin(seed, database).await;
    let (trace, points) = (run.trace.clone(), std::rc::Rc::clone(&run.steps.points));
    let whole = async {
        run.play().await;
        run.settle().await;
        run.judge().await;
        run.repeat().await;
        run.judge().await;
    };
    let failure = AssertUnwindSafe(whole).catch_unwind().await.err().map(seeds::told);
    let passed = points.borrow().passed.clone();
    Outcome { digest: trace.digest(), lines: trace.lines(), passed, failure }
}

fn run_alone(seed: u64, database: Database) -> Outcome {
    seeds::alone(move || run(seed, database))
}

#[test]
fn every_seed_shows_no_price_that_nobody_asked_and_ends_with_both_sides_equal() {
    seeds::play(SEEDS, TEST, &failpoint::PRICES, |seed| run_alone(seed, in_memory()));
}

/// The same on PostgreSQL, for a few seeds: its locks and its SQL are other ones.
#[test]
fn some_seeds_do_so_on_postgresql_too() {
    for seed in ON_POSTGRES {
        let Some(database) = Database::postgres() else { return };
        seeds::assert_kept(TEST, seed, &run_alone(seed, database));
    }
}

#[test]
fn a_seed_that_is_played_twice_does_the_same_twice() {
    seeds::assert_same(&run_alone(3, in_memory()), &run_alone(3, in_memory()));
}
