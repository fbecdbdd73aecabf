//! Wake-ups between replicas: PostgreSQL's NOTIFY, heard by LISTEN on a connection of its own. A wake says "look at your rows" and nothing
//! else; whoever loses one finds the rows at its next poll. SQLite has one process and needs none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::dialect::{self, Backend, Db, Ear};
use super::{Store, StoreError};

/// How often the connection is looked at: diesel gives no way to wait for it. One look that finds nothing is one call of the system.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How often it is proved that the connection still stands: one that broke without a word tells nothing.
const PROVE_EVERY: Duration = Duration::from_secs(15);
/// Pause before a new connection, doubled each time.
const RECONNECT_FIRST: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const RECONNECT_MAX: Duration = Duration::from_secs(15);

/// What somebody told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakeUp {
    /// Deliveries of this connection were committed by a replica that does not map them.
    Deliveries(String),
    /// A lease was given back.
    Lease(String),
    /// Nobody listened for a while: anything may have happened.
    Anything,
}

impl WakeUp {
    fn payload(&self) -> String {
        match self {
            Self::Deliveries(connection) => format!("deliveries {connection}"),
            Self::Lease(name) => format!("lease {name}"),
            Self::Anything => "anything".to_owned(),
        }
    }

    /// What another version of the service tells, and we do not know, may be anything.
    fn parse(payload: &str) -> Self {
        match payload.split_once(' ') {
            Some(("deliveries", connection)) => Self::Deliveries(connection.to_owned()),
            Some(("lease", name)) => Self::Lease(name.to_owned()),
            Some(_) | None => Self::Anything,
        }
    }
}

/// Tells all replicas when the transaction commits, and not before.
pub(super) fn tell(db: &mut Db, wake: &WakeUp) -> Result<(), StoreError> {
    dialect::notify(db, &wake.payload())
}

/// Listens until it is dropped.
#[must_use = "it stops listening when it is dropped"]
#[derive(Debug)]
pub struct Listening(Arc<AtomicBool>);

impl Drop for Listening {
    fn drop(&mut self) {
        // Not waited for: its thread may wait for a server that is gone, and ends with the time-out of that.
        self.0.store(true, Ordering::Release);
    }
}

impl Store {
    /// Calls `heard` on a thread of its own for each wake, this process's own too; with [`WakeUp::Anything`] each time it begins to
    /// listen. None on SQLite, and where there is no thread to be had: then polls find everything.
    pub fn listen(&self, heard: impl Fn(WakeUp) + Send + 'static) -> Option<Listening> {
        if self.backend() != Backend::Postgres {
            return None;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (url, stopped) = (self.inner.target.clone(), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("wakes".to_owned());
        if let Err(error) = thread.spawn(move || keep_listening(&url, &stopped, &heard)) {
            tracing::warn!(%error, "no thread to listen on: polls find what other replicas tell");
            return None;
        }
        Some(Listening(stop))
    }
}

fn keep_listening(url: &str, stop: &AtomicBool, heard: &impl Fn(WakeUp)) {
    let mut pause = RECONNECT_FIRST;
    while !stop.load(Ordering::Acquire) {
        if let Some(mut ear) = Ear::open(url) {
            pause = RECONNECT_FIRST;
            heard(WakeUp::Anything);
            hear(&mut ear, stop, heard);
        }
        if stop.load(Ordering::Acquire) {
            return;
        }
        tracing::warn!(
            again_secs = pause.as_secs(),
            "the database cannot be listened to: polls find what other replicas tell"
        );
        let mut waited = Duration::ZERO;
        while waited < pause && !stop.load(Ordering::Acquire) {
            std::thread::park_timeout(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
        pause = (pause * 2).min(RECONNECT_MAX);
    }
}

/// Until the connection breaks, or nobody wants to listen any more.
fn hear(ear: &mut Ear, stop: &AtomicBool, heard: &impl Fn(WakeUp)) {
    let mut unproved = Duration::ZERO;
    while !stop.load(Ordering::Acquire) {
        let Ok(told) = ear.take() else { return };
        for payload in told {
            heard(WakeUp::parse(&payload));
        }
        if unproved >= PROVE_EVERY {
            if !ear.stands() {
                return;
            }
            unproved = Duration::ZERO;
        }
        std::thread::park_timeout(LOOK_EVERY);
        unproved += LOOK_EVERY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_is_told_and_heard_alike_and_an_unknown_one_may_be_anything() {
        for wake in [WakeUp::Deliveries("acme".into()), WakeUp::Lease("ifs.main".into()), WakeUp::Anything] {
            assert_eq!(WakeUp::parse(&wake.payload()), wake);
        }
        assert_eq!(WakeUp::parse("of a later version"), WakeUp::Anything);
    }
}
