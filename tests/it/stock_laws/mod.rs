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

use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use ml_connector::failpoint;

use crate::simulation::seeds::{self, Outcome};
use crate::simulation::stage::in_memory;
use crate::support::database::Database;
use play::Run;

/// Seeds of a plain `cargo test`.
const SEEDS: u64 = 16;
/// Seeds that are played on PostgreSQL too.
const ON_POSTGRES: u64 = 3;

/// What merchants do rarely, and seeds have to come to all the same.
const BROUGHT_BACK: &str = "a_merchant_brings_back";

/// How a seed is run again.
const TEST: &str = "stock_laws::every_seed";

async fn run(seed: u64, database: Database) -> Outcome {
    let mut run = Run::begin(seed, database).await;
    let (trace, points) = (run.trace.clone(), std::rc::Rc::clone(&run.steps.points));
    let whole = async {
        run.play().await;
        run.settle().await;
        run.judge();
        run.repeat().await;
        run.judge();
        run.sell_out().await;
    };
    let failure = AssertUnwindSafe(whole).catch_unwind().await.err().map(seeds::told);
    let mut passed = points.borrow().passed.clone();
    if run.merchants.times > 0 {
        passed.insert(BROUGHT_BACK.to_owned(), run.merchants.times);
    }
    Outcome { digest: trace.digest(), lines: trace.lines(), passed, failure }
}

fn run_alone(seed: u64, database: Database) -> Outcome {
    seeds::alone(move || run(seed, database))
}

#[test]
fn every_seed_shows_no_more_than_can_be_sold_and_ends_with_both_sides_equal() {
    let wanted: Vec<&str> = failpoint::STOCK.into_iter().chain([BROUGHT_BACK]).collect();
    seeds::play(SEEDS, TEST, &wanted, |seed| run_alone(seed, in_memory()));
}

/// The same on PostgreSQL, for a few seeds: its locks and its SQL are other ones.
#[test]
fn some_seeds_do_so_on_postgresql_too() {
    for seed in 1..=ON_POSTGRES {
        let Some(database) = Database::postgres() else { return };
        seeds::assert_kept(TEST, seed, &run_alone(seed, database));
    }
}

#[test]
fn a_seed_that_is_played_twice_does_the_same_twice() {
    seeds::assert_same(&run_alone(5, in_memory()), &run_alone(5, in_memory()));
}
