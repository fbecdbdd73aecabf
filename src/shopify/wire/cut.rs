//! Cuts bearer secrets out of a raw body by span, before it is stored. Everything else keeps its bytes:
//! re-printing JSON would put 18-digit ids and decimals through a float sooner or later.
//!
//! The scanner is lexical: it works on bodies that are not valid JSON too, in one pass, without recursion.

use std::ops::Range;

/// Keys whose text values are bearer secrets (Shopify's documentation), at any depth.
const SECRET_KEYS: [&str; 4] = ["order_status_url", "token", "checkout_token", "cart_token"];
/// What stands in a secret's place.
const CUT: &[u8] = b"\"cut\"";

/// The body without the values of `order_status_url`, `token`, `checkout_token` and `cart_token`.
///
/// Only text values are cut; no other byte changes. An unfinished text at the end of a cut-off body is cut too.
pub fn cut_secrets(body: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(body.len());
    let mut from = 0;
    for span in secret_spans(body) {
        kept.extend_from_slice(&body[from..span.start]);
        kept.extend_from_slice(CUT);
        from = span.end;
    }
    kept.extend_from_slice(&body[from..]);
    kept
}

/// Where the secret values stand, quotes included.
fn secret_spans(body: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(start) = next_quote(body, at) {
        let key = text_span(body, start);
        at = key.end;
        if !is_secret_key(&body[key]) {
            continue;
        }
        let Some(colon) = skip_space(body, at).filter(|&index| body[index] == b':') else { continue };
        let Some(value) = skip_space(body, colon + 1).filter(|&index| body[index] == b'"') else { continue };
        let span = text_span(body, value);
        at = span.end;
        spans.push(span);
    }
    spans
}

fn next_quote(body: &[u8], from: usize) -> Option<usize> {
    memchr::memchr(b'"', &body[from..]).map(|offset| from + offset)
}

/// The text that begins at `start`, with its quotes; to the end of the body when it never closes.
fn text_span(body: &[u8], start: usize) -> Range<usize> {
    let mut at = start + 1;
    while let Some(offset) = body.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += offset;
        if body[at] == b'"' {
            return start..at + 1;
        }
        at += 2;
    }
    start..body.len()
}

fn skip_space(body: &[u8], from: usize) -> Option<usize> {
    let rest = body.get(from..)?;
    rest.iter().position(|byte| !byte.is_ascii_whitespace()).map(|offset| from + offset)
}

/// Whether the quoted text is a secret's key, escapes (`\u0074oken`) and all.
fn is_secret_key(quoted: &[u8]) -> bool {
    if memchr::memchr(b'\\', quoted).is_some() {
        let key: Result<String, _> = serde_json::from_slice(quoted);
        return key.is_ok_and(|key| SECRET_KEYS.contains(&key.as_str()));
    }
    let inner = quoted.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    inner.is_some_and(|inner| SECRET_KEYS.iter().any(|key| key.as_bytes() == inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    fn cut(body: &str) -> String {
        String::from_utf8(cut_secrets(body.as_bytes())).expect("cutting at ASCII quotes keeps UTF-8")
    }

    #[test]
    fn secrets_go_and_every_other_byte_stays() {
        let body = r#"{ "id":820982911946154508, "token" : "s\"1", "a":[{"order_status_url":"https://x/?key=s2"}],"n":1.10, "cart_token":null}"#;
        let after = r#"{ "id":820982911946154508, "token" : "cut", "a":[{"order_status_url":"cut"}],"n":1.10, "cart_token":null}"#;
        assert_eq!(cut(body), after);
    }

    #[test]
    fn an_escaped_key_hides_nothing_and_a_value_named_like_a_key_is_none() {
        assert_eq!(cut(r#"{"\u0074oken":"s"}"#), r#"{"\u0074oken":"cut"}"#);
        assert_eq!(cut(r#"["token","x"]"#), r#"["token","x"]"#);
        assert_eq!(cut(r#"{"note":"\"token\":\"x\""}"#), r#"{"note":"\"token\":\"x\""}"#);
    }

    #[test]
    fn a_body_that_is_not_json_is_cut_as_far_as_it_reads() {
        assert_eq!(cut(r#"{"token":"half of a secr"#), r#"{"token":"cut""#);
        assert_eq!(cut("\"token\": \"s\\"), "\"token\": \"cut\"");
        assert_eq!(cut("{\"token\":"), "{\"token\":");
        assert_eq!(cut(""), "");
    }

    /// The document with every secret text replaced the slow way.
    fn expected(value: Value) -> Value {
        match value {
            Value::Object(object) => Value::Object(
                object
                    .into_iter()
                    .map(|(key, value)| {
                        let secret = SECRET_KEYS.contains(&key.as_str()) && value.is_string();
                        let value = if secret { Value::String("cut".into()) } else { expected(value) };
                        (key, value)
                    })
                    .collect::<Map<_, _>>(),
            ),
            Value::Array(items) => Value::Array(items.into_iter().map(expected).collect()),
            other => other,
        }
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<u64>().prop_map(Value::from),
            "[0-9]{1,20}\\.[0-9]{1,20}".prop_map(|figure| serde_json::from_str(&figure).unwrap_or(Value::Null)),
            "[\"\\\\a:{}token é]{0,12}".prop_map(Value::String),
        ];
        let key = prop_oneof![
            Just("token".to_owned()),
            Just("order_status_url".to_owned()),
            Just("to\"ken".to_owned()),
            "[a-z]{1,5}"
        ];
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec((key.clone(), inner), 0..5)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn nothing_but_secrets_changes(document in documents()) {
            let cut: Value = serde_json::from_slice(&cut_secrets(document.to_string().as_bytes())).expect("still JSON");
            prop_assert_eq!(cut, expected(document));
        }

        #[test]
        fn any_bytes_are_taken(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let cut = cut_secrets(&body);
            prop_assert!(cut.len() <= body.len() + body.len() / 2 + 8);
        }
    }
}
