//! The standing query: records in IFS that carry a key of ours and that no link explains. Two records with one key, or one that we do
//! not know, park the document concerned, or are told where there is none. It reads IFS, and never cancels, links or creates.
//!
//! It guards what nothing else can: two owners at once (a process that was stopped and woke up), a restored backup, a create that
//! committed after its time, and what a person keyed under a key of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::stray::{Record, Verdict, is_shopifys, judge, judge_elsewhere, key_of, order_of};
use super::{Connection, runs};
use crate::domain::ids::ConnectionName;
use crate::ifs::error::IfsError;
use crate::ifs::wire::{Objstate, PartRequest, Row, names};
use crate::ifs::{IfsClient, OrdersWindow};
use crate::mapping::create::all_records_part;
use crate::mapping::rules::Rules;
use crate::store::{Run, RunEnd, RunOutcome, Sighting, Store, StoreError, Stray};

/// Keys looked up in one run: as many as a database lost whole leaves behind in months.
const KEYS_MAX: usize = 20_000;
/// Open strays that are looked at again in one run.
const OPEN_MAX: i64 = 100;
/// Keys of one batch of look-ups.
const KEYS_AT_ONCE: usize = 25;
/// Pages of one site in one run: far more than any shop sells.
const PAGES_MAX: usize = 4_000;
/// Time between two runs that look back far.
const NIGHTLY: Duration = Duration::from_secs(24 * 3_600);
/// So long a long look that failed waits, so that it does not keep the usual one from its turn.
const AFTER_FAILURE: Duration = Duration::from_secs(3_600);
/// IFS writes times without their zone as some tenants have it: how far its clock's reading may be from ours.
pub(super) const CLOCKS_APART: Duration = Duration::from_secs(14 * 3_600);

/// When it runs and how far it looks back; settings.
#[derive(Debug, Clone, Copy)]
pub struct StandingTimes {
    /// Time between two runs.
    pub every: Duration,
    /// How far back a run looks at least. A create can commit as late as not-before, so that it never is less than that and a day.
    pub look_back: Duration,
    /// How far back the first run of a day looks.
    pub nightly_look_back: Duration,
}

/// Which look back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The usual one.
    Recent,
    /// The long one.
    Nightly,
}

impl Reach {
    /// What runs, in `schedule_runs`.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Recent => "standing_query",
            Self::Nightly => "standing_query_nightly",
        }
    }
}

/// What came of asking on the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It ran to its end.
    Done(Ran),
    /// Nothing was due; so long.
    NotDue(Duration),
    /// It could not; `schedule_runs` says why.
    Failed,
}

/// Why a run did not end. The next one begins anew.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// IFS could not be read.
    #[error(transparent)]
    Ifs(#[from] IfsError),
    /// The store failed, or the lease is lost.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is more than one look takes: what was looked at is told all the same.
    #[error("{0}")]
    Crowded(&'static str),
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Ran {
    /// Live records that carry what may be a key of ours.
    pub seen: usize,
    /// Keys that were looked up since no link explained a record.
    pub looked_up: usize,
    /// Documents that were parked.
    pub parked: usize,
    /// Strays without a document that were told for the first time.
    pub told: usize,
    /// Documents still to be created that look first now.
    pub look_first: usize,
}

/// Runs what is due by the rows of the runs before, whoever made them, and records it.
///
/// # Errors
/// The store's; [`StoreError::Fenced`] when another process owns the tenant.
pub async fn ask(link: &Connection) -> Result<Asked, StoreError> {
    let reach = match due(link).await? {
        Ok(reach) => reach,
        Err(wait) => return Ok(Asked::NotDue(wait)),
    };
    let (lease, what) = (&link.tenant.lease, reach.as_str());
    let number = link.store.begin_run(lease, &link.name, what, link.clock.now()).await?;
    let ran = run(link, reach).await;
    let (asked, outcome, message) = match ran {
        Ok(_) if link.is_stopping() => (Asked::Failed, RunOutcome::BrokeOff, None),
        Ok(ran) => (Asked::Done(ran), RunOutcome::Done, None),
        Err(StandingError::Store(error)) => return Err(error),
        Err(error @ (StandingError::Ifs(_) | StandingError::Crowded(_))) => {
            let message = error.to_string();
            tracing::warn!(
                connection = %link.name, error = %message,
                "the standing query did not come to its end: doubles in IFS are not found until it does; it is asked again by itself"
            );
            (Asked::Failed, RunOutcome::Failed, Some(message))
        }
    };
    let figures = match asked {
        Asked::Done(ran) => serde_json::to_string(&ran).expect("numbers are JSON"),
        Asked::NotDue(_) | Asked::Failed => "{}".to_owned(),
    };
    runs::end(link, (what, number), RunEnd { outcome, message, figures }).await?;
    Ok(asked)
}

/// Which look is due, or how long none is.
async fn due(link: &Connection) -> Result<Result<Reach, Duration>, StoreError> {
    let now = link.clock.now();
    // The time since a run began; none also for one of the future: the wall clock was set back since.
    let since = |run: Run| Duration::try_from(now.duration_since(run.started_at)).ok();
    let (latest, done) = link.store.latest_runs(&link.name, Reach::Nightly.as_str()).await?;
    let nightly = done.and_then(since);
    let is_due = nightly.is_none_or(|since| since >= NIGHTLY);
    let failed = latest.filter(|run| run.outcome.as_deref() == Some(RunOutcome::Failed.as_str())).and_then(since);
    let again = failed.and_then(|since| AFTER_FAILURE.checked_sub(since)).filter(|wait| is_due && !wait.is_zero());
    if is_due && again.is_none() {
        return Ok(Ok(Reach::Nightly));
    }
    let (_, done) = link.store.latest_runs(&link.name, Reach::Recent.as_str()).await?;
    let latest = done.and_then(since).into_iter().chain(nightly).min();
    let wait = latest.and_then(|since| link.standing.every.checked_sub(since)).filter(|wait| !wait.is_zero());
    Ok(match wait {
        Some(wait) => Err(again.map_or(wait, |again| wait.min(again))),
        None => Ok(Reach::Recent),
    })
}

/// Runs once.
///
/// 1. The keys of strays that were told before are looked at again, and those of records that no link explains.
/// 2. All live records of each such key are read, then what we know of it: what was linked meanwhile counts.
/// 3. Each key is judged, and what it asks for is done.
///
/// # Errors
/// [`StandingError`]; what was found until then is told already.
pub async fn run(link: &Connection, reach: Reach) -> Result<Ran, StandingError> {
    let entered_from = entered_from(link, reach);
    let mut ran = Ran::default();
    // 1.
    let told = link.store.stray_keys(&link.name, OPEN_MAX).await?;
    // Each key once, however it was come by: records are read by key.
    let mut keys: BTreeMap<String, Rank> = told.into_iter().map(|key| (key, Rank::Known)).collect();
    let look = Look::of(link);
    let mut crowded = None;
    for site in link.rules.sites() {
        let looked = look
            .unexplained(site, entered_from, &mut |one| {
                // A person's own number may be digits too: without a document only what looks like Shopify's is ours.
                if one.has_document || one.is_shopifys() {
                    let rank = if one.has_document { Rank::Known } else { Rank::New };
                    let known = keys.entry(one.sighting.key).or_insert(rank);
                    *known = rank.min(*known);
                }
                !link.is_stopping()
            })
            .await?;
        ran.seen += looked.seen;
        crowded = crowded.or(looked.crowded);
    }
    if keys.len() > KEYS_MAX {
        crowded = Some("more keys in IFS are unexplained than one run looks up: settle what `strays list` shows first");
    }
    let keys: Vec<String> = most_urgent_first(keys).into_iter().take(KEYS_MAX).collect();
    for some in keys.chunks(KEYS_AT_ONCE) {
        if link.is_stopping() {
            return Ok(ran);
        }
        // 2.
        let records = look.records_of(some).await?;
        ran.looked_up += some.len();
        // 3.
        for key in some {
            act(link, key, records.get(key).map_or(&[][..], Vec::as_slice), &mut ran).await?;
        }
    }
    crowded.map_or(Ok(ran), |why| Err(StandingError::Crowded(why)))
}

/// What comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// An order here has the key, or it was told before.
    Known,
    New,
}

/// The keys to be looked up by their rank, and the newest first of each: Shopify's numbers grow.
fn most_urgent_first(keys: BTreeMap<String, Rank>) -> Vec<String> {
    let mut keys: Vec<(String, Rank)> = keys.into_iter().collect();
    keys.sort_by(|(key, rank), (other, than)| {
        rank.cmp(than).then_with(|| other.len().cmp(&key.len())).then_with(|| other.cmp(key))
    });
    keys.into_iter().map(|(key, _)| key).collect()
}

/// Nothing that was entered before the go-live is ours.
fn entered_from(link: &Connection, reach: Reach) -> Timestamp {
    let limits = &link.tenant.limits;
    let latest = limits.not_before(limits.batch_parts_max).saturating_add(Duration::from_secs(86_400));
    let back = match reach {
        Reach::Recent => link.standing.look_back.max(latest),
        Reach::Nightly => link.standing.nightly_look_back.max(latest),
    };
    let ago = |at: Timestamp, span: Duration| at.checked_sub(span).unwrap_or(Timestamp::UNIX_EPOCH);
    ago(link.clock.now(), back.saturating_add(CLOCKS_APART)).max(ago(link.rules.orders_from(), CLOCKS_APART))
}

/// Whoever looks for strays: the standing query, and the reconciliation, which only reads.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) ifs: &'a IfsClient,
    pub(super) store: &'a Store,
    pub(super) rules: &'a Rules,
    /// All connections of the tenant.
    pub(super) names: &'a [ConnectionName],
}

/// What a look went through.
#[derive(Default)]
pub(super) struct Looked {
    /// Live records that carry what may be a key of ours.
    pub(super) seen: usize,
    /// Why it did not come to the end, when it did not.
    pub(super) crowded: Option<&'static str>,
}

/// A live record that no link explains.
pub(super) struct Unexplained {
    pub(super) sighting: Sighting,
    /// Whether an order here has its key.
    pub(super) has_document: bool,
    /// When it was entered, by IFS's clock.
    pub(super) entered: Option<Timestamp>,
}

impl Unexplained {
    /// Whether its key looks like a number of Shopify's.
    pub(super) fn is_shopifys(&self) -> bool {
        is_shopifys(&self.sighting.key)
    }

    /// Shopify's number of the order whose key it carries.
    pub(super) fn order_id(&self) -> Option<u64> {
        order_of(&self.sighting.key)
    }
}

/// What is done with a record; false ends the look.
type Take<'t> = &'t mut dyn FnMut(Unexplained) -> bool;

impl Look<'_> {
    fn of(link: &Connection) -> Look<'_> {
        let tenant = &link.tenant;
        Look { ifs: &tenant.ifs, store: &link.store, rules: &link.rules, names: &tenant.connections }
    }

    fn key_field(&self) -> &str {
        &self.rules.settings().order_key_field
    }

    /// Goes through a site's live records with what may be a key of ours, and hands on those that no link explains.
    pub(super) async fn unexplained(
        &self,
        site: &str,
        entered_from: Timestamp,
        take: Take<'_>,
    ) -> Result<Looked, StandingError> {
        let key_field = self.key_field();
        let window = OrdersWindow { contract: site, key_field, entered_from, entered_until: None };
        let (mut after, mut looked): (Option<String>, Looked) = (None, Looked::default());
        for _ in 0..PAGES_MAX {
            let rows = self.ifs.orders_page(&window, after.as_deref()).await?;
            let Some(last) = rows.last() else { return Ok(looked) };
            after = last.text(names::ORDER_NO).map(str::to_owned);
            let seen: BTreeMap<Sighting, Option<Timestamp>> =
                rows.iter().filter_map(|row| Some((sighting(row, key_field)?, entered(row)))).collect();
            looked.seen += seen.len();
            let rest = self.store.unlinked(self.names, seen.keys().cloned().collect()).await?;
            for (sighting, has_document) in rest {
                let entered = seen.get(&sighting).copied().flatten();
                if !take(Unexplained { sighting, has_document, entered }) {
                    return Ok(looked);
                }
            }
        }
        looked.crowded = Some("IFS holds more orders of that time than one look goes through");
        Ok(looked)
    }

    /// All live records of these keys, at all sites of the connection.
    pub(super) async fn records_of(&self, keys: &[String]) -> Result<BTreeMap<String, Vec<Record>>, StandingError> {
        let (key_field, sites) = (self.key_field(), self.rules.sites());
        let wanted: Vec<(&String, &str)> =
            keys.iter().flat_map(|key| sites.iter().map(move |site| (key, *site))).collect();
        let parts: Vec<PartRequest> = wanted.iter().map(|(key, site)| all_records_part(key_field, key, site)).collect();
        let answers = self.ifs.batch_read(&parts).await?;
        let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for ((key, site), answer) in wanted.into_iter().zip(answers) {
            let rows = answer?.rows()?;
            let live = rows.iter().filter(|row| is_live(row) && row.text(key_field) == Some(key.as_str()));
            let number = |row: &Row| row.text(names::ORDER_NO).map(str::to_owned);
            let found = live.filter_map(|row| number(row).map(|order_no| Record(order_no, site.to_owned())));
            records.entry(key.clone()).or_default().extend(found);
        }
        Ok(records)
    }
}

/// A live record that carries what may be a key of ours.
fn sighting(row: &Row, key_field: &str) -> Option<Sighting> {
    let key = row.text(key_field).and_then(key_of)?;
    let order_no = row.text(names::ORDER_NO)?.to_owned();
    is_live(row).then_some(Sighting { key, order_no })
}

fn entered(row: &Row) -> Option<Timestamp> {
    row.text(names::DATE_ENTERED)?.parse().ok()
}

fn is_live(row: &Row) -> bool {
    row.text(names::OBJSTATE).is_none_or(|state| !Objstate::parse(state).is_cancelled())
}

/// Judges a key by what IFS holds and what we know, and does what follows.
async fn act(link: &Connection, key: &str, records: &[Record], ran: &mut Ran) -> Result<(), StandingError> {
    let (store, lease, now) = (&link.store, &link.tenant.lease, link.clock.now());
    let known = store.key_standing(&link.name, &link.tenant.connections, key).await?;
    let owner = known.document.as_ref().map(|document| document.connection.as_str());
    let unread: Vec<Record>;
    let (records, verdict) = match owner.filter(|owner| *owner != link.name.as_str()) {
        Some(owner) => {
            unread = records.iter().filter(|record| !link.tenant.is_read(owner, &record.1)).cloned().collect();
            (unread.as_slice(), judge_elsewhere(key, &unread, &known))
        }
        None => (records, judge(link.name.as_str(), key, records, &known)),
    };
    let mut standing = BTreeSet::new();
    match verdict {
        Verdict::Explained => {}
        // What was told of it stays told until it is decided.
        Verdict::Later | Verdict::Known => standing.extend(records.iter().map(|record| record.sighting(key))),
        Verdict::LookFirst(document) => {
            if store.look_up_first(lease, &document).await? {
                ran.look_first += 1;
                tracing::warn!(
                    connection = %link.name, document_id = %document.id, business_key = key,
                    "IFS holds a record with the key of an order that is still to be created: it is looked up first"
                );
            }
        }
        Verdict::Park { document, code, text, strays } => {
            standing.extend(records.iter().map(|record| record.sighting(key)));
            if store.park_for_strays(lease, &document, (code, text), strays.clone(), now).await? {
                ran.parked += 1;
                warn(link, code, &strays);
            }
        }
        Verdict::Tell(strays) => {
            standing.extend(records.iter().map(|record| record.sighting(key)));
            let new = store.tell_strays(lease, &link.name, strays, now).await?;
            ran.told += new.len();
            if let Some(first) = new.first() {
                warn(link, first.code, &new);
            }
        }
    }
    store.end_strays(lease, &link.name, vec![key.to_owned()], standing, now).await?;
    Ok(())
}

fn warn(link: &Connection, code: &'static str, strays: &[Stray]) {
    for stray in strays {
        tracing::warn!(
            connection = %link.name, code, order_no = %stray.sighting.order_no, business_key = %stray.sighting.key,
            document_id = stray.document.map(|id| id.get()),
            "IFS holds a record with our key that no link explains: see `strays list`"
        );
    }
}
