//! Whether the figures that a list states of an order are those of a version that we know.

use rust_decimal::Decimal;

use crate::domain::money::MoneyPair;
use crate::domain::order::{FinancialStatus, Order};
use crate::shopify::wire::figures::Figures;
use crate::shopify::wire::graphql::MoneyBag;

/// Whether each figure is the known one, in both currencies. Where a webhook leaves one out, the list's word for it counts for nothing.
pub fn confirms(figures: &Figures, order: &Order) -> bool {
    let totals = &order.totals;
    let status = figures.display_financial_status.as_ref().filter(|word| !word.0.trim().is_empty());
    let same_status = status.map(|word| FinancialStatus::parse(&word.0)) == order.financial_status;
    let stated = [
        (&figures.total_tip_received_set, &totals.tip),
        (&figures.total_price_set, &totals.total),
        (&figures.current_subtotal_price_set, &totals.current_subtotal),
        (&figures.current_total_tax_set, &totals.current_tax),
        (&figures.current_total_price_set, &totals.current_total),
    ];
    let maybe = [
        (&figures.total_discounts_set, Some(&totals.discounts)),
        (&figures.current_total_duties_set, totals.current_duties.as_ref()),
        (&figures.current_total_additional_fees_set, totals.current_fees.as_ref()),
    ];
    let shipping = match (&figures.current_shipping_price_set, &totals.current_shipping) {
        (told, Some(known)) => same_or_nothing(told.as_ref(), Some(known)),
        (_, None) => true,
    };
    same_status
        && shipping
        && stated.into_iter().all(|(told, known)| same(told, known))
        && maybe.into_iter().all(|(told, known)| same_or_nothing(told.as_ref(), known))
}

fn same(told: &MoneyBag, known: &MoneyPair) -> bool {
    let sides = [(&told.shop_money, &known.shop), (&told.presentment_money, &known.presentment)];
    sides
        .into_iter()
        .all(|(told, known)| told.amount.0 == known.amount() && told.currency_code.0 == known.currency().code())
}

/// The same, where nothing and a zero say the same.
fn same_or_nothing(told: Option<&MoneyBag>, known: Option<&MoneyPair>) -> bool {
    match (told, known) {
        (Some(told), Some(known)) => same(told, known),
        (Some(told), None) => told.shop_money.amount.0 == Decimal::ZERO,
        (None, Some(known)) => known.shop.amount().is_zero(),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::mapping::fixtures;

    /// What a list states of an order, of which an answer by id holds all.
    fn listed(answer: &Value) -> Figures {
        serde_json::from_str(&answer.to_string()).expect("the figures of a list")
    }

    #[test]
    fn an_orders_own_figures_confirm_it_on_both_roads_and_others_do_not() {
        let mut compared = 0;
        for name in fixtures::names().iter().filter(|name| fixtures::has_graphql(name)) {
            let answer: Value = serde_json::from_str(&fixtures::graphql(name)).expect("JSON");
            let (order, webhook) = (fixtures::re_read(name), fixtures::order(name));
            assert!(confirms(&listed(&answer), &order), "{name}");
            assert!(webhook.not_whole().is_some() || confirms(&listed(&answer), &webhook), "{name}, by its webhook");
            for field in [
                "totalPriceSet",
                "totalTipReceivedSet",
                "currentSubtotalPriceSet",
                "currentTotalTaxSet",
                "currentTotalPriceSet",
            ] {
                let mut other = answer.clone();
                other[field]["presentmentMoney"]["amount"] = json!("4711.11");
                assert!(!confirms(&listed(&other), &order), "{name} {field}");
            }
            let mut other = answer.clone();
            other["displayFinancialStatus"] = json!("VOIDED");
            let is_voided = order.financial_status == Some(FinancialStatus::Voided);
            assert_eq!(confirms(&listed(&other), &order), is_voided, "{name}");
            compared += 1;
        }
        assert!(compared >= 70, "{compared}");
    }
}
