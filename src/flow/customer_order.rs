//! An order and the customer that it waits for: the mapper makes or renews the customer's document, the writer fills the
//! order's header in from its link.

use std::time::Duration;

use super::customer::{Content, reason};
use super::rejudge::known_order;
use super::settling::{Outcome, later};
use super::wish::Wish;
use super::{Connection, hold};
use crate::domain::document::{ParkKind, State};
use crate::domain::ids::ConnectionName;
use crate::domain::order::Order;
use crate::ifs::wire::names;
use crate::mapping::customer;
use crate::mapping::customer_merge::WrittenCustomer;
use crate::mapping::desired::{CustomerRef, DesiredOrder};
use crate::mapping::rules::Rules;
use crate::mapping::scalar::Scalar;
use crate::store::{self, Awaited, Claimed, CustomerStanding, CustomerWish, Settled, Store, StoreError};

/// The code of a linked customer that is gone from IFS.
const VANISHED: &str = "vanished";
/// How soon an order looks again for its customer, beside being woken by it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The customer's document that goes with an order's wish; none where the order needs none.
///
/// # Errors
/// The store's.
pub async fn wished(link: &Connection, order: &Order, wish: &Wish) -> Result<Option<CustomerWish>, StoreError> {
    let key = match wish {
        Wish::Write { order } => order.customer.as_ref().map(|customer| customer.key.clone()),
        Wish::Cancel { .. } | Wish::Skip { .. } | Wish::Hold { .. } | Wish::Park { .. } => None,
    };
    let Some(key) = key else { return Ok(None) };
    let standing = link.store.customer_standing(&link.name, &key).await?;
    let content = content(&link.rules, order, standing.as_ref());
    let expected = standing.map(|standing| standing.desired);
    Ok(Some(CustomerWish { key, wish: content.for_store(), expected }))
}

/// What the order makes of the customer, following what was wanted of it before.
fn content(rules: &Rules, order: &Order, standing: Option<&CustomerStanding>) -> Content {
    let earlier = standing.and_then(|standing| Content::parse(&standing.desired));
    match (Content::of(customer::desired(order, rules)), earlier) {
        (Content::Write { customer }, Some(Content::Write { customer: earlier })) => {
            Content::Write { customer: Box::new(customer.after(&earlier)) }
        }
        // A customer that stands in IFS does not park because one of its orders says too little of it.
        (Content::Park { .. }, Some(earlier @ Content::Write { .. })) => earlier,
        (content, _) => content,
    }
}

/// What a customer's document asks for under today's rules, by the order that last told of it; `None` when no version of that
/// order is known.
///
/// # Errors
/// The store's.
pub async fn rejudged(
    store: &Store,
    rules: &Rules,
    connection: &ConnectionName,
    order_id: u64,
) -> Result<Option<store::Wish>, StoreError> {
    let Some(order) = known_order(store, connection, order_id).await? else { return Ok(None) };
    let standing = store.customer_standing(connection, &customer::key(&order)).await?;
    // Of a customer that stands, the order that says what is kept up to date: an older one would change nothing of it.
    let newest = match standing.as_ref().and_then(|standing| Content::parse(&standing.desired)) {
        Some(Content::Write { customer }) if customer.order_id != order_id => {
            known_order(store, connection, customer.order_id).await?
        }
        Some(Content::Write { .. } | Content::Park { .. }) | None => None,
    };
    Ok(Some(content(rules, newest.as_ref().unwrap_or(&order), standing.as_ref()).for_store()))
}

/// What an order's step goes on with.
pub enum Filled {
    /// The order, whole.
    Ready(Box<DesiredOrder>),
    /// It has to wait for its customer, or for a person.
    Wait(Box<Outcome>),
}

/// Fills the header in from the customer's link, or says what the order waits for.
///
/// # Errors
/// The store's.
pub async fn filled(link: &Connection, claimed: &Claimed, mut order: Box<DesiredOrder>) -> Result<Filled, StoreError> {
    let Some(wanted) = order.customer.clone() else { return Ok(Filled::Ready(order)) };
    let standing = link.store.customer_standing(&link.name, &wanted.key).await?;
    if let Some((customer_no, bill, ship)) = standing.as_ref().and_then(|standing| serves(standing, &wanted)) {
        fill(&mut order, &customer_no, &bill, &ship);
        return Ok(Filled::Ready(order));
    }
    let awaited = standing.as_ref().map(|standing| standing.document);
    let held = |code: &str, text: String, pause: Duration| {
        let held = Settled::Held { reason: reason(code, text), due_at: later(link, pause) };
        let outcome = Outcome::new("wait", claimed.desired_version, held).untried();
        match awaited {
            Some(document) => outcome.waiting_for(Awaited::There(document)),
            None => outcome,
        }
    };
    let waits =
        |state: &str| format!("its customer is not in IFS yet ({state}); the order goes on by itself when it is");
    let outcome = match standing {
        Some(CustomerStanding { document, state: State::Parked, reason_code, .. }) => held(
            "customer_parked",
            format!(
                "its customer's document {document} is parked ({}): settle that one, see `documents show {document}`; the order goes on by itself",
                reason_code.as_deref().unwrap_or("no reason")
            ),
            LOOK_AGAIN,
        ),
        Some(CustomerStanding { document, state: State::Resolved, .. }) => {
            let text = format!(
                "its customer's document {document} was resolved by a person and names no customer in IFS: run `documents retry {document}`, \
                 then this order's"
            );
            Outcome::park("wait", claimed, ParkKind::Mapping, "customer_resolved", text)
        }
        Some(standing @ CustomerStanding { state: State::Written | State::Superseded | State::Skipped, .. }) => {
            reopened(
                link,
                claimed,
                Some(&standing),
                held("waits_for_customer", waits(standing.state.as_str()), LOOK_AGAIN),
            )
            .await?
        }
        Some(standing) => held("waits_for_customer", waits(standing.state.as_str()), LOOK_AGAIN),
        // The order was judged anew beside the mapper, as after a person's retry.
        None => reopened(link, claimed, None, held("waits_for_customer", waits("planned"), LOOK_AGAIN)).await?,
    };
    Ok(Filled::Wait(Box::new(waited_enough(link, claimed).unwrap_or(outcome))))
}

/// The park of an order that waits for its customer longer than its rules allow any wait.
fn waited_enough(link: &Connection, claimed: &Claimed) -> Option<Outcome> {
    let hours = link.rules.settings().holds.held_max_hours;
    let limit = jiff::SignedDuration::from_hours(i64::try_from(hours).ok()?);
    let end = claimed.held_since?.checked_add(limit).ok()?;
    if link.clock.now() < end {
        return None;
    }
    let customer = claimed.waits_for.map_or_else(|| "of its customer".to_owned(), |id| id.to_string());
    let text = format!(
        "its customer did not come to IFS within {hours} hours (holds.held_max_hours): see `documents show` of document {customer}, mend that \
         one, then run `documents retry` for this order"
    );
    Some(Outcome::park("wait", claimed, ParkKind::Mapping, "customer_missing_too_long", text))
}

/// The customer's number and the addresses that the order names, when the customer is whole.
fn serves(standing: &CustomerStanding, wanted: &CustomerRef) -> Option<(String, String, String)> {
    if standing.state == State::Parked && standing.reason_code.as_deref() == Some(VANISHED) {
        return None;
    }
    let written: WrittenCustomer = serde_json::from_str(standing.written.as_deref()?).ok()?;
    let (bill, ship) = written.serves(wanted.bill_addr_no.as_deref(), wanted.ship_addr_no.as_deref())?;
    Some((standing.customer_no.clone()?, bill, ship))
}

/// Puts the customer into an order's header.
pub fn fill(order: &mut DesiredOrder, customer_no: &str, bill_addr_no: &str, ship_addr_no: &str) {
    for (field, value) in
        [(names::CUSTOMER_NO, customer_no), (names::BILL_ADDR_NO, bill_addr_no), (names::SHIP_ADDR_NO, ship_addr_no)]
    {
        order.header.insert(field.to_owned(), Scalar::text(value));
    }
}

/// The same wait, opening the customer's document anew from what the order says. Where that cannot be read nothing would come of
/// waiting, and a customer that is written has it looked at again at once, each time: it parks.
async fn reopened(
    link: &Connection,
    claimed: &Claimed,
    standing: Option<&CustomerStanding>,
    outcome: Outcome,
) -> Result<Outcome, StoreError> {
    let Some(order) = known_order(&link.store, &link.name, claimed.order_id).await? else {
        return Ok(hold::unreadable_snapshot("wait", claimed));
    };
    let content = content(&link.rules, &order, standing);
    if let Some(standing) = standing.filter(|standing| standing.desired_digest == content.digest()) {
        let text = format!(
            "its customer's document {} is {}, but does not hold the addresses that this order names, as after a change of the rules: run \
             `documents retry` for this order",
            standing.document, standing.state
        );
        return Ok(Outcome::park("wait", claimed, ParkKind::Mapping, "customer_lacks_address", text));
    }
    let customer = CustomerWish {
        key: customer::key(&order),
        wish: content.for_store(),
        expected: standing.map(|standing| standing.desired.clone()),
    };
    let rules_revision = link.rules.revision().to_owned();
    Ok(outcome.waiting_for(Awaited::Anew { customer, rules_revision }))
}
