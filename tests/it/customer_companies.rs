//! Businesses that buy: the IFS customer that their own system's key names, and nobody else's. And what `orders show` tells of it.

use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::sandbox::shopify::{Feature, Story};
use serde_json::{Value, json};

use crate::customers::{
    begin, creates, customer, deliver, link_reason, matched, of_kind, order, order_of_kari, settle_down,
};
use crate::on_both;
use crate::support::webhook::Webhook;
use crate::support::world::{Steps, World, assert_state};

/// An order of a company that carries this key in Shopify.
fn order_of_company(world: &World, external_id: Option<&str>) -> Webhook {
    let webhook = Webhook::of_new_order(world, Story::Sold(Feature::CompanyOrder));
    world.shop().name_company(webhook.order_id, external_id);
    webhook
}

fn shown(world: &World, argument: &str) -> Value {
    let (code, told, error) = world.command(&["orders", "show", argument, "--json"], "");
    assert_eq!(code, 0, "{error}");
    serde_json::from_str(&told).expect("JSON")
}

fn customer_no(world: &World, order_no: &str) -> String {
    world.sandbox.ifs().order(order_no).expect("there").field("CustomerNo").to_owned()
}

async fn retry(world: &World, steps: &Steps) {
    let id = customer(world).await.id.to_string();
    let (code, _, said) = world.command(&["documents", "retry", &id], "");
    assert_eq!(code, 0, "{said}");
    settle_down(world, steps).await;
}

on_both!(a_company_is_the_ifs_customer_that_its_external_id_names, matched(), async |world: &World| {
    let steps = begin(world).await;
    world.sandbox.ifs().add_foreign_customer(Some("ACME1"), "Acme by hand", "DE", None).expect("a person may");
    let webhook = order_of_company(world, Some("ACME1"));
    deliver(&steps, &webhook).await;
    settle_down(world, &steps).await;
    assert_state(&customer(world).await, State::Written);
    let written = order(world).await;
    assert_state(&written, State::Written);
    assert_eq!(customer_no(world, written.order_no.as_deref().expect("a number")), "ACME1");
    assert_eq!((creates(world), link_reason(world).as_str()), (0, "linked by external id ACME1"));
    let held = world.sandbox.ifs().customer("ACME1").expect("there");
    assert_eq!(
        (held.field("Name"), held.field("AssociationNo")),
        ("Acme by hand", ""),
        "it stays as the person keyed it"
    );
    // Another location of the company, the same key: two documents share the IFS customer.
    steps.advance(world, 5);
    deliver(&steps, &order_of_company(world, Some("ACME1"))).await;
    settle_down(world, &steps).await;
    assert_eq!(of_kind(world, DocumentKind::Customer).await.len(), 2);
    for written in of_kind(world, DocumentKind::CustomerOrder).await {
        assert_state(&written, State::Written);
        assert_eq!(customer_no(world, &written.order_no.expect("a number")), "ACME1");
    }
    assert_eq!(creates(world), 0);
});

on_both!(an_unknown_external_id_parks_the_customer_until_it_is_made_in_ifs, matched(), async |world: &World| {
    let steps = begin(world).await;
    let webhook = order_of_company(world, Some("NEW9"));
    deliver(&steps, &webhook).await;
    steps.run(steps.link()).await;
    let parked = customer(world).await;
    assert_state(&parked, State::Parked);
    assert_eq!(parked.reason.expect("a reason").code, "external_id_unknown");
    steps.advance(world, 61);
    steps.run(steps.link()).await;
    let held = order(world).await;
    assert_state(&held, State::Held);
    assert_eq!(held.reason.expect("a reason").code, "customer_parked");
    assert_eq!(creates(world), 0, "another one in its place would be wrong");
    let told = shown(world, &webhook.key());
    assert_eq!((&told["customer"]["state"], &told["customer"]["customer_no"]), (&json!("parked"), &Value::Null));
    assert_eq!(told["customer"]["reason"]["code"], "external_id_unknown");
    assert_eq!(told["customer"]["id"], told["waits_for"]);
    // Retried too early, it parks again.
    retry(world, &steps).await;
    assert_state(&customer(world).await, State::Parked);
    assert_state(&order(world).await, State::Held);
    // Made in IFS and retried, its order goes on by itself.
    world.sandbox.ifs().add_foreign_customer(Some("NEW9"), "New", "DE", None).expect("a person may");
    retry(world, &steps).await;
    assert_state(&customer(world).await, State::Written);
    let written = order(world).await;
    assert_state(&written, State::Written);
    assert_eq!(customer_no(world, &written.order_no.expect("a number")), "NEW9");
    assert_eq!(creates(world), 0);
});

on_both!(a_company_without_a_key_of_its_own_is_made_once_for_its_location, matched(), async |world: &World| {
    let steps = begin(world).await;
    let webhook = order_of_company(world, None);
    let location = webhook.json()["company"]["location_id"].to_string();
    deliver(&steps, &webhook).await;
    settle_down(world, &steps).await;
    let written = order(world).await;
    assert_state(&written, State::Written);
    let expected = format!("WL{location}");
    assert_eq!(customer_no(world, &written.order_no.expect("a number")), expected);
    let made = world.sandbox.ifs().customer(&expected).expect("there");
    assert_eq!(made.field("AssociationNo"), format!("company:{location}"));
    assert_eq!(creates(world), 1);
});

on_both!(orders_show_tells_how_the_customer_was_come_by_and_nothing_of_the_person, matched(), async |world: &World| {
    let steps = begin(world).await;
    let webhook = order_of_kari(world, "Umea");
    deliver(&steps, &webhook).await;
    settle_down(world, &steps).await;
    let told = shown(world, &webhook.key());
    let customer_told = &told["customer"];
    assert_eq!(customer_told["id"], json!(customer(world).await.id.get()));
    assert_eq!((&customer_told["state"], &customer_told["customer_no"]), (&json!("written"), &json!("W7007")));
    assert_eq!(customer_told["origin"], "created");
    let because = customer_told["because"].as_str().expect("a reason");
    assert!(because.starts_with("created from template TEMPLATE-"), "{because}");
    let steps_told: Vec<&str> =
        customer_told["steps"].as_array().expect("steps").iter().filter_map(|step| step["step"].as_str()).collect();
    assert_eq!(steps_told, ["link", "customer"]);
    let (code, text, _) = world.command(&["orders", "show", &webhook.key()], "");
    assert_eq!(code, 0);
    for part in ["customer", "W7007", "created from template", "steps of the customer"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for personal in ["Kari", "kari", "Umea", "Storgatan", "90325"] {
        assert!(!text.contains(personal) && !told.to_string().contains(personal), "{personal} in {text}");
    }
    // The customer's own document has no customer of its own.
    let id = customer(world).await.id.to_string();
    let (_, own, _) = world.command(&["documents", "show", &id, "--json"], "");
    assert!(serde_json::from_str::<Value>(&own).expect("JSON")["customer"].is_null());
});
