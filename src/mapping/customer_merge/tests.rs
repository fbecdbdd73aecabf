//! What is planned for a customer that stands in IFS already.

use super::*;
use crate::mapping::scalar::Scalar;
use serde_json::json;

fn text(value: &str) -> Scalar {
    Scalar::text(value)
}

fn desired() -> DesiredCustomer {
    let record = |record: Record, fields: &[(&str, &str)], at_birth: &[(&str, &str)]| DesiredRecord {
        record,
        fields: fields.iter().map(|(field, value)| ((*field).to_owned(), text(value))).collect(),
        at_birth: at_birth.iter().map(|(field, value)| ((*field).to_owned(), text(value))).collect(),
    };
    DesiredCustomer {
        version: DesiredCustomer::VERSION,
        key: "customer:1".into(),
        association_no: "customer:1".into(),
        external_id: None,
        own_id: Some("W1".into()),
        template: Some("TEMPLATE-SE".into()),
        name: "Kari Test".into(),
        category: "Customer".into(),
        records: vec![
            record(Record::Customer, &[("Name", "Kari Test"), ("Country", "SE")], &[("AssociationNo", "customer:1")]),
            record(Record::Address("1".into()), &[("City", "Umea"), ("Country", "SE")], &[("AddressId", "1")]),
            record(Record::AddressType("1".into(), "Delivery".into()), &[], &[("AddressTypeCode", "Delivery")]),
            record(Record::AddressType("1".into(), "Document".into()), &[], &[("AddressTypeCode", "Document")]),
            record(
                Record::Method("EMail".into(), "k@example.com".into()),
                &[],
                &[("MethodId", "EMail"), ("Value", "k@example.com")],
            ),
            record(Record::OrderData, &[], &[]),
            record(Record::CompanyData("10".into()), &[("PayTermId", "30")], &[("Company", "10")]),
        ],
        as_of: 0,
        order_id: 1,
    }
}

fn row(etag: &str, value: Value) -> Row {
    Row { etag: Some(etag.to_owned()), ..Row::from_json(&value).expect("an object") }
}

/// A copy of a template: no address of its own yet.
fn copied() -> ReadCustomer {
    ReadCustomer {
        customer: row(
            "c1",
            json!({"CustomerId": "W1", "Name": "Kari Test", "Country": "DE", "AssociationNo": "customer:1"}),
        ),
        order_data: Some(row("o1", json!({"CustomerNo": "W1", "CurrencyCode": "SEK"}))),
        company_data: Some(row("i1", json!({"Company": "10", "PayTermId": "0"}))),
        ..ReadCustomer::default()
    }
}

fn whole() -> ReadCustomer {
    let mut read = copied();
    read.customer = row("c2", json!({"CustomerId": "W1", "Name": "Kari Test", "Country": "SE"}));
    let types = vec![
        row("t", json!({"AddressTypeCode": "Delivery", "DefAddress": true})),
        row("t", json!({"AddressTypeCode": "Document", "DefAddress": true})),
    ];
    let address = row("a1", json!({"AddressId": "1", "City": "Umea", "Country": "SE"}));
    read.addresses.insert("1".into(), ReadAddress { row: address, types });
    read.methods.push(row("m", json!({"MethodId": "EMail", "Value": "k@example.com"})));
    read.company_data = Some(row("i2", json!({"Company": "10", "PayTermId": "30"})));
    read
}

#[test]
fn what_a_template_cannot_know_is_written_in_one_set_that_changes_the_customer_itself() {
    let base = WrittenCustomer::new("W1", Origin::Made);
    let planned = plan(&base, &desired(), &copied());
    let parts = plan_parts(&planned, &copied(), "W1").expect("ETags");
    let told: Vec<String> = parts.iter().map(PartRequest::summary).collect();
    assert_eq!(
        told,
        [
            "PATCH CustomerInfoSet(CustomerId='W1')",
            "PATCH CustomerInfoSet(CustomerId='W1')/CustomerInvoiceCompanies(Company='10',Identity='W1',PartyType='Customer')",
            "POST CustomerInfoSet(CustomerId='W1')/CustomerInfoAddresses",
            "POST CustomerInfoSet(CustomerId='W1')/CustomerInfoAddresses(CustomerId='W1',AddressId='1')/AddressTypes",
            "POST CustomerInfoSet(CustomerId='W1')/CustomerInfoAddresses(CustomerId='W1',AddressId='1')/AddressTypes",
            "POST CustomerInfoSet(CustomerId='W1')/CommunicationMethods",
        ]
    );
    assert_eq!(parts[0].body, Some(json!({"Country": "SE"})));
    assert!(parts.iter().all(|part| part.method != crate::ifs::wire::Method::Patch || part.if_match.is_some()));
    assert_eq!(parts[3].body.as_ref().expect("a body")["DefAddress"], json!(true));
}

#[test]
fn a_converged_customer_has_an_empty_plan_and_serves_orders() {
    let base = WrittenCustomer::new("W1", Origin::Made);
    let planned = plan(&base, &desired(), &whole());
    assert!(planned.nothing_to_do(), "{}", planned.told());
    let after = base.after(&planned, &desired(), &whole());
    assert_eq!(after.serves(None, None), Some(("1".to_owned(), "1".to_owned())));
    assert_eq!(after.serves(None, Some("A-OTHER")), None);
    assert!(plan(&after, &desired(), &whole()).nothing_to_do());
}

#[test]
fn a_set_with_nothing_but_a_new_method_still_changes_the_customer_under_its_etag() {
    let mut read = whole();
    read.methods.clear();
    let base = WrittenCustomer::new("W1", Origin::Made);
    let parts = plan_parts(&plan(&base, &desired(), &read), &read, "W1").expect("ETags");
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].if_match.as_deref(), Some("c2"));
    assert_eq!(parts[0].body, Some(json!({"Name": "Kari Test"})));
}

#[test]
fn what_a_person_changed_or_took_away_stays() {
    let made = WrittenCustomer::new("W1", Origin::Made);
    let base = made.after(&plan(&made, &desired(), &whole()), &desired(), &whole());
    let mut read = whole();
    read.customer = row("c3", json!({"CustomerId": "W1", "Name": "Dr. Kari Test", "Country": "SE"}));
    read.methods.clear();
    assert!(plan(&base, &desired(), &read).nothing_to_do());
    // Shopify changes the name and the city: the person's name stays, the city goes in.
    let mut newer = desired();
    newer.records[0].fields.insert("Name".into(), text("Kari Prov"));
    newer.records[1].fields.insert("City".into(), text("Lulea"));
    let planned = plan(&base, &newer, &read);
    assert_eq!(planned.told(), "address 1 City");
    assert_eq!(planned.yielded.len(), 1);
    let mut written = read.clone();
    written.addresses.get_mut("1").expect("there").row =
        row("a2", json!({"AddressId": "1", "City": "Lulea", "Country": "SE"}));
    let after = base.after(&planned, &newer, &written);
    assert!(plan(&after, &newer, &written).nothing_to_do());
}

#[test]
fn a_customer_that_stood_there_keeps_its_fields_and_gets_only_what_is_missing() {
    let mut read = whole();
    read.customer = row("c9", json!({"CustomerId": "ACME", "Name": "ACME AB", "Country": "NO"}));
    read.company_data = None;
    let base = WrittenCustomer::new("ACME", Origin::Found);
    let planned = plan(&base, &desired(), &read);
    assert_eq!(planned.told(), "made company 10");
    let after = base.after(&planned, &desired(), &read);
    let name = &after.records["customer"]["Name"];
    assert_eq!((name.sent.as_ref(), name.answered.as_ref()), (Some(&text("Kari Test")), Some(&text("ACME AB"))));
}

/// A customer that stands as it is wanted, and the base that says so.
fn settled() -> (WrittenCustomer, ReadCustomer) {
    let made = WrittenCustomer::new("W1", Origin::Made);
    (made.after(&plan(&made, &desired(), &whole()), &desired(), &whole()), whole())
}

fn in_city(city: &str) -> DesiredCustomer {
    let mut desired = desired();
    desired.records[1].fields.insert("City".into(), text(city));
    desired
}

fn held_city(city: &str) -> ReadCustomer {
    let mut read = whole();
    let row = row("a2", json!({"AddressId": "1", "City": city, "Country": "SE"}));
    read.addresses.get_mut("1").expect("there").row = row;
    read
}

#[test]
fn a_change_whose_answer_was_lost_is_ours_in_any_writing_once_it_is_seen() {
    for held in ["Lulea", "LULEA"] {
        let (base, _) = settled();
        let base = base.doubting(in_city("Lulea"));
        // Not there yet: it stays in doubt.
        let waiting = base.clone().absorbing(&whole());
        assert_eq!((waiting.doubtful.len(), &waiting.records), (1, &base.records));
        let base = base.absorbing(&held_city(held));
        assert!(base.doubtful.is_empty());
        let planned = plan(&base, &in_city("Pitea"), &held_city(held));
        assert_eq!((planned.told().as_str(), planned.yielded.len()), ("address 1 City", 0));
        // What a person wrote after it is not.
        let planned = plan(&base, &in_city("Pitea"), &held_city("Haparanda"));
        assert!(planned.nothing_to_do() && planned.yielded.len() == 1);
    }
    // A mere change of case that never came is not seen in what stood there.
    let (base, read) = settled();
    let base = base.doubting(in_city("UMEA")).absorbing(&read);
    assert_eq!(plan(&base, &in_city("UMEA"), &read).told(), "address 1 City");
}

#[test]
fn a_value_that_ifs_wrote_its_own_way_is_written_and_another_one_is_a_gap() {
    let (base, read) = settled();
    let planned = plan(&base, &in_city("Lulea"), &read);
    let answered = |base: &WrittenCustomer, city: &str| {
        let told = BTreeMap::from([("address 1".to_owned(), held_city(city).addresses["1"].row.clone())]);
        base.clone().answered(&planned, &told)
    };
    let after = answered(&base, "LULEA");
    assert!(after.gaps(&planned, &held_city("LULEA")).is_empty());
    assert!(plan(&after, &in_city("Lulea"), &held_city("LULEA")).nothing_to_do());
    assert_eq!(plan(&after, &in_city("Pitea"), &held_city("LULEA")).told(), "address 1 City");
    // Cut short: shown, tried again, and no person's; what a person writes after it stays.
    let after = answered(&base, "Lul");
    assert_eq!(after.gaps(&planned, &held_city("Lul")), ["address 1 City holds something else"]);
    assert_eq!(plan(&after, &in_city("Lulea"), &held_city("Lul")).told(), "address 1 City");
    assert!(plan(&after, &in_city("Lulea"), &held_city("Haparanda")).nothing_to_do());
}

#[test]
fn what_ifs_made_of_a_first_writing_is_tried_again_until_a_person_writes_over_it() {
    let made = WrittenCustomer::new("W1", Origin::Made);
    let planned = plan(&made, &desired(), &copied());
    let in_country = |country: &str| {
        let customer = json!({"CustomerId": "W1", "Name": "Kari Test", "Country": country});
        ReadCustomer { customer: row("c4", customer), ..whole() }
    };
    let told = BTreeMap::from([("customer".to_owned(), in_country("FI").customer)]);
    let base = made.answered(&planned, &told);
    assert_eq!(plan(&base, &desired(), &in_country("FI")).told(), "customer Country");
    let planned = plan(&base, &desired(), &in_country("NO"));
    assert!(planned.nothing_to_do() && planned.yielded.len() == 1, "{}", planned.told());
}

/// The customer with a second line in its address, as it is wanted, and as IFS holds it with this in that line.
fn with_second_line(line: Option<&str>) -> (DesiredCustomer, ReadCustomer) {
    let (mut desired, mut read) = (desired(), whole());
    desired.records[1].fields.insert("Address2".into(), text("Apt 5"));
    let row = row("a2", json!({"AddressId": "1", "City": "Umea", "Country": "SE", "Address2": line}));
    read.addresses.get_mut("1").expect("there").row = row;
    (desired, read)
}

#[test]
fn a_line_of_an_address_that_shopify_dropped_is_emptied_unless_a_person_wrote_in_it() {
    let (first, read) = with_second_line(Some("Apt 5"));
    let made = WrittenCustomer::new("W1", Origin::Made);
    let base = made.after(&plan(&made, &first, &read), &first, &read);
    let planned = plan(&base, &desired(), &read);
    assert_eq!(planned.told(), "address 1 Address2");
    let parts = plan_parts(&planned, &read, "W1").expect("ETags");
    assert_eq!(parts[1].body, Some(json!({"Address2": null})));
    // 1. IFS did so: the base knows, and what Shopify says later goes in again.
    let (_, emptied) = with_second_line(None);
    let answered = |read: &ReadCustomer| {
        let told = BTreeMap::from([("address 1".to_owned(), read.addresses["1"].row.clone())]);
        base.clone().answered(&planned, &told)
    };
    let after = answered(&emptied);
    assert!(after.gaps(&planned, &emptied).is_empty());
    assert!(plan(&after, &desired(), &emptied).nothing_to_do());
    assert_eq!(plan(&after, &first, &emptied).told(), "address 1 Address2");
    // 2. IFS kept it: shown, and tried again.
    let after = answered(&read);
    assert_eq!(after.gaps(&planned, &read), ["address 1 Address2 holds something else"]);
    assert_eq!(plan(&after, &desired(), &read).told(), "address 1 Address2");
    // 3. A person wrote in it: that stays, whatever Shopify says later.
    let (_, edited) = with_second_line(Some("Ring twice"));
    let planned = plan(&base, &desired(), &edited);
    assert!(planned.nothing_to_do() && planned.yielded.len() == 1);
    let after = base.after(&planned, &desired(), &edited);
    assert!(plan(&after, &desired(), &edited).yielded.is_empty());
    assert!(plan(&after, &first, &edited).nothing_to_do());
    // 4. Its answer was lost: that it is empty is ours, not a person's.
    let lost = base.doubting(desired());
    assert_eq!(lost.clone().absorbing(&read).doubtful.len(), 1);
    let known = lost.absorbing(&emptied);
    assert!(known.doubtful.is_empty());
    assert_eq!(plan(&known, &first, &emptied).told(), "address 1 Address2");
}

#[test]
fn what_a_customer_says_no_more_beside_its_addresses_is_left_to_ifs() {
    let (base, read) = settled();
    let mut silent = desired();
    for index in [0, 6] {
        silent.records[index].fields.retain(|field, _| field == "Name");
    }
    assert!(plan(&base, &silent, &read).nothing_to_do());
}

#[test]
fn a_record_that_ifs_made_but_does_not_show_is_a_gap() {
    let base = WrittenCustomer::new("W1", Origin::Made);
    let planned = plan(&base, &desired(), &copied());
    let gaps = base.answered(&planned, &BTreeMap::new()).gaps(&planned, &copied());
    assert!(gaps.contains(&"address 1 is not there".to_owned()), "{gaps:?}");
}

#[test]
fn one_telephone_number_is_known_in_any_grouping_and_an_address_by_all_its_letters() {
    let mut read = whole();
    read.methods.push(row("m", json!({"MethodId": "Phone", "Value": "+46 (70) 123-45"})));
    let method = |method: &str, value: &str| Record::Method(method.to_owned(), value.to_owned());
    assert!(read.row(&method("Phone", "+467012345")).is_some());
    assert!(read.row(&method("EMail", "K@Example.com")).is_some());
    assert!(read.row(&method("EMail", "k.@example.com")).is_none());
}

#[test]
fn a_birth_is_a_copy_of_the_template_or_a_post() {
    let part = birth_part(&desired(), "CopyExistingCustomer");
    let body = part.body.expect("a body");
    assert_eq!(part.url, "CopyExistingCustomer");
    assert_eq!(
        body,
        json!({"CustomerId": "TEMPLATE-SE", "NewId": "W1", "NewName": "Kari Test", "NewCategory": "Customer", "AssociationNo": "customer:1"})
    );
    let part = birth_part(&DesiredCustomer { template: None, own_id: None, ..desired() }, "CopyExistingCustomer");
    assert_eq!(part.url, "CustomerInfoSet");
    assert!(part.body.expect("a body").get("CustomerId").is_none());
}
