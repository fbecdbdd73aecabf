//! Which row of IFS is which row of ours: as it was linked before, else by the line's key field where one is carried, else by
//! content in sequence.

use super::desired::{DesiredOrder, DesiredRow};
use super::read::{ReadOrder, Target, line_key};
use super::written::WrittenOrder;
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

/// Pairs lines and charges of an order that was not linked before.
pub(super) fn link<'a>(desired: &'a DesiredOrder, read: &'a ReadOrder) -> Linked<'a> {
    link_with_base(desired, read, None)
}

/// Pairs lines and charges: each row with the record that it was linked to, and only what is left by key or content. A charge
/// has no key of ours, so that one whose amount changed is found by its link alone.
pub(super) fn link_with_base<'a>(
    desired: &'a DesiredOrder,
    read: &'a ReadOrder,
    base: Option<&WrittenOrder>,
) -> Linked<'a> {
    let mut linked = Linked { pairs: Vec::new(), missing: Vec::new(), foreign: Vec::new() };
    let known = |row: &DesiredRow| {
        base.and_then(|base| base.rows.iter().find(|known| known.key == row.key)).map(|known| known.target.clone())
    };
    let content: &[&[&str]] = &[
        &[names::CATALOG_NO, names::BUY_QTY_DUE, names::SALE_UNIT_PRICE, names::UNIT_PRICE_INCL_TAX],
        &[names::CATALOG_NO],
    ];
    let by_key: &[&[&str]] = &[&[desired.line_key_field.as_deref().unwrap_or_default()]];
    let by = if desired.line_key_field.is_some() { by_key } else { content };
    pair(&desired.lines, &read.lines, by, |row| line_key(row).map(Target::Line), known, &mut linked);

    let by: &[&[&str]] = &[
        &[
            names::CHARGE_TYPE,
            names::CHARGE_AMOUNT,
            names::CHARGE_AMOUNT_INCL_TAX,
            names::TAX_CODE,
            names::TAX_CALC_STRUCTURE_ID,
        ],
        &[names::CHARGE_TYPE, names::CHARGE_AMOUNT, names::CHARGE_AMOUNT_INCL_TAX],
        &[names::CHARGE_TYPE],
    ];
    let target = |row: &Row| row.int(names::SEQUENCE_NO).map(Target::Charge);
    pair(&desired.charges, &read.charges, by, target, known, &mut linked);
    linked
}

/// Pairs by the known links, then by ever looser sets of fields, each in sequence; a field that we did not send says nothing.
fn pair<'a>(
    ours: &'a [DesiredRow],
    theirs: &'a [Row],
    by: &[&[&str]],
    target: impl Fn(&Row) -> Option<Target>,
    known: impl Fn(&DesiredRow) -> Option<Target>,
    linked: &mut Linked<'a>,
) {
    let mut free: Vec<&Row> = theirs.iter().collect();
    let mut partner: Vec<Option<(Target, &Row)>> = Vec::with_capacity(ours.len());
    for row in ours {
        let place = known(row).and_then(|known| free.iter().position(|row| target(row).as_ref() == Some(&known)));
        partner.push(place.and_then(|place| Some((target(free[place])?, free.remove(place)))));
    }
    for fields in by {
        for (row, partner) in ours.iter().zip(&mut partner).filter(|(_, partner)| partner.is_none()) {
            let same = |candidate: &&Row| {
                fields.iter().all(|field| row.fields.get(*field).is_none_or(|wanted| wanted.is(candidate.get(field))))
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
