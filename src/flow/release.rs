//! The release of an order in IFS, once the gate found nothing: a bound action under the header's ETag. It runs IFS's credit
//! check and may add promotions, so the order is read and gated again after it, whatever state it is in by then.

use super::amend::{Step, Work};
use super::settling::{failed, failed_itself};
use crate::domain::document::ParkKind;
use crate::failpoint;
use crate::mapping::create::release_part;
use crate::mapping::guarded::{GuardedChange, GuardedWrite};
use crate::mapping::read::ReadOrder;
use crate::store::{IntentKind, StoreError};

impl Work<'_> {
    /// Releases the order as it was just read; what it came to is read by the next pass.
    pub(super) async fn release(&mut self, read: &ReadOrder) -> Result<Step, StoreError> {
        let Some(etag) = read.header.etag.as_deref() else {
            let text = "the header was read without an ETag: a release without one might meet another order";
            return Ok(Step::over(failed_itself(self.link, self.claimed, self.step, None, text)));
        };
        let part = release_part(self.order_no, etag, &self.link.tenant.limits.release_action);
        let ready = match self.link.tenant.ifs.ready().await {
            Ok(ready) => ready,
            Err(error) => return Ok(Step::over(failed(self.link, self.claimed, self.step, &error))),
        };
        let write = GuardedWrite::new(GuardedChange::Release(etag.to_owned()));
        if let Some(waits) = self.announce_guarded(IntentKind::Release, &write, 1).await? {
            return Ok(waits);
        }
        failpoint::hit(failpoint::RELEASE_INTENT_COMMITTED);
        if let Err(error) = self.link.tenant.ifs.write(ready, &part).await {
            return self.refused_guarded(&error, ParkKind::Conflict, "release_refused_by_ifs").await;
        }
        self.lost = None;
        failpoint::hit(failpoint::RELEASE_ANSWERED);
        self.base.released = true;
        self.commit("released", Some(self.order_no.to_owned())).await?;
        Ok(Step::On(None))
    }
}
