//! An order from before the go-live: looked up in IFS once, by its key, so that its number there is known. It is linked as `noted`
//! and ends as `skipped` whatever is found: never created, never amended, never cancelled.

use super::Connection;
use super::look_up::{self, Found};
use super::settling::{Outcome, failed, settle};
use super::wish::skip_text;
use crate::domain::document::State;
use crate::store::{Claimed, Link, NOTED, Reason, Settled, StoreError};

/// The step's name among the attempts.
const STEP: &str = "note";

/// Looks a skipped order up.
///
/// 1. One that carries the key is linked; several are told; nothing is nothing.
/// 2. Trouble that passes is waited for. Trouble that would need a person is told instead: nothing hangs on an order that is not ours.
///
/// # Errors
/// The store's.
pub(super) async fn note(link: &Connection, claimed: &Claimed, rule: &str) -> Result<State, StoreError> {
    // An open intent of a guarded write cannot be: nothing was ever written. A create's is resolved before.
    let open = claimed.intent.as_ref().map(|intent| intent.id);
    let skipped = |found: &str| {
        let reason = Reason { kind: None, code: rule.to_owned(), text: format!("{}; {found}", skip_text(rule)) };
        Outcome::new(STEP, claimed.desired_version, Settled::Skipped(reason)).detail(found).closing(open, "settled")
    };
    let outcome = match look_up::find_key(link, &claimed.business_key).await {
        // 1.
        Ok(Found::Nothing) => skipped("IFS holds no order with its key"),
        Ok(Found::Fitting { order_no } | Found::Foreign { order_no, .. }) => {
            let found = format!("it stands in IFS as {order_no}, which is noted and left as it is");
            skipped(&found).linking(Link { order_no, origin: NOTED, reason: String::new() })
        }
        Ok(Found::Several(order_nos)) => {
            skipped(&format!("IFS orders {} carry its key, so none is linked", order_nos.join(", ")))
        }
        // 2.
        Err(error) => {
            let failed = failed(link, claimed, STEP, &error);
            if failed.is_parked() {
                skipped(&format!("it could not be looked up in IFS ({error}): `documents retry` looks again"))
            } else {
                failed.closing(open, "settled")
            }
        }
    };
    settle(link, claimed, outcome).await
}
