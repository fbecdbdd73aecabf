//! TokenKeeper: refreshes a tenant's access token before it ends (at 55 of its 60 minutes), so that no order waits for it.

use std::sync::Arc;

use crate::flow::Tenant;
use crate::supervision::{Pace, Step};

/// The step of one tenant's keeper.
pub struct TokenKeeper {
    /// The tenant.
    pub tenant: Arc<Tenant>,
}

impl Step for TokenKeeper {
    async fn run(&self) -> Pace {
        match self.tenant.ifs.keep_token().await {
            Ok(wait) => Pace::Due(wait),
            Err(error) => {
                tracing::warn!(tenant = %self.tenant.name, %error, "no access token: check base_url, realm and credentials of this tenant");
                Pace::Failed
            }
        }
    }
}
