//! The three books side by side: Shopify's orders of a span of time against our documents against IFS, order by order. Reads only, of
//! both remotes and the store; goes through by time and keeps sums and differences, never the orders. Where it stands is kept in
//! `cursors`, so that the same request goes on where it broke off.

use std::collections::{BTreeMap, BTreeSet};

use futures::{TryStreamExt as _, stream};
use jiff::Timestamp;

use super::account::{Account, Difference, Entry, Standing, TooManyDigits};
use super::reconcile_listing::Listing;
pub use super::reconcile_order::VISIBLE;
use super::reconcile_place::{Place, forget};
use super::standing::{CLOCKS_APART, Look, StandingError};
use super::stray::{Verdict, judge, order_of};
use crate::clock::Clock;
use crate::domain::ids::ConnectionName;
use crate::ifs::IfsClient;
use crate::ifs::error::IfsError;
use crate::mapping::rules::Rules;
use crate::shopify::ShopifyError;
use crate::shopify::client::ShopifyClient;
use crate::store::{Store, StoreError};

/// Orders after which the place is kept.
pub const KEPT_AFTER: u64 = 1_000;
/// Keys of one batch of look-ups.
const KEYS_AT_ONCE: usize = 25;
/// Orders whose time is looked up at once.
const ORDERS_AT_ONCE: usize = 250;

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
    /// Batches of reads of IFS under way at one time.
    pub ifs_reads_max: usize,
    /// Parts of one such batch.
    pub batch_parts_max: usize,
    /// The rules.
    pub rules: &'a Rules,
    /// The moment by which is judged what may still be on its way.
    pub now: Timestamp,
    /// The clock by which a place that was kept grows old.
    pub clock: &'a Clock,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Orders placed from here on, and before there.
    pub span: (Timestamp, Timestamp),
    /// Most differences that are listed.
    pub differences_max: usize,
    /// Which orders are read whole.
    pub depth: Depth,
    /// Whether it goes on where the same request broke off.
    pub manner: Manner,
    /// From how many orders on Shopify's list is a bulk operation; `sync::BULK_FROM`.
    pub bulk_from: u64,
    /// Orders after which the place is kept; [`KEPT_AFTER`].
    pub kept_after: u64,
}

/// Which orders are read whole from Shopify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Those of which we do not know the version that Shopify's list states, or know other figures of it.
    Changed,
    /// Every one.
    Whole,
}

/// Whether an earlier request of the same words counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It goes on where that one broke off.
    GoOn,
    /// It begins anew.
    Anew,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Reconciled {
    /// The account.
    pub account: Account,
    /// When it began: where it went on after a break, some of it is of that time.
    pub began: Timestamp,
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
    /// The file of a bulk operation cannot be used: it begins anew by pages then.
    #[error("the file of Shopify's bulk operation {0}")]
    File(&'static str),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// So many orders are compared.
    Compared {
        /// Those of the runs that this one goes on with counted too.
        orders: u64,
        /// Of about so many, where Shopify said.
        about: Option<u64>,
    },
    /// IFS is looked through for what no link explains.
    Strays,
    /// Something to be told.
    Note(String),
}

/// Who hears of it.
pub type Tell<'t> = &'t dyn Fn(Progress);

/// Compares the books of the orders that were placed in a span of time.
///
/// 1. Take up the place of the same request, or begin.
/// 2. Orders by the time at which they were placed, Shopify's list beside ours: each in the three books. The place is kept.
/// 3. Records in IFS with our key that no link explains.
///
/// # Errors
/// [`ReconcileError`]: half an account would be none. The same request goes on where this one broke off.
pub async fn reconcile(books: Books<'_>, asked: &Asked, tell: Tell<'_>) -> Result<Reconciled, ReconcileError> {
    // 1.
    let (mut place, mut account) = Place::take_up(books, asked, tell).await?;
    // 2.
    loop {
        match books.orders(asked, &mut place, &mut account, tell).await {
            Ok(()) => break,
            Err(ReconcileError::File(why)) if !place.by_pages => {
                tell(Progress::Note(format!("the file of Shopify's bulk operation {why}: it begins anew by pages")));
                (place, account) = Place::beginning(books, asked);
                place.by_pages = true;
            }
            Err(error) => return Err(error),
        }
    }
    // 3.
    tell(Progress::Strays);
    books.strays(asked.span, &place.unlinked, &mut account).await?;
    forget(books).await?;
    Ok(Reconciled { account, began: place.began() })
}

impl Books<'_> {
    /// Adds the orders from the place on. Several chunks are under way at one time; they are counted in their order.
    async fn orders(
        &self,
        asked: &Asked,
        place: &mut Place,
        account: &mut Account,
        tell: Tell<'_>,
    ) -> Result<(), ReconcileError> {
        let listing = Listing::open(*self, asked, (&mut *place, &*account), tell).await?;
        let about = place.about;
        let chunks = stream::try_unfold(listing, |mut listing| async move {
            Ok::<_, ReconcileError>(listing.next_chunk().await?.map(|chunk| (chunk, listing)))
        });
        let compared = chunks.map_ok(|chunk| self.compare(asked, chunk)).try_buffered(self.ifs_reads_max.max(1));
        let mut compared = std::pin::pin!(compared);
        while let Some(some) = compared.try_next().await? {
            some.entries.into_iter().try_for_each(|entry| account.add(entry))?;
            place.unlinked.extend(some.unlinked);
            place.orders += some.orders as u64;
            if let Some(mark) = some.closes {
                place.reach(*self, asked, (mark, &*account)).await?;
            }
            if some.orders > 0 {
                tell(Progress::Compared { orders: place.orders, about });
            }
        }
        Ok(())
    }

    /// Adds the records in IFS that no link explains, as far as they are of orders of this time, or of nobody's and of this time.
    async fn strays(
        &self,
        (from, until): (Timestamp, Timestamp),
        unlinked: &BTreeSet<u64>,
        account: &mut Account,
    ) -> Result<(), ReconcileError> {
        let look = Look { ifs: self.ifs, store: self.store, rules: self.rules, names: self.names };
        let entered_from = from.checked_sub(CLOCKS_APART).unwrap_or(Timestamp::UNIX_EPOCH);
        let (mut keys, mut unsure): (BTreeSet<String>, BTreeMap<u64, Vec<String>>) = Default::default();
        for site in self.rules.sites() {
            let looked = look
                .unexplained(site, entered_from, &mut |one| {
                    let of_nobody = !one.has_document && one.is_shopifys() && one.entered.is_none_or(|at| at < until);
                    match one.order_id() {
                        Some(id) if !of_nobody && !unlinked.contains(&id) => {
                            unsure.entry(id).or_default().push(one.sighting.key);
                        }
                        None if !of_nobody => {}
                        Some(_) | None => {
                            keys.insert(one.sighting.key);
                        }
                    }
                    true
                })
                .await?;
            if let Some(why) = looked.crowded {
                return Err(ReconcileError::Crowded(why));
            }
        }
        let ids: Vec<u64> = unsure.keys().copied().collect();
        for some in ids.chunks(ORDERS_AT_ONCE) {
            for (id, known) in self.store.known_orders(self.name, some.to_vec()).await? {
                if known.placed_at.is_some_and(|at| at >= from && at < until) {
                    keys.extend(unsure.remove(&id).unwrap_or_default());
                }
            }
        }
        self.judge_strays(look, keys.into_iter().collect(), account).await
    }

    async fn judge_strays(
        &self,
        look: Look<'_>,
        keys: Vec<String>,
        account: &mut Account,
    ) -> Result<(), ReconcileError> {
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
        order_id: order_of(key),
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
