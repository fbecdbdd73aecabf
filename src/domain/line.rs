//! The rows of an order: goods, shipping, fees, duties, with their taxes and shares of discounts.

use rust_decimal::Decimal;

use super::money::MoneyPair;
use super::personal::Personal;

/// What kind of thing a line sells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineKind {
    /// Goods or services, from the catalogue or typed in.
    Goods,
    /// A gift card: untaxed, a liability.
    GiftCard,
    /// A tip, which is also counted in the order's own tip figure.
    Tip,
    /// A bundle as one line: no road tells one, the mapping makes it of its components where that is asked for.
    Package,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Shopify's number of the line.
    pub id: u64,
    /// What kind of thing it sells.
    pub kind: LineKind,
    /// The merchant's article number.
    pub sku: Option<String>,
    /// Shopify's number of the product; none for custom lines and deleted products.
    pub product_id: Option<u64>,
    /// Shopify's number of the variant.
    pub variant_id: Option<u64>,
    /// What the customer saw.
    pub title: String,
    /// The variant's name.
    pub variant_title: Option<String>,
    /// The brand, usually.
    pub vendor: Option<String>,
    /// Units as placed; discounts and taxes below are for these.
    pub quantity: u32,
    /// Units that remain after edits, refunds and cancels.
    pub current_quantity: u32,
    /// Price of a unit before discounts, in the order's tax basis.
    pub price: MoneyPair,
    /// Shares of discounts, for all units as placed.
    pub allocations: Vec<Allocation>,
    /// Taxes, for all units as placed.
    pub taxes: Vec<TaxLine>,
    /// Import duties on it.
    pub duties: Vec<Duty>,
    /// What kind of product it is; only where [`Told::catalogue`](super::order::Told::catalogue).
    pub product_type: Option<String>,
    /// Its bar code; only where [`Told::catalogue`](super::order::Told::catalogue).
    pub barcode: Option<String>,
    /// What the customer chose or wrote for it.
    pub properties: Vec<Attribute>,
    /// The bundle that it is a component of; only where [`Told::groups`](super::order::Told::groups).
    pub group: Option<LineGroup>,
}

/// A bundle that was sold; its components are lines, which alone bear money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineGroup {
    /// Shopify's id of it, without the `gid://…/` in front.
    pub id: String,
    /// How many bundles. Shopify does not say whether units that were taken away since still count.
    pub quantity: u32,
    /// What the customer saw.
    pub title: String,
    /// The bundle's own article number.
    pub sku: Option<String>,
    /// Shopify's number of the bundle's product.
    pub product_id: Option<u64>,
    /// Shopify's number of the bundle's variant.
    pub variant_id: Option<u64>,
    /// What the customer chose or wrote for it.
    pub properties: Vec<Attribute>,
}

/// One way of shipping that was sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippingLine {
    /// Shopify's number; GraphQL may leave it out.
    pub id: Option<u64>,
    /// The rate's code.
    pub code: Option<String>,
    /// What the customer saw.
    pub title: String,
    /// Before discounts.
    pub price: MoneyPair,
    /// After discounts, as placed.
    pub discounted: MoneyPair,
    /// After discounts, edits and refunds; older payloads leave it out.
    pub current_discounted: Option<MoneyPair>,
    /// Whether an edit took it away.
    pub removed: bool,
    /// Its taxes, as placed.
    pub taxes: Vec<TaxLine>,
    /// Shares of discounts.
    pub allocations: Vec<Allocation>,
}

impl ShippingLine {
    /// What it costs now: nothing when removed.
    pub fn current(&self) -> Option<MoneyPair> {
        if self.removed { None } else { Some(self.current_discounted.unwrap_or(self.discounted)) }
    }
}

/// One share of a discount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// The place in [`Order::discounts`](super::order::Order::discounts).
    pub discount: usize,
    /// How much it takes off; never negative.
    pub amount: MoneyPair,
}

/// A discount that somebody applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discount {
    /// The code that the customer typed, or the title that the merchant gave it.
    pub name: String,
}

/// One tax on a line or on shipping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaxLine {
    /// As Shopify names it.
    pub title: String,
    /// A share: 0.19 for 19 %. None when Shopify says nothing.
    pub rate: Option<Decimal>,
    /// How much it is.
    pub price: MoneyPair,
    /// Whether a marketplace owes it; none = unknown, which means no.
    pub channel_liable: Option<bool>,
}

/// A further fee on the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fee {
    /// Shopify's number.
    pub id: u64,
    /// As Shopify names it.
    pub name: String,
    /// How much it is, in the order's tax basis.
    pub price: MoneyPair,
    /// Its taxes.
    pub taxes: Vec<TaxLine>,
}

/// An import duty on a line, for all units as placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duty {
    /// Shopify's number.
    pub id: u64,
    /// How much it is, in the order's tax basis.
    pub price: MoneyPair,
    /// Its taxes.
    pub taxes: Vec<TaxLine>,
}

/// A named remark.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// The name that the theme or app gave it.
    pub name: String,
    /// What the customer wrote.
    pub value: Option<Personal>,
}
