//! Shopify's two shapes of an order become one `domain::Order`. Nothing is judged here: what is odd but readable stays,
//! what cannot be read as an order at all is an [`InboundError`].

mod figures;
mod graphql;
mod refunds;
mod rest;
#[cfg(test)]
mod tests;

pub use figures::confirms;
pub use graphql::order_from_graphql;
pub use rest::order_from_rest;

use rust_decimal::Decimal;

use crate::domain::money::{Currency, Money, MoneyPair};
use crate::domain::personal::Personal;
use crate::shopify::wire;

/// A decoded payload that still is no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    /// The code is none of ISO 4217 with minor units.
    #[error("{field}: a currency of ISO 4217 was expected, found {found}")]
    UnknownCurrency {
        /// Where, in the road's own names.
        field: &'static str,
        /// The code, if it looks like one.
        found: String,
    },
    /// An amount is not in the currency that the order states.
    #[error("{field}: an amount in {expected} was expected, found {found}")]
    OtherCurrency {
        /// Where, in the road's own names.
        field: &'static str,
        /// The order's own.
        expected: Currency,
        /// The amount's.
        found: Currency,
    },
    /// A discount share points to no discount.
    #[error("{field}: one of {known} discounts was expected, found number {found}")]
    NoSuchDiscount {
        /// Where, in the road's own names.
        field: &'static str,
        /// How many there are.
        known: usize,
        /// The index found.
        found: u32,
    },
    /// A global id of another type stands where an order's or a line's should.
    #[error("{field}: an id of type {expected} was expected, found one of another type")]
    OtherType {
        /// Where, in the road's own names.
        field: &'static str,
        /// The type that belongs there.
        expected: &'static str,
    },
}

fn currency(field: &'static str, code: &wire::Text) -> Result<Currency, InboundError> {
    Currency::from_code(&code.0).ok_or_else(|| {
        let looks_like_a_code = code.0.len() <= 4 && code.0.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let found = if looks_like_a_code { code.0.clone() } else { "a text that is no code".into() };
        InboundError::UnknownCurrency { field, found }
    })
}

/// The two currencies of one order; every pair of it is made here.
#[derive(Clone, Copy)]
struct Currencies {
    shop: Currency,
    presentment: Currency,
}

impl Currencies {
    fn pair(
        self,
        field: &'static str,
        shop: (wire::Amount, &wire::Text),
        presentment: (wire::Amount, &wire::Text),
    ) -> Result<MoneyPair, InboundError> {
        Ok(MoneyPair {
            shop: amount(field, shop, self.shop)?,
            presentment: amount(field, presentment, self.presentment)?,
        })
    }

    fn differ(self) -> bool {
        self.shop != self.presentment
    }

    /// The same figure on both sides: right for one currency, a stand-in where a payload is not whole.
    fn same(self, figure: Decimal) -> MoneyPair {
        MoneyPair { shop: Money::new(figure, self.shop), presentment: Money::new(figure, self.presentment) }
    }
}

fn amount(
    field: &'static str,
    (figure, code): (wire::Amount, &wire::Text),
    expected: Currency,
) -> Result<Money, InboundError> {
    let found = currency(field, code)?;
    if found != expected {
        return Err(InboundError::OtherCurrency { field, expected, found });
    }
    Ok(Money::new(figure.0, found))
}

/// A text that says something; empty and blank ones say nothing, and the roads differ in which they send.
fn said(text: Option<wire::Text>) -> Option<String> {
    text.map(|text| text.0).filter(|text| !text.trim().is_empty())
}

fn personal(text: Option<wire::Text>) -> Option<Personal> {
    text.and_then(|text| Personal::new(text.0))
}

/// The addressee: the full name where given, else put together.
fn full_name(name: Option<wire::Text>, first: Option<wire::Text>, last: Option<wire::Text>) -> Option<Personal> {
    personal(name).or_else(|| {
        let parts: Vec<String> = [said(first), said(last)].into_iter().flatten().collect();
        Personal::new(parts.join(" "))
    })
}

/// Tags without blanks round them, sorted, each once.
fn sorted_tags<'a>(tags: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut tags: Vec<String> = tags.map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}
