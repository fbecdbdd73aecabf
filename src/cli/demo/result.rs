//! The end of the demo's day: the service's account beside the sandbox's books, for people and as JSON.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::super::output::{exact_number, say, table};
use super::account::{Account, End};
use super::afternoon::Afternoon;
use super::cost::Costs;
use super::planned;
use super::stage::Stage;
use crate::domain::document::State;
use crate::sandbox::shopify::{Shop, WriteBackCounts};
use crate::sandbox::{Books, Sandbox};

/// Everything that is told at the end.
pub(super) struct DayResult {
    pub(super) books: Books,
    pub(super) account: Account,
    pub(super) afternoon: Afternoon,
    pub(super) costs: Option<Costs>,
    pub(super) secs: f64,
}

/// One kind of order: how many ended how, and the words that the service said.
#[derive(Default)]
struct Kind {
    ended: BTreeMap<&'static str, usize>,
    codes: BTreeSet<String>,
}

impl DayResult {
    pub(super) fn is_clean(&self, sandbox: &Sandbox) -> bool {
        let account = &self.account;
        self.books.is_clean()
            && account.quarantined == 0
            && account.unsettled.is_empty()
            && self.afternoon.is_clean()
            && self.unlike_planned(sandbox).is_empty()
    }

    pub(super) fn to_json(&self, sandbox: &Sandbox) -> Value {
        let books = &self.books;
        let counters = sandbox.ledger().counters();
        let progress: Vec<_> = shops(sandbox).flat_map(|shop| shop.deliveries()).collect();
        let acknowledged = progress.iter().filter(|delivery| delivery.acknowledged).count();
        json!({
            "orders": books.orders,
            "deliveries": progress.len(),
            "acknowledged": acknowledged,
            "lost": lost(sandbox),
            "ifs_orders": books.ifs_orders,
            "missing": books.missing.len(),
            "double": books.double.len(),
            "differences": books.differences.len(),
            "parked": self.account.parked.len(),
            "unexpected_parked": books.unexpected_parked.len(),
            "expected_parked_missing": books.expected_parked.iter().filter(|one| one.reason.is_none()).count(),
            "unlike_planned": self.unlike_planned(sandbox).len(),
            "unsettled": self.account.unsettled.len(),
            "quarantined": self.account.quarantined,
            "cancelled": books.cancelled,
            "skipped": books.skipped,
            "left": books.left,
            "customers": books.customers,
            "customers_double": books.customers_double.len(),
            "write_back": write_back(sandbox),
            "stock_differences": self.afternoon.wrong.len(),
            "oversold": self.afternoon.oversold,
            "disabled": self.afternoon.books.disabled,
            "enabled_again": self.afternoon.books.enabled_again,
            "stock": self.afternoon.to_json(),
            "ifs_requests": counters.ifs_requests,
            "shopify_requests": counters.shopify_requests,
            "ifs_create_requests_per_order": books.create_requests_per_order().map(exact_number),
            "requests_per_order": self.costs.as_ref().map(Costs::to_json),
            "faults": sandbox.faults().injected(),
            "states": self.account.states,
            "seconds": (self.secs * 10.0).round() / 10.0,
            "kinds": kinds(&self.kinds(sandbox)),
            "details": self.details(sandbox),
        })
    }

    /// What is wrong, at most twenty of each kind.
    fn details(&self, sandbox: &Sandbox) -> Value {
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
        let texts = |texts: &[String]| texts.iter().take(20).cloned().collect::<Vec<_>>();
        json!({"differences": differences, "unexpected_parked": unexpected, "missing": ids(&books.missing),
            "double": ids(&books.double), "foreign": books.foreign, "customers_double": texts(&books.customers_double),
            "unlike_planned": texts(&self.unlike_planned(sandbox)), "unsettled": texts(&self.account.unsettled),
            "stock": texts(&self.afternoon.wrong)})
    }

    /// Each kind of order: how many, and how they ended.
    fn kinds(&self, sandbox: &Sandbox) -> BTreeMap<&'static str, Kind> {
        let mut kinds: BTreeMap<&'static str, Kind> = BTreeMap::new();
        let ifs = sandbox.ifs();
        for (order_id, story) in shops(sandbox).flat_map(|shop| shop.stories()) {
            let lives = || ifs.orders_by_po(&order_id.to_string()).iter().any(|order| order.is_live());
            let end = self.account.ends.get(&order_id);
            let word = match end.map(|end| end.state) {
                Some(State::Written) if lives() => "written",
                Some(State::Written | State::Superseded) => "cancelled",
                Some(State::Skipped) => "skipped",
                Some(State::Parked) => "parked",
                Some(State::Held) => "held",
                Some(_) | None => "unfinished",
            };
            let kind = kinds.entry(story.name()).or_default();
            *kind.ended.entry(word).or_default() += 1;
            kind.codes.extend(end.and_then(End::told));
        }
        kinds
    }

    /// Orders that ended for another reason than was planned.
    fn unlike_planned(&self, sandbox: &Sandbox) -> Vec<String> {
        let stories = shops(sandbox).flat_map(|shop| shop.stories());
        let unlike = stories.filter_map(|(order_id, story)| {
            let (planned, found) = (planned::code(story.name()), self.account.ends.get(&order_id).and_then(End::told));
            let (planned, found) = (planned.unwrap_or("no reason"), found.as_deref().unwrap_or("no reason"));
            (planned != found).then(|| format!("order {order_id}, {}: {found}, {planned} was planned", story.name()))
        });
        unlike.collect()
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
        self.tell_kinds(&stage.sandbox);
        self.tell_costs();
        self.afternoon.tell_people();
        say(&format!(
            "{} orders in all: {} live in IFS ({} of them left to a person), {} cancelled, {} skipped, {} waiting for a person as planned",
            books.orders,
            books.ifs_orders,
            books.left,
            books.cancelled,
            books.skipped,
            books.expected_parked.len()
        ));
        let told = write_back_counts(&stage.sandbox);
        say(&format!(
            "{} customers in IFS for as many buyers; the shops were told {} metafields in {} calls and {} tags",
            books.customers, told.metafields, told.metafield_calls, told.tag_calls
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
        if let lost @ 1.. = lost(&stage.sandbox) {
            say(&format!("{lost} webhooks were lost on their way: what they told, a sweep had to find"));
        }
        let clean = self.is_clean(&stage.sandbox);
        if !clean {
            say(&format!("{:#}", self.details(&stage.sandbox)));
        }
        say(if clean { "the books agree" } else { "THE BOOKS DIFFER" });
        tell_where_to_look(stage, urls);
    }

    fn tell_kinds(&self, sandbox: &Sandbox) {
        let rows: Vec<Vec<String>> = self
            .kinds(sandbox)
            .into_iter()
            .map(|(name, kind)| {
                let ended: Vec<String> = kind.ended.iter().map(|(end, count)| format!("{count} {end}")).collect();
                let codes = kind.codes.into_iter().collect::<Vec<_>>().join(", ");
                vec![name.to_owned(), kind.ended.values().sum::<usize>().to_string(), ended.join(", "), codes]
            })
            .collect();
        say(&table(&["kind of order", "orders", "ended", "as"], &rows));
        say("");
    }

    fn tell_costs(&self) {
        let Some(costs) = &self.costs else { return };
        let row = |(work, requests): (&str, Decimal)| vec![work.to_owned(), requests.normalize().to_string()];
        say(&table(&["one order", "requests to IFS"], &costs.rows().into_iter().map(row).collect::<Vec<_>>()));
        say("");
    }
}

fn shops(sandbox: &Sandbox) -> impl Iterator<Item = Shop> {
    (0..).map_while(|index| sandbox.shop(index))
}

/// Webhooks that no shop sent.
fn lost(sandbox: &Sandbox) -> usize {
    shops(sandbox).map(|shop| shop.lost_webhooks()).sum()
}

/// What all shops were told.
fn write_back_counts(sandbox: &Sandbox) -> WriteBackCounts {
    shops(sandbox).map(|shop| shop.write_back_counts()).fold(WriteBackCounts::default(), WriteBackCounts::with)
}

fn write_back(sandbox: &Sandbox) -> Value {
    let counts = write_back_counts(sandbox);
    json!({"metafield_calls": counts.metafield_calls, "metafields": counts.metafields,
        "metafields_max": counts.metafields_max, "tag_calls": counts.tag_calls, "echoes": counts.echoes})
}

/// The ends that are always told, as 0 where there is none.
const ENDS: [&str; 5] = ["written", "cancelled", "skipped", "parked", "held"];

fn kinds(kinds: &BTreeMap<&'static str, Kind>) -> Vec<Value> {
    let one = |(name, kind): (&&str, &Kind)| {
        let mut ended: BTreeMap<&str, usize> = ENDS.iter().map(|end| (*end, 0)).collect();
        ended.extend(kind.ended.iter().map(|(end, count)| (*end, *count)));
        json!({"kind": name, "orders": kind.ended.values().sum::<usize>(), "ended": ended, "codes": kind.codes})
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
