//! How to speak to IFS Cloud: its shapes, one call at a time, and what an answer means. What is to be written is the mapping's, when is the flow's.

mod answer;
pub mod auth;
pub mod batch;
pub mod client;
pub mod error;
pub mod limits;
mod multipart;
mod orders;
mod sending;
pub mod settings;
pub mod wire;

pub use answer::Answer;
pub use client::{IfsClient, IfsSettings, Ready};
pub use error::IfsError;
pub use orders::OrdersWindow;

#[cfg(test)]
mod tests;
