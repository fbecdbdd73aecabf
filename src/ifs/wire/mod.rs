//! IFS Cloud's shapes as IFS names them: entity sets, fields, keys, rows, states. No IO and no business rule.

pub mod customer;
pub mod key;
pub mod names;
mod objstate;
mod part;
mod row;
pub mod stock;

pub use objstate::Objstate;
pub use part::{Method, PartRequest};
pub use row::{Row, RowError, decimal_of, shape_of};
