//! Carries out one operation on `CustomerHandling`.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::super::answer::{check_content_type, entity_answer, nothing_there, page};
use super::super::body::{DecimalForm, for_insert, for_update, parse_object};
use super::super::error::OdataError;
use super::super::filter::Filter;
use super::super::path::Query;
use super::super::run::{Done, Engine, Operation};
use super::super::schema::Entity;
use super::super::tables::Row;
use super::copy::{self, Wanted};
use super::path::{Target, parse};
use super::rules;
use super::schema::{CUSTOMER, ORDER_DATA};

impl Engine<'_> {
    /// Carries out one operation on customers.
    pub(in super::super) fn run_on_customers(&mut self, operation: &Operation) -> Result<Done, OdataError> {
        let (target, query) = parse(&operation.url)?;
        match operation.method.as_str() {
            "GET" => self.get_customers(&target, &query, operation),
            "POST" => self.post_customers(&target, operation),
            "PATCH" => self.patch_customers(&target, operation),
            _ => Err(OdataError::method_not_allowed()),
        }
    }

    fn get_customers(&self, target: &Target, query: &Query, operation: &Operation) -> Result<Done, OdataError> {
        match target {
            Target::Customers => page(self, &CUSTOMER, self.customers(query), query, operation),
            Target::AllOrderData => {
                let rows = self.tables.customers.iter().filter_map(|(_, customer)| customer.order_data.as_ref());
                page(self, &ORDER_DATA, rows.collect(), query, operation)
            }
            Target::List(id, list) => {
                let customer = self.tables.customers.get(id).ok_or_else(nothing_there)?;
                page(self, list.entity(), customer.rows(list), query, operation)
            }
            Target::Customer(_) | Target::Record(..) => {
                let (entity, row) = self.customer_row(target)?;
                entity_answer(StatusCode::OK, entity, row, query, operation, None)
            }
            Target::Copy => Err(OdataError::method_not_allowed()),
        }
    }

    /// The customers that a filter can match: the one that it demands, else all.
    fn customers(&self, query: &Query) -> Vec<&Row> {
        let filter = query.filter.as_ref().and_then(|text| Filter::parse(text, &CUSTOMER).ok());
        match filter.as_ref().and_then(|filter| filter.demanded("CustomerId")) {
            Some(id) => self.tables.customers.get(id).map(|customer| &customer.info).into_iter().collect(),
            None => self.tables.customers.iter().map(|(_, customer)| &customer.info).collect(),
        }
    }

    fn post_customers(&mut self, target: &Target, operation: &Operation) -> Result<Done, OdataError> {
        check_content_type(operation)?;
        let mut object = parse_object(&operation.body)?;
        let form = DecimalForm::of(&operation.content_type);
        match target {
            Target::Customers => {
                let mut fields = for_insert(&CUSTOMER, &object, form)?;
                self.setup.writings.write(&mut fields);
                let id = rules::insert_customer(self.tables, &fields)?;
                self.created_customer(&Target::Customer(id), operation)
            }
            Target::List(id, list) => {
                if operation.referred {
                    imply_keys(&mut object, list.entity(), id);
                }
                let mut fields = for_insert(list.entity(), &object, form)?;
                self.setup.writings.write(&mut fields);
                let key = rules::insert_record(self.tables, id, list, &fields, self.now)?;
                self.created_customer(&Target::Record(id.clone(), list.clone(), key), operation)
            }
            Target::Copy => {
                let id = copy::copy(self.tables, &Wanted::read(&object)?, self.now)?;
                Ok(Done { status: StatusCode::OK, etag: None, location: None, body: Some(json!({ "value": id })) })
            }
            Target::Customer(_) | Target::Record(..) | Target::AllOrderData => Err(OdataError::method_not_allowed()),
        }
    }

    fn patch_customers(&mut self, target: &Target, operation: &Operation) -> Result<Done, OdataError> {
        check_content_type(operation)?;
        let found = self.customer_row(target).map(|(entity, row)| (entity, row.etag()));
        self.matches(found.as_ref().map(|(_, etag)| etag.as_str()).ok(), operation)?;
        let (entity, _) = found?;
        let object = parse_object(&operation.body)?;
        let mut fields = for_update(entity, &object, DecimalForm::of(&operation.content_type))?;
        self.setup.writings.write(&mut fields);
        match target {
            Target::Customer(id) => rules::update_customer(self.tables, id, &fields)?,
            Target::Record(id, list, key) => rules::update_record(self.tables, id, list, key, &fields)?,
            Target::Customers | Target::List(..) | Target::AllOrderData | Target::Copy => {
                return Err(OdataError::method_not_allowed());
            }
        }
        let (entity, row) = self.customer_row(target)?;
        entity_answer(StatusCode::OK, entity, row, &Query::default(), operation, Some(location(target)))
    }

    fn created_customer(&self, target: &Target, operation: &Operation) -> Result<Done, OdataError> {
        let (entity, row) = self.customer_row(target)?;
        entity_answer(StatusCode::CREATED, entity, row, &Query::default(), operation, Some(location(target)))
    }

    fn customer_row(&self, target: &Target) -> Result<(&'static Entity, &Row), OdataError> {
        let customer = |id: &str| self.tables.customers.get(id).ok_or_else(nothing_there);
        match target {
            Target::Customer(id) => Ok((&CUSTOMER, &customer(id)?.info)),
            Target::Record(id, list, key) => {
                let entity = list.entity();
                let row = customer(id)?.rows(list).into_iter().find(|row| key.fits(entity, row));
                Ok((entity, row.ok_or_else(nothing_there)?))
            }
            Target::Customers | Target::List(..) | Target::AllOrderData | Target::Copy => {
                Err(OdataError::method_not_allowed())
            }
        }
    }
}

/// Under `$<Content-ID>` the caller can not know the keys yet, so that IFS fills them in.
fn imply_keys(object: &mut Map<String, Value>, entity: &Entity, id: &str) {
    for name in ["CustomerId", "CustomerNo", "Identity"] {
        if entity.field(name).is_some_and(|field| field.is_insertable()) {
            object.entry(name).or_insert_with(|| Value::String(id.to_owned()));
        }
    }
}

/// The canonical path of a record.
fn location(target: &Target) -> String {
    match target {
        Target::Customer(id) => format!("CustomerInfoSet(CustomerId={})", super::super::path::quote(id)),
        Target::Record(id, list, key) => {
            let base = format!("CustomerInfoSet(CustomerId={})", super::super::path::quote(id));
            key.path(&base, list, id)
        }
        Target::Customers | Target::List(..) | Target::AllOrderData | Target::Copy => String::new(),
    }
}
