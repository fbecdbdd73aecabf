//! The webhook's order. What older payloads lack is named in `Order::lacks`; nothing is guessed in its place.

use rust_decimal::Decimal;

use super::refunds::AsTold;
use super::{Currencies, InboundError, currency, full_name, personal, said, sorted_tags};
use crate::domain::address::Address;
use crate::domain::money::{Money, MoneyPair};
use crate::domain::order::{
    Adjustment, Allocation, Attribute, CancelReason, Company, Customer, Discount, Duty, FinancialStatus, Line,
    LineKind, Order, PENDING, Refund, RefundDuty, RefundLine, RefundShipping, ShippingLine, ShopifyOrderId, TaxLine,
    Told, Totals,
};
use crate::domain::personal::Personal;
use crate::shopify::wire::{Amount, Text, refund, rest as wire};

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
    let mut reader = Reader { currencies: Currencies { shop, presentment }, lacks: None, discounts: 0, groups: true };
    let discounts = discounts(order.discount_applications.as_deref().unwrap_or_default());
    reader.discounts = discounts.len();

    if order.line_items.len() >= LINES_PAGE {
        reader.lack("line_items beyond the page of 250");
    }
    let totals = reader.totals(&order)?;
    let lines = order.line_items.into_iter().map(|line| reader.line(line)).collect::<Result<Vec<_>, _>>()?;
    let taxes_included = reader.flag("taxes_included", order.taxes_included);
    let refunds = order.refunds.unwrap_or_default().into_iter();
    let refunds = refunds.map(|refund| reader.refund(refund, taxes_included)).collect::<Result<Vec<_>, _>>()?;
    let gateways = order.payment_gateway_names.unwrap_or_default();
    let shipping_lines = order
        .shipping_lines
        .unwrap_or_default()
        .into_iter()
        .map(|line| reader.shipping_line(line))
        .collect::<Result<Vec<_>, _>>()?;

    let addresses = [&order.billing_address, &order.shipping_address].into_iter().flatten();
    let phone = addresses.filter_map(|address| personal(address.phone.clone())).next();
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
        taxes_included,
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
            email: personal(order.email),
            phone: personal(order.phone).or(phone),
            locale: said(order.customer_locale),
            ..order.customer.map(customer).unwrap_or_default()
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
        refunds,
        fees: Vec::new(),
        location_id: order.location_id.map(|id| id.0),
        staff_id: order.user_id.map(|id| id.0),
        gateways: sorted_tags(gateways.iter().map(|name| name.0.as_str())),
        risk: None,
        told: Told { groups: reader.groups, ..Told::default() },
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

fn customer(customer: wire::Customer) -> Customer {
    Customer {
        id: customer.id.map(|id| id.0),
        first_name: personal(customer.first_name),
        last_name: personal(customer.last_name),
        ..Customer::default()
    }
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
    /// Whether every line says that it belongs to no bundle: of one the webhook tells the id alone.
    groups: bool,
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
        figure: Option<Amount>,
    ) -> Result<MoneyPair, InboundError> {
        if let Some(pair) = self.maybe(field, set)? {
            return Ok(pair);
        }
        self.lack(field);
        Ok(self.currencies.same(figure.map_or(Decimal::ZERO, |figure| figure.0)))
    }

    /// REST states the tip in one unnamed currency: enough where there is only one.
    fn tip(&mut self, stated: Option<Amount>) -> MoneyPair {
        let tip = self.currencies.same(stated.map_or(Decimal::ZERO, |tip| tip.0));
        if !tip.is_zero() && self.currencies.differ() {
            self.lack("the tip in both currencies");
        }
        tip
    }

    /// REST states further fees by their sum alone, and IFS wants each by its name.
    fn fees(&mut self, field: &'static str, set: Option<&wire::MoneySet>) -> Result<Option<MoneyPair>, InboundError> {
        let sum = self.maybe(field, set)?;
        if sum.is_some_and(|sum| !sum.is_zero()) {
            self.lack("the names of its further fees");
        }
        Ok(sum)
    }

    fn totals(&mut self, order: &wire::Order) -> Result<Totals, InboundError> {
        let current_total = order.current_total_price;
        Ok(Totals {
            line_items: self.maybe("total_line_items_price_set", order.total_line_items_price_set.as_ref())?,
            discounts: self.pair("total_discounts_set", order.total_discounts_set.as_ref(), order.total_discounts)?,
            subtotal: self.pair("subtotal_price_set", order.subtotal_price_set.as_ref(), order.subtotal_price)?,
            shipping: self.pair("total_shipping_price_set", order.total_shipping_price_set.as_ref(), None)?,
            tax: self.pair("total_tax_set", order.total_tax_set.as_ref(), order.total_tax)?,
            tip: self.tip(order.total_tip_received),
            duties: self.maybe("original_total_duties_set", order.original_total_duties_set.as_ref())?,
            fees: self.fees("original_total_additional_fees_set", order.original_total_additional_fees_set.as_ref())?,
            refund_rounding: self.maybe(
                "total_cash_rounding_refund_adjustment_set",
                order.total_cash_rounding_refund_adjustment_set.as_ref(),
            )?,
            outstanding: order.total_outstanding.map(|stated| Money::new(stated.0, self.currencies.shop)),
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
        self.groups &= line.sales_line_item_group_id.is_none();
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
            duties: line
                .duties
                .unwrap_or_default()
                .into_iter()
                .map(|duty| self.duty(duty))
                .collect::<Result<_, _>>()?,
            product_type: None,
            barcode: None,
            properties: attributes(line.properties),
            group: None,
        })
    }

    fn duty(&mut self, duty: wire::Duty) -> Result<Duty, InboundError> {
        let price = match (&duty.shop_money, &duty.presentment_money) {
            (Some(shop), Some(presentment)) => self.currencies.pair(
                "line_items.duties",
                (shop.amount, &shop.currency_code),
                (presentment.amount, &presentment.currency_code),
            )?,
            _ => self.pair("line_items.duties.shop_money", None, None)?,
        };
        Ok(Duty { id: duty.id.0, price, taxes: self.taxes(duty.tax_lines)? })
    }

    fn refund(&mut self, refund: refund::Refund, taxes_included: bool) -> Result<Refund, InboundError> {
        let paid_back = self.paid_back(refund.transactions.as_deref().unwrap_or_default());
        let (mut lines, mut shipping, mut adjustments, mut duties) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for line in refund.refund_line_items.unwrap_or_default() {
            lines.push(RefundLine {
                line_id: line.line_item_id.0,
                quantity: line.quantity.0,
                subtotal: self.pair("refund_line_items.subtotal_set", line.subtotal_set.as_ref(), line.subtotal)?,
                tax: self.pair("refund_line_items.total_tax_set", line.total_tax_set.as_ref(), line.total_tax)?,
            });
        }
        for line in refund.refund_shipping_lines.unwrap_or_default() {
            let (amount, tax) = ("refund_shipping_lines.subtotal_amount_set", "refund_shipping_lines.tax_amount_set");
            shipping.push(RefundShipping {
                shipping_line_id: line.shipping_line_id.map(|id| id.0),
                subtotal: self.pair(amount, line.subtotal_amount_set.as_ref(), None)?,
                tax: self.pair(tax, line.tax_amount_set.as_ref(), None)?,
            });
        }
        for row in refund.order_adjustments.unwrap_or_default() {
            adjustments.push(Adjustment {
                id: row.id.0,
                kind: adjustment_kind(row.kind, row.reason),
                amount: self.pair("order_adjustments.amount_set", row.amount_set.as_ref(), row.amount)?,
                tax: self.pair("order_adjustments.tax_amount_set", row.tax_amount_set.as_ref(), row.tax_amount)?,
            });
        }
        for duty in refund.duties.map_or(Vec::new(), |duties| duties.0) {
            duties.push(RefundDuty {
                duty_id: duty.duty_id.map(|id| id.0),
                amount: self.pair("refunds.duties.amount_set", duty.amount_set.as_ref(), None)?,
            });
        }
        let refund = Refund { id: refund.id.0, lines, shipping, duties, adjustments, paid_back };
        Ok(AsTold { refund, taxes_included }.read())
    }

    /// The successful refunds among a refund's transactions. REST states each in one currency: enough where there is only one.
    fn paid_back(&mut self, transactions: &[refund::Transaction]) -> MoneyPair {
        let is = |text: &Option<crate::shopify::wire::Text>, word: &str| {
            text.as_ref().is_some_and(|text| text.0.eq_ignore_ascii_case(word))
        };
        let paid = transactions.iter().filter(|row| is(&row.kind, "refund") && is(&row.status, "success"));
        let paid: Decimal = paid.filter_map(|row| row.amount).map(|amount| amount.0).sum();
        if !paid.is_zero() && self.currencies.differ() {
            self.lack("the transactions of its refunds in both currencies");
        }
        self.currencies.same(paid)
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

/// The kind of an adjustment. All but those of shipping have one kind; that its money is still on its way is told as its reason, in
/// words ("Pending refund discrepancy").
fn adjustment_kind(kind: Option<Text>, reason: Option<Text>) -> String {
    let in_words = |text: Option<Text>| {
        said(text).map_or(String::new(), |text| text.to_ascii_lowercase().replace([' ', '-'], "_"))
    };
    let (kind, reason) = (in_words(kind), in_words(reason));
    if reason == PENDING { reason } else { kind }
}
