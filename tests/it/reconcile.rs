//! The three books side by side: a clean day is clean to the cent, and each difference that is planted by hand in one of the books is
//! found, named, and told from what is known.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use ml_connector::flow::account::{Account, Difference, Standing};
use ml_connector::flow::reconcile::{Asked, Books, Depth, KEPT_AFTER, Manner, reconcile};
use ml_connector::flow::sync::BULK_FROM;
use ml_connector::mapping::components::Component;
use ml_connector::sandbox::ifs::RowOf;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Feature, Planted, Story};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::on_both;
use crate::support::composed::Composed;
use crate::support::world::{Setup, Steps, World, assert_state};

/// Steps, and a shop that does not count its points.
pub async fn begin(world: &World) -> Steps {
    world.shop().set_cost_bucket(1_000_000, 100_000);
    world.steps(&Clock::manual(Timestamp::now())).await
}

async fn arrive(world: &World, steps: &Steps, order: u64, topic: &str) {
    steps.deliver(steps.link(), topic, &world.shop().webhook_body(order).expect("a body")).await;
    steps.run(steps.link()).await;
}

/// An order that was sold and told, and has gone as far as it goes.
pub async fn sold(world: &World, steps: &Steps, story: Story) -> u64 {
    let order = world.shop().place(story);
    arrive(world, steps, order, "orders/create").await;
    order
}

/// The books of the first connection.
pub fn books(steps: &Steps, now: Timestamp) -> Books<'_> {
    let link = steps.link();
    Books {
        name: &link.name,
        names: &link.tenant.connections,
        store: &steps.store,
        shopify: &link.shopify,
        ifs: &link.tenant.ifs,
        ifs_reads_max: 2,
        batch_parts_max: link.tenant.limits.batch_parts_max,
        rules: &link.rules,
        now,
        clock: &steps.clock,
    }
}

/// All orders until then.
pub fn everything(until: Timestamp) -> Asked {
    Asked {
        span: ("2015-01-01T00:00:00Z".parse().expect("an instant"), until),
        differences_max: 1_000,
        depth: Depth::Changed,
        manner: Manner::GoOn,
        bulk_from: BULK_FROM,
        kept_after: KEPT_AFTER,
    }
}

/// The account of all orders, an hour after everything happened.
async fn account_of(steps: &Steps, differences_max: usize) -> Account {
    let now = steps.clock.now() + SignedDuration::from_hours(1);
    let asked = Asked { differences_max, ..everything(now) };
    reconcile(books(steps, now), &asked, &|_| {}).await.expect("an account").account
}

/// The account of all orders, with all their differences.
pub async fn account(steps: &Steps) -> Account {
    account_of(steps, 1_000).await
}

/// The only difference.
pub fn only(account: &Account) -> &Difference {
    assert_eq!((account.differences.len(), account.more), (1, 0), "{:#?}", account.differences);
    &account.differences[0]
}

/// The only difference is of this order, and unexplained.
pub fn assert_unexplained(account: &Account, code: &str, order: u64) {
    let one = only(account);
    assert_eq!((one.standing, one.code.as_str(), one.order_id), (Standing::Unexplained, code, Some(order)), "{one:#?}");
    assert!(!account.is_clean());
}

fn components(one: &Difference) -> Vec<Component> {
    one.gaps.iter().map(|gap| gap.component).collect()
}

async fn number_of(world: &World) -> String {
    world.document().await.order_no.expect("linked")
}

/// Each currency's columns agree in every component that is compared.
fn assert_even(account: &Account) {
    for (currency, columns) in &account.sums {
        let gaps = columns.shopify.differing(&columns.ours, Decimal::ZERO);
        let more = columns.ours.differing(&columns.ifs, Decimal::ZERO);
        assert!(gaps.is_empty() && more.is_empty(), "{currency}: {gaps:?} {more:?} {columns:#?}");
    }
}

on_both!(a_clean_day_is_clean_to_the_cent, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    for story in [Story::Plain, Story::Plain, Story::PlacedEarlier, Story::Test] {
        sold(world, &steps, story).await;
    }
    for (story, change, topic) in [
        (Story::QuantityDown, Change::QuantityDown, "orders/updated"),
        (Story::PriceChanged, Change::LineDiscount, "orders/updated"),
        (Story::CancelledAfterWritten, Change::Cancelled, "orders/cancelled"),
    ] {
        let order = sold(world, &steps, story).await;
        world.shop().change(order, change);
        arrive(world, &steps, order, topic).await;
    }
    let account = account(&steps).await;
    assert!(account.is_clean(), "{:#?}", account.differences);
    assert_eq!((only(&account).code.as_str(), only(&account).gaps.len()), ("test_order", 0));
    assert_eq!((account.counts.shopify, account.counts.ours, account.counts.ifs), (6, 5, 5));
    assert_even(&account);
    // The sandbox's own books say the same.
    let books = world.sandbox.books(&[]);
    assert!(books.is_clean(), "{:?}", books.differences);
    let totals: BTreeMap<String, Decimal> = account
        .sums
        .iter()
        .map(|(currency, columns)| (currency.clone(), columns.ifs.get(Component::Total)))
        .filter(|(_, total)| !total.is_zero())
        .collect();
    assert_eq!(totals, books.held.totals);
});

on_both!(orders_of_every_kind_come_to_the_same_in_all_three_books, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    for feature in Feature::ALL {
        sold(world, &steps, Story::Sold(feature)).await;
    }
    let account = account(&steps).await;
    assert!(account.is_clean(), "{:#?}", account.differences);
    // Every order read whole comes to the same.
    let now = steps.clock.now() + SignedDuration::from_hours(1);
    let whole = Asked { depth: Depth::Whole, ..everything(now) };
    let whole = reconcile(books(&steps, now), &whole, &|_| {}).await.expect("an account").account;
    assert_eq!(whole, account);
    let written = world.documents().await.iter().filter(|document| document.state == State::Written).count();
    assert!(written > 20, "{written}");
    for columns in account.sums.values() {
        for component in Component::ALL.into_iter().filter(|component| component.is_compared()) {
            assert_eq!(columns.ours.get(component), columns.ifs.get(component), "{component:?}");
        }
    }
    // What Shopify has more is what is named as open.
    for (currency, columns) in &account.sums {
        let reasons = account.reasons.iter().filter(|((standing, _), _)| *standing == Standing::Open);
        let open: Decimal =
            reasons.filter_map(|(_, reason)| reason.totals.get(currency)).map(|totals| totals[0] - totals[1]).sum();
        let gap = columns.shopify.get(Component::Total) - columns.ours.get(Component::Total);
        assert_eq!(gap, open, "{currency}: {:#?}", account.reasons);
    }
});

on_both!(a_price_that_a_person_changed_in_ifs_is_found_by_its_component, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::Plain).await;
    let number = number_of(world).await;
    let ifs = world.sandbox.ifs();
    let line = ifs.order(&number).expect("there").lines[0].clone();
    let included = ifs.order(&number).expect("there").field("UsePriceInclTax") == "true";
    let field = if included { "UnitPriceInclTax" } else { "SaleUnitPrice" };
    ifs.person_edits(&number, RowOf::Line(&line["LineNo"]), field, "1.23").expect("it is planned");
    let account = account(&steps).await;
    assert_unexplained(&account, "differs_in_ifs", order);
    let one = only(&account);
    assert_eq!(one.order_nos, [number]);
    let found = components(one);
    assert!(found.contains(&Component::Goods) && found.contains(&Component::Total), "{found:?}");
    assert!(!found.contains(&Component::Shipping), "{found:?}");
    let goods = one.gaps.iter().find(|gap| gap.component == Component::Goods).expect("goods");
    assert!(goods.shopify == goods.ours && goods.ours != goods.ifs, "{goods:?}");
});

on_both!(a_persons_change_that_a_step_has_seen_is_open, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::PriceChanged).await;
    let number = number_of(world).await;
    let view = world.sandbox.ifs().order(&number).expect("there");
    let field = if view.field("UsePriceInclTax") == "true" { "UnitPriceInclTax" } else { "SaleUnitPrice" };
    for line in &view.lines {
        world.sandbox.ifs().person_edits(&number, RowOf::Line(&line["LineNo"]), field, "1.23").expect("it is planned");
    }
    assert_unexplained(&account(&steps).await, "differs_in_ifs", order);
    // Shopify changes a price too: now a step meets the person's.
    world.shop().change(order, Change::LineDiscount);
    arrive(world, &steps, order, "orders/updated").await;
    let account = account(&steps).await;
    let one = only(&account);
    assert_eq!((one.standing, one.code.as_str()), (Standing::Open, "both_sides_changed"), "{one:#?}");
    assert!(account.is_clean() && components(one).contains(&Component::Goods), "{one:#?}");
});

on_both!(a_row_that_a_person_added_in_ifs_is_foreign, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::Plain).await;
    world.sandbox.ifs().add_foreign_row(&number_of(world).await).expect("it is planned");
    let account = account(&steps).await;
    assert_unexplained(&account, "differs_in_ifs", order);
    assert_eq!(components(only(&account)), [Component::Foreign, Component::Total]);
});

on_both!(an_order_that_a_person_cancelled_or_erased_in_ifs_is_named_so, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::Plain).await;
    let number = number_of(world).await;
    world.sandbox.ifs().person_cancels(&number).expect("it is planned");
    assert_unexplained(&account(&steps).await, "cancelled_in_ifs", order);
    assert!(world.sandbox.ifs().person_erases(&number));
    let account = account(&steps).await;
    assert_unexplained(&account, "gone_from_ifs", order);
    assert_eq!((account.counts.shopify, account.counts.ours, account.counts.ifs), (1, 1, 0));
});

on_both!(a_cancellation_of_a_persons_that_a_step_has_met_is_open, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::NoteChanged).await;
    world.sandbox.ifs().person_cancels(&number_of(world).await).expect("it is planned");
    assert_unexplained(&account(&steps).await, "cancelled_in_ifs", order);
    world.shop().change(order, Change::Note);
    arrive(world, &steps, order, "orders/updated").await;
    assert_state(&world.document().await, State::Written);
    let account = account(&steps).await;
    assert_eq!((only(&account).standing, only(&account).code.as_str()), (Standing::Open, "cancelled_in_ifs"));
});

on_both!(an_order_that_shopify_may_not_show_any_more_is_not_called_gone, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let placed_at = steps.clock.now() - SignedDuration::from_hours(24 * 70);
    let mut order = Composed::new(5_580_473_532_552, 2, placed_at);
    steps.deliver(steps.link(), "orders/create", &order.next_body()).await;
    steps.run(steps.link()).await;
    let account = account(&steps).await;
    assert_eq!((only(&account).standing, only(&account).code.as_str()), (Standing::Open, "not_visible"));
});

on_both!(an_order_whose_delivery_could_not_be_read_is_named_so, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place(Story::Plain);
    let body = String::from_utf8(world.shop().webhook_body(order).expect("a body").to_vec()).expect("UTF-8");
    let unread = body.replace("\"currency\":\"EUR\"", "\"currency\":\"XXX\"");
    assert_ne!(body, unread);
    steps.deliver(steps.link(), "orders/create", unread.as_bytes()).await;
    steps.run(steps.link()).await;
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox WHERE state = 'quarantined'"), 1);
    let account = account(&steps).await;
    let one = only(&account);
    assert_eq!((one.standing, one.code.as_str(), one.order_id), (Standing::Open, "quarantined", Some(order)));
});

on_both!(an_order_that_was_made_twice_behind_our_back_is_found, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::Plain).await;
    let first = number_of(world).await;
    let second = world.sandbox.ifs().add_foreign_order(&order.to_string(), "S10", None).expect("a person keys it");
    let account = account(&steps).await;
    assert_unexplained(&account, "second_record_with_our_key", order);
    let numbers = &only(&account).order_nos;
    assert!(numbers.contains(&first) && numbers.contains(&second), "{numbers:?}");
    // It only tells: nothing is parked by it.
    assert_state(&world.document().await, State::Written);
});

on_both!(a_record_with_a_key_that_nobody_sold_is_found, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    sold(world, &steps, Story::Plain).await;
    world.sandbox.ifs().add_foreign_order("PO-1", "S10", None).expect("a person keys it");
    world.sandbox.ifs().add_foreign_order("5580473532552", "S10", None).expect("somebody keys it");
    let account = account(&steps).await;
    assert_unexplained(&account, "unlinked_record_with_our_key", 5_580_473_532_552);
});

on_both!(an_order_and_an_edit_that_never_came_are_found, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let lost = world.shop().place(Story::Plain);
    assert_unexplained(&account(&steps).await, "never_came", lost);
    arrive(world, &steps, lost, "orders/create").await;
    assert!(account(&steps).await.differences.is_empty());

    world.shop().change(lost, Change::QuantityUp);
    let account = account(&steps).await;
    assert_unexplained(&account, "newer_in_shopify", lost);
    let one = only(&account);
    let goods = one.gaps.iter().find(|gap| gap.component == Component::Goods).expect("goods");
    assert!(goods.shopify != goods.ours && goods.ours == goods.ifs, "{goods:?}");
});

on_both!(an_edit_of_no_money_that_never_came_is_found_too, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::Plain).await;
    world.shop().change(order, Change::Note);
    let account = account(&steps).await;
    assert_unexplained(&account, "newer_in_shopify", order);
    assert!(only(&account).gaps.is_empty());
});

on_both!(an_order_of_ours_that_shopify_does_not_know_is_found, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let mut order = Composed::new(5_580_473_532_552, 2, steps.clock.now());
    steps.deliver(steps.link(), "orders/create", &order.next_body()).await;
    steps.run(steps.link()).await;
    let account = account(&steps).await;
    assert_unexplained(&account, "not_in_shopify", order.id);
    assert_eq!((account.counts.shopify, account.counts.ours, account.counts.ifs), (0, 1, 1));
});

on_both!(a_cancellation_that_never_reached_ifs_is_found, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::CancelledAfterWritten).await;
    let number = number_of(world).await;
    world.shop().change(order, Change::Cancelled);
    // IFS has begun with it, so that the cancellation is a person's.
    world.sandbox.ifs().set_state(&number, "Picked").expect("released");
    arrive(world, &steps, order, "orders/cancelled").await;
    let account = account(&steps).await;
    let one = only(&account);
    assert_eq!((one.standing, one.order_nos.as_slice()), (Standing::Open, &[number][..]), "{one:?}");
    assert!(account.is_clean(), "its reason is known");
});

on_both!(what_is_parked_is_open_and_what_is_resolved_is_explained, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    let order = sold(world, &steps, Story::Parked(Planted::UnknownSku)).await;
    sold(world, &steps, Story::Sold(Feature::BeforeGoLive)).await;
    let parked = world.documents().await.into_iter().find(|document| document.order_id == order).expect("there");
    assert_state(&parked, State::Parked);
    let first = account(&steps).await;
    let told = |account: &Account| -> Vec<(Standing, String)> {
        account.differences.iter().map(|one| (one.standing, one.code.clone())).collect()
    };
    let code = parked.reason.as_ref().expect("a reason").code.clone();
    assert_eq!(told(&first), [(Standing::Open, code), (Standing::Explained, "before_orders_from".into())]);
    // IFS refused what our document asks for: it stands in two of the books.
    assert_eq!((first.counts.shopify, first.counts.ours, first.counts.ifs), (1, 1, 0));
    let id = parked.id.to_string();
    assert_eq!(world.command(&["documents", "resolve", &id, "--note", "keyed as 10042"], "").0, 0);
    let second = account(&steps).await;
    assert!(told(&second).contains(&(Standing::Explained, "resolved".into())), "{:?}", told(&second));
    assert_eq!(second.count(Standing::Open), 0);
    // Only so many are listed, all are counted.
    let short = account_of(&steps, 1).await;
    assert_eq!((short.differences.len(), short.more, short.count(Standing::Explained)), (1, 1, 2));
});

on_both!(what_happened_a_moment_ago_is_on_its_way, Setup::default(), async |world: &World| {
    let steps = begin(world).await;
    world.shop().place(Story::Plain);
    let today = steps.clock.now().to_zoned(jiff::tz::TimeZone::get("Europe/Stockholm").expect("a zone")).date();
    let (from, to) = (today.yesterday().expect("near").to_string(), today.tomorrow().expect("near").to_string());
    let (code, out, said) = world.command(&["reconcile", "acme", "--from", &from, "--to", &to, "--json"], "");
    assert_eq!(code, 0, "{out} {said}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((told["clean"].as_bool(), told["open"].as_u64()), (Some(true), Some(1)), "{told}");
    assert_eq!(told["reasons"][0]["code"], "on_its_way");
});

on_both!(
    the_command_shows_three_columns_and_ends_with_one_when_something_is_unexplained,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        sold(world, &steps, Story::Plain).await;
        let today = steps.clock.now().to_zoned(jiff::tz::TimeZone::get("Europe/Stockholm").expect("a zone")).date();
        let (from, to) = (today.yesterday().expect("near").to_string(), today.tomorrow().expect("near").to_string());
        let base = ["reconcile", "acme", "--from", from.as_str(), "--to", to.as_str()];
        let ask = |more: &[&str]| world.command(&[&base[..], more].concat(), "");
        let (code, out, said) = ask(&[]);
        assert_eq!(code, 0, "{out} {said}");
        assert!(out.contains("nothing is unexplained, nothing is open"), "{out}");
        world.sandbox.ifs().add_foreign_row(&number_of(world).await).expect("it is planned");
        let (code, out, _) = ask(&[]);
        assert_eq!(code, 1, "{out}");
        assert!(out.contains("differs_in_ifs") && out.contains("foreign"), "{out}");
        let (code, out, _) = ask(&["--json"]);
        let told: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((code, told["unexplained"].as_u64()), (1, Some(1)), "{told}");
        let total =
            told["sums"].as_array().expect("a list").iter().find(|row| row["component"] == "total").expect("a total");
        assert_eq!(total["shopify"]["currency"], "EUR");
        assert!(
            total["shopify"]["amount"].is_string()
                && total["shopify"] == total["ours"]
                && total["ours"] != total["ifs"],
            "{total}"
        );
        // What is asked wrongly is refused before anything is read.
        for (wrong, expected) in [
            (vec!["reconcile", "nobody", "--from", &from, "--to", &to], 2),
            (vec!["reconcile", "acme", "--from", &to, "--to", &from], 2),
        ] {
            assert_eq!(world.command(&wrong, "").0, expected, "{wrong:?}");
        }
        world.sandbox.ifs().withdraw_grants();
        assert_eq!(ask(&[]).0, 3);
        let ledger = world.sandbox.ledger();
        assert_eq!([Class::Create, Class::Amend, Class::Action].map(|class| ledger.count_of(class)), [1, 0, 0]);
    }
);
