//! A day in the shop: orders are placed and changed as their stories say, and every version's webhooks are
//! delivered, in order or not.

use std::time::Duration;

use bytes::Bytes;
use jiff::{Timestamp, ToSpan};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::faults::FaultPreset;
use super::Shop;
use super::deck::Deck;
use super::deliver::{Delivery, Destination, TRIES_MAX};
use super::losing::{Losing, Lost};
use super::moved::Moved;
use super::receipts::Receipts;
use super::story::{Change, Story};

/// How a day is played.
#[derive(Clone, Debug)]
pub struct PlaySettings {
    /// Where the webhooks go, try by try in turn: one for each replica of the receiver.
    pub webhook_urls: Vec<String>,
    /// Orders to place.
    pub orders: usize,
    /// Which kinds of orders.
    pub deck: Deck,
    /// All but `None`: duplicates and disorder among the deliveries.
    pub faults: FaultPreset,
    /// Which deliveries are never sent.
    pub lost: Lost,
    /// Orders placed per second at most; 0 places all at once.
    pub orders_per_sec: u32,
    /// Time between an order's versions.
    pub spread: Duration,
    /// How long a cancellation waits for IFS to have its order.
    pub written_wait: Duration,
    /// How often a delivery is tried. Shopify gives up after eight tries in four hours; a day in fast motion that the receiver
    /// spends mostly dead needs more.
    pub tries_max: u32,
    /// Where each acknowledged delivery is entered, on the disk before the play goes on.
    pub receipts: Option<Receipts>,
}

impl PlaySettings {
    /// A day of this many orders, without faults.
    pub fn new(webhook_url: impl Into<String>, orders: usize) -> Self {
        Self {
            webhook_urls: vec![webhook_url.into()],
            orders,
            deck: Deck::Usual,
            faults: FaultPreset::None,
            lost: Lost::ByFaults,
            orders_per_sec: 100,
            spread: Duration::from_millis(600),
            written_wait: Duration::from_secs(90),
            tries_max: TRIES_MAX,
            receipts: None,
        }
    }
}

/// How far a day is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlayProgress {
    /// Orders that the day has.
    pub orders: usize,
    /// Orders placed so far.
    pub placed: usize,
    /// Orders whose story was told to the end, all deliveries included.
    pub told: usize,
    /// Deliveries so far that got a 2xx.
    pub acknowledged: usize,
    /// Deliveries that failed to the last try.
    pub undelivered: usize,
    /// Nothing more will be sent.
    pub finished: bool,
}

/// A day that is being played. Dropping it does not stop the day.
#[derive(Clone, Debug)]
pub struct Play {
    progress: watch::Receiver<PlayProgress>,
}

impl Play {
    /// How far it is now.
    pub fn progress(&self) -> PlayProgress {
        *self.progress.borrow()
    }

    /// Waits until nothing more will be sent. Works on any runtime.
    pub async fn finished(&mut self) -> PlayProgress {
        // An error means that the sandbox was stopped: what is known then is all there will be.
        let ended = self.progress.wait_for(|progress| progress.finished).await.map(|progress| *progress);
        ended.unwrap_or_else(|_| self.progress())
    }
}

/// One change and the deliveries that tell of it.
struct Telling {
    order_id: u64,
    deliveries: Vec<Delivery>,
}

/// Starts a day on the current runtime.
pub(super) fn start(shop: Shop, settings: PlaySettings) -> Play {
    let begun = PlayProgress { orders: settings.orders, ..PlayProgress::default() };
    let (report, progress) = watch::channel(begun);
    let to = Destination::new(&settings.webhook_urls, settings.tries_max, settings.receipts.clone());
    shop.subscribe(to.clone());
    tokio::spawn(async move {
        let stories = {
            let mut state = shop.lock();
            settings.deck.deal(&mut state.random, settings.orders)
        };
        let mut telling = JoinSet::new();
        let pause = Duration::from_secs(1).checked_div(settings.orders_per_sec).unwrap_or_default();
        for (index, story) in stories.into_iter().enumerate() {
            let (shop, settings, to, report) = (shop.clone(), settings.clone(), to.clone(), report.clone());
            let seed = shop.core.seed ^ (index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            telling.spawn(async move { tell(&shop, &settings, &to, (story, seed), &report).await });
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        while let Some(ended) = telling.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a story of the sandbox broke off");
            }
        }
        report.send_modify(|progress| progress.finished = true);
    });
    Play { progress }
}

/// Tells one order's story to its end.
async fn tell(
    shop: &Shop,
    settings: &PlaySettings,
    to: &Destination,
    (story, seed): (Story, u64),
    report: &watch::Sender<PlayProgress>,
) {
    let mut random = StdRng::seed_from_u64(seed);
    let order_id = shop.place(story);
    report.send_modify(|progress| progress.placed += 1);
    let mut tellings = vec![placed(shop, order_id, &mut random)];
    let mut pending = JoinSet::new();
    let losing = Losing::of(settings.lost, settings.faults, story);
    let post = Post { shop, faults: settings.faults, losing, to, report };
    if story == Story::CancelledAtOnce {
        tellings.insert(0, changed(shop, order_id, Change::Cancelled));
        post.send_all(tellings, &mut random, &mut pending).await;
    } else {
        post.send_all(tellings, &mut random, &mut pending).await;
        for change in story.changes() {
            tokio::time::sleep(settings.spread).await;
            if story.waits_for_ifs() {
                wait_until_written(shop, order_id, settings.written_wait).await;
            }
            if let Story::Moved(moved) = story {
                work_at_the_desk(shop, order_id, moved, settings.written_wait).await;
            }
            post.send_all(vec![changed(shop, order_id, *change)], &mut random, &mut pending).await;
        }
    }
    while pending.join_next().await.is_some() {}
    report.send_modify(|progress| progress.told += 1);
}

fn placed(shop: &Shop, order_id: u64, random: &mut StdRng) -> Telling {
    let paid = shop.body_of(order_id).is_some_and(|body| body["financial_status"] == "paid");
    let topics: &[&'static str] = match (paid, random.random_bool(0.3)) {
        (true, true) => &["orders/create", "orders/paid", "orders/updated"],
        (true, false) => &["orders/create", "orders/paid"],
        (false, true) => &["orders/create", "orders/updated"],
        (false, false) => &["orders/create"],
    };
    telling(shop, order_id, topics)
}

fn changed(shop: &Shop, order_id: u64, change: Change) -> Telling {
    shop.change(order_id, change);
    telling(shop, order_id, topics_of(change))
}

fn topics_of(change: Change) -> &'static [&'static str] {
    match change {
        Change::Paid => &["orders/paid", "orders/updated"],
        Change::Cancelled => &["orders/cancelled", "orders/updated"],
        Change::Note
        | Change::Address
        | Change::Confirmed
        | Change::TaxesFinal
        | Change::PurchaseOrder
        | Change::RiskCleared => &["orders/updated"],
        Change::QuantityDown | Change::QuantityUp | Change::LineDiscount | Change::LineAdded | Change::LineRemoved => {
            &["orders/edited", "orders/updated"]
        }
        Change::Goodwill | Change::LineRefunded | Change::ShippingRefunded => &["refunds/create", "orders/updated"],
    }
}

/// All topics of one event share its event id and payload.
fn telling(shop: &Shop, order_id: u64, topics: &[&'static str]) -> Telling {
    let body = shop.webhook_body(order_id).unwrap_or_default();
    let event_id = uuid::Uuid::new_v4().to_string();
    // An edit or a refund is told in a body of its own shape; where there is none to tell, the topic is not sent.
    let body_of = |topic: &str| match topic {
        "orders/edited" => shop.edit_body(order_id),
        "refunds/create" => shop.refund_body(order_id),
        _ => Some(body.clone()),
    };
    let deliveries = topics.iter().filter_map(|topic| Some(delivery(order_id, topic, &event_id, body_of(topic)?)));
    Telling { order_id, deliveries: deliveries.collect() }
}

fn delivery(order_id: u64, topic: &'static str, event_id: &str, body: Bytes) -> Delivery {
    Delivery { order_id, topic, webhook_id: uuid::Uuid::new_v4().to_string(), event_id: event_id.to_owned(), body }
}

/// How one order's deliveries go out.
struct Post<'a> {
    shop: &'a Shop,
    faults: FaultPreset,
    losing: Losing,
    to: &'a Destination,
    report: &'a watch::Sender<PlayProgress>,
}

impl Post<'_> {
    /// Without faults one after the other, each acknowledged before the next; with any late, twice, out of order, or never.
    async fn send_all(&self, tellings: Vec<Telling>, random: &mut StdRng, pending: &mut JoinSet<()>) {
        let orderly = self.faults == FaultPreset::None;
        let mut kept = Vec::new();
        for telling in tellings {
            kept.extend(self.shop.lose(telling.order_id, self.losing, telling.deliveries, random));
        }
        for delivery in kept {
            if orderly {
                send(self.shop, self.to, &delivery, self.report).await;
                continue;
            }
            for (delay, delivery) in copies(delivery, random) {
                let (shop, to, report) = (self.shop.clone(), self.to.clone(), self.report.clone());
                pending.spawn(async move {
                    tokio::time::sleep(delay).await;
                    send(&shop, &to, &delivery, &report).await;
                });
            }
        }
    }
}

/// A delivery as it goes out when things go wrong: after these delays, some of them twice.
fn copies(delivery: Delivery, random: &mut StdRng) -> Vec<(Duration, Delivery)> {
    let delay =
        if random.random_bool(0.3) { Duration::from_millis(random.random_range(50..1500)) } else { Duration::ZERO };
    let mut copies = vec![(delay, delivery.clone())];
    if random.random_bool(0.12) {
        copies.push((Duration::from_millis(random.random_range(0..2500)), delivery.clone()));
    }
    if random.random_bool(0.06) {
        let again = Delivery { webhook_id: uuid::Uuid::new_v4().to_string(), ..delivery };
        copies.push((Duration::from_millis(random.random_range(0..2500)), again));
    }
    copies
}

async fn send(shop: &Shop, to: &Destination, delivery: &Delivery, report: &watch::Sender<PlayProgress>) {
    let acknowledged = shop.deliver(to, delivery).await;
    report.send_modify(|progress| {
        if acknowledged {
            progress.acknowledged += 1;
        } else {
            progress.undelivered += 1;
        }
    });
}

/// Looks into the simulated IFS (both remotes are ours) until the order is there.
async fn wait_until_written(shop: &Shop, order_id: u64, at_most: Duration) {
    let give_up = tokio::time::Instant::now() + at_most;
    let key = order_id.to_string();
    while !shop.core.ifs.has_po(&key) && tokio::time::Instant::now() < give_up {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Persons in IFS do their part once the shop was told the order's number: until then the integration is not done with it.
async fn work_at_the_desk(shop: &Shop, order_id: u64, moved: Moved, at_most: Duration) {
    let give_up = tokio::time::Instant::now() + at_most;
    while !shop.knows_number(order_id) && tokio::time::Instant::now() < give_up {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let held = shop.core.ifs.orders_by_po(&order_id.to_string());
    let Some(held) = held.first() else { return };
    match moved.act(&shop.core.ifs, held, shop.core.clock.now()) {
        Ok(edits) => shop.remember_desk_edits(order_id, edits),
        Err(error) => tracing::error!(order_id, %error, "a person of the sandbox could not do its part"),
    }
}

/// When an order of this story was placed, seen from now.
pub(super) fn placed_at(story: Story, random: &mut StdRng, now: Timestamp) -> Timestamp {
    let ago = match story {
        Story::PlacedEarlier => random.random_range(7_200..32_400_i64).seconds(),
        _ => 2.seconds(),
    };
    whole_second(now.checked_sub(ago).unwrap_or(now))
}

/// Shopify's times have whole seconds.
pub(super) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

// Invariant: the versions of one order are at least a second apart, so that `updated_at` orders them.
/// When the next version of an order happens.
pub(super) fn next_at(before: Timestamp, now: Timestamp) -> Timestamp {
    whole_second(now).max(before.checked_add(1.seconds()).unwrap_or(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_a_second_apart_even_when_they_happen_at_once() {
        let now = Timestamp::from_second(1_000).expect("a time");
        assert_eq!(next_at(now, now), Timestamp::from_second(1_001).expect("a time"));
        assert_eq!(
            next_at(now, Timestamp::from_second(1_060).expect("a time")),
            Timestamp::from_second(1_060).expect("a time")
        );
    }
}
