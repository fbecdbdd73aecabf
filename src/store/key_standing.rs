//! What we know about a key that a record in IFS carries, and what the standing query does to the document concerned: it parks, or
//! makes it look first. Nothing here cancels, links or creates.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use jiff::Timestamp;

use super::dialect::{self, Db};
use super::documents::{self, Attempt, Raw, by_key, record, standing, state_of};
use super::rows::{instant, micros};
use super::steps::NOTED;
use super::strays::{DISMISSED, RawStray, Sighting, Stray, put};
use super::{Lease, Store, StoreError, leases, schema};
use crate::domain::document::{DocumentKind, Event, ParkKind, Standing, State, next_state};
use crate::domain::ids::{ConnectionName, DocumentId};

/// How the document of a key stands, as far as it explains records in IFS.
#[derive(Debug, Clone)]
pub struct KeyDocument {
    /// The document.
    pub id: DocumentId,
    /// Its connection.
    pub connection: String,
    /// Where it stands.
    pub state: State,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The IFS order that is linked, and whether it is only noted.
    pub link: Option<(String, bool)>,
    /// Whether a writer works on it, or an intent of it is open.
    pub under_way: bool,
    /// Why it is parked, when it is.
    pub reason: Option<String>,
    /// The word for why it is parked, held or skipped.
    pub code: Option<String>,
}

/// All that we know about one key.
#[derive(Debug, Clone, Default)]
pub struct KeyStanding {
    /// The document with that business key, of any connection that was asked for.
    pub document: Option<KeyDocument>,
    /// When those of its records that were told before were found.
    pub told: BTreeMap<String, Timestamp>,
    /// Those that a person dismissed.
    pub dismissed: BTreeSet<String>,
}

impl Store {
    /// Of what was seen in IFS, what is not linked to a document of the same key, whatever connection of `names` it belongs to; and
    /// whether there is a document of its key.
    ///
    /// Asked after IFS was read: what was linked meanwhile counts.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn unlinked(
        &self,
        names: &[ConnectionName],
        seen: Vec<Sighting>,
    ) -> Result<BTreeMap<Sighting, bool>, StoreError> {
        let names = texts(names);
        self.run(move |db| {
            use schema::{documents, order_links};
            let numbers: Vec<&str> = seen.iter().map(|one| one.order_no.as_str()).collect();
            let linked: Vec<(String, String)> = order_links::table
                .inner_join(documents::table.on(documents::id.eq(order_links::document_id)))
                .filter(order_links::connection.eq_any(&names))
                .filter(order_links::order_no.eq_any(numbers))
                .select((documents::business_key, order_links::order_no))
                .load(db)?;
            let linked: BTreeSet<Sighting> =
                linked.into_iter().map(|(key, order_no)| Sighting { key, order_no }).collect();
            let rest: Vec<Sighting> = seen.into_iter().filter(|one| !linked.contains(one)).collect();
            let keys: Vec<&str> = rest.iter().map(|one| one.key.as_str()).collect();
            let known: Vec<String> = documents::table
                .filter(documents::connection.eq_any(&names))
                .filter(documents::kind.eq(DocumentKind::CustomerOrder.as_str()))
                .filter(documents::business_key.eq_any(keys))
                .select(documents::business_key)
                .load(db)?;
            let known: BTreeSet<String> = known.into_iter().collect();
            Ok(rest.into_iter().map(|one| (one.clone(), known.contains(&one.key))).collect())
        })
        .await
    }

    /// What we know about a key.
    ///
    /// # Errors
    /// The database's refusal.
    pub async fn key_standing(
        &self,
        name: &ConnectionName,
        names: &[ConnectionName],
        key: &str,
    ) -> Result<KeyStanding, StoreError> {
        let (name, names, key) = (name.as_str().to_owned(), texts(names), key.to_owned());
        self.run(move |db| {
            // The connection's own document first: two shops never sell under one id.
            let mut owners = vec![name.clone()];
            owners.extend(names.into_iter().filter(|other| *other != name));
            let mut document = None;
            for owner in &owners {
                if let Some(raw) = by_key(db, DocumentKind::CustomerOrder, owner, &key)? {
                    document = Some(key_document(db, &raw)?);
                    break;
                }
            }
            use schema::strays::dsl;
            let rows: Vec<RawStray> = dsl::strays
                .filter(dsl::connection.eq(&name))
                .filter(dsl::business_key.eq(&key))
                .select(RawStray::as_select())
                .load(db)?;
            let told = rows.iter().map(|row| (row.order_no.clone(), instant(row.found_at))).collect();
            let dismissed = rows.iter().filter(|row| row.ended.as_deref() == Some(DISMISSED));
            Ok(KeyStanding { document, told, dismissed: dismissed.map(|row| row.order_no.clone()).collect() })
        })
        .await
    }

    /// Parks the document concerned because of strays, and tells them; nothing of it is created or changed in IFS any more until a person has
    /// decided. False, and nothing is changed, when the document moved on since it was read: a later run looks again.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is lost.
    pub async fn park_for_strays(
        &self,
        lease: &Lease,
        document: &KeyDocument,
        (code, text): (&'static str, String),
        strays: Vec<Stray>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (lease, document, now) = (lease.clone(), document.clone(), micros(now));
        self.write(move |db| {
            use schema::documents::dsl;
            leases::hold(db, &lease)?;
            let Some((raw, standing)) = unmoved(db, &document)? else { return Ok(false) };
            let Ok(next) = next_state(standing, Event::Stray) else { return Ok(false) };
            // What parked it before stays told.
            let before = raw.reason_text.as_deref().filter(|_| standing.state == State::Parked);
            let text = before.map_or(text.clone(), |before| format!("{text}; it was parked before: {before}"));
            diesel::update(dsl::documents.filter(dsl::id.eq(raw.id)))
                .set((
                    dsl::state.eq(next.as_str()),
                    dsl::reason_kind.eq(ParkKind::Ambiguity.as_str()),
                    dsl::reason_code.eq(code),
                    dsl::reason_text.eq(&text),
                    dsl::held_since.eq(None::<i64>),
                    dsl::look_up_first.eq(1),
                    dsl::due_at.eq(now),
                    dsl::revision.eq(dsl::revision + 1),
                    dsl::updated_at.eq(now),
                ))
                .execute(db)?;
            let done = Attempt {
                step: "standing_query".to_owned(),
                outcome: next.as_str().to_owned(),
                detail: Some(text),
                ..Attempt::default()
            };
            record(db, raw.id, now, &done, &raw.trace_id)?;
            for stray in &strays {
                put(db, &document.connection, stray, now)?;
            }
            Ok(true)
        })
        .await
    }

    /// Makes a document that is still to be created look its key up first; true when that changed something.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when the lease is lost.
    pub async fn look_up_first(&self, lease: &Lease, document: &KeyDocument) -> Result<bool, StoreError> {
        let (lease, document) = (lease.clone(), document.clone());
        self.write(move |db| {
            use schema::documents::dsl;
            leases::hold(db, &lease)?;
            if unmoved(db, &document)?.is_none() {
                return Ok(false);
            }
            let row = dsl::documents.filter(dsl::id.eq(document.id.get())).filter(dsl::look_up_first.eq(0));
            Ok(diesel::update(row).set((dsl::look_up_first.eq(1), dsl::revision.eq(dsl::revision + 1))).execute(db)?
                > 0)
        })
        .await
    }
}

fn texts(names: &[ConnectionName]) -> Vec<String> {
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

fn key_document(db: &mut Db, raw: &Raw) -> Result<KeyDocument, StoreError> {
    let link = documents::link_of(db, raw)?.map(|(order_no, origin)| (order_no, origin == NOTED));
    let state = state_of(raw)?;
    let under_way = raw.claim.is_some()
        || matches!(state, State::Writing | State::Unknown)
        || super::intents::open_of(db, raw.id)?.is_some();
    let reason = raw.reason_text.clone().filter(|_| state == State::Parked);
    let updated_at = instant(raw.updated_at);
    Ok(KeyDocument {
        id: DocumentId::new(raw.id),
        connection: raw.connection.clone(),
        state,
        updated_at,
        link,
        under_way,
        reason,
        code: raw.reason_code.clone(),
    })
}

/// The document as it stands, locked, if nothing of it moved since it was read: state, link, and nobody works on it.
fn unmoved(db: &mut Db, seen: &KeyDocument) -> Result<Option<(Raw, Standing)>, StoreError> {
    let Some(raw) = dialect::locked_document(db, seen.id.get())? else { return Ok(None) };
    let now = key_document(db, &raw)?;
    if now.under_way || now.state != seen.state || now.link != seen.link {
        return Ok(None);
    }
    let standing = standing(db, &raw)?;
    Ok(Some((raw, standing)))
}
