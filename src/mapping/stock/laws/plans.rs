//! Laws of a single plan, for any figures: several SKUs of one part, boxes, locations that owe, calls under way.

use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::domain::stock::{LevelKey, LevelReading};
use crate::mapping::stock::rows::{LocationStock, PartStock, PartSums};
use crate::mapping::stock::rules::StockRules;
use crate::mapping::stock::settings::StockSettings;
use crate::mapping::stock::target::{Books, Demand, Goods, Pool, plan};
use crate::mapping::stock::unwritten::SkuOrders;

/// A SKU's size in hundredths of a unit of the stock, what IFS does not hold of it, and its levels: available, committed, reserved, and
/// what a call may set it to.
type RandomGoods = (i64, i64, Vec<(i64, i64, i64, Option<i64>)>);

fn goods() -> impl Strategy<Value = RandomGoods> {
    let level = (-3_i64..30, 0_i64..8, -1_i64..4, prop::option::weighted(0.2, 0_i64..30));
    (1_i64..=1_200, 0_i64..6, prop::collection::vec(level, 0..=2))
}

fn rules() -> StockRules {
    let text = r#"
        locations = [{ location = "1", warehouses = ["A"] }, { location = "2", warehouses = ["B"] }]
        shared_part = "divide"
    "#;
    let settings: StockSettings = toml::from_str(text).expect("the shape is right");
    StockRules::new(settings, "S10").expect("legal")
}

fn pool(stock: &[(i64, i64)], demand: i64, goods: &[RandomGoods], rules: &StockRules) -> Pool {
    let locations: Vec<LocationStock> = (1..)
        .zip(stock)
        .map(|(location, &(on_hand, reserved))| LocationStock {
            location,
            on_hand: Decimal::new(on_hand, 1),
            reserved: Decimal::new(reserved, 1),
        })
        .collect();
    let reserved: Decimal = locations.iter().map(|sum| sum.reserved).sum();
    let demand = Decimal::new(demand, 1);
    let goods = (100..).zip(goods).map(|(item, (size, unwritten, levels))| Goods {
        catalog_no: format!("CUP-{item}"),
        conversion: Decimal::new(*size, 2),
        rule: rules.of_sku("CUP"),
        orders: SkuOrders {
            unwritten_here: *unwritten,
            reserved: levels.iter().map(|(_, _, reserved, _)| (*reserved).max(0)).sum(),
            ..SkuOrders::default()
        },
        levels: (1..)
            .zip(levels)
            .map(|(location, &(available, committed, reserved, pending))| LevelReading {
                key: LevelKey { item, location },
                available,
                committed,
                reserved,
                pending,
            })
            .collect(),
    });
    Pool {
        stock: PartStock::Read(PartSums { locations, reserved }),
        demand: Demand { unreserved_before: demand, unreserved_after: demand, open_after: demand + reserved },
        goods: goods.collect(),
        books: Books::Current,
    }
}

/// What the site has for all levels together.
fn sellable(pool: &Pool) -> Decimal {
    let PartStock::Read(sums) = &pool.stock else { return Decimal::ZERO };
    let there: Decimal = sums.locations.iter().map(|sum| sum.on_hand - sum.reserved).sum();
    let of_orders = |goods: &Goods| goods.conversion * Decimal::from(goods.orders.unwritten() + goods.orders.reserved);
    let in_shopify: Decimal = pool.goods.iter().map(of_orders).sum();
    (there - pool.demand.unreserved_after - in_shopify).max(Decimal::ZERO)
}

fn size(pool: &Pool, item: u64) -> Decimal {
    let has = |goods: &&Goods| goods.levels.iter().any(|level| level.key.item == item);
    pool.goods.iter().find(has).map_or(Decimal::ZERO, |goods| goods.conversion)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whichever_of_a_plans_calls_arrive_no_more_is_shown_than_there_is(
        stock in prop::collection::vec((-20_i64..200, 0_i64..60), 2),
        demand in 0_i64..80,
        goods in prop::collection::vec(goods(), 1..4),
    ) {
        let rules = rules();
        let mut pool = pool(&stock, demand, &goods, &rules);
        let sellable = sellable(&pool);
        let targets = plan(&pool, &rules).expect("everything was read");
        let mut wanted = Decimal::ZERO;
        let (mut before, mut at_most) = (Decimal::ZERO, Decimal::ZERO);
        let levels: Vec<LevelReading> = pool.goods.iter().flat_map(|goods| goods.levels.clone()).collect();
        prop_assert_eq!(targets.len(), levels.len());
        for (target, level) in targets.iter().zip(&levels) {
            let size = size(&pool, target.key.item);
            let units = |count: i64| Decimal::from(count.max(0)) * size;
            prop_assert!(target.wanted >= 0);
            prop_assert!(!(level.pending.is_some() && target.differs()), "a call is under way");
            // 1. A level goes towards what is wanted, and never past it.
            let between = target.available.min(target.wanted)..=target.available.max(target.wanted);
            prop_assert!(between.contains(&target.quantity));
            let shown = level.available.max(level.pending.unwrap_or(level.available));
            wanted += units(target.wanted);
            before += units(shown);
            at_most += units(shown.max(target.quantity));
        }
        // 2. All together are never more than there is, in the end and on the way, whichever calls are lost.
        prop_assert!(wanted <= sellable, "{} are wanted of {}", wanted, sellable);
        prop_assert!(at_most <= sellable.max(before), "{} may be shown of {}", at_most, sellable);
        // 3. Once what is planned stands, a few more plans come to rest where all is as wanted.
        for _ in 0..3 {
            let targets = plan(&pool, &rules).expect("everything was read");
            let set = targets.iter().map(|target| (target.key, target.quantity));
            let mut set: Vec<(LevelKey, i64)> = set.collect();
            for level in pool.goods.iter_mut().flat_map(|goods| &mut goods.levels) {
                level.pending = None;
                if let Some(index) = set.iter().position(|(key, _)| *key == level.key) {
                    level.available = set.swap_remove(index).1;
                }
            }
        }
        let rest = plan(&pool, &rules).expect("everything was read");
        prop_assert!(rest.iter().all(|target| !target.differs() && !target.waits()), "{:?}", rest);
    }
}
