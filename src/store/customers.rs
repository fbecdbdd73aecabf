//! Which IFS customer belongs to which customer document, and why.

use diesel::prelude::*;

use super::dialect::Db;
use super::documents::{self, Raw};
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
