//! Prices: what IFS asks for a part reaches the shop's variants, and price lists of markets, once a day.
//!
//! A run compares what the stock's latest reading told of the shop and of the sales parts: it begins behind such a reading, and reads itself only
//! what customers pay and what price lists fix. Each piece of it is one transaction, and a run that broke off goes on behind the last one. Nothing
//! of that writes to the shop: [`mod@write`] does, in another actor.

mod due;
mod plan;
pub mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Connection, runs};
use crate::domain::money::Currency;
use crate::failpoint;
use crate::ifs::IfsError;
use crate::mapping::stock::prices::PriceRules;
use crate::mapping::stock::settings::{PriceSource, PriceTax};
use crate::shopify::{Lane, ShopifyClient, ShopifyError};
use crate::store::{RunEnd, RunOutcome, StoreError};

use due::{Due, Known, Latest, Unread};

/// What runs, in `schedule_runs`, and the name of its cursor.
pub const PRICES: &str = "prices";
/// The cursor by which a person asks for a run.
pub const ASKED: &str = "prices_asked";
/// Time between two looks whether a run is due.
const LOOK: Duration = Duration::from_secs(5);
/// What the shop told of a list longer ago is read again, in the midst of a list too.
const TOLD_AGE_MAX: SignedDuration = SignedDuration::from_hours(3);
/// Time between two looks where no price follows IFS.
const OFF_LOOK: Duration = Duration::from_secs(3_600);

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
    /// When it began, in microseconds since 1970; it stays when the run has ended. 0 before the first one.
    began: i64,
    /// What waits for a reading of the stock.
    #[serde(default)]
    unread: Option<Unread>,
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
    /// What became of its run.
    fn latest(&self, rules: &str) -> Latest {
        match self.run {
            0 => Latest::Ended,
            _ if self.rules == rules => Latest::UnderWay,
            _ => Latest::Lost,
        }
    }

    /// When the latest run began; none before the first one.
    fn began(&self) -> Option<Timestamp> {
        Timestamp::from_microsecond(self.began).ok().filter(|_| self.began != 0)
    }

    /// Where the run of a connection stands; none before the first one.
    async fn stored(link: &Connection) -> Result<Option<Self>, StoreError> {
        runs::kept(link, PRICES).await
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

/// When the latest run began, by what is kept of it under [`PRICES`]: a run that broke off goes on under later rows of `schedule_runs`.
pub fn began_by(kept: &str) -> Option<Timestamp> {
    serde_json::from_str::<Place>(kept).ok()?.began()
}

/// Goes on with the run under way, or begins one that is due. A run under way that was begun under other rules is begun anew at once, not the
/// next day. Where no price follows IFS, what was planned while some did is forgotten.
///
/// # Errors
/// The store's; [`StoreError::Fenced`] when another process owns the tenant.
pub async fn poll(link: &Connection) -> Result<Polled, StoreError> {
    if targets(&link.prices).is_empty() {
        forget_others(link).await?;
        return Ok(Polled::Waits(OFF_LOOK));
    }
    let rules = rules_of(link);
    let stored = Place::stored(link).await?;
    let latest = stored.as_ref().map_or(Latest::Ended, |place| place.latest(&rules));
    let known = Known::of(link, stored.as_ref(), latest).await?;
    match known.due() {
        Due::Now => {}
        Due::No => return Ok(Polled::Waits(LOOK)),
        Due::Unread { since } => {
            due::waits(link, stored.unwrap_or_default(), (since, known)).await?;
            return Ok(Polled::Waits(LOOK));
        }
    }
    let mut place = match stored.filter(|_| latest == Latest::UnderWay) {
        Some(place) => place,
        None => {
            forget_others(link).await?;
            Place { rules, began: known.now.as_microsecond(), ..Place::default() }
        }
    };
    if place.number == 0 {
        place.number = link.store.begin_run(&link.tenant.lease, &link.name, PRICES, link.clock.now()).await?;
        if place.run == 0 {
            place.run = place.number;
        }
        keep(link, &place).await?;
    }
    match lists(link, &mut place).await {
        Ok(Listed::Whole) => done(link, place).await,
        Ok(Listed::Stopped) => Ok(Polled::Stopped),
        Ok(Listed::Unread) => Ok(Polled::Waits(LOOK)),
        Err(PriceError::Store(error)) => Err(error),
        Err(error) => failed(link, place, &error).await,
    }
}

/// How far a run came.
enum Listed {
    /// To its end.
    Whole,
    /// The service stops before it.
    Stopped,
    /// The stock has to be read again before it goes on.
    Unread,
}

/// List by list, piece by piece.
async fn lists(link: &Connection, place: &mut Place) -> Result<Listed, PriceError> {
    let targets = targets(&link.prices);
    'lists: while let Some(target) = targets.get(place.target) {
        let told_at = link.clock.now();
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
                return Ok(Listed::Stopped);
            }
            // A run may take longer than what it compares by is good for.
            if Known::of(link, Some(&*place), Latest::UnderWay).await?.due() != Due::Now {
                return Ok(Listed::Unread);
            }
            if link.clock.now().duration_since(told_at) > TOLD_AGE_MAX {
                continue 'lists;
            }
        }
    }
    Ok(Listed::Whole)
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
    let Place { number, began, seen, .. } = place;
    end(link, number, RunOutcome::Done, None, &seen).await?;
    failpoint::hit(failpoint::PRICES_ENDED);
    keep(link, &Place { began, ..Place::default() }).await?;
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
    let seen = place.seen.clone();
    // One that fails while a newer one is due gives way to it: else a list that always fails would keep all before it from being
    // compared again.
    if Known::of(link, Some(&place), Latest::Ended).await?.due() == Due::Now {
        place = Place { began: place.began, ..Place::default() };
    }
    keep(link, &place).await?;
    end(link, number, RunOutcome::Failed, Some(message), &seen).await?;
    Ok(Polled::Failed)
}

/// Forgets prices of lists that follow IFS no more: no run compares them, and no person can let them through. No call to such a list is under
/// way, since other settings are another process's, and calls end before it owns the tenant or change no row.
async fn forget_others(link: &Connection) -> Result<(), StoreError> {
    let lists = targets(&link.prices).iter().map(|target| target.list).collect();
    let forgotten = link.store.forget_other_prices(&link.tenant.lease, &link.name, lists).await?;
    if forgotten > 0 {
        tracing::info!(connection = %link.name, forgotten, "prices of lists that follow IFS no more are forgotten");
    }
    Ok(())
}

async fn end(
    link: &Connection,
    number: i64,
    outcome: RunOutcome,
    message: Option<String>,
    seen: &Seen,
) -> Result<(), StoreError> {
    let figures = serde_json::to_string(seen).expect("numbers are JSON");
    runs::end(link, (PRICES, number), RunEnd { outcome, message, figures }).await
}

/// Digest of what decides how a price is compared: a run does not go on, and no plan is set, under other rules.
fn rules_of(link: &Connection) -> String {
    let prices = serde_json::to_string(link.prices.settings()).expect("maps with text keys always serialise");
    hex::encode(Sha256::digest(format!("{} {prices}", link.rules.revision())))
}

async fn keep(link: &Connection, place: &Place) -> Result<(), StoreError> {
    runs::keep(link, PRICES, place).await
}
