//! Addresses of `CustomerHandling`.

use super::super::error::OdataError;
use super::super::path::{KeyValue, Keys, Query, bad_key, named, no_such_path, quote, segment, split};
use super::super::schema::{Cell, Entity};
use super::super::tables::Row;
use super::schema::{ADDRESS, ADDRESS_TYPE, COMPANY, CREDIT, METHOD, ORDER_DATA};

/// A list of records that belongs to a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum List {
    Addresses,
    /// Types of the address with this id.
    Types(String),
    Methods,
    /// Means of communication of the address with this id.
    AddressMethods(String),
    OrderData,
    Companies,
    Credits,
}

impl List {
    pub(in super::super) fn entity(&self) -> &'static Entity {
        match self {
            Self::Addresses => &ADDRESS,
            Self::Types(_) => &ADDRESS_TYPE,
            Self::Methods | Self::AddressMethods(_) => &METHOD,
            Self::OrderData => &ORDER_DATA,
            Self::Companies => &COMPANY,
            Self::Credits => &CREDIT,
        }
    }

    fn of_customer(navigation: &str) -> Option<Self> {
        match navigation {
            "CustomerInfoAddresses" => Some(Self::Addresses),
            "CommunicationMethods" => Some(Self::Methods),
            "CustOrdCustomers" => Some(Self::OrderData),
            "CustomerInvoiceCompanies" => Some(Self::Companies),
            "CustomerCreditInfoArray" => Some(Self::Credits),
            _ => None,
        }
    }

    fn of_address(navigation: &str, address_id: &str) -> Option<Self> {
        match navigation {
            "AddressTypes" => Some(Self::Types(address_id.to_owned())),
            "AddressCommunicationMethods" => Some(Self::AddressMethods(address_id.to_owned())),
            _ => None,
        }
    }
}

/// Key of a record among its list, in the order of the entity's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Key(Vec<KeyValue>);

impl Key {
    /// The key of a row.
    pub(super) fn of(entity: &Entity, row: &Row) -> Self {
        let value = |name: &&str| match row.cell(name) {
            Some(Cell::Int(number)) => KeyValue::Int(*number),
            _ => KeyValue::Text(row.text(name).to_owned()),
        };
        Self(entity.key.iter().map(value).collect())
    }

    /// A key of texts alone.
    pub(super) fn texts(values: &[&str]) -> Self {
        Self(values.iter().map(|value| KeyValue::Text((*value).to_owned())).collect())
    }

    /// The record's canonical path under its customer's.
    pub(super) fn path(&self, customer: &str, list: &List, id: &str) -> String {
        let keys = list.entity().key.iter().zip(&self.0).map(|(name, value)| match value {
            KeyValue::Text(text) => format!("{name}={}", quote(text)),
            KeyValue::Int(number) => format!("{name}={number}"),
        });
        let keys = keys.collect::<Vec<_>>().join(",");
        let (within, navigation) = match list {
            List::Addresses => (String::new(), "CustomerInfoAddresses"),
            List::Types(address) => (under_address(id, address), "AddressTypes"),
            List::Methods => (String::new(), "CommunicationMethods"),
            List::AddressMethods(address) => (under_address(id, address), "AddressCommunicationMethods"),
            List::OrderData => (String::new(), "CustOrdCustomers"),
            List::Companies => (String::new(), "CustomerInvoiceCompanies"),
            List::Credits => (String::new(), "CustomerCreditInfoArray"),
        };
        format!("{customer}/{within}{navigation}({keys})")
    }

    /// Whether a row has this key.
    pub(in super::super) fn fits(&self, entity: &Entity, row: &Row) -> bool {
        entity.key.iter().zip(&self.0).all(|(name, value)| match (row.cell(name), value) {
            (Some(Cell::Text(held)), KeyValue::Text(wanted)) => held == wanted,
            (Some(Cell::Int(held)), KeyValue::Int(wanted)) => held == wanted,
            _ => false,
        })
    }
}

fn under_address(id: &str, address_id: &str) -> String {
    format!("CustomerInfoAddresses(CustomerId={},AddressId={})/", quote(id), quote(address_id))
}

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Target {
    Customers,
    Customer(String),
    List(String, List),
    Record(String, List, Key),
    /// `CustOrdCustomerSet` without a key: of all customers.
    AllOrderData,
    /// The unbound action `CopyExistingCustomer`.
    Copy,
}

impl Target {
    /// The customer that it belongs to.
    pub(in super::super) fn customer_id(&self) -> Option<&str> {
        match self {
            Self::Customer(id) | Self::List(id, _) | Self::Record(id, ..) => Some(id),
            Self::Customers | Self::AllOrderData | Self::Copy => None,
        }
    }
}

/// Parses a relative URL into its target and query.
pub(in super::super) fn parse(relative: &str) -> Result<(Target, Query), OdataError> {
    let (segments, query) = split(relative)?;
    let segments: Vec<(String, Option<Keys>)> =
        segments.iter().map(|text| segment(text)).collect::<Result<Vec<_>, _>>()?;
    Ok((target(&segments)?, query))
}

fn target(segments: &[(String, Option<Keys>)]) -> Result<Target, OdataError> {
    match segments {
        [(name, None)] if name == "CustomerInfoSet" => Ok(Target::Customers),
        [(name, None)] if name == "CustOrdCustomerSet" => Ok(Target::AllOrderData),
        [(name, None)] if name == "CopyExistingCustomer" => Ok(Target::Copy),
        [(name, Some(keys))] if name == "CustOrdCustomerSet" => {
            let id = owner(keys, "CustomerNo")?;
            Ok(Target::Record(id.clone(), List::OrderData, Key(vec![KeyValue::Text(id)])))
        }
        [(name, Some(keys)), rest @ ..] if name == "CustomerInfoSet" => under(owner(keys, "CustomerId")?, rest),
        [(name, _), ..] if name != "CustomerInfoSet" => Err(OdataError::not_found(format!(
            "Cannot find EntitySet, Singleton, ActionImport or FunctionImport with name '{name}'"
        ))),
        _ => Err(no_such_path()),
    }
}

fn owner(keys: &Keys, name: &str) -> Result<String, OdataError> {
    match named(keys, &[name])?.as_slice() {
        [KeyValue::Text(id)] => Ok(id.clone()),
        _ => Err(bad_key()),
    }
}

fn under(id: String, rest: &[(String, Option<Keys>)]) -> Result<Target, OdataError> {
    match rest {
        [] => Ok(Target::Customer(id)),
        [(name, keys)] => leaf(id, List::of_customer(name).ok_or_else(no_such_path)?, keys.as_ref()),
        [(name, Some(keys)), (inner, inner_keys)] if name == "CustomerInfoAddresses" => {
            let Target::Record(id, _, Key(key)) = leaf(id, List::Addresses, Some(keys))? else { return Err(bad_key()) };
            let [_, KeyValue::Text(address_id)] = key.as_slice() else { return Err(bad_key()) };
            leaf(id, List::of_address(inner, address_id).ok_or_else(no_such_path)?, inner_keys.as_ref())
        }
        _ => Err(no_such_path()),
    }
}

fn leaf(id: String, list: List, keys: Option<&Keys>) -> Result<Target, OdataError> {
    let Some(keys) = keys else { return Ok(Target::List(id, list)) };
    let entity = list.entity();
    let values = named(keys, entity.key)?;
    let mut names = entity.key.iter().zip(&values);
    let own = |name: &str| matches!(name, "CustomerId" | "CustomerNo" | "Identity");
    if names.any(|(name, value)| own(name) && *value != KeyValue::Text(id.clone())) {
        return Err(bad_key());
    }
    Ok(Target::Record(id, list, Key(values)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Target, OdataError> {
        parse(url).map(|(target, _)| target)
    }

    #[test]
    fn customers_addresses_types_and_data_are_named_by_their_keys() {
        assert_eq!(of("CustomerInfoSet(CustomerId='W1')"), Ok(Target::Customer("W1".into())));
        let types =
            of("CustomerInfoSet(CustomerId='W1')/CustomerInfoAddresses(CustomerId='W1',AddressId='A')/AddressTypes");
        assert_eq!(types, Ok(Target::List("W1".into(), List::Types("A".into()))));
        let by_set = of("CustOrdCustomerSet(CustomerNo='W1')");
        assert_eq!(by_set, of("CustomerInfoSet(CustomerId='W1')/CustOrdCustomers(CustomerNo='W1')"));
        assert_eq!(of("CopyExistingCustomer"), Ok(Target::Copy));
    }

    #[test]
    fn keys_of_another_customer_half_keys_and_unknown_names_are_refused() {
        for url in [
            "CustomerInfoSet('W1')",
            "CustomerInfoSet(CustomerId='W1')/CustomerInfoAddresses(CustomerId='W2',AddressId='1')",
            "CustomerInfoSet(CustomerId='W1')/CustomerInfoAddresses(AddressId='1')",
            "CustomerInfoSet(CustomerId='W1')/CustomerInvoiceCompanies(Company='10',Identity='W1')",
            "CustomerInfoSet(CustomerId='W1')/AddressTypes",
            "CustomerSet",
            "CustOrdCustomerSet(CustomerId='W1')",
        ] {
            assert!(of(url).is_err(), "{url} must be refused");
        }
    }
}
