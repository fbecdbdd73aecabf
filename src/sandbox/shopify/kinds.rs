//! The one shape of an enum whose variants are kinds of orders, each with its name in tables and JSON.

macro_rules! kinds {
    ($(#[$of:meta])* $kind:ident, $count:literal: $($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $kind { $($(#[$doc])* $name),+ }

        impl $kind {
            /// All kinds.
            pub const ALL: [Self; $count] = [$(Self::$name),+];

            /// The kind's name in tables and JSON.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

pub(super) use kinds;
