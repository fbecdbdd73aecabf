//! What IFS adds by itself once it is switched on.

use super::super::{AddedCharge, Additions, CreditCheck, NewRows};
use super::*;

fn charge_of(charge_type: &str, amount: u32) -> AddedCharge {
    AddedCharge { charge_type: charge_type.to_owned(), amount: dec(amount) }
}

async fn release(caller: &Caller, no: &str) -> String {
    assert_eq!(caller.act(&order_path(no), "CustomerOrder_SetReleased", json!({})).await.0, 204);
    caller.ifs().order(no).expect("the order").field("Objstate").to_owned()
}

fn charges_of(caller: &Caller, no: &str) -> Vec<(String, String)> {
    let order = caller.ifs().order(no).expect("the order");
    order.charges.iter().map(|row| (row["ChargeType"].clone(), row["NetAmtCurr"].clone())).collect()
}

#[tokio::test]
async fn nothing_is_added_by_default() {
    let caller = Caller::new().await;
    let no = caller.order(&[1]).await;
    assert_eq!(release(&caller, &no).await, "Released");
    assert!(charges_of(&caller, &no).is_empty());
}

#[tokio::test]
async fn customers_and_parts_bring_their_default_charges() {
    let caller = Caller::new().await;
    caller.ifs().set_additions(Additions {
        customer_charge: Some(charge_of("FEE", 3)),
        part_charge: Some(("MUG-001".into(), charge_of("DUTY", 2))),
        ..Additions::default()
    });
    let no = caller.order(&[1]).await;
    assert_eq!(caller.post(&lines(&no), line("LAMP-002", "1")).await.0, 201);
    assert_eq!(charges_of(&caller, &no), [("FEE".into(), "3".into()), ("DUTY".into(), "2".into())]);
    assert_eq!(caller.ifs().order(&no).expect("the order").charges[1]["LineNo"], "1", "connected to its line");
}

#[tokio::test]
async fn freight_and_promotions_come_with_the_release_and_once() {
    let caller = Caller::new().await;
    let ifs = caller.ifs();
    ifs.set_additions(Additions { freight: Some(dec(7)), promotion_percent: Some(dec(10)), ..Additions::default() });
    let no = caller.order(&[2]).await;
    let free = with(line("LAMP-002", "1"), "PriceFreeze", json!("Free"));
    let (_, free) = caller.post(&lines(&no), free).await;
    assert!(charges_of(&caller, &no).is_empty());
    ifs.set_credit_check(CreditCheck::Fails);
    assert_eq!(release(&caller, &no).await, "Blocked");
    ifs.set_credit_check(CreditCheck::Passes);
    assert_eq!(release(&caller, &no).await, "Released");
    let net = Decimal::from_str_exact(free["NetAmountCurr"].as_str().expect("a text")).expect("a decimal");
    let promotion = (-net / dec(10)).round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    let expected =
        [("FREIGHT".to_owned(), "7".to_owned()), ("PROMOTION".to_owned(), promotion.normalize().to_string())];
    assert_eq!(charges_of(&caller, &no), expected, "the frozen line has no promotion");
}

#[tokio::test]
async fn a_required_prepayment_blocks_at_release() {
    let caller = Caller::new().await;
    caller.ifs().set_additions(Additions { prepayment_required: true, ..Additions::default() });
    let no = caller.order(&[1]).await;
    assert_eq!(release(&caller, &no).await, "Blocked");
    assert_eq!(caller.get(&order_path(&no)).await["BlockedReason"], "PREPAYMENT");
}

#[tokio::test]
async fn a_default_discount_counts_unless_the_row_says_nought() {
    let caller = Caller::new().await;
    caller.ifs().set_additions(Additions { customer_discount: Some(dec(10)), ..Additions::default() });
    let said = |body: Value, names: &[&str]| names.iter().fold(body, |body, name| with(body, name, json!("0")));
    let (_, order) = caller.post("CustomerOrderSet", said(header(), &["AdditionalDiscount"])).await;
    let no = order["OrderNo"].as_str().expect("a number");
    let plain = caller.post(&lines(no), line("MUG-001", "1")).await.1;
    assert_eq!(plain["NetAmountCurr"], "8");
    let sure = caller.post(&lines(no), said(line("MUG-001", "1"), &["Discount", "OrderDiscount"])).await.1;
    assert_eq!(sure["NetAmountCurr"], "10");
}

#[tokio::test]
async fn a_superseded_part_gives_way_and_taxes_are_fetched_unless_the_line_forbids_it() {
    let caller = Caller::new().await;
    caller.ifs().set_additions(Additions {
        superseded: Some(("MUG-001".into(), "DESK-SPARE".into())),
        taxes_fetched: true,
        ..Additions::default()
    });
    let no = caller.order(&[1]).await;
    let silent = without(line("LAMP-002", "1"), "FetchTaxFromDefaults");
    let (_, made) = caller.post(&lines(&no), silent).await;
    assert_eq!((&made["TaxCode"], &made["FetchTaxFromDefaults"]), (&json!("V25"), &json!("TRUE")));
    let order = caller.ifs().order(&no).expect("the order");
    assert_eq!((order.lines[0]["CatalogNo"].as_str(), order.lines[0]["TaxCode"].as_str()), ("DESK-SPARE", "V19"));
}

#[tokio::test]
async fn a_price_that_is_not_frozen_is_ifss_own() {
    let caller = Caller::new().await;
    let no = caller.order(&[1]).await;
    let path = line_path(&no, 1);
    assert_eq!(caller.get(&path).await["SaleUnitPrice"], "10");
    let (_, freed) = caller.patch(&path, json!({"PriceFreeze": "Free"})).await;
    assert_ne!(freed["SaleUnitPrice"], "10");
    assert_eq!(caller.patch(&path, json!({"SaleUnitPrice": "9"})).await.1["SaleUnitPrice"], freed["SaleUnitPrice"]);
}

#[tokio::test]
async fn a_company_may_refuse_new_rows_from_the_pick_list_on() {
    let caller = Caller::new().await;
    let no = caller.order(&[2]).await;
    caller.ifs().set_state(&no, "Picked").expect("picked");
    caller.ifs().set_new_rows(NewRows::UntilPicking);
    assert_eq!(caller.post(&lines(&no), line("MUG-001", "1")).await.0, 500);
    assert_eq!(caller.post(&charges(&no), charge("GOODWILL", "-1")).await.0, 500);
    caller.ifs().set_new_rows(NewRows::AfterPicking);
    assert_eq!(caller.post(&lines(&no), line("MUG-001", "1")).await.0, 201);
}
