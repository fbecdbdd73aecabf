//! The service's own account of the day: what it says of each order, and what of its documents is not at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rust_decimal::Decimal;

use super::super::Failure;
use crate::domain::document::{DocumentKind, State};
use crate::flow::wish::Wish;
use crate::flow::write_back;
use crate::ifs::wire::Objstate;
use crate::sandbox::Parked;
use crate::store::{DocumentFilter, DocumentRow, Store};

/// Documents read at once.
const PAGE: i64 = 500;

/// An order that waits is taken up now and then to look whether it must: so often the account is read anew for it.
const READ_AGAIN_MAX: u32 = 50;
/// The pause between two readings.
const READ_AGAIN: Duration = Duration::from_millis(100);

/// How the service says that an order ended.
pub(super) struct End {
    pub(super) state: State,
    /// The code of its reason, where it has one.
    pub(super) code: Option<String>,
}

impl End {
    /// Why it is not simply written. A written order may still say what failed last.
    pub(super) fn told(&self) -> Option<String> {
        let waits = matches!(self.state, State::Parked | State::Held | State::Skipped);
        self.code.clone().filter(|_| waits)
    }
}

/// All that the service says at the end.
#[derive(Default)]
pub(super) struct Account {
    /// Orders that wait, with the reason.
    pub(super) parked: Vec<Parked>,
    pub(super) written: usize,
    pub(super) totals: BTreeMap<String, Decimal>,
    pub(super) states: BTreeMap<&'static str, usize>,
    pub(super) quarantined: usize,
    pub(super) ends: BTreeMap<u64, End>,
    /// Orders that a person cancelled in IFS, as the service tells the shop.
    ended_there: BTreeSet<u64>,
    /// Customers and write-backs that are not at rest, in words.
    pub(super) unsettled: Vec<String>,
}

impl Account {
    /// Reads it, once nothing is under way.
    pub(super) async fn read(store: &Store) -> Result<Self, Failure> {
        let mut account = Self::read_now(store).await?;
        for _ in 0..READ_AGAIN_MAX {
            if !account.states.contains_key(State::Writing.as_str()) {
                break;
            }
            tokio::time::sleep(READ_AGAIN).await;
            account = Self::read_now(store).await?;
        }
        Ok(account)
    }

    async fn read_now(store: &Store) -> Result<Self, Failure> {
        let (mut account, mut orders) = (Self::default(), Vec::new());
        let mut after = None;
        loop {
            let page =
                store.list_documents(DocumentFilter { connection: None, state: None, after, limit: PAGE }).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.get());
            for document in &page {
                if document.kind == DocumentKind::WriteBack.as_str() {
                    account.note_end(document);
                }
                if document.kind == DocumentKind::CustomerOrder.as_str() {
                    orders.push(document.clone());
                } else if !matches!(document.state, State::Written | State::Superseded) {
                    let code = document.reason.as_ref().map_or("", |reason| reason.code.as_str());
                    account.unsettled.push(format!(
                        "{} of order {}: {} {code}",
                        document.kind,
                        document.order_id,
                        document.state.as_str()
                    ));
                }
            }
        }
        orders.iter().for_each(|order| account.enter_order(order));
        account.quarantined = store.quarantined(PAGE).await?.len();
        Ok(account)
    }

    fn note_end(&mut self, document: &DocumentRow) {
        let told = serde_json::from_str::<write_back::Content>(&document.desired);
        if told.is_ok_and(|told| told.state.as_deref() == Some(Objstate::Cancelled.as_str())) {
            self.ended_there.insert(document.order_id);
        }
    }

    fn enter_order(&mut self, document: &DocumentRow) {
        let code = document.reason.as_ref().map(|reason| reason.code.clone());
        self.ends.insert(document.order_id, End { state: document.state, code });
        *self.states.entry(document.state.as_str()).or_default() += 1;
        if matches!(document.state, State::Parked | State::Held) {
            let reason = document.reason.as_ref().map(|reason| format!("{}: {}", reason.code, reason.text));
            self.parked.push(Parked { order_id: document.order_id, reason: reason.unwrap_or_default() });
        }
        if self.ended_there.contains(&document.order_id) {
            return;
        }
        if let (State::Written, Ok(Wish::Write { order })) = (document.state, Wish::parse(&document.desired)) {
            self.written += 1;
            *self.totals.entry(order.expected.currency.clone()).or_default() += order.expected.total;
        }
    }
}
