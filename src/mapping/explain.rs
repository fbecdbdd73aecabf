//! Why an order becomes what it becomes: each code that rules or settings choose, with what chose it. Pure; prints nothing.

use super::customer;
use super::header::chosen_fields;
use super::packages::{chosen_lines, key_of};
use super::rows::line_of;
use super::rules::Rules;
use super::rules::gl::{ChargeKind, Picked};
use super::sku::part_for;
use crate::domain::order::{Line, LineKind, Order};
use crate::ifs::wire::names;

/// One code and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it goes, as `header OrderId` or `line:1 CatalogNo`.
    pub what: String,
    /// The code; none where the order parks for it.
    pub value: Option<String>,
    /// What chose it, or why nothing did.
    pub because: String,
}

/// Every code of an order that rules or settings choose: header, parts, charge types, tax codes chosen by rules, code parts of rows.
///
/// An order that parks is explained as far as its parts go: what has no code says why.
pub fn explain(order: &Order, rules: &Rules) -> Vec<Item> {
    let mut items = Vec::new();
    // 1. The header, and whose order it is.
    match customer::reference(order, rules) {
        Ok(Some(customer)) => {
            let because = "setting customer".to_owned();
            items.push(Item { what: "customer".into(), value: Some(customer.key), because });
        }
        Ok(None) => {}
        Err(reason) => items.push(parked("customer".into(), reason.text)),
    }
    match chosen_fields(order, rules) {
        Ok(fields) => items.extend(fields.into_iter().map(|(field, picked)| item(format!("header {field}"), &picked))),
        Err(reason) => items.push(parked("header".into(), reason.text)),
    }
    // 2. The lines.
    let lines = chosen_lines(order, rules);
    for line in lines.iter().filter(|line| line.kind != LineKind::Tip && line.current_quantity > 0) {
        let row = key_of(line);
        match part_for(line, order, rules) {
            Ok(part) => items.push(Item {
                what: format!("{row} {}", names::CATALOG_NO),
                value: Some(part.catalog_no),
                because: part.because,
            }),
            Err(reason) => items.push(parked(format!("{row} {}", names::CATALOG_NO), reason.text)),
        }
        posting(&mut items, order, rules, &row, Some(line));
    }
    for line in order.lines.iter().filter(|line| line.current_quantity > 0 && !line.duties.is_empty()) {
        charge(&mut items, order, rules, format!("duty:{}", line.id), (ChargeKind::Duty, Some(line), None));
    }
    // 3. The charges.
    for line in order.shipping_lines.iter().filter(|line| !line.removed) {
        let id = line.id.map_or_else(String::new, |id| id.to_string());
        let of = (ChargeKind::Shipping, None, line.code.as_deref());
        charge(&mut items, order, rules, format!("shipping:{id}"), of);
    }
    if !order.totals.tip.is_zero() {
        charge(&mut items, order, rules, "tip".into(), (ChargeKind::Tip, None, None));
    }
    for fee in &order.fees {
        charge(&mut items, order, rules, format!("fee:{}", fee.id), (ChargeKind::Fee, None, Some(&fee.name)));
    }
    for goodwill in order.goodwill().into_iter().filter(|given| !given.amount.on(rules.side()).is_zero()) {
        let row = format!("goodwill:{}", goodwill.refund_id);
        charge(&mut items, order, rules, row, (ChargeKind::Goodwill, None, None));
    }
    items
}

fn charge(
    items: &mut Vec<Item>,
    order: &Order,
    rules: &Rules,
    row: String,
    (kind, line, name): (ChargeKind, Option<&Line>, Option<&str>),
) {
    let what = format!("{row} {}", names::CHARGE_TYPE);
    items.push(match rules.charge_type(kind, order, line, name) {
        Some(picked) => item(what, &picked),
        None => parked(what, "neither a gl rule nor the charge settings have a charge type for it".into()),
    });
    posting(items, order, rules, &row, line_of(order, &row));
}

fn posting(items: &mut Vec<Item>, order: &Order, rules: &Rules, row: &str, line: Option<&Line>) {
    let parts = rules.row_pre_posting(order, line);
    items.extend(parts.into_iter().map(|(field, picked)| item(format!("{row} {field}"), &picked)));
}

fn item(what: String, picked: &Picked<'_>) -> Item {
    Item { what, value: Some(picked.value.to_owned()), because: picked.because.to_string() }
}

fn parked(what: String, because: String) -> Item {
    Item { what, value: None, because }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::fixtures;

    #[test]
    fn each_code_is_explained_by_what_chose_it_and_is_the_one_that_is_written() {
        let mut settings = fixtures::settings();
        settings.gl.rules = serde_json::from_str(
            r#"[{"name": "german", "when": {"country": "DE"}, "order_type": "WEBX", "charge": {"shipping": "DHL"},
                 "pre_posting": {"B": "110"}, "row_pre_posting": {"C": "150"}}]"#,
        )
        .expect("rules");
        let rules = Rules::new(settings).expect("legal");
        let order = fixtures::order("plain-eur");
        let desired = fixtures::desired_of(&order, &rules);
        let items = explain(&order, &rules);
        let because = |what: &str| {
            items.iter().find(|item| item.what == what).map(|item| item.because.as_str()).unwrap_or("nothing")
        };
        assert_eq!(because("header OrderId"), "gl rule \"german\"");
        assert_eq!(because("header CodeB"), "gl rule \"german\"");
        assert_eq!(because("header AuthorizeCode"), "setting coordinator");
        assert_eq!(because("line:487817672276298001 CatalogNo"), "the line's SKU");
        assert_eq!(because("shipping:271878346596884001 ChargeType"), "gl rule \"german\"");
        for item in &items {
            let (row, field) = item.what.split_once(' ').expect("a row and a field");
            let mut rows = desired.lines.iter().chain(&desired.charges);
            let fields = if row == "header" {
                &desired.header
            } else {
                &rows.find(|known| known.key == row).expect("a row that is written").fields
            };
            assert_eq!(fields.get(field).map(ToString::to_string), item.value, "{}", item.what);
        }
    }

    #[test]
    fn what_has_no_code_says_why() {
        let mut order = fixtures::order("plain-eur");
        order.lines[0].sku = None;
        let items = explain(&order, &fixtures::rules());
        let open: Vec<&Item> = items.iter().filter(|item| item.value.is_none()).collect();
        assert!(open.len() == 1 && open[0].because.contains("has no SKU"), "{open:?}");
    }
}
