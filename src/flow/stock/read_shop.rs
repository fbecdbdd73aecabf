//! The first reading of a run: the shop's variants and their levels, page by page, or from the file of a bulk operation.

use std::time::Duration;

use jiff::Timestamp;

use super::place::{Place, Step};
use super::{Stepped, StockError, cursor, keep, stored};
use crate::flow::Connection;
use crate::mapping::stock::fewer::Counted;
use crate::mapping::stock::part::{Variant, part_of};
use crate::shopify::bulk::BulkState;
use crate::shopify::orders::PageSize;
use crate::shopify::stock::{ListedLevel, ListedVariant, ReadBetween, ShopLocation, StockLine, VARIANTS_PAGE_MAX};
use crate::shopify::{Lane, ShopifyClient};
use crate::store::{LevelsTold, ReadLevel, ReadVariant, StockReading};

/// Lines of a file that are stored at once.
const LINES_AT_ONCE: usize = 1_000;
/// Time between two looks whether the file is there.
const FILE_LOOK: Duration = Duration::from_secs(2);

/// Stock is read and written behind the orders.
pub(super) fn behind_orders(link: &Connection) -> ShopifyClient {
    link.shopify.in_lane(Lane::Rest)
}

/// Reads a page. The first one of a large shop starts a bulk operation instead.
pub(super) async fn page(link: &Connection, place: &mut Place, after: Option<String>) -> Result<Stepped, StockError> {
    let shopify = behind_orders(link);
    if after.is_none() {
        let shop = shopify.stock_shop().await?;
        tell_of_locations(link, &shop.locations);
        if shop.variants_at_least >= link.stock.settings().bulk_variants_min {
            place.mark = link.store.stock_mark(&link.name).await?;
            place.asked = link.clock.now().as_microsecond();
            place.file_from = shopify.shop_time().map(|at| at.as_microsecond());
            let id = shopify.start_bulk_variants().await?;
            place.go_to(Step::File { id, lines: 0 });
            keep(link, place).await?;
            return Ok(Stepped::Further);
        }
    }
    let (mark, asked_at) = (link.store.stock_mark(&link.name).await?, link.clock.now());
    let page = shopify.variants_page(after.as_deref(), &mut PageSize::of(VARIANTS_PAGE_MAX)).await?;
    let (variants, levels) = split(link, page.variants);
    place.seen.variants += variants.len() as u64;
    place.seen.levels += levels.len() as u64;
    let is_last = page.next.is_none();
    match page.next {
        Some(next) => place.go_to(Step::Variants { after: Some(next) }),
        None => {
            enough(link, place)?;
            place.was_read(link).await?;
            place.go_to(Step::SalesParts { site: 0, after: None });
        }
    }
    put(link, place, (mark, asked_at), page.read, (LevelsTold::All, variants, levels)).await?;
    if is_last {
        end(link, place).await?;
    }
    Ok(Stepped::Further)
}

/// Reads the file of a bulk operation, once it is there.
pub(super) async fn file(link: &Connection, place: &mut Place, id: &str, lines: u64) -> Result<Stepped, StockError> {
    let shopify = behind_orders(link);
    let (url, objects) = match shopify.bulk_state(id).await? {
        BulkState::Done { url, objects } => (url, objects),
        BulkState::Ended { why } => return Err(StockError::Bulk(why)),
        BulkState::Running { .. } => return Ok(Stepped::Later(FILE_LOOK)),
    };
    // Not after this: the operation was done by now.
    let until = shopify.shop_time();
    let read = ReadBetween { from: place.file_from.and_then(|at| Timestamp::from_microsecond(at).ok()), until };
    let mut read_lines = 0;
    if let Some(url) = url {
        let mut file = shopify.open_bulk_file(&url).await?;
        loop {
            if link.is_stopping() {
                return Ok(Stepped::Further);
            }
            let mut some = file.next_stock(LINES_AT_ONCE).await?;
            if some.is_empty() {
                break;
            }
            let count = some.len() as u64;
            // Lines that an earlier try stored.
            let behind = lines.saturating_sub(read_lines).min(count);
            read_lines += count;
            some.drain(..usize::try_from(behind).unwrap_or(some.len()));
            if some.is_empty() {
                continue;
            }
            let (variants, levels) = sorted_out(link, some);
            place.seen.variants += variants.len() as u64;
            place.seen.levels += levels.len() as u64;
            place.go_to(Step::File { id: id.to_owned(), lines: read_lines });
            put(link, place, (place.mark, place.asked_at()), read, (LevelsTold::Apart, variants, levels)).await?;
        }
    }
    if read_lines != objects {
        return Err(StockError::Bulk(format!("a file of {read_lines} lines instead of {objects}")));
    }
    enough(link, place)?;
    place.was_read(link).await?;
    place.go_to(Step::SalesParts { site: 0, after: None });
    end(link, place).await?;
    keep(link, place).await?;
    Ok(Stepped::Further)
}

/// Whether the shop told about as many variants as the last time.
fn enough(link: &Connection, place: &mut Place) -> Result<(), StockError> {
    place.counts.variants = place.seen.variants;
    let before = place.counts_before.as_ref().map(|before| before.variants);
    place.holds(link, Counted::Variants, (None, before, place.seen.variants))
}

/// What the reading did not tell of is not there any more.
async fn end(link: &Connection, place: &Place) -> Result<(), StockError> {
    let gone = link.store.end_stock_reading(&link.tenant.lease, &link.name, place.run).await?;
    if gone.variants + gone.levels > 0 {
        tracing::info!(
            connection = %link.name, variants = gone.variants, levels = gone.levels,
            "the shop has these no more, or switched their location off"
        );
    }
    Ok(())
}

type Told = (LevelsTold, Vec<ReadVariant>, Vec<ReadLevel>);

async fn put(
    link: &Connection,
    place: &Place,
    (mark, asked_at): (i64, Timestamp),
    read: ReadBetween,
    (told, variants, levels): Told,
) -> Result<(), StockError> {
    let ReadBetween { from: read_from, until: read_until } = read;
    let (run, cursor) = (place.run, Some(cursor(place)));
    let reading = StockReading { run, mark, asked_at, read_from, read_until, told, variants, levels, cursor };
    stored(link.store.put_stock_reading(&link.tenant.lease, &link.name, reading, link.clock.now())).await?;
    Ok(())
}

/// Variants and their levels, as they are stored.
pub(super) fn split(link: &Connection, listed: Vec<ListedVariant>) -> (Vec<ReadVariant>, Vec<ReadLevel>) {
    let mut levels = Vec::new();
    let mut variants = Vec::with_capacity(listed.len());
    for variant in listed {
        levels.extend(variant.levels.iter().map(|level| level_of(variant.item_id, *level)));
        variants.push(variant_of(link, variant));
    }
    (variants, levels)
}

fn sorted_out(link: &Connection, lines: Vec<StockLine>) -> (Vec<ReadVariant>, Vec<ReadLevel>) {
    let (mut variants, mut levels) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            StockLine::Variant(variant) => variants.push(variant_of(link, *variant)),
            StockLine::Level { item_id, level } => levels.push(level_of(item_id, level)),
        }
    }
    (variants, levels)
}

fn level_of(item_id: u64, level: ListedLevel) -> ReadLevel {
    let ListedLevel { location_id, available, committed, reserved } = level;
    ReadLevel { item_id, location_id, available, committed, reserved }
}

fn variant_of(link: &Connection, listed: ListedVariant) -> ReadVariant {
    let named = Variant {
        product_id: listed.product_id,
        variant_id: listed.variant_id,
        item: listed.item_id,
        sku: listed.sku.clone(),
        barcode: listed.barcode.clone(),
        is_tracked: listed.is_tracked,
        is_bundle: listed.is_bundle,
    };
    ReadVariant {
        variant_id: listed.variant_id,
        product_id: listed.product_id,
        item_id: listed.item_id,
        sku: listed.sku,
        barcode: listed.barcode,
        catalog_no: part_of(&named, &link.rules).map(|part| part.catalog_no),
        price: listed.price.to_string(),
        policy: listed.policy,
        status: listed.status,
        is_tracked: listed.is_tracked,
        is_bundle: listed.is_bundle,
        sellable: listed.sellable,
    }
}

/// A location that the settings name and the shop does not have, or has switched off, gets no stock.
fn tell_of_locations(link: &Connection, locations: &[ShopLocation]) {
    for place in link.stock.places() {
        let location = place.location;
        if !locations.iter().any(|known| known.id == location && known.is_active) {
            tracing::warn!(
                connection = %link.name, location,
                "stock.locations names a location that the shop does not have or has switched off: nothing is kept up to date there"
            );
        }
    }
}
