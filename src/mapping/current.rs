//! What an order's rows are worth now, on one side: discounts and taxes stand in the payload for the units as placed and are
//! pro-rated to the units that remain, so that they sum exactly to what Shopify states.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::identities::{Broken, Reading, Tip};
use super::prorate::{Part, share};
use crate::domain::money::MoneyPair;
use crate::domain::money::Side;
use crate::domain::order::{Fee, LineKind, Order, TaxLine};

/// The rows' worth now; the lists run beside the order's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Beside `Order::lines`.
    pub lines: Vec<CurrentLine>,
    /// Beside `Order::shipping_lines`.
    pub shipping: Vec<CurrentCharge>,
    /// Beside `Order::lines`, and there beside each line's duties. Nothing where the prices contain the duties.
    pub duties: Vec<Vec<CurrentCharge>>,
    /// Beside `Order::fees`.
    pub fees: Vec<CurrentCharge>,
    /// The tip, untaxed. It is counted here alone: a line of kind [`LineKind::Tip`] tells the same money once more, whatever
    /// stands beside it in `lines`.
    pub tip: Decimal,
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

/// What remains of a shipping line, a duty or a fee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentCharge {
    /// In the order's tax basis, after discounts; nothing when removed.
    pub amount: Decimal,
    /// Beside its taxes; none where it has some that Shopify's sum leaves out, which are told and not owed.
    pub taxes: Vec<Decimal>,
}

/// Pro-rates one side of an order to the current quantities.
///
/// # Errors
/// [`Broken`]: a stated current sum is nothing that rounding the shares could sum to.
pub fn current(order: &Order, side: Side, reading: Reading, tip: Decimal) -> Result<Current, Broken> {
    let unit = order.currency_on(side).minor_unit();
    let shares = Shares { order, side, unit, reading };
    // 1. Lines before discounts, and the share of the discounts.
    let gross: Vec<Decimal> =
        order.lines.iter().map(|line| line.price.on(side).amount() * Decimal::from(line.current_quantity)).collect();
    let mut discounts = shares.discounts(&gross)?.into_iter();
    // 2. Duties and fees.
    let duties = shares.duties()?;
    let fees = shares.fees()?;
    // 3. Taxes of all of them.
    let mut taxes = shares.taxes(&duties, &fees)?.into_iter();
    // 4. Deal the shares out to their rows again.
    let mut lines = Vec::with_capacity(order.lines.len());
    for (line, gross) in order.lines.iter().zip(gross) {
        let count = |rows: usize| if reading.counts(line.kind) { rows } else { 0 };
        let discounts = discounts.by_ref().take(count(line.allocations.len())).collect();
        lines.push(CurrentLine { gross, discounts, taxes: taxes.by_ref().take(count(line.taxes.len())).collect() });
    }
    let mut charge = |amount: Decimal, rows: &[TaxLine], counted: bool| {
        let nothing = rows.iter().all(|tax| shares.on(&tax.price).is_zero());
        let taxes = match (counted, nothing) {
            (true, _) => taxes.by_ref().take(rows.len()).collect(),
            // What is nothing is in no sum.
            (false, true) => vec![Decimal::ZERO; rows.len()],
            (false, false) => Vec::new(),
        };
        CurrentCharge { amount, taxes }
    };
    let shipping = order.shipping_lines.iter().map(|line| {
        let amount = line.current().map_or(Decimal::ZERO, |pair| pair.on(side).amount());
        charge(amount, &line.taxes, true)
    });
    let shipping = shipping.collect();
    let mut amounts = duties.into_iter();
    let duties = order.lines.iter().map(|line| {
        let of_line = line.duties.iter().zip(amounts.by_ref());
        of_line.map(|(duty, amount)| charge(amount, &duty.taxes, reading.tax.counts_duties())).collect()
    });
    let duties = duties.collect();
    let fees = order.fees.iter().zip(fees);
    let fees = fees.map(|(fee, amount)| charge(amount, &fee.taxes, reading.tax.counts_fees())).collect();
    let tip = match reading.tip {
        Tip::IsASum => tip,
        Tip::IsALine => {
            let rows = order.lines.iter().zip(&lines).filter(|(line, _)| line.kind == LineKind::Tip);
            rows.map(|(_, now)| now.worth()).sum()
        }
    };
    Ok(Current { lines, shipping, duties, fees, tip })
}

/// One side of an order, from which shares are taken.
struct Shares<'a> {
    order: &'a Order,
    side: Side,
    unit: Decimal,
    reading: Reading,
}

impl Shares<'_> {
    fn on(&self, pair: &MoneyPair) -> Decimal {
        pair.on(self.side).amount()
    }

    fn or_nothing(&self, pair: Option<&MoneyPair>) -> Decimal {
        pair.map_or(Decimal::ZERO, |pair| self.on(pair))
    }

    /// Their sum is what the stated subtotal leaves of the lines.
    fn discounts(&self, gross: &[Decimal]) -> Result<Vec<Decimal>, Broken> {
        let lines = || self.order.lines.iter().filter(|line| self.reading.counts(line.kind));
        let with_gross = self.order.lines.iter().zip(gross);
        let gross: Decimal =
            with_gross.filter(|(line, _)| self.reading.counts(line.kind)).map(|(_, gross)| *gross).sum();
        let parts: Vec<Part> = lines()
            .flat_map(|line| {
                line.allocations.iter().map(|share| Part {
                    amount: self.on(&share.amount),
                    numerator: line.current_quantity.into(),
                    denominator: line.quantity.into(),
                })
            })
            .collect();
        let stated = self.on(&self.order.totals.current_subtotal);
        share(&parts, gross - stated, self.unit)
            .map_err(|limits| Broken::new("current_subtotal_price", self.side, stated, gross - limits.least))
    }

    /// Each duty's amount now. Units taken away take their share; a duty may be given back without them, too.
    fn duties(&self) -> Result<Vec<Decimal>, Broken> {
        let duties = || self.order.lines.iter().flat_map(|line| line.duties.iter().map(move |duty| (line, duty)));
        if self.order.duties_included {
            return Ok(duties().map(|_| Decimal::ZERO).collect());
        }
        let stated = self.or_nothing(self.order.totals.current_duties.as_ref());
        let parts: Vec<Part> = duties()
            .map(|(line, duty)| Part {
                amount: self.on(&duty.price),
                numerator: line.current_quantity.into(),
                denominator: line.quantity.into(),
            })
            .collect();
        let by_units = match share(&parts, stated, self.unit) {
            Ok(shares) => return Ok(shares),
            Err(limits) => limits.least,
        };
        let less_given_back: Vec<Decimal> = duties()
            .map(|(_, duty)| {
                let back = self.order.refunds.iter().flat_map(|refund| &refund.duties);
                let back = back.filter(|back| back.duty_id == Some(duty.id)).map(|back| self.on(&back.amount));
                self.on(&duty.price) - back.sum::<Decimal>()
            })
            .collect();
        if less_given_back.iter().sum::<Decimal>() == stated {
            return Ok(less_given_back);
        }
        if stated.is_zero() {
            return Ok(vec![Decimal::ZERO; parts.len()]);
        }
        Err(Broken::new("current_total_duties", self.side, stated, by_units))
    }

    /// Each fee's amount now. A fee that is taken away goes as a whole: where the stated sum is that of some of them, those stay.
    /// Where it is no such sum, all shrink alike. Where more than one choice comes to it, nobody can say which stay.
    fn fees(&self) -> Result<Vec<Decimal>, Broken> {
        const IDENTITY: &str = "current_total_additional_fees";
        const UNTOLD: &str = "current_total_additional_fees (which of the fees remain is not told)";
        let stated = self.or_nothing(self.order.totals.current_fees.as_ref());
        let placed: Vec<Decimal> = self.order.fees.iter().map(|fee| self.on(&fee.price)).collect();
        let sum: Decimal = placed.iter().sum();
        match choices(&self.order.fees, &placed, stated).as_slice() {
            [] => {
                let (numerator, denominator) = ratio(stated, sum, self.unit);
                let parts: Vec<Part> =
                    placed.into_iter().map(|amount| Part { amount, numerator, denominator }).collect();
                share(&parts, stated, self.unit)
                    .map_err(|limits| Broken::new(IDENTITY, self.side, stated, limits.least))
            }
            [stay] => {
                Ok(placed.iter().zip(stay).map(|(fee, stays)| if *stays { *fee } else { Decimal::ZERO }).collect())
            }
            _ => Err(Broken::new(UNTOLD, self.side, stated, sum)),
        }
    }

    /// Their sum is what Shopify states.
    fn taxes(&self, duties: &[Decimal], fees: &[Decimal]) -> Result<Vec<Decimal>, Broken> {
        let mut parts = Vec::new();
        let mut add = |taxes: &[TaxLine], (numerator, denominator): (u64, u64)| {
            parts.extend(taxes.iter().map(|tax| Part { amount: self.on(&tax.price), numerator, denominator }));
        };
        for line in self.order.lines.iter().filter(|line| self.reading.counts(line.kind)) {
            add(&line.taxes, (line.current_quantity.into(), line.quantity.into()));
        }
        for line in &self.order.shipping_lines {
            let now = line.current().map(|pair| self.on(&pair));
            // Its current price against the price it was taxed on.
            add(&line.taxes, now.map_or((0, 1), |now| ratio(now, self.on(&line.discounted), self.unit)));
        }
        if self.reading.tax.counts_duties() {
            let of_lines = self.order.lines.iter().flat_map(|line| &line.duties);
            for (duty, now) in of_lines.zip(duties) {
                add(&duty.taxes, ratio(*now, self.on(&duty.price), self.unit));
            }
        }
        if self.reading.tax.counts_fees() {
            for (fee, now) in self.order.fees.iter().zip(fees) {
                add(&fee.taxes, ratio(*now, self.on(&fee.price), self.unit));
            }
        }
        let stated = self.on(&self.order.totals.current_tax);
        share(&parts, stated, self.unit)
            .map_err(|limits| Broken::new("current_total_tax", self.side, stated, limits.least))
    }
}

/// Fees among which a choice is looked for; more of them shrink alike.
const FEES_CHOSEN_MAX: usize = 12;

/// Which fees may stay where `stated` is left of all: each choice says it beside the fees. Fees that differ in nothing but their
/// number are one another's, so that only one such choice is given.
fn choices(fees: &[Fee], placed: &[Decimal], stated: Decimal) -> Vec<Vec<bool>> {
    if stated == placed.iter().sum() {
        return vec![vec![true; fees.len()]];
    }
    if stated.is_zero() {
        return vec![vec![false; fees.len()]];
    }
    if fees.len() > FEES_CHOSEN_MAX {
        return Vec::new();
    }
    let like = |fee: &Fee| fees.iter().position(|other| Fee { id: other.id, ..fee.clone() } == *other);
    let kinds: Vec<Option<usize>> = fees.iter().map(like).collect();
    let mut known = BTreeSet::new();
    let mut choices = Vec::new();
    for choice in 0_u32..1 << fees.len() {
        let stay: Vec<bool> = (0..fees.len()).map(|index| choice >> index & 1 == 1).collect();
        // What costs nothing is never gone.
        let idle = stay.iter().zip(placed).any(|(stays, amount)| !stays && amount.is_zero());
        let sum: Decimal = stay.iter().zip(placed).filter(|(stays, _)| **stays).map(|(_, amount)| amount).sum();
        if idle || sum != stated {
            continue;
        }
        let mut kept: Vec<Option<usize>> =
            stay.iter().zip(&kinds).filter(|(stays, _)| **stays).map(|(_, kind)| *kind).collect();
        kept.sort_unstable();
        if known.insert(kept) {
            choices.push(stay);
        }
    }
    choices
}

/// What is left of an amount, in units of both.
fn ratio(now: Decimal, placed: Decimal, unit: Decimal) -> (u64, u64) {
    use rust_decimal::prelude::ToPrimitive as _;
    let units = |amount: Decimal| amount.checked_div(unit).and_then(|units| units.to_u64()).unwrap_or(0);
    if now == placed { (1, 1) } else { (units(now), units(placed)) }
}
