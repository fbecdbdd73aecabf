//! Some orders in the three books: what is read of each, at once for all of them, and the entries that come of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;

use super::account::{Difference, Entry, Standing};
use super::amend::left_cancelled;
use super::map_delivery::{Version, decode_re_read};
use super::read_back::read_many;
use super::reconcile::{Asked, Books, Depth, ReconcileError};
use super::reconcile_listing::{Chunk, Item};
use super::reconcile_order::{CANCELLED_IN_IFS, Case};
use super::rejudge::version_of;
use crate::domain::verdict::{Scope, Verdict};
use crate::ifs::error::IfsError;
use crate::mapping::inbound::confirms;
use crate::mapping::read::ReadOrder;
use crate::shopify::ShopifyError;
use crate::shopify::figures::ListedOrder;
use crate::store::{KnownOrder, NOTED};

/// Orders of one chunk that are read from Shopify beside each other; its own rate holds them back.
const READS_AT_ONCE: usize = 2;

/// What IFS holds, by number; none where it has no such order.
type Held = BTreeMap<String, Option<ReadOrder>>;
/// Why IFS's answer of an order could not be read, by number.
type Unread = BTreeMap<String, String>;

/// What came of a chunk.
pub(super) struct Compared {
    /// How many orders it had.
    pub(super) orders: usize,
    /// Their entries, in the order of the chunk.
    pub(super) entries: Vec<Entry>,
    /// Orders without a document of ours of which somebody has to know.
    pub(super) unlinked: Vec<u64>,
    /// Everything placed before this instant is compared with it.
    pub(super) closes: Option<Timestamp>,
}

impl Books<'_> {
    /// Compares a chunk.
    ///
    /// 1. What we know, and what Shopify says: the version that we know where Shopify's figures confirm it, else the order by its id.
    /// 2. What IFS holds.
    /// 3. An entry for each.
    pub(super) async fn compare(&self, asked: &Asked, chunk: Chunk) -> Result<Compared, ReconcileError> {
        let Chunk { items, closes } = chunk;
        if items.is_empty() {
            return Ok(Compared { orders: 0, entries: Vec::new(), unlinked: Vec::new(), closes });
        }
        // 1.
        let known = self.store.known_orders(self.name, items.iter().map(Item::id).collect()).await?;
        let nothing = KnownOrder::default();
        let known_of = |id: u64| known.get(&id).unwrap_or(&nothing);
        let mut versions: BTreeMap<u64, Result<Version, String>> = BTreeMap::new();
        let mut unsure = Vec::new();
        for item in &items {
            let confirmed = match (item, asked.depth) {
                (Item::Listed(listed), Depth::Changed) => confirmed(listed, known_of(item.id())),
                (Item::Listed(_), Depth::Whole) | (Item::Ours(..), _) => None,
            };
            match confirmed {
                Some(version) => {
                    versions.insert(item.id(), Ok(version));
                }
                None => unsure.push(item.id()),
            }
        }
        versions.extend(self.fresh(&unsure).await?);
        // 2.
        let (held, unread) = self.held(&known).await?;
        let unread_of = |id: u64| {
            let numbers = known_of(id).documents.iter().filter_map(|document| document.order_no.as_ref());
            numbers.filter_map(|number| unread.get(number)).next()
        };
        // 3.
        let mut entries = Vec::with_capacity(items.len());
        for item in &items {
            let (id, version) = (item.id(), versions.get(&item.id()));
            if stands_elsewhere(item, version, asked.span) {
                continue;
            }
            let entry = match (version, unread_of(id)) {
                (Some(Err(reason)), _) => unreadable(id, format!("what Shopify answered cannot be read: {reason}")),
                (_, Some(reason)) => unreadable(id, reason.clone()),
                (Some(Ok(_)) | None, None) => {
                    let fresh = version.and_then(|version| version.as_ref().ok());
                    let case = Case {
                        order_id: id,
                        fresh: fresh.map(|version| (&version.order, version.digest.as_str())),
                        known: known_of(id),
                        held: &held,
                        rules: self.rules,
                        now: self.now,
                    };
                    self.known(case.entry()?).await?
                }
            };
            entries.push((id, entry));
        }
        self.excuse(&known, &mut entries).await?;
        let is_unlinked = |(id, entry): &(u64, Entry)| {
            let told = entry.difference.as_ref().is_some_and(|one| one.standing != Standing::Explained);
            told && known_of(*id).documents.is_empty()
        };
        let unlinked = entries.iter().filter(|one| is_unlinked(one)).map(|(id, _)| *id).collect();
        let entries = entries.into_iter().map(|(_, entry)| entry).collect();
        Ok(Compared { orders: items.len(), entries, unlinked, closes })
    }

    /// Orders that moved on while the books were read, one after the other, are under way: their books are of several moments.
    async fn excuse(
        &self,
        known: &BTreeMap<u64, KnownOrder>,
        entries: &mut [(u64, Entry)],
    ) -> Result<(), ReconcileError> {
        let unexplained = |entry: &Entry| {
            entry.difference.as_ref().is_some_and(|difference| difference.standing == Standing::Unexplained)
        };
        let asked: Vec<u64> = entries.iter().filter(|(_, entry)| unexplained(entry)).map(|(id, _)| *id).collect();
        if asked.is_empty() {
            return Ok(());
        }
        let now = self.store.known_orders(self.name, asked.clone()).await?;
        for (id, entry) in entries.iter_mut().filter(|(id, _)| asked.contains(id)) {
            let has_moved = known.get(id).map(KnownOrder::versions) != now.get(id).map(KnownOrder::versions);
            if let Some(difference) = entry.difference.as_mut().filter(|_| has_moved) {
                difference.standing = Standing::Open;
                difference.code = "under_way".to_owned();
                difference.text = "it moved on while the books were read".to_owned();
            }
        }
        Ok(())
    }

    /// What Shopify says of these orders now; those that it does not know are missing.
    async fn fresh(&self, ids: &[u64]) -> Result<BTreeMap<u64, Result<Version, String>>, ReconcileError> {
        let reads = stream::iter(ids.iter().copied())
            .map(|id| async move { (id, self.shopify.order_by_id(id).await) })
            .buffer_unordered(READS_AT_ONCE);
        let answers: Vec<(u64, Result<Option<Bytes>, ShopifyError>)> = reads.collect().await;
        let mut fresh = BTreeMap::new();
        for (id, answer) in answers {
            match answer {
                Ok(Some(bytes)) => {
                    fresh.insert(id, decode_re_read(&bytes));
                }
                Ok(None) => {}
                Err(error) if is_its_own(error.verdict()) => {
                    fresh.insert(id, Err(error.to_string()));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(fresh)
    }

    /// What IFS holds of their linked records, by number; none for those that are gone. And why some could not be read.
    async fn held(&self, known: &BTreeMap<u64, KnownOrder>) -> Result<(Held, Unread), ReconcileError> {
        let documents = known.values().flat_map(|order| &order.documents);
        let ours = documents.filter(|document| document.origin.as_deref() != Some(NOTED));
        let numbers: Vec<String> = ours.filter_map(|document| document.order_no.clone()).collect();
        let read = read_many(self.ifs, &numbers).await?;
        let (mut held, mut unread) = (Held::new(), Unread::new());
        for (number, read) in numbers.into_iter().zip(read) {
            match read {
                Ok(read) => {
                    held.insert(number, read);
                }
                // A missing grant is of every order alike.
                Err(error @ IfsError::Forbidden { .. }) => return Err(error.into()),
                Err(error) if is_its_own(error.verdict()) || matches!(error, IfsError::Undecodable(_)) => {
                    let reason = format!("what IFS answered of {number} cannot be read: {error}");
                    unread.insert(number, reason);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok((held, unread))
    }

    /// That a person cancelled an order in IFS is known where a step has met it, and nobody has done anything about it in Shopify.
    async fn known(&self, mut entry: Entry) -> Result<Entry, ReconcileError> {
        let Some(difference) = entry.difference.as_mut().filter(|one| one.code == CANCELLED_IN_IFS) else {
            return Ok(entry);
        };
        let Some(document) = difference.document else { return Ok(entry) };
        let attempts = self.store.attempts_of(document).await?;
        let last = attempts.last().and_then(|(_, attempt)| attempt.detail.as_deref()).unwrap_or_default();
        if difference.order_nos.iter().any(|order_no| last.starts_with(&left_cancelled(order_no))) {
            difference.standing = Standing::Open;
            difference.text.push_str(", as a step of ours has seen: cancel it in Shopify too");
        }
        Ok(entry)
    }
}

/// The version that we know, where Shopify's list says that it still stands: the same time of change, the same figures.
fn confirmed(listed: &ListedOrder, known: &KnownOrder) -> Option<Version> {
    let snapshot = known.snapshot.as_ref().filter(|snapshot| snapshot.updated_at == listed.head.updated_at)?;
    let mut version = version_of(snapshot)?;
    let order = &version.order;
    let stands = order.not_whole().is_none()
        && order.name == listed.head.name
        && order.is_cancelled() == listed.head.is_cancelled
        && confirms(&listed.figures, order);
    // As it was digested when it came: what is compared is the version, not this code.
    version.digest.clone_from(&snapshot.digest);
    stands.then_some(version)
}

/// An order of ours that Shopify did not list at the time at which we have it: where it was placed at another time of the span, it is
/// listed there.
fn stands_elsewhere(
    item: &Item,
    version: Option<&Result<Version, String>>,
    (from, until): (Timestamp, Timestamp),
) -> bool {
    match (item, version) {
        (Item::Ours(_, placed_at), Some(Ok(version))) => {
            let at = version.order.created_at;
            at != *placed_at && at >= from && at < until
        }
        (Item::Ours(..) | Item::Listed(_), _) => false,
    }
}

/// Whether an error is of one record, so that the others can be read.
fn is_its_own(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Reject | Verdict::Retry { scope: Scope::Record, .. })
}

/// What a remote answered is no order that we can read.
fn unreadable(order_id: u64, text: String) -> Entry {
    let difference = Difference {
        order_id: Some(order_id),
        order_name: None,
        order_nos: Vec::new(),
        document: None,
        code: "unreadable".to_owned(),
        standing: Standing::Unexplained,
        text,
        currency: None,
        gaps: Vec::new(),
    };
    Entry { difference: Some(difference), ..Entry::default() }
}
