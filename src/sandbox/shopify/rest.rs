//! An order version as the REST-shaped body of a webhook: all keys, amounts as strings, ids as numbers.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use rust_decimal::Decimal;
use serde_json::{Map, Number, Value, json};

use super::model::{
    Address, Application, DiscountKind, DiscountTarget, DiscountValue, Financial, Line, OrderVersion, Refund, Shipping,
    ShippingStanding, TaxLine, Totals,
};
use super::money::{Both, Currencies, Taxes};

/// The body of an order webhook. `shop_domain` goes into the links.
pub(super) fn order(order: &OrderVersion, shop_domain: &str) -> Value {
    let totals = order.totals();
    let mut body = Map::new();
    extend(&mut body, identity(order, shop_domain));
    extend(&mut body, circumstances(order));
    extend(&mut body, standing(order));
    extend(&mut body, sums(order, &totals));
    extend(&mut body, people(order));
    let money = |amount| bag(&order.currencies, amount);
    let tip = order.tip_row.map(|id| tip_line(id, order));
    body.insert("line_items".into(), order.lines.iter().map(|row| line(row, order)).chain(tip).collect());
    body.insert("shipping_lines".into(), order.shipping.iter().map(|row| shipping(row, order)).collect());
    body.insert("discount_applications".into(), order.applications.iter().map(|row| application(row, order)).collect());
    body.insert("discount_codes".into(), codes(order));
    body.insert("tax_lines".into(), order.tax_lines().iter().map(|tax| tax_line(tax, order)).collect());
    body.insert("refunds".into(), order.refunds.iter().map(|row| refund(row, order)).collect());
    let optional = |amount: Both| if amount.is_zero() { Value::Null } else { money(amount) };
    body.insert("original_total_duties_set".into(), optional(totals.duties));
    body.insert("current_total_duties_set".into(), optional(totals.current_duties));
    for name in ["original_total_additional_fees_set", "current_total_additional_fees_set"] {
        body.insert(name.into(), optional(order.fee));
    }
    body.insert("total_cash_rounding_payment_adjustment_set".into(), money(order.rounding));
    body.insert("total_cash_rounding_refund_adjustment_set".into(), money(Both::default()));
    let mut body = Value::Object(body);
    if order.printed_as_of_old {
        make_old(&mut body);
    }
    body
}

/// Takes out what Shopify's payloads did not have in 2017: the sets of two currencies, and the current family.
fn make_old(body: &mut Value) {
    match body {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.ends_with("_set") && !name.starts_with("current_"));
            fields.values_mut().for_each(make_old);
        }
        Value::Array(rows) => rows.iter_mut().for_each(make_old),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The body of `orders/edited`, which is no order: who was changed, and which units came and went.
pub(super) fn order_edit(order: &OrderVersion, before: &OrderVersion) -> Value {
    let units = |version: &OrderVersion, id: u64| {
        version.lines.iter().find(|line| line.id == id).map_or(0, |line| i64::from(line.current_quantity))
    };
    let (mut additions, mut removals) = (Vec::new(), Vec::new());
    for line in &order.lines {
        let delta = units(order, line.id) - units(before, line.id);
        let row = json!({"id": line.id, "delta": delta.abs()});
        match delta {
            1.. => additions.push(row),
            0 => {}
            _ => removals.push(row),
        }
    }
    json!({"order_edit": {
        "id": order.id / 5 + 1, "app_id": null, "order_id": order.id, "created_at": time(order.updated_at),
        "committed_at": time(order.updated_at), "notify_customer": false, "staff_note": "", "user_id": null,
        "line_items": {"additions": additions, "removals": removals}, "discounts": {"line_item": {"additions": [], "removals": []}},
        "shipping_lines": {"additions": [], "removals": []},
    }})
}

/// The body of `refunds/create`: the order's last refund.
pub(super) fn refund_body(order: &OrderVersion) -> Option<Value> {
    order.refunds.last().map(|row| refund(row, order))
}

fn extend(body: &mut Map<String, Value>, part: Value) {
    if let Value::Object(part) = part {
        body.extend(part);
    }
}

fn identity(order: &OrderVersion, shop_domain: &str) -> Value {
    let secret = &order.secret;
    json!({
        "id": order.id, "admin_graphql_api_id": gid("Order", order.id), "name": order.name(),
        "number": order.number - 1000, "order_number": order.number, "app_id": 580_111,
        "cart_token": format!("cart{secret}"), "checkout_id": order.id / 3, "checkout_token": format!("checkout{secret}"),
        "token": secret, "confirmation_number": format!("C{}", &secret[..8]).to_uppercase(),
        "order_status_url": format!("https://{shop_domain}/1/orders/{secret}/authenticate?key=k{secret}"),
        "created_at": time(order.created_at), "updated_at": time(order.updated_at), "processed_at": time(order.created_at),
        "cancelled_at": order.cancelled.map(|(at, _)| time(at)), "cancel_reason": order.cancelled.map(|(_, reason)| reason),
        "closed_at": order.closed_at.map(time),
    })
}

fn circumstances(order: &OrderVersion) -> Value {
    json!({
        "browser_ip": "192.0.2.1", "buyer_accepts_marketing": false, "client_details": {
            "accept_language": "de", "browser_height": null, "browser_ip": "192.0.2.1", "browser_width": null,
            "session_hash": null, "user_agent": "Sandbox/1.0",
        },
        "customer_locale": order.locale, "device_id": null, "landing_site": "/", "landing_site_ref": null, "location_id": order.location_id,
        "merchant_business_entity_id": "MTU0ODM4MDAwOQ", "merchant_of_record_app_id": null, "reference": null, "referring_site": "",
        "source_identifier": null, "source_name": order.source_name, "source_url": null, "tags": order.tags.join(", "),
        "user_id": order.staff_id, "company": order.company.as_ref().map(|company| json!({"id": company.id, "location_id": company.location_id})),
    })
}

fn standing(order: &OrderVersion) -> Value {
    let attributes: Vec<Value> =
        order.attributes.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let grams = |line: &Line| u64::from(line.grams) * u64::from(line.quantity);
    json!({
        "confirmed": order.confirmed, "currency": order.currencies.shop, "presentment_currency": order.currencies.presentment,
        "duties_included": false, "estimated_taxes": order.estimated_taxes, "financial_status": financial(order.financial),
        "fulfillment_status": order.fulfilled.then_some("fulfilled"), "fulfillments": [], "note": order.note, "note_attributes": attributes,
        "payment_gateway_names": order.gateways, "payment_terms": order.payment_terms.map(|name| terms(name, order)),
        "po_number": order.po_number, "tax_exempt": order.tax_exempt,
        "taxes_included": order.taxes == Taxes::Included, "test": order.test, "total_weight": order.lines.iter().map(grams).sum::<u64>(),
        "returns": [], "line_item_groups": [],
    })
}

fn terms(name: &str, order: &OrderVersion) -> Value {
    let days = name.rsplit(' ').next().and_then(|days| days.parse::<u32>().ok());
    json!({
        "id": order.id + 31, "created_at": time(order.created_at), "due_in_days": days, "payment_schedules": [],
        "payment_terms_name": name, "payment_terms_type": if days.is_some() { "net" } else { "receipt" }, "updated_at": time(order.created_at),
    })
}

fn sums(order: &OrderVersion, totals: &Totals) -> Value {
    let mut body = Map::new();
    let currencies = &order.currencies;
    let mut pair = |name: &str, amount: Both| {
        body.insert(name.to_owned(), plain(currencies, amount));
        body.insert(format!("{name}_set"), bag(currencies, amount));
    };
    pair("total_line_items_price", totals.line_items);
    pair("total_discounts", totals.discounts);
    pair("subtotal_price", totals.subtotal);
    pair("total_tax", totals.tax);
    pair("total_price", totals.total);
    pair("current_total_discounts", totals.current_discounts);
    pair("current_subtotal_price", totals.current_subtotal);
    pair("current_total_tax", totals.current_tax);
    pair("current_total_price", totals.current_total);
    body.insert("total_shipping_price_set".into(), bag(currencies, totals.shipping));
    body.insert("current_shipping_price_set".into(), bag(currencies, totals.current_shipping));
    body.insert("total_outstanding".into(), plain(currencies, totals.outstanding));
    body.insert("total_tip_received".into(), plain(currencies, order.tip));
    Value::Object(body)
}

fn people(order: &OrderVersion) -> Value {
    let email = order.email.as_deref();
    let customer = order.customer.as_ref().map(|customer| {
        let default = order.billing_address.as_ref().or(order.shipping_address.as_ref());
        json!({
            "id": customer.id, "admin_graphql_api_id": gid("Customer", customer.id), "created_at": time(order.created_at),
            "updated_at": time(order.updated_at), "email": customer.email, "phone": null, "state": "disabled", "note": null,
            "first_name": default.map(|address| &address.first_name), "last_name": default.map(|address| &address.last_name),
            "verified_email": true, "multipass_identifier": null, "tax_exempt": false, "tax_exemptions": [], "tags": "",
            "currency": order.currencies.shop, "default_address": default.map(address),
        })
    });
    json!({
        "email": email.unwrap_or(""), "contact_email": email, "phone": null, "customer": customer,
        "shipping_address": order.shipping_address.as_ref().map(address),
        "billing_address": order.billing_address.as_ref().map(address),
    })
}

fn address(address: &Address) -> Value {
    json!({
        "first_name": address.first_name, "last_name": address.last_name, "name": address.name(), "company": address.company,
        "address1": address.address1, "address2": address.address2, "zip": address.zip, "city": address.city,
        "province": address.province.map(|(name, _)| name), "province_code": address.province.map(|(_, code)| code),
        "country": address.country.map(|(name, _)| name), "country_code": address.country.map(|(_, code)| code),
        "phone": address.phone, "latitude": null, "longitude": null,
    })
}

fn tip_line(id: u64, order: &OrderVersion) -> Value {
    let currencies = &order.currencies;
    json!({
        "id": id, "admin_graphql_api_id": gid("LineItem", id), "attributed_staffs": [], "current_quantity": 1, "fulfillable_quantity": 0,
        "fulfillment_service": "manual", "fulfillment_status": null, "gift_card": false, "grams": 0, "name": "Tip", "title": "Tip",
        "price": plain(currencies, order.tip), "price_set": bag(currencies, order.tip), "product_exists": false, "product_id": null,
        "properties": [], "quantity": 1, "requires_shipping": false, "sku": null, "taxable": false,
        "tip_payment_gateway": "shopify_payments", "tip_payment_method": "visa", "total_discount": plain(currencies, Both::default()),
        "total_discount_set": bag(currencies, Both::default()), "variant_id": null, "variant_inventory_management": null,
        "variant_title": null, "vendor": null, "tax_lines": [], "duties": [], "discount_allocations": [],
    })
}

fn line(line: &Line, order: &OrderVersion) -> Value {
    let currencies = &order.currencies;
    let duties: Vec<Value> = (!line.duty.is_zero())
        .then(|| {
            json!({
                "id": line.id + 1, "harmonized_system_code": "691200", "country_code_of_origin": "CN", "tax_lines": [],
                "shop_money": money(currencies.shop, line.duty.shop, currencies.shop_decimals),
                "presentment_money": money(currencies.presentment, line.duty.presentment, currencies.presentment_decimals),
                "admin_graphql_api_id": gid("Duty", line.id + 1),
            })
        })
        .into_iter()
        .collect();
    let properties: Vec<Value> =
        line.properties.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let unfulfilled = if order.fulfilled { 0 } else { line.current_quantity };
    json!({
        "id": line.id, "admin_graphql_api_id": gid("LineItem", line.id), "attributed_staffs": [],
        "current_quantity": line.current_quantity, "fulfillable_quantity": unfulfilled, "fulfillment_service": "manual",
        "fulfillment_status": null, "gift_card": line.gift_card, "grams": line.grams, "name": line.title, "title": line.title,
        "price": plain(currencies, line.price), "price_set": bag(currencies, line.price), "product_exists": line.product_id.is_some(),
        "product_id": line.product_id, "properties": properties, "quantity": line.quantity, "requires_shipping": !line.gift_card,
        "sales_line_item_group_id": line.bundle.as_ref().map(|bundle| bundle.id), "sku": line.sku, "taxable": !line.gift_card, "total_discount": plain(currencies, Both::default()),
        "total_discount_set": bag(currencies, Both::default()), "variant_id": line.variant_id,
        "variant_inventory_management": "shopify", "variant_title": null, "vendor": line.vendor,
        "tax_lines": line.taxes.iter().map(|tax| tax_line(tax, order)).collect::<Vec<_>>(), "duties": duties,
        "discount_allocations": allocations(&line.allocations, currencies),
    })
}

fn shipping(line: &Shipping, order: &OrderVersion) -> Value {
    let currencies = &order.currencies;
    let current = if order.cancelled.is_some() { Both::default() } else { line.current() };
    json!({
        "id": line.id, "carrier_identifier": null, "code": line.code, "title": line.title, "source": "shopify", "phone": null,
        "price": plain(currencies, line.price), "price_set": bag(currencies, line.price),
        "discounted_price": plain(currencies, line.discounted()), "discounted_price_set": bag(currencies, line.discounted()),
        "current_discounted_price_set": bag(currencies, current), "is_removed": line.standing == ShippingStanding::Removed,
        "requested_fulfillment_service_id": null,
        "tax_lines": line.taxes.iter().map(|tax| tax_line(tax, order)).collect::<Vec<_>>(),
        "discount_allocations": allocations(&line.allocations, currencies),
    })
}

fn allocations(allocations: &[(usize, Both)], currencies: &Currencies) -> Vec<Value> {
    let one = |(index, amount): &(usize, Both)| json!({"amount": plain(currencies, *amount), "amount_set": bag(currencies, *amount), "discount_application_index": index});
    allocations.iter().map(one).collect()
}

fn application(application: &Application, order: &OrderVersion) -> Value {
    let (value, value_type) = value_of(application, order);
    let (target_type, selection, method) = match application.target {
        DiscountTarget::AllLines => ("line_item", "all", "across"),
        DiscountTarget::OneLine => ("line_item", "explicit", "across"),
        DiscountTarget::Shipping => ("shipping_line", "all", "each"),
    };
    let mut body = json!({
        "target_type": target_type, "target_selection": selection, "allocation_method": method, "value": value, "value_type": value_type,
    });
    let (kind, name) = match application.kind {
        DiscountKind::Code => ("discount_code", "code"),
        DiscountKind::Manual => ("manual", "title"),
        DiscountKind::Automatic => ("automatic", "title"),
    };
    extend_with(&mut body, [("type", json!(kind)), (name, json!(application.title))]);
    if application.kind == DiscountKind::Manual {
        extend_with(&mut body, [("description", json!(application.title))]);
    }
    body
}

fn extend_with<const N: usize>(body: &mut Value, more: [(&str, Value); N]) {
    if let Value::Object(body) = body {
        body.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
}

fn value_of(application: &Application, order: &OrderVersion) -> (Value, &'static str) {
    match application.value {
        DiscountValue::Percent(percent) => (json!(format!("{percent}.0")), "percentage"),
        DiscountValue::Fixed(amount) => (plain(&order.currencies, amount), "fixed_amount"),
    }
}

fn codes(order: &OrderVersion) -> Value {
    let codes = order.applications.iter().enumerate().filter(|(_, application)| application.kind == DiscountKind::Code);
    codes
        .map(|(index, application)| {
            let granted: Both = order
                .lines
                .iter()
                .flat_map(|line| &line.allocations)
                .filter(|(at, _)| *at == index)
                .map(|(_, amount)| *amount)
                .sum();
            let (_, value_type) = value_of(application, order);
            json!({"code": application.title, "amount": plain(&order.currencies, granted), "type": value_type})
        })
        .collect()
}

fn tax_line(tax: &TaxLine, order: &OrderVersion) -> Value {
    json!({
        "title": tax.title, "rate": rate(tax.percent), "price": plain(&order.currencies, tax.amount),
        "price_set": bag(&order.currencies, tax.amount), "channel_liable": tax.channel_liable,
    })
}

fn refund(refund: &Refund, order: &OrderVersion) -> Value {
    let (currencies, id, at) = (&order.currencies, refund.id, refund.at);
    let number = |amount: Decimal| Number::from_str(&amount.to_string()).map_or(Value::Null, Value::Number);
    let lines = refund.lines.iter().map(|given| {
        let row = &order.lines[given.line];
        json!({
            "id": row.id + 2, "line_item_id": row.id, "quantity": given.quantity, "restock_type": "cancel", "location_id": null,
            "subtotal": number(given.subtotal.shop), "subtotal_set": bag(currencies, given.subtotal), "total_tax": number(given.tax.shop),
            "total_tax_set": bag(currencies, given.tax), "line_item": line(row, order),
        })
    });
    let shipping = refund.shipping.iter().map(|at| &order.shipping[*at]).map(|row| {
        json!({
            "id": row.id + 2, "shipping_line_id": row.id, "subtotal_amount_set": bag(currencies, row.discounted()),
            "tax_amount_set": bag(currencies, row.tax()),
        })
    });
    let back = refund.goodwill.map(|amount| -amount);
    let adjustments: Vec<Value> = (!refund.goodwill.is_zero())
        .then(|| {
            json!({
                "id": id + 2, "order_id": order.id, "refund_id": id, "kind": "refund_discrepancy", "reason": "Refund discrepancy",
                "amount": plain(currencies, back), "amount_set": bag(currencies, back), "tax_amount": plain(currencies, Both::default()),
                "tax_amount_set": bag(currencies, Both::default()),
            })
        })
        .into_iter()
        .collect();
    json!({
        "id": id, "admin_graphql_api_id": gid("Refund", id), "order_id": order.id, "created_at": time(at), "processed_at": time(at),
        "note": null, "restock": !refund.lines.is_empty(), "user_id": null, "refund_line_items": lines.collect::<Vec<_>>(),
        "refund_shipping_lines": shipping.collect::<Vec<_>>(), "duties": [],
        "total_duties_set": bag(currencies, Both::default()), "order_adjustments": adjustments,
        "transactions": [transaction(order, id + 1, refund.paid_back, at)],
    })
}

fn transaction(order: &OrderVersion, id: u64, amount: Both, at: Timestamp) -> Value {
    json!({
        "id": id, "admin_graphql_api_id": gid("OrderTransaction", id), "order_id": order.id, "kind": "refund", "status": "success",
        "gateway": "shopify_payments", "amount": plain(&order.currencies, amount), "currency": order.currencies.shop,
        "created_at": time(at), "processed_at": time(at), "parent_id": id - 1, "test": order.test, "message": "Transaction approved",
    })
}

fn financial(state: Financial) -> &'static str {
    match state {
        Financial::Pending => "pending",
        Financial::Paid => "paid",
        Financial::PartiallyRefunded => "partially_refunded",
        Financial::Refunded => "refunded",
        Financial::Voided => "voided",
    }
}

/// `gid://shopify/Kind/1`.
pub(super) fn gid(kind: &str, id: u64) -> String {
    format!("gid://shopify/{kind}/{id}")
}

/// A rate as the fraction that Shopify prints, as a JSON number.
pub(super) fn rate(percent: Decimal) -> Value {
    let fraction = (percent / Decimal::ONE_HUNDRED).normalize().to_string();
    Number::from_str(&fraction).map_or(Value::Null, Value::Number)
}

fn plain(currencies: &Currencies, amount: Both) -> Value {
    Value::String(fixed(amount.shop, currencies.shop_decimals))
}

fn bag(currencies: &Currencies, amount: Both) -> Value {
    json!({
        "shop_money": money(currencies.shop, amount.shop, currencies.shop_decimals),
        "presentment_money": money(currencies.presentment, amount.presentment, currencies.presentment_decimals),
    })
}

fn money(currency: &str, amount: Decimal, decimals: u32) -> Value {
    json!({"amount": fixed(amount, decimals), "currency_code": currency})
}

fn fixed(amount: Decimal, decimals: u32) -> String {
    let mut amount = amount;
    amount.rescale(decimals);
    amount.to_string()
}

/// An instant with the shop's offset, to the second, as Shopify prints it.
fn time(at: Timestamp) -> String {
    let zone = TimeZone::fixed(Offset::constant(2));
    at.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
#[path = "rest_tests.rs"]
mod tests;
