//! What goes wrong in a run: faults of the remotes, time that passes, owners that die or are overtaken; and the end of all that.

use std::time::Duration;

use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use rand::Rng as _;
use rand::seq::IndexedRandom as _;

use super::play::{Role, Run};
use crate::simulation::faults;

/// A former owner's steps do not outlive a pause of so many seconds: its lease would not hold.
const STALE_SECS_MAX: u64 = 60;

impl Run {
    pub(super) fn arm_fault(&mut self) -> String {
        let (class, fault) = match self.random.random_range(0..10) {
            0..5 => faults::of_set(&mut self.random),
            5..7 => faults::of_query(&mut self.random),
            7..9 => faults::of_reading(&mut self.random),
            _ => {
                let of_orders = [
                    (Class::Create, Fault::DropAnswer),
                    (Class::Create, Fault::Shelved),
                    (Class::Create, Fault::GatewayTimeoutDone),
                    (Class::Amend, Fault::DropAnswer),
                    (Class::Amend, Fault::Shelved),
                    (Class::Action, Fault::DropAnswer),
                ];
                of_orders.choose(&mut self.random).expect("there are some").clone()
            }
        };
        let said = format!("fault {class:?} {fault:?}");
        self.stage.world.sandbox.faults().once(class, fault);
        said
    }

    pub(super) fn pass_time(&mut self) -> String {
        let secs = match self.random.random_range(0..10) {
            0..5 => self.random.random_range(5..STALE_SECS_MAX),
            5..9 => self.random.random_range(100..500),
            _ => self.random.random_range(1_900..8_000),
        };
        self.stage.clock.advance(Duration::from_secs(secs));
        let number = self.stage.owner.number;
        if secs > STALE_SECS_MAX {
            self.steps.under_way.retain(|step| step.owner.number == number);
        }
        format!("{secs} s pass")
    }

    /// The process dies wherever its steps are, and is started again.
    pub(super) async fn crash(&mut self) -> String {
        let number = self.stage.owner.number;
        self.steps.under_way.retain(|step| step.owner.number != number);
        self.stage.take_over().await;
        format!("owner {number} dies")
    }

    /// Another process takes over while this one sleeps: its steps go on when it wakes. What it does to products would come after their
    /// rows have ended: the lease's term keeps it from that.
    pub(super) async fn overtake(&mut self) -> String {
        let number = self.stage.owner.number;
        self.steps.under_way.retain(|step| step.role != Role::Outs);
        self.stage.take_over().await;
        format!("owner {number} is overtaken")
    }

    /// Nothing goes wrong any more, and what is under way comes to its end.
    pub async fn calm(&mut self) {
        self.trace.say("all is well again");
        self.steps.calm();
        self.stage.world.sandbox.faults().clear();
        self.settle_held();
        while let Some(step) = self.steps.under_way.first() {
            let id = step.task.id;
            self.go_far(id).await;
        }
        let late = self.stage.world.sandbox.ifs().release_held();
        self.trace.say(format!("IFS gets to {late} late requests"));
        // Who waits for the next call wants nothing that is sold.
        self.stage.world.shop().buy_before_next_set("NOTHING", 1);
        self.stage.take_over().await;
    }
}
