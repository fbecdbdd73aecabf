//! The three books side by side: Shopify's orders of a span of time against our documents against IFS, order by order. Reads only, of
//! both remotes and the store; goes through by pages and keeps sums and differences, never the orders.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use jiff::Timestamp;

use super::account::{Account, Difference, Entry, Standing, TooManyDigits};
use super::amend::left_cancelled;
use super::map_delivery::{Version, decode_re_read};
use super::read_back::read_many;
pub use super::reconcile_order::VISIBLE;
use super::reconcile_order::{CANCELLED_IN_IFS, Case};
use super::standing::{CLOCKS_APART, Look, StandingError};
use super::stray::{Verdict, judge};
use crate::domain::ids::ConnectionName;
use crate::ifs::IfsClient;
use crate::ifs::error::IfsError;
use crate::mapping::read::ReadOrder;
use crate::mapping::rules::Rules;
use crate::shopify::ShopifyError;
use crate::shopify::client::ShopifyClient;
use crate::shopify::orders::{OrderSearch, PageSize, SortKey};
use crate::store::{KnownOrder, NOTED, Store, StoreError};

/// Orders that are read and compared at once.
const ORDERS_AT_ONCE: usize = 25;
/// Orders that are read from Shopify beside each other; its own rate holds them back.
const READS_AT_ONCE: usize = 4;
/// Orders of one page of ours.
const OURS_AT_ONCE: i64 = 250;
/// Orders behind which a list is begun anew: Shopify's lists end at 25,000.
const LIST_MAX: usize = 20_000;
/// Keys of one batch of look-ups.
const KEYS_AT_ONCE: usize = 25;

/// Whose books are compared.
#[derive(Clone, Copy)]
pub struct Books<'a> {
    /// The connection.
    pub name: &'a ConnectionName,
    /// All connections of its tenant.
    pub names: &'a [ConnectionName],
    /// The store.
    pub store: &'a Store,
    /// The shop.
    pub shopify: &'a ShopifyClient,
    /// The tenant.
    pub ifs: &'a IfsClient,
    /// The rules.
    pub rules: &'a Rules,
    /// Now.
    pub now: Timestamp,
}

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The shop could not be read.
    #[error("Shopify cannot be read: {0}")]
    Shopify(#[from] ShopifyError),
    /// IFS could not be read.
    #[error("IFS cannot be read: {0}")]
    Ifs(#[from] IfsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// IFS holds more orders than one look goes through.
    #[error("{0}: choose later days")]
    Crowded(&'static str),
    /// A sum is too long.
    #[error(transparent)]
    TooManyDigits(#[from] TooManyDigits),
}

impl From<StandingError> for ReconcileError {
    fn from(error: StandingError) -> Self {
        match error {
            StandingError::Crowded(why) => Self::Crowded(why),
            StandingError::Ifs(error) => Self::Ifs(error),
            StandingError::Store(error) => Self::Store(error),
        }
    }
}

/// How far it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many of Shopify's orders are compared.
    Compared(usize),
    /// So many orders of ours are looked through for what Shopify did not list.
    Ours(usize),
    /// IFS is looked through for what no link explains.
    Strays,
}

/// Compares the books of the orders that were placed in a span of time.
///
/// 1. Shopify's orders, by the page: each against our document and IFS.
/// 2. Orders of ours that Shopify did not list, each asked for by its id.
/// 3. Records in IFS with our key that no link explains.
///
/// # Errors
/// [`ReconcileError`]: half an account would be none.
pub async fn reconcile(
    books: Books<'_>,
    (from, until): (Timestamp, Timestamp),
    differences_max: usize,
    progress: &mut dyn FnMut(Progress),
) -> Result<Account, ReconcileError> {
    let mut account = Account::listing(differences_max);
    let mut seen: HashSet<u64> = HashSet::new();
    // 1.
    let (mut begin, mut size) = (from, PageSize::of(250));
    let mut after: Option<String> = None;
    let mut listed = 0;
    loop {
        let search = OrderSearch::all().created_from(begin).created_before(until).of_every_status();
        let page = books.shopify.order_page(&search, SortKey::CreatedAt, after.as_deref(), &mut size).await?;
        listed += page.orders.len();
        let last = page.orders.last().map(|order| order.created_at);
        // The bounds are asked for to the second: what is beyond them is none of this time.
        let within = page.orders.iter().filter(|order| order.created_at >= from && order.created_at < until);
        let fresh: Vec<u64> = within.map(|order| order.id).filter(|id| seen.insert(*id)).collect();
        for some in fresh.chunks(ORDERS_AT_ONCE) {
            books.compare(some, &mut account).await?;
        }
        progress(Progress::Compared(seen.len()));
        after = page.next;
        if after.is_none() {
            break;
        }
        if let Some(last) = last.filter(|last| listed >= LIST_MAX && *last > begin) {
            (begin, after, listed) = (last, None, 0);
        }
    }
    // 2.
    let (mut behind, mut looked) = (0, 0);
    loop {
        let ours = books.store.ids_of_orders_placed(books.name, (from, until), behind, OURS_AT_ONCE).await?;
        let Some(last) = ours.last() else { break };
        behind = *last;
        looked += ours.len();
        let unlisted: Vec<u64> = ours.into_iter().filter(|id| seen.insert(*id)).collect();
        for some in unlisted.chunks(ORDERS_AT_ONCE) {
            books.compare(some, &mut account).await?;
        }
        progress(Progress::Ours(looked));
    }
    // 3.
    progress(Progress::Strays);
    books.strays((from, until), &seen, &mut account).await?;
    Ok(account)
}

impl Books<'_> {
    /// Compares some orders and adds them to the account.
    async fn compare(&self, ids: &[u64], account: &mut Account) -> Result<(), ReconcileError> {
        let fresh = self.fresh(ids).await?;
        let known = self.store.known_orders(self.name, ids.to_vec()).await?;
        let held = self.held(&known).await?;
        let nothing = KnownOrder::default();
        let mut entries = Vec::with_capacity(ids.len());
        for id in ids {
            let version = fresh.get(id);
            let entry = match version {
                Some(Err(reason)) => unreadable(*id, reason),
                Some(Ok(_)) | None => {
                    let fresh = version.and_then(|version| version.as_ref().ok());
                    let case = Case {
                        order_id: *id,
                        fresh: fresh.map(|version| (&version.order, version.digest.as_str())),
                        known: known.get(id).unwrap_or(&nothing),
                        held: &held,
                        rules: self.rules,
                        now: self.now,
                    };
                    self.known(case.entry()?).await?
                }
            };
            entries.push((*id, entry));
        }
        self.excuse(&known, &mut entries).await?;
        entries.into_iter().try_for_each(|(_, entry)| account.add(entry).map_err(ReconcileError::from))
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
            if let Some(bytes) = answer? {
                fresh.insert(id, decode_re_read(&bytes));
            }
        }
        Ok(fresh)
    }

    /// What IFS holds of their linked records, by number; none for those that are gone.
    async fn held(
        &self,
        known: &BTreeMap<u64, KnownOrder>,
    ) -> Result<BTreeMap<String, Option<ReadOrder>>, ReconcileError> {
        let documents = known.values().flat_map(|order| &order.documents);
        let ours = documents.filter(|document| document.origin.as_deref() != Some(NOTED));
        let numbers: Vec<String> = ours.filter_map(|document| document.order_no.clone()).collect();
        let read = read_many(self.ifs, &numbers).await?;
        Ok(numbers.into_iter().zip(read).collect())
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

    /// Adds the records in IFS that no link explains, as far as they are of these orders, or of nobody's and of this time.
    async fn strays(
        &self,
        (from, until): (Timestamp, Timestamp),
        seen: &HashSet<u64>,
        account: &mut Account,
    ) -> Result<(), ReconcileError> {
        let look = Look { ifs: self.ifs, store: self.store, rules: self.rules, names: self.names };
        let entered_from = from.checked_sub(CLOCKS_APART).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut keys: BTreeSet<String> = BTreeSet::new();
        for site in self.rules.sites() {
            let looked = look
                .unexplained(site, entered_from, &mut |one| {
                    let of_an_order = one.order_id().is_some_and(|id| seen.contains(&id));
                    let of_nobody = !one.has_document && one.is_shopifys() && one.entered.is_none_or(|at| at < until);
                    if of_an_order || of_nobody {
                        keys.insert(one.sighting.key);
                    }
                    true
                })
                .await?;
            if let Some(why) = looked.crowded {
                return Err(ReconcileError::Crowded(why));
            }
        }
        let keys: Vec<String> = keys.into_iter().collect();
        for some in keys.chunks(KEYS_AT_ONCE) {
            let records = look.records_of(some).await?;
            for key in some {
                let records = records.get(key).map_or(&[][..], Vec::as_slice);
                let known = self.store.key_standing(self.name, self.names, key).await?;
                let numbers = records.iter().map(|record| record.0.clone()).collect();
                if let Some(difference) = stray(key, numbers, judge(self.name.as_str(), key, records, &known)) {
                    account.add(Entry { difference: Some(difference), ..Entry::default() })?;
                }
            }
        }
        Ok(())
    }
}

/// What Shopify answered is no order that we can read.
fn unreadable(order_id: u64, reason: &str) -> Entry {
    let difference = Difference {
        order_id: Some(order_id),
        order_name: None,
        order_nos: Vec::new(),
        document: None,
        code: "unreadable".to_owned(),
        standing: Standing::Unexplained,
        text: format!("what Shopify answered cannot be read: {reason}"),
        currency: None,
        gaps: Vec::new(),
    };
    Entry { difference: Some(difference), ..Entry::default() }
}

/// What the judgement of a key's records comes to.
fn stray(key: &str, order_nos: Vec<String>, verdict: Verdict) -> Option<Difference> {
    let (standing, code, text, document) = match verdict {
        // A document that knows of it is told by its own state.
        Verdict::Explained | Verdict::Known => return None,
        Verdict::Later => {
            let text = format!("IFS holds a record of the key {key}, whose create is under way");
            (Standing::Open, "under_way", text, None)
        }
        Verdict::LookFirst(document) => {
            let text = format!(
                "IFS holds a record of the key {key}, whose order is still to be created: it is looked up first"
            );
            (Standing::Open, "under_way", text, Some(document.id))
        }
        Verdict::Park { document, code, text, .. } => (Standing::Unexplained, code, text, Some(document.id)),
        Verdict::Tell(strays) => {
            let first = strays.into_iter().next()?;
            (Standing::Unexplained, first.code, first.text, first.document)
        }
    };
    Some(Difference {
        order_id: super::stray::order_of(key),
        order_name: None,
        order_nos,
        document,
        code: code.to_owned(),
        standing,
        text,
        currency: None,
        gaps: Vec::new(),
    })
}
