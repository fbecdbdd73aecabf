//! How operations are answered: rows, pages of rows, links to the next page.

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
    let root = engine.root(operation.projection);
    check_select(entity, query)?;
    if query.skip > 0 && query.order_by.is_none() && !operation.url.contains("skiptoken") {
        return Err(OdataError::bad_request("'$skip' needs '$orderby'"));
    }
    if let Some(text) = &query.filter {
        let filter = Filter::parse(text, entity)?;
        rows.retain(|row| filter.matches(&|name| row.cell(name)));
    }
    if let Some((name, direction)) = &query.order_by {
        if entity.field(name).is_none() {
            return Err(OdataError::bad_request(format!("The property '{name}' in '$orderby' is not defined")));
        }
        rows.sort_by(|a, b| order_of(a.cell(name), b.cell(name)));
        if *direction == Direction::Down {
            rows.reverse();
        }
    }
    let total = rows.len();
    let wanted = query.top.unwrap_or(usize::MAX);
    let here = wanted.min(PAGE_ROWS);
    let more = wanted > PAGE_ROWS && total > query.skip + PAGE_ROWS;
    let full = operation.accept.contains("odata.metadata=full");
    let form = DecimalForm::of(&operation.accept);
    let value: Vec<Value> =
        rows.iter().skip(query.skip).take(here).map(|row| represent(entity, row, query, form, full)).collect();
    let mut body = Map::new();
    body.insert("@odata.context".into(), Value::String(format!("{}$metadata#{}", root, entity.set)));
    if query.count {
        body.insert("@odata.count".into(), json!(total));
    }
    body.insert("value".into(), Value::Array(value));
    if more {
        body.insert("@odata.nextLink".into(), Value::String(format!("{}{}", root, next_page(&operation.url, query))));
    }
    Ok(Done { status: StatusCode::OK, etag: None, location: None, body: Some(Value::Object(body)) })
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

fn order_of(a: Option<&Cell>, b: Option<&Cell>) -> std::cmp::Ordering {
    match (a, b) {
        (Some(Cell::Text(a)), Some(Cell::Text(b))) => a.cmp(b),
        (Some(Cell::Decimal(a)), Some(Cell::Decimal(b))) => a.cmp(b),
        (Some(Cell::Int(a)), Some(Cell::Int(b))) => a.cmp(b),
        (Some(Cell::Bool(a)), Some(Cell::Bool(b))) => a.cmp(b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn next_page(url: &str, query: &Query) -> String {
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
        options.push(format!("$top={}", top - PAGE_ROWS));
    }
    options.push(format!("$skiptoken={}", query.skip + PAGE_ROWS));
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
