//! The pure heart: Shopify's order becomes what IFS should hold, and what IFS holds is compared with it.
//! No IO, no clock, no async, no floats; what cannot be decided here parks, named, and nothing is guessed.
//!
//! One order's way: [`inbound`] → [`judge`] ([`identities`], [`current`], [`price`], [`tax`]) → [`desired`] → [`create`]
//! → [`written`] → [`gate`]; a later version: [`judge`] → [`merge`]; under changed rules: [`judge`] → [`carry`] → [`merge`].
//!
//! The other way round, what IFS has of a part becomes what a shop may sell of it: [`stock`].

pub mod inbound;

pub mod rules;

pub mod judge;

pub mod current;
pub mod holds;
pub mod identities;
pub mod park;
pub mod price;
pub mod prorate;

mod address;
pub mod customer;
pub mod customer_merge;
mod header;
mod note;
mod packages;
mod rows;
mod sku;
pub mod stock;
pub mod tax;

pub mod desired;
pub mod explain;
pub mod scalar;

pub mod carry;
pub mod columns;
pub mod components;
pub mod create;
pub mod difference;
mod field;
pub mod gate;
pub mod guarded;
pub mod late;
pub mod merge;
pub mod preview;
pub mod read;
pub mod row_create;
pub mod written;

mod change;
mod link;
mod patch;
mod spread;
mod verdict;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod merge_tests;
#[cfg(test)]
mod page;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod summed;
#[cfg(test)]
mod tests;
