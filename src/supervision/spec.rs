//! The tree as data: what to start, in which order, how often it may fail; and the guard by which an actor's end is noticed.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{Actor, Addr, Context, Handler, Recipient};
use tokio::sync::mpsc::UnboundedSender;

use super::branch::BranchSpec;
use super::worker::{Doorbell, Drain, Rhythm, Step, Worker};
use crate::clock::Tick;

/// A supervisor and its children. They start in this order and stop in the reverse one.
pub struct TreeSpec {
    /// Last part of its path in [`Health`](super::Health).
    pub name: String,
    /// Its children, in start order.
    pub children: Vec<Child>,
    /// How often they may fail, together.
    pub budget: Budget,
    /// What a spent budget means.
    pub after_failure: AfterFailure,
}

/// A child of a tree.
pub enum Child {
    /// An actor.
    Actor(ChildSpec),
    /// A subtree with a budget of its own.
    Tree(Rc<TreeSpec>),
    /// A place for a subtree that comes and goes at run time.
    Branch(BranchSpec),
}

/// An actor as data: its name and how to build a fresh one.
pub struct ChildSpec {
    pub(super) name: String,
    pub(super) start: Box<dyn Fn(ExitGuard) -> Recipient<Drain>>,
}

/// How often children may end when they should not.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Restarts allowed within `window`.
    pub restarts_max: usize,
    /// How far back restarts count.
    pub window: Duration,
    /// Pause before a restart, so that a child that dies at once cannot spin.
    pub restart_delay: Duration,
}

/// What a supervisor does once its budget is spent and its children are stopped.
#[derive(Clone, Copy, Debug)]
pub enum AfterFailure {
    /// Starts all children anew after this pause, again and again.
    TryEvery(Duration),
    /// Ends, for the root: the process ends and whoever started it decides.
    End,
}

impl Default for Budget {
    fn default() -> Self {
        Self { restarts_max: 5, window: Duration::from_secs(60), restart_delay: Duration::from_millis(100) }
    }
}

impl TreeSpec {
    /// A subtree with the default budget, tried again every 60 s once that is spent.
    pub fn subtree(name: impl Into<String>, children: Vec<Child>) -> Self {
        Self {
            name: name.into(),
            children,
            budget: Budget::default(),
            after_failure: AfterFailure::TryEvery(Duration::from_secs(60)),
        }
    }

    /// The root, whose spent budget ends the process.
    pub fn root(children: Vec<Child>) -> Self {
        Self { after_failure: AfterFailure::End, ..Self::subtree("root", children) }
    }
}

impl Child {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Actor(spec) => &spec.name,
            Self::Tree(spec) => &spec.name,
            Self::Branch(spec) => &spec.name,
        }
    }
}

impl From<ChildSpec> for Child {
    fn from(spec: ChildSpec) -> Self {
        Self::Actor(spec)
    }
}

impl From<TreeSpec> for Child {
    fn from(spec: TreeSpec) -> Self {
        Self::Tree(Rc::new(spec))
    }
}

impl From<BranchSpec> for Child {
    fn from(spec: BranchSpec) -> Self {
        Self::Branch(spec)
    }
}

impl ChildSpec {
    /// An actor that `fresh` builds. It keeps the guard in a field for as long as it lives, and on [`Drain`] finishes what it does and
    /// stops itself. `slot` always holds the address of the one that lives.
    pub fn actor<A>(name: impl Into<String>, slot: Slot<A>, fresh: impl Fn(ExitGuard) -> A + 'static) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<Drain>,
    {
        let start = move |guard| {
            let address = fresh(guard).start();
            slot.fill(address.clone());
            address.recipient()
        };
        Self { name: name.into(), start: Box::new(start) }
    }

    /// A [`Worker`] that runs the step that `fresh` builds; `doorbell` always rings the one that lives.
    pub fn worker<S: Step>(
        name: impl Into<String>,
        doorbell: Doorbell,
        rhythm: Rhythm,
        fresh: impl Fn() -> S + 'static,
    ) -> Self {
        let start = move |guard| {
            let address = Worker::new(fresh(), rhythm, guard).start();
            doorbell.connect(address.clone().recipient());
            address.recipient()
        };
        Self { name: name.into(), start: Box::new(start) }
    }
}

/// Where the address of a supervised actor is found, since it changes with each restart. Clones share one slot.
pub struct Slot<A: Actor>(Arc<Mutex<Option<Addr<A>>>>);

impl<A: Actor> Slot<A> {
    /// A slot that is empty until the actor's first start.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// The address of the latest start. It may be closed already: then the actor is being restarted.
    pub fn get(&self) -> Option<Addr<A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fill(&self, address: Addr<A>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }
}

impl<A: Actor> Default for Slot<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A: Actor> Clone for Slot<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Lives in an actor; its drop tells the supervisor that the actor is gone, and whether by a panic.
#[must_use = "the actor keeps it in a field; dropping it says that the actor is gone"]
pub struct ExitGuard(Option<Watch>);

struct Watch {
    exits: UnboundedSender<Exit>,
    child: usize,
    generation: u64,
}

/// The end of a child.
pub(super) struct Exit {
    pub(super) child: usize,
    pub(super) generation: u64,
    pub(super) cause: Cause,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Panicked,
    Stopped,
}

impl ExitGuard {
    /// A guard that tells nobody, for an actor that a test starts by itself.
    pub fn detached() -> Self {
        Self(None)
    }

    pub(super) fn watching(exits: UnboundedSender<Exit>, child: usize, generation: u64) -> Self {
        Self(Some(Watch { exits, child, generation }))
    }
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        let Some(watch) = self.0.take() else { return };
        let cause = if std::thread::panicking() { Cause::Panicked } else { Cause::Stopped };
        let exit = Exit { child: watch.child, generation: watch.generation, cause };
        // A supervisor that is gone itself has nothing to restart.
        watch.exits.send(exit).unwrap_or_default();
    }
}

/// The restarts that still count against a budget.
#[derive(Default)]
pub(super) struct Spent(VecDeque<Tick>);

impl Spent {
    /// Takes one restart; false when the budget does not hold it.
    pub(super) fn take(&mut self, budget: Budget, now: Tick) -> bool {
        while self.0.front().is_some_and(|earlier| now.since(*earlier) >= budget.window) {
            self.0.pop_front();
        }
        if self.0.len() >= budget.restarts_max {
            return false;
        }
        self.0.push_back(now);
        true
    }
}
