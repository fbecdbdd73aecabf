//! How many units of each line of an order are not fulfilled, as both roads tell it. Read where stock is concerned alone: nothing of
//! an order in IFS depends on it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::decode::{DecodeError, decode};
use super::{Gid, Id, Quantity};

/// Units that are not fulfilled, by Shopify's number of the line; a line that does not tell it is left out.
pub type OpenUnits = BTreeMap<u64, u32>;

#[derive(Deserialize)]
struct RestOrder {
    line_items: Vec<RestLine>,
}

#[derive(Deserialize)]
struct RestLine {
    id: Id,
    #[serde(default)]
    fulfillable_quantity: Option<Quantity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GraphqlOrder {
    line_items: GraphqlLines,
}

#[derive(Deserialize)]
struct GraphqlLines {
    nodes: Vec<GraphqlLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GraphqlLine {
    id: Gid,
    #[serde(default)]
    unfulfilled_quantity: Option<Quantity>,
}

/// Of the body of an order webhook.
///
/// # Errors
/// [`DecodeError`] for the first place that does not fit.
pub fn open_units_of_rest(body: &[u8]) -> Result<OpenUnits, DecodeError> {
    let order: RestOrder = decode(body)?;
    let lines = order.line_items.into_iter();
    Ok(lines.filter_map(|line| Some((line.id.0, line.fulfillable_quantity?.0))).collect())
}

/// Of the `order` object of an `order_by_id` answer.
///
/// # Errors
/// [`DecodeError`] for the first place that does not fit.
pub fn open_units_of_graphql(order: &[u8]) -> Result<OpenUnits, DecodeError> {
    let order: GraphqlOrder = decode(order)?;
    let lines = order.line_items.nodes.into_iter();
    Ok(lines.filter_map(|line| Some((line.id.id, line.unfulfilled_quantity?.0))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_roads_tell_what_is_not_fulfilled_and_a_line_that_does_not_is_left_out() {
        let rest = br#"{"id":1,"line_items":[{"id":7,"fulfillable_quantity":2},{"id":8,"fulfillable_quantity":null},{"id":9}]}"#;
        assert_eq!(open_units_of_rest(rest), Ok(BTreeMap::from([(7, 2)])));
        let graphql = br#"{"lineItems":{"nodes":[{"id":"gid://shopify/LineItem/7","unfulfilledQuantity":0},{"id":"gid://shopify/LineItem/8"}]}}"#;
        assert_eq!(open_units_of_graphql(graphql), Ok(BTreeMap::from([(7, 0)])));
        assert!(open_units_of_rest(b"{}").is_err());
    }
}
