//! Bytes to shapes, and what is said when they do not fit: the path, the shape found, what was expected.
//! Invariant: no error holds a value of the payload, since any of them may be a person's.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::{event, graphql, rest};

/// A payload that is not what Shopify documents.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}, found {found}")]
pub struct DecodeError {
    /// Where, as `line_items[0].price`; `document` for the whole.
    pub path: String,
    /// What would have been right.
    pub expected: String,
    /// The shape of what is there, never its content.
    pub found: String,
}

/// Decodes the body of an order webhook.
///
/// # Errors
/// [`DecodeError`] for the first place that does not fit.
pub fn decode_rest_order(body: &[u8]) -> Result<rest::Order, DecodeError> {
    decode(body)
}

/// Decodes the `order` object of an `order_by_id` answer: the object alone, without `data` round it.
///
/// # Errors
/// [`DecodeError`] for the first place that does not fit.
pub fn decode_graphql_order(order: &[u8]) -> Result<graphql::Order, DecodeError> {
    decode(order)
}

/// Decodes the body of an `orders/edited` webhook.
///
/// # Errors
/// [`DecodeError`] for the first place that does not fit.
pub fn decode_order_edited(body: &[u8]) -> Result<event::OrderEdited, DecodeError> {
    decode(body)
}

/// Decodes the body of an `orders/delete` webhook.
///
/// # Errors
/// [`DecodeError`] for the first place that does not fit.
pub fn decode_order_deleted(body: &[u8]) -> Result<event::OrderDeleted, DecodeError> {
    decode(body)
}

/// Decodes the body of a `refunds/create` webhook.
///
/// # Errors
/// [`DecodeError`] for the first place that does not fit.
pub fn decode_refund_created(body: &[u8]) -> Result<event::RefundCreated, DecodeError> {
    decode(body)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let decoded = serde_path_to_error::deserialize(&mut reader).map_err(|error| explain(bytes, &error))?;
    reader.end().map_err(|error| broken_json(&error))?;
    Ok(decoded)
}

fn broken_json(error: &serde_json::Error) -> DecodeError {
    let what = if error.is_eof() { "JSON that ends early, at" } else { "something else at" };
    DecodeError {
        path: "document".into(),
        expected: "one JSON object".into(),
        found: format!("{what} line {} column {}", error.line(), error.column()),
    }
}

fn explain(bytes: &[u8], error: &serde_path_to_error::Error<serde_json::Error>) -> DecodeError {
    if !error.inner().is_data() {
        return broken_json(error.inner());
    }
    let message = error.inner().to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(head, _)| head);
    let mut path = shown(error.path());
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        path = if path == "document" { field.to_owned() } else { format!("{path}.{field}") };
        return DecodeError { path, expected: "a value".into(), found: "nothing".into() };
    }
    if message.starts_with("duplicate field") {
        return DecodeError { path, expected: "each field once".into(), found: "one of them twice".into() };
    }
    // The text in front of the last "expected" may repeat the payload; what follows it is ours or serde's.
    let expected = message.rsplit_once("expected ").map_or("another shape", |(_, expected)| expected);
    DecodeError { path, expected: expected.to_owned(), found: found_at(bytes, error.path()) }
}

/// Segments that name a place of the document, without serde_json's private marker of exact numbers.
fn places(path: &Path) -> impl Iterator<Item = &Segment> {
    path.iter().filter(|segment| match segment {
        Segment::Map { key } => !key.starts_with('$'),
        Segment::Seq { .. } => true,
        Segment::Enum { .. } | Segment::Unknown => false,
    })
}

fn shown(path: &Path) -> String {
    let mut shown = String::new();
    for segment in places(path) {
        match segment {
            Segment::Map { key } => {
                if !shown.is_empty() {
                    shown.push('.');
                }
                shown.push_str(key);
            }
            Segment::Seq { index } => shown.push_str(&format!("[{index}]")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    if shown.is_empty() { "document".into() } else { shown }
}

fn found_at(bytes: &[u8], path: &Path) -> String {
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else {
        return "JSON that breaks further on".into();
    };
    let mut here = Some(&document);
    for segment in places(path) {
        here = match segment {
            Segment::Map { key } => here.and_then(|value| value.get(key)),
            Segment::Seq { index } => here.and_then(|value| value.get(index)),
            Segment::Enum { .. } | Segment::Unknown => here,
        };
    }
    match here {
        None => "nothing".into(),
        Some(Value::Null) => "null".into(),
        Some(Value::Bool(_)) => "true or false".into(),
        Some(Value::Number(number)) => format!("a number of {} characters", number.to_string().len()),
        Some(Value::String(text)) => format!("a text of {} characters", text.chars().count()),
        Some(Value::Array(items)) => format!("a list of {}", items.len()),
        Some(Value::Object(_)) => "an object".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> DecodeError {
        match decode_rest_order(body.as_bytes()) {
            Ok(_) => panic!("decoded: {body}"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_refusal_names_the_path_and_the_shape_but_not_the_content() {
        let error = refusal(r#"{"id": 1, "name": "Ada, expected Lovelace", "created_at": "Ada at line 3"}"#);
        assert_eq!(error.path, "created_at");
        assert_eq!(error.expected, "a time as 2026-01-31T12:00:00Z");
        assert_eq!(error.found, "a text of 13 characters");

        let error = refusal(r#"{"id": {"expected ": "Ada"}}"#);
        assert_eq!((error.path.as_str(), error.found.as_str()), ("id", "an object"));

        let error = refusal(r#"{"id": 1, "line_items": [{"id": 2, "price": 1e400}]}"#);
        assert_eq!(error.path, "line_items[0].price");
        assert_eq!(error.found, "a number of 6 characters");
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = refusal(r#"{"id": 1}"#);
        assert_eq!(error.to_string(), "name: expected a value, found nothing");
    }

    #[test]
    fn what_is_not_json_is_told_by_its_place() {
        assert_eq!(refusal("{\"id\": 1").path, "document");
        assert!(refusal("{\"id\": NaN}").found.contains("line 1"));
        assert!(refusal("").found.contains("ends early"));
        assert_eq!(refusal("[]").path, "document");
    }
}
