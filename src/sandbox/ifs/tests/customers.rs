//! Customers: what may be written, what is refused, what orders want of them.

use super::super::super::faults::Fault;
use super::super::super::ledger::Class;
use super::super::{CustomerRowOf, Writing};
use super::*;

fn customer(id: &str) -> Value {
    json!({
        "CustomerId": id, "Name": "Åsa Öberg", "CreationDate": "2026-11-23", "Country": "SE", "CountryCode": "SE", "DefaultLanguage": "sv",
        "PartyType": "Customer", "DefaultDomain": true, "AssociationNo": format!("customer:{id}"),
    })
}

fn path(id: &str) -> String {
    format!("CustomerInfoSet(CustomerId='{id}')")
}

fn address(id: &str, address_id: &str) -> Value {
    json!({
        "CustomerId": id, "AddressId": address_id, "PartyType": "Customer", "DefaultDomain": true, "Country": "SE",
        "Name": "Åsa Öberg", "Address1": "Storgatan 1", "ZipCode": "111 22", "City": "Stockholm",
    })
}

fn copy_of(template: &str, new_id: &str, key: &str) -> Value {
    json!({"CustomerId": template, "NewId": new_id, "NewName": "Åsa Öberg", "NewCategory": "Customer", "AssociationNo": key})
}

async fn add_address(caller: &Caller, id: &str, address_id: &str, types: &[&str]) {
    let list = format!("{}/CustomerInfoAddresses", path(id));
    let (status, made) = caller.post(&list, address(id, address_id)).await;
    assert_eq!(status, 201, "{made}");
    let list = format!("{list}(CustomerId='{id}',AddressId='{address_id}')/AddressTypes");
    for code in types {
        let (status, made) = caller.post(&list, json!({"AddressTypeCode": code, "DefAddress": true})).await;
        assert_eq!(status, 201, "{made}");
    }
}

#[tokio::test]
async fn each_required_field_is_demanded_and_unknown_ones_are_refused() {
    let caller = Caller::new().await;
    for field in ["Name", "CreationDate", "Country", "CountryCode", "DefaultLanguage", "PartyType", "DefaultDomain"] {
        let (status, answer) = caller.post("CustomerInfoSet", without(customer("A1"), field)).await;
        assert!(status == 500 && text(&answer).contains(field), "{field}: {answer}");
    }
    for (field, value, status) in [
        ("Email", json!("a@b.se"), 400),
        ("PartyType", json!("CUSTOMER"), 400),
        ("CreationDate", json!("2026-11-23T00:00:00Z"), 400),
        ("DefaultDomain", json!(false), 500),
        ("CountryCode", json!("NO"), 500),
        ("Country", json!("ZZ"), 500),
        ("DefaultLanguage", json!("xx"), 500),
        ("CustomerId", json!("a1"), 500),
        ("Name", json!("x".repeat(101)), 400),
    ] {
        assert_eq!(caller.post("CustomerInfoSet", with(customer("A1"), field, value)).await.0, status, "{field}");
    }
    assert!(caller.ifs().customer("A1").is_none());
}

#[tokio::test]
async fn an_own_number_is_taken_once_and_others_come_from_the_series() {
    let caller = Caller::new().await;
    assert_eq!(caller.post("CustomerInfoSet", customer("W77")).await.0, 201);
    let (status, answer) = caller.post("CustomerInfoSet", customer("W77")).await;
    assert!(status == 500 && text(&answer).contains("FND_RECORD_EXIST"), "{answer}");
    caller.ifs().add_foreign_customer(Some("C10001"), "Kim", "SE", None).expect("a customer");
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let (_, made) = caller.post("CustomerInfoSet", without(customer("X"), "CustomerId")).await;
        numbers.push(made["CustomerId"].as_str().expect("a number").to_owned());
    }
    assert_eq!(numbers, ["C10002", "C10003"], "a number that a person took is passed over");
    let counts = caller.ifs().customer_counts();
    assert_eq!((counts.created, counts.double_associations), (4, vec!["customer:X".to_owned()]));
}

#[tokio::test]
async fn a_customer_is_found_by_its_association_and_changed_under_its_etag() {
    let caller = Caller::new().await;
    assert_eq!(caller.post("CustomerInfoSet", customer("W1")).await.0, 201);
    let filter = "CustomerInfoSet?$filter=AssociationNo%20eq%20'customer%3AW1'&$select=CustomerId,AssociationNo";
    let filter = format!("{filter}&$orderby=CustomerId&$top=3");
    let found = caller.get(&filter).await;
    assert_eq!(found["value"], json!([{"CustomerId": "W1", "AssociationNo": "customer:W1"}]), "{found}");
    assert_eq!(caller.ask("PATCH", &path("W1"), None, Some(json!({"Name": "B"}))).await.0, 428);
    assert_eq!(caller.ask("PATCH", &path("W1"), Some("W/\"x\""), Some(json!({"Name": "B"}))).await.0, 412);
    assert_eq!(caller.patch(&path("W1"), json!({"Name": "B"})).await.1["Name"], "B");
    assert_eq!(caller.patch(&path("W1"), json!({"Country": "NO"})).await.0, 500, "the code would differ");
    assert_eq!(caller.patch(&path("W1"), json!({"CustomerId": "W2"})).await.0, 400);
    assert_eq!(caller.ask("PATCH", &path("W9"), Some("*"), Some(json!({"Name": "B"}))).await.0, 404);
    let stale = caller.get(&path("W1")).await["@odata.etag"].as_str().expect("an etag").to_owned();
    let row = CustomerRowOf::Customer;
    caller.ifs().person_edits_customer("W1", row, "AssociationNo", "by a person").expect("an edit");
    assert_eq!(caller.ask("PATCH", &path("W1"), Some(&stale), Some(json!({"Name": "C"}))).await.0, 412);
}

#[tokio::test]
async fn a_template_gives_its_order_and_company_data_but_no_address() {
    let caller = Caller::new().await;
    let (status, answer) = caller.post("CopyExistingCustomer", copy_of("TEMPLATE-SE", "W1", "customer:1")).await;
    assert_eq!((status, &answer), (200, &json!({"value": "W1"})));
    let order_data = caller.get("CustOrdCustomerSet(CustomerNo='W1')").await;
    assert_eq!((&order_data["CurrencyCode"], &order_data["TemplateId"]), (&json!("SEK"), &json!("TEMPLATE-SE")));
    let made = caller.ifs().customer("W1").expect("the customer");
    assert_eq!((made.field("Country"), made.field("AssociationNo"), made.companies.len()), ("SE", "customer:1", 2));
    assert!(made.addresses.is_empty());
    let (status, answer) = caller.post("CopyExistingCustomer", copy_of("TEMPLATE-SE", "W1", "customer:1")).await;
    assert!(status == 500 && text(&answer).contains("FND_RECORD_EXIST"), "{answer}");
    assert_eq!(caller.post("CopyExistingCustomer", copy_of("TEMPLATE-FR", "W2", "k")).await.0, 500);
    let series = without(copy_of("TEMPLATE-DE", "", "customer:2"), "NewId");
    assert_eq!(caller.post("CopyExistingCustomer", series.clone()).await.1["value"], "C10001");
    assert_eq!(caller.post("CopyExistingCustomer", without(series.clone(), "NewName")).await.0, 500);
    assert_eq!(caller.post("CopyExistingCustomer", with(series, "Email", json!("x"))).await.0, 400);
}

#[tokio::test]
async fn an_order_wants_order_data_company_data_and_addresses_of_the_right_type() {
    let caller = Caller::new().await;
    let order = |id: &str, bill: &str, ship: &str| {
        let order = with(with(header(), "CustomerNo", json!(id)), "BillAddrNo", json!(bill));
        with(order, "ShipAddrNo", json!(ship))
    };
    caller.post("CustomerInfoSet", customer("W1")).await;
    add_address(&caller, "W1", "1", &["Document"]).await;
    add_address(&caller, "W1", "2", &["Delivery"]).await;
    let refused = async |body: Value, why: &str| {
        let (status, answer) = caller.post("CustomerOrderSet", body).await;
        assert!(status == 500 && text(&answer).contains(why), "{why}: {answer}");
    };
    refused(order("W1", "1", "2"), "CustOrdCustomer").await;
    let data = json!({"CustomerNo": "W1", "CurrencyCode": "SEK", "CustGrp": "WEB"});
    assert_eq!(caller.post(&format!("{}/CustOrdCustomers", path("W1")), data).await.0, 201);
    refused(order("W1", "1", "2"), "CUSTOMER_COMPANY").await;
    let company =
        json!({"Company": "10", "Identity": "W1", "PartyType": "Customer", "DefCurrency": "SEK", "PayTermId": "14"});
    let companies = format!("{}/CustomerInvoiceCompanies", path("W1"));
    assert_eq!(caller.post(&companies, company.clone()).await.0, 201);
    assert_eq!(caller.post(&companies, company.clone()).await.0, 500, "it stands already");
    assert_eq!(caller.post(&companies, with(company, "Identity", json!("W2"))).await.0, 400);
    refused(order("W1", "2", "2"), "ADDRESS_TYPE").await;
    refused(order("W1", "1", "1"), "ADDRESS_TYPE").await;
    refused(order("W1", "1", "9"), "CustomerInfoAddress").await;
    refused(order("TEMPLATE-SE", "1", "1"), "CATEGORY").await;
    let (status, made) = caller.post("CustomerOrderSet", order("W1", "1", "2")).await;
    assert_eq!(status, 201, "{made}");
    let no = made["OrderNo"].as_str().expect("a number");
    assert_eq!(made["PayTermId"], "14", "the customer's own");
    assert_eq!(caller.patch(&order_path(no), json!({"ShipAddrNo": "1"})).await.0, 500, "no Delivery address");
    let row = CustomerRowOf::OrderData;
    caller.ifs().person_edits_customer("W1", row, "CrStop", "true").expect("an edit");
    refused(order("W1", "1", "2"), "CREDIT_STOP").await;
}

#[tokio::test]
async fn one_address_is_the_default_of_its_type_and_records_are_read_by_their_keys() {
    let caller = Caller::new().await;
    caller.post("CustomerInfoSet", customer("W1")).await;
    add_address(&caller, "W1", "1", &["Delivery", "Document"]).await;
    add_address(&caller, "W1", "2", &["Delivery"]).await;
    let addresses = format!("{}/CustomerInfoAddresses", path("W1"));
    let types = caller.get(&format!("{addresses}(CustomerId='W1',AddressId='1')/AddressTypes")).await;
    let defaults: Vec<&Value> = types["value"].as_array().expect("rows").iter().map(|row| &row["DefAddress"]).collect();
    assert_eq!(defaults, [&json!(false), &json!(true)]);
    assert_eq!(caller.post(&addresses, address("W1", "2")).await.0, 500, "it stands already");
    assert_eq!(caller.post(&addresses, address("W2", "3")).await.0, 400, "another customer's");
    assert_eq!(caller.post(&addresses, without(address("W1", "3"), "CustomerId")).await.0, 500);
    let second = format!("{addresses}(CustomerId='W1',AddressId='2')");
    assert_eq!(caller.patch(&second, json!({"City": "Umeå"})).await.1["City"], "Umeå");
    let methods = format!("{}/CommunicationMethods", path("W1"));
    let mail = json!({"MethodId": "EMail", "Value": "a@example.com", "MethodDefault": true});
    assert_eq!(caller.post(&methods, mail.clone()).await.1["CommId"], 1);
    assert_eq!(caller.post(&methods, with(mail.clone(), "Value", json!("b@example.com"))).await.1["CommId"], 2);
    assert_eq!(caller.get(&methods).await["value"][0]["MethodDefault"], false);
    assert_eq!(caller.post(&methods, with(mail.clone(), "Value", json!("nobody"))).await.0, 500);
    assert_eq!(caller.post(&methods, with(mail, "MethodId", json!("E_MAIL"))).await.0, 400);
}

#[tokio::test]
async fn a_missing_grant_shuts_customers_alone() {
    let caller = Caller::new().await;
    caller.ifs().withdraw_customer_grant();
    assert_eq!(caller.ask("GET", &path("WEB-DEFAULT"), None, None).await.0, 403);
    assert_eq!(caller.post("CustomerOrderSet", header()).await.0, 201);
    caller.ifs().restore_grants();
    assert_eq!(caller.ask("GET", &path("WEB-DEFAULT"), None, None).await.0, 200);
}

#[tokio::test]
async fn faults_meet_customers_too() {
    let caller = Caller::new().await;
    let faults = caller.sandbox.faults();
    faults.once(Class::CustomerCreate, Fault::Busy("1".to_owned()));
    assert_eq!(caller.post("CopyExistingCustomer", copy_of("TEMPLATE-SE", "W1", "k")).await.0, 503);
    assert!(caller.ifs().customer("W1").is_none());
    faults.once(Class::CustomerCreate, Fault::GatewayTimeoutDone);
    assert_eq!(caller.post("CopyExistingCustomer", copy_of("TEMPLATE-SE", "W1", "k")).await.0, 504);
    assert!(caller.ifs().customer("W1").is_some());
    faults.once(Class::Amend, Fault::Storm(1));
    assert_eq!(caller.patch(&path("W1"), json!({"Name": "B"})).await.0, 412);
    assert_eq!(caller.patch(&path("W1"), json!({"Name": "B"})).await.0, 200);
    let entries = caller.sandbox.ledger().entries_where(|entry| entry.class == Class::CustomerCreate);
    assert!(entries.iter().all(|entry| entry.keys == ["k"]), "{entries:?}");
    assert_eq!(caller.sandbox.ledger().counters().customer_creates, 2);
}

#[tokio::test]
async fn a_field_is_written_as_the_company_wants_it_written() {
    let caller = Caller::new().await;
    caller.ifs().set_writing("Name", Some(Writing::Capitals));
    assert_eq!(caller.post("CustomerInfoSet", with(customer("W9"), "Name", json!(" Åsa "))).await.1["Name"], "ÅSA");
    caller.ifs().set_writing("Name", Some(Writing::Cut(2)));
    assert_eq!(caller.patch(&path("W9"), json!({"Name": "Berit"})).await.1["Name"], "Be");
    caller.ifs().set_writing("Name", Some(Writing::Kept));
    assert_eq!(caller.patch(&path("W9"), json!({"Name": "Cecilia"})).await.0, 200);
    assert_eq!(caller.get(&path("W9")).await["Name"], "Be");
    caller.ifs().set_writing("Name", None);
    assert_eq!(caller.patch(&path("W9"), json!({"Name": "Cecilia"})).await.1["Name"], "Cecilia");
}
