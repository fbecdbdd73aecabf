//! The end of the demo's day: the service's account beside the sandbox's books, for people and as JSON.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::Failure;
use super::super::output::{say, table};
use super::CONNECTION;
use super::stage::Stage;
use crate::domain::document::{DocumentKind, State};
use crate::domain::ids::ConnectionName;
use crate::flow::wish::Wish;
use crate::sandbox::{Books, Parked, Sandbox};
use crate::store::{DocumentFilter, Store};

/// Documents read at once.
const PAGE: i64 = 500;

/// The service's own account of the day.
pub(super) struct Account {
    pub(super) parked: Vec<Parked>,
    written: usize,
    totals: BTreeMap<String, Decimal>,
    states: BTreeMap<&'static str, usize>,
    quarantined: usize,
    /// How each order's document ended.
    ends: BTreeMap<u64, State>,
}

impl Account {
    pub(super) async fn read(store: &Store) -> Result<Self, Failure> {
        let mut account = Self {
            parked: Vec::new(),
            written: 0,
            totals: BTreeMap::new(),
            states: BTreeMap::new(),
            quarantined: 0,
            ends: BTreeMap::new(),
        };
        let connection = ConnectionName::parse(CONNECTION).map_err(|error| Failure::Usage(error.to_string()))?;
        let mut after = None;
        loop {
            let filter = DocumentFilter { connection: Some(connection.to_string()), state: None, after, limit: PAGE };
            let page = store.list_documents(filter).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.get());
            for document in page.iter().filter(|document| document.kind == DocumentKind::CustomerOrder.as_str()) {
                account.ends.insert(document.order_id, document.state);
                *account.states.entry(document.state.as_str()).or_default() += 1;
                // No order of the demo is held but one that was planted for a person.
                if matches!(document.state, State::Parked | State::Held) {
                    let reason = document.reason.as_ref().map(|reason| format!("{}: {}", reason.code, reason.text));
                    account.parked.push(Parked { order_id: document.order_id, reason: reason.unwrap_or_default() });
                }
                if let (State::Written, Ok(Wish::Write { order })) = (document.state, Wish::parse(&document.desired)) {
                    account.written += 1;
                    *account.totals.entry(order.expected.currency.clone()).or_default() += order.expected.total;
                }
            }
        }
        account.quarantined = store.quarantined(PAGE).await?.len();
        Ok(account)
    }
}

/// A decimal as a JSON number with its own digits.
fn exact_number(number: Decimal) -> Value {
    serde_json::from_str(&number.to_string()).unwrap_or(Value::Null)
}

/// Everything that is told at the end.
pub(super) struct DayResult {
    pub(super) books: Books,
    pub(super) account: Account,
    pub(super) secs: f64,
}

impl DayResult {
    pub(super) fn is_clean(&self) -> bool {
        self.books.is_clean() && self.account.quarantined == 0
    }

    pub(super) fn to_json(&self, sandbox: &Sandbox) -> Value {
        let books = &self.books;
        let counters = sandbox.ledger().counters();
        let shop = sandbox.shop(0);
        let progress = shop.map(|shop| shop.deliveries()).unwrap_or_default();
        let acknowledged = progress.iter().filter(|delivery| delivery.acknowledged).count();
        json!({
            "orders": books.orders,
            "deliveries": progress.len(),
            "acknowledged": acknowledged,
            "ifs_orders": books.ifs_orders,
            "missing": books.missing.len(),
            "double": books.double.len(),
            "differences": books.differences.len(),
            "parked": self.account.parked.len(),
            "unexpected_parked": books.unexpected_parked.len(),
            "expected_parked_missing": books.expected_parked.iter().filter(|one| one.reason.is_none()).count(),
            "quarantined": self.account.quarantined,
            "cancelled": books.cancelled,
            "skipped": books.skipped,
            "ifs_requests": counters.ifs_requests,
            "shopify_requests": counters.shopify_requests,
            "ifs_create_requests_per_order": books.create_requests_per_order().map(exact_number),
            "faults": sandbox.faults().injected(),
            "states": self.account.states,
            "seconds": (self.secs * 10.0).round() / 10.0,
            "kinds": kinds(&self.kinds(sandbox)),
            "details": self.details(),
        })
    }

    /// What is wrong, at most twenty of each kind.
    fn details(&self) -> Value {
        let books = &self.books;
        let differences: Vec<Value> = books
            .differences
            .iter()
            .take(20)
            .map(|one| json!({"order_id": one.order_id.to_string(), "component": one.component, "sold": one.sold, "ifs": one.ifs}))
            .collect();
        let unexpected: Vec<Value> = books
            .unexpected_parked
            .iter()
            .take(20)
            .map(|one| json!({"order_id": one.order_id.to_string(), "reason": one.reason}))
            .collect();
        let ids = |ids: &[u64]| ids.iter().take(20).map(u64::to_string).collect::<Vec<_>>();
        json!({"differences": differences, "unexpected_parked": unexpected, "missing": ids(&books.missing),
            "double": ids(&books.double), "foreign": books.foreign})
    }

    /// Each kind of order: how many, and how they ended.
    fn kinds(&self, sandbox: &Sandbox) -> BTreeMap<&'static str, BTreeMap<&'static str, usize>> {
        let mut kinds: BTreeMap<&'static str, BTreeMap<&'static str, usize>> = BTreeMap::new();
        let ifs = sandbox.ifs();
        for (order_id, kind) in sandbox.shop(0).map(|shop| shop.kinds()).unwrap_or_default() {
            let lives = || ifs.orders_by_po(&order_id.to_string()).iter().any(|order| order.is_live());
            let end = match self.account.ends.get(&order_id) {
                Some(State::Written) if lives() => "written",
                Some(State::Written | State::Superseded) => "cancelled",
                Some(State::Skipped) => "skipped",
                Some(State::Parked) => "parked",
                Some(State::Held) => "held",
                Some(_) | None => "unfinished",
            };
            *kinds.entry(kind).or_default().entry(end).or_default() += 1;
        }
        kinds
    }

    pub(super) fn tell_people(&self, stage: &Stage, urls: Option<(&String, &String)>) {
        let books = &self.books;
        say("");
        let mut rows = vec![vec![
            "orders".to_owned(),
            books.sold.orders.to_string(),
            self.account.written.to_string(),
            books.held.orders.to_string(),
        ]];
        let mut currencies: Vec<&String> = books.sold.totals.keys().chain(books.held.totals.keys()).collect();
        currencies.extend(self.account.totals.keys());
        currencies.sort();
        currencies.dedup();
        for currency in currencies {
            let amount =
                |totals: &BTreeMap<String, Decimal>| totals.get(currency).copied().unwrap_or_default().to_string();
            rows.push(vec![
                format!("total {currency}"),
                amount(&books.sold.totals),
                amount(&self.account.totals),
                amount(&books.held.totals),
            ]);
        }
        say(&table(&["book", "Shopify sold", "the service says", "IFS holds"], &rows));
        say("");
        self.tell_parked();
        self.tell_kinds(&stage.sandbox);
        say(&format!(
            "{} orders in all: {} live in IFS, {} cancelled, {} skipped, {} parked as planted",
            books.orders,
            books.ifs_orders,
            books.cancelled,
            books.skipped,
            books.expected_parked.len()
        ));
        say(&format!(
            "missing {}  double {}  differences {}  unexpected parked {}  quarantined {}  creates per order {}  {:.1} s",
            books.missing.len(),
            books.double.len(),
            books.differences.len(),
            books.unexpected_parked.len(),
            self.account.quarantined,
            books.create_requests_per_order().unwrap_or_default(),
            self.secs
        ));
        if !self.is_clean() {
            say(&format!("{:#}", self.details()));
        }
        say(if self.is_clean() { "the books agree" } else { "THE BOOKS DIFFER" });
        tell_where_to_look(stage, urls);
    }

    fn tell_kinds(&self, sandbox: &Sandbox) {
        let rows: Vec<Vec<String>> = self
            .kinds(sandbox)
            .into_iter()
            .map(|(kind, ends)| {
                let ended: Vec<String> = ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
                vec![kind.to_owned(), ends.values().sum::<usize>().to_string(), ended.join(", ")]
            })
            .collect();
        say(&table(&["kind of order", "orders", "ended"], &rows));
        say("");
    }

    fn tell_parked(&self) {
        let mut kinds: BTreeMap<&str, (usize, String)> = BTreeMap::new();
        for one in &self.books.expected_parked {
            let entry = kinds.entry(one.planted).or_default();
            entry.0 += 1;
            if let Some(reason) = &one.reason {
                entry.1 = reason.split(':').next().unwrap_or_default().to_owned();
            }
        }
        let rows: Vec<Vec<String>> =
            kinds.into_iter().map(|(kind, (count, code))| vec![kind.to_owned(), count.to_string(), code]).collect();
        if !rows.is_empty() {
            say(&table(&["planted for a person", "orders", "parked as"], &rows));
            say("");
        }
    }
}

/// The ends that are always told, as 0 where there is none.
const ENDS: [&str; 5] = ["written", "cancelled", "skipped", "parked", "held"];

fn kinds(kinds: &BTreeMap<&'static str, BTreeMap<&'static str, usize>>) -> Vec<Value> {
    let one = |(kind, ends): (&&str, &BTreeMap<&'static str, usize>)| {
        let mut ended: BTreeMap<&str, usize> = ENDS.iter().map(|end| (*end, 0)).collect();
        ended.extend(ends.iter().map(|(end, count)| (*end, *count)));
        json!({"kind": kind, "orders": ends.values().sum::<usize>(), "ended": ended})
    };
    kinds.iter().map(one).collect()
}

fn tell_where_to_look(stage: &Stage, urls: Option<(&String, &String)>) {
    let config = stage.folder.join("ml-connector.toml");
    say("");
    say("look next:");
    say(&format!("  ml-connector --config {} documents list --state parked", config.display()));
    say(&format!("  ml-connector --config {} orders show '#1001'", config.display()));
    if let Some((webhook_url, operations_url)) = urls {
        say(&format!("  webhook_url    {webhook_url}"));
        say(&format!(
            "  operations_url {operations_url}  (/livez /readyz /metrics; /status with the token in operator-token)"
        ));
        say("running until Ctrl-C");
    } else {
        say("  ml-connector demo --faults usual");
        say("  ml-connector demo --serve");
    }
}
