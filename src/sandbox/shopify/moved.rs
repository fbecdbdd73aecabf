//! Orders that persons in IFS work on before the shop changes them: what they do there, what changes then, and how each must
//! end by the table of changes.

use jiff::{Timestamp, ToSpan};
use rust_decimal::Decimal;

use super::super::ifs::{Ifs, OrderView, PersonRefused};
use super::generate::tax;
use super::kinds::kinds;
use super::model::{Financial, OrderVersion};
use super::money::Taxes;
use super::story::{Change, Expected};

kinds! {
    /// What persons in IFS did, then what the shop changed.
    Moved, 20:
    /// Released; the address changes.
    ReleasedAddress = "released_then_address",
    /// Released; a line is added.
    ReleasedLineAdded = "released_then_line_added",
    /// Reserved in part; more units.
    ReservedUp = "reserved_then_quantity_up",
    /// Reserved in part; fewer units.
    ReservedDown = "reserved_then_quantity_down",
    /// Picked; a line is added.
    PickedLineAdded = "picked_then_line_added",
    /// Picked; a line is taken away.
    PickedLineRemoved = "picked_then_line_removed",
    /// Picked; the address changes.
    PickedAddress = "picked_then_address",
    /// Picked; the order is cancelled.
    PickedCancelled = "picked_then_cancelled",
    /// Delivered in part; a line gets a discount.
    PartDeliveredDiscount = "partly_delivered_then_discount",
    /// Delivered in part; the order is cancelled.
    PartDeliveredCancelled = "partly_delivered_then_cancelled",
    /// Delivered; the note changes.
    DeliveredNote = "delivered_then_note",
    /// Delivered; money goes back by amount.
    DeliveredGoodwill = "delivered_then_goodwill",
    /// Delivered; a line is taken away.
    DeliveredLineRemoved = "delivered_then_line_removed",
    /// Invoiced; the order is cancelled.
    InvoicedCancelled = "invoiced_then_cancelled",
    /// Blocked; the note changes.
    BlockedNote = "blocked_then_note",
    /// Blocked; the money comes.
    BlockedPaid = "blocked_then_paid",
    /// A person wrote on the note; the address changes.
    NoteKept = "note_by_person_then_address",
    /// A person moved the delivery date; the note changes.
    DateKept = "date_by_person_then_note",
    /// A person wrote on the note; the note changes.
    NoteOfBoth = "note_by_person_then_note",
    /// Cancelled by a person; the note changes.
    CancelledNote = "cancelled_by_person_then_note",
}

/// What a person does to an order in IFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Desk {
    /// Brings it to this state, with quantities that fit.
    To(&'static str),
    /// Writes under the note.
    Note,
    /// Delivers a week later.
    Date,
    /// Cancels it.
    Cancel,
}

/// A header field as a person left it.
pub(in crate::sandbox) type DeskEdit = (&'static str, String);

impl Moved {
    /// How an order of this kind must end.
    pub(super) fn expected(self) -> Expected {
        match self {
            Self::PickedLineRemoved
            | Self::PickedAddress
            | Self::PickedCancelled
            | Self::DeliveredLineRemoved
            | Self::InvoicedCancelled
            | Self::NoteOfBoth => Expected::Left(self.name()),
            Self::PartDeliveredCancelled => Expected::LeftInPart(self.name()),
            Self::CancelledNote => Expected::Cancelled,
            _ => Expected::Live,
        }
    }

    /// What the shop changes after the persons are done.
    pub(super) fn changes(self) -> &'static [Change] {
        match self {
            Self::ReleasedAddress | Self::PickedAddress | Self::NoteKept => &[Change::Address],
            Self::ReleasedLineAdded | Self::PickedLineAdded => &[Change::LineAdded],
            Self::ReservedUp => &[Change::QuantityUp],
            Self::ReservedDown => &[Change::QuantityDown],
            Self::PickedLineRemoved | Self::DeliveredLineRemoved => &[Change::LineRemoved],
            Self::PickedCancelled | Self::PartDeliveredCancelled | Self::InvoicedCancelled => &[Change::Cancelled],
            Self::PartDeliveredDiscount => &[Change::LineDiscount],
            Self::DeliveredGoodwill => &[Change::Goodwill],
            Self::BlockedPaid => &[Change::Paid],
            Self::DeliveredNote | Self::BlockedNote | Self::DateKept | Self::NoteOfBoth | Self::CancelledNote => {
                &[Change::Note]
            }
        }
    }

    fn desk(self) -> &'static [Desk] {
        match self {
            Self::ReleasedAddress | Self::ReleasedLineAdded => &[Desk::To("Released")],
            Self::ReservedUp | Self::ReservedDown => &[Desk::To("Released"), Desk::To("Reserved")],
            Self::PickedLineAdded | Self::PickedLineRemoved | Self::PickedAddress | Self::PickedCancelled => {
                &[Desk::To("Released"), Desk::To("Picked")]
            }
            Self::PartDeliveredDiscount | Self::PartDeliveredCancelled => {
                &[Desk::To("Released"), Desk::To("PartiallyDelivered")]
            }
            Self::DeliveredNote | Self::DeliveredGoodwill | Self::DeliveredLineRemoved => {
                &[Desk::To("Released"), Desk::To("Delivered")]
            }
            Self::InvoicedCancelled => &[Desk::To("Delivered"), Desk::To("Invoiced")],
            Self::BlockedNote | Self::BlockedPaid => &[Desk::To("Blocked")],
            Self::NoteKept | Self::NoteOfBoth => &[Desk::Note],
            Self::DateKept => &[Desk::Date],
            Self::CancelledNote => &[Desk::Cancel],
        }
    }

    /// Makes a placed order one whose units can be moved and split to the cent: two lines of four units, taxes on top, no
    /// discounts, one currency.
    pub(super) fn prepare(self, order: &mut OrderVersion) {
        order.currencies.presentment = order.currencies.shop;
        order.currencies.presentment_decimals = order.currencies.shop_decimals;
        order.currencies.rate = Decimal::ONE;
        order.taxes = Taxes::OnTop;
        order.applications.clear();
        while order.lines.len() < 2 {
            let mut line = order.lines[0].clone();
            line.id += 2;
            order.lines.push(line);
        }
        order.lines.truncate(2);
        for (line, price) in order.lines.iter_mut().zip([2_000, 3_500]) {
            line.allocations.clear();
            line.price = order.currencies.price(Decimal::new(price, 2));
            (line.quantity, line.current_quantity) = (4, 4);
        }
        for line in &mut order.shipping {
            line.allocations.clear();
            line.price = order.currencies.price(line.price.shop);
        }
        // A note that a person writes under, and money that can go back.
        order.note = Some("Please ring twice".to_owned());
        let is_paid = matches!(self, Self::DeliveredGoodwill | Self::PickedCancelled | Self::InvoicedCancelled);
        order.financial = if is_paid { Financial::Paid } else { Financial::Pending };
        tax(order);
    }

    /// Does in IFS what this kind wants, and gives the fields that persons left their mark on.
    ///
    /// # Errors
    /// IFS refuses it: the kind is not what it says then.
    pub(super) fn act(self, ifs: &Ifs, held: &OrderView, now: Timestamp) -> Result<Vec<DeskEdit>, PersonRefused> {
        let order_no = held.order_no.as_str();
        let mut edits = Vec::new();
        for act in self.desk() {
            match act {
                Desk::To(state) => ifs.set_state(order_no, state)?,
                Desk::Note => edits.push(("NoteText", format!("{}\nrung up by the desk", held.field("NoteText")))),
                Desk::Date => {
                    let later = now.checked_add((24 * 7).hours()).unwrap_or(now);
                    edits.push(("WantedDeliveryDate", later.strftime("%Y-%m-%dT00:00:00Z").to_string()));
                }
                Desk::Cancel => ifs.person_cancels(order_no)?,
            }
        }
        for (field, value) in &edits {
            ifs.edit(order_no, field, value)?;
        }
        Ok(edits)
    }
}
