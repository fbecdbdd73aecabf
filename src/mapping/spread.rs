//! One line of Shopify's on several rows of IFS: once a row is reserved its quantity may not grow, so that further units get
//! a row of their own (`line:1+2` beside `line:1`), for life. The rows together are worth what the line is worth.

use rust_decimal::Decimal;

use super::desired::{DesiredOrder, DesiredRow, Expect};
use super::rules::updates::{Action, Change, UpdateTable};
use super::scalar::Scalar;
use super::written::WrittenOrder;
use crate::domain::money::Currency;
use crate::ifs::wire::{Objstate, names};

/// What stands between a line's key and the number of a further row.
const FURTHER: char = '+';

/// Whether a key names a further row of a line.
pub(super) fn is_further(key: &str) -> bool {
    number_of(key).is_some()
}

/// The line that a row belongs to.
pub(super) fn line_of(key: &str) -> &str {
    number_of(key).map_or(key, |(line, _)| line)
}

fn number_of(key: &str) -> Option<(&str, u32)> {
    let (line, number) = key.rsplit_once(FURTHER)?;
    number.parse().ok().map(|number| (line, number))
}

/// What IFS should hold, with each line on as many rows as it already has there, and on one more where its quantity grew
/// and the state lets no row grow.
///
/// # Errors
/// A sentence for a person when the line's worth cannot be split over its rows to the digit.
pub(super) fn spread(
    base: &WrittenOrder,
    desired: &DesiredOrder,
    state: &Objstate,
    updates: UpdateTable,
) -> Result<DesiredOrder, String> {
    let mut spread = desired.clone();
    spread.lines.clear();
    for line in &desired.lines {
        // An order that was spread before stays as it is.
        let is_spread = desired.lines.iter().any(|row| number_of(&row.key).is_some_and(|(key, _)| key == line.key));
        let held = if is_spread { Vec::new() } else { held_rows(base, &line.key) };
        match shares(&held, line, updates.action(Change::QuantityUp, state)) {
            Some(shares) => spread.lines.extend(split(desired, line, &shares)?),
            None => spread.lines.push(line.clone()),
        }
    }
    Ok(spread)
}

/// The rows that a line has in IFS: our numbers and the quantities that we sent last, the line's own row first.
fn held_rows(base: &WrittenOrder, key: &str) -> Vec<(u32, Decimal)> {
    let number = |found: &str| match number_of(found) {
        _ if found == key => Some(1),
        Some((line, number)) if line == key => Some(number),
        _ => None,
    };
    let quantity = |row: &super::written::WrittenRow| match row.fields.get(names::BUY_QTY_DUE)?.sent {
        Some(Scalar::Decimal(quantity)) => Some(quantity),
        _ => None,
    };
    let mut rows: Vec<_> = base.rows.iter().filter_map(|row| Some((number(&row.key)?, quantity(row)?))).collect();
    rows.sort_unstable_by_key(|(number, _)| *number);
    rows
}

/// How many units each row gets; none where the line stays, or becomes, one row.
fn shares(held: &[(u32, Decimal)], line: &DesiredRow, growing: Action) -> Option<Vec<(u32, Decimal)>> {
    let Some(Scalar::Decimal(wanted)) = line.fields.get(names::BUY_QTY_DUE) else { return None };
    let (first, last) = (held.first()?, held.last()?);
    // Its own row is gone: then it comes as a new one.
    if first.0 != 1 {
        return None;
    }
    let total: Decimal = held.iter().map(|(_, quantity)| *quantity).sum();
    let mut shares = held.to_vec();
    if *wanted > total {
        let more = *wanted - total;
        if growing == Action::NewRow {
            shares.push((last.0 + 1, more));
        } else {
            shares[0].1 += more;
        }
    } else {
        // The row that came last goes first.
        let mut fewer = total - *wanted;
        for (_, quantity) in shares.iter_mut().rev() {
            let off = fewer.min(*quantity);
            *quantity -= off;
            fewer -= off;
        }
        shares.retain(|(number, quantity)| *number == 1 || !quantity.is_zero());
        // Its own row cannot stand empty: what is left moves there.
        if shares[0].1.is_zero() {
            return None;
        }
    }
    (shares.len() > 1).then_some(shares)
}

/// The rows of one line: each with its units, the last with what is left of the worth.
fn split(desired: &DesiredOrder, line: &DesiredRow, shares: &[(u32, Decimal)]) -> Result<Vec<DesiredRow>, String> {
    let units: Decimal = shares.iter().map(|(_, quantity)| *quantity).sum();
    let price = [names::SALE_UNIT_PRICE, names::UNIT_PRICE_INCL_TAX].iter().find_map(|field| line.fields.get(*field));
    let currency = Currency::from_code(&desired.expected.currency);
    let (Some(Scalar::Decimal(price)), Some(currency)) = (price, currency) else {
        return Err(format!("{} has no price to split by", line.key));
    };
    let mut left = line.expect.clone();
    let mut rows = Vec::new();
    for (index, (number, quantity)) in shares.iter().enumerate() {
        let amount = currency.round(*price * *quantity);
        let expect = if index + 1 == shares.len() {
            left.clone()
        } else {
            Expect { amount, tax: currency.round(line.expect.tax * *quantity / units) }
        };
        // IFS multiplies and rounds each row by itself.
        if amount != expect.amount {
            return Err(format!(
                "{} is worth {} over {units} units, which {} rows at {price} do not come to",
                line.key,
                line.expect.amount,
                shares.len()
            ));
        }
        left.amount -= expect.amount;
        left.tax -= expect.tax;
        let mut row = DesiredRow { key: line.key.clone(), fields: line.fields.clone(), expect };
        row.fields.insert(names::BUY_QTY_DUE.to_owned(), Scalar::decimal(*quantity));
        if *number > 1 {
            row.key = format!("{}{FURTHER}{number}", line.key);
            if let Some(field) = &desired.line_key_field
                && let Some(Scalar::Text(carried)) = line.fields.get(field)
            {
                row.fields.insert(field.clone(), Scalar::text(format!("{carried}{FURTHER}{number}")));
            }
        }
        rows.push(row);
    }
    Ok(rows)
}
