//! Prices: what IFS asks for a part reaches the shop's variants, and price lists of markets, once a day.
//!
//! A run compares what the stock's latest reading told of the shop and of the sales parts: it begins behind such a reading, and reads itself only
//! what customers pay and what price lists fix. Each piece of it is one transaction, and a run that broke off goes on behind the last one. Nothing
//! of that writes to the shop: [`mod@write`] does, in another actor.

mod plan;
pub mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Connection;
use super::stock::STOCK;
use crate::domain::money::Currency;
use crate::failpoint;
use crate::ifs::IfsError;
use crate::mapping::stock::prices::PriceRules;
use crate::mapping::stock::settings::{PriceSource, PriceTax};
use crate::shopify::{Lane, ShopifyClient, ShopifyError};
use crate::store::{Cursor, RunEnd, RunOutcome, StoreError};
use crate::telemetry::metric;

/// What runs, in `schedule_runs`, and the name of its cursor.
pub const PRICES: &str = "prices";
/// The cursor by which a person asks for a run.
pub const ASKED: &str = "prices_asked";
/// A run that took longer is begun anew.
const RUN_MAX: SignedDuration = SignedDuration::from_hours(12);
/// A run that is begun anew, or because plans were given up, wants a reading of the stock that began no longer ago.
const READ_AGE_MAX: SignedDuration = SignedDuration::from_hours(3);
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
    #[error(
        "the shop's prices are in {shop}, and prices.currency is {settings:?}: no price is compared; set the shop's currency there, \
         or prices.source = \"off\" where IFS has none in it"
    )]
    Currency {
        /// The shop's.
        shop: String,
        /// That of the settings.
        settings: &'static str,
    },
    /// The settings say otherwise than the shop whether its prices have their tax in them.
    #[error(
        "the shop's prices have their tax {shop}, and prices.tax is {settings:?}: no price is compared; set prices.tax = {right:?}, \
         or change it in Shopify (Settings, Taxes and duties)"
    )]
    Tax {
        /// What the shop says, in words.
        shop: &'static str,
        /// What the settings say.
        settings: &'static str,
        /// What they should say.
        right: &'static str,
    },
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
    /// When it began, in microseconds since 1970.
    began: i64,
    /// Digest of the rules under which it compares.
    rules: String,
    /// Which of [`targets`].
    target: usize,
    /// Behind which sales part.
    after: Option<String>,
    /// What it has seen.
    pub seen: Seen,
}

impl Place {
    /// When its run began.
    fn began_at(&self) -> Timestamp {
        Timestamp::from_microsecond(self.began).unwrap_or(Timestamp::MIN)
    }

    /// Whether its run may go on.
    fn is_good(&self, rules: &str, now: Timestamp) -> bool {
        self.rules == rules && now.duration_since(self.began_at()) <= RUN_MAX
    }

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

/// What the shop says of a list before its prices are compared.
struct Told {
    /// What a price list fixes, by variant; nothing of the shop's own prices, which the stock's reading told.
    fixed: BTreeMap<u64, Decimal>,
    /// Whether the shop's own prices may be compared with its: in the same currency, and with or without tax alike.
    is_like_own: bool,
}

/// Goes on with the run under way, or begins one that is due. A run under way that is too old, or was begun under other rules, is begun
/// anew at once, not the next day. One that failed gives way to one that is due.
///
/// # Errors
/// The store's; [`StoreError::Fenced`] when another process owns the tenant.
pub async fn poll(link: &Connection) -> Result<Polled, StoreError> {
    let (rules, now) = (rules_of(link), link.clock.now());
    let under_way = Place::stored(link).await?.filter(|place| place.run != 0);
    let is_lost = under_way.as_ref().is_some_and(|place| !place.is_good(&rules, now));
    let goes_on = match &under_way {
        // Some of one that failed is compared already, by what was read before.
        Some(place) => !is_lost && (place.number != 0 || !is_due(link, false).await?),
        None => false,
    };
    let mut place = match under_way.filter(|_| goes_on) {
        Some(place) => place,
        None if is_due(link, is_lost).await? => Place { rules, began: now.as_microsecond(), ..Place::default() },
        None => return Ok(Polled::Waits(LOOK)),
    };
    if place.number == 0 {
        // It counts from its beginning also where it goes on: what is asked for meanwhile is the next one's.
        let (lease, at) = (&link.tenant.lease, (place.began_at(), link.clock.now()));
        place.number = link.store.resume_run(lease, &link.name, PRICES, at).await?;
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
        let told = match target.list {
            0 => Some(own_prices(link, *target).await?),
            _ => fixed_prices(link, *target).await?,
        };
        let Some(told) = told else {
            // What is planned of it stays as it is.
            place.target += 1;
            place.after = None;
            keep(link, place).await?;
            continue;
        };
        while plan::piece(link, place, *target, &told).await? {
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
async fn own_prices(link: &Connection, target: Target<'_>) -> Result<Told, PriceError> {
    let shop = behind_orders(link).stock_shop().await?;
    let settings = target.currency.code();
    if shop.currency_code != settings {
        return Err(PriceError::Currency { shop: shop.currency_code, settings });
    }
    match (shop.taxes_included, target.tax) {
        (true, PriceTax::Excluded) => Err(PriceError::Tax { shop: "in them", settings: "excluded", right: "included" }),
        (false, PriceTax::Included) => {
            Err(PriceError::Tax { shop: "on top of them", settings: "included", right: "excluded" })
        }
        (true, PriceTax::Included) | (false, PriceTax::Excluded) => {
            Ok(Told { fixed: BTreeMap::new(), is_like_own: true })
        }
    }
}

/// The prices that a market's price list fixes, by variant; none where the shop has no such list, or one of another currency. All of them are
/// held while their list is compared, a few bytes each: Shopify gives them in an order that is not ours.
async fn fixed_prices(link: &Connection, target: Target<'_>) -> Result<Option<Told>, PriceError> {
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
            None => break,
        }
    }
    let shop = shopify.stock_shop().await?;
    let is_taxed_alike = shop.taxes_included == (target.tax == PriceTax::Included);
    let is_like_own = shop.currency_code == target.currency.code() && is_taxed_alike;
    Ok(Some(Told { fixed, is_like_own }))
}

/// The run is at its end. Its row ends first: whoever follows it would follow for ever where the place was forgotten before, and a crash came
/// between.
async fn done(link: &Connection, place: Place) -> Result<Polled, StoreError> {
    let Place { number, seen, .. } = place;
    end(link, number, RunOutcome::Done, None, &seen).await?;
    failpoint::hit(failpoint::PRICES_ENDED);
    keep(link, &Place::default()).await?;
    let Seen { compared, right, to_set, parked, left } = seen;
    tracing::info!(connection = %link.name, compared, right, to_set, parked, left, "prices were compared");
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

/// Whether a run is due, and what it compares by is there.
///
/// 1. A person asks for one, or today's was not begun yet: shop and sales parts were read since then.
/// 2. A run broke off, or plans were given up since the latest one began: the reading is not old.
async fn is_due(link: &Connection, is_lost: bool) -> Result<bool, StoreError> {
    let (_, read) = link.store.latest_runs(&link.name, STOCK).await?;
    let Some(read) = read else { return Ok(false) };
    let (latest, _) = link.store.latest_runs(&link.name, PRICES).await?;
    // One that never ended, and whose place is not the one under way, died before that was kept: it compared nothing.
    let latest = latest.filter(|run| is_lost || run.outcome.is_some());
    let is_new = |at: &Timestamp| latest.as_ref().is_none_or(|run| run.started_at < *at);
    // 1.
    let asked = asked(link).await?.filter(is_new);
    if let Some(since) = asked.max(todays(link).filter(is_new)) {
        return Ok(read.started_at >= since);
    }
    // 2.
    if link.clock.now().duration_since(read.started_at) > READ_AGE_MAX {
        return Ok(false);
    }
    Ok(is_lost || link.store.aged_prices_at(&link.name).await?.is_some_and(|at| is_new(&at)))
}

/// When today's run is due; none where it is not yet.
fn todays(link: &Connection) -> Option<Timestamp> {
    let now = link.rules.local(link.clock.now());
    let hour = i8::try_from(link.prices.settings().at_hour).unwrap_or_default();
    // An hour that the clock skips today begins where it goes on.
    let at = now.date().at(hour, 0, 0, 0).to_zoned(now.time_zone().clone()).map(|at| at.timestamp());
    at.ok().filter(|at| *at <= now.timestamp())
}

async fn asked(link: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let Some(text) = link.store.cursor(&link.name, ASKED).await? else { return Ok(None) };
    let corrupt = || StoreError::Corrupt { table: "cursors", column: "value" };
    let asked: Asked = serde_json::from_str(&text).map_err(|_| corrupt())?;
    Timestamp::from_microsecond(asked.at).map(Some).map_err(|_| corrupt())
}

/// Digest of what decides how a price is compared: a run does not go on, and no plan is set, under other rules.
fn rules_of(link: &Connection) -> String {
    let prices = serde_json::to_string(link.prices.settings()).expect("maps with text keys always serialise");
    hex::encode(Sha256::digest(format!("{} {prices}", link.rules.revision())))
}

async fn keep(link: &Connection, place: &Place) -> Result<(), StoreError> {
    let value = serde_json::to_string(place).expect("texts and numbers are JSON");
    let cursor = Cursor { name: PRICES.to_owned(), value };
    link.store.keep_own_cursor(&link.tenant.lease, &link.name, cursor, link.clock.now()).await
}
