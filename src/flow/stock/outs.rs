//! What happens to products that have run out, and to those that are there again. Looked at once for each plan that stood whole,
//! product by product.
//!
//! 1. The row is written before the call; a death between the two is seen by the next look.
//! 2. It ends by a reading of the product, never by an answer: a call that was thought lost may come late.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::place::Place;
use super::read_shop::behind_orders;
use crate::domain::stock::{InventoryPolicy, OutAct, OutState, ProductStatus};
use crate::domain::verdict::Verdict;
use crate::failpoint;
use crate::flow::Connection;
use crate::mapping::stock::out::{
    OutEnd, OutRow, OutStep, ProductReading, UnitsLeft, VariantReading, decide, not_standing,
};
use crate::mapping::stock::settings::{BundleStock, OutPolicy};
use crate::shopify::ShopifyError;
use crate::shopify::stock_out::{Publishing, ShownProduct, VARIANTS_MAX};
use crate::shopify::stock_write::FieldError;
use crate::store::{Cursor, LevelState, StockOut, StockOutFilter, StockVariant, StoreError};
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
            piece(link, products).await?
        }
        None => {
            look.is_done = true;
            gone(link).await?
        }
    };
    if !came_through {
        return Ok(Looked::Held);
    }
    let value = serde_json::to_string(&look).expect("numbers are JSON");
    let cursor = Cursor { name: OUTS.to_owned(), value };
    link.store.keep_own_cursor(&link.tenant.lease, &link.name, cursor, link.clock.now()).await?;
    Ok(if look.is_done { Looked::Done } else { Looked::More })
}

async fn stored(link: &Connection) -> Result<Look, StoreError> {
    let Some(text) = link.store.cursor(&link.name, OUTS).await? else { return Ok(Look::default()) };
    serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { table: "cursors", column: "value" })
}

/// Looks at some products; false where the shop cannot be asked now.
async fn piece(link: &Connection, products: Vec<u64>) -> Result<bool, StoreError> {
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
        match one(link, product, &variants, rows.get(&product).cloned()).await {
            Ok(()) => {}
            Err(OutError::Store(error)) => return Err(error),
            Err(OutError::Shopify(error)) if error.verdict() == Verdict::Reject => {
                tracing::warn!(connection = %link.name, product, %error, "what is due to a product that has run out, or is there again, was refused");
            }
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
    product: u64,
    variants: &[StockVariant],
    latest: Option<StockOut>,
) -> Result<(), OutError> {
    let policy = policy_of(link, variants);
    let rested = rested(link, latest.as_ref());
    let mut row = latest.filter(|row| row.ended.is_none());
    if policy == OutPolicy::Off && row.is_none() {
        return Ok(());
    }
    let left = left_of(link, variants);
    let acts = row.as_ref().map(acts_of);
    let names_channels = acts.iter().flatten().any(|act| matches!(act, OutAct::Unpublish(_)));
    // Of a row that names channels the plan's own reading tells too little.
    if !names_channels {
        let known = known_product(link, variants, &left);
        if decide(&known, row.as_ref().and_then(row_of).as_ref(), policy, &link.stock, rested) == OutStep::Nothing {
            return Ok(());
        }
    }
    for reading in 0..READINGS_MAX {
        let Some(shown) = behind_orders(link).shown_product(product).await? else {
            if let Some(row) = &row {
                link.store.end_stock_out(&link.tenant.lease, row, "gone", link.clock.now()).await?;
            }
            return Ok(());
        };
        let shown = read_product(link, &shown, &left);
        let step = decide(&shown, row.as_ref().and_then(row_of).as_ref(), policy, &link.stock, rested);
        let is_last = reading + 1 == READINGS_MAX;
        if is_last && matches!(step, OutStep::Disable(_) | OutStep::Enable(_)) {
            // What was done does not show yet: the next look says.
            return Ok(());
        }
        row = act(link, product, row, &shown, step).await?;
        if row.is_none() {
            return Ok(());
        }
    }
    Ok(())
}

/// Does what was decided; gives the row where another reading has to show what came of it.
async fn act(
    link: &Connection,
    product: u64,
    row: Option<StockOut>,
    shown: &ProductReading,
    step: OutStep,
) -> Result<Option<StockOut>, OutError> {
    let (store, lease, now) = (&link.store, &link.tenant.lease, link.clock.now());
    match step {
        OutStep::Nothing => Ok(None),
        OutStep::Disable(acts) => {
            let words: Vec<String> = acts.iter().map(|act| act.word()).collect();
            let disabling = OutState::Disabling.as_str();
            let row = match &row {
                Some(row) => store.move_stock_out(lease, row, disabling, &words, now).await?,
                None => store.open_stock_out(lease, &link.name, (product, disabling), &words, now).await?,
            };
            failpoint::hit(failpoint::STOCK_OUT_COMMITTED);
            call(link, product, &not_standing(&acts, shown), Way::Disable).await?;
            Ok(Some(row))
        }
        OutStep::Enable(acts) => {
            let Some(row) = &row else { return Ok(None) };
            let words: Vec<String> = acts.iter().map(|act| act.word()).collect();
            let row = store.move_stock_out(lease, row, OutState::Enabling.as_str(), &words, now).await?;
            failpoint::hit(failpoint::STOCK_OUT_COMMITTED);
            call(link, product, &acts, Way::Enable).await?;
            Ok(Some(row))
        }
        OutStep::Become(state) => {
            if let Some(row) = &row {
                store.move_stock_out(lease, row, state.as_str(), &row.acts, now).await?;
                failpoint::hit(failpoint::STOCK_OUT_SHOWN);
            }
            Ok(None)
        }
        OutStep::Close(end) => {
            if let Some(row) = &row {
                store.end_stock_out(lease, row, end.as_str(), now).await?;
                failpoint::hit(failpoint::STOCK_OUT_SHOWN);
                if end == OutEnd::Overtaken {
                    tracing::info!(connection = %link.name, product, "a product that had run out was taken in hand by somebody else");
                }
            }
            Ok(None)
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

/// Does some acts, or undoes them. What Shopify does not take is told; the row stays as it is, and the next look tries again.
async fn call(link: &Connection, product: u64, acts: &[OutAct], way: Way) -> Result<(), ShopifyError> {
    let shopify = behind_orders(link);
    let mut refused: Vec<FieldError> = Vec::new();
    if acts.contains(&OutAct::Draft) {
        let status = if way == Way::Disable { "DRAFT" } else { "ACTIVE" };
        refused.extend(shopify.set_product_status(product, status).await?);
    }
    let channel = |act: &OutAct| match act {
        OutAct::Unpublish(channel) => Some(*channel),
        OutAct::Draft | OutAct::Deny(_) => None,
    };
    let channels: Vec<u64> = acts.iter().filter_map(channel).collect();
    if !channels.is_empty() {
        let publishing = if way == Way::Disable { Publishing::Off } else { Publishing::On };
        refused.extend(shopify.set_published(product, &channels, publishing).await?);
    }
    let variant = |act: &OutAct| match act {
        OutAct::Deny(variant) => Some(*variant),
        OutAct::Draft | OutAct::Unpublish(_) => None,
    };
    let variants: Vec<u64> = acts.iter().filter_map(variant).collect();
    for some in variants.chunks(VARIANTS_MAX) {
        let policy = if way == Way::Disable { "DENY" } else { "CONTINUE" };
        refused.extend(shopify.set_policies(product, some, policy).await?);
    }
    failpoint::hit(failpoint::STOCK_OUT_ANSWERED);
    let outcome = if refused.is_empty() { "done" } else { "refused" };
    let connection = link.name.as_str().to_owned();
    metrics::counter!(metric::STOCK_OUTS_TOTAL, "connection" => connection, "act" => way.as_str(), "outcome" => outcome)
        .increment(1);
    match refused.first() {
        Some(error) => tracing::warn!(
            connection = %link.name, product, way = way.as_str(), %error,
            "Shopify does not take what is due to a product that has run out, or is there again: it is tried again with the next reading"
        ),
        None => tracing::info!(connection = %link.name, product, way = way.as_str(), "a product has run out, or is there again"),
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
        let known = link.store.variants_of_products(&link.name, products).await?;
        let known: BTreeSet<u64> = known.into_iter().map(|variant| variant.product_id).collect();
        for row in rows.iter().filter(|row| !known.contains(&row.product_id)) {
            match behind_orders(link).shown_product(row.product_id).await {
                Ok(Some(_)) => {}
                Ok(None) => link.store.end_stock_out(&link.tenant.lease, row, "gone", link.clock.now()).await?,
                Err(error) => {
                    tracing::warn!(connection = %link.name, product = row.product_id, %error, "whether a product is gone could not be asked");
                    return Ok(false);
                }
            }
        }
    }
}

/// What happens to a product: as its first variant's SKU has it.
fn policy_of(link: &Connection, variants: &[StockVariant]) -> OutPolicy {
    let first = variants.first();
    let sku = first.and_then(|variant| variant.sku.as_deref().or(variant.catalog_no.as_deref())).unwrap_or_default();
    link.stock.of_sku(sku.trim()).out
}

/// Whether the last change that was made to a product is long enough ago.
fn rested(link: &Connection, latest: Option<&StockOut>) -> bool {
    let rest = SignedDuration::from_secs(i64::try_from(link.stock.out().rest_secs).unwrap_or(i64::MAX));
    latest.is_none_or(|row| link.clock.now().duration_since(row.changed_at) >= rest)
}

fn acts_of(row: &StockOut) -> Vec<OutAct> {
    row.acts.iter().filter_map(|word| OutAct::parse(word)).collect()
}

fn row_of(row: &StockOut) -> Option<OutRow> {
    Some(OutRow { state: OutState::parse(&row.state)?, acts: acts_of(row) })
}

/// What is left of each variant: of its levels that follow IFS what they come to, of others what they show. Nobody knows where a level
/// that follows has no plan.
fn left_of(link: &Connection, variants: &[StockVariant]) -> BTreeMap<u64, UnitsLeft> {
    let places: Vec<u64> = link.stock.places().iter().map(|place| place.location).collect();
    let of = |variant: &StockVariant| {
        let sku = variant.sku.as_deref().or(variant.catalog_no.as_deref()).unwrap_or_default();
        let rule = link.stock.of_sku(sku.trim());
        let follows = |location: u64| places.contains(&location) && rule.follows_at(location);
        let (mut sum, mut is_known) = (0_i64, false);
        for level in &variant.levels {
            if !follows(level.location_id) {
                sum = sum.saturating_add(level.available.max(0));
                continue;
            }
            match level.wanted.filter(|_| !matches!(level.state, LevelState::Left | LevelState::Read)) {
                Some(wanted) => (sum, is_known) = (sum.saturating_add(wanted), true),
                None => return UnitsLeft::Unknown,
            }
        }
        if is_known { UnitsLeft::Known(sum) } else { UnitsLeft::Unknown }
    };
    variants.iter().map(|variant| (variant.variant_id, of(variant))).collect()
}

/// What is left of a variant; of a bundle what Shopify says where the settings want that.
fn left(
    link: &Connection,
    known: &BTreeMap<u64, UnitsLeft>,
    variant: u64,
    (is_bundle, sellable): (bool, Option<i64>),
) -> UnitsLeft {
    if is_bundle && link.stock.out().bundle == BundleStock::ByShopify {
        return sellable.map_or(UnitsLeft::Unknown, UnitsLeft::Known);
    }
    known.get(&variant).copied().unwrap_or(UnitsLeft::Unknown)
}

/// A product as it was read for the plan. Where it is published was not: it passes for being on every channel.
fn known_product(link: &Connection, variants: &[StockVariant], known: &BTreeMap<u64, UnitsLeft>) -> ProductReading {
    let status = variants.first().map_or("", |variant| variant.status.as_str());
    let reading = |variant: &StockVariant| VariantReading {
        variant_id: variant.variant_id,
        is_tracked: variant.is_tracked,
        is_bundle: variant.is_bundle,
        policy: InventoryPolicy::from_word(&variant.policy),
        left: left(link, known, variant.variant_id, (variant.is_bundle, variant.sellable)),
    };
    ProductReading {
        status: ProductStatus::from_word(status),
        published: link.stock.channels().to_vec(),
        variants: variants.iter().map(reading).collect(),
    }
}

/// A product as it was read just now. Of a variant that is new since the plan nothing is known.
fn read_product(link: &Connection, shown: &ShownProduct, known: &BTreeMap<u64, UnitsLeft>) -> ProductReading {
    let variants = shown.variants.iter().map(|variant| VariantReading {
        variant_id: variant.variant_id,
        is_tracked: variant.is_tracked,
        is_bundle: variant.is_bundle,
        policy: InventoryPolicy::from_word(&variant.policy),
        left: left(link, known, variant.variant_id, (variant.is_bundle, variant.sellable)),
    });
    ProductReading {
        status: ProductStatus::from_word(&shown.status),
        published: shown.published.clone(),
        variants: variants.collect(),
    }
}
