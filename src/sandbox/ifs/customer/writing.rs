//! How IFS writes what it is told of customers: as a company has set up its basic data, that is not always as it came.

use std::collections::BTreeMap;

use super::super::body::Fields;
use super::super::schema::Cell;

/// How IFS writes one field of a customer's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writing {
    /// Trimmed, in capitals.
    Capitals,
    /// Cut to this many characters.
    Cut(usize),
    /// Not at all: what stood there stays.
    Kept,
}

/// The fields that are not written as they come, by name.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Writings(BTreeMap<String, Writing>);

impl Writings {
    pub(in super::super) fn set(&mut self, field: &str, writing: Option<Writing>) {
        match writing {
            Some(writing) => self.0.insert(field.to_owned(), writing),
            None => self.0.remove(field),
        };
    }

    /// The fields of a body as they are written.
    pub(super) fn write(&self, fields: &mut Fields) {
        for (name, writing) in &self.0 {
            let Some((name, cell)) = fields.remove_entry(name.as_str()) else { continue };
            let text = |text: String| Some(Cell::Text(text));
            match (writing, cell) {
                (Writing::Kept, _) => {}
                (Writing::Capitals, Some(Cell::Text(said))) => {
                    fields.insert(name, text(said.trim().to_uppercase()));
                }
                (Writing::Cut(chars), Some(Cell::Text(said))) => {
                    fields.insert(name, text(said.chars().take(*chars).collect()));
                }
                (Writing::Capitals | Writing::Cut(_), other) => {
                    fields.insert(name, other);
                }
            }
        }
    }
}
