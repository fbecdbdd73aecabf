//! Carrying changed rules to orders that were written under earlier ones: what each would become, and whether that may be written on an
//! order that stands. Reads rows only; the writer does the rest, as with any change.

use jiff::Timestamp;

use super::rejudge::wish_today;
use super::wish::Wish;
use crate::domain::document::Trace;
use crate::domain::ids::ConnectionName;
use crate::mapping::difference::{Difference, differences};
use crate::mapping::late;
use crate::mapping::rules::Rules;
use crate::store::{Anew, DocumentRow, Store, StoreError};

/// What today's rules make of one order that stands in IFS.
#[derive(Debug, Clone)]
pub enum Remapped {
    /// The same: only the note of which rules made it changes.
    Same(Anew),
    /// Something else.
    Differs {
        /// What would change.
        differences: Vec<Difference>,
        /// What is to be stored for it.
        anew: Anew,
    },
    /// It cannot be carried over; it stays as the old rules made it.
    Stays {
        /// What would have changed, where that is known.
        differences: Vec<Difference>,
        /// Why, for a person.
        why: String,
    },
}

/// Maps the newest version that we know of an order anew and compares.
///
/// # Errors
/// The store's.
pub async fn remapped(
    store: &Store,
    rules: &Rules,
    connection: &ConnectionName,
    document: &DocumentRow,
    now: Timestamp,
) -> Result<Remapped, StoreError> {
    let stays = |differences, why: String| Ok(Remapped::Stays { differences, why });
    // Invariant: a second order is never given the whole order's content.
    if late::is_second(&document.business_key) {
        return stays(Vec::new(), "it is a second order, which follows its first one".to_owned());
    }
    let Some(today) = wish_today(store, rules, connection, document.order_id, now).await? else {
        return stays(Vec::new(), "no version of the order is known that this program can read".to_owned());
    };
    let anew = Anew {
        wish: today.for_store(Trace::Possible),
        rules_revision: rules.revision().to_owned(),
        seen_version: document.desired_version,
        seen_content: document.desired.clone(),
    };
    match (Wish::parse(&document.desired), today) {
        (Ok(known), today) if known == today => Ok(Remapped::Same(anew)),
        (Ok(Wish::Write { order: known }), Wish::Write { order }) => {
            let differences = differences(&known, &order);
            let fixed: Vec<String> =
                differences.iter().filter(|one| one.change.is_none()).map(Difference::what).collect();
            if fixed.is_empty() {
                return Ok(Remapped::Differs { differences, anew });
            }
            let why = format!("{} is not written again on an order that stands", fixed.join(", "));
            stays(differences, why)
        }
        (_, Wish::Write { .. } | Wish::Cancel { .. }) => Ok(Remapped::Differs { differences: Vec::new(), anew }),
        (_, Wish::Park { code, text, .. }) => stays(Vec::new(), format!("today's rules park it: {code}: {text}")),
        (_, Wish::Skip { rule, .. }) => {
            stays(Vec::new(), format!("today's rule {rule} keeps such an order out of IFS"))
        }
        (_, Wish::Hold { code, .. }) => stays(Vec::new(), format!("today's rules hold it: {code}")),
    }
}
