//! Products that run out and come back, from outside: each way of disabling one, what merchants do meanwhile, calls that come late, and
//! what is wrong with one product alone.

use ml_connector::flow::stock::Polled;
use ml_connector::flow::stock::outs::{self, Looked};
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ifs::SalesTerms;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{ONLINE_STORE, POINT_OF_SALE, ProductView, Standing, WAREHOUSE, WhenOut};
use ml_connector::sandbox::world::bulk_sku;
use ml_connector::store::LevelState;
use serde_json::Value;

use crate::on_both;
use crate::stock::{an_hour_later, begin, counts, look_at_all, polled, rows, synced};
use crate::support::stocked::{DENIED, DRAFTS, UNPUBLISHED, hourly};
use crate::support::world::{Setup, Steps, World};

const SLOW_DRAFTS: &str = r#"out = { policy = "draft", out_at = 1, back_at = 4 }
"#;
/// The first product's first SKU may be sold before it is there, and the second product's second one is left to somebody else.
const EARLY: &str = r#"groups = [{ name = "early", sku = ["BULK-000001"], pre_order = 3 }, { name = "theirs", sku = ["BULK-000007"], levels = "leave" }]
"#;

fn drafts() -> Setup {
    hourly(&[DRAFTS])
}

fn early_drafts() -> Setup {
    hourly(&[EARLY, DRAFTS])
}

/// A product of five SKUs: the first, the second, ... of the shop.
struct Sold {
    id: u64,
    skus: Vec<String>,
}

fn sold(world: &World, nth: usize) -> Sold {
    let id = world.shop().product_of(&bulk_sku(nth * 5)).expect("it is sold");
    let skus = view(world, id).variants.into_iter().filter_map(|(_, sku, ..)| sku).collect();
    Sold { id, skus }
}

fn view(world: &World, product: u64) -> ProductView {
    world.shop().products().into_iter().find(|one| one.id == product).expect("it is there")
}

fn standing(world: &World, product: &Sold) -> Standing {
    view(world, product.id).standing
}

fn when_out(world: &World, product: &Sold) -> Vec<WhenOut> {
    view(world, product.id).variants.into_iter().map(|(_, _, when_out, _)| when_out).collect()
}

/// Nothing, or so many, of each SKU is there.
fn all_are(world: &World, product: &Sold, units: i64) {
    product.skus.iter().for_each(|sku| counts(world, sku, units));
}

/// A reading, its calls, and the look at products.
async fn first_round(world: &World) -> Steps {
    let steps = begin(world).await;
    synced(&steps).await;
    look_at_all(&steps).await;
    steps
}

/// The same, an hour later.
async fn round(world: &World, steps: &Steps) {
    an_hour_later(world, steps);
    synced(steps).await;
    look_at_all(steps).await;
}

/// How each row stands or ended, oldest first.
fn states(world: &World) -> Vec<String> {
    world.database.texts("SELECT COALESCE(ended, state) AS value FROM stock_outs ORDER BY id")
}

on_both!(
    a_product_leaves_its_channels_and_comes_back_to_those_that_it_was_on,
    hourly(&[UNPUBLISHED]),
    async |world: &World| {
        let steps = first_round(world).await;
        let [both, one] = [0, 1].map(|nth| sold(world, nth));
        // The merchant does not sell the second one online.
        world.shop().staff_unpublish(one.id, ONLINE_STORE);
        for product in [&both, &one] {
            all_are(world, product, 0);
        }
        round(world, &steps).await;
        assert_eq!(states(world), ["disabled", "disabled"]);
        for product in [&both, &one] {
            assert!(view(world, product.id).published.is_empty());
            all_are(world, product, 3);
        }
        round(world, &steps).await;
        assert_eq!(view(world, both.id).published, [ONLINE_STORE, POINT_OF_SALE]);
        assert_eq!(view(world, one.id).published, [POINT_OF_SALE], "only what was done here is undone");
        assert_eq!(states(world), ["enabled", "enabled"]);
    }
);

on_both!(a_channel_that_is_gone_keeps_a_product_out_of_no_other, hourly(&[UNPUBLISHED]), async |world: &World| {
    let steps = first_round(world).await;
    let product = sold(world, 0);
    all_are(world, &product, 0);
    round(world, &steps).await;
    assert!(view(world, product.id).published.is_empty());
    world.shop().staff_delete_publication(ONLINE_STORE);
    all_are(world, &product, 3);
    round(world, &steps).await;
    assert_eq!(view(world, product.id).published, [POINT_OF_SALE]);
    // What cannot be undone any more is none of the row's, and what Shopify said is told.
    assert_eq!(world.database.texts("SELECT acts AS value FROM stock_outs"), ["unpublish:90000002"]);
    let told = world.database.texts("SELECT reason AS value FROM stock_outs");
    assert!(told[0].contains("does not exist"), "{told:?}");
    assert_eq!(states(world), ["enabled"]);
    let (code, listed, _) = world.command(&["stock", "list", "acme", "--outs", "--all"], "");
    assert!(code == 0 && listed.contains("does not exist"), "{listed}");
});

on_both!(selling_on_ends_with_the_stock_and_begins_with_it, hourly(&[DENIED]), async |world: &World| {
    let steps = first_round(world).await;
    let [product, other] = [0, 1].map(|nth| sold(world, nth));
    world.shop().staff_set_when_out(&product.skus[0], WhenOut::Continue);
    world.shop().staff_set_when_out(&other.skus[0], WhenOut::Continue);
    for product in [&product, &other] {
        all_are(world, product, 0);
    }
    round(world, &steps).await;
    for product in [&product, &other] {
        assert_eq!(when_out(world, product), [WhenOut::Deny; 5]);
    }
    // What was done to a variant that is deleted went with it.
    world.shop().staff_delete(&other.skus[0]);
    counts(world, &product.skus[1], 2);
    round(world, &steps).await;
    assert_eq!(when_out(world, &product)[0], WhenOut::Continue);
    assert_eq!(when_out(world, &product)[1..], [WhenOut::Deny; 4]);
    assert_eq!(states(world), ["enabled", "void"]);
});

on_both!(what_a_merchant_decides_stays_until_the_next_stock_out, drafts(), async |world: &World| {
    let steps = first_round(world).await;
    let [hidden, shown] = [0, 1].map(|nth| sold(world, nth));
    world.shop().staff_set_standing(hidden.id, Standing::Draft);
    for product in [&hidden, &shown] {
        all_are(world, product, 0);
    }
    round(world, &steps).await;
    assert_eq!(states(world), ["disabled"], "the merchant's draft is none of ours");
    // Shown again by the merchant, with nothing left.
    world.shop().staff_set_standing(shown.id, Standing::Active);
    for _ in 0..2 {
        round(world, &steps).await;
        assert_eq!(standing(world, &shown), Standing::Active);
    }
    assert_eq!(states(world), ["respected"]);
    for product in [&hidden, &shown] {
        counts(world, &product.skus[2], 2);
    }
    round(world, &steps).await;
    assert_eq!(standing(world, &hidden), Standing::Draft, "what a merchant disabled stays so");
    assert_eq!(states(world), ["restocked"]);
    // The next stock-out is ours again.
    counts(world, &shown.skus[2], 0);
    round(world, &steps).await;
    assert_eq!(standing(world, &shown), Standing::Draft);
    assert_eq!(states(world), ["restocked", "disabled"]);
});

on_both!(between_both_thresholds_a_product_stays_as_it_is, hourly(&[SLOW_DRAFTS]), async |world: &World| {
    let steps = first_round(world).await;
    let product = sold(world, 0);
    all_are(world, &product, 1);
    for (units, wanted) in
        [(1, Standing::Draft), (3, Standing::Draft), (4, Standing::Active), (2, Standing::Active), (1, Standing::Draft)]
    {
        counts(world, &product.skus[0], units);
        round(world, &steps).await;
        assert_eq!(standing(world, &product), wanted, "{units} units");
    }
});

on_both!(what_can_be_bought_all_the_same_has_not_run_out, early_drafts(), async |world: &World| {
    let steps = first_round(world).await;
    let [early, theirs, on, out] = [0, 1, 2, 3].map(|nth| sold(world, nth));
    world.shop().staff_set_when_out(&on.skus[4], WhenOut::Continue);
    for product in [&early, &theirs, &on, &out] {
        all_are(world, product, 0);
    }
    round(world, &steps).await;
    let now = || [&early, &theirs, &on, &out].map(|product| standing(world, product));
    let [active, draft] = [Standing::Active, Standing::Draft];
    assert_eq!(now(), [active, active, active, draft], "what somebody else keeps is not for us to judge");
    // Nobody sells it on any more.
    world.shop().staff_set_when_out(&on.skus[4], WhenOut::Deny);
    round(world, &steps).await;
    assert_eq!(now(), [active, active, draft, draft]);
});

on_both!(one_bad_product_keeps_no_other_waiting, drafts(), async |world: &World| {
    let steps = first_round(world).await;
    let [bad, good] = [0, 1].map(|nth| sold(world, nth));
    for (units, wanted) in [(0, Standing::Draft), (5, Standing::Active)] {
        let before = standing(world, &bad);
        for product in [&bad, &good] {
            all_are(world, product, units);
        }
        an_hour_later(world, &steps);
        synced(&steps).await;
        world.sandbox.faults().once(Class::GraphQl, Fault::CutBody);
        look_at_all(&steps).await;
        assert_eq!(outs::look(steps.link()).await.expect("the store works"), Looked::Done);
        assert_eq!(standing(world, &bad), before, "it could not be read");
        assert_eq!(standing(world, &good), wanted);
        if units > 0 {
            let told = world.database.number("SELECT COUNT(*) FROM stock_outs WHERE reason IS NOT NULL");
            assert_eq!(told, 1, "a person sees it beside the row");
        }
        round(world, &steps).await;
        assert_eq!(standing(world, &bad), wanted, "with the next reading");
    }
});

on_both!(a_look_during_the_next_reading_passes_no_product_over, drafts(), async |world: &World| {
    let steps = first_round(world).await;
    let product = sold(world, 0);
    all_are(world, &product, 0);
    an_hour_later(world, &steps);
    synced(&steps).await;
    // The next reading begins before anybody has looked, and does not come to its end.
    world.sandbox.ifs().set_stock_page_rows(20);
    world.sandbox.ifs().break_stock_after(2);
    an_hour_later(world, &steps);
    assert_eq!(polled(&steps).await, Polled::Failed);
    assert!(rows(&steps, LevelState::Read).await.len() > 40);
    look_at_all(&steps).await;
    assert_eq!(standing(world, &product), Standing::Draft);
    assert_eq!(outs::look(steps.link()).await.expect("the store works"), Looked::Done);
});

on_both!(a_disabling_call_that_comes_late_is_taken_back, drafts(), async |world: &World| {
    let steps = first_round(world).await;
    let product = sold(world, 0);
    all_are(world, &product, 0);
    an_hour_later(world, &steps);
    synced(&steps).await;
    world.sandbox.faults().once(Class::ShopStock, Fault::Shelved);
    assert_eq!(outs::look(steps.link()).await.expect("the store works"), Looked::Held);
    assert_eq!((standing(world, &product), states(world)), (Standing::Active, vec!["disabling".to_owned()]));
    // It is there again before anybody knows whether the call was lost.
    counts(world, &product.skus[0], 4);
    round(world, &steps).await;
    assert_eq!((standing(world, &product), states(world)), (Standing::Active, vec!["enabling".to_owned()]));
    assert_eq!(world.shop().release_held(), 1, "it comes now");
    assert_eq!(standing(world, &product), Standing::Draft);
    round(world, &steps).await;
    assert_eq!(standing(world, &product), Standing::Active);
    round(world, &steps).await;
    assert_eq!((standing(world, &product), states(world)), (Standing::Active, vec!["enabled".to_owned()]));
});

on_both!(what_follows_ifs_no_more_comes_back_with_what_the_shop_shows, drafts(), async |world: &World| {
    let steps = first_round(world).await;
    let product = sold(world, 0);
    all_are(world, &product, 0);
    round(world, &steps).await;
    assert_eq!(standing(world, &product), Standing::Draft);
    // Each SKU stands on two variants by now: nobody but the merchant keeps their levels.
    for sku in &product.skus {
        world.shop().staff_double(sku).expect("it doubles");
    }
    round(world, &steps).await;
    assert_eq!(standing(world, &product), Standing::Draft, "nothing is there");
    world.shop().staff_count(&product.skus[0], WAREHOUSE, 5);
    round(world, &steps).await;
    assert_eq!(standing(world, &product), Standing::Active);
    assert_eq!(states(world), ["enabled"]);
});

on_both!(switched_off_all_that_was_done_is_undone, drafts(), async |world: &World| {
    let steps = first_round(world).await;
    let product = sold(world, 0);
    all_are(world, &product, 0);
    round(world, &steps).await;
    assert_eq!(standing(world, &product), Standing::Draft);
    let written = std::fs::read_to_string(&world.config).expect("reads");
    let off = written.replace("policy = \"draft\"", "policy = \"off\"");
    assert_ne!(off, written);
    std::fs::write(&world.config, off).expect("writes");
    let steps = world.steps(&steps.clock).await;
    round(world, &steps).await;
    assert_eq!((standing(world, &product), states(world)), (Standing::Active, vec!["enabled".to_owned()]));
    round(world, &steps).await;
    assert_eq!(standing(world, &product), Standing::Active, "and stays, though nothing is left");
});

on_both!(every_level_that_no_plan_comes_by_says_why, early_drafts(), async |world: &World| {
    let (bundle, gone) = (bulk_sku(11), bulk_sku(12));
    let steps = begin(world).await;
    world.shop().staff_bundle(&bundle);
    let contract = "S10";
    let terms = world.sandbox.ifs().sales_terms(contract, &gone);
    world.sandbox.ifs().set_sales_terms(contract, &gone, SalesTerms { is_active: false, ..terms });
    synced(&steps).await;
    let read = rows(&steps, LevelState::Read).await;
    assert!(read.iter().all(|level| level.location_id != WAREHOUSE), "{read:?}");
    assert_eq!(rows(&steps, LevelState::Parked).await.len(), 0, "nobody tries to set a bundle");
    for (sku, code) in [(&bundle, "bundle"), (&gone, "without_part"), (&bulk_sku(6), "left_by_group")] {
        let (exit, told, _) = world.command(&["stock", "explain", "acme", sku.as_str(), "--json"], "");
        assert_eq!(exit, 0, "{told}");
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let levels = told["items"][0]["levels"].as_array().expect("a list");
        assert!(levels.iter().any(|level| level["reason"] == code && level["state"] == "left"), "{sku}: {levels:?}");
    }
    let (exit, told, _) = world.command(&["stock", "explain", "acme", bulk_sku(0).as_str()], "");
    assert!(exit == 0 && told.contains("group early gives pre_order") && told.contains("site S10"), "{told}");
});
