//! Orders by the page: ids, names and times. Searches are put together here, in Shopify's search syntax, so that no caller
//! writes one by hand. What an order holds is read by its id.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::client::{Document, ShopifyClient};
use super::error::ShopifyError;

const ORDER_IDS: Document = Document { operation: "OrderIds", text: include_str!("graphql/order_ids.graphql") };
const ORDERS_COUNT: Document =
    Document { operation: "OrdersCount", text: include_str!("graphql/orders_count.graphql") };

/// Most orders of one page (Shopify's own limit).
pub const PAGE_MAX: u32 = 250;
/// A page that is too costly is halved, but not below this.
const PAGE_MIN: u32 = 10;

/// An order as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderHead {
    /// Shopify's number.
    pub id: u64,
    /// Shopify's name, e.g. `#1001`.
    pub name: String,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Whether it was cancelled.
    pub is_cancelled: bool,
    /// Whether it was closed, which Shopify's staff call archived.
    pub is_archived: bool,
}

/// One page of orders.
#[derive(Debug, Clone)]
pub struct OrderPage<T = OrderHead> {
    /// The orders, in the order asked for.
    pub orders: Vec<T>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
    /// Shopify's clock, where the answer told it.
    pub shop_time: Option<Timestamp>,
}

/// By what a list is sorted, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// By the time of the last change.
    UpdatedAt,
    /// By the time at which they were placed.
    CreatedAt,
}

impl SortKey {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UpdatedAt => "UPDATED_AT",
            Self::CreatedAt => "CREATED_AT",
        }
    }
}

/// How many orders, or other things, a page holds; it shrinks where Shopify finds it too costly, and stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u32);

impl PageSize {
    /// A page of so many orders, within what Shopify allows.
    pub fn of(orders: u32) -> Self {
        Self(orders.clamp(1, PAGE_MAX))
    }

    /// How many that is.
    pub(super) fn get(self) -> u32 {
        self.0
    }

    /// Half of it next time; false at the floor.
    pub(super) fn halve(&mut self) -> bool {
        let shrinks = self.0 > PAGE_MIN;
        if shrinks {
            self.0 = (self.0 / 2).max(PAGE_MIN);
        }
        shrinks
    }
}

/// Which orders are asked for. Bounds are given to the second, as Shopify keeps times: a lower one downwards, an upper one upwards.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderSearch(String);

impl OrderSearch {
    /// All of them.
    pub fn all() -> Self {
        Self::default()
    }

    /// Changed at this time or later.
    pub fn updated_from(self, at: Timestamp) -> Self {
        self.and(format_args!("updated_at:>='{}'", second_below(at)))
    }

    /// Changed before this time.
    pub fn updated_before(self, at: Timestamp) -> Self {
        self.and(format_args!("updated_at:<'{}'", second_above(at)))
    }

    /// Placed at this time or later.
    pub fn created_from(self, at: Timestamp) -> Self {
        self.and(format_args!("created_at:>='{}'", second_below(at)))
    }

    /// Placed before this time.
    pub fn created_before(self, at: Timestamp) -> Self {
        self.and(format_args!("created_at:<'{}'", second_above(at)))
    }

    /// Called so. `None` for a text that cannot be the name of an order.
    pub fn named(self, name: &str) -> Option<Self> {
        let legal = |c: char| !c.is_control() && !matches!(c, '\'' | '"' | '\\');
        (!name.is_empty() && name.chars().all(legal)).then(|| self.and(format_args!("name:'{name}'")))
    }

    /// Archived, which Shopify's search calls closed.
    pub fn archived(self) -> Self {
        self.and(format_args!("status:closed"))
    }

    /// Placed in this time, or last changed in it.
    pub fn touched_between(self, since: Timestamp, until: Option<Timestamp>) -> Self {
        let since = second_below(since);
        match until.map(second_above) {
            None => self.and(format_args!("(created_at:>='{since}' OR updated_at:>='{since}')")),
            Some(until) => self.and(format_args!(
                "((created_at:>='{since}' created_at:<'{until}') OR (updated_at:>='{since}' updated_at:<'{until}'))"
            )),
        }
    }

    /// Whatever their status, each named: for a shop whose search leaves archived orders out unless they are asked for.
    pub fn of_every_status(self) -> Self {
        self.and(format_args!("(status:open OR status:closed OR status:cancelled)"))
    }

    /// The text that is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn and(mut self, term: std::fmt::Arguments<'_>) -> Self {
        let blank = if self.0.is_empty() { "" } else { " " };
        write!(self.0, "{blank}{term}").expect("a String takes every text");
        self
    }
}

fn second_below(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn second_above(at: Timestamp) -> Timestamp {
    let below = second_below(at);
    if below == at { at } else { below.checked_add(jiff::SignedDuration::from_secs(1)).unwrap_or(at) }
}

impl ShopifyClient {
    /// One page of the orders that a search finds, behind `after`. A page that is too costly is asked for in half, and `size` remembers that.
    ///
    /// # Errors
    /// It could not be read whole. It was tried again where that is of use.
    pub async fn order_page(
        &self,
        search: &OrderSearch,
        sort: SortKey,
        after: Option<&str>,
        size: &mut PageSize,
    ) -> Result<OrderPage, ShopifyError> {
        self.paged(&ORDER_IDS, (search, sort), after, size, head_of).await
    }

    /// One page of what a document selects of each order.
    pub(super) async fn paged<T>(
        &self,
        document: &Document,
        (search, sort): (&OrderSearch, SortKey),
        after: Option<&str>,
        size: &mut PageSize,
        read: impl Fn(&[u8]) -> Result<T, ShopifyError>,
    ) -> Result<OrderPage<T>, ShopifyError> {
        loop {
            let variables =
                json!({ "first": size.0, "after": after, "query": search.as_str(), "sortKey": sort.as_str() });
            match self.query(document, variables).await {
                Ok(data) => return self.page_of(data.get(), read),
                Err(ShopifyError::TooCostly { .. }) if size.halve() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The order that was changed last, and Shopify's clock; a shop may have none.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn newest_order(&self) -> Result<OrderPage, ShopifyError> {
        let variables = json!({ "first": 1, "query": "", "sortKey": SortKey::UpdatedAt.as_str(), "reverse": true });
        let data = self.query(&ORDER_IDS, variables).await?;
        self.page_of(data.get(), head_of)
    }

    /// How many orders a search finds; `None` where Shopify only tells that there are at least some.
    ///
    /// # Errors
    /// It could not be read.
    pub async fn orders_count(&self, search: &OrderSearch) -> Result<Option<u64>, ShopifyError> {
        let data = self.query(&ORDERS_COUNT, json!({ "query": search.as_str() })).await?;
        let data: CountData = serde_json::from_str(data.get())?;
        let count = data.orders_count.ok_or(ShopifyError::NotWhole { what: "there is no count" })?;
        Ok((count.precision == "EXACT").then_some(count.count))
    }

    fn page_of<T>(
        &self,
        data: &str,
        read: impl Fn(&[u8]) -> Result<T, ShopifyError>,
    ) -> Result<OrderPage<T>, ShopifyError> {
        let data: Data = serde_json::from_str(data)?;
        let PageInfo { has_next_page, end_cursor } = data.orders.page_info;
        let nodes = data.orders.nodes.iter();
        let orders: Vec<T> = nodes.map(|node| read(node.get().as_bytes())).collect::<Result<_, _>>()?;
        let next = match (has_next_page, end_cursor) {
            (false, _) => None,
            (true, Some(_)) if orders.is_empty() => {
                return Err(ShopifyError::NotWhole { what: "an empty page of orders goes on" });
            }
            (true, Some(cursor)) => Some(cursor),
            (true, None) => return Err(ShopifyError::NotWhole { what: "a page of orders has no cursor" }),
        };
        Ok(OrderPage { orders, next, shop_time: self.shop_time() })
    }
}

/// An order out of its JSON.
pub(super) fn head_of(line: &[u8]) -> Result<OrderHead, ShopifyError> {
    head(serde_json::from_slice(line)?)
}

fn head(node: Node) -> Result<OrderHead, ShopifyError> {
    let id = node.legacy_resource_id.parse().ok().filter(|id| node.id == format!("gid://shopify/Order/{id}"));
    let id = id.ok_or(ShopifyError::NotWhole { what: "an order's id is none" })?;
    let time = |text: &str| text.parse().map_err(|_| ShopifyError::NotWhole { what: "an order's time is none" });
    Ok(OrderHead {
        id,
        name: node.name,
        created_at: time(&node.created_at)?,
        updated_at: time(&node.updated_at)?,
        is_cancelled: node.cancelled_at.is_some(),
        is_archived: node.closed_at.is_some(),
    })
}

#[derive(Deserialize)]
struct Data {
    orders: Orders,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Orders {
    nodes: Vec<Box<RawValue>>,
    page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    id: String,
    legacy_resource_id: String,
    name: String,
    created_at: String,
    updated_at: String,
    cancelled_at: Option<String>,
    closed_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CountData {
    orders_count: Option<Count>,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
    precision: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a literal timestamp")
    }

    #[test]
    fn a_search_quotes_its_times_and_rounds_them_outwards() {
        let search = OrderSearch::all()
            .updated_from(at("2026-11-27T10:00:00.9Z"))
            .created_before(at("2026-11-27T11:00:00.1Z"))
            .of_every_status();
        assert_eq!(
            search.as_str(),
            "updated_at:>='2026-11-27T10:00:00Z' created_at:<'2026-11-27T11:00:01Z' (status:open OR status:closed OR status:cancelled)"
        );
        let whole = OrderSearch::all().updated_before(at("2026-11-27T11:00:00Z"));
        assert_eq!(whole.as_str(), "updated_at:<'2026-11-27T11:00:00Z'");
    }

    #[test]
    fn a_name_that_could_leave_its_quotes_is_no_name() {
        assert_eq!(OrderSearch::all().named("#1001").expect("a name").as_str(), "name:'#1001'");
        for bad in ["", "1' OR status:open", "a\"b", "a\\b", "a\nb"] {
            assert!(OrderSearch::all().named(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_page_is_halved_down_to_its_floor() {
        let mut size = PageSize::of(999);
        let mut sizes = vec![size.0];
        while size.halve() {
            sizes.push(size.0);
        }
        assert_eq!(sizes, [250, 125, 62, 31, 15, 10]);
    }
}
