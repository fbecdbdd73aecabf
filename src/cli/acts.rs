//! What a person does to one document: `documents retry` and `release`. The order is judged under today's settings first, and
//! what comes of it is stored only if the order has not changed meanwhile.

use jiff::Timestamp;

use super::documents::the_document;
use super::{Failure, who};
use crate::config::{ConnectionSettings, Settings};
use crate::domain::document::{DocumentKind, State, Trace};
use crate::domain::ids::{ConnectionName, DocumentId};
use crate::domain::order::Order;
use crate::flow::customer_order;
use crate::flow::parts::{self, Today};
use crate::flow::re_read::NOT_CONFIRMED;
use crate::flow::rejudge::{known_order, rejudge};
use crate::flow::sync::ask_again;
use crate::flow::wish::{self, Footing};
use crate::mapping::rules::Rules;
use crate::mapping::{holds, late};
use crate::store::{Anew, DocumentRow, HELD_TOO_LONG, Store, StoreError, Wish};

/// How often an order that changes while it is judged is judged again.
const ROUNDS_MAX: usize = 5;

/// The connection of a document, as the settings have it today.
pub(super) fn connection_of<'a>(
    settings: &'a Settings,
    document: &DocumentRow,
) -> Result<(&'a ConnectionName, &'a ConnectionSettings), Failure> {
    settings
        .connections
        .iter()
        .find(|(name, _)| name.as_str() == document.connection)
        .ok_or_else(|| Failure::Usage(format!("the settings have no [connections.{}] any more", document.connection)))
}

/// Tries a document again, its order judged anew.
pub(super) async fn retry(settings: &Settings, store: &Store, id: i64) -> Result<(), Failure> {
    for _ in 0..ROUNDS_MAX {
        let document = the_document(store, id).await?;
        let (name, connection) = connection_of(settings, &document)?;
        let (rules, order_id) = (&connection.rules, document.order_id);
        let wish = match DocumentKind::parse(&document.kind) {
            // Invariant: a second order is never given the whole order's content.
            Some(DocumentKind::CustomerOrder) if late::is_second(&document.business_key) => {
                second_today(store, rules, &document, name).await?
            }
            Some(DocumentKind::CustomerOrder) => rejudge(store, rules, name, order_id, Timestamp::now()).await?,
            Some(DocumentKind::Customer) => customer_order::rejudged(store, rules, name, order_id).await?,
            // It is told anew with the next step of its order; what is to be told now stands in the row.
            Some(DocumentKind::WriteBack) | None => None,
        };
        let anew = wish.map(|wish| Anew {
            wish,
            rules_revision: connection.rules.revision().to_owned(),
            seen_version: document.desired_version,
            seen_content: document.desired.clone(),
        });
        match store.retry_document(DocumentId::new(id), anew, who(), Timestamp::now()).await {
            Err(StoreError::Stale) => {}
            other => {
                other?;
                // What could not be read was a newer version than the one that was judged now.
                if document.reason.as_ref().is_some_and(|reason| reason.code == NOT_CONFIRMED) {
                    ask_again(store, name, order_id, Timestamp::now()).await?;
                }
                return Ok(());
            }
        }
    }
    Err(changes_too_fast(id))
}

/// The second order's part under today's rules; none where what stands in the row still holds.
async fn second_today(
    store: &Store,
    rules: &Rules,
    document: &DocumentRow,
    name: &ConnectionName,
) -> Result<Option<Wish>, Failure> {
    match parts::second_today(store, rules, name, document.order_id, Timestamp::now()).await? {
        Today::Asks(wish) => Ok(Some(*wish)),
        Today::Stands => Ok(None),
        Today::Unclear(why) => Err(Failure::Usage(format!(
            "document {} is a second order, and what of the order is its part cannot be told: {why}; run `documents retry` for the \
             first order, or put the rules back; or set it right in IFS, then run `documents resolve`",
            document.id
        ))),
    }
}

/// Releases a held document from what it waits for.
pub(super) async fn release(settings: &Settings, store: &Store, id: i64, note: &str) -> Result<(), Failure> {
    for _ in 0..ROUNDS_MAX {
        let document = the_document(store, id).await?;
        let (name, connection) = connection_of(settings, &document)?;
        releasable(&document)?;
        let Some(order) = known_order(store, name, document.order_id).await? else {
            return Err(Failure::Usage(
                "the order's snapshot cannot be read: run the version that wrote it".to_owned(),
            ));
        };
        let codes = waited_for(&order, connection, &document);
        let footing = match wish::footing(store, name, &document.business_key).await? {
            Footing::InIfs => Footing::InIfs,
            Footing::NotInIfs { released } => {
                Footing::NotInIfs { released: released.into_iter().chain(codes.iter().cloned()).collect() }
            }
        };
        let wish = wish::judge(&order, &connection.rules, &footing, Timestamp::now());
        let anew = Anew {
            wish: wish.for_store(Trace::Possible),
            rules_revision: connection.rules.revision().to_owned(),
            seen_version: document.desired_version,
            seen_content: document.desired.clone(),
        };
        let by = (who(), note.to_owned());
        match store.release_document(DocumentId::new(id), codes, anew, by, Timestamp::now()).await {
            Err(StoreError::Stale) => {}
            other => return Ok(other?),
        }
    }
    Err(changes_too_fast(id))
}

fn releasable(document: &DocumentRow) -> Result<(), Failure> {
    if late::is_second(&document.business_key) {
        return Err(Failure::Usage(format!(
            "document {} is the second order of one that stands in IFS: it waits for no condition that can be released",
            document.id
        )));
    }
    let code = document.reason.as_ref().map_or("", |reason| reason.code.as_str());
    let waits = document.state == State::Held || (document.state == State::Parked && code == HELD_TOO_LONG);
    if !waits {
        return Err(Failure::Usage(format!(
            "document {} is {}: only one that is held, or parked as {HELD_TOO_LONG}, can be released; see `documents show`",
            document.id, document.state
        )));
    }
    match document.waits_for {
        Some(customer) if matches!(code, "waits_for_customer" | "customer_parked") => Err(Failure::Usage(format!(
            "document {} waits for its customer: settle document {customer} instead; see `documents show {customer}`",
            document.id
        ))),
        _ => Ok(()),
    }
}

/// The conditions that are not met now, and the one that the row names: all are released.
fn waited_for(order: &Order, connection: &ConnectionSettings, document: &DocumentRow) -> Vec<String> {
    let now = Timestamp::now();
    let unmet = holds::hold(order, &connection.rules, &document.released, now).map(|hold| hold.codes);
    let mut codes: Vec<String> = unmet.into_iter().flatten().map(str::to_owned).collect();
    let named = document.reason.as_ref().map(|reason| reason.code.clone()).filter(|code| code != HELD_TOO_LONG);
    codes.extend(named);
    codes.sort();
    codes.dedup();
    codes
}

fn changes_too_fast(id: i64) -> Failure {
    Failure::Usage(format!("the order of document {id} changed while it was judged, {ROUNDS_MAX} times: try again"))
}
