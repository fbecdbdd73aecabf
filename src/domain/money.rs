//! Money: an exact decimal with its currency. No floats, no rates, no rounding but by the currency's own decimals.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

/// A currency of ISO 4217 that has minor units (funds codes and metals without decimals are none).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency {
    code: &'static str,
    decimals: u32,
}

impl Currency {
    /// The currency of a three-letter code in capitals; none for unknown codes and codes without minor units.
    pub fn from_code(code: &str) -> Option<Self> {
        let iso = iso_currency::Currency::from_code(code)?;
        let decimals = u32::from(iso.exponent()?);
        Some(Self { code: iso.code(), decimals })
    }

    /// The three letters of ISO 4217.
    pub const fn code(self) -> &'static str {
        self.code
    }

    /// How many decimals the currency has: 2 for EUR, 0 for JPY, 3 for KWD.
    pub const fn decimals(self) -> u32 {
        self.decimals
    }

    /// The smallest amount, as 0.01 for EUR.
    pub fn minor_unit(self) -> Decimal {
        Decimal::new(1, self.decimals)
    }

    /// Rounds half away from zero to the currency's decimals, as IFS does.
    pub fn round(self, amount: Decimal) -> Decimal {
        amount.round_dp_with_strategy(self.decimals, RoundingStrategy::MidpointAwayFromZero)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code)
    }
}

/// Two amounts cannot be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Amounts of two currencies never meet.
    #[error("{left} and {right} cannot be added")]
    Currencies {
        /// The first amount's currency.
        left: Currency,
        /// The second amount's currency.
        right: Currency,
    },
    /// The exact result has more digits than a decimal holds.
    #[error("the exact result has too many digits")]
    Overflow,
}

/// An amount in a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    amount: Decimal,
    currency: Currency,
}

impl Money {
    /// An amount in a currency; trailing zeros mean nothing.
    pub fn new(amount: Decimal, currency: Currency) -> Self {
        Self { amount: amount.normalize(), currency }
    }

    /// Nothing, in a currency.
    pub fn zero(currency: Currency) -> Self {
        Self { amount: Decimal::ZERO, currency }
    }

    /// The figure alone.
    pub const fn amount(self) -> Decimal {
        self.amount
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// Whether it is nothing.
    pub fn is_zero(self) -> bool {
        self.amount.is_zero()
    }

    /// The exact sum.
    ///
    /// # Errors
    /// [`MoneyError`] for two currencies, or for more digits than a decimal holds.
    pub fn plus(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Currencies { left: self.currency, right: other.currency });
        }
        let amount = self.amount.checked_add(other.amount).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(amount, self.currency))
    }
}

impl fmt::Display for Money {
    /// `12.30 EUR`: at least the currency's decimals, more where the figure has more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.amount;
        if shown.scale() < self.currency.decimals {
            shown.rescale(self.currency.decimals);
        }
        write!(f, "{shown} {}", self.currency)
    }
}

/// Which of an amount's two currencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The shop's own currency.
    Shop,
    /// The currency that the customer saw.
    Presentment,
}

impl Side {
    /// Both, in the order in which they are reported.
    pub const BOTH: [Self; 2] = [Self::Shop, Self::Presentment];

    /// Shopify's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Presentment => "presentment",
        }
    }
}

/// One amount as Shopify gives it: in the shop's currency and in the one that the customer saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MoneyPair {
    /// In the shop's currency.
    pub shop: Money,
    /// In the customer's currency.
    pub presentment: Money,
}

impl MoneyPair {
    /// The amount on one side.
    pub const fn on(&self, side: Side) -> Money {
        match side {
            Side::Shop => self.shop,
            Side::Presentment => self.presentment,
        }
    }

    /// Whether it is nothing in both currencies.
    pub fn is_zero(&self) -> bool {
        self.shop.is_zero() && self.presentment.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::from_code(code).expect("a test's currency exists")
    }

    #[test]
    fn decimals_come_from_iso_4217() {
        assert_eq!(currency("EUR").decimals(), 2);
        assert_eq!(currency("JPY").decimals(), 0);
        assert_eq!(currency("KWD").decimals(), 3);
        assert_eq!(Currency::from_code("XYZ"), None);
        assert_eq!(Currency::from_code("XAU"), None);
        assert_eq!(Currency::from_code("eur"), None);
    }

    #[test]
    fn two_currencies_never_meet() {
        let euro = Money::new(Decimal::ONE, currency("EUR"));
        assert!(euro.plus(Money::new(Decimal::ONE, currency("SEK"))).is_err());
        assert_eq!(euro.plus(euro).expect("same currency").to_string(), "2.00 EUR");
    }

    #[test]
    fn halves_round_away_from_zero() {
        assert_eq!(currency("EUR").round(Decimal::new(2125, 3)), Decimal::new(213, 2));
        assert_eq!(currency("EUR").round(Decimal::new(-2125, 3)), Decimal::new(-213, 2));
    }
}
