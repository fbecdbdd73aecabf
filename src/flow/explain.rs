//! Explaining the newest version that we know of an order under today's rules. Reads its snapshot; asks no remote.

use super::rejudge::version_of;
use crate::domain::ids::ConnectionName;
use crate::mapping::explain::{Item, explain};
use crate::mapping::rules::Rules;
use crate::store::{Store, StoreError};

/// Why the order becomes what it becomes; `None` when no version of it is known or its bytes do not decode.
///
/// # Errors
/// The store's.
pub async fn explain_order(
    store: &Store,
    rules: &Rules,
    connection: &ConnectionName,
    order_id: u64,
) -> Result<Option<Vec<Item>>, StoreError> {
    let Some(snapshot) = store.snapshot(connection, order_id).await? else { return Ok(None) };
    Ok(version_of(&snapshot).map(|version| explain(&version.order, rules)))
}
