//! The page that a run ends with.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::{Value, json};

use super::checker::{Broken, Kind};
use super::children::Peaks;

/// Work that is due may lie for so long at most, seconds.
pub(super) const RECOVERY_SECS_MAX: f64 = 35.0;
/// Broken invariants that are printed at most.
const SHOWN_MAX: usize = 40;

/// What came of a run.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// What was run, in words.
    pub(super) run: String,
    pub(super) seed: u64,
    pub(super) orders: usize,
    pub(super) acknowledged: usize,
    pub(super) kills: u32,
    /// The longest time in which work was due and IFS heard nothing, seconds.
    pub(super) recovery_secs: f64,
    /// From the end of the faults until nothing was left to do, seconds.
    pub(super) quiet_secs: f64,
    pub(super) secs: f64,
    /// Children that ended without being told to.
    pub(super) ended_by_themselves: u32,
    /// Webhooks that the shops never sent: only the second road finds what they told.
    pub(super) lost: usize,
    /// Webhooks that no replica took to the last try.
    pub(super) undelivered: usize,
    /// Failpoints that nothing came by.
    pub(super) unreached: Vec<String>,
    pub(super) creates_per_order: String,
    pub(super) faults: BTreeMap<&'static str, u64>,
    pub(super) peaks: Peaks,
    pub(super) database_bytes: u64,
    pub(super) broken: Vec<Broken>,
}

impl Verdict {
    /// Whether nothing is broken and nothing was left lying. A run in which little was told, or lost, proves nothing.
    pub(super) fn is_clean(&self) -> bool {
        let told = self.orders > 0 && self.acknowledged + self.lost >= self.orders;
        let run = self.undelivered == 0 && self.unreached.is_empty();
        told && run && self.broken.is_empty() && self.recovery_secs <= RECOVERY_SECS_MAX
    }

    fn count(&self, kind: Kind) -> usize {
        self.broken.iter().filter(|broken| broken.kind == kind).count()
    }

    fn to_json(&self) -> Value {
        let broken: Vec<Value> = self.broken.iter().take(SHOWN_MAX).map(of_broken).collect();
        json!({
            "run": self.run,
            "seed": self.seed,
            "orders": self.orders,
            "acknowledged": self.acknowledged,
            "kills": self.kills,
            "missing": self.count(Kind::Missing),
            "double": self.count(Kind::Double),
            "differences": self.count(Kind::Difference),
            "stuck": self.count(Kind::Stuck),
            "recovery_seconds_max": tenths(self.recovery_secs),
            "other": self.count(Kind::Other),
            "lost": self.lost,
            "undelivered": self.undelivered,
            "unreached": self.unreached,
            "quiet_seconds": tenths(self.quiet_secs),
            "seconds": tenths(self.secs),
            "ended_by_themselves": self.ended_by_themselves,
            "creates_per_order": self.creates_per_order,
            "faults": self.faults,
            "peaks": {"rss_kib": self.peaks.rss_kib, "open_files": self.peaks.open_files, "threads": self.peaks.threads,
                "database_bytes": self.database_bytes},
            "broken": broken,
            "clean": self.is_clean(),
        })
    }

    /// Prints it on standard output.
    pub(super) fn print(&self, as_json: bool) {
        let told = self.to_json();
        if as_json {
            return say(&format!("{told:#}"));
        }
        for name in [
            "run",
            "seed",
            "orders",
            "acknowledged",
            "kills",
            "missing",
            "double",
            "differences",
            "stuck",
            "recovery_seconds_max",
            "other",
            "lost",
            "undelivered",
            "unreached",
            "quiet_seconds",
            "seconds",
            "ended_by_themselves",
            "creates_per_order",
            "faults",
            "peaks",
        ] {
            say(&format!("{name:<21} {}", plain(&told[name])));
        }
        for broken in self.broken.iter().take(SHOWN_MAX) {
            say(&format!("  {broken}"));
        }
        say(if self.is_clean() { "nothing is broken" } else { "SOMETHING IS BROKEN" });
    }
}

fn of_broken(broken: &Broken) -> Value {
    json!({"invariant": broken.invariant.to_string(), "order_id": broken.order_id.map(|id| id.to_string()),
        "what": broken.what})
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn tenths(secs: f64) -> f64 {
    (secs * 10.0).round() / 10.0
}

/// A line of the result. A closed pipe ends quietly: whoever reads has read enough.
pub(super) fn say(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").unwrap_or_default();
}
