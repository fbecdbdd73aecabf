//! Where a run of the stock stands, as it is kept in `cursors` with each page.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{STOCK, StockError, books};
use crate::flow::{Connection, runs};
use crate::mapping::stock::fewer::Counted;
use crate::store::{StoreError, WritesEnded};

/// What a run does next. `site` counts the sites of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Nothing: it is at its end.
    #[default]
    Rest,
    /// Reads the shop page by page, behind Shopify's cursor.
    Variants {
        /// The cursor.
        after: Option<String>,
    },
    /// Reads the file of a bulk operation.
    File {
        /// Its id.
        id: String,
        /// Lines that are stored.
        lines: u64,
    },
    /// Reads the sales parts of a site.
    SalesParts {
        /// Which site.
        site: usize,
        /// Behind which part.
        after: Option<String>,
    },
    /// Looks what orders take, and how much of them IFS holds.
    Orders,
    /// Reads open lines, before the stock.
    DemandBefore {
        /// Which site.
        site: usize,
        /// Behind which part.
        after: Option<String>,
    },
    /// Reads the stock.
    Stock {
        /// Which site.
        site: usize,
        /// Behind which part.
        after: Option<String>,
    },
    /// Reads open lines once more.
    DemandAfter {
        /// Which site.
        site: usize,
        /// Behind which part.
        after: Option<String>,
    },
    /// Reads levels again that somebody changed, with everything that they are planned from.
    Mend {
        /// Their variants.
        variants: Vec<u64>,
    },
    /// Waits until every order is known.
    Books,
    /// Plans levels.
    Plan {
        /// Which site.
        site: usize,
        /// Behind which part.
        after: Option<String>,
    },
    /// Leaves levels that no plan came by, and tells why.
    Leave {
        /// Behind which variant.
        after: u64,
    },
}

impl Step {
    /// What a run does at it, in words for a person.
    pub(super) fn told(&self) -> &'static str {
        match self {
            Self::Rest => "rested",
            Self::Variants { .. } => "read the shop's variants",
            Self::File { .. } => "read the file of the shop's bulk operation",
            Self::SalesParts { .. } => "read the sales parts",
            Self::Orders => "looked what orders take",
            Self::DemandBefore { .. } | Self::DemandAfter { .. } => "read the open lines",
            Self::Stock { .. } => "read the stock",
            Self::Mend { .. } => "read some levels again",
            Self::Books => "waited until every order is known",
            Self::Plan { .. } | Self::Leave { .. } => "planned the levels",
        }
    }
}

/// What a run has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Variants of the shop.
    pub variants: u64,
    /// Their levels.
    pub levels: u64,
    /// Sales parts in IFS.
    pub sales_parts: u64,
    /// Parts with stock, by site.
    pub parts: BTreeMap<String, u64>,
    /// Levels that are to be set.
    pub to_set: u64,
    /// Levels that show what they should.
    pub quiet: u64,
    /// Of both, levels that do not come to what is wanted at once.
    pub waiting: u64,
    /// Levels that are left as they are, and why is told.
    pub left: u64,
}

/// How many rows a run has read, to be held against the run before.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Variants of the shop.
    pub variants: u64,
    /// Sales parts, by site.
    pub sales_parts: BTreeMap<String, u64>,
    /// Parts with stock, by site.
    pub in_stock: BTreeMap<String, u64>,
    /// Parts that open lines want, by site, before the stock was read and after it.
    pub with_lines: [BTreeMap<String, u64>; 2],
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Place {
    /// Marks what it has read.
    pub run: i64,
    /// Its row in `schedule_runs`; 0 where that has ended.
    pub number: i64,
    /// When it began, in microseconds since 1970.
    began: i64,
    /// The rules under which it reads.
    pub rules: String,
    /// What comes next.
    pub step: Step,
    /// The connection's mark before the bulk operation was started.
    pub mark: i64,
    /// Our time then, in microseconds since 1970.
    pub asked: i64,
    /// Shopify's time before that, in microseconds since 1970.
    pub file_from: Option<i64>,
    /// The newest sweep that had begun when the shop was read to its end.
    pub swept: i64,
    /// The newest delivery when a later sweep was done.
    pub found: Option<i64>,
    /// Which writes had ended before open lines were read.
    pub writes: WritesEnded,
    /// Since when every order is waited for.
    waits: i64,
    /// Whether every order is known.
    pub is_current: bool,
    /// The only parts that are planned, by site; none in a run over all.
    pub parts: Option<Vec<(String, Vec<String>)>>,
    /// The last run whose plan stood whole: what has run out is looked at once for each.
    pub planned: i64,
    /// When that one began to read, in microseconds since 1970.
    #[serde(default)]
    planned_from: i64,
    /// How many rows this run has read.
    pub counts: Counts,
    /// How many the last run had that came to its plan.
    pub counts_before: Option<Counts>,
    /// Whether the tenant filters lines by their state.
    pub filters_lines: bool,
    /// Whether the last reading lacked far more than can be believed: then nothing is read again by itself before one that is whole.
    pub is_guarded: bool,
    /// Whether far fewer than that are taken for the truth.
    pub accepts_fewer: bool,
    /// What it has seen.
    pub seen: Seen,
}

impl Place {
    /// The beginning of a run.
    pub(super) fn begun(number: i64, rules: String, now: Timestamp) -> Self {
        let step = Step::Variants { after: None };
        Self { run: number, number, began: now.as_microsecond(), rules, step, ..Self::default() }
    }

    /// Where the run of a connection stands; none before the first one.
    ///
    /// # Errors
    /// The database's refusal, or a place that this version does not know.
    pub async fn stored(link: &Connection) -> Result<Option<Self>, StoreError> {
        runs::kept(link, STOCK).await
    }

    /// Whether it is not at its end.
    pub fn is_under_way(&self) -> bool {
        self.step != Step::Rest
    }

    /// Whether it plans the levels of all parts.
    pub(super) fn plans_all(&self) -> bool {
        self.parts.is_none() && matches!(self.step, Step::Plan { .. })
    }

    /// When the bulk operation was started.
    pub(super) fn asked_at(&self) -> Timestamp {
        instant(self.asked)
    }

    /// When it began.
    pub(super) fn began_at(&self) -> Timestamp {
        instant(self.began)
    }

    /// When the last run whose plan stood whole began to read; none before there is one. Its row in `schedule_runs` may have begun later: a
    /// run that broke off goes on under another one.
    pub fn read_from(&self) -> Option<Timestamp> {
        (self.planned != 0).then(|| instant(self.planned_from))
    }

    /// The plan stands whole.
    pub(super) fn is_planned(&mut self) {
        self.planned = self.run;
        self.planned_from = self.began;
        self.is_guarded = false;
        self.accepts_fewer = false;
        self.counts_before = Some(std::mem::take(&mut self.counts));
        self.step = Step::Rest;
    }

    /// What the last run has read and planned is told on.
    pub(super) fn follows(&mut self, before: &Self) {
        // What a person accepted counts until a run comes to its plan.
        self.accepts_fewer |= before.accepts_fewer;
        self.planned = before.planned;
        self.planned_from = before.planned_from;
        self.counts_before.clone_from(&before.counts_before);
        self.is_guarded = before.is_guarded;
    }

    /// Since when every order is waited for.
    pub(super) fn waits_from(&self) -> Timestamp {
        instant(self.waits)
    }

    /// Adds a page to a count; gives what it comes to, and what it came to in the run before.
    pub(super) fn counts(
        &mut self,
        of: impl Fn(&mut Counts) -> &mut BTreeMap<String, u64>,
        (site, rows): (&str, usize),
    ) -> (Option<u64>, u64) {
        let now = of(&mut self.counts).entry(site.to_owned()).or_default();
        *now += rows as u64;
        let now = *now;
        let before = self.counts_before.as_mut().map(|before| of(before).get(site).copied().unwrap_or(0));
        (before, now)
    }

    /// Holds a count that is whole against the run before; what a person accepts is not held.
    pub(super) fn holds(
        &self,
        link: &Connection,
        what: Counted,
        (site, before, now): (Option<&str>, Option<u64>, u64),
    ) -> Result<(), StockError> {
        if self.accepts_fewer {
            return Ok(());
        }
        let whose = site.map_or_else(|| "the shop".to_owned(), |site| format!("site {site}"));
        link.stock.enough(what, before, now).map_err(|fewer| StockError::Fewer { whose, fewer })
    }

    /// The shop was read to its end: orders that were placed or changed until now are found by a sweep that begins later.
    pub(super) async fn was_read(&mut self, link: &Connection) -> Result<(), StoreError> {
        self.swept = books::newest_sweep(link).await?;
        self.found = None;
        Ok(())
    }

    /// From now on every order is waited for.
    pub(super) fn waits_for_books(&mut self, now: Timestamp) {
        self.waits = now.as_microsecond();
        self.step = Step::Books;
    }

    /// A few variants are looked at again; what the last run has read of all others stays.
    pub(super) fn mends(&mut self, variants: Vec<u64>, now: Timestamp) {
        self.began = now.as_microsecond();
        self.parts = Some(Vec::new());
        self.step = Step::Mend { variants };
    }

    pub(super) fn go_to(&mut self, step: Step) {
        self.step = step;
    }
}

/// What does not fit counts as the beginning of time: it is old.
fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}
