//! A small supervisor for actix actors: trees as data, a fresh actor after each panic, a budget, an ordered stop. Knows no actor of ours.
//!
//! actix's own `Supervisor` does not survive a panic: the mailbox closes for good and nobody is told. Here each actor carries an
//! [`ExitGuard`]; when the actor is dropped the guard says whether by a panic or by a stop, and the supervisor builds a fresh one from
//! the child's [`ChildSpec`]. More than [`Budget::restarts_max`] of those in [`Budget::window`] fail the whole subtree: its children
//! stop, [`Health`] says so, and it is tried again slowly; at the root it ends the process instead. What shall run for a time only is
//! planted in a [`Branch`] and removed again.
//!
//! // Invariant: no actor has a `stopping` hook. actix calls it again while it unwinds from a panic in it, and a panic within a panic
//! // aborts the process. A panic in `started`, a handler, a spawned future or `stopped` is survived.
//!
//! Everything of one tree runs on the thread that called [`start`], so nothing here needs to be `Send`.

mod branch;
#[cfg(test)]
mod branch_tests;
mod health;
mod spec;
mod supervisor;
#[cfg(test)]
mod tests;
mod worker;

pub use branch::{Branch, BranchSpec, Ground};
pub use health::{Health, Node, NodeState};
pub use spec::{AfterFailure, Budget, Child, ChildSpec, ExitGuard, Slot, TreeSpec};
pub use supervisor::{End, Running, start};
pub use worker::{Doorbell, Drain, Pace, Rhythm, Step, Wake, Worker};
