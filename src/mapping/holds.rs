//! What an order still waits for before it is created. Pure: the same order, rules and moment give the same answer. What
//! stands in IFS already is never held, and nobody waits for what a person has released.

use jiff::{SignedDuration, Timestamp};

use super::rules::Rules;
use super::rules::holds::{LagFrom, PaymentHold, RiskHold};
use crate::domain::order::{FinancialStatus, Order, Risk};

/// The code of a hold that waits for time alone.
pub const LAG: &str = "lag";

/// What an order waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldReason {
    /// A stable word in snake case: the first condition that is not met.
    pub code: &'static str,
    /// All conditions that are not met; a person's release covers them.
    pub codes: Vec<&'static str>,
    /// One sentence for a person: what is waited for.
    pub text: String,
    /// When the conditions are looked at again.
    pub due_at: Timestamp,
    /// Whether only Shopify can tell that a condition is met; else time does.
    pub ask_shopify: bool,
}

/// One condition that is not met.
struct Unmet {
    code: &'static str,
    text: String,
}

/// What the order waits for at `now`, but for the conditions in `released`.
pub fn hold(order: &Order, rules: &Rules, released: &[String], now: Timestamp) -> Option<HoldReason> {
    let settings = &rules.settings().holds;
    // 1. What only Shopify can tell; then time.
    let told = [unconfirmed(order), estimated_taxes(order), payment(order, settings.payment), risk(order, rules)];
    let mut unmet: Vec<Unmet> = told.into_iter().flatten().filter(|unmet| !is_released(unmet, released)).collect();
    let ask_shopify = !unmet.is_empty();
    let lag_ends = lag_end(order, rules).filter(|end| *end > now && !released.iter().any(|code| code == LAG));
    if let Some(end) = lag_ends {
        let text = format!("{} s must pass, until {end} (holds.lag_secs)", settings.lag_secs);
        unmet.push(Unmet { code: LAG, text });
    }
    // 2. Looked at again no sooner than time allows, and no oftener than the settings do.
    let look = ask_shopify.then(|| later(now, settings.look_every_secs));
    let due_at = look.max(lag_ends)?;
    let code = unmet.first()?.code;
    let texts: Vec<&str> = unmet.iter().map(|unmet| unmet.text.as_str()).collect();
    let text = format!("waits before it goes to IFS: {}", texts.join("; "));
    let codes = unmet.iter().map(|unmet| unmet.code).collect();
    Some(HoldReason { code, codes, text, due_at, ask_shopify })
}

fn is_released(unmet: &Unmet, released: &[String]) -> bool {
    released.iter().any(|code| code == unmet.code)
}

fn later(moment: Timestamp, secs: u64) -> Timestamp {
    let span = SignedDuration::from_secs(i64::try_from(secs).unwrap_or(i64::MAX));
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// When the order has rested long enough; none where no rule asks.
fn lag_end(order: &Order, rules: &Rules) -> Option<Timestamp> {
    let settings = &rules.settings().holds;
    let from = match settings.lag_from {
        LagFrom::Created => order.created_at,
        LagFrom::Updated => order.updated_at.max(order.created_at),
    };
    (settings.lag_secs > 0).then(|| later(from, settings.lag_secs))
}

fn unconfirmed(order: &Order) -> Option<Unmet> {
    let text = "the order is not confirmed: Shopify has not reserved its goods yet";
    (!order.confirmed).then(|| Unmet { code: "unconfirmed", text: text.to_owned() })
}

fn estimated_taxes(order: &Order) -> Option<Unmet> {
    let text = "the order's taxes are estimates: Shopify says the final ones later";
    order.estimated_taxes.then(|| Unmet { code: "estimated_taxes", text: text.to_owned() })
}

fn payment(order: &Order, wanted: PaymentHold) -> Option<Unmet> {
    let status = order.financial_status.as_ref();
    let expected = match wanted {
        PaymentHold::None => return None,
        PaymentHold::Paid => "paid",
        PaymentHold::PaidOrTerms => "paid, or payment terms",
        PaymentHold::Authorized => "authorized or paid",
    };
    let met = order.is_paid()
        || match wanted {
            PaymentHold::None | PaymentHold::Paid => false,
            PaymentHold::PaidOrTerms => order.payment_terms.is_some(),
            PaymentHold::Authorized => status == Some(&FinancialStatus::Authorized),
        };
    let found = status.map_or("nothing", FinancialStatus::as_str);
    let text = format!("its financial status is {found}, {expected} was expected (holds.payment)");
    (!met).then_some(Unmet { code: "payment", text })
}

fn risk(order: &Order, rules: &Rules) -> Option<Unmet> {
    let holds = &rules.settings().holds;
    if !holds.asks_risk() {
        return None;
    }
    let risk = order.risk.filter(|_| order.told.risk);
    let text = match risk {
        None => "Shopify has not been asked yet how risky the order is",
        Some(Risk::Accept) => return None,
        Some(Risk::Investigate) if holds.risk.contains(&RiskHold::Investigate) => {
            "Shopify recommends that a person looks at its risk"
        }
        Some(Risk::Cancel) if holds.risk.contains(&RiskHold::Cancel) => {
            "Shopify recommends to cancel it because of its risk"
        }
        Some(Risk::None) if holds.risk.contains(&RiskHold::None) => "Shopify has not assessed its risk",
        Some(Risk::Investigate | Risk::Cancel | Risk::None) => return None,
    };
    Some(Unmet { code: "risk", text: format!("{text} (holds.risk)") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::Told;
    use crate::mapping::fixtures::{order, settings};
    use crate::mapping::judge;
    use crate::mapping::rules::holds::HoldSettings;

    fn rules(holds: HoldSettings) -> Rules {
        let mut settings = settings();
        settings.holds = holds;
        Rules::new(settings).expect("legal")
    }

    fn at(order: &Order, secs: i64) -> Timestamp {
        order.created_at.checked_add(SignedDuration::from_secs(secs)).expect("a time")
    }

    fn codes(order: &Order, rules: &Rules) -> Vec<&'static str> {
        hold(order, rules, &[], at(order, 10)).map(|hold| hold.codes).unwrap_or_default()
    }

    #[test]
    fn time_holds_until_its_end_and_not_a_moment_longer() {
        let mut order = order("plain-eur");
        order.updated_at = at(&order, 100);
        let created = rules(HoldSettings { lag_secs: 60, ..HoldSettings::default() });
        let held = hold(&order, &created, &[], at(&order, 59)).expect("it waits");
        assert_eq!((held.code, held.due_at, held.ask_shopify), ("lag", at(&order, 60), false));
        assert_eq!(hold(&order, &created, &[], at(&order, 60)), None);
        let updated = rules(HoldSettings { lag_secs: 60, lag_from: LagFrom::Updated, ..HoldSettings::default() });
        assert_eq!(hold(&order, &updated, &[], at(&order, 60)).map(|hold| hold.due_at), Some(at(&order, 160)));
        assert_eq!(hold(&order, &created, &["lag".to_owned()], at(&order, 1)), None);
    }

    #[test]
    fn an_unfinished_order_always_waits_and_all_conditions_are_named() {
        let mut order = order("plain-eur");
        assert_eq!(codes(&order, &rules(HoldSettings::default())), [""; 0]);
        (order.confirmed, order.estimated_taxes) = (false, true);
        let lagging = rules(HoldSettings { lag_secs: 3_600, ..HoldSettings::default() });
        let held = hold(&order, &lagging, &[], at(&order, 10)).expect("it waits");
        assert_eq!(held.codes, ["unconfirmed", "estimated_taxes", "lag"]);
        assert_eq!((held.due_at, held.ask_shopify), (at(&order, 3_600), true));
        assert!(held.text.contains("not confirmed") && held.text.contains("estimates"), "{}", held.text);
        // Near its end the lag does not hasten the next question.
        let late = hold(&order, &lagging, &[], at(&order, 3_599)).expect("it waits");
        assert_eq!(late.due_at, at(&order, 3_599 + 900));
        let released = ["unconfirmed".to_owned(), "lag".to_owned()];
        let left = hold(&order, &lagging, &released, at(&order, 10)).expect("one is left");
        assert_eq!(left.codes, ["estimated_taxes"]);
    }

    #[test]
    fn each_payment_rule_knows_what_it_waits_for() {
        use FinancialStatus as Status;
        let order = order("plain-eur");
        let held = |payment, status: Option<Status>, terms: Option<&str>| {
            let mut order = order.clone();
            order.financial_status = status;
            order.payment_terms = terms.map(str::to_owned);
            !codes(&order, &rules(HoldSettings { payment, ..HoldSettings::default() })).is_empty()
        };
        let table = [
            (Status::Pending, [false, true, true, true]),
            (Status::Authorized, [false, true, true, false]),
            (Status::Expired, [false, true, true, true]),
            (Status::PartiallyPaid, [false, true, true, true]),
            (Status::Paid, [false, false, false, false]),
            (Status::PartiallyRefunded, [false, false, false, false]),
            (Status::Refunded, [false, false, false, false]),
            (Status::Voided, [false, true, true, true]),
            (Status::Unknown("new".to_owned()), [false, true, true, true]),
        ];
        let rules = [PaymentHold::None, PaymentHold::Paid, PaymentHold::PaidOrTerms, PaymentHold::Authorized];
        for (status, expected) in table {
            for (payment, expected) in rules.into_iter().zip(expected) {
                assert_eq!(held(payment, Some(status.clone()), None), expected, "{payment:?} {status:?}");
            }
        }
        assert!(!held(PaymentHold::PaidOrTerms, Some(Status::Pending), Some("Net 30")));
        assert!(held(PaymentHold::Paid, Some(Status::Pending), Some("Net 30")));
        assert!(held(PaymentHold::Paid, None, None), "nothing is said of an order that costs something");
    }

    #[test]
    fn an_order_that_was_paid_keeps_its_terms_and_its_release_whatever_was_given_back() {
        use FinancialStatus as Status;
        let mut prepaid = settings();
        prepaid.release_when = crate::mapping::rules::settings::ReleaseWhen::PaidOrTerms;
        prepaid.pay_term_prepaid = "0".into();
        prepaid.holds.payment = PaymentHold::Paid;
        let rules = Rules::new(prepaid).expect("legal");
        for (status, paid) in [
            (Some(Status::Pending), false),
            (Some(Status::Authorized), false),
            (Some(Status::Expired), false),
            (Some(Status::PartiallyPaid), false),
            (Some(Status::Paid), true),
            (Some(Status::PartiallyRefunded), true),
            (Some(Status::Refunded), true),
            (Some(Status::Voided), false),
            (None, false),
        ] {
            let mut order = order("refunded-amount");
            order.financial_status = status.clone();
            let judge::Judgement::Write(desired) = judge::judge_unheld(&order, &rules) else {
                panic!("{status:?} parks")
            };
            let term = desired.header.get(crate::ifs::wire::names::PAY_TERM_ID).map(ToString::to_string);
            assert_eq!(term.as_deref(), paid.then_some("0"), "{status:?}");
            assert_eq!(desired.release, paid, "{status:?}");
            let held = matches!(judge::judge(&order, &rules, Timestamp::UNIX_EPOCH), judge::Judgement::Hold(_));
            assert_eq!(held, !paid, "{status:?}");
        }
    }

    #[test]
    fn what_is_outstanding_beyond_what_was_given_back_was_never_paid() {
        let mut order = order("refunded-amount");
        let outstanding = |order: &mut Order, figure: &str| {
            let figure = rust_decimal::Decimal::from_str_exact(figure).expect("a figure");
            order.totals.outstanding = Some(crate::domain::money::Money::new(figure, order.currency));
            order.is_paid()
        };
        // 10.00 was given back; whether Shopify counts that as outstanding is not known.
        assert!(outstanding(&mut order, "0") && outstanding(&mut order, "10.00"));
        assert!(!outstanding(&mut order, "10.01"), "a part was never paid");
        // What came back for goods has left the total: it excuses nothing that is outstanding.
        let mut goods = self::order("refunded-lines");
        assert!(outstanding(&mut goods, "0"));
        assert!(!outstanding(&mut goods, "0.01"), "goods came back, and a part of the rest was never paid");
        order.totals.outstanding = None;
        assert!(order.is_paid());
        order.financial_status = None;
        assert!(!order.is_paid());
        order.totals.current_total = crate::mapping::summed::pair(&order, rust_decimal::Decimal::ZERO);
        assert!(order.is_paid(), "it costs nothing");
    }

    #[test]
    fn a_risk_holds_where_it_is_named_and_where_nobody_has_asked() {
        let mut order = order("plain-eur");
        let both = || HoldSettings { risk: vec![RiskHold::Investigate, RiskHold::Cancel], ..HoldSettings::default() };
        assert_eq!(codes(&order, &rules(HoldSettings::default())), [""; 0]);
        order.told = Told::default();
        assert_eq!(codes(&order, &rules(both())), ["risk"]);
        order.told.risk = true;
        for (risk, held) in
            [(Risk::Accept, false), (Risk::Investigate, true), (Risk::Cancel, true), (Risk::None, false)]
        {
            order.risk = Some(risk);
            assert_eq!(!codes(&order, &rules(both())).is_empty(), held, "{risk:?}");
        }
        let unassessed = rules(HoldSettings { risk: vec![RiskHold::None], ..HoldSettings::default() });
        assert_eq!(codes(&order, &unassessed), ["risk"]);
        order.risk = Some(Risk::Cancel);
        assert_eq!(codes(&order, &unassessed), [""; 0]);
    }

    #[test]
    fn holds_that_could_never_end_are_refused() {
        let mut settings = settings();
        settings.holds =
            HoldSettings { lag_secs: 7_200, held_max_hours: 1, look_every_secs: 5, ..HoldSettings::default() };
        let errors = Rules::new(settings).expect_err("refused");
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["holds.look_every_secs", "holds.lag_secs"]);
    }
}
