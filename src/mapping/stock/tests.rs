//! What levels come to, with every figure on the way, and what becomes of products that have run out.

use rust_decimal::Decimal;

use super::held::Held;
use super::out::{OutEnd, OutRow, OutStep, ProductReading, UnitsLeft, VariantReading, decide, not_standing};
use super::rows::{LocationStock, PartStock, PartSums};
use super::rules::StockRules;
use super::settings::{Levels, OutPolicy, StockSettings};
use super::target::{Books, Demand, Goods, Left, Pool, Target, plan};
use super::terms::Terms;
use super::unwritten::SkuOrders;
use crate::domain::stock::{InventoryPolicy, LevelKey, LevelReading, OutAct, OutState, ProductStatus};

/// Two locations of one site, one warehouse each.
const TWO: &str = r#"
    locations = [{ location = "1", warehouses = ["A"] }, { location = "2", warehouses = ["B"] }]
"#;

fn rules(text: &str) -> StockRules {
    let settings: StockSettings = toml::from_str(text).expect("the shape is right");
    StockRules::new(settings, "S10").expect("legal")
}

fn two(more: &str) -> StockRules {
    rules(&format!("{TWO}{more}"))
}

fn level(item: u64, location: u64, available: i64, committed: i64) -> LevelReading {
    LevelReading { key: LevelKey { item, location }, available, committed, reserved: 0, pending: None }
}

/// One SKU with some on hand and reserved at each location.
fn pool(stock: &[(i64, i64)], demand: i64, levels: Vec<LevelReading>, rules: &StockRules) -> Pool {
    let locations: Vec<LocationStock> = (1..)
        .zip(stock)
        .map(|(location, &(on_hand, reserved))| LocationStock {
            location,
            on_hand: on_hand.into(),
            reserved: reserved.into(),
        })
        .collect();
    let reserved: Decimal = locations.iter().map(|sum| sum.reserved).sum();
    let demand = Decimal::from(demand);
    Pool {
        stock: PartStock::Read(PartSums { locations, reserved }),
        demand: Demand { unreserved_before: demand, unreserved_after: demand, open_after: demand + reserved },
        goods: vec![goods("CUP", levels, rules)],
        books: Books::Current,
    }
}

fn goods(catalog_no: &str, levels: Vec<LevelReading>, rules: &StockRules) -> Goods {
    Goods {
        catalog_no: catalog_no.into(),
        conversion: Decimal::ONE,
        rule: rules.of_sku(catalog_no),
        orders: SkuOrders::default(),
        levels,
    }
}

fn planned(pool: &Pool, rules: &StockRules) -> Vec<Target> {
    plan(pool, rules).unwrap_or_else(|left| panic!("{}", left.text("CUP")))
}

/// What each level is set to now, and what it comes to.
fn figures(pool: &Pool, rules: &StockRules) -> Vec<(i64, i64)> {
    planned(pool, rules).iter().map(|target| (target.quantity, target.wanted)).collect()
}

#[test]
fn everything_that_is_promised_is_taken_away_and_the_terms_say_what() {
    let rules = two("safety = 2\ncap = 50");
    let mut pool = pool(&[(20, 3), (4, 0)], 5, vec![level(7, 1, 0, 0), level(7, 2, 0, 0)], &rules);
    pool.goods[0].orders = SkuOrders { unwritten_here: 4, committed: 1, ..SkuOrders::default() };
    let targets = planned(&pool, &rules);
    // 20 - 3 reserved - 5 open lines - 5 of orders that IFS does not hold - 2 kept back.
    assert_eq!(targets.iter().map(|target| target.wanted).collect::<Vec<_>>(), [5, 2]);
    let figure = Decimal::from;
    let Terms { on_hand, reserved, demand, unwritten, safety, short, whole, .. } = targets[0].terms.clone();
    assert_eq!([on_hand, reserved, demand, unwritten, safety, short], [20, 3, 5, 5, 2, 0].map(figure));
    assert_eq!(targets[0].terms.steps().iter().map(|(_, units)| *units).sum::<Decimal>(), figure(whole));
    let stored = serde_json::to_string(&targets[0].terms).expect("plain data");
    assert_eq!(serde_json::from_str::<Terms>(&stored).expect("what we wrote"), targets[0].terms);
}

#[test]
fn a_site_never_shows_more_at_one_location_because_another_owes() {
    let rules = two("");
    let both = || vec![level(7, 1, 0, 0), level(7, 2, 0, 0)];
    assert_eq!(figures(&pool(&[(3, 0), (10, 0)], 5, both(), &rules), &rules), [(0, 0), (8, 8)]);
    let owing = pool(&[(3, 5), (10, 0)], 0, both(), &rules);
    assert_eq!(figures(&owing, &rules), [(0, 0), (8, 8)], "more reserved than there");
    let short = pool(&[(3, 0), (4, 0)], 9, both(), &rules);
    assert_eq!(figures(&short, &rules), [(0, 0), (0, 0)]);
    assert_eq!(planned(&short, &rules)[0].terms.short, Decimal::TWO);
    // What Shopify has promised at a location is taken from there.
    let promised = vec![level(7, 1, 0, 0), level(7, 2, 0, 4)];
    assert_eq!(figures(&pool(&[(10, 0), (10, 0)], 5, promised, &rules), &rules), [(9, 9), (6, 6)]);
}

#[test]
fn what_shopify_has_reserved_is_taken_away_in_full_where_it_is() {
    let rules = two("");
    // IFS has ten; the staff reserve three of them for a draft: seven may be bought, and ten would be three too many.
    let drafted = |reserved: i64, rules: &StockRules| {
        let level = |location, available, reserved| LevelReading { reserved, ..level(7, location, available, 0) };
        let levels = vec![level(1, 4, 0), level(2, 3, reserved)];
        let mut pool = pool(&[(4, 0), (6, 0)], 0, levels, rules);
        pool.goods[0].orders.reserved = reserved;
        pool
    };
    let seven = drafted(3, &rules);
    assert_eq!(figures(&seven, &rules), [(4, 4), (3, 3)]);
    let terms: Vec<Terms> = planned(&seven, &rules).into_iter().map(|target| target.terms).collect();
    let taken = terms.iter().map(|terms| (terms.shop_reserved, terms.unwritten)).collect::<Vec<_>>();
    assert_eq!(taken, [(Decimal::ZERO, Decimal::ZERO), (Decimal::from(3), Decimal::ZERO)]);
    assert_eq!(terms[1].steps().iter().map(|(_, units)| *units).sum::<Decimal>(), Decimal::from(3));
    // What a location has reserved and has not is lacking elsewhere.
    assert_eq!(figures(&drafted(8, &rules), &rules), [(2, 2), (0, 0)]);
    assert_eq!(planned(&drafted(12, &rules), &rules)[0].terms.short, Decimal::TWO);
    // It is nobody's order: what is committed and known takes nothing of it.
    let mut both = drafted(3, &rules);
    (both.goods[0].orders.committed, both.goods[0].orders.known_committed) = (2, 5);
    assert_eq!(figures(&both, &rules), [(4, 4), (3, 3)]);
    let ignoring = two("reserved = \"ignore\"");
    assert_eq!(figures(&drafted(3, &ignoring), &ignoring), [(4, 4), (6, 6)]);
    let mut odd = drafted(3, &rules);
    odd.goods[0].levels[0].reserved = i64::MAX;
    assert!(matches!(plan(&odd, &rules), Err(Left::Unclear(_))));
}

#[test]
fn a_level_rises_only_into_the_room_that_the_others_leave() {
    let rules = two("");
    // Five units were moved from the second location to the first.
    let moved = pool(&[(5, 0), (0, 0)], 0, vec![level(7, 1, 0, 0), level(7, 2, 5, 0)], &rules);
    let targets = planned(&moved, &rules);
    assert_eq!(figures(&moved, &rules), [(0, 5), (0, 0)], "the other one is lowered first");
    assert!(targets[0].waits() && !targets[0].differs() && targets[1].differs());
    assert_eq!(targets.iter().map(|target| target.terms.held).collect::<Vec<_>>(), [Some(Held::Room), None]);
    let after = pool(&[(5, 0), (0, 0)], 0, vec![level(7, 1, 0, 0), level(7, 2, 0, 0)], &rules);
    assert_eq!(figures(&after, &rules), [(5, 5), (0, 0)]);
    // A call under way may still raise the second one.
    let mut under_way = after;
    under_way.goods[0].levels[1].pending = Some(3);
    assert_eq!(figures(&under_way, &rules), [(2, 5), (0, 0)]);
}

#[test]
fn books_that_are_behind_raise_nothing() {
    let rules = two("");
    let mut pool = pool(&[(5, 0), (2, 0)], 0, vec![level(7, 1, 1, 0), level(7, 2, 4, 0)], &rules);
    pool.books = Books::Behind;
    assert_eq!(figures(&pool, &rules), [(1, 5), (2, 2)]);
    assert_eq!(planned(&pool, &rules)[0].terms.held, Some(Held::Books));
}

#[test]
fn what_was_not_read_or_is_not_known_leaves_the_levels_alone() {
    let rules = two("");
    let mut pool = pool(&[(5, 0), (2, 0)], 0, vec![level(7, 1, 9, 0)], &rules);
    pool.stock = PartStock::NotRead;
    assert_eq!(plan(&pool, &rules), Err(Left::NotRead));
    pool.stock = PartStock::Unclear("odd".into());
    assert_eq!(plan(&pool, &rules), Err(Left::Unclear("odd".into())));
    let nothing = |location| LocationStock { location, on_hand: Decimal::ZERO, reserved: Decimal::ZERO };
    pool.stock = PartStock::Read(PartSums { locations: vec![nothing(1), nothing(2)], reserved: Decimal::ZERO });
    assert_eq!(figures(&pool, &rules), [(0, 0)], "read to the end, and nothing there");
    pool.goods[0].conversion = Decimal::ZERO;
    assert!(matches!(plan(&pool, &rules), Err(Left::Unclear(_))));
}

#[test]
fn units_are_whole_and_capped_and_what_is_oversold_shows_nothing() {
    let rules = two("groups = [{ name = \"boxes\", sku = [\"CUP\"], units = \"12\", cap = 3 }]");
    assert_eq!(figures(&pool(&[(35, 0), (0, 0)], 0, vec![level(7, 1, 0, 0)], &rules), &rules), [(2, 2)]);
    assert_eq!(figures(&pool(&[(95, 0), (0, 0)], 0, vec![level(7, 1, 0, 0)], &rules), &rules), [(3, 3)]);
    assert_eq!(figures(&pool(&[(0, 0), (0, 0)], 0, vec![level(7, 1, -3, 3)], &rules), &rules), [(0, 0)]);
}

#[test]
fn what_may_be_sold_before_it_is_there_exists_once() {
    let rules = two("groups = [{ name = \"early\", sku = [\"CUP\"], pre_order = 10 }]");
    let both = vec![level(7, 1, 0, 0), level(7, 2, 0, 0)];
    assert_eq!(figures(&pool(&[(0, 0), (1, 0)], 4, both, &rules), &rules), [(6, 6), (1, 1)]);
}

#[test]
fn several_skus_of_one_part_share_it_only_where_that_is_asked_for() {
    let park = two("");
    let mut shared = pool(&[(20, 0), (0, 0)], 0, vec![level(7, 1, 0, 0)], &park);
    shared.goods.push(Goods { conversion: Decimal::from(6), ..goods("CUPS-6", vec![level(8, 1, 0, 0)], &park) });
    let left = plan(&shared, &park).expect_err("no rule");
    assert_eq!(left, Left::SharedPart(vec!["CUP".into(), "CUPS-6".into()]));
    let mut left_alone = shared.clone();
    left_alone.goods[1].rule.levels = Levels::Leave;
    assert_eq!(figures(&left_alone, &park), [(20, 20)], "somebody else keeps the box");
    let divide = two("shared_part = \"divide\"");
    assert_eq!(figures(&shared, &divide), [(10, 10), (1, 1)]);
}

fn product(status: ProductStatus, variants: &[(InventoryPolicy, UnitsLeft)]) -> ProductReading {
    let variants = (1..).zip(variants).map(|(variant_id, (policy, left))| VariantReading {
        variant_id,
        is_tracked: true,
        is_bundle: false,
        policy: policy.clone(),
        left: *left,
    });
    ProductReading { status, published: vec![50, 51], variants: variants.collect() }
}

fn active(left: &[i64]) -> ProductReading {
    let variants: Vec<_> = left.iter().map(|left| (InventoryPolicy::Deny, UnitsLeft::Known(*left))).collect();
    product(ProductStatus::Active, &variants)
}

fn drafted(left: &[i64]) -> ProductReading {
    ProductReading { status: ProductStatus::Draft, ..active(left) }
}

fn row(state: OutState) -> OutRow {
    OutRow { state, acts: vec![OutAct::Draft] }
}

/// What is done under `draft` with a threshold of hysteresis.
fn drafting(product: &ProductReading, row: Option<&OutRow>) -> OutStep {
    decide(product, row, OutPolicy::Draft, &rules("out = { policy = \"draft\", out_at = 1, back_at = 4 }"), true)
}

#[test]
fn a_product_has_run_out_when_none_of_its_variants_is_left() {
    let draft = || OutStep::Disable(vec![OutAct::Draft]);
    assert_eq!(drafting(&active(&[1, 0]), None), draft());
    assert_eq!(drafting(&active(&[2, 0]), None), OutStep::Nothing, "above the threshold");
    assert_eq!(drafting(&active(&[]), None), OutStep::Nothing);
    let known = (InventoryPolicy::Deny, UnitsLeft::Known(0));
    let unknown = (InventoryPolicy::Deny, UnitsLeft::Unknown);
    assert_eq!(drafting(&product(ProductStatus::Active, &[known.clone(), unknown]), None), OutStep::Nothing);
    let sold_on = (InventoryPolicy::Continue, UnitsLeft::Known(0));
    assert_eq!(drafting(&product(ProductStatus::Active, &[known.clone(), sold_on]), None), OutStep::Nothing);
    let mut untracked = active(&[0, 0]);
    untracked.variants[1].is_tracked = false;
    assert_eq!(drafting(&untracked, None), OutStep::Nothing);
    let mut bundle = active(&[0]);
    bundle.variants[0].is_bundle = true;
    assert_eq!(drafting(&bundle, None), OutStep::Nothing);
}

#[test]
fn what_may_count_twice_is_taken_from_a_level_and_makes_no_product_run_out() {
    let rules = two("cap = 5");
    let mut pool = pool(&[(3, 0), (0, 0)], 2, vec![level(7, 1, 1, 2), level(7, 2, 0, 0)], &rules);
    let told = |pool: &Pool| {
        let targets = planned(pool, &rules);
        targets.iter().map(|target| (target.wanted, target.terms.most)).collect::<Vec<_>>()
    };
    assert_eq!(told(&pool), [(1, None), (0, None)]);
    // An order that IFS holds was touched: its two units pass for those of another one.
    pool.goods[0].orders = SkuOrders { committed: 2, ..SkuOrders::default() };
    assert_eq!(told(&pool), [(0, Some(1)), (0, None)]);
    // One that IFS does not hold counts, whatever is left then.
    pool.goods[0].orders = SkuOrders { unwritten_here: 1, known_committed: 1, committed: 3, reserved: 0 };
    assert_eq!(told(&pool), [(0, None), (0, None)]);
    // A line that was shipped between the readings of the open lines.
    pool.goods[0].orders = SkuOrders::default();
    pool.demand.unreserved_after = Decimal::ZERO;
    pool.demand.open_after = Decimal::ZERO;
    assert_eq!(told(&pool), [(1, Some(3)), (0, None)]);
}

#[test]
fn a_product_has_run_out_only_where_nothing_is_left_that_may_count_twice() {
    let of = |status, least, most| product(status, &[(InventoryPolicy::Deny, UnitsLeft::Doubtful { least, most })]);
    let disabled = row(OutState::Disabled);
    assert_eq!(drafting(&of(ProductStatus::Active, 0, 2), None), OutStep::Nothing);
    assert_eq!(drafting(&of(ProductStatus::Active, 0, 1), None), OutStep::Disable(vec![OutAct::Draft]));
    assert_eq!(drafting(&of(ProductStatus::Draft, 0, 9), Some(&disabled)), OutStep::Nothing, "not there for sure");
    assert_eq!(drafting(&of(ProductStatus::Draft, 4, 9), Some(&disabled)), OutStep::Enable(vec![OutAct::Draft]));
}

#[test]
fn what_a_merchant_disabled_is_left_alone_for_good() {
    for status in [ProductStatus::Draft, ProductStatus::Archived, ProductStatus::Unlisted] {
        for left in [0, 9] {
            let product = ProductReading { status: status.clone(), ..active(&[left]) };
            assert_eq!(drafting(&product, None), OutStep::Nothing, "{status:?}");
        }
    }
}

#[test]
fn what_we_did_is_undone_when_enough_is_there_again() {
    let disabled = row(OutState::Disabled);
    assert_eq!(drafting(&drafted(&[3]), Some(&disabled)), OutStep::Nothing, "it does not flap");
    assert_eq!(drafting(&drafted(&[4]), Some(&disabled)), OutStep::Enable(vec![OutAct::Draft]));
    let enabling = row(OutState::Enabling);
    assert_eq!(drafting(&drafted(&[4]), Some(&enabling)), OutStep::Enable(vec![OutAct::Draft]), "the call was lost");
    assert_eq!(drafting(&active(&[4]), Some(&enabling)), OutStep::Close(OutEnd::Enabled));
}

#[test]
fn a_lost_call_is_seen_by_the_next_reading() {
    let disabling = row(OutState::Disabling);
    assert_eq!(drafting(&drafted(&[0]), Some(&disabling)), OutStep::Become(OutState::Disabled));
    assert_eq!(drafting(&active(&[0]), Some(&disabling)), OutStep::Disable(vec![OutAct::Draft]));
    // It may come yet: what we may have done is taken back before the row ends.
    assert_eq!(drafting(&active(&[4]), Some(&disabling)), OutStep::Enable(vec![OutAct::Draft]));
}

#[test]
fn a_merchant_who_enables_it_again_is_respected_until_it_was_there_again() {
    let disabled = row(OutState::Disabled);
    assert_eq!(drafting(&active(&[0]), Some(&disabled)), OutStep::Become(OutState::Respected));
    let respected = row(OutState::Respected);
    assert_eq!(drafting(&active(&[0]), Some(&respected)), OutStep::Nothing);
    assert_eq!(drafting(&drafted(&[0]), Some(&respected)), OutStep::Nothing, "and so is a draft of the merchant's");
    assert_eq!(drafting(&active(&[4]), Some(&respected)), OutStep::Close(OutEnd::Restocked));
    for state in OutState::ALL {
        let archived = ProductReading { status: ProductStatus::Archived, ..active(&[4]) };
        assert_eq!(drafting(&archived, Some(&row(state))), OutStep::Close(OutEnd::Overtaken), "{state:?}");
    }
}

#[test]
fn a_product_leaves_only_channels_that_it_is_on_and_comes_back_to_those() {
    let rules = rules("out = { policy = \"unpublish\", channels = [\"51\", \"52\"] }");
    let unpublish =
        |product: &ProductReading, row: Option<&OutRow>| decide(product, row, OutPolicy::Unpublish, &rules, true);
    assert_eq!(unpublish(&active(&[0]), None), OutStep::Disable(vec![OutAct::Unpublish(51)]));
    let row = OutRow { state: OutState::Disabled, acts: vec![OutAct::Unpublish(51), OutAct::Unpublish(50)] };
    // A merchant brought it back to channel 50.
    let off = ProductReading { published: vec![50], ..active(&[3]) };
    assert_eq!(unpublish(&off, Some(&row)), OutStep::Enable(vec![OutAct::Unpublish(51)]));
    assert_eq!(not_standing(&row.acts, &off), [OutAct::Unpublish(50)]);
}

#[test]
fn a_product_that_is_back_in_one_channel_only_leaves_both_when_it_runs_out_again() {
    let rules = rules("out = { policy = \"unpublish\", channels = [\"51\", \"52\"] }");
    let acts = vec![OutAct::Unpublish(51), OutAct::Unpublish(52)];
    let row = OutRow { state: OutState::Enabling, acts: acts.clone() };
    let with = |left: i64| {
        let product = ProductReading { published: vec![51], ..active(&[left]) };
        decide(&product, Some(&row), OutPolicy::Unpublish, &rules, true)
    };
    assert_eq!(with(3), OutStep::Enable(acts.clone()));
    assert_eq!(with(0), OutStep::Disable(acts));
}

#[test]
fn selling_on_is_switched_off_and_on_again_for_the_variants_that_had_it() {
    let rules = rules("out = { policy = \"deny\" }");
    let deny = |product: &ProductReading, row: Option<&OutRow>| decide(product, row, OutPolicy::Deny, &rules, true);
    let of = |policy: &InventoryPolicy, left| {
        product(
            ProductStatus::Active,
            &[(policy.clone(), UnitsLeft::Known(left)), (InventoryPolicy::Deny, UnitsLeft::Known(left))],
        )
    };
    let acts = vec![OutAct::Deny(1)];
    assert_eq!(deny(&of(&InventoryPolicy::Continue, 0), None), OutStep::Disable(acts.clone()));
    assert_eq!(deny(&of(&InventoryPolicy::Deny, 0), None), OutStep::Nothing);
    let row = OutRow { state: OutState::Disabled, acts: acts.clone() };
    assert_eq!(deny(&of(&InventoryPolicy::Deny, 1), Some(&row)), OutStep::Enable(acts));
    assert_eq!(deny(&of(&InventoryPolicy::Continue, 0), Some(&row)), OutStep::Become(OutState::Respected));
}

#[test]
fn a_product_rests_between_two_changes_of_ours() {
    let rules = rules("out = { policy = \"draft\" }");
    assert_eq!(decide(&active(&[0]), None, OutPolicy::Draft, &rules, false), OutStep::Nothing);
    let disabled = row(OutState::Disabled);
    assert_eq!(decide(&drafted(&[9]), Some(&disabled), OutPolicy::Draft, &rules, false), OutStep::Nothing);
}

#[test]
fn a_product_of_which_nobody_says_that_it_is_out_is_not_disabled_once_more() {
    let unknown = [(InventoryPolicy::Deny, UnitsLeft::Unknown)];
    for product in [active(&[2]), product(ProductStatus::Active, &unknown)] {
        assert_eq!(drafting(&product, Some(&row(OutState::Disabling))), OutStep::Nothing);
        assert_eq!(drafting(&product, Some(&row(OutState::Enabling))), OutStep::Close(OutEnd::Enabled));
    }
    let enabling = row(OutState::Enabling);
    assert_eq!(drafting(&drafted(&[2]), Some(&enabling)), OutStep::Enable(vec![OutAct::Draft]), "once begun");
    assert_eq!(drafting(&drafted(&[0]), Some(&enabling)), OutStep::Disable(vec![OutAct::Draft]));
}

#[test]
fn switched_off_what_was_done_is_undone_whatever_is_left_and_nothing_is_done_again() {
    let rules = rules("out = { out_at = 1, back_at = 4 }");
    let off =
        |product: &ProductReading, row: Option<&OutRow>, rested| decide(product, row, OutPolicy::Off, &rules, rested);
    let enable = || OutStep::Enable(vec![OutAct::Draft]);
    for left in [0, 2, 9] {
        assert_eq!(off(&active(&[left]), None, true), OutStep::Nothing);
        assert_eq!(off(&drafted(&[left]), Some(&row(OutState::Disabled)), false), enable(), "{left}");
        assert_eq!(off(&active(&[left]), Some(&row(OutState::Disabling)), true), enable(), "it may come yet");
        assert_eq!(off(&drafted(&[left]), Some(&row(OutState::Enabling)), true), enable());
        assert_eq!(off(&active(&[left]), Some(&row(OutState::Enabling)), true), OutStep::Close(OutEnd::Enabled));
        assert_eq!(off(&active(&[left]), Some(&row(OutState::Respected)), true), OutStep::Close(OutEnd::Restocked));
    }
}

#[test]
fn what_follows_ifs_no_more_is_never_disabled_but_comes_back_with_what_the_shop_shows() {
    let of = |status, shows| product(status, &[(InventoryPolicy::Deny, UnitsLeft::Unfollowed(shows))]);
    let disabled = row(OutState::Disabled);
    assert_eq!(drafting(&of(ProductStatus::Active, 0), None), OutStep::Nothing);
    assert_eq!(drafting(&of(ProductStatus::Draft, 3), Some(&disabled)), OutStep::Nothing);
    assert_eq!(drafting(&of(ProductStatus::Draft, 4), Some(&disabled)), OutStep::Enable(vec![OutAct::Draft]));
}

#[test]
fn a_bundle_is_asked_for_before_whether_it_is_counted() {
    let counted = |bundle: &str| rules(&format!("out = {{ policy = \"draft\", bundle = \"{bundle}\" }}"));
    let mut set = active(&[0]);
    (set.variants[0].is_bundle, set.variants[0].is_tracked) = (true, false);
    let step = |bundle: &str, row: Option<&OutRow>| decide(&set, row, OutPolicy::Draft, &counted(bundle), true);
    assert_eq!(step("by_shopify", None), OutStep::Disable(vec![OutAct::Draft]), "none can be made");
    assert_eq!(step("leave", None), OutStep::Nothing);
    set.status = ProductStatus::Draft;
    let step = |bundle: &str, row: Option<&OutRow>| decide(&set, row, OutPolicy::Draft, &counted(bundle), true);
    assert_eq!(step("leave", Some(&row(OutState::Disabled))), OutStep::Nothing);
}

#[test]
fn what_was_done_to_a_variant_that_is_gone_went_with_it() {
    let rules = rules("out = { policy = \"deny\" }");
    let deny = |product: &ProductReading, row: &OutRow| decide(product, Some(row), OutPolicy::Deny, &rules, true);
    let both = OutRow { state: OutState::Disabling, acts: vec![OutAct::Deny(1), OutAct::Deny(9)] };
    let out = active(&[0]);
    assert_eq!(deny(&out, &both), OutStep::Become(OutState::Disabled), "the one that is there stands");
    let none = OutRow { state: OutState::Disabling, acts: vec![OutAct::Deny(9)] };
    assert_eq!(deny(&out, &none), OutStep::Close(OutEnd::Void));
    let disabled = OutRow { state: OutState::Disabled, ..both };
    assert_eq!(deny(&active(&[1]), &disabled), OutStep::Enable(vec![OutAct::Deny(1)]));
}
