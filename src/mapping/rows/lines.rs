//! A Shopify line with units left becomes one line of IFS, or two where its worth is no multiple of its units and that is asked for.

use rust_decimal::Decimal;

use super::super::current::CurrentLine;
use super::super::desired::{DesiredRow, Expect, Fields};
use super::super::note;
use super::super::packages::{key_of, name_of, package_of};
use super::super::park::ParkReason;
use super::super::price::{net_price, split};
use super::super::rules::TaxedOn;
use super::super::rules::gl::Choice;
use super::super::rules::settings::UnevenLine;
use super::super::scalar::Scalar;
use super::super::sku;
use super::super::tax::TaxKey;
use super::discounts::Priced;
use super::worth::Told;
use super::{Mapper, put_tax};
use crate::domain::money::MoneyPair;
use crate::domain::order::{Line, LineKind};
use crate::ifs::wire::names;

/// One row of IFS that a line becomes.
struct Piece {
    /// After the line's id, in its key: nothing for the first.
    suffix: &'static str,
    units: u32,
    price: Decimal,
    percent: Decimal,
    amount: Decimal,
}

impl Mapper<'_> {
    pub(super) fn line(&mut self, line: &Line, now: &CurrentLine) -> Result<(), ParkReason> {
        let on = match line.kind {
            LineKind::Goods | LineKind::Package => TaxedOn::Goods,
            LineKind::GiftCard => TaxedOn::GiftCard,
            // A tip is a charge, see `charges`.
            LineKind::Tip => return Ok(()),
        };
        if line.current_quantity == 0 {
            return Ok(());
        }
        let row = name_of(line);
        let part = sku::part_for(line, self.order, self.rules)?;
        let worth = now.worth();
        if worth < Decimal::ZERO {
            let text =
                format!("{row} is worth {worth}; nothing below 0 was expected: look at its discounts in Shopify");
            return Err(ParkReason::money("negative_line", text));
        }
        // 1. What it is worth, and how its discounts reach IFS.
        let (placed, taxes, left) = (self.placed(line, worth), line.taxes.as_slice(), now.taxes.as_slice());
        let valued = self.worth(Told { row: &row, line: Some(line), on, placed, worth, taxes, left })?;
        let Priced { amount, percent, discounts } = self.price_line(line, now, &valued);
        // 2. Its rows, then its discounts' charges, each with its share of the tax.
        let pieces = self.pieces(&row, line.current_quantity, amount, percent)?;
        let off = discounts.iter().map(|discount| discount.amount);
        let amounts: Vec<Decimal> = pieces.iter().map(|piece| piece.amount).chain(off).collect();
        let mut taxes = self.share_tax(&row, &valued.tax, &amounts)?.into_iter();
        for (piece, tax) in pieces.iter().zip(taxes.by_ref()) {
            let fields = self.line_fields(line, now, &part, piece, &valued.tax.key);
            let key = format!("{}{}", key_of(line), piece.suffix);
            self.lines.push(DesiredRow { key, fields, expect: Expect { amount: piece.amount, tax } });
        }
        let of = package_of(line).map_or_else(|| line.id.to_string(), |_| key_of(line));
        self.discount_charges(&of, Some(line), &discounts, &valued.tax.key, taxes)
    }

    /// What a line was worth as placed; the one line of a bundle knows only what is left of it.
    fn placed(&self, line: &Line, worth: Decimal) -> Decimal {
        if line.kind == LineKind::Package {
            return worth;
        }
        let on = |pair: &MoneyPair| pair.on(self.side).amount();
        let off: Decimal = line.allocations.iter().map(|share| on(&share.amount)).sum();
        on(&line.price) * Decimal::from(line.quantity) - off
    }

    /// The rows that carry an amount for a number of units.
    fn pieces(
        &self,
        row: &str,
        units: u32,
        amount: Decimal,
        percent: Option<Percent>,
    ) -> Result<Vec<Piece>, ParkReason> {
        if let Some(Percent { price, percent, left }) = percent {
            return Ok(vec![Piece { suffix: "", units, price, percent, amount: left }]);
        }
        let settings = self.rules.settings();
        let whole = |suffix, units, price: Decimal| {
            let amount = price * Decimal::from(units);
            Piece { suffix, units, price, percent: Decimal::ZERO, amount }
        };
        if settings.uneven_line == UnevenLine::Split
            && let Some([first, second]) = split(amount, units, self.currency)
        {
            return Ok(vec![whole("", first.units, first.price), whole("/2", second.units, second.price)]);
        }
        let price = net_price(amount, units, self.currency.decimals(), settings.price_decimals).map_err(|_| {
            let decimals = settings.price_decimals;
            let text = format!(
                "{row}: no price of at most {decimals} decimals comes to {amount} for {units} units: raise price_decimals, or enter it by hand"
            );
            ParkReason::money("no_exact_price", text)
        })?;
        Ok(vec![Piece { suffix: "", units, price, percent: Decimal::ZERO, amount }])
    }

    fn line_fields(&self, line: &Line, now: &CurrentLine, part: &sku::Part, piece: &Piece, tax: &TaxKey) -> Fields {
        let settings = self.rules.settings();
        let mut fields = Fields::new();
        let mut put = |field: &str, value: Scalar| fields.insert(field.to_owned(), value);
        put(names::CONTRACT, Scalar::text(self.rules.site(self.order).value));
        put(names::CATALOG_NO, Scalar::text(&part.catalog_no));
        if let Some(description) = &part.description {
            put(names::CATALOG_DESC, Scalar::text(description));
        }
        put(names::BUY_QTY_DUE, Scalar::decimal(piece.units.into()));
        put(names::WANTED_DELIVERY_DATE, Scalar::text(&self.wanted));
        put(self.price_field(names::SALE_UNIT_PRICE, names::UNIT_PRICE_INCL_TAX), Scalar::decimal(piece.price));
        put(names::PRICE_FREEZE, Scalar::text(&settings.price_freeze_on));
        // Also against discounts that IFS would take from the customer.
        put(names::DISCOUNT, Scalar::decimal(piece.percent));
        put(names::ORDER_DISCOUNT, Scalar::decimal(Decimal::ZERO));
        if *tax != TaxKey::Engine {
            put(names::FETCH_TAX_FROM_DEFAULTS, Scalar::text(&settings.fetch_tax_off));
        }
        if !settings.line_key_field.is_empty() {
            let key = package_of(line).map_or_else(|| line.id.to_string(), |group| group.id.clone());
            put(&settings.line_key_field, Scalar::text(format!("{key}{}", piece.suffix)));
        }
        let list_price = line.price.on(self.side).amount();
        if let Some(note) = note::line_note(self.order, line, list_price, &now.discounts, self.currency, self.rules) {
            put(names::NOTE_TEXT, Scalar::text(note));
        }
        if let Some(group) = self.rules.choose(Choice::SalesGroup, self.order, Some(line)) {
            put(&settings.gl.sales_group_field, Scalar::text(group.value));
        }
        put_tax(&mut fields, tax);
        fields
    }
}

/// A percent that IFS comes to the right amount with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Percent {
    /// The list price.
    pub(super) price: Decimal,
    /// The percent.
    pub(super) percent: Decimal,
    /// What is left.
    pub(super) left: Decimal,
}
