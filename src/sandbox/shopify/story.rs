//! What happens to an order after it was placed, and how each such story must end. The deck of a day deals
//! one story to each order; the changes are pure functions from version to version.

use jiff::Timestamp;
use rand::Rng;
use rand::rngs::StdRng;
use rust_decimal::Decimal;

use super::feature::Feature;
use super::generate::{Ids, tax};
use super::model::{Application, DiscountKind, DiscountTarget, DiscountValue, Financial, OrderVersion, TaxLine};
use super::money::{Both, Taxes, exact_share, round};
use super::moved::Moved;
use super::ruled::Ruled;
use super::{given_back, people};

/// Why an order is meant to be parked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Planted {
    /// A SKU that no part in IFS has.
    UnknownSku,
    /// The totals contradict each other, as in Shopify's own sample.
    ContradictingTotals,
    /// A tax rate that IFS has no code for.
    UnknownTaxRate,
    /// Neither address has a country.
    MissingCountry,
    /// A marketplace owes the taxes.
    ChannelLiable,
}

impl Planted {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::UnknownSku, Self::ContradictingTotals, Self::UnknownTaxRate, Self::MissingCountry, Self::ChannelLiable];

    /// The kind's name in books and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownSku => "unknown_sku",
            Self::ContradictingTotals => "contradicting_totals",
            Self::UnknownTaxRate => "unknown_tax_rate",
            Self::MissingCountry => "missing_country",
            Self::ChannelLiable => "channel_liable",
        }
    }
}

/// What happens to one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// Placed, nothing else.
    Plain,
    /// Placed hours ago; its webhook comes only now.
    PlacedEarlier,
    /// Placed unpaid, paid later.
    PaidLater,
    /// The note is changed.
    NoteChanged,
    /// The delivery address is changed.
    AddressChanged,
    /// Units are removed from a line by an edit.
    QuantityDown,
    /// Units are added to a line by an edit.
    QuantityUp,
    /// A discount on one line is added by an edit.
    PriceChanged,
    /// Paid, note, address: three changes one after the other.
    SeveralChanges,
    /// Cancelled at once; the cancellation is delivered before the order.
    CancelledAtOnce,
    /// Cancelled after IFS has the order.
    CancelledAfterWritten,
    /// A test order.
    Test,
    /// Sold with something that not every order has.
    Sold(Feature),
    /// Changed after persons in IFS moved it on.
    Moved(Moved),
    /// What the second shop's rules make something of.
    Ruled(Ruled),
    /// Something that must be parked.
    Parked(Planted),
}

/// How an order must end in IFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Live, with what the last version says.
    Live,
    /// There and cancelled.
    Cancelled,
    /// Not live: absent or cancelled.
    NotLive,
    /// Never there, by a rule.
    Skipped,
    /// Not there, parked or held for this reason.
    Parked(&'static str),
    /// Live as it stood before the last change, which is a person's: parked for this reason.
    Left(&'static str),
    /// As `Left`, but for what could still be taken back.
    LeftInPart(&'static str),
}

impl Story {
    /// The end that this story must have.
    pub fn expected(self) -> Expected {
        match self {
            Self::CancelledAtOnce => Expected::NotLive,
            Self::CancelledAfterWritten => Expected::Cancelled,
            Self::Test => Expected::Skipped,
            Self::Parked(planted) => Expected::Parked(planted.name()),
            Self::Plain
            | Self::PlacedEarlier
            | Self::PaidLater
            | Self::NoteChanged
            | Self::AddressChanged
            | Self::QuantityDown
            | Self::QuantityUp
            | Self::PriceChanged
            | Self::SeveralChanges => Expected::Live,
            Self::Sold(feature) => feature.expected(),
            Self::Moved(moved) => moved.expected(),
            Self::Ruled(ruled) => ruled.expected(),
        }
    }

    /// The kind's name in tables and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::PlacedEarlier => "placed_earlier",
            Self::PaidLater => "paid_later",
            Self::NoteChanged => "note_changed",
            Self::AddressChanged => "address_changed",
            Self::QuantityDown => "quantity_down",
            Self::QuantityUp => "quantity_up",
            Self::PriceChanged => "price_changed",
            Self::SeveralChanges => "several_changes",
            Self::CancelledAtOnce => "cancelled_at_once",
            Self::CancelledAfterWritten => "cancelled_after_written",
            Self::Test => "test_order",
            Self::Sold(feature) => feature.name(),
            Self::Moved(moved) => moved.name(),
            Self::Ruled(ruled) => ruled.name(),
            Self::Parked(planted) => planted.name(),
        }
    }

    /// Whether it is meant to wait to the end.
    pub fn is_held(self) -> bool {
        matches!(self, Self::Ruled(Ruled::HeldUnpaid | Ruled::HeldForRisk))
    }

    /// Whether its last change lets the integration look at the order in IFS, so that it knows the state there.
    pub(in crate::sandbox) fn shows_state(self) -> bool {
        self != Self::Moved(Moved::BlockedPaid)
    }

    /// Whether units that are added to a line come to IFS as a row of their own.
    pub(in crate::sandbox) fn splits_rows(self) -> bool {
        self == Self::Moved(Moved::ReservedUp)
    }

    /// Whether its changes happen only after IFS has the order.
    pub(super) fn waits_for_ifs(self) -> bool {
        match self {
            Self::CancelledAfterWritten | Self::Moved(_) => true,
            Self::Sold(feature) => !matches!(feature, Feature::ConfirmedLater | Feature::TaxesFinalLater),
            _ => false,
        }
    }

    /// The changes that follow the placing, in order.
    pub(in crate::sandbox) fn changes(self) -> &'static [Change] {
        match self {
            Self::Plain | Self::PlacedEarlier | Self::Test | Self::Parked(_) => &[],
            Self::Sold(feature) => feature.changes(),
            Self::Moved(moved) => moved.changes(),
            Self::Ruled(ruled) => ruled.changes(),
            Self::PaidLater => &[Change::Paid],
            Self::NoteChanged => &[Change::Note],
            Self::AddressChanged => &[Change::Address],
            Self::QuantityDown => &[Change::QuantityDown],
            Self::QuantityUp => &[Change::QuantityUp],
            Self::PriceChanged => &[Change::LineDiscount],
            Self::SeveralChanges => &[Change::Paid, Change::Note, Change::Address],
            Self::CancelledAtOnce | Self::CancelledAfterWritten => &[Change::Cancelled],
        }
    }
}

/// One change of an order in the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The money came.
    Paid,
    /// Another note.
    Note,
    /// Another delivery address in the same country.
    Address,
    /// One line loses units; falls back to `Note` where the shares would not be exact.
    QuantityDown,
    /// One line gains units.
    QuantityUp,
    /// One line gets a discount.
    LineDiscount,
    /// The order is cancelled; money received goes back.
    Cancelled,
    /// The shop confirms the order.
    Confirmed,
    /// The final taxes are known.
    TaxesFinal,
    /// Money goes back by amount, without rows.
    Goodwill,
    /// The last of several lines is taken away and its money goes back.
    LineRefunded,
    /// All shipping is given back.
    ShippingRefunded,
    /// An edit adds a line.
    LineAdded,
    /// An edit takes the last of several lines away.
    LineRemoved,
    /// The customer's own order number is changed.
    PurchaseOrder,
    /// Shopify finds no risk any more; the order's webhook does not say what of it changed.
    RiskCleared,
}

/// Makes a placed order one of this story's: what must already be so at the placing.
pub(in crate::sandbox) fn prepare(random: &mut StdRng, ids: &mut Ids, order: &mut OrderVersion, story: Story) {
    match story {
        Story::PaidLater | Story::SeveralChanges | Story::QuantityDown | Story::QuantityUp | Story::PriceChanged => {
            order.financial = Financial::Pending;
        }
        Story::Test => order.test = true,
        Story::Sold(feature) => feature.prepare(random, ids, order),
        Story::Moved(moved) => moved.prepare(order),
        Story::Parked(planted) => plant(random, order, planted),
        // The second shop's orders are prepared by what it knows of its buyers.
        Story::Ruled(_)
        | Story::Plain
        | Story::PlacedEarlier
        | Story::NoteChanged
        | Story::AddressChanged
        | Story::CancelledAtOnce
        | Story::CancelledAfterWritten => {}
    }
}

fn plant(random: &mut StdRng, order: &mut OrderVersion, planted: Planted) {
    let amount = order.currencies.price(Decimal::new(random.random_range(100..900_i64), 2));
    let line = &mut order.lines[0];
    match planted {
        Planted::UnknownSku => line.sku = Some(format!("GONE-{}", random.random_range(100..999_u32))),
        Planted::ChannelLiable => {
            if line.taxes.is_empty() {
                line.taxes.push(TaxLine::unrated("VAT", Decimal::from(20)));
            }
            line.taxes.iter_mut().for_each(|tax| tax.channel_liable = Some(true));
            tax(order);
        }
        Planted::ContradictingTotals => order.contradiction = amount,
        Planted::UnknownTaxRate => {
            let mut odd = line.taxes.clone();
            for tax in &mut odd {
                tax.percent = Decimal::new(865, 2);
            }
            if odd.is_empty() {
                odd.push(TaxLine::unrated("Sales tax", Decimal::new(865, 2)));
            }
            line.taxes = odd;
            tax(order);
        }
        Planted::MissingCountry => {
            for address in [&mut order.shipping_address, &mut order.billing_address].into_iter().flatten() {
                address.country = None;
            }
        }
    }
}

/// The next version of an order; `at` is when it happens.
pub(in crate::sandbox) fn change(
    random: &mut StdRng,
    order: &OrderVersion,
    change: Change,
    at: Timestamp,
) -> OrderVersion {
    let mut next = order.clone();
    next.updated_at = at;
    match change {
        Change::Paid => {
            next.financial = Financial::Paid;
            next.gateways = vec!["shopify_payments"];
        }
        Change::Note => next.note = Some(format!("Neue Notiz {}: please ring twice", random.random_range(1..1000_u32))),
        Change::Address => {
            let country =
                order.shipping_address.as_ref().and_then(|address| address.country).map_or("DE", |(_, code)| code);
            let mut address = people::address(random, country);
            address.address2 = Some(format!("Hinterhaus {}", random.random_range(1..99_u32)));
            if address.address1.chars().count() > 35 {
                address.address1 = "Neue Straße 1".to_owned();
            }
            next.shipping_address = Some(address);
        }
        Change::QuantityDown => quantity_down(random, &mut next),
        Change::QuantityUp => {
            let index = random.random_range(0..next.lines.len());
            next.lines[index].quantity += 1;
            next.lines[index].current_quantity += 1;
            tax(&mut next);
        }
        Change::LineDiscount => line_discount(random, &mut next),
        Change::Cancelled => cancel(&mut next, at),
        Change::Confirmed => next.confirmed = true,
        Change::TaxesFinal => next.estimated_taxes = false,
        Change::Goodwill => given_back::goodwill(random, &mut next, at),
        Change::LineRefunded => given_back::last_line(&mut next, at),
        Change::ShippingRefunded => given_back::shipping(&mut next, at),
        Change::LineAdded => add_line(&mut next),
        Change::LineRemoved => {
            if let [_, .., last] = next.lines.as_mut_slice() {
                last.current_quantity = 0;
            }
        }
        Change::PurchaseOrder => next.po_number = Some(format!("PO-NEW-{}", random.random_range(1..1000_u32))),
        Change::RiskCleared => next.risk = "ACCEPT",
    }
    next
}

/// Takes units from a line whose shares of discount and tax are exact and taxed alike afterwards.
fn quantity_down(random: &mut StdRng, order: &mut OrderVersion) {
    let mut choices = Vec::new();
    for (index, line) in order.lines.iter().enumerate() {
        choices.extend((1..line.quantity).filter(|left| exact_after(order, index, *left)).map(|left| (index, left)));
    }
    match choices.as_slice() {
        [] => order.note = Some(format!("Quantity stays {}", random.random_range(1..1000_u32))),
        choices => {
            let (index, left) = choices[random.random_range(0..choices.len())];
            order.lines[index].current_quantity = left;
        }
    }
}

fn exact_after(order: &OrderVersion, index: usize, left: u32) -> bool {
    let line = &order.lines[index];
    let Some(allocated) = exact_share(&order.currencies, line.allocated(), left, line.quantity) else { return false };
    let each_exact = line
        .allocations
        .iter()
        .all(|(_, amount)| exact_share(&order.currencies, *amount, left, line.quantity).is_some());
    let total = line.price.times(left) - allocated;
    each_exact
        && line.taxes.iter().all(|tax| {
            exact_share(&order.currencies, tax.amount, left, line.quantity)
                == Some(order.currencies.tax(total, tax.percent, order.taxes))
        })
}

fn line_discount(random: &mut StdRng, order: &mut OrderVersion) {
    let index = random.random_range(0..order.lines.len());
    let line = &mut order.lines[index];
    let amount = order.currencies.price(round(line.total().shop * Decimal::new(21, 2), 2));
    line.allocations.push((order.applications.len(), amount));
    let title = "Kulanz".to_owned();
    let value = DiscountValue::Fixed(amount);
    order.applications.push(Application { kind: DiscountKind::Manual, target: DiscountTarget::OneLine, title, value });
    tax(order);
}

/// A line like the first, under an id of its own and without its discounts.
fn add_line(order: &mut OrderVersion) {
    let mut line = order.lines[0].clone();
    line.id = order.lines.iter().map(|line| line.id).max().unwrap_or_default() + 3;
    (line.quantity, line.current_quantity) = (2, 2);
    line.allocations.clear();
    order.lines.push(line);
    tax(order);
}

fn cancel(order: &mut OrderVersion, at: Timestamp) {
    order.cancelled = Some((at, "customer"));
    if order.financial == Financial::Paid {
        given_back::everything(order, at);
        order.financial = Financial::Refunded;
    } else {
        order.financial = Financial::Voided;
    }
    for line in &mut order.lines {
        line.current_quantity = 0;
    }
}

/// What a line is worth in IFS, in the order's tax basis, for books.
pub(in crate::sandbox) fn worth(order: &OrderVersion, index: usize) -> (Both, Both) {
    let line = &order.lines[index];
    (line.current_total(&order.currencies), line.current(&order.currencies, line.tax()))
}

/// Whether the order's prices hold taxes.
pub(in crate::sandbox) fn includes_taxes(order: &OrderVersion) -> bool {
    order.taxes == Taxes::Included
}
