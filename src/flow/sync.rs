//! Orders read on demand: one by its number or name, or all of a range, page by page or by a bulk operation. What is found enters
//! the inbox as hints; how far it came stands in `cursors`, so that the same request goes on where it broke off.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::hint;
use crate::clock::Clock;
use crate::domain::ids::ConnectionName;
use crate::shopify::bulk::BulkState;
use crate::shopify::orders::{OrderHead, OrderSearch, PAGE_MAX, PageSize, SortKey};
use crate::shopify::{ShopifyClient, ShopifyError};
use crate::store::{Cursor, Hint, HintPage, Origin, Store, StoreError};

/// From so many orders on a range is read by a bulk operation: paging ends at 25,000 objects, and costs more long before.
pub const BULK_FROM: u64 = 5_000;
/// Lines of a bulk file that are committed at once.
const LINES_AT_ONCE: usize = 250;
/// First pause between two looks at a bulk operation; doubled up to the longest.
const LOOK_FIRST: Duration = Duration::from_millis(500);
const LOOK_MAX: Duration = Duration::from_secs(15);
/// A request that broke off longer ago than this is begun anew: what it has collected may lack what came since.
const RESUMED_SECS_MAX: u64 = 3_600;
/// How often a bulk file that breaks off is opened again.
const OPENINGS_MAX: usize = 3;

/// Who reads: a command, beside a service that may run or not.
#[derive(Debug)]
pub struct Desk<'a> {
    /// The connection.
    pub connection: &'a ConnectionName,
    /// The way to speak to its shop.
    pub shopify: &'a ShopifyClient,
    /// The store.
    pub store: &'a Store,
    /// The clock.
    pub clock: &'a Clock,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which orders.
    pub which: Which,
    /// Of which statuses a range is read.
    pub statuses: Statuses,
    /// Whether anything is entered.
    pub manner: Manner,
    /// From how many orders on it is a bulk operation; [`BULK_FROM`].
    pub bulk_from: u64,
}

/// Which orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one with this number.
    Id(u64),
    /// Those of this name.
    Name(String),
    /// Those that were placed or last changed in this time.
    Range {
        /// From here on.
        since: Timestamp,
        /// Before this.
        until: Option<Timestamp>,
    },
}

/// Of which statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statuses {
    /// Of every one.
    Every,
    /// Those that were archived alone.
    Archived,
}

/// Whether anything is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// What is found enters the inbox.
    Enter,
    /// It is only counted.
    DryRun,
}

/// What was found so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synced {
    /// Orders read.
    pub orders: u64,
    /// Orders of which we know this version or a newer one.
    pub known: u64,
    /// Orders that entered the inbox, or would.
    pub entered: u64,
    /// Of those, orders of which we knew no version.
    pub unknown: u64,
    /// Orders that stood in the inbox already.
    pub standing: u64,
}

/// Why it did not end.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Shopify.
    #[error("Shopify: {0}")]
    Shopify(#[from] ShopifyError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text cannot be an order's name.
    #[error("that is no name of an order")]
    NoName,
    /// The shop has no such order, or the token may not see it.
    #[error("the shop has no such order, or the app may not see it: orders older than 60 days need read_all_orders")]
    NotFound,
    /// The bulk operation came to nothing.
    #[error("Shopify's bulk operation ended as {0}: nothing of it was used; run the same command again")]
    Bulk(String),
}

/// Where a range stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Position {
    /// Shopify's cursor behind the last page.
    after: Option<String>,
    /// The bulk operation that runs for it.
    bulk: Option<Bulk>,
    /// What was found so far.
    synced: Synced,
    /// When it began, in seconds; an older one is begun anew, as it would tell of the past.
    began: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Bulk {
    id: String,
    /// Lines of its file that are committed.
    lines: u64,
}

/// Reads what is asked for. `tell` hears how far it is.
///
/// # Errors
/// It did not end; the same request goes on where this one broke off.
pub async fn sync(desk: &Desk<'_>, asked: &Asked, tell: &dyn Fn(String)) -> Result<Synced, SyncError> {
    let all = match asked.statuses {
        Statuses::Every => OrderSearch::all().of_every_status(),
        Statuses::Archived => OrderSearch::all().archived(),
    };
    match &asked.which {
        Which::Id(id) => one(desk, asked, *id).await,
        Which::Name(name) => few(desk, asked, all.named(name).ok_or(SyncError::NoName)?).await,
        Which::Range { since, until } => range(desk, asked, all.touched_between(*since, *until), tell).await,
    }
}

/// The order of a number is no matter of a search's index.
async fn one(desk: &Desk<'_>, asked: &Asked, id: u64) -> Result<Synced, SyncError> {
    if desk.shopify.order_by_id(id).await?.is_none() {
        return Err(SyncError::NotFound);
    }
    let mut synced = Synced::default();
    enter(desk, asked, vec![hint::of_order(id, desk.clock.now())], None, &mut synced).await?;
    Ok(synced)
}

/// Has the service read an order again, whatever is known of it: the next reading decides what becomes of it.
///
/// # Errors
/// The store's.
pub async fn ask_again(
    store: &Store,
    connection: &ConnectionName,
    order_id: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let page = HintPage {
        connection: connection.clone(),
        origin: Origin::Sync,
        topic: hint::TOPIC,
        hints: vec![hint::of_order(order_id, now)],
        seen_at: None,
        cursor: None,
        now,
    };
    store.take_asked_hints(page).await.map(drop)
}

/// Orders that a person named are read whatever we know of them.
async fn few(desk: &Desk<'_>, asked: &Asked, search: OrderSearch) -> Result<Synced, SyncError> {
    let page = desk.shopify.order_page(&search, SortKey::CreatedAt, None, &mut PageSize::of(PAGE_MAX)).await?;
    if page.orders.is_empty() {
        return Err(SyncError::NotFound);
    }
    let now = desk.clock.now();
    let hints = page.orders.iter().map(|order| hint::of_order(order.id, now)).collect();
    let mut synced = Synced::default();
    enter(desk, asked, hints, None, &mut synced).await?;
    Ok(synced)
}

/// 1. Go on where the same request broke off.
/// 2. Count: a long range is a bulk operation.
/// 3. Read it, each page committed with the cursor behind it.
async fn range(
    desk: &Desk<'_>,
    asked: &Asked,
    search: OrderSearch,
    tell: &dyn Fn(String),
) -> Result<Synced, SyncError> {
    let name = cursor_name(&search);
    // 1.
    let mut position = match desk.store.cursor(desk.connection, &name).await? {
        Some(text) if asked.manner == Manner::Enter => {
            let position: Position =
                serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { table: "cursors", column: "value" })?;
            if desk.clock.now().as_second().abs_diff(position.began) > RESUMED_SECS_MAX {
                tell("an earlier request of these words is too old to go on with: it begins anew".to_owned());
                fresh(desk)
            } else {
                tell(format!("going on behind {} orders", position.synced.orders));
                position
            }
        }
        Some(_) | None => fresh(desk),
    };
    // 2.
    let began = position.after.is_some() || position.bulk.is_some();
    let count = if began { None } else { desk.shopify.orders_count(&search).await? };
    if let Some(count) = count {
        tell(format!("{count} orders in that range"));
    }
    let by_bulk = position.bulk.is_some() || (!began && count.is_none_or(|count| count >= asked.bulk_from));
    // 3.
    if by_bulk {
        bulk(desk, asked, &search, &name, &mut position, tell).await?;
    } else {
        pages(desk, asked, &search, &name, &mut position, tell).await?;
    }
    forget(desk, asked, &name).await?;
    Ok(position.synced)
}

async fn pages(
    desk: &Desk<'_>,
    asked: &Asked,
    search: &OrderSearch,
    name: &str,
    position: &mut Position,
    tell: &dyn Fn(String),
) -> Result<(), SyncError> {
    let mut size = PageSize::of(PAGE_MAX);
    let mut begun_anew = false;
    loop {
        let read = desk.shopify.order_page(search, SortKey::CreatedAt, position.after.as_deref(), &mut size).await;
        let page = match read {
            // A page cursor that Shopify does not take any more.
            Err(ShopifyError::Refused { .. }) if position.after.is_some() && !begun_anew => {
                (begun_anew, *position) = (true, fresh(desk));
                tell("Shopify does not go on where it was: it begins anew".to_owned());
                continue;
            }
            read => read?,
        };
        position.after.clone_from(&page.next);
        commit(desk, asked, &page.orders, name, position).await?;
        tell(format!("{} orders read, {} entered", position.synced.orders, position.synced.entered));
        if page.next.is_none() {
            return Ok(());
        }
    }
}

/// 1. Start the operation, unless one runs for this request; remember its id before anything else.
/// 2. Look until it is done.
/// 3. Read its file behind the lines that are committed already, and count that it was whole.
async fn bulk(
    desk: &Desk<'_>,
    asked: &Asked,
    search: &OrderSearch,
    name: &str,
    position: &mut Position,
    tell: &dyn Fn(String),
) -> Result<(), SyncError> {
    // 1.
    let id = match &position.bulk {
        Some(bulk) => bulk.id.clone(),
        None => {
            let id = desk.shopify.start_bulk_orders(search).await?;
            position.bulk = Some(Bulk { id: id.clone(), lines: 0 });
            commit(desk, asked, &[], name, position).await?;
            tell("Shopify collects them in a bulk operation".to_owned());
            id
        }
    };
    // 2.
    let (url, objects) = match done(desk.shopify, &id, &|objects| tell(collected(objects))).await? {
        BulkState::Done { url: Some(url), objects } => (url, objects),
        BulkState::Done { url: None, .. } | BulkState::Running { .. } => return Ok(()),
        BulkState::Ended { why } => {
            // The next request starts another one.
            forget(desk, asked, name).await?;
            return Err(SyncError::Bulk(why));
        }
    };
    // 3.
    let mut openings = 1;
    while let Err(error) = lines(desk, asked, &url, name, position, tell).await {
        let passes = matches!(error, SyncError::Shopify(ShopifyError::Lost(_) | ShopifyError::NotConnected(_)));
        if !passes || openings == OPENINGS_MAX {
            return Err(error);
        }
        openings += 1;
    }
    let read = position.bulk.as_ref().map_or(0, |bulk| bulk.lines);
    if read != objects {
        forget(desk, asked, name).await?;
        return Err(SyncError::Bulk(format!("a file of {read} lines instead of {objects}")));
    }
    Ok(())
}

/// What is told while Shopify collects orders in bulk.
pub(super) fn collected(objects: u64) -> String {
    format!("Shopify has collected {objects} orders")
}

/// Looks until a bulk operation has ended.
pub(super) async fn done(shopify: &ShopifyClient, id: &str, tell: &dyn Fn(u64)) -> Result<BulkState, ShopifyError> {
    let mut pause = LOOK_FIRST;
    loop {
        match shopify.bulk_state(id).await? {
            BulkState::Running { objects } => {
                tell(objects);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LOOK_MAX);
            }
            ended => return Ok(ended),
        }
    }
}

async fn lines(
    desk: &Desk<'_>,
    asked: &Asked,
    url: &str,
    name: &str,
    position: &mut Position,
    tell: &dyn Fn(String),
) -> Result<(), SyncError> {
    let mut file = desk.shopify.open_bulk_file(url).await?;
    let mut skipped = 0;
    loop {
        let mut orders = file.next_orders(LINES_AT_ONCE).await?;
        if orders.is_empty() {
            return Ok(());
        }
        let Some(bulk) = &mut position.bulk else { return Ok(()) };
        // Lines that an earlier try committed.
        let behind = usize::try_from(bulk.lines - skipped).unwrap_or(usize::MAX).min(orders.len());
        orders.drain(..behind);
        skipped += behind as u64;
        bulk.lines += orders.len() as u64;
        skipped += orders.len() as u64;
        commit(desk, asked, &orders, name, position).await?;
        tell(format!("{} orders read, {} entered", position.synced.orders, position.synced.entered));
    }
}

/// Commits a page together with where it leads. The position counts it already.
async fn commit(
    desk: &Desk<'_>,
    asked: &Asked,
    orders: &[OrderHead],
    name: &str,
    position: &mut Position,
) -> Result<(), SyncError> {
    let hints: Vec<Hint> = orders.iter().map(hint::of_version).collect();
    let before = position.synced;
    let mut counted = before;
    if asked.manner == Manner::DryRun {
        enter(desk, asked, hints, None, &mut counted).await?;
        position.synced = counted;
        return Ok(());
    }
    // What entered is known only afterwards; the cursor holds the figures up to the page before.
    let value = serde_json::to_string(position).expect("texts and numbers are JSON");
    enter(desk, asked, hints, Some(Cursor { name: name.to_owned(), value }), &mut counted).await?;
    position.synced = counted;
    Ok(())
}

async fn enter(
    desk: &Desk<'_>,
    asked: &Asked,
    hints: Vec<Hint>,
    cursor: Option<Cursor>,
    synced: &mut Synced,
) -> Result<(), StoreError> {
    let orders = hints.len() as u64;
    let page = HintPage {
        connection: desk.connection.clone(),
        origin: Origin::Sync,
        topic: hint::TOPIC,
        hints,
        seen_at: desk.shopify.shop_time().map(|at| at.to_string()),
        cursor,
        now: desk.clock.now(),
    };
    let taken = match asked.manner {
        Manner::Enter => desk.store.take_asked_hints(page).await?,
        Manner::DryRun => desk.store.weigh_hints(page).await?,
    };
    synced.orders += orders;
    synced.known += taken.known;
    synced.entered += taken.entered;
    synced.unknown += taken.unknown;
    synced.standing += taken.standing;
    Ok(())
}

/// A request that is over begins anew the next time; one that only counts leaves another's position alone.
async fn forget(desk: &Desk<'_>, asked: &Asked, name: &str) -> Result<(), StoreError> {
    match asked.manner {
        Manner::Enter => desk.store.forget_cursor(desk.connection, name).await,
        Manner::DryRun => Ok(()),
    }
}

fn fresh(desk: &Desk<'_>) -> Position {
    Position { began: desk.clock.now().as_second(), ..Position::default() }
}

/// The request by its content: the same words go on, others begin anew.
fn cursor_name(search: &OrderSearch) -> String {
    let digest: String = hex::encode(Sha256::digest(search.as_str().as_bytes())).chars().take(16).collect();
    format!("sync {digest}")
}
