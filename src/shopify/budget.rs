//! Who may spend a shop's points next: orders before the rest, each in its turn, and nobody is kept waiting for ever. What a
//! query costs is what it cost when it last ran. The rules are pure; only [`Budget::admit`] waits, on the machine's own time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::cost::{Cost, ThrottleStatus};
use super::limits::{ADMISSION_WAIT_MAX, QUERY_COST_MAX, REST_AT_ONCE, REST_PATIENCE};
use crate::remote::NotNow;

/// Whose calls go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lane {
    /// What an order waits for: its reading, and what the shop is told of it.
    #[default]
    Orders,
    /// What may come a little later: sweeps, censuses, subscriptions, stock. It leaves points for an order in the bucket, and
    /// makes way for orders that wait, but only for [`REST_PATIENCE`]: then it takes its turn among them.
    Rest,
}

impl Lane {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Rest => "rest",
        }
    }
}

/// The points of one shop. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Budget(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    book: Mutex<Book>,
    /// Rung whenever somebody's turn may have come.
    changed: Notify,
}

/// The right to send one query. Its points count as spent until it is dropped.
#[must_use = "the query is sent while this is held"]
#[derive(Debug)]
pub struct Admitted {
    budget: Budget,
    lane: Lane,
    operation: &'static str,
    points: f64,
    /// How many answers had been learnt from when it was given.
    answers_before: u64,
}

/// A place among those who wait; given up when dropped.
struct Place<'a> {
    budget: &'a Budget,
    ask: Ask,
}

#[derive(Clone, Copy, Debug)]
struct Ask {
    ticket: u64,
    lane: Lane,
    operation: &'static str,
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Turn {
    /// It may be sent; so many points count as spent.
    Now(f64),
    /// Not before this time, or before somebody else is done.
    Later(Duration),
}

#[derive(Debug, Default)]
struct Book {
    latest: Option<(Instant, ThrottleStatus)>,
    /// What each operation asked for when it last ran.
    requested: HashMap<&'static str, f64>,
    /// The dearest of those that orders wait for.
    dearest_order: Option<f64>,
    /// How many answers were learnt from.
    answers: u64,
    /// Points of queries that are under way.
    under_way: f64,
    rest_under_way: usize,
    /// Tickets of orders, and of the rest whose patience is over, in their turn.
    line: VecDeque<u64>,
    tickets: u64,
}

impl Budget {
    /// Waits for the turn of a query.
    ///
    /// # Errors
    /// Its turn did not come within [`ADMISSION_WAIT_MAX`]: when to ask again.
    pub async fn admit(&self, lane: Lane, operation: &'static str) -> Result<Admitted, NotNow> {
        let place = self.place(lane, operation);
        let deadline = place.ask.since + ADMISSION_WAIT_MAX;
        loop {
            let mut changed = std::pin::pin!(self.0.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let now = Instant::now();
            // Let go of the book before anything else: giving up the place wants it too.
            let (turn, answers_before) = {
                let mut book = self.lock();
                (book.turn(place.ask, now), book.answers)
            };
            let wait = match turn {
                Turn::Now(points) => {
                    drop(place);
                    return Ok(Admitted { budget: self.clone(), lane, operation, points, answers_before });
                }
                Turn::Later(wait) => wait,
            };
            if now >= deadline {
                return Err(NotNow { after: wait.max(Duration::from_secs(1)) });
            }
            let until = (now + wait.max(Duration::from_millis(1))).min(deadline);
            tokio::select! {
                () = &mut changed => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    fn place(&self, lane: Lane, operation: &'static str) -> Place<'_> {
        let mut book = self.lock();
        book.tickets += 1;
        let ask = Ask { ticket: book.tickets, lane, operation, since: Instant::now() };
        if lane == Lane::Orders {
            book.line.push_back(ask.ticket);
        }
        Place { budget: self, ask }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // Plain values, never held across a wait: a panic elsewhere leaves nothing half done.
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.budget.lock().line.retain(|ticket| *ticket != self.ask.ticket);
        self.budget.0.changed.notify_waiters();
    }
}

impl Admitted {
    /// Learns from the answer.
    pub fn learn(&self, cost: &Cost) {
        self.budget.lock().learn(self.lane, self.operation, cost, self.answers_before, Instant::now());
        self.budget.0.changed.notify_waiters();
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut book = self.budget.lock();
        book.under_way = (book.under_way - self.points).max(0.0);
        if self.lane == Lane::Rest {
            book.rest_under_way = book.rest_under_way.saturating_sub(1);
        }
        drop(book);
        self.budget.0.changed.notify_waiters();
    }
}

impl Book {
    /// Whose turn it is: the first of the line needs its own points only; the rest waits for the line, for a place, and for
    /// points beyond those of the dearest reading of an order. Who may go is booked as under way.
    fn turn(&mut self, ask: Ask, now: Instant) -> Turn {
        let waited = now.saturating_duration_since(ask.since);
        let mut in_line = self.line.contains(&ask.ticket);
        if !in_line && waited >= REST_PATIENCE {
            self.line.push_back(ask.ticket);
            in_line = true;
        }
        let patience = REST_PATIENCE.saturating_sub(waited);
        let points = self.points(ask);
        let (is_turn, reserve) = if in_line {
            (self.line.front() == Some(&ask.ticket), 0.0)
        } else {
            let free = self.line.is_empty() && self.rest_under_way < REST_AT_ONCE;
            (free, self.dearest_order.unwrap_or(QUERY_COST_MAX))
        };
        // One that is not first is told when the line moves; the time is only the safety net, or the end of its patience.
        let unless_told = if in_line { ADMISSION_WAIT_MAX } else { patience };
        if !is_turn {
            return Turn::Later(unless_told);
        }
        let missing = self.missing(points, reserve, now);
        if !missing.is_zero() {
            return Turn::Later(missing.min(unless_told));
        }
        self.under_way += points;
        if ask.lane == Lane::Rest {
            self.rest_under_way += 1;
        }
        Turn::Now(points)
    }

    /// What a query will ask for, as far as that was learnt: an order is not kept back by a guess, the rest is.
    fn points(&self, ask: Ask) -> f64 {
        let unlearnt = match ask.lane {
            Lane::Orders => 0.0,
            Lane::Rest => QUERY_COST_MAX,
        };
        self.requested.get(ask.operation).copied().unwrap_or(unlearnt).clamp(0.0, QUERY_COST_MAX)
    }

    /// How long until the bucket holds these points beside the reserve, or is full.
    fn missing(&self, points: f64, reserve: f64, now: Instant) -> Duration {
        let Some((_, status)) = self.latest else { return Duration::ZERO };
        let held = self.available(now).unwrap_or_default() - self.under_way;
        // A reserve that the bucket never holds beside the query would keep it waiting for ever.
        let wanted = (points + reserve).min(status.maximum_available);
        status.time_for(wanted - held)
    }

    /// What the bucket holds now, as far as it was told; the points of queries under way may still be in it.
    fn available(&self, now: Instant) -> Option<f64> {
        let (at, status) = self.latest?;
        let restored = now.saturating_duration_since(at).as_secs_f64() * status.restore_rate.max(0.0);
        Some((status.currently_available + restored).min(status.maximum_available))
    }

    /// Answers overtake each other: one that left before another's points were taken tells of more than there is. So
    /// beside an answer that was learnt meanwhile the lower of the two counts.
    fn learn(&mut self, lane: Lane, operation: &'static str, cost: &Cost, answers_before: u64, now: Instant) {
        let mut status = cost.throttle_status;
        if self.answers > answers_before
            && let Some(available) = self.available(now)
        {
            status.currently_available = status.currently_available.min(available);
        }
        self.answers += 1;
        self.latest = Some((now, status));
        self.requested.insert(operation, cost.requested_query_cost);
        if lane == Lane::Orders {
            let dearest = self.dearest_order.unwrap_or(0.0).max(cost.requested_query_cost);
            self.dearest_order = Some(dearest.clamp(0.0, QUERY_COST_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(requested: f64, available: f64) -> Cost {
        let throttle_status =
            ThrottleStatus { maximum_available: 1_000.0, currently_available: available, restore_rate: 100.0 };
        Cost { requested_query_cost: requested, throttle_status }
    }

    struct Desk {
        book: Book,
        now: Instant,
    }

    impl Desk {
        /// A bucket that holds so many points; an order costs 100, a page of the rest 300.
        fn with(available: f64) -> Self {
            let mut desk = Self { book: Book::default(), now: Instant::now() };
            desk.learn(Lane::Rest, "page", &cost(300.0, available));
            desk.learn(Lane::Orders, "order", &cost(100.0, available));
            desk
        }

        fn ask(&mut self, lane: Lane, operation: &'static str) -> Ask {
            self.book.tickets += 1;
            let ask = Ask { ticket: self.book.tickets, lane, operation, since: self.now };
            if lane == Lane::Orders {
                self.book.line.push_back(ask.ticket);
            }
            ask
        }

        /// From an answer that no other one met on its way.
        fn learn(&mut self, lane: Lane, operation: &'static str, cost: &Cost) {
            self.book.learn(lane, operation, cost, self.book.answers, self.now);
        }

        fn turn(&mut self, ask: Ask) -> Turn {
            let turn = self.book.turn(ask, self.now);
            if matches!(turn, Turn::Now(_)) {
                self.book.line.retain(|ticket| *ticket != ask.ticket);
            }
            turn
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_order_waits_for_its_own_points_and_the_rest_leaves_those_of_an_order() {
        let mut desk = Desk::with(50.0);
        let (order, page) = (desk.ask(Lane::Orders, "order"), desk.ask(Lane::Rest, "page"));
        assert_eq!(desk.turn(order), Turn::Later(Duration::from_millis(500)));
        assert_eq!(desk.turn(page), Turn::Later(REST_PATIENCE), "an order waits");
        desk.now += Duration::from_millis(500);
        assert_eq!(desk.turn(order), Turn::Now(100.0));
        desk.learn(Lane::Orders, "order", &cost(100.0, 0.0));
        desk.book.under_way = 0.0;
        assert_eq!(desk.turn(page), Turn::Later(4 * SECOND), "its 300 and the 100 of an order");
        desk.now += 4 * SECOND;
        assert_eq!(desk.turn(page), Turn::Now(300.0));
    }

    #[test]
    fn points_under_way_are_spent() {
        let mut desk = Desk::with(150.0);
        let (first, second) = (desk.ask(Lane::Orders, "order"), desk.ask(Lane::Orders, "order"));
        assert_eq!(desk.turn(second), Turn::Later(ADMISSION_WAIT_MAX), "it is not its turn");
        assert_eq!(desk.turn(first), Turn::Now(100.0));
        assert_eq!(desk.turn(second), Turn::Later(Duration::from_millis(500)));
    }

    #[test]
    fn an_answer_that_was_overtaken_does_not_give_back_what_the_other_one_took() {
        let mut desk = Desk::with(200.0);
        let before = desk.book.answers;
        desk.learn(Lane::Orders, "order", &cost(100.0, 0.0));
        desk.book.learn(Lane::Orders, "order", &cost(100.0, 100.0), before, desk.now);
        let order = desk.ask(Lane::Orders, "order");
        assert_eq!(desk.turn(order), Turn::Later(SECOND), "the bucket is empty");
        desk.learn(Lane::Orders, "order", &cost(100.0, 100.0));
        assert_eq!(desk.turn(order), Turn::Now(100.0), "an answer to a later question is believed");
    }

    #[test]
    fn the_rest_takes_its_turn_when_its_patience_is_over_however_many_orders_come() {
        let mut desk = Desk::with(0.0);
        let page = desk.ask(Lane::Rest, "page");
        desk.now += REST_PATIENCE;
        let early = desk.ask(Lane::Orders, "order");
        desk.learn(Lane::Orders, "order", &cost(100.0, 100.0));
        assert!(matches!(desk.turn(page), Turn::Later(_)), "behind the order that was there first");
        let late = desk.ask(Lane::Orders, "order");
        assert_eq!(desk.turn(early), Turn::Now(100.0));
        assert!(matches!(desk.turn(late), Turn::Later(_)), "an order that came later");
        desk.book.under_way = 0.0;
        desk.now += 2 * SECOND;
        assert_eq!(desk.turn(page), Turn::Now(300.0), "without any reserve");
    }

    #[test]
    fn the_rest_never_takes_all_places_and_never_waits_for_more_than_a_full_bucket() {
        let mut desk = Desk::with(1_000.0);
        desk.book.requested.insert("huge", 990.0);
        let huge = desk.ask(Lane::Rest, "huge");
        assert_eq!(desk.turn(huge), Turn::Now(990.0), "the bucket is full");
        let mut desk = Desk::with(1_000.0);
        desk.book.requested.insert("page", 10.0);
        for _ in 0..REST_AT_ONCE {
            let page = desk.ask(Lane::Rest, "page");
            assert_eq!(desk.turn(page), Turn::Now(10.0));
        }
        let one_more = desk.ask(Lane::Rest, "page");
        assert!(matches!(desk.turn(one_more), Turn::Later(_)));
        let order = desk.ask(Lane::Orders, "order");
        assert_eq!(desk.turn(order), Turn::Now(100.0));
    }

    #[test]
    fn before_anything_is_known_an_order_goes_at_once_and_a_dear_unknown_query_of_the_rest_does_not() {
        let mut desk = Desk { book: Book::default(), now: Instant::now() };
        let (order, page) = (desk.ask(Lane::Orders, "order"), desk.ask(Lane::Rest, "page"));
        assert_eq!(desk.turn(order), Turn::Now(0.0));
        assert_eq!(desk.turn(page), Turn::Now(QUERY_COST_MAX), "nobody has told of a bucket");
        let mut desk = Desk::with(500.0);
        let unknown = desk.ask(Lane::Rest, "never run");
        assert_eq!(desk.turn(unknown), Turn::Later(5 * SECOND), "until the bucket is full");
    }

    #[tokio::test]
    async fn an_order_that_comes_later_is_admitted_first_and_a_place_given_up_holds_nobody() {
        // As quick as the largest plan, so that nobody waits long for a test.
        let cost = |requested| Cost {
            requested_query_cost: requested,
            throttle_status: ThrottleStatus { restore_rate: 2_000.0, ..cost(requested, 0.0).throttle_status },
        };
        let budget = Budget::default();
        for (lane, operation, requested) in [(Lane::Rest, "page", 300.0), (Lane::Orders, "order", 100.0)] {
            budget.lock().learn(lane, operation, &cost(requested), 0, Instant::now());
        }
        let admitted = Arc::new(Mutex::new(Vec::new()));
        let run = |lane, operation, name: &'static str| {
            let (budget, admitted) = (budget.clone(), Arc::clone(&admitted));
            async move {
                let right = budget.admit(lane, operation).await.expect("its turn");
                admitted.lock().expect("whole").push(name);
                right.learn(&cost(right.points));
                drop(right);
            }
        };
        let gone = tokio::time::timeout(Duration::from_millis(10), budget.admit(Lane::Orders, "order"));
        assert!(gone.await.is_err(), "it gave up");
        tokio::join!(
            run(Lane::Rest, "page", "page"),
            run(Lane::Orders, "order", "order 1"),
            run(Lane::Orders, "order", "order 2")
        );
        assert_eq!(*admitted.lock().expect("whole"), ["order 1", "order 2", "page"]);
        assert!(budget.lock().line.is_empty() && budget.lock().under_way == 0.0);
    }
}
