//! OData addresses: resource paths with named keys, and query options. Strict: percent-encoding as in a
//! URL, quotes doubled, no `+` for a space, nothing absolute.

use super::error::OdataError;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Orders,
    /// `CustomerOrderLineSet`: the lines of all orders.
    AllLines,
    Order(String),
    Lines(String),
    Line(String, LineKey),
    Charges(String),
    Charge(String, i64),
    Addresses(String),
    Address(String),
    /// A bound action of an order, by its full name.
    Action(String, String),
    /// A bound action of a line, by its full name.
    LineAction(String, LineKey, String),
}

/// Key of a line within its order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineKey {
    pub(super) line_no: String,
    pub(super) rel_no: String,
    pub(super) line_item_no: i64,
}

/// Query options of a read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) filter: Option<String>,
    pub(super) select: Option<Vec<String>>,
    /// In the order in which they count.
    pub(super) order_by: Vec<(String, Direction)>,
    pub(super) top: Option<usize>,
    pub(super) skip: usize,
    pub(super) count: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Up,
    Down,
}

/// Key predicates of one segment.
pub(super) type Keys = Vec<(String, KeyValue)>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyValue {
    Text(String),
    Int(i64),
}

/// Parses a relative URL into its target and query.
pub(super) fn parse(relative: &str) -> Result<(Target, Query), OdataError> {
    let (segments, query) = split(relative)?;
    Ok((target(&segments)?, query))
}

/// The decoded segments of a relative URL, and its query.
pub(super) fn split(relative: &str) -> Result<(Vec<String>, Query), OdataError> {
    let (path, query) = match relative.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (relative, None),
    };
    let segments = path.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
    Ok((segments, parse_query(query.unwrap_or(""))?))
}

/// A text as a key value in a URL: quoted, quotes doubled, percent-encoded.
pub(super) fn quote(text: &str) -> String {
    let mut url = String::from("'");
    for byte in text.bytes() {
        match byte {
            b'\'' => url.push_str("%27%27"),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url.push('\'');
    url
}

fn target(segments: &[String]) -> Result<Target, OdataError> {
    let (set, keys) = segment(segments.first().map_or("", String::as_str))?;
    if set == "CustomerOrderLineSet" && keys.is_none() && segments.len() == 1 {
        return Ok(Target::AllLines);
    }
    if set != "CustomerOrderSet" {
        return Err(OdataError::not_found(format!(
            "Cannot find EntitySet, Singleton, ActionImport or FunctionImport with name '{set}'"
        )));
    }
    let Some(keys) = keys else {
        return if segments.len() == 1 { Ok(Target::Orders) } else { Err(no_such_path()) };
    };
    let [(name, KeyValue::Text(order_no))] = keys.as_slice() else { return Err(bad_key()) };
    if name != "OrderNo" {
        return Err(bad_key());
    }
    match segments {
        [_] => Ok(Target::Order(order_no.clone())),
        [_, action] if action.starts_with("IfsApp.") => Ok(Target::Action(order_no.clone(), action.clone())),
        [_, navigation] => child(order_no, navigation),
        [_, navigation, action] if action.starts_with("IfsApp.") => match child(order_no, navigation)? {
            Target::Line(order_no, key) => Ok(Target::LineAction(order_no, key, action.clone())),
            _ => Err(no_such_path()),
        },
        _ => Err(no_such_path()),
    }
}

fn child(order_no: &str, navigation: &str) -> Result<Target, OdataError> {
    let (set, keys) = segment(navigation)?;
    let order = order_no.to_owned();
    match (set.as_str(), keys) {
        ("OrderLinesArray", None) => Ok(Target::Lines(order)),
        ("CustomerOrderChargeArray", None) => Ok(Target::Charges(order)),
        ("CustomerOrderAddresses", None) => Ok(Target::Addresses(order)),
        ("OrderLinesArray", Some(keys)) => line_key(&order, &keys),
        ("CustomerOrderChargeArray", Some(keys)) => match named(&keys, &["OrderNo", "SequenceNo"])?.as_slice() {
            [KeyValue::Text(no), KeyValue::Int(sequence)] if *no == order => Ok(Target::Charge(order, *sequence)),
            _ => Err(bad_key()),
        },
        ("CustomerOrderAddresses", Some(keys)) => match named(&keys, &["OrderNo"])?.as_slice() {
            [KeyValue::Text(no)] if *no == order => Ok(Target::Address(order)),
            _ => Err(bad_key()),
        },
        _ => Err(no_such_path()),
    }
}

fn line_key(order: &str, keys: &Keys) -> Result<Target, OdataError> {
    let values = named(keys, &["OrderNo", "LineNo", "RelNo", "LineItemNo"])?;
    match values.as_slice() {
        [KeyValue::Text(no), KeyValue::Text(line_no), KeyValue::Text(rel_no), KeyValue::Int(item)] if no == order => {
            let key = LineKey { line_no: line_no.clone(), rel_no: rel_no.clone(), line_item_no: *item };
            Ok(Target::Line(order.to_owned(), key))
        }
        _ => Err(bad_key()),
    }
}

/// Key values in the order of `names`; each exactly once, no other.
pub(super) fn named(keys: &Keys, names: &[&str]) -> Result<Vec<KeyValue>, OdataError> {
    if keys.len() != names.len() {
        return Err(bad_key());
    }
    names
        .iter()
        .map(|name| keys.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).ok_or_else(bad_key))
        .collect()
}

/// `Name` or `Name(Key='v',Other=1)`.
pub(super) fn segment(text: &str) -> Result<(String, Option<Keys>), OdataError> {
    let Some((name, rest)) = text.split_once('(') else { return Ok((text.to_owned(), None)) };
    let inner = rest.strip_suffix(')').ok_or_else(bad_key)?;
    let mut keys = Keys::new();
    let mut left = inner;
    loop {
        let (key, after) = left.split_once('=').ok_or_else(bad_key)?;
        let (value, after) = key_value(after)?;
        keys.push((key.to_owned(), value));
        match after.strip_prefix(',') {
            Some(more) => left = more,
            None if after.is_empty() => return Ok((name.to_owned(), Some(keys))),
            None => return Err(bad_key()),
        }
    }
}

fn key_value(text: &str) -> Result<(KeyValue, &str), OdataError> {
    if text.starts_with('\'') {
        let (value, used) = quoted(text).ok_or_else(bad_key)?;
        return Ok((KeyValue::Text(value), &text[used..]));
    }
    let end = text.find(',').unwrap_or(text.len());
    let number = text[..end].parse().map_err(|_| bad_key())?;
    Ok((KeyValue::Int(number), &text[end..]))
}

/// Reads `'…'` with doubled quotes; gives the value and the bytes used.
pub(super) fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut rest = text.strip_prefix('\'')?;
    loop {
        let end = rest.find('\'')?;
        value.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, text.len() - rest.len())),
        }
    }
}

fn parse_query(text: &str) -> Result<Query, OdataError> {
    let mut query = Query::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| OdataError::bad_request(format!("Query option '{pair}' has no value")))?;
        let (name, value) = (decode(name)?, decode(value)?);
        let number =
            || value.parse::<usize>().map_err(|_| OdataError::bad_request(format!("'{name}' wants a whole number")));
        match name.as_str() {
            "$filter" => query.filter = Some(value),
            "$select" => query.select = Some(value.split(',').map(|field| field.trim().to_owned()).collect()),
            "$orderby" => query.order_by = value.split(',').map(order_by).collect::<Result<_, _>>()?,
            "$top" => query.top = Some(number()?),
            "$skip" => query.skip = number()?,
            "$skiptoken" => query.skip = number()?,
            "$count" => query.count = value == "true",
            "$expand" | "$apply" | "$search" => {
                return Err(OdataError::not_implemented(format!("'{name}' is not supported here")));
            }
            _ => return Err(OdataError::bad_request(format!("Unknown query option '{name}'"))),
        }
    }
    Ok(query)
}

fn order_by(text: &str) -> Result<(String, Direction), OdataError> {
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [field] | [field, "asc"] => Ok(((*field).to_owned(), Direction::Up)),
        [field, "desc"] => Ok(((*field).to_owned(), Direction::Down)),
        _ => Err(OdataError::bad_request("'$orderby' wants fields and their directions")),
    }
}

/// Percent-decoding. A raw space, a quote of another kind or a control character is no URL.
fn decode(text: &str) -> Result<String, OdataError> {
    let bad = || OdataError::bad_request("The URL is not percent-encoded rightly");
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        match bytes[index] {
            b'%' => {
                let pair = text.get(index + 1..index + 3).ok_or_else(bad)?;
                out.push(u8::from_str_radix(pair, 16).map_err(|_| bad())?);
                index += 3;
            }
            byte if byte <= b' ' || byte >= 0x7f || b"\"<>\\^`{|}".contains(&byte) => return Err(bad()),
            byte => {
                out.push(byte);
                index += 1;
            }
        }
    }
    String::from_utf8(out).map_err(|_| bad())
}

pub(super) fn bad_key() -> OdataError {
    OdataError::bad_request("The key predicates do not fit the entity's key")
}

pub(super) fn no_such_path() -> OdataError {
    OdataError::not_found("The path names no resource")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_keys_navigations_and_actions_are_read() {
        let (target, _) =
            parse("CustomerOrderSet(OrderNo='W1')/OrderLinesArray(OrderNo='W1',LineNo='2',RelNo='1',LineItemNo=0)")
                .expect("a line");
        assert_eq!(
            target,
            Target::Line("W1".into(), LineKey { line_no: "2".into(), rel_no: "1".into(), line_item_no: 0 })
        );
        let (target, _) = parse("CustomerOrderSet(OrderNo='O%27%27Neil%2F1')").expect("an order");
        assert_eq!(target, Target::Order("O'Neil/1".into()));
        let (target, _) = parse("CustomerOrderSet(OrderNo='W1')/IfsApp.X.Y").expect("an action");
        assert_eq!(target, Target::Action("W1".into(), "IfsApp.X.Y".into()));
        let url =
            "CustomerOrderSet(OrderNo='W1')/OrderLinesArray(OrderNo='W1',LineNo='2',RelNo='1',LineItemNo=0)/IfsApp.X.Z";
        let (target, _) = parse(url).expect("a line's action");
        let key = LineKey { line_no: "2".into(), rel_no: "1".into(), line_item_no: 0 };
        assert_eq!(target, Target::LineAction("W1".into(), key, "IfsApp.X.Z".into()));
    }

    #[test]
    fn keys_of_another_order_unnamed_keys_and_raw_spaces_are_refused() {
        for url in [
            "CustomerOrderSet('W1')",
            "CustomerOrderSet(OrderNo='W1')/CustomerOrderAddresses(OrderNo='W2')",
            "CustomerOrderSet(OrderNo=W1)",
            "CustomerOrderSet?$filter=CustomerPoNo eq '1'",
            "CustomerOrderSet?filter=x",
            "customerorderset",
            "/CustomerOrderSet",
        ] {
            assert!(parse(url).is_err(), "{url} must be refused");
        }
    }

    #[test]
    fn several_fields_may_order_a_list() {
        let (target, query) = parse("CustomerOrderLineSet?$orderby=OrderNo,LineNo%20desc").expect("parses");
        let by = |name: &str, direction| (name.to_owned(), direction);
        assert_eq!(target, Target::AllLines);
        assert_eq!(query.order_by, [by("OrderNo", Direction::Up), by("LineNo", Direction::Down)]);
        assert!(parse("CustomerOrderLineSet?$orderby=OrderNo,").is_err());
    }

    #[test]
    fn a_plus_is_not_a_space() {
        let (_, query) = parse("CustomerOrderSet?$filter=A+eq%20'1'&$top=3").expect("parses as text");
        assert_eq!(query.filter.as_deref(), Some("A+eq '1'"));
        assert_eq!(query.top, Some(3));
    }
}
