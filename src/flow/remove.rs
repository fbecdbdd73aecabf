//! Rows of ours that leave an order: a line is cancelled for a reason, a charge deleted, each under the ETag that it was
//! read with. An answer that never came is read again: a row that is gone is gone.

use super::amend::{Step, Work};
use super::settling::{failed, failed_itself};
use crate::domain::document::ParkKind;
use crate::failpoint;
use crate::ifs::error::IfsError;
use crate::ifs::wire::PartRequest;
use crate::mapping::create::cancel_line_part;
use crate::mapping::guarded::{GuardedChange, GuardedWrite};
use crate::mapping::merge::Removal;
use crate::mapping::read::Target;
use crate::store::{IntentKind, StoreError};

impl Work<'_> {
    /// Takes one row away and commits that it is gone.
    pub(super) async fn remove_row(&mut self, removal: &Removal, reason: &str) -> Result<Step, StoreError> {
        let Some(etag) = removal.etag.as_deref() else {
            let text =
                format!("{} was not read by its key: without an ETag it might be a person's by now", removal.key);
            return Ok(Step::over(failed_itself(self.link, self.claimed, self.step, None, &text)));
        };
        let part = self.removal_part(removal, etag, reason);
        let ready = match self.link.tenant.ifs.ready().await {
            Ok(ready) => ready,
            Err(error) => return Ok(Step::over(failed(self.link, self.claimed, self.step, &error))),
        };
        let write = GuardedWrite::new(GuardedChange::Removal(removal.clone()));
        if let Some(waits) = self.announce_guarded(IntentKind::Remove, &write, 1).await? {
            return Ok(waits);
        }
        failpoint::hit(failpoint::REMOVE_INTENT_COMMITTED);
        match self.link.tenant.ifs.write(ready, &part).await {
            Ok(_) => {}
            // Somebody was faster: the next reading shows it.
            Err(IfsError::NotFound { .. }) => return Ok(Step::Stale),
            Err(error) => return self.refused_guarded(&error, ParkKind::Conflict, "removal_refused_by_ifs").await,
        }
        self.lost = None;
        failpoint::hit(failpoint::REMOVE_ANSWERED);
        self.base.rows.retain(|row| row.target != removal.target);
        self.commit("removed", Some(removal.key.clone())).await?;
        Ok(Step::On(None))
    }

    fn removal_part(&self, removal: &Removal, etag: &str, reason: &str) -> PartRequest {
        match removal.target {
            Target::Charge(_) => PartRequest::delete(&removal.url, etag),
            Target::Line(_) | Target::Header | Target::Address => {
                cancel_line_part(&removal.url, etag, &self.link.tenant.limits.cancel_line_action, reason)
            }
        }
    }
}
