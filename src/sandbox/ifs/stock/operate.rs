//! Carries out one operation on the projections that tell of stock, parts and prices.

use hyper::StatusCode;
use jiff::tz::TimeZone;

use super::super::answer::{check_content_type, done, entity_answer, nothing_there, stream};
use super::super::body::{DecimalForm, for_insert, parse_object};
use super::super::error::OdataError;
use super::super::filter::Filter;
use super::super::path::{KeyValue, Keys, Query, bad_key, named, no_such_path, segment, split};
use super::super::run::{Done, Engine, Operation, Projection};
use super::super::schema::{Cell, Entity};
use super::super::tables::Row;
use super::agreed;
use super::rows::RowSet;
use super::schema::PRICE_QUERY;

impl Engine<'_> {
    /// Carries out one operation on a projection of stock, parts or prices.
    pub(in super::super) fn run_on_stock(&mut self, operation: &Operation) -> Result<Done, OdataError> {
        let (segments, query) = split(&operation.url)?;
        let [only] = segments.as_slice() else { return Err(no_such_path()) };
        let (name, keys) = segment(only)?;
        if operation.projection == Projection::PriceQueries {
            return self.run_on_prices(&name, operation);
        }
        let set = match (operation.projection, name.as_str()) {
            (Projection::InStock, "InventoryPartInStockSet") => RowSet::InStock,
            (Projection::Parts, "InventoryPartSet") => RowSet::Parts,
            (Projection::SalesParts, "SalesPartSet") => RowSet::SalesParts,
            (Projection::OrderLines, "CustomerOrderJoinSet") => RowSet::OrderLines,
            _ => return Err(no_such_set(&name)),
        };
        if operation.method != "GET" {
            return Err(OdataError::method_not_allowed());
        }
        match keys {
            Some(keys) => self.one_of(set, &keys, &query, operation),
            None => self.all_of(set, &query, operation),
        }
    }

    /// One page of a set that is only read.
    pub(in super::super) fn all_of(
        &mut self,
        set: RowSet,
        query: &Query,
        operation: &Operation,
    ) -> Result<Done, OdataError> {
        let counts = set == RowSet::InStock;
        if counts && let Some(left) = &mut self.tables.stock.bent.pages_left {
            *left = left.checked_sub(1).ok_or_else(OdataError::busy)?;
        }
        let states = self.setup.state_filters;
        let filter = query.filter.as_ref().map(|text| Filter::parse_with(text, set.entity(), states)).transpose()?;
        let contract = filter.as_ref().and_then(|filter| filter.demanded("Contract"));
        let from = filter.as_ref().and_then(|filter| filter.at_least(set.leading())).unwrap_or("");
        // Only of one site do the rows end with the last part that is asked for.
        let last = filter.as_ref().filter(|_| contract.is_some() || set == RowSet::OrderLines);
        let last = last.and_then(|filter| filter.at_most(set.leading()));
        let is_within = |row: &Row| last.is_none_or(|last| row.text(set.leading()) <= last);
        let rows = set.rows(self.tables, contract, from).take_while(is_within);
        let page = stream(self, set.entity(), rows, self.tables.stock.bent.page_rows, query, operation)?;
        if counts {
            self.tables.stock.turn_page()?;
        }
        Ok(page)
    }

    fn one_of(&self, set: RowSet, keys: &Keys, query: &Query, operation: &Operation) -> Result<Done, OdataError> {
        let entity = set.entity();
        let values = named(keys, entity.key)?;
        let of = |name: &str| {
            let at = entity.key.iter().position(|own| *own == name)?;
            match values.get(at) {
                Some(KeyValue::Text(text)) => Some(text.as_str()),
                _ => None,
            }
        };
        let from = of(set.leading()).ok_or_else(bad_key)?;
        let mut rows = set.rows(self.tables, of("Contract"), from);
        let row = rows.find(|row| fits(entity, row, &values)).ok_or_else(nothing_there)?;
        entity_answer(StatusCode::OK, entity, &row, query, operation, None)
    }

    fn run_on_prices(&mut self, name: &str, operation: &Operation) -> Result<Done, OdataError> {
        if operation.method != "POST" {
            return Err(OdataError::method_not_allowed());
        }
        check_content_type(operation)?;
        let object = parse_object(&operation.body)?;
        match name {
            "PriceQuerySet" => {
                let fields = for_insert(&PRICE_QUERY, &object, DecimalForm::of(&operation.content_type))?;
                let today = self.now.to_zoned(TimeZone::UTC).date();
                let row = agreed::price(self.tables, today, &fields)?;
                let location = format!("PriceQuerySet(PriceQueryId={})", row.int("PriceQueryId"));
                let created = StatusCode::CREATED;
                entity_answer(created, &PRICE_QUERY, &row, &Query::default(), operation, Some(location))
            }
            "CleanPriceQuery" if object.is_empty() => {
                self.tables.stock.clean_queries();
                Ok(done())
            }
            "CleanPriceQuery" => Err(OdataError::deserialization("The action has no such parameter")),
            _ => Err(no_such_set(name)),
        }
    }
}

fn fits(entity: &Entity, row: &Row, values: &[KeyValue]) -> bool {
    entity.key.iter().zip(values).all(|(name, value)| match (row.cell(name), value) {
        (Some(Cell::Text(held)), KeyValue::Text(wanted)) => held == wanted,
        (Some(Cell::Int(held)), KeyValue::Int(wanted)) => held == wanted,
        _ => false,
    })
}

fn no_such_set(name: &str) -> OdataError {
    OdataError::not_found(format!(
        "Cannot find EntitySet, Singleton, ActionImport or FunctionImport with name '{name}'"
    ))
}
