//! Webhooks that are lost: never sent, so that only the shop's lists tell of what happened.

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use rand::rngs::StdRng;

use super::super::faults::FaultPreset;
use super::deliver::Delivery;
use super::story::Story;
use super::{Shop, Sold};

/// A change longer ago than this is told by its webhook alone: a list of what changed lately does not show it any more.
const LATELY: SignedDuration = SignedDuration::from_mins(5);

/// Which webhooks are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lost {
    /// As many as the faults bring: 2 of 100 under `Usual`, 5 under `Harsh`.
    #[default]
    ByFaults,
    /// All of every order of this story.
    Of(Story),
}

/// What of one order's webhooks is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Losing {
    All,
    /// Half of it whole events, half of it single deliveries, so that now and then one topic of two arrives.
    PerMille(u32),
}

impl Losing {
    pub(super) fn of(lost: Lost, faults: FaultPreset, story: Story) -> Self {
        match lost {
            Lost::ByFaults => Self::PerMille(faults.lost_per_mille()),
            Lost::Of(losing) if losing == story => Self::All,
            Lost::Of(_) => Self::PerMille(0),
        }
    }

    /// What of one event's deliveries is sent.
    pub(super) fn keep<T>(self, deliveries: Vec<T>, random: &mut StdRng) -> Vec<T> {
        let half = match self {
            Self::All => return Vec::new(),
            // Without losses no luck is drawn: days stay what they were.
            Self::PerMille(0) => return deliveries,
            Self::PerMille(share) => share.div_ceil(2),
        };
        let mut falls = || random.random_range(0..1000_u32) < half;
        if falls() { Vec::new() } else { deliveries.into_iter().filter(|_| !falls()).collect() }
    }
}

impl Shop {
    /// Takes out of one event's deliveries what is lost, and counts it.
    pub(super) fn lose(
        &self,
        order_id: u64,
        losing: Losing,
        deliveries: Vec<Delivery>,
        random: &mut StdRng,
    ) -> Vec<Delivery> {
        let all = deliveries.len();
        let may_be_lost = losing == Losing::All || self.tells_all_in_lists(order_id);
        let kept = if may_be_lost { losing.keep(deliveries, random) } else { deliveries };
        self.lock().lost_webhooks += all - kept.len();
        kept
    }

    /// Webhooks that were never sent so far.
    pub fn lost_webhooks(&self) -> usize {
        self.lock().lost_webhooks
    }

    /// Each order with the time of its last change.
    pub fn last_changes(&self) -> Vec<(u64, Timestamp)> {
        let state = self.lock();
        let changed = |(order_id, sold): (&u64, &Sold)| Some((*order_id, sold.versions.last()?.updated_at));
        state.orders.iter().filter_map(changed).collect()
    }

    /// Whether somebody who only reads lists learns all of the order: it changed lately, and no till sold it, since who sold it
    /// stands in webhooks alone.
    fn tells_all_in_lists(&self, order_id: u64) -> bool {
        let now = self.core.clock.now();
        let state = self.lock();
        let last = state.orders.get(&order_id).and_then(|sold| sold.versions.last());
        last.is_some_and(|order| {
            now.duration_since(order.updated_at) < LATELY && order.location_id.is_none() && order.staff_id.is_none()
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::super::{Sandbox, SandboxSettings};
    use super::super::Feature;
    use super::*;

    fn lost_of(losing: Losing, events: usize) -> usize {
        let mut random = StdRng::seed_from_u64(5);
        (0..events).map(|_| 2 - losing.keep(vec![(); 2], &mut random).len()).sum()
    }

    #[test]
    fn the_share_of_the_faults_is_lost_and_nothing_without_them() {
        let of = |faults| Losing::of(Lost::ByFaults, faults, Story::Plain);
        assert_eq!(lost_of(of(FaultPreset::None), 5_000), 0);
        // Of ten thousand deliveries.
        let (usual, harsh) = (lost_of(of(FaultPreset::Usual), 5_000), lost_of(of(FaultPreset::Harsh), 5_000));
        assert!((130..280).contains(&usual), "{usual}");
        assert!((380..640).contains(&harsh), "{harsh}");
    }

    #[test]
    fn all_of_one_story_is_lost_and_nothing_of_another() {
        let of = |story| Losing::of(Lost::Of(Story::PlacedEarlier), FaultPreset::None, story);
        assert_eq!(lost_of(of(Story::PlacedEarlier), 10), 20);
        assert_eq!(lost_of(of(Story::Plain), 10), 0);
    }

    #[test]
    fn what_no_list_tells_is_not_lost_by_chance() {
        let sandbox = Sandbox::start(SandboxSettings::default()).expect("starts");
        let shop = sandbox.shop(0).expect("a shop");
        let told = |story| shop.tells_all_in_lists(shop.place(story));
        assert!(told(Story::Plain));
        assert!(!told(Story::PlacedEarlier), "changed hours ago");
        assert!(!told(Story::Sold(Feature::BeforeGoLive)), "changed years ago");
        assert!(!told(Story::Sold(Feature::PointOfSale)), "no list says who sold it");
        assert_eq!((shop.last_changes().len(), shop.lost_webhooks()), (4, 0));
    }
}
