//! Orders and rules for the unit tests of the mapping. Test code only.

use std::collections::BTreeMap;

use super::desired::DesiredOrder;
use super::judge::{Judgement, judge};
use super::rules::settings::{ChargeSettings, SiteSetting, TaxCodeSetting, TaxOfSet, TaxSetSetting};
use super::rules::{MappingSettings, Rules};
use crate::domain::order::Order;
use crate::shopify::wire;

/// Settings with every required key, and codes for a few countries.
pub(super) fn settings() -> MappingSettings {
    MappingSettings {
        company: "10".into(),
        site: "S10".into(),
        orders_from: "2026-01-01T00:00:00Z".into(),
        time_zone: "Europe/Stockholm".into(),
        customer_no: "WEB-DEFAULT".into(),
        coordinator: "WEB".into(),
        order_type: "NO".into(),
        cancel_reason: "WEB".into(),
        tax_codes: vec![
            tax_code("DE", "0.19", "V19"),
            tax_code("DE", "0.07", "V07"),
            tax_code("DE", "0", "V00"),
            tax_code("NO", "0.25", "V25"),
            tax_code("SE", "0.25", "V25"),
            tax_code("CA", "0.13", "V13"),
            tax_code("SE", "0.06", "V06"),
            tax_code("CA", "0.05", "V05"),
            tax_code("JP", "0.10", "V10"),
            tax_code("*", "0", "V00"),
        ],
        tax_sets: BTreeMap::from([("quebec".into(), quebec())]),
        sites: BTreeMap::from([till("66778899001", "DE"), till("66778899002", "SE")]),
        custom_part: Some("CUSTOM".into()),
        gift_card_part: Some("GIFTCARD".into()),
        charge: ChargeSettings {
            shipping: BTreeMap::from([("default".into(), "FREIGHT".into())]),
            rounding: Some("ROUNDING".into()),
            tip: Some("TIP".into()),
            duty: Some("DUTY".into()),
            fee: BTreeMap::from([("default".into(), "FEE".into())]),
            discount: Some("DISCOUNT".into()),
            goodwill: Some("GOODWILL".into()),
            marketplace_tax: Some("MARKETTAX".into()),
            tax: Some("TAX".into()),
        },
        ..MappingSettings::default()
    }
}

/// One row of `tax_codes`.
pub(super) fn tax_code(country: &str, rate: &str, code: &str) -> TaxCodeSetting {
    TaxCodeSetting { country: country.into(), region: None, rate: rate.into(), on: None, when: None, code: code.into() }
}

/// A shop in a country, at a location of Shopify's.
fn till(location: &str, country: &str) -> (String, SiteSetting) {
    let row = SiteSetting { site: "S10".into(), company: None, country: Some(country.into()), region: None };
    (location.into(), row)
}

/// Quebec's two taxes.
fn quebec() -> TaxSetSetting {
    let tax = |title: &str, rate: &str| TaxOfSet { title: Some(title.into()), rate: rate.into() };
    TaxSetSetting {
        structure: "GSTQST".into(),
        country: Some("CA".into()),
        region: Some("QC".into()),
        taxes: vec![tax("GST", "0.05"), tax("QST", "0.09975")],
    }
}

/// Those settings, checked.
pub(super) fn rules() -> Rules {
    Rules::new(settings()).expect("the fixture's settings are legal")
}

/// Those settings with some keys otherwise, as TOML.
pub(super) fn settings_with(keys: &str) -> Result<MappingSettings, toml::de::Error> {
    let mut table = toml::Table::try_from(settings()).expect("plain settings");
    table.extend(toml::from_str::<toml::Table>(keys)?);
    table.try_into()
}

/// The rules that a fixture is mapped by: those settings, with what its `settings.toml` says otherwise, where it has one.
pub(super) fn rules_of(name: &str) -> Rules {
    let path = format!("{}/tests/fixtures/orders/{name}/settings.toml", env!("CARGO_MANIFEST_DIR"));
    let keys = std::fs::read_to_string(path).unwrap_or_default();
    let settings = settings_with(&keys).unwrap_or_else(|error| panic!("{name}: {error}"));
    Rules::new(settings).unwrap_or_else(|errors| panic!("{name}: {errors:?}"))
}

/// A fixture's webhook body.
pub(super) fn webhook(name: &str) -> String {
    read(name, "webhook.json")
}

/// A fixture's GraphQL order.
pub(super) fn graphql(name: &str) -> String {
    read(name, "graphql.json")
}

/// The names of all fixtures, sorted.
pub(super) fn names() -> Vec<String> {
    let folder = format!("{}/tests/fixtures/orders", env!("CARGO_MANIFEST_DIR"));
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.expect("it can be listed").file_name();
    let mut names: Vec<String> = entries.map(|entry| name(entry).into_string().expect("a plain name")).collect();
    names.sort();
    names
}

/// Whether a fixture has the order as GraphQL tells it too.
pub(super) fn has_graphql(name: &str) -> bool {
    std::path::Path::new(&format!("{}/tests/fixtures/orders/{name}/graphql.json", env!("CARGO_MANIFEST_DIR"))).exists()
}

/// A fixture's order, as a re-read tells it.
pub(super) fn re_read(name: &str) -> Order {
    let body = graphql(name);
    let wire = wire::decode_graphql_order(body.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
    super::inbound::order_from_graphql(wire).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn read(name: &str, file: &str) -> String {
    let path = format!("{}/tests/fixtures/orders/{name}/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The order of a webhook body.
pub(super) fn order_of(body: &str) -> Order {
    let wire = wire::decode_rest_order(body.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    super::inbound::order_from_rest(wire).unwrap_or_else(|error| panic!("{error}"))
}

/// A fixture's order, as its webhook tells it.
pub(super) fn order(name: &str) -> Order {
    order_of(&webhook(name))
}

/// What IFS should hold for the plain fixture.
pub(super) fn desired() -> DesiredOrder {
    desired_of(&order("plain-eur"), &rules())
}

/// What IFS should hold for an order that must not park.
pub(super) fn desired_of(order: &Order, rules: &Rules) -> DesiredOrder {
    match judge(order, rules, jiff::Timestamp::UNIX_EPOCH) {
        Judgement::Write(desired) => *desired,
        other => panic!("the fixture should be written, but: {other:?}"),
    }
}
