//! The rows of an order in IFS: a line for each Shopify line with units left, a charge for everything else that is paid for, and
//! the rows that close what rounding leaves open. Each has a key for life; together they are worth what Shopify says.

mod charges;
mod closing;
mod discounts;
mod goodwill;
mod lines;
mod worth;

#[cfg(test)]
mod cents_tests;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::current::Current;
use super::desired::{DesiredRow, Expect, Fields};
use super::packages::{self, packed};
use super::park::ParkReason;
use super::rules::Rules;
use super::rules::gl::ChargeKind;
use super::rules::settings::{PriceBasis, TaxMode};
use super::scalar::Scalar;
use super::tax::{TaxKey, TaxPlace, place, untaxed};
use crate::domain::money::{Currency, Side};
use crate::domain::order::{Line, Order};
use crate::ifs::wire::names;

/// The key of the row that closes a rounding gap.
pub(super) const ROUNDING: &str = "rounding";

/// An order's lines and charges, and what they must come to in IFS.
pub(super) struct Rows {
    pub(super) lines: Vec<DesiredRow>,
    pub(super) charges: Vec<DesiredRow>,
    /// Whether their amounts contain the tax.
    pub(super) tax_included: bool,
    /// With tax: Shopify's current total less what was given back beyond it.
    pub(super) total: Decimal,
    /// The tax that IFS must come to.
    pub(super) tax: Decimal,
}

/// Whether IFS gets the order's prices with tax.
pub(super) fn tax_included(order: &Order, rules: &Rules) -> bool {
    let settings = rules.settings();
    order.taxes_included && settings.price_basis == PriceBasis::AsShopify && settings.tax_mode != TaxMode::AsCharge
}

/// Maps every row.
///
/// # Errors
/// Parks the first row that the rules do not cover, and a tax that IFS will not come to.
pub(super) fn rows(
    order: &Order,
    rules: &Rules,
    side: Side,
    currency: Currency,
    now: &Current,
) -> Result<Rows, ParkReason> {
    // 1. Bundles as the rules want them.
    let (order, now) = packed(order, rules, now)?;
    let (order, now) = (order.as_ref(), now.as_ref());
    let (country, region) = place(order, rules)?;
    let untaxed = untaxed(order, rules, country);
    let place = TaxPlace { country, region, untaxed: &untaxed };
    let mut mapper = Mapper {
        order,
        rules,
        side,
        currency,
        place,
        tax_included: tax_included(order, rules),
        wanted: rules.wanted_delivery(order.processed_at),
        lines: Vec::new(),
        charges: Vec::new(),
        tax_gap: Decimal::ZERO,
        channel_tax: Decimal::ZERO,
        tax_charges: BTreeMap::new(),
        taxed: BTreeMap::new(),
    };
    // 2. Goods and gift cards, each with its discounts.
    for (line, now) in order.lines.iter().zip(&now.lines) {
        mapper.line(line, now)?;
    }
    if mapper.lines.is_empty() {
        let text = "no line has units left; one at least was expected: cancel the order in Shopify, or resolve it";
        return Err(ParkReason::mapping("no_lines", text));
    }
    // 3. Everything else that is paid for.
    for (index, (line, now)) in order.shipping_lines.iter().zip(&now.shipping).enumerate() {
        mapper.shipping(index, line, now)?;
    }
    mapper.tip(now)?;
    mapper.duties_and_fees(now)?;
    // 4. What was given back beyond the rows.
    let goodwill = mapper.goodwill()?;
    // 5. Taxes that are charges, and what rounding leaves open.
    mapper.taxes_as_charges()?;
    mapper.rounding()?;

    // 6. The code parts of each row.
    for row in mapper.lines.iter_mut().chain(&mut mapper.charges) {
        for (field, picked) in rules.row_pre_posting(order, line_of(order, &row.key)) {
            row.fields.insert(field.to_owned(), Scalar::text(picked.value));
        }
    }

    let totals = &order.totals;
    let tax = match rules.settings().tax_mode {
        TaxMode::AsCharge => Decimal::ZERO,
        TaxMode::IfsCalculates | TaxMode::External => {
            totals.current_tax.on(side).amount() - mapper.channel_tax - goodwill.tax
        }
    };
    Ok(Rows {
        lines: mapper.lines,
        charges: mapper.charges,
        tax_included: mapper.tax_included,
        total: totals.current_total.on(side).amount() - goodwill.total,
        tax,
    })
}

/// The line that a row came from, or belongs to, by its key.
pub(super) fn line_of<'o>(order: &'o Order, key: &str) -> Option<&'o Line> {
    let named = key.strip_prefix("discount:").unwrap_or(key);
    if let Some(of) = named.strip_prefix("bundle:") {
        let id = of.split(['/', ':']).next()?;
        return order.lines.iter().find(|line| packages::package_of(line).is_some_and(|group| group.id == id));
    }
    let of = ["line:", "duty:", "discount:"].into_iter().find_map(|kind| key.strip_prefix(kind))?;
    let id: u64 = of.split(['/', ':']).next()?.parse().ok()?;
    order.lines.iter().find(|line| line.id == id)
}

struct Mapper<'a> {
    order: &'a Order,
    rules: &'a Rules,
    side: Side,
    currency: Currency,
    place: TaxPlace<'a>,
    /// Whether IFS gets amounts with tax.
    tax_included: bool,
    wanted: String,
    lines: Vec<DesiredRow>,
    charges: Vec<DesiredRow>,
    /// Shopify's tax less what IFS will compute, over all rows so far.
    tax_gap: Decimal,
    /// The tax that marketplaces owe, over all rows so far.
    channel_tax: Decimal,
    /// Taxes that become charges, by title and rate.
    tax_charges: BTreeMap<(String, String), Decimal>,
    /// What the rows so far are worth with tax, by how they are taxed: goodwill is shared out over it.
    taxed: BTreeMap<Taxed, Decimal>,
}

/// How a row is taxed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Taxed {
    key: TaxKey,
    rates: Vec<Decimal>,
    /// Title and rate of its taxes, where they are charges.
    charges: Vec<(String, String)>,
}

impl<'a> Mapper<'a> {
    /// A charge: one unit of a charge type at an amount.
    fn charge(&mut self, key: String, charge_type: &str, amount: Decimal, tax: &TaxKey, expect_tax: Decimal) {
        let settings = self.rules.settings();
        let amount_field = self.price_field(names::CHARGE_AMOUNT, names::CHARGE_AMOUNT_INCL_TAX);
        let mut fields: Fields = [
            (names::CONTRACT, Scalar::text(self.rules.site(self.order).value)),
            (names::COMPANY, Scalar::text(&settings.company)),
            (names::CHARGE_TYPE, Scalar::text(charge_type)),
            (names::CHARGED_QTY, Scalar::decimal(Decimal::ONE)),
            (amount_field, Scalar::decimal(amount)),
        ]
        .into_iter()
        .map(|(field, value)| (field.to_owned(), value))
        .collect();
        put_tax(&mut fields, tax);
        self.charges.push(DesiredRow { key, fields, expect: Expect { amount, tax: expect_tax } });
    }

    /// The charge type that rules or settings choose.
    fn chosen_charge(&self, kind: ChargeKind, line: Option<&Line>, name: Option<&str>) -> Option<&'a str> {
        self.rules.charge_type(kind, self.order, line, name).map(|picked| picked.value)
    }

    /// The charge type of a setting, or the reason that parks the row.
    fn charge_type<'s>(&self, setting: Option<&'s str>, key: &str, row: &str) -> Result<&'s str, ParkReason> {
        setting.ok_or_else(|| {
            let text = format!("{row} has no charge type: set {key} to a ChargeType of IFS");
            ParkReason::mapping("charge_type_missing", text)
        })
    }

    /// The one price field that counts, as the header's flag says.
    fn price_field(&self, net: &'static str, with_tax: &'static str) -> &'static str {
        if self.tax_included { with_tax } else { net }
    }
}

fn put_tax(fields: &mut Fields, tax: &TaxKey) {
    match tax {
        TaxKey::Code(code) => fields.insert(names::TAX_CODE.to_owned(), Scalar::text(code)),
        TaxKey::Structure(structure) => fields.insert(names::TAX_CALC_STRUCTURE_ID.to_owned(), Scalar::text(structure)),
        TaxKey::Engine => None,
    };
}
