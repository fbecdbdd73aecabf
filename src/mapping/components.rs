//! An order's money by component, the same nine on Shopify's side, on ours and in IFS, so that the three can be compared and summed
//! exactly. Amounts are in the basis in which IFS holds the order: with tax where its prices include it.

use rust_decimal::Decimal;

use super::desired::{DesiredOrder, DesiredRow};
use super::identities::{Broken, check};
use super::read::{ReadOrder, target_of};
use super::rows::tax_included;
use super::rules::Rules;
use super::written::WrittenOrder;
use crate::domain::order::{LineKind, Order};
use crate::ifs::wire::{Row, names};

/// What an order's money is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Goods before discounts. In IFS only where discounts are rows of their own.
    Lines,
    /// Discounts on goods, as they are taken off. In IFS only where they are rows of their own.
    Discounts,
    /// Goods less their discounts.
    Goods,
    /// Shipping less its discounts.
    Shipping,
    /// All taxes, whether they come on top or stand in the prices; the rows that close a rounding gap too.
    Taxes,
    /// Import duties.
    Duties,
    /// Further fees.
    Fees,
    /// Tips.
    Tips,
    /// What was given back beyond rows, with its tax, as it is taken off.
    Goodwill,
    /// Rows in IFS that are not ours.
    Foreign,
    /// The whole, with tax.
    Total,
}

impl Component {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Lines,
        Self::Discounts,
        Self::Goods,
        Self::Shipping,
        Self::Taxes,
        Self::Duties,
        Self::Fees,
        Self::Tips,
        Self::Goodwill,
        Self::Foreign,
        Self::Total,
    ];

    /// The word used in tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Discounts => "discounts",
            Self::Goods => "goods",
            Self::Shipping => "shipping",
            Self::Taxes => "taxes",
            Self::Duties => "duties",
            Self::Fees => "fees",
            Self::Tips => "tips",
            Self::Goodwill => "goodwill",
            Self::Foreign => "foreign",
            Self::Total => "total",
        }
    }

    /// The component of a word; none of an unknown one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|component| component.as_str() == word)
    }

    /// Whether it is compared by itself. Lines and discounts may stand in one price; their difference is what counts.
    pub const fn is_compared(self) -> bool {
        !matches!(self, Self::Lines | Self::Discounts)
    }
}

/// Whether a row's amount contains its tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// It does.
    WithTax,
    /// The tax comes on top.
    WithoutTax,
}

impl Basis {
    /// That of an order as IFS should hold it.
    pub fn of_desired(order: &DesiredOrder) -> Self {
        if order.expected.tax_included { Self::WithTax } else { Self::WithoutTax }
    }
}

/// One order's money by component; also the sum of several orders of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Components {
    lines: Decimal,
    discounts: Decimal,
    shipping: Decimal,
    taxes: Decimal,
    duties: Decimal,
    fees: Decimal,
    tips: Decimal,
    goodwill: Decimal,
    foreign: Decimal,
    total: Decimal,
}

impl Components {
    /// What Shopify's order is worth now; nothing of a cancelled one.
    ///
    /// # Errors
    /// The identities that do not hold: then nobody can say what it is made of.
    pub fn of_order(order: &Order, rules: &Rules) -> Result<Self, Vec<Broken>> {
        if order.is_cancelled() {
            return Ok(Self::default());
        }
        let side = rules.side();
        let now = check(order, side)?;
        // Where the prices include the tax and IFS gets them without, each row goes less its own.
        let included = tax_included(order, rules);
        let takes_off = order.taxes_included && !included;
        let less = |taxes: Decimal| if takes_off { taxes } else { Decimal::ZERO };
        let mut sums = Self::default();
        for (line, row) in order.lines.iter().zip(&now.lines) {
            let taxes: Decimal = row.taxes.iter().sum();
            sums.taxes += taxes;
            if line.kind != LineKind::Tip {
                sums.lines += row.gross - less(taxes);
                sums.discounts += row.discounts.iter().sum::<Decimal>();
            }
        }
        let mut charge = |sum: &mut Decimal, amount: Decimal, taxes: &[Decimal]| {
            let taxes: Decimal = taxes.iter().sum();
            *sum += amount - less(taxes);
            sums.taxes += taxes;
        };
        let (mut shipping, mut duties, mut fees) = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
        for row in &now.shipping {
            charge(&mut shipping, row.amount, &row.taxes);
        }
        for row in now.duties.iter().flatten() {
            charge(&mut duties, row.amount, &row.taxes);
        }
        for row in &now.fees {
            charge(&mut fees, row.amount, &row.taxes);
        }
        (sums.shipping, sums.duties, sums.fees, sums.tips) = (shipping, duties, fees, now.tip);
        for gift in order.goodwill() {
            let tax = if order.taxes_included { Decimal::ZERO } else { gift.tax.on(side).amount() };
            sums.goodwill += gift.amount.on(side).amount() + tax;
        }
        sums.total = order.totals.current_total.on(side).amount() - sums.goodwill;
        Ok(sums)
    }

    /// What IFS should hold, by our books.
    pub fn of_desired(order: &DesiredOrder) -> Self {
        let basis = Basis::of_desired(order);
        let mut sums = Self::default();
        for row in order.lines.iter().chain(&order.charges) {
            let DesiredRow { key, expect, .. } = row;
            let gross = match basis {
                Basis::WithTax => expect.amount,
                Basis::WithoutTax => expect.amount + expect.tax,
            };
            sums.add_row(Some(key), Figures { amount: expect.amount, tax: expect.tax, gross });
        }
        sums.total = order.expected.total;
        sums
    }

    /// What Shopify states of an order whose figures contradict each other: the whole alone.
    pub fn of_contradiction(order: &Order, rules: &Rules) -> Self {
        Self { total: order.totals.current_total.on(rules.side()).amount(), ..Self::default() }
    }

    /// What IFS holds; nothing of a cancelled order. A row that the base does not know is foreign.
    pub fn of_read(read: &ReadOrder, base: Option<&WrittenOrder>, basis: Basis) -> Self {
        let mut sums = Self::default();
        if read.state().is_cancelled() {
            return sums;
        }
        let key_of = |row: &Row| {
            let target = target_of(row)?;
            base?.rows.iter().find(|known| known.target == target).map(|known| known.key.as_str())
        };
        let lines = read.lines.iter().map(|row| {
            (row, Figures::read(row, basis, [names::NET_AMOUNT_CURR, names::TAX_AMOUNT_CURR, names::GROSS_AMOUNT_CURR]))
        });
        let charges = read.charges.iter().map(|row| {
            (row, Figures::read(row, basis, [names::NET_AMT_CURR, names::TAX_AMOUNT_CURRENCY, names::GROSS_AMT_CURR]))
        });
        for (row, figures) in lines.chain(charges) {
            sums.total += figures.gross;
            sums.add_row(key_of(row), figures);
        }
        sums
    }

    /// Adds a row under its key, as `mapping::desired` names rows.
    fn add_row(&mut self, key: Option<&str>, row: Figures) {
        let Some(key) = key else {
            self.foreign += row.gross;
            return;
        };
        let (kind, rest) = key.split_once(':').unwrap_or((key, ""));
        match kind {
            "goodwill" => {
                self.goodwill -= row.gross;
                return;
            }
            // Taxes that are charges, and what closes a gap of them.
            "tax" | "marketplace_tax" | "rounding" => {
                self.taxes += row.gross;
                return;
            }
            "shipping" => self.shipping += row.amount,
            "discount" if rest.starts_with("shipping:") => self.shipping += row.amount,
            "discount" => self.discounts -= row.amount,
            "duty" => self.duties += row.amount,
            "fee" => self.fees += row.amount,
            "tip" => self.tips += row.amount,
            _ => self.lines += row.amount,
        }
        self.taxes += row.tax;
    }

    /// The amount of one component.
    pub fn get(&self, component: Component) -> Decimal {
        match component {
            Component::Lines => self.lines,
            Component::Discounts => self.discounts,
            Component::Goods => self.lines - self.discounts,
            Component::Shipping => self.shipping,
            Component::Taxes => self.taxes,
            Component::Duties => self.duties,
            Component::Fees => self.fees,
            Component::Tips => self.tips,
            Component::Goodwill => self.goodwill,
            Component::Foreign => self.foreign,
            Component::Total => self.total,
        }
    }

    /// What it is made of, for keeping: what [`of_amounts`](Self::of_amounts) takes.
    pub fn amounts(&self) -> [Decimal; 10] {
        let Self { lines, discounts, shipping, taxes, duties, fees, tips, goodwill, foreign, total } = *self;
        [lines, discounts, shipping, taxes, duties, fees, tips, goodwill, foreign, total]
    }

    /// Made of what [`amounts`](Self::amounts) gave.
    pub fn of_amounts(amounts: [Decimal; 10]) -> Self {
        let [lines, discounts, shipping, taxes, duties, fees, tips, goodwill, foreign, total] = amounts;
        Self { lines, discounts, shipping, taxes, duties, fees, tips, goodwill, foreign, total }
    }

    /// Adds another order's. None when a sum has more digits than a decimal holds.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Option<Self> {
        Some(Self {
            lines: self.lines.checked_add(other.lines)?,
            discounts: self.discounts.checked_add(other.discounts)?,
            shipping: self.shipping.checked_add(other.shipping)?,
            taxes: self.taxes.checked_add(other.taxes)?,
            duties: self.duties.checked_add(other.duties)?,
            fees: self.fees.checked_add(other.fees)?,
            tips: self.tips.checked_add(other.tips)?,
            goodwill: self.goodwill.checked_add(other.goodwill)?,
            foreign: self.foreign.checked_add(other.foreign)?,
            total: self.total.checked_add(other.total)?,
        })
    }

    /// The compared components in which two differ; taxes only beyond `tax_gap`, which the settings allow IFS.
    pub fn differing(&self, other: &Self, tax_gap: Decimal) -> Vec<Component> {
        let differs = |component: &Component| {
            let gap = (self.get(*component) - other.get(*component)).abs();
            let allowed = if *component == Component::Taxes { tax_gap } else { Decimal::ZERO };
            component.is_compared() && gap > allowed
        };
        Component::ALL.into_iter().filter(differs).collect()
    }
}

/// One row's figures.
#[derive(Clone, Copy)]
struct Figures {
    /// In the order's basis.
    amount: Decimal,
    tax: Decimal,
    gross: Decimal,
}

impl Figures {
    fn read(row: &Row, basis: Basis, [net, tax, gross]: [&str; 3]) -> Self {
        let figure = |field| row.decimal(field).unwrap_or_default();
        let amount = match basis {
            Basis::WithTax => figure(gross),
            Basis::WithoutTax => figure(net),
        };
        Self { amount, tax: figure(tax), gross: figure(gross) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::super::judge::{Judgement, judge};
    use super::super::summed::figure;
    use super::*;

    #[test]
    fn shopifys_order_and_ours_come_to_the_same_in_every_component() {
        let mut compared = 0;
        for name in fixtures::names() {
            let (order, rules) = (fixtures::order(&name), fixtures::rules_of(&name));
            let Judgement::Write(desired) = judge(&order, &rules, jiff::Timestamp::UNIX_EPOCH) else { continue };
            let (theirs, ours) =
                (Components::of_order(&order, &rules).expect("it closes"), Components::of_desired(&desired));
            let gaps = theirs.differing(&ours, Decimal::ZERO);
            assert!(gaps.is_empty(), "{name}: {gaps:?} {theirs:?} {ours:?}");
            compared += 1;
        }
        assert!(compared > 40, "{compared}");
    }

    #[test]
    fn a_row_is_counted_by_its_key_and_once() {
        let row =
            |amount, tax| Figures { amount: figure(amount), tax: figure(tax), gross: figure(amount) + figure(tax) };
        let mut sums = Components::default();
        for (key, amount, tax) in [
            ("line:7", "100", "19"),
            ("bundle:ab-7", "10", "0"),
            ("discount:7:1:V19", "-5", "-0.95"),
            ("discount:shipping:9:1:V19", "-1", "-0.19"),
            ("shipping:9", "4", "0.76"),
            ("tip", "3", "0"),
            ("duty:7", "2", "0"),
            ("fee:1", "1", "0"),
            ("goodwill:5", "-8", "0"),
            ("tax:MwSt:0.19", "6", "0"),
            ("rounding", "0.01", "0"),
        ] {
            sums.add_row(Some(key), row(amount, tax));
        }
        sums.add_row(None, row("50", "9.5"));
        let shown = |component| sums.get(component).normalize().to_string();
        let expected = ["110", "5", "105", "3", "24.63", "2", "1", "3", "8", "59.5", "0"];
        assert_eq!(Component::ALL.map(shown), expected);
    }
}
