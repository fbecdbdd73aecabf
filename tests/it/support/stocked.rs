//! Settings of stock and prices, as a user would add them: the warehouse of the first shop, and what a test adds to it.

use std::time::Duration;

use super::world::Setup;

/// Products that have run out become drafts.
pub const DRAFTS: &str = r#"out = { policy = "draft" }
"#;
/// They leave the online store and the till.
pub const UNPUBLISHED: &str = r#"out = { policy = "unpublish", channels = ["90000001", "90000002"] }
"#;
/// They are no longer sold beyond their stock.
pub const DENIED: &str = r#"out = { policy = "deny" }
"#;
/// The shop's own prices are those of the sales parts.
pub const PART_PRICES: &str = r#"
[connections.acme.prices]
source = "sales_part"
currency = "EUR"
at_hour = 0
"#;
/// The same in another currency than the shop counts in.
pub const OTHER_CURRENCY: &str = r#"
[connections.acme.prices]
source = "sales_part"
currency = "SEK"
at_hour = 0
"#;
/// The shop's own prices are what one customer pays.
pub const CUSTOMER_PRICES: &str = r#"
[connections.acme.prices]
source = "price_query"
customer_no = "WEB-DEFAULT"
currency = "EUR"
at_hour = 0
"#;

/// Stock that is read so often, with more lines of its table and further tables behind them.
pub fn stock(every_secs: u64, more: &[&str]) -> String {
    let locations = r#"[{ location = "655441490", warehouses = ["W1"] }]"#;
    format!("[connections.acme.stock]\nevery_secs = {every_secs}\nlocations = {locations}\n{}", more.concat())
}

/// Stock that is read hourly, by steps that the test calls itself. The stock wants the sweep; the test calls that too.
pub fn hourly(more: &[&str]) -> Setup {
    Setup { sweep_every: Some(Duration::from_secs(900)), stock: stock(3_600, more), ..Setup::default() }
}

/// The same with the prices of the sales parts.
pub fn priced() -> Setup {
    hourly(&[PART_PRICES])
}

/// Stock that a service reads each minute; it sweeps by itself.
pub fn each_minute(more: &[&str]) -> Setup {
    Setup { sweep_every: Some(Duration::from_secs(1)), stock: stock(60, more), ..Setup::default() }
}
