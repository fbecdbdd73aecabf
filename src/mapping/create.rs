//! The requests that make an order in IFS and read it back. Plain data: encoding and sending are the client's.

use serde_json::{Map, Value, json};

use super::desired::{DesiredOrder, Fields};
use crate::ifs::wire::{PartRequest, key, names};

/// The Content-ID of the header in the change set.
const HEADER_ID: u32 = 1;

/// The parts of the one change set that creates an order: header, address flag, address, lines, charges.
///
/// Rows name the header by its Content-ID and carry neither `OrderNo` nor `Identity1`, since IFS chooses the number.
pub fn create_parts(desired: &DesiredOrder) -> Vec<PartRequest> {
    let under = |navigation: &str| format!("${HEADER_ID}/{navigation}");
    let mut parts = vec![PartRequest::post(names::ORDER_SET, body(&desired.header))];
    if let Some(address) = &desired.address {
        let this = format!("${HEADER_ID}");
        parts.push(PartRequest::patch(&this, &this, json!({ names::ADDR_FLAG_DB: "Y" })));
        parts.push(PartRequest::post(under(names::ADDRESSES), body(address)));
    }
    parts.extend(desired.lines.iter().map(|row| PartRequest::post(under(names::LINES), body(&row.fields))));
    parts.extend(desired.charges.iter().map(|row| PartRequest::post(under(names::CHARGES), body(&row.fields))));
    (HEADER_ID..).zip(parts).map(|(content_id, part)| part.with_content_id(content_id)).collect()
}

/// The order without its rows: what a sequential create announces and sends first. The rows follow one by one.
pub fn header_only(desired: &DesiredOrder) -> DesiredOrder {
    DesiredOrder { lines: Vec::new(), charges: Vec::new(), ..desired.clone() }
}

/// Whether this is an order whose rows are still to follow.
pub fn is_header_only(desired: &DesiredOrder) -> bool {
    desired.lines.is_empty() && desired.charges.is_empty()
}

/// The reads after a write, in this order: header by key, lines, charges, and the address by key where we write one.
pub fn read_back_parts(order_no: &str, desired: &DesiredOrder) -> Vec<PartRequest> {
    let mut parts = vec![
        PartRequest::get(key::order(order_no)),
        PartRequest::get(key::lines(order_no)),
        PartRequest::get(key::charges(order_no)),
    ];
    if desired.address.is_some() {
        parts.push(PartRequest::get(key::address(order_no)));
    }
    parts
}

/// The look-up of an order by its business key and site: at most three, so that a double shows.
///
/// `CustomerNo` is compared afterwards and not filtered by: a person may have changed it.
pub fn look_up_part(key_field: &str, business_key: &str, contract: &str) -> PartRequest {
    records_part(key_field, business_key, contract, 3)
}

/// The same for everything that carries the key, cancelled ones too: more than anybody keys.
pub fn all_records_part(key_field: &str, business_key: &str, contract: &str) -> PartRequest {
    records_part(key_field, business_key, contract, 100)
}

fn records_part(key_field: &str, business_key: &str, contract: &str, most: usize) -> PartRequest {
    let (business_key, contract) = (key::quoted(business_key), key::quoted(contract));
    let select = [
        names::ORDER_NO,
        names::OBJSTATE,
        key_field,
        names::CUSTOMER_NO,
        names::CONTRACT,
        names::COMPANY,
        names::CURRENCY_CODE,
        names::USE_PRICE_INCL_TAX,
    ]
    .join(",");
    PartRequest::get(format!(
        "{}?$filter={key_field}%20eq%20{business_key}%20and%20{}%20eq%20{contract}&$select={select}&$orderby={}&$top={most}",
        names::ORDER_SET,
        names::CONTRACT,
        names::ORDER_NO
    ))
}

/// The bound action that cancels an order. `action` is its name without namespace, as IFS's release has it.
pub fn cancel_part(order_no: &str, etag: &str, action: &str, reason_code: &str) -> PartRequest {
    cancel_line_part(&key::order(order_no), etag, action, reason_code)
}

/// The bound action that cancels a line, by its URL.
pub fn cancel_line_part(url: &str, etag: &str, action: &str, reason_code: &str) -> PartRequest {
    PartRequest::post(bound(url, action), json!({ names::CANCEL_REASON: reason_code })).with_if_match(etag)
}

/// The bound action that releases an order.
pub fn release_part(order_no: &str, etag: &str, action: &str) -> PartRequest {
    PartRequest::post(bound(&key::order(order_no), action), json!({})).with_if_match(etag)
}

fn bound(url: &str, action: &str) -> String {
    format!("{url}/IfsApp.CustomerOrderHandling.{action}")
}

pub(super) fn body(fields: &Fields) -> Value {
    Value::Object(fields.iter().map(|(field, value)| (field.clone(), value.to_json())).collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ifs::wire::Method;
    use crate::mapping::fixtures;

    #[test]
    fn a_create_is_one_change_set_that_hangs_on_its_header() {
        let desired = fixtures::desired();
        let parts = create_parts(&desired);
        let summaries: Vec<String> = parts.iter().map(PartRequest::summary).collect();
        assert_eq!(
            summaries,
            [
                "POST CustomerOrderSet",
                "PATCH $1",
                "POST $1/CustomerOrderAddresses",
                "POST $1/OrderLinesArray",
                "POST $1/OrderLinesArray",
                "POST $1/CustomerOrderChargeArray"
            ]
        );
        assert_eq!(parts.len(), desired.create_parts());
        let ids: Vec<_> = parts.iter().map(|part| part.content_id).collect();
        assert_eq!(ids, [Some(1), Some(2), Some(3), Some(4), Some(5), Some(6)]);
        assert_eq!(parts[1].if_match.as_deref(), Some("$1"));
        let line = parts[3].body.as_ref().expect("a body");
        assert!(line.get("OrderNo").is_none() && line["SaleUnitPrice"].is_string());
    }

    #[test]
    fn a_look_up_asks_by_key_and_site() {
        let part = look_up_part("CustomerPoNo", "820982911946154508", "S10");
        assert_eq!(part.method, Method::Get);
        assert!(part.url.starts_with(
            "CustomerOrderSet?$filter=CustomerPoNo%20eq%20'820982911946154508'%20and%20Contract%20eq%20'S10'&$select="
        ));
        assert!(part.url.ends_with("&$orderby=OrderNo&$top=3"));
    }
}
