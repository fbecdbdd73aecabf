//! What an order's rows are worth now, on one side: discounts and taxes stand in the payload for the units as placed and are
//! pro-rated to the units that remain, so that they sum exactly to what Shopify states.

use rust_decimal::Decimal;

use super::identities::{Broken, Reading};
use super::prorate::{Part, share};
use crate::domain::money::Side;
use crate::domain::order::{LineKind, Order, TaxLine};

/// The rows' worth now; the lists run beside the order's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Beside `Order::lines`.
    pub lines: Vec<CurrentLine>,
    /// Beside `Order::shipping_lines`.
    pub shipping: Vec<CurrentShipping>,
}

/// What remains of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentLine {
    /// Price times current quantity.
    pub gross: Decimal,
    /// Beside the line's allocations.
    pub discounts: Vec<Decimal>,
    /// Beside the line's taxes.
    pub taxes: Vec<Decimal>,
}

impl CurrentLine {
    /// What IFS shall hold for the line, in the order's tax basis.
    pub fn worth(&self) -> Decimal {
        self.gross - self.discounts.iter().sum::<Decimal>()
    }
}

/// What remains of one shipping line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentShipping {
    /// The discounted price; nothing when removed.
    pub amount: Decimal,
    /// Beside the shipping line's taxes.
    pub taxes: Vec<Decimal>,
}

/// Pro-rates one side of an order to the current quantities.
///
/// # Errors
/// [`Broken`]: `current_subtotal_price` or `current_total_tax` is nothing that rounding the shares could sum to.
pub fn current(order: &Order, side: Side, reading: Reading) -> Result<Current, Broken> {
    let unit = order_currency(order, side).minor_unit();
    let totals = &order.totals;

    // 1. Lines before discounts.
    let gross: Vec<Decimal> =
        order.lines.iter().map(|line| line.price.on(side).amount() * Decimal::from(line.current_quantity)).collect();
    let counted = |kind: LineKind| reading == Reading::TipIsALine || kind != LineKind::Tip;
    let gross_counted: Decimal =
        order.lines.iter().zip(&gross).filter(|(line, _)| counted(line.kind)).map(|(_, gross)| *gross).sum();

    // 2. Discounts: their sum is what the stated subtotal leaves of the lines.
    let mut parts = Vec::new();
    for line in order.lines.iter().filter(|line| counted(line.kind)) {
        let of = |amount| Part { amount, numerator: line.current_quantity.into(), denominator: line.quantity.into() };
        parts.extend(line.allocations.iter().map(|share| of(share.amount.on(side).amount())));
    }
    let stated = totals.current_subtotal.on(side).amount();
    let discounts = share(&parts, gross_counted - stated, unit)
        .map_err(|limits| Broken::new("current_subtotal_price", side, stated, gross_counted - limits.least))?;

    // 3. Taxes of lines and shipping: their sum is what Shopify states.
    let mut parts = Vec::new();
    for line in order.lines.iter().filter(|line| counted(line.kind)) {
        let of = |tax: &TaxLine| Part {
            amount: tax.price.on(side).amount(),
            numerator: line.current_quantity.into(),
            denominator: line.quantity.into(),
        };
        parts.extend(line.taxes.iter().map(of));
    }
    for line in &order.shipping_lines {
        let (numerator, denominator) = shipping_ratio(line, side, unit);
        parts.extend(line.taxes.iter().map(|tax| Part { amount: tax.price.on(side).amount(), numerator, denominator }));
    }
    let stated = totals.current_tax.on(side).amount();
    let taxes =
        share(&parts, stated, unit).map_err(|limits| Broken::new("current_total_tax", side, stated, limits.least))?;

    // 4. Deal the shares out to their rows again.
    let (mut discounts, mut taxes) = (discounts.into_iter(), taxes.into_iter());
    let lines = order
        .lines
        .iter()
        .zip(gross)
        .map(|(line, gross)| {
            let count = |rows: usize| if counted(line.kind) { rows } else { 0 };
            CurrentLine {
                gross,
                discounts: discounts.by_ref().take(count(line.allocations.len())).collect(),
                taxes: taxes.by_ref().take(count(line.taxes.len())).collect(),
            }
        })
        .collect();
    let shipping = order
        .shipping_lines
        .iter()
        .map(|line| CurrentShipping {
            amount: line.current().map_or(Decimal::ZERO, |pair| pair.on(side).amount()),
            taxes: taxes.by_ref().take(line.taxes.len()).collect(),
        })
        .collect();
    Ok(Current { lines, shipping })
}

/// The order's currency on one side.
pub fn order_currency(order: &Order, side: Side) -> crate::domain::money::Currency {
    match side {
        Side::Shop => order.currency,
        Side::Presentment => order.presentment_currency,
    }
}

/// Which share of a shipping line's tax is still owed: its current price against the price it was taxed on.
fn shipping_ratio(line: &crate::domain::order::ShippingLine, side: Side, unit: Decimal) -> (u64, u64) {
    use rust_decimal::prelude::ToPrimitive as _;
    let Some(current) = line.current() else { return (0, 1) };
    let units = |amount: Decimal| amount.checked_div(unit).and_then(|units| units.to_u64()).unwrap_or(0);
    let (current, placed) = (current.on(side).amount(), line.discounted.on(side).amount());
    if current == placed { (1, 1) } else { (units(current), units(placed)) }
}
