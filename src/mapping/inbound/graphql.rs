//! GraphQL's order. It states everything but who is at the till, so that only further pages can make it less than whole.

use super::refunds::AsTold;
use super::{Currencies, InboundError, currency, full_name, personal, said, sorted_tags};
use crate::domain::address::Address;
use crate::domain::money::MoneyPair;
use crate::domain::order::{
    Adjustment, Allocation, Attribute, CancelReason, Company, Customer, Discount, Duty, Fee, FinancialStatus, Line,
    LineGroup, LineKind, Order, Refund, RefundDuty, RefundLine, RefundShipping, Risk, ShippingLine, ShopifyOrderId,
    TaxLine, Told, Totals,
};
use crate::domain::personal::Personal;
use crate::shopify::wire::graphql as wire;
use crate::shopify::wire::{Gid, Text};

/// The id of a bundle travels in a line's key, which has an end.
const GROUP_ID_MAX: usize = 40;

/// The order of an `order_by_id` answer.
///
/// # Errors
/// [`InboundError`] for currencies that do not exist or do not agree, ids of another type, shares of unknown discounts.
pub fn order_from_graphql(order: wire::Order) -> Result<Order, InboundError> {
    let shop = currency("currencyCode", &order.currency_code)?;
    let presentment = currency("presentmentCurrencyCode", &order.presentment_currency_code)?;
    let reader = Reader {
        currencies: Currencies { shop, presentment },
        indexes: order.discount_applications.nodes.iter().map(|application| application.index).collect(),
    };
    let lacks = further_page(&order);
    let totals = reader.totals(&order)?;
    let taxes_included = order.taxes_included;
    // An answer to an older query says nothing of bundles.
    let groups = order.line_items.nodes.iter().all(|line| line.line_item_group.is_told());
    let may_be_tips: Vec<bool> = order.line_items.nodes.iter().map(may_be_a_tip).collect();
    let mut lines: Vec<Line> =
        order.line_items.nodes.into_iter().map(|line| reader.line(line)).collect::<Result<_, _>>()?;
    mark_tips(&mut lines, &may_be_tips, &totals.tip);
    let addresses = [&order.billing_address, &order.shipping_address].into_iter().flatten();
    let phone = addresses.filter_map(|address| personal(address.phone.clone())).next();
    Ok(Order {
        id: ShopifyOrderId::new(number(order.id, "id", "Order")?),
        name: order.name.0,
        created_at: order.created_at.0,
        updated_at: order.updated_at.0,
        processed_at: order.processed_at.0,
        cancelled_at: order.cancelled_at.map(|at| at.0),
        cancel_reason: said(order.cancel_reason).map(|word| CancelReason::parse(&word)),
        test: order.test,
        confirmed: order.confirmed,
        estimated_taxes: order.estimated_taxes,
        taxes_included: order.taxes_included,
        tax_exempt: order.tax_exempt,
        duties_included: order.duties_included,
        currency: shop,
        presentment_currency: presentment,
        financial_status: said(order.display_financial_status).map(|word| FinancialStatus::parse(&word)),
        po_number: said(order.po_number),
        note: personal(order.note),
        note_attributes: attributes(order.custom_attributes),
        tags: sorted_tags(order.tags.iter().map(|tag| tag.0.as_str())),
        source_name: said(order.source_name),
        customer: Customer {
            email: personal(order.email),
            phone: personal(order.phone).or(phone),
            locale: said(order.customer_locale),
            ..order.customer.map(customer).transpose()?.unwrap_or_default()
        },
        company: company(order.purchasing_entity),
        shipping_address: address(order.shipping_address),
        billing_address: address(order.billing_address),
        lines,
        shipping_lines: order
            .shipping_lines
            .nodes
            .into_iter()
            .map(|line| reader.shipping_line(line))
            .collect::<Result<_, _>>()?,
        discounts: order
            .discount_applications
            .nodes
            .into_iter()
            .map(|application| Discount { name: name(application.code, application.title) })
            .collect(),
        totals,
        refunds: order
            .refunds
            .into_iter()
            .map(|refund| reader.refund(refund, taxes_included))
            .collect::<Result<_, _>>()?,
        fees: order.additional_fees.into_iter().map(|fee| reader.fee(fee)).collect::<Result<_, _>>()?,
        location_id: order.retail_location.map(|location| location.id.id),
        staff_id: None,
        gateways: sorted_tags(order.payment_gateway_names.iter().map(|name| name.0.as_str())),
        risk: Some(risk(&order.risk.recommendation)),
        told: Told { catalogue: true, company: true, risk: true, groups },
        payment_terms: order.payment_terms.map(|terms| terms.payment_terms_name.0),
        lacks,
    })
}

fn number(gid: Gid, field: &'static str, expected: &'static str) -> Result<u64, InboundError> {
    if gid.kind == expected { Ok(gid.id) } else { Err(InboundError::OtherType { field, expected }) }
}

fn name(code: Option<Text>, title: Option<Text>) -> String {
    code.or(title).map_or(String::new(), |name| name.0)
}

fn further_page(order: &wire::Order) -> Option<&'static str> {
    fn more<T>(connection: &wire::Connection<T>) -> bool {
        connection.page_info.as_ref().is_some_and(|page| page.has_next_page)
    }
    if more(&order.line_items) {
        return Some("lineItems beyond the first page");
    }
    if more(&order.shipping_lines) {
        return Some("shippingLines beyond the first page");
    }
    if more(&order.discount_applications) {
        return Some("discountApplications beyond the first page");
    }
    let refund = |refund: &wire::Refund| {
        more(&refund.refund_line_items) || more(&refund.refund_shipping_lines) || more(&refund.order_adjustments)
    };
    order.refunds.iter().any(refund).then_some("rows of a refund beyond the first page")
}

fn customer(customer: wire::Customer) -> Result<Customer, InboundError> {
    Ok(Customer {
        id: Some(number(customer.id, "customer.id", "Customer")?),
        first_name: personal(customer.first_name),
        last_name: personal(customer.last_name),
        ..Customer::default()
    })
}

fn risk(word: &Text) -> Risk {
    match word.0.as_str() {
        "ACCEPT" => Risk::Accept,
        "CANCEL" => Risk::Cancel,
        "NONE" => Risk::None,
        // A word that Shopify added reads as the one that asks a person to look.
        _ => Risk::Investigate,
    }
}

/// Whether a row looks like a tip. The schema has no mark for tips: `nonFulfillableQuantity` says that nobody can ship one, which
/// is also true of units taken away.
fn may_be_a_tip(line: &wire::LineItem) -> bool {
    let from_catalogue = line.product.is_some() || line.variant.is_some() || line.is_gift_card;
    !from_catalogue && !line.requires_shipping && line.non_fulfillable_quantity.0 >= line.quantity.0
}

/// Marks the rows that make up the order's tip: all that look like tips, else the only one that is worth as much.
fn mark_tips(lines: &mut [Line], may_be: &[bool], tip: &MoneyPair) {
    if tip.is_zero() {
        return;
    }
    let worth = |line: &Line| {
        let units = rust_decimal::Decimal::from(line.quantity);
        [line.price.shop.amount() * units, line.price.presentment.amount() * units]
    };
    let wanted = [tip.shop.amount(), tip.presentment.amount()];
    let candidates: Vec<usize> = (0..lines.len()).filter(|&index| may_be[index]).collect();
    let all = candidates
        .iter()
        .map(|&index| worth(&lines[index]))
        .fold([rust_decimal::Decimal::ZERO; 2], |sum, add| [sum[0] + add[0], sum[1] + add[1]]);
    let exact: Vec<usize> = candidates.iter().copied().filter(|&index| worth(&lines[index]) == wanted).collect();
    let tips = match (all == wanted, exact.as_slice()) {
        (true, _) => candidates,
        (false, [_]) => exact,
        (false, _) => Vec::new(),
    };
    for index in tips {
        lines[index].kind = LineKind::Tip;
    }
}

fn company(entity: Option<wire::PurchasingEntity>) -> Option<Company> {
    let entity = entity?;
    let company = entity.company?;
    let (location_id, location_external_id) = match entity.location {
        Some(location) => (Some(location.id.id), said(location.external_id)),
        None => (None, None),
    };
    Some(Company {
        id: Some(company.id.id),
        location_id,
        name: personal(company.name),
        external_id: said(company.external_id),
        location_external_id,
    })
}

fn group(group: wire::LineItemGroup) -> Result<LineGroup, InboundError> {
    let field = "lineItems.lineItemGroup.id";
    // Its end is not promised to be a number.
    let id = group.id.0.strip_prefix("gid://shopify/LineItemGroup/").unwrap_or_default();
    let plain = |id: &&str| (1..=GROUP_ID_MAX).contains(&id.len()) && id.bytes().all(is_plain);
    let id = Some(id).filter(plain).ok_or(InboundError::OtherType { field, expected: "LineItemGroup" })?;
    Ok(LineGroup {
        id: id.to_owned(),
        quantity: group.quantity.0,
        title: group.title.0,
        sku: said(group.variant_sku),
        product_id: group.product_id.map(|gid| gid.id),
        variant_id: group.variant_id.map(|gid| gid.id),
        properties: attributes(group.custom_attributes),
    })
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn attributes(attributes: Vec<wire::Attribute>) -> Vec<Attribute> {
    attributes
        .into_iter()
        .map(|attribute| Attribute {
            name: attribute.key.0,
            value: attribute.value.and_then(|value| Personal::new(value.0)),
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
        country_code: said(address.country_code_v2),
    };
    (!address.is_empty()).then_some(address)
}

/// Reads amounts in the order's currencies and finds discounts by Shopify's index.
struct Reader {
    currencies: Currencies,
    indexes: Vec<u32>,
}

impl Reader {
    fn pair(&self, field: &'static str, bag: &wire::MoneyBag) -> Result<MoneyPair, InboundError> {
        let shop = (bag.shop_money.amount, &bag.shop_money.currency_code);
        let presentment = (bag.presentment_money.amount, &bag.presentment_money.currency_code);
        self.currencies.pair(field, shop, presentment)
    }

    fn maybe(&self, field: &'static str, bag: Option<&wire::MoneyBag>) -> Result<Option<MoneyPair>, InboundError> {
        bag.map(|bag| self.pair(field, bag)).transpose()
    }

    /// A sum that the schema lets be null: nothing was ever there then.
    fn or_zero(&self, field: &'static str, bag: Option<&wire::MoneyBag>) -> Result<MoneyPair, InboundError> {
        Ok(self.maybe(field, bag)?.unwrap_or_else(|| self.currencies.same(rust_decimal::Decimal::ZERO)))
    }

    fn totals(&self, order: &wire::Order) -> Result<Totals, InboundError> {
        Ok(Totals {
            line_items: None,
            discounts: self.or_zero("totalDiscountsSet", order.total_discounts_set.as_ref())?,
            subtotal: self.or_zero("subtotalPriceSet", order.subtotal_price_set.as_ref())?,
            shipping: self.pair("totalShippingPriceSet", &order.total_shipping_price_set)?,
            tax: self.or_zero("totalTaxSet", order.total_tax_set.as_ref())?,
            tip: self.pair("totalTipReceivedSet", &order.total_tip_received_set)?,
            duties: self.maybe("originalTotalDutiesSet", order.original_total_duties_set.as_ref())?,
            fees: self.maybe("originalTotalAdditionalFeesSet", order.original_total_additional_fees_set.as_ref())?,
            refund_rounding: Some(
                self.pair("totalCashRoundingAdjustment.refundSet", &order.total_cash_rounding_adjustment.refund_set)?,
            ),
            outstanding: self
                .maybe("totalOutstandingSet", order.total_outstanding_set.as_ref())?
                .map(|stated| stated.shop),
            total: self.pair("totalPriceSet", &order.total_price_set)?,
            current_subtotal: self.pair("currentSubtotalPriceSet", &order.current_subtotal_price_set)?,
            current_shipping: self.maybe("currentShippingPriceSet", order.current_shipping_price_set.as_ref())?,
            current_tax: self.pair("currentTotalTaxSet", &order.current_total_tax_set)?,
            current_duties: self.maybe("currentTotalDutiesSet", order.current_total_duties_set.as_ref())?,
            current_fees: self
                .maybe("currentTotalAdditionalFeesSet", order.current_total_additional_fees_set.as_ref())?,
            current_total: self.pair("currentTotalPriceSet", &order.current_total_price_set)?,
        })
    }

    fn line(&self, line: wire::LineItem) -> Result<Line, InboundError> {
        let (product_id, product_type) = match line.product {
            Some(product) => (Some(product.id.id), said(product.product_type)),
            None => (None, None),
        };
        let (variant_id, barcode) = match line.variant {
            Some(variant) => (Some(variant.id.id), said(variant.barcode)),
            None => (None, None),
        };
        Ok(Line {
            id: number(line.id, "lineItems.id", "LineItem")?,
            kind: if line.is_gift_card { LineKind::GiftCard } else { LineKind::Goods },
            sku: said(line.sku),
            product_id,
            variant_id,
            title: line.title.0,
            variant_title: said(line.variant_title),
            vendor: said(line.vendor),
            quantity: line.quantity.0,
            current_quantity: line.current_quantity.0,
            price: self.pair("lineItems.originalUnitPriceSet", &line.original_unit_price_set)?,
            allocations: self.allocations(&line.discount_allocations)?,
            taxes: self.taxes(line.tax_lines)?,
            duties: line.duties.into_iter().map(|duty| self.duty(duty)).collect::<Result<_, _>>()?,
            product_type,
            barcode,
            properties: attributes(line.custom_attributes),
            group: line.line_item_group.some().map(group).transpose()?,
        })
    }

    fn duty(&self, duty: wire::Duty) -> Result<Duty, InboundError> {
        Ok(Duty {
            id: number(duty.id, "lineItems.duties.id", "Duty")?,
            price: self.pair("lineItems.duties.price", &duty.price)?,
            taxes: self.taxes(duty.tax_lines)?,
        })
    }

    fn fee(&self, fee: wire::AdditionalFee) -> Result<Fee, InboundError> {
        Ok(Fee {
            id: number(fee.id, "additionalFees.id", "AdditionalFee")?,
            name: fee.name.0,
            price: self.pair("additionalFees.price", &fee.price)?,
            taxes: self.taxes(fee.tax_lines)?,
        })
    }

    fn refund(&self, refund: wire::Refund, taxes_included: bool) -> Result<Refund, InboundError> {
        let line = |line: wire::RefundLineItem| {
            Ok(RefundLine {
                line_id: number(line.line_item.id, "refundLineItems.lineItem.id", "LineItem")?,
                quantity: line.quantity.0,
                subtotal: self.pair("refundLineItems.subtotalSet", &line.subtotal_set)?,
                tax: self.pair("refundLineItems.totalTaxSet", &line.total_tax_set)?,
            })
        };
        let shipping = |line: wire::RefundShippingLine| {
            Ok(RefundShipping {
                shipping_line_id: line.shipping_line.id.map(|id| id.id),
                subtotal: self.pair("refundShippingLines.subtotalAmountSet", &line.subtotal_amount_set)?,
                tax: self.pair("refundShippingLines.taxAmountSet", &line.tax_amount_set)?,
            })
        };
        let adjustment = |adjustment: wire::OrderAdjustment| {
            Ok(Adjustment {
                id: number(adjustment.id, "orderAdjustments.id", "OrderAdjustment")?,
                kind: said(adjustment.reason).map_or(String::new(), |reason| reason.to_ascii_lowercase()),
                amount: self.pair("orderAdjustments.amountSet", &adjustment.amount_set)?,
                tax: self.pair("orderAdjustments.taxAmountSet", &adjustment.tax_amount_set)?,
            })
        };
        let duty = |duty: wire::RefundDuty| {
            Ok(RefundDuty {
                duty_id: duty.original_duty.map(|duty| duty.id.id),
                amount: self.pair("refunds.duties.amountSet", &duty.amount_set)?,
            })
        };
        let refund = Refund {
            id: number(refund.id, "refunds.id", "Refund")?,
            paid_back: self.pair("refunds.totalRefundedSet", &refund.total_refunded_set)?,
            lines: refund.refund_line_items.nodes.into_iter().map(line).collect::<Result<_, _>>()?,
            shipping: refund.refund_shipping_lines.nodes.into_iter().map(shipping).collect::<Result<_, _>>()?,
            duties: refund.duties.unwrap_or_default().into_iter().map(duty).collect::<Result<_, _>>()?,
            adjustments: refund.order_adjustments.nodes.into_iter().map(adjustment).collect::<Result<_, _>>()?,
        };
        Ok(AsTold { refund, taxes_included }.read())
    }

    fn shipping_line(&self, line: wire::ShippingLine) -> Result<ShippingLine, InboundError> {
        Ok(ShippingLine {
            id: line.id.map(|id| number(id, "shippingLines.id", "ShippingLine")).transpose()?,
            code: said(line.code),
            title: line.title.0,
            price: self.pair("shippingLines.originalPriceSet", &line.original_price_set)?,
            discounted: self.pair("shippingLines.discountedPriceSet", &line.discounted_price_set)?,
            current_discounted: self
                .maybe("shippingLines.currentDiscountedPriceSet", line.current_discounted_price_set.as_ref())?,
            removed: line.is_removed,
            taxes: self.taxes(line.tax_lines)?,
            allocations: self.allocations(&line.discount_allocations)?,
        })
    }

    fn taxes(&self, taxes: Vec<wire::TaxLine>) -> Result<Vec<TaxLine>, InboundError> {
        let read = |tax: wire::TaxLine| {
            Ok(TaxLine {
                price: self.pair("taxLines.priceSet", &tax.price_set)?,
                title: tax.title.0,
                rate: tax.rate.map(|rate| rate.0),
                channel_liable: tax.channel_liable,
            })
        };
        taxes.into_iter().map(read).collect()
    }

    fn allocations(&self, shares: &[wire::DiscountAllocation]) -> Result<Vec<Allocation>, InboundError> {
        let read = |share: &wire::DiscountAllocation| {
            let field = "discountAllocations.discountApplication.index";
            let found = share.discount_application.index;
            let known = self.indexes.len();
            let discount = self
                .indexes
                .iter()
                .position(|&index| index == found)
                .ok_or(InboundError::NoSuchDiscount { field, known, found })?;
            let amount = self.pair("discountAllocations.allocatedAmountSet", &share.allocated_amount_set)?;
            Ok(Allocation { discount, amount })
        };
        shares.iter().map(read).collect()
    }
}
