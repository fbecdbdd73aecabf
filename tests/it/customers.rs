//! Customers as orders need them: one customer for each key whatever comes at once, twice or never, and no word of a
//! person's in IFS lost.

use std::time::Duration;

use jiff::Timestamp;
use ml_connector::clock::Clock;
use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::failpoint;
use ml_connector::flow::converge::converge;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ifs::{CustomerRowOf, CustomerView};
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::Story;
use ml_connector::store::DocumentRow;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, Steps, World, assert_state};

const ORDERS: [DocumentKind; 1] = [DocumentKind::CustomerOrder];
pub const KEY: &str = "customer:7007";
pub const OWN_ID: &str = "W7007";

pub const MATCHED: (&str, &str) = (
    "order_type = \"NO\"",
    "order_type = \"NO\"\ncustomer = \"match_or_create\"\ncustomers = { templates = [{ country = \"SE\", customer = \"TEMPLATE-SE\" }, \
     { customer = \"TEMPLATE-DE\" }] }",
);

pub fn matched() -> Setup {
    Setup { edits: vec![MATCHED], ..Setup::default() }
}

pub fn series() -> Setup {
    Setup { edits: vec![MATCHED, ("customers = { ", "customers = { numbering = \"series\", ")], ..Setup::default() }
}

pub fn posts() -> Setup {
    let create = "customers = { create = \"posts\", person = { cust_group = \"WEB\", pay_term_id = \"30\" }, business = { cust_group \
                  = \"B2B\", pay_term_id = \"30\" }, ";
    Setup { edits: vec![MATCHED, ("customers = { ", create)], ..Setup::default() }
}

fn own_addresses() -> Setup {
    Setup {
        edits: vec![MATCHED, ("customers = { ", "customers = { ship_address = \"customer_address\", ")],
        ..Setup::default()
    }
}

pub fn no_template() -> Setup {
    let none = (
        "{ country = \"SE\", customer = \"TEMPLATE-SE\" }, { customer = \"TEMPLATE-DE\" }",
        "{ country = \"AQ\", customer = \"TEMPLATE-SE\" }",
    );
    Setup { edits: vec![MATCHED, none], ..Setup::default() }
}

pub async fn begin(world: &World) -> Steps {
    world.steps(&Clock::manual(Timestamp::now())).await
}

/// A new order of the person with the number 7007, who is billed in that town of Sweden.
pub fn order_of_kari(world: &World, city: &str) -> Webhook {
    Webhook::of_new_order(world, Story::Plain).edited(|order| personal(order, city))
}

pub fn personal(order: &mut Value, city: &str) {
    order["customer"] = json!({ "id": 7007 });
    order["email"] = json!("kari@example.com");
    order["customer_locale"] = json!("sv");
    order["phone"] = Value::Null;
    order["shipping_address"]["phone"] = Value::Null;
    order["billing_address"] = json!({
        "name": "Kari Test", "first_name": "Kari", "last_name": "Test", "address1": "Storgatan 1", "zip": "90325",
        "city": city, "country_code": "SE"
    });
}

pub async fn deliver(steps: &Steps, webhook: &Webhook) {
    steps.deliver(steps.link(), "orders/create", &webhook.body).await;
}

pub async fn of_kind(world: &World, kind: DocumentKind) -> Vec<DocumentRow> {
    world.documents().await.into_iter().filter(|document| document.kind == kind.as_str()).collect()
}

pub async fn customer(world: &World) -> DocumentRow {
    let mut customers = of_kind(world, DocumentKind::Customer).await;
    assert_eq!(customers.len(), 1, "{customers:?}");
    customers.remove(0)
}

pub async fn order(world: &World) -> DocumentRow {
    let mut orders = of_kind(world, DocumentKind::CustomerOrder).await;
    assert_eq!(orders.len(), 1, "{orders:?}");
    orders.remove(0)
}

pub fn in_ifs(world: &World) -> CustomerView {
    world.sandbox.ifs().customer(OWN_ID).expect("the customer is there")
}

pub fn creates(world: &World) -> usize {
    world.sandbox.ledger().count_of(Class::CustomerCreate)
}

pub fn link_reason(world: &World) -> String {
    world.database.texts("SELECT reason AS value FROM customer_links").join("; ")
}

/// One customer, whole, and every order written under it.
pub async fn assert_one_customer(world: &World, customer_no: &str) {
    let counts = world.sandbox.ifs().customer_counts();
    assert_eq!((counts.created, counts.double_associations.len()), (1, 0), "{counts:?}");
    assert_state(&customer(world).await, State::Written);
    let view = world.sandbox.ifs().customer(customer_no).expect("the customer is there");
    let types: Vec<&str> = view.address_types.iter().map(|row| row["AddressTypeCode"].as_str()).collect();
    assert_eq!(types, ["Delivery", "Document", "Pay"]);
    assert_eq!(view.methods.iter().filter(|row| row["MethodId"] == "EMail").count(), 1, "{:?}", view.methods);
    for document in of_kind(world, DocumentKind::CustomerOrder).await {
        assert_state(&document, State::Written);
        let held = world.sandbox.ifs().order(&document.order_no.expect("a number")).expect("there");
        assert_eq!(held.field("CustomerNo"), customer_no);
        assert_eq!((held.field("BillAddrNo"), held.field("ShipAddrNo")), ("1", "1"));
    }
    assert_eq!(world.database.number("SELECT COUNT(*) FROM intents WHERE closed_at IS NULL"), 0);
    // The books expect every order under the web shop's own customer: here each has its own.
    let books = world.sandbox.books(&[]);
    let others: Vec<_> = books.differences.iter().filter(|gap| gap.component != "CustomerNo").collect();
    assert!(others.is_empty(), "{others:?}");
}

on_both!(a_new_customer_is_made_from_its_template_before_its_order, matched(), async |world: &World| {
    let steps = begin(world).await;
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    steps.run(steps.link()).await;
    assert_one_customer(world, OWN_ID).await;
    let view = in_ifs(world);
    assert_eq!((view.field("Name"), view.field("AssociationNo")), ("Kari Test", KEY));
    assert_eq!(view.addresses[0]["City"], "Umea");
    assert!(view.order_data.expect("copied")["TemplateId"].starts_with("TEMPLATE-"));
    assert!(link_reason(world).starts_with("created from template TEMPLATE-"), "{}", link_reason(world));
    assert_eq!(creates(world), 1);
    assert_eq!(world.sandbox.ledger().counters().if_match_any, 0);
});

on_both!(a_second_order_of_a_known_customer_costs_no_request_about_it, matched(), async |world: &World| {
    let steps = begin(world).await;
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    steps.run(steps.link()).await;
    let about_customers = || {
        let ledger = world.sandbox.ledger();
        ledger.entries_where(|entry| entry.path.contains("CustomerHandling")).len()
    };
    let before = about_customers();
    assert!(before > 0, "the ledger names the projection");
    steps.advance(world, 5);
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    steps.run(steps.link()).await;
    assert_eq!(about_customers(), before);
    assert_one_customer(world, OWN_ID).await;
});

on_both!(a_customer_is_made_by_posts_where_no_template_is_wanted, posts(), async |world: &World| {
    let steps = begin(world).await;
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    steps.run(steps.link()).await;
    assert_one_customer(world, OWN_ID).await;
    assert_eq!(link_reason(world), "created by posts");
    assert_eq!(in_ifs(world).companies[0]["PayTermId"], "30");
});

on_both!(two_orders_and_one_new_customer_at_once_make_one_customer, matched(), async |world: &World| {
    let service = world.service().await;
    let url = format!("http://{}/webhooks/acme", service.webhooks());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = actix_rt::spawn(service.run(async move {
        stopped.await.unwrap_or_default();
        "the end of the test".to_owned()
    }));
    let webhooks: Vec<Webhook> = (0..6).map(|_| order_of_kari(world, "Umea")).collect();
    let sends = webhooks.iter().map(|webhook| webhook.send_to(url.clone()));
    for answer in futures::future::join_all(sends).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let waiting = "SELECT COUNT(*) FROM documents WHERE kind = 'customer_order' AND state = 'written'";
    while world.database.number(waiting) < 6 {
        assert!(std::time::Instant::now() < deadline, "{:?}", world.documents().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.send(()).expect("it runs");
    running.await.expect("ends").expect("well");
    assert_eq!(creates(world), 1);
    assert_one_customer(world, OWN_ID).await;
});

on_both!(a_lost_answer_to_a_copy_is_adopted_by_its_number, matched(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::CustomerCreate, Fault::DropAnswer);
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    steps.run(steps.link()).await;
    assert_state(&customer(world).await, State::Unknown);
    assert_state(&order(world).await, State::Held);
    settle_down(world, &steps).await;
    assert_one_customer(world, OWN_ID).await;
    assert_eq!(creates(world), 1);
});

on_both!(a_copy_that_commits_late_is_refused_the_second_time_and_adopted, matched(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::CustomerCreate, Fault::Late(Duration::from_secs(1)));
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    settle_down(world, &steps).await;
    assert_one_customer(world, OWN_ID).await;
});

on_both!(a_lost_create_under_a_series_is_found_by_its_key_and_never_made_twice, series(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::CustomerCreate, Fault::DropAnswer);
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    settle_down(world, &steps).await;
    let customer_no = customer(world).await.order_no.expect("linked");
    assert!(customer_no.starts_with('C'), "{customer_no}");
    assert_one_customer(world, &customer_no).await;
    assert_eq!(creates(world), 1);
});

on_both!(a_create_under_a_series_that_never_came_is_sent_again_after_not_before, series(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::CustomerCreate, Fault::Reset);
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    steps.run(steps.link()).await;
    assert_eq!(creates(world), 1, "not before its time");
    settle_down(world, &steps).await;
    let customer_no = customer(world).await.order_no.expect("linked");
    assert_one_customer(world, &customer_no).await;
    assert_eq!(creates(world), 2);
});

on_both!(a_customer_that_a_person_made_meanwhile_keeps_what_the_person_wrote, matched(), async |world: &World| {
    let steps = begin(world).await;
    let ifs = world.sandbox.ifs();
    ifs.add_foreign_customer(Some(OWN_ID), "Kari at the desk", "NO", None).expect("a person may");
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    settle_down(world, &steps).await;
    assert_state(&order(world).await, State::Written);
    assert_eq!(creates(world), 0);
    assert_eq!((in_ifs(world).field("Name"), in_ifs(world).field("Country")), ("Kari at the desk", "NO"));
    assert_eq!(link_reason(world), format!("found by own id {OWN_ID}"));
});

on_both!(a_customer_is_found_by_our_key_in_association_no, matched(), async |world: &World| {
    let steps = begin(world).await;
    let ifs = world.sandbox.ifs();
    let number = ifs.add_foreign_customer(None, "Kari of old", "SE", Some(KEY)).expect("a person may");
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    settle_down(world, &steps).await;
    assert_eq!(customer(world).await.order_no.as_deref(), Some(number.as_str()));
    assert_state(&order(world).await, State::Written);
    assert_eq!(creates(world), 0);
});

on_both!(two_customers_with_our_key_are_a_persons_and_the_order_says_so, matched(), async |world: &World| {
    let steps = begin(world).await;
    for _ in 0..2 {
        world.sandbox.ifs().add_foreign_customer(None, "Kari", "SE", Some(KEY)).expect("a person may");
    }
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    steps.run(steps.link()).await;
    let parked = customer(world).await;
    assert_state(&parked, State::Parked);
    assert_eq!(parked.reason.expect("a reason").code, "several_customers_with_our_key");
    steps.advance(world, 61);
    steps.run(steps.link()).await;
    let held = order(world).await;
    assert_state(&held, State::Held);
    let reason = held.reason.expect("a reason");
    assert_eq!(reason.code, "customer_parked");
    assert!(reason.text.contains("several_customers_with_our_key"), "{}", reason.text);
    assert_eq!(creates(world), 0);
});

on_both!(a_person_and_a_later_order_change_a_customer_and_neither_is_lost, matched(), async |world: &World| {
    let steps = begin(world).await;
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    steps.run(steps.link()).await;
    let ifs = world.sandbox.ifs();
    ifs.person_edits_customer(OWN_ID, CustomerRowOf::Customer, "Name", "Dr. Kari Test").expect("a person may");
    ifs.person_edits_customer(OWN_ID, CustomerRowOf::Address("1"), "Address2", "Ring twice").expect("a person may");
    steps.advance(world, 3);
    deliver(&steps, &order_of_kari(world, "Lulea")).await;
    settle_down(world, &steps).await;
    let view = in_ifs(world);
    assert_eq!(view.field("Name"), "Dr. Kari Test");
    assert_eq!((view.addresses[0]["City"].as_str(), view.addresses[0]["Address2"].as_str()), ("Lulea", "Ring twice"));
    assert_one_customer(world, OWN_ID).await;
    assert_eq!(world.sandbox.ledger().counters().if_match_any, 0);
});

on_both!(a_storm_of_412_at_a_customer_ends_in_one_whole_customer, matched(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.faults().once(Class::Amend, Fault::Storm(3));
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    settle_down(world, &steps).await;
    assert_one_customer(world, OWN_ID).await;
});

on_both!(a_lost_answer_to_a_change_of_a_customer_doubles_nothing, matched(), async |world: &World| {
    for fault in [Fault::DropAnswer, Fault::Reset, Fault::Late(Duration::from_secs(1))] {
        world.sandbox.faults().once(Class::Amend, fault);
    }
    let steps = begin(world).await;
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    settle_down(world, &steps).await;
    assert_one_customer(world, OWN_ID).await;
});

on_both!(each_address_of_an_order_stands_once_among_its_customers, own_addresses(), async |world: &World| {
    let steps = begin(world).await;
    let first = order_of_kari(world, "Umea");
    for (index, city) in (0_u64..).zip(["Umea", "Lulea", "Umea"]) {
        let webhook = first.clone().edited(|order| {
            order["id"] = json!(first.order_id + index);
            order["shipping_address"]["city"] = json!(city);
        });
        deliver(&steps, &webhook).await;
        steps.advance(world, 2);
    }
    settle_down(world, &steps).await;
    let mut cities: Vec<String> = in_ifs(world).addresses.iter().map(|row| row["City"].clone()).collect();
    cities.sort();
    assert_eq!(cities, ["Lulea", "Umea", "Umea"], "where the goods go, twice, and who is billed");
    for document in of_kind(world, DocumentKind::CustomerOrder).await {
        assert_state(&document, State::Written);
        let held = world.sandbox.ifs().order(&document.order_no.expect("a number")).expect("there");
        assert!(held.field("ShipAddrNo").starts_with("A-") && held.address.is_none(), "{held:?}");
    }
});

on_both!(
    without_a_template_the_order_waits_and_goes_on_when_the_settings_are_mended,
    no_template(),
    async |world: &World| {
        {
            let steps = begin(world).await;
            deliver(&steps, &order_of_kari(world, "Umea")).await;
            steps.run(steps.link()).await;
        }
        let parked = customer(world).await;
        assert_state(&parked, State::Parked);
        assert_eq!(parked.reason.as_ref().expect("a reason").code, "customer_template_missing");
        assert_state(&order(world).await, State::Held);
        let settings = std::fs::read_to_string(&world.config).expect("reads");
        std::fs::write(&world.config, settings.replace("country = \"AQ\", ", "")).expect("writes");
        let (code, _, said) = world.command(&["documents", "retry", &parked.id.to_string()], "");
        assert_eq!(code, 0, "{said}");
        let steps = begin(world).await;
        settle_down(world, &steps).await;
        assert_one_customer(world, OWN_ID).await;
    }
);

on_both!(an_order_that_does_not_read_parks_rather_than_to_wait_for_its_customer, matched(), async |world: &World| {
    let steps = begin(world).await;
    deliver(&steps, &order_of_kari(world, "Umea")).await;
    steps.map(steps.link()).await;
    // The customer is written and serves the order not; what is known of the order is another version's.
    world.database.execute("UPDATE documents SET state = 'written', written = '{}' WHERE kind = 'customer'");
    world.database.execute("UPDATE orders SET road = 'graphql'");
    let (link, now) = (steps.link(), steps.clock.now());
    let claimed = link.store.claim_due(&link.tenant.lease, &link.name, &ORDERS, now, 1).await.expect("claims");
    converge(link, &claimed[0]).await.expect("converges");
    let order = order(world).await;
    assert_state(&order, State::Parked);
    assert_eq!(order.reason.expect("a reason").code, "unreadable_content");
});

/// Runs until nothing waits any more.
pub async fn settle_down(world: &World, steps: &Steps) {
    for _ in 0..12 {
        steps.run(steps.link()).await;
        // What IFS carries out late is carried out by its own, real, clock.
        tokio::time::sleep(Duration::from_millis(150)).await;
        steps.advance(world, 61);
    }
    steps.run(steps.link()).await;
}

on_both!(a_kill_with_a_customers_intent_committed_leads_to_one_customer, matched(), async |world: &World| {
    killed_and_restarted(world, failpoint::CUSTOMER_INTENT_COMMITTED).await;
});
on_both!(a_kill_with_the_bytes_of_a_customer_sent_leads_to_one_customer, matched(), async |world: &World| {
    killed_and_restarted(world, failpoint::CUSTOMER_BYTES_SENT).await;
});
on_both!(a_kill_with_a_customers_answer_received_leads_to_one_customer, matched(), async |world: &World| {
    killed_and_restarted(world, failpoint::CUSTOMER_ANSWERED).await;
});
on_both!(a_kill_with_a_customer_linked_leads_to_one_whole_customer, matched(), async |world: &World| {
    killed_and_restarted(world, failpoint::CUSTOMER_LINKED).await;
});
on_both!(a_kill_with_a_customers_change_committed_leads_to_one_whole_customer, matched(), async |world: &World| {
    killed_and_restarted(world, failpoint::CUSTOMER_CHANGE_COMMITTED).await;
});
on_both!(a_kill_with_a_customers_change_answered_doubles_no_record, matched(), async |world: &World| {
    killed_and_restarted(world, failpoint::CUSTOMER_CHANGE_ANSWERED).await;
});

async fn killed_and_restarted(world: &World, point: &'static str) {
    let webhook = order_of_kari(world, "Umea");
    let served = world.serve(Some(point));
    let (sent, url) = (webhook.clone(), served.webhook_url("acme"));
    let sending = actix_rt::spawn(async move { sent.send_to(url).await });
    let served = served.reached(point).await;
    assert_eq!(sending.await.expect("sends").status, 200);
    served.kill();
    let served = world.serve(None);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let written = "SELECT COUNT(*) FROM documents WHERE state = 'written'";
    while world.database.number(written) < 2 {
        assert!(std::time::Instant::now() < deadline, "{:?}", world.documents().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(served.terminate(), 0);
    assert_one_customer(world, OWN_ID).await;
}
