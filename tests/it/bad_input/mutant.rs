//! Mutants of a JSON body: what a sender with the right key could send by mistake or on purpose. The seed decides.

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::{Map, Value, json};

/// Numbers and texts that have broken decoders before.
const ODD: &[&str] = &[
    "1e400",
    "-1e400",
    "1e-400",
    "99999999999999999999999999999999",
    "12345678901234567890",
    "9223372036854775808",
    "-1",
    "-0",
    "0",
    "0.1",
    "1e1",
    "0.00000000000000000000000000000000001",
    "79228162514264337593543950335",
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"\\u0000\"",
    "\"a\\u0000b\"",
    "\"1e400\"",
    "\"-5.00\"",
    "\"NaN\"",
    "\"12,30\"",
    "\" 12.30 \"",
    "\"79228162514264337593543950336\"",
    "\"9999-12-31T23:59:59Z\"",
    "\"-009999-01-01T00:00:00Z\"",
    "\"0000-00-00T00:00:00Z\"",
    "\"XXY\"",
    "\"JPY\"",
    "\"KWD\"",
    "\"\\ud83d\\ude00\"",
    "\"<script>\"",
    "[null]",
];

/// A body with one to four things wrong.
pub fn mutant(body: &Value, random: &mut StdRng) -> Vec<u8> {
    let mut order = body.clone();
    let many = random.random_range(1..4);
    for _ in 0..many {
        let path = path_in(&order, random);
        change(&mut order, &path, random);
    }
    let bytes = serde_json::to_vec(&order).expect("JSON");
    if random.random_bool(0.2) { broken(bytes, random) } else { bytes }
}

/// Keys and indices from the root to some value.
fn path_in(value: &Value, random: &mut StdRng) -> Vec<String> {
    let mut path = Vec::new();
    let mut at = value;
    loop {
        let next = match at {
            Value::Object(fields) if !fields.is_empty() => {
                let names: Vec<&String> = fields.keys().collect();
                (*names.choose(random).expect("some")).clone()
            }
            Value::Array(values) if !values.is_empty() => random.random_range(0..values.len()).to_string(),
            _ => return path,
        };
        path.push(next.clone());
        at = match at {
            Value::Object(fields) => &fields[&next],
            Value::Array(values) => &values[next.parse::<usize>().expect("an index")],
            _ => return path,
        };
        if random.random_bool(0.3) {
            return path;
        }
    }
}

fn change(order: &mut Value, path: &[String], random: &mut StdRng) {
    let Some((last, above)) = path.split_last() else { return };
    let pointer: String = above.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1"))).collect();
    match order.pointer_mut(&pointer) {
        Some(Value::Object(fields)) => change_field(fields, last, random),
        Some(Value::Array(values)) => change_element(values, last.parse().expect("an index"), random),
        _ => {}
    }
}

fn change_field(fields: &mut Map<String, Value>, name: &str, random: &mut StdRng) {
    match random.random_range(0..8) {
        0 | 1 => drop(fields.remove(name)),
        // Two fields change places.
        2 => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let other = names.choose(random).expect("some").clone();
            let (one, two) = (fields[name].clone(), fields[&other].clone());
            fields.insert(name.to_owned(), two);
            fields.insert(other, one);
        }
        _ => {
            let changed = changed(&fields[name], random);
            fields.insert(name.to_owned(), changed);
        }
    }
}

fn change_element(values: &mut Vec<Value>, index: usize, random: &mut StdRng) {
    match random.random_range(0..6) {
        0 => drop(values.remove(index)),
        // Twice, under one id.
        1 => values.push(values[index].clone()),
        2 => values.reverse(),
        3 => values.clear(),
        _ => values[index] = changed(&values[index], random),
    }
}

/// Another value in the place of this one.
fn changed(value: &Value, random: &mut StdRng) -> Value {
    let odd = |random: &mut StdRng| serde_json::from_str(ODD.choose(random).expect("some")).expect("JSON");
    match (value, random.random_range(0..10)) {
        (_, 0..3) => odd(random),
        (Value::Array(values), 3) => json!(values.iter().cycle().take(values.len() * 50).collect::<Vec<_>>()),
        (Value::Array(values), _) => values.first().cloned().unwrap_or_else(|| odd(random)),
        (Value::Object(fields), _) => json!(fields.values().collect::<Vec<_>>()),
        (Value::Number(number), 3) => json!(number.to_string()),
        (Value::Number(number), 4) => serde_json::from_str(&format!("-{number}")).unwrap_or(Value::Null),
        (Value::Number(number), _) => serde_json::from_str(&format!("{number}0")).unwrap_or(Value::Null),
        (Value::String(text), 3) => serde_json::from_str(text).unwrap_or_else(|_| odd(random)),
        (Value::String(text), 4) => json!(text.repeat(2_000)),
        (Value::String(text), 5) => json!(format!("-{text}")),
        (Value::String(text), 6) => json!(text.to_lowercase()),
        // One digit is another one: the figures do not close any more.
        (Value::String(text), _) => json!(text.replacen(['1', '2', '3'], "4", 1)),
        (Value::Bool(said), _) => json!(!said),
        (Value::Null, _) => odd(random),
    }
}

/// No JSON any more, or JSON that says things twice.
fn broken(mut bytes: Vec<u8>, random: &mut StdRng) -> Vec<u8> {
    let at = random.random_range(0..bytes.len());
    match random.random_range(0..7) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << random.random_range(0..8),
        2 => bytes.insert(at, *[0, 0xff, 0xc3, b'"', b'{', b'\\'].choose(random).expect("some")),
        3 => drop(bytes.splice(1..1, br#""id":1,"#.iter().copied())),
        4 => {
            let deep = random.random_range(50..5_000);
            let nested = [br#""note":"#.to_vec(), vec![b'['; deep], vec![b']'; deep], b",".to_vec()].concat();
            drop(bytes.splice(1..1, nested));
        }
        5 => bytes.extend_from_within(at..),
        _ => drop(bytes.splice(0..0, b"\xef\xbb\xbf".iter().copied())),
    }
    bytes
}
