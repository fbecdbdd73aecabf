//! `default.toml` as the one place that knows each key: its default, an example, and the sentence that explains it. Error messages
//! quote it, so that what an operator reads and what the file says are the same words.

use std::collections::BTreeMap;

use figment::Figment;
use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Value};

/// The compiled-in defaults, as text.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// Stands for a name of the operator's in section names.
pub(super) const NAME: &str = "NAME";

/// What `default.toml` says.
pub(super) struct Handbook {
    /// Its values: what holds where nothing was written.
    pub(super) defaults: Dict,
    /// Its values with the examples of keys that have no default filled in: a complete and valid set.
    pub(super) examples: Dict,
    entries: BTreeMap<String, Entry>,
}

/// One key.
struct Entry {
    explained: String,
    line: String,
}

impl Handbook {
    /// Reads the compiled-in file.
    pub(super) fn new() -> Self {
        let mut entries = BTreeMap::new();
        let mut section = String::new();
        let mut explained = Vec::new();
        let mut shown = String::new();
        for line in DEFAULT_TOML.lines() {
            let setting = key_line(line);
            shown.push_str(setting.unwrap_or(line));
            shown.push('\n');
            if let Some(setting) = setting {
                let key = setting.split('=').next().unwrap_or(setting).trim();
                let entry = Entry { explained: explained.join(" "), line: setting.to_owned() };
                entries.insert(format!("{section}.{key}"), entry);
                explained.clear();
            } else if let Some(comment) = line.strip_prefix("# ") {
                explained.push(comment);
            } else {
                if let Some(header) = line.strip_prefix('[') {
                    section = header.trim_end_matches(']').to_owned();
                }
                explained.clear();
            }
        }
        Self { defaults: parse(DEFAULT_TOML), examples: parse(&shown), entries }
    }

    /// What to write for the key at `path`: the line with its example, and why. Empty for a key that the file does not know.
    pub(super) fn advice(&self, path: &[String]) -> String {
        // A key inside a table of the operator's own is explained where the table is.
        (1..=path.len())
            .rev()
            .find_map(|length| self.entries.get(&generic(&path[..length])))
            .map(|entry| format!("write {} ({})", entry.line, entry.explained))
            .unwrap_or_default()
    }

    /// The example value at `path`.
    pub(super) fn example(&self, path: &[String]) -> Option<Value> {
        at(&self.examples, &generic(path))
    }
}

/// One setting, as the compiled-in file explains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Where it stands, as `connections.NAME.site`.
    pub key: String,
    /// What it means and what it may be.
    pub text: String,
    /// What holds where nothing was written; none where it has to be written, or may be left out.
    pub default: Option<Value>,
    /// A value that it may have.
    pub example: Option<Value>,
}

/// Every setting, sorted by its key.
pub fn settings() -> Vec<Explained> {
    let book = Handbook::new();
    let explained = |(key, entry): (&String, &Entry)| Explained {
        key: key.trim_start_matches('.').to_owned(),
        text: entry.explained.clone(),
        default: at(&book.defaults, key),
        example: at(&book.examples, key),
    };
    book.entries.iter().map(explained).collect()
}

/// The value at a path of names with dots between.
fn at(values: &Dict, key: &str) -> Option<Value> {
    let mut parts = key.split('.');
    let mut found = values.get(parts.next()?)?;
    for part in parts {
        found = found.as_dict()?.get(part)?;
    }
    Some(found.clone())
}

/// `path` as `default.toml` spells it, with `NAME` for the operator's own name.
fn generic(path: &[String]) -> String {
    let named = |index: usize| index == 1 && matches!(path[0].as_str(), "ifs" | "connections");
    let parts: Vec<&str> =
        path.iter().enumerate().map(|(index, part)| if named(index) { NAME } else { part.as_str() }).collect();
    parts.join(".")
}

/// The setting that a line holds or shows (`#key = …`, no space after the `#`), without that mark.
fn key_line(line: &str) -> Option<&str> {
    let line = line.strip_prefix('#').unwrap_or(line);
    let key = line.split('=').next()?.trim_end();
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    (is_key && line.contains('=')).then_some(line)
}

fn parse(text: &str) -> Dict {
    Figment::from(Toml::string(text)).extract().expect("the compiled-in defaults are TOML, as the tests show")
}
