//! Whether every order is known that was placed or changed before the shop's levels were read. Without that nobody can say what its
//! figures stand for, and no level may rise.

use jiff::Timestamp;

use crate::flow::Connection;
use crate::flow::sweep::SWEEP;
use crate::store::StoreError;

/// Which orders are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// All of them.
    All,
    /// Those of an earlier sweep: another one has to find the others.
    Unswept,
    /// A sweep found them, and deliveries wait to be mapped.
    Unmapped,
}

/// Whether a sweep that began after `since` was done, and all that it found is mapped.
///
/// # Errors
/// The database's refusal.
pub async fn look(link: &Connection, since: Timestamp) -> Result<Known, StoreError> {
    let (_, done) = link.store.latest_runs(&link.name, SWEEP).await?;
    let Some(swept) = done.filter(|run| run.started_at >= since) else { return Ok(Known::Unswept) };
    let swept_until = swept.ended_at.unwrap_or(swept.started_at);
    // What was received later tells of a later change, or of what the sweep found too.
    let waits = link.store.has_unmapped(&link.name, swept_until).await?;
    Ok(if waits { Known::Unmapped } else { Known::All })
}
