//! What Shopify is told about an order in IFS: its number, its state and tags, in batches. To tell it twice does no harm, so a
//! call whose answer was lost is simply made again.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Connection;
use super::settling::{Outcome, failed_itself, later, settle};
use super::wish::Wish;
use crate::domain::document::{DocumentKind, ParkKind, Wanted};
use crate::domain::ids::IntentId;
use crate::domain::order::ShopifyOrderId;
use crate::domain::verdict::{Scope, Verdict};
use crate::failpoint;
use crate::mapping::late;
use crate::mapping::rules::write_back::TellBy;
use crate::mapping::rules::{LateAdditions, Rules};
use crate::shopify::ShopifyError;
use crate::shopify::write::{METAFIELDS_MAX, Metafield, UserError};
use crate::store::{Claimed, FollowUp, IntentKind, NewIntent, Reason, Settled, StoreError};

/// What this writer takes.
const KINDS: [DocumentKind; 1] = [DocumentKind::WriteBack];
/// Metafields of one order at most.
const FIELDS_PER_ORDER: usize = 2;
/// Orders of one batch.
const ORDERS_MAX: usize = METAFIELDS_MAX / FIELDS_PER_ORDER;
/// The bytes leave within this time of the intent's commit; it only tells, since the call may be repeated.
const SEND_WITHIN: Duration = Duration::from_secs(60);
/// The pause after trouble of Shopify as a whole, when it did not name one.
const REMOTE_PAUSE: Duration = Duration::from_secs(5);
/// The pause when the app lacks a scope: a person has to act.
const SCOPE_PAUSE: Duration = Duration::from_secs(300);
/// How soon to look again whether Shopify may be called.
const LEFT_ALONE_LOOK: Duration = Duration::from_secs(2);

/// What a write-back's document asks for, as it is stored in `documents.desired`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Shopify's gid of the order.
    pub order: String,
    /// IFS's `OrderNo`, where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_no: Option<String>,
    /// IFS's `Objstate`, where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The metafields' namespace.
    pub namespace: String,
    /// Tags to add.
    pub tags: Vec<String>,
}

impl Content {
    fn metafields(&self) -> Vec<Metafield> {
        let field = |key: &str, value: &Option<String>| {
            value.as_ref().filter(|value| !value.is_empty()).map(|value| Metafield {
                owner: self.order.clone(),
                namespace: self.namespace.clone(),
                key: key.to_owned(),
                value: value.clone(),
            })
        };
        [field("order_no", &self.order_no), field("state", &self.state)].into_iter().flatten().collect()
    }
}

/// What follows for Shopify from the standing of a document's order in IFS; none where nothing is told. Of an order on two
/// orders of IFS the shop is told both numbers, and the state of the first.
///
/// # Errors
/// The store's.
pub async fn told(
    link: &Connection,
    claimed: &Claimed,
    order_no: &str,
    objstate: &str,
) -> Result<Option<FollowUp>, StoreError> {
    let (rules, order_id) = (&link.rules, claimed.order_id);
    let splits = rules.settings().late_additions == LateAdditions::SecondOrder;
    if !rules.writes_back() || !splits && !late::is_second(&claimed.business_key) {
        return Ok(follow_up(rules, order_id, order_no, objstate));
    }
    // A number counts while the order is wanted.
    let number = async |key: &str| {
        let document = link.store.document_of(DocumentKind::CustomerOrder, &link.name, key).await?;
        let wanted = document.filter(|document| !matches!(Wish::parse(&document.desired), Ok(Wish::Cancel { .. })));
        Ok::<_, StoreError>(wanted.and_then(|document| document.order_no))
    };
    if !late::is_second(&claimed.business_key) {
        let second = number(&late::second_key(order_id)).await?;
        return Ok(follow_up(rules, order_id, &numbers(order_no, second.as_deref()), objstate));
    }
    let known = link.store.document_of(DocumentKind::WriteBack, &link.name, &order_id.to_string()).await?;
    let known = known.and_then(|known| serde_json::from_str::<Content>(&known.desired).ok());
    let first = number(&order_id.to_string()).await?;
    let (Some(content @ Content { order_no: Some(_), .. }), Some(first)) = (known, first) else { return Ok(None) };
    let is_wanted = !matches!(Wish::parse(&claimed.desired), Ok(Wish::Cancel { .. }));
    let order_no = numbers(&first, Some(order_no).filter(|_| is_wanted));
    Ok(Some(telling(order_id, &Content { order_no: Some(order_no), ..content })))
}

fn numbers(first: &str, second: Option<&str>) -> String {
    second.map_or_else(|| first.to_owned(), |second| format!("{first} + {second}"))
}

/// What follows for Shopify from an order as it stands in IFS; none where nothing is told.
fn follow_up(rules: &Rules, order_id: u64, order_no: &str, objstate: &str) -> Option<FollowUp> {
    if !rules.writes_back() || order_no.is_empty() {
        return None;
    }
    let settings = &rules.settings().write_back;
    let told = |by: TellBy, value: &str| (by == TellBy::Metafield).then(|| value.to_owned());
    let content = Content {
        order: ShopifyOrderId::new(order_id).gid(),
        order_no: told(settings.order_no, order_no),
        state: told(settings.state, objstate),
        namespace: settings.namespace.clone(),
        tags: rules.tags_for(order_no, objstate),
    };
    Some(telling(order_id, &content))
}

fn telling(order_id: u64, content: &Content) -> FollowUp {
    let content = serde_json::to_string(content).expect("texts always serialise");
    let digest = hex::encode(Sha256::digest(content.as_bytes()));
    FollowUp { kind: DocumentKind::WriteBack, key: order_id.to_string(), content, digest, wanted: Wanted::Write }
}

/// One document of a batch.
struct Item {
    claimed: Claimed,
    content: Content,
    intent: IntentId,
}

/// Tells Shopify what is due until nothing is. Returns how long until the next one is due.
///
/// # Errors
/// The store's.
pub async fn drain(link: &Connection) -> Result<Option<Duration>, StoreError> {
    let lease = &link.tenant.lease;
    while !link.is_stopping() {
        if link.shopify.is_left_alone() || !link.tenant.tenure.holds() {
            return Ok(Some(LEFT_ALONE_LOOK));
        }
        let most = i64::try_from(ORDERS_MAX).unwrap_or(1);
        let claimed = link.store.claim_due(lease, &link.name, &KINDS, link.clock.now(), most).await?;
        if claimed.is_empty() {
            break;
        }
        tell(link, claimed).await.inspect_err(|error| broke_off(link, error))?;
    }
    let due = link.store.next_due(&link.name, &KINDS).await?;
    Ok(due.map(|due| Duration::try_from(due.duration_since(link.clock.now())).unwrap_or(Duration::ZERO)))
}

/// What a broken batch leaves claimed is freed by the connection's other writer, as after a panic. One that lost its claims
/// left nothing.
fn broke_off(link: &Connection, error: &StoreError) {
    if !matches!(error, StoreError::Fenced) {
        link.broke_off.store(true, Ordering::Release);
    }
}

/// One batch.
///
/// 1. Commit what is about to be said; an intent that is open still stands for it.
/// 2. The metafields of all in one call. What Shopify does not take parks its own document, and the others go again.
/// 3. The tags of each.
/// 4. Settle each.
async fn tell(link: &Connection, claimed: Vec<Claimed>) -> Result<(), StoreError> {
    // 1.
    let mut items = Vec::new();
    for claimed in claimed {
        items.extend(announce(link, claimed).await?);
    }
    failpoint::hit(failpoint::WRITE_BACK_COMMITTED);
    // 2. Each round takes at least one document out, so it ends.
    while !items.is_empty() {
        let fields: Vec<(usize, Metafield)> = items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| item.content.metafields().into_iter().map(move |field| (index, field)))
            .collect();
        if fields.is_empty() {
            break;
        }
        let sent: Vec<Metafield> = fields.iter().map(|(_, field)| field.clone()).collect();
        let refused = match link.shopify.set_metafields(&sent).await {
            Ok(refused) if refused.is_empty() => break,
            Ok(refused) => refused,
            Err(error) => return end_all(link, items, &error).await,
        };
        items = without_refused(link, items, &fields, &refused).await?;
    }
    failpoint::hit(failpoint::WRITE_BACK_ANSWERED);
    // 3. and 4.
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        if !item.content.tags.is_empty() {
            match link.shopify.add_tags(&item.content.order, &item.content.tags).await {
                Ok(refused) if refused.is_empty() => {}
                Ok(refused) => {
                    park(link, &item, &refused).await?;
                    continue;
                }
                Err(error) => {
                    let rest: Vec<Item> = [item].into_iter().chain(items).collect();
                    return end_all(link, rest, &error).await;
                }
            }
        }
        failpoint::hit(failpoint::WRITE_BACK_TAGGED);
        let written = Outcome::new("write_back", item.claimed.desired_version, Settled::Written);
        let told = serde_json::to_string(&item.content).expect("texts always serialise");
        end(link, &item, written.with_base(told).closing(Some(item.intent), "told")).await?;
    }
    Ok(())
}

/// The document with its intent; none when it was settled at once.
async fn announce(link: &Connection, claimed: Claimed) -> Result<Option<Item>, StoreError> {
    let open = claimed.intent.as_ref().map(|intent| intent.id);
    let Ok(content) = serde_json::from_str::<Content>(&claimed.desired) else {
        let text =
            "documents.desired holds content that this version does not know; run the version that wrote it".to_owned();
        let parked = Outcome::park("write_back", &claimed, ParkKind::Mapping, "unreadable_content", text);
        settle(link, &claimed, parked.closing(open, "settled")).await?;
        return Ok(None);
    };
    // What was announced before and is not known to have been said is said with this.
    let intent = match open {
        Some(open) => open,
        None => {
            let new = NewIntent {
                kind: IntentKind::WriteBack,
                content: claimed.desired.clone(),
                desired_version: claimed.desired_version,
                parts: 1,
                send_by: later(link, SEND_WITHIN),
                needed: Duration::ZERO,
            };
            match link.store.open_intent(&link.tenant.lease, &claimed, new, link.clock.now()).await {
                Ok(intent) => intent,
                // The other writer's recovery took the claim away: the row is due again.
                Err(StoreError::Fenced) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    };
    Ok(Some(Item { claimed, content, intent }))
}

/// Parks what Shopify named; where it named nobody, one document alone is to blame, and several go apart.
async fn without_refused(
    link: &Connection,
    items: Vec<Item>,
    fields: &[(usize, Metafield)],
    refused: &[UserError],
) -> Result<Vec<Item>, StoreError> {
    let of = |error: &UserError| error.element_index.and_then(|at| fields.get(at)).map(|(item, _)| *item);
    let alone = items.len() == 1;
    let named = refused.iter().any(|error| of(error).is_some());
    let mut left = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let own: Vec<UserError> = refused.iter().filter(|error| of(error) == Some(index) || alone).cloned().collect();
        if !own.is_empty() {
            park(link, &item, &own).await?;
        } else if named || index == 0 {
            left.push(item);
        } else {
            let again =
                Settled::Again { own_fault: false, due_at: later(link, Duration::from_millis(1)), reason: None };
            let apart = Outcome::new("write_back", item.claimed.desired_version, again).untried();
            end(link, &item, apart.closing(Some(item.intent), "apart")).await?;
        }
    }
    Ok(left)
}

async fn park(link: &Connection, item: &Item, refused: &[UserError]) -> Result<(), StoreError> {
    let told: Vec<String> = refused.iter().map(ToString::to_string).collect();
    let text = format!(
        "Shopify did not take it: {}; the order in IFS is not touched by that: correct write_back or the order, then run `documents retry`",
        told.join("; ")
    );
    let parked = Outcome::park("write_back", &item.claimed, ParkKind::Refusal, "refused_by_shopify", text);
    end(link, item, parked.closing(Some(item.intent), "refused")).await
}

/// The call failed: all of them come again, for the shop's trouble without counting it.
async fn end_all(link: &Connection, items: Vec<Item>, error: &ShopifyError) -> Result<(), StoreError> {
    let text = error.to_string();
    for item in items {
        let claimed = &item.claimed;
        let again = |pause: Duration| {
            let reason = Reason { kind: None, code: "failed".to_owned(), text: text.clone() };
            let again = Settled::Again { own_fault: false, due_at: later(link, pause), reason: Some(reason) };
            Outcome::new("write_back", claimed.desired_version, again)
        };
        let outcome = match (error, error.verdict()) {
            (ShopifyError::Forbidden { .. }, _) => again(SCOPE_PAUSE),
            (_, Verdict::Retry { after, scope: Scope::Remote }) => again(after.unwrap_or(REMOTE_PAUSE)),
            (_, Verdict::Ambiguous | Verdict::NotSent | Verdict::Done) => again(REMOTE_PAUSE),
            (_, Verdict::Retry { after, scope: Scope::Record }) => {
                failed_itself(link, claimed, "write_back", after, &text)
            }
            (_, Verdict::Reject) => {
                let text = format!("Shopify refused it: {text}; run `documents retry` when mended");
                Outcome::park("write_back", claimed, ParkKind::Refusal, "refused_by_shopify", text)
            }
        };
        // It is said anew from the row, so nothing has to be known of this call.
        end(link, &item, outcome.closing(Some(item.intent), "failed")).await?;
    }
    Ok(())
}

/// Settles one document. A claim that the other writer's recovery took away is no failure: the row is due again.
async fn end(link: &Connection, item: &Item, outcome: Outcome) -> Result<(), StoreError> {
    match settle(link, &item.claimed, outcome).await {
        Err(StoreError::Fenced) => {
            tracing::warn!(document_id = %item.claimed.id, "a write-back was taken away while it was told: it is told again");
            Ok(())
        }
        other => other.map(drop),
    }
}
