//! Secrets at rest: a ring of master keys, and texts sealed with one of them for exactly one place; where they are stored is `store`'s.

mod keyring;
mod seal;

pub use keyring::{KeyRing, KeyRingError, generate_key_line};
pub use seal::{Place, VaultError};
