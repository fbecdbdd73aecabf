//! Identities of printed orders, checked on the printed bodies alone.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::super::generate::{self, Ids};
use super::super::story::{self, Change, Story};
use super::*;

fn dec(value: &Value) -> Decimal {
    Decimal::from_str_exact(value.as_str().expect("an amount as text")).expect("a decimal")
}

fn side(bag: &Value, money: &str) -> Decimal {
    if bag.is_null() { Decimal::ZERO } else { dec(&bag[money]["amount"]) }
}

fn rows<'a>(body: &'a Value, name: &str) -> &'a Vec<Value> {
    body[name].as_array().expect("rows")
}

fn allocated(rows: &[Value], money: &str) -> Decimal {
    rows.iter()
        .flat_map(|row| row["discount_allocations"].as_array().expect("allocations"))
        .map(|one| side(&one["amount_set"], money))
        .sum()
}

fn taxed(rows: &[Value], money: &str) -> Decimal {
    rows.iter()
        .flat_map(|row| row["tax_lines"].as_array().expect("tax lines"))
        .map(|one| side(&one["price_set"], money))
        .sum()
}

fn int(value: &Value) -> Decimal {
    Decimal::from(value.as_u64().expect("a whole number"))
}

fn check(body: &Value, money: &str) {
    let name = &body["name"];
    let sum = |key: &str| side(&body[format!("{key}_set")], money);
    let (lines, shipping) = (rows(body, "line_items"), rows(body, "shipping_lines"));
    let gross = |quantity: &str| -> Decimal {
        lines.iter().map(|line| side(&line["price_set"], money) * int(&line[quantity])).sum()
    };
    assert_eq!(sum("total_line_items_price"), gross("quantity"), "{name}: line items");
    assert_eq!(sum("total_discounts"), allocated(lines, money) + allocated(shipping, money), "{name}: discounts");
    assert_eq!(sum("subtotal_price"), gross("quantity") - allocated(lines, money), "{name}: subtotal");
    let discounted: Decimal = shipping.iter().map(|line| side(&line["discounted_price_set"], money)).sum();
    assert_eq!(sum("total_shipping_price"), discounted, "{name}: shipping");
    assert_eq!(sum("total_tax"), taxed(lines, money) + taxed(shipping, money), "{name}: tax");
    let on_top = |tax: Decimal| if body["taxes_included"] == true { Decimal::ZERO } else { tax };
    assert_eq!(
        sum("total_price"),
        sum("subtotal_price") + sum("total_shipping_price") + on_top(sum("total_tax")),
        "{name}: total"
    );
    let mut current = Decimal::ZERO;
    let mut current_tax = taxed(shipping, money);
    for line in lines {
        let share = int(&line["current_quantity"]) / int(&line["quantity"]);
        let one = std::slice::from_ref(line);
        current += side(&line["price_set"], money) * int(&line["current_quantity"]) - allocated(one, money) * share;
        current_tax += taxed(one, money) * share;
    }
    assert_eq!(sum("current_subtotal_price"), current.round_dp(10).normalize(), "{name}: current subtotal");
    assert_eq!(sum("current_total_tax"), current_tax.round_dp(10).normalize(), "{name}: current tax");
    let total = sum("current_subtotal_price") + sum("current_shipping_price") + on_top(sum("current_total_tax"));
    assert_eq!(sum("current_total_price"), total, "{name}: current total");
    for line in lines.iter().chain(shipping) {
        assert!(allocated(std::slice::from_ref(line), money) >= Decimal::ZERO);
    }
}

#[test]
fn the_identities_hold_for_five_hundred_orders_in_both_currencies() {
    let mut random = StdRng::seed_from_u64(11);
    let mut ids = Ids::of_shop(0);
    let mut kinds = std::collections::BTreeSet::new();
    for number in 1001..1501 {
        let placed = generate::order(&mut random, &mut ids, number, Timestamp::UNIX_EPOCH);
        let change =
            [Change::QuantityDown, Change::QuantityUp, Change::LineDiscount, Change::Note][number as usize % 4];
        let edited = story::change(&mut random, &placed, change, Timestamp::UNIX_EPOCH);
        for version in [&placed, &edited] {
            let body = order(version, "s.myshopify.com");
            check(&body, "shop_money");
            check(&body, "presentment_money");
            kinds.insert(body["presentment_currency"].to_string());
        }
    }
    assert!(kinds.len() >= 5, "several presentment currencies, not {kinds:?}");
}

#[test]
fn a_cancelled_paid_order_shows_zero_current_sums_and_unchanged_totals() {
    let mut random = StdRng::seed_from_u64(5);
    let mut placed = generate::order(&mut random, &mut Ids::of_shop(0), 1001, Timestamp::UNIX_EPOCH);
    placed.financial = Financial::Paid;
    let cancelled = story::change(&mut random, &placed, Change::Cancelled, Timestamp::UNIX_EPOCH);
    let (before, after) = (order(&placed, "s"), order(&cancelled, "s"));
    assert_eq!(after["total_price"], before["total_price"]);
    assert_eq!(dec(&after["current_total_price"]), Decimal::ZERO);
    assert_eq!(after["financial_status"], "refunded");
}

#[test]
fn a_planted_contradiction_breaks_the_total() {
    let mut random = StdRng::seed_from_u64(5);
    let mut ids = Ids::of_shop(0);
    let mut placed = generate::order(&mut random, &mut ids, 1001, Timestamp::UNIX_EPOCH);
    story::prepare(&mut random, &mut ids, &mut placed, Story::Parked(story::Planted::ContradictingTotals));
    let broken = std::panic::catch_unwind(|| check(&order(&placed, "s"), "shop_money"));
    assert!(broken.is_err(), "the check must see it");
}

#[test]
fn times_carry_the_shops_offset_and_ids_stay_whole() {
    assert_eq!(time(Timestamp::UNIX_EPOCH), "1970-01-01T02:00:00+02:00");
    let mut placed = generate::order(&mut StdRng::seed_from_u64(5), &mut Ids::of_shop(0), 1001, Timestamp::UNIX_EPOCH);
    placed.id = 820_982_911_946_154_509;
    assert!(order(&placed, "s").to_string().contains("\"id\":820982911946154509,"));
}
