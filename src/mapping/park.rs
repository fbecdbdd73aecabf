//! Why an order stops for a person. The sentence names the field, what was found, what was expected and what to do;
//! it never holds a person's data. When an order is parked is decided elsewhere.

use crate::domain::document::ParkKind;

/// One reason to stop, with a stable word for tables, metrics and searches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkReason {
    /// What may open the document again.
    pub kind: ParkKind,
    /// A stable word in snake case.
    pub code: &'static str,
    /// One sentence for a person.
    pub text: String,
}

impl ParkReason {
    /// The mapping cannot say what it becomes.
    pub fn mapping(code: &'static str, text: impl Into<String>) -> Self {
        Self { kind: ParkKind::Mapping, code, text: text.into() }
    }

    /// The money does not close.
    pub fn money(code: &'static str, text: impl Into<String>) -> Self {
        Self { kind: ParkKind::Money, code, text: text.into() }
    }

    /// Both sides want different things, or IFS's state forbids the change.
    pub fn conflict(code: &'static str, text: impl Into<String>) -> Self {
        Self { kind: ParkKind::Conflict, code, text: text.into() }
    }
}
