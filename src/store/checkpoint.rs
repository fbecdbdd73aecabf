//! SQLite's log is written back into the database beside the writer: a commit that does it itself waits for all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use diesel::connection::SimpleConnection as _;

use super::dialect::Db;
use super::{Door, Inner};

/// Writes between two of them. Each writes a few pages of the log; the writer itself writes it back when it has grown far longer
/// (`wal_autocheckpoint`), as where nothing else does.
const WRITES: u32 = 256;

/// Counts writes, and runs one at a time.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    writes: AtomicU32,
    under_way: Arc<AtomicBool>,
}

/// After a write: the log is written back, if it is time and nobody does. Without an answer: what it leaves the next one takes up.
pub(super) fn after(inner: &Arc<Inner>, door: Door) {
    let checkpoints = &inner.checkpoints;
    let due = door == Door::Writers && checkpoints.writes.fetch_add(1, Ordering::Relaxed) % WRITES == WRITES - 1;
    if !due || checkpoints.under_way.swap(true, Ordering::AcqRel) {
        return;
    }
    let (inner, under_way) = (Arc::clone(inner), Arc::clone(&checkpoints.under_way));
    tokio::spawn(async move {
        let connection = inner.connections.acquire().await;
        let pool = inner.pool.clone();
        let written_back = tokio::task::spawn_blocking(move || {
            let Ok(mut db) = pool.get() else { return };
            if let Db::Lite(lite) = &mut *db
                && let Err(error) = lite.batch_execute("PRAGMA wal_checkpoint(PASSIVE)")
            {
                tracing::warn!(%error, "SQLite's log could not be written back: it is tried again after more writes");
            }
        });
        written_back.await.unwrap_or_default();
        drop(connection);
        under_way.store(false, Ordering::Release);
    });
}
