//! The order of a webhook, in REST's names (API 2026-10). Only what decides the IFS order is read; all else is skipped.
//! Payloads of older versions lack many fields: what may be missing is an `Option`, and mapping says what that means.

use serde::Deserialize;

use super::refund::Refund;
use super::scalar::{Amount, Id, Instant, Loose, Quantity, Rate, Tellable, Text};

/// The order as a webhook carries it. No `Debug`: it is full of persons' data.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Order {
    pub id: Id,
    pub name: Text,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub processed_at: Option<Instant>,
    pub cancelled_at: Option<Instant>,
    pub cancel_reason: Option<Text>,
    pub test: Option<bool>,
    pub confirmed: Option<bool>,
    pub estimated_taxes: Option<bool>,
    pub taxes_included: Option<bool>,
    pub tax_exempt: Option<bool>,
    pub duties_included: Option<bool>,
    pub currency: Text,
    pub presentment_currency: Option<Text>,
    pub financial_status: Option<Text>,
    pub po_number: Option<Text>,
    pub note: Option<Text>,
    pub note_attributes: Option<Vec<Property>>,
    /// Separated by commas.
    pub tags: Option<Text>,
    pub source_name: Option<Text>,
    /// Where it was sold, at a till.
    pub location_id: Option<Id>,
    /// Who sold it, at a till.
    pub user_id: Option<Id>,
    pub payment_gateway_names: Option<Vec<Text>>,
    pub email: Option<Text>,
    pub phone: Option<Text>,
    pub customer_locale: Option<Text>,
    pub customer: Option<Customer>,
    pub company: Option<Company>,
    pub shipping_address: Option<Address>,
    pub billing_address: Option<Address>,
    pub line_items: Vec<LineItem>,
    pub shipping_lines: Option<Vec<ShippingLine>>,
    pub discount_applications: Option<Vec<DiscountApplication>>,
    pub refunds: Option<Vec<Refund>>,
    pub payment_terms: Option<PaymentTerms>,
    pub total_line_items_price: Option<Amount>,
    pub total_line_items_price_set: Option<MoneySet>,
    pub total_discounts: Option<Amount>,
    pub total_discounts_set: Option<MoneySet>,
    pub subtotal_price: Option<Amount>,
    pub subtotal_price_set: Option<MoneySet>,
    pub total_shipping_price_set: Option<MoneySet>,
    pub total_tax: Option<Amount>,
    pub total_tax_set: Option<MoneySet>,
    /// In no stated currency; a set does not exist for it in REST.
    pub total_tip_received: Option<Amount>,
    pub original_total_duties_set: Option<MoneySet>,
    pub original_total_additional_fees_set: Option<MoneySet>,
    pub total_outstanding: Option<Amount>,
    pub total_cash_rounding_refund_adjustment_set: Option<MoneySet>,
    pub total_price: Option<Amount>,
    pub total_price_set: Option<MoneySet>,
    pub current_subtotal_price: Option<Amount>,
    pub current_subtotal_price_set: Option<MoneySet>,
    pub current_shipping_price_set: Option<MoneySet>,
    pub current_total_tax: Option<Amount>,
    pub current_total_tax_set: Option<MoneySet>,
    pub current_total_duties_set: Option<MoneySet>,
    pub current_total_additional_fees_set: Option<MoneySet>,
    pub current_total_price: Option<Amount>,
    pub current_total_price_set: Option<MoneySet>,
}

/// One amount in both currencies.
#[derive(Deserialize)]
pub struct MoneySet {
    /// In the shop's currency.
    pub shop_money: Money,
    /// In the customer's currency.
    pub presentment_money: Money,
}

/// One amount with its currency.
#[derive(Deserialize)]
pub struct Money {
    /// The figure.
    pub amount: Amount,
    /// ISO 4217.
    pub currency_code: Text,
}

/// Who bought.
#[derive(Deserialize)]
pub struct Customer {
    /// Shopify's number.
    pub id: Option<Id>,
    /// Their given name.
    pub first_name: Option<Text>,
    /// Their family name.
    pub last_name: Option<Text>,
}

/// The B2B company it was bought for.
#[derive(Deserialize)]
pub struct Company {
    /// Shopify's number of the company.
    pub id: Option<Id>,
    /// Shopify's number of its location.
    pub location_id: Option<Id>,
}

/// A postal address.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Address {
    pub first_name: Option<Text>,
    pub last_name: Option<Text>,
    pub name: Option<Text>,
    pub company: Option<Text>,
    pub address1: Option<Text>,
    pub address2: Option<Text>,
    pub zip: Option<Text>,
    pub city: Option<Text>,
    pub province_code: Option<Text>,
    pub country_code: Option<Text>,
    pub phone: Option<Text>,
}

/// A named value, of the order (`note_attributes`) or of a line (`properties`).
#[derive(Deserialize)]
pub struct Property {
    /// Its name.
    pub name: Loose,
    /// Its value; apps write numbers and lists too.
    pub value: Option<Loose>,
}

/// One line.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct LineItem {
    pub id: Id,
    pub sku: Option<Text>,
    pub product_id: Option<Id>,
    pub variant_id: Option<Id>,
    pub title: Option<Text>,
    pub variant_title: Option<Text>,
    pub vendor: Option<Text>,
    pub quantity: Quantity,
    pub current_quantity: Option<Quantity>,
    pub price: Option<Amount>,
    pub price_set: Option<MoneySet>,
    pub gift_card: Option<bool>,
    /// Present and not null on the row of a tip only.
    pub tip_payment_gateway: Option<serde::de::IgnoredAny>,
    /// Present and not null on the row of a tip only.
    pub tip_payment_method: Option<serde::de::IgnoredAny>,
    pub discount_allocations: Option<Vec<DiscountAllocation>>,
    pub tax_lines: Option<Vec<TaxLine>>,
    pub duties: Option<Vec<Duty>>,
    pub properties: Option<Vec<Property>>,
    /// The bundle that it belongs to (webhooks of 2025-01 and later).
    #[serde(default)]
    pub sales_line_item_group_id: Tellable<serde::de::IgnoredAny>,
}

/// An import duty on a line. Unlike all other amounts it carries its two moneys itself.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Duty {
    pub id: Id,
    pub shop_money: Option<Money>,
    pub presentment_money: Option<Money>,
    pub tax_lines: Option<Vec<TaxLine>>,
}

/// One way of shipping.
#[derive(Deserialize)]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct ShippingLine {
    pub id: Option<Id>,
    pub code: Option<Text>,
    pub title: Option<Text>,
    pub price: Option<Amount>,
    pub price_set: Option<MoneySet>,
    pub discounted_price: Option<Amount>,
    pub discounted_price_set: Option<MoneySet>,
    pub current_discounted_price_set: Option<MoneySet>,
    pub is_removed: Option<bool>,
    pub discount_allocations: Option<Vec<DiscountAllocation>>,
    pub tax_lines: Option<Vec<TaxLine>>,
}

/// A share of a discount.
#[derive(Deserialize)]
pub struct DiscountAllocation {
    /// The figure alone.
    pub amount: Option<Amount>,
    /// In both currencies.
    pub amount_set: Option<MoneySet>,
    /// The place in `discount_applications`.
    pub discount_application_index: u32,
}

/// A discount: a code, an automatic discount, a manual one or a script's.
#[derive(Deserialize)]
pub struct DiscountApplication {
    /// Of a discount code.
    pub code: Option<Text>,
    /// Of all others.
    pub title: Option<Text>,
}

/// One tax.
#[derive(Deserialize)]
pub struct TaxLine {
    /// As Shopify names it.
    pub title: Option<Text>,
    /// A share.
    pub rate: Option<Rate>,
    /// The figure alone.
    pub price: Option<Amount>,
    /// In both currencies.
    pub price_set: Option<MoneySet>,
    /// Whether a marketplace owes it.
    pub channel_liable: Option<bool>,
}

/// Terms of payment.
#[derive(Deserialize)]
pub struct PaymentTerms {
    /// As `Net 30`.
    pub payment_terms_name: Option<Text>,
}
