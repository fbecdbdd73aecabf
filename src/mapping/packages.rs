//! The lines of one bundle as one line, for `bundle = "package_part"`: IFS's package part adds the components by itself. The line is
//! worth what its components are worth, to the digit; a bundle that is not whole any more parks, and is never guessed at.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::current::{Current, CurrentLine};
use super::park::ParkReason;
use super::rules::Rules;
use super::rules::settings::BundleMode;
use crate::domain::money::{Money, MoneyPair, Side};
use crate::domain::order::{Allocation, Line, LineGroup, LineKind, Order, TaxLine, Told};

/// An order with what is left of it, bundles as the rules want them.
pub(super) type Packed<'a> = (Cow<'a, Order>, Cow<'a, Current>);

/// What a line is called in keys of rows: `line:<id>`, `bundle:<group id>`.
pub(super) fn key_of(line: &Line) -> String {
    match package_of(line) {
        Some(group) => format!("bundle:{}", group.id),
        None => format!("line:{}", line.id),
    }
}

/// What a line is called in sentences.
pub(super) fn name_of(line: &Line) -> String {
    match package_of(line) {
        Some(group) => format!("bundle {} (\"{}\")", group.id, group.title),
        None => format!("line {}", line.id),
    }
}

/// The bundle that a line stands for; none for every line that Shopify told.
pub(super) fn package_of(line: &Line) -> Option<&LineGroup> {
    line.group.as_ref().filter(|_| line.kind == LineKind::Package)
}

/// Puts one line in the place of each bundle's components, where the rules ask for it.
///
/// The components stay among the lines without units, so that their import duties are still theirs.
///
/// # Errors
/// Parks bundles that nothing was told of, and those whose components are not whole bundles, or are taxed apart.
pub(super) fn packed<'a>(order: &'a Order, rules: &Rules, now: &'a Current) -> Result<Packed<'a>, ParkReason> {
    match rules.settings().bundle {
        BundleMode::Components => return Ok((Cow::Borrowed(order), Cow::Borrowed(now))),
        BundleMode::PackagePart => {}
    }
    if order.lacks_facts(Told { groups: true, ..Told::default() }) {
        let text = "Shopify has not told which bundles the order holds: change it in Shopify (a note is enough), and it is read by its id";
        return Err(ParkReason::mapping("bundle_not_told", text));
    }
    // 1. The components of each bundle.
    let mut bundles: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, line) in order.lines.iter().enumerate() {
        if let Some(group) = &line.group {
            bundles.entry(&group.id).or_default().push(index);
        }
    }
    if bundles.is_empty() {
        return Ok((Cow::Borrowed(order), Cow::Borrowed(now)));
    }
    // 2. Each as one line, in the place of its first component.
    let mut first: BTreeMap<usize, (Line, CurrentLine)> = BTreeMap::new();
    for indexes in bundles.values() {
        let parts: Vec<Component<'_>> =
            indexes.iter().map(|index| Component { line: &order.lines[*index], now: &now.lines[*index] }).collect();
        if let (Some(index), Some(package)) = (indexes.first(), package(&parts)?) {
            first.insert(*index, package);
        }
    }
    let (mut packed, mut left) = (order.clone(), now.clone());
    (packed.lines, left.lines, left.duties) = (Vec::new(), Vec::new(), Vec::new());
    for (index, ((line, now), duties)) in order.lines.iter().zip(&now.lines).zip(&now.duties).enumerate() {
        if let Some((package, worth)) = first.remove(&index) {
            packed.lines.push(package);
            left.lines.push(worth);
            left.duties.push(Vec::new());
        }
        let current_quantity = if line.group.is_some() { 0 } else { line.current_quantity };
        packed.lines.push(Line { current_quantity, ..line.clone() });
        left.lines.push(now.clone());
        left.duties.push(duties.clone());
    }
    Ok((Cow::Owned(packed), Cow::Owned(left)))
}

/// One line of a bundle, with what is left of it.
struct Component<'a> {
    line: &'a Line,
    now: &'a CurrentLine,
}

/// The bundle as one line; none where nothing is left of it.
fn package(parts: &[Component<'_>]) -> Result<Option<(Line, CurrentLine)>, ParkReason> {
    let Some(Component { line: model, .. }) = parts.first() else { return Ok(None) };
    let Some(group) = &model.group else { return Ok(None) };
    let units = units(group, parts)?;
    if units == 0 {
        return Ok(None);
    }
    if parts.iter().any(|part| part.line.kind != LineKind::Goods) {
        let text = format!(
            "bundle {} (\"{}\") holds a gift card, which no package part of IFS can: enter the order by hand",
            group.id, group.title
        );
        return Err(ParkReason::mapping("bundle_with_gift_card", text));
    }
    let lines: Vec<&Line> = parts.iter().map(|part| part.line).collect();
    let mut line = line_of(model, group, &lines, units);
    line.price = price_of(parts, units);
    let gross = parts.iter().map(|part| part.now.gross).sum();
    let mut now = CurrentLine { gross, discounts: Vec::new(), taxes: Vec::new() };
    discounts(parts, &mut line, &mut now);
    taxes(group, parts, &mut line, &mut now)?;
    Ok(Some((line, now)))
}

/// The lines of an order as the rules want them, for what is chosen by line alone: prices and units are not those that are written.
pub(super) fn chosen_lines<'a>(order: &'a Order, rules: &Rules) -> Vec<Cow<'a, Line>> {
    let packs = rules.settings().bundle == BundleMode::PackagePart;
    let mut lines: Vec<Cow<'a, Line>> = Vec::new();
    for line in &order.lines {
        match line.group.as_ref().filter(|_| packs) {
            None => lines.push(Cow::Borrowed(line)),
            Some(group) => {
                let of_group = |line: &&Line| line.group.as_ref().is_some_and(|own| own.id == group.id);
                let known = |known: &Cow<'a, Line>| package_of(known).is_some_and(|known| known.id == group.id);
                if !lines.iter().any(known) {
                    let parts: Vec<&Line> = order.lines.iter().filter(of_group).collect();
                    lines.push(Cow::Owned(line_of(line, group, &parts, line.current_quantity)));
                }
            }
        }
    }
    lines
}

/// A bundle as a line without discounts and taxes; `model` is its first component.
fn line_of(model: &Line, group: &LineGroup, parts: &[&Line], units: u32) -> Line {
    Line {
        kind: LineKind::Package,
        sku: group.sku.clone(),
        product_id: group.product_id,
        variant_id: group.variant_id,
        title: group.title.clone(),
        variant_title: None,
        vendor: model.vendor.clone().filter(|_| parts.iter().all(|part| part.vendor == model.vendor)),
        quantity: units,
        current_quantity: units,
        allocations: Vec::new(),
        taxes: Vec::new(),
        duties: Vec::new(),
        product_type: None,
        barcode: None,
        properties: group.properties.clone(),
        ..model.clone()
    }
}

/// How many bundles are left. Shopify says how many there are, and not whether it counts those that were taken away since: where both
/// readings fit and say different things, a person decides, since the wrong number would be shipped.
fn units(group: &LineGroup, parts: &[Component<'_>]) -> Result<u32, ParkReason> {
    let told = group.quantity;
    if parts.iter().all(|part| part.line.current_quantity == 0) {
        return Ok(0);
    }
    // Of `whole` bundles as placed, each component has a share of its units, and as many of each are left.
    let left_of = |whole: u32| {
        let left = |line: &Line| {
            let each = line.quantity.checked_div(whole).filter(|each| *each > 0 && each * whole == line.quantity)?;
            line.current_quantity.is_multiple_of(each).then_some(line.current_quantity / each)
        };
        let first = parts.first().and_then(|part| left(part.line))?;
        parts.iter().all(|part| left(part.line) == Some(first)).then_some(first)
    };
    // 1. It counts the bundles as placed. 2. It counts those that are left: then so many were placed.
    let as_placed = left_of(told);
    let placed = |line: &Line| {
        let all = u64::from(line.quantity) * u64::from(told);
        let left = u64::from(line.current_quantity);
        (left > 0 && all % left == 0).then(|| u32::try_from(all / left).ok()).flatten()
    };
    let as_left = parts.first().and_then(|part| placed(part.line)).filter(|whole| left_of(*whole) == Some(told));
    let name = format!("bundle {} (\"{}\")", group.id, group.title);
    match (as_placed, as_left.map(|_| told)) {
        (Some(left), Some(other)) if left != other => {
            let text = format!(
                "{name} lost units, and Shopify's count of {told} means that {left} or {other} are left: set the order's bundles right in IFS, then run `documents resolve`"
            );
            Err(ParkReason::mapping("bundle_count_unclear", text))
        }
        (Some(left), _) | (None, Some(left)) => Ok(left),
        (None, None) => {
            let units: Vec<String> = parts
                .iter()
                .map(|part| format!("line {} {} of {}", part.line.id, part.line.current_quantity, part.line.quantity))
                .collect();
            let text = format!(
                "{name}, of which Shopify counts {told}, is not whole any more ({}): take the rest of it out in Shopify too, or enter the order by hand and run `documents resolve`",
                units.join(", ")
            );
            Err(ParkReason::mapping("bundle_not_whole", text))
        }
    }
}

/// The price of one bundle: each component's times its units in a bundle.
fn price_of(parts: &[Component<'_>], units: u32) -> MoneyPair {
    let sum = |side: Side| {
        let each = |line: &Line| line.price.on(side).amount() * Decimal::from(line.current_quantity / units);
        parts.iter().map(|part| each(part.line)).sum::<Decimal>()
    };
    with_amounts(parts[0].line.price, sum(Side::Shop), sum(Side::Presentment))
}

/// The components' shares of each discount, as one.
fn discounts(parts: &[Component<'_>], line: &mut Line, now: &mut CurrentLine) {
    let mut shares: BTreeMap<usize, (Allocation, Decimal)> = BTreeMap::new();
    for part in parts {
        for (share, left) in part.line.allocations.iter().zip(&part.now.discounts) {
            shares
                .entry(share.discount)
                .and_modify(|(sum, off)| {
                    sum.amount = plus(sum.amount, share.amount);
                    *off += *left;
                })
                .or_insert((*share, *left));
        }
    }
    (line.allocations, now.discounts) = shares.into_values().unzip();
}

/// The components' taxes, as one. A component that is worth nothing has no say.
fn taxes(group: &LineGroup, parts: &[Component<'_>], line: &mut Line, now: &mut CurrentLine) -> Result<(), ParkReason> {
    let worth_something = || parts.iter().filter(|part| !part.now.worth().is_zero());
    let model = worth_something().next().or(parts.first());
    let mut sums: Vec<(TaxLine, Decimal)> = Vec::new();
    if let Some(model) = model {
        sums = model.line.taxes.iter().cloned().zip(model.now.taxes.iter().copied()).collect();
    }
    let is_model = |part: &Component<'_>| model.is_some_and(|model| model.line.id == part.line.id);
    for part in worth_something().filter(|part| !is_model(part)) {
        let apart = || {
            let (one, other) = (model.map_or(0, |model| model.line.id), part.line.id);
            let text = format!(
                "bundle {} (\"{}\") has components that are taxed apart (lines {one} and {other}), and its one line in IFS has one tax code: enter the order by hand",
                group.id, group.title
            );
            ParkReason::mapping("bundle_taxed_apart", text)
        };
        if part.line.taxes.len() != sums.len() {
            return Err(apart());
        }
        for (tax, left) in part.line.taxes.iter().zip(&part.now.taxes) {
            let Some((sum, sum_left)) = sums.iter_mut().find(|(sum, _)| is_one_tax(sum, tax)) else {
                return Err(apart());
            };
            sum.price = plus(sum.price, tax.price);
            *sum_left += *left;
        }
    }
    (line.taxes, now.taxes) = sums.into_iter().unzip();
    Ok(())
}

fn is_one_tax(one: &TaxLine, other: &TaxLine) -> bool {
    // Unknown means no.
    let liable = |tax: &TaxLine| tax.channel_liable == Some(true);
    let rate = |tax: &TaxLine| tax.rate.map(|rate| rate.normalize());
    one.title == other.title && rate(one) == rate(other) && liable(one) == liable(other)
}

/// The sum of two amounts of one order.
pub(super) fn plus(one: MoneyPair, other: MoneyPair) -> MoneyPair {
    let sum = |side: Side| one.on(side).amount() + other.on(side).amount();
    with_amounts(one, sum(Side::Shop), sum(Side::Presentment))
}

fn with_amounts(currencies: MoneyPair, shop: Decimal, presentment: Decimal) -> MoneyPair {
    MoneyPair {
        shop: Money::new(shop, currencies.shop.currency()),
        presentment: Money::new(presentment, currencies.presentment.currency()),
    }
}

#[cfg(test)]
mod tests;
