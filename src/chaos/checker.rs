//! The one checker: three ledgers of a run against each other. It says, by name, which invariant broke and for which order.
//! docs/proof.md tells what each invariant means.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::account::{Account, Delivery, Document};
use super::evidence::Evidence;
use super::quiet::shops;
use super::stock::prices_that_differ;
use crate::cli::demo::{CONNECTIONS, planned};
use crate::domain::document::{DocumentKind, State};
use crate::sandbox::ledger::{Class, Entry, Ledger, Outcome};
use crate::sandbox::{Books, Parked, Sandbox};

/// Resident memory of one child at most, KiB.
pub(super) const RSS_KIB_MAX: u64 = 400 * 1_024;
/// Open files of one child at most.
pub(super) const OPEN_FILES_MAX: u64 = 256;
/// Threads of one child at most.
pub(super) const THREADS_MAX: u64 = 128;
/// What an empty database may have, bytes.
const DATABASE_BYTES_EMPTY: u64 = 32 << 20;
/// What the database may grow by for each delivery that was acknowledged, bytes: its body, and a part of the order's document.
const DATABASE_BYTES_EACH: u64 = 96 << 10;

/// Steps by which an order comes to stand in IFS under our link.
const LINKING_STEPS: [&str; 4] = ["create", "look_up", "adopt", "note"];

/// What must hold. The numbers are those of docs/proof.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Invariant {
    /// An acknowledged delivery is in the service's account.
    I1,
    /// At most one effect in IFS for each key.
    I2,
    /// Nothing ends silently, nothing is stuck.
    I3,
    /// IFS holds what the latest state in Shopify maps to, and Shopify shows of stock and prices what IFS has.
    I4,
    /// Memory, files, threads, the database are bounded.
    I9,
    /// Each step can be read afterwards.
    I11,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What an operator of the run counts it as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Something that was told is not there.
    Missing,
    /// Something is there twice.
    Double,
    /// Something is there with another content.
    Difference,
    /// Something is not at rest.
    Stuck,
    /// A bound was passed, or a step cannot be read.
    Other,
}

/// One broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) invariant: Invariant,
    pub(super) kind: Kind,
    /// Shopify's order id, where it is about one order.
    pub(super) order_id: Option<u64>,
    pub(super) what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.order_id {
            Some(order_id) => write!(f, "{} order {order_id}: {}", self.invariant, self.what),
            None => write!(f, "{}: {}", self.invariant, self.what),
        }
    }
}

/// Everything that is broken.
pub(super) fn check(evidence: &Evidence<'_>) -> Vec<Broken> {
    let mut found = Found::default();
    let account = evidence.account;
    acknowledged(evidence, &mut found);
    creates_follow_look_ups(&evidence.sandbox.ledger(), &mut found);
    let by_state = |document: &&Document| [State::Parked, State::Held].iter().any(|s| s.as_str() == document.state);
    let parked = account.documents.iter().filter(|one| is_order(one)).filter(by_state).map(|document| Parked {
        order_id: id(&document.order_id),
        reason: document.reason.as_ref().map(|one| format!("{}: {}", one.code, one.text)).unwrap_or_default(),
    });
    books(&evidence.sandbox.books(&parked.collect::<Vec<_>>()), &mut found);
    overrides(&evidence.sandbox.ledger(), &mut found);
    stock(evidence.sandbox, &mut found);
    account.deliveries.iter().for_each(|delivery| delivery_ended(delivery, &mut found));
    account.documents.iter().for_each(|document| document_rests(document, &mut found));
    account.documents.iter().filter(|one| is_order(one)).for_each(|document| steps_are_told(document, &mut found));
    ends(evidence, &mut found);
    one_document_each(account, &mut found);
    for stray in &account.strays {
        let what = format!("IFS order {} carries our key and is unexplained: {}", stray.order_no, stray.text);
        found.add(Invariant::I2, Kind::Double, id(&stray.business_key), what);
    }
    bounds(evidence, &mut found);
    found.0
}

#[derive(Default)]
struct Found(Vec<Broken>);

impl Found {
    fn add(&mut self, invariant: Invariant, kind: Kind, order_id: u64, what: impl Into<String>) {
        let order_id = Some(order_id).filter(|id| *id != 0);
        self.0.push(Broken { invariant, kind, order_id, what: what.into() });
    }
}

fn id(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

fn is_order(document: &Document) -> bool {
    document.kind == DocumentKind::CustomerOrder.as_str()
}

/// I1: each receipt has its row; I3: its order has a document, and so has one of which nobody was told.
fn acknowledged(evidence: &Evidence<'_>, found: &mut Found) {
    let domains: BTreeMap<String, &str> =
        shops(evidence.sandbox).map(|shop| shop.domain().to_owned()).zip(CONNECTIONS).collect();
    let told = |one: &Delivery| (one.connection.clone(), one.topic.clone(), one.webhook_id.clone());
    let stored: BTreeSet<(String, String, String)> = evidence.account.deliveries.iter().map(told).collect();
    let known: BTreeSet<u64> =
        evidence.account.documents.iter().filter(|one| is_order(one)).map(|one| id(&one.order_id)).collect();
    let mut unknown = BTreeSet::new();
    for receipt in evidence.receipts {
        let connection = domains.get(&receipt.shop).copied().unwrap_or_default().to_owned();
        if !stored.contains(&(connection, receipt.topic.clone(), receipt.webhook_id.clone())) {
            let what = format!("{} {} was acknowledged and is in no row", receipt.topic, receipt.webhook_id);
            found.add(Invariant::I1, Kind::Missing, receipt.order_id, what);
        }
        if !known.contains(&receipt.order_id) && unknown.insert(receipt.order_id) {
            let what = "it was told of and acknowledged, and the service has no document of it";
            found.add(Invariant::I3, Kind::Missing, receipt.order_id, what);
        }
    }
    for order_id in shops(evidence.sandbox).flat_map(|shop| shop.order_ids()) {
        if !known.contains(&order_id) && unknown.insert(order_id) {
            let what = "it was sold, no webhook of it arrived, and the service has no document of it";
            found.add(Invariant::I3, Kind::Missing, order_id, what);
        }
    }
}

/// I2: after a create whose fate was uncertain, none without a look.
fn creates_follow_look_ups(ledger: &Ledger, found: &mut Found) {
    let wanted = |entry: &Entry| matches!(entry.class, Class::Create | Class::Lookup);
    let mut uncertain: BTreeMap<String, u64> = BTreeMap::new();
    for entry in ledger.entries_where(wanted) {
        for key in &entry.keys {
            if entry.class == Class::Lookup {
                uncertain.remove(key);
                continue;
            }
            if let Some(seq) = uncertain.get(key) {
                let what = format!("request {} creates {key} although nobody looked what became of {seq}", entry.seq);
                found.add(Invariant::I2, Kind::Double, id(key), what);
            }
            let closed = match entry.outcome {
                Outcome::Answered(200..=299) => entry.committed != Some(true),
                Outcome::Answered(408 | 504) => false,
                // A proxy's 503 leaves open what happened behind it.
                Outcome::Answered(status) => status < 500 || entry.fault == Some("busy"),
                Outcome::Pending | Outcome::Dropped | Outcome::CallerGone => false,
            };
            if !closed {
                uncertain.insert(key.clone(), entry.seq);
            }
        }
    }
}

/// I2, I3, I4: what the shops sold against what IFS holds.
fn books(books: &Books, found: &mut Found) {
    for order_id in &books.missing {
        found.add(Invariant::I3, Kind::Missing, *order_id, "it must stand in IFS, does not, and is not parked");
    }
    for order_id in &books.double {
        found.add(Invariant::I2, Kind::Double, *order_id, "IFS holds it more than once");
    }
    for customer in &books.customers_double {
        found.add(Invariant::I2, Kind::Double, 0, format!("customer {customer} stands twice, or without an order"));
    }
    for order_no in &books.foreign {
        found.add(Invariant::I2, Kind::Double, 0, format!("IFS order {order_no} belongs to no order of a shop"));
    }
    for one in &books.differences {
        let what = format!("{}: sold {}, in IFS {}", one.component, one.sold, one.ifs);
        found.add(Invariant::I4, Kind::Difference, one.order_id, what);
    }
    for one in &books.unexpected_parked {
        found.add(Invariant::I4, Kind::Difference, one.order_id, format!("it waits for a person: {}", one.reason));
    }
    for one in books.expected_parked.iter().filter(|one| one.reason.is_none()) {
        found.add(Invariant::I4, Kind::Difference, one.order_id, format!("{} must be parked and is not", one.planted));
    }
}

/// I4: no write goes over what somebody else wrote meanwhile.
fn overrides(ledger: &Ledger, found: &mut Found) {
    let counters = ledger.counters();
    if counters.if_match_any > 0 {
        let what = format!("{} writes under `If-Match: *`", counters.if_match_any);
        found.add(Invariant::I4, Kind::Difference, 0, what);
    }
    if counters.upserts > 0 {
        found.add(Invariant::I4, Kind::Difference, 0, format!("{} upserts", counters.upserts));
    }
}

/// I4: what the shops show of stock and prices against what IFS has, where both count it.
fn stock(sandbox: &Sandbox, found: &mut Found) {
    let books = sandbox.stock_books();
    let mut differs = |what: String| found.add(Invariant::I4, Kind::Difference, 0, what);
    for one in &books.differences {
        let (shown, sellable) = (one.shown, one.sellable);
        differs(format!("{} of {}: the shop shows {shown}, and {sellable} can be sold", one.sku, one.shop));
    }
    for one in &books.oversold {
        differs(format!("{} of {}: {} more were sold than are there", one.sku, one.shop, one.units));
    }
    for one in &books.products {
        differs(format!("product {} of {} {}", one.product, one.shop, one.wrong));
    }
    prices_that_differ(sandbox).into_iter().for_each(differs);
}

/// I3: what was delivered was looked at.
fn delivery_ended(delivery: &Delivery, found: &mut Found) {
    let order_id = delivery.order_id.as_deref().map_or(0, id);
    match delivery.state.as_str() {
        "mapped" | "superseded" | "unclaimed" => {}
        "quarantined" => {
            let why = delivery.reason.as_deref().unwrap_or("no reason");
            let what = format!("{} {} is quarantined: {why}", delivery.topic, delivery.webhook_id);
            found.add(Invariant::I3, Kind::Stuck, order_id, what);
        }
        state => {
            let what = format!("{} {} is still {state}", delivery.topic, delivery.webhook_id);
            found.add(Invariant::I3, Kind::Stuck, order_id, what);
        }
    }
}

/// I3: a document rests, with nothing open and nothing newer; I11: with a reason where it waits for a person.
fn document_rests(document: &Document, found: &mut Found) {
    let (order_id, name) = (id(&document.order_id), format!("{} {}", document.kind, document.id));
    let mut stuck = |what: String| found.add(Invariant::I3, Kind::Stuck, order_id, format!("{name} {what}"));
    let ends: &[State] = match DocumentKind::parse(&document.kind) {
        Some(DocumentKind::CustomerOrder) => {
            &[State::Written, State::Superseded, State::Skipped, State::Resolved, State::Parked, State::Held]
        }
        // A customer or a word to the shop waits for nobody in this play.
        _ => &[State::Written, State::Superseded],
    };
    if !ends.iter().any(|end| end.as_str() == document.state) {
        let why = document.reason.as_ref().map_or("no reason", |reason| reason.code.as_str());
        stuck(format!("is {}: {why}", document.state));
    }
    if document.claimed {
        stuck("is still claimed".to_owned());
    }
    if let Some(intent) = &document.open_intent {
        stuck(format!("has an open intent: {intent}"));
    }
    if document.state == State::Written.as_str() && document.written_version != document.desired_version {
        stuck(format!("is written as of {}, wanted is {}", document.written_version, document.desired_version));
    }
    let waits = [State::Parked, State::Held, State::Skipped].iter().any(|state| state.as_str() == document.state);
    if waits && document.reason.as_ref().is_none_or(|reason| reason.code.is_empty() || reason.text.is_empty()) {
        found.add(Invariant::I11, Kind::Other, order_id, format!("{name} is {} without a reason", document.state));
    }
}

/// I11: how an order came to stand in IFS can be read.
fn steps_are_told(document: &Document, found: &mut Found) {
    let (Some(order_no), order_id) = (&document.order_no, id(&document.order_id)) else { return };
    if !document.steps.iter().any(|step| LINKING_STEPS.contains(&step.step.as_str())) {
        let steps: Vec<String> = document.steps.iter().map(|one| format!("{} {}", one.step, one.outcome)).collect();
        let what = format!("no step tells how IFS order {order_no} was come by: {}", steps.join(", "));
        found.add(Invariant::I11, Kind::Other, order_id, what);
    }
    if document.origin.is_none() {
        found.add(Invariant::I11, Kind::Other, order_id, format!("the link to IFS order {order_no} has no origin"));
    }
}

/// I4: each order ended for the reason that its story was made for.
fn ends(evidence: &Evidence<'_>, found: &mut Found) {
    let waits = [State::Parked, State::Held, State::Skipped].map(State::as_str);
    let orders = evidence.account.documents.iter().filter(|one| is_order(one));
    let told: BTreeMap<u64, Option<&str>> = orders
        .map(|one| {
            let code = one.reason.as_ref().map(|reason| reason.code.as_str());
            (id(&one.order_id), code.filter(|_| waits.contains(&one.state.as_str())))
        })
        .collect();
    for (order_id, story) in shops(evidence.sandbox).flat_map(|shop| shop.stories()) {
        let (planned, ended) = (planned::code(story.name()), told.get(&order_id).copied().flatten());
        if planned != ended && told.contains_key(&order_id) {
            let word = |code: Option<&'_ str>| code.unwrap_or("no reason").to_owned();
            let what = format!("{}: ended with {}, planned was {}", story.name(), word(ended), word(planned));
            found.add(Invariant::I4, Kind::Difference, order_id, what);
        }
    }
}

/// I2: no two documents share an order of IFS, and none an order of a shop.
fn one_document_each(account: &Account, found: &mut Found) {
    let mut linked = BTreeMap::new();
    for document in account.documents.iter().filter(|one| is_order(one)) {
        let order_id = id(&document.order_id);
        if let Some(order_no) = &document.order_no
            && let Some(other) = linked.insert((document.connection.as_str(), order_no), order_id)
        {
            found.add(
                Invariant::I2,
                Kind::Double,
                order_id,
                format!("IFS order {order_no} is linked to order {other} too"),
            );
        }
    }
}

/// I9: what the children used.
fn bounds(evidence: &Evidence<'_>, found: &mut Found) {
    let peaks = evidence.peaks;
    let deliveries = evidence.receipts.len() as u64;
    for (what, used, most) in [
        ("KiB of memory", peaks.rss_kib, RSS_KIB_MAX),
        ("open files", peaks.open_files, OPEN_FILES_MAX),
        ("threads", peaks.threads, THREADS_MAX),
        ("bytes of database", evidence.database_bytes, DATABASE_BYTES_EMPTY + deliveries * DATABASE_BYTES_EACH),
    ] {
        if used > most {
            found.add(Invariant::I9, Kind::Other, 0, format!("{used} {what}, at most {most} are allowed"));
        }
    }
}
