//! From a webhook to the order in IFS: what the service itself takes of it. Orders come one by one, the remote is on
//! loopback and answers at once; its own work, told by its ledger, is taken off.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use ml_connector::domain::document::State;
use ml_connector::sandbox::ledger::Remote;
use ml_connector::sandbox::shopify::{Story, WebhookOverrides};
use ml_connector::store::{DocumentFilter, DocumentRow};

use super::database::Database;
use super::report::{Report, progress, quantile};
use super::scene::{CONNECTION, Scene};

/// Orders before the first that counts: tokens, pools, pages of memory.
const WARM_UP: usize = 30;
/// Between two orders, so that none waits for another.
const PAUSE: Duration = Duration::from_millis(60);

/// Measures it on both databases.
pub async fn measure(report: &mut Report, orders: usize) {
    let postgres = Database::postgres().expect("PostgreSQL is installed");
    for (name, database) in [("SQLite", Database::sqlite()), ("PostgreSQL", postgres)] {
        progress(&format!("webhook to IFS order, {name}"));
        let scene = Scene::set(database, &[]).await;
        let (mut own, mut whole) = times(&scene, orders).await;
        report.note(
            format!("webhook to IFS order, {name}, with the remote's part, p50"),
            quantile(&mut whole, 0.5),
            "ms",
        );
        report.at_most(format!("webhook to IFS order, {name}, own time, p50"), quantile(&mut own, 0.5), "ms", 5.0);
        report.at_most(format!("webhook to IFS order, {name}, own time, p99"), quantile(&mut own, 0.99), "ms", 30.0);
    }
}

/// Milliseconds of each order: the service's own, and all.
async fn times(scene: &Scene, orders: usize) -> (Vec<f64>, Vec<f64>) {
    let served = scene.serve().await;
    let url = format!("http://{}/webhooks/{CONNECTION}", served.address);
    let shop = scene.shop();
    let mut sent = Vec::with_capacity(orders);
    for number in 0..WARM_UP + orders {
        let order_id = shop.place(Story::Plain);
        let body = shop.webhook_body(order_id).expect("the order was placed");
        let at = Timestamp::now();
        let answer = shop.send_webhook(&url, "orders/create", body, WebhookOverrides::default()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        if number >= WARM_UP {
            sent.push((order_id, at));
        }
        tokio::time::sleep(PAUSE).await;
    }
    let written = all_written(scene, WARM_UP + orders).await;
    let requests = scene.sandbox.ledger().entries_where(|entry| entry.remote == Remote::Ifs);
    let mut own = Vec::with_capacity(orders);
    let mut whole = Vec::with_capacity(orders);
    for (order_id, at) in sent {
        let until = written[&order_id].updated_at;
        let during = requests.iter().filter(|entry| entry.at >= at && entry.at <= until);
        let remote: Duration = during.filter_map(|entry| entry.took).sum();
        let all = (until.as_microsecond() - at.as_microsecond()) as f64 / 1_000.0;
        whole.push(all);
        own.push(all - remote.as_secs_f64() * 1_000.0);
    }
    (own, whole)
}

async fn all_written(scene: &Scene, orders: usize) -> HashMap<u64, DocumentRow> {
    for _ in 0..300 {
        let filter = DocumentFilter { limit: 100_000, ..DocumentFilter::default() };
        let rows = scene.store.list_documents(filter).await.expect("lists");
        let written = rows.into_iter().filter(|row| row.state == State::Written);
        let written: HashMap<u64, DocumentRow> = written.map(|row| (row.order_id, row)).collect();
        if written.len() == orders {
            return written;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("not every order is written after 30 s");
}
