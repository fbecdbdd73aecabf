//! Every identity can hold, break, and be named.

use super::*;
use crate::mapping::fixtures;

fn names(broken: &[Broken]) -> Vec<&'static str> {
    broken.iter().filter(|broken| broken.side == Side::Shop).map(|broken| broken.identity).collect()
}

#[test]
fn whole_orders_close_in_both_currencies() {
    for name in ["plain-eur", "sek-included", "edited-down", "jpy-included"] {
        for side in Side::BOTH {
            assert!(check(&fixtures::order(name), side).is_ok(), "{name} {}", side.as_str());
        }
    }
}

#[test]
fn shopifys_contradicting_sample_is_refused_by_name() {
    let broken = check(&fixtures::order("contradicting-sample"), Side::Shop).expect_err("it contradicts itself");
    assert_eq!(names(&broken), ["total_discounts", "subtotal_price", "total_shipping_price", "total_price"]);
    let first = broken[0].to_string();
    assert_eq!(first, "total_discounts says 20 and its parts 0 (shop currency)");
}

#[test]
fn every_identity_can_break_and_is_named() {
    fn off(pair: &mut MoneyPair) {
        let cent = crate::domain::money::Money::new(Decimal::new(1, 2), pair.shop.currency());
        pair.shop = pair.shop.plus(cent).expect("same currency");
    }
    type Case = (&'static str, fn(&mut Order));
    let cases: [Case; 10] = [
        ("total_line_items_price", |order| off(order.totals.line_items.as_mut().expect("stated"))),
        ("total_discounts", |order| off(&mut order.totals.discounts)),
        ("subtotal_price", |order| off(&mut order.totals.subtotal)),
        ("total_shipping_price", |order| off(&mut order.totals.shipping)),
        ("total_tax", |order| off(&mut order.totals.tax)),
        ("total_price", |order| off(&mut order.totals.total)),
        ("current_subtotal_price", |order| off(&mut order.totals.current_subtotal)),
        ("current_total_tax", |order| off(&mut order.totals.current_tax)),
        ("current_total_price", |order| off(&mut order.totals.current_total)),
        ("current_quantity", |order| order.lines[0].current_quantity = 4),
    ];
    for (identity, break_it) in cases {
        let mut order = fixtures::order("plain-eur");
        break_it(&mut order);
        let broken = check(&order, Side::Shop).expect_err(identity);
        assert!(names(&broken).contains(&identity), "{identity} is not among {broken:?}");
    }
    let finer = fixtures::webhook("plain-eur").replace("\"3.80\"", "\"3.801\"");
    let broken = check(&fixtures::order_of(&finer), Side::Shop).expect_err("no tenths of a cent");
    assert_eq!(names(&broken), ["decimals_of_the_currency"]);
}

#[test]
fn one_side_that_closes_does_not_excuse_the_other() {
    let body = fixtures::webhook("sek-included").replace("\"299.00\"", "\"299.01\"");
    let broken = check(&fixtures::order_of(&body), Side::Shop).expect_err("the customer's side is a cent off");
    assert!(broken.iter().all(|broken| broken.side == Side::Presentment));
}

#[test]
fn units_taken_away_take_their_share_of_discount_and_tax() {
    let order = fixtures::order("edited-down");
    let now = check(&order, Side::Shop).expect("it closes");
    assert_eq!(now.lines[0].worth(), Decimal::new(1965, 2));
    assert_eq!(now.lines[0].taxes, [Decimal::new(373, 2)]);
    assert_eq!(now.lines[1].worth(), Decimal::ZERO);
}

#[test]
fn a_tip_is_counted_once() {
    let tip = |mut order: Order, twice: bool| {
        let amount = crate::domain::money::Money::new(Decimal::from(5), order.currency);
        let pair = MoneyPair { shop: amount, presentment: amount };
        let mut row = order.lines[1].clone();
        (row.kind, row.price, row.quantity, row.current_quantity) = (LineKind::Tip, pair, 1, 1);
        row.taxes.clear();
        order.lines.push(row);
        order.totals.tip = pair;
        let add = |total: &mut MoneyPair| {
            total.shop = total.shop.plus(amount).expect("same currency");
            total.presentment = total.shop;
        };
        add(&mut order.totals.total);
        add(&mut order.totals.current_total);
        if twice {
            add(&mut order.totals.total);
            add(&mut order.totals.current_total);
        }
        order
    };
    assert!(check(&tip(fixtures::order("plain-eur"), false), Side::Shop).is_ok());
    assert!(check(&tip(fixtures::order("plain-eur"), true), Side::Shop).is_err());
}

fn with_cents(pair: &mut MoneyPair, cents: i64) {
    for money in [&mut pair.shop, &mut pair.presentment] {
        let change = crate::domain::money::Money::new(Decimal::new(cents, 2), money.currency());
        *money = money.plus(change).expect("same currency");
    }
}

#[test]
fn duties_fees_and_refunds_can_break_and_are_named() {
    type Case = (&'static str, &'static str, fn(&mut Order));
    let cases: [Case; 6] = [
        ("duties", "original_total_duties", |order| with_cents(&mut order.lines[0].duties[0].price, 1)),
        ("duties", "current_total_duties", |order| {
            with_cents(order.totals.current_duties.as_mut().expect("stated"), 1);
        }),
        ("additional-fee", "original_total_additional_fees", |order| with_cents(&mut order.fees[0].price, 1)),
        ("additional-fee", "total_tax", |order| with_cents(&mut order.fees[1].taxes[0].price, 1)),
        ("refunded-lines", "refund", |order| with_cents(&mut order.refunds[0].paid_back, 1)),
        ("refunded-shipping", "refund", |order| with_cents(&mut order.refunds[0].shipping[0].subtotal, 1)),
    ];
    for (fixture, identity, break_it) in cases {
        let mut order = fixtures::re_read(fixture);
        assert!(check(&order, Side::Shop).is_ok(), "{fixture}");
        break_it(&mut order);
        let broken = check(&order, Side::Shop).expect_err(identity);
        assert!(names(&broken).contains(&identity), "{identity} is not among {broken:?}");
    }
}

#[test]
fn rounded_cash_that_went_back_is_the_payments() {
    let mut order = fixtures::re_read("refunded-lines");
    with_cents(&mut order.refunds[0].paid_back, -2);
    let mut rounding = order.refunds[0].paid_back;
    (rounding.shop, rounding.presentment) = {
        let cents = crate::domain::money::Money::new(Decimal::new(2, 2), order.currency);
        (cents, cents)
    };
    order.totals.refund_rounding = Some(rounding);
    assert!(check(&order, Side::Shop).is_ok());
}

#[test]
fn a_refund_whose_money_is_under_way_stops_no_order() {
    let mut order = fixtures::re_read("refunded-amount");
    let nothing = crate::domain::money::Money::zero(order.currency);
    order.refunds[0].paid_back = MoneyPair { shop: nothing, presentment: nothing };
    assert!(check(&order, Side::Shop).is_ok());
    assert_eq!(order.goodwill(), [], "nothing was given back yet");
}

#[test]
fn a_currency_has_its_own_decimals() {
    for (name, from, to) in [("kwd", "\"12.345\"", "\"12.3455\""), ("jpy", "\"1650\"", "\"1650.5\"")] {
        assert!(check(&fixtures::order(name), Side::Shop).is_ok(), "{name}");
        let finer = fixtures::webhook(name);
        assert!(finer.contains(from), "{name}");
        let broken = check(&fixtures::order_of(&finer.replace(from, to)), Side::Shop).expect_err(name);
        assert_eq!(names(&broken), ["decimals_of_the_currency"], "{name}");
    }
    let dinar = check(&fixtures::order("kwd"), Side::Shop).expect("it closes");
    assert_eq!(dinar.lines[0].worth(), Decimal::new(36_035, 3));
}

#[test]
fn an_order_that_is_worth_nothing_closes() {
    let now = check(&fixtures::order("zero-total"), Side::Shop).expect("it closes");
    assert_eq!((now.lines[0].worth(), now.shipping[0].amount), (Decimal::ZERO, Decimal::ZERO));
}
