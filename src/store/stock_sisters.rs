//! What orders of a tenant's other shops take of the stock that one of them shows. Reads only.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

impl Store {
    /// Units of these sales parts that orders of other connections take at a site and IFS did not hold when they were last looked at, in
    /// units that are sold.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn unwritten_elsewhere(
        &self,
        names: Vec<ConnectionName>,
        site: String,
        catalog_nos: Vec<String>,
    ) -> Result<BTreeMap<String, i64>, StoreError> {
        use schema::stock_order_units::dsl;
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names: Vec<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
        self.run(move |db| {
            let of = dsl::stock_order_units
                .filter(dsl::connection.eq_any(names))
                .filter(dsl::catalog_no.eq_any(catalog_nos));
            let rows: Vec<(String, i64, Option<i64>)> =
                of.filter(dsl::site.eq(site)).select((dsl::catalog_no, dsl::units, dsl::written)).load(db)?;
            let mut sums = BTreeMap::new();
            for (catalog_no, units, written) in rows {
                let sum: &mut i64 = sums.entry(catalog_no).or_default();
                *sum = sum.saturating_add(units.saturating_sub(written.unwrap_or(0)).max(0));
            }
            Ok(sums)
        })
        .await
    }
}
