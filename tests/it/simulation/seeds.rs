//! Which seeds a test of laws plays, how it plays them, and how it tells of one that breaks them.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::STACK_BYTES;

/// Lines of a failing run that are shown.
const LINES_MAX: usize = 500;
/// Seeds that may fail before no further one is begun.
const FAILED_MAX: usize = 5;

/// The first seed and how many: as the variables say, or so many from 1 on.
pub fn asked(usual: u64) -> (u64, u64) {
    let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse().expect("a number of seeds"));
    match number("ML_CONNECTOR_SEED") {
        Some(seed) => (seed, 1),
        None => (number("ML_CONNECTOR_FIRST_SEED").unwrap_or(1), number("ML_CONNECTOR_SEEDS").unwrap_or(usual)),
    }
}

/// What a panic said.
pub fn told(panic: Box<dyn Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// How a seed went that broke a law, and how it is run again.
pub fn explain(test: &str, seed: u64, (digest, lines): (&str, &[String]), failure: &str) -> String {
    let last = lines.len().saturating_sub(LINES_MAX);
    format!(
        "seed {seed} breaks a law (trace {digest}); again: ML_CONNECTOR_SEED={seed} cargo test --test it {test}\n{}\n{failure}",
        lines[last..].join("\n"),
    )
}

/// What one run of a flow's laws came to.
pub struct Outcome {
    pub digest: String,
    pub lines: Vec<String>,
    /// How often each failpoint was passed.
    pub passed: BTreeMap<String, u32>,
    pub failure: Option<String>,
}

impl Outcome {
    /// How it went, and how it is run again.
    fn explain(&self, test: &str, seed: u64) -> String {
        explain(test, seed, (&self.digest, &self.lines), self.failure.as_deref().unwrap_or_default())
    }
}

/// Runs one seed on a thread and a runtime of its own.
pub fn alone<F>(run: impl FnOnce() -> F + Send + 'static) -> Outcome
where
    F: Future<Output = Outcome> + 'static,
{
    let play = move || actix_rt::System::new().block_on(run());
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(play);
    thread.expect("a thread").join().expect("a run catches its panics")
}

/// Plays so many seeds as are asked for, beside each other.
///
/// # Panics
/// Where one breaks a law, or none of the usual ones came to one of these failpoints.
#[expect(clippy::print_stdout, reason = "whoever runs seeds wants to see how many and how long")]
pub fn play(usual: u64, test: &str, points: &[&str], run_alone: impl Fn(u64) -> Outcome + Sync) {
    let begun = Instant::now();
    let (first, count) = asked(usual);
    let next = AtomicU64::new(first);
    let failed: Mutex<BTreeMap<u64, String>> = Mutex::default();
    let passed: Mutex<BTreeMap<String, u32>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |count| count.get().min(8)) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count || failed.lock().expect("plain").len() >= FAILED_MAX {
                        return;
                    }
                    let outcome = run_alone(seed);
                    let mut sums = passed.lock().expect("plain");
                    outcome.passed.iter().for_each(|(name, count)| *sums.entry(name.clone()).or_default() += count);
                    drop(sums);
                    if outcome.failure.is_some() {
                        failed.lock().expect("plain").insert(seed, outcome.explain(test, seed));
                    }
                }
            });
        }
    });
    let (failed, passed) = (failed.into_inner().expect("plain"), passed.into_inner().expect("plain"));
    println!("{count} seeds from {first}, {:.1} s; points passed {passed:?}", begun.elapsed().as_secs_f64());
    let seeds: Vec<&u64> = failed.keys().collect();
    assert!(failed.is_empty(), "seeds {seeds:?} fail\n{}", failed.values().cloned().collect::<Vec<_>>().join("\n\n"));
    if count >= usual {
        let missed: Vec<&str> = points.iter().copied().filter(|point| !passed.contains_key(*point)).collect();
        assert!(missed.is_empty(), "no seed came to {missed:?}");
    }
}

/// One seed on another database.
///
/// # Panics
/// Where it breaks a law.
pub fn assert_kept(test: &str, seed: u64, outcome: &Outcome) {
    assert!(outcome.failure.is_none(), "on PostgreSQL: {}", outcome.explain(test, seed));
}

/// The same seed, twice.
///
/// # Panics
/// Where it did not do the same.
pub fn assert_same(first: &Outcome, second: &Outcome) {
    let differs = first.lines.iter().zip(&second.lines).position(|(one, other)| one != other);
    let at = differs.unwrap_or(first.lines.len().min(second.lines.len()));
    let near = |lines: &[String]| lines[at.saturating_sub(3)..(at + 2).min(lines.len())].join("\n");
    assert_eq!(first.digest, second.digest, "line {at}:\n{}\n--\n{}", near(&first.lines), near(&second.lines));
}
