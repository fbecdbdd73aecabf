//! Ownership: whose name stands in the leases, and when somebody else's may be taken. On SQLite a file lock lets one `serve` run and
//! tells at once that an earlier one is gone; on PostgreSQL several run, and a lease tells whose a tenant is, by the database's clock.

use std::fs::{File, TryLockError};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::StartError;
use crate::actors::lease_keeper::LeaseRules;
use crate::config::Settings;
use crate::store::{Backend, Store, Takeover};

/// What this process may own.
pub struct Ownership {
    /// How it takes leases.
    pub leases: LeaseRules,
    /// Held for its lock, which ends with the process.
    _lock: Option<File>,
}

impl Ownership {
    /// Makes sure that this process may serve at all, under this name.
    ///
    /// # Errors
    /// [`StartError::AlreadyServed`] when another process serves an SQLite database.
    pub fn claim(settings: &Settings, store: &Store, owner: String) -> Result<Self, StartError> {
        let lock = match store.backend() {
            Backend::Sqlite => Some(lock_file(settings)?),
            Backend::Postgres => None,
        };
        // The file lock proves that no other owner lives, so nothing has to run out.
        let takeover = if lock.is_some() { Takeover::Proven } else { Takeover::WhenExpired };
        let lasts = Duration::from_secs(settings.database.lease_secs);
        Ok(Self { leases: LeaseRules { owner, lasts, takeover }, _lock: lock })
    }
}

/// What this process is called in the leases: the host, on Kubernetes the pod's name, and what tells two processes of one host apart.
pub fn own_name() -> String {
    /// A host's name is no longer.
    const HOST_CHARS_MAX: usize = 63;
    let host = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/proc/sys/kernel/hostname"));
    let host: String = host
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '.')
        .take(HOST_CHARS_MAX)
        .collect();
    let process = Uuid::new_v4().simple().to_string();
    let process = &process[..8];
    if host.is_empty() { process.to_owned() } else { format!("{host}/{process}") }
}

fn lock_file(settings: &Settings) -> Result<File, StartError> {
    let url = settings.database.url.expose_secret();
    let file = url.strip_prefix("sqlite:").unwrap_or(url);
    let path = format!("{}.serve-lock", file.strip_prefix("//").unwrap_or(file));
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| StartError::Remote(format!("the lock file {path} cannot be opened: {error}")))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::AlreadyServed(format!("it holds {path}"))),
        Err(TryLockError::Error(error)) => Err(StartError::Remote(format!("the lock file {path}: {error}"))),
    }
}
