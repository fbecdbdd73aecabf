//! The readings of IFS: sales parts, then open lines, the stock, and open lines once more, each site page by page.

use super::figures::{DemandFigures, StockFigures, kept, row_of};
use super::place::{Place, Step};
use super::{Stepped, StockError, cursor, keep, stored};
use crate::flow::Connection;
use crate::ifs::{LineFilter, PartInStock, PartWithDemand, SalesPartRow};
use crate::mapping::stock::fewer::Counted;
use crate::mapping::stock::rows::{PartStock, sum};
use crate::store::{PartFigures, PartReading, SalesPart};

/// Parts that are asked for by their numbers at once.
pub(super) const PARTS_AT_ONCE: usize = 100;

/// The site of a step; none behind the last one.
pub(super) fn site_of(link: &Connection, site: usize) -> Option<String> {
    link.stock.sites().get(site).map(|site| (*site).to_owned())
}

/// A page of sales parts.
pub(super) async fn sales_parts(
    link: &Connection,
    place: &mut Place,
    site: usize,
    after: Option<String>,
) -> Result<Stepped, StockError> {
    let Some(contract) = site_of(link, site) else {
        place.go_to(Step::Orders);
        keep(link, place).await?;
        return Ok(Stepped::Further);
    };
    let (store, lease, run) = (&link.store, &link.tenant.lease, place.run);
    let page = link.tenant.ifs.sales_parts_page(&contract, after.as_deref()).await?;
    place.seen.sales_parts += page.parts.len() as u64;
    let (before, now) = place.counts(|counts| &mut counts.sales_parts, (&contract, page.parts.len()));
    if page.next.is_none() {
        place.holds(link, Counted::SalesParts, (Some(&contract), before, now))?;
    }
    let parts = page.parts.into_iter().map(sales_part).collect();
    let is_last = page.next.is_none();
    place.go_to(match page.next {
        Some(next) => Step::SalesParts { site, after: Some(next) },
        None => Step::SalesParts { site: site + 1, after: None },
    });
    if is_last {
        // Kept first: what is forgotten then is what the whole list did not tell.
        store.put_sales_parts(lease, &link.name, (contract.clone(), run), parts, None, link.clock.now()).await?;
        store.end_sales_parts(lease, &link.name, contract, run).await?;
        stored(keep(link, place)).await?;
    } else {
        let cursor = Some(cursor(place));
        stored(store.put_sales_parts(lease, &link.name, (contract, run), parts, cursor, link.clock.now())).await?;
    }
    Ok(Stepped::Further)
}

fn sales_part(row: SalesPartRow) -> SalesPart {
    let text = |figure: Option<rust_decimal::Decimal>| figure.map(|figure| figure.normalize().to_string());
    SalesPart {
        catalog_no: row.catalog_no,
        part_no: row.part_no,
        conversion: text(row.conversion),
        price_conversion: text(row.price_conversion),
        is_active: row.is_active,
        list_price: text(row.list_price),
        list_price_incl_tax: text(row.list_price_incl_tax),
        currency: row.currency,
    }
}

/// A page of open lines, before the stock.
pub(super) async fn demand_before(
    link: &Connection,
    place: &mut Place,
    site: usize,
    after: Option<String>,
) -> Result<Stepped, StockError> {
    let Some(contract) = site_of(link, site) else {
        place.go_to(Step::Stock { site: 0, after: None });
        keep(link, place).await?;
        return Ok(Stepped::Further);
    };
    let page = demand_page(link, place, &contract, (after, 0)).await?;
    place.go_to(match &page.next {
        Some(next) => Step::DemandBefore { site, after: Some(next.clone()) },
        None => Step::DemandBefore { site: site + 1, after: None },
    });
    put(link, place, (contract, PartReading::DemandBefore), page.figures).await
}

/// A page of open lines, after the stock.
pub(super) async fn demand_after(
    link: &Connection,
    place: &mut Place,
    site: usize,
    after: Option<String>,
) -> Result<Stepped, StockError> {
    let Some(contract) = site_of(link, site) else {
        place.waits_for_books(link.clock.now());
        keep(link, place).await?;
        return Ok(Stepped::Further);
    };
    let page = demand_page(link, place, &contract, (after, 1)).await?;
    place.go_to(match &page.next {
        Some(next) => Step::DemandAfter { site, after: Some(next.clone()) },
        None => Step::DemandAfter { site: site + 1, after: None },
    });
    put(link, place, (contract, PartReading::DemandAfter), page.figures).await
}

/// A page of the stock. At the end of a site's it is looked whether there are about as many parts as the last time.
pub(super) async fn stock(
    link: &Connection,
    place: &mut Place,
    site: usize,
    after: Option<String>,
) -> Result<Stepped, StockError> {
    let Some(contract) = site_of(link, site) else {
        place.go_to(Step::DemandAfter { site: 0, after: None });
        keep(link, place).await?;
        return Ok(Stepped::Further);
    };
    let page = link.tenant.ifs.stock_page(&contract, after.as_deref()).await?;
    *place.seen.parts.entry(contract.clone()).or_default() += page.parts.len() as u64;
    let (before, now) = place.counts(|counts| &mut counts.in_stock, (&contract, page.parts.len()));
    if page.next.is_none() {
        place.holds(link, Counted::PartsInStock, (Some(&contract), before, now))?;
    }
    place.go_to(match page.next {
        Some(next) => Step::Stock { site, after: Some(next) },
        None => Step::Stock { site: site + 1, after: None },
    });
    tell_odd(link, &contract, "stock", page.parts.iter().map(|part| (part.part_no.as_str(), part.odd.as_deref())));
    let figures = page.parts.into_iter().map(|part| stock_figures(link, &contract, part)).collect();
    put(link, place, (contract, PartReading::Stock), figures).await
}

async fn put(
    link: &Connection,
    place: &Place,
    (site, reading): (String, PartReading),
    figures: Vec<PartFigures>,
) -> Result<Stepped, StockError> {
    let (which, cursor) = ((site, place.run, reading), Some(cursor(place)));
    let lease = &link.tenant.lease;
    stored(link.store.put_part_figures(lease, &link.name, which, figures, cursor, link.clock.now())).await?;
    Ok(Stepped::Further)
}

/// A page of open lines, as it is kept.
struct Page {
    figures: Vec<PartFigures>,
    next: Option<String>,
}

async fn demand_page(
    link: &Connection,
    place: &mut Place,
    contract: &str,
    (after, reading): (Option<String>, usize),
) -> Result<Page, StockError> {
    let ifs = &link.tenant.ifs;
    if after.is_none() {
        place.filters_lines = ifs.line_filter(contract).await? == LineFilter::ByState;
    }
    let filter = if place.filters_lines { LineFilter::ByState } else { LineFilter::ByUs };
    let page = ifs.demand_page(contract, filter, after.as_deref()).await?;
    let (before, now) = place.counts(|counts| &mut counts.with_lines[reading], (contract, page.parts.len()));
    if page.next.is_none() {
        place.holds(link, Counted::PartsWithLines, (Some(contract), before, now))?;
    }
    tell_odd(link, contract, "open lines", page.parts.iter().map(|part| (part.part_no.as_str(), part.odd.as_deref())));
    Ok(Page { figures: page.parts.into_iter().map(demand_figures).collect(), next: page.next })
}

/// Says once for a page that parts of it are left alone: a log must not grow with what is odd in IFS.
fn tell_odd<'a>(
    link: &Connection,
    contract: &str,
    what: &str,
    parts: impl Iterator<Item = (&'a str, Option<&'a str>)>,
) {
    let mut odd = parts.filter_map(|(part_no, odd)| odd.map(|odd| (part_no, odd)));
    let Some((part_no, error)) = odd.next() else { return };
    let others = odd.count();
    tracing::warn!(
        connection = %link.name, contract, what, part_no, error, others,
        "a row of IFS cannot be read: the levels of its part stay as they are"
    );
}

pub(super) fn demand_figures(part: PartWithDemand) -> PartFigures {
    let figures = kept(&DemandFigures::of(part.lines.as_deref()));
    PartFigures { part_no: part.part_no, figures }
}

pub(super) fn stock_figures(link: &Connection, contract: &str, part: PartInStock) -> PartFigures {
    let PartInStock { part_no, rows, odd } = part;
    let today = link.rules.local(link.clock.now()).date();
    let stock = match (rows, odd) {
        (_, Some(odd)) => PartStock::Unclear(odd),
        (Some(rows), None) => {
            let rows: Vec<_> = rows.into_iter().map(|row| row_of(&part_no, row)).collect();
            sum(&rows, contract, &link.stock, today)
        }
        (None, None) => PartStock::NotRead,
    };
    PartFigures { figures: kept(&StockFigures::from(stock)), part_no }
}
