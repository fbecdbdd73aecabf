//! A refund of either road as the domain keeps it: shipping once, and every amount in the order's own tax basis.

use rust_decimal::Decimal;

use crate::domain::money::{Money, MoneyPair, Side};
use crate::domain::order::{Adjustment, Refund, RefundShipping};

/// Older payloads tell shipping given back under this kind of adjustment alone. Newer ones repeat it so beside their rows:
/// Shopify's own REST examples of 2025-04 show one refund of 5.00 as a shipping row of 5.00, an adjustment of -5.00 and one
/// transaction of 5.00.
const SHIPPING_REFUND: &str = "shipping_refund";

/// A refund whose adjustments stand as Shopify tells them: an amount, and a tax that is added to it.
pub(super) struct AsTold {
    /// All but the shipping that only adjustments tell.
    pub(super) refund: Refund,
    /// Whether the order's amounts contain their tax.
    pub(super) taxes_included: bool,
}

impl AsTold {
    /// Reads the adjustments.
    ///
    /// 1. Shipping among them is the rows' own money again, or becomes a row where there is none.
    /// 2. Where prices contain taxes, an adjustment's amount does not (reference: "the taxes that are added to amount"). Should
    ///    only the other reading explain what was paid back, that one holds.
    pub(super) fn read(self) -> Refund {
        let Self { mut refund, taxes_included } = self;
        // 1.
        let by_row = refund.shipping.clone();
        let (shipping, others): (Vec<Adjustment>, Vec<Adjustment>) =
            refund.adjustments.drain(..).partition(|adjustment| is_shipping(adjustment, &by_row));
        refund.adjustments = others;
        let from_adjustments: &[Adjustment] = if by_row.is_empty() { &shipping } else { &[] };
        // 2.
        if !taxes_included {
            return with_basis(refund, from_adjustments, |amount, _| *amount);
        }
        let added = with_basis(refund.clone(), from_adjustments, put_together);
        if added.closes(Side::Shop, taxes_included) {
            return added;
        }
        let contained = with_basis(refund, from_adjustments, |amount, _| *amount);
        if contained.closes(Side::Shop, taxes_included) { contained } else { added }
    }
}

/// Whether an adjustment is shipping given back. GraphQL names no kind: there it is what repeats the rows to the cent.
fn is_shipping(adjustment: &Adjustment, by_row: &[RefundShipping]) -> bool {
    if !adjustment.kind.is_empty() {
        return adjustment.kind == SHIPPING_REFUND;
    }
    let rows: Decimal = by_row.iter().map(|row| row.subtotal.shop.amount()).sum();
    !rows.is_zero() && rows == -adjustment.amount.shop.amount()
}

fn with_basis(
    mut refund: Refund,
    shipping: &[Adjustment],
    basis: impl Fn(&MoneyPair, &MoneyPair) -> MoneyPair,
) -> Refund {
    for adjustment in &mut refund.adjustments {
        adjustment.amount = basis(&adjustment.amount, &adjustment.tax);
    }
    refund.shipping.extend(shipping.iter().map(|adjustment| RefundShipping {
        shipping_line_id: None,
        subtotal: negated(&basis(&adjustment.amount, &adjustment.tax)),
        tax: negated(&adjustment.tax),
    }));
    refund
}

fn put_together(left: &MoneyPair, right: &MoneyPair) -> MoneyPair {
    let sum = |left: Money, right: Money| Money::new(left.amount() + right.amount(), left.currency());
    MoneyPair { shop: sum(left.shop, right.shop), presentment: sum(left.presentment, right.presentment) }
}

fn negated(pair: &MoneyPair) -> MoneyPair {
    let minus = |money: Money| Money::new(-money.amount(), money.currency());
    MoneyPair { shop: minus(pair.shop), presentment: minus(pair.presentment) }
}
