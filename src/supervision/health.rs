//! What the probes may know of the trees: the state of each node, readable from every thread.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The registry that supervisors write and probes read. Clones share one registry.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, Node>>>);

/// One actor or subtree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is doing.
    pub state: NodeState,
    /// How often it ended when it should not have, since the process started.
    pub failures: u64,
}

/// The states of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Named in the tree, not started yet.
    Waiting,
    /// At work.
    Running,
    /// Ended when it should not have; a fresh one follows in a moment.
    Restarting,
    /// Failed too often; it is down and tried again slowly.
    Failed,
    /// Stopped because we said so.
    Stopped,
    /// A branch in which nothing is planted: it waits for its turn, and that is no fault.
    StandingBy,
}

impl Health {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether every node runs, will in a moment, or stands by. False before the first start, after a failed budget and while stopping.
    pub fn is_ready(&self) -> bool {
        let nodes = self.lock();
        let up = |node: &Node| matches!(node.state, NodeState::Running | NodeState::Restarting | NodeState::StandingBy);
        !nodes.is_empty() && nodes.values().all(up)
    }

    /// Paths of the failed nodes: what readiness tells an operator.
    pub fn failed(&self) -> Vec<String> {
        let nodes = self.lock();
        let failed = nodes.iter().filter(|(_, node)| node.state == NodeState::Failed);
        failed.map(|(path, _)| path.clone()).collect()
    }

    /// Every node by its path, such as `root/connection acme/IfsWriter`.
    pub fn nodes(&self) -> BTreeMap<String, Node> {
        self.lock().clone()
    }

    pub(super) fn set(&self, path: &str, state: NodeState) {
        self.change(path, |node| node.state = state);
    }

    pub(super) fn count_failure(&self, path: &str, state: NodeState) {
        self.change(path, |node| {
            node.state = state;
            node.failures += 1;
        });
    }

    /// Forgets all nodes below a path: what was planted there is gone.
    pub(super) fn forget_below(&self, path: &str) {
        self.lock().retain(|known, _| known.strip_prefix(path).is_none_or(|rest| !rest.starts_with('/')));
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Node)) {
        let mut nodes = self.lock();
        let fresh = || Node { state: NodeState::Waiting, failures: 0 };
        change(nodes.entry(path.to_owned()).or_insert_with(fresh));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Node>> {
        // Nothing panics while holding it, and a map of plain values has no half-written state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
