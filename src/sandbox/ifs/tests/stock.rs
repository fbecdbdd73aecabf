//! Stock, parts, prices and the lines of all orders, and what persons and orders do to them.

use serde_json::json;

use super::super::{SalesTerms, StateFilters, StockMove, StockPlace};
use super::*;

const ROWS: &str = "InventoryPartInStockSet?$filter=Contract%20eq%20'S10'";

/// Two parts with three rows, at site S10.
fn keep(caller: &Caller) {
    let lot = StockPlace { lot: "L2".into(), ..StockPlace::new("A-01", "W1", dec(4)) };
    let mugs = vec![StockPlace::new("A-01", "W1", dec(3)), lot];
    let lamps = vec![StockPlace { location_type: "ARRIVAL".into(), ..StockPlace::new("GATE", "W1", dec(7)) }];
    caller.ifs().keep_stock("S10", [("MUG-001".to_owned(), mugs), ("LAMP-002".to_owned(), lamps)]);
}

fn parts_of(page: &Value) -> Vec<(String, String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or("").to_owned();
    let rows = page["value"].as_array().expect("a list");
    rows.iter().map(|row| (text(row, "PartNo"), text(row, "LotBatchNo"), text(row, "QtyOnhand"))).collect()
}

fn row(part: &str, lot: &str, qty: &str) -> (String, String, String) {
    (part.to_owned(), lot.to_owned(), qty.to_owned())
}

#[tokio::test]
async fn rows_come_in_the_order_of_their_keys_and_a_page_goes_on_behind_a_part() {
    let caller = Caller::new().await;
    keep(&caller);
    let whole = caller.get(&format!("{ROWS}&$orderby=PartNo")).await;
    let expected = [row("LAMP-002", "*", "7"), row("MUG-001", "*", "3"), row("MUG-001", "L2", "4")];
    assert_eq!(parts_of(&whole), expected, "{whole}");
    let first = &whole["value"][0];
    assert_eq!((&first["LocationTypeDb"], &first["FreezeFlagDb"]), (&json!("ARRIVAL"), &json!(false)));
    assert_eq!((&first["AvailableQty"], &first["ConditionCode"]), (&json!("7"), &Value::Null));
    let behind = caller.get(&format!("{ROWS}%20and%20PartNo%20gt%20'LAMP-002'&$orderby=PartNo&$top=1")).await;
    assert_eq!(parts_of(&behind), expected[1..2]);
    assert!(behind["@odata.nextLink"].is_null(), "no more was asked for");
    assert!(parts_of(&caller.get("InventoryPartInStockSet?$filter=Contract%20eq%20'S20'").await).is_empty());
    let named = "(PartNo%20eq%20'LAMP-002'%20or%20PartNo%20eq%20'CHAIR-003')";
    assert_eq!(parts_of(&caller.get(&format!("{ROWS}%20and%20{named}")).await), expected[..1]);
    let by_qty = caller.get(&format!("{ROWS}&$orderby=QtyOnhand%20desc&$count=true")).await;
    assert_eq!((parts_of(&by_qty)[0].clone(), &by_qty["@odata.count"]), (expected[0].clone(), &json!(3)));
    let (status, _) = caller.ask("GET", "InventoryPartInStockSet?$filter=NoSuch%20eq%20'1'", None, None).await;
    assert_eq!(status, 400);
    assert_eq!(caller.post("InventoryPartInStockSet", json!({})).await.0, 405);
}

#[tokio::test]
async fn smaller_pages_are_linked_and_a_list_breaks_off_or_says_that_there_is_nothing() {
    let caller = Caller::new().await;
    keep(&caller);
    caller.ifs().set_stock_page_rows(2);
    let page = caller.get(&format!("{ROWS}&$orderby=PartNo&$top=4999")).await;
    let link = page["@odata.nextLink"].as_str().expect("a link").to_owned();
    assert_eq!(parts_of(&page).len(), 2);
    let (_, relative) = link.split_once(".svc/").expect("an absolute address");
    assert_eq!(parts_of(&caller.get(relative).await), [row("MUG-001", "L2", "4")]);
    caller.ifs().break_stock_after(1);
    assert_eq!(caller.ask("GET", ROWS, None, None).await.0, 200);
    assert_eq!(caller.ask("GET", ROWS, None, None).await.0, 503);
    caller.ifs().mend_stock();
    caller.ifs().empty_stock();
    assert!(parts_of(&caller.get(ROWS).await).is_empty());
    caller.ifs().mend_stock();
    assert_eq!(parts_of(&caller.get(ROWS).await).len(), 3);
}

#[tokio::test]
async fn persons_move_stock_between_two_pages() {
    let caller = Caller::new().await;
    keep(&caller);
    let (contract, part_no) = ("S10".to_owned(), "MUG-001".to_owned());
    let carry = StockMove::Carry { contract, part_no, from: "A-01".into(), to: "B-02".into(), units: dec(2) };
    caller.ifs().move_stock_after(2, vec![carry.clone()]);
    assert_eq!(parts_of(&caller.get(ROWS).await)[1], row("MUG-001", "*", "3"));
    assert_eq!(parts_of(&caller.get(ROWS).await)[1], row("MUG-001", "*", "3"), "it happens behind this page");
    assert_eq!(parts_of(&caller.get(ROWS).await)[1], row("MUG-001", "*", "1"));
    assert!(caller.ifs().move_stock(&[carry.clone(), carry]).is_err(), "so much is not there");
    assert_eq!(parts_of(&caller.get(ROWS).await)[1], row("MUG-001", "*", "1"), "all or nothing");
    let gone = StockMove::Discontinue { contract: "S10".into(), part_no: "LAMP-002".into() };
    let empty = StockMove::ClearOut { contract: "S10".into(), part_no: "MUG-001".into() };
    caller.ifs().move_stock(&[gone, empty]).expect("they are there");
    assert!(parts_of(&caller.get(ROWS).await).is_empty());
    let parts = caller.get("InventoryPartSet?$filter=Contract%20eq%20'S10'&$select=PartNo").await;
    assert_eq!(parts["value"], json!([{"PartNo": "MUG-001"}]), "a part without stock is a part");
}

#[tokio::test]
async fn orders_reserve_and_ship_what_is_there_and_no_more() {
    let caller = Caller::new().await;
    keep(&caller);
    let ifs = caller.ifs();
    let no = caller.order(&[5]).await;
    assert_eq!(caller.act(&order_path(&no), "CustomerOrder_SetReleased", json!({})).await.0, 204);
    let mugs = |ifs: &Ifs| {
        let figures = ifs.stock_figures("S10")["MUG-001"];
        [figures.on_hand, figures.reserved, figures.demand].map(|qty| qty.normalize().to_string())
    };
    assert_eq!(mugs(&ifs), ["7", "0", "5"]);
    ifs.reserve(&no, "1", dec(4)).expect("there is enough");
    assert_eq!(mugs(&ifs), ["7", "4", "1"]);
    ifs.deliver(&no, "1", dec(2)).expect("there is enough");
    assert_eq!(mugs(&ifs), ["5", "2", "1"]);
    let other = caller.order(&[9]).await;
    caller.act(&order_path(&other), "CustomerOrder_SetReleased", json!({})).await;
    let refused = ifs.reserve(&other, "1", dec(4)).expect_err("three are free");
    assert!(refused.to_string().contains("InventoryPartInStock.QTY"), "{refused}");
    assert_eq!(mugs(&ifs), ["5", "2", "10"], "nothing of it happened");
    ifs.person_cancels(&other).expect("nothing of it is picked");
    assert_eq!(mugs(&ifs), ["5", "2", "1"]);
    // What is not kept is not counted: the order goes its way.
    assert!(!ifs.stock_figures("S10").contains_key("CHAIR-003"));
}

#[tokio::test]
async fn the_lines_of_all_orders_tell_what_is_open_in_units_of_the_stock() {
    let caller = Caller::new().await;
    let no = caller.order(&[2]).await;
    caller.post(&lines(&no), line("CANDLE-BOX", "3")).await;
    caller.post(&lines(&no), line("CUSTOM", "1")).await;
    for set in ["CustomerOrderLineSet", "CustomerOrderJoinSet"] {
        let filter = "$filter=Contract%20eq%20'S10'%20and%20OrderNo%20ge%20'W'";
        let found = caller.get(&format!("{set}?{filter}&$orderby=OrderNo,LineNo,RelNo,LineItemNo")).await;
        let of = |name: &str| -> Vec<Value> {
            found["value"].as_array().expect("a list").iter().map(|row| row[name].clone()).collect()
        };
        assert_eq!(of("PartNo"), [json!("MUG-001"), json!("CANDLE-001"), Value::Null], "{set}: {found}");
        assert_eq!(of("RevisedQtyDue"), [json!("2"), json!("18"), json!("1")]);
        assert_eq!(of("BuyQtyDue"), [json!("2"), json!("3"), json!("1")]);
        assert_eq!(of("QtyAssigned"), [json!("0"), json!("0"), json!("0")]);
    }
    let (status, _) = caller.ask("GET", "CustomerOrderLineSet?$filter=OrderState%20eq%20'Released'", None, None).await;
    assert_eq!(status, 400, "states are no filter");
    caller.ifs().set_state_filters(StateFilters::Taken);
    let state = "IfsApp.CustomerOrderHandling.CustomerOrderLineState'Released'";
    let open = caller.get(&format!("CustomerOrderLineSet?$filter=Objstate%20ne%20{state}")).await;
    assert_eq!(open["value"], json!([]));
}

#[tokio::test]
async fn sales_parts_and_price_queries_tell_what_a_part_costs() {
    let caller = Caller::new().await;
    let path = "SalesPartSet(Contract='S10',CatalogNo='CANDLE-BOX')";
    let boxed = caller.get(path).await;
    let expected = (&json!("CANDLE-001"), &json!("6"), &json!("18"), &json!("22.5"));
    assert_eq!((&boxed["PartNo"], &boxed["ConvFactor"], &boxed["ListPrice"], &boxed["ListPriceInclTax"]), expected);
    let terms = SalesTerms { list_price: dec(20), is_active: false };
    caller.ifs().set_sales_terms("S10", "CANDLE-BOX", terms);
    let boxed = caller.get(path).await;
    assert_eq!((&boxed["ListPrice"], &boxed["Activeind"]), (&json!("20"), &json!(false)));
    let listed = caller
        .get("SalesPartSet?$filter=Contract%20eq%20'S10'%20and%20CatalogNo%20gt%20'VASE'&$select=CatalogNo")
        .await;
    assert_eq!(listed["value"].as_array().map(Vec::len), Some(5), "{listed}");
    let query = json!({
        "CatalogNo": "CANDLE-BOX", "SalesQty": "1", "PriceQty": "1", "CustomerNo": "WEB-DEFAULT", "Contract": "S10",
        "CurrencyCode": "EUR", "UsePriceInclTax": false,
    });
    assert_eq!(caller.post("PriceQuerySet", query.clone()).await.1["SaleUnitPrice"], "20");
    caller.ifs().agree_price("WEB-DEFAULT", "CANDLE-BOX", dec(15));
    let (status, answer) = caller.post("PriceQuerySet", query.clone()).await;
    assert_eq!((status, &answer["SaleUnitPrice"], &answer["UnitPriceInclTax"]), (201, &json!("15"), &json!("18.75")));
    // What holds from a later day on is not told, and no other day can be asked for.
    let far = jiff::civil::date(2999, 1, 1);
    caller.ifs().agree_price_from("WEB-DEFAULT", "CANDLE-BOX", dec(16), far);
    assert_eq!(caller.post("PriceQuerySet", query.clone()).await.1["SaleUnitPrice"], "15");
    let dated = with(query.clone(), "PriceEffectiveDate", json!("2999-01-01"));
    assert_eq!(caller.post("PriceQuerySet", dated).await.0, 400);
    assert_eq!(caller.post("PriceQuerySet", with(query, "CatalogNo", json!("NO-SUCH"))).await.0, 500);
    assert_eq!(caller.ifs().price_queries(), 3);
    assert_eq!(caller.post("CleanPriceQuery", json!({})).await.0, 204);
    assert_eq!(caller.ifs().price_queries(), 0);
}

#[tokio::test]
async fn many_parts_are_read_in_pages_by_their_keys() {
    let caller = Caller::new().await;
    let ifs = caller.ifs();
    ifs.sell_bulk(12_000);
    let places = || vec![StockPlace::new("A-01", "W1", Decimal::TEN)];
    let parts = (0..12_000).map(|index| (crate::sandbox::world::bulk_sku(index), places()));
    ifs.keep_stock("S10", parts);
    let (mut behind, mut pages, mut rows) = (String::new(), 0, 0);
    loop {
        let path =
            format!("{ROWS}%20and%20PartNo%20gt%20'{behind}'&$orderby=PartNo&$top=4999&$select=PartNo,QtyOnhand");
        let page = caller.get(&path).await;
        let parts = parts_of(&page);
        pages += 1;
        rows += parts.len();
        match parts.last() {
            Some((last, ..)) if parts.len() == 4_999 => behind.clone_from(last),
            _ => break,
        }
    }
    assert_eq!((pages, rows), (3, 12_000));
}
