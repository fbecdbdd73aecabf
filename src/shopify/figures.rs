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
        let bulk = include_str!("graphql/bulk_of_figures.graphql");
        let of = |text: &str| -> Vec<String> {
            let lines = text.lines().map(str::trim).skip_while(|line| *line != "id").take_while(|line| *line != "}");
            lines.map(str::to_owned).collect()
        };
        assert_eq!(of(bulk).len(), 17);
        assert_eq!(of(ORDER_FIGURES.text), of(bulk));
    }
}
