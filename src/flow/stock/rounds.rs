//! How far the look at products has come. It walks in rounds, each on from where the one before was left: a round that lasts longer than
//! the time between two plans leaves no product out.

use serde::{Deserialize, Serialize};

use crate::mapping::stock::out::OutStep;

/// What a round is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Products of which what is stored says that something is to be done.
    #[default]
    Due,
    /// Rows of products that the shop's reading does not tell of any more.
    Gone,
    /// Products of which only the shop tells whether something is to be done: on which channels they are is not stored.
    Shown,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Due, Self::Gone, Self::Shown];

    const fn next(self) -> Self {
        match self {
            Self::Due => Self::Gone,
            Self::Gone => Self::Shown,
            Self::Shown => Self::Due,
        }
    }

    /// The round in which the shop is asked about a product: by what is to be done where it is on all of its channels, and where it is on
    /// none. None where that is nothing either way.
    pub(super) fn of(on_all: &OutStep, on_none: &OutStep) -> Option<Self> {
        match (on_all, on_none) {
            (OutStep::Nothing, OutStep::Nothing) => None,
            (_, OutStep::Nothing) => Some(Self::Shown),
            _ => Some(Self::Due),
        }
    }
}

/// A round over numbers, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Round {
    /// Behind which number it stands.
    pub(super) after: u64,
    /// Behind which one it began: there it ends.
    from: u64,
    /// Whether it went on from the first number.
    is_back: bool,
    /// Whether nothing is left of it.
    pub(super) is_done: bool,
}

impl Round {
    /// Once more round, from where it stands.
    const fn anew(self) -> Self {
        Self { after: self.after, from: self.after, is_back: false, is_done: false }
    }

    /// Whether a number belongs to what is left of it.
    pub(super) const fn holds(self, number: u64) -> bool {
        !self.is_back || number <= self.from
    }

    /// Nothing is left of it in this direction: it goes on from the first number, or is done.
    pub(super) fn turns(&mut self) {
        if self.is_back || self.from == 0 {
            (self.after, self.is_done) = (self.from, true);
        } else {
            (self.after, self.is_back) = (0, true);
        }
    }
}

/// Where the look stands. `run` and `is_done` are read by the demo too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Look {
    /// The plan that is looked at.
    pub(super) run: i64,
    /// Whether every product was looked at since that plan.
    pub(super) is_done: bool,
    /// The round whose turn it is: none waits until another one is done.
    next: Kind,
    due: Round,
    gone: Round,
    shown: Round,
}

impl Look {
    /// The look at a plan: on with it, or with another one from where the last one was left.
    pub(super) fn at(self, plan: i64) -> Self {
        if self.run == plan {
            return self;
        }
        Self {
            run: plan,
            is_done: false,
            next: Kind::Due,
            due: self.due.anew(),
            gone: self.gone.anew(),
            shown: self.shown.anew(),
        }
    }

    /// The round that goes on now; none where all are done.
    pub(super) fn turn(&mut self) -> Option<Kind> {
        for _ in Kind::ALL {
            let kind = self.next;
            self.next = kind.next();
            if !self.round(kind).is_done {
                return Some(kind);
            }
        }
        self.is_done = true;
        None
    }

    /// A round.
    pub(super) fn round(&mut self, kind: Kind) -> &mut Round {
        match kind {
            Kind::Due => &mut self.due,
            Kind::Gone => &mut self.gone,
            Kind::Shown => &mut self.shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCTS: [u64; 5] = [10, 20, 30, 40, 50];

    /// Goes on by so many products; gives those that were looked at.
    fn goes_on(round: &mut Round, most: usize) -> Vec<u64> {
        let mut seen = Vec::new();
        while seen.len() < most && !round.is_done {
            let next = PRODUCTS.into_iter().find(|id| *id > round.after && round.holds(*id));
            match next {
                Some(id) => {
                    round.after = id;
                    seen.push(id);
                }
                None => round.turns(),
            }
        }
        seen
    }

    #[test]
    fn a_round_goes_on_where_the_one_before_was_left() {
        let mut round = Round::default();
        assert_eq!(goes_on(&mut round, 2), [10, 20]);
        round = round.anew();
        assert_eq!(goes_on(&mut round, 2), [30, 40]);
        round = round.anew();
        assert_eq!(goes_on(&mut round, 9), [50, 10, 20, 30, 40], "each once, and then it is done");
        assert!(round.is_done);
        round = round.anew();
        assert_eq!(goes_on(&mut round, 9), [50, 10, 20, 30, 40]);
    }

    #[test]
    fn a_round_ends_where_what_it_began_behind_is_gone() {
        for from in [0, 35, 60] {
            let mut round = Round { after: from, ..Round::default() }.anew();
            let mut seen = goes_on(&mut round, 9);
            seen.sort_unstable();
            assert!(round.is_done && seen == PRODUCTS, "{from}: {seen:?}");
        }
    }

    #[test]
    fn no_round_waits_for_another_one() {
        let mut look = Look::default().at(7);
        let turns: Vec<_> = (0..4).map(|_| look.turn()).collect();
        assert_eq!(turns, [Some(Kind::Due), Some(Kind::Gone), Some(Kind::Shown), Some(Kind::Due)]);
        look.round(Kind::Gone).turns();
        assert_eq!(look.turn(), Some(Kind::Shown));
        look.round(Kind::Due).turns();
        look.round(Kind::Shown).turns();
        assert!(!look.is_done);
        assert_eq!((look.turn(), look.is_done), (None, true));
        assert!(!look.at(8).is_done);
    }
}
