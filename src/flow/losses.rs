//! Whose trouble a lost write is. IFS as a whole loses writes of many documents; a document alone loses its own, again and
//! again, while IFS answers the others or nobody else writes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::ids::DocumentId;
use crate::ifs::client::IfsClient;

/// The documents whose writes one tenant has lost since it last answered a write of anybody.
#[derive(Debug, Clone, Default)]
pub struct Losses(Arc<Mutex<Since>>);

#[derive(Debug, Default)]
struct Since {
    /// How many writes were answered by then.
    answered: u64,
    lost_by: BTreeSet<DocumentId>,
}

impl Losses {
    /// Notes that a write of this document was lost. True when that is the document's own trouble: it is the only one that
    /// has lost a write since IFS last answered one, and IFS is not left alone.
    pub fn is_own(&self, document: DocumentId, ifs: &IfsClient) -> bool {
        self.alone(document, ifs.writes_answered()) && !ifs.is_left_alone()
    }

    fn alone(&self, document: DocumentId, answered: u64) -> bool {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if since.answered != answered {
            *since = Since { answered, lost_by: BTreeSet::new() };
        }
        since.lost_by.insert(document);
        since.lost_by.len() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_the_documents_own_unless_others_lose_theirs_too() {
        let losses = Losses::default();
        let [one, other] = [1, 2].map(DocumentId::new);
        assert!(losses.alone(one, 0));
        assert!(losses.alone(one, 0), "nobody else writes");
        assert!(!losses.alone(other, 0), "IFS answers nobody");
        assert!(!losses.alone(one, 0));
        assert!(losses.alone(one, 1), "IFS answered somebody since");
        assert!(losses.alone(other, 2));
    }
}
