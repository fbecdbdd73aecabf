//! The census: once a night the orders of the last weeks are listed by the time at which they were placed and by that of their last
//! change, and held against ours. It finds what a sweep missed, orders that are gone in Shopify, and gaps in the orders' names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::name_gaps::gaps;
use super::sweep::Swept;
use super::{Connection, deletion, hint, runs};
use crate::domain::verdict::{Scope, Verdict};
use crate::shopify::orders::{OrderHead, OrderSearch, PAGE_MAX, PageSize, SortKey};
use crate::shopify::{Lane, ShopifyClient, ShopifyError};
use crate::store::{CensusDay, Hint, HintPage, Origin, PlacedOrder, Run, RunEnd, RunOutcome, StoreError, Taken};

/// What runs, in `schedule_runs`.
pub const CENSUS: &str = "census";
/// Shopify pages no further than 25,000 objects: then another list begins where this one got to.
const LIST_MAX: usize = 20_000;
/// Orders that are asked for by id or by name in one census.
const ASKED_MAX: usize = 50;
/// Time between two censuses of which the first one failed.
const AFTER_FAILURE: Duration = Duration::from_secs(3_600);
/// Younger orders a token without `read_all_orders` may see, with a day to spare: of these, not there is gone.
const SEEN_DAYS: i64 = 59;

/// `[connections.NAME.census]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CensusSettings {
    /// How many days it looks back; 0 switches it off.
    pub days: u64,
    /// From which hour on it runs, in the shop's time zone.
    pub at_hour: u64,
    /// How many days its counts are kept.
    pub keep_days: u64,
}

/// What a census saw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Orders that Shopify lists in the window.
    pub listed: u64,
    /// Orders that Shopify counts there, where it tells exactly.
    pub counted: Option<u64>,
    /// Orders there that we knew.
    pub ours: u64,
    /// Orders that entered the inbox.
    pub entered: u64,
    /// Of those, orders of which we knew no version.
    pub missing: u64,
    /// Orders of ours that are gone in Shopify.
    pub gone: u64,
    /// Names between others that no order has.
    pub gaps: Vec<String>,
}

/// Whether a census is due: none was done today, by the shop's own calendar, and its hour has come. One that failed is taken again
/// after a while: it lists weeks of orders.
///
/// # Errors
/// The store's.
pub async fn is_due(link: &Connection) -> Result<bool, StoreError> {
    if link.census.days == 0 {
        return Ok(false);
    }
    let now = link.rules.local(link.clock.now());
    let (latest, done) = link.store.latest_runs(&link.name, CENSUS).await?;
    let since = |run: Run| Duration::try_from(link.clock.now().duration_since(run.started_at)).ok();
    let failed = latest.filter(|run| run.outcome.as_deref() == Some(RunOutcome::Failed.as_str()));
    if failed.and_then(since).is_some_and(|since| since < AFTER_FAILURE) {
        return Ok(false);
    }
    let today_done = done.is_some_and(|run| link.rules.local(run.started_at).date() == now.date());
    Ok(!today_done && u64::try_from(now.hour()).is_ok_and(|hour| hour >= link.census.at_hour))
}

/// Takes a census and records the run.
///
/// # Errors
/// The store's; [`StoreError::Fenced`] when another process owns the tenant.
pub async fn census(link: &Connection) -> Result<Swept<Counted>, StoreError> {
    let run = link.store.begin_run(&link.tenant.lease, &link.name, CENSUS, link.clock.now()).await?;
    let mut counted = Counted::default();
    let (swept, outcome, message) = match take(link, &mut counted).await {
        Ok(()) => (Swept::Done(counted.clone()), RunOutcome::Done, None),
        Err(Failure::Store(error)) => return Err(error),
        Err(Failure::Stopped) => (Swept::Stopped, RunOutcome::BrokeOff, None),
        Err(Failure::Shopify(error)) => {
            let message = error.to_string();
            tracing::warn!(connection = %link.name, error = %message, "the census failed: it is taken again in an hour");
            (Swept::Failed, RunOutcome::Failed, Some(message))
        }
    };
    let figures = serde_json::to_string(&counted).expect("numbers and texts are JSON");
    runs::end(link, (CENSUS, run), RunEnd { outcome, message, figures }).await?;
    let Counted { listed, ours, entered, missing, gone, .. } = counted;
    if entered + gone > 0 {
        tracing::warn!(
            connection = %link.name, listed, ours, entered, missing, gone,
            "the census found orders that neither a webhook nor a sweep had told"
        );
    }
    Ok(swept)
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Shopify(#[from] ShopifyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the service stops")]
    Stopped,
}

/// 1. The window, by Shopify's clock, and what we know of it.
/// 2. List it by birth, then by change; what is unknown or newer enters the inbox page by page, and what was taken for deleted.
/// 3. Ours that are not listed: those that Shopify has no more are gone.
/// 4. Names that are missing between others are asked for by name.
/// 5. Keep the result by day, and forget what is older than is asked for.
async fn take(link: &Connection, counted: &mut Counted) -> Result<(), Failure> {
    // 1.
    go_on(link)?;
    let newest = in_the_background(link).newest_order().await?;
    let Some(order) = newest.orders.first() else { return Ok(()) };
    let until = newest.shop_time.unwrap_or(order.updated_at);
    let from = until.checked_sub(days(link.census.days)).unwrap_or(Timestamp::MIN).max(link.rules.orders_from());
    let ours = link.store.orders_placed(&link.name, from, until).await?;
    // 2.
    let mut list = List { link, counted: &mut *counted, orders: BTreeMap::new() };
    list.read(from, SortKey::CreatedAt).await?;
    list.read(from, SortKey::UpdatedAt).await?;
    list.bring_back().await?;
    let listed: Vec<OrderHead> =
        list.orders.into_values().filter(|order| order.created_at >= from && order.created_at < until).collect();
    counted.listed = listed.len() as u64;
    counted.ours = ours.len() as u64;
    go_on(link)?;
    let window = OrderSearch::all().created_from(from).created_before(until).of_every_status();
    counted.counted = in_the_background(link).orders_count(&window).await?;
    if let Some(all) = counted.counted.filter(|all| *all > counted.listed) {
        tracing::warn!(
            connection = %link.name, counted = all, listed = counted.listed,
            "Shopify counts more orders than it lists: some are found in no list; try `orders sync` for the days in `census_days`"
        );
    }
    // 3.
    let gone = gone(link, &ours, &listed, until).await?;
    counted.gone = gone.len() as u64;
    // 4.
    counted.gaps = missing_names(link, &ours, &listed, until, counted).await?;
    // 5.
    let now = link.clock.now();
    let kept_from = link.rules.day_of(now.checked_sub(days(link.census.keep_days)).unwrap_or(Timestamp::MIN));
    let days = by_day(link, &ours, &listed, &gone, &counted.gaps);
    link.store.keep_census(&link.tenant.lease, &link.name, days, kept_from, now).await?;
    Ok(())
}

/// So many days as a time.
fn days(count: u64) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::try_from(count).unwrap_or(i64::MAX / 24))
}

/// Asked before each question to Shopify: a replica that stops hands over without waiting for the rest of a census.
fn go_on(link: &Connection) -> Result<(), Failure> {
    if link.is_stopping() { Err(Failure::Stopped) } else { Ok(()) }
}

/// A census makes way for orders.
fn in_the_background(link: &Connection) -> ShopifyClient {
    link.shopify.in_lane(Lane::Rest)
}

/// A list as it is read.
struct List<'a> {
    link: &'a Connection,
    counted: &'a mut Counted,
    orders: BTreeMap<u64, OrderHead>,
}

impl List<'_> {
    async fn read(&mut self, from: Timestamp, sort: SortKey) -> Result<(), Failure> {
        let mut size = PageSize::of(self.link.sweep.page_orders.min(PAGE_MAX));
        let (mut from, mut after, mut read) = (from, None::<String>, 0);
        loop {
            go_on(self.link)?;
            let search = match sort {
                SortKey::CreatedAt => OrderSearch::all().created_from(from).of_every_status(),
                SortKey::UpdatedAt => OrderSearch::all().updated_from(from).of_every_status(),
            };
            let page = in_the_background(self.link).order_page(&search, sort, after.as_deref(), &mut size).await?;
            let taken = enter(self.link, &page.orders, page.shop_time).await?;
            self.counted.entered += taken.entered;
            self.counted.missing += taken.unknown;
            read += page.orders.len();
            let times = page.orders.iter().map(|order| match sort {
                SortKey::CreatedAt => order.created_at,
                SortKey::UpdatedAt => order.updated_at,
            });
            let reached = times.min();
            self.orders.extend(page.orders.into_iter().map(|order| (order.id, order)));
            match (page.next, reached) {
                (None, _) => return Ok(()),
                (Some(_), Some(reached)) if read >= LIST_MAX && reached > from => {
                    (from, after, read) = (reached, None, 0);
                }
                (next, _) => after = next,
            }
        }
    }

    /// An order whose deletion was confirmed stands in no list: one that does is read again, whatever is known of it.
    async fn bring_back(&mut self) -> Result<(), StoreError> {
        let link = self.link;
        let back = link.store.deleted_among(&link.name, self.orders.keys().copied().collect()).await?;
        if back.is_empty() {
            return Ok(());
        }
        let hints = back.into_iter().map(|order_id| hint::of_order(order_id, link.clock.now())).collect();
        self.counted.entered += enter_hints(link, hints, None).await?.entered;
        Ok(())
    }
}

async fn enter(link: &Connection, orders: &[OrderHead], seen_at: Option<Timestamp>) -> Result<Taken, StoreError> {
    enter_hints(link, orders.iter().map(hint::of_version).collect(), seen_at).await
}

async fn enter_hints(link: &Connection, hints: Vec<Hint>, seen_at: Option<Timestamp>) -> Result<Taken, StoreError> {
    let page = HintPage {
        connection: link.name.clone(),
        origin: Origin::Census,
        topic: hint::TOPIC,
        hints,
        seen_at: seen_at.map(|at| at.to_string()),
        cursor: None,
        now: link.clock.now(),
    };
    link.store.take_hints(&link.tenant.lease, page).await
}

/// Orders of ours that Shopify does not list and does not know by their ids, of an age at which it would.
async fn gone(
    link: &Connection,
    ours: &[PlacedOrder],
    listed: &[OrderHead],
    until: Timestamp,
) -> Result<Vec<PlacedOrder>, Failure> {
    let listed: BTreeSet<u64> = listed.iter().map(|order| order.id).collect();
    let surely = until.checked_sub(SignedDuration::from_hours(24 * SEEN_DAYS)).unwrap_or(Timestamp::MIN);
    let mut unlisted: Vec<&PlacedOrder> =
        ours.iter().filter(|order| order.created_at > surely && !listed.contains(&order.order_id)).collect();
    unlisted.sort_by_key(|order| order.order_id);
    let mut gone = Vec::new();
    for order in of_tonight(unlisted, until) {
        go_on(link)?;
        let answer = match in_the_background(link).order_by_id(order.order_id).await {
            // One order's trouble keeps nobody from learning of the others.
            Err(error) if matches!(error.verdict(), Verdict::Reject | Verdict::Retry { scope: Scope::Record, .. }) => {
                tracing::warn!(
                    connection = %link.name, order_id = order.order_id, %error,
                    "whether an order is gone in Shopify could not be read: the census passes it over"
                );
                continue;
            }
            answer => answer?,
        };
        if answer.is_none() {
            let page = HintPage {
                connection: link.name.clone(),
                origin: Origin::Census,
                topic: super::ingest::ORDER_DELETED,
                hints: vec![deletion::found(order.order_id)],
                seen_at: None,
                cursor: None,
                now: link.clock.now(),
            };
            link.store.take_hints(&link.tenant.lease, page).await?;
            gone.push(order.clone());
        }
    }
    Ok(gone)
}

/// Those that are asked for in this census: not the same ones each night, where there are more than may be.
fn of_tonight<T>(mut all: Vec<T>, until: Timestamp) -> impl Iterator<Item = T> {
    let nights = usize::try_from(until.as_second() / 86_400).unwrap_or(0);
    let first = nights.wrapping_mul(ASKED_MAX) % all.len().max(1);
    all.rotate_left(first);
    all.into_iter().take(ASKED_MAX)
}

/// Names between others that no order carries; an order that turns up by its name enters the inbox.
async fn missing_names(
    link: &Connection,
    ours: &[PlacedOrder],
    listed: &[OrderHead],
    until: Timestamp,
    counted: &mut Counted,
) -> Result<Vec<String>, Failure> {
    let names = ours.iter().map(|order| order.name.as_str()).chain(listed.iter().map(|order| order.name.as_str()));
    let mut missing = Vec::new();
    for name in of_tonight(gaps(names), until) {
        go_on(link)?;
        let Some(search) = OrderSearch::all().named(&name) else { continue };
        let page =
            in_the_background(link).order_page(&search, SortKey::CreatedAt, None, &mut PageSize::of(PAGE_MAX)).await?;
        if page.orders.is_empty() {
            missing.push(name);
        } else {
            let taken = enter(link, &page.orders, page.shop_time).await?;
            counted.entered += taken.entered;
            counted.missing += taken.unknown;
        }
    }
    Ok(missing)
}

fn by_day(
    link: &Connection,
    ours: &[PlacedOrder],
    listed: &[OrderHead],
    gone: &[PlacedOrder],
    gaps: &[String],
) -> Vec<CensusDay> {
    let known: HashMap<u64, &PlacedOrder> = ours.iter().map(|order| (order.order_id, order)).collect();
    let mut days: BTreeMap<String, CensusDay> = BTreeMap::new();
    let mut day_of = |at: Timestamp, count: &dyn Fn(&mut CensusDay)| {
        let day = link.rules.day_of(at);
        count(days.entry(day.clone()).or_insert_with(|| CensusDay { day, ..CensusDay::default() }));
    };
    for order in listed {
        let standing = known.get(&order.id);
        day_of(order.created_at, &|day: &mut CensusDay| {
            day.shopify += 1;
            day.missing += i64::from(standing.is_none());
            day.newer += i64::from(standing.is_some_and(|known| known.updated_at < order.updated_at));
        });
    }
    for order in ours {
        day_of(order.created_at, &|day: &mut CensusDay| day.ours += 1);
    }
    for order in gone {
        day_of(order.created_at, &|day: &mut CensusDay| day.gone += 1);
    }
    // A name that nobody has belongs to no day: it stands with the last one.
    if let Some(mut last) = days.last_entry() {
        last.get_mut().gaps = gaps.join(" ");
    }
    days.into_values().collect()
}
