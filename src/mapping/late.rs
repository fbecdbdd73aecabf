//! One order of Shopify's on two orders of IFS: what came too late for the first goes to a second one. The first keeps the
//! rows and units that it holds when that is decided, for life; all beyond them is the second's. Money is conserved.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::carry::source;
use super::desired::{DesiredOrder, DesiredRow, Expect, Expected};
use super::read::Target;
use super::scalar::Scalar;
use super::spread::line_of;
use super::written::WrittenOrder;
use crate::domain::money::Currency;
use crate::ifs::wire::names;

/// What stands behind Shopify's order id in the second order's key.
const SECOND: &str = "-2";

/// What the first order keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Units of each of its lines, by our name of the line, however many rows it stands on.
    pub units: BTreeMap<String, Scalar>,
    /// Our names of its charges.
    pub charges: BTreeSet<String>,
}

/// An order on the two orders that hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// What the first holds.
    pub first: DesiredOrder,
    /// What the second holds; none while nothing is too late.
    pub second: Option<DesiredOrder>,
}

/// The business key of the second order.
pub fn second_key(order_id: u64) -> String {
    format!("{order_id}{SECOND}")
}

/// Whether a business key is that of a second order.
pub fn is_second(key: &str) -> bool {
    key.strip_suffix(SECOND).is_some_and(|id| id.parse::<u64>().is_ok())
}

impl Kept {
    /// Decides that the first order keeps what it holds; none when a line of it says no quantity.
    pub fn of(base: &WrittenOrder) -> Option<Self> {
        let mut units: BTreeMap<String, Decimal> = BTreeMap::new();
        let mut charges = BTreeSet::new();
        for row in &base.rows {
            match row.target {
                Target::Charge(_) => {
                    charges.insert(row.key.clone());
                }
                Target::Line(_) | Target::Header | Target::Address => {
                    let Some(Scalar::Decimal(sent)) = row.fields.get(names::BUY_QTY_DUE)?.sent else { return None };
                    *units.entry(line_of(&row.key).to_owned()).or_default() += sent;
                }
            }
        }
        let units = units.into_iter().map(|(key, units)| (key, Scalar::decimal(units))).collect();
        Some(Self { units, charges })
    }

    fn units(&self, key: &str) -> Decimal {
        match self.units.get(key) {
            Some(Scalar::Decimal(units)) => *units,
            Some(Scalar::Text(_) | Scalar::Int(_) | Scalar::Bool(_)) | None => Decimal::ZERO,
        }
    }

    /// The units of each of the order's lines that stay. What was kept of a line is dealt over its rows, each row's own
    /// first: other rules may make other rows of it.
    fn deal(&self, lines: &[(&DesiredRow, Decimal)]) -> Vec<Decimal> {
        let mut left: BTreeMap<String, Decimal> = BTreeMap::new();
        for key in self.units.keys() {
            *left.entry(source(key)).or_default() += self.units(key);
        }
        let mut take = |row: &DesiredRow, most: Decimal| match left.get_mut(&source(&row.key)) {
            Some(left) => {
                let taken = most.min(*left);
                *left -= taken;
                taken
            }
            None => Decimal::ZERO,
        };
        let own: Vec<Decimal> =
            lines.iter().map(|(row, wanted)| take(row, self.units(&row.key).min(*wanted))).collect();
        lines.iter().zip(own).map(|((row, wanted), own)| own + take(row, *wanted - own)).collect()
    }

    /// Whether a bundle stands where lines stood, or lines where a bundle did: what was kept cannot be told in other terms.
    fn is_reshaped(&self, order: &DesiredOrder) -> bool {
        let known: BTreeSet<String> = self.units.keys().map(|key| source(key)).collect();
        let wanted: BTreeSet<String> = order.lines.iter().map(|line| source(&line.key)).collect();
        let any = |of: &BTreeSet<String>, without: &BTreeSet<String>, kind: &str| {
            of.difference(without).any(|source| source.starts_with(kind))
        };
        let turned = |from: &str, to: &str| any(&known, &wanted, from) && any(&wanted, &known, to);
        turned("line:", "bundle:") || turned("bundle:", "line:")
    }
}

/// Splits an order: units beyond what the first keeps, lines that it does not have, and what belongs to them.
///
/// # Errors
/// A sentence for a person when the order's money cannot be told apart to the digit.
pub fn split(order: &DesiredOrder, kept: &Kept) -> Result<Parts, String> {
    let currency = Currency::from_code(&order.expected.currency);
    let currency = currency.ok_or_else(|| format!("{} is no currency", order.expected.currency))?;
    let (mut first, mut second) = (header_of(order), header_of(order));
    // 1. Lines: the units that it keeps are the first's.
    if kept.is_reshaped(order) {
        return Err(
            "bundles became lines, or lines a bundle, since it was decided what the first order keeps".to_owned()
        );
    }
    let mut lines = Vec::new();
    for line in &order.lines {
        let Some(Scalar::Decimal(wanted)) = line.fields.get(names::BUY_QTY_DUE) else {
            return Err(format!("{} has no quantity", line.key));
        };
        lines.push((line, *wanted));
    }
    for ((line, wanted), stays) in lines.iter().zip(kept.deal(&lines)) {
        if stays == *wanted {
            first.lines.push((*line).clone());
        } else if stays <= Decimal::ZERO {
            second.lines.push((*line).clone());
        } else {
            let (stays, goes) = apart(line, stays, *wanted, currency)?;
            first.lines.push(stays);
            second.lines.push(goes);
        }
    }
    if second.lines.is_empty() {
        return Ok(Parts { first: order.clone(), second: None });
    }
    // 2. Charges: each whole, with the row that it belongs to.
    let sources_of =
        |part: &DesiredOrder| -> BTreeSet<String> { part.lines.iter().map(|line| source(&line.key)).collect() };
    let (stay, go) = (sources_of(&first), sources_of(&second));
    for charge in &order.charges {
        let goes = match owner(&charge.key) {
            Owner::Order => return Err(format!("{} counts for all rows together", charge.key)),
            Owner::First => false,
            Owner::Itself => !kept.charges.contains(&charge.key),
            Owner::Charge(key) if order.charges.iter().any(|charge| charge.key == key) => !kept.charges.contains(&key),
            Owner::Line(key) if stay.contains(&key) && go.contains(&key) => {
                return Err(format!("{} counts for units on both orders", charge.key));
            }
            Owner::Line(key) if stay.contains(&key) => false,
            Owner::Line(key) if go.contains(&key) => true,
            Owner::Charge(key) | Owner::Line(key) => {
                return Err(format!("{} belongs to {key}, which is no row of the order", charge.key));
            }
        };
        if goes { second.charges.push(charge.clone()) } else { first.charges.push(charge.clone()) }
    }
    // 3. The sums.
    second.expected = sums(&second, order);
    let of_first = sums(&first, order);
    let (total, tax) = (of_first.total + second.expected.total, of_first.tax + second.expected.tax);
    if (total, tax) != (order.expected.total, order.expected.tax) {
        return Err(format!(
            "its rows come to {total} with {tax} tax, the order to {} with {}",
            order.expected.total, order.expected.tax
        ));
    }
    first.expected = of_first;
    second.key = format!("{}{SECOND}", order.key);
    second.header.insert(order.key_field.clone(), Scalar::text(second.key.clone()));
    Ok(Parts { first, second: Some(second) })
}

/// What a charge counts for.
enum Owner {
    /// The order as a whole.
    Order,
    /// What was given back beyond any row: it is booked where most was sold.
    First,
    /// Nothing else.
    Itself,
    /// A shipping row.
    Charge(String),
    /// A line or a bundle, on all its rows.
    Line(String),
}

fn owner(key: &str) -> Owner {
    let source = source(key);
    let (kind, rest) = source.split_once(':').unwrap_or((source.as_str(), ""));
    match kind {
        "goodwill" => Owner::First,
        "shipping" if key != source => Owner::Charge(source),
        "shipping" | "tip" | "fee" => Owner::Itself,
        "duty" => Owner::Line(format!("line:{rest}")),
        "line" | "bundle" => Owner::Line(source),
        // Taxes that are charges, a marketplace's, the rounding row, and whatever comes to be later.
        _ => Owner::Order,
    }
}

/// Whether two readings of a part put the same units and money on the same rows.
pub fn is_same_part(one: &DesiredOrder, other: &DesiredOrder) -> bool {
    let rows = |order: &DesiredOrder| -> Vec<_> {
        let rows = order.lines.iter().chain(&order.charges);
        rows.map(|row| (row.key.clone(), row.fields.get(names::BUY_QTY_DUE).cloned(), row.expect.clone())).collect()
    };
    rows(one) == rows(other)
}

fn header_of(order: &DesiredOrder) -> DesiredOrder {
    DesiredOrder { lines: Vec::new(), charges: Vec::new(), ..order.clone() }
}

/// One line on both orders. IFS multiplies and rounds each by itself.
fn apart(
    line: &DesiredRow,
    stays: Decimal,
    wanted: Decimal,
    currency: Currency,
) -> Result<(DesiredRow, DesiredRow), String> {
    let price = [names::SALE_UNIT_PRICE, names::UNIT_PRICE_INCL_TAX].iter().find_map(|field| line.fields.get(*field));
    let Some(Scalar::Decimal(price)) = price else { return Err(format!("{} has no price to split by", line.key)) };
    let goes = wanted - stays;
    let amount = currency.round(*price * stays);
    if amount + currency.round(*price * goes) != line.expect.amount {
        return Err(format!(
            "{} is worth {} over {wanted} units, which {stays} and {goes} at {price} do not come to",
            line.key, line.expect.amount
        ));
    }
    let tax = currency.round(line.expect.tax * stays / wanted);
    let row = |units: Decimal, expect: Expect| {
        let mut row = DesiredRow { expect, ..line.clone() };
        row.fields.insert(names::BUY_QTY_DUE.to_owned(), Scalar::decimal(units));
        row
    };
    let rest = Expect { amount: line.expect.amount - amount, tax: line.expect.tax - tax };
    Ok((row(stays, Expect { amount, tax }), row(goes, rest)))
}

/// What the rows of a part sum to.
fn sums(part: &DesiredOrder, whole: &DesiredOrder) -> Expected {
    let rows = || part.lines.iter().chain(&part.charges);
    let tax: Decimal = rows().map(|row| row.expect.tax).sum();
    let amount: Decimal = rows().map(|row| row.expect.amount).sum();
    let total = if whole.expected.tax_included { amount } else { amount + tax };
    Expected { total, tax, ..whole.expected.clone() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::desired;
    use super::super::tests::base;
    use super::*;

    fn units(line: &DesiredRow) -> Decimal {
        match line.fields.get(names::BUY_QTY_DUE) {
            Some(Scalar::Decimal(units)) => *units,
            other => panic!("a quantity, not {other:?}"),
        }
    }

    /// An order of lines of these units and prices in cents, 19 % on top, and one shipping row.
    fn order(lines: &[(u32, i64)]) -> DesiredOrder {
        let mut order = desired();
        let euro = Currency::from_code("EUR").expect("a currency");
        let (line, rate) = (order.lines[0].clone(), Decimal::new(19, 2));
        order.lines = lines
            .iter()
            .enumerate()
            .map(|(index, (units, cents))| {
                let (units, price) = (Decimal::from(*units), Decimal::new(*cents, 2));
                let mut row = DesiredRow { key: format!("line:{}", index + 1), ..line.clone() };
                row.fields.insert(names::BUY_QTY_DUE.into(), Scalar::decimal(units));
                row.fields.insert(names::SALE_UNIT_PRICE.into(), Scalar::decimal(price));
                row.fields.insert(names::CUSTOMER_PO_LINE_NO.into(), Scalar::text((index + 1).to_string()));
                row.expect = Expect { amount: units * price, tax: euro.round(units * price * rate) };
                row
            })
            .collect();
        order.expected = sums(&order, &order);
        order
    }

    #[test]
    fn what_is_beyond_the_kept_units_goes_with_its_own_key_and_sums() {
        let before = order(&[(3, 1_000), (2, 500)]);
        let kept = Kept::of(&base(&before)).expect("quantities");
        let mut wanted = order(&[(5, 1_000), (1, 500), (4, 250)]);
        wanted.charges.push(DesiredRow { key: "shipping:99".into(), ..wanted.charges[0].clone() });
        wanted.expected = sums(&wanted, &wanted);
        let Parts { first, second } = split(&wanted, &kept).expect("exact");
        let second = second.expect("something is late");
        assert_eq!(held(&first), [("line:1", 3.into()), ("line:2", 1.into())]);
        assert_eq!(held(&second), [("line:1", 2.into()), ("line:3", 4.into())]);
        assert_eq!((first.charges.len(), second.charges.len()), (before.charges.len(), 1));
        assert_eq!(second.key, format!("{}-2", wanted.key));
        assert!(is_second(&second.key) && !is_second(&wanted.key));
        assert_eq!(second.header[&wanted.key_field], Scalar::text(second.key.clone()));
        // Nothing late: all of it is the first's again, charges too.
        let back = order(&[(3, 1_000), (2, 500)]);
        assert_eq!(split(&back, &kept), Ok(Parts { first: back.clone(), second: None }));
    }

    #[test]
    fn charges_that_count_for_both_parts_are_not_split() {
        let kept = Kept::of(&base(&order(&[(3, 1_000)]))).expect("quantities");
        for key in ["rounding", "tax:MwSt:0.19", "marketplace_tax", "discount:1:1:V19", "duty:1"] {
            let mut wanted = order(&[(5, 1_000)]);
            wanted.charges.push(DesiredRow { key: key.into(), ..wanted.charges[0].clone() });
            wanted.expected = sums(&wanted, &wanted);
            assert!(split(&wanted, &kept).is_err(), "{key}");
        }
    }

    fn with_charges(mut order: DesiredOrder, keys: &[&str]) -> DesiredOrder {
        let like = order.charges[0].clone();
        order.charges.extend(keys.iter().map(|key| DesiredRow { key: (*key).into(), ..like.clone() }));
        order.expected = sums(&order, &order);
        order
    }

    fn renamed(mut order: DesiredOrder, keys: &[&str]) -> DesiredOrder {
        for (line, key) in order.lines.iter_mut().zip(keys) {
            line.key = (*key).into();
        }
        order
    }

    fn held(order: &DesiredOrder) -> Vec<(&str, Decimal)> {
        order.lines.iter().map(|line| (line.key.as_str(), units(line))).collect()
    }

    #[test]
    fn a_charge_goes_where_its_row_goes_and_is_never_guessed_at() {
        let kept = Kept::of(&base(&order(&[(3, 1_000)]))).expect("quantities");
        let late = || renamed(order(&[(3, 1_000), (2, 500)]), &["line:1", "bundle:ab-7"]);
        let late_lines = || renamed(order(&[(3, 1_000), (2, 500), (1, 500)]), &["line:1", "line:7", "line:7/2"]);
        let goes = |wanted: &DesiredOrder| -> Vec<String> {
            let second = split(wanted, &kept).expect("exact").second.expect("something is late");
            second.charges.into_iter().map(|charge| charge.key).collect()
        };
        assert_eq!(goes(&with_charges(late(), &["discount:bundle:ab-7:1:V19"])), ["discount:bundle:ab-7:1:V19"]);
        let of_line = ["discount:7:1:V19", "duty:7", "duty:7/2"];
        assert_eq!(goes(&with_charges(late_lines(), &of_line)), of_line);
        assert_eq!(goes(&with_charges(late_lines(), &["discount:1:1:V19", "duty:1/2"])), [] as [&str; 0]);
        // Of shipping, before its row or after it.
        let of_shipping = ["discount:shipping:99:1:V19", "shipping:99"];
        assert_eq!(goes(&with_charges(late_lines(), &of_shipping)), of_shipping);
        // A component's, whose line stands in the bundle; a shipping row that is not there.
        for key in ["duty:8", "discount:8:1:V19", "discount:bundle:cd-8:1:V19", "discount:shipping:98:1:V19"] {
            assert!(split(&with_charges(late(), &[key]), &kept).is_err(), "{key}");
        }
    }

    #[test]
    fn what_was_kept_of_a_line_stays_whatever_rows_the_rules_make_of_it() {
        let whole = Kept::of(&base(&order(&[(3, 1_000)]))).expect("quantities");
        let pieces = renamed(order(&[(2, 1_000), (1, 900), (4, 250)]), &["line:1", "line:1/2", "line:3"]);
        let Parts { first, second } = split(&pieces, &whole).expect("exact");
        assert_eq!(held(&first), [("line:1", 2.into()), ("line:1/2", 1.into())]);
        assert_eq!(held(&second.expect("something is late")), [("line:3", 4.into())]);
        // And the other way round: each row's own first.
        let kept = renamed(order(&[(2, 1_000), (1, 900)]), &["line:1", "line:1/2"]);
        let kept = Kept::of(&base(&kept)).expect("quantities");
        let one = renamed(order(&[(5, 1_000)]), &["line:1"]);
        let Parts { first, second } = split(&one, &kept).expect("exact");
        assert_eq!(held(&first), [("line:1", 3.into())]);
        assert_eq!(held(&second.expect("something is late")), [("line:1", 2.into())]);
        let more = renamed(order(&[(4, 1_000), (1, 900)]), &["line:1", "line:1/2"]);
        let Parts { first, second } = split(&more, &kept).expect("exact");
        assert_eq!(held(&first), [("line:1", 2.into()), ("line:1/2", 1.into())]);
        assert_eq!(held(&second.expect("something is late")), [("line:1", 2.into())]);
    }

    #[test]
    fn lines_that_became_a_bundle_are_not_split() {
        let of = |keys: &[&str]| renamed(order(&vec![(2, 1_000); keys.len()]), keys);
        let kept = |keys: &[&str]| Kept::of(&base(&of(keys))).expect("quantities");
        let (lines, bundle) = (kept(&["line:7", "line:8"]), kept(&["bundle:ab-7"]));
        assert!(split(&of(&["bundle:ab-7", "line:9"]), &lines).is_err());
        assert!(split(&of(&["line:7", "line:8", "line:9"]), &bundle).is_err());
        // One of Shopify's lines that goes while another comes is none of that.
        assert!(split(&of(&["line:8", "line:9"]), &lines).is_ok());
        assert!(split(&of(&["line:7", "line:8", "bundle:ab-7"]), &lines).is_ok());
    }

    #[test]
    fn a_worth_that_two_rows_do_not_come_to_is_not_split() {
        let kept = Kept::of(&base(&order(&[(2, 1_000)]))).expect("quantities");
        let mut wanted = order(&[(3, 1_000)]);
        wanted.lines[0].fields.insert(names::SALE_UNIT_PRICE.into(), Scalar::decimal(Decimal::new(3_333, 3)));
        wanted.lines[0].expect.amount = Decimal::TEN;
        wanted.expected = sums(&wanted, &wanted);
        // 2 x 3.333 = 6.67 and 3.33: these do.
        assert!(split(&wanted, &kept).is_ok());
        wanted.lines[0].fields.insert(names::SALE_UNIT_PRICE.into(), Scalar::decimal(Decimal::new(3_336, 3)));
        wanted.lines[0].expect.amount = Decimal::new(1_001, 2);
        wanted.expected = sums(&wanted, &wanted);
        assert_eq!(split(&wanted, &kept).map(|parts| parts.first.lines.len()), Ok(1));
        wanted.lines[0].expect.amount = Decimal::new(1_000, 2);
        wanted.expected = sums(&wanted, &wanted);
        assert!(split(&wanted, &kept).is_err());
    }

    proptest! {
        #[test]
        fn both_parts_together_are_the_whole(
            before in prop::collection::vec((1_u32..20, 1_i64..100_000), 1..5),
            now in prop::collection::vec((1_u32..20, 1_i64..100_000), 1..7),
        ) {
            let kept = Kept::of(&base(&order(&before))).expect("quantities");
            let whole = order(&now);
            let parts = split(&whole, &kept).expect("prices of two decimals split exactly");
            let rows = |part: &DesiredOrder| -> (Decimal, Decimal, Decimal) {
                let rows = || part.lines.iter().chain(&part.charges);
                (
                    part.lines.iter().map(units).sum(),
                    rows().map(|row| row.expect.amount).sum(),
                    rows().map(|row| row.expect.tax).sum(),
                )
            };
            let (units, amount, tax) = rows(&whole);
            let (first, second) = (rows(&parts.first), parts.second.as_ref().map(rows).unwrap_or_default());
            prop_assert_eq!((first.0 + second.0, first.1 + second.1, first.2 + second.2), (units, amount, tax));
            let none = |pick: fn(&Expected) -> Decimal| parts.second.as_ref().map_or(Decimal::ZERO, |part| pick(&part.expected));
            prop_assert_eq!(parts.first.expected.total + none(|sums| sums.total), whole.expected.total);
            prop_assert_eq!(parts.first.expected.tax + none(|sums| sums.tax), whole.expected.tax);
            for line in &parts.first.lines {
                prop_assert!(self::units(line) <= kept.units(&line.key));
            }
        }
    }
}
