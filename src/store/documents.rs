//! `documents` as people and other verbs read them, and what a person may do to one.

use diesel::dsl::exists;
use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect::Db;
use super::rows::instant;
use super::shown::{shown, shown_all};
use super::steps::NOTED;
use super::{Store, StoreError, due, schema};
use crate::domain::document::{DocumentKind, ParkKind, Standing, State};
use crate::domain::ids::{ConnectionName, DocumentId};

/// Why a document is parked, held or skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What may open it again; only parks have one.
    pub kind: Option<ParkKind>,
    /// A stable word, e.g. `unknown_sku`.
    pub code: String,
    /// One sentence: the field, what was found, what was expected, what to do. No personal data.
    pub text: String,
}

/// A document as it is shown.
#[derive(Debug, Clone)]
pub struct DocumentRow {
    /// The row.
    pub id: DocumentId,
    /// Its connection.
    pub connection: String,
    /// What it is, e.g. `customer_order`.
    pub kind: String,
    /// The key that travels inside the IFS record.
    pub business_key: String,
    /// Shopify's order id.
    pub order_id: u64,
    /// Shopify's name of the order.
    pub order_name: Option<String>,
    /// Where it stands.
    pub state: State,
    /// Why it is parked, held or skipped, or what failed last.
    pub reason: Option<Reason>,
    /// The desired content, JSON text.
    pub desired: String,
    /// Counts the desired contents.
    pub desired_version: i64,
    /// What was sent and answered, JSON text.
    pub written: Option<String>,
    /// The desired version that IFS holds.
    pub written_version: i64,
    /// IFS's `OrderNo`; of a customer's document its `CustomerNo`.
    pub order_no: Option<String>,
    /// How the link came about: `created`, `adopted` or `noted`.
    pub origin: Option<String>,
    /// Own failures since it last got on.
    pub attempts: i64,
    /// When a writer looks at it next.
    pub due_at: Timestamp,
    /// Since when it has been waiting for a condition, when it has.
    pub held_since: Option<Timestamp>,
    /// The conditions that a person has released it from.
    pub released: Vec<String>,
    /// The document that it waits for.
    pub waits_for: Option<DocumentId>,
    /// Whether a writer has it in hand.
    pub claimed: bool,
    /// What an intent that is still open announced, in a word.
    pub open_intent: Option<&'static str>,
    /// Whether IFS is looked at before a create.
    pub look_up_first: bool,
    /// The digest of the rules that made the desired content.
    pub rules_revision: String,
    /// The id of the delivery that last changed it.
    pub trace_id: String,
    /// When it was first planned.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// One step of a writer or a person on a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attempt {
    /// What was tried, e.g. `create`, `look_up`, `amend`, `cancel`.
    pub step: String,
    /// What came of it, e.g. `written`, `unknown`, `parked`.
    pub outcome: String,
    /// More of it, without secrets or persons.
    pub detail: Option<String>,
    /// What was found to differ, field by field, JSON text: values may be a person's.
    pub differences: Option<String>,
}

/// Which documents to list.
#[derive(Debug, Clone, Default)]
pub struct DocumentFilter {
    /// Only of this connection.
    pub connection: Option<String>,
    /// Only in this state.
    pub state: Option<State>,
    /// Only after this id (paging).
    pub after: Option<i64>,
    /// At most so many.
    pub limit: i64,
}

/// Documents by connection and unfinished state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCount {
    /// The connection.
    pub connection: String,
    /// The state's word.
    pub state: String,
    /// How many.
    pub count: i64,
}

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = schema::documents)]
pub(super) struct Raw {
    pub(super) id: i64,
    pub(super) connection: String,
    pub(super) kind: String,
    pub(super) business_key: String,
    pub(super) order_id: i64,
    pub(super) state: String,
    pub(super) reason_kind: Option<String>,
    pub(super) reason_code: Option<String>,
    pub(super) reason_text: Option<String>,
    pub(super) desired: String,
    pub(super) desired_digest: String,
    pub(super) desired_version: i64,
    pub(super) written: Option<String>,
    pub(super) written_version: i64,
    pub(super) rules_revision: String,
    pub(super) look_up_first: i64,
    pub(super) attempts: i64,
    pub(super) due_at: i64,
    pub(super) waits_for: Option<i64>,
    pub(super) held_since: Option<i64>,
    pub(super) released: String,
    pub(super) claim: Option<String>,
    pub(super) trace_id: String,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

/// Steps of one document that are shown.
const ATTEMPTS_SHOWN_MAX: i64 = 2_000;

/// When, step, outcome, detail, differences.
type AttemptRow = (i64, String, String, Option<String>, Option<String>);

impl Store {
    /// Lists documents by id.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn list_documents(&self, filter: DocumentFilter) -> Result<Vec<DocumentRow>, StoreError> {
        self.run(move |db| {
            use schema::documents::dsl;
            let mut query = dsl::documents.select(Raw::as_select()).order(dsl::id).limit(filter.limit).into_boxed();
            if let Some(name) = filter.connection {
                query = query.filter(dsl::connection.eq(name));
            }
            if let Some(state) = filter.state {
                query = query.filter(dsl::state.eq(state.as_str()));
                if let Some(like) = due::like(state) {
                    query = query.filter(like);
                }
            }
            if let Some(after) = filter.after {
                query = query.filter(dsl::id.gt(after));
            }
            let rows: Vec<Raw> = query.load(db)?;
            shown_all(db, rows)
        })
        .await
    }

    /// One document by its id.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn document(&self, id: DocumentId) -> Result<Option<DocumentRow>, StoreError> {
        self.run(move |db| match by_id(db, id.get())? {
            Some(raw) => shown(db, raw).map(Some),
            None => Ok(None),
        })
        .await
    }

    /// How the document with this business key stands, if there is one.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn standing(&self, name: &ConnectionName, key: &str) -> Result<Option<Standing>, StoreError> {
        let (name, key) = (name.as_str().to_owned(), key.to_owned());
        self.run(move |db| match by_key(db, DocumentKind::CustomerOrder, &name, &key)? {
            Some(raw) => standing(db, &raw).map(Some),
            None => Ok(None),
        })
        .await
    }

    /// The conditions that a person has released the order with this business key from.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn released(&self, name: &ConnectionName, key: &str) -> Result<Vec<String>, StoreError> {
        let (name, key) = (name.as_str().to_owned(), key.to_owned());
        self.run(move |db| {
            let raw = by_key(db, DocumentKind::CustomerOrder, &name, &key)?;
            Ok(raw.map(|raw| words(&raw.released)).unwrap_or_default())
        })
        .await
    }

    /// The steps taken on a document, oldest first, at most the last 2,000: an order of very many lines goes row by row.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn attempts_of(&self, id: DocumentId) -> Result<Vec<(Timestamp, Attempt)>, StoreError> {
        self.run(move |db| {
            use schema::attempts::dsl;
            let mut rows: Vec<AttemptRow> = dsl::attempts
                .filter(dsl::document_id.eq(id.get()))
                .order(dsl::id.desc())
                .limit(ATTEMPTS_SHOWN_MAX)
                .select((dsl::at, dsl::step, dsl::outcome, dsl::detail, dsl::differences))
                .load(db)?;
            rows.reverse();
            let told = |(at, step, outcome, detail, differences)| {
                (instant(at), Attempt { step, outcome, detail, differences })
            };
            Ok(rows.into_iter().map(told).collect())
        })
        .await
    }

    /// Counts unfinished documents by connection and state; finished ones are not counted (they grow for ever).
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn count_open_documents(&self) -> Result<Vec<StateCount>, StoreError> {
        self.run(|db| {
            use diesel::dsl::count_star;
            use schema::documents::dsl;
            let rows: Vec<(String, String, i64)> = dsl::documents
                .filter(due::unfinished())
                .group_by((dsl::connection, dsl::state))
                .select((dsl::connection, dsl::state, count_star()))
                .load(db)?;
            let told = |(connection, state, count)| StateCount { connection, state, count };
            Ok(rows.into_iter().map(told).collect())
        })
        .await
    }
}

pub(super) fn record(
    db: &mut Db,
    document: i64,
    now: i64,
    attempt: &Attempt,
    trace_id: &str,
) -> Result<(), StoreError> {
    use schema::attempts::dsl;
    diesel::insert_into(dsl::attempts)
        .values((
            dsl::document_id.eq(document),
            dsl::at.eq(now),
            dsl::step.eq(&attempt.step),
            dsl::outcome.eq(&attempt.outcome),
            dsl::detail.eq(attempt.detail.as_deref()),
            dsl::differences.eq(attempt.differences.as_deref()),
            dsl::trace_id.eq(trace_id),
        ))
        .execute(db)?;
    Ok(())
}

pub(super) fn by_id(db: &mut Db, id: i64) -> Result<Option<Raw>, StoreError> {
    use schema::documents::dsl;
    Ok(dsl::documents.filter(dsl::id.eq(id)).select(Raw::as_select()).first(db).optional()?)
}

pub(super) fn by_key(db: &mut Db, kind: DocumentKind, connection: &str, key: &str) -> Result<Option<Raw>, StoreError> {
    use schema::documents::dsl;
    let found = dsl::documents
        .filter(dsl::connection.eq(connection))
        .filter(dsl::kind.eq(kind.as_str()))
        .filter(dsl::business_key.eq(key))
        .select(Raw::as_select())
        .first(db)
        .optional()?;
    Ok(found)
}

/// The words of a stored list.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

pub(super) fn state_of(raw: &Raw) -> Result<State, StoreError> {
    State::parse(&raw.state).ok_or(StoreError::Corrupt { table: "documents", column: "state" })
}

pub(super) fn standing(db: &mut Db, raw: &Raw) -> Result<Standing, StoreError> {
    let parked = match (&raw.reason_kind, raw.state == State::Parked.as_str()) {
        (Some(word), true) => {
            Some(ParkKind::parse(word).ok_or(StoreError::Corrupt { table: "documents", column: "reason_kind" })?)
        }
        _ => None,
    };
    let (open_intent, link) = ties(db, raw)?;
    Ok(Standing { state: state_of(raw)?, open_intent, linked: is_ours(link.as_ref()), parked })
}

/// Whether an intent of a document is open, and the record that is linked to it with how it came to be, in one way to the database.
pub(super) fn ties(db: &mut Db, raw: &Raw) -> Result<(bool, Option<(String, String)>), StoreError> {
    use schema::intents::dsl::{closed_at, document_id, intents};
    if raw.kind == DocumentKind::Customer.as_str() {
        return Ok((super::intents::open_of(db, raw.id)?.is_some(), link_of(db, raw)?));
    }
    let open = exists(intents.filter(document_id.eq(raw.id)).filter(closed_at.is_null()));
    let link = || schema::order_links::table.filter(schema::order_links::document_id.eq(raw.id));
    let order_no = link().select(schema::order_links::order_no).single_value();
    let origin = link().select(schema::order_links::origin).single_value();
    let (open, order_no, origin): (bool, Option<String>, Option<String>) =
        diesel::select((open, order_no, origin)).get_result(db)?;
    Ok((open, order_no.zip(origin)))
}

/// Whether a link is to a record that is ours to change.
pub(super) fn is_ours(link: Option<&(String, String)>) -> bool {
    link.is_some_and(|(_, origin)| origin != NOTED)
}

/// The remote's number of the record that belongs to a document, and how it came to.
pub(super) fn link_of(db: &mut Db, raw: &Raw) -> Result<Option<(String, String)>, StoreError> {
    if raw.kind == DocumentKind::Customer.as_str() {
        use schema::customer_links::dsl;
        let link = dsl::customer_links
            .filter(dsl::document_id.eq(raw.id))
            .select((dsl::customer_no, dsl::origin))
            .first(db)
            .optional()?;
        return Ok(link);
    }
    use schema::order_links::dsl;
    let link = dsl::order_links
        .filter(dsl::document_id.eq(raw.id))
        .select((dsl::order_no, dsl::origin))
        .first(db)
        .optional()?;
    Ok(link)
}
