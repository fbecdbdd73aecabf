//! Rows of orders: parts, charges, taxes, codes.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_custom_part_takes_the_lines_own_description_and_is_no_inventory_part() {
    let caller = Caller::new().await;
    let no = caller.order(&[]).await;
    let custom = with(line("CUSTOM", "1"), "CatalogDesc", json!("Engraving \"Åsa\""));
    let (status, made) = caller.post(&lines(&no), custom.clone()).await;
    assert_eq!((status, &made["CatalogDesc"]), (201, &json!("Engraving \"Åsa\"")), "{made}");
    assert_eq!(made["CatalogType"], "NonInventoryPart");
    let (status, answer) = caller.post(&lines(&no), with(custom, "CatalogType", json!("InventoryPart"))).await;
    assert!(status == 500 && text(&answer).contains("CATALOG_TYPE"), "{answer}");
    for part in ["GIFTCARD", "DEFAULT-PART", "DESK-OLD"] {
        assert_eq!(caller.post(&lines(&no), line(part, "1")).await.0, 201, "{part}");
    }
}

#[tokio::test]
async fn charges_may_be_negative_and_of_each_known_type_only() {
    let caller = Caller::new().await;
    let no = caller.order(&[1]).await;
    for charge_type in ["FREIGHT", "ROUNDING", "TIP", "DUTY", "FEE", "GOODWILL", "DISCOUNT", "TAX", "MARKETTAX"] {
        assert_eq!(caller.post(&charges(&no), charge(charge_type, "-1.5")).await.0, 201, "{charge_type}");
    }
    let (status, answer) = caller.post(&charges(&no), charge("GIFTWRAP", "1")).await;
    assert!(status == 500 && text(&answer).contains("GIFTWRAP"), "{answer}");
    let (status, answer) = caller.post(&charges(&no), with(charge("TIP", "1"), "ChargedQty", json!("0"))).await;
    assert!(status == 500 && text(&answer).contains("QTY"), "{answer}");
    // 11.90 less 9 x 1.50.
    assert_eq!(caller.ifs().order(&no).expect("the order").field("TotalAmount"), "-1.6");
}

#[tokio::test]
async fn the_number_of_a_deleted_charge_does_not_come_again() {
    let caller = Caller::new().await;
    let no = caller.order(&[1]).await;
    assert_eq!(caller.post(&charges(&no), charge("TIP", "1")).await.1["SequenceNo"], 1);
    assert_eq!(caller.ask("DELETE", &charge_path(&no, 1), None, None).await.0, 428);
    assert_eq!(caller.ask("DELETE", &charge_path(&no, 1), Some("W/\"stale\""), None).await.0, 412);
    assert_eq!(caller.write("DELETE", &charge_path(&no, 1), "", None).await.0, 204);
    assert_eq!(caller.ask("DELETE", &charge_path(&no, 1), Some("W/\"stale\""), None).await.0, 404);
    assert_eq!(caller.post(&charges(&no), charge("TIP", "1")).await.1["SequenceNo"], 2);
}

#[tokio::test]
async fn a_structure_adds_its_rates_on_one_base_and_excludes_a_code() {
    let caller = Caller::new().await;
    let no = caller.order(&[]).await;
    let taxed = with(without(line("MUG-001", "1"), "TaxCode"), "TaxCalcStructureId", json!("GSTQST"));
    let (status, made) = caller.post(&lines(&no), with(taxed.clone(), "SaleUnitPrice", json!("0.9"))).await;
    assert_eq!((status, &made["TaxAmountCurr"]), (201, &json!("0.14")), "{made}");
    assert!(made["TaxCode"].is_null());
    let (status, answer) = caller.post(&lines(&no), with(taxed.clone(), "TaxCode", json!("V19"))).await;
    assert!(status == 500 && text(&answer).contains("CODE_AND_STRUCTURE"), "{answer}");
    let (status, answer) = caller.post(&lines(&no), with(taxed, "TaxCalcStructureId", json!("VAT"))).await;
    assert!(status == 500 && text(&answer).contains("TaxCalcStructure"), "{answer}");
    let (status, made) = caller.patch(&line_path(&no, 1), json!({"TaxCode": "QST9975"})).await;
    assert_eq!((status, &made["TaxAmountCurr"]), (200, &json!("0.09")), "a code takes the structure's place");
}

#[tokio::test]
async fn amounts_have_the_decimals_of_their_currency() {
    let caller = Caller::new().await;
    for (currency, price, net, tax) in [("JPY", "333.5", "334", "33"), ("KWD", "0.3335", "0.334", "0.033")] {
        let (_, order) = caller.post("CustomerOrderSet", with(header(), "CurrencyCode", json!(currency))).await;
        let no = order["OrderNo"].as_str().expect("a number");
        let row = with(with(line("MUG-001", "1"), "SaleUnitPrice", json!(price)), "TaxCode", json!("V10"));
        let (_, made) = caller.post(&lines(no), row).await;
        assert_eq!((&made["NetAmountCurr"], &made["TaxAmountCurr"]), (&json!(net), &json!(tax)), "{currency}");
    }
}

#[tokio::test]
async fn a_percents_amount_is_rounded_then_subtracted() {
    let caller = Caller::new().await;
    let no = caller.order(&[]).await;
    let row = with(with(line("MUG-001", "10"), "SaleUnitPrice", json!("50.01")), "Discount", json!("55"));
    assert_eq!(caller.post(&lines(&no), row).await.1["NetAmountCurr"], "225.04");
}

#[tokio::test]
async fn codes_of_a_header_are_known_or_refused() {
    let caller = Caller::new().await;
    for (field, good, bad) in [
        ("OrderId", "WEBX", "XX"),
        ("AuthorizeCode", "B2B", "NOBODY"),
        ("MarketCode", "POS", "MARS"),
        ("SalesmanCode", "199", "200"),
        ("CodeB", "100", "99"),
        ("CodeC", "150", "ABC"),
        ("PayTermId", "14", "15"),
        ("CurrencyCode", "KWD", "XXX"),
    ] {
        assert_eq!(caller.post("CustomerOrderSet", with(header(), field, json!(good))).await.0, 201, "{field} {good}");
        let (status, answer) = caller.post("CustomerOrderSet", with(header(), field, json!(bad))).await;
        assert!(status == 500 && text(&answer).contains("does not exist"), "{field} {bad}: {answer}");
    }
    assert_eq!(caller.post("CustomerOrderSet", with(header(), "CodeD", json!("100"))).await.0, 400, "no such field");
}

#[tokio::test]
async fn each_coordinator_numbers_its_orders_by_a_series_of_its_own() {
    let caller = Caller::new().await;
    let mut numbers = Vec::new();
    for coordinator in ["WEB", "B2B", "WEB"] {
        let (_, order) = caller.post("CustomerOrderSet", with(header(), "AuthorizeCode", json!(coordinator))).await;
        numbers.push(order["OrderNo"].as_str().expect("a number").to_owned());
    }
    assert_eq!(numbers, ["W10001", "B10001", "W10002"]);
    assert_eq!(caller.post("CustomerOrderSet", with(header(), "OrderNo", json!("1"))).await.0, 400, "never our choice");
}
