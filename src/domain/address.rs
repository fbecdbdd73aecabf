//! A postal address as Shopify keeps it. How it is cut into IFS's lines is the mapping's.

use super::personal::Personal;

/// A postal address; every part may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The person.
    pub name: Option<Personal>,
    /// The firm.
    pub company: Option<Personal>,
    /// Street and number, usually.
    pub address1: Option<Personal>,
    /// What did not fit there.
    pub address2: Option<Personal>,
    /// Post code.
    pub zip: Option<Personal>,
    /// Town.
    pub city: Option<Personal>,
    /// The code of a region, as `BY` or `ON`.
    pub province_code: Option<String>,
    /// ISO 3166, two letters in capitals.
    pub country_code: Option<String>,
}

impl Address {
    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
