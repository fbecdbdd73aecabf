//! Names and numbers that identify things of ours. Ids of Shopify and IFS live beside what they identify.

use std::fmt;

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(i64);

        impl $name {
            /// Wraps a row's primary key.
            pub const fn new(id: i64) -> Self {
                Self(id)
            }

            /// The primary key.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id!(
    /// One delivery in `inbox`.
    InboxId
);
row_id!(
    /// One row of `documents`: one record that we own in the other system.
    DocumentId
);
row_id!(
    /// One row of `intents`: one write that was announced before its bytes left.
    IntentId
);
row_id!(
    /// The fencing number of a lease: it grows with each new owner.
    Generation
);

/// A connection's or tenant's name does not follow the pattern `[a-z0-9-]{1,32}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name of 1 to 32 characters a-z, 0-9 and - was expected, found {found_chars} characters{hint}")]
pub struct BadName {
    found_chars: usize,
    hint: &'static str,
}

fn check_name(text: &str) -> Result<(), BadName> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let found_chars = text.chars().count();
    if found_chars == 0 || found_chars > 32 {
        return Err(BadName { found_chars, hint: "" });
    }
    if !text.chars().all(legal) {
        return Err(BadName { found_chars, hint: ", some of them others" });
    }
    Ok(())
}

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Checks the pattern `[a-z0-9-]{1,32}`.
            ///
            /// # Errors
            /// [`BadName`] when the text does not follow it.
            pub fn parse(text: &str) -> Result<Self, BadName> {
                check_name(text)?;
                Ok(Self(text.to_owned()))
            }

            /// The name as written in the configuration.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked_name!(
    /// The immutable name of one `[connections.NAME]`: one shop and one IFS company and site.
    ConnectionName
);
checked_name!(
    /// The name of one `[ifs.NAME]` tenant.
    TenantName
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_outside_the_pattern_is_refused() {
        for bad in ["", "Acme", "a b", "a_b", "ä", &"a".repeat(33)] {
            assert!(ConnectionName::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(ConnectionName::parse("acme-2").expect("legal").as_str(), "acme-2");
    }
}
