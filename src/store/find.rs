//! Which documents an operator means by an ORDER: Shopify id, gid or name, or IFS `OrderNo`.

use diesel::prelude::*;

use super::dialect::Db;
use super::documents::{DocumentRow, by_id};
use super::rows::signed;
use super::shown::shown;
use super::{Store, StoreError, schema};
use crate::domain::document::DocumentKind;
use crate::domain::ids::ConnectionName;

impl Store {
    /// The documents that an ORDER argument may mean: Shopify id, gid, name, or IFS `OrderNo`.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn find_documents(
        &self,
        connection: Option<ConnectionName>,
        order: String,
    ) -> Result<Vec<DocumentRow>, StoreError> {
        self.run(move |db| {
            let mut ids = find_ids(db, &order)?;
            ids.sort_unstable();
            ids.dedup();
            let mut found = Vec::new();
            for id in ids {
                if let Some(raw) = by_id(db, id)?
                    && connection.as_ref().is_none_or(|name| name.as_str() == raw.connection)
                {
                    found.push(shown(db, raw)?);
                }
            }
            Ok(found)
        })
        .await
    }
}

fn find_ids(db: &mut Db, order: &str) -> Result<Vec<i64>, StoreError> {
    let mut ids: Vec<i64> = Vec::new();
    let digits = order.rsplit('/').next().unwrap_or(order);
    if let Ok(order_id) = digits.parse::<u64>() {
        use schema::documents::dsl;
        let by_order: Vec<i64> = dsl::documents
            .filter(dsl::order_id.eq(signed(order_id)?))
            .filter(dsl::kind.eq(DocumentKind::CustomerOrder.as_str()))
            .select(dsl::id)
            .load(db)?;
        ids.extend(by_order);
    }
    {
        use schema::order_links::dsl;
        let linked: Vec<i64> = dsl::order_links.filter(dsl::order_no.eq(order)).select(dsl::document_id).load(db)?;
        ids.extend(linked);
    }
    use schema::{documents, orders};
    let named: Vec<(String, i64)> = orders::table
        .filter(orders::name.eq(order))
        .select((orders::connection, orders::order_id))
        .limit(50)
        .load(db)?;
    for (connection, order_id) in named {
        let found: Vec<i64> = documents::table
            .filter(documents::connection.eq(connection))
            .filter(documents::order_id.eq(order_id))
            .filter(documents::kind.eq(DocumentKind::CustomerOrder.as_str()))
            .select(documents::id)
            .load(db)?;
        ids.extend(found);
    }
    Ok(ids)
}
