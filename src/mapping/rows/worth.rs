//! What a row of Shopify's is worth in IFS's terms: its amount on the basis that IFS gets, its tax without the taxes that are not
//! IFS's to compute, and how Shopify's tax is shared out where one row becomes several.

use rust_decimal::Decimal;

use super::super::park::ParkReason;
use super::super::rules::TaxedOn;
use super::super::rules::gl::Choice;
use super::super::rules::settings::{ChannelLiable, TaxMode};
use super::super::tax::{Base, RowTax, Stated, borne, predicted, row_tax};
use super::{Mapper, Taxed};
use crate::domain::order::{Line, TaxLine};

/// A row of Shopify's.
pub(super) struct Told<'a> {
    /// Its name in sentences.
    pub(super) row: &'a str,
    /// The line that it is, or belongs to.
    pub(super) line: Option<&'a Line>,
    /// What kind of row it is.
    pub(super) on: TaxedOn,
    /// What it was worth as placed, in the order's tax basis: its taxes stand in the payload for that.
    pub(super) placed: Decimal,
    /// What it is worth now, in the same basis.
    pub(super) worth: Decimal,
    /// Its taxes as placed.
    pub(super) taxes: &'a [TaxLine],
    /// Beside `taxes`: what remains of each.
    pub(super) left: &'a [Decimal],
}

/// A row of Shopify's as IFS sees it.
pub(super) struct Worth {
    /// On IFS's basis.
    pub(super) amount: Decimal,
    /// What IFS computes.
    pub(super) tax: RowTax,
    /// Every rate that the amount was freed from, where IFS gets another basis than Shopify's; none where it gets the same.
    pub(super) taken_out: Option<Decimal>,
}

impl Mapper<'_> {
    /// Reads a row's worth and taxes. Taxes that become charges are noted.
    ///
    /// # Errors
    /// As [`row_tax`], and taxes that a marketplace owes where they are not to be cleared.
    pub(super) fn worth(&mut self, told: Told<'_>) -> Result<Worth, ParkReason> {
        let Told { row, line, on, placed, worth, taxes, left } = told;
        let base = Base { amount: placed, tax_included: self.order.taxes_included, currency: self.currency };
        let owed = borne(taxes, left, base, self.side, self.place);
        // 1. Taxes that a marketplace owes are not the seller's: a charge of their own. Also one that rounds to nothing.
        let (channels, ours): (Vec<_>, Vec<_>) =
            owed.into_iter().partition(|(tax, _)| tax.channel_liable == Some(true));
        let sum = |taxes: &[(&TaxLine, Decimal)]| taxes.iter().map(|(_, amount)| *amount).sum::<Decimal>();
        let rates = |taxes: &[(&TaxLine, Decimal)]| taxes.iter().filter_map(|(tax, _)| tax.rate).sum::<Decimal>();
        let channel = sum(&channels);
        if !channel.is_zero() && self.rules.settings().channel_liable == ChannelLiable::Park {
            let text = format!(
                "{row} bears {channel} tax that a marketplace owes: set channel_liable = \"clearing\", or enter the order by hand"
            );
            return Err(ParkReason::mapping("channel_liable_tax", text));
        }
        self.channel_tax += channel;
        // 2. The amount on IFS's basis.
        let stated = sum(&ours);
        let amount = match (self.order.taxes_included, self.tax_included) {
            (true, false) => worth - channel - stated,
            (true, true) => worth - channel,
            (false, _) => worth,
        };
        let same_basis = !self.order.taxes_included || (self.tax_included && channel.is_zero());
        let taken_out = (!same_basis).then(|| {
            // Only the marketplace's tax is out where the others stay in.
            rates(&channels) + if self.tax_included { Decimal::ZERO } else { rates(&ours) }
        });
        // 3. What IFS is told.
        let as_charge = self.rules.settings().tax_mode == TaxMode::AsCharge;
        let mut charges: Vec<(String, String)> = Vec::new();
        if as_charge {
            for (tax, amount) in &ours {
                *self.tax_charges.entry(charge_of(tax)).or_default() += *amount;
                charges.push(charge_of(tax));
            }
            charges.sort();
        }
        let computed: &[(&TaxLine, Decimal)] = if as_charge { &[] } else { &ours };
        let tax = row_tax(self.rules, self.place, &Stated { row, on, taxes: computed }, |rate| {
            let chosen = self.rules.choose(Choice::TaxCode(rate), self.order, line)?;
            Some(chosen.value.to_owned())
        })?;
        // 4. For goodwill that is shared out.
        let with_tax = if self.order.taxes_included { worth - channel } else { worth + stated };
        let rates = if as_charge {
            charges.iter().filter_map(|(_, rate)| Decimal::from_str_exact(rate).ok()).collect()
        } else {
            tax.rates.clone()
        };
        *self.taxed.entry(Taxed { key: tax.key.clone(), rates, charges }).or_default() += with_tax;
        Ok(Worth { amount, tax, taken_out })
    }

    /// A row without tax: IFS's code for that.
    ///
    /// # Errors
    /// Parks when `tax_codes` has no row for nothing.
    pub(super) fn no_tax(&self, row: &str, on: TaxedOn) -> Result<RowTax, ParkReason> {
        row_tax(self.rules, self.place, &Stated { row, on, taxes: &[] }, |_| None)
    }

    /// Shares Shopify's tax of one row out over the rows that it becomes in IFS, as IFS will compute each; the first bears the gap.
    ///
    /// # Errors
    /// Parks a gap beyond `tax_gap_line`, before anything is written.
    pub(super) fn share_tax(
        &mut self,
        row: &str,
        tax: &RowTax,
        amounts: &[Decimal],
    ) -> Result<Vec<Decimal>, ParkReason> {
        let mut shares: Vec<Decimal> =
            amounts.iter().map(|amount| predicted(*amount, &tax.rates, self.tax_included, self.currency)).collect();
        let computed: Decimal = shares.iter().sum();
        let gap = tax.stated - computed;
        if let Some(first) = shares.first_mut() {
            *first += gap;
        }
        if self.rules.settings().tax_mode == TaxMode::External {
            return Ok(shares);
        }
        let bound = self.rules.tax_gap_line();
        if gap.abs() > bound {
            let (stated, key) = (tax.stated, &tax.key);
            let text = format!(
                "{row}: Shopify says {stated} tax, IFS will compute {computed} with {key}; at most {bound} was expected between them: raise tax_gap_line, or correct tax_codes"
            );
            return Err(ParkReason::money("tax_gap_line", text));
        }
        self.tax_gap += gap;
        Ok(shares)
    }
}

/// Title and rate of a tax, as its charge is named.
pub(super) fn charge_of(tax: &TaxLine) -> (String, String) {
    let rate = tax.rate.map_or_else(String::new, |rate| rate.normalize().to_string());
    (tax.title.clone(), rate)
}
