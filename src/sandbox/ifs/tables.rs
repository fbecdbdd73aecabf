//! The rows of the simulated IFS and the undo that makes a change set all-or-nothing. No rule of business
//! lives here.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rust_decimal::Decimal;

use super::customer::{self, Customer};
use super::path::LineKey;
use super::schema::Cell;
use super::stock::{Stock, Taken};

/// One stored row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    cells: BTreeMap<&'static str, Cell>,
    objid: u64,
    objversion: u64,
}

impl Row {
    /// A row that is kept nowhere: it is made to be shown.
    pub(super) fn shown(cells: BTreeMap<&'static str, Cell>) -> Self {
        Self { cells, objid: 0, objversion: 0 }
    }

    pub(super) fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.get(name)
    }

    pub(super) fn cells(&self) -> &BTreeMap<&'static str, Cell> {
        &self.cells
    }

    pub(super) fn text(&self, name: &str) -> &str {
        match self.cells.get(name) {
            Some(Cell::Text(text)) => text,
            _ => "",
        }
    }

    pub(super) fn decimal(&self, name: &str) -> Option<Decimal> {
        match self.cells.get(name) {
            Some(Cell::Decimal(decimal)) => Some(*decimal),
            _ => None,
        }
    }

    pub(super) fn int(&self, name: &str) -> i64 {
        match self.cells.get(name) {
            Some(Cell::Int(number)) => *number,
            _ => 0,
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.cells.get(name), Some(Cell::Bool(true)))
    }

    /// Sets a cell without making a new version: for what IFS computes.
    pub(super) fn put(&mut self, name: &'static str, cell: Cell) {
        self.cells.insert(name, cell);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.cells.remove(name);
    }

    /// `W/"base64 of objid:objversion"`.
    pub(super) fn etag(&self) -> String {
        let plain = format!("AAAR{:08}AAB:{:014}", self.objid, self.objversion);
        format!("W/\"{}\"", STANDARD.encode(plain))
    }
}

/// An order with all that belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) header: Row,
    pub(super) address: Option<Row>,
    pub(super) lines: Vec<Row>,
    pub(super) charges: Vec<Row>,
    /// Highest `SequenceNo` ever given, deleted charges included.
    pub(super) charges_ever: i64,
    /// What its lines have of the stock.
    pub(super) taken: BTreeMap<LineKey, Taken>,
}

impl Order {
    pub(super) fn state(&self) -> &str {
        self.header.text("Objstate")
    }

    pub(super) fn line_index(&self, key: &LineKey) -> Option<usize> {
        self.lines.iter().position(|line| {
            line.text("LineNo") == key.line_no
                && line.text("RelNo") == key.rel_no
                && line.int("LineItemNo") == key.line_item_no
        })
    }

    pub(super) fn charge_index(&self, sequence_no: i64) -> Option<usize> {
        self.charges.iter().position(|charge| charge.int("SequenceNo") == sequence_no)
    }
}

/// Records by their number, with the undo of what changed since `begin`.
#[derive(Debug)]
pub(super) struct Table<T> {
    records: BTreeMap<String, T>,
    undo: Option<BTreeMap<String, Option<T>>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { records: BTreeMap::new(), undo: None }
    }
}

impl<T: Clone> Table<T> {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        self.records.iter()
    }

    pub(super) fn get(&self, number: &str) -> Option<&T> {
        self.records.get(number)
    }

    /// A record to be changed; what it was before is kept for the undo.
    pub(super) fn get_mut(&mut self, number: &str) -> Option<&mut T> {
        let record = self.records.get_mut(number)?;
        if let Some(undo) = &mut self.undo {
            undo.entry(number.to_owned()).or_insert_with(|| Some(record.clone()));
        }
        Some(record)
    }

    pub(super) fn insert(&mut self, number: String, record: T) {
        if let Some(undo) = &mut self.undo {
            undo.entry(number.clone()).or_insert(None);
        }
        self.records.insert(number, record);
    }

    /// The records from this number on, in the order of their numbers.
    pub(super) fn starting_at<'a>(&'a self, number: &str) -> impl Iterator<Item = (&'a String, &'a T)> + use<'a, T> {
        self.records.range(number.to_owned()..)
    }

    /// Takes a record away; what it was is kept for the undo.
    pub(super) fn remove(&mut self, number: &str) {
        let before = self.records.remove(number);
        if let (Some(undo), Some(record)) = (&mut self.undo, before) {
            undo.entry(number.to_owned()).or_insert(Some(record));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// From here on changes can be taken back.
    pub(super) fn begin(&mut self) {
        self.undo = Some(BTreeMap::new());
    }

    pub(super) fn commit(&mut self) {
        self.undo = None;
    }

    /// Takes back everything since `begin`.
    pub(super) fn roll_back(&mut self) {
        for (number, before) in self.undo.take().unwrap_or_default() {
            match before {
                Some(record) => self.records.insert(number, record),
                None => self.records.remove(&number),
            };
        }
    }
}

/// All orders and customers, and the stock.
#[derive(Debug, Default)]
pub(super) struct Tables {
    orders: Table<Order>,
    pub(super) customers: Table<Customer>,
    pub(super) stock: Stock,
    /// Numbers of the orders that ever carried a `CustomerPoNo`; what they carry now is in the orders.
    by_po: BTreeMap<String, BTreeSet<String>>,
    series: BTreeMap<String, u64>,
    rows: u64,
    versions: u64,
}

impl Tables {
    /// Tables with the customers that are there from the start.
    pub(super) fn seeded() -> Self {
        let mut tables = Self::default();
        customer::seed(&mut tables);
        tables
    }

    pub(super) fn orders(&self) -> impl Iterator<Item = (&String, &Order)> {
        self.orders.iter()
    }

    /// The orders from this number on.
    pub(super) fn orders_from(&self, order_no: &str) -> impl Iterator<Item = (&String, &Order)> {
        self.orders.starting_at(order_no)
    }

    pub(super) fn order(&self, order_no: &str) -> Option<&Order> {
        self.orders.get(order_no)
    }

    /// Orders that carry this `CustomerPoNo` now.
    pub(super) fn orders_by_po(&self, customer_po_no: &str) -> impl Iterator<Item = (&String, &Order)> {
        let numbers = self.by_po.get(customer_po_no).into_iter().flatten();
        numbers
            .filter_map(|no| self.orders.records.get_key_value(no))
            .filter(move |(_, order)| order.header.text("CustomerPoNo") == customer_po_no)
    }

    /// Notes that an order carries this `CustomerPoNo` from now on.
    pub(super) fn index_po(&mut self, customer_po_no: &str, order_no: &str) {
        self.by_po.entry(customer_po_no.to_owned()).or_default().insert(order_no.to_owned());
    }

    /// An order to be changed; what it was before is kept for the undo.
    pub(super) fn order_mut(&mut self, order_no: &str) -> Option<&mut Order> {
        self.orders.get_mut(order_no)
    }

    pub(super) fn insert(&mut self, order_no: String, order: Order) {
        self.index_po(order.header.text("CustomerPoNo"), &order_no);
        self.orders.insert(order_no, order);
    }

    /// Takes a customer away for good.
    pub(super) fn erase_customer(&mut self, customer_id: &str) -> bool {
        self.customers.records.remove(customer_id).is_some()
    }

    /// Takes an order away for good, as a person with the right grants can.
    pub(super) fn erase(&mut self, order_no: &str) -> bool {
        self.orders.records.remove(order_no).is_some()
    }

    /// The next number of a series. Numbers taken by a rolled-back change set stay used, as in IFS.
    pub(super) fn next_number(&mut self, prefix: &str) -> String {
        let next = self.series.entry(prefix.to_owned()).or_insert(10_000);
        *next += 1;
        format!("{prefix}{next}")
    }

    /// A new row with its own identity.
    pub(super) fn new_row(&mut self, cells: BTreeMap<&'static str, Cell>) -> Row {
        self.rows += 1;
        Row { cells, objid: self.rows, objversion: self.next_version() }
    }

    pub(super) fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    /// From here on changes can be taken back.
    pub(super) fn begin(&mut self) {
        self.orders.begin();
        self.customers.begin();
        self.stock.parts.begin();
    }

    pub(super) fn commit(&mut self) {
        self.orders.commit();
        self.customers.commit();
        self.stock.parts.commit();
    }

    /// Takes back everything since `begin`.
    pub(super) fn roll_back(&mut self) {
        self.orders.roll_back();
        self.customers.roll_back();
        self.stock.parts.roll_back();
    }
}

impl Row {
    /// Marks the row as changed: it gets a new ETag.
    pub(super) fn touch(&mut self, version: u64) {
        self.objversion = version;
    }
}
