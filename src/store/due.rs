//! What is due: conditions that claims share, told so that their statements are made ready once.

use std::borrow::Cow;

use diesel::dsl::auto_type;
use diesel::expression::{ValidGrouping, is_aggregate};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types;

use super::schema;
use crate::domain::document::{DocumentKind, State};

/// A condition in fixed words. To diesel any SQL text is one that may be another at each call, and a statement that holds some is made
/// ready anew each time: a way to PostgreSQL and back, and its planning.
#[derive(Debug, Clone)]
pub(super) struct Words(Cow<'static, str>);

impl Expression for Words {
    type SqlType = sql_types::Bool;
}
impl ValidGrouping<()> for Words {
    type IsAggregate = is_aggregate::No;
}
impl<Source> AppearsOnTable<Source> for Words {}
impl<Source> SelectableExpression<Source> for Words {}
impl QueryId for Words {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}
impl<DB: diesel::backend::Backend> QueryFragment<DB> for Words {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(&self.0);
        Ok(())
    }
}

/// What a writer may claim, in the very words of the partial index `documents_due`: SQLite uses one only where the
/// query repeats its condition, and a bound value repeats nothing.
pub(super) fn claimable() -> Words {
    Words(Cow::Borrowed("documents.state IN ('planned', 'retry', 'unknown', 'held') AND documents.claim IS NULL"))
}

/// Documents that something is still to become of, in the words of the partial index `documents_open`.
pub(super) fn unfinished() -> Words {
    Words(Cow::Borrowed("documents.state NOT IN ('written', 'superseded', 'skipped', 'resolved')"))
}

/// Documents in a state, by the index that holds those of its like; what is written has none: it is most of them all.
pub(super) fn like(state: State) -> Option<Words> {
    match state {
        State::Written => None,
        State::Superseded | State::Skipped | State::Resolved => {
            Some(Words(Cow::Borrowed("documents.state IN ('superseded', 'skipped', 'resolved')")))
        }
        State::Planned | State::Writing | State::Retry | State::Unknown | State::Held | State::Parked => {
            Some(unfinished())
        }
    }
}

/// What a mapper may take, in the words of the partial index `inbox_due`.
pub(super) fn received() -> Words {
    Words(Cow::Borrowed("inbox.state = 'received'"))
}

/// Documents of these kinds.
pub(super) fn of_kinds(kinds: &[DocumentKind]) -> Words {
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("'{}'", kind.as_str())).collect();
    Words(Cow::Owned(format!("documents.kind IN ({})", kinds.join(", "))))
}

const HOUR_US: i64 = 3_600_000_000;

/// Deliveries due now. A due time further away than any legal pause was set under a wall clock that has been corrected since.
#[auto_type(no_type_alias)]
pub(super) fn due_delivery(now: i64) -> _ {
    let far: i64 = now.saturating_add(HOUR_US);
    schema::inbox::due_at.le(now).or(schema::inbox::due_at.gt(far))
}

/// The same for documents: a hold may lie far ahead, and waits, unless its row was written by a clock that ran ahead of this one.
#[auto_type(no_type_alias)]
pub(super) fn due_document(now: i64) -> _ {
    let far: i64 = now.saturating_add(HOUR_US);
    let not_held = schema::documents::state.ne("held");
    let ahead = schema::documents::updated_at.gt(now);
    schema::documents::due_at.le(now).or(schema::documents::due_at.gt(far).and(not_held.or(ahead)))
}
