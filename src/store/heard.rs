//! `heard`: when the newest delivery of each connection and topic was received.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use jiff::Timestamp;

use super::rows::{instant, micros};
use super::{Store, StoreError, schema};
use crate::domain::ids::ConnectionName;

impl Store {
    /// Notes the newest deliveries: connection, topic, time. An older time changes nothing.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn note_heard(&self, heard: Vec<(String, String, Timestamp)>) -> Result<(), StoreError> {
        if heard.is_empty() {
            return Ok(());
        }
        self.write(move |db| {
            for (connection, topic, at) in &heard {
                diesel::sql_query(
                    "INSERT INTO heard (connection, topic, last_at) VALUES ($1, $2, $3) ON CONFLICT (connection, topic) \
                     DO UPDATE SET last_at = excluded.last_at WHERE excluded.last_at > heard.last_at",
                )
                .bind::<Text, _>(connection)
                .bind::<Text, _>(topic)
                .bind::<BigInt, _>(micros(*at))
                .execute(db)?;
            }
            Ok(())
        })
        .await
    }

    /// Every connection and topic of which something came, with its newest time.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn heard(&self) -> Result<Vec<(String, String, Timestamp)>, StoreError> {
        use schema::heard::dsl;
        self.run(|db| {
            let rows: Vec<(String, String, i64)> = dsl::heard.order((dsl::connection, dsl::topic)).load(db)?;
            Ok(rows.into_iter().map(|(connection, topic, at)| (connection, topic, instant(at))).collect())
        })
        .await
    }

    /// When the newest delivery of a connection was received.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn last_heard(&self, name: &ConnectionName) -> Result<Option<Timestamp>, StoreError> {
        use diesel::dsl::max;
        use schema::heard::dsl;
        let name = name.as_str().to_owned();
        self.run(move |db| {
            let last: Option<i64> = dsl::heard.filter(dsl::connection.eq(name)).select(max(dsl::last_at)).first(db)?;
            Ok(last.map(instant))
        })
        .await
    }
}
