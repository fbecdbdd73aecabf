//! Prices reach the shop and its markets' lists, and wait for a person where they move too far: step by step on a hand-moved clock.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use ml_connector::flow::prices::{ASKED, Asked, PRICES, Polled, Seen, poll, write};
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
/// The shop's own prices, as one customer pays them.
const QUERIED: &str = r#"[connections.acme.stock]
every_secs = 3600
locations = [{ location = "655441490", warehouses = ["W1"] }]
groups = [{ name = "all", sku = ["*"], levels = "leave" }]

[connections.acme.prices]
source = "price_query"
customer_no = "WEB-DEFAULT"
currency = "EUR"
at_hour = 0

[connections.acme.census]"#;
/// A price list that the shop does not have, before one that it has.
const TWO_LISTS: &str = r#"[connections.acme.stock]
every_secs = 3600
locations = [{ location = "655441490", warehouses = ["W1"] }]

[connections.acme.prices]
at_hour = 0

[connections.acme.prices.price_lists]
"1" = { customer_no = "WEB-DEFAULT", currency = "SEK", tax = "included" }
"70000001" = { customer_no = "WEB-DEFAULT", currency = "SEK", tax = "included" }

[connections.acme.census]"#;
/// The shop counts in another currency.
const OTHER_CURRENCY: &str = r#"[connections.acme.stock]
every_secs = 3600
locations = [{ location = "655441490", warehouses = ["W1"] }]

[connections.acme.prices]
source = "sales_part"
currency = "SEK"
at_hour = 0

[connections.acme.census]"#;
/// The shop's prices have their tax in them.
const OTHER_TAX: &str = r#"[connections.acme.stock]
every_secs = 3600
locations = [{ location = "655441490", warehouses = ["W1"] }]

[connections.acme.prices]
source = "sales_part"
currency = "EUR"
tax = "excluded"
at_hour = 0

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
    let refused = steps.store.accept_price(&name, (0, dear_before.0), euros(12_400), who.clone(), steps.clock.now());
    assert!(refused.await.is_err(), "it waits with another price");
    let accepted = steps.store.accept_price(&name, (0, dear_before.0), euros(12_500), who, steps.clock.now());
    assert_eq!(accepted.await.expect("accepts"), ("125.00".to_owned(), "EUR".to_owned()));
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

/// Changes what is kept of where a run stands.
async fn change_place(steps: &Steps, change: impl FnOnce(&mut serde_json::Value)) {
    let name = &steps.link().name;
    let text = steps.store.cursor(name, PRICES).await.expect("reads").expect("a run was there");
    let mut place: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    change(&mut place);
    let cursor = Cursor { name: PRICES.to_owned(), value: place.to_string() };
    steps.store.keep_cursor(name, cursor, steps.clock.now()).await.expect("keeps");
}

/// A run stops behind its first piece.
async fn stopped(steps: &Steps) {
    steps.link().stopping.store(true, Ordering::Release);
    assert_eq!(poll(steps.link()).await.expect("the store works"), Polled::Stopped);
    steps.link().stopping.store(false, Ordering::Release);
}

fn outcomes(world: &World) -> Vec<String> {
    world.database.texts("SELECT COALESCE(outcome, '-') AS value FROM schedule_runs WHERE what = 'prices' ORDER BY id")
}

on_both!(a_price_that_holds_from_tomorrow_is_set_tomorrow, with(QUERIED), async |world: &World| {
    let steps = begin(world).await;
    let (sku, other) = (bulk_sku(0), bulk_sku(1));
    let today = steps.clock.now().to_zoned(TimeZone::UTC).date();
    let tomorrow = today.checked_add(1.day()).expect("there is one");
    world.sandbox.ifs().agree_price(CUSTOMER_NO, &sku, euros(520));
    world.sandbox.ifs().agree_price_from(CUSTOMER_NO, &sku, euros(560), tomorrow);
    let seen = synced(&steps).await;
    assert_eq!(seen.to_set, 0, "all levels are left alone: {seen:?}");
    let seen = planned(&steps).await;
    assert!(seen.to_set >= 40, "{seen:?}");
    set(&steps).await;
    assert_eq!(variant_of(world, &sku).1, euros(650), "5.20 without tax");
    let before = variant_of(world, &other);
    // The day's run, which nobody asked for.
    steps.advance(world, 86_400);
    synced(&steps).await;
    let seen = planned(&steps).await;
    assert_eq!(seen.to_set, 1, "{seen:?}");
    set(&steps).await;
    assert_eq!(variant_of(world, &sku).1, euros(700), "5.60 without tax");
    assert_eq!(variant_of(world, &other), before);
    assert_eq!(world.sandbox.ifs().price_queries(), 0, "IFS forgot the questions");
});

on_both!(an_old_plan_is_not_set_and_a_run_plans_it_anew_the_same_day, own(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    let seen = planned(&steps).await;
    let (sku, writes) = (bulk_sku(0), world.shop().standing_writes().len());
    let before = variant_of(world, &sku).1;
    // The service was down, and IFS's price has moved far.
    steps.advance(world, 6 * 3_600 + 1);
    sells_for(world, &sku, 10_000);
    set(&steps).await;
    assert_eq!(world.shop().standing_writes().len(), writes, "nothing travelled");
    let aged = rows(&steps, 0, PriceFilter::All).await.into_iter().filter(|row| row.state == "aged").count();
    assert_eq!(aged as u64, seen.to_set);
    assert!(matches!(poll(steps.link()).await.expect("the store works"), Polled::Waits(_)), "the reading is old too");
    synced(&steps).await;
    let again = planned(&steps).await;
    assert_eq!((again.to_set, again.parked), (seen.to_set - 1, seen.parked + 1), "{again:?}");
    set(&steps).await;
    assert_eq!((variant_of(world, &sku).1, variant_of(world, &bulk_sku(4)).1), (before, euros(631)));
    assert_eq!(outcomes(world), ["done", "done"]);
    assert!(matches!(poll(steps.link()).await.expect("the store works"), Polled::Waits(_)), "once is enough");
});

on_both!(a_plan_under_other_rules_or_in_another_currency_is_not_set, own(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    let seen = planned(&steps).await;
    let writes = world.shop().standing_writes().len();
    let (first, second) = (variant_of(world, &bulk_sku(0)), variant_of(world, &bulk_sku(1)));
    world.database.execute(&format!("UPDATE prices SET rules = 'others' WHERE variant_id = {}", first.0));
    world.database.execute(&format!("UPDATE prices SET currency = 'SEK' WHERE variant_id = {}", second.0));
    steps.advance(world, 1);
    set(&steps).await;
    let set_now = world.shop().standing_writes().len() - writes;
    assert_eq!((variant_of(world, &bulk_sku(0)), variant_of(world, &bulk_sku(1))), (first, second));
    assert!(set_now > 0, "the others go");
    // At once: the reading is not old, and what was set since is what the shop has.
    let again = planned(&steps).await;
    assert_eq!((again.to_set, again.right), (2, seen.right + seen.to_set - 2), "{again:?}");
    set(&steps).await;
    assert_eq!(variant_of(world, &bulk_sku(0)).1, euros(626));
});

on_both!(a_run_under_other_rules_or_too_old_begins_anew_at_once, own(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    stopped(&steps).await;
    change_place(&steps, |place| place["rules"] = "others".into()).await;
    steps.advance(world, 1);
    let seen = planned(&steps).await;
    assert!(seen.to_set >= 40, "{seen:?}");
    assert_eq!(outcomes(world), ["broke_off", "done"]);
    // One that took too long; there is a new reading of the stock.
    asked(world, &steps).await;
    stopped(&steps).await;
    change_place(&steps, |place| place["began"] = 0.into()).await;
    planned(&steps).await;
    assert_eq!(outcomes(world), ["broke_off", "done", "broke_off", "done"]);
});

on_both!(a_run_that_failed_gives_way_to_one_that_a_person_asks_for, own(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    stopped(&steps).await;
    // As if it had failed behind its first piece; what that compared is another one by the time a person asks.
    change_place(&steps, |place| place["number"] = 0.into()).await;
    sells_for(world, &bulk_sku(0), 520);
    asked(world, &steps).await;
    let seen = planned(&steps).await;
    assert!(seen.to_set >= 40, "{seen:?}");
    set(&steps).await;
    assert_eq!(variant_of(world, &bulk_sku(0)).1, euros(650), "5.20 without tax");
    assert_eq!(outcomes(world), ["broke_off", "done"]);
});

on_both!(a_list_that_the_shop_does_not_have_keeps_the_next_one_whole, with(TWO_LISTS), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    stopped(&steps).await;
    let first = rows(&steps, SWEDISH_PRICES, PriceFilter::All).await.len();
    assert!(first >= 40, "the one that it has is under way: {first}");
    // As if the missing one had been compared up to there.
    change_place(&steps, |place| place["target"] = 0.into()).await;
    planned(&steps).await;
    assert_eq!(rows(&steps, SWEDISH_PRICES, PriceFilter::All).await.len(), first);
    let runs = "SELECT figures AS value FROM schedule_runs WHERE what = 'prices'";
    let figures: Seen = serde_json::from_str(&world.database.texts(runs)[0]).expect("JSON");
    assert_eq!(figures.compared % 2, 0, "from its beginning, once more: {figures:?}");
    assert!(figures.compared as usize >= 2 * first, "{figures:?}");
});

on_both!(a_call_that_names_no_price_goes_apart_and_orders_have_their_turn_between, own(), async |world: &World| {
    let steps = begin(world).await;
    synced(&steps).await;
    planned(&steps).await;
    // All variants of one product are gone, and the product with them.
    let product = world.shop().product_of(&bulk_sku(0)).expect("it is sold");
    let gone: Vec<String> = (0..40).map(bulk_sku).filter(|sku| world.shop().product_of(sku) == Some(product)).collect();
    gone.iter().for_each(|sku| world.shop().staff_delete(sku));
    let mut turns = 0;
    while let Some(wait) = write::drain(steps.link(), 1).await.expect("the store works") {
        assert_eq!(wait, Duration::ZERO);
        turns += 1;
        assert!(turns < 200, "it goes on for ever");
    }
    assert_eq!(rows(&steps, 0, PriceFilter::Planned).await.len(), 0);
    let parked = rows(&steps, 0, PriceFilter::Parked).await;
    let alone = parked.iter().filter(|row| row.product_id == product).count();
    assert_eq!(alone, gone.len(), "{parked:?}");
    assert!(turns >= gone.len(), "one call a turn: {turns}");
    assert_eq!(variant_of(world, &bulk_sku(39)).1, {
        let net = Decimal::new(501 + 39, 2) * Decimal::new(125, 2);
        net.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
    });
});

on_both!(another_currency_than_the_shops_is_told_with_both, with(OTHER_CURRENCY), async |world: &World| {
    told(world, "the shop's prices are in EUR, and prices.currency is \"SEK\": no price is compared").await;
});

on_both!(another_tax_than_the_shops_is_told_with_both, with(OTHER_TAX), async |world: &World| {
    told(world, "the shop's prices have their tax in them, and prices.tax is \"excluded\": no price is compared").await;
});

/// A run fails with a sentence that begins so and says what to do; nothing is planned.
async fn told(world: &World, beginning: &str) {
    let steps = begin(world).await;
    synced(&steps).await;
    assert_eq!(poll(steps.link()).await.expect("the store works"), Polled::Failed);
    let messages = world.database.texts("SELECT message AS value FROM schedule_runs WHERE what = 'prices'");
    assert!(messages[0].starts_with(beginning) && messages[0].contains("; set "), "{messages:?}");
    assert_eq!(rows(&steps, 0, PriceFilter::All).await.len(), 0);
}
