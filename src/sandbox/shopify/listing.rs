//! `orders` and `ordersCount` of the simulated Admin API: which orders the token may see, in which order, a page at a time. The
//! cursors stand for values, so that a page goes on where the last one ended whatever was changed between.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::model::OrderVersion;
use super::search::Search;
use super::{Shop, Sold, State, graph};

/// Orders older than this are hidden from a token without `read_all_orders`.
const SEEN_FOR: SignedDuration = SignedDuration::from_hours(60 * 24);
/// Shopify does not page beyond so many objects.
const PAGED_MAX: usize = 25_000;

/// What bends the listing of one shop.
#[derive(Debug)]
pub(super) struct Listing {
    /// The token lacks `read_all_orders`.
    old_ones_hidden: bool,
    /// Orders that no search by `updated_at` finds, as an index that lost one.
    lost_updates: BTreeSet<u64>,
    /// Orders that the token does not get to see at all.
    hidden: BTreeSet<u64>,
    /// A search without a status leaves archived orders out.
    archived_left_out: bool,
    /// No list shows anything, as while Shopify's index lags behind.
    lags: bool,
    /// Pages that are still answered before the listing breaks off.
    pages_left: Option<u32>,
    paged_max: usize,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            old_ones_hidden: false,
            lost_updates: BTreeSet::new(),
            hidden: BTreeSet::new(),
            archived_left_out: false,
            lags: false,
            pages_left: None,
            paged_max: PAGED_MAX,
        }
    }
}

/// Why a listing is refused.
#[derive(Debug)]
pub(super) enum Refused {
    /// The arguments make no sense, or something that must be there is not.
    BadRequest(String),
    /// It broke off.
    Internal,
}

impl Shop {
    /// From now on the token lacks `read_all_orders`: orders older than 60 days are not there for it.
    pub fn hide_old_orders(&self) {
        self.lock().listing.old_ones_hidden = true;
    }

    /// The token does not get to see this order any more, as where an answer lags behind.
    pub fn hide_order(&self, order_id: u64) {
        self.lock().listing.hidden.insert(order_id);
    }

    /// It does again.
    pub fn show_order(&self, order_id: u64) {
        self.lock().listing.hidden.remove(&order_id);
    }

    /// No search by `updated_at` finds this order any more.
    pub fn lose_update_of(&self, order_id: u64) {
        self.lock().listing.lost_updates.insert(order_id);
    }

    /// A search that names no status leaves archived orders out, as the REST API does.
    pub fn leave_archived_orders_out(&self) {
        self.lock().listing.archived_left_out = true;
    }

    /// After so many further pages of orders the listing answers with an error of Shopify's own, until [`mend_listing`](Self::mend_listing).
    pub fn break_listing_after(&self, pages: u32) {
        self.lock().listing.pages_left = Some(pages);
    }

    /// The listing works again.
    pub fn mend_listing(&self) {
        self.lock().listing.pages_left = None;
    }

    /// From now on no list shows any order, as while Shopify's index lags behind, until [`list_again`](Self::list_again).
    pub fn stop_listing(&self) {
        self.lock().listing.lags = true;
    }

    /// Lists show the orders again.
    pub fn list_again(&self) {
        self.lock().listing.lags = false;
    }

    /// Shopify pages no further than this.
    pub fn end_paging_at(&self, objects: usize) {
        self.lock().listing.paged_max = objects;
    }

    /// Staff archive an order: it is closed, and changed by that. Unknown ids are ignored.
    pub fn archive(&self, order_id: u64) {
        let now = self.core.clock.now();
        let mut state = self.lock();
        let Some(sold) = state.orders.get_mut(&order_id) else { return };
        if let Some(last) = sold.versions.last() {
            let mut next = last.clone();
            next.updated_at = super::play::next_at(last.updated_at, now);
            next.closed_at = Some(next.updated_at);
            sold.versions.push(next);
        }
    }

    /// Staff delete an order; gives the body of its `orders/delete`.
    pub fn delete(&self, order_id: u64) -> bytes::Bytes {
        let now = self.core.clock.now();
        let mut state = self.lock();
        state.orders.remove(&order_id);
        state.follow_stock(order_id, now);
        bytes::Bytes::from(json!({ "id": order_id }).to_string())
    }

    /// The order with this id, as far as the token may see it.
    pub(super) fn seen<'a>(&self, state: &'a State, order_id: u64) -> Option<&'a OrderVersion> {
        let order = state.orders.get(&order_id).and_then(|sold| sold.versions.last())?;
        is_seen(&state.listing, order, self.core.clock.now()).then_some(order)
    }

    /// One page of `orders`, and what the search warns of.
    pub(super) fn orders(&self, arguments: &Map<String, Value>) -> Result<(Value, Vec<Value>), Refused> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let search = Search::parse(text("query").unwrap_or("")).map_err(Refused::BadRequest)?;
        let key = SortKey::of(text("sortKey").unwrap_or("PROCESSED_AT"))?;
        let reverse = arguments.get("reverse") == Some(&Value::Bool(true));
        let first = arguments.get("first").and_then(Value::as_u64).and_then(|first| usize::try_from(first).ok());
        let Some(first) = first else { return Err(Refused::BadRequest("only `first` is answered here".to_owned())) };
        let after = text("after").map(Cursor::read).transpose()?;
        let now = self.core.clock.now();
        let mut state = self.lock();
        if let Some(left) = &mut state.listing.pages_left {
            *left = left.checked_sub(1).ok_or(Refused::Internal)?;
        }
        let mut found: Vec<&OrderVersion> = listed(&state, &search, now).collect();
        found.sort_by_key(|order| key.place(order));
        if reverse {
            found.reverse();
        }
        let is_behind = |order: &&OrderVersion| {
            after.as_ref().is_none_or(|after| {
                let place = key.place(order);
                if reverse { place < after.0 } else { place > after.0 }
            })
        };
        let from = found.iter().position(is_behind).unwrap_or(found.len());
        if from >= state.listing.paged_max && from < found.len() {
            return Err(Refused::BadRequest(format!("paging ends at {} objects", state.listing.paged_max)));
        }
        let page = &found[from..found.len().min(from + first)];
        Ok((self.page_of(page, from, found.len(), key), search.warnings))
    }

    /// The ids of the orders that a query of a bulk operation finds, in its order.
    pub(super) fn orders_in_bulk(&self, arguments: &Map<String, Value>) -> Result<Vec<u64>, Refused> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str);
        let search = Search::parse(text("query").unwrap_or("")).map_err(Refused::BadRequest)?;
        let key = SortKey::of(text("sortKey").unwrap_or("PROCESSED_AT"))?;
        let state = self.lock();
        let mut found: Vec<&OrderVersion> = listed(&state, &search, self.core.clock.now()).collect();
        found.sort_by_key(|order| key.place(order));
        Ok(found.into_iter().map(|order| order.id).collect())
    }

    /// These orders as one page.
    pub(super) fn page_of_orders(&self, ids: &[u64]) -> Value {
        let state = self.lock();
        let found: Vec<&OrderVersion> = ids.iter().filter_map(|id| state.orders.get(id)?.versions.last()).collect();
        self.page_of(&found, 0, found.len(), SortKey::Created)
    }

    fn page_of(&self, page: &[&OrderVersion], from: usize, all: usize, key: SortKey) -> Value {
        let cursor = |order: &OrderVersion| Cursor(key.place(order)).text();
        let nodes: Vec<Value> = page.iter().map(|order| graph::order(order)).collect();
        let edges: Vec<Value> =
            page.iter().zip(&nodes).map(|(order, node)| json!({"cursor": cursor(order), "node": node})).collect();
        json!({
            "nodes": nodes, "edges": edges,
            "pageInfo": {
                "hasNextPage": from + page.len() < all, "hasPreviousPage": from > 0,
                "startCursor": page.first().map(|order| cursor(order)), "endCursor": page.last().map(|order| cursor(order)),
            },
        })
    }

    /// `ordersCount`, and what the search warns of.
    pub(super) fn orders_count(&self, arguments: &Map<String, Value>) -> Result<(Value, Vec<Value>), Refused> {
        let query = arguments.get("query").and_then(Value::as_str).unwrap_or("");
        let search = Search::parse(query).map_err(Refused::BadRequest)?;
        let state = self.lock();
        let count = listed(&state, &search, self.core.clock.now()).count() as u64;
        let limit = match arguments.get("limit") {
            None => 10_000,
            Some(limit) => limit.as_u64().unwrap_or(u64::MAX),
        };
        let precision = if count > limit { "AT_LEAST" } else { "EXACT" };
        Ok((json!({"count": count.min(limit), "precision": precision}), search.warnings))
    }
}

fn listed<'a>(state: &'a State, search: &'a Search, now: Timestamp) -> impl Iterator<Item = &'a OrderVersion> {
    let listing = &state.listing;
    state.orders.values().filter_map(|Sold { versions, .. }| versions.last()).filter(move |order| {
        !listing.lags
            && is_seen(listing, order, now)
            && search.finds(order)
            && !(search.asks_for_updates() && listing.lost_updates.contains(&order.id))
            && !(listing.archived_left_out && !search.asks_for_status() && order.closed_at.is_some())
    })
}

fn is_seen(listing: &Listing, order: &OrderVersion, now: Timestamp) -> bool {
    let is_old = now.duration_since(order.created_at) > SEEN_FOR;
    let is_hidden = listing.hidden.contains(&order.id) || (listing.old_ones_hidden && is_old);
    !is_hidden
}

#[derive(Clone, Copy, Debug)]
enum SortKey {
    Created,
    Updated,
    Id,
    Number,
}

impl SortKey {
    fn of(name: &str) -> Result<Self, Refused> {
        match name {
            // Nothing is imported here: an order is processed when it is created.
            "CREATED_AT" | "PROCESSED_AT" => Ok(Self::Created),
            "UPDATED_AT" => Ok(Self::Updated),
            "ID" => Ok(Self::Id),
            "ORDER_NUMBER" => Ok(Self::Number),
            other => Err(Refused::BadRequest(format!("sort key {other} is not answered here"))),
        }
    }

    /// Where an order stands; the id decides between equal values.
    fn place(self, order: &OrderVersion) -> (i64, u64) {
        let value = match self {
            Self::Created => order.created_at.as_second(),
            Self::Updated => order.updated_at.as_second(),
            Self::Id => 0,
            Self::Number => i64::try_from(order.number).unwrap_or(i64::MAX),
        };
        (value, order.id)
    }
}

/// The last value of a page and the id that had it, in a text that means nothing to the caller.
#[derive(Clone, Copy, Debug)]
struct Cursor((i64, u64));

impl Cursor {
    fn text(self) -> String {
        let (value, id) = self.0;
        STANDARD.encode(json!({"last_id": id, "last_value": value}).to_string())
    }

    fn read(text: &str) -> Result<Self, Refused> {
        let bad = || Refused::BadRequest("the cursor is not one of this list".to_owned());
        let bytes = STANDARD.decode(text).map_err(|_| bad())?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| bad())?;
        match (value["last_value"].as_i64(), value["last_id"].as_u64()) {
            (Some(last), Some(id)) => Ok(Self((last, id))),
            _ => Err(bad()),
        }
    }
}
