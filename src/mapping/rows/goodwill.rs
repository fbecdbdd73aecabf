//! Money given back beyond any row: a negative charge for each such refund, so that the invoice comes out right.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::super::park::ParkReason;
use super::super::prorate::{Part, share};
use super::super::rules::TaxedOn;
use super::super::rules::gl::ChargeKind;
use super::super::rules::settings::{GoodwillTax, TaxMode};
use super::super::tax::{TaxKey, predicted};
use super::{Mapper, Taxed};

/// What all goodwill takes off the order.
#[derive(Debug, Default)]
pub(super) struct Off {
    /// With tax.
    pub(super) total: Decimal,
    /// The tax in it, as IFS computes it.
    pub(super) tax: Decimal,
}

impl Taxed {
    /// Tells it apart from the order's other ways of being taxed.
    fn name(&self) -> String {
        let joined = |parts: Vec<String>| if parts.is_empty() { "0".to_owned() } else { parts.join("+") };
        match &self.key {
            TaxKey::Engine => joined(self.rates.iter().map(Decimal::to_string).collect()),
            key if self.charges.is_empty() => key.to_string(),
            _ => joined(self.charges.iter().map(|(title, rate)| format!("{title}:{rate}")).collect()),
        }
    }
}

/// One refund by amount.
struct Given {
    refund_id: u64,
    /// In the order's tax basis.
    amount: Decimal,
    tax: Decimal,
    /// With tax.
    whole: Decimal,
}

impl Mapper<'_> {
    /// Adds the charges.
    ///
    /// # Errors
    /// Parks a missing charge type, and a tax that none of the order's rates comes to.
    pub(super) fn goodwill(&mut self) -> Result<Off, ParkReason> {
        let mut off = Off::default();
        for goodwill in self.order.goodwill() {
            let (amount, tax) = (goodwill.amount.on(self.side).amount(), goodwill.tax.on(self.side).amount());
            if amount.is_zero() && tax.is_zero() {
                continue;
            }
            // Without a charge type there is nothing more to ask.
            let setting = self.chosen_charge(ChargeKind::Goodwill, None, None);
            self.charge_type(setting, "charge.goodwill", &format!("refund {}", goodwill.refund_id))?;
            let whole = if self.order.taxes_included { amount } else { amount + tax };
            let given = Given { refund_id: goodwill.refund_id, amount, tax, whole };
            off.total += given.whole;
            off.tax += match self.rules.settings().goodwill_tax {
                GoodwillTax::Zero => self.as_stated(&given)?,
                GoodwillTax::Prorate => self.prorated(&given)?,
            };
        }
        Ok(off)
    }

    /// With the tax that Shopify states, which is none as a rule. Gives the tax that IFS will compute.
    fn as_stated(&mut self, given: &Given) -> Result<Decimal, ParkReason> {
        let row = format!("refund {}", given.refund_id);
        let key = format!("goodwill:{}", given.refund_id);
        let net_of_included = self.order.taxes_included && !self.tax_included;
        let amount = if net_of_included { given.amount - given.tax } else { given.amount };
        if given.tax.is_zero() {
            let tax = self.no_tax(&row, TaxedOn::Goods)?.key;
            self.goodwill_charge(key, &row, amount, &tax, Decimal::ZERO)?;
            return Ok(Decimal::ZERO);
        }
        // The rate of the order that comes to this tax.
        let comes_to = |taxed: &&Taxed| predicted(amount, &taxed.rates, self.tax_included, self.currency) == given.tax;
        let Some(taxed) = self.taxed.keys().find(comes_to).cloned() else {
            let text = format!(
                "{row} gave back {} with {} tax, which is none of the order's rates: set goodwill_tax = \"prorate\", or credit it by hand",
                given.amount, given.tax
            );
            return Err(ParkReason::money("goodwill_tax_unexplained", text));
        };
        self.goodwill_taxed(key, &row, &taxed, amount, given.tax)?;
        Ok(given.tax)
    }

    /// Shared out over the order's rates by what their rows are worth. Gives the tax that IFS will compute.
    fn prorated(&mut self, given: &Given) -> Result<Decimal, ParkReason> {
        let row = format!("refund {}", given.refund_id);
        let unit = self.currency.minor_unit();
        let units = |amount: Decimal| amount.checked_div(unit).and_then(|units| units.to_u64()).unwrap_or(0);
        let weights: Vec<(Taxed, u64)> = self
            .taxed
            .iter()
            .map(|(taxed, worth)| (taxed.clone(), units(*worth)))
            .filter(|(_, worth)| *worth > 0)
            .collect();
        let denominator: u64 = weights.iter().map(|(_, worth)| worth).sum();
        let parts: Vec<Part> = weights
            .iter()
            .map(|(_, numerator)| Part { amount: given.whole, numerator: *numerator, denominator })
            .collect();
        let Ok(shares) = share(&parts, given.whole, unit) else {
            // Nothing of the order is worth anything, so there is nothing to share it out over.
            return self.as_stated(given);
        };
        let (mut tax, mut rest) = (Decimal::ZERO, given.whole);
        for ((taxed, _), part) in weights.iter().zip(shares).filter(|(_, part)| !part.is_zero()) {
            let (amount, part_tax) = self.taken_apart(part, &taxed.rates);
            let key = format!("goodwill:{}:{}", given.refund_id, taxed.name());
            self.goodwill_taxed(key, &row, taxed, amount, part_tax)?;
            tax += part_tax;
            rest -= if self.tax_included { amount } else { amount + part_tax };
        }
        // A share that no net amount comes to leaves a minor unit.
        if !rest.is_zero() {
            let key = format!("goodwill:{}", given.refund_id);
            let no_tax = self.no_tax(&row, TaxedOn::Goods)?.key;
            self.goodwill_charge(key, &row, rest, &no_tax, Decimal::ZERO)?;
        }
        Ok(tax)
    }

    /// An amount with tax as IFS takes it, and the tax that it computes on it; at most the amount.
    fn taken_apart(&self, with_tax: Decimal, rates: &[Decimal]) -> (Decimal, Decimal) {
        let tax_of = |amount| predicted(amount, rates, self.tax_included, self.currency);
        if self.tax_included {
            return (with_tax, tax_of(with_tax));
        }
        let mut net = self.currency.round(with_tax / (Decimal::ONE + rates.iter().sum::<Decimal>()));
        while net > Decimal::ZERO && net + tax_of(net) > with_tax {
            net -= self.currency.minor_unit();
        }
        (net, tax_of(net))
    }

    /// A goodwill charge that bears tax; where taxes are charges, it takes its share off them.
    fn goodwill_taxed(
        &mut self,
        key: String,
        row: &str,
        taxed: &Taxed,
        amount: Decimal,
        tax: Decimal,
    ) -> Result<(), ParkReason> {
        if self.rules.settings().tax_mode != TaxMode::AsCharge {
            return self.goodwill_charge(key, row, amount, &taxed.key, tax);
        }
        let mut left = tax;
        for (charge, rate) in taxed.charges.iter().zip(&taxed.rates) {
            let part = predicted(amount, &[*rate], false, self.currency).min(left);
            *self.tax_charges.entry(charge.clone()).or_default() -= part;
            left -= part;
        }
        self.goodwill_charge(key, row, amount + left, &taxed.key, Decimal::ZERO)
    }

    fn goodwill_charge(
        &mut self,
        key: String,
        row: &str,
        amount: Decimal,
        tax: &TaxKey,
        expect_tax: Decimal,
    ) -> Result<(), ParkReason> {
        let setting = self.chosen_charge(ChargeKind::Goodwill, None, None);
        let charge_type = self.charge_type(setting, "charge.goodwill", row)?;
        self.charge(key, charge_type, -amount, tax, -expect_tax);
        Ok(())
    }
}
