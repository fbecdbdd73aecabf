//! From what IFS has to what a shop may sell: pure, like the rest of the mapping.
//!
//! A part's way: [`part`] (which variant is it) → [`rows`] (what counts of its stock) and [`unwritten`] (what of Shopify's orders IFS
//! does not hold) → [`target`] (what each level shows) → [`out`] (what happens to a product of which nothing is left). Beside it
//! [`prices`].
//!
//! Invariant: what the shop shows of a part, all its levels together, is never more than what IFS has of it, less everything that was
//! promised, as long as nobody but the shop's customers takes anything away after the reading. `laws` tries to break that.

pub mod settings;

pub mod counted;
pub mod rhythm;
pub mod rules;

pub mod orders;
pub mod part;
pub mod rows;
pub mod unwritten;

pub mod fewer;
pub mod held;
pub mod target;
pub mod terms;

pub mod out;

pub mod prices;

pub use rules::StockRules;
pub use settings::{PriceSettings, StockSettings};

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
