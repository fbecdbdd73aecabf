//! Kinds of orders of the second shop, whose connection has rules of its own: a customer in IFS for each of its buyers, holds,
//! filters, parts that a rule names.

use super::super::ifs::{Ifs, PersonRefused};
use super::feature::without_decimals;
use super::generate::{Ids, tax};
use super::kinds::kinds;
use super::model::{Address, Company, Customer, Financial, Line, OrderVersion};
use super::story::{Change, Expected};

kinds! {
    /// What the second shop's rules make of an order.
    Ruled, 22:
    /// Somebody's first order.
    CustomerCreated = "customer_created",
    /// A further order of somebody who bought before.
    CustomerKnown = "customer_known",
    /// Two first orders of one buyer at once.
    CustomerOfTwo = "customer_of_two_first_orders",
    /// A buyer without an account.
    CustomerByEmail = "customer_by_email",
    /// IFS has the customer under the number that we would give.
    CustomerByNumber = "customer_matched_by_number",
    /// IFS has the customer with our key.
    CustomerByAssociation = "customer_matched_by_association",
    /// A company that knows its number in IFS; on terms of payment.
    CompanyByExternalId = "company_matched_by_external_id",
    /// A company that IFS does not know; on terms of payment.
    CompanyCreated = "company_created",
    /// Not paid at first.
    HeldUntilPaid = "held_until_paid",
    /// Never paid.
    HeldUnpaid = "held_unpaid",
    /// Its risk is looked into, and cleared.
    HeldUntilCleared = "held_until_risk_cleared",
    /// Its risk stays.
    HeldForRisk = "held_for_risk",
    /// Changed while it rests.
    ChangedInLag = "changed_in_lag",
    /// Has a tag that stays out.
    TagOut = "filtered_by_tag",
    /// Came by a channel that stays out.
    ChannelOut = "filtered_by_channel",
    /// Goes to a country that stays out.
    CountryOut = "filtered_by_country",
    /// Its payment fell through.
    StatusOut = "filtered_by_status",
    /// A rule names the part of its variant.
    PartByVariant = "part_by_variant",
    /// A rule names the part of its bar code.
    PartByBarcode = "part_by_barcode",
    /// A rule names the part of its title.
    PartByTitle = "part_by_title",
    /// The part that stands for all without a SKU.
    PartByDefault = "part_by_default",
    /// Paid with what IFS has no decimals for.
    NoDecimals = "booked_without_decimals",
}

/// Who bought: what an order of the same buyer says of them again.
#[derive(Clone, Debug)]
pub(super) struct Buyer {
    customer: Customer,
    email: Option<String>,
    locale: &'static str,
    billing: Option<Address>,
    phone: Option<String>,
}

/// The buyers that a shop remembers.
#[derive(Debug, Default)]
pub(super) struct Buyers {
    regulars: Vec<Buyer>,
    /// The first of two orders that are placed at once.
    other_half: Option<Buyer>,
    /// Orders of regulars so far: they take turns.
    turns: usize,
}

impl Ruled {
    /// How an order of this kind must end.
    pub(super) fn expected(self) -> Expected {
        match self {
            Self::HeldUnpaid | Self::HeldForRisk => Expected::Parked(self.name()),
            Self::TagOut | Self::ChannelOut | Self::CountryOut | Self::StatusOut => Expected::Skipped,
            _ => Expected::Live,
        }
    }

    /// What happens after the placing.
    pub(super) fn changes(self) -> &'static [Change] {
        match self {
            Self::HeldUntilPaid => &[Change::Paid],
            Self::HeldUntilCleared => &[Change::RiskCleared],
            Self::ChangedInLag => &[Change::Note],
            _ => &[],
        }
    }

    /// How many orders of it are placed together.
    pub(super) fn together(self) -> usize {
        if self == Self::CustomerOfTwo { 2 } else { 1 }
    }

    /// Makes a placed order one of this kind; gives the customer that IFS has for it already.
    ///
    /// # Errors
    /// A person who should have keyed the customer in IFS was refused.
    pub(super) fn prepare(
        self,
        ids: &mut Ids,
        order: &mut OrderVersion,
        buyers: &mut Buyers,
        ifs: &Ifs,
    ) -> Result<Option<String>, PersonRefused> {
        order.financial = Financial::Paid;
        order.gateways = vec!["shopify_payments"];
        order.billing_address = order.billing_address.take().or_else(|| order.shipping_address.clone());
        order.customer = Some(Customer { id: ids.next(), email: order.email.clone() });
        let id = order.customer.as_ref().map_or(0, |customer| customer.id);
        match self {
            Self::CustomerCreated => buyers.regulars.push(Buyer::of(order)),
            Self::CustomerKnown => buyers.next_regular(order),
            Self::CustomerOfTwo => match buyers.other_half.take() {
                Some(buyer) => buyer.buys(order),
                None => buyers.other_half = Some(Buyer::of(order)),
            },
            Self::CustomerByEmail => {
                order.email = Some(format!("Guest.{}@example.com", order.number));
                order.customer = None;
            }
            Self::CustomerByNumber => {
                return ifs.add_foreign_customer(Some(&format!("W{id}")), "Known by number", "DE", None).map(Some);
            }
            Self::CustomerByAssociation => {
                let key = format!("customer:{id}");
                return ifs.add_foreign_customer(None, "Known by our key", "SE", Some(&key)).map(Some);
            }
            Self::CompanyByExternalId => {
                let number = format!("K-{}", order.number);
                business(order, Some(number.clone()));
                return ifs.add_foreign_customer(Some(&number), "Known by the company", "DE", None).map(Some);
            }
            Self::CompanyCreated => business(order, None),
            Self::HeldUntilPaid | Self::HeldUnpaid => {
                (order.financial, order.gateways) = (Financial::Pending, vec!["manual"]);
            }
            Self::HeldUntilCleared => order.risk = "INVESTIGATE",
            Self::HeldForRisk => order.risk = "CANCEL",
            Self::ChangedInLag => {}
            Self::TagOut => order.tags = vec!["Handmade".to_owned(), "no-erp".to_owned()],
            Self::ChannelOut => order.source_name = "subscription",
            Self::CountryOut => {
                if let Some(address) = &mut order.shipping_address {
                    (address.country, address.province) = (Some(("Switzerland", "CH")), None);
                }
            }
            Self::StatusOut => order.financial = Financial::Voided,
            Self::PartByVariant => named(order, |line| {
                (line.sku, line.variant_id, line.part) =
                    (Some("LEGACY-1".to_owned()), Some(44_999_000_001), "MUG-001".to_owned());
            }),
            Self::PartByBarcode => named(order, |line| {
                (line.sku, line.barcode, line.part) =
                    (Some("LEGACY-2".to_owned()), Some("4099999000002".to_owned()), "LAMP-002".to_owned());
            }),
            Self::PartByTitle => named(order, |line| {
                (line.sku, line.title, line.part) = (None, "Geschenkverpackung".to_owned(), "CUSTOM".to_owned());
            }),
            Self::PartByDefault => named(order, |line| (line.sku, line.part) = (None, "DEFAULT-PART".to_owned())),
            Self::NoDecimals => {
                without_decimals(order);
                tax(order);
            }
        }
        Ok(None)
    }
}

impl Buyer {
    fn of(order: &OrderVersion) -> Self {
        let customer = order.customer.clone().unwrap_or(Customer { id: 0, email: None });
        let phone = order.shipping_address.as_ref().and_then(|address| address.phone.clone());
        let (email, billing) = (order.email.clone(), order.billing_address.clone());
        Self { customer, email, locale: order.locale, billing, phone }
    }

    /// Makes the order one of this buyer; where it is delivered is its own, whom to ring there is not.
    fn buys(self, order: &mut OrderVersion) {
        (order.customer, order.email, order.locale) = (Some(self.customer), self.email, self.locale);
        order.billing_address = self.billing;
        if let Some(address) = &mut order.shipping_address {
            address.phone = self.phone;
        }
    }
}

impl Buyers {
    fn next_regular(&mut self, order: &mut OrderVersion) {
        match self.regulars.get(self.turns % self.regulars.len().max(1)) {
            Some(buyer) => buyer.clone().buys(order),
            None => self.regulars.push(Buyer::of(order)),
        }
        self.turns += 1;
    }
}

fn named(order: &mut OrderVersion, name: impl FnOnce(&mut Line)) {
    if let Some(line) = order.lines.first_mut() {
        name(line);
    }
}

fn business(order: &mut OrderVersion, external_id: Option<String>) {
    order.company = Some(Company {
        id: 49_000_000 + order.number,
        location_id: 59_000_000 + order.number,
        name: format!("Überseehandel {} GmbH & Co. KG", order.number),
        external_id,
        location_external_id: None,
    });
    order.po_number = Some(format!("PO/{}", order.number));
    order.payment_terms = Some("Net 30");
    (order.financial, order.gateways) = (Financial::Pending, vec!["manual"]);
}
