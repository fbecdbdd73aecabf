//! A group of deliveries in one statement, on PostgreSQL: a column is one array. A query of our own, since diesel makes a statement
//! of plain SQL ready anew each time.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Nullable, Text};

use super::rows::NewInbox;

/// Inserts what is not there yet; answers the id and what makes a delivery equal to another one: connection, topic, webhook id, digest.
#[derive(Debug)]
pub(super) struct Group<'a> {
    texts: [Vec<&'a str>; 7],
    maybe: [Vec<Option<&'a str>>; 4],
    numbers: [Vec<i64>; 2],
    bodies: Vec<&'a [u8]>,
}

impl<'a> Group<'a> {
    /// Of these rows.
    pub(super) fn of(rows: &'a [NewInbox]) -> Self {
        let texts = |of: fn(&NewInbox) -> &str| rows.iter().map(of).collect();
        let maybe = |of: fn(&NewInbox) -> &Option<String>| rows.iter().map(|row| of(row).as_deref()).collect();
        let numbers = |of: fn(&NewInbox) -> i64| rows.iter().map(of).collect();
        Self {
            texts: [
                texts(|row| &row.connection),
                texts(|row| &row.topic),
                texts(|row| &row.webhook_id),
                texts(|row| &row.body_sha256),
                texts(|row| &row.trace_id),
                texts(|row| &row.state),
                texts(|row| row.origin),
            ],
            maybe: [
                maybe(|row| &row.event_id),
                maybe(|row| &row.shop_domain),
                maybe(|row| &row.api_version),
                maybe(|row| &row.triggered_at),
            ],
            numbers: [numbers(|row| row.received_at), numbers(|row| row.due_at)],
            bodies: rows.iter().map(|row| row.body.as_slice()).collect(),
        }
    }
}

impl QueryFragment<Pg> for Group<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO inbox (connection, topic, webhook_id, body_sha256, trace_id, state, origin, \
             event_id, shop_domain, api_version, triggered_at, received_at, due_at, body) SELECT * FROM unnest(",
        );
        for texts in &self.texts {
            out.push_bind_param::<Array<Text>, _>(texts)?;
            out.push_sql(", ");
        }
        for maybe in &self.maybe {
            out.push_bind_param::<Array<Nullable<Text>>, _>(maybe)?;
            out.push_sql(", ");
        }
        for numbers in &self.numbers {
            out.push_bind_param::<Array<BigInt>, _>(numbers)?;
            out.push_sql(", ");
        }
        out.push_bind_param::<Array<Binary>, _>(&self.bodies)?;
        out.push_sql(
            ") ON CONFLICT (connection, topic, webhook_id, body_sha256) DO NOTHING \
             RETURNING id, connection, topic, webhook_id, body_sha256",
        );
        Ok(())
    }
}

// The text is the same for every group.
impl QueryId for Group<'_> {
    type QueryId = Group<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Group<'_> {
    type SqlType = (BigInt, Text, Text, Text, Text);
}

impl RunQueryDsl<PgConnection> for Group<'_> {}
