//! An order version as the Admin API's object graph: every declared field of the order, from which a query
//! picks. Connections are plain lists here; `graphql::execute` pages them.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::bundle;
use super::model::{
    Address, Application, DiscountKind, DiscountTarget, DiscountValue, Financial, Line, Metafield, OrderVersion,
    Refund, Shipping, ShippingStanding, TaxLine,
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
        "cancelReason": order.cancelled.map(|(_, reason)| reason.to_uppercase()), "closed": order.closed_at.is_some(), "closedAt": order.closed_at.map(time),
        "confirmationNumber": format!("C{}", &order.secret[..8]).to_uppercase(), "confirmed": order.confirmed,
        "currencyCode": order.currencies.shop, "presentmentCurrencyCode": order.currencies.presentment,
        "customAttributes": attributes, "note": order.note, "poNumber": order.po_number, "test": order.test,
    });
    let more = json!({
        "displayFinancialStatus": financial(order.financial), "displayFulfillmentStatus": if order.fulfilled { "FULFILLED" } else { "UNFULFILLED" },
        "dutiesIncluded": false,
        "edited": order.updated_at != order.created_at, "estimatedTaxes": order.estimated_taxes, "fullyPaid": paid, "unpaid": !paid,
        "paymentGatewayNames": order.gateways, "paymentTerms": order.payment_terms.map(|name| terms(name, order.id)),
        "requiresShipping": true, "sourceIdentifier": null, "sourceName": order.source_name, "tags": order.tags,
        "taxExempt": order.tax_exempt, "retailLocation": order.location_id.map(location),
        "risk": {"assessments": [{"riskLevel": risk_level(order.risk)}], "recommendation": order.risk},
        "metafields": order.metafields.iter().map(metafield).collect::<Vec<_>>(),
        "taxesIncluded": order.taxes == Taxes::Included, "customerLocale": order.locale,
        "totalWeight": order.lines.iter().map(|line| u64::from(line.grams) * u64::from(line.quantity)).sum::<u64>().to_string(),
        "currentSubtotalLineItemsQuantity": order.lines.iter().map(|line| line.current_quantity).sum::<u32>(),
        "subtotalLineItemsQuantity": order.lines.iter().map(|line| line.quantity).sum::<u32>(),
        "discountCodes": codes(order),
    });
    merge(&mut facts, more);
    facts
}

fn terms(name: &str, order_id: u64) -> Value {
    let days = name.rsplit(' ').next().and_then(|days| days.parse::<u32>().ok());
    json!({
        "id": gid("PaymentTerms", order_id + 31), "due": false, "dueInDays": days, "overdue": false, "paymentTermsName": name,
        "paymentTermsType": if days.is_some() { "NET" } else { "RECEIPT" }, "translatedName": name,
    })
}

fn location(id: u64) -> Value {
    json!({"id": gid("Location", id), "legacyResourceId": id.to_string(), "name": "Köln"})
}

fn risk_level(recommendation: &str) -> &'static str {
    match recommendation {
        "CANCEL" => "HIGH",
        "INVESTIGATE" => "MEDIUM",
        "ACCEPT" => "LOW",
        _ => "NONE",
    }
}

/// A metafield as the graph shows it.
pub(super) fn metafield(field: &Metafield) -> Value {
    json!({
        "__typename": "Metafield", "id": gid("Metafield", field.id), "namespace": field.namespace, "key": field.key,
        "type": field.kind, "value": field.value, "ownerType": "ORDER", "createdAt": time(field.at), "updatedAt": time(field.at),
        "compareDigest": format!("{:x}", md(&field.value)),
    })
}

fn md(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
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
    let company = order.company.as_ref().map(|company| {
        json!({
            "__typename": "PurchasingCompany",
            "company": {"id": gid("Company", company.id), "name": company.name, "externalId": company.external_id, "note": null},
            "location": {"id": gid("CompanyLocation", company.location_id), "name": company.name, "externalId": company.location_external_id},
            "contact": {"id": gid("CompanyContact", company.id + 1), "title": null},
        })
    });
    json!({
        "email": order.email, "phone": null, "purchasingEntity": company.or(customer.clone()), "customer": customer,
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
        "totalReceivedSet": money(totals.received), "totalRefundedSet": money(refunded), "totalRefundedShippingSet": money(order.refunds.iter().flat_map(|refund| &refund.shipping).map(|at| order.shipping[*at].discounted()).sum()),
        "netPaymentSet": money(totals.received - refunded), "totalOutstandingSet": money(totals.outstanding),
        "refundDiscrepancySet": money(order.goodwill()),
        "totalCashRoundingAdjustment": {"paymentSet": money(order.rounding), "refundSet": money(zero)},
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
    let tip = order.tip_row.map(|id| tip_line(id, order));
    let lines: Vec<Value> = order.lines.iter().map(|row| line(row, order, &applications)).chain(tip.clone()).collect();
    json!({
        "lineItems": lines, "nonFulfillableLineItems": tip.into_iter().collect::<Vec<_>>(),
        "shippingLine": shipping.first(), "shippingLines": shipping, "discountApplications": applications,
        "taxLines": order.tax_lines().iter().map(|row| tax_line(row, &order.currencies)).collect::<Vec<_>>(),
        "currentTaxLines": current_taxes, "additionalFees": fees.into_iter().collect::<Vec<_>>(),
        "refunds": order.refunds.iter().map(|row| refund(row, order, &applications)).collect::<Vec<_>>(),
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
    for line in current.shipping.iter_mut().filter(|line| line.standing != ShippingStanding::Kept) {
        line.taxes.iter_mut().for_each(|tax| tax.amount = Both::default());
    }
    current.tax_lines().iter().map(|row| tax_line(row, &order.currencies)).collect()
}

/// The row that a tip is beside the order's tip figure: nobody can ship it.
fn tip_line(id: u64, order: &OrderVersion) -> Value {
    let amount = || bag(&order.currencies, order.tip);
    json!({
        "id": gid("LineItem", id), "quantity": 1, "currentQuantity": 1, "fulfillableQuantity": 0, "unfulfilledQuantity": 0,
        "nonFulfillableQuantity": 1, "refundableQuantity": 1, "customAttributes": [], "duties": [], "isGiftCard": false,
        "name": "Tip", "title": "Tip", "sku": null, "taxable": false, "requiresShipping": false, "variantTitle": null, "vendor": null,
        "originalUnitPriceSet": amount(), "originalTotalSet": amount(), "discountedTotalSet": amount(),
        "totalDiscountSet": bag(&order.currencies, Both::default()), "discountedUnitPriceAfterAllDiscountsSet": amount(),
        "discountAllocations": [], "taxLines": [], "product": null, "variant": null, "lineItemGroup": null,
    })
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
    let properties: Vec<Value> =
        line.properties.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let product = line.product_id.map(|id| {
        json!({
            "id": gid("Product", id), "legacyResourceId": id.to_string(), "productType": line.product_type, "tags": [],
            "title": line.title, "vendor": line.vendor,
        })
    });
    let variant = line.variant_id.map(|id| {
        json!({"id": gid("ProductVariant", id), "legacyResourceId": id.to_string(), "sku": line.sku, "barcode": line.barcode})
    });
    let group = line.bundle.as_ref().map(bundle::group);
    let unfulfilled = if order.fulfilled { 0 } else { line.current_quantity };
    json!({
        "id": gid("LineItem", line.id), "quantity": line.quantity, "currentQuantity": line.current_quantity,
        "fulfillableQuantity": unfulfilled, "unfulfilledQuantity": unfulfilled, "nonFulfillableQuantity": 0,
        "refundableQuantity": line.current_quantity, "customAttributes": properties, "duties": duties, "isGiftCard": line.gift_card,
        "name": line.title, "title": line.title, "sku": line.sku, "taxable": !line.gift_card, "requiresShipping": !line.gift_card,
        "variantTitle": null, "vendor": line.vendor, "originalUnitPriceSet": bag(currencies, line.price),
        "originalTotalSet": bag(currencies, line.price.times(line.quantity)), "discountedTotalSet": bag(currencies, line.total()),
        "totalDiscountSet": bag(currencies, line.allocated()), "discountedUnitPriceAfterAllDiscountsSet": bag(currencies, unit(line.total())),
        "discountAllocations": allocations(&line.allocations, currencies, applications),
        "taxLines": line.taxes.iter().map(|row| tax_line(row, currencies)).collect::<Vec<_>>(),
        "product": product, "variant": variant, "lineItemGroup": group,
    })
}

fn shipping(line: &Shipping, order: &OrderVersion, applications: &[Value]) -> Value {
    let currencies = &order.currencies;
    let current = if order.cancelled.is_some() { Both::default() } else { line.current() };
    json!({
        "id": gid("ShippingLine", line.id), "carrierIdentifier": null, "code": line.code, "custom": false,
        "isRemoved": line.standing == ShippingStanding::Removed,
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
        "title": tax.title, "rate": rate(tax.percent), "ratePercentage": number(tax.percent), "source": "Shopify", "channelLiable": tax.channel_liable,
        "price": decimal(tax.amount.shop), "priceSet": bag(currencies, tax.amount),
    })
}

fn refund(refund: &Refund, order: &OrderVersion, applications: &[Value]) -> Value {
    let currencies = &order.currencies;
    let back = refund.goodwill.map(|amount| -amount);
    let adjustments: Vec<Value> = (!refund.goodwill.is_zero())
        .then(|| {
            json!({
                "id": gid("OrderAdjustment", refund.id + 2), "amountSet": bag(currencies, back), "reason": "REFUND_DISCREPANCY",
                "taxAmountSet": bag(currencies, Both::default()),
            })
        })
        .into_iter()
        .collect();
    let lines = refund.lines.iter().map(|row| {
        json!({
            "id": gid("RefundLineItem", order.lines[row.line].id + 2), "quantity": row.quantity,
            "subtotalSet": bag(currencies, row.subtotal), "totalTaxSet": bag(currencies, row.tax),
            "lineItem": line(&order.lines[row.line], order, applications),
        })
    });
    let shipped = refund.shipping.iter().map(|at| &order.shipping[*at]).map(|row| {
        json!({
            "id": gid("RefundShippingLine", row.id + 2), "shippingLine": shipping(row, order, applications),
            "subtotalAmountSet": bag(currencies, row.discounted()), "taxAmountSet": bag(currencies, row.tax()),
        })
    });
    json!({
        "id": gid("Refund", refund.id), "legacyResourceId": refund.id.to_string(), "createdAt": time(refund.at), "updatedAt": time(refund.at),
        "processedAt": time(refund.at), "note": null, "totalRefundedSet": bag(currencies, refund.paid_back), "duties": [],
        "refundLineItems": lines.collect::<Vec<_>>(), "refundShippingLines": shipped.collect::<Vec<_>>(), "orderAdjustments": adjustments,
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
