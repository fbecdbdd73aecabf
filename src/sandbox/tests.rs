//! The sandbox as its callers see it: over HTTP, with a writer that knows nothing of the service.

use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::faults::Fault;
use super::ifs::RowOf;
use super::ledger::{Class, Outcome};
use super::shopify::{Expected, OrderVersion, PlaySettings, Story, WebhookOverrides, includes_taxes, signature, worth};
use super::*;

const SERVICE: &str = "/main/ifsapplications/projection/v1/CustomerOrderHandling.svc/";
const JSON: &str = "application/json;IEEE754Compatible=true";

/// A writer to IFS as plain as can be.
struct Writer {
    http: reqwest::Client,
    root: String,
    token: String,
}

impl Writer {
    async fn of(sandbox: &Sandbox) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(Duration::from_millis(700))
            .build()
            .expect("a client");
        let url = format!("{}/auth/realms/sandbox/protocol/openid-connect/token", sandbox.ifs_base_url());
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "openid microprofile-jwt"),
            ("client_id", sandbox.client_id()),
            ("client_secret", sandbox.client_secret()),
        ];
        let answer = http.post(url).form(&form).send().await.expect("an answer");
        let body: Value = serde_json::from_str(&body_of(answer).await).expect("JSON");
        let token = body["access_token"].as_str().expect("a token").to_owned();
        Self { http, root: format!("{}{SERVICE}", sandbox.ifs_base_url()), token }
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.root)).bearer_auth(&self.token);
        request.header("accept", JSON)
    }

    /// One change set; gives the outer status and body.
    async fn change_set(&self, parts: &[(&str, &str, Option<&str>, Value)]) -> reqwest::Result<(u16, String)> {
        let mut body = String::from("--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n");
        for (index, (method, url, if_match, content)) in parts.iter().enumerate() {
            let if_match = if_match.map(|tag| format!("If-Match: {tag}\r\n")).unwrap_or_default();
            body.push_str(&format!(
                "--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {}\r\n\r\n\
                 {method} {url} HTTP/1.1\r\nAccept: {JSON}\r\nContent-Type: {JSON}\r\nPrefer: wait=5\r\n{if_match}\r\n{content}\r\n",
                index + 1
            ));
        }
        body.push_str("--c--\r\n\r\n--b--\r\n");
        let request = self.request(reqwest::Method::POST, "$batch");
        let answer = request.header("content-type", "multipart/mixed; boundary=b").body(body).send().await?;
        Ok((answer.status().as_u16(), body_of(answer).await))
    }

    async fn create(&self, po: &str, lines: Vec<Value>) -> reqwest::Result<(u16, String)> {
        let mut parts = vec![("POST", "CustomerOrderSet", None, header(po))];
        parts.extend(lines.into_iter().map(|line| ("POST", "$1/OrderLinesArray", None, line)));
        self.change_set(&parts).await
    }

    async fn patch(&self, path: &str, if_match: Option<&str>, body: Value) -> u16 {
        let mut request =
            self.request(reqwest::Method::PATCH, path).header("content-type", JSON).body(body.to_string());
        if let Some(tag) = if_match {
            request = request.header("if-match", tag);
        }
        request.send().await.expect("an answer").status().as_u16()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.request(reqwest::Method::GET, path).send().await.expect("an answer");
        serde_json::from_str(&body_of(answer).await).expect("JSON")
    }

    /// Writes an order of the shop as it should stand in IFS.
    async fn write(&self, sold: &OrderVersion) {
        let included = includes_taxes(sold);
        let mut order = header(&sold.id.to_string());
        order["UsePriceInclTax"] = json!(included);
        order["NoteText"] = json!(sold.note.clone().unwrap_or_default());
        order["InternalRef"] = json!(sold.name());
        order["ExternalRef"] = json!(sold.po_number.clone().unwrap_or_default());
        let address = sold.shipping_address.as_ref().expect("an address");
        let words: Vec<&str> = address.address1.split(' ').collect();
        let (first, second) = match address.address1.chars().count() > 35 {
            true => (words[..3].join(" "), words[3..].join(" ")),
            false => (address.address1.clone(), address.address2.clone().unwrap_or_default()),
        };
        let row = json!({
            "AddrFlag": "Y", "Name": address.company.clone().unwrap_or_else(|| address.name()), "Address1": first, "Address2": second,
            "ZipCode": address.zip, "City": address.city, "State": address.province.map_or("", |(_, code)| code),
            "Country": address.country.map_or("", |(_, code)| code),
        });
        let mut parts = vec![
            ("POST", "CustomerOrderSet", None, order),
            ("PATCH", "$1", Some("$1"), json!({"AddrFlagDb": "Y"})),
            ("POST", "$1/CustomerOrderAddresses", None, row),
        ];
        let price_field = if included { "UnitPriceInclTax" } else { "SaleUnitPrice" };
        for (index, sold_line) in sold.lines.iter().enumerate().filter(|(_, line)| line.current_quantity > 0) {
            let quantity = Decimal::from(sold_line.current_quantity);
            let price = (worth(sold, index).0.shop / quantity).round_dp(8);
            let percent = sold_line.taxes.iter().map(|tax| tax.percent).sum::<Decimal>();
            let mut row = line(&sold_line.part, &quantity.to_string(), "0");
            if let Value::Object(row) = &mut row {
                row.remove("SaleUnitPrice");
                row.insert(price_field.into(), json!(price.to_string()));
                row.insert("TaxCode".into(), json!(format!("V{percent:0>2}")));
            }
            parts.push(("POST", "$1/OrderLinesArray", None, row));
        }
        let charge_field = if included { "ChargeAmountInclTax" } else { "ChargeAmount" };
        for shipping in &sold.shipping {
            let percent = shipping.taxes.iter().map(|tax| tax.percent).sum::<Decimal>();
            let row = json!({
                "Contract": "S10", "Company": "10", "ChargeType": "FREIGHT", "ChargedQty": "1",
                charge_field: shipping.discounted().shop.to_string(), "TaxCode": format!("V{percent:0>2}"),
            });
            parts.push(("POST", "$1/CustomerOrderChargeArray", None, row));
        }
        let (status, body) = self.change_set(&parts).await.expect("an answer");
        assert!(status == 200 && body.contains("201 Created"), "{body}");
    }
}

async fn body_of(mut answer: reqwest::Response) -> String {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.expect("a chunk") {
        body.extend_from_slice(&chunk);
    }
    String::from_utf8(body).expect("text")
}

fn header(po: &str) -> Value {
    json!({
        "CustomerNo": "WEB-DEFAULT", "Contract": "S10", "Company": "10", "CurrencyCode": "EUR", "AuthorizeCode": "WEB", "OrderId": "NO",
        "BillAddrNo": "1", "ShipAddrNo": "1", "WantedDeliveryDate": "2026-11-23T00:00:00Z", "IsNewCustomer": false, "CustomerPoNo": po,
    })
}

fn line(part: &str, quantity: &str, price: &str) -> Value {
    json!({
        "Contract": "S10", "CatalogNo": part, "BuyQtyDue": quantity, "WantedDeliveryDate": "2026-11-23T00:00:00Z",
        "PriceFreeze": "Frozen", "SaleUnitPrice": price, "TaxCode": "V19", "FetchTaxFromDefaults": "FALSE",
    })
}

fn sandbox(settings: SandboxSettings) -> Sandbox {
    Sandbox::start(settings).expect("the sandbox starts")
}

#[tokio::test]
async fn a_change_set_is_written_whole_or_not_at_all() {
    let sandbox = sandbox(SandboxSettings::default());
    let writer = Writer::of(&sandbox).await;
    let (status, body) =
        writer.create("1", vec![line("MUG-001", "3", "466.657"), line("NO-SUCH", "1", "1")]).await.expect("an answer");
    assert_eq!(status, 200);
    assert!(body.contains("HTTP/1.1 500") && body.contains("ORA-20110") && body.contains("NO-SUCH"), "{body}");
    assert!(!body.contains("201 Created") && sandbox.ifs().orders().is_empty());

    let (_, body) = writer
        .create("1", vec![line("MUG-001", "3", "466.657"), line("LAMP-002", "1", "10")])
        .await
        .expect("an answer");
    assert_eq!(body.matches("201 Created").count(), 3, "{body}");
    let orders = sandbox.ifs().orders_by_po("1");
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].lines[0]["NetAmountCurr"], "1399.97");
    assert_eq!(orders[0].field("TotalAmount"), "1677.86");
    assert_eq!(sandbox.ledger().creates_of("1"), 2);
}

#[tokio::test]
async fn writes_want_the_etag_of_the_row_as_it_stands() {
    let sandbox = sandbox(SandboxSettings::default());
    let writer = Writer::of(&sandbox).await;
    let no = sandbox.ifs().add_foreign_order("7", "S10", Some(("MUG-001", 2.into(), 5.into()))).expect("an order");
    let path = format!("CustomerOrderSet(OrderNo='{no}')");
    let etag = writer.get(&path).await["@odata.etag"].as_str().expect("an etag").to_owned();
    assert_eq!(writer.patch(&path, None, json!({"NoteText": "a"})).await, 428);
    sandbox.ifs().person_edits(&no, RowOf::Header, "LabelNote", "by a person").expect("an edit");
    assert_eq!(writer.patch(&path, Some(&etag), json!({"NoteText": "a"})).await, 412);
    let fresh = sandbox.ifs().etag(&no).expect("an etag");
    assert_eq!(writer.patch(&path, Some(&fresh), json!({"NoteText": "a"})).await, 200);
    assert_eq!(writer.patch(&path, Some("*"), json!({"NoteText": "b"})).await, 200);
    assert_eq!(writer.patch("CustomerOrderSet(OrderNo='X1')", None, json!({"NoteText": "b"})).await, 428);
    let counters = sandbox.ledger().counters();
    assert_eq!((counters.if_match_any, counters.upserts), (1, 1));
    let order = sandbox.ifs().order(&no).expect("the order");
    assert_eq!((order.field("NoteText"), order.field("LabelNote")), ("b", "by a person"));

    let line = writer.get(&format!("{path}/OrderLinesArray(OrderNo='{no}',LineNo='1',RelNo='1',LineItemNo=0)")).await;
    assert_eq!((&line["NetAmountCurr"], &line["LineItemNo"]), (&json!("10"), &json!(0)));
    let found = writer
        .get("CustomerOrderSet?$filter=CustomerPoNo%20eq%20'7'%20and%20Contract%20eq%20'S10'&$select=OrderNo&$top=3")
        .await;
    assert_eq!(found["value"], json!([{"OrderNo": no}]));
}

#[tokio::test]
async fn an_action_cancels_with_a_known_reason_only() {
    let sandbox = sandbox(SandboxSettings::default());
    let writer = Writer::of(&sandbox).await;
    let no = sandbox.ifs().add_foreign_order("8", "S10", Some(("MUG-001", 2.into(), 5.into()))).expect("an order");
    let path = format!("CustomerOrderSet(OrderNo='{no}')/IfsApp.CustomerOrderHandling.CustomerOrder_SetCancelled");
    let etag = sandbox.ifs().etag(&no).expect("an etag");
    for (reason, status) in [("NOPE", 500), ("WEB", 204), ("WEB", 412)] {
        let body = json!({"CancelReason": reason}).to_string();
        let request = writer
            .request(reqwest::Method::POST, &path)
            .header("content-type", JSON)
            .header("if-match", &etag)
            .body(body);
        assert_eq!(request.send().await.expect("an answer").status(), status);
    }
    let order = sandbox.ifs().order(&no).expect("the order");
    assert!(!order.is_live() && order.lines[0]["OrderState"] == "Cancelled");
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_commit_and_a_commit_can_come_late_or_never() {
    let sandbox = sandbox(SandboxSettings::default());
    let writer = Writer::of(&sandbox).await;
    let (faults, ifs) = (sandbox.faults(), sandbox.ifs());
    faults.once(Class::Create, Fault::DropAnswer);
    assert!(writer.create("1", Vec::new()).await.is_err());
    assert_eq!(ifs.orders_by_po("1").len(), 1);

    faults.once(Class::Create, Fault::Reset);
    assert!(writer.create("2", Vec::new()).await.is_err());
    assert!(ifs.orders_by_po("2").is_empty());

    faults.times(Class::Create, Fault::Hold, 2);
    assert!(writer.create("3", Vec::new()).await.is_err_and(|error| error.is_timeout()));
    assert!(ifs.orders_by_po("3").is_empty() && ifs.held() == 1);
    assert_eq!(ifs.release_held(), 1);
    assert_eq!(ifs.orders_by_po("3").len(), 1);

    assert!(writer.create("4", Vec::new()).await.is_err());
    sandbox.clock().advance(Duration::from_secs(6));
    ifs.release_held();
    assert!(ifs.orders_by_po("4").is_empty(), "one part with wait=5 is rolled back after 6 s");

    faults.once(Class::Create, Fault::Late(Duration::from_millis(900)));
    assert!(writer.create("5", Vec::new()).await.is_err_and(|error| error.is_timeout()));
    assert!(ifs.orders_by_po("5").is_empty());
    while ifs.orders_by_po("5").is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let committed: Vec<_> = sandbox
        .ledger()
        .entries_where(|entry| entry.class == Class::Create)
        .iter()
        .map(|entry| entry.committed)
        .collect();
    assert_eq!(committed, [Some(true), None, Some(true), Some(false), Some(true)]);
    assert!(
        sandbox.ledger().entries().iter().all(|entry| entry.outcome != Outcome::Answered(201)),
        "none was answered"
    );
}

#[tokio::test]
async fn revoked_and_expired_tokens_get_401_and_too_many_requests_429() {
    let sandbox = sandbox(SandboxSettings { token_lifetime_secs: 180, ..SandboxSettings::default() });
    let status = async |writer: &Writer| {
        writer.request(reqwest::Method::GET, "CustomerOrderSet").send().await.expect("an answer").status().as_u16()
    };
    let writer = Writer::of(&sandbox).await;
    assert_eq!(status(&writer).await, 200);
    sandbox.ifs().revoke_tokens();
    assert_eq!(status(&writer).await, 401);
    let writer = Writer::of(&sandbox).await;
    sandbox.clock().advance(Duration::from_secs(181));
    assert_eq!(status(&writer).await, 401);
    let writer = Writer::of(&sandbox).await;
    sandbox.ifs().set_rate_ceiling(Some(2));
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(status(&writer).await);
    }
    assert_eq!(seen, [200, 200, 429, 429]);
    assert_eq!(sandbox.ledger().counters().over_rate, 2);
}

#[tokio::test]
async fn books_of_a_perfect_writer_are_clean_and_one_wrong_figure_shows() {
    let sandbox = sandbox(SandboxSettings { seed: 5, ..SandboxSettings::default() });
    let writer = Writer::of(&sandbox).await;
    let shop = sandbox.shop(0).expect("a shop");
    let changed =
        [Story::QuantityDown, Story::PriceChanged, Story::QuantityUp, Story::AddressChanged, Story::SeveralChanges];
    for index in 0..150 {
        let story = if index % 2 == 0 { Story::Plain } else { changed[index / 2 % changed.len()] };
        let id = shop.place(story);
        for change in story.changes() {
            shop.change(id, *change);
        }
    }
    let all: Vec<OrderVersion> =
        shop.with_sold(|orders| orders.values().filter_map(|sold| sold.versions.last().cloned()).collect());
    assert_eq!(sandbox.books(&[]).missing.len(), 150);
    for order in &all {
        writer.write(order).await;
    }
    let books = sandbox.books(&[]);
    assert_eq!(books.differences, []);
    assert!(books.is_clean() && books.ifs_orders == 150 && books.sold == books.held, "{books:?}");

    let victim = sandbox.ifs().orders_by_po(&all[0].id.to_string()).remove(0);
    sandbox.ifs().person_edits(&victim.order_no, RowOf::Line("1"), "TaxCode", "V13").expect("an edit");
    let components: Vec<String> = sandbox.books(&[]).differences.into_iter().map(|one| one.component).collect();
    assert!(
        components.iter().any(|name| name.ends_with(" tax")) && components.contains(&"tax".to_owned()),
        "{components:?}"
    );
    sandbox.ifs().person_edits(&victim.order_no, RowOf::Line("1"), "BuyQtyDue", "99").expect("an edit");
    assert!(sandbox.books(&[]).differences.iter().any(|one| one.component.ends_with("quantity") && one.ifs == "99"));
    writer.write(&all[1]).await;
    assert_eq!(sandbox.books(&[]).double, [all[1].id]);
}

#[tokio::test]
async fn a_day_is_delivered_signed_and_acknowledged() {
    let (listener, at) = listen::bind(0).expect("a port");
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::<[String; 3]>::new()));
    let bodies = std::sync::Arc::new(std::sync::Mutex::new(Vec::<(String, Vec<u8>)>::new()));
    let (sink, kept) = (seen.clone(), bodies.clone());
    tokio::spawn(listen::serve(listener, None, move |request| {
        let (sink, kept) = (sink.clone(), kept.clone());
        async move {
            let (parts, body) = listen::read_body(request, 1 << 20).await.expect("a body");
            let header =
                |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
            let own = ["x-shopify-webhook-id", "x-shopify-topic", "x-shopify-hmac-sha256"].map(header);
            kept.lock().expect("no panic").push((own[2].clone(), body.to_vec()));
            let mut sink = sink.lock().expect("no panic");
            // Each delivery whose id ends with 0 is refused at its first try.
            let first = !sink.iter().any(|seen| seen[0] == own[0]);
            let refused = first && own[0].ends_with('0');
            sink.push(own);
            let status = if refused { hyper::StatusCode::SERVICE_UNAVAILABLE } else { hyper::StatusCode::OK };
            listen::text(status, "text/plain", "").into()
        }
    }));
    let sandbox = sandbox(SandboxSettings { faults: FaultPreset::Usual, ..SandboxSettings::default() });
    let shop = sandbox.shop(0).expect("a shop");
    let url = format!("http://{at}/webhooks/acme");
    let mut settings = PlaySettings::new(&url, 60);
    settings.faults = FaultPreset::Usual;
    settings.written_wait = Duration::from_millis(100);
    settings.spread = Duration::from_millis(50);
    let progress = shop.play(settings).finished().await;
    assert_eq!((progress.placed, progress.told, progress.finished), (60, 60, true));
    assert!(progress.acknowledged > 60 && progress.undelivered == 0, "{progress:?}");
    let secret = shop.webhook_secret();
    let bodies = bodies.lock().expect("no panic").clone();
    assert!(bodies.iter().all(|(signed, body)| *signed == signature(&secret, body)));
    let seen = seen.lock().expect("no panic").clone();
    assert!(seen.iter().any(|[_, topic, _]| topic == "orders/cancelled"));
    assert!(seen.iter().any(|one| seen.iter().filter(|other| *other == one).count() > 1), "duplicates and retries");
    let cancelled_first =
        shop.with_sold(|orders| orders.values().filter(|sold| sold.story.expected() == Expected::NotLive).count());
    assert_eq!(cancelled_first, 1);

    let forged = WebhookOverrides { signature: Some("AAAA".into()), ..WebhookOverrides::default() };
    assert!(shop.send_webhook(&url, "orders/create", "{}", forged).await.status > 0);
}

#[tokio::test]
async fn the_admin_api_answers_an_order_and_throttles() {
    let sandbox = sandbox(SandboxSettings::default());
    let shop = sandbox.shop(0).expect("a shop");
    let id = shop.place(Story::Plain);
    let url = format!("{}/admin/api/2026-10/graphql.json", sandbox.shop_base_url(0).expect("a URL"));
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
    let ask = async |token: &str, query: &str| {
        let body = json!({"query": query, "variables": {"id": format!("gid://shopify/Order/{id}")}}).to_string();
        let request = http
            .post(&url)
            .header("x-shopify-access-token", token)
            .header("content-type", "application/json")
            .body(body);
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_str::<Value>(&body_of(answer).await).expect("JSON"))
    };
    let query = "query($id: ID!) { order(id: $id) { legacyResourceId currentTotalPriceSet { shopMoney { amount currencyCode } } \
                 lineItems(first: 250) { nodes { sku currentQuantity taxLines { rate } discountAllocations { discountApplication { index } } } } \
                 shippingLines(first: 50, includeRemovals: true) { nodes { id } } discountApplications(first: 20) { nodes { value { \
                 ... on MoneyV2 { amount } ... on PricingPercentageValue { percentage } } } } customer { id } shippingAddress { countryCodeV2 } } }";
    assert_eq!(ask("wrong", query).await.0, 401);
    let (status, body) = ask(shop.access_token(), query).await;
    assert_eq!((status, &body["data"]["order"]["legacyResourceId"]), (200, &json!(id.to_string())), "{body}");
    assert!(
        body["errors"].is_null() && body["extensions"]["cost"]["requestedQueryCost"].as_u64() > Some(300),
        "{body}"
    );
    shop.set_cost_bucket(100, 100);
    let (status, body) = ask(shop.access_token(), query).await;
    assert_eq!((status, &body["errors"][0]["extensions"]["code"]), (200, &json!("THROTTLED")));
    assert!(body.get("data").is_none());
}
