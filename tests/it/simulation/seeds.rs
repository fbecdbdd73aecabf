//! Which seeds a test of laws plays, and how it tells of one that breaks them.

use std::any::Any;

/// Lines of a failing run that are shown.
const LINES_MAX: usize = 500;

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
