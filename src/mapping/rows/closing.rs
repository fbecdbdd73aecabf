//! The rows that close the order: taxes that are charges of their own, and the named row for what rounding leaves open.

use rust_decimal::Decimal;

use super::super::park::ParkReason;
use super::super::rules::TaxedOn;
use super::{Mapper, ROUNDING};

impl Mapper<'_> {
    /// A charge for each tax (`tax_mode = "as_charge"`), and one for what marketplaces owe (`channel_liable = "clearing"`).
    ///
    /// # Errors
    /// Parks when a charge type or the code for no tax is missing.
    pub(super) fn taxes_as_charges(&mut self) -> Result<(), ParkReason> {
        let settings = self.rules.settings();
        for ((title, rate), amount) in std::mem::take(&mut self.tax_charges) {
            if amount.is_zero() {
                continue;
            }
            let row = format!("the tax {title} {rate}");
            let charge_type = self.charge_type(settings.charge.tax.as_deref(), "charge.tax", &row)?;
            let tax = self.no_tax(&row, TaxedOn::Goods)?;
            self.charge(format!("tax:{title}:{rate}"), charge_type, amount, &tax.key, Decimal::ZERO);
        }
        if !self.channel_tax.is_zero() {
            let row = "tax that a marketplace owes";
            let setting = settings.charge.marketplace_tax.as_deref();
            let charge_type = self.charge_type(setting, "charge.marketplace_tax", row)?;
            let tax = self.no_tax(row, TaxedOn::Goods)?;
            self.charge("marketplace_tax".into(), charge_type, self.channel_tax, &tax.key, Decimal::ZERO);
        }
        Ok(())
    }

    /// The named row that closes the order's rounding gap, within its bound.
    ///
    /// # Errors
    /// Parks a gap beyond `tax_gap_order`, and one that has no row to go to.
    pub(super) fn rounding(&mut self) -> Result<(), ParkReason> {
        let gap = self.tax_gap;
        if gap.is_zero() {
            return Ok(());
        }
        let bound = self.rules.tax_gap_order();
        if gap.abs() > bound {
            let text = format!(
                "Shopify's tax and what IFS will compute differ by {gap} over all rows; at most {bound} was expected: raise tax_gap_order"
            );
            return Err(ParkReason::money("tax_gap_order", text));
        }
        // With tax included the gross ties by itself; only the split differs.
        if self.tax_included {
            return Ok(());
        }
        let Some(charge_type) = &self.rules.settings().charge.rounding else {
            let text = format!("a rounding gap of {gap} has no row to go to: set charge.rounding to an IFS ChargeType");
            return Err(ParkReason::money("no_rounding_charge", text));
        };
        let tax = self.no_tax("the rounding row", TaxedOn::Goods)?;
        self.charge(ROUNDING.to_owned(), charge_type, gap, &tax.key, Decimal::ZERO);
        Ok(())
    }
}
