//! Asking Shopify once for an order whose payload can't tell: its answer wins. An answer that never comes, or stays too
//! old, leaves the order to a person.

use jiff::Timestamp;

use super::map_delivery::{ATTEMPTS_MAX, Ended, Given, PAUSE, Version, commit, decode_re_read, postpone, quarantine};
use super::wish::Wish;
use super::{Connection, SecretUse};
use crate::domain::verdict::{Scope, Verdict};
use crate::failpoint;
use crate::shopify::ShopifyError;
use crate::store::{Blame, Received, Snapshot, StoreError};

/// The code of an order that parks because Shopify did not tell it.
pub const NOT_CONFIRMED: &str = "not_confirmed_by_shopify";

/// A delivery whose order has to be re-read.
pub(super) struct Case<'a> {
    /// The connection.
    pub(super) link: &'a Connection,
    /// The delivery.
    pub(super) received: &'a Received,
    /// How often it was tried, this time included.
    pub(super) attempts: i64,
    /// The order that it tells of.
    pub(super) order_id: u64,
    /// The `updated_at` that it told; an older answer is asked for again.
    pub(super) told_at: Option<Timestamp>,
    /// What the delivery brought.
    pub(super) brought: Brought,
    /// The version that it brought; the known one where it only names its order.
    pub(super) trigger: Option<&'a Version>,
    /// The version that we know.
    pub(super) snapshot: Option<&'a Snapshot>,
}

/// What a delivery brought of its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// A version of it.
    Version,
    /// That something happened to it, and nothing else.
    News,
}

/// What came of asking.
pub(super) enum ReRead {
    /// Shopify has the order.
    Newest {
        /// The version that it holds.
        fresh: Box<Version>,
        /// Whether its deletion was known until now, and is taken back.
        came_back: bool,
    },
    /// The delivery ended otherwise.
    Ended(Ended),
}

/// Reads the order by its id.
///
/// # Errors
/// The store's.
pub(super) async fn re_read(case: &Case<'_>, why: &'static str) -> Result<ReRead, StoreError> {
    case.link.store.spare_attempt(case.received.id).await?;
    let answer = case.link.shopify.order_by_id(case.order_id).await;
    case.link.store.begin_delivery(case.received.id).await?;
    failpoint::hit(failpoint::RE_READ_ANSWERED);
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return case.failed(&error, why).await.map(ReRead::Ended),
    };
    let Some(bytes) = answer else {
        return case.not_there().await.map(ReRead::Ended);
    };
    let mut fresh = match decode_re_read(&bytes) {
        Ok(fresh) => fresh,
        Err(reason) => return case.give_up(&format!("the re-read order: {reason}")).await.map(ReRead::Ended),
    };
    if fresh.order.id.get() != case.order_id {
        return case.give_up("Shopify answered another order").await.map(ReRead::Ended);
    }
    // An order that can be read was not deleted, whatever was told before.
    let came_back = case.link.store.was_deleted(&case.link.name, case.order_id).await?;
    if came_back {
        case.link.store.revoke_deletion(&case.link.name, case.order_id).await?;
    }
    let known = case.snapshot.map_or(Timestamp::MIN, |known| known.updated_at);
    let told = case.told_at.unwrap_or(Timestamp::MIN);
    if fresh.order.updated_at < told.max(known) {
        return case.again_or_give_up("Shopify answered an older version").await.map(ReRead::Ended);
    }
    // The answer wins, but for what this road does not tell.
    for sale in [case.trigger.map(|trigger| trigger.order.sale()), case.snapshot.map(|known| known.sale)] {
        fresh.order.remember(sale.unwrap_or_default());
    }
    // The digests that it settles are remembered for this updated_at.
    if let Some(known) = case.snapshot.filter(|known| known.updated_at == fresh.order.updated_at) {
        fresh.settled.clone_from(&known.reread_digests);
        fresh.settled.push(known.digest.clone());
    }
    fresh.settled.extend(case.trigger.map(|trigger| trigger.digest.clone()));
    fresh.settled.sort();
    fresh.settled.dedup();
    Ok(ReRead::Newest { fresh: Box::new(fresh), came_back })
}

impl Case<'_> {
    async fn failed(&self, error: &ShopifyError, why: &'static str) -> Result<Ended, StoreError> {
        let order_id = self.order_id;
        tracing::warn!(trace_id = %self.received.trace_id, order_id, %error, why, "the re-read failed");
        let reason = format!("re-read failed: {error}");
        match error.verdict() {
            Verdict::Retry { after, scope: Scope::Remote } => {
                postpone(self.link, self.received, Blame::Remote, after.unwrap_or(PAUSE), &reason).await
            }
            Verdict::Done | Verdict::Ambiguous | Verdict::NotSent => {
                postpone(self.link, self.received, Blame::Remote, PAUSE, &reason).await
            }
            Verdict::Retry { scope: Scope::Record, .. } => self.again_or_give_up(&reason).await,
            Verdict::Reject => self.give_up(&format!("Shopify refused the re-read: {error}")).await,
        }
    }

    /// Shopify does not know the order: no wonder where its deletion is known.
    async fn not_there(&self) -> Result<Ended, StoreError> {
        if self.attempts >= ATTEMPTS_MAX && self.link.store.was_deleted(&self.link.name, self.order_id).await? {
            self.link.store.supersede_delivery(self.received.id, self.order_id, "the order was deleted").await?;
            return Ok(Ended::Superseded);
        }
        self.again_or_give_up("Shopify does not know the order").await
    }

    async fn again_or_give_up(&self, reason: &str) -> Result<Ended, StoreError> {
        if self.attempts >= ATTEMPTS_MAX {
            self.give_up(reason).await
        } else {
            postpone(self.link, self.received, Blame::Delivery, PAUSE, reason).await
        }
    }

    /// Leaves it to a person: no answer of Shopify's will make it whole. An order that only a shared secret vouches for
    /// gets no rows at all: it may be another shop's. Nor does one of which no version is known.
    ///
    /// What only names its order stays to be read: its row ends quarantined beside the parked order, and is taken up again.
    async fn give_up(&self, reason: &str) -> Result<Ended, StoreError> {
        let Some(trigger) = self.trigger else {
            let reason = format!("{reason}; nothing is known of order {} but its number", self.order_id);
            return quarantine(self.link, self.received, reason).await;
        };
        if self.link.secret_use == SecretUse::SharedApp && self.snapshot.is_none() {
            let reason = format!("{reason}; the shared webhook secret does not tell whose order it is");
            return quarantine(self.link, self.received, reason).await;
        }
        let park = Wish::Park {
            kind: "mapping".to_owned(),
            code: NOT_CONFIRMED.to_owned(),
            text: format!("{reason}; look at the order in Shopify, then run `documents retry`"),
            cancel_reason: None,
        };
        let given = match self.brought {
            Brought::Version => Given::Wish(park),
            Brought::News => Given::Unread(park, reason.to_owned()),
        };
        match commit(self.link, self.received, trigger, self.snapshot, given).await {
            Ok(state) => Ok(Ended::Mapped(state)),
            Err(StoreError::Stale) => {
                let reason = "the order changed while it was mapped";
                postpone(self.link, self.received, Blame::Remote, PAUSE, reason).await
            }
            Err(error) => Err(error),
        }
    }
}
