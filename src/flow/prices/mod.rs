//! Prices: what IFS asks for a part reaches the shop's variants, and price lists of markets, once a day.
//!
//! A run compares what the stock's latest reading told of the shop and of the sales parts: it begins behind such a reading, and reads itself only
//! what customers pay and what price lists fix. Each piece of it is one transaction, and a run that broke off goes on behind the last one. Nothing
//! of that writes to the shop: [`write`] does, in another actor.

mod plan;
pub mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::Connection;
use super::stock::STOCK;
use crate::domain::money::Currency;
use crate::ifs::IfsError;
use crate::mapping::stock::prices::PriceRules;
use crate::mapping::stock::settings::{PriceSource, PriceTax};
use crate::shopify::{Lane, ShopifyClient, ShopifyError};
use crate::store::{Cursor, Run, RunEnd, RunOutcome, StoreError};
use crate::telemetry::metric;

/// What runs, in `schedule_runs`, and the name of its cursor.
pub const PRICES: &str = "prices";
/// The cursor by which a person asks for a run.
pub const ASKED: &str = "prices_asked";
/// Time between two looks whether a run is due.
const LOOK: Duration = Duration::from_secs(5);

/// How a poll ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Polled {
    /// A run came to its end: the plan stands.
    Planned(Seen),
    /// Nothing is due before this time has passed.
    Waits(Duration),
    /// The service stops; the next poll goes on.
    Stopped,
    /// It could not; `schedule_runs` tells why, and the next poll goes on.
    Failed,
}

/// Why a run did not go on.
#[derive(Debug, thiserror::Error)]
enum PriceError {
    /// The shop could not be read.
    #[error(transparent)]
    Shopify(#[from] ShopifyError),
    /// IFS could not be asked.
    #[error(transparent)]
    Ifs(#[from] IfsError),
    /// The store failed, or the lease is lost.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The settings mean another currency than the shop.
    #[error("the shop counts in {0}, and prices.currency is another one: no price is compared")]
    Currency(String),
    /// The settings say otherwise than the shop whether its prices have their tax in them.
    #[error("the shop says otherwise than prices.tax whether its prices have their tax in them: no price is compared")]
    Tax,
}

/// What a person asked for, as it is kept in `cursors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// When, in microseconds since 1970.
    pub at: i64,
}

/// What a run has seen, over all lists.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Prices that were compared.
    pub compared: u64,
    /// Prices that are right.
    pub right: u64,
    /// Prices that are to be set.
    pub to_set: u64,
    /// Prices that hold from a later day on.
    pub later: u64,
    /// Prices that wait for a person.
    pub parked: u64,
    /// Variants that are left alone: no active sales part, or one that another variant is too.
    pub left: u64,
}

/// Where a run stands, as it is kept in `cursors` behind each piece.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// Marks what it has planned; 0 where no run is under way.
    pub run: i64,
    /// Its row in `schedule_runs`; 0 where that has ended.
    number: i64,
    /// The rules under which it compares.
    rules: String,
    /// Which of [`targets`].
    target: usize,
    /// Behind which sales part.
    after: Option<String>,
    /// What it has seen.
    pub seen: Seen,
}

impl Place {
    /// Where the run of a connection stands; none before the first one.
    async fn stored(link: &Connection) -> Result<Option<Self>, StoreError> {
        let Some(text) = link.store.cursor(&link.name, PRICES).await? else { return Ok(None) };
        let corrupt = StoreError::Corrupt { table: "cursors", column: "value" };
        serde_json::from_str(&text).map(Some).map_err(|_| corrupt)
    }
}

/// A list of prices that follows IFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'r> {
    /// Shopify's number of the price list; 0 for the shop's own prices.
    pub list: u64,
    /// Its currency.
    pub currency: Currency,
    /// Whether its prices have their tax in them.
    tax: PriceTax,
    /// The customer in IFS whose prices it has; none for the list prices of sales parts.
    customer_no: Option<&'r str>,
}

/// The lists of a connection, the shop's own prices first.
pub fn targets(rules: &PriceRules) -> Vec<Target<'_>> {
    let settings = rules.settings();
    let customer_no = match settings.source {
        PriceSource::PriceQuery => Some(settings.customer_no.as_str()),
        PriceSource::Off | PriceSource::SalesPart => None,
    };
    let own = rules.currency().filter(|_| settings.source != PriceSource::Off);
    let own = own.map(|currency| Target { list: 0, currency, tax: settings.tax, customer_no });
    let lists = rules.lists().iter().map(|list| Target {
        list: list.id,
        currency: list.currency,
        tax: list.tax,
        customer_no: Some(&list.customer_no),
    });
    own.into_iter().chain(lists).collect()
}

/// Goes on with the run under way, or begins one that is due.
///
/// # Errors
/// The store's; [`StoreError::Fenced`] when another process owns the tenant.
pub async fn poll(link: &Connection) -> Result<Polled, StoreError> {
    let rules = rules_of(link);
    let stored = Place::stored(link).await?;
    let mut place = match stored.filter(|place| place.run != 0 && place.rules == rules) {
        Some(place) => place,
        None if is_due(link).await? => Place { rules, ..Place::default() },
        None => return Ok(Polled::Waits(LOOK)),
    };
    if place.number == 0 {
        place.number = link.store.begin_run(&link.tenant.lease, &link.name, PRICES, link.clock.now()).await?;
        if place.run == 0 {
            place.run = place.number;
        }
        keep(link, &place).await?;
    }
    match lists(link, &mut place).await {
        Ok(true) => done(link, place).await,
        Ok(false) => Ok(Polled::Stopped),
        Err(PriceError::Store(error)) => Err(error),
        Err(error) => failed(link, place, &error).await,
    }
}

/// List by list, piece by piece; false where the service stops before the end.
async fn lists(link: &Connection, place: &mut Place) -> Result<bool, PriceError> {
    let targets = targets(&link.prices);
    while let Some(target) = targets.get(place.target) {
        let fixed = match target.list {
            0 => own_currency(link, *target).await?,
            _ => fixed_prices(link, *target).await?,
        };
        let Some(fixed) = fixed else {
            // What is planned of it stays as it is.
            place.target += 1;
            keep(link, place).await?;
            continue;
        };
        while plan::piece(link, place, *target, &fixed).await? {
            if link.is_stopping() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Prices are read and written behind the orders.
fn behind_orders(link: &Connection) -> ShopifyClient {
    link.shopify.in_lane(Lane::Rest)
}

/// Makes sure that the shop's own prices are in the currency of the settings, and with or without tax as those say.
async fn own_currency(link: &Connection, target: Target<'_>) -> Result<Option<BTreeMap<u64, Decimal>>, PriceError> {
    let shop = behind_orders(link).stock_shop().await?;
    if shop.currency_code != target.currency.code() {
        return Err(PriceError::Currency(shop.currency_code));
    }
    if shop.taxes_included != (target.tax == PriceTax::Included) {
        return Err(PriceError::Tax);
    }
    Ok(Some(BTreeMap::new()))
}

/// The prices that a market's price list fixes, by variant; none where the shop has no such list, or one of another currency. All of them are
/// held while their list is compared, a few bytes each: Shopify gives them in an order that is not ours.
async fn fixed_prices(link: &Connection, target: Target<'_>) -> Result<Option<BTreeMap<u64, Decimal>>, PriceError> {
    let shopify = behind_orders(link);
    let (mut fixed, mut after): (BTreeMap<u64, Decimal>, Option<String>) = (BTreeMap::new(), None);
    loop {
        let page = shopify.price_list_page(target.list, after.as_deref()).await?;
        let Some(page) = page.filter(|page| page.currency_code == target.currency.code()) else {
            tracing::warn!(
                connection = %link.name, list = target.list,
                "prices.price_lists names a list that the shop does not have in this currency: its prices stay as they are"
            );
            return Ok(None);
        };
        fixed.extend(page.prices.into_iter().map(|price| (price.variant_id, price.amount)));
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(Some(fixed)),
        }
    }
}

/// The run is at its end.
async fn done(link: &Connection, place: Place) -> Result<Polled, StoreError> {
    keep(link, &Place::default()).await?;
    let Place { number, seen, .. } = place;
    end(link, number, RunOutcome::Done, None, &seen).await?;
    let Seen { compared, right, to_set, later, parked, left } = seen;
    tracing::info!(connection = %link.name, compared, right, to_set, later, parked, left, "prices were compared");
    Ok(Polled::Planned(seen))
}

/// The run could not go on, and stays where it is.
async fn failed(link: &Connection, mut place: Place, error: &PriceError) -> Result<Polled, StoreError> {
    let message = error.to_string();
    tracing::warn!(
        connection = %link.name, error = %message,
        "prices could not be compared to their end: the shop keeps its own; it is tried again by itself"
    );
    let number = std::mem::take(&mut place.number);
    keep(link, &place).await?;
    end(link, number, RunOutcome::Failed, Some(message), &place.seen).await?;
    Ok(Polled::Failed)
}

async fn end(
    link: &Connection,
    number: i64,
    outcome: RunOutcome,
    message: Option<String>,
    seen: &Seen,
) -> Result<(), StoreError> {
    metrics::counter!(metric::SCHEDULE_RUNS_TOTAL, "connection" => link.name.as_str().to_owned(), "what" => PRICES,
        "outcome" => outcome.as_str())
    .increment(1);
    let figures = serde_json::to_string(seen).expect("numbers are JSON");
    link.store.end_run(number, RunEnd { outcome, message, figures }, link.clock.now()).await
}

/// Whether a run is due: today's was not begun yet, or a person asks for one; and shop and sales parts were read since then, so that nothing is
/// compared that an earlier run has set.
async fn is_due(link: &Connection) -> Result<bool, StoreError> {
    let (latest, _) = link.store.latest_runs(&link.name, PRICES).await?;
    let Some(since) = due_since(link, latest.as_ref()).await? else { return Ok(false) };
    let (_, read) = link.store.latest_runs(&link.name, STOCK).await?;
    Ok(read.is_some_and(|run| run.started_at >= since))
}

/// Since when a run is due; none where it is not.
async fn due_since(link: &Connection, latest: Option<&Run>) -> Result<Option<Timestamp>, StoreError> {
    let is_new = |at: Timestamp| latest.is_none_or(|run| run.started_at < at);
    if let Some(at) = asked(link).await?.filter(|at| is_new(*at)) {
        return Ok(Some(at));
    }
    let now = link.rules.local(link.clock.now());
    let hour = i8::try_from(link.prices.settings().at_hour).unwrap_or_default();
    // An hour that the clock skips today begins where it goes on.
    let at = now.date().at(hour, 0, 0, 0).to_zoned(now.time_zone().clone()).map(|at| at.timestamp());
    Ok(at.ok().filter(|at| *at <= now.timestamp() && is_new(*at)))
}

async fn asked(link: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let Some(text) = link.store.cursor(&link.name, ASKED).await? else { return Ok(None) };
    let corrupt = || StoreError::Corrupt { table: "cursors", column: "value" };
    let asked: Asked = serde_json::from_str(&text).map_err(|_| corrupt())?;
    Timestamp::from_microsecond(asked.at).map(Some).map_err(|_| corrupt())
}

/// What decides how a price is compared: a run does not go on under other rules.
fn rules_of(link: &Connection) -> String {
    let prices = serde_json::to_string(link.prices.settings()).expect("maps with text keys always serialise");
    format!("{} {prices}", link.rules.revision())
}

async fn keep(link: &Connection, place: &Place) -> Result<(), StoreError> {
    let value = serde_json::to_string(place).expect("texts and numbers are JSON");
    let cursor = Cursor { name: PRICES.to_owned(), value };
    link.store.keep_own_cursor(&link.tenant.lease, &link.name, cursor, link.clock.now()).await
}
