//! A token that all callers share: when it is due and when it is over, and whose turn it is to renew it. Where it comes from, and what
//! becomes of a failure, is each remote's own.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Tick;

/// A token is not used in its last seconds: a call that it starts must still find it valid.
const MARGIN: Duration = Duration::from_secs(10);

/// The lengths of a token's life, from its birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenLife {
    /// After how long it is renewed: at 11/12 of its life, and never later than it may be used.
    pub renew_after: Duration,
    /// For how long it may be used.
    pub usable_for: Duration,
}

impl TokenLife {
    /// Those of a token that lives so long.
    pub fn of(life: Duration) -> Self {
        let usable_for = life - MARGIN.min(life / 2);
        Self { renew_after: (life / 12 * 11).min(usable_for), usable_for }
    }
}

/// A token, and its time by this process's own clock.
#[derive(Clone)]
pub struct HeldToken<T> {
    /// The token.
    pub token: T,
    /// When this process came to hold it, and how old it was then.
    since: Tick,
    age: Duration,
    /// From here on it is due.
    pub renew_at: Tick,
    /// Not used any more from here on.
    usable_until: Tick,
}

impl<T> HeldToken<T> {
    /// A token of this life that is so old at `since`.
    pub fn new(token: T, life: TokenLife, age: Duration, since: Tick) -> Self {
        let renew_at = since + life.renew_after.saturating_sub(age);
        Self { token, since, age, renew_at, usable_until: since + life.usable_for.saturating_sub(age) }
    }

    /// How old it is.
    pub fn age(&self, now: Tick) -> Duration {
        self.age + (now - self.since)
    }
}

/// The place of the token, with the right to renew it: one of all callers has that at a time.
pub struct SharedToken<T> {
    held: Mutex<Option<HeldToken<T>>>,
    flight: tokio::sync::Mutex<()>,
}

/// The right to renew; it ends when this is dropped.
#[must_use = "dropped, it lets the next one renew"]
pub struct Flight<'a> {
    _lock: tokio::sync::MutexGuard<'a, ()>,
}

/// What a caller who wants a token does.
pub enum Turn<'a, T> {
    /// Uses this one.
    Use(T),
    /// Renews. This one still works: a renewal that fails now is no reason to stop.
    Renew(T, Flight<'a>),
    /// There is none: waits for the right to renew.
    Wait,
}

impl<T> Default for SharedToken<T> {
    fn default() -> Self {
        Self { held: Mutex::default(), flight: tokio::sync::Mutex::new(()) }
    }
}

impl<T: Clone> SharedToken<T> {
    /// Whose turn it is. A token that is due but works makes nobody wait: one renews, the others use it.
    pub fn turn(&self, now: Tick) -> Turn<'_, T> {
        match self.usable(now) {
            Some(held) if now < held.renew_at => Turn::Use(held.token),
            Some(held) => match self.flight.try_lock() {
                Ok(flying) => Turn::Renew(held.token, Flight { _lock: flying }),
                Err(_somebody_renews) => Turn::Use(held.token),
            },
            None => Turn::Wait,
        }
    }

    /// Waits for the right to renew. Whoever had it before may have renewed: look again.
    pub async fn flight(&self) -> Flight<'_> {
        Flight { _lock: self.flight.lock().await }
    }

    /// The token that is held, over or not.
    pub fn held(&self) -> Option<HeldToken<T>> {
        self.lock().clone()
    }

    /// The token that is held, where it may be used.
    pub fn usable(&self, now: Tick) -> Option<HeldToken<T>> {
        self.held().filter(|held| now < held.usable_until)
    }

    /// Whether none is held, or one that is due.
    pub fn is_due(&self, now: Tick) -> bool {
        self.usable(now).is_none_or(|held| held.renew_at <= now)
    }

    /// How long until the one that is held is due.
    pub fn due_in(&self, now: Tick) -> Duration {
        self.usable(now).map_or(Duration::ZERO, |held| held.renew_at - now)
    }

    /// Holds this one from now on.
    pub fn hold(&self, token: HeldToken<T>) {
        *self.lock() = Some(token);
    }

    /// Drops the one that is held, if it is this one.
    pub fn drop_if(&self, is_it: impl FnOnce(&T) -> bool) {
        let mut held = self.lock();
        if held.as_ref().is_some_and(|held| is_it(&held.token)) {
            *held = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<HeldToken<T>>> {
        // Never held across a wait or anything that can panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_token_is_renewed_at_eleven_twelfths_and_not_used_in_its_last_seconds() {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let secs = Duration::from_secs;
        assert_eq!(TokenLife::of(HOUR), TokenLife { renew_after: minutes(55), usable_for: HOUR - secs(10) });
        assert_eq!(TokenLife::of(secs(60)), TokenLife { renew_after: secs(50), usable_for: secs(50) });
        assert_eq!(TokenLife::of(secs(8)), TokenLife { renew_after: secs(4), usable_for: secs(4) });
    }

    #[test]
    fn one_renews_what_is_due_and_the_others_go_on_with_it() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let shared = SharedToken::default();
        assert!(matches!(shared.turn(clock.monotonic()), Turn::Wait));
        let age = Duration::from_secs(60);
        shared.hold(HeldToken::new("a", TokenLife::of(HOUR), age, clock.monotonic()));
        assert_eq!(shared.due_in(clock.monotonic()), Duration::from_secs(54 * 60));
        clock.advance(Duration::from_secs(54 * 60 - 1));
        assert!(matches!(shared.turn(clock.monotonic()), Turn::Use("a")));
        clock.advance(Duration::from_secs(1));
        let turn = shared.turn(clock.monotonic());
        assert!(matches!(turn, Turn::Renew("a", _)), "it is due");
        assert!(matches!(shared.turn(clock.monotonic()), Turn::Use("a")), "somebody renews it");
        drop(turn);
        assert!(matches!(shared.turn(clock.monotonic()), Turn::Renew("a", _)), "that one gave up");
        let held = shared.held().expect("held before");
        assert_eq!(held.age(clock.monotonic()), Duration::from_secs(55 * 60));
        clock.advance(Duration::from_secs(5 * 60 - 10));
        assert!(matches!(shared.turn(clock.monotonic()), Turn::Wait), "it is over");
    }

    #[test]
    fn only_the_token_that_is_meant_is_dropped() {
        let clock = Clock::manual(jiff::Timestamp::UNIX_EPOCH);
        let shared = SharedToken::default();
        shared.hold(HeldToken::new("new", TokenLife::of(HOUR), Duration::ZERO, clock.monotonic()));
        shared.drop_if(|token| *token == "old");
        assert!(!shared.is_due(clock.monotonic()));
        shared.drop_if(|token| *token == "new");
        assert!(shared.is_due(clock.monotonic()));
    }
}
