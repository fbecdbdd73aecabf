//! The figures of `order_figures.graphql`, in GraphQL's names. The amounts are those of the order as it stands now.

use serde::Deserialize;

use super::graphql::MoneyBag;
use super::scalar::Text;

/// What Shopify states of one order.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Figures {
    pub display_financial_status: Option<Text>,
    pub total_discounts_set: Option<MoneyBag>,
    pub total_tip_received_set: MoneyBag,
    pub total_price_set: MoneyBag,
    pub current_subtotal_price_set: MoneyBag,
    pub current_shipping_price_set: Option<MoneyBag>,
    pub current_total_tax_set: MoneyBag,
    pub current_total_duties_set: Option<MoneyBag>,
    pub current_total_additional_fees_set: Option<MoneyBag>,
    pub current_total_price_set: MoneyBag,
}
