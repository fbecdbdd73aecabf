//! The standing query: records in IFS that carry a key of ours and that no link explains. Two records with one key, or one that we do
//! not know, park the document concerned, or are told where there is none. It reads IFS, and never cancels, links or creates.
//!
//! It guards what nothing else can: two owners at once (a process that was stopped and woke up), a restored backup, a create that
//! committed after its time, and what a person keyed under a key of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Connection;
use super::stray::{Record, Verdict, is_shopifys, judge, key_of};
use crate::ifs::OrdersWindow;
use crate::ifs::error::IfsError;
use crate::ifs::wire::{Objstate, PartRequest, Row, names};
use crate::mapping::create::look_up_part;
use crate::store::{Sighting, StoreError, Stray};
use crate::telemetry::metric;

/// Keys looked up in one run; more are left to the next one.
const KEYS_MAX: usize = 500;
/// Open strays that are looked at again in one run.
const OPEN_MAX: i64 = 100;
/// Keys of one batch of look-ups.
const KEYS_AT_ONCE: usize = 25;
/// Pages of one site in one run: far more than any shop sells.
const PAGES_MAX: usize = 4_000;
/// IFS writes times without their zone as some tenants have it: how far its clock's reading may be from ours.
const CLOCKS_APART: Duration = Duration::from_secs(14 * 3_600);

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

/// Why a run did not end. The next one begins anew.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// IFS could not be read.
    #[error(transparent)]
    Ifs(#[from] IfsError),
    /// The store failed, or the lease is lost.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    let mut keys: BTreeSet<String> = link.store.stray_keys(&link.name, OPEN_MAX).await?.into_iter().collect();
    for site in link.rules.sites() {
        unexplained(link, site, entered_from, &mut keys, &mut ran).await?;
    }
    if keys.len() > KEYS_MAX {
        tracing::warn!(connection = %link.name, keys = keys.len(), "more unexplained keys in IFS than one run looks up: the rest follows");
    }
    let keys: Vec<String> = keys.into_iter().take(KEYS_MAX).collect();
    for some in keys.chunks(KEYS_AT_ONCE) {
        if link.is_stopping() {
            return Ok(ran);
        }
        // 2.
        let records = records_of(link, some).await?;
        ran.looked_up += some.len();
        // 3.
        for key in some {
            act(link, key, records.get(key).map_or(&[][..], Vec::as_slice), &mut ran).await?;
        }
    }
    metrics::counter!(metric::STANDING_QUERIES_TOTAL, "connection" => link.name.as_str().to_owned(), "outcome" => "done")
        .increment(1);
    Ok(ran)
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

/// Adds the keys of a site's live records that no link explains.
async fn unexplained(
    link: &Connection,
    site: &str,
    entered_from: Timestamp,
    keys: &mut BTreeSet<String>,
    ran: &mut Ran,
) -> Result<(), StandingError> {
    let key_field = link.rules.settings().order_key_field.as_str();
    let window = OrdersWindow { contract: site, key_field, entered_from, entered_until: None };
    let mut after: Option<String> = None;
    for _ in 0..PAGES_MAX {
        if link.is_stopping() {
            return Ok(());
        }
        let rows = link.tenant.ifs.orders_page(&window, after.as_deref()).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.text(names::ORDER_NO).map(str::to_owned);
        let seen: Vec<Sighting> = rows.iter().filter_map(|row| sighting(row, key_field)).collect();
        ran.seen += seen.len();
        for (one, has_document) in link.store.unlinked(&link.tenant.connections, seen).await? {
            // A person's own number may be digits too: without a document only what looks like Shopify's is ours.
            if has_document || is_shopifys(&one.key) {
                keys.insert(one.key);
            }
        }
    }
    tracing::warn!(connection = %link.name, site, pages = PAGES_MAX, "the standing query did not come to the end of IFS's orders");
    Ok(())
}

/// A live record that carries what may be a key of ours.
fn sighting(row: &Row, key_field: &str) -> Option<Sighting> {
    let key = row.text(key_field).and_then(key_of)?;
    let order_no = row.text(names::ORDER_NO)?.to_owned();
    is_live(row).then_some(Sighting { key, order_no })
}

fn is_live(row: &Row) -> bool {
    row.text(names::OBJSTATE).is_none_or(|state| !Objstate::parse(state).is_cancelled())
}

/// All live records of these keys, at all sites of the connection.
async fn records_of(link: &Connection, keys: &[String]) -> Result<BTreeMap<String, Vec<Record>>, StandingError> {
    let key_field = link.rules.settings().order_key_field.as_str();
    let sites = link.rules.sites();
    let wanted: Vec<(&String, &str)> = keys.iter().flat_map(|key| sites.iter().map(move |site| (key, *site))).collect();
    let parts: Vec<PartRequest> = wanted.iter().map(|(key, site)| look_up_part(key_field, key, site)).collect();
    let answers = link.tenant.ifs.batch_read(&parts).await?;
    let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for ((key, _), answer) in wanted.into_iter().zip(answers) {
        let rows = answer?.rows()?;
        let live = rows.iter().filter(|row| is_live(row) && row.text(key_field) == Some(key.as_str()));
        let found = live.filter_map(|row| row.text(names::ORDER_NO).map(|order_no| Record(order_no.to_owned())));
        records.entry(key.clone()).or_default().extend(found);
    }
    Ok(records)
}

/// Judges a key by what IFS holds and what we know, and does what follows.
async fn act(link: &Connection, key: &str, records: &[Record], ran: &mut Ran) -> Result<(), StandingError> {
    let (store, lease, now) = (&link.store, &link.tenant.lease, link.clock.now());
    let known = store.key_standing(&link.name, &link.tenant.connections, key).await?;
    let verdict = judge(link.name.as_str(), key, records, &known);
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
