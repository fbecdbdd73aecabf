//! Orders that stand in IFS as earlier rules made them, and what today's rules put in the place of it.

use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect;
use super::documents::{Attempt, Raw, by_id, record, standing};
use super::mapped::{put_content, put_judged};
use super::operate::{Anew, audit};
use super::rows::micros;
use super::shown::shown_all;
use super::steps::NOTED;
use super::{DocumentRow, Store, StoreError, schema};
use crate::domain::document::{DocumentKind, Event, State, next_state};
use crate::domain::ids::{ConnectionName, DocumentId};

/// What is desired of an order, as rules other than today's made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderOtherRules {
    /// The content as JSON text.
    pub desired: String,
    /// Counts the contents.
    pub desired_version: i64,
    /// The digest of those rules.
    pub rules_revision: String,
}

impl Store {
    /// What is desired of the order with this business key, where other rules than `revision` made it.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn under_other_rules(
        &self,
        name: &ConnectionName,
        key: &str,
        revision: &str,
    ) -> Result<Option<UnderOtherRules>, StoreError> {
        let (name, key, revision) = (name.as_str().to_owned(), key.to_owned(), revision.to_owned());
        self.run(move |db| {
            use schema::documents::dsl;
            let found: Option<(String, i64, String)> = dsl::documents
                .filter(dsl::connection.eq(name))
                .filter(dsl::kind.eq(DocumentKind::CustomerOrder.as_str()))
                .filter(dsl::business_key.eq(key))
                .filter(dsl::rules_revision.ne(revision))
                .select((dsl::desired, dsl::desired_version, dsl::rules_revision))
                .first(db)
                .optional()?;
            let known = |(desired, desired_version, rules_revision)| UnderOtherRules {
                desired,
                desired_version,
                rules_revision,
            };
            Ok(found.map(known))
        })
        .await
    }

    /// Linked orders of a connection whose desired content other rules than `revision` made, by id after `after`. What a person resolved is
    /// the person's and is left out; a second order of one follows its first.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn mapped_by_others(
        &self,
        name: &ConnectionName,
        revision: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<DocumentRow>, StoreError> {
        let (name, revision) = (name.as_str().to_owned(), revision.to_owned());
        self.run(move |db| {
            use schema::{documents, order_links};
            // What was only noted is no order of ours.
            let linked = order_links::table.filter(order_links::origin.ne(NOTED)).select(order_links::document_id);
            let rows: Vec<Raw> = documents::table
                .filter(documents::connection.eq(name))
                .filter(documents::kind.eq(DocumentKind::CustomerOrder.as_str()))
                .filter(documents::rules_revision.ne(revision))
                .filter(documents::business_key.not_like("%-2"))
                .filter(documents::state.ne(State::Resolved.as_str()))
                .filter(documents::id.gt(after))
                .filter(documents::id.eq_any(linked))
                .order(documents::id)
                .limit(limit)
                .select(Raw::as_select())
                .load(db)?;
            shown_all(db, rows)
        })
        .await
    }

    /// Puts what today's rules make of an order in the place of what earlier ones made, as new content from Shopify would come: the state
    /// moves as for that, and under an open intent it does not move at all. Told in its steps and in the audit.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when its order changed since it was judged: judge again.
    pub async fn remap_document(
        &self,
        id: DocumentId,
        anew: Anew,
        (who, note): (String, String),
        now: Timestamp,
    ) -> Result<State, StoreError> {
        self.write(move |db| {
            dialect::lock_document(db, id.get())?;
            let raw = by_id(db, id.get())?.ok_or(StoreError::Refused("no document has that number"))?;
            if !anew.follows(&raw) {
                return Err(StoreError::Stale);
            }
            let now = micros(now);
            if raw.desired_digest == anew.wish.digest {
                use schema::documents::dsl;
                diesel::update(dsl::documents.filter(dsl::id.eq(raw.id)))
                    .set(dsl::rules_revision.eq(&anew.rules_revision))
                    .execute(db)?;
                return super::documents::state_of(&raw);
            }
            let standing = standing(db, &raw)?;
            let next = next_state(standing, Event::Content(anew.wish.wanted))?;
            put_content(db, raw.id, &anew.wish, &anew.rules_revision, now)?;
            put_judged(db, &raw, (standing, next), &anew.wish, now)?;
            let detail = Some(format!("by {who}: {note}"));
            let outcome = next.as_str().to_owned();
            record(
                db,
                raw.id,
                now,
                &Attempt { step: "remap".to_owned(), outcome, detail, ..Attempt::default() },
                &raw.trace_id,
            )?;
            audit(db, now, &who, "remap", &format!("document {id}"), Some(&note))?;
            Ok(next)
        })
        .await
    }
}
