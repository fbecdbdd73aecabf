//! Customers' documents: how one stands, what an order makes of it, which IFS customer belongs to it and why.

use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect::{self, Db};
use super::documents::{self, Raw};
use super::intents::IntentKind;
use super::mapped::{self, Cause, Wish};
use super::rows::instant;
use super::steps::Link;
use super::{Store, StoreError, schema};
use crate::domain::document::{DocumentKind, State};
use crate::domain::ids::{ConnectionName, DocumentId};

/// How a customer document stands, as an order that waits for it needs to know.
#[derive(Debug, Clone)]
pub struct CustomerStanding {
    /// Its row.
    pub document: DocumentId,
    /// Where it stands.
    pub state: State,
    /// IFS's `CustomerNo`, once linked.
    pub customer_no: Option<String>,
    /// What is desired of it, JSON text.
    pub desired: String,
    /// The digest of that.
    pub desired_digest: String,
    /// What was sent and answered, JSON text.
    pub written: Option<String>,
    /// Why it stands so, in one word, when there is a reason.
    pub reason_code: Option<String>,
}

/// The customer document that an order waits for, as its newest version wants it.
#[derive(Debug, Clone)]
pub struct CustomerWish {
    /// Its business key.
    pub key: String,
    /// Its content and what it asks for.
    pub wish: Wish,
    /// The content that this one was made to follow; `None` when there was no document.
    pub expected: Option<String>,
}

/// Which IFS customer belongs to a document, and why this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerLink {
    /// IFS's `CustomerNo`.
    pub customer_no: String,
    /// `found` as it stood, `created` by us, or `adopted` after a create whose answer did not tell.
    pub origin: String,
    /// By which key it was found, or of what it was made.
    pub reason: String,
    /// Since when.
    pub linked_at: Timestamp,
}

impl Store {
    /// How the customer document with this business key stands, if there is one.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn customer_standing(
        &self,
        name: &ConnectionName,
        key: &str,
    ) -> Result<Option<CustomerStanding>, StoreError> {
        let (name, key) = (name.as_str().to_owned(), key.to_owned());
        self.run(move |db| {
            let Some(raw) = documents::by_key(db, DocumentKind::Customer, &name, &key)? else { return Ok(None) };
            let customer_no = documents::link_of(db, &raw)?.map(|(customer_no, _)| customer_no);
            Ok(Some(CustomerStanding {
                document: DocumentId::new(raw.id),
                state: documents::state_of(&raw)?,
                customer_no,
                desired: raw.desired,
                desired_digest: raw.desired_digest,
                written: raw.written,
                reason_code: raw.reason_code,
            }))
        })
        .await
    }

    /// Which IFS customer belongs to a customer's document, when one does.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn customer_link(&self, id: DocumentId) -> Result<Option<CustomerLink>, StoreError> {
        self.run(move |db| {
            use schema::customer_links::dsl;
            let row: Option<(String, String, String, i64)> = dsl::customer_links
                .filter(dsl::document_id.eq(id.get()))
                .select((dsl::customer_no, dsl::origin, dsl::reason, dsl::linked_at))
                .first(db)
                .optional()?;
            let link = |(customer_no, origin, reason, at)| CustomerLink {
                customer_no,
                origin,
                reason,
                linked_at: instant(at),
            };
            Ok(row.map(link))
        })
        .await
    }

    /// Whether another customer's document of these connections has a create of the same business key under way, or in doubt.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn is_born_elsewhere(
        &self,
        connections: &[ConnectionName],
        document: DocumentId,
        key: &str,
    ) -> Result<bool, StoreError> {
        let names: Vec<String> = connections.iter().map(|name| name.as_str().to_owned()).collect();
        let key = key.to_owned();
        self.run(move |db| {
            use schema::{documents, intents};
            let other: Option<i64> = intents::table
                .inner_join(documents::table.on(documents::id.eq(intents::document_id)))
                .filter(intents::closed_at.is_null())
                .filter(intents::kind.eq(IntentKind::Create.as_str()))
                .filter(intents::business_key.eq(key))
                .filter(documents::kind.eq(DocumentKind::Customer.as_str()))
                .filter(documents::connection.eq_any(names))
                .filter(documents::id.ne(document.get()))
                .select(intents::id)
                .first(db)
                .optional()?;
            Ok(other.is_some())
        })
        .await
    }
}

/// What came of new content for a customer's document.
pub(super) struct Offered {
    /// The document.
    pub(super) id: i64,
    /// Whether the content was taken; else somebody wrote another one after that which it was made to follow.
    pub(super) taken: bool,
}

/// Makes the customer's document, or brings it up to date; gives its row.
///
/// # Errors
/// [`StoreError::Stale`] when its content is not the one that this follows: nothing may be committed, make it anew.
pub(super) fn put(db: &mut Db, cause: &Cause<'_>, customer: &CustomerWish) -> Result<i64, StoreError> {
    let offered = offer(db, cause, customer)?;
    if offered.taken { Ok(offered.id) } else { Err(StoreError::Stale) }
}

/// The same, leaving alone a document whose content is not the one that this follows. It stays locked either way, as
/// [`dialect::lock_document`] says: before any order's.
pub(super) fn offer(db: &mut Db, cause: &Cause<'_>, customer: &CustomerWish) -> Result<Offered, StoreError> {
    use schema::documents::dsl;
    // A customer may stand in IFS whoever we are: it is always looked up before it is made.
    let (kind, key) = (DocumentKind::Customer, customer.key.as_str());
    let content = mapped::Content { kind, key, wish: &customer.wish, look_up_first: true, seen_version: None };
    // 1. Two orders of one customer that are mapped at once follow each other: neither forgets what the other names.
    let present = documents::by_key(db, kind, cause.connection, key)?;
    if let Some(present) = &present {
        dialect::lock_document(db, present.id)?;
    }
    let found = documents::by_key(db, kind, cause.connection, key)?;
    if found.as_ref().map(|row| &row.desired) != customer.expected.as_ref() {
        let id = found.map(|row| row.id).ok_or(StoreError::Stale)?;
        return Ok(Offered { id, taken: false });
    }
    // 2. Its content, as any document's; a person's retry judges the order that told it last.
    mapped::put_wish(db, cause, &content, None)?;
    let row = documents::by_key(db, kind, cause.connection, key)?.ok_or(StoreError::Stale)?;
    if found.is_none_or(|found| found.desired_digest != row.desired_digest) && row.order_id != cause.order_id {
        diesel::update(dsl::documents.filter(dsl::id.eq(row.id))).set(dsl::order_id.eq(cause.order_id)).execute(db)?;
    }
    // 3. An equal digest changes nothing of the customer, but which order told it last: one before that changes it no more.
    if row.desired != customer.wish.content && row.desired_digest == customer.wish.digest {
        diesel::update(dsl::documents.filter(dsl::id.eq(row.id)))
            .set(dsl::desired.eq(&customer.wish.content))
            .execute(db)?;
    }
    Ok(Offered { id: row.id, taken: true })
}

/// Links an IFS customer. Several documents may share one: two contacts of one company.
pub(super) fn put_link(db: &mut Db, raw: &Raw, link: &Link, now: i64) -> Result<(), StoreError> {
    use schema::customer_links::dsl;
    if let Some((customer_no, _)) = documents::link_of(db, raw)? {
        return if customer_no == link.order_no { Ok(()) } else { Err(StoreError::Stale) };
    }
    diesel::insert_into(dsl::customer_links)
        .values((
            dsl::document_id.eq(raw.id),
            dsl::connection.eq(&raw.connection),
            dsl::customer_no.eq(&link.order_no),
            dsl::origin.eq(link.origin),
            dsl::reason.eq(&link.reason),
            dsl::linked_at.eq(now),
        ))
        .execute(db)?;
    Ok(())
}
