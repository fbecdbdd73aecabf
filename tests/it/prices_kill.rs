//! The real binary, killed with SIGKILL between every two effects of prices and started again: every price comes to IFS's, be it that of
//! the sales part or what a customer pays.

use std::time::{Duration, Instant};

use ml_connector::failpoint;
use ml_connector::sandbox::StockUp;
use ml_connector::sandbox::world::{CUSTOMER_NO, bulk_sku};
use rust_decimal::Decimal;

use crate::on_both;
use crate::support::stocked::{CUSTOMER_PRICES, PART_PRICES, each_minute};
use crate::support::world::{Setup, World};

/// SKUs whose prices move little.
const BULK: usize = 40;

/// Whose prices the shop's own are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Parts,
    Customer,
}

impl Source {
    fn setup(self) -> Setup {
        each_minute(&[match self {
            Self::Parts => PART_PRICES,
            Self::Customer => CUSTOMER_PRICES,
        }])
    }

    /// What IFS asks for a SKU, without tax: a customer pays more than the list says.
    fn net(self, index: usize) -> Decimal {
        let list = Decimal::new(501 + index as i64, 2);
        match self {
            Self::Parts => list,
            Self::Customer => list + Decimal::new(19, 2),
        }
    }
}

/// Kills the service at a point, once, and lets another one go on.
async fn killed_at(world: &World, source: Source, point: &'static str) {
    world.sandbox.stock_up(StockUp { bulk: BULK, units: 10, available: 3 });
    if source == Source::Customer {
        (0..BULK).for_each(|index| world.sandbox.ifs().agree_price(CUSTOMER_NO, &bulk_sku(index), source.net(index)));
    }
    world.serve(Some(point)).reached(point).await.kill();
    let served = world.serve(None);
    let runs = "SELECT COUNT(*) FROM schedule_runs WHERE what = 'prices' AND outcome = 'done'";
    let is_done = || world.database.number(runs) > 0 && world.sandbox.ifs().price_queries() == 0;
    let deadline = Instant::now() + Duration::from_secs(90);
    while !(is_equal(world, source) && is_done()) {
        assert!(Instant::now() < deadline, "prices differ, or IFS was not asked to its end: {}", served.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(served.terminate(), 0);
}

/// Whether the shop asks IFS's price with its tax of a quarter.
fn is_equal(world: &World, source: Source) -> bool {
    let variants: Vec<_> = world.shop().products().into_iter().flat_map(|product| product.variants).collect();
    (0..BULK).all(|index| {
        let wanted = source.net(index) * Decimal::new(125, 2);
        let wanted = wanted.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
        let sku = bulk_sku(index);
        variants.iter().any(|(_, own, _, price)| own.as_deref() == Some(sku.as_str()) && *price == wanted)
    })
}

macro_rules! killed_at {
    ($source:expr, $all:ident; $($name:ident: $point:expr;)+) => {
        $(on_both!($name, $source.setup(), async |world: &World| killed_at(world, $source, $point).await);)+

        #[test]
        fn $all() {
            assert_eq!(failpoint::PRICES, [$($point),+]);
        }
    };
}

killed_at! {
    Source::Parts, every_point_of_prices_is_here;
    a_kill_with_a_piece_of_prices_planned: failpoint::PRICES_PLANNED;
    a_kill_with_a_run_of_prices_ended: failpoint::PRICES_ENDED;
    a_kill_with_prices_answered: failpoint::PRICES_ANSWERED;
    a_kill_with_prices_settled: failpoint::PRICES_SETTLED;
}

killed_at! {
    Source::Customer, every_point_of_a_customers_prices_is_here;
    a_kill_with_a_piece_of_a_customers_prices_planned: failpoint::PRICES_PLANNED;
    a_kill_with_a_run_of_a_customers_prices_ended: failpoint::PRICES_ENDED;
    a_kill_with_a_customers_prices_answered: failpoint::PRICES_ANSWERED;
    a_kill_with_a_customers_prices_settled: failpoint::PRICES_SETTLED;
}
