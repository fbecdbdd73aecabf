//! The gate after the write: what IFS made of an order against what Shopify says, component by component, exactly.
//! IFS adds by itself (default charges, freight, promotions, taxes), so nothing that was sent is believed before it is read.

use rust_decimal::Decimal;

use super::desired::{DesiredOrder, DesiredRow};
use super::link::link_with_base;
use super::park::ParkReason;
use super::read::{ReadOrder, Target, line_key};
use super::rules::{ForeignRows, Rules};
use super::scalar::Scalar;
use super::written::WrittenOrder;
use crate::ifs::wire::{Row, names};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Gap {
    /// Which component, as `line:1 amount` or `order total`.
    pub component: String,
    /// What Shopify's side says.
    pub shopify: String,
    /// What IFS says.
    pub ifs: String,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: Shopify {}, IFS {}", self.component, self.shopify, self.ifs)
    }
}

/// The reason that parks an order whose gate found something.
pub fn park(order_no: &str, gaps: &[Gap]) -> ParkReason {
    let listed: Vec<String> = gaps.iter().map(ToString::to_string).collect();
    let text = format!(
        "IFS order {order_no} differs from Shopify: {}; correct it in IFS, then run `documents retry`",
        listed.join("; ")
    );
    ParkReason::money("ifs_differs", text)
}

/// Compares what was read back after a create with what was wanted; nothing in the list means that they agree.
pub fn gate(desired: &DesiredOrder, read: &ReadOrder, rules: &Rules) -> Vec<Gap> {
    gate_with_base(desired, read, rules, None)
}

/// Compares what was read back of an order that was linked before, whose rows are known by their links first.
pub fn gate_with_base(
    desired: &DesiredOrder,
    read: &ReadOrder,
    rules: &Rules,
    base: Option<&WrittenOrder>,
) -> Vec<Gap> {
    let mut found = Findings { gaps: Vec::new(), tax_included: desired.expected.tax_included, rules };
    let linked = link_with_base(desired, read, base);

    // 1. Rows: the planned ones, and none foreign.
    for row in &linked.missing {
        found.differ(format!("{} row", row.key), "one row", "none");
    }
    // A person's rows that the settings leave alone count for nothing, rows and money.
    let ignored: &[&Row] = if rules.settings().foreign_rows == ForeignRows::Ignore { &linked.foreign } else { &[] };
    for row in linked.foreign.iter().filter(|_| ignored.is_empty()) {
        found.differ("foreign row", "none", foreign_name(row));
    }
    // 2. Identity of header and rows.
    for field in [names::CURRENCY_CODE, names::USE_PRICE_INCL_TAX] {
        if let Some(wanted) = desired.header.get(field) {
            found.field(field.to_owned(), wanted, &read.header, field);
        }
    }
    for (row, target, answered) in &linked.pairs {
        let fields: &[&str] = match target {
            Target::Line(_) => &[names::CATALOG_NO, names::BUY_QTY_DUE],
            Target::Charge(_) => &[names::CHARGE_TYPE, names::CHARGED_QTY],
            Target::Header | Target::Address => &[],
        };
        for field in fields {
            if let Some(wanted) = row.fields.get(*field) {
                found.field(format!("{} {field}", row.key), wanted, answered, field);
            }
        }
        // 3. Its money.
        found.money(row, answered, Figures::of(target));
    }
    // 4. The order: sums of the rows read back.
    let rows = read.lines.iter().map(|row| (row, &LINE)).chain(read.charges.iter().map(|row| (row, &CHARGE)));
    let (mut total, mut tax) = (Decimal::ZERO, Decimal::ZERO);
    for (row, figures) in rows.filter(|(row, _)| !ignored.iter().any(|foreign| std::ptr::eq(*foreign, *row))) {
        total += row.decimal(figures.gross).unwrap_or_default();
        tax += row.decimal(figures.tax).unwrap_or_default();
    }
    if total != desired.expected.total {
        found.differ("order total", desired.expected.total, total);
    }
    if (tax - desired.expected.tax).abs() > rules.tax_gap_order() {
        found.differ("order tax", desired.expected.tax, tax);
    }
    found.gaps
}

/// Where a row's computed figures stand.
struct Figures {
    net: &'static str,
    tax: &'static str,
    gross: &'static str,
}

const LINE: Figures =
    Figures { net: names::NET_AMOUNT_CURR, tax: names::TAX_AMOUNT_CURR, gross: names::GROSS_AMOUNT_CURR };
const CHARGE: Figures =
    Figures { net: names::NET_AMT_CURR, tax: names::TAX_AMOUNT_CURRENCY, gross: names::GROSS_AMT_CURR };

impl Figures {
    fn of(target: &Target) -> &'static Self {
        match target {
            Target::Charge(_) => &CHARGE,
            Target::Line(_) | Target::Header | Target::Address => &LINE,
        }
    }
}

struct Findings<'a> {
    gaps: Vec<Gap>,
    tax_included: bool,
    rules: &'a Rules,
}

impl Findings<'_> {
    fn differ(&mut self, component: impl Into<String>, shopify: impl ToString, ifs: impl ToString) {
        self.gaps.push(Gap { component: component.into(), shopify: shopify.to_string(), ifs: ifs.to_string() });
    }

    fn field(&mut self, component: String, wanted: &Scalar, row: &Row, field: &str) {
        if !wanted.is(row.get(field)) {
            let found = wanted.read_like(row.get(field)).map_or("nothing".to_owned(), |found| found.to_string());
            self.differ(component, wanted, found);
        }
    }

    fn money(&mut self, row: &DesiredRow, answered: &Row, figures: &Figures) {
        let field = if self.tax_included { figures.gross } else { figures.net };
        match answered.decimal(field) {
            Some(amount) if amount == row.expect.amount => {}
            Some(amount) => self.differ(format!("{} amount", row.key), row.expect.amount, amount),
            None => self.differ(format!("{} amount", row.key), row.expect.amount, "nothing"),
        }
        match answered.decimal(figures.tax) {
            Some(tax) if (tax - row.expect.tax).abs() <= self.rules.tax_gap_line() => {}
            Some(tax) => self.differ(format!("{} tax", row.key), row.expect.tax, tax),
            None => self.differ(format!("{} tax", row.key), row.expect.tax, "nothing"),
        }
    }
}

/// Names a row that is not ours by its key and kind, without any text of a person's.
fn foreign_name(row: &Row) -> String {
    let line = line_key(row).map(|key| format!("line {}/{}/{}", key.line_no, key.rel_no, key.line_item_no));
    let charge = row.int(names::SEQUENCE_NO).map(|sequence| format!("charge {sequence}"));
    let kind = row.text(names::CATALOG_NO).or_else(|| row.text(names::CHARGE_TYPE)).unwrap_or("");
    format!("{} {kind}", line.or(charge).unwrap_or_else(|| "a row without a key".into()))
}
