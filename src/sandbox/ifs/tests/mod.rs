//! The simulated IFS over HTTP, as a caller sees it who knows nothing of the service: one file a subject.

mod additions;
mod customers;
mod packages;
mod rows;
mod series;
mod states;
mod stock;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::{Sandbox, SandboxSettings};
use super::Ifs;

const SERVICES: &str = "/main/ifsapplications/projection/v1/";
const JSON: &str = "application/json;IEEE754Compatible=true";
const ACTION: &str = "IfsApp.CustomerOrderHandling.";

/// Which sets belong to another projection than that of orders.
const PROJECTIONS: [(&[&str], &str); 6] = [
    (&["CustomerInfoSet", "CustOrdCustomerSet", "CopyExistingCustomer"], "CustomerHandling"),
    (&["InventoryPartInStockSet"], "InventoryPartInStockHandling"),
    (&["InventoryPartSet"], "InventoryPartHandling"),
    (&["SalesPartSet"], "SalesPartHandling"),
    (&["CustomerOrderJoinSet"], "CustomerOrderLinesHandling"),
    (&["PriceQuerySet", "CleanPriceQuery"], "PriceQueryHandling"),
];

/// A caller of IFS with a token.
struct Caller {
    sandbox: Sandbox,
    http: reqwest::Client,
    token: String,
}

impl Caller {
    async fn new() -> Self {
        let settings = SandboxSettings { control_port: Some(0), ..SandboxSettings::default() };
        let sandbox = Sandbox::start(settings).expect("the sandbox starts");
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().expect("a client");
        let url = format!("{}/auth/realms/sandbox/protocol/openid-connect/token", sandbox.ifs_base_url());
        let form = [
            ("grant_type", "client_credentials"),
            ("scope", "openid microprofile-jwt"),
            ("client_id", sandbox.client_id()),
            ("client_secret", sandbox.client_secret()),
        ];
        let answer = http.post(url).form(&form).send().await.expect("an answer");
        let body: Value = serde_json::from_slice(&body_of(answer).await).expect("JSON");
        let token = body["access_token"].as_str().expect("a token").to_owned();
        Self { sandbox, http, token }
    }

    fn ifs(&self) -> Ifs {
        self.sandbox.ifs()
    }

    /// One request to the projection that knows the path; gives status and body (null when there is none).
    async fn ask(&self, method: &str, path: &str, if_match: Option<&str>, body: Option<Value>) -> (u16, Value) {
        let knows = |(sets, _): &&(&[&str], &str)| sets.iter().any(|set| path.starts_with(set));
        let projection = PROJECTIONS.iter().find(knows).map_or("CustomerOrderHandling", |(_, name)| *name);
        let url = format!("{}{SERVICES}{projection}.svc/{path}", self.sandbox.ifs_base_url());
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.http.request(method, url).bearer_auth(&self.token).header("accept", JSON);
        if let Some(tag) = if_match {
            request = request.header("if-match", tag);
        }
        if let Some(body) = body {
            request = request.header("content-type", JSON).body(body.to_string());
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&body_of(answer).await).unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("POST", path, None, Some(body)).await
    }

    async fn get(&self, path: &str) -> Value {
        self.ask("GET", path, None, None).await.1
    }

    /// Reads the record for its ETag, then writes it.
    async fn write(&self, method: &str, path: &str, suffix: &str, body: Option<Value>) -> (u16, Value) {
        let etag = self.get(path).await["@odata.etag"].as_str().unwrap_or("none").to_owned();
        self.ask(method, &format!("{path}{suffix}"), Some(&etag), body).await
    }

    async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        self.write("PATCH", path, "", Some(body)).await
    }

    async fn act(&self, path: &str, action: &str, body: Value) -> (u16, Value) {
        self.write("POST", path, &format!("/{ACTION}{action}"), Some(body)).await
    }

    /// An order in state `Planned` with lines of these quantities at 10.00 net; gives its number.
    async fn order(&self, quantities: &[u32]) -> String {
        let (status, order) = self.post("CustomerOrderSet", header()).await;
        assert_eq!(status, 201, "{order}");
        let no = order["OrderNo"].as_str().expect("a number").to_owned();
        for qty in quantities {
            let (status, line) = self.post(&lines(&no), line("MUG-001", &qty.to_string())).await;
            assert_eq!(status, 201, "{line}");
        }
        no
    }
}

async fn body_of(mut answer: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.expect("a chunk") {
        body.extend_from_slice(&chunk);
    }
    body
}

fn header() -> Value {
    json!({
        "CustomerNo": "WEB-DEFAULT", "Contract": "S10", "Company": "10", "CurrencyCode": "EUR", "AuthorizeCode": "WEB", "OrderId": "NO",
        "BillAddrNo": "1", "ShipAddrNo": "1", "WantedDeliveryDate": "2026-11-23T00:00:00Z", "IsNewCustomer": false,
    })
}

fn line(part: &str, quantity: &str) -> Value {
    json!({
        "Contract": "S10", "CatalogNo": part, "BuyQtyDue": quantity, "WantedDeliveryDate": "2026-11-23T00:00:00Z",
        "PriceFreeze": "Frozen", "SaleUnitPrice": "10", "TaxCode": "V19", "FetchTaxFromDefaults": "FALSE",
    })
}

fn charge(charge_type: &str, amount: &str) -> Value {
    json!({
        "Contract": "S10", "Company": "10", "ChargeType": charge_type, "ChargedQty": "1", "ChargeAmount": amount, "TaxCode": "V00",
    })
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}

fn without(mut body: Value, field: &str) -> Value {
    if let Value::Object(fields) = &mut body {
        fields.remove(field);
    }
    body
}

fn order_path(no: &str) -> String {
    format!("CustomerOrderSet(OrderNo='{no}')")
}

fn lines(no: &str) -> String {
    format!("{}/OrderLinesArray", order_path(no))
}

fn line_path(no: &str, line_no: u32) -> String {
    format!("{}(OrderNo='{no}',LineNo='{line_no}',RelNo='1',LineItemNo=0)", lines(no))
}

fn charges(no: &str) -> String {
    format!("{}/CustomerOrderChargeArray", order_path(no))
}

fn charge_path(no: &str, sequence_no: u32) -> String {
    format!("{}(OrderNo='{no}',SequenceNo={sequence_no})", charges(no))
}

/// The text that IFS's database gave for a refusal.
fn text(answer: &Value) -> &str {
    answer["error"]["details"][0]["message"].as_str().unwrap_or("")
}

fn dec(number: u32) -> Decimal {
    Decimal::from(number)
}
