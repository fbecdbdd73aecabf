//! The names of the projections that tell of stock, sales parts and prices, and how single values of theirs are read. Case-sensitive.
//! Sources are marked in the project's fact sheet: C = seen in code that ran against tenants, ? = not known.

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde_json::Value;

use super::row::{Row, RowError, decimal_of, shape_of};

/// What is in stock of inventory parts, one row for each lot, serial number and place (C).
pub const IN_STOCK_SET: &str = "InventoryPartInStockSet";
/// The lines of all customer orders (C).
pub const ORDER_LINE_SET: &str = "CustomerOrderLineSet";
/// Sales parts (C).
pub const SALES_PART_SET: &str = "SalesPartSet";
/// What a customer would pay: a POST asks (C).
pub const PRICE_QUERY_SET: &str = "PriceQuerySet";
/// Forgets the questions that were asked; unbound, without a body (C as a name).
pub const CLEAN_PRICE_QUERY: &str = "CleanPriceQuery";

/// In stock, line, sales part: the inventory part.
pub const PART_NO: &str = "PartNo";
/// In stock, key: a configuration of the part, `*` for none.
pub const CONFIGURATION_ID: &str = "ConfigurationId";
/// In stock, key: the place.
pub const LOCATION_NO: &str = "LocationNo";
/// In stock, key: the lot, `*` for none.
pub const LOT_BATCH_NO: &str = "LotBatchNo";
/// In stock, key: the serial number, `*` for none.
pub const SERIAL_NO: &str = "SerialNo";
/// In stock, key: the engineering level.
pub const ENG_CHG_LEVEL: &str = "EngChgLevel";
/// In stock, key: a waiver, `*` for none.
pub const WAIV_DEV_REJ_NO: &str = "WaivDevRejNo";
/// In stock, key, number: an activity of a project, 0 for none.
pub const ACTIVITY_SEQ: &str = "ActivitySeq";
/// In stock, key, number: a handling unit, 0 for none.
pub const HANDLING_UNIT_ID: &str = "HandlingUnitId";
/// In stock: on hand.
pub const QTY_ONHAND: &str = "QtyOnhand";
/// In stock: of that, reserved.
pub const QTY_RESERVED: &str = "QtyReserved";
/// In stock: the warehouse of the place.
pub const WAREHOUSE: &str = "Warehouse";
/// In stock: what kind of place it is.
pub const LOCATION_TYPE_DB: &str = "LocationTypeDb";
/// In stock: an availability control, where there is one.
pub const AVAILABILITY_CONTROL_ID: &str = "AvailabilityControlId";
/// In stock: whether it is being counted.
pub const FREEZE_FLAG_DB: &str = "FreezeFlagDb";
/// In stock: whose it is.
pub const PART_OWNERSHIP_DB: &str = "PartOwnershipDb";
/// In stock: its condition, where it has one.
pub const CONDITION_CODE: &str = "ConditionCode";
/// In stock: the project that it belongs to.
pub const PROJECT_ID: &str = "ProjectId";
/// In stock: the day on which it expires.
pub const EXPIRATION_DATE: &str = "ExpirationDate";

/// Line: what is due, in the units of the stock.
pub const REVISED_QTY_DUE: &str = "RevisedQtyDue";
/// The enumeration of a line's states (a guess).
pub const LINE_STATE: &str = "IfsApp.CustomerOrderHandling.CustomerOrderLineState";

/// Sales part: units of the stock for one that is sold.
pub const CONV_FACTOR: &str = "ConvFactor";
/// Sales part: by what that is divided.
pub const INVERTED_CONV_FACTOR: &str = "InvertedConvFactor";
/// Sales part: units of the price for one that is sold.
pub const PRICE_CONV_FACTOR: &str = "PriceConvFactor";
/// Sales part: its price without tax.
pub const LIST_PRICE: &str = "ListPrice";
/// Sales part: its price with tax.
pub const LIST_PRICE_INCL_TAX: &str = "ListPriceInclTax";
/// Sales part: whether it may be sold.
pub const ACTIVEIND: &str = "Activeind";

/// Price question: units that are bought.
pub const SALES_QTY: &str = "SalesQty";
/// Price question: the same in units of the price.
pub const PRICE_QTY: &str = "PriceQty";

/// A quantity: what is left out is nothing, what is no figure is refused.
///
/// # Errors
/// [`RowError`] for another shape.
pub fn quantity(row: &Row, field: &str) -> Result<Decimal, RowError> {
    Ok(figure(row, field)?.unwrap_or_default())
}

/// An exact figure, where there is one.
///
/// # Errors
/// [`RowError`] for another shape.
pub fn figure(row: &Row, field: &str) -> Result<Option<Decimal>, RowError> {
    let Some(value) = row.get(field) else { return Ok(None) };
    decimal_of(value).map(Some).ok_or_else(|| other_shape(field, "an exact figure", value))
}

/// A text, where there is one that is not empty.
///
/// # Errors
/// [`RowError`] for another shape.
pub fn word(row: &Row, field: &str) -> Result<Option<String>, RowError> {
    match row.get(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(other) => Err(other_shape(field, "a text", other)),
    }
}

/// A text that must be there.
///
/// # Errors
/// [`RowError`] for another shape, or where there is none.
pub fn key_word(row: &Row, field: &str) -> Result<String, RowError> {
    let lacking = || RowError { field: field.to_owned(), expected: "a text", found: "nothing" };
    word(row, field)?.ok_or_else(lacking)
}

/// A flag, in whatever of IFS's writings; what is left out is not set.
///
/// # Errors
/// [`RowError`] for a word that is neither yes nor no.
pub fn flag(row: &Row, field: &str) -> Result<bool, RowError> {
    match row.get(field) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(value @ Value::String(text)) => match text.to_ascii_uppercase().as_str() {
            "Y" | "YES" | "TRUE" | "ACTIVEPART" | "ACTIVE" => Ok(true),
            "N" | "NO" | "FALSE" | "INACTIVEPART" | "INACTIVE" | "" => Ok(false),
            _ => Err(other_shape(field, "yes or no", value)),
        },
        Some(other) => Err(other_shape(field, "yes or no", other)),
    }
}

/// A day, where there is one. Of a timestamp its day.
///
/// # Errors
/// [`RowError`] for another shape.
pub fn day(row: &Row, field: &str) -> Result<Option<Date>, RowError> {
    let Some(value) = row.get(field) else { return Ok(None) };
    let read = value.as_str().and_then(|text| text.get(..10)).and_then(|text| text.parse().ok());
    read.map(Some).ok_or_else(|| other_shape(field, "a day", value))
}

fn other_shape(field: &str, expected: &'static str, found: &Value) -> RowError {
    RowError { field: field.to_owned(), expected, found: shape_of(found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: &Value) -> Row {
        Row::from_json(value).expect("an object")
    }

    #[test]
    fn what_is_left_out_is_nothing_and_what_does_not_read_is_refused() {
        let told = row(
            &json!({"QtyOnhand": "3.5", "QtyReserved": 1, "FreezeFlagDb": "N", "ExpirationDate": "2026-12-31T00:00:00Z"}),
        );
        assert_eq!(quantity(&told, QTY_ONHAND), Ok(Decimal::new(35, 1)));
        assert_eq!(quantity(&told, QTY_RESERVED), Ok(Decimal::ONE));
        assert_eq!(quantity(&told, REVISED_QTY_DUE), Ok(Decimal::ZERO));
        assert_eq!(flag(&told, FREEZE_FLAG_DB), Ok(false));
        assert_eq!(day(&told, EXPIRATION_DATE), Ok(Some(jiff::civil::date(2026, 12, 31))));
        assert_eq!(word(&told, WAREHOUSE), Ok(None));
        assert!(key_word(&told, PART_NO).is_err());
        let odd = row(&json!({"QtyOnhand": "many", "FreezeFlagDb": "perhaps", "ExpirationDate": 7, "Warehouse": 1}));
        assert!(quantity(&odd, QTY_ONHAND).is_err() && flag(&odd, FREEZE_FLAG_DB).is_err());
        assert!(day(&odd, EXPIRATION_DATE).is_err() && word(&odd, WAREHOUSE).is_err());
    }
}
