//! How to speak to Shopify's Admin API: its shapes, one call at a time, and what an answer means. What is to be read or written is the flow's.

pub mod auth;
pub mod budget;
pub mod bulk;
pub mod client;
pub mod cost;
pub mod error;
pub mod figures;
pub mod grant;
pub mod limits;
pub mod orders;
pub mod prices;
pub mod stock;
pub mod stock_out;
pub mod stock_write;
pub mod subscriptions;
mod token_keeper;
pub mod wire;
pub mod write;

pub use budget::Lane;
pub use client::{ShopifyClient, ShopifySettings};
pub use error::ShopifyError;

#[cfg(test)]
mod tests;
