//! What is ours among a shop's subscriptions, and what is done about it.

use super::ingest::CLAIMED_TOPICS;
use super::subscriptions::*;
use crate::domain::ids::ConnectionName;
use crate::shopify::subscriptions::{ApiVersion, NAME_CHARS_MAX, Subscription};

fn wanted() -> Wanted {
    let connection = ConnectionName::parse("acme").expect("a name");
    Wanted { connection, address: "https://hooks.example.com/webhooks/acme".to_owned() }
}

fn row(id: u32, topic: &str, uri: &str, name: Option<&str>) -> Subscription {
    Subscription {
        id: id.to_string(),
        topic: topic.to_owned(),
        uri: uri.to_owned(),
        format: "JSON".to_owned(),
        filter: None,
        include_fields: Vec::new(),
        name: name.map(str::to_owned),
        api_version: ApiVersion { handle: "2026-10".to_owned() },
    }
}

const HERE: &str = "https://hooks.example.com/webhooks/acme";
const ELSEWHERE: &str = "https://old.example.com/webhooks/acme";

#[test]
fn nothing_stands_and_everything_is_missing() {
    let survey = survey(Vec::new(), &wanted());
    assert_eq!(survey.missing.len(), CLAIMED_TOPICS.len());
    assert_eq!(survey.acts(Extent::Missing), survey.acts(Extent::Everything));
    assert_eq!(survey.acts(Extent::Missing)[0], Act::Create("ORDERS_CREATE".to_owned()));
    assert!(topics().any(|topic| topic == "ORDERS_PARTIALLY_FULFILLED") && !survey.is_right());
}

#[test]
fn only_what_has_our_name_or_our_path_is_ours() {
    let named = Some("ml-connector-acme-orders-create");
    for (uri, name, ours) in [
        (HERE, None, true),
        (ELSEWHERE, None, true),
        ("https://other.example.com/anything", named, true),
        ("arn:aws:events:us-east-1::event-source/x", named, true),
        ("https://other.example.com/anything", Some("ml-connector-acme-orders-paid"), false),
        ("https://other.example.com/anything", Some("ml-connector-bolt-orders-create"), false),
        ("https://hooks.example.com/webhooks/acme2", None, false),
        ("https://hooks.example.com/webhooks/bolt", None, false),
        ("https://hooks.example.com/webhooks/acme/more", None, false),
        ("pubsub://project:topic/webhooks/acme", None, false),
        ("https://gateway.example.com/in/webhooks/acme", None, false),
    ] {
        let survey = survey(vec![row(1, "ORDERS_CREATE", uri, name)], &wanted());
        assert_eq!(survey.seen[0].1 != Standing::Foreign, ours, "{uri} {name:?}");
        let touched = survey.acts(Extent::Everything).iter().any(|act| !matches!(act, Act::Create(_)));
        assert_eq!(touched, ours && uri != HERE, "{uri}");
        // The watcher leaves alone what only its path makes ours, on another host.
        let by_itself = survey.acts(Extent::Certain).iter().any(|act| !matches!(act, Act::Create(_)));
        assert_eq!(by_itself, touched && name.is_some(), "{uri} {name:?}");
    }
}

#[test]
fn of_each_topic_one_of_ours_stays_and_the_others_are_doubles() {
    let name = name_of(&wanted().connection, "ORDERS_PAID");
    let rows = vec![
        row(1, "ORDERS_PAID", ELSEWHERE, Some(&name)),
        row(2, "ORDERS_PAID", HERE, None),
        row(3, "ORDERS_PAID", "https://shop.example.com/hook", None),
        row(4, "ORDERS_EDITED", ELSEWHERE, None),
        row(5, "ORDERS_EDITED", "https://x.example.com/", Some(&name_of(&wanted().connection, "ORDERS_EDITED"))),
        row(6, "PRODUCTS_UPDATE", HERE, None),
    ];
    let survey = survey(rows, &wanted());
    let standings: Vec<_> = survey.seen.iter().map(|(_, standing)| standing.as_str()).collect();
    assert_eq!(standings, ["double", "right", "foreign", "double", "wrong", "unclaimed"]);
    let acts = survey.acts(Extent::Everything);
    let changed: Vec<_> = acts.iter().filter(|act| !matches!(act, Act::Create(_))).collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        changed,
        [
            &Act::Delete(text("1"), text("ORDERS_PAID")),
            &Act::Delete(text("4"), text("ORDERS_EDITED")),
            &Act::Update(text("5"), text("ORDERS_EDITED"))
        ]
    );
    assert_eq!(survey.acts(Extent::Missing).len(), CLAIMED_TOPICS.len() - 2);
}

#[test]
fn a_filter_a_format_and_a_choice_of_fields_are_wrong() {
    let right = row(1, "ORDERS_CREATE", HERE, None);
    let filtered = Subscription { filter: Some("total_price:>=100".to_owned()), ..right.clone() };
    let xml = Subscription { format: "XML".to_owned(), ..right.clone() };
    let some = Subscription { include_fields: vec!["id".to_owned()], ..right.clone() };
    for (row, wrong) in [(right, false), (filtered, true), (xml, true), (some, true)] {
        let survey = survey(vec![row], &wanted());
        assert_eq!(matches!(survey.seen[0].1, Standing::Wrong(_)), wrong);
    }
}

#[test]
fn a_name_is_legal_and_its_own_for_each_connection_and_topic() {
    let mut names = std::collections::BTreeSet::new();
    let longest = "a-connection-of-thirty-two-chars";
    for connection in ["acme", longest, "a-connection-of-thirty-two-charz"] {
        let connection = ConnectionName::parse(connection).expect("a name");
        for topic in topics() {
            let name = name_of(&connection, &topic);
            assert!(name.len() <= NAME_CHARS_MAX && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
            assert!(names.insert(name), "{topic}");
        }
    }
}
