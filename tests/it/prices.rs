//! Prices reach the shop and its markets' lists, and wait for a person where they move too far: step by step on a hand-moved clock.

use ml_connector::flow::prices::{ASKED, Asked, Polled, Seen, poll, write};
use ml_connector::sandbox::ifs::SalesTerms;
use ml_connector::sandbox::shopify::SWEDISH_PRICES;
use ml_connector::sandbox::world::{CUSTOMER_NO, bulk_sku};
use ml_connector::store::{Cursor, PriceFilter, PriceRow};
use rust_decimal::Decimal;

use crate::on_both;
use crate::stock::{an_hour_later, begin, synced, with};
use crate::support::world::{Setup, Steps, World};

/// The shop's own prices.
const OWN: &str = r#"[connections.acme.stock]
every_secs = 3600
locations = [{ location = "655441490", warehouses = ["W1"] }]

[connections.acme.prices]
source = "sales_part"
currency = "EUR"
at_hour = 0

[connections.acme.census]"#;
/// Those of one market alone.
const MARKET: &str = r#"[connections.acme.stock]
every_secs = 3600
locations = [{ location = "655441490", warehouses = ["W1"] }]

[connections.acme.prices]
at_hour = 0
price_lists = { "70000001" = { customer_no = "WEB-DEFAULT", currency = "SEK", tax = "included" } }

[connections.acme.census]"#;
/// The site of the first shop.
const SITE: &str = "S10";

fn own() -> Setup {
    with(OWN)
}

fn market() -> Setup {
    with(MARKET)
}

fn euros(cents: i64) -> Decimal {
    Decimal::new(cents, 2)
}

async fn planned(steps: &Steps) -> Seen {
    match poll(steps.link()).await.expect("the store works") {
        Polled::Planned(seen) => seen,
        other => panic!("no plan: {other:?}"),
    }
}

async fn set(steps: &Steps) {
    assert_eq!(write::drain(steps.link(), usize::MAX).await.expect("the store works"), None);
}

/// A person asks for a run, and shop and IFS are read since.
async fn asked(world: &World, steps: &Steps) {
    an_hour_later(world, steps);
    let asked = serde_json::to_string(&Asked { at: steps.clock.now().as_microsecond() }).expect("JSON");
    let cursor = Cursor { name: ASKED.to_owned(), value: asked };
    steps.store.keep_cursor(&steps.link().name, cursor, steps.clock.now()).await.expect("keeps");
    steps.advance(world, 1);
    synced(steps).await;
}

async fn rows(steps: &Steps, list: u64, filter: PriceFilter) -> Vec<PriceRow> {
    steps.store.prices(&steps.link().name, list, filter, (0, 0), 1_000).await.expect("reads")
}

fn variant_of(world: &World, sku: &str) -> (u64, Decimal) {
    let variants = world.shop().products().into_iter().flat_map(|product| product.variants);
    let mut found = variants.filter(|(_, own, ..)| own.as_deref() == Some(sku));
    found.next().map(|(id, _, _, price)| (id, price)).expect("it is sold")
}

fn sells_for(world: &World, sku: &str, cents: i64) {
    let terms = SalesTerms { list_price: euros(cents), is_active: true };
    world.sandbox.ifs().set_sales_terms(SITE, sku, terms);
}

on_both!(prices_follow_ifs_and_a_second_run_sets_nothing, own(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    let seen = planned(&steps).await;
    assert!(seen.to_set >= 40, "{seen:?}");
    set(&steps).await;
    // 5.01 without tax.
    assert_eq!(variant_of(world, &bulk_sku(0)).1, euros(626));
    let writes = world.shop().standing_writes().len();
    asked(world, &steps).await;
    let again = planned(&steps).await;
    assert_eq!((again.to_set, again.parked, again.compared), (0, seen.parked, seen.compared), "{again:?}");
    set(&steps).await;
    assert_eq!(world.shop().standing_writes().len(), writes, "nothing travelled");
    assert_eq!(poll(steps.link()).await.expect("the store works"), Polled::Waits(std::time::Duration::from_secs(5)));
});

on_both!(a_price_that_moves_too_far_waits_for_a_person_and_goes_as_it_was_accepted, own(), async |world: &World| {
    let steps = begin(world).await;
    let (dear, free) = (bulk_sku(1), bulk_sku(2));
    let (dear_before, free_before) = (variant_of(world, &dear), variant_of(world, &free));
    sells_for(world, &dear, 10_000);
    sells_for(world, &free, 0);
    synced(&steps).await;
    planned(&steps).await;
    set(&steps).await;
    assert_eq!((variant_of(world, &dear), variant_of(world, &free)), (dear_before, free_before));
    let parked = rows(&steps, 0, PriceFilter::Parked).await;
    let code = |id: u64| {
        let row = parked.iter().find(|row| row.variant_id == id).expect("it is parked");
        row.reason.as_ref().map(|(code, _)| code.as_str())
    };
    assert_eq!((code(dear_before.0), code(free_before.0)), (Some("price_change"), Some("price_zero")));
    let (name, who) = (steps.link().name.clone(), ("me".to_owned(), "a new list".to_owned()));
    steps.store.accept_price(&name, (0, dear_before.0), who, steps.clock.now()).await.expect("accepts");
    set(&steps).await;
    assert_eq!(variant_of(world, &dear).1, euros(12_500));
    assert_eq!(variant_of(world, &free), free_before);
});

on_both!(a_variant_that_is_gone_keeps_no_other_price_from_the_shop, own(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    planned(&steps).await;
    let gone = variant_of(world, &bulk_sku(3)).0;
    world.shop().staff_delete(&bulk_sku(3));
    set(&steps).await;
    assert_eq!(variant_of(world, &bulk_sku(0)).1, euros(626));
    assert_eq!(variant_of(world, &bulk_sku(4)).1, euros(631));
    let parked = rows(&steps, 0, PriceFilter::Parked).await;
    assert!(parked.iter().any(|row| row.variant_id == gone), "{parked:?}");
    assert_eq!(rows(&steps, 0, PriceFilter::Planned).await.len(), 0);
});

on_both!(a_market_has_the_prices_of_its_customer, market(), async |world: &World| {
    let steps = begin(world).await;
    let sku = bulk_sku(0);
    world.sandbox.ifs().agree_price(CUSTOMER_NO, &sku, euros(8_000));
    synced(&steps).await;
    let seen = planned(&steps).await;
    assert!(seen.to_set >= 40, "{seen:?}");
    assert_eq!(world.sandbox.ifs().price_queries(), 0, "IFS forgot the questions");
    let (id, before) = variant_of(world, &sku);
    set(&steps).await;
    assert_eq!(world.shop().fixed_price(SWEDISH_PRICES, id), Some(euros(10_000)));
    assert_eq!(variant_of(world, &sku).1, before, "the shop's own stays");
    let writes = world.shop().standing_writes().len();
    asked(world, &steps).await;
    let again = planned(&steps).await;
    assert_eq!((again.to_set, again.right), (0, seen.compared - seen.parked), "{again:?}");
    set(&steps).await;
    assert_eq!(world.shop().standing_writes().len(), writes);
});

on_both!(nothing_is_compared_before_shop_and_ifs_were_read, own(), async |world: &World| {
    let steps = begin(world).await;
    assert!(matches!(poll(steps.link()).await.expect("the store works"), Polled::Waits(_)));
    assert_eq!(rows(&steps, 0, PriceFilter::All).await.len(), 0);
});
