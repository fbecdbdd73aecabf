//! The customer of an order as IFS should hold it: its business key, its number, its records. Pure; how it is found and
//! written is the flow's, how it is merged with what IFS holds is `customer_merge`'s.

mod reference;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::address::fields_of;
use super::desired::Fields;
use super::park::ParkReason;
use super::rules::Rules;
use super::rules::customers::{CUSTOMER_ID_CHARS_MAX, CustomerCreate, MatchBy, Numbering, Particulars, ShipAddress};
use super::scalar::Scalar;
use crate::domain::address::Address;
use crate::domain::order::Order;
use crate::domain::personal::Personal;
use crate::ifs::wire::{customer as wire, names};
pub use reference::{has_its_own, reference};

/// Most characters of `AssociationNo`; a longer key travels as its digest.
const ASSOCIATION_CHARS_MAX: usize = 50;
/// Most characters of a customer's name.
const NAME_CHARS_MAX: usize = 100;
/// Most characters of an e-mail address or a telephone number.
const METHOD_CHARS_MAX: usize = 200;

/// One customer as IFS should hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredCustomer {
    /// Version of this shape; readers refuse another one.
    pub version: u32,
    /// The business key.
    pub key: String,
    /// The business key as `AssociationNo` carries it.
    pub association_no: String,
    /// The IFS customer that an ERP named in Shopify.
    pub external_id: Option<String>,
    /// The number that we give, under `numbering = "own"`.
    pub own_id: Option<String>,
    /// The template to copy; none where the records are posted.
    pub template: Option<String>,
    /// What `CopyExistingCustomer` is told beside the numbers.
    pub name: String,
    /// `CustomerCategory` of a new one.
    pub category: String,
    /// Its records, the customer's own first.
    pub records: Vec<DesiredRecord>,
    /// The birth of the order that this comes from, UTC microseconds: an older order does not change a newer one's.
    pub as_of: i64,
    /// That order.
    pub order_id: u64,
}

/// One record of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredRecord {
    /// Which.
    pub record: Record,
    /// Fields that are kept as Shopify has them, unless a person changed them.
    pub fields: Fields,
    /// Fields that are only said when the record is made.
    pub at_birth: Fields,
}

/// Names one record of a customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The customer itself.
    Customer,
    /// An address, by its `AddressId`.
    Address(String),
    /// What an address is for: `AddressId` and `AddressTypeCode`.
    AddressType(String, String),
    /// An e-mail address or telephone number: `MethodId` and value.
    Method(String, String),
    /// The order data.
    OrderData,
    /// The data in one company.
    CompanyData(String),
}

impl Record {
    /// How it is called in attempts and in the base; a value that is a person's is told by its digest alone.
    pub fn name(&self) -> String {
        match self {
            Self::Customer => "customer".to_owned(),
            Self::Address(id) => format!("address {id}"),
            Self::AddressType(id, code) => format!("address {id} {code}"),
            Self::Method(method, value) => format!("{method} {}", short_digest(value)),
            Self::OrderData => "order data".to_owned(),
            Self::CompanyData(company) => format!("company {company}"),
        }
    }
}

impl DesiredCustomer {
    /// The shape that this code writes.
    pub const VERSION: u32 = 1;

    /// SHA-256, in hex, of all that is kept up to date. What only counts at the customer's birth takes no part, so that
    /// a second order of the same person changes nothing.
    pub fn digest(&self) -> String {
        let kept: Vec<_> = self.records.iter().map(|record| (record.record.name(), &record.fields)).collect();
        let told = (&self.key, &self.external_id, &self.own_id, kept);
        let stored = serde_json::to_vec(&told).expect("maps with text keys always serialise");
        hex::encode(Sha256::digest(stored))
    }

    /// The record of that name, if it is wanted.
    pub fn record(&self, record: &Record) -> Option<&DesiredRecord> {
        self.records.iter().find(|wanted| wanted.record == *record)
    }

    /// This, as it follows what an earlier mapping wanted of the same customer.
    ///
    /// The newest order says what is kept up to date; addresses that other orders name stay wanted.
    #[must_use]
    pub fn after(self, earlier: &Self) -> Self {
        let mine = (self.as_of, self.order_id);
        let (mut newest, older) =
            if mine < (earlier.as_of, earlier.order_id) { (earlier.clone(), self) } else { (self, earlier.clone()) };
        for record in older.records {
            let stays = match &record.record {
                Record::Address(id) | Record::AddressType(id, _) => is_of_content(id),
                Record::Customer | Record::Method(..) | Record::OrderData | Record::CompanyData(_) => false,
            };
            if stays && newest.record(&record.record).is_none() {
                newest.records.push(record);
            }
        }
        sort(&mut newest.records);
        newest
    }
}

/// Records in the order in which IFS must get them.
fn sort(records: &mut [DesiredRecord]) {
    records.sort_by(|a, b| rank(&a.record).cmp(&rank(&b.record)).then_with(|| a.record.cmp(&b.record)));
}

fn rank(record: &Record) -> u8 {
    match record {
        Record::Customer => 0,
        Record::Address(_) => 1,
        Record::AddressType(..) => 2,
        Record::Method(..) => 3,
        Record::OrderData => 4,
        Record::CompanyData(_) => 5,
    }
}

/// The business key of an order's customer.
pub fn key(order: &Order) -> String {
    let company = order.company.as_ref();
    if let Some(id) = company.and_then(|company| company.location_id.or(company.id)) {
        return format!("company:{id}");
    }
    if let Some(id) = order.customer.id {
        return format!("customer:{id}");
    }
    match &order.customer.email {
        Some(email) => format!("email:{}", email.as_str().trim().to_lowercase()),
        None => format!("order:{}", order.id),
    }
}

/// The customer of an order as IFS should hold it.
///
/// # Errors
/// Parks what has no name, no address, no template, or is too long for IFS.
pub fn desired(order: &Order, rules: &Rules) -> Result<DesiredCustomer, ParkReason> {
    let settings = &rules.settings().customers;
    let company = order.company.as_ref();
    if company.is_some() && !order.told.company {
        return Err(ParkReason::mapping(
            "company_not_told",
            "the B2B company's name and keys were not told with the order: run `documents retry`, which reads it anew",
        ));
    }
    let own = order.billing_address.as_ref().or(order.shipping_address.as_ref());
    let country = own.and_then(|address| address.country_code.as_deref());
    let of = Particulars { country, ..rules.particulars(order) };
    let key = key(order);
    let external_id = company
        .filter(|_| settings.match_by.contains(&MatchBy::ExternalId))
        .and_then(|company| company.location_external_id.clone().or_else(|| company.external_id.clone()))
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty());
    let template = match settings.create {
        CustomerCreate::Template => Some(rules.customer_template(of).map(str::to_owned).ok_or_else(|| {
            let kind = if of.b2b { "a company" } else { "a person" };
            let text = format!(
                "customers.templates has no row for {kind} in {} with {}: add one with its template customer",
                of.country.unwrap_or("no country"),
                of.currency
            );
            ParkReason::mapping("customer_template_missing", text)
        })?),
        CustomerCreate::Posts | CustomerCreate::Never => None,
    };
    let name = name(order)?;
    Ok(DesiredCustomer {
        version: DesiredCustomer::VERSION,
        association_no: association_no(&key),
        own_id: (settings.numbering == Numbering::Own).then(|| own_id(order, &key, &settings.id_prefix)),
        external_id,
        template,
        category: settings.category.clone(),
        records: records(order, rules, &key, &name)?,
        name,
        as_of: order.created_at.as_microsecond(),
        order_id: order.id.get(),
        key,
    })
}

fn records(order: &Order, rules: &Rules, key: &str, name: &str) -> Result<Vec<DesiredRecord>, ParkReason> {
    let settings = rules.settings();
    let Some(own) = order.billing_address.as_ref().or(order.shipping_address.as_ref()) else {
        return Err(ParkReason::mapping(
            "customer_without_address",
            "the order has neither a billing nor a shipping address; its customer needs one in IFS: add it in Shopify",
        ));
    };
    let own = fields_of(own, rules)?;
    let mut records = vec![customer_record(order, rules, key, name, &own)];
    let all = [wire::DELIVERY, wire::DOCUMENT, wire::PAY];
    match settings.customers.ship_address {
        ShipAddress::SingleOccurrence => address_records(&mut records, &settings.customers.address_id, own, &all),
        ShipAddress::CustomerAddress => {
            let ship = order.delivery_address().map(|to| fields_of(to, rules)).transpose()?.filter(|ship| *ship != own);
            match ship {
                None => address_records(&mut records, &content_id(&own), own, &all),
                Some(ship) => {
                    address_records(&mut records, &content_id(&own), own, &all[1..]);
                    address_records(&mut records, &content_id(&ship), ship, &all[..1]);
                }
            }
        }
    }
    for (method, value) in [
        (&settings.customers.email_method, &order.customer.email),
        (&settings.customers.phone_method, &order.customer.phone),
    ] {
        if let (false, Some(value)) = (method.is_empty(), value) {
            records.push(method_record(method, value)?);
        }
    }
    data_records(&mut records, order, rules);
    sort(&mut records);
    Ok(records)
}

fn customer_record(order: &Order, rules: &Rules, key: &str, name: &str, own: &Fields) -> DesiredRecord {
    let country = own.get(names::COUNTRY).cloned();
    let code = country.as_ref().map(ToString::to_string);
    let mut fields = Fields::from([(names::NAME.to_owned(), Scalar::text(name))]);
    if let Some(country) = country {
        fields.insert(names::COUNTRY.to_owned(), country.clone());
        fields.insert(wire::COUNTRY_CODE.to_owned(), country);
    }
    if let Some(language) = rules.customer_language(order.customer.locale.as_deref(), code.as_deref()) {
        fields.insert(wire::DEFAULT_LANGUAGE.to_owned(), Scalar::text(language));
    }
    let day = rules.day_of(order.created_at);
    let at_birth = texts([
        (wire::ASSOCIATION_NO, association_no(key).as_str()),
        (wire::CREATION_DATE, &day),
        (wire::PARTY_TYPE, wire::PARTY_CUSTOMER),
        (wire::CUSTOMER_CATEGORY, &rules.settings().customers.category),
    ]);
    let mut at_birth = with_domain(at_birth);
    at_birth.insert(wire::B2B_CUSTOMER.to_owned(), Scalar::Bool(order.company.is_some()));
    DesiredRecord { record: Record::Customer, fields, at_birth }
}

fn address_records(records: &mut Vec<DesiredRecord>, id: &str, mut fields: Fields, types: &[&str]) {
    let at_birth = with_domain(texts([(wire::ADDRESS_ID, id), (wire::PARTY_TYPE, wire::PARTY_CUSTOMER)]));
    // Both name the country, and change together.
    if let Some(country) = fields.get(names::COUNTRY).cloned() {
        fields.insert(wire::COUNTRY_CODE.to_owned(), country);
    }
    records.push(DesiredRecord { record: Record::Address(id.to_owned()), fields, at_birth });
    for code in types {
        let at_birth =
            texts([(wire::ADDRESS_ID, id), (wire::ADDRESS_TYPE_CODE, code), (wire::PARTY_TYPE, wire::PARTY_CUSTOMER)]);
        let record = Record::AddressType(id.to_owned(), (*code).to_owned());
        records.push(DesiredRecord { record, fields: Fields::new(), at_birth: with_domain(at_birth) });
    }
}

fn method_record(method: &str, value: &Personal) -> Result<DesiredRecord, ParkReason> {
    let value = value.as_str().trim();
    let chars = value.chars().count();
    if chars > METHOD_CHARS_MAX {
        let text = format!(
            "{method} of the customer: at most {METHOD_CHARS_MAX} characters fit, found {chars}: correct it in Shopify"
        );
        return Err(ParkReason::mapping("customer_method_too_long", text));
    }
    let at_birth = texts([(wire::METHOD_ID, method), (wire::VALUE, value)]);
    let record = Record::Method(method.to_owned(), value.to_owned());
    Ok(DesiredRecord { record, fields: Fields::new(), at_birth })
}

fn data_records(records: &mut Vec<DesiredRecord>, order: &Order, rules: &Rules) {
    let settings = rules.settings();
    let data = rules.customer_data(order.company.is_some());
    let posts = settings.customers.create == CustomerCreate::Posts;
    let birth_currency = if posts && data.currency.is_empty() { rules.particulars(order).currency } else { "" };
    records.push(DesiredRecord {
        record: Record::OrderData,
        fields: texts([
            (names::CURRENCY_CODE, data.currency.as_str()),
            (wire::CUST_GRP, &data.cust_group),
            (wire::CUST_PRICE_GROUP_ID, &data.price_group),
            (wire::MARKET_CODE, &data.market_code),
            (names::ORDER_ID, &data.order_type),
        ]),
        at_birth: texts([(names::CURRENCY_CODE, birth_currency)]),
    });
    records.push(DesiredRecord {
        record: Record::CompanyData(settings.company.clone()),
        fields: texts([
            (wire::DEF_CURRENCY, data.currency.as_str()),
            (names::PAY_TERM_ID, &data.pay_term_id),
            (wire::TAX_LIABILITY, &data.tax_liability),
        ]),
        at_birth: texts([
            (names::COMPANY, settings.company.as_str()),
            (wire::PARTY_TYPE, wire::PARTY_CUSTOMER),
            (wire::DEF_CURRENCY, birth_currency),
        ]),
    });
}

fn texts<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Fields {
    let said = fields.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(field, value)| (field.to_owned(), Scalar::text(value))).collect()
}

fn with_domain(mut fields: Fields) -> Fields {
    fields.insert(wire::DEFAULT_DOMAIN.to_owned(), Scalar::Bool(true));
    fields
}

/// The company's name, else the person's, else who is billed or gets the goods.
fn name(order: &Order) -> Result<String, ParkReason> {
    let said = |text: &Option<Personal>| text.as_ref().map(|text| text.as_str().trim().to_owned());
    let person = [&order.customer.first_name, &order.customer.last_name].into_iter().filter_map(said);
    let person = Some(person.collect::<Vec<_>>().join(" ")).filter(|name| !name.is_empty());
    let addresses = [&order.billing_address, &order.shipping_address];
    let of_addresses = |pick: fn(&Address) -> &Option<Personal>| {
        addresses.into_iter().flatten().find_map(|address| said(pick(address)))
    };
    let company = order
        .company
        .as_ref()
        .and_then(|company| said(&company.name).or_else(|| of_addresses(|address| &address.company)));
    let name = company
        .or(person)
        .or_else(|| of_addresses(|address| &address.name))
        .or_else(|| of_addresses(|address| &address.company));
    let Some(name) = name else {
        return Err(ParkReason::mapping(
            "customer_without_name",
            "neither the customer nor an address of the order has a name; IFS wants one: add it in Shopify",
        ));
    };
    let chars = name.chars().count();
    if chars > NAME_CHARS_MAX {
        let text = format!(
            "Name of the customer: at most {NAME_CHARS_MAX} characters fit, found {chars}: shorten it in Shopify"
        );
        return Err(ParkReason::mapping("customer_name_too_long", text));
    }
    Ok(name)
}

/// `AssociationNo` for a business key.
pub fn association_no(key: &str) -> String {
    if key.chars().count() <= ASSOCIATION_CHARS_MAX {
        return key.to_owned();
    }
    let kind = key.split(':').next().unwrap_or("key");
    format!("{kind}:{}", &digest(key)[..32])
}

/// The number that we give: the prefix, a letter for what is no person's number, and Shopify's number.
fn own_id(order: &Order, key: &str, prefix: &str) -> String {
    let (letter, number) = match key.split_once(':') {
        Some(("customer", number)) => ("", number.to_owned()),
        Some(("company", number)) if order.company.as_ref().is_some_and(|company| company.location_id.is_some()) => {
            ("L", number.to_owned())
        }
        Some(("company", number)) => ("C", number.to_owned()),
        Some(("order", number)) => ("O", number.to_owned()),
        _ => ("E", short_digest(key)),
    };
    let id = format!("{prefix}{letter}{number}");
    // A number that does not fit gives way to its digest, which does.
    if id.chars().count() > CUSTOMER_ID_CHARS_MAX { format!("{prefix}X{}", short_digest(key)) } else { id }
}

/// `AddressId` of an address that is named by its content: the same address is never made twice.
fn content_id(address: &Fields) -> String {
    let told: Vec<String> = address.iter().map(|(field, value)| format!("{field}={value}")).collect();
    format!("{CONTENT_MARK}{}", short_digest(&told.join("\n")))
}

const CONTENT_MARK: &str = "A-";

pub(super) fn is_of_content(address_id: &str) -> bool {
    address_id.starts_with(CONTENT_MARK)
}

fn short_digest(text: &str) -> String {
    digest(text)[..12].to_uppercase()
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests;
