//! Shopify's shapes as Shopify names them, for both roads of an order, and the cutting of secrets out of raw bodies.
//! Decoding is exact and says what is wrong by path and shape; it never repeats what a person wrote. No rule lives here.

pub mod cut;
mod decode;
pub mod event;
pub mod figures;
pub mod graphql;
pub mod open;
pub mod refund;
pub mod rest;
mod scalar;
pub mod stock;

pub use decode::{
    DecodeError, decode_graphql_order, decode_order_deleted, decode_order_edited, decode_refund_created,
    decode_rest_order,
};
pub use scalar::{Amount, Gid, Id, Instant, Loose, Quantity, Rate, Tellable, Text};
