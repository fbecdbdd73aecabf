//! The id that follows one delivery from the webhook through the rows to the write in IFS.

/// Sixteen hex digits, made where a delivery or a poll begins and stored with every row that comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(String);

/// Length of the text form.
const CHARS: usize = 16;

impl TraceId {
    /// A fresh random id.
    pub fn fresh() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()))
    }

    /// Reads an id back from a row; `None` when it is not one.
    pub fn from_text(text: &str) -> Option<Self> {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        (text.len() == CHARS && text.chars().all(hex)).then(|| Self(text.to_owned()))
    }

    /// Its text form, as logged and stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form_and_nothing_else_passes_for_one() {
        let id = TraceId::fresh();
        assert_eq!(TraceId::from_text(id.as_str()), Some(id.clone()));
        assert_ne!(id, TraceId::fresh());
        for text in ["", "0123456789abcde", "0123456789ABCDEF", "0123456789abcdef0", "0123456789abcde\n"] {
            assert_eq!(TraceId::from_text(text), None, "{text:?}");
        }
    }
}
