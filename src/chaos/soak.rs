//! The soak: a shop's day while children of the service are killed at random; then the faults end, and when everything is
//! quiet the checker reads three ledgers.

use std::time::{Duration, Instant};

use rand::Rng as _;

use super::children::Environment;
use super::run::{Progress, Run};
use super::stage::{CENSUS_DAYS, SWEEP_EVERY, Setup, WAIT};
use super::verdict::Verdict;
use super::{ChaosArgs, Trouble};
use crate::cli::demo::{Faults, sweep_every};
use crate::sandbox::faults::Fault;
use crate::sandbox::ledger::Class;
use crate::sandbox::shopify::Deck;

/// Time between two kills, milliseconds.
const KILL_EVERY_MS: std::ops::RangeInclusive<u64> = 200..=2_000;
/// The middle of that, seconds: a day lasts about as long as its kills.
const KILL_EVERY_MEAN: f64 = 1.1;
/// How long everything may take to come to rest after the faults ended. A lost create of many rows is looked for that long.
const QUIET_MAX: Duration = Duration::from_secs(300);
/// What a remote may ask for at most under harsh faults, seconds.
const RETRY_AFTER_MAX_SECS: u64 = 5;
/// How long an order of the second shop rests.
pub(super) const LAG: Duration = Duration::from_secs(4);

/// Runs it.
pub(super) async fn soak(args: &ChaosArgs) -> Result<Verdict, Trouble> {
    let setup = Setup {
        seed: args.seed,
        faults: args.faults,
        database: args.database,
        database_url: args.database_url.clone(),
        replicas: args.replicas,
        lease_secs: args.lease_secs,
        lag: LAG,
        // With faults webhooks are lost, and the end waits for what the sweep finds.
        sweep_every: Some(if args.faults == Faults::None { SWEEP_EVERY } else { sweep_every(args.orders) }),
        census_days: CENSUS_DAYS,
        wait: WAIT,
        is_stocked: false,
    };
    // A year's Retry-After is clamped to 15 minutes, which no run has.
    let clamp = (args.faults == Faults::Harsh).then_some(RETRY_AFTER_MAX_SECS);
    let environment = Environment { planted: args.plant, retry_after_max_secs: clamp, ..Environment::default() };
    let mut run = Run::set(setup, environment, Progress::Told).await?;
    if args.faults == Faults::Harsh {
        arm_years(&run);
    }
    run.start_all()?;
    // 1. The day, so long that it holds all kills.
    let at_most = Duration::from_secs(240 + u64::from(args.orders) / 2 + u64::from(args.kills) * 4);
    let orders = usize::try_from(args.orders).unwrap_or(usize::MAX);
    let ruled = orders * 3 / 10;
    let secs = (f64::from(args.kills) * KILL_EVERY_MEAN).max(1.0);
    for (shop, (deck, orders)) in [(Deck::Usual, orders - ruled), (Deck::Ruled, ruled)].into_iter().enumerate() {
        run.play(shop, deck, orders, |settings| {
            settings.orders_per_sec = per_sec(orders, secs);
            // Whoever gives up waiting for IFS plays another story than the books expect.
            settings.written_wait = at_most;
        });
    }
    // 2. The kills, until the shops have told everything.
    kill_at_random(&mut run, args, at_most).await?;
    if run.kills() < args.kills {
        return Err(format!("only {} of {} kills were made in time", run.kills(), args.kills));
    }
    // 3. The end.
    run.heal(QUIET_MAX).await?;
    run.end().await
}

async fn kill_at_random(run: &mut Run, args: &ChaosArgs, at_most: Duration) -> Result<(), Trouble> {
    let deadline = Instant::now() + at_most;
    let pause = |run: &mut Run| Duration::from_millis(run.random.random_range(KILL_EVERY_MS));
    let mut kill_at = Instant::now() + pause(run);
    while !(run.kills() >= args.kills && run.is_told()) && Instant::now() < deadline {
        run.look().await?;
        if run.kills() < args.kills && Instant::now() >= kill_at {
            let victim = run.random.random_range(0..run.replicas.len());
            run.kill(victim)?;
            run.start(victim)?;
            kill_at = Instant::now() + pause(run);
        }
    }
    Ok(())
}

/// Waits that no remote means.
fn arm_years(run: &Run) {
    let year = || "31536000".to_owned();
    let faults = run.stage.sandbox.faults();
    for class in [Class::Create, Class::Amend, Class::Read, Class::GraphQl] {
        faults.chance(class, Fault::TooMany(year()), 4);
    }
    faults.chance(Class::Lookup, Fault::Busy(year()), 4);
}

/// Orders per second, so that the day lasts about so long.
fn per_sec(orders: usize, secs: f64) -> u32 {
    let orders = u32::try_from(orders).unwrap_or(u32::MAX);
    let wanted = f64::from(orders) / secs;
    (1..100).find(|most| f64::from(*most) >= wanted).unwrap_or(100)
}
