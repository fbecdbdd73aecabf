//! When prices are compared: at an hour of the day or when a person asks, and only by a reading of the stock that is recent enough.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::{ASKED, Asked, PRICES, Place, end, keep};
use crate::flow::stock::{self, STOCK};
use crate::flow::{Connection, runs};
use crate::store::{RunOutcome, StoreError};

/// Nothing is compared by a reading of the stock that began longer ago; a run under way waits too.
const READING_AGE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// A run that is begun anew, or because plans were given up, wants a reading that began no longer ago.
const AGAIN_AGE_MAX: SignedDuration = SignedDuration::from_hours(3);
/// A reading that the stock's rhythm brings no later than this after the hour is waited for, rather than the one before it taken.
const NEXT_WAIT: SignedDuration = SignedDuration::from_hours(3);
/// How long a reading is waited for before a person is told: longer than [`NEXT_WAIT`], and what a reading takes.
const UNREAD_MAX: SignedDuration = SignedDuration::from_hours(5);

/// What became of the latest run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Latest {
    /// It has ended, or there was none.
    Ended,
    /// It may go on.
    UnderWay,
    /// It was begun under other rules.
    Lost,
}

/// The latest reading of the stock that was planned whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// When it began to read.
    pub from: Timestamp,
    /// When its row in `schedule_runs` began, later than that where it broke off: what a person asked for until then, it is.
    pub row_began: Timestamp,
    /// When the next one is due; none where the settings name no further time.
    pub next: Option<Timestamp>,
}

impl Reading {
    fn is_younger(&self, than: SignedDuration, now: Timestamp) -> bool {
        now.duration_since(self.from) <= than
    }

    /// Whether the run of that hour may compare by it: it began since, or the stock is not read again soon after the hour.
    fn serves(&self, hour: Timestamp, now: Timestamp) -> bool {
        let is_last = self.next.is_none_or(|next| next.duration_since(hour) > NEXT_WAIT);
        self.from >= hour || (is_last && self.is_younger(READING_AGE_MAX, now))
    }
}

/// What is known when somebody looks whether prices are to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Our time.
    pub now: Timestamp,
    /// The latest time at which the settings want a run.
    pub hour: Option<Timestamp>,
    /// When the latest run began, whatever it went on under later; none before the first one.
    pub began: Option<Timestamp>,
    /// What became of it.
    pub latest: Latest,
    /// When a person asked for a run.
    pub asked: Option<Timestamp>,
    /// When a plan was last given up.
    pub aged: Option<Timestamp>,
    /// By what prices would be compared.
    pub reading: Option<Reading>,
}

/// Whether prices are to be compared now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// A run begins, or the one under way goes on.
    Now,
    /// There is nothing to do.
    No,
    /// A run that was due then waits for a reading of the stock.
    Unread {
        /// When it was due; of one under way, when the reading became too old for it.
        since: Timestamp,
    },
}

/// A run that waits for a reading of the stock, as it is kept with the [`Place`]. Times are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unread {
    /// When it was due.
    since: i64,
    /// When it was seen to wait: the service may have been down until then.
    seen: i64,
    /// Whether a person was told.
    is_told: bool,
}

impl Known {
    /// Asks the store.
    pub async fn of(link: &Connection, place: Option<&Place>, latest: Latest) -> Result<Self, StoreError> {
        let now = link.clock.now();
        let (_, read) = link.store.latest_runs(&link.name, STOCK).await?;
        let from = stock::Place::stored(link).await?.and_then(|place| place.read_from());
        let reading = read.zip(from).map(|(run, from)| {
            let next = link.stock.next_after(from, &link.rules.settings().time_zone);
            Reading { from, row_began: run.started_at, next }
        });
        let hour = i8::try_from(link.prices.settings().at_hour).unwrap_or_default();
        Ok(Self {
            now,
            hour: latest_at(&link.rules.local(now), hour),
            began: place.and_then(Place::began),
            latest,
            // What is asked for in the future was asked by another clock: it counts from then on.
            asked: asked(link).await?.filter(|at| *at <= now),
            aged: link.store.aged_prices_at(&link.name).await?,
            reading,
        })
    }

    /// Whether prices are to be compared now.
    ///
    /// 1. A run under way goes on, however long it takes.
    /// 2. A person asks for one: by what was read since. No run began since the hour: by a reading that serves it.
    /// 3. A run was begun under other rules, or plans were given up since the latest one began: by a reading that is hours old at most.
    pub fn due(&self) -> Due {
        let Self { now, began, reading, .. } = *self;
        // 1.
        if self.latest == Latest::UnderWay {
            return match reading {
                Some(reading) if reading.is_younger(READING_AGE_MAX, now) => Due::Now,
                Some(reading) => {
                    Due::Unread { since: reading.from.checked_add(READING_AGE_MAX).unwrap_or(Timestamp::MAX) }
                }
                None => Due::Unread { since: began.unwrap_or(now) },
            };
        }
        // A run of the future began before the clock was set back: it counts for nothing.
        let is_new = |at: &Timestamp| began.is_none_or(|began| began < *at || began > now);
        // 2.
        let (asked, hour) = (self.asked.filter(is_new), self.hour.filter(is_new));
        if let Some(since) = asked.max(hour) {
            let is_good = |reading: Reading| {
                asked.is_none_or(|asked| reading.row_began >= asked)
                    && hour.is_none_or(|hour| reading.serves(hour, now))
            };
            return if reading.is_some_and(is_good) { Due::Now } else { Due::Unread { since } };
        }
        // 3.
        let is_wanted = self.latest == Latest::Lost || self.aged.is_some_and(|at| is_new(&at));
        let is_fresh = reading.is_some_and(|reading| reading.is_younger(AGAIN_AGE_MAX, now));
        if is_wanted && is_fresh { Due::Now } else { Due::No }
    }
}

/// A run is due, or cannot go on, before a reading of the stock. Where that takes long it is told, once, as a run that failed.
pub(super) async fn waits(
    link: &Connection,
    mut place: Place,
    (since, known): (Timestamp, Known),
) -> Result<(), StoreError> {
    let seen = place.unread.filter(|unread| unread.since == since.as_microsecond());
    let unread =
        seen.unwrap_or(Unread { since: since.as_microsecond(), seen: known.now.as_microsecond(), is_told: false });
    let seen_at = Timestamp::from_microsecond(unread.seen).unwrap_or(Timestamp::MIN);
    if seen.is_some() && (unread.is_told || known.now.duration_since(seen_at) <= UNREAD_MAX) {
        return Ok(());
    }
    place.unread = Some(Unread { is_told: seen.is_some(), ..unread });
    if seen.is_some() {
        let message = told(since, known.reading);
        tracing::warn!(connection = %link.name, %message, "the shop keeps its prices");
        let number = link.store.begin_run(&link.tenant.lease, &link.name, PRICES, known.now).await?;
        // Should this one go on, it does so under another row.
        place.number = 0;
        end(link, number, RunOutcome::Failed, Some(message), &place.seen).await?;
    }
    keep(link, &place).await
}

/// Why a run waits, for a person.
fn told(since: Timestamp, reading: Option<Reading>) -> String {
    let what = match reading {
        Some(reading) => format!("the latest one that came to its end began at {}", reading.from),
        None => "none has come to its end yet".to_owned(),
    };
    format!(
        "no price is compared: since {since} a reading of the stock is waited for, and {what}; see stock.every_secs, stock.cron and \
         `stock sync`"
    )
}

/// The latest time at which a day had this hour, today's or yesterday's.
fn latest_at(now: &Zoned, hour: i8) -> Option<Timestamp> {
    // An hour that the clock skips begins where it goes on.
    let at = |day: Date| day.at(hour, 0, 0, 0).to_zoned(now.time_zone().clone()).ok().map(|at| at.timestamp());
    let days = [Some(now.date()), now.date().yesterday().ok()];
    days.into_iter().flatten().filter_map(at).find(|at| *at <= now.timestamp())
}

async fn asked(link: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let Some(asked) = runs::kept::<Asked>(link, ASKED).await? else { return Ok(None) };
    let corrupt = StoreError::Corrupt { table: "cursors", column: "value" };
    Timestamp::from_microsecond(asked.at).map(Some).map_err(|_| corrupt)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    /// One that began so, and the next one.
    fn reading(from: &str, next: &str) -> Option<Reading> {
        Some(Reading { from: at(from), row_began: at(from), next: Some(at(next)) })
    }

    /// At five each day. The latest run was the day before.
    fn daily(now: &str, reading: Option<Reading>) -> Known {
        let now = at(now);
        let hour = latest_at(&now.to_zoned(TimeZone::UTC), 5);
        let began = Some(at("2026-11-27T05:00:04Z"));
        Known { now, hour, began, latest: Latest::Ended, asked: None, aged: None, reading }
    }

    /// The stock is read each day at four.
    fn at_four() -> Option<Reading> {
        reading("2026-11-28T04:00:02Z", "2026-11-29T04:00:00Z")
    }

    fn since(text: &str) -> Due {
        Due::Unread { since: at(text) }
    }

    #[test]
    fn a_stock_that_is_read_once_a_day_before_the_hour_serves_it() {
        let before = reading("2026-11-27T04:00:02Z", "2026-11-28T04:00:00Z");
        assert_eq!(daily("2026-11-28T04:59:59Z", at_four()).due(), Due::No, "yesterday's was begun");
        assert_eq!(daily("2026-11-28T05:00:00Z", at_four()).due(), Due::Now);
        assert_eq!(daily("2026-11-28T23:00:00Z", at_four()).due(), Due::Now, "however late somebody looks");
        assert_eq!(daily("2026-11-29T00:30:00Z", at_four()).due(), Due::Now, "at midnight it is as due as before");
        assert_eq!(
            daily("2026-11-28T05:00:00Z", before).due(),
            since("2026-11-28T05:00:00Z"),
            "today's reading has not come to its end yet"
        );
        let begun = Known { began: Some(at("2026-11-28T05:00:04Z")), ..daily("2026-11-29T04:59:59Z", at_four()) };
        assert_eq!(begun.due(), Due::No);
    }

    #[test]
    fn a_reading_that_comes_soon_behind_the_hour_is_waited_for() {
        let hourly = reading("2026-11-28T04:30:00Z", "2026-11-28T05:30:00Z");
        assert_eq!(daily("2026-11-28T05:00:00Z", hourly).due(), since("2026-11-28T05:00:00Z"));
        assert_eq!(daily("2026-11-28T12:00:00Z", hourly).due(), since("2026-11-28T05:00:00Z"), "IFS is down");
        let next = reading("2026-11-28T05:30:00Z", "2026-11-28T06:30:00Z");
        assert_eq!(daily("2026-11-28T05:35:00Z", next).due(), Due::Now);
        let third = reading("2026-11-28T00:30:00Z", "2026-11-28T08:30:00Z");
        assert_eq!(daily("2026-11-28T05:00:00Z", third).due(), Due::Now, "too late to be waited for");
    }

    #[test]
    fn nothing_is_compared_by_a_reading_of_the_day_before_yesterday() {
        let weekly = reading("2026-11-27T04:00:02Z", "2026-12-04T04:00:00Z");
        assert_eq!(daily("2026-11-28T05:00:00Z", weekly).due(), since("2026-11-28T05:00:00Z"));
        assert_eq!(daily("2026-11-28T05:00:00Z", None).due(), since("2026-11-28T05:00:00Z"));
        let under_way = Known { latest: Latest::UnderWay, ..daily("2026-11-28T04:00:00Z", weekly) };
        assert_eq!(under_way.due(), Due::Now, "for as long as its reading is a day old at most");
        let late = Known { now: at("2026-11-28T04:00:03Z"), ..under_way };
        assert_eq!(late.due(), since("2026-11-28T04:00:02Z"));
    }

    #[test]
    fn a_run_that_takes_long_goes_on_and_todays_follows_it() {
        let long = Known { began: Some(at("2026-11-26T05:00:04Z")), ..daily("2026-11-28T05:00:00Z", at_four()) };
        assert_eq!(Known { latest: Latest::UnderWay, ..long }.due(), Due::Now);
        assert_eq!(long.due(), Due::Now, "its first parts were compared two days ago");
    }

    #[test]
    fn what_a_person_asks_for_wants_a_reading_since() {
        let asked = Some(at("2026-11-28T10:00:00Z"));
        let begun = Some(at("2026-11-28T05:00:04Z"));
        let known = Known { asked, began: begun, ..daily("2026-11-28T10:00:05Z", at_four()) };
        assert_eq!(known.due(), since("2026-11-28T10:00:00Z"));
        let due_too = Known { began: Some(at("2026-11-27T05:00:04Z")), ..known };
        assert_eq!(due_too.due(), since("2026-11-28T10:00:00Z"), "the day's run would be taken for the one asked for");
        let read = reading("2026-11-28T10:00:01Z", "2026-11-29T04:00:00Z");
        assert_eq!(Known { reading: read, ..known }.due(), Due::Now);
        assert_eq!(Known { began: Some(at("2026-11-28T10:00:04Z")), reading: read, ..known }.due(), Due::No);
    }

    #[test]
    fn plans_that_were_given_up_want_a_reading_of_the_last_hours() {
        let began = Some(at("2026-11-28T05:00:04Z"));
        let aged = Some(at("2026-11-28T06:00:00Z"));
        let known = Known { began, aged, ..daily("2026-11-28T07:00:02Z", at_four()) };
        assert_eq!(known.due(), Due::Now);
        assert_eq!(Known { now: at("2026-11-28T07:00:03Z"), ..known }.due(), Due::No);
        assert_eq!(Known { aged: Some(at("2026-11-28T05:00:00Z")), ..known }.due(), Due::No, "before it began");
        assert_eq!(Known { aged: None, latest: Latest::Lost, ..known }.due(), Due::Now);
    }

    #[test]
    fn a_run_of_the_future_counts_for_nothing() {
        let began = Some(at("2026-12-28T05:00:04Z"));
        assert_eq!(Known { began, ..daily("2026-11-28T05:00:00Z", at_four()) }.due(), Due::Now);
    }

    #[test]
    fn the_hour_is_the_shops_todays_or_yesterdays() {
        let stockholm = TimeZone::get("Europe/Stockholm").expect("it is known");
        let latest = |now: &str, hour| latest_at(&at(now).to_zoned(stockholm.clone()), hour).map(|at| at.to_string());
        assert_eq!(latest("2026-11-28T03:59:59Z", 5).as_deref(), Some("2026-11-27T04:00:00Z"));
        assert_eq!(latest("2026-11-28T04:00:00Z", 5).as_deref(), Some("2026-11-28T04:00:00Z"));
        // Past midnight there, not yet here.
        assert_eq!(latest("2026-11-28T23:30:00Z", 0).as_deref(), Some("2026-11-28T23:00:00Z"));
        assert_eq!(latest("2026-11-28T22:30:00Z", 0).as_deref(), Some("2026-11-27T23:00:00Z"));
        // The night in which the clock skips two o'clock.
        assert_eq!(latest("2026-03-29T01:30:00Z", 2).as_deref(), Some("2026-03-29T01:00:00Z"));
    }
}
