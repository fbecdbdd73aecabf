//! Ownership: one process writes for a tenant. On SQLite a file lock tells at once whether the owner lives; on PostgreSQL
//! the lease does, by the database's clock. Until several replicas share the work, a second `serve` is refused.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::StartError;
use crate::config::Settings;
use crate::domain::ids::TenantName;
use crate::store::{Backend, Lease, LeaseState, Store, Takeover};

/// The leases of this process.
pub struct Ownership {
    store: Store,
    leases: HashMap<TenantName, Lease>,
    lasts: Duration,
    /// Held for its lock, which ends with the process.
    _lock: Option<File>,
}

impl Ownership {
    /// Takes the leases of all tenants, waiting for a dead owner's to run out.
    ///
    /// # Errors
    /// [`StartError::AlreadyServed`] when another process lives.
    pub async fn take(settings: &Settings, store: &Store) -> Result<Self, StartError> {
        let lock = lock_file(settings, store)?;
        let lasts = Duration::from_secs(settings.database.lease_secs);
        let owner = Uuid::new_v4().simple().to_string();
        // The file lock proves that no other owner lives, so nothing has to run out.
        let takeover = if lock.is_some() { Takeover::Proven } else { Takeover::WhenExpired };
        let mut leases = HashMap::new();
        for tenant in settings.tenants.keys() {
            let name = format!("ifs.{tenant}");
            let lease = take_one(store, name, owner.clone(), lasts, takeover).await?;
            leases.insert(tenant.clone(), lease);
        }
        Ok(Self { store: store.clone(), leases, lasts, _lock: lock })
    }

    /// The lease of a tenant.
    pub fn lease(&self, tenant: &TenantName) -> Option<&Lease> {
        self.leases.get(tenant)
    }

    /// How long a lease lasts.
    pub fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Gives the leases back, so that the next owner need not wait.
    pub async fn give_back(self) {
        for (tenant, lease) in &self.leases {
            if let Err(error) = self.store.release_lease(lease).await {
                tracing::warn!(%tenant, %error, "the lease could not be given back: the next start waits until it runs out");
            }
        }
    }
}

async fn take_one(
    store: &Store,
    name: String,
    owner: String,
    lasts: Duration,
    takeover: Takeover,
) -> Result<Lease, StartError> {
    let mut seen = None;
    loop {
        match store.acquire_lease(name.clone(), owner.clone(), lasts, takeover).await? {
            LeaseState::Ours(lease) => return Ok(lease),
            LeaseState::Theirs { owner, expires_in, expires_at_us } => {
                // A lease that moves on is renewed by somebody who lives.
                if seen.is_some_and(|before| before != expires_at_us) {
                    return Err(StartError::AlreadyServed(format!("lease {name}, owner {owner}")));
                }
                if seen.is_none() {
                    tracing::info!(lease = %name, wait_secs = expires_in.as_secs(), "waiting for an earlier owner's lease to run out");
                }
                seen = Some(expires_at_us);
                tokio::time::sleep(expires_in.min(Duration::from_millis(500)).max(Duration::from_millis(20))).await;
            }
        }
    }
}

fn lock_file(settings: &Settings, store: &Store) -> Result<Option<File>, StartError> {
    if store.backend() == Backend::Postgres {
        return Ok(None);
    }
    let url = settings.database.url.expose_secret();
    let file = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = format!("{}.serve-lock", file.strip_prefix("//").unwrap_or(file));
    let refused = |what: String| StartError::AlreadyServed(what);
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| StartError::Remote(format!("the lock file {path} cannot be opened: {error}")))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(refused(format!("it holds {path}"))),
        Err(TryLockError::Error(error)) => Err(StartError::Remote(format!("the lock file {path}: {error}"))),
    }
}
