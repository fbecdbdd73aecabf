//! What orders take, on both databases: those that change while they are weighed, that were deleted, and what was written since a moment.

use ml_connector::store::{WeighedOrder, WrittenUnits};

use crate::stock_store::{Stage, at, on_each};

const SITE: &str = "S10";

fn takes(order_id: u64, revision: i64, units: &[(&str, i64, i64)]) -> WeighedOrder {
    let unit = |(part, units, open): &(&str, i64, i64)| (((*part).to_owned(), SITE.to_owned()), (*units, *open));
    WeighedOrder { order_id, revision, changed_at: at(5), units: units.iter().map(unit).collect() }
}

impl Stage {
    /// The document of an order, by the same number.
    fn note(&self, order: u64, state: &str) {
        self.database.execute(&format!(
            "INSERT INTO documents (id, connection, kind, business_key, order_id, state, revision, desired, desired_digest, \
             desired_version, rules_revision, look_up_first, due_at, trace_id, created_at, updated_at) \
             VALUES ({order}, 'acme', 'customer_order', '{order}', {order}, '{state}', 1, '', '', 1, '', 0, 0, '', 0, 0)"
        ));
    }

    /// What was announced of such a document, and whether it ended.
    fn announce(&self, id: i64, order: u64, has_ended: bool) {
        let closed_at = if has_ended { "1" } else { "NULL" };
        self.database.execute(&format!(
            "INSERT INTO intents (id, document_id, kind, business_key, content, desired_version, parts, send_by, \
             generation, needed_us, opened_at, closed_at) \
             VALUES ({id}, {order}, 'amend', '{order}', '', 1, 1, 0, 1, 0, 0, {closed_at})"
        ));
    }

    /// A deletion that Shopify confirmed.
    fn bury(&self, order: u64) {
        self.database.execute(&format!(
            "INSERT INTO inbox (connection, topic, webhook_id, body_sha256, body, received_at, trace_id, state, due_at, \
             order_id, origin) VALUES ('acme', 'orders/delete', 'w', '', '', 0, '', 'mapped', 0, {order}, 'webhook')"
        ));
    }

    async fn weigh(&self, orders: Vec<WeighedOrder>) {
        let given = orders.len();
        let kept = self.store.put_weighed(&self.lease, &self.name, orders).await.expect("keeps");
        assert_eq!(kept, given);
    }
}

#[actix_rt::test]
async fn an_order_that_changes_while_it_is_weighed_is_weighed_again_a_few_times() {
    on_each(async |stage| {
        stage.book(7);
        stage.book(8);
        let changes = || stage.database.execute("UPDATE orders SET revision = revision + 1 WHERE order_id = 7");
        let mut left = 1;
        let weigh = |times: &mut i64, order: u64, revision: i64| {
            if order == 7 && *times > 0 {
                *times -= 1;
                changes();
            }
            takes(order, revision, &[("P1", revision, 1)])
        };
        let weighed = stage.store.weigh_orders(&stage.lease, &stage.name, 1, |order| {
            weigh(&mut left, order.order_id, order.snapshot.revision)
        });
        assert!(weighed.await.expect("weighs"), "the second pass finds nothing new");
        assert!(stage.unweighed().await.is_empty());
        assert_eq!(stage.database.number("SELECT units FROM stock_order_units WHERE order_id = 7"), 2);

        changes();
        let mut left = 100;
        let weighed = stage.store.weigh_orders(&stage.lease, &stage.name, 1, |order| {
            weigh(&mut left, order.order_id, order.snapshot.revision)
        });
        assert!(!weighed.await.expect("weighs"), "it changes as fast as it is weighed");
        assert_eq!(stage.unweighed().await.len(), 1);
    })
    .await;
}

#[actix_rt::test]
async fn what_was_written_since_a_moment_passes_for_being_under_way() {
    on_each(async |stage| {
        for order in [7, 8, 9, 10, 11] {
            stage.book(order);
            stage.note(order, "written");
            stage.announce(i64::try_from(order).expect("a number"), order, order != 9);
        }
        stage.database.execute("UPDATE documents SET claim = 'c', claim_generation = 1 WHERE id = 10");
        let ended = stage.store.writes_ended(&stage.name).await.expect("reads");
        let mut under_way = ended.under_way.clone();
        under_way.sort_unstable();
        assert_eq!((ended.newest, under_way), (11, vec![9, 10]));
        // Since then: a write of 8, and what was under way has ended.
        stage.announce(20, 8, true);
        stage.database.execute("UPDATE intents SET closed_at = 1 WHERE id = 9");
        stage.database.execute("UPDATE documents SET claim = NULL, claim_generation = NULL WHERE id = 10");
        let orders = [7, 8, 9, 10, 11].map(|order| takes(order, 1, &[("P1", 3, 0), ("P2", 1, 0)]));
        stage.weigh(orders.to_vec()).await;
        let both = ["P1", "P2"].map(|part| WrittenUnits {
            order_id: 11,
            catalog_no: part.to_owned(),
            site: SITE.to_owned(),
            written: Some(2),
        });
        stage.store.put_written_units(&stage.lease, &stage.name, both.to_vec()).await.expect("keeps");
        let unseen = async |after, limit| {
            let found = stage.store.unseen_stock_orders(&stage.name, after, limit, ended.clone()).await.expect("reads");
            found.iter().map(|order| (order.order_id, order.documents[0].has_open_intent)).collect::<Vec<_>>()
        };
        assert_eq!(unseen(0, 10).await, [(7, false), (8, true), (9, true), (10, true)], "11 was looked at");
        assert_eq!(unseen(7, 2).await, [(8, true), (9, true)]);
        let open = stage.store.open_stock_orders(&stage.name, 0, 10).await.expect("reads");
        assert!(open.iter().all(|order| !order.documents[0].has_open_intent), "by now all of them have ended");
    })
    .await;
}

#[actix_rt::test]
async fn a_deletion_is_told_with_each_order_and_taken_back_has_it_weighed_again() {
    on_each(async |stage| {
        stage.book(7);
        stage.book(8);
        // What IFS is told does not matter: it waits for a person.
        stage.note(7, "parked");
        stage.bury(7);
        let found = stage.store.unweighed_orders(&stage.name, 0, 10).await.expect("reads");
        let deleted = |orders: Vec<(u64, bool)>| assert_eq!(orders, [(7, true), (8, false)]);
        deleted(found.iter().map(|order| (order.order_id, order.is_deleted)).collect());
        stage.weigh(vec![takes(7, 1, &[("P1", 3, 0)]), takes(8, 1, &[("P1", 1, 1)])]).await;
        let open = stage.store.open_stock_orders(&stage.name, 0, 10).await.expect("reads");
        deleted(open.iter().map(|order| (order.order_id, order.is_deleted)).collect());
        assert!(stage.unweighed().await.is_empty());
        stage.store.revoke_deletion(&stage.name, 7).await.expect("takes it back");
        assert_eq!(stage.unweighed().await, [(7, 1)], "its version is the same");
        let found = stage.store.unweighed_orders(&stage.name, 0, 10).await.expect("reads");
        assert!(!found[0].is_deleted);
    })
    .await;
}

#[actix_rt::test]
async fn other_rules_have_weighed_again_what_took_nothing_and_may_be_written_yet() {
    on_each(async |stage| {
        for (order, state) in [(7, "parked"), (8, "written"), (9, "skipped"), (10, "written")] {
            stage.book(order);
            stage.note(order, state);
        }
        let nothing = |order| takes(order, 1, &[]);
        stage.weigh(vec![nothing(7), nothing(8), nothing(9), takes(10, 1, &[("P1", 1, 1)])]).await;
        assert_eq!(stage.store.weigh_again(&stage.lease, &stage.name).await.expect("asks"), 2);
        assert_eq!(stage.unweighed().await, [(7, 1), (10, 1)], "the others are at their end");
    })
    .await;
}
