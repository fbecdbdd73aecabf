//! What the checked rules answer, and what they refuse.

use super::*;
use crate::mapping::fixtures;

#[test]
fn all_errors_come_at_once_and_name_their_keys() {
    let settings = MappingSettings {
        order_name_field: names::CUSTOMER_PO_NO.into(),
        tax_gap_line: "much".into(),
        tax_codes: vec![fixtures::tax_code("se", "25", "V25")],
        ..MappingSettings::default()
    };
    let errors = Rules::new(settings).expect_err("nothing is set");
    let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
    for key in [
        "company",
        "customer_no",
        "orders_from",
        "order_name_field",
        "tax_gap_line",
        "tax_codes[0].country",
        "tax_codes[0].rate",
    ] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
}

#[test]
fn the_most_particular_tax_code_wins() {
    let mut settings = fixtures::settings();
    settings.tax_codes = vec![
        fixtures::tax_code("CA", "0.13", "GEN"),
        settings::TaxCodeSetting { region: Some("ON".into()), ..fixtures::tax_code("CA", "0.130", "ONT") },
        settings::TaxCodeSetting { on: Some(TaxedOn::Shipping), ..fixtures::tax_code("CA", "0.13", "SHIP") },
    ];
    let rules = Rules::new(settings).expect("legal");
    let rate = Decimal::new(13, 2);
    assert_eq!(rules.tax_code("CA", Some("ON"), rate, TaxedOn::Goods, &[]), Some("ONT"));
    assert_eq!(rules.tax_code("CA", Some("BC"), rate, TaxedOn::Goods, &[]), Some("GEN"));
    assert_eq!(rules.tax_code("CA", None, rate, TaxedOn::Shipping, &[]), Some("SHIP"));
    assert_eq!(rules.tax_code("CA", None, Decimal::new(5, 2), TaxedOn::Goods, &[]), None);
}

#[test]
fn what_the_settings_leave_undone_is_noted() {
    let mut settings = fixtures::settings();
    let notes = |settings: &MappingSettings| Rules::new(settings.clone()).expect("legal").notes();
    assert!(notes(&settings)[0].starts_with("holds.risk is empty"));
    settings.release_when = ReleaseWhen::PaidOrTerms;
    assert!(notes(&settings)[0].contains("released without a person"));
    settings.holds.risk = vec![holds::RiskHold::Cancel];
    assert_eq!(notes(&settings), [""; 0]);
}

#[test]
fn the_day_is_the_shops() {
    let mut settings = fixtures::settings();
    settings.time_zone = "America/New_York".into();
    settings.lead_days = 2;
    let rules = Rules::new(settings).expect("legal");
    let late = "2026-03-01T03:00:00Z".parse().expect("a time");
    assert_eq!(rules.wanted_delivery(late), "2026-03-02T00:00:00Z");
}

#[test]
fn any_change_of_a_rule_changes_the_revision() {
    let base = Rules::new(fixtures::settings()).expect("legal");
    let mut other = fixtures::settings();
    other.lead_days += 1;
    assert_ne!(base.revision(), Rules::new(other).expect("legal").revision());
    assert_eq!(base.revision(), Rules::new(fixtures::settings()).expect("legal").revision());
}
