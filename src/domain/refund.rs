//! Money given back to a customer: which rows it was given back for, and what goes beyond them.

use rust_decimal::Decimal;

use super::money::{Money, MoneyPair, Side};
use super::order::Order;

/// Money given back, and the rows it was given back for.
///
/// Shipping stands in `shipping` alone, however the payload told it: old payloads tell it as an order adjustment, newer ones
/// by row *and* as an adjustment of the same money, which is read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// Shopify's number.
    pub id: u64,
    /// Rows given back.
    pub lines: Vec<RefundLine>,
    /// Shipping given back.
    pub shipping: Vec<RefundShipping>,
    /// Duties given back.
    pub duties: Vec<RefundDuty>,
    /// What was given back beside the rows, or not given back with them.
    pub adjustments: Vec<Adjustment>,
    /// What went back to the customer: successful refund transactions.
    pub paid_back: MoneyPair,
}

/// Units of one line given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundLine {
    /// The line.
    pub line_id: u64,
    /// Units.
    pub quantity: u32,
    /// Their worth in the order's tax basis.
    pub subtotal: MoneyPair,
    /// Their tax.
    pub tax: MoneyPair,
}

/// Shipping given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundShipping {
    /// The shipping line, where the road names it.
    pub shipping_line_id: Option<u64>,
    /// In the order's tax basis.
    pub subtotal: MoneyPair,
    /// Its tax.
    pub tax: MoneyPair,
}

/// An import duty given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundDuty {
    /// The duty, where the road names it.
    pub duty_id: Option<u64>,
    /// How much of it.
    pub amount: MoneyPair,
}

/// A difference between what the rows are worth and what was given back, signed as Shopify signs it: below zero was given
/// back beyond the rows, above zero was kept of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// Shopify's number.
    pub id: u64,
    /// Shopify's kind in small letters, as `refund_discrepancy`; empty where the road does not say.
    pub kind: String,
    /// How much, in the order's tax basis.
    pub amount: MoneyPair,
    /// Its tax.
    pub tax: MoneyPair,
}

/// Money given back that no row explains, above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goodwill {
    /// Shopify's number of the refund.
    pub refund_id: u64,
    /// How much, in the order's tax basis.
    pub amount: MoneyPair,
    /// Its tax, as Shopify says it: nearly always nothing.
    pub tax: MoneyPair,
}

impl Order {
    /// What was given back beyond rows, one for each refund that did so.
    ///
    /// A refund by amount has no rows and one adjustment `refund_discrepancy` below zero (seen in four of five real refunds).
    /// Several adjustments of one refund are differences of the same sum, so that their net counts; a net above zero was
    /// kept back (a restocking fee) and is no gift. Shipping is no adjustment here, see [`Refund`], so that it can't count
    /// twice. As long as no transaction of the refund succeeded, nothing was given back.
    pub fn goodwill(&self) -> Vec<Goodwill> {
        self.refunds.iter().filter_map(Refund::goodwill).collect()
    }
}

impl Refund {
    /// What its rows and adjustments say went back to the customer, on one side.
    pub fn explained(&self, side: Side, taxes_included: bool) -> Decimal {
        let on = |pair: &MoneyPair| pair.on(side).amount();
        let whole = |amount: &MoneyPair, tax: &MoneyPair| {
            if taxes_included { on(amount) } else { on(amount) + on(tax) }
        };
        let lines: Decimal = self.lines.iter().map(|line| whole(&line.subtotal, &line.tax)).sum();
        let shipping: Decimal = self.shipping.iter().map(|line| whole(&line.subtotal, &line.tax)).sum();
        let duties: Decimal = self.duties.iter().map(|duty| on(&duty.amount)).sum();
        let adjusted: Decimal =
            self.adjustments.iter().map(|adjustment| whole(&adjustment.amount, &adjustment.tax)).sum();
        lines + shipping + duties - adjusted
    }

    /// Whether what went back is what its rows and adjustments say.
    pub fn closes(&self, side: Side, taxes_included: bool) -> bool {
        self.explained(side, taxes_included) == self.paid_back.on(side).amount()
    }

    fn goodwill(&self) -> Option<Goodwill> {
        let like = self.paid_back;
        let amount = negative_sum(like, self.adjustments.iter().map(|adjustment| adjustment.amount));
        let tax = negative_sum(like, self.adjustments.iter().map(|adjustment| adjustment.tax));
        let given = amount.shop.amount() > Decimal::ZERO && !self.paid_back.is_zero();
        given.then_some(Goodwill { refund_id: self.id, amount, tax })
    }
}

/// Less than nothing of all pairs, in the currencies of another one.
fn negative_sum(like: MoneyPair, pairs: impl Iterator<Item = MoneyPair>) -> MoneyPair {
    let (mut shop, mut presentment) = (Decimal::ZERO, Decimal::ZERO);
    for pair in pairs {
        shop -= pair.shop.amount();
        presentment -= pair.presentment.amount();
    }
    MoneyPair {
        shop: Money::new(shop, like.shop.currency()),
        presentment: Money::new(presentment, like.presentment.currency()),
    }
}
