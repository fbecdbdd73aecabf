//! Bodies against declarations: what a POST or PATCH carries becomes typed cells, or is refused by name.
//! Knows types only; whether a part or site exists is judged in `rules`.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Number, Value};

use super::error::OdataError;
use super::schema::{Cell, Entity, Field, Insert, Kind};

/// Typed fields of a body; `None` is an explicit null.
pub(super) type Fields = BTreeMap<&'static str, Option<Cell>>;

/// How decimals travel in one body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecimalForm {
    /// `IEEE754Compatible=true`: JSON strings.
    Text,
    /// JSON numbers.
    Number,
}

impl DecimalForm {
    /// What a `Content-Type` or `Accept` value asks for.
    pub(super) fn of(media_type: &str) -> Self {
        let asked = media_type.split(';').any(|piece| piece.trim().eq_ignore_ascii_case("IEEE754Compatible=true"));
        if asked { Self::Text } else { Self::Number }
    }
}

/// Reads the JSON object of a body.
pub(super) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, OdataError> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(OdataError::deserialization("The body must be a JSON object")),
        Err(error) => Err(OdataError::deserialization(format!("The body is not JSON: {error}"))),
    }
}

/// Fields of a POST: declared, insertable, of the right type, required ones present.
pub(super) fn for_insert(
    entity: &Entity,
    object: &Map<String, Value>,
    form: DecimalForm,
) -> Result<Fields, OdataError> {
    let fields = typed(entity, object, form, Field::is_insertable)?;
    for field in entity.fields.iter().filter(|field| field.insert == Insert::Required) {
        if !matches!(fields.get(field.name), Some(Some(_))) {
            let text = format!(
                "{}.NULLVALUE: Field [{}] is mandatory for {} and requires a value.",
                entity.name, field.name, entity.name
            );
            return Err(OdataError::database(20124, text));
        }
    }
    Ok(fields)
}

/// Fields of a PATCH: declared, updatable, of the right type, at least one.
pub(super) fn for_update(
    entity: &Entity,
    object: &Map<String, Value>,
    form: DecimalForm,
) -> Result<Fields, OdataError> {
    if object.is_empty() {
        return Err(OdataError::deserialization("The body has no property to change"));
    }
    typed(entity, object, form, |field| field.update)
}

fn typed(
    entity: &Entity,
    object: &Map<String, Value>,
    form: DecimalForm,
    allowed: impl Fn(&Field) -> bool,
) -> Result<Fields, OdataError> {
    let mut fields = Fields::new();
    for (name, value) in object {
        let Some(field) = entity.field(name) else {
            let text = format!("The property '{name}', used in the entity '{}', is not defined", entity.name);
            return Err(OdataError::deserialization(text));
        };
        if !allowed(field) {
            let text = format!("The property '{name}' of the entity '{}' can not be set by this request", entity.name);
            return Err(OdataError::deserialization(text));
        }
        fields.insert(field.name, cell(field, value, form)?);
    }
    Ok(fields)
}

fn cell(field: &Field, value: &Value, form: DecimalForm) -> Result<Option<Cell>, OdataError> {
    if value.is_null() {
        return Ok(None);
    }
    let cell = match (field.kind, value) {
        (Kind::Text(chars_max), Value::String(text)) => Some(text_cell(field, text, chars_max)?),
        (Kind::Timestamp, Value::String(text)) if is_timestamp(text) => Some(Cell::Text(text.clone())),
        (Kind::Date, Value::String(text)) if is_date(text) => Some(Cell::Text(text.clone())),
        (Kind::Enum(members), Value::String(text)) if members.contains(&text.as_str()) => {
            Some(Cell::Text(text.clone()))
        }
        (Kind::Bool, Value::Bool(flag)) => Some(Cell::Bool(*flag)),
        (Kind::Int, Value::Number(number)) => number.to_string().parse().ok().map(Cell::Int),
        (Kind::Decimal(scale), Value::String(text)) if form == DecimalForm::Text => decimal_cell(text, scale),
        (Kind::Decimal(scale), Value::Number(number)) if form == DecimalForm::Number => {
            decimal_cell(&number.to_string(), scale)
        }
        _ => None,
    };
    match cell {
        Some(cell) => Ok(Some(cell)),
        None => Err(invalid(field.name)),
    }
}

fn invalid(name: &str) -> OdataError {
    OdataError::deserialization(format!("Invalid value for property '{name}'"))
}

fn text_cell(field: &Field, text: &str, chars_max: usize) -> Result<Cell, OdataError> {
    if text.chars().count() > chars_max || text.contains('\0') {
        return Err(invalid(field.name));
    }
    Ok(Cell::Text(text.to_owned()))
}

fn decimal_cell(text: &str, scale: u32) -> Option<Cell> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-');
    let decimal = if plain { Decimal::from_str_exact(text) } else { Decimal::from_scientific(text) };
    decimal.ok().filter(|decimal| decimal.normalize().scale() <= scale).map(Cell::Decimal)
}

/// `yyyy-MM-ddTHH:mm:ssZ`, nothing else.
pub(super) fn is_timestamp(text: &str) -> bool {
    let shape = text.len() == 20 && text.as_bytes()[10] == b'T' && text.ends_with('Z') && !text.contains('.');
    shape && Timestamp::from_str(text).is_ok()
}

/// `yyyy-MM-dd`, nothing else.
pub(super) fn is_date(text: &str) -> bool {
    text.len() == 10 && jiff::civil::Date::from_str(text).is_ok()
}

/// One field that a person changes: `"true"` and `"false"` are flags.
pub(super) fn one_field(entity: &Entity, field: &str, value: &str) -> Result<Fields, OdataError> {
    let value = match value {
        "true" | "false" => Value::Bool(value == "true"),
        _ => Value::String(value.to_owned()),
    };
    for_update(entity, &[(field.to_owned(), value)].into_iter().collect(), DecimalForm::Text)
}

/// A cell as IFS prints it. Decimals lose trailing zeros, as a database number does.
pub(super) fn render(cell: &Cell, form: DecimalForm) -> Value {
    match cell {
        Cell::Text(text) => Value::String(text.clone()),
        Cell::Bool(flag) => Value::Bool(*flag),
        Cell::Int(number) => Value::Number(Number::from(*number)),
        Cell::Decimal(decimal) => {
            let digits = decimal.normalize().to_string();
            match (form, Number::from_str(&digits)) {
                (DecimalForm::Number, Ok(number)) => Value::Number(number),
                _ => Value::String(digits),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::schema::LINE;
    use super::*;

    fn patch(value: Value, form: DecimalForm) -> Result<Fields, OdataError> {
        let Value::Object(object) = value else { panic!("an object is needed") };
        for_update(&LINE, &object, form)
    }

    #[test]
    fn unknown_read_only_and_wrongly_typed_fields_are_refused_by_name() {
        for (body, name) in [
            (json!({"QtyOrdered": "1"}), "QtyOrdered"),
            (json!({"NetAmountCurr": "1"}), "NetAmountCurr"),
            (json!({"BuyQtyDue": true}), "BuyQtyDue"),
            (json!({"PriceFreeze": "FROZEN"}), "PriceFreeze"),
            (json!({"WantedDeliveryDate": "2026-01-01T00:00:00.5Z"}), "WantedDeliveryDate"),
            (json!({"SaleUnitPrice": "1.123456789"}), "SaleUnitPrice"),
            (json!({"CustomerPoLineNo": "x".repeat(51)}), "CustomerPoLineNo"),
        ] {
            let error = patch(body, DecimalForm::Text).expect_err("must be refused");
            assert_eq!(error.status, 400);
            assert!(error.message.contains(name), "{} must name {name}", error.message);
        }
    }

    #[test]
    fn decimals_travel_as_text_only_when_the_content_type_says_so() {
        assert!(patch(json!({"BuyQtyDue": "2"}), DecimalForm::Text).is_ok());
        assert!(patch(json!({"BuyQtyDue": "2"}), DecimalForm::Number).is_err());
        assert!(patch(json!({"BuyQtyDue": 2}), DecimalForm::Number).is_ok());
        assert!(patch(json!({"BuyQtyDue": 2}), DecimalForm::Text).is_err());
        let huge: Value = serde_json::from_str(r#"{"BuyQtyDue": 1e400}"#).expect("arbitrary precision takes it");
        assert!(patch(huge, DecimalForm::Number).is_err());
    }

    #[test]
    fn a_form_is_read_from_the_media_type() {
        assert_eq!(
            DecimalForm::of("application/json;odata.metadata=minimal;IEEE754Compatible=true"),
            DecimalForm::Text
        );
        assert_eq!(DecimalForm::of("application/json"), DecimalForm::Number);
    }
}
