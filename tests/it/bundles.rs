//! Bundles as package parts of IFS: written once, followed through their changes, and never taken for what they are not.

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ifs::OrderView;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::Change;
use rust_decimal::Decimal;

use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

fn packing() -> Setup {
    Setup { edits: vec![("mode = \"live\"", "mode = \"live\"\nbundle = \"package_part\"")], ..Setup::default() }
}

fn row_by_row() -> Setup {
    let keys = "mode = \"live\"\nbundle = \"package_part\"\ncreate = \"sequential\"";
    Setup { edits: vec![("mode = \"live\"", keys)], ..Setup::default() }
}

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

async fn arrive(world: &World, steps: &Steps, order: u64, topic: &str) {
    steps.deliver(steps.link(), topic, &world.shop().webhook_body(order).expect("a body")).await;
    steps.run(steps.link()).await;
}

async fn settled(world: &World, steps: &Steps) {
    for _ in 0..6 {
        steps.advance(world, 20);
        steps.run(steps.link()).await;
    }
}

fn in_ifs(world: &World, order: u64) -> OrderView {
    let mut found = world.sandbox.ifs().orders_by_po(&order.to_string());
    assert_eq!(found.len(), 1, "one order");
    found.remove(0)
}

/// `LineItemNo`, `CatalogNo` and units of the rows that live.
fn rows(world: &World, order: u64) -> Vec<String> {
    let view = in_ifs(world, order);
    let live = view.lines.iter().filter(|row| row.get("OrderState").is_none_or(|state| state != "Cancelled"));
    let cell = |row: &ml_connector::sandbox::ifs::RowView, name: &str| row.get(name).cloned().unwrap_or_default();
    let told = |row| format!("{} {} {}", cell(row, "LineItemNo"), cell(row, "CatalogNo"), cell(row, "BuyQtyDue"));
    live.map(told).filter(|row| !row.starts_with("0 ")).collect()
}

fn asked(world: &World) -> usize {
    world.sandbox.ledger().count_of(Class::GraphQl)
}

fn writes(world: &World) -> usize {
    [Class::Create, Class::Amend, Class::Action].map(|class| world.sandbox.ledger().count_of(class)).iter().sum()
}

fn clean(world: &World) {
    let books = world.sandbox.books(&[]);
    assert!(books.is_clean(), "{:?}", books.differences);
}

const TWO_SETS: [&str; 3] = ["-1 SET-TEA 2", "1 MUG-001 4", "2 LAMP-002 2"];

on_both!(a_bundle_stands_in_ifs_as_one_package_that_is_worth_its_components, packing(), async |world: &World| {
    let steps = begin(world).await;
    let order = world.shop().place_bundle("SET-TEA", 2).expect("a package");
    arrive(world, &steps, order, "orders/create").await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(rows(world, order), TWO_SETS);
    clean(world);
    // What the webhook cannot tell was asked once; the same version again costs nothing.
    assert_eq!(asked(world), 1);
    arrive(world, &steps, order, "orders/updated").await;
    assert_eq!((asked(world), writes(world)), (1, 1));
});

on_both!(a_bundle_that_shrinks_and_goes_takes_its_components_along, packing(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place_bundle("SET-TEA", 2).expect("a package");
    arrive(world, &steps, order, "orders/create").await;
    shop.leave_of_bundle(order, &[2, 1]);
    arrive(world, &steps, order, "orders/updated").await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(rows(world, order), ["-1 SET-TEA 1", "1 MUG-001 2", "2 LAMP-002 1"]);
    clean(world);
    shop.leave_of_bundle(order, &[0, 0]);
    arrive(world, &steps, order, "orders/updated").await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(rows(world, order), [] as [&str; 0]);
    clean(world);
});

on_both!(a_bundle_that_is_broken_parks_and_ifs_stays_as_it_is, packing(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place_bundle("SET-TEA", 2).expect("a package");
    arrive(world, &steps, order, "orders/create").await;
    let before = writes(world);
    shop.leave_of_bundle(order, &[3, 2]);
    arrive(world, &steps, order, "orders/updated").await;
    let parked = world.document().await;
    assert_state(&parked, State::Parked);
    assert_eq!(parked.reason.expect("a reason").code, "bundle_not_whole");
    assert_eq!((rows(world, order), writes(world)), (TWO_SETS.map(str::to_owned).to_vec(), before));
    // Whole again, and it goes on by itself.
    shop.leave_of_bundle(order, &[2, 1]);
    arrive(world, &steps, order, "orders/updated").await;
    assert_state(&world.document().await, State::Written);
    clean(world);
});

on_both!(a_package_whose_answer_is_lost_is_found_again, packing(), async |world: &World| {
    let steps = begin(world).await;
    for fault in [Fault::DropAnswer, Fault::GatewayTimeoutDone, Fault::CutBody] {
        world.sandbox.faults().once(Class::Create, fault);
        let order = world.shop().place_bundle("SET-HOME", 1).expect("a package");
        arrive(world, &steps, order, "orders/create").await;
        settled(world, &steps).await;
        assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
        assert_eq!(rows(world, order), ["-1 SET-HOME 1", "1 CHAIR-003 1", "2 RUG-005 1", "3 PILLOW-006 4"]);
    }
    assert!(world.documents().await.iter().all(|document| document.state == State::Written));
    clean(world);
});

on_both!(a_package_that_is_a_row_of_its_own_is_made_once, row_by_row(), async |world: &World| {
    let steps = begin(world).await;
    for fault in [Fault::DropAnswer, Fault::Reset, Fault::CutBody] {
        world.sandbox.faults().times(Class::Amend, fault, 2);
        let order = world.shop().place_bundle("SET-TEA", 2).expect("a package");
        arrive(world, &steps, order, "orders/create").await;
        for _ in 0..40 {
            steps.advance(world, 30);
            steps.run(steps.link()).await;
        }
        assert_eq!(rows(world, order), TWO_SETS);
    }
    for document in world.documents().await {
        assert_state(&document, State::Written);
    }
    clean(world);
});

on_both!(a_package_of_a_persons_is_one_foreign_row, packing(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place_bundle("SET-TEA", 1).expect("a package");
    arrive(world, &steps, order, "orders/create").await;
    let order_no = in_ifs(world, order).order_no;
    world.sandbox.ifs().person_adds_line(&order_no, "SET-HOME", Decimal::ONE, Decimal::TEN).expect("adds");
    shop.change(order, Change::Note);
    arrive(world, &steps, order, "orders/updated").await;
    let parked = world.document().await;
    assert_state(&parked, State::Parked);
    let text = parked.reason.expect("a reason").text;
    assert_eq!(text.matches("foreign row").count(), 1, "{text}");
    assert!(text.contains("SET-HOME"), "{text}");
});

on_both!(a_cancelled_order_takes_its_packages_along, packing(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place_bundle("SET-TEA", 1).expect("a package");
    arrive(world, &steps, order, "orders/create").await;
    shop.change(order, Change::Cancelled);
    arrive(world, &steps, order, "orders/cancelled").await;
    assert_state(&world.document().await, State::Written);
    assert_eq!((in_ifs(world, order).field("Objstate"), rows(world, order).len()), ("Cancelled", 0));
});

on_both!(
    without_the_setting_a_bundle_is_its_components_and_nothing_is_asked,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let order = world.shop().place_bundle("SET-TEA", 2).expect("a package");
        arrive(world, &steps, order, "orders/create").await;
        assert_state(&world.document().await, State::Written);
        assert_eq!((rows(world, order).len(), in_ifs(world, order).lines.len(), asked(world)), (0, 3, 0));
    }
);
