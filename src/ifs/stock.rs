//! What a site has in stock of its parts, and what open lines of customer orders still take of them, page by page. Reads only. What
//! counts of it is the mapping's.

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::client::IfsClient;
use super::error::IfsError;
use super::projection::Projection;
use super::stock_listing::{KeyField, Listing};
use super::wire::{Row, RowError, key, names, stock};

/// One row of the stock: a lot, a serial number, a place. In the units in which IFS counts the part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockRow {
    /// `QtyOnhand`.
    pub on_hand: Decimal,
    /// `QtyReserved`.
    pub reserved: Decimal,
    /// `Warehouse`.
    pub warehouse: Option<String>,
    /// `LocationTypeDb`.
    pub location_type: Option<String>,
    /// `AvailabilityControlId`.
    pub availability_control: Option<String>,
    /// `FreezeFlagDb`.
    pub is_frozen: bool,
    /// `PartOwnershipDb`.
    pub ownership: Option<String>,
    /// `ConditionCode`.
    pub condition: Option<String>,
    /// `ProjectId`.
    pub project: Option<String>,
    /// `ExpirationDate`.
    pub expires: Option<Date>,
}

/// A part with all of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartInStock {
    /// `PartNo`.
    pub part_no: String,
    /// Its rows, all of one moment. None for a part that changed each time it was read, or has an odd row: nothing is known of it.
    pub rows: Option<Vec<StockRow>>,
    /// What one of its rows holds that cannot be read. It is this part's alone: all others are read.
    pub odd: Option<String>,
}

/// One page of a site's stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockPage {
    /// The parts that have rows, by their numbers.
    pub parts: Vec<PartInStock>,
    /// Behind which part the next page begins; none after the last one. Only then a part that was on no page has no stock.
    pub next: Option<String>,
}

/// An open line of a customer order, of whatever channel, in the units in which IFS counts the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenLine {
    /// `RevisedQtyDue`.
    pub due: Decimal,
    /// `QtyAssigned`.
    pub assigned: Decimal,
    /// `QtyShipped`.
    pub shipped: Decimal,
}

/// A part with the open lines that take of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartWithDemand {
    /// `PartNo`.
    pub part_no: String,
    /// Its open lines. None for a part whose lines changed each time they were read, or of which one is odd: nothing is known of it.
    pub lines: Option<Vec<OpenLine>>,
    /// What one of its lines holds that cannot be read.
    pub odd: Option<String>,
}

/// One page of what open lines take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemandPage {
    /// The parts that have lines, by their numbers.
    pub parts: Vec<PartWithDemand>,
    /// Behind which part the next page begins; none after the last one.
    pub next: Option<String>,
}

/// Who leaves out the lines of a site that are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFilter {
    /// IFS.
    ByState,
    /// We do, since that tenant takes no filter on states: then all lines of the site are read.
    ByUs,
}

const STOCK_KEY: &[KeyField] = &[
    KeyField::Text(stock::CONFIGURATION_ID),
    KeyField::Text(stock::LOCATION_NO),
    KeyField::Text(stock::LOT_BATCH_NO),
    KeyField::Text(stock::SERIAL_NO),
    KeyField::Text(stock::ENG_CHG_LEVEL),
    KeyField::Text(stock::WAIV_DEV_REJ_NO),
    KeyField::Number(stock::ACTIVITY_SEQ),
    KeyField::Number(stock::HANDLING_UNIT_ID),
];

const STOCK_FIELDS: &[&str] = &[
    stock::QTY_ONHAND,
    stock::QTY_RESERVED,
    stock::WAREHOUSE,
    stock::LOCATION_TYPE_DB,
    stock::AVAILABILITY_CONTROL_ID,
    stock::FREEZE_FLAG_DB,
    stock::PART_OWNERSHIP_DB,
    stock::CONDITION_CODE,
    stock::PROJECT_ID,
    stock::EXPIRATION_DATE,
];

const LINE_KEY: &[KeyField] = &[
    KeyField::Text(names::ORDER_NO),
    KeyField::Text(names::LINE_NO),
    KeyField::Text(names::REL_NO),
    KeyField::Number(names::LINE_ITEM_NO),
];

const LINE_FIELDS: &[&str] = &[stock::REVISED_QTY_DUE, names::QTY_ASSIGNED, names::QTY_SHIPPED, names::ORDER_STATE];

/// States in which a line takes nothing more, whatever its quantities say.
const CLOSED: [&str; 3] = ["Delivered", "Invoiced", "Cancelled"];

impl IfsClient {
    /// The page of a site's stock behind a part.
    ///
    /// # Errors
    /// It could not be read, or IFS does not keep to the order of the numbers: then going on could miss some.
    pub async fn stock_page(&self, contract: &str, after: Option<&str>) -> Result<StockPage, IfsError> {
        let page = self.at(Projection::PartsInStock).listing_page(&stock_of(contract), after).await?;
        let parts = page.parts.into_iter().map(in_stock).collect();
        Ok(StockPage { parts, next: page.next })
    }

    /// The stock of some parts of a site, each of them: one without rows has none.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn stock_of_parts(&self, contract: &str, parts: &[&str]) -> Result<Vec<PartInStock>, IfsError> {
        let found = self.at(Projection::PartsInStock).listing_of(&stock_of(contract), parts).await?;
        Ok(found.into_iter().map(in_stock).collect())
    }

    /// The page of a site's open lines behind a part.
    ///
    /// # Errors
    /// As [`stock_page`](Self::stock_page).
    pub async fn demand_page(
        &self,
        contract: &str,
        filter: LineFilter,
        after: Option<&str>,
    ) -> Result<DemandPage, IfsError> {
        let page = self.at(Projection::Orders).listing_page(&lines_of(contract, filter), after).await?;
        let parts = page.parts.into_iter().map(with_demand).collect();
        Ok(DemandPage { parts, next: page.next })
    }

    /// The open lines of some parts of a site, each of them: one without lines has none.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn demand_of_parts(
        &self,
        contract: &str,
        filter: LineFilter,
        parts: &[&str],
    ) -> Result<Vec<PartWithDemand>, IfsError> {
        let found = self.at(Projection::Orders).listing_of(&lines_of(contract, filter), parts).await?;
        Ok(found.into_iter().map(with_demand).collect())
    }

    /// Finds out whether a tenant filters lines by their state: on some every such filter is refused (seen).
    ///
    /// # Errors
    /// It could not be asked.
    pub async fn line_filter(&self, contract: &str) -> Result<LineFilter, IfsError> {
        let probe = format!(
            "{}?$filter={}%20eq%20{}%20and%20{}&$select={}&$top=1",
            stock::ORDER_LINE_SET,
            names::CONTRACT,
            key::quoted(contract),
            not_closed(),
            names::ORDER_NO,
        );
        match self.at(Projection::Orders).query(&probe).await {
            Ok(_) => Ok(LineFilter::ByState),
            Err(IfsError::Refused { .. }) => Ok(LineFilter::ByUs),
            Err(other) => Err(other),
        }
    }
}

fn stock_of(contract: &str) -> Listing<'_> {
    let (set, part) = (stock::IN_STOCK_SET, stock::PART_NO);
    Listing { set, contract, part, key: STOCK_KEY, fields: STOCK_FIELDS, narrowed: None }
}

fn lines_of(contract: &str, filter: LineFilter) -> Listing<'_> {
    let (set, part) = (stock::ORDER_LINE_SET, stock::PART_NO);
    let narrowed = (filter == LineFilter::ByState).then(not_closed);
    Listing { set, contract, part, key: LINE_KEY, fields: LINE_FIELDS, narrowed }
}

/// The condition of lines that may still take something, as a filter writes it.
fn not_closed() -> String {
    let of = |state: &str| format!("{}%20ne%20{}'{state}'", names::OBJSTATE, stock::LINE_STATE);
    CLOSED.map(of).join("%20and%20")
}

fn in_stock((part_no, rows): (String, Option<Vec<Row>>)) -> PartInStock {
    let (rows, odd) = all_or_odd(rows, |row| stock_row(row).map(Some));
    PartInStock { part_no, rows, odd }
}

/// What the rows of a part tell. One that is odd takes its part with it, since a sum without it would be a guess, and no other part.
fn all_or_odd<T>(
    rows: Option<Vec<Row>>,
    read: impl Fn(&Row) -> Result<Option<T>, RowError>,
) -> (Option<Vec<T>>, Option<String>) {
    let Some(rows) = rows else { return (None, None) };
    match rows.iter().filter_map(|row| read(row).transpose()).collect::<Result<Vec<T>, RowError>>() {
        Ok(all) => (Some(all), None),
        Err(odd) => (None, Some(odd.to_string())),
    }
}

fn stock_row(row: &Row) -> Result<StockRow, RowError> {
    Ok(StockRow {
        on_hand: stock::quantity(row, stock::QTY_ONHAND)?,
        reserved: stock::quantity(row, stock::QTY_RESERVED)?,
        warehouse: stock::word(row, stock::WAREHOUSE)?,
        location_type: stock::word(row, stock::LOCATION_TYPE_DB)?,
        availability_control: stock::word(row, stock::AVAILABILITY_CONTROL_ID)?,
        is_frozen: stock::flag(row, stock::FREEZE_FLAG_DB)?,
        ownership: stock::word(row, stock::PART_OWNERSHIP_DB)?,
        condition: stock::word(row, stock::CONDITION_CODE)?,
        project: stock::word(row, stock::PROJECT_ID)?,
        expires: stock::day(row, stock::EXPIRATION_DATE)?,
    })
}

fn with_demand((part_no, rows): (String, Option<Vec<Row>>)) -> PartWithDemand {
    let (lines, odd) = all_or_odd(rows, open_line);
    PartWithDemand { part_no, lines, odd }
}

/// A line, unless it takes nothing more. One in a state that nobody has heard of counts: less is sold then, not more.
fn open_line(row: &Row) -> Result<Option<OpenLine>, RowError> {
    if row.text(names::ORDER_STATE).is_some_and(|state| CLOSED.contains(&state)) {
        return Ok(None);
    }
    Ok(Some(OpenLine {
        due: stock::quantity(row, stock::REVISED_QTY_DUE)?,
        assigned: stock::quantity(row, names::QTY_ASSIGNED)?,
        shipped: stock::quantity(row, names::QTY_SHIPPED)?,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_that_is_closed_takes_nothing_and_one_of_an_unknown_state_does() {
        let line = |state: &str| {
            let row = json!({"RevisedQtyDue": "5", "QtyAssigned": "2", "OrderState": state});
            open_line(&Row::from_json(&row).expect("an object")).expect("reads")
        };
        for state in CLOSED {
            assert_eq!(line(state), None, "{state}");
        }
        let open = OpenLine { due: Decimal::from(5), assigned: Decimal::TWO, shipped: Decimal::ZERO };
        for state in ["Released", "PartiallyDelivered", "Dreamt"] {
            assert_eq!(line(state), Some(open), "{state}");
        }
    }

    #[test]
    fn states_are_filtered_as_ifs_writes_them_in_urls() {
        assert!(not_closed().replace("%20", " ").starts_with(
            "Objstate ne IfsApp.CustomerOrderHandling.CustomerOrderLineState'Delivered' and Objstate ne "
        ));
    }
}
