//! LeaseKeeper: stands by for a tenant's lease, takes it when it is free, starts what works for the tenant, renews the lease, and stops
//! all that when the lease is lost or in doubt. It never ends the process: it stands by again.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::timeout;

use crate::clock::{Clock, Tick};
use crate::domain::ids::TenantName;
use crate::failpoint;
use crate::flow::{Term, Terms};
use crate::remote::Tenure;
use crate::store::{Lease, LeaseState, Store, StoreError, Takeover};
use crate::supervision::{Branch, End, Ground, Pace, Step, TreeSpec};
use crate::telemetry::metric;

/// How often a free lease is looked for at least.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How much longer a replica hesitates before it takes a free lease for each tenant that it owns already, so that several free ones
/// spread over several replicas.
const HESITATION_EACH: Duration = Duration::from_millis(250);
/// The longest hesitation before chance adds its part.
const HESITATION_MAX: Duration = Duration::from_secs(2);
/// The pause after a term that could not be served, doubled with each one that follows.
const AFTER_FAILED_START: Duration = Duration::from_secs(1);
/// The longest of these pauses.
const AFTER_FAILED_START_MAX: Duration = Duration::from_secs(60);
/// The longest wait for the database when a free lease is looked for.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// The longest wait for a lease to be given back: a process that ends must end.
const GIVE_BACK_MAX: Duration = Duration::from_secs(5);
/// Longer than any call that was under way when a lease was lost, with what follows it in the store.
const CALLS_END_MAX: Duration = Duration::from_secs(180);
/// A renewal that failed is tried again so soon.
const RENEW_AGAIN: Duration = Duration::from_millis(500);

/// How this process takes leases.
#[derive(Clone)]
pub struct LeaseRules {
    /// Its own name in the leases.
    pub owner: String,
    /// How long a lease lasts.
    pub lasts: Duration,
    /// When somebody else's lease may be taken.
    pub takeover: Takeover,
}

impl LeaseRules {
    /// How long a lease counts as ours after a renewal was asked for: a fifth less than it lasts, for clocks that run at different speeds
    /// and for a call that is about to leave.
    pub fn tenure(&self) -> Duration {
        self.lasts - self.margin()
    }

    fn margin(&self) -> Duration {
        self.lasts / 5
    }
}

/// Why a tenant cannot be served, in words for an operator.
pub type CannotServe = String;

/// Builds what works for a tenant in one term, and frees what a dead owner left. The tree is not started yet.
pub type Serve = Rc<dyn Fn(Term) -> Pin<Box<dyn Future<Output = Result<TreeSpec, CannotServe>>>>>;

/// The step of one tenant's lease.
pub struct LeaseKeeper {
    /// The tenant.
    pub tenant: TenantName,
    /// The store.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// How leases are taken.
    pub rules: LeaseRules,
    /// The terms of this process.
    pub terms: Terms,
    /// Where what works for the tenant is planted.
    pub branch: Branch,
    /// Builds it.
    pub serve: Serve,
    /// What this keeper remembers from step to step.
    pub memory: Memory,
}

/// What a keeper remembers from step to step; a fresh one may begin anew.
#[derive(Debug, Default)]
pub struct Memory {
    /// Since when the lease has been seen free, and the part of the hesitation that chance gave.
    hesitates: Cell<Option<(Tick, Duration)>>,
    /// Terms in a row that could not be served.
    failed_starts: Cell<u32>,
    /// Since when calls of an earlier term have been waited for, and whether that was told.
    occupied: Cell<Option<(Tick, Told)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    NotYet,
    Once,
}

impl Step for LeaseKeeper {
    async fn run(&self) -> Pace {
        match self.terms.of(&self.tenant) {
            Some(term) if self.terms.is_closed() => self.hand_over(term).await,
            Some(term) => self.renew(term).await,
            None => self.stand_by().await,
        }
    }
}

impl LeaseKeeper {
    /// Renews the lease of the running term.
    ///
    /// 1. While it is ours in the database nobody else has written, however long this process slept: it goes on.
    /// 2. Somebody else took it: what works for the tenant stops.
    /// 3. The database does not answer: the same, once the time is over for which the last renewal counts.
    async fn renew(&self, term: Term) -> Pace {
        let began = self.clock.monotonic();
        let patience = term.tenure.left().unwrap_or_default().max(self.rules.lasts / 3);
        let renewed = timeout(patience, self.store.renew_lease(&term.lease, self.rules.lasts)).await;
        match renewed {
            // 1.
            Ok(Ok(())) => {
                term.tenure.extend(began, self.rules.tenure());
                match self.branch.look().await {
                    Ground::Occupied | Ground::Down => Pace::Due(self.rules.lasts / 3),
                    // A keeper before this one panicked between the lease and the start.
                    Ground::Bare => self.start(term).await,
                }
            }
            // 2.
            Ok(Err(StoreError::Fenced)) => {
                tracing::warn!(tenant = %self.tenant, "another replica took the lease: this one stops working for the tenant and stands by");
                self.give_up(term).await;
                Pace::Due(RENEW_AGAIN)
            }
            // 3.
            Ok(Err(error)) => self.doubt(term, &error.to_string()).await,
            Err(_elapsed) => self.doubt(term, "the database did not answer in time").await,
        }
    }

    async fn doubt(&self, term: Term, error: &str) -> Pace {
        if term.tenure.holds() {
            tracing::warn!(tenant = %self.tenant, error, "the lease could not be renewed yet");
            return Pace::Due(RENEW_AGAIN.min(self.rules.lasts / 10));
        }
        tracing::warn!(
            tenant = %self.tenant, error,
            "the lease could not be renewed in time: this replica stops working for the tenant until it has the lease again"
        );
        self.give_up(term).await;
        Pace::Due(RENEW_AGAIN)
    }

    /// Stops what works for the tenant. From the first line on no call leaves; what is under way is waited for as far as the lease may
    /// last, and what takes longer settles nothing: the lease's generation fences it.
    async fn give_up(&self, term: Term) {
        term.break_off();
        self.terms.end(&self.tenant);
        self.owns(0.0);
        metrics::counter!(metric::LEASES_LOST_TOTAL, "tenant" => self.tenant.to_string()).increment(1);
        if self.branch.remove(self.rules.margin()).await == End::LeftBehind {
            tracing::warn!(tenant = %self.tenant, "calls of before are still under way: whoever owns the tenant looks up what became of them");
        }
    }

    /// The process stops: what works for the tenant ends its calls, while the lease is renewed, and then the lease is given back at once,
    /// whatever else of the process is still stopping.
    async fn hand_over(&self, term: Term) -> Pace {
        while self.branch.remove(self.rules.lasts / 3).await == End::LeftBehind {
            let began = self.clock.monotonic();
            match self.store.renew_lease(&term.lease, self.rules.lasts).await {
                Ok(()) => term.tenure.extend(began, self.rules.tenure()),
                // Whoever has it looks up what is still under way here.
                Err(StoreError::Fenced) => break,
                Err(error) => {
                    tracing::warn!(tenant = %self.tenant, %error, "the lease could not be renewed while calls end")
                }
            }
        }
        term.break_off();
        self.terms.end(&self.tenant);
        self.owns(0.0);
        give_back(&self.store, &self.tenant, &term.lease).await;
        tracing::info!(tenant = %self.tenant, "the tenant is handed over");
        Pace::Idle
    }

    /// Takes the lease once it is free.
    async fn stand_by(&self) -> Pace {
        self.owns(0.0);
        if self.terms.is_closed() {
            return Pace::Idle;
        }
        // Of one tenant's actors never two at once in one process.
        if self.branch.look().await != Ground::Bare {
            self.wait_for_calls();
            return Pace::Due(RENEW_AGAIN);
        }
        self.memory.occupied.set(None);
        // One lease after the other, so that what this process owns by now makes it hesitate. A database that does not answer must not
        // keep the turn of the others.
        let turn = self.terms.turn().await;
        let taken = timeout(LOOK_MAX, self.take_if_free()).await;
        drop(turn);
        match taken {
            Ok(Ok(term)) => {
                failpoint::hit(failpoint::LEASE_TAKEN);
                self.start(term).await
            }
            Ok(Err(pace)) => pace,
            Err(_elapsed) => {
                tracing::warn!(tenant = %self.tenant, "the database did not answer whose the lease is: check the database");
                Pace::Failed
            }
        }
    }

    /// Says once when calls of an earlier term take longer than any call may.
    fn wait_for_calls(&self) {
        let now = self.clock.monotonic();
        let (since, told) = self.memory.occupied.get().unwrap_or((now, Told::NotYet));
        let long = told == Told::NotYet && now.since(since) > CALLS_END_MAX;
        if long {
            tracing::error!(tenant = %self.tenant, "calls of before do not end: this replica cannot own the tenant until they do; restart it");
        }
        self.memory.occupied.set(Some((since, if long { Told::Once } else { told })));
    }

    async fn take_if_free(&self) -> Result<Term, Pace> {
        match self.is_free().await {
            Ok(None) => self.take().await,
            Ok(Some(wait)) => Err(Pace::Due(wait)),
            Err(error) => {
                tracing::warn!(tenant = %self.tenant, %error, "the leases could not be read: check the database");
                Err(Pace::Failed)
            }
        }
    }

    /// None when the lease can be taken now; else when to look again.
    async fn is_free(&self) -> Result<Option<Duration>, StoreError> {
        if self.rules.takeover == Takeover::Proven {
            return Ok(None);
        }
        let name = lease_name(&self.tenant);
        let known = self.store.leases().await?.into_iter().find(|lease| lease.name == name);
        let held = known.as_ref().filter(|lease| lease.owner != self.rules.owner).and_then(|lease| lease.expires_in);
        if let Some(expires_in) = held {
            self.memory.hesitates.set(None);
            return Ok(Some(expires_in.min(LOOK_EVERY)));
        }
        let now = self.clock.monotonic();
        let fresh = || (now, HESITATION_EACH.mul_f64(rand::random_range(0.0..1.0)));
        let (since, chance) = self.memory.hesitates.get().unwrap_or_else(fresh);
        self.memory.hesitates.set(Some((since, chance)));
        // What this replica owns by now counts, not what it owned when the lease became free.
        let hesitation = hesitation(self.terms.count(), self.memory.failed_starts.get());
        let left = (hesitation + chance).saturating_sub(now.since(since));
        Ok((!left.is_zero()).then_some(left))
    }

    /// The term that begins with the lease, or when to look again.
    async fn take(&self) -> Result<Term, Pace> {
        self.memory.hesitates.set(None);
        let began = self.clock.monotonic();
        let LeaseRules { owner, lasts, takeover } = self.rules.clone();
        match self.store.acquire_lease(lease_name(&self.tenant), owner, lasts, takeover).await {
            Ok(LeaseState::Ours(lease)) => {
                let tenure = Tenure::since(self.clock.clone(), began, self.rules.tenure());
                let term = Term::new(lease, tenure);
                self.terms.begin(self.tenant.clone(), term.clone());
                Ok(term)
            }
            Ok(LeaseState::Theirs { expires_in, .. }) => Err(Pace::Due(expires_in.min(LOOK_EVERY))),
            Err(error) => {
                tracing::warn!(tenant = %self.tenant, %error, "the lease could not be taken: check the database");
                Err(Pace::Failed)
            }
        }
    }

    /// Starts what works for the tenant. Where that cannot be, the lease is given back: another replica may know better.
    async fn start(&self, term: Term) -> Pace {
        let why_not = match (self.serve)(term.clone()).await {
            Ok(tree) => {
                self.memory.failed_starts.set(0);
                if self.branch.plant(tree).await {
                    self.owns(1.0);
                    let generation = term.lease.generation.get();
                    tracing::info!(tenant = %self.tenant, generation, "this replica owns the tenant");
                    return Pace::Due(self.rules.lasts / 3);
                }
                // The tree that it would stand in is stopping.
                None
            }
            Err(why) => Some(why),
        };
        term.break_off();
        self.terms.end(&self.tenant);
        give_back(&self.store, &self.tenant, &term.lease).await;
        match why_not {
            None => Pace::Idle,
            Some(why) => {
                self.memory.failed_starts.set(self.memory.failed_starts.get().saturating_add(1));
                tracing::error!(tenant = %self.tenant, why, "the tenant cannot be served: it is tried again");
                Pace::Failed
            }
        }
    }

    fn owns(&self, owned: f64) {
        metrics::gauge!(metric::TENANT_OWNED, "tenant" => self.tenant.to_string()).set(owned);
    }
}

/// How long a replica with so many tenants, and so many starts of this one that failed, leaves a free lease to others.
fn hesitation(owned: usize, failed_starts: u32) -> Duration {
    let owned = HESITATION_EACH.saturating_mul(u32::try_from(owned).unwrap_or(u32::MAX)).min(HESITATION_MAX);
    let failed = match failed_starts {
        0 => Duration::ZERO,
        times => AFTER_FAILED_START.saturating_mul(2_u32.saturating_pow(times - 1)).min(AFTER_FAILED_START_MAX),
    };
    owned + failed
}

/// The name of a tenant's lease.
pub fn lease_name(tenant: &TenantName) -> String {
    format!("ifs.{tenant}")
}

/// Gives a lease back, so that the next owner need not wait.
pub async fn give_back(store: &Store, tenant: &TenantName, lease: &Lease) {
    match timeout(GIVE_BACK_MAX, store.release_lease(lease)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%tenant, %error, "the lease could not be given back: the next owner waits until it has run out");
        }
        Err(_elapsed) => {
            tracing::warn!(%tenant, "the lease was not given back in time: the next owner waits until it has run out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_hesitates_longer_the_more_it_owns_and_the_more_often_it_could_not_serve() {
        let millis = |owned, failed| hesitation(owned, failed).as_millis();
        assert_eq!((millis(0, 0), millis(1, 0), millis(4, 0), millis(100, 0)), (0, 250, 1_000, 2_000));
        assert_eq!((millis(0, 1), millis(0, 2), millis(1, 3), millis(0, 40)), (1_000, 2_000, 4_250, 60_000));
    }

    #[test]
    fn a_tenure_ends_before_its_lease() {
        let rules = LeaseRules { owner: "a".into(), lasts: Duration::from_secs(15), takeover: Takeover::WhenExpired };
        assert_eq!((rules.tenure(), rules.margin()), (Duration::from_secs(12), Duration::from_secs(3)));
    }
}
