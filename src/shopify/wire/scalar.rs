//! The single values that Shopify's JSON is made of, each with its bounds: amounts, rates, ids, times, texts.
//!
//! Every refusal says `expected …` without what was found: [`super::DecodeError`] adds the shape, never the content.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

/// Amounts stay below this, so that sums over any order we accept are exact.
const AMOUNT_BOUND: i64 = 1_000_000_000_000;
/// Finer amounts are refused; ISO 4217 knows four decimals at most.
const AMOUNT_DECIMALS_MAX: u32 = 6;
/// Rates are floats at Shopify's side: digits beyond these are noise.
const RATE_DECIMALS: u32 = 10;
/// One line's units stay below this, so that price times quantity is exact.
const QUANTITY_MAX: u32 = 9_999_999;
/// Longer figures are not figures.
const FIGURE_CHARS_MAX: usize = 40;

/// The exact value of a plain or scientific decimal figure; none for anything else.
fn exact(figure: &str) -> Option<Decimal> {
    let digits = figure.strip_prefix('-').unwrap_or(figure);
    let starts_right = digits.starts_with(|c: char| c.is_ascii_digit());
    if !starts_right || figure.len() > FIGURE_CHARS_MAX || figure.contains('_') {
        return None;
    }
    if figure.contains(['e', 'E']) {
        // A wild exponent must not be computed at all.
        let exponent = figure.split(['e', 'E']).nth(1)?;
        let exponent: i32 = exponent.parse().ok()?;
        if exponent.abs() > 12 {
            return None;
        }
        return Decimal::from_scientific(figure).ok();
    }
    Decimal::from_str_exact(figure).ok()
}

fn figure_of(value: &Value) -> Option<Decimal> {
    match value {
        Value::String(text) => exact(text),
        Value::Number(number) => exact(&number.to_string()),
        _ => None,
    }
}

/// An amount of money without its currency, from a JSON text or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub Decimal);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        figure_of(&value)
            .map(|figure| figure.normalize())
            .filter(|figure| figure.abs() < Decimal::from(AMOUNT_BOUND) && figure.scale() <= AMOUNT_DECIMALS_MAX)
            .map(Self)
            .ok_or_else(|| D::Error::custom("expected an exact amount below 10^12 with at most 6 decimals"))
    }
}

/// A tax rate as a share (0.19), from a JSON text or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub Decimal);

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        figure_of(&value)
            .filter(|rate| !rate.is_sign_negative() && *rate <= Decimal::TEN)
            .map(|rate| Self(rate.round_dp(RATE_DECIMALS).normalize()))
            .ok_or_else(|| D::Error::custom("expected a rate from 0 to 10"))
    }
}

fn id_of(digits: &str) -> Option<u64> {
    let legal = !digits.is_empty() && digits.len() <= 19 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let id: u64 = if legal { digits.parse().ok()? } else { return None };
    // The store keeps ids in signed columns.
    (id > 0 && i64::try_from(id).is_ok()).then_some(id)
}

/// A numeric id, from a JSON number or text; never through a float, since they exceed 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub u64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = match Value::deserialize(deserializer)? {
            Value::Number(number) => id_of(&number.to_string()),
            Value::String(text) => id_of(&text),
            _ => None,
        };
        id.map(Self).ok_or_else(|| D::Error::custom("expected an id of at most 19 digits"))
    }
}

/// A global id, `gid://shopify/<Type>/<number>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gid {
    /// The type in it, as `Order`.
    pub kind: String,
    /// The number at its end.
    pub id: u64,
}

impl<'de> Deserialize<'de> for Gid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_prefix("gid://shopify/")
            .and_then(|rest| rest.split_once('/'))
            .and_then(|(kind, tail)| {
                // Some types carry parameters behind the number.
                let digits = tail.split('?').next().unwrap_or(tail);
                Some(Self { kind: kind.to_owned(), id: id_of(digits)? })
            })
            .ok_or_else(|| D::Error::custom("expected gid://shopify/<Type>/<number>"))
    }
}

/// A moment with its offset, RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instant(pub Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| D::Error::custom("expected a time as 2026-01-31T12:00:00Z"))
    }
}

/// A number of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity(pub u32);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Number(number) => number.as_u64(),
            _ => None,
        }
        .and_then(|units| u32::try_from(units).ok())
        .filter(|units| *units <= QUANTITY_MAX)
        .map(Self)
        .ok_or_else(|| D::Error::custom("expected a whole number of units from 0 to 9999999"))
    }
}

/// A field that some payloads leave out: its absence says nothing, while null says that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tellable<T> {
    /// The payload has no such field.
    #[default]
    Untold,
    /// There is none.
    None,
    /// This one.
    Some(T),
}

impl<T> Tellable<T> {
    /// Whether the payload says anything of it.
    pub const fn is_told(&self) -> bool {
        !matches!(self, Self::Untold)
    }

    /// Whether the payload says that there is none.
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// The value, where there is one.
    pub fn some(self) -> Option<T> {
        match self {
            Self::Some(value) => Some(value),
            Self::Untold | Self::None => None,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Tellable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::None, Self::Some))
    }
}

/// A text without NUL, which neither database nor IFS can hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.contains('\0') {
            return Err(D::Error::custom("expected a text without NUL"));
        }
        Ok(Self(text))
    }
}

/// A value that apps write as whatever they like: kept as text.
#[derive(Clone, PartialEq, Eq)]
pub struct Loose(pub String);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        if text.contains('\0') {
            return Err(D::Error::custom("expected a value without NUL"));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: serde::de::DeserializeOwned>(json: &str) -> Option<T> {
        serde_json::from_str(json).ok()
    }

    #[test]
    fn amounts_are_exact_or_refused() {
        for (json, exact) in [("\"12.30\"", "12.3"), ("150", "150"), ("0.1", "0.1"), ("\"-3\"", "-3"), ("1E2", "100")] {
            let amount: Amount = read(json).expect(json);
            assert_eq!(amount.0, Decimal::from_str_exact(exact).expect("a test's figure"), "{json}");
        }
        let long = format!("\"{}\"", "9".repeat(41));
        for json in
            ["1e400", "\"NaN\"", "\"1_0\"", "\"\"", "\"+1\"", "null", "true", "\"1.0000001\"", "1000000000000", &long]
        {
            assert!(read::<Amount>(json).is_none(), "{json}");
        }
    }

    #[test]
    fn ids_of_18_digits_keep_every_digit_and_20_are_refused() {
        assert_eq!(read(" 820982911946154508"), Some(Id(820_982_911_946_154_508)));
        assert_eq!(read("\"820982911946154508\""), Some(Id(820_982_911_946_154_508)));
        for json in ["10000000000000000000", "\"18446744073709551615\"", "1.5", "-1", "0", "\"12a\"", "1e3"] {
            assert!(read::<Id>(json).is_none(), "{json}");
        }
        let gid: Gid = read("\"gid://shopify/Order/42\"").expect("a gid");
        assert_eq!((gid.kind.as_str(), gid.id), ("Order", 42));
    }

    #[test]
    fn a_rate_loses_the_noise_of_floats_only() {
        assert_eq!(read("0.07250000000000001"), Some(Rate(Decimal::new(725, 4))));
        assert!(read::<Rate>("-0.1").is_none());
    }

    #[test]
    fn a_text_with_nul_is_refused() {
        assert!(read::<Text>("\"a\\u0000b\"").is_none());
    }
}
