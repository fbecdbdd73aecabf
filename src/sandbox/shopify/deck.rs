//! The deck of a day: which stories its orders get, shuffled. Every kind is there as soon as the day is long enough.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::feature::Feature;
use super::moved::Moved;
use super::ruled::Ruled;
use super::story::{Planted, Story};

/// From so many orders on each kind of the deck is there at least once.
const WHOLE_FROM: usize = 100;
/// The same for the second shop, which has fewer kinds.
const WHOLE_RULED_FROM: usize = 40;

/// Which kinds of orders a day is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deck {
    /// What any shop sells.
    #[default]
    Usual,
    /// What the second shop's rules make something of.
    Ruled,
    /// These, in this order.
    Stories(&'static [Story]),
}

impl Deck {
    /// The stories of a day, shuffled; those that are placed together stand together.
    pub(super) fn deal(self, random: &mut StdRng, orders: usize) -> Vec<Story> {
        match self {
            Self::Usual => usual(random, orders),
            Self::Ruled => ruled(random, orders),
            Self::Stories(stories) => stories.iter().copied().take(orders).collect(),
        }
    }
}

fn usual(random: &mut StdRng, orders: usize) -> Vec<Story> {
    use Story::{
        AddressChanged, CancelledAfterWritten, CancelledAtOnce, NoteChanged, PaidLater, PlacedEarlier, PriceChanged,
        QuantityDown, QuantityUp, SeveralChanges, Test,
    };
    let shares = [
        (PlacedEarlier, 40),
        (PaidLater, 60),
        (NoteChanged, 25),
        (AddressChanged, 25),
        (QuantityDown, 25),
        (QuantityUp, 25),
        (PriceChanged, 25),
        (SeveralChanges, 20),
        (CancelledAfterWritten, 25),
        (CancelledAtOnce, 25),
        (Test, 15),
    ];
    let planted = Planted::ALL.map(|kind| (Story::Parked(kind), 5));
    // Orders of very many lines go row by row: a few of them are most of a day's requests.
    let share = |feature| if feature == Feature::ManyLines { 4 } else { 10 };
    let sold = Feature::ALL.map(|feature| (Story::Sold(feature), share(feature)));
    let moved = Moved::ALL.map(|moved| (Story::Moved(moved), 8));
    let shares = shares.into_iter().chain(planted).chain(sold).chain(moved);
    let mut deck = cards(shares, orders, WHOLE_FROM);
    deck.resize(orders.max(deck.len()), Story::Plain);
    deck.truncate(orders);
    deck.shuffle(random);
    deck
}

fn ruled(random: &mut StdRng, orders: usize) -> Vec<Story> {
    let shares = Ruled::ALL.into_iter().filter(|ruled| ruled.together() == 1).map(|ruled| (Story::Ruled(ruled), 25));
    let mut deck = cards(shares, orders, WHOLE_RULED_FROM);
    let pairs = orders * 15 / 1000 + usize::from(orders >= WHOLE_RULED_FROM);
    let known = Story::Ruled(Ruled::CustomerKnown);
    deck.resize(orders.saturating_sub(2 * pairs).max(deck.len()), known);
    deck.truncate(orders.saturating_sub(2 * pairs));
    // A pair is one card until it is dealt.
    let pair = Story::Ruled(Ruled::CustomerOfTwo);
    deck.extend(std::iter::repeat_n(pair, pairs));
    deck.shuffle(random);
    deck.into_iter().flat_map(|story| std::iter::repeat_n(story, if story == pair { 2 } else { 1 })).collect()
}

fn cards(shares: impl IntoIterator<Item = (Story, usize)>, orders: usize, whole_from: usize) -> Vec<Story> {
    let mut deck = Vec::with_capacity(orders);
    for (story, per_mille) in shares {
        deck.extend(std::iter::repeat_n(story, (orders * per_mille / 1000).max(usize::from(orders >= whole_from))));
    }
    deck
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::super::story::Expected;
    use super::*;

    fn dealt(deck: Deck, orders: usize) -> Vec<Story> {
        deck.deal(&mut StdRng::seed_from_u64(3), orders)
    }

    fn names(stories: &[Story]) -> BTreeSet<&'static str> {
        stories.iter().map(|story| story.name()).collect()
    }

    #[test]
    fn a_day_of_two_hundred_has_each_story_and_mostly_orders_that_must_arrive() {
        let stories = dealt(Deck::Usual, 140);
        assert_eq!(stories.len(), 140);
        let kinds = 12 + Planted::ALL.len() + Feature::ALL.len() + Moved::ALL.len();
        assert_eq!(names(&stories).len(), kinds, "{:?}", names(&stories));
        let live = stories.iter().filter(|story| story.expected() == Expected::Live).count();
        assert!((100..125).contains(&live), "{live} of 140 must arrive");
    }

    #[test]
    fn the_second_shops_day_has_each_kind_and_pairs_stand_together() {
        let stories = dealt(Deck::Ruled, 60);
        assert_eq!((stories.len(), names(&stories).len()), (60, Ruled::ALL.len()));
        let pair = Story::Ruled(Ruled::CustomerOfTwo);
        let first = stories.iter().position(|story| *story == pair).expect("a pair");
        assert_eq!(stories[first + 1], pair);
        assert_eq!(stories.iter().filter(|story| **story == pair).count() % 2, 0);
    }

    #[test]
    fn few_orders_get_a_deck_of_their_size() {
        for deck in [Deck::Usual, Deck::Ruled] {
            assert_eq!(dealt(deck, 1).len(), 1);
            assert!(dealt(deck, 0).is_empty());
        }
    }
}
