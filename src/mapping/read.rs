//! An order as IFS holds it now: the answers of the read-back, parsed. What they mean is judged by `gate` and `merge`.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::ifs::wire::key::LineKey;
use crate::ifs::wire::{Objstate, Row, RowError, names};

use serde::{Deserialize, Serialize};

/// Names one record of an order in IFS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The header.
    Header,
    /// The order's own address.
    Address,
    /// A line.
    Line(LineKey),
    /// A charge, by its `SequenceNo`.
    Charge(i64),
}

/// An order as IFS holds it now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadOrder {
    /// The header, with its ETag.
    pub header: Row,
    /// The lines that are not cancelled.
    pub lines: Vec<Row>,
    /// The lines that are: they count for nothing, but one of them may be what a lost call made.
    pub cancelled_lines: Vec<Row>,
    /// The components that IFS added to its package parts: they follow their package's line and bear no money of their own.
    pub components: Vec<Row>,
    /// The charges.
    pub charges: Vec<Row>,
    /// The order's own address, when it has one.
    pub address: Option<Row>,
}

impl ReadOrder {
    /// Parses the bodies of the read-back: header by key, lines, charges, address by key.
    ///
    /// ETags of rows in lists are dropped, since only those of a get by key are sure. Lines that are cancelled count for
    /// nothing and are kept apart, as are the components of packages.
    ///
    /// # Errors
    /// [`RowError`] for bodies of another shape.
    pub fn parse(header: &Value, lines: &Value, charges: &Value, address: Option<&Value>) -> Result<Self, RowError> {
        let header = Row::from_json(header)?;
        if header.text(names::ORDER_NO).is_none() {
            return Err(RowError { field: names::ORDER_NO.into(), expected: "a text", found: "something else" });
        }
        let address = address.filter(|value| !value.is_null()).map(Row::from_json).transpose()?;
        let mut lines: Vec<Row> = without_etags(Row::list_from_json(lines)?);
        lines.sort_by_key(line_rank);
        let packages: Vec<Row> = lines.iter().filter(|line| item_no(line) < 0).cloned().collect();
        let (components, lines): (Vec<Row>, Vec<Row>) =
            lines.into_iter().partition(|line| packages.iter().any(|package| is_component(line, package)));
        let (cancelled_lines, lines) = lines.into_iter().partition(is_cancelled);
        let mut charges = without_etags(Row::list_from_json(charges)?);
        charges.sort_by_key(|charge| charge.int(names::SEQUENCE_NO));
        Ok(Self { header, lines, cancelled_lines, components, charges, address })
    }

    /// The order's number in IFS; empty only for an order that was never parsed.
    pub fn order_no(&self) -> &str {
        self.header.text(names::ORDER_NO).unwrap_or("")
    }

    /// The header's state.
    pub fn state(&self) -> Objstate {
        Objstate::parse(self.header.text(names::OBJSTATE).unwrap_or(""))
    }

    /// The record of a target.
    pub fn row(&self, target: &Target) -> Option<&Row> {
        match target {
            Target::Header => Some(&self.header),
            Target::Address => self.address.as_ref(),
            Target::Line(key) => self.lines.iter().find(|row| line_key(row).as_ref() == Some(key)),
            Target::Charge(sequence) => self.charges.iter().find(|row| row.int(names::SEQUENCE_NO) == Some(*sequence)),
        }
    }

    /// The cancelled line of a target.
    pub fn cancelled_row(&self, target: &Target) -> Option<&Row> {
        self.cancelled_lines.iter().find(|row| target_of(row).as_ref() == Some(target))
    }

    /// Adds a row that was just made.
    pub fn add(&mut self, row: Row) {
        match target_of(&row) {
            Some(Target::Charge(_)) => self.charges.push(row),
            Some(Target::Line(_) | Target::Header | Target::Address) | None => self.lines.push(row),
        }
    }

    /// Takes out a row that was found to be gone.
    pub fn forget(&mut self, target: &Target) {
        match target {
            Target::Header => {}
            Target::Address => self.address = None,
            Target::Line(key) => self.lines.retain(|row| line_key(row).as_ref() != Some(key)),
            Target::Charge(sequence) => self.charges.retain(|row| row.int(names::SEQUENCE_NO) != Some(*sequence)),
        }
    }

    /// Puts a record that was read by its key, ETag and all, in the place of what a list told of it. The address, which
    /// stands in no list, is put there either way.
    pub fn absorb(&mut self, target: &Target, fresh: Row) {
        let place = match target {
            Target::Header => Some(&mut self.header),
            Target::Address => Some(self.address.get_or_insert_default()),
            Target::Line(key) => self.lines.iter_mut().find(|row| line_key(row).as_ref() == Some(key)),
            Target::Charge(sequence) => {
                self.charges.iter_mut().find(|row| row.int(names::SEQUENCE_NO) == Some(*sequence))
            }
        };
        if let Some(place) = place {
            *place = fresh;
        }
    }
}

/// The units of a line that are reserved, picked or delivered: its quantity may not go below them. Of a package, those of which
/// any component is: IFS may count them on the components alone.
pub(super) fn taken_units(read: &ReadOrder, line: &Row) -> Decimal {
    counted(read, line, |line| {
        let units = |field| line.decimal(field).unwrap_or_default();
        units(names::QTY_ASSIGNED).max(units(names::QTY_PICKED)) + units(names::QTY_SHIPPED)
    })
}

/// The units of a line that are delivered; of a package as [`taken_units`].
pub(super) fn shipped_units(read: &ReadOrder, line: &Row) -> Decimal {
    counted(read, line, |line| line.decimal(names::QTY_SHIPPED).unwrap_or_default())
}

/// What is counted on a line, or on its components in units of the package, begun ones as whole.
fn counted(read: &ReadOrder, line: &Row, count: impl Fn(&Row) -> Decimal) -> Decimal {
    let due = |line: &Row| line.decimal(names::BUY_QTY_DUE).unwrap_or_default();
    let packages = |part: &Row| {
        let all = count(part) * due(line);
        // Without a quantity nothing can be said of parts: then all of it is.
        if all.is_zero() { all } else { all.checked_div(due(part)).map_or(due(line), |whole| whole.ceil()) }
    };
    let components = read.components.iter().filter(|part| item_no(line) < 0 && is_component(part, line));
    components.map(packages).fold(count(line), Decimal::max)
}

/// Whether a row is a component of this package's line: IFS numbers a package's own line -1 and its components from 1. One that
/// lives while its package is cancelled is a line like any other.
fn is_component(line: &Row, package: &Row) -> bool {
    let is_of = |field| line.text(field).is_some() && line.text(field) == package.text(field);
    let outlives = is_cancelled(package) && !is_cancelled(line);
    item_no(line) > 0 && item_no(package) < 0 && is_of(names::LINE_NO) && is_of(names::REL_NO) && !outlives
}

fn item_no(line: &Row) -> i64 {
    line.int(names::LINE_ITEM_NO).unwrap_or_default()
}

fn is_cancelled(line: &Row) -> bool {
    line.text(names::ORDER_STATE) == Some("Cancelled")
}

/// The charges that are tied to a line.
pub(super) fn charges_of_line<'a>(read: &'a ReadOrder, line: &'a LineKey) -> impl Iterator<Item = i64> + 'a {
    let tied = move |charge: &&Row| line_key(charge).as_ref() == Some(line);
    read.charges.iter().filter(tied).filter_map(|charge| charge.int(names::SEQUENCE_NO))
}

/// The target of a row that was answered by itself; none when the answer lacks its key.
pub fn target_of(row: &Row) -> Option<Target> {
    match row.int(names::SEQUENCE_NO) {
        Some(sequence) => Some(Target::Charge(sequence)),
        None => line_key(row).map(Target::Line),
    }
}

/// The key of a line; none when the answer lacks it.
pub(super) fn line_key(row: &Row) -> Option<LineKey> {
    Some(LineKey {
        line_no: row.text(names::LINE_NO)?.to_owned(),
        rel_no: row.text(names::REL_NO)?.to_owned(),
        line_item_no: row.int(names::LINE_ITEM_NO)?,
    })
}

/// Lines in the order in which they were made: `LineNo` is a text of digits.
fn line_rank(row: &Row) -> (u64, u64, i64) {
    let number = |field| row.text(field).and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
    (number(names::LINE_NO), number(names::REL_NO), row.int(names::LINE_ITEM_NO).unwrap_or(i64::MAX))
}

fn without_etags(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        row.etag = None;
    }
    rows
}
