//! The header's fields.

use super::customer;
use super::desired::Fields;
use super::note;
use super::park::ParkReason;
use super::rows::tax_included;
use super::rules::Rules;
use super::rules::customers::DefaultCustomer;
use super::rules::gl::{Choice, Picked};
use super::scalar::Scalar;
use crate::domain::money::Currency;
use crate::domain::order::{FinancialStatus, Order};
use crate::ifs::wire::names;
use rust_decimal::Decimal;

/// The header's fields in IFS's names.
///
/// # Errors
/// Parks references that do not fit, payment terms that no rule names, and payment states that we have never heard of.
pub(super) fn header_fields(order: &Order, rules: &Rules, currency: Currency) -> Result<Fields, ParkReason> {
    let settings = rules.settings();
    let mut fields = Fields::new();
    let mut text = |field: &str, value: &str| {
        if !value.is_empty() {
            fields.insert(field.to_owned(), Scalar::text(value));
        }
    };
    // Of an order with a customer of its own they come from that one's link, when it is known.
    if !customer::has_its_own(order, rules) {
        let customer = default_customer(order, rules)?;
        text(names::CUSTOMER_NO, &customer.customer_no);
        text(names::BILL_ADDR_NO, &customer.bill_addr_no);
        text(names::SHIP_ADDR_NO, &customer.ship_addr_no);
    }
    text(names::COMPANY, &settings.company);
    text(names::CURRENCY_CODE, currency.code());
    text(names::WANTED_DELIVERY_DATE, &rules.wanted_delivery(order.processed_at));
    for (field, picked) in chosen_fields(order, rules)? {
        text(field, picked.value);
    }
    if let Some(note) = note::order_note(order, rules) {
        text(names::NOTE_TEXT, &note);
    }
    for (field, value, what) in [
        (&settings.order_key_field, order.id.to_string(), "the order's id"),
        (&settings.order_name_field, order.name.clone(), "name"),
        (&settings.po_number_field, order.po_number.clone().unwrap_or_default(), "po_number"),
    ] {
        if field.is_empty() {
            continue;
        }
        let (chars, chars_max) = (value.chars().count(), Rules::reference_chars_max(field));
        if chars > chars_max {
            let text = format!(
                "{what} goes into {field}, which holds {chars_max} characters, and has {chars}: name another field"
            );
            return Err(ParkReason::mapping("reference_too_long", text));
        }
        text(field, &value);
    }
    fields.insert(names::IS_NEW_CUSTOMER.to_owned(), Scalar::Bool(false));
    fields.insert(names::USE_PRICE_INCL_TAX.to_owned(), Scalar::Bool(tax_included(order, rules)));
    // Against a discount that IFS would take from the customer.
    fields.insert(names::ADDITIONAL_DISCOUNT.to_owned(), Scalar::decimal(Decimal::ZERO));
    Ok(fields)
}

/// The customer that carries the order; a company's order wants a row of its own.
///
/// Where each order has its own customer, `customer_no` need not be set: the sale of a till that nothing fits parks.
fn default_customer(order: &Order, rules: &Rules) -> Result<DefaultCustomer, ParkReason> {
    let of = rules.particulars(order);
    let customer = rules.default_customer(of).ok_or_else(|| {
        ParkReason::mapping(
            "company_order",
            "the order belongs to a B2B company and customers.defaults has no row with b2b = true that fits: add one, or set \
             customer = \"match_or_create\"",
        )
    })?;
    if customer.customer_no.trim().is_empty() {
        let text = format!(
            "a till sold the order without any address, so that it has no customer of its own, and no row of customers.defaults fits it \
             ({}, {}): set customer_no to the IFS customer of such sales, or add customers.defaults = [{{ customer_no = \"...\" }}]",
            of.country.unwrap_or("no country"),
            of.currency
        );
        return Err(ParkReason::mapping("till_customer_missing", text));
    }
    Ok(customer)
}

/// The header's fields that rules or settings choose, each with what chose it.
///
/// # Errors
/// Parks a location of another company, an order without order type or coordinator, and what [`header_fields`] says of
/// payment.
pub(super) fn chosen_fields<'r>(order: &Order, rules: &'r Rules) -> Result<Vec<(&'r str, Picked<'r>)>, ParkReason> {
    let settings = rules.settings();
    if let Some(other) = rules.other_company(order) {
        let text = format!(
            "the order's location belongs to company {other}, {} was expected: enter it by hand, or change sites",
            settings.company
        );
        return Err(ParkReason::mapping("two_companies", text));
    }
    let plain = |choice, key, setting: &'r str| rules.choose_or(choice, order, None, key, setting);
    let needed = |key: &str, picked: Option<Picked<'r>>| {
        picked.ok_or_else(|| {
            let text = format!("no rule of gl.rules chooses {key} for the order: add one, or set {key}");
            ParkReason::mapping("no_rule", text)
        })
    };
    let shipping = order.shipping_lines.iter().find(|line| !line.removed);
    let ship_via = shipping.and_then(|line| rules.ship_via(order, line.code.as_deref()));
    let fields = [
        (names::CONTRACT, Some(rules.site(order))),
        (
            names::AUTHORIZE_CODE,
            Some(needed("coordinator", plain(Choice::Coordinator, "coordinator", &settings.coordinator))?),
        ),
        (names::ORDER_ID, Some(needed("order_type", plain(Choice::OrderType, "order_type", &settings.order_type))?)),
        (names::MARKET_CODE, plain(Choice::MarketCode, "market_code", &settings.market_code)),
        (names::SALESMAN_CODE, rules.salesman(order)),
        (names::DELIVERY_TERMS, plain(Choice::DeliveryTerms, "delivery_terms", &settings.delivery_terms)),
        (names::PAY_TERM_ID, pay_term(order, rules)?),
        (names::SHIP_VIA_CODE, ship_via),
    ];
    let named = fields.into_iter().filter_map(|(field, picked)| Some((field, picked?)));
    Ok(named.chain(rules.pre_posting(order)).collect())
}

/// `PayTermId`; none leaves it to the customer's default.
fn pay_term<'r>(order: &Order, rules: &'r Rules) -> Result<Option<Picked<'r>>, ParkReason> {
    if let Some(FinancialStatus::Unknown(_)) = order.financial_status {
        return Err(ParkReason::mapping(
            "financial_status_unknown",
            "financial_status: one of Shopify's words was expected, found another: ask for an update of ml-connector",
        ));
    }
    if let Some(picked) = rules.choose(Choice::PayTerm, order, None) {
        return Ok(Some(picked));
    }
    let settings = rules.settings();
    let picked = match &order.payment_terms {
        Some(name) => {
            let code = settings.payment_terms.get(name).ok_or_else(|| {
                let text = format!(
                    "payment_terms has no row for \"{name}\": add payment_terms.\"{name}\" with IFS's PayTermId"
                );
                ParkReason::mapping("payment_terms_missing", text)
            })?;
            Some(Picked::setting(code, format!("payment_terms.{name}")))
        }
        None if order.is_paid() => Some(Picked::setting(&settings.pay_term_prepaid, "pay_term_prepaid")),
        None => None,
    };
    Ok(picked.filter(|picked| !picked.value.is_empty()))
}
