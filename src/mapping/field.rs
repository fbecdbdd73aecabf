//! What single fields and records of IFS say to a plan.

use rust_decimal::Decimal;

use super::read::Target;
use super::scalar::Scalar;
use super::written::WrittenField;
use crate::ifs::wire::{Row, key, names};

/// The figure, where it is one.
pub(super) fn number(value: Option<&Scalar>) -> Option<Decimal> {
    match value {
        Some(Scalar::Decimal(figure)) => Some(*figure),
        Some(Scalar::Text(_) | Scalar::Int(_) | Scalar::Bool(_)) | None => None,
    }
}

/// Whether a row's money has left on an invoice.
pub(super) fn is_invoiced(target: &Target, row: &Row) -> bool {
    let field = match target {
        Target::Line(_) => names::QTY_INVOICED,
        Target::Charge(_) => names::INVOICED_QTY,
        Target::Header | Target::Address => return false,
    };
    row.decimal(field).is_some_and(|quantity| quantity > Decimal::ZERO)
}

/// What IFS holds in a field, read as the kind of value that we want or sent.
pub(super) fn held(row: &Row, field: &str, wanted: Option<&Scalar>, written: &WrittenField) -> Option<Scalar> {
    match wanted.or(written.sent.as_ref()) {
        Some(kind) => kind.read_like(row.get(field)),
        None => Scalar::read_plain(row.get(field)),
    }
}

/// Where a record of an order stands.
pub(super) fn url_of(order_no: &str, target: &Target) -> String {
    match target {
        Target::Header => key::order(order_no),
        Target::Address => key::address(order_no),
        Target::Line(line) => key::line(order_no, line),
        Target::Charge(sequence) => key::charge(order_no, *sequence),
    }
}
