//! What a till sold without any address: it has no customer of its own, and no receipt waits for one.

use ml_connector::domain::document::{DocumentKind, State};
use ml_connector::sandbox::shopify::Story;
use serde_json::{Value, json};

use crate::customers::{begin, deliver, matched, of_kind, order, settle_down};
use crate::on_both;
use crate::support::webhook::Webhook;
use crate::support::world::{Setup, World, assert_state};

/// Customers of their own, a till in Germany, and these default customers.
fn tills(defaults: &'static str) -> Setup {
    let till = ("order_type = \"NO\"", "order_type = \"NO\"\ntax_territory = [\"DE\"]");
    let rows = ("customers = { ", defaults);
    let unset = ("customer_no = \"WEB-DEFAULT\"\n", "");
    Setup { edits: [unset].into_iter().chain(matched().edits).chain([till, rows]).collect(), ..Setup::default() }
}

fn with_default() -> Setup {
    tills("customers = { defaults = [{ country = \"DE\", customer_no = \"WEB-DEFAULT\" }], ")
}

/// A sale over the counter, taxed in Germany, to somebody whom nobody asked for a name.
fn receipt(world: &World) -> Webhook {
    let mut placed = (0..500).map(|_| Webhook::of_new_order(world, Story::Plain));
    let german = placed.find(|order| order.json()["shipping_address"]["country_code"] == "DE");
    german.expect("one of many goes to Germany").edited(|order| {
        order["source_name"] = json!("pos");
        for told in ["customer", "email", "phone", "billing_address", "shipping_address"] {
            order[told] = Value::Null;
        }
    })
}

on_both!(what_a_till_sold_to_nobody_known_stands_under_the_default_customer, with_default(), async |world: &World| {
    let steps = begin(world).await;
    deliver(&steps, &receipt(world)).await;
    // A buyer who is known, and gave no address.
    deliver(&steps, &receipt(world).edited(|order| order["customer"] = json!({ "id": 7007 }))).await;
    settle_down(world, &steps).await;
    assert!(of_kind(world, DocumentKind::Customer).await.is_empty());
    let orders = of_kind(world, DocumentKind::CustomerOrder).await;
    assert_eq!(orders.len(), 2);
    for document in orders {
        assert_state(&document, State::Written);
        let held = world.sandbox.ifs().order(&document.order_no.expect("a number")).expect("there");
        assert_eq!((held.field("CustomerNo"), held.field("BillAddrNo")), ("WEB-DEFAULT", "1"));
    }
});

on_both!(
    a_till_without_a_default_customer_parks_its_order_at_once_and_goes_on_when_one_is_set,
    tills("customers = { "),
    async |world: &World| {
        {
            let steps = begin(world).await;
            deliver(&steps, &receipt(world)).await;
            steps.run(steps.link()).await;
        }
        let parked = order(world).await;
        assert_state(&parked, State::Parked);
        assert_eq!(parked.reason.as_ref().expect("a reason").code, "till_customer_missing");
        assert_eq!(world.documents().await.len(), 1, "one document for the receipt, not two");
        let settings = std::fs::read_to_string(&world.config).expect("reads");
        let mended = settings.replace("order_type = \"NO\"", "order_type = \"NO\"\ncustomer_no = \"WEB-DEFAULT\"");
        std::fs::write(&world.config, mended).expect("writes");
        let (code, _, said) = world.command(&["documents", "retry", &parked.id.to_string()], "");
        assert_eq!(code, 0, "{said}");
        let steps = begin(world).await;
        settle_down(world, &steps).await;
        let written = order(world).await;
        assert_state(&written, State::Written);
        let held = world.sandbox.ifs().order(&written.order_no.expect("a number")).expect("there");
        assert_eq!(held.field("CustomerNo"), "WEB-DEFAULT");
    }
);
