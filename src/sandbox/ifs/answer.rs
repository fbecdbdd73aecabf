//! How operations are answered: rows, pages of rows, links to the next page.

use std::cmp::Ordering;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::body::{DecimalForm, render};
use super::error::OdataError;
use super::filter::Filter;
use super::path::{Direction, Query};
use super::run::{Done, Engine, Operation};
use super::schema::{Cell, Entity};
use super::tables::Row;

const PAGE_ROWS: usize = 100;

/// One page of rows.
pub(super) fn page(
    engine: &Engine<'_>,
    entity: &'static Entity,
    mut rows: Vec<&Row>,
    query: &Query,
    operation: &Operation,
) -> Result<Done, OdataError> {
    check_options(entity, query, operation)?;
    if let Some(text) = &query.filter {
        let filter = Filter::parse(text, entity)?;
        rows.retain(|row| filter.matches(&|name| row.cell(name)));
    }
    rows.sort_by(|a, b| by_fields(a, b, &query.order_by));
    let total = rows.len();
    let here = query.top.unwrap_or(usize::MAX).min(PAGE_ROWS);
    let page: Vec<&Row> = rows.into_iter().skip(query.skip).take(here).collect();
    let more = query.top.unwrap_or(usize::MAX) > PAGE_ROWS && total > query.skip + PAGE_ROWS;
    Ok(list(engine, entity, &page, (total, more), PAGE_ROWS, query, operation))
}

/// One page of rows that are made as they are looked at, in the order of the key. Only as many are made as the page needs, unless
/// another order or their number is asked for.
pub(super) fn stream(
    engine: &Engine<'_>,
    entity: &'static Entity,
    rows: impl Iterator<Item = Row>,
    page_rows: usize,
    query: &Query,
    operation: &Operation,
) -> Result<Done, OdataError> {
    check_options(entity, query, operation)?;
    let states = engine.setup.state_filters;
    let filter = query.filter.as_ref().map(|text| Filter::parse_with(text, entity, states)).transpose()?;
    let fits = |row: &Row| filter.as_ref().is_none_or(|filter| filter.matches(&|name| row.cell(name)));
    let mut rows = rows.filter(fits);
    let wanted = query.top.unwrap_or(usize::MAX);
    let here = wanted.min(page_rows);
    if !query.count && is_order_of_key(entity, query, filter.as_ref()) {
        let page: Vec<Row> = rows.by_ref().skip(query.skip).take(here).collect();
        let more = wanted > page_rows && rows.next().is_some();
        let page: Vec<&Row> = page.iter().collect();
        return Ok(list(engine, entity, &page, (0, more), page_rows, query, operation));
    }
    let mut all: Vec<Row> = rows.collect();
    all.sort_by(|a, b| by_fields(a, b, &query.order_by));
    let page: Vec<&Row> = all.iter().skip(query.skip).take(here).collect();
    let more = wanted > page_rows && all.len() > query.skip + page_rows;
    Ok(list(engine, entity, &page, (all.len(), more), page_rows, query, operation))
}

/// The body of a page: its rows, how many there are in all, and the link to the next.
fn list(
    engine: &Engine<'_>,
    entity: &'static Entity,
    page: &[&Row],
    (total, more): (usize, bool),
    page_rows: usize,
    query: &Query,
    operation: &Operation,
) -> Done {
    let root = engine.root(operation.projection);
    let full = operation.accept.contains("odata.metadata=full");
    let form = DecimalForm::of(&operation.accept);
    let value = page.iter().map(|row| represent(entity, row, query, form, full)).collect();
    let mut body = Map::new();
    body.insert("@odata.context".into(), Value::String(format!("{}$metadata#{}", root, entity.set)));
    if query.count {
        body.insert("@odata.count".into(), json!(total));
    }
    body.insert("value".into(), Value::Array(value));
    if more {
        let next = next_page(&operation.url, query, page_rows);
        body.insert("@odata.nextLink".into(), Value::String(format!("{root}{next}")));
    }
    Done { status: StatusCode::OK, etag: None, location: None, body: Some(Value::Object(body)) }
}

fn check_options(entity: &Entity, query: &Query, operation: &Operation) -> Result<(), OdataError> {
    check_select(entity, query)?;
    if query.skip > 0 && query.order_by.is_empty() && !operation.url.contains("skiptoken") {
        return Err(OdataError::bad_request("'$skip' needs '$orderby'"));
    }
    match query.order_by.iter().find(|(name, _)| entity.field(name).is_none()) {
        Some((name, _)) => Err(OdataError::bad_request(format!("The property '{name}' in '$orderby' is not defined"))),
        None => Ok(()),
    }
}

fn by_fields(a: &Row, b: &Row, fields: &[(String, Direction)]) -> Ordering {
    let ordering = |(name, direction): &(String, Direction)| {
        let ordering = order_of(a.cell(name), b.cell(name));
        if *direction == Direction::Down { ordering.reverse() } else { ordering }
    };
    fields.iter().map(ordering).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

/// Whether rows in the order of their key are in the order that is asked for: fields of the key that all rows share do not count.
fn is_order_of_key(entity: &Entity, query: &Query, filter: Option<&Filter>) -> bool {
    let is_shared = |name: &str| filter.is_some_and(|filter| filter.demanded(name).is_some());
    let mut key = entity.key.iter();
    query.order_by.iter().all(|(name, direction)| {
        *direction == Direction::Up && key.by_ref().find(|own| *own == name || !is_shared(own)) == Some(&name.as_str())
    })
}

/// One row.
pub(super) fn entity_answer(
    status: StatusCode,
    entity: &'static Entity,
    row: &Row,
    query: &Query,
    operation: &Operation,
    location: Option<String>,
) -> Result<Done, OdataError> {
    check_select(entity, query)?;
    let body = represent(entity, row, query, DecimalForm::of(&operation.accept), true);
    Ok(Done { status, etag: Some(row.etag()), location, body: Some(body) })
}

fn represent(entity: &Entity, row: &Row, query: &Query, form: DecimalForm, with_etag: bool) -> Value {
    let mut object = Map::new();
    if with_etag {
        object.insert("@odata.etag".into(), Value::String(row.etag()));
    }
    for field in entity.fields {
        let selected = query.select.as_ref().is_none_or(|names| names.iter().any(|name| name == field.name));
        if selected {
            object.insert(field.name.into(), row.cell(field.name).map_or(Value::Null, |cell| render(cell, form)));
        }
    }
    Value::Object(object)
}

fn check_select(entity: &Entity, query: &Query) -> Result<(), OdataError> {
    match query.select.iter().flatten().find(|name| entity.field(name).is_none()) {
        Some(name) => Err(OdataError::bad_request(format!(
            "The property '{name}' in '$select' is not defined in type '{}'",
            entity.name
        ))),
        None => Ok(()),
    }
}

pub(super) fn check_content_type(operation: &Operation) -> Result<(), OdataError> {
    let media_type = operation.content_type.split(';').next().unwrap_or("").trim();
    if media_type.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(OdataError::deserialization(format!("Content type '{media_type}' can not be read")))
    }
}

fn order_of(a: Option<&Cell>, b: Option<&Cell>) -> Ordering {
    match (a, b) {
        (Some(Cell::Text(a)), Some(Cell::Text(b))) => a.cmp(b),
        (Some(Cell::Decimal(a)), Some(Cell::Decimal(b))) => a.cmp(b),
        (Some(Cell::Int(a)), Some(Cell::Int(b))) => a.cmp(b),
        (Some(Cell::Bool(a)), Some(Cell::Bool(b))) => a.cmp(b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn next_page(url: &str, query: &Query, page_rows: usize) -> String {
    let kept: Vec<&str> = url.split_once('?').map_or("", |(_, options)| options).split('&').collect();
    let kept: Vec<&str> = kept
        .into_iter()
        .filter(|option| {
            !option.is_empty() && !["$skip=", "$skiptoken=", "$top="].iter().any(|name| option.starts_with(name))
        })
        .collect();
    let path = url.split('?').next().unwrap_or(url);
    let mut options: Vec<String> = kept.into_iter().map(str::to_owned).collect();
    if let Some(top) = query.top {
        options.push(format!("$top={}", top - page_rows));
    }
    options.push(format!("$skiptoken={}", query.skip + page_rows));
    format!("{path}?{}", options.join("&"))
}

/// The answer of an action or a deletion.
pub(super) fn done() -> Done {
    Done { status: StatusCode::NO_CONTENT, etag: None, location: None, body: None }
}

/// A record that is not there.
pub(super) fn nothing_there() -> OdataError {
    OdataError::not_found("The record does not exist")
}
