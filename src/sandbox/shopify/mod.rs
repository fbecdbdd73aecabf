//! A simulated Shopify shop: orders with versions, signed webhooks, the Admin API's `order(id)`. Written
//! after Shopify's documentation and official schema alone; imports nothing of the service that it is there to judge.

mod bulk;
mod bundle;
mod deck;
mod deliver;
mod feature;
mod generate;
mod given_back;
mod graph;
mod graphql;
mod kinds;
mod listing;
mod losing;
mod model;
mod money;
mod moved;
mod people;
mod play;
mod receipts;
mod rest;
mod ruled;
mod search;
mod service;
mod stock;
mod story;
mod subscriptions;
mod tokens;
mod write_back;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

pub use deck::Deck;
pub use deliver::{DeliveryRecord, WebhookAnswer, WebhookOverrides, signature};
pub use feature::Feature;
pub use losing::Lost;
pub use moved::Moved;
pub use play::{Play, PlayProgress, PlaySettings};
pub use receipts::{Receipt, Receipts};
pub use ruled::Ruled;
pub use stock::{
    BULK_VARIANTS_EACH, LevelView, LevelWrite, ONLINE_STORE, POINT_OF_SALE, ProductView, SWEDISH_PRICES, Standing,
    StandingWrite, StockCounts, TILL, WAREHOUSE, WhenOut,
};
pub use story::{Change, Expected, Planted, Story};
pub use subscriptions::Subscribed;
pub use tokens::AppAuth;
pub use write_back::WriteBackCounts;

pub(super) use model::{Address, OrderVersion, Shipping};
pub(super) use money::Both;
pub(super) use moved::DeskEdit;
pub(super) use story::{includes_taxes, worth};

use super::clock::SandboxClock;
use super::faults::FaultPlan;
use super::ifs::Ifs;
use super::ledger::Ledger;
use super::listen::Reply;
use bulk::Bulk;
use generate::Ids;
use listing::Listing;
use ruled::Buyers;
use service::Bucket;
use stock::Stock;
use subscriptions::Subscriptions;
use tokens::Tokens;
use write_back::Subscriber;

/// The version of the Admin API and of the webhooks.
pub const API_VERSION: &str = "2026-10";

/// The metafield by which the shop's staff know an order's number in IFS.
pub(super) const ORDER_NO_KEY: &str = "order_no";

/// Webhook tries in flight at most.
const DELIVERIES_AT_ONCE: usize = 32;

/// An order with its history.
#[derive(Debug)]
pub(super) struct Sold {
    pub(super) story: Story,
    pub(super) versions: Vec<OrderVersion>,
    /// The customer that IFS had for it before it was placed.
    pub(super) known_customer: Option<String>,
    /// Header fields as persons in IFS left them.
    pub(super) desk_edits: Vec<DeskEdit>,
}

#[derive(Debug)]
struct State {
    orders: BTreeMap<u64, Sold>,
    random: StdRng,
    ids: Ids,
    buyers: Buyers,
    next_number: u64,
    bucket: Bucket,
    tokens: Tokens,
    subscriptions: Subscriptions,
    deliveries: Vec<DeliveryRecord>,
    lost_webhooks: usize,
    subscriber: Option<Subscriber>,
    write_back: WriteBackCounts,
    answered_version: Option<String>,
    webhook_secret: String,
    listing: Listing,
    bulk: Bulk,
    stock: Stock,
    /// Calls that are on their way, though nobody waits for them any more: version and body.
    held: Vec<(String, Value)>,
}

/// What a shop is set up with.
#[derive(Debug)]
pub(super) struct ShopSetup {
    pub(super) index: usize,
    pub(super) domain: String,
    pub(super) access_token: String,
    pub(super) webhook_secret: String,
    pub(super) seed: u64,
}

/// What all shops share.
#[derive(Clone, Debug)]
pub(super) struct Around {
    pub(super) ledger: Ledger,
    pub(super) faults: FaultPlan,
    pub(super) clock: SandboxClock,
    pub(super) ifs: Ifs,
    pub(super) runtime: Handle,
    pub(super) http: reqwest::Client,
}

#[derive(Debug)]
struct Core {
    domain: String,
    access_token: String,
    seed: u64,
    state: Mutex<State>,
    delivery_slots: Semaphore,
    ledger: Ledger,
    faults: FaultPlan,
    clock: SandboxClock,
    ifs: Ifs,
    runtime: Handle,
    http: reqwest::Client,
}

/// Shared handle to one simulated shop: what buyers and its staff can do there. Never blocks for long.
#[derive(Clone, Debug)]
pub struct Shop {
    core: Arc<Core>,
}

impl Shop {
    pub(super) fn new(setup: ShopSetup, around: Around) -> Self {
        let seed = setup.seed ^ setup.index as u64;
        let state = State {
            orders: BTreeMap::new(),
            random: StdRng::seed_from_u64(seed),
            ids: Ids::of_shop(setup.index),
            buyers: Buyers::default(),
            next_number: 1001,
            bucket: Bucket::new(2000, 100),
            tokens: Tokens::new(setup.access_token.clone()),
            subscriptions: Subscriptions::default(),
            deliveries: Vec::new(),
            lost_webhooks: 0,
            subscriber: None,
            write_back: WriteBackCounts::default(),
            answered_version: None,
            webhook_secret: setup.webhook_secret,
            listing: Listing::default(),
            bulk: Bulk::default(),
            stock: Stock::default(),
            held: Vec::new(),
        };
        let core = Core {
            domain: setup.domain,
            access_token: setup.access_token,
            seed,
            state: Mutex::new(state),
            delivery_slots: Semaphore::new(DELIVERIES_AT_ONCE),
            ledger: around.ledger,
            faults: around.faults,
            clock: around.clock,
            ifs: around.ifs,
            runtime: around.runtime,
            http: around.http,
        };
        Self { core: Arc::new(core) }
    }

    pub(super) async fn handle(self, request: Request<Incoming>) -> Reply {
        service::handle(self, request).await
    }

    /// The shop's `*.myshopify.com` name.
    pub fn domain(&self) -> &str {
        &self.core.domain
    }

    /// The Admin API's access token.
    pub fn access_token(&self) -> &str {
        &self.core.access_token
    }

    /// The key that webhooks are signed with.
    pub fn webhook_secret(&self) -> String {
        self.lock().webhook_secret.clone()
    }

    /// From now on webhooks are signed with another key.
    pub fn set_webhook_secret(&self, webhook_secret: &str) {
        self.lock().webhook_secret = webhook_secret.to_owned();
    }

    /// A buyer places an order of this story; gives its id. Nothing is delivered.
    pub fn place(&self, story: Story) -> u64 {
        self.place_in(&mut self.lock(), story, |_| {})
    }

    /// As `place`, with a last word on the order.
    fn place_in(&self, state: &mut State, story: Story, last_word: impl FnOnce(&mut OrderVersion)) -> u64 {
        let now = self.core.clock.now();
        let State { random, ids, next_number, orders, buyers, .. } = &mut *state;
        let at = play::placed_at(story, random, now);
        let mut order = generate::order(random, ids, *next_number, at);
        *next_number += 1;
        story::prepare(random, ids, &mut order, story);
        let known = match story {
            Story::Ruled(ruled) => ruled.prepare(ids, &mut order, buyers, &self.core.ifs),
            _ => Ok(None),
        };
        let known_customer = known.unwrap_or_else(|error| {
            tracing::error!(%error, "a person of the sandbox could not key a customer");
            None
        });
        last_word(&mut order);
        let id = order.id;
        orders.insert(id, Sold { story, versions: vec![order], known_customer, desk_edits: Vec::new() });
        state.follow_stock(id, now);
        id
    }

    /// Something happens to an order: it gets a new version. Nothing is delivered. Unknown ids are ignored.
    pub fn change(&self, order_id: u64, change: Change) {
        let now = self.core.clock.now();
        self.add_version(order_id, change, |last| play::next_at(last.updated_at, now));
    }

    /// Something happens to an order in the same second as its last version: equal `updated_at`, other content.
    pub fn change_in_the_same_second(&self, order_id: u64, change: Change) {
        self.add_version(order_id, change, |last| last.updated_at);
    }

    /// Each change draws its luck from the seed, the order and the version, so that a day does not depend on the moments in
    /// which its changes happen to run.
    fn add_version(&self, order_id: u64, change: Change, at: impl FnOnce(&OrderVersion) -> Timestamp) {
        let mut state = self.lock();
        let Some(sold) = state.orders.get_mut(&order_id) else { return };
        let version = sold.versions.len() as u64;
        if let Some(last) = sold.versions.last() {
            let mut random = StdRng::seed_from_u64(self.core.seed ^ order_id ^ (version << 56));
            let next = story::change(&mut random, last, change, at(last));
            let now = next.updated_at;
            sold.versions.push(next);
            state.follow_stock(order_id, now);
        }
    }

    /// The company that placed an order gets a key of its supplier's own system. Orders without one, and unknown ids, are ignored.
    pub fn name_company(&self, order_id: u64, external_id: Option<&str>) {
        let mut state = self.lock();
        let versions = state.orders.get_mut(&order_id).map(|sold| sold.versions.iter_mut());
        for company in versions.into_iter().flatten().filter_map(|version| version.company.as_mut()) {
            company.external_id = external_id.map(str::to_owned);
        }
    }

    /// Ids of all orders, in no particular order.
    pub fn order_ids(&self) -> Vec<u64> {
        self.lock().orders.keys().copied().collect()
    }

    /// The webhook body of an order's last version.
    pub fn webhook_body(&self, order_id: u64) -> Option<Bytes> {
        self.body_of(order_id).map(|body| Bytes::from(body.to_string()))
    }

    /// The webhook body of one version, 0 being the order as placed.
    pub fn webhook_body_of_version(&self, order_id: u64, version: usize) -> Option<Bytes> {
        let state = self.lock();
        let order = state.orders.get(&order_id)?.versions.get(version)?;
        Some(Bytes::from(rest::order(order, &self.core.domain).to_string()))
    }

    /// The body of `orders/edited` about an order's last change.
    pub fn edit_body(&self, order_id: u64) -> Option<Bytes> {
        let state = self.lock();
        let [.., before, last] = state.orders.get(&order_id)?.versions.as_slice() else { return None };
        Some(Bytes::from(rest::order_edit(last, before).to_string()))
    }

    /// The body of `refunds/create` about an order's last refund.
    pub fn refund_body(&self, order_id: u64) -> Option<Bytes> {
        let state = self.lock();
        let order = state.orders.get(&order_id)?.versions.last()?;
        Some(Bytes::from(rest::refund_body(order)?.to_string()))
    }

    fn body_of(&self, order_id: u64) -> Option<Value> {
        let state = self.lock();
        let order = state.orders.get(&order_id)?.versions.last()?;
        Some(rest::order(order, &self.core.domain))
    }

    /// Sends one webhook, signed unless overridden, once. Works on any runtime.
    pub async fn send_webhook(
        &self,
        url: &str,
        topic: &str,
        body: impl Into<Bytes>,
        overrides: WebhookOverrides,
    ) -> WebhookAnswer {
        let (shop, url, topic, body) = (self.clone(), url.to_owned(), topic.to_owned(), body.into());
        let (give, take) = oneshot::channel();
        self.core.runtime.spawn(async move {
            let answer = shop.try_webhook(&url, &topic, body, &overrides, None).await;
            // The caller may have given up; then nobody wants the answer.
            let _unwanted = give.send(answer);
        });
        let stopped = WebhookAnswer { status: 0, retry_after: None, body: "the sandbox was stopped".to_owned() };
        take.await.unwrap_or(stopped)
    }

    /// Sends the last version of an order under a topic, once.
    pub async fn send_order(&self, url: &str, topic: &str, order_id: u64) -> WebhookAnswer {
        let body = self.webhook_body(order_id).unwrap_or_default();
        self.send_webhook(url, topic, body, WebhookOverrides::default()).await
    }

    /// Plays a day towards a webhook endpoint, on the sandbox's own runtime.
    pub fn play(&self, settings: PlaySettings) -> Play {
        let _on_our_runtime = self.core.runtime.enter();
        play::start(self.clone(), settings)
    }

    /// Each order with its story.
    pub fn stories(&self) -> Vec<(u64, Story)> {
        self.lock().orders.iter().map(|(order_id, sold)| (*order_id, sold.story)).collect()
    }

    /// How the deliveries ended so far.
    pub fn deliveries(&self) -> Vec<DeliveryRecord> {
        self.lock().deliveries.clone()
    }

    /// Sets the bucket of query costs: its size and what it regains per second, in points.
    pub fn set_cost_bucket(&self, maximum: u64, restore_per_sec: u64) {
        self.lock().bucket = Bucket::new(maximum, restore_per_sec);
    }

    /// Empties the bucket of query costs; it fills again from now on.
    pub fn drain_cost_bucket(&self) {
        let now = self.core.clock.now();
        self.lock().bucket.drain(now);
    }

    /// From now on answers name this version in `X-Shopify-API-Version`.
    pub fn answer_as_version(&self, version: &str) {
        self.lock().answered_version = Some(version.to_owned());
    }

    pub(super) fn with_sold<T>(&self, read: impl FnOnce(&BTreeMap<u64, Sold>) -> T) -> T {
        read(&self.lock().orders)
    }

    /// Whether an app told the order's number in IFS.
    fn knows_number(&self, order_id: u64) -> bool {
        let state = self.lock();
        let last = state.orders.get(&order_id).and_then(|sold| sold.versions.last());
        last.is_some_and(|order| order.metafields.iter().any(|field| field.key == ORDER_NO_KEY))
    }

    fn remember_desk_edits(&self, order_id: u64, edits: Vec<DeskEdit>) {
        if let Some(sold) = self.lock().orders.get_mut(&order_id) {
            sold.desk_edits = edits;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.core.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client that webhooks are sent with. It never speaks TLS, so that it reads no root certificates.
pub(super) fn webhook_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .connect_timeout(Duration::from_secs(1))
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(DELIVERIES_AT_ONCE)
        .build()
}
