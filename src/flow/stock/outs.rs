//! What happens to products that have run out, and to those that are there again. Looked at once for each plan that stood whole,
//! product by product.
//!
//! 1. The row is written before the call; a death between the two is seen by the next look.
//! 2. It ends by a reading of the product, never by an answer. A call that disables and was never answered may come late: then a row
//!    whose product was enabled ends only in the look of a later plan.
//! 3. What is wrong with one product, or one channel, keeps no other one waiting.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::place::Place;
use super::read_shop::behind_orders;
use super::supply::{known_product, left_of, policy_of, read_product};
use crate::domain::stock::{OutAct, OutState};
use crate::domain::verdict::{Scope, Verdict};
use crate::failpoint;
use crate::flow::{Connection, runs};
use crate::mapping::stock::out::{OutEnd, OutRow, OutStep, ProductReading, decide, not_standing};
use crate::mapping::stock::settings::OutPolicy;
use crate::shopify::ShopifyError;
use crate::shopify::stock_out::{Publishing, VARIANTS_MAX};
use crate::shopify::stock_write::FieldError;
use crate::store::{StockOut, StockOutFilter, StockVariant, StoreError};
use crate::telemetry::metric;

/// The cursor of the look.
const OUTS: &str = "stock_outs";
/// Products that are looked at at once.
const PRODUCTS_AT_ONCE: i64 = 100;
/// How often a product is read in one look: once to decide, and once more to see what came of it.
const READINGS_MAX: usize = 2;

/// Where the look stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Look {
    /// The plan that is looked at.
    run: i64,
    /// Behind which product.
    after: u64,
    /// Whether all of its products were looked at.
    is_done: bool,
}

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    /// Every product of the plan was looked at.
    Done,
    /// There are more.
    More,
    /// The shop cannot be asked now, or the service stops.
    Held,
}

/// Why a product was not dealt with.
#[derive(Debug, thiserror::Error)]
enum OutError {
    #[error(transparent)]
    Shopify(#[from] ShopifyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks at the next products of the latest plan.
///
/// # Errors
/// The store's; [`StoreError::Fenced`] when another process owns the tenant.
pub async fn look(link: &Connection) -> Result<Looked, StoreError> {
    // 1. Which plan, and how far.
    let Some(place) = Place::stored(link).await?.filter(|place| place.planned != 0) else {
        return Ok(Looked::Done);
    };
    let mut look = stored(link).await?;
    if look.run != place.planned {
        look = Look { run: place.planned, ..Look::default() };
    }
    // 2. Its products, as the shop was read for it.
    if look.is_done {
        return Ok(Looked::Done);
    }
    if link.is_stopping() || link.shopify.is_left_alone() || !link.tenant.tenure.holds() {
        return Ok(Looked::Held);
    }
    let products = link.store.stock_products(&link.name, look.after, PRODUCTS_AT_ONCE).await?;
    let came_through = match products.last().copied() {
        Some(last) => {
            look.after = last;
            piece(link, look.run, products).await?
        }
        None => {
            look.is_done = true;
            gone(link).await?
        }
    };
    if !came_through {
        return Ok(Looked::Held);
    }
    runs::keep(link, OUTS, &look).await?;
    Ok(if look.is_done { Looked::Done } else { Looked::More })
}

async fn stored(link: &Connection) -> Result<Look, StoreError> {
    Ok(runs::kept(link, OUTS).await?.unwrap_or_default())
}

/// Looks at some products; false where the shop cannot be asked now.
async fn piece(link: &Connection, plan: i64, products: Vec<u64>) -> Result<bool, StoreError> {
    let rows = link.store.stock_outs_of(&link.name, products.clone()).await?;
    let rows: BTreeMap<u64, StockOut> = rows.into_iter().map(|row| (row.product_id, row)).collect();
    let mut variants: BTreeMap<u64, Vec<StockVariant>> = BTreeMap::new();
    for variant in link.store.variants_of_products(&link.name, products).await? {
        variants.entry(variant.product_id).or_default().push(variant);
    }
    for (product, variants) in variants {
        if link.is_stopping() {
            return Ok(false);
        }
        match one(link, plan, (product, &variants), rows.get(&product).cloned()).await {
            Ok(()) => {}
            Err(OutError::Store(error)) => return Err(error),
            Err(OutError::Shopify(error)) if is_of_product(&error) => passed_over(link, product, &error).await?,
            Err(OutError::Shopify(error)) => {
                tracing::warn!(connection = %link.name, product, %error, "products that have run out wait: the shop cannot be asked now");
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// One product: decided from what was read for the plan, and again from a fresh reading before anything is done.
async fn one(
    link: &Connection,
    plan: i64,
    (product, variants): (u64, &[StockVariant]),
    latest: Option<StockOut>,
) -> Result<(), OutError> {
    let policy = policy_of(link, variants);
    let rested = rested(link, latest.as_ref());
    let mut row = latest.filter(|row| row.ended.is_none());
    if policy == OutPolicy::Off && row.is_none() {
        return Ok(());
    }
    let left = left_of(link, variants);
    let decided = |shown: &ProductReading, row: Option<&StockOut>| {
        decide(shown, row.and_then(row_of).as_ref(), policy, &link.stock, rested)
    };
    let acts = row.as_ref().map(acts_of);
    let names_channels = acts.iter().flatten().any(|act| matches!(act, OutAct::Unpublish(_)));
    // Of a row that names channels the plan's own reading tells too little.
    if !names_channels && decided(&known_product(link, variants, &left), row.as_ref()) == OutStep::Nothing {
        return Ok(());
    }
    for reading in 0..READINGS_MAX {
        let Some(shown) = behind_orders(link).shown_product(product).await? else {
            if let Some(row) = &row {
                link.store.end_stock_out(&link.tenant.lease, row, "gone", link.clock.now()).await?;
            }
            return Ok(());
        };
        let shown = read_product(link, &shown, &left);
        // What the reading shows of the row is kept first: what has run out once more gets another row.
        let mut step = decided(&shown, row.as_ref());
        while let Some(open) = row.take() {
            match step {
                OutStep::Close(end) if end.waits() && open.unanswered > 0 && open.called_in >= plan => return Ok(()),
                OutStep::Close(end) => close(link, &open, end).await?,
                OutStep::Become(state) => row = Some(become_shown(link, &open, state).await?),
                OutStep::Nothing | OutStep::Disable(_) | OutStep::Enable(_) => {
                    row = Some(open);
                    break;
                }
            }
            step = decided(&shown, row.as_ref());
        }
        let is_last = reading + 1 == READINGS_MAX;
        if is_last && matches!(step, OutStep::Disable(_) | OutStep::Enable(_)) {
            // What was done does not show yet: the next look says.
            return Ok(());
        }
        row = act(link, (product, plan), row, &shown, step).await?;
        if row.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

async fn become_shown(link: &Connection, row: &StockOut, state: OutState) -> Result<StockOut, StoreError> {
    let (lease, now) = (&link.tenant.lease, link.clock.now());
    let row = link.store.move_stock_out(lease, row, state.as_str(), &row.acts, now).await?;
    failpoint::hit(failpoint::STOCK_OUT_SHOWN);
    Ok(row)
}

async fn close(link: &Connection, row: &StockOut, end: OutEnd) -> Result<(), StoreError> {
    link.store.end_stock_out(&link.tenant.lease, row, end.as_str(), link.clock.now()).await?;
    failpoint::hit(failpoint::STOCK_OUT_SHOWN);
    let product = row.product_id;
    match end {
        OutEnd::Overtaken => {
            tracing::info!(connection = %link.name, product, "a product that had run out was taken in hand by somebody else");
        }
        OutEnd::Void => {
            tracing::warn!(connection = %link.name, product, "nothing is left to be undone of what was done to a product: its channels or variants are gone");
        }
        OutEnd::Enabled | OutEnd::Restocked => {}
    }
    Ok(())
}

/// Does what was decided; gives the row where another reading in this look has to show what came of it.
async fn act(
    link: &Connection,
    (product, plan): (u64, i64),
    row: Option<StockOut>,
    shown: &ProductReading,
    step: OutStep,
) -> Result<Option<StockOut>, OutError> {
    let (store, lease, now) = (&link.store, &link.tenant.lease, link.clock.now());
    match step {
        // What a reading shows of a row was kept before.
        OutStep::Nothing | OutStep::Close(_) | OutStep::Become(_) => Ok(None),
        OutStep::Disable(acts) => {
            let (words, disabling) = (words_of(&acts), OutState::Disabling.as_str());
            let row = match &row {
                Some(row) => store.call_stock_out(lease, row, (disabling, plan), &words, now).await?,
                None => store.open_stock_out(lease, &link.name, (product, disabling, plan), &words, now).await?,
            };
            failpoint::hit(failpoint::STOCK_OUT_COMMITTED);
            match call(link, product, &not_standing(&acts, shown), Way::Disable).await {
                Ok(told) => Ok(Some(keep(link, &row, told, true).await?)),
                Err(error) => {
                    if !may_come_late(&error) {
                        keep(link, &row, Told::default(), true).await?;
                    }
                    Err(error.into())
                }
            }
        }
        OutStep::Enable(acts) => {
            let Some(row) = &row else { return Ok(None) };
            let enabling = (OutState::Enabling.as_str(), plan);
            let row = store.call_stock_out(lease, row, enabling, &words_of(&acts), now).await?;
            failpoint::hit(failpoint::STOCK_OUT_COMMITTED);
            let told = call(link, product, &acts, Way::Enable).await?;
            Ok(Some(keep(link, &row, told, false).await?))
        }
    }
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Disable,
    Enable,
}

impl Way {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }
}

/// What Shopify did not take of some acts.
#[derive(Debug, Default)]
struct Told {
    /// What it said first.
    reason: Option<String>,
    /// Acts on channels that it does not have: there is nothing to be done or undone.
    fallen: Vec<OutAct>,
}

impl Told {
    /// Takes what a call came to; what is about this product alone keeps nothing else waiting.
    fn take(&mut self, answer: Result<Vec<FieldError>, ShopifyError>) -> Result<Vec<FieldError>, ShopifyError> {
        let errors = match answer {
            Ok(errors) => errors,
            Err(error) if is_of_product(&error) => {
                self.reason.get_or_insert_with(|| error.to_string());
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        failpoint::hit(failpoint::STOCK_OUT_ANSWERED);
        if let Some(error) = errors.first() {
            self.reason.get_or_insert_with(|| error.to_string());
        }
        Ok(errors)
    }
}

/// Does some acts, or undoes them: each channel in a call of its own, since Shopify takes all of a call or none. What it does not take is
/// told, and the next look tries again.
async fn call(link: &Connection, product: u64, acts: &[OutAct], way: Way) -> Result<Told, ShopifyError> {
    let (shopify, mut told) = (behind_orders(link), Told::default());
    if acts.contains(&OutAct::Draft) {
        let status = if way == Way::Disable { "DRAFT" } else { "ACTIVE" };
        told.take(shopify.set_product_status(product, status).await)?;
    }
    let publishing = if way == Way::Disable { Publishing::Off } else { Publishing::On };
    let mut variants: Vec<u64> = Vec::new();
    for act in acts {
        match *act {
            OutAct::Draft => {}
            OutAct::Deny(variant) => variants.push(variant),
            OutAct::Unpublish(channel) => {
                let errors = told.take(shopify.set_published(product, &[channel], publishing).await)?;
                if errors.iter().any(|error| error.is_of_nothing("input")) {
                    told.fallen.push(*act);
                }
            }
        }
    }
    for some in variants.chunks(VARIANTS_MAX) {
        let policy = if way == Way::Disable { "DENY" } else { "CONTINUE" };
        told.take(shopify.set_policies(product, some, policy).await)?;
    }
    count(link, way.as_str(), if told.reason.is_none() { "done" } else { "refused" });
    match &told.reason {
        Some(reason) => tracing::warn!(
            connection = %link.name, product, way = way.as_str(), %reason, gone = ?told.fallen,
            "Shopify does not take what is due to a product that has run out, or is there again: it is tried again with the next reading, but for channels that are gone"
        ),
        None => {
            tracing::info!(connection = %link.name, product, way = way.as_str(), "a product has run out, or is there again")
        }
    }
    Ok(told)
}

/// Keeps what Shopify did not take beside the row, and that a call that disables has its answer.
async fn keep(link: &Connection, row: &StockOut, told: Told, disables: bool) -> Result<StockOut, StoreError> {
    if told.reason.is_none() && !disables {
        return Ok(row.clone());
    }
    let acts: Vec<OutAct> = acts_of(row).into_iter().filter(|act| !told.fallen.contains(act)).collect();
    let said = (told.reason, disables);
    link.store.tell_stock_out(&link.tenant.lease, row, &words_of(&acts), said, link.clock.now()).await
}

/// Whether a call that came to nothing here may be carried out yet.
fn may_come_late(error: &ShopifyError) -> bool {
    matches!(error, ShopifyError::Lost(_) | ShopifyError::Unavailable { .. })
}

fn count(link: &Connection, act: &'static str, outcome: &'static str) {
    let connection = link.name.as_str().to_owned();
    metrics::counter!(metric::STOCK_OUTS_TOTAL, "connection" => connection, "act" => act, "outcome" => outcome)
        .increment(1);
}

/// Whether an error is about one product alone: the others are looked at all the same.
fn is_of_product(error: &ShopifyError) -> bool {
    matches!(error.verdict(), Verdict::Reject | Verdict::Retry { scope: Scope::Record, .. })
}

/// A product that Shopify does not tell of, or does not take a call for: it is told, and looked at again for the next plan.
async fn passed_over(link: &Connection, product: u64, error: &ShopifyError) -> Result<(), StoreError> {
    tracing::warn!(
        connection = %link.name, product, %error,
        "a product was passed over: whether it has run out, or is there again, is looked at after the next reading"
    );
    count(link, "look", "passed_over");
    let rows = link.store.stock_outs_of(&link.name, vec![product]).await?;
    if let Some(row) = rows.into_iter().find(|row| row.ended.is_none()) {
        let said = (Some(error.to_string()), false);
        link.store.tell_stock_out(&link.tenant.lease, &row, &row.acts, said, link.clock.now()).await?;
    }
    Ok(())
}

/// Rows of products that the shop's reading does not tell of any more.
async fn gone(link: &Connection) -> Result<bool, StoreError> {
    let mut after = 0;
    loop {
        let rows = link.store.list_stock_outs(&link.name, StockOutFilter::Open, after, PRODUCTS_AT_ONCE).await?;
        let Some(last) = rows.last() else { return Ok(true) };
        after = last.id;
        let products: Vec<u64> = rows.iter().map(|row| row.product_id).collect();
        let known = link.store.products_with_variants(&link.name, products).await?;
        for row in rows.iter().filter(|row| !known.contains(&row.product_id)) {
            match behind_orders(link).shown_product(row.product_id).await {
                Ok(Some(_)) => {}
                Ok(None) => link.store.end_stock_out(&link.tenant.lease, row, "gone", link.clock.now()).await?,
                Err(error) if is_of_product(&error) => passed_over(link, row.product_id, &error).await?,
                Err(error) => {
                    tracing::warn!(connection = %link.name, product = row.product_id, %error, "whether a product is gone could not be asked");
                    return Ok(false);
                }
            }
        }
    }
}

/// Whether the last change that we made to a product is long enough ago.
fn rested(link: &Connection, latest: Option<&StockOut>) -> bool {
    let rest = SignedDuration::from_secs(i64::try_from(link.stock.out().rest_secs).unwrap_or(i64::MAX));
    latest.is_none_or(|row| link.clock.now().duration_since(row.called_at) >= rest)
}

fn acts_of(row: &StockOut) -> Vec<OutAct> {
    row.acts.iter().filter_map(|word| OutAct::parse(word)).collect()
}

fn words_of(acts: &[OutAct]) -> Vec<String> {
    acts.iter().map(|act| act.word()).collect()
}

fn row_of(row: &StockOut) -> Option<OutRow> {
    Some(OutRow { state: OutState::parse(&row.state)?, acts: acts_of(row) })
}
