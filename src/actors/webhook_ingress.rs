//! WebhookIngress: takes verified deliveries, commits whatever waits in one group as soon as a writer is free, and only
//! then lets each be acknowledged. No timer: a group is what came in while the last one was committing.

use std::sync::Arc;

use actix::{
    Actor, ActorContext as _, ActorFutureExt as _, AsyncContext as _, Context, Handler, Message, WrapFuture as _,
};
use tokio::sync::oneshot;

use super::wakes::Mappers;
use crate::failpoint;
use crate::flow::Heard;
use crate::store::{Backend, Delivery, Store, StoreError, Stored};
use crate::supervision::{Drain, ExitGuard};

/// Deliveries in one commit at most.
const GROUP_MAX: usize = 128;

/// Commit this delivery and say how that went. The sender waits on `done`; when the actor dies it is simply closed.
#[derive(Message)]
#[rtype(result = "Result<(), Full>")]
pub struct Commit {
    /// What to commit.
    pub delivery: Delivery,
    /// Where the answer goes.
    pub done: oneshot::Sender<Result<Stored, StoreError>>,
}

/// Too many deliveries wait already.
#[derive(Debug, Clone, Copy)]
pub struct Full;

/// The actor.
pub struct WebhookIngress {
    store: Store,
    mappers: Arc<Mappers>,
    heard: Heard,
    waiting: Vec<Commit>,
    /// Deliveries that may wait for a commit; more are answered 503.
    waiting_max: usize,
    writers_free: usize,
    stopping: bool,
    _guard: ExitGuard,
}

impl WebhookIngress {
    /// A fresh actor; PostgreSQL gets two groups under way at once, SQLite one.
    pub fn new(store: Store, mappers: Arc<Mappers>, heard: Heard, waiting_max: usize, guard: ExitGuard) -> Self {
        let writers_free = match store.backend() {
            Backend::Sqlite => 1,
            Backend::Postgres => 2,
        };
        Self { store, mappers, heard, waiting: Vec::new(), waiting_max, writers_free, stopping: false, _guard: guard }
    }

    fn commit_group(&mut self, ctx: &mut Context<Self>) {
        if self.waiting.is_empty() || self.writers_free == 0 {
            if self.stopping && self.waiting.is_empty() && self.all_writers_free() {
                ctx.stop();
            }
            return;
        }
        self.writers_free -= 1;
        let group: Vec<Commit> = self.waiting.drain(..self.waiting.len().min(GROUP_MAX)).collect();
        let (store, mappers, heard) = (self.store.clone(), Arc::clone(&self.mappers), self.heard.clone());
        let work = async move { commit(&store, &mappers, &heard, group).await };
        ctx.spawn(work.into_actor(self).map(|(), ingress, ctx| {
            ingress.writers_free += 1;
            ingress.commit_group(ctx);
        }));
    }

    fn all_writers_free(&self) -> bool {
        let all = match self.store.backend() {
            Backend::Sqlite => 1,
            Backend::Postgres => 2,
        };
        self.writers_free == all
    }
}

async fn commit(store: &Store, mappers: &Mappers, heard: &Heard, group: Vec<Commit>) {
    let mut deliveries = Vec::with_capacity(group.len());
    let mut waiting = Vec::with_capacity(group.len());
    for Commit { delivery, done } in group {
        let (topic, at) = (delivery.topic.clone(), delivery.received_at);
        waiting.push((delivery.connection.as_str().to_owned(), topic, at, done));
        deliveries.push(delivery);
    }
    let elsewhere = deliveries.iter().map(|delivery| &delivery.connection).filter(|name| !mappers.are_here(name));
    let elsewhere = elsewhere.cloned().collect();
    failpoint::hit(failpoint::INBOX_GROUPED);
    let answers = store.insert_deliveries_telling(deliveries, elsewhere).await;
    failpoint::hit(failpoint::INBOX_COMMITTED);
    for ((connection, topic, at, done), answer) in waiting.into_iter().zip(answers) {
        if answer.is_ok() {
            heard.record(&connection, &topic, at);
        }
        let fresh = matches!(answer, Ok(Stored::New(_)));
        // A sender that gave up has answered 503 itself; the row stands all the same.
        done.send(answer).unwrap_or_default();
        if fresh {
            mappers.ring(&connection);
        }
    }
}

impl Actor for WebhookIngress {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(self.waiting_max);
    }
}

impl Handler<Commit> for WebhookIngress {
    type Result = Result<(), Full>;

    fn handle(&mut self, commit: Commit, ctx: &mut Context<Self>) -> Self::Result {
        if self.stopping || self.waiting.len() >= self.waiting_max {
            return Err(Full);
        }
        self.waiting.push(commit);
        self.commit_group(ctx);
        Ok(())
    }
}

impl Handler<Drain> for WebhookIngress {
    type Result = ();

    fn handle(&mut self, Drain: Drain, ctx: &mut Context<Self>) {
        self.stopping = true;
        self.commit_group(ctx);
    }
}
