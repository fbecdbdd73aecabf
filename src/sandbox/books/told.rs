//! What the shop was told of an order against what IFS holds of it: number, state, tag.

use super::super::ifs::OrderView;
use super::super::shopify::{ORDER_NO_KEY, OrderVersion};
use super::BookedTelling;
use super::compare::{Report, text};

/// How much of it must be up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// The number. The state moved on in IFS without anybody telling the integration.
    Number,
    /// Number and state.
    NumberAndState,
}

/// Compares; what the shop knows stands first, as what was sold does elsewhere.
pub(super) fn compare(known: &OrderVersion, held: &OrderView, told: BookedTelling, depth: Depth, report: Report<'_>) {
    if told == BookedTelling::Nothing {
        return;
    }
    let metafield = |key: &str| {
        let field = known.metafields.iter().find(|field| field.key == key);
        field.map_or("", |field| field.value.as_str())
    };
    text("metafield order_no", metafield(ORDER_NO_KEY), &held.order_no, report);
    if depth == Depth::NumberAndState {
        text("metafield state", metafield("state"), held.field("Objstate"), report);
    }
    if told == BookedTelling::MetafieldsAndTags {
        let tags: Vec<&str> = known.tags.iter().filter(|tag| tag.starts_with("ifs-")).map(String::as_str).collect();
        text("tags", &tags.join(", "), &format!("ifs-{}", held.order_no), report);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::super::shopify::{Shop, Story};
    use super::super::super::{Sandbox, SandboxSettings};
    use super::*;

    fn compared(shop: &Shop, id: u64, order_no: &str, state: &str, depth: Depth) -> Vec<String> {
        let held = OrderView {
            order_no: order_no.to_owned(),
            header: BTreeMap::from([("Objstate".to_owned(), state.to_owned())]),
            address: None,
            lines: Vec::new(),
            charges: Vec::new(),
        };
        let mut found = Vec::new();
        shop.with_sold(|orders| {
            let known = orders[&id].versions.last().expect("a version");
            let mut report = |component, sold, ifs| found.push(format!("{component}: {sold} / {ifs}"));
            compare(known, &held, BookedTelling::MetafieldsAndTags, depth, &mut report);
        });
        found
    }

    #[test]
    fn what_a_shop_was_told_wrong_twice_or_not_at_all_is_seen() {
        let sandbox = Sandbox::start(SandboxSettings::default()).expect("starts");
        let shop = sandbox.shop(0).expect("a shop");
        let id = shop.place(Story::Plain);
        let untold = compared(&shop, id, "W1", "Planned", Depth::NumberAndState);
        assert_eq!(untold, ["metafield order_no:  / W1", "metafield state:  / Planned", "tags:  / ifs-W1"]);
        shop.is_told(id, &[("order_no", "W1"), ("state", "Planned")], &["ifs-W1"]);
        assert!(compared(&shop, id, "W1", "Planned", Depth::NumberAndState).is_empty());
        assert_eq!(
            compared(&shop, id, "W1", "Released", Depth::NumberAndState),
            ["metafield state: Planned / Released"]
        );
        assert!(compared(&shop, id, "W1", "Released", Depth::Number).is_empty());
        shop.is_told(id, &[], &["ifs-W2"]);
        assert_eq!(compared(&shop, id, "W1", "Planned", Depth::Number), ["tags: ifs-W1, ifs-W2 / ifs-W1"]);
    }
}
