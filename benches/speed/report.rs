//! What was measured: figures, and the bounds that they are held against.

use serde_json::{Value, json};

/// One figure.
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    /// The bound and whether it was kept; none for a figure that only informs.
    bound: Option<(String, bool)>,
}

/// Everything that was measured in one run.
#[derive(Default)]
pub struct Report {
    figures: Vec<Figure>,
}

impl Report {
    /// A figure that only informs.
    pub fn note(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.add(name.into(), value, unit, None);
    }

    /// A figure that must be at least `bound`.
    pub fn at_least(&mut self, name: impl Into<String>, value: f64, unit: &'static str, bound: f64) {
        self.add(name.into(), value, unit, Some((format!(">= {bound}"), value >= bound)));
    }

    /// A figure that must be at most `bound`.
    pub fn at_most(&mut self, name: impl Into<String>, value: f64, unit: &'static str, bound: f64) {
        self.add(name.into(), value, unit, Some((format!("<= {bound}"), value <= bound)));
    }

    /// Whether every bound was kept.
    pub fn is_reached(&self) -> bool {
        self.figures.iter().all(|figure| figure.bound.as_ref().is_none_or(|(_, kept)| *kept))
    }

    fn add(&mut self, name: String, value: f64, unit: &'static str, bound: Option<(String, bool)>) {
        let figure = Figure { name, value, unit, bound };
        progress(&line(&figure));
        self.figures.push(figure);
    }

    /// Prints all figures.
    #[expect(clippy::print_stdout, reason = "the result of the run")]
    pub fn print(&self, json: bool) {
        if !json {
            for figure in &self.figures {
                println!("{}", line(figure));
            }
            return;
        }
        let shown = |figure: &Figure| -> Value {
            json!({
                "name": figure.name, "value": (figure.value * 100.0).round() / 100.0, "unit": figure.unit,
                "bound": figure.bound.as_ref().map(|(bound, _)| bound), "kept": figure.bound.as_ref().map(|(_, kept)| kept),
            })
        };
        println!("{}", json!({ "figures": self.figures.iter().map(shown).collect::<Vec<_>>() }));
    }
}

fn line(figure: &Figure) -> String {
    let kept = match &figure.bound {
        None => String::new(),
        Some((bound, true)) => format!("{bound}: kept"),
        Some((bound, false)) => format!("{bound}: NOT kept"),
    };
    format!("{:<64} {:>12.2} {:<8} {kept}", figure.name, figure.value, figure.unit).trim_end().to_owned()
}

/// Tells what is going on.
#[expect(clippy::print_stderr, reason = "measurements take minutes: whoever waits sees where they are")]
pub fn progress(text: &str) {
    eprintln!("{text}");
}

/// The middle one of several figures.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value under which `share` of all values lie.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values[rank.saturating_sub(1).min(values.len() - 1)]
}
