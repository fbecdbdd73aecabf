//! What an order says of the customer that carries it.

use super::{content_id, key};
use crate::domain::address::Address;
use crate::domain::order::Order;
use crate::mapping::address::fields_of;
use crate::mapping::desired::CustomerRef;
use crate::mapping::park::ParkReason;
use crate::mapping::rules::Rules;

/// Whether an order has a customer of its own in IFS. One that a till sold without any address has none, even where its buyer is
/// known: a customer needs an address, and one document for each receipt would wait for a person for ever. A company's has.
pub fn has_its_own(order: &Order, rules: &Rules) -> bool {
    let has_address = order.billing_address.is_some() || order.shipping_address.is_some();
    rules.matches_customers() && (has_address || order.company.is_some() || !order.is_till_sale())
}

/// What an order says of the customer that it waits for; none where the settings name its customer.
///
/// # Errors
/// Under `ship_address = "customer_address"` parks an order with an address that does not map: it would go to, or be billed
/// to, another address of its customer than the one that it names.
pub fn reference(order: &Order, rules: &Rules) -> Result<Option<CustomerRef>, ParkReason> {
    if !has_its_own(order, rules) {
        return Ok(None);
    }
    let id = |address: Option<&Address>| {
        let named = address.filter(|_| rules.ships_to_customer_address());
        named.map(|address| fields_of(address, rules).map(|fields| content_id(&fields))).transpose()
    };
    let bill_addr_no = match &order.billing_address {
        Some(billed) => id(Some(billed)).map_err(of_billing)?,
        None => id(order.shipping_address.as_ref())?,
    };
    Ok(Some(CustomerRef { key: key(order), bill_addr_no, ship_addr_no: id(order.delivery_address())? }))
}

/// The reason of the address mapping, which knows of one address alone, said of the one that is billed.
fn of_billing(reason: ParkReason) -> ParkReason {
    ParkReason { text: reason.text.replace("the delivery address", "the billing address"), ..reason }
}
