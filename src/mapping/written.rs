//! The base of the three-way merge: for each field what we sent and what IFS answered, and which row of IFS is which of ours.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::desired::{DesiredOrder, DesiredRow, Fields};
use super::gate::Gap;
use super::late::Kept;
use super::link::link;
use super::read::{ReadOrder, Target};
use super::scalar::Scalar;
use crate::ifs::wire::{Objstate, Row, names};

/// One field as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenField {
    /// What we sent; none when we left it to IFS.
    pub sent: Option<Scalar>,
    /// What IFS answered: it rounds and fills in defaults.
    pub answered: Option<Scalar>,
}

/// The fields of one record as they were written.
pub type WrittenFields = BTreeMap<String, WrittenField>;

/// One line or charge as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenRow {
    /// Our name for the row.
    pub key: String,
    /// IFS's.
    pub target: Target,
    /// Its fields.
    pub fields: WrittenFields,
}

/// One order as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenOrder {
    /// Version of this shape.
    pub version: u32,
    /// The order's number in IFS.
    pub order_no: String,
    /// The header.
    pub header: WrittenFields,
    /// The order's own address.
    pub address: Option<WrittenFields>,
    /// Lines and charges.
    pub rows: Vec<WrittenRow>,
    /// Whether it was released, by us or by a person: it is not released again.
    #[serde(default)]
    pub released: bool,
    /// What it keeps since additions came too late for it: all beyond that stands on a second order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// Rows of ours that cannot be found in IFS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("IFS order {order_no} lacks the rows {}; the rows that were sent were expected", missing.join(", "))]
pub struct LinkGap {
    /// The order's number in IFS.
    pub order_no: String,
    /// Our names of the rows.
    pub missing: Vec<String>,
}

/// Optional fields that IFS or a person may fill where we send nothing: their first content is part of the base.
const TRACKED_HEADER: [&str; 7] = [
    names::PAY_TERM_ID,
    names::SALESMAN_CODE,
    names::SHIP_VIA_CODE,
    names::DELIVERY_TERMS,
    names::NOTE_TEXT,
    names::INTERNAL_REF,
    names::EXTERNAL_REF,
];
const TRACKED_LINE: [&str; 1] = [names::NOTE_TEXT];
const TRACKED_ADDRESS: [&str; 10] = [
    names::NAME,
    names::ADDRESS1,
    names::ADDRESS2,
    names::ADDRESS3,
    names::ADDRESS4,
    names::ADDRESS5,
    names::ADDRESS6,
    names::ZIP_CODE,
    names::CITY,
    names::STATE,
];

impl WrittenOrder {
    /// The shape that this code writes.
    pub const VERSION: u32 = 1;

    /// The base of an order that is linked and of which nothing else is known.
    pub fn linked(order_no: &str) -> Self {
        Self {
            version: Self::VERSION,
            order_no: order_no.to_owned(),
            header: WrittenFields::new(),
            address: None,
            rows: Vec::new(),
            released: false,
            kept: None,
        }
    }

    /// The base of an order that IFS made unheard and that was read only later: a text that it holds otherwise than it was sent
    /// was written by a person, who came before us. Figures are IFS's own: it rounds them.
    #[must_use]
    pub fn read_later(mut self) -> Self {
        let rows = self.rows.iter_mut().map(|row| &mut row.fields);
        for fields in [&mut self.header].into_iter().chain(self.address.as_mut()).chain(rows) {
            texts_as_sent(fields);
        }
        self
    }
}

fn texts_as_sent(fields: &mut WrittenFields) {
    for field in fields.values_mut() {
        if matches!((&field.sent, &field.answered), (Some(Scalar::Text(_)), Some(Scalar::Text(_)))) {
            field.answered.clone_from(&field.sent);
        }
    }
}

/// Makes the base of an order that was just created, or adopted: sent is what we wanted, answered what was read.
///
/// # Errors
/// [`LinkGap`] when a row of ours is not there.
pub fn link_rows(desired: &DesiredOrder, read: &ReadOrder) -> Result<WrittenOrder, LinkGap> {
    let linked = link(desired, read);
    if !linked.missing.is_empty() {
        let missing = linked.missing.iter().map(|row| row.key.clone()).collect();
        return Err(LinkGap { order_no: read.order_no().to_owned(), missing });
    }
    let rows = linked.pairs.into_iter().map(|(row, target, answered)| WrittenRow::new(row, target, answered)).collect();
    let address = desired.address.as_ref().map(|address| {
        let nothing = Row::default();
        written_fields(address, read.address.as_ref().unwrap_or(&nothing), &TRACKED_ADDRESS)
    });
    Ok(WrittenOrder {
        version: WrittenOrder::VERSION,
        order_no: read.order_no().to_owned(),
        header: written_fields(&desired.header, &read.header, &TRACKED_HEADER),
        address,
        rows,
        released: false,
        kept: None,
    })
}

impl WrittenRow {
    /// A row that IFS just made of ours.
    pub fn new(row: &DesiredRow, target: Target, answered: &Row) -> Self {
        let tracked: &[&str] = if matches!(target, Target::Line(_)) { &TRACKED_LINE } else { &[] };
        Self { key: row.key.clone(), target, fields: written_fields(&row.fields, answered, tracked) }
    }

    /// A row of ours that IFS made unheard and that was read only later: as of an [order](WrittenOrder::read_later), a text that it
    /// holds otherwise is a person's.
    pub fn found(row: &DesiredRow, target: Target, read: &Row) -> Self {
        let mut written = Self::new(row, target, read);
        texts_as_sent(&mut written.fields);
        written
    }
}

fn written_fields(sent: &Fields, answered: &Row, tracked: &[&str]) -> WrittenFields {
    let mut fields: WrittenFields = sent
        .iter()
        .map(|(field, value)| {
            let answered = value.read_like(answered.get(field));
            (field.clone(), WrittenField { sent: Some(value.clone()), answered })
        })
        .collect();
    for field in tracked {
        fields
            .entry((*field).to_owned())
            .or_insert_with(|| WrittenField { sent: None, answered: Scalar::read_plain(answered.get(field)) });
    }
    fields
}

/// Whether a header that was found by the key can be the order that we sent: nothing in the list means that it fits.
pub fn fits(desired: &DesiredOrder, header: &Row) -> Vec<Gap> {
    let compared = [
        desired.key_field.as_str(),
        names::CUSTOMER_NO,
        names::CONTRACT,
        names::COMPANY,
        names::CURRENCY_CODE,
        names::USE_PRICE_INCL_TAX,
    ];
    let mut gaps: Vec<Gap> = compared
        .into_iter()
        .filter_map(|field| {
            let wanted = desired.header.get(field)?;
            (!wanted.is(header.get(field))).then(|| Gap {
                component: field.to_owned(),
                shopify: wanted.to_string(),
                ifs: wanted.read_like(header.get(field)).map_or("nothing".into(), |found| found.to_string()),
            })
        })
        .collect();
    let state = Objstate::parse(header.text(names::OBJSTATE).unwrap_or(""));
    if state.is_cancelled() {
        gaps.push(Gap {
            component: names::OBJSTATE.to_owned(),
            shopify: "a live order".into(),
            ifs: state.as_str().to_owned(),
        });
    }
    gaps
}
