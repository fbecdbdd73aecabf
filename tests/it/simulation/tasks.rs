//! Steps that run beside each other on one thread, one at a time: each stops wherever it meets the keeper at the store's door, and goes
//! on when it is let. So whoever lets them go decides in which order everything happens, and no step ever runs unseen.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, LocalBoxFuture, poll_fn};
use ml_connector::failpoint::Died;
use ml_connector::store::{Keeper, Passage, StoreError};

/// Longest that one step may run between two doors, by the machine's clock: nothing in a simulation waits.
const STUCK: Duration = Duration::from_secs(60);

/// What a step that waits at the door hears.
pub type Verdict = Result<(), StoreError>;

#[derive(Default)]
struct Waiting {
    task: u64,
    waker: Option<Waker>,
    verdict: Option<Verdict>,
}

#[derive(Default)]
struct Hall {
    /// The step that is being polled; whoever comes outside of all steps passes unseen.
    current: Option<u64>,
    waiting: BTreeMap<u64, (Passage, Waiting)>,
    next: u64,
}

/// The keeper's side: who waits at the door.
#[derive(Clone, Default)]
pub struct Doors(Arc<Mutex<Hall>>);

impl Doors {
    /// The keeper to put at the store's door.
    pub fn keeper(&self) -> Keeper {
        let doors = self.clone();
        Keeper::new(move |passage| doors.meet(passage))
    }

    /// The step that runs now.
    pub fn current(&self) -> Option<u64> {
        self.lock().current
    }

    fn meet(&self, passage: Passage) -> BoxFuture<'static, Verdict> {
        let mut hall = self.lock();
        let Some(task) = hall.current else { return Box::pin(std::future::ready(Ok(()))) };
        let ticket = hall.next;
        hall.next += 1;
        hall.waiting.insert(ticket, (passage, Waiting { task, ..Waiting::default() }));
        Box::pin(AtDoor { doors: self.clone(), ticket })
    }

    /// What a step waits for, if it waits.
    pub fn waits(&self, task: u64) -> Option<Passage> {
        let hall = self.lock();
        let mut of_task =
            hall.waiting.values().filter(|(_, waiting)| waiting.task == task && waiting.verdict.is_none());
        of_task.next().map(|(passage, _)| *passage)
    }

    fn let_go(&self, task: u64, verdict: Verdict) {
        let mut hall = self.lock();
        let mut of_task = hall.waiting.values_mut().filter(|(_, waiting)| waiting.task == task);
        if let Some((_, waiting)) = of_task.next() {
            waiting.verdict = Some(verdict);
            if let Some(waker) = waiting.waker.take() {
                waker.wake();
            }
        }
    }

    fn enter(&self, task: Option<u64>) {
        self.lock().current = task;
    }

    fn lock(&self) -> MutexGuard<'_, Hall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One piece of work that waits for its verdict.
struct AtDoor {
    doors: Doors,
    ticket: u64,
}

impl Future for AtDoor {
    type Output = Verdict;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        let mut hall = self.doors.lock();
        let Some((_, waiting)) = hall.waiting.get_mut(&self.ticket) else { return Poll::Pending };
        match waiting.verdict.take() {
            Some(verdict) => {
                hall.waiting.remove(&self.ticket);
                Poll::Ready(verdict)
            }
            None => {
                waiting.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for AtDoor {
    fn drop(&mut self) {
        self.doors.lock().waiting.remove(&self.ticket);
    }
}

/// How far a step came.
#[derive(Debug, PartialEq, Eq)]
pub enum Reached {
    /// It waits at the door.
    Door(Passage),
    /// It ended so.
    End(String),
    /// It died at a failpoint.
    Died,
}

/// A step under way.
pub struct Task {
    pub id: u64,
    future: LocalBoxFuture<'static, String>,
}

impl Task {
    pub fn new(id: u64, step: impl Future<Output = String> + 'static) -> Self {
        Self { id, future: step.boxed_local() }
    }

    /// Lets it go on from where it waits, with this verdict, up to the next door or its end.
    pub async fn go(&mut self, doors: &Doors, verdict: Verdict) -> Reached {
        doors.let_go(self.id, verdict);
        let running = poll_fn(|cx| {
            doors.enter(Some(self.id));
            let polled = std::panic::catch_unwind(AssertUnwindSafe(|| self.future.poll_unpin(cx)));
            doors.enter(None);
            match polled {
                Ok(Poll::Ready(end)) => Poll::Ready(Reached::End(end)),
                Ok(Poll::Pending) => match doors.waits(self.id) {
                    Some(passage) => Poll::Ready(Reached::Door(passage)),
                    None => Poll::Pending,
                },
                Err(died) if died.is::<Died>() => Poll::Ready(Reached::Died),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        tokio::time::timeout(STUCK, running)
            .await
            .expect("a step waits for nothing but the door and a remote that answers")
    }
}
