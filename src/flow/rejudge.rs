//! Judging the newest version that we know of an order anew, from the bytes of its snapshot: under mended settings, or later,
//! it may become something else than it was.

use jiff::Timestamp;

use super::deletion;
use super::map_delivery::{Version, decode, decode_re_read};
use super::wish::{self, Wish};
use crate::domain::document::Trace;
use crate::domain::ids::ConnectionName;
use crate::domain::order::Order;
use crate::mapping::rules::Rules;
use crate::store::{self, Snapshot, Store, StoreError};

/// What the order asks for under today's rules; `None` when no version of it is known or its bytes do not decode.
///
/// # Errors
/// The store's.
pub async fn rejudge(
    store: &Store,
    rules: &Rules,
    connection: &ConnectionName,
    order_id: u64,
    now: Timestamp,
) -> Result<Option<store::Wish>, StoreError> {
    // A person who asks may have keyed the order: nothing is believed to be impossible.
    let wish = wish_today(store, rules, connection, order_id, now).await?;
    Ok(wish.map(|wish| wish.for_store(Trace::Possible)))
}

/// The same, as the mapping tells it.
///
/// # Errors
/// The store's.
pub async fn wish_today(
    store: &Store,
    rules: &Rules,
    connection: &ConnectionName,
    order_id: u64,
    now: Timestamp,
) -> Result<Option<Wish>, StoreError> {
    let Some(order) = known_order(store, connection, order_id).await? else { return Ok(None) };
    let footing = wish::footing(store, connection, &order.id.to_string()).await?;
    if store.was_deleted(connection, order_id).await? {
        return deletion::wish_again(store, connection, order_id, &footing).await.map(Some);
    }
    Ok(Some(wish::judge(&order, rules, &footing, now)))
}

/// The newest version that we know of an order; `None` when there is none or its bytes do not decode.
///
/// # Errors
/// The store's.
pub async fn known_order(
    store: &Store,
    connection: &ConnectionName,
    order_id: u64,
) -> Result<Option<Order>, StoreError> {
    let snapshot = store.snapshot(connection, order_id).await?;
    Ok(snapshot.as_ref().and_then(version_of).map(|version| version.order))
}

/// The version that a snapshot holds, when this code can read it.
pub(super) fn version_of(snapshot: &Snapshot) -> Option<Version> {
    let decoded = match snapshot.road.as_str() {
        "rest" => decode(&snapshot.payload),
        _ => decode_re_read(&snapshot.payload),
    };
    let mut version = decoded.ok()?;
    version.order.remember(snapshot.sale);
    Some(version)
}
