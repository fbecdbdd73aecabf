//! What a run leaves behind for the checker: three ledgers, and what the children used.

use super::account::Account;
use super::children::Peaks;
use crate::sandbox::Sandbox;
use crate::sandbox::shopify::Receipt;

/// Three ledgers of one run, and the bounds that it kept to.
pub(super) struct Evidence<'a> {
    /// The driver's own list of what was acknowledged.
    pub(super) receipts: &'a [Receipt],
    /// The remotes, with their books and their ledger of requests.
    pub(super) sandbox: &'a Sandbox,
    /// What the service says.
    pub(super) account: &'a Account,
    /// The most that any child used.
    pub(super) peaks: Peaks,
    /// How large the database became, bytes.
    pub(super) database_bytes: u64,
}
