//! What is wrong with the settings: all of it at once, each with its place, what was found and what to write. No value that may
//! be a secret is ever part of a message.

use std::fmt;

/// Everything that is wrong, in the order of the sections. Never empty.
#[derive(Debug, thiserror::Error)]
pub struct ConfigErrors(pub(super) Vec<ConfigError>);

impl ConfigErrors {
    /// Each single error.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

/// One thing that is wrong: `ml-connector.toml: [connections.acme] company: is missing; write company = "10" (The IFS company …)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, the environment variable, or `settings` where neither is to blame.
    pub place: String,
    /// The section, such as `connections.acme`; empty for the top level.
    pub section: String,
    /// The key inside the section; empty when the section itself is meant.
    pub key: String,
    /// What was found.
    pub problem: String,
    /// What to write instead.
    pub advice: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.place)?;
        if !self.section.is_empty() {
            write!(f, " [{}]", self.section)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.problem)?;
        if !self.advice.is_empty() {
            write!(f, "; {}", self.advice)?;
        }
        Ok(())
    }
}
