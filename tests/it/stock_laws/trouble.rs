//! What goes wrong in a run: faults of the remotes, time that passes, owners that die or are overtaken; and the end of all that.

use std::time::Duration;

use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::play::{Role, Run};

/// A former owner's steps do not outlive a pause of so many seconds: its lease would not hold.
const STALE_SECS_MAX: u64 = 60;

impl Run {
    pub(super) fn arm_fault(&mut self) -> String {
        let any = |random: &mut StdRng, some: &[(Class, Fault)]| some.choose(random).expect("there are some").clone();
        let soon = || "1".to_owned();
        let (class, fault) = match self.random.random_range(0..10) {
            // The shop's levels and products: answers that are lost, work that is done late.
            0..5 => any(
                &mut self.random,
                &[
                    (Class::ShopStock, Fault::DropAnswer),
                    (Class::ShopStock, Fault::DropAnswer),
                    (Class::ShopStock, Fault::Shelved),
                    (Class::ShopStock, Fault::Shelved),
                    (Class::ShopStock, Fault::CutBody),
                    (Class::ShopStock, Fault::GatewayTimeoutDone),
                    (Class::ShopStock, Fault::Reset),
                    (Class::ShopStock, Fault::Throttled),
                    (Class::ShopStock, Fault::TooMany(soon())),
                    (Class::ShopStock, Fault::BusyHtml),
                ],
            ),
            5..7 => any(
                &mut self.random,
                &[
                    (Class::GraphQl, Fault::Reset),
                    (Class::GraphQl, Fault::Throttled),
                    (Class::GraphQl, Fault::CutBody),
                    (Class::GraphQl, Fault::BusyHtml),
                ],
            ),
            7..9 => any(
                &mut self.random,
                &[
                    (Class::Stock, Fault::Reset),
                    (Class::Stock, Fault::TooMany(soon())),
                    (Class::Stock, Fault::CutBody),
                    (Class::Stock, Fault::BusyHtml),
                    (Class::Stock, Fault::Unauthorized),
                ],
            ),
            _ => any(
                &mut self.random,
                &[
                    (Class::Create, Fault::DropAnswer),
                    (Class::Create, Fault::Shelved),
                    (Class::Create, Fault::GatewayTimeoutDone),
                    (Class::Amend, Fault::DropAnswer),
                    (Class::Amend, Fault::Shelved),
                    (Class::Action, Fault::DropAnswer),
                ],
            ),
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
            self.steps.retain(|step| step.owner.number == number);
        }
        format!("{secs} s pass")
    }

    /// The process dies wherever its steps are, and is started again.
    pub(super) async fn crash(&mut self) -> String {
        let number = self.stage.owner.number;
        self.steps.retain(|step| step.owner.number != number);
        self.stage.take_over().await;
        format!("owner {number} dies")
    }

    /// Another process takes over while this one sleeps: its steps go on when it wakes. What it does to products would come after their
    /// rows have ended: the lease's term keeps it from that.
    pub(super) async fn overtake(&mut self) -> String {
        let number = self.stage.owner.number;
        self.steps.retain(|step| step.role != Role::Outs);
        self.stage.take_over().await;
        format!("owner {number} is overtaken")
    }

    /// Nothing goes wrong any more, and what is under way comes to its end.
    pub async fn calm(&mut self) {
        self.trace.say("all is well again");
        self.troubled = false;
        self.points.borrow_mut().mortal = None;
        self.stage.world.sandbox.faults().clear();
        self.settle_held();
        while let Some(step) = self.steps.first() {
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
