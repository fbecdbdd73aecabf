//! What the fuzz targets do with their bytes. `tests/it` runs the same functions over the corpus and over mutants of the fixtures, on the
//! usual build, so that neither rots: nothing may panic, and what would be written to IFS is worth what Shopify says.
#![allow(dead_code, reason = "each target uses one of them")]

use std::sync::OnceLock;

use bytes::Bytes;
use jiff::Timestamp;
use ml_connector::domain::order::Order;
use ml_connector::flow::ingest::signature_is_right;
use ml_connector::ifs::Answer;
use ml_connector::ifs::batch::{ChangeSetAnswer, PartAnswer, decode_change_set, decode_reads, encode_change_set};
use ml_connector::mapping::create::create_parts;
use ml_connector::mapping::desired::DesiredOrder;
use ml_connector::mapping::inbound::{order_from_graphql, order_from_rest};
use ml_connector::mapping::judge::{Judgement, judge};
use ml_connector::mapping::rules::{MappingSettings, Rules};
use ml_connector::remote::retry_after_of;
use ml_connector::shopify::wire::cut::cut_secrets;
use ml_connector::shopify::wire::{
    decode_graphql_order, decode_order_edited, decode_refund_created, decode_rest_order,
};
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::Value;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// It does not decode: quarantined.
    Undecoded,
    /// It is parked with a reason.
    Parked,
    /// A rule keeps it out.
    Skipped,
    /// It waits.
    Held,
    /// IFS should hold it.
    Written,
}

fn rules_of_the_corpus() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| {
        let settings: MappingSettings = toml::from_str(include_str!("corpus/rules/all.toml")).expect("TOML");
        Rules::new(settings).expect("legal rules")
    })
}

/// A webhook's body: an order, an edit or a refund.
pub fn webhook(data: &[u8]) {
    webhook_ends(data);
}

/// The same, and how it ends as an order.
pub fn webhook_ends(data: &[u8]) -> End {
    // The ingress: bytes in, no more bytes out than came in and one word for each secret.
    let cut = cut_secrets(data);
    assert!(cut.len() <= data.len() * 2 + 16, "cutting secrets makes a body longer");
    // The other topics.
    drop((decode_order_edited(data), decode_refund_created(data)));
    let Ok(order) = decode_rest_order(data).map_err(drop).and_then(|wire| order_from_rest(wire).map_err(drop)) else {
        return End::Undecoded;
    };
    // What was stored is what is decoded.
    let stored = decode_rest_order(&cut).ok().and_then(|wire| order_from_rest(wire).ok()).expect("as whole as before");
    assert_eq!(stored.digest(), order.digest(), "cutting secrets changed the order");
    let (end, desired) = judged(&order);
    if let Some(desired) = desired {
        worth_what_the_body_says(data, &desired);
    }
    end
}

/// An order as GraphQL tells it.
pub fn graphql(data: &[u8]) {
    graphql_ends(data);
}

/// The same, and how it ends.
pub fn graphql_ends(data: &[u8]) -> End {
    match decode_graphql_order(data).map_err(drop).and_then(|wire| order_from_graphql(wire).map_err(drop)) {
        Ok(order) => judged(&order).0,
        Err(()) => End::Undecoded,
    }
}

fn judged(order: &Order) -> (End, Option<Box<DesiredOrder>>) {
    assert_eq!(order.digest(), order.clone().digest());
    match judge(order, rules_of_the_corpus(), Timestamp::UNIX_EPOCH) {
        Judgement::Write(desired) => {
            rows_sum_up(&desired);
            // It can be sent.
            let parts = create_parts(&desired);
            assert!(encode_change_set(&parts, Some(30)).is_ok(), "an order that cannot be sent");
            (End::Written, Some(desired))
        }
        Judgement::Skip(_) => (End::Skipped, None),
        Judgement::Hold(_) => (End::Held, None),
        Judgement::Park(reason) => {
            assert!(!reason.code.is_empty() && !reason.text.is_empty());
            (End::Parked, None)
        }
    }
}

/// The sum of the rows, with tax.
fn sum_of(desired: &DesiredOrder) -> Decimal {
    let rows = || desired.lines.iter().chain(&desired.charges).filter(|row| row.key != "rounding");
    let amounts: Decimal = rows().map(|row| row.expect.amount).sum();
    let taxes: Decimal = rows().map(|row| row.expect.tax).sum();
    if desired.expected.tax_included { amounts } else { amounts + taxes }
}

fn rows_sum_up(desired: &DesiredOrder) {
    assert_eq!(sum_of(desired), desired.expected.total, "{}", desired.key);
    let mut keys: Vec<&str> = desired.lines.iter().chain(&desired.charges).map(|row| row.key.as_str()).collect();
    let rows = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), rows, "two rows of one key");
}

/// Against the payload itself, not against what was made of it; money that was given back is the rows' own affair.
fn worth_what_the_body_says(data: &[u8], desired: &DesiredOrder) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    if body["refunds"].as_array().is_some_and(|refunds| !refunds.is_empty()) {
        return;
    }
    // Both currencies stand in the set; the bare figure beside it is the older form of the same, and counts without a set.
    let in_set = &body["current_total_price_set"]["shop_money"]["amount"];
    let said = match if in_set.is_null() { &body["current_total_price"] } else { in_set } {
        Value::String(text) => text.trim().parse::<Decimal>().ok(),
        Value::Number(number) => number.to_string().parse::<Decimal>().ok(),
        _ => None,
    };
    assert_eq!(Some(sum_of(desired)), said, "IFS would hold another total than the body says");
    assert_eq!(Some(desired.expected.currency.as_str()), body["currency"].as_str());
}

/// An answer of IFS: the content type up to the first line end, then the body.
pub fn ifs_answer(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let content_type = String::from_utf8_lossy(&data[..at]).into_owned();
    let body = Bytes::copy_from_slice(data.get(at + 1..).unwrap_or_default());
    for ids in [&[][..], &[1], &[1, 2, 3]] {
        match decode_change_set(&content_type, &body, ids) {
            Ok(ChangeSetAnswer::Done(parts)) => {
                assert_eq!(parts.len(), ids.len(), "an answer to each part");
                parts.iter().for_each(read);
            }
            Ok(ChangeSetAnswer::Refused(part)) => {
                assert!(!(200..300).contains(&part.status), "a refusal that is none");
                read(&part);
            }
            Err(_) => {}
        }
    }
    for asked in [0, 1, 3] {
        if let Ok(parts) = decode_reads(&content_type, &body, asked) {
            assert!(parts.len() <= asked, "more answers than questions");
            parts.iter().for_each(read);
        }
    }
}

fn read(part: &PartAnswer) {
    let body = serde_json::from_slice(&part.body).unwrap_or(Value::Null);
    let answer = Answer { status: part.status, etag: part.etag.clone(), body };
    drop((answer.row(), answer.rows()));
}

/// The value of a `Retry-After` header.
pub fn headers(data: &[u8]) {
    const MOST: std::time::Duration = std::time::Duration::from_secs(900);
    let Ok(text) = std::str::from_utf8(data) else { return };
    for now in [Timestamp::UNIX_EPOCH, Timestamp::MAX, Timestamp::MIN] {
        assert!(retry_after_of(text, now).is_none_or(|wait| wait <= MOST), "a wait without bound");
    }
}

/// A signature that nobody signed.
pub fn signature(data: &[u8]) {
    let secrets = [SecretString::from("a secret of this target"), SecretString::from("an older one")];
    let text = String::from_utf8_lossy(data);
    assert!(!signature_is_right(&secrets, b"{\"id\":1}", &text), "a signature that nobody signed passes");
}

/// Mapping settings: refused with every reason, or rules that judge.
pub fn rules(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(settings) = toml::from_str::<MappingSettings>(text) else { return };
    match Rules::new(settings) {
        Ok(rules) => assert!(!rules.revision().is_empty()),
        Err(errors) => assert!(!errors.is_empty(), "refused without a reason"),
    }
}
