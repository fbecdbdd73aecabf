//! Texts that belong to a person: names, addresses, notes. They travel, but no debug print shows them.

use std::fmt;

/// A text that says something about a person.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Personal(String);

impl Personal {
    /// Wraps a text; empty or blank texts are nothing.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        if text.trim().is_empty() { None } else { Some(Self(text)) }
    }

    /// The text itself, for the remote only, never for a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debug_print_shows_nothing() {
        let name = Personal::new("Ada Lovelace").expect("not blank");
        assert_eq!(format!("{name:?}"), "Personal(…)");
        assert_eq!(Personal::new("  "), None);
    }
}
