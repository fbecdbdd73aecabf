//! What a variant costs in the shop, by IFS's price. A price that is gone, is nothing, or moves too far is a person's.

use rust_decimal::Decimal;

use super::settings::{PriceSettings, PriceSource, PriceTax};
use crate::domain::money::{Currency, Money};
use crate::domain::stock::SalesPart;
use crate::mapping::park::ParkReason;
use crate::mapping::rules::{Checks, RuleError};

/// The checked rules of one connection's prices.
#[derive(Debug, Clone)]
pub struct PriceRules {
    settings: PriceSettings,
    change_percent_max: Decimal,
    currency: Option<Currency>,
    lists: Vec<PriceList>,
}

/// A market's price list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceList {
    /// Shopify's number of it.
    pub id: u64,
    /// The customer in IFS whose prices it has.
    pub customer_no: String,
    /// Its currency.
    pub currency: Currency,
    /// Whether its prices have their tax in them.
    pub tax: PriceTax,
}

/// A price as IFS gives it for one unit that is sold, as of the day on which it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfsPrice {
    /// With or without tax, as asked for; none where IFS has none.
    pub amount: Option<Decimal>,
    /// ISO 4217, as IFS says it; none where it says none.
    pub currency: Option<String>,
}

/// What a price stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The currency of its list.
    pub currency: Currency,
    /// What it is; none where a price list fixes nothing.
    pub shown: Option<Decimal>,
    /// What the variant costs in the shop itself, where that may be compared: in the same currency, and with or without tax alike.
    pub own: Option<Decimal>,
}

/// What becomes of one price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PricePlan {
    /// The shop has it already.
    Keep,
    /// The shop gets it.
    Change(Money),
    /// A person decides; the shop's stays.
    Park(ParkReason),
}

impl PriceRules {
    /// Checks settings; all errors at once.
    ///
    /// # Errors
    /// One [`RuleError`] for each setting that cannot be meant.
    pub fn new(settings: PriceSettings) -> Result<Self, Vec<RuleError>> {
        let mut checks = Checks(Vec::new());
        let percent = Decimal::from_str_exact(&settings.change_percent_max).ok();
        let percent = percent.filter(|percent| (Decimal::ZERO..=Decimal::ONE_THOUSAND).contains(percent));
        if percent.is_none() {
            checks.refuse("prices.change_percent_max", &settings.change_percent_max, "percent from \"0\" to \"1000\"");
        }
        let currency = Currency::from_code(&settings.currency);
        if currency.is_none() && (settings.source != PriceSource::Off || !settings.currency.is_empty()) {
            checks.refuse("prices.currency", &settings.currency, "the currency of the shop's prices, as \"EUR\"");
        }
        if !settings.list_currency.is_empty() && Currency::from_code(&settings.list_currency).is_none() {
            checks.refuse("prices.list_currency", &settings.list_currency, "a currency as \"EUR\", or \"\"");
        }
        if settings.source == PriceSource::PriceQuery && settings.customer_no.trim().is_empty() {
            checks.refuse("prices.customer_no", "", "the customer in IFS whose prices they are");
        }
        if settings.at_hour > 23 {
            checks.refuse("prices.at_hour", &settings.at_hour.to_string(), "0 to 23");
        }
        let lists = lists(&mut checks, &settings);
        match percent {
            Some(change_percent_max) if checks.0.is_empty() => {
                Ok(Self { settings, change_percent_max, currency, lists })
            }
            _ => Err(checks.0),
        }
    }

    /// The settings as they were written.
    pub fn settings(&self) -> &PriceSettings {
        &self.settings
    }

    /// The currency of the shop's own prices; none where they do not come from IFS.
    pub fn currency(&self) -> Option<Currency> {
        self.currency
    }

    /// The price lists of markets.
    pub fn lists(&self) -> &[PriceList] {
        &self.lists
    }

    /// The list price of a sales part, with or without tax as the shop's prices are.
    pub fn of_part(&self, part: &SalesPart) -> IfsPrice {
        let listed = match self.settings.tax {
            PriceTax::Included => part.list_price_incl_tax,
            PriceTax::Excluded => part.list_price,
        };
        let amount = listed.and_then(|price| of_one(part, price));
        let own = Some(self.settings.list_currency.clone()).filter(|code| !code.is_empty());
        IfsPrice { amount, currency: part.currency.clone().or(own) }
    }

    /// What becomes of a price. Where a price list fixes none yet, the first one may not be far from the shop's own; where that cannot be
    /// compared there is nothing that it could be far from. `accepted` is what a person let through for it.
    pub fn plan(
        &self,
        catalog_no: &str,
        Standing { currency, shown, own }: Standing,
        price: &IfsPrice,
        accepted: Option<Decimal>,
    ) -> PricePlan {
        let park = |code: &'static str, text: String| PricePlan::Park(ParkReason::money(code, text));
        // 1. Whether it is a price at all, and one of this currency.
        let Some(amount) = price.amount else {
            let text = format!("IFS has no price of {catalog_no}: enter one, or leave it to the shop");
            return park("price_missing", text);
        };
        if price.currency.as_deref() != Some(currency.code()) {
            let found = price.currency.as_deref().unwrap_or("none");
            let text = format!("IFS's price of {catalog_no} is in {found}, the shop's in {currency}");
            return park("price_currency", text);
        }
        // 2. Whether the shop has it.
        let wanted = Money::new(currency.round(amount), currency);
        let money = |amount| Money::new(amount, currency);
        let (shown, own) = (shown.map(money), own.map(money));
        if shown == Some(wanted) {
            return PricePlan::Keep;
        }
        // 3. Whether it may go by itself.
        if accepted.is_some_and(|accepted| accepted == wanted.amount()) && !wanted.amount().is_sign_negative() {
            return PricePlan::Change(wanted);
        }
        if wanted.amount() <= Decimal::ZERO {
            let text = format!("{catalog_no} would cost {wanted}{}: accept it, or mend it in IFS", instead_of(shown));
            return park("price_zero", text);
        }
        if shown.or(own).is_some_and(|stands| !self.is_small(stands.amount(), wanted.amount())) {
            let beside = own.filter(|_| shown.is_none());
            let instead = beside.map_or_else(|| instead_of(shown), |own| format!(" beside {own} in the shop itself"));
            let bound = format!("more than {} % apart", self.change_percent_max);
            let text = format!("{catalog_no} would cost {wanted}{instead}, {bound}: accept it, or mend it in IFS");
            return park("price_change", text);
        }
        PricePlan::Change(wanted)
    }

    /// Whether two prices lie within the bound of each other, in percent of the one that stands. What cannot be computed does not.
    fn is_small(&self, stands: Decimal, wanted: Decimal) -> bool {
        let moved = (wanted - stands).abs().checked_mul(Decimal::ONE_HUNDRED);
        let most = stands.checked_mul(self.change_percent_max);
        matches!((moved, most), (Some(moved), Some(most)) if moved <= most)
    }
}

/// What one unit that is sold costs, from the price of one unit of the price; none where IFS does not say how many of those it has.
pub fn of_one(part: &SalesPart, price: Decimal) -> Option<Decimal> {
    let conversion = Some(part.price_conversion).filter(|conversion| !conversion.is_zero());
    price.checked_mul(conversion?)
}

fn instead_of(shown: Option<Money>) -> String {
    shown.map_or_else(String::new, |shown| format!(" instead of {shown}"))
}

fn lists(checks: &mut Checks, settings: &PriceSettings) -> Vec<PriceList> {
    let mut lists = Vec::new();
    for (name, row) in &settings.price_lists {
        let key = |key: &str| format!("prices.price_lists.{name}.{key}");
        // 0 stands for the shop's own prices.
        let id = name.parse::<u64>().ok().filter(|id| *id > 0);
        let currency = Currency::from_code(&row.currency);
        if id.is_none() {
            checks.refuse(format!("prices.price_lists.{name}"), name, "Shopify's number of a price list");
        }
        if currency.is_none() {
            checks.refuse(key("currency"), &row.currency, "the price list's currency, as \"SEK\"");
        }
        if row.customer_no.trim().is_empty() {
            checks.refuse(key("customer_no"), "", "the customer in IFS whose prices they are");
        }
        if let (Some(id), Some(currency)) = (id, currency) {
            lists.push(PriceList { id, customer_no: row.customer_no.clone(), currency, tax: row.tax });
        }
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euro() -> Currency {
        Currency::from_code("EUR").expect("exists")
    }

    fn figure(text: &str) -> Decimal {
        Decimal::from_str_exact(text).expect("a test's figure")
    }

    fn rules() -> PriceRules {
        let settings =
            PriceSettings { source: PriceSource::SalesPart, currency: "EUR".into(), ..PriceSettings::default() };
        PriceRules::new(settings).expect("legal")
    }

    fn price(amount: &str) -> IfsPrice {
        IfsPrice { amount: Some(figure(amount)), currency: Some("EUR".into()) }
    }

    fn plan(current: &str, price: &IfsPrice, accepted: Option<&str>) -> PricePlan {
        let standing = Standing { currency: euro(), shown: Some(figure(current)), own: None };
        rules().plan("CUP", standing, price, accepted.map(figure))
    }

    fn parked(plan: PricePlan) -> &'static str {
        match plan {
            PricePlan::Park(reason) => reason.code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_price_goes_where_it_moves_little() {
        let change = |text| PricePlan::Change(Money::new(figure(text), euro()));
        assert_eq!(plan("10.00", &price("10"), None), PricePlan::Keep);
        assert_eq!(plan("10.00", &price("10.004"), None), PricePlan::Keep, "rounded to cents");
        assert_eq!(plan("10.00", &price("13"), None), change("13"));
        assert_eq!(plan("10.00", &price("7"), None), change("7"));
        assert_eq!(parked(plan("10.00", &price("13.01"), None)), "price_change");
        assert_eq!(parked(plan("10.00", &price("6.99"), None)), "price_change");
        assert_eq!(parked(plan("0", &price("5"), None)), "price_change", "of nothing everything is far");
    }

    #[test]
    fn a_price_where_there_was_none_goes_unless_it_is_nothing_or_far_from_the_shops_own() {
        let first = |amount, own: Option<&str>| {
            let standing = Standing { currency: euro(), shown: None, own: own.map(figure) };
            rules().plan("CUP", standing, &price(amount), None)
        };
        let change = |text| PricePlan::Change(Money::new(figure(text), euro()));
        assert_eq!(first("13", None), change("13"));
        assert_eq!(parked(first("0", None)), "price_zero");
        assert_eq!(first("13", Some("10")), change("13"));
        assert_eq!(first("10", Some("10")), change("10"), "the list has none yet");
        let PricePlan::Park(reason) = first("13.01", Some("10")) else { panic!("it is far") };
        let text = "CUP would cost 13.01 EUR beside 10.00 EUR in the shop itself, more than 30 % apart";
        assert!(reason.code == "price_change" && reason.text.starts_with(text), "{reason:?}");
        // What the list has already is what counts.
        let standing = Standing { currency: euro(), shown: Some(figure("13")), own: Some(figure("10")) };
        assert_eq!(rules().plan("CUP", standing, &price("14"), None), change("14"));
    }

    #[test]
    fn what_a_person_accepted_goes_and_nothing_else() {
        let change = |text| PricePlan::Change(Money::new(figure(text), euro()));
        assert_eq!(plan("10.00", &price("20"), Some("20.00")), change("20"));
        assert_eq!(parked(plan("10.00", &price("21"), Some("20"))), "price_change");
        assert_eq!(parked(plan("10.00", &price("0"), None)), "price_zero");
        assert_eq!(plan("10.00", &price("0"), Some("0")), change("0"));
        assert_eq!(parked(plan("10.00", &price("-1"), Some("-1"))), "price_zero");
    }

    #[test]
    fn nothing_is_converted_or_guessed() {
        let none = IfsPrice { amount: None, ..price("1") };
        assert_eq!(parked(plan("10.00", &none, None)), "price_missing");
        for currency in [None, Some("SEK".to_owned())] {
            let other = IfsPrice { currency, ..price("10") };
            assert_eq!(parked(plan("10.00", &other, None)), "price_currency");
        }
    }

    #[test]
    fn a_sales_part_gives_the_price_of_one_unit_with_or_without_tax() {
        let part = SalesPart {
            catalog_no: "BOX".into(),
            part_no: None,
            conversion: Decimal::ONE,
            price_conversion: Decimal::from(12),
            is_active: true,
            list_price: Some(figure("1")),
            list_price_incl_tax: Some(figure("1.25")),
            currency: None,
        };
        let of = |tax| {
            let settings = PriceSettings { tax, list_currency: "EUR".into(), ..rules().settings().clone() };
            PriceRules::new(settings).expect("legal").of_part(&part)
        };
        assert_eq!(of(PriceTax::Included), price("15"));
        assert_eq!(of(PriceTax::Excluded), price("12"));
        assert_eq!(rules().of_part(&part).currency, None, "nobody said which");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_all_at_once() {
        let settings: PriceSettings = toml::from_str(
            r#"
            source = "price_query"
            list_currency = "euro"
            change_percent_max = "much"
            at_hour = 24
            [price_lists]
            nordic = { customer_no = "", currency = "XXY", tax = "included" }
            0 = { customer_no = "WEB", currency = "SEK", tax = "included" }
            "#,
        )
        .expect("the shape is right");
        let errors = PriceRules::new(settings).expect_err("wrong");
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        let nordic = ["price_lists.nordic", "price_lists.nordic.currency", "price_lists.nordic.customer_no"];
        let lists = [&nordic[..], &["price_lists.0"][..]].concat();
        for key in ["change_percent_max", "currency", "list_currency", "customer_no", "at_hour"].iter().chain(&lists) {
            assert!(keys.contains(&format!("prices.{key}").as_str()), "{key} is not among {keys:?}");
        }
    }
}
