//! A term: one replica's time with a tenant, from the lease that it took to the lease's loss or return. Everything that works for the
//! tenant is built anew for each term, so nothing of an earlier one can pass for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::domain::ids::TenantName;
use crate::remote::Tenure;
use crate::store::Lease;

/// One term. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Term {
    /// The lease, which fences every write to the rows.
    pub lease: Lease,
    /// How long it is surely ours: it gates every call to a remote.
    pub tenure: Tenure,
    /// Set when nothing new shall be taken.
    pub stopping: Arc<AtomicBool>,
}

impl Term {
    /// A term under this lease, as long as this tenure lasts.
    pub fn new(lease: Lease, tenure: Tenure) -> Self {
        Self { lease, tenure, stopping: Arc::default() }
    }

    /// A term that nobody takes away: for steps that a test calls itself, and for building without serving.
    pub fn endless(lease: Lease, clock: &Clock) -> Self {
        Self::new(lease, Tenure::endless(clock.clone()))
    }

    /// Nothing new is taken; what is under way may end, and still call.
    pub fn drain(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// The lease is lost or in doubt: nothing new is taken, and from this moment on no call leaves.
    pub fn break_off(&self) {
        self.tenure.end();
        self.drain();
    }
}

/// The terms that run in this process, by their tenants. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Terms(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    running: Mutex<Running>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Running {
    terms: BTreeMap<TenantName, Term>,
    closed: bool,
}

impl Terms {
    /// The running term of a tenant.
    pub fn of(&self, tenant: &TenantName) -> Option<Term> {
        self.lock().terms.get(tenant).cloned()
    }

    /// Begins a term.
    pub fn begin(&self, tenant: TenantName, term: Term) {
        let mut running = self.lock();
        if running.closed {
            term.drain();
        }
        running.terms.insert(tenant, term);
    }

    /// Forgets a term that is over.
    pub fn end(&self, tenant: &TenantName) {
        self.lock().terms.remove(tenant);
    }

    /// Waits until nobody else in this process looks for a lease; held while one is looked for and taken.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.turn.lock().await
    }

    /// How many tenants this process owns.
    pub fn count(&self) -> usize {
        self.lock().terms.len()
    }

    /// The process stops: every term drains, and none shall begin any more.
    pub fn close(&self) {
        let mut running = self.lock();
        running.closed = true;
        for term in running.terms.values() {
            term.drain();
        }
    }

    /// Whether none shall begin any more.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// All running terms, taken out.
    pub fn take_all(&self) -> BTreeMap<TenantName, Term> {
        std::mem::take(&mut self.lock().terms)
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        // Never held across a wait or anything that can panic.
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
