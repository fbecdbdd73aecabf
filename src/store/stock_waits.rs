//! Levels that could not be set to what is wanted at once: they are read and planned again before the next reading of everything, as
//! long as they are few.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;

use super::leases::{self, Lease};
use super::rows::micros;
use super::stock_readings::next_mark;
use super::{Store, StoreError};
use crate::domain::ids::ConnectionName;

/// What the rows of levels at rest look like that do not show what is wanted: the words of the partial index `stock_levels_waiting`. One
/// that shares its part with a parked level is left out: that one does not fall before a person has seen to it, or another run.
const WAITING: &str = "state IN ('quiet', 'written') AND wanted <> quantity AND NOT EXISTS (SELECT 1 FROM stock_levels parked \
     WHERE parked.connection = stock_levels.connection AND parked.state = 'parked' \
     AND parked.site = stock_levels.site AND parked.part_no = stock_levels.part_no)";

impl Store {
    /// Has levels read again that were planned before `before` and show less or more than is wanted, unless they are more than
    /// `most`; gives how many wait, as far as they were counted.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is no longer ours: nothing was changed.
    pub async fn read_waiting_levels_again(
        &self,
        lease: &Lease,
        name: &ConnectionName,
        (before, most): (Timestamp, i64),
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            count: i64,
        }
        let (lease, name) = (lease.clone(), name.as_str().to_owned());
        let counted = name.clone();
        let waiting = self
            .run(move |db| {
                // Counted no further than tells whether they are too many, along the index: PostgreSQL takes nearly all levels for waiting
                // ones, and would read the table until it has enough.
                let count = sql_query(format!(
                    "SELECT COUNT(*) AS count FROM (SELECT item_id FROM stock_levels \
                     WHERE connection = $1 AND planned_at < $2 AND {WAITING} ORDER BY planned_at LIMIT $3) waiting"
                ));
                let count = count.bind::<Text, _>(counted).bind::<BigInt, _>(micros(before));
                Ok(count.bind::<BigInt, _>(most.saturating_add(1)).get_result::<Count>(db)?.count)
            })
            .await?;
        if waiting == 0 || waiting > most {
            return Ok(waiting);
        }
        self.write(move |db| {
            leases::hold(db, &lease)?;
            next_mark(db, &name)?;
            // Binds stand in the order in which SQLite meets them.
            let again = sql_query(format!(
                "UPDATE stock_levels SET state = 'stale', updated_at = $1 \
                 WHERE connection = $2 AND planned_at < $3 AND {WAITING}"
            ));
            let again = again.bind::<BigInt, _>(micros(now)).bind::<Text, _>(&name);
            again.bind::<BigInt, _>(micros(before)).execute(db)?;
            Ok(waiting)
        })
        .await
    }
}
