//! What a caller does about the answer of a remote; how an answer is judged lives with each remote's `error`, waiting in `remote`.

use std::time::Duration;

/// The one question that every client error answers. Exhaustive on purpose: a new case must be handled everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The remote did it, and said so in a way that we could read.
    Done,
    /// Nothing was done; the same call may go again.
    Retry {
        /// What the remote asked us to wait; `None` leaves it to our own policy.
        after: Option<Duration>,
        /// Whose trouble it is.
        scope: Scope,
    },
    /// It may have been done or not: only a look-up can tell. A create with this verdict is never sent again before that.
    Ambiguous,
    /// The remote refused and will refuse again: a person has to look.
    Reject,
    /// No byte left this machine.
    NotSent,
}

/// Whose trouble a retry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The remote as a whole: it never counts against a document.
    Remote,
    /// This one record: it counts, and parks the document in the end.
    Record,
}
