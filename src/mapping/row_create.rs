//! A row that is added to an order that stands: its request, what its intent must remember, and how it is found again after
//! an answer that never came: among the rows that are new since then and equal to it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::desired::DesiredRow;
use super::read::{ReadOrder, Target, target_of};
use super::written::WrittenOrder;
use crate::ifs::wire::{PartRequest, Row, key, names};

/// What tells lines apart that carry no key.
const LINE_CONTENT: [&str; 4] =
    [names::CATALOG_NO, names::BUY_QTY_DUE, names::SALE_UNIT_PRICE, names::UNIT_PRICE_INCL_TAX];
/// What tells charges apart: they carry no key.
const CHARGE_CONTENT: [&str; 5] =
    [names::CHARGE_TYPE, names::CHARGED_QTY, names::CHARGE_AMOUNT, names::CHARGE_AMOUNT_INCL_TAX, names::TAX_CODE];

/// What the intent of a new row holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowAnnounced {
    /// Version of this shape; readers refuse another one.
    pub version: u32,
    /// The order in IFS.
    pub order_no: String,
    /// The row as it is sent.
    pub row: DesiredRow,
    /// The line field that carries Shopify's line id, when one does.
    pub line_key_field: Option<String>,
    /// The rows that IFS held before, cancelled ones too, by their short keys.
    pub held: BTreeSet<String>,
}

impl RowAnnounced {
    /// The shape that this code writes.
    pub const VERSION: u32 = 1;

    /// Announces a row for an order as it was just read.
    pub fn new(order_no: &str, row: &DesiredRow, line_key_field: Option<&str>, read: &ReadOrder) -> Self {
        Self {
            version: Self::VERSION,
            order_no: order_no.to_owned(),
            row: row.clone(),
            line_key_field: line_key_field.map(str::to_owned),
            held: all_rows(read).filter_map(target_of).map(|target| short(&target)).collect(),
        }
    }

    /// The stored form.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("an announced row holds nothing that JSON cannot")
    }

    /// Reads the stored form; none for another version's.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str::<Self>(text).ok().filter(|announced| announced.version == Self::VERSION)
    }

    /// The rows that can only be what this call made: not there before it, linked to nothing of ours, equal to what was
    /// sent. One that a person has cancelled since is among them, so that it is not made again.
    pub fn made<'r>(&self, base: &WrittenOrder, read: &'r ReadOrder) -> Vec<(Target, &'r Row)> {
        equal_rows(&self.row, self.line_key_field.as_deref(), all_rows(read))
            .filter(|(target, _)| base.rows.iter().all(|row| row.target != *target))
            .filter(|(target, _)| !self.held.contains(&short(target)))
            .collect()
    }
}

impl RowAnnounced {
    /// Whether a new row of the same charge type, or of the same part where lines carry no key, may be this one altered.
    pub fn may_be_altered(&self, base: &WrittenOrder, read: &ReadOrder) -> bool {
        let charge = is_charge(&self.row);
        let keyed = self.line_key_field.as_ref().is_some_and(|field| self.row.fields.contains_key(field));
        if !charge && keyed {
            return false;
        }
        let field = if charge { names::CHARGE_TYPE } else { names::CATALOG_NO };
        let Some(sent) = self.row.fields.get(field) else { return false };
        all_rows(read)
            .filter_map(|found| Some((target_of(found)?, found)))
            .filter(|(target, found)| matches!(target, Target::Charge(_)) == charge && sent.is(found.get(field)))
            .any(|(target, _)| !self.held.contains(&short(&target)) && base.rows.iter().all(|row| row.target != target))
    }
}

/// Live lines in IFS that carry this row's key and belong to no row of ours.
pub fn unlinked<'r>(
    row: &DesiredRow,
    line_key_field: &str,
    base: &WrittenOrder,
    read: &'r ReadOrder,
) -> Vec<(Target, &'r Row)> {
    equal_rows(row, Some(line_key_field), read.lines.iter())
        .filter(|(target, _)| base.rows.iter().all(|row| row.target != *target))
        .collect()
}

/// Rows that are equal to this one: a line by the key that it carries, where it carries one, whatever became of its other
/// fields; else by what it sells and costs.
fn equal_rows<'r>(
    row: &DesiredRow,
    line_key_field: Option<&str>,
    rows: impl Iterator<Item = &'r Row>,
) -> impl Iterator<Item = (Target, &'r Row)> {
    let charge = is_charge(row);
    let by_key = line_key_field.filter(|field| !charge && row.fields.contains_key(*field));
    let fields: &[&str] = match (charge, by_key) {
        (true, _) => &CHARGE_CONTENT,
        (false, Some(_)) => &[],
        (false, None) => &LINE_CONTENT,
    };
    let compared = fields.iter().copied().chain(by_key);
    let sent: Vec<_> = compared.filter_map(|field| Some((field.to_owned(), row.fields.get(field)?.clone()))).collect();
    rows.filter_map(|found| Some((target_of(found)?, found)))
        .filter(move |(target, _)| matches!(target, Target::Charge(_)) == charge)
        .filter(move |(_, found)| sent.iter().all(|(field, sent)| sent.is(found.get(field))))
}

/// Whether a row is a charge.
pub fn is_charge(row: &DesiredRow) -> bool {
    row.fields.contains_key(names::CHARGE_TYPE)
}

/// The request that adds a row to an order.
pub fn row_part(order_no: &str, row: &DesiredRow) -> PartRequest {
    let url = if is_charge(row) { key::charges(order_no) } else { key::lines(order_no) };
    PartRequest::post(url, super::create::body(&row.fields))
}

/// The short form of a row's key in IFS: `1/1/0` of a line, `#3` of a charge.
fn short(target: &Target) -> String {
    match target {
        Target::Line(line) => format!("{}/{}/{}", line.line_no, line.rel_no, line.line_item_no),
        Target::Charge(sequence) => format!("#{sequence}"),
        Target::Header => "header".into(),
        Target::Address => "address".into(),
    }
}

fn all_rows(read: &ReadOrder) -> impl Iterator<Item = &Row> {
    read.lines.iter().chain(&read.cancelled_lines).chain(&read.charges)
}
