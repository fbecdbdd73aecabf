//! What the simulated IFS holds of an order, in the terms in which a composed order says what it should.

use std::collections::BTreeMap;

use ml_connector::sandbox::ifs::{OrderView, RowView};
use rust_decimal::Decimal;

use super::composed::Composed;
use super::world::World;

fn figure(row: &RowView, field: &str) -> Decimal {
    row.get(field).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The one order of this key.
pub fn the_order(world: &World, order: &Composed) -> OrderView {
    let mut found = world.sandbox.ifs().orders_by_po(&order.id.to_string());
    assert_eq!(found.len(), 1, "one order of the key {}", order.id);
    found.remove(0)
}

/// The lines that are not cancelled.
pub fn live_lines(view: &OrderView) -> Vec<&RowView> {
    view.lines.iter().filter(|line| line.get("OrderState").is_none_or(|state| state != "Cancelled")).collect()
}

/// Live lines by Shopify's number with their units summed over the rows they stand on, and the gross total of all rows.
pub fn held(view: &OrderView) -> (Vec<(u64, Decimal)>, Decimal) {
    let mut lines: BTreeMap<u64, Decimal> = BTreeMap::new();
    let mut total = Decimal::ZERO;
    for line in live_lines(view) {
        let key = line.get("CustomerPoLineNo").map_or("0", String::as_str);
        let id = key.split(['+', '/']).next().and_then(|id| id.parse().ok()).unwrap_or_default();
        *lines.entry(id).or_default() += figure(line, "BuyQtyDue");
        total += figure(line, "GrossAmountCurr");
    }
    total += view.charges.iter().map(|charge| figure(charge, "GrossAmtCurr")).sum::<Decimal>();
    (lines.into_iter().collect(), total)
}

/// Asserts that IFS holds the order as it stands: once, each line's units, the total to the cent.
pub fn assert_holds(world: &World, order: &Composed) {
    let view = the_order(world, order);
    assert_eq!(held(&view), order.expected(), "{view:#?}");
}
