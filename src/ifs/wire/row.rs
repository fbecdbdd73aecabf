//! A record as IFS answers it: its ETag and its fields, untouched. What a field means is the mapping's.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::Value;

/// An answer of IFS that has not the shape of a record or of a list of records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer's {field} has another shape: {expected} was expected, found {found}")]
pub struct RowError {
    /// Which field, or `record` for the whole.
    pub field: String,
    /// What would have been right.
    pub expected: &'static str,
    /// The shape found, without its content.
    pub found: &'static str,
}

/// One record. `Debug` shows the field names only, since values may be a person's.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// `@odata.etag`; sure only from a get by key.
    pub etag: Option<String>,
    /// The fields by IFS's names; annotations (`@odata…`) are left out.
    pub fields: BTreeMap<String, Value>,
}

/// The shape of a JSON value in words, without its content.
pub fn shape_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

impl Row {
    /// Reads one record.
    ///
    /// # Errors
    /// [`RowError`] when the value is not an object.
    pub fn from_json(value: &Value) -> Result<Self, RowError> {
        let Value::Object(object) = value else {
            return Err(RowError { field: "record".into(), expected: "an object", found: shape_of(value) });
        };
        let etag = object.get("@odata.etag").and_then(Value::as_str).map(str::to_owned);
        let fields = object
            .iter()
            .filter(|(name, _)| !name.contains('@'))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        Ok(Self { etag, fields })
    }

    /// Reads a collection's answer, `{"value": […]}`.
    ///
    /// # Errors
    /// [`RowError`] for another shape, and for an answer that says there are more pages: a short list must not pass for a whole one.
    pub fn list_from_json(value: &Value) -> Result<Vec<Self>, RowError> {
        if value.get("@odata.nextLink").is_some() {
            return Err(RowError {
                field: "@odata.nextLink".into(),
                expected: "a whole list",
                found: "one page of several",
            });
        }
        match value.get("value") {
            Some(Value::Array(rows)) => rows.iter().map(Self::from_json).collect(),
            other => {
                Err(RowError { field: "value".into(), expected: "a list", found: other.map_or("nothing", shape_of) })
            }
        }
    }

    /// The field's value; an absent field and `null` are the same to IFS.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    /// The field as text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.get(field).and_then(Value::as_str)
    }

    /// The field as a whole number, from a JSON number or text.
    pub fn int(&self, field: &str) -> Option<i64> {
        match self.get(field)? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The field as an exact decimal, from a JSON text or number, never through a float.
    pub fn decimal(&self, field: &str) -> Option<Decimal> {
        decimal_of(self.get(field)?)
    }
}

/// An exact decimal from a JSON text or number; none when it would lose a digit.
pub fn decimal_of(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => exact(text),
        Value::Number(number) => exact(&number.to_string()),
        _ => None,
    }
}

fn exact(text: &str) -> Option<Decimal> {
    if text.len() > 64 {
        return None;
    }
    Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).ok()
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row")
            .field("etag", &self.etag)
            .field("fields", &self.fields.keys().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_keeps_etag_and_exact_figures() {
        let row = Row::from_json(&json!({"@odata.etag": "W/\"x\"", "A": "0.10", "B": 3, "C": null})).expect("object");
        assert_eq!(row.etag.as_deref(), Some("W/\"x\""));
        assert_eq!(row.decimal("A"), Decimal::from_str_exact("0.10").ok());
        assert_eq!(row.int("B"), Some(3));
        assert!(row.get("C").is_none());
        assert!(!row.fields.contains_key("@odata.etag"));
    }

    #[test]
    fn one_page_of_several_does_not_pass_for_the_whole_list() {
        let page = json!({"value": [], "@odata.nextLink": "x"});
        assert!(Row::list_from_json(&page).is_err());
        assert_eq!(Row::list_from_json(&json!({"value": []})), Ok(vec![]));
    }
}
