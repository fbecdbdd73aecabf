//! Shopify's orders of a span of time beside ours, by the time at which they were placed: by pages, or from the file of a bulk operation
//! where the span is long. Both are sorted by that time, so that they are gone through side by side and neither is held as a whole.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;

use super::account::Account;
use super::reconcile::{Asked, Books, Progress, ReconcileError, Tell};
use super::reconcile_place::Place;
use super::sync::{collected, done};
use crate::shopify::bulk::{BulkFile, BulkState};
use crate::shopify::figures::FIGURES_PAGE_MAX;
use crate::shopify::figures::ListedOrder;
use crate::shopify::orders::{OrderSearch, PageSize};
use crate::shopify::{ShopifyClient, ShopifyError};

/// Orders of a file that are read at once.
const LINES_AT_ONCE: usize = 250;
/// Orders of ours that are read at once, at first.
const OURS_AT_ONCE: i64 = 250;
/// Orders behind which a list is begun anew: Shopify's lists end at 25,000.
const LIST_MAX: usize = 20_000;
/// Parts of a batch of IFS that one order takes.
const PARTS_OF_AN_ORDER: usize = 3;
/// Most orders of a chunk, however large a batch may be: an answer has a bound too.
const CHUNK_MAX: usize = 50;
/// How often a bulk file is opened without a further line coming of it.
const OPENINGS_MAX: usize = 3;

/// An order that is to be compared.
pub(super) enum Item {
    /// Shopify listed it.
    Listed(Box<ListedOrder>),
    /// It is ours and was placed then, as we know it, and Shopify did not list it.
    Ours(u64, Timestamp),
}

impl Item {
    /// Shopify's id.
    pub(super) fn id(&self) -> u64 {
        match self {
            Self::Listed(order) => order.head.id,
            Self::Ours(id, _) => *id,
        }
    }
}

/// Orders that are read from IFS in one batch.
pub(super) struct Chunk {
    pub(super) items: Vec<Item>,
    /// Everything placed before this instant has been handed out with it.
    pub(super) closes: Option<Timestamp>,
}

/// The orders of a span that are still to be handed out.
pub(super) struct Listing<'a> {
    books: Books<'a>,
    tell: Tell<'a>,
    until: Timestamp,
    /// Everything placed before is handed out.
    mark: Timestamp,
    road: Road,
    /// Listed and not handed out, the oldest first.
    ahead: VecDeque<Box<ListedOrder>>,
    /// The time of the order that was listed last on this road.
    newest: Timestamp,
    /// Chunks of the window that is being handed out.
    chunks: VecDeque<Chunk>,
    chunk_orders: usize,
}

/// Where Shopify's orders come from.
enum Road {
    Pages(Pages),
    File(Box<File>),
    /// There are no more.
    Ended,
}

/// What came of a bulk operation.
enum Opened {
    /// Its file is the road, or it found nothing, as Shopify had counted.
    File,
    /// It has fewer orders than Shopify counted.
    Short,
    /// It ended without its file.
    Without,
}

struct Pages {
    begin: Timestamp,
    after: Option<String>,
    size: PageSize,
    listed: usize,
}

struct File {
    /// None before it is opened, and after it broke off.
    reader: Option<BulkFile>,
    url: String,
    /// Lines that it is to have.
    objects: u64,
    read: u64,
    /// Since the last line that was read.
    openings: usize,
}

impl<'a> Listing<'a> {
    /// Begins at a place.
    ///
    /// 1. The bulk operation that an earlier run of the same request started.
    /// 2. Count: a long list is a bulk operation. Its id is kept before it is waited for.
    /// 3. Else pages; also where Shopify starts no operation, or ends one without its file.
    pub(super) async fn open(
        books: Books<'a>,
        asked: &Asked,
        (place, account): (&mut Place, &Account),
        tell: Tell<'a>,
    ) -> Result<Self, ReconcileError> {
        let mark = place.mark;
        let chunk_orders = (books.batch_parts_max / PARTS_OF_AN_ORDER).clamp(1, CHUNK_MAX);
        let (ahead, chunks) = (VecDeque::new(), VecDeque::new());
        let until = asked.span.1;
        let mut listing =
            Self { books, tell, until, mark, road: Road::Ended, ahead, newest: Timestamp::MIN, chunks, chunk_orders };
        if mark >= until {
            return Ok(listing);
        }
        // 1.
        let search = search(mark, until);
        if let Some(id) = place.bulk.take() {
            // Where the place says no count: there are at least as many as are still to come.
            let counted = match place.counted {
                Some(counted) => Some(counted),
                None => books.shopify.orders_count(&search).await?,
            };
            match listing.open_file(&id, counted).await? {
                Opened::File => {
                    (place.bulk, place.counted) = (Some(id), counted);
                    return Ok(listing);
                }
                Opened::Short => place.by_pages = true,
                Opened::Without => {}
            }
        }
        // 2.
        let count = books.shopify.orders_count(&search).await?;
        place.about = count.map(|count| place.orders + count);
        if let Some(about) = place.about {
            listing.note(format!("about {about} orders in that time"));
        }
        if !place.by_pages && count.is_none_or(|count| count >= asked.bulk_from) {
            match books.shopify.start_bulk_figures(&search).await {
                Ok(id) => {
                    (place.bulk, place.counted) = (Some(id.clone()), count);
                    place.keep(books, asked, account).await?;
                    listing.note("Shopify collects them in a bulk operation".to_owned());
                    match listing.open_file(&id, count).await? {
                        Opened::File => return Ok(listing),
                        Opened::Short => place.by_pages = true,
                        Opened::Without => {}
                    }
                    place.bulk = None;
                }
                Err(error @ ShopifyError::Refused { .. }) => listing.note(format!("no bulk operation: {error}")),
                Err(error) => return Err(error.into()),
            }
        }
        // 3.
        listing.by_pages();
        Ok(listing)
    }

    /// The next orders; none at the end.
    pub(super) async fn next_chunk(&mut self) -> Result<Option<Chunk>, ReconcileError> {
        if self.chunks.is_empty() && self.mark < self.until {
            self.next_window().await?;
        }
        Ok(self.chunks.pop_front())
    }

    /// Hands out the orders of a little time, Shopify's and those of ours that Shopify did not list.
    ///
    /// 1. List until there is an order of a later second behind a chunk, or the end.
    /// 2. Ours of that time; of a shorter one where they are many.
    /// 3. Theirs and the rest of ours, by the chunk.
    async fn next_window(&mut self) -> Result<(), ReconcileError> {
        // 1.
        let cut = loop {
            if let Some(cut) = self.cut() {
                break cut;
            }
            if matches!(self.road, Road::Ended) {
                break self.until;
            }
            self.list_more().await?;
        };
        // 2.
        let (ours, cut) = self.ours_before(cut).await?;
        // 3.
        let (mut seen, mut items) = (BTreeSet::new(), Vec::new());
        while self.ahead.front().is_some_and(|order| order.head.created_at < cut)
            && let Some(order) = self.ahead.pop_front()
        {
            if seen.insert(order.head.id) {
                items.push(Item::Listed(order));
            }
        }
        let unlisted = ours.into_iter().filter(|(_, id)| !seen.contains(id));
        items.extend(unlisted.map(|(placed_at, id)| Item::Ours(id, placed_at)));
        self.mark = cut;
        let mut items = items.into_iter().peekable();
        loop {
            let some: Vec<Item> = items.by_ref().take(self.chunk_orders).collect();
            let closes = items.peek().is_none().then_some(cut);
            self.chunks.push_back(Chunk { items: some, closes });
            if closes.is_some() {
                return Ok(());
            }
        }
    }

    /// Where the window may end: before the second of the first order behind a chunk, so that no second is divided.
    fn cut(&self) -> Option<Timestamp> {
        let first = self.ahead.front()?.head.created_at;
        let at = self.ahead.get(self.chunk_orders)?.head.created_at;
        if first < at {
            return Some(at);
        }
        self.ahead.iter().map(|order| order.head.created_at).find(|at| *at > first)
    }

    /// Ours from the mark to the cut, or to an earlier one.
    async fn ours_before(&self, mut cut: Timestamp) -> Result<(Vec<(Timestamp, u64)>, Timestamp), ReconcileError> {
        let mut limit = OURS_AT_ONCE;
        loop {
            let mut ours = self.books.store.first_orders_placed(self.books.name, (self.mark, cut), limit).await?;
            let last = ours.last().map(|(placed_at, _)| *placed_at);
            match last.filter(|_| i64::try_from(ours.len()).is_ok_and(|found| found >= limit)) {
                None => return Ok((ours, cut)),
                Some(last) if last > self.mark => {
                    cut = last;
                    ours.retain(|(placed_at, _)| *placed_at < cut);
                    return Ok((ours, cut));
                }
                // All at the mark itself.
                Some(_) => limit *= 4,
            }
        }
    }

    async fn list_more(&mut self) -> Result<(), ReconcileError> {
        match &mut self.road {
            Road::Ended => Ok(()),
            Road::Pages(_) => self.next_page().await,
            Road::File(_) => self.next_lines().await,
        }
    }

    async fn next_page(&mut self) -> Result<(), ReconcileError> {
        let Road::Pages(pages) = &mut self.road else { return Ok(()) };
        let search = search(pages.begin, self.until);
        let page = self.books.shopify.figures_page(&search, pages.after.as_deref(), &mut pages.size).await?;
        pages.listed += page.orders.len();
        pages.after = page.next;
        let last = page.orders.last().map(|order| order.head.created_at);
        if pages.after.is_none() {
            self.road = Road::Ended;
            return self.take_in(page.orders).map_err(ReconcileError::from);
        }
        let begin = last.filter(|last| pages.listed >= LIST_MAX && *last > pages.begin);
        if let Some(begin) = begin {
            (pages.begin, pages.after, pages.listed) = (begin, None, 0);
        }
        self.take_in(page.orders)?;
        if let Some(begin) = begin {
            // That second is listed again.
            self.ahead.retain(|order| order.head.created_at < begin);
            self.newest = begin;
        }
        Ok(())
    }

    /// Further lines of the file, which is opened again where it breaks off.
    async fn next_lines(&mut self) -> Result<(), ReconcileError> {
        let Road::File(file) = &mut self.road else { return Ok(()) };
        let orders = loop {
            match file.next(self.books.shopify).await {
                Ok(orders) => break orders,
                Err(ShopifyError::Lost(_) | ShopifyError::NotConnected(_)) if file.openings < OPENINGS_MAX => {
                    file.reader = None;
                }
                Err(ShopifyError::Undecodable(_) | ShopifyError::NotWhole { .. }) => {
                    return Err(ReconcileError::File("has a line that cannot be read"));
                }
                Err(error) => return Err(error.into()),
            }
        };
        if orders.is_empty() {
            let (read, objects) = (file.read, file.objects);
            self.road = Road::Ended;
            return if read == objects { Ok(()) } else { Err(ReconcileError::File("has fewer lines than it should")) };
        }
        file.read += orders.len() as u64;
        file.openings = 0;
        self.take_in(orders).map_err(|Unsorted| ReconcileError::File("is not sorted"))
    }

    /// Takes in what was listed, as far as it is of this time and not handed out. The bounds are asked for to the second, and a file is
    /// read from its beginning wherever the place is.
    fn take_in(&mut self, orders: Vec<ListedOrder>) -> Result<(), Unsorted> {
        for order in orders {
            let at = order.head.created_at;
            if at < self.newest {
                return Err(Unsorted);
            }
            self.newest = at;
            if at >= self.mark && at < self.until {
                self.ahead.push_back(Box::new(order));
            }
        }
        Ok(())
    }

    fn by_pages(&mut self) {
        let size = PageSize::of(FIGURES_PAGE_MAX);
        self.road = Road::Pages(Pages { begin: self.mark, after: None, size, listed: 0 });
    }

    /// Waits for a bulk operation and opens its file.
    async fn open_file(&mut self, id: &str, counted: Option<u64>) -> Result<Opened, ReconcileError> {
        let state = done(self.books.shopify, id, &|objects| self.note(collected(objects))).await?;
        match state {
            BulkState::Done { objects, .. } if is_short(objects, counted) => {
                let counted = counted.map_or_else(|| "an unknown number".to_owned(), |counted| counted.to_string());
                self.note(format!("Shopify's bulk operation has {objects} orders of {counted}: by pages instead"));
                Ok(Opened::Short)
            }
            BulkState::Done { url: Some(url), objects } => {
                self.road = Road::File(Box::new(File { reader: None, url, objects, read: 0, openings: 0 }));
                Ok(Opened::File)
            }
            BulkState::Done { url: None, .. } | BulkState::Running { .. } => Ok(Opened::File),
            BulkState::Ended { why } => {
                self.note(format!("Shopify's bulk operation ended as {why}"));
                Ok(Opened::Without)
            }
        }
    }

    fn note(&self, text: String) {
        (self.tell)(Progress::Note(text));
    }
}

impl File {
    /// The next lines; where it is opened again, those behind the lines that were read before it broke off.
    async fn next(&mut self, shopify: &ShopifyClient) -> Result<Vec<ListedOrder>, ShopifyError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => {
                self.openings += 1;
                let mut opened = shopify.open_bulk_file(&self.url).await?;
                let mut left = usize::try_from(self.read).unwrap_or(usize::MAX);
                while left > 0 {
                    let passed = opened.next_listed(left.min(LINES_AT_ONCE)).await?.len();
                    left = if passed == 0 { 0 } else { left - passed };
                }
                self.reader.insert(opened)
            }
        };
        reader.next_listed(LINES_AT_ONCE).await
    }
}

/// A list that is not in the order asked for.
struct Unsorted;

impl From<Unsorted> for ReconcileError {
    fn from(Unsorted: Unsorted) -> Self {
        ShopifyError::NotWhole { what: "a list of orders is not in the order asked for" }.into()
    }
}

fn search(from: Timestamp, until: Timestamp) -> OrderSearch {
    OrderSearch::all().created_from(from).created_before(until).of_every_status()
}

/// Whether a bulk operation's file has fewer orders than Shopify counted; that it has none is believed only of what was counted.
fn is_short(objects: u64, counted: Option<u64>) -> bool {
    objects < counted.unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_held_against_what_was_counted_also_by_the_run_that_goes_on() {
        assert!(is_short(99, Some(100)) && is_short(0, Some(1)));
        assert!(!is_short(100, Some(100)) && !is_short(101, Some(100)) && !is_short(0, Some(0)));
        // Shopify's count is not exact beyond ten thousand: that there is nothing stays unbelieved.
        assert!(is_short(0, None) && !is_short(5, None));
    }
}
