//! Rows of a few cents, on which a tax rounds to nothing: it still belongs to them.

use rust_decimal::Decimal;

use super::super::desired::DesiredRow;
use super::super::fixtures::{desired_of, order, settings, tax_code};
use super::super::rules::MappingSettings;
use super::super::rules::settings::{ChannelLiable, DiscountMode, PriceBasis};
use super::super::summed::{figure, pair, summed, tax};
use super::tests::{agrees, checked, one_line, parked, row, sent};
use crate::domain::order::Order;
use crate::ifs::wire::names;

/// What Shopify lists of the shipping's taxes: title, rate, amount.
type Listed<'a> = &'a [(&'a str, &'a str, &'a str)];

const BOTH: Listed<'static> = &[("GST", "0.05", "0.00"), ("QST", "0.09975", "0.01")];
const LEFT_OUT: Listed<'static> = &[("QST", "0.09975", "0.01")];

/// An order to Quebec of one line, with shipping of this worth and these taxes.
fn shipped(included: bool, worth: &str, listed: Listed<'_>) -> Order {
    let mut order = order("taxes-gst-qst");
    order.taxes_included = included;
    order.lines.truncate(1);
    let price = pair(&order, figure(if included { "114.98" } else { "100.00" }));
    let (gst, qst) = (pair(&order, figure("5.00")), pair(&order, figure("9.98")));
    let line = &mut order.lines[0];
    (line.quantity, line.current_quantity, line.price) = (1, 1, price);
    line.taxes = vec![tax("GST", "0.05", gst), tax("QST", "0.09975", qst)];
    let worth = pair(&order, figure(worth));
    let taxes = listed.iter().map(|(title, rate, amount)| tax(title, rate, pair(&order, figure(amount)))).collect();
    order.shipping_lines.truncate(1);
    let line = &mut order.shipping_lines[0];
    (line.id, line.price, line.discounted, line.current_discounted) = (Some(5), worth, worth, None);
    line.taxes = taxes;
    summed(order)
}

/// The tax that a row is sent with.
fn taxed(row: &DesiredRow) -> [String; 2] {
    [names::TAX_CODE, names::TAX_CALC_STRUCTURE_ID].map(|field| sent(row, field))
}

#[test]
fn a_tax_that_rounds_to_nothing_is_of_the_rows_set() {
    let rules = checked(settings());
    // With tax 0.11 x 5 / 114.975 is 0.0048, while 5 % of 0.11 is not nothing; without tax 5 % of 0.09 is 0.0045.
    for (included, worth) in [(true, "0.10"), (true, "0.11"), (false, "0.09")] {
        let desired = desired_of(&shipped(included, worth, BOTH), &rules);
        let shipping = row(&desired, "shipping:5");
        assert_eq!(taxed(shipping), ["nothing", "GSTQST"], "{worth}");
        assert_eq!((shipping.expect.amount, shipping.expect.tax), (figure(worth), figure("0.01")));
        agrees(&desired, &rules);
    }
}

#[test]
fn a_tax_that_is_not_told_is_never_made_up() {
    // 5 % of 10.00 is not nothing: told with 0.00 it is not owed.
    let listed: Listed<'_> = &[("GST", "0.05", "0.00"), ("QST", "0.09975", "1.00")];
    for order in [shipped(false, "10.00", listed), shipped(true, "0.11", LEFT_OUT)] {
        assert_eq!(parked(&order, &checked(settings())), "tax_code_missing");
    }
    let mut own = settings();
    own.tax_codes.push(tax_code("CA", "0.09975", "QST"));
    let desired = desired_of(&shipped(true, "0.11", LEFT_OUT), &checked(own));
    assert_eq!(taxed(row(&desired, "shipping:5")), ["QST", "nothing"]);
}

#[test]
fn a_single_tax_in_a_price_of_cents_keeps_its_code() {
    // 0.03 with 19 % is 0.03 without, while 19 % of 0.03 is not nothing.
    let mut order = one_line(1, "0.03", "0.00", "0.19");
    order.taxes_included = true;
    order.lines[0].taxes[0].price = pair(&order, Decimal::ZERO);
    let desired = desired_of(&summed(order), &checked(settings()));
    assert_eq!(taxed(&desired.lines[0]), ["V19", "nothing"]);
    agrees(&desired, &checked(settings()));
}

#[test]
fn a_tax_of_which_rounding_leaves_nothing_to_the_remaining_units_is_still_owed() {
    // 5 % of 7 x 0.04 is 0.01; three units have 0.0043 of that, and IFS computes 0.01 on 0.12.
    let mut order = shipped(false, "9.99", &[("GST", "0.05", "0.50"), ("QST", "0.09975", "1.00")]);
    let price = pair(&order, figure("0.04"));
    let (gst, qst) = (pair(&order, figure("0.01")), pair(&order, figure("0.03")));
    let line = &mut order.lines[0];
    (line.quantity, line.current_quantity, line.price) = (7, 3, price);
    (line.taxes[0].price, line.taxes[1].price) = (gst, qst);
    let order = summed(order);
    assert_eq!(parked(&order, &checked(settings())), "tax_gap_line");
    let within = MappingSettings { tax_gap_line: "0.01".into(), tax_gap_order: "0.05".into(), ..settings() };
    let rules = checked(within);
    let desired = desired_of(&order, &rules);
    assert_eq!(taxed(&desired.lines[0]), ["nothing", "GSTQST"]);
    assert_eq!(row(&desired, "rounding").expect.amount, figure("-0.01"));
    agrees(&desired, &rules);
}

#[test]
fn a_marketplaces_tax_that_rounds_to_nothing_is_the_marketplaces() {
    let rules = checked(MappingSettings { channel_liable: ChannelLiable::Clearing, ..settings() });
    for listed in [BOTH, LEFT_OUT] {
        let mut order = shipped(true, "0.11", listed);
        order.shipping_lines[0].taxes.iter_mut().for_each(|tax| tax.channel_liable = Some(true));
        let desired = desired_of(&order, &rules);
        assert_eq!(taxed(row(&desired, "shipping:5")), ["V00", "nothing"]);
        assert_eq!(row(&desired, "marketplace_tax").expect.amount, figure("0.01"));
        agrees(&desired, &rules);
    }
    // Who owes one of two taxes is told: the other one is no set.
    let mut order = shipped(true, "0.11", BOTH);
    order.shipping_lines[0].taxes[0].channel_liable = Some(true);
    assert_eq!(parked(&order, &rules), "tax_code_missing");
}

#[test]
fn the_discount_of_a_free_gift_is_freed_of_the_tax_that_comes_to_nothing() {
    let charges = MappingSettings { discount_mode: DiscountMode::Charge, price_basis: PriceBasis::Net, ..settings() };
    let mut order = one_line(1, "25.00", "25.00", "0.19");
    order.taxes_included = true;
    order.lines[0].id = 7;
    order.lines.push(order.lines[0].clone());
    order.lines[1].id = 8;
    order.lines[1].allocations.clear();
    order.lines[1].taxes[0].price = pair(&order, figure("3.99"));
    let rules = checked(charges);
    let desired = desired_of(&summed(order), &rules);
    for line in &desired.lines {
        assert_eq!(sent(line, names::SALE_UNIT_PRICE), "21.01", "{}", line.key);
    }
    assert_eq!(sent(row(&desired, "discount:7:1:V19"), names::CHARGE_AMOUNT), "-21.01");
    agrees(&desired, &rules);
}
