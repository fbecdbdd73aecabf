//! Both roads tell the same order.

use super::*;
use crate::domain::money::{MoneyPair, Side};
use crate::domain::order::{LineKind, Order, Risk, Told};
use crate::mapping::fixtures;
use crate::mapping::identities::check;
use crate::shopify::wire::{decode_graphql_order, decode_rest_order};

fn by_graphql(body: &str) -> Order {
    let order = decode_graphql_order(body.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    order_from_graphql(order).unwrap_or_else(|error| panic!("{error}"))
}

/// What a webhook can't tell, so that the order is re-read.
const TOLD_BY_ONE_ROAD: [&str; 4] =
    ["additional-fee", "fee-removed", "refunded-in-two-currencies", "tip-other-currency"];

#[test]
fn both_roads_of_every_fixture_tell_one_order() {
    let (mut both, names) = (0, fixtures::names());
    for name in &names {
        let rest = fixtures::order(name);
        if !fixtures::has_graphql(name) {
            assert!(["contradicting-sample", "old-without-sets"].contains(&name.as_str()), "{name} has one road");
            continue;
        }
        let graphql = fixtures::re_read(name);
        assert_eq!(graphql.not_whole(), None, "{name}");
        assert_eq!(rest.not_whole().is_some(), TOLD_BY_ONE_ROAD.contains(&name.as_str()), "{name}");
        if rest.not_whole().is_none() {
            assert_eq!(rest.digest(), graphql.digest(), "{name}");
            assert_eq!(rest.goodwill(), graphql.goodwill(), "{name}");
            let kinds = |order: &Order| order.lines.iter().map(|line| line.kind).collect::<Vec<_>>();
            assert_eq!(kinds(&rest), kinds(&graphql), "{name}");
        }
        both += 1;
    }
    assert!(both >= 70, "{both} of {} fixtures have both roads", names.len());
}

#[test]
fn every_fixture_closes_or_breaks_as_its_name_says() {
    for name in fixtures::names().iter().filter(|name| fixtures::has_graphql(name)) {
        let order = fixtures::re_read(name);
        for side in Side::BOTH {
            let checked = check(&order, side);
            let Some(identity) = name.strip_prefix("broken-") else {
                assert!(checked.is_ok(), "{name}: {checked:?}");
                continue;
            };
            let broken = checked.expect_err(name);
            assert!(broken.iter().any(|broken| broken.identity == identity), "{name}: {broken:?}");
        }
    }
}

#[test]
fn a_tip_is_known_on_both_roads_and_counted_once_under_either_reading() {
    for (name, tip) in [("tip", "2.50"), ("tip-as-line", "3.00"), ("cancelled-with-tip", "0")] {
        for order in [fixtures::order(name), fixtures::re_read(name)] {
            assert!(order.lines.iter().any(|line| line.kind == LineKind::Tip), "{name}");
            let now = check(&order, Side::Shop).expect(name);
            assert_eq!(now.tip, tip.parse().expect("a figure"), "{name}");
        }
    }
    let other = fixtures::re_read("tip-other-currency");
    let now = [Side::Shop, Side::Presentment].map(|side| check(&other, side).expect("it closes").tip);
    assert_eq!(now, ["2.50", "28.00"].map(|tip| tip.parse().expect("a figure")));
}

#[test]
fn what_was_given_back_beyond_rows_is_goodwill_and_nothing_else_is() {
    for name in fixtures::names().iter().filter(|name| fixtures::has_graphql(name)) {
        let given: Vec<(String, String)> = fixtures::re_read(name)
            .goodwill()
            .iter()
            .map(|goodwill| (goodwill.amount.shop.to_string(), goodwill.tax.shop.to_string()))
            .collect();
        let given: Vec<(&str, &str)> = given.iter().map(|(amount, tax)| (amount.as_str(), tax.as_str())).collect();
        let expected: &[(&str, &str)] = match name.as_str() {
            "refunded-amount" | "refunded-in-two-currencies" => &[("10.00 EUR", "0.00 EUR")],
            "refunded-lines-and-amount" => &[("2.51 EUR", "0.00 EUR")],
            "refund-kept-and-given" => &[("4.00 EUR", "0.76 EUR"), ("1.00 EUR", "0.00 EUR")],
            // 5.00 given for the whole, then 3.00 kept of what came back; the other way round nothing is given on the whole.
            "refund-given-then-kept" => &[("2.00 EUR", "0.00 EUR")],
            _ => &[],
        };
        assert_eq!(given, expected, "{name}");
    }
}

#[test]
fn money_that_is_only_still_on_its_way_is_not_kept() {
    use crate::domain::order::{Adjustment, PENDING, Refund};
    let given = |kind: &str| {
        let mut order = fixtures::order("refunded-amount");
        let nothing = super::super::summed::pair(&order, 0.into());
        let adjustment = Adjustment {
            id: u64::MAX,
            kind: kind.into(),
            amount: super::super::summed::pair(&order, 3.into()),
            tax: nothing,
        };
        let refund =
            Refund { id: u64::MAX, adjustments: vec![adjustment], paid_back: nothing, ..order.refunds[0].clone() };
        order.refunds.push(Refund { lines: Vec::new(), shipping: Vec::new(), duties: Vec::new(), ..refund });
        order.goodwill()[0].amount.shop.to_string()
    };
    assert_eq!([given("refund_discrepancy"), given(PENDING)], ["7.00 EUR", "10.00 EUR"]);
    // Both roads tell it, each in its own words.
    let body = fixtures::webhook("refunded-amount").replace("Refund discrepancy", "Pending refund discrepancy");
    let graph = fixtures::graphql("refunded-amount").replace("REFUND_DISCREPANCY", "PENDING_REFUND_DISCREPANCY");
    let wire = crate::shopify::wire::decode_graphql_order(graph.as_bytes()).expect("it decodes");
    let (rest, graph) = (fixtures::order_of(&body), super::order_from_graphql(wire).expect("it reads"));
    assert_eq!([&rest, &graph].map(|order| order.refunds[0].adjustments[0].kind.as_str()), [PENDING; 2]);
    assert_eq!(rest.digest(), graph.digest());
}

#[test]
fn shipping_given_back_counts_once_however_it_is_told() {
    for (name, amount, tax) in [
        ("refunded-shipping", "4.90", "0.93"),
        ("refunded-shipping-included", "2.50", "0.40"),
        ("refunded-shipping-old", "5.95", "0.95"),
    ] {
        for order in [fixtures::order(name), fixtures::re_read(name)] {
            let refund = &order.refunds[0];
            assert_eq!((refund.shipping.len(), refund.adjustments.len()), (1, 0), "{name}");
            let told = [refund.shipping[0].subtotal.shop.amount(), refund.shipping[0].tax.shop.amount()];
            assert_eq!(told, [amount, tax].map(|figure| figure.parse().expect("a figure")), "{name}");
        }
    }
}

#[test]
fn duties_and_fees_shrink_with_what_they_are_for() {
    let amounts = |name: &str| {
        let now = check(&fixtures::re_read(name), Side::Shop).expect(name);
        let shown = |charges: Vec<crate::mapping::current::CurrentCharge>| {
            let of = |charge: crate::mapping::current::CurrentCharge| {
                let tax: Decimal = charge.taxes.iter().sum();
                format!("{} + {}", charge.amount.normalize(), tax.normalize())
            };
            charges.into_iter().map(of).collect::<Vec<_>>()
        };
        (shown(now.duties.into_iter().flatten().collect()), shown(now.fees))
    };
    assert_eq!(amounts("duties"), (vec!["21.6 + 0".to_owned(), "2.41 + 0".to_owned()], vec![]));
    assert_eq!(amounts("duties-taxed").0, ["32.4 + 1.62"]);
    assert_eq!(amounts("duties-edited").0, ["21.6 + 0"]);
    assert_eq!(amounts("refunded-duty").0, ["0 + 0"]);
    assert_eq!(amounts("duties-taxed-otherwise").0, ["20 + 1", "5.4 + 0", "7 + 0.35"]);
    assert_eq!(amounts("additional-fee").1, ["8.5 + 0", "19 + 3.61"]);
    assert_eq!(amounts("fee-removed").1, ["8.5 + 0", "0 + 0"], "a fee that is taken away goes as a whole");
}

#[test]
fn facts_of_a_re_read_are_told_and_those_of_a_webhook_are_not() {
    let (rest, graphql) = (fixtures::order("b2b-net30"), fixtures::re_read("b2b-net30"));
    // That a line is of no bundle, a webhook says itself.
    assert_eq!(rest.told, Told { groups: true, ..Told::default() });
    assert!(graphql.told.catalogue && graphql.told.company && graphql.told.risk);
    let company = graphql.company.expect("a company");
    assert_eq!((company.id, company.location_id), (Some(9_988_776_655), Some(1_122_334_455)));
    let keys = (company.external_id.as_deref(), company.location_external_id.as_deref());
    assert_eq!(keys, (Some("C-20011"), Some("C-20011-2")));
    assert_eq!(company.name.expect("a name").as_str(), "Muster Werkzeuge GmbH & Co. KG");
    assert_eq!(graphql.lines[0].barcode.as_deref(), Some("4006381333931"));
    assert_eq!(graphql.lines[0].product_type.as_deref(), Some("Tools"));
    assert_eq!((rest.lines[0].barcode.as_deref(), rest.risk), (None, None));
    assert_eq!(fixtures::re_read("high-risk").risk, Some(Risk::Cancel));
    let till = fixtures::order("pos-staff-location");
    assert_eq!((till.location_id, till.staff_id), (Some(66_778_899_001), Some(55_443_322)));
    assert_eq!(fixtures::re_read("pos-staff-location").location_id, till.location_id);
    let buyer = &rest.customer;
    assert_eq!(buyer.last_name.as_ref().map(|name| name.as_str()), Some("Muster"));
    assert_eq!((buyer.locale.as_deref(), till.gateways.as_slice()), (Some("de-DE"), ["cash".to_owned()].as_slice()));
}

#[test]
fn what_matters_changes_the_digest_and_what_does_not_leaves_it() {
    let body = fixtures::webhook("plain-eur");
    let digest = fixtures::order_of(&body).digest();
    for (from, to) in [
        ("\"paid\"", "\"pending\""),
        ("E. B.", "E. C."),
        ("Hamburg", "Altona"),
        ("\"current_quantity\": 2", "\"current_quantity\": 1"),
        ("\"SOMMER100\"", "\"WINTER100\""),
        ("2026-03-02T10:15:03+01:00", "2026-03-02T10:15:04+01:00"),
        ("\"po_number\": \"PO-77\"", "\"po_number\": null"),
    ] {
        assert!(body.contains(from), "{from}");
        assert_ne!(fixtures::order_of(&body.replace(from, to)).digest(), digest, "{from}");
    }
    for (from, to) in [
        ("\"100.00\"", "\"100.0\""),
        ("web, vip", "vip,web"),
        ("2026-03-02T10:15:03+01:00", "2026-03-02T09:15:03Z"),
        ("\"t-0001-secret\"", "\"cut\""),
        ("\"channel_liable\": false", "\"channel_liable\": null"),
    ] {
        assert!(body.contains(from), "{from}");
        assert_eq!(fixtures::order_of(&body.replace(from, to)).digest(), digest, "{from}");
    }
}

#[test]
fn refunds_and_duties_make_a_version_and_facts_beside_the_order_make_none() {
    fn more(pair: &mut MoneyPair) {
        pair.shop = pair.shop.plus(pair.shop).expect("same currency");
    }
    type Change = fn(&mut Order);
    let versions: [(&str, Change); 6] = [
        ("refunded-lines", |order| more(&mut order.refunds[0].lines[0].subtotal)),
        ("refunded-lines", |order| order.refunds[0].lines[0].quantity += 1),
        ("refunded-shipping", |order| more(&mut order.refunds[0].shipping[0].tax)),
        ("refunded-amount", |order| more(&mut order.refunds[0].adjustments[0].amount)),
        ("refunded-amount", |order| more(&mut order.refunds[0].paid_back)),
        ("duties", |order| more(&mut order.lines[0].duties[0].price)),
    ];
    for (name, change) in versions {
        let mut order = fixtures::order(name);
        let digest = order.digest();
        change(&mut order);
        assert_ne!(order.digest(), digest, "{name}");
    }
    let facts: [Change; 7] = [
        |order| order.totals.outstanding = None,
        |order| order.told.risk = true,
        |order| order.risk = Some(Risk::Cancel),
        |order| order.staff_id = Some(1),
        |order| order.location_id = Some(1),
        |order| order.gateways.clear(),
        |order| order.lines[0].barcode = Some("1".into()),
    ];
    for change in facts {
        let mut order = fixtures::order("refunded-lines");
        let digest = order.digest();
        change(&mut order);
        assert_eq!(order.digest(), digest);
    }
}

#[test]
fn what_an_old_payload_lacks_is_named() {
    let body = fixtures::webhook("plain-eur");
    for (from, lacks) in [
        ("\"current_total_price_set\"", "current_total_price_set"),
        ("\"current_quantity\"", "line_items.current_quantity"),
        ("\"amount_set\"", "discount_allocations.amount_set"),
        ("\"confirmed\"", "confirmed"),
    ] {
        let order = fixtures::order_of(&body.replace(from, "\"x\""));
        assert_eq!(order.not_whole(), Some(lacks));
    }
    let further = fixtures::graphql("plain-eur").replace("\"hasNextPage\": false", "\"hasNextPage\": true");
    assert_eq!(by_graphql(&further).not_whole(), Some("lineItems beyond the first page"));
}

#[test]
fn a_page_full_of_lines_is_not_whole() {
    let mut body: serde_json::Value = serde_json::from_str(&fixtures::webhook("plain-eur")).expect("JSON");
    let line = body["line_items"][1].clone();
    body["line_items"] = serde_json::Value::Array(vec![line; 250]);
    assert!(fixtures::order_of(&body.to_string()).not_whole().is_some());
}

#[test]
fn an_order_of_260_lines_is_whole_once_its_pages_are_joined() {
    let more = |body: String, lines: &str, id: fn(&str) -> serde_json::Value, page: usize| {
        let mut body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let rows = body.pointer_mut(lines).and_then(serde_json::Value::as_array_mut).expect("lines");
        // What is given away changes no sum.
        let mut free = rows[0].clone();
        for (field, value) in free.as_object_mut().expect("a line").iter_mut() {
            match field.as_str() {
                "tax_lines" | "taxLines" | "discount_allocations" | "discountAllocations" => {
                    *value = serde_json::json!([])
                }
                "price_set" | "originalUnitPriceSet" => {
                    let money = value.as_object_mut().expect("two moneys").values_mut();
                    money.for_each(|money| money["amount"] = serde_json::json!("0"));
                }
                _ => {}
            }
        }
        for number in rows.len()..260 {
            free["id"] = id(&format!("48781767227629{number:04}"));
            rows.push(free.clone());
        }
        rows.truncate(page);
        body.to_string()
    };
    let rest = more(fixtures::webhook("many-lines"), "/line_items", |id| id.parse().expect("a number"), 250);
    assert_eq!(fixtures::order_of(&rest).not_whole(), Some("line_items beyond the page of 250"));
    let gid = |id: &str| serde_json::json!(format!("gid://shopify/LineItem/{id}"));
    let whole = by_graphql(&more(fixtures::graphql("many-lines"), "/lineItems/nodes", gid, 260));
    assert_eq!((whole.not_whole(), whole.lines.len()), (None, 260));
    let now = check(&whole, Side::Shop).expect("it closes");
    assert_eq!(now.lines.len(), 260);
}

#[test]
fn currencies_must_exist_and_agree() {
    let body = fixtures::webhook("plain-eur");
    let refusal = |body: String| {
        let order = decode_rest_order(body.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        order_from_rest(order).expect_err("another currency")
    };
    assert!(matches!(refusal(body.replace("EUR", "XYZ")), InboundError::UnknownCurrency { field: "currency", .. }));
    let mixed = refusal(body.replace("\"currency\": \"EUR\"", "\"currency\": \"SEK\""));
    assert!(matches!(mixed, InboundError::OtherCurrency { .. }));
    let unknown = refusal(body.replace("\"discount_application_index\": 0", "\"discount_application_index\": 7"));
    assert!(matches!(unknown, InboundError::NoSuchDiscount { found: 7, known: 1, .. }));
}

#[test]
fn unknown_words_are_kept() {
    let body =
        fixtures::webhook("plain-eur").replace("\"financial_status\": \"paid\"", "\"financial_status\": \"Moon\"");
    let status = fixtures::order_of(&body).financial_status;
    assert_eq!(status, Some(crate::domain::order::FinancialStatus::Unknown("moon".into())));
}

#[test]
fn only_facts_that_an_order_can_have_are_lacked() {
    let catalogue = Told { catalogue: true, ..Told::default() };
    let company = Told { company: true, ..Told::default() };
    let risk = Told { risk: true, ..Told::default() };
    let person = fixtures::order("plain-eur");
    assert_eq!([catalogue, company, risk].map(|needs| person.lacks_facts(needs)), [true, false, true]);
    let firm = fixtures::order("b2b-net30");
    assert_eq!([catalogue, company, risk].map(|needs| firm.lacks_facts(needs)), [true, true, true]);
    let told = fixtures::re_read("b2b-net30");
    assert!(!told.lacks_facts(catalogue.and(company).and(risk)));
    assert_eq!(told.customer.phone.map(|phone| phone.as_str().to_owned()), Some("+4971100001".to_owned()));
    let mut typed_in = fixtures::order("custom-line");
    typed_in.lines.truncate(1);
    assert!(!typed_in.lacks_facts(catalogue));
}
