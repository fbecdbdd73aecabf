//! `[connections.NAME.customers]`: which IFS customer an order belongs to, and how one is found or made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::settings::{CustomerMode, MappingSettings};
use super::{Checks, Rules};
use crate::domain::order::Order;

/// Most characters of IFS's `CustomerId`.
pub const CUSTOMER_ID_CHARS_MAX: usize = 20;

/// How IFS customers are chosen, found and made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CustomerSettings {
    /// Other customers than `customer_no` for some orders without a customer of their own; the most particular row wins.
    pub defaults: Vec<DefaultCustomer>,
    /// By which exact keys a customer is looked for, in this order.
    #[serde(rename = "match")]
    pub match_by: Vec<MatchBy>,
    /// How a customer that IFS does not have is made.
    pub create: CustomerCreate,
    /// Under `create = "template"`: the customer that is copied; the most particular row wins.
    pub templates: Vec<TemplateRow>,
    /// Who numbers a new customer.
    pub numbering: Numbering,
    /// Under `numbering = "own"`: stands before Shopify's number in `CustomerId`.
    pub id_prefix: String,
    /// `CustomerCategory` of a new customer.
    pub category: String,
    /// Where a delivery address stands.
    pub ship_address: ShipAddress,
    /// `AddressId` of a new customer's own address under `ship_address = "single_occurrence"`.
    pub address_id: String,
    /// `DefaultLanguage` by Shopify's locale ("pt-BR"), its language ("pt") or the country ("BR"); `default` for all others.
    pub languages: BTreeMap<String, String>,
    /// Order and company data of persons.
    pub person: CustomerData,
    /// Order and company data of B2B companies.
    pub business: CustomerData,
    /// The literal of `MethodId` for e-mail; "" writes none.
    pub email_method: String,
    /// The literal of `MethodId` for telephone; "" writes none.
    pub phone_method: String,
}

impl Default for CustomerSettings {
    fn default() -> Self {
        Self {
            defaults: Vec::new(),
            match_by: vec![MatchBy::Link, MatchBy::ExternalId, MatchBy::OwnId, MatchBy::AssociationNo],
            create: CustomerCreate::Template,
            templates: Vec::new(),
            numbering: Numbering::Own,
            id_prefix: "W".into(),
            category: "Customer".into(),
            ship_address: ShipAddress::SingleOccurrence,
            address_id: "1".into(),
            languages: BTreeMap::from([("default".to_owned(), "en".to_owned())]),
            person: CustomerData::default(),
            business: CustomerData::default(),
            email_method: "EMail".into(),
            phone_method: "Phone".into(),
        }
    }
}

/// One row of `defaults`: what it leaves out fits every order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultCustomer {
    /// Country of delivery, two capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Its province code: the tax region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The order's currency in IFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Whether it is for orders of B2B companies: those take no other row.
    #[serde(default)]
    pub b2b: bool,
    /// `CustomerNo`.
    pub customer_no: String,
    /// `BillAddrNo`.
    #[serde(default = "first_address")]
    pub bill_addr_no: String,
    /// `ShipAddrNo`.
    #[serde(default = "first_address")]
    pub ship_addr_no: String,
}

fn first_address() -> String {
    "1".to_owned()
}

/// One row of `templates`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateRow {
    /// Country of the customer's address, two capitals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The order's currency in IFS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// For companies only, or for persons only; without it for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b2b: Option<bool>,
    /// `CustomerId` of the template.
    pub customer: String,
}

/// Order data (`CustOrdCustomers`) and company data (`CustomerInvoiceCompanies`); "" leaves it to the template or to IFS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CustomerData {
    /// `CurrencyCode` and `DefCurrency`; "" of a customer made by posts is the order's.
    pub currency: String,
    /// `CustGrp`.
    pub cust_group: String,
    /// `CustPriceGroupId`.
    pub price_group: String,
    /// `MarketCode`.
    pub market_code: String,
    /// `OrderId`, the customer's order type.
    pub order_type: String,
    /// `PayTermId`.
    pub pay_term_id: String,
    /// `TaxLiability`.
    pub tax_liability: String,
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// The word in the configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

choice!(
    /// One entry of `match`.
    MatchBy {
        /// The customer that was linked before; always looked at first.
        Link = "link",
        /// `CustomerId` is the external id that an ERP gave the company in Shopify.
        ExternalId = "external_id",
        /// `CustomerId` is the number that we would give.
        OwnId = "own_id",
        /// `AssociationNo` is our business key.
        AssociationNo = "association_no",
    }
);
choice!(
    /// `create`.
    CustomerCreate {
        /// A template customer is copied.
        Template = "template",
        /// Each record is posted.
        Posts = "posts",
        /// A person makes it.
        Never = "never",
    }
);
choice!(
    /// `numbering`.
    Numbering {
        /// We do: the number is the guard against a double.
        Own = "own",
        /// IFS does, from its series; `AssociationNo` is what finds it again.
        Series = "series",
    }
);
choice!(
    /// `ship_address`.
    ShipAddress {
        /// On the order itself.
        SingleOccurrence = "single_occurrence",
        /// Among the customer's addresses.
        CustomerAddress = "customer_address",
    }
);

/// What of an order chooses rows.
#[derive(Debug, Clone, Copy)]
pub struct Particulars<'a> {
    /// Two capitals.
    pub country: Option<&'a str>,
    /// Province code.
    pub region: Option<&'a str>,
    /// ISO 4217, the one that IFS gets.
    pub currency: &'a str,
    /// Whether it belongs to a B2B company.
    pub b2b: bool,
}

impl Rules {
    /// Whether each order has a customer of its own in IFS.
    pub fn matches_customers(&self) -> bool {
        self.settings().customer == CustomerMode::MatchOrCreate
    }

    /// Whether an order's delivery address stands among its customer's addresses.
    pub fn ships_to_customer_address(&self) -> bool {
        self.matches_customers() && self.settings().customers.ship_address == ShipAddress::CustomerAddress
    }

    /// What of an order chooses rows of `defaults` and `templates`.
    pub fn particulars<'a>(&'a self, order: &'a Order) -> Particulars<'a> {
        let place = self.place(order);
        let currency = match self.side() {
            crate::domain::money::Side::Shop => &order.currency,
            crate::domain::money::Side::Presentment => &order.presentment_currency,
        };
        Particulars {
            country: place.map(|(country, _)| country),
            region: place.and_then(|(_, region)| region),
            currency: currency.code(),
            b2b: order.company.is_some(),
        }
    }

    /// The customer that carries an order without one of its own; none for a B2B order that no row names one for.
    pub fn default_customer(&self, of: Particulars<'_>) -> Option<DefaultCustomer> {
        let settings = self.settings();
        let fits = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        let row = settings
            .customers
            .defaults
            .iter()
            .filter(|row| row.b2b == of.b2b)
            .filter(|row| fits(&row.country, of.country) && fits(&row.region, of.region))
            .filter(|row| fits(&row.currency, Some(of.currency)))
            .max_by_key(|row| (row.region.is_some(), row.country.is_some(), row.currency.is_some()));
        match row {
            Some(row) => Some(row.clone()),
            None if of.b2b => None,
            None => Some(DefaultCustomer {
                customer_no: settings.customer_no.clone(),
                bill_addr_no: settings.bill_addr_no.clone(),
                ship_addr_no: settings.ship_addr_no.clone(),
                ..DefaultCustomer::default()
            }),
        }
    }

    /// The template of a new customer.
    pub fn customer_template(&self, of: Particulars<'_>) -> Option<&str> {
        let rows = self.settings().customers.templates.iter();
        rows.filter(|row| row.country.is_none() || row.country.as_deref() == of.country)
            .filter(|row| row.currency.as_deref().is_none_or(|currency| currency == of.currency))
            .filter(|row| row.b2b.is_none_or(|b2b| b2b == of.b2b))
            .max_by_key(|row| (row.b2b.is_some(), row.country.is_some(), row.currency.is_some()))
            .map(|row| row.customer.as_str())
    }

    /// `DefaultLanguage` of a customer.
    pub fn customer_language(&self, locale: Option<&str>, country: Option<&str>) -> Option<&str> {
        let languages = &self.settings().customers.languages;
        let primary = locale.and_then(|locale| locale.split(['-', '_']).next());
        [locale, primary, country, Some("default")]
            .into_iter()
            .flatten()
            .find_map(|key| languages.get(key))
            .map(String::as_str)
            .filter(|language| !language.is_empty())
    }

    /// Order and company data of a customer.
    pub fn customer_data(&self, b2b: bool) -> &CustomerData {
        let settings = &self.settings().customers;
        if b2b { &settings.business } else { &settings.person }
    }
}

/// Checks the table.
pub(super) fn checks(checks: &mut Checks, settings: &MappingSettings) {
    let customers = &settings.customers;
    for (index, row) in customers.defaults.iter().enumerate() {
        let key = |field: &str| format!("customers.defaults[{index}].{field}");
        check_country(checks, key("country"), row.country.as_deref());
        for (field, value) in [
            ("customer_no", &row.customer_no),
            ("bill_addr_no", &row.bill_addr_no),
            ("ship_addr_no", &row.ship_addr_no),
        ] {
            if value.trim().is_empty() {
                checks.refuse(key(field), "", "an IFS customer's number, or that of its address");
            }
        }
        let twin = |other: &&DefaultCustomer| {
            (&other.country, &other.region, &other.currency, other.b2b)
                == (&row.country, &row.region, &row.currency, row.b2b)
        };
        if customers.defaults[..index].iter().any(|other| twin(&other)) {
            checks.refuse(
                key("customer_no"),
                &row.customer_no,
                "one customer only for the same country, region, currency and kind",
            );
        }
    }
    for (index, row) in customers.templates.iter().enumerate() {
        check_country(checks, format!("customers.templates[{index}].country"), row.country.as_deref());
        if row.customer.trim().is_empty() {
            checks.refuse(
                format!("customers.templates[{index}].customer"),
                "",
                "the CustomerId of a template customer",
            );
        }
    }
    if settings.customer == CustomerMode::MatchOrCreate {
        matched(checks, customers);
    }
}

fn matched(checks: &mut Checks, customers: &CustomerSettings) {
    match customers.create {
        CustomerCreate::Template if customers.templates.is_empty() => {
            checks.refuse("customers.templates", "", "a template customer to copy, as { customer = \"TEMPLATE-SE\" }");
        }
        CustomerCreate::Posts => {
            for (key, data) in [("person", &customers.person), ("business", &customers.business)] {
                for (field, value) in [("cust_group", &data.cust_group), ("pay_term_id", &data.pay_term_id)] {
                    if value.trim().is_empty() {
                        checks.refuse(
                            format!("customers.{key}.{field}"),
                            "",
                            "a code of IFS, since create is \"posts\"",
                        );
                    }
                }
            }
        }
        CustomerCreate::Template | CustomerCreate::Never => {}
    }
    // What makes a create safe must also find it again.
    let needed = match customers.numbering {
        Numbering::Own => MatchBy::OwnId,
        Numbering::Series => MatchBy::AssociationNo,
    };
    if customers.create != CustomerCreate::Never && !customers.match_by.contains(&needed) {
        let expected =
            format!("\"{}\" among them, since numbering is \"{}\"", needed.as_str(), customers.numbering.as_str());
        checks.refuse("customers.match", "a list without it", expected);
    }
    if customers.numbering == Numbering::Own && !legal_prefix(&customers.id_prefix) {
        checks.refuse("customers.id_prefix", &customers.id_prefix, "1 to 6 capitals, digits or dashes, as \"W\"");
    }
    if customers.address_id.trim().is_empty() {
        checks.refuse("customers.address_id", "", "an AddressId, as \"1\"");
    }
    for (key, value) in &customers.languages {
        if value.trim().is_empty() {
            checks.refuse(format!("customers.languages.{key}"), "", "a language of IFS, as \"en\"");
        }
    }
}

fn legal_prefix(prefix: &str) -> bool {
    (1..=6).contains(&prefix.len())
        && prefix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-')
}

fn check_country(checks: &mut Checks, key: String, country: Option<&str>) {
    let legal = country.is_none_or(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()));
    if !legal {
        checks.refuse(key, country.unwrap_or_default(), "two capitals, as \"SE\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures;

    fn row(country: Option<&str>, currency: Option<&str>, b2b: bool, customer_no: &str) -> DefaultCustomer {
        DefaultCustomer {
            country: country.map(str::to_owned),
            currency: currency.map(str::to_owned),
            b2b,
            customer_no: customer_no.to_owned(),
            bill_addr_no: "1".into(),
            ship_addr_no: "1".into(),
            ..DefaultCustomer::default()
        }
    }

    fn rules(change: impl FnOnce(&mut MappingSettings)) -> Rules {
        let mut settings = fixtures::settings();
        change(&mut settings);
        Rules::new(settings).expect("legal")
    }

    #[test]
    fn the_most_particular_default_customer_wins_and_companies_take_only_their_own() {
        let rules = rules(|settings| {
            settings.customers.defaults = vec![
                row(Some("DE"), None, false, "WEB-DE"),
                row(None, Some("EUR"), false, "WEB-EUR"),
                row(Some("DE"), Some("CHF"), false, "WEB-DE-CHF"),
                row(Some("SE"), None, true, "WEB-B2B"),
            ];
        });
        let of = |country, currency, b2b| Particulars { country: Some(country), region: None, currency, b2b };
        let chosen = |of| rules.default_customer(of).map(|row| row.customer_no);
        assert_eq!(chosen(of("DE", "EUR", false)).as_deref(), Some("WEB-DE"));
        assert_eq!(chosen(of("DE", "CHF", false)).as_deref(), Some("WEB-DE-CHF"));
        assert_eq!(chosen(of("FR", "EUR", false)).as_deref(), Some("WEB-EUR"));
        assert_eq!(chosen(of("FR", "GBP", false)).as_deref(), Some("WEB-DEFAULT"));
        assert_eq!(chosen(of("SE", "SEK", true)).as_deref(), Some("WEB-B2B"));
        assert_eq!(chosen(of("DE", "EUR", true)), None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let mut settings = fixtures::settings();
        settings.customer = CustomerMode::MatchOrCreate;
        settings.customers.match_by = vec![MatchBy::ExternalId];
        settings.customers.id_prefix = "web".into();
        let errors = Rules::new(settings).expect_err("wrong");
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["customers.templates", "customers.match", "customers.id_prefix"]);
    }

    #[test]
    fn a_language_is_found_by_locale_then_language_then_country() {
        let rules = rules(|settings| {
            let pairs = [("pt-BR", "pb"), ("pt", "pt"), ("SE", "sv"), ("default", "en")];
            settings.customers.languages = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        });
        assert_eq!(rules.customer_language(Some("pt-BR"), Some("SE")), Some("pb"));
        assert_eq!(rules.customer_language(Some("pt-PT"), Some("SE")), Some("pt"));
        assert_eq!(rules.customer_language(Some("fi"), Some("SE")), Some("sv"));
        assert_eq!(rules.customer_language(None, None), Some("en"));
    }
}
