//! From Shopify's tax lines to IFS's tax code, and what IFS will compute with it.

use rust_decimal::Decimal;

use super::park::ParkReason;
use super::rules::{Rules, TaxedOn};
use crate::domain::money::Currency;
use crate::domain::order::TaxLine;

/// Where something is delivered, as far as taxes care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxPlace<'a> {
    /// ISO 3166, two letters.
    pub country: &'a str,
    /// The province's code, when there is one.
    pub region: Option<&'a str>,
}

/// The tax of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowTax<'a> {
    /// IFS's code.
    pub code: &'a str,
    /// Its rate, as a share.
    pub rate: Decimal,
    /// What Shopify states.
    pub stated: Decimal,
}

/// Finds the code for a row's taxes; `amounts` runs beside `taxes` and is what remains of each.
///
/// # Errors
/// Parks several taxes on one row, a tax without a rate, and what `tax_codes` has no row for.
pub fn row_tax<'r>(
    rules: &'r Rules,
    place: TaxPlace<'_>,
    on: TaxedOn,
    row: &str,
    taxes: &[TaxLine],
    amounts: &[Decimal],
) -> Result<RowTax<'r>, ParkReason> {
    let stated = amounts.iter().sum();
    let mut owed = taxes.iter().zip(amounts).filter(|(_, amount)| !amount.is_zero()).map(|(tax, _)| tax);
    let first = owed.next();
    if owed.next().is_some() {
        let text =
            format!("{row} carries several taxes; only one tax a row can be mapped yet: enter the order by hand");
        return Err(ParkReason::mapping("several_taxes", text));
    }
    // Without money the highest rate named still says which code it is; without a tax line it is the zero rate.
    let rate = match first {
        Some(tax) => tax.rate.ok_or_else(|| {
            let text = format!("{row} carries a tax without a rate; a rate was expected: look at the order in Shopify");
            ParkReason::mapping("tax_without_rate", text)
        })?,
        None => taxes.iter().filter_map(|tax| tax.rate).max().unwrap_or(Decimal::ZERO),
    };
    let code = rules.tax_code(place.country, place.region, rate, on, None).ok_or_else(|| {
        let region = place.region.map_or(String::new(), |region| format!(", region = \"{region}\""));
        let (country, rate, on) = (place.country, rate.normalize(), on.as_str());
        ParkReason::mapping(
            "tax_code_missing",
            format!(
                "tax_codes has no row for {row}: add {{ country = \"{country}\"{region}, rate = \"{rate}\", on = \"{on}\", code = … }}"
            ),
        )
    })?;
    Ok(RowTax { code, rate, stated })
}

/// The tax that IFS will compute on an amount: rounded half up for each row (documented for a code's own tax).
pub fn predicted(amount: Decimal, rate: Decimal, tax_included: bool, currency: Currency) -> Decimal {
    if tax_included { amount - currency.round(amount / (Decimal::ONE + rate)) } else { currency.round(amount * rate) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_is_rounded_a_row_at_a_time() {
        let euro = Currency::from_code("EUR").expect("exists");
        let rate = Decimal::new(19, 2);
        assert_eq!(predicted(Decimal::new(333, 2), rate, false, euro), Decimal::new(63, 2));
        assert_eq!(predicted(Decimal::new(999, 2), rate, true, euro), Decimal::new(160, 2));
    }
}
