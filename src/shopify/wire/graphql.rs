//! The `order` object of `order_by_id.graphql`, in GraphQL's names (Admin API 2026-10, official schema).
//! What the document selects and what is read here must agree: a field selected nowhere would decode as missing.

use serde::Deserialize;

use super::scalar::{Amount, Gid, Instant, Loose, Quantity, Rate, Tellable, Text};

/// The order as GraphQL answers it. No `Debug`: it is full of persons' data.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Order {
    pub id: Gid,
    pub name: Text,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub processed_at: Instant,
    pub cancelled_at: Option<Instant>,
    pub cancel_reason: Option<Text>,
    pub test: bool,
    pub confirmed: bool,
    pub estimated_taxes: bool,
    pub taxes_included: bool,
    pub tax_exempt: bool,
    pub duties_included: bool,
    pub currency_code: Text,
    pub presentment_currency_code: Text,
    pub display_financial_status: Option<Text>,
    pub po_number: Option<Text>,
    pub note: Option<Text>,
    pub custom_attributes: Vec<Attribute>,
    pub tags: Vec<Text>,
    pub source_name: Option<Text>,
    pub retail_location: Option<Node>,
    pub risk: Risk,
    pub payment_gateway_names: Vec<Text>,
    pub email: Option<Text>,
    pub phone: Option<Text>,
    pub customer_locale: Option<Text>,
    pub customer: Option<Customer>,
    pub purchasing_entity: Option<PurchasingEntity>,
    pub shipping_address: Option<Address>,
    pub billing_address: Option<Address>,
    pub line_items: Connection<LineItem>,
    pub shipping_lines: Connection<ShippingLine>,
    pub discount_applications: Connection<DiscountApplication>,
    pub refunds: Vec<Refund>,
    pub additional_fees: Vec<AdditionalFee>,
    pub total_cash_rounding_adjustment: CashRounding,
    pub payment_terms: Option<PaymentTerms>,
    pub total_discounts_set: Option<MoneyBag>,
    pub subtotal_price_set: Option<MoneyBag>,
    pub total_shipping_price_set: MoneyBag,
    pub total_tax_set: Option<MoneyBag>,
    pub total_tip_received_set: MoneyBag,
    pub original_total_duties_set: Option<MoneyBag>,
    pub original_total_additional_fees_set: Option<MoneyBag>,
    pub total_price_set: MoneyBag,
    pub total_outstanding_set: Option<MoneyBag>,
    pub current_subtotal_price_set: MoneyBag,
    pub current_shipping_price_set: Option<MoneyBag>,
    pub current_total_tax_set: MoneyBag,
    pub current_total_duties_set: Option<MoneyBag>,
    pub current_total_additional_fees_set: Option<MoneyBag>,
    pub current_total_price_set: MoneyBag,
}

/// A list with its paging.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection<T> {
    /// The items of this page.
    pub nodes: Vec<T>,
    /// Whether there are more.
    pub page_info: Option<PageInfo>,
}

/// Where a page stands.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    /// Whether there are more.
    pub has_next_page: bool,
}

/// One amount in both currencies.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoneyBag {
    /// In the shop's currency.
    pub shop_money: Money,
    /// In the customer's currency.
    pub presentment_money: Money,
}

/// One amount with its currency.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Money {
    /// The figure.
    pub amount: Amount,
    /// ISO 4217.
    pub currency_code: Text,
}

/// Something of which only the id is read.
#[derive(Deserialize)]
pub struct Node {
    /// Its global id.
    pub id: Gid,
}

/// The same where the schema lets the id be missing.
#[derive(Deserialize)]
pub struct MaybeNode {
    /// Its global id.
    pub id: Option<Gid>,
}

/// The product of a line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// Its global id.
    pub id: Gid,
    /// As the merchant types it.
    pub product_type: Option<Text>,
}

/// The variant of a line.
#[derive(Deserialize)]
pub struct Variant {
    /// Its global id.
    pub id: Gid,
    /// Its bar code.
    pub barcode: Option<Text>,
}

/// Who bought.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// Its global id.
    pub id: Gid,
    /// Their given name.
    pub first_name: Option<Text>,
    /// Their family name.
    pub last_name: Option<Text>,
}

/// A customer, or a company's location: the latter has both fields.
#[derive(Deserialize)]
pub struct PurchasingEntity {
    /// The B2B company.
    pub company: Option<Company>,
    /// Its location.
    pub location: Option<CompanyLocation>,
}

/// A B2B company.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Company {
    /// Its global id.
    pub id: Gid,
    /// Its name.
    pub name: Option<Text>,
    /// The key that an ERP gave it.
    pub external_id: Option<Text>,
}

/// A location of a B2B company.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompanyLocation {
    /// Its global id.
    pub id: Gid,
    /// The key that an ERP gave it.
    pub external_id: Option<Text>,
}

/// How risky Shopify thinks an order is.
#[derive(Deserialize)]
pub struct Risk {
    /// `ACCEPT`, `INVESTIGATE`, `CANCEL` or `NONE`.
    pub recommendation: Text,
}

/// What the whole order was rounded by in cash.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CashRounding {
    /// In refunds.
    pub refund_set: MoneyBag,
}

/// A further fee.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdditionalFee {
    /// Its global id.
    pub id: Gid,
    /// As the shop names it.
    pub name: Text,
    /// How much it is.
    pub price: MoneyBag,
    /// Its taxes.
    pub tax_lines: Vec<TaxLine>,
}

/// An import duty on a line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Duty {
    /// Its global id.
    pub id: Gid,
    /// How much it is.
    pub price: MoneyBag,
    /// Its taxes.
    pub tax_lines: Vec<TaxLine>,
}

/// Money given back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct Refund {
    pub id: Gid,
    pub total_refunded_set: MoneyBag,
    pub refund_line_items: Connection<RefundLineItem>,
    pub refund_shipping_lines: Connection<RefundShippingLine>,
    pub order_adjustments: Connection<OrderAdjustment>,
    pub duties: Option<Vec<RefundDuty>>,
}

/// Units of a line given back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct RefundLineItem {
    pub line_item: Node,
    pub quantity: Quantity,
    pub subtotal_set: MoneyBag,
    pub total_tax_set: MoneyBag,
}

/// Shipping given back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct RefundShippingLine {
    pub shipping_line: MaybeNode,
    pub subtotal_amount_set: MoneyBag,
    pub tax_amount_set: MoneyBag,
}

/// A difference between what the rows are worth and what was given back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct OrderAdjustment {
    pub id: Gid,
    pub reason: Option<Text>,
    pub amount_set: MoneyBag,
    pub tax_amount_set: MoneyBag,
}

/// A duty given back.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct RefundDuty {
    pub amount_set: MoneyBag,
    pub original_duty: Option<Node>,
}

/// A postal address.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
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
    pub country_code_v2: Option<Text>,
    pub phone: Option<Text>,
}

/// A named value.
#[derive(Deserialize)]
pub struct Attribute {
    /// Its name.
    pub key: Loose,
    /// Its value.
    pub value: Option<Loose>,
}

/// One line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct LineItem {
    pub id: Gid,
    pub sku: Option<Text>,
    pub product: Option<Product>,
    pub variant: Option<Variant>,
    pub title: Text,
    pub variant_title: Option<Text>,
    pub vendor: Option<Text>,
    pub quantity: Quantity,
    pub current_quantity: Quantity,
    /// Units that nobody can ship: removed ones, and all of a tip.
    pub non_fulfillable_quantity: Quantity,
    pub original_unit_price_set: MoneyBag,
    pub is_gift_card: bool,
    pub requires_shipping: bool,
    pub discount_allocations: Vec<DiscountAllocation>,
    pub tax_lines: Vec<TaxLine>,
    pub duties: Vec<Duty>,
    pub custom_attributes: Vec<Attribute>,
    /// The bundle that it belongs to.
    #[serde(default)]
    pub line_item_group: Tellable<LineItemGroup>,
}

/// A bundle that was sold.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct LineItemGroup {
    /// A global id, whose end need not be a number.
    pub id: Text,
    pub title: Text,
    pub quantity: Quantity,
    pub product_id: Option<Gid>,
    pub variant_id: Option<Gid>,
    pub variant_sku: Option<Text>,
    pub custom_attributes: Vec<Attribute>,
}

/// One way of shipping.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are Shopify's own and documented there")]
pub struct ShippingLine {
    pub id: Option<Gid>,
    pub code: Option<Text>,
    pub title: Text,
    pub original_price_set: MoneyBag,
    pub discounted_price_set: MoneyBag,
    pub current_discounted_price_set: Option<MoneyBag>,
    pub is_removed: bool,
    pub discount_allocations: Vec<DiscountAllocation>,
    pub tax_lines: Vec<TaxLine>,
}

/// A share of a discount.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscountAllocation {
    /// In both currencies.
    pub allocated_amount_set: MoneyBag,
    /// Which discount.
    pub discount_application: DiscountIndex,
}

/// Names a discount by its index.
#[derive(Deserialize)]
pub struct DiscountIndex {
    /// Equal to one application's `index`.
    pub index: u32,
}

/// A discount: a code, an automatic discount, a manual one or a script's.
#[derive(Deserialize)]
pub struct DiscountApplication {
    /// By which allocations name it.
    pub index: u32,
    /// Of a discount code.
    pub code: Option<Text>,
    /// Of all others.
    pub title: Option<Text>,
}

/// One tax.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaxLine {
    /// As Shopify names it.
    pub title: Text,
    /// A share.
    pub rate: Option<Rate>,
    /// In both currencies.
    pub price_set: MoneyBag,
    /// Whether a marketplace owes it.
    pub channel_liable: Option<bool>,
}

/// Terms of payment.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentTerms {
    /// As `Net 30`.
    pub payment_terms_name: Text,
}
