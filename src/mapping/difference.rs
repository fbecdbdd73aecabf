//! Two versions of an order as IFS should hold it, told field by field: what changed, and which kind of change it is.

use std::collections::BTreeSet;

use super::change::{Meaning, is_customer, meaning, of_charge};
use super::desired::{DesiredOrder, DesiredRow, Fields};
use super::field::number;
use super::read::Target;
use super::rules::updates::Change;
use super::scalar::Scalar;
use crate::ifs::wire::key::LineKey;
use crate::ifs::wire::names;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Our name of the record: `header`, `address`, or a row's key.
    pub record: String,
    /// IFS's name of the field; none where the whole row comes or goes.
    pub field: Option<String>,
    /// The kind of change; none for a field that is not written on a record that stands.
    pub change: Option<Change>,
    /// What it was.
    pub was: Option<Scalar>,
    /// What it becomes.
    pub becomes: Option<Scalar>,
}

impl Difference {
    /// The record and the field.
    pub fn what(&self) -> String {
        match &self.field {
            Some(field) => format!("{} {field}", self.record),
            None => self.record.clone(),
        }
    }

    /// Whether its values may say something about a person.
    pub fn is_personal(&self) -> bool {
        self.field.as_deref().is_some_and(|field| is_personal(&self.record, field))
    }
}

/// Whether a field's value may say something about a person: addresses, names, notes, references, what was typed in as a title.
pub fn is_personal(record: &str, field: &str) -> bool {
    const PERSONAL: [&str; 5] =
        [names::NOTE_TEXT, names::NAME, names::EXTERNAL_REF, names::INTERNAL_REF, names::CATALOG_DESC];
    record == "address" || PERSONAL.contains(&field)
}

/// What differs between two versions, in the order's own sequence; nothing for equal ones.
pub fn differences(was: &DesiredOrder, becomes: &DesiredOrder) -> Vec<Difference> {
    let mut found = of_fields("header", &Target::Header, &was.header, &becomes.header);
    let nothing = Fields::new();
    let address = |order: &'_ DesiredOrder| order.address.clone().unwrap_or_else(|| nothing.clone());
    found.extend(of_fields("address", &Target::Address, &address(was), &address(becomes)));
    found.extend(of_rows(&some_line(), &was.lines, &becomes.lines));
    found.extend(of_rows(&Target::Charge(0), &was.charges, &becomes.charges));
    if was.release != becomes.release {
        let flag = |order: &DesiredOrder| Some(Scalar::Bool(order.release));
        found.push(Difference {
            record: "release".into(),
            field: None,
            change: Some(Change::Paid),
            was: flag(was),
            becomes: flag(becomes),
        });
    }
    found
}

fn of_rows(target: &Target, was: &[DesiredRow], becomes: &[DesiredRow]) -> Vec<Difference> {
    let find = |rows: &[DesiredRow], key: &str| rows.iter().find(|row| row.key == key).cloned();
    let mut found = Vec::new();
    for row in becomes {
        match find(was, &row.key) {
            Some(old) => found.extend(of_fields(&row.key, target, &old.fields, &row.fields)),
            None => found.push(whole(row, target, Change::NewLine)),
        }
    }
    for row in was.iter().filter(|row| find(becomes, &row.key).is_none()) {
        let gone = whole(row, target, Change::LineRemoved);
        found.push(Difference { was: gone.becomes, becomes: gone.was, ..gone });
    }
    found
}

/// A row that comes, shown by its units and its worth.
fn whole(row: &DesiredRow, target: &Target, of_line: Change) -> Difference {
    let change = if matches!(target, Target::Line(_)) { of_line } else { of_charge(&row.key) };
    let becomes = Some(Scalar::text(summary(row)));
    Difference { record: row.key.clone(), field: None, change: Some(change), was: None, becomes }
}

/// A row in a few words: what it is, how many, and what it is worth.
pub fn summary(row: &DesiredRow) -> String {
    let of = |names: &[&str]| names.iter().find_map(|name| row.fields.get(*name)).map(ToString::to_string);
    let units = of(&[names::BUY_QTY_DUE, names::CHARGED_QTY]).unwrap_or_else(|| "1".to_owned());
    let what = of(&[names::CATALOG_NO, names::CHARGE_TYPE]).unwrap_or_default();
    let price =
        of(&[names::SALE_UNIT_PRICE, names::UNIT_PRICE_INCL_TAX, names::CHARGE_AMOUNT, names::CHARGE_AMOUNT_INCL_TAX]);
    format!("{units} x {what} at {} = {}", price.unwrap_or_default(), row.expect.amount)
}

fn of_fields(record: &str, target: &Target, was: &Fields, becomes: &Fields) -> Vec<Difference> {
    let fields: BTreeSet<&String> = was.keys().chain(becomes.keys()).collect();
    let differs = |field: &&String| was.get(*field) != becomes.get(*field);
    let told = |field: &String| {
        let (old, new) = (was.get(field), becomes.get(field));
        Difference {
            record: record.to_owned(),
            field: Some(field.clone()),
            change: change_of(target, record, field, old, new),
            was: old.cloned(),
            becomes: new.cloned(),
        }
    };
    fields.into_iter().filter(differs).map(told).collect()
}

/// The kind of change that a difference in one field is; none for a field that is not written again.
pub(super) fn change_of(
    target: &Target,
    record: &str,
    field: &str,
    was: Option<&Scalar>,
    becomes: Option<&Scalar>,
) -> Option<Change> {
    match meaning(target, record, field) {
        Some(Meaning { change: Change::QuantityDown, .. }) if number(becomes) > number(was) => Some(Change::QuantityUp),
        Some(Meaning { change, .. }) => Some(change),
        None if *target == Target::Header && is_customer(field) => Some(Change::Customer),
        None => None,
    }
}

/// Any line: what a field of a line means is the same for all.
pub(super) fn some_line() -> Target {
    Target::Line(LineKey { line_no: String::new(), rel_no: String::new(), line_item_no: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures::desired;
    use rust_decimal::Decimal;

    #[test]
    fn equal_versions_differ_in_nothing() {
        assert_eq!(differences(&desired(), &desired()), []);
    }

    #[test]
    fn each_difference_is_told_with_its_kind() {
        let (was, mut becomes) = (desired(), desired());
        let more = Scalar::decimal(Decimal::from(9));
        becomes.lines[0].fields.insert(names::BUY_QTY_DUE.into(), more);
        becomes.header.insert(names::NOTE_TEXT.into(), Scalar::text("other"));
        becomes.header.insert(names::ORDER_ID.into(), Scalar::text("OTHER"));
        becomes.header.insert(names::CUSTOMER_NO.into(), Scalar::text("OTHER"));
        let gone = becomes.lines.pop().expect("it has lines");
        becomes.charges[0].key = "tip".into();
        let told: Vec<(String, Option<Change>)> =
            differences(&was, &becomes).iter().map(|one| (one.what(), one.change)).collect();
        assert_eq!(
            told,
            [
                ("header CustomerNo".to_owned(), Some(Change::Customer)),
                ("header NoteText".to_owned(), Some(Change::Note)),
                ("header OrderId".to_owned(), None),
                (format!("{} BuyQtyDue", was.lines[0].key), Some(Change::QuantityUp)),
                (gone.key, Some(Change::LineRemoved)),
                ("tip".to_owned(), Some(Change::Charge)),
                (was.charges[0].key.clone(), Some(Change::Charge)),
            ]
        );
    }

    #[test]
    fn fewer_units_are_told_from_more_and_persons_from_figures() {
        let (was, mut becomes) = (desired(), desired());
        becomes.lines[0].fields.insert(names::BUY_QTY_DUE.into(), Scalar::decimal(Decimal::ONE));
        becomes.address.as_mut().expect("it has one").insert(names::CITY.into(), Scalar::text("Elsewhere"));
        let told = differences(&was, &becomes);
        assert_eq!(told[0].what(), "address City");
        assert!(told[0].is_personal());
        assert_eq!((told[1].change, told[1].is_personal()), (Some(Change::QuantityDown), false));
    }
}
