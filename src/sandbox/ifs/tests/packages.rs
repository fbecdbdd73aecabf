//! Package parts: the components that IFS adds to them, and how these follow.

use serde_json::json;

use super::*;

fn row_path(no: &str, line_no: u32, item_no: i64) -> String {
    format!("{}(OrderNo='{no}',LineNo='{line_no}',RelNo='1',LineItemNo={item_no})", lines(no))
}

/// `LineNo`, `LineItemNo`, `CatalogNo`, a field, of all rows.
fn told(caller: &Caller, no: &str, field: &str) -> Vec<String> {
    let order = caller.ifs().order(no).expect("the order");
    let cell = |row: &super::super::RowView, name: &str| row.get(name).cloned().unwrap_or_default();
    let row = |row: &super::super::RowView| {
        format!("{}/{} {} {}", cell(row, "LineNo"), cell(row, "LineItemNo"), cell(row, "CatalogNo"), cell(row, field))
    };
    order.lines.iter().map(row).collect()
}

#[tokio::test]
async fn a_package_gets_its_components_and_costs_what_its_own_line_costs() {
    let caller = Caller::new().await;
    let no = caller.order(&[1]).await;
    let (status, made) = caller.post(&lines(&no), with(line("SET-TEA", "2"), "CustomerPoLineNo", json!("77"))).await;
    assert_eq!((status, &made["LineItemNo"], &made["CatalogType"]), (201, &json!(-1), &json!("PackagePart")), "{made}");
    let expected = ["1/0 MUG-001 1", "2/-1 SET-TEA 2", "2/1 MUG-001 4", "2/2 LAMP-002 2"];
    assert_eq!(told(&caller, &no, "BuyQtyDue"), expected);
    assert_eq!(told(&caller, &no, "CustomerPoLineNo")[2..], ["2/1 MUG-001 77", "2/2 LAMP-002 77"]);
    // 11.90 and 23.80: the components have prices of their own, which are in no sum.
    assert_eq!(caller.ifs().order(&no).expect("the order").field("TotalAmount"), "35.7");
    assert!(told(&caller, &no, "GrossAmountCurr").iter().all(|row| !row.ends_with(' ') && !row.ends_with(" 0")));
    // They are answered among the lines, and the next line has the next number.
    assert_eq!(caller.get(&lines(&no)).await["value"].as_array().map(Vec::len), Some(4));
    assert_eq!(caller.post(&lines(&no), line("MUG-001", "1")).await.1["LineNo"], "3");
}

#[tokio::test]
async fn components_follow_their_package_and_refuse_to_be_changed_alone() {
    let caller = Caller::new().await;
    let no = caller.order(&[]).await;
    caller.post(&lines(&no), line("SET-TEA", "2")).await;
    let (package, component) = (row_path(&no, 1, -1), row_path(&no, 1, 1));
    for body in [json!({ "BuyQtyDue": "1" }), json!({ "NoteText": "x" })] {
        let (status, answer) = caller.patch(&component, body).await;
        assert!(status == 500 && text(&answer).contains("PACKAGE_COMPONENT"), "{answer}");
    }
    let reason = json!({ "CancelReason": "WEB" });
    let (status, answer) = caller.act(&component, "CustomerOrderLine_SetCancelled", reason.clone()).await;
    assert!(status == 500 && text(&answer).contains("PACKAGE_COMPONENT"), "{answer}");
    assert_eq!(caller.patch(&package, json!({ "BuyQtyDue": "3" })).await.0, 200);
    assert_eq!(told(&caller, &no, "BuyQtyDue")[1..], ["1/1 MUG-001 6", "1/2 LAMP-002 3"]);
    // The warehouse.
    caller.act(&order_path(&no), "CustomerOrder_SetReleased", json!({})).await;
    caller.ifs().reserve(&no, "1", dec(1)).expect("reserves");
    assert_eq!(told(&caller, &no, "QtyAssigned"), ["1/-1 SET-TEA 1", "1/1 MUG-001 2", "1/2 LAMP-002 1"]);
    assert_eq!(told(&caller, &no, "OrderState")[1], "1/1 MUG-001 Reserved");
    // The end.
    assert!(caller.act(&package, "CustomerOrderLine_SetCancelled", reason).await.0 < 300);
    assert!(told(&caller, &no, "OrderState").iter().all(|row| row.ends_with("Cancelled")));
    assert_eq!(caller.ifs().order(&no).expect("the order").field("TotalAmount"), "0");
}

#[tokio::test]
async fn an_order_of_a_package_alone_has_the_states_of_one_line() {
    let caller = Caller::new().await;
    let no = caller.order(&[]).await;
    caller.post(&lines(&no), line("SET-HOME", "1")).await;
    caller.act(&order_path(&no), "CustomerOrder_SetReleased", json!({})).await;
    caller.ifs().deliver(&no, "1", dec(1)).expect("delivers");
    assert_eq!(caller.ifs().order(&no).expect("the order").field("Objstate"), "Delivered");
    caller.ifs().invoice(&no).expect("invoices");
    assert_eq!(caller.ifs().order(&no).expect("the order").field("Objstate"), "Invoiced");
    assert!(told(&caller, &no, "OrderState").iter().all(|row| row.ends_with("Invoiced")));
}
