//! The steps taken on a document, and what they found to differ: as JSON, and as tables.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::documents::Content;
use super::output::{say, table};
use crate::domain::document::State;
use crate::mapping::columns::{self, Columns};
use crate::store::{Attempt, DocumentRow};

/// The steps taken on a document.
pub(super) fn steps_of(attempts: &[(Timestamp, Attempt)], content: Content) -> Value {
    let step = |(at, attempt): &(Timestamp, Attempt)| {
        json!({"at": at.to_string(), "step": attempt.step, "outcome": attempt.outcome, "detail": attempt.detail,
            "differences": differences(attempt, content)})
    };
    attempts.iter().map(step).collect()
}

/// The same as text.
pub(super) fn steps_table(steps: &Value) -> String {
    let columns = ["at", "step", "outcome", "detail"];
    table(&columns, &cells_of(steps, &columns))
}

/// The three columns of the last step that found some, while the document waits for a person.
pub(super) fn tell_differences(document: &DocumentRow, told: &Value) {
    let steps = told["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = steps.iter().rev().find_map(|step| step["differences"].as_array().filter(|found| !found.is_empty()));
    let Some(found) = found.filter(|_| document.state == State::Parked) else { return };
    let cells: Vec<Vec<String>> = found
        .iter()
        .map(|item| {
            let cell = |column: &str| match &item[column] {
                Value::String(text) => text.clone(),
                _ if item["hidden"] == json!(true) => "(hidden)".to_owned(),
                _ => "-".to_owned(),
            };
            [cell("field"), cell("base"), cell("shopify"), cell("ifs")].into()
        })
        .collect();
    say("\ndifferences");
    say(&table(&["field", "sent last", "Shopify", "IFS"], &cells));
    if found.iter().any(|item| item["hidden"] == json!(true)) {
        say(&format!("values that may tell of a person: `documents show {} --content`", document.id));
    }
}

/// The named fields of each item, as the cells of a table.
pub(super) fn cells_of(list: &Value, columns: &[&str]) -> Vec<Vec<String>> {
    let cell = |item: &Value, column: &str| item[column].as_str().unwrap_or_default().to_owned();
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| columns.iter().map(|column| cell(item, column)).collect()).collect()
}

/// What a step found to differ: one item a field, its three columns only where they may be shown.
fn differences(attempt: &Attempt, content: Content) -> Vec<Value> {
    let found = attempt.differences.as_deref().map(columns::parse).unwrap_or_default();
    let shown = |found: &Columns| {
        if found.personal && content == Content::Hidden {
            return json!({"field": found.field, "hidden": true});
        }
        json!({"field": found.field, "base": found.base, "shopify": found.shopify, "ifs": found.ifs})
    };
    found.iter().map(shown).collect()
}
