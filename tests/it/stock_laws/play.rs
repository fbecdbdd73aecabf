//! One run: the seed decides what both sides do, which step of the service goes on next, what goes wrong, and who dies.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ml_connector::flow::ingest::{DeliveryHeaders, delivery};
use ml_connector::flow::stock::{Place, outs, poll, write};
use ml_connector::flow::sweep;
use ml_connector::sandbox::StockUp;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::calls::Calls;
use super::merchants::Merchants;
use super::sides::Sides;
use crate::simulation::play::{map, write as write_orders};
use crate::simulation::stage::{Stage, WAIT};
use crate::simulation::steps::{How, Steps, Went, told};
use crate::simulation::tasks::Verdict;
use crate::simulation::trace::Trace;
use crate::support::database::Database;
use crate::support::stocked::{DRAFTS, stock};
use crate::support::world::Setup;

/// Seconds that each act takes: nothing happens in the two seconds by which the shop dates an order back.
const ACT_SECS: u64 = 3;

/// Products that have run out leave the online store.
const UNPUBLISHED: &str = r#"out = { policy = "unpublish", channels = ["90000001"] }
"#;

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Mapping one delivery.
    Mapper,
    /// Writing one order to IFS.
    Orders,
    /// Looking through the shop's list of orders.
    Sweeper,
    /// Reading and planning stock.
    Poller,
    /// Setting levels.
    Levels,
    /// Looking at products that have run out.
    Outs,
}

impl Role {
    /// One actor does both.
    fn actor(self) -> Self {
        if self == Self::Outs { Self::Levels } else { self }
    }
}

/// A run under way.
pub struct Run {
    pub stage: Stage,
    pub sides: Sides,
    pub merchants: Merchants,
    pub calls: Calls,
    pub trace: Trace,
    pub random: StdRng,
    pub steps: Steps<Role>,
    /// How the last step ended that did.
    pub(super) ended: String,
    /// A line was released while the stock was read.
    released: bool,
}

impl Run {
    pub async fn begin(seed: u64, database: Database) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let drafts = !seed.is_multiple_of(3);
        let stock = stock(120, &[if drafts { DRAFTS } else { UNPUBLISHED }]);
        let sweep_every = Some(Duration::from_secs(900));
        let setup = Setup { wait: Some(WAIT), seed: Some(seed), sweep_every, stock, ..Setup::default() };
        let stage = Stage::of(seed, setup, database).await;
        // 1. Both sides begin as one, or the shop begins with nothing.
        let (bulk, units) = (random.random_range(6..8), random.random_range(2..6_u32));
        let available = if random.random_bool(0.7) { i64::from(units) } else { 0 };
        stage.world.sandbox.stock_up(StockUp { bulk, units, available });
        if random.random_bool(0.5) {
            stage.world.sandbox.ifs().set_stock_page_rows(25);
        }
        // 2. The store's door and the failpoints are watched.
        let trace = Trace::default();
        let steps = Steps::watched(&stage.world.store, &trace);
        let sides = Sides::new(bulk, seed % 2 == 1);
        let merchants = Merchants::new(&stage.world.shop(), &sides.skus, drafts);
        Self {
            stage,
            sides,
            merchants,
            calls: Calls::default(),
            trace,
            random,
            steps,
            ended: String::new(),
            released: false,
        }
    }

    /// Everything that moves and goes wrong does so here.
    pub async fn play(&mut self) {
        for _ in 0..self.random.random_range(150..300) {
            self.stage.clock.advance(Duration::from_secs(ACT_SECS));
            self.stage.set_remotes_clock();
            self.act().await;
            self.judge_moment();
        }
    }

    /// This moment, by the remotes' clock.
    fn at(&self) -> i64 {
        self.stage.true_time().as_microsecond()
    }

    async fn act(&mut self) {
        let shop = self.stage.world.shop();
        let said = match self.random.random_range(0..212) {
            0..22 => Some(self.sides.buy(&shop, &mut self.random)),
            22..30 => self.sides.change(&self.stage.world, &mut self.random),
            30..34 => self.sides.fulfil(&shop, &mut self.random),
            34..52 => self.deliver().await,
            52..68 => self.start_mapper().await,
            68..80 => self.start(Role::Orders).await,
            80..87 => self.start(Role::Sweeper).await,
            87..112 => self.start(Role::Poller).await,
            112..126 => self.start(Role::Levels).await,
            126..132 => self.start(Role::Outs).await,
            132..152 => self.go_on().await,
            152..170 => self.person().await,
            170..174 => self.merchant().await,
            174..182 => Some(self.arm_fault()),
            182..192 => Some(self.pass_time()),
            192..194 => Some(format!("IFS gets to {} late requests", self.stage.world.sandbox.ifs().release_held())),
            194..197 => Some(self.crash().await),
            197..199 => Some(self.overtake().await),
            203..211 => self.merchant().await,
            199..203 => self.sides.draft(&shop, &mut self.random),
            _ => Some(self.sides.buy_before_next_set(&shop, &mut self.random)),
        };
        self.say(said);
    }

    pub(super) fn say(&self, said: Option<String>) {
        if let Some(said) = said {
            self.trace.say(said);
        }
    }

    // ------------------------------------------------------------------------------------------------ both sides

    pub(super) async fn deliver(&mut self) -> Option<String> {
        let webhook = self.sides.next_webhook(&mut self.random)?;
        if self.random.random_bool(0.1) {
            return Some(format!("{} is lost", webhook.id));
        }
        let headers = DeliveryHeaders {
            topic: webhook.topic.to_owned(),
            webhook_id: webhook.id.clone(),
            event_id: Some("event-1".to_owned()),
            ..DeliveryHeaders::default()
        };
        let link = &self.stage.owner.link;
        let row = delivery(&link.name, headers, &webhook.body, link.clock.now());
        link.store.insert_deliveries(vec![row]).await.remove(0).expect("nobody keeps this door");
        Some(format!("{} comes", webhook.id))
    }

    async fn person(&mut self) -> Option<String> {
        let is_read = self.is_read().await;
        self.released &= is_read;
        let at = self.at();
        let done = self.sides.person(&self.stage.world, &mut self.random, (at, !self.released))?;
        self.released |= done.released && is_read;
        Some(done.said)
    }

    /// Whether a run of the stock is under way.
    async fn is_read(&self) -> bool {
        let place = Place::stored(&self.stage.owner.link).await.expect("nobody keeps this door");
        place.is_some_and(|place| place.is_under_way())
    }

    async fn merchant(&mut self) -> Option<String> {
        if self.random.random_bool(0.5) {
            let at = self.at();
            return Some(self.sides.count_level(&self.stage.world.shop(), &mut self.random, at));
        }
        // Where one of our own calls may still be on its way, nobody can tell whose a product's standing is.
        let are_ours = self.steps.under_way.iter().any(|step| step.role == Role::Outs);
        let is_ours = are_ours || self.stage.world.shop().held() > 0;
        if is_ours || self.is_read().await {
            return None;
        }
        self.merchants.decide(&self.stage.world, &mut self.random)
    }

    // ------------------------------------------------------------------------------------------------ steps

    async fn start_mapper(&mut self) -> Option<String> {
        let link = Arc::clone(&self.stage.owner.link);
        let due = link.store.due_deliveries(&link.name, link.clock.now(), 1).await.expect("nobody keeps this door");
        let received = due.into_iter().next()?;
        self.begin_step(Role::Mapper, map(link, received)).await
    }

    pub(super) async fn start(&mut self, role: Role) -> Option<String> {
        if role.actor() == Role::Levels && !self.is_busy(role) {
            self.settle_held();
        }
        let link = Arc::clone(&self.stage.owner.link);
        match role {
            Role::Mapper => None,
            Role::Orders => self.begin_step(role, write_orders(link)).await,
            Role::Sweeper => {
                let step = async move { told(sweep::sweep(&link).await) };
                self.begin_step(role, step).await
            }
            Role::Poller => {
                let step = async move { told(poll(&link).await) };
                self.begin_step(role, step).await
            }
            Role::Levels => {
                let step = async move { told(write::drain(&link, 2).await) };
                self.begin_step(role, step).await
            }
            Role::Outs => {
                let step = async move { told(outs::look(&link).await) };
                self.begin_step(role, step).await
            }
        }
    }

    /// A call that is still on its way comes before the next one of its actor, or never.
    pub(super) fn settle_held(&mut self) {
        let shop = self.stage.world.shop();
        if shop.held() > 0 {
            let (come, lost) =
                if self.random.random_bool(0.6) { (shop.release_held(), 0) } else { (0, shop.lose_held()) };
            self.trace.say(format!("{come} late calls come, {lost} never do"));
            self.judge_calls();
        }
    }

    fn is_busy(&self, role: Role) -> bool {
        self.steps.are_busy(&self.stage.owner, |other| other.actor() == role.actor())
    }

    async fn begin_step(&mut self, role: Role, step: impl Future<Output = String> + 'static) -> Option<String> {
        if self.is_busy(role) {
            return None;
        }
        let id = self.steps.begin((role, &self.stage.owner), &mut self.random, step);
        self.go(id, Ok(())).await;
        self.go_far(id).await;
        None
    }

    async fn go_on(&mut self) -> Option<String> {
        let id = self.steps.any(&mut self.random)?;
        self.go_far(id).await;
        None
    }

    /// To its end, or to one of its next doors.
    pub(super) async fn go_far(&mut self, id: u64) {
        for _ in 0..self.steps.doors_ahead(&mut self.random) {
            if !self.steps.is_under_way(id) {
                return;
            }
            let verdict = self.steps.verdict(id, &mut self.random);
            self.go(id, verdict).await;
        }
    }

    async fn go(&mut self, id: u64, verdict: Verdict) {
        self.stage.set_remotes_clock();
        let Some(Went { role, owner, how }) = self.steps.go(id, verdict).await else { return };
        let (died, broke_off) = match &how {
            How::Door(_) => (false, false),
            How::Ended(end) => (false, end.starts_with("error")),
            How::Died => (true, true),
        };
        if role == Role::Orders && broke_off {
            owner.link.broke_off.store(true, Ordering::Release);
        }
        if let How::Ended(end) = how {
            self.ended = end;
        }
        if role.actor() == Role::Levels {
            self.judge_calls();
        }
        // The process, or only the actor.
        if died && owner.number == self.stage.owner.number && self.random.random_bool(0.5) {
            let said = self.crash().await;
            self.trace.say(said);
        }
    }
}
