//! Reconciler: looks in Shopify's own lists for what no webhook told. Only reads there; what it finds enters the inbox.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::Connection;
use crate::flow::sweep::{self, Swept};
use crate::store::StoreError;
use crate::supervision::{Doorbell, Pace, Step};

/// The step of one connection's reconciler.
pub struct Reconciler {
    /// The connection.
    pub link: Arc<Connection>,
    /// Wakes its mapper.
    pub mapper: Doorbell,
    /// Time between two sweeps.
    pub every: Duration,
}

impl Step for Reconciler {
    async fn run(&self) -> Pace {
        match sweep::sweep(&self.link).await {
            Ok(Swept::Done(figures)) => {
                if figures.entered > 0 {
                    self.mapper.ring();
                }
                Pace::Due(self.every)
            }
            Ok(Swept::Stopped) => Pace::Idle,
            Ok(Swept::Failed) => Pace::Failed,
            Err(StoreError::Fenced) => {
                tracing::error!(connection = %self.link.name, "the lease is lost: nothing is swept until it is ours again");
                Pace::Failed
            }
            Err(error) => {
                tracing::error!(connection = %self.link.name, %error, "the sweep's store failed");
                Pace::Failed
            }
        }
    }
}
