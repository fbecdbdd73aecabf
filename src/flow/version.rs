//! Which of two versions of an order wins. `updated_at` is not a version: two deliveries with different content can
//! carry the same one, so equal times with different content are settled by asking Shopify once.

use crate::domain::order::Order;
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

/// Judges a delivered version against the snapshot.
pub fn choose(order: &Order, digest: &str, snapshot: Option<&Snapshot>) -> Choice {
    if let Some(known) = snapshot {
        if order.updated_at < known.updated_at {
            return Choice::Drop("a newer version is known");
        }
        if order.updated_at == known.updated_at {
            if digest == known.digest {
                return Choice::Drop("this version is known");
            }
            if known.reread_digests.iter().any(|seen| seen == digest) {
                return Choice::Drop("this version was settled by a re-read");
            }
            return Choice::ReRead("two contents carry the same updated_at");
        }
    }
    match order.not_whole() {
        Some(lacks) => Choice::ReRead(lacks),
        None => Choice::Take,
    }
}
