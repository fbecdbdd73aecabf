//! What commands print: results on standard output, as text or JSON; news of long work on standard error.

use std::io::Write as _;

use serde_json::Value;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// A line of the result. A closed pipe ends quietly: whoever reads has read enough.
pub fn say(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").unwrap_or_default();
}

/// A line about what goes on, beside the result.
pub fn tell(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").unwrap_or_default();
}

/// A JSON result.
pub fn say_json(value: &Value) {
    say(&format!("{value:#}"));
}

/// A JSON result on one line, for what goes on after it.
pub fn say_json_line(value: &Value) {
    say(&value.to_string());
}

/// Rows under their headings, each column as wide as it needs.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(headings.to_vec())];
    lines.extend(rows.iter().map(|row| line(row.iter().map(String::as_str).collect())));
    lines.join("\n")
}

/// A decimal as a JSON number with its own digits.
pub(super) fn exact_number(number: rust_decimal::Decimal) -> serde_json::Value {
    serde_json::from_str(&number.normalize().to_string()).unwrap_or(serde_json::Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell() {
        let rows = vec![vec!["1".into(), "planned".into()], vec!["1001".into(), "x".into()]];
        assert_eq!(table(&["id", "state"], &rows), "id    state\n1     planned\n1001  x");
    }
}
