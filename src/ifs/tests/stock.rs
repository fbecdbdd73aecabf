//! Stock, open lines, sales parts and prices against a local server that answers as scripted: pages that are cut, parts that fill one,
//! another order, tenants that filter no states.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::{OWN, TOKEN, answering, calls, client_of, clock, token};
use crate::ifs::{LineFilter, OpenLine, PriceQuestion};
use crate::remote::scripted::{Asked, Reply, Scripted};

const STOCK: &str = "/main/ifsapplications/projection/v1/InventoryPartInStockHandling.svc/InventoryPartInStockSet?";

fn row(part: &str, place: usize, on_hand: i64) -> Value {
    json!({
        "PartNo": part, "ConfigurationId": "*", "LocationNo": format!("A{place:05}"), "LotBatchNo": "*", "SerialNo": "*",
        "EngChgLevel": "1", "WaivDevRejNo": "*", "ActivitySeq": 0, "HandlingUnitId": 0, "QtyOnhand": on_hand.to_string(),
        "QtyReserved": 1, "Warehouse": "W1", "LocationTypeDb": "PICKING", "FreezeFlagDb": false, "PartOwnershipDb": "COMPANY OWNED",
    })
}

fn rows(parts: &[(&str, usize)]) -> Vec<Value> {
    parts.iter().flat_map(|(part, places)| (0..*places).map(|place| row(part, place, 5))).collect()
}

/// The requests behind the tokens, their quotes as they were written.
fn heads(server: &Scripted) -> Vec<String> {
    calls(server).into_iter().map(|asked| asked.head.replace("%27", "'")).collect()
}

fn list(rows: &[Value]) -> Reply {
    Reply::json(200, &json!({ "value": rows }).to_string())
}

/// A server that gives out tokens and answers the calls behind them in their sequence.
async fn scripted(script: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Scripted {
    let count = std::sync::atomic::AtomicUsize::new(0);
    Scripted::start(move |asked, n| {
        if asked.head.contains(TOKEN) {
            return token(n);
        }
        script(asked, count.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
    })
    .await
}

#[tokio::test]
async fn a_full_page_leaves_its_last_part_to_the_next_one() {
    let pages = [list(&rows(&[("A", 1), ("B", 3_000), ("C", 999)])), list(&rows(&[("C", 1_200), ("D", 1)]))];
    let server = scripted(move |_, n| pages[n].clone()).await;
    let client = client_of(&server.url, clock());
    let first = client.stock_page("S10", None).await.expect("a page");
    let told = |page: &crate::ifs::StockPage| {
        let of = |part: &crate::ifs::PartInStock| (part.part_no.clone(), part.rows.as_ref().map(Vec::len));
        page.parts.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(told(&first), [("A".to_owned(), Some(1)), ("B".to_owned(), Some(3_000))]);
    assert_eq!(first.next.as_deref(), Some("B"));
    let stock = &first.parts[0].rows.as_ref().expect("whole")[0];
    assert_eq!(
        (stock.on_hand, stock.reserved, stock.warehouse.as_deref()),
        (Decimal::from(5), Decimal::ONE, Some("W1"))
    );
    let second = client.stock_page("S10", first.next.as_deref()).await.expect("a page");
    assert_eq!(told(&second), [("C".to_owned(), Some(1_200)), ("D".to_owned(), Some(1))]);
    assert_eq!(second.next, None);
    let asked = heads(&server);
    assert!(asked[0].contains(STOCK) && asked[1].contains("PartNo%20gt%20'B'"), "{}", asked[1]);
}

#[tokio::test]
async fn a_link_of_ifs_makes_a_page_a_full_one() {
    let body = json!({ "value": rows(&[("A", 2), ("B", 1)]), "@odata.nextLink": "elsewhere" }).to_string();
    let server = answering(Reply::json(200, &body)).await;
    let page = client_of(&server.url, clock()).stock_page("S10", None).await.expect("a page");
    assert_eq!((page.parts.len(), page.next.as_deref()), (1, Some("A")), "B may be cut");
}

#[tokio::test]
async fn a_part_that_fills_a_page_is_read_by_its_rows_until_two_readings_agree() {
    let whole = |on_hand: i64| {
        let rows: Vec<Value> = (0..4_002).map(|place| row("A", place, on_hand)).collect();
        [list(&rows[..4_000]), list(&rows[4_000..])]
    };
    let [first, rest] = whole(5);
    let [moved, moved_rest] = whole(6);
    let pages = [first.clone(), first, rest.clone(), moved.clone(), moved_rest.clone(), moved, moved_rest];
    let server = scripted(move |_, n| pages[n].clone()).await;
    let page = client_of(&server.url, clock()).stock_page("S10", None).await.expect("a page");
    let rows = page.parts[0].rows.as_ref().expect("two agree");
    assert_eq!((rows.len(), rows[0].on_hand, page.next.as_deref()), (4_002, Decimal::from(6), Some("A")));
    let asked = heads(&server);
    assert_eq!(asked.len(), 7);
    assert!(asked[2].contains("LocationNo%20gt%20'A03999'"), "behind the whole key of the last row");
}

#[tokio::test]
async fn a_part_that_changes_each_time_is_not_taken_for_read() {
    let all = rows(&[("A", 4_000)]);
    let pages = [list(&all), list(&all[..1]), list(&all[..2]), list(&all[..3]), list(&all[..4])];
    let server = scripted(move |_, n| pages[n].clone()).await;
    let page = client_of(&server.url, clock()).stock_page("S10", None).await.expect("a page");
    assert_eq!((page.parts[0].rows.as_ref(), page.next.as_deref()), (None, Some("A")));
}

#[tokio::test]
async fn another_order_and_an_empty_page_that_goes_on_are_refused() {
    for body in [
        json!({ "value": rows(&[("b", 1), ("B", 1)]) }),
        json!({ "value": [], "@odata.nextLink": "elsewhere" }),
        json!({ "value": [{ "PartNo": null }] }),
    ] {
        let server = answering(Reply::json(200, &body.to_string())).await;
        let outcome = client_of(&server.url, clock()).stock_page("S10", None).await;
        assert_eq!(outcome.expect_err("no page").kind(), "undecodable", "{body}");
    }
    let server = answering(list(&rows(&[("A", 1)]))).await;
    let outcome = client_of(&server.url, clock()).stock_page("S10", Some("A")).await;
    assert_eq!(outcome.expect_err("it does not go on").kind(), "undecodable");
}

#[tokio::test]
async fn parts_that_are_named_are_all_answered_those_without_rows_too() {
    let server = answering(list(&rows(&[("A", 2)]))).await;
    let client = client_of(&server.url, clock());
    let found = client.stock_of_parts("S10", &["A", "B"]).await.expect("an answer");
    let told: Vec<_> = found.iter().map(|part| (part.part_no.as_str(), part.rows.as_ref().map(Vec::len))).collect();
    assert_eq!(told, [("A", Some(2)), ("B", Some(0))]);
    assert!(client.stock_of_parts("S10", &["B"]).await.is_err(), "another part than was asked for");
}

#[tokio::test]
async fn an_odd_row_is_its_parts_alone() {
    let mut stock = rows(&[("A", 1), ("B", 2), ("C", 1)]);
    stock[2]["QtyOnhand"] = json!("many");
    let server = answering(list(&stock)).await;
    let client = client_of(&server.url, clock());
    let page = client.stock_page("S10", None).await.expect("a page");
    let named = client.stock_of_parts("S10", &["A", "B", "C"]).await.expect("an answer");
    for parts in [page.parts, named] {
        let told: Vec<_> = parts.iter().map(|part| (part.part_no.as_str(), part.rows.as_ref().map(Vec::len))).collect();
        assert_eq!(told, [("A", Some(1)), ("B", None), ("C", Some(1))]);
        assert!(parts[1].odd.as_deref().is_some_and(|odd| odd.contains("QtyOnhand")), "{:?}", parts[1].odd);
        assert!(parts[0].odd.is_none() && parts[2].odd.is_none());
    }
}

#[tokio::test]
async fn an_odd_line_is_its_parts_alone_unless_it_is_closed() {
    let line = |part: &str, line_no: &str, due: Value, state: &str| {
        json!({
            "PartNo": part, "OrderNo": "W1", "LineNo": line_no, "RelNo": "1", "LineItemNo": 0, "RevisedQtyDue": due,
            "OrderState": state,
        })
    };
    let lines = [
        line("A", "1", json!("5"), "Released"),
        line("A", "2", json!([]), "Cancelled"),
        line("B", "3", json!("5"), "Released"),
        line("B", "4", json!([]), "Released"),
    ];
    let server = answering(list(&lines)).await;
    let page = client_of(&server.url, clock()).demand_page("S10", LineFilter::ByUs, None).await.expect("a page");
    let told: Vec<_> =
        page.parts.iter().map(|part| (part.part_no.as_str(), part.lines.as_ref().map(Vec::len))).collect();
    assert_eq!(told, [("A", Some(1)), ("B", None)]);
    assert!(page.parts[1].odd.as_deref().is_some_and(|odd| odd.contains("RevisedQtyDue")), "{:?}", page.parts[1].odd);
}

#[tokio::test]
async fn lines_are_filtered_by_ifs_where_it_can_and_by_us_where_not() {
    let line = |line_no: &str, state: &str| {
        json!({
            "PartNo": "A", "OrderNo": "W1", "LineNo": line_no, "RelNo": "1", "LineItemNo": 0, "RevisedQtyDue": "5",
            "QtyAssigned": "2", "QtyShipped": "1", "OrderState": state,
        })
    };
    let lines = [line("1", "Released"), line("2", "Cancelled")];
    let server =
        scripted(move |asked, _| if asked.head.contains("Objstate") { Reply::json(400, OWN) } else { list(&lines) })
            .await;
    let client = client_of(&server.url, clock());
    let filter = client.line_filter("S10").await.expect("an answer");
    assert_eq!(filter, LineFilter::ByUs);
    let page = client.demand_page("S10", filter, None).await.expect("a page");
    let open = OpenLine { due: Decimal::from(5), assigned: Decimal::TWO, shipped: Decimal::ONE };
    assert_eq!((page.parts[0].part_no.as_str(), page.parts[0].lines.as_deref()), ("A", Some(&[open][..])));
    let server = answering(list(&[])).await;
    let client = client_of(&server.url, clock());
    assert_eq!(client.line_filter("S10").await.expect("an answer"), LineFilter::ByState);
    let found = client.demand_of_parts("S10", LineFilter::ByState, &["A"]).await.expect("an answer");
    assert_eq!(found[0].lines.as_deref(), Some(&[][..]));
    assert!(heads(&server)[1].contains("CustomerOrderLineState'Cancelled'"));
}

#[tokio::test]
async fn sales_parts_come_by_their_numbers_and_say_where_they_go_on() {
    let part = |number: &str| json!({ "CatalogNo": number, "PartNo": number, "ConvFactor": "1", "Activeind": true });
    let body = json!({ "value": [part("A"), part("B")], "@odata.nextLink": "elsewhere" }).to_string();
    let server = answering(Reply::json(200, &body)).await;
    let client = client_of(&server.url, clock());
    let page = client.sales_parts_page("S10", None).await.expect("a page");
    assert_eq!((page.parts.len(), page.next.as_deref()), (2, Some("B")));
    assert_eq!(client.sales_parts_page("S10", Some("A")).await.expect_err("no further").kind(), "undecodable");
}

#[tokio::test]
async fn a_price_is_asked_for_with_a_post_that_is_repeated_as_a_read_is() {
    let server = scripted(|_, n| match n {
        0 => Reply::Drop,
        1 => Reply::json(
            201,
            r#"{"PriceQueryId":1,"SaleUnitPrice":"8.00","UnitPriceInclTax":"10.00","CurrencyCode":"EUR"}"#,
        ),
        _ => Reply::json(204, ""),
    })
    .await;
    let client = client_of(&server.url, clock());
    let question =
        PriceQuestion { contract: "S10", customer_no: "WEB", catalog_no: "CUP", currency: "EUR", with_tax: true };
    let answer = client.price(&question).await.expect("an answer");
    assert_eq!((answer.net, answer.gross), (Some(Decimal::from(8)), Some(Decimal::TEN)));
    assert_eq!((answer.currency.as_deref(), answer.discount_percent), (Some("EUR"), None));
    client.clean_prices().await.expect("done");
    let asked = calls(&server);
    assert_eq!((asked.len(), client.writes_answered()), (3, 0), "it is no write");
    let body: Value = serde_json::from_str(&asked[1].body).expect("JSON");
    assert_eq!(
        (&body["CustomerNo"], &body["UsePriceInclTax"], &body["SalesQty"]),
        (&json!("WEB"), &json!(true), &json!("1"))
    );
    assert!(asked[2].head.contains("PriceQueryHandling.svc/CleanPriceQuery"));
}
