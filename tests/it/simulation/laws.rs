//! What must hold once nothing goes wrong any more: the run comes to rest, and then IFS holds the shop's books, once.

use std::collections::BTreeSet;
use std::time::Duration;

use ml_connector::domain::document::State;
use ml_connector::flow::map_delivery::map_delivery;
use ml_connector::flow::sweep::{self, Swept};
use ml_connector::flow::{write_back, writer};
use ml_connector::sandbox::Parked;
use ml_connector::sandbox::ledger::{Class, Entry};
use ml_connector::sandbox::shopify::{Change, Planted, Story};
use ml_connector::store::DocumentRow;
use rand::Rng as _;

use super::play::Run;
use super::shop::live;

/// Rounds until all must rest, each up to what is due next.
const ROUNDS_MAX: usize = 200;
/// How often the shop's list is swept to its end meanwhile.
const SWEEPS: usize = 2;
/// Reasons for which an order may rest with a person, beside those that were planted: both sides wrote on one field.
const CONTESTED: &str = "both_sides_changed";

impl Run {
    /// Lets all come to rest after the troubles.
    pub async fn heal(&mut self) {
        self.calm().await;
        self.stage.clock.set_wall(self.stage.true_time());
        self.stage.set_remotes_clock();
        self.release_held();
        self.stage.take_over().await;
        // Every order changes once more; in every other run no webhook tells of anything any more, and the sweep has to find it.
        let by_sweep = self.random.random_bool(0.5);
        if by_sweep {
            self.trace.say("no webhook comes any more");
            self.sales.pool.clear();
        }
        let shop = self.stage.world.shop();
        for index in 0..self.sales.orders.len() {
            let sold = &mut self.sales.orders[index];
            if let Some(owed) = sold.owes() {
                shop.change(sold.id, owed);
            } else if sold.moves() && !sold.contested {
                shop.change(sold.id, Change::Address);
            }
            // One that a person contests changes no more: where its last version is a second one of its second, no sweep tells of it.
            if !by_sweep || sold.contested {
                self.sales.tell(&shop, index, &["orders/updated"]);
            }
        }
        while !self.sales.pool.is_empty() {
            self.deliver().await;
        }
        self.rest().await;
    }

    /// Maps, writes and tells what is due, and moves the clock to what is due next, until nothing is.
    async fn rest(&mut self) {
        let link = std::sync::Arc::clone(&self.stage.owner.link);
        let mut sweeps = 0;
        for _ in 0..ROUNDS_MAX {
            self.stage.set_remotes_clock();
            // The shop may be left alone for a while after its troubles.
            if sweeps < SWEEPS && matches!(sweep::sweep(&link).await.expect("sweeps"), Swept::Done(_)) {
                sweeps += 1;
            }
            for received in link.store.due_deliveries(&link.name, link.clock.now(), 1_000).await.expect("reads") {
                map_delivery(&link, &received).await.expect("maps");
            }
            let written = writer::drain(&link).await.expect("writes");
            let told = write_back::drain(&link).await.expect("tells");
            let busy = self.count("SELECT COUNT(*) FROM inbox WHERE state = 'received'")
                + self.count(
                    "SELECT COUNT(*) FROM documents WHERE state IN ('planned', 'writing', 'retry', 'unknown', 'held')",
                );
            if busy == 0 && sweeps == SWEEPS {
                return;
            }
            // What a wrong clock postponed within the hour waits that long.
            let wait = [written, told].into_iter().flatten().min().unwrap_or(Duration::from_secs(60));
            self.stage.clock.advance(wait.max(Duration::from_secs(1)));
        }
        let waits =
            "SELECT 'delivery ' || id || ' ' || COALESCE(reason, '') AS value FROM inbox WHERE state = 'received'";
        let waits = self.stage.world.database.texts(waits).join("\n");
        panic!("it never came to rest: {}\n{waits}", brief(&self.documents().await));
    }

    fn count(&self, sql: &str) -> i64 {
        self.stage.world.database.number(sql)
    }

    async fn documents(&self) -> Vec<DocumentRow> {
        self.stage.world.documents().await
    }

    /// The laws.
    pub async fn judge(&mut self) {
        let world = &self.stage.world;
        assert_eq!(self.count("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL"), 0, "intents are open");
        assert_eq!(self.count("SELECT COUNT(*) FROM documents WHERE claim IS NOT NULL"), 0, "claims are left");
        let quarantined =
            "SELECT COUNT(*) FROM inbox WHERE state = 'quarantined' AND reason NOT LIKE 'the mapper gave up%'";
        assert_eq!(self.count(quarantined), 0, "deliveries are quarantined");
        let rows = world.database.texts("SELECT topic || ' ' || webhook_id AS value FROM inbox");
        let rows: BTreeSet<String> = rows.into_iter().collect();
        let missing: Vec<&String> = self.acknowledged.difference(&rows).collect();
        assert!(missing.is_empty(), "acknowledged and in no row: {missing:?}");
        let documents = self.documents().await;
        self.judge_parked(&documents);
        let contested: BTreeSet<u64> =
            self.sales.orders.iter().filter(|sold| sold.contested).map(|sold| sold.id).collect();
        let parked = documents.iter().filter(|document| document.state == State::Parked);
        let parked: Vec<Parked> = parked
            .filter(|document| !contested.contains(&document.order_id))
            .map(|document| Parked {
                order_id: document.order_id,
                reason: document.reason.as_ref().map_or_else(String::new, |reason| reason.code.clone()),
            })
            .collect();
        let mut books = world.sandbox.books(&parked);
        books.differences.retain(|difference| !contested.contains(&difference.order_id));
        books.missing.retain(|id| !contested.contains(id));
        // Written row by row, an order whose part IFS does not know stands there with what came before it.
        let in_part = |id: u64| {
            let unknown_part = Story::Parked(Planted::UnknownSku);
            self.stage.small && self.sales.orders.iter().any(|sold| sold.id == id && sold.story == unknown_part)
        };
        books.differences.retain(|difference| !(difference.component == "state" && in_part(difference.order_id)));
        assert!(
            books.is_clean(),
            "the books differ: missing {:?}, double {:?}, parked {:?} and {:?}, foreign {:?}, {:#?}\n{}",
            books.missing,
            books.double,
            books.unexpected_parked,
            books.expected_parked,
            books.foreign,
            books.differences,
            brief(&documents)
        );
        for sold in &self.sales.orders {
            let held = world.sandbox.ifs().orders_by_po(&sold.id.to_string());
            assert!(held.len() <= 1, "one order of {}: {held:#?}", sold.id);
            if let Some(view) = live(world, sold.id) {
                for (field, text) in &sold.desk {
                    assert_eq!(view.field(field), text, "a person's {field} on {}", sold.id);
                }
            }
        }
        let counters = world.sandbox.ledger().counters();
        assert_eq!((counters.if_match_any, counters.upserts), (0, 0));
    }

    fn judge_parked(&self, documents: &[DocumentRow]) {
        for document in documents.iter().filter(|document| document.state == State::Parked) {
            let sold = self.sales.orders.iter().find(|sold| sold.id == document.order_id).expect("an order of ours");
            let code = document.reason.as_ref().map_or("", |reason| reason.code.as_str());
            let planned = matches!(sold.story, Story::Parked(_)) || sold.contested && code == CONTESTED;
            assert!(planned, "parked without a plan: {}", brief(std::slice::from_ref(document)));
        }
    }

    /// Everything again: nothing is written any more.
    pub async fn repeat(&mut self) {
        let before = self.writes().len();
        let shop = self.stage.world.shop();
        for index in 0..self.sales.orders.len() {
            self.sales.tell(&shop, index, &["orders/create", "orders/updated"]);
        }
        while !self.sales.pool.is_empty() {
            self.deliver().await;
        }
        self.stage.clock.advance(Duration::from_secs(3_600));
        self.rest().await;
        let again = self.writes().split_off(before);
        assert!(again.is_empty(), "a second round wrote again: {again:#?}\n{}", brief(&self.documents().await));
    }

    /// What was asked of IFS to write, a line each.
    fn writes(&self) -> Vec<String> {
        let written = |class| matches!(class, Class::Create | Class::CustomerCreate | Class::Amend | Class::Action);
        let entries = self.stage.world.sandbox.ledger().entries_where(|entry| written(entry.class));
        let line = |entry: Entry| format!("{} {} {:?} {:?}", entry.method, entry.path, entry.keys, entry.outcome);
        entries.into_iter().map(line).collect()
    }
}

/// Documents, a line each.
fn brief(documents: &[DocumentRow]) -> String {
    let line = |document: &DocumentRow| {
        let DocumentRow { kind, business_key, state, reason, order_no, attempts, due_at, .. } = document;
        let reason = reason.as_ref().map_or_else(String::new, |reason| format!("{}: {}", reason.code, reason.text));
        format!("{kind} {business_key} {state} {order_no:?} due {due_at}, {attempts} attempts {reason}\n")
    };
    documents.iter().map(line).collect()
}
