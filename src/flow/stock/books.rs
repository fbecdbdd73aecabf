//! Whether every order is known that was placed or changed before the shop's levels were read. Without that nobody can say what its
//! figures stand for, and no level may rise.

use jiff::SignedDuration;

use crate::flow::Connection;
use crate::flow::sweep::SWEEP;
use crate::store::StoreError;

/// A sweep that was begun longer ago, and has not ended, may have died: another one is asked for.
const SWEEP_MAX: SignedDuration = SignedDuration::from_secs(30);

/// Which orders are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// All of them.
    All,
    /// Those of an earlier sweep: another one has to find the others.
    Unswept,
    /// Those of an earlier sweep, and another one is under way.
    Sweeping,
    /// A sweep found them, and deliveries wait to be mapped.
    Unmapped,
}

/// The newest sweep that has begun so far; one with a greater number began later, whatever the clock says.
///
/// # Errors
/// The database's refusal.
pub(super) async fn newest_sweep(link: &Connection) -> Result<i64, StoreError> {
    let (latest, _) = link.store.latest_runs(&link.name, SWEEP).await?;
    Ok(latest.map_or(0, |run| run.id))
}

/// Whether a sweep that began behind this one was done, and all that it found is mapped. `found` is kept between looks: the newest
/// delivery when that sweep was seen to be done. What was received later tells of a later change, or of what the sweep found too.
///
/// # Errors
/// The database's refusal.
pub(super) async fn look(link: &Connection, behind: i64, found: &mut Option<i64>) -> Result<Known, StoreError> {
    let (latest, done) = link.store.latest_runs(&link.name, SWEEP).await?;
    if done.is_none_or(|run| run.id <= behind) {
        let young = SignedDuration::ZERO..SWEEP_MAX;
        let is_under_way = latest.is_some_and(|run| {
            let age = link.clock.now().duration_since(run.started_at);
            run.id > behind && run.outcome.is_none() && young.contains(&age)
        });
        return Ok(if is_under_way { Known::Sweeping } else { Known::Unswept });
    }
    let newest = match *found {
        Some(newest) => newest,
        None => *found.insert(link.store.newest_delivery().await?),
    };
    let waits = link.store.has_unmapped(&link.name, newest).await?;
    Ok(if waits { Known::Unmapped } else { Known::All })
}
