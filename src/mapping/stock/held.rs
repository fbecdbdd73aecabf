//! What keeps a level from being set to what is wanted at once.

use serde::{Deserialize, Serialize};

/// Why a level is not set to what is wanted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// A call may set it to something else yet.
    UnderWay,
    /// Not every order is known: none rises.
    Books,
    /// Other levels still show the stock that it would rise by.
    Room,
}

impl Held {
    /// The stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderWay => "under_way",
            Self::Books => "books",
            Self::Room => "room",
        }
    }

    /// One sentence for a person.
    pub const fn text(self) -> &'static str {
        match self {
            Self::UnderWay => "a call may set it to something else yet: it is looked at again when that is settled",
            Self::Books => "not every order is known yet, and until then no level rises",
            Self::Room => "other levels still show that stock, and have to fall first",
        }
    }
}
