//! TokenKeeper and ShopTokenKeeper: renew a tenant's and a shop's access token before it ends (at 55 of its 60 minutes), so that no
//! order waits for it.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::{Connection, Tenant};
use crate::ifs::IfsError;
use crate::supervision::{Pace, Step};

/// How soon to look again at the earliest: while our lease is in doubt, or somebody else renews the token.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The step of one tenant's keeper.
pub struct TokenKeeper {
    /// The tenant.
    pub tenant: Arc<Tenant>,
}

impl Step for TokenKeeper {
    async fn run(&self) -> Pace {
        match self.tenant.ifs.keep_token().await {
            Ok(wait) => Pace::Due(wait.max(LOOK_AGAIN)),
            // The keeper of the lease says so, and stops us or goes on.
            Err(IfsError::NotOurs(_)) => Pace::Due(LOOK_AGAIN),
            Err(error) => {
                tracing::warn!(tenant = %self.tenant.name, %error, "no access token: check base_url, realm and credentials of this tenant");
                Pace::Failed
            }
        }
    }
}

/// The step of one shop's keeper, where its token is renewed.
pub struct ShopTokenKeeper {
    /// The connection.
    pub link: Arc<Connection>,
}

impl Step for ShopTokenKeeper {
    async fn run(&self) -> Pace {
        // The keeper of the lease says so, and stops us or goes on.
        if !self.link.tenant.tenure.holds() {
            return Pace::Due(LOOK_AGAIN);
        }
        match self.link.shopify.keep_token().await {
            // One that is due while another process renews it is looked at again soon, not at once.
            Ok(Some(wait)) => Pace::Due(wait.max(LOOK_AGAIN)),
            Ok(None) => Pace::Idle,
            Err(error) => {
                tracing::warn!(connection = %self.link.name, %error, "no new access token for the shop");
                Pace::Failed
            }
        }
    }
}
