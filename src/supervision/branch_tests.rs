//! What is planted at run time, and one test for each position in which it can fail.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::spec::Exit;
use super::supervisor::start_below;
use super::tests::{Bench, Fails, GRACE, Told, quick};
use super::*;
use crate::clock::Clock;

/// A tree with a branch between two actors, and the handle of the branch.
fn with_branch(bench: &Bench) -> (TreeSpec, Branch) {
    let branch = Branch::new();
    let children = vec![
        bench.child("a", &Slot::new(), &[]),
        BranchSpec::new("branch", branch.clone()).into(),
        bench.child("z", &Slot::new(), &[]),
    ];
    (quick(TreeSpec::root(children)), branch)
}

fn planted(children: Vec<Child>) -> TreeSpec {
    quick(TreeSpec::subtree("planted", children))
}

#[actix::test]
async fn what_is_planted_starts_in_order_is_removed_in_reverse_and_may_be_planted_anew() {
    let mut bench = Bench::new();
    let (tree, branch) = with_branch(&bench);
    let tree = bench.start(tree);
    bench.expect(&["a started", "z started"]).await;
    assert_eq!(bench.state("root/branch"), NodeState::StandingBy);
    assert!(bench.health.is_ready(), "a bare branch waits for its turn, and that is no fault");
    assert_eq!(branch.look().await, Ground::Bare);
    for _ in 0..2 {
        let inner = TreeSpec::subtree("inner", vec![bench.child("c", &Slot::new(), &[])]);
        assert!(branch.plant(planted(vec![bench.child("b", &Slot::new(), &[]), inner.into()])).await);
        bench.expect(&["b started", "c started"]).await;
        assert_eq!(bench.state("root/branch/inner/c"), NodeState::Running);
        assert!(!branch.plant(planted(Vec::new())).await, "something stands there");
        assert_eq!(branch.look().await, Ground::Occupied);
        assert_eq!(branch.remove(GRACE).await, End::Stopped);
        bench.expect(&["c stopped", "b stopped"]).await;
        assert_eq!(bench.health.nodes().keys().collect::<Vec<_>>(), ["root", "root/a", "root/branch", "root/z"]);
        assert!(bench.health.is_ready());
    }
    assert_eq!(branch.remove(GRACE).await, End::Stopped, "nothing stands there");
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
    bench.expect(&["z stopped", "a stopped"]).await;
    assert!(!branch.plant(planted(Vec::new())).await, "the branch itself is down");
    assert_eq!(branch.look().await, Ground::Down);
}

#[actix::test]
async fn a_panic_in_what_is_planted_gives_a_fresh_actor_and_leaves_the_rest_of_the_tree_alone() {
    let mut bench = Bench::new();
    let (tree, branch) = with_branch(&bench);
    let tree = bench.start(tree);
    bench.expect(&["a started", "z started"]).await;
    assert!(branch.plant(planted(vec![bench.child("b", &Slot::new(), &[Fails::InStarted, Fails::InFactory])])).await);
    bench.expect(&["b started", "b started"]).await;
    assert_eq!((bench.failures("root/branch/b"), bench.failures("root/a")), (2, 0));
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
    bench.expect(&["z stopped", "b stopped", "a stopped"]).await;
}

#[actix::test]
async fn what_fails_too_often_in_a_branch_fails_alone_and_can_be_removed_while_it_rests() {
    let mut bench = Bench::new();
    let (tree, branch) = with_branch(&bench);
    let tree = bench.start(tree);
    bench.expect(&["a started", "z started"]).await;
    assert!(branch.plant(planted(vec![bench.child("b", &Slot::new(), &[Fails::InStarted; 6])])).await);
    bench.expect(&["b started"; 6]).await;
    while bench.state("root/branch") != NodeState::Failed {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.health.failed(), ["root/branch"]);
    assert_eq!(branch.look().await, Ground::Occupied, "it is tried again slowly");
    assert_eq!(branch.remove(GRACE).await, End::Stopped);
    assert!(bench.health.failed().is_empty());
    assert!(branch.plant(planted(vec![bench.child("b", &Slot::new(), &[])])).await);
    bench.expect(&["b started"]).await;
    assert!(bench.health.is_ready());
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
}

#[actix::test]
async fn a_panic_while_it_is_removed_holds_up_nobody() {
    let mut bench = Bench::new();
    let (tree, branch) = with_branch(&bench);
    let tree = bench.start(tree);
    bench.expect(&["a started", "z started"]).await;
    let children =
        vec![bench.child("b", &Slot::new(), &[Fails::InDrain]), bench.child("c", &Slot::new(), &[Fails::InStopped])];
    assert!(branch.plant(planted(children)).await);
    bench.expect(&["b started", "c started"]).await;
    assert_eq!(branch.remove(GRACE).await, End::Stopped);
    bench.expect(&["c stopped"]).await;
    assert_eq!(branch.look().await, Ground::Bare);
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
}

#[actix::test]
async fn what_is_busy_when_it_is_removed_ends_by_itself_and_nothing_is_planted_before() {
    let bench = Bench::new();
    let (began, mut begins) = unbounded_channel();
    let (go_on, paces) = unbounded_channel();
    let (paces, runs) = (Rc::new(tokio::sync::Mutex::new(paces)), Rc::new(Cell::new(0)));
    let branch = Branch::new();
    let tree = bench.start(quick(TreeSpec::root(vec![BranchSpec::new("branch", branch.clone()).into()])));
    let step = move || Told { began: began.clone(), paces: Rc::clone(&paces), runs: Rc::clone(&runs) };
    let busy = ChildSpec::worker("busy", Doorbell::new(), Rhythm::every(GRACE), step);
    tokio::task::yield_now().await;
    assert!(branch.plant(planted(vec![busy.into()])).await);
    assert_eq!(begins.recv().await, Some(1));
    assert_eq!(branch.remove(Duration::from_millis(20)).await, End::LeftBehind);
    assert!(!branch.plant(planted(Vec::new())).await, "two of one actor must never be");
    go_on.send(Pace::More).expect("a worker");
    assert_eq!(branch.remove(GRACE).await, End::Stopped);
    assert!(begins.recv().await.is_none(), "it took nothing new");
    assert!(branch.plant(planted(Vec::new())).await);
    assert_eq!(tree.stop(GRACE).await, End::Stopped);
}

#[actix::test]
async fn the_stop_of_the_tree_does_not_wait_for_what_is_stuck_in_a_branch() {
    struct Hangs;
    impl Step for Hangs {
        async fn run(&self) -> Pace {
            std::future::pending().await
        }
    }
    for removed_before in [false, true] {
        let bench = Bench::new();
        let branch = Branch::new();
        let tree = bench.start(quick(TreeSpec::root(vec![BranchSpec::new("branch", branch.clone()).into()])));
        tokio::task::yield_now().await;
        let child = ChildSpec::worker("hangs", Doorbell::new(), Rhythm::every(GRACE), || Hangs);
        assert!(branch.plant(planted(vec![child.into()])).await);
        if removed_before {
            assert_eq!(branch.remove(Duration::from_millis(5)).await, End::LeftBehind);
        }
        let (end, seen) = futures::join!(tree.stop(Duration::from_millis(20)), async {
            tokio::task::yield_now().await;
            branch.look().await
        });
        assert_eq!((end, seen), (End::LeftBehind, Ground::Down));
    }
}

/// A worker that is busy from its start until it is told how to go on.
fn busy() -> (ChildSpec, UnboundedReceiver<u32>, UnboundedSender<Pace>) {
    let (began, begins) = unbounded_channel();
    let (go_on, paces) = unbounded_channel();
    let (paces, runs) = (Rc::new(tokio::sync::Mutex::new(paces)), Rc::new(Cell::new(0)));
    let step = move || Told { began: began.clone(), paces: Rc::clone(&paces), runs: Rc::clone(&runs) };
    (ChildSpec::worker("busy", Doorbell::new(), Rhythm::every(GRACE), step), begins, go_on)
}

/// A guard, and where its owner's end is told.
fn watched() -> (ExitGuard, UnboundedReceiver<Exit>) {
    let (sender, exits) = unbounded_channel();
    (ExitGuard::watching(sender, 0, 1), exits)
}

fn clock() -> Clock {
    Clock::manual(jiff::Timestamp::UNIX_EPOCH)
}

#[actix::test]
async fn a_tree_is_down_only_when_the_last_of_a_tree_below_it_has_ended() {
    let (worker, mut begins, go_on) = busy();
    let inner = TreeSpec::subtree("inner", vec![worker.into()]);
    let outer = TreeSpec::subtree("outer", vec![inner.into()]);
    let (guard, mut exits) = watched();
    let tree = start_below(Rc::new(outer), "outer".to_owned(), Health::new(), clock(), guard);
    assert_eq!(begins.recv().await, Some(1));
    assert_eq!(tree.stop(Duration::from_millis(20)).await, End::LeftBehind);
    tokio::task::yield_now().await;
    assert!(exits.try_recv().is_err(), "one of it is still busy: nothing may start in its place");
    go_on.send(Pace::More).expect("a worker");
    assert!(exits.recv().await.is_some_and(|exit| exit.generation == 1));
    assert!(begins.recv().await.is_none(), "it took nothing new");
}

#[actix::test]
async fn a_branch_is_down_only_when_the_last_of_what_was_planted_has_ended() {
    for removed_before in [false, true] {
        let (worker, mut begins, go_on) = busy();
        let (handle, health) = (Branch::new(), Health::new());
        let (guard, mut exits) = watched();
        let spec = BranchSpec::new("branch", handle.clone());
        let site = branch::start(&spec, "branch".to_owned(), health, clock(), guard);
        let inner = TreeSpec::subtree("inner", vec![worker.into()]);
        assert!(handle.plant(planted(vec![inner.into()])).await);
        assert_eq!(begins.recv().await, Some(1));
        if removed_before {
            assert_eq!(handle.remove(Duration::from_millis(5)).await, End::LeftBehind);
        }
        assert_eq!(site.stop(Duration::from_millis(20)).await, End::LeftBehind);
        assert_eq!(handle.look().await, Ground::Down, "nobody waits for an answer of a branch that has ended");
        tokio::task::yield_now().await;
        assert!(exits.try_recv().is_err(), "one of it is still busy: nothing may be planted beside it");
        go_on.send(Pace::More).expect("a worker");
        assert!(exits.recv().await.is_some());
        assert!(begins.recv().await.is_none(), "it took nothing new");
    }
}
