//! Variants with levels that were read and that no plan came by. Reads only.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::rows::signed;
use super::stock_pools::{RawVariant, StockVariant, with_levels};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

impl Store {
    /// Variants behind one, `limit` at most, that have a level at one of these locations which was read and not planned, or is parked.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn unplanned_variants(
        &self,
        name: &ConnectionName,
        locations: Vec<u64>,
        after: u64,
        limit: i64,
    ) -> Result<Vec<StockVariant>, StoreError> {
        #[derive(QueryableByName)]
        struct Found {
            #[diesel(sql_type = BigInt)]
            id: i64,
        }
        use schema::stock_variants::dsl;
        let (name, after) = (name.as_str().to_owned(), signed(after)?);
        let locations = locations.into_iter().map(signed).collect::<Result<Vec<_>, _>>()?;
        if locations.is_empty() {
            return Ok(Vec::new());
        }
        // Numbers, and nothing else: a list cannot be bound on both databases.
        let places = locations.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        self.run(move |db| {
            let found: Vec<Found> = sql_query(format!(
                "SELECT DISTINCT v.variant_id AS id FROM stock_levels l \
                 JOIN stock_variants v ON v.connection = l.connection AND v.item_id = l.item_id \
                 WHERE l.connection = $1 AND l.state IN ('read', 'parked') AND l.location_id IN ({places}) \
                 AND v.variant_id > $2 ORDER BY v.variant_id LIMIT $3"
            ))
            .bind::<Text, _>(&name)
            .bind::<BigInt, _>(after)
            .bind::<BigInt, _>(limit)
            .load(db)?;
            let ids: Vec<i64> = found.into_iter().map(|found| found.id).collect();
            let rows = dsl::stock_variants.filter(dsl::connection.eq(&name)).filter(dsl::variant_id.eq_any(ids));
            let rows: Vec<RawVariant> = rows.order(dsl::variant_id).select(RawVariant::as_select()).load(db)?;
            with_levels(db, &name, rows)
        })
        .await
    }
}
