//! The records of a customer, and the customers that IFS has from the start.

use std::collections::BTreeMap;

use super::super::super::world;
use super::super::schema::Cell;
use super::super::tables::{Row, Tables};
use super::path::List;

/// A customer with all that belongs to it.
#[derive(Clone, Debug)]
pub(in super::super) struct Customer {
    pub(in super::super) info: Row,
    pub(in super::super) addresses: Vec<Row>,
    /// Types of all addresses.
    pub(in super::super) types: Vec<Row>,
    /// Means of communication, those of addresses too.
    pub(in super::super) methods: Vec<Row>,
    pub(in super::super) order_data: Option<Row>,
    pub(in super::super) companies: Vec<Row>,
    pub(in super::super) credits: Vec<Row>,
}

impl Customer {
    pub(super) fn new(info: Row) -> Self {
        Self {
            info,
            addresses: Vec::new(),
            types: Vec::new(),
            methods: Vec::new(),
            order_data: None,
            companies: Vec::new(),
            credits: Vec::new(),
        }
    }

    /// The rows of a list.
    pub(super) fn rows(&self, list: &List) -> Vec<&Row> {
        match list {
            List::Addresses => self.addresses.iter().collect(),
            List::Types(address) => self.types.iter().filter(|row| row.text("AddressId") == address).collect(),
            List::Methods => self.methods.iter().collect(),
            List::AddressMethods(address) => {
                self.methods.iter().filter(|row| row.text("AddressId") == address).collect()
            }
            List::OrderData => self.order_data.iter().collect(),
            List::Companies => self.companies.iter().collect(),
            List::Credits => self.credits.iter().collect(),
        }
    }

    /// The rows of a list and, for parts of addresses, of the other addresses: to be changed.
    pub(super) fn rows_mut(&mut self, list: &List) -> Vec<&mut Row> {
        match list {
            List::Addresses => self.addresses.iter_mut().collect(),
            List::Types(_) => self.types.iter_mut().collect(),
            List::Methods | List::AddressMethods(_) => self.methods.iter_mut().collect(),
            List::OrderData => self.order_data.iter_mut().collect(),
            List::Companies => self.companies.iter_mut().collect(),
            List::Credits => self.credits.iter_mut().collect(),
        }
    }

    pub(super) fn push(&mut self, list: &List, row: Row) {
        match list {
            List::Addresses => self.addresses.push(row),
            List::Types(_) => self.types.push(row),
            List::Methods | List::AddressMethods(_) => self.methods.push(row),
            List::OrderData => self.order_data = Some(row),
            List::Companies => self.companies.push(row),
            List::Credits => self.credits.push(row),
        }
    }

    pub(super) fn has_address(&self, address_id: &str) -> bool {
        self.addresses.iter().any(|row| row.text("AddressId") == address_id)
    }

    /// Whether an address of the customer is of this type.
    pub(super) fn has_address_of(&self, address_id: &str, code: &str) -> bool {
        self.types.iter().any(|row| row.text("AddressId") == address_id && row.text("AddressTypeCode") == code)
    }
}

/// A text cell.
pub(super) fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

/// What a customer is made with beside its records.
pub(super) struct Seed<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) category: &'a str,
    pub(super) country: &'a str,
    pub(super) currency: &'a str,
    pub(super) association_no: Option<&'a str>,
    /// Has address `1` of each type.
    pub(super) addressed: bool,
}

/// Puts in the customers that are there from the start: the web customer and the templates.
pub(in super::super) fn seed(tables: &mut Tables) {
    let seed = |id, name, category, country, currency, addressed| Seed {
        id,
        name,
        category,
        country,
        currency,
        association_no: None,
        addressed,
    };
    put(tables, &seed(world::CUSTOMER_NO, "Web shop", "Customer", "SE", "EUR", true));
    let [swedish, german] = world::TEMPLATE_CUSTOMERS;
    put(tables, &seed(swedish, "Template Sweden", "Template", "SE", "SEK", false));
    put(tables, &seed(german, "Template Germany", "Template", "DE", "EUR", false));
}

/// Makes a whole customer, with order data and data in both companies.
pub(super) fn put(tables: &mut Tables, seed: &Seed<'_>) {
    let party = || [("PartyType", text("Customer")), ("DefaultDomain", Cell::Bool(true))];
    let mut cells = BTreeMap::from([
        ("CustomerId", text(seed.id)),
        ("Name", text(seed.name)),
        ("CreationDate", text("2020-01-01")),
        ("Country", text(seed.country)),
        ("CountryCode", text(seed.country)),
        ("DefaultLanguage", text("en")),
        ("CustomerCategory", text(seed.category)),
    ]);
    cells.extend(party());
    if let Some(association_no) = seed.association_no {
        cells.insert("AssociationNo", text(association_no));
    }
    let mut customer = Customer::new(tables.new_row(cells));
    if seed.addressed {
        let mut cells = BTreeMap::from([
            ("CustomerId", text(seed.id)),
            ("AddressId", text("1")),
            ("Country", text(seed.country)),
            ("Name", text(seed.name)),
        ]);
        cells.extend(party());
        customer.addresses.push(tables.new_row(cells));
        for code in ["Delivery", "Document", "Pay"] {
            customer.types.push(tables.new_row(BTreeMap::from([
                ("CustomerId", text(seed.id)),
                ("AddressId", text("1")),
                ("AddressTypeCode", text(code)),
                ("DefAddress", Cell::Bool(true)),
            ])));
        }
    }
    customer.order_data = Some(tables.new_row(BTreeMap::from([
        ("CustomerNo", text(seed.id)),
        ("CurrencyCode", text(seed.currency)),
        ("CustGrp", text("WEB")),
        ("OrderId", text("NO")),
        ("CrStop", Cell::Bool(false)),
    ])));
    for company in world::COMPANIES {
        customer.companies.push(tables.new_row(BTreeMap::from([
            ("Company", text(company)),
            ("Identity", text(seed.id)),
            ("PartyType", text("Customer")),
            ("DefCurrency", text(seed.currency)),
            ("PayTermId", text("30")),
            ("TaxLiability", text("TAX")),
            ("NumerationGroup", text("1")),
        ])));
    }
    tables.customers.insert(seed.id.to_owned(), customer);
}
