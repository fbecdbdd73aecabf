//! What persons do with the stock of the simulated IFS, and how its answers are bent for tests.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::super::super::world;
use super::super::error::OdataError;
use super::super::rules::refused;
use super::super::service::lock;
use super::super::tables::{Order, Tables};
use super::super::{Ifs, PersonRefused};
use super::{Bent, PartStock, Stock, StockPlace, key, unkey};

/// One thing that a person does with the stock of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StockMove {
    /// So much more of a part is laid in at a place.
    Receive {
        /// `Contract`.
        contract: String,
        /// `PartNo`.
        part_no: String,
        /// Where, and how much.
        place: Box<StockPlace>,
    },
    /// A place was counted: so much of a part lies there, whatever was believed.
    Count {
        /// `Contract`.
        contract: String,
        /// `PartNo`.
        part_no: String,
        /// `LocationNo`.
        location_no: String,
        /// How much.
        on_hand: Decimal,
    },
    /// So much of a part goes from one place to another, which is of the same kind.
    Carry {
        /// `Contract`.
        contract: String,
        /// `PartNo`.
        part_no: String,
        /// `LocationNo` that it leaves.
        from: String,
        /// `LocationNo` that it comes to.
        to: String,
        /// How much.
        units: Decimal,
    },
    /// The counting of a place begins or ends.
    Freeze {
        /// `Contract`.
        contract: String,
        /// `PartNo`.
        part_no: String,
        /// `LocationNo`.
        location_no: String,
        /// Whether it begins.
        is_frozen: bool,
    },
    /// All places of a part are given up: it stays a part, of which no row lists anything.
    ClearOut {
        /// `Contract`.
        contract: String,
        /// `PartNo`.
        part_no: String,
    },
    /// The part is no part of the site any more.
    Discontinue {
        /// `Contract`.
        contract: String,
        /// `PartNo`.
        part_no: String,
    },
}

/// What a site sells a part for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SalesTerms {
    /// `ListPrice`, without tax, in EUR.
    pub list_price: Decimal,
    /// `Activeind`.
    pub is_active: bool,
}

/// What a site has of a part and what orders want of it, in the part's own units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockFigures {
    /// What lies at places that orders are served from.
    pub on_hand: Decimal,
    /// What of that is reserved.
    pub reserved: Decimal,
    /// What open lines want beyond what is reserved for them and what has left.
    pub demand: Decimal,
}

impl StockFigures {
    /// What can be sold; below zero where more was sold than is there.
    pub fn free(&self) -> Decimal {
        self.on_hand - self.reserved - self.demand
    }
}

impl Ifs {
    /// Lays in the first stock of a site: each part with its places, which are put by key. A part without places is a part of
    /// which nothing is there. From now on orders for these parts take from it.
    pub fn keep_stock(&self, contract: &str, parts: impl IntoIterator<Item = (String, Vec<StockPlace>)>) {
        let mut tables = lock(&self.core.tables);
        for (part_no, places) in parts {
            let mut stock = PartStock::default();
            places.into_iter().for_each(|place| stock.lay_in(place));
            tables.stock.parts.insert(key(contract, &part_no), stock);
        }
    }

    /// IFS sells so many parts beyond the catalogue (`world::bulk_sku`).
    pub fn sell_bulk(&self, parts: usize) {
        lock(&self.core.tables).stock.catalog = world::catalog_nos(parts);
    }

    /// Persons move stock: all of it or nothing.
    ///
    /// # Errors
    /// No such part or place, or it has not so much.
    pub fn move_stock(&self, moves: &[StockMove]) -> Result<(), PersonRefused> {
        self.at_once(|tables| moves.iter().try_for_each(|one| tables.stock.carry_out(one)))
    }

    /// After so many further pages of `InventoryPartInStockSet` persons move this, right between two pages.
    pub fn move_stock_after(&self, pages: u32, moves: Vec<StockMove>) {
        lock(&self.core.tables).stock.bent.moves = Some((pages, moves));
    }

    /// After so many further pages the list of the stock answers 503, until [`Ifs::mend_stock`].
    pub fn break_stock_after(&self, pages: u32) {
        lock(&self.core.tables).stock.bent.pages_left = Some(pages);
    }

    /// The list of the stock answers that there is nothing, until [`Ifs::mend_stock`].
    pub fn empty_stock(&self) {
        lock(&self.core.tables).stock.bent.is_empty = true;
    }

    /// The list of order lines answers that there is nothing, until [`Ifs::mend_stock`].
    pub fn hide_order_lines(&self) {
        lock(&self.core.tables).stock.bent.has_no_lines = true;
    }

    /// The sets of stock and parts give so many rows in one answer at most, and a link to the next ones.
    pub fn set_stock_page_rows(&self, page_rows: usize) {
        lock(&self.core.tables).stock.bent.page_rows = page_rows.max(1);
    }

    /// The list of the stock answers rightly again, in whole pages.
    pub fn mend_stock(&self) {
        lock(&self.core.tables).stock.bent = Bent::default();
    }

    /// From now on a site sells a part on these terms.
    pub fn set_sales_terms(&self, contract: &str, catalog_no: &str, terms: SalesTerms) {
        lock(&self.core.tables).stock.terms.insert((contract.to_owned(), catalog_no.to_owned()), terms);
    }

    /// What a site sells a part for.
    pub fn sales_terms(&self, contract: &str, catalog_no: &str) -> SalesTerms {
        lock(&self.core.tables).stock.terms_of(contract, catalog_no)
    }

    /// From now on a customer pays this for a part, without tax.
    pub fn agree_price(&self, customer_no: &str, catalog_no: &str, price: Decimal) {
        self.agree_price_from(customer_no, catalog_no, price, Date::MIN);
    }

    /// From a day on, by UTC, a customer pays this for a part, without tax. No answer tells of it before.
    pub fn agree_price_from(&self, customer_no: &str, catalog_no: &str, price: Decimal, valid_from: Date) {
        let mut tables = lock(&self.core.tables);
        let agreed = tables.stock.agreed.entry((customer_no.to_owned(), catalog_no.to_owned())).or_default();
        agreed.insert(valid_from, price);
    }

    /// Price queries that nobody cleaned up.
    pub fn price_queries(&self) -> u64 {
        lock(&self.core.tables).stock.queries
    }

    /// What a site has of each part that is kept, and what its orders want of it.
    pub fn stock_figures(&self, contract: &str) -> BTreeMap<String, StockFigures> {
        let tables = lock(&self.core.tables);
        let mut all = BTreeMap::new();
        for (site_part, stock) in tables.stock.parts.starting_at(&key(contract, "")) {
            let (site, part_no) = unkey(site_part);
            if site != contract {
                break;
            }
            all.insert(part_no.to_owned(), stock.figures());
        }
        for order in tables.orders().map(|(_, order)| order).filter(|order| is_open_at(order, contract)) {
            for line in order.lines.iter().filter(|line| line.text("OrderState") != "Cancelled") {
                let stocked = world::inventory_part(line.text("CatalogNo")).filter(|_| line.int("LineItemNo") >= 0);
                let Some((part_no, units)) = stocked else { continue };
                let qty = |name: &str| line.decimal(name).unwrap_or_default() * units;
                let open = qty("BuyQtyDue") - qty("QtyAssigned") - qty("QtyShipped");
                if let Some(figures) = all.get_mut(part_no) {
                    figures.demand += open.max(Decimal::ZERO);
                }
            }
        }
        all
    }

    /// Does one thing to the tables: all of it, or nothing where it is refused.
    pub(in super::super) fn at_once<T>(
        &self,
        act: impl FnOnce(&mut Tables) -> Result<T, OdataError>,
    ) -> Result<T, PersonRefused> {
        let mut tables = lock(&self.core.tables);
        tables.begin();
        match act(&mut tables) {
            Ok(done) => {
                tables.commit();
                Ok(done)
            }
            Err(error) => {
                tables.roll_back();
                Err(error.into())
            }
        }
    }
}

fn is_open_at(order: &Order, contract: &str) -> bool {
    order.header.text("Contract") == contract && !matches!(order.state(), "Cancelled" | "Closed")
}

impl PartStock {
    fn figures(&self) -> StockFigures {
        let serving = || self.places.iter().filter(|place| place.serves());
        StockFigures {
            on_hand: serving().map(|place| place.on_hand).sum(),
            reserved: serving().map(|place| place.reserved).sum(),
            demand: Decimal::ZERO,
        }
    }
}

impl Stock {
    fn part(&mut self, contract: &str, part_no: &str) -> Result<&mut PartStock, OdataError> {
        self.parts.get_mut(&key(contract, part_no)).ok_or_else(|| OdataError::no_such("InventoryPart", part_no))
    }

    fn place(&mut self, contract: &str, part_no: &str, location_no: &str) -> Result<&mut StockPlace, OdataError> {
        let place = self.part(contract, part_no)?.at(location_no);
        place.ok_or_else(|| OdataError::no_such("InventoryPartInStock", location_no))
    }

    fn carry_out(&mut self, one: &StockMove) -> Result<(), OdataError> {
        match one {
            StockMove::Receive { contract, part_no, place } => self.part(contract, part_no)?.lay_in((**place).clone()),
            StockMove::Count { contract, part_no, location_no, on_hand } => {
                let place = self.place(contract, part_no, location_no)?;
                if *on_hand < place.reserved {
                    return Err(refused(format!("InventoryPartInStock.COUNT: {} is reserved there.", place.reserved)));
                }
                place.on_hand = *on_hand;
            }
            StockMove::Carry { contract, part_no, from, to, units } => {
                let place = self.place(contract, part_no, from)?;
                let left = place.on_hand - place.reserved;
                if *units > left {
                    return Err(refused(format!("InventoryPartInStock.MOVE: {left} of it can be moved.")));
                }
                place.on_hand -= *units;
                let moved = StockPlace {
                    location_no: to.clone().into(),
                    on_hand: *units,
                    reserved: Decimal::ZERO,
                    in_transit: Decimal::ZERO,
                    ..place.clone()
                };
                self.part(contract, part_no)?.lay_in(moved);
            }
            StockMove::Freeze { contract, part_no, location_no, is_frozen } => {
                self.place(contract, part_no, location_no)?.is_frozen = *is_frozen;
            }
            StockMove::ClearOut { contract, part_no } => self.part(contract, part_no)?.places.clear(),
            StockMove::Discontinue { contract, part_no } => self.parts.remove(&key(contract, part_no)),
        }
        Ok(())
    }

    /// A page of the list was answered: somebody may move stock now.
    pub(super) fn turn_page(&mut self) -> Result<(), OdataError> {
        match &mut self.bent.moves {
            Some((pages, _)) if *pages > 1 => {
                *pages -= 1;
                Ok(())
            }
            moves => moves.take().into_iter().flat_map(|(_, moves)| moves).try_for_each(|one| self.carry_out(&one)),
        }
    }

    pub(super) fn clean_queries(&mut self) {
        self.queries = 0;
    }
}
