//! What Shopify's orders take of the stock, and how much of it IFS holds. Orders are weighed when their version changed, and looked at
//! until they are fulfilled and IFS holds all of them.
//!
//! Looked at before IFS's open lines are read: a write that settles later is not in what those readings tell for sure.

use std::collections::BTreeMap;

use super::place::{Place, Step};
use super::{Stepped, StockError, keep};
use crate::domain::document::State;
use crate::flow::Connection;
use crate::flow::rejudge::version_of;
use crate::mapping::stock::orders::{held, taken};
use crate::mapping::written::WrittenOrder;
use crate::shopify::wire::open::{OpenUnits, open_units_of_graphql, open_units_of_rest};
use crate::store::{OpenOrder, OrderDocument, Snapshot, StoreError, UnweighedOrder, WeighedOrder, WrittenUnits};

/// Orders that are weighed or looked at at once.
const ORDERS_AT_ONCE: i64 = 200;

/// Weighs what changed, then looks how much of each open order IFS holds.
pub(super) async fn look(link: &Connection, place: &mut Place) -> Result<Stepped, StockError> {
    weigh_and_look(link, place).await?;
    place.go_to(Step::DemandBefore { site: 0, after: None });
    keep(link, place).await?;
    Ok(Stepped::Further)
}

/// The same before open lines are read; the place says which writes had ended by then.
pub(super) async fn weigh_and_look(link: &Connection, place: &mut Place) -> Result<(), StoreError> {
    weigh_all(link).await?;
    look_at_all(link).await?;
    place.writes = link.store.writes_ended(&link.name).await?;
    Ok(())
}

/// Weighs what changed while IFS was read; gives whether nothing is left. IFS holds of it what was written before its open lines were
/// read, and nothing of what was written since. An old order that somebody touched would else pass for one that IFS never had.
pub(super) async fn weigh_since(link: &Connection, place: &Place) -> Result<bool, StoreError> {
    let all_weighed = weigh_all(link).await?;
    let mut after = 0;
    loop {
        let orders = link.store.unseen_stock_orders(&link.name, after, ORDERS_AT_ONCE, place.writes.clone()).await?;
        let Some(last) = orders.last() else { return Ok(all_weighed) };
        after = last.order_id;
        look_at(link, &orders).await?;
    }
}

/// Weighs every order whose newest version was not weighed yet; gives whether nothing is left that changed meanwhile.
async fn weigh_all(link: &Connection) -> Result<bool, StoreError> {
    link.store.weigh_orders(&link.tenant.lease, &link.name, ORDERS_AT_ONCE, |order| weigh(link, order)).await
}

/// What an order takes. One that this version cannot read takes nothing that we know of: what Shopify has committed for it counts as
/// not written. One that Shopify deleted has nothing committed.
fn weigh(link: &Connection, order: &UnweighedOrder) -> WeighedOrder {
    let UnweighedOrder { order_id, snapshot, is_deleted } = order;
    let units = match (version_of(snapshot), open_units_of(snapshot)) {
        (Some(version), Some(open)) => taken(&version.order, &open, &link.rules),
        _ => {
            tracing::warn!(connection = %link.name, order_id = *order_id, "an order cannot be read: its units count as long as they are committed");
            BTreeMap::new()
        }
    };
    let open = |open: i64| if *is_deleted { 0 } else { open };
    let units = units.into_iter().map(|(part, taken)| (part, (taken.units, open(taken.open)))).collect();
    WeighedOrder { order_id: *order_id, revision: snapshot.revision, changed_at: snapshot.updated_at, units }
}

fn open_units_of(snapshot: &Snapshot) -> Option<OpenUnits> {
    let open = match snapshot.road.as_str() {
        "rest" => open_units_of_rest(&snapshot.payload),
        _ => open_units_of_graphql(&snapshot.payload),
    };
    open.ok()
}

/// Looks how much of each open order IFS holds.
async fn look_at_all(link: &Connection) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let orders = link.store.open_stock_orders(&link.name, after, ORDERS_AT_ONCE).await?;
        let Some(last) = orders.last() else { return Ok(()) };
        after = last.order_id;
        look_at(link, &orders).await?;
    }
}

async fn look_at(link: &Connection, orders: &[OpenOrder]) -> Result<(), StoreError> {
    let (store, lease) = (&link.store, &link.tenant.lease);
    let (deleted, others): (Vec<&OpenOrder>, Vec<&OpenOrder>) = orders.iter().partition(|order| order.is_deleted);
    let mut gone = Vec::new();
    for order in deleted {
        let Some(snapshot) = store.snapshot(&link.name, order.order_id).await? else { continue };
        let (revision, changed_at) = (snapshot.revision, snapshot.updated_at);
        gone.push(WeighedOrder { order_id: order.order_id, revision, changed_at, units: units_of_deleted(order) });
    }
    if !gone.is_empty() {
        store.put_weighed(lease, &link.name, gone).await?;
    }
    store.put_written_units(lease, &link.name, others.into_iter().flat_map(written_of).collect()).await
}

/// What an order takes that Shopify deleted: it has nothing committed any more, whoever its documents wait for, and nothing of it will be
/// written. But a write that is under way may come to IFS behind its reading.
fn units_of_deleted(order: &OpenOrder) -> BTreeMap<(String, String), (i64, i64)> {
    let moving = order.units.iter().filter(|_| is_moving(order));
    moving.map(|one| ((one.catalog_no.clone(), one.site.clone()), (one.units, 0))).collect()
}

/// Whether no document of an order will ever be written by us: a rule keeps it out, or a person closed it.
fn stays_out(documents: &[OrderDocument]) -> bool {
    let out = [State::Skipped, State::Resolved, State::Superseded].map(State::as_str);
    !documents.is_empty() && documents.iter().all(|document| out.contains(&document.state.as_str()))
}

/// How much of an order IFS holds, by part. Nothing for sure while a write may be under way. Of an order that stays out of IFS only what
/// Shopify still has committed counts: what was fulfilled left the shelf with a person, who tells IFS.
fn written_of(order: &OpenOrder) -> Vec<WrittenUnits> {
    let is_out = stays_out(&order.documents);
    let is_moving = is_moving(order);
    let mut held_in_all: BTreeMap<(String, String), i64> = BTreeMap::new();
    for document in order.documents.iter().filter(|document| document.is_linked) {
        let base = document.written.as_deref().and_then(|text| serde_json::from_str::<WrittenOrder>(text).ok());
        for (part, units) in base.as_ref().map(held).unwrap_or_default() {
            *held_in_all.entry(part).or_default() += units;
        }
    }
    let is_linked = order.documents.iter().any(|document| document.is_linked);
    let written = order.units.iter().map(|one| {
        let key = (one.catalog_no.clone(), one.site.clone());
        let holds = held_in_all.get(&key).copied().unwrap_or(0);
        let written = match (is_moving, is_out, is_linked) {
            (true, _, _) | (false, false, false) => None,
            (false, true, _) => Some((one.units - one.open).max(holds)),
            (false, false, true) => Some(holds),
        };
        // More in IFS than in Shopify is IFS's to say: its lines take it.
        let written = written.map(|written| written.min(one.units));
        WrittenUnits { order_id: one.order_id, catalog_no: key.0, site: key.1, written }
    });
    written.collect()
}

/// Whether a write of an order may be under way, or its end is not known.
fn is_moving(order: &OpenOrder) -> bool {
    let moving = [State::Writing, State::Unknown].map(State::as_str);
    order.documents.iter().any(|document| document.has_open_intent || moving.contains(&document.state.as_str()))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::OrderUnits;

    fn order(state: State, written: Option<&str>, is_linked: bool) -> OpenOrder {
        let units = OrderUnits {
            order_id: 1,
            changed_at: Timestamp::UNIX_EPOCH,
            catalog_no: "CUP".into(),
            site: "S10".into(),
            units: 3,
            open: 2,
            written: None,
        };
        let state = state.as_str().to_owned();
        let written = written.map(str::to_owned);
        let document = OrderDocument { state, written, is_linked, has_open_intent: false };
        OpenOrder { order_id: 1, documents: vec![document], units: vec![units], is_deleted: false }
    }

    fn written(order: &OpenOrder) -> Option<i64> {
        written_of(order)[0].written
    }

    const BASE: &str = r#"{"version":1,"order_no":"7","header":{},"address":null,"rows":[{"key":"line:1",
        "target":{"line":{"line_no":"1","rel_no":"1","line_item_no":0}},"fields":{
        "CatalogNo":{"sent":{"text":"CUP"},"answered":null},"Contract":{"sent":{"text":"S10"},"answered":{"text":"S10"}},
        "BuyQtyDue":{"sent":{"decimal":"5"},"answered":{"decimal":"2"}}}}]}"#;

    #[test]
    fn ifs_holds_what_was_written_and_settled() {
        assert_eq!(written(&order(State::Written, Some(BASE), true)), Some(2));
        assert_eq!(written(&order(State::Written, Some(BASE), false)), None, "noted, not ours");
        assert_eq!(written(&order(State::Planned, None, false)), None);
        for moving in [State::Writing, State::Unknown] {
            assert_eq!(written(&order(moving, Some(BASE), true)), None, "{moving:?}");
        }
        let mut sent = order(State::Written, Some(BASE), true);
        sent.documents[0].has_open_intent = true;
        assert_eq!(written(&sent), None);
    }

    #[test]
    fn an_order_that_shopify_deleted_takes_nothing_whatever_its_documents_wait_for() {
        for state in [State::Parked, State::Skipped, State::Written, State::Resolved] {
            assert!(units_of_deleted(&order(state, Some(BASE), true)).is_empty(), "{state:?}");
        }
        let moving = units_of_deleted(&order(State::Writing, Some(BASE), true));
        assert_eq!(moving.into_values().collect::<Vec<_>>(), [(3, 0)], "its write may come yet");
    }

    #[test]
    fn an_order_that_stays_out_counts_while_it_is_committed() {
        for state in [State::Skipped, State::Resolved, State::Superseded] {
            assert_eq!(written(&order(state, None, false)), Some(1), "{state:?}: one of three is fulfilled");
        }
    }
}
