//! Deletions of orders in Shopify: which were confirmed. The inbox's own rows remember them, so that a delivery which comes late
//! does not bring a deleted order back.

use diesel::dsl::{auto_type, exists};
use diesel::prelude::*;

use super::deliveries::{self, InboxState};
use super::dialect::Db;
use super::rows::{signed, unsigned};
use super::{Store, StoreError, schema};
use crate::domain::ids::{ConnectionName, InboxId};

/// The topic of a deletion, as Shopify names it.
pub(super) const DELETED: &str = "orders/delete";

/// Ids that one statement names at most.
const IDS_AT_ONCE: usize = 250;

impl Store {
    /// Ends the delivery of a deletion that Shopify confirmed, of an order that we never knew.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn confirm_deletion(&self, id: InboxId, order_id: u64) -> Result<(), StoreError> {
        let order = signed(order_id)?;
        let reason = "an order that we never knew was deleted in Shopify";
        self.write(move |db| deliveries::finish(db, id, InboxState::Mapped, Some(reason), Some(order))).await
    }

    /// Takes the deletions of an order back that were confirmed: it was read since.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn revoke_deletion(&self, name: &ConnectionName, order_id: u64) -> Result<(), StoreError> {
        use schema::inbox::dsl;
        use schema::orders;
        let (name, order) = (name.as_str().to_owned(), signed(order_id)?);
        self.write(move |db| {
            // What it takes of the stock was forgotten, and comes again though its version may be the same.
            let again = orders::table.filter(orders::connection.eq(&name)).filter(orders::order_id.eq(order));
            diesel::update(again).set(orders::weighed.eq(0)).execute(db)?;
            diesel::update(dsl::inbox)
                .filter(dsl::connection.eq(name))
                .filter(dsl::order_id.eq(order))
                .filter(dsl::topic.eq(DELETED))
                .filter(dsl::state.eq(InboxState::Mapped.as_str()))
                .set((
                    dsl::state.eq(InboxState::Superseded.as_str()),
                    dsl::reason.eq("the order was read in Shopify after its deletion"),
                ))
                .execute(db)?;
            Ok(())
        })
        .await
    }

    /// Of these orders those whose deletion was confirmed.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn deleted_among(&self, name: &ConnectionName, orders: Vec<u64>) -> Result<Vec<u64>, StoreError> {
        let name = name.as_str().to_owned();
        let orders: Vec<i64> = orders.into_iter().map(signed).collect::<Result<_, _>>()?;
        self.run(move |db| deleted_of(db, &name, &orders)).await
    }

    /// Whether a deletion of this order was confirmed.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn was_deleted(&self, name: &ConnectionName, order_id: u64) -> Result<bool, StoreError> {
        let (name, order) = (name.as_str().to_owned(), signed(order_id)?);
        self.run(move |db| Ok(diesel::select(exists(confirmed(&name, order))).get_result(db)?)).await
    }
}

/// Of these orders those whose deletion was confirmed.
pub(super) fn deleted_of(db: &mut Db, name: &str, orders: &[i64]) -> Result<Vec<u64>, StoreError> {
    use schema::inbox::dsl;
    let mut deleted = Vec::new();
    for some in orders.chunks(IDS_AT_ONCE) {
        let found: Vec<Option<i64>> = dsl::inbox
            .filter(dsl::connection.eq(name))
            .filter(dsl::order_id.eq_any(some))
            .filter(dsl::topic.eq(DELETED))
            .filter(dsl::state.eq(InboxState::Mapped.as_str()))
            .select(dsl::order_id)
            .distinct()
            .load(db)?;
        deleted.extend(found.into_iter().flatten().map(unsigned));
    }
    Ok(deleted)
}

/// The deliveries of this order's deletion that were confirmed.
#[auto_type(no_type_alias)]
pub(super) fn confirmed<'a>(name: &'a str, order: i64) -> _ {
    let topic: &'static str = DELETED;
    let state: &'static str = InboxState::Mapped.as_str();
    schema::inbox::table
        .filter(schema::inbox::connection.eq(name))
        .filter(schema::inbox::order_id.eq(order))
        .filter(schema::inbox::topic.eq(topic))
        .filter(schema::inbox::state.eq(state))
}
