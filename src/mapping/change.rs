//! What a difference means: which kind of change it is, which group of fields it belongs to, and whether its field may be
//! written on a record that stands already. What is done about it is the table's (`rules::updates`).

use super::read::Target;
use super::rules::conflicts::FieldGroup;
use super::rules::updates::Change;
use crate::ifs::wire::names;

/// What the difference in one field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    /// The kind of change.
    pub(super) change: Change,
    /// The fields that are decided about together with it.
    pub(super) group: FieldGroup,
}

/// The kinds of field that travel to a record that stands already, by record; any other field parks its change.
const HEADER: [(&str, Change, FieldGroup); 9] = [
    (names::WANTED_DELIVERY_DATE, Change::DeliveryAddress, FieldGroup::Delivery),
    (names::SHIP_VIA_CODE, Change::DeliveryAddress, FieldGroup::Delivery),
    (names::DELIVERY_TERMS, Change::DeliveryAddress, FieldGroup::Delivery),
    (names::SHIP_ADDR_NO, Change::DeliveryAddress, FieldGroup::Address),
    (names::PAY_TERM_ID, Change::Note, FieldGroup::Header),
    (names::SALESMAN_CODE, Change::Note, FieldGroup::Header),
    (names::NOTE_TEXT, Change::Note, FieldGroup::Note),
    (names::INTERNAL_REF, Change::Note, FieldGroup::References),
    (names::EXTERNAL_REF, Change::Note, FieldGroup::References),
];
/// The structure of several taxes on one row.
const TAX_STRUCTURE: &str = "TaxCalcStructureId";
const LINE: [(&str, Change, FieldGroup); 9] = [
    (names::BUY_QTY_DUE, Change::QuantityDown, FieldGroup::Quantity),
    (names::SALE_UNIT_PRICE, Change::Price, FieldGroup::Price),
    (names::UNIT_PRICE_INCL_TAX, Change::Price, FieldGroup::Price),
    (names::DISCOUNT, Change::Price, FieldGroup::Price),
    (names::TAX_CODE, Change::Price, FieldGroup::Tax),
    (TAX_STRUCTURE, Change::Price, FieldGroup::Tax),
    (names::CATALOG_DESC, Change::Note, FieldGroup::Note),
    (names::NOTE_TEXT, Change::Note, FieldGroup::Note),
    (names::WANTED_DELIVERY_DATE, Change::DeliveryAddress, FieldGroup::Delivery),
];
const CHARGE: [(&str, FieldGroup); 5] = [
    (names::CHARGED_QTY, FieldGroup::Charge),
    (names::CHARGE_AMOUNT, FieldGroup::Charge),
    (names::CHARGE_AMOUNT_INCL_TAX, FieldGroup::Charge),
    (names::TAX_CODE, FieldGroup::Tax),
    (TAX_STRUCTURE, FieldGroup::Tax),
];
/// Beside the lines of an address.
const ADDRESS: [&str; 5] = [names::NAME, names::ZIP_CODE, names::CITY, names::STATE, names::COUNTRY];

/// What the difference in a field of a record means; none for a field that is not written on a record that stands.
///
/// A quantity counts as going down here; whoever knows both figures tells up from down.
pub(super) fn meaning(target: &Target, key: &str, field: &str) -> Option<Meaning> {
    let of = |(_, change, group): &(&str, Change, FieldGroup)| Meaning { change: *change, group: *group };
    match target {
        Target::Header => HEADER.iter().find(|(name, ..)| *name == field).map(of),
        Target::Line(_) => LINE.iter().find(|(name, ..)| *name == field).map(of),
        Target::Charge(_) => CHARGE
            .iter()
            .find(|(name, _)| *name == field)
            .map(|(_, group)| Meaning { change: of_charge(key), group: *group }),
        Target::Address => {
            let known = ADDRESS.contains(&field) || names::ADDRESS_LINES.contains(&field);
            known.then_some(Meaning { change: Change::DeliveryAddress, group: FieldGroup::Address })
        }
    }
}

/// Whether a field decides what a row is worth: such fields of a row are right only together.
pub(super) fn is_money(target: &Target, key: &str, field: &str) -> bool {
    meaning(target, key, field).is_some_and(|meaning| match meaning.group {
        FieldGroup::Quantity | FieldGroup::Price | FieldGroup::Tax | FieldGroup::Charge => true,
        FieldGroup::Header | FieldGroup::References | FieldGroup::Note | FieldGroup::Delivery | FieldGroup::Address => {
            false
        }
    })
}

/// The kind of change that a charge which comes, goes or differs is, by our name of it.
pub(super) fn of_charge(key: &str) -> Change {
    match key.split_once(':').map_or(key, |(kind, _)| kind) {
        "goodwill" => Change::Goodwill,
        "discount" | "tax" | "marketplace_tax" | "rounding" => Change::Price,
        _ => Change::Charge,
    }
}

/// Fields by which IFS knows the customer: a change of them is a person's.
pub(super) fn is_customer(field: &str) -> bool {
    [names::CUSTOMER_NO, names::BILL_ADDR_NO].contains(&field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charges_that_stand_for_discounts_and_taxes_are_changes_of_price() {
        assert_eq!(of_charge("shipping:5"), Change::Charge);
        assert_eq!(of_charge("tip"), Change::Charge);
        assert_eq!(of_charge("discount:7:1:V19"), Change::Price);
        assert_eq!(of_charge("rounding"), Change::Price);
        assert_eq!(of_charge("goodwill:9"), Change::Goodwill);
    }

    #[test]
    fn a_field_that_names_what_is_sold_is_not_written_again() {
        let line =
            Target::Line(crate::ifs::wire::key::LineKey { line_no: "1".into(), rel_no: "1".into(), line_item_no: 0 });
        assert_eq!(meaning(&line, "line:1", names::CATALOG_NO), None);
        assert_eq!(meaning(&Target::Header, "header", names::ORDER_ID), None);
        assert!(meaning(&Target::Charge(1), "tip", names::TAX_CODE).is_some());
    }
}
