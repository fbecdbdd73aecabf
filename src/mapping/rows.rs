//! The rows: a line for each Shopify line with units left, a charge for each way of shipping, and the rounding row.

use rust_decimal::Decimal;

use super::address;
use super::current::{Current, CurrentCharge, CurrentLine};
use super::desired::{DesiredRow, Expect, Fields};
use super::note;
use super::park::ParkReason;
use super::price::net_price;
use super::rules::{Rules, TaxedOn};
use super::scalar::Scalar;
use super::tax::{self, TaxPlace, predicted, row_tax};
use crate::domain::money::{Currency, Side};
use crate::domain::order::{Line, Order, ShippingLine};
use crate::ifs::wire::names;

/// The key of the row that closes a rounding gap.
pub(super) const ROUNDING: &str = "rounding";

/// An order's lines and charges.
pub(super) struct Rows {
    pub(super) lines: Vec<DesiredRow>,
    pub(super) charges: Vec<DesiredRow>,
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
    let place = match order.delivery_address() {
        Some(to) => TaxPlace { country: address::country(to)?, region: to.province_code.as_deref() },
        None => TaxPlace { country: "", region: None },
    };
    let wanted = rules.wanted_delivery(order.processed_at);
    let mut mapper = Mapper { order, rules, side, currency, place, wanted, tax_gap: Decimal::ZERO };
    let mut lines = Vec::new();
    for (line, now) in order.lines.iter().zip(&now.lines) {
        if line.current_quantity > 0 {
            lines.push(mapper.line(line, now)?);
        }
    }
    if lines.is_empty() {
        let text = "no line has units left; one at least was expected: cancel the order in Shopify, or resolve it";
        return Err(ParkReason::mapping("no_lines", text));
    }
    let mut charges = Vec::new();
    for (index, (line, now)) in order.shipping_lines.iter().zip(&now.shipping).enumerate() {
        if !line.removed {
            charges.push(mapper.shipping(index, line, now)?);
        }
    }
    charges.extend(mapper.rounding()?);
    Ok(Rows { lines, charges })
}

struct Mapper<'a> {
    order: &'a Order,
    rules: &'a Rules,
    side: Side,
    currency: Currency,
    place: TaxPlace<'a>,
    wanted: String,
    /// Shopify's tax less what IFS will compute, over all rows so far.
    tax_gap: Decimal,
}

impl Mapper<'_> {
    fn line(&mut self, line: &Line, now: &CurrentLine) -> Result<DesiredRow, ParkReason> {
        let settings = self.rules.settings();
        let row = format!("line {}", line.id);
        let Some(sku) = &line.sku else {
            let text =
                format!("{row} has no SKU; one was expected: enter the order by hand, or give the article a SKU");
            return Err(ParkReason::mapping("line_without_sku", text));
        };
        let worth = now.worth();
        if worth.is_sign_negative() && !worth.is_zero() {
            let text =
                format!("{row} is worth {worth}; nothing below 0 was expected: look at its discounts in Shopify");
            return Err(ParkReason::money("negative_line", text));
        }
        let price = net_price(worth, line.current_quantity, self.currency.decimals(), settings.price_decimals)
            .map_err(|_| {
                let (units, decimals) = (line.current_quantity, settings.price_decimals);
                let text = format!(
                    "{row}: no price of at most {decimals} decimals comes to {worth} for {units} units: raise price_decimals, or enter it by hand"
                );
                ParkReason::money("no_exact_price", text)
            })?;
        let tax = row_tax(self.rules, self.place, TaxedOn::Goods, &row, &line.taxes, &now.taxes)?;
        self.compare_tax(&row, worth, &tax)?;

        let mut fields = Fields::new();
        let mut put = |field: &str, value: Scalar| fields.insert(field.to_owned(), value);
        put(names::CONTRACT, Scalar::text(&settings.site));
        put(names::CATALOG_NO, Scalar::text(self.rules.catalog_no(sku)));
        put(names::BUY_QTY_DUE, Scalar::decimal(line.current_quantity.into()));
        put(names::WANTED_DELIVERY_DATE, Scalar::text(&self.wanted));
        put(self.price_field(names::SALE_UNIT_PRICE, names::UNIT_PRICE_INCL_TAX), Scalar::decimal(price));
        put(names::PRICE_FREEZE, Scalar::text(&settings.price_freeze_on));
        // Against discounts that IFS would take from the customer.
        put(names::DISCOUNT, Scalar::decimal(Decimal::ZERO));
        put(names::ORDER_DISCOUNT, Scalar::decimal(Decimal::ZERO));
        put(names::TAX_CODE, Scalar::text(tax.code));
        put(names::FETCH_TAX_FROM_DEFAULTS, Scalar::text(&settings.fetch_tax_off));
        if !settings.line_key_field.is_empty() {
            put(&settings.line_key_field, Scalar::text(line.id.to_string()));
        }
        let list_price = line.price.on(self.side).amount();
        if let Some(note) = note::line_note(self.order, line, list_price, &now.discounts, self.currency) {
            put(names::NOTE_TEXT, Scalar::text(note));
        }
        Ok(DesiredRow { key: format!("line:{}", line.id), fields, expect: Expect { amount: worth, tax: tax.stated } })
    }

    fn shipping(&mut self, index: usize, line: &ShippingLine, now: &CurrentCharge) -> Result<DesiredRow, ParkReason> {
        let id = line.id.map_or_else(|| format!("#{index}"), |id| id.to_string());
        let row = format!("shipping line {id}");
        let code = line.code.as_deref();
        let Some(charge_type) = self.rules.shipping_charge(code) else {
            let code = code.unwrap_or("");
            let text = format!(
                "charge.shipping has no row for \"{code}\" and no default ({row}): add one with IFS's ChargeType"
            );
            return Err(ParkReason::mapping("charge_type_missing", text));
        };
        if now.amount.is_sign_negative() && !now.amount.is_zero() {
            let text =
                format!("{row} costs {}; nothing below 0 was expected: look at the order in Shopify", now.amount);
            return Err(ParkReason::money("negative_shipping", text));
        }
        let tax = row_tax(self.rules, self.place, TaxedOn::Shipping, &row, &line.taxes, &now.taxes)?;
        self.compare_tax(&row, now.amount, &tax)?;
        let fields = self.charge_fields(charge_type, now.amount, tax.code);
        Ok(DesiredRow { key: format!("shipping:{id}"), fields, expect: Expect { amount: now.amount, tax: tax.stated } })
    }

    fn charge_fields(&self, charge_type: &str, amount: Decimal, tax_code: &str) -> Fields {
        let settings = self.rules.settings();
        let amount_field = self.price_field(names::CHARGE_AMOUNT, names::CHARGE_AMOUNT_INCL_TAX);
        [
            (names::CONTRACT, Scalar::text(&settings.site)),
            (names::COMPANY, Scalar::text(&settings.company)),
            (names::CHARGE_TYPE, Scalar::text(charge_type)),
            (names::CHARGED_QTY, Scalar::decimal(Decimal::ONE)),
            (amount_field, Scalar::decimal(amount)),
            (names::TAX_CODE, Scalar::text(tax_code)),
        ]
        .into_iter()
        .map(|(field, value)| (field.to_owned(), value))
        .collect()
    }

    /// The one price field that counts, as the header's flag says.
    fn price_field(&self, net: &'static str, with_tax: &'static str) -> &'static str {
        if self.order.taxes_included { with_tax } else { net }
    }

    /// Compares Shopify's tax of a row with what IFS will compute, before anything is written.
    fn compare_tax(&mut self, row: &str, amount: Decimal, tax: &tax::RowTax<'_>) -> Result<(), ParkReason> {
        let computed = predicted(amount, tax.rate, self.order.taxes_included, self.currency);
        let gap = tax.stated - computed;
        if gap.abs() > self.rules.tax_gap_line() {
            let (stated, bound) = (tax.stated, self.rules.tax_gap_line());
            let text = format!(
                "{row}: Shopify says {stated} tax, IFS will compute {computed} with {}; at most {bound} was expected between them: raise tax_gap_line, or correct tax_codes",
                tax.code
            );
            return Err(ParkReason::money("tax_gap_line", text));
        }
        self.tax_gap += gap;
        Ok(())
    }

    /// The named row that closes the order's rounding gap, within its bound.
    fn rounding(&self) -> Result<Option<DesiredRow>, ParkReason> {
        let gap = self.tax_gap;
        if gap.is_zero() {
            return Ok(None);
        }
        let bound = self.rules.tax_gap_order();
        if gap.abs() > bound {
            let text = format!(
                "Shopify's tax and what IFS will compute differ by {gap} over all rows; at most {bound} was expected: raise tax_gap_order"
            );
            return Err(ParkReason::money("tax_gap_order", text));
        }
        // With tax included the gross ties by itself; only the split differs.
        if self.order.taxes_included {
            return Ok(None);
        }
        let Some(charge_type) = &self.rules.settings().charge.rounding else {
            let text = format!("a rounding gap of {gap} has no row to go to: set charge.rounding to an IFS ChargeType");
            return Err(ParkReason::money("no_rounding_charge", text));
        };
        let tax = row_tax(self.rules, self.place, TaxedOn::Goods, "the rounding row", &[], &[])?;
        let fields = self.charge_fields(charge_type, gap, tax.code);
        Ok(Some(DesiredRow { key: ROUNDING.to_owned(), fields, expect: Expect { amount: gap, tax: Decimal::ZERO } }))
    }
}
