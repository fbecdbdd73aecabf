//! The settings about the money of an order's rows, as they are written in the configuration: charge types, tax codes, and the
//! modes in which prices, discounts and taxes reach IFS. Their checks stand below them; what they do is `mapping/rows`'.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::tax_sets::TaxSet;
use super::{Checks, MappingSettings};

/// Charge types (`ChargeType`). A kind of row without one parks the orders that hold it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChargeSettings {
    /// By Shopify's shipping code, `default` for all others.
    pub shipping: BTreeMap<String, String>,
    /// Of the row that closes a rounding gap.
    pub rounding: Option<String>,
    /// Of tips.
    pub tip: Option<String>,
    /// Of import duties.
    pub duty: Option<String>,
    /// Of further fees, by Shopify's name of the fee, `default` for all others.
    pub fee: BTreeMap<String, String>,
    /// Of the negative charges of discounts.
    pub discount: Option<String>,
    /// Of the negative charges of refunds by amount only.
    pub goodwill: Option<String>,
    /// Of tax that a marketplace owes.
    pub marketplace_tax: Option<String>,
    /// Of taxes where they are charges of their own.
    pub tax: Option<String>,
}

/// One row of `tax_codes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxCodeSetting {
    /// Country of delivery, two capitals; `*` for every country without a row of its own.
    pub country: String,
    /// Province code; without it all regions of the country.
    #[serde(default)]
    pub region: Option<String>,
    /// A share as text: "0.25" for 25 %.
    pub rate: String,
    /// Kind of row; without it all kinds.
    #[serde(default)]
    pub on: Option<TaxedOn>,
    /// Why nothing is taxed; without it any reason.
    #[serde(default)]
    pub when: Option<Untaxed>,
    /// IFS's tax code.
    pub code: String,
}

/// One row of `tax_sets`: several taxes on one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxSetSetting {
    /// IFS's `TaxCalcStructureId`.
    pub structure: String,
    /// Country of delivery, two capitals; without it every country.
    #[serde(default)]
    pub country: Option<String>,
    /// Province code; without it all regions.
    #[serde(default)]
    pub region: Option<String>,
    /// The taxes that a row must carry, in any sequence.
    pub taxes: Vec<TaxOfSet>,
}

/// One tax of a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxOfSet {
    /// As Shopify names it; without it any name.
    #[serde(default)]
    pub title: Option<String>,
    /// A share as text: "0.05" for 5 %.
    pub rate: String,
}

/// Kinds of rows that tax codes tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaxedOn {
    /// Lines.
    Goods,
    /// Shipping.
    Shipping,
    /// Tips.
    Tip,
    /// Import duties.
    Duty,
    /// Further fees.
    Fee,
    /// Gift cards that are sold.
    GiftCard,
}

impl TaxedOn {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Goods => "goods",
            Self::Shipping => "shipping",
            Self::Tip => "tip",
            Self::Duty => "duty",
            Self::Fee => "fee",
            Self::GiftCard => "gift_card",
        }
    }
}

/// Why an order's rows carry no tax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Untaxed {
    /// Shopify says that the customer owes none.
    Exempt,
    /// A company in another country of `tax_territory` owes it there.
    Reverse,
    /// It leaves `tax_territory`.
    Export,
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }
    };
}

choice!(
    /// `currency`.
    AmountCurrency {
        /// The shop's.
        Shop,
        /// The one that the customer saw.
        Presentment,
    }
);
choice!(
    /// `price_basis`.
    PriceBasis {
        /// With tax where Shopify's prices include it.
        AsShopify,
        /// Without tax: where Shopify's prices include it, a row's worth less its tax.
        Net,
    }
);
choice!(
    /// `discount_mode`.
    DiscountMode {
        /// The line's price is what is left after its discounts.
        NetPrice,
        /// The line stands at its list price, each discount is a negative charge.
        Charge,
        /// The line carries a percent where IFS comes to the same amount with it, else the net price.
        Percent,
    }
);
choice!(
    /// `uneven_line`.
    UnevenLine {
        /// One line with a price of as many decimals as it takes.
        LongPrice,
        /// Two lines with prices in whole minor units.
        Split,
    }
);
choice!(
    /// `shipping_discount`.
    ShippingDiscount {
        /// The charge is what is left after the discounts.
        Net,
        /// The charge stands at its price, each discount is a negative charge.
        Charge,
    }
);
choice!(
    /// `tax_mode`.
    TaxMode {
        /// IFS computes by the code that we send; the result is compared.
        IfsCalculates,
        /// Net prices at 0 %, and a charge for each tax.
        AsCharge,
        /// A tax engine beside IFS owns the taxes: no code is sent, the result is compared.
        External,
    }
);
choice!(
    /// `channel_liable`: taxes that a marketplace owes.
    ChannelLiable {
        /// A person decides.
        Park,
        /// They become one charge that the payout closes.
        Clearing,
    }
);
choice!(
    /// `goodwill_tax`: the tax of a refund by amount only.
    GoodwillTax {
        /// As Shopify states it, which is none as a rule.
        Zero,
        /// Shared out over the tax codes of the order's rows.
        Prorate,
    }
);

/// A checked row of `tax_codes`.
#[derive(Debug, Clone)]
pub(super) struct TaxCode {
    pub(super) country: Option<String>,
    pub(super) region: Option<String>,
    pub(super) rate: Decimal,
    pub(super) on: Option<TaxedOn>,
    pub(super) when: Option<Untaxed>,
    pub(super) code: String,
}

impl Checks {
    /// What cannot be meant among the settings about money.
    pub(super) fn money(&mut self, settings: &MappingSettings) {
        let charge = &settings.charge;
        for (key, code) in [
            ("charge.rounding", &charge.rounding),
            ("charge.tip", &charge.tip),
            ("charge.duty", &charge.duty),
            ("charge.discount", &charge.discount),
            ("charge.goodwill", &charge.goodwill),
            ("charge.marketplace_tax", &charge.marketplace_tax),
            ("charge.tax", &charge.tax),
        ] {
            if code.as_ref().is_some_and(|code| code.trim().is_empty()) {
                self.refuse(key, "", "a ChargeType of IFS, or no key at all");
            }
        }
        let needs = |wanted: bool, code: &Option<String>| wanted && code.is_none();
        let by_charge =
            settings.discount_mode == DiscountMode::Charge || settings.shipping_discount == ShippingDiscount::Charge;
        if needs(by_charge, &charge.discount) {
            self.refuse("charge.discount", "", "a ChargeType of IFS, since discounts are to be charges");
        }
        if needs(settings.tax_mode == TaxMode::AsCharge, &charge.tax) {
            self.refuse("charge.tax", "", "a ChargeType of IFS, since taxes are to be charges");
        }
        if needs(settings.channel_liable == ChannelLiable::Clearing, &charge.marketplace_tax) {
            self.refuse(
                "charge.marketplace_tax",
                "",
                "a ChargeType of IFS, since marketplaces' taxes are to be charges",
            );
        }
        for (index, country) in settings.tax_territory.iter().enumerate() {
            if !is_country(country) {
                self.refuse(format!("tax_territory[{index}]"), country, "two capitals, as \"SE\"");
            }
        }
        for (index, row) in settings.tax_codes.iter().enumerate() {
            if matches!(row.when, Some(Untaxed::Reverse | Untaxed::Export)) && settings.tax_territory.is_empty() {
                let key = format!("tax_codes[{index}].when");
                self.refuse(key, "", "tax_territory with the seller's country first, since reverse and export need it");
            }
        }
    }

    /// The checked `tax_codes`.
    pub(super) fn tax_codes(&mut self, settings: &MappingSettings) -> Vec<TaxCode> {
        let mut codes: Vec<TaxCode> = Vec::new();
        for (index, row) in settings.tax_codes.iter().enumerate() {
            let key = |field: &str| format!("tax_codes[{index}].{field}");
            if row.country != ANYWHERE && !is_country(&row.country) {
                self.refuse(key("country"), &row.country, "two capitals, as \"SE\", or \"*\" for all others");
            }
            if row.code.trim().is_empty() {
                self.refuse(key("code"), "", "an IFS tax code");
            }
            let Some(rate) = self.rate(key("rate"), &row.rate) else { continue };
            if row.when.is_some() && !rate.is_zero() {
                self.refuse(key("rate"), &row.rate, "\"0\", since `when` says why nothing is taxed");
            }
            let country = Some(row.country.clone()).filter(|country| country != ANYWHERE);
            let same = |known: &TaxCode| {
                known.country == country
                    && known.region == row.region
                    && known.rate == rate
                    && known.on == row.on
                    && known.when == row.when
            };
            if codes.iter().any(same) {
                self.refuse(key("code"), &row.code, "one code only for the same country, region, rate, kind and case");
            }
            let (region, on, when, code) = (row.region.clone(), row.on, row.when, row.code.clone());
            codes.push(TaxCode { country, region, rate, on, when, code });
        }
        codes
    }

    /// The checked `tax_sets`.
    pub(super) fn tax_sets(&mut self, settings: &MappingSettings) -> Vec<TaxSet> {
        let mut sets: Vec<TaxSet> = Vec::new();
        for (name, row) in &settings.tax_sets {
            let key = |field: &str| format!("tax_sets.{name}.{field}");
            if row.structure.trim().is_empty() {
                self.refuse(key("structure"), "", "a TaxCalcStructureId of IFS");
            }
            if let Some(country) = row.country.as_ref().filter(|country| !is_country(country)) {
                self.refuse(key("country"), country, "two capitals, as \"CA\", or no key at all");
            }
            if row.taxes.len() < 2 {
                self.refuse(
                    key("taxes"),
                    &row.taxes.len().to_string(),
                    "two taxes at least; a single one stands in tax_codes",
                );
            }
            let mut taxes = Vec::new();
            for (index, tax) in row.taxes.iter().enumerate() {
                if let Some(rate) = self.rate(key(&format!("taxes[{index}].rate")), &tax.rate) {
                    taxes.push((tax.title.clone(), rate));
                }
            }
            let same = |known: &&TaxSet| {
                known.country == row.country && known.region == row.region && same_taxes(&known.taxes, &taxes)
            };
            if let Some(known) = sets.iter().find(same) {
                self.refuse(key("taxes"), &known.structure, "taxes that no other set of the same place has");
            }
            let (country, region) = (row.country.clone(), row.region.clone());
            sets.push(TaxSet { structure: row.structure.clone(), country, region, taxes });
        }
        sets
    }

    fn rate(&mut self, key: String, text: &str) -> Option<Decimal> {
        match Decimal::from_str_exact(text) {
            Ok(rate) if !rate.is_sign_negative() && rate < Decimal::ONE => Some(rate.normalize()),
            _ => {
                self.refuse(key, text, "a share below 1 as text, \"0.25\" for 25 %");
                None
            }
        }
    }
}

/// Stands for every country in `tax_codes`.
const ANYWHERE: &str = "*";

pub(super) fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Whether two sets ask for the same taxes, whatever their sequence.
fn same_taxes(one: &[(Option<String>, Decimal)], other: &[(Option<String>, Decimal)]) -> bool {
    let mut left: Vec<_> = other.iter().collect();
    one.len() == other.len()
        && one.iter().all(|tax| left.iter().position(|known| *known == tax).map(|at| left.remove(at)).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures;
    use crate::mapping::rules::Rules;

    #[test]
    fn what_a_mode_needs_is_asked_for() {
        let mut settings = fixtures::settings();
        settings.discount_mode = DiscountMode::Charge;
        settings.tax_mode = TaxMode::AsCharge;
        settings.channel_liable = ChannelLiable::Clearing;
        settings.charge = ChargeSettings { tip: Some(" ".into()), ..ChargeSettings::default() };
        settings.tax_codes = vec![TaxCodeSetting { when: Some(Untaxed::Export), ..fixtures::tax_code("*", "0", "X") }];
        let errors = Rules::new(settings).expect_err("much is missing");
        let mut keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        keys.sort_unstable();
        let expected = ["charge.discount", "charge.marketplace_tax", "charge.tax", "charge.tip", "tax_codes[0].when"];
        assert_eq!(keys, expected);
    }

    #[test]
    fn the_same_set_twice_is_refused() {
        let mut settings = fixtures::settings();
        let tax = |rate: &str| TaxOfSet { title: None, rate: rate.into() };
        let set = |rates: [&str; 2]| TaxSetSetting {
            structure: "S".into(),
            country: None,
            region: None,
            taxes: rates.map(tax).to_vec(),
        };
        settings.tax_sets = BTreeMap::from([("a".into(), set(["0.05", "0.07"])), ("b".into(), set(["0.07", "0.05"]))]);
        let errors = Rules::new(settings).expect_err("both ask for the same");
        assert_eq!(errors[0].key, "tax_sets.b.taxes");
    }
}
