//! Rows that no fixture shows, or that shall be seen to the digit: worked examples, and the reasons that park.

use rust_decimal::Decimal;

use super::super::desired::{DesiredOrder, DesiredRow};
use super::super::fixtures::{desired_of, order, settings, tax_code};
use super::super::gate::gate;
use super::super::judge::{Judgement, judge};
use super::super::rules::settings::{
    ChannelLiable, ChargeSettings, DiscountMode, GoodwillTax, PriceBasis, ShippingDiscount, TaxCodeSetting, TaxMode,
    TaxedOn, UnevenLine, Untaxed,
};
use super::super::rules::{MappingSettings, Rules};
use super::super::summed::{figure, pair, summed, tax};
use super::super::tests::answered;
use crate::domain::order::{Company, LineKind, Order};
use crate::ifs::wire::names;

pub(super) fn checked(settings: MappingSettings) -> Rules {
    Rules::new(settings).expect("legal")
}

pub(super) fn parked(order: &Order, rules: &Rules) -> &'static str {
    match judge(order, rules, jiff::Timestamp::UNIX_EPOCH) {
        Judgement::Park(reason) => reason.code,
        other => panic!("it should park, but: {other:?}"),
    }
}

/// The plain order with one line: units, list price, discount, tax rate. Prices without tax.
pub(super) fn one_line(units: u32, price: &str, off: &str, rate: &str) -> Order {
    let mut order = order("plain-eur");
    order.lines.truncate(1);
    order.shipping_lines.clear();
    let gross = figure(price) * Decimal::from(units);
    let owed = order.currency.round((gross - figure(off)) * figure(rate));
    let (price, off, owed) = (pair(&order, figure(price)), pair(&order, figure(off)), pair(&order, owed));
    let line = &mut order.lines[0];
    (line.quantity, line.current_quantity, line.price) = (units, units, price);
    line.allocations[0].amount = off;
    line.taxes = vec![tax("VAT", rate, owed)];
    summed(order)
}

pub(super) fn row<'d>(desired: &'d DesiredOrder, key: &str) -> &'d DesiredRow {
    let keys: Vec<&str> = desired.lines.iter().chain(&desired.charges).map(|row| row.key.as_str()).collect();
    let found = desired.lines.iter().chain(&desired.charges).find(|row| row.key == key);
    found.unwrap_or_else(|| panic!("{key} is not among {keys:?}"))
}

pub(super) fn sent(row: &DesiredRow, field: &str) -> String {
    row.fields.get(field).map_or_else(|| "nothing".into(), ToString::to_string)
}

/// What IFS makes of it is what was wanted.
pub(super) fn agrees(desired: &DesiredOrder, rules: &Rules) {
    assert_eq!(gate(desired, &answered(desired), rules), []);
}

#[test]
fn ifs_rounds_the_amount_of_a_percent_and_then_subtracts_it() {
    let rules = checked(MappingSettings { discount_mode: DiscountMode::Percent, ..settings() });
    // 10 x 50.01 less 55 %: 500.10 - 275.06 = 225.04, where the exact figure is 225.045.
    let desired = desired_of(&one_line(10, "50.01", "275.06", "0.19"), &rules);
    let line = &desired.lines[0];
    assert_eq!((sent(line, names::DISCOUNT), sent(line, names::SALE_UNIT_PRICE)), ("55".into(), "50.01".into()));
    assert_eq!(line.expect.amount, figure("225.04"));
    agrees(&desired, &rules);
    // A cent less off, and no percent comes to it: the net price does.
    let desired = desired_of(&one_line(10, "50.01", "275.05", "0.19"), &rules);
    let line = &desired.lines[0];
    assert_eq!((sent(line, names::DISCOUNT), sent(line, names::SALE_UNIT_PRICE)), ("0".into(), "22.505".into()));
    agrees(&desired, &rules);
    // 3 x 499.99 - 100.00: 6.67 % would lose 5 cents.
    let desired = desired_of(&one_line(3, "499.99", "100.00", "0.19"), &rules);
    assert_eq!(sent(&desired.lines[0], names::SALE_UNIT_PRICE), "466.657");
}

#[test]
fn a_split_line_is_two_rows_that_each_carry_their_key() {
    let rules = checked(MappingSettings { uneven_line: UnevenLine::Split, ..settings() });
    let mut order = one_line(3, "4.00", "2.00", "0.19");
    order.lines[0].id = 7;
    let desired = desired_of(&order, &rules);
    let [first, second] = desired.lines.as_slice() else { panic!("{:?}", desired.lines) };
    assert_eq!((first.key.as_str(), second.key.as_str()), ("line:7", "line:7/2"));
    let told = |row: &DesiredRow| {
        [names::BUY_QTY_DUE, names::SALE_UNIT_PRICE, names::CUSTOMER_PO_LINE_NO].map(|field| sent(row, field))
    };
    assert_eq!(told(first), ["2", "3.33", "7"]);
    assert_eq!(told(second), ["1", "3.34", "7/2"]);
    agrees(&desired, &rules);
}

#[test]
fn a_discount_as_a_charge_is_a_row_for_each_discount_of_each_line() {
    let rules = checked(MappingSettings { discount_mode: DiscountMode::Charge, ..settings() });
    let mut order = one_line(1, "100.00", "10.00", "0.19");
    order.lines[0].id = 7;
    let second = crate::domain::order::Allocation { discount: 0, amount: pair(&order, figure("5.00")) };
    order.lines[0].allocations.push(second);
    order.lines[0].taxes[0].price = pair(&order, figure("16.15"));
    let desired = desired_of(&summed(order), &rules);
    assert_eq!(sent(&desired.lines[0], names::SALE_UNIT_PRICE), "100");
    assert_eq!(sent(row(&desired, "discount:7:1:V19"), names::CHARGE_AMOUNT), "-10");
    assert_eq!(sent(row(&desired, "discount:7:2:V19"), names::CHARGE_AMOUNT), "-5");
    agrees(&desired, &rules);
}

#[test]
fn shipping_shows_its_discount_only_while_the_discount_explains_its_price() {
    let rules = checked(MappingSettings { shipping_discount: ShippingDiscount::Charge, ..settings() });
    let mut order = order("shipping-several-discounted");
    assert!(desired_of(&order, &rules).charges.iter().any(|row| row.key.starts_with("discount:shipping:")));
    let line = order.shipping_lines.iter_mut().find(|line| !line.allocations.is_empty()).expect("a discounted one");
    // A refund took 1.00 of it back.
    let less = crate::domain::money::Money::new(line.discounted.shop.amount() - Decimal::ONE, order.currency);
    line.discounted = crate::domain::money::MoneyPair { shop: less, presentment: less };
    line.current_discounted = None;
    line.taxes.clear();
    let desired = desired_of(&summed(order), &rules);
    assert!(!desired.charges.iter().any(|row| row.key.starts_with("discount:shipping:")));
    agrees(&desired, &rules);
}

#[test]
fn a_free_gift_is_a_frozen_price_of_nothing_under_the_code_of_its_kind() {
    let mut order = one_line(1, "25.00", "25.00", "0.19");
    order.lines.push(order.lines[0].clone());
    order.lines[1].id = 8;
    order.lines[1].allocations.clear();
    order.lines[1].taxes[0].price = pair(&order, figure("4.75"));
    let desired = desired_of(&summed(order), &checked(settings()));
    let gift = &desired.lines[0];
    assert_eq!(sent(gift, names::SALE_UNIT_PRICE), "0");
    assert_eq!(sent(gift, names::PRICE_FREEZE), "Frozen");
    assert_eq!(sent(gift, names::TAX_CODE), "V19");
    assert!(!gift.fields.keys().any(|field| field.contains("FreeOfCharge")));
}

#[test]
fn what_is_not_taxed_says_why() {
    let when = |when, code: &str| TaxCodeSetting { when: Some(when), ..tax_code("*", "0", code) };
    let mut rules = settings();
    rules.tax_territory = vec!["SE".into(), "DE".into()];
    rules.tax_codes.extend([
        when(Untaxed::Exempt, "EXEMPT"),
        when(Untaxed::Reverse, "REVERSE"),
        when(Untaxed::Export, "EXPORT"),
    ]);
    let rules = checked(rules);
    let code = |change: fn(&mut Order)| {
        let mut order = one_line(1, "10.00", "0.00", "0.19");
        order.lines[0].taxes.clear();
        change(&mut order);
        sent(&desired_of(&summed(order), &rules).lines[0], names::TAX_CODE)
    };
    assert_eq!(code(|_| {}), "V00");
    assert_eq!(code(|order| order.tax_exempt = true), "EXEMPT");
    let mut far = one_line(1, "10.00", "0.00", "0.19");
    far.lines[0].taxes.clear();
    far.shipping_address.as_mut().expect("it goes somewhere").country_code = Some("CH".into());
    assert_eq!(sent(&desired_of(&summed(far.clone()), &rules).lines[0], names::TAX_CODE), "EXPORT");
    // The goods' own tax is no reason to name one.
    let taxed = one_line(1, "10.00", "0.00", "0.19");
    assert_eq!(sent(&desired_of(&taxed, &rules).lines[0], names::TAX_CODE), "V19");
    // Whoever is exempt and taxed all the same is a person's.
    let mut both = one_line(1, "10.00", "0.00", "0.19");
    both.tax_exempt = true;
    assert_eq!(parked(&both, &rules), "tax_exempt_yet_taxed");
    // A company in another country of the territory.
    far.company =
        Some(Company { id: Some(1), location_id: None, name: None, external_id: None, location_external_id: None });
    assert_eq!(super::super::tax::untaxed(&far, &rules, "DE"), [Untaxed::Reverse]);
    assert_eq!(super::super::tax::untaxed(&far, &rules, "SE"), []);
}

#[test]
fn several_taxes_without_a_set_park_with_the_set_to_add() {
    let none = MappingSettings { tax_sets: Default::default(), ..settings() };
    let Judgement::Park(reason) = judge(&order("taxes-gst-qst"), &checked(none), jiff::Timestamp::UNIX_EPOCH) else {
        panic!("it should park");
    };
    assert_eq!(reason.code, "tax_set_missing");
    assert!(reason.text.contains("{ title = \"GST\", rate = \"0.05\" }"), "{}", reason.text);
}

#[test]
fn an_engine_beside_ifs_gets_no_code_and_is_still_compared() {
    let rules = checked(MappingSettings { tax_mode: TaxMode::External, tax_codes: Vec::new(), ..settings() });
    let desired = desired_of(&order("plain-eur"), &rules);
    for row in desired.lines.iter().chain(&desired.charges) {
        for field in [names::TAX_CODE, names::TAX_CALC_STRUCTURE_ID, names::FETCH_TAX_FROM_DEFAULTS] {
            assert_eq!(sent(row, field), "nothing", "{}", row.key);
        }
    }
    assert_eq!(desired.expected.tax, figure("270.72"));
    // The stand-in computes no tax at all, which the gate sees.
    assert!(gate(&desired, &answered(&desired), &rules).iter().any(|gap| gap.component == "order tax"));
}

#[test]
fn goodwill_bears_the_tax_that_shopify_states_or_a_share_of_the_orders_own() {
    let given = order("refunded-amount");
    let prorate = |tax_mode, price_basis| {
        checked(MappingSettings { goodwill_tax: GoodwillTax::Prorate, tax_mode, price_basis, ..settings() })
    };
    let rules = prorate(TaxMode::IfsCalculates, PriceBasis::AsShopify);
    let desired = desired_of(&given, &rules);
    let id = given.refunds[0].id;
    let row = row(&desired, &format!("goodwill:{id}:V19"));
    assert_eq!((row.expect.amount, row.expect.tax), (figure("-8.40"), figure("-1.60")));
    assert_eq!(desired.expected.total, figure("101.74"));
    agrees(&desired, &rules);
    // Where taxes are charges, it takes its tax off theirs.
    let rules = prorate(TaxMode::AsCharge, PriceBasis::Net);
    let desired = desired_of(&given, &rules);
    let taxes: Decimal =
        desired.charges.iter().filter(|row| row.key.starts_with("tax:")).map(|row| row.expect.amount).sum();
    assert_eq!(taxes, figure("16.24"));
    agrees(&desired, &rules);
    // A stated tax is found among the order's rates, or a person's.
    let stated = |tax: &str| {
        let mut order = order("refunded-amount");
        let minus = -figure(tax);
        order.refunds[0].adjustments[0].amount = pair(&order, figure("-10.00") - minus);
        order.refunds[0].adjustments[0].tax = pair(&order, minus);
        order
    };
    let rules = checked(settings());
    let desired = desired_of(&stated("1.60"), &rules);
    assert_eq!(sent(self::row(&desired, &format!("goodwill:{id}")), names::TAX_CODE), "V19");
    agrees(&desired, &rules);
    assert_eq!(parked(&stated("1.00"), &rules), "goodwill_tax_unexplained");
}

#[test]
fn what_is_paid_for_and_has_no_charge_type_parks() {
    let bare = ChargeSettings { rounding: None, ..ChargeSettings::default() };
    let bare = ChargeSettings { shipping: settings().charge.shipping, ..bare };
    let rules = checked(MappingSettings { charge: bare, ..settings() });
    for name in ["tip", "duties", "refunded-amount"] {
        assert_eq!(parked(&order(name), &rules), "charge_type_missing", "{name}");
    }
    assert_eq!(parked(&super::super::fixtures::re_read("additional-fee"), &rules), "charge_type_missing");
}

#[test]
fn a_marketplaces_tax_is_a_persons_or_a_charge() {
    let order = order("channel-liable-true");
    assert_eq!(parked(&order, &checked(settings())), "channel_liable_tax");
    let rules = checked(MappingSettings { channel_liable: ChannelLiable::Clearing, ..settings() });
    let desired = desired_of(&order, &rules);
    assert_eq!(row(&desired, "marketplace_tax").expect.amount, figure("5.68"));
    assert_eq!(desired.expected.tax, Decimal::ZERO);
    agrees(&desired, &rules);
}

#[test]
fn a_line_below_nothing_and_a_gap_beyond_its_bound_park() {
    let mut below = one_line(1, "10.00", "12.00", "0.19");
    below.lines[0].taxes.clear();
    assert_eq!(parked(&summed(below), &checked(settings())), "negative_line");
    let gap = order("tax-rounded-per-order");
    assert_eq!(parked(&gap, &checked(settings())), "tax_gap_line");
    let line_only = MappingSettings { tax_gap_line: "0.01".into(), ..settings() };
    assert_eq!(parked(&gap, &checked(line_only)), "tax_gap_order");
    let both = MappingSettings { tax_gap_line: "0.01".into(), tax_gap_order: "0.05".into(), ..settings() };
    let rules = checked(both.clone());
    let desired = desired_of(&gap, &rules);
    assert_eq!(row(&desired, "rounding").expect.amount, figure("0.01"));
    agrees(&desired, &rules);
    let charge = ChargeSettings { rounding: None, ..settings().charge };
    assert_eq!(parked(&gap, &checked(MappingSettings { charge, ..both })), "no_rounding_charge");
}

#[test]
fn a_gift_card_is_untaxed_and_keeps_its_own_part() {
    let mut order = one_line(2, "50.00", "0.00", "0.19");
    (order.lines[0].kind, order.lines[0].taxes) = (LineKind::GiftCard, Vec::new());
    let desired = desired_of(&summed(order), &checked(settings()));
    let line = &desired.lines[0];
    assert_eq!((sent(line, names::CATALOG_NO), sent(line, names::TAX_CODE)), ("GIFTCARD".into(), "V00".into()));
}

#[test]
fn a_gift_cards_own_code_comes_before_the_reason_why_nothing_is_taxed() {
    let mut order = one_line(1, "50.00", "0.00", "0.19");
    (order.lines[0].kind, order.lines[0].taxes) = (LineKind::GiftCard, Vec::new());
    order.shipping_address.as_mut().expect("it goes somewhere").country_code = Some("CH".into());
    let export = TaxCodeSetting { when: Some(Untaxed::Export), ..tax_code("*", "0", "EXPORT") };
    let own = TaxCodeSetting { on: Some(TaxedOn::GiftCard), ..tax_code("*", "0", "VOUCHER") };
    let code = |rows: &[&TaxCodeSetting]| {
        let mut settings = settings();
        settings.tax_territory = vec!["DE".into()];
        settings.tax_codes.extend(rows.iter().copied().cloned());
        sent(&desired_of(&summed(order.clone()), &checked(settings)).lines[0], names::TAX_CODE)
    };
    assert_eq!(code(&[&export]), "EXPORT");
    assert_eq!(code(&[&export, &own]), "VOUCHER");
    let own_export = TaxCodeSetting { when: Some(Untaxed::Export), code: "VOUCHER-OUT".into(), ..own.clone() };
    assert_eq!(code(&[&export, &own, &own_export]), "VOUCHER-OUT", "among its own rows a reason counts");
}

#[test]
fn duties_of_a_line_are_a_charge_for_each_way_in_which_they_are_taxed() {
    let order = order("duties-taxed-otherwise");
    let desired = desired_of(&order, &checked(settings()));
    let duties: Vec<(Decimal, Decimal, String)> = desired
        .charges
        .iter()
        .filter(|row| row.key.starts_with("duty:"))
        .map(|row| (row.expect.amount, row.expect.tax, sent(row, names::TAX_CODE)))
        .collect();
    let expected = [("27", "1.35", "V05"), ("5.4", "0", "V00")];
    assert_eq!(duties, expected.map(|(amount, tax, code)| (figure(amount), figure(tax), code.to_owned())));
    let second = format!("duty:{}/2", order.lines[0].id);
    assert_eq!(super::line_of(&order, &second).map(|line| line.id), Some(order.lines[0].id));
    agrees(&desired, &checked(settings()));
}

#[test]
fn a_rule_chooses_the_charge_type_of_goodwill_as_of_any_charge() {
    let mut settings = settings();
    settings.charge.goodwill = None;
    settings.gl.rules =
        serde_json::from_str(r#"[{"name": "german", "when": {"country": "DE"}, "charge": {"goodwill": "KULANZ"}}]"#)
            .expect("rules");
    let order = order("refunded-amount");
    let desired = desired_of(&order, &checked(settings));
    let row = row(&desired, &format!("goodwill:{}", order.refunds[0].id));
    assert_eq!(sent(row, names::CHARGE_TYPE), "KULANZ");
}

#[test]
fn what_is_kept_and_given_over_several_refunds_is_netted_whatever_came_first() {
    for (name, left) in [("refund-given-then-kept", "15.72"), ("refund-kept-then-given", "17.72")] {
        for order in [order(name), super::super::fixtures::re_read(name)] {
            let paid_back: Decimal = order.refunds.iter().map(|refund| refund.paid_back.shop.amount()).sum();
            assert_eq!(order.totals.total.shop.amount() - paid_back, figure(left), "{name}: what the customer paid");
            let desired = desired_of(&order, &checked(settings()));
            assert_eq!(desired.expected.total, figure(left), "{name}");
            agrees(&desired, &checked(settings()));
        }
    }
}

#[test]
fn a_till_sells_where_it_stands_and_never_where_the_buyer_lives() {
    let site = |country: Option<&str>| crate::mapping::rules::settings::SiteSetting {
        site: "S10".into(),
        company: None,
        country: country.map(Into::into),
        region: None,
    };
    let mut order = order("pos-staff-location");
    // The buyer lives in Norway, and nothing is sent there.
    order.billing_address = self::order("plain-eur").billing_address;
    order.billing_address.as_mut().expect("an address").country_code = Some("NO".into());
    let location = order.location_id.expect("a location").to_string();
    let mut settings = settings();
    settings.tax_codes.retain(|row| row.country == "DE");
    settings.sites.clear();
    assert_eq!(parked(&order, &checked(settings.clone())), "till_country_missing");
    settings.tax_territory = vec!["DE".into()];
    let own = desired_of(&order, &checked(settings.clone()));
    assert_eq!(sent(&own.lines[0], names::TAX_CODE), "V19");
    settings.sites.insert(location.clone(), site(Some("NO")));
    assert_eq!(parked(&order, &checked(settings.clone())), "tax_code_missing", "the shop is in Norway");
    settings.sites.insert(location, site(Some("DE")));
    settings.tax_territory = vec!["NO".into()];
    assert_eq!(desired_of(&order, &checked(settings.clone())).lines, own.lines);
    // Rules and default customers go by the same place.
    settings.gl.rules =
        serde_json::from_str(r#"[{"name": "german", "when": {"country": "DE"}, "market_code": "TILL"}]"#)
            .expect("rules");
    let rules = checked(settings.clone());
    assert_eq!(rules.particulars(&order).country, Some("DE"));
    assert_eq!(desired_of(&order, &rules).header[names::MARKET_CODE].to_string(), "TILL");
    settings.filters.only.country = vec!["DE".into()];
    assert!(matches!(judge(&order, &checked(settings.clone()), jiff::Timestamp::UNIX_EPOCH), Judgement::Write(_)));
    settings.filters = Default::default();
    // What is sent somewhere is taxed there, wherever it was bought.
    order.shipping_address = order.billing_address.clone();
    assert_eq!(parked(&order, &checked(settings)), "tax_code_missing");
}

#[test]
fn what_a_till_sold_has_no_address_of_its_own_whoever_bought_it() {
    let mut order = order("pos-staff-location");
    assert_eq!(order.delivery_address(), None);
    assert_eq!(desired_of(&order, &checked(settings())).address, None);
    order.billing_address = self::order("plain-eur").billing_address;
    assert_eq!(desired_of(&order, &checked(settings())).address, None, "a buyer who is known later changes nothing");
    let mut web = order;
    web.billing_address = None;
    web.source_name = Some("web".into());
    assert_eq!(parked(&web, &checked(settings())), "no_address");
}
