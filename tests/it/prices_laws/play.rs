//! One run: the seed decides what both sides do, which step of the service goes on next, what goes wrong, and who dies.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use ml_connector::flow::prices::{ASKED, Asked, poll, write};
use ml_connector::flow::{stock, sweep};
use ml_connector::sandbox::StockUp;
use ml_connector::store::{Cursor, Door, Passage, PriceFilter};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rust_decimal::Decimal;

use super::plans::{Plans, figure};
use super::sides::{BULK, Sides};
use crate::simulation::stage::{Stage, WAIT};
use crate::simulation::steps::{How, Steps, Went, told};
use crate::simulation::tasks::Verdict;
use crate::simulation::trace::Trace;
use crate::support::database::Database;
use crate::support::world::Setup;

/// Seconds that each act takes.
const ACT_SECS: u64 = 3;
/// Calls of one turn of the writer.
const CALLS_AT_ONCE: usize = 4;

/// What comes before the settings of stock and prices.
const BEFORE: &str = "[connections.acme.census]";
/// The shop's own prices. Its levels are left alone.
const SHOP: &str = r#"[connections.acme.stock]
every_secs = 900
locations = [{ location = "655441490", warehouses = ["W1"] }]
groups = [{ name = "all", sku = ["*"], levels = "leave" }]

[connections.acme.prices]
source = "sales_part"
currency = "EUR"
at_hour = 0

[connections.acme.census]"#;
/// Those of a market too, which are what one customer pays.
const SHOP_AND_MARKET: &str = r#"[connections.acme.stock]
every_secs = 900
locations = [{ location = "655441490", warehouses = ["W1"] }]
groups = [{ name = "all", sku = ["*"], levels = "leave" }]

[connections.acme.prices]
source = "sales_part"
currency = "EUR"
at_hour = 0
price_lists = { "70000001" = { customer_no = "WEB-DEFAULT", currency = "SEK", tax = "included" } }

[connections.acme.census]"#;

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reading shop and IFS, for stock and prices alike.
    Reader,
    /// Looking through the shop's list of orders, for which a reading waits.
    Sweeper,
    /// Comparing and planning prices.
    Poller,
    /// Setting them.
    Writer,
}

/// A run under way.
pub struct Run {
    pub stage: Stage,
    pub sides: Sides,
    pub plans: Plans,
    pub trace: Trace,
    pub random: StdRng,
    pub steps: Steps<Role>,
    /// When a person asked for a run last, in microseconds since 1970.
    pub(super) asked: Option<i64>,
    /// How the last step ended that did.
    pub(super) ended: String,
}

impl Run {
    pub async fn begin(seed: u64, database: Database) -> Self {
        let has_market = seed.is_multiple_of(3);
        let edits = vec![(BEFORE, if has_market { SHOP_AND_MARKET } else { SHOP })];
        let sweep_every = Some(Duration::from_secs(900));
        let setup = Setup { wait: Some(WAIT), seed: Some(seed), sweep_every, edits, ..Setup::default() };
        let stage = Stage::of(seed, setup, database).await;
        stage.world.sandbox.stock_up(StockUp { bulk: BULK, units: 5, available: 5 });
        let trace = Trace::default();
        let steps = Steps::watched(&stage.world.store, &trace);
        let sides = Sides::new(&stage.world, stage.true_time().as_microsecond(), has_market);
        let random = StdRng::seed_from_u64(seed);
        Self { stage, sides, plans: Plans::default(), trace, random, steps, asked: None, ended: String::new() }
    }

    /// Everything that moves and goes wrong does so here.
    pub async fn play(&mut self) {
        for _ in 0..self.random.random_range(120..220) {
            self.stage.clock.advance(Duration::from_secs(ACT_SECS));
            self.stage.set_remotes_clock();
            self.act().await;
            self.sides.judge(&self.stage.world);
        }
    }

    async fn act(&mut self) {
        let at = self.stage.true_time().as_microsecond();
        let (sides, world, random) = (&mut self.sides, &self.stage.world, &mut self.random);
        let said = match random.random_range(0..200) {
            0..20 => Some(sides.price_in_ifs(world, random, at)),
            20..26 => Some(sides.close_or_open(world, random)),
            26..34 => sides.price_in_shop(world, random, at),
            34 => sides.delete(world, random),
            35..47 => self.accept().await,
            47..55 => {
                self.ask().await;
                Some("a person asks for a run".to_owned())
            }
            55..83 => self.start(Role::Reader).await,
            83..95 => self.start(Role::Sweeper).await,
            95..121 => self.start(Role::Poller).await,
            121..147 => self.start(Role::Writer).await,
            147..163 => self.go_on().await,
            163..174 => Some(self.arm_fault()),
            174..186 => Some(self.pass_time()),
            186..192 => Some(self.settle_late()),
            192..197 => Some(self.crash().await),
            _ => Some(self.overtake().await),
        };
        if let Some(said) = said {
            self.trace.say(said);
        }
    }

    // ------------------------------------------------------------------------------------------------ persons

    /// A person lets a parked price through; some mistake the amount.
    async fn accept(&mut self) -> Option<String> {
        let list = *self.sides.lists.choose(&mut self.random)?;
        let parked = self.rows(list, PriceFilter::Parked).await;
        let row = parked.choose(&mut self.random)?;
        let (id, wanted) = (row.variant_id, figure(row.wanted.as_deref())?);
        let is_right = self.random.random_bool(0.75);
        let amount = if is_right { wanted } else { wanted + Decimal::ONE };
        let who = ("a person".to_owned(), "it is right so".to_owned());
        let link = Arc::clone(&self.stage.owner.link);
        let accepted = link.store.accept_price(&link.name, (list, id), amount, who, link.clock.now()).await;
        assert_eq!(accepted.is_ok(), is_right, "{accepted:?}: {row:?}");
        if is_right {
            self.plans.accept((list, id), wanted);
            self.judge_plans().await;
        }
        Some(format!("a person accepts {amount} for variant {id} in list {list}: {is_right}"))
    }

    /// A person asks for a run: gives when, in microseconds since 1970.
    pub(super) async fn ask(&mut self) -> i64 {
        let link = &self.stage.owner.link;
        let now = link.clock.now();
        let at = now.as_microsecond();
        let prices = serde_json::to_string(&Asked { at }).expect("JSON");
        let reading = serde_json::to_string(&stock::Asked { at, accepts_fewer: false }).expect("JSON");
        for (name, value) in [(ASKED, prices), (stock::ASKED, reading)] {
            let cursor = Cursor { name: name.to_owned(), value };
            link.store.keep_cursor(&link.name, cursor, now).await.expect("nobody keeps this door");
        }
        self.asked = Some(at);
        at
    }

    // ------------------------------------------------------------------------------------------------ steps

    pub(super) async fn start(&mut self, role: Role) -> Option<String> {
        if self.steps.are_busy(&self.stage.owner, |other| other == role) {
            return None;
        }
        let link = Arc::clone(&self.stage.owner.link);
        let step: LocalBoxFuture<'static, String> = match role {
            Role::Reader => async move { told(stock::poll(&link).await) }.boxed_local(),
            Role::Sweeper => async move { told(sweep::sweep(&link).await) }.boxed_local(),
            Role::Poller => {
                self.begin_comparing();
                async move { told(poll(&link).await) }.boxed_local()
            }
            Role::Writer => async move { told(write::drain(&link, CALLS_AT_ONCE).await) }.boxed_local(),
        };
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
        if role == Role::Writer {
            self.judge_writes(false);
        }
        // Plans change where something was committed.
        let is_of_prices = matches!(role, Role::Poller | Role::Writer);
        if is_of_prices && matches!(how, How::Door(Passage::Leaves(Door::Writers))) {
            self.judge_plans().await;
        }
        let died = matches!(how, How::Died);
        if let How::Ended(end) = how {
            self.ended = end;
        }
        // The process, or only the actor.
        if died && owner.number == self.stage.owner.number && self.random.random_bool(0.5) {
            let said = self.crash().await;
            self.trace.say(said);
        }
    }
}
