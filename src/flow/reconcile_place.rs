//! Where a reconciliation stands: how far it came by the time at which orders were placed, and the account until there. One place a
//! connection; another request than the one that it is of begins anew.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::account_kept::KeptAccount;
use super::reconcile::{Asked, Books, Manner, Progress, Tell};
use crate::store::{Cursor, StoreError};

/// The name in `cursors`.
const NAME: &str = "reconcile";
/// A request that broke off longer ago than this is begun anew.
const RESUMED_SECS_MAX: u64 = 3_600;
/// A request that began longer ago than this is begun anew: its books would be of too many moments.
const BEGAN_SECS_MAX: u64 = 24 * 3_600;

/// Where a run stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Everything placed before this instant is in the account.
    pub(super) mark: Timestamp,
    /// Orders in the account.
    pub(super) orders: u64,
    /// How many there are about, where Shopify said.
    pub(super) about: Option<u64>,
    /// The bulk operation that lists them.
    pub(super) bulk: Option<String>,
    /// Orders that Shopify counted before it, where it said.
    pub(super) counted: Option<u64>,
    /// No file of a bulk operation is of use.
    pub(super) by_pages: bool,
    /// Orders without a document of ours of which somebody has to know. They are differences, so that they are few.
    pub(super) unlinked: BTreeSet<u64>,
    began: i64,
    /// Orders in the account when it was kept last.
    kept: u64,
}

/// A place as it is kept.
#[derive(Serialize, Deserialize)]
struct KeptPlace {
    /// The request, in words that no other has.
    asked: String,
    /// Seconds.
    began: i64,
    /// When it was kept, in seconds.
    kept_at: i64,
    /// Microseconds.
    mark: i64,
    orders: u64,
    about: Option<u64>,
    bulk: Option<String>,
    #[serde(default)]
    counted: Option<u64>,
    by_pages: bool,
    unlinked: BTreeSet<u64>,
    account: KeptAccount,
}

impl Place {
    /// Nothing is done yet.
    pub(super) fn beginning(books: Books<'_>, asked: &Asked) -> (Self, Account) {
        let place = Self {
            mark: asked.span.0,
            orders: 0,
            about: None,
            bulk: None,
            counted: None,
            by_pages: false,
            unlinked: BTreeSet::new(),
            began: books.clock.now().as_second(),
            kept: 0,
        };
        (place, Account::listing(asked.differences_max))
    }

    /// The place of the same request with its account, or a beginning.
    pub(super) async fn take_up(
        books: Books<'_>,
        asked: &Asked,
        tell: Tell<'_>,
    ) -> Result<(Self, Account), StoreError> {
        let text = match asked.manner {
            Manner::GoOn => books.store.cursor(books.name, NAME).await?,
            Manner::Anew => None,
        };
        let Some(text) = text else { return Ok(Self::beginning(books, asked)) };
        let note = |text: &str| tell(Progress::Note(text.to_owned()));
        // Another version of this program may have kept it otherwise.
        let Ok(kept) = serde_json::from_str::<KeptPlace>(&text) else { return Ok(Self::beginning(books, asked)) };
        if kept.asked != words(books, asked) {
            note("what an earlier request of other days or other settings left is given up");
            return Ok(Self::beginning(books, asked));
        }
        let now = books.clock.now().as_second();
        let secs_since = |second: i64| now.abs_diff(second);
        if secs_since(kept.kept_at) > RESUMED_SECS_MAX || secs_since(kept.began) > BEGAN_SECS_MAX {
            note("an earlier request of these words is too old to go on with: it begins anew");
            return Ok(Self::beginning(books, asked));
        }
        let KeptPlace { began, mark, orders, about, bulk, counted, by_pages, unlinked, account, .. } = kept;
        let (Some(account), Ok(mark)) = (account.into_account(), Timestamp::from_microsecond(mark)) else {
            return Ok(Self::beginning(books, asked));
        };
        note(&format!("going on behind {orders} orders"));
        Ok((Self { mark, orders, about, bulk, counted, by_pages, unlinked, began, kept: orders }, account))
    }

    /// When the first run of it began.
    pub(super) fn began(&self) -> Timestamp {
        Timestamp::from_second(self.began).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Moves on, and keeps the place when it is time. The longer its list of differences, the rarer.
    pub(super) async fn reach(
        &mut self,
        books: Books<'_>,
        asked: &Asked,
        (mark, account): (Timestamp, &Account),
    ) -> Result<(), StoreError> {
        self.mark = mark;
        let due = asked.kept_after.max(account.differences.len() as u64);
        if self.orders - self.kept < due {
            return Ok(());
        }
        self.keep(books, asked, account).await
    }

    /// Keeps the place.
    pub(super) async fn keep(&mut self, books: Books<'_>, asked: &Asked, account: &Account) -> Result<(), StoreError> {
        self.kept = self.orders;
        let now = books.clock.now();
        let kept = KeptPlace {
            asked: words(books, asked),
            began: self.began,
            kept_at: now.as_second(),
            mark: self.mark.as_microsecond(),
            orders: self.orders,
            about: self.about,
            bulk: self.bulk.clone(),
            counted: self.counted,
            by_pages: self.by_pages,
            unlinked: self.unlinked.clone(),
            account: KeptAccount::of(account),
        };
        let value = serde_json::to_string(&kept).expect("texts and numbers are JSON");
        books.store.keep_cursor(books.name, Cursor { name: NAME.to_owned(), value }, now).await
    }
}

/// A request that is over begins anew the next time.
pub(super) async fn forget(books: Books<'_>) -> Result<(), StoreError> {
    books.store.forget_cursor(books.name, NAME).await
}

/// The request by its content: the same words under the same rules go on.
fn words(books: Books<'_>, asked: &Asked) -> String {
    let Asked { span: (from, until), differences_max, depth, .. } = asked;
    format!("{from} {until} {differences_max} {depth:?} {}", books.rules.revision())
}
