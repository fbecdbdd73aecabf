//! The gate before the write: every identity that Shopify's money obeys, exactly, in both currencies. One that breaks parks
//! the order, named, with both figures. The identities and their evidence: docs on Shopify's money.

use rust_decimal::Decimal;

use super::current::{Current, current};
use crate::domain::money::{MoneyPair, Side};
use crate::domain::order::{LineKind, Order};

/// An identity that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken {
    /// Its name: the total that it explains, or the rule.
    pub identity: &'static str,
    /// In which of the two currencies.
    pub side: Side,
    /// What Shopify states.
    pub stated: Decimal,
    /// What its parts sum to.
    pub computed: Decimal,
}

impl Broken {
    pub(super) const fn new(identity: &'static str, side: Side, stated: Decimal, computed: Decimal) -> Self {
        Self { identity, side, stated, computed }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { identity, side, stated, computed } = self;
        write!(f, "{identity} says {stated} and its parts {computed} ({} currency)", side.as_str())
    }
}

/// How the parts of an order are counted where Shopify's payloads leave it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// What a tip is.
    pub tip: Tip,
    /// What the sum of taxes is made of.
    pub tax: TaxOf,
    /// Whether shipping that an edit took away still stands in the sums as placed.
    pub removed: Removed,
}

impl Reading {
    /// Whether a line of this kind counts among the lines.
    pub fn counts(self, kind: LineKind) -> bool {
        self.tip == Tip::IsALine || kind != LineKind::Tip
    }
}

/// How a tip is counted. It stands in the order's tip figure and as a row too; it is money once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tip {
    /// The rows of tips are left out, the tip figure counts.
    IsASum,
    /// The rows of tips are lines like others, the tip figure is left out.
    IsALine,
}

/// What the sums as placed say of shipping that an edit took away. No payload that shows it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// It is counted as it was placed.
    IsCounted,
    /// It is left out.
    IsLeftOut,
}

/// Whose taxes the sum of taxes holds, beside those of lines and shipping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaxOf {
    /// Nobody's.
    Rows,
    /// Those of duties and fees.
    RowsDutiesAndFees,
    /// Those of duties.
    RowsAndDuties,
    /// Those of fees.
    RowsAndFees,
}

impl TaxOf {
    const ALL: [Self; 4] = [Self::Rows, Self::RowsDutiesAndFees, Self::RowsAndDuties, Self::RowsAndFees];

    /// Whether it holds those of duties.
    pub const fn counts_duties(self) -> bool {
        matches!(self, Self::RowsDutiesAndFees | Self::RowsAndDuties)
    }

    /// Whether it holds those of fees.
    pub const fn counts_fees(self) -> bool {
        matches!(self, Self::RowsDutiesAndFees | Self::RowsAndFees)
    }
}

/// The readings that the order leaves open, the likeliest first.
fn readings(order: &Order) -> Vec<Reading> {
    let has_tip = !order.totals.tip.is_zero() || order.lines.iter().any(|line| line.kind == LineKind::Tip);
    let tips: &[Tip] = if has_tip { &[Tip::IsASum, Tip::IsALine] } else { &[Tip::IsASum] };
    let duties = order.lines.iter().flat_map(|line| &line.duties).flat_map(|duty| &duty.taxes);
    let taxed = duties.chain(order.fees.iter().flat_map(|fee| &fee.taxes)).any(|tax| !tax.price.is_zero());
    let taxes: &[TaxOf] = if taxed { &TaxOf::ALL } else { &TaxOf::ALL[..1] };
    let both = [Removed::IsCounted, Removed::IsLeftOut];
    let some_removed = order.shipping_lines.iter().any(|line| line.removed);
    let removals: &[Removed] = if some_removed { &both } else { &both[..1] };
    let mut readings = Vec::new();
    for &tip in tips {
        for &tax in taxes {
            readings.extend(removals.iter().map(|&removed| Reading { tip, tax, removed }));
        }
    }
    readings
}

/// Checks every identity on both sides and reads what the rows are worth now on `side`.
///
/// # Errors
/// All identities that break, under the reading that breaks the fewest.
pub fn check(order: &Order, side: Side) -> Result<Current, Vec<Broken>> {
    let mut fewest: Option<Vec<Broken>> = None;
    for reading in readings(order) {
        match check_as(order, side, reading) {
            Ok(current) => return Ok(current),
            Err(broken) if fewest.as_ref().is_none_or(|fewest| broken.len() < fewest.len()) => fewest = Some(broken),
            Err(_) => {}
        }
    }
    Err(fewest.unwrap_or_default())
}

fn check_as(order: &Order, wanted: Side, reading: Reading) -> Result<Current, Vec<Broken>> {
    let mut broken = Vec::new();
    let mut rows = None;
    for side in Side::BOTH {
        let mut sums = Sums { order, side, reading, broken: Vec::new() };
        sums.sane();
        if sums.broken.is_empty() {
            sums.as_placed();
            sums.as_given_back();
            if let Some(now) = sums.as_it_stands()
                && side == wanted
            {
                rows = Some(now);
            }
        }
        broken.append(&mut sums.broken);
    }
    match rows {
        Some(rows) if broken.is_empty() => Ok(rows),
        _ => Err(broken),
    }
}

/// One side of one order under one reading.
struct Sums<'a> {
    order: &'a Order,
    side: Side,
    reading: Reading,
    broken: Vec<Broken>,
}

impl Sums<'_> {
    fn on(&self, pair: &MoneyPair) -> Decimal {
        pair.on(self.side).amount()
    }

    fn maybe(&self, pair: Option<&MoneyPair>) -> Decimal {
        pair.map_or(Decimal::ZERO, |pair| self.on(pair))
    }

    fn must_be(&mut self, identity: &'static str, stated: Decimal, computed: Decimal) {
        if stated != computed {
            self.broken.push(Broken::new(identity, self.side, stated, computed));
        }
    }

    fn lines(&self) -> impl Iterator<Item = &crate::domain::order::Line> {
        let reading = self.reading;
        self.order.lines.iter().filter(move |line| reading.counts(line.kind))
    }

    /// Shipping that the sums as placed hold.
    fn shipping(&self) -> impl Iterator<Item = &crate::domain::order::ShippingLine> {
        let all = self.reading.removed == Removed::IsCounted;
        self.order.shipping_lines.iter().filter(move |line| all || !line.removed)
    }

    fn tip(&self) -> Decimal {
        match self.reading.tip {
            Tip::IsASum => self.on(&self.order.totals.tip),
            Tip::IsALine => Decimal::ZERO,
        }
    }

    /// What the tip may be worth now, the likeliest first: its rows tell what is left of it, where there are rows; a cancelled
    /// order may leave nothing of it.
    fn tips_now(&self) -> Vec<Decimal> {
        let placed = self.tip();
        let rows = || self.order.lines.iter().filter(|line| line.kind == LineKind::Tip);
        let worth = |units: fn(&crate::domain::order::Line) -> u32| -> Decimal {
            rows().map(|line| self.on(&line.price) * Decimal::from(units(line))).sum()
        };
        let mut tips = Vec::new();
        if self.reading.tip == Tip::IsASum && rows().next().is_some() && worth(|line| line.quantity) == placed {
            tips.push(worth(|line| line.current_quantity));
        }
        tips.push(placed);
        if self.order.is_cancelled() {
            tips.push(Decimal::ZERO);
        }
        tips
    }

    /// Duties that come on top of the prices.
    fn duties(&self, stated: Option<&MoneyPair>) -> Decimal {
        if self.order.duties_included { Decimal::ZERO } else { self.maybe(stated) }
    }

    /// A sum and its rows. Rows that came by an edit stand in the current sum only.
    fn must_be_one_of(&mut self, identity: &'static str, stated: [Option<&MoneyPair>; 2], computed: Decimal) {
        let [placed, now] = stated.map(|stated| self.maybe(stated));
        if computed != now {
            self.must_be(identity, placed, computed);
        }
    }

    fn tax_on_top(&self, tax: &MoneyPair) -> Decimal {
        if self.order.taxes_included { Decimal::ZERO } else { self.on(tax) }
    }

    /// What every figure must obey by itself.
    fn sane(&mut self) {
        let decimals = self.order.currency_on(self.side).decimals();
        let mut finest = Decimal::ZERO;
        let totals = &self.order.totals;
        let mut figures: Vec<Decimal> = [
            &totals.discounts,
            &totals.subtotal,
            &totals.shipping,
            &totals.tax,
            &totals.tip,
            &totals.total,
            &totals.current_subtotal,
            &totals.current_tax,
            &totals.current_total,
        ]
        .map(|pair| self.on(pair))
        .to_vec();
        let sums = [&totals.duties, &totals.fees, &totals.current_duties, &totals.current_fees];
        figures.extend(sums.map(|pair| self.maybe(pair.as_ref())));
        let charged = self.order.lines.iter().flat_map(|line| &line.duties).map(|duty| (&duty.price, &duty.taxes));
        for (price, taxes) in charged.chain(self.order.fees.iter().map(|fee| (&fee.price, &fee.taxes))) {
            figures.push(self.on(price));
            figures.extend(taxes.iter().map(|tax| self.on(&tax.price)));
        }
        for line in &self.order.lines {
            figures.push(self.on(&line.price));
            figures.extend(line.allocations.iter().map(|share| self.on(&share.amount)));
            figures.extend(line.taxes.iter().map(|tax| self.on(&tax.price)));
        }
        for line in &self.order.shipping_lines {
            figures.extend([self.on(&line.discounted), self.maybe(line.current().as_ref())]);
            figures.extend(line.taxes.iter().map(|tax| self.on(&tax.price)));
        }
        for figure in figures {
            if figure.normalize().scale() > decimals {
                finest = figure;
            }
        }
        self.must_be("decimals_of_the_currency", finest, finest.round_dp(decimals));
        for line in &self.order.lines {
            if line.current_quantity > line.quantity {
                let (now, placed) = (line.current_quantity, line.quantity);
                self.broken.push(Broken::new("current_quantity", self.side, now.into(), placed.into()));
            }
        }
    }

    /// The family `total_*`.
    fn as_placed(&mut self) {
        let totals = &self.order.totals;
        let goods: Decimal = self.lines().map(|line| self.on(&line.price) * Decimal::from(line.quantity)).sum();
        let off_lines: Decimal =
            self.lines().flat_map(|line| &line.allocations).map(|share| self.on(&share.amount)).sum();
        let off_shipping: Decimal =
            self.shipping().flat_map(|line| &line.allocations).map(|share| self.on(&share.amount)).sum();
        let shipping: Decimal = self.shipping().map(|line| self.on(&line.discounted)).sum();
        let of_rows = self.lines().flat_map(|line| &line.taxes);
        let of_rows = of_rows.chain(self.shipping().flat_map(|line| &line.taxes));
        let on_duties = self.order.lines.iter().flat_map(|line| &line.duties).flat_map(|duty| &duty.taxes);
        let on_fees = self.order.fees.iter().flat_map(|fee| &fee.taxes);
        let taxes: Decimal = of_rows
            .chain(on_duties.filter(|_| self.reading.tax.counts_duties()))
            .chain(on_fees.filter(|_| self.reading.tax.counts_fees()))
            .map(|tax| self.on(&tax.price))
            .sum();
        let duties: Decimal =
            self.order.lines.iter().flat_map(|line| &line.duties).map(|duty| self.on(&duty.price)).sum();
        let fees: Decimal = self.order.fees.iter().map(|fee| self.on(&fee.price)).sum();

        if let Some(stated) = &totals.line_items {
            self.must_be("total_line_items_price", self.on(stated), goods);
        }
        self.must_be("total_discounts", self.on(&totals.discounts), off_lines + off_shipping);
        self.must_be("subtotal_price", self.on(&totals.subtotal), goods - off_lines);
        self.must_be("total_shipping_price", self.on(&totals.shipping), shipping);
        self.must_be("total_tax", self.on(&totals.tax), taxes);
        let whole = self.on(&totals.subtotal)
            + self.on(&totals.shipping)
            + self.tax_on_top(&totals.tax)
            + self.tip()
            + self.duties(totals.duties.as_ref())
            + self.maybe(totals.fees.as_ref());
        self.must_be("total_price", self.on(&totals.total), whole);
        if !self.order.duties_included {
            let stated = [totals.duties.as_ref(), totals.current_duties.as_ref()];
            self.must_be_one_of("original_total_duties", stated, duties);
        }
        let stated = [totals.fees.as_ref(), totals.current_fees.as_ref()];
        self.must_be_one_of("original_total_additional_fees", stated, fees);
    }

    /// What went back to the customer is what the rows and adjustments of its refund say.
    ///
    /// Nothing is asked of a refund without a successful transaction: an edit that takes units away makes one, and money under way
    /// is not given back yet. In another currency than the shop's the shop's side is left out: it carries the rates of two
    /// days (GraphQL `currencyExchangeAdjustment`). Rounded cash is the payment's.
    fn as_given_back(&mut self) {
        if self.side == Side::Shop && self.order.currency != self.order.presentment_currency {
            return;
        }
        let rounded = self.maybe(self.order.totals.refund_rounding.as_ref()).abs();
        for refund in &self.order.refunds {
            let (stated, computed) =
                (self.on(&refund.paid_back), refund.explained(self.side, self.order.taxes_included));
            let gap = (stated - computed).abs();
            if !stated.is_zero() && gap != rounded {
                self.must_be("refund", stated, computed);
            }
        }
    }

    /// The family `current_*`, and what the rows are worth in it.
    fn as_it_stands(&mut self) -> Option<Current> {
        let totals = &self.order.totals;
        let shipping: Decimal = self.order.shipping_lines.iter().map(|line| self.maybe(line.current().as_ref())).sum();
        if let Some(stated) = &totals.current_shipping {
            self.must_be("current_shipping_price", self.on(stated), shipping);
        }
        let but_the_tip = self.on(&totals.current_subtotal)
            + shipping
            + self.tax_on_top(&totals.current_tax)
            + self.duties(totals.current_duties.as_ref())
            + self.maybe(totals.current_fees.as_ref());
        let (stated, tips) = (self.on(&totals.current_total), self.tips_now());
        let fitting = tips.iter().copied().find(|tip| but_the_tip + tip == stated);
        let tip = fitting.or(tips.first().copied()).unwrap_or_default();
        self.must_be("current_total_price", stated, but_the_tip + tip);
        match current(self.order, self.side, self.reading, tip) {
            Ok(rows) => Some(rows),
            Err(broken) => {
                self.broken.push(broken);
                None
            }
        }
    }
}

#[cfg(test)]
#[path = "identities_tests.rs"]
mod tests;
