//! Which row of IFS is which row of ours: by the line's key field where one is carried, else by content in sequence.

use super::desired::{DesiredOrder, DesiredRow};
use super::read::{ReadOrder, Target, line_key};
use crate::ifs::wire::{Row, names};

/// The rows of both sides, paired.
pub(super) struct Linked<'a> {
    /// Ours and theirs.
    pub(super) pairs: Vec<(&'a DesiredRow, Target, &'a Row)>,
    /// Ours that IFS does not show.
    pub(super) missing: Vec<&'a DesiredRow>,
    /// Theirs that are not ours.
    pub(super) foreign: Vec<&'a Row>,
}

/// Pairs lines and charges.
pub(super) fn link<'a>(desired: &'a DesiredOrder, read: &'a ReadOrder) -> Linked<'a> {
    let mut linked = Linked { pairs: Vec::new(), missing: Vec::new(), foreign: Vec::new() };
    let target = |row: &Row| line_key(row).map(Target::Line);
    match &desired.line_key_field {
        Some(field) => pair(&desired.lines, &read.lines, &[&[field]], target, &mut linked),
        None => {
            let loose: &[&str] = &[names::CATALOG_NO];
            let exact: &[&str] =
                &[names::CATALOG_NO, names::BUY_QTY_DUE, names::SALE_UNIT_PRICE, names::UNIT_PRICE_INCL_TAX];
            pair(&desired.lines, &read.lines, &[exact, loose], target, &mut linked);
        }
    }
    let target = |row: &Row| row.int(names::SEQUENCE_NO).map(Target::Charge);
    let loose: &[&str] = &[names::CHARGE_TYPE];
    let exact: &[&str] = &[names::CHARGE_TYPE, names::CHARGE_AMOUNT, names::CHARGE_AMOUNT_INCL_TAX, names::TAX_CODE];
    pair(&desired.charges, &read.charges, &[exact, loose], target, &mut linked);
    linked
}

/// Pairs by ever looser sets of fields, each in sequence; a field that we did not send says nothing.
fn pair<'a>(
    ours: &'a [DesiredRow],
    theirs: &'a [Row],
    by: &[&[impl AsRef<str>]],
    target: impl Fn(&Row) -> Option<Target>,
    linked: &mut Linked<'a>,
) {
    let mut free: Vec<&Row> = theirs.iter().collect();
    let mut partner: Vec<Option<(Target, &Row)>> = ours.iter().map(|_| None).collect();
    for fields in by {
        for (row, partner) in ours.iter().zip(&mut partner).filter(|(_, partner)| partner.is_none()) {
            let same = |candidate: &&Row| {
                fields
                    .iter()
                    .map(AsRef::as_ref)
                    .all(|field| row.fields.get(field).is_none_or(|wanted| wanted.is(candidate.get(field))))
            };
            let Some(index) = free.iter().position(same) else { continue };
            if let Some(target) = target(free[index]) {
                *partner = Some((target, free.remove(index)));
            }
        }
    }
    for (row, partner) in ours.iter().zip(partner) {
        match partner {
            Some((target, read)) => linked.pairs.push((row, target, read)),
            None => linked.missing.push(row),
        }
    }
    linked.foreign.extend(free);
}
