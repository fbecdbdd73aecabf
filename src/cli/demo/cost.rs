//! What one order costs in requests to IFS, by kind of work: a few orders of a kind at a time, after the day and without
//! faults, counted in the sandbox's ledger. Tokens are left out, since their number depends on time alone, and so are readings of
//! the stock, which no order causes.

use rust_decimal::Decimal;
use serde_json::Value;

use super::super::Failure;
use super::super::output::exact_number;
use super::DemoArgs;
use super::stage::{Scene, Stage};
use crate::sandbox::ledger::{Class, Remote};
use crate::sandbox::shopify::{Change, Ruled, Story};

/// Orders of each kind.
const ORDERS: u32 = 5;
/// Shorter days have none of it.
const MEASURED_FROM: u32 = 100;

/// How many orders of each connection are kept from the day for it.
pub(super) fn orders_kept(args: &DemoArgs) -> usize {
    if args.orders >= MEASURED_FROM { ORDERS as usize } else { 0 }
}

/// Requests to IFS for one order.
pub(super) struct Costs {
    /// A new order, created and read back.
    created: Decimal,
    /// A new order of a known customer, created, released, and read back again.
    created_and_released: Decimal,
    /// Deliveries that tell what is known.
    replayed: Decimal,
    /// A note that changed.
    changed: Decimal,
}

impl Costs {
    /// By kind of work, as names and numbers.
    pub(super) fn rows(&self) -> [(&'static str, Decimal); 4] {
        [
            ("created", self.created),
            ("created_and_released", self.created_and_released),
            ("changed", self.changed),
            ("replayed", self.replayed),
        ]
    }

    pub(super) fn to_json(&self) -> Value {
        self.rows().into_iter().map(|(work, requests)| (work.to_owned(), exact_number(requests))).collect()
    }
}

/// Counts; `None` for a day that is too short for it.
pub(super) async fn measure(stage: &Stage, args: &DemoArgs, scenes: &[Scene]) -> Result<Option<Costs>, Failure> {
    let [usual, ruled] = scenes else { return Ok(None) };
    if orders_kept(args) == 0 {
        return Ok(None);
    }
    stage.sandbox.faults().clear();
    // An order that a sweep finds before its webhook comes is looked up first: that is another cost.
    scenes.iter().for_each(|scene| scene.shop.stop_listing());
    let counted = count(stage, usual, ruled, scenes).await;
    scenes.iter().for_each(|scene| scene.shop.list_again());
    counted.map(Some)
}

async fn count(stage: &Stage, usual: &Scene, ruled: &Scene, scenes: &[Scene]) -> Result<Costs, Failure> {
    let told = |scene: &Scene, topic: &'static str, orders: Vec<u64>| {
        let (shop, url) = (scene.shop.clone(), scene.webhook_url.clone());
        async move {
            for order in orders {
                let answer = shop.send_order(&url, topic, order).await;
                if !answer.is_success() {
                    return Err(Failure::Usage(format!("a webhook was answered {}: {}", answer.status, answer.body)));
                }
            }
            Ok(())
        }
    };
    let place = |scene: &Scene, story| (0..ORDERS).map(|_| scene.shop.place(story)).collect::<Vec<u64>>();
    let per_order = |before: usize| Decimal::from(requests(stage) - before) / Decimal::from(ORDERS);

    let before = requests(stage);
    let orders = place(usual, Story::Plain);
    told(usual, "orders/create", orders.clone()).await?;
    stage.settle(scenes).await?;
    let created = per_order(before);

    let before = requests(stage);
    let released = place(ruled, Story::Ruled(Ruled::CustomerKnown));
    told(ruled, "orders/create", released.clone()).await?;
    stage.settle(scenes).await?;
    let created_and_released = per_order(before);

    let before = requests(stage);
    orders.iter().for_each(|order| usual.shop.change(*order, Change::Note));
    told(usual, "orders/updated", orders.clone()).await?;
    stage.settle(scenes).await?;
    let changed = per_order(before);

    let before = requests(stage);
    for topic in ["orders/create", "orders/paid", "orders/updated"] {
        told(usual, topic, orders.clone()).await?;
        told(ruled, topic, released.clone()).await?;
    }
    stage.settle(scenes).await?;
    let replayed = per_order(before);
    Ok(Costs { created, created_and_released, replayed, changed })
}

fn requests(stage: &Stage) -> usize {
    let is_one = |remote, class| remote == Remote::Ifs && !matches!(class, Class::Token | Class::Stock);
    stage.sandbox.ledger().entries_where(|entry| is_one(entry.remote, entry.class)).len()
}
