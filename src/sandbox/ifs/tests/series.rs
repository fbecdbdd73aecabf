//! Many callers at once, change sets across customers, rollbacks: numbers stay unique and nothing stays by halves.

use std::collections::BTreeSet;

use super::super::super::faults::Fault;
use super::super::super::ledger::Class;
use super::super::RowOf;
use super::*;

/// A `$batch` of one change set to a projection; gives the body of the answer.
async fn change_set(caller: &Caller, projection: &str, parts: &[(&str, &str, Option<&str>, Value)]) -> String {
    let mut body = String::from("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n");
    for (index, (method, url, if_match, content)) in parts.iter().enumerate() {
        let if_match = if_match.map(|tag| format!("If-Match: {tag}\r\n")).unwrap_or_default();
        body.push_str(&format!(
            "--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {}\r\n\r\n\
             {method} {url} HTTP/1.1\r\nAccept: {JSON}\r\nContent-Type: {JSON}\r\n{if_match}\r\n{content}\r\n",
            index + 1
        ));
    }
    body.push_str("--c--\r\n\r\n--b--\r\n");
    let url = format!("{}{SERVICES}{projection}.svc/$batch", caller.sandbox.ifs_base_url());
    let request = caller.http.post(url).bearer_auth(&caller.token);
    let request = request.header("content-type", "multipart/mixed; boundary=b").body(body);
    let answer = request.send().await.expect("an answer");
    String::from_utf8(body_of(answer).await).expect("text")
}

#[tokio::test]
async fn numbers_are_unique_under_many_callers() {
    let caller = Caller::new().await;
    let creates = (0..40).map(|_| caller.post("CustomerOrderSet", header()));
    let made = futures::future::join_all(creates).await;
    let numbers: BTreeSet<_> = made.iter().map(|(_, order)| order["OrderNo"].as_str().expect("a number")).collect();
    assert_eq!(numbers.len(), 40);
}

#[tokio::test]
async fn a_customer_with_its_address_is_written_in_one_change_set_or_not_at_all() {
    let caller = Caller::new().await;
    let customer = json!({
        "Name": "Kim", "CreationDate": "2026-11-23", "Country": "SE", "CountryCode": "SE", "DefaultLanguage": "sv",
        "PartyType": "Customer", "DefaultDomain": true,
    });
    let address = json!({"AddressId": "1", "PartyType": "Customer", "DefaultDomain": true, "Country": "SE"});
    let parts = |code: &str| {
        [
            ("POST", "CustomerInfoSet", None, customer.clone()),
            ("POST", "$1/CustomerInfoAddresses", None, address.clone()),
            ("POST", "$2/AddressTypes", None, json!({"AddressTypeCode": code})),
            ("POST", "$1/CustOrdCustomers", None, json!({"CurrencyCode": "SEK"})),
            ("PATCH", "$1", Some("$1"), json!({"AssociationNo": "k"})),
        ]
    };
    let refused = change_set(&caller, "CustomerHandling", &parts("Home")).await;
    assert!(refused.contains("400 Bad Request") && caller.ifs().customer_counts().created == 0, "{refused}");
    let taken = change_set(&caller, "CustomerHandling", &parts("Delivery")).await;
    assert_eq!(taken.matches("201 Created").count(), 4, "{taken}");
    // The number that was rolled back is used up.
    let made = caller.ifs().customer("C10002").expect("the customer");
    assert_eq!((made.field("AssociationNo"), made.address_types.len()), ("k", 1));
    assert!(made.order_data.is_some());
}

#[tokio::test]
async fn a_charge_is_deleted_and_its_line_cancelled_in_one_change_set_or_neither() {
    let caller = Caller::new().await;
    let no = caller.order(&[2, 1]).await;
    let tied = with(with(charge("DISCOUNT", "-1"), "LineNo", json!("1")), "RelNo", json!("1"));
    assert_eq!(caller.post(&charges(&no), with(tied, "LineItemNo", json!(0))).await.0, 201);
    let (charge, line) = (charge_path(&no, 1), line_path(&no, 1));
    let etag = async |path: &str| caller.get(path).await["@odata.etag"].as_str().expect("an etag").to_owned();
    let (of_charge, of_line) = (etag(&charge).await, etag(&line).await);
    let action = format!("{line}/{ACTION}CustomerOrderLine_SetCancelled");
    let parts = |reason: &str| {
        [
            ("DELETE", charge.as_str(), Some(of_charge.as_str()), Value::Null),
            ("POST", action.as_str(), Some(of_line.as_str()), json!({"CancelReason": reason})),
        ]
    };
    let refused = change_set(&caller, "CustomerOrderHandling", &parts("BORED")).await;
    assert!(refused.contains("ORA-20110") && caller.ifs().order(&no).expect("the order").charges.len() == 1);
    change_set(&caller, "CustomerOrderHandling", &parts("CUSTOMER")).await;
    let order = caller.ifs().order(&no).expect("the order");
    assert!(order.charges.is_empty() && order.lines[0]["OrderState"] == "Cancelled");
}

#[tokio::test]
async fn an_answer_that_is_lost_leaves_row_creates_and_actions_done() {
    let caller = Caller::new().await;
    let no = caller.order(&[1]).await;
    let faults = caller.sandbox.faults();
    faults.once(Class::Amend, Fault::GatewayTimeoutDone);
    assert_eq!(caller.post(&lines(&no), line("LAMP-002", "1")).await.0, 504);
    faults.once(Class::Amend, Fault::TooMany("1".to_owned()));
    assert_eq!(caller.post(&charges(&no), charge("TIP", "1")).await.0, 429);
    faults.once(Class::Action, Fault::GatewayTimeoutDone);
    assert_eq!(caller.act(&order_path(&no), "CustomerOrder_SetReleased", json!({})).await.0, 504);
    let order = caller.ifs().order(&no).expect("the order");
    assert_eq!((order.lines.len(), order.charges.len(), order.field("Objstate")), (2, 0, "Released"));
}

#[tokio::test]
async fn a_thousand_orders_are_edited_at_once_and_refusals_name_their_place() {
    let caller = Caller::new().await;
    let (ifs, mut numbers) = (caller.ifs(), Vec::new());
    for index in 0..1_000 {
        let part = Some(("MUG-001", dec(1), dec(10)));
        numbers.push(ifs.add_foreign_order(&index.to_string(), "S10", part).expect("an order"));
    }
    ifs.set_state(&numbers[7], "Invoiced").expect("invoiced");
    let edits: Vec<_> = numbers.iter().map(|no| (no.as_str(), RowOf::Header, "NoteText", "by hand")).collect();
    let refused = ifs.edit_many(&edits);
    assert_eq!(refused.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [7]);
    let noted = ifs.orders().iter().filter(|order| order.field("NoteText") == "by hand").count();
    assert_eq!(noted, 999);
}

#[tokio::test]
async fn a_person_is_bidden_in_words() {
    let caller = Caller::new().await;
    let (ifs, no) = (caller.ifs(), caller.order(&[2]).await);
    let bid = |wanted: Value| ifs.person_is_bidden(&with(wanted, "order_no", json!(no)));
    bid(json!({"act": "set_state", "state": "Released"})).expect("released");
    bid(json!({"act": "reserve", "line_no": "1", "qty": "1"})).expect("reserved");
    bid(json!({"act": "edit", "line_no": "1", "field": "NoteText", "value": "x"})).expect("edited");
    assert_eq!(caller.get(&order_path(&no)).await["Objstate"], "Reserved");
    let url = format!("{}/_sandbox/ifs", caller.sandbox.control_url().expect("a control surface"));
    for (wanted, status) in
        [(json!({"act": "invoice", "order_no": no}), 409), (json!({"act": "add_row", "order_no": no}), 200)]
    {
        let answer = caller.http.post(&url).body(wanted.to_string()).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{wanted}");
    }
    for wanted in
        [json!({"act": "reserve", "line_no": "1", "qty": "9"}), json!({"act": "dance"}), json!({"act": "edit"})]
    {
        assert!(bid(wanted.clone()).is_err(), "{wanted}");
    }
}
