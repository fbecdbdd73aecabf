//! An order that Shopify's staff deleted. The topic of a webhook is in no signature, so Shopify is asked whether the order is gone:
//! only then its document parks, where the order stands in IFS or may, or is skipped by name.

use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};

use super::Connection;
use super::map_delivery::{ATTEMPTS_MAX, Ended, Given, PAUSE, commit, postpone, quarantine};
use super::rejudge::version_of;
use super::wish::{Footing, Wish};
use crate::domain::document::{DocumentKind, ParkKind};
use crate::domain::ids::ConnectionName;
use crate::domain::verdict::{Scope, Verdict};
use crate::store::{Blame, DocumentRow, Hint, Received, Store, StoreError};
use crate::telemetry::TraceId;

/// The word for it: the reason of a parked document, and the rule of a skipped one.
pub(super) const DELETED: &str = "deleted_in_shopify";

/// Younger orders a token without `read_all_orders` may see, with a day to spare.
pub(super) const SEEN_FOR: SignedDuration = SignedDuration::from_hours(59 * 24);

/// What a deleted order asks of its document: nothing of it is ever cancelled by itself.
fn wish(footing: &Footing) -> Wish {
    match footing {
        Footing::InIfs => parked(),
        Footing::NotInIfs { .. } => Wish::Skip { rule: DELETED.to_owned(), look_up: false },
    }
}

/// The same, asked again while the deletion stands: one that was parked, as an old order is, stays a person's.
///
/// # Errors
/// The store's.
pub(super) async fn wish_again(
    store: &Store,
    name: &ConnectionName,
    order_id: u64,
    footing: &Footing,
) -> Result<Wish, StoreError> {
    let document = store.document_of(DocumentKind::CustomerOrder, name, &order_id.to_string()).await?;
    let was_parked = document.and_then(|document| asked_as_deleted(&document));
    Ok(if matches!(was_parked, Some(Wish::Park { .. })) { parked() } else { wish(footing) })
}

/// What the document was asked for when its order was deleted, where it asks for that still. Content that does not read asks for
/// nothing of the kind.
fn asked_as_deleted(document: &DocumentRow) -> Option<Wish> {
    Wish::parse(&document.desired).ok().filter(is_wish_of_deleted)
}

/// Whether this is what a deleted order asks of its document.
pub(super) fn is_wish_of_deleted(wish: &Wish) -> bool {
    match wish {
        Wish::Park { code, .. } => code == DELETED,
        Wish::Skip { rule, .. } => rule == DELETED,
        Wish::Write { .. } | Wish::Cancel { .. } | Wish::Hold { .. } => false,
    }
}

/// The park of a document of a deleted order: a person decides what becomes of it in IFS. Should Shopify have the order after all, what
/// it becomes opens the park as new content; while the deletion stands, what comes late asks for the same park.
pub(super) fn parked() -> Wish {
    Wish::Park {
        kind: ParkKind::Mapping.as_str().to_owned(),
        code: DELETED.to_owned(),
        text: "the order was deleted in Shopify, as far as the app may see, and may stand in IFS: cancel it there or keep it, then run \
               `documents resolve`"
            .to_owned(),
        cancel_reason: None,
    }
}

/// Whether the order's document says that it was deleted, or will as soon as what it is at has ended: as it still does when its
/// deletion was taken back and nothing judged it since. The process may have ended between the two.
///
/// # Errors
/// The store's.
pub(super) async fn is_marked(link: &Connection, order_id: u64) -> Result<bool, StoreError> {
    let document = link.store.document_of(DocumentKind::CustomerOrder, &link.name, &order_id.to_string()).await?;
    Ok(document.is_some_and(|document| {
        let says = document.reason.as_ref().is_some_and(|reason| reason.code == DELETED);
        says || asked_as_deleted(&document).is_some()
    }))
}

/// The row of a deletion that the census found: the same one, however often.
pub(super) fn found(order_id: u64) -> Hint {
    let body = format!("{{\"id\":{order_id}}}").into_bytes();
    let body_sha256 = hex::encode(Sha256::digest(&body));
    let (key, trace_id) = (format!("{order_id}@gone"), TraceId::fresh().as_str().to_owned());
    Hint { order_id, updated_at: None, key, body, body_sha256, trace_id }
}

/// Maps a deletion.
///
/// 1. Ask Shopify: an order that it still has was not deleted. A process that dies while it waits does not die of the delivery.
/// 2. Judge the newest known version as deleted and commit; one that was never known is only remembered.
///
/// # Errors
/// The store's; the delivery stays `received` then.
pub(super) async fn map_deletion(
    link: &Connection,
    received: &Received,
    attempts: i64,
    order_id: u64,
) -> Result<Ended, StoreError> {
    // 1.
    link.store.spare_attempt(received.id).await?;
    let answer = link.shopify.order_by_id(order_id).await;
    link.store.begin_delivery(received.id).await?;
    match answer {
        Ok(None) => {}
        Ok(Some(_)) => {
            link.store.supersede_delivery(received.id, order_id, "Shopify has the order still").await?;
            return Ok(Ended::Superseded);
        }
        Err(error) => {
            let reason = format!("whether the order was deleted could not be asked: {error}");
            return match error.verdict() {
                Verdict::Reject => quarantine(link, received, reason).await,
                // An answer that does not read will not read for ever.
                Verdict::Retry { scope: Scope::Record, .. } if attempts >= ATTEMPTS_MAX => {
                    quarantine(link, received, reason).await
                }
                Verdict::Retry { scope: Scope::Record, .. } => {
                    postpone(link, received, Blame::Delivery, PAUSE, &reason).await
                }
                Verdict::Done | Verdict::Retry { scope: Scope::Remote, .. } | Verdict::Ambiguous | Verdict::NotSent => {
                    let pause = error.after().unwrap_or(PAUSE);
                    postpone(link, received, Blame::Remote, pause, &reason).await
                }
            };
        }
    }
    // 2.
    for _ in 0..3 {
        let snapshot = link.store.snapshot(&link.name, order_id).await?;
        let Some(mut version) = snapshot.as_ref().and_then(version_of) else {
            link.store.confirm_deletion(received.id, order_id).await?;
            return Ok(Ended::Superseded);
        };
        version.settled = snapshot.iter().flat_map(|known| known.reread_digests.clone()).collect();
        let footing = super::wish::footing(&link.store, &link.name, &order_id.to_string()).await?;
        let is_old = link.shopify.shop_time().is_none_or(|now| now.duration_since(version.order.created_at) > SEEN_FOR);
        // An order that the token may be too poor to see is a person's.
        let wish = if is_old { parked() } else { wish(&footing) };
        match commit(link, received, &version, snapshot.as_ref(), Given::Wish(wish)).await {
            Ok(state) => return Ok(Ended::Mapped(state)),
            Err(StoreError::Stale) => {}
            Err(error) => return Err(error),
        }
    }
    postpone(link, received, Blame::Remote, PAUSE, "the order changed while it was mapped").await
}
