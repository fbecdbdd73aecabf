//! What goes wrong in a run: faults of the remotes, clocks that jump, owners that die or are overtaken; and the end of all that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::SignedDuration;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use rand::Rng as _;
use rand::seq::IndexedRandom as _;

use super::play::{Role, Run, Step};
use super::stage::Owner;

impl Run {
    pub(super) fn arm_fault(&mut self) {
        let write = [Class::Create, Class::Create, Class::CustomerCreate, Class::Amend, Class::Amend, Class::Action];
        let read = [Class::Lookup, Class::Read, Class::Token, Class::GraphQl];
        let after = || ["1", "2", "0", "900", "Fri, 31 Dec 2026 23:59:59 GMT", "soon", "-7"];
        let (class, fault) = if self.random.random_bool(0.65) {
            let class = *write.choose(&mut self.random).expect("some");
            let fault = match self.random.random_range(0..12) {
                0..2 => Fault::DropAnswer,
                2..5 => Fault::Shelved,
                5 => Fault::Reset,
                6 => Fault::TooMany((*after().choose(&mut self.random).expect("some")).to_owned()),
                7 => Fault::Busy((*after().choose(&mut self.random).expect("some")).to_owned()),
                8 => Fault::GatewayTimeoutDone,
                9 => Fault::CutBody,
                10 => Fault::Unauthorized,
                _ if class == Class::Amend => Fault::Storm(self.random.random_range(1..4)),
                _ => Fault::BusyHtml,
            };
            (class, fault)
        } else {
            let class = *read.choose(&mut self.random).expect("some");
            let fault = match self.random.random_range(0..7) {
                0 => Fault::Reset,
                1 => Fault::TooMany((*after().choose(&mut self.random).expect("some")).to_owned()),
                2 => Fault::BusyHtml,
                3 => Fault::Unauthorized,
                4 => Fault::GatewayTimeout,
                5 => Fault::CutBody,
                _ => Fault::Throttled,
            };
            (class, fault)
        };
        let times = if self.random.random_bool(0.2) { self.random.random_range(2..5) } else { 1 };
        self.trace.say(format!("fault {class:?} {fault:?} x {times}"));
        self.stage.world.sandbox.faults().times(class, fault, times);
    }

    pub(super) fn pass_time(&mut self) {
        let secs = match self.random.random_range(0..10) {
            0..6 => self.random.random_range(1..12),
            6..9 => self.random.random_range(20..200),
            _ => self.random.random_range(600..4_000),
        };
        self.trace.say(format!("{secs} s pass"));
        self.stage.clock.advance(Duration::from_secs(secs));
    }

    /// Somebody sets the machine's clock, or sets it right again.
    pub(super) fn jump(&mut self) {
        let right = self.stage.true_time();
        // What is held parks after days of the wall clock, and rightly so: with holds it is not ten years wrong.
        let far = if self.sales.holds() { 3 } else { 24 * 3_650 };
        let hours = *[0, 0, 1, -1, far, -24].choose(&mut self.random).expect("some");
        self.trace.say(format!("the wall clock is {hours} h wrong"));
        self.stage.clock.set_wall(right.checked_add(SignedDuration::from_hours(hours)).expect("in range"));
    }

    pub fn release_held(&mut self) {
        let held = self.stage.world.sandbox.ifs().release_held();
        if held > 0 {
            self.trace.say(format!("IFS gets to {held} late requests"));
        }
    }

    /// The process dies wherever its steps are, and is started again.
    pub(super) async fn crash(&mut self) {
        let number = self.stage.owner.number;
        self.trace.say(format!("owner {number} dies"));
        let of_owner = |step: &Step| step.owner.number == number;
        let (died, others): (Vec<Step>, Vec<Step>) = self.steps.drain(..).partition(of_owner);
        self.steps = others;
        // What was not acknowledged comes again.
        self.sales.pool.extend(died.into_iter().filter_map(|step| step.webhook));
        self.stage.take_over().await;
    }

    /// Another process takes over while this one sleeps: its steps go on when it wakes.
    pub(super) async fn overtake(&mut self) {
        self.trace.say(format!("owner {} is overtaken", self.stage.owner.number));
        self.stage.take_over().await;
    }

    /// The writer breaks off, as after a panic, and is started anew by its supervisor.
    pub(super) fn break_off(&mut self) {
        let owner = Arc::clone(&self.stage.owner);
        self.trace.say(format!("the writer of owner {} breaks off", owner.number));
        self.drop_writers(&owner);
    }

    pub(super) fn drop_writers(&mut self, owner: &Owner) {
        self.steps.retain(|step| !(step.role == Role::Writer && step.owner.number == owner.number));
        owner.link.broke_off.store(true, Ordering::Release);
    }

    /// Nothing goes wrong any more, and what is under way comes to its end.
    pub async fn calm(&mut self) {
        self.trace.say("all is well again");
        self.troubled = false;
        self.points.borrow_mut().mortal = None;
        self.stage.world.sandbox.faults().clear();
        while !self.steps.is_empty() {
            let at = self.random.random_range(0..self.steps.len());
            let id = self.steps[at].task.id;
            while let Some(at) = self.steps.iter().position(|step| step.task.id == id) {
                self.go(at, Ok(())).await;
            }
        }
    }
}
