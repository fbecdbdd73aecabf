//! Shipping, tips, import duties and further fees: a charge each, quantity 1, tied to no line.

use rust_decimal::Decimal;

use super::super::current::{Current, CurrentCharge};
use super::super::packages::plus;
use super::super::park::ParkReason;
use super::super::rules::TaxedOn;
use super::super::rules::gl::ChargeKind;
use super::super::rules::settings::ShippingDiscount;
use super::Mapper;
use super::discounts::Discount;
use super::worth::Told;
use crate::domain::money::MoneyPair;
use crate::domain::order::{Duty, Line, LineKind, ShippingLine, TaxLine};

impl Mapper<'_> {
    pub(super) fn shipping(
        &mut self,
        index: usize,
        line: &ShippingLine,
        now: &CurrentCharge,
    ) -> Result<(), ParkReason> {
        if line.removed {
            return Ok(());
        }
        let id = line.id.map_or_else(|| format!("#{index}"), |id| id.to_string());
        let row = format!("shipping line {id}");
        let code = line.code.as_deref();
        let chosen = self.rules.charge_type(ChargeKind::Shipping, self.order, None, code);
        let Some(charge_type) = chosen.map(|picked| picked.value) else {
            let code = code.unwrap_or("");
            let text = format!(
                "charge.shipping has no row for \"{code}\" and no default ({row}): add one with IFS's ChargeType"
            );
            return Err(ParkReason::mapping("charge_type_missing", text));
        };
        if now.amount < Decimal::ZERO {
            let text =
                format!("{row} costs {}; nothing below 0 was expected: look at the order in Shopify", now.amount);
            return Err(ParkReason::money("negative_shipping", text));
        }
        let valued = self.worth(Told {
            row: &row,
            line: None,
            on: TaxedOn::Shipping,
            placed: line.discounted.on(self.side).amount(),
            worth: now.amount,
            taxes: &line.taxes,
            left: &now.taxes,
        })?;
        let discounts = self.shipping_discounts(line, now, valued.taken_out);
        let off: Decimal = discounts.iter().map(|discount| discount.amount).sum();
        let amounts: Vec<Decimal> =
            std::iter::once(valued.amount - off).chain(discounts.iter().map(|discount| discount.amount)).collect();
        let mut taxes = self.share_tax(&row, &valued.tax, &amounts)?.into_iter();
        let tax = taxes.next().unwrap_or_default();
        let charge_type = charge_type.to_owned();
        self.charge(format!("shipping:{id}"), &charge_type, amounts[0], &valued.tax.key, tax);
        self.discount_charges(&format!("shipping:{id}"), None, &discounts, &valued.tax.key, taxes)
    }

    /// The discounts of a shipping line as charges, where that is asked for and they explain its price to the digit: after a
    /// refund they no longer do, and the charge is what is left.
    fn shipping_discounts(
        &self,
        line: &ShippingLine,
        now: &CurrentCharge,
        taken_out: Option<Decimal>,
    ) -> Vec<Discount> {
        let on = |pair: &MoneyPair| pair.on(self.side).amount();
        let off: Vec<Decimal> = line.allocations.iter().map(|share| on(&share.amount)).collect();
        let explained = on(&line.price) - off.iter().sum::<Decimal>() == now.amount;
        match self.rules.settings().shipping_discount {
            ShippingDiscount::Charge if explained => self.as_charges(&off, taken_out),
            ShippingDiscount::Charge | ShippingDiscount::Net => Vec::new(),
        }
    }

    /// The order's tip, once: Shopify tells it as a figure and mostly as a row too.
    pub(super) fn tip(&mut self, now: &Current) -> Result<(), ParkReason> {
        if now.tip.is_zero() {
            return Ok(());
        }
        let rows = self.order.lines.iter().zip(&now.lines).filter(|(line, _)| line.kind == LineKind::Tip);
        let (taxes, left) = merged(rows.flat_map(|(line, now)| line.taxes.iter().zip(now.taxes.iter().copied())));
        let setting = ("charge.tip", self.chosen_charge(ChargeKind::Tip, None, None));
        let (on, placed, worth) = (TaxedOn::Tip, now.tip, now.tip);
        let told = Told { row: "the tip", line: None, on, placed, worth, taxes: &taxes, left: &left };
        self.paid_for("tip".to_owned(), setting, told)
    }

    /// A charge for each line's import duties that are taxed alike, and for each further fee.
    pub(super) fn duties_and_fees(&mut self, now: &Current) -> Result<(), ParkReason> {
        let order = self.order;
        for (line, now) in order.lines.iter().zip(&now.duties) {
            for (number, alike) in (1..).zip(taxed_alike(line, now)) {
                let amount: Decimal = alike.iter().map(|(_, now)| now.amount).sum();
                if amount.is_zero() {
                    continue;
                }
                let (taxes, left) =
                    merged(alike.iter().flat_map(|(duty, now)| duty.taxes.iter().zip(now.taxes.iter().copied())));
                let setting = ("charge.duty", self.chosen_charge(ChargeKind::Duty, Some(line), None));
                let suffix = if number == 1 { String::new() } else { format!("/{number}") };
                let (key, row) = (format!("duty:{}{suffix}", line.id), format!("the duty of line {}", line.id));
                let told = Told {
                    row: &row,
                    line: Some(line),
                    on: TaxedOn::Duty,
                    placed: alike.iter().map(|(duty, _)| duty.price.on(self.side).amount()).sum(),
                    worth: amount,
                    taxes: &taxes,
                    left: &left,
                };
                self.paid_for(key, setting, told)?;
            }
        }
        for (fee, now) in order.fees.iter().zip(&now.fees).filter(|(_, now)| !now.amount.is_zero()) {
            let name = format!("charge.fee.\"{}\"", fee.name);
            let setting = (name.as_str(), self.chosen_charge(ChargeKind::Fee, None, Some(&fee.name)));
            let (key, row) = (format!("fee:{}", fee.id), format!("fee {}", fee.id));
            let told = Told {
                row: &row,
                line: None,
                on: TaxedOn::Fee,
                placed: fee.price.on(self.side).amount(),
                worth: now.amount,
                taxes: &fee.taxes,
                left: &now.taxes,
            };
            self.paid_for(key, setting, told)?;
        }
        Ok(())
    }

    /// Adds the charge of something beside goods and shipping that is paid for; `setting` names its charge type, and what stands
    /// there.
    fn paid_for(&mut self, key: String, setting: (&str, Option<&str>), told: Told<'_>) -> Result<(), ParkReason> {
        let row = told.row;
        let charge_type = self.charge_type(setting.1, setting.0, row)?;
        let valued = self.worth(told)?;
        let tax = self.share_tax(row, &valued.tax, &[valued.amount])?.into_iter().sum();
        self.charge(key, charge_type, valued.amount, &valued.tax.key, tax);
        Ok(())
    }
}

/// A line's duties by the taxes that they bear, as placed, so that what is taken away moves no other to another group.
fn taxed_alike<'o>(line: &'o Line, now: &'o [CurrentCharge]) -> Vec<Vec<(&'o Duty, &'o CurrentCharge)>> {
    let mut groups: Vec<Vec<(&Duty, &CurrentCharge)>> = Vec::new();
    for (duty, now) in line.duties.iter().zip(now) {
        let alike = |group: &&mut Vec<(&Duty, &CurrentCharge)>| {
            let first = &group[0].0.taxes;
            first.len() == duty.taxes.len() && duty.taxes.iter().all(|tax| first.iter().any(|other| same(tax, other)))
        };
        match groups.iter_mut().find(alike) {
            Some(group) => group.push((duty, now)),
            None => groups.push(vec![(duty, now)]),
        }
    }
    groups
}

/// Whether two tax lines tell of one tax.
fn same(one: &TaxLine, other: &TaxLine) -> bool {
    let liable = |tax: &TaxLine| tax.channel_liable == Some(true);
    one.title == other.title && one.rate == other.rate && liable(one) == liable(other)
}

/// The taxes of one charge that stands for several rows of Shopify's: each tax once, with what remains of it in all of them.
fn merged<'t>(rows: impl Iterator<Item = (&'t TaxLine, Decimal)>) -> (Vec<TaxLine>, Vec<Decimal>) {
    let (mut taxes, mut left): (Vec<TaxLine>, Vec<Decimal>) = (Vec::new(), Vec::new());
    for (tax, amount) in rows {
        match taxes.iter().position(|known| same(known, tax)) {
            Some(place) => {
                left[place] += amount;
                taxes[place].price = plus(taxes[place].price, tax.price);
            }
            None => {
                taxes.push(tax.clone());
                left.push(amount);
            }
        }
    }
    (taxes, left)
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::order;
    use super::super::super::summed::{figure, pair, tax};
    use super::merged;

    #[test]
    fn a_tax_of_several_rows_was_as_much_as_in_all_of_them() {
        let order = order("taxes-gst-qst");
        let price = |text: &str| pair(&order, figure(text));
        let rows = [tax("GST", "0.05", price("0.00")), tax("GST", "0.05", price("0.25"))];
        let (taxes, left) = merged(rows.iter().zip([figure("0.00"), figure("0.10")]));
        assert_eq!((taxes.len(), taxes[0].price, left), (1, price("0.25"), vec![figure("0.10")]));
    }
}
