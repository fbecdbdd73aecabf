//! What is said about a panic: where it happened, never its message, which may quote the data that caused it.

use std::panic::{self, PanicHookInfo};

use super::metric;

/// Replaces the default hook, which prints the panic's message, by one line of log and a counter.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    let location = location.as_deref().unwrap_or("unknown");
    metrics::counter!(metric::PANICS_TOTAL).increment(1);
    tracing::error!(location, "panic");
}
