//! Which of two versions of an order wins. `updated_at` is not a version: two deliveries with different content can
//! carry the same one, so equal times with different content are settled by asking Shopify once.

use crate::domain::order::{Order, Told};
use crate::planted;
use crate::store::Snapshot;

/// What to do with a delivered version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It is the newest that we know.
    Take,
    /// We know it, or a newer one.
    Drop(&'static str),
    /// Only Shopify can say: read the order by its id.
    ReRead(&'static str),
}

/// Why an order is read again that is whole.
const FACTS: &str = "facts that the rules need";

/// Only a re-read tells every fact; it is remembered by its road.
const TELLS_ALL: &str = "graphql";

/// Judges a delivered version against the snapshot.
///
/// A version that lacks facts which the rules need is re-read, and once only: the snapshot of the answer is known by then. What
/// the snapshot knows of the sale itself is added to the order before.
pub fn choose(order: &Order, digest: &str, needs: Told, snapshot: Option<&Snapshot>) -> Choice {
    let lacks_facts = order.lacks_facts(needs);
    if let Some(known) = snapshot {
        if order.updated_at < known.updated_at && !planted::is(planted::OLDER_VERSION_WINS) {
            return Choice::Drop("a newer version is known");
        }
        if order.updated_at == known.updated_at {
            if digest == known.digest {
                // Who sold it is in no re-read: the webhook that tells it may come after one.
                let tells_more = order.sale() != known.sale;
                let again = lacks_facts && (known.road != TELLS_ALL || tells_more);
                return match (again, tells_more) {
                    (true, _) => Choice::ReRead(FACTS),
                    // The digest leaves out what a payload that is not whole lacks.
                    (false, true) => order.not_whole().map_or(Choice::Take, Choice::ReRead),
                    (false, false) => Choice::Drop("this version is known"),
                };
            }
            if known.reread_digests.iter().any(|seen| seen == digest) {
                return Choice::Drop("this version was settled by a re-read");
            }
            return Choice::ReRead("two contents carry the same updated_at");
        }
    }
    match order.not_whole() {
        Some(lacks) => Choice::ReRead(lacks),
        None if lacks_facts => Choice::ReRead(FACTS),
        None => Choice::Take,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOGUE: Told = Told { catalogue: true, company: false, risk: false, groups: false };

    fn order() -> Order {
        let path = format!("{}/tests/fixtures/orders/plain-eur/webhook.json", env!("CARGO_MANIFEST_DIR"));
        let body = std::fs::read(path).expect("the fixture is there");
        super::super::map_delivery::decode(&body).expect("it decodes").order
    }

    fn snapshot(order: &Order, road: &str) -> Snapshot {
        Snapshot {
            revision: 1,
            updated_at: order.updated_at,
            digest: order.digest(),
            road: road.into(),
            payload: Vec::new(),
            born_here: true,
            reread_digests: Vec::new(),
            sale: order.sale(),
        }
    }

    #[test]
    fn facts_that_no_rule_needs_cost_no_re_read() {
        let order = order();
        assert_eq!(choose(&order, &order.digest(), Told::default(), None), Choice::Take);
    }

    #[test]
    fn a_known_version_that_tells_who_sold_it_is_no_known_one() {
        let mut order = order();
        let known = snapshot(&order, "graphql");
        assert_eq!(
            choose(&order, &order.digest(), Told::default(), Some(&known)),
            Choice::Drop("this version is known")
        );
        order.staff_id = Some(9);
        assert_eq!(choose(&order, &order.digest(), Told::default(), Some(&known)), Choice::Take);
        assert_eq!(choose(&order, &order.digest(), CATALOGUE, Some(&known)), Choice::ReRead(FACTS));
        let told = snapshot(&order, "graphql");
        assert_eq!(choose(&order, &order.digest(), CATALOGUE, Some(&told)), Choice::Drop("this version is known"));
    }

    #[test]
    fn facts_that_a_rule_needs_are_read_once_for_each_version() {
        let (order, digest) = (order(), order().digest());
        assert_eq!(choose(&order, &digest, CATALOGUE, None), Choice::ReRead(FACTS));
        // The same version again: not while the answer with the facts is known, but once where it is not.
        let told = snapshot(&order, "graphql");
        assert_eq!(choose(&order, &digest, CATALOGUE, Some(&told)), Choice::Drop("this version is known"));
        let untold = snapshot(&order, "rest");
        assert_eq!(choose(&order, &digest, CATALOGUE, Some(&untold)), Choice::ReRead(FACTS));
        // A newer version lacks them too.
        let mut older = told;
        older.updated_at = jiff::Timestamp::UNIX_EPOCH;
        assert_eq!(choose(&order, &digest, CATALOGUE, Some(&older)), Choice::ReRead(FACTS));
        // One that tells them is taken as it is.
        let mut whole = order;
        whole.told = CATALOGUE;
        assert_eq!(choose(&whole, &digest, CATALOGUE, Some(&older)), Choice::Take);
    }
}
