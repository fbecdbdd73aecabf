//! How discounts reach IFS: in the price, as a percent of the line, or as negative charges.

use rust_decimal::Decimal;

use super::super::current::CurrentLine;
use super::super::park::ParkReason;
use super::super::price::exact_percent;
use super::super::rules::gl::ChargeKind;
use super::super::rules::settings::DiscountMode;
use super::super::tax::TaxKey;
use super::Mapper;
use super::lines::Percent;
use super::worth::Worth;
use crate::domain::order::Line;

/// A line before it is cut into rows.
pub(super) struct Priced {
    /// What its rows come to.
    pub(super) amount: Decimal,
    /// The percent that its one row carries.
    pub(super) percent: Option<Percent>,
    /// The charges beside it.
    pub(super) discounts: Vec<Discount>,
}

/// One discount as a charge.
pub(super) struct Discount {
    /// Its place among the row's discounts, from 1.
    pub(super) number: usize,
    /// Below nothing, on IFS's basis.
    pub(super) amount: Decimal,
}

impl Mapper<'_> {
    /// Decides how a line's discounts reach IFS.
    pub(super) fn price_line(&self, line: &Line, now: &CurrentLine, valued: &Worth) -> Priced {
        let net = Priced { amount: valued.amount, percent: None, discounts: Vec::new() };
        if now.discounts.iter().all(Decimal::is_zero) {
            return net;
        }
        match self.rules.settings().discount_mode {
            DiscountMode::NetPrice => net,
            DiscountMode::Charge => {
                let discounts = self.as_charges(&now.discounts, valued.taken_out);
                let off: Decimal = discounts.iter().map(|discount| discount.amount).sum();
                Priced { amount: valued.amount - off, percent: None, discounts }
            }
            // Where IFS gets another basis than Shopify's, or nothing is left, a percent would not be exact.
            DiscountMode::Percent if valued.taken_out.is_some() || valued.amount.is_zero() => net,
            DiscountMode::Percent => {
                let price = line.price.on(self.side).amount();
                let few_decimals = price.normalize().scale() <= self.rules.settings().price_decimals;
                let percent = exact_percent(now.gross, valued.amount, self.currency).filter(|_| few_decimals);
                Priced { percent: percent.map(|percent| Percent { price, percent, left: valued.amount }), ..net }
            }
        }
    }

    /// Discounts as negative amounts on IFS's basis.
    pub(super) fn as_charges(&self, discounts: &[Decimal], taken_out: Option<Decimal>) -> Vec<Discount> {
        let on_basis = |amount: Decimal| match taken_out {
            Some(rates) => self.currency.round(amount / (Decimal::ONE + rates)),
            None => amount,
        };
        (1..)
            .zip(discounts)
            .map(|(number, amount)| Discount { number, amount: -on_basis(*amount) })
            .filter(|discount| !discount.amount.is_zero())
            .collect()
    }

    /// Adds the charges of a row's discounts; `of` names the row: a line's id, or `shipping:` and one.
    ///
    /// # Errors
    /// Parks discounts without a charge type.
    pub(super) fn discount_charges(
        &mut self,
        of: &str,
        line: Option<&Line>,
        discounts: &[Discount],
        tax: &TaxKey,
        taxes: impl Iterator<Item = Decimal>,
    ) -> Result<(), ParkReason> {
        if discounts.is_empty() {
            return Ok(());
        }
        let setting = self.chosen_charge(ChargeKind::Discount, line, None);
        let charge_type = self.charge_type(setting, "charge.discount", &format!("a discount of {of}"))?;
        for (discount, expect_tax) in discounts.iter().zip(taxes) {
            let key = format!("discount:{of}:{}:{tax}", discount.number);
            self.charge(key, charge_type, discount.amount, tax, expect_tax);
        }
        Ok(())
    }
}
