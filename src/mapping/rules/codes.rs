//! The codes that an order's header and rows get by the connection's plain settings, and which of them the GL rules overrule.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gl::{ChargeKind, Choice, Picked};
use super::money::is_country;
use super::settings::SkuCase;
use super::{Checks, MappingSettings, Rules};
use crate::domain::order::{Line, Order};

/// One row of `sites`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSetting {
    /// `Contract`.
    pub site: String,
    /// The site's company, where it is another than the connection's: orders of it park.
    #[serde(default)]
    pub company: Option<String>,
    /// The country of a shop at that location, two capitals: what its till sells is taxed there.
    #[serde(default)]
    pub country: Option<String>,
    /// The province code of that shop.
    #[serde(default)]
    pub region: Option<String>,
}

impl Rules {
    /// The site that sells, and what chose it: a rule, the order's location, else `site`.
    pub fn site(&self, order: &Order) -> Picked<'_> {
        let settings = self.settings();
        let by_location = || {
            let location = order.location_id?.to_string();
            let row = settings.sites.get(&location)?;
            Some(Picked::setting(&row.site, format!("sites.{location}")))
        };
        self.choose(Choice::Site, order, None)
            .or_else(by_location)
            .unwrap_or_else(|| Picked::setting(&settings.site, "site"))
    }

    /// Every site that an order of the connection may stand at, each once.
    pub fn sites(&self) -> Vec<&str> {
        let settings = self.settings();
        let ours = |row: &&SiteSetting| row.company.as_ref().is_none_or(|company| *company == settings.company);
        let by_location = settings.sites.values().filter(ours).map(|row| row.site.as_str());
        let by_rule = settings.gl.rules.iter().filter_map(|rule| rule.value(Choice::Site));
        let mut sites = vec![settings.site.as_str()];
        for site in by_location.chain(by_rule) {
            if !sites.contains(&site) {
                sites.push(site);
            }
        }
        sites
    }

    /// The country and region where an order is sold: where it is delivered, for taxes, rules and default customers. What a till
    /// sold was handed over in the shop: there it is the country of its location, else the seller's own, the first of
    /// `tax_territory`, and never that of the buyer's address. None where nothing says so.
    pub fn place<'a>(&'a self, order: &'a Order) -> Option<(&'a str, Option<&'a str>)> {
        if order.is_till_sale() {
            let settings = self.settings();
            let shop = order.location_id.and_then(|location| settings.sites.get(&location.to_string()));
            let of_shop = shop.and_then(|shop| Some((shop.country.as_deref()?, shop.region.as_deref())));
            return of_shop.or_else(|| Some((settings.tax_territory.first()?.as_str(), None)));
        }
        let address = order.delivery_address()?;
        Some((address.country_code.as_deref()?, address.province_code.as_deref()))
    }

    /// The company of the order's location, where it is not the connection's.
    pub fn other_company(&self, order: &Order) -> Option<&str> {
        let settings = self.settings();
        let company = settings.sites.get(&order.location_id?.to_string())?.company.as_deref()?;
        (company != settings.company).then_some(company)
    }

    /// The salesman of whoever sold at the till.
    pub fn salesman(&self, order: &Order) -> Option<Picked<'_>> {
        let by_staff = || {
            let staff = order.staff_id?.to_string();
            let code = self.settings().salesmen.get(&staff)?;
            Some(Picked::setting(code, format!("salesmen.{staff}")))
        };
        self.choose(Choice::Salesman, order, None).or_else(by_staff)
    }

    /// IFS's way of shipping for a rate's code; none leaves it to the customer's default.
    pub fn ship_via(&self, order: &Order, code: Option<&str>) -> Option<Picked<'_>> {
        self.choose(Choice::ShipVia, order, None).or_else(|| with_default("ship_via", &self.settings().ship_via, code))
    }

    /// The charge type of a kind of charge; `name` is the shipping rate's code, or the fee's name.
    pub fn charge_type(
        &self,
        kind: ChargeKind,
        order: &Order,
        line: Option<&Line>,
        name: Option<&str>,
    ) -> Option<Picked<'_>> {
        let charge = &self.settings().charge;
        let plain = || match kind {
            ChargeKind::Shipping => with_default("charge.shipping", &charge.shipping, name),
            ChargeKind::Fee => with_default("charge.fee", &charge.fee, name),
            ChargeKind::Tip => one("charge.tip", charge.tip.as_deref()),
            ChargeKind::Duty => one("charge.duty", charge.duty.as_deref()),
            ChargeKind::Discount => one("charge.discount", charge.discount.as_deref()),
            ChargeKind::Goodwill => one("charge.goodwill", charge.goodwill.as_deref()),
        };
        self.choose(Choice::Charge(kind), order, line).or_else(plain)
    }

    /// IFS's `CatalogNo` for a SKU as it stands: without prefix, and in the case asked for.
    pub fn catalog_no(&self, sku: &str) -> String {
        let settings = self.settings();
        let stripped = sku.strip_prefix(settings.sku_prefix_strip.as_str()).unwrap_or(sku);
        match settings.sku_case {
            SkuCase::Keep => stripped.to_owned(),
            SkuCase::Upper => stripped.to_uppercase(),
        }
    }

    /// Whether a rule or map reads what only the catalogue tells.
    pub(super) fn needs_catalogue(&self) -> bool {
        self.gl_needs_catalogue() || !self.settings().barcode_map.is_empty()
    }
}

fn one<'r>(key: &str, code: Option<&'r str>) -> Option<Picked<'r>> {
    code.map(|code| Picked::setting(code, key))
}

fn with_default<'r>(key: &str, map: &'r BTreeMap<String, String>, name: Option<&str>) -> Option<Picked<'r>> {
    let named = name.and_then(|name| Some(Picked::setting(map.get(name)?, format!("{key}.{name}"))));
    named.or_else(|| Some(Picked::setting(map.get("default")?, format!("{key}.default"))))
}

pub(super) fn checks(checks: &mut Checks, settings: &MappingSettings) {
    for (key, map) in [
        ("sku_map", &settings.sku_map),
        ("variant_map", &settings.variant_map),
        ("barcode_map", &settings.barcode_map),
        ("title_map", &settings.title_map),
        ("salesmen", &settings.salesmen),
    ] {
        for (name, code) in map {
            if code.trim().is_empty() {
                checks.refuse(format!("{key}.{name}"), " ", "a code of IFS");
            }
        }
    }
    let numbered = [
        ("variant_map", settings.variant_map.keys().collect::<Vec<_>>()),
        ("salesmen", settings.salesmen.keys().collect()),
        ("sites", settings.sites.keys().collect()),
    ];
    for (key, names) in numbered {
        for name in names.into_iter().filter(|name| name.parse::<u64>().is_err()) {
            checks.refuse(format!("{key}.{name}"), name, "Shopify's number as the key");
        }
    }
    for (location, row) in &settings.sites {
        if row.site.trim().is_empty() {
            checks.refuse(format!("sites.{location}.site"), " ", "an IFS site, as \"S10\"");
        }
        if let Some(country) = row.country.as_ref().filter(|country| !is_country(country)) {
            checks.refuse(format!("sites.{location}.country"), country, "two capitals, as \"SE\"");
        }
        if row.region.is_some() && row.country.is_none() {
            checks.refuse(format!("sites.{location}.country"), "", "the country of that region");
        }
    }
    for (key, part) in [("default_part", &settings.default_part)] {
        if part.as_deref().is_some_and(|part| part.trim().is_empty()) {
            checks.refuse(key, " ", "a sales part of IFS");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures;

    #[test]
    fn a_location_has_its_site_and_another_company_is_named() {
        let mut settings = fixtures::settings();
        let row = |site: &str, company: Option<&str>| SiteSetting {
            site: site.into(),
            company: company.map(Into::into),
            country: None,
            region: None,
        };
        settings.sites = BTreeMap::from([("7".into(), row("S11", None)), ("8".into(), row("S20", Some("20")))]);
        settings.salesmen = BTreeMap::from([("9".into(), "101".into())]);
        let rules = Rules::new(settings).expect("legal");
        let mut order = fixtures::order("plain-eur");
        assert_eq!(rules.site(&order).value, "S10");
        (order.location_id, order.staff_id) = (Some(7), Some(9));
        assert_eq!((rules.site(&order).value, rules.other_company(&order)), ("S11", None));
        assert_eq!(rules.salesman(&order).map(|picked| picked.value), Some("101"));
        order.location_id = Some(8);
        assert_eq!(rules.other_company(&order), Some("20"));
    }
}
