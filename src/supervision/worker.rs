//! The one shape of our actors: an async step, run when woken or when its time has come, never two at once.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, Recipient,
    SpawnHandle, WrapFuture as _,
};

use super::spec::ExitGuard;

/// There may be work. Only a hint: losing one costs at most one interval of the [`Rhythm`].
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Wake;

/// Finish what you are doing, take nothing new, stop.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Drain;

/// One step of work. The future need not be `Send`: it never leaves the actor's thread.
pub trait Step: 'static {
    /// Does one bounded piece of work and says how to go on. It reports its own failures; a panic is for the supervisor.
    fn run(&self) -> impl Future<Output = Pace>;
}

/// What a step wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// There is more: run again at once.
    More,
    /// Nothing to do until woken or the interval has passed.
    Idle,
    /// Nothing to do until woken or this time has passed (no longer than the interval).
    Due(Duration),
    /// It failed: back off, and let no wake shorten that.
    Failed,
}

/// When a worker runs without being woken.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// Longest time between two steps: the safety net under lost wakes.
    pub interval: Duration,
    /// Pause after the first failure; doubled with each one that follows.
    pub pause_first: Duration,
    /// Longest pause after failures.
    pub pause_max: Duration,
}

impl Rhythm {
    /// A step at least every `interval`; after failures 0.2 s, doubling to 30 s.
    pub fn every(interval: Duration) -> Self {
        Self { interval, pause_first: Duration::from_millis(200), pause_max: Duration::from_secs(30) }
    }

    fn pause(self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.pause_first.saturating_mul(factor).min(self.pause_max)
    }
}

/// Wakes the worker that lives now, from any thread. Clones ring the same worker.
#[derive(Clone, Default)]
pub struct Doorbell(Arc<Mutex<Option<Recipient<Wake>>>>);

impl Doorbell {
    /// A doorbell that nobody hears until its worker starts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rings. Never waits, never fails: a full mailbox holds a wake already, and a fresh worker begins with a step anyway.
    pub fn ring(&self) {
        let connected = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(worker) = connected {
            worker.try_send(Wake).unwrap_or_default();
        }
    }

    pub(super) fn connect(&self, worker: Recipient<Wake>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(worker);
    }
}

/// The actor round a [`Step`]. It runs one step when it starts.
pub struct Worker<S: Step> {
    step: Rc<S>,
    rhythm: Rhythm,
    state: State,
    failures: u32,
    _guard: ExitGuard,
}

enum State {
    /// A step runs; `then` is what came in meanwhile.
    Running { then: Then },
    /// Waiting for the timer or a wake.
    Waiting { timer: SpawnHandle },
    /// Waiting for the timer only.
    Pausing { timer: SpawnHandle },
    /// Not started, or stopping.
    Still,
}

#[derive(Clone, Copy)]
enum Then {
    Rest,
    RunAgain,
    Stop,
}

impl<S: Step> Worker<S> {
    /// A worker that is not started yet.
    pub fn new(step: S, rhythm: Rhythm, guard: ExitGuard) -> Self {
        Self { step: Rc::new(step), rhythm, state: State::Still, failures: 0, _guard: guard }
    }

    fn run(&mut self, ctx: &mut Context<Self>) {
        if let State::Waiting { timer } | State::Pausing { timer } = self.state {
            ctx.cancel_future(timer);
        }
        self.state = State::Running { then: Then::Rest };
        let step = Rc::clone(&self.step);
        let work = async move { step.run().await };
        ctx.spawn(work.into_actor(self).map(|pace, worker, ctx| worker.go_on(pace, ctx)));
    }

    fn go_on(&mut self, pace: Pace, ctx: &mut Context<Self>) {
        let then = match self.state {
            State::Running { then } => then,
            State::Waiting { .. } | State::Pausing { .. } | State::Still => Then::Rest,
        };
        self.failures = if pace == Pace::Failed { self.failures.saturating_add(1) } else { 0 };
        match (then, pace) {
            (Then::Stop, _) => {
                self.state = State::Still;
                ctx.stop();
            }
            (_, Pace::Failed) => {
                let timer = ctx.run_later(self.rhythm.pause(self.failures), Self::run);
                self.state = State::Pausing { timer };
            }
            (Then::RunAgain, _) | (Then::Rest, Pace::More) => self.run(ctx),
            (Then::Rest, Pace::Idle) => self.wait(self.rhythm.interval, ctx),
            (Then::Rest, Pace::Due(after)) => self.wait(after.min(self.rhythm.interval), ctx),
        }
    }

    fn wait(&mut self, time: Duration, ctx: &mut Context<Self>) {
        let timer = ctx.run_later(time, Self::run);
        self.state = State::Waiting { timer };
    }
}

impl<S: Step> Actor for Worker<S> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.run(ctx);
    }
}

impl<S: Step> Handler<Wake> for Worker<S> {
    type Result = ();

    fn handle(&mut self, Wake: Wake, ctx: &mut Context<Self>) {
        match &mut self.state {
            State::Running { then: then @ Then::Rest } => *then = Then::RunAgain,
            State::Running { then: Then::RunAgain | Then::Stop } => {}
            State::Waiting { .. } => self.run(ctx),
            State::Pausing { .. } | State::Still => {}
        }
    }
}

impl<S: Step> Handler<Drain> for Worker<S> {
    type Result = ();

    fn handle(&mut self, Drain: Drain, ctx: &mut Context<Self>) {
        match &mut self.state {
            State::Running { then } => *then = Then::Stop,
            State::Waiting { .. } | State::Pausing { .. } | State::Still => ctx.stop(),
        }
    }
}
