//! The canonical digest of an order: tells versions apart by content, whatever road and bytes they came by.
//! It reads the domain only, so that a change of either road's shape cannot change it.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::address::Address;
use super::money::MoneyPair;
use super::order::{Allocation, Attribute, Duty, Line, Order, PENDING, Refund, ShippingLine, TaxLine};

/// A text of `name=value` entries whose values cannot run into each other, built up and hashed.
#[derive(Default)]
struct Canon(String);

impl Canon {
    fn text(&mut self, name: &str, value: &str) -> &mut Self {
        // The length in front keeps any content of `value` from reading as another entry.
        let _ = write!(self.0, "{name}={}:{value};", value.len());
        self
    }

    fn maybe(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    fn shown(&mut self, name: &str, value: impl ToString) -> &mut Self {
        self.text(name, &value.to_string())
    }

    fn pair(&mut self, name: &str, pair: &MoneyPair) -> &mut Self {
        self.text(name, &format!("{} / {}", pair.shop, pair.presentment))
    }

    /// An absent pair and a pair of zeros are the same: one road says null where the other says 0.00.
    fn maybe_pair(&mut self, name: &str, pair: Option<&MoneyPair>) -> &mut Self {
        if let Some(pair) = pair.filter(|pair| !pair.is_zero()) {
            self.pair(name, pair);
        }
        self
    }

    /// Entries whose order means nothing.
    fn unordered<T>(&mut self, name: &str, items: &[T], canon: impl Fn(&mut Self, &T)) -> &mut Self {
        let mut entries: Vec<String> = items
            .iter()
            .map(|item| {
                let mut entry = Self::default();
                canon(&mut entry, item);
                entry.0
            })
            .collect();
        entries.sort_unstable();
        self.text(name, &entries.concat())
    }
}

impl Order {
    /// SHA-256, in hex, over every field that decides what IFS should hold, and over `updated_at`.
    ///
    /// Equal for both roads. Lists whose order the remote does not promise are taken without it. Left out: what only one road
    /// tells (`total_line_items_price`, removed shipping, who was at the till, the names of fees, all of [`super::order::Told`]) or
    /// tells otherwise (location, gateways), Shopify's place numbers of discounts, and product, variant and the customer's
    /// name, which change when the catalogue or the customer does.
    pub fn digest(&self) -> String {
        let mut canon = Canon::default();
        canon_head(&mut canon, self);
        canon_totals(&mut canon, self);
        canon.unordered("line", &self.lines, |canon, line| canon_line(canon, self, line));
        let shipping: Vec<&ShippingLine> = self.shipping_lines.iter().filter(|line| !line.removed).collect();
        canon.unordered("shipping", &shipping, |canon, line| canon_shipping(canon, self, line));
        hex::encode(Sha256::digest(canon.0.as_bytes()))
    }
}

fn canon_head(canon: &mut Canon, order: &Order) {
    canon
        .shown("id", order.id)
        .text("name", &order.name)
        .shown("created_at", order.created_at)
        .shown("updated_at", order.updated_at)
        .shown("processed_at", order.processed_at)
        .maybe("cancelled_at", order.cancelled_at.map(|at| at.to_string()).as_deref())
        .maybe("cancel_reason", order.cancel_reason.as_ref().map(|reason| reason.as_str()))
        .shown("test", order.test)
        .shown("confirmed", order.confirmed)
        .shown("estimated_taxes", order.estimated_taxes)
        .shown("taxes_included", order.taxes_included)
        .shown("tax_exempt", order.tax_exempt)
        .shown("duties_included", order.duties_included)
        .text("currency", order.currency.code())
        .text("presentment_currency", order.presentment_currency.code())
        .maybe("financial_status", order.financial_status.as_ref().map(|status| status.as_str()))
        .maybe("po_number", order.po_number.as_deref())
        .maybe("note", order.note.as_ref().map(|note| note.as_str()))
        .unordered("note_attribute", &order.note_attributes, canon_attribute)
        .unordered("tag", &order.tags, |canon, tag| {
            canon.text("tag", tag);
        })
        .maybe("source_name", order.source_name.as_deref())
        .maybe("customer", order.customer.id.map(|id| id.to_string()).as_deref())
        .maybe("email", order.customer.email.as_ref().map(|email| email.as_str()))
        .maybe("phone", order.customer.phone.as_ref().map(|phone| phone.as_str()))
        .maybe("locale", order.customer.locale.as_deref());
    if let Some(company) = &order.company {
        canon
            .text("company", "")
            .maybe("company_id", company.id.map(|id| id.to_string()).as_deref())
            .maybe("location_id", company.location_id.map(|id| id.to_string()).as_deref());
    }
    canon_address(canon, "ship_to", order.shipping_address.as_ref());
    canon_address(canon, "bill_to", order.billing_address.as_ref());
    canon.unordered("refund", &order.refunds, canon_refund).maybe("payment_terms", order.payment_terms.as_deref());
}

fn canon_totals(canon: &mut Canon, order: &Order) {
    let totals = &order.totals;
    canon
        .pair("discounts", &totals.discounts)
        .pair("subtotal", &totals.subtotal)
        .pair("shipping", &totals.shipping)
        .pair("tax", &totals.tax)
        .pair("tip", &totals.tip)
        .maybe_pair("duties", totals.duties.as_ref())
        .maybe_pair("fees", totals.fees.as_ref())
        .pair("total", &totals.total)
        .pair("current_subtotal", &totals.current_subtotal)
        .pair("current_tax", &totals.current_tax)
        .maybe_pair("current_duties", totals.current_duties.as_ref())
        .maybe_pair("current_fees", totals.current_fees.as_ref())
        .pair("current_total", &totals.current_total);
}

fn canon_line(canon: &mut Canon, order: &Order, line: &Line) {
    canon
        .shown("id", line.id)
        .shown("kind", line.kind as u8)
        .maybe("sku", line.sku.as_deref())
        .text("title", &line.title)
        .maybe("variant_title", line.variant_title.as_deref())
        .shown("quantity", line.quantity)
        .shown("current_quantity", line.current_quantity)
        .pair("price", &line.price)
        .unordered("allocation", &line.allocations, |canon, share| canon_share(canon, order, share))
        .unordered("tax", &line.taxes, canon_tax)
        .unordered("duty", &line.duties, canon_duty)
        .unordered("property", &line.properties, canon_attribute);
}

fn canon_shipping(canon: &mut Canon, order: &Order, line: &ShippingLine) {
    canon
        .maybe("id", line.id.map(|id| id.to_string()).as_deref())
        .maybe("code", line.code.as_deref())
        .text("title", &line.title)
        .pair("price", &line.price)
        .pair("discounted", &line.discounted)
        .maybe_pair("current", line.current().as_ref())
        .unordered("allocation", &line.allocations, |canon, share| canon_share(canon, order, share))
        .unordered("tax", &line.taxes, canon_tax);
}

fn canon_duty(canon: &mut Canon, duty: &Duty) {
    canon.shown("id", duty.id).pair("price", &duty.price).unordered("tax", &duty.taxes, canon_tax);
}

/// Shipping and adjustments by what they are worth: older payloads do not name the shipping line, and only one road names
/// the kind of an adjustment, but that its money is still on its way.
fn canon_refund(canon: &mut Canon, refund: &Refund) {
    canon
        .shown("id", refund.id)
        .unordered("line", &refund.lines, |canon, line| {
            canon
                .shown("id", line.line_id)
                .shown("quantity", line.quantity)
                .pair("subtotal", &line.subtotal)
                .pair("tax", &line.tax);
        })
        .unordered("shipping", &refund.shipping, |canon, line| {
            canon.pair("subtotal", &line.subtotal).pair("tax", &line.tax);
        })
        .unordered("duty", &refund.duties, |canon, duty| {
            canon.maybe("id", duty.duty_id.map(|id| id.to_string()).as_deref()).pair("amount", &duty.amount);
        })
        .unordered("adjustment", &refund.adjustments, |canon, adjustment| {
            let pending = (adjustment.kind == PENDING).then_some("yes");
            canon.pair("amount", &adjustment.amount).pair("tax", &adjustment.tax).maybe("pending", pending);
        })
        .pair("paid_back", &refund.paid_back);
}

fn canon_share(canon: &mut Canon, order: &Order, share: &Allocation) {
    canon
        .maybe("discount", order.discounts.get(share.discount).map(|discount| discount.name.as_str()))
        .pair("amount", &share.amount);
}

fn canon_tax(canon: &mut Canon, tax: &TaxLine) {
    canon
        .text("title", &tax.title)
        .maybe("rate", tax.rate.map(|rate| rate.normalize().to_string()).as_deref())
        .pair("price", &tax.price)
        // Unknown means no, and the roads differ in which they say.
        .shown("channel_liable", tax.channel_liable == Some(true));
}

fn canon_attribute(canon: &mut Canon, attribute: &Attribute) {
    canon.text("name", &attribute.name).maybe("value", attribute.value.as_ref().map(|value| value.as_str()));
}

fn canon_address(canon: &mut Canon, name: &str, address: Option<&Address>) {
    let Some(address) = address else { return };
    let mut entry = Canon::default();
    for (part, value) in [
        ("name", &address.name),
        ("company", &address.company),
        ("address1", &address.address1),
        ("address2", &address.address2),
        ("zip", &address.zip),
        ("city", &address.city),
    ] {
        entry.maybe(part, value.as_ref().map(|value| value.as_str()));
    }
    entry.maybe("province", address.province_code.as_deref()).maybe("country", address.country_code.as_deref());
    canon.text(name, &entry.0);
}
