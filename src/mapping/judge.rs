//! The one decision about an order: what IFS should hold, or why not. Total: every order gets an answer, and what is not
//! mapped yet parks by name, so that no order is ever short of something.

use jiff::Timestamp;

use super::address::address_fields;
use super::current::Current;
use super::customer;
use super::desired::{DesiredOrder, Expected};
use super::header::header_fields;
use super::holds;
pub use super::holds::HoldReason;
use super::identities;
use super::park::ParkReason;
use super::rows::rows;
use super::rules::Rules;
use super::rules::filters::FilterRule;
use crate::domain::order::Order;

/// What becomes of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// IFS should hold this.
    Write(Box<DesiredOrder>),
    /// A named rule keeps it out.
    Skip(SkipRule),
    /// A condition is not met yet.
    Hold(HoldReason),
    /// A person must decide.
    Park(ParkReason),
}

/// The rules that keep an order out of IFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipRule {
    /// It was made before the go-live instant.
    BeforeOrdersFrom,
    /// It is a test.
    TestOrder,
    /// A list of `filters`.
    Filter(FilterRule),
}

impl SkipRule {
    /// The stable word for it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::BeforeOrdersFrom => "before_orders_from",
            Self::TestOrder => "test_order",
            Self::Filter(rule) => rule.code(),
        }
    }
}

impl Rules {
    /// Whether an order that this rule keeps out is looked up in IFS all the same, once, so that its number there is known.
    pub fn looks_up(&self, rule: SkipRule) -> bool {
        self.settings().link_old_orders && rule == SkipRule::BeforeOrdersFrom
    }
}

/// What the cancellation of an order asks of IFS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelWish {
    /// IFS's `CancelReason`.
    pub reason_code: String,
}

/// The wish for a cancelled order, whatever else is true of it.
pub fn cancel_wish(order: &Order, rules: &Rules) -> CancelWish {
    CancelWish { reason_code: rules.cancel_reason(order.cancel_reason.as_ref()).to_owned() }
}

/// Filters and money only: what stops an order before the mapping is asked. None when nothing does.
pub fn screen(order: &Order, rules: &Rules) -> Option<Judgement> {
    screened(order, rules).err()
}

/// Judges one whole order that is new to IFS and that nobody released.
pub fn judge(order: &Order, rules: &Rules, now: Timestamp) -> Judgement {
    judge_held(order, rules, &[], now)
}

/// Judges one whole order that does not stand in IFS: filters and money, then what is not mapped yet, then the mapping, then
/// what it waits for, but for the conditions in `released`.
///
/// What would park after its wait parks at once, so that a person sees it early.
pub fn judge_held(order: &Order, rules: &Rules, released: &[String], now: Timestamp) -> Judgement {
    match judge_unheld(order, rules) {
        Judgement::Write(desired) => match holds::hold(order, rules, released, now) {
            Some(hold) => Judgement::Hold(hold),
            None => Judgement::Write(desired),
        },
        other => other,
    }
}

/// Judges one whole order that stands, or may stand, in IFS: what holds a new one back never holds its changes.
///
/// A cancelled order is judged like any other; whether it is to be cancelled in IFS is decided before.
pub fn judge_unheld(order: &Order, rules: &Rules) -> Judgement {
    let now = match screened(order, rules) {
        Ok(now) => now,
        Err(stop) => return stop,
    };
    if let Some(reason) = not_mapped_yet(order) {
        return Judgement::Park(reason);
    }
    match desired(order, rules, &now) {
        Ok(desired) => Judgement::Write(Box::new(desired)),
        Err(reason) => Judgement::Park(reason),
    }
}

fn screened(order: &Order, rules: &Rules) -> Result<Current, Judgement> {
    // 1. An order that is not whole has sums that nobody may trust.
    if let Some(lacks) = order.not_whole() {
        let text = format!("the order came without {lacks}; the whole order was expected: it is re-read by its id");
        return Err(Judgement::Park(ParkReason::mapping("order_not_whole", text)));
    }
    // 2. Its money. Before the filters, since Shopify's own contradicting sample is old and a test, and shall say so.
    let now = identities::check(order, rules.side()).map_err(|broken| {
        let listed: Vec<String> = broken.iter().map(ToString::to_string).collect();
        let text =
            format!("the order's money contradicts itself: {}; compare it with Shopify's admin", listed.join("; "));
        Judgement::Park(ParkReason::money("money_contradicts_itself", text))
    })?;
    // 3. Orders from before the go-live are nobody's to write.
    if order.created_at < rules.orders_from() {
        return Err(Judgement::Skip(SkipRule::BeforeOrdersFrom));
    }
    // 4. Tests.
    if order.test && !rules.settings().test_orders {
        return Err(Judgement::Skip(SkipRule::TestOrder));
    }
    // 6. What the operator keeps out.
    if let Some(rule) = rules.settings().filters.keeps_out(order, rules.place(order).map(|(country, _)| country)) {
        return Err(Judgement::Skip(SkipRule::Filter(rule)));
    }
    Ok(now)
}

/// What this version does not map: named, and never left out of an order.
fn not_mapped_yet(order: &Order) -> Option<ParkReason> {
    let totals = &order.totals;
    let taxed = || !totals.tax.is_zero() || !totals.current_tax.is_zero();
    let text = "the order is exempt from tax and taxed all the same: correct it in Shopify";
    (order.tax_exempt && taxed()).then(|| ParkReason::mapping("tax_exempt_yet_taxed", text))
}

fn desired(order: &Order, rules: &Rules, now: &Current) -> Result<DesiredOrder, ParkReason> {
    let settings = rules.settings();
    let side = rules.side();
    let currency = order.currency_on(side);
    let address = address_fields(order, rules)?;
    let header = header_fields(order, rules, currency)?;
    let rows = rows(order, rules, side, currency, now)?;
    let desired = DesiredOrder {
        version: DesiredOrder::VERSION,
        key: order.id.to_string(),
        key_field: settings.order_key_field.clone(),
        line_key_field: Some(settings.line_key_field.clone()).filter(|field| !field.is_empty()),
        contract: rules.site(order).value.to_owned(),
        header,
        customer: customer::reference(order, rules)?,
        release: rules.releases(order),
        // Among the customer's addresses it needs none of its own.
        address: address.filter(|_| !rules.ships_to_customer_address()),
        lines: rows.lines,
        charges: rows.charges,
        expected: Expected {
            currency: currency.code().to_owned(),
            tax_included: rows.tax_included,
            total: rows.total,
            tax: rows.tax,
        },
    };
    conserved(&desired)?;
    Ok(desired)
}

/// The last look: what is about to be written sums to what Shopify says, to the digit.
pub(super) fn conserved(desired: &DesiredOrder) -> Result<(), ParkReason> {
    // The rounding row makes up for tax that IFS computes otherwise, so it does not count beside Shopify's own tax.
    let rows = || desired.lines.iter().chain(&desired.charges).filter(|row| row.key != super::rows::ROUNDING);
    let amounts: rust_decimal::Decimal = rows().map(|row| row.expect.amount).sum();
    let taxes: rust_decimal::Decimal = rows().map(|row| row.expect.tax).sum();
    let sum = if desired.expected.tax_included { amounts } else { amounts + taxes };
    if sum == desired.expected.total && taxes == desired.expected.tax {
        return Ok(());
    }
    let total = desired.expected.total;
    Err(ParkReason::money(
        "rows_do_not_sum_up",
        format!(
            "the rows to be written sum to {sum} with {taxes} tax and Shopify says {total} with {}: report this as a bug of ml-connector",
            desired.expected.tax
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::FinancialStatus;
    use crate::domain::order::LineKind;
    use crate::ifs::wire::names;
    use crate::mapping::fixtures::{self, desired_of, order, order_of, rules, settings, webhook};
    use crate::mapping::rules::MappingSettings;
    use crate::mapping::rules::settings::AmountCurrency;
    use crate::mapping::scalar::Scalar;
    use rust_decimal::Decimal;

    fn park_code(order: &Order, rules: &Rules) -> &'static str {
        match judge(order, rules, Timestamp::UNIX_EPOCH) {
            Judgement::Park(reason) => reason.code,
            other => panic!("it should park, but: {other:?}"),
        }
    }

    fn price(text: &str) -> Option<Scalar> {
        Some(Scalar::decimal(Decimal::from_str_exact(text).expect("a test's figure")))
    }

    #[test]
    fn a_plain_order_becomes_lines_a_charge_and_exact_prices() {
        let desired = fixtures::desired();
        assert_eq!(desired.key, "820982911946154001");
        assert_eq!(desired.header.get(names::CUSTOMER_PO_NO), Some(&Scalar::text("820982911946154001")));
        assert_eq!(desired.header.get(names::INTERNAL_REF), Some(&Scalar::text("#1001")));
        assert_eq!(desired.header.get(names::EXTERNAL_REF), Some(&Scalar::text("PO-77")));
        assert_eq!(desired.header.get(names::NOTE_TEXT), Some(&Scalar::text("Please ring twice\ngift: yes")));
        assert_eq!(desired.header.get(names::WANTED_DELIVERY_DATE), Some(&Scalar::text("2026-03-02T00:00:00Z")));
        let line = &desired.lines[0];
        assert_eq!(line.fields.get(names::SALE_UNIT_PRICE).cloned(), price("466.657"));
        assert_eq!(line.fields.get(names::UNIT_PRICE_INCL_TAX), None);
        assert_eq!(line.fields.get(names::TAX_CODE), Some(&Scalar::text("V19")));
        let note = Scalar::text("List price 499.99 EUR; SOMMER100 -100.00 EUR");
        assert_eq!(line.fields.get(names::NOTE_TEXT), Some(&note));
        assert_eq!(desired.charges[0].key, "shipping:271878346596884001");
        assert_eq!(desired.charges[0].fields.get(names::CHARGE_AMOUNT).cloned(), price("4.9"));
    }

    #[test]
    fn the_customers_currency_goes_to_ifs_where_it_is_asked_for() {
        let mut other = settings();
        other.currency = AmountCurrency::Presentment;
        let desired = desired_of(&order("sek-included"), &Rules::new(other).expect("legal"));
        assert_eq!(desired.expected.currency, "SEK");
        assert_eq!(desired.lines[0].fields.get(names::UNIT_PRICE_INCL_TAX).cloned(), price("125"));
        let shop = desired_of(&order("sek-included"), &rules());
        assert_eq!(shop.expected.currency, "EUR");
        assert_eq!(shop.lines[0].fields.get(names::UNIT_PRICE_INCL_TAX).cloned(), price("11.25"));
    }

    #[test]
    fn an_edited_order_is_written_as_it_stands_and_a_yen_has_no_cents() {
        let edited = desired_of(&order("edited-down"), &rules());
        assert_eq!(edited.lines.len(), 1);
        assert_eq!(edited.lines[0].fields.get(names::BUY_QTY_DUE).cloned(), price("2"));
        assert_eq!(edited.expected.total, Decimal::new(2921, 2));
        // The shop's day: 23:30 UTC is the next day in Stockholm.
        assert_eq!(edited.header.get(names::WANTED_DELIVERY_DATE), Some(&Scalar::text("2026-03-05T00:00:00Z")));
        let yen = desired_of(&order("jpy-included"), &rules());
        assert_eq!(yen.lines[0].fields.get(names::UNIT_PRICE_INCL_TAX).cloned(), price("333.3"));
    }

    #[test]
    fn old_orders_and_tests_are_skipped_but_one_that_contradicts_itself_says_so() {
        let is_test = |body: String| order_of(&body.replace("\"test\": false", "\"test\": true"));
        assert_eq!(
            judge(&is_test(webhook("plain-eur")), &rules(), Timestamp::UNIX_EPOCH),
            Judgement::Skip(SkipRule::TestOrder)
        );
        let body = webhook("contradicting-sample");
        assert_eq!(park_code(&is_test(body.clone()), &rules()), "money_contradicts_itself");
        assert_eq!(park_code(&order_of(&body), &rules()), "money_contradicts_itself");
        // Shopify's own sample is old and a test.
        let long_ago = |mut order: Order| {
            order.created_at = Timestamp::UNIX_EPOCH;
            order
        };
        assert_eq!(park_code(&long_ago(is_test(body)), &rules()), "money_contradicts_itself");
        let old = long_ago(order("plain-eur"));
        assert_eq!(judge(&old, &rules(), Timestamp::UNIX_EPOCH), Judgement::Skip(SkipRule::BeforeOrdersFrom));
        assert_eq!(screen(&order("plain-eur"), &rules()), None);
    }

    #[test]
    fn what_is_not_mapped_yet_parks_by_name() {
        let bare = MappingSettings { gift_card_part: None, custom_part: None, ..settings() };
        let bare = Rules::new(bare).expect("legal");
        let changed = |change: fn(&mut Order)| {
            let mut order = order("plain-eur");
            change(&mut order);
            park_code(&order, &bare)
        };
        assert_eq!(changed(|order| order.lines[1].kind = LineKind::GiftCard), "gift_card");
        assert_eq!(changed(|order| order.lines[0].taxes[0].channel_liable = Some(true)), "channel_liable_tax");
        assert_eq!(changed(|order| order.tax_exempt = true), "tax_exempt_yet_taxed");
        assert_eq!(changed(|order| order.payment_terms = Some("Net 30".into())), "payment_terms_missing");
        assert_eq!(changed(|order| order.lines[0].sku = None), "line_without_sku");
        assert_eq!(changed(|order| order.lacks = Some("x")), "order_not_whole");
        assert_eq!(changed(|order| (order.shipping_address, order.billing_address) = (None, None)), "no_address");
        let company = |order: &mut Order| {
            order.company = Some(crate::domain::order::Company {
                id: None,
                location_id: None,
                name: None,
                external_id: None,
                location_external_id: None,
            });
        };
        assert_eq!(changed(company), "company_order");
        assert_eq!(changed(|order| order.po_number = Some("x".repeat(101))), "reference_too_long");
    }

    #[test]
    fn an_order_is_released_where_the_rules_say_so_and_it_is_paid_or_on_terms() {
        let released = |rules: &Rules, change: fn(&mut Order)| {
            let mut order = order("plain-eur");
            change(&mut order);
            desired_of(&order, rules).release
        };
        let mut releasing = settings();
        releasing.release_when = crate::mapping::rules::settings::ReleaseWhen::PaidOrTerms;
        releasing.payment_terms.insert("Net 30".into(), "30".into());
        let releasing = Rules::new(releasing).expect("legal");
        assert!(!released(&rules(), |_| ()));
        assert!(released(&releasing, |_| ()));
        assert!(!released(&releasing, |order| order.financial_status = Some(FinancialStatus::Pending)));
        assert!(released(&releasing, |order| {
            order.financial_status = Some(FinancialStatus::Pending);
            order.payment_terms = Some("Net 30".into());
        }));
    }

    #[test]
    fn an_order_waits_after_all_that_would_park_or_skip_it() {
        let now = Timestamp::UNIX_EPOCH;
        let judged = |change: fn(&mut Order), rules: &Rules| {
            let mut order = order("plain-eur");
            order.confirmed = false;
            change(&mut order);
            (judge(&order, rules, now), judge_unheld(&order, rules))
        };
        let (held, unheld) = judged(|_| (), &rules());
        assert!(matches!(&held, Judgement::Hold(hold) if hold.code == "unconfirmed"), "{held:?}");
        assert!(matches!(unheld, Judgement::Write(_)), "what stands in IFS is changed all the same");
        let (parked, _) = judged(|order| order.lines[0].sku = None, &rules());
        assert!(matches!(&parked, Judgement::Park(reason) if reason.code == "line_without_sku"), "{parked:?}");
        let mut filtered = settings();
        filtered.filters.never.currency = vec!["EUR".into()];
        let (skipped, _) = judged(|_| (), &Rules::new(filtered).expect("legal"));
        let rule = SkipRule::Filter(FilterRule::NeverCurrency);
        assert_eq!((skipped, rule.code()), (Judgement::Skip(rule), "never_currency"));
        let mut order = order("plain-eur");
        order.confirmed = false;
        let released = ["unconfirmed".to_owned()];
        assert!(matches!(judge_held(&order, &rules(), &released, now), Judgement::Write(_)));
    }

    #[test]
    fn what_no_rule_covers_parks_and_says_what_to_add() {
        let mut bare = settings();
        bare.tax_codes.clear();
        match judge(&order("plain-eur"), &Rules::new(bare).expect("legal"), Timestamp::UNIX_EPOCH) {
            Judgement::Park(reason) => assert_eq!(
                reason.text,
                "tax_codes has no row for line 487817672276298001: add { country = \"DE\", rate = \"0.19\", on = \"goods\", code = … }"
            ),
            other => panic!("it should park, but: {other:?}"),
        }
        let mut bare = settings();
        bare.charge.shipping.clear();
        assert_eq!(park_code(&order("plain-eur"), &Rules::new(bare).expect("legal")), "charge_type_missing");
    }

    #[test]
    fn a_rounding_gap_closes_by_its_own_row_within_the_bound_only() {
        // Shopify rounded the tax of the whole order: a cent more than row by row.
        let body = webhook("plain-eur")
            .replace("\"3.80\"", "\"3.81\"")
            .replace("270.72", "270.73")
            .replace("1695.59", "1695.60");
        let order = order_of(&body);
        assert_eq!(park_code(&order, &rules()), "tax_gap_line");
        let mut wide = settings();
        wide.tax_gap_line = "0.01".into();
        assert_eq!(park_code(&order, &Rules::new(wide.clone()).expect("legal")), "tax_gap_order");
        wide.tax_gap_order = "0.05".into();
        let desired = desired_of(&order, &Rules::new(wide.clone()).expect("legal"));
        let rounding = desired.charges.last().expect("a rounding row");
        assert_eq!(rounding.key, "rounding");
        assert_eq!(rounding.expect.amount, Decimal::new(1, 2));
        wide.charge.rounding = None;
        assert_eq!(park_code(&order, &Rules::new(wide).expect("legal")), "no_rounding_charge");
    }

    #[test]
    fn a_cancelled_order_names_ifs_own_reason() {
        let mut map = settings();
        map.cancel_reasons.insert("fraud".into(), "FRD".into());
        let rules = Rules::new(map).expect("legal");
        let mut order = order("plain-eur");
        assert_eq!(cancel_wish(&order, &rules).reason_code, "WEB");
        order.cancel_reason = Some(crate::domain::order::CancelReason::Fraud);
        assert_eq!(cancel_wish(&order, &rules).reason_code, "FRD");
    }
}
