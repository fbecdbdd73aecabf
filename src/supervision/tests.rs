//! One test for each position in which an actor can fail. Actors report what they live through on a channel; nothing waits by the clock.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, ActorContext as _, AsyncContext as _, Context, Handler, WrapFuture as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::clock::Clock;

/// Where an actor fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fails {
    Never,
    InFactory,
    InStarted,
    InHandler,
    InSpawned,
    InDrain,
    InStopped,
}

pub(super) struct Probe {
    name: &'static str,
    fails: Fails,
    seen: UnboundedSender<String>,
    _guard: ExitGuard,
}

impl Probe {
    fn say(&self, what: &str) {
        self.seen.send(format!("{} {what}", self.name)).expect("the test listens");
    }
}

impl Actor for Probe {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.say("started");
        assert_ne!(self.fails, Fails::InStarted, "planted");
        if self.fails == Fails::InSpawned {
            ctx.spawn(async { panic!("planted") }.into_actor(self));
        }
    }

    fn stopped(&mut self, _ctx: &mut Context<Self>) {
        // actix calls this too while it unwinds from a panic.
        if !std::thread::panicking() {
            self.say("stopped");
            assert_ne!(self.fails, Fails::InStopped, "planted");
        }
    }
}

impl Handler<Wake> for Probe {
    type Result = ();

    fn handle(&mut self, Wake: Wake, _ctx: &mut Context<Self>) {
        self.say("woken");
        assert_ne!(self.fails, Fails::InHandler, "planted");
    }
}

impl Handler<Drain> for Probe {
    type Result = ();

    fn handle(&mut self, Drain: Drain, ctx: &mut Context<Self>) {
        assert_ne!(self.fails, Fails::InDrain, "planted");
        ctx.stop();
    }
}

/// A tree under test, with what its actors reported.
pub(super) struct Bench {
    pub(super) health: Health,
    clock: Clock,
    seen: UnboundedReceiver<String>,
    says: UnboundedSender<String>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let (says, seen) = unbounded_channel();
        Self { health: Health::new(), clock: Clock::manual(jiff::Timestamp::UNIX_EPOCH), seen, says }
    }

    /// A child that fails as each entry says, start after start, and lives from then on.
    pub(super) fn child(&self, name: &'static str, slot: &Slot<Probe>, fails: &[Fails]) -> Child {
        let left = RefCell::new(fails.to_vec());
        let says = self.says.clone();
        ChildSpec::actor(name, slot.clone(), move |guard| {
            let mut left = left.borrow_mut();
            let fails = if left.is_empty() { Fails::Never } else { left.remove(0) };
            drop(left);
            assert_ne!(fails, Fails::InFactory, "planted");
            Probe { name, fails, seen: says.clone(), _guard: guard }
        })
        .into()
    }

    pub(super) fn start(&self, tree: TreeSpec) -> Running {
        start(tree, self.health.clone(), self.clock.clone())
    }

    pub(super) async fn expect(&mut self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.seen.recv().await.expect("a report"), *expected);
        }
    }

    pub(super) fn state(&self, path: &str) -> NodeState {
        self.health.nodes()[path].state
    }

    pub(super) fn failures(&self, path: &str) -> u64 {
        self.health.nodes()[path].failures
    }
}

pub(super) fn quick(mut tree: TreeSpec) -> TreeSpec {
    tree.budget.restart_delay = Duration::from_millis(1);
    tree
}

pub(super) const GRACE: Duration = Duration::from_secs(5);

#[actix::test]
async fn a_panic_in_started_or_in_the_factory_gives_a_fresh_actor() {
    let mut bench = Bench::new();
    let child = bench.child("a", &Slot::new(), &[Fails::InStarted, Fails::InFactory]);
    let tree = bench.start(quick(TreeSpec::root(vec![child])));
    bench.expect(&["a started", "a started"]).await;
    assert_eq!(bench.failures("root/a"), 2);
    assert!(bench.health.is_ready());
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
}

#[actix::test]
async fn a_panic_in_a_handler_gives_a_fresh_actor_at_the_same_slot_and_leaves_the_sibling_alone() {
    let mut bench = Bench::new();
    let (first, second) = (Slot::new(), Slot::new());
    let children = vec![bench.child("a", &first, &[Fails::InHandler]), bench.child("b", &second, &[])];
    let tree = bench.start(quick(TreeSpec::root(children)));
    bench.expect(&["a started", "b started"]).await;
    let sibling = second.get().expect("started");
    first.get().expect("started").try_send(Wake).expect("an open mailbox");
    bench.expect(&["a woken", "a started"]).await;
    first.get().expect("restarted").try_send(Wake).expect("a fresh mailbox");
    sibling.try_send(Wake).expect("the same mailbox as before");
    bench.expect(&["a woken", "b woken"]).await;
    assert_eq!((bench.failures("root/a"), bench.failures("root/b")), (1, 0));
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
}

#[actix::test]
async fn a_panic_in_a_spawned_future_gives_a_fresh_actor() {
    let mut bench = Bench::new();
    let child = bench.child("a", &Slot::new(), &[Fails::InSpawned]);
    let tree = bench.start(quick(TreeSpec::root(vec![child])));
    bench.expect(&["a started", "a started"]).await;
    assert_eq!(bench.failures("root/a"), 1);
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
}

#[actix::test]
async fn an_actor_that_stops_by_itself_is_started_again() {
    let mut bench = Bench::new();
    let slot = Slot::new();
    let child = bench.child("a", &slot, &[]);
    let tree = bench.start(quick(TreeSpec::root(vec![child])));
    bench.expect(&["a started"]).await;
    slot.get().expect("started").try_send(Drain).expect("an open mailbox");
    bench.expect(&["a stopped", "a started"]).await;
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
}

#[actix::test]
async fn children_stop_in_reverse_order_and_a_panic_on_stop_stops_nobody_else() {
    let mut bench = Bench::new();
    let inner = TreeSpec::subtree("inner", vec![bench.child("c", &Slot::new(), &[])]);
    let children = vec![
        bench.child("a", &Slot::new(), &[]),
        bench.child("b", &Slot::new(), &[Fails::InStopped]),
        bench.child("d", &Slot::new(), &[Fails::InDrain]),
        inner.into(),
    ];
    let tree = bench.start(quick(TreeSpec::root(children)));
    bench.expect(&["a started", "b started", "d started", "c started"]).await;
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
    bench.expect(&["c stopped", "b stopped", "a stopped"]).await;
    assert_eq!((bench.failures("root/b"), bench.failures("root/d")), (1, 1));
    assert!(bench.health.nodes().values().all(|node| node.state == NodeState::Stopped));
    assert!(!bench.health.is_ready());
}

#[actix::test]
async fn a_subtree_with_a_spent_budget_fails_alone_and_is_tried_again_slowly() {
    let mut bench = Bench::new();
    let mut inner = quick(TreeSpec::subtree("inner", vec![bench.child("c", &Slot::new(), &[Fails::InStarted; 6])]));
    inner.after_failure = AfterFailure::TryEvery(Duration::from_millis(30));
    let children = vec![bench.child("a", &Slot::new(), &[]), inner.into()];
    let tree = bench.start(quick(TreeSpec::root(children)));
    bench.expect(&["a started"]).await;
    bench.expect(&["c started"; 6]).await;
    while bench.state("root/inner") != NodeState::Failed {
        tokio::task::yield_now().await;
    }
    assert!(!bench.health.is_ready());
    assert_eq!(bench.health.failed(), ["root/inner"]);
    assert_eq!(bench.state("root/a"), NodeState::Running);
    bench.expect(&["c started"]).await;
    assert!(bench.health.is_ready());
    assert_eq!(bench.failures("root/inner/c"), 6);
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
}

#[actix::test]
async fn the_roots_spent_budget_ends_the_tree_after_stopping_the_others() {
    let mut bench = Bench::new();
    let children = vec![bench.child("a", &Slot::new(), &[]), bench.child("b", &Slot::new(), &[Fails::InStarted; 6])];
    let mut tree = bench.start(quick(TreeSpec::root(children)));
    assert_eq!(tree.ended().await, End::BudgetSpent);
    bench.expect(&["a started"]).await;
    bench.expect(&["b started"; 6]).await;
    bench.expect(&["a stopped"]).await;
    assert_eq!(bench.health.failed(), ["root"]);
    assert_eq!(tree.stop(GRACE).await, End::BudgetSpent, "it has ended already, and whoever stops it is told so");
}

#[actix::test]
async fn old_failures_do_not_count_against_the_budget() {
    let mut bench = Bench::new();
    let slot = Slot::new();
    let child = bench.child("a", &slot, &[Fails::InHandler; 8]);
    let tree = bench.start(quick(TreeSpec::root(vec![child])));
    for _ in 0..8 {
        bench.expect(&["a started"]).await;
        bench.clock.advance(Duration::from_secs(13));
        slot.get().expect("started").try_send(Wake).expect("an open mailbox");
        bench.expect(&["a woken"]).await;
    }
    bench.expect(&["a started"]).await;
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
}

#[actix::test]
async fn a_child_that_does_not_stop_in_time_is_left_behind_and_said() {
    struct Hangs;
    impl Step for Hangs {
        async fn run(&self) -> Pace {
            std::future::pending().await
        }
    }
    let bench = Bench::new();
    let rhythm = Rhythm::every(Duration::from_secs(60));
    let child = ChildSpec::worker("hangs", Doorbell::new(), rhythm, || Hangs);
    let tree = bench.start(TreeSpec::root(vec![child.into()]));
    assert_eq!(tree.stop(Duration::from_millis(20)).await, End::LeftBehind);
}

/// A step that says when it begins and goes on when told how.
pub(super) struct Told {
    pub(super) began: UnboundedSender<u32>,
    pub(super) paces: Rc<tokio::sync::Mutex<UnboundedReceiver<Pace>>>,
    pub(super) runs: Rc<Cell<u32>>,
}

impl Step for Told {
    async fn run(&self) -> Pace {
        self.runs.set(self.runs.get() + 1);
        self.began.send(self.runs.get()).expect("the test listens");
        let mut paces = self.paces.try_lock().expect("never two steps at once");
        paces.recv().await.expect("the test says how to go on")
    }
}

#[actix::test]
async fn a_worker_runs_one_step_at_a_time_and_again_for_a_wake_that_came_meanwhile() {
    let bench = Bench::new();
    let (began, mut begins) = unbounded_channel();
    let (go_on, paces) = unbounded_channel();
    let (paces, runs) = (Rc::new(tokio::sync::Mutex::new(paces)), Rc::new(Cell::new(0)));
    let rhythm = Rhythm {
        interval: Duration::from_secs(3600),
        pause_first: Duration::from_millis(1),
        pause_max: Duration::from_millis(2),
    };
    let doorbell = Doorbell::new();
    let step = move || Told { began: began.clone(), paces: Rc::clone(&paces), runs: Rc::clone(&runs) };
    let child = ChildSpec::worker("worker", doorbell.clone(), rhythm, step);
    let tree = bench.start(TreeSpec::root(vec![child.into()]));
    let mut next = async |expected| assert_eq!(begins.recv().await, Some(expected));

    next(1).await; // by itself at the start
    doorbell.ring();
    doorbell.ring();
    tokio::task::yield_now().await;
    go_on.send(Pace::Idle).expect("a worker");
    next(2).await; // for both wakes together
    go_on.send(Pace::More).expect("a worker");
    next(3).await;
    go_on.send(Pace::Due(Duration::from_millis(1))).expect("a worker");
    next(4).await;
    go_on.send(Pace::Failed).expect("a worker");
    next(5).await; // after the pause
    let stopped = tree.stop(GRACE);
    let finish = async {
        tokio::task::yield_now().await;
        go_on.send(Pace::More).expect("a worker");
    };
    let (end, ()) = futures::join!(stopped, finish);
    assert_eq!(end, End::Stopped);
    assert!(begins.recv().await.is_none(), "a draining worker takes nothing new");
}

#[actix::test]
async fn a_wake_does_not_shorten_the_pause_after_a_failure() {
    struct Fails(UnboundedSender<()>);
    impl Step for Fails {
        async fn run(&self) -> Pace {
            self.0.send(()).expect("the test listens");
            Pace::Failed
        }
    }
    let bench = Bench::new();
    let (began, mut begins) = unbounded_channel();
    let hour = Duration::from_secs(3600);
    let rhythm = Rhythm { interval: hour, pause_first: hour, pause_max: hour };
    let doorbell = Doorbell::new();
    let child = ChildSpec::worker("fails", doorbell.clone(), rhythm, move || Fails(began.clone()));
    let tree = bench.start(TreeSpec::root(vec![child.into()]));
    assert_eq!(begins.recv().await, Some(()));
    tokio::task::yield_now().await;
    doorbell.ring();
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
    assert!(begins.recv().await.is_none());
}
