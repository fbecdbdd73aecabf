//! Stock and prices in the crash matrix: what people do to both while the child is dead, and how both sides are brought to rest at the end.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};

use super::run::Run;
use super::{Trouble, tell};
use crate::cli::demo::{CONNECTIONS, StockRest, shops};
use crate::domain::ids::ConnectionName;
use crate::failpoint;
use crate::flow::prices::{ASKED, Asked};
use crate::sandbox::ifs::{SalesTerms, StockMove};
use crate::sandbox::shopify::BULK_VARIANTS_EACH;
use crate::sandbox::world::bulk_sku;
use crate::sandbox::{STOCK_LOCATION, Sandbox, StockUp};
use crate::store::Cursor;

/// A product beyond the catalogue for each point.
const PRODUCTS: usize = failpoint::STOCK.len() + failpoint::PRICES.len();
/// Units of each SKU at each site: more than any matrix sells.
const UNITS: u32 = 10_000;
/// Units that come in of what had run out.
const ENOUGH: i64 = 40;
/// What IFS lists is without its tax of a quarter, and what the shop asks with it.
const WITH_TAX: Decimal = Decimal::from_parts(125, 0, 0, false, 2);
/// What a price rises by: too little to wait for a person.
const DEARER: Decimal = Decimal::from_parts(5, 0, 0, false, 2);

/// The points of stock, then those of prices.
pub(super) fn points() -> impl Iterator<Item = &'static str> {
    failpoint::STOCK.into_iter().chain(failpoint::PRICES)
}

/// Both sides begin to count. The shops show nothing yet.
pub(super) fn stock_up(sandbox: &Sandbox) {
    sandbox.stock_up(StockUp { bulk: PRODUCTS * BULK_VARIANTS_EACH, units: UNITS, available: 0 });
}

/// What leads past the point with this index: its product runs out at every site and becomes dearer, of the one before it more comes in, and
/// stock and prices are asked for. The child that is started next has a level to set, a product to disable and one to bring back, and prices to
/// set, whatever became of those of its predecessors.
pub(super) async fn lead_to(run: &Run, index: usize) -> Result<(), Trouble> {
    let ifs = run.stage.sandbox.ifs();
    let mut counts = Vec::new();
    for site in shops().iter().map(|shop| &shop.contract) {
        counts.extend(skus(index).map(|sku| count(site, sku, 0)));
        if let Some(before) = index.checked_sub(1) {
            counts.extend(skus(before).map(|sku| count(site, sku, ENOUGH)));
        }
    }
    ifs.move_stock(&counts).map_err(|refused| format!("a person could not count: {refused}"))?;
    if let Some(site) = shops().first().map(|shop| &shop.contract) {
        for sku in skus(index) {
            let terms = ifs.sales_terms(site, &sku);
            ifs.set_sales_terms(site, &sku, SalesTerms { list_price: terms.list_price + DEARER, ..terms });
        }
    }
    ask(run).await.map(drop)
}

/// Has stock and prices read until both sides are equal, for so long at most: what a killed child's call did may be seen by a further
/// reading only.
pub(super) async fn until_equal(run: &mut Run, at_most: Duration) -> Result<(), Trouble> {
    let deadline = Instant::now() + at_most;
    while Instant::now() < deadline {
        for mut reading in ask(run).await? {
            while !reading.is_over(&run.stage.store).await.map_err(|failure| format!("the stock: {failure:?}"))?
                && Instant::now() < deadline
            {
                run.look().await?;
            }
        }
        while !prices_that_differ(&run.stage.sandbox).is_empty() && Instant::now() < deadline {
            run.look().await?;
        }
        if run.stage.sandbox.stock_books().is_clean() {
            return Ok(());
        }
    }
    tell("gave up waiting for stock and prices to be equal on both sides");
    Ok(())
}

/// What the first shop, whose prices follow IFS's, asks for other than IFS, in words; nothing where neither side was stocked up.
pub(super) fn prices_that_differ(sandbox: &Sandbox) -> Vec<String> {
    let (Some(shop), Some(settings)) = (sandbox.shop(0), shops().into_iter().next()) else {
        return Vec::new();
    };
    let own: Vec<String> = (0..PRODUCTS).flat_map(skus).collect();
    let variants = shop.products().into_iter().flat_map(|product| product.variants);
    let of = |(_, sku, _, asked): (u64, Option<String>, _, Decimal)| {
        let sku = sku.filter(|sku| own.contains(sku))?;
        let listed = sandbox.ifs().sales_terms(&settings.contract, &sku).list_price * WITH_TAX;
        let listed = listed.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
        (asked != listed).then(|| format!("{sku} of {}: the shop asks {asked}, and IFS {listed}", settings.domain))
    };
    variants.filter_map(of).collect()
}

/// Asks for a run of the first shop's prices, and for a reading of every connection's stock, which they wait for.
async fn ask(run: &Run) -> Result<Vec<StockRest>, Trouble> {
    let (store, now) = (&run.stage.store, Timestamp::now());
    let parse = |name: &str| ConnectionName::parse(name).map_err(|error| error.to_string());
    if let Some(name) = CONNECTIONS.first() {
        let asked = serde_json::to_string(&Asked { at: now.as_microsecond() }).map_err(|error| error.to_string())?;
        let cursor = Cursor { name: ASKED.to_owned(), value: asked };
        store.keep_cursor(&parse(name)?, cursor, now).await.map_err(|error| error.to_string())?;
    }
    let mut readings = Vec::new();
    for name in CONNECTIONS {
        let reading = StockRest::ask(store, parse(name)?).await;
        readings.push(reading.map_err(|failure| format!("the stock is not asked for: {failure:?}"))?);
    }
    Ok(readings)
}

/// The SKUs of a product beyond the catalogue.
fn skus(product: usize) -> impl Iterator<Item = String> {
    (product * BULK_VARIANTS_EACH..(product + 1) * BULK_VARIANTS_EACH).map(bulk_sku)
}

fn count(site: &str, part_no: String, units: i64) -> StockMove {
    let (contract, location_no) = (site.to_owned(), STOCK_LOCATION.to_owned());
    StockMove::Count { contract, part_no, location_no, on_hand: units.into() }
}
