//! Stock: what IFS can still sell reaches the shop's levels, and what happens to products that have run out.
//!
//! A run reads the shop first (`read_shop`), then IFS (`read_ifs`), with what orders take between both (`orders`); then every order has to
//! be known ([`books`]); then it plans (`plan`). Each page is one transaction with the run's [`Place`], so that a run that broke off goes
//! on where it was. Nothing of that writes to the shop: [`mod@write`] does, and [`outs`], in another actor. Levels that somebody changed
//! meanwhile are read and planned again by themselves (`mend`).

pub mod books;
mod figures;
mod leave;
mod mend;
mod orders;
pub mod outs;
mod outs_call;
mod place;
mod plan;
mod read_ifs;
mod read_shop;
mod rounds;
mod supply;
pub mod told;
pub mod write;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Connection, runs};
use crate::failpoint;
use crate::ifs::IfsError;
use crate::mapping::stock::fewer::FarFewer;
use crate::shopify::ShopifyError;
use crate::store::{Cursor, RunEnd, RunOutcome, StoreError};
use crate::telemetry::metric;

use books::Known;
pub use place::{Place, Seen, Step};
pub(super) use plan::sold;

/// What runs, in `schedule_runs`, and the name of its cursor.
pub const STOCK: &str = "stock";
/// The cursor by which a person asks for a run.
pub const ASKED: &str = "stock_asked";
/// A run that took longer is begun anew: what it read first may be another by now.
const RUN_MAX: SignedDuration = SignedDuration::from_hours(2);
/// How long every order is waited for before the plan is made without: then no level rises.
const BOOKS_WAIT: SignedDuration = SignedDuration::from_secs(300);
/// Time between two looks whether every order is known.
const BOOKS_LOOK: Duration = Duration::from_secs(1);
/// Time between two looks where the settings name no further time for a reading.
const NO_TIME_LOOK: Duration = Duration::from_secs(3_600);
/// Time between two looks for levels to be read again, and whether a person asks for a run.
const LOOK: Duration = Duration::from_secs(5);

/// How a poll ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// A run came to its end: the plan stands.
    Planned(Seen),
    /// Some levels were read and planned again.
    Mended(usize),
    /// A sweep has to find every order first: it is asked for, and the poll comes again.
    Sweep(Duration),
    /// Nothing is due before this time has passed.
    Waits(Duration),
    /// The service stops; the next poll goes on.
    Stopped,
    /// It could not; `schedule_runs` tells why, and the next poll goes on.
    Failed,
}

/// Why a run did not go on.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    /// The shop could not be read.
    #[error(transparent)]
    Shopify(#[from] ShopifyError),
    /// IFS could not be read.
    #[error(transparent)]
    Ifs(#[from] IfsError),
    /// The store failed, or the lease is lost.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Rows are gone that were there: nothing is sent.
    #[error("{whose}: {fewer}; if that is right, run `stock sync NAME --accept-fewer`")]
    Fewer {
        /// The site, or the shop.
        whose: String,
        /// How many.
        #[source]
        fewer: FarFewer,
    },
    /// The file of a bulk operation came to nothing: the next run begins another one.
    #[error("Shopify's bulk operation ended as {0}: nothing of it was used")]
    Bulk(String),
    /// A stored figure is none that this version wrote.
    #[error("stock_parts holds figures of {0} that this version does not know")]
    Figures(String),
}

impl StockError {
    /// Whether the run may go on where it is. Otherwise the next one begins anew.
    fn goes_on(&self) -> bool {
        match self {
            Self::Shopify(ShopifyError::Refused { .. }) | Self::Fewer { .. } | Self::Bulk(_) | Self::Figures(_) => {
                false
            }
            Self::Shopify(_) | Self::Ifs(_) | Self::Store(_) => true,
        }
    }
}

/// What a person asked for, as it is kept in `cursors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Asked {
    /// When, in microseconds since 1970.
    pub at: i64,
    /// Whether a reading with far fewer parts than the last one is used.
    pub accepts_fewer: bool,
}

/// How a step of a run ended.
enum Stepped {
    /// There is more.
    Further,
    /// It has to wait for the remote.
    Later(Duration),
    /// A sweep is waited for.
    Sweep,
    /// The run is at its end.
    Done,
}

/// Goes on with the run under way, or begins one that is due; else reads levels again that somebody changed.
///
/// # Errors
/// The store's; [`StoreError::Fenced`] when another process owns the tenant.
pub async fn poll(link: &Connection) -> Result<Polled, StoreError> {
    let stored = Place::stored(link).await?;
    let under_way = stored.as_ref().filter(|place| place.is_under_way());
    // 1. What was read long ago, or under other rules, is not planned from.
    let is_good = |place: &&Place| {
        // A clock that was set back since makes it old too.
        let age = link.clock.now().duration_since(place.began_at());
        place.rules == rules_of(link) && (SignedDuration::ZERO..=RUN_MAX).contains(&age)
    };
    let is_lost = under_way.is_some_and(|place| !is_good(&place));
    // Other settings are not waited with: what was planned under the former ones does not go out.
    let is_other = stored.as_ref().is_some_and(|place| place.rules != rules_of(link));
    if let Some(place) = under_way.filter(|place| is_lost && place.number != 0) {
        lost(link, place).await?;
    }
    // 2. What is due.
    let mut place = match under_way.filter(is_good) {
        Some(place) if place.parts.is_none() => place.clone(),
        // Levels that are read again hold up no run that is due, however often that fails: the run reads them too.
        mending => match due(link).await? {
            Due::Now { accepts_fewer } => begin(link, stored.as_ref(), accepts_fewer).await?,
            Due::In(_) if is_lost || is_other => begin(link, stored.as_ref(), false).await?,
            Due::In(wait) => match mending {
                Some(place) => place.clone(),
                None => return rest(link, stored, wait).await,
            },
        },
    };
    // 3. Step by step.
    if place.number == 0 && place.parts.is_none() {
        // What was asked for while it could not go on is asked of it.
        let since = place.began_at().as_microsecond();
        place.accepts_fewer |= asked(link).await?.is_some_and(|asked| asked.accepts_fewer && asked.at >= since);
        place.number = link.store.begin_run(&link.tenant.lease, &link.name, STOCK, link.clock.now()).await?;
        keep(link, &place).await?;
    }
    match steps(link, &mut place).await {
        Ok(polled) => Ok(polled),
        Err(StockError::Store(error)) => Err(error),
        Err(error) => failed(link, place, &error).await,
    }
}

async fn steps(link: &Connection, place: &mut Place) -> Result<Polled, StockError> {
    loop {
        if link.is_stopping() {
            return Ok(Polled::Stopped);
        }
        let stepped = match place.step.clone() {
            Step::Variants { after } => read_shop::page(link, place, after).await?,
            Step::File { id, lines } => read_shop::file(link, place, &id, lines).await?,
            Step::SalesParts { site, after } => read_ifs::sales_parts(link, place, site, after).await?,
            Step::Orders => orders::look(link, place).await?,
            Step::DemandBefore { site, after } => read_ifs::demand_before(link, place, site, after).await?,
            Step::Stock { site, after } => read_ifs::stock(link, place, site, after).await?,
            Step::DemandAfter { site, after } => read_ifs::demand_after(link, place, site, after).await?,
            Step::Mend { variants } => mend::read(link, place, &variants).await?,
            Step::Books => books_are_current(link, place).await?,
            Step::Plan { site, after } => plan::piece(link, place, site, after).await?,
            Step::Leave { after } => leave::piece(link, place, after).await?,
            Step::Rest => Stepped::Done,
        };
        match stepped {
            Stepped::Further => {}
            Stepped::Later(wait) => return Ok(Polled::Waits(wait)),
            Stepped::Sweep => return Ok(Polled::Sweep(BOOKS_LOOK)),
            Stepped::Done => return Ok(done(link, place).await?),
        }
    }
}

/// Waits until every order is known that was placed or changed before the shop was read; after a while it goes on without.
async fn books_are_current(link: &Connection, place: &mut Place) -> Result<Stepped, StockError> {
    let found = place.found;
    let known = books::look(link, place.swept, &mut place.found).await?;
    if place.found != found {
        keep(link, place).await?;
    }
    let waited = link.clock.now().duration_since(place.waits_from());
    let may_wait = (SignedDuration::ZERO..BOOKS_WAIT).contains(&waited);
    match known {
        Known::Unswept if may_wait => return Ok(Stepped::Sweep),
        Known::Sweeping | Known::Unmapped if may_wait => return Ok(Stepped::Later(BOOKS_LOOK)),
        Known::All | Known::Unswept | Known::Sweeping | Known::Unmapped => {}
    }
    // Orders that change while they are weighed are not known either.
    let all_weighed = orders::weigh_since(link, place).await?;
    if !all_weighed && may_wait {
        return Ok(Stepped::Later(BOOKS_LOOK));
    }
    place.is_current = known == Known::All && all_weighed;
    if !place.is_current {
        tracing::warn!(
            connection = %link.name,
            "not every order is known yet, as no sweep came to its end, its finds wait, or orders change as fast as they are weighed: levels fall, and none rises, until they are"
        );
    }
    place.go_to(Step::Plan { site: 0, after: None });
    keep(link, place).await?;
    Ok(Stepped::Further)
}

/// The run, or the mending, is at its end.
async fn done(link: &Connection, place: &mut Place) -> Result<Polled, StoreError> {
    if let Some(parts) = place.parts.take() {
        place.go_to(Step::Rest);
        keep(link, place).await?;
        return Ok(Polled::Mended(parts.iter().map(|(_, parts)| parts.len()).sum()));
    }
    place.is_planned();
    let number = std::mem::take(&mut place.number);
    let seen = place.seen.clone();
    link.store.forget_stock_parts(&link.tenant.lease, &link.name, place.run).await?;
    // Its row ends first: who waits for it would wait for the next run where only the place was kept before a crash.
    end(link, number, RunOutcome::Done, None, &seen).await?;
    keep(link, place).await?;
    let Seen { variants, levels, to_set, left, .. } = seen;
    tracing::info!(connection = %link.name, variants, levels, to_set, left, "stock was read and planned");
    Ok(Polled::Planned(seen))
}

/// The run could not go on: where it may, it stays where it is.
async fn failed(link: &Connection, mut place: Place, error: &StockError) -> Result<Polled, StoreError> {
    let message = in_one_line(error);
    tracing::warn!(
        connection = %link.name, error = %message,
        "the stock could not be read to its end: the shop keeps what it shows; it is tried again by itself"
    );
    if matches!(error, StockError::Fewer { .. }) {
        place.is_guarded = true;
        metrics::counter!(metric::STOCK_GUARDED_TOTAL, "connection" => link.name.as_str().to_owned()).increment(1);
    }
    let number = std::mem::take(&mut place.number);
    if !error.goes_on() {
        place.parts = None;
        place.go_to(Step::Rest);
    }
    let seen = place.seen.clone();
    keep(link, &place).await?;
    if number != 0 {
        end(link, number, RunOutcome::Failed, Some(message), &seen).await?;
    }
    Ok(Polled::Failed)
}

/// A run that does not go on: it is told why. Begun anew it may come to the same, which only a person can mend.
async fn lost(link: &Connection, place: &Place) -> Result<(), StoreError> {
    let step = place.step.told();
    let message = if place.rules != rules_of(link) {
        format!("it was given up while it {step}: the settings of the connection are others now")
    } else if link.clock.now() < place.began_at() {
        format!("it was given up while it {step}: the clock was set back to before its beginning")
    } else {
        let hours = RUN_MAX.as_hours();
        format!(
            "it was given up while it {step}: what it read first is {hours} hours old. Where each run ends so, IFS or Shopify answers too slowly, \
             or too little is read at once: see docs/operations.md, \"Stock\""
        )
    };
    tracing::warn!(connection = %link.name, %message, "the stock is read anew");
    end(link, place.number, RunOutcome::Failed, Some(message), &place.seen).await
}

/// An error with what caused it, in one line.
fn in_one_line(error: &StockError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

async fn end(
    link: &Connection,
    number: i64,
    outcome: RunOutcome,
    message: Option<String>,
    seen: &Seen,
) -> Result<(), StoreError> {
    let figures = serde_json::to_string(seen).expect("numbers and texts are JSON");
    runs::end(link, (STOCK, number), RunEnd { outcome, message, figures }).await
}

/// When a run is due.
enum Due {
    Now {
        /// Whether far fewer parts than at the last reading are taken for the truth, as a person says.
        accepts_fewer: bool,
    },
    In(Duration),
}

/// A run that failed and cannot go on waits for its time like one that was done.
async fn due(link: &Connection) -> Result<Due, StoreError> {
    let (latest, _) = link.store.latest_runs(&link.name, STOCK).await?;
    let began = latest.map(|run| run.started_at);
    let asked = asked(link).await?;
    // What is asked for in the future was asked by another clock: it counts from then on.
    let now = link.clock.now();
    let asked = asked.filter(|asked| asked.at <= now.as_microsecond());
    let asked = asked.filter(|asked| began.is_none_or(|began| asked.at > began.as_microsecond()));
    let accepts_fewer = asked.is_some_and(|asked| asked.accepts_fewer);
    let Some(began) = began.filter(|_| asked.is_none()) else { return Ok(Due::Now { accepts_fewer }) };
    // Due also where the last one is of the future: the wall clock was set back since.
    if began > now {
        return Ok(Due::Now { accepts_fewer });
    }
    let next = link.stock.next_after(began, &link.rules.settings().time_zone);
    let wait = next.map(|next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
    Ok(match wait.unwrap_or(NO_TIME_LOOK) {
        Duration::ZERO => Due::Now { accepts_fewer },
        wait => Due::In(wait),
    })
}

/// No run is due: levels that were changed meanwhile are read again.
async fn rest(link: &Connection, place: Option<Place>, wait: Duration) -> Result<Polled, StoreError> {
    let Some(mut place) = place.filter(|place| place.planned != 0) else { return Ok(Polled::Waits(wait.min(LOOK))) };
    if place.rules != rules_of(link) || place.is_guarded {
        return Ok(Polled::Waits(wait.min(LOOK)));
    }
    let mended = match mend::begin(link, &mut place).await {
        Ok(false) => return Ok(Polled::Waits(wait.min(LOOK))),
        Ok(true) => steps(link, &mut place).await,
        Err(error) => Err(error),
    };
    match mended {
        Ok(polled) => Ok(polled),
        Err(StockError::Store(error)) => Err(error),
        Err(error) => failed(link, place, &error).await,
    }
}

/// A new run. What the one before has planned is told on.
async fn begin(link: &Connection, before: Option<&Place>, accepts_fewer: bool) -> Result<Place, StoreError> {
    let (lease, now) = (&link.tenant.lease, link.clock.now());
    let number = link.store.begin_run(lease, &link.name, STOCK, now).await?;
    let mut place = Place::begun(number, rules_of(link), now);
    place.accepts_fewer = accepts_fewer;
    if let Some(before) = before {
        place.follows(before);
        if before.rules != place.rules {
            // What was planned under other settings does not go out any more.
            link.store.age_stock_plans(lease, &link.name, Timestamp::MAX, now).await?;
            // Another line may be another part now.
            link.store.weigh_again(lease, &link.name).await?;
        }
    }
    keep(link, &place).await?;
    Ok(place)
}

async fn asked(link: &Connection) -> Result<Option<Asked>, StoreError> {
    runs::kept(link, ASKED).await
}

/// What decides how a reading is understood: it is not used under other rules.
fn rules_of(link: &Connection) -> String {
    format!("{} {}", link.rules.revision(), link.stock.revision())
}

/// Where the run stands, as it is stored beside what it has read.
fn cursor(place: &Place) -> Cursor {
    runs::cursor(STOCK, place)
}

async fn keep(link: &Connection, place: &Place) -> Result<(), StoreError> {
    runs::keep(link, STOCK, place).await
}

/// Passes the two points round a page.
async fn stored(kept: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
    failpoint::hit(failpoint::STOCK_PAGE_READ);
    kept.await?;
    failpoint::hit(failpoint::STOCK_PAGE_STORED);
    Ok(())
}
