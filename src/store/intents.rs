//! `intents`: every write is announced in a row before its bytes leave. At most one is open per document;
//! while it is open, no create may follow.

use std::time::Duration;

use diesel::prelude::*;
use jiff::Timestamp;

use super::convergence::fence;
use super::dialect::Db;
use super::leases::Lease;
use super::rows::micros;
use super::steps::Claimed;
use super::{Store, StoreError, schema};
use crate::domain::ids::IntentId;

/// What an intent announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentKind {
    /// A new record: only a look-up tells what became of a lost one.
    Create,
    /// A change under ETags: a lost one is re-read.
    Amend,
    /// A cancellation under an ETag: a lost one is re-read.
    Cancel,
    /// A new row of an order that is linked: a lost one is found among the rows that are new since.
    Row,
    /// Rows cancelled or deleted under their ETags: a lost one is re-read.
    Remove,
    /// The release of an order under its ETag: a lost one is re-read.
    Release,
    /// What Shopify is told, the same however often it is told.
    WriteBack,
}

impl IntentKind {
    /// The word stored in the row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Amend => "amend",
            Self::Cancel => "cancel",
            Self::Row => "row",
            Self::Remove => "remove",
            Self::Release => "release",
            Self::WriteBack => "write_back",
        }
    }

    pub(super) fn parse(word: &str) -> Result<Self, StoreError> {
        [Self::Create, Self::Amend, Self::Cancel, Self::Row, Self::Remove, Self::Release, Self::WriteBack]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or(StoreError::Corrupt { table: "intents", column: "kind" })
    }
}

/// An intent about to be committed.
#[derive(Debug, Clone)]
pub struct NewIntent {
    /// What it announces.
    pub kind: IntentKind,
    /// The desired content that is sent, JSON text.
    pub content: String,
    /// The desired version that is sent.
    pub desired_version: i64,
    /// How many parts the request has (each may run as long as the statement limit).
    pub parts: u32,
    /// The bytes leave before this instant or never.
    pub send_by: Timestamp,
    /// How long must be watched after the end of the call before another create.
    pub needed: Duration,
}

/// An open intent.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The row.
    pub id: IntentId,
    /// What it announces.
    pub kind: IntentKind,
    /// The desired content that was sent, JSON text.
    pub content: String,
    /// The desired version that was sent.
    pub desired_version: i64,
    /// How long must be watched before another create.
    pub needed: Duration,
    /// How long was watched already, over all owners.
    pub watched: Duration,
    /// How often it was looked up since the last owner took over.
    pub look_ups: i64,
}

/// What a look-up adds to an open intent's row.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    /// Monotonic time watched since the last addition.
    pub watched: Duration,
}

impl Store {
    /// Commits an intent under the claim and the lease. From here on the bytes may leave.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when claim or lease are lost: send nothing.
    pub async fn open_intent(
        &self,
        lease: &Lease,
        claimed: &Claimed,
        intent: NewIntent,
        now: Timestamp,
    ) -> Result<IntentId, StoreError> {
        self.open_in_place(lease, claimed, None, intent, now).await
    }

    /// The same in the place of an open one, given with its outcome in one word: there is no moment at which neither is open.
    ///
    /// # Errors
    /// As [`open_intent`](Self::open_intent).
    pub async fn replace_intent(
        &self,
        lease: &Lease,
        claimed: &Claimed,
        replaced: (IntentId, &'static str),
        intent: NewIntent,
        now: Timestamp,
    ) -> Result<IntentId, StoreError> {
        self.open_in_place(lease, claimed, Some(replaced), intent, now).await
    }

    async fn open_in_place(
        &self,
        lease: &Lease,
        claimed: &Claimed,
        replaces: Option<(IntentId, &'static str)>,
        intent: NewIntent,
        now: Timestamp,
    ) -> Result<IntentId, StoreError> {
        let lease = lease.clone();
        let (document, claim, key) = (claimed.id, claimed.claim.clone(), claimed.business_key.clone());
        self.write(move |db| {
            fence(db, &lease, document.get(), &claim)?;
            if let Some((replaced, outcome)) = replaces {
                close(db, replaced.get(), outcome, micros(now))?;
            }
            use schema::intents::dsl;
            let id: i64 = diesel::insert_into(dsl::intents)
                .values((
                    dsl::document_id.eq(document.get()),
                    dsl::kind.eq(intent.kind.as_str()),
                    dsl::business_key.eq(key),
                    dsl::content.eq(intent.content),
                    dsl::desired_version.eq(intent.desired_version),
                    dsl::parts.eq(i64::from(intent.parts)),
                    dsl::send_by.eq(micros(intent.send_by)),
                    dsl::generation.eq(lease.generation.get()),
                    dsl::needed_us.eq(span(intent.needed)),
                    dsl::opened_at.eq(micros(now)),
                ))
                .returning(dsl::id)
                .get_result(db)?;
            Ok(IntentId::new(id))
        })
        .await
    }

    /// Closes an intent whose bytes never left, within the same claim.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when claim or lease are lost.
    pub async fn close_unsent_intent(
        &self,
        lease: &Lease,
        claimed: &Claimed,
        id: IntentId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let lease = lease.clone();
        let (document, claim) = (claimed.id, claimed.claim.clone());
        self.write(move |db| {
            fence(db, &lease, document.get(), &claim)?;
            close(db, id.get(), "never_sent", micros(now))
        })
        .await
    }

    /// Adds watched time and one look-up to an open intent.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when claim or lease are lost: another owner watches now.
    pub async fn watch_intent(
        &self,
        lease: &Lease,
        claimed: &Claimed,
        id: IntentId,
        watch: Watch,
    ) -> Result<(), StoreError> {
        let lease = lease.clone();
        let (document, claim) = (claimed.id, claimed.claim.clone());
        self.write(move |db| {
            fence(db, &lease, document.get(), &claim)?;
            use schema::intents::dsl;
            diesel::update(dsl::intents.filter(dsl::id.eq(id.get())).filter(dsl::closed_at.is_null()))
                .set((dsl::watched_us.eq(dsl::watched_us + span(watch.watched)), dsl::look_ups.eq(dsl::look_ups + 1)))
                .execute(db)?;
            Ok(())
        })
        .await
    }
}

type IntentRow = (i64, String, String, i64, i64, i64, i64);

pub(super) fn open_of(db: &mut Db, document: i64) -> Result<Option<Intent>, StoreError> {
    use schema::intents::dsl;
    let row: Option<IntentRow> = dsl::intents
        .filter(dsl::document_id.eq(document))
        .filter(dsl::closed_at.is_null())
        .select((
            dsl::id,
            dsl::kind,
            dsl::content,
            dsl::desired_version,
            dsl::needed_us,
            dsl::watched_us,
            dsl::look_ups,
        ))
        .first(db)
        .optional()?;
    row.map(|(id, kind, content, desired_version, needed, watched, look_ups)| {
        Ok(Intent {
            id: IntentId::new(id),
            kind: IntentKind::parse(&kind)?,
            content,
            desired_version,
            needed: duration(needed),
            watched: duration(watched),
            look_ups,
        })
    })
    .transpose()
}

pub(super) fn close(db: &mut Db, id: i64, outcome: &str, now: i64) -> Result<(), StoreError> {
    use schema::intents::dsl;
    let closed = diesel::update(dsl::intents.filter(dsl::id.eq(id)).filter(dsl::closed_at.is_null()))
        .set((dsl::closed_at.eq(now), dsl::outcome.eq(outcome)))
        .execute(db)?;
    if closed == 1 { Ok(()) } else { Err(StoreError::Stale) }
}

/// Marks that the call of an intent has ended, so that a later owner need not add the call's own limit.
pub(super) fn call_ended(db: &mut Db, id: i64) -> Result<(), StoreError> {
    use schema::intents::dsl;
    diesel::update(dsl::intents.filter(dsl::id.eq(id))).set(dsl::call_ended.eq(1)).execute(db)?;
    Ok(())
}

pub(super) fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}

fn duration(micros: i64) -> Duration {
    Duration::from_micros(micros.unsigned_abs())
}
