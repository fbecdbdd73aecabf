//! Whether the tables may grow: claim, page, insert and look-up at a thousand rows, at a hundred thousand, and at a
//! million, as ratios to the first.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use jiff::Timestamp;
use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::domain::ids::ConnectionName;
use ml_connector::flow::ingest::{DeliveryHeaders, delivery};
use ml_connector::store::{DocumentFilter, Lease, LeaseState, Store, Takeover};

use super::database::{Database, execute_postgres};
use super::report::{Report, median, progress};
use super::scene::CONNECTION;

/// How often each verb is measured; the median counts.
const TIMES: usize = 201;
/// Unfinished rows among all the others.
const UNFINISHED: u64 = 64;
const CLAIM_MAX: i64 = 16;
const PAGE: i64 = 100;
const GROUP: usize = 64;
const KINDS: &[DocumentKind] = &[DocumentKind::CustomerOrder, DocumentKind::Customer];

/// The verbs, in the order of their figures.
const VERBS: [&str; 7] =
    ["insert of one", "insert of 64", "due deliveries", "claim of 16", "page of 100", "page of parked", "snapshot"];

/// Measures it on both databases, up to `rows` rows a table.
pub async fn measure(report: &mut Report, rows: u64) {
    let postgres = || Database::postgres().expect("PostgreSQL is installed");
    for (name, fresh) in [("SQLite", &Database::sqlite as &dyn Fn() -> Database), ("PostgreSQL", &postgres)] {
        let mut small: Option<[f64; VERBS.len()]> = None;
        for size in [1_000, 100_000, 1_000_000].into_iter().filter(|size| *size <= rows) {
            progress(&format!("tables of {size} rows, {name}"));
            let taken = at_size(&fresh(), size).await;
            let first = *small.get_or_insert(taken);
            for (index, verb) in VERBS.iter().enumerate() {
                let what = format!("{verb}, {name}, {size} rows");
                if size == 1_000 {
                    report.note(what, taken[index], "ms");
                } else {
                    report.note(format!("{what}, itself"), taken[index], "ms");
                    report.at_most(format!("{what} / 1,000 rows"), taken[index] / first[index], "x", 1.5);
                }
            }
        }
    }
}

async fn at_size(database: &Database, size: u64) -> [f64; VERBS.len()] {
    let store = Store::open(&database.url, 4).expect("opens");
    store.migrate().await.expect("migrates");
    fill(database, size);
    let name = ConnectionName::parse(CONNECTION).expect("a name");
    let lease = lease(&store).await;
    let mut taken: [Vec<f64>; VERBS.len()] = Default::default();
    for turn in 0..TIMES {
        let now = Timestamp::now();
        taken[0].push(timed(store.insert_deliveries(vec![one(&name, turn, 0)])).await);
        taken[1].push(timed(store.insert_deliveries((1..=GROUP).map(|n| one(&name, turn, n)).collect())).await);
        execute(database, "UPDATE inbox SET state = 'mapped' WHERE state = 'received' AND topic = 'orders/create'");
        taken[2].push(timed(store.due_deliveries(&name, now, CLAIM_MAX)).await);
        taken[3].push(timed(store.claim_due(&lease, &name, KINDS, now, CLAIM_MAX)).await);
        execute(
            database,
            "UPDATE documents SET claim = NULL, claim_generation = NULL, state = 'planned' WHERE claim IS NOT NULL",
        );
        let after = i64::try_from(size / 2).ok();
        let page = |state| DocumentFilter { connection: None, state, after, limit: PAGE };
        taken[4].push(timed(store.list_documents(page(None))).await);
        let parked = DocumentFilter { after: None, ..page(Some(State::Parked)) };
        taken[5].push(timed(store.list_documents(parked)).await);
        taken[6].push(timed(store.snapshot(&name, 5_000_000 + size / 3)).await);
    }
    taken.map(median)
}

/// Milliseconds of a verb.
async fn timed<T>(verb: impl Future<Output = T>) -> f64 {
    let begun = Instant::now();
    let answer = verb.await;
    let took = begun.elapsed();
    drop(answer);
    took.as_secs_f64() * 1_000.0
}

async fn lease(store: &Store) -> Lease {
    let lasts = Duration::from_secs(3_600);
    let asked = store.acquire_lease("ifs.bench".to_owned(), "bench".to_owned(), lasts, Takeover::WhenExpired).await;
    match asked.expect("the database answers") {
        LeaseState::Ours(lease) => lease,
        LeaseState::Theirs { owner, .. } => panic!("an empty database has an owner: {owner}"),
    }
}

fn one(name: &ConnectionName, turn: usize, number: usize) -> ml_connector::store::Delivery {
    let headers = DeliveryHeaders {
        topic: "orders/create".to_owned(),
        webhook_id: format!("measured-{turn}-{number}"),
        ..DeliveryHeaders::default()
    };
    delivery(name, headers, format!("{{\"id\":1,\"x\":\"{}\"}}", "x".repeat(6_000)).as_bytes(), Timestamp::now())
}

/// So many deliveries, orders and documents at rest, and a few that are not.
fn fill(database: &Database, size: u64) {
    let numbers = format!("WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {size})");
    let blob = if database.url.starts_with("sqlite:") { "X'7b7d'" } else { "'\\x7b7d'::bytea" };
    execute(
        database,
        &format!(
            "{numbers} INSERT INTO inbox (connection, topic, webhook_id, body_sha256, body, received_at, trace_id, state, due_at, origin, order_id) \
             SELECT '{CONNECTION}', 'orders/updated', 'w' || n, 'sha' || n, {blob}, n, 't' || n, \
             CASE WHEN n <= {UNFINISHED} THEN 'received' ELSE 'mapped' END, 0, 'webhook', 5000000 + n FROM g"
        ),
    );
    execute(
        database,
        &format!(
            "{numbers} INSERT INTO orders (connection, order_id, name, revision, created_at, updated_at, digest, road, payload, \
             born_here, reread_digests, first_received_at) \
             SELECT '{CONNECTION}', 5000000 + n, '#' || n, 1, n, n, 'd' || n, 'rest', {blob}, 1, '', n FROM g"
        ),
    );
    execute(
        database,
        &format!(
            "{numbers} INSERT INTO documents (connection, kind, business_key, order_id, state, revision, desired, desired_digest, \
             desired_version, written, written_version, rules_revision, look_up_first, due_at, trace_id, created_at, updated_at) \
             SELECT '{CONNECTION}', 'customer_order', CAST(5000000 + n AS TEXT), 5000000 + n, \
             CASE WHEN n <= {UNFINISHED} THEN 'planned' WHEN n <= 2 * {UNFINISHED} THEN 'parked' ELSE 'written' END, \
             1, '{{}}', 'd', 1, '{{}}', 1, 'r', 0, 0, 't' || n, n, n FROM g"
        ),
    );
    if !database.url.starts_with("sqlite:") {
        execute(database, "VACUUM ANALYZE inbox");
        execute(database, "VACUUM ANALYZE orders");
        execute(database, "VACUUM ANALYZE documents");
    }
}

fn execute(database: &Database, sql: &str) {
    match database.url.strip_prefix("sqlite:") {
        Some(file) => {
            let mut lite = SqliteConnection::establish(file).expect("the database opens");
            lite.batch_execute("PRAGMA busy_timeout = 5000").expect("a pragma");
            lite.batch_execute(sql).expect("the statement runs");
        }
        None => execute_postgres(&database.url, sql),
    }
}
