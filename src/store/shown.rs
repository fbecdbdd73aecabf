//! Documents as they are shown: with their record in IFS, their open intent and the name of their order.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use super::dialect::Db;
use super::documents::{DocumentRow, Raw, Reason, state_of, words};
use super::intents::IntentKind;
use super::rows::{instant, unsigned};
use super::{StoreError, schema};
use crate::domain::document::{DocumentKind, ParkKind};
use crate::domain::ids::DocumentId;

/// One row as it is shown.
pub(super) fn shown(db: &mut Db, raw: Raw) -> Result<DocumentRow, StoreError> {
    shown_all(db, vec![raw])?.pop().ok_or(StoreError::Stale)
}

/// Rows that one statement names at most.
const ROWS_AT_ONCE: usize = 250;

/// Rows as they are shown, in their sequence: what belongs to them is read for many at once.
pub(super) fn shown_all(db: &mut Db, rows: Vec<Raw>) -> Result<Vec<DocumentRow>, StoreError> {
    let mut shown = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter();
    loop {
        let some: Vec<Raw> = rows.by_ref().take(ROWS_AT_ONCE).collect();
        if some.is_empty() {
            return Ok(shown);
        }
        let mut beside = Beside::of(db, &some)?;
        for raw in some {
            shown.push(beside.row(raw)?);
        }
    }
}

/// What is shown beside rows and stands in other tables.
struct Beside {
    links: HashMap<i64, (String, String)>,
    open: HashMap<i64, String>,
    names: HashMap<(String, i64), String>,
}

impl Beside {
    fn of(db: &mut Db, rows: &[Raw]) -> Result<Self, StoreError> {
        use schema::{customer_links, intents, order_links, orders};
        let is_customer = |raw: &&Raw| raw.kind == DocumentKind::Customer.as_str();
        let customers: Vec<i64> = rows.iter().filter(is_customer).map(|raw| raw.id).collect();
        let ids: Vec<i64> = rows.iter().map(|raw| raw.id).collect();
        let order_ids: Vec<i64> = rows.iter().map(|raw| raw.order_id).collect();
        let mut links: Vec<(i64, String, String)> = order_links::table
            .filter(order_links::document_id.eq_any(&ids))
            .select((order_links::document_id, order_links::order_no, order_links::origin))
            .load(db)?;
        if !customers.is_empty() {
            let of_customers: Vec<(i64, String, String)> = customer_links::table
                .filter(customer_links::document_id.eq_any(&customers))
                .select((customer_links::document_id, customer_links::customer_no, customer_links::origin))
                .load(db)?;
            links.extend(of_customers);
        }
        let open: Vec<(i64, String)> = intents::table
            .filter(intents::document_id.eq_any(&ids))
            .filter(intents::closed_at.is_null())
            .select((intents::document_id, intents::kind))
            .load(db)?;
        let names: Vec<(String, i64, String)> = orders::table
            .filter(orders::connection.eq_any(rows.iter().map(|raw| &raw.connection).collect::<BTreeSet<_>>()))
            .filter(orders::order_id.eq_any(&order_ids))
            .select((orders::connection, orders::order_id, orders::name))
            .load(db)?;
        Ok(Self {
            links: links.into_iter().map(|(id, number, origin)| (id, (number, origin))).collect(),
            open: open.into_iter().collect(),
            names: names.into_iter().map(|(connection, id, name)| ((connection, id), name)).collect(),
        })
    }

    fn row(&mut self, raw: Raw) -> Result<DocumentRow, StoreError> {
        let state = state_of(&raw)?;
        let open_intent =
            self.open.get(&raw.id).map(|kind| IntentKind::parse(kind)).transpose()?.map(IntentKind::as_str);
        let (order_no, origin) = self.links.remove(&raw.id).unzip();
        let order_name = self.names.get(&(raw.connection.clone(), raw.order_id)).cloned();
        let reason = raw.reason_code.map(|code| Reason {
            kind: raw.reason_kind.as_deref().and_then(ParkKind::parse),
            code,
            text: raw.reason_text.unwrap_or_default(),
        });
        Ok(DocumentRow {
            id: DocumentId::new(raw.id),
            connection: raw.connection,
            kind: raw.kind,
            business_key: raw.business_key,
            order_id: unsigned(raw.order_id),
            order_name,
            state,
            reason,
            desired: raw.desired,
            desired_version: raw.desired_version,
            written: raw.written,
            written_version: raw.written_version,
            order_no,
            origin,
            attempts: raw.attempts,
            due_at: instant(raw.due_at),
            held_since: raw.held_since.map(instant),
            released: words(&raw.released),
            waits_for: raw.waits_for.map(DocumentId::new),
            claimed: raw.claim.is_some(),
            open_intent,
            look_up_first: raw.look_up_first != 0,
            rules_revision: raw.rules_revision,
            trace_id: raw.trace_id,
            created_at: instant(raw.created_at),
            updated_at: instant(raw.updated_at),
        })
    }
}
