//! The laws of each moment. What is set was planned for this very price before, no long time ago; what is planned is what IFS asked since
//! the reading, and moves little from what was shown since, or a person accepted it; what waits for a person says why.

use std::collections::BTreeMap;

use ml_connector::sandbox::shopify::{SWEDISH_PRICES, StandingWrite};
use ml_connector::store::{PriceFilter, PriceRow};
use rust_decimal::Decimal;

use super::play::Run;
use super::sides::{Key, OWN, Sides};

/// More rows than there are.
const ROWS_MAX: i64 = 1_000;
/// A price that moves by more percent waits for a person.
const PERCENT_MAX: i64 = 30;
/// No plan is set that is older, in microseconds: six hours, and what the waits of one call come to.
const PLAN_AGE_MAX: i64 = (6 * 3_600 + 600) * 1_000_000;

/// An amount that was planned for a price.
struct Planned {
    amount: Decimal,
    /// In microseconds since 1970.
    at: i64,
}

/// What was planned, and what persons accepted.
#[derive(Default)]
pub struct Plans {
    planned: BTreeMap<Key, Vec<Planned>>,
    /// What a person accepted, as long as the store keeps it.
    accepted: BTreeMap<Key, Decimal>,
    /// When the reading began from which the poller compares, in microseconds since 1970.
    read_from: i64,
    /// Writes of the shop that were judged.
    writes: usize,
}

impl Plans {
    /// A person accepted a price.
    pub fn accept(&mut self, key: Key, amount: Decimal) {
        self.accepted.insert(key, amount);
    }

    /// Judges the rows of a price list.
    fn judge(&mut self, list: u64, rows: &[PriceRow], sides: &Sides) {
        for row in rows {
            let key = (list, row.variant_id);
            let accepted = figure(row.accepted.as_deref());
            if accepted.is_some() {
                let by_person = self.accepted.get(&key).copied();
                assert_eq!(by_person, accepted, "nobody has accepted it, or it was used up: {row:?}");
            }
            match row.state.as_str() {
                "planned" => self.enter(key, row, accepted, sides),
                "parked" => {
                    let is_told = |(code, text): &(String, String)| !code.is_empty() && !text.is_empty();
                    assert!(row.reason.as_ref().is_some_and(is_told), "it waits, and nobody knows why: {row:?}");
                }
                "written" | "aged" => {}
                other => panic!("no state of a price: {other}"),
            }
        }
        // What is gone once does not come back by itself.
        let accepted = rows.iter().filter_map(|row| Some((row.variant_id, figure(row.accepted.as_deref())?)));
        let kept: BTreeMap<u64, Decimal> = accepted.collect();
        self.accepted.retain(|(of, variant), amount| *of != list || kept.get(variant).copied() == Some(*amount));
    }

    /// A price is planned. Where that is new it is judged.
    fn enter(&mut self, key: Key, row: &PriceRow, accepted: Option<Decimal>, sides: &Sides) {
        let amount = figure(row.wanted.as_deref()).expect("what is planned has an amount");
        let at = row.updated_at.as_microsecond();
        let before = self.planned.entry(key).or_default();
        if before.last().is_some_and(|last| last.amount == amount && last.at == at) {
            return;
        }
        if accepted.is_some() {
            assert_eq!(accepted, Some(amount), "another amount was accepted: {row:?}");
        } else {
            let since = self.read_from;
            assert!(sides.was_asked(key, amount, since), "IFS has not asked that since the reading: {row:?}");
            assert!(amount > Decimal::ZERO, "nobody has accepted that it costs nothing: {row:?}");
            match figure(row.shown.as_deref()) {
                Some(shown) => {
                    assert!(is_near(shown, amount), "nobody has accepted so large a change: {row:?}");
                    // What a call of ours set counts as shown, whenever that was settled.
                    let is_ours = before.iter().any(|planned| planned.amount == shown);
                    assert!(is_ours || sides.was_shown(key, shown, since), "it did not cost that: {row:?}");
                }
                None => assert_ne!(key.0, OWN, "the shop has a price of everything: {row:?}"),
            }
        }
        before.push(Planned { amount, at });
    }
}

impl Run {
    /// From now on the poller compares from the latest reading that was done.
    pub(super) fn begin_comparing(&mut self) {
        // One that failed and went on has several rows; it read first under the first of them.
        let done = "SELECT MAX(id) FROM schedule_runs WHERE what = 'stock' AND outcome = 'done'";
        self.plans.read_from = self.stage.world.database.number(&format!(
            "SELECT COALESCE(MIN(started_at), 0) FROM schedule_runs WHERE what = 'stock' \
             AND id > COALESCE(({done} AND id < ({done})), 0)"
        ));
    }

    /// Judges what is planned, and what waits for a person.
    ///
    /// # Panics
    /// Where a price is planned that may not be, or one waits without a reason.
    pub(super) async fn judge_plans(&mut self) {
        for list in self.sides.lists.clone() {
            let rows = self.rows(list, PriceFilter::All).await;
            self.plans.judge(list, &rows, &self.sides);
        }
    }

    /// The rows of a price list.
    pub(super) async fn rows(&self, list: u64, filter: PriceFilter) -> Vec<PriceRow> {
        let link = &self.stage.owner.link;
        link.store.prices(&link.name, list, filter, (0, 0), ROWS_MAX).await.expect("nobody keeps this door")
    }

    /// What calls have done since this was looked at last; a late one may be as old as it likes.
    ///
    /// # Panics
    /// Where one did anything that was not planned.
    pub(super) fn judge_writes(&mut self, is_late: bool) {
        let writes = self.stage.world.shop().standing_writes();
        for write in &writes[self.plans.writes..] {
            let ((key, amount), at) = (set_by(write), write.at.as_microsecond());
            let since = if is_late { i64::MIN } else { at - PLAN_AGE_MAX };
            let mut planned = self.plans.planned.get(&key).into_iter().flatten();
            let is_planned = planned.any(|planned| planned.amount == amount && planned.at >= since);
            assert!(is_planned, "nobody has planned it, or too long ago: {write:?}");
            self.trace.say(format!("  variant {} is set: {}", write.id, write.what));
            self.sides.shows(key, at, amount);
        }
        self.plans.writes = writes.len();
    }
}

/// The price that a write set, and to what.
fn set_by(write: &StandingWrite) -> (Key, Decimal) {
    let words: Vec<&str> = write.what.split(' ').collect();
    let (list, amount) = match words.as_slice() {
        ["price", amount] => (OWN, *amount),
        ["fixed", amount, "SEK"] => (SWEDISH_PRICES, *amount),
        _ => panic!("that is no price: {write:?}"),
    };
    ((list, write.id), figure(Some(amount)).expect("an amount"))
}

/// Whether a price moves so little that it goes by itself.
pub(super) fn is_near(shown: Decimal, wanted: Decimal) -> bool {
    (wanted - shown).abs() * Decimal::ONE_HUNDRED <= shown * Decimal::from(PERCENT_MAX)
}

pub(super) fn figure(text: Option<&str>) -> Option<Decimal> {
    text.map(|text| Decimal::from_str_exact(text).expect("an amount"))
}
