//! Deliveries that tell of an order without being one: `orders/edited` and `refunds/create`. They carry no sums of the order,
//! so that only its id is of use.

use serde::Deserialize;

use super::scalar::Id;

/// The body of `orders/edited`.
#[derive(Deserialize)]
pub struct OrderEdited {
    /// The edit.
    pub order_edit: OrderEdit,
}

/// An edit of an order: rows that came and went, without money.
#[derive(Deserialize)]
pub struct OrderEdit {
    /// The order that it changed.
    pub order_id: Id,
}

/// The body of `orders/delete`.
#[derive(Deserialize)]
pub struct OrderDeleted {
    /// The order that is gone.
    pub id: Id,
}

/// The body of `refunds/create`, as far as it names its order.
#[derive(Deserialize)]
pub struct RefundCreated {
    /// Shopify's number of the refund.
    pub id: Id,
    /// The order that it belongs to.
    pub order_id: Id,
}
