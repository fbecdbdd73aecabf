//! Answers of IFS that are not what they should be.

use ml_connector::domain::document::State;
use ml_connector::sandbox::faults::Fault;
use ml_connector::sandbox::ledger::Class;
use ml_connector::sandbox::shopify::Story;
use rust_decimal::Decimal;

use super::{assert_others_go_on, document_of, running};
use crate::support::webhook::Webhook;

#[actix_rt::test]
async fn an_answer_that_is_cut_off_or_not_odata_leads_to_a_look_up_and_one_order() {
    let (world, served) = running().await;
    for fault in [Fault::CutBody, Fault::GatewayTimeoutDone] {
        world.sandbox.faults().once(Class::Create, fault.clone());
        let webhook = Webhook::of_new_order(&world, Story::Plain);
        webhook.is_taken(&served).await;
        world.quiet().await;
        let document = document_of(&world, &webhook).await.expect("a document");
        assert_eq!(document.state, State::Written);
        assert_eq!(document.origin.as_deref(), Some("adopted"), "{}", fault.name());
        assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), 1);
    }
    assert!(world.sandbox.books(&[]).is_clean());
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn other_money_than_was_sent_is_parked_with_both_amounts() {
    let (world, served) = running().await;
    world.sandbox.ifs().set_default_charge(Some(Decimal::new(750, 2)));
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    webhook.is_taken(&served).await;
    world.quiet().await;
    let document = document_of(&world, &webhook).await.expect("a document");
    assert_eq!(document.state, State::Parked);
    let reason = document.reason.expect("a reason");
    let sold = webhook.json()["current_total_price"].as_str().expect("an amount").to_owned();
    assert!(reason.text.contains(&format!("order total: Shopify {sold}, IFS ")), "{}", reason.text);
    assert!(reason.text.contains("foreign row: Shopify none, IFS charge"), "{}", reason.text);
    assert!(document.order_no.is_some(), "it stands in IFS and is linked");
    let held = world.sandbox.ifs().orders_by_po(&webhook.key());
    assert_eq!(held.len(), 1, "nothing is changed back");
    world.sandbox.ifs().set_default_charge(None);
    assert_others_go_on(&world, &served).await;
}

#[actix_rt::test]
async fn a_redirect_of_ifs_is_not_followed() {
    let (world, served) = running().await;
    let page = format!("<a href=\"{}/elsewhere\">moved</a>", world.sandbox.ifs_base_url());
    world.sandbox.faults().once(Class::Create, Fault::Plain(302, page));
    let webhook = Webhook::of_new_order(&world, Story::Plain);
    webhook.is_taken(&served).await;
    world.quiet().await;
    let elsewhere = world.sandbox.ledger().entries_where(|entry| entry.path.contains("elsewhere"));
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    // What became of the create is looked up, and only after not-before it is sent again.
    assert_eq!(world.sandbox.ifs().orders_by_po(&webhook.key()).len(), 1);
    assert_eq!(world.sandbox.ledger().creates_of(&webhook.key()), 2);
    assert_others_go_on(&world, &served).await;
}
