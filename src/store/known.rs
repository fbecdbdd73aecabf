//! What we know of an order when a delivery of it is judged, read in one go: each way to the database and back costs more than what
//! is asked there.

use diesel::dsl::exists;
use diesel::prelude::*;
use jiff::Timestamp;

use super::deliveries;
use super::dialect::Db;
use super::rows::{instant, signed};
use super::snapshots::{Snapshot, snapshots_of};
use super::{Store, StoreError, deletions, documents, schema};
use crate::domain::document::{DocumentKind, Standing};
use crate::domain::ids::{ConnectionName, InboxId};

/// An order as our rows have it.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its newest version.
    pub snapshot: Option<Snapshot>,
    /// Whether its deletion in Shopify was confirmed.
    pub deleted: bool,
    /// Orders born until then are looked up before a create, as after a restored backup.
    pub look_up_before: Option<Timestamp>,
    /// How its document stands.
    pub standing: Option<Standing>,
    /// The conditions that a person has released it from.
    pub released: Vec<String>,
}

impl Store {
    /// What we know of an order.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn known(&self, name: &ConnectionName, order_id: u64) -> Result<Known, StoreError> {
        let (name, order) = (name.as_str().to_owned(), signed(order_id)?);
        self.run(move |db| known(db, &name, order)).await
    }

    /// [Begins a delivery](Store::begin_delivery) of this order and tells what we know of it. Returns the attempts, this one included.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn begin_delivery_of(
        &self,
        id: InboxId,
        name: &ConnectionName,
        order_id: u64,
    ) -> Result<(i64, Known), StoreError> {
        let (name, order) = (name.as_str().to_owned(), signed(order_id)?);
        self.write_ahead(move |db| Ok((deliveries::begin(db, id)?, known(db, &name, order)?))).await
    }
}

fn known(db: &mut Db, name: &str, order: i64) -> Result<Known, StoreError> {
    use schema::connections;
    let snapshot = snapshots_of(db, name, &[order])?.pop_first().map(|(_, snapshot)| snapshot);
    let document = documents::by_key(db, DocumentKind::CustomerOrder, name, &order.to_string())?;
    let standing = document.as_ref().map(|raw| documents::standing(db, raw)).transpose()?;
    let mark = connections::table.filter(connections::name.eq(name)).select(connections::look_up_before).single_value();
    let (look_up_before, deleted): (Option<i64>, bool) =
        diesel::select((mark, exists(deletions::confirmed(name, order)))).get_result(db)?;
    Ok(Known {
        snapshot,
        deleted,
        look_up_before: look_up_before.map(instant),
        standing,
        released: document.map(|raw| documents::words(&raw.released)).unwrap_or_default(),
    })
}
