//! How many levels, products and prices wait for something, for the metrics. Reads only, along the partial indexes of their states.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::{Store, StoreError};

/// How many rows of a connection wait in a state.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct StockCount {
    /// The connection.
    #[diesel(sql_type = Text)]
    pub connection: String,
    /// What they are: `level`, `product`, `price`.
    #[diesel(sql_type = Text)]
    pub what: String,
    /// Their state.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// How many.
    #[diesel(sql_type = BigInt)]
    pub count: i64,
}

/// Levels that are to be set, to be read again, or parked; products that we disabled; prices that are parked.
const WAITING: &str = "\
    SELECT connection, 'level' AS what, state, COUNT(*) AS count FROM stock_levels WHERE state = 'planned' GROUP BY connection, state \
    UNION ALL \
    SELECT connection, 'level' AS what, state, COUNT(*) AS count FROM stock_levels WHERE state = 'stale' GROUP BY connection, state \
    UNION ALL \
    SELECT connection, 'level' AS what, state, COUNT(*) AS count FROM stock_levels WHERE state = 'parked' GROUP BY connection, state \
    UNION ALL \
    SELECT connection, 'product' AS what, state, COUNT(*) AS count FROM stock_outs WHERE ended_at IS NULL GROUP BY connection, state \
    UNION ALL \
    SELECT connection, 'price' AS what, state, COUNT(*) AS count FROM prices WHERE state = 'parked' GROUP BY connection, state";

impl Store {
    /// Counts what waits, of all connections.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn count_waiting_stock(&self) -> Result<Vec<StockCount>, StoreError> {
        self.run(|db| Ok(sql_query(WAITING).load(db)?)).await
    }
}
