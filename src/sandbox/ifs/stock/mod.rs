//! What lies in the warehouses of the simulated IFS: places with their quantities, and how orders take from them. Parts of which
//! nothing was ever laid in are not counted at all: orders for them go their way as if there were always enough.

mod agreed;
mod operate;
mod people;
mod rows;
pub(super) mod schema;

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::super::world;
use super::error::OdataError;
use super::path::LineKey;
use super::rules::refused;
use super::tables::{Table, Tables};

pub use people::{SalesTerms, StockFigures, StockMove};
pub(super) use rows::RowSet;

/// A text of a place: nearly always one that many places share.
pub type PlaceText = Cow<'static, str>;

/// So many rows IFS gives in one answer at most, whatever is asked for.
const PAGE_ROWS: usize = 5_000;
/// Kinds of places that orders are served from.
const SERVED_FROM: [&str; 3] = ["PICKING", "F", "DEEP"];
const OWN: &str = "COMPANY OWNED";

/// One row of `InventoryPartInStock`: so much of a part at one place, of one lot, with one serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockPlace {
    /// `LocationNo`.
    pub location_no: PlaceText,
    /// `LotBatchNo`; `*` for none.
    pub lot: PlaceText,
    /// `SerialNo`; `*` for none.
    pub serial: PlaceText,
    /// `Warehouse`.
    pub warehouse: Option<PlaceText>,
    /// `LocationTypeDb`: `PICKING`, `F`, `DEEP`, `ARRIVAL`, `QA`, `SHIPMENT`, `MANUFACTURING`.
    pub location_type: PlaceText,
    /// `PartOwnershipDb`: `COMPANY OWNED`, `CONSIGNMENT`, `CUSTOMER OWNED`, `SUPPLIER LOANED`.
    pub ownership: PlaceText,
    /// `AvailabilityControlId`.
    pub availability_control: Option<PlaceText>,
    /// `ConditionCode`.
    pub condition: Option<PlaceText>,
    /// `ProjectId`.
    pub project: Option<PlaceText>,
    /// `ExpirationDate`.
    pub expires: Option<Date>,
    /// `FreezeFlagDb`: it is being counted.
    pub is_frozen: bool,
    /// `QtyOnhand`.
    pub on_hand: Decimal,
    /// `QtyReserved`.
    pub reserved: Decimal,
    /// `QtyInTransit`.
    pub in_transit: Decimal,
}

impl StockPlace {
    /// A place of a warehouse that orders are served from, with so many units of our own.
    pub fn new(location_no: impl Into<PlaceText>, warehouse: impl Into<PlaceText>, on_hand: Decimal) -> Self {
        Self {
            location_no: location_no.into(),
            lot: "*".into(),
            serial: "*".into(),
            warehouse: Some(warehouse.into()),
            location_type: "PICKING".into(),
            ownership: OWN.into(),
            availability_control: None,
            condition: None,
            project: None,
            expires: None,
            is_frozen: false,
            on_hand,
            reserved: Decimal::ZERO,
            in_transit: Decimal::ZERO,
        }
    }

    fn key(&self) -> (&str, &str, &str) {
        (&self.location_no, &self.lot, &self.serial)
    }

    /// Whether orders are served from here.
    fn serves(&self) -> bool {
        SERVED_FROM.contains(&&*self.location_type)
            && self.ownership == OWN
            && self.availability_control.is_none()
            && self.project.is_none()
            && !self.is_frozen
    }

    fn free(&self) -> Decimal {
        if self.serves() { (self.on_hand - self.reserved).max(Decimal::ZERO) } else { Decimal::ZERO }
    }
}

/// What an order's line has of the stock, in the part's own units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    assigned: Decimal,
    shipped: Decimal,
}

/// A part's places at one site, in the order of IFS's key.
#[derive(Clone, Debug, Default)]
pub(super) struct PartStock {
    places: Vec<StockPlace>,
}

impl PartStock {
    /// Lays something in: a row of the same key gets more, else there is a new row.
    fn lay_in(&mut self, place: StockPlace) {
        match self.places.binary_search_by(|own| own.key().cmp(&place.key())) {
            Ok(at) => self.places[at].on_hand += place.on_hand,
            Err(at) => self.places.insert(at, place),
        }
    }

    fn at(&mut self, location_no: &str) -> Option<&mut StockPlace> {
        self.places.iter_mut().find(|place| place.location_no == location_no)
    }

    /// A line that had so much of the stock has this much from now on.
    fn settle(&mut self, part: &str, before: Taken, after: Taken) -> Result<(), OdataError> {
        // What is given up is free for what is taken.
        self.spread(
            part,
            before.assigned - after.assigned,
            |place| place.reserved,
            |place, qty| place.reserved -= qty,
        )?;
        self.spread(part, after.shipped - before.shipped, StockPlace::free, |place, qty| place.on_hand -= qty)?;
        self.spread(part, after.assigned - before.assigned, StockPlace::free, |place, qty| place.reserved += qty)?;
        if let (true, Some(first)) = (before.shipped > after.shipped, self.places.first_mut()) {
            first.on_hand += before.shipped - after.shipped;
        }
        Ok(())
    }

    /// Takes so much from the places, the first ones first; nothing where it is not above zero.
    fn spread(
        &mut self,
        part: &str,
        qty: Decimal,
        has: impl Fn(&StockPlace) -> Decimal,
        take: impl Fn(&mut StockPlace, Decimal),
    ) -> Result<(), OdataError> {
        let mut left = qty.max(Decimal::ZERO);
        for place in &mut self.places {
            let here = left.min(has(place));
            take(place, here);
            left -= here;
        }
        if left > Decimal::ZERO {
            return Err(refused(format!("InventoryPartInStock.QTY: {left} of part {part} is not available.")));
        }
        Ok(())
    }
}

/// The stock of all sites, what sales parts cost, and what bends IFS's answers about both.
#[derive(Debug)]
pub(super) struct Stock {
    /// By site and part, in the order of IFS's key.
    pub(super) parts: Table<PartStock>,
    /// Numbers of all sales parts, sorted; each site sells them all.
    catalog: Vec<String>,
    /// What a site sells a part for where it is not the list's price: by site and number.
    terms: BTreeMap<(String, String), SalesTerms>,
    /// Prices that were agreed on: by customer and number, each from its day on.
    agreed: BTreeMap<(String, String), BTreeMap<Date, Decimal>>,
    /// Price queries that were not cleaned up.
    queries: u64,
    bent: Bent,
}

impl Default for Stock {
    fn default() -> Self {
        Self {
            parts: Table::default(),
            catalog: world::catalog_nos(0),
            terms: BTreeMap::new(),
            agreed: BTreeMap::new(),
            queries: 0,
            bent: Bent::default(),
        }
    }
}

/// What bends the answers about the stock.
#[derive(Debug)]
struct Bent {
    page_rows: usize,
    /// Pages that are still answered before the list breaks off.
    pages_left: Option<u32>,
    /// The list answers that there is nothing.
    is_empty: bool,
    /// The list of order lines answers that there is nothing.
    has_no_lines: bool,
    /// After so many further pages somebody moves these.
    moves: Option<(u32, Vec<StockMove>)>,
}

impl Default for Bent {
    fn default() -> Self {
        Self { page_rows: PAGE_ROWS, pages_left: None, is_empty: false, has_no_lines: false, moves: None }
    }
}

/// Under which a site's part stands: a sign between that sorts before all others keeps the order of IFS's key.
fn key(contract: &str, part_no: &str) -> String {
    format!("{contract}\u{1}{part_no}")
}

/// Site and part of a key.
fn unkey(key: &str) -> (&str, &str) {
    key.split_once('\u{1}').unwrap_or((key, ""))
}

/// Brings the stock to what an order's lines have of it now: after each act that moves their quantities.
pub(super) fn follow(tables: &mut Tables, order_no: &str) -> Result<(), OdataError> {
    if tables.stock.parts.is_empty() {
        return Ok(());
    }
    let Some(order) = tables.order(order_no) else { return Ok(()) };
    let contract = order.header.text("Contract").to_owned();
    let mut moved = Vec::new();
    // A package's own line has no stock: its components have.
    for line in order.lines.iter().filter(|line| line.int("LineItemNo") >= 0) {
        let Some((part, units)) = world::inventory_part(line.text("CatalogNo")) else { continue };
        let qty = |name: &str| line.decimal(name).unwrap_or_default() * units;
        let (line_no, rel_no) = (line.text("LineNo").to_owned(), line.text("RelNo").to_owned());
        let line_key = LineKey { line_no, rel_no, line_item_no: line.int("LineItemNo") };
        let before = order.taken.get(&line_key).copied().unwrap_or_default();
        let after = Taken { assigned: qty("QtyAssigned"), shipped: qty("QtyShipped") };
        if before != after {
            moved.push((line_key, part.to_owned(), before, after));
        }
    }
    for (line_key, part, before, after) in moved {
        let Some(stock) = tables.stock.parts.get_mut(&key(&contract, &part)) else { continue };
        stock.settle(&part, before, after)?;
        if let Some(order) = tables.order_mut(order_no) {
            order.taken.insert(line_key, after);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock(places: &[(&'static str, i64)]) -> PartStock {
        let mut stock = PartStock::default();
        places.iter().for_each(|(no, units)| stock.lay_in(StockPlace::new(*no, "W1", Decimal::from(*units))));
        stock
    }

    fn taken(assigned: i64, shipped: i64) -> Taken {
        Taken { assigned: assigned.into(), shipped: shipped.into() }
    }

    fn figures(stock: &PartStock) -> Vec<(i64, i64)> {
        let whole = |qty: Decimal| i64::try_from(qty).expect("whole");
        stock.places.iter().map(|place| (whole(place.on_hand), whole(place.reserved))).collect()
    }

    #[test]
    fn places_stand_in_the_order_of_their_keys_and_take_more_of_the_same() {
        let stock = stock(&[("B", 2), ("A", 1), ("B", 5)]);
        assert_eq!(figures(&stock), [(1, 0), (7, 0)]);
        assert_eq!(unkey(&key("S10", "MUG-001")), ("S10", "MUG-001"));
    }

    #[test]
    fn a_line_reserves_gives_up_and_ships_over_several_places() {
        let mut stock = stock(&[("A", 3), ("B", 4)]);
        stock.settle("P", taken(0, 0), taken(5, 0)).expect("seven are there");
        assert_eq!(figures(&stock), [(3, 3), (4, 2)]);
        stock.settle("P", taken(5, 0), taken(1, 4)).expect("four of them leave");
        assert_eq!(figures(&stock), [(0, 0), (3, 1)]);
        assert!(stock.clone().settle("P", taken(1, 4), taken(9, 4)).is_err(), "two are free");
        let mut other = stock.clone();
        other.settle("P", taken(1, 4), taken(0, 0)).expect("it comes back");
        assert_eq!(figures(&other), [(4, 0), (3, 0)]);
    }

    #[test]
    fn nothing_is_served_from_a_place_that_is_counted_or_not_ours() {
        let mut stock = stock(&[("A", 3)]);
        stock.lay_in(StockPlace { is_frozen: true, ..StockPlace::new("B", "W1", Decimal::TEN) });
        stock.lay_in(StockPlace { ownership: "CONSIGNMENT".into(), ..StockPlace::new("C", "W1", Decimal::TEN) });
        stock.lay_in(StockPlace { location_type: "ARRIVAL".into(), ..StockPlace::new("D", "W1", Decimal::TEN) });
        assert!(stock.clone().settle("P", taken(0, 0), taken(4, 0)).is_err());
        stock.settle("P", taken(0, 0), taken(3, 0)).expect("three are free");
    }
}
