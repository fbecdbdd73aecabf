//! Whether the service has anything left to do, and how long it left due work lying.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::Trouble;
use crate::app::chain;
use crate::cli::demo::{CONNECTIONS, untold};
use crate::domain::document::{DocumentKind, State};
use crate::domain::ids::ConnectionName;
use crate::sandbox::Sandbox;
use crate::sandbox::ledger::{Class, Entry, Remote};
use crate::sandbox::shopify::Shop;
use crate::store::Store;

/// What stands in IFS.
const IN_IFS: [DocumentKind; 2] = [DocumentKind::Customer, DocumentKind::CustomerOrder];

/// All shops of a sandbox.
pub(super) fn shops(sandbox: &Sandbox) -> impl Iterator<Item = Shop> {
    (0..).map_while(|index| sandbox.shop(index))
}

/// Deliveries and documents that are not at rest, webhooks that follow from what was told back, and what IFS commits late.
pub(super) async fn waiting(store: &Store, sandbox: &Sandbox) -> Result<i64, Trouble> {
    // Asked first: what it brings is in the tables when they are counted.
    let silent = shops(sandbox).all(|shop| shop.is_silent());
    let inbox = store.count_inbox().await.map_err(|error| chain(&error))?;
    let inbox: i64 = inbox.iter().filter(|row| row.state == "received").map(|row| row.count).sum();
    let documents = store.count_open_documents().await.map_err(|error| chain(&error))?;
    let count = |wanted: fn(State) -> bool| -> i64 {
        let rows = documents.iter().filter(|row| State::parse(&row.state).is_some_and(wanted));
        rows.map(|row| row.count).sum()
    };
    let moving = count(|state| state == State::Writing || (state.is_claimable() && state != State::Held));
    // Some orders are meant to wait to the end; whoever waits beyond them will go on.
    let meant = shops(sandbox).flat_map(|shop| shop.stories()).filter(|(_, story)| story.is_held()).count();
    let held = count(|state| state == State::Held) - i64::try_from(meant).unwrap_or(i64::MAX);
    Ok(inbox + moving + held.max(0) + i64::from(!silent) + i64::from(is_late(sandbox)))
}

/// Whether nothing is left to do and nothing left to find: the tables are asked again once the shops' books say that every order is
/// known as it stands there.
pub(super) async fn is_quiet(store: &Store, sandbox: &Sandbox) -> Result<bool, Trouble> {
    if waiting(store, sandbox).await? > 0 {
        return Ok(false);
    }
    let untold = untold(store, sandbox).await.map_err(|failure| format!("what the shops have: {failure:?}"))?;
    Ok(untold == 0 && waiting(store, sandbox).await? == 0)
}

/// Whether IFS may still commit something whose answer was given up: a second order would show only then.
fn is_late(sandbox: &Sandbox) -> bool {
    let late = |entry: &Entry| entry.fault == Some("late_commit") && entry.committed.is_none();
    sandbox.ledger().count_where(late) > 0
}

/// Measures the longest time in which work was due and IFS heard nothing.
pub(super) struct Recovery {
    asked: usize,
    /// Since when work is due and IFS hears nothing.
    idle_since: Option<Instant>,
    longest: Duration,
}

impl Recovery {
    pub(super) fn new() -> Self {
        Self { asked: 0, idle_since: None, longest: Duration::ZERO }
    }

    /// Looks once.
    pub(super) async fn look(&mut self, store: &Store, sandbox: &Sandbox) -> Result<(), Trouble> {
        let due = is_due(store).await?;
        let asked = sandbox.ledger().count_where(|entry| entry.remote == Remote::Ifs && entry.class != Class::Token);
        self.note(due, asked, Instant::now());
        Ok(())
    }

    fn note(&mut self, due: bool, asked: usize, now: Instant) {
        let heard = asked > self.asked;
        self.asked = asked;
        if let Some(since) = self.idle_since {
            self.longest = self.longest.max(now - since);
        }
        self.idle_since = match (due, heard, self.idle_since) {
            (false, _, _) => None,
            (true, true, _) | (true, false, None) => Some(now),
            (true, false, since) => since,
        };
    }

    /// Until now.
    pub(super) fn longest(&self) -> Duration {
        self.longest
    }
}

/// Whether a document waits for nobody but the service; one that a dead process had in hand counts.
async fn is_due(store: &Store) -> Result<bool, Trouble> {
    let documents = store.count_open_documents().await.map_err(|error| chain(&error))?;
    if documents.iter().any(|row| row.state == State::Writing.as_str()) {
        return Ok(true);
    }
    for name in CONNECTIONS {
        let name = ConnectionName::parse(name).map_err(|error| error.to_string())?;
        let due = store.next_due(&name, &IN_IFS).await.map_err(|error| chain(&error))?;
        if due.is_some_and(|due| due <= Timestamp::now()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_counts_only_the_time_in_which_work_was_due_and_ifs_heard_nothing() {
        let begun = Instant::now();
        let at = |secs| begun + Duration::from_secs(secs);
        let mut recovery = Recovery::new();
        recovery.note(false, 3, at(0));
        recovery.note(false, 3, at(50));
        assert_eq!(recovery.longest(), Duration::ZERO, "nothing was due");
        recovery.note(true, 3, at(60));
        recovery.note(true, 3, at(64));
        assert_eq!(recovery.longest(), Duration::from_secs(4));
        recovery.note(true, 4, at(65));
        recovery.note(true, 4, at(67));
        assert_eq!(recovery.longest(), Duration::from_secs(5));
        recovery.note(true, 9, at(99));
        recovery.note(false, 9, at(100));
        assert_eq!(recovery.longest(), Duration::from_secs(34), "since it was heard of last");
    }
}
