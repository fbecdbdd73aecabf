//! LeaseKeeper: renews a tenant's lease. When it is lost for good the process ends, since somebody else writes now.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::flow::Tenant;
use crate::store::{Store, StoreError};
use crate::supervision::{Pace, Step};

/// The step of one tenant's lease.
pub struct LeaseKeeper {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// The store.
    pub store: Store,
    /// How long the lease lasts.
    pub lasts: Duration,
    /// Told when the lease is lost: the process ends.
    pub lost: watch::Sender<bool>,
}

impl Step for LeaseKeeper {
    async fn run(&self) -> Pace {
        match self.store.renew_lease(&self.tenant.lease, self.lasts).await {
            Ok(()) => Pace::Due(self.lasts / 3),
            Err(StoreError::Fenced) => {
                tracing::error!(tenant = %self.tenant.name, "another process took the lease: this one stops");
                self.lost.send_replace(true);
                Pace::Failed
            }
            Err(error) => {
                tracing::warn!(tenant = %self.tenant.name, %error, "the lease could not be renewed yet");
                Pace::Failed
            }
        }
    }
}
