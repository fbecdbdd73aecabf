//! The running supervisor: starts the children of one tree, watches their ends, restarts within the budget, stops in reverse order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use actix::Recipient;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::branch;
use super::health::{Health, NodeState};
use super::spec::{AfterFailure, Cause, Child, Exit, ExitGuard, Spent, TreeSpec};
use super::worker::Drain;
use crate::clock::Clock;
use crate::telemetry::metric;

/// How long the children of a failed subtree may take to stop before it is said that they are stuck.
pub(super) const FAILED_STOP_GRACE: Duration = Duration::from_secs(30);

/// A started tree.
pub struct Running {
    stop: mpsc::Sender<Stop>,
    end: oneshot::Receiver<End>,
    /// Its end, once somebody has waited for it.
    ended: Option<End>,
    /// Breaks when nothing of it lives any more; none once that was seen.
    lives: Option<oneshot::Receiver<()>>,
}

/// How a tree ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to, and every child stopped.
    Stopped,
    /// It was told to, and some children were still busy when the grace had passed.
    LeftBehind,
    /// Its budget was spent, and its spec says to end then.
    BudgetSpent,
}

/// Stop within this grace.
pub(super) struct Stop {
    pub(super) grace: Duration,
}

/// Starts a tree on this thread. Returns at once; the children start in order before anything else of this tree happens.
///
/// # Panics
/// Outside an actix system (or a tokio `LocalSet`): there is nowhere to run.
pub fn start(spec: TreeSpec, health: Health, clock: Clock) -> Running {
    let path = spec.name.clone();
    start_below(Rc::new(spec), path, health, clock, ExitGuard::detached())
}

impl Running {
    pub(super) fn new(stop: mpsc::Sender<Stop>, end: oneshot::Receiver<End>, lives: oneshot::Receiver<()>) -> Self {
        Self { stop, end, ended: None, lives: Some(lives) }
    }

    /// Stops the children in reverse order, each after it finished what it does, all within `grace`. A tree that has ended already says
    /// how.
    pub async fn stop(mut self, grace: Duration) -> End {
        self.stop_within(grace).await
    }

    pub(super) async fn stop_within(&mut self, grace: Duration) -> End {
        if self.ended.is_none() {
            self.stop.send(Stop { grace }).await.unwrap_or_default();
        }
        self.ended().await
    }

    /// Waits until the tree ends by itself: a root whose budget is spent.
    pub async fn ended(&mut self) -> End {
        if let Some(end) = self.ended {
            return end;
        }
        let end = (&mut self.end).await.unwrap_or(End::BudgetSpent);
        self.ended = Some(end);
        end
    }

    /// Waits until nothing of it lives any more: a tree may end while some of its children are still busy with their last step.
    pub(super) async fn gone(&mut self) {
        if let Some(lives) = &mut self.lives {
            lives.await.unwrap_or_default();
            self.lives = None;
        }
    }
}

/// Starts a tree below another one. `guard` tells when nothing of it lives any more, which may be later than its end: the place is free
/// for another one only then.
pub(super) fn start_below(spec: Rc<TreeSpec>, path: String, health: Health, clock: Clock, guard: ExitGuard) -> Running {
    let (stop, stops) = mpsc::channel(1);
    let (ended, end) = oneshot::channel();
    let (life, lives) = oneshot::channel();
    let mut supervisor = Supervisor::new(spec, path, health, clock, stops);
    actix_rt::spawn(async move {
        let how = supervisor.run().await;
        ended.send(how).unwrap_or_default();
        supervisor.outlive_all().await;
        drop((guard, life));
    });
    Running::new(stop, end, lives)
}

struct Supervisor {
    spec: Rc<TreeSpec>,
    path: String,
    health: Health,
    clock: Clock,
    children: Vec<Live>,
    /// Holds at most one end for each start, so it needs no bound of its own.
    exits: UnboundedReceiver<Exit>,
    exits_sender: UnboundedSender<Exit>,
    stops: mpsc::Receiver<Stop>,
    spent: Spent,
}

struct Live {
    path: String,
    /// Counts starts: the end of an earlier one is old news.
    generation: u64,
    body: Body,
}

enum Body {
    Down,
    Restarting { due: Instant },
    Starting,
    Actor(Recipient<Drain>),
    Tree(Running),
}

enum Watched {
    Stop(Stop),
    BudgetSpent,
}

impl Supervisor {
    fn new(spec: Rc<TreeSpec>, path: String, health: Health, clock: Clock, stops: mpsc::Receiver<Stop>) -> Self {
        let live = |child: &Child| Live { path: format!("{path}/{}", child.name()), generation: 0, body: Body::Down };
        let children: Vec<Live> = spec.children.iter().map(live).collect();
        for child in &children {
            health.set(&child.path, NodeState::Waiting);
        }
        health.set(&path, NodeState::Waiting);
        let (exits_sender, exits) = unbounded_channel();
        Self { spec, path, health, clock, children, exits, exits_sender, stops, spent: Spent::default() }
    }

    async fn run(&mut self) -> End {
        loop {
            self.start_all();
            match self.watch().await {
                Watched::Stop(stop) => return self.stop_all(stop.grace, NodeState::Stopped).await,
                Watched::BudgetSpent => {
                    tracing::error!(node = self.path, "failed too often");
                    self.stop_all(FAILED_STOP_GRACE, NodeState::Failed).await;
                }
            }
            match self.spec.after_failure {
                AfterFailure::End => return End::BudgetSpent,
                AfterFailure::TryEvery(pause) => {
                    if let Some(stop) = self.rest(pause).await {
                        return self.stop_all(stop.grace, NodeState::Stopped).await;
                    }
                }
            }
        }
    }

    fn start_all(&mut self) {
        self.spent = Spent::default();
        for child in 0..self.children.len() {
            self.start_child(child);
        }
        self.health.set(&self.path, NodeState::Running);
    }

    fn start_child(&mut self, index: usize) {
        let child = &mut self.children[index];
        child.generation += 1;
        let guard = ExitGuard::watching(self.exits_sender.clone(), index, child.generation);
        child.body = match &self.spec.children[index] {
            // A factory that panics drops the guard while it unwinds, so that counts like any other end.
            Child::Actor(spec) => match catch_unwind(AssertUnwindSafe(|| (spec.start)(guard))) {
                Ok(drain) => Body::Actor(drain),
                Err(_reported_by_the_panic_hook) => Body::Starting,
            },
            Child::Tree(spec) => Body::Tree(start_below(
                Rc::clone(spec),
                child.path.clone(),
                self.health.clone(),
                self.clock.clone(),
                guard,
            )),
            Child::Branch(spec) => {
                child.body =
                    Body::Tree(branch::start(spec, child.path.clone(), self.health.clone(), self.clock.clone(), guard));
                return;
            }
        };
        self.health.set(&child.path, NodeState::Running);
    }

    /// Restarts what ends until told to stop or the budget is spent.
    async fn watch(&mut self) -> Watched {
        loop {
            let due = self.next_restart();
            tokio::select! {
                stop = self.stops.recv() => return Watched::Stop(stop.unwrap_or(Stop { grace: FAILED_STOP_GRACE })),
                exit = self.exits.recv() => {
                    let exit = exit.expect("the supervisor holds a sender itself");
                    if let Some(child) = self.note_end(&exit, NodeState::Restarting) {
                        if !self.spent.take(self.spec.budget, self.clock.monotonic()) {
                            return Watched::BudgetSpent;
                        }
                        let due = Instant::now() + self.spec.budget.restart_delay;
                        self.children[child].body = Body::Restarting { due };
                    }
                }
                () = sleep_until(due) => self.restart_due(),
            }
        }
    }

    fn next_restart(&self) -> Option<Instant> {
        let due = self.children.iter().filter_map(|child| match child.body {
            Body::Restarting { due } => Some(due),
            Body::Down | Body::Starting | Body::Actor(_) | Body::Tree(_) => None,
        });
        due.min()
    }

    fn restart_due(&mut self) {
        let now = Instant::now();
        for child in 0..self.children.len() {
            if matches!(self.children[child].body, Body::Restarting { due } if due <= now) {
                self.start_child(child);
            }
        }
    }

    /// Marks a child as down and says so; `None` when that start of it was known to be over.
    fn note_end(&mut self, exit: &Exit, becomes: NodeState) -> Option<usize> {
        let child = self.children.get_mut(exit.child)?;
        if child.generation != exit.generation || matches!(child.body, Body::Down | Body::Restarting { .. }) {
            return None;
        }
        child.body = Body::Down;
        let stopping = becomes != NodeState::Restarting;
        match exit.cause {
            Cause::Stopped if stopping => self.health.set(&child.path, becomes),
            Cause::Stopped | Cause::Panicked => {
                let how = if exit.cause == Cause::Panicked { "panic" } else { "stop" };
                metrics::counter!(metric::ACTOR_ENDS_TOTAL, "how" => how).increment(1);
                tracing::error!(node = child.path, how, "an actor ended when it should not");
                self.health.count_failure(&child.path, becomes);
            }
        }
        Some(exit.child)
    }

    /// Stops all children in reverse order. `becomes` is what the tree itself is afterwards.
    async fn stop_all(&mut self, grace: Duration, becomes: NodeState) -> End {
        self.health.set(&self.path, becomes);
        let deadline = Instant::now() + grace;
        let mut end = End::Stopped;
        for index in (0..self.children.len()).rev() {
            let left = match std::mem::replace(&mut self.children[index].body, Body::Starting) {
                Body::Down | Body::Restarting { .. } => End::Stopped,
                Body::Starting => self.await_end(index, deadline).await,
                Body::Tree(tree) => match tree.stop(deadline.saturating_duration_since(Instant::now())).await {
                    // It ended before, perhaps with some of its own still busy.
                    End::BudgetSpent => self.await_end(index, deadline).await,
                    end @ (End::Stopped | End::LeftBehind) => end,
                },
                Body::Actor(drain) => {
                    // An actor that is gone, or too busy to take it, shows in whether its end comes.
                    timeout_at(deadline, drain.send(Drain)).await.map(Result::ok).unwrap_or_default();
                    self.await_end(index, deadline).await
                }
            };
            let child = &mut self.children[index];
            if left == End::LeftBehind {
                tracing::error!(node = child.path, "still busy when the time to stop was over");
                end = End::LeftBehind;
            } else {
                child.body = Body::Down;
                self.health.set(&child.path, NodeState::Stopped);
            }
        }
        end
    }

    async fn await_end(&mut self, index: usize, deadline: Instant) -> End {
        while !matches!(self.children[index].body, Body::Down) {
            match timeout_at(deadline, self.exits.recv()).await {
                Ok(Some(exit)) => {
                    self.note_end(&exit, NodeState::Stopped);
                }
                Ok(None) | Err(_) => return End::LeftBehind,
            }
        }
        End::Stopped
    }

    /// Waits for those that were left behind: whoever frees the place of this tree must not find one of them at work.
    async fn outlive_all(&mut self) {
        while !self.all_down() {
            let exit = self.exits.recv().await.expect("the supervisor holds a sender itself");
            self.note_end(&exit, NodeState::Stopped);
        }
    }

    fn all_down(&self) -> bool {
        self.children.iter().all(|child| matches!(child.body, Body::Down))
    }

    /// Waits before a new try, and until nothing of the old one lives: two of one actor must never be.
    async fn rest(&mut self, pause: Duration) -> Option<Stop> {
        let until = Instant::now() + pause;
        loop {
            let rested = Instant::now() >= until;
            if rested && self.all_down() {
                return None;
            }
            tokio::select! {
                stop = self.stops.recv() => return Some(stop.unwrap_or(Stop { grace: FAILED_STOP_GRACE })),
                Some(exit) = self.exits.recv() => { self.note_end(&exit, NodeState::Stopped); }
                () = sleep_until((!rested).then_some(until)) => {}
            }
        }
    }
}

/// Sleeps until `due`; for ever when nothing is due.
async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
