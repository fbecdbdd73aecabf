//! A Shopify order as both roads (webhook, GraphQL) tell it, in one shape. No IO, no rule of any connection.

use std::fmt;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::address::Address;
pub use super::line::{Allocation, Attribute, Discount, Duty, Fee, Line, LineGroup, LineKind, ShippingLine, TaxLine};
use super::money::{Currency, Money, MoneyPair, Side};
use super::personal::Personal;
pub use super::refund::{Adjustment, Goodwill, PENDING, Refund, RefundDuty, RefundLine, RefundShipping};

/// Shopify's number of an order: its legacy resource id, also the end of its gid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShopifyOrderId(u64);

impl ShopifyOrderId {
    /// Wraps the number.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// `gid://shopify/Order/…`, as GraphQL wants it.
    pub fn gid(self) -> String {
        format!("gid://shopify/Order/{}", self.0)
    }
}

impl fmt::Display for ShopifyOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An order and everything about it that decides what IFS should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Shopify's number; our business key.
    pub id: ShopifyOrderId,
    /// What people call it, as `#1001`.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When Shopify last says it changed; not a version.
    pub updated_at: Timestamp,
    /// When the customer bought; imported orders carry an older time than `created_at`.
    pub processed_at: Timestamp,
    /// When it was cancelled, if it was.
    pub cancelled_at: Option<Timestamp>,
    /// Why it was cancelled.
    pub cancel_reason: Option<CancelReason>,
    /// Whether it is a test.
    pub test: bool,
    /// Whether inventory has been reserved for it.
    pub confirmed: bool,
    /// Whether its taxes may still change.
    pub estimated_taxes: bool,
    /// Whether its prices contain the taxes.
    pub taxes_included: bool,
    /// Whether the customer owes no tax.
    pub tax_exempt: bool,
    /// Whether duties are contained in the prices.
    pub duties_included: bool,
    /// The shop's currency.
    pub currency: Currency,
    /// The currency that the customer saw.
    pub presentment_currency: Currency,
    /// How far it is paid; none when Shopify says nothing.
    pub financial_status: Option<FinancialStatus>,
    /// The customer's own order number.
    pub po_number: Option<String>,
    /// The customer's remark.
    pub note: Option<Personal>,
    /// More remarks, by name.
    pub note_attributes: Vec<Attribute>,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// The channel it came from.
    pub source_name: Option<String>,
    /// Who bought.
    pub customer: Customer,
    /// The B2B company it was bought for.
    pub company: Option<Company>,
    /// Where it goes.
    pub shipping_address: Option<Address>,
    /// Who is billed.
    pub billing_address: Option<Address>,
    /// Goods, custom lines, gift cards and tips.
    pub lines: Vec<Line>,
    /// Shipping, removed ones too where the road tells them.
    pub shipping_lines: Vec<ShippingLine>,
    /// The discounts that allocations point to.
    pub discounts: Vec<Discount>,
    /// The sums that Shopify states.
    pub totals: Totals,
    /// What was given back, and what was taken away with it.
    pub refunds: Vec<Refund>,
    /// Further fees, by name; a webhook states their sum alone, so that one with fees is not whole.
    pub fees: Vec<Fee>,
    /// The location where it was bought, at a till.
    pub location_id: Option<u64>,
    /// Who sold it at the till; only the webhook says so.
    pub staff_id: Option<u64>,
    /// The gateways that took the payments, sorted.
    pub gateways: Vec<String>,
    /// How risky Shopify thinks it is; only where [`Told::risk`].
    pub risk: Option<Risk>,
    /// Which facts beside the order itself this payload carries.
    pub told: Told,
    /// The terms of payment, when it is sold on terms.
    pub payment_terms: Option<String>,
    /// The first thing that the payload lacked, see [`Order::not_whole`].
    pub lacks: Option<&'static str>,
}

impl Order {
    /// Why this payload may not be the whole order: one re-read by id decides then.
    ///
    /// Where something is named here, the sums of the order are not to be trusted: an amount without its set is given in
    /// both currencies as it stood.
    pub fn not_whole(&self) -> Option<&'static str> {
        self.lacks
    }

    /// Whether a fact that is needed was not told with it. Nothing of a company is lacked where none bought, and nothing of the
    /// catalogue where nothing comes from it.
    pub fn lacks_facts(&self, needs: Told) -> bool {
        let from_catalogue = |line: &Line| line.product_id.is_some() || line.variant_id.is_some();
        let needs = Told {
            catalogue: needs.catalogue && self.lines.iter().any(from_catalogue),
            company: needs.company && self.company.is_some(),
            risk: needs.risk,
            groups: needs.groups && self.lines.iter().any(from_catalogue),
        };
        !self.told.covers(needs)
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled_at.is_some()
    }

    /// Whether it was paid in full at some time, whatever was given back since, or costs nothing. The one answer to that
    /// question: terms of payment, the release and the holds all ask here.
    ///
    /// Shopify's word is believed, but for "refunded" and "partially refunded": it says so of an order of which only a part was
    /// ever paid, too. There, what is outstanding may be no more than what was given back beyond rows, where the payload tells
    /// it: what was given back for rows has left the total already. Whether Shopify counts the rest as outstanding again is
    /// not documented, and either way counts as paid.
    pub fn is_paid(&self) -> bool {
        match &self.financial_status {
            Some(FinancialStatus::Paid) => true,
            Some(FinancialStatus::PartiallyRefunded | FinancialStatus::Refunded) => {
                let whole = |gift: &Goodwill| {
                    let tax = if self.taxes_included { Decimal::ZERO } else { gift.tax.shop.amount() };
                    gift.amount.shop.amount() + tax
                };
                let beyond: Decimal = self.goodwill().iter().map(whole).sum();
                self.totals.outstanding.is_none_or(|outstanding| outstanding.amount() <= beyond)
            }
            Some(
                FinancialStatus::Pending
                | FinancialStatus::Authorized
                | FinancialStatus::Expired
                | FinancialStatus::PartiallyPaid
                | FinancialStatus::Voided
                | FinancialStatus::Unknown(_),
            ) => false,
            None => self.totals.current_total.is_zero(),
        }
    }

    /// Whether it was sold at a till and taken along: the channel says "pos", and nothing is sent anywhere.
    pub fn is_till_sale(&self) -> bool {
        let till = self.source_name.as_deref().is_some_and(|channel| channel.eq_ignore_ascii_case(TILL));
        till && self.shipping_address.is_none()
    }

    /// Keeps what an earlier version told of the sale itself: who sold it is in the webhook alone, and the roads may differ in the
    /// location. Neither can change once the order is placed, so that the first word stands.
    pub fn remember(&mut self, earlier: Sale) {
        self.staff_id = earlier.staff_id.or(self.staff_id);
        self.location_id = earlier.location_id.or(self.location_id);
    }

    /// What it tells of the sale itself.
    pub fn sale(&self) -> Sale {
        Sale { location_id: self.location_id, staff_id: self.staff_id }
    }

    /// Its currency on one side.
    pub fn currency_on(&self, side: Side) -> Currency {
        match side {
            Side::Shop => self.currency,
            Side::Presentment => self.presentment_currency,
        }
    }

    /// The address of delivery: shipping, else billing.
    pub fn delivery_address(&self) -> Option<&Address> {
        self.shipping_address.as_ref().or(self.billing_address.as_ref())
    }
}

/// The channel of Shopify's own tills (`source_name`).
const TILL: &str = "pos";

/// Facts of the sale itself, which not every road tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sale {
    /// The location where it was bought.
    pub location_id: Option<u64>,
    /// Who sold it.
    pub staff_id: Option<u64>,
}

/// Who bought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Customer {
    /// Shopify's number of the customer.
    pub id: Option<u64>,
    /// The order's e-mail.
    pub email: Option<Personal>,
    /// The order's telephone number, else that of its billing or shipping address.
    pub phone: Option<Personal>,
    /// Their given name.
    pub first_name: Option<Personal>,
    /// Their family name.
    pub last_name: Option<Personal>,
    /// The language they read, as `sv` or `pt-BR`.
    pub locale: Option<String>,
}

/// The B2B company of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Company {
    /// Shopify's number of the company.
    pub id: Option<u64>,
    /// Shopify's number of its location.
    pub location_id: Option<u64>,
    /// Its name; only where [`Told::company`].
    pub name: Option<Personal>,
    /// The key that an ERP gave it (Shopify's `externalId`); only where [`Told::company`].
    pub external_id: Option<String>,
    /// The location's key of the same kind; only where [`Told::company`].
    pub location_external_id: Option<String>,
}

/// Facts that not every road tells with an order. They take no part in the digest: a re-read that brings them is no new
/// version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Told {
    /// Each line's product type and bar code.
    pub catalogue: bool,
    /// The B2B company's name and keys.
    pub company: bool,
    /// The risk.
    pub risk: bool,
    /// Which bundle each line is a component of.
    pub groups: bool,
}

impl Told {
    /// Whether all of `needed` was told.
    pub const fn covers(self, needed: Self) -> bool {
        (self.catalogue || !needed.catalogue)
            && (self.company || !needed.company)
            && (self.risk || !needed.risk)
            && (self.groups || !needed.groups)
    }

    /// What either of the two tells or needs.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            catalogue: self.catalogue || other.catalogue,
            company: self.company || other.company,
            risk: self.risk || other.risk,
            groups: self.groups || other.groups,
        }
    }
}

/// How risky Shopify thinks an order is (GraphQL `OrderRiskSummary.recommendation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Risk {
    /// Nothing speaks against it.
    Accept,
    /// A person should look.
    Investigate,
    /// It should be cancelled.
    Cancel,
    /// Not assessed.
    None,
}

/// How far an order is paid.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FinancialStatus {
    /// Not paid yet.
    Pending,
    /// Reserved on a card.
    Authorized,
    /// The reservation ran out.
    Expired,
    /// Paid in part.
    PartiallyPaid,
    /// Paid.
    Paid,
    /// Paid back in part.
    PartiallyRefunded,
    /// Paid back.
    Refunded,
    /// The reservation was given up.
    Voided,
    /// A word that we have never heard of, in small letters.
    Unknown(String),
}

impl FinancialStatus {
    /// The status of Shopify's word, in whatever case a road writes it.
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "pending" => Self::Pending,
            "authorized" => Self::Authorized,
            "expired" => Self::Expired,
            "partially_paid" => Self::PartiallyPaid,
            "paid" => Self::Paid,
            "partially_refunded" => Self::PartiallyRefunded,
            "refunded" => Self::Refunded,
            "voided" => Self::Voided,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// Shopify's word in small letters.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "pending",
            Self::Authorized => "authorized",
            Self::Expired => "expired",
            Self::PartiallyPaid => "partially_paid",
            Self::Paid => "paid",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Voided => "voided",
            Self::Unknown(word) => word,
        }
    }
}

/// Why an order was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// The customer changed their mind.
    Customer,
    /// The payment was declined.
    Declined,
    /// It looked like fraud.
    Fraud,
    /// Nothing in stock.
    Inventory,
    /// The staff erred.
    Staff,
    /// Something else.
    Other,
    /// A word that we have never heard of, in small letters.
    Unknown(String),
}

impl CancelReason {
    /// The reason of Shopify's word, in whatever case a road writes it.
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "customer" => Self::Customer,
            "declined" => Self::Declined,
            "fraud" => Self::Fraud,
            "inventory" => Self::Inventory,
            "staff" => Self::Staff,
            "other" => Self::Other,
            word => Self::Unknown(word.to_owned()),
        }
    }

    /// Shopify's word in small letters.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Customer => "customer",
            Self::Declined => "declined",
            Self::Fraud => "fraud",
            Self::Inventory => "inventory",
            Self::Staff => "staff",
            Self::Other => "other",
            Self::Unknown(word) => word,
        }
    }
}

/// The sums that Shopify states, in two families: as placed (`total_*`, `subtotal`) and as it stands now (`current_*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Totals {
    /// All lines before discounts; only the webhook states it.
    pub line_items: Option<MoneyPair>,
    /// All discounts.
    pub discounts: MoneyPair,
    /// Lines less their discounts.
    pub subtotal: MoneyPair,
    /// Shipping after discounts.
    pub shipping: MoneyPair,
    /// Taxes.
    pub tax: MoneyPair,
    /// Tips.
    pub tip: MoneyPair,
    /// Duties as placed.
    pub duties: Option<MoneyPair>,
    /// Further fees as placed.
    pub fees: Option<MoneyPair>,
    /// What refunds in cash were rounded by: the payment's, never the order's.
    pub refund_rounding: Option<MoneyPair>,
    /// What is still to be paid, in the shop's currency alone; none where the payload does not say.
    pub outstanding: Option<Money>,
    /// The whole as placed.
    pub total: MoneyPair,
    /// Lines less discounts, now.
    pub current_subtotal: MoneyPair,
    /// Shipping now; older payloads leave it out, which is normal.
    pub current_shipping: Option<MoneyPair>,
    /// Taxes now.
    pub current_tax: MoneyPair,
    /// Duties now.
    pub current_duties: Option<MoneyPair>,
    /// Further fees now.
    pub current_fees: Option<MoneyPair>,
    /// The whole now: what IFS should hold.
    pub current_total: MoneyPair,
}
