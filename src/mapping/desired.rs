//! What IFS should hold for one order: plain fields in IFS's names, stored as JSON beside what was written.
//! How they come about is `judge`'s; how they are sent is `create`'s and `merge`'s.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::scalar::{Scalar, exact};

/// The fields of one record, by IFS's names.
pub type Fields = BTreeMap<String, Scalar>;

/// One customer order as IFS should hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredOrder {
    /// Version of this shape; readers refuse another one.
    pub version: u32,
    /// The business key that travels inside the record: Shopify's order id.
    pub key: String,
    /// The header field that carries the key.
    pub key_field: String,
    /// The line field that carries Shopify's line id, when one does.
    pub line_key_field: Option<String>,
    /// The site.
    pub contract: String,
    /// The header.
    pub header: Fields,
    /// The customer whose number the header still lacks: it is filled in from the link before the create. None where the
    /// header names its customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerRef>,
    /// Whether we release the order in IFS once the gate finds nothing.
    #[serde(default)]
    pub release: bool,
    /// The order's own delivery address.
    pub address: Option<Fields>,
    /// The lines, in Shopify's order.
    pub lines: Vec<DesiredRow>,
    /// Discounts, shipping, tip, duties, fees, goodwill, taxes that are charges, then a rounding row where one is needed.
    pub charges: Vec<DesiredRow>,
    /// What the rows must sum to in IFS.
    pub expected: Expected,
}

/// The customer document that an order waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerRef {
    /// Its business key: `customer:<Shopify id>`, `company:<location id>`, `email:<lower case>`, else `order:<id>`.
    pub key: String,
    /// Its address for invoices, where the order names one of the customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bill_addr_no: Option<String>,
    /// Its address for deliveries, where the order names one of the customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ship_addr_no: Option<String>,
}

/// One line or charge as IFS should hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredRow {
    /// Names the row for life: `line:<id>` (and `line:<id>/2` of a split one), `bundle:<group id>`, `shipping:<id>`, `tip`,
    /// `duty:<line id>` (and `duty:<line id>/2` of duties that are taxed otherwise), `fee:<id>`,
    /// `discount:<line id, bundle:<group id> or shipping:<id>>:<n>:<tax code>`, `goodwill:<refund id>`, `tax:<title>:<rate>`,
    /// `marketplace_tax`, `rounding`.
    pub key: String,
    /// Its fields.
    pub fields: Fields,
    /// What IFS must make of it.
    pub expect: Expect,
}

/// What IFS must compute for one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// With tax where the order's prices include it, else without.
    #[serde(with = "exact")]
    pub amount: Decimal,
    /// The tax that Shopify states for it, as far as IFS computes taxes.
    #[serde(with = "exact")]
    pub tax: Decimal,
}

/// What IFS must compute for the whole order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// ISO 4217.
    pub currency: String,
    /// Whether rows' amounts contain the tax.
    pub tax_included: bool,
    /// With tax: Shopify's current total less goodwill.
    #[serde(with = "exact")]
    pub total: Decimal,
    /// The tax that IFS must come to: Shopify's current tax less a marketplace's; nothing where taxes are charges.
    #[serde(with = "exact")]
    pub tax: Decimal,
}

impl DesiredOrder {
    /// The shape that this code writes.
    pub const VERSION: u32 = 1;

    /// SHA-256, in hex, of the stored form; equal content gives equal digests.
    pub fn digest(&self) -> String {
        let stored = serde_json::to_vec(self).expect("maps with text keys always serialise");
        hex::encode(Sha256::digest(stored))
    }

    /// How many parts its create has: header, address flag, address, rows.
    pub fn create_parts(&self) -> usize {
        let address = if self.address.is_some() { 2 } else { 0 };
        1 + address + self.lines.len() + self.charges.len()
    }
}
