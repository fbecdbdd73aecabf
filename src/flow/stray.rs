//! What a record in IFS that carries a key of ours means, beside what we know of that key. Pure: the reading is `standing`'s.

use super::deletion::DELETED;
use crate::domain::document::State;
use crate::domain::ids::DocumentId;
use crate::mapping::late;
use crate::store::{KeyDocument, KeyStanding, Sighting, Stray};

/// A second record beside the one that is linked, or several of which none is.
pub const SECOND_RECORD: &str = "second_record_with_our_key";
/// One record, and no link of ours to it.
pub const UNLINKED_RECORD: &str = "unlinked_record_with_our_key";

/// Shopify's order numbers have had 12 digits and more for years; a person's own numbers rarely do.
const DIGITS_MIN: usize = 12;

/// A live record of a key: its number in IFS, and its site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record(pub String, pub String);

impl Record {
    pub(super) fn sighting(&self, key: &str) -> Sighting {
        Sighting { key: key.to_owned(), order_no: self.0.clone() }
    }
}

/// What a key asks for.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Everything is explained.
    Explained,
    /// Something of it is under way: a later run looks again.
    Later,
    /// It is told already.
    Known,
    /// The document is still to be created: it has to look first.
    LookFirst(KeyDocument),
    /// A person must decide about the document.
    Park {
        /// The document.
        document: KeyDocument,
        /// A stable word.
        code: &'static str,
        /// One sentence: both numbers, and what to do.
        text: String,
        /// The records that no link explains.
        strays: Vec<Stray>,
    },
    /// There is no document to park: they are told.
    Tell(Vec<Stray>),
}

/// The key that a record carries, if it has the shape of one of ours: Shopify's order number, or that of a second order.
pub fn key_of(text: &str) -> Option<String> {
    number_of(text).map(|_| text.to_owned())
}

/// Whether a key looks like a number of Shopify's, rather than like one of a person's own.
pub fn is_shopifys(key: &str) -> bool {
    number_of(key).is_some_and(|number| number.len() >= DIGITS_MIN)
}

/// Shopify's number of the order whose key this is.
pub fn order_of(key: &str) -> Option<u64> {
    number_of(key)?.parse().ok()
}

/// Shopify's part of a key.
fn number_of(key: &str) -> Option<&str> {
    let number = if late::is_second(key) { &key[..key.len() - 2] } else { key };
    let as_printed = number.parse::<u64>().is_ok_and(|value| value.to_string() == number);
    as_printed.then_some(number)
}

/// Judges the live records of a key.
///
/// 1. What the key's own document is linked to is explained, and so is what a person resolved or dismissed, or a rule keeps out.
/// 2. While something of it is under way, the record may be what is under way.
/// 3. What is left parks the document; one that is still to be created looks first instead, and one that says so already stays.
pub fn judge(connection: &str, key: &str, records: &[Record], known: &KeyStanding) -> Verdict {
    let Some(document) = &known.document else {
        let strays = unexplained(records, None, known);
        return if strays.is_empty() { Verdict::Explained } else { Verdict::Tell(untold(key, &strays)) };
    };
    // 1. Another connection's query tells of its own.
    if document.connection != connection {
        return Verdict::Explained;
    }
    let linked = document.link.as_ref().map(|(order_no, _)| order_no.as_str());
    let others = unexplained(records, linked, known);
    let is_deleted = document.code.as_deref() == Some(DELETED);
    if others.is_empty() || (document.state == State::Skipped && !is_deleted) {
        return Verdict::Explained;
    }
    // 2.
    if document.under_way {
        return Verdict::Later;
    }
    // 3.
    if document.state == State::Skipped {
        let text = format!(
            "Shopify has deleted the order of the key {key}, and IFS order {} carries it: cancel or credit it in IFS, or run `strays dismiss`",
            numbers(&others)
        );
        return Verdict::Tell(strays(key, &others, UNLINKED_RECORD, &text, Some(document.id)));
    }
    if document.state == State::Resolved {
        return resolved(key, records, &others, document, known);
    }
    let to_be_created = matches!(document.state, State::Planned | State::Retry | State::Held);
    if linked.is_none() && to_be_created {
        return Verdict::LookFirst(document.clone());
    }
    if document.reason.as_deref().is_some_and(|reason| others.iter().all(|other| names_number(reason, &other.0))) {
        return Verdict::Known;
    }
    park(key, &others, linked, document)
}

/// Judges those records of another connection's key that stand at sites which its own query does not read: nobody else tells of
/// them, and its document is not ours to park.
pub fn judge_elsewhere(key: &str, records: &[Record], known: &KeyStanding) -> Verdict {
    let Some(document) = &known.document else { return Verdict::Explained };
    match judge(&document.connection, key, records, known) {
        Verdict::LookFirst(_) | Verdict::Park { .. } => {
            let linked = document.link.as_ref().map(|(order_no, _)| order_no.as_str());
            let others = unexplained(records, linked, known);
            let text = format!(
                "IFS order {} carries the key {key} of an order of the connection {}, which does not read that site: cancel it in IFS or \
                 take the key off it, or run `strays dismiss`",
                numbers(&others),
                document.connection
            );
            let code = if linked.is_some() { SECOND_RECORD } else { UNLINKED_RECORD };
            Verdict::Tell(strays(key, &others, code, &text, Some(document.id)))
        }
        told => told,
    }
}

/// The records that neither the link nor a person explains.
fn unexplained<'r>(records: &'r [Record], linked: Option<&str>, known: &KeyStanding) -> Vec<&'r Record> {
    let is_open = |record: &&Record| linked != Some(record.0.as_str()) && !known.dismissed.contains(&record.0);
    records.iter().filter(is_open).collect()
}

/// A person may have keyed the one record of a resolved order; what was there when it was resolved was seen.
fn resolved(key: &str, records: &[Record], others: &[&Record], document: &KeyDocument, known: &KeyStanding) -> Verdict {
    let seen = |record: &&&Record| known.told.get(&record.0).is_some_and(|found| *found <= document.updated_at);
    if records.len() == 1 || others.iter().all(|other| seen(&other)) {
        return Verdict::Explained;
    }
    let text = format!(
        "IFS orders {} carry the key {key} of an order that a person resolved: cancel all but one, or run `strays dismiss`",
        numbers(&records.iter().collect::<Vec<_>>())
    );
    Verdict::Tell(strays(key, others, SECOND_RECORD, &text, Some(document.id)))
}

fn park(key: &str, others: &[&Record], linked: Option<&str>, document: &KeyDocument) -> Verdict {
    let found = numbers(others);
    let (code, text) = match (linked, others) {
        (Some(linked), _) => (
            SECOND_RECORD,
            format!(
                "this order is linked to IFS order {linked}, and its key {key} stands in {found} too: find out which one is right, cancel \
                 the other in IFS or take the key off it, then run `documents retry`"
            ),
        ),
        (None, [_]) => (
            UNLINKED_RECORD,
            format!(
                "IFS order {found} carries the key {key} of this order and is not linked to it: find out who made it; if it is to go, \
                 cancel it in IFS, then run `documents retry`; if it is right as it stands, run `documents resolve`"
            ),
        ),
        (None, _) => (
            SECOND_RECORD,
            format!(
                "IFS orders {found} carry the key {key} of this order: cancel all but one, then run `documents retry`"
            ),
        ),
    };
    let strays = strays(key, others, code, &text, Some(document.id));
    Verdict::Park { document: document.clone(), code, text, strays }
}

/// Records of a key that no document has.
fn untold(key: &str, records: &[&Record]) -> Vec<Stray> {
    let found = numbers(records);
    let (code, text) = match records {
        [_] => (
            UNLINKED_RECORD,
            format!(
                "IFS order {found} carries {key}, which no order here has: look in Shopify; if it sold that order, have it told again (change \
                 its note there) and it is linked or parked; else take the key off in IFS, or run `strays dismiss`"
            ),
        ),
        _ => (
            SECOND_RECORD,
            format!(
                "IFS orders {found} carry {key}, which no order here has: cancel all but one in IFS, or run `strays dismiss`"
            ),
        ),
    };
    strays(key, records, code, &text, None)
}

fn strays(key: &str, of: &[&Record], code: &'static str, text: &str, document: Option<DocumentId>) -> Vec<Stray> {
    let told = |record: &&Record| Stray { sighting: record.sighting(key), code, text: text.to_owned(), document };
    of.iter().map(told).collect()
}

fn numbers(records: &[&Record]) -> String {
    records.iter().map(|record| record.0.as_str()).collect::<Vec<_>>().join(", ")
}

/// Whether a sentence names this number, not only a longer one.
fn names_number(text: &str, order_no: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && !order_no.contains(c)).any(|word| word == order_no)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    const KEY: &str = "5580473532552";

    fn records(numbers: &[&str]) -> Vec<Record> {
        numbers.iter().map(|number| Record((*number).to_owned(), "S10".to_owned())).collect()
    }

    fn standing(state: State, linked: Option<&str>) -> KeyStanding {
        let document = KeyDocument {
            id: DocumentId::new(7),
            connection: "acme".to_owned(),
            state,
            updated_at: Timestamp::UNIX_EPOCH,
            link: linked.map(|order_no| (order_no.to_owned(), false)),
            under_way: false,
            reason: None,
            code: None,
        };
        KeyStanding { document: Some(document), ..KeyStanding::default() }
    }

    fn told(numbers: &[&str], known: &KeyStanding) -> String {
        match judge("acme", KEY, &records(numbers), known) {
            Verdict::Park { code, strays, .. } => {
                format!(
                    "park {code} {}",
                    strays.iter().map(|one| one.sighting.order_no.as_str()).collect::<Vec<_>>().join(",")
                )
            }
            Verdict::Tell(strays) => format!("tell {}", strays[0].code),
            Verdict::LookFirst(_) => "look first".into(),
            Verdict::Explained => "explained".into(),
            Verdict::Later => "later".into(),
            Verdict::Known => "known".into(),
        }
    }

    #[test]
    fn only_numbers_as_shopify_prints_them_are_keys_of_ours() {
        for key in [KEY, "7", "5580473532552-2"] {
            assert_eq!(key_of(key).as_deref(), Some(key));
        }
        for other in
            ["PO-1", "", "007", "5580473532552-3", "5580473532552-2-2", " 7", "18446744073709551616", "+7", "-2"]
        {
            assert_eq!(key_of(other), None, "{other:?}");
        }
        assert!(is_shopifys(KEY) && is_shopifys("5580473532552-2"));
        assert!(!is_shopifys("4500012345") && !is_shopifys("4500012345-2"));
    }

    #[test]
    fn a_second_record_parks_what_rests_and_waits_for_what_is_under_way() {
        for state in [State::Written, State::Planned, State::Parked, State::Held] {
            assert_eq!(told(&["1", "2"], &standing(state, Some("1"))), "park second_record_with_our_key 2", "{state}");
        }
        assert_eq!(told(&["1"], &standing(State::Written, Some("1"))), "explained");
        assert_eq!(told(&[], &standing(State::Written, Some("1"))), "explained");
        let mut busy = standing(State::Planned, Some("1"));
        busy.document.as_mut().expect("one").under_way = true;
        assert_eq!(told(&["1", "2"], &busy), "later");
        assert_eq!(told(&["2"], &standing(State::Written, Some("1"))), "park second_record_with_our_key 2");
        assert_eq!(told(&["2"], &standing(State::Superseded, None)), "park unlinked_record_with_our_key 2");
    }

    #[test]
    fn an_order_that_is_still_to_be_created_looks_first() {
        for state in [State::Planned, State::Retry, State::Held] {
            assert_eq!(told(&["2"], &standing(state, None)), "look first");
        }
    }

    #[test]
    fn what_a_rule_or_a_person_settled_and_what_is_told_stays_as_it_is() {
        assert_eq!(told(&["1", "2"], &standing(State::Skipped, Some("1"))), "explained");
        assert_eq!(told(&["2"], &standing(State::Resolved, None)), "explained");
        assert_eq!(told(&["2", "3"], &standing(State::Resolved, None)), "tell second_record_with_our_key");
        let mut seen = standing(State::Resolved, None);
        seen.told = ["2", "3"].into_iter().map(|number| (number.to_owned(), Timestamp::UNIX_EPOCH)).collect();
        assert_eq!(told(&["2", "3"], &seen), "explained");
        let mut parked = standing(State::Parked, None);
        parked.document.as_mut().expect("one").reason = Some("IFS order 10042 carries our key; see 12".to_owned());
        assert_eq!(told(&["10042"], &parked), "known");
        assert_eq!(told(&["1004"], &parked), "park unlinked_record_with_our_key 1004");
        let nobody = KeyStanding { dismissed: ["9".to_owned()].into(), ..KeyStanding::default() };
        assert_eq!(told(&["9"], &nobody), "explained");
        assert_eq!(told(&["8"], &nobody), "tell unlinked_record_with_our_key");
        assert_eq!(told(&["8", "7"], &nobody), "tell second_record_with_our_key");
    }

    #[test]
    fn a_record_of_an_order_that_shopify_deleted_is_told() {
        let mut known = standing(State::Skipped, None);
        assert_eq!(told(&["1"], &known), "explained");
        known.document.as_mut().expect("one").code = Some(DELETED.to_owned());
        assert_eq!(told(&["1"], &known), "tell unlinked_record_with_our_key");
        assert_eq!(told(&[], &known), "explained");
    }

    #[test]
    fn another_connections_order_is_its_own_querys() {
        let known = standing(State::Written, Some("1"));
        assert!(matches!(judge("bolt", KEY, &records(&["1", "2"]), &known), Verdict::Explained));
    }

    #[test]
    fn a_record_where_its_orders_own_query_does_not_look_is_told_and_parks_nothing() {
        let told = |known: &KeyStanding, numbers: &[&str]| match judge_elsewhere(KEY, &records(numbers), known) {
            Verdict::Tell(strays) => {
                strays.iter().map(|stray| format!("{} {}", stray.code, stray.sighting.order_no)).collect()
            }
            Verdict::Explained => vec!["explained".to_owned()],
            other => vec![format!("{other:?}")],
        };
        let written = standing(State::Written, Some("1"));
        assert_eq!(told(&written, &["2"]), ["second_record_with_our_key 2"]);
        assert_eq!(told(&written, &["1"]), ["explained"]);
        assert_eq!(told(&written, &[]), ["explained"]);
        assert_eq!(told(&standing(State::Planned, None), &["2"]), ["unlinked_record_with_our_key 2"]);
        assert_eq!(told(&standing(State::Skipped, None), &["2"]), ["explained"]);
        let dismissed = KeyStanding { dismissed: ["2".to_owned()].into(), ..written };
        assert_eq!(told(&dismissed, &["2"]), ["explained"]);
    }
}
