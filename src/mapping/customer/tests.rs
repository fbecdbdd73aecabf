//! What an order makes of its customer.

use super::*;
use crate::domain::order::{Company, Told};
use crate::mapping::fixtures;
use crate::mapping::judge::{Judgement, judge_unheld};
use crate::mapping::rules::MappingSettings;
use crate::mapping::rules::customers::TemplateRow;
use crate::mapping::rules::settings::CustomerMode;

fn rules_with(change: impl FnOnce(&mut MappingSettings)) -> Rules {
    let mut settings = fixtures::settings();
    settings.customer = CustomerMode::MatchOrCreate;
    settings.customers.templates = vec![TemplateRow { customer: "TEMPLATE-SE".into(), ..TemplateRow::default() }];
    change(&mut settings);
    Rules::new(settings).expect("legal")
}

fn rules() -> Rules {
    rules_with(|_| {})
}

fn order() -> Order {
    let mut order = fixtures::order("plain-eur");
    order.customer.id = Some(706_405_506_930);
    order.customer.email = Personal::new("Kari.Test@Example.com");
    order
}

fn company() -> Company {
    Company {
        id: Some(5),
        location_id: Some(7),
        name: Personal::new("Musterbau GmbH"),
        external_id: Some("ACME".into()),
        location_external_id: None,
    }
}

#[test]
fn the_key_is_the_most_lasting_that_the_order_has() {
    let mut order = order();
    assert_eq!(key(&order), "customer:706405506930");
    order.customer.id = None;
    assert_eq!(key(&order), "email:kari.test@example.com");
    order.customer.email = None;
    assert_eq!(key(&order), format!("order:{}", order.id));
    order.company = Some(company());
    assert_eq!(key(&order), "company:7");
}

#[test]
fn own_numbers_fit_ifs_and_tell_their_kind() {
    let mut order = order();
    assert_eq!(own_id(&order, "customer:706405506930", "W"), "W706405506930");
    assert_eq!(own_id(&order, "order:123", "W"), "WO123");
    let long = own_id(&order, "order:820982911946154508", "WEB-");
    assert!(long.starts_with("WEB-X") && long.len() <= CUSTOMER_ID_CHARS_MAX, "{long}");
    order.company = Some(company());
    assert_eq!(own_id(&order, "company:7", "W"), "WL7");
}

#[test]
fn a_key_that_is_too_long_travels_as_its_digest() {
    let long = format!("email:{}@example.com", "x".repeat(60));
    let carried = association_no(&long);
    assert!(carried.starts_with("email:") && carried.len() == 38, "{carried}");
    assert_eq!(association_no("customer:1"), "customer:1");
}

#[test]
fn a_person_has_an_address_of_three_types_and_an_email() {
    let desired = desired(&order(), &rules()).expect("whole");
    let names: Vec<String> = desired.records.iter().map(|record| record.record.name()).collect();
    assert_eq!(&names[..5], ["customer", "address 1", "address 1 Delivery", "address 1 Document", "address 1 Pay"]);
    assert!(names[5].starts_with("EMail "), "{names:?}");
    assert_eq!(&names[names.len() - 2..], ["order data", "company 10"]);
    assert_eq!(desired.own_id.as_deref(), Some("W706405506930"));
    assert_eq!(desired.template.as_deref(), Some("TEMPLATE-SE"));
    assert!(!names.iter().any(|name| name.contains('@')), "no person's address in a name");
}

#[test]
fn a_second_order_of_the_same_person_changes_nothing() {
    let first = desired(&order(), &rules()).expect("whole");
    let mut again = order();
    again.created_at = again.created_at.checked_add(jiff::Span::new().hours(5)).expect("in range");
    let second = desired(&again, &rules()).expect("whole");
    assert_eq!(first.digest(), second.clone().after(&first).digest());
    // An update of the older order brings its old address back, but the newer order's stays.
    let mut moved = again.clone();
    moved.billing_address.as_mut().expect("an address").city = Personal::new("Umea");
    let newest = desired(&moved, &rules()).expect("whole").after(&second);
    assert_ne!(newest.digest(), first.digest());
    assert_eq!(first.after(&newest).digest(), newest.digest());
}

#[test]
fn addresses_named_by_their_content_stay_wanted() {
    let rules = rules_with(|settings| settings.customers.ship_address = ShipAddress::CustomerAddress);
    let first = desired(&order(), &rules).expect("whole");
    let mut moved = order();
    moved.created_at = moved.created_at.checked_add(jiff::Span::new().hours(5)).expect("in range");
    moved.shipping_address.as_mut().expect("an address").city = Personal::new("Umea");
    let named = reference(&moved, &rules).expect("maps").expect("a customer").ship_addr_no.expect("an address");
    let second = desired(&moved, &rules).expect("whole").after(&first);
    assert!(second.record(&Record::Address(named)).is_some());
    let first_ship = reference(&order(), &rules).expect("maps").expect("a customer").ship_addr_no.expect("an address");
    assert!(second.record(&Record::Address(first_ship)).is_some());
}

#[test]
fn an_order_whose_billing_address_does_not_map_is_billed_to_no_other_one() {
    let named = rules_with(|settings| settings.customers.ship_address = ShipAddress::CustomerAddress);
    let with = |change: fn(&mut Address)| {
        let mut order = order();
        change(order.billing_address.as_mut().expect("an address"));
        order
    };
    let abroad = with(|address| address.country_code = None);
    let long = with(|address| address.address1 = Personal::new("x".repeat(36)));
    for (order, code) in [(&abroad, "no_country"), (&long, "address_too_long")] {
        let reason = reference(order, &named).expect_err("it does not map");
        assert_eq!(reason.code, code);
        let Judgement::Park(parked) = judge_unheld(order, &named) else { panic!("the order parks") };
        assert_eq!(parked, reason);
        // On the order itself no address of the customer is named.
        assert!(reference(order, &rules()).expect("maps").expect("a customer").bill_addr_no.is_none());
    }
    assert!(reference(&abroad, &named).expect_err("no country").text.contains("country_code of the billing address"));
    let without = Order { billing_address: None, ..order() };
    let named = reference(&without, &named).expect("maps").expect("a customer");
    assert!(named.bill_addr_no.is_some() && named.bill_addr_no == named.ship_addr_no);
}

#[test]
fn what_a_till_sold_without_an_address_has_the_default_customer_and_none_of_its_own() {
    let by = |customer_no: &str| {
        let customer_no = customer_no.to_owned();
        rules_with(|settings| settings.customer_no = customer_no)
    };
    let mut till = fixtures::order("pos-staff-location");
    (till.billing_address, till.shipping_address) = (None, None);
    for known in [false, true] {
        till.customer.id = known.then_some(7);
        assert_eq!(reference(&till, &by("WEB-TILL")), Ok(None));
        let Judgement::Write(desired) = judge_unheld(&till, &by("WEB-TILL")) else { panic!("it is whole") };
        assert_eq!(desired.header.get(names::CUSTOMER_NO), Some(&Scalar::text("WEB-TILL")));
        assert!(desired.customer.is_none() && desired.header.contains_key(names::BILL_ADDR_NO));
        let Judgement::Park(reason) = judge_unheld(&till, &by("")) else { panic!("no header goes without a customer") };
        assert_eq!(reason.code, "till_customer_missing");
        assert!(reason.text.contains("customer_no") && reason.text.contains("customers.defaults"), "{}", reason.text);
    }
    // An address, another channel or a company: a customer of its own.
    let billed = Order { billing_address: order().billing_address, ..till.clone() };
    let sent = Order { source_name: Some("web".into()), ..till.clone() };
    let business = Order { company: Some(company()), ..till };
    for order in [billed, sent, business] {
        assert!(reference(&order, &by("")).expect("maps").is_some());
    }
}

#[test]
fn a_company_needs_its_facts_and_carries_its_external_id() {
    let mut order = order();
    order.company = Some(company());
    order.told = Told::default();
    assert_eq!(desired(&order, &rules()).expect_err("not told").code, "company_not_told");
    order.told.company = true;
    let desired = desired(&order, &rules()).expect("whole");
    assert_eq!(desired.external_id.as_deref(), Some("ACME"));
    assert_eq!(desired.name, "Musterbau GmbH");
}

#[test]
fn without_a_template_the_customer_parks_by_name() {
    let only_us = TemplateRow { country: Some("US".into()), customer: "T".into(), ..TemplateRow::default() };
    let rules = rules_with(|settings| settings.customers.templates = vec![only_us]);
    assert_eq!(desired(&order(), &rules).expect_err("none fits").code, "customer_template_missing");
}
