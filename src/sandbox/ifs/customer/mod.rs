//! The simulated `CustomerHandling`: customers with addresses, means of communication, order data, company data and
//! credit data; the copy of an existing customer.

mod copy;
mod count;
mod operate;
mod path;
mod people;
mod records;
mod rules;
pub(super) mod schema;
mod writing;

pub use count::CustomerCounts;
pub use people::CustomerRowOf;
pub use writing::Writing;

pub(super) use count::count;
pub(super) use path::parse;
pub(super) use people::{disturb, edit, key_customer};
pub(super) use records::{Customer, seed};
pub(super) use rules::{check_order_address, check_order_customer, order_defaults};
pub(super) use writing::Writings;
