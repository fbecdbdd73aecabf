//! An order version as the Admin API's object graph: every declared field of the order, from which a query
//! picks. Connections are plain lists here; `graphql::execute` pages them.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::model::{
    Address, Application, DiscountKind, DiscountTarget, DiscountValue, Financial, Line, OrderVersion, Refund, Shipping,
    TaxLine,
};
use super::money::{Both, Currencies, Taxes};
use super::rest::{gid, rate};

/// The whole graph of one order.
pub(super) fn order(order: &OrderVersion) -> Value {
    let mut graph = Map::new();
    for part in [facts(order), people(order), sums(order), rows(order)] {
        if let Value::Object(part) = part {
            graph.extend(part);
        }
    }
    Value::Object(graph)
}

fn facts(order: &OrderVersion) -> Value {
    let attributes: Vec<Value> =
        order.attributes.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let paid = matches!(order.financial, Financial::Paid | Financial::PartiallyRefunded | Financial::Refunded);
    let mut facts = json!({
        "__typename": "Order", "id": gid("Order", order.id), "legacyResourceId": order.id.to_string(), "name": order.name(),
        "number": order.number, "createdAt": time(order.created_at), "processedAt": time(order.created_at),
        "updatedAt": time(order.updated_at), "cancelledAt": order.cancelled.map(|(at, _)| time(at)),
        "cancelReason": order.cancelled.map(|(_, reason)| reason.to_uppercase()), "closed": false, "closedAt": null,
        "confirmationNumber": format!("C{}", &order.secret[..8]).to_uppercase(), "confirmed": order.confirmed,
        "currencyCode": order.currencies.shop, "presentmentCurrencyCode": order.currencies.presentment,
        "customAttributes": attributes, "note": order.note, "poNumber": order.po_number, "test": order.test,
    });
    let more = json!({
        "displayFinancialStatus": financial(order.financial), "displayFulfillmentStatus": "UNFULFILLED", "dutiesIncluded": false,
        "edited": order.updated_at != order.created_at, "estimatedTaxes": false, "fullyPaid": paid, "unpaid": !paid,
        "paymentGatewayNames": if paid { json!(["shopify_payments"]) } else { json!(["manual"]) }, "paymentTerms": null,
        "retailLocation": null, "risk": {"recommendation": "NONE"}, "requiresShipping": true, "sourceIdentifier": null, "sourceName": "web", "tags": [], "taxExempt": false,
        "taxesIncluded": order.taxes == Taxes::Included, "customerLocale": order.locale,
        "totalWeight": order.lines.iter().map(|line| u64::from(line.grams) * u64::from(line.quantity)).sum::<u64>().to_string(),
        "currentSubtotalLineItemsQuantity": order.lines.iter().map(|line| line.current_quantity).sum::<u32>(),
        "subtotalLineItemsQuantity": order.lines.iter().map(|line| line.quantity).sum::<u32>(),
        "discountCodes": codes(order),
    });
    merge(&mut facts, more);
    facts
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

fn people(order: &OrderVersion) -> Value {
    let default = order.billing_address.as_ref().or(order.shipping_address.as_ref());
    let customer = order.customer.as_ref().map(|customer| {
        json!({
            "__typename": "Customer", "id": gid("Customer", customer.id), "legacyResourceId": customer.id.to_string(),
            "createdAt": time(order.created_at), "updatedAt": time(order.updated_at), "displayName": default.map(Address::name).unwrap_or_default(),
            "firstName": default.map(|address| &address.first_name), "lastName": default.map(|address| &address.last_name),
            "email": customer.email, "defaultEmailAddress": customer.email.as_ref().map(|email| json!({"emailAddress": email})),
            "phone": null, "defaultPhoneNumber": null, "note": null, "state": "DISABLED", "tags": [], "taxExempt": false,
            "verifiedEmail": true, "defaultAddress": default.map(|row| address(row, order.id + 11)),
        })
    });
    json!({
        "email": order.email, "phone": null, "purchasingEntity": customer.clone(), "customer": customer,
        "shippingAddress": order.shipping_address.as_ref().map(|row| address(row, order.id + 12)),
        "billingAddress": order.billing_address.as_ref().map(|row| address(row, order.id + 13)),
    })
}

fn address(address: &Address, id: u64) -> Value {
    json!({
        "id": gid("MailingAddress", id), "firstName": address.first_name, "lastName": address.last_name, "name": address.name(),
        "company": address.company, "address1": address.address1, "address2": address.address2, "zip": address.zip, "city": address.city,
        "province": address.province.map(|(name, _)| name), "provinceCode": address.province.map(|(_, code)| code),
        "country": address.country.map(|(name, _)| name), "countryCode": address.country.map(|(_, code)| code),
        "countryCodeV2": address.country.map(|(_, code)| code), "formattedArea": address.city, "phone": address.phone,
        "latitude": null, "longitude": null,
    })
}

fn sums(order: &OrderVersion) -> Value {
    let totals = order.totals();
    let zero = Both::default();
    let money = |amount| bag(&order.currencies, amount);
    let optional = |amount: Both| if amount.is_zero() { Value::Null } else { bag(&order.currencies, amount) };
    let refunded = if order.financial == Financial::Refunded { totals.total } else { totals.refunded };
    let mut sums = json!({
        "subtotalPriceSet": money(totals.subtotal), "totalDiscountsSet": money(totals.discounts), "totalTaxSet": money(totals.tax),
        "totalShippingPriceSet": money(totals.shipping), "totalPriceSet": money(totals.total), "originalTotalPriceSet": money(totals.total),
        "totalTipReceivedSet": money(order.tip), "originalTotalDutiesSet": optional(totals.duties),
        "originalTotalAdditionalFeesSet": optional(order.fee), "currentSubtotalPriceSet": money(totals.current_subtotal),
        "currentTotalDiscountsSet": money(totals.current_discounts), "currentTotalTaxSet": money(totals.current_tax),
        "currentShippingPriceSet": money(totals.current_shipping), "currentTotalPriceSet": money(totals.current_total),
    });
    let more = json!({
        "currentTotalDutiesSet": optional(totals.current_duties), "currentTotalAdditionalFeesSet": optional(order.fee),
        "totalReceivedSet": money(totals.received), "totalRefundedSet": money(refunded), "totalRefundedShippingSet": money(zero),
        "netPaymentSet": money(totals.received - refunded), "totalOutstandingSet": money(totals.outstanding),
        "refundDiscrepancySet": money(totals.refunded),
        "totalCashRoundingAdjustment": {"paymentSet": money(zero), "refundSet": money(zero)},
    });
    merge(&mut sums, more);
    sums
}

fn rows(order: &OrderVersion) -> Value {
    let applications: Vec<Value> =
        order.applications.iter().enumerate().map(|(index, row)| application(row, index, order)).collect();
    let fees = (!order.fee.is_zero()).then(|| {
        json!({"id": gid("AdditionalFee", order.id + 21), "name": "Recycling", "price": bag(&order.currencies, order.fee), "taxLines": []})
    });
    let shipping: Vec<Value> = order.shipping.iter().map(|row| shipping(row, order, &applications)).collect();
    let current_taxes: Vec<Value> = if order.cancelled.is_some() { Vec::new() } else { current_tax_lines(order) };
    json!({
        "lineItems": order.lines.iter().map(|row| line(row, order, &applications)).collect::<Vec<_>>(), "nonFulfillableLineItems": [],
        "shippingLine": shipping.first(), "shippingLines": shipping, "discountApplications": applications,
        "taxLines": order.tax_lines().iter().map(|row| tax_line(row, &order.currencies)).collect::<Vec<_>>(),
        "currentTaxLines": current_taxes, "additionalFees": fees.into_iter().collect::<Vec<_>>(),
        "refunds": order.refunds.iter().map(|row| refund(row, order)).collect::<Vec<_>>(),
    })
}

fn current_tax_lines(order: &OrderVersion) -> Vec<Value> {
    let mut current = order.clone();
    for line in &mut current.lines {
        let shares: Vec<Both> = line.taxes.iter().map(|tax| line.current(&order.currencies, tax.amount)).collect();
        for (tax, share) in line.taxes.iter_mut().zip(shares) {
            tax.amount = share;
        }
    }
    current.tax_lines().iter().map(|row| tax_line(row, &order.currencies)).collect()
}

fn line(line: &Line, order: &OrderVersion, applications: &[Value]) -> Value {
    let currencies = &order.currencies;
    let unit = |amount: Both| currencies.round(amount.map(|amount| amount / Decimal::from(line.quantity.max(1))));
    let duties: Vec<Value> = (!line.duty.is_zero())
        .then(|| {
            json!({
                "id": gid("Duty", line.id + 1), "countryCodeOfOrigin": "CN", "harmonizedSystemCode": "691200",
                "price": bag(currencies, line.duty), "taxLines": [],
            })
        })
        .into_iter()
        .collect();
    json!({
        "id": gid("LineItem", line.id), "quantity": line.quantity, "currentQuantity": line.current_quantity,
        "fulfillableQuantity": line.current_quantity, "unfulfilledQuantity": line.current_quantity, "nonFulfillableQuantity": 0,
        "refundableQuantity": line.current_quantity, "customAttributes": [], "duties": duties, "isGiftCard": line.gift_card,
        "name": line.title, "title": line.title, "sku": line.sku, "taxable": !line.gift_card, "requiresShipping": !line.gift_card,
        "variantTitle": null, "vendor": "Sandbox", "originalUnitPriceSet": bag(currencies, line.price),
        "originalTotalSet": bag(currencies, line.price.times(line.quantity)), "discountedTotalSet": bag(currencies, line.total()),
        "totalDiscountSet": bag(currencies, line.allocated()), "discountedUnitPriceAfterAllDiscountsSet": bag(currencies, unit(line.total())),
        "discountAllocations": allocations(&line.allocations, currencies, applications),
        "taxLines": line.taxes.iter().map(|row| tax_line(row, currencies)).collect::<Vec<_>>(),
        "product": {"id": gid("Product", line.product_id), "legacyResourceId": line.product_id.to_string(), "productType": "Goods"},
        "variant": {"id": gid("ProductVariant", line.variant_id), "legacyResourceId": line.variant_id.to_string(), "sku": line.sku},
    })
}

fn shipping(line: &Shipping, order: &OrderVersion, applications: &[Value]) -> Value {
    let currencies = &order.currencies;
    let current = if order.cancelled.is_some() { Both::default() } else { line.discounted() };
    json!({
        "id": gid("ShippingLine", line.id), "carrierIdentifier": null, "code": line.code, "custom": false, "isRemoved": false,
        "title": line.title, "source": "shopify", "phone": null, "originalPriceSet": bag(currencies, line.price),
        "discountedPriceSet": bag(currencies, line.discounted()), "currentDiscountedPriceSet": bag(currencies, current),
        "discountAllocations": allocations(&line.allocations, currencies, applications),
        "taxLines": line.taxes.iter().map(|row| tax_line(row, currencies)).collect::<Vec<_>>(),
    })
}

fn allocations(allocations: &[(usize, Both)], currencies: &Currencies, applications: &[Value]) -> Vec<Value> {
    let one = |(index, amount): &(usize, Both)| {
        json!({
            "allocatedAmount": money(currencies.shop, amount.shop), "allocatedAmountSet": bag(currencies, *amount),
            "discountApplication": applications.get(*index),
        })
    };
    allocations.iter().map(one).collect()
}

fn application(application: &Application, index: usize, order: &OrderVersion) -> Value {
    let (target, selection, method) = match application.target {
        DiscountTarget::AllLines => ("LINE_ITEM", "ALL", "ACROSS"),
        DiscountTarget::OneLine => ("LINE_ITEM", "EXPLICIT", "ACROSS"),
        DiscountTarget::Shipping => ("SHIPPING_LINE", "ALL", "EACH"),
    };
    let value = match application.value {
        DiscountValue::Percent(percent) => {
            json!({"__typename": "PricingPercentageValue", "percentage": number(percent)})
        }
        DiscountValue::Fixed(amount) => {
            let mut value = money(order.currencies.shop, amount.shop);
            merge(&mut value, json!({"__typename": "MoneyV2"}));
            value
        }
    };
    let mut graph = json!({
        "index": index, "targetType": target, "targetSelection": selection, "allocationMethod": method, "value": value,
    });
    let own = match application.kind {
        DiscountKind::Code => json!({"__typename": "DiscountCodeApplication", "code": application.title}),
        DiscountKind::Automatic => json!({"__typename": "AutomaticDiscountApplication", "title": application.title}),
        DiscountKind::Manual => {
            json!({"__typename": "ManualDiscountApplication", "title": application.title, "description": application.title})
        }
    };
    merge(&mut graph, own);
    graph
}

fn codes(order: &OrderVersion) -> Vec<&str> {
    let codes = order.applications.iter().filter(|application| application.kind == DiscountKind::Code);
    codes.map(|application| application.title.as_str()).collect()
}

fn tax_line(tax: &TaxLine, currencies: &Currencies) -> Value {
    json!({
        "title": tax.title, "rate": rate(tax.percent), "ratePercentage": number(tax.percent), "source": "Shopify", "channelLiable": false,
        "price": decimal(tax.amount.shop), "priceSet": bag(currencies, tax.amount),
    })
}

fn refund(refund: &Refund, order: &OrderVersion) -> Value {
    let currencies = &order.currencies;
    let back = refund.amount.map(|amount| -amount);
    json!({
        "id": gid("Refund", refund.id), "legacyResourceId": refund.id.to_string(), "createdAt": time(refund.at), "updatedAt": time(refund.at),
        "processedAt": time(refund.at), "note": null, "totalRefundedSet": bag(currencies, refund.amount), "refundLineItems": [],
        "refundShippingLines": [], "duties": [], "orderAdjustments": [{
            "id": gid("OrderAdjustment", refund.id + 2), "reason": "REFUND_DISCREPANCY", "amountSet": bag(currencies, back), "taxAmountSet": bag(currencies, Both::default()),
        }],
    })
}

fn financial(state: Financial) -> &'static str {
    match state {
        Financial::Pending => "PENDING",
        Financial::Paid => "PAID",
        Financial::PartiallyRefunded => "PARTIALLY_REFUNDED",
        Financial::Refunded => "REFUNDED",
        Financial::Voided => "VOIDED",
    }
}

fn bag(currencies: &Currencies, amount: Both) -> Value {
    json!({"shopMoney": money(currencies.shop, amount.shop), "presentmentMoney": money(currencies.presentment, amount.presentment)})
}

fn money(currency: &str, amount: Decimal) -> Value {
    json!({"amount": decimal(amount), "currencyCode": currency})
}

/// The scalar `Decimal`: no trailing zeros, but always one decimal (`"200.0"`), as recorded answers show.
fn decimal(amount: Decimal) -> String {
    let short = amount.normalize().to_string();
    if short.contains('.') { short } else { format!("{short}.0") }
}

fn number(percent: Decimal) -> Value {
    serde_json::from_str(&decimal(percent)).unwrap_or(Value::Null)
}

fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
