//! One order as sold against one order as held: every component, exact.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::super::ShopSettings;
use super::super::ifs::{OrderView, RowView};
use super::super::shopify::{Address, Both, OrderVersion, Shipping, Sold, includes_taxes, worth};
use super::super::world;
use super::{BookedCustomers, BookedMoney, BookedRelease};

/// Told of each difference: component, sold, held.
pub(super) type Report<'a> = &'a mut dyn FnMut(String, String, String);

/// What one row comes to: quantity, amount in the order's tax basis, tax.
type Figures = (Decimal, Decimal, Decimal);

fn side(amount: Both, money: BookedMoney) -> Decimal {
    match money {
        BookedMoney::Shop => amount.shop,
        BookedMoney::Presentment => amount.presentment,
    }
}

/// Currency and total of an order as sold, less what was given back beyond its rows, in the money that IFS is meant to hold.
pub(super) fn total_sold(sold: &OrderVersion, money: BookedMoney) -> (&'static str, Decimal) {
    let currency = match money {
        BookedMoney::Shop => sold.currencies.shop,
        BookedMoney::Presentment => sold.currencies.presentment,
    };
    (currency, side(sold.totals().current_total - sold.goodwill(), money))
}

/// Total of an order in IFS: gross of its live lines and of its charges.
pub(super) fn total_held(held: &OrderView) -> Decimal {
    let lines: Decimal = live_lines(held).map(|line| decimal(line, "GrossAmountCurr")).sum();
    lines + held.charges.iter().map(|charge| decimal(charge, "GrossAmtCurr")).sum::<Decimal>()
}

/// Compares one version of an order with what IFS holds.
pub(super) fn order(order: &Sold, sold: &OrderVersion, held: &OrderView, settings: &ShopSettings, report: Report<'_>) {
    header(sold, held, settings, report);
    // What a person wrote stays.
    for (field, value) in &order.desk_edits {
        text(&format!("a person's {field}"), value, held.field(field), report);
    }
    lines(sold, held, settings.money, if order.story.splits_rows() { Rows::Summed } else { Rows::Each }, report);
    charges(sold, held, settings.money, report);
    let totals = sold.totals();
    let tax_held = live_lines(held).map(|line| decimal(line, "TaxAmountCurr")).sum::<Decimal>()
        + held.charges.iter().map(|charge| decimal(charge, "TaxAmountCurrency")).sum::<Decimal>();
    amount("tax", side(totals.current_tax, settings.money), tax_held, report);
    amount("total", total_sold(sold, settings.money).1, total_held(held), report);
    address(sold, held, report);
}

fn header(sold: &OrderVersion, held: &OrderView, settings: &ShopSettings, report: Report<'_>) {
    let included = includes_taxes(sold).to_string();
    for (field, wanted) in [
        ("CurrencyCode", total_sold(sold, settings.money).0),
        ("UsePriceInclTax", &included),
        ("Contract", &settings.contract),
        ("Company", &settings.company),
        ("InternalRef", &sold.name()),
        ("ExternalRef", sold.po_number.as_deref().unwrap_or("")),
        ("SalesmanCode", sold.staff_id.map_or("", |_| world::SALESMAN)),
    ] {
        text(field, wanted, held.field(field), report);
    }
    if settings.customers == BookedCustomers::One {
        text("CustomerNo", world::CUSTOMER_NO, held.field("CustomerNo"), report);
    }
    if settings.released == BookedRelease::AtOnce {
        text("Objstate", "Released", held.field("Objstate"), report);
    }
    // Shopify's terms say the days, and so do the codes of the simulated IFS.
    if let Some(days) = sold.payment_terms.and_then(|terms| terms.strip_prefix("Net ")) {
        text("PayTermId", days, held.field("PayTermId"), report);
    }
    // How a note is laid out is the service's affair, that it is all there is not.
    if let Some(note) = sold.note.as_deref().filter(|note| !held.field("NoteText").contains(note)) {
        report("note".to_owned(), note.to_owned(), held.field("NoteText").to_owned());
    }
}

/// How lines of one part are told against each other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Row by row.
    Each,
    /// Their sums, where units came as a row of their own.
    Summed,
}

fn lines(sold: &OrderVersion, held: &OrderView, money: BookedMoney, rows: Rows, report: Report<'_>) {
    let mut parts: BTreeMap<String, (Vec<Figures>, Vec<Figures>)> = BTreeMap::new();
    let mut packages: BTreeMap<u64, (String, Figures)> = BTreeMap::new();
    for (index, line) in sold.lines.iter().enumerate().filter(|(_, line)| line.current_quantity > 0) {
        let (amount, tax) = worth(sold, index);
        let (amount, tax) = (side(amount, money), side(tax, money));
        match line.bundle.as_ref().and_then(|bundle| Some((bundle, bundle.part.as_ref()?))) {
            None => {
                let figures = (Decimal::from(line.current_quantity), amount, tax);
                parts.entry(line.part.clone()).or_default().0.push(figures);
            }
            // One line of the package part, worth all of its components.
            Some((bundle, part)) => {
                let left = Decimal::from(bundle.quantity * line.current_quantity / line.quantity.max(1));
                let none = (part.clone(), (left, Decimal::ZERO, Decimal::ZERO));
                let (_, (_, whole, taxes)) = packages.entry(bundle.id).or_insert(none);
                (*whole, *taxes) = (*whole + amount, *taxes + tax);
            }
        }
    }
    for (part, figures) in packages.into_values() {
        parts.entry(part).or_default().0.push(figures);
    }
    let amount_field = if includes_taxes(sold) { "GrossAmountCurr" } else { "NetAmountCurr" };
    for line in live_lines(held) {
        let figures = (decimal(line, "BuyQtyDue"), decimal(line, amount_field), decimal(line, "TaxAmountCurr"));
        parts.entry(line.get("CatalogNo").cloned().unwrap_or_default()).or_default().1.push(figures);
    }
    for (part, (mut sold, mut held)) in parts {
        if rows == Rows::Summed {
            (sold, held) = (vec![sum(&sold)], vec![sum(&held)]);
        }
        sold.sort();
        held.sort();
        if sold.len() != held.len() {
            report(format!("line {part} rows"), sold.len().to_string(), held.len().to_string());
            continue;
        }
        for (sold, held) in sold.into_iter().zip(held) {
            amount(&format!("line {part} quantity"), sold.0, held.0, report);
            amount(&format!("line {part} amount"), sold.1, held.1, report);
            amount(&format!("line {part} tax"), sold.2, held.2, report);
        }
    }
}

fn sum(rows: &[Figures]) -> Figures {
    let none = (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO);
    rows.iter().fold(none, |sum, row| (sum.0 + row.0, sum.1 + row.1, sum.2 + row.2))
}

fn charges(sold: &OrderVersion, held: &OrderView, money: BookedMoney, report: Report<'_>) {
    let amount_field = if includes_taxes(sold) { "GrossAmtCurr" } else { "NetAmtCurr" };
    let of_type = |wanted: &dyn Fn(&str) -> bool, field: &'static str| -> Decimal {
        let rows = held.charges.iter().filter(|charge| charge.get("ChargeType").is_some_and(|kind| wanted(kind)));
        rows.map(|charge| decimal(charge, field)).sum()
    };
    let totals = sold.totals();
    let known = [
        ("FREIGHT", "shipping", totals.current_shipping, sold.shipping.iter().map(Shipping::current_tax).sum()),
        ("TIP", "tip", sold.tip, Both::default()),
        ("DUTY", "duties", totals.current_duties, Both::default()),
        ("FEE", "fees", sold.fee, Both::default()),
        ("GOODWILL", "goodwill", Both::default() - sold.goodwill(), Both::default()),
    ];
    for (kind, component, worth, tax) in known {
        amount(component, side(worth, money), of_type(&|own| own == kind, amount_field), report);
        let component = format!("{component} tax");
        amount(&component, side(tax, money), of_type(&|own| own == kind, "TaxAmountCurrency"), report);
    }
    let other = |own: &str| !known.iter().any(|(kind, ..)| *kind == own);
    amount("other charges", Decimal::ZERO, of_type(&other, amount_field), report);
}

fn address(sold: &OrderVersion, held: &OrderView, report: Report<'_>) {
    let wanted = sold.shipping_address.as_ref().or(sold.billing_address.as_ref());
    match (wanted, &held.address) {
        (None, None) => {}
        (None, Some(_)) => report("address".to_owned(), "none".to_owned(), "one".to_owned()),
        (Some(_), None) => report("address".to_owned(), "one".to_owned(), "none".to_owned()),
        (Some(wanted), Some(held)) => address_fields(wanted, held, report),
    }
}

/// Compares an address field by field.
pub(super) fn address_fields(wanted: &Address, held: &RowView, report: Report<'_>) {
    let field = |name: &str| held.get(name).map_or("", String::as_str);
    let name = wanted.company.clone().unwrap_or_else(|| wanted.name());
    text("address name", &name, field("Name"), report);
    // Long streets are wrapped at words into further lines, so only the words count.
    let words = |parts: &[&str]| parts.iter().flat_map(|part| part.split_whitespace()).collect::<Vec<_>>().join(" ");
    let street = words(&[&wanted.address1, wanted.address2.as_deref().unwrap_or("")]);
    let lines = ["Address1", "Address2", "Address3", "Address4", "Address5", "Address6"].map(field);
    text("address street", &street, &words(&lines), report);
    text("address zip", &wanted.zip, field("ZipCode"), report);
    text("address city", &wanted.city, field("City"), report);
    text("address state", wanted.province.map_or("", |(_, code)| code), field("State"), report);
    text("address country", wanted.country.map_or("", |(_, code)| code), field("Country"), report);
}

/// Without the components of packages: a package costs what its own line costs.
fn live_lines(held: &OrderView) -> impl Iterator<Item = &RowView> {
    let is_component = |line: &RowView| line.get("LineItemNo").is_some_and(|no| !no.starts_with('-') && no != "0");
    let live = held.lines.iter().filter(|line| line.get("OrderState").is_none_or(|state| state != "Cancelled"));
    live.filter(move |line| !is_component(line))
}

fn decimal(row: &RowView, field: &str) -> Decimal {
    row.get(field).and_then(|text| Decimal::from_str_exact(text).ok()).unwrap_or_default()
}

fn amount(component: &str, sold: Decimal, held: Decimal, report: Report<'_>) {
    if sold != held {
        report(component.to_owned(), sold.to_string(), held.to_string());
    }
}

/// Compares a text.
pub(super) fn text(component: &str, sold: &str, held: &str, report: Report<'_>) {
    if sold != held {
        report(component.to_owned(), sold.to_owned(), held.to_owned());
    }
}
