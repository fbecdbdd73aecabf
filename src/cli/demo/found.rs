//! Whether the service knows every order as its shop has it by now. An order whose only webhook was lost is in no row until a sweep
//! finds it, so that the service's own tables cannot say that nothing is left to do: the shops' books can.

use std::time::Duration;

use jiff::Timestamp;

use super::super::Failure;
use super::stage::CONNECTIONS;
use crate::domain::ids::ConnectionName;
use crate::sandbox::Sandbox;
use crate::store::{Hint, HintPage, Origin, Store};

/// Time between two sweeps where webhooks are lost: what a sweep finds is waited for at the end. Reading a long list takes points
/// that the orders want too, so it is read less often.
pub(crate) fn sweep_every(orders: u32) -> Duration {
    Duration::from_secs(3 + u64::from(orders) / 500)
}

/// Orders that changed in their shop later than the service knows, those included that it does not know at all.
pub(crate) async fn untold(store: &Store, sandbox: &Sandbox) -> Result<u64, Failure> {
    let mut untold = 0;
    let shops = (0..).map_while(|index| sandbox.shop(index));
    for (shop, name) in shops.zip(CONNECTIONS) {
        let connection = ConnectionName::parse(name).map_err(|error| Failure::Usage(error.to_string()))?;
        let page = HintPage {
            connection,
            origin: Origin::Sweep,
            topic: "",
            hints: shop.last_changes().into_iter().map(hint).collect(),
            seen_at: None,
            cursor: None,
            now: Timestamp::now(),
        };
        untold += store.weigh_hints(page).await?.entered;
    }
    Ok(untold)
}

/// Enough of a hint to be weighed: it enters nowhere.
fn hint((order_id, updated_at): (u64, Timestamp)) -> Hint {
    Hint {
        order_id,
        updated_at: Some(updated_at),
        key: String::new(),
        body: Vec::new(),
        body_sha256: String::new(),
        trace_id: String::new(),
    }
}
