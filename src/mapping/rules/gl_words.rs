//! The words of the GL rules: code parts, kinds of charges, choices, and lists that may be written as one value.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A code part of the company's accounting: A is the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "a letter each")]
pub enum CodePart {
    A,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
    I,
    J,
}

impl CodePart {
    /// All of them.
    pub const ALL: [Self; 10] =
        [Self::A, Self::B, Self::C, Self::D, Self::E, Self::F, Self::G, Self::H, Self::I, Self::J];

    /// Its letter.
    pub const fn letter(self) -> char {
        match self {
            Self::A => 'A',
            Self::B => 'B',
            Self::C => 'C',
            Self::D => 'D',
            Self::E => 'E',
            Self::F => 'F',
            Self::G => 'G',
            Self::H => 'H',
            Self::I => 'I',
            Self::J => 'J',
        }
    }
}

/// Charges whose type a rule may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChargeKind {
    /// Shipping.
    Shipping,
    /// A tip.
    Tip,
    /// Import duties on a line.
    Duty,
    /// A further fee.
    Fee,
    /// A discount as a charge.
    Discount,
    /// A refund by amount only.
    Goodwill,
}

impl ChargeKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Shipping, Self::Tip, Self::Duty, Self::Fee, Self::Discount, Self::Goodwill];
}

/// What a rule may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The header's `OrderId`.
    OrderType,
    /// The header's `AuthorizeCode`.
    Coordinator,
    /// The header's `MarketCode`.
    MarketCode,
    /// The header's `SalesmanCode`.
    Salesman,
    /// The header's `ShipViaCode`.
    ShipVia,
    /// The header's `DeliveryTerms`.
    DeliveryTerms,
    /// The header's `PayTermId`.
    PayTerm,
    /// `Contract`.
    Site,
    /// A code part of the header.
    PrePosting(CodePart),
    /// A line's `CatalogNo`.
    Part,
    /// A line's sales group.
    SalesGroup,
    /// A charge's `ChargeType`.
    Charge(ChargeKind),
    /// A row's `TaxCode` at a rate.
    TaxCode(Decimal),
    /// A code part of a row.
    RowPrePosting(CodePart),
}

impl Choice {
    /// Whether it is made for each row by itself.
    pub const fn is_of_a_row(self) -> bool {
        match self {
            Self::OrderType
            | Self::Coordinator
            | Self::MarketCode
            | Self::Salesman
            | Self::ShipVia
            | Self::DeliveryTerms
            | Self::PayTerm
            | Self::Site
            | Self::PrePosting(_) => false,
            Self::Part | Self::SalesGroup | Self::Charge(_) | Self::TaxCode(_) | Self::RowPrePosting(_) => true,
        }
    }
}

/// One value or a list of them; any of them will do. Numbers stand for themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnyOf(Vec<String>);

impl AnyOf {
    /// The values.
    pub fn values(&self) -> &[String] {
        &self.0
    }

    /// Whether one of the values is `found`, in whatever case.
    pub(super) fn names(&self, found: &str) -> bool {
        let found = found.to_lowercase();
        self.0.iter().any(|value| value.to_lowercase() == found)
    }

    /// Whether one of the values is `found` to the letter, or its beginning and `*`.
    pub(super) fn begins(&self, found: &str) -> bool {
        self.0.iter().any(|value| match value.strip_suffix('*') {
            Some(beginning) => found.starts_with(beginning),
            None => found == value,
        })
    }
}

impl<'de> Deserialize<'de> for AnyOf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyOfVisitor)
    }
}

struct AnyOfVisitor;

impl<'de> Visitor<'de> for AnyOfVisitor {
    type Value = AnyOf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of texts")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AnyOf, E> {
        Ok(AnyOf(vec![text.to_owned()]))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<AnyOf, E> {
        Ok(AnyOf(vec![number.to_string()]))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<AnyOf, E> {
        u64::try_from(number).map_err(E::custom).and_then(|number| self.visit_u64(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AnyOf, A::Error> {
        let mut values = Vec::new();
        while let Some(AnyOf(item)) = items.next_element::<AnyOf>()? {
            let [one] = item.as_slice() else { return Err(A::Error::custom("a list in a list")) };
            values.push(one.clone());
        }
        Ok(AnyOf(values))
    }
}
