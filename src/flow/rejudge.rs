//! Judging the newest version that we know of an order anew, from the bytes of its snapshot: under mended settings it may
//! become something else than it was parked for.

use super::map_delivery::{Version, decode, decode_re_read};
use super::wish::{self, Footing};
use crate::domain::document::Trace;
use crate::domain::ids::ConnectionName;
use crate::domain::order::Order;
use crate::mapping::rules::Rules;
use crate::store::{Snapshot, Store, StoreError, Wish};

/// What the order asks for under today's rules; `None` when no version of it is known or its bytes do not decode.
///
/// # Errors
/// The store's.
pub async fn rejudge(
    store: &Store,
    rules: &Rules,
    connection: &ConnectionName,
    order_id: u64,
    now: jiff::Timestamp,
) -> Result<Option<Wish>, StoreError> {
    let Some(snapshot) = store.snapshot(connection, order_id).await? else { return Ok(None) };
    let Some(version) = version_of(&snapshot) else { return Ok(None) };
    let standing = store.standing(connection, &version.order.id.to_string()).await?;
    let footing = match standing {
        Some(standing) if standing.linked || standing.open_intent => Footing::InIfs,
        _ => Footing::NotInIfs,
    };
    // A person who asks may have keyed the order: nothing is believed to be impossible.
    Ok(Some(wish::judge(&version.order, rules, footing, now).for_store(Trace::Possible)))
}

/// The newest version of an order, from the bytes of its snapshot.
///
/// # Errors
/// The store's.
pub async fn order_of(store: &Store, connection: &ConnectionName, order_id: u64) -> Result<Option<Order>, StoreError> {
    let snapshot = store.snapshot(connection, order_id).await?;
    Ok(snapshot.and_then(|snapshot| version_of(&snapshot)).map(|version| version.order))
}

/// The version that a snapshot keeps; `None` when its bytes do not decode any more.
pub(super) fn version_of(snapshot: &Snapshot) -> Option<Version> {
    let decoded = match snapshot.road.as_str() {
        "rest" => decode(&snapshot.payload),
        _ => decode_re_read(&snapshot.payload),
    };
    decoded.ok()
}
