//! One value of an IFS field, as we want it: exact, comparable, printable as JSON. Knows no field names.

use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ifs::wire;

/// A value that IFS should hold.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scalar {
    /// Text, codes, identifiers, timestamps.
    Text(String),
    /// An exact figure; travels as a JSON text (`IEEE754Compatible=true`).
    Decimal(#[serde(with = "exact")] Decimal),
    /// A whole number; travels as a JSON number.
    Int(i64),
    /// True or false.
    Bool(bool),
}

impl Scalar {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A figure; trailing zeros mean nothing.
    pub fn decimal(figure: Decimal) -> Self {
        Self::Decimal(figure.normalize())
    }

    /// The value as IFS takes it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Decimal(figure) => Value::String(figure.normalize().to_string()),
            Self::Int(number) => Value::from(*number),
            Self::Bool(flag) => Value::Bool(*flag),
        }
    }

    /// What IFS answered, read as the same kind of value as `self`, so that the two can be compared exactly.
    ///
    /// Nothing and an empty text are the same to IFS. A value of another kind is kept as its JSON text: it differs.
    pub fn read_like(&self, answered: Option<&Value>) -> Option<Self> {
        let answered = answered.filter(|value| !value.is_null() && value.as_str() != Some(""))?;
        let read = match self {
            Self::Text(wanted) => answered.as_str().map(|text| Self::Text(same_moment(wanted, text))),
            Self::Decimal(_) => wire::decimal_of(answered).map(Self::decimal),
            Self::Int(_) => match answered {
                Value::Number(number) => number.as_i64().map(Self::Int),
                Value::String(text) => text.parse().ok().map(Self::Int),
                _ => None,
            },
            Self::Bool(_) => answered.as_bool().map(Self::Bool),
        };
        Some(read.unwrap_or_else(|| Self::Text(answered.to_string())))
    }

    /// What IFS answered where we want nothing: as text.
    pub fn read_plain(answered: Option<&Value>) -> Option<Self> {
        Self::Text(String::new()).read_like(answered)
    }

    /// Whether IFS's value is this one.
    pub fn is(&self, answered: Option<&Value>) -> bool {
        match self.read_like(answered) {
            Some(read) => read == *self,
            None => *self == Self::Text(String::new()),
        }
    }

    /// Whether `held` says the same in another writing: trimmed, in other case, in other groups, or rounded. That is enough to
    /// know our own value again, never to call two values equal.
    pub fn is_alike(&self, held: &Self) -> bool {
        match (self, held) {
            (Self::Text(ours), Self::Text(held)) => ours == held || bare(ours).eq(bare(held)),
            (Self::Decimal(ours), Self::Decimal(held)) => {
                [RoundingStrategy::MidpointAwayFromZero, RoundingStrategy::MidpointNearestEven]
                    .into_iter()
                    .any(|how| ours.round_dp_with_strategy(held.normalize().scale(), how) == *held)
            }
            (Self::Text(_) | Self::Decimal(_) | Self::Int(_) | Self::Bool(_), _) => self == held,
        }
    }
}

/// Letters and figures alone, in capitals.
fn bare(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_uppercase)
}

/// The answered timestamp in our own spelling where both name the same moment (`…:00Z` and `…:00+00:00`).
fn same_moment(wanted: &str, answered: &str) -> String {
    let moment = |text: &str| text.parse::<jiff::Timestamp>().ok();
    match (moment(wanted), moment(answered)) {
        (Some(a), Some(b)) if a == b => wanted.to_owned(),
        _ => answered.to_owned(),
    }
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Decimal(figure) => write!(f, "{figure}"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Bool(flag) => write!(f, "{flag}"),
        }
    }
}

impl std::fmt::Debug for Scalar {
    /// Texts may be a person's: only their length is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} characters)", text.chars().count()),
            other => write!(f, "{other}"),
        }
    }
}

/// Decimals as JSON texts, with the same digits for the same figure.
pub mod exact {
    use rust_decimal::Decimal;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    /// Writes the figure without trailing zeros.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(figure: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&figure.normalize())
    }

    /// Reads a figure without losing a digit.
    ///
    /// # Errors
    /// When the text is no exact decimal.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        let text = String::deserialize(deserializer)?;
        Decimal::from_str_exact(&text).map_err(|_| D::Error::custom("expected an exact decimal as text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_compare_by_worth_and_texts_by_letter() {
        let price = Scalar::decimal(Decimal::new(950, 2));
        assert_eq!(price.to_json(), json!("9.5"));
        assert!(price.is(Some(&json!("9.50"))) && price.is(Some(&json!(9.5))));
        assert!(!price.is(Some(&json!("9.51"))) && !price.is(None));
        assert!(!Scalar::text("10").is(Some(&json!("010"))));
        assert!(Scalar::text("").is(None) && Scalar::text("").is(Some(&Value::Null)));
        assert!(Scalar::text("2026-01-02T00:00:00Z").is(Some(&json!("2026-01-02T00:00:00+00:00"))));
    }

    #[test]
    fn another_writing_of_a_value_is_known_again() {
        for (ours, held) in
            [("Umea ", "UMEA"), ("90325", "903 25"), ("Straße 1", "STRASSE 1"), ("+46 70-123", "+4670123")]
        {
            assert!(Scalar::text(ours).is_alike(&Scalar::text(held)), "{ours} {held}");
        }
        for (ours, held) in [("Umea", "Lulea"), ("Storgatan 1", "Storgatan"), ("Umea", "")] {
            assert!(!Scalar::text(ours).is_alike(&Scalar::text(held)), "{ours} {held}");
        }
        let figure = |figure: &str| Scalar::decimal(figure.parse().expect("a figure"));
        assert!(figure("9.496").is_alike(&figure("9.5")) && !figure("9.496").is_alike(&figure("9.6")));
        assert!(!Scalar::Bool(true).is_alike(&Scalar::Bool(false)));
    }

    #[test]
    fn a_value_survives_being_stored() {
        for value in [Scalar::text("x"), Scalar::decimal(Decimal::new(12345, 4)), Scalar::Int(-3), Scalar::Bool(true)] {
            let stored = serde_json::to_string(&value).expect("plain data");
            assert_eq!(serde_json::from_str::<Scalar>(&stored).expect("what we wrote"), value);
        }
    }

    #[test]
    fn a_debug_print_shows_no_text() {
        assert_eq!(format!("{:?}", Scalar::text("Ada")), "Text(3 characters)");
    }
}
