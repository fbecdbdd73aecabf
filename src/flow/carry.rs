//! A new version of an order that stands in IFS, where the rules were changed since it was written: changed rules do not travel with it.

use super::Connection;
use super::rejudge::version_of;
use super::wish::{self, Footing, Wish};
use crate::domain::ids::ConnectionName;
use crate::mapping::carry::carry;
use crate::mapping::desired::DesiredOrder;
use crate::mapping::rules::Rules;
use crate::store::{Snapshot, StoreError, UnderOtherRules};

/// A wish that keeps what earlier rules made of all that Shopify did not change.
pub(super) struct Carried {
    /// The wish.
    pub(super) wish: Wish,
    /// The rules that what was kept comes from.
    pub(super) rules_revision: String,
    /// The desired version that it was made to follow.
    pub(super) seen_version: i64,
}

/// The wish as it travels; none where today's rules made what is desired so far, or where that cannot be followed: it was parked, or
/// today's rules do not map the version behind it.
///
/// # Errors
/// The store's.
pub(super) async fn carried(
    link: &Connection,
    key: &str,
    snapshot: Option<&Snapshot>,
    footing: &Footing,
    wish: &Wish,
) -> Result<Option<Carried>, StoreError> {
    let (Wish::Write { order: after }, Footing::InIfs, Some(snapshot)) = (wish, footing, snapshot) else {
        return Ok(None);
    };
    let Some(known) = link.store.under_other_rules(&link.name, key, link.rules.revision()).await? else {
        return Ok(None);
    };
    let Some(order) = followed(&link.rules, &link.name, snapshot, &known, after, link.clock.now()) else {
        return Ok(None);
    };
    Ok(Some(Carried {
        wish: Wish::Write { order: Box::new(order) },
        rules_revision: known.rules_revision,
        seen_version: known.desired_version,
    }))
}

fn followed(
    rules: &Rules,
    name: &ConnectionName,
    snapshot: &Snapshot,
    known: &UnderOtherRules,
    after: &DesiredOrder,
    now: jiff::Timestamp,
) -> Option<DesiredOrder> {
    let Ok(Wish::Write { order: desired }) = Wish::parse(&known.desired) else { return None };
    let version = version_of(snapshot)?;
    match wish::judge(&version.order, rules, &Footing::InIfs, now) {
        Wish::Write { order: before } => Some(carry(&desired, &before, after)),
        Wish::Cancel { .. } | Wish::Skip { .. } | Wish::Hold { .. } | Wish::Park { .. } => {
            tracing::warn!(
                connection = %name, order_id = version.order.id.get(),
                "the rules have changed and do not map the known version of an order that stands in IFS: its new version is written as \
                 today's rules say"
            );
            None
        }
    }
}
