//! The writer's loop: claims what is due, converges several documents at once up to the tenant's cap, and refills as soon
//! as one is done, so that a slow call holds up nothing but itself.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::OptionFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;

use super::Connection;
use super::converge::converge;
use crate::domain::document::DocumentKind;
use crate::store::StoreError;

/// What this writer takes: every kind of record that stands in IFS.
const KINDS: [DocumentKind; 2] = [DocumentKind::Customer, DocumentKind::CustomerOrder];
/// How soon to look again whether the remote may be called.
const LEFT_ALONE_LOOK: Duration = Duration::from_secs(2);
/// How long the loop waits for news while calls are under way.
const POLL: Duration = Duration::from_secs(1);

/// Converges due documents until none is due and none is under way. Returns how long until the next one is due.
///
/// # Errors
/// The store's, after what was under way has ended.
pub async fn drain(link: &Connection) -> Result<Option<Duration>, StoreError> {
    let most = link.tenant.limits.concurrency_max;
    // Nothing is under way here: a claim that still stands was left by a step that broke off (a store failure, a panic).
    if link.broke_off.swap(false, Ordering::AcqRel) {
        recover(link).await.inspect_err(|_| link.broke_off.store(true, Ordering::Release))?;
    }
    let mut under_way = FuturesUnordered::new();
    let mut claiming = None;
    let mut look = true;
    let mut failure = None;
    loop {
        // 1. Refill, unless we stop or failed. What is under way goes on meanwhile.
        let open = failure.is_none() && !link.is_stopping() && !is_left_alone(link);
        let room = if open { most.saturating_sub(under_way.len()) } else { 0 };
        if look && room > 0 && claiming.is_none() {
            look = false;
            let room = i64::try_from(room).unwrap_or(1);
            let claim = link.store.claim_due(&link.tenant.lease, &link.name, &KINDS, link.clock.now(), room);
            claiming = Some(Box::pin(claim));
        }
        if under_way.is_empty() && claiming.is_none() {
            break;
        }
        // 2. Wait for one to end, for what is claimed, or for news when there is room for it.
        let listens = room > 0 && claiming.is_none();
        tokio::select! {
            Some(ended) = under_way.next() => match ended {
                Ok(_) => look = true,
                Err(error) => failure = Some(error),
            },
            claimed = OptionFuture::from(claiming.as_mut()), if claiming.is_some() => {
                claiming = None;
                match claimed {
                    Some(Ok(claimed)) => under_way
                        .extend(claimed.into_iter().map(|document| async move { converge(link, &document).await })),
                    Some(Err(error)) => failure = Some(error),
                    None => {}
                }
            }
            () = link.work.notified(), if listens => look = true,
            () = tokio::time::sleep(POLL), if listens => look = true,
        }
    }
    match failure {
        Some(error) => {
            link.broke_off.store(true, Ordering::Release);
            Err(error)
        }
        None if is_left_alone(link) => Ok(Some(LEFT_ALONE_LOOK)),
        None => next_wait(link).await,
    }
}

/// Whether nothing is to be begun now: the remote is in trouble, or our lease is in doubt.
fn is_left_alone(link: &Connection) -> bool {
    link.tenant.ifs.is_left_alone() || !link.tenant.tenure.holds()
}

/// Frees what this process itself left claimed; open intents are looked up as after any owner's death.
async fn recover(link: &Connection) -> Result<(), StoreError> {
    let tenant = &link.tenant;
    let freed = link
        .store
        .take_over(&tenant.lease, vec![link.name.clone()], tenant.limits.request_timeout, link.clock.now())
        .await?;
    if freed > 0 {
        tracing::warn!(connection = %link.name, freed, "steps had broken off: their documents are free again");
    }
    Ok(())
}

async fn next_wait(link: &Connection) -> Result<Option<Duration>, StoreError> {
    let due = link.store.next_due(&link.name, &KINDS).await?;
    Ok(due.map(|due| wait_until(due, link.clock.now())))
}

fn wait_until(due: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO)
}
