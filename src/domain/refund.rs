//! Money given back to a customer: which rows it was given back for, and what goes beyond them.

use rust_decimal::Decimal;

use super::money::{Money, MoneyPair, Side};
use super::order::Order;

/// The kind of an adjustment that stands for a refund of rows whose money is still on its way.
pub const PENDING: &str = "pending_refund_discrepancy";

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
    /// What was given back beyond rows and not kept of rows by another refund, one for each refund that did so.
    ///
    /// A refund by amount has no rows and one adjustment `refund_discrepancy` below zero (seen in four of five real refunds).
    /// All adjustments are differences of one sum, the customer's money, so that their net counts, within a refund and over all of
    /// them: who gives 30.00 for a damage and later takes the goods back for 30.00 less than their worth has given nothing
    /// away. What is kept on the whole (a restocking fee) is no gift. Shipping is no adjustment here, see [`Refund`], so that it
    /// can't count twice. As long as no transaction of a refund succeeded, nothing was given back; what was kept of its rows counts
    /// at once, since the rows are gone at once; money that is only still on its way is not kept. Shopify's numbers grow, so that refunds count in the order of theirs.
    pub fn goodwill(&self) -> Vec<Goodwill> {
        let mut refunds: Vec<&Refund> = self.refunds.iter().collect();
        refunds.sort_by_key(|refund| refund.id);
        let [shop, presentment] = Side::BOTH.map(|side| given(&refunds, side, self.taxes_included));
        let pair = |shop, presentment| MoneyPair {
            shop: Money::new(shop, self.currency_on(Side::Shop)),
            presentment: Money::new(presentment, self.currency_on(Side::Presentment)),
        };
        shop.into_iter()
            .zip(presentment)
            .map(|(shop, presentment)| Goodwill {
                refund_id: shop.refund_id,
                amount: pair(shop.amount, presentment.amount),
                tax: pair(shop.tax, presentment.tax),
            })
            .filter(|goodwill| !goodwill.amount.is_zero() || !goodwill.tax.is_zero())
            .collect()
    }
}

/// What one refund gave beyond its rows, on one side.
struct Given {
    refund_id: u64,
    amount: Decimal,
    tax: Decimal,
    /// With tax.
    whole: Decimal,
}

/// What each refund gave beyond its rows, less what others kept; one for each refund, nothing where it gave nothing.
fn given(refunds: &[&Refund], side: Side, taxes_included: bool) -> Vec<Given> {
    let mut all: Vec<Given> = Vec::with_capacity(refunds.len());
    // Kept by earlier refunds, and given back by none yet.
    let mut kept = Decimal::ZERO;
    for refund in refunds {
        let on = |pair: &MoneyPair| pair.on(side).amount();
        let settled = || refund.adjustments.iter().filter(|row| row.kind != PENDING);
        let amount = -settled().map(|row| on(&row.amount)).sum::<Decimal>();
        let tax = -settled().map(|row| on(&row.tax)).sum::<Decimal>();
        let whole = if taxes_included { amount } else { amount + tax };
        let nothing = Given { refund_id: refund.id, amount: Decimal::ZERO, tax: Decimal::ZERO, whole: Decimal::ZERO };
        if whole > Decimal::ZERO {
            // 1. Given: what was kept before goes first.
            let mut gift = Given { amount, tax, whole, ..nothing };
            if refund.paid_back.is_zero() {
                gift.take(whole, side, refund, taxes_included);
            } else {
                let back = kept.min(whole);
                gift.take(back, side, refund, taxes_included);
                kept -= back;
            }
            all.push(gift);
        } else {
            // 2. Kept: it takes back what was given last.
            kept -= whole;
            all.push(nothing);
            for (gift, refund) in all.iter_mut().zip(refunds).rev() {
                let back = kept.min(gift.whole);
                gift.take(back, side, refund, taxes_included);
                kept -= back;
            }
        }
    }
    all
}

impl Given {
    /// Takes an amount with tax off it, its tax in proportion.
    fn take(&mut self, back: Decimal, side: Side, refund: &Refund, taxes_included: bool) {
        if back.is_zero() {
            return;
        }
        let left = self.whole - back;
        let currency = refund.paid_back.on(side).currency();
        self.tax = currency.round(self.tax * left / self.whole);
        self.amount = if taxes_included { left } else { left - self.tax };
        self.whole = left;
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
}
