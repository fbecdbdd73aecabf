//! How to speak to Shopify's Admin API: its shapes, one call at a time, and what an answer means. What is to be read or written is the flow's.

pub mod auth;
pub mod client;
pub mod cost;
pub mod error;
pub mod limits;
pub mod orders;
pub mod wire;
pub mod write;

pub use client::{ShopifyClient, ShopifySettings};
pub use error::ShopifyError;

#[cfg(test)]
mod tests;
