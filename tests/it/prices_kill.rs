//! The real binary, killed with SIGKILL between every two effects of prices and started again: every price comes to IFS's.

use std::time::{Duration, Instant};

use ml_connector::failpoint;
use ml_connector::sandbox::StockUp;
use ml_connector::sandbox::world::bulk_sku;
use rust_decimal::Decimal;

use crate::on_both;
use crate::support::served::Served;
use crate::support::world::{Setup, World};

const PRICES: (&str, &str) = (
    "[connections.acme.census]",
    r#"[connections.acme.stock]
every_secs = 60
locations = [{ location = "655441490", warehouses = ["W1"] }]

[connections.acme.prices]
source = "sales_part"
currency = "EUR"
at_hour = 0

[connections.acme.census]"#,
);
/// SKUs whose prices move little.
const BULK: usize = 40;

fn swept() -> Setup {
    Setup { sweep_every: Some(Duration::from_secs(1)), edits: vec![PRICES], ..Setup::default() }
}

/// Kills the service at a point, once, and lets another one go on.
async fn killed_at(world: &World, point: &'static str) {
    world.sandbox.stock_up(StockUp { bulk: BULK, units: 10, available: 3 });
    let served = reached(world.serve(Some(point)), point).await;
    served.kill();
    let served = world.serve(None);
    let deadline = Instant::now() + Duration::from_secs(90);
    while !is_equal(world) {
        assert!(Instant::now() < deadline, "prices differ: {}", served.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(served.terminate(), 0);
}

/// Whether the shop asks IFS's list price with its tax of a quarter.
fn is_equal(world: &World) -> bool {
    let variants: Vec<_> = world.shop().products().into_iter().flat_map(|product| product.variants).collect();
    (0..BULK).all(|index| {
        let wanted = Decimal::new(501 + index as i64, 2) * Decimal::new(125, 2);
        let wanted = wanted.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        let sku = bulk_sku(index);
        variants.iter().any(|(_, own, _, price)| own.as_deref() == Some(sku.as_str()) && *price == wanted)
    })
}

async fn reached(served: Served, point: &'static str) -> Served {
    let waiting = actix_rt::task::spawn_blocking(move || {
        served.reaches(point);
        served
    });
    waiting.await.expect("the point is reached")
}

macro_rules! killed_at {
    ($($name:ident: $point:expr;)+) => {
        $(on_both!($name, swept(), async |world: &World| killed_at(world, $point).await);)+

        #[test]
        fn every_point_of_prices_is_here() {
            assert_eq!(failpoint::PRICES, [$($point),+]);
        }
    };
}

killed_at! {
    a_kill_with_a_piece_of_prices_planned: failpoint::PRICES_PLANNED;
    a_kill_with_a_run_of_prices_ended: failpoint::PRICES_ENDED;
    a_kill_with_prices_answered: failpoint::PRICES_ANSWERED;
    a_kill_with_prices_settled: failpoint::PRICES_SETTLED;
}
