//! The rows of the sets that are only read: made from the tables as they are looked at, in the order of their keys.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::super::super::world;
use super::super::price::{Basis, other_price};
use super::super::schema::{Cell, Entity};
use super::super::tables::{Order, Row, Tables};
use super::schema::{IN_STOCK, ORDER_LINE, PART, SALES_PART};
use super::{PartStock, SalesTerms, StockPlace, key, unkey};

/// A set that is only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum RowSet {
    /// `InventoryPartInStockSet`.
    InStock,
    /// `InventoryPartSet`.
    Parts,
    /// `SalesPartSet`.
    SalesParts,
    /// `CustomerOrderLineSet`, `CustomerOrderJoinSet`.
    OrderLines,
}

type Cells = BTreeMap<&'static str, Cell>;

impl RowSet {
    pub(in super::super) fn entity(self) -> &'static Entity {
        match self {
            Self::InStock => &IN_STOCK,
            Self::Parts => &PART,
            Self::SalesParts => &SALES_PART,
            Self::OrderLines => &ORDER_LINE,
        }
    }

    /// The field that tells the rows of one site apart, or, of orders, one order from the next.
    pub(super) fn leading(self) -> &'static str {
        match self {
            Self::InStock | Self::Parts => "PartNo",
            Self::SalesParts => "CatalogNo",
            Self::OrderLines => "OrderNo",
        }
    }

    /// The rows of one site, or of all, from the one on whose leading field is `from`.
    pub(super) fn rows<'a>(
        self,
        tables: &'a Tables,
        contract: Option<&'a str>,
        from: &'a str,
    ) -> Box<dyn Iterator<Item = Row> + 'a> {
        match self {
            Self::InStock if tables.stock.bent.is_empty => Box::new(std::iter::empty()),
            Self::InStock => Box::new(parts(tables, contract, from).flat_map(|(contract, part_no, stock)| {
                stock.places.iter().map(move |place| Row::shown(in_stock(contract, part_no, place)))
            })),
            Self::Parts => Box::new(
                parts(tables, contract, from).map(|(contract, part_no, _)| Row::shown(part(contract, part_no))),
            ),
            Self::SalesParts => {
                let sites = world::SITES.iter().map(|(site, _)| *site);
                let sites = sites.filter(move |site| contract.is_none_or(|contract| contract == *site));
                Box::new(sites.flat_map(move |site| {
                    let catalog = &tables.stock.catalog;
                    // Of one site alone the list can begin behind what was read.
                    let at = contract.map_or(0, |_| catalog.partition_point(|no| no.as_str() < from));
                    catalog[at..].iter().map(move |no| Row::shown(sales_part(tables, site, no)))
                }))
            }
            Self::OrderLines if tables.stock.bent.has_no_lines => Box::new(std::iter::empty()),
            Self::OrderLines => {
                let of_site =
                    move |order: &&Order| contract.is_none_or(|contract| order.header.text("Contract") == contract);
                let orders = tables.orders_from(from).map(|(_, order)| order).filter(of_site);
                Box::new(orders.flat_map(|order| {
                    let mut lines: Vec<&Row> = order.lines.iter().collect();
                    lines.sort_by_key(|line| (line.text("LineNo"), line.text("RelNo"), line.int("LineItemNo")));
                    lines.into_iter().map(move |line| Row::shown(order_line(order, line)))
                }))
            }
        }
    }
}

/// Site, part and places of all parts of a site, or of all sites, from this part on.
fn parts<'a>(
    tables: &'a Tables,
    contract: Option<&'a str>,
    from: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str, &'a PartStock)> {
    let first = contract.map(|contract| key(contract, from)).unwrap_or_default();
    let parts = tables.stock.parts.starting_at(&first).map(|(key, stock)| (unkey(key), stock));
    parts
        .map(|((contract, part_no), stock)| (contract, part_no, stock))
        .take_while(move |(site, ..)| contract.is_none_or(|contract| contract == *site))
}

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(value.into())
}

fn in_stock(contract: &str, part_no: &str, place: &StockPlace) -> Cells {
    let mut cells = BTreeMap::from([
        ("Contract", text(contract)),
        ("PartNo", text(part_no)),
        ("LocationNo", text(&*place.location_no)),
        ("LotBatchNo", text(&*place.lot)),
        ("SerialNo", text(&*place.serial)),
        ("ActivitySeq", Cell::Int(0)),
        ("HandlingUnitId", Cell::Int(0)),
        ("QtyOnhand", Cell::Decimal(place.on_hand)),
        ("QtyReserved", Cell::Decimal(place.reserved)),
        ("QtyInTransit", Cell::Decimal(place.in_transit)),
        ("AvailableQty", Cell::Decimal(place.on_hand - place.reserved)),
        ("FreezeFlagDb", Cell::Bool(place.is_frozen)),
        ("LocationTypeDb", text(&*place.location_type)),
        ("PartOwnershipDb", text(&*place.ownership)),
        ("UoM", text("pcs")),
    ]);
    // What a row does not have is a star in its key, and nothing elsewhere.
    for (name, value) in [("ConfigurationId", "*"), ("EngChgLevel", "1"), ("WaivDevRejNo", "*")] {
        cells.insert(name, text(value));
    }
    for (name, value) in [
        ("Warehouse", &place.warehouse),
        ("AvailabilityControlId", &place.availability_control),
        ("ConditionCode", &place.condition),
        ("ProjectId", &place.project),
    ] {
        cells.extend(value.as_ref().map(|value| (name, text(&**value))));
    }
    cells.extend(place.expires.map(|day| ("ExpirationDate", text(day.to_string()))));
    cells
}

/// The first letters of a part's number are the group that it belongs to.
fn group(no: &str) -> &str {
    let group = no.split('-').next().unwrap_or(no);
    group.get(..5).unwrap_or(group)
}

fn part(contract: &str, part_no: &str) -> Cells {
    BTreeMap::from([
        ("Contract", text(contract)),
        ("PartNo", text(part_no)),
        ("Description", text(format!("Part {part_no}"))),
        ("UnitMeas", text("pcs")),
        ("PartStatus", text("A")),
        ("PrimeCommodity", text(group(part_no))),
    ])
}

fn sales_part(tables: &Tables, contract: &str, catalog_no: &str) -> Cells {
    let terms = tables.stock.terms_of(contract, catalog_no);
    let SalesTerms { list_price, is_active } = terms;
    let stocked = world::inventory_part(catalog_no);
    let units = stocked.map_or(Decimal::ONE, |(_, units)| units);
    let mut cells = BTreeMap::from([
        ("Contract", text(contract)),
        ("CatalogNo", text(catalog_no)),
        ("CatalogDesc", text(format!("Part {catalog_no}"))),
        ("CatalogGroup", text(group(catalog_no))),
        ("SalesUnitMeas", text(if units == Decimal::ONE { "pcs" } else { "box" })),
        ("ConvFactor", Cell::Decimal(units)),
        ("InvertedConvFactor", Cell::Decimal(Decimal::ONE)),
        ("PriceConvFactor", Cell::Decimal(Decimal::ONE)),
        ("ListPrice", Cell::Decimal(list_price)),
        ("ListPriceInclTax", Cell::Decimal(with_tax(list_price))),
        ("CurrencyCode", text("EUR")),
        ("UsePriceInclTax", Cell::Bool(false)),
        ("TaxCode", text(world::DEFAULT_TAX_CODE)),
        ("SalesPriceGroupId", text("WEB")),
        ("Activeind", Cell::Bool(is_active)),
    ]);
    cells.extend(stocked.map(|(part_no, _)| ("PartNo", text(part_no))));
    cells
}

/// A price without tax, with the tax that IFS takes by itself.
pub(super) fn with_tax(price: Decimal) -> Decimal {
    let percent = world::tax_percent(world::DEFAULT_TAX_CODE).unwrap_or_default();
    other_price(Basis::Net, price, &[percent])
}

/// A line among those of all orders. Its quantities are in units of the stock, but for the one that was bought.
fn order_line(order: &Order, line: &Row) -> Cells {
    let catalog_no = line.text("CatalogNo");
    let stocked = world::inventory_part(catalog_no).filter(|_| line.int("LineItemNo") >= 0);
    let units = stocked.map_or(Decimal::ONE, |(_, units)| units);
    let qty = |name: &str| Cell::Decimal(line.decimal(name).unwrap_or_default() * units);
    let mut cells = BTreeMap::from([
        ("LineItemNo", Cell::Int(line.int("LineItemNo"))),
        ("RevisedQtyDue", qty("BuyQtyDue")),
        ("ConvFactor", Cell::Decimal(units)),
        ("InvertedConvFactor", Cell::Decimal(Decimal::ONE)),
        ("QtyAssigned", qty("QtyAssigned")),
        ("QtyPicked", qty("QtyPicked")),
        ("QtyShipped", qty("QtyShipped")),
        ("QtyInvoiced", qty("QtyInvoiced")),
        ("QtyReturned", Cell::Decimal(Decimal::ZERO)),
        ("Objstate", text(line.text("OrderState"))),
        ("SupplyCode", text("IO")),
    ]);
    for name in
        ["OrderNo", "LineNo", "RelNo", "Contract", "CatalogNo", "CatalogType", "BuyQtyDue", "WantedDeliveryDate"]
    {
        cells.extend(line.cell(name).map(|cell| (name, cell.clone())));
    }
    for name in ["PlannedDeliveryDate", "OrderState"] {
        cells.extend(line.cell(name).map(|cell| (name, cell.clone())));
    }
    for name in ["Company", "CustomerNo", "CustomerPoNo", "DateEntered"] {
        cells.extend(order.header.cell(name).map(|cell| (name, cell.clone())));
    }
    cells.extend(stocked.map(|(part_no, _)| ("PartNo", text(part_no))));
    cells
}
