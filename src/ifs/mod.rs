//! How to speak to IFS Cloud: its shapes, one call at a time, and what an answer means. What is to be written is the mapping's, when is the flow's.

mod answer;
pub mod auth;
pub mod batch;
pub mod client;
pub mod error;
pub mod limits;
mod multipart;
mod orders;
mod prices;
mod projection;
mod sales_parts;
mod sending;
pub mod settings;
mod stock;
mod stock_listing;
pub mod wire;

pub use answer::Answer;
pub use client::{IfsClient, IfsSettings, Ready};
pub use error::IfsError;
pub use orders::OrdersWindow;
pub use prices::{PriceAnswer, PriceQuestion};
pub use sales_parts::{SalesPartPage, SalesPartRow};
pub use stock::{DemandPage, LineFilter, OpenLine, PartInStock, PartWithDemand, StockPage, StockRow};

#[cfg(test)]
mod tests;
