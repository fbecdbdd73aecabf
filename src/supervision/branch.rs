//! A place in a tree where a subtree is planted and removed at run time: what runs for a tenant as long as its lease is ours, say.

use std::cell::RefCell;
use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::health::{Health, NodeState};
use super::spec::{ExitGuard, TreeSpec};
use super::supervisor::{End, FAILED_STOP_GRACE, Running, Stop, start_below};
use crate::clock::Clock;

/// How long what was removed is waited for before it is said to be stuck: longer than any call takes.
const REMOVED_STOP_GRACE: Duration = Duration::from_secs(3_600);

/// A branch as data.
pub struct BranchSpec {
    pub(super) name: String,
    branch: Branch,
}

/// The handle of a branch, for whoever plants. Clones are one branch; it lives on its tree's thread.
#[derive(Clone, Default)]
pub struct Branch(Rc<RefCell<Option<mpsc::Sender<Order>>>>);

/// What a branch looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Something can be planted.
    Bare,
    /// Something stands here, or is still ending.
    Occupied,
    /// The branch stops, or is down, with the tree that it belongs to.
    Down,
}

enum Order {
    Plant { tree: Box<TreeSpec>, done: oneshot::Sender<bool> },
    Remove { done: oneshot::Sender<End> },
    Look { seen: oneshot::Sender<Ground> },
}

impl BranchSpec {
    /// A branch, bare until something is planted in it. What is planted takes the branch's own path.
    pub fn new(name: impl Into<String>, branch: Branch) -> Self {
        Self { name: name.into(), branch }
    }
}

impl Branch {
    /// A handle of a branch that is not part of a tree yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a subtree here. False where one stands or is still ending (two of one actor must never be), or where the branch itself is
    /// down with the tree that it belongs to.
    pub async fn plant(&self, tree: TreeSpec) -> bool {
        self.order(|done| Order::Plant { tree: Box::new(tree), done }).await.unwrap_or(false)
    }

    /// Stops what is planted, in reverse order. What is still busy after `grace` is left to end by itself: until then the branch is not
    /// free.
    pub async fn remove(&self, grace: Duration) -> End {
        match timeout(grace, self.order(|done| Order::Remove { done })).await {
            Ok(end) => end.unwrap_or(End::Stopped),
            Err(_elapsed) => End::LeftBehind,
        }
    }

    /// What stands here now.
    pub async fn look(&self) -> Ground {
        self.order(|seen| Order::Look { seen }).await.unwrap_or(Ground::Down)
    }

    /// None where nobody takes orders: the branch is down, and nothing stands in it.
    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Option<T> {
        let sender = self.0.borrow().clone()?;
        let (done, answer) = oneshot::channel();
        sender.send(order(done)).await.ok()?;
        answer.await.ok()
    }
}

/// Starts a branch below its tree. `guard` tells when nothing of what was planted lives any more, which may be later than its end.
pub(super) fn start(spec: &BranchSpec, path: String, health: Health, clock: Clock, guard: ExitGuard) -> Running {
    let (stop, stops) = mpsc::channel(1);
    let (ended, end) = oneshot::channel();
    let (sender, orders) = mpsc::channel(4);
    *spec.branch.0.borrow_mut() = Some(sender);
    health.set(&path, NodeState::StandingBy);
    let site = Site { path, health, clock, planted: Planted::Nothing, waiting: Vec::new(), orders, stops };
    let (life, lives) = oneshot::channel();
    actix_rt::spawn(async move {
        let (how, rest) = site.run().await;
        ended.send(how).unwrap_or_default();
        if let Some(rest) = rest {
            rest.await;
        }
        drop((guard, life));
    });
    Running::new(stop, end, lives)
}

struct Site {
    path: String,
    health: Health,
    clock: Clock,
    planted: Planted,
    /// Who waits for the end of what is planted.
    waiting: Vec<oneshot::Sender<End>>,
    orders: mpsc::Receiver<Order>,
    stops: mpsc::Receiver<Stop>,
}

enum Planted {
    Nothing,
    Standing(Running),
    Ending(Ending),
}

/// Over once nothing of what was planted lives any more, however long that takes.
type Ending = Pin<Box<dyn Future<Output = End>>>;

/// An end, and what is still ending then.
type Stopped = (End, Option<Ending>);

impl Planted {
    /// The end of what is planted, once nothing of it lives any more; never where nothing is.
    async fn ended(&mut self) -> End {
        match self {
            Self::Nothing => pending().await,
            Self::Standing(tree) => {
                let end = tree.ended().await;
                tree.gone().await;
                end
            }
            Self::Ending(end) => end.await,
        }
    }

    /// Stops it, within the grace.
    async fn stop(self, grace: Duration) -> Stopped {
        match self {
            Self::Nothing => (End::Stopped, None),
            Self::Standing(mut tree) => {
                let end = tree.stop_within(grace).await;
                let rest = async move {
                    tree.gone().await;
                    end
                };
                (end, Some(Box::pin(rest)))
            }
            Self::Ending(mut ending) => match timeout(grace, &mut ending).await {
                Ok(end) => (end, None),
                Err(_elapsed) => (End::LeftBehind, Some(ending)),
            },
        }
    }
}

/// Removes a tree.
fn removed(mut tree: Running) -> Ending {
    Box::pin(async move {
        let end = tree.stop_within(REMOVED_STOP_GRACE).await;
        tree.gone().await;
        // Late, but whoever still waits need not wait any more.
        if end == End::LeftBehind { End::Stopped } else { end }
    })
}

impl Site {
    async fn run(mut self) -> Stopped {
        loop {
            tokio::select! {
                biased;
                stop = self.stops.recv() => return self.stop(stop.map_or(FAILED_STOP_GRACE, |stop| stop.grace)).await,
                end = self.planted.ended() => self.note_end(end),
                Some(order) = self.orders.recv() => self.obey(order),
            }
        }
    }

    fn obey(&mut self, order: Order) {
        // Whoever gave an order may be gone; it is carried out all the same.
        match order {
            Order::Plant { tree, done } => {
                let free = matches!(self.planted, Planted::Nothing);
                if free {
                    let (path, health) = (self.path.clone(), self.health.clone());
                    let tree = start_below(Rc::new(*tree), path, health, self.clock.clone(), ExitGuard::detached());
                    self.planted = Planted::Standing(tree);
                }
                done.send(free).unwrap_or_default();
            }
            Order::Remove { done } => {
                self.planted = match std::mem::replace(&mut self.planted, Planted::Nothing) {
                    Planted::Nothing => {
                        done.send(End::Stopped).unwrap_or_default();
                        return;
                    }
                    Planted::Standing(tree) => Planted::Ending(removed(tree)),
                    ending @ Planted::Ending(_) => ending,
                };
                self.waiting.push(done);
            }
            Order::Look { seen } => {
                let bare = matches!(self.planted, Planted::Nothing);
                seen.send(if bare { Ground::Bare } else { Ground::Occupied }).unwrap_or_default();
            }
        }
    }

    /// Nothing stands here any more. A tree that ended by its own budget leaves its state behind, so that it can be seen.
    fn note_end(&mut self, end: End) {
        self.planted = Planted::Nothing;
        if end != End::BudgetSpent {
            self.health.forget_below(&self.path);
            self.health.set(&self.path, NodeState::StandingBy);
        }
        for done in self.waiting.drain(..) {
            done.send(end).unwrap_or_default();
        }
    }

    /// Stops what is planted, within the grace, and hands back what is still ending then. Orders are answered until that is over: whoever
    /// waits for the end is told it then, and not before.
    async fn stop(mut self, grace: Duration) -> Stopped {
        let planted = std::mem::replace(&mut self.planted, Planted::Nothing);
        let mut stopping = Box::pin(planted.stop(grace));
        let (end, rest) = loop {
            tokio::select! {
                biased;
                stopped = &mut stopping => break stopped,
                Some(order) = self.orders.recv() => match order {
                    Order::Plant { done, .. } => done.send(false).unwrap_or_default(),
                    Order::Remove { done } => self.waiting.push(done),
                    Order::Look { seen } => seen.send(Ground::Down).unwrap_or_default(),
                },
            }
        };
        for done in self.waiting.drain(..) {
            done.send(end).unwrap_or_default();
        }
        (end, rest)
    }
}
