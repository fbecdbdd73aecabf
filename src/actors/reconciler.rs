//! Reconciler: looks in Shopify's own lists for what no webhook told, and counts them once a night. Only reads there; what it
//! finds enters the inbox.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::sweep::Swept;
use crate::flow::{Connection, census, sweep};
use crate::store::StoreError;
use crate::supervision::{Doorbell, Pace, Step};

/// The step of one connection's reconciler.
pub struct Reconciler {
    /// The connection.
    pub link: Arc<Connection>,
    /// Wakes its mapper.
    pub mapper: Doorbell,
    /// Time between two looks.
    pub every: Duration,
}

impl Step for Reconciler {
    async fn run(&self) -> Pace {
        match self.look().await {
            Ok(pace) => pace,
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

impl Reconciler {
    async fn look(&self) -> Result<Pace, StoreError> {
        let mut failed = false;
        if self.link.sweep.every().is_some() {
            match sweep::sweep(&self.link).await? {
                Swept::Done(figures) if figures.entered > 0 => self.mapper.ring(),
                Swept::Done(_) => {}
                Swept::Stopped => return Ok(Pace::Idle),
                // What the sweep cannot read the census may.
                Swept::Failed => failed = true,
            }
        }
        if census::is_due(&self.link).await? {
            match census::census(&self.link).await? {
                Swept::Done(_) => self.mapper.ring(),
                Swept::Stopped => return Ok(Pace::Idle),
                Swept::Failed => return Ok(Pace::Failed),
            }
        }
        Ok(if failed { Pace::Failed } else { Pace::Due(self.every) })
    }
}
