//! IfsWriter: the only writer to IFS for its connection. Runs the writer's loop until nothing is due.

use std::sync::Arc;

use crate::flow::Connection;
use crate::flow::writer;
use crate::store::StoreError;
use crate::supervision::{Pace, Step};

/// The step of one connection's writer.
pub struct IfsWriter {
    /// The connection.
    pub link: Arc<Connection>,
}

impl Step for IfsWriter {
    async fn run(&self) -> Pace {
        match writer::drain(&self.link).await {
            Ok(Some(wait)) => Pace::Due(wait),
            Ok(None) => Pace::Idle,
            Err(StoreError::Fenced) => {
                tracing::warn!(connection = %self.link.name, "the lease is another replica's: what was under way here changes no row");
                Pace::Failed
            }
            Err(error) => {
                tracing::error!(connection = %self.link.name, %error, "the writer's store failed");
                Pace::Failed
            }
        }
    }
}
