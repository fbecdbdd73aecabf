//! A write under ETags, as its intent announces it, and what became of one whose answer was lost. As long as every ETag that
//! it was sent with is current, IFS has not made it and still may; once one of them is gone, it was made or never will be.

use serde::{Deserialize, Serialize};

use super::field::{held, url_of};
use super::merge::{PatchRow, Removal};
use super::read::{ReadOrder, Target};
use super::written::{WrittenField, WrittenFields, WrittenOrder};
use crate::ifs::wire::{Objstate, PartRequest};

/// What an intent of a write under ETags holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardedWrite {
    /// Version of this shape; readers refuse another one.
    pub version: u32,
    /// What is written.
    pub change: GuardedChange,
    /// The kind of write that IFS refused while this one may still come: that one goes again only after this one's time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardedChange {
    /// Fields of records, all of them or none.
    Fields(Vec<PatchRow>),
    /// A row goes.
    Removal(Removal),
    /// The order is released, under this ETag of its header.
    Release(String),
    /// The order is cancelled, under this ETag of its header.
    Cancellation(String),
}

/// What became of a write whose answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// IFS has not made it, and still may.
    MayCome,
    /// IFS made it.
    Made,
    /// IFS did not make it, and cannot any more.
    Never,
}

impl GuardedWrite {
    /// The shape that this code writes.
    pub const VERSION: u32 = 1;

    /// Announces a write.
    pub fn new(change: GuardedChange) -> Self {
        Self { version: Self::VERSION, change, refused: None }
    }

    /// The stored form; equal writes give equal texts.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a write holds nothing that JSON cannot")
    }

    /// Reads the stored form; none for another version's.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str::<Self>(text).ok().filter(|write| write.version == Self::VERSION)
    }

    /// The reads by key that tell what became of it: each record that it was to change and whose ETag `read` lacks. Put the
    /// answers in with [`ReadOrder::absorb`].
    pub fn key_reads(&self, read: &ReadOrder) -> Vec<(Target, PartRequest)> {
        let unread = |target: &&Target| match read.row(target) {
            Some(row) => row.etag.is_none(),
            // A reading of the rows leaves the address out.
            None => **target == Target::Address,
        };
        let targets = self.guards().into_iter().map(|(target, _)| target);
        targets
            .filter(unread)
            .map(|target| (target.clone(), PartRequest::get(url_of(read.order_no(), target))))
            .collect()
    }

    /// The records that it was to change, each with the ETag that it was sent with.
    fn guards(&self) -> Vec<(&Target, &str)> {
        match &self.change {
            GuardedChange::Fields(rows) => {
                rows.iter().map(|row| (&row.target, row.etag.as_deref().unwrap_or_default())).collect()
            }
            GuardedChange::Removal(removal) => {
                vec![(&removal.target, removal.etag.as_deref().unwrap_or_default())]
            }
            GuardedChange::Release(etag) | GuardedChange::Cancellation(etag) => vec![(&Target::Header, etag)],
        }
    }

    /// What became of it, by a reading with the ETags of the records that it was to change.
    pub fn fate(&self, base: &WrittenOrder, read: &ReadOrder) -> Fate {
        let is_current = |(target, etag): (&Target, &str)| {
            read.row(target).is_some_and(|row| row.etag.as_deref().is_none_or(|now| now == etag))
        };
        // Nothing of a cancelled order is changed any more.
        if !read.state().is_cancelled() && self.guards().into_iter().all(is_current) {
            return Fate::MayCome;
        }
        let made = match &self.change {
            // They go in together: one field that became what we sent tells of all.
            GuardedChange::Fields(rows) => rows.iter().any(|row| is_seen(row, base, read)),
            GuardedChange::Removal(removal) => read.row(&removal.target).is_none(),
            GuardedChange::Release(_) => read.state() != Objstate::Planned,
            GuardedChange::Cancellation(_) => read.state().is_cancelled(),
        };
        if made { Fate::Made } else { Fate::Never }
    }

    /// The base after a write that was found to be made: what it sent is ours, not a person's. What differs from it by now
    /// was changed after it, and is a person's.
    #[must_use]
    pub fn absorbed(&self, base: &WrittenOrder, read: &ReadOrder) -> WrittenOrder {
        let mut after = base.clone();
        match &self.change {
            GuardedChange::Fields(rows) => {
                for row in rows {
                    if let Some(fields) = fields_of(&mut after, &row.target) {
                        absorb(row, fields);
                    }
                }
            }
            // The lines of a cancelled order are all gone, and still ours.
            GuardedChange::Removal(removal) if !read.state().is_cancelled() => {
                after.rows.retain(|row| row.target != removal.target);
            }
            GuardedChange::Release(_) => after.released = true,
            GuardedChange::Removal(_) | GuardedChange::Cancellation(_) => {}
        }
        after
    }
}

/// Whether a field holds what was sent and did not hold it before.
fn is_seen(patch: &PatchRow, base: &WrittenOrder, read: &ReadOrder) -> bool {
    let found = read.row(&patch.target).or_else(|| read.cancelled_row(&patch.target));
    let (Some(row), Some(fields)) = (found, written_of(base, &patch.target)) else { return false };
    let unsent = WrittenField { sent: None, answered: None };
    let sent = patch.fields.iter().map(|(field, value)| (field, Some(value)));
    sent.chain(patch.cleared.iter().map(|field| (field, None))).any(|(field, value)| {
        let known = fields.get(field).unwrap_or(&unsent);
        let now = held(row, field, value, known);
        now.as_ref() == value && known.answered != now
    })
}

fn absorb(patch: &PatchRow, fields: &mut WrittenFields) {
    let sent = patch.fields.iter().map(|(field, value)| (field, Some(value)));
    for (field, value) in sent.chain(patch.cleared.iter().map(|field| (field, None))) {
        fields.insert(field.clone(), WrittenField { sent: value.cloned(), answered: value.cloned() });
    }
}

fn written_of<'a>(base: &'a WrittenOrder, target: &Target) -> Option<&'a WrittenFields> {
    match target {
        Target::Header => Some(&base.header),
        Target::Address => base.address.as_ref(),
        Target::Line(_) | Target::Charge(_) => {
            base.rows.iter().find(|row| row.target == *target).map(|row| &row.fields)
        }
    }
}

fn fields_of<'a>(base: &'a mut WrittenOrder, target: &Target) -> Option<&'a mut WrittenFields> {
    match target {
        Target::Header => Some(&mut base.header),
        Target::Address => base.address.as_mut(),
        Target::Line(_) | Target::Charge(_) => {
            base.rows.iter_mut().find(|row| row.target == *target).map(|row| &mut row.fields)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::fixtures::desired;
    use super::super::scalar::Scalar;
    use super::super::tests::{answered, base, set};
    use super::*;
    use crate::ifs::wire::key::LineKey;
    use crate::ifs::wire::names;

    fn line(number: &str) -> Target {
        Target::Line(LineKey { line_no: number.into(), rel_no: "1".into(), line_item_no: 0 })
    }

    fn patch(target: Target, field: &str, value: Scalar) -> PatchRow {
        let url = url_of("1001", &target);
        let fields = [(field.to_owned(), value)].into();
        PatchRow { target, url, etag: Some("W/\"l1\"".into()), fields, cleared: Vec::new() }
    }

    /// Two lines that were to change together.
    fn lost() -> GuardedWrite {
        let price = Scalar::decimal(rust_decimal::Decimal::new(9, 0));
        GuardedWrite::new(GuardedChange::Fields(vec![
            patch(line("1"), names::NOTE_TEXT, Scalar::text("gift")),
            patch(line("2"), names::SALE_UNIT_PRICE, price),
        ]))
    }

    fn read_with(etags: [&str; 2]) -> ReadOrder {
        let mut read = answered(&desired());
        for (number, etag) in ["1", "2"].into_iter().zip(etags) {
            let mut row = read.row(&line(number)).expect("it is there").clone();
            row.etag = Some(etag.to_owned());
            read.absorb(&line(number), row);
        }
        read
    }

    #[test]
    fn a_write_may_come_as_long_as_each_of_its_etags_is_current() {
        let base = base(&desired());
        assert_eq!(lost().fate(&base, &read_with(["W/\"l1\"", "W/\"l1\""])), Fate::MayCome);
        assert_eq!(lost().fate(&base, &read_with(["W/\"l1\"", "W/\"l2\""])), Fate::Never);
        let mut cancelled = read_with(["W/\"l1\"", "W/\"l1\""]);
        set(&mut cancelled, &Target::Header, names::OBJSTATE, json!("Cancelled"));
        assert_eq!(lost().fate(&base, &cancelled), Fate::Never);
        // Without ETags nothing is known: they are read by key first.
        assert_eq!(lost().key_reads(&answered(&desired())).len(), 2);
        assert!(lost().key_reads(&read_with(["a", "b"])).is_empty());
    }

    #[test]
    fn one_field_that_became_what_was_sent_tells_of_all_and_what_differs_by_now_is_a_persons() {
        let before = base(&desired());
        let mut read = read_with(["W/\"l2\"", "W/\"l2\""]);
        set(&mut read, &line("1"), names::NOTE_TEXT, json!("gift"));
        assert_eq!(lost().fate(&before, &read), Fate::Made);
        let after = lost().absorbed(&before, &read);
        let price =
            &after.rows.iter().find(|row| row.target == line("2")).expect("a row").fields[names::SALE_UNIT_PRICE];
        assert_eq!(price.sent, price.answered, "IFS holds another one by now: a person's");
        assert_ne!(
            price.answered,
            Scalar::decimal(rust_decimal::Decimal::TEN)
                .read_like(read.row(&line("2")).expect("a row").get(names::SALE_UNIT_PRICE))
        );
    }

    #[test]
    fn a_row_that_is_gone_is_forgotten_but_not_with_its_whole_order() {
        let removal =
            Removal { key: "line:1".into(), target: line("1"), url: String::new(), etag: Some("W/\"l1\"".into()) };
        let lost = GuardedWrite::new(GuardedChange::Removal(removal));
        let before = base(&desired());
        let mut read = read_with(["W/\"l1\"", "W/\"l1\""]);
        assert_eq!(lost.fate(&before, &read), Fate::MayCome);
        read.forget(&line("1"));
        assert_eq!(lost.fate(&before, &read), Fate::Made);
        assert_eq!(lost.absorbed(&before, &read).rows.len(), before.rows.len() - 1);
        set(&mut read, &Target::Header, names::OBJSTATE, json!("Cancelled"));
        assert_eq!(lost.absorbed(&before, &read), before);
    }

    #[test]
    fn its_stored_form_is_read_again_and_another_versions_is_not() {
        let text = lost().to_text();
        assert_eq!(GuardedWrite::parse(&text), Some(lost()));
        assert_eq!(GuardedWrite::parse(&text.replace("\"version\":1", "\"version\":2")), None);
    }
}
