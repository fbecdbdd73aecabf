//! What goes wrong in a run: faults of the remotes, time that passes, owners that die or are overtaken; and the end of all that.

use std::time::Duration;

use rand::Rng as _;

use super::play::Run;
use crate::simulation::faults;

/// A former owner's steps do not outlive a pause of so many seconds: its lease would not hold.
const STALE_SECS_MAX: u64 = 60;

impl Run {
    pub(super) fn arm_fault(&mut self) -> String {
        let (class, fault) = match self.random.random_range(0..10) {
            0..5 => faults::of_set(&mut self.random),
            5..7 => faults::of_query(&mut self.random),
            _ => faults::of_reading(&mut self.random),
        };
        let said = format!("fault {class:?} {fault:?}");
        self.stage.world.sandbox.faults().once(class, fault);
        said
    }

    /// Seconds or hours: plans, readings and runs grow old, and days end.
    pub(super) fn pass_time(&mut self) -> String {
        let secs = match self.random.random_range(0..10) {
            0..4 => self.random.random_range(5..STALE_SECS_MAX),
            4..7 => self.random.random_range(100..1_000),
            7..9 => self.random.random_range(1_900..9_000),
            _ => self.random.random_range(20_000..50_000),
        };
        self.stage.clock.advance(Duration::from_secs(secs));
        let number = self.stage.owner.number;
        if secs > STALE_SECS_MAX {
            self.steps.under_way.retain(|step| step.owner.number == number);
        }
        format!("{secs} s pass")
    }

    /// Calls that are still on their way come now, or never.
    pub(super) fn settle_late(&mut self) -> String {
        let shop = self.stage.world.shop();
        let (come, lost) = if self.random.random_bool(0.6) { (shop.release_held(), 0) } else { (0, shop.lose_held()) };
        self.judge_writes(true);
        format!("{come} late calls come, {lost} never do")
    }

    /// The process dies wherever its steps are, and is started again.
    pub(super) async fn crash(&mut self) -> String {
        let number = self.stage.owner.number;
        self.steps.under_way.retain(|step| step.owner.number != number);
        self.stage.take_over().await;
        format!("owner {number} dies")
    }

    /// Another process takes over while this one sleeps: its steps go on when it wakes.
    pub(super) async fn overtake(&mut self) -> String {
        let number = self.stage.owner.number;
        self.stage.take_over().await;
        format!("owner {number} is overtaken")
    }

    /// Nothing goes wrong any more, and what is under way comes to its end.
    pub async fn calm(&mut self) {
        self.trace.say("all is well again");
        self.steps.calm();
        self.stage.world.sandbox.faults().clear();
        while let Some(step) = self.steps.under_way.first() {
            let id = step.task.id;
            self.go_far(id).await;
        }
        let said = self.settle_late();
        self.trace.say(said);
        self.stage.take_over().await;
    }
}
