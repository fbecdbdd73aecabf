//! Orders by the page or from a file, with the figures that Shopify states of each: what it is worth now, and when it last changed.
//! Enough to tell whether a version that is known still stands; what it is made of is read by its id.

use super::client::{Document, ShopifyClient};
use super::error::ShopifyError;
use super::orders::{OrderHead, OrderPage, OrderSearch, PageSize, SortKey, head_of};
use super::wire::figures::Figures;

const ORDER_FIGURES: Document =
    Document { operation: "OrderFigures", text: include_str!("graphql/order_figures.graphql") };

/// Most orders of a page with figures: each costs 28 points (itself, and three for each of nine amounts), and a query may cost 1,000.
pub const FIGURES_PAGE_MAX: u32 = 35;

/// What a bulk operation selects beside an order's head; the same as `order_figures.graphql`.
pub(super) const FIGURE_FIELDS: &str = "displayFinancialStatus \
    totalDiscountsSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } \
    totalTipReceivedSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } \
    totalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } \
    currentSubtotalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } \
    currentShippingPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } \
    currentTotalTaxSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } \
    currentTotalDutiesSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } \
    currentTotalAdditionalFeesSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } } \
    currentTotalPriceSet { shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }";

/// An order as a list with figures shows it.
pub struct ListedOrder {
    /// Who it is and when it changed.
    pub head: OrderHead,
    /// What Shopify states of it.
    pub figures: Figures,
}

impl ShopifyClient {
    /// One page of the orders that a search finds, the oldest first, behind `after`. A page that is too costly is asked for in half,
    /// and `size` remembers that.
    ///
    /// # Errors
    /// It could not be read whole. It was tried again where that is of use.
    pub async fn figures_page(
        &self,
        search: &OrderSearch,
        after: Option<&str>,
        size: &mut PageSize,
    ) -> Result<OrderPage<ListedOrder>, ShopifyError> {
        self.paged(&ORDER_FIGURES, (search, SortKey::CreatedAt), after, size, listed_of).await
    }
}

/// An order and its figures out of its JSON.
pub(super) fn listed_of(line: &[u8]) -> Result<ListedOrder, ShopifyError> {
    Ok(ListedOrder { head: head_of(line)?, figures: serde_json::from_slice(line)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_and_a_bulk_operation_select_the_same_figures() {
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one_line(ORDER_FIGURES.text).contains(&format!("closedAt {} }} pageInfo", one_line(FIGURE_FIELDS))));
    }
}
