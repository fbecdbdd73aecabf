//! Deliveries that name an order without telling it: edits and refunds. The order is read again by its id, once, and what
//! Shopify answers is mapped like any version.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ml_connector::actors::order_mapper::OrderMapper;
use ml_connector::clock::Clock;
use ml_connector::domain::document::State;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::{Change, Feature, Story};
use ml_connector::supervision::{Doorbell, Step as _};
use serde_json::json;

use crate::on_both;
use crate::support::world::{Setup, Steps, World, assert_state};

const EDITED: &str = "orders/edited";
const REFUNDED: &str = "refunds/create";

async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

/// The body of `orders/edited`: rows by their ids, and no money.
fn edited(order: u64) -> Vec<u8> {
    let edit = json!({
        "id": 78_912_328_793_u64, "app_id": null, "created_at": "2026-03-02T10:00:00Z", "notify_customer": false, "order_id": order,
        "staff_note": "", "user_id": null, "committed_at": "2026-03-02T10:00:05Z", "shipping_lines": {"additions": [], "removals": []},
        "line_items": {"additions": [], "removals": [{"id": 466_157_049, "delta": 1}]}, "discounts": {"line_item": {"additions": [], "removals": []}},
    });
    json!({ "order_edit": edit }).to_string().into_bytes()
}

fn refunded(order: u64, refund: u64) -> Vec<u8> {
    json!({
        "id": refund, "order_id": order, "created_at": "2026-03-02T10:00:00Z", "note": "", "user_id": null, "restock": true,
        "duties": [], "refund_line_items": [], "transactions": [], "order_adjustments": [], "refund_shipping_lines": [],
    })
    .to_string()
    .into_bytes()
}

async fn arrive(steps: &Steps, topic: &str, body: &[u8]) {
    steps.deliver(steps.link(), topic, body).await;
    steps.run(steps.link()).await;
}

fn deliveries(world: &World, state: &str) -> i64 {
    world.database.number(&format!("SELECT COUNT(*) FROM inbox WHERE state = '{state}'"))
}

fn asked_of_shopify(world: &World) -> u64 {
    world.sandbox.ledger().counters().shopify_requests
}

on_both!(an_edit_that_only_its_own_topic_tells_arrives_in_ifs, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::QuantityUp);
    arrive(&steps, "orders/create", &shop.webhook_body(order).expect("a body")).await;
    assert_state(&world.document().await, State::Written);
    shop.change(order, Change::QuantityUp);
    arrive(&steps, EDITED, &edited(order)).await;
    assert_state(&world.document().await, State::Written);
    assert!(world.sandbox.books(&[]).is_clean(), "{:?}", world.sandbox.books(&[]).differences);
    assert_eq!(asked_of_shopify(world), 1);
    // The same edit under another id, and the order's own update after it, tell nothing new.
    arrive(&steps, EDITED, &edited(order)).await;
    arrive(&steps, "orders/updated", &shop.webhook_body(order).expect("a body")).await;
    assert_eq!(deliveries(world, "superseded"), 2);
    assert_eq!(asked_of_shopify(world), 2, "an edit is looked after, a known version is not");
});

on_both!(
    an_edit_in_the_second_of_the_known_version_arrives_by_its_own_topic,
    Setup::default(),
    async |world: &World| {
        let (steps, shop) = (begin(world).await, world.shop());
        let order = shop.place(Story::QuantityUp);
        arrive(&steps, "orders/create", &shop.webhook_body(order).expect("a body")).await;
        shop.change_in_the_same_second(order, Change::QuantityUp);
        arrive(&steps, EDITED, &edited(order)).await;
        assert_eq!((deliveries(world, "mapped"), asked_of_shopify(world)), (2, 1));
        assert_state(&world.document().await, State::Written);
        assert!(world.sandbox.books(&[]).is_clean(), "{:?}", world.sandbox.books(&[]).differences);
    }
);

on_both!(an_event_may_be_the_first_that_is_heard_of_an_order, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Plain);
    arrive(&steps, REFUNDED, &refunded(order, 509_562_969)).await;
    assert_state(&world.document().await, State::Written);
    // Its birth was not seen: IFS was asked before anything was created.
    assert_eq!(world.database.number("SELECT look_up_first FROM documents"), 1);
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
    arrive(&steps, "orders/create", &shop.webhook_body(order).expect("a body")).await;
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
    assert_eq!(deliveries(world, "superseded"), 1);
});

on_both!(a_refund_that_is_known_costs_no_call_to_shopify, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Sold(Feature::Goodwill));
    shop.change(order, Change::Goodwill);
    let body = shop.webhook_body(order).expect("a body");
    arrive(&steps, "orders/create", &body).await;
    let before = asked_of_shopify(world);
    let told: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let known = told["refunds"][0]["id"].as_u64().expect("a refund");
    arrive(&steps, REFUNDED, &refunded(order, known)).await;
    assert_eq!(asked_of_shopify(world), before);
    assert_eq!(deliveries(world, "superseded"), 1);
    arrive(&steps, REFUNDED, &refunded(order, known + 1_000)).await;
    assert_eq!(asked_of_shopify(world), before + 1);
});

on_both!(
    an_event_of_an_order_that_shopify_does_not_know_ends_in_quarantine,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        arrive(&steps, EDITED, &edited(4_711)).await;
        assert_eq!(deliveries(world, "received"), 1, "it is asked again");
        for _ in 0..5 {
            steps.advance(world, 6);
            steps.map(steps.link()).await;
        }
        assert_eq!(deliveries(world, "quarantined"), 1);
        assert_eq!(world.documents().await.len(), 0);
        let unread = steps.store.list_documents(ml_connector::store::DocumentFilter::default()).await.expect("lists");
        assert!(unread.is_empty());
    }
);

on_both!(an_event_waits_while_shopify_does_not_answer_as_it_should, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::NoteChanged);
    arrive(&steps, "orders/create", &shop.webhook_body(order).expect("a body")).await;
    shop.change(order, Change::Note);
    shop.answer_as_version("2019-04");
    arrive(&steps, EDITED, &edited(order)).await;
    assert_eq!(deliveries(world, "received"), 1, "an answer of another version is not taken");
    shop.answer_as_version("2026-10");
    steps.advance(world, 60);
    steps.run(steps.link()).await;
    assert_eq!(deliveries(world, "mapped"), 2);
    assert!(world.sandbox.books(&[]).is_clean(), "{:?}", world.sandbox.books(&[]).differences);
});

on_both!(
    bodies_of_events_that_name_no_order_are_quarantined_by_their_place,
    Setup::default(),
    async |world: &World| {
        let steps = begin(world).await;
        let cases: [(&str, &[u8], &str); 7] = [
            (EDITED, b"{}", "order_edit: expected a value, found nothing"),
            (EDITED, b"{\"order_edit\":{\"id\":1}}", "order_edit.order_id: expected a value, found nothing"),
            (
                EDITED,
                b"{\"order_edit\":{\"order_id\":\"x\"}}",
                "order_edit.order_id: expected an id of at most 19 digits",
            ),
            (REFUNDED, b"{\"id\":1}", "order_id: expected a value, found nothing"),
            (
                REFUNDED,
                b"{\"id\":1,\"order_id\":12345678901234567890}",
                "order_id: expected an id of at most 19 digits",
            ),
            (REFUNDED, b"{\"order_id\":1.5,\"id\":1}", "order_id: expected an id of at most 19 digits"),
            (REFUNDED, b"[", "document: expected one JSON object"),
        ];
        for (topic, body, _) in cases {
            arrive(&steps, topic, body).await;
        }
        assert_eq!(deliveries(world, "quarantined"), 7);
        for (_, _, reason) in cases {
            let like = reason.replace('\'', "''");
            let found = world.database.number(&format!("SELECT COUNT(*) FROM inbox WHERE reason LIKE '{like}%'"));
            assert!(found >= 1, "no reason begins with {reason:?}");
        }
        assert_eq!(asked_of_shopify(world), 0);
    }
);

on_both!(fulfilments_are_versions_like_any_other, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::SeveralChanges);
    arrive(&steps, "orders/create", &shop.webhook_body(order).expect("a body")).await;
    for topic in ["orders/partially_fulfilled", "orders/fulfilled"] {
        shop.change(order, Change::Note);
        arrive(&steps, topic, &shop.webhook_body(order).expect("a body")).await;
    }
    assert_state(&world.document().await, State::Written);
    assert!(world.sandbox.books(&[]).is_clean(), "{:?}", world.sandbox.books(&[]).differences);
    assert_eq!((deliveries(world, "mapped"), asked_of_shopify(world)), (3, 0));
});

on_both!(a_mapper_that_stops_leaves_the_rest_of_its_batch, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let orders: Vec<u64> = (0..12).map(|_| shop.place(Story::Plain)).collect();
    for order in orders.iter().chain(&orders) {
        steps.deliver(steps.link(), EDITED, &edited(*order)).await;
    }
    world.sandbox.faults().times(Class::GraphQl, Fault::Slow(Duration::from_millis(200)), 1_000);
    let mapper = OrderMapper { link: Arc::clone(&steps.links[0]), writer: Doorbell::new() };
    let stop = async {
        let deadline = Instant::now() + Duration::from_secs(30);
        while asked_of_shopify(world) == 0 {
            assert!(Instant::now() < deadline, "Shopify was never asked");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        steps.link().stopping.store(true, Ordering::Release);
    };
    futures::join!(mapper.run(), stop);
    // Eight orders at once were begun; neither their second deliveries nor the other four orders.
    assert!(asked_of_shopify(world) <= 8, "{} answers were asked for", asked_of_shopify(world));
    assert!(deliveries(world, "received") >= 16);
    assert_eq!(world.database.number("SELECT COUNT(*) FROM inbox WHERE state = 'received' AND attempts > 0"), 0);
});

/// Customers by orders need a company's name and keys, which only a re-read tells.
fn by_customer() -> Setup {
    let by_customer = concat!(
        "customer = \"match_or_create\"\n",
        "customers.templates = [{ customer = \"TEMPLATE-DE\" }]\n",
        "customer_no = \"WEB-DEFAULT\""
    );
    let edit = ("customer_no = \"WEB-DEFAULT\"", by_customer);
    Setup { edits: vec![edit], ..Setup::default() }
}

on_both!(facts_that_the_rules_need_are_read_once_for_a_version, by_customer(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Plain);
    let body = |company: bool| {
        let mut told: serde_json::Value =
            serde_json::from_slice(&shop.webhook_body(order).expect("a body")).expect("JSON");
        if company {
            told["company"] = json!({"id": 9_988_776_655_u64, "location_id": 1_122_334_455});
        }
        told.to_string().into_bytes()
    };
    // 1. The order of a company lacks its name and keys: it is read again, and that version is taken.
    arrive(&steps, "orders/create", &body(true)).await;
    assert_eq!((asked_of_shopify(world), deliveries(world, "mapped")), (1, 1));
    assert_eq!(world.database.number("SELECT COUNT(*) FROM orders WHERE road = 'graphql'"), 1);
    // 2. The same version again, with and without what made it ask, costs nothing.
    arrive(&steps, "orders/updated", &body(true)).await;
    arrive(&steps, "orders/paid", &body(false)).await;
    assert_eq!((asked_of_shopify(world), deliveries(world, "superseded")), (1, 2));
    // 3. An order that no company bought lacks nothing.
    let other = shop.place(Story::Plain);
    arrive(&steps, "orders/create", &shop.webhook_body(other).expect("a body")).await;
    assert_eq!((asked_of_shopify(world), deliveries(world, "mapped")), (1, 2));
});

fn salesman(world: &World, order: u64) -> Option<String> {
    let mut found = world.sandbox.ifs().orders_by_po(&order.to_string());
    assert_eq!(found.len(), 1);
    found.remove(0).header.get("SalesmanCode").cloned()
}

on_both!(who_sold_an_order_outlives_a_re_read_that_does_not_tell_it, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Sold(Feature::PointOfSale));
    let body = || shop.webhook_body(order).expect("a body");
    arrive(&steps, "orders/create", &body()).await;
    for topic in [EDITED, "orders/updated", EDITED] {
        assert_state(&world.document().await, State::Written);
        assert_eq!(salesman(world, order).as_deref(), Some("101"), "before {topic}");
        shop.change(order, Change::Note);
        arrive(&steps, topic, &if topic == EDITED { edited(order) } else { body().to_vec() }).await;
    }
    assert_state(&world.document().await, State::Written);
    assert_eq!(salesman(world, order).as_deref(), Some("101"));
    assert!(world.sandbox.books(&[]).is_clean(), "{:?}", world.sandbox.books(&[]).differences);
});

on_both!(who_sold_an_order_is_learned_from_the_webhook_that_comes_late, Setup::default(), async |world: &World| {
    let (steps, shop) = (begin(world).await, world.shop());
    let order = shop.place(Story::Sold(Feature::PointOfSale));
    arrive(&steps, EDITED, &edited(order)).await;
    assert_eq!(salesman(world, order), None, "no re-read tells it");
    arrive(&steps, "orders/create", &shop.webhook_body(order).expect("a body")).await;
    assert_state(&world.document().await, State::Written);
    assert_eq!(salesman(world, order).as_deref(), Some("101"));
    assert_eq!(world.sandbox.ledger().creates_of(&order.to_string()), 1);
    let kept = "SELECT COUNT(*) FROM orders WHERE staff_id = 548380009 AND location_id = 655441491";
    assert_eq!(world.database.number(kept), 1);
});
