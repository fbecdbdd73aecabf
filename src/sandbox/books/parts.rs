//! An order that stands on two orders of IFS, as one: what came too late for the first is on a second one of its own key.

use rust_decimal::Decimal;

use super::super::ifs::{OrderView, RowView};

/// The figures of a line that add up over the orders it stands on.
const SUMMED: [&str; 4] = ["BuyQtyDue", "NetAmountCurr", "GrossAmountCurr", "TaxAmountCurr"];

/// Puts the one live second order into the one live first. Whatever else there is stays beside, and is seen as double.
pub(super) fn put_together(held: &mut Vec<OrderView>, second: Vec<OrderView>) {
    let (live, mut others): (Vec<OrderView>, Vec<OrderView>) = second.into_iter().partition(OrderView::is_live);
    // One that was cancelled is none.
    if others.len() == 1 && live.is_empty() {
        others.clear();
    }
    if let ([first], [second]) = (held.as_mut_slice(), live.as_slice())
        && first.is_live()
    {
        merge(first, second);
    } else {
        held.extend(live);
    }
    held.extend(others);
}

fn merge(first: &mut OrderView, second: &OrderView) {
    for line in &second.lines {
        let same = |own: &&mut RowView| {
            ["CustomerPoLineNo", "CatalogNo", "OrderState"].iter().all(|field| own.get(*field) == line.get(*field))
                && line.get("CustomerPoLineNo").is_some_and(|key| !key.is_empty())
        };
        match first.lines.iter_mut().find(same) {
            Some(own) => add(own, line),
            None => first.lines.push(line.clone()),
        }
    }
    first.charges.extend(second.charges.iter().cloned());
}

fn add(own: &mut RowView, line: &RowView) {
    let figure = |row: &RowView, field: &str| {
        row.get(field).and_then(|text| Decimal::from_str_exact(text).ok()).unwrap_or_default()
    };
    for field in SUMMED {
        let sum = figure(own, field) + figure(line, field);
        own.insert(field.to_owned(), sum.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, units: &str) -> RowView {
        let fields =
            [("CustomerPoLineNo", key), ("CatalogNo", "MUG"), ("OrderState", "Released"), ("BuyQtyDue", units)];
        fields.map(|(field, value)| (field.to_owned(), value.to_owned())).into()
    }

    fn order(state: &str, lines: Vec<RowView>) -> OrderView {
        let header = [("Objstate".to_owned(), state.to_owned())].into();
        OrderView { order_no: "1".into(), header, lines, charges: Vec::new(), address: None }
    }

    #[test]
    fn a_line_on_both_orders_is_one_and_a_cancelled_second_order_none() {
        let mut held = vec![order("Delivered", vec![line("1", "3")])];
        put_together(&mut held, vec![order("Planned", vec![line("1", "2"), line("2", "1")])]);
        assert_eq!(held.len(), 1);
        let units: Vec<&str> = held[0].lines.iter().map(|line| line["BuyQtyDue"].as_str()).collect();
        assert_eq!(units, ["5", "1"]);
        put_together(&mut held, vec![order("Cancelled", Vec::new())]);
        assert_eq!(held.len(), 1);
        put_together(&mut held, vec![order("Planned", Vec::new()), order("Planned", Vec::new())]);
        assert_eq!(held.len(), 3, "two second orders are one too many");
    }
}
