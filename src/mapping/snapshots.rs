//! The exact writes of every order in tests/fixtures/orders, as text files that a person can read and compare. Test code only.
//!
//! `UPDATE_SNAPSHOTS=1 cargo test snapshots` writes them anew; read the difference before you commit it.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::create::create_parts;
use super::desired::DesiredOrder;
use super::fixtures::{has_graphql, names, order, re_read, rules_of};
use super::judge::{Judgement, judge};
use super::rules::Rules;
use crate::domain::order::Order;
use crate::ifs::wire::PartRequest;

/// What an order becomes, as text.
fn told(order: &Order, rules: &Rules) -> String {
    match judge(order, rules, jiff::Timestamp::UNIX_EPOCH) {
        Judgement::Write(desired) => written(&desired),
        Judgement::Skip(rule) => format!("skipped: {}\n", rule.code()),
        Judgement::Hold(reason) => format!("held: {}\n  {}\n", reason.code, reason.text),
        Judgement::Park(reason) => format!("parked: {} ({:?})\n  {}\n", reason.code, reason.kind, reason.text),
    }
}

fn written(desired: &DesiredOrder) -> String {
    let mut text = String::new();
    for part in create_parts(desired) {
        text.push_str(&shown(&part));
    }
    let expected = &desired.expected;
    let basis = if expected.tax_included { "with" } else { "without" };
    let (total, tax, currency) = (expected.total.normalize(), expected.tax.normalize(), &expected.currency);
    writeln!(text, "\nIFS must come to {total} {currency} with {tax} tax; its rows are {basis} tax:").expect("a text");
    for row in desired.lines.iter().chain(&desired.charges) {
        let (amount, tax) = (row.expect.amount.normalize(), row.expect.tax.normalize());
        writeln!(text, "  {} {amount}, tax {tax}", row.key).expect("a text");
    }
    text
}

/// One part of the change set, its fields in the order of their names.
fn shown(part: &PartRequest) -> String {
    let mut text = format!("{}\n", part.summary());
    if let Some(etag) = &part.if_match {
        writeln!(text, "  If-Match: {etag}").expect("a text");
    }
    let fields = part.body.as_ref().and_then(|body| body.as_object()).into_iter().flatten();
    let mut fields: Vec<String> = fields.map(|(field, value)| format!("  {field} = {value}\n")).collect();
    fields.sort();
    text.extend(fields);
    text
}

/// Both roads: the webhook's order, and the re-read one where it becomes something else.
fn snapshot(name: &str, rules: &Rules) -> String {
    let webhook = told(&order(name), rules);
    let re_read = has_graphql(name).then(|| told(&re_read(name), rules));
    match re_read {
        Some(re_read) if re_read == webhook => webhook,
        Some(re_read) => format!("As the webhook tells it\n\n{webhook}\nAs a re-read tells it\n\n{re_read}"),
        None => webhook,
    }
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "fixtures", "orders", name, "expected.snap"].iter().collect()
}

#[test]
fn every_fixture_becomes_what_its_snapshot_says() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    let mut others = Vec::new();
    for name in names() {
        let (path, found) = (path(&name), snapshot(&name, &rules_of(&name)));
        if update {
            std::fs::write(&path, &found).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if let Some((line, (was, is))) = first_difference(&expected, &found) {
            others.push(format!("{name}, line {line}\n  snapshot: {was}\n  now:      {is}"));
        }
    }
    let listed = others.join("\n");
    assert!(others.is_empty(), "what these orders become has changed (UPDATE_SNAPSHOTS=1 takes it over):\n{listed}");
}

/// The first line in which two texts differ, from 1.
fn first_difference<'t>(one: &'t str, other: &'t str) -> Option<(usize, (&'t str, &'t str))> {
    let (mut ones, mut others) = (one.lines(), other.lines());
    (1..)
        .map_while(|number| {
            let pair = (ones.next(), others.next());
            (pair != (None, None)).then(|| (number, (pair.0.unwrap_or("(nothing)"), pair.1.unwrap_or("(nothing)"))))
        })
        .find(|(_, (was, is))| was != is)
}
