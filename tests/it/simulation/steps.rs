//! The steps of a flow's actors in a run of its laws: each stops at the store's door, and goes on, is refused there, never hears that
//! its work was done, or dies at a failpoint. What follows from how a step went is its run's.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;

use ml_connector::failpoint;
use ml_connector::store::{Passage, Store, StoreError};
use rand::Rng as _;
use rand::rngs::StdRng;

use super::play::{Points, busy, kind};
use super::stage::Owner;
use super::tasks::{Doors, Reached, Task, Verdict};
use super::trace::Trace;

/// Steps under way at one time.
const TASKS_MAX: usize = 5;

/// A step under way.
pub struct Step<R> {
    pub task: Task,
    pub role: R,
    pub owner: Arc<Owner>,
}

/// How far a step went.
pub enum How {
    /// To its next door.
    Door(Passage),
    /// To its end, which was this.
    Ended(String),
    /// It died at a failpoint.
    Died,
}

/// A step that went on.
pub struct Went<R> {
    pub role: R,
    pub owner: Arc<Owner>,
    pub how: How,
}

/// The steps of a run; `R` says what a step is about.
pub struct Steps<R> {
    pub under_way: Vec<Step<R>>,
    pub points: Rc<RefCell<Points>>,
    /// Whether the store and steps still fail.
    troubled: bool,
    doors: Doors,
    trace: Trace,
    next: u64,
    _watching: failpoint::Watching,
}

impl<R: Copy + Debug> Steps<R> {
    /// Watches the store's door and the failpoints.
    pub fn watched(store: &Store, trace: &Trace) -> Self {
        let doors = Doors::default();
        assert!(store.keep(doors.keeper()), "the first keeper");
        let (points, watching) = Points::watched(&doors, trace);
        let trace = trace.clone();
        Self { under_way: Vec::new(), points, troubled: true, doors, trace, next: 0, _watching: watching }
    }

    /// From now on neither the store nor a step fails.
    pub fn calm(&mut self) {
        self.troubled = false;
        self.points.borrow_mut().mortal = None;
    }

    /// Whether no further step may begin, or one of this owner is under way that does not let another one begin.
    pub fn are_busy(&self, owner: &Owner, is_same: impl Fn(R) -> bool) -> bool {
        let same = |step: &Step<R>| step.owner.number == owner.number && is_same(step.role);
        self.under_way.iter().any(same) || self.under_way.len() >= TASKS_MAX
    }

    /// Begins a step of an owner; some will die. It has not gone anywhere yet.
    pub fn begin(
        &mut self,
        (role, owner): (R, &Arc<Owner>),
        random: &mut StdRng,
        step: impl Future<Output = String> + 'static,
    ) -> u64 {
        let id = self.next;
        self.next += 1;
        self.trace.say(format!("start {id} {role:?} of owner {}", owner.number));
        if self.troubled && random.random_bool(0.12) {
            self.points.borrow_mut().mortal = Some((id, random.random_range(1..4)));
        }
        self.under_way.push(Step { task: Task::new(id, step), role, owner: Arc::clone(owner) });
        id
    }

    pub fn is_under_way(&self, id: u64) -> bool {
        self.under_way.iter().any(|step| step.task.id == id)
    }

    /// Any step that is under way.
    pub fn any(&self, random: &mut StdRng) -> Option<u64> {
        if self.under_way.is_empty() {
            return None;
        }
        let at = random.random_range(0..self.under_way.len());
        Some(self.under_way[at].task.id)
    }

    /// How many doors a step passes now: all to its end, or a few.
    pub fn doors_ahead(&self, random: &mut StdRng) -> u32 {
        if !self.troubled || random.random_bool(0.55) { u32::MAX } else { random.random_range(0..12) }
    }

    /// What a step hears at the door where it waits.
    pub fn verdict(&self, id: u64, random: &mut StdRng) -> Verdict {
        let passage = self.doors.waits(id);
        let lot = if self.troubled { random.random_range(0..200) } else { 200 };
        let failed = match passage {
            Some(Passage::Enters(_)) if lot < 2 => StoreError::CutOff,
            Some(Passage::Enters(_)) if lot < 3 => busy(),
            Some(Passage::Leaves(_)) if lot < 3 => StoreError::CutOff,
            _ => return Ok(()),
        };
        self.trace.say(format!("  {id} {passage:?}: {}", kind(&failed)));
        Err(failed)
    }

    /// Lets a step go on with this verdict, up to its next door or its end; none where it is not under way any more.
    pub async fn go(&mut self, id: u64, verdict: Verdict) -> Option<Went<R>> {
        let at = self.under_way.iter().position(|step| step.task.id == id)?;
        let reached = self.under_way[at].task.go(&self.doors, verdict).await;
        let (role, owner) = (self.under_way[at].role, Arc::clone(&self.under_way[at].owner));
        let how = match reached {
            Reached::Door(passage) => {
                self.trace.say(format!("  {id} {passage:?}"));
                How::Door(passage)
            }
            Reached::End(end) => {
                drop(self.under_way.remove(at));
                self.trace.say(format!("  {id} ends: {end}"));
                How::Ended(end)
            }
            Reached::Died => {
                drop(self.under_way.remove(at));
                How::Died
            }
        };
        Some(Went { role, owner, how })
    }
}

/// How a step ended, in words that are the same each time.
pub fn told<T: Debug>(ended: Result<T, StoreError>) -> String {
    match ended {
        Ok(ended) => format!("{ended:?}"),
        Err(error) => format!("error: {}", kind(&error)),
    }
}
