//! Turns one section's values into its typed struct, and goes on after each error: the wrong value is noted and replaced by the
//! example of `default.toml`, so that the next one is found too. What was replaced never leaves: with one error nothing is loaded.

use std::collections::BTreeSet;

use figment::error::{Actual, Kind};
use figment::value::{Dict, Tag, Value};
use serde::de::DeserializeOwned;

use super::errors::ConfigError;
use super::handbook::Handbook;
use super::sources::Written;

/// No section has as many keys; past it the reader would be turning in circles.
const ERRORS_MAX: usize = 200;

/// Keys whose value may hold a password and is never shown.
const SECRET_KEYS: &[&str] = &["url", "base_url"];

/// How the TOML parser hands a date and time on.
const DATETIME_KEY: &str = "$__toml_private_datetime";

/// Reads sections and collects what is wrong with them.
pub(super) struct Reader<'a> {
    written: &'a Written,
    handbook: &'a Handbook,
    pub(super) errors: Vec<ConfigError>,
    refused: BTreeSet<Vec<String>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(written: &'a Written, handbook: &'a Handbook) -> Self {
        Self { written, handbook, errors: Vec::new(), refused: BTreeSet::new() }
    }

    /// Whether something is wrong with the key at `path` already: then what stands there is not the operator's.
    pub(super) fn is_refused(&self, path: &[String]) -> bool {
        self.refused.contains(path)
    }

    /// Notes an error at `path`, the first one there only; `value` is what stands there, if anything does.
    pub(super) fn refuse(&mut self, path: &[String], value: Option<&Value>, problem: impl Into<String>) {
        let advice = self.handbook.advice(path);
        self.refuse_with(path, value, problem, advice);
    }

    /// As [`refuse`](Self::refuse), with words of its own about what to write.
    pub(super) fn refuse_with(
        &mut self,
        path: &[String],
        value: Option<&Value>,
        problem: impl Into<String>,
        advice: impl Into<String>,
    ) {
        if !self.refused.insert(path.to_vec()) {
            return;
        }
        let place = value
            .and_then(|value| self.written.place(value))
            .or_else(|| self.place_of(path))
            .unwrap_or_else(|| "settings".to_owned());
        let depth = section_depth(path);
        self.errors.push(ConfigError {
            place,
            section: path[..depth].join("."),
            key: path[depth..].join("."),
            problem: problem.into(),
            advice: advice.into(),
        });
    }

    /// Reads the section at `path` from `values`; `known` are keys of the section that another struct reads.
    ///
    /// `None` when it could not be read even with examples in the place of what is wrong.
    pub(super) fn read<T: DeserializeOwned>(&mut self, path: &[String], values: Dict, known: &[&str]) -> Option<T> {
        let mut tree = Value::Dict(Tag::Default, values);
        plain_times(&mut tree);
        for _ in 0..ERRORS_MAX {
            let error = match tree.deserialize::<T>() {
                Ok(read) => return Some(read),
                Err(error) => error,
            };
            let inside = error.path.clone();
            let at: Vec<String> = path.iter().cloned().chain(inside.iter().cloned()).collect();
            match error.kind {
                Kind::MissingField(key) => {
                    let at: Vec<String> = at.into_iter().chain([key.to_string()]).collect();
                    self.refuse(&at, None, "is missing");
                    let inside: Vec<String> = inside.into_iter().chain([key.to_string()]).collect();
                    replace(&mut tree, &inside, Some(self.handbook.example(&at)?))?;
                }
                // Here the path ends with the key itself; for a missing one it ends with what lacks it.
                Kind::UnknownField(key, expected) => {
                    let others: &[&str] = if inside.len() == 1 { known } else { &[] };
                    let names: Vec<&str> = expected.iter().chain(others).copied().collect();
                    let found = find(&tree, &inside).cloned();
                    self.refuse_with(&at, found.as_ref(), "is not a setting", nearest(&key, &names));
                    replace(&mut tree, &inside, None)?;
                }
                kind => {
                    let Some(found) = find(&tree, &inside).cloned() else {
                        self.refuse(&at, None, problem(&kind, &at));
                        return None;
                    };
                    if let Some(typed) = self.typed(&found, &kind) {
                        replace(&mut tree, &inside, Some(typed))?;
                        continue;
                    }
                    self.refuse(&at, Some(&found), problem(&kind, &at));
                    let example = self.handbook.example(&at).filter(|example| *example != found);
                    replace(&mut tree, &inside, example)?;
                }
            }
        }
        None
    }

    /// A variable's text as the number, truth value or list that the key wants, where it reads as one.
    fn typed(&self, found: &Value, kind: &Kind) -> Option<Value> {
        let text = found.as_str().filter(|_| self.written.is_variable(found))?;
        let is_text_refused = matches!(kind, Kind::InvalidType(Actual::Str(_), _));
        let value: Value = text.parse().ok()?;
        (is_text_refused && value.as_str().is_none()).then_some(value)
    }

    /// Where `path` was written, or else the section it belongs to.
    fn place_of(&self, path: &[String]) -> Option<String> {
        let (first, rest) = path.split_first()?;
        let mut at = self.written.values.get(first)?;
        let mut place = self.place_inside(at);
        for part in rest {
            let Some(next) = at.as_dict().and_then(|dict| dict.get(part)) else {
                break;
            };
            at = next;
            place = self.place_inside(at).or(place);
        }
        place
    }

    /// Where `value`, or the first thing inside it, came from.
    fn place_inside(&self, value: &Value) -> Option<String> {
        match value.as_dict() {
            Some(dict) => dict.values().find_map(|inner| self.place_inside(inner)),
            None => self.written.place(value),
        }
    }
}

/// How many parts of `path` name the section: two under `ifs` and `connections`, else one.
fn section_depth(path: &[String]) -> usize {
    let named = path.first().is_some_and(|first| matches!(first.as_str(), "ifs" | "connections"));
    path.len().min(if named { 2 } else { 1 })
}

/// What is wrong, in words that say what was found; the value itself only where it cannot be a secret.
fn problem(kind: &Kind, at: &[String]) -> String {
    let secret = at.last().is_some_and(|key| SECRET_KEYS.contains(&key.as_str()));
    match kind {
        _ if secret => "does not read as what it should be".to_owned(),
        Kind::InvalidType(found, expected) => format!("found {}, expected {expected}", shown(found)),
        Kind::InvalidValue(found, expected) => format!("found {}, expected {expected}", shown(found)),
        Kind::UnknownVariant(found, expected) => format!("found {found:?}, expected one of {}", expected.join(", ")),
        Kind::Message(message) => message.clone(),
        kind => kind.to_string(),
    }
}

fn shown(found: &Actual) -> String {
    match found {
        Actual::Str(text) => format!("the text {text:?}"),
        Actual::Unsigned(number) => format!("the number {number}"),
        Actual::Signed(number) => format!("the number {number}"),
        Actual::Float(number) => format!("the number {number}"),
        Actual::Bool(truth) => format!("{truth}"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// The known key that `key` was probably meant to be, or all of them.
fn nearest(key: &str, known: &[&str]) -> String {
    let begins = |name: &str| name.starts_with(key) || key.starts_with(name);
    let closest = known.iter().map(|name| (!begins(name), distance(key, name), *name)).min();
    match closest {
        Some((differs, distance, name)) if !differs || distance <= 1 + name.len() / 4 => format!("was `{name}` meant?"),
        Some(_) => {
            let mut names: Vec<&str> = known.to_vec();
            names.sort_unstable();
            format!("known here: {}", names.join(", "))
        }
        None => "take it out".to_owned(),
    }
}

/// Edit distance of two short names.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let changed = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn find<'v>(tree: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(tree, |at, part| match at {
        Value::Dict(_, dict) => dict.get(part),
        Value::Array(_, items) => items.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Puts `with` at `path`, or takes away what is there. `None` when there is nothing to hold it.
fn replace(tree: &mut Value, path: &[String], with: Option<Value>) -> Option<()> {
    let (last, parents) = path.split_last()?;
    let mut at = tree;
    for part in parents {
        at = match at {
            Value::Dict(_, dict) => dict.get_mut(part)?,
            Value::Array(_, items) => items.get_mut(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    match (at, with) {
        (Value::Dict(_, dict), Some(value)) => drop(dict.insert(last.clone(), value)),
        (Value::Dict(_, dict), None) => drop(dict.remove(last)),
        (Value::Array(_, items), None) => {
            let index: usize = last.parse().ok().filter(|index| *index < items.len())?;
            items.remove(index);
        }
        (Value::Array(_, items), Some(value)) => *items.get_mut(last.parse::<usize>().ok()?)? = value,
        _ => return None,
    }
    Some(())
}

/// TOML's own dates and times as the text they were written as, so that `2026-12-01T00:00:00Z` may stand with or without quotes.
fn plain_times(value: &mut Value) {
    match value {
        Value::Dict(tag, dict) => {
            if let Some(Value::String(_, text)) = dict.get(DATETIME_KEY) {
                *value = Value::String(*tag, text.clone());
            } else {
                dict.values_mut().for_each(plain_times);
            }
        }
        Value::Array(_, items) => items.iter_mut().for_each(plain_times),
        _ => {}
    }
}
