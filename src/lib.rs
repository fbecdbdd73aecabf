//! ml-connector links Shopify shops to IFS Cloud companies: exactly one IFS customer order for each Shopify order.
//!
//! The modules stand in layers, lowest first; one imports only from lower ones (`tests/tidy.rs` holds that).
//! `docs/ARCHITECTURE.md` walks through an order's way from the webhook to IFS.

pub mod domain;

pub mod clock;
pub mod failpoint;
pub mod planted;
pub mod remote;
pub mod supervision;
pub mod telemetry;
pub mod vault;

pub mod ifs;
pub mod shopify;
pub mod store;

pub mod mapping;

pub mod flow;

pub mod actors;

pub mod http;

pub mod app;
pub mod cli;
pub mod config;

#[cfg(any(debug_assertions, feature = "failpoints"))]
pub mod chaos;

pub mod sandbox;
