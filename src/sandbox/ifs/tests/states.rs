//! What the states of orders and lines refuse.

use serde_json::json;

use super::super::RowOf;
use super::*;

/// States, each with whether it still allows something, in this order.
const STATES: [&str; 10] = [
    "Planned",
    "Released",
    "Reserved",
    "Picked",
    "PartiallyDelivered",
    "Delivered",
    "Invoiced",
    "Closed",
    "Cancelled",
    "Blocked",
];

/// Tries a write in each state on an order of its own (two lines of 3); gives the states in which IFS took it.
async fn taken_in(write: impl AsyncFn(&Caller, &str) -> (u16, Value)) -> Vec<&'static str> {
    let caller = Caller::new().await;
    let mut taken = Vec::new();
    for state in STATES {
        let no = caller.order(&[3, 3]).await;
        caller.ifs().set_state(&no, state).expect("a state");
        let (status, answer) = write(&caller, &no).await;
        match status {
            200..=204 => taken.push(state),
            500 => assert!(text(&answer).contains("ORA-20105"), "{state}: {answer}"),
            _ => panic!("{state}: {status} {answer}"),
        }
    }
    taken
}

#[tokio::test]
async fn a_line_is_added_until_everything_is_delivered() {
    let taken = taken_in(async |caller, no| caller.post(&lines(no), line("LAMP-002", "1")).await).await;
    assert_eq!(taken, ["Planned", "Released", "Reserved", "Picked", "PartiallyDelivered", "Blocked"]);
}

#[tokio::test]
async fn a_charge_is_added_until_the_order_is_invoiced() {
    let taken = taken_in(async |caller, no| caller.post(&charges(no), charge("GOODWILL", "-1")).await).await;
    assert_eq!(taken, ["Planned", "Released", "Reserved", "Picked", "PartiallyDelivered", "Delivered", "Blocked"]);
}

#[tokio::test]
async fn a_quantity_changes_until_the_line_is_picked_or_has_left() {
    let taken = taken_in(async |caller, no| caller.patch(&line_path(no, 1), json!({"BuyQtyDue": "2"})).await).await;
    assert_eq!(taken, ["Planned", "Released", "Reserved", "PartiallyDelivered", "Blocked"]);
}

#[tokio::test]
async fn a_price_changes_until_the_line_is_invoiced() {
    let taken = taken_in(async |caller, no| caller.patch(&line_path(no, 1), json!({"SaleUnitPrice": "9"})).await).await;
    assert_eq!(taken, ["Planned", "Released", "Reserved", "Picked", "PartiallyDelivered", "Delivered", "Blocked"]);
}

#[tokio::test]
async fn a_note_changes_until_the_order_is_invoiced() {
    let taken = taken_in(async |caller, no| caller.patch(&order_path(no), json!({"NoteText": "x"})).await).await;
    assert_eq!(taken, ["Planned", "Released", "Reserved", "Picked", "PartiallyDelivered", "Delivered", "Blocked"]);
}

#[tokio::test]
async fn the_delivery_address_changes_until_the_order_is_picked() {
    let taken = taken_in(async |caller, no| caller.patch(&order_path(no), json!({"AddrFlagDb": "Y"})).await).await;
    assert_eq!(taken, ["Planned", "Released", "Reserved", "Blocked"]);
}

#[tokio::test]
async fn a_line_is_cancelled_until_it_is_picked_or_has_left() {
    let reason = || json!({"CancelReason": "CUSTOMER"});
    let first = async |caller: &Caller, no: &str| {
        caller.act(&line_path(no, 1), "CustomerOrderLine_SetCancelled", reason()).await
    };
    assert_eq!(taken_in(first).await, ["Planned", "Released", "Reserved", "Blocked"]);
    let second = async |caller: &Caller, no: &str| {
        caller.act(&line_path(no, 2), "CustomerOrderLine_SetCancelled", reason()).await
    };
    // The second line of an order that was delivered in part is still free.
    assert_eq!(taken_in(second).await, ["Planned", "Released", "Reserved", "PartiallyDelivered", "Blocked"]);
}

#[tokio::test]
async fn an_order_is_cancelled_until_it_is_picked() {
    let taken = taken_in(async |caller, no| {
        caller.act(&order_path(no), "CustomerOrder_SetCancelled", json!({"CancelReason": "WEB"})).await
    })
    .await;
    assert_eq!(taken, ["Planned", "Released", "Reserved", "Blocked"]);
}

#[tokio::test]
async fn an_order_is_released_from_planned_and_from_blocked_only() {
    let taken =
        taken_in(async |caller, no| caller.act(&order_path(no), "CustomerOrder_SetReleased", json!({})).await).await;
    assert_eq!(taken, ["Planned", "Blocked"]);
}

#[tokio::test]
async fn a_quantity_is_never_less_than_what_is_reserved_or_delivered() {
    let caller = Caller::new().await;
    let no = caller.order(&[5, 1]).await;
    caller.ifs().set_state(&no, "Released").expect("released");
    caller.ifs().deliver(&no, "1", dec(2)).expect("delivered");
    caller.ifs().reserve(&no, "1", dec(1)).expect("reserved");
    let path = line_path(&no, 1);
    let (status, answer) = caller.patch(&path, json!({"BuyQtyDue": "2"})).await;
    assert!(status == 500 && text(&answer).contains("QTY_BELOW"), "{answer}");
    let (status, line) = caller.patch(&path, json!({"BuyQtyDue": "3"})).await;
    assert_eq!((status, &line["OrderState"]), (200, &json!("PartiallyDelivered")), "{line}");
    assert_eq!(
        (&line["QtyAssigned"], &line["QtyShipped"], &line["QtyPicked"], &line["QtyInvoiced"]),
        (&json!("1"), &json!("2"), &json!("0"), &json!("0"))
    );
    caller.ifs().pick(&no, "1").expect("picked");
    assert_eq!(caller.get(&path).await["OrderState"], "Picked");
    caller.ifs().deliver(&no, "1", dec(1)).expect("delivered");
    assert_eq!(caller.get(&path).await["OrderState"], "Delivered");
    assert!(caller.ifs().deliver(&no, "1", dec(1)).is_err(), "nothing is left");
    assert_eq!(caller.get(&order_path(&no)).await["Objstate"], "PartiallyDelivered");
}

#[tokio::test]
async fn an_invoiced_row_keeps_its_price_while_others_may_change() {
    let caller = Caller::new().await;
    let no = caller.order(&[2, 2]).await;
    caller.post(&charges(&no), charge("FREIGHT", "5")).await;
    caller.ifs().set_state(&no, "Released").expect("released");
    caller.ifs().deliver(&no, "1", dec(2)).expect("delivered");
    caller.ifs().invoice(&no).expect("invoiced");
    assert!(caller.ifs().invoice(&no).is_err(), "nothing is left to invoice");
    let price = json!({"SaleUnitPrice": "9"});
    let (status, answer) = caller.patch(&line_path(&no, 1), price.clone()).await;
    assert!(status == 500 && text(&answer).contains("INVOICED"), "{answer}");
    assert_eq!(caller.patch(&line_path(&no, 2), price).await.0, 200);
    assert_eq!(caller.patch(&charge_path(&no, 1), json!({"ChargeAmount": "4"})).await.0, 500);
    assert_eq!(caller.write("DELETE", &charge_path(&no, 1), "", None).await.0, 500);
    assert_eq!(caller.patch(&order_path(&no), json!({"AdditionalDiscount": "5"})).await.0, 500);
    caller.ifs().deliver(&no, "2", dec(2)).expect("delivered");
    caller.ifs().invoice(&no).expect("invoiced");
    assert_eq!(caller.get(&order_path(&no)).await["Objstate"], "Invoiced");
}

#[tokio::test]
async fn a_line_with_a_connected_charge_is_cancelled_after_the_charge_is_deleted() {
    let caller = Caller::new().await;
    let no = caller.order(&[2, 1]).await;
    let tied = |line_no: &str| {
        let tied = with(with(charge("DISCOUNT", "-1"), "LineNo", json!(line_no)), "RelNo", json!("1"));
        with(tied, "LineItemNo", json!(0))
    };
    assert_eq!(caller.post(&charges(&no), tied("1")).await.0, 201);
    assert_eq!(caller.post(&charges(&no), tied("9")).await.0, 500, "no such line");
    assert_eq!(caller.post(&charges(&no), without(tied("1"), "RelNo")).await.0, 500, "half a key");
    let (line, action, reason) =
        (line_path(&no, 1), "CustomerOrderLine_SetCancelled", json!({"CancelReason": "CUSTOMER"}));
    let (status, answer) = caller.act(&line, action, reason.clone()).await;
    assert!(status == 500 && text(&answer).contains("CHARGE_CONNECTED"), "{answer}");
    assert_eq!(caller.act(&order_path(&no), "CustomerOrder_SetCancelled", reason.clone()).await.0, 500);
    assert_eq!(caller.write("DELETE", &charge_path(&no, 1), "", None).await.0, 204);
    assert_eq!(caller.act(&line, action, reason).await.0, 204);
    let line = caller.get(&line).await;
    assert_eq!((&line["OrderState"], &line["CancelReason"]), (&json!("Cancelled"), &json!("CUSTOMER")));
    assert_eq!(caller.post(&charges(&no), tied("1")).await.0, 500, "the line is cancelled");
    assert_eq!(caller.ifs().order(&no).expect("the order").field("TotalAmount"), "11.9");
}

#[tokio::test]
async fn a_line_is_cancelled_for_a_known_reason_with_its_etag_and_once() {
    let caller = Caller::new().await;
    let no = caller.order(&[1]).await;
    let path = line_path(&no, 1);
    let url = format!("{path}/{ACTION}CustomerOrderLine_SetCancelled");
    let good = Some(json!({"CancelReason": "WEB"}));
    assert_eq!(caller.ask("POST", &url, None, good.clone()).await.0, 428);
    assert_eq!(caller.ask("POST", &url, Some("W/\"stale\""), good.clone()).await.0, 412);
    for (body, expected) in [(json!({}), 500), (json!({"CancelReason": "BORED"}), 500), (json!({"Reason": "WEB"}), 400)]
    {
        assert_eq!(caller.act(&path, "CustomerOrderLine_SetCancelled", body).await.0, expected);
    }
    assert_eq!(caller.act(&path, "CustomerOrderLine_SetReleased", json!({})).await.0, 404);
    assert_eq!(caller.act(&path, "CustomerOrderLine_SetCancelled", json!({"CancelReason": "WEB"})).await.0, 204);
    assert_eq!(caller.act(&path, "CustomerOrderLine_SetCancelled", json!({"CancelReason": "WEB"})).await.0, 500);
    assert_eq!(caller.act(&order_path(&no), "CustomerOrder_SetReleased", json!({})).await.0, 500, "no line is left");
}

#[tokio::test]
async fn persons_and_the_warehouse_are_held_to_the_same_borders() {
    let caller = Caller::new().await;
    let (ifs, no) = (caller.ifs(), caller.order(&[2]).await);
    assert!(ifs.reserve(&no, "1", dec(1)).is_err(), "a planned order is not worked on");
    ifs.add_foreign_row(&no).expect("a row");
    ifs.edit(&no, "CustRef", "Kim").expect("an edit");
    let refused = ifs.edit_many(&[
        (&no, RowOf::Line("1"), "NoteText", "by hand"),
        (&no, RowOf::Line("7"), "NoteText", "no such line"),
        (&no, RowOf::Header, "LabelNote", "label"),
    ]);
    assert_eq!(refused.iter().map(|(position, _)| *position).collect::<Vec<_>>(), [1]);
    ifs.block(&no, "CREDIT").expect("blocked");
    assert_eq!(caller.get(&order_path(&no)).await["BlockedReason"], "CREDIT");
    ifs.set_state(&no, "Picked").expect("picked");
    assert!(ifs.block(&no, "CREDIT").is_err() && ifs.person_cancels(&no).is_err());
    assert!(ifs.set_state(&no, "Quarantined").is_err());
    let single = caller.order(&[1]).await;
    assert!(ifs.set_state(&single, "PartiallyDelivered").is_err(), "one unit can not be delivered in part");
    let order = ifs.order(&no).expect("the order");
    assert_eq!((order.lines.len(), order.field("CustRef"), order.field("LabelNote")), (2, "Kim", "label"));
}
