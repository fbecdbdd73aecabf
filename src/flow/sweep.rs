//! The sweep: what no webhook told is found in Shopify's list of orders, by the time of their last change. It reads forward from
//! behind the mark that the last sweep reached; each page enters the inbox in the transaction that moves the cursor.
//!
//! Time is Shopify's throughout: the mark is a change of the shop's own, and no later than its clock when the reading began.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Connection, heard, hint, runs};
use crate::failpoint;
use crate::planted;
use crate::shopify::orders::{OrderPage, OrderSearch, PageSize, SortKey};
use crate::shopify::{Lane, ShopifyError};
use crate::store::{HintPage, Origin, Received, RunEnd, RunOutcome, StoreError, Taken};
use crate::telemetry::metric;

/// What runs, in `schedule_runs`, and the name of its cursor.
pub const SWEEP: &str = "sweep";
/// Shopify pages no further than this.
const PAGED_MAX: u64 = 25_000;

/// `[connections.NAME.sweep]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SweepSettings {
    /// Time between two sweeps; 0 switches it off.
    pub every_secs: u64,
    /// How far a sweep looks back behind the mark.
    pub overlap_secs: u64,
    /// How far the very first one looks back behind the newest change.
    pub first_days: u64,
    /// Orders of one page.
    pub page_orders: u32,
    /// Orders of one reading of the list; then another begins where it got to.
    pub reading_orders: u64,
    /// How long a webhook may be on its way.
    pub webhook_grace_secs: u64,
}

impl SweepSettings {
    /// Time between two sweeps; none when it is switched off.
    pub fn every(&self) -> Option<Duration> {
        (self.every_secs > 0).then(|| Duration::from_secs(self.every_secs))
    }
}

/// How a sweep ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swept<T = Figures> {
    /// It read everything.
    Done(T),
    /// It could not; it is told in `schedule_runs` why, and the cursor stands where the last stored page left it.
    Failed,
    /// The service stops; the next one goes on from the cursor.
    Stopped,
}

/// What a sweep saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// Pages read.
    pub pages: u64,
    /// Orders on them.
    pub orders: u64,
    /// Orders that entered the inbox.
    pub entered: u64,
    /// Of those, orders of which we knew no version.
    pub unknown: u64,
    /// How long the shop has sent no webhook although it sells; 0 while all is well.
    pub silent_secs: i64,
}

impl Figures {
    fn add(&mut self, page: &OrderPage, taken: Taken) {
        self.pages += 1;
        self.orders += page.orders.len() as u64;
        self.entered += taken.entered;
        self.unknown += taken.unknown;
    }
}

/// Where the sweep stands, as it is kept in `cursors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// Every change up to here was read, as far as Shopify's list had it.
    mark: Option<At>,
    /// The reading that is under way.
    reading: Option<Reading>,
}

/// One reading of the list, from a lower bound to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reading {
    /// Its lower bound.
    from: At,
    /// Shopify's cursor behind the last page that was stored.
    after: Option<String>,
    /// The newest change that it saw.
    newest: Option<At>,
    /// Shopify's clock at its first page.
    began: Option<At>,
    /// Orders that it read.
    orders: u64,
}

/// An instant, kept as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct At(Timestamp);

impl TryFrom<String> for At {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, jiff::Error> {
        text.parse().map(Self)
    }
}

impl From<At> for String {
    fn from(at: At) -> Self {
        at.0.to_string()
    }
}

/// Why a sweep could not go on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Shopify(#[from] ShopifyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "more orders carry one time of change, {at}, than Shopify pages: run `orders sync CONNECTION --since` with that day"
    )]
    Crowded {
        /// Where it does not go on.
        at: Timestamp,
    },
}

/// Sweeps once and records the run.
///
/// # Errors
/// The store's; [`StoreError::Fenced`] when another process owns the tenant.
pub async fn sweep(link: &Connection) -> Result<Swept, StoreError> {
    let run = link.store.begin_run(&link.tenant.lease, &link.name, SWEEP, link.clock.now()).await?;
    let mut figures = Figures::default();
    let read = read_on(link, &mut figures).await;
    let (swept, outcome, message) = match read {
        Ok(Ended::Whole) => (Swept::Done(figures), RunOutcome::Done, None),
        Ok(Ended::Stopped) => (Swept::Stopped, RunOutcome::BrokeOff, None),
        Err(Failure::Store(error)) => return Err(error),
        Err(failure) => {
            let message = failure.to_string();
            tracing::warn!(
                connection = %link.name, error = %message,
                "the sweep failed: what no webhook told is not found until it works again; it is tried again by itself"
            );
            (Swept::Failed, RunOutcome::Failed, Some(message))
        }
    };
    let figures_text = serde_json::to_string(&figures).expect("numbers are JSON");
    runs::end(link, (SWEEP, run), RunEnd { outcome, message, figures: figures_text }).await?;
    if figures.entered > 0 {
        let Figures { orders, entered, unknown, .. } = figures;
        tracing::info!(connection = %link.name, orders, entered, unknown, "the sweep found orders that were not told yet");
    }
    Ok(swept)
}

enum Ended {
    Whole,
    Stopped,
}

/// 1. Go on with the reading that broke off, else begin one behind the mark.
/// 2. Read a page; commit its hints together with the cursor.
/// 3. At the end of the list the mark moves; at the end of what may be paged another reading begins where this one got to.
async fn read_on(link: &Connection, figures: &mut Figures) -> Result<Ended, Failure> {
    let mut position = stored_position(link).await?;
    let mut size = PageSize::of(link.sweep.page_orders);
    let mut begun_anew = false;
    loop {
        if link.is_stopping() {
            return Ok(Ended::Stopped);
        }
        // 1.
        let resumed = position.reading.as_ref().is_some_and(|reading| reading.after.is_some());
        let mut reading = match position.reading.take() {
            Some(reading) => reading,
            None => match first_bound(link, position.mark).await? {
                Some(from) => Reading { from: At(from), after: None, newest: None, began: None, orders: 0 },
                // A shop without any order.
                None => return Ok(Ended::Whole),
            },
        };
        // 2.
        let search = OrderSearch::all().updated_from(reading.from.0).of_every_status();
        let read = link
            .shopify
            .in_lane(Lane::Rest)
            .order_page(&search, SortKey::UpdatedAt, reading.after.as_deref(), &mut size)
            .await;
        let page = match read {
            Ok(page) => page,
            // A cursor that Shopify does not take any more: the reading begins anew from where the mark stands, once in a run.
            Err(error @ ShopifyError::Refused { .. }) if resumed && !begun_anew => {
                begun_anew = true;
                tracing::warn!(connection = %link.name, %error, "the sweep's page cursor is refused: it reads anew from its mark");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let whole = reading.take_in(&page, &mut position.mark, &link.sweep)?;
        position.reading = (whole == Whole::No).then_some(reading);
        let found = hints(link, &page, &position);
        if planted::is(planted::CURSOR_BEFORE_PAGE) {
            let cursor_alone = HintPage { hints: Vec::new(), ..found.clone() };
            link.store.take_hints(&link.tenant.lease, cursor_alone).await?;
        }
        failpoint::hit(failpoint::SWEEP_PAGE_READ);
        let taken = link.store.take_hints(&link.tenant.lease, found).await?;
        failpoint::hit(failpoint::SWEEP_PAGE_STORED);
        figures.add(&page, taken);
        // 3.
        if whole == Whole::Yes {
            if let (Some(newest), Some(shop_time)) = (position.mark, page.shop_time) {
                figures.silent_secs = heard::silence(link, newest.0, shop_time).await?.as_secs();
            }
            return Ok(Ended::Whole);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    /// It goes on behind this page, or with another reading where this one got as far as can be paged.
    No,
}

impl Reading {
    /// Takes a page in and moves the mark where that may be.
    ///
    /// Inside a reading it may not: an order that changed after Shopify sorted its list shows a time that later pages have not
    /// reached. The smallest time of the last page is safe, as no order shows an older time than it was sorted by.
    fn take_in(&mut self, page: &OrderPage, mark: &mut Option<At>, limits: &SweepSettings) -> Result<Whole, Failure> {
        let times = || page.orders.iter().map(|order| At(order.updated_at));
        self.began = self.began.or(page.shop_time.map(At));
        self.newest = self.newest.max(times().max());
        self.orders += page.orders.len() as u64;
        self.after.clone_from(&page.next);
        if self.after.is_none() {
            let reached = self.newest.map(|newest| newest.min(self.began.unwrap_or(newest)));
            *mark = (*mark).max(reached);
            return Ok(Whole::Yes);
        }
        if self.orders < limits.reading_orders {
            return Ok(Whole::No);
        }
        // The next reading goes on where this one got to, by the overlap behind it where that is further than where it began.
        let Some(reached) = times().min().filter(|reached| *reached > self.from) else {
            return if self.orders < PAGED_MAX { Ok(Whole::No) } else { Err(Failure::Crowded { at: self.from.0 }) };
        };
        *mark = (*mark).max(Some(reached));
        let overlapping = At(behind(reached.0, limits.overlap_secs));
        let from = if overlapping > self.from { overlapping } else { reached };
        *self = Self { from, after: None, newest: self.newest, began: self.began, orders: 0 };
        Ok(Whole::No)
    }
}

/// Where a reading begins: behind the mark by the overlap. Without a mark, `first_days` behind the newest change, but not behind
/// the go-live: older orders are not ours.
async fn first_bound(link: &Connection, mark: Option<At>) -> Result<Option<Timestamp>, ShopifyError> {
    if let Some(mark) = mark {
        return Ok(Some(behind(mark.0, link.sweep.overlap_secs)));
    }
    let newest = link.shopify.in_lane(Lane::Rest).newest_order().await?;
    let newest = newest.orders.first().map(|order| order.updated_at);
    Ok(newest.map(|newest| behind(newest, link.sweep.first_days * 86_400).max(link.rules.orders_from())))
}

fn behind(at: Timestamp, secs: u64) -> Timestamp {
    let span = SignedDuration::from_secs(i64::try_from(secs).unwrap_or(i64::MAX));
    at.checked_sub(span).unwrap_or(Timestamp::MIN)
}

async fn stored_position(link: &Connection) -> Result<Position, StoreError> {
    Ok(runs::kept(link, SWEEP).await?.unwrap_or_default())
}

fn hints(link: &Connection, page: &OrderPage, position: &Position) -> HintPage {
    HintPage {
        connection: link.name.clone(),
        origin: Origin::Sweep,
        topic: hint::TOPIC,
        hints: page.orders.iter().map(hint::of_version).collect(),
        seen_at: page.shop_time.map(|at| at.to_string()),
        cursor: Some(runs::cursor(SWEEP, position)),
        now: link.clock.now(),
    }
}

/// Counts an order that was found before a webhook told it, and tells one whose webhook is overdue.
pub(super) fn count_found(link: &Connection, received: &Received, told_at: Option<Timestamp>) {
    if received.origin == Origin::Webhook {
        return;
    }
    let labels = || [("connection", link.name.as_str().to_owned()), ("origin", received.origin.as_str().to_owned())];
    metrics::counter!(metric::ORDERS_FOUND_TOTAL, &labels()).increment(1);
    let seen_at: Option<Timestamp> = received.triggered_at.as_deref().and_then(|text| text.parse().ok());
    let (Some(seen_at), Some(told_at)) = (seen_at, told_at) else { return };
    let grace = SignedDuration::from_secs(i64::try_from(link.sweep.webhook_grace_secs).unwrap_or(i64::MAX));
    if seen_at.duration_since(told_at) > grace {
        metrics::counter!(metric::ORDERS_UNTOLD_TOTAL, &labels()).increment(1);
    }
}
