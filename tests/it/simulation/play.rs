//! One run: the seed decides what the shop, the persons, the remotes, the store and the clocks do, which step goes on next, and
//! which dies.

use ml_connector::cli::demo_settings::Manner;
use ml_connector::domain::document::DocumentKind;
use ml_connector::failpoint;
use ml_connector::flow::converge::converge;
use ml_connector::flow::ingest::{DeliveryHeaders, delivery};
use ml_connector::flow::map_delivery::{map_delivery, order_id_of};
use ml_connector::flow::{Connection, sweep, write_back};
use ml_connector::store::{Blame, Passage, Received, StoreError};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::shop::{Sales, Webhook};
use super::stage::{Owner, Stage, recover};
use super::tasks::{Doors, Reached, Task, Verdict};
use super::trace::Trace;
use crate::support::database::Database;

/// Orders of one run at most.
const ORDERS_MAX: usize = 4;
/// Steps under way at one time.
const TASKS_MAX: usize = 5;
/// What writes to IFS takes.
const KINDS: [DocumentKind; 2] = [DocumentKind::Customer, DocumentKind::CustomerOrder];

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Storing one delivery.
    Ingress,
    /// Mapping one delivery of this order.
    Mapper(u64),
    /// Converging one document.
    Writer,
    /// Telling the shop.
    Teller,
    /// Looking through the shop's list.
    Sweeper,
}

pub(super) struct Step {
    pub(super) task: Task,
    pub(super) role: Role,
    pub(super) owner: Arc<Owner>,
    pub(super) webhook: Option<Webhook>,
}

/// Where steps die, and where they have been.
#[derive(Default)]
pub struct Points {
    /// The step that dies, and after how many points.
    pub mortal: Option<(u64, u32)>,
    /// How often each point was passed.
    pub passed: BTreeMap<String, u32>,
    /// How often a step died at each.
    pub died: BTreeMap<String, u32>,
}

impl Points {
    /// Points that hear of every failpoint which a step behind these doors passes, and let the mortal one die.
    pub fn watched(doors: &Doors, trace: &Trace) -> (Rc<RefCell<Self>>, failpoint::Watching) {
        let points = Rc::new(RefCell::new(Self::default()));
        let (hearing, said, at) = (Rc::clone(&points), trace.clone(), doors.clone());
        let watching = failpoint::watch(move |name| {
            let Some(task) = at.current() else { return false };
            let mut points = hearing.borrow_mut();
            *points.passed.entry(name.to_owned()).or_default() += 1;
            let dies = match &mut points.mortal {
                Some((mortal, left)) if *mortal == task => {
                    *left = left.saturating_sub(1);
                    *left == 0
                }
                _ => false,
            };
            said.say(format!("  {task} passes {name}{}", if dies { " and dies" } else { "" }));
            if dies {
                points.mortal = None;
                *points.died.entry(name.to_owned()).or_default() += 1;
            }
            dies
        });
        (points, watching)
    }
}

/// A run under way.
pub struct Run {
    pub stage: Stage,
    pub sales: Sales,
    pub trace: Trace,
    pub random: StdRng,
    pub points: Rc<RefCell<Points>>,
    doors: Doors,
    /// Webhooks that were answered 200: each is in a row.
    pub(super) acknowledged: BTreeSet<String>,
    pub(super) steps: Vec<Step>,
    next_task: u64,
    /// Whether stores and steps still fail.
    pub(super) troubled: bool,
    _watching: failpoint::Watching,
}

impl Run {
    pub async fn begin(seed: u64, database: Database) -> Self {
        let manner = if seed.is_multiple_of(3) { Manner::Ruled } else { Manner::Telling };
        let stage = Stage::set(seed, manner, database).await;
        let (doors, trace) = (Doors::default(), Trace::default());
        assert!(stage.world.store.keep(doors.keeper()), "the first keeper");
        let (points, watching) = Points::watched(&doors, &trace);
        Self {
            stage,
            sales: Sales::of(manner),
            trace,
            random: StdRng::seed_from_u64(seed),
            points,
            doors,
            acknowledged: BTreeSet::new(),
            steps: Vec::new(),
            next_task: 0,
            troubled: true,
            _watching: watching,
        }
    }

    /// Everything that goes wrong goes wrong here.
    pub async fn play(&mut self) {
        let actions = self.random.random_range(60..180);
        for _ in 0..actions {
            self.stage.set_remotes_clock();
            self.act().await;
        }
    }

    async fn act(&mut self) {
        let shop = self.stage.world.shop();
        match self.random.random_range(0..200) {
            0..10 if self.sales.orders.len() < ORDERS_MAX => {
                let said = self.sales.place(&shop, &mut self.random);
                self.trace.say(said);
            }
            10..26 => {
                let said = self.sales.change(&shop, &mut self.random);
                self.said(said);
            }
            26..56 => self.deliver().await,
            56..59 => {
                let said = self.sales.lose_webhook(&mut self.random);
                self.said(said);
            }
            59..93 => self.start_mapper().await,
            93..133 => self.start_writer().await,
            133..139 => self.start_teller().await,
            139..141 => self.start_sweeper().await,
            141..166 => self.go_on().await,
            166..175 => self.arm_fault(),
            175..184 => self.pass_time(),
            184..187 => self.release_held(),
            187..191 => {
                let said = self.sales.person(&self.stage.world, &mut self.random);
                self.said(said);
            }
            191..194 => self.crash().await,
            194..196 => self.overtake().await,
            196..198 => self.break_off(),
            198..200 => self.jump(),
            _ => {}
        }
    }

    fn said(&self, said: Option<String>) {
        if let Some(said) = said {
            self.trace.say(said);
        }
    }

    // ------------------------------------------------------------------------------------------------ steps begin

    async fn start(
        &mut self,
        role: Role,
        owner: Arc<Owner>,
        webhook: Option<Webhook>,
        step: impl Future<Output = String> + 'static,
    ) {
        let id = self.next_task;
        self.next_task += 1;
        self.trace.say(format!("start {id} {role:?} of owner {}", owner.number));
        if self.troubled && self.random.random_bool(0.12) {
            self.points.borrow_mut().mortal = Some((id, self.random.random_range(1..4)));
        }
        self.steps.push(Step { task: Task::new(id, step), role, owner, webhook });
        let at = self.steps.len() - 1;
        // Up to its first door; from there on luck decides.
        self.go(at, Ok(())).await;
        if let Some(at) = self.steps.iter().position(|step| step.task.id == id) {
            self.go_far(at).await;
        }
    }

    pub async fn deliver(&mut self) {
        if self.steps.len() >= TASKS_MAX {
            return;
        }
        let Some(webhook) = self.sales.next_webhook(&mut self.random) else { return };
        self.trace.say(format!("deliver {} of {} as {}", webhook.topic, webhook.order, webhook.id));
        let owner = Arc::clone(&self.stage.owner);
        let link = Arc::clone(&owner.link);
        let headers = DeliveryHeaders {
            topic: webhook.topic.to_owned(),
            webhook_id: webhook.id.clone(),
            event_id: Some("event-1".to_owned()),
            ..DeliveryHeaders::default()
        };
        let row = delivery(&link.name, headers, &webhook.body, link.clock.now());
        let step = async move {
            match link.store.insert_deliveries(vec![row]).await.remove(0) {
                Ok(stored) => format!("{stored:?}").chars().take(3).collect(),
                Err(error) => format!("not acknowledged: {}", kind(&error)),
            }
        };
        self.start(Role::Ingress, owner, Some(webhook), step).await;
    }

    async fn start_mapper(&mut self) {
        let owner = self.some_owner();
        let link = Arc::clone(&owner.link);
        let due = link.store.due_deliveries(&link.name, link.clock.now(), 64).await.expect("nobody keeps this door");
        // Deliveries of one order go one after the other.
        let busy: Vec<u64> = self
            .steps
            .iter()
            .filter(|step| step.owner.number == owner.number)
            .filter_map(|step| match step.role {
                Role::Mapper(order) => Some(order),
                _ => None,
            })
            .collect();
        let next = due.into_iter().find(|received| !busy.contains(&order_id_of(received).unwrap_or_default()));
        let Some(received) = next else { return };
        if self.steps.len() >= TASKS_MAX {
            return;
        }
        let order = order_id_of(&received).unwrap_or_default();
        self.start(Role::Mapper(order), owner, None, map(link, received)).await;
    }

    async fn start_writer(&mut self) {
        let owner = self.some_owner();
        let link = Arc::clone(&owner.link);
        let writes = |step: &Step| step.role == Role::Writer && step.owner.number == owner.number;
        // A claim that a step left behind is freed only while nothing is under way.
        let wait = link.broke_off.load(Ordering::Acquire) && self.steps.iter().any(writes);
        if wait || self.steps.len() >= TASKS_MAX {
            return;
        }
        self.start(Role::Writer, owner, None, write(link)).await;
    }

    async fn start_teller(&mut self) {
        let owner = self.some_owner();
        let tells = |step: &Step| step.role == Role::Teller && step.owner.number == owner.number;
        if self.steps.len() >= TASKS_MAX || self.steps.iter().any(tells) {
            return;
        }
        let link = Arc::clone(&owner.link);
        let step = async move {
            match write_back::drain(&link).await {
                Ok(_) => "told".to_owned(),
                Err(error) => format!("error: {}", kind(&error)),
            }
        };
        self.start(Role::Teller, owner, None, step).await;
    }

    async fn start_sweeper(&mut self) {
        let owner = self.some_owner();
        let sweeps = |step: &Step| step.role == Role::Sweeper && step.owner.number == owner.number;
        if self.steps.len() >= TASKS_MAX || self.steps.iter().any(sweeps) {
            return;
        }
        let link = Arc::clone(&owner.link);
        let step = async move {
            match sweep::sweep(&link).await {
                Ok(swept) => format!("{swept:?}"),
                Err(error) => format!("error: {}", kind(&error)),
            }
        };
        self.start(Role::Sweeper, owner, None, step).await;
    }

    /// The owner, or now and then one who does not know yet that it is not the owner any more.
    fn some_owner(&mut self) -> Arc<Owner> {
        let stale: Vec<Arc<Owner>> = self
            .steps
            .iter()
            .map(|step| Arc::clone(&step.owner))
            .filter(|owner| owner.number != self.stage.owner.number)
            .collect();
        match stale.choose(&mut self.random) {
            Some(stale) if self.random.random_bool(0.2) => Arc::clone(stale),
            _ => Arc::clone(&self.stage.owner),
        }
    }

    // ------------------------------------------------------------------------------------------------ steps go on

    async fn go_on(&mut self) {
        if self.steps.is_empty() {
            return;
        }
        let at = self.random.random_range(0..self.steps.len());
        self.go_far(at).await;
    }

    /// Mostly to its end, else to one of its next doors.
    async fn go_far(&mut self, at: usize) {
        let id = self.steps[at].task.id;
        let doors =
            if !self.troubled || self.random.random_bool(0.75) { u32::MAX } else { self.random.random_range(0..9) };
        for _ in 0..doors {
            let Some(at) = self.steps.iter().position(|step| step.task.id == id) else { return };
            let verdict = self.verdict(at);
            self.go(at, verdict).await;
        }
    }

    fn verdict(&mut self, at: usize) -> Verdict {
        let id = self.steps[at].task.id;
        let passage = self.doors.waits(id);
        let lot = if self.troubled { self.random.random_range(0..100) } else { 100 };
        let failed = match passage {
            Some(Passage::Enters(_)) if lot < 2 => StoreError::CutOff,
            Some(Passage::Enters(_)) if lot < 3 => busy(),
            Some(Passage::Leaves(_)) if lot < 2 => StoreError::CutOff,
            _ => return Ok(()),
        };
        self.trace.say(format!("  {id} {passage:?}: {}", kind(&failed)));
        Err(failed)
    }

    pub(super) async fn go(&mut self, at: usize, verdict: Verdict) {
        self.stage.set_remotes_clock();
        let reached = self.steps[at].task.go(&self.doors, verdict).await;
        match reached {
            Reached::Door(passage) => self.trace.say(format!("  {} {passage:?}", self.steps[at].task.id)),
            Reached::End(end) => {
                let step = self.steps.remove(at);
                self.trace.say(format!("  {} ends: {end}", step.task.id));
                self.ended(step, &end);
            }
            Reached::Died => {
                let owner = Arc::clone(&self.steps[at].owner);
                drop(self.steps.remove(at));
                // The process, or only the actor.
                if owner.number == self.stage.owner.number && self.random.random_bool(0.5) {
                    self.crash().await;
                } else {
                    self.drop_writers(&owner);
                }
            }
        }
    }

    fn ended(&mut self, step: Step, end: &str) {
        match step.role {
            // Shopify sends again what was not acknowledged.
            Role::Ingress if end.starts_with("not") => self.sales.pool.extend(step.webhook),
            Role::Ingress => {
                let told = step.webhook.map(|webhook| format!("{} {}", webhook.topic, webhook.id));
                self.acknowledged.extend(told);
            }
            Role::Writer | Role::Teller if end.starts_with("error") => {
                step.owner.link.broke_off.store(true, Ordering::Release);
            }
            _ => {}
        }
    }
}

pub async fn map(link: Arc<Connection>, received: Received) -> String {
    match map_delivery(&link, &received).await {
        Ok(ended) => format!("{ended:?}"),
        Err(error) => {
            // As the mapper does: the attempt is given back, if the store takes even that.
            let reason = "the store failed while it was mapped".to_owned();
            let given =
                link.store.postpone_delivery((received.id, None), link.clock.now(), Blame::Remote, reason).await;
            format!("error: {}, given back: {}", kind(&error), given.is_ok())
        }
    }
}

/// One round of the writer's loop with room for one document.
pub async fn write(link: Arc<Connection>) -> String {
    let done = async {
        recover(&link).await?;
        if link.tenant.ifs.is_left_alone() {
            return Ok("left alone".to_owned());
        }
        let claimed = link.store.claim_due(&link.tenant.lease, &link.name, &KINDS, link.clock.now(), 1).await?;
        match claimed.first() {
            Some(claimed) => Ok(format!("{} {}", claimed.business_key, converge(&link, claimed).await?)),
            None => Ok("nothing due".to_owned()),
        }
    };
    done.await.unwrap_or_else(|error: StoreError| format!("error: {}", kind(&error)))
}

pub fn busy() -> StoreError {
    use diesel::result::{DatabaseErrorKind, Error};
    StoreError::Query(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new("database is locked".to_owned())))
}

/// What went wrong, without anything that differs from run to run.
pub fn kind(error: &StoreError) -> String {
    error.to_string()
}
