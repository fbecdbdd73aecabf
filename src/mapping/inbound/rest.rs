//! The webhook's order. What older payloads lack is named in `Order::lacks`; nothing is guessed in its place.

use rust_decimal::Decimal;

use super::{Currencies, InboundError, currency, full_name, personal, said, sorted_tags};
use crate::domain::address::Address;
use crate::domain::money::MoneyPair;
use crate::domain::order::{
    Allocation, Attribute, CancelReason, Company, Customer, Discount, FinancialStatus, Line, LineKind, Order,
    ShippingLine, ShopifyOrderId, TaxLine, Totals,
};
use crate::domain::personal::Personal;
use crate::shopify::wire::rest as wire;

/// A webhook lists at most this many lines; at the limit there may be more.
const LINES_PAGE: usize = 250;

/// The order of a webhook.
///
/// # Errors
/// [`InboundError`] for currencies that do not exist or do not agree, and for shares of unknown discounts.
pub fn order_from_rest(order: wire::Order) -> Result<Order, InboundError> {
    let shop = currency("currency", &order.currency)?;
    let presentment = match &order.presentment_currency {
        Some(code) => currency("presentment_currency", code)?,
        None => shop,
    };
    let mut reader = Reader { currencies: Currencies { shop, presentment }, lacks: None, discounts: 0 };
    let discounts = discounts(order.discount_applications.as_deref().unwrap_or_default());
    reader.discounts = discounts.len();

    if order.line_items.len() >= LINES_PAGE {
        reader.lack("line_items beyond the page of 250");
    }
    let totals = reader.totals(&order)?;
    let lines = order.line_items.into_iter().map(|line| reader.line(line)).collect::<Result<Vec<_>, _>>()?;
    let totals = Totals { tip: reader.tip(totals.tip, &lines), ..totals };
    let shipping_lines = order
        .shipping_lines
        .unwrap_or_default()
        .into_iter()
        .map(|line| reader.shipping_line(line))
        .collect::<Result<Vec<_>, _>>()?;

    Ok(Order {
        id: ShopifyOrderId::new(order.id.0),
        name: order.name.0,
        created_at: order.created_at.0,
        updated_at: order.updated_at.0,
        processed_at: order.processed_at.unwrap_or(order.created_at).0,
        cancelled_at: order.cancelled_at.map(|at| at.0),
        cancel_reason: said(order.cancel_reason).map(|word| CancelReason::parse(&word)),
        test: reader.flag("test", order.test),
        confirmed: reader.flag("confirmed", order.confirmed),
        taxes_included: reader.flag("taxes_included", order.taxes_included),
        // Older versions have no such flags, since they had no such orders.
        estimated_taxes: order.estimated_taxes.unwrap_or(false),
        tax_exempt: order.tax_exempt.unwrap_or(false),
        duties_included: order.duties_included.unwrap_or(false),
        currency: shop,
        presentment_currency: presentment,
        financial_status: said(order.financial_status).map(|word| FinancialStatus::parse(&word)),
        po_number: said(order.po_number),
        note: personal(order.note),
        note_attributes: attributes(order.note_attributes),
        tags: sorted_tags(order.tags.as_ref().map_or("", |tags| tags.0.as_str()).split(',')),
        source_name: said(order.source_name),
        customer: Customer {
            id: order.customer.and_then(|customer| customer.id).map(|id| id.0),
            email: personal(order.email),
            ..Customer::default()
        },
        company: order.company.map(|company| Company {
            id: company.id.map(|id| id.0),
            location_id: company.location_id.map(|id| id.0),
            name: None,
            external_id: None,
            location_external_id: None,
        }),
        shipping_address: address(order.shipping_address),
        billing_address: address(order.billing_address),
        lines,
        shipping_lines,
        discounts,
        totals,
        refunds: Vec::new(),
        fees: Vec::new(),
        location_id: None,
        staff_id: None,
        gateways: Vec::new(),
        risk: None,
        told: Default::default(),
        payment_terms: order
            .payment_terms
            .map(|terms| said(terms.payment_terms_name).unwrap_or_else(|| "unnamed".into())),
        lacks: reader.lacks,
    })
}

fn discounts(applications: &[wire::DiscountApplication]) -> Vec<Discount> {
    let name = |application: &wire::DiscountApplication| {
        application.code.as_ref().or(application.title.as_ref()).map_or(String::new(), |name| name.0.clone())
    };
    applications.iter().map(|application| Discount { name: name(application) }).collect()
}

fn attributes(properties: Option<Vec<wire::Property>>) -> Vec<Attribute> {
    properties
        .unwrap_or_default()
        .into_iter()
        .map(|property| Attribute {
            name: property.name.0,
            value: property.value.and_then(|value| Personal::new(value.0)),
        })
        .collect()
}

fn address(address: Option<wire::Address>) -> Option<Address> {
    let address = address?;
    let address = Address {
        name: full_name(address.name, address.first_name, address.last_name),
        company: personal(address.company),
        address1: personal(address.address1),
        address2: personal(address.address2),
        zip: personal(address.zip),
        city: personal(address.city),
        province_code: said(address.province_code),
        country_code: said(address.country_code),
    };
    (!address.is_empty()).then_some(address)
}

/// Reads amounts in the order's currencies and remembers the first thing that was missing.
struct Reader {
    currencies: Currencies,
    lacks: Option<&'static str>,
    discounts: usize,
}

impl Reader {
    fn lack(&mut self, what: &'static str) {
        self.lacks.get_or_insert(what);
    }

    fn flag(&mut self, name: &'static str, flag: Option<bool>) -> bool {
        flag.unwrap_or_else(|| {
            self.lack(name);
            false
        })
    }

    fn maybe(&self, field: &'static str, set: Option<&wire::MoneySet>) -> Result<Option<MoneyPair>, InboundError> {
        set.map(|set| {
            let shop = (set.shop_money.amount, &set.shop_money.currency_code);
            let presentment = (set.presentment_money.amount, &set.presentment_money.currency_code);
            self.currencies.pair(field, shop, presentment)
        })
        .transpose()
    }

    fn pair(
        &mut self,
        field: &'static str,
        set: Option<&wire::MoneySet>,
        figure: Option<crate::shopify::wire::Amount>,
    ) -> Result<MoneyPair, InboundError> {
        if let Some(pair) = self.maybe(field, set)? {
            return Ok(pair);
        }
        self.lack(field);
        Ok(self.currencies.same(figure.map_or(Decimal::ZERO, |figure| figure.0)))
    }

    fn totals(&mut self, order: &wire::Order) -> Result<Totals, InboundError> {
        let current_total = order.current_total_price;
        Ok(Totals {
            line_items: self.maybe("total_line_items_price_set", order.total_line_items_price_set.as_ref())?,
            discounts: self.pair("total_discounts_set", order.total_discounts_set.as_ref(), order.total_discounts)?,
            subtotal: self.pair("subtotal_price_set", order.subtotal_price_set.as_ref(), order.subtotal_price)?,
            shipping: self.pair("total_shipping_price_set", order.total_shipping_price_set.as_ref(), None)?,
            tax: self.pair("total_tax_set", order.total_tax_set.as_ref(), order.total_tax)?,
            tip: self.currencies.same(order.total_tip_received.map_or(Decimal::ZERO, |tip| tip.0)),
            duties: self.maybe("original_total_duties_set", order.original_total_duties_set.as_ref())?,
            fees: self
                .maybe("original_total_additional_fees_set", order.original_total_additional_fees_set.as_ref())?,
            total: self.pair("total_price_set", order.total_price_set.as_ref(), order.total_price)?,
            current_subtotal: self.pair(
                "current_subtotal_price_set",
                order.current_subtotal_price_set.as_ref(),
                order.current_subtotal_price,
            )?,
            current_shipping: self.maybe("current_shipping_price_set", order.current_shipping_price_set.as_ref())?,
            current_tax: self.pair(
                "current_total_tax_set",
                order.current_total_tax_set.as_ref(),
                order.current_total_tax,
            )?,
            current_duties: self.maybe("current_total_duties_set", order.current_total_duties_set.as_ref())?,
            current_fees: self
                .maybe("current_total_additional_fees_set", order.current_total_additional_fees_set.as_ref())?,
            current_total: self.pair(
                "current_total_price_set",
                order.current_total_price_set.as_ref(),
                current_total,
            )?,
        })
    }

    /// REST tells the tip in one unnamed currency. Zero is zero in both; else the rows of tips tell the customer's side.
    fn tip(&self, stated: MoneyPair, lines: &[Line]) -> MoneyPair {
        if stated.is_zero() || self.currencies.shop == self.currencies.presentment {
            return stated;
        }
        let rows: Decimal = lines
            .iter()
            .filter(|line| line.kind == LineKind::Tip)
            .map(|line| line.price.presentment.amount() * Decimal::from(line.quantity))
            .sum();
        MoneyPair { shop: stated.shop, presentment: self.currencies.same(rows).presentment }
    }

    fn line(&mut self, line: wire::LineItem) -> Result<Line, InboundError> {
        let is_tip = line.tip_payment_gateway.is_some() || line.tip_payment_method.is_some();
        let kind = match (is_tip, line.gift_card.unwrap_or(false)) {
            (true, _) => LineKind::Tip,
            (false, true) => LineKind::GiftCard,
            (false, false) => LineKind::Goods,
        };
        if line.current_quantity.is_none() {
            self.lack("line_items.current_quantity");
        }
        Ok(Line {
            id: line.id.0,
            kind,
            sku: said(line.sku),
            product_id: line.product_id.map(|id| id.0),
            variant_id: line.variant_id.map(|id| id.0),
            title: line.title.map_or(String::new(), |title| title.0),
            variant_title: said(line.variant_title),
            vendor: said(line.vendor),
            quantity: line.quantity.0,
            current_quantity: line.current_quantity.unwrap_or(line.quantity).0,
            price: self.pair("line_items.price_set", line.price_set.as_ref(), line.price)?,
            allocations: self.allocations(line.discount_allocations)?,
            taxes: self.taxes(line.tax_lines)?,
            duties: Vec::new(),
            product_type: None,
            barcode: None,
            properties: attributes(line.properties),
        })
    }

    fn shipping_line(&mut self, line: wire::ShippingLine) -> Result<ShippingLine, InboundError> {
        Ok(ShippingLine {
            id: line.id.map(|id| id.0),
            code: said(line.code),
            title: line.title.map_or(String::new(), |title| title.0),
            price: self.pair("shipping_lines.price_set", line.price_set.as_ref(), line.price)?,
            discounted: self.pair(
                "shipping_lines.discounted_price_set",
                line.discounted_price_set.as_ref(),
                line.discounted_price,
            )?,
            current_discounted: self
                .maybe("shipping_lines.current_discounted_price_set", line.current_discounted_price_set.as_ref())?,
            removed: line.is_removed.unwrap_or(false),
            taxes: self.taxes(line.tax_lines)?,
            allocations: self.allocations(line.discount_allocations)?,
        })
    }

    fn taxes(&mut self, taxes: Option<Vec<wire::TaxLine>>) -> Result<Vec<TaxLine>, InboundError> {
        let read = |tax: wire::TaxLine| {
            Ok(TaxLine {
                price: self.pair("tax_lines.price_set", tax.price_set.as_ref(), tax.price)?,
                title: tax.title.map_or(String::new(), |title| title.0),
                rate: tax.rate.map(|rate| rate.0),
                channel_liable: tax.channel_liable,
            })
        };
        taxes.unwrap_or_default().into_iter().map(read).collect()
    }

    fn allocations(&mut self, shares: Option<Vec<wire::DiscountAllocation>>) -> Result<Vec<Allocation>, InboundError> {
        let known = self.discounts;
        let read = |share: wire::DiscountAllocation| {
            let field = "discount_allocations.discount_application_index";
            let found = share.discount_application_index;
            let discount = usize::try_from(found)
                .ok()
                .filter(|&index| index < known)
                .ok_or(InboundError::NoSuchDiscount { field, known, found })?;
            let amount = self.pair("discount_allocations.amount_set", share.amount_set.as_ref(), share.amount)?;
            Ok(Allocation { discount, amount })
        };
        shares.unwrap_or_default().into_iter().map(read).collect()
    }
}
