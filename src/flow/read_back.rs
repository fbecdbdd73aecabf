//! Reading an order back from IFS, and the gate: nothing that was sent is believed before it is read. Also adoption: a
//! record that a look-up found becomes ours.

use serde_json::Value;

use super::settling::{Outcome, failed, settle};
use super::wish::park_reason;
use super::{Connection, settling};
use crate::domain::document::{ParkKind, State};
use crate::domain::ids::IntentId;
use crate::failpoint;
use crate::ifs::error::IfsError;
use crate::ifs::wire::{PartRequest, key, names};
use crate::ifs::{Answer, IfsClient, error::Undecodable};
use crate::mapping::columns::Columns;
use crate::mapping::create::{is_header_only, read_back_parts};
use crate::mapping::desired::DesiredOrder;
use crate::mapping::gate;
use crate::mapping::merge::{PlanRules, plan};
use crate::mapping::read::ReadOrder;
use crate::mapping::rules::ConflictPolicy;
use crate::mapping::written::{WrittenOrder, link_rows};
use crate::store::{Claimed, Intent, Link, Settled, StoreError};

/// Reads an order in one batch: header with its ETag, lines, charges, and its own address where we write one.
///
/// # Errors
/// The remote's; [`IfsError::NotFound`] when the order is gone.
pub async fn read_order(link: &Connection, order_no: &str, order: &DesiredOrder) -> Result<ReadOrder, IfsError> {
    read_from(&link.tenant.ifs, order_no, order).await
}

/// The same, by whoever may only read.
///
/// # Errors
/// As [`read_order`].
pub async fn read_from(ifs: &IfsClient, order_no: &str, order: &DesiredOrder) -> Result<ReadOrder, IfsError> {
    read(ifs, &read_back_parts(order_no, order)).await
}

/// The answers to header, lines, charges, and the address where it is among the parts.
async fn read(ifs: &IfsClient, parts: &[PartRequest]) -> Result<ReadOrder, IfsError> {
    let answers = ifs.batch_read(parts).await?;
    let mut answers = answers.into_iter();
    let mut next = || answers.next().unwrap_or(Err(IfsError::NotReached));
    let (header, lines, charges) = (next()?, next()?, next()?);
    let address = match parts.get(3).map(|_| next()) {
        None | Some(Err(IfsError::NotFound { .. })) => None,
        Some(Ok(address)) => Some(with_etag(address)),
        Some(Err(error)) => return Err(error),
    };
    put_together(ifs, header, (lines, charges), address).await
}

/// An order out of its answers, the further pages of its lists read.
async fn put_together(
    ifs: &IfsClient,
    mut header: Answer,
    (lines, charges): (Answer, Answer),
    address: Option<Value>,
) -> Result<ReadOrder, IfsError> {
    header.body = with_etag(header.clone());
    let (lines, charges) = (ifs.whole_list(lines).await?, ifs.whole_list(charges).await?);
    ReadOrder::parse(&header.body, &lines.body, &charges.body, address.as_ref())
        .map_err(|error| IfsError::from(Undecodable::from(error)))
}

/// Reads an order without its address.
///
/// # Errors
/// As [`read_order`].
pub async fn read_rows(link: &Connection, order_no: &str) -> Result<ReadOrder, IfsError> {
    read_rows_from(&link.tenant.ifs, order_no).await
}

/// The same, by whoever may only read.
///
/// # Errors
/// As [`read_order`].
pub async fn read_rows_from(ifs: &IfsClient, order_no: &str) -> Result<ReadOrder, IfsError> {
    let [header, lines, charges] = [key::order(order_no), key::lines(order_no), key::charges(order_no)];
    let parts = [header, lines, charges].map(PartRequest::get);
    read(ifs, &parts).await
}

/// Reads several orders without their addresses, in as few calls as may be; none for one that IFS does not know, and what is wrong with
/// one alone in its own place.
///
/// # Errors
/// As [`read_order`], where a call as a whole failed.
pub async fn read_many(
    ifs: &IfsClient,
    order_nos: &[String],
) -> Result<Vec<Result<Option<ReadOrder>, IfsError>>, IfsError> {
    let urls =
        order_nos.iter().flat_map(|order_no| [key::order(order_no), key::lines(order_no), key::charges(order_no)]);
    let parts: Vec<PartRequest> = urls.map(PartRequest::get).collect();
    let mut answers = ifs.batch_read(&parts).await?.into_iter();
    let mut read = Vec::with_capacity(order_nos.len());
    for _ in order_nos {
        let mut next = || answers.next().unwrap_or(Err(IfsError::NotReached));
        let (header, lines, charges) = (next(), next(), next());
        read.push(match (header, lines, charges) {
            (Err(IfsError::NotFound { .. }), ..) => Ok(None),
            (Ok(header), Ok(lines), Ok(charges)) => put_together(ifs, header, (lines, charges), None).await.map(Some),
            (Err(error), ..) | (_, Err(error), _) | (_, _, Err(error)) => Err(error),
        });
    }
    Ok(read)
}

/// The record with the ETag of its header where the body has none.
fn with_etag(answer: Answer) -> Value {
    let mut body = answer.body;
    if let (Some(etag), Some(fields)) = (answer.etag, body.as_object_mut()) {
        fields.entry("@odata.etag").or_insert(Value::String(etag));
    }
    body
}

/// After a create that IFS confirmed: read back, gate, settle. If the reading fails, the intent stays open and the
/// look-up finds the order: the base must hold what this create sent, not what is desired by then.
///
/// # Errors
/// The store's.
pub async fn after_create(
    link: &Connection,
    claimed: &Claimed,
    intent: IntentId,
    order: &DesiredOrder,
    order_no: &str,
) -> Result<State, StoreError> {
    let made = Link { order_no: order_no.to_owned(), origin: "created", reason: String::new() };
    match read_order(link, order_no, order).await {
        Ok(read) => {
            let outcome = judged(link, claimed.desired_version, Found::Made, order, &read);
            settle(link, claimed, outcome.linking(made).closing(Some(intent), "created")).await
        }
        Err(error) => {
            link.watches.begin(intent, link.clock.monotonic());
            let due_at = settling::later(link, link.tenant.limits.look_up_first);
            let unknown =
                Outcome::new("create", claimed.desired_version, Settled::Unknown { due_at, own_fault: false });
            settle(link, claimed, unknown.detail(format!("made as {order_no}, but not read back: {error}"))).await
        }
    }
}

/// A record that a look-up found becomes ours.
///
/// With an intent: sent is the intent's content, answered is what is read. Without one nobody knows what was sent, so
/// IFS must hold what is desired now in every field that we write; else a person decides.
///
/// # Errors
/// The store's.
pub async fn adopt(
    link: &Connection,
    claimed: &Claimed,
    intent: Option<&Intent>,
    sent: &DesiredOrder,
    order_no: &str,
) -> Result<State, StoreError> {
    let found = Link { order_no: order_no.to_owned(), origin: "adopted", reason: String::new() };
    let version = intent.map_or(claimed.desired_version, |intent| intent.desired_version);
    let read = match read_order(link, order_no, sent).await {
        Ok(read) => read,
        Err(IfsError::NotFound { .. }) if claimed.order_no.is_some() => {
            return settle(link, claimed, vanished(claimed, order_no)).await;
        }
        // The intent stays open, so the look-up comes again.
        Err(error) if intent.is_some() => {
            let due_at = settling::later(link, link.tenant.limits.look_up_first);
            let unknown = Outcome::new("adopt", version, Settled::Unknown { due_at, own_fault: false });
            return settle(link, claimed, unknown.detail(error.to_string())).await;
        }
        Err(error) => return settle(link, claimed, failed(link, claimed, "adopt", &error)).await,
    };
    if intent.is_none()
        && let Some(parked) = differing(claimed, sent, &read)
    {
        return settle(link, claimed, parked).await;
    }
    let outcome = judged(link, version, Found::Later, sent, &read);
    settle(link, claimed, outcome.linking(found).closing(intent.map(|intent| intent.id), "adopted")).await
}

/// What speaks against adopting a record of unknown making: any field of ours that IFS holds otherwise.
fn differing(claimed: &Claimed, order: &DesiredOrder, read: &ReadOrder) -> Option<Outcome> {
    let mut base = link_rows(order, read).ok()?;
    let rows = base.rows.iter_mut().map(|row| &mut row.fields);
    for fields in [&mut base.header].into_iter().chain(base.address.as_mut()).chain(rows) {
        for (name, field) in fields.iter_mut() {
            // What we leave to IFS may be anything; an instruction to IFS is not kept as a value.
            if field.sent.is_some() && name != names::IS_NEW_CUSTOMER {
                field.sent.clone_from(&field.answered);
            }
        }
    }
    let differs = plan(&base, order, read, PlanRules::with_policy(ConflictPolicy::Park));
    if differs.nothing_to_do() && differs.passed.is_empty() {
        return None;
    }
    let text = format!(
        "IFS order {} was found by our key, but holds something else ({}): a newer version of the order, or a person's \
         work; compare both, then run `documents retry` or `documents resolve`",
        read.order_no(),
        differs.told()
    );
    Some(Outcome::park("adopt", claimed, ParkKind::Refusal, "found_order_differs", text))
}

/// A linked record that IFS does not know any more: never created again by itself.
pub fn vanished(claimed: &Claimed, order_no: &str) -> Outcome {
    let text =
        format!("IFS order {order_no} is linked but gone: find out who deleted it, then run `documents resolve`");
    Outcome::park("read", claimed, ParkKind::Vanished, "vanished", text)
}

/// A linked customer that IFS does not know any more: never created again by itself.
pub fn vanished_customer(claimed: &Claimed, customer_no: &str) -> Outcome {
    let text =
        format!("IFS customer {customer_no} is linked but gone: find out who deleted it, then run `documents resolve`");
    Outcome::park("read", claimed, ParkKind::Vanished, "vanished", text)
}

/// How a reading comes about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// IFS just said that it made the order.
    Made,
    /// The order was looked for: somebody may have come before us.
    Later,
}

/// What a reading comes to: the base where our rows are found, and written only when the gate finds nothing.
fn judged(link: &Connection, version: i64, found: Found, order: &DesiredOrder, read: &ReadOrder) -> Outcome {
    failpoint::hit(failpoint::READ_BACK_DONE);
    let step = if found == Found::Made { "create" } else { "adopt" };
    let base = match link_rows(order, read) {
        Ok(base) if found == Found::Later => base.read_later(),
        Ok(base) => base,
        Err(gap) => {
            let text = format!("{gap}; correct it in IFS, then run `documents retry`");
            let reason = park_reason(ParkKind::Money.as_str(), "rows_missing_in_ifs", &text);
            return Outcome::new(step, version, Settled::Parked(reason));
        }
    };
    // Made row by row: the rows are still to come, and the gate after them.
    if is_header_only(order) {
        return next(link, version, step, &base).detail("the header stands; its rows follow");
    }
    let outcome = gated(link, version, step, order, read, &base);
    if outcome.is_written() && order.release {
        return next(link, version, step, &base).detail("the gate found nothing; the release follows");
    }
    outcome
}

/// The order is linked, and more is to be done at once: by the next step, which goes on from the base.
fn next(link: &Connection, version: i64, step: &'static str, base: &WrittenOrder) -> Outcome {
    let now = Settled::Again { own_fault: false, due_at: link.clock.now(), reason: None };
    Outcome::new(step, version, now).with_base(base_text(base))
}

/// The gate over a reading, with the base to keep either way.
pub(super) fn gated(
    link: &Connection,
    version: i64,
    step: &'static str,
    order: &DesiredOrder,
    read: &ReadOrder,
    base: &WrittenOrder,
) -> Outcome {
    let gaps = gate::gate_with_base(order, read, &link.rules, Some(base));
    let settled = if gaps.is_empty() {
        Settled::Written
    } else {
        let park = gate::park(read.order_no(), &gaps);
        Settled::Parked(park_reason(park.kind.as_str(), park.code, &park.text))
    };
    let outcome = Outcome::new(step, version, settled).with_base(base_text(base));
    let outcome = outcome.differing(gaps.iter().map(Columns::from).collect());
    outcome.standing(read.order_no(), read.state().as_str())
}

/// The stored form of a base.
pub(super) fn base_text(base: &WrittenOrder) -> String {
    serde_json::to_string(base).expect("a base holds nothing that JSON cannot")
}
