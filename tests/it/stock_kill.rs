//! The real binary, killed with SIGKILL between every two effects of stock and started again: no wrong level, and no product that is
//! disabled for good.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use ml_connector::domain::ids::ConnectionName;
use ml_connector::failpoint;
use ml_connector::flow::stock::{ASKED, Asked};
use ml_connector::sandbox::ifs::StockMove;
use ml_connector::sandbox::shopify::Standing;
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::sandbox::{STOCK_LOCATION, StockUp};
use ml_connector::store::Cursor;
use rust_decimal::Decimal;

use crate::on_both;
use crate::support::served::Served;
use crate::support::world::{Setup, World};

const STOCK: (&str, &str) = (
    "[connections.acme.census]",
    r#"[connections.acme.stock]
every_secs = 60
locations = [{ location = "655441490", warehouses = ["W1"] }]
out = { policy = "draft" }

[connections.acme.census]"#,
);

fn swept() -> Setup {
    Setup { sweep_every: Some(Duration::from_secs(1)), edits: vec![STOCK], ..Setup::default() }
}

/// Kills the service at each point, once, and lets another one go on.
async fn killed_at(world: &World, point: &'static str) {
    let shop = world.shop();
    world.sandbox.stock_up(StockUp { bulk: 40, units: 10, available: 3 });
    let product = shop.product_of(&bulk_sku(0)).expect("it is sold");
    let skus = skus_of(world, product);
    skus.iter().for_each(|sku| counts(world, sku, 0));
    let served = reached(world.serve(Some(point)), point).await;
    served.kill();
    let served = world.serve(None);
    eventually(&served, "both sides are equal, and what has run out is disabled", || {
        is_equal(world) && standing(world, product) == Standing::Draft
    })
    .await;
    // It is there again, and comes back.
    skus.iter().for_each(|sku| counts(world, sku, 7));
    let (code, _, told) = world.command(&["stock", "sync", "acme"], "");
    assert_eq!(code, 0, "{told}");
    eventually(&served, "what is there again is enabled", || {
        is_equal(world) && standing(world, product) == Standing::Active
    })
    .await;
    assert_eq!(served.terminate(), 0);
}

/// Kills the service at each point of bringing a product back, once, and lets another one go on: none stays disabled.
async fn killed_at_the_restock(world: &World, point: &'static str) {
    world.sandbox.stock_up(StockUp { bulk: 40, units: 10, available: 3 });
    let product = world.shop().product_of(&bulk_sku(0)).expect("it is sold");
    let skus = skus_of(world, product);
    skus.iter().for_each(|sku| counts(world, sku, 0));
    let rows = |which: &str| world.database.number(&format!("SELECT COUNT(*) FROM stock_outs WHERE {which}"));
    let served = world.serve(None);
    eventually(&served, "what has run out is disabled", || {
        is_equal(world) && standing(world, product) == Standing::Draft && rows("state = 'disabled'") == 1
    })
    .await;
    assert_eq!(served.terminate(), 0);
    skus.iter().for_each(|sku| counts(world, sku, 7));
    let served = world.serve(Some(point));
    ask(world).await;
    reached(served, point).await.kill();
    let served = world.serve(None);
    ask(world).await;
    eventually(&served, "what is there again is enabled", || {
        is_equal(world) && standing(world, product) == Standing::Active && rows("ended IS NULL") == 0
    })
    .await;
    assert_eq!(rows("ended = 'enabled'"), 1);
    assert_eq!(served.terminate(), 0);
}

/// Asks for a reading, as `stock sync` does, and does not wait for it.
async fn ask(world: &World) {
    let (name, now) = (ConnectionName::parse("acme").expect("a name"), Timestamp::now());
    let asked = Asked { at: now.as_microsecond(), accepts_fewer: false };
    let cursor = Cursor { name: ASKED.to_owned(), value: serde_json::to_string(&asked).expect("JSON") };
    world.store.keep_cursor(&name, cursor, now).await.expect("keeps");
}

fn skus_of(world: &World, product: u64) -> Vec<String> {
    let products = world.shop().products().into_iter().filter(|one| one.id == product);
    products.flat_map(|one| one.variants.into_iter().filter_map(|(_, sku, ..)| sku)).collect()
}

fn standing(world: &World, product: u64) -> Standing {
    world.shop().products().into_iter().find(|one| one.id == product).expect("it is there").standing
}

fn counts(world: &World, sku: &str, units: i64) {
    let (contract, part_no, location_no) = ("S10".to_owned(), sku.to_owned(), STOCK_LOCATION.to_owned());
    let counted = StockMove::Count { contract, part_no, location_no, on_hand: Decimal::from(units) };
    world.sandbox.ifs().move_stock(&[counted]).expect("it is there");
}

fn is_equal(world: &World) -> bool {
    let shared = ["CANDLE-001", "CANDLE-BOX"];
    world
        .sandbox
        .stock_lines(0)
        .into_iter()
        .filter(|line| !shared.contains(&line.sku.as_str()))
        .all(|line| line.available.is_none() || line.sellable.is_none() || line.available == line.sellable)
}

async fn reached(served: Served, point: &'static str) -> Served {
    let waiting = actix_rt::task::spawn_blocking(move || {
        served.reaches(point);
        served
    });
    waiting.await.expect("the point is reached")
}

async fn eventually(served: &Served, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !holds() {
        assert!(Instant::now() < deadline, "not {what}: {}", served.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

macro_rules! killed_at {
    ($($name:ident: $point:expr;)+) => {
        $(on_both!($name, swept(), async |world: &World| killed_at(world, $point).await);)+

        #[test]
        fn every_point_of_stock_is_here() {
            assert_eq!(failpoint::STOCK, [$($point),+]);
        }
    };
}

on_both!(a_kill_before_a_product_is_enabled, swept(), async |world: &World| {
    killed_at_the_restock(world, failpoint::STOCK_OUT_COMMITTED).await;
});

on_both!(a_kill_with_a_product_enabled, swept(), async |world: &World| {
    killed_at_the_restock(world, failpoint::STOCK_OUT_ANSWERED).await;
});

on_both!(a_kill_with_a_product_shown_enabled, swept(), async |world: &World| {
    killed_at_the_restock(world, failpoint::STOCK_OUT_SHOWN).await;
});

killed_at! {
    a_kill_with_a_page_read: failpoint::STOCK_PAGE_READ;
    a_kill_with_a_page_stored: failpoint::STOCK_PAGE_STORED;
    a_kill_with_a_piece_planned: failpoint::STOCK_PLANNED;
    a_kill_between_the_call_and_its_bytes: failpoint::STOCK_CALL_COMMITTED;
    a_kill_with_the_call_answered: failpoint::STOCK_CALL_ANSWERED;
    a_kill_with_the_call_settled: failpoint::STOCK_CALL_SETTLED;
    a_kill_before_a_product_is_disabled: failpoint::STOCK_OUT_COMMITTED;
    a_kill_with_a_product_disabled: failpoint::STOCK_OUT_ANSWERED;
    a_kill_with_a_product_shown_disabled: failpoint::STOCK_OUT_SHOWN;
}
