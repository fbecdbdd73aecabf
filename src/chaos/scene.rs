//! Scenes: a few orders that lead the service past a certain point, or into a certain fault.

use std::time::Duration;

use super::run::Run;
use crate::sandbox::shopify::{Deck, Lost, Story};

/// How long a cancellation, or a person, waits for the order to stand in IFS.
const WRITTEN_WAIT: Duration = Duration::from_secs(60);

/// Orders, by shop.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    /// In the first shop, under one customer.
    pub(super) first: &'static [Story],
    /// In the second shop, by its rules.
    pub(super) second: &'static [Story],
    /// Time between two versions of an order.
    pub(super) spread: Duration,
    /// All webhooks of orders of this story are lost.
    pub(super) lost: Option<Story>,
    /// How the clock of the child goes that the scene leads somewhere, as `ML_CONNECTOR_CLOCK_JUMPS` has it.
    pub(super) clock: Option<&'static str>,
}

impl Scene {
    /// These orders in the first shop.
    pub(super) const fn first(stories: &'static [Story]) -> Self {
        Self { first: stories, second: &[], spread: Duration::from_millis(200), lost: None, clock: None }
    }

    /// These orders in the second shop.
    pub(super) const fn second(stories: &'static [Story]) -> Self {
        Self { first: &[], second: stories, spread: Duration::from_millis(200), lost: None, clock: None }
    }

    /// The same, and no webhook of orders of this story is ever sent.
    pub(super) const fn losing(self, story: Story) -> Self {
        Self { lost: Some(story), ..self }
    }

    /// The same with so much time before each change: a new owner has written the order by then.
    pub(super) const fn spread_over(self, spread: Duration) -> Self {
        Self { spread, ..self }
    }

    /// The same under a clock that jumps.
    pub(super) const fn under_clock(self, jumps: &'static str) -> Self {
        Self { clock: Some(jumps), ..self }
    }

    /// How many orders it has.
    pub(super) fn orders(self) -> usize {
        self.first.len() + self.second.len()
    }

    /// Plays them.
    pub(super) fn play(self, run: &mut Run) {
        for (shop, stories) in [self.first, self.second].into_iter().enumerate() {
            if !stories.is_empty() {
                run.play(shop, Deck::Stories(stories), stories.len(), |settings| {
                    settings.orders_per_sec = 0;
                    settings.spread = self.spread;
                    settings.written_wait = WRITTEN_WAIT;
                    settings.lost = self.lost.map_or(Lost::ByFaults, Lost::Of);
                });
            }
        }
    }
}
