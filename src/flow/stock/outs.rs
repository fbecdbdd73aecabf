//! What happens to products that have run out, and to those that are there again. Looked at once for each plan that stood whole,
//! product by product, a few calls at a time: orders are told between them.
//!
//! 1. The row is written before the call; a death between the two is seen by the next look.
//! 2. It ends by a reading of the product, never by an answer. A call that disables and was never answered may come late: then a row
//!    whose product was enabled ends only in the look of a later plan.
//! 3. What is wrong with one product, or one channel, keeps no other one waiting.
//! 4. Another plan goes on where the look at the last one was left, or the last products would never have their turn where Shopify is slow
//!    (`rounds`). The shop is asked only about products of which what is stored says, or cannot say, that something is to be done.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::outs_call::{Told, Way, call, count, is_of_product, may_come_late};
use super::place::Place;
use super::read_shop::behind_orders;
use super::rounds::{Kind, Look, Round};
use super::supply::{known_product, left_of, policy_of, read_product};
use crate::domain::stock::{OutAct, OutState};
use crate::failpoint;
use crate::flow::{Connection, runs};
use crate::mapping::stock::out::{OutEnd, OutRow, OutStep, ProductReading, decide, not_standing};
use crate::mapping::stock::settings::OutPolicy;
use crate::shopify::ShopifyError;
use crate::store::{StockOut, StockOutFilter, StockVariant, StoreError};

/// The cursor of the look.
const OUTS: &str = "stock_outs";
/// Products that are taken from the store at once.
const PRODUCTS_AT_ONCE: i64 = 100;
/// Pieces of them in one look.
const PIECES_AT_ONCE: usize = 6;
/// Calls in one look: no product is begun behind the last of them.
const CALLS_AT_ONCE: usize = 4;
/// How often a product is read in one look: once to decide, and once more to see what came of it.
const READINGS_MAX: usize = 2;

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
    let mut look = stored(link).await?.at(place.planned);
    if look.is_done {
        return Ok(Looked::Done);
    }
    if link.is_stopping() || link.shopify.is_left_alone() || !link.tenant.tenure.holds() {
        return Ok(Looked::Held);
    }
    // 2. Its products, as the shop was read for it: piece by piece, until enough was asked.
    let mut turn = Turn { link, plan: look.run, calls: 0 };
    let mut came_through = true;
    for _ in 0..PIECES_AT_ONCE {
        let Some(kind) = look.turn() else { break };
        let round = look.round(kind);
        came_through = match kind {
            Kind::Due | Kind::Shown => turn.products(kind, round).await?,
            Kind::Gone => turn.gone(round).await?,
        };
        if !came_through || turn.is_over() {
            break;
        }
    }
    // 3. What was looked at stays so, whatever comes.
    runs::keep(link, OUTS, &look).await?;
    Ok(match (came_through, look.is_done) {
        (false, _) => Looked::Held,
        (true, true) => Looked::Done,
        (true, false) => Looked::More,
    })
}

async fn stored(link: &Connection) -> Result<Look, StoreError> {
    Ok(runs::kept(link, OUTS).await?.unwrap_or_default())
}

/// One look.
struct Turn<'a> {
    link: &'a Connection,
    /// The plan that is looked at.
    plan: i64,
    /// Calls so far; a product that is read in pages counts as one.
    calls: usize,
}

impl Turn<'_> {
    /// Whether no other product is begun.
    const fn is_over(&self) -> bool {
        self.calls >= CALLS_AT_ONCE
    }

    /// Looks at some products; false where the shop cannot be asked now.
    async fn products(&mut self, kind: Kind, round: &mut Round) -> Result<bool, StoreError> {
        let link = self.link;
        let (products, last) = loop {
            let mut products = link.store.stock_products(&link.name, round.after, PRODUCTS_AT_ONCE).await?;
            products.retain(|product| round.holds(*product));
            if let Some(last) = products.last().copied() {
                break (products, last);
            }
            round.turns();
            if round.is_done {
                return Ok(true);
            }
        };
        let rows = link.store.stock_outs_of(&link.name, products.clone()).await?;
        let rows: BTreeMap<u64, StockOut> = rows.into_iter().map(|row| (row.product_id, row)).collect();
        let mut variants: BTreeMap<u64, Vec<StockVariant>> = BTreeMap::new();
        for variant in link.store.variants_of_products(&link.name, products).await? {
            variants.entry(variant.product_id).or_default().push(variant);
        }
        for (product, variants) in variants {
            if self.is_over() {
                return Ok(true);
            }
            if link.is_stopping() {
                return Ok(false);
            }
            match self.one(kind, (product, &variants), rows.get(&product).cloned()).await {
                Ok(()) => {}
                Err(OutError::Store(error)) => return Err(error),
                Err(OutError::Shopify(error)) if is_of_product(&error) => passed_over(link, product, &error).await?,
                Err(OutError::Shopify(error)) => {
                    tracing::warn!(connection = %link.name, product, %error, "products that have run out wait: the shop cannot be asked now");
                    return Ok(false);
                }
            }
            round.after = product;
        }
        round.after = last;
        Ok(true)
    }

    /// One product: decided from what was read for the plan, and again from a fresh reading before anything is done.
    async fn one(
        &mut self,
        kind: Kind,
        (product, variants): (u64, &[StockVariant]),
        latest: Option<StockOut>,
    ) -> Result<(), OutError> {
        let (link, plan) = (self.link, self.plan);
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
        // On which channels it is the plan's own reading does not tell: on all of them, or on none.
        let mut known = known_product(link, variants, &left);
        known.published.extend(row.iter().flat_map(acts_of).filter_map(channel_of));
        let on_all = decided(&known, row.as_ref());
        known.published.clear();
        if Kind::of(&on_all, &decided(&known, row.as_ref())) != Some(kind) {
            return Ok(());
        }
        for reading in 0..READINGS_MAX {
            self.calls += 1;
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
                    OutStep::Close(end) if end.waits() && open.unanswered > 0 && open.called_in >= plan => {
                        return Ok(());
                    }
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
            row = self.act(product, row, &shown, step).await?;
            if row.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Does what was decided; gives the row where another reading in this look has to show what came of it.
    async fn act(
        &mut self,
        product: u64,
        row: Option<StockOut>,
        shown: &ProductReading,
        step: OutStep,
    ) -> Result<Option<StockOut>, OutError> {
        let (link, plan) = (self.link, self.plan);
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
                match call(link, product, &not_standing(&acts, shown), Way::Disable, &mut self.calls).await {
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
                let told = call(link, product, &acts, Way::Enable, &mut self.calls).await?;
                Ok(Some(keep(link, &row, told, false).await?))
            }
        }
    }

    /// Some rows of products that the shop's reading does not tell of any more; false where the shop cannot be asked now.
    async fn gone(&mut self, round: &mut Round) -> Result<bool, StoreError> {
        let link = self.link;
        let after = i64::try_from(round.after).unwrap_or(i64::MAX);
        let mut rows = link.store.list_stock_outs(&link.name, StockOutFilter::Open, after, PRODUCTS_AT_ONCE).await?;
        rows.retain(|row| round.holds(row.id.unsigned_abs()));
        if rows.is_empty() {
            round.turns();
            return Ok(true);
        }
        let products: Vec<u64> = rows.iter().map(|row| row.product_id).collect();
        let known = link.store.products_with_variants(&link.name, products).await?;
        for row in &rows {
            if !known.contains(&row.product_id) {
                if self.is_over() {
                    return Ok(true);
                }
                self.calls += 1;
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
            round.after = row.id.unsigned_abs();
        }
        Ok(true)
    }
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

/// Keeps what Shopify did not take beside the row, and that a call that disables has its answer.
async fn keep(link: &Connection, row: &StockOut, told: Told, disables: bool) -> Result<StockOut, StoreError> {
    if told.reason.is_none() && !disables {
        return Ok(row.clone());
    }
    let acts: Vec<OutAct> = acts_of(row).into_iter().filter(|act| !told.fallen.contains(act)).collect();
    let said = (told.reason, disables);
    link.store.tell_stock_out(&link.tenant.lease, row, &words_of(&acts), said, link.clock.now()).await
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

/// Whether the last change that we made to a product is long enough ago.
fn rested(link: &Connection, latest: Option<&StockOut>) -> bool {
    let rest = SignedDuration::from_secs(i64::try_from(link.stock.out().rest_secs).unwrap_or(i64::MAX));
    latest.is_none_or(|row| link.clock.now().duration_since(row.called_at) >= rest)
}

fn acts_of(row: &StockOut) -> Vec<OutAct> {
    row.acts.iter().filter_map(|word| OutAct::parse(word)).collect()
}

const fn channel_of(act: OutAct) -> Option<u64> {
    match act {
        OutAct::Unpublish(channel) => Some(channel),
        OutAct::Draft | OutAct::Deny(_) => None,
    }
}

fn words_of(acts: &[OutAct]) -> Vec<String> {
    acts.iter().map(|act| act.word()).collect()
}

fn row_of(row: &StockOut) -> Option<OutRow> {
    Some(OutRow { state: OutState::parse(&row.state)?, acts: acts_of(row) })
}
