//! From Shopify's tax lines to IFS's tax code or structure, and what IFS will compute with it.

use rust_decimal::Decimal;

use super::address::country;
use super::park::ParkReason;
use super::rules::settings::TaxMode;
use super::rules::{Rules, TaxedOn, Territory, Untaxed};
use crate::domain::money::{Currency, Side};
use crate::domain::order::{Order, TaxLine};

/// Where something is delivered, as far as taxes care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaxPlace<'a> {
    /// ISO 3166, two letters.
    pub country: &'a str,
    /// The province's code, when there is one.
    pub region: Option<&'a str>,
    /// Why nothing may be taxed there, the strongest reason first.
    pub untaxed: &'a [Untaxed],
}

/// How IFS is told which taxes a row bears.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaxKey {
    /// One code (`TaxCode`).
    Code(String),
    /// Several codes by a structure (`TaxCalcStructureId`).
    Structure(String),
    /// Nothing is sent: a tax engine beside IFS knows.
    Engine,
}

impl std::fmt::Display for TaxKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => f.write_str(code),
            Self::Structure(structure) => f.write_str(structure),
            Self::Engine => f.write_str("engine"),
        }
    }
}

/// The tax of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowTax {
    /// What IFS is sent.
    pub key: TaxKey,
    /// The rates behind it, as shares; none for nothing.
    pub rates: Vec<Decimal>,
    /// What Shopify states.
    pub stated: Decimal,
}

/// What Shopify computed a row's taxes on.
#[derive(Debug, Clone, Copy)]
pub struct Base {
    /// The row's worth as placed, in the order's tax basis.
    pub amount: Decimal,
    /// Whether that contains the taxes.
    pub tax_included: bool,
    /// Its currency.
    pub currency: Currency,
}

impl Base {
    /// Whether one of several rates rounds to nothing here.
    fn rounds_away(self, rate: Decimal, rates: &[Decimal]) -> bool {
        comes_to(rate, self.amount, rates, self.tax_included, self.currency).is_zero()
    }
}

/// One row's taxes as Shopify tells them, and what remains of each.
#[derive(Debug, Clone, Copy)]
pub struct Stated<'a> {
    /// The row's name in sentences.
    pub row: &'a str,
    /// What kind of row it is.
    pub on: TaxedOn,
    /// The taxes that it bears, and what remains of each.
    pub taxes: &'a [(&'a TaxLine, Decimal)],
}

/// The country and region that an order is taxed in.
///
/// # Errors
/// Parks an address without a country, and what a till sold where nothing says in which country the till stands.
pub fn place<'a>(order: &'a Order, rules: &'a Rules) -> Result<(&'a str, Option<&'a str>), ParkReason> {
    if !order.is_till_sale() {
        // An order without any address parks for that.
        let Some(to) = order.delivery_address() else { return Ok(("", None)) };
        return Ok((country(to)?, to.province_code.as_deref()));
    }
    match rules.place(order) {
        Some(place) => Ok(place),
        // Nobody asks for a code.
        None if rules.settings().tax_mode == TaxMode::External => Ok(("", None)),
        None => {
            let location = order.location_id.map_or_else(|| "LOCATION".into(), |location| location.to_string());
            let text = format!(
                "the order was sold at a till and nothing says in which country that stands: set sites.{location}.country, or the seller's own country as the first of tax_territory"
            );
            Err(ParkReason::mapping("till_country_missing", text))
        }
    }
}

/// Why an order may be without tax, the strongest reason first.
pub fn untaxed(order: &Order, rules: &Rules, country: &str) -> Vec<Untaxed> {
    let territory = rules.tax_territory(country);
    let export = (territory == Some(Territory::Outside)).then_some(Untaxed::Export);
    let reverse = (territory == Some(Territory::Inside) && order.company.is_some()).then_some(Untaxed::Reverse);
    let exempt = order.tax_exempt.then_some(Untaxed::Exempt);
    [export, reverse, exempt].into_iter().flatten().collect()
}

/// The taxes that a row really bears, and what remains of each; the others are told and not owed.
///
/// A tax that was nothing as placed is owed where its rate rounds to nothing there: a free gift keeps the code of its kind. One
/// that was something is owed too where rounding leaves nothing of it to the units that remain.
pub fn borne<'t>(
    taxes: &'t [TaxLine],
    left: &[Decimal],
    base: Base,
    side: Side,
    place: TaxPlace<'_>,
) -> Vec<(&'t TaxLine, Decimal)> {
    let rates: Vec<Decimal> = taxes.iter().filter_map(|tax| tax.rate).filter(|rate| !rate.is_zero()).collect();
    let exempt = place.untaxed.contains(&Untaxed::Exempt);
    let rounded_away = |tax: &TaxLine| {
        let by_rate = || tax.rate.is_some_and(|rate| !rate.is_zero() && base.rounds_away(rate, &rates));
        !tax.price.on(side).is_zero() || by_rate()
    };
    let told = taxes.iter().zip(left.iter().copied());
    told.filter(|&(tax, left)| !left.is_zero() || (!exempt && rounded_away(tax))).collect()
}

/// Finds what a row's taxes are called in IFS; `chosen` is what the GL rules have for a rate.
///
/// # Errors
/// Parks a tax without a rate, several taxes that `tax_sets` does not have, and what `tax_codes` has no row for.
pub fn row_tax(
    rules: &Rules,
    place: TaxPlace<'_>,
    stated: &Stated<'_>,
    chosen: impl Fn(Decimal) -> Option<String>,
) -> Result<RowTax, ParkReason> {
    let code = |rate: Decimal| match chosen(rate) {
        Some(chosen) => Ok(chosen),
        None => code(rules, place, stated, rate).map(str::to_owned),
    };
    let sum = stated.taxes.iter().map(|(_, amount)| *amount).sum();
    let mut named = Vec::new();
    for (tax, _) in stated.taxes {
        named.push((tax.title.as_str(), rate_of(tax, stated.row)?));
    }
    let mut rates: Vec<Decimal> = named.iter().map(|(_, rate)| *rate).collect();
    let key = match (rules.settings().tax_mode, named.as_slice()) {
        (TaxMode::External, _) => TaxKey::Engine,
        (TaxMode::IfsCalculates | TaxMode::AsCharge, []) => TaxKey::Code(code(Decimal::ZERO)?),
        (TaxMode::IfsCalculates | TaxMode::AsCharge, [(_, rate)]) => TaxKey::Code(code(*rate)?),
        (TaxMode::IfsCalculates | TaxMode::AsCharge, several) => {
            TaxKey::Structure(structure(rules, place, stated, several)?.to_owned())
        }
    };
    // One structure is one way of being taxed, in whatever sequence its taxes are told.
    if matches!(key, TaxKey::Structure(_)) {
        rates.sort_unstable();
    }
    Ok(RowTax { key, rates, stated: sum })
}

fn rate_of(tax: &TaxLine, row: &str) -> Result<Decimal, ParkReason> {
    tax.rate.map(|rate| rate.normalize()).ok_or_else(|| {
        let text = format!("{row} carries a tax without a rate; a rate was expected: look at the order in Shopify");
        ParkReason::mapping("tax_without_rate", text)
    })
}

fn code<'r>(rules: &'r Rules, place: TaxPlace<'_>, stated: &Stated<'_>, rate: Decimal) -> Result<&'r str, ParkReason> {
    let why: &[Untaxed] = if rate.is_zero() { place.untaxed } else { &[] };
    rules.tax_code(place.country, place.region, rate, stated.on, why).ok_or_else(|| {
        let region = place.region.map_or(String::new(), |region| format!(", region = \"{region}\""));
        let (row, country, rate, on) = (stated.row, place.country, rate.normalize(), stated.on.as_str());
        ParkReason::mapping(
            "tax_code_missing",
            format!(
                "tax_codes has no row for {row}: add {{ country = \"{country}\"{region}, rate = \"{rate}\", on = \"{on}\", code = … }}"
            ),
        )
    })
}

fn structure<'r>(
    rules: &'r Rules,
    place: TaxPlace<'_>,
    stated: &Stated<'_>,
    taxes: &[(&str, Decimal)],
) -> Result<&'r str, ParkReason> {
    rules.tax_structure(place.country, place.region, taxes).ok_or_else(|| {
        let listed: Vec<String> =
            taxes.iter().map(|(title, rate)| format!("{{ title = \"{title}\", rate = \"{rate}\" }}")).collect();
        let (row, country, taxes) = (stated.row, place.country, listed.join(", "));
        ParkReason::mapping(
            "tax_set_missing",
            format!(
                "tax_sets has no set for the taxes of {row}: add NAME = {{ structure = …, country = \"{country}\", taxes = [{taxes}] }}"
            ),
        )
    })
}

/// The tax that IFS will compute on an amount: several rates count on one base, and each one's amount is rounded half up by
/// itself (documented).
pub fn predicted(amount: Decimal, rates: &[Decimal], tax_included: bool, currency: Currency) -> Decimal {
    rates.iter().map(|rate| comes_to(*rate, amount, rates, tax_included, currency)).sum()
}

/// What one tax comes to on an amount; `rates` are those of all its taxes.
fn comes_to(rate: Decimal, amount: Decimal, rates: &[Decimal], tax_included: bool, currency: Currency) -> Decimal {
    let whole = Decimal::ONE + rates.iter().sum::<Decimal>();
    match (tax_included, rates) {
        (true, [_]) => amount - currency.round(amount / whole),
        (true, _) => currency.round(amount * rate / whole),
        (false, _) => currency.round(amount * rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(text: &str) -> Decimal {
        Decimal::from_str_exact(text).expect("a test's figure")
    }

    #[test]
    fn tax_is_rounded_a_row_at_a_time() {
        let euro = Currency::from_code("EUR").expect("exists");
        let rate = [figure("0.19")];
        assert_eq!(predicted(figure("3.33"), &rate, false, euro), figure("0.63"));
        assert_eq!(predicted(figure("9.99"), &rate, true, euro), figure("1.60"));
        assert_eq!(predicted(figure("9.99"), &[], true, euro), Decimal::ZERO);
    }

    #[test]
    fn several_taxes_count_on_one_base_and_are_rounded_each() {
        let dollar = Currency::from_code("CAD").expect("exists");
        let quebec = [figure("0.05"), figure("0.09975")];
        // 0.045 and 0.089775: 0.05 + 0.09; in one go it would be 0.13.
        assert_eq!(predicted(figure("0.90"), &quebec, false, dollar), figure("0.14"));
        assert_eq!(predicted(figure("114.98"), &quebec, true, dollar), figure("14.98"));
    }
}
