//! The words of the business: ids, money, orders, document states, verdicts. No IO, no async, no clock, no serde.

pub mod address;
mod digest;
pub mod document;
pub mod ids;
pub mod line;
pub mod money;
pub mod order;
pub mod personal;
pub mod refund;
pub mod stock;
pub mod verdict;
